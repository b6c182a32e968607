"""Draw curves and spectra as lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..outputs.plots.plot import Plot, Series, labels
from .axes import COLORS, Axes, Look, legend, named_values, period_axis, plain, scale

STYLES = ("-", (0, (6, 2)), (0, (1.5, 1.5)))
GROUP_STYLES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
MARKERS = "osD^vPX*<>"
MARKED = 8
"""Markers of a line that is one of several colours and whose style says something else."""

LIMITED: Look = {"linestyle": (0, (3, 2.5)), "linewidth": 1.2, "marker": ""}
"""The part of a curve that is a lower limit only."""

QUANTILE_STYLES = ((0, (5, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (1, 1)))
NAMED_REALIZATIONS = 20
"""As many have a line and a name each; more are grey, with one name."""

LOWEST_POE = 1e-6  # probabilities below are the tail of a tail; the table has them
DOTTED = 40  # points of a line that are marked
ENDS = {-1: "v", 1: "^"}
"""Markers of values beyond their curves, as ``Series.ends`` has them."""


def draw_lines(plot: Plot, axes: Axes) -> None:
    """Draw each series as a line."""
    x_scale, x_title = scale(plot.x, [x for s in plot.series for x in s.x])
    y_scale, y_title = scale(plot.y, [y for s in plot.series for y in s.y])
    for series, look in _looks(plot.series):
        points = [
            (x / x_scale, y / y_scale, end)
            for x, y, end in zip(series.x, series.y, series.ends or [0] * len(series.x))
            if math.isfinite(x)
            and math.isfinite(y)
            # zero has no place on a logarithmic axis
            and (x > 0 or not plot.x.log)
            and (y > 0 or not plot.y.log)
        ]
        if points:
            # values at a few periods are no continuous curve
            dots = not plot.y.log and len(points) <= DOTTED and not series.kind.startswith("rlz-")
            dots = dots or any(series.ends)  # a point between two gaps has no line
            # no line through what is not known
            line = [(x, math.nan if end else y) for x, y, end in points]
            limit = 0.0 if series.limit is None else series.limit / x_scale
            limited = sum(x < limit for x, _ in line)
            if limited:
                axes.plot(*zip(*line[: limited + 1]), **{**look, **LIMITED, "label": "_"})
            whole = {"markersize": 3.5, "marker": "o" if dots else "", **look}
            if whole["marker"] and not dots:
                whole["markevery"] = max(1, len(line) // MARKED)
            axes.plot(*zip(*line[limited:]), **whole)
            _ends(axes, points, look)
        if series.low:
            edges = [[y / y_scale for y in values] for values in (series.low, series.high)]
            x = [value / x_scale for value in series.x]
            band = {"color": look["color"], "alpha": 0.15, "linewidth": 0, "zorder": 1}
            axes.fill_between(x, *edges, **band, label=plain(plot.band))
            for edge in edges:  # seen in print, too
                axes.plot(x, edge, color=look["color"], linewidth=0.7, linestyle=(0, (2, 2)))
    axes.set_xlabel(plain(x_title))
    axes.set_ylabel(plain(y_title))
    axes.grid(True, which="major", color="#d0d0d0", linewidth=0.6)
    axes.grid(True, which="minor", color="#ececec", linewidth=0.4)
    axes.set_axisbelow(True)
    _log_axes(plot, axes)
    if not plot.x.log:
        axes.set_xlim(left=0)
    if not plot.y.log:
        axes.set_ylim(bottom=0)
    for end in sorted({end for s in plot.series for end in s.ends if end}):
        name = "at least: the highest level" if end > 0 else "below the lowest level"
        name += " of the curves"
        look = {"color": "#444444", "linestyle": "", "marker": ENDS[end], "markersize": 6}
        axes.plot([], [], **look, markerfacecolor="white", label=name)
    for limit in sorted({s.limit for s in plot.series if s.limit is not None}):
        name = f"lower limit: below the minimum intensity ({f'{limit:g} {plot.x.unit}'.strip()})"
        axes.plot([], [], **{**LIMITED, "color": "#444444"}, label=plain(name))
    named_values(plot, axes)
    period_axis(plot, axes)
    legend(plot, axes)


def _ends(axes: Axes, points: Sequence[tuple[float, float, int]], look: Look) -> None:
    """Mark what is only known to be below (an open triangle that points down) or at least that."""
    for end, marker in ENDS.items():
        if marked := [(x, y) for x, y, e in points if e == end]:
            looks = {"color": look["color"], "zorder": look["zorder"], "alpha": look.get("alpha")}
            style = {"linestyle": "", "marker": marker, "markersize": 6, "clip_on": False}
            axes.plot(*zip(*marked), **looks, **style, markerfacecolor="white", label="_")


def _looks(series: Sequence[Series]) -> list[tuple[Series, Look]]:
    """Return each series with how its line is drawn; realizations first, the mean last, on top."""
    groups = list(dict.fromkeys(s.group for s in series))
    single = [s for s in series if s.kind.startswith("rlz-")]
    if len({s.kind for s in single}) == 1:
        single = single[:1]  # one realization, maybe of several groups
    statistics = any(not s.kind.startswith("rlz-") for s in series)
    named = len(single) <= NAMED_REALIZATIONS and len(groups) == 1
    # different without colours: by their styles, or by markers where a style is a statistic
    styled = len({s.kind for s in series}) == 1
    quantiles = list(dict.fromkeys(s.kind for s in series if s.kind.startswith("quantile-")))
    cycle = itertools.cycle(itertools.product(STYLES, COLORS))
    told: set[str] = set()
    found = []
    for s, label in zip(series, labels(series)):
        many = len(groups) > 1
        number = groups.index(s.group)
        color = COLORS[number % len(COLORS)] if many else "black"
        style = GROUP_STYLES[(number + number // 20) % len(GROUP_STYLES)]
        look = {"color": color, "label": plain(label), "zorder": 4, "linewidth": 2.0}
        look["linestyle"] = style if styled else "-"
        if many and not styled and not s.kind.startswith("rlz-"):
            look["marker"] = MARKERS[number % len(MARKERS)]
        if s.kind.startswith("rlz-"):
            look.update(linewidth=0.9, zorder=2, linestyle="-")
            if named and len(single) > 1:
                look["linestyle"], look["color"] = next(cycle)
                look["zorder"] = 5  # few: seen on the mean, where they are near it
            elif len(single) > 1:
                look.update(linewidth=0.5, alpha=0.45, color=color if many else "#8a8a8a")
                of_group = sum(r.group == s.group for r in single)
                name = f"{of_group} realizations" + (f", {s.group}" if s.group else "")
                look["label"] = "_" if name in told else plain(name)
                told.add(name)
            elif not statistics:
                look.update(linewidth=1.6, linestyle=look["linestyle"] if not styled else style)
        elif s.kind.startswith("quantile-"):
            position = quantiles.index(s.kind)
            look.update(linewidth=1.3, linestyle=QUANTILE_STYLES[position % 4], zorder=3)
            if not many:
                look["color"] = COLORS[position % len(COLORS)]
        elif s.kind in ("max", "std"):
            look.update(linewidth=1.1, linestyle="-.", zorder=3)
            look["color"] = look["color"] if many else "#b2182b" if s.kind == "max" else "#666666"
        elif not many:
            look.update(linewidth=2.4)
        if s.colors:
            look["color"] = s.colors[0]
        found.append((s, look))
    return sorted(found, key=lambda pair: pair[1]["zorder"])


def _log_axes(plot: Plot, axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator

    # one set of limits for both: what is below the lowest probability is not shown
    floor = LOWEST_POE if plot.y.log else -math.inf
    shown = [
        (x, y)
        for s in plot.series
        for x, y in zip(s.x, s.y)
        if math.isfinite(x) and math.isfinite(y) and y > floor and (x > 0 or not plot.x.log)
    ]
    for axis, log, i in ((axes.xaxis, plot.x.log, 0), (axes.yaxis, plot.y.log, 1)):
        if not log:
            if (plot.x, plot.y)[i].label:
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            continue
        (axes.set_xscale if i == 0 else axes.set_yscale)("log")
        values = [point[i] for point in shown]
        if not values:
            continue
        low, high = min(values), max(values)
        if i == 1 and high <= 1:
            low, top = 10 ** math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
            high = 10.0**top if plot.y.unit else 1.0  # of a probability
        (axes.set_xlim if i == 0 else axes.set_ylim)(low, high if high > low else low * 10)
        axis.set_major_locator(LogLocator(numticks=20))
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=20))
        if low >= 1e-4 and high < 1e7:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            if high / low < 1e3:
                axis.set_minor_formatter(FuncFormatter(_minor))
        else:
            axis.set_major_formatter(LogFormatterMathtext())
    axes.tick_params(which="minor", labelsize=7, labelcolor="#777777")


def _minor(value: float, _: int) -> str:
    """Label 2 and 5 between the powers of ten."""
    digit = round(value / 10 ** math.floor(math.log10(value) + 1e-9))
    return f"{value:,.10g}" if digit in (2, 5) else ""
