"""The conditional spectrum of a site, over the uniform hazard spectrum it belongs to."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ...engine.errors import EngineError, InvalidChoice
from .. import catalogue
from ..core.choices import Choices, match_poes, nearest_475
from ..core.columns import USUAL
from ..core.notes import Info, Note, Warn
from ..core.quantities import return_period
from ..core.source import Source
from ..core.table import Column, ColumnType, small_table
from ..core.wording import capital, chance, listed, poe_text, years
from ..readers.spectra import PERIOD, read_site_spectra, spectral_periods
from ..sites.collection import site_columns
from ..sites.hazard import read_hazard
from ..sites.motion import motion_column
from .hazard import end_notes, spectrum_within
from .plot import Axis, Place, Plot, PlotType, Series, Site, subtitle
from .rows import read_whole
from .site_rows import at_site

SIGMAS = 2
CONDITIONAL, UNIFORM = "Conditional spectrum (median)", "Uniform hazard spectrum"
ACCELERATION = Column("value", label="Spectral acceleration", unit="g")


def conditional_spectrum(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the conditional spectrum of a site: median, ±2σ of the logarithm, and the UHS.

    From ``cs-stats`` and the hazard maps of the same probability (``hmaps``). No POE is the one
    nearest to 475 years.
    """
    every = read_whole(catalogue.read(source, replace(choices, poe="")))
    read, site = at_site(source, every, place)
    time = source.investigation_time
    there = sorted({float(poe) for poe in read.distinct("poe")})
    poes = match_poes(choices.poe, there, time)
    poe, notes = nearest_475(poes, time), list[Note]()
    if len(poes) > 1:
        others = listed([poe_text(p, time) for p in poes if p != poe])
        if choices.poe.strip():
            raise InvalidChoice(f"A figure shows one probability; choose one by POE: {others}.")
        notes.append(Info(f"Plotted: PoE {poe_text(poe, time)}; others by POE: {others}."))
    cells = sorted(read.where("poe", [poe]).cells(), key=lambda row: float(row["period"]))
    x = tuple(float(row["period"]) for row in cells)
    y = tuple(float(row["mea"]) for row in cells)
    std = tuple(float(row["std"]) for row in cells)
    low, high = (
        tuple(value * math.exp(sign * SIGMAS * s) for value, s in zip(y, std)) for sign in (-1, 1)
    )
    series = [Series(x, y, group=CONDITIONAL, low=low, high=high)]
    rows: list[tuple[Any, ...]] = [(CONDITIONAL, *row) for row in zip(x, y, std, low, high)]
    try:
        uniform, motions = _uniform(source, poe, site)
    except EngineError as error:
        notes.append(Warn(f"Without the uniform hazard spectrum: {error}"))
    else:
        drawn = spectrum_within(uniform, motions)
        series.append(drawn)
        notes += end_notes([drawn], motions)
        rows += [(UNIFORM, *row, None, None, None) for row in zip(uniform.x, uniform.y)]
    imt = str(source.oqparam.get("imt_ref") or "")
    marks = _marks(imt)
    title = f"Conditional spectrum{f' given {imt}' if imt else ''} ({chance(poe, time)})"
    if time:
        title = f"{years(return_period(poe, time))}-year {title[0].lower()}{title[1:]}"
    title = f"{capital(title)}, {site.text}"
    columns = [
        *site_columns(False),
        USUAL["poe"],
        Column("spectrum", ColumnType.TEXT, "Spectrum"),
        PERIOD,
        ACCELERATION,
        Column("std", label="Standard deviation of the logarithm (σ)"),
        replace(ACCELERATION, name="low", label=f"Median −{SIGMAS}σ"),
        replace(ACCELERATION, name="high", label=f"Median +{SIGMAS}σ"),
    ]
    about = (site.site_id, site.lon, site.lat, poe)
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis(PERIOD.label, PERIOD.unit),
        y=Axis(ACCELERATION.label, ACCELERATION.unit),
        table=small_table(title, columns, [(*about, *row) for row in rows]),
        series=tuple(series),
        band=f"±{SIGMAS}σ of its logarithm",
        marks=marks,
        notes=(*notes, *([Info(site.note)] if site.note else [])),
    )


def _uniform(source: Source, poe: float, site: Site) -> tuple[Series, list[Column]]:
    """Return the spectrum as the engine has it, and a column for each of its values."""
    hazard = read_hazard(source)
    kind = "mean" if "mean" in hazard.statistics else f"rlz-{min(hazard.realizations)}"
    [same] = match_poes(repr(poe), hazard.poes, hazard.time)
    x, y = read_site_spectra(source, [kind], [same], site.site_id)[kind, same]
    found = Series(tuple(map(float, x)), tuple(map(float, y)), group=UNIFORM, colors=("black",))
    quantity = "uniform hazard spectrum"
    imts = spectral_periods(source, hazard)
    return found, [motion_column(hazard, i, quantity, kind, i, same) for i in imts]


def _marks(imt: str) -> tuple[tuple[float, str], ...]:
    """Return the period that the spectrum is conditional on, with its name."""
    if imt.startswith("SA("):
        return ((float(imt[3:-1]), f"conditional on {imt}"),)
    return ()


PLOTS = {"cs-stats": PlotType(conditional_spectrum, ("POE", "MEMBER", "SITE"))}
