"""Figures of a site: hazard curves and uniform hazard spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices, nearest_475
from ..core.columns import IML, IMT, KIND, USUAL
from ..core.kinds import kind_words, realizations_of
from ..core.lazy import np
from ..core.notes import Info, Note, Warn
from ..core.quantities import imt_unit, return_period
from ..core.source import Source
from ..core.table import Column, ColumnType, beyond_curves, small_table
from ..core.wording import capital, chance, listed, years
from ..readers.hazard_curves import read_site_curves
from ..readers.spectra import PERIOD, read_site_spectra, spectral_periods
from ..sites.collection import Sites, read_own_sites, read_sites, site_columns, site_condition
from ..sites.hazard import Hazard, fetch, limit_notes, read_hazard
from ..sites.motion import end_text, motion_column, of_several
from .plot import Axis, Place, Plot, PlotType, Series, Site, find_site, subtitle

LOWER_LIMIT = Column("lower_limit", ColumnType.BOOLEAN, "Lower limit (below the minimum intensity)")

FEW = 20
"""Statistics and realizations of which the spectra of several PoEs go into one figure."""


def hazard_curves(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the hazard curves of a site: probability of exceedance by intensity measure level.

    Single precision as in the datastore, see :func:`read_site_curves`. No IMT is PGA, else the
    first; several must have one unit. With several realizations comes the engine's own mean.
    Raises :class:`InvalidChoice` for what is not there.
    """
    hazard = read_hazard(source)
    kinds, imts = _kinds(hazard, choices), hazard.imts(choices)
    notes: list[Note] = []
    if not choices.imt.strip() and len(imts) > 1:
        notes.append(Info(f"Plotted: {imts[0]}; others by IMT: {listed(imts[1:])}."))
        imts = imts[:1]
    notes += limit_notes(hazard, imts)
    units = {imt_unit(imt) for imt in imts}
    if len(units) > 1:
        raise InvalidChoice(
            "Hazard curves of different units do not go on one axis: "
            f"{', '.join(f'{imt} [{imt_unit(imt)}]' for imt in imts)}; choose by IMT."
        )
    unit = units.pop()
    site = _find(source, place, "hcurves", imts[0])
    curves = read_site_curves(source, kinds, imts, site.row)
    series, rows = [], []
    limited = any(imt in hazard.minimum for imt in imts)
    for imt in imts:
        for kind in kinds:
            levels, poes = (tuple(map(float, values)) for values in curves[kind, imt])
            group = imt if len(imts) > 1 else ""
            series.append(Series(levels, poes, kind, group, limit=hazard.minimum.get(imt)))
            rows += [
                (
                    kind,
                    imt,
                    x,
                    y,
                    _period(y, hazard.time),
                    *([x < hazard.minimum.get(imt, 0.0)] if limited else []),
                )
                for x, y in zip(levels, poes)
            ]
    one = f"{kind_words(kinds[0])} " if len(kinds) == 1 else ""
    what = f"{one}hazard curve{'' if len(series) == 1 else 's'}"
    title = f"{capital(what)} of {', '.join(imts)}, {site.text}"
    poe = replace(hazard.poe_column, quantity="hazard curve")
    columns = [KIND, IMT, replace(IML, unit=unit), poe, USUAL["return_period"]]
    columns += [LOWER_LIMIT] if limited else []
    label = imts[0] if len(imts) == 1 else IML.label
    axes = Axis(label, unit, log=True), Axis(poe.label, log=True)
    found = _plot(source, site, title, columns, rows, series, axes, notes)
    if (time := hazard.time) is None:
        return found
    return replace(
        found,
        levels=tuple((poe, _level(poe, time)) for poe in hazard.poes),
        periods=lambda period: -math.expm1(-time / period),
    )


def _period(poe: float, time: float | None) -> float | None:
    """Return the return period of a probability, None where it is none: of 0 and of 1."""
    return return_period(poe, time) if time and 0 < poe < 1 else None


