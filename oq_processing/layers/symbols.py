"""The symbols of a layer's classes: points, lines, polygons and cells."""

from __future__ import annotations

import math

from qgis.core import (
    QgsFillSymbol,
    QgsLineSymbol,
    QgsMarkerSymbol,
    QgsSymbol,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

NO_VALUE = "#9e9e9e"  # also zero, as an edge, and what a legend has no room for
NO_COLOR = QColor(NO_VALUE)
BELOW, ABOVE = "#5f5f5f", "#000000"  # the curves that values were read from
SEE_THROUGH = 40  # of 255
LARGEST_POINT, SMALLEST_POINT, PAGE = 2.2, 0.7, 150.0  # millimetres


def symbol_of(
    layer: QgsVectorLayer, color: QColor, filled: bool = True, overlap: bool = False
) -> QgsSymbol:
    """Return the symbol of a class: a small dot, a cell without an edge, a line.

    ``overlap`` is for polygons that lie one on another.
    """
    geometry = QgsWkbTypes.geometryType(layer.wkbType())
    fill = "solid" if filled else "no"
    if geometry == QgsWkbTypes.GeometryType.PolygonGeometry:
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
    if geometry == QgsWkbTypes.GeometryType.LineGeometry:
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


def end_symbol(layer: QgsVectorLayer, end: int) -> QgsSymbol:
    """Return the symbol of what is beyond its curve, as no colour of a ramp says that.

    Below (-1) it is hollow, above (1) a triangle that points up, or a hatched cell.
    """
    fill, color = ("no", BELOW) if end < 0 else ("b_diagonal", ABOVE)
    geometry = QgsWkbTypes.geometryType(layer.wkbType())
    if geometry == QgsWkbTypes.GeometryType.PolygonGeometry:
        edge = {"outline_color": color, "outline_width": "0.1"}
        return QgsFillSymbol.createSimple({"color": color, "style": fill, **edge})
    size = f"{_point_size(layer.featureCount()):.2f}"
    if end < 0:
        edge = {"outline_color": color, "outline_width": "0.15"}
        return QgsMarkerSymbol.createSimple(
            {"name": "circle", "color": "0,0,0,0", "size": size, **edge}
        )
    return QgsMarkerSymbol.createSimple(
        {"name": "triangle", "color": color, "outline_style": "no", "size": size}
    )


def _point_size(count: int) -> float:
    """Return millimetres: on a map of so many points as wide as a page they touch each other."""
    return min(LARGEST_POINT, max(SMALLEST_POINT, PAGE / math.sqrt(max(count, 1))))
