"""An engine on this computer: find it, start it, wait until it answers, stop exactly that one.

Each engine gets a folder of its own with configuration, database, data and log. Without that, every
engine of a user shares ``~/oqdata/db.sqlite3``, and a second server that starts on it marks the
running calculations of the first as failed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .client import EngineClient
from .errors import Cancelled, EngineError, LocalEngineError
from .transport import Transport
from .wait import Wait

LOOPBACK = "127.0.0.1"
RECEIVER_PORTS = range(1905, 1931)  # the engine's jobs bind these at random
START_WITHIN = 180.0  # seconds; 10 to 25 are usual, more on a cold machine
STOP_WITHIN = 20.0
GONE_WITHIN = 2.0

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
        return self.folder / "server.log"


def find_executable(given: str | os.PathLike[str] = "") -> Path:
    """Return the engine's command ``oq``: the one given, ``OPENQUAKE_OQ``, or the one on the PATH.

    Raises :class:`LocalEngineError` if there is none.
    """
    for source, candidate in (
        ("", os.fspath(given)),
        ("the environment variable OPENQUAKE_OQ names ", os.environ.get("OPENQUAKE_OQ", "")),
    ):
        if candidate:
            found = shutil.which(candidate)
            if not found:
                raise LocalEngineError(f"No OpenQuake engine: {source}{candidate} is no program.")
            return Path(found)
    if found := shutil.which("oq"):
        return Path(found)
    raise LocalEngineError(
        "No OpenQuake engine is installed here: there is no command “oq” on the PATH."
    )


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses, outside the engine's own."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in RECEIVER_PORTS:
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # a port that has just been left is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def start(
    executable: Path, folder: Path, port: int | None = None, wait: Wait | None = None
) -> LocalEngine:
    """Start an engine whose configuration, database and data are in ``folder``; it answers then.

    It listens on the loopback interface only. Raises :class:`LocalEngineError` with the end of its
    log when it ends at once or does not answer within ``START_WITHIN`` seconds, and leaves nothing
    running then, or when ``wait`` is cancelled.
    """
    folder = folder.resolve()
    configuration = folder / "openquake.cfg"
    try:
        # the engine makes neither: a job on its own disk fails without the folder for its data
        for name in ("tmp", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        configuration.write_text(_CONFIGURATION.format(folder=folder.as_posix()), encoding="utf-8")
    except OSError as error:
        raise LocalEngineError(f"{error.filename} cannot be written: {error.strerror}.") from error
    port = port or free_port()
    if not _is_free(port):  # else its owner would answer in the name of the engine that cannot
        raise LocalEngineError(f"Port {port} is used by another program; give another one.")
    # a Python of QGIS or of a virtual environment must not leak into the engine's own
    foreign = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONSTARTUP")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OQ_") and k not in foreign}
    environment = {
        **kept,
        "OQ_CONFIG_FILE": str(configuration),
        "OQ_DATADIR": str(folder / "data"),
    }
    with (folder / "server.log").open("ab") as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own engine
                [str(executable), "webui", "start", f"{LOOPBACK}:{port}", "--skip-browser"],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # a group of its own: Ctrl-C is for us, and stopping reaches its children
                start_new_session=True,
            )
        except OSError as error:
            raise LocalEngineError(f"{executable} cannot be started: {error.strerror}.") from error
    engine = LocalEngine(f"http://{LOOPBACK}:{port}", "", folder, process)
    try:
        engine.version = _await(engine, wait or Wait())
    except BaseException:
        stop(engine)
        raise
    return engine


def _await(engine: LocalEngine, wait: Wait) -> str:
    end = time.monotonic() + START_WITHIN

    def late() -> bool:
        return time.monotonic() > end

    # a server that takes the request and never answers it must not outlast the time it has
    both = Wait(lambda: wait.cancelled() or late(), wait.idle)
    with contextlib.closing(Transport(both)) as transport:
        return _answer(engine, EngineClient(engine.url, transport), wait, late)


def _answer(engine: LocalEngine, client: EngineClient, wait: Wait, late: Callable[[], bool]) -> str:
    while True:
        code = engine.process.poll()
        if code is not None:
            raise LocalEngineError(f"The engine ended at once (exit code {code}): {_tail(engine)}")
        try:
            return client.engine_version()
        except EngineError as error:
            if wait.cancelled():
                raise Cancelled("Cancelled by the user.") from error
            if late():
                raise LocalEngineError(
                    f"The engine does not answer within {START_WITHIN:.0f} s: {_tail(engine)}"
                ) from error
        wait.pause(0.2)


def _tail(engine: LocalEngine) -> str:
    lines = engine.log.read_text(encoding="utf-8", errors="replace").split("\n")
    return " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "it printed nothing"


def stop(engine: LocalEngine) -> None:
    """Stop this engine and the calculations it runs; no other engine is touched."""
    if sys.platform == "win32":
        subprocess.run(  # noqa: S603 - a fixed command on our own process
            ["taskkill", "/T", "/F", "/PID", str(engine.process.pid)],  # noqa: S607
            check=False,
            capture_output=True,
        )
    else:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            # the whole group, also when its leader has ended already
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(engine.process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                engine.process.wait(STOP_WITHIN)
        # a killed process is gone a moment later; one that nobody buries is none of ours to await
        end = time.monotonic() + GONE_WITHIN
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < end:
                os.killpg(engine.process.pid, 0)
                time.sleep(0.01)
    engine.process.wait(STOP_WITHIN)


@contextlib.contextmanager
def running(executable: Path, folder: Path, wait: Wait | None = None) -> Iterator[LocalEngine]:
    """Have an engine for the length of a ``with``."""
    engine = start(executable, folder, wait=wait)
    try:
        yield engine
    finally:
        stop(engine)
