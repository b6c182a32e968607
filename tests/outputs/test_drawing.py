"""Pictures, as matplotlib has them before they are written: limits, lines, names."""

import math
import sys

import pytest
from helpers import plot_of

from oq_processing.drawing import figure
from oq_processing.engine.errors import EngineError
from oq_processing.outputs.plots.plot import (
    BARS,
    HISTOGRAM,
    RANKED,
    STACKS,
    STEPS,
    TOWERS,
    Axis,
    Series,
)


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
    [axes] = figure.compose(plot_of(series=(losses,), x=Axis("Period", log=True))).axes
    assert axes.get_xlim() == (1.0, 10.0)
    assert drawn_lines(axes) == [([*losses.x], [*losses.y])]
    [axes] = figure.compose(plot_of(series=(losses,), y=Axis("P", log=True))).axes
    assert drawn_lines(axes) == [([5.0, 10.0], [3.0, 4.0])]


def test_the_axis_of_return_periods():
    curve = Series((0.1, 1.0), (0.9, 0.001))
    axis = Axis("PoE", log=True)
    plot = plot_of(series=(curve,), y=axis, periods=lambda period: -math.expm1(-50 / period))
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
    [axes] = figure.compose(plot_of(series=(curve,), y=Axis("PoE", log=True), levels=levels)).axes
    heights = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linewidth() == 0.8]
    assert sorted(heights) == [0.02, 0.0999, 0.1]
    # names that would be on each other are left out
    assert [text.get_text() for text in axes.texts] == ["475-year", "2475-year"]
    below = ((0.1, "475-year"), (1e-5, "rare"))
    [axes] = figure.compose(plot_of(series=(curve,), y=Axis("PoE", log=True), levels=below)).axes
    assert [text.get_text() for text in axes.texts] == ["475-year"]
    assert axes.get_ylim() == (0.001, 1.0)


def test_the_part_of_a_curve_that_is_a_lower_limit_is_dashed():
    curve = Series((0.01, 0.02, 0.1, 1.0), (0.9, 0.9, 0.5, 0.001), limit=0.05)
    plot = plot_of(series=(curve,), x=Axis("PGA", "g", log=True), y=Axis("PoE", log=True))
    [axes] = figure.compose(plot).axes
    dashed, whole = [line for line in axes.get_lines() if len(line.get_xdata())]
    assert list(dashed.get_xdata()) == [0.01, 0.02, 0.1]
    assert list(whole.get_xdata()) == [0.1, 1.0]
    assert (dashed.is_dashed(), whole.is_dashed()) == (True, False)
    assert names(axes) == ["Mean", "lower limit: below the minimum intensity (0.05 g)"]


def test_curves_differ_without_colours():
    curves = [Series((0.1, 1.0), (0.9, 0.1), group=f"T{i}") for i in range(40)]
    [axes] = figure.compose(plot_of(series=tuple(curves))).axes
    styles = {(line.get_color(), str(line._dash_pattern)) for line in axes.get_lines()}
    assert len(styles) == 40
    [axes] = figure.compose(plot_of(series=tuple(curves[:4]))).axes
    assert len({str(line._dash_pattern) for line in axes.get_lines()}) == 4
    # where the style is the statistic, markers distinguish groups
    both = [
        Series(s.x, s.y, kind, s.group) for s in curves[:4] for kind in ("mean", "quantile-0.5")
    ]
    [axes] = figure.compose(plot_of(series=tuple(both))).axes
    assert len({line.get_marker() for line in axes.get_lines()}) == 4


def bars_of(axes) -> list[tuple[float, float, float]]:
    """Left (or lower) end, height (or length) and bottom of each bar."""
    return [(bar.get_x(), bar.get_height(), bar.get_y()) for bar in axes.patches]


def test_a_realization_of_several_groups_is_drawn_as_others_are():
    curves = [Series((0.1, 1.0), (0.9, 0.1), "rlz-3", name) for name in ("A", "B")]
    [axes] = figure.compose(plot_of(series=tuple(curves))).axes
    assert names(axes) == ["A", "B"]
    assert {line.get_linewidth() for line in axes.get_lines()} == {1.6}


def test_a_band_and_a_marked_period():
    curve = Series((0.0, 1.0), (2.0, 3.0), group="A", low=(1.0, 2.0), high=(4.0, 6.0))
    other = Series((0.0, 1.0), (2.5, 3.5), group="B", colors=("black",))
    plot = plot_of(series=(curve, other), band="±2σ", marks=((0.5, "given"),))
    [axes] = figure.compose(plot).axes
    assert names(axes) == ["A", "B", "±2σ"]
    [band] = axes.collections
    edges = band.get_paths()[0].vertices
    assert (edges[:, 1].min(), edges[:, 1].max()) == (1.0, 6.0)
    assert [text.get_text() for text in axes.texts] == ["given"]
    [line] = [line for line in axes.get_lines() if line.get_linewidth() == 0.8]
    assert list(line.get_xdata()) == [0.5, 0.5]
    assert "black" in {line.get_color() for line in axes.get_lines()}


