"""Ruptures: the surfaces that break, seen from above, with magnitude and tectonic region.

The engine gives the outline of each as a line of text (WKT). A vertical fault has no area seen from
above: its trace is drawn as a very thin polygon, or goes to a layer of lines.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices
from ..core.columns import RUPTURE, SOURCE
from ..core.lazy import Array, np
from ..core.notes import Info
from ..core.npz import Npz
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import (
    Block,
    Column,
    ColumnType,
    Geometry,
    Style,
    Table,
    point_array,
    rows_per_block,
)
from .rupture_outlines import HALF_WIDTH, Outlines, read_outlines

MANY_RUPTURES = 100_000  # the engine takes a millisecond for the outline of each

REGION_COLORS = {
    "Active Shallow Crust": "#e31a1c",
    "Stable Continental Crust": "#1f78b4",
    "Stable Shallow Crust": "#1f78b4",
    "Cratonic": "#6baed6",
    "Subduction Interface": "#33a02c",
    "Subduction IntraSlab": "#6a3d9a",
    "Subduction Inslab": "#6a3d9a",
    "Volcanic": "#ff7f00",
    "Vrancea": "#b15928",
    "Deep": "#b15928",
    "Deep Seismicity": "#b15928",
    "Induced": "#e7298a",
    "Geothermal": "#e6ab02",
    "*": "#636363",
}
"""The colour of a tectonic region, the same in every layer."""

OTHER_COLORS = ("#66c2a5", "#a6761d", "#8da0cb", "#e78ac3", "#a6d854", "#1b9e77", "#7570b3")
MAGNITUDE_RAMP = "Plasma"

_REGION = Column("trt", ColumnType.TEXT, "Tectonic region")
_COLUMNS = (
    RUPTURE,
    SOURCE,
    Column(
        "multiplicity",
        ColumnType.INTEGER,
        "Number of occurrences",
        quantity="number of occurrences",
    ),
    Column("mag", label="Magnitude", quantity="magnitude"),
    Column("centroid_lon", label="Centroid longitude", unit="°"),
    Column("centroid_lat", label="Centroid latitude", unit="°"),
    Column("centroid_depth", label="Centroid depth", unit="km", quantity="depth"),
    _REGION,
    Column("strike", label="Strike", unit="°", quantity="angle"),
    Column("dip", label="Dip", unit="°", quantity="angle"),
    Column("rake", label="Rake", unit="°", quantity="angle"),
)
_MODEL = Column("model", ColumnType.TEXT, "Model")


def read_ruptures(source: Source, choices: Choices) -> Table:
    """Return ruptures: one row each, in the order and with the columns of the CSV export.

    Polygons in EPSG:4326, those of vertical faults 20 m wide, or in ``Table.lines`` as lines if
    these have a layer of their own; centroids (GEOMETRY=point) or no geometry.
    ``GET /v1/calc/N/extract/rupture_info?boundaries=&min_mag=``, also of scenarios. Raises
    :class:`InvalidChoice` for what is not there and for outlines of more than 100,000 ruptures.
    """
    outlined = choices.geometry in ("auto", Geometry.POLYGON)
    minimum = _magnitude(choices.min_magnitude)
    if outlined and minimum is None:
        _refuse_many(source)
    npz = _fetch(source, outlined, minimum)
    ruptures = npz.array("array")
    names = ruptures.dtype.names or ()
    columns = [c for c in (*_COLUMNS, _MODEL) if c.name in names]
    if len(columns) < len(_COLUMNS):
        raise InvalidOutput(
            f"The engine tells {', '.join(names) or 'nothing'} of its ruptures; expected: "
            f"{', '.join(c.name for c in _COLUMNS)}."
        )
    of = f", calculation {source.calculation.id}"
    if minimum is not None:
        of = f", magnitude {minimum:g} or more{of}"
    elif len(ruptures):
        ends = dict.fromkeys(f"{m:.3g}" for m in (ruptures["mag"].min(), ruptures["mag"].max()))
        of = f", magnitude {' to '.join(ends)}{of}"

    def title_of(column: Column) -> str:
        return f"Ruptures by {column.label.lower()}{of}"

    points = choices.geometry == Geometry.POINT
    style_of = partial(_style_of, ruptures)
    table = Table(
        title=title_of(_REGION),
        columns=tuple(columns),
        rows=len(ruptures),
        blocks=partial(_blocks, ruptures, columns, _order(ruptures), points, None),
        geometry=Geometry.POINT if points else Geometry.NONE,
        style=style_of(_REGION),
        style_of=style_of,
        title_of=title_of,
        provenance=source.provenance(choices),
    )
    if not outlined:
        return table
    return _outlined(table, ruptures, read_outlines(source, npz, ruptures, choices.lines), choices)


def _magnitude(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        magnitude = float(text)
    except ValueError:
        magnitude = math.nan
    if not math.isfinite(magnitude):
        raise InvalidChoice(f"MIN_MAGNITUDE must be a number like 6.5, not “{text}”.")
    return magnitude


def _refuse_many(source: Source) -> None:
    """Raise :class:`InvalidChoice` where outlines of all ruptures would take too long."""
    try:
        # every rupture has an event; the ruptures themselves would have to be computed first
        events = source.npz("events").array("array")
    except (NotFound, ServerFault, InvalidOutput):
        return
    count = len(np.unique(events["rup_id"]))
    if count > MANY_RUPTURES:
        raise InvalidChoice(
            f"Calculation {source.calculation.id} has {count} ruptures; outlines are drawn of up "
            f"to {MANY_RUPTURES}. Choose the larger ones by MIN_MAGNITUDE, or load their "
            "centroids by GEOMETRY=point."
        )


def _fetch(source: Source, outlined: bool, minimum: float | None) -> Npz:
    boundaries = "yes" if outlined else "no"
    nothing = f"Calculation {source.calculation.id} has no ruptures"
    try:
        if minimum is None:
            npz = source.npz("rupture_info", boundaries=boundaries)
        else:
            npz = source.npz("rupture_info", boundaries=boundaries, min_mag=repr(minimum))
    except ServerFault as error:
        if "NotFound" in str(error) or "No 'ruptures'" in str(error):
            raise InvalidOutput(f"{nothing}; its ground motion comes from elsewhere.") from error
        raise
    if "array" not in npz or not len(npz.array("array")):
        # an empty array is left out of the answer
        if minimum is None:
            raise InvalidOutput(f"{nothing}.")
        raise InvalidChoice(
            f"{nothing} of magnitude {minimum:g} or more{_largest(source)}; lower MIN_MAGNITUDE."
        )
    return npz


def _largest(source: Source) -> str:
    try:
        magnitudes = source.npz("event_based_mfd").array("mag")
    except (NotFound, ServerFault, InvalidOutput):
        return ""
    return f" (the largest is about {magnitudes.max():.1f})" if len(magnitudes) else ""


def _order(ruptures: Array) -> Array:
    """Return the rows in the order of the CSV export."""
    return np.argsort(ruptures["rup_id"], kind="stable")


def _style_of(ruptures: Array, column: Column) -> Style | None:
    if column.name == "mag":
        return Style("mag", "pretty", (), MAGNITUDE_RAMP, order_by="mag")
    if column.name != _REGION.name:
        return None
    colors = {name.lower(): color for name, color in REGION_COLORS.items()}
    found = []
    taken = set()
    for name in sorted(_text(np.unique(ruptures["trt"])).tolist()):
        color = colors.get(name.lower(), "")
        if not color:
            # by its name, so that it is the same in the next layer
            start = zlib.crc32(name.encode())
            wheel = [
                OTHER_COLORS[(start + i) % len(OTHER_COLORS)] for i in range(len(OTHER_COLORS))
            ]
            color = next((c for c in wheel if c not in taken), wheel[0])
        taken.add(color)
        found.append((name, "any tectonic region" if name == "*" else name, color))
    return Style("trt", categories=tuple(found), order_by="mag")


def _outlined(table: Table, ruptures: Array, outlines: Outlines, choices: Choices) -> Table:
    """Return the table with polygons, and with lines beside them where they were asked for."""
    rows = _order(ruptures)
    is_vertical = outlines.vertical[rows]
    vertical = int(is_vertical.sum())

    def part(chosen: Array, geometry: Geometry) -> Table:
        blocks = partial(_blocks, ruptures, table.columns, chosen, False, outlines)
        own = table.with_provenance(vertical_faults=vertical)
        return replace(own, rows=len(chosen), blocks=blocks, geometry=geometry)

    notes = []
    if vertical:
        they = "1 rupture is vertical" if vertical == 1 else f"{vertical} ruptures are vertical"
        apart = "it is a line" if vertical == 1 else "they are lines"
        drawn = f", drawn as polygons {2 * HALF_WIDTH:.0f} m wide."
        notes.append(
            Info(they + (f": {apart} in a layer of their own." if choices.lines else drawn))
        )
    if not choices.lines:
        return replace(part(rows, Geometry.POLYGON), notes=tuple(notes))
    lines = replace(part(rows[is_vertical], Geometry.LINE), title=f"{table.title}: vertical faults")
    return replace(part(rows[~is_vertical], Geometry.POLYGON), notes=tuple(notes), lines=lines)


def _blocks(
    ruptures: Array,
    columns: Sequence[Column],
    rows: Array,
    points: bool,
    outlines: Outlines | None,
) -> Iterator[Block]:
    size = rows_per_block(len(columns))
    with outlines.open() if outlines else io.BytesIO() as file:
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            part = ruptures[chosen]
            values = tuple(_values(part[c.name]) for c in columns)
            yield Block(
                values,
                point_array(part["centroid_lon"], part["centroid_lat"]) if points else None,
                outlines.read(file, chosen) if outlines else None,
            )


def _values(array: Array) -> Array:
    if array.dtype.kind == "S":
        return _text(array)
    if array.dtype.kind == "f" and array.dtype.itemsize == 4:
        # the shortest number that is this one in single precision: 6.05, not 6.050000190734863
        return array.astype(str).astype(float)
    return array


def _text(array: Array) -> Array:
    return np.char.decode(array, "utf-8", "replace")


OUTPUTS = {
    "ruptures": OutputType(
        read=read_ruptures,
        geometries=(Geometry.POLYGON, Geometry.POINT),
        apart=(Geometry.LINE,),
        choices=("MIN_MAGNITUDE",),
        about="Surfaces of the ruptures, with magnitude and tectonic region.",
    )
}
