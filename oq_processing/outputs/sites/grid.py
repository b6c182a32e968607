"""Regular grids of sites, and their cells."""

from __future__ import annotations

from ...engine.errors import InvalidChoice
from ..core.lazy import Array, np


def cell_polygons(lon: Array, lat: Array) -> Array:
    """Return the corners of the cell of each site of a grid, shape (rows, 5, 2), in degrees.

    The grid has rows of equal latitude. At the antimeridian cells reach beyond 180 degrees, where
    their neighbours begin, so that none is torn; at the poles they end. Raises
    :class:`InvalidChoice` where the sites are no grid.
    """
    widths, height = grid_spacing(lon, lat)
    sizes = np.stack([widths, np.full(len(widths), height)], axis=1)[:, np.newaxis, :]
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
    centers = np.stack([lon, lat], axis=1)[:, np.newaxis, :]
    cells: Array = centers + corners * sizes
    cells[..., 1] = np.clip(cells[..., 1], -90, 90)
    return cells


def grid_spacing(lon: Array, lat: Array) -> tuple[Array, float]:
    """Return the distance in degrees to the next site along the row, for each site, and of rows.

    Along a row sites are equally far in km, as the engine makes its grids (in degrees the more, the
    nearer the pole), or in degrees. Raises :class:`InvalidChoice` where less than 95 of 100
    neighbours are.
    """

    def misfit(steps: Array, usual: float) -> Array:
        # a step over a hole in the grid is a multiple of the usual one
        return np.abs(steps / usual - np.round(steps / usual))

    if not (np.isfinite(lon) & (np.abs(lat) <= 90)).all():
        raise InvalidChoice("Sites without a place on Earth have no cells; use GEOMETRY=point.")
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
            widths = np.full(len(lon), width)
            if not by_degrees:
                widths = np.minimum(shrunk_width / cosine, 360)  # all around a pole
            return widths, height
    raise InvalidChoice("These sites are no regular grid; use GEOMETRY=point.")


def crosses_antimeridian(lon: Array) -> bool:
    """Return whether sites lie on both sides of 180 degrees and not all around the world."""
    return bool(len(lon) > 1 and np.diff(np.sort(lon)).max() > 180)
