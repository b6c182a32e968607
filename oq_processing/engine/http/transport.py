"""HTTP as the engine's client needs it: cancellable, bounded, streamed, always verified.

Every request is logged when it ends (``logging``, level DEBUG): method, path, status, bytes and
milliseconds; never headers, forms or an address of a proxy.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..address import is_loopback
from ..errors import EngineError
from ..wait import Wait
from .exchange import Answer, Exchange, Request
from .explain import explained, forget_secrets, trace
from .sockets import new_session

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT = 10.0  # seconds
_NO_PROXY: Any = {"http": None, "https": None, "all": None}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """How a server is reached from here.

    ``trusted`` are certificate authorities (PEM) that are trusted beside the usual ones; ``proxy``
    is the address of a proxy, "" for none, None for what the environment says (``HTTPS_PROXY``,
    …); ``connect`` and ``answer`` are seconds for a connection and without a byte of an answer,
    None for the defaults.
    """

    trusted: str = ""
    proxy: str | None = None
    connect: float | None = None
    answer: float | None = None

    def __repr__(self) -> str:
        return "Network(…)"  # a proxy's address may hold a password


class Transport:
    """Makes requests on a helper thread while ``wait`` looks after the user.

    TLS is always verified and redirects are never followed, so that credentials stay with the
    server they were meant for. Cookies live as long as the transport.
    """

    def __init__(self, wait: Wait | None = None, network: Network | None = None) -> None:
        self.wait = wait or Wait()
        self.network = network or Network()
        self._session: requests.Session | None = None
        self._under_way: set[Exchange] = set()

    def fetch(self, request: Request) -> Answer:
        """Make one request and return its answer."""
        exchange = Exchange(request)
        begin, outcome = time.monotonic(), "cancelled"
        self._under_way.add(exchange)
        try:
            work = partial(self._make, exchange)
            answer = self.wait.call(work, exchange.sockets.abort, exchange.report)
            outcome = f"{answer.status}, {answer.size:,} bytes"
            return answer
        except EngineError as error:
            outcome = str(error)
            raise
        finally:
            self._under_way.discard(exchange)
            if request.form is not None:
                request.form.close()
            elapsed = 1000 * (time.monotonic() - begin)
            _log.debug("%s %s: %s, %.0f ms", request.method, request.path, outcome, elapsed)
            if exchange.trace:
                _log.warning("%s %s\n%s", request.method, request.path, exchange.trace)

    def close(self) -> None:
        """Abort what is under way and forget the connections."""
        for exchange in list(self._under_way):
            exchange.sockets.abort()
        if self._session is not None:
            self._session.close()

    def _make(self, exchange: Exchange) -> Answer:
        request = exchange.request
        exchange.sockets.follow_thread()
        session = self._open_session()
        timeout = (self.network.connect or CONNECT_TIMEOUT, request.timeout)
        try:
            with session.request(
                request.method,
                request.url,
                params=request.query,
                data=request.form,
                headers=request.form and request.form.headers,
                timeout=timeout,
                proxies=self._proxies(request.url),
                verify=True,
                allow_redirects=False,
                stream=True,
            ) as response:
                return exchange.read(response)
        except EngineError:
            raise
        except Exception as error:  # there is no list of what a server can make http.client raise
            exchange.trace = trace(error)
            forget_secrets(error)
            begun = exchange.answer.status == 200
            raise explained(request.url, error, timeout, begun) from error
        finally:
            if request.url.startswith("http://"):
                # we asked to close it, but until the server does it went back to the pool, where
                # the next request may meet it before the server's end does
                session.close()

    def _open_session(self) -> requests.Session:
        if self._session is None:
            self._session = new_session(self.network.trusted)
        return self._session

    def _proxies(self, url: str) -> dict[str, str] | None:
        """Return the proxies of a request; None for what the environment says."""
        proxy = self.network.proxy
        if is_loopback(url) or proxy == "":
            return _NO_PROXY  # type: ignore[no-any-return]
        return None if proxy is None else {"http": proxy, "https": proxy}
