"""What differs by version of QGIS or Qt, and nothing else: types of fields, NULL, stored styles."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsVectorLayer
from qgis.PyQt.QtCore import NULL, QMetaType, QVariant

# Qt 6 has no QVariant.Type; QGIS takes QMetaType from 3.38 on, and warns about the other
_types: Any = QMetaType.Type if Qgis.QGIS_VERSION_INT >= 33800 else QVariant

BOOL = _types.Bool
LONG = _types.LongLong
DOUBLE = _types.Double
TEXT = _types.QString if Qgis.QGIS_VERSION_INT >= 33800 else _types.String
DATETIME = _types.QDateTime if Qgis.QGIS_VERSION_INT >= 33800 else _types.DateTime

INTEGERS = (_types.Int, _types.UInt, LONG, _types.ULongLong)
"""The types of a field that holds whole numbers."""


def is_null(value: object) -> bool:
    """Return whether an attribute is empty: NULL is None in QGIS 4, a QVariant before."""
    return value is None or value == NULL


def save_style_in_database(layer: QgsVectorLayer, name: str) -> str:
    """Store the layer's style as the default one of its table; returns what went wrong, or ""."""
    # QGIS 3.44 warns of the call that 3.22 has
    save: Any = getattr(layer, "saveStyleToDatabaseV2", None) or layer.saveStyleToDatabase
    answer = save(name, "", True, "")
    return (answer if isinstance(answer, str) else answer[1]) or ""


def save_style_in_file(layer: QgsVectorLayer) -> str:
    """Store the layer's style in a .qml file beside its file; returns what went wrong, or ""."""
    newer = Qgis.QGIS_VERSION_INT >= 32600
    save: Any = layer.saveDefaultStyle
    message, good = save(*([QgsMapLayer.StyleCategory.AllStyleCategories] if newer else []))
    return "" if good else message
