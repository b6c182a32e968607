"""Draw bars one upon the other on a plane: magnitude, distance and ε of a disaggregation."""

from __future__ import annotations

import importlib
from typing import Any

from ..engine.errors import EngineError
from ..outputs.plots.plot import Plot
from .axes import Axes, plain

ELEVATION, AZIMUTH = 32, -52  # degrees: distance to the right, magnitude to the back
WIDTH = 0.72  # of a bin
LEAST = 0.05  # %: what is smaller cannot be seen
COLORS = ("#fde725", "#addc30", "#5ec962", "#21918c", "#3b528b")
"""From light to dark, so that print in grey keeps the order; distinct to the colour-blind."""


def add_towers(figure: Any) -> Axes:
    """Add axes of three dimensions. Raises :class:`EngineError` where matplotlib has none."""
    try:
        importlib.import_module("mpl_toolkits.mplot3d")
    except ImportError as error:
        raise EngineError(
            "Bars of magnitude, distance and ε need mpl_toolkits.mplot3d, a part of matplotlib "
            f"that this QGIS does not have ({error}). Choose two dimensions: MEMBER=Mag_Dist."
        ) from error
    axes = figure.add_subplot(projection="3d")
    axes.computed_zorder = False  # each bar knows its own
    return axes


def draw_towers(plot: Plot, axes: Axes) -> None:
    """Draw the bars of each place from the back to the front, each series upon the one before."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch

    ramp = LinearSegmentedColormap.from_list("ε", COLORS)
    colors = [ramp(i / max(1, len(plot.series) - 1)) for i in range(len(plot.series))]
    heights: dict[tuple[int, int], list[float]] = {}
    for i, series in enumerate(plot.series):
        for x, row, height in zip(series.x, series.row, series.y):
            stack = heights.setdefault((int(x), int(row)), [0.0] * len(plot.series))
            stack[i] += height
    used = [place for place, stack in heights.items() if max(stack) > LEAST] or [(0, 0)]
    # empty bins at the ends are left out
    (left, right), (front, back) = ((min(of), max(of) + 1) for of in zip(*used))
    # the farthest from the eye first: large magnitudes, short distances
    order = sorted(heights, key=lambda place: (-place[1], place[0]))
    for number, (x, row) in enumerate(order):
        bottom = 0.0
        for i, height in enumerate(heights[x, row]):
            if height > LEAST:
                place = x + (1 - WIDTH) / 2, row + (1 - WIDTH) / 2, bottom
                bars = axes.bar3d(*place, WIDTH, WIDTH, height, color=colors[i], shade=False)
                bars.set_edgecolor("#1a1a1a")
                bars.set_linewidth(0.4)
                bars.set_zorder(10 + number * len(plot.series) + i)
                bottom += height
    axes.set_xlim(left, right)
    axes.set_ylim(front, back)
    axes.set_zlim(bottom=0)
    for edges, axis, start, stop in (
        (plot.x_edges, axes.xaxis, left, right),
        (plot.y_edges, axes.yaxis, front, back),
    ):
        places = range(start, stop + 1, -(-(stop + 1 - start) // 10))
        axis.set_ticks(places, [f"{float(f'{edges[i]:.5g}'):g}" for i in places])
    axes.view_init(ELEVATION, AZIMUTH)
    axes.set_box_aspect((1.5, 1.2, 0.95), zoom=1.0)
    axes.set_xlabel(plain(plot.x.title), labelpad=7)
    axes.set_ylabel(plain(plot.second.title if plot.second else ""), labelpad=7)
    axes.zaxis.set_rotate_label(False)
    axes.set_zlabel(plain(plot.y.title), labelpad=4, rotation=90)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_facecolor("#fafafa")
        axis.pane.set_edgecolor("#bbbbbb")
    # as they lie: the uppermost first
    patches = [
        Patch(facecolor=color, edgecolor="#333333", linewidth=0.4, label=plain(s.group))
        for s, color in zip(plot.series, colors)
    ][::-1]
    looks = {"fontsize": 8, "edgecolor": "#cccccc", "fancybox": False, "loc": "upper right"}
    axes.legend(
        handles=patches,
        title=plain(plot.legend),
        bbox_to_anchor=(0.985, 0.8),
        bbox_transform=axes.figure.transFigure,
        **looks,
    )
