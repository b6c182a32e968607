"""How a layer is drawn: classes, colours, symbols; stored with the layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsColorRamp,
    QgsExpression,
    QgsFeatureRenderer,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsGraduatedSymbolRenderer,
    QgsLineSymbol,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsRendererCategory,
    QgsRendererRange,
    QgsStyle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import NULL
from qgis.PyQt.QtGui import QColor

from ..engine.errors import InvalidChoice
from ..outputs.table import INTEGER, REAL, Column, Style, Table
from .classes import CLASSIFICATIONS, class_limits

if TYPE_CHECKING:
    import numpy as np

FEW = 12  # whole numbers up to so many are each drawn in their own colour
MANY = 50  # categories of a legend; what is beyond is drawn as one
NO_VALUE = "#9e9e9e"  # also zero, as an edge, and what a legend has no room for
UNITS_IN_LABELS = {"°": "°", **dict.fromkeys(("intensity", "probability", "fraction", "0/1"), "")}
SEE_THROUGH = 40  # of 255
LARGEST_POINT, SMALLEST_POINT, PAGE = 2.2, 0.7, 150.0  # millimetres
STYLE_NAME = "OpenQuake"  # a GeoPackage holds 30 characters


@dataclass(frozen=True)
class StyleChoices:
    """The style parameters; empty means what the output wants."""

    field: str = ""
    classification: str = ""
    classes: int | None = None
    breaks: tuple[float, ...] = ()
    ramp: str = ""
    invert: bool = False


def ramp_of(name: str, invert: bool):
    """Return a colour ramp of QGIS; raises :class:`InvalidChoice` for a name it does not know."""
    styles = QgsStyle.defaultStyle()
    known = {n.lower(): n for n in styles.colorRampNames()}
    if name.lower() not in known:
        raise InvalidChoice(
            f"There is no colour ramp “{name}”; there are: {', '.join(known.values())}."
        )
    ramp = styles.colorRamp(known[name.lower()])
    if invert:
        ramp.invert()
    return ramp


def merged(table: Table, choices: StyleChoices) -> Style | None:
    """Return the table's style with the user's choices laid over it."""
    own = table.style
    if own is None and not choices.field:
        return None
    field = own.field if own else ""
    if choices.field:
        names = {c.name.lower(): c for c in table.columns}
        column = names.get(choices.field.strip().lower())
        if column is None:
            raise InvalidChoice(
                f"There is no field “{choices.field}” to style; there are: "
                f"{', '.join(c.name for c in table.columns)}."
            )
        field = column.name
    if own is None or own.field != field:
        # of another field nothing but the ramp and what is on top
        own = Style(
            field, ramp=own.ramp if own else "Viridis", order_by=own.order_by if own else ""
        )
    classification = choices.classification or own.classification
    breaks = choices.breaks or own.breaks
    if classification == "standard" and not breaks:
        classification = "quantile"
    return replace(
        own,
        classification=classification,
        breaks=breaks,
        ramp=choices.ramp or own.ramp,
        invert=choices.invert != own.invert,
        colors=() if choices.ramp else own.colors,
        labels=own.labels if classification == "standard" and not choices.breaks else (),
    )


def validate(choices: StyleChoices) -> None:
    """Raise :class:`InvalidChoice` for words and numbers that no layer could be styled with."""
    if choices.classification and choices.classification not in CLASSIFICATIONS:
        raise InvalidChoice(
            f"There is no classification “{choices.classification}”; "
            f"there are: {', '.join(CLASSIFICATIONS)}."
        )
    if choices.classes is not None and not 2 <= choices.classes <= 50:
        raise InvalidChoice(f"CLASSES must be between 2 and 50, not {choices.classes}.")
    if choices.ramp:
        ramp_of(choices.ramp, invert=False)


def parse_breaks(text: str) -> tuple[float, ...]:
    """Read class limits: ``0.05 0.1 0.2``, separated by spaces, commas or semicolons."""
    words = text.replace(",", " ").replace(";", " ").split()
    try:
        breaks = tuple(float(word) for word in words)
    except ValueError as error:
        raise InvalidChoice(
            f"CLASS_BREAKS must be numbers like “0.05 0.1 0.2”, not “{text}”."
        ) from error
    if not all(map(math.isfinite, breaks)):
        raise InvalidChoice(f"CLASS_BREAKS must be finite numbers, not “{text}”.")
    if len(set(breaks)) < len(breaks) or list(breaks) != sorted(breaks):
        raise InvalidChoice("CLASS_BREAKS must rise from one to the next.")
    return breaks


def apply(
    layer: QgsVectorLayer,
    first: int,
    table: Table,
    column: Column,
    style: Style,
    values: np.ndarray,
    choices: StyleChoices,
) -> None:
    """Give the layer a renderer for ``column``, whose values are at hand.

    ``first`` is the position of the table's first column in the layer: formats change names.
    """
    if layer.wkbType() == QgsWkbTypes.Type.NoGeometry:
        return
    names = {c.name: layer.fields()[first + i].name() for i, c in enumerate(table.columns)}
    field = names[column.name]
    few = column.type == INTEGER and not choices.classification and not choices.breaks
    few = few and len({v for v in values.tolist() if math.isfinite(v)}) <= FEW
    if style.categories or column.type not in (INTEGER, REAL) or few:
        renderer = _categorized(layer, field, style)
    else:
        classification = "breaks" if choices.breaks else style.classification
        limits = class_limits(values, classification, choices.classes, style.breaks, style.center)
        renderer = _graduated(layer, field, style, limits, column.unit, values)
    _set_order(renderer, names.get(style.order_by), layer.renderer())
    layer.setRenderer(renderer)


def _graduated(
    layer: QgsVectorLayer, field: str, style: Style, limits: list, unit: str, values: np.ndarray
) -> QgsGraduatedSymbolRenderer:
    import numpy as np

    ramp = _ramp(style)
    ranges = []
    zero = limits[:1] if style.classification == "logarithmic" else []
    if zero and zero[0][1] == 0:
        symbol = _symbol(layer, QColor(NO_VALUE), filled=False)
        ranges.append(QgsRendererRange(0.0, 0.0, symbol, zero[0][2]))
        limits = limits[1:]
    texts = [label + UNITS_IN_LABELS.get(unit, f" {unit}" if unit else "") for *_, label in limits]
    if len(style.labels) == len(limits):
        texts = list(style.labels)
    colors = _colors(style, ramp, limits)
    for (low, high, _), color, text in zip(limits, colors, texts):
        ranges.append(
            QgsRendererRange(low, high, _symbol(layer, color, overlap=bool(style.order_by)), text)
        )
    attribute = field if field.isidentifier() else QgsExpression.quotedColumnRef(field)
    if not np.isfinite(values).all():
        # a graduated renderer draws no NULL, but it does draw what an expression makes of it
        attribute = f"coalesce({QgsExpression.quotedColumnRef(field)}, 'inf')"
        infinite, missing = np.isinf(values).any(), np.isnan(values).any()
        text = "infinite or no value" if infinite and missing else "infinite"
        symbol = _symbol(layer, QColor(NO_VALUE))
        ranges.append(
            QgsRendererRange(math.inf, math.inf, symbol, text if infinite else "no value")
        )
        if np.isneginf(values).any():
            ranges.append(QgsRendererRange(-math.inf, -math.inf, symbol.clone(), "-infinite"))
    renderer = QgsGraduatedSymbolRenderer(attribute, ranges)
    renderer.setSourceColorRamp(ramp)
    return renderer


def styled_field(layer: QgsVectorLayer) -> str:
    """Return the name of the field that a layer is drawn by, "" if there is none or several."""
    renderer = layer.renderer()
    expression = renderer.legendClassificationAttribute() if renderer else ""
    if layer.fields().indexOf(expression) >= 0:  # a name may look like an expression
        return expression
    names = QgsExpression(expression).referencedColumns()
    return names.pop() if len(names) == 1 else ""


def _ramp(style: Style) -> QgsColorRamp:
    """Return the ramp of the style's own colours, else that of its name."""
    if not style.colors:
        return ramp_of(style.ramp, style.invert)
    first, *inner, last = (QColor(color) for color in style.colors)
    stops = [QgsGradientStop((i + 1) / (len(inner) + 1), c) for i, c in enumerate(inner)]
    ramp = QgsGradientColorRamp(first, last, False, stops)
    if style.invert:
        ramp.invert()
    return ramp


