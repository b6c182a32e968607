"""Is a loaded layer true? Every value, coordinate and row against the engine's CSV export.

::

    for verdict in check_calculation(client, calculation_id):
        print(verdict)

How an output is loaded and which column shall hold which cells of the export, is said by the
generators ``CASES`` of the modules in ``tests/truth_cases`` (output type → generator of
:class:`Expected`); an output type without one is checked the general way. A case passes on the
cells of the export as they are (it may select, reorder and pivot them): so the comparison knows
which cells were compared, and complains of those that nobody looked at and nobody left out.
"""

from __future__ import annotations

import ast
import csv
import importlib
import io
import math
import pkgutil
import re
import shutil
import tempfile
import traceback
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Callable
from unittest.mock import patch

from qgis.core import QgsFeatureRequest, QgsGeometry, QgsProcessingException, QgsWkbTypes
from qgis.PyQt.QtCore import NULL
from steering import Recorder, call

from oq_processing.engine.calculation import Calculation, Output
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import EngineError
from oq_processing.engine.server import Download
from oq_processing.outputs.core.source import Source

LOAD = "openquake:loadoutputaslayer"
SHOWN = 3  # differences told of each layer
COORDINATES = (("lon", "lat"), ("longitude", "latitude"), ("centroid_lon", "centroid_lat"))

Texts = Sequence[str]


class Text(str):
    """A cell of an export: an object of its own, so that it is known again by its identity."""

    __slots__ = ()


@dataclass(frozen=True)
class CsvTable:
    """A CSV file of an export; ``about`` is what its comment line says, {} without one."""

    about: dict[str, object]
    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return the cells of the column of that name."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]


Export = dict[str, CsvTable]
"""CSV files by member, as MEMBER takes it: ``hazard_curve-mean-PGA`` (no folder, no number)."""


@dataclass(frozen=True)
class Expected:
    """A layer: what it is loaded with, and the cells of the export that its fields shall hold.

    ``columns``: field name → cells, in the order of the layer's rows; fields that are not named are
    the layer's own affair. ``xy``: longitudes and latitudes of points, None where there are none,
    or where the engine exports no place of a row; ``wkt``: geometries as text, instead.
    """

    parameters: dict[str, object]
    columns: dict[str, Texts]
    xy: Sequence[tuple[str, str] | None] | None = None
    wkt: Texts | None = None


@dataclass
class Case:
    """An output of a calculation and its CSV export."""

    client: EngineClient
    calculation: Calculation
    output: Output
    export: Export
    source: Source
    _left_out: list[tuple[str, str, Callable[[dict[str, str]], bool] | None]] = field(
        default_factory=list
    )

    def leave_out(
        self,
        reason: str,
        member: str = "*",
        column: str = "*",
        rows: Callable[[dict[str, str]], bool] | None = None,
    ) -> None:
        """Say that cells are not compared, and why; ``*`` stands for anything, also in words.

        ``rows`` gets a row as a dictionary and tells whether it is left out; all if not given.
        """
        assert reason
        self._left_out.append((member, column, rows))

    def unseen(self, compared: set[int]) -> list[str]:
        """Return sentences about cells that were neither compared nor left out."""
        found = []
        for member, table in self.export.items():
            kept = [
                (column, rows) for name, column, rows in self._left_out if fnmatchcase(member, name)
            ]
            for i, name in enumerate(table.header):
                missing = [row for row in table.rows if id(row[i]) not in compared]
                for pattern, rows in kept:
                    if missing and fnmatchcase(name, pattern):
                        missing = [
                            row
                            for row in missing
                            if rows is not None and not rows(dict(zip(table.header, row)))
                        ]
                if missing:
                    found.append(
                        f"{member}: {len(missing)} of {len(table.rows)} cells of {name} were "
                        f"compared with nothing, the first {missing[0][i]!r}"
                    )
        return found


@dataclass(frozen=True)
class Verdict:
    """What came of an output: ``problems`` (none if it is true), and how much was compared.

    ``note`` says why nothing was compared where the engine exports nothing.
    """

    output: Output
    layers: int = 0
    cells: int = 0
    problems: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        if self.problems:
            return f"{self.output.type}: " + "\n    ".join(self.problems)
        return f"{self.output.type}: " + (
            self.note or f"{self.cells} values in {self.layers} layers are true"
        )


