"""How layers are drawn: what is chosen, what is stored, what every feature gets."""

import math
from dataclasses import replace

import numpy as np
import pytest
from qgis.core import (
    QgsCoordinateTransformContext,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsRenderContext,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from oq_processing.engine.errors import InvalidChoice
from oq_processing.layers import renderer, style, symbols
from oq_processing.layers.column_values import ColumnValues
from oq_processing.layers.style import Drawing
from oq_processing.outputs.core.palettes import (
    GROUND_MOTION_COLORS,
    JMA_COLORS,
    JMA_LABELS,
    MMI_COLORS,
    MMI_LABELS,
    STANDARD_G,
    ground_motion_style,
)
from oq_processing.outputs.core.table import (
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
    renderer.apply(layer, 0, table.columns, style.merged(table, chosen), numbers)
    return layer


VALUE = Column("v", REAL)


def test_every_feature_is_drawn_by_its_class():
    values = np.random.default_rng(1).lognormal(-2, 1, 500).tolist()
    own = Style("v", "standard", tuple(STANDARD), "YlOrRd")
    layer = styled(VALUE, [*values, 0.0, float("nan")], own)
    colors = [r.symbol().color().name() for r in layer.renderer().ranges()]
    expected = [colors[int(np.searchsorted(STANDARD, v))] for v in values]
    assert drawn(layer) == [*expected, colors[0], symbols.NO_VALUE]


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
    assert [c.label() for c in layer.renderer().categories()] == ["1", "3", "10", "no value"]
    colors = drawn(layer)
    assert colors[1] == colors[3]
    assert len(set(colors[:3])) == 3
    assert colors[4] == symbols.NO_VALUE


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
    assert colors.count(symbols.NO_VALUE) == 30
    assert [c.label() for c in layer.renderer().categories()][-1] == "others"


def test_categories_of_the_output():
    own = Style("v", categories=(("a", "Slight", "#ffff00"), ("b", "Complete", "#800000")))
    layer = styled(Column("v", TEXT), ["b", "a", "c"], own)
    assert drawn(layer) == ["#800000", "#ffff00", None]
    assert [c.label() for c in layer.renderer().categories()] == ["Slight", "Complete"]


def labels(layer) -> list[str]:
    return [r.label() for r in layer.renderer().ranges()]


@pytest.mark.parametrize(
    ("column", "values", "texts", "colors"),
    [
        (
            Column("MMI", imt="MMI", unit="intensity"),
            [1.2, 5.4, 5.5, 5.6, 11.0],
            MMI_LABELS,
            [MMI_COLORS[i] for i in (0, 4, 4, 5, 9)],
        ),
        (
            Column("JMA", imt="JMA", unit="intensity"),
            [0.1, 4.9, 5.1, 7.0],
            JMA_LABELS,
            [JMA_COLORS[i] for i in (0, 5, 6, 9)],
        ),
        (
            Column("PGA", imt="PGA", unit="g"),
            [0.0, 0.06, 0.21, 4.0],
            [
                "< 0.01 g",
                *(f"{a:.2f} – {b:.2f} g" for a, b in zip(STANDARD_G, STANDARD_G[1:])),
                "> 1.50 g",
            ],
            [GROUND_MOTION_COLORS[i] for i in (0, 4, 7, 11)],
        ),
        (
            Column("PGV", imt="PGV", unit="cm/s"),
            [2.0, 9.0, 100.0],
            ["0 – 20 cm/s", "20 – 40 cm/s", "40 – 60 cm/s", "60 – 80 cm/s", "80 – 100 cm/s"],
            [GROUND_MOTION_COLORS[i] for i in (0, 0, 11)],
        ),
        (
            Column("LiqProb", imt="LiqProb", unit="probability"),
            [0.0, 0.95],
            [
                "< 0.01",
                "0.01 – 0.05",
                "0.05 – 0.10",
                "0.10 – 0.20",
                "0.20 – 0.30",
                "0.30 – 0.50",
                "0.50 – 0.70",
                "0.70 – 0.90",
                "> 0.90",
            ],
            ["#edf8fb", "#810f7c"],
        ),
    ],
)
def test_ground_motion_has_the_classes_of_the_field(column, values, texts, colors):
    layer = styled(column, values, ground_motion_style(column))
    assert labels(layer) == list(texts)
    assert drawn(layer) == colors


def test_colours_of_ground_motion_grow_darker():
    def lightness(color):
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    found = [lightness(color) for color in GROUND_MOTION_COLORS]
    assert found == sorted(found, reverse=True)
    assert len(GROUND_MOTION_COLORS) == len(STANDARD_G) + 1


def test_own_colours_are_the_ramp_of_other_classes():
    own = ground_motion_style(Column("v", imt="PGA", unit="g"))
    layer = styled(VALUE, [1.0, 5.0, 9.0], own, classification="equal-interval", classes=3)
    low, _, high = drawn(layer)
    assert (low, high) == (GROUND_MOTION_COLORS[0], GROUND_MOTION_COLORS[-1])
    layer = styled(VALUE, [0.001, 2.0], own, invert=True)
    assert drawn(layer) == [high, low]


def test_losses_leave_zero_unfilled():
    own = Style("v", "logarithmic", ramp="YlGnBu")
    layer = styled(Column("v", unit="EUR"), [0.0, 2e-12, 3.0, 40.0, 5e6], own, classes=4)
    assert labels(layer) == [
        "0",
        "< 10,000 EUR",
        "10,000 – 100,000 EUR",
        "100,000 – 1,000,000 EUR",
        "1,000,000 – 10,000,000 EUR",
    ]
    ranges = layer.renderer().ranges()  # held: symbols end with their ranges
    zero, first, *others = [r.symbol() for r in ranges]
    assert zero.symbolLayer(0).color().alpha() == 0
    assert zero.symbolLayer(0).strokeColor().name() == symbols.NO_VALUE
    assert drawn(layer)[1:] == [first.color().name()] * 3 + [others[-1].color().name()]


MOTION = Column("PGA", imt="PGA", unit="g", lowest=0.05, highest=1.0000000000000004)


@pytest.mark.parametrize("geometry", ["Point", "Polygon"])
@pytest.mark.parametrize("classification", style.CLASSIFICATIONS)
def test_what_is_beyond_the_curves_has_classes_of_its_own(classification, geometry):
    # the engine's 0, the levels themselves in single precision, and a value of neither
    values = [0.0, *np.float32([0.05, 0.5, 0.9999, 1.0]).tolist(), math.nan, math.inf]
    own = ground_motion_style(MOTION)
    layer = styled(MOTION, values, own, geometry, classification=classification)
    found = labels(layer)
    assert found[0] == "below 0.05 g"
    assert found[-2:] == ["≥ 1 g, limit of the curves", "infinite or no value"]
    colors = drawn(layer)
    assert colors[4] == symbols.ABOVE
    assert None not in colors
    assert symbols.ABOVE not in colors[1:4]
    # what is known has the classes that it would have alone
    alone = styled(MOTION, values[1:4], own, geometry, classification=classification)
    assert drawn(alone) == colors[1:4]
    ranges = layer.renderer().ranges()
    kinds = {type(r.symbol().symbolLayer(0)) for r in ranges}
    assert len(kinds) == 1
    for r in ranges[1:-2]:
        assert r.lowerValue() >= 0.0499995
        assert r.upperValue() < 0.999991


def test_standard_classes_keep_their_colours_beside_the_ends_of_curves():
    layer = styled(MOTION, [0.0, 0.06, 0.95, 1.0], ground_motion_style(MOTION))
    texts = [f"{a:.2f} – {b:.2f} g" for a, b in zip(STANDARD_G[3:], STANDARD_G[4:-1])]
    shown = ["below 0.05 g", *texts, "0.90 – 1.00 g", "≥ 1 g, limit of the curves"]
    assert labels(layer) == shown
    assert drawn(layer)[1:3] == [GROUND_MOTION_COLORS[4], GROUND_MOTION_COLORS[10]]


def test_nothing_but_ends_of_curves():
    for values, text in (([0.0] * 2, "below 0.05 g"), ([1.0] * 2, "≥ 1 g, limit of the curves")):
        assert labels(styled(MOTION, values, ground_motion_style(MOTION))) == [text]
    without = Column("MMI", imt="MMI", unit="intensity", lowest=4.0, highest=6.0)
    layer = styled(without, [0.0, 5.0, 6.0], ground_motion_style(without))
    assert labels(layer) == ["below 4", "IV", "V", "VI", "≥ 6, limit of the curves"]


def test_rows_of_several_imts_end_where_their_own_curves_do(tmp_path):
    column = Column("value", unit="g", ends=(("PGA", 0.05, 1.0), ("SA(0.1)", 0.01, 2.0)))
    source = "Point?crs=EPSG:4326&field=imt:string&field=value:double"
    layer = QgsVectorLayer(source, "t", "memory")
    # 1 g is the end of PGA and a value of SA(0.1)
    rows = [("PGA", 0.0), ("PGA", 0.5), ("PGA", 1.0), ("SA(0.1)", 1.0), ("SA(0.1)", 2.0)]
    rows += [("SA(0.1)", 0.02), ("PGA", None)]
    for row in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes(list(row))
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(0, 0)))
        layer.dataProvider().addFeatures([feature])
    own = Style("value", "standard", (0.1, 0.7), "YlOrRd")
    columns = (Column("imt", TEXT), column)
    values = np.array([math.nan if v is None else v for _, v in rows])
    renderer.apply(layer, 0, columns, Drawing(column, own), values)
    last = ["limit of the curves, or more", "no value"]
    assert labels(layer) == ["below the curves", "< 0.1 g", "0.1 – 0.7 g", "> 0.7 g", *last]
    _, small, middle, large, *_ = [r.symbol().color().name() for r in layer.renderer().ranges()]
    end = symbols.ABOVE
    assert drawn(layer)[1:] == [middle, end, large, end, small, symbols.NO_VALUE]
    assert style.styled_field(layer) == "value"
    # of any other expression nobody can tell
    layer.renderer().setClassAttribute('"imt" || "value"')
    assert style.styled_field(layer) == ""


