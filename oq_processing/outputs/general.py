"""The general way: any output by its CSV export, as a layer where it has places, else as a table.

Places are a column of geometries (WKT), or longitude and latitude. So every output of every version
of the engine loads, known to us or not.
"""

from __future__ import annotations

import ast
import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Callable

from ..engine.client import Download
from ..engine.errors import InvalidChoice, InvalidOutput
from ..engine.sources import ZIP_ERRORS
from . import wkt
from .assets import largest_on_top
from .choices import Choices
from .long_cells import long_cells
from .npz import check_size
from .output_type import OutputType
from .places import COORDINATES, Place, ShapeColumn, place_of, shape_notes
from .source import Source
from .table import (
    INTEGER,
    MAX_COLUMNS,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    point_array,
    rows_per_block,
)

MEMBER = "member"
"""Name of the column that says which file of an output a row comes from."""

_MEMBER = Column(MEMBER, TEXT, "Member")

MAX_ROW = 16 * 1024**2  # bytes; a table of thousands of columns has less, an outline of a country
_CHUNK = 1024**2
_LONGEST = 400  # characters of a number; what is longer fits in no column

_IDS = {"asset_id", "custom_site_id", "source_id", "taxonomy", "id", "branch_path", "loss_type"}

USUAL = {
    column.name: column
    for column in (
        Column("lon", REAL, "Longitude", "°"),
        Column("lat", REAL, "Latitude", "°"),
        Column("depth", REAL, "Depth", "km"),
        Column("site_id", INTEGER, "Site"),
        Column("sids", INTEGER, "Site"),
        Column("custom_site_id", TEXT, "Site (own id)"),
        Column("asset_id", TEXT, "Asset"),
        Column("taxonomy", TEXT, "Taxonomy"),
        Column("loss_type", TEXT, "Loss type"),
        Column("event_id", INTEGER, "Event"),
        Column("rup_id", INTEGER, "Rupture"),
        Column("rlz_id", INTEGER, "Realization"),
        Column("source_id", TEXT, "Source"),
        Column("grp_id", INTEGER, "Group of sources"),
        Column("branch_path", TEXT, "Branch path"),
        Column("weight", REAL, "Weight"),
        Column("year", INTEGER, "Year"),
        Column("ses_id", INTEGER, "Stochastic event set"),
        Column("stat", TEXT, "Statistic"),
        Column("imt", TEXT, "Intensity measure type"),
        Column("iml", REAL, "Intensity measure level"),
        Column("poe", REAL, "Probability of exceedance"),
        Column("return_period", REAL, "Return period", "years"),
        Column("mag", REAL, "Magnitude"),
    )
}
"""Columns that mean the same in every export."""

_NOT_DRAWN = {"depth", "weight", "year", "ses_id", "sids"}
"""Numbers that say which row it is, not how much; ids are none either."""


