"""Figures of a disaggregation: bars of one dimension, stacked bars or a grid of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...engine.errors import InvalidChoice
from ..core.choices import Choices, match_names, match_poes, nearest_475
from ..core.kinds import kind_label
from ..core.lazy import np
from ..core.notes import Info, Note
from ..core.quantities import imt_order
from ..core.source import Source
from ..core.table import Table, blocks_of
from ..core.wording import capital, listed, poe_text
from ..readers.disaggregation import columns_of
from ..readers.disaggregation_bins import (
    DIMENSIONS,
    Bins,
    by_of,
    chosen_bins,
    condition_of,
    of_kinds,
    read_members,
)
from ..readers.disaggregation_facts import facts_of, fixed_text, kind_text, title
from ..sites.collection import Sites
from .plot import (
    BARS,
    GRID,
    STACKS,
    TOWERS,
    Axis,
    Place,
    Plot,
    PlotType,
    Series,
    find_site,
    subtitle,
)

CONTRIBUTION = "Contribution to the rate of exceedance"


def disaggregation_plot(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the figure of a disaggregation at one site, for one IMT and probability.

    Bars show the contribution of each bin in percent. MEMBER is what it is by (empty:
    Mag_Dist); more than two dimensions need TAG_FILTER, which chooses bins of a third, but for
    magnitude, distance and ε. No IMT is
    PGA, no POE the one nearest to 475 years. Raises :class:`InvalidChoice`.
    """
    every, read = read_members(source, choices.member)
    site_bins, note = _at_site([*read.values()], place)
    notes: list[Note] = [Info(note)] if note else []
    [bins] = of_kinds([site_bins], choices.kind)
    [bins] = chosen_bins([bins], _one_level(bins, choices, notes))
    varying = [name for name, values in bins.middles.items() if len(set(values.tolist())) > 1]
    dimensions = varying or list(bins.middles)[:1]
    towers = len(dimensions) == 3 and set(dimensions) == {"mag", "dist", "eps"}
    if len(dimensions) > 2 and not towers:
        drawn = list(dict.fromkeys(by_of(f.member) for f in every))
        raise InvalidChoice(
            f"{bins.by} has {len(dimensions)} dimensions, a figure two; choose bins of one by "
            f"TAG_FILTER, for example {_example(bins, dimensions)}, or another kind by MEMBER: "
            f"{listed([by for by in drawn if by.count('_') < 2])}."
        )
    kinds = list(bins.contributions)
    facts = facts_of(every, read, [bins])
    if len(dimensions) > 1 and len(kinds) > 1:
        raise InvalidChoice(f"A figure of {bins.by} shows one of: {', '.join(kinds)} (KIND).")
    if len(dimensions) == 1:
        found = _bars(bins, dimensions[0])
    elif towers:
        found = _towers(bins)
    elif "trt" in dimensions:
        found = _stacks(bins, dimensions)
    else:
        found = _grid(bins, dimensions)
    single = kind_text(kinds[0]) if len(kinds) == 1 else ""
    only = fixed_text(bins, [d for d in bins.middles if d not in dimensions])
    columns, arrays = columns_of([bins])
    whole_title = f"{title(bins)}{only}{single}"
    table = Table(whole_title, tuple(columns), len(arrays[0]), lambda: blocks_of(arrays))
    condition = condition_of(source, [bins])
    words = [capital(facts[0].finding)] if len(facts) == 1 else []
    return Plot(
        title=whole_title,
        subtitle="\n".join([*words, subtitle(source, condition)]),
        condition=condition,
        table=table,
        notes=(*notes, *(Info(fact.sentence) for fact in facts)),
        **found,
    )


def _at_site(every: Sequence[Bins], place: Place) -> tuple[Bins, str]:
    """Return the bins of the chosen site, and a sentence on how far it is."""
    custom = np.array([bins.site for bins in every])
    sites = Sites(
        site_id=np.array([bins.site_id for bins in every]),
        lon=np.array([bins.lon for bins in every]),
        lat=np.array([bins.lat for bins in every]),
        custom_id=custom if any(custom) else None,
    )
    found = find_site(sites, place, None)
    return every[found.row], found.note


def _one_level(bins: Bins, choices: Choices, notes: list[Note]) -> Choices:
    """Return the choices with one IMT and one probability; ``notes`` gets what was left out."""
    imts = sorted(set(bins.imt.tolist()), key=imt_order)
    imt = match_names(choices.imt, imts, "IMT", "intensity measure type")
    if len(imt) > 1:
        if choices.imt.strip():
            raise InvalidChoice(f"A figure shows one of {', '.join(imt)}; choose one by IMT.")
        notes.append(Info(f"Plotted: {imt[0]}; others by IMT: {listed(imt[1:])}."))
    of_imt = bins.taken(bins.imt == imt[0])
    there = sorted(set(of_imt.poe.tolist()))
    poes = match_poes(choices.poe, there, bins.time)
    poe = nearest_475(poes, bins.time)
    if len(poes) > 1:
        others = listed([poe_text(p, bins.time) for p in poes if p != poe])
        if choices.poe.strip():
            raise InvalidChoice(
                "A figure shows one probability of exceedance; choose one by POE: "
                f"{poe_text(poe, bins.time)}, {others}."
            )
        notes.append(Info(f"Plotted: PoE {poe_text(poe, bins.time)}; others by POE: {others}."))
    return replace(choices, imt=imt[0], poe=repr(poe))


