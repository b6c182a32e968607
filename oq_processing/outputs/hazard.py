"""Hazard maps: ground motion with a given probability of exceedance at each site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..engine.errors import InvalidChoice, InvalidOutput
from .choices import Choices, match_kinds, match_names, match_poes, nearest_475
from .output_type import OutputType
from .quantities import imt_order, imt_unit, kind_label, percent, return_period, years
from .sites import Sites, cell_polygons, polygons_wkb, read_sites
from .source import Source
from .table import (
    MAX_COLUMNS,
    NONE,
    POINT,
    POLYGON,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    blocks_of,
    point_array,
    rows_per_block,
)

if TYPE_CHECKING:
    from .table import Array

STANDARD_G = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50)
"""Class limits in g that make maps of acceleration comparable with each other."""

GROUND_MOTION_RAMP = "YlOrRd"


def acceleration_style(column: Column) -> Style:
    """Return how a column of ground motion is drawn: comparable classes for accelerations."""
    if column.unit == "g":
        return Style(column.name, "standard", STANDARD_G, GROUND_MOTION_RAMP)
    return Style(column.name, "pretty", (), GROUND_MOTION_RAMP)


def read_hazard_maps(source: Source, choices: Choices) -> Table:
    """Return hazard maps: one row per site, one column per statistic or realization, IMT and PoE.

    Values in the unit of the IMT (PGA and SA in g), single precision, as in the datastore.
    ``GET /v1/calc/N/extract/hmaps?kind=&imt=`` gives arrays of shape (sites, 1, PoEs); only what
    was chosen is fetched. Raises :class:`InvalidChoice` for what the calculation does not have.
    """
    parameters = source.oqparam
    imts = sorted(
        parameters.get("hazard_imtls") or parameters.get("risk_imtls") or (), key=imt_order
    )
    poes = [float(p) for p in parameters.get("poes") or ()]
    time = source.investigation_time
    if not imts or not poes:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not tell the intensity measure types "
            "and probabilities of its hazard maps."
        )
    kinds = match_kinds(choices.kind, _statistics(parameters), _realizations(source))
    chosen_imts = match_names(choices.imt, imts, "IMT", "intensity measure type")
    chosen_poes = match_poes(choices.poe, poes, time)
    count = len(kinds) * len(chosen_imts) * len(chosen_poes)
    if count > MAX_COLUMNS and not choices.long_format:
        raise InvalidChoice(
            f"This would make {count} fields ({len(kinds)} statistics or realizations × "
            f"{len(chosen_imts)} IMTs × {len(chosen_poes)} PoEs); a layer takes {MAX_COLUMNS}. "
            "Choose fewer by KIND, IMT or POE, or use LONG_FORMAT."
        )
    columns: list[Column] = []
    arrays: list[Array] = []
    for imt in chosen_imts:
        for kind, values in _fetch(source, kinds, imt):
            for poe in chosen_poes:
                columns.append(_column(kind, imt, poe, time, many=len(kinds) > 1))
                arrays.append(values[:, 0, poes.index(poe)])
    # the file's order: kind by kind, not IMT by IMT
    order = sorted(range(len(columns)), key=lambda i: kinds.index(columns[i].kind))
    columns, arrays = [columns[i] for i in order], [arrays[i] for i in order]
    sites = read_sites(source, len(arrays[0]))
    styled = _styled(columns, choices.style_field, time)
    return _table(source, choices, sites, columns, arrays, styled)


def _statistics(parameters: dict[str, object]) -> list[str]:
    quantiles = parameters.get("quantiles") or ()
    names = ["mean"] if parameters.get("mean", True) else []
    names += ["std"] if parameters.get("std") else []
    names += [f"quantile-{q}" for q in quantiles]  # type: ignore[attr-defined]
    return names + (["max"] if parameters.get("max") else [])


def _realizations(source: Source) -> list[int]:
    array = source.npz("realizations").array("array")
    if len(array) == 1 or source.oqparam.get("individual_rlzs"):
        return [int(r) for r in array["rlz_id"]]
    return []


def _fetch(source: Source, kinds: list[str], imt: str) -> Iterator[tuple[str, Array]]:
    """Yield each kind with its array (sites, 1, PoEs)."""
    single = [k for k in kinds if k.startswith("rlz-")]
    for kind in ["rlzs"] if len(single) > 20 else single:
        npz = source.npz("hmaps", kind=kind, imt=imt)
        for wanted in single if kind == "rlzs" else [kind]:
            yield wanted, npz.array(f"rlz-{int(wanted[4:]):03d}")
    for kind in kinds:
        if kind not in single:
            # an unknown statistic is answered with 200 and nothing inside
            yield kind, source.npz("hmaps", kind=kind, imt=imt).array(kind)


def _column(kind: str, imt: str, poe: float, time: float | None, many: bool) -> Column:
    name = f"{imt}-{poe:g}"
    label = f"{kind_label(kind)} {imt}, {percent(poe)}"
    if time:
        label += f" in {years(time)} years"
    return Column(
        name=f"{kind}-{name}" if many else name,
        type=REAL,
        label=label,
        unit=imt_unit(imt),
        quantity="hazard map",
        kind=kind,
        imt=imt,
        poe=poe,
    )


def _styled(columns: list[Column], wanted: str, time: float | None) -> Column:
    if wanted:
        for column in columns:
            if column.name.lower() == wanted.lower():
                return column
    first = [c for c in columns if c.kind == columns[0].kind]
    imts = [c.imt for c in first]
    imt = "PGA" if "PGA" in imts else imts[0]
    of_imt = [c for c in first if c.imt == imt]
    poe = nearest_475([c.poe or 0.0 for c in of_imt], time)
    return next(c for c in of_imt if c.poe == poe)


def map_title(column: Column, time: float | None) -> str:
    """Return the title of a hazard map: *475-year mean PGA [g] (10% in 50 years)*."""
    kind = kind_label(column.kind).lower()
    unit = f" [{column.unit}]" if column.unit else ""
    poe = column.poe or 0.0
    if time is None:
        return f"{kind.capitalize()} {column.imt}{unit} ({percent(poe)})"
    period = years(return_period(poe, time))
    return f"{period}-year {kind} {column.imt}{unit} ({percent(poe)} in {years(time)} years)"


def _table(
    source: Source,
    choices: Choices,
    sites: Sites,
    columns: list[Column],
    arrays: list[Array],
    styled: Column,
) -> Table:
    geometry = choices.geometry if choices.geometry != "auto" else POINT
    if geometry not in (POINT, NONE, "cell", POLYGON):
        raise InvalidChoice("Hazard maps are sites: GEOMETRY may be auto, point, cell or none.")
    about_sites = sites.columns()
    provenance = source.provenance(choices)
    provenance["calculation_sites"] = len(sites.lon)
    xy = point_array(sites.lon, sites.lat) if geometry == POINT else None
    wkb = None
    if geometry in ("cell", POLYGON):
        rings = cell_polygons(sites.lon, sites.lat)
        wkb = partial(_polygons, rings)
        # the narrowest: along a row, cells are the wider in degrees the nearer the pole
        sizes = (rings[:, 2] - rings[:, 0]).min(axis=0)
        provenance["cell_size"] = [float(size) for size in sizes]
    title = map_title(styled, source.investigation_time)
    kind_of_geometry = POLYGON if wkb else geometry
    if choices.long_format:
        site_columns = [c for c, _ in about_sites]
        units = {c.unit for c in columns}
        unit = units.pop() if len(units) == 1 else ""  # of PGA and PGV there is none for all
        value = Column("value", REAL, "Value", unit, quantity="hazard map")
        keys = (Column("kind", TEXT), Column("imt", TEXT), Column("poe", REAL))
        return Table(
            title=f"Hazard maps of calculation {source.calculation.id}",
            columns=(*site_columns, *keys, value),
            rows=len(sites.lon) * len(columns),
            blocks=partial(_long_blocks, [a for _, a in about_sites], columns, arrays, xy, wkb),
            geometry=kind_of_geometry,
            style=Style("value", "quantile", (), GROUND_MOTION_RAMP),
            provenance=provenance,
        )
    return Table(
        title=title,
        columns=(*(c for c, _ in about_sites), *columns),
        rows=len(sites.lon),
        blocks=partial(blocks_of, [*(a for _, a in about_sites), *arrays], xy, wkb),
        geometry=kind_of_geometry,
        style=acceleration_style(styled),
        provenance=provenance,
    )


def _polygons(rings: Array, start: int, stop: int) -> Sequence[bytes]:
    return polygons_wkb(rings[start:stop])


def _long_blocks(site_arrays, columns, arrays, xy, wkb):  # type: ignore[no-untyped-def]
    """Yield one row per column and site."""
    import numpy as np

    size = rows_per_block(len(site_arrays) + 4)
    for column, array in zip(columns, arrays):
        for start in range(0, len(array), size):
            stop = min(start + size, len(array))
            rows = stop - start
            keys = (
                np.full(rows, column.kind),
                np.full(rows, column.imt),
                np.full(rows, column.poe),
            )
            yield Block(
                (*(a[start:stop] for a in site_arrays), *keys, array[start:stop]),
                None if xy is None else xy[start:stop],
                None if wkb is None else wkb(start, stop),
            )


OUTPUTS = {
    "hmaps": OutputType(
        read=read_hazard_maps,
        geometry="point, cell",
        choices=("KIND", "IMT", "POE"),
        about="Ground motion with a given probability of exceedance, at each site.",
    )
}
