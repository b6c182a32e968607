"""Benefit-cost ratios, loss maps, loss curves, multi-peril risk: on assets of ours and real."""

from __future__ import annotations

import io
import json
import math
import zipfile

import numpy as np
import pytest
from helpers import titles

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, NONE, POINT, REAL, TEXT
from oq_processing.outputs.readers.loss_curves import loss_at

FIELDS = {
    "id": ["00123", "a2", "a3"],
    "lon": [80.5, 80.5, 81.25],
    "lat": [29.125, 29.125, 28.75],
    "value-structural": [100, 200, 400],
    "retrofitted": [50, 200, 0],
}
TAGS = {"taxonomy": ["RM", "W", "W"], "NAME_1": ["Bagmati", "?", "Gandaki"]}
ABOUT = ["asset_id", "NAME_1", "taxonomy", "lon", "lat"]


# --- benefit-cost ratios

BCR_DTYPE = [(name, "<f4") for name in ("annual_loss_orig", "annual_loss_retro", "bcr")]
RATIOS = [
    [(8, 4, 1.5), (80, 40, 15)],
    [(6, 5, 0.25), (60, 50, 2.5)],
    [(4, 2, math.inf), (0, 0, math.nan)],
]
LIFE = {"interest_rate": 0.05, "asset_life_expectancy": 50, "investigation_time": 1}


