"""Draw a figure with matplotlib, which is imported here only and may be missing.

Never by ``pyplot``: it keeps windows and state of its own, and algorithms run in worker threads.
"""

from __future__ import annotations

import importlib
import itertools
import math
import re
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..engine.errors import EngineError
from ..outputs.plots.plot import BARS, GRID, LINES, STACKS, Axis, Plot, Series, labels

SIZE = (7.6, 5.0)  # inches
DOTS = 200  # per inch
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
"""Told apart also by the colour-blind (after Okabe and Ito); beyond ten, lines are dashed."""

STYLES = ("-", (0, (6, 2)), (0, (1.5, 1.5)))
QUANTILE_STYLES = ((0, (5, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (1, 1)))
SHARES = "RdPu"  # colour map of contributions, as on maps of them
BAR = "#a6569b"
NAMED_REALIZATIONS = 20
"""As many have a line and a name each; more are grey, with one name."""

LOWEST_POE = 1e-6  # probabilities below are the tail of a tail; the table has them
NUMBERED_BARS = 12
DOTTED = 40  # points of a line that are marked
ENDS = {-1: "v", 1: "^"}
"""Markers of values beyond their curves, as ``Series.ends`` has them."""
FALLBACK_FONTS = (
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans CJK JP",
    "Nirmala UI",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "FreeSans",
)
"""For descriptions in scripts that matplotlib's own font does not have."""


def require() -> None:
    """Raise :class:`EngineError` where matplotlib is missing or broken."""
    try:
        importlib.import_module("matplotlib.figure")
    except Exception as error:
        raise EngineError(
            "Plot Output needs the Python package matplotlib, which this QGIS does not have "
            f"({error}). Install it (Debian, Ubuntu: python3-matplotlib; Windows: OSGeo4W Setup, "
            "python3-matplotlib), or plot the table of Load Output as Layer with another program."
        ) from error


def draw(plot: Plot, path: Path, fmt: str, about: str = "") -> None:
    """Draw a figure to a file, as ``png`` or ``svg``; ``about`` is stored with it.

    Raises :class:`EngineError` where matplotlib is missing or the file cannot be written.
    """
    require()
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "font.family": _fonts(),
        "font.size": 9,
        "svg.fonttype": "none",  # texts stay texts
        "svg.hashsalt": "openquake",
        "text.usetex": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that no font has
        figure = Figure(figsize=SIZE, dpi=DOTS, facecolor="white")
        axes = figure.add_subplot()
        {LINES: _lines, BARS: _bars, STACKS: _bars, GRID: _grid}[plot.form](plot, axes)
        axes.spines[["top", "right"]].set_visible(plot.form == GRID)
        axes.tick_params(labelsize=8.5)
        figure.tight_layout(rect=(0, 0, 1, _titles(plot, figure)), pad=0.9)
        metadata = {"Title": plot.title, "Description": about}
        metadata.update({"Date": None} if fmt == "svg" else {"Software": "OpenQuake for QGIS"})
        try:
            figure.savefig(path, format=fmt, metadata=metadata)
        except OSError as error:
            raise EngineError(f"{path.name} cannot be written ({error.strerror}).") from error


def _fonts() -> list[str]:
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FALLBACK_FONTS if name in there)]


def _plain(text: str) -> str:
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def _titles(plot: Plot, figure) -> float:
    """Write title and subtitle; return the height below them, 0..1."""
    # a site's number stays with its word
    text = re.sub(
        r"\b(site|asset) \S+( \([-\d.e]+, [-\d.e]+\))?",
        lambda match: match[0].replace(" ", "\u00a0"),
        plot.title,
    )
    title = textwrap.wrap(text, 80)
    lines = [part for line in plot.subtitle.splitlines() for part in textwrap.wrap(line, 118)]
    top = 0.985
    for words, size, look in (
        (title, 11, {"fontweight": "bold"}),
        (lines, 8, {"color": "#555555"}),
    ):
        shown = _plain("\n".join(words))
        figure.text(0.015, top, shown, ha="left", va="top", fontsize=size, linespacing=1.35, **look)
        top -= len(words) * size * 1.4 / 72 / SIZE[1]
    return top


# --- lines


def _lines(plot: Plot, axes) -> None:
    x_scale, x_title = _scale(plot.x, [x for s in plot.series for x in s.x])
    y_scale, y_title = _scale(plot.y, [y for s in plot.series for y in s.y])
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
            axes.plot(*zip(*line), **look, marker="o" if dots else "", markersize=3.5)
            _ends(axes, points, look)
    axes.set_xlabel(_plain(x_title))
    axes.set_ylabel(_plain(y_title))
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
    _legend(plot, axes)


def _ends(axes, points: Sequence[tuple[float, float, int]], look: dict) -> None:
    """Mark what is only known to be below (an open triangle that points down) or at least that."""
    for end, marker in ENDS.items():
        if marked := [(x, y) for x, y, e in points if e == end]:
            looks = {"color": look["color"], "zorder": look["zorder"], "alpha": look.get("alpha")}
            style = {"linestyle": "", "marker": marker, "markersize": 6, "clip_on": False}
            axes.plot(*zip(*marked), **looks, **style, markerfacecolor="white", label="_")


