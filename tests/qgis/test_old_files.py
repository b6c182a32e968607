"""Files of users that earlier versions have written: layers, projects, settings, models.

What is read must be what the version that wrote them has read: golden/VERSION/expected.json.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import described
import promise
import pytest
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingUtils,
    QgsRectangle,
    QgsSettings,
)
from qgis.PyQt.QtCore import QSettings
from replay import Replay
from steering import call

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
EVERYWHERE = {"World": QgsRectangle(-180, -90, 180, 90)}


@pytest.fixture(params=VERSIONS)
def old(request, registry, tmp_path) -> Path:
    """A copy of a version's files: opening a GeoPackage may write to it."""
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "old"))


@pytest.fixture
def expected(old) -> dict:
    return json.loads((old / "expected.json").read_text("utf-8"))


def same(wanted, found) -> None:
    __tracebackhide__ = True
    # QGIS's own types are those of JSON, as in the file
    if lines := promise.differences(wanted, json.loads(json.dumps(found))):
        pytest.fail("\n".join(lines), pytrace=False)


def part(about: dict, *keys: str) -> dict:
    return {key: about[key] for key in keys}


def opened(old: Path, expected: dict, name: str):
    about = expected["layers"][name]
    return described.opened(old / about["file"], about["table"])


def test_layers_have_their_style_their_titles_and_their_origin(old, expected):
    found = {name: described.layer(opened(old, expected, name)) for name in expected["layers"]}
    wanted = {
        name: {key: value for key, value in about.items() if key not in ("file", "table")}
        for name, about in expected["layers"].items()
    }
    same(wanted, found)


def test_a_project_finds_its_layers_as_they_were_drawn(old, expected, project):
    wanted = {(about["file"], about["table"]): about for about in expected["layers"].values()}
    assert project.read(str(old / "project.qgz"))
    layers = project.mapLayers().values()
    assert len(layers) == expected["project"] > 2
    for layer in layers:
        assert layer.isValid()
        file, _, table = layer.source().partition("|layername=")
        assert Path(file).parent == old
        about = wanted[Path(file).name, table]
        assert layer.name() == about["title"]
        drawn = ("geometry", "fields", "styled", "classes", "about")
        same(part(about, *drawn), part(described.layer(layer), *drawn))


@pytest.fixture
def settings():
    """The profile's settings without any of ours, which come back."""
    settings = QgsSettings()

    def ours() -> dict:
        return {key: settings.value(key) for key in settings.allKeys() if key[:10] == "openquake/"}

    before = ours()
    settings.remove("openquake")
    yield settings
    settings.remove("openquake")
    for key, value in before.items():
        settings.setValue(key, value)


def test_connections_and_what_else_the_profile_keeps(old, expected, settings):
    written = QSettings(str(old / "QGIS3.ini"), QSettings.Format.IniFormat)
    for key in written.allKeys():
        settings.setValue(key, written.value(key))
    wanted = expected["settings"]
    assert len(wanted["connections"]) > 1
    same(wanted, described.settings(list(wanted["hidden"])))


def test_models_find_their_steps_and_give_them_their_values(old, expected):
    wanted = expected["models"]
    assert len(wanted["every_step"]["steps"]) >= 24
    for name, about in wanted.items():
        same(about, described.model(old / f"{name}.model3"))
        model = QgsProcessingModelAlgorithm()
        assert model.fromFile(str(old / f"{name}.model3"))
        assert model.validate() == (True, [])
        for step in model.childAlgorithms().values():
            algorithm = step.algorithm()
            assert algorithm is not None, step.algorithmId()
            for parameter, sources in step.parameterSources().items():
                definition = algorithm.parameterDefinition(parameter)
                assert definition is not None, (step.algorithmId(), parameter)
                for value in map(described.source, sources):
                    if "value" in value:
                        assert definition.checkValueIsAcceptable(value["value"]), parameter
                    if "output" in value:
                        earlier = model.childAlgorithm(value["step"]).algorithm()
                        assert earlier.outputDefinition(value["output"]) is not None, value


def test_a_model_runs(old):
    model = QgsProcessingModelAlgorithm()
    assert model.fromFile(str(old / "losses.model3"))
    context = QgsProcessingContext()
    feedback = QgsProcessingFeedback(False)
    with Replay().load() as server:
        given = {
            "CALCULATION_ID": server.cases["event based"],
            "SERVER": server.url,
            "ZONES": promise.zone_layer(EVERYWHERE),
            "sum:OUTPUT": "TEMPORARY_OUTPUT",
        }
        results, good = model.run(given, context, feedback, {}, False)
    assert good, feedback.textLog()
    layer = QgsProcessingUtils.mapLayerFromString(results["sum:OUTPUT"], context)
    [row] = layer.getFeatures()
    assert row["structural"] > 0


def test_old_losses_are_summed_by_zone(old, expected):
    losses = opened(old, expected, "losses")
    total = sum(feature["structural"] for feature in losses.getFeatures())
    zones = promise.zone_layer(EVERYWHERE)
    done = call("openquake:sumbyzone", INPUT=losses, ZONES=zones, OUTPUT="TEMPORARY_OUTPUT")
    [row] = done.rows()
    assert row["structural"] == pytest.approx(total, rel=1e-12)
    assert total > 0
    assert done.results["IN_NO_ZONE"] == done.results["IN_SEVERAL"] == 0


@pytest.mark.parametrize("name", ["hazard_cells", "hazard_points", "bcr"])
def test_an_old_layer_gets_another_style_and_keeps_the_rest(old, expected, name):
    about = expected["layers"][name]
    layer = opened(old, expected, name)
    given = {"INPUT": layer.source(), "CLASSIFICATION": "equal-interval", "CLASSES": 5}
    done = call("openquake:stylelayer", **given)
    assert done.results["STYLED_FIELD"] == about["styled"]
    found = described.layer(opened(old, expected, name))
    kept = ("title", "rows", "fields", "first", "styled", "about")
    same(part(about, *kept), part(found, *kept))
    assert len(found["classes"]) == 5 != len(about["classes"])


@pytest.mark.parametrize(
    "path", [p for p in GOLDEN.rglob("*") if p.is_file()], ids=lambda p: p.name
)
def test_no_file_tells_of_the_computer_that_wrote_it(path):
    assert described.places(path.read_bytes()) == set()
