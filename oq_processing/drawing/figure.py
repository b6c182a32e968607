"""Draw a figure with matplotlib, which is imported here only and may be missing.

Never by ``pyplot``: it keeps windows and state of its own, and algorithms run in worker threads.
"""

from __future__ import annotations

import importlib
import re
import textwrap
import warnings
from pathlib import Path
from typing import Any, Callable

from ..engine.errors import EngineError
from ..outputs.plots.plot import (
    BARS,
    GRID,
    HISTOGRAM,
    LINES,
    RANKED,
    STACKS,
    STEPS,
    TOWERS,
    Plot,
)
from .axes import Axes, plain
from .bars import draw_bars, draw_grid, draw_histogram, draw_ranked, draw_steps
from .lines import draw_lines
from .towers import add_towers, draw_towers

SIZE = (7.6, 5.0)  # inches
DOTS = 200  # per inch

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


_FORMS: dict[str, Callable[[Plot, Axes], None]] = {
    LINES: draw_lines,
    BARS: draw_bars,
    STACKS: draw_bars,
    GRID: draw_grid,
    STEPS: draw_steps,
    HISTOGRAM: draw_histogram,
    RANKED: draw_ranked,
    TOWERS: draw_towers,
}


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

    settings = {
        "font.family": _fonts(),
        "font.size": 9,
        "svg.fonttype": "none",  # texts stay texts
        "svg.hashsalt": "openquake",
        "text.usetex": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that no font has
        figure = compose(plot)
        metadata: dict[str, str | None] = {"Title": plot.title, "Description": about}
        metadata.update({"Date": None} if fmt == "svg" else {"Software": "OpenQuake for QGIS"})
        try:
            figure.savefig(path, format=fmt, metadata=metadata)
        except OSError as error:
            raise EngineError(f"{path.name} cannot be written ({error.strerror}).") from error


def compose(plot: Plot) -> Any:
    """Return a figure of matplotlib, drawn but not written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS, facecolor="white")
    axes = add_towers(figure) if plot.form == TOWERS else figure.add_subplot()
    _FORMS[plot.form](plot, axes)
    if plot.form != TOWERS:
        axes.spines[["top", "right"]].set_visible(plot.form == GRID)
    for part in figure.axes:
        part.tick_params(labelsize=8.5)
    top = _titles(plot, figure)
    if plot.form == TOWERS:
        figure.subplots_adjust(left=0.02, right=0.9, bottom=0.06, top=top + 0.02)
    else:
        figure.tight_layout(rect=(0, 0, 1, top), pad=0.9)
    return figure


def _fonts() -> list[str]:
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FALLBACK_FONTS if name in there)]


def _titles(plot: Plot, figure: Any) -> float:
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
        shown = plain("\n".join(words))
        figure.text(0.015, top, shown, ha="left", va="top", fontsize=size, linespacing=1.35, **look)
        top -= len(words) * size * 1.4 / 72 / SIZE[1]
    return top
