"""Join by Tag: values against the engine's CSV, names that match and that do not, what is kept."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsFeature,
    QgsFeatureRequest,
    QgsField,
    QgsGeometry,
    QgsProcessingException,
    QgsProcessingUtils,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import NULL, QVariant

from oq_processing.algorithms.common.matching import match
from oq_processing.layers import metadata
from oq_processing.layers.style import styled_field

JOIN = "openquake:joinbytag"


def square(i: int) -> str:
    return f"POLYGON(({i} 0,{i + 1} 0,{i + 1} 1,{i} 1,{i} 0))"


def zone_layer(
    names, crs: str = "EPSG:32645", kind=QVariant.String, more: str = "people"
) -> QgsVectorLayer:
    """One square for each name, with a number of people; CRS in metres."""
    layer = QgsVectorLayer(f"Polygon?crs={crs}", "regions", "memory")
    layer.dataProvider().addAttributes([QgsField(more, QVariant.Int), QgsField("NAME", kind)])
    layer.updateFields()
    features = []
    for i, name in enumerate(names):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([10 * i, name])
        feature.setGeometry(QgsGeometry.fromWkt(square(i)))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


@pytest.fixture
def join(run, context, losses_by_tag):
    """A function that joins totals by taxonomy and returns results and layer."""

    def join(zones, **parameters):
        defaults = {
            "CALCULATION_ID": losses_by_tag,
            "ZONES": zones,
            "ZONE_FIELD": "NAME",
            "TAG": "taxonomy",
            "OUTPUT": "TEMPORARY_OUTPUT",
        }
        results = run(JOIN, **{**defaults, **parameters})
        layer = results["OUTPUT"]
        if not isinstance(layer, QgsVectorLayer):
            layer = QgsProcessingUtils.mapLayerFromString(layer, context)
        assert layer.isValid()
        return results, layer

    return join


@pytest.fixture
def losses(exported, losses_by_tag):
    """The engine's own totals: (taxonomy, loss type) → loss."""
    header, rows = exported(losses_by_tag, "aggrisk")["aggrisk-taxonomy"]
    rows = [dict(zip(header, row)) for row in rows]
    return {(row["taxonomy"], row["loss_type"]): float(row["loss_value"]) for row in rows}


@pytest.fixture
def taxonomies(losses):
    found = sorted({taxonomy for taxonomy, _ in losses})
    assert len(found) > 5
    return found


def values(layer, *names: str) -> list[tuple]:
    return [tuple(None if f[n] == NULL else f[n] for n in names) for f in layer.getFeatures()]


def test_every_value_is_the_engines(join, losses, taxonomies, feedback):
    zones = zone_layer(taxonomies)
    results, layer = join(zones)
    both = ("nonstructural", "structural")
    assert values(layer, *both) == [tuple(losses[t, lt] for lt in both) for t in taxonomies]
    assert results["COUNT"] == len(taxonomies)
    assert results["STYLED_FIELD"] == "structural"
    # geometry, CRS and fields are those of the zones
    assert layer.crs().authid() == "EPSG:32645"
    assert [f.name() for f in layer.fields()][:3] == ["people", "NAME", "nonstructural"]
    assert values(layer, "people", "NAME") == [(10 * i, t) for i, t in enumerate(taxonomies)]
    for i, feature in enumerate(layer.getFeatures()):
        assert feature.geometry().isGeosEqual(QgsGeometry.fromWkt(square(i)))
    count = len(taxonomies)
    assert f"{count} of {count} zones have a value of taxonomy." in feedback.infos
    assert (
        "There is no aggrisk-stats: one realization has no statistics. aggrisk is joined."
        in feedback.infos
    )
    assert feedback.warnings == []


def test_a_join_knows_the_parameters_that_its_run_has_changed(
    join, losses_by_tag, taxonomies, overridden
):
    changed = overridden(losses_by_tag)
    _, layer = join(zone_layer(taxonomies))
    assert metadata.read(layer)["provenance"]["overridden_parameters"] == changed


def test_zones_that_are_not_valid_are_kept_and_reported(
    join, context, losses, taxonomies, feedback
):
    """Under QGIS's own check of geometries, which dialogs have at "stop"."""
    context.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryAbortOnInvalid)
    zones = zone_layer(taxonomies[:3])
    shapes = ("POLYGON((0 0,9 9,9 0,0 9,0 0))", "POLYGON EMPTY", square(2))
    zones.dataProvider().changeGeometryValues(
        {i + 1: QgsGeometry.fromWkt(shape) for i, shape in enumerate(shapes)}
    )
    _, layer = join(zones)
    assert values(layer, "structural") == [(losses[t, "structural"],) for t in taxonomies[:3]]
    bow, empty, good = (feature.geometry() for feature in layer.getFeatures())
    assert bow.asWkt() == "MultiPolygon (((0 0, 9 9, 9 0, 0 9, 0 0)))"
    assert (empty.isEmpty(), good.isGeosValid()) == (True, True)
    assert "1 of 3 zones have an invalid geometry, kept unchanged." in feedback.warnings
    assert "1 of 3 zones have no geometry and are not drawn." in feedback.warnings


