"""Figures of reports, with the numbers of answers that a real engine has given."""

import math
from pathlib import Path

import numpy as np
import pytest
from helpers import csv_text, table_rows
from replay import Replay

from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.source import Source
from oq_processing.outputs.plots import plot as plots
from oq_processing.outputs.plots.plot import (
    HISTOGRAM,
    RANKED,
    STEPS,
    Place,
    labels,
)

NOWHERE = Place()


def rows_of_table(table) -> list[dict]:
    names = [c.name for c in table.columns]
    return [dict(zip(names, row)) for row in table_rows(table)]


def lines(*texts: str) -> str:
    return "".join(f"{text}\r\n" for text in texts)


@pytest.fixture(scope="module")
def engine():
    with Replay().load() as server:
        yield server


@pytest.fixture
def recorded(engine, tmp_path):
    """A function that plots an output of a calculation whose answers were recorded."""

    def plot(case, output, place=NOWHERE, **choices):
        client, number = EngineClient(engine.url), engine.cases[case]
        outputs = client.outputs(number)
        found = catalogue.find_output(outputs, output, number)
        source = Source(client, client.calculation(number), found, Path(tmp_path))
        return plots.read(source, Choices(**choices), place, outputs)

    return plot


@pytest.fixture
def made(fake_source):
    """A function that plots an output of the given files."""

    def plot(output, files, place=NOWHERE, mode="scenario_risk", extracts=(), about=(), **choices):
        parameters = {"calculation_mode": mode, **dict(about)}
        source = fake_source(files, None, parameters, type=output, name="Made")
        source.client.extracts.update(extracts)
        return plots.read(source, Choices(**choices), place)

    return plot


# --- magnitudes


def test_the_magnitude_frequency_distribution(recorded):
    plot = recorded("event based", "event_based_mfd")
    assert plot.form == STEPS
    rows = {row["mag"]: row for row in rows_of_table(plot.table)}
    # the engine's own frequencies, and 0 between
    known = {m: row["frequency"] for m, row in rows.items() if row["frequency"]}
    assert known == {4.0: 0.425, 5.0: 0.00625, 5.2: 0.00625, 5.4: 0.00625, 7.0: 0.00625}
    assert len(rows) == 31
    assert [rows[m]["cumulative"] for m in (4.0, 4.1, 5.0, 5.4, 5.5, 7.0)] == pytest.approx(
        [0.45, 0.025, 0.025, 0.0125, 0.00625, 0.00625]
    )
    assert (rows[5.4]["mag_lower"], plot.x_edges[0], plot.x_edges[-1]) == (5.35, 3.95, 7.05)
    each, above = plot.series
    assert (each.y[0], above.y[0]) == pytest.approx((0.425, 0.45))
    assert (plot.y.title, plot.y.log) == ("Annual frequency of events [1/year]", True)
    assert plot.periods(100) == 0.01


# --- sources


def test_hazard_by_source(recorded):
    plot = recorded("by source", "mean_rates_by_src")
    rows = rows_of_table(plot.table)
    assert {row["imt"] for row in rows} == {"PGA"}
    of = {(row["source_id"], row["iml"]): row["afoe"] for row in rows}
    assert of["Etna_103", 1e-3] == 1.09591e-3
    sources = {name for name, _ in of if name != "All sources"}
    assert len(sources) == 12
    assert of["All sources", 1e-3] == pytest.approx(sum(of[name, 1e-3] for name in sources))
    names = [series.group for series in plot.series]
    assert names[:4] == ["All sources", "Etna_STF", "Etna_FF", "Etna_MF"]
    assert names[-1] == "3 others, sum"
    first = {series.group: series.y[0] for series in plot.series}
    assert first.pop("All sources") == pytest.approx(sum(first.values()))
    # the level that is exceeded nearest to once in 4950 years (poes = 0.02 in 100 years)
    rate = -math.log1p(-0.02) / 100
    total = {x: y for (name, x), y in of.items() if name == "All sources"}
    level = min(total, key=lambda x: abs(math.log(total[x] / rate)))
    share = 100 * of["Etna_STF", level] / total[level]
    assert plot.subtitle.startswith(f"At PGA {level:.4g} g: Etna_STF {share:.3g}%, Etna_FF ")
    assert plot.notes[0].startswith("Plotted: PGA; others by IMT: SA(0.1), SA(0.15)")
    assert (plot.x.title, plot.y.title) == ("PGA [g]", "Annual frequency of exceedance [1/year]")
    assert recorded("by source", "mean_rates_by_src", imt="SA(1.0)").x.title == "SA(1.0) [g]"
    with pytest.raises(InvalidChoice, match="shows one of PGA, SA"):
        recorded("by source", "mean_rates_by_src", imt="PGA, SA(1.0)")


