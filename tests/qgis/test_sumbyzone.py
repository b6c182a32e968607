"""Sum by Zone: sums checked by hand and against brute force, what is refused, what is kept."""

from __future__ import annotations

import random

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QVariant

from oq_processing.layers import metadata
from oq_processing.outputs.core.table import REAL, TEXT, Column, Table

SUM = "openquake:sumbyzone"
MEAN = Column(
    "structural",
    REAL,
    "Average annual structural loss",
    "EUR",
    additive=True,
    quantity="average loss",
    kind="mean",
    loss_type="structural",
)
QUANTILE = Column(
    "quantile-0.15",
    REAL,
    "Average annual structural loss, quantile 0.15",
    "EUR",
    quantity="average loss",
    kind="quantile-0.15",
)
SHAKING = Column("PGA-0.1", REAL, "Mean PGA", "g", quantity="hazard map", imt="PGA", kind="mean")
ASSET = Column("asset_id", TEXT, "Asset")


def described(layer: QgsVectorLayer, *columns: Column) -> QgsVectorLayer:
    """Let a layer know what Load Output as Layer would have told it."""
    about = {"calculation_id": 7, "server": "http://host", "output_type": "avg_losses-stats"}
    table = Table("Losses", columns, 0, lambda: iter(()), provenance=about)
    metadata.describe(layer, table, layer.fields().count() - len(columns))
    return layer


def point_layer(rows, *names: str, crs: str = "EPSG:4326") -> QgsVectorLayer:
    """Points (x, y, values…); x None is a point without geometry."""
    layer = QgsVectorLayer(f"Point?crs={crs}", "assets", "memory")
    layer.dataProvider().addAttributes(
        [QgsField("asset_id", QVariant.String), *(QgsField(n, QVariant.Double) for n in names)]
    )
    layer.updateFields()
    features = []
    for i, (x, y, *values) in enumerate(rows):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([f"a{i}", *values])
        if x is not None:
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


def zone_layer(zones, crs: str = "EPSG:4326", kind: str = "Polygon", fields=None) -> QgsVectorLayer:
    """Polygons by name, as WKT in degrees; transformed if the layer is to have another CRS."""
    layer = QgsVectorLayer(f"{kind}?crs={crs}", "regions", "memory")
    layer.dataProvider().addAttributes([QgsField("name", QVariant.String), *(fields or [])])
    layer.updateFields()
    transform = QgsCoordinateTransform(
        QgsCoordinateReferenceSystem("EPSG:4326"),
        QgsCoordinateReferenceSystem(crs),
        QgsProject.instance(),
    )
    features = []
    for name, (wkt, *values) in zones.items():
        feature = QgsFeature(layer.fields())
        feature.setAttributes([name, *values])
        geometry = QgsGeometry.fromWkt(wkt)
        geometry.transform(transform)
        feature.setGeometry(geometry)
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


def box(west, south, east, north) -> str:
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return f"POLYGON(({', '.join(f'{x} {y}' for x, y in corners)}))"


WEST_EAST = {
    "West": (box(0, 0, 10, 10),),
    "East": (box(10, 0, 20, 10),),
    "Sea": (box(50, 0, 60, 9),),
}
ROWS = [
    (1, 1, 1.5),
    (2, 2, 2.25),
    (2, 2, 4.0),
    (15, 5, 100.0),
    (30, 30, 1000.0),
]


@pytest.fixture
def summed(registry, feedback, context):
    """A function that sums and returns results and layer."""
    import processing

    def run(points, zones, **parameters):
        parameters = {"OUTPUT": "TEMPORARY_OUTPUT", **parameters}
        results = processing.run(
            SUM,
            {"INPUT": points, "ZONES": zones, **parameters},
            feedback=feedback,
            context=context,
        )
        layer = results["OUTPUT"]
        if not isinstance(layer, QgsVectorLayer):
            layer = QgsProcessingUtils.mapLayerFromString(layer, context)
        assert layer.isValid()
        return results, layer

    return run