@pytest.mark.parametrize("classification", ["logarithmic", "quantile", "standard", "pretty"])
@pytest.mark.parametrize("value", [0.0, 0.37, float("nan")])
def test_equal_values_are_drawn_alike(classification, value):
    breaks = (0.1, 0.5) if classification == "standard" else ()
    layer = styled(VALUE, [value] * 3, Style("v", classification, breaks))
    (color,) = set(drawn(layer))
    assert color is not None
    if value != value:
        assert labels(layer) == ["no value"]
        assert color == symbols.NO_VALUE


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 2.0, math.inf], ["1 – 1.5", "1.5 – 2", "infinite"]),
        ([1.0, 2.0, math.nan], ["1 – 1.5", "1.5 – 2", "no value"]),
        ([1.0, 2.0, math.inf, math.nan], ["1 – 1.5", "1.5 – 2", "infinite or no value"]),
        ([1.0, 2.0, -math.inf], ["1 – 1.5", "1.5 – 2", "infinite", "-infinite"]),
        ([1.0, 2.0], ["1 – 1.5", "1.5 – 2"]),
    ],
)
def test_what_has_no_class_is_grey(values, texts):
    layer = styled(VALUE, values, classification="equal-interval", classes=2)
    assert labels(layer) == texts
    assert style.styled_field(layer) == "v"
    colors = drawn(layer)
    assert symbols.NO_VALUE not in colors[:2]
    assert set(colors[2:]) <= {symbols.NO_VALUE}
    # the field itself, which the styling panel of QGIS shows, where nothing asks for more
    assert (layer.renderer().classAttribute() == "v") == (len(texts) == 2)


