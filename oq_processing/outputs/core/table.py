"""A table of an output: columns that know what they mean, and blocks of rows that stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Callable

from ...engine.errors import InvalidChoice
from .lazy import Array, np
from .notes import Note
from .wording import with_unit

BLOCK_VALUES = 50_000
"""Values (rows x columns) in a block at most."""

MAX_COLUMNS = 500
"""Columns a layer can reasonably have; SQLite itself stops at 2,000."""


class _Word(str, Enum):
    """A word that stands for itself in texts, whatever the version of Python."""

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class ColumnType(_Word):
    """What the values of a column are; those of DATETIME are aware ``datetime``."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    DATETIME = "datetime"
    BOOLEAN = "boolean"


class Geometry(_Word):
    """What the rows of a table are drawn as."""

    NONE = "none"
    POINT = "point"
    LINE = "line"
    POLYGON = "polygon"


INTEGER, REAL, TEXT, DATETIME, BOOLEAN = ColumnType
NONE, POINT, LINE, POLYGON = Geometry


@dataclass(frozen=True)
class Column:
    """A column and what it means; nobody has to read that out of its name.

    ``label`` is what people read; ``unit`` is "" if unknown. ``poe`` is the probability that values
    are exceeded with; ``level`` the intensity, in the unit of ``imt``, that is exceeded with the
    probability that values are.
    ``lowest`` and ``highest`` are the ends of the curves that values were read from: a value below
    ``lowest`` (the engine writes 0) says that it is below, one at ``highest`` that it is at least
    that. ``ends`` has (IMT, lowest, highest) where rows are of several IMTs whose curves end
    elsewhere; the column ``imt`` tells which.
    ``additive`` tells whether values of several sites or assets may be summed.
    """

    name: str
    type: ColumnType = REAL
    label: str = ""
    unit: str = ""
    additive: bool = False
    quantity: str = ""
    kind: str = ""
    imt: str = ""
    poe: float | None = None
    level: float | None = None
    loss_type: str = ""
    damage_state: str = ""
    peril: str = ""
    lowest: float | None = None
    highest: float | None = None
    ends: Sequence[Sequence[Any]] = ()

    @property
    def title(self) -> str:
        """What the column is called in legends and tables, with its unit."""
        return with_unit(self.label or self.name, self.unit)

    def meaning(self) -> dict[str, Any]:
        """Return what is known of the column, for the layer's metadata."""
        known = {"name": self.name, "type": self.type, "additive": self.additive}
        for key in (
            "label",
            "unit",
            "quantity",
            "kind",
            "imt",
            "loss_type",
            "damage_state",
            "peril",
        ):
            if value := getattr(self, key):
                known[key] = value
        if self.ends:
            known["ends"] = self.ends
        for key in ("poe", "level", "lowest", "highest"):
            if (number := getattr(self, key)) is not None:
                known[key] = number
        return known


AT_END = 1e-5
"""How far, relative to it, a value may be from the end of its curve: it is in single precision."""


def beyond_curves(values: Array, column: Column) -> tuple[Array, Array]:
    """Return which values only say that they are below the curves, and which that they are above.

    Two arrays of booleans. Above are those at the highest level too. Where the rows are of several
    IMTs (``Column.ends``), a value at the highest level of any of them counts.
    """
    below, above = np.zeros(len(values), bool), np.zeros(len(values), bool)
    if column.lowest is not None:
        below = (values < column.lowest * (1 - AT_END)) & (values > -np.inf)
    if column.highest is not None:
        above = (values >= column.highest * (1 - AT_END)) & (values < np.inf)
    if column.ends:
        below = values == 0
        for *_, highest in column.ends:
            above |= np.abs(values - highest) < highest * AT_END
    return below, above


@dataclass(frozen=True)
class Style:
    """How a table wants to be drawn, where the user does not say otherwise.

    ``field`` is the column that is drawn; ``classification`` one of the words of the algorithms
    (``standard``, ``logarithmic``, …); ``breaks`` the limits between the standard classes, of
    which the outer are open; ``colors`` and ``labels`` what those classes are drawn and called, one
    more than there are breaks; ``ramp`` the name of a QGIS colour ramp; ``center`` the value that
    a diverging ramp has its middle at; ``categories`` value, label and colour of a categorized
    column; ``order_by`` a column of which large values (of ``categories``, the last) are drawn on
    top of small ones: where it is ``field``, of what the user draws instead.
    """

    field: str
    classification: str = "quantile"
    breaks: tuple[float, ...] = ()
    ramp: str = "Viridis"
    invert: bool = False
    categories: tuple[tuple[Any, str, str], ...] = ()
    colors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    center: float | None = None
    order_by: str = ""


@dataclass(frozen=True)
class Block:
    """Some rows: one array per column, and their geometry.

    ``xy`` has shape (rows, 2), in degrees of EPSG:4326, for points; ``wkb`` one geometry per row
    for everything else, b"" for none.
    """

    values: tuple[Array, ...]
    xy: Array | None = None
    wkb: Sequence[bytes] | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values[0])


