"""Losses and damage: labels, units, choices and colours on files of ours; values against CSVs."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import COST_TYPES, GSIMS, csv_text, titles

from oq_processing.engine.calculation import LogRecord, Output
from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.assets.damage_states import of_rank
from oq_processing.outputs.core import csv_export
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.notes import Warn
from oq_processing.outputs.core.table import NONE, POINT, REAL, TEXT

HEADER = "asset_id,NAME_1,taxonomy,lon,lat"
ROWS = ["00123,Bagmati,RM,80.50000,29.10000", "a2,?,W,81.25000,28.75000"]
LOSSES = "contents,occupants,structural"
EXPECTED = "Expected number of buildings"


def csv_file(columns: str, *values: str) -> str:
    return csv_text(f"{HEADER},{columns}", *(f"{a},{b}" for a, b in zip(ROWS, values)))


@pytest.fixture
def risk_source(fake_source):
    """A source of losses or damage: its members, the parameters, and the exposure's cost types."""

    def make(kind: str, files: dict[str, str], parameters=None, exposure=COST_TYPES, parent=None):
        parameters = {"calculation_mode": "scenario_risk", **(parameters or {})}
        if parent:
            parameters["hazard_calculation_id"] = parent
        return fake_source(files, None, parameters, exposure, type=kind, name="Risk")

    return make


@pytest.fixture
def losses(risk_source):
    """A function that reads average losses: means, 15% quantiles, maxima and a realization."""

    def read(choices=None, kind="avg_losses-stats", files=None, **about):
        files = files or {
            "avg_losses-mean_5.csv": csv_file(LOSSES, "1.5,2,3.25E+02", "0.0,1,0.00000E+00"),
            "avg_losses-quantile-0.15_5.csv": csv_file(LOSSES, "1,2,3", "4,5,6"),
            "avg_losses-max_5.csv": csv_file(LOSSES, "9,8,7", "6,5,4"),
        }
        source = risk_source(kind, files, **about)
        read.source = source
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_losses(losses, rows_of):
    table = losses()
    names = ["asset_id", "NAME_1", "taxonomy", "lon", "lat", "contents", "occupants", "structural"]
    assert [c.name for c in table.columns] == names
    assert [c.type for c in table.columns] == [TEXT, TEXT, TEXT, *[REAL] * 5]
    assert rows_of(table) == [
        ("00123", "Bagmati", "RM", 80.5, 29.1, 1.5, 2.0, 325.0),
        ("a2", "?", "W", 81.25, 28.75, 0.0, 1.0, 0.0),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[80.5, 29.1], [81.25, 28.75]]
    assert (table.rows, table.geometry) == (2, POINT)
    assert table.title == "Mean structural loss given the event [EUR]"
    assert (table.style.field, table.style.classification) == ("structural", "logarithmic")
    assert table.provenance["members"] == ["avg_losses-mean"]
    assert table.provenance["checksum"] == 42


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ({"calculation_mode": "scenario_risk"}, "Mean structural loss given the event [EUR]"),
        (
            {"calculation_mode": "classical_risk", "investigation_time": 50},
            "Average structural loss in 50 years [EUR]",
        ),
        (
            {"calculation_mode": "classical_risk", "investigation_time": 1},
            "Average annual structural loss [EUR]",
        ),
        (
            # 10,000 years of events, losses of one
            {
                "calculation_mode": "event_based_risk",
                "investigation_time": 10000,
                "risk_investigation_time": 1,
            },
            "Average annual structural loss [EUR]",
        ),
        # ground motion from a file: neither a time nor an event
        ({"calculation_mode": "event_based_risk"}, "Mean structural loss [EUR]"),
    ],
)
def test_losses_say_their_time(losses, parameters, label):
    table = losses(parameters=parameters)
    assert titles(table)["structural"] == label
    assert table.title == label


def test_units_come_from_the_exposure(losses):
    table = losses()
    units = {c.name: c.unit for c in table.columns if c.quantity}
    assert units == {"contents": "USD", "occupants": "people", "structural": "EUR"}


def test_units_come_from_the_exposure_of_the_hazard(losses):
    assert titles(losses(parent=3))["contents"] == "Mean contents loss given the event [USD]"


def test_a_unit_that_nobody_tells_is_not_guessed(losses):
    table = losses(exposure=None)
    units = {c.name: c.unit for c in table.columns if c.quantity}
    assert units == {"contents": "", "occupants": "people", "structural": ""}


