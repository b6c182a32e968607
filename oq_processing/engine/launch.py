"""An engine on this computer: start it, wait until it answers, stop exactly that one.

Each engine gets a folder of its own with configuration, database, data and log. Without that, every
engine of a user shares ``~/oqdata/db.sqlite3``, and a second server that starts on it marks the
running calculations of the first as failed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess  # nosec B404 # never through a shell
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import process
from .client import EngineClient
from .errors import Cancelled, Explained, LocalEngineError
from .files import make_private
from .http.transport import Transport
from .wait import Wait

LOOPBACK = "127.0.0.1"
RECEIVER_PORTS = range(1905, 1931)  # the engine's jobs bind these at random
START_WITHIN = 180.0  # seconds; 10 to 25 are usual, more on a cold machine

_CONFIGURATION = """\
[dbserver]
file = {folder}/db.sqlite3

[directory]
custom_tmp = {folder}/tmp
"""


@dataclass
class LocalEngine:
    """An engine that we started: its address, and the process that serves it."""

    url: str
    version: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> Path:
        """What the server prints."""
        return _log(self.folder)


def _log(folder: Path) -> Path:
    return folder / "server.log"


class EndedAtOnce(LocalEngineError):
    """The engine's process ended before it answered."""


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses, outside the engine's own."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in RECEIVER_PORTS:
            return port


def is_free(port: int) -> bool:
    """Return whether a TCP port of the loopback interface can be listened on."""
    with socket.socket() as probe:
        if sys.platform != "win32":  # a port that has just been left is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def _unnoted(engine: LocalEngine) -> None:
    """Let an engine start that whoever asked for it stops."""


def start(
    executable: Path,
    folder: Path,
    port: int | None = None,
    wait: Wait | None = None,
    note: Callable[[LocalEngine], None] = _unnoted,
) -> LocalEngine:
    """Start an engine whose configuration, database and data are in ``folder``; it answers then.

    No other user of this computer can read the folder. It listens on the loopback interface only,
    but answers every user there. ``note`` is called with it before it does anything,
    and again when it answers. Raises :class:`LocalEngineError` with the end of its log when it ends
    at once or does not answer within ``START_WITHIN`` seconds, and leaves nothing running then, or
    when ``wait`` is cancelled.
    """
    folder = folder.resolve()
    if any(character < " " for character in str(folder)):
        raise LocalEngineError(
            f"The engine cannot work in a folder with a line break in its name: {str(folder)!r}."
        )
    environment = _configured(folder)
    port = port or free_port()
    if not is_free(port):  # else its owner would answer in the name of the engine that cannot
        raise LocalEngineError(f"Port {port} is used by another program; give another one.")
    command = [str(executable), "webui", "start", f"{LOOPBACK}:{port}", "--skip-browser"]
    with _log(folder).open("ab") as log:
        try:
            made = process.prepare(command, folder, environment, log)
        except OSError as error:
            raise LocalEngineError(f"{executable} cannot be started: {error.strerror}.") from error
    engine = LocalEngine(f"http://{LOOPBACK}:{port}", "", folder, made)

    def ended() -> str:
        code = made.poll()
        return "" if code is None else f" (exit code {code})"

    try:
        with process.beginning(made):
            note(engine)
        engine.version = await_answer(engine.url, folder, wait or Wait(), ended)
        note(engine)
    except BaseException:
        stop(engine)
        raise
    return engine


def _configured(folder: Path) -> dict[str, str]:
    """Write the configuration of an engine in ``folder``; return the environment for it."""
    configuration = folder / "openquake.cfg"
    try:
        make_private(folder)
        # the engine makes neither: a job on its own disk fails without the folder for its data
        for name in ("tmp", "data"):
            (folder / name).mkdir(exist_ok=True)
        configuration.write_text(_CONFIGURATION.format(folder=folder.as_posix()), encoding="utf-8")
    except OSError as error:
        raise LocalEngineError(f"{error.filename} cannot be written: {error.strerror}.") from error
    # a Python of QGIS or of a virtual environment must not leak into the engine's own
    foreign = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONSTARTUP")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OQ_") and k not in foreign}
    return {
        **kept,
        "OQ_CONFIG_FILE": str(configuration),
        "OQ_DATADIR": str(folder / "data"),
    }


def await_answer(url: str, folder: Path, wait: Wait, ended: Callable[[], str]) -> str:
    """Return the version that the engine answers with; ``ended`` says how it ended, "" if not."""
    end = time.monotonic() + START_WITHIN

    def late() -> bool:
        return time.monotonic() > end

    # a server that takes the request and never answers it must not outlast the time it has
    both = Wait(lambda: wait.cancelled() or late(), wait.idle)
    with contextlib.closing(Transport(both)) as transport:
        client = EngineClient(url, transport)
        while True:
            if how := ended():
                raise EndedAtOnce(f"The engine ended at once{how}: {_tail(folder)}")
            try:
                return client.engine_version()
            except Explained as error:  # a cancel too: of the user, or for want of time
                if wait.cancelled():
                    raise Cancelled("Cancelled by the user.") from error
                if late():
                    raise LocalEngineError(
                        f"The engine does not answer within {START_WITHIN:.0f} s: {_tail(folder)}"
                    ) from error
            wait.pause(0.2)


def _tail(folder: Path) -> str:
    lines = _log(folder).read_text(encoding="utf-8", errors="replace").split("\n")
    return " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "it printed nothing"


def stop(engine: LocalEngine) -> None:
    """Stop this engine and the calculations it runs; no other engine is touched."""

    def bury(seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.process.wait(seconds)

    process.end(engine.process.pid, bury)
    engine.process.wait(process.STOP_WITHIN)


@contextlib.contextmanager
def running(executable: Path, folder: Path, wait: Wait | None = None) -> Iterator[LocalEngine]:
    """Have an engine for the length of a ``with``."""
    engine = start(executable, folder, wait=wait)
    try:
        yield engine
    finally:
        stop(engine)
