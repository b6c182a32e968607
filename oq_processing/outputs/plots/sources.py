"""The hazard of a site by source: rates of exceedance by level, and shares at one level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput
from .. import catalogue
from ..core.choices import Choices, match_names, nearest_475
from ..core.columns import IML, IMT, SOURCE
from ..core.csv_export import csv_files, peek
from ..core.notes import Info, Note
from ..core.quantities import imt_order, imt_unit
from ..core.source import Source
from ..core.table import Column, small_table
from ..core.wording import level_text, listed
from ..sites.collection import site_columns
from .plot import RANKED, Axis, Place, Plot, PlotType, Series, subtitle
from .rows import Rows, read_whole
from .site_rows import at_site

NAMED = 9
"""Sources that have a line or bar each; the others are one, their sum."""

ALL = "All sources"

RATE = Column("afoe", label="Annual frequency of exceedance", unit="1/year")
SHARE = Column("contribution", label="Contribution to the rate of exceedance", unit="%")


def hazard_by_source(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the rate of exceedance by level of each source at a site (mean_rates_by_src).

    Rates of sources add up: so do those of all together, and of the others where there are many.
    Those come first that contribute most where all are exceeded about once in the return period
    nearest to 475 years that the calculation has. No IMT is PGA, else the first.
    """
    read, site = at_site(
        source, read_whole(catalogue.read(source, replace(choices, imt=""))), place
    )
    imt, notes = _one_imt(read, choices)
    rates: dict[str, dict[float, float]] = {}
    for cells in read.where("imt", [imt]).cells():
        of = rates.setdefault(str(cells["source_id"]), {})
        of[float(cells["iml"])] = float(cells["afoe"])
    levels = sorted({level for of in rates.values() for level in of})
    total = {level: sum(of.get(level, 0.0) for of in rates.values()) for level in levels}
    wanted = _rate(source)
    level = min(levels, key=lambda x: abs(math.log(total[x] / wanted)))
    ranked = sorted(rates, key=lambda name: -rates[name].get(level, 0.0))
    curves = {ALL: total, **_named(ranked, rates)}
    at = f"{imt} {level_text(level, imt)}"
    notes.append(Info(f"Sources by their contribution at {at}."))
    title = f"Hazard by source: mean rate of exceedance of {imt}, {site.text}"
    columns = [*site_columns(False), SOURCE, IMT, replace(IML, unit=imt_unit(imt)), RATE]
    about = (site.site_id, site.lon, site.lat)
    every = {ALL: total, **{name: rates[name] for name in ranked}}
    rows = [(*about, name, imt, x, y) for name, of in every.items() for x, y in sorted(of.items())]
    return Plot(
        title=title,
        subtitle="\n".join([_largest(ranked, rates, level, total[level], at), subtitle(source)]),
        x=Axis(imt, imt_unit(imt), log=True),
        y=Axis(RATE.label, RATE.unit, log=True),
        table=small_table(title, columns, rows),
        series=tuple(
            Series(
                tuple(sorted(of)),
                tuple(of[x] for x in sorted(of)),
                group=name,
                colors=("black",) if name == ALL else (),
            )
            for name, of in curves.items()
        ),
        notes=(*notes, *([Info(site.note)] if site.note else [])),
        legend="Source",
        periods=lambda period: 1 / period,
    )


def shares_by_source(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the contribution of each source to the hazard of a site (mean_disagg_by_src).

    Rates are summed over magnitudes, distances and ε. No IMT is PGA, else the first.
    """
    read, site = at_site(
        source, read_whole(catalogue.read(source, replace(choices, imt=""))), place
    )
    imt, notes = _one_imt(read, choices)
    rates: dict[str, float] = {}
    for cells in read.where("imt", [imt]).cells():
        name = str(cells["source_id"])
        rates[name] = rates.get(name, 0.0) + float(cells["afoe"])
    total = sum(rates.values())
    ranked = sorted(rates, key=lambda name: -rates[name])
    named = _named(ranked, {name: {0.0: rate} for name, rate in rates.items()})
    level = _level(source, imt)
    title = f"Hazard by source: {' '.join([imt, level]).strip()}, {site.text}"
    columns = [*site_columns(False), SOURCE, IMT, RATE, SHARE]
    about = (site.site_id, site.lon, site.lat)
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis("Source", categories=tuple(named)),
        y=Axis(SHARE.label, SHARE.unit),
        table=small_table(
            title,
            columns,
            [(*about, name, imt, rates[name], 100 * rates[name] / total) for name in ranked],
        ),
        form=RANKED,
        series=(
            Series(
                tuple(map(float, range(len(named)))),
                tuple(100 * of[0.0] / total for of in named.values()),
            ),
        ),
        notes=(*notes, *([Info(site.note)] if site.note else [])),
    )


def _one_imt(read: Rows, choices: Choices) -> tuple[str, list[Note]]:
    there = sorted(map(str, read.distinct("imt")), key=imt_order)
    if not there:
        raise InvalidOutput(f"{read.table.title} has no rates.")
    imts = match_names(choices.imt, there, "IMT", "intensity measure type")
    if len(imts) > 1 and choices.imt.strip():
        raise InvalidChoice(f"A figure shows one of {', '.join(imts)}; choose one by IMT.")
    others = listed(imts[1:])
    return imts[0], [Info(f"Plotted: {imts[0]}; others by IMT: {others}.")] if others else []


def _rate(source: Source) -> float:
    """Return the rate, per year, of the PoE nearest to 475 years, that of 475 years without any."""
    poes, time = source.oqparam.get("poes"), source.investigation_time
    if not poes or not time:
        return 1 / 475
    return -math.log1p(-nearest_475([float(poe) for poe in poes], time)) / time


def _named(
    ranked: Sequence[str], rates: Mapping[str, Mapping[float, float]]
) -> dict[str, Mapping[float, float]]:
    """Return those that have a name of their own, and the sum of the others."""
    found: dict[str, Mapping[float, float]] = {name: rates[name] for name in ranked[:NAMED]}
    others = [rates[name] for name in ranked[NAMED:]]
    if len(others) == 1:
        return {**found, ranked[NAMED]: others[0]}
    if others:
        levels = sorted({level for of in others for level in of})
        summed = {level: sum(of.get(level, 0.0) for of in others) for level in levels}
        found[f"{len(others)} others, sum"] = summed
    return found


def _largest(
    ranked: Sequence[str], rates: Mapping[str, Any], level: float, total: float, at: str
) -> str:
    shares = [f"{name} {100 * rates[name].get(level, 0.0) / total:.3g}%" for name in ranked[:3]]
    return f"At {at}: {', '.join(shares)} of the rate of {total:.3g} per year"


def _level(source: Source, imt: str) -> str:
    for file in csv_files(source):
        peek(file)
        levels = file.about.get("iml_disagg")
        if isinstance(levels, dict) and imt in levels:
            return level_text(float(levels[imt]), imt)
    return ""


PLOTS = {
    "mean_rates_by_src": PlotType(hazard_by_source, ("IMT", "MEMBER", "SITE")),
    "mean_disagg_by_src": PlotType(shares_by_source, ("IMT", "MEMBER", "SITE")),
}