@pytest.mark.parametrize(
    ("own", "values", "colors"),
    [
        # as pale below as above, whatever there is of either
        (
            Style("v", "standard", (0.5, 1.0, 2.0, 4.0), "RdBu", center=1.0),
            [0.1, 0.7, 1.5, 3.0, 9.0],
            [1 / 6, 1 / 3, 2 / 3, 5 / 6, 1],
        ),
        (
            Style("v", "equal-interval", ramp="RdBu", center=0.0),
            [-0.9, -3.0, 0.9, 2.9],
            [1 / 3, 0, 2 / 3, 1],
        ),
        # a class that the middle is in
        (Style("v", "standard", (-1.0, 1.0), "RdBu", center=0.0), [-2.0, 0.0, 2.0], [0, 0.5, 1]),
    ],
)
def test_a_diverging_ramp_has_its_middle_at_the_center(own, values, colors):
    layer = styled(VALUE, values, own)
    ramp = style.ramp_of("RdBu", invert=False)
    assert drawn(layer) == [ramp.color(position).name() for position in colors]


@pytest.mark.parametrize("order", ["", "v"])
def test_one_sees_through_polygons_that_lie_one_on_another(order):
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=v:double", "t", "memory")
    own = Style("v", order_by=order)
    renderer.apply(layer, 0, (VALUE,), Drawing(VALUE, own, classes=2), np.array([1.0, 2.0]))
    ranges = layer.renderer().ranges()
    fill = ranges[0].symbol().symbolLayer(0)
    assert fill.fillColor().alpha() == (symbols.SEE_THROUGH if order else 255)
    # neighbouring cells have no edges between them
    assert (fill.strokeColor().name() == fill.fillColor().name()) == (not order)


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "memory"])
def test_large_is_on_top_and_what_has_no_class_is_grey_also_when_read_again(tmp_path, suffix):
    values = [1.0, 2.0, math.nan, math.inf]
    own = Style("v-1", "equal-interval", order_by="mag")
    columns = (Column("mag"), Column("v-1"))
    layer = QgsVectorLayer("Point?crs=EPSG:4326&field=mag:double&field=v-1:double", "t", "memory")
    for magnitude, value in zip([7.0, 5.0, 6.0, 4.0], values):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([magnitude, value if value == value else None])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(0, 0)))
        layer.dataProvider().addFeatures([feature])
    first = 0
    if suffix != "memory":
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = {"gpkg": "GPKG", "geojson": "GeoJSON"}[suffix]
        path = str(tmp_path / f"t.{suffix}")
        QgsVectorFileWriter.writeAsVectorFormatV3(
            layer, path, QgsCoordinateTransformContext(), options
        )
        source = f"{path}|layername=t" if suffix == "gpkg" else path
        layer = QgsVectorLayer(source, "t", "ogr")
        first = layer.fields().count() - 2
    drawing = Drawing(columns[1], own, classes=2)
    renderer.apply(layer, first, columns, drawing, np.array(values))
    if suffix != "memory":
        assert style.store(layer) == ""
        layer = QgsVectorLayer(source, "t", "ogr")
        layer.loadDefaultStyle()
    assert drawn(layer)[2:] == [symbols.NO_VALUE] * 2
    assert labels(layer) == ["1 – 1.5", "1.5 – 2", "infinite or no value"]
    assert style.styled_field(layer) == "v-1"
    order = layer.renderer().orderBy()
    assert layer.renderer().orderByEnabled()
    request, order = QgsFeatureRequest().setOrderBy(order), order.dump()
    assert [f["mag"] for f in layer.getFeatures(request)] == [4, 5, 6, 7]
    # styled anew, large is on top still
    drawing = replace(drawing, style=replace(own, order_by=""))
    renderer.apply(layer, first, columns, drawing, np.ones(4))
    assert layer.renderer().orderByEnabled()
    assert layer.renderer().orderBy().dump() == order


