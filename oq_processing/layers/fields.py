"""Columns as QGIS fields."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields

from .. import compat
from ..outputs.core.table import BOOLEAN, DATETIME, INTEGER, REAL, TEXT, Table
from .metadata import harmless

# what formats use themselves: QGIS drops rows in silence when a field collides with them
_RESERVED = {"fid", "ogc_fid", "geom", "geometry", "shape"}

_TYPES = {
    INTEGER: compat.LONG,
    REAL: compat.DOUBLE,
    TEXT: compat.TEXT,
    DATETIME: compat.DATETIME,
    BOOLEAN: compat.BOOL,
}


def fields_of(table: Table) -> tuple[QgsFields, list[str]]:
    """Return the fields for a table's columns, and a sentence for each name that was changed.

    Names that a format uses itself, and names alike but for case, get a number; none is HTML.
    """
    fields, renamed = QgsFields(), []
    taken = set(_RESERVED)
    for column in table.columns:
        first, number = harmless(column.name), 1
        name = first
        while name.lower() in taken:
            number += 1
            name = f"{first}_{number}"
        if name != column.name:
            renamed.append(f"The column “{column.name}” is stored as “{name}”.")
        taken.add(name.lower())
        fields.append(QgsField(name, _TYPES[column.type]))
    return fields, renamed
