"""Totals of risk: rows, types, choices and labels on files of ours; values against real CSVs."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import GSIMS, csv_text

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, NONE, REAL, TEXT
from oq_processing.outputs.readers.by_tag import read_by_tag

EXPOSURE = (
    '<costTypes><costType name="structural" type="aggregated" unit="EUR"/>'
    '<costType unit="EUR" name="contents" type="per_asset"/></costTypes>'
)
EVENT_BASED = {
    "calculation_mode": "event_based_risk",
    "investigation_time": 10000.0,
    "risk_investigation_time": 1.0,
    "aggregate_by": [["NAME_1"]],
}
SCENARIO = {"calculation_mode": "scenario_risk"}
DAMAGE = {
    **SCENARIO,
    "calculation_mode": "scenario_damage",
    "limit_states": ["slight", "complete"],
}


@pytest.fixture
def aggregate_source(fake_source):
    """A source of totals: files by name (lines of the CSV), and the parameters."""

    def make(kind: str, files: dict[str, str], parameters=EVENT_BASED, exposure=EXPOSURE):
        texts = {f"{name}_5.csv": csv_text(*lines.split()) for name, lines in files.items()}
        return fake_source(texts, None, parameters, exposure, type=kind, name="Totals")

    return make


RISK = {
    "aggrisk-": "loss_type,rlz_id,loss_value,loss_ratio structural,0,3.5E+01,1.0E-01 "
    "structural,1,4.0E+01,2.0E-01 contents,0,7,3.0E-01 contents,1,8,4.0E-01",
    "aggrisk-NAME_1": "loss_type,NAME_1,rlz_id,loss_value,loss_ratio structural,007,0,1,0.1 "
    "structural,007,1,2,0.2 structural,b,0,3,0.3 structural,b,1,4,0.4 contents,b,0,5,0.5",
}
STATS = {
    "aggrisk-stats-": "loss_type,loss,stat structural,10,mean structural,12,quantile-0.85",
    "aggrisk-stats-NAME_1": "loss_type,loss,stat,NAME_1 structural,4,mean,East "
    "structural,5,quantile-0.85,East structural,6,mean,West structural,7,quantile-0.85,West "
    "contents,1,mean,West",
}
CURVES = {
    "aggcurves-": "return_period,loss_type,rlz_id,loss_value,loss_ratio,loss_aep_value,"
    "loss_oep_value,loss_oep_ratio 10,structural,0,1,0.1,2,3,0.3 500,structural,0,4,0.4,5,6,0.6",
}


def read(source, **choices):
    return catalogue.read(source, Choices(**choices))


def titles(table) -> dict[str, str]:
    return {c.name: c.title for c in table.columns}


def types(table) -> dict[str, str]:
    return {c.name: c.type for c in table.columns}


def test_the_total_comes_first_with_all_its_rows(aggregate_source, rows_of):
    table = read(aggregate_source("aggrisk", RISK))
    assert types(table) == {
        "loss_type": TEXT,
        "rlz_id": INTEGER,
        "loss_value": REAL,
        "loss_ratio": REAL,
    }
    assert rows_of(table) == [
        ("structural", 0, 35.0, 0.1),
        ("structural", 1, 40.0, 0.2),
        ("contents", 0, 7.0, 0.3),
        ("contents", 1, 8.0, 0.4),
    ]
    assert (table.rows, table.geometry, table.style) == (4, NONE, None)
    assert titles(table) == {
        "loss_type": "Loss type",
        "rlz_id": "Realization",
        "loss_value": "Average annual loss [EUR]",
        "loss_ratio": "Average annual loss, share of the exposure [fraction]",
    }
    assert table.notes == ("Loaded “total”. Other tables (set MEMBER): NAME_1.",)
    assert table.provenance["members"] == ["aggrisk-"]
    assert table.provenance["risk_investigation_time"] == 1
    assert table.provenance["checksum"] == 42
    # rows of several loss types and realizations
    assert not any(c.additive for c in table.columns)


@pytest.mark.parametrize("member", ["NAME_1", "aggrisk-NAME_1", " name_1 "])
def test_by_tag(aggregate_source, rows_of, member):
    source = aggregate_source("aggrisk", RISK)
    table = read(source, member=member, kind="rlz-1", loss_type="structural")
    # a tag is text, whatever it looks like; whole numbers are losses all the same
    assert rows_of(table) == [("structural", "007", 1, 2.0, 0.2), ("structural", "b", 1, 4.0, 0.4)]
    assert types(table)["NAME_1"] == TEXT
    assert table.rows == 2
    value, ratio = table.column("loss_value"), table.column("loss_ratio")
    assert value.title == "Average annual structural loss, realization 1 [EUR]"
    assert (value.kind, value.loss_type, value.additive) == ("rlz-1", "structural", True)
    assert not ratio.additive
    assert "by NAME_1" in table.title


def test_tags_are_chosen_by_their_values(aggregate_source, rows_of):
    source = aggregate_source("aggrisk", RISK)
    table = read(source, member="NAME_1", tag_filter="NAME_1=b", kind="rlz-0")
    assert [row[1] for row in rows_of(table)] == ["b", "b"]
    assert table.rows == 2


def test_member_that_is_not_there(aggregate_source):
    with pytest.raises(InvalidChoice, match="MEMBER may be: total, NAME_1"):
        read(aggregate_source("aggrisk", RISK), member="county")


def test_tags_with_hyphens_are_found_by_the_name_of_the_file(aggregate_source):
    files = {"aggrisk-stats-a-b-NAME_1": "loss_type,loss,stat,a-b,NAME_1 structural,1,mean,1,2"}
    table = read(aggregate_source("aggrisk-stats", files))
    assert [c.name for c in table.columns if c.type == TEXT and not c.quantity] == ["a-b", "NAME_1"]


def test_kinds(aggregate_source, rows_of):
    source = aggregate_source("aggrisk-stats", STATS)
    assert [row[1] for row in rows_of(read(source))] == [10.0, 12.0]
    table = read(source, kind="quantile-0.85")
    assert rows_of(table) == [("structural", 12.0, "quantile-0.85")]
    assert titles(table)["loss"] == "Average annual structural loss, quantile 0.85 [EUR]"
    assert not table.column("loss").additive
    assert read(source, kind="mean").column("loss").additive
    with pytest.raises(InvalidChoice, match=r"KIND may be: mean, quantile-0\.85"):
        read(source, kind="max")
    with pytest.raises(InvalidChoice, match=r"KIND may be: rlz-0, rlz-1.*in aggrisk-stats"):
        read(aggregate_source("aggrisk", RISK), kind="mean")


def test_one_realization_has_no_column_for_it(aggregate_source, rows_of):
    files = {"aggrisk-": "loss_type,loss_value,loss_ratio structural,3,0.5"}
    for kind in ("", "rlz-0"):
        table = read(aggregate_source("aggrisk", files, SCENARIO), kind=kind)
        assert rows_of(table) == [("structural", 3.0, 0.5)]
        assert titles(table)["loss_value"] == "Mean structural loss given the event [EUR]"
    with pytest.raises(InvalidChoice, match="KIND may be: rlz-0"):
        read(aggregate_source("aggrisk", files, SCENARIO), kind="rlz-1")


def test_loss_types_that_are_not_there(aggregate_source):
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: structural, contents"):
        read(aggregate_source("aggrisk", RISK), loss_type="area")


@pytest.mark.parametrize(
    ("exposure", "loss_type", "unit"),
    [
        (EXPOSURE, "", "EUR"),
        (EXPOSURE.replace('"EUR" name', '"USD" name'), "", ""),
        (EXPOSURE.replace('"EUR" name', '"USD" name'), "contents", "USD"),
        (None, "contents", ""),
    ],
)
def test_rows_of_different_units_have_none(aggregate_source, exposure, loss_type, unit):
    table = read(aggregate_source("aggrisk", RISK, exposure=exposure), loss_type=loss_type)
    assert table.column("loss_value").unit == unit


def test_people_need_no_exposure(aggregate_source):
    files = {"aggrisk-": "loss_type,loss_value,loss_ratio occupants_night,3,0.5"}
    source = aggregate_source("aggrisk", files, SCENARIO)
    assert titles(read(source))["loss_value"] == (
        "Mean occupants night loss given the event [people]"
    )
    assert ("exposure", "zip") not in source.client.asked


# --- curves


def test_curves_say_their_types_of_probability(aggregate_source, rows_of):
    table = read(aggregate_source("aggcurves", CURVES))
    assert types(table)["return_period"] == INTEGER
    assert rows_of(table)[1] == (500, "structural", 0, 4.0, 0.4, 5.0, 6.0, 0.6)
    at = "Structural loss at the return period,"
    assert titles(table) == {
        "return_period": "Return period [years]",
        "loss_type": "Loss type",
        "rlz_id": "Realization",
        "loss_value": f"{at} exceedance probability (EP), realization 0 [EUR]",
        "loss_ratio": f"{at} exceedance probability (EP), share of the exposure, realization 0 "
        "[fraction]",
        "loss_aep_value": f"{at} aggregate exceedance probability (AEP), realization 0 [EUR]",
        "loss_oep_value": f"{at} occurrence exceedance probability (OEP), realization 0 [EUR]",
        "loss_oep_ratio": f"{at} occurrence exceedance probability (OEP), share of the exposure, "
        "realization 0 [fraction]",
    }
    assert not any(c.additive for c in table.columns)


def test_absolute_and_ratio_of_a_type(aggregate_source, rows_of):
    table = read(aggregate_source("aggcurves", CURVES), ep_type="OEP")
    names = ["return_period", "loss_type", "rlz_id", "loss_oep_value", "loss_oep_ratio"]
    assert [c.name for c in table.columns] == names
    assert rows_of(table) == [(10, "structural", 0, 3.0, 0.3), (500, "structural", 0, 6.0, 0.6)]
    only = {"aggcurves-": "return_period,loss_type,loss_value,loss_ratio 10,structural,1,1"}
    with pytest.raises(InvalidChoice, match="EP_TYPE may be: ep"):
        read(aggregate_source("aggcurves", only), ep_type="oep")


@pytest.mark.parametrize("text", ["500", "500y", "500 years", "500.0"])
def test_return_periods(aggregate_source, rows_of, text):
    table = read(aggregate_source("aggcurves", CURVES), return_period=text)
    assert [row[0] for row in rows_of(table)] == [500]
    assert table.rows == 1


@pytest.mark.parametrize("text", ["475", "500,475", "10%", "y"])
def test_return_periods_are_not_interpolated(aggregate_source, text):
    with pytest.raises(InvalidChoice, match=r"none are interpolated; RETURN_PERIOD may be: 10, 50"):
        read(aggregate_source("aggcurves", CURVES), return_period=text)


# --- damage


def test_states_of_damage_have_their_names(aggregate_source, rows_of):
    files = {
        "aggrisk-stats-": "loss_type,dmg_0,dmg_1,dmg_2,losses,fatalities,stat "
        "structural,9,0.5,0.25,100,3,mean"
    }
    table = read(aggregate_source("aggrisk-stats", files, DAMAGE))
    number = "Expected number of buildings"
    assert titles(table) == {
        "loss_type": "Loss type",
        "dmg_0": f"{number} without damage (structural) given the event [buildings]",
        "dmg_1": f"{number} in damage state slight (structural) given the event [buildings]",
        "dmg_2": f"{number} in damage state complete (structural) given the event [buildings]",
        "losses": "Expected losses (structural) given the event [EUR]",
        "fatalities": "Expected fatalities (structural) given the event [people]",
        "stat": "Statistic",
    }
    states = [c.damage_state for c in table.columns]
    assert states == ["", "no_damage", "slight", "complete", "", "", ""]
    assert rows_of(table) == [("structural", 9.0, 0.5, 0.25, 100.0, 3.0, "mean")]


def test_realizations_of_totals_are_named_in_the_log(aggregate_source):
    source = aggregate_source("aggrisk", RISK)
    source.client.extracts[5, "realizations"] = {"array": GSIMS}
    assert read(source, member="total").notes == (
        "Realization 0 (BooreAtkinson2008, weight 0.75); Realization 1 (ChiouYoungs2014, "
        "region = JPN, weight 0.25).",
    )


def test_totals_of_damage_are_of_all_perils(aggregate_source):
    files = {"aggrisk-": "loss_type,no_damage,slight,complete structural,9,0.5,0.25"}
    inputs = {"liquefaction_fragility": {"structural": "a"}, "landslide_fragility": {"area": "b"}}
    network = {"inputs": inputs, "infrastructure_connectivity_analysis": True}
    table = read(aggregate_source("aggrisk", files, {**DAMAGE, **network}))
    assert table.column("complete").title == (
        "Expected number of components in damage state complete (structural, all perils combined) "
        "given the event [components]"
    )
    assert table.column("complete").peril == "all perils combined"


def test_damage_of_realizations(aggregate_source):
    files = {"aggrisk-": "loss_type,rlz_id,no_damage,slight,complete structural,0,9,0.5,0.25"}
    table = read(aggregate_source("aggrisk", files, DAMAGE))
    assert [c.damage_state for c in table.columns][2:] == ["no_damage", "slight", "complete"]


# --- events, sources, reinsurance, tags


def test_events(aggregate_source, rows_of):
    files = {
        "risk_by_event": "event_id,loss,loss_type,rup_id,year "
        "21955,1.5,structural,22548578997,2044 3,2,contents,1,7"
    }
    table = read(aggregate_source("risk_by_event", files), loss_type="structural")
    assert rows_of(table) == [(21955, 1.5, "structural", 22548578997, 2044)]
    assert list(types(table).values()) == [INTEGER, REAL, TEXT, INTEGER, INTEGER]
    assert titles(table)["loss"] == "Structural loss in the event [EUR]"


def test_sources_of_all_loss_types(aggregate_source, rows_of):
    files = {
        "src_loss_contents": "source,value 224,1 0225,2",
        "src_loss_structural": "source,value 224,3.5 1;1,4",
    }
    source = aggregate_source("src_loss_table", files)
    table = read(source)
    assert rows_of(table) == [
        ("contents", "224", 1.0, 0.0001),
        ("contents", "0225", 2.0, 0.0002),
        ("structural", "224", 3.5, 0.00035),
        ("structural", "1;1", 4.0, 0.0004),
    ]
    assert titles(table)["value"] == (
        "Loss, sum over all events of 10000 years, mean of the realizations [EUR]"
    )
    assert titles(table)["value-per-year"] == (
        "Average annual loss, derived: divided by 10000 [EUR]"
    )
    table = read(source, loss_type="structural")
    assert rows_of(table)[0] == ("structural", "224", 3.5, 0.00035)
    assert table.column("value-per-year").label == (
        "Average annual structural loss, derived: divided by 10000"
    )
    assert table.rows == 2
    assert rows_of(read(source, member="src_loss_contents"))[0][:3] == ("contents", "224", 1.0)
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: contents, structural"):
        read(source, loss_type="area")


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ({"investigation_time": 50.0, "ses_per_logic_tree_path": 20}, " of 1000 years"),
        ({"investigation_time": 50.0}, " of 50 years"),
        ({"investigation_time": 1.0}, " of 1 year"),
        ({}, ""),
    ],
)
def test_losses_by_source_are_of_the_years_of_all_event_sets(aggregate_source, parameters, label):
    parameters = {"calculation_mode": "event_based_risk", **parameters}
    files = {"src_loss_contents": "source,value 224,1"}
    table = read(aggregate_source("src_loss_table", files, parameters))
    what = f"Contents loss, sum over all events{label}, mean of the realizations"
    assert table.column("value").label == what
    derived = label not in ("", " of 1 year")
    assert ("value-per-year" in [c.name for c in table.columns]) == derived


def test_losses_of_a_unit_that_holds_a_time_are_not_divided(aggregate_source, rows_of):
    files = {
        "src_loss_business_interruption": "source,value 224,1",
        "src_loss_structural": "source,value 224,2",
    }
    source = aggregate_source("src_loss_table", files)
    source.fetched["cost_units"] = {"business_interruption": "USD/month", "structural": "USD"}
    table = read(source)
    assert [row[3] for row in rows_of(table)] == [None, 0.0002]
    assert table.column("value-per-year").unit == "USD"
    timed = read(source, loss_type="business_interruption")
    assert [c.name for c in timed.columns] == ["loss_type", "source", "value"]


def test_losses_by_tag_are_side_by_side(aggregate_source, rows_of):
    files = {
        "avg_losses_by_-taxonomy": "taxonomy,structural,contents 1,10,20 W,30,40",
        "avg_losses_by_-NAME_1": "NAME_1,structural,contents East,40,60",
    }
    source = aggregate_source("avg_losses_by", files, SCENARIO)
    table = read(source, member="taxonomy", loss_type="contents")
    assert rows_of(table) == [("1", 20.0), ("W", 40.0)]
    column = table.column("contents")
    assert column.title == "Mean contents loss given the event [EUR]"
    assert (column.additive, column.loss_type, column.kind) == (True, "contents", "mean")
    assert rows_of(read(source)) == [("East", 40.0, 60.0)]


def test_reinsurance(aggregate_source, rows_of):
    parameters = {**EVENT_BASED, "total_losses": "structural+contents"}
    files = {
        "reinsurance-avg_policy": "rlz_id,policy_id,retention,claim,Surplus_1,overspill_Surplus_1 "
        "0,007,1,2,3,4 1,007,5,6,7,8"
    }
    source = aggregate_source("reinsurance-avg_policy", files, parameters)
    table = read(source, kind="rlz-1")
    assert rows_of(table) == [(1, "007", 5.0, 6.0, 7.0, 8.0)]
    assert titles(table)["claim"] == "Average annual claim, realization 1 [EUR]"
    assert titles(table)["overspill_Surplus_1"] == (
        "Average annual overspill of Surplus_1, realization 1 [EUR]"
    )
    files = {"reinsurance-aggcurves": "rlz_id,return_period,claim 0,1.0E+01,2 0,5.0E+02,3"}
    source = aggregate_source("reinsurance-aggcurves", files, parameters)
    assert rows_of(read(source, return_period="500")) == [(0, 500.0, 3.0)]
    files = {"reinsurance-risk_by_event": "event_id,claim,year 33,5,15025"}
    table = read(aggregate_source("reinsurance-risk_by_event", files, parameters))
    assert rows_of(table) == [(33, 5.0, 15025)]
    assert titles(table)["claim"] == "Claim in the event [EUR]"


def test_perils(aggregate_source, rows_of):
    files = {
        "agg_risk": "peril,loss-structural,occupants_night,no_damage-structural,slight-structural "
        "ASH_DRY,1.5E+05,NAN,1,2 LAVA,NAN,4,3,4"
    }
    table = read(aggregate_source("agg_risk", files, {**DAMAGE, "calculation_mode": "multi_risk"}))
    assert rows_of(table) == [("ASH_DRY", 150000.0, None, 1.0, 2.0), ("LAVA", None, 4.0, 3.0, 4.0)]
    assert titles(table) == {
        "peril": "Peril",
        "loss-structural": "Structural loss [EUR]",
        "occupants_night": "Occupants night [people]",
        "no_damage-structural": "Expected number of buildings without damage (structural) "
        "[buildings]",
        "slight-structural": "Expected number of buildings in damage state slight (structural) "
        "[buildings]",
    }


def test_exposure_by_tag_and_intensity(aggregate_source, rows_of):
    files = {"aggexp_tags-NAME_1": "NAME_1,number,structural,occupants_night 01,2,3,4"}
    table = read(aggregate_source("aggexp_tags", files))
    assert rows_of(table) == [("01", 2.0, 3.0, 4.0)]
    assert titles(table) == {
        "NAME_1": "NAME_1",
        "number": "Number of buildings [buildings]",
        "structural": "Value, structural [EUR]",
        "occupants_night": "Occupants night [people]",
    }
    files = {"mmi_tags": "ID,structural,number,NAME,mmi 0123,1,2,Here,7"}
    table = read(aggregate_source("mmi_tags", files))
    assert rows_of(table) == [("0123", 1.0, 2.0, "Here", 7)]


def test_nothing_inside(aggregate_source, rows_of):
    table = read(aggregate_source("aggrisk", {"aggrisk-": "loss_type,loss_value"}), kind="mean")
    assert (table.rows, rows_of(table)) == (0, [])
    assert table.notes == ("Totals of calculation 5 is empty.",)


def test_a_column_of_a_newer_engine(aggregate_source, rows_of):
    files = {"aggrisk-stats-": "loss_type,loss,remark,stat structural,1,good,mean"}
    table = read(aggregate_source("aggrisk-stats", files))
    assert rows_of(table) == [("structural", 1.0, "good", "mean")]


def test_geometry_and_long_format_are_refused(aggregate_source):
    for choices in ({"geometry": "point"}, {"long_format": True}):
        with pytest.raises(InvalidChoice, match="Totals"):
            read(aggregate_source("aggrisk", RISK), **choices)
    assert read(aggregate_source("aggrisk", RISK), geometry="none").rows == 4


def test_choices_are_refused_by_the_catalogue(aggregate_source):
    with pytest.raises(InvalidChoice, match="cannot be chosen by RETURN_PERIOD"):
        catalogue.read(aggregate_source("aggrisk", RISK), Choices(return_period="500"))


# --- one row for each value of a tag


def by_tag(source, tag="", **choices):
    table = read_by_tag(source, Choices(**choices), tag)
    return [c.name for c in table.columns], table.values, table


def test_a_row_for_each_tag(aggregate_source):
    names, values, table = by_tag(aggregate_source("aggrisk-stats", STATS))
    assert names == ["structural", "contents"]
    assert values["East"] == [4.0, None]
    assert values["West"] == [6.0, 1.0]
    assert table.title == "Average annual structural loss by NAME_1 [EUR]"
    assert (table.style.field, table.style.classification) == ("structural", "logarithmic")
    assert [c.additive for c in table.columns] == [True, True]
    assert table.provenance["members"] == ["aggrisk-stats-NAME_1"]
    assert table.provenance["tag"] == "NAME_1"


def test_several_kinds_are_side_by_side(aggregate_source):
    source = aggregate_source("aggrisk-stats", STATS)
    names, values, table = by_tag(source, "name_1", kind="all", loss_type="structural")
    assert names == ["mean-structural", "quantile-0.85-structural"]
    assert values == {"East": [4.0, 5.0], "West": [6.0, 7.0]}
    assert [c.additive for c in table.columns] == [True, False]
    assert table.columns[1].title == "Average annual structural loss, quantile 0.85 [EUR]"
    assert table.style.field == "mean-structural"


def test_realizations_must_be_chosen(aggregate_source):
    source = aggregate_source("aggrisk", RISK)
    with pytest.raises(InvalidChoice, match=r"\(KIND\): rlz-0, rlz-1\. Statistics are in"):
        by_tag(source)
    names, values, _ = by_tag(source, kind="rlz-1", loss_type="structural")
    assert names == ["structural", "structural-ratio"]
    assert values == {"007": [2.0, 0.2], "b": [4.0, 0.4]}


def test_return_periods_are_columns(aggregate_source):
    header = "return_period,loss_type,loss_aep,loss_oep,stat,NAME_1"
    rows = [f"{p},structural,{p + 1},{p + 2},mean,East" for p in (100, 500, 2000)]
    source = aggregate_source(
        "aggcurves-stats", {"aggcurves-stats-NAME_1": " ".join([header, *rows])}
    )
    names, values, table = by_tag(source)
    assert names == [f"structural-{ep}-{p}y" for p in (100, 500, 2000) for ep in ("aep", "oep")]
    assert values == {"East": [101.0, 102.0, 501.0, 502.0, 2001.0, 2002.0]}
    # nearest to 475 years
    assert table.style.field == "structural-aep-500y"
    names, values, table = by_tag(source, ep_type="oep", return_period="100")
    assert (names, values) == (["structural-100y"], {"East": [102.0]})
    [column] = table.columns
    assert column.title == (
        "Structural loss at the 100-year return period, occurrence exceedance probability "
        "(OEP), mean [EUR]"
    )
    assert not column.additive


TWO_TAGS = {
    "aggrisk-stats-taxonomy-NAME_1": "loss_type,dmg_0,dmg_1,dmg_2,stat,taxonomy,NAME_1 "
    "structural,1,2,3,mean,RM,East structural,10,20,30,mean,W,East structural,5,5,5,mean,W,West"
}


def test_what_may_be_summed_is_summed_over_other_tags(aggregate_source):
    source = aggregate_source("aggrisk-stats", TWO_TAGS, DAMAGE)
    with pytest.raises(InvalidChoice, match=r"\(TAG\): taxonomy, NAME_1"):
        by_tag(source)
    names, values, table = by_tag(source, "NAME_1")
    assert names == ["structural-no_damage", "structural-slight", "structural-complete"]
    assert values == {"East": [11.0, 22.0, 33.0], "West": [5.0, 5.0, 5.0]}
    assert table.style.field == "structural-complete"
    assert table.notes == ("Summed over taxonomy; TAG_FILTER chooses of them.",)
    for pattern in ("W", "w", "*W"):
        _, values, table = by_tag(source, "NAME_1", tag_filter=f"taxonomy={pattern}")
        assert values == {"East": [10.0, 20.0, 30.0], "West": [5.0, 5.0, 5.0]}
        assert table.notes == ()
    with pytest.raises(InvalidChoice, match="Nothing has taxonomy “X”; there are: RM, W"):
        by_tag(source, "NAME_1", tag_filter="taxonomy=X")


def test_what_must_not_be_summed_is_not(aggregate_source):
    files = {
        "aggcurves-stats-taxonomy-NAME_1": "return_period,loss_type,loss,stat,taxonomy,NAME_1 "
        "10,structural,1,mean,RM,East 10,structural,2,mean,W,East"
    }
    source = aggregate_source("aggcurves-stats", files)
    with pytest.raises(InvalidChoice, match=r"must not be added up over taxonomy.*taxonomy=RM"):
        by_tag(source, "NAME_1")
    _, values, _ = by_tag(source, "NAME_1", tag_filter="taxonomy=W")
    assert values == {"East": [2.0]}


def test_the_file_with_the_fewest_tags_is_taken(aggregate_source):
    files = {
        "aggcurves-stats-NAME_1": "return_period,loss_type,loss,stat,NAME_1 "
        "10,structural,2.5,mean,East",
        "aggcurves-stats-NAME_1-taxonomy": "return_period,loss_type,loss,stat,NAME_1,taxonomy "
        "10,structural,1,mean,East,W 10,structural,2,mean,East,RM",
    }
    _, values, _ = by_tag(aggregate_source("aggcurves-stats", files), "NAME_1")
    assert values == {"East": [2.5]}


@pytest.mark.parametrize("rows", [("1", "NAN"), ("NAN", "1"), ("1", ""), ("", "1"), ("", "")])
def test_a_sum_with_an_unknown_part_is_unknown(aggregate_source, rows):
    first, second = rows
    files = {
        "aggrisk-stats-taxonomy-NAME_1": "loss_type,loss,stat,taxonomy,NAME_1 "
        f"structural,{first},mean,RM,East structural,{second},mean,W,East "
        "structural,0,mean,RM,West structural,2,mean,W,West"
    }
    _, values, _ = by_tag(aggregate_source("aggrisk-stats", files), "NAME_1")
    assert np.isnan(values["East"][0])
    assert values["West"] == [2.0]


@pytest.mark.parametrize(
    ("kind", "files", "words"),
    [
        ("aggrisk-stats", {"aggrisk-stats-": "loss_type,loss,stat a,1,mean"}, "aggregate_by = "),
        ("risk_by_event", {"risk_by_event": "event_id,loss 1,2"}, "OUTPUT_TYPE may be: aggrisk"),
    ],
)
def test_no_tags_at_all(aggregate_source, kind, files, words):
    with pytest.raises(InvalidChoice, match=words):
        by_tag(aggregate_source(kind, files))


def test_a_tag_that_is_not_there(aggregate_source):
    with pytest.raises(InvalidChoice, match="no tag “NAME_2”; TAG may be: NAME_1"):
        by_tag(aggregate_source("aggrisk-stats", STATS), "NAME_2")


def test_too_many_columns(aggregate_source):
    rows = [f"{p},structural,1,mean,East" for p in range(1, 502)]
    header = "return_period,loss_type,loss,stat,NAME_1"
    files = {"aggcurves-stats-NAME_1": " ".join([header, *rows])}
    with pytest.raises(InvalidChoice, match="This would make 501 fields"):
        by_tag(aggregate_source("aggcurves-stats", files))


# --- the real engine


@pytest.mark.parametrize("kind", ["aggrisk", "aggcurves"])
def test_every_row_of_the_engine(
    losses_by_tag, source_of, client, exported, rows_of, tmp_path, kind
):
    files = exported(client, losses_by_tag, kind, tmp_path)
    assert set(files) == {
        f"{kind}-{tags}" for tags in ("", "site_id", "site_id-taxonomy", "taxonomy")
    }
    for member, (header, rows) in files.items():
        table = catalogue.read(source_of(losses_by_tag, kind), Choices(member=member))
        assert [c.name for c in table.columns] == header
        assert table.rows == len(rows) > 0
        assert {types(table).get(tag, TEXT) for tag in ("site_id", "taxonomy")} == {TEXT}
        for got, wanted in zip(rows_of(table), rows):
            for column, value, text in zip(table.columns, got, wanted):
                assert value == (text if column.type == TEXT else float(text))


def test_events_of_the_engine(losses_by_tag, source_of, client, exported, rows_of, tmp_path):
    [(header, rows)] = exported(client, losses_by_tag, "risk_by_event", tmp_path).values()
    table = catalogue.read(source_of(losses_by_tag, "risk_by_event"), Choices())
    assert [c.name for c in table.columns] == header
    position = header.index("event_id")
    assert types(table)["event_id"] == INTEGER
    assert [str(row[position]) for row in rows_of(table)] == [row[position] for row in rows]


def test_the_mean_of_a_taxonomy_is_the_sum_of_its_sites(losses_by_tag, source_of):
    source = source_of(losses_by_tag, "aggrisk")
    direct = read_by_tag(source, Choices(), "taxonomy")
    assert [c.name for c in direct.columns][:2] == ["nonstructural", "nonstructural-ratio"]
    assert direct.columns[0].title == "Average nonstructural loss in 1000 years [EUR]"
    parts = catalogue.read(source, Choices(member="site_id-taxonomy", loss_type="nonstructural"))
    names = [c.name for c in parts.columns]
    sums: dict[str, float] = {}
    for block in parts.blocks():
        rows = dict(zip(names, (v.tolist() for v in block.values)))
        for taxonomy, loss in zip(rows["taxonomy"], rows["loss_value"]):
            sums[taxonomy] = sums.get(taxonomy, 0) + loss
    assert len(sums) > 5
    found = {tag: values[0] for tag, values in direct.values.items()}
    assert found == pytest.approx(sums, rel=1e-4)
