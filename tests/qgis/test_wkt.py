"""Geometries that an output holds as text: the engine's own volcanic inputs, on a layer."""

from __future__ import annotations

import csv

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine
from helpers import zipped
from qgis.core import QgsGeometry, QgsVectorLayer, QgsWkbTypes
from steering import call, failing, plain

from oq_processing.layers import metadata
from oq_processing.layers.style import styled_field

LOAD = "openquake:loadoutputaslayer"


@pytest.fixture(scope="module")
def inputs(engine_python) -> dict[str, str]:
    """The inputs of the engine's multi_risk case, as its output “input” has them."""
    prefix = engine_python.parent.parent
    [case] = prefix.glob("lib/python3*/site-packages/openquake/qa_tests_data/multi_risk/case_1")
    names = ("ash_fall.csv", "lahar-geom.csv", "lava-geom.csv", "pyro-geom.csv", "job_2.ini")
    return {name: (case / name).read_text() for name in names}


@pytest.fixture
def load(registry, inputs):
    """A function that loads the inputs of a calculation; returns its feedback and layer."""
    with FakeEngine() as engine:
        about = {"id": 7, "type": "input", "name": "Input Files", "outtypes": ["zip"]}
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=[about])
        files = {f"input/{name}": text for name, text in inputs.items()}
        engine.answers["GET /v1/calc/result/7"] = [Answer(200, zipped(files))] * 2
        usual = {"SERVER": engine.url, "CALCULATION_ID": 1, "OUTPUT_TYPE": "input"}

        def load(run=call, **parameters):
            return run(LOAD, **{**usual, "OUTPUT": "TEMPORARY_OUTPUT", **parameters})

        yield load


def cells_of(text: str) -> list[str]:
    before = csv.field_size_limit(2**24)
    rows = [row[0] if row else "" for row in csv.reader(text.splitlines())]
    csv.field_size_limit(before)
    return rows[1:]


@pytest.mark.parametrize(
    ("member", "multi", "suffix"),
    [
        ("lava-geom", False, ""),
        ("lahar-geom", True, ""),
        ("lahar-geom", True, "gpkg"),
        ("lahar-geom", True, "shp"),
        ("pyro-geom", False, "geojson"),
    ],
)
def test_flows_of_a_volcano(load, inputs, tmp_path, member, multi, suffix):
    cells = cells_of(inputs[f"{member}.csv"])
    assert max(map(len, cells)) > 29_000
    target = str(tmp_path / f"flow.{suffix}") if suffix else "TEMPORARY_OUTPUT"
    done = load(MEMBER=member, OUTPUT=target)
    layer = QgsVectorLayer(target, "flow", "ogr") if suffix else done.layer()
    assert layer.crs().authid() == "EPSG:4326"
    assert QgsWkbTypes.geometryType(layer.wkbType()) == QgsWkbTypes.GeometryType.PolygonGeometry
    if suffix != "shp":  # where all are multi
        assert QgsWkbTypes.isMultiType(layer.wkbType()) is multi
    features = list(layer.getFeatures())
    assert [feature["member"] for feature in features] == [member] * len(cells)
    for feature, cell in zip(features, cells):
        wanted = QgsGeometry.fromWkt(cell)
        if not cell:
            assert feature.geometry().isEmpty()
        elif suffix in ("", "gpkg"):
            assert same(feature.geometry(), wanted)
        else:  # GeoJSON has 15 digits, a shapefile turns rings
            assert feature.geometry().symDifference(wanted).area() < 1e-12 * wanted.area()
    assert (member == "lahar-geom") == any(
        "1 of 2 rows have no geometry" in text for text in done.feedback.texts("warning")
    )


def same(one: QgsGeometry, other: QgsGeometry) -> bool:
    one.convertToMultiType()
    other.convertToMultiType()
    return one.asWkb() == other.asWkb()


def test_the_table_holds_the_text(load, inputs):
    done = load(MEMBER="lahar-geom", GEOMETRY="none")
    assert not done.layer().isSpatial()
    assert [plain(f["geom"]) or "" for f in done.layer().getFeatures()] == cells_of(
        inputs["lahar-geom.csv"]
    )


def test_the_intensity_is_drawn(load):
    done = load(MEMBER="ash_fall")
    layer = done.layer()
    assert (layer.featureCount(), styled_field(layer)) == (167, "intensity")
    assert len(layer.renderer().categories()) > 3


def test_where_the_geometry_comes_from_is_known(load):
    done = load(MEMBER="pyro-geom")
    assert metadata.read(done.layer())["provenance"]["geometry_column"] == "geom"


def test_another_geometry_is_refused(load):
    assert load(failing, MEMBER="pyro-geom", GEOMETRY="point") == (
        "Input Files can be loaded with GEOMETRY auto, polygon or none."
    )
    assert load(failing, MEMBER="pyro-geom", STYLE_FIELD="geom").startswith(
        "There is no field “geom” to style; there are: member."
    )
