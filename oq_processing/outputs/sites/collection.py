"""The sites of a hazard calculation: coordinates, custom ids, grid cells."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.source import Source
from ..core.table import INTEGER, REAL, TEXT, Column

if TYPE_CHECKING:
    from ..core.table import Array


@dataclass(frozen=True)
class Sites:
    """Site arrays of equal length: ids, degrees, km (positive down), custom ids as text, m/s."""

    site_id: Array
    lon: Array
    lat: Array
    depth: Array | None = None
    custom_id: Array | None = None
    vs30: Array | None = None

    def columns(self) -> list[tuple[Column, Array]]:
        """Return the columns that every layer of sites begins with."""
        found = [(Column("site_id", INTEGER, "Site"), self.site_id)]
        if self.custom_id is not None:
            found.append((Column("custom_site_id", TEXT, "Site (custom id)"), self.custom_id))
        found.append((Column("lon", REAL, "Longitude", "°"), self.lon))
        found.append((Column("lat", REAL, "Latitude", "°"), self.lat))
        if self.depth is not None:
            found.append((Column("depth", REAL, "Depth", "km"), self.depth))
        return found


def read_sites(source: Source, rows: int) -> Sites:
    """Return the sites of the calculation's arrays with ``rows`` rows, in their order.

    ``GET /v1/calc/N/extract/sitecol``, from the calculation that holds the arrays: its own, or,
    where the length differs, that of the calculation it is based on. Raises
    :class:`InvalidOutput` when neither fits: values must not land on other sites.
    """
    lengths = []
    for owner in (source.calculation.id, source.parent_id):
        if owner is None:
            continue
        try:
            sites = read_own_sites(source, owner)
        except (NotFound, ServerFault):
            continue
        if len(sites.lon) == rows:
            return sites
        lengths.append(len(sites.lon))
    raise InvalidOutput(
        f"Calculation {source.calculation.id} has {rows} rows of {source.output.name} but "
        f"{' and '.join(map(str, lengths)) or 'no'} sites; they cannot be located."
    )


def read_own_sites(source: Source, calculation_id: int | None = None) -> Sites:
    """Return the sites of the calculation itself, unless another is given.

    They are those of every output that the server lists for the calculation: it does so only for
    arrays that the calculation holds itself.
    """
    array = source.npz("sitecol", calculation_id).array("array")
    return sites_of(array, array["sids"])


def sites_of(array: Array, ids: Array) -> Sites:
    """Return the sites of an array of the engine with longitude, latitude and what else it has."""
    import numpy as np

    names = array.dtype.names or ()
    depth = array["depth"] if "depth" in names and np.any(array["depth"]) else None
    custom = np.char.decode(array["custom_site_id"]) if "custom_site_id" in names else None
    vs30 = array["vs30"] if "vs30" in names else None
    return Sites(ids, array["lon"], array["lat"], depth, custom, vs30)


def site_condition(source: Source, vs30: Array | None) -> str:
    """Return the soil that ground motion is for: ``vs30 760 m/s (reference)``; "" if unknown.

    ``vs30`` is that of the sites as the engine used it, in m/s: a site model counts before the
    reference of the job. Of ground motion from a file nothing is known.
    """
    import numpy as np

    parameters = source.oqparam
    inputs = parameters.get("inputs") or {}
    given = any(parameters.get(name) for name in ("shakemap_id", "shakemap_uri"))
    if given or any(name in inputs for name in ("gmfs", "hazard_curves", "shakemap")):
        return ""
    values = np.asarray([] if vs30 is None else vs30, dtype=float)
    reference = float(parameters.get("reference_vs30_value") or "nan")
    by_site = "site_model" in inputs
    if not len(values) and not by_site:
        values = np.array([reference])  # the ground motion models do without one
    values = values[values > 0]
    found = "site model" if by_site else ""
    if len(values):
        ends = dict.fromkeys(f"{value:.4g}" for value in (values.min(), values.max()))
        found = f"vs30 {' to '.join(ends)} m/s"
        if by_site:
            found += " (site model)"
        elif np.allclose(values, reference):
            found += " (reference)"
    if "amplification" in inputs:
        found = f"amplification functions of the job{f', from {found}' if found else ''}"
    return found


def cell_polygons(lon: Array, lat: Array) -> Array:
    """Return the corners of the cell of each site of a grid, shape (rows, 5, 2), in degrees.

    The grid has rows of equal latitude. At the antimeridian cells reach beyond 180 degrees, where
    their neighbours begin, so that none is torn. Raises :class:`InvalidChoice` where the
    sites are no grid.
    """
    import numpy as np

    widths, height = grid_spacing(lon, lat)
    sizes = np.stack([widths, np.full(len(widths), height)], axis=1)[:, np.newaxis, :]
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
    centers = np.stack([lon, lat], axis=1)[:, np.newaxis, :]
    cells: Array = centers + corners * sizes
    return cells


def grid_spacing(lon: Array, lat: Array) -> tuple[Array, float]:
    """Return the distance in degrees to the next site along the row, for each site, and of rows.

    Along a row sites are equally far in km, as the engine makes its grids (in degrees the more, the
    nearer the pole), or in degrees. Raises :class:`InvalidChoice` where less than 95 of 100
    neighbours are.
    """
    import numpy as np

    def misfit(steps: Array, usual: float) -> Array:
        # a step over a hole in the grid is a multiple of the usual one
        off: Array = np.abs(steps / usual - np.round(steps / usual))
        return off

    if crosses_antimeridian(lon):
        lon = lon % 360
    row = np.round(lat, 4)
    order = np.lexsort((lon, row))
    same_row = np.diff(row[order]) == 0
    steps = np.diff(lon[order])[same_row]
    heights = np.diff(lat[np.unique(row, return_index=True)[1]])
    cosine = np.cos(np.radians(lat))
    if len(steps) and len(heights) and (width := float(np.median(steps))) > 0:
        height = float(np.median(heights))
        shrunk = steps * cosine[order][:-1][same_row]
        shrunk_width = float(np.median(shrunk))
        in_degrees, in_km = misfit(steps, width), misfit(shrunk, shrunk_width)
        by_degrees = in_degrees.mean() <= in_km.mean()
        along, across = in_degrees if by_degrees else in_km, misfit(heights, height)
        if (along < 0.1).mean() > 0.95 and (across < 0.1).mean() > 0.95:
            widths = np.full(len(lon), width) if by_degrees else shrunk_width / cosine
            return widths, height
    raise InvalidChoice("These sites are no regular grid; use GEOMETRY=point.")


def crosses_antimeridian(lon: Array) -> bool:
    """Tell whether sites lie on both sides of 180 degrees and not all around the world."""
    import numpy as np

    return bool(len(lon) > 1 and np.diff(np.sort(lon)).max() > 180)


def polygons_wkb(rings: Array) -> Sequence[bytes]:
    """Return polygons of one ring each as WKB; ``rings`` has shape (rows, corners, 2)."""
    head = struct.pack("<BIII", 1, 3, 1, rings.shape[1])
    return [head + ring.tobytes() for ring in rings.astype("<f8")]
