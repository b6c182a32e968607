"""A small real HTTP server that plays an engine, for the faults no real engine can be made to show.

::

    with FakeEngine() as fake:
        fake.answers["GET /v1/calc/1/status"] = [Answer(502), Answer(502)]  # then as usual
        fake.calculations[1] = FakeCalculation(1, status="executing")

What ``answers`` does not script is answered as an engine of the current version does (``old=True``:
as 3.16 does). ``requests`` records all that came.
"""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VERSION = "3.26.2"
KEPT = 1024 * 1024  # bytes of a request's body that are kept for the tests to look at
PATIENCE = 30.0  # seconds after which a forgotten event ends the server's side, not the test run


@dataclass(frozen=True)
class Request:
    """A request as it came; ``size`` counts the bytes of its body that were read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int = 0
    body: bytes = b""

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a form, the archive left out."""
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/"):
            return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        message = parser.parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + self.body)
        parts = {p.get_param("name", header="content-disposition"): p for p in message.iter_parts()}
        return {
            str(n): p.get_payload(decode=True).decode() for n, p in parts.items() if n != "archive"
        }


@dataclass
class Answer:
    """What the server does with one request.

    ``body`` may be bytes, or parts: bytes are sent, an event is waited for. ``announced`` is the
    Content-Length where it shall not be the true one (None: no length, the end of the connection
    is the end of the body). ``drop`` says how the connection ends: "" as usual, "end" or "reset" in
    place of what is left; with status 0 nothing is sent before. ``read`` limits how much of the
    request's body is read (-1: all). Nothing is sent before ``until`` is set.
    """

    status: int = 200
    body: bytes | Iterable[bytes | threading.Event] = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = -1
    drop: str = ""
    read: int = -1
    until: threading.Event | None = None


def json_answer(value: object, status: int = 200, kind: str = "application/json") -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": kind})


def html_answer(status: int, title: str, size: int = 0) -> Answer:
    """A page as Django's DEBUG mode (80 kB) or Apache (bare) gives it."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>"
    page += "<p>x</p>" * (size // 8) + "</body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


NEGATIVE_CHUNK = Answer(200, b"-6\r\n", {"Transfer-Encoding": "chunked"}, announced=None)
"""Of what Python's http.client makes a ValueError."""


@dataclass
class FakeCalculation:
    """A calculation under the test's control.

    ``polled`` is called with it at each look at its status, before the answer. ``aborting`` is
    called when an abort comes and returns the engine's reason to refuse, "" if there is none.
    ``stop_time`` is what its process writes at its end; the engine sends None as text.
    """

    id: int
    status: str = "executing"
    mode: str = "classical"
    description: str = "A test"
    log: list[list[str]] = field(default_factory=list)
    traceback: list[str] = field(default_factory=list)
    outputs: list[dict[str, object]] = field(default_factory=list)
    polled: Callable[[FakeCalculation], object] = lambda calculation: None
    aborting: Callable[[FakeCalculation], str] = lambda calculation: "Job is not running"
    owner: str = "alice"
    start_time: str = "2026-11-23, 17:37:53 UTC"
    stop_time: str = "2026-11-23 17:40:00"

    def write(self, message: str, level: str = "INFO") -> None:
        """Append a record to the log."""
        self.log.append([f"2026-11-23T12:00:00.{len(self.log):06}", level, "main", message])

    def row(self) -> dict[str, object]:
        return {
            "id": self.id,
            "owner": self.owner,
            "calculation_mode": self.mode,
            "status": self.status,
            "is_running": self.status in ("created", "submitted", "executing"),
            "description": self.description,
            "abortable": self.status in ("submitted", "executing"),
            "size_mb": None,
            "start_time": self.start_time,
            "parent_id": None,
            "tags": None,
        }