@dataclass(frozen=True)
class Known:
    """What is known of an output type beyond its file.

    ``columns`` tells the type and meaning of columns, by their names or by patterns (``mea*``)
    that stand after the names; ``from_member`` is a regular expression whose named groups, found in
    the name of a file, become columns; ``from_comment`` are values of the comment line that become
    columns; ``first`` is how the files begin of whose kind are loaded where none is chosen.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    from_member: str = ""
    from_comment: tuple[str, ...] = ()
    first: str = ""
    style: Style | None = None


NOTHING = Known()


@dataclass
class CsvFile:
    """A CSV file of the export: where it is, its header, what the first pass found."""

    member: str
    open: Callable[[], _Guarded]
    header: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    rows: int = 0
    shapes: dict[int, wkt.Shapes] = field(default_factory=dict)
    """Columns, by their positions, whose cells are geometries or empty."""
    taken: int = 0
    """Bytes up to the row that was read last, or a little more."""

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

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """Yield the rows below the header, so many at once; fewer where they are long."""
        chunk, begin = [], 0
        for row in self.read():
            chunk.append(row)
            if len(chunk) == size or self.taken - begin > MAX_ROW:
                yield chunk
                chunk, begin = [], self.taken
        if chunk:
            yield chunk


def read(source: Source, choices: Choices, known: Known = NOTHING) -> Table:
    """Return the output's CSV export as a table; several files of one kind are appended.

    Columns keep the names of the file. Ids, custom ids and tags are text, never guessed.
    Raises :class:`InvalidChoice` for what the output does not have, :class:`InvalidOutput` for a
    file that is not whole.
    """
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} cannot be loaded in LONG_FORMAT.")
    files = csv_files(source)
    if choices.member:
        files = _chosen(files, choices.member)
    for file in files:
        peek(file)
    # the first of the wanted kind tells which files are of it
    files.sort(key=lambda f: not f.member.startswith(known.first))
    same = [f for f in files if f.header == files[0].header]
    for file in same:
        scan(file)
    notes = []
    if len(same) < len(files):
        others = ", ".join(f.member for f in files if f not in same)
        notes.append(
            "This output has tables of several kinds; loaded: "
            f"{', '.join(f.member for f in same)}. "
            f"Choose another by MEMBER: {others}."
        )
    rows = sum(f.rows for f in same)
    given = _given(same, known, len(files) > 1)
    own = _columns(same, known)
    place = place_of(source.output.name, choices, same, given, own)
    if isinstance(place, ShapeColumn):
        own = (*own[: place.position], *own[place.position + 1 :])
        if not given and not own:  # a file that has nothing but geometries
            given = (_MEMBER,)
    columns = (*given, *own)
    if len(columns) > MAX_COLUMNS:
        raise InvalidOutput(
            f"{source.output.name} has {len(columns)} columns; a layer takes {MAX_COLUMNS}. "
            "Download Output gets the file as it is."
        )
    if not rows:
        notes.append(f"{source.output.name} of calculation {source.calculation.id} is empty.")
    if choices.geometry != NONE:
        notes += shape_notes(same, own, place)
    provenance = source.provenance(choices)
    provenance["members"] = [f.member for f in same]
    for key in ("checksum", "investigation_time", "start_date"):
        if key in same[0].about:
            provenance[key] = same[0].about[key]
    geometry, multi = (POINT if place else NONE), False
    if isinstance(place, ShapeColumn):
        provenance["geometry_column"] = place.name
        geometry, multi = place.family, place.shapes.multi
    table = Table(
        title=f"{source.output.name}, calculation {source.calculation.id}",
        columns=columns,
        rows=rows,
        blocks=partial(_blocks, same, given, own, place, known),
        geometry=geometry,
        multi=multi,
        style=_style(columns, known, choices.style_field) if place else None,
        notes=tuple(notes),
        provenance=provenance,
    )
    return largest_on_top(table)


def csv_files(source: Source) -> list[CsvFile]:
    """Fetch the CSV export and return its files, sorted by name; nothing is read yet."""
    formats = source.output.formats
    fmt = next((f for f in ("csv", "zip") if f in formats), None)
    if fmt is None:
        raise InvalidChoice(
            f"{source.output.name} is no table (formats: {', '.join(formats) or 'none'}); "
            "it can be downloaded, not loaded as a layer."
        )
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


def _chosen(files: list[CsvFile], wanted: str) -> list[CsvFile]:
    found = [f for f in files if f.member.lower() == wanted.strip().lower()]
    if not found:
        names = ", ".join(f.member for f in files)
        raise InvalidChoice(f"There is no member “{wanted}”; MEMBER may be: {names}.")
    return found


def _comment(text: str) -> dict[str, Any]:
    """Read the engine's comment line: python literals, ``kind='mean', investigation_time=50.0``."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call):  # such as “a=1) + f(b=2”
            return {}
        return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return {}


def file_kind(file: CsvFile) -> str:
    """Return the statistic or realization of a file: ``avg_losses-rlz-000`` is ``rlz-0``."""
    kind = file.member.partition("-")[2]
    return f"rlz-{int(kind[4:])}" if re.fullmatch(r"rlz-\d+", kind) else kind


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
                file.types = [TEXT if text else INTEGER for text in _is_text(file.header)]
                file.shapes = {i: wkt.Shapes() for i in range(len(file.header))}
            file.rows += 1
            for i, cell in enumerate(row):
                if file.types[i] != TEXT and cell:
                    file.types[i] = _wider(file.types[i], cell)
            if file.shapes:
                file.shapes = {i: s for i, s in file.shapes.items() if s.add(row[i])}
    if not file.types:
        file.types = [TEXT] * len(file.header)


def _is_text(header: tuple[str, ...]) -> list[bool]:
    """Tell which columns are ids or tags: those by name, and those between an asset and its lon."""
    text = [name in _IDS for name in header]
    ids = [i for i, name in enumerate(header) if name in ("asset_id", "id")]
    if ids and "lon" in header:
        for i in range(ids[0], header.index("lon")):
            text[i] = True
    return text


def _wider(kind: str, cell: str) -> str:
    if len(cell) > _LONGEST:
        return TEXT
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", cell):
        if -(2**63) <= int(cell) < 2**63:
            return kind
        # a number that no column holds without loss is somebody's id
        return REAL if float(cell) == int(cell) else TEXT
    # not what float() takes beyond numbers: 1_000, Infinity, digits of other scripts
    number = r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|NAN|-?inf|-?INF"
    if re.fullmatch(r"-?0[0-9]+", cell) or not re.fullmatch(number, cell):
        return TEXT
    return REAL