@dataclass(frozen=True)
class Table:
    """An output, or what was chosen of it.

    Rows stream: ``blocks()`` yields them anew each time it is called, by a chain of generators (the
    reader's, then those that choose, derive or check), so that files are parsed, and their faults
    seen, while the rows are written. ``rows`` is their number.

    ``style`` is how the table is drawn where the user does not say otherwise, None for tables that
    are not drawn; ``style_of`` how it is drawn by another column (None for one that it knows no
    style for), ``title_of`` what it is called then, where ``title`` depends on the column.
    ``notes`` are for the log; ``provenance`` says where the values come from; ``lines``
    is what has lines among polygons, where it was asked for apart (``Choices.lines``); ``multi``:
    the geometry of a row may be several points, lines or polygons. ``shared`` is the sentence for
    the log where points lie one on another, with {rows}, {places}; "" where each row has a place of
    its own. ``cell_size``: width of the narrowest and height of all cells in degrees, None for
    tables of anything else.
    """

    title: str
    columns: tuple[Column, ...]
    rows: int
    blocks: Callable[[], Iterator[Block]]
    geometry: Geometry = NONE
    style: Style | None = None
    style_of: Callable[[Column], Style | None] | None = None
    title_of: Callable[[Column], str] | None = None
    notes: tuple[Note, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    lines: Table | None = None
    multi: bool = False
    shared: str = ""
    cell_size: tuple[float, float] | None = None

    def column(self, name: str) -> Column:
        """Return the column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def map_blocks(
        self, function: Callable[[Block], Block], columns: Sequence[Column] | None = None
    ) -> Table:
        """Return the table with its blocks changed while they stream, and its ``columns``."""
        return replace(
            self,
            columns=self.columns if columns is None else tuple(columns),
            blocks=lambda: map(function, self.blocks()),
        )

    def with_provenance(self, **facts: Any) -> Table:
        """Return the table with more facts in its provenance."""
        return replace(self, provenance={**self.provenance, **facts})

    def drawn_by(self, wanted: str) -> Table:
        """Return the table drawn by the column that the user wants (STYLE_FIELD), "" for its own.

        A column that the table knows no style for gets the same ramp, and large values on top where
        its own has them. Raises :class:`InvalidChoice` for a column that is not there.
        """
        if not wanted:
            return self
        if self.lines:
            polygons = replace(self, lines=None).drawn_by(wanted)
            return replace(polygons, lines=self.lines.drawn_by(wanted))
        column = find_column(self.columns, wanted)
        if column is None:
            raise InvalidChoice(
                f"There is no field “{wanted}” to style; there are: "
                f"{', '.join(c.name for c in self.columns)}."
            )
        own, style = self.style, self.style_of(column) if self.style_of else None
        if own is None or own.field == column.name:
            return self if own else replace(self, style=style or Style(column.name))
        title = self.title_of(column) if style and self.title_of else self.title
        on_top = own.order_by
        if on_top == own.field and (style or column.type in (INTEGER, REAL)):
            on_top = column.name
        style = style or Style(column.name, ramp=own.ramp)
        return replace(self, title=title, style=replace(style, order_by=style.order_by or on_top))


def find_column(columns: Sequence[Column], wanted: str) -> Column | None:
    """Return the column of a name, in any letter case; None if there is none."""
    name = wanted.strip().lower()
    return next((column for column in columns if column.name.lower() == name), None)


def common_unit(columns: Sequence[Column]) -> str:
    """Return the unit of all columns, "" where they differ: of PGA and PGV there is none."""
    units = {column.unit for column in columns}
    return units.pop() if len(units) == 1 else ""


def refuse_many(count: int, what: str, parameters: str, long_format: bool | None = None) -> None:
    """Raise :class:`InvalidChoice` for more fields than a layer takes.

    ``what`` says how many of what they are, ``parameters`` by which there are fewer;
    ``long_format``: whether LONG_FORMAT, which makes rows of them, was chosen; None: it cannot be.
    """
    if count > MAX_COLUMNS and not long_format:
        hint = "" if long_format is None else ", or use LONG_FORMAT"
        raise InvalidChoice(
            f"This would make {count} fields ({what}); a layer takes {MAX_COLUMNS}. "
            f"Choose fewer by {parameters}{hint}."
        )


def small_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Table:
    """Return a table of rows that are at hand; None is an empty cell."""

    def blocks() -> Iterator[Block]:
        size = rows_per_block(len(columns))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            arrays = []
            for i in range(len(columns)):
                array = np.empty(len(part), dtype=object)
                array[:] = [row[i] for row in part]
                arrays.append(array)
            yield Block(tuple(arrays))

    return Table(title, tuple(columns), len(rows), blocks)


def rows_per_block(columns: int) -> int:
    """Return how many rows of so many columns make a block."""
    return max(1, BLOCK_VALUES // max(1, columns))


def blocks_of(
    arrays: Sequence[Array], xy: Array | None = None, wkb: Callable[[int, int], Any] | None = None
) -> Iterator[Block]:
    """Yield arrays of equal length (in memory or mapped) in blocks.

    ``wkb(start, stop)`` gives the geometry of those rows where they are no points.
    """
    size = rows_per_block(len(arrays))
    for start in range(0, len(arrays[0]), size):
        stop = min(start + size, len(arrays[0]))
        yield Block(
            tuple(a[start:stop] for a in arrays),
            None if xy is None else xy[start:stop],
            None if wkb is None else wkb(start, stop),
        )


def point_array(lon: Array, lat: Array) -> Array:
    """Return coordinates of shape (rows, 2) in degrees."""
    return np.column_stack([lon, lat]).astype(np.float64)


def degrees(values: Array) -> Array:
    """Return degrees of sites and assets: in single precision, in the engine's five digits."""
    found = values.astype(np.float64, casting="same_kind")
    return np.round(found, 5) if values.dtype == np.float32 else found
