"""How numbers, times and lists are put into words."""

import pytest

from oq_processing.outputs.core.wording import (
    capital,
    chance,
    duration,
    level_text,
    listed,
    loss_words,
    percent,
    with_unit,
    within,
    years,
)


@pytest.mark.parametrize(
    ("poe", "text"),
    [(0.1, "10%"), (0.0999999, "10%"), (0.0021, "0.21%"), (0.000404, "0.0404%"), (1, "100%")],
)
def test_percent(poe, text):
    assert percent(poe) == text


@pytest.mark.parametrize(
    ("period", "text"),
    [(474.561, "475"), (10000, "10000"), (50.0, "50"), (1.0, "1"), (0.25, "0.25")],
)
def test_years(period, text):
    assert years(period) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (1, "1 year"),
        (1.0, "1 year"),
        (0.99999, "1 year"),
        (0.5, "0.5 years"),
        (1.5, "1.5 years"),
        (50.0, "50 years"),
        (10_000, "10000 years"),
    ],
)
def test_duration(time, text):
    assert duration(time) == text
    assert within(time) == f" in {text}"


@pytest.mark.parametrize("time", [None, 0, 0.0])
def test_no_time_no_words(time):
    assert within(time) == ""
    assert chance(0.1, time) == "10%"


def test_chance():
    assert chance(0.1, 1) == "10% in 1 year"
    assert chance(0.02, 50.0) == "2% in 50 years"


def test_listed():
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"n{i}" for i in range(40)]).endswith("n38, n39")
    assert listed([f"n{i}" for i in range(41)]).endswith("n39, … (41 in all)")
    assert listed([]) == ""


def test_capital_changes_the_first_letter_only():
    assert capital("mean PGA") == "Mean PGA"
    assert capital(" x") == "X"
    assert capital("") == ""


def test_with_unit():
    assert with_unit("PGA", "g") == "PGA [g]"
    assert with_unit("AvgFactor", "") == "AvgFactor"


@pytest.mark.parametrize(
    ("level", "imt", "text"),
    [(0.1, "PGA", "0.1 g"), (6, "MMI", "6"), (0.5, "LiqProb", "0.5"), (0.10325, "X", "0.1032")],
)
def test_level(level, imt, text):
    assert level_text(level, imt) == text


@pytest.mark.parametrize(
    ("loss_type", "words"),
    [
        ("structural_ins", "insured structural"),
        ("business_interruption", "business interruption"),
        ("structural+contents", "structural + contents"),
    ],
)
def test_loss_words(loss_type, words):
    assert loss_words(loss_type) == words
