"""Nothing but a sentence leaves an algorithm, whatever it is given and whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProperty,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDateTime
from steering import Recorder, failing

from oq_processing import settings
from oq_processing.algorithms.common.shipped_model import ShippedModel
from oq_processing.algorithms.loadoutputaslayer import LoadOutputAsLayer
from oq_processing.algorithms.stylelayer import StyleLayer
from oq_processing.engine import installation
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import Unreachable
from oq_processing.layers.publish import Styler
from oq_processing.layers.sink import Written

LOAD = "openquake:loadoutputaslayer"
STYLE = "openquake:stylelayer"
SENTENCE = (
    "Internal error in Load Output as Layer: KeyError: 'x'. The traceback is in the Log Messages "
    "panel (View › Panels), tab OpenQuake; to save it, copy it from there."
)


def layer_of(kind: str, wkt: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{kind}?crs=EPSG:4326&field=cost:double", "layer", "memory")
    feature = QgsFeature(layer.fields())
    feature.setAttributes([2.0])
    feature.setGeometry(QgsGeometry.fromWkt(wkt))
    layer.dataProvider().addFeatures([feature])
    return layer


# --- wrong values


WRONG = {
    "nothing": None,
    "no text": "",
    "a number": -1,
    "a large number": 1e300,
    "not a number": float("nan"),
    "a long text": "x" * 5000,
    "the home of nobody": "~nosuchuser/x",
    "half a character": "\udcff\udc00",
    "NUL": "a\0b",
    "escapes": "\x1b[2J|layername='x\"",
    "a list": ["a", 1, None],
    "a dictionary": {"a": [1]},
    "bytes": b"\xff\xfe",
    "a property": QgsProperty.fromExpression("1 +"),
    "a date": QDateTime(2020, 1, 2, 3, 4),
    "an object": object(),
}


@pytest.fixture
def nothing_answers(monkeypatch):
    """No server, and no engine to start; nobody waits for either."""

    def unreachable(_):
        raise Unreachable("Nobody answers.")

    monkeypatch.setattr(EngineClient, "engine_version", unreachable)
    monkeypatch.setattr(installation, "usual_places", list)
    monkeypatch.setattr(settings, "engine_executable", lambda: "")
    monkeypatch.setenv("PATH", "/nowhere")


def test_wrong_values_are_sentences(registry, nothing_answers, tmp_path):
    """Every algorithm with every wrong value of every parameter, one at a time."""
    job = tmp_path / "job.ini"
    job.write_text("[general]\ncalculation_mode = classical\n")
    good = {
        "CALCULATION_ID": 1,
        "HAZARD_CALCULATION_ID": 1,
        "JOB": str(job),
        "CONFIRM": "1",
        "INPUT": layer_of("Point", "POINT(1 1)"),
        "ZONES": layer_of("Polygon", "POLYGON((0 0,2 0,2 2,0 2,0 0))"),
        "ZONE_FIELD": "cost",
        "FIELDS": "cost",
        "STYLE_FIELD": "cost",
        "FOLDER": str(tmp_path / "folder"),
        "OUTPUT": "memory:",
    }
    files = {"calculationreport": "a.html", "getlog": "a.txt", "plotoutput": "a.png"}
    left, tried = [], 0
    for algorithm in registry.providerById("openquake").algorithms():
        if isinstance(algorithm, QgsProcessingModelAlgorithm):
            continue
        names = [d.name() for d in algorithm.parameterDefinitions()]
        usual = {name: good[name] for name in names if name in good}
        if algorithm.name() in files:
            usual["OUTPUT"] = str(tmp_path / files[algorithm.name()])
        for name in names:
            for what, value in WRONG.items():
                tried += 1
                for problem in problems_of(algorithm, {**usual, name: value}):
                    left.append(f"{algorithm.name()} {name} {what}: {problem}")
    assert left == []
    assert tried > 2500


def problems_of(algorithm, parameters: dict) -> list[str]:
    feedback, context = Recorder(), QgsProcessingContext()
    try:
        said = [algorithm.checkParameterValues(parameters, context)[1]]
        algorithm.run(parameters, context, feedback, {}, False)
    except QgsProcessingException as error:
        said.append(str(error))
    except Exception as error:
        return [repr(error)]
    said += feedback.texts("error")
    return [text for text in said if "Internal error" in text or "Traceback" in text]


# --- errors that nobody has foreseen


@pytest.fixture
def logged():
    """What the Log Messages panel shows in our tab."""
    found = []

    def receive(text, tab, _):
        if tab == "OpenQuake":
            found.append(text)

    signal = QgsApplication.messageLog().messageReceived
    signal.connect(receive)
    yield found
    signal.disconnect(receive)


def raise_it(*_):
    raise KeyError("x")


@pytest.mark.parametrize("method", ["initAlgorithm", "canExecute"])
def test_an_algorithm_that_cannot_be_made(registry, logged, method):
    """QGIS would end at once: while it loads the plugin, or shows the toolbox."""
    broken = type("Broken", (LoadOutputAsLayer,), {method: raise_it})
    assert broken().create().canExecute() == (False, SENTENCE)
    model = next(a for a in registry.providerById("openquake").algorithms() if is_model(a))
    broken = type("BrokenModel", (ShippedModel,), {method: raise_it})(model._path)
    assert broken.load()
    good, reason = broken.create().canExecute()
    assert not good
    assert reason.startswith(f"Internal error in {model.displayName()}: KeyError: 'x'. The ")
    assert model.create().canExecute() == (True, "")
    assert len(logged) == 2 + (method == "canExecute")  # which a model asks when it is read


def is_model(algorithm) -> bool:
    return isinstance(algorithm, ShippedModel)


def test_an_error_in_the_check_and_before_the_run(registry, context, monkeypatch, logged):
    monkeypatch.setattr(LoadOutputAsLayer, "validate", raise_it)
    algorithm = registry.algorithmById(LOAD)
    assert algorithm.checkParameterValues({}, context) == (False, SENTENCE)
    feedback = Recorder()
    assert algorithm.run({}, context, feedback) == ({}, False)
    assert feedback.texts("error") == [SENTENCE]
    assert len(logged) == 2
    for text in logged:
        assert text.startswith("Load Output as Layer, QGIS ")
        assert "Traceback (most recent call last):" in text
        assert text.endswith("in raise_it\n    raise KeyError(\"x\")\nKeyError: 'x'\n")


@pytest.mark.parametrize("method", ["processAlgorithm", "postProcessAlgorithm"])
def test_an_error_in_the_run(registry, context, logged, method):
    plain = {"validate": lambda *_: None, "processAlgorithm": lambda *_: {}}
    broken = type("Broken", (StyleLayer,), {**plain, method: raise_it})
    feedback = Recorder()
    _, good = broken().create().run({}, context, feedback)
    assert good == (method == "postProcessAlgorithm")  # QGIS lets a result count that is there
    [sentence] = feedback.texts("error")
    assert sentence.startswith("Internal error in Style Layer: KeyError: 'x'. The traceback is in")
    assert len(logged) == 1


def test_an_error_while_a_loaded_layer_gets_its_style(monkeypatch, logged):
    layer = layer_of("Point", "POINT(1 1)")
    styler = Styler(Written("", layer, []))
    monkeypatch.setattr(styler, "_layer", None)
    feedback = Recorder()
    styler.postProcessLayer(layer, None, feedback)
    [sentence] = feedback.texts("error")
    assert sentence.startswith("Internal error in the style of layer: AttributeError: ")
    assert len(logged) == 1


def test_a_failure_keeps_nothing_open(registry, monkeypatch):
    """QGIS never lets go of an exception; layers it led to would be closed after QGIS itself."""
    kept = []

    def fail(self, values):
        layer = layer_of("Point", "POINT(1 1)")
        kept.append(weakref.ref(layer))
        raise KeyError(layer.name())

    monkeypatch.setattr(StyleLayer, "validate", fail)
    layer = layer_of("Point", "POINT(1 1)")
    kept.append(weakref.ref(layer))
    registry.algorithmById(STYLE).run({"INPUT": layer}, QgsProcessingContext(), Recorder())
    del layer
    assert [ref() for ref in kept] == [None, None]


def test_what_a_terminal_would_obey_is_not_said(registry):
    message = failing(STYLE, INPUT="a\x1b]52;c;eA==\x07\udc00b")
    assert message == "INPUT is no vector layer: a\ufffd]52;c;eA==\ufffd\ufffdb."


# --- what ended QGIS


def test_invalid_zones_in_a_worker_end_nothing(tmp_path):
    script = Path(__file__).with_name("zones_in_a_worker.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.partition("Fatal")[1]) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line in ("True", "False")] == ["True"] * 5 + ["False"]
    assert "2 of 4 zones have an invalid geometry; repaired to sum." in lines
    assert "1 of 4 zones have no geometry; no point can be in them." in lines
    assert "cost: 4 in zones, 0 outside, 4 in all" in lines
