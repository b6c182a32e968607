"""The CSV export of an output: its files, their columns and types, and their rows as arrays."""

from __future__ import annotations

import ast
import csv
import io
import logging
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable

from ...engine.errors import InvalidChoice, InvalidOutput
from ...engine.job.origins import ZIP_ERRORS
from ...engine.server import Download
from . import wkt
from .kinds import parse_kind
from .lazy import Array, np
from .long_cells import long_cells
from .npz import check_size
from .source import Source
from .table import ColumnType

logger = logging.getLogger(__name__)

MAX_ROW = 16 * 1024**2  # bytes; a table of thousands of columns has less, an outline of a country
_CHUNK = 1024**2
_LONGEST = 400  # characters of a number; what is longer fits in no column

_IDS = {"asset_id", "custom_site_id", "source_id", "taxonomy", "id", "branch_path", "loss_type"}


@dataclass
class CsvFile:
    """A CSV file of the export: where it is, its header, what the first pass found."""

    member: str
    open: Callable[[], _Guarded]
    header: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    types: list[ColumnType] = field(default_factory=list)
    rows: int = 0
    shapes: dict[int, wkt.Shapes] = field(default_factory=dict)
    """Columns, by their positions, whose cells are geometries or empty."""
    taken: int = 0
    """Bytes up to the row that was read last, or a little more."""

    @property
    def kind(self) -> str:
        """The statistic or realization that its name ends in: ``rlz-0`` of ``losses-rlz-000``."""
        return parse_kind(self.member.partition("-")[2])

    def read(self) -> Iterator[list[str]]:
        """Yield the rows below the header."""
        with (
            self.open() as raw,
            io.TextIOWrapper(raw, "utf-8-sig", newline="") as text,
            long_cells(MAX_ROW),
        ):
            lines = csv.reader(text, strict=True)
            first = next(lines, [])
            if first and first[0].startswith("#"):
                self.about = _comment(first[-1])
                first = next(lines, [])
            self.header = tuple(first)
            for cells in lines:
                if not cells and len(first) > 1:  # an empty line, as some write at the end
                    continue
                row = cells or [""]
                if len(row) != len(first):
                    raise InvalidOutput(
                        f"{self.member}: a row has {len(row)} cells and the header {len(first)}; "
                        "the file is not whole."
                    )
                raw.row_begins = self.taken = raw.taken
                yield row

    def blocks(
        self,
        positions: Sequence[int],
        types: Sequence[ColumnType],
        size: int,
        rows: Iterable[list[str]] | None = None,
        even: bool = False,
    ) -> Iterator[list[Array]]:
        """Yield the columns at some positions as arrays of these types, ``size`` rows at a time.

        Fewer where rows are long, unless blocks shall be ``even``, like those of other files.
        ``rows`` are those of :meth:`read` that were chosen; None is all.
        """
        for chunk in self._chunks(size, self.read() if rows is None else rows, even):
            cells = list(zip(*chunk))
            yield [to_array(type_, cells[i]) for i, type_ in zip(positions, types)]

    def _chunks(
        self, size: int, rows: Iterable[list[str]], even: bool
    ) -> Iterator[list[list[str]]]:
        chunk, begin = [], 0
        for row in rows:
            chunk.append(row)
            if len(chunk) == size or (self.taken - begin > MAX_ROW and not even):
                yield chunk
                chunk, begin = [], self.taken
        if chunk:
            yield chunk


def csv_format(source: Source) -> str:
    """Return the format that holds tables, csv or zip; raise :class:`InvalidChoice` for none."""
    formats = source.output.formats
    fmt = next((f for f in ("csv", "zip") if f in formats), None)
    if fmt is None:
        raise InvalidChoice(
            f"{source.output.name} is no table (formats: {', '.join(formats) or 'none'}); "
            "it can be downloaded, not loaded as a layer."
        )
    return fmt


def csv_files(source: Source, why: str = "no extract is read for it") -> list[CsvFile]:
    """Fetch the CSV export and return its files, sorted by name; nothing is read yet.

    ``why`` not something faster or more exact, for the log.
    """
    fmt = csv_format(source)
    logger.debug("%s: by the CSV export, as %s", source.output.type, why)
    download = source.export(fmt)
    # the number of files decides whether a csv export is a zip
    with download.path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if not is_zip:
        return [CsvFile(_member(download.name), partial(_open_file, download.path, source.check))]
    return _members(source, download)