@pytest.fixture
def bcr(asset_source):
    """A function that reads the ratios of three assets, by realization or statistic."""

    def read(choices=None, parameters=LIFE, ids=FIELDS["id"], values=RATIOS, **names):
        [(key, kinds)] = (names or {"rlz": [0, 1]}).items()
        kind = "bcr-rlzs" if key == "rlz" else "bcr-stats"
        source = asset_source(kind, FIELDS, TAGS, parameters)
        about = {"shape_descr": ["assets", key], "assets": ids, key: kinds}
        array = np.array(values, BCR_DTYPE)[:, : len(kinds)]
        members = {"array": array, "json": np.array(json.dumps(about).encode())}
        source.client.extracts[5, kind] = members
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_benefit_cost_ratios(bcr, rows_of):
    table = bcr(rlz=[0])
    names = [c.name for c in table.columns]
    assert names == [*ABOUT, "annual_loss_orig", "annual_loss_retro", "bcr"]
    assert rows_of(table) == [
        ("00123", "Bagmati", "RM", 80.5, 29.125, 8, 4, 1.5),
        ("a2", "?", "W", 80.5, 29.125, 6, 5, 0.25),
        ("a3", "Gandaki", "W", 81.25, 28.75, 4, 2, math.inf),
    ]
    assert titles(table) == {
        "annual_loss_orig": "Average annual structural loss, as built [EUR]",
        "annual_loss_retro": "Average annual structural loss, retrofitted [EUR]",
        "bcr": "Benefit-cost ratio of retrofitting",
    }
    assert [c.additive for c in table.columns] == [False] * 5 + [True, True, False]
    assert (table.geometry, table.title) == (POINT, "Benefit-cost ratio of retrofitting")
    assert (table.style.field, table.style.ramp, table.style.center) == ("bcr", "RdYlGn", 1.0)
    assert table.style.classification == "standard"
    assert table.style.breaks == (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
    assert table.style.labels[4:6] == ("0.3 – 1", "1 – 3")
    assert table.notes == ()
    [block] = table.blocks()
    assert block.xy.tolist() == [[80.5, 29.125], [80.5, 29.125], [81.25, 28.75]]


def test_a_ratio_that_nobody_knows_is_empty(bcr, rows_of):
    assert [row[-1] for row in rows_of(bcr(Choices(kind="rlz-1")))] == [15, 2.5, None]


def test_losses_that_are_not_annual_say_so(bcr):
    table = bcr(parameters={**LIFE, "investigation_time": 50}, rlz=[0])
    label = "Average structural loss in 50 years, as built"
    assert table.column("annual_loss_orig").label == label
    [note] = table.notes
    assert "they are of 50 years" in note
    table = bcr(parameters={"investigation_time": 50, "risk_investigation_time": 1}, rlz=[0])
    assert table.notes == ()
    assert table.column("annual_loss_retro").label.startswith("Average annual")


def test_statistics_of_ratios(bcr, rows_of):
    table = bcr(stat=["quantile-0.85", "mean"])
    assert table.column("bcr").kind == "mean"
    assert rows_of(table)[0][5:] == (80, 40, 15)
    assert table.column("annual_loss_orig").additive
    table = bcr(Choices(kind="all"), stat=["quantile-0.85", "mean"])
    names = [c.name for c in table.columns][5:]
    assert names == [
        *("mean-annual_loss_orig", "mean-annual_loss_retro", "mean-bcr"),
        *("quantile-0.85-annual_loss_orig", "quantile-0.85-annual_loss_retro", "quantile-0.85-bcr"),
    ]
    assert [c.additive for c in table.columns[5:]] == [True, True, False, False, False, False]
    assert rows_of(table)[1][5:] == (60, 50, 2.5, 6, 5, 0.25)
    label = "Benefit-cost ratio of retrofitting, quantile 0.85"
    assert table.columns[-1].label == label
    assert table.style.field == "mean-bcr"


def test_ratios_of_a_site_are_those_of_its_sums(bcr, rows_of):
    table = bcr(Choices(aggregate_by_site=True), rlz=[0])
    names = ["lon", "lat", "annual_loss_orig", "annual_loss_retro", "retrofitted", "assets", "bcr"]
    assert [c.name for c in table.columns] == names
    assert table.title == "Benefit-cost ratio of retrofitting, by site"
    assert (table.style.field, table.style.center) == ("bcr", 1.0)
    drawn = bcr(Choices(aggregate_by_site=True, style_field="annual_loss_orig"), rlz=[0])
    assert drawn.title == "Average annual structural loss, as built, by site [EUR]"
    assert (drawn.style.field, drawn.style.classification) == ("annual_loss_orig", "logarithmic")
    assert not table.column("bcr").additive
    first, second = rows_of(table)
    factor = (1 - math.exp(-0.05 * 50)) / 0.05
    assert first[:6] == (80.5, 29.125, 14, 9, 250, 2)
    assert first[6] == pytest.approx(5 * factor / 250)
    assert (second[4], second[6]) == (0, math.inf)


def test_ratios_that_cannot_be_computed_anew_are_not_summed(bcr):
    with pytest.raises(InvalidChoice, match=r"“bcr” .* must not be summed"):
        bcr(Choices(aggregate_by_site=True), parameters={"investigation_time": 1}, rlz=[0])
    with pytest.raises(InvalidChoice, match=r"quantile 0\.85"):
        bcr(Choices(aggregate_by_site=True, kind="quantile-0.85"), stat=["quantile-0.85"])


def test_ratios_of_other_assets_are_refused(bcr):
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        bcr(ids=["00123", "a3", "a2"], rlz=[0])
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        bcr(ids=["00123"], rlz=[0])
    with pytest.raises(InvalidOutput, match="unknown form"):
        bcr(rlz=[0, 1, 2])


# --- loss maps

MAP = [(poe, "<f4") for poe in ("poe-0.02", "poe-0.1")]
MAP_DTYPE = [("id", "S100"), ("lon", "<f4"), ("structural", MAP), ("occupants", MAP)]
MAPS = {
    "max": [("00123", 0, (9, 8), (7, 6)), ("a2", 0, (5, 4), (3, 2)), ("a3", 0, (1, 0), (0, 0))],
    "mean": [("00123", 0, (1, 2), (3, 4)), ("a2", 0, (5, 6), (7, 8)), ("a3", 0, (0, 0), (9, 0))],
}


def as_npz(**members) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, extra=np.array(["value"]), **members)
    return buffer.getvalue()


