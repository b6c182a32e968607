"""Class limits: they rise, cover all values, and say so."""

import itertools

import numpy as np
import pytest
from qgis.core import QgsGraduatedSymbolRenderer, QgsMarkerSymbol, QgsRendererRange

from oq_processing.layers.classes import class_limits, number
from oq_processing.layers.classes import within as cut
from oq_processing.layers.style import CLASSIFICATIONS

RANDOM = np.random.default_rng(7)
STANDARD = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50)
VALUES = {
    "normal": RANDOM.normal(10, 2, 2000),
    "four decades": 10 ** RANDOM.uniform(-4, 0, 2000),
    "skewed": RANDOM.lognormal(0, 2.5, 2000),
    "equal": np.full(50, 0.37),
    "zeros": np.concatenate([np.zeros(900), RANDOM.lognormal(0, 1, 100)]),
    "all zero": np.zeros(5),
    "holes": np.array([np.nan, 1.0, np.inf, 2.0, -np.inf, 3.5]),
    "negative": RANDOM.normal(-5, 3, 500),
    "few": np.array([1.0, 1.0, 2.0]),
    "one": np.array([4.25]),
    "single precision": RANDOM.lognormal(-3, 1, 700).astype("f4"),
    "neighbours": np.array([1.0, np.nextafter(1.0, 2)]),
    "tiny": np.array([1e-14, 2e-14, 5e-14]),
    "large": np.array([1e9, 3e9, 1.00001e9]),
    "largest": np.array([-1e308, 5.0, 0.0, 1e308, 1.7976931348623157e308]),
    "near the largest": np.array([1e308, 1.1e308, 1.7e308, 1.7976931348623157e308]),
    "zero and the smallest": np.array([0.0, 5e-324]),
    "smallest": np.array([5e-324, 3e-323, 9e-323, 2e-322]),
    "all there are": np.array([5e-324, 1.0, 1.7976931348623157e308]),
    "integers": RANDOM.integers(0, 40, 300),
}


def renderer_of(limits):
    ranges = [QgsRendererRange(a, b, QgsMarkerSymbol(), text) for a, b, text in limits]
    return QgsGraduatedSymbolRenderer("v", ranges)


@pytest.mark.parametrize(
    ("classes", "lowest", "highest", "expected"),
    [
        (
            [(0, 0.01, "< 0.01"), (0.01, 0.9, "0.01 – 0.90"), (0.9, 1.5, "> 0.90")],
            0.005,
            1.0000000000000004,
            [
                (0.00499995, 0.01, "0.005 – 0.01"),
                (0.01, 0.9, "0.01 – 0.90"),
                (0.9, 0.99999, "0.90 – 1.00"),
            ],
        ),
        # what ends where the curves begin has no values, what begins there has that one too
        (
            [(0, 0.05, "< 0.05"), (0.05, 0.1, "0.05 – 0.10"), (0.1, 3, "> 0.10")],
            0.05,
            None,
            [(0.0499995, 0.1, "0.05 – 0.10"), (0.1, 3, "> 0.10")],
        ),
        ([(0.1, 0.2, "0.1 – 0.2"), (0.2, 0.5, "> 0.2")], None, 0.2, [(0.1, 0.199998, "0.1 – 0.2")]),
        ([(1.5, 1.5, "> 1.50")], None, 2.13, [(1.5, 1.5, "1.50 – 2.13")]),
        ([(0.3, 0.3, "0.3")], 0.3, 1.0, [(0.299997, 0.3, "0.3")]),
        (
            [(3.5, 4.5, "IV"), (4.5, 5.5, "V")],
            4.0,
            5.0,
            [(3.99996, 4.5, "IV"), (4.5, 4.99995, "V")],
        ),
        ([(0, 5, "0 – 5")], None, None, [(0, 5, "0 – 5")]),
    ],
)
def test_classes_end_where_curves_do(classes, lowest, highest, expected):
    found = cut([(*c, "red") for c in classes], lowest, highest)
    assert [c[2:] for c in found] == [(c[2], "red") for c in expected]
    assert [c[:2] for c in found] == [pytest.approx(c[:2], rel=1e-12) for c in expected]


@pytest.mark.parametrize("classification", CLASSIFICATIONS)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("classes", [None, 2, 12])
def test_every_value_falls_in_a_class(name, classification, classes):
    values = VALUES[name].astype(float)
    limits = class_limits(VALUES[name], classification, classes, STANDARD)
    lower, upper, labels = zip(*limits)
    finite = values[np.isfinite(values)]
    # zero is a class of its own, and there may be nothing between it and the next
    zero = classification == "logarithmic" and limits[0] == (0.0, 0.0, "0")
    assert zero == (classification == "logarithmic" and finite.min() == 0)
    assert lower[1 + zero :] == upper[zero:-1]
    edges = [lower[0], *upper]
    assert edges == sorted(edges)
    assert edges[0] <= finite.min()
    assert edges[-1] >= finite.max()
    assert len(set(labels)) == len(labels)
    renderer = renderer_of(limits)
    for value in finite[:300]:
        assert renderer.rangeForValue(value) is not None
    for value in (np.nan, np.inf, -np.inf):
        assert renderer.rangeForValue(value) is None


