"""The shipped models: through the registry, against the real engine, as a step of another model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingParameterDefinition,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)
from steering import model_result

from oq_processing.algorithms.common import shipped_model as shippedmodel
from oq_processing.layers import metadata
from oq_processing.provider import OpenQuakeProvider

ROOT = Path(__file__).parents[2]
Source = QgsProcessingModelChildParameterSource
LATIN = "hazard/LatinSamplingClassicalPSHA"
MODELS = {
    "hazardmapfromjob": "Hazard Map from a Job",
    "hazardraster": "Hazard Raster",
    "lossesbyzone": "Losses by Zone",
    "lossesfromjobs": "Losses from a Hazard and a Risk Job",
    "scenariodamagemap": "Scenario Damage Map",
}
DESTINATIONS = {
    "hazardmapfromjob": "load:OUTPUT",
    "hazardraster": "rasterize:OUTPUT",
    "lossesbyzone": "sum:OUTPUT",
    "lossesfromjobs": "load:OUTPUT",
    "scenariodamagemap": "load:OUTPUT",
}
OPTIONAL = QgsProcessingParameterDefinition.Flag.FlagOptional
# in QGIS 3.22, 3.40 and 3.44 alike
KNOWN = {
    "openquake:runcalculation",
    "openquake:runriskonhazard",
    "openquake:loadoutputaslayer",
    "openquake:sumbyzone",
    "gdal:rasterize",
}


@pytest.fixture
def model(registry):
    """A function that returns a model of the provider."""
    return lambda name: registry.algorithmById(f"openquake:{name}")


@pytest.fixture(scope="session")
def risk_cases(engine_python):
    """The engine's own tests of risk."""
    [found] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return found


def only(members: dict):
    """The one file of an export: its header and its rows."""
    [member] = members.values()
    return member


def layer_of(results: dict, name: str, context) -> QgsVectorLayer:
    value = results[name]
    return value if isinstance(value, QgsVectorLayer) else context.getMapLayer(value)


def values_of(layer, *names: str) -> dict:
    return {f["asset_id"]: tuple(f[n] for n in names) for f in layer.getFeatures()}


# --- what the provider has


def test_all_models_are_there(registry):
    provider = registry.providerById("openquake")
    found = {
        a.name(): a for a in provider.algorithms() if isinstance(a, QgsProcessingModelAlgorithm)
    }
    assert {name: a.displayName() for name, a in found.items()} == MODELS
    assert set(MODELS) == {
        path.stem for path in (ROOT / "oq_processing" / "models").glob("*.model3")
    }
    for algorithm in found.values():
        assert (algorithm.groupId(), algorithm.group()) == ("models", "Models")
        assert algorithm.canExecute() == (True, "")


@pytest.mark.parametrize("name", MODELS)
def test_models_explain_themselves(model, name):
    found = model(name)
    text = found.shortHelpString()
    assert len(text) > 300
    for definition in found.parameterDefinitions():
        assert definition.description()
        assert definition.isDestination() or len(definition.help()) > 15, definition.name()
        assert definition.isDestination() or definition.help() in text
    assert {"openquake", "model"} <= set(found.tags())


@pytest.mark.parametrize("name", MODELS)
def test_steps_are_known_to_all_versions(model, name):
    children = model(name).childAlgorithms()
    assert {child.algorithmId() for child in children.values()} <= KNOWN
    # from 3.40 on a file says how its results are named: such files have other names there
    text = (ROOT / "oq_processing" / "models" / f"{name}.model3").read_text()
    assert "internal_version" not in text
    assert "/work" not in text
    assert "/home" not in text


@pytest.mark.parametrize("name", MODELS)
def test_boxes_do_not_overlap(model, name):
    found = model(name)
    boxes = [*found.parameterComponents().values()]
    for child in found.childAlgorithms().values():
        boxes += [child, *child.modelOutputs().values()]
    places = [
        (b.position().x(), b.position().y(), b.size().width(), b.size().height()) for b in boxes
    ]
    # as wide and high as a step whose lists are folded
    for i, (x, y, *_) in enumerate(places):
        for u, v, width, _ in places[i + 1 :]:
            assert abs(x - u) >= width or abs(y - v) >= 60


