"""What numbers mean on layers and figures: their time, places, soil, and the ends of curves."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from qgis.core import (
    QgsExpressionContextUtils,
    QgsFeatureRequest,
    QgsRenderContext,
    QgsVectorLayer,
)

from oq_processing.layers import metadata

LOAD = "openquake:loadoutputaslayer"
STYLE = "openquake:stylelayer"
PLOT = "openquake:plotoutput"


@pytest.fixture(scope="session")
def cases(engine_python) -> Path:
    """The engine's own tests."""
    [found] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return found


@pytest.fixture(scope="session")
def hazard(calculations, cases) -> int:
    """The hazard of a classical risk case: 6 assets, 50 years."""
    return calculations(str(cases / "classical_risk/case_4"), "job_haz.ini")


@pytest.fixture(scope="session")
def fifty_years(calculations, cases, hazard) -> int:
    """The losses of those assets in 50 years."""
    return calculations(str(cases / "classical_risk/case_4"), "job_risk.ini", hazard)


@pytest.fixture(scope="session")
def damage(calculations, cases) -> int:
    """Event-based damage of 5 assets at 3 places."""
    return calculations(str(cases / "event_based_damage/case_13"), "job_a.ini")


@pytest.fixture(scope="session")
def soft_soil(calculations, cases, tmp_path_factory) -> int:
    """Three sites on amplified soil: one is beyond the curves of SA(0.21), PGA is below its own.

    The curves on rock begin at 0.01 g and end at 3 g, those on soil at 0.05 g and 0.1 g.
    """
    folder = tmp_path_factory.mktemp("jobs") / "soft_soil"
    shutil.copytree(cases / "classical/case_49", folder)
    ini = folder / "job.ini"
    text = re.sub("soil_intensities = .*", "soil_intensities = 0.05 0.06 0.08 0.1", ini.read_text())
    ini.write_text(text.replace("[output]", "[output]\nhazard_maps = true"))
    return calculations(str(folder))


@pytest.fixture
def load(run, tmp_path):
    """A function that loads an output into a file and opens it as a user does."""

    def load(calculation_id: int, output: str, **parameters) -> QgsVectorLayer:
        path = tmp_path / f"{output}-{len(list(tmp_path.iterdir()))}.gpkg"
        given = {"CALCULATION_ID": calculation_id, "OUTPUT_TYPE": output, "OUTPUT": str(path)}
        run(LOAD, **given, **parameters)
        return again(path)

    return load


def again(path) -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{path}|layername={Path(path).stem}", "again", "ogr")
    assert layer.isValid()
    layer.loadDefaultStyle()
    layer.loadDefaultMetadata()
    return layer


def restyled(run, layer, **parameters) -> QgsVectorLayer:
    path = layer.source().partition("|")[0]
    run(STYLE, INPUT=path, **parameters)
    return again(path)


def fields(layer) -> list[str]:
    return [f.name() for f in layer.fields()][1:]


def values(layer, field: str) -> list:
    return [feature[field] for feature in layer.getFeatures()]


def about(layer) -> dict:
    return metadata.read(layer)["provenance"]


# --- losses and their time


def test_losses_of_fifty_years_are_not_divided(
    run, client, cases, hazard, fifty_years, load, feedback
):
    """A 50th of the losses in 50 years is 100,373 USD, 8% less than those of a year: 108,592.

    The engine's average of classical_risk is the expected largest loss in the time; the more hazard
    there is the more this saturates (demo: tests/everything/test_meaning.py).
    """
    job = str(cases / "classical_risk/case_4/job_risk.ini")
    given = {"HAZARD_CALCULATION_ID": hazard, "JOB": job, "FAIL_ON_FAILED": True}
    of_a_year = run("openquake:runriskonhazard", **given, PARAMETERS="risk_investigation_time=1")[
        "CALCULATION_ID"
    ]
    names = ["asset_id", "taxonomy", "lon", "lat", "structural"]
    long = load(fifty_years, "avg_losses-stats")
    assert fields(long) == names
    assert sum(values(long, "structural")) == pytest.approx(5_018_643.02)
    advice = [text for text in feedback.warnings if "risk_investigation_time=1" in text]
    assert advice == [
        "The average loss over 50 years is not 50 times that of one year; for annual losses run "
        "the risk calculation again with PARAMETERS=risk_investigation_time=1."
    ]
    feedback.said.clear()
    short = load(of_a_year, "avg_losses-stats")
    assert fields(short) == names
    assert sum(values(short, "structural")) == pytest.approx(108_591.73)
    assert short.attributeAlias(5) == "Average annual structural loss [USD]"
    assert not any("risk_investigation_time" in text for text in feedback.warnings)