def rows_of(layer, *names: str) -> dict:
    return {f["name"]: tuple(f[n] for n in names) for f in layer.getFeatures()}


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632"])
@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon", "PolygonZ"])
def test_sums(summed, feedback, crs, kind):
    points = described(point_layer(ROWS, "structural"), ASSET, MEAN)
    zones = zone_layer(WEST_EAST, crs, kind)
    results, layer = summed(points, zones)
    assert rows_of(layer, "structural", "points") == {
        "West": (7.75, 3),
        "East": (100.0, 1),
        "Sea": (0.0, 0),
    }
    assert (results["IN_NO_ZONE"], results["IN_SEVERAL"]) == (1, 0)
    assert results["STYLED_FIELD"] == "structural"
    assert layer.crs().authid() == crs
    for mine, theirs in zip(layer.getFeatures(), zones.getFeatures()):
        assert mine.geometry().area() == theirs.geometry().area()
    assert "structural: 107.75 EUR in zones, 1,000 outside, 1,107.75 in all" in feedback.infos
    assert "1 of 5 points are in no zone." in feedback.warnings


@pytest.mark.parametrize(
    ("kind", "wkt"),
    [
        ("PolygonZ", "POLYGON Z((0 0 7,10 0 7,10 10 7,0 10 7,0 0 7))"),
        ("PolygonM", "POLYGON M((0 0 7,10 0 7,10 10 7,0 10 7,0 0 7))"),
        ("MultiPolygonZM", "MULTIPOLYGON ZM(((0 0 7 8,10 0 7 8,10 10 7 8,0 10 7 8,0 0 7 8)))"),
    ],
)
def test_heights_and_measures_of_zones_are_dropped(summed, opened, tmp_path, kind, wkt):
    points = described(point_layer([(1, 1, 3.0)], "structural"), ASSET, MEAN)
    zones = zone_layer({"Zone": (wkt,)}, kind=kind)
    [given] = zones.getFeatures()
    assert QgsWkbTypes.displayString(given.geometry().wkbType()) == kind
    for output in ("TEMPORARY_OUTPUT", str(tmp_path / "zones.gpkg")):
        _, layer = summed(points, zones, OUTPUT=output)
        [zone] = layer.getFeatures()
        assert layer.wkbType() == QgsWkbTypes.Type.MultiPolygon
        assert zone.geometry().wkbType() == QgsWkbTypes.Type.MultiPolygon
        assert zone["structural"] == 3.0


def test_a_point_in_several_zones_counts_in_the_first(summed, feedback):
    zones = {"A": (box(0, 0, 10, 10),), "B": (box(0, 0, 5, 5),), "C": (box(4, 4, 20, 20),)}
    points = described(
        point_layer([(4.5, 4.5, 1.0), (1, 1, 2.0), (15, 15, 4.0)], "structural"), ASSET, MEAN
    )
    results, layer = summed(points, zone_layer(zones))
    assert rows_of(layer, "structural") == {"A": (3.0,), "B": (0.0,), "C": (4.0,)}
    assert results["IN_SEVERAL"] == 2
    assert "2 points are in several zones; each counts in the first of them." in feedback.warnings


def test_a_point_on_the_border_counts_in_the_first_zone(summed):
    points = described(point_layer([(10, 5, 3.0)], "structural"), ASSET, MEAN)
    results, layer = summed(points, zone_layer(WEST_EAST))
    assert rows_of(layer, "structural") == {"West": (3.0,), "East": (0.0,), "Sea": (0.0,)}
    assert (results["IN_NO_ZONE"], results["IN_SEVERAL"]) == (0, 1)


