"""The sites of a hazard calculation: coordinates, custom ids, soil."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...engine.errors import InvalidOutput, NotFound, ServerFault
from ..core.columns import USUAL
from ..core.lazy import Array, np
from ..core.source import Source
from ..core.table import Column, degrees

# digits, and the letters but a, i, l and o
_CODE32 = "0123456789" + "bcdefgh" + "jk" + "mn" + "pqrstuvwxyz"


@dataclass(frozen=True)
class Sites:
    """Site arrays of equal length: ids, degrees, km (positive down), custom ids as text, m/s."""

    site_id: Array
    lon: Array
    lat: Array
    depth: Array | None = None
    custom_id: Array | None = None
    vs30: Array | None = None

    @property
    def generated(self) -> bool:
        """Whether the custom ids are geohashes of the sites, by the first hundred.

        Scenarios and event-based calculations write them where the user has given none
        (``SiteCollection.ensure_custom_site_id``).
        """
        if self.custom_id is None:
            return False
        places = zip(self.lon[:100].tolist(), self.lat[:100].tolist())
        return are_geohashes(zip(self.custom_id[:100].tolist(), places))

    def columns(self) -> list[tuple[Column, Array]]:
        """Return the columns that every layer of sites begins with."""
        columns = site_columns(self.custom_id is not None, self.depth is not None)
        arrays = (self.site_id, self.custom_id, self.lon, self.lat, self.depth)
        if self.generated:
            columns[1] = GEOHASH
        return list(zip(columns, (array for array in arrays if array is not None)))


GEOHASH = replace(USUAL["custom_site_id"], label="Site (geohash)")
"""The column of custom ids that the engine has made."""


def are_geohashes(places: Iterable[tuple[str, tuple[float, float]]]) -> bool:
    """Return whether all ids are the geohashes of their longitude and latitude."""
    return all(id_ == geohash(*place) for id_, place in places)


def geohash(lon: float, lat: float) -> str:
    """Return the geohash of a place in eight characters (``hazardlib/geo/utils.geohash``)."""
    ends = [[-180.0, 180.0], [-90.0, 90.0]]
    number = 0
    for bit in range(40):
        low, high = ends[bit % 2]
        middle = (low + high) / 2
        above = (lon, lat)[bit % 2] > middle
        ends[bit % 2] = [middle, high] if above else [low, middle]
        number = 2 * number + above
    return "".join(_CODE32[(number >> shift) % 32] for shift in range(35, -1, -5))


def site_columns(custom: bool, depth: bool = False) -> list[Column]:
    """Return the columns of a site: number, custom id if it has one, degrees, depth."""
    names = ("site_id", *(["custom_site_id"] if custom else []), "lon", "lat")
    return [USUAL[name] for name in (*names, *(["depth"] if depth else []))]


def read_sites(source: Source, rows: int) -> Sites:
    """Return the sites of the calculation's arrays with ``rows`` rows, in their order.

    ``GET /v1/calc/N/extract/sitecol``, from the calculation that holds the arrays: its own, or,
    where the length differs, that of the calculation it is based on. Raises
    :class:`InvalidOutput` when neither fits: values must not land on other sites.
    """
    lengths = []
    for owner in source.owners:
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
    names = array.dtype.names or ()
    depth = array["depth"] if "depth" in names and np.any(array["depth"]) else None
    custom = np.char.decode(array["custom_site_id"]) if "custom_site_id" in names else None
    vs30 = array["vs30"] if "vs30" in names else None
    return Sites(ids, degrees(array["lon"]), degrees(array["lat"]), depth, custom, vs30)


def site_condition(source: Source, vs30: Array | None) -> str:
    """Return the soil that ground motion is for: ``vs30 760 m/s (reference)``; "" if unknown.

    ``vs30`` is that of the sites as the engine used it, in m/s: a site model counts before the
    reference of the job. Of ground motion from a file nothing is known.
    """
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
