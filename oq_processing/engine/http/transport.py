"""HTTP as the engine's client needs it: cancellable, bounded, streamed, always verified."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

from ..errors import EngineError, Interrupted, ServerFault, Unreachable
from ..wait import Wait

if TYPE_CHECKING:
    import ssl

    import requests

CONNECT_TIMEOUT = 10.0  # seconds
CHUNK = 1024 * 1024
PACKED_CHUNK = 64 * 1024  # bytes of a compressed answer, each of which may become a thousand
_NO_PROXY: Any = {"http": None, "https": None, "all": None}


@dataclass(frozen=True)
class Network:
    """How a server is reached from here.

    ``trusted`` are certificate authorities (PEM) that are trusted beside the usual ones; ``proxy``
    is the address of a proxy, "" for none, None for what the environment says (``HTTPS_PROXY``,
    …); ``connect`` and ``answer`` are seconds for a connection and without a byte of an answer,
    None for what is usual.
    """

    trusted: str = ""
    proxy: str | None = None
    connect: float | None = None
    answer: float | None = None

    def __repr__(self) -> str:
        return "Network(…)"  # a proxy's address may hold a password


@dataclass
class Body:
    """An answer: status, headers, and its content unless that went to a file."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    size: int = 0

    @property
    def location(self) -> str:
        """Where a redirect points to."""
        return str(self.headers.get("Location", "another address"))

    @property
    def filename(self) -> str:
        """The name the server gives the file; it may be anything, never use it as a path."""
        match = re.search(r'filename="?([^";]+)', self.headers.get("Content-Disposition", ""))
        return match[1].strip() if match else ""

    def text(self) -> str:
        """Return the content as text."""
        return self.content.decode("utf-8", "replace")

    def title(self) -> str:
        """Return the title of an HTML page, "" if this is none."""
        match = re.search(r"<title>(.*?)</title>", self.text()[:100_000], re.S | re.I)
        return " ".join(match[1].split())[:200] if match else ""

    def first_line(self) -> str:
        """Return the first line that is not empty."""
        return next((line.strip()[:300] for line in self.text().splitlines() if line.strip()), "")

    def error(self) -> str:
        """Return the reason an engine gives for an error, "" if it gives none.

        JSON ``{"error": …}`` or ``{"traceback": [lines]}`` (until 3.16 the bare list), or the first
        line of plain text.
        """
        value = self._json()
        if isinstance(value, dict):
            value = value.get("error") or value.get("traceback") or ""
        if isinstance(value, list):
            lines = [str(line).strip() for item in value for line in str(item).splitlines()]
            return next((line for line in reversed(lines) if line), "")
        if isinstance(value, str) and value:
            return value
        plain = self.headers.get("Content-Type", "").startswith("text/plain")
        return self.first_line() if plain else ""

    def job_id(self) -> int | None:
        """Return the ``job_id`` of an answer to a submission."""
        value = self._json()
        number = value.get("job_id") if isinstance(value, dict) else None
        return number if type(number) is int else None  # True is no id

    def _json(self) -> Any:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class Upload:
    """A multipart form, with or without one archive that is streamed from disk.

    ``sent`` counts the bytes read: 0 as long as nothing but headers can have left.
    """

    def __init__(self, archive: Path | None, fields: Mapping[str, str]) -> None:
        boundary = uuid.uuid4().hex
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        size, end = 0, ""
        self._file: IO[bytes] = io.BytesIO()
        if archive is not None:
            # the engine only looks at the suffix; the user's file name is nobody's business
            head += (
                f"--{boundary}\r\nContent-Disposition: form-data; "
                'name="archive"; filename="job.zip"\r\nContent-Type: application/zip\r\n\r\n'
            )
            size, end = archive.stat().st_size, "\r\n"
            self._file = archive.open("rb")
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self.sent = 0
        self._head = head.encode()
        self._tail = f"{end}--{boundary}--\r\n".encode()
        self._size = len(self._head) + size + len(self._tail)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(CHUNK):
            yield data

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as files do."""
        size = CHUNK if size < 0 else size
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        elif not (data := self._file.read(size)):
            data, self._tail = self._tail[:size], self._tail[size:]
        self.sent += len(data)
        return data

    def close(self) -> None:
        """Close the archive."""
        self._file.close()


class _Line:
    """The sockets of one request; shutting them down is the only way to break it off."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._broken = False
        self._lock = threading.Lock()

    def opened(self, sock: socket.socket) -> None:
        """Take a socket into account; one that is opened after the break is of no use any more."""
        with self._lock:
            self._sockets.append(sock)
            broken = self._broken
        if broken:
            self.break_off()
            raise ConnectionAbortedError("broken off")

    def break_off(self) -> None:
        """Make the thread that reads or writes end soon."""
        with self._lock:
            self._broken = True
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def keep(self, part: Path, target: Path) -> None:
        """Give a whole file its name, unless the request was broken off."""
        with self._lock:
            if self._broken:
                raise ConnectionAbortedError("broken off")
            part.replace(target)