def test_many_points_against_brute_force(summed):
    chance = random.Random(4)
    rows = [
        (chance.uniform(-5, 25), chance.uniform(-5, 15), chance.lognormvariate(5, 3))
        for _ in range(3000)
    ]
    points = described(point_layer(rows, "structural"), ASSET, MEAN)
    results, layer = summed(points, zone_layer(WEST_EAST))
    inside = {
        name: [v for x, y, v in rows if west <= x < east and 0 <= y <= 10]
        for name, west, east in (("West", 0, 10), ("East", 10, 20))
    }
    found = rows_of(layer, "structural", "points")
    for name, values in inside.items():
        assert found[name] == (pytest.approx(sum(values), rel=1e-12), len(values))
    outside = [v for x, y, v in rows if not (0 <= x < 20 and 0 <= y <= 10)]
    assert results["IN_NO_ZONE"] == len(outside)
    total = sum(v for *_, v in rows)
    in_zones = sum(v for v, _ in found.values())
    assert in_zones + sum(outside) == pytest.approx(total, rel=1e-12)


def test_what_is_known_is_summed_and_the_rest_is_not(summed, opened, tmp_path):
    columns = (ASSET, MEAN, QUANTILE, SHAKING)
    names = [c.name for c in columns[1:]]
    points = described(point_layer([(1, 1, 1.0, 2.0, 3.0)], *names), *columns)
    target = tmp_path / "sums.gpkg"
    _, layer = summed(points, zone_layer(WEST_EAST), OUTPUT=str(target))
    assert [f.name() for f in layer.fields()] == ["fid", "name", "structural", "points"]
    again = opened(target, "sums")
    assert again.name() == "opened"
    assert again.attributeAlias(2) == "Average annual structural loss, sum [EUR]"
    about = metadata.read(again)
    assert about["provenance"]["calculation_id"] == 7
    assert about["provenance"]["summed_by_zone"] == "regions"
    [column] = [c for c in about["columns"] if c["name"] == "structural"]
    assert (column["unit"], column["loss_type"], column["additive"]) == ("EUR", "structural", True)
    assert about["columns"][-1]["label"] == "Number of points"
    assert again.metadata().title() == "Average annual structural loss by zone [EUR]"
    # no losses is no small loss
    ranges = again.renderer().ranges()
    assert again.renderer().classAttribute() == "structural"
    assert [(r.lowerValue(), r.upperValue(), r.label()) for r in ranges] == [
        (0.0, 0.0, "0"),
        (1.0, 1.0, "1 EUR"),
    ]
    assert ranges[0].symbol().symbolLayer(0).brushStyle() == 0  # no fill
    assert ranges[1].symbol().symbolLayer(0).brushStyle() == 1


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb", "shp"])
def test_files_know_it_too(summed, tmp_path, suffix):
    source = point_layer([(1, 1, 3.0, 5.0)], "structural", "quantile-0.15")
    path = tmp_path / f"losses.{suffix}"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = QgsVectorFileWriter.driverForExtension(suffix)
    QgsVectorFileWriter.writeAsVectorFormatV3(
        source, str(path), QgsProject.instance().transformContext(), options
    )
    layer = QgsVectorLayer(f"{path}|layername=losses", "losses", "ogr")
    described(layer, ASSET, MEAN, QUANTILE)
    assert metadata.store(layer) == ""
    del layer
    _, layer = summed(str(path), zone_layer(WEST_EAST))
    assert rows_of(layer, "structural")["West"] == (3.0,)
    assert layer.fields().indexOf("quantile-0.15") < 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("quantile-0.15", "it is a statistic (quantile 0.15) of each asset"),
        ("quantile-0.15", "aggrisk-stats or aggcurves-stats"),
        (["structural", "PGA-0.1"], "it is ground motion at each site"),
        ("asset_id", "There is no number “asset_id” to sum; FIELDS may be: structural."),
        ("nonsense", "There is no number “nonsense” to sum"),
    ],
)
def test_what_must_not_be_added_up(summed, fields, words, tmp_path):
    columns = (ASSET, MEAN, QUANTILE, SHAKING)
    points = described(point_layer([(1, 1, 1, 2, 3)], *(c.name for c in columns[1:])), *columns)
    target = tmp_path / "sums.gpkg"
    with pytest.raises(QgsProcessingException) as caught:
        summed(points, zone_layer(WEST_EAST), FIELDS=fields, OUTPUT=str(target))
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_add_up(summed):
    points = described(point_layer([(1, 1, 1)], "PGA-0.1"), ASSET, SHAKING)
    with pytest.raises(QgsProcessingException, match="Losses has nothing that may be added up"):
        summed(points, zone_layer(WEST_EAST))


