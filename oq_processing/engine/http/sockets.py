"""The sockets below ``requests``, for what it has no words for: abort while a server is silent.

The only module that knows urllib3, of which it relies on:

- ``pool_classes_by_scheme`` of a pool manager, read whenever a pool is made, and the pools'
  ``ConnectionCls``, whose ``connect`` makes ``sock`` and whose ``putrequest`` begins each request;
- ``length_remaining``, ``tell()`` and ``chunked`` of a response, and ``IncompleteRead``;
- ``create_urllib3_context`` for a context that compares host names in every version.

``tests/engine/test_transport.py`` holds version 1.26 or 2 to this, whichever there is, and
``tests/engine/test_urllib3.py`` runs it with the other one.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EngineError

if TYPE_CHECKING:
    import ssl

    import requests

_thread = threading.local()  # the sockets of the request that a helper thread makes


class Sockets:
    """The sockets of one request; shutting them down is the only way to abort it."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._aborted = False
        self._lock = threading.Lock()

    def follow_thread(self) -> None:
        """Note every socket that this thread uses from now on."""
        _thread.sockets = self

    def opened(self, sock: socket.socket) -> None:
        """Note a socket; one that is opened after the abort is of no use any more."""
        with self._lock:
            self._sockets.append(sock)
            aborted = self._aborted
        if aborted:
            self.abort()
            raise ConnectionAbortedError("broken off")

    def abort(self) -> None:
        """Make the thread that reads or writes end soon."""
        with self._lock:
            self._aborted = True
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def keep(self, part: Path, target: Path) -> None:
        """Give a whole file its name, unless the request was aborted."""
        with self._lock:
            if self._aborted:
                raise ConnectionAbortedError("broken off")
            part.replace(target)


def new_session(trusted: str) -> requests.Session:
    """Return a session whose sockets are noted, and which no environment gives credentials.

    It trusts the authorities of ``trusted`` (PEM) beside the usual ones.
    """
    import requests

    session = requests.Session()
    # without an auth of its own requests would send what ~/.netrc holds for the host
    session.auth = lambda request: request
    # else it reads the body of a redirect, however long, even of one that is not followed
    session.get_redirect_target = lambda _: None
    session.headers["User-Agent"] = "oq_processing"
    adapter = _adapter(_tls_context(trusted) if trusted else None)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def announced(response: requests.Response) -> int | None:
    """Return the bytes that are to come, before any decompression.

    None where the length is not given, is nonsense, or does not count (chunks).
    """
    length: int | None = response.raw.length_remaining
    return length


def pieces(response: requests.Response, size: int) -> Iterator[bytes]:
    """Yield the content in pieces of ``size`` bytes, unpacked; raise where it is not whole."""
    from urllib3.exceptions import IncompleteRead

    length = announced(response)
    # leaves the chunks to http.client, which bounds the lines between them; urllib3 does not
    response.raw.chunked = False
    yield from response.iter_content(size)
    received = response.raw.tell()  # before any decompression
    if length is not None and received != length:  # version 2 raises it by itself
        raise IncompleteRead(received, length - received)


def _adapter(context: ssl.SSLContext | None) -> requests.adapters.HTTPAdapter:
    import requests.adapters

    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)
            _track(self.poolmanager)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs, ssl_context=context)
            _track(manager)
            return manager

        def add_headers(self, request: Any, **_: Any) -> None:
            # the engine's own server answers small requests on a kept connection 40 ms late
            if request.url.startswith("http://"):
                request.headers["Connection"] = "close"

    return Adapter()


def _track(manager: Any) -> None:
    # the manager's own classes: those of a SOCKS proxy are others
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {name: _tracked(pools[name]) for name in pools}


def _tracked(pool_class: Any) -> Any:
    """Return a class of pools that note the socket of every request, new or kept from another."""
    base: Any = pool_class.ConnectionCls
    if hasattr(base, "is_tracked"):
        return pool_class

    class Connection(base):  # type: ignore[misc]
        is_tracked = True

        def connect(self) -> None:
            super().connect()
            _thread.sockets.opened(self.sock)

        def putrequest(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is not None:
                _thread.sockets.opened(self.sock)
            super().putrequest(*args, **kwargs)

    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})


def _tls_context(trusted: str) -> ssl.SSLContext:
    import ssl

    import requests.certs
    from urllib3.util.ssl_ import create_urllib3_context

    # urllib3's own, which knows who compares the names: before its version 2 not the context
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_default_certs()
    context.load_verify_locations(requests.certs.where())
    try:
        context.load_verify_locations(cadata=trusted)
    except (ssl.SSLError, ValueError) as error:
        raise EngineError(
            f"The trusted certificate authorities cannot be read ({error}); is the file PEM?"
        ) from error
    return context
