"""What a figure of an output shows: series and axes, with the numbers of the engine's exports.

Nothing is drawn here (``drawing/figure.py`` does); nothing is averaged, smoothed or interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Callable

from ...engine.calculation import Output
from ...engine.errors import InvalidChoice
from ..core.choices import Choices
from ..core.kinds import kind_label
from ..core.lazy import Array, np
from ..core.notes import Note
from ..core.registry import registered
from ..core.source import Source
from ..core.table import Table
from ..core.wording import listed, with_unit
from ..sites.collection import Sites

LINES, BARS, STACKS, GRID = "lines", "bars", "stacks", "grid"
"""Curves; bars side by side; bars one upon the other; a grid of coloured cells."""

STEPS, HISTOGRAM, RANKED, TOWERS = "steps", "histogram", "ranked", "towers"
"""Bars and their cumulative sums; bars of an axis of numbers; bars from left to right, one below
the other; bars one upon the other on a plane of two axes."""

EARTH_RADIUS = 6371.0  # km, as the engine has it


@dataclass(frozen=True)
class Axis:
    """Quantity and unit of an axis; ``categories`` are names at 0, 1, … where it has no numbers."""

    label: str
    unit: str = ""
    log: bool = False
    categories: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What stands beside the axis."""
        return with_unit(self.label, self.unit)