def test_units_of_sums_and_insured_losses(losses):
    columns = "structural+contents,structural+occupants,structural_ins,area,number"
    exposure = COST_TYPES.replace("USD", "EUR").replace(
        "</costTypes>", '<costType name="area" type="aggregated" unit="SQM"/></costTypes>'
    )
    files = {"avg_losses-mean_5.csv": csv_file(columns, "1,2,3,4,5", "1,2,3,4,5")}
    assert titles(losses(files=files, exposure=exposure)) == {
        "structural+contents": "Mean structural + contents loss given the event [EUR]",
        "structural+occupants": "Mean structural + occupants loss given the event",
        "structural_ins": "Mean insured structural loss given the event [EUR]",
        "area": "Mean area loss given the event [SQM]",
        "number": "Mean number loss given the event [buildings]",
    }


def test_the_exposure_is_fetched_only_for_money(losses):
    files = {"avg_losses-mean_5.csv": csv_file("occupants", "1", "2")}
    losses(files=files)
    assert ("exposure", "zip") not in losses.source.client.asked


@pytest.mark.parametrize(
    ("kind", "member", "summable", "label"),
    [
        ("", "avg_losses-mean", True, "Mean structural loss given the event [EUR]"),
        (
            "quantile-0.15",
            "avg_losses-quantile-0.15",
            False,
            "Mean structural loss given the event, quantile 0.15 [EUR]",
        ),
        ("max", "avg_losses-max", False, "Mean structural loss given the event, maximum [EUR]"),
    ],
)
def test_only_means_may_be_added_up(losses, kind, member, summable, label):
    table = losses(Choices(kind=kind))
    assert table.provenance["members"] == [member]
    assert table.column("structural").additive is summable
    assert titles(table)["structural"] == label
    assert not any(table.column(name).additive for name in ("asset_id", "lon", "lat"))


def test_single_realizations(losses, rows_of):
    files = {
        f"avg_losses-rlz-{r:03d}_5.csv": csv_file("structural", f"{r}.5", f"{r}.25") for r in (0, 1)
    }
    with pytest.raises(InvalidChoice, match=r"Choose .* \(KIND\): rlz-0, rlz-1"):
        losses(kind="avg_losses-rlzs", files=files)
    table = losses(Choices(kind="rlz-1"), kind="avg_losses-rlzs", files=files)
    assert [row[-1] for row in rows_of(table)] == [1.5, 1.25]
    assert table.column("structural").additive
    assert table.column("structural").kind == "rlz-1"
    only = losses(kind="avg_losses-rlzs", files={"avg_losses-rlz-000_5.csv": files.popitem()[1]})
    assert titles(only)["structural"] == "Mean structural loss given the event [EUR]"


def test_all_statistics_side_by_side(losses, rows_of):
    table = losses(Choices(kind="all", loss_type="structural"))
    names = [c.name for c in table.columns][5:]
    assert names == ["mean-structural", "max-structural", "quantile-0.15-structural"]
    assert rows_of(table)[1][5:] == (0.0, 4.0, 6.0)
    assert [table.column(n).additive for n in names] == [True, False, False]
    assert table.style.field == "mean-structural"
    assert table.provenance["choices"] == {"KIND": "all", "LOSS_TYPE": "structural"}


def test_statistics_side_by_side_where_rows_are_long(losses, rows_of, monkeypatch):
    """Rows of one file are longer than those of the other, so their blocks would differ."""
    monkeypatch.setattr(csv_export, "MAX_ROW", 20_000)
    rows = [f"a{i},Bagmati,{'R' * 50},80.5,29.1,{i}" for i in range(900)]
    files = {
        "avg_losses-mean_5.csv": csv_text(f"{HEADER},structural", *rows),
        "avg_losses-max_5.csv": csv_text(
            f"{HEADER},structural", *(f"{row}.{'0' * 99}" for row in rows)
        ),
    }
    table = losses(Choices(kind="mean,max"), files=files)
    assert [row[5:] for row in rows_of(table)] == [(i, i) for i in range(900)]


def test_statistics_of_other_assets_are_not_put_side_by_side(losses):
    other = csv_file("structural", "1", "2").replace("a2,", "a3,")
    files = {
        "avg_losses-mean_5.csv": csv_file("structural", "1", "2"),
        "avg_losses-max_5.csv": other,
    }
    table = losses(Choices(kind="mean,max"), files=files)
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        list(table.blocks())
    files["avg_losses-max_5.csv"] = csv_file("structural", "1")
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        losses(Choices(kind="mean,max"), files=files)