def test_the_files_are_what_the_script_writes(tmp_path):
    made = subprocess.run(
        [str(ROOT / "script" / "make_models.py"), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if Qgis.QGIS_VERSION_INT < 32300:
        assert made.returncode == 0, made.stderr
        for name in MODELS:
            ours = (ROOT / "oq_processing" / "models" / f"{name}.model3").read_bytes()
            assert (tmp_path / f"{name}.model3").read_bytes() == ours
    else:
        assert "needs QGIS 3.22" in made.stderr


def test_a_broken_file_stops_nothing(registry, tmp_path, monkeypatch):
    """A model that cannot be read is named, and the others are there."""
    for path in (ROOT / "oq_processing" / "models").glob("hazard*.model3"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.model3").write_text("<Option type='Map'><Option")
    (tmp_path / "other.model3").write_text("no model at all")
    monkeypatch.setattr(shippedmodel, "FOLDER", tmp_path)
    said = []
    log = QgsApplication.messageLog()
    log.messageReceived.connect(lambda text, tag, level: said.append((tag, text)))
    provider = OpenQuakeProvider()
    provider.refreshAlgorithms()
    names = [a.name() for a in provider.algorithms()]
    assert {"hazardmapfromjob", "hazardraster", "runcalculation"} <= set(names)
    assert not {"broken", "other"} & set(names)
    assert ("OpenQuake", "The model broken.model3 cannot be read.") in said
    assert ("OpenQuake", "The model other.model3 cannot be read.") in said


UNLOAD = """
import sys
from qgis.core import QgsApplication, QgsProcessingProvider
application = QgsApplication([], False)
application.initQgis()
sys.path.append("/usr/share/qgis/python/plugins")
from processing.core.Processing import Processing
from oq_processing.plugin import OpenQuakePlugin

registry = QgsApplication.processingRegistry()

def show():
    for name in sys.argv[1:]:
        found = registry.algorithmById("openquake:" + name)
        print(name, found and [d.name() for d in found.destinationParameterDefinitions()])

plugin = OpenQuakePlugin(None)
plugin.initProcessing()
show()
Processing.initialize()  # as in qgis_process: what rasterizes comes later
show()
plugin.unload()
show()

class Other(QgsProcessingProvider):
    def id(self): return "other"
    def name(self): return "Other"
    def loadAlgorithms(self): pass

registry.addProvider(Other())  # nothing that is gone may be told of it
plugin.initProcessing()
show()
plugin.unload()
application.exitQgis()
"""


def test_load_and_unload():
    """Models need their steps, which are there only once the providers are; nothing crashes."""
    done = subprocess.run(
        [sys.executable, "-c", UNLOAD, *MODELS],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    count = len(MODELS)
    complete = [f"{name} {[DESTINATIONS[name]]}" for name in MODELS]
    assert [*lines[:1], *lines[2:count]] == [*complete[:1], *complete[2:]]
    assert lines[1] == "hazardraster []"
    assert lines[count : 2 * count] == complete
    assert lines[2 * count : 3 * count] == [f"{name} None" for name in MODELS]
    assert lines[3 * count :] == complete


# --- runs


def test_hazard_map_from_a_job(run, demos, client, exported, context, tmp_path, opened):
    target = tmp_path / "map.gpkg"
    results = run(
        "openquake:hazardmapfromjob",
        JOB=str(demos / LATIN / "job.ini"),
        PARAMETERS="description=By a model; hazard_maps=true",
        IMT="PGA",
        **{"load:OUTPUT": str(target)},
    )
    number = results["run:CALCULATION_ID"]
    assert isinstance(number, int)
    assert results["run:STATUS"] == "complete"
    assert client.calculation(number).description == "By a model"
    layer = opened(target, "map")
    header, rows = only(exported(number))
    [feature] = layer.getFeatures()
    for name, text in zip(header, rows[0]):
        form = ".5f" if name in ("lon", "lat") else ".6E"
        assert format(feature[name], form) == text
    assert layer.renderer().classAttribute() == f'"{header[-1]}"'
    assert metadata.read(layer)["provenance"]["calculation_id"] == number


def test_hazard_raster(run, area, area_source, exported, tmp_path, context):
    target = tmp_path / "map.tif"
    results = run(
        "openquake:hazardraster",
        CALCULATION_ID=area_source,
        IMT="SA(0.2)",
        POE="2%",
        **{"rasterize:OUTPUT": str(target)},
    )
    assert results["load:STYLED_FIELD"] == "SA(0.2)-0.02"
    raster = QgsRasterLayer(str(target), "map")
    assert raster.isValid()
    assert raster.crs().authid() == "EPSG:4326"
    header, rows = only(exported(area_source))
    lon, lat, value = (header.index(n) for n in ("lon", "lat", "SA(0.2)-0.02"))
    points = area(IMT="SA(0.2)", POE="2%")["OUTPUT"]
    assert points.featureCount() == len(rows) == 624
    # the sites are the middles of the pixels
    assert raster.width() * raster.height() == 624
    middle = raster.extent().buffered(-raster.rasterUnitsPerPixelX() / 2)
    for of_pixels, of_sites in zip(
        (middle.xMinimum(), middle.xMaximum(), middle.yMinimum(), middle.yMaximum()),
        (
            points.extent().xMinimum(),
            points.extent().xMaximum(),
            points.extent().yMinimum(),
            points.extent().yMaximum(),
        ),
    ):
        assert of_pixels == pytest.approx(of_sites, abs=0.02 * raster.rasterUnitsPerPixelX())
    provider = raster.dataProvider()
    for feature in points.getFeatures():
        got, good = provider.sample(feature.geometry().asPoint(), 1)
        assert good
        assert got == feature["SA(0.2)-0.02"]  # 32 bits in both
    wanted = {(row[lon], row[lat]): row[value] for row in rows}
    got = {
        (
            f"{f['lon']:.5f}",
            f"{f['lat']:.5f}",
        ): f"{provider.sample(f.geometry().asPoint(), 1)[0]:.6E}"
        for f in points.getFeatures()
    }
    assert got == wanted
    # one pixel for each site at the least, and all that is no site's cell has no value
    assert provider.sourceHasNoDataValue(1)
    block = provider.block(1, raster.extent(), raster.width(), raster.height())
    pixels = [(r, c) for r in range(raster.height()) for c in range(raster.width())]
    assert sum(not block.isNoData(r, c) for r, c in pixels) >= 624
    width, height = raster.rasterUnitsPerPixelX(), raster.rasterUnitsPerPixelY()
    assert 0.0899 < width < 0.09
    assert 0.0899 < height < 0.09
    assert 624 <= raster.width() * raster.height() < 700


def test_no_raster_of_what_is_no_grid(run, logic_tree, feedback, tmp_path):
    target = tmp_path / "map.tif"
    with pytest.raises(QgsProcessingException) as failure:
        run(
            "openquake:hazardraster",
            CALCULATION_ID=logic_tree,
            **{"rasterize:OUTPUT": str(target)},
        )
    assert "These sites are no regular grid" in told(feedback, failure)
    assert not target.exists()


@pytest.fixture(scope="session")
def losses_run(registry, server, risk_cases, tmp_path_factory):
    """Losses from a hazard and a risk job: the results, and the file."""
    import processing

    case = risk_cases / "classical_risk/case_4"
    target = tmp_path_factory.mktemp("losses") / "losses.gpkg"
    results = processing.run(
        "openquake:lossesfromjobs",
        {
            "HAZARD_JOB": str(case / "job_haz.ini"),
            "RISK_JOB": str(case / "job_risk.ini"),
            "SERVER": server.url,
            "load:OUTPUT": str(target),
        },
    )
    return results, target


def test_losses_from_jobs(losses_run, client, exported, opened):
    results, target = losses_run
    hazard, risk = results["hazard:CALCULATION_ID"], results["risk:CALCULATION_ID"]
    assert results["risk:STATUS"] == "complete"
    assert client.calculation(hazard).mode == "classical"
    assert (client.calculation(risk).mode, client.calculation(risk).parent_id) == (
        "classical_risk",
        hazard,
    )
    layer = opened(target, "losses")
    header, rows = only(exported(risk, "avg_losses-stats"))
    i = header.index("structural")
    got = {a: f"{v:.5E}" for a, (v,) in values_of(layer, "structural").items()}
    assert got == {row[0]: row[i] for row in rows}
    assert len(got) == 6
    assert layer.attributeAlias(layer.fields().indexOf("structural")) == (
        "Average structural loss in 50 years [USD]"
    )


@pytest.fixture
def regions() -> QgsVectorLayer:
    """Western and eastern Nepal, without the asset in the far west."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=name:string", "regions", "memory")
    for name, west, east in (("West", 81.0, 82.0), ("East", 82.0, 85.0)):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([name])
        ring = f"{west} 26, {east} 26, {east} 31, {west} 31, {west} 26"
        feature.setGeometry(QgsGeometry.fromWkt(f"POLYGON(({ring}))"))
        assert layer.dataProvider().addFeatures([feature])[0]
    return layer


def test_losses_by_zone(run, losses_run, exported, regions, context, feedback):
    number = losses_run[0]["risk:CALCULATION_ID"]
    results = run(
        "openquake:lossesbyzone",
        CALCULATION_ID=number,
        ZONES=regions,
        **{"sum:OUTPUT": "TEMPORARY_OUTPUT"},
    )
    layer = layer_of(results, "sum:OUTPUT", context)
    header, rows = only(exported(number, "avg_losses-stats"))
    lon, loss = header.index("lon"), header.index("structural")
    assert (results["load:COUNT"], results["sum:IN_NO_ZONE"], results["sum:IN_SEVERAL"]) == (
        6,
        1,
        0,
    )
    found = {f["name"]: (f["structural"], f["points"]) for f in layer.getFeatures()}
    for name, west, east in (("West", 81, 82), ("East", 82, 85)):
        inside = [float(row[loss]) for row in rows if west < float(row[lon]) < east]
        # the export has six digits of each
        assert found[name] == (pytest.approx(sum(inside), rel=1e-5), len(inside))
    outside = [float(row[loss]) for row in rows if float(row[lon]) < 81]
    total = sum(float(row[loss]) for row in rows)
    assert sum(v for v, _ in found.values()) + outside[0] == pytest.approx(total, rel=1e-5)
    assert layer.renderer().classAttribute() == "structural"
    assert "1 of 6 points are in no zone." in feedback.warnings


def test_scenario_damage_map(run, risk_cases, client, exported, context, tmp_path, opened):
    target = tmp_path / "damage.gpkg"
    results = run(
        "openquake:scenariodamagemap",
        JOB=str(risk_cases / "scenario_damage/case_4"),
        JOB_INI="job_haz.ini,job_risk.ini",
        **{"load:OUTPUT": str(target)},
    )
    number = results["run:CALCULATION_ID"]
    assert client.calculation(number).mode == "scenario_damage"
    layer = opened(target, "damage")
    header, rows = only(exported(number, "damages-rlzs"))
    states = ("structural-no_damage", "structural-LS1", "structural-LS2")
    got = {a: tuple(f"{v:.6E}" for v in values) for a, values in values_of(layer, *states).items()}
    assert got == {row[0]: tuple(row[header.index(s)] for s in states) for row in rows}
    assert len(got) == 3
    assert layer.renderer().classAttribute() == '"structural-LS2"'


# --- as a step of another model


def step(child: str, algorithm: str, **sources) -> QgsProcessingModelChildAlgorithm:
    added = QgsProcessingModelChildAlgorithm(algorithm)
    added.setChildId(child)
    for name, value in sources.items():
        given = isinstance(value, Source)
        added.addParameterSources(name, [value if given else Source.fromStaticValue(value)])
    return added


def result(child: str, name: str) -> Source:
    return Source.fromChildOutput(child, name)


def given_back(child, name: str, of: str, title: str) -> None:
    output = QgsProcessingModelOutput(title, title)
    output.setChildId(name)
    output.setChildOutputName(of)
    child.setModelOutputs({**child.modelOutputs(), title: output})


def test_models_as_steps_of_a_model(registry, server, demos, client, feedback, tmp_path):
    """A number that a model gives feeds the next step, and its layer is the outer model's."""
    outer = QgsProcessingModelAlgorithm("outer", "tests")
    first = step(
        "map",
        "openquake:hazardmapfromjob",
        JOB=str(demos / LATIN / "job.ini"),
        PARAMETERS="hazard_maps=true",
        IMT="PGA",
        SERVER=server.url,
    )
    given_back(first, "map", "load:OUTPUT", "Map")
    outer.addChildAlgorithm(first)
    second = step(
        "list",
        "openquake:listoutputs",
        CALCULATION_ID=result("map", "run:CALCULATION_ID"),
        SERVER=server.url,
    )
    given_back(second, "list", "OUTPUT", "List")
    outer.addChildAlgorithm(second)
    good, problems = outer.validate()
    assert good, problems
    destinations = {d.name() for d in outer.destinationParameterDefinitions()}
    one, two = model_result("map", "Map"), model_result("list", "List")
    assert destinations == {one, two}
    context = QgsProcessingContext()
    targets = {name: str(tmp_path / f"{name[:3]}.gpkg") for name in destinations}
    results, good = outer.run(targets, context, feedback, {}, False)
    assert good, feedback.errors
    number = metadata.read(QgsProcessingUtils.mapLayerFromString(results[one], context))[
        "provenance"
    ]["calculation_id"]
    listed = QgsVectorLayer(results[two], "list", "ogr")
    assert {f["type"] for f in listed.getFeatures()} == {o.type for o in client.outputs(number)}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_a_step(registry, name):
    outer = QgsProcessingModelAlgorithm("outer", "tests")
    definitions = registry.algorithmById(f"openquake:{name}").parameterDefinitions()
    needed = [d.name() for d in definitions if not (d.isDestination() or d.flags() & OPTIONAL)]
    given = dict.fromkeys(needed, "1")
    inner = step("inner", f"openquake:{name}", **given)
    given_back(inner, "inner", DESTINATIONS[name], "Result")
    outer.addChildAlgorithm(inner)
    assert outer.validate() == (True, [])
    assert [d.name() for d in outer.destinationParameterDefinitions()] == [
        model_result("inner", "Result")
    ]


# --- what fails


def told(feedback, failure) -> str:
    """Return what the user reads; newer QGIS has a step's reason in the exception only."""
    return "\n".join([*feedback.errors, str(failure.value)])


@pytest.fixture
def broken_job(demos, tmp_path) -> Path:
    """A hazard job that the engine accepts and fails to run."""
    folder = tmp_path / "job"
    shutil.copytree(demos / LATIN, folder)
    source = folder / "source_model.xml"
    text = source.read_text()
    assert "hypoDepthDist" in text
    source.write_text(text.replace("hypoDepthDist", "hypoDeepDist"))
    return folder / "job.ini"


def test_a_failing_hazard_stops_the_chain(run, broken_job, risk_cases, client, feedback, tmp_path):
    target = tmp_path / "losses.gpkg"
    newest = client.calculations(limit=1)[0].id
    with pytest.raises(QgsProcessingException, match="Run the hazard job") as failure:
        run(
            "openquake:lossesfromjobs",
            HAZARD_JOB=str(broken_job),
            RISK_JOB=str(risk_cases / "classical_risk/case_4/job_risk.ini"),
            **{"load:OUTPUT": str(target)},
        )
    [number] = [c.id for c in client.calculations() if c.id > newest]
    assert client.calculation(number).status == "failed"
    lines = told(feedback, failure).splitlines()
    [reason] = {line[line.index("Calculation ") :] for line in lines if " failed: " in line}
    assert reason.startswith(f"Calculation {number} failed: ")
    assert "hypoDepthDist" in reason
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("hazardmapfromjob", {"JOB": "/nowhere/job.ini"}, "/nowhere/job.ini does not exist"),
        ("hazardmapfromjob", {"JOB": ""}, "Choose a job"),
        ("hazardraster", {"CALCULATION_ID": 0}, "Choose a calculation"),
        ("hazardraster", {}, "Choose a calculation"),
        ("lossesbyzone", {"CALCULATION_ID": 0}, "Choose a calculation"),
        ("lossesfromjobs", {"HAZARD_JOB": "/nowhere/job.ini", "RISK_JOB": "x.ini"}, "/nowhere"),
        ("scenariodamagemap", {"JOB": "/nowhere"}, "/nowhere does not exist"),
    ],
)
def test_nothing_is_asked_of_the_server_for_what_is_missing(
    registry, feedback, regions, tmp_path, name, parameters, words
):
    found = registry.algorithmById(f"openquake:{name}")
    destination = DESTINATIONS[name]
    with FakeEngine() as fake:
        given = {"SERVER": fake.url, destination: str(tmp_path / "out"), **parameters}
        if found.parameterDefinition("ZONES") is not None:
            given["ZONES"] = regions
        with pytest.raises(QgsProcessingException) as failure:
            found.run(given, QgsProcessingContext(), feedback, {}, False)
        assert words in told(feedback, failure)
        assert fake.requests == []
    assert list(tmp_path.iterdir()) == []