@pytest.mark.parametrize("classification", set(CLASSIFICATIONS) - {"standard"})
@pytest.mark.parametrize(
    "name", set(VALUES) - {"equal", "all zero", "one", "zero and the smallest"}
)
def test_limits_rise_strictly_and_are_no_more_than_asked(name, classification):
    limits = class_limits(VALUES[name], classification, 5, ())
    if classification == "logarithmic" and limits[0][1] == 0:
        limits = limits[1:]
    assert all(a < b for a, b, _ in limits)
    # pretty limits may start below and end above
    assert 1 <= len(limits) <= {"pretty": 7}.get(classification, 5)


@pytest.mark.parametrize("classification", CLASSIFICATIONS)
@pytest.mark.parametrize("values", [[], [np.nan, np.inf]])
def test_no_values_no_classes(values, classification):
    assert class_limits(values, classification, None, STANDARD) == []


def test_a_single_value():
    assert class_limits([0.37, 0.37, np.nan], "quantile", 5) == [(0.37, 0.37, "0.37")]


def test_equal_interval():
    assert class_limits([0.0, 1.0, 10.0], "equal-interval", 4) == [
        (0.0, 2.5, "0 – 2.5"),
        (2.5, 5.0, "2.5 – 5"),
        (5.0, 7.5, "5 – 7.5"),
        (7.5, 10.0, "7.5 – 10"),
    ]


def test_quantile_classes_hold_equally_many():
    values = VALUES["skewed"]
    limits = class_limits(values, "quantile", 5)
    inside = [np.count_nonzero((values > a) & (values <= b)) for a, b, _ in limits]
    assert inside == [399, 400, 400, 400, 400]  # the lowest value is the lowest limit


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        ([0.001, 0.02, 10.0], 4, ["0.001 – 0.01", "0.01 – 0.1", "0.1 – 1", "1 – 10"]),
        ([0.0, 0.02, 10.0], 3, ["0", "0.01 – 0.1", "0.1 – 1", "1 – 10"]),
        # what is far below is one class
        ([1e-9, 0.02, 90_000.0], 3, ["< 1,000", "1,000 – 10,000", "10,000 – 100,000"]),
        ([0.0, 1e-9, 70.0], 2, ["0", "< 10", "10 – 100"]),
        # as fine as the number of classes allows
        ([2.5, 60.0], 4, ["1 – 3", "3 – 10", "10 – 30", "30 – 100"]),
        ([2.5, 60.0], 5, ["2 – 5", "5 – 10", "10 – 20", "20 – 50", "50 – 100"]),
        # less than half a decade
        ([4.0, 5.0, 6.0], 2, ["4 – 5", "5 – 6"]),
        ([0.0, 7.0], None, ["0", "7"]),
        ([0.0, 0.0], None, ["0"]),
        # no logarithm
        ([-2.0, 1.0, 4.0], 2, ["-2 – 1", "1 – 4"]),
    ],
)
def test_logarithmic(values, classes, labels):
    assert [text for *_, text in class_limits(values, "logarithmic", classes)] == labels


def test_limits_of_logarithmic_classes_are_round():
    assert [limit for limit, *_ in class_limits([0.0, 0.02, 10.0], "logarithmic", 3)] == [
        0.0,
        0.01,
        0.1,
        1.0,
    ]
    # all that is above zero, however small, is in the first class
    assert class_limits([0.0, 1e-9, 70.0], "logarithmic", 2)[1][:2] == (1e-9, 10.0)


@pytest.mark.parametrize(
    ("classification", "values", "center", "limits"),
    [
        ("equal-interval", [-1.0, 3.5], 0.0, [-3.5, -1.75, 0, 1.75, 3.5]),
        ("pretty", [0.5, 1.3], 1.0, [0, 0.5, 1, 1.5, 2]),
        ("pretty", [3.0, 5.0], 1.0, [-3, -1, 1, 3, 5]),
        ("logarithmic", [0.5, 3.0], 1.0, [0.25, 0.5, 1, 2, 4]),
        ("logarithmic", [0.0, 3.0, 500.0], 1.0, [0.0, 0.1, 1, 10, 500]),
        ("logarithmic", [-1.0, 3.5], 0.0, [-4, -2, 0, 2, 4]),
        ("quantile", [-9.0, -1.0, 0.5, 1.0, 2.0, 4.0], 0.0, [-9, -1, 0, 1, 4]),
        ("jenks", [-9.0, -8.0, -1.0, 20.0, 21.0, 3.0], 0.0, [-9, -4.5, 0, 11.5, 21]),
    ],
)
def test_classes_around_a_center(classification, values, center, limits):
    classes = class_limits(values, classification, 4, (), center)
    assert [classes[0][0], *(high for _, high, _ in classes)] == pytest.approx(limits)