def test_loss_types(losses):
    table = losses(Choices(loss_type="contents, Occupants"))
    assert list(titles(table)) == ["contents", "occupants"]
    assert table.style.field == "contents"
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: contents, occupants, structural"):
        losses(Choices(loss_type="nonstructural"))


def test_the_field_that_is_drawn_may_be_chosen(losses):
    table = losses(Choices(style_field="Contents"))
    assert (table.style.field, table.style.classification) == ("contents", "logarithmic")
    assert table.title == "Mean contents loss given the event [USD]"


def test_without_geometry(losses):
    table = losses(Choices(geometry="none"))
    assert table.geometry == NONE
    assert next(table.blocks()).xy is None
    for choices in (Choices(geometry="polygon"), Choices(long_format=True)):
        with pytest.raises(InvalidChoice, match="Risk can"):
            losses(choices)


def test_no_assets(losses):
    table = losses(files={"avg_losses-mean_5.csv": csv_file("structural")})
    assert table.rows == 0
    assert table.notes == ("Risk of calculation 5 is empty.",)
    assert list(table.blocks()) == []


# --- damage

STATES = ("slight", "moderate", "extensive", "complete")
DAMAGE = "contents-no_damage,contents-complete," + ",".join(
    f"structural-{s}" for s in ("no_damage", *STATES, "losses", "fatalities")
)
PARAMETERS = {"calculation_mode": "scenario_damage", "limit_states": list(STATES)}


@pytest.fixture
def damage(risk_source):
    """A function that reads damage of one realization."""

    def read(columns=DAMAGE, values=None, choices=None, **parameters):
        values = values or ",".join(str(i) for i in range(len(columns.split(","))))
        files = {"avg_damages-rlz-000_5.csv": csv_file(columns, values, values)}
        source = risk_source("damages-rlzs", files, {**PARAMETERS, **parameters})
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_damage(damage, rows_of):
    table = damage()
    # of contents, states are missing: no fraction can be told
    assert rows_of(table)[0][5:] == (*(float(i) for i in range(9)), 6 / (2 + 3 + 4 + 5 + 6))
    assert titles(table) == {
        "contents-no_damage": f"{EXPECTED} without damage (contents) given the event [buildings]",
        "contents-complete": f"{EXPECTED} in damage state complete (contents) given the event "
        "[buildings]",
        "structural-no_damage": f"{EXPECTED} without damage (structural) given the event "
        "[buildings]",
        **{
            f"structural-{s}": f"{EXPECTED} in damage state {s} (structural) given the event "
            "[buildings]"
            for s in STATES
        },
        "structural-losses": "Expected losses (structural) given the event [EUR]",
        "structural-fatalities": "Expected fatalities (structural) given the event [people]",
        "structural-complete-fraction": "Fraction of buildings in damage state complete "
        "(structural) given the event, derived: of all states",
    }
    states = [c.damage_state for c in table.columns if c.loss_type == "structural"]
    assert states == ["no_damage", *STATES, "", "", "complete"]
    additive = [c.name for c in table.columns if c.additive]
    assert additive == [n for n in titles(table) if n != "structural-complete-fraction"]
    assert table.style.field == "structural-complete"
    assert table.style.classification == "logarithmic"


def test_the_last_limit_state_is_that_of_the_list_not_of_the_alphabet(damage):
    table = damage("structural-no_damage,structural-z,structural-a", limit_states=["z", "a"])
    assert table.style.field == "structural-a"


def test_states_with_hyphens_and_several_perils(damage):
    columns = "earthquake-structural-no_damage,earthquake-structural-near-collapse"
    table = damage(f"{columns},landslide-structural-near-collapse", limit_states=["near-collapse"])
    column = table.column("landslide-structural-near-collapse")
    assert (column.loss_type, column.damage_state) == ("structural", "near-collapse")
    assert column.label == (
        f"{EXPECTED} in damage state near-collapse (structural, landslide) given the event"
    )
    assert table.style.field == "earthquake-structural-near-collapse"


def test_damage_says_its_time(damage):
    table = damage(calculation_mode="classical_damage", investigation_time=50)
    assert table.column("structural-slight").label == (
        f"{EXPECTED} in damage state slight (structural) in 50 years"
    )
    table = damage(
        calculation_mode="classical_damage", investigation_time=50, risk_investigation_time=1
    )
    assert table.title == f"{EXPECTED} in damage state complete (structural) in 1 year [buildings]"


@pytest.mark.parametrize(
    ("state", "ramp"),
    [
        ("no_damage", "Greys"),
        ("slight", "YlOrBr"),
        ("moderate", "Oranges"),
        ("extensive", "Reds"),
        ("complete", "Purples"),
    ],
)
def test_a_state_has_its_colour(damage, state, ramp):
    assert damage(choices=Choices(style_field=f"structural-{state}")).style.ramp == ramp


