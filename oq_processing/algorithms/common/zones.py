"""The user's polygons: kept unchanged, and written with more columns beside their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from qgis.core import (
    Qgis,
    QgsFeatureRequest,
    QgsField,
    QgsGeometry,
    QgsProcessingFeatureSource,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

from ... import compat
from ...compat import is_null
from ...layers import style
from ...layers.publish import publish
from ...outputs.core.lazy import Array, np
from ...outputs.core.table import (
    BOOLEAN,
    INTEGER,
    REAL,
    TEXT,
    Block,
    Column,
    ColumnType,
    Table,
    rows_per_block,
)
from . import parameters as p
from .run import Run
from .values import InvalidParameter, Values

ZONES = "ZONES"

_SHAPES = {
    "point": QgsWkbTypes.GeometryType.PointGeometry,
    "polygon": QgsWkbTypes.GeometryType.PolygonGeometry,
}


@dataclass(frozen=True)
class Zone:
    """A polygon of the user with its attributes."""

    geometry: QgsGeometry
    attributes: list[Any]


def read_layer(values: Values, name: str, shape: str) -> QgsProcessingFeatureSource:
    """Return the layer of a parameter; raises :class:`InvalidParameter` if it is not as wanted.

    ``shape`` is point or polygon.
    """
    parameters = values.parameters
    source = values.algorithm.parameterAsSource(parameters, name, values.context)
    if source is None:
        raise InvalidParameter(f"{name} is no {shape} layer: {parameters.get(name)}.")
    if QgsWkbTypes.geometryType(source.wkbType()) != _SHAPES[shape]:
        raise InvalidParameter(f"{name} must hold {shape}s; {source.sourceName()} does not.")
    if not source.sourceCrs().isValid():
        raise InvalidParameter(f"{name} has no coordinate system: {source.sourceName()}.")
    # QGIS's own check throws through a loop of Python at an invalid or empty geometry, and crashes
    # later: the geometries are checked where they are used
    source.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryNoCheck)
    return source


def read_zones(source: QgsProcessingFeatureSource) -> list[Zone]:
    """Return all polygons with their attributes."""
    return [Zone(QgsGeometry(f.geometry()), f.attributes()) for f in source.getFeatures()]


@dataclass(frozen=True)
class OwnColumns:
    """The fields of the zones as columns, and how their attributes become values of such."""

    columns: tuple[Column, ...]
    readers: tuple[tuple[int, Callable[[Any], object]], ...]

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

    def blocks(self, zones: Sequence[Zone], values: Sequence[Array]) -> Iterator[Block]:
        """Yield the zones with ``values``, one array of as many rows for each further column."""
        size = rows_per_block(len(self.columns) + len(values))
        for start in range(0, len(zones), size):
            part = zones[start : start + size]
            arrays: list[Array] = []
            for position, convert in self.readers:
                array = np.empty(len(part), dtype=object)
                array[:] = [_converted(zone.attributes[position], convert) for zone in part]
                arrays.append(array)
            arrays += [v[start : start + len(part)] for v in values]
            yield Block(tuple(arrays), wkb=[_multi(zone.geometry) for zone in part])


def own_columns(source: QgsProcessingFeatureSource) -> OwnColumns:
    """Return the fields of the zones, all but ``fid``."""
    columns, readers = [], []
    for i, field in enumerate(source.fields()):
        if field.name().lower() == "fid":  # the row number of a GeoPackage: the output has its own
            continue
        type_, convert = _type_of(field)
        columns.append(Column(field.name(), type_, field.alias() or field.name()))
        readers.append((i, convert))
    return OwnColumns(tuple(columns), tuple(readers))


def write_zones(
    run: Run[Any], table: Table, drawing: style.Drawing | None, source: QgsProcessingFeatureSource
) -> str:
    """Write zones in their own coordinate system; return the layer's id or source.

    Progress goes from 80 to 100 %.
    """
    wkb_type: Qgis.WkbType = QgsWkbTypes.multiType(QgsWkbTypes.flatType(source.wkbType()))
    target = run.values.target(p.OUTPUT)
    return publish(
        target, table, run.report, (80, 100), drawing, wkb_type=wkb_type, crs=source.sourceCrs()
    )


def _converted(value: Any, convert: Callable[[Any], object]) -> object:
    return None if is_null(value) else convert(value)


def _multi(geometry: QgsGeometry) -> bytes:
    if geometry.isNull():
        return QgsGeometry.fromWkt("MultiPolygon EMPTY").asWkb().data()
    copy = QgsGeometry(geometry)
    shape = copy.get()
    shape.dropZValue()
    shape.dropMValue()
    copy.convertToMultiType()
    return copy.asWkb().data()


def _type_of(field: QgsField) -> tuple[ColumnType, Callable[[Any], object]]:
    """Return the column type of a zone's field, and how its values become such."""
    if field.type() == compat.BOOL:
        return BOOLEAN, bool
    if field.type() in compat.INTEGERS:
        return INTEGER, int
    return (REAL, float) if field.isNumeric() else (TEXT, _text)


def _text(value: object) -> str:
    if isinstance(value, (QDate, QDateTime, QTime)):
        return str(value.toString(Qt.DateFormat.ISODate))
    return str(value)
