"""Draw bars side by side, bars in stacks, and grids of cells."""

from __future__ import annotations

import math
import textwrap
from dataclasses import replace

from ..outputs.core.lazy import np
from ..outputs.plots.plot import STACKS, Plot, labels
from .axes import COLORS, Axes, edge_ticks, legend, named_values, period_axis, plain, scale

SHARES = "RdPu"  # colour map of contributions, as on maps of them
BAR = "#a6569b"
NUMBERED_BARS = 12
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")
"""Of bars side by side or stacked, which differ without colours, too."""


def draw_bars(plot: Plot, axes: Axes) -> None:
    """Draw each series as bars, one upon the other if the plot says so."""
    from matplotlib.ticker import FuncFormatter

    y_scale, y_title = scale(plot.y, [y for s in plot.series for y in s.y])
    count = len(plot.series)
    bottoms: dict[float, float] = {}
    for i, (s, label) in enumerate(zip(plot.series, labels(plot.series))):
        heights = [0.0 if math.isnan(y) else y / y_scale for y in s.y]
        lefts, widths = [], []
        for x in s.x:
            left, right = _bar(plot, int(x))
            share = (right - left) / (1 if plot.form == STACKS else count)
            lefts.append(left + (0 if plot.form == STACKS else i * share))
            widths.append(share)
        below = [bottoms.get(x, 0.0) for x in s.x] if plot.form == STACKS else 0.0
        color = list(s.colors) or (BAR if count == 1 else COLORS[i % len(COLORS)])
        bars = axes.bar(
            lefts,
            heights,
            widths,
            below,
            align="edge",
            color=color,
            edgecolor="white" if not s.colors else "#444444",
            linewidth=0.6,
            hatch="" if count == 1 else HATCHES[i % len(HATCHES)],
            label=plain(label),
            zorder=3,
        )
        if plot.form == STACKS:
            bottoms.update({x: bottoms.get(x, 0.0) + h for x, h in zip(s.x, heights)})
        elif count == 1 and len(heights) <= NUMBERED_BARS:
            texts = [_number(y, plot.y.unit) for y in s.y]
            axes.bar_label(bars, texts, padding=2, fontsize=8)
    axes.grid(True, axis="y", color="#dddddd", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel(plain(plot.x.title))
    axes.set_ylabel(plain(textwrap.fill(y_title, 60)))
    if plot.x.categories:
        names = [textwrap.fill(name, 16) for name in plot.x.categories]
        axes.set_xticks(range(len(names)), [plain(name) for name in names])
        axes.tick_params(axis="x", length=0)
    else:
        axes.set_xlim(plot.x_edges[0], plot.x_edges[-1])
        edge_ticks(plot.x_edges, axes.xaxis)
    legend(plot, axes)


def _bar(plot: Plot, place: int) -> tuple[float, float]:
    if plot.x.categories:
        return place - 0.35, place + 0.35
    return plot.x_edges[place], plot.x_edges[place + 1]


def _number(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    if unit == "%":
        return f"{value:.1f}%" if value >= 0.05 or value == 0 else "< 0.1%"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def draw_grid(plot: Plot, axes: Axes) -> None:
    """Draw the cells of a grid, the darker the larger."""
    values = np.array(plot.values, dtype=float)
    # where nothing comes from, nothing is drawn
    shown = np.where(values > 0, values, np.nan)
    mesh = axes.pcolormesh(
        plot.x_edges, plot.y_edges, shown, cmap=SHARES, vmin=0, edgecolors="#f4f4f4", linewidth=0.3
    )
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(plain(plot.value_label))
    bar.outline.set_visible(False)
    if plot.mark:
        axes.plot(*plot.mark, "*", color="black", markersize=11, markeredgecolor="white")
        axes.set_aspect(1 / max(math.cos(math.radians(plot.mark[1])), 0.05))
    else:
        edge_ticks(plot.x_edges, axes.xaxis)
        edge_ticks(plot.y_edges, axes.yaxis)
    axes.set_xlabel(plain(plot.x.title))
    axes.set_ylabel(plain(plot.y.title))


def draw_steps(plot: Plot, axes: Axes) -> None:
    """Draw bars of each bin, and a stair of their sum from there on, on a logarithmic axis."""
    each, above = plot.series
    edges = plot.x_edges
    shown = [i for i, y in enumerate(each.y) if y > 0]
    lowest = min(y for y in (*each.y, *above.y) if y > 0)
    axes.set_yscale("log")
    bottom = 10 ** math.floor(math.log10(lowest) - 0.3)
    lefts, widths = [edges[i] for i in shown], [edges[i + 1] - edges[i] for i in shown]
    heights = [each.y[i] - bottom for i in shown]
    look = {"align": "edge", "color": "#56b4e9", "edgecolor": "#1f5f86", "linewidth": 0.6}
    axes.bar(lefts, heights, widths, bottom, **look, label=plain(each.group), zorder=2)
    stair = {"where": "post", "color": "black", "linewidth": 1.8, "zorder": 3}
    axes.step(edges, [*above.y, above.y[-1]], **stair, label=plain(above.group))
    axes.set_ylim(bottom, 10 ** math.ceil(math.log10(max(above.y)) + 0.05))
    margin = max(0.1, 0.03 * (edges[-1] - edges[0]))
    axes.set_xlim(edges[0] - margin, edges[-1] + margin)
    axes.grid(True, which="major", axis="y", color="#d0d0d0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(plain(plot.x.title))
    axes.set_ylabel(plain(plot.y.title))
    period_axis(plot, axes)
    legend(plot, axes)


def draw_histogram(plot: Plot, axes: Axes) -> None:
    """Draw the bars of an axis of numbers, each from edge to edge."""
    from matplotlib.ticker import FuncFormatter

    [series] = plot.series
    x_scale, x_title = scale(plot.x, plot.x_edges)
    edges = [edge / x_scale for edge in plot.x_edges]
    widths = [right - left for left, right in zip(edges, edges[1:])]
    look = {"align": "edge", "color": "#c9a0c5", "edgecolor": "#6b3a67", "linewidth": 0.6}
    axes.bar(edges[:-1], series.y, widths, **look, zorder=2)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(True, axis="y", color="#dddddd", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel(plain(x_title))
    axes.set_ylabel(plain(plot.y.title))
    named_values(replace(plot, marks=tuple((x / x_scale, name) for x, name in plot.marks)), axes)


def draw_ranked(plot: Plot, axes: Axes) -> None:
    """Draw bars from left to right, the first on top, each with its number."""
    from matplotlib.ticker import FuncFormatter

    [series] = plot.series
    y_scale, y_title = scale(plot.y, series.y)
    values = [0.0 if math.isnan(y) else y / y_scale for y in series.y]
    places = range(len(values))
    bars = axes.barh(places, values, 0.7, color=BAR, zorder=3)
    texts = [_number(y / y_scale, plot.y.unit) for y in series.y]
    axes.bar_label(bars, texts, padding=3, fontsize=8 if len(values) <= NUMBERED_BARS else 7)
    names = [textwrap.shorten(name, 40, placeholder="…") for name in plot.x.categories]
    axes.set_yticks(places, [plain(name) for name in names])
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.13)
    axes.set_xlim(left=min(0.0, *values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(True, axis="x", color="#dddddd", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel(plain(textwrap.fill(y_title, 80)))
    axes.set_ylabel(plain(plot.x.label))