@pytest.fixture
def loss_maps(asset_source):
    """A function that reads loss maps of three assets."""

    def read(choices=None, maps=MAPS, kind="loss_maps-stats", fields=FIELDS, **parameters):
        members = {name: np.array(rows, MAP_DTYPE) for name, rows in maps.items()}
        exports = {"npz": ("m.npz", as_npz(**members))}
        parameters = {"investigation_time": 50, **parameters}
        source = asset_source(kind, fields, TAGS, parameters, exports)
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_loss_maps(loss_maps, rows_of):
    table = loss_maps()
    assert titles(table) == {
        "structural~poe-0.02": "Structural loss at the 2475-year return period, mean [EUR]",
        "structural~poe-0.1": "Structural loss at the 475-year return period, mean [EUR]",
        "occupants~poe-0.02": "Occupants loss at the 2475-year return period, mean [people]",
        "occupants~poe-0.1": "Occupants loss at the 475-year return period, mean [people]",
    }
    assert [c.name for c in table.columns][:5] == ABOUT
    assert [row[5:] for row in rows_of(table)] == [(1, 2, 3, 4), (5, 6, 7, 8), (0, 0, 9, 0)]
    assert not any(c.additive for c in table.columns)
    column = table.column("structural~poe-0.1")
    assert (column.kind, column.poe, column.loss_type) == ("mean", 0.1, "structural")
    assert table.title == "Structural loss at the 475-year return period, mean [EUR]"
    assert (table.style.field, table.style.classification) == ("structural~poe-0.1", "logarithmic")


def test_the_return_period_is_that_of_the_risk_investigation_time(loss_maps):
    # 10,000 years of events, probabilities in one
    maps = {"mean": MAPS["mean"]}
    table = loss_maps(maps=maps, investigation_time=10000, risk_investigation_time=1)
    assert (
        table.column("structural~poe-0.1").label
        == "Structural loss at the 9.49-year return period, mean"
    )
    assert table.title == "Structural loss at the 49-year return period, mean [EUR]"


def test_choices_of_loss_maps(loss_maps, rows_of):
    table = loss_maps(Choices(kind="all", loss_type="occupants", poe="475y"))
    names = [c.name for c in table.columns][5:]
    assert names == ["mean-occupants~poe-0.1", "max-occupants~poe-0.1"]
    assert [row[5:] for row in rows_of(table)] == [(4, 6), (8, 2), (0, 0)]
    label = "Occupants loss at the 475-year return period, maximum"
    assert table.columns[-1].label == label
    table = loss_maps(Choices(tag_filter="NAME_1=Bagmati", poe="2%"))
    assert [row[5:] for row in rows_of(table)] == [(1, 3)]
    assert loss_maps(Choices(poe="2%")).style.field == "structural~poe-0.02"
    drawn = loss_maps(Choices(style_field="Occupants~poe-0.02"))
    assert drawn.title == "Occupants loss at the 2475-year return period, mean [people]"
    with pytest.raises(InvalidChoice, match=r"POE may be: 0.02 \(2%, 2475y\), 0.1"):
        loss_maps(Choices(poe="0.5"))
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: structural, occupants"):
        loss_maps(Choices(loss_type="contents"))
    with pytest.raises(InvalidChoice, match="must not be summed"):
        loss_maps(Choices(aggregate_by_site=True))


def test_loss_maps_of_realizations(loss_maps, rows_of):
    maps = {"rlz-000": MAPS["mean"], "rlz-001": MAPS["max"]}
    table = loss_maps(Choices(kind="rlz-1"), maps, "loss_maps-rlzs")
    assert rows_of(table)[0][5:] == (9, 8, 7, 6)
    assert table.column("structural~poe-0.1").kind == "rlz-1"
    assert not table.column("structural~poe-0.1").additive


def test_loss_maps_of_other_assets_are_refused(loss_maps):
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        loss_maps(maps={"mean": MAPS["mean"][::-1]})


def test_too_many_loss_maps(loss_maps):
    maps = {f"rlz-{r:03d}": MAPS["mean"] for r in range(126)}
    with pytest.raises(InvalidChoice, match=r"504 fields .126 .* KIND, LOSS_TYPE or POE"):
        loss_maps(Choices(kind="rlzs"), maps, "loss_maps-rlzs")


# --- loss curves

