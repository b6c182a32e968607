"""Style Layer: a layer is drawn anew and keeps it, whatever file or project it lives in."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProject,
    QgsRenderContext,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from steering import Recorder, call, failing

from oq_processing.outputs.core.palettes import STANDARD_G

STYLE = "openquake:stylelayer"
LOAD = "openquake:loadoutputaslayer"


def points(rows=20) -> QgsVectorLayer:
    """A layer of anybody's: a number, a whole number, a word."""
    layer = QgsVectorLayer(
        "Point?crs=EPSG:4326&field=value:double&field=rank:integer&field=name:string(9)",
        "Points",
        "memory",
    )
    features = []
    for i in range(rows):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(i, 0)))
        feature.setAttributes([i / 10 if i else None, i % 3, "ab"[i % 2]])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    return layer


def written(folder, suffix: str) -> Path:
    path = Path(folder) / f"points.{suffix}"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = {"gpkg": "GPKG", "shp": "ESRI Shapefile"}[suffix]
    options.layerName = "points"
    code, *rest = QgsVectorFileWriter.writeAsVectorFormatV3(
        points(), str(path), QgsProject.instance().transformContext(), options
    )
    assert code == QgsVectorFileWriter.NoError, rest
    return path


def again(path) -> QgsVectorLayer:
    """The file as a user opens it later: with its default style."""
    source = f"{path}|layername=points" if str(path).endswith("gpkg") else str(path)
    layer = QgsVectorLayer(source, "again", "ogr")
    assert layer.isValid()
    return layer


def renderer_of(path):
    layer = again(path)
    return layer.renderer().clone()  # its own goes with the layer


def classes(renderer) -> list:
    """The classes of values; that of a row without one is grey, and the last."""
    *found, missing = renderer.ranges()
    assert missing.label() == "no value"
    return found


def limits(layer) -> list[float]:
    return [round(r.upperValue(), 6) for r in classes(layer.renderer())][:-1]


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
def test_a_file_is_styled_twice_and_keeps_the_second(registry, tmp_path, suffix):
    path = written(tmp_path, suffix)
    first = call(STYLE, INPUT=str(path), STYLE_FIELD="value", CLASS_BREAKS="0.5 1")
    assert first.results["STYLED_FIELD"] == "value"
    layer = again(path)
    assert (layer.renderer().type(), limits(layer)) == ("graduatedSymbol", [0.5, 1.0])
    second = call(
        STYLE,
        INPUT=str(path),
        STYLE_FIELD="VALUE",
        CLASS_BREAKS="0.2, 0.4, 1.5",
        COLOR_RAMP="Blues",
        INVERT_RAMP=True,
    )
    layer = again(path)
    assert limits(layer) == [0.2, 0.4, 1.5]
    symbols = layer.renderer().symbols(QgsRenderContext())[:-1]
    colors = [s.color().lightness() for s in symbols]
    assert colors == sorted(colors)
    assert len(set(colors)) == 4
    if suffix == "gpkg":
        count, *_ = layer.listStylesInDatabase()
        assert count == 1
    else:
        assert path.with_suffix(".qml").exists()
    assert again(second.results["OUTPUT"].partition("|")[0]).isValid()


def test_without_a_field_the_one_drawn_so_far_is_drawn(registry, tmp_path):
    path = written(tmp_path, "gpkg")
    call(STYLE, INPUT=str(path), STYLE_FIELD="value", CLASS_BREAKS="0.5 1")
    done = call(STYLE, INPUT=str(path), CLASSIFICATION="equal-interval", CLASSES=3)
    assert done.results["STYLED_FIELD"] == "value"
    renderer = renderer_of(path)
    ranges = classes(renderer)
    widths = [round(r.upperValue() - r.lowerValue(), 6) for r in ranges]
    assert widths == [0.6, 0.6, 0.6]


@pytest.mark.parametrize("field", ["name", "rank"])
def test_words_and_few_whole_numbers_are_categories(registry, tmp_path, field):
    path = written(tmp_path, "gpkg")
    call(STYLE, INPUT=str(path), STYLE_FIELD=field)
    renderer = renderer_of(path)
    assert renderer.type() == "categorizedSymbol"
    values = [str(c.value()) for c in renderer.categories()]
    assert values == (["a", "b"] if field == "name" else ["0", "1", "2"])