def test_benefit_cost_ratios_say_what_to_run(calculations, cases, load, feedback):
    load(calculations(str(cases / "classical_bcr/case_2")), "bcr-rlzs", KIND="rlz-2")
    [note] = [text for text in feedback.warnings if "of 50 years" in text]
    assert note.endswith(
        "run the risk calculation again with PARAMETERS=risk_investigation_time=1."
    )


# --- assets that share a place


def on_top(layer, field: str) -> dict[tuple[float, float], float]:
    """Return the value of the asset that is drawn last at each place."""
    renderer = layer.renderer()
    assert renderer.orderByEnabled()
    request = QgsFeatureRequest().setOrderBy(renderer.orderBy())
    return {
        (f.geometry().asPoint().x(), f.geometry().asPoint().y()): f[field]
        for f in layer.getFeatures(request)
    }


def largest(layer, field: str) -> dict[tuple[float, float], float]:
    found: dict = {}
    for f in layer.getFeatures():
        place = f.geometry().asPoint()
        found.setdefault((place.x(), place.y()), []).append(f[field])
    assert (sum(map(len, found.values())), len(found)) == (5, 3)
    assert any(cells[-1] < max(cells) for cells in found.values())  # by chance another is last
    return {place: max(cells) for place, cells in found.items()}


