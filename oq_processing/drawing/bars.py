"""Draw bars side by side, bars in stacks, and grids of cells."""

from __future__ import annotations

import math
import textwrap

from ..outputs.core.lazy import np
from ..outputs.plots.plot import STACKS, Plot, labels
from .axes import COLORS, Axes, edge_ticks, legend, plain, scale

SHARES = "RdPu"  # colour map of contributions, as on maps of them
BAR = "#a6569b"
NUMBERED_BARS = 12


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
