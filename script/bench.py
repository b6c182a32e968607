"""Measure the plugin against its goals; exits with 1 if one is missed.

A section is a generator of :class:`Measure`, registered by ``@section``; it may ask for the shared
QGIS by calling :func:`qgis`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsVectorFileWriter,
    QgsVectorLayer,
    edit,
)

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from oq_processing.algorithms.common.reporter import Reporter  # noqa: E402 - from this checkout
from oq_processing.engine import installation, launch  # noqa: E402
from oq_processing.engine.client import EngineClient  # noqa: E402
from oq_processing.engine.errors import Cancelled  # noqa: E402
from oq_processing.engine.http import transport  # noqa: E402
from oq_processing.layers.destination import Target  # noqa: E402
from oq_processing.layers.fields import fields_of  # noqa: E402
from oq_processing.layers.publish import publish  # noqa: E402
from oq_processing.layers.style import StyleChoices, merged  # noqa: E402
from oq_processing.outputs.core.palettes import ground_motion_style  # noqa: E402
from oq_processing.outputs.core.table import (  # noqa: E402
    POINT,
    Block,
    Column,
    Table,
    blocks_of,
    rows_per_block,
)
from oq_processing.provider import OpenQuakeProvider  # noqa: E402

ENGINE = CHECKOUT / ".engine"
JOB = ENGINE / "demos" / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
MAX_RATE = 1.5  # requests a second while a calculation is followed
MAX_DELAY = 1.2  # seconds: one look at the status, and its answer
LOOK = 0.05  # seconds between two looks of the one who knows when it was complete
ROUNDS = 5  # each thing is measured so often, in turns; the median counts
MANY_ROWS = 1_000_000
MAX_MEMORY = 20.0  # megabytes above the start
MAX_START = 0.1  # seconds of qgis_process that are ours


@dataclass(frozen=True)
class Measure:
    """A number with its unit, and the highest or lowest value that is good, if there is such."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def good(self) -> bool:
        """Whether the goal, if any, is met."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        text = f"  {self.name:<52}{self.value:>10.3g} {self.unit:<6}"
        goals = [("at most", self.at_most), ("at least", self.at_least)]
        told = ", ".join(f"{word} {limit:g}" for word, limit in goals if limit is not None)
        return f"{text} {told}: {'ok' if self.good else 'MISSED'}" if told else text


SECTIONS: dict[str, Callable[[], Iterator[Measure]]] = {}


def section(measure: Callable[[], Iterator[Measure]]) -> Callable[[], Iterator[Measure]]:
    """Register a section under its function's name."""
    SECTIONS[measure.__name__] = measure
    return measure


@lru_cache(maxsize=1)
def qgis() -> tuple[QgsApplication, OpenQuakeProvider]:
    """Return a running QGIS and our provider, which live as long as they are held."""
    application = QgsApplication([], False)
    application.initQgis()
    provider = OpenQuakeProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    return application, provider


@section
def politeness() -> Iterator[Measure]:
    """Run Calculation on an engine of its own: how often it asks, how soon it knows the end."""
    _, provider = qgis()
    requests: list[str] = []

    class Counter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is threading.main_thread():  # the observer has its own
                requests.append(record.getMessage())

    class Listener(QgsProcessingFeedback):
        followed: tuple[float, int] = (0.0, 0)

        def pushInfo(self, info: str) -> None:  # noqa: N802
            if " submitted to " in info:
                self.followed = (time.monotonic(), len(requests))

    log = logging.getLogger(transport.__name__)
    log.setLevel(logging.DEBUG)
    log.addHandler(Counter())
    feedback = Listener(False)
    with tempfile.TemporaryDirectory(prefix="openquake-bench-") as folder:
        executable = installation.find_executable(
            os.environ.get("OPENQUAKE_OQ") or ENGINE / "bin" / "oq"
        )
        with launch.running(executable, Path(folder)) as engine:
            client = EngineClient(engine.url)
            complete: list[float] = []
            ended = threading.Event()

            def observe() -> None:
                while not complete and not ended.is_set():
                    if any(c.succeeded for c in client.calculations(limit=1)):
                        complete.append(time.monotonic())
                    time.sleep(LOOK)

            observer = threading.Thread(target=observe, daemon=True)
            observer.start()
            begin = time.monotonic()
            _, ok = provider.algorithm("runcalculation").run(
                {"JOB": str(JOB), "SERVER": engine.url},
                QgsProcessingContext(),
                feedback,
            )
            end = time.monotonic()
            ended.set()
            observer.join()
    if not ok or not complete:
        raise SystemExit("bench: the calculation did not complete")
    since, before = feedback.followed
    rate = (len(requests) - before) / (end - since)
    yield Measure("length of the run", end - begin, "s")
    yield Measure("requests made", len(requests), "")
    yield Measure("requests a second while it is followed", rate, "1/s", at_most=MAX_RATE)
    yield Measure("from complete to the end of the run", end - complete[0], "s", at_most=MAX_DELAY)