CURVES = """#,,,,"kind='mean', risk_investigation_time=50.0"
asset_id,loss_type,loss_value,loss_ratio,poe
00123,contents,0,0,9E-01
00123,contents,1.5,1E-02,1E-01
00123,contents,2.5,2E-02,1E-02
a2,contents,0,0,9E-01
a2,contents,3,1E-02,5E-02
a2,contents,nan,nan,nan
00123,structural,0,0,5E-01
00123,structural,10,1E-01,1E-01
a3,structural,0,0,2E-02
a3,structural,7,1E-01,1E-03
"""


@pytest.fixture
def loss_curves(asset_source):
    """A function that reads the curves of three assets, of two statistics."""

    def read(choices=None, curves=CURVES, **parameters):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("loss_curves-mean_5.csv", curves)
            archive.writestr("loss_curves-max_5.csv", curves.replace(",7,", ",8,"))
        exports = {"csv": ("c.zip", buffer.getvalue())}
        parameters = {"investigation_time": 50, "conditional_loss_poes": [0.1], **parameters}
        source = asset_source("loss_curves-stats", FIELDS, TAGS, parameters, exports)
        read.source = source
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_loss_curves(loss_curves, rows_of):
    table = loss_curves()
    about = {c.name: (c.type, c.title) for c in table.columns}
    assert about == {
        "asset_id": (TEXT, "Asset"),
        "loss_type": (TEXT, "Loss type"),
        "loss_value": (REAL, "Loss"),  # euros and dollars
        "loss_ratio": (REAL, "Loss ratio [fraction]"),
        "poe": (REAL, "Probability of exceedance in 50 years"),
    }
    assert (table.rows, table.geometry, table.style) == (10, NONE, None)
    rows = rows_of(table)
    assert rows[1] == ("00123", "contents", 1.5, 0.01, 0.1)
    assert rows[5] == ("a2", "contents", None, None, None)
    assert table.title == "Loss curves of assets, mean, losses in 50 years"
    assert table.column("loss_value").kind == "mean"
    assert not any(c.additive for c in table.columns)


def test_choices_of_loss_curves(loss_curves, rows_of):
    table = loss_curves(Choices(kind="all", loss_type="structural", taxonomy="W"))
    assert rows_of(table) == [
        ("mean", "a3", "structural", 0, 0, 0.02),
        ("mean", "a3", "structural", 7, 0.1, 0.001),
        ("max", "a3", "structural", 0, 0, 0.02),
        ("max", "a3", "structural", 8, 0.1, 0.001),
    ]
    assert table.rows == 4
    assert table.column("loss_value").title == "Loss [EUR]"
    assert table.notes == ("2 of 3 assets chosen.",)
    one = loss_curves(Choices(tag_filter="asset_id=a2", loss_type="contents"))
    assert [row[:3] for row in rows_of(one)] == [
        ("a2", "contents", 0),
        ("a2", "contents", 3),
        ("a2", "contents", None),
    ]
    with pytest.raises(InvalidChoice, match="No asset has asset_id “zz”"):
        loss_curves(Choices(tag_filter="asset_id=zz"))
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: contents, structural"):
        loss_curves(Choices(loss_type="area"))


def test_an_asset_without_curves_makes_an_empty_table(loss_curves):
    table = loss_curves(Choices(tag_filter="asset_id=a2", loss_type="structural"))
    assert (table.rows, list(table.blocks())) == (0, [])
    assert table.notes[-1] == "Risk of calculation 5 is empty."


def test_loss_curves_become_a_map_at_a_probability(loss_curves, rows_of):
    table = loss_curves(Choices(poe="0.055, 475y"))
    assert (table.rows, table.geometry) == (3, POINT)
    assert titles(table) == {
        "contents~poe-0.055": "Contents loss at the 884-year return period, mean [USD]",
        "contents~poe-0.1": "Contents loss at the 475-year return period, mean [USD]",
        "structural~poe-0.055": "Structural loss at the 884-year return period, mean [EUR]",
        "structural~poe-0.1": "Structural loss at the 475-year return period, mean [EUR]",
    }
    first, second, third = rows_of(table)
    assert first[:5] == ("00123", "Bagmati", "RM", 80.5, 29.125)
    assert first[5:] == pytest.approx((2.0, 1.5, 10, 10))
    assert second[5:] == (
        pytest.approx(3 * 0.845 / 0.85),
        pytest.approx(3 * 0.8 / 0.85),
        None,
        None,
    )
    assert third[5:] == (None, None, 0, 0)
    assert table.column("structural~poe-0.1").poe == 0.1
    assert table.style.field == "structural~poe-0.1"
    assert table.notes == (
        "Losses are interpolated on the curves of the assets, as the engine does for its maps.",
        "1 of 8 losses are beyond the end of the curve: there they are the last of it.",
    )
    [block] = table.blocks()
    assert block.xy[2].tolist() == [81.25, 28.75]