def _looks(series: Sequence[Series]) -> list[tuple[Series, dict]]:
    """Return each series with how its line is drawn; realizations first, the mean last, on top."""
    groups = list(dict.fromkeys(s.group for s in series))
    single = [s for s in series if s.kind.startswith("rlz-")]
    statistics = len(single) < len(series)
    named = len(single) <= NAMED_REALIZATIONS and len(groups) == 1
    quantiles = list(dict.fromkeys(s.kind for s in series if s.kind.startswith("quantile-")))
    cycle = itertools.cycle(itertools.product(STYLES, COLORS))
    told: set[str] = set()
    found = []
    for s, label in zip(series, labels(series)):
        many = len(groups) > 1
        number = groups.index(s.group)
        color = COLORS[number % len(COLORS)] if many else "black"
        style = STYLES[number // len(COLORS) % len(STYLES)]
        look = {"color": color, "label": _plain(label), "zorder": 4, "linewidth": 2.0}
        look["linestyle"] = style
        if s.kind.startswith("rlz-"):
            look.update(linewidth=0.9, zorder=2, linestyle="-")
            if named and len(single) > 1:
                look["linestyle"], look["color"] = next(cycle)
                look["zorder"] = 5  # few: seen on the mean, where they are near it
            elif len(single) > 1:
                look.update(linewidth=0.5, alpha=0.45, color=color if many else "#8a8a8a")
                of_group = sum(r.group == s.group for r in single)
                name = f"{of_group} realizations" + (f", {s.group}" if s.group else "")
                look["label"] = "_" if name in told else _plain(name)
                told.add(name)
            elif not statistics:
                look.update(linewidth=1.6)
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
        found.append((s, look))
    return sorted(found, key=lambda pair: pair[1]["zorder"])


def _scale(axis: Axis, values: Sequence[float]) -> tuple[float, str]:
    """Return what large values are divided by, and the title of the axis that says so."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if axis.log or largest < 1e6:
        return 1.0, axis.title
    factor, word = (1e9, "billion") if largest >= 1e9 else (1e6, "million")
    return factor, f"{axis.label} [{f'{word} {axis.unit}'.strip()}]"


def _log_axes(plot: Plot, axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator

    # one set of limits for both: what is below the lowest probability is not shown
    floor = LOWEST_POE if plot.y.log else 0.0
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
            low, high = 10 ** math.floor(math.log10(low) + 1e-9), 1.0
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


def _legend(plot: Plot, axes) -> None:
    kept = [(h, label) for h, label in zip(*axes.get_legend_handles_labels()) if label]
    if len(kept) < 2 and not plot.legend:
        return
    # thick lines, which are drawn last, stand first
    order = {_plain(label): i for i, label in enumerate(labels(plot.series))}
    kept.sort(key=lambda pair: order.get(pair[1], len(order)))
    options: dict = {"fontsize": 8 if len(kept) <= 14 else 7, "title": plot.legend or None}
    options.update(frameon=True, framealpha=0.9, edgecolor="#cccccc", fancybox=False)
    if len(kept) <= 6:
        # curves of probability fall to the right
        options["loc"] = "lower left" if plot.form == LINES and plot.y.log else "best"
    else:
        options.update(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
        options["ncol"] = 1 if len(kept) <= 24 else 2
    legend = axes.legend(*zip(*kept), handlelength=2.6, **options)
    for line in legend.get_lines():  # those that are many and faint can be seen here
        line.set_alpha(1)
        line.set_linewidth(max(line.get_linewidth(), 0.9))


# --- bars


def _bars(plot: Plot, axes) -> None:
    from matplotlib.ticker import FuncFormatter

    y_scale, y_title = _scale(plot.y, [y for s in plot.series for y in s.y])
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
            label=_plain(label),
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
    axes.set_xlabel(_plain(plot.x.title))
    axes.set_ylabel(_plain(textwrap.fill(y_title, 60)))
    if plot.x.categories:
        names = [textwrap.fill(name, 16) for name in plot.x.categories]
        axes.set_xticks(range(len(names)), [_plain(name) for name in names])
        axes.tick_params(axis="x", length=0)
    else:
        axes.set_xlim(plot.x_edges[0], plot.x_edges[-1])
        _edge_ticks(plot.x_edges, axes.xaxis)
    _legend(plot, axes)


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


def _edge_ticks(edges: Sequence[float], axis) -> None:
    """Put ticks at the limits of the bins, at every second or so where they are many."""
    step = math.ceil(len(edges) / 15)
    axis.set_ticks(edges[::step], [f"{float(f'{edge:.6g}'):g}" for edge in edges[::step]])


# --- grids


def _grid(plot: Plot, axes) -> None:
    import numpy as np

    values = np.array(plot.values, dtype=float)
    shown = np.ma.masked_where(~(values > 0), values)  # where nothing comes from, nothing is drawn
    mesh = axes.pcolormesh(
        plot.x_edges,
        plot.y_edges,
        shown,
        cmap=SHARES,
        vmin=0,
        edgecolors="#f4f4f4",
        linewidth=0.3,
    )
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(_plain(plot.value_label))
    bar.outline.set_visible(False)
    if plot.mark:
        axes.plot(*plot.mark, "*", color="black", markersize=11, markeredgecolor="white")
        axes.set_aspect(1 / max(math.cos(math.radians(plot.mark[1])), 0.05))
    else:
        _edge_ticks(plot.x_edges, axes.xaxis)
        _edge_ticks(plot.y_edges, axes.yaxis)
    axes.set_xlabel(_plain(plot.x.title))
    axes.set_ylabel(_plain(plot.y.title))
