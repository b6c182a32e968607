"""The renderer of a layer: classes, colours and symbols of a :class:`Drawing`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsColorRamp,
    QgsExpression,
    QgsFeatureRenderer,
    QgsFeatureRequest,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsGraduatedSymbolRenderer,
    QgsRendererCategory,
    QgsRendererRange,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

from ..compat import is_null
from ..outputs.core.lazy import Array, np
from ..outputs.core.table import AT_END, INTEGER, REAL, Column, Style, beyond_curves
from .classes import Limits, class_limits, number, within
from .style import Drawing, ramp_of
from .symbols import NO_COLOR, NO_VALUE, end_symbol, symbol_of

FEW = 12  # whole numbers up to so many are each drawn in their own colour
MANY = 50  # categories of a legend; what is beyond is drawn as one
AT_CURVES_END = 1e9  # what stands for a value there in an expression; no ground motion is so large
UNITS_IN_LABELS = {"°": "°", **dict.fromkeys(("intensity", "probability", "fraction", "0/1"), "")}


def apply(
    layer: QgsVectorLayer, first: int, columns: Sequence[Column], drawing: Drawing, values: Array
) -> None:
    """Give the layer its renderer; ``values`` are those of the column that is drawn.

    ``first`` is the position of the first column in the layer: formats change names.
    """
    if layer.wkbType() == QgsWkbTypes.Type.NoGeometry:
        return
    names = {c.name: layer.fields()[first + i].name() for i, c in enumerate(columns)}
    renderer: QgsFeatureRenderer
    if _is_categorized(drawing, values):
        renderer = _categorized(layer, names[drawing.column.name], drawing.style)
    else:
        renderer = _graduated(layer, names, drawing, values)
    _set_order(renderer, _order(names, drawing), layer.renderer())
    layer.setRenderer(renderer)


def _is_categorized(drawing: Drawing, values: Array) -> bool:
    if drawing.style.categories or drawing.column.type not in (INTEGER, REAL):
        return True
    if drawing.column.type != INTEGER or drawing.classified:
        return False
    return len({v for v in values.tolist() if math.isfinite(v)}) <= FEW


def _order(names: dict[str, str], drawing: Drawing) -> str:
    """Return the expression that features are drawn by, the largest on top; "" for none."""
    column, style = drawing.column, drawing.style
    if style.order_by not in names:
        return ""
    order = QgsExpression.quotedColumnRef(names[style.order_by])
    if style.order_by != column.name or column.type in (INTEGER, REAL):
        return order
    # categories rise from the first to the last
    ranks = ", ".join(QgsExpression.quotedString(str(v)) for v, *_ in style.categories)
    return f"array_find(array({ranks}), {order})"


def _graduated(
    layer: QgsVectorLayer, names: dict[str, str], drawing: Drawing, values: Array
) -> QgsGraduatedSymbolRenderer:
    column, style = drawing.column, drawing.style
    below, above = beyond_curves(values, column)
    if column.ends and "imt" not in names:
        above = np.zeros(len(values), bool)  # nobody can tell whose curves end there
    # at the end of one IMT's curves there may be a value of another
    beyond = below if column.ends else below | above
    limits = class_limits(
        values[~beyond] if beyond.any() else values,
        "breaks" if drawing.own_breaks else style.classification,
        drawing.classes,
        style.breaks,
        style.center,
    )
    ramp = _ramp(style)
    unit = UNITS_IN_LABELS.get(column.unit, f" {column.unit}" if column.unit else "")
    ranges = []
    if below.any():
        ranges.append(_below(layer, column, values[below], unit))
    ends = column.lowest if below.any() else None, column.highest if above.any() else None
    ranges += _classes(layer, style, ramp, limits, ends, unit)
    plain = names[column.name]
    attribute = quoted = QgsExpression.quotedColumnRef(plain)
    if above.any():
        ranges.append(_above(layer, column, values[above], unit))
        if column.highest is None:
            attribute = _of_curves(attribute, column, names)
    if not np.isfinite(values).all():
        # a graduated renderer draws no NULL, but it does draw what an expression makes of it
        attribute = f"coalesce({attribute}, 'inf')"
        ranges += _not_finite(layer, values)
    if plain.isidentifier() and attribute == quoted:
        attribute = plain
    renderer = QgsGraduatedSymbolRenderer(attribute, ranges)
    renderer.setSourceColorRamp(ramp)
    return renderer


def _classes(
    layer: QgsVectorLayer,
    style: Style,
    ramp: QgsColorRamp,
    limits: Limits,
    ends: tuple[float | None, float | None],
    unit: str,
) -> list[QgsRendererRange]:
    """Return the classes between the ends of the curves; zero as a class of its own, unfilled."""
    ranges = []
    if style.classification == "logarithmic" and limits and limits[0][1] == 0:
        symbol = symbol_of(layer, NO_COLOR, filled=False)
        ranges.append(QgsRendererRange(0.0, 0.0, symbol, limits[0][2]))
        limits = limits[1:]
    own = len(style.labels) == len(limits)
    classes = [
        (low, high, style.labels[i] if own else label, color)
        for i, ((low, high, label), color) in enumerate(zip(limits, _colors(style, ramp, limits)))
    ]
    for low, high, label, color in within(classes, *ends):
        symbol = symbol_of(layer, color, overlap=bool(style.order_by))
        ranges.append(QgsRendererRange(low, high, symbol, label if own else label + unit))
    return ranges


def _below(layer: QgsVectorLayer, column: Column, values: Array, unit: str) -> QgsRendererRange:
    """Return the class of values of which is known only that they are below the curves."""
    low, top, text = 0.0, 0.0, "below the curves"
    if column.lowest is not None:
        low, top = float(values.min()), column.lowest * (1 - AT_END)
        text = f"below {number(column.lowest)}{unit}"
    return QgsRendererRange(low, top, end_symbol(layer, -1), text)


def _above(layer: QgsVectorLayer, column: Column, values: Array, unit: str) -> QgsRendererRange:
    """Return the class of values at the end of the curves or above."""
    low, top, text = AT_CURVES_END, AT_CURVES_END, "limit of the curves, or more"
    if column.highest is not None:
        low, top = column.highest * (1 - AT_END), float(values.max())
        text = f"≥ {number(column.highest)}{unit}, limit of the curves"
    return QgsRendererRange(low, top, end_symbol(layer, 1), text)


def _not_finite(layer: QgsVectorLayer, values: Array) -> list[QgsRendererRange]:
    infinite, missing = np.isinf(values).any(), np.isnan(values).any()
    text = "infinite or no value" if infinite and missing else "infinite"
    symbol = symbol_of(layer, NO_COLOR)
    ranges = [QgsRendererRange(math.inf, math.inf, symbol, text if infinite else "no value")]
    if np.isneginf(values).any():
        ranges.append(QgsRendererRange(-math.inf, -math.inf, symbol.clone(), "-infinite"))
    return ranges


def _of_curves(value: str, column: Column, names: dict[str, str]) -> str:
    """Return an expression that is AT_CURVES_END where the curves of a row's IMT end."""
    tops = ", ".join(
        f"{QgsExpression.quotedString(imt)}, {highest * (1 - AT_END)!r}"
        for imt, _, highest in column.ends
    )
    imt = QgsExpression.quotedColumnRef(names["imt"])
    return f"if({value} >= map_get(map({tops}), {imt}), {AT_CURVES_END!r}, {value})"


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


def _colors(style: Style, ramp: QgsColorRamp, limits: Limits) -> list[QColor]:
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


def _set_order(
    renderer: QgsFeatureRenderer, expression: str, before: QgsFeatureRenderer | None
) -> None:
    """Draw large values on top; without an expression, in the order that there was before."""
    if expression:
        clause = QgsFeatureRequest.OrderByClause(expression, True, True)  # rising, NULL first
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
        found = [v for v in values if not is_null(v)]
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
            value, symbol_of(layer, QColor(color), overlap=bool(style.order_by)), label
        )
        for value, label, color in entries
    ]
    return QgsCategorizedSymbolRenderer(field, categories)