def _members(source: Source, download: Download) -> list[CsvFile]:
    title = source.output.name
    try:
        with zipfile.ZipFile(download.path) as archive:
            entries = [e for e in archive.infolist() if e.filename.lower().endswith(".csv")]
    except ZIP_ERRORS as error:
        raise InvalidOutput(f"The export of {title} is not a whole zip file; try again.") from error
    for entry in entries:
        check_size(f"{entry.filename} in the export of {title}", [entry], download.path.parent)
    check_size(f"The export of {title}", entries, download.path.parent)
    if not entries:
        raise InvalidChoice(f"The export of {title} holds no table (CSV file).")
    return [
        CsvFile(_member(entry.filename), partial(_open_member, download.path, entry, source.check))
        for entry in sorted(entries, key=lambda e: e.filename)
    ]


class _Guarded(io.BufferedReader):
    """The bytes of a CSV file; ends at a row that has no end, and when the user cancels."""

    def __init__(self, file: Any, check: Callable[[], None]) -> None:
        super().__init__(file, _CHUNK)
        self.taken = 0
        self.row_begins = 0
        self._check = check
        self._checked = 0

    def read1(self, size: int = -1, /) -> bytes:
        data = super().read1(size)
        self.taken += len(data)
        if self.taken - self._checked >= _CHUNK:
            self._checked = self.taken
            self._check()
        if self.taken - self.row_begins > MAX_ROW:
            raise csv.Error(f"a row of more than {MAX_ROW // 1024**2} MB")
        return data


def _open_file(path: Path, check: Callable[[], None]) -> _Guarded:
    return _Guarded(path.open("rb", buffering=0), check)


def _open_member(path: Path, entry: zipfile.ZipInfo, check: Callable[[], None]) -> _Guarded:
    return _Guarded(zipfile.ZipFile(path).open(entry), check)


def _member(name: str) -> str:
    """Return what identifies a file: ``output-3-hazard_map-mean_1.csv`` is ``hazard_map-mean``."""
    stem = re.sub(r"\.csv$", "", name.rsplit("/", 1)[-1], flags=re.I)
    return re.sub(r"_\d+$", "", re.sub(r"^output-\d+-", "", stem))


def _comment(text: str) -> dict[str, Any]:
    """Read the engine's comment line: python literals, ``kind='mean', investigation_time=50.0``."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call):  # such as “a=1) + f(b=2”
            return {}
        return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return {}


@contextmanager
def _readable(file: CsvFile) -> Iterator[None]:
    try:
        yield
    except (csv.Error, OSError, *ZIP_ERRORS) as error:
        raise InvalidOutput(f"{file.member} cannot be read ({error}).") from error


def peek(file: CsvFile) -> None:
    """Read the comment and the header, and no rows."""
    with _readable(file):
        next(file.read(), None)


def scan(file: CsvFile) -> None:
    """Count the rows and find each column's type and geometry, in one pass over the file."""
    with _readable(file):
        for row in file.read():
            if not file.types:
                file.types = _first_types(file.header)
                file.shapes = {i: wkt.Shapes() for i in range(len(file.header))}
            file.rows += 1
            for i, cell in enumerate(row):
                if file.types[i] != ColumnType.TEXT and cell:
                    file.types[i] = _wider(file.types[i], cell)
            if file.shapes:
                file.shapes = {i: s for i, s in file.shapes.items() if s.add(row[i])}
    if not file.types:
        file.types = [ColumnType.TEXT] * len(file.header)


def _first_types(header: tuple[str, ...]) -> list[ColumnType]:
    """Return TEXT for ids and tags: those by name, and those between an asset and its lon."""
    ids = [i for i, name in enumerate(header) if name in ("asset_id", "id")]
    tags = range(ids[0], header.index("lon")) if ids and "lon" in header else ()
    return [
        ColumnType.TEXT if name in _IDS or i in tags else ColumnType.INTEGER
        for i, name in enumerate(header)
    ]


def _wider(type_: ColumnType, cell: str) -> ColumnType:
    if len(cell) > _LONGEST:
        return ColumnType.TEXT
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", cell):
        if -(2**63) <= int(cell) < 2**63:
            return type_
        # a number that no column holds without loss is somebody's id
        return ColumnType.REAL if float(cell) == int(cell) else ColumnType.TEXT
    # not what float() takes beyond numbers: 1_000, Infinity, digits of other scripts
    number = r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|NAN|-?inf|-?INF"
    if re.fullmatch(r"-?0[0-9]+", cell) or not re.fullmatch(number, cell):
        return ColumnType.TEXT
    return ColumnType.REAL


def to_array(type_: ColumnType, cells: Sequence[str]) -> Array:
    """Return the cells of a column as an array of its type; empty ones as None or NaN."""
    if type_ == ColumnType.TEXT:
        return np.array([cell or None for cell in cells], dtype=object)
    if type_ == ColumnType.INTEGER and "" not in cells:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if type_ == ColumnType.INTEGER:
        return np.array([int(cell) if cell else None for cell in cells], dtype=object)
    return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
