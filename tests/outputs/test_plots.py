"""Figures: series against the engine's CSV, and what goes on which axis."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import GSIMS, csv_text, table_rows

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core import table
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.plots import plot as plots
from oq_processing.outputs.plots.plot import (
    BARS,
    GRID,
    LINES,
    STACKS,
    TOWERS,
    Place,
    Series,
    find_site,
    labels,
)
from oq_processing.outputs.sites.collection import Sites

NOWHERE = Place()


def rows_of_table(table) -> list[dict]:
    names = [c.name for c in table.columns]
    return [dict(zip(names, row)) for row in table_rows(table)]


# --- sites


@pytest.fixture
def places():
    """Sites on a line, 0.1 degrees apart, the last far away."""
    lon = np.array([0.0, 0.1, 0.2, 5.0])
    custom = np.array(["7", "00123", "2", "b"])
    return Sites(np.array([0, 1, 2, 7]), lon, np.zeros(4), None, custom)


@pytest.mark.parametrize(
    ("text", "row"), [("00123", 1), ("b", 3), ("2", 2), ("7", 0), ("1", 1), ("0", 0)]
)
def test_custom_ids_come_before_numbers(places, text, row):
    assert find_site(places, Place(site_id=text), None).row == row


def test_the_nearest_site_and_how_far(places):
    site = find_site(places, Place(point=(0.14, 0.0)), 11.2)
    assert (site.row, site.site_id, site.custom_id) == (1, 1, "00123")
    # 0.04 degrees on a sphere of 6371 km
    assert site.note == "The nearest to SITE is site 00123 (0.1, 0), 4.45 km away."


def test_more_than_a_step_away(places):
    with pytest.raises(InvalidChoice, match=r"is 22.2 km away .* \(11.1 km\): site 7 \(0, 0\)"):
        find_site(places, Place(point=(-0.2, 0.0)), None)
    # a sparse site has a longer step
    assert find_site(places, Place(point=(5.5, 0.0)), None).row == 3
    with pytest.raises(InvalidChoice, match=r"55\.6 km away"):
        find_site(places, Place(point=(5.5, 0.0)), 11.2)


def test_distances_across_the_antimeridian():
    sites = Sites(np.array([0, 1]), np.array([179.95, 0.0]), np.zeros(2))
    site = find_site(sites, Place(point=(-179.95, 0.0)), 20.0)
    assert (site.row, site.note.rpartition(", ")[2]) == (0, "11.1 km away.")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(), "The calculation has 4 sites; choose one by SITE"),
        (Place(site_id="x"), r"no site “x” \(SITE_ID\); there are: 7, 00123, 2, b"),
        (Place(point=(0, 0), site_id="1"), "SITE or SITE_ID, not both"),
    ],
)
def test_no_site(places, place, words):
    with pytest.raises(InvalidChoice, match=words):
        find_site(places, place, None)


def test_the_only_site_is_taken():
    site = find_site(Sites(np.array([4]), np.array([1.0]), np.array([2.0])), Place(), None)
    assert (site.row, site.text) == (0, "site 4 (1, 2)")
    with pytest.raises(InvalidChoice, match="the only is 4"):
        find_site(Sites(np.array([4]), np.array([1.0]), np.array([2.0])), Place(site_id="5"), None)


# --- hazard, against the engine's own CSV


@pytest.fixture
def plotted(source_of):
    def plot(calculation, output, place=NOWHERE, **choices):
        return plots.read(source_of(calculation, output), Choices(**choices), place)

    return plot


def curve_of(member, site) -> list[tuple[str, str]]:
    header, rows = member
    first = header.index("depth") + 1
    return [(name[4:], cell) for name, cell in zip(header[first:], rows[site][first:])]


def as_csv(series) -> list[tuple[str, str]]:
    return [(f"{x:.7f}", f"{y:.6E}") for x, y in zip(series.x, series.y)]


def test_hazard_curve_of_a_site(plotted, exported, client, area_source, tmp_path):
    members = exported(client, area_source, "hcurves", tmp_path)
    plot = plotted(area_source, "hcurves", Place(site_id="417"))
    [series] = plot.series
    assert as_csv(series) == curve_of(members["hazard_curve-mean-PGA"], 417)
    lon, lat = members["hazard_curve-mean-PGA"][1][417][:2]
    data = rows_of_table(plot.table)
    assert [row["poe"] for row in data] == list(series.y)
    assert [row["iml"] for row in data] == list(series.x)
    assert {(row["site_id"], f"{row['lon']:.5f}", f"{row['lat']:.5f}") for row in data} == {
        (417, lon, lat)
    }
    assert {(row["kind"], row["imt"]) for row in data} == {("mean", "PGA")}
    assert plot.form == LINES
    assert (plot.x.title, plot.x.log) == ("PGA [g]", True)
    assert (plot.y.title, plot.y.log) == ("Probability of exceedance in 50 years", True)
    assert plot.title == f"Mean hazard curve of PGA, site 417 ({float(lon):g}, {float(lat):g})"
    assert plot.subtitle == (
        f"Calculation {area_source}: Classical PSHA Area Source demo for Null Island\n"
        "Site condition: vs30 600 m/s (reference)"
    )
    assert plot.notes[0].startswith("Plotted: PGA; others by IMT: SA(0.025), SA(0.05)")


def test_curves_of_several_imts(plotted, exported, client, area_source, tmp_path):
    members = exported(client, area_source, "hcurves", tmp_path)
    plot = plotted(area_source, "hcurves", Place(point=(0.0, 0.0)), imt="PGA,SA(1.0)")
    assert labels(plot.series) == ["PGA", "SA(1.0)"]
    assert plot.x.title == "Intensity measure level [g]"
    site = rows_of_table(plot.table)[0]["site_id"]
    for series, imt in zip(plot.series, ("PGA", "SA(1.0)")):
        assert as_csv(series) == curve_of(members[f"hazard_curve-mean-{imt}"], site)
    assert "The nearest to SITE is" in plot.notes[0]


def test_far_from_a_real_grid(plotted, area_source):
    with pytest.raises(InvalidChoice, match=r"more than one step of the sites \(10 km\)"):
        plotted(area_source, "hcurves", Place(point=(3.0, 0.0)))
    with pytest.raises(InvalidChoice, match="numbers go from 0 to 623"):
        plotted(area_source, "hcurves", Place(site_id="624"))


def test_realizations_with_the_mean_of_the_engine(plotted, exported, client, logic_tree, tmp_path):
    members = exported(client, logic_tree, "hcurves", tmp_path)
    plot = plotted(logic_tree, "hcurves", kind="rlz-3..5, quantile-0.95")
    names = {
        "mean": "hazard_curve-mean-PGA",
        "rlz-3": "hazard_curve-rlz-003-PGA",
        "rlz-4": "hazard_curve-rlz-004-PGA",
        "rlz-5": "hazard_curve-rlz-005-PGA",
        "quantile-0.95": "quantile_curve-0.95-PGA",
    }
    assert [s.kind for s in plot.series] == list(names)
    for series in plot.series:
        assert as_csv(series) == curve_of(members[names[series.kind]], 0)
    mean, third = labels(plot.series)[:2]
    assert mean == "Mean"
    assert re.fullmatch(r"Realization 3 \([A-Z~]+, weight 0\.[0-9]+\)", third)
    # one realization alone is what was asked for
    assert [s.kind for s in plotted(logic_tree, "hcurves", kind="rlz-3").series] == ["rlz-3"]


def test_spectra_of_a_site(plotted, exported, client, area_source, tmp_path):
    [(header, rows)] = exported(client, area_source, "uhs", tmp_path).values()
    plot = plotted(area_source, "uhs", Place(site_id="300"))
    assert labels(plot.series) == ["475-year (10% in 50 years)", "2475-year (2% in 50 years)"]
    for series, poe in zip(plot.series, ("0.100000", "0.020000")):
        cells = {n.partition("~")[2]: c for n, c in zip(header, rows[300]) if n.startswith(poe)}
        assert series.x == (0.0, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
        assert [f"{y:.6E}" for y in series.y] == list(cells.values())
        data = [r for r in rows_of_table(plot.table) if f"{r['poe']:f}" == poe]
        assert {row["imt"]: f"{row['value']:.6E}" for row in data} == cells
    assert (plot.x.title, plot.x.log) == ("Period [s]", False)
    assert (plot.y.title, plot.y.log) == ("Spectral acceleration [g]", False)
    one = plotted(area_source, "uhs", Place(site_id="300"), poe="475y")
    assert one.series[0].y == plot.series[0].y
    assert one.title.startswith(
        "475-year mean uniform hazard spectrum (10% in 50 years), site 300 ("
    )


def test_units_do_not_share_an_axis(hazard_source, sites):
    levels = {"hazard_imtls": {"PGA": [0.1], "PGV": [1.0]}, "poes": [0.1]}
    source = hazard_source(levels, {}, {5: sites([1.0], [2.0])})
    vars(source)["output"] = type(source.output)(7, "hcurves", "Hazard Curves", ("csv",))
    with pytest.raises(InvalidChoice, match=r"one axis: PGA \[g\], PGV \[cm/s\]; choose by IMT"):
        plots.read(source, Choices(imt="PGA,PGV"), Place())


@pytest.fixture
def of_a_year(hazard_source, sites):
    """A function that plots hazard of one site in one year, of so many realizations."""

    def plot(output, realizations=1, mode="classical", minimum_intensity=None, **choices):
        parameters = {
            "minimum_intensity": minimum_intensity or {},
            "hazard_imtls": {"PGA": [0.1, 0.9]},
            "poes": [0.1, 0.02],
            "investigation_time": 1.0,
            "individual_rlzs": True,
        }
        kinds = ["mean", *(f"rlz-{i}" for i in range(realizations))]
        source = hazard_source(parameters, {}, {5: sites([1.0], [2.0])}, realizations)
        for kind in kinds:
            member = f"rlz-{int(kind[4:]):03d}" if kind.startswith("rlz-") else kind
            for what in ("hmaps", "hcurves"):
                key = (5, what, ("imt", "PGA"), ("kind", kind), ("site_id", "0"))
                source.client.extracts[key] = {member: np.full((1, 1, 2), 0.5, "f4")}
        every = {f"rlz-{i:03d}": np.full((1, 1, 2), 0.5, "f4") for i in range(realizations)}
        key = (5, "hmaps", ("imt", "PGA"), ("kind", "rlzs"), ("site_id", "0"))
        source.client.extracts[key] = every
        vars(source)["output"] = type(source.output)(7, output, "Hazard", ("csv",))
        vars(source)["calculation"] = replace(source.calculation, mode=mode)
        return plots.read(source, Choices(**choices), Place())

    return plot


def test_bars_of_realizations_are_named_once():
    bars = [Series((0.0,), (1.0,), f"rlz-{i}", f"Realization {i}", about="A~B") for i in (0, 1)]
    assert labels(bars) == ["Realization 0 (A~B)", "Realization 1 (A~B)"]


def test_one_year_is_one_year(of_a_year):
    spectra = of_a_year("uhs")
    assert labels(spectra.series) == ["9.49-year (10% in 1 year)", "49-year (2% in 1 year)"]
    one = of_a_year("uhs", poe="10%")
    assert one.title == "9.49-year mean uniform hazard spectrum (10% in 1 year), site 0 (1, 2)"
    curve = of_a_year("hcurves")
    assert curve.y.title == "Probability of exceedance in 1 year"
    assert curve.table.column("poe").label == "Probability of exceedance in 1 year"
    # 0.5 in 1 year
    assert [row["return_period"] for row in rows_of_table(curve.table)] == [1 / math.log(2)] * 2
    assert curve.levels == (
        (0.1, "9.49-year (10% in 1 year)"),
        (0.02, "49-year (2% in 1 year)"),
    )
    assert curve.periods is not None
    assert curve.periods(1 / math.log(2)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("mode", "given", "limit"),
    [
        ("event_based", {"default": 0.3}, 0.3),
        ("event_based_risk", {"PGA": 0.2, "default": 0.3}, 0.2),
        ("event_based", {}, None),
        ("classical", {"default": 0.3}, None),
    ],
)
def test_curves_below_the_minimum_intensity_are_lower_limits(of_a_year, mode, given, limit):
    plot = of_a_year("hcurves", mode=mode, minimum_intensity=given)
    assert plot.series[0].limit == limit
    limited = [row.get("lower_limit") for row in rows_of_table(plot.table)]
    assert limited == ([None, None] if limit is None else [True, False])


@pytest.mark.parametrize(("realizations", "groups"), [(20, 2), (21, 1)])
def test_spectra_of_many_realizations_are_of_one_probability(of_a_year, realizations, groups):
    kinds = f"rlz-0..{realizations - 2}"  # and the engine's own mean
    plot = of_a_year("uhs", realizations, kind=kinds)
    assert len(plot.series) == groups * realizations
    note = "Plotted: 49-year (2% in 1 year); others by POE."
    assert plot.notes == (() if groups == 2 else (note,))


# --- loss exceedance, against the engine's own CSV


def test_loss_exceedance_curves(plotted, client, losses_by_tag, exported, tmp_path):
    header, rows = exported(client, losses_by_tag, "aggcurves", tmp_path)["aggcurves-"]
    plot = plotted(losses_by_tag, "aggcurves")
    at = {name: i for i, name in enumerate(header)}
    of = [row for row in rows if row[at["loss_type"]] == "structural"]
    # with and without amplification, by each type of exceedance that was computed
    columns = [name for name in header if name.endswith("_value")]
    assert len(plot.series) == len({s.group for s in plot.series}) == len(columns) >= 2
    for series, column in zip(plot.series, columns):
        assert ("pla_" in column) == ("not amplified" not in series.group)
        assert series.x == tuple(float(row[at["return_period"]]) for row in of)
        assert series.y == tuple(float(row[at[column]]) for row in of)
    assert max(plot.series[0].y) > 0
    assert (plot.x.title, plot.x.log) == ("Return period [years]", True)
    assert (plot.y.title, plot.y.log) == ("Structural loss [EUR]", False)
    assert re.fullmatch(r"Loss exceedance( \(EP\))?, structural, (mean|realization 0)", plot.title)
    assert plot.notes == ("Plotted: structural; others by LOSS_TYPE: nonstructural.",)
    data = rows_of_table(plot.table)
    assert [row["loss_value"] for row in data] == [float(row[at["loss_value"]]) for row in of]
    assert plot.table.column("loss_value").unit == "EUR"


def test_loss_exceedance_by_tag(plotted, losses_by_tag, client, exported, tmp_path):
    members = exported(client, losses_by_tag, "aggcurves", tmp_path)
    header, rows = members["aggcurves-taxonomy"]
    plot = plotted(losses_by_tag, "aggcurves", ep_type="ep", member="taxonomy")
    at = {name: i for i, name in enumerate(header)}
    tags = list(dict.fromkeys(row[at["taxonomy"]] for row in rows))
    columns = {"not amplified": "loss_value", "amplified": "pla_loss_value"}
    assert sorted(labels(plot.series)) == sorted(f"{t}, {word}" for t in tags for word in columns)
    assert plot.title.startswith("Loss exceedance (EP), structural")
    for series in plot.series:
        tag, _, word = series.group.rpartition(", ")
        wanted = [
            float(row[at[columns[word]]])
            for row in rows
            if (row[at["taxonomy"]], row[at["loss_type"]]) == (tag, "structural")
        ]
        assert sorted(series.y) == sorted(wanted)


# --- files of our own


@pytest.fixture
def risk(fake_source):
    """A function that plots an output of the given files."""

    def plot(output, files, place=NOWHERE, parameters=None, **choices):
        parameters = {
            "calculation_mode": "scenario_damage",
            "limit_states": ["slight", "complete"],
            **(parameters or {}),
        }
        source = fake_source(files, None, parameters, type=output, name="Risk")
        return plots.read(source, Choices(**choices), place)

    return plot


TOTALS = {
    "aggrisk-_5.csv": csv_text(
        "loss_type,rlz_id,no_damage,slight,complete,losses_value",
        "structural,0,80,15,5,1000",
        "structural,1,70,20,10,2000",
        "contents,0,1,2,3,4",
    )
}
ASSETS = {
    "damages-rlz-000_5.csv": csv_text(
        "asset_id,taxonomy,lon,lat,structural-no_damage,structural-slight,structural-complete,"
        "structural-losses",
        "00123,W,80.5,29.1,97,2,1,100",
        "a2,RM,80.6,29.2,3,4,5,600",
    )
}


@pytest.mark.parametrize("count", [40, 41])
def test_so_many_curves_by_tag_can_be_told_apart(risk, count):
    files = {
        "aggcurves-stats-taxonomy_5.csv": csv_text(
            "taxonomy,return_period,loss_type,loss_value,stat",
            *(f"T{i},{period},structural,{i},mean" for i in range(count) for period in (10, 500)),
        )
    }
    if count <= 40:
        assert len(risk("aggcurves-stats", files, member="taxonomy").series) == count
    else:
        with pytest.raises(InvalidChoice, match=r"^This would be 41 curves; choose fewer by"):
            risk("aggcurves-stats", files, member="taxonomy")


@pytest.mark.parametrize(
    ("losses", "notes"),
    [((0, 0, 5), ("The loss is 0 at 2 of 3 points.",)), ((0, 5, 5), ()), ((0, 0, 5, 5), ())],
)
def test_curves_that_are_mostly_zero_are_reported(risk, losses, notes):
    rows = (f"{10 * (i + 1)},structural,{loss},mean" for i, loss in enumerate(losses))
    text = csv_text("return_period,loss_type,loss_value,stat", *rows)
    plot = risk("aggcurves-stats", {"aggcurves-stats-_5.csv": text})
    assert plot.series[0].y == losses
    assert plot.notes == notes


def test_damage_of_all(risk):
    plot = risk("aggrisk", TOTALS, kind="rlz-1", loss_type="structural")
    assert plot.form == BARS
    assert plot.x.categories == ("no damage", "slight", "complete")
    [series] = plot.series
    assert series.y == (70.0, 20.0, 10.0)
    assert series.colors == ("#a8bda0", "#d7191c", "#6a0f4f")
    assert plot.title == "Damage distribution, structural, all assets, realization 1"
    assert plot.y.title == "Expected number of buildings given the event"
    assert [(r["damage_state"], r["number"]) for r in rows_of_table(plot.table)] == [
        ("no_damage", 70.0),
        ("slight", 20.0),
        ("complete", 10.0),
    ]


def test_damage_of_one_realization_at_a_time(risk):
    with pytest.raises(InvalidChoice, match="KIND"):
        risk("aggrisk", TOTALS)


def test_realizations_of_a_scenario_have_the_names_of_their_models(fake_source):
    source = fake_source(TOTALS, None, {"calculation_mode": "scenario_damage"}, type="aggrisk")
    source.oqparam["limit_states"] = ["slight", "complete"]
    source.client.extracts[5, "realizations"] = {"array": GSIMS}
    plot = plots.read(source, Choices(kind="rlz-1", loss_type="structural"), NOWHERE)
    name = "(ChiouYoungs2014, region = JPN, weight 0.25)"
    assert plots.labels(plot.series) == [f"Realization 1 {name}"]
    assert plot.title == f"Damage distribution, structural, all assets, realization 1 {name}"
    with pytest.raises(InvalidChoice, match=r"rlz-0 \(BooreAtkinson2008, weight 0\.75\)"):
        plots.read(source, Choices(loss_type="structural"), NOWHERE)


def test_damage_of_an_asset(risk):
    plot = risk("damages-rlzs", ASSETS, Place(asset_id="00123"), {"risk_investigation_time": 50})
    # 97 of 100 are without damage: their bar would hide the others
    assert plot.x.categories == ("slight", "complete")
    assert plot.series[0].y == (2.0, 1.0)
    assert plot.series[0].colors == ("#d7191c", "#6a0f4f")
    assert plot.subtitle.splitlines()[0] == "Without damage, not drawn: 97 of 100 (97%)"
    assert plot.y.title == "Expected number of buildings in 50 years"
    assert [row["number"] for row in rows_of_table(plot.table)] == [97.0, 2.0, 1.0]
    assert "asset 00123" in plot.title


def test_perils_side_by_side_all_have_a_name(risk):
    columns = "structural-slight,structural-complete,landslide-structural-slight"
    files = {
        "damages-rlz-000_5.csv": csv_text(
            f"asset_id,taxonomy,lon,lat,{columns},landslide-structural-complete",
            "a1,W,80.5,29.1,2,1,4,3",
        )
    }
    inputs = {"groundshaking_fragility": {"structural": ""}, "landslide_fragility": {"area": ""}}
    network = {"inputs": inputs, "infrastructure_connectivity_analysis": True}
    plot = risk("damages-rlzs", files, parameters=network)
    assert plots.labels(plot.series) == ["ground shaking", "landslide"]
    assert plot.y.title == "Expected number of components given the event"
    assert plot.title == "Damage distribution, structural, all assets, realization 0"
    total = risk("aggrisk", TOTALS, parameters=network, kind="rlz-0", loss_type="structural")
    assert total.title == (
        "Damage distribution, structural, all perils combined, all assets, realization 0"
    )


@pytest.mark.parametrize(("without", "drawn"), [(90, 3), (91, 2)])
def test_the_undamaged_are_left_out_above_nine_tenths(risk, without, drawn):
    damaged = f"{without},{99 - without},1,100"
    files = {name: text.replace("97,2,1,100", damaged) for name, text in ASSETS.items()}
    plot = risk("damages-rlzs", files, Place(asset_id="00123"))
    assert len(plot.x.categories) == drawn
    assert len(plot.notes) == (drawn == 2)


def test_damage_of_the_sum_of_assets(risk, monkeypatch):
    monkeypatch.setattr(table, "BLOCK_VALUES", 1)  # each asset is a block
    plot = risk("damages-rlzs", ASSETS)
    assert plot.series[0].y == (100.0, 6.0, 6.0)
    assert "all assets" in plot.title
    # consequences are no state
    assert [r["damage_state"] for r in rows_of_table(plot.table)] == [
        "no_damage",
        "slight",
        "complete",
    ]


def test_damage_of_chosen_assets(risk):
    plot = risk("damages-rlzs", ASSETS, taxonomy="RM")
    assert plot.series[0].y == (3.0, 4.0, 5.0)
    assert "assets of RM" in plot.title


def test_no_such_asset(risk):
    with pytest.raises(InvalidChoice, match="no asset “123”"):
        risk("damages-rlzs", ASSETS, Place(asset_id="123"))


LOSS_CURVES = {
    f"loss_curves-{kind}_5.csv": csv_text(
        "asset_id,loss_type,loss_value,loss_ratio,poe",
        f"a1,structural,0,0,{0.5 * factor}",
        f"a1,structural,{10 * factor},0.1,{0.25 * factor}",
        f"a2,structural,{20 * factor},0.2,0.125",
        f"a1,occupants,{1 * factor},0.3,0.1",
    )
    for kind, factor in (("mean", 1), ("quantile-0.15", 0.5))
}


def test_loss_curves_of_an_asset(risk):
    parameters = {"risk_investigation_time": 50.0, "calculation_mode": "classical_risk"}
    plot = risk("loss_curves-stats", LOSS_CURVES, Place(asset_id="a1"), parameters, kind="all")
    assert [(s.kind, s.x, s.y) for s in plot.series] == [
        ("mean", (0.0, 10.0), (0.5, 0.25)),
        ("quantile-0.15", (0.0, 5.0), (0.25, 0.125)),
    ]
    assert plot.y.title == "Probability of exceedance in 50 years"
    assert plot.title == "Loss curves, structural, asset a1"
    one = risk("loss_curves-stats", LOSS_CURVES, Place(asset_id="a1"), parameters)
    assert one.title == "Loss curve, structural, asset a1, mean"
    assert plot.x.log
    assert plot.y.log
    with pytest.raises(InvalidChoice, match=r"structural \[\], occupants \[people\]"):
        risk(
            "loss_curves-stats",
            LOSS_CURVES,
            Place(asset_id="a1"),
            loss_type="structural,occupants",
        )


def test_an_asset_must_be_chosen(risk):
    with pytest.raises(InvalidChoice, match="choose one by ASSET_ID"):
        risk("loss_curves-stats", LOSS_CURVES)
    with pytest.raises(InvalidChoice, match="no asset “a9”"):
        risk("loss_curves-stats", LOSS_CURVES, Place(asset_id="a9"))


# --- disaggregation

EDGES = (
    "investigation_time=50.0, mag_bin_edges=[5.0, 6.0, 7.0], dist_bin_edges=[0.0, 10.0, 20.0], "
    "lon_bin_edges=[9.0, 10.0, 11.0], lat_bin_edges=[44.0, 45.0, 46.0], "
    "eps_bin_edges=[-3.0, 0.0, 3.0], lon={lon}, lat=45.0"
)


def disagg(header: str, *rows: str, lon=10.0) -> str:
    return "".join(
        f"{line}\r\n" for line in [f'#,"{EDGES.format(lon=lon)}"', f"imt,iml,poe,{header}", *rows]
    )


DISAGG = {
    "Mag-0_5.csv": disagg("mag,rlz1,rlz0", "PGA,0.2,0.1,5.5,0.02,0.01", "PGA,0.2,0.1,6.5,0.06,0.3"),
    "Mag_Dist-0_5.csv": disagg(
        "mag,dist,rlz0",
        "PGA,0.2,0.1,5.5,5,0.01",
        "PGA,0.2,0.1,5.5,15,0.02",
        "PGA,0.2,0.1,6.5,5,0.03",
        "PGA,0.2,0.1,6.5,15,0",
        "PGA,0.3,0.02,5.5,5,0.5",
        "SA(0.1),0.3,0.1,5.5,5,0.5",
    ),
    "TRT-0_5.csv": disagg("trt,rlz0", "PGA,0.2,0.1,Volcanic,0.1", "PGA,0.2,0.1,Shallow,0.2"),
    "TRT_Mag-0_5.csv": disagg(
        "trt,mag,rlz0",
        "PGA,0.2,0.1,Volcanic,5.5,0.1",
        "PGA,0.2,0.1,Volcanic,6.5,0.2",
        "PGA,0.2,0.1,Shallow,5.5,0.3",
        "PGA,0.2,0.1,Shallow,6.5,0.4",
    ),
    "Lon_Lat-0_5.csv": disagg(
        "lon,lat,rlz0",
        "PGA,0.2,0.1,9.5,44.5,0.1",
        "PGA,0.2,0.1,9.5,45.5,0.2",
        "PGA,0.2,0.1,10.5,44.5,0.3",
        "PGA,0.2,0.1,10.5,45.5,0.4",
    ),
    "Mag_Dist_Eps-0_5.csv": disagg(
        "mag,dist,eps,rlz0",
        *(
            f"PGA,0.2,0.1,{m},{d},{e},{0.01 * (1 + i)}"
            for i, (m, d, e) in enumerate(
                (m, d, e) for m in (5.5, 6.5) for d in (5, 15) for e in (-1.5, 1.5)
            )
        ),
    ),
}


def percents(*poes):
    rates = [-math.log(1 - p) for p in poes]
    return [100 * rate / sum(rates) for rate in rates]


def test_bars_of_magnitude(risk):
    plot = risk("disagg-rlzs", DISAGG, member="Mag", kind="rlz-1")
    assert plot.form == BARS
    assert plot.x_edges == (5.0, 6.0, 7.0)
    [series] = plot.series
    assert series.y == pytest.approx(percents(0.02, 0.06))
    assert plot.x.title == "Magnitude"
    assert plot.y.title == "Contribution to the rate of exceedance [%]"
    assert plot.title == (
        "Disaggregation by magnitude: PGA 0.2 g (10% in 50 years, 475 years), site 0 (10, 45), "
        "realization 1"
    )
    assert plot.subtitle.startswith("Mean M 6.25; largest contribution 75.4% from M 6.5\nCalc")
    assert [row["rlz1"] for row in rows_of_table(plot.table)] == [0.02, 0.06]


def test_bars_of_several_realizations(risk):
    plot = risk("disagg-rlzs", DISAGG, member="Mag", kind="rlzs")
    assert labels(plot.series) == ["Realization 0", "Realization 1"]
    assert plot.series[0].y == pytest.approx(percents(0.01, 0.3))
    assert plot.series[1].y == pytest.approx(percents(0.02, 0.06))


def test_a_grid_of_magnitude_and_distance(risk):
    plot = risk("disagg-rlzs", DISAGG)
    assert plot.form == GRID
    low, far, high, none = percents(0.01, 0.02, 0.03, 0.0)
    assert plot.values[0] == pytest.approx((low, far))
    assert plot.values[1] == pytest.approx((high, none))
    assert (plot.x.title, plot.y.title) == ("Rupture distance [km]", "Magnitude")
    assert (plot.x_edges, plot.y_edges) == ((0.0, 10.0, 20.0), (5.0, 6.0, 7.0))
    assert plot.notes[:2] == (
        "Plotted: PGA; others by IMT: SA(0.1).",
        "Plotted: PoE 0.1 (10%, 475y); others by POE: 0.02 (2%, 2475y).",
    )
    assert len(rows_of_table(plot.table)) == 4


def test_bars_of_regions(risk):
    plot = risk("disagg-rlzs", DISAGG, member="TRT")
    assert plot.x.categories == ("Volcanic", "Shallow")
    assert plot.series[0].y == pytest.approx(percents(0.1, 0.2))


def test_stacked_bars_of_regions(risk):
    plot = risk("disagg-rlzs", DISAGG, member="TRT_Mag")
    assert plot.form == STACKS
    whole = percents(0.1, 0.2, 0.3, 0.4)
    assert labels(plot.series) == ["Volcanic", "Shallow"]
    assert plot.series[0].y == pytest.approx(whole[:2])
    assert plot.series[1].y == pytest.approx(whole[2:])


def test_a_map_around_the_site(risk):
    plot = risk("disagg-rlzs", DISAGG, member="Lon_Lat")
    whole = percents(0.1, 0.2, 0.3, 0.4)
    assert plot.values[0] == pytest.approx((whole[0], whole[2]))
    assert plot.values[1] == pytest.approx((whole[1], whole[3]))
    assert plot.mark == (10.0, 45.0)


def test_magnitude_distance_and_epsilon_are_stacked(risk):
    plot = risk("disagg-rlzs", DISAGG, member="Mag_Dist_Eps")
    assert plot.form == TOWERS
    whole = percents(*(0.01 * (1 + i) for i in range(8)))
    assert labels(plot.series) == ["−3 to 0", "0 to 3"]
    # by distance, then by magnitude
    for number, series in enumerate(plot.series):
        assert series.x == (0.0, 1.0, 0.0, 1.0)
        assert series.row == (0.0, 0.0, 1.0, 1.0)
        assert series.y == pytest.approx(whole[number::2])
    assert (plot.x_edges, plot.y_edges) == ((0.0, 10.0, 20.0), (5.0, 6.0, 7.0))
    assert (plot.second.title, plot.legend) == ("Magnitude", "ε")
    assert [row["contribution"] for row in rows_of_table(plot.table)] == pytest.approx(
        [share / 100 for share in whole]
    )


def test_bins_of_one_epsilon_are_a_grid(risk):
    plot = risk("disagg-rlzs", DISAGG, member="Mag_Dist_Eps", tag_filter="eps=1.5")
    whole = percents(*(0.01 * (1 + i) for i in range(8)))
    assert plot.values[0] == pytest.approx((whole[1], whole[3]))
    assert plot.title.endswith(", ε 1.5, realization 0")


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"member": "Mag"}, r"KIND\): rlz-0, rlz-1"),
        ({"imt": "PGA,SA(0.1)"}, "shows one of PGA, SA"),
        ({"imt": "PGA", "poe": "10%,2%"}, "shows one probability of exceedance"),
        ({"member": "Foo"}, "MEMBER may be"),
    ],
)
def test_one_figure_shows_one_disaggregation(risk, choices, words):
    with pytest.raises(InvalidChoice, match=words):
        risk("disagg-rlzs", DISAGG, **choices)


def test_sites_of_a_disaggregation(risk):
    rows = ("PGA,0.2,0.1,5.5,0.02", "PGA,0.2,0.1,6.5,0.06")
    files = {
        "Mag-mean-0_5.csv": disagg("mag,mean", *rows),
        "Mag-mean-3_5.csv": disagg("mag,mean", *rows, lon=10.1),
    }
    with pytest.raises(InvalidChoice, match="has 2 sites"):
        risk("disagg-stats", files)
    assert "site 3 (10.1, 45)" in risk("disagg-stats", files, Place(site_id="3")).title
    assert "site 3 (10.1, 45)" in risk("disagg-stats", files, Place(point=(10.12, 45))).title
    with pytest.raises(InvalidChoice, match="more than one step"):
        risk("disagg-stats", files, Place(point=(12, 45)))


# --- what cannot be plotted


def test_what_cannot_be_plotted(risk):
    text = csv_text("a,b", "1,2")
    with pytest.raises(InvalidChoice, match=r"Risk \(events\) cannot be plotted; only: .*hcurves"):
        risk("events", {"events_5.csv": text})
    with pytest.raises(InvalidChoice, match="is not by site; leave SITE and SITE_ID empty"):
        risk("aggrisk", TOTALS, Place(site_id="1"))
    with pytest.raises(InvalidChoice, match="is not by asset; leave ASSET_ID empty"):
        risk("aggrisk", TOTALS, Place(asset_id="a"))
    with pytest.raises(InvalidChoice, match="cannot be chosen by IMT"):
        risk("aggrisk", TOTALS, imt="PGA")


def test_every_plot_is_of_a_known_output():
    assert set(plots.plot_types()) == {
        "aggcurves",
        "aggcurves-stats",
        "aggrisk",
        "aggrisk-stats",
        "avg_losses_by",
        "cs-stats",
        "damages-rlzs",
        "damages-stats",
        "disagg-rlzs",
        "disagg-stats",
        "event_based_mfd",
        "hcurves",
        "loss_curves-rlzs",
        "loss_curves-stats",
        "mean_disagg_by_src",
        "mean_rates_by_src",
        "reinsurance-aggcurves",
        "risk_by_event",
        "src_loss_table",
        "uhs",
    }