def test_of_words_the_last_category_is_on_top():
    own = Style("v", categories=(("b", "b", "#ffff00"), ("a", "a", "#800000")), order_by="v")
    layer = styled(Column("v", TEXT), ["a", "b", "a"], own)
    request = QgsFeatureRequest().setOrderBy(layer.renderer().orderBy())
    assert [f["v"] for f in layer.getFeatures(request)] == ["b", "a", "a"]


@pytest.mark.parametrize(("field", "on_top"), [("w", "w"), ("V", "v"), ("t", "v"), ("", "v")])
def test_what_the_user_draws_is_on_top_of_what_lies_under_it(field, on_top):
    columns = (Column("v"), Column("w", INTEGER), Column("t", TEXT), Column("mag"))
    table = Table("t", columns, 0, lambda: iter(()), POINT, Style("v", order_by="v"))
    drawing = style.merged(table, style.StyleChoices(field=field))
    assert drawing.style.order_by == on_top
    # an order of its own stays
    ruptures = replace(table, style=Style("t", order_by="mag"))
    drawing = style.merged(ruptures, style.StyleChoices(field=field))
    assert drawing.style.order_by == "mag"


@pytest.mark.parametrize(
    ("count", "size"), [(1, 2.2), (624, 2.2), (9063, 1.58), (100_000, 0.7), (10**6, 0.7)]
)
def test_points_are_the_smaller_the_more_they_are(count, size):
    class Many(QgsVectorLayer):
        def featureCount(self):  # noqa: N802
            return count

    layer = Many("Point?crs=EPSG:4326&field=v:double", "t", "memory")
    drawing = Drawing(VALUE, Style("v"), classes=2)
    renderer.apply(layer, 0, (VALUE,), drawing, np.array([1.0, 2.0]))
    ranges = layer.renderer().ranges()
    assert [r.symbol().size() for r in ranges] == [size, size]


