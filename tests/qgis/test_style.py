"""How layers are drawn: what is chosen, what is stored, what every feature gets."""

import numpy as np
import pytest
from qgis.core import (
    QgsExpressionContextUtils,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsRenderContext,
    QgsVectorLayer,
)

from oq_processing.engine.errors import InvalidChoice
from oq_processing.layers import style
from oq_processing.layers.collect import ColumnValues
from oq_processing.outputs.table import (
    INTEGER,
    NONE,
    POINT,
    REAL,
    TEXT,
    Column,
    Style,
    Table,
    blocks_of,
)

STANDARD = [0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50]


def layer_of(column, values, geometry="Point"):
    """A memory layer with one field; NaN is NULL."""
    kind = {INTEGER: "int8", REAL: "double", TEXT: "string"}[column.type]
    layer = QgsVectorLayer(f"{geometry}?crs=EPSG:4326&field={column.name}:{kind}", "t", "memory")
    features = []
    for value in values:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([None if value != value else value])
        if geometry == "Point":
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(0, 0)))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


def drawn(layer) -> list:
    """The colour that each feature is drawn with, None for not at all."""
    renderer, context = layer.renderer().clone(), QgsRenderContext()
    context.expressionContext().appendScope(QgsExpressionContextUtils.layerScope(layer))
    renderer.startRender(context, layer.fields())
    found = []
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        symbol = renderer.originalSymbolForFeature(feature, context)
        found.append(symbol.color().name() if symbol else None)
    renderer.stopRender(context)
    return found


def styled(column, values, own=None, geometry="Point", **choices):
    layer = layer_of(column, values, geometry)
    table = Table("t", (column,), len(values), lambda: iter(()), POINT, own or Style(column.name))
    chosen = style.StyleChoices(**choices)
    numbers = np.array(values, dtype=float) if column.type != TEXT else np.empty(0)
    style.apply(layer, 0, table, column, style.merged(table, chosen), numbers, chosen)
    return layer


VALUE = Column("v", REAL)


def test_every_feature_is_drawn_by_its_class():
    values = np.random.default_rng(1).lognormal(-2, 1, 500).tolist()
    own = Style("v", "standard", tuple(STANDARD), "YlOrRd")
    layer = styled(VALUE, [*values, 0.0, float("nan")], own)
    colors = [r.symbol().color().name() for r in layer.renderer().ranges()]
    expected = [colors[int(np.searchsorted(STANDARD, v))] for v in values]
    assert drawn(layer) == [*expected, colors[0], None]


def test_limits_belong_to_the_lower_class():
    layer = styled(VALUE, STANDARD, Style("v", "standard", tuple(STANDARD), "YlOrRd"))
    colors = [r.symbol().color().name() for r in layer.renderer().ranges()]
    assert drawn(layer) == colors[:11]


@pytest.mark.parametrize("field", ["PGA-0.1", "SA(0.1)-0.02", 'say "x"', "end", "v"])
def test_field_names_of_any_kind(field):
    layer = styled(Column(field), [1.0, 2.0, 3.0], classification="equal-interval")
    assert len(set(drawn(layer))) == 3
    assert None not in drawn(layer)


def test_ramp_and_its_inverse():
    colors = {}
    for invert in (False, True):
        layer = styled(
            VALUE,
            [1.0, 5.0, 9.0],
            classification="equal-interval",
            classes=3,
            ramp="ylorrd",
            invert=invert,
        )
        colors[invert] = drawn(layer)
    assert colors[False] == ["#ffffb2", "#fd8d3c", "#bd0026"]
    assert colors[True] == colors[False][::-1]


def test_breaks_of_the_user_before_everything_else():
    own = Style("v", "standard", tuple(STANDARD), "YlOrRd")
    layer = styled(VALUE, [0.05, 0.5], own, breaks=(0.1,), classification="quantile")
    assert [r.label() for r in layer.renderer().ranges()] == ["< 0.1", "> 0.1"]
    assert len(set(drawn(layer))) == 2


def test_few_whole_numbers_are_categories():
    layer = styled(Column("v", INTEGER), [3, 1, 10, 1, float("nan")])
    assert layer.renderer().type() == "categorizedSymbol"
    assert [c.label() for c in layer.renderer().categories()] == ["1", "3", "10"]
    colors = drawn(layer)
    assert colors[1] == colors[3]
    assert len(set(colors[:3])) == 3
    assert colors[4] is None


def test_many_whole_numbers_are_classes():
    values = list(range(500))
    layer = styled(Column("v", INTEGER), values)
    assert layer.renderer().type() == "graduatedSymbol"
    assert None not in drawn(layer)
    few = styled(Column("v", INTEGER), [1, 2, 3], classification="equal-interval")
    assert few.renderer().type() == "graduatedSymbol"


def test_more_texts_than_a_legend_holds():
    values = [f"t{i:03d}" for i in range(80)]
    layer = styled(Column("v", TEXT), values)
    colors = drawn(layer)
    assert None not in colors
    assert colors.count(style.OTHERS) == 30
    assert [c.label() for c in layer.renderer().categories()][-1] == "others"