def test_shares_by_source(made):
    text = lines(
        """#,,,,,"lon=10.0, lat=45.0, vs30=760.0, iml_disagg={'PGA': 0.25, 'SA(1.0)': 0.1}\"""",
        "source_id,mag,dist,eps,imt,afoe",
        "a,5.5,5,0.5,PGA,0.001",
        "a,6.5,5,0.5,PGA,0.002",
        "b,5.5,5,0.5,PGA,0.001",
        "b,5.5,5,0.5,SA(1.0),0.5",
    )
    plot = made("mean_disagg_by_src", {"mean_disagg_by_src_5.csv": text}, mode="disaggregation")
    assert plot.form == RANKED
    assert plot.x.categories == ("a", "b")
    assert plot.series[0].y == pytest.approx((75.0, 25.0))
    assert plot.title == "Hazard by source: PGA 0.25 g, site 0 (10, 45)"
    rows = [(r["source_id"], r["afoe"], r["contribution"]) for r in rows_of_table(plot.table)]
    assert rows == [("a", 0.003, pytest.approx(75)), ("b", 0.001, pytest.approx(25))]


def test_a_source_figure_takes_the_users_site_ids(made):
    text = lines(
        """#,,,,,"lon=10.0, lat=45.0, vs30=760.0, iml_disagg={'PGA': 0.25}\"""",
        "source_id,mag,dist,eps,imt,afoe",
        "a,5.5,5,0.5,PGA,0.001",
    )
    array = np.zeros(1, [("sids", "<u4"), ("lon", "<f8"), ("lat", "<f8"), ("custom_site_id", "S8")])
    array["lon"], array["lat"], array["custom_site_id"] = 10.0, 45.0, b"00123"
    files = {"mean_disagg_by_src_5.csv": text}
    extracts = {(5, "sitecol"): {"array": array}}
    plot = made("mean_disagg_by_src", files, Place(site_id="00123"), extracts=extracts)
    assert plot.title == "Hazard by source: PGA 0.25 g, site 00123 (10, 45)"


# --- conditional spectrum

SPECTRA = {
    f"conditional-spectrum-{site}_5.csv": lines(
        f'#,,,,"site_id={site}, lon={site}.0, lat=2.0"',
        "poe,stat,period,mea,std",
        "0.1,mean,0,0.25,0.5",
        "0.1,mean,0.2,0.5,0",
        "0.02,mean,0,0.75,0.25",
        "0.02,mean,0.2,1.5,0.125",
    )
    for site in (0, 1)
}
CONDITIONED = {
    "imt_ref": "SA(0.2)",
    "investigation_time": 50,
    "hazard_imtls": {"PGA": [0.01, 5], "SA(0.2)": [0.01, 5]},
    "poes": [0.1, 0.02],
}


def uniform(site):
    realizations = np.zeros(1, [("rlz_id", "<u4"), ("weight", "<f4")])
    found = {(5, "realizations"): {"array": realizations}}
    for imt, values in (("PGA", (0.3, 0.8)), ("SA(0.2)", (0.55, 1.6))):
        array = np.array([[values]], "f4")
        for kind, member in (("mean", "mean"), ("rlz-0", "rlz-000")):
            key = (5, "hmaps", ("imt", imt), ("kind", kind), ("site_id", str(site)))
            found[key] = {member: array}
    return found


def test_a_conditional_spectrum_with_the_uniform_one(made):
    extracts = uniform(1)
    plot = made(
        "cs-stats", SPECTRA, Place(site_id="1"), "classical", extracts, CONDITIONED, poe="475y"
    )
    conditional, uhs = plot.series
    assert (conditional.x, conditional.y) == ((0.0, 0.2), (0.25, 0.5))
    # two standard deviations of the logarithm
    assert conditional.low == pytest.approx((0.25 / math.e, 0.5))
    assert conditional.high == pytest.approx((0.25 * math.e, 0.5))
    assert uhs.x == (0.0, 0.2)
    assert uhs.y == pytest.approx((0.3, 0.55))
    assert plot.band == "±2σ of its logarithm"
    assert plot.marks == ((0.2, "conditional on SA(0.2)"),)
    assert plot.title == (
        "475-year conditional spectrum given SA(0.2) (10% in 50 years), site 1 (1, 2)"
    )
    rows = rows_of_table(plot.table)
    assert [(r["spectrum"], r["period"], r["std"]) for r in rows] == [
        ("Conditional spectrum (median)", 0.0, 0.5),
        ("Conditional spectrum (median)", 0.2, 0.0),
        ("Uniform hazard spectrum", 0.0, None),
        ("Uniform hazard spectrum", 0.2, None),
    ]
    assert rows[0]["high"] == pytest.approx(0.25 * math.e)
    assert (rows[0]["site_id"], rows[0]["lon"], rows[0]["poe"]) == (1, 1.0, 0.1)