def test_modal_damage_states_are_categories_by_rank(damage, rows_of):
    table = damage("modal-ds-structural,modal-ds-landslide~contents", "slight,no_damage")
    assert rows_of(table)[0][5:] == ("slight", "no_damage")
    assert [c.type for c in table.columns[5:]] == [TEXT, TEXT]
    assert not any(c.additive for c in table.columns)
    assert titles(table) == {
        "modal-ds-structural": "Most probable damage state (structural)",
        "modal-ds-landslide~contents": "Most probable damage state (contents, landslide)",
    }
    assert table.style.field == "modal-ds-structural"
    assert [(value, label) for value, label, _ in table.style.categories] == [
        ("no_damage", "no damage"),
        *((s, s) for s in STATES),
    ]
    colors = [color for *_, color in table.style.categories]
    assert len(set(colors)) == 5
    two = damage("modal-ds-structural", "LS1", limit_states=["LS1", "LS2"]).style.categories
    assert (two[0][2], two[-1][2]) == (colors[0], colors[-1])


@pytest.mark.parametrize(
    ("states", "colors"),
    [
        (2, "04"),
        (3, "034"),
        (4, "0234"),
        (5, "01234"),
        (6, "012234"),
        (7, "0122334"),
        (10, "0112223344"),
    ],
)
def test_colors_of_states_go_from_none_to_the_worst(states, colors):
    assert "".join(of_rank("01234", rank, states) for rank in range(states)) == colors


def test_fractions_are_those_of_a_peril_and_a_statistic(risk_source, rows_of):
    columns = "structural-no_damage,structural-z,slide-structural-no_damage,slide-structural-z"
    files = {
        "avg_damages-mean_5.csv": csv_file(columns, "3,1,0,0", "1,1,1,3"),
        "avg_damages-rlz-000_5.csv": csv_file(columns, "1,4,2,2", "0,5,1,0"),
    }
    source = risk_source("damages-stats", files, {**PARAMETERS, "limit_states": ["z"]})
    table = catalogue.read(source, Choices(kind="mean,rlz-0"))
    assert [c.name for c in table.columns][-4:] == [
        "mean-structural-z-fraction",
        "mean-slide-structural-z-fraction",
        "rlz-0-structural-z-fraction",
        "rlz-0-slide-structural-z-fraction",
    ]
    # of no buildings there is no fraction
    assert [row[-4:] for row in rows_of(table)] == [(0.25, None, 0.8, 0.5), (0.5, 0.75, 1.0, 0.0)]
    # a fraction is that of the sums, never a sum
    same_place = {
        name: text.replace("81.25000,28.75000", "80.50000,29.10000") for name, text in files.items()
    }
    source = risk_source("damages-stats", same_place, {**PARAMETERS, "limit_states": ["z"]})
    table = catalogue.read(source, Choices(aggregate_by_site=True))
    assert table.column("slide-structural-z-fraction").label == (
        "Fraction of buildings in damage state z (structural, slide) given the event, sum by site, "
        "derived: of all states"
    )
    [row] = rows_of(table)
    assert row[2:] == (4.0, 2.0, 1.0, 3.0, 2, 2 / 6, 3 / 4)


def test_realizations_of_risk_have_the_name_of_their_branch(risk_source):
    files = {f"avg_losses-rlz-00{i}_5.csv": csv_file("structural", "7", "8") for i in (0, 1)}
    source = risk_source("avg_losses-rlzs", files)
    source.client.extracts[5, "realizations"] = {"array": GSIMS}
    with pytest.raises(InvalidChoice, match=r"rlz-1 \(ChiouYoungs2014, region = JPN, weight 0.25"):
        catalogue.read(source, Choices())
    table = catalogue.read(source, Choices(kind="rlz-0"))
    assert table.title == (
        "Mean structural loss given the event, realization 0 (BooreAtkinson2008, weight 0.75) [EUR]"
    )


def test_a_realization_that_is_all_of_them_is_called_so(risk_source):
    files = {"avg_losses-rlz-000_5.csv": csv_file("structural", "7", "8")}
    source = risk_source("avg_losses-rlzs", files, {"collect_rlzs": True})
    table = catalogue.read(source, Choices())
    label = "Mean structural loss given the event, all realizations (collected)"
    assert table.column("structural").label == label
    with pytest.raises(InvalidChoice, match=r"may be: rlz-0 \(all realizations \(collected\)\)\."):
        catalogue.read(source, Choices(kind="mean"))
    assert (5, "realizations") not in source.client.asked


