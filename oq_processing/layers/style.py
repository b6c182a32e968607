"""How a layer is drawn: classes, colours, symbols; stored with the layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsExpression,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsLineSymbol,
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
from .classes import CLASSIFICATIONS, class_limits, number

if TYPE_CHECKING:
    import numpy as np

FEW = 12  # whole numbers up to so many are each drawn in their own colour
MANY = 50  # categories of a legend; what is beyond is drawn as one
OTHERS = "#9e9e9e"
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
    same = own is not None and own.field == field
    classification = choices.classification or (own.classification if same else "quantile")
    breaks = choices.breaks or (own.breaks if same else ())
    if classification == "standard" and not breaks:
        classification = "quantile"
    return Style(
        field=field,
        classification=classification,
        breaks=breaks,
        ramp=choices.ramp or (own.ramp if own else "Viridis"),
        invert=choices.invert != (own.invert if own else False),
        categories=own.categories if same and own else (),
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
    field = layer.fields()[first + table.columns.index(column)].name()
    distinct = [v for v in set(values.tolist()) if math.isfinite(v)]
    few = column.type == INTEGER and len(distinct) <= FEW
    few = few and not choices.classification and not choices.breaks
    if style.categories or column.type not in (INTEGER, REAL) or few:
        layer.setRenderer(_categorized(layer, field, style))
        return
    limits = class_limits(
        values,
        "breaks" if choices.breaks else style.classification,
        choices.classes,
        style.breaks,
    )
    ramp = ramp_of(style.ramp, style.invert)
    ranges = []
    if style.classification == "logarithmic" and not choices.breaks:
        zero, limits = _without_zero(limits)
        if zero:
            symbol = _symbol(layer, QColor(OTHERS), filled=False)
            ranges.append(QgsRendererRange(0.0, 0.0, symbol, "0"))
    for i, (low, high, label) in enumerate(limits):
        symbol = _symbol(layer, ramp.color(_position(i, len(limits))))
        ranges.append(QgsRendererRange(low, high, symbol, label))
    name = field if field.isidentifier() else QgsExpression.quotedColumnRef(field)
    renderer = QgsGraduatedSymbolRenderer(name, ranges)
    renderer.setSourceColorRamp(ramp)
    layer.setRenderer(renderer)


def _without_zero(limits: list) -> tuple[bool, list]:
    """Tell whether the first class holds the zeros, and return the classes of what is not zero."""
    if not limits or limits[0][0] != 0:
        return False, limits
    high = limits[0][1]
    # where all that is not zero is one value, it ends the class of the zeros
    return True, limits[1:] or ([(high, high, number(high))] if high else [])


def _position(i: int, count: int) -> float:
    return i / (count - 1) if count > 1 else 0.5


def _categorized(layer: QgsVectorLayer, field: str, style: Style) -> QgsCategorizedSymbolRenderer:
    entries = style.categories
    if not entries:
        index = layer.fields().indexOf(field)
        found = [v for v in layer.uniqueValues(index, MANY + 1) if v is not None and v != NULL]
        numbers = all(isinstance(v, (int, float)) for v in found)
        found.sort(key=None if numbers else str)
        ramp = ramp_of(style.ramp, style.invert)
        shown = found[:MANY]
        entries = tuple(
            (v, str(v), ramp.color(_position(i, len(shown))).name()) for i, v in enumerate(shown)
        )
        if len(found) > MANY:
            entries = (*entries, (None, "others", OTHERS))
    categories = [
        QgsRendererCategory(value, _symbol(layer, QColor(color)), label)
        for value, label, color in entries
    ]
    return QgsCategorizedSymbolRenderer(field, categories)


def _symbol(layer: QgsVectorLayer, color: QColor, filled: bool = True):
    kind = QgsWkbTypes.geometryType(layer.wkbType())
    fill = "solid" if filled else "no"
    if kind == QgsWkbTypes.GeometryType.PolygonGeometry:
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
        return QgsLineSymbol.createSimple({"color": color.name(), "width": "0.6"})
    if not filled:
        return QgsMarkerSymbol.createSimple(
            {
                "name": "circle",
                "color": "0,0,0,0",
                "outline_color": color.name(),
                "outline_width": "0.1",
                "size": "1.4",
            }
        )
    # small and without an edge: a dense grid reads as a surface
    return QgsMarkerSymbol.createSimple(
        {"name": "circle", "color": color.name(), "outline_style": "no", "size": "2.2"}
    )


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
        return layer.saveStyleToDatabase(STYLE_NAME, "", True, "") or ""
    message, good = layer.saveDefaultStyle()
    return "" if good else message
