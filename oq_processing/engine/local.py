"""An engine on this computer: start it, wait until it answers, stop exactly that one.

Each engine gets a folder of its own with configuration, database, data and log. Without that, every
engine of a user shares ``~/oqdata/db.sqlite3``, and a second server that starts on it marks the
running calculations of the first as failed.

The user's own engine lives in ``installation.user_folder()`` and is recorded there before it begins
to start, so that it outlives the program that started it, also one that is killed meanwhile, is
found by the next one, and is stopped by none but us.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess  # nosec B404 # never through a shell
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Callable

from . import process
from .client import EngineClient
from .errors import Cancelled, Explained, LocalEngineError
from .http.transport import Transport
from .installation import user_folder
from .wait import Wait

LOOPBACK = "127.0.0.1"
RECEIVER_PORTS = range(1905, 1931)  # the engine's jobs bind these at random
START_WITHIN = 180.0  # seconds; 10 to 25 are usual, more on a cold machine
STATE = "engine.json"

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


@dataclass(frozen=True)
class Record:
    """The user's own engine, as its state file has it.

    ``mark`` tells the process from a later one that has got the same ``pid``; ``version`` is ""
    until the engine has answered.
    """

    pid: int
    mark: str
    port: int
    url: str
    version: str

    @classmethod
    def of(cls, engine: LocalEngine) -> Record:
        """Return the record of an engine whose process has just been made."""
        pid = engine.process.pid
        port = int(engine.url.rpartition(":")[2])
        return cls(pid, process.mark(pid), port, engine.url, engine.version)

    @property
    def is_starting(self) -> bool:
        """Whether it has not answered yet, as far as its starter knew."""
        return not self.version


def _log(folder: Path) -> Path:
    return folder / "server.log"


class _Busy(LocalEngineError):
    """Another program holds the lock."""


class _EndedAtOnce(LocalEngineError):
    """The engine's process ended before it answered."""


def recorded(folder: Path | None = None) -> Record | None:
    """Return the user's own engine while its process lives; None for none, or a stale record.

    It may be starting still, also when the program that started it is gone.
    """
    try:
        record = _read(folder or user_folder())
    except LocalEngineError:  # no home folder is known
        return None
    return record if record is not None and _lives(record) else None


def _read(folder: Path) -> Record | None:
    """Return the last engine that was recorded, alive or not; None for what is not a record."""
    try:
        record = Record(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    # by hand or by accident there may be anything in it
    fits = all(type(getattr(record, f.name)).__name__ == f.type for f in fields(record))
    return record if fits and 0 < record.pid < 2**31 else None


def _write(folder: Path, record: Record) -> None:
    part = folder / f"{STATE}.part"
    try:
        part.write_text(json.dumps(asdict(record)), encoding="utf-8")
        part.replace(folder / STATE)
    except OSError as error:
        raise LocalEngineError(f"{folder / STATE} cannot be written: {error.strerror}.") from error


def _lives(record: Record) -> bool:
    return bool(record.mark) and record.mark == process.mark(record.pid)


def start_own(
    executable: Path, port: int | None = None, wait: Wait | None = None, folder: Path | None = None
) -> tuple[Record, bool]:
    """Have the user's own engine run; return it, and whether it ran already.

    It goes on when this program ends. Without ``port`` it gets that of its last start, if that is
    free. Raises as :func:`start`.
    """
    folder = folder or user_folder()
    with _locked(folder):
        if (running := _adopted(folder, wait or Wait())) is not None:
            return running, True
        last = _read(folder)
        if port is None and last is not None and _is_free(last.port):
            port = last.port  # what is kept for this server is kept by its address

        def note(engine: LocalEngine) -> None:
            _write(folder, Record.of(engine))

        engine = start(executable, folder, port, wait, note)
        engine.process.returncode = 0  # it goes on without us: Python need not warn that it runs
        return Record.of(engine), False


def adopt_own(wait: Wait | None = None, folder: Path | None = None) -> Record | None:
    """Wait for an engine that is starting; return it when it answers, None for none.

    Where its starter was killed, one that never answers, or for which the user does not want to
    wait, is ended. Raises as :func:`start`.
    """
    folder = folder or user_folder()
    wait = wait or Wait()
    while True:
        try:
            with _locked(folder):
                return _adopted(folder, wait)
        except _Busy:  # its starter lives, and looks after it
            record = recorded(folder)
            if record is None or not record.is_starting:
                return record
            wait.pause(0.2)


def _adopted(folder: Path, wait: Wait) -> Record | None:
    record = recorded(folder)
    if record is None or not record.is_starting:
        return record
    found = record

    def ended() -> str:
        return "" if _lives(found) else " while it was starting"

    try:
        version = _await(found.url, folder, wait, ended)
    except BaseException as error:
        _end_recorded(found)
        if isinstance(error, _EndedAtOnce):
            return None
        raise
    record = replace(found, version=version)
    _write(folder, record)
    return record


def stop_own(folder: Path | None = None) -> Record | None:
    """Stop the user's own engine and the calculations it runs; return it, None if none ran.

    Its record stays, for the port of the next start.
    """
    folder = folder or user_folder()
    with _locked(folder):
        if (running := recorded(folder)) is not None:
            _end_recorded(running)
    return running


def stop_command(record: Record) -> str:
    """Return the command that stops the user's own engine where the plugin is gone."""
    if sys.platform == "win32":
        return f"taskkill /T /F /PID {record.pid}"
    return f"kill -- -{record.pid}"  # the whole group


def _end_recorded(record: Record) -> None:
    def await_end(seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(ChildProcessError, OSError, AttributeError):
                os.waitpid(record.pid, os.WNOHANG)  # where it is a child of ours
            if not _lives(record) or time.monotonic() > end:
                return
            time.sleep(0.05)

    process.end(record.pid, await_end)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one program at a time start or stop the user's own engine; the lock dies with it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("ab")
    except OSError as error:
        raise LocalEngineError(f"{error.filename} cannot be written: {error.strerror}.") from error
    with file:
        try:
            process.lock(file)
        except OSError as error:
            raise _Busy(
                "Another program is starting or stopping the engine of this user; try again."
            ) from error
        yield


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

    It listens on the loopback interface only. ``note`` is called with it before it does anything,
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
    if not _is_free(port):  # else its owner would answer in the name of the engine that cannot
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
        engine.version = _await(engine.url, folder, wait or Wait(), ended)
        note(engine)
    except BaseException:
        stop(engine)
        raise
    return engine


def _configured(folder: Path) -> dict[str, str]:
    """Write the configuration of an engine in ``folder``; return the environment for it."""
    configuration = folder / "openquake.cfg"
    try:
        # the engine makes neither: a job on its own disk fails without the folder for its data
        for name in ("tmp", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
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


def _await(url: str, folder: Path, wait: Wait, ended: Callable[[], str]) -> str:
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
                raise _EndedAtOnce(f"The engine ended at once{how}: {_tail(folder)}")
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