def test_the_largest_of_a_place_is_on_top(run, damage, load, feedback):
    layer = load(damage, "damages-rlzs")
    complete = "structural-LS2"
    assert on_top(layer, complete) == largest(layer, complete)
    assert feedback.warnings[-1] == (
        "5 assets at 3 places: the largest of each is drawn on top. “Sum assets at the same place” "
        "(AGGREGATE_BY_SITE) makes one row of each place."
    )
    assert about(layer)["places"] == 3
    other = load(damage, "damages-rlzs", STYLE_FIELD="structural-LS1")
    assert on_top(other, "structural-LS1") == largest(other, "structural-LS1")
    # of words none is the largest: what is usual stays on top
    words = load(damage, "damages-rlzs", STYLE_FIELD="taxonomy")
    assert words.renderer().type() == "categorizedSymbol"
    assert on_top(words, complete) == largest(words, complete)
    for name in ("structural-LS1", complete):
        words = restyled(run, words, STYLE_FIELD=name)
        assert on_top(words, name) == largest(words, name)
    feedback.said.clear()
    summed = load(damage, "damages-rlzs", AGGREGATE_BY_SITE=True)
    assert summed.featureCount() == 3
    assert not any("drawn on top" in text for text in feedback.warnings)
    run(
        LOAD,
        CALCULATION_ID=damage,
        OUTPUT_TYPE="damages-rlzs",
        GEOMETRY="none",
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert not any("drawn on top" in text for text in feedback.warnings)


@pytest.mark.parametrize(
    ("calculation", "output", "parameters", "field"),
    [
        ("fifty_years", "avg_losses-stats", {}, "structural"),
        ("fifty_years", "loss_maps-stats", {}, "structural~poe-0.1"),
        ("fifty_years", "loss_curves-stats", {"POE": "0.1"}, "structural~poe-0.1"),
        ("hazard", "exposure", {}, "value-structural"),
        ("classical_bcr/case_2", "bcr-rlzs", {"KIND": "rlz-2"}, "bcr"),
        ("risk/InfrastructureRiskRoadNetwork", "infra-node_el", {}, "EL"),
    ],
)
def test_large_is_on_top_of_all_outputs_of_assets(
    request, calculations, cases, load, calculation, output, parameters, field
):
    if "/" not in calculation:
        number = request.getfixturevalue(calculation)
    else:
        qa = str(cases / calculation)
        number = calculations(calculation if calculation.startswith("risk/") else qa)
    layer = load(number, output, **parameters)
    assert layer.renderer().orderByEnabled()
    assert layer.renderer().orderBy().dump() == f'"{field}" ASC NULLS FIRST'
    assert about(layer)["places"] == len(
        {(f.geometry().asPoint().x(), f.geometry().asPoint().y()) for f in layer.getFeatures()}
    )


# --- the ends of hazard curves


def classes(layer) -> dict[str, list]:
    """Return the values that are drawn in each class of the legend; all must be in one."""
    renderer, context = layer.renderer().clone(), QgsRenderContext()
    context.expressionContext().appendScope(QgsExpressionContextUtils.layerScope(layer))
    renderer.startRender(context, layer.fields())
    found: dict[str, list] = {item.label(): [] for item in renderer.legendSymbolItems()}
    names = {item.ruleKey(): item.label() for item in renderer.legendSymbolItems()}
    field = "value" if "value" in fields(layer) else renderer.classAttribute().strip('"')
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        [key] = renderer.legendKeysForFeature(feature, context)
        found[names[key]].append(round(feature[field], 6))
    renderer.stopRender(context)
    return found


BELOW, ABOVE = "below 0.05 g", "≥ 0.1 g, limit of the curves"
SA = "SA(0.21)-0.002105"
KNOWN = [0.077618, 0.092181]


def test_ends_of_curves_are_counted_and_have_classes(soft_soil, load, feedback):
    layer = load(soft_soil, "hmaps", STYLE_FIELD=SA)
    assert [text.partition(" in 1 year: ")[2] for text in feedback.warnings] == [
        "below the lowest level of the curves (0.05 g) at 3 of 3 sites.",
        "at least the highest level of the curves (0.1 g) at 1 of 3 sites.",
        "below the lowest level of the curves (0.05 g) at 3 of 3 sites.",
    ]
    assert feedback.warnings[1].startswith("Mean SA(0.21), 0.2105%")
    found = classes(layer)
    # 0.08 - 0.13 ends where the curves do, and nothing is beyond
    assert list(found)[-3:] == ["0.05 – 0.08 g", "0.08 – 0.10 g", ABOVE]
    assert [found[name] for name in list(found)[-3:]] == [[KNOWN[0]], [KNOWN[1]], [0.1]]
    assert sum(map(len, found.values())) == 3
    meaning = {c["name"]: c for c in metadata.read(layer)["columns"]}
    assert (meaning[SA]["lowest"], meaning[SA]["highest"]) == (0.05, 0.1)
    # what is below all curves has a class, and no value
    layer = load(soft_soil, "hmaps")
    assert classes(layer) == {BELOW: [0.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        *(
            ({"CLASSIFICATION": name, "CLASSES": 2}, ["0.0776 – 0.0849 g", "0.0849 – 0.0922 g"])
            for name in ("logarithmic", "quantile", "equal-interval", "jenks")
        ),
        ({"CLASSIFICATION": "pretty", "CLASSES": 2}, ["0.07 – 0.08 g", "0.09 – 0.10 g"]),
        ({"CLASS_BREAKS": "0.02 0.08 0.5 1"}, ["0.02 – 0.08 g", "0.08 – 0.10 g"]),
        ({"CLASSIFICATION": "standard"}, ["0.05 – 0.08 g", "0.08 – 0.10 g"]),
    ],
)
def test_ends_of_curves_have_classes_of_every_kind(run, soft_soil, load, parameters, labels):
    """Also in the long format, and when Style Layer draws a layer that was loaded otherwise."""
    long = load(soft_soil, "hmaps", LONG_FORMAT=True, **parameters)
    found = classes(long)
    assert (found[BELOW], found[ABOVE]) == ([0.0] * 6, [0.1])
    assert sorted(v for cells in found.values() for v in cells if 0.05 < v < 0.0999) == KNOWN
    later = restyled(run, load(soft_soil, "uhs"), STYLE_FIELD="0.002105~SA(0.21)", **parameters)
    found = classes(later)
    assert found[ABOVE] == [0.1]
    assert [name for name, cells in found.items() if set(cells) & set(KNOWN)] == labels
    assert classes(restyled(run, later, STYLE_FIELD="0.002105~PGA")) == {BELOW: [0.0] * 3}


def texts(path: Path) -> list[str]:
    found = re.findall(r"<text[^>]*>(.*?)</text>", path.read_text("utf-8"), re.S)
    return [unescape(re.sub(r"<[^>]*>", "", text)).replace("\u00a0", " ") for text in found]


def test_a_spectrum_has_no_line_where_its_curves_end(run, soft_soil, tmp_path, feedback):
    path = tmp_path / "uhs.svg"
    given = {"CALCULATION_ID": soft_soil, "OUTPUT_TYPE": "uhs", "SITE_ID": "0"}
    data = run(PLOT, **given, OUTPUT=str(path), DATA="TEMPORARY_OUTPUT")["DATA"]
    # the numbers are the engine's, and say where they end
    assert [round(v, 6) for v in values(data, "value")] == [0.0, 0.1, 0.0]
    [meaning] = [c for c in metadata.read(data)["columns"] if c["name"] == "value"]
    assert (meaning["lowest"], meaning["highest"]) == (0.05, 0.1)
    assert [text for text in feedback.warnings if "of the curves" in text] == [
        "PGA: below the lowest level of the curves (0.05 g).",
        "SA(0.21): at least the highest level of the curves (0.1 g).",
        "SA(1.057): below the lowest level of the curves (0.05 g).",
    ]
    assert {
        "at least: the highest level of the curves",
        "below the lowest level of the curves",
    } <= set(texts(path))
    # a point between two gaps is one, and no line goes to the others
    run(PLOT, **{**given, "SITE_ID": "1"}, OUTPUT=str(path))
    svg = path.read_text("utf-8").replace("\n", " ")
    [line] = re.findall(r'<path d="([^"]*)" clip-path[^>]*stroke-width: 2\.4', svg)
    assert "L" not in line


# --- the soil


def test_maps_say_for_which_soil_they_are(area, soft_soil, load, feedback, tmp_path, run):
    layer = area(OUTPUT=str(tmp_path / "map.gpkg"))["OUTPUT"]
    soil = "vs30 600 m/s (reference)"
    assert about(again(layer.partition("|")[0]))["site_condition"] == soil
    assert f"Site condition: {soil}." in feedback.infos
    amplified = "amplification functions of the job, from vs30 800 m/s (site model)"
    assert about(load(soft_soil, "hmaps"))["site_condition"] == amplified
    assert f"Site condition: {amplified}." in feedback.infos


@pytest.mark.parametrize("output", ["hcurves", "uhs"])
def test_figures_say_for_which_soil_they_are(run, area_source, tmp_path, output, feedback):
    path = tmp_path / "plot.svg"
    given = {"CALCULATION_ID": area_source, "OUTPUT_TYPE": output, "SITE_ID": "3"}
    data = run(PLOT, **given, OUTPUT=str(path), DATA="TEMPORARY_OUTPUT")["DATA"]
    assert "Site condition: vs30 600 m/s (reference)" in texts(path)
    assert "Site condition: vs30 600 m/s (reference)." in feedback.infos
    assert about(data)["site_condition"] == "vs30 600 m/s (reference)"
    description = re.search(
        r"<dc:description>(.*?)</dc:description>", path.read_text("utf-8"), re.S
    )
    assert json.loads(unescape(description[1]))["site_condition"] == "vs30 600 m/s (reference)"


def test_ground_motion_says_for_which_soil_it_is(calculations, load):
    soils = {"hazard/ScenarioCase1": 760, "hazard/EventBasedPSHA": 600}
    for demo, vs30 in soils.items():
        layer = load(calculations(demo), "gmf_data")
        assert about(layer)["site_condition"] == f"vs30 {vs30} m/s (reference)"