def test_a_table_without_geometry_is_not_drawn():
    assert styled(VALUE, [1.0], geometry="NoGeometry").renderer() is None


FIXED = Style(
    "a",
    "standard",
    (1.0,),
    colors=("#000000", "#ffffff"),
    labels=("low", "high"),
    center=1.0,
    order_by="b",
)


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
        (FIXED, {}, FIXED),
        (FIXED, {"ramp": "Reds"}, replace(FIXED, ramp="Reds", colors=())),
        (FIXED, {"classification": "pretty"}, replace(FIXED, classification="pretty", labels=())),
        (FIXED, {"breaks": (3.0,)}, replace(FIXED, breaks=(3.0,), labels=())),
        (FIXED, {"field": "b"}, Style("b", order_by="b")),
        (Style("a", invert=True), {"invert": True}, Style("a", invert=False)),
        (None, {"field": "b", "ramp": "Reds"}, Style("b", ramp="Reds")),
        (None, {}, None),
    ],
)
def test_choices_over_the_own_style(own, choices, expected):
    table = Table("t", (Column("a"), Column("b")), 0, lambda: iter(()), POINT, own)
    drawing = style.merged(table, style.StyleChoices(**choices))
    assert (drawing and drawing.style) == expected
    assert (drawing and drawing.column.name) == (expected and expected.field)


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
        ({"CLASS_BREAKS": "0.03 0.06"}, '"PGA-0.1"', ["< 0.03 g", "0.03 – 0.06 g", "> 0.06 g"]),
        ({"STYLE_FIELD": "pga-0.02", "CLASS_BREAKS": "0.1"}, '"PGA-0.02"', ["< 0.1 g", "> 0.1 g"]),
        ({"STYLE_FIELD": "lon", "CLASS_BREAKS": "0"}, "lon", ["< 0°", "> 0°"]),
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
