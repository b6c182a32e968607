"""Processes on this computer: begun behind a gate, known again, and ended with their group.

Untested on Windows: no test runs what stands below ``sys.platform == "win32"``, which is how a
process is known again (:func:`mark`), the lock, and the end by ``taskkill``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # nosec B404 # never through a shell
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Callable, cast

STOP_WITHIN = 20.0  # seconds
GONE_WITHIN = 2.0


def prepare(
    command: list[str], folder: Path, environment: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Return a process in a group of its own, which begins with the command in :func:`beginning`.

    A starter that is killed before leaves nothing. On Windows it begins at once. Raises OSError.
    """
    Path(command[0]).stat()  # the shell would say it in the log only
    if sys.platform != "win32":
        command = ["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh", *command]
    return subprocess.Popen(  # nosec B603 # the user's own engine
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        # a group of its own: Ctrl-C is for us, and stopping reaches its children
        start_new_session=True,
    )


@contextlib.contextmanager
def beginning(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let a prepared process begin when the body has ended well."""
    with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as gate:
        yield
        gate.write(b"\n")


def mark(pid: int) -> str:
    """Return what tells a living process from any other of the same number, "" for none."""
    if sys.platform.startswith("linux"):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""
        words = stat.rpartition(")")[2].split()
        # a zombie serves nobody; the 22nd word is the time of its start
        return "" if words[0] == "Z" else f"{boot} {words[19]}"
    if sys.platform == "win32":
        return _windows_mark(pid)
    found = subprocess.run(  # nosec B603 # a fixed command and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return found.stdout.strip()


def _windows_mark(pid: int) -> str:
    """Return the time of the process's start. Untested on Windows."""
    import ctypes

    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - unknown to mypy elsewhere
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return ""
    times = [ctypes.c_ulonglong() for _ in range(4)]
    code = ctypes.c_ulong()
    try:
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        known = kernel.GetProcessTimes(handle, *(ctypes.byref(t) for t in times))
    finally:
        kernel.CloseHandle(handle)
    still_active = 259
    return str(times[0].value) if known and code.value == still_active else ""


def lock(file: IO[bytes]) -> None:
    """Lock a file until it is closed; raises OSError where another program has locked it."""
    if sys.platform == "win32":  # untested
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def end(pid: int, wait_for_it: Callable[[float], None]) -> None:
    """End a process that leads its group, with the whole group."""
    if sys.platform == "win32":  # untested
        subprocess.run(  # nosec B603 B607 # a command of Windows, for our own process
            ["taskkill", "/T", "/F", "/PID", str(pid)],
            check=False,
            capture_output=True,
        )
        wait_for_it(STOP_WITHIN)
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        # the whole group, also when its leader has ended already
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, sign)
        wait_for_it(STOP_WITHIN)
    # a killed process is gone a moment later; one that nobody buries is not ours to await
    deadline = time.monotonic() + GONE_WITHIN
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(pid, 0)
            time.sleep(0.01)
