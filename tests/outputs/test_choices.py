import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core.choices import (
    Choices,
    match_names,
    match_poes,
    nearest_475,
    split_list,
)
from oq_processing.outputs.core.wording import poe_text

IMTS = ["PGA", "SA(0.1)", "SA(1.0)", "SDi(0.1,2)"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("PGA", ["PGA"]),
        (" PGA , SA(0.1);PGV ", ["PGA", "SA(0.1)", "PGV"]),
        ("SDi(0.1, 2), PGA", ["SDi(0.1, 2)", "PGA"]),
        (" , ;", []),
    ],
)
def test_split_list(text, parts):
    assert split_list(text) == parts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", IMTS),
        ("pga", ["PGA"]),
        ("sa( 1.0 ), PGA", ["SA(1.0)", "PGA"]),
        ("SDi(0.1, 2)", ["SDi(0.1,2)"]),
        ("PGA,PGA", ["PGA"]),
    ],
)
def test_imts(text, names):
    assert match_names(text, IMTS, "IMT", "intensity measure type") == names


@pytest.mark.parametrize("text", ["SA(0.2)", "PGA SA(0.1)", "1"])
def test_unknown_imt_names_those_there_are(text):
    with pytest.raises(InvalidChoice) as error:
        match_names(text, IMTS, "IMT", "intensity measure type")
    assert str(error.value) == (
        f"There is no intensity measure type “{text}”; "
        "IMT may be: PGA, SA(0.1), SA(1.0), SDi(0.1,2)."
    )


def test_a_long_list_is_cut():
    with pytest.raises(InvalidChoice, match=r"n38, n39, … \(41 in all\)\.$"):
        match_names("x", [f"n{i}" for i in range(41)], "IMT", "name")


PERIODS = [1 - 2.718281828459045 ** (-50 / r) for r in (475, 975, 2475, 2500)]


@pytest.mark.parametrize(
    ("text", "poes", "time", "chosen"),
    [
        ("", [0.1, 0.02], 50.0, [0.1, 0.02]),
        ("0.1", [0.1, 0.02], 50.0, [0.1]),
        ("10%", [0.1, 0.02], 50.0, [0.1]),
        ("10 %", [0.1, 0.02], 50.0, [0.1]),
        ("2%, 10%", [0.1, 0.02], 50.0, [0.02, 0.1]),
        ("475y", [0.1, 0.02], 50.0, [0.1]),
        ("475 years", [0.1, 0.02], 50.0, [0.1]),
        ("2475y", [0.1, 0.02], 50.0, [0.02]),
        ("475Y", [0.0021], 1.0, [0.0021]),
        ("0.1", [0.0999999], 50.0, [0.0999999]),
        ("10%", [0.0999999], 50.0, [0.0999999]),
        ("475y", PERIODS, 50.0, PERIODS[:1]),
        ("2475y", PERIODS, 50.0, PERIODS[2:3]),
        ("2500y", PERIODS, 50.0, PERIODS[3:]),  # 1% apart: the nearest, not the first
        ("2500y, 2475y", PERIODS, 50.0, [PERIODS[3], PERIODS[2]]),
        ("1e-4", [1e-4], None, [1e-4]),
        ("0.1", [0.1], None, [0.1]),
    ],
)
def test_poes(text, poes, time, chosen):
    assert match_poes(text, poes, time) == chosen


@pytest.mark.parametrize(
    "text",
    [
        *("0.5", "50%", "100y", "0", "0%", "0y", "1", "0.1, 0.3"),
        # just farther away than the tolerances: 0.5% of a probability, 1.5% of a return period
        *("0.0994", "0.1006", "9.94%", "467y", "482y", "2438y", "2513y"),
    ],
)
def test_unknown_poe_names_those_there_are(text):
    with pytest.raises(InvalidChoice) as error:
        match_poes(text, [0.1, 0.02], 50.0)
    assert str(error.value) == (
        f"There is no probability of exceedance “{text.split(', ')[-1]}”; "
        "POE may be: 0.1 (10%, 475y), 0.02 (2%, 2475y)."
    )


@pytest.mark.parametrize(
    ("text", "poe"),
    [("0.0996", 0.1), ("10.04%", 0.1), ("468y", 0.1), ("481y", 0.1), ("2510y", 0.02)],
)
def test_what_is_near_a_poe_is_that_one(text, poe):
    assert match_poes(text, [0.1, 0.02], 50.0) == [poe]


@pytest.mark.parametrize("text", ["ten", "0.1.2", "%", "-0.1", "0.1g", "١%", "nan", "inf"])
def test_garbage_is_no_poe(text):
    with pytest.raises(InvalidChoice) as error:
        match_poes(text, [0.1], 50.0)
    assert str(error.value) == (
        f"“{text}” is no probability of exceedance; write 0.1, 10% or 475y (POE)."
    )


def test_no_period_without_investigation_time():
    with pytest.raises(InvalidChoice, match=r"no investigation time; give POE as 0\.1"):
        match_poes("475y", [0.1], None)


@pytest.mark.parametrize(
    ("poes", "time", "nearest"),
    [
        ([0.02, 0.1, 0.5], 50.0, 0.1),
        ([0.01, 0.0021, 0.0004], 1.0, 0.0021),
        ([0.1, 0.19, 0.5], 100.0, 0.19),
        ([0.02, 0.05], 50.0, 0.05),
        ([0.3, 0.15], None, 0.15),
        ([0.0, 0.5, 1.0], 50.0, 0.5),
    ],
)
def test_nearest_475(poes, time, nearest):
    assert nearest_475(poes, time) == nearest


def test_poe_text():
    assert poe_text(0.02, 50.0) == "0.02 (2%, 2475y)"
    assert poe_text(0.5, None) == "0.5 (50%)"


def test_only_choices_that_were_made_are_told():
    assert Choices().made() == {}
    assert Choices(
        kind="max",
        imt="PGA",
        poe="10%",
        member="a",
        geometry="cell",
        long_format=True,
        style_field="x",
    ).made() == {
        "KIND": "max",
        "IMT": "PGA",
        "POE": "10%",
        "MEMBER": "a",
        "GEOMETRY": "cell",
        "LONG_FORMAT": "true",
    }