def test_names_that_do_not_match_are_listed(join, losses, taxonomies, feedback):
    known, other, *rest = taxonomies
    zones = zone_layer([f"  {known.lower()} ", "Atlantis", None, other, other])
    results, layer = join(zones)
    found = [row[0] for row in values(layer, "structural")]
    first, second = (losses[t, "structural"] for t in (known, other))
    assert found == [first, None, None, second, second]
    assert results["COUNT"] == 3
    assert "3 of 5 zones have a value of taxonomy." in feedback.infos
    assert "2 of 5 zones have no value: Atlantis, (empty)." in feedback.warnings
    total = len(taxonomies)
    missing = f"{len(rest)} of {total} values of taxonomy have no zone: {', '.join(rest)}."
    listed = [w for w in feedback.warnings if "have no zone" in w]
    assert [sorted(w.partition(": ")[2].rstrip(".").split(", ")) for w in listed] == [rest]
    assert len(listed[0]) == len(missing)
    [repeated] = [w for w in feedback.warnings if "Several zones" in w]
    assert repeated.endswith(f": {other}.")
    about = metadata.read(layer)["provenance"]
    assert about["zones_without_value"] == 2
    assert sorted(about["tags_without_zone"]) == rest


def test_no_name_matches(join, tmp_path):
    target = tmp_path / "by_tag.gpkg"
    target.write_bytes(b"yesterday's")
    with pytest.raises(QgsProcessingException) as caught:
        join(zone_layer(["Atlantis", "Utopia"]), OUTPUT=str(target))
    assert "No zone has a value of taxonomy: NAME is “Atlantis”, “Utopia”, taxonomy is “" in str(
        caught.value
    )
    assert target.read_bytes() == b"yesterday's"


def test_style_and_origin_are_stored(join, taxonomies, opened, tmp_path, losses_by_tag):
    target = tmp_path / "by_tag.gpkg"
    join(zone_layer([*taxonomies, "Atlantis"]), OUTPUT=str(target))
    layer = opened(target, "by_tag")
    title = "Average structural loss in 1000 years by taxonomy [EUR]"
    assert layer.metadata().title() == title
    about = metadata.read(layer)
    provenance = about["provenance"]
    assert provenance["calculation_id"] == losses_by_tag
    assert (provenance["output_type"], provenance["tag"]) == ("aggrisk", "taxonomy")
    assert (provenance["joined_to_zones"], provenance["zone_field"]) == ("regions", "NAME")
    columns = {column["name"]: column for column in about["columns"]}
    structural = columns["structural"]
    assert (structural["unit"], structural["loss_type"], structural["kind"]) == (
        "EUR",
        "structural",
        "rlz-0",
    )
    assert structural["additive"] is True
    index = layer.fields().indexOf("structural")
    assert layer.attributeAlias(index) == "Average structural loss in 1000 years [EUR]"
    assert styled_field(layer) == "structural"
    assert QgsWkbTypes.geometryType(layer.wkbType()) == QgsWkbTypes.GeometryType.PolygonGeometry


def test_curves_by_return_period(join, exported, taxonomies, losses_by_tag):
    header, rows = exported(losses_by_tag, "aggcurves")["aggcurves-taxonomy"]
    rows = [dict(zip(header, row)) for row in rows]
    wanted = {
        row["taxonomy"]: float(row["loss_value"])
        for row in rows
        if (row["return_period"], row["loss_type"]) == ("500", "structural")
    }
    results, layer = join(
        zone_layer(taxonomies),
        OUTPUT_TYPE="aggcurves",
        LOSS_TYPE="structural",
        RETURN_PERIOD="500",
        EP_TYPE="ep",
    )
    assert results["STYLED_FIELD"] == "structural-500y"
    assert [row[0] for row in values(layer, "structural-500y")] == [wanted[t] for t in taxonomies]
    [column] = [c for c in metadata.read(layer)["columns"] if c["name"] == "structural-500y"]
    assert column["additive"] is False
    with pytest.raises(QgsProcessingException, match="EP_TYPE may be: ep"):
        join(zone_layer(taxonomies), OUTPUT_TYPE="aggcurves", EP_TYPE="oep")
    with pytest.raises(QgsProcessingException, match="none are interpolated"):
        join(zone_layer(taxonomies), OUTPUT_TYPE="aggcurves", RETURN_PERIOD="475")


