"""Statistics and realizations: their names, their order, how they are chosen and said."""

import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core.kinds import (
    choose_kinds,
    kind_label,
    of_kind,
    ordered_kinds,
    parse_kind,
    realization,
    realizations_of,
)
from oq_processing.outputs.core.source import branch_text
from oq_processing.outputs.core.table import Column

STATISTICS = ["mean", "std", "quantile-0.05", "quantile-0.5", "max"]
TEN = [f"rlz-{i}" for i in range(10)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rlz-007", "rlz-7"),
        ("RLZ7", "rlz-7"),
        (" rlz-7 ", "rlz-7"),
        ("rlz-000", "rlz-0"),
        ("median", "quantile-0.5"),
        ("Quantile-0.50", "quantile-0.5"),
        ("quantile-.15", "quantile-0.15"),
        ("quantile-0.1586553", "quantile-0.1586553"),
        ("Mean", "mean"),
        ("rlzs", "rlzs"),
        ("rlz-", "rlz-"),
    ],
)
def test_every_form_is_one_name(text, name):
    assert parse_kind(text) == name


def test_order():
    names = ["rlz-10", "max", "rlz-9", "quantile-0.5", "mean", "rlz-0"]
    assert ordered_kinds(names) == ["mean", "max", "quantile-0.5", "rlz-0", "rlz-9", "rlz-10"]
    assert realizations_of(names) == [10, 9, 0]
    assert (realization("rlz-0"), realization("mean")) == (0, None)


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
        ("rlzs", TEN),
        ("mean, rlz-0", ["mean", "rlz-0"]),
    ],
)
def test_kinds(text, kinds):
    assert choose_kinds(text, [*STATISTICS, *TEN]) == kinds


@pytest.mark.parametrize(
    ("there", "kinds"),
    [
        (["max", "mean"], ["mean"]),
        (["rlz-0", "rlz-1", "quantile-0.5", "max"], ["quantile-0.5"]),
        (["rlz-0"], ["rlz-0"]),
        (["quantile-0.15", "rlz-0"], ["rlz-0"]),  # the only realization, before other quantiles
    ],
)
def test_default_kind(there, kinds):
    assert choose_kinds("", there) == kinds


@pytest.mark.parametrize(
    ("there", "listed"),
    [
        (["rlz-1", "std", "rlz-0", "max"], "std, max, rlz-0, rlz-1."),
        (["rlz-0", "rlz-1", "rlz-2", "rlz-3"], "rlz-0..3."),
        (["rlz-10", "rlz-2", "rlz-0", "rlz-6"], "rlz-0, rlz-2, rlz-6, rlz-10."),
    ],
)
def test_no_default_kind_lists_them(there, listed):
    with pytest.raises(InvalidChoice) as error:
        choose_kinds("", there)
    assert str(error.value) == f"Choose a statistic or realization (KIND): {listed}"


def test_realizations_are_listed_with_what_they_are():
    about = {"rlz-0": "BooreAtkinson2008, weight 0.75", "rlz-1": "ChiouYoungs2008, weight 0.25"}
    listed = "rlz-0 (BooreAtkinson2008, weight 0.75), rlz-1 (ChiouYoungs2008, weight 0.25)"
    with pytest.raises(InvalidChoice) as error:
        choose_kinds("", about, about.get)
    assert str(error.value) == f"Choose a statistic or realization (KIND): {listed}."
    with pytest.raises(InvalidChoice) as error:
        choose_kinds("rlz-2", about, about.get)
    assert str(error.value).endswith(f"KIND may be: {listed}.")
    with pytest.raises(InvalidChoice, match=r"KIND\): rlz-0\.\.10\."):
        choose_kinds("", [*TEN, "rlz-10"], lambda _: "weight 0.1")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"A~AB", "A~AB"),
        (b"[BooreAtkinson2008]", "BooreAtkinson2008"),
        (b'[AbrahamsonEtAl2014]\nregion = ""JPN""', "AbrahamsonEtAl2014, region = JPN"),
    ],
)
def test_branch_paths(path, text):
    assert branch_text(path) == text


def test_all_kinds_are_realizations_without_statistics():
    assert choose_kinds("all", ["rlz-1", "rlz-0"]) == ["rlz-0", "rlz-1"]


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
        choose_kinds(text, [*STATISTICS, *TEN])
    assert words in str(error.value)
    assert str(error.value).endswith(
        "KIND may be: mean, std, quantile-0.05, quantile-0.5, max, rlz-0..9."
    )


def test_realizations_that_were_not_kept():
    with pytest.raises(InvalidChoice, match=r"kept no single realizations; KIND may be: mean\."):
        choose_kinds("rlzs", ["mean"])


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("mean", "Mean"),
        ("std", "Standard deviation"),
        ("max", "Maximum"),
        ("quantile-0.5", "Median"),
        ("quantile-0.15", "Quantile 0.15"),
        ("rlz-007", "Realization 7"),
        ("new", "new"),
    ],
)
def test_kind_label(kind, label):
    assert kind_label(kind) == label


def test_label_with_what_is_known_of_it():
    assert kind_label("rlz-3", "b1~b2, weight 0.25") == "Realization 3 (b1~b2, weight 0.25)"
    assert kind_label("rlz-3", None) == "Realization 3"


LOSS = Column("structural", label="Average loss", unit="EUR", additive=True, loss_type="structural")


@pytest.mark.parametrize(
    ("kind", "chosen", "there", "name", "label", "additive"),
    [
        ("mean", ["mean"], ["mean"], "structural", "Average loss", True),
        ("mean", ["mean", "max"], ["mean", "max"], "mean-structural", "Average loss", True),
        ("max", ["max"], ["max"], "structural", "Average loss", False),
        ("max", ["max"], ["mean", "max"], "structural", "Average loss, maximum", False),
        ("rlz-0", ["rlz-0"], ["rlz-0"], "structural", "Average loss", True),
        (
            *("rlz-1", ["rlz-0", "rlz-1"], ["rlz-0", "rlz-1"]),
            *("rlz-1-structural", "Average loss, realization 1", True),
        ),
        (
            *("quantile-0.5", ["quantile-0.5"], ["mean", "quantile-0.5"]),
            *("structural", "Average loss, median", False),
        ),
    ],
)
def test_a_column_of_a_kind(fake_source, kind, chosen, there, name, label, additive):
    column = of_kind(LOSS, kind, chosen, there, fake_source())
    assert (column.name, column.label, column.additive) == (name, label, additive)
    assert (column.kind, column.unit, column.loss_type) == (kind, "EUR", "structural")


def test_what_is_not_additive_stays_so(fake_source):
    assert not of_kind(Column("x"), "mean", ["mean"], ["mean"], fake_source()).additive