def check_calculation(
    client: EngineClient, calculation_id: int, types: Iterable[str] = ()
) -> Iterator[Verdict]:
    """Load every output of the calculation and yield how it compares; only ``types`` if given."""
    calculation = client.calculation(calculation_id)
    for output in client.outputs(calculation_id):
        if not types or output.type in types:
            with tempfile.TemporaryDirectory(prefix="truth-") as folder:
                yield check_output(client, calculation, output, Path(folder))


def assert_true(client: EngineClient, calculation_id: int) -> None:
    """Fail with a list of the outputs of the calculation that are not true."""
    verdicts = list(check_calculation(client, calculation_id))
    assert verdicts
    wrong = [str(verdict) for verdict in verdicts if verdict.problems]
    assert not wrong, "\n".join((f"{len(wrong)} of {len(verdicts)} outputs:", *wrong))


def check_output(
    client: EngineClient, calculation: Calculation, output: Output, folder: Path
) -> Verdict:
    """Load an output in the ways of its case and compare; problems are told, never raised."""
    with _fetched_once(folder):
        return _check_output(client, calculation, output, folder)


@contextmanager
def _fetched_once(folder: Path) -> Iterator[None]:
    """Keep what any client fetches: the engine computes an export anew whenever it is asked."""
    kept: dict[tuple[object, ...], Download] = {}
    export, extract = EngineClient.export, EngineClient.extract

    def keep(key: tuple[object, ...], target: Path, fetch: Callable[[], Download]) -> Download:
        if key not in kept:
            found = fetch()
            copy = Path(shutil.copyfile(target, folder / f"kept-{len(kept)}"))
            kept[key] = replace(found, path=copy)
        else:
            shutil.copyfile(kept[key].path, target)
        return replace(kept[key], path=target)

    def export_once(self, output, fmt, target, progress=None):
        key = (self.url, "export", output.id, fmt)
        return keep(key, target, lambda: export(self, output, fmt, target, progress))

    def extract_once(self, number, what, target, query=None, progress=None):
        key = (self.url, number, what, *sorted((query or {}).items()))
        return keep(key, target, lambda: extract(self, number, what, target, query, progress))

    with patch.multiple(EngineClient, export=export_once, extract=extract_once):
        yield


def _check_output(
    client: EngineClient, calculation: Calculation, output: Output, folder: Path
) -> Verdict:
    fmt = next((f for f in ("csv", "zip") if f in output.formats), None)
    if fmt is None:
        return _refused(client, calculation, output, "it has no table")
    special = cases().get(output.type)
    found = Verdict(output)
    try:
        # file by file where a case does not need them all: one demo exports a gigabyte
        exports = _one_by_one(client, output, fmt, folder) if special is None else None
        for export in exports or [read_export(client, output, fmt, folder)]:
            source = Source(client, calculation, output, folder)
            case = Case(client, calculation, output, export, source)
            found = _checked(case, special or general_case, found)
    except EngineError as error:
        return _refused(client, calculation, output, f"the engine does not export it: {error}")
    if not found.layers and not found.problems:
        return _refused(client, calculation, output, "its export holds no table")
    return found


def _checked(
    case: Case, generator: Callable[[Case], Iterator[Expected]], before: Verdict
) -> Verdict:
    """Add to a verdict what comes of a case."""
    problems: list[str] = []
    compared: set[int] = set()
    layers = 0
    for expected in _expectations(case, generator, problems):
        layers += 1
        where = " ".join(f"{k}={v}" for k, v in expected.parameters.items()) or "as it is"
        for problem in _compare(case.client, case.calculation, case.output, expected):
            problems.append(f"[{where}] {problem}")
        compared.update(id(cell) for cells in expected.columns.values() for cell in cells)
        compared.update(id(cell) for pair in expected.xy or () for cell in pair or ())
        compared.update(id(cell) for cell in expected.wkt or ())
    problems += case.unseen(compared)
    tables = case.export.values()
    cells = sum(id(cell) in compared for table in tables for row in table.rows for cell in row)
    return Verdict(
        case.output,
        before.layers + layers,
        before.cells + cells,
        (*before.problems, *problems),
    )


def _expectations(
    case: Case, generator: Callable[[Case], Iterator[Expected]], problems: list[str]
) -> Iterator[Expected]:
    try:
        yield from generator(case)
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        problems.append(f"the case breaks at {Path(at.filename).name}:{at.lineno}: {error!r}")