def test_categories_of_the_output():
    own = Style("v", categories=(("a", "Slight", "#ffff00"), ("b", "Complete", "#800000")))
    layer = styled(Column("v", TEXT), ["b", "a", "c"], own)
    assert drawn(layer) == ["#800000", "#ffff00", None]
    assert [c.label() for c in layer.renderer().categories()] == ["Slight", "Complete"]


def test_a_table_without_geometry_is_not_drawn():
    assert styled(VALUE, [1.0], geometry="NoGeometry").renderer() is None


@pytest.mark.parametrize(
    ("own", "choices", "expected"),
    [
        (Style("a", "standard", (1.0,), "Reds"), {}, Style("a", "standard", (1.0,), "Reds")),
        (
            Style("a", "standard", (1.0,), "Reds"),
            {"field": "B"},
            Style("b", "quantile", (), "Reds"),
        ),
        (Style("a", "standard"), {}, Style("a", "quantile")),
        (Style("a"), {"classification": "standard"}, Style("a", "quantile")),
        (Style("a"), {"breaks": (2.0,)}, Style("a", "quantile", (2.0,))),
        (Style("a", invert=True), {"invert": True}, Style("a", invert=False)),
        (None, {"field": "b", "ramp": "Reds"}, Style("b", ramp="Reds")),
        (None, {}, None),
    ],
)
def test_choices_over_the_own_style(own, choices, expected):
    table = Table("t", (Column("a"), Column("b")), 0, lambda: iter(()), POINT, own)
    assert style.merged(table, style.StyleChoices(**choices)) == expected


def test_unknown_field_names_those_there_are():
    table = Table("t", (Column("a"), Column("b")), 0, lambda: iter(()), POINT, Style("a"))
    with pytest.raises(InvalidChoice, match=r"no field “c” to style; there are: a, b\."):
        style.merged(table, style.StyleChoices(field="c"))


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        ("", ()),
        ("0.05 0.1 0.2", (0.05, 0.1, 0.2)),
        ("-1,0;1e3", (-1.0, 0.0, 1000.0)),
        ("5", (5.0,)),
    ],
)
def test_parse_breaks(text, breaks):
    assert style.parse_breaks(text) == breaks


@pytest.mark.parametrize("text", ["a", "0.1 x", "2 1", "1 1", "nan", "0 inf", "0.1-0.2"])
def test_no_breaks(text):
    with pytest.raises(InvalidChoice, match="CLASS_BREAKS must"):
        style.parse_breaks(text)


def test_values_are_collected_as_they_pass():
    a = np.arange(60_000, dtype="f4")
    b = np.array([None, *range(59_999)], dtype=object)
    table = Table("t", (Column("a"), Column("b", INTEGER)), 60_000, lambda: blocks_of([a, b]), NONE)
    for field, expected in (("a", a), ("b", b.astype(float))):
        values = ColumnValues(table, field)
        for _ in range(2):  # a second pass begins anew
            assert sum(block.rows for block in values.table.blocks()) == 60_000
        assert np.array_equal(values.array(), expected, equal_nan=True)
    for field in ("", "a"):
        assert ColumnValues(table, field).array().tolist() == []


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
@pytest.mark.parametrize(
    ("choices", "attribute", "labels"),
    [
        ({"CLASS_BREAKS": "0.03 0.06"}, '"PGA-0.1"', ["< 0.03", "0.03 – 0.06", "> 0.06"]),
        ({"STYLE_FIELD": "pga-0.02", "CLASS_BREAKS": "0.1"}, '"PGA-0.02"', ["< 0.1", "> 0.1"]),
        ({"STYLE_FIELD": "lon", "CLASS_BREAKS": "0"}, "lon", ["< 0", "> 0"]),
    ],
)
def test_chosen_style_is_stored(area, opened, tmp_path, suffix, choices, attribute, labels):
    target = tmp_path / f"map.{suffix}"
    area(OUTPUT=str(target), COLOR_RAMP="Blues", **choices)
    layer = opened(target)
    renderer = layer.renderer()
    assert renderer.classAttribute() == attribute
    assert [r.label() for r in renderer.ranges()] == labels
    first, *_, last = [r.symbol().color().name() for r in renderer.ranges()]
    assert (first, last) == ("#f7fbff", "#08306b")


@pytest.mark.parametrize(
    "classification", ["logarithmic", "equal-interval", "quantile", "jenks", "pretty"]
)
def test_every_site_of_a_map_is_drawn(area, classification):
    layer = area(CLASSIFICATION=classification, CLASSES=5, GEOMETRY="cell")["OUTPUT"]
    ranges = layer.renderer().ranges()
    colors = drawn(layer)
    assert len(colors) == 624
    assert None not in colors
    assert len(set(colors)) >= 4
    values = [f["PGA-0.1"] for f in layer.getFeatures()]
    assert ranges[0].lowerValue() <= min(values)
    assert ranges[-1].upperValue() >= max(values)


def test_the_styled_field_is_told(area):
    assert area(STYLE_FIELD="PGA-0.02")["STYLED_FIELD"] == "PGA-0.02"
    assert area(IMT="SA(1.0)", POE="2%")["STYLED_FIELD"] == "SA(1.0)-0.02"
