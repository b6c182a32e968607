"""How a layer is drawn: classes, colours, symbols; stored with the layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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
    QgsStyle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

from .. import compat
from ..engine.errors import InvalidChoice
from ..outputs.core.table import AT_END, INTEGER, REAL, Column, Style, Table, beyond_curves
from .classes import CLASSIFICATIONS, class_limits, number, within
from .symbols import NO_COLOR, NO_VALUE, end_symbol, symbol_of

if TYPE_CHECKING:
    import numpy as np

FEW = 12  # whole numbers up to so many are each drawn in their own colour
MANY = 50  # categories of a legend; what is beyond is drawn as one
AT_CURVES_END = 1e9  # what stands for a value there in an expression; no ground motion is so large
UNITS_IN_LABELS = {"°": "°", **dict.fromkeys(("intensity", "probability", "fraction", "0/1"), "")}
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
        on_top = own.order_by if own else ""
        if own and on_top == own.field and table.column(field).type in (INTEGER, REAL):
            on_top = field
        own = Style(field, ramp=own.ramp if own else "Viridis", order_by=on_top)
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
        renderer = _graduated(layer, names, column, style, values, choices)
    order = names.get(style.order_by)
    if order and style.order_by == column.name and column.type not in (INTEGER, REAL):
        # categories rise from the first to the last
        ranks = ", ".join(QgsExpression.quotedString(str(v)) for v, *_ in style.categories)
        clause = f"array_find(array({ranks}), {QgsExpression.quotedColumnRef(order)})"
    else:
        clause = QgsExpression.quotedColumnRef(order) if order else ""
    _set_order(renderer, clause, layer.renderer())
    layer.setRenderer(renderer)


def _graduated(
    layer: QgsVectorLayer,
    names: dict[str, str],
    column: Column,
    style: Style,
    values: np.ndarray,
    choices: StyleChoices,
) -> QgsGraduatedSymbolRenderer:
    import numpy as np

    below, above = beyond_curves(values, column)
    if column.ends and "imt" not in names:
        above = np.zeros(len(values), bool)  # nobody can tell whose curves end there
    # at the end of one IMT's curves there may be a value of another
    beyond = below if column.ends else below | above
    classification = "breaks" if choices.breaks else style.classification
    limits = class_limits(
        values[~beyond] if beyond.any() else values,
        classification,
        choices.classes,
        style.breaks,
        style.center,
    )
    ramp = _ramp(style)
    unit = UNITS_IN_LABELS.get(column.unit, f" {column.unit}" if column.unit else "")
    ranges = []
    if below.any():
        low, bottom, text = 0.0, 0.0, "below the curves"
        if column.lowest is not None:
            low, bottom = float(values[below].min()), column.lowest * (1 - AT_END)
            text = f"below {number(column.lowest)}{unit}"
        ranges.append(QgsRendererRange(low, bottom, end_symbol(layer, -1), text))
    zero = limits[:1] if style.classification == "logarithmic" else []
    if zero and zero[0][1] == 0:
        symbol = symbol_of(layer, NO_COLOR, filled=False)
        ranges.append(QgsRendererRange(0.0, 0.0, symbol, zero[0][2]))
        limits = limits[1:]
    own = len(style.labels) == len(limits)
    classes = [
        (low, high, style.labels[i] if own else label, color)
        for i, ((low, high, label), color) in enumerate(zip(limits, _colors(style, ramp, limits)))
    ]
    ends = column.lowest if below.any() else None, column.highest if above.any() else None
    for low, high, label, color in within(classes, *ends):
        symbol = symbol_of(layer, color, overlap=bool(style.order_by))
        ranges.append(QgsRendererRange(low, high, symbol, label if own else label + unit))
    attribute = QgsExpression.quotedColumnRef(names[column.name])
    if above.any():
        low, high, text = AT_CURVES_END, AT_CURVES_END, "limit of the curves, or more"
        if column.highest is not None:
            low, high = column.highest * (1 - AT_END), float(values[above].max())
            text = f"≥ {number(column.highest)}{unit}, limit of the curves"
        else:
            attribute = _of_curves(attribute, column, names)
        ranges.append(QgsRendererRange(low, high, end_symbol(layer, 1), text))
    if not np.isfinite(values).all():
        # a graduated renderer draws no NULL, but it does draw what an expression makes of it
        attribute = f"coalesce({attribute}, 'inf')"
        infinite, missing = np.isinf(values).any(), np.isnan(values).any()
        text = "infinite or no value" if infinite and missing else "infinite"
        symbol = symbol_of(layer, NO_COLOR)
        ranges.append(
            QgsRendererRange(math.inf, math.inf, symbol, text if infinite else "no value")
        )
        if np.isneginf(values).any():
            ranges.append(QgsRendererRange(-math.inf, -math.inf, symbol.clone(), "-infinite"))
    plain = names[column.name]
    if plain.isidentifier() and attribute == QgsExpression.quotedColumnRef(plain):
        attribute = plain
    renderer = QgsGraduatedSymbolRenderer(attribute, ranges)
    renderer.setSourceColorRamp(ramp)
    return renderer


def _of_curves(value: str, column: Column, names: dict[str, str]) -> str:
    """Return an expression that is AT_CURVES_END where the curves of a row's IMT end."""
    tops = ", ".join(
        f"{QgsExpression.quotedString(imt)}, {highest * (1 - AT_END)!r}"
        for imt, _, highest in column.ends
    )
    imt = QgsExpression.quotedColumnRef(names["imt"])
    return f"if({value} >= map_get(map({tops}), {imt}), {AT_CURVES_END!r}, {value})"


def styled_field(layer: QgsVectorLayer) -> str:
    """Return the name of the field that a layer is drawn by, "" if there is none."""
    renderer = layer.renderer()
    expression = renderer.legendClassificationAttribute() if renderer else ""
    if layer.fields().indexOf(expression) >= 0:  # a name may look like an expression
        return expression
    # the first that stands there: an expression of the styles here begins with it
    names = sorted(QgsExpression(expression).referencedColumns(), key=expression.find)
    return names[0] if len(names) == 1 or "map_get(" in expression else ""


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


def _set_order(renderer: QgsFeatureRenderer, expression: str, before) -> None:
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
        found = [v for v in values if not compat.is_null(v)]
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
        return compat.save_style_in_database(layer, STYLE_NAME)
    return compat.save_style_in_file(layer)
