"""Small things that several tests use."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from oq_processing.engine import local

ROOT = Path(__file__).parent.parent


def wait_until(condition, seconds: float = 30.0):
    """Return the first true answer of ``condition``; fail when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return answer


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip file of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def program(path: Path, code: str) -> Path:
    """Write a Python program that stands for ``oq``."""
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return path


SLOW_ENGINE = """\
import http.server, os, pathlib, sys, time

record, calculations = pathlib.Path("engine.json"), pathlib.Path("calculations.json")
print("begins", os.getpid(), record.exists() and record.read_text(), flush=True)
while not pathlib.Path("ready").exists():
    time.sleep(0.02)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path.endswith("engine_version"):
            self.wfile.write(b"3.26.2")
        else:
            self.wfile.write(calculations.read_bytes() if calculations.exists() else b"[]")


host, port = sys.argv[3].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
"""What stands for an engine that answers when there is a file ``ready`` in its folder."""


def killed_starter(oq: Path, folder: Path, before: str = "") -> int:
    """Let a program start the engine of the folder and kill it meanwhile; return its exit code.

    It is killed when the engine has begun, unless it kills itself by what it does ``before``.
    """
    code = (
        "import os, sys; from pathlib import Path; from oq_processing.engine import local\n"
        f"{before}\nlocal.start_own(Path(sys.argv[1]), folder=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(oq), str(folder)]
    with subprocess.Popen(command, cwd=ROOT) as starter:
        try:
            wait_until(lambda: has_begun(folder) or starter.poll() is not None)
        finally:
            starter.kill()
    return starter.returncode


def has_begun(folder: Path) -> bool:
    """Tell whether the engine of the folder runs, and not only the shell that waits for its record.

    What is killed before leaves nothing.
    """
    record = local.recorded(folder)
    return bool(record) and b"/bin/sh" not in Path(f"/proc/{record.pid}/cmdline").read_bytes()


def end_all(folder: Path) -> None:
    """End what was started with the folder as the engine's own, also what nobody finds any more."""
    local.stop_own(folder)
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)


def processes_of(folder: Path) -> list[int]:
    """Return the processes alive that were started with the folder as the engine's own."""
    mark = f"OQ_CONFIG_FILE={folder.resolve()}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, IndexError):  # it has ended meanwhile
                continue
            if state != "Z" and any(item.startswith(mark) for item in environment):
                found.append(int(process.name))
    return found