@pytest.mark.parametrize("fields", [None, "", [], [""]])
def test_a_layer_of_others_needs_fields(summed, fields):
    points = point_layer([(1, 1, 2.0, 3.0)], "cost", "area")
    with pytest.raises(QgsProcessingException, match=r"choose them \(FIELDS\): cost, area"):
        summed(points, zone_layer(WEST_EAST), FIELDS=fields)


@pytest.mark.parametrize("fields", ["cost;area", "cost, area", ["cost", "area"], "COST; Area"])
def test_fields_as_text_or_list(summed, fields):
    points = point_layer([(1, 1, 2.0, 3.0), (2, 2, 20.0, 30.0)], "cost", "area")
    _, layer = summed(points, zone_layer(WEST_EAST), FIELDS=fields)
    assert rows_of(layer, "cost", "area")["West"] == (22.0, 33.0)


def test_attributes_of_the_zones_are_kept(summed):
    fields = [
        QgsField("structural", QVariant.Double),
        QgsField("people", QVariant.Int),
        QgsField("since", QVariant.Date),
        QgsField("points", QVariant.String),
    ]
    zones = zone_layer(
        {
            "West": (box(0, 0, 10, 10), 0.5, 12, QDate(2020, 2, 3), "x"),
            "East": (box(10, 0, 20, 10), None, None, None, None),
        },
        fields=fields,
    )
    points = described(point_layer([(1, 1, 7.0)], "structural"), ASSET, MEAN)
    results, layer = summed(points, zones)
    names = ("structural", "people", "since", "points", "structural_2", "points_2")
    assert rows_of(layer, *names)["West"] == (0.5, 12, "2020-02-03", "x", 7.0, 1)
    assert [v for v in rows_of(layer, *names[:4])["East"] if v] == []
    assert results["STYLED_FIELD"] == "structural_2"
    assert layer.renderer().classAttribute() == "structural_2"


def test_points_and_zones_without_geometry_or_value(summed, feedback):
    zones = zone_layer({**WEST_EAST, "Nowhere": ("",)})
    rows = [(None, None, 5.0), (1, 1, None), (1, 1, 3.0)]
    points = described(point_layer(rows, "structural"), ASSET, MEAN)
    results, layer = summed(points, zones)
    assert rows_of(layer, "structural", "points") == {
        "West": (3.0, 2),
        "East": (0.0, 0),
        "Sea": (0.0, 0),
        "Nowhere": (0.0, 0),
    }
    assert results["IN_NO_ZONE"] == 1
    assert "structural: 1 points have no value and count as 0." in feedback.warnings
    assert "1 of 4 zones have no geometry; no point can be in them." in feedback.warnings


