"""Where the rows of CSV files are: a column of geometries (WKT), or longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from ...engine.errors import InvalidChoice
from . import wkt
from .choices import Choices
from .csv_export import CsvFile
from .notes import Note, Warn
from .output_type import other_geometry
from .table import Column, ColumnType, Geometry

COORDINATES = (("lon", "lat"), ("longitude", "latitude"), ("centroid_lon", "centroid_lat"))
"""Names of columns with longitude and latitude."""


@dataclass(frozen=True)
class ShapeColumn:
    """The column that is the geometry of the rows, and of which ``family`` that is."""

    position: int
    name: str
    family: Geometry
    shapes: wkt.Shapes


Place = Union[ShapeColumn, tuple[str, str]]
"""A column of geometries, or the names of those with longitude and latitude."""


def coordinates(columns: Sequence[Column]) -> tuple[str, str] | None:
    """Return the names of the columns with longitude and latitude, None if there are none."""
    names = {c.name for c in columns if c.type in (ColumnType.REAL, ColumnType.INTEGER)}
    return next((pair for pair in COORDINATES if names.issuperset(pair)), None)


def _shapes(files: Sequence[CsvFile], own: Sequence[Column]) -> dict[int, wkt.Shapes]:
    """Return what the columns are that hold geometries, by their positions; empty cells may be."""
    filled = [f for f in files if f.rows]
    found = {}
    for i in range(len(own)):
        parts = [f.shapes[i] for f in filled if i in f.shapes]
        if len(parts) == len(filled) and any(part.families for part in parts):
            found[i] = wkt.merged(parts)
    return found


def place_of(
    title: str,
    choices: Choices,
    files: Sequence[CsvFile],
    given: Sequence[Column],
    own: Sequence[Column],
) -> Place | None:
    """Return where the rows are: a column of geometries, longitude and latitude, or nowhere.

    A column of geometries of one family comes first, whatever its name. Raises
    :class:`InvalidChoice` for a geometry that the rows do not have.
    """
    possible: dict[str, Place] = {}
    for i, shapes in _shapes(files, own).items():
        if len(shapes.families) == 1:
            [family] = shapes.families
            possible.setdefault(family, ShapeColumn(i, own[i].name, family, shapes))
    first = next(iter(possible.values()), None)
    if lonlat := coordinates(own) or coordinates((*given, *own)):
        possible.setdefault(Geometry.POINT, lonlat)
    if choices.geometry == "auto":
        # a site that the comment tells is that of every row: not a map unless it is wanted
        return first or coordinates(own)
    if choices.geometry in (Geometry.NONE, *possible):
        return possible.get(choices.geometry)
    if not possible:
        raise InvalidChoice(f"{title} has no coordinates; use GEOMETRY=none.")
    raise InvalidChoice(other_geometry(title, possible))


def shape_notes(
    files: Sequence[CsvFile], own: Sequence[Column], place: Place | None
) -> Iterator[Note]:
    """Yield what has to be said of the geometry, and of columns that cannot be it."""
    if isinstance(place, ShapeColumn):
        rows, empty = sum(f.rows for f in files), place.shapes.empty
        if empty:
            yield Warn(f"{empty} of {rows} rows have no geometry: “{place.name}” is empty there.")
        if not place.shapes.flat:
            yield Warn(f"Z and M of “{place.name}” are left out.")
        return
    for i, shapes in _shapes(files, own).items():
        if len(shapes.families) > 1:
            families = " and ".join(f"{family}s" for family in sorted(shapes.families))
            yield Warn(
                f"“{own[i].name}” holds {families}, and a layer has one kind of geometry: it stays "
                "a column of text."
            )
