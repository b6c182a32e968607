import math

import pytest

from oq_processing.outputs.core.quantities import holds_time, imt_order, imt_unit, return_period


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("USD/month", True),
        ("EUR per day", True),
        ("USD / yr", True),
        ("EUR/a", True),
        ("USD", False),
        ("USD/m2", False),
        ("EUR/area", False),
        ("people", False),
        ("", False),
    ],
)
def test_units_that_hold_a_time(unit, expected):
    assert holds_time(unit) is expected


@pytest.mark.parametrize(
    ("imt", "unit"),
    [
        ("PGA", "g"),
        ("SA(0.1)", "g"),
        ("Sa_avg2(0.5)", "g"),
        ("Sa_avg3(0.5)", "g"),
        ("AvgSA", "g"),
        ("PGV", "cm/s"),
        ("FIV3(1.0)", "cm/s"),
        ("PGD", "cm"),
        ("SDi(0.1,2)", "cm"),
        ("IA", "m/s"),
        ("CAV", "g·s"),
        ("RSD595", "s"),
        ("MMI", "intensity"),
        ("JMA", "intensity"),
        ("LiqProb", "probability"),
        ("LsProb", "probability"),
        ("DispProb", "probability"),
        *((imt, "m") for imt in ("Disp", "PGDMax", "PGDGeomMean", "LSD")),
        ("LSE", "% of area"),
        ("ASH", "mm"),
        ("EAS(1.0)", ""),
        ("PGAX", ""),
        ("", ""),
    ],
)
def test_unit(imt, unit):
    assert imt_unit(imt) == unit


def test_order():
    imts = ["SA(10.0)", "PGV", "SA(2.0)", "IA", "PGA", "SA(0.05)"]
    assert sorted(imts, key=imt_order) == ["PGA", "SA(0.05)", "SA(2.0)", "SA(10.0)", "IA", "PGV"]


@pytest.mark.parametrize(
    ("poe", "time", "period"),
    [
        (0.1, 50, 474.5610790),
        (0.02, 50, 2474.9158226),
        (0.0021, 1, 475.6903010),
        (1 - math.exp(-1), 50, 50),
        (0, 50, math.inf),
        (1, 50, 0),
    ],
)
def test_return_period(poe, time, period):
    assert return_period(poe, time) == pytest.approx(period, rel=1e-9)


def test_small_probabilities_keep_their_digits():
    assert return_period(1e-15, 1) == pytest.approx(1e15, rel=1e-12)