class FakeEngine:
    """The server; ``port`` and ``url`` stay the same when it is stopped and started again."""

    def __init__(
        self, prefix: str = "", users: dict[str, str] | None = None, old: bool = False
    ) -> None:
        self.prefix = prefix
        self.users = users
        self.old = old
        self.answers: dict[str, list[Answer] | Callable[[Request], Answer | None]] = {}
        self.calculations: dict[int, FakeCalculation] = {}
        self.requests: list[Request] = []
        self.hung_up = threading.Event()
        """Set when a client closes its side while it is being answered."""
        self.asked = threading.Event()
        """Set when a request has come whose answer waits for an event."""
        self.port = 0
        self.connections = 0
        self._sessions: set[str] = set()
        self._logins = 0
        self._server: _Server | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def __enter__(self) -> FakeEngine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def open_connections(self) -> int:
        return len(self._server.open) if self._server else 0

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server(("127.0.0.1", self.port), self, tls)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on, and break off those that are open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.break_off()
            self._server = None

    def expire_sessions(self) -> None:
        self._sessions.clear()

    def count(self, method: str, path: str) -> int:
        """Return how many such requests came; ``path`` without the prefix."""
        full = self.prefix + path
        return sum(r.method == method and r.path == full for r in self.requests)

    def came(self, request: Request) -> Answer:
        """Record a request and return what to do with it."""
        with self._lock:
            self.requests.append(request)
            scripted = self.answers.get(f"{request.method} {request.path}")
            if scripted is None:
                scripted = self.answers.get("*")
            if callable(scripted):
                answer = scripted(request)
                if answer is not None:
                    return answer
            elif scripted:
                return scripted.pop(0)
            return self._usual(request)

    def _usual(self, request: Request) -> Answer:
        path = request.path
        if not path.startswith(self.prefix + "/"):
            return html_answer(404, "Page not found at " + path, 9000)
        path = path[len(self.prefix) :]
        if path == "/accounts/ajax_login/" and self.users is not None:
            return self._log_in(request)
        if self.users is not None and not self.knows(request):
            if self.prefix:  # as the engine does, whose rule for its API begins without one
                return Answer(302, headers={"Location": self.prefix + "/accounts/login/"})
            return Answer(403, headers={"Content-Type": "text/html"})
        key = f"{request.method} {path}"
        if key == "GET /v1/engine_version":
            return Answer(200, VERSION.encode(), {"Content-Type": "text/html"})
        if key == "GET /v1/calc/list":
            return json_answer([c.row() for _, c in sorted(self.calculations.items())][::-1])
        if key in ("POST /v1/calc/run", "POST /v1/calc/run_ini"):
            return self._run()
        number, _, rest = path.removeprefix("/v1/calc/").partition("/")
        calculation = self.calculations.get(int(number)) if number.isdigit() else None
        if calculation is not None:
            return self._about(calculation, request.method, rest)
        return Answer(404, headers={"Content-Type": "text/html"})

    def _run(self) -> Answer:
        number = max(self.calculations, default=0) + 1
        self.calculations[number] = FakeCalculation(number, "created")
        if self.old:
            return json_answer({"status": "created", "job_id": number})
        return json_answer({**self.calculations[number].row(), "job_id": number})

    def _about(self, calculation: FakeCalculation, method: str, rest: str) -> Answer:
        if method == "POST" and rest == "abort":
            reason = calculation.aborting(calculation)
            if reason:
                return json_answer({"error": reason})
            return json_answer({"success": f"Killing job {calculation.id}"})
        if method == "GET" and not rest:
            ended = calculation.status in ("complete", "failed", "aborted")
            return json_answer({"stop_time": calculation.stop_time if ended else "None"})
        if rest == "status":
            calculation.polled(calculation)
            return json_answer(calculation.row())
        if rest == "traceback":
            return json_answer(calculation.traceback)
        if rest == "results" and calculation.outputs:
            return json_answer(calculation.outputs, kind="text/html" if self.old else "text/plain")
        if rest.startswith("log/"):
            begin, _, end = rest.removeprefix("log/").partition(":")
            return json_answer(calculation.log[int(begin or 0) : int(end) if end else None])
        return Answer(404, headers={"Content-Type": "text/html"})

    def knows(self, request: Request) -> bool:
        """Tell whether the request comes from somebody who is logged in."""
        cookies = request.headers.get("Cookie", "").split("; ")
        return any(c.removeprefix("sessionid=") in self._sessions for c in cookies)

    def _log_in(self, request: Request) -> Answer:
        given = request.fields
        if self.users.get(given.get("username", "")) != given.get("password"):
            return Answer(403, b"Invalid login", {"Content-Type": "text/html"})
        self._logins += 1
        session = f"session{self._logins}"
        self._sessions.add(session)
        cookie = {"Set-Cookie": f"sessionid={session}; HttpOnly; Path=/; SameSite=Lax"}
        return Answer(200, b"Successful login", {"Content-Type": "text/html", **cookie})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(
        self, address: tuple[str, int], fake: FakeEngine, tls: ssl.SSLContext | None
    ) -> None:
        self.fake = fake
        self.open: set[socket.socket] = set()
        self.resets: set[socket.socket] = set()
        super().__init__(address, _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def break_off(self) -> None:
        for sock in list(self.open):
            with contextlib.suppress(OSError):  # it may have ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    def process_request(self, request, client_address):
        self.fake.connections += 1
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        if request in self.resets:
            self.resets.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Stay silent: broken connections are what we are here for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        request = Request(self.command, parts.path, query, dict(self.headers))
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        # a fault in the middle of an upload has to be known before the body is read
        scripted = fake.answers.get(f"{self.command} {parts.path}")
        early = scripted[0].read if isinstance(scripted, list) and scripted else -1
        size, body = self._receive(length if early < 0 else min(early, length))
        answer = fake.came(replace(request, size=size, body=body))
        self._send(answer, unread=size < length)

    do_GET = do_POST = do_PUT = do_HEAD = _handle  # noqa: N815

    def _receive(self, length: int) -> tuple[int, bytes]:
        size, kept = 0, b""
        while size < length and (data := self.rfile.read1(min(length - size, 1024 * 1024))):
            size += len(data)
            kept += data[: KEPT - len(kept)]
        return size, kept

    def _send(self, answer: Answer, unread: bool) -> None:
        parts = [answer.body] if isinstance(answer.body, bytes) else answer.body
        if answer.until is not None and not self._wait_for(answer.until):
            self.close_connection = True
            return
        if answer.status:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            announced = answer.announced
            if announced == -1 and isinstance(answer.body, bytes):
                announced = len(answer.body)
            if announced is None or announced < 0:
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(announced))
            self.end_headers()
        try:
            for part in parts:
                if isinstance(part, threading.Event):
                    if not self._wait_for(part):
                        self.close_connection = True
                        return
                else:
                    self.wfile.write(part)
        except OSError:
            self.server.fake.hung_up.set()
            raise
        if answer.drop or unread:
            self.close_connection = True
        if answer.drop == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.server.resets.add(self.connection)

    def _wait_for(self, event: threading.Event) -> bool:
        """Wait until the test sets the event; False if the client goes away before."""
        self.wfile.flush()
        fake = self.server.fake
        fake.asked.set()
        end = time.monotonic() + PATIENCE
        while not event.wait(0.01) and time.monotonic() < end:
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and self._is_closed():
                fake.hung_up.set()
                return False
        return True

    def _is_closed(self) -> bool:
        try:
            if isinstance(self.connection, ssl.SSLSocket):
                return not self.connection.recv(1)
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True