def test_classical_damage_keeps_each_realization(risk_source):
    """The engine sets collect_rlzs where it samples, and does not collect."""
    about = {"collect_rlzs": True, "calculation_mode": "classical_damage"}
    assert not risk_source("damages-rlzs", {"a_5.csv": "x"}, about).collected


NETWORK = {"infrastructure_connectivity_analysis": True}
PERILS = {
    "inputs": {
        "groundshaking_fragility": {"structural": "a.xml"},
        "landslide_fragility": {"structural": "b.xml"},
    }
}


def test_damage_of_a_network_counts_components(damage):
    table = damage("structural-no_damage,structural-complete", limit_states=["complete"], **NETWORK)
    assert table.title == (
        "Expected number of components in damage state complete (structural) given the event "
        "[components]"
    )


def test_what_has_no_peril_in_its_name_is_of_ground_shaking_alone(damage):
    columns = "structural-complete,landslide-structural-complete,structural-fatalities"
    table = damage(columns, limit_states=["complete"], **PERILS)
    assert [c.label for c in table.columns[-3:]] == [
        f"{EXPECTED} in damage state complete (structural, ground shaking) given the event",
        f"{EXPECTED} in damage state complete (structural, landslide) given the event",
        "Expected fatalities (structural, ground shaking) given the event",
    ]
    assert [c.peril for c in table.columns[-3:-1]] == ["ground shaking", "landslide"]
    inputs = {"structural_fragility": "a.xml", "landslide_fragility": {"structural": "b.xml"}}
    table = damage(columns, limit_states=["complete"], inputs=inputs)
    assert table.columns[-3].peril == "ground shaking"
    table = damage("modal-ds-structural,modal-ds-landslide~structural", "slight,slight", **PERILS)
    assert table.columns[-2].label == "Most probable damage state (structural, ground shaking)"


# --- arrays of extracts


def exports(source) -> list[str]:
    """The outputs that were asked for as CSV."""
    return [kind for kind, *fmt in source.client.asked if fmt == ["csv"]]


def array_of(values: dict[str, list[float]]) -> np.ndarray:
    """The engine's array of assets, as its extracts have them."""
    kinds = [("id", "S100"), ("NAME_1", "S100"), ("taxonomy", "S100"), ("lon", "f4"), ("lat", "f4")]
    rows = [("00123", "Bagmatí".encode(), "RM", 80.08882, 29.1), ("a2", "", "W", 81.25, 28.75)]
    array = np.zeros(2, [*kinds, *((name, "f4") for name in values)])
    for name, column in zip((k[0] for k in kinds), zip(*rows)):
        array[name] = column
    for name, column in values.items():
        array[name] = column
    return array


ARRAYS = {
    "mean": array_of({"contents": [1.5, 0.1], "structural": [325.0004, 2]}),
    "max": array_of({"contents": [9, 8], "structural": [7, 6]}),
}


@pytest.fixture
def with_arrays(risk_source):
    """A function that makes a source with an extract, whose export nobody needs to fetch."""

    def make(
        kind="avg_losses-stats",
        arrays=None,
        what="losses_by_asset",
        exposure=COST_TYPES,
        **parameters,
    ):
        files = {"avg_losses-mean_5.csv": csv_file("structural", "7", "8")}
        parameters = {"calculation_mode": "classical_risk", **parameters}
        source = risk_source(kind, files, parameters, exposure)
        source.client.extracts[5, what] = {**(arrays or ARRAYS), "extra": np.array(["value"])}
        return source

    return make


def test_losses_in_full_precision(with_arrays, rows_of):
    source = with_arrays()
    table = catalogue.read(source, Choices())
    names = ["asset_id", "NAME_1", "taxonomy", "lon", "lat", "contents", "structural"]
    assert [c.name for c in table.columns] == names
    assert [c.type for c in table.columns] == [TEXT, TEXT, TEXT, *[REAL] * 4]
    assert rows_of(table) == [
        (
            "00123",
            "Bagmatí",
            "RM",
            80.08882,
            pytest.approx(29.1, 1e-12),
            1.5,
            pytest.approx(325.0004, 1e-7),
        ),
        ("a2", None, "W", 81.25, 28.75, pytest.approx(0.1, 1e-7), 2.0),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[80.08882, 29.1], [81.25, 28.75]]
    assert not exports(source)
    assert table.provenance["members"] == ["avg_losses-mean"]
    both = catalogue.read(source, Choices(kind="all", loss_type="structural"))
    assert [c.name for c in both.columns][5:] == ["mean-structural", "max-structural"]
    assert rows_of(both)[1][5:] == (2.0, 6.0)
    assert [c.additive for c in both.columns][5:] == [True, False]