class Transport:
    """Makes requests on a helper thread while ``wait`` looks after the user.

    TLS is always verified and redirects are never followed, so that credentials stay with the
    server they were meant for. Cookies live as long as the transport.
    """

    def __init__(self, wait: Wait | None = None, network: Network | None = None) -> None:
        self.wait = wait or Wait()
        self.network = network or Network()
        self._session: requests.Session | None = None
        self._lines: set[_Line] = set()
        self._mine = threading.local()  # the line of the request that a helper thread makes
        self.requests_made = 0

    def fetch(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        limit: int,
        query: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        target: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Body:
        """Make one request and return its answer.

        ``timeout`` is in seconds without a byte. An answer of more than ``limit`` bytes that does
        not go to the file ``target`` is an error. ``target`` gets the content of a 200 only, by way
        of ``<target>.part``. ``progress`` gets bytes of the upload, if any, else of the download,
        on the thread that waits.
        """
        count = [0, 0]
        line = _Line()

        def work() -> Body:
            self._mine.line = line
            timeouts = (self.network.connect or CONNECT_TIMEOUT, timeout)
            return self._fetch(
                method, url, query, data, headers, timeouts, limit, target, count, line
            )

        def poll() -> None:
            if progress is None:
                return
            if isinstance(data, Upload):
                progress(min(data.sent, len(data)), len(data))
            elif target is not None and count[0]:
                progress(count[0], count[1])

        self._lines.add(line)
        try:
            return self.wait.call(work, line.break_off, poll)
        finally:
            self._lines.discard(line)
            if isinstance(data, Upload):
                data.close()

    def close(self) -> None:
        """Break off what is under way and forget the connections."""
        for line in list(self._lines):
            line.break_off()
        if self._session is not None:
            self._session.close()

    def _fetch(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        data: Any,
        headers: Mapping[str, str] | None,
        timeout: tuple[float, float],
        limit: int,
        target: Path | None,
        count: list[int],
        line: _Line,
    ) -> Body:
        session = self._open_session()
        self.requests_made += 1
        begun = False
        try:
            with session.request(
                method,
                url,
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
                proxies=self._proxies(url),
                verify=True,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = Body(response.status_code, response.headers)
                to_file = target if response.status_code == 200 else None
                begun = response.status_code == 200
                self._read(response, body, to_file, limit, count, line)
                return body
        except EngineError:
            raise
        except Exception as error:  # there is no list of what a server can make http.client raise
            if isinstance(error, OSError) and error.filename is not None:
                raise EngineError(f"Cannot write {error.filename}: {error.strerror}.") from error
            _forget_frames(error)
            broke = begun and not _fell_silent(error)
            kind = Interrupted if broke else Unreachable
            raise kind(_explain(url, error, timeout)) from error
        finally:
            if url.startswith("http://"):
                # we asked to close it, but without a word of the server it went back to the pool,
                # where the next request may meet it before the server's end does
                session.close()

    def _read(
        self,
        response: requests.Response,
        body: Body,
        target: Path | None,
        limit: int,
        count: list[int],
        line: _Line,
    ) -> None:
        # None where the length is not told, is nonsense, or does not count (chunks)
        announced = response.raw.length_remaining
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "deflate"):  # several packed into each other
            raise ServerFault(f"{_server(response.url)} answered in the encoding {encoding[:50]}.")
        count[1] = 0 if encoding else announced or 0
        # leaves the chunks to http.client, which bounds the lines between them; urllib3 does not
        response.raw.chunked = False
        chunks = response.iter_content(PACKED_CHUNK if encoding else CHUNK)
        if target is None:
            parts = []
            for chunk in chunks:
                parts.append(chunk)
                body.size += len(chunk)
                if body.size > limit:
                    raise ServerFault(
                        f"{response.url.split('?')[0]} answered more than {limit // 1024**2} MB "
                        "where a short answer is expected; it was not read."
                    )
            body.content = b"".join(parts)
        else:
            part = target.with_name(target.name + ".part")
            try:
                with part.open("wb") as file:
                    for chunk in chunks:
                        _write(file, chunk, part)
                        body.size += len(chunk)
                        count[0] = body.size
                _check_whole(response, announced)
                line.keep(part, target)
            finally:
                part.unlink(missing_ok=True)
            return
        _check_whole(response, announced)

    def _open_session(self) -> requests.Session:
        if self._session is None:
            self._session = _new_session()
            _mount(self._session, self.network.trusted, self._opened)
        return self._session

    def _proxies(self, url: str) -> dict[str, str] | None:
        """Return the proxies of a request; None for what the environment says."""
        proxy = self.network.proxy
        if is_loopback(url) or proxy == "":
            return _NO_PROXY  # type: ignore[no-any-return]
        return None if proxy is None else {"http": proxy, "https": proxy}

    def _opened(self, sock: socket.socket) -> None:
        line: _Line = self._mine.line
        line.opened(sock)


def _new_session() -> requests.Session:
    """Return a session that takes no credentials from the environment."""
    import requests

    session = requests.Session()
    # without an auth of its own requests would send what ~/.netrc holds for the host
    session.auth = lambda request: request
    # else it reads the body of a redirect, however long, even of one that is not followed
    session.get_redirect_target = lambda _: None
    session.headers["User-Agent"] = "oq_processing"
    return session


def _write(file: Any, chunk: bytes, path: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise EngineError(f"Cannot write {path}: {error.strerror}.") from error


def _check_whole(response: requests.Response, announced: int | None) -> None:
    size = response.raw.tell()  # as they came, before any decompression
    if announced is not None and size != announced:
        kind = Interrupted if response.status_code == 200 else Unreachable
        raise kind(_broke(_server(response.url), size, announced))


def _mount(
    session: requests.Session, trusted: str, opened: Callable[[socket.socket], None]
) -> None:
    """Let the session trust ``trusted`` too, and ``opened`` see the socket of every request.

    Be the socket new or kept from an earlier request.
    """
    import requests.adapters

    def tracking(pool_class: type) -> type:
        base: Any = pool_class.ConnectionCls  # type: ignore[attr-defined]
        if hasattr(base, "tracked"):
            return pool_class

        class Connection(base):  # type: ignore[misc]
            tracked = True

            def connect(self) -> None:
                super().connect()
                opened(self.sock)

            def putrequest(self, *args: Any, **kwargs: Any) -> None:
                if self.sock is not None:
                    opened(self.sock)
                super().putrequest(*args, **kwargs)

        return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})

    def track(manager: Any) -> None:
        # the manager's own classes: those of a SOCKS proxy are others
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {name: tracking(pools[name]) for name in pools}

    context = _tls_context(trusted) if trusted else None

    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)
            track(self.poolmanager)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs, ssl_context=context)
            track(manager)
            return manager

        def add_headers(self, request: Any, **_: Any) -> None:
            # the engine's own server answers small requests on a kept connection 40 ms late
            if request.url.startswith("http://"):
                request.headers["Connection"] = "close"

    session.mount("http://", Adapter())
    session.mount("https://", Adapter())


