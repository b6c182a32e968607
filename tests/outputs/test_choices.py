import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core.choices import (
    Choices,
    match_kinds,
    match_names,
    match_poes,
    nearest_475,
    poe_text,
    split_list,
)

STATISTICS = ["mean", "std", "quantile-0.05", "quantile-0.5", "max"]
TEN = list(range(10))
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
    ("text", "kinds"),
    [
        ("", ["mean"]),
        (" ", ["mean"]),
        (" , ", ["mean"]),
        ("mean", ["mean"]),
        ("MEAN", ["mean"]),
        ("median", ["quantile-0.5"]),
        ("quantile-0.50", ["quantile-0.5"]),
        ("quantile-.05", ["quantile-0.05"]),
        ("max; std", ["max", "std"]),
        ("all", STATISTICS),
        ("mean, all", ["mean", "std", "quantile-0.05", "quantile-0.5", "max"]),
        ("rlz-3", ["rlz-3"]),
        ("rlz-003", ["rlz-3"]),
        ("RLZ3", ["rlz-3"]),
        ("rlz-003, rlz-3", ["rlz-3"]),
        ("rlz-2..4", ["rlz-2", "rlz-3", "rlz-4"]),
        ("rlz-002..rlz-004", ["rlz-2", "rlz-3", "rlz-4"]),
        ("rlz-9..9", ["rlz-9"]),
        ("rlzs", [f"rlz-{i}" for i in TEN]),
        ("mean, rlz-0", ["mean", "rlz-0"]),
    ],
)
def test_kinds(text, kinds):
    assert match_kinds(text, STATISTICS, TEN) == kinds


@pytest.mark.parametrize(
    ("statistics", "realizations", "kinds"),
    [
        (["max", "mean"], [], ["mean"]),
        (["quantile-0.5", "max"], [0, 1], ["quantile-0.5"]),
        ([], [0], ["rlz-0"]),
        (["quantile-0.15"], [0], ["rlz-0"]),  # the only realization, before any other quantile
    ],
)
def test_default_kind(statistics, realizations, kinds):
    assert match_kinds("", statistics, realizations) == kinds


@pytest.mark.parametrize(
    ("statistics", "realizations", "listed"),
    [
        (["std", "max"], [0, 1], "std, max, rlz-0, rlz-1."),
        ([], [0, 1, 2, 3], "rlz-0..3."),
        ([], [0, 2, 4, 6], "rlz-0, rlz-2, rlz-4, rlz-6."),
    ],
)
def test_no_default_kind_lists_them(statistics, realizations, listed):
    with pytest.raises(InvalidChoice) as error:
        match_kinds("", statistics, realizations)
    assert str(error.value) == f"Choose a statistic or realization (KIND): {listed}"


def test_all_kinds_are_realizations_without_statistics():
    assert match_kinds("all", [], [0, 1]) == ["rlz-0", "rlz-1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mode", "no statistic or realization “mode”"),
        ("rlz-10", "no statistic or realization “rlz-10”"),
        ("quantile-0.95", "no statistic or realization “quantile-0.95”"),
        ("(", "no statistic or realization “(”"),
        ("rlz-8..11", "no realizations “rlz-8..11”"),
        ("rlz-4..2", "no realizations “rlz-4..2”"),
        (f"rlz-0..{10**30}", "no realizations “rlz-0..1000"),
    ],
)
def test_unknown_kind_names_those_there_are(text, words):
    with pytest.raises(InvalidChoice) as error:
        match_kinds(text, STATISTICS, TEN)
    assert words in str(error.value)
    assert str(error.value).endswith(
        "KIND may be: mean, std, quantile-0.05, quantile-0.5, max, rlz-0..9."
    )


def test_realizations_that_were_not_kept():
    with pytest.raises(InvalidChoice, match=r"kept no single realizations; KIND may be: mean\."):
        match_kinds("rlzs", ["mean"], [])


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


@pytest.mark.parametrize("text", ["0.5", "50%", "100y", "0", "0%", "0y", "1", "0.1, 0.3"])
def test_unknown_poe_names_those_there_are(text):
    with pytest.raises(InvalidChoice) as error:
        match_poes(text, [0.1, 0.02], 50.0)
    assert str(error.value) == (
        f"There is no probability of exceedance “{text.split(', ')[-1]}”; "
        "POE may be: 0.1 (10%, 475y), 0.02 (2%, 2475y)."
    )


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
