"""The general way: any output by its CSV export, points where there is lon and lat, else a table.

So every output of every version of the engine loads, known to us or not.
"""

from __future__ import annotations

import ast
import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Callable

from ..engine.client import Download
from ..engine.errors import InvalidChoice, InvalidOutput
from .choices import Choices
from .npz import MAX_RATIO
from .output_type import OutputType
from .source import Source
from .table import (
    INTEGER,
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

_COORDINATES = (("lon", "lat"), ("longitude", "latitude"), ("centroid_lon", "centroid_lat"))
_IDS = {"asset_id", "custom_site_id", "source_id", "taxonomy", "id", "branch_path", "loss_type"}
_LABELS = {
    "lon": ("Longitude", "°"),
    "lat": ("Latitude", "°"),
    "depth": ("Depth", "km"),
}


@dataclass
class CsvFile:
    """A CSV file of the export: where it is, its header, what the first pass found."""

    member: str
    open: Callable[[], IO[bytes]]
    header: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    rows: int = 0

    def read(self) -> Iterator[list[str]]:
        """Yield the rows below the header."""
        with self.open() as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
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
                yield row


def read(source: Source, choices: Choices) -> Table:
    """Return the output's CSV export as a table; several files of one kind are appended.

    Columns keep the names of the file. Ids, custom ids and tags are text, never guessed.
    """
    files = csv_files(source)
    if choices.member:
        files = _chosen(files, choices.member)
    for file in files:
        scan(file)
    same = [f for f in files if f.header == files[0].header]
    notes = []
    if len(same) < len(files):
        others = ", ".join(f.member for f in files if f not in same)
        notes.append(
            "This output has tables of several kinds; loaded: "
            f"{', '.join(f.member for f in same)}. "
            f"Choose another by MEMBER: {others}."
        )
    rows = sum(f.rows for f in same)
    columns = _columns(same, with_member=len(files) > 1)
    names = [c.name for c in columns]
    lonlat = next((pair for pair in _COORDINATES if set(pair) <= set(names)), None)
    if choices.geometry not in ("auto", POINT, NONE):
        raise InvalidChoice(
            f"{source.output.name} can be loaded with GEOMETRY auto, point or none."
        )
    if choices.geometry == POINT and lonlat is None:
        raise InvalidChoice(f"{source.output.name} has no coordinates; use GEOMETRY=none.")
    if choices.geometry == NONE:
        lonlat = None
    if not rows:
        notes.append(f"{source.output.name} of calculation {source.calculation.id} is empty.")
    provenance = source.provenance(choices)
    provenance["members"] = [f.member for f in same]
    for key in ("checksum", "investigation_time", "start_date"):
        if key in same[0].about:
            provenance[key] = same[0].about[key]
    position = None if lonlat is None else (names.index(lonlat[0]), names.index(lonlat[1]))
    return Table(
        title=f"{source.output.name}, calculation {source.calculation.id}",
        columns=columns,
        rows=rows,
        blocks=partial(_blocks, same, columns, position),
        geometry=POINT if lonlat else NONE,
        style=_style(columns, lonlat, choices.style_field),
        notes=tuple(notes),
        provenance=provenance,
    )


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
        return [CsvFile(_member(download.name), partial(_open_file, download.path))]
    return _members(download, source.output.name)


def _members(download: Download, title: str) -> list[CsvFile]:
    try:
        with zipfile.ZipFile(download.path) as archive:
            entries = [e for e in archive.infolist() if e.filename.lower().endswith(".csv")]
    except zipfile.BadZipFile as error:
        raise InvalidOutput(f"The export of {title} is not a whole zip file; try again.") from error
    for entry in entries:
        if entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise InvalidOutput(f"{entry.filename} in the export of {title} is not believable.")
    if not entries:
        raise InvalidChoice(f"The export of {title} holds no table (CSV file).")
    return [
        CsvFile(_member(entry.filename), partial(_open_member, download.path, entry))
        for entry in sorted(entries, key=lambda e: e.filename)
    ]


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_member(path: Path, entry: zipfile.ZipInfo) -> IO[bytes]:
    return zipfile.ZipFile(path).open(entry)


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
        assert isinstance(call, ast.Call)  # noqa: S101 - for mypy
        return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return {}


def scan(file: CsvFile) -> None:
    """Count the rows and find each column's type, in one pass over the file."""
    try:
        for row in file.read():
            if not file.types:
                file.types = [TEXT if text else INTEGER for text in _is_text(file.header)]
            file.rows += 1
            for i, cell in enumerate(row):
                if file.types[i] != TEXT and cell:
                    file.types[i] = _wider(file.types[i], cell)
    except (csv.Error, UnicodeDecodeError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise InvalidOutput(f"{file.member} cannot be read ({error}).") from error
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
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", cell):
        if -(2**63) <= int(cell) < 2**63:
            return kind
        # a number that no column holds without loss is somebody's id
        return REAL if float(cell) == int(cell) else TEXT
    # not what float() takes beyond numbers: 1_000, Infinity, digits of other scripts
    number = r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|-?inf"
    if re.fullmatch(r"-?0[0-9]+", cell) or not re.fullmatch(number, cell):
        return TEXT
    return REAL


def _columns(files: list[CsvFile], with_member: bool) -> tuple[Column, ...]:
    columns = [Column(MEMBER, TEXT, "Member")] if with_member else []
    for i, name in enumerate(files[0].header):
        types = {f.types[i] for f in files if f.rows} or {TEXT}
        kind = TEXT if TEXT in types else REAL if REAL in types else INTEGER
        label, unit = _LABELS.get(name, (name, ""))
        columns.append(Column(name, kind, label, unit))
    return tuple(columns)


def _style(
    columns: tuple[Column, ...], lonlat: tuple[str, str] | None, wanted: str
) -> Style | None:
    if lonlat is None:
        return None
    plain = [
        c.name for c in columns if c.type == REAL and c.name not in lonlat and c.name != "depth"
    ]
    name = next((n for n in plain if n.lower() == wanted.lower()), None) if wanted else None
    name = name or next(iter(plain), None)
    return Style(name) if name else None


def _blocks(
    files: list[CsvFile], columns: tuple[Column, ...], position: tuple[int, int] | None
) -> Iterator[Block]:
    import numpy as np

    size = rows_per_block(len(columns))
    for file in files:
        rows = file.read()
        while chunk := list(islice(rows, size)):
            if columns[0].name == MEMBER and len(columns) > len(file.header):
                chunk = [[file.member, *row] for row in chunk]
            cells = list(zip(*chunk))
            values = tuple(to_array(np, c.type, column) for c, column in zip(columns, cells))
            xy = None if position is None else point_array(values[position[0]], values[position[1]])
            yield Block(values, xy)


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
    geometry="point, table",
    choices=("MEMBER",),
    about="The CSV export as it is.",
)
"""Every output type that no module reads in a way of its own."""
