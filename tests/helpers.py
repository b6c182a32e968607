"""Small things that several tests use."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from oq_processing.engine import local
from oq_processing.engine.client import EngineClient
from oq_processing.outputs.catalogue import find_output
from oq_processing.outputs.core.table import small_table
from oq_processing.outputs.plots.plot import LINES, Axis, Plot

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


COMMENT = "#,,\"generated_by='OpenQuake engine 3.26.2', checksum=42, start_date='2026-11-23'\""
"""How a CSV file of the engine begins."""


def csv_text(*lines: str) -> str:
    """Return a CSV file of these lines, as the engine writes it."""
    return "".join(f"{line}\r\n" for line in [COMMENT, *lines])


def read_export(
    client: EngineClient, calculation_id: int, kind: str, folder: Path
) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return the CSV export of an output: header and rows of text by member, ``hazard_map-mean``.

    The name of a single file begins with its output: ``output-3-hazard_map-mean``.
    """
    output = find_output(client.outputs(calculation_id), kind, calculation_id)
    target = folder / f"export-{calculation_id}-{kind}"
    files = {client.export(output, "csv", target).name: target.read_bytes()}
    if zipfile.is_zipfile(target):
        with zipfile.ZipFile(target) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    found = {}
    for name, data in files.items():
        header, *rows = csv.reader(io.StringIO(data.decode()))
        if header[0].startswith("#"):
            header, *rows = rows
        found[name.rpartition("_")[0]] = (header, rows)
    return found


COST_TYPES = (
    '<costTypes><costType name="structural" type="aggregated" unit="EUR"/>'
    '<costType unit="USD" name="contents" type="per_asset"/></costTypes>'
)
"""Cost types of an exposure, with their units."""


GSIMS = np.array(
    [(0, b"[BooreAtkinson2008]", 0.75), (1, b'[ChiouYoungs2014]\nregion = ""JPN""', 0.25)],
    [("rlz_id", "<u4"), ("branch_path", "S40"), ("weight", "<f4")],
)
"""The realizations of a scenario, as the engine extracts them."""


def table_rows(table) -> list[tuple]:
    """Return all rows of a table, NaN as None."""
    found = []
    for block in table.blocks():
        found += zip(*(values.tolist() for values in block.values))
    return [tuple(None if v != v else v for v in row) for row in found]


def titles(table) -> dict[str, str]:
    """Return the titles of the columns of values."""
    return {c.name: c.title for c in table.columns if c.quantity}


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


def plot_of(form=LINES, **about) -> Plot:
    """Return a plot of that form, with words for what is not given."""
    defaults = {
        "title": "Title",
        "subtitle": "Calculation 5: a job",
        "x": Axis("Length", "m"),
        "y": Axis("Width", "m"),
        "table": small_table("", (), ()),
    }
    return Plot(form=form, **{**defaults, **about})
