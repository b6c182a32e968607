"""Pictures, as matplotlib has them before they are written: limits, lines, names."""

import math

import pytest

from oq_processing.drawing import figure
from oq_processing.outputs.core.table import small_table
from oq_processing.outputs.plots.plot import LINES, Axis, Plot, Series


def of(form=LINES, **about) -> Plot:
    defaults = {
        "title": "Title",
        "subtitle": "Calculation 5: a job",
        "x": Axis("Length", "m"),
        "y": Axis("Width", "m"),
        "table": small_table("", (), ()),
    }
    return Plot(form=form, **{**defaults, **about})


def names(axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def drawn_lines(axes) -> list[tuple[list[float], list[float]]]:
    lines = [line for line in axes.get_lines() if line.get_transform() == axes.transData]
    return [
        (list(line.get_xdata()), list(line.get_ydata())) for line in lines if len(line.get_xdata())
    ]


def test_zeros_stay_on_a_linear_axis():
    losses = Series((1.0, 2.0, 5.0, 10.0), (0.0, 0.0, 3.0, 4.0))
    [axes] = figure.compose(of(series=(losses,), x=Axis("Period", log=True))).axes
    assert axes.get_xlim() == (1.0, 10.0)
    assert drawn_lines(axes) == [([*losses.x], [*losses.y])]
    [axes] = figure.compose(of(series=(losses,), y=Axis("P", log=True))).axes
    assert drawn_lines(axes) == [([5.0, 10.0], [3.0, 4.0])]


def test_the_axis_of_return_periods():
    curve = Series((0.1, 1.0), (0.9, 0.001))
    axis = Axis("PoE", log=True)
    plot = of(series=(curve,), y=axis, periods=lambda period: -math.expm1(-50 / period))
    left, right = figure.compose(plot).axes
    assert right.get_ylim() == left.get_ylim() == (0.001, 1.0)
    ticks = dict(zip((t.get_text() for t in right.get_yticklabels()), right.get_yticks()))
    assert [*ticks] == [
        "10",
        "50",
        "100",
        "200",
        "500",
        "1,000",
        "2,000",
        "5,000",
        "10,000",
        "20,000",
    ]
    assert ticks["500"] == pytest.approx(1 - math.exp(-0.1))
    assert right.get_ylabel() == "Return period [years]"


def test_lines_at_the_probabilities_of_the_job():
    curve = Series((0.1, 1.0), (0.9, 0.001))
    levels = ((0.1, "475-year"), (0.0999, "hidden"), (0.02, "2475-year"))
    [axes] = figure.compose(of(series=(curve,), y=Axis("PoE", log=True), levels=levels)).axes
    heights = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linewidth() == 0.8]
    assert sorted(heights) == [0.02, 0.0999, 0.1]
    # names that would be on each other are left out
    assert [text.get_text() for text in axes.texts] == ["475-year", "2475-year"]


def test_the_part_of_a_curve_that_is_a_lower_limit_is_dashed():
    curve = Series((0.01, 0.02, 0.1, 1.0), (0.9, 0.9, 0.5, 0.001), limit=0.05)
    plot = of(series=(curve,), x=Axis("PGA", "g", log=True), y=Axis("PoE", log=True))
    [axes] = figure.compose(plot).axes
    dashed, whole = [line for line in axes.get_lines() if len(line.get_xdata())]
    assert list(dashed.get_xdata()) == [0.01, 0.02, 0.1]
    assert list(whole.get_xdata()) == [0.1, 1.0]
    assert (dashed.is_dashed(), whole.is_dashed()) == (True, False)
    assert names(axes) == ["Mean", "lower limit: below the minimum intensity (0.05 g)"]


def test_curves_differ_without_colours():
    curves = [Series((0.1, 1.0), (0.9, 0.1), group=f"T{i}") for i in range(40)]
    [axes] = figure.compose(of(series=tuple(curves))).axes
    styles = {(line.get_color(), str(line._dash_pattern)) for line in axes.get_lines()}
    assert len(styles) == 40
    [axes] = figure.compose(of(series=tuple(curves[:4]))).axes
    assert len({str(line._dash_pattern) for line in axes.get_lines()}) == 4
    # where the style is the statistic, markers distinguish groups
    both = [
        Series(s.x, s.y, kind, s.group) for s in curves[:4] for kind in ("mean", "quantile-0.5")
    ]
    [axes] = figure.compose(of(series=tuple(both))).axes
    assert len({line.get_marker() for line in axes.get_lines()}) == 4