def _tls_context(trusted: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities of ``trusted`` beside the usual ones."""
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


def is_loopback(url: str) -> bool:
    """Tell whether the address is this computer's own, which no proxy can reach for us."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d+){3}", host))


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _explain(url: str, error: Exception, timeout: tuple[float, float]) -> str:
    import requests
    import urllib3

    server = _server(url)
    text = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        if re.search(r"Tunnel connection failed: 40[17]", text):
            return "The proxy wants a login; check the proxy settings."
        return f"The proxy between here and {server} does not answer; check the proxy settings."
    if isinstance(error, requests.exceptions.SSLError):
        if "WRONG_VERSION" in text or "UNKNOWN_PROTOCOL" in text:
            return f"{server} does not speak TLS; its address probably begins with http://."
        return (
            f"The certificate of {server} is not trusted ({_words(_innermost(error))}); "
            "add its certificate authority to the trusted ones: in the saved connection (CA file), "
            "or in QGIS's Options, Authentication, Manage Certificates."
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"{server} does not answer within {timeout[0]:.0f} s; check the address."
    if _fell_silent(error):
        return f"{server} sent nothing for {timeout[1]:.0f} s."
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return f"There is no computer named {urlsplit(url).hostname}; check the address."
    if "refused" in text:
        return (
            f"No server answers at {server} (connection refused); "
            "start an OpenQuake engine there or give another address as SERVER."
        )
    inner = _innermost(error)
    if isinstance(inner, urllib3.exceptions.IncompleteRead):  # of version 2; before, we count
        return _broke(server, inner.partial, inner.partial + inner.expected)
    return f"The connection to {server} broke ({_words(inner)})."


def _broke(server: str, had: int, announced: int) -> str:
    return f"The connection to {server} broke after {had:,} of {announced:,} bytes."


def _forget_frames(error: BaseException | None) -> None:
    """Keep what went wrong, but not the variables of requests: a proxy's address is among them."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _fell_silent(error: Exception) -> bool:
    import requests

    return isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error)


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost reason: what requests and urllib3 wrap around it says nothing."""
    while True:
        inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            inner = reason
        if inner is None:
            return error
        error = inner


def _words(error: BaseException) -> str:
    return str(error.args[-1] if error.args else error).strip(" .'\"()") or type(error).__name__
