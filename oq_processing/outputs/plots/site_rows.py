"""Tables of several sites, of which a figure shows one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ...engine.errors import InvalidOutput, NotAllowed, NotFound, ServerFault
from ..core.lazy import np
from ..core.source import Source
from ..sites.collection import Sites, read_own_sites
from .plot import Place, Site, find_site
from .rows import Rows


def at_site(source: Source, read: Rows, place: Place) -> tuple[Rows, Site]:
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
    found = find_site(_with_custom_ids(source, sites), place, None)
    for name, value in zip(keys, every[found.row]):
        read = read.where(name, [value])
    return read, found


def _with_custom_ids(source: Source, sites: Sites) -> Sites:
    """Return the sites with the user's ids, where the calculation has some."""
    with suppress(NotFound, ServerFault, NotAllowed, InvalidOutput):
        own = read_own_sites(source)
        if own.custom_id is not None:
            ids = dict(zip(own.site_id.tolist(), own.custom_id.tolist()))
            custom = [ids.get(number, "") for number in sites.site_id.tolist()]
            return replace(sites, custom_id=np.array(custom))
    return sites