@pytest.mark.parametrize(
    ("wkt", "total"),
    [
        ("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))", 3.0),  # a bow tie
        # a ring that leaves the outer one is a hole inside and a polygon outside of it
        ("POLYGON((0 0, 6 0, 6 10, 0 10, 0 0), (3 4, 10 4, 10 6, 3 6, 3 4))", 7.0),
    ],
)
def test_an_invalid_zone_is_repaired_to_sum(summed, feedback, wkt, total):
    rows = [(1, 5, 1.0), (9, 5, 2.0), (5, 1, 4.0), (5, 5, 8.0), (20, 20, 16.0)]
    rows = [row for row in rows if "10 10" not in wkt or row[:2] != (5, 5)]  # where it crosses
    points = described(point_layer(rows, "structural"), ASSET, MEAN)
    results, layer = summed(points, zone_layer({"Zone": (wkt,)}))
    assert rows_of(layer, "structural") == {"Zone": (total,)}
    assert results["IN_NO_ZONE"] == 2
    assert "1 of 1 zones have an invalid geometry; repaired to sum." in feedback.warnings


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_what_qgis_loads_has_the_title_and_the_style(registry, feedback, project, tmp_path, suffix):
    context = QgsProcessingContext()
    context.setProject(project)
    points = described(point_layer([(1, 1, 3.0)], "structural"), ASSET, MEAN)
    target = QgsProcessingOutputLayerDefinition(f"{tmp_path}/sums.{suffix}", project)
    parameters = {"INPUT": points, "ZONES": zone_layer(WEST_EAST), "OUTPUT": target}
    results, good = registry.createAlgorithmById(SUM).run(parameters, context, feedback)
    assert good, feedback.errors
    details = context.layersToLoadOnCompletion()[results["OUTPUT"]]
    assert details.name == "Average annual structural loss by zone [EUR]"
    layer = QgsVectorLayer(results["OUTPUT"], "as QGIS names it", "ogr")
    layer.renderer().setClassAttribute("lost")
    details.postProcessor().postProcessLayer(layer, context, feedback)
    assert layer.name() == layer.metadata().title() == details.name
    assert layer.renderer().classAttribute() == "structural"
    index = layer.fields().indexOf("structural")
    assert layer.attributeAlias(index) == "Average annual structural loss, sum [EUR]"


def test_an_infinite_value_is_an_infinite_sum(summed):
    rows = [(1, 1, 2.0), (2, 2, float("inf")), (12, 2, 5.0), (13, 2, None)]
    points = described(point_layer(rows, "structural"), ASSET, MEAN)
    _, layer = summed(points, zone_layer(WEST_EAST))
    found = rows_of(layer, "structural")
    assert found == {"West": (float("inf"),), "East": (5.0,), "Sea": (0.0,)}
    assert layer.renderer().ranges()[-1].label() == "infinite"


def test_no_points_and_no_zones(summed):
    points = described(point_layer([], "structural"), ASSET, MEAN)
    results, layer = summed(points, zone_layer(WEST_EAST))
    assert rows_of(layer, "structural")["West"] == (0.0,)
    assert (results["IN_NO_ZONE"], results["IN_SEVERAL"]) == (0, 0)
    points = described(point_layer([(1, 1, 3.0)], "structural"), ASSET, MEAN)
    results, layer = summed(points, zone_layer({}))
    assert layer.featureCount() == 0
    assert results["IN_NO_ZONE"] == 1


def test_what_the_points_are_drawn_by_is_drawn(summed):
    other = Column("contents", REAL, "Average annual contents loss", "EUR", additive=True)
    points = described(
        point_layer([(1, 1, 1.0, 50.0)], "structural", "contents"), ASSET, MEAN, other
    )
    _, layer = summed(points, zone_layer(WEST_EAST))
    assert layer.renderer().classAttribute() == "structural"
    _, layer = summed(points, zone_layer(WEST_EAST), STYLE_FIELD="contents")
    assert layer.renderer().classAttribute() == "contents"


@pytest.mark.parametrize(
    ("swap", "words"),
    [("INPUT", "INPUT must hold points"), ("ZONES", "ZONES must hold polygons")],
)
def test_wrong_geometry(registry, context, swap, words):
    points = described(point_layer([(1, 1, 3.0)], "structural"), ASSET, MEAN)
    parameters = {"INPUT": points, "ZONES": zone_layer(WEST_EAST), "OUTPUT": "memory:"}
    parameters[swap] = parameters["ZONES" if swap == "INPUT" else "INPUT"]
    algorithm = registry.algorithmById(SUM)
    good, message = algorithm.checkParameterValues(parameters, context)
    assert not good
    assert words in message