def test_the_uniform_spectrum_is_not_drawn_through_limits(made):
    about = {**CONDITIONED, "hazard_imtls": {"PGA": [0.01, 0.3], "SA(0.2)": [0.01, 5]}}
    plot = made("cs-stats", SPECTRA, Place(site_id="1"), "classical", uniform(1), about, poe="475y")
    assert plot.series[1].ends == (1, 0)
    assert any(note.startswith("PGA: at least the highest level") for note in plot.notes)
    # the numbers are the engine's
    assert rows_of_table(plot.table)[2]["value"] == pytest.approx(0.3)


def test_a_conditional_spectrum_alone(recorded):
    place = Place(site_id="0")
    plot = recorded("conditional spectrum", "cs-stats", place)
    # as the engine's CSV has it
    assert plot.series[0].y[:3] == (0.286997, 0.625059, 0.596998)
    assert plot.notes[0] == "Plotted: PoE 0.1 (10%, 475y); others by POE: 0.02 (2%, 2475y)."
    assert plot.notes[1].startswith("Without the uniform hazard spectrum: ")
    with pytest.raises(InvalidChoice, match="has 2 sites"):
        recorded("conditional spectrum", "cs-stats")


# --- losses


def test_reinsurance_curves(recorded):
    plot = recorded("reinsurance", "reinsurance-aggcurves")
    assert labels(plot.series)[0].endswith("Gross claim")
    assert [s.group for s in plot.series] == [
        "Gross claim",
        "Retention",
        "Cession to surplus",
        "Cession to quota_shared",
        "Cession to WXLR",
    ]
    assert plot.series[0].x == (30.0, 60.0, 120.0, 240.0, 480.0, 960.0)
    assert plot.series[0].y == (151.209, 665.435, 895.0, 895.0, 900.0, 900.0)
    assert plot.series[1].y == (50.0, 50.0, 58.0, 58.0, 150.0, 150.0)
    assert plot.title == "Reinsurance by return period (EP)"
    rows = rows_of_table(plot.table)
    assert [r["value"] for r in rows if r["part"] == "Cession to WXLR"][:2] == [25.6046, 223.818]
    assert (plot.x.title, plot.x.log, plot.y.log) == ("Return period [years]", True, False)


def test_many_treaties_are_the_largest_ones(made):
    header = [
        "rlz_id",
        "return_period",
        "claim",
        "retention",
        *(f"T{i}" for i in range(12)),
        "none",
    ]
    rows = [[0, period, 100, 50, *range(1, 13), 0] for period in (10, 100)]
    text = csv_text(",".join(header), *(",".join(map(str, row)) for row in rows))
    plot = made(
        "reinsurance-aggcurves", {"reinsurance-aggcurves_5.csv": text}, mode="event_based_risk"
    )
    treaties = [f"Cession to T{i}" for i in range(4, 12)]
    assert [s.group for s in plot.series] == ["Gross claim", "Retention", *treaties]
    assert (
        "Cession to T0, Cession to T1, Cession to T2, Cession to T3, Cession to none"
        in plot.notes[0]
    )
    assert len(rows_of_table(plot.table)) == 2 * 15
    # the realization has a name where there are several
    text += "1,10" + text.splitlines()[-1][5:] + "\r\n"
    files = {"reinsurance-aggcurves_5.csv": text}
    plot = made("reinsurance-aggcurves", files, mode="event_based_risk", kind="rlz-0")
    assert plot.title == "Reinsurance by return period (EP), realization 0"


def test_average_losses_by_tag(recorded):
    plot = recorded("reinsurance", "avg_losses_by", loss_type="structural")
    assert plot.form == RANKED
    assert plot.x.categories == ("RM", "W", "RC")
    assert plot.series[0].y == (790.774, 366.163, 214.066)
    rows = rows_of_table(plot.table)
    assert [(r["taxonomy"], r["structural"]) for r in rows] == [
        ("RM", 790.774),
        ("W", 366.163),
        ("RC", 214.066),
    ]
    assert sum(r["share"] for r in rows) == pytest.approx(100)
    assert plot.title == "Average structural loss in 50 years, by taxonomy"