def test_a_map_of_loss_curves_by_kind_and_tag(loss_curves, rows_of):
    choices = Choices(poe="0.1%", kind="all", loss_type="structural", taxonomy="W")
    table = loss_curves(choices)
    assert [c.name for c in table.columns][5:] == [
        "mean-structural~poe-0.001",
        "max-structural~poe-0.001",
    ]
    assert [row[5:] for row in rows_of(table)] == [(None, None), (7, 8)]
    assert loss_curves(Choices(poe="10%", geometry="none")).geometry == NONE


def test_what_loss_curves_refuse(loss_curves):
    for choices, words in (
        (Choices(geometry="point"), "give POE for a map"),
        (Choices(aggregate_by_site=True), "must not be summed; aggcurves"),
        (Choices(aggregate_by_site=True, poe="0.1"), "must not be summed; aggcurves"),
        (Choices(poe="2"), "no probability between 0 and 1"),
        (Choices(poe="0y"), "no probability between 0 and 1"),
        (Choices(poe="x"), "write 0.1, 10% or 475y"),
        (Choices(geometry="line"), "auto, point or none"),
    ):
        with pytest.raises(InvalidChoice, match=words):
            loss_curves(choices)
        # before the large export is fetched
        assert ("loss_curves-stats", "csv") not in loss_curves.source.client.asked


def test_curves_that_are_none(loss_curves):
    with pytest.raises(InvalidOutput, match="has no loss curves: asset, loss_type"):
        loss_curves(curves=CURVES.replace("asset_id", "asset"))
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        loss_curves(Choices(poe="0.1"), CURVES.replace("a3,", "b3,"))
    periods = CURVES.replace(",poe", ",return_period")
    assert loss_curves(curves=periods).column("return_period").unit == "years"
    with pytest.raises(InvalidChoice, match="have no PoE"):
        loss_curves(Choices(poe="0.1"), periods)


@pytest.mark.parametrize(
    ("poe", "loss", "inside"),
    [
        (0.95, 0.0, True),
        (0.9, 0.0, True),
        (0.5, 5.0, True),
        (0.1, 30.0, True),  # of equal probabilities the largest loss
        (0.055, 35.0, True),
        (0.01, 40.0, True),
        (0.001, 40.0, False),
    ],
)
def test_the_loss_at_a_probability(poe, loss, inside):
    nan = math.nan
    curve = [(0.9, 0), (0.1, 10), (0.1, 30), (0.01, 40), (nan, nan)]
    assert loss_at(curve, poe) == (pytest.approx(loss), inside)


def test_a_curve_of_nothing():
    assert math.isnan(loss_at([(math.nan, math.nan)], 0.1)[0])


# --- several perils

RISK = {
    "asset_id": FIELDS["id"],
    "lon": FIELDS["lon"],
    "lat": FIELDS["lat"],
    "site_id": [3, 3, 4],
    "occupants_night": [1, 2, 3],
    "value-structural": [100, 200, 400],
    "no_damage-structural-ASH_DRY": [4, 5, 6],
    "collapse-structural-ASH_DRY": [7, 8, 9],
    "loss-structural-ASH_DRY": [10, 20, 30],
    "loss-structural-LAVA": [11, 21, 31],
    "occupants_night-LAVA": [1, 0, 3],
    "number-LAVA": [0, 1, 1],
    "value-number": [1, 1, 1],
}