def _example(bins: Bins, dimensions: Sequence[str]) -> str:
    name = "trt" if "trt" in dimensions else "mag" if "lon" in dimensions else dimensions[-1]
    value = bins.middles[name][0]
    return f"{name}={value}" if name == "trt" else f"{name}={value:g}"


def _axis(dimension: str, bins: Bins) -> Axis:
    label, unit = DIMENSIONS[dimension]
    label = {"lon": "Longitude", "lat": "Latitude"}.get(dimension, label)
    if dimension == "trt":
        return Axis(label, categories=tuple(dict.fromkeys(bins.middles["trt"].tolist())))
    return Axis(label, unit)


def _edges(dimension: str, bins: Bins) -> tuple[float, ...]:
    return () if dimension == "trt" else tuple(bins.edges(dimension))


def _positions(bins: Bins, dimension: str) -> list[int]:
    if dimension != "trt":
        return [int(i) for i in bins.places(dimension)]
    names = list(dict.fromkeys(bins.middles["trt"].tolist()))
    return [names.index(name) for name in bins.middles["trt"].tolist()]


def _percents(bins: Bins, kind: str, rows: Sequence[int]) -> list[float]:
    shares = bins.contributions[kind]
    return [100 * float(shares[i]) for i in rows]


def _bars(bins: Bins, dimension: str) -> dict[str, Any]:
    places = _positions(bins, dimension)
    order = sorted(range(len(places)), key=lambda i: places[i])
    many = len(bins.contributions) > 1
    series = [
        Series(
            tuple(float(places[i]) for i in order),
            tuple(_percents(bins, kind, order)),
            kind,
            kind_label(kind) if many else "",
        )
        for kind in bins.contributions
    ]
    return {
        "form": BARS,
        "x": _axis(dimension, bins),
        "y": Axis(CONTRIBUTION, "%"),
        "series": tuple(series),
        "x_edges": _edges(dimension, bins),
    }


def _stacks(bins: Bins, dimensions: Sequence[str]) -> dict[str, Any]:
    [along] = [d for d in dimensions if d != "trt"]
    [kind] = bins.contributions
    places = _positions(bins, along)
    series = []
    for name in dict.fromkeys(bins.middles["trt"].tolist()):
        rows = [i for i, trt in enumerate(bins.middles["trt"].tolist()) if trt == name]
        rows.sort(key=lambda i: places[i])
        x = tuple(float(places[i]) for i in rows)
        series.append(Series(x, tuple(_percents(bins, kind, rows)), kind, name))
    return {
        "form": STACKS,
        "x": _axis(along, bins),
        "y": Axis(CONTRIBUTION, "%"),
        "series": tuple(series),
        "x_edges": _edges(along, bins),
        "legend": DIMENSIONS["trt"][0],
    }


def _towers(bins: Bins) -> dict[str, Any]:
    """Return bars on a plane of distance and magnitude, in which ε are one upon the other."""
    [kind] = bins.contributions
    x, row, eps = (_positions(bins, name) for name in ("dist", "mag", "eps"))
    edges = _edges("eps", bins)
    series = []
    for number in sorted(set(eps)):
        rows = [i for i, of in enumerate(eps) if of == number]
        series.append(
            Series(
                tuple(float(x[i]) for i in rows),
                tuple(_percents(bins, kind, rows)),
                kind,
                f"{edges[number]:g} to {edges[number + 1]:g}".replace("-", "−"),
                row=tuple(float(row[i]) for i in rows),
            )
        )
    return {
        "form": TOWERS,
        "x": _axis("dist", bins),
        "second": _axis("mag", bins),
        "y": Axis(CONTRIBUTION, "%"),
        "series": tuple(series),
        "x_edges": _edges("dist", bins),
        "y_edges": _edges("mag", bins),
        "legend": DIMENSIONS["eps"][0],
    }


def _grid(bins: Bins, dimensions: Sequence[str]) -> dict[str, Any]:
    # distance along x, magnitude up; longitude along x, latitude up
    across, up = ("dist", "mag") if set(dimensions) == {"mag", "dist"} else dimensions
    [kind] = bins.contributions
    x_edges, y_edges = _edges(across, bins), _edges(up, bins)
    values = [[0.0] * (len(x_edges) - 1) for _ in range(len(y_edges) - 1)]
    percents = _percents(bins, kind, range(len(bins.imt)))
    for x, y, value in zip(_positions(bins, across), _positions(bins, up), percents):
        values[y][x] = value
    return {
        "form": GRID,
        "x": _axis(across, bins),
        "y": _axis(up, bins),
        "x_edges": x_edges,
        "y_edges": y_edges,
        "values": tuple(tuple(row) for row in values),
        "value_label": f"{CONTRIBUTION} [%]",
        "mark": (bins.lon, bins.lat) if across == "lon" else None,
    }


PLOTS = dict.fromkeys(
    ("disagg-stats", "disagg-rlzs"),
    PlotType(disaggregation_plot, ("KIND", "IMT", "POE", "TAG_FILTER", "MEMBER", "SITE")),
)
