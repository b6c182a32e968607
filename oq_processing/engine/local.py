"""The user's own engine, which outlives the program that started it.

It lives in ``installation.user_folder()`` and is recorded there before it begins to start, so that
the next program finds it, also where its starter was killed meanwhile, and no other is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from . import process
from .errors import LocalEngineError
from .files import make_private
from .installation import user_folder
from .launch import EndedAtOnce, LocalEngine, await_answer, is_free, start
from .wait import Wait

STATE = "engine.json"


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


class _Busy(LocalEngineError):
    """Another program holds the lock."""


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
    free. Raises as :func:`launch.start`.
    """
    folder = folder or user_folder()
    with _locked(folder):
        if (running := _adopted(folder, wait or Wait())) is not None:
            return running, True
        last = _read(folder)
        if port is None and last is not None and is_free(last.port):
            port = last.port  # what is kept for this server is kept by its address

        def note(engine: LocalEngine) -> None:
            _write(folder, Record.of(engine))

        engine = start(executable, folder, port, wait, note)
        engine.process.returncode = 0  # it goes on without us: Python need not warn that it runs
        return Record.of(engine), False


def adopt_own(wait: Wait | None = None, folder: Path | None = None) -> Record | None:
    """Wait for an engine that is starting; return it when it answers, None for none.

    Where its starter was killed, one that never answers, or for which the user does not want to
    wait, is ended. Raises as :func:`launch.start`.
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
        version = await_answer(found.url, folder, wait, ended)
    except BaseException as error:
        _end_recorded(found)
        if isinstance(error, EndedAtOnce):
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
                os.waitpid(record.pid, os.WNOHANG)  # where this process has started it
            if not _lives(record) or time.monotonic() > end:
                return
            time.sleep(0.05)

    process.end(record.pid, await_end)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one program at a time start or stop the user's own engine; the lock dies with it."""
    try:
        make_private(folder)
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
