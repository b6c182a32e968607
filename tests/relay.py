"""A line between a client and a real server on loopback that a test can cut, hold and restore.

::

    with Relay(server.url) as line:
        client = EngineClient(line.url)
        line.cut()              # connections break, new ones too
        line.restore()
        line.hold("POST /v1/calc/run", after=2**20)  # it passes so many bytes, then stands still
        line.release()
        line.cut_at_answer_to("POST /v1/calc/run")  # once: the server has got it, we hear nothing

The client closes its connection after each request to such an address, so that ``requests`` (method
and path, in the order they came) takes one from each connection.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
from urllib.parse import urlsplit

CHUNK = 64 * 1024
LOOK = 0.02  # seconds between two looks of a connection that is held


class _Connection:
    """One connection of the client and its continuation to the server."""

    def __init__(self, relay: Relay, near: socket.socket) -> None:
        self.relay = relay
        self.near = near
        self.far = socket.create_connection(relay.target)
        self.request = ""
        self.over = False

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass one direction on until it ends."""
        passed = 0
        with contextlib.suppress(OSError):
            if source is self.near:
                self.request = self.relay.note(source.recv(CHUNK, socket.MSG_PEEK))
            while True:
                room = self._room(passed)
                if not room:
                    self.drop()
                    return
                data = source.recv(room)
                if source is self.far and data and self.relay.is_cut_at(self.request):
                    self.drop()
                    return
                if not data:
                    # no half-open lines: the engine would wait for the rest of a form for ever
                    if source is self.near:
                        self.drop()
                    else:
                        sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
                passed += len(data)

    def _room(self, passed: int) -> int:
        """Wait while the line is held; return how much may pass, 0 if the client has gone."""
        poll = select.poll()
        poll.register(self.near, select.POLLRDHUP)
        while not (room := min(CHUNK, self.relay.limit(self.request) - passed)) > 0:
            self.relay.stalled.add(self.request)
            if self.over or poll.poll(LOOK * 1000):
                return 0
        return 0 if self.over else room

    def drop(self) -> None:
        """Break the connection on both sides; what has not been passed on is lost."""
        self.over = True
        for sock in (self.near, self.far):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Pass both directions on, then close."""
        up = threading.Thread(target=self.pump, args=(self.near, self.far), daemon=True)
        up.start()
        self.pump(self.far, self.near)
        up.join()
        self.near.close()
        self.far.close()


class Relay:
    """Listens on a port of its own and passes on to the server at ``url``; the line is whole."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname, parts.port)
        self.requests: list[str] = []
        self.refused = 0  # connections that met a cut line
        self.stalled: set[str] = set()  # requests that a hold has stopped
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self._held = ("", 0)
        self._fatal = ""

    def __enter__(self) -> Relay:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # a thread that waits in accept() keeps the port open until it is woken
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections, and each new one at once."""
        with self._lock:
            self._is_cut = True
            connections = list(self._connections)
        for connection in connections:
            connection.drop()

    def restore(self) -> None:
        """Make the line whole."""
        with self._lock:
            self._is_cut = False

    def hold(self, request: str, after: int) -> None:
        """Let such requests pass no more than so many bytes, and their answers."""
        self._held = (request, after)

    def release(self) -> None:
        """Let everything pass again."""
        self._held = ("", 0)

    def cut_at_answer_to(self, request: str) -> None:
        """Break the connection of the next such request when the server begins to answer."""
        self._fatal = request

    def count(self, request: str) -> int:
        """Tell how often a request, as "POST /v1/calc/run", has come."""
        return self.requests.count(request)

    def note(self, data: bytes) -> str:
        """Take down the request that a connection begins with, if any."""
        if not data:
            return ""
        request = " ".join(data.split(b"\r\n", 1)[0].decode("latin-1").split()[:2])
        self.requests.append(request)
        return request

    def limit(self, request: str) -> int:
        """Tell how many bytes a request may pass."""
        held, after = self._held
        return after if request and request == held else sys.maxsize

    def is_cut_at(self, request: str) -> bool:
        """Tell whether the answer to this request is the one not to come; only the first is."""
        with self._lock:
            if request and request == self._fatal:
                self._fatal = ""
                return True
        return False

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with self._lock:
            is_cut = self._is_cut
            self.refused += is_cut
            connection = None
            if not is_cut:
                with contextlib.suppress(OSError):
                    connection = _Connection(self, near)
                    self._connections.add(connection)
        if connection is None:
            near.close()
            return
        try:
            connection.run()
        finally:
            with self._lock:
                self._connections.discard(connection)
