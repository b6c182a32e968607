"""Ruptures in QGIS: polygons in one layer, vertical faults there or in one of their own."""

from __future__ import annotations

import pytest
from qgis.core import QgsProcessingException, QgsWkbTypes

LOAD = "openquake:loadoutputaslayer"


@pytest.fixture
def ruptures(run, calculations, tmp_path, opened):
    """A function that loads ruptures into files; returns the results and the layers."""

    def load(demo="hazard/EventBasedPSHA", lines=True, **parameters):
        parameters = {
            "CALCULATION_ID": calculations(demo),
            "OUTPUT_TYPE": "ruptures",
            "OUTPUT": str(tmp_path / "ruptures.gpkg"),
            **parameters,
        }
        if lines:
            parameters["OUTPUT_LINES"] = str(tmp_path / "vertical.gpkg")
        results = run(LOAD, **parameters)
        names = ["OUTPUT", *(["OUTPUT_LINES"] if lines else [])]
        return results, *(opened(results[name]) for name in names)

    return load


@pytest.fixture
def vertical_of(exported, calculations):
    """Ids of ruptures in the CSV: those that dip, and those that do not."""
    [(header, rows)] = exported(calculations("hazard/EventBasedPSHA"), "ruptures").values()
    dip = header.index("dip")
    vertical = {int(row[0]) for row in rows if float(row[dip]) > 89.99}
    return {int(row[0]) for row in rows} - vertical, vertical


def ids(layer) -> set[int]:
    return {feature["rup_id"] for feature in layer.getFeatures()}


def valid(layer) -> bool:
    return all(feature.geometry().isGeosValid() for feature in layer.getFeatures())


def test_both_layers_hold_what_they_should(ruptures, vertical_of, feedback):
    results, polygons, lines = ruptures()
    assert QgsWkbTypes.displayString(polygons.wkbType()) == "Polygon"
    assert QgsWkbTypes.displayString(lines.wkbType()) == "LineString"
    dipping, vertical = vertical_of
    assert (ids(polygons), ids(lines)) == vertical_of
    assert len(dipping) == polygons.featureCount() == results["COUNT"]
    assert len(vertical) == lines.featureCount()
    assert valid(polygons)
    assert valid(lines)
    assert feedback.percents == sorted(feedback.percents)
    assert f"{len(vertical)} ruptures are vertical" in " ".join(feedback.infos)
    assert feedback.warnings == []
    assert results["STYLED_FIELD"] == "trt"
    for layer in (polygons, lines):
        renderer = layer.renderer()
        assert renderer.classAttribute() == "trt"
        colors = {c.value(): c.symbol().color().name() for c in renderer.categories()}
        assert colors == {"Active Shallow Crust": "#e31a1c", "Subduction Interface": "#33a02c"}
        assert layer.attributeAlias(layer.fields().indexOf("multiplicity")) == (
            "Number of occurrences"
        )


def test_one_layer_holds_all(ruptures, vertical_of):
    results, polygons = ruptures(lines=False)
    dipping, vertical = vertical_of
    assert "OUTPUT_LINES" not in results
    assert ids(polygons) == dipping | vertical
    assert valid(polygons)
    renderer = polygons.renderer()
    assert renderer.orderByEnabled()
    [clause] = renderer.orderBy().list()
    assert (clause.expression().expression(), clause.ascending()) == ('"mag"', True)


def test_a_scenario_has_a_rupture_too(ruptures):
    _, polygons, lines = ruptures("hazard/ScenarioCase1")
    assert polygons.featureCount() == 0
    [feature] = lines.getFeatures()
    assert feature["mag"] == 7
    assert valid(lines)


@pytest.mark.parametrize(
    "parameters", [{"GEOMETRY": "point"}, {"OUTPUT_TYPE": "events"}, {"OUTPUT_TYPE": "gmf_data"}]
)
def test_an_output_without_lines(ruptures, tmp_path, parameters):
    with pytest.raises(QgsProcessingException, match="has no lines; leave OUTPUT_LINES empty"):
        ruptures(**parameters)
    assert list(tmp_path.glob("*.gpkg")) == []