def test_classes_around_a_center_are_open_beyond():
    classes = class_limits([0.0, 3.0, 500.0], "logarithmic", 4, (), 1.0)
    assert [text for *_, text in classes] == ["< 0.1", "0.1 – 1", "1 – 10", "> 10"]


def test_pretty():
    assert [a for a, _, _ in class_limits([0.12, 0.49], "pretty", 4)] == [0.1, 0.2, 0.3, 0.4]
    assert [b for _, b, _ in class_limits([13, 187], "pretty", 5)] == [50.0, 100.0, 150.0, 200.0]


def test_standard_classes_are_the_same_whatever_the_values():
    labels = [
        "< 0.01",
        "0.01 – 0.02",
        "0.02 – 0.03",
        "0.03 – 0.05",
        "0.05 – 0.08",
        "0.08 – 0.13",
        "0.13 – 0.20",
        "0.20 – 0.35",
        "0.35 – 0.55",
        "0.55 – 0.90",
        "0.90 – 1.50",
        "> 1.50",
    ]
    for values in ([0.04], [0.0, 3.0], VALUES["four decades"]):
        limits = class_limits(values, "standard", None, STANDARD)
        assert [text for *_, text in limits] == labels
        assert [b for _, b, _ in limits][:-1] == list(STANDARD)
    low, *_, high = class_limits([0.0, 3.0], "standard", None, STANDARD)
    assert (low[0], high[1]) == (0.0, 3.0)


def test_breaks_of_the_user():
    assert class_limits([-1.0, 5.0], "breaks", None, (0.0, 2.0)) == [
        (-1.0, 0.0, "< 0"),
        (0.0, 2.0, "0 – 2"),
        (2.0, 5.0, "> 2"),
    ]
    assert [t for *_, t in class_limits([1.0], "breaks", None, (12345.6, 12345.7))] == [
        "< 12,345.6",
        "12,345.6 – 12,345.7",
        "> 12,345.7",
    ]


def test_standard_without_limits_is_quantile():
    values = VALUES["normal"]
    assert class_limits(values, "standard", 4) == class_limits(values, "quantile", 4)


def _pairs(cuts):
    return zip(cuts, cuts[1:])


def within(values, groups):
    return sum(((values[a:b] - values[a:b].mean()) ** 2).sum() for a, b in groups)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [2, 3, 4])
def test_jenks_is_the_optimum(seed, count):
    values = np.sort(np.random.default_rng(seed).lognormal(0, 1.5, 11).round(3))
    best = min(
        within(values, _pairs([0, *cuts, len(values)]))
        for cuts in itertools.combinations(range(1, len(values)), count - 1)
    )
    limits = class_limits(values, "jenks", count)
    assert len(limits) == count
    cuts = np.searchsorted(values, [b for _, b, _ in limits], side="right")
    assert within(values, _pairs([0, *cuts])) == pytest.approx(best, rel=1e-9)


def test_jenks_of_many_values_is_near_the_optimum_of_a_fine_one():
    values = np.concatenate([RANDOM.normal(m, 0.1, 1000) for m in (1, 5, 20)])
    limits = [b for _, b, _ in class_limits(values, "jenks", 3)]
    assert np.searchsorted(np.sort(values), limits).tolist()[:2] == [1000, 2000]
    # one value far away makes the bins wide, which still have to separate the others
    far = np.sort([*values, 500.0])
    limits = [b for _, b, _ in class_limits(far, "jenks", 4)]
    assert np.searchsorted(far, limits, side="right").tolist() == [1000, 2000, 3000, 3001]


def test_jenks_far_from_zero():
    values = np.array([1e9 + v for v in (0, 1, 2, 100, 101, 500)])
    assert [
        np.count_nonzero((values > a) & (values <= b))
        for a, b, _ in class_limits(values, "jenks", 3)
    ] == [2, 2, 1]


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0, None, "0"),
        (-0.0, 1, "0"),
        (0.05, 0.02, "0.05"),
        (1234567.0, 1000.0, "1,234,567"),
        (1e7, 9e6, "10,000,000"),
        (-12.5, 0.5, "-12.5"),
        (100.0, 50.0, "100"),
        (1e-9, 1e-9, "1e-09"),
        (1.0000001, 1e-7, "1.0000001"),
        (12345678901.0, 1.0, "12345678901"),
        (0.333333333, None, "0.3333"),
    ],
)
def test_number(value, step, text):
    assert number(value, step) == text


@pytest.mark.parametrize("step", [10.0**e for e in range(-9, 10)])
def test_numbers_tell_neighbours_apart(step):
    for value in (0.0, 1.0, 3.7, 99999.0, -5.0):
        texts = [number(value + i * step, step) for i in range(5)]
        assert len(set(texts)) == 5