@pytest.mark.parametrize(
    ("kind", "arrays", "parameters", "used"),
    [
        ("avg_losses-stats", ARRAYS, {}, True),
        # the extract leaves out sums of loss types and insured losses
        ("avg_losses-stats", ARRAYS, {"total_losses": "structural+contents"}, False),
        ("avg_losses-stats", ARRAYS, {"inputs": {"insurance": {"structural": "x"}}}, False),
        ("avg_losses-stats", ARRAYS, {"inputs": {"exposure": ["x"]}}, True),
        # statistics that are computed when they are exported
        ("avg_losses-stats", {"rlz-000": ARRAYS["max"]}, {}, False),
        ("avg_losses-rlzs", {"rlz-000": ARRAYS["max"]}, {}, True),
        # realizations beside statistics are in the export only
        ("avg_losses-rlzs", ARRAYS, {}, False),
    ],
)
def test_an_extract_is_used_where_it_is_what_the_export_holds(
    with_arrays, rows_of, kind, arrays, parameters, used
):
    source = with_arrays(kind, arrays, **parameters)
    table = catalogue.read(source, Choices())
    assert bool(exports(source)) is not used
    assert [c.name for c in table.columns][5:] == (["contents"] if used else []) + ["structural"]
    expected = arrays.get("mean", ARRAYS["max"])["structural"].tolist() if used else [7.0, 8.0]
    assert [row[-1] for row in rows_of(table)] == expected


def test_realizations_beside_statistics_are_not_taken_for_the_only_one(with_arrays):
    source = with_arrays("avg_losses-rlzs", {"rlz-000": ARRAYS["max"]})
    source.client.has[5] = [Output(1, "avg_losses-stats", "S", ("csv",))]
    catalogue.read(source, Choices())
    assert exports(source)


def test_modal_damage_states_are_in_the_export_only(with_arrays):
    about = {**PARAMETERS, "modal_damage_state": True}
    source = with_arrays("damages-stats", ARRAYS, "damages-stats", **about)
    catalogue.read(source, Choices())
    assert exports(source)


EVENTS = {"calculation_mode": "event_based_risk", "investigation_time": 50}


def test_losses_of_events_per_year_are_derived(with_arrays, rows_of):
    table = catalogue.read(with_arrays(**EVENTS), Choices(loss_type="structural"))
    assert titles(table) == {
        "structural": "Average structural loss in 50 years [EUR]",
        "structural-per-year": "Average structural loss per year, derived: divided by 50 [EUR]",
    }
    assert rows_of(table)[1][5:] == (2.0, pytest.approx(0.04, 1e-7))
    assert table.column("structural-per-year").additive
    assert (table.style.field, table.title) == (
        "structural",
        "Average structural loss in 50 years [EUR]",
    )
    of_one_year = catalogue.read(with_arrays(**{**EVENTS, "investigation_time": 1}), Choices())
    assert list(titles(of_one_year)) == ["contents", "structural"]
    maximum = catalogue.read(with_arrays(**EVENTS), Choices(kind="max"))
    assert maximum.column("structural-per-year").label == (
        "Average structural loss per year, maximum, derived: divided by 50"
    )
    assert not maximum.column("structural-per-year").additive


@pytest.mark.parametrize("mode", ["classical_risk", "scenario_risk"])
def test_no_other_losses_per_year_are_derived(with_arrays, mode):
    table = catalogue.read(with_arrays(calculation_mode=mode, investigation_time=50), Choices())
    assert list(titles(table)) == ["contents", "structural"]
    advice = [note for note in table.notes if "risk_investigation_time=1" in note]
    assert len(advice) == (mode == "classical_risk")


def test_what_is_by_time_is_not_divided_by_years(with_arrays):
    by_month = COST_TYPES.replace('unit="USD"', 'unit="USD/month"')
    table = catalogue.read(with_arrays(**EVENTS, exposure=by_month), Choices())
    assert table.column("contents").unit == "USD/month"
    assert list(titles(table)) == ["contents", "structural", "structural-per-year"]