def general_case(case: Case) -> Iterator[Expected]:
    """Every member chosen by MEMBER, every column by its own name, geometries where they are."""
    for member, table in case.export.items():
        columns = {name: table.column(name) for name in table.header}
        shape = next((name for name, cells in columns.items() if _are_geometries(cells)), None)
        pair = next((p for p in COORDINATES if set(p) <= set(table.header)), None)
        xy = None if pair is None or shape else list(zip(columns[pair[0]], columns[pair[1]]))
        yield Expected({"MEMBER": member}, columns, xy, shape and columns.pop(shape))


def _are_geometries(cells: Texts) -> bool:
    """Tell whether all cells that are not empty are geometries of one type, as QGIS reads them."""
    types = {QgsGeometry.fromWkt(cell).type() for cell in cells if cell[-1:] == ")"}
    return len(types) == 1 and all(
        cell == "" or not QgsGeometry.fromWkt(cell).isNull() for cell in cells
    )


@lru_cache(maxsize=1)
def cases() -> dict[str, Callable[[Case], Iterator[Expected]]]:
    """Return the generators of ``tests/truth_cases`` by output type."""
    import truth_cases

    found: dict[str, Callable[[Case], Iterator[Expected]]] = {}
    for module in pkgutil.iter_modules(truth_cases.__path__):
        given = importlib.import_module(f"truth_cases.{module.name}").CASES
        twice = found.keys() & given.keys()
        assert not twice, f"{module.name}: {', '.join(twice)} has a case already"
        found.update(given)
    return found


def read_export(client: EngineClient, output: Output, fmt: str, folder: Path) -> Export:
    """Fetch the export and return its CSV files, sorted by member; {} if there are none."""
    export: Export = {}
    for one in _one_by_one(client, output, fmt, folder):
        export.update(one)
    return export


def _one_by_one(client: EngineClient, output: Output, fmt: str, folder: Path) -> Iterator[Export]:
    """Fetch the export and yield each of its CSV files."""
    target = folder / f"export-{output.id}"
    name = client.export(output, fmt, target).name
    if zipfile.is_zipfile(target):
        with zipfile.ZipFile(target) as archive:
            for member in sorted(n for n in archive.namelist() if n.endswith(".csv")):
                yield {_member(member): read_csv(archive.read(member).decode())}
    else:
        yield {_member(name): read_csv(target.read_bytes().decode())}
    target.unlink()


def read_csv(text: str) -> CsvTable:
    """Read a CSV file of the engine: a comment line or none, a header, rows as wide as it."""
    before = csv.field_size_limit(len(text) + 1)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    csv.field_size_limit(before)
    about = {}
    if rows and rows[0] and rows[0][0].startswith("#"):
        about = _about(rows.pop(0)[-1])
    header = rows.pop(0) if rows else []
    # a file of one column has empty cells as empty lines
    rows = [row or [""] for row in rows if row or len(header) == 1]
    assert all(len(row) == len(header) for row in rows)
    return CsvTable(about, header, [[Text(cell) for cell in row] for row in rows])


def _about(text: str) -> dict[str, object]:
    try:
        keywords = ast.parse(f"f({text})", mode="eval").body.keywords
        return {k.arg: ast.literal_eval(k.value) for k in keywords}
    except (SyntaxError, ValueError, AttributeError):
        return {}


def _member(name: str) -> str:
    """``output-3-hazard_map-mean_1.csv`` is ``hazard_map-mean``."""
    stem = name.rpartition("/")[2][: -len(".csv")]
    return re.sub(r"_\d+$", "", re.sub(r"^output-\d+-", "", stem))


def load(client: EngineClient, calculation_id: int, output: Output, **parameters: object):
    """Load an output with the real algorithm into memory; return the layer."""
    return call(
        LOAD,
        Recorder(),
        SERVER=client.url,
        CALCULATION_ID=calculation_id,
        OUTPUT_TYPE=str(output.id),
        OUTPUT="TEMPORARY_OUTPUT",
        **parameters,
    )


def _refused(
    client: EngineClient, calculation: Calculation, output: Output, reason: str
) -> Verdict:
    """What has no table to compare with must load all the same, or be refused in a sentence."""
    try:
        done = load(client, calculation.id, output)
    except QgsProcessingException as error:
        said = str(error)
        if not said or "Traceback" in said or "\n" in said or "unexpected" in said.lower():
            return Verdict(output, problems=(f"{reason}; the refusal is no sentence: {said}",))
        return Verdict(output, note=f"{reason}; loading says: {said}")
    except Exception as error:
        return Verdict(output, problems=(f"{reason}; loading broke: {error!r}",))
    return Verdict(output, 1, note=f"{reason}; {done.layer().featureCount()} rows were loaded")