def test_bars_differ_without_colours():
    bars = tuple(Series((0.0, 1.0), (3.0, 4.0), group=name) for name in "ABC")
    for form in (BARS, STACKS):
        [axes] = figure.compose(plot_of(form, x_edges=(0.0, 1.0, 2.0), series=bars)).axes
        assert len({bar.get_hatch() for bar in axes.patches}) == 3


def test_frequencies_and_their_sum():
    each = Series((0.0, 1.0, 2.0), (0.1, 0.0, 0.01), group="each")
    above = Series((0.0, 1.0, 2.0), (0.11, 0.01, 0.01), group="above")
    plot = plot_of(
        STEPS, series=(each, above), x_edges=(5.0, 5.1, 5.2, 5.3), y=Axis("Rate", log=True)
    )
    axes = figure.compose(plot).axes[0]
    # no bar where there is nothing
    assert [(x, pytest.approx(y + height)) for x, height, y in bars_of(axes)] == [
        (5.0, 0.1),
        (5.2, 0.01),
    ]
    [stair] = axes.get_lines()
    assert list(stair.get_xdata()) == [5.0, 5.1, 5.2, 5.3]
    assert list(stair.get_ydata()) == [0.11, 0.01, 0.01, 0.01]
    assert (axes.get_yscale(), axes.get_ylim()) == ("log", pytest.approx((0.001, 1.0)))
    assert names(axes) == ["each", "above"]


def test_a_histogram_in_millions():
    series = (Series((0.0, 1.0), (25.0, 75.0)),)
    edges, marks = (0.0, 2e6, 4e6), ((3e6, "mean"),)
    plot = plot_of(HISTOGRAM, series=series, x_edges=edges, marks=marks, x=Axis("Loss", "EUR"))
    [axes] = figure.compose(plot).axes
    assert bars_of(axes) == [(0.0, 25.0, 0.0), (2.0, 75.0, 0.0)]
    assert axes.get_xlabel() == "Loss [million EUR]"
    [line] = axes.get_lines()
    assert list(line.get_xdata()) == [3.0, 3.0]
    assert line.get_zorder() > max(bar.get_zorder() for bar in axes.patches)


def test_bars_from_the_largest_down():
    tags = Axis("Tag", categories=("large", "small"))
    plot = plot_of(
        RANKED, series=(Series((0.0, 1.0), (4e6, 1.5e6)),), x=tags, y=Axis("Loss", "EUR")
    )
    [axes] = figure.compose(plot).axes
    assert [bar.get_width() for bar in axes.patches] == [4.0, 1.5]
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["large", "small"]
    assert [text.get_text() for text in axes.texts] == ["4", "1.5"]
    assert axes.get_xlabel() == "Loss [million EUR]"


def test_bars_on_a_plane():
    low = Series((0.0, 1.0), (10.0, 20.0), group="−1 to 0", row=(0.0, 1.0))
    high = Series((0.0, 1.0), (30.0, 0.0), group="0 to 1", row=(0.0, 1.0))
    plot = plot_of(
        TOWERS,
        series=(low, high),
        x_edges=(0.0, 10.0, 20.0, 30.0),
        y_edges=(5.0, 6.0, 7.0),
        second=Axis("Magnitude"),
        legend="ε",
    )
    [axes] = figure.compose(plot).axes
    # of three bars the one at the back is drawn first; nothing is drawn where there is nothing
    assert len(axes.collections) == 3
    tops = [bar._vec[2].max() for bar in axes.collections]
    assert tops == [20.0, 10.0, 40.0]
    assert sorted(bar.get_zorder() for bar in axes.collections) == [
        bar.get_zorder() for bar in axes.collections
    ]
    # the third bin of distance is empty
    assert axes.get_xlim() == (0, 2)
    assert names(axes) == ["0 to 1", "−1 to 0"]
    labels = (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel())
    assert labels == ("Length [m]", "Magnitude", "Width [m]")


def test_bars_on_a_plane_without_three_dimensions(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpl_toolkits.mplot3d", None)
    with pytest.raises(EngineError, match=r"mplot3d.* Choose two dimensions: MEMBER=Mag_Dist\.$"):
        figure.compose(plot_of(TOWERS))