def _colors(style: Style, ramp: QgsColorRamp, limits: list) -> list[QColor]:
    """Return the colour of each class."""
    count, center = len(limits), style.center
    if center is None:
        return [ramp.color(_position(i, count)) for i in range(count)]
    below = sum(high <= center for _, high, _ in limits)
    above = sum(low >= center for low, _, _ in limits)
    # as many steps to either end: a class next to the middle is as pale below as above
    reach = 2 * max(below, above, 1)
    steps = [*range(-below, 0), *[0] * (count - below - above), *range(1, above + 1)]
    return [ramp.color(0.5 + step / reach) for step in steps]


def _set_order(renderer: QgsFeatureRenderer, field: str | None, before) -> None:
    """Draw large values of ``field`` on top; without one, in the order that there was before."""
    if field:
        name = QgsExpression.quotedColumnRef(field)
        clause = QgsFeatureRequest.OrderByClause(name, True, True)  # rising, NULL first
        renderer.setOrderBy(QgsFeatureRequest.OrderBy([clause]))
        renderer.setOrderByEnabled(True)
    elif before is not None and before.orderByEnabled():
        renderer.setOrderBy(before.orderBy())
        renderer.setOrderByEnabled(True)


def _position(i: int, count: int) -> float:
    return i / (count - 1) if count > 1 else 0.5


