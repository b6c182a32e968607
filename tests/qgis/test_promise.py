"""The promise to scripts, models and layers: what golden/promise.json says is so, exactly."""

from __future__ import annotations

import json

import promise
import pytest
from qgis.core import QgsProcessingParameterBoolean, QgsProcessingParameterDefinition
from replay import Replay

from oq_processing.outputs import catalogue

NEVER_LISTED = {"aggexp_tags", "loss_maps-rlzs", "mean_disagg_by_src", "mmi_tags"}
"""Types with a reader that no calculation of the engine's demos and own tests lists."""


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads(promise.GOLDEN.read_text("utf-8"))


@pytest.fixture(scope="module")
def fields(registry, tmp_path_factory) -> dict:
    with Replay().load() as server:
        found = promise.fields(server, tmp_path_factory.mktemp("fields"))
    assert not server.unknown, promise.UNKNOWN.format(", ".join(server.unknown))
    return found


def keep(promised: dict, found: dict) -> None:
    __tracebackhide__ = True
    if lines := promise.differences(promised, found):
        pytest.fail("\n".join([*lines, promise.ON_PURPOSE]), pytrace=False)


def test_algorithms_and_models(registry, golden):
    keep(golden["algorithms"], promise.algorithms())


def test_fields_of_each_family_of_outputs(golden, fields):
    keep(golden["fields"], fields)


def test_every_output_type_has_an_example(golden):
    examples = {name.partition(" ")[0] for name in golden["fields"]}
    assert set(catalogue.special_types()) - examples == NEVER_LISTED


def test_the_file_is_as_the_script_writes_it(golden):
    assert promise.GOLDEN.read_text("utf-8") == promise.text(golden)


# --- what counts as a change


@pytest.fixture
def changed(registry):
    """A function that changes a copy of Load Output as Layer; returns the differences."""
    original = registry.algorithmById("openquake:loadoutputaslayer")

    def change(how) -> list[str]:
        # created anew, as QGIS does for each run: the registry's own stays
        algorithm = original.create()
        how(algorithm)
        return promise.differences(promise.algorithm(original), promise.algorithm(algorithm))

    return change


def test_a_default_a_flag_an_addition_and_an_option_are_changes(changed):
    def parameter(name):
        return lambda algorithm: algorithm.parameterDefinition(name)

    classes, geometry, kind = map(parameter, ("CLASSES", "GEOMETRY", "KIND"))
    assert changed(lambda algorithm: None) == []
    assert changed(lambda a: classes(a).setDefaultValue(5)) == [
        "parameters › CLASSES › default: None has become 5"
    ]
    assert changed(lambda a: kind(a).setFlags(QgsProcessingParameterDefinition.Flags())) == [
        "parameters › KIND › flags: 'optional' has become ''"
    ]
    more = QgsProcessingParameterBoolean("MORE", "More", False)
    assert changed(lambda a: a.addParameter(more)) == ["parameters › MORE is new"]
    assert changed(lambda a: geometry(a).setOptions(["auto", "point"])) == [
        "parameters › GEOMETRY › options: ['auto', 'point', 'polygon', 'line', 'cell', 'none'] "
        "has become ['auto', 'point']"
    ]
    assert changed(lambda a: a.removeParameter("IMT")) == ["parameters › IMT is missing"]


def test_fields_are_compared_by_name_type_and_order():
    was = {"hmaps": {"geometry": "Point", "fields": {"lon": "real", "PGA-0.1": "real"}}}
    assert promise.differences(was, was) == []
    renamed = {"hmaps": {"geometry": "Point", "fields": {"lon": "real", "PGA": "real"}}}
    assert promise.differences(was, renamed) == [
        "hmaps › fields › PGA-0.1 is missing",
        "hmaps › fields › PGA is new",
    ]
    other = {"hmaps": {"geometry": "Point", "fields": {"PGA-0.1": "text", "lon": "real"}}}
    assert promise.differences(was, other) == [
        "hmaps › fields › PGA-0.1: 'real' has become 'text'",
        "hmaps › fields: the order lon, PGA-0.1 has become PGA-0.1, lon",
    ]