@dataclass(frozen=True)
class Series:
    """A curve, or one set of bars.

    ``kind`` is a statistic or realization (``mean``, ``rlz-3``), which decides the line, ``about``
    its branch and weight; ``group``
    is what else distinguishes series (IMT, PoE, loss type, …), which decides the colour, unless
    ``colors`` has one for each value (of a line, one). Of TOWERS ``row`` is the place along the
    second axis. ``ends`` has for each value -1 where all that is known is that it is below, 1 where
    it is at least that, else 0; empty where all are known. ``limit`` is the x below which y is a
    lower limit only. ``low`` and ``high`` are the ends of a band around y, which ``Plot.band``
    names.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: str = "mean"
    group: str = ""
    colors: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    about: str = ""
    limit: float | None = None
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    row: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A figure. ``subtitle`` says which calculation; ``table`` has the numbers.

    ``x_edges`` are the limits of bars or cells along x, ``y_edges`` those of cells along y. A
    GRID has its ``values`` row by row, from the lowest y, called ``value_label``. ``mark`` is a
    point to be marked (the site on a map); ``legend`` the title of the legend; ``condition`` the
    soil it is for. ``levels`` are values of y, ``marks`` values of x, that have a line and a name.
    ``band`` names the bands of the series. ``second`` is the other axis of the plane of TOWERS.
    ``periods`` gives the y of a return period in years, for an axis of return periods.
    """

    title: str
    subtitle: str
    x: Axis
    y: Axis
    table: Table
    form: str = LINES
    series: tuple[Series, ...] = ()
    x_edges: tuple[float, ...] = ()
    y_edges: tuple[float, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()
    value_label: str = ""
    mark: tuple[float, float] | None = None
    legend: str = ""
    notes: tuple[Note, ...] = ()
    condition: str = ""
    levels: tuple[tuple[float, str], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    periods: Callable[[float], float] | None = None
    band: str = ""
    second: Axis | None = None


def labels(series: Sequence[Series]) -> list[str]:
    """Return what the legend calls each series: what distinguishes it from the others, no more."""
    kinds = {s.kind for s in series}
    groups = {s.group for s in series}
    found = []
    for s in series:
        words = [kind_label(s.kind, s.about)] if len(kinds) > 1 or len(groups) == 1 else []
        # bars by realization have it for their group
        words += [s.group] if s.group not in ("", *words, kind_label(s.kind)) else []
        found.append(", ".join(words))
    return found


@dataclass(frozen=True)
class Place:
    """Which site or asset: a point in degrees of EPSG:4326, or ids as text; "" if not chosen."""

    point: tuple[float, float] | None = None
    site_id: str = ""
    asset_id: str = ""


@dataclass(frozen=True)
class Site:
    """A site that was found: its row in the arrays, id, degrees; ``note`` says how far it is."""

    row: int
    site_id: int
    custom_id: str
    lon: float
    lat: float
    note: str = ""
    vs30: float | None = None

    @property
    def text(self) -> str:
        """The site as people write it: ``site Kathmandu (85.3, 27.7)``."""
        return f"site {self.custom_id or self.site_id} ({self.lon:g}, {self.lat:g})"


@dataclass(frozen=True)
class PlotType:
    """How an output type is plotted, and which choices it honours (``SITE``, ``ASSET_ID`` too)."""

    read: Callable[[Source, Choices, Place], Plot]
    choices: tuple[str, ...]


@lru_cache(maxsize=1)
def plot_types() -> dict[str, PlotType]:
    """Return the output types that can be plotted."""
    return registered(__package__, "PLOTS")


def read(source: Source, choices: Choices, place: Place, outputs: Sequence[Output] = ()) -> Plot:
    """Return the figure of an output.

    ``outputs`` are those of the calculation, named where this one cannot be plotted. Raises
    :class:`InvalidChoice` for that, and for a choice that is not there.
    """
    known = plot_types()
    plot_type = known.get(source.output.type)
    if plot_type is None:
        there = [output.type for output in outputs if output.type in known]
        raise InvalidChoice(
            f"{source.output.name} ({source.output.type}) cannot be plotted; "
            f"{f'this calculation has: {listed(there)}' if there else f'only: {listed([*known])}'}."
        )
    title = source.output.name
    choices.refuse_others(plot_type.choices, title)
    if (place.point or place.site_id) and "SITE" not in plot_type.choices:
        raise InvalidChoice(f"{title} is not by site; leave SITE and SITE_ID empty.")
    if place.asset_id and "ASSET_ID" not in plot_type.choices:
        raise InvalidChoice(f"{title} is not by asset; leave ASSET_ID empty.")
    plot = plot_type.read(source, choices, place)
    named = (replace(s, about=source.branch(s.kind)) for s in plot.series)
    return replace(plot, series=tuple(named))


def subtitle(source: Source, condition: str = "") -> str:
    """Return which calculation a figure is of, and for which soil."""
    about = source.calculation
    of = f"Calculation {about.id}: {about.description}".rstrip(": ")
    return f"{of}\nSite condition: {condition}" if condition else of


def find_site(sites: Sites, place: Place, spacing: float | None) -> Site:
    """Return the chosen site.

    SITE_ID is a custom id, else the number of a site. SITE is the nearest; more than one step of
    the grid away is an error: ``spacing`` in km, or where it is None the distance from that site
    to the next. The only site needs no choice. Raises :class:`InvalidChoice`.
    """
    count = len(sites.lon)
    if place.point and place.site_id:
        raise InvalidChoice("Give SITE or SITE_ID, not both.")
    if place.site_id:
        return _site(sites, _row_of(sites, place.site_id))
    if place.point is None:
        if count == 1:
            return _site(sites, 0)
        raise InvalidChoice(
            f"The calculation has {count:,} sites; choose one by SITE (a point) or SITE_ID."
        )
    away = distances(sites, *place.point)
    row = int(np.argmin(away))
    step = spacing
    if step is None and count > 1:
        steps = distances(sites, float(sites.lon[row]), float(sites.lat[row]))
        steps = steps[steps > 0.001]
        step = float(steps.min()) if len(steps) else None
    if step is not None and away[row] > step:
        raise InvalidChoice(
            f"The nearest site is {away[row]:,.3g} km away from SITE, more than one step of the "
            f"sites ({step:.3g} km): {_site(sites, row).text}."
        )
    found = _site(sites, row)
    note = f"The nearest to SITE is {found.text}, {away[row]:,.3g} km away."
    return replace(found, note=note)


def _site(sites: Sites, row: int) -> Site:
    custom = (
        str(sites.custom_id[row]) if sites.custom_id is not None and not sites.generated else ""
    )
    vs30 = None if sites.vs30 is None else float(sites.vs30[row])
    place = float(sites.lon[row]), float(sites.lat[row])
    return Site(row, int(sites.site_id[row]), custom, *place, vs30=vs30)


def _row_of(sites: Sites, wanted: str) -> int:
    if sites.custom_id is not None:
        rows = np.flatnonzero(sites.custom_id == wanted)
        if len(rows):
            return int(rows[0])
    if wanted.isascii() and wanted.isdigit():
        rows = np.flatnonzero(sites.site_id == int(wanted))
        if len(rows):
            return int(rows[0])
    numbers = f"{sites.site_id.min()} to {sites.site_id.max()}"
    if sites.custom_id is None or sites.generated:
        there = f"numbers go from {numbers}" if len(sites.site_id) > 1 else f"the only is {numbers}"
    else:
        there = f"there are: {listed(sites.custom_id.tolist())}"
    raise InvalidChoice(f"There is no site “{wanted}” (SITE_ID); {there}.")


def distances(sites: Sites, lon: float, lat: float) -> Array:
    """Return the distance of each site from a point (degrees) in km, along the great circle."""
    lon1, lat1, lon2, lat2 = (np.radians(v) for v in (sites.lon, sites.lat, lon, lat))
    half = (
        np.sin((lat1 - lat2) / 2) ** 2
        + np.cos(lat1) * np.cos(lat2) * np.sin((lon1 - lon2) / 2) ** 2
    )
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