def test_losses_of_chosen_assets_summed_by_site(with_arrays, rows_of):
    table = catalogue.read(with_arrays(), Choices(taxonomy="W", aggregate_by_site=True))
    assert rows_of(table) == [(None, "W", 81.25, 28.75, pytest.approx(0.1, 1e-7), 2.0, 1)]
    assert table.title == "Mean structural loss, by site [EUR]"
    drawn = Choices(aggregate_by_site=True, style_field="Contents")
    table = catalogue.read(with_arrays(**EVENTS), drawn)
    assert table.title == "Average contents loss in 50 years, by site [USD]"
    assert (table.style.field, table.column("assets").title) == ("contents", "Number of assets")
    labels = [table.column(f"contents{which}").label for which in ("", "-per-year")]
    assert labels == [
        "Average contents loss in 50 years, sum by site",
        "Average contents loss per year, sum by site, derived: divided by 50",
    ]
    assert table.column("contents-per-year").type == REAL
    with pytest.raises(InvalidChoice, match="the maximum of a total is not the sum"):
        catalogue.read(with_arrays(), Choices(kind="max", aggregate_by_site=True))


def test_assets_of_the_exposure_that_have_no_losses(with_arrays):
    def notes(*messages):
        source = with_arrays()
        source.client.log = lambda *_: [LogRecord("", "INFO", "", text) for text in messages]
        return catalogue.read(source, Choices()).notes

    read = "Read 1_002 assets in 0.01s from /data/exposure.csv"
    [left_out] = notes("Running", read)
    assert isinstance(left_out, Warn)
    assert left_out == ("2 of the 1,002 assets of the exposure: no others are in the results.")
    assert notes("Read 1 assets in 0s", "Read 1 assets in 0s") == ()
    assert notes("Running") == ()


@pytest.mark.slow
def test_too_many_fields(with_arrays):
    arrays = {f"rlz-{i:03d}": array_of({"structural-slight": [1, 2]}) for i in range(500)}
    source = with_arrays("damages-rlzs", arrays, "damages-rlzs", **PARAMETERS)
    with pytest.raises(InvalidChoice, match=r"would make 505 fields .*; a layer takes 500"):
        catalogue.read(source, Choices(kind="rlzs"))
    assert len(catalogue.read(source, Choices(kind="rlz-5..499")).columns) == 500


def test_text_among_the_numbers(losses):
    files = {"avg_losses-mean_5.csv": csv_file("structural", "1", "many")}
    with pytest.raises(InvalidOutput, match="the column structural does not hold numbers"):
        losses(files=files)


DAMAGED = {
    f"rlz-00{r}": array_of(
        {
            "structural-no_damage": [3, 4],
            "structural-slight": [0.5 + r, 0.25],
            "structural-complete": [0.125, 0.75],
            "structural-losses": [100, 200],
        }
    )
    for r in range(2)
}


def test_event_based_damage_is_that_of_the_risk_investigation_time(with_arrays, rows_of):
    source = with_arrays(
        "damages-rlzs",
        DAMAGED,
        "damages-rlzs",
        calculation_mode="event_based_damage",
        limit_states=["slight", "complete"],
        investigation_time=2,
        risk_investigation_time=50,
        ses_per_logic_tree_path=10,
    )
    with pytest.raises(
        InvalidOutput, match="does not report the years and the number of its events"
    ):
        catalogue.read(source, Choices(kind="rlz-1"))
    source.client.extracts[5, "num_events"] = {"num_events": np.array(48)}
    source.client.extracts[5, "realizations"] = {"array": np.zeros(2)}
    table = catalogue.read(source, Choices(kind="rlz-1"))
    # 48 events of 2 realizations in 20 years each, in 50 years
    factor = 48 / 2 / 20 * 50
    assert table.provenance["scaled_by"] == factor == 60
    assert titles(table) == {
        "structural-slight": f"{EXPECTED} in damage state slight (structural) in 50 years, "
        "realization 1 [buildings]",
        "structural-complete": f"{EXPECTED} in damage state complete (structural) in 50 years, "
        "realization 1 [buildings]",
        "structural-losses": "Expected losses (structural) in 50 years, realization 1 [EUR]",
    }
    assert [row[5:] for row in rows_of(table)] == [(90, 7.5, 6000), (15, 45, 12000)]
    assert all(c.additive for c in table.columns if c.quantity)
    assert table.style.field == "structural-complete"
    assert "aggrisk counts the events of each realization" in table.notes[-1]
    assert not exports(source)
    summed = catalogue.read(source, Choices(kind="rlz-0", tag_filter="taxonomy=*"))
    assert rows_of(summed)[0][5] == 30


