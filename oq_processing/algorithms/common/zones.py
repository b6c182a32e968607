"""The user's polygons: kept as they are, and written again with columns of ours beside theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qgis.core import QgsFeatureRequest, QgsFeatureSource, QgsGeometry, QgsWkbTypes
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

from ... import compat
from ...compat import is_null
from ...layers import metadata, sink, style
from ...layers.column_values import ColumnValues
from ...outputs.core.table import (
    BOOLEAN,
    INTEGER,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    rows_per_block,
)
from .parameters import InvalidParameter
from .reporter import Reporter

ZONES = "ZONES"

POINTS_WANTED = (QgsWkbTypes.GeometryType.PointGeometry, "point", "points")
POLYGONS_WANTED = (QgsWkbTypes.GeometryType.PolygonGeometry, "polygon", "polygons")


@dataclass(frozen=True)
class Zone:
    """A polygon of the user with its attributes."""

    geometry: QgsGeometry
    attributes: list


def read_layer(algorithm, parameters: dict, name: str, context, wanted) -> QgsFeatureSource:
    """Return the layer of a parameter; raises :class:`InvalidParameter` if it is not as wanted.

    ``wanted`` is POINTS_WANTED or POLYGONS_WANTED.
    """
    kind, what, several = wanted
    source = algorithm.parameterAsSource(parameters, name, context)
    if source is None:
        raise InvalidParameter(f"{name} is no {what} layer: {parameters.get(name)}.")
    if QgsWkbTypes.geometryType(source.wkbType()) != kind:
        raise InvalidParameter(f"{name} must hold {several}; {source.sourceName()} does not.")
    if not source.sourceCrs().isValid():
        raise InvalidParameter(f"{name} has no coordinate system: {source.sourceName()}.")
    # QGIS's own check throws through a loop of Python at an invalid or empty geometry, and crashes
    # later: the geometries are checked where they are used
    source.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryNoCheck)
    return source


def read_zones(source: QgsFeatureSource) -> list[Zone]:
    """Return all polygons with their attributes."""
    return [Zone(QgsGeometry(f.geometry()), f.attributes()) for f in source.getFeatures()]


@dataclass(frozen=True)
class OwnColumns:
    """The fields of the zones as columns, and how their attributes become values of such."""

    columns: tuple[Column, ...]
    readers: tuple

    def beside(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """Return ``columns`` with names that no field of the zones has; those get a number."""
        taken = {c.name.lower() for c in self.columns}
        found = []
        for column in columns:
            number, unique = 1, column.name
            while unique.lower() in taken:
                number += 1
                unique = f"{column.name}_{number}"
            taken.add(unique.lower())
            found.append(replace(column, name=unique))
        return tuple(found)

    def blocks(self, zones: Sequence[Zone], values: Sequence) -> Iterator[Block]:
        """Yield the zones with ``values``, one array of as many rows for each further column."""
        import numpy as np

        size = rows_per_block(len(self.columns) + len(values))
        for start in range(0, len(zones), size):
            part = zones[start : start + size]
            arrays = []
            for position, convert in self.readers:
                array = np.empty(len(part), dtype=object)
                array[:] = [_converted(zone.attributes[position], convert) for zone in part]
                arrays.append(array)
            arrays += [v[start : start + len(part)] for v in values]
            yield Block(tuple(arrays), wkb=[_multi(zone.geometry) for zone in part])


def own_columns(source: QgsFeatureSource) -> OwnColumns:
    """Return the fields of the zones, all but ``fid``."""
    columns, readers = [], []
    for i, field in enumerate(source.fields()):
        if field.name().lower() == "fid":  # the row number of a GeoPackage: the output has its own
            continue
        kind, convert = _type_of(field)
        columns.append(Column(field.name(), kind, field.alias() or field.name()))
        readers.append((i, convert))
    return OwnColumns(tuple(columns), tuple(readers))


@dataclass(frozen=True)
class ZoneLayer:
    """A table of zones on its way to a sink: drawn by ``style``, ``choices`` laid over it."""

    table: Table
    style: Style
    choices: style.StyleChoices
    source: QgsFeatureSource


def write_zones(
    algorithm, parameters: dict, name: str, context, report: Reporter, layer: ZoneLayer
) -> str:
    """Write zones in their own coordinate system, styled, and return the layer's id or source.

    Progress goes from 80 to 100 %.
    """
    collected = ColumnValues(layer.table, layer.style.field)

    def finish(written, first: int) -> None:
        metadata.describe(written, layer.table, first)
        column = layer.table.column(layer.style.field)
        values = collected.array()
        style.apply(written, first, layer.table, column, layer.style, values, layer.choices)
        for problem in (style.store(written), metadata.store(written)):
            if problem:
                report.warn(problem)

    def progress(share: float) -> None:
        report.wait.check()
        report.progress(80 + 20 * share)

    written = sink.write(
        algorithm,
        parameters,
        name,
        context,
        collected.table,
        finish,
        progress,
        QgsWkbTypes.multiType(QgsWkbTypes.flatType(layer.source.wkbType())),
        layer.source.sourceCrs(),
    )
    for sentence in written.renamed:
        report.warn(sentence)
    if context.willLoadLayerOnCompletion(written.destination):
        details = context.layerToLoadOnCompletionDetails(written.destination)
        details.name = layer.table.title
    return written.destination


def _converted(value, convert):
    return None if is_null(value) else convert(value)


def _multi(geometry: QgsGeometry) -> bytes:
    if geometry.isNull():
        return QgsGeometry.fromWkt("MultiPolygon EMPTY").asWkb().data()
    copy = QgsGeometry(geometry)
    copy.get().dropZValue()
    copy.get().dropMValue()
    copy.convertToMultiType()
    return copy.asWkb().data()


def _type_of(field):
    """Return the column type of a zone's field, and how its values become such."""
    if field.type() == compat.BOOL:
        return BOOLEAN, bool
    if field.type() in compat.INTEGERS:
        return INTEGER, int
    return (REAL, float) if field.isNumeric() else (TEXT, _text)


def _text(value) -> str:
    if isinstance(value, (QDate, QDateTime, QTime)):
        return value.toString(Qt.DateFormat.ISODate)
    return str(value)