def uniform_spectra(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the uniform hazard spectra of a site: spectral acceleration by period, in g.

    PGA stands at the period 0; other measures (PGV, IA, MMI, …) are no spectrum and left out. No
    POE is all there are; of many realizations the one nearest to 475 years. See
    :func:`read_site_spectra`.
    """
    hazard = read_hazard(source)
    kinds, poes = _kinds(hazard, choices), hazard.chosen_poes(source, choices)
    time, notes = hazard.time, list[Note]()
    if len(kinds) > FEW and not choices.poe.strip() and len(poes) > 1:
        poes = [nearest_475(poes, time)]
        notes.append(Info(f"Plotted: {_level(poes[0], time)}; others by POE."))
    periods = spectral_periods(source, hazard)
    site = _find(source, place, "hmaps", next(iter(periods)))
    spectra = read_site_spectra(source, kinds, poes, site.row)
    series, rows = [], []
    quantity = "uniform hazard spectrum"
    motions = [motion_column(hazard, i, quantity, kinds[0], i, poes[0]) for i in periods]
    for kind in kinds:
        for poe in poes:
            x, y = (tuple(map(float, values)) for values in spectra[kind, poe])
            level = _level(poe, time) if len(poes) > 1 else ""
            series.append(spectrum_within(Series(x, y, kind, level), motions))
            rows += [(kind, poe, *cells) for cells in zip(periods, x, y)]
    notes += end_notes(series, motions)
    lowest = hazard.minimum.get
    low = [m for i, m in enumerate(periods) if any(s.y[i] < lowest(m, 0.0) for s in series)]
    notes += limit_notes(hazard, low)
    one = f"{kind_words(kinds[0])} " if len(kinds) == 1 else ""
    what = f"{one}uniform hazard {'spectrum' if len(series) == 1 else 'spectra'}"
    # one probability stands in the title, several in the legend
    if len(poes) == 1 and time:
        what = f"{years(return_period(poes[0], time))}-year {what}"
    of = f" ({chance(poes[0], time)})" if len(poes) == 1 else ""
    title = f"{capital(what)}{of}, {site.text}"
    value = of_several(motions, "Spectral acceleration")
    columns = [KIND, hazard.poe_column, IMT, PERIOD, value]
    axes = Axis(PERIOD.label, PERIOD.unit), Axis(value.label, "g")
    return _plot(source, site, title, columns, rows, series, axes, notes)


def _plot(
    source: Source,
    site: Site,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[Any, ...]],
    series: Sequence[Series],
    axes: tuple[Axis, Axis],
    notes: Sequence[Note],
) -> Plot:
    """Return a figure of one site; its numbers are ``rows``, with ``columns`` beside the site's."""
    condition = site_condition(source, None if site.vs30 is None else np.array([site.vs30]))
    custom = (site.custom_id,) if site.custom_id else ()
    about = (site.site_id, *custom, site.lon, site.lat)
    every = [*site_columns(bool(custom)), *columns]
    return Plot(
        title=title,
        subtitle=subtitle(source, condition),
        condition=condition,
        x=axes[0],
        y=axes[1],
        table=small_table(title, every, [(*about, *row) for row in rows]),
        series=tuple(series),
        notes=(*notes, *([Info(site.note)] if site.note else [])),
    )


def spectrum_within(series: Series, motions: Sequence[Column]) -> Series:
    """Return a spectrum with what is beyond its curves at their ends, of which it says so."""
    y, ends = list(series.y), [0] * len(series.y)
    for i, column in enumerate(motions):
        [below], [above] = beyond_curves(np.array(series.y[i : i + 1]), column)
        if below or above:
            y[i] = (column.highest if above else column.lowest) or 0.0
            ends[i] = 1 if above else -1
    return replace(series, y=tuple(y), ends=tuple(ends) if any(ends) else ())


def end_notes(every: Sequence[Series], motions: Sequence[Column]) -> list[Note]:
    """Return what the log says of spectra that reach beyond their curves."""
    found: list[Note] = []
    for i, column in enumerate(motions):
        for end in (1, -1):
            if count := sum(end in s.ends[i : i + 1] for s in every):
                of = f" in {count} of {len(every)} spectra" if len(every) > 1 else ""
                found.append(Warn(f"{column.imt}: {end_text(column, end)}{of}."))
    return found


def _level(poe: float, time: float | None) -> str:
    """Return a probability in words: ``475-year (10% in 50 years)``."""
    text = chance(poe, time)
    return f"{years(return_period(poe, time))}-year ({text})" if time else text


def _kinds(hazard: Hazard, choices: Choices) -> list[str]:
    """Return the chosen kinds; beside several realizations the engine's own mean."""
    kinds = hazard.kinds(choices)
    several = len(realizations_of(kinds)) > 1
    if several and "mean" in hazard.statistics and "mean" not in kinds:
        return ["mean", *kinds]
    return kinds


def _find(source: Source, place: Place, what: str, imt: str) -> Site:
    spacing = source.oqparam.get("region_grid_spacing")
    return find_site(_sites(source, what, imt), place, float(spacing) if spacing else None)


def _sites(source: Source, what: str, imt: str) -> Sites:
    """Return the sites of the calculation that holds the arrays.

    They are its own, unless those of the calculation it is based on are other ones: then the
    length of a whole array tells.
    """
    known = []
    for owner in (source.calculation.id, source.parent_id):
        if owner is not None:
            with suppress(NotFound, ServerFault):
                known.append(read_own_sites(source, owner))
    if not known:
        raise InvalidOutput(f"Calculation {source.calculation.id} does not tell its sites.")
    if len({len(sites.lon) for sites in known}) == 1:
        return known[0]
    hazard = read_hazard(source)
    kind = hazard.statistics[0] if hazard.statistics else f"rlz-{min(hazard.realizations)}"
    count = len(hazard.levels[imt]) if what == "hcurves" else len(hazard.poes)
    return read_sites(source, len(fetch(source, what, [kind], {imt: count})[kind, imt]))


PLOTS = {
    "hcurves": PlotType(hazard_curves, ("KIND", "IMT", "SITE")),
    "uhs": PlotType(uniform_spectra, ("KIND", "POE", "SITE")),
}
