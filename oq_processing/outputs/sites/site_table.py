"""Values of sites as a table: a column of values each or a row of each, points or cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from ...engine.errors import InvalidChoice
from ..core.choices import Choices
from ..core.palettes import ground_motion_style
from ..core.source import Source
from ..core.table import (
    MAX_COLUMNS,
    NONE,
    POINT,
    POLYGON,
    Block,
    Column,
    Table,
    blocks_of,
    point_array,
    rows_per_block,
)
from .collection import (
    Sites,
    cell_polygons,
    crosses_antimeridian,
    polygons_wkb,
    read_sites,
    site_condition,
)

if TYPE_CHECKING:
    from ..core.table import Array


def refuse_many(choices: Choices, count: int, what: str, parameters: str) -> None:
    """Raise :class:`InvalidChoice` for more fields than a layer takes, unless as rows."""
    if count > MAX_COLUMNS and not choices.long_format:
        raise InvalidChoice(
            f"This would make {count} fields ({what}); a layer takes {MAX_COLUMNS}. "
            f"Choose fewer by {parameters}, or use LONG_FORMAT."
        )


_TORN = (
    "The sites lie on both sides of the antimeridian; to see them as one map give the project a "
    "CRS that is centred there, such as EPSG:3832."
)


@dataclass(frozen=True)
class LongFormat:
    """How columns of values become rows: ``keys`` tell them apart, ``key_of`` gives a column's."""

    title: str
    keys: tuple[Column, ...]
    key_of: Callable[[Column], tuple[Any, ...]]
    value: Column


def site_table(
    source: Source,
    choices: Choices,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    styled: Column,
    title: str,
    rows: LongFormat,
    sites: Sites | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Return a table of sites: a column of values each, or a row of each value (LONG_FORMAT).

    Drawn as points, or as the cells of a regular grid. ``sites`` are those of the arrays where they
    are at hand; ``notes`` go to the log. Raises :class:`InvalidChoice` for another GEOMETRY and for
    cells of sites that are no grid.
    """
    name = source.output.name
    geometry = choices.geometry if choices.geometry != "auto" else POINT
    if geometry not in (POINT, NONE, "cell", POLYGON):
        raise InvalidChoice(f"{name} are sites: GEOMETRY may be auto, point, cell or none.")
    sites = sites or read_sites(source, len(arrays[0]))
    provenance = source.provenance(choices)
    provenance["calculation_sites"] = len(sites.lon)
    if condition := site_condition(source, sites.vs30):
        provenance["site_condition"] = condition
    xy = point_array(sites.lon, sites.lat) if geometry == POINT else None
    rings = None
    if geometry in ("cell", POLYGON):
        geometry = POLYGON
        rings = cell_polygons(sites.lon, sites.lat)
        # the narrowest: along a row, cells are the wider in degrees the nearer the pole
        sizes = (rings[:, 2] - rings[:, 0]).min(axis=0)
        provenance["cell_size"] = [float(size) for size in sizes]
    about = sites.columns()
    if geometry != NONE and crosses_antimeridian(sites.lon):
        notes = (*notes, _TORN)
    if choices.long_format:
        return Table(
            title=rows.title,
            columns=(*(c for c, _ in about), *rows.keys, rows.value),
            rows=len(sites.lon) * len(columns),
            blocks=partial(
                _long_blocks, [a for _, a in about], rows, columns, arrays, Geometry(xy, rings)
            ),
            geometry=geometry,
            style=ground_motion_style(rows.value),
            notes=tuple(notes),
            provenance=provenance,
        )
    return Table(
        title=title,
        columns=(*(c for c, _ in about), *columns),
        rows=len(sites.lon),
        blocks=partial(
            blocks_of,
            [*(a for _, a in about), *arrays],
            xy,
            None if rings is None else partial(_polygons, rings),
        ),
        geometry=geometry,
        style=ground_motion_style(styled),
        notes=tuple(notes),
        provenance=provenance,
    )


@dataclass(frozen=True)
class Geometry:
    """Where sites are: coordinates (sites, 2), rings (sites, corners, 2), or nothing."""

    xy: Array | None
    rings: Array | None


def _polygons(rings: Array, start: int, stop: int) -> Sequence[bytes]:
    return polygons_wkb(rings[start:stop])


def _long_blocks(
    about: Sequence[Array],
    rows: LongFormat,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    geometry: Geometry,
) -> Iterator[Block]:
    """Yield a row per site and column, site by site."""
    import numpy as np

    keys = [np.array(values) for values in zip(*(rows.key_of(c) for c in columns))]
    size = rows_per_block(len(about) + len(keys) + 1)
    step = max(1, size // len(columns))
    for start in range(0, len(arrays[0]), step):
        stop = min(start + step, len(arrays[0]))
        values = np.stack([array[start:stop] for array in arrays], axis=1).ravel()
        for first in range(0, len(values), size):
            part = values[first : first + size]
            sites, of_column = np.divmod(np.arange(first, first + len(part)), len(columns))
            sites += start
            wkb = None
            if geometry.rings is not None:
                wkb = polygons_wkb(geometry.rings[sites])
            yield Block(
                (*(a[sites] for a in about), *(key[of_column] for key in keys), part),
                None if geometry.xy is None else geometry.xy[sites],
                wkb,
            )


def title_of_all(source: Source) -> str:
    """Return the title of a table of all values: *Hazard maps of calculation 5*."""
    return f"{source.output.name.capitalize()} of calculation {source.calculation.id}"


def one_unit(columns: Sequence[Column]) -> str:
    """Return the unit of all columns, "" where they differ: of PGA and PGV there is none."""
    units = {column.unit for column in columns}
    return units.pop() if len(units) == 1 else ""


def wanted_column(columns: Sequence[Column], name: str) -> Column | None:
    """Return the column that the user wants to be drawn (STYLE_FIELD), if it is one of these."""
    return next((c for c in columns if name and c.name.lower() == name.strip().lower()), None)


def of_first_imt(columns: Sequence[Column]) -> list[Column]:
    """Return the columns of the first kind that are drawn by default: PGA, else the first IMT."""
    first = [c for c in columns if c.kind == columns[0].kind]
    imt = "PGA" if any(c.imt == "PGA" for c in first) else first[0].imt
    return [c for c in first if c.imt == imt]
