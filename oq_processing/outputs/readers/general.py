"""The general way: any output by its CSV export, as a layer where it has places, else as a table.

Places are a column of geometries (WKT), or longitude and latitude. So every output of every version
of the engine loads, known to us or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial

from ...engine.errors import InvalidChoice, InvalidOutput
from ..assets.assets import empty_note
from ..assets.selection import largest_on_top
from ..core import wkt
from ..core.choices import Choices
from ..core.columns import MEMBER, MEMBER_COLUMN, USUAL
from ..core.csv_export import CsvFile, csv_files, peek, scan, to_array
from ..core.notes import Info, Note
from ..core.output_type import OutputType
from ..core.places import COORDINATES, Place, ShapeColumn, place_of, shape_notes
from ..core.source import Source
from ..core.table import (
    MAX_COLUMNS,
    Block,
    Column,
    ColumnType,
    Geometry,
    Style,
    Table,
    point_array,
    rows_per_block,
)

_WIDEST = (ColumnType.TEXT, ColumnType.REAL, ColumnType.INTEGER)

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


def read(source: Source, choices: Choices, known: Known = NOTHING) -> Table:
    """Return the output's CSV export as a table; several files of one kind are appended.

    Columns keep the names of the file. Ids, custom ids and tags are text, never guessed.
    Raises :class:`InvalidChoice` for what the output does not have, :class:`InvalidOutput` for a
    file that is not whole.
    """
    same, several, notes = _files(source, choices, known)
    rows = sum(f.rows for f in same)
    given = _given(same, known, several)
    own = _columns(same, known)
    place = place_of(source.output.name, choices, same, given, own)
    if isinstance(place, ShapeColumn):
        own = (*own[: place.position], *own[place.position + 1 :])
        if not given and not own:  # a file that has nothing but geometries
            given = (MEMBER_COLUMN,)
    columns = (*given, *own)
    if len(columns) > MAX_COLUMNS:
        raise InvalidOutput(
            f"{source.output.name} has {len(columns)} columns; a layer takes {MAX_COLUMNS}. "
            "Download Output gets the file as it is."
        )
    if not rows:
        notes.append(empty_note(source))
    if choices.geometry != Geometry.NONE:
        notes += shape_notes(same, own, place)
    provenance = source.provenance(choices, [f.member for f in same], same[0].about)
    geometry, multi = (Geometry.POINT if place else Geometry.NONE), False
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
        style=_style(columns, known) if place else None,
        notes=tuple(notes),
        provenance=provenance,
    )
    return largest_on_top(table)


def _files(
    source: Source, choices: Choices, known: Known
) -> tuple[list[CsvFile], bool, list[Note]]:
    """Return the chosen files of one kind, whether there are several, and what was left out."""
    files = csv_files(source)
    if wanted := choices.member:
        names = ", ".join(f.member for f in files)
        files = [f for f in files if f.member.lower() == wanted.strip().lower()]
        if not files:
            raise InvalidChoice(f"There is no member “{wanted}”; MEMBER may be: {names}.")
    for file in files:
        peek(file)
    # the first of the wanted kind decides which files are of it
    files.sort(key=lambda f: not f.member.startswith(known.first))
    same = [f for f in files if f.header == files[0].header]
    for file in same:
        scan(file)
    others = ", ".join(f.member for f in files if f not in same)
    note = Info(
        "This output has tables of several kinds; loaded: "
        f"{', '.join(f.member for f in same)}. Choose another by MEMBER: {others}."
    )
    return same, len(files) > 1, [note] if others else []


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
            types = {meaning.type if meaning else ColumnType.TEXT}
        elif meaning and meaning.type != ColumnType.INTEGER:
            types.add(meaning.type)
        # the widest: an integer fits in a number, both in a text
        widest = next(t for t in _WIDEST if t in types)
        columns.append(replace(meaning or Column(name, label=name), name=name, type=widest))
    return tuple(columns)


def _given(files: list[CsvFile], known: Known, with_member: bool) -> tuple[Column, ...]:
    """Return the columns that the files do not have: their names, and what the comments say."""
    header = files[0].header
    names = [*re.compile(known.from_member).groupindex, *known.from_comment]
    found = []
    for name in dict.fromkeys(names):
        if name not in header and any(_value(file, name, known) for file in files):
            found.append(_meaning(name, known) or Column(name, ColumnType.TEXT, name))
    return (*([MEMBER_COLUMN] if with_member else ()), *found)


def _value(file: CsvFile, name: str, known: Known) -> str:
    """Return what a file's name or comment tells, as text; "" for nothing."""
    if name == MEMBER:
        return file.member
    match = re.search(known.from_member, file.member)
    if match and name in match.groupdict():
        return match[name] or ""
    value = file.about.get(name, "")
    return str(value) if isinstance(value, (int, float, str)) else ""


def _style(columns: tuple[Column, ...], known: Known) -> Style | None:
    """Return how points are drawn: as is known, else by the first quantity."""
    numbers = {c.name: c for c in columns if c.type in (ColumnType.REAL, ColumnType.INTEGER)}
    if known.style and known.style.field in numbers:
        return known.style
    places = {name for pair in COORDINATES for name in pair}
    drawn = [
        c
        for name, c in numbers.items()
        if name not in places | _NOT_DRAWN and not re.search(r"(^|_)id($|_)", name)
    ]
    drawn.sort(key=lambda c: c.type != ColumnType.REAL)  # counts only where nothing is measured
    return Style(drawn[0].name) if drawn else None


def _blocks(
    files: list[CsvFile],
    given: tuple[Column, ...],
    own: tuple[Column, ...],
    place: Place | None,
    known: Known,
) -> Iterator[Block]:
    columns = (*given, *own)
    names = [c.name for c in columns]
    types = [c.type for c in own]
    shape, lonlat = None, []
    if isinstance(place, ShapeColumn):
        shape = place
        types.insert(shape.position, ColumnType.TEXT)
    elif place:
        # the names of the file come last: where both have one, its own counts
        lonlat = [len(names) - 1 - names[::-1].index(name) for name in place]
    size = rows_per_block(len(columns))
    for file in files:
        before = [_value(file, c.name, known) for c in given]
        for arrays in file.blocks(range(len(types)), types, size):
            wkb, count = None, len(arrays[0])
            if shape:
                texts = arrays.pop(shape.position).tolist()
                wkb = [wkt.read(t).wkb(shape.shapes.multi) if t else b"" for t in texts]
            told = [to_array(c.type, (value,) * count) for c, value in zip(given, before)]
            values = (*told, *arrays)
            xy = point_array(values[lonlat[0]], values[lonlat[1]]) if lonlat else None
            yield Block(values, xy, wkb)


ANY = OutputType(
    read=read,
    geometries=(Geometry.POINT, Geometry.LINE, Geometry.POLYGON, Geometry.NONE),
    choices=("MEMBER",),
    about="The CSV export, unchanged.",
)
"""Every output type that no module reads in a way of its own."""
