"""What numbers mean, on the engine's demos and cases where it was found wrong.

Smaller ones of each: tests/qgis/test_meaning.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from steering import Done, call

from oq_processing.layers import metadata

DEMO = "risk/ClassicalRisk"


@pytest.fixture(scope="module")
def hazard(calculations) -> int:
    return calculations(DEMO, "job_hazard.ini")


@pytest.fixture
def loaded(registry, server):
    """A function that loads an output into memory."""

    def load(calculation_id: int, output: str, **parameters) -> Done:
        given = {"CALCULATION_ID": calculation_id, "OUTPUT_TYPE": output, **parameters}
        return call(
            "openquake:loadoutputaslayer", SERVER=server.url, OUTPUT="TEMPORARY_OUTPUT", **given
        )

    return load


def test_losses_of_a_year_and_a_fiftieth_of_those_of_fifty(
    loaded, calculations, server, demos, hazard
):
    """A 50th of 9,141 million USD is 183; the engine's loss of a year is 411, 2.25 times that."""
    fifty = loaded(calculations(DEMO, "job_risk.ini", hazard), "avg_losses-stats")
    given = {"HAZARD_CALCULATION_ID": hazard, "JOB": str(demos / DEMO / "job_risk.ini")}
    done = call(
        "openquake:runriskonhazard",
        SERVER=server.url,
        PARAMETERS="risk_investigation_time=1",
        **given,
    )
    year = loaded(done.results["CALCULATION_ID"], "avg_losses-stats")
    sums = [sum(row["structural"] for row in done.rows()) for done in (fifty, year)]
    assert sums == pytest.approx([9_140_771_218, 411_396_202], rel=1e-6)
    for done in (fifty, year):
        assert not any("year" in name for name in done.rows()[0])
    assert fifty.feedback.has("is not 50 times that of one year")
    assert not year.feedback.has("times that of one year")
    assert year.feedback.has("9,063 assets at 2,253 places: the largest of each is drawn on top.")


def test_sites_of_the_demo_at_the_end_of_their_curves(loaded, hazard):
    done = loaded(hazard, "hmaps", KIND="mean", STYLE_FIELD="SA(0.1)-0.02")
    assert [text for text in done.feedback.texts("warning") if "level of the curves" in text] == [
        f"Mean {imt}, 2% in 50 years: at least the highest level of the curves (1 g) at {sites} of "
        "2,253 sites."
        for imt, sites in (("SA(0.1)", 378), ("SA(0.3)", 246))
    ]
    ranges = done.layer().renderer().ranges()
    assert ranges[-1].label() == "≥ 1 g, limit of the curves"
    last = ranges[-1].lowerValue()
    assert sum(row["SA(0.1)-0.02"] >= last for row in done.rows()) == 378


@pytest.fixture
def case(calculations, engine_python):
    """A function that calculates one of the engine's own tests."""
    [cases] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return lambda name: calculations(str(cases / name))


def test_sites_below_their_curves_and_the_soil_of_the_site_model(loaded, case):
    done = loaded(case("classical/case_22"), "hmaps")
    assert done.feedback.has("below the lowest level of the curves (0.005 g) at 18 of 21 sites.")
    # the job's reference is 760 m/s
    assert done.feedback.has("Site condition: vs30 670 to 760 m/s (site model).")
    assert sum(row["SA(0.2)-0.00044"] == 0 for row in done.rows()) == 18
    ranges = done.layer().renderer().ranges()
    assert [r.label() for r in ranges][:2] == ["below 0.005 g", "0.005 – 0.01 g"]


def test_a_spectrum_on_amplified_soil(case, registry, server, tmp_path: Path):
    """The curves begin at 0.05 g, though those of the rock begin at 0.01 g."""
    given = {"CALCULATION_ID": case("classical/case_49"), "OUTPUT_TYPE": "uhs", "SITE_ID": "0"}
    done = call("openquake:plotoutput", SERVER=server.url, OUTPUT=str(tmp_path / "a.png"), **given)
    for imt in ("PGA", "SA(1.057)"):
        assert done.feedback.has(f"{imt}: below the lowest level of the curves (0.05 g).")


def test_sites_in_place_of_the_grid_of_the_demo(loaded, server, demos, tmp_path):
    sites = tmp_path / "my_sites.csv"
    sites.write_text("0.5,-0.5\n0.1,0.2\n", "utf-8")
    done = call(
        "openquake:runcalculation",
        SERVER=server.url,
        JOB=str(demos / "hazard/AreaSourceClassicalPSHA/job.ini"),
        EXTRA_FILES=[str(sites)],
        PARAMETERS="sites_csv=my_sites.csv; region=; region_grid_spacing=",
    )
    said = done.feedback.texts("info")
    assert [text for text in said if text.startswith(("Changed", "Removed"))] == [
        "Changed: sites_csv = my_sites.csv",
        "Removed: region",
        "Removed: region_grid_spacing",
    ]
    maps = loaded(done.results["CALCULATION_ID"], "hmaps", KIND="mean")
    places = [row[name] for row in maps.rows() for name in ("lon", "lat")]
    assert sorted(places) == pytest.approx([-0.5, 0.1, 0.2, 0.5])
    assert len(maps.rows()) == 2
    assert all(row["PGA-0.1"] > 0.01 for row in maps.rows())
    about = metadata.read(maps.layer())["provenance"]
    assert about["overridden_parameters"] == {
        "sites_csv": "my_sites.csv",
        "region": "",
        "region_grid_spacing": "",
    }