def test_the_word_for_losses_finds_them():
    stats = Output(1, "avg_losses-stats", "S", ("csv",))
    rlzs = Output(2, "avg_losses-rlzs", "R", ("csv",))
    assert catalogue.find_output([rlzs, stats], "avg_losses", 5) is stats
    assert catalogue.find_output([rlzs], "avg_losses", 5) is rlzs
    with pytest.raises(InvalidChoice, match="has no output “avg”"):
        catalogue.find_output([rlzs, stats], "avg", 5)


# --- the real engine


@pytest.fixture(scope="session")
def risk_cases(engine_python):
    """The engine's own tests of risk."""
    [found] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return found


def check_against_csv(table, member, rows_of, digits: int) -> None:
    """The values are those of the CSV, rounded to its digits; derived columns are not in it."""
    header, rows = member
    assert [c.name for c in table.columns][: len(header)] == header
    assert table.rows == len(rows)
    for got, wanted in zip(rows_of(table), rows):
        for column, value, text in zip(table.columns, got, wanted):
            if column.type == TEXT:
                assert value == text
            elif column.name in ("lon", "lat"):
                assert f"{value:.5f}" == text
            else:
                assert value == pytest.approx(float(text), rel=0.51 * 10**-digits)


def test_losses_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    case = str(risk_cases / "classical_risk/case_4")
    number = calculations(case, "job_risk.ini", calculations(case, "job_haz.ini"))
    source = source_of(number, "avg_losses")
    table = catalogue.read(source, Choices())
    [(name, member)] = exported(client, number, "avg_losses-stats", tmp_path).items()
    assert name == "avg_losses-mean"
    check_against_csv(table, member, rows_of, 5)
    assert table.rows == 6
    assert table.title == "Average structural loss in 50 years [USD]"
    # the same in full precision
    losses = source.npz("losses_by_asset").array("mean")
    names = [c.name for c in table.columns]
    rows = [dict(zip(names, row)) for row in rows_of(table)]
    assert losses["id"].tolist() == [row["asset_id"].encode() for row in rows]
    assert losses["structural"].tolist() == [row["structural"] for row in rows]
    sites = catalogue.read(source, Choices(aggregate_by_site=True))
    names = [c.name for c in sites.columns]
    sums = [dict(zip(names, row)) for row in rows_of(sites)]
    assert sum(row["assets"] for row in sums) == 6
    assert sum(row["structural"] for row in sums) == pytest.approx(losses["structural"].sum())


def test_damage_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    case = str(risk_cases / "scenario_damage/case_4")
    number = calculations(case, "job_risk.ini", calculations(case, "job_haz.ini"))
    table = catalogue.read(source_of(number, "damages"), Choices())
    [(name, member)] = exported(client, number, "damages-rlzs", tmp_path).items()
    assert name == "avg_damages-rlz-000"
    check_against_csv(table, member, rows_of, 6)
    assert table.title == f"{EXPECTED} in damage state LS2 (structural) given the event [buildings]"
    # each building is in one state
    numbers = [sum(row[4:-1]) for row in rows_of(table)]
    assert numbers == pytest.approx([3000.0, 1000.0, 2000.0])
    assert [row[-1] for row in rows_of(table)] == pytest.approx(
        [row[-2] / sum(row[4:-1]) for row in rows_of(table)]
    )


def test_event_based_damage_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    number = calculations(str(risk_cases / "event_based_damage/case_13"), "job_a.ini")
    table = catalogue.read(source_of(number, "damages-rlzs"), Choices())
    assert table.title == f"{EXPECTED} in damage state LS2 (structural) in 50 years [buildings]"
    # 42 events in 1,000 years
    assert table.provenance["scaled_by"] == pytest.approx(42 / 20)
    names = [c.name for c in table.columns]
    values = dict(zip(names, zip(*rows_of(table))))
    # the export has the consequences
    [(header, cells)] = exported(client, number, "damages-rlzs", tmp_path).values()
    for name, texts in zip(header, zip(*cells)):
        if name == "structural-losses":
            assert values[name] == pytest.approx([float(text) for text in texts], rel=0.51e-6)
        elif name == "asset_id":
            assert values[name] == texts
    # damage states have no export: they are those of which aggrisk has the sums
    [(header, [total])] = exported(client, number, "aggrisk", tmp_path).values()
    sums = {
        f"structural-{name}": float(text) for name, text in zip(header, total) if name[:2] == "LS"
    }
    sums["structural-losses"] = float(total[header.index("losses_value")])
    assert [n for n in names if n.startswith("structural")] == list(sums)
    assert {n: sum(values[n]) for n in sums} == pytest.approx(sums, rel=1e-5)
