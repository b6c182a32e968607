"""An algorithm with nothing but a sink, and small tables for it."""

from __future__ import annotations

import numpy as np
from qgis.core import QgsProcessingAlgorithm, QgsProcessingParameterFeatureSink

from oq_processing.outputs.core.table import (
    INTEGER,
    POINT,
    REAL,
    TEXT,
    Column,
    Table,
    blocks_of,
    point_array,
)


class Writer(QgsProcessingAlgorithm):
    """An algorithm with nothing but a sink."""

    def name(self):
        return "writer"

    def displayName(self):  # noqa: N802
        return "writer"

    def createInstance(self):  # noqa: N802
        return Writer()

    def initAlgorithm(self, configuration=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterFeatureSink("OUTPUT", "Layer"))


def table_of(rows=3, geometry=POINT, **columns) -> Table:
    """Return a table of the given columns, at the points (0, 0), (1, 1), …"""
    columns = columns or {"lon": [10.0, 11.0, 12.0], "lat": [0.0, 0.5, 1.0], "v": [1.5, 2.5, 3.5]}
    arrays = [np.array(values) for values in columns.values()]
    kinds = {"i": INTEGER, "u": INTEGER, "f": REAL}
    about = tuple(Column(name, kinds.get(a.dtype.kind, TEXT)) for name, a in zip(columns, arrays))
    xy = point_array(np.arange(rows), np.arange(rows)) if geometry == POINT else None
    return Table("a table", about, rows, lambda: blocks_of(arrays, xy), geometry)
