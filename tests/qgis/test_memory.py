"""A table larger than memory would like: written block by block, and given up at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from osgeo import gdal

pytestmark = pytest.mark.slow
BENCH = Path(__file__).resolve().parents[2] / "script" / "bench.py"
ROWS = 100_000


@pytest.fixture(scope="module")
def written():
    """What writing many rows to a GeoPackage took: as a whole, and cancelled half-way."""
    found = []
    for cancel_at in ("101", "50"):
        # a process of its own: the most memory it ever had is what counts
        command = [sys.executable, str(BENCH), "--write-many", str(ROWS), cancel_at]
        run = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=True)
        found.append(json.loads(run.stdout.splitlines()[-1]))
    return found


def test_memory_does_not_grow_with_the_rows(written):
    whole, _ = written
    # the table as such is 8 MB in single precision, 40 MB as Python's lists; newer GDAL takes some
    # for the index that it makes meanwhile
    assert whole["megabytes"] < (7 if int(gdal.VersionInfo()) < 3_07_00_00 else 12)
    assert whole["left"] == 1


def test_progress_moves_with_the_blocks(written):
    whole, broken = written
    blocks = ROWS / (50_000 // 16)
    assert blocks <= whole["steps"] <= blocks + 5
    assert whole["falls"] == 0
    assert whole["delay"] is None
    assert broken["steps"] == pytest.approx(blocks / 2, abs=3)


def test_cancel_within_the_rows_leaves_nothing_and_does_not_wait_for_the_index(written):
    whole, broken = written
    assert broken["left"] == 0
    assert broken["delay"] < 1
    assert broken["seconds"] < 0.6 * whole["seconds"]