def test_average_losses_of_an_aggregate(recorded):
    plot = recorded("event based", "aggrisk-stats")
    # by tag without asking, as the engine's CSV has them
    of = dict(zip(plot.x.categories, plot.series[0].y))
    assert len(of) == 7
    assert [*of.values()] == sorted(of.values(), reverse=True)
    contents = recorded("event based", "aggrisk-stats", loss_type="contents")
    assert dict(zip(contents.x.categories, contents.series[0].y))["a3"] == pytest.approx(262.5143)
    total = recorded("event based", "aggrisk-stats", loss_type="contents", member="total")
    assert total.x.categories == ("All assets",)
    assert total.series[0].y == pytest.approx((1448.4025,))
    with pytest.raises(InvalidChoice, match="shows one loss type"):
        recorded("event based", "aggrisk-stats", loss_type="contents, structural")


def test_losses_by_source(recorded):
    plot = recorded("event based", "src_loss_table")
    of = dict(zip(plot.x.categories, plot.series[0].y))
    assert of["2!b1"] == pytest.approx(515.812 / 20, rel=1e-9)
    assert plot.y.label == "Average annual loss, derived: divided by 20"
    assert next(iter(of)) == "2!b1"


@pytest.mark.parametrize(("kind", "last"), [("mean", "7 others, sum"), ("quantile-0.5", "t7")])
def test_small_losses_are_one_bar_where_they_may_be_summed(made, kind, last):
    rows = (f"structural,{i},{kind},t{i}" for i in range(31))
    text = csv_text("loss_type,loss,stat,NAME_1", *rows)
    files = {"aggrisk-stats-NAME_1_5.csv": text}
    plot = made("aggrisk-stats", files, mode="event_based_risk")
    assert plot.x.categories[:2] == ("t30", "t29")
    summed = sum(range(7)) if kind == "mean" else 7
    assert (plot.x.categories[-1], plot.series[0].y[-1]) == (last, summed)
    assert len(plot.series[0].y) == (25 if kind == "mean" else 24)
    assert [c.name for c in plot.table.columns][-1] == ("share" if kind == "mean" else "loss")
    assert len(rows_of_table(plot.table)) == 31


def scenario(weights=(1.0,), count=4):
    events = np.zeros(count, [("id", "<u4"), ("rup_id", "<u4"), ("rlz_id", "<u4")])
    events["id"] = range(count)
    events["rlz_id"] = [i * len(weights) // count for i in range(count)]
    rlzs = np.zeros(len(weights), [("rlz_id", "<u4"), ("weight", "<f4")])
    rlzs["rlz_id"], rlzs["weight"] = range(len(weights)), weights
    return {(5, "events"): {"array": events}, (5, "realizations"): {"array": rlzs}}


LOSSES = {
    "risk_by_event_5.csv": csv_text(
        "event_id,loss,loss_type",
        "0,10,structural",
        "1,20,structural",
        "3,40,structural",
        "3,9,contents",
    )
}


@pytest.mark.parametrize(
    ("weights", "mean", "std"),
    [
        ((1.0,), 17.5, math.sqrt((7.5**2 + 2.5**2 + 17.5**2 + 22.5**2) / 4)),
        # of two realizations with two fields each: 15 and 20
        ((0.75, 0.25), 16.25, math.sqrt(0.375 * (100 + 400) + 0.125 * 1600 - 16.25**2)),
    ],
)
def test_the_distribution_of_the_loss_of_a_scenario(made, weights, mean, std):
    plot = made("risk_by_event", LOSSES, extracts=scenario(weights))
    assert plot.form == HISTOGRAM
    rows = rows_of_table(plot.table)
    # the field without a row has no loss
    assert [row["events"] for row in rows] == [1, 0, 1, 0, 1, 0, 0, 1]
    assert (rows[0]["lower"], rows[-1]["upper"]) == (0.0, 40.0)
    assert sum(row["share"] for row in rows) == pytest.approx(100)
    assert rows[0]["share"] == pytest.approx(25 if len(weights) == 1 else 12.5)
    assert rows[0]["mean"] == pytest.approx(mean)
    assert rows[0]["std"] == pytest.approx(std)
    marks = {name: x for x, name in plot.marks}
    assert marks["mean"] == pytest.approx(mean)
    assert marks["mean + σ"] == pytest.approx(mean + std)
    assert f"4 ground motion fields; mean {mean:.4g}; σ {std:.4g}" in plot.subtitle
    assert "1 of 4 fields have no loss." in plot.notes


def test_events_of_many_earthquakes_are_no_distribution(made):
    with pytest.raises(InvalidChoice, match=r"is not a scenario.*Plot aggcurves"):
        made("risk_by_event", LOSSES, mode="event_based_risk", extracts=scenario())
