"""Columns as QGIS fields."""

from __future__ import annotations

from qgis.core import Qgis, QgsField, QgsFields
from qgis.PyQt.QtCore import QVariant

from ..outputs.table import BOOLEAN, DATETIME, INTEGER, REAL, TEXT, Table

# what formats use themselves: QGIS drops rows in silence when a field collides with them
_RESERVED = {"fid", "ogc_fid", "geom", "geometry", "shape"}


def _types() -> dict:
    if Qgis.QGIS_VERSION_INT >= 33800:
        from qgis.PyQt.QtCore import QMetaType

        types = QMetaType.Type
        return {
            INTEGER: types.LongLong,
            REAL: types.Double,
            TEXT: types.QString,
            DATETIME: types.QDateTime,
            BOOLEAN: types.Bool,
        }
    return {
        INTEGER: QVariant.LongLong,
        REAL: QVariant.Double,
        TEXT: QVariant.String,
        DATETIME: QVariant.DateTime,
        BOOLEAN: QVariant.Bool,
    }


def fields_of(table: Table) -> tuple[QgsFields, list[str]]:
    """Return the fields for a table's columns, and a sentence for each name that was changed.

    Names that a format uses itself, and names alike but for case, get a number.
    """
    types = _types()
    fields, renamed = QgsFields(), []
    taken = set(_RESERVED)
    for column in table.columns:
        name, number = column.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{column.name}_{number}"
        if name != column.name:
            renamed.append(f"The column “{column.name}” is stored as “{name}”.")
        taken.add(name.lower())
        fields.append(QgsField(name, types[column.type]))
    return fields, renamed
