"""Tables of several sites, of which a figure shows one."""

from __future__ import annotations

from ..core.lazy import np
from ..sites.collection import Sites
from .plot import Place, Site, find_site
from .rows import Rows


def at_site(read: Rows, place: Place) -> tuple[Rows, Site]:
    """Return the rows of the chosen site, and which it is.

    Its number is that of the file where a column has it, else the order of the sites. Raises
    :class:`InvalidChoice`.
    """
    keys = [name for name in ("site_id", "lon", "lat") if name in read.names]
    position = [read.names.index(name) for name in keys]
    every = list(dict.fromkeys(tuple(row[i] for i in position) for row in read.rows))
    known = [dict(zip(keys, values)) for values in every]
    sites = Sites(
        site_id=np.array([int(site.get("site_id", i)) for i, site in enumerate(known)]),
        lon=np.array([float(site["lon"]) for site in known]),
        lat=np.array([float(site["lat"]) for site in known]),
    )
    found = find_site(sites, place, None)
    for name, value in zip(keys, every[found.row]):
        read = read.where(name, [value])
    return read, found
