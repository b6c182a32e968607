"""What differs by version of QGIS or Qt, and nothing else: the types of fields, and NULL."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis
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