def hazard_table(rows: int, columns: int) -> tuple[Table, dict[str, np.ndarray]]:
    """Return a table as of hazard maps on a grid, from arrays in memory, and these arrays.

    ``lon`` and ``lat`` are among the columns; the others hold single precision, as in the engine.
    """
    random = np.random.default_rng(1)
    index, side = np.arange(rows), int(rows**0.5)
    arrays = {"lon": index % side * 0.1 - 10, "lat": index // side * 0.1 - 10}
    for i in range(columns - 2):
        arrays[f"PGA-{i}"] = random.lognormal(-2, 1, rows).astype("f4")
    return table_of(arrays, rows, partial(blocks_of, list(arrays.values()), grid(arrays))), arrays


def grid(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return coordinates of shape (rows, 2)."""
    return np.column_stack([arrays["lon"], arrays["lat"]])


def table_of(names, rows: int, blocks) -> Table:
    """Return a table of ground motion; the third column is drawn."""
    columns = tuple(
        Column(n) if n in ("lon", "lat") else Column(n, imt="PGA", unit="g") for n in names
    )
    style = ground_motion_style(columns[2])
    about = {"server": "bench", "calculation_id": 1, "output_type": "hmaps"}
    return Table("bench", columns, rows, blocks, POINT, style, provenance=about)


def finished_layer(table: Table, output: str, feedback=None) -> QgsProcessingContext:
    """Write a table as Load Output as Layer does, with style and metadata; return who holds it."""
    _, provider = qgis()
    context = QgsProcessingContext()
    algorithm = provider.algorithm("loadoutputaslayer")
    report = Reporter(feedback or QgsProcessingFeedback(False))
    target = Target(algorithm, {"OUTPUT": output}, "OUTPUT", context)
    publish(target, table, report, (0, 100), merged(table, StyleChoices()))
    return context


def peers_way(table: Table, rows: np.ndarray) -> QgsVectorLayer:
    """Fill a layer as plugins for the engine have done: by name, value by value, while editing."""
    layer = QgsVectorLayer("Point?crs=EPSG:4326", table.title, "memory")
    layer.dataProvider().addAttributes(list(fields_of(table)[0]))
    layer.updateFields()
    names = rows.dtype.names
    with edit(layer):
        features = []
        for row in rows:
            feature = QgsFeature(layer.fields())
            for name in names:
                feature.setAttribute(name, float(row[name]))
            point = QgsPointXY(float(row["lon"]), float(row["lat"]))
            feature.setGeometry(QgsGeometry.fromPointXY(point))
            features.append(feature)
        layer.addFeatures(features)
    return layer


def values_alone(table: Table) -> None:
    """Give every value to QGIS, and do nothing with it: no Python can do with less."""
    feature = QgsFeature(fields_of(table)[0])
    for block in table.blocks():
        for row in np.column_stack(block.values).tolist():
            feature.setAttributes(row)


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a piece of work; what it made is thrown away outside them."""
    begin = time.process_time()
    made = work()
    spent = time.process_time() - begin
    del made
    return spent


def in_turns(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Return the median CPU seconds of each piece of work; in turns, as the computer is shared."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            spent[name].append(cpu(work))
    return {name: statistics.median(times) for name, times in spent.items()}


@section
def layers() -> Iterator[Measure]:
    """From a table in memory to a finished layer, against other ways; CPU seconds."""
    qgis()
    with tempfile.TemporaryDirectory(prefix="openquake-bench-") as folder:
        for rows, columns, rounds, least, limit in (
            (100_000, 16, ROUNDS, 8.0, 1.5),
            (10_000, 360, 3, 40.0, None),
        ):
            what = f"{rows:,} × {columns}"
            table, arrays = hazard_table(rows, columns)
            records = np.rec.fromarrays(list(arrays.values()), names=list(arrays))
            ours, plain, theirs = (str(Path(folder) / f) for f in ("o.gpkg", "p.fgb", "t.gpkg"))
            finished_layer(table, ours)
            # the same rows in the same order: it would sort them, and so make an index of them easy
            gdal.VectorTranslate(
                plain,
                ours,
                format="FlatGeobuf",
                layers=["o"],
                layerCreationOptions=["SPATIAL_INDEX=NO"],
            )

            def by_qgis_alone(plain=plain) -> QgsVectorLayer:
                return QgsVectorLayer(plain, "limit", "ogr").materialize(QgsFeatureRequest())

            def by_gdal_alone(plain=plain, theirs=theirs) -> None:
                Path(theirs).unlink(missing_ok=True)
                gdal.VectorTranslate(theirs, plain, format="GPKG")

            def by_qgis_writer(plain=plain, theirs=theirs) -> None:
                Path(theirs).unlink(missing_ok=True)
                options = QgsVectorFileWriter.SaveVectorOptions()
                options.driverName = "GPKG"
                layer = QgsVectorLayer(plain, "writer", "ogr")
                QgsVectorFileWriter.writeAsVectorFormatV3(
                    layer, theirs, QgsCoordinateTransformContext(), options
                )

            spent = in_turns(
                rounds,
                ours=partial(finished_layer, table, "TEMPORARY_OUTPUT"),
                limit=by_qgis_alone,
                peer=partial(peers_way, table, records),
                values=partial(values_alone, table),
                file=partial(finished_layer, table, ours),
                ogr2ogr=by_gdal_alone,
                writer=by_qgis_writer,
            )
            yield Measure(f"{what} to memory, ours", spent["ours"], "s")
            yield Measure(f"{what} to memory, the peer's way", spent["peer"], "s")
            yield Measure(f"{what} to memory, C++ only", spent["limit"], "s")
            yield Measure(f"{what}, the values alone given to QGIS", spent["values"], "s")
            most = spent["peer"] / spent["limit"]
            yield Measure("  times as fast as the peer's way, C++ only", most, "")
            faster = spent["peer"] / spent["ours"]
            yield Measure("  times as fast as the peer's way, ours", faster, "", at_least=least)
            slower = spent["ours"] / spent["limit"]
            yield Measure("  of the time of C++ only", slower, "", at_most=limit)
            yield Measure(f"{what} to GeoPackage, ours", spent["file"], "s")
            yield Measure(f"{what} to GeoPackage, ogr2ogr", spent["ogr2ogr"], "s")
            yield Measure(f"{what} to GeoPackage, QGIS's writer, C++ only", spent["writer"], "s")
            slower = spent["file"] / spent["ogr2ogr"]
            yield Measure("  of the time of ogr2ogr", slower, "", at_most=1.4 if limit else None)


def endless_blocks(columns: list[str], rows: int) -> Iterator[Block]:
    """Yield blocks that are made as they are asked for: nothing holds the table."""
    random, size = np.random.default_rng(1), rows_per_block(len(columns))
    for start in range(0, rows, size):
        index = np.arange(start, min(start + size, rows))
        xy = np.column_stack([index % 1000 * 0.1, index // 1000 * 0.1 - 50])
        others = [random.lognormal(-2, 1, len(index)).astype("f4") for _ in columns[2:]]
        yield Block((xy[:, 0], xy[:, 1], *others), xy)


class Listener(QgsProcessingFeedback):
    """Counts the steps of the progress, and cancels at one of them."""

    def __init__(self, cancel_at: float) -> None:
        super().__init__(False)
        self.steps: list[float] = []
        self.cancelled = 0.0
        self._cancel_at = cancel_at
        self.progressChanged.connect(self._moved)

    def _moved(self, percent: float) -> None:
        self.steps.append(percent)
        if percent >= self._cancel_at and not self.cancelled:
            self.cancelled = time.monotonic()
            self.cancel()


def memory_used(what: str, reset: bool = False) -> float:
    """Return the megabytes this process has now (VmRSS), or had at most since a reset (VmHWM).

    From Linux itself: what ``getrusage`` tells of a child begins with its parent's.
    """
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def write_many(rows: int, cancel_at: float) -> None:
    """Write a large table to a GeoPackage and print what it took; a child process does it."""
    qgis()
    names = ["lon", "lat", *(f"PGA-{i}" for i in range(14))]
    with tempfile.TemporaryDirectory(prefix="openquake-bench-") as folder:
        path = Path(folder) / "many.gpkg"
        few = table_of(names, 1000, partial(endless_blocks, names, 1000))
        # the start: everything that any layer needs has been loaded
        finished_layer(few, str(path))
        path.unlink()
        before = memory_used("VmRSS", reset=True)
        listener = Listener(cancel_at)
        table = table_of(names, rows, partial(endless_blocks, names, rows))
        begin = time.process_time()
        with contextlib.suppress(Cancelled, QgsProcessingException):
            finished_layer(table, str(path), listener)
        taken = time.process_time() - begin
        after = memory_used("VmHWM")
        found = {
            "seconds": taken,
            "megabytes": after - before,
            "steps": len(listener.steps),
            "falls": sum(b < a for a, b in zip(listener.steps, listener.steps[1:])),
            "delay": time.monotonic() - listener.cancelled if listener.cancelled else None,
            "left": len(list(Path(folder).iterdir())),
        }
    print(json.dumps(found), flush=True)


@section
def memory() -> Iterator[Measure]:
    """1,000,000 rows × 16 to GeoPackage from blocks: memory above the start, progress, Cancel."""

    def child(cancel_at: float) -> dict[str, float]:
        command = [sys.executable, __file__, "--write-many", str(MANY_ROWS), str(cancel_at)]
        printed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        return json.loads(printed.splitlines()[-1])

    whole = child(101.0)
    yield Measure("CPU time", whole["seconds"], "s")
    yield Measure("memory above the start", whole["megabytes"], "MB", at_most=MAX_MEMORY)
    yield Measure("steps of the progress", whole["steps"], "", at_least=100)
    yield Measure("steps that fell back", whole["falls"], "", at_most=0)
    broken = child(50.0)
    yield Measure("from Cancel within the rows to the end", broken["delay"], "s", at_most=2.0)
    yield Measure("files that are left then", broken["left"], "", at_most=0)


@section
def start() -> Iterator[Measure]:
    """A start of qgis_process with the plugin and without it; CPU seconds."""

    def ran(plugin: bool, algorithm: str) -> None:
        with tempfile.TemporaryDirectory(prefix="openquake-bench-") as profile:
            environment = {**os.environ, "QGIS_CUSTOM_CONFIG_PATH": profile}
            settings = Path(profile) / "profiles" / "default" / "QGIS"
            settings.mkdir(parents=True)
            for version in (3, 4):
                text = f"[PythonPlugins]\noq_processing={'true' if plugin else 'false'}\n"
                (settings / f"QGIS{version}.ini").write_text(text)
            subprocess.run(
                [CHECKOUT / "script" / "qgis_process", "help", algorithm],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )

    def spent(work: Callable[[], None]) -> float:
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        work()
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime

    bare: list[float] = []
    ours: list[float] = []
    for _ in range(2 * ROUNDS):
        bare.append(spent(partial(ran, False, "native:buffer")))
        ours.append(spent(partial(ran, True, "openquake:loadoutputaslayer")))
    yield Measure("without the plugin, native:buffer", statistics.median(bare), "s")
    yield Measure("with the plugin, Load Output as Layer", statistics.median(ours), "s")
    share = statistics.median(ours) - statistics.median(bare)
    yield Measure("our share of a start", share, "s", at_most=MAX_START)


def main() -> int:
    """Measure the chosen sections."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--write-many", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write_many:
        write_many(int(arguments.write_many[0]), float(arguments.write_many[1]))
        return 0
    chosen = arguments.sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    missed = 0
    for name in chosen:
        print(f"{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}", flush=True)
        for measure in SECTIONS[name]():
            print(measure, flush=True)
            missed += not measure.good
    return 1 if missed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # QGIS may crash while Python takes it apart; everything is said
    os._exit(code)