def test_risk_of_several_perils(asset_source, rows_of):
    source = asset_source(
        "asset_risk", RISK, TAGS, {"calculation_mode": "multi_risk"}, what="asset_risk"
    )
    table = catalogue.read(source, Choices())
    assert titles(table) == {
        "occupants_night": "Occupants, night [people]",
        "value-structural": "Structural value [EUR]",
        "no_damage-structural-ASH_DRY": "Expected number of buildings "
        "without damage (structural, ASH_DRY) [buildings]",
        "collapse-structural-ASH_DRY": "Expected number of buildings "
        "in damage state collapse (structural, ASH_DRY) [buildings]",
        "loss-structural-ASH_DRY": "Structural loss, ASH_DRY [EUR]",
        "loss-structural-LAVA": "Structural loss, LAVA [EUR]",
        "occupants_night-LAVA": "Occupants, night, exposed to LAVA [people]",
        "number-LAVA": "Number, exposed to LAVA [buildings]",
        "value-number": "Number [buildings]",
    }
    assert all(c.additive for c in table.columns if c.quantity)
    assert table.column("site_id").type == INTEGER
    assert table.column("collapse-structural-ASH_DRY").damage_state == "collapse"
    assert rows_of(table)[2][:8] == ("a3", "Gandaki", "W", 81.25, 28.75, 4, 3, 400)
    assert rows_of(table)[2][8:] == (6, 9, 30, 31, 3, 1, 1)
    assert table.style.field == "loss-structural-ASH_DRY"
    assert table.title == "Structural loss, ASH_DRY [EUR]"
    summed = catalogue.read(source, Choices(aggregate_by_site=True))
    names = [c.name for c in summed.columns]
    assert rows_of(summed)[0][names.index("loss-structural-LAVA")] == 32


# --- the real engine


@pytest.fixture(scope="session")
def risk_cases(engine_python):
    """The engine's own tests of risk."""
    [found] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return found


def test_maps_of_curves_are_the_loss_maps_of_the_engine(
    calculations, risk_cases, source_of, rows_of
):
    case = str(risk_cases / "classical_risk/case_4")
    number = calculations(case, "job_risk.ini", calculations(case, "job_haz.ini"))
    maps = catalogue.read(source_of(number, "loss_maps"), Choices())
    curves = catalogue.read(source_of(number, "loss_curves"), Choices(poe="10%"))
    assert maps.columns == curves.columns
    assert maps.title == "Structural loss at the 475-year return period, mean [USD]"
    wanted = [row[-1] for row in rows_of(maps)]
    assert len(wanted) == 6
    assert max(wanted) > 1e6
    assert [row[-1] for row in rows_of(curves)] == pytest.approx(wanted, rel=1e-4)
    assert [row[:-1] for row in rows_of(curves)] == [row[:-1] for row in rows_of(maps)]


def test_benefit_cost_ratios_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    number = calculations(str(risk_cases / "classical_bcr/case_2"))
    table = catalogue.read(source_of(number, "bcr-rlzs"), Choices(kind="rlz-2"))
    header, rows = exported(client, number, "bcr-rlzs", tmp_path)["bcr-rlz-002"]
    assert [c.name for c in table.columns] == header
    assert len(rows) == table.rows == 11
    for got, wanted in zip(rows_of(table), rows):
        assert list(got[:2]) == wanted[:2]
        assert [f"{value:.5f}" for value in got[2:4]] == wanted[2:4]
        assert [f"{value:.5E}" for value in got[4:]] == wanted[4:]
    assert "they are of 50 years" in table.notes[0]
    [kind] = {
        c.kind
        for c in catalogue.read(source_of(number, "bcr-stats"), Choices(kind="all")).columns
        if c.quantity
    }
    assert kind == "quantile-0.85"
    # the ratio of a place with one asset is that of the asset
    by_site = catalogue.read(
        source_of(number, "bcr-rlzs"), Choices(kind="rlz-2", aggregate_by_site=True)
    )
    names = [c.name for c in by_site.columns]
    ratios = {row[2:4]: row[-1] for row in rows_of(table)}
    alone = [row for row in rows_of(by_site) if row[names.index("assets")] == 1]
    assert alone
    for row in alone:
        assert row[-1] == pytest.approx(ratios[row[names.index("lon")], row[names.index("lat")]])