def _categorized(layer: QgsVectorLayer, field: str, style: Style) -> QgsCategorizedSymbolRenderer:
    entries = style.categories
    if not entries:
        index = layer.fields().indexOf(field)
        values = layer.uniqueValues(index, MANY + 2)
        found = [v for v in values if v is not None and v != NULL]
        numbers = all(isinstance(v, (int, float)) for v in found)
        found.sort(key=None if numbers else str)
        ramp = _ramp(style)
        shown = found[:MANY]
        entries = tuple(
            (v, str(v), ramp.color(_position(i, len(shown))).name()) for i, v in enumerate(shown)
        )
        # QGIS draws both with one category
        if len(found) > MANY:
            entries = (*entries, (None, "others", NO_VALUE))
        elif len(found) < len(values):
            entries = (*entries, (None, "no value", NO_VALUE))
    categories = [
        QgsRendererCategory(
            value, _symbol(layer, QColor(color), overlap=bool(style.order_by)), label
        )
        for value, label, color in entries
    ]
    return QgsCategorizedSymbolRenderer(field, categories)


def _symbol(layer: QgsVectorLayer, color: QColor, filled: bool = True, overlap: bool = False):
    kind = QgsWkbTypes.geometryType(layer.wkbType())
    fill = "solid" if filled else "no"
    if kind == QgsWkbTypes.GeometryType.PolygonGeometry:
        if overlap:
            # what has an order lies one on another: one sees through it, and where it ends
            return QgsFillSymbol.createSimple(
                {
                    "color": f"{color.red()},{color.green()},{color.blue()},{SEE_THROUGH}",
                    "outline_color": color.darker(130).name(),
                    "outline_width": "0.2",
                }
            )
        # edges of cells in the colour of the cell: neighbours make a surface
        return QgsFillSymbol.createSimple(
            {
                "color": color.name(),
                "style": fill,
                "outline_color": color.name(),
                "outline_width": "0.1",
            }
        )
    if kind == QgsWkbTypes.GeometryType.LineGeometry:
        width = "0.6" if filled else "0.2"
        return QgsLineSymbol.createSimple({"color": color.name(), "width": width})
    size = _point_size(layer.featureCount())
    if not filled:
        return QgsMarkerSymbol.createSimple(
            {
                "name": "circle",
                "color": "0,0,0,0",
                "outline_color": color.name(),
                "outline_width": "0.1",
                "size": f"{0.64 * size:.2f}",
            }
        )
    # small and without an edge: a dense grid reads as a surface
    return QgsMarkerSymbol.createSimple(
        {"name": "circle", "color": color.name(), "outline_style": "no", "size": f"{size:.2f}"}
    )


def _point_size(count: int) -> float:
    """Return millimetres: on a map of so many points as wide as a page they touch each other."""
    return min(LARGEST_POINT, max(SMALLEST_POINT, PAGE / math.sqrt(max(count, 1))))


def store(layer: QgsVectorLayer) -> str:
    """Store the layer's style where QGIS finds it when the layer is loaded again.

    In a GeoPackage as its default style, beside other files as .qml. Returns what went wrong,
    "" for nothing.
    """
    if layer.providerType() == "memory":
        return ""
    if ".gpkg" in layer.source().lower():
        # QGIS asks in a window whether to overwrite a style of that name, also where none can show
        count, ids, names, *_ = layer.listStylesInDatabase()
        for number, name in list(zip(ids, names))[: max(count, 0)]:
            if name == STYLE_NAME:
                layer.deleteStyleFromDatabase(number)
        # QGIS 3.44 warns of the calls that 3.22 has
        save = getattr(layer, "saveStyleToDatabaseV2", layer.saveStyleToDatabase)
        answer = save(STYLE_NAME, "", True, "")
        return (answer if isinstance(answer, str) else answer[1]) or ""
    newer = Qgis.QGIS_VERSION_INT >= 32600
    categories = [QgsMapLayer.StyleCategory.AllStyleCategories] if newer else []
    message, good = layer.saveDefaultStyle(*categories)
    return "" if good else message
