"""Values of sites as a table: a column of values each or a row of each, points or cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable

from ..core import wkb
from ..core.choices import Choices
from ..core.lazy import Array, np
from ..core.notes import Note, Warn
from ..core.output_type import CELL
from ..core.palettes import ground_motion_style
from ..core.source import Source
from ..core.table import (
    Block,
    Column,
    Geometry,
    Style,
    Table,
    blocks_of,
    point_array,
    rows_per_block,
)
from .collection import Sites, read_sites, site_condition
from .grid import cell_polygons, crosses_antimeridian

GEOMETRIES = (Geometry.POINT, CELL)

_TORN = Warn(
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
    drawn: Column,
    title_of: Callable[[Column], str],
    rows: LongFormat,
    sites: Sites | None = None,
    notes: Sequence[Note] = (),
) -> Table:
    """Return a table of sites: a column of values each, or a row of each value (LONG_FORMAT).

    Drawn as points, or as the cells of a regular grid: by ``drawn``, with the title that
    ``title_of`` gives a column. ``sites`` are those of the arrays where they are at hand; ``notes``
    go to the log. Raises :class:`InvalidChoice` for cells of sites that are no grid.
    """
    sites = sites or read_sites(source, len(arrays[0]))
    where = _where(sites, choices.geometry)
    about = sites.columns()
    if where.geometry != Geometry.NONE and crosses_antimeridian(sites.lon):
        notes = (*notes, _TORN)
    table = Table(
        title=title_of(drawn),
        columns=(*(c for c, _ in about), *columns),
        rows=len(sites.lon),
        blocks=partial(blocks_of, [*(a for _, a in about), *arrays], where.xy, where.wkb),
        geometry=where.geometry,
        style=ground_motion_style(drawn),
        style_of=_style_of,
        title_of=title_of,
        notes=tuple(notes),
        provenance={**source.provenance(choices), "calculation_sites": len(sites.lon)},
        cell_size=where.cell_size,
    )
    if condition := site_condition(source, sites.vs30):
        table = table.with_provenance(site_condition=condition)
    if not choices.long_format:
        return table
    return replace(
        table,
        title=rows.title,
        columns=(*(c for c, _ in about), *rows.keys, rows.value),
        rows=len(sites.lon) * len(columns),
        blocks=partial(_long_blocks, [a for _, a in about], rows, columns, arrays, where),
        style=ground_motion_style(rows.value),
        title_of=None,
    )


def _style_of(column: Column) -> Style | None:
    if column.quantity == "standard deviation":  # of a logarithm: no unit, no classes of its IMT
        return Style(column.name, "pretty", (), "Purples")
    return ground_motion_style(column) if column.quantity else None


@dataclass(frozen=True)
class _Where:
    """Where sites are: coordinates (sites, 2), rings (sites, corners, 2), or nothing."""

    geometry: Geometry
    xy: Array | None = None
    rings: Array | None = None
    cell_size: tuple[float, float] | None = None

    @property
    def wkb(self) -> Callable[[int, int], Sequence[bytes]] | None:
        """What makes the cells of some sites, None where there are none."""
        rings = self.rings
        return None if rings is None else lambda start, stop: wkb.polygons(rings[start:stop])


def _where(sites: Sites, wanted: str) -> _Where:
    if wanted == Geometry.NONE:
        return _Where(Geometry.NONE)
    if wanted in (CELL, Geometry.POLYGON):
        rings = cell_polygons(sites.lon, sites.lat)
        # the narrowest: along a row, cells are the wider in degrees the nearer the pole
        widths, heights = (rings[:, 2] - rings[:, 0]).T
        whole = heights > 0.999 * heights.max()  # those at a pole are cut
        size = (float(widths.min()), float(heights[whole].min()))
        return _Where(Geometry.POLYGON, rings=rings, cell_size=size)
    return _Where(Geometry.POINT, point_array(sites.lon, sites.lat))


def _long_blocks(
    about: Sequence[Array],
    rows: LongFormat,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    where: _Where,
) -> Iterator[Block]:
    """Yield a row per site and column, site by site."""
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
            yield Block(
                (*(a[sites] for a in about), *(key[of_column] for key in keys), part),
                None if where.xy is None else where.xy[sites],
                None if where.rings is None else wkb.polygons(where.rings[sites]),
            )


def title_of_all(source: Source) -> str:
    """Return the title of a table of all values: *Hazard maps of calculation 5*."""
    return f"{source.output.name.capitalize()} of calculation {source.calculation.id}"


def of_first_imt(columns: Sequence[Column]) -> list[Column]:
    """Return the columns of the first kind that are drawn by default: PGA, else the first IMT."""
    first = [c for c in columns if c.kind == columns[0].kind]
    imt = "PGA" if any(c.imt == "PGA" for c in first) else first[0].imt
    return [c for c in first if c.imt == imt]