def _meaning(name: str, known: Known) -> Column | None:
    """Return what is known of a column of that name, None if nothing is."""
    if name in known.columns:
        return known.columns[name]
    for pattern, column in known.columns.items():
        if fnmatchcase(name, pattern):
            suffix = name[len(pattern) - 1 :]
            return replace(column, name=name, label=column.label.replace("*", suffix))
    return USUAL.get(name)


def _columns(files: list[CsvFile], known: Known) -> tuple[Column, ...]:
    """Return the columns of files with one header, of the types that hold what is in them."""
    columns = []
    for i, name in enumerate(files[0].header):
        meaning = _meaning(name, known)
        types = {f.types[i] for f in files if f.rows}
        if not types:
            types = {meaning.type if meaning else TEXT}
        elif meaning and meaning.type != INTEGER:
            types.add(meaning.type)
        kind = TEXT if TEXT in types else REAL if REAL in types else INTEGER
        columns.append(replace(meaning or Column(name, label=name), name=name, type=kind))
    return tuple(columns)


def _given(files: list[CsvFile], known: Known, with_member: bool) -> tuple[Column, ...]:
    """Return the columns that the files do not have: their names, and what the comments say."""
    header = files[0].header
    names = [*re.compile(known.from_member).groupindex, *known.from_comment]
    found = []
    for name in dict.fromkeys(names):
        if name not in header and any(_value(file, name, known) for file in files):
            found.append(_meaning(name, known) or Column(name, TEXT, name))
    return (*([_MEMBER] if with_member else ()), *found)


def _value(file: CsvFile, name: str, known: Known) -> str:
    """Return what a file's name or comment tells, as text; "" for nothing."""
    if name == MEMBER:
        return file.member
    match = re.search(known.from_member, file.member)
    if match and name in match.groupdict():
        return match[name] or ""
    value = file.about.get(name, "")
    return str(value) if isinstance(value, (int, float, str)) else ""


def _style(columns: tuple[Column, ...], known: Known, wanted: str) -> Style | None:
    """Return how points are drawn: the wanted field, what is known, else the first quantity."""
    numbers = {c.name: c for c in columns if c.type in (REAL, INTEGER)}
    for name in numbers:
        if wanted and name.lower() == wanted.strip().lower():
            return Style(name)
    if known.style and known.style.field in numbers:
        return known.style
    places = {name for pair in COORDINATES for name in pair}
    drawn = [
        c
        for name, c in numbers.items()
        if name not in places | _NOT_DRAWN and not re.search(r"(^|_)id($|_)", name)
    ]
    drawn.sort(key=lambda c: c.type != REAL)  # counts only where nothing is measured
    return Style(drawn[0].name) if drawn else None


def _blocks(
    files: list[CsvFile],
    given: tuple[Column, ...],
    own: tuple[Column, ...],
    place: Place | None,
    known: Known,
) -> Iterator[Block]:
    import numpy as np

    columns = (*given, *own)
    names = [c.name for c in columns]
    shape, lonlat = None, []
    if isinstance(place, ShapeColumn):
        shape = place
    elif place:
        # the names of the file come last: where both have one, its own counts
        lonlat = [len(names) - 1 - names[::-1].index(name) for name in place]
    size = rows_per_block(len(columns))
    for file in files:
        before = [_value(file, c.name, known) for c in given]
        for chunk in file.chunks(size):
            cells = list(zip(*chunk))
            wkb = None
            if shape:
                texts = cells.pop(shape.position)
                wkb = [wkt.read(t).wkb(shape.shapes.multi) if t else b"" for t in texts]
            cells = [(value,) * len(chunk) for value in before] + cells
            values = tuple(to_array(np, c.type, column) for c, column in zip(columns, cells))
            xy = point_array(values[lonlat[0]], values[lonlat[1]]) if lonlat else None
            yield Block(values, xy, wkb)


def to_array(np: Any, kind: str, cells: tuple[str, ...]) -> Any:
    """Return the cells of a column as an array of its type; empty ones as None or NaN."""
    if kind == TEXT:
        return np.array([cell or None for cell in cells], dtype=object)
    if kind == INTEGER and "" not in cells:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if kind == INTEGER:
        return np.array([int(cell) if cell else None for cell in cells], dtype=object)
    return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)


ANY = OutputType(
    read=read,
    geometry="point, line, polygon, table",
    choices=("MEMBER",),
    about="The CSV export as it is.",
)
"""Every output type that no module reads in a way of its own."""