def test_a_layer_of_the_project_is_styled_itself(registry):
    layer = points()
    project = QgsProject.instance()
    project.addMapLayer(layer, False)
    try:
        context = QgsProcessingContext()
        context.setProject(project)
        repainted = []
        layer.repaintRequested.connect(lambda *_: repainted.append(1))
        algorithm = registry.algorithmById(STYLE)
        for breaks, expected in (("0.5", [0.5]), ("0.1 0.2", [0.1, 0.2])):
            parameters = {"INPUT": layer.id(), "STYLE_FIELD": "value", "CLASS_BREAKS": breaks}
            results, ok = algorithm.run(parameters, context, Recorder(), {}, False)
            assert ok
            assert results == {"OUTPUT": layer.id(), "STYLED_FIELD": "value"}
            assert limits(layer) == expected
        assert repainted
    finally:
        project.removeMapLayer(layer.id())


def test_a_style_can_go_on_in_a_model(registry, tmp_path):
    path = written(tmp_path, "gpkg")
    done = call(STYLE, INPUT=str(path), STYLE_FIELD="value")
    moved = call("native:centroids", INPUT=done.results["OUTPUT"], OUTPUT="TEMPORARY_OUTPUT")
    assert moved.layer().featureCount() == 20


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
def test_a_hazard_map_keeps_its_standard_classes(registry, server, area_source, tmp_path, suffix):
    path = tmp_path / f"points.{suffix}"
    call(
        LOAD,
        SERVER=server.url,
        CALCULATION_ID=area_source,
        OUTPUT_TYPE="hmaps",
        IMT="PGA",
        OUTPUT=str(path),
    )
    before = renderer_of(path)
    assert {r.upperValue() for r in before.ranges()} & set(STANDARD_G)
    aliases = [f.alias() for f in again(path).fields()]
    done = call(STYLE, INPUT=str(path), COLOR_RAMP="Greens")
    assert [f.alias() for f in again(path).fields()] == aliases
    assert any("PGA" in alias and "[g]" in alias for alias in aliases)
    after = renderer_of(path)
    assert [r.upperValue() for r in after.ranges()] == [r.upperValue() for r in before.ranges()]
    assert [r.label() for r in after.ranges()] == [r.label() for r in before.ranges()]
    assert after.sourceColorRamp().color1().name() != before.sourceColorRamp().color1().name()
    assert after.legendClassificationAttribute().strip('"') == done.results["STYLED_FIELD"]


def test_a_file_that_cannot_be_written_is_an_error(registry):
    """As root nothing is read-only: for the length of the run, this process is nobody."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp())
    try:
        for suffix in ("gpkg", "shp"):
            path = written(folder, suffix)
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            messages = [
                failing(STYLE, INPUT=str(folder / f"points.{suffix}"), STYLE_FIELD="value")
                for suffix in ("gpkg", "shp")
            ]
        finally:
            if root:
                os.seteuid(0)
        for message in messages:
            assert message.startswith("The style of points was not stored: ")
        assert not list(folder.glob("*.qml"))
        assert renderer_of(path).type() == "singleSymbol"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_layer_of_hardly_any_rows(registry, rows):
    """One row without a value."""
    layer = points(rows)
    QgsProject.instance().addMapLayer(layer, False)
    try:
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        parameters = {"INPUT": layer.id(), "STYLE_FIELD": "value"}
        results, ok = registry.algorithmById(STYLE).run(parameters, context, Recorder(), {}, False)
        assert ok
        assert results["STYLED_FIELD"] == "value"
    finally:
        QgsProject.instance().removeMapLayer(layer.id())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"STYLE_FIELD": ""}, "Say which field of points to draw (STYLE_FIELD): value, rank, name"),
        ({"STYLE_FIELD": "depth"}, "There is no field “depth” to style; there are: value, rank"),
        ({"CLASSIFICATION": "nice"}, "CLASSIFICATION may be"),
        ({"CLASSES": 1}, "CLASSES must be between 2 and 50, not 1."),
        ({"CLASS_BREAKS": "0.2 0.1"}, "CLASS_BREAKS must rise"),
        ({"CLASS_BREAKS": "low high"}, "CLASS_BREAKS must be numbers"),
        ({"COLOR_RAMP": "Rainbow9"}, "There is no colour ramp “Rainbow9”; there are: "),
        ({"INVERT_RAMP": "maybe"}, "INVERT_RAMP must be true or false"),
        ({"INPUT": "nowhere.gpkg"}, "INPUT is no vector layer: nowhere.gpkg."),
    ],
)
def test_bad_input(registry, tmp_path, parameters, words):
    path = written(tmp_path, "gpkg")
    before = path.read_bytes()
    assert words in failing(STYLE, **{"INPUT": str(path), "STYLE_FIELD": "value", **parameters})
    assert path.read_bytes() == before


def test_a_table_without_geometry_is_an_error(registry, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("value,name\n1,a\n")
    message = failing(STYLE, INPUT=str(table), STYLE_FIELD="value")
    assert message == "table has no geometry and cannot be drawn."
    with pytest.raises(QgsProcessingException):
        call(STYLE, INPUT=None, STYLE_FIELD="value")
