"""What lines, bars and grids have in common: colours, scales, ticks and the legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..outputs.plots.plot import LINES, Axis, Plot, labels

Axes = Any
"""Of matplotlib, which has no types before 3.8."""

Look = dict[str, Any]
"""Keywords of matplotlib that say how something is drawn."""

COLORS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7a5195",
    "#6b6b00",
    "#8c2d04",
    "#444444",
)
"""Distinct also to the colour-blind (after Okabe and Ito); beyond ten, lines are dashed."""


def plain(text: str) -> str:
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def scale(axis: Axis, values: Sequence[float]) -> tuple[float, str]:
    """Return what large values are divided by, and the title of the axis that says so."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if axis.log or largest < 1e6:
        return 1.0, axis.title
    factor, word = (1e9, "billion") if largest >= 1e9 else (1e6, "million")
    return factor, f"{axis.label} [{f'{word} {axis.unit}'.strip()}]"


def edge_ticks(edges: Sequence[float], axis: Any) -> None:
    """Put ticks at the limits of the bins, at every second or so where they are many."""
    step = math.ceil(len(edges) / 15)
    axis.set_ticks(edges[::step], [f"{float(f'{edge:.6g}'):g}" for edge in edges[::step]])


PERIODS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))
"""Return periods in years that an axis of them may have."""

APART = 0.028  # of the height: ticks and names that are nearer are left out


def named_values(plot: Plot, axes: Axes) -> None:
    """Draw a thin line with its name at each of the plot's levels (of y) and marks (of x)."""
    look = {"color": "#555555", "linewidth": 0.8, "linestyle": (0, (6, 3)), "zorder": 3.5}
    words = {"color": "#333333", "fontsize": 7.5, "zorder": 6}
    used: list[float] = []
    low, high = sorted(axes.get_ylim())
    for y, name in sorted(plot.levels, reverse=True):
        if not low <= y <= high:
            continue
        axes.axhline(y, **look)
        height = axes.transAxes.inverted().transform(axes.transData.transform((1, y)))[1]
        if all(abs(height - other) > 1.3 * APART for other in used):
            used.append(height)
            place = (0.012, height + 0.005)
            axes.text(*place, plain(name), transform=axes.transAxes, va="bottom", **words)
    top = axes.get_ylim()[1]
    for x, name in plot.marks:
        axes.axvline(x, **look)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axes.text(x, top, plain(name), rotation=90, ha="right", va="top", bbox=box, **words)


def period_axis(plot: Plot, axes: Axes) -> None:
    """Add an axis of return periods on the right, where the plot has them."""
    if plot.periods is None:
        return
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    right = axes.twinx()
    right.set_yscale(axes.get_yscale())
    low, high = axes.get_ylim()
    right.set_ylim(low, high)
    ticks: list[tuple[float, float]] = []
    # powers of ten first: the others only where they have room
    for period in sorted(PERIODS, key=lambda p: (round(math.log10(p) % 1, 6) > 0, p)):
        y = plot.periods(period)
        if not low <= y < high:
            continue
        height = math.log(y / low) / math.log(high / low)
        if all(abs(height - other) > APART for _, other in ticks):
            ticks.append((period, height))
    ticks.sort()
    right.yaxis.set_major_locator(FixedLocator([plot.periods(p) for p, _ in ticks]))
    right.yaxis.set_major_formatter(FixedFormatter([f"{p:,}" for p, _ in ticks]))
    right.yaxis.set_minor_locator(NullLocator())
    right.set_ylabel("Return period [years]")
    right.spines["top"].set_visible(False)


def legend(plot: Plot, axes: Axes) -> None:
    """Add the legend where there is more than one name, or where the plot has a title for it."""
    from matplotlib.transforms import ScaledTranslation

    kept = [(h, label) for h, label in zip(*axes.get_legend_handles_labels()) if label]
    if len(kept) < 2 and not plot.legend:
        return
    # thick lines, which are drawn last, stand first
    order = {plain(label): i for i, label in enumerate(labels(plot.series))}
    kept.sort(key=lambda pair: order.get(pair[1], len(order)))
    options: Look = {"fontsize": 8 if len(kept) <= 14 else 7, "title": plot.legend or None}
    options.update(frameon=True, framealpha=0.9, edgecolor="#cccccc", fancybox=False)
    if len(kept) <= 6:
        # curves of probability fall to the right
        options["loc"] = "lower left" if plot.form == LINES and plot.y.log else "best"
    else:
        options.update(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
        if plot.periods is not None:  # beside the axis of return periods
            away = ScaledTranslation(0.85, 0, axes.figure.dpi_scale_trans)
            options["bbox_transform"] = axes.transAxes + away
        options["ncol"] = 1 if len(kept) <= 24 else 2
    legend = axes.legend(*zip(*kept), handlelength=2.6, **options)
    for line in legend.get_lines():  # those that are many and faint can be seen here
        line.set_alpha(1)
        line.set_linewidth(max(line.get_linewidth(), 0.9))