def test_the_style_is_chosen(join, taxonomies):
    results, layer = join(
        zone_layer(taxonomies, more="structural"),
        STYLE_FIELD="nonstructural",
        CLASSIFICATION="equal-interval",
        CLASSES="3",
    )
    assert results["STYLED_FIELD"] == "nonstructural"
    assert styled_field(layer) == "nonstructural"
    # a field of the zones keeps its name
    assert values(layer, "structural")[1] == (10,)
    assert layer.fields().indexOf("structural_2") > 0


def test_numbers_and_texts_are_the_same(join, exported, losses_by_tag):
    """Sites are numbers in the zones, tags are text."""
    header, rows = exported(losses_by_tag, "aggrisk")["aggrisk-site_id"]
    rows = [dict(zip(header, row)) for row in rows]
    rows = [row for row in rows if row["loss_type"] == "structural"][:3]
    for kind in (QVariant.Int, QVariant.Double, QVariant.String):
        convert = {QVariant.Int: int, QVariant.Double: float, QVariant.String: str}[kind]
        zones = zone_layer([convert(row["site_id"]) for row in rows], kind=kind)
        _, layer = join(zones, TAG="site_id")
        assert [v for (v,) in values(layer, "structural")] == [
            float(row["loss_value"]) for row in rows
        ]


def test_the_tag_must_be_chosen_where_there_are_several(join, taxonomies):
    with pytest.raises(QgsProcessingException, match=r"Choose a tag \(TAG\): "):
        join(zone_layer(taxonomies), TAG="")
    with pytest.raises(QgsProcessingException, match="no tag “NAME_1”; TAG may be: "):
        join(zone_layer(taxonomies), TAG="NAME_1")


def test_as_models_and_qgis_process_give_it(join, taxonomies, losses_by_tag, losses):
    """Numbers as text, and what was left empty as empty text or 0."""
    _, layer = join(
        zone_layer(taxonomies),
        CALCULATION_ID=str(losses_by_tag),
        OUTPUT_TYPE="",
        ZONE_FIELD="name",
        KIND="",
        LOSS_TYPE="structural",
        RETURN_PERIOD="",
        EP_TYPE="",
        CLASSES=0,
        CLASS_BREAKS="",
        STYLE_FIELD="",
    )
    assert values(layer, "structural") == [(losses[t, "structural"],) for t in taxonomies]
    assert layer.fields().indexOf("nonstructural") < 0


def test_no_zones(join):
    results, layer = join(zone_layer([]))
    assert (results["COUNT"], layer.featureCount()) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ZONE_FIELD": "county"}, "no field “county”; ZONE_FIELD may be: people, NAME"),
        ({"ZONE_FIELD": ""}, "Choose a field; ZONE_FIELD may be: people, NAME"),
        ({"CALCULATION_ID": 0}, "Choose a calculation"),
        ({"ZONES": "nowhere.gpkg"}, "ZONES is no polygon layer"),
        ({"ZONES": QgsVectorLayer("Point?crs=EPSG:4326", "p", "memory")}, "must hold polygons"),
    ],
)
def test_what_is_refused_at_once(registry, context, changed, words):
    parameters = {
        "CALCULATION_ID": 1,
        "ZONES": zone_layer(["a"]),
        "ZONE_FIELD": "NAME",
        "OUTPUT": "memory:",
    }
    good, message = registry.algorithmById(JOIN).checkParameterValues(
        {**parameters, **changed}, context
    )
    assert not good
    assert words in message


def test_an_output_without_tags(join, taxonomies):
    with pytest.raises(QgsProcessingException, match="OUTPUT_TYPE may be: aggrisk, "):
        join(zone_layer(taxonomies), OUTPUT_TYPE="risk_by_event")


# --- names


def test_case_counts_only_where_it_must():
    found = match(["East", "EAST", "east", "west", "WEST"], ["East", "EAST", "West"])
    assert found.tags == ["East", "EAST", None, "West", "West"]
    assert found.without_value == ["east"]
    assert found.ambiguous == ["east"]
    assert found.without_zone == []
    assert found.repeated == ["West"]


@pytest.mark.parametrize(
    ("cell", "tag", "same"),
    [
        (3, "3", True),
        (3.0, "3", True),
        ("3", "3", True),
        (3.5, "3.5", True),
        (3, "03", False),
        ("Côte", "CÔTE", True),
        ("Cote", "Côte", False),
        ("Co\u0302te", "Côte", True),
        ("नेपाल ", "नेपाल", True),
        ("STRASSE", "Straße", True),
        ("", "", True),
        (None, "None", False),
    ],
)
def test_what_is_the_same_name(cell, tag, same):
    assert match([cell], [tag]).tags == [tag if same else None]