def _compare(
    client: EngineClient, calculation: Calculation, output: Output, expected: Expected
) -> Iterator[str]:
    """Yield what differs between the layer and what is expected of it."""
    lengths = {len(cells) for cells in expected.columns.values()}
    for cells in (expected.xy, expected.wkt):
        if cells is not None:
            lengths.add(len(cells))
    if len(lengths) != 1:
        yield f"the case is wrong: its columns have {sorted(lengths)} rows"
        return
    [rows] = lengths
    try:
        # the result holds the context, and that the layer
        done = load(client, calculation.id, output, **expected.parameters)
        layer = done.layer()
    except Exception as error:
        yield f"cannot be loaded: {error!r}"
        return
    if layer.featureCount() != rows:
        yield f"{layer.featureCount()} rows, not {rows}"
        return
    is_point = QgsWkbTypes.geometryType(layer.wkbType()) == QgsWkbTypes.GeometryType.PointGeometry
    if expected.wkt is None and is_point != (expected.xy is not None):
        yield f"the geometry is {QgsWkbTypes.displayString(layer.wkbType())}"
        return
    names = [f.name() for f in layer.fields()]
    if missing := [name for name in expected.columns if name not in names]:
        yield f"no field {', '.join(missing[:9])}; there are {', '.join(names[:20])}"
        return
    positions = [names.index(name) for name in expected.columns]
    different = dict.fromkeys((*expected.columns, "geometry"), 0)
    request = QgsFeatureRequest()
    if expected.xy is None and expected.wkt is None:
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
    wanted = zip(*expected.columns.values()) if positions else ((),) * rows
    for number, (feature, cells) in enumerate(zip(layer.getFeatures(request), wanted)):
        attributes = feature.attributes()
        for name, position, cell in zip(expected.columns, positions, cells):
            if not same(attributes[position], cell):
                different[name] += 1
                if different[name] <= SHOWN:
                    yield f"row {number}: {name} is {attributes[position]!r}, not {cell!r}"
        if expected.xy is not None and (pair := expected.xy[number]) is not None:
            point = feature.geometry().asPoint()
            lon, lat = pair
            if not (same(point.x(), lon) and same(point.y(), lat)):
                different["geometry"] += 1
                if different["geometry"] <= SHOWN:
                    yield f"row {number} is at {point.x()}, {point.y()}, not {lon}, {lat}"
        if expected.wkt is not None and not _same_shape(feature.geometry(), expected.wkt[number]):
            different["geometry"] += 1
            if different["geometry"] <= SHOWN:
                yield f"row {number} is not at {expected.wkt[number][:80]}"
    for name, count in different.items():
        if count > SHOWN:
            yield f"{name} differs in {count} of {rows} rows"


def _same_shape(found: QgsGeometry, cell: str) -> bool:
    wanted = QgsGeometry.fromWkt(cell)
    if wanted.isNull():
        return found.isEmpty()
    for geometry in (found, wanted):
        geometry.convertToMultiType()
    return found.asWkb() == wanted.asWkb()


def same(value: object, cell: str) -> bool:
    """Tell whether a layer's value is what the CSV says.

    Text is equal; a number is what the cell says, or rounds to it (half a unit of its last digit,
    and the distance of neighbouring float32 numbers, which the engine computes with); empty and
    ``nan`` are NULL.
    """
    if value is None or value == NULL:
        return cell == "" or cell.lower() == "nan"
    if isinstance(value, str):
        return value == cell
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        if isinstance(value, int):  # also beyond 2^53, where floats are not enough
            return value == Decimal(cell)
        if value == float(cell):
            return True
        exact = Decimal(cell)
    except (ValueError, InvalidOperation):
        return False
    if not exact.is_finite() or not math.isfinite(value):
        return False
    if not re.search(r"[.eE]", cell):
        return abs(value - int(cell)) <= _spacing(value)
    half = 0.5 * 10.0 ** exact.as_tuple().exponent
    return abs(value - float(cell)) <= half + _spacing(value)


def _spacing(value: float) -> float:
    """Return the distance from a number to the next one in single precision."""
    return 2.0 ** (max(math.frexp(value)[1], -125) - 24)
