"""A long session: 200 loads in one process leave no memory, file or thread behind."""

import gc
import os
import threading
from pathlib import Path

from helpers import wait_until
from qgis.PyQt.QtCore import QCoreApplication
from steering import call

LOADS = 200
WARM = 50  # loads until all that is loaded once has been
GROWTH = 10  # MB that allocators may keep for themselves


def megabytes() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(own: Path) -> list[str]:
    """What is open, but for ``own``, of which QGIS keeps closed layers for a minute."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except OSError:  # the one of this list
            continue
    return sorted(name for name in found if not name.startswith(str(own)))


def test_a_long_session_does_not_grow(registry, server, area_source, tmp_path):
    begin = None
    for number in range(LOADS):
        suffix = ("gpkg", "shp", "csv")[number % 3]
        done = call(
            "openquake:loadoutputaslayer",
            SERVER=server.url,
            CALCULATION_ID=area_source,
            OUTPUT_TYPE="hmaps",
            OUTPUT=str(tmp_path / f"map.{suffix}"),
        )
        assert done.results["COUNT"] == 624
        del done
        if number == WARM:
            begin = megabytes(), descriptors(tmp_path), threading.active_count()
    assert begin is not None
    before, files, threads = begin
    assert megabytes() - before < GROWTH
    assert descriptors(tmp_path) == files
    assert threading.active_count() == threads

    def closed() -> bool:
        QCoreApplication.processEvents()
        return all(str(tmp_path) not in name for name in descriptors(Path("/nowhere")))

    wait_until(closed, 150)
    kept = {path.suffix for path in tmp_path.iterdir()}
    assert kept == {".gpkg", ".shp", ".shx", ".dbf", ".prj", ".cpg", ".qml", ".qmd", ".csv"}
