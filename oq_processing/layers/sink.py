"""Write a table through a QGIS sink: fast, checked, never over a good file before it is whole."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any, Callable

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsProperty,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDateTime

from ..engine.errors import EngineError, Explained
from ..engine.files import disk_is_full
from ..outputs.core.lazy import Array, np
from ..outputs.core.table import DATETIME, LINE, POINT, POLYGON, Block, Column, Table
from .destination import Destination, Target
from .fields import fields_of
from .geopackage import first_table, reason_of
from .losses import Losses, changes_values
from .staging import DATABASES, STAGING, Staging, existing, staged

_WKB_TYPES = {
    POINT: QgsWkbTypes.Type.Point,
    LINE: QgsWkbTypes.Type.LineString,
    POLYGON: QgsWkbTypes.Type.Polygon,
}

FEW_LISTS = 300  # alive at a time: Python looks for garbage at every 700 new ones


@dataclass
class Written:
    """A finished layer: its id or source for the algorithm's result, and the layer itself."""

    destination: str
    layer: QgsVectorLayer
    renamed: list[str]


def write(
    target: Target,
    table: Table,
    finish: Callable[[QgsVectorLayer, int], None],
    progress: Callable[[float], None],
    wkb_type: Qgis.WkbType | None = None,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> Written:
    """Write the table to a sink and return the layer.

    Geometry is that of the table, in EPSG:4326, unless ``wkb_type`` and ``crs`` say otherwise.

    ``finish`` gets the layer and the position of the table's first column before a file takes its
    place, to store style and metadata with it. ``progress`` gets 0..1 and may raise to break off.
    A file or table appears under its name only when it is whole; an existing one stays until then.
    Raises :class:`EngineError` when something could not be written; nothing is left behind then.
    """
    fields, renamed = fields_of(table)
    if wkb_type is None:
        wkb_type = _WKB_TYPES.get(table.geometry, QgsWkbTypes.Type.NoGeometry)
        wkb_type = QgsWkbTypes.multiType(wkb_type) if table.multi else wkb_type
    has_geometry = wkb_type != QgsWkbTypes.Type.NoGeometry
    if crs is None:
        crs = QgsCoordinateReferenceSystem("EPSG:4326" if has_geometry else "")
    context, place = target.context, target.destination()
    if not has_geometry and place.path and _driver(place.path) == "ESRI Shapefile":
        raise EngineError(
            f"{place.text} cannot be a shapefile: the table has no geometry. "
            "Choose another format, such as .gpkg, .xlsx or .csv."
        )
    output = _Output(table, place, context)

    def write_all(staging: Staging) -> str:
        sink, written = _sink(_staged_target(target, staging), (fields, wkb_type, crs), place)
        failure = None
        losses = Losses(table) if place.path and changes_values(Path(written)) else None
        try:
            _write_rows(sink, losses.watched if losses else table, fields, progress, output)
        except Explained as error:
            # the frames of a traceback would hold the sink, and it the file
            failure = error.with_traceback(None)
        if failure is not None:
            with _spoiled(written) if place.path and not place.table else contextlib.nullcontext():
                del sink
            raise failure
        with output.watched():
            # only deleting it flushes the rest to the file
            del sink
        staging.written = existing(written)
        layer = output.open(staging.written)
        first, changed = output.check(layer, fields)
        renamed.extend(changed)
        if losses and (sentence := losses.sentence(layer, first, place.name, progress)):
            renamed.append(sentence)
        finish(layer, first)
        if place.path is not None:
            # its connection ends before the file or table gets its name
            del layer
            output.check_stored(staging.written)
        return written

    with staged(place) as staging:
        written = _released(write_all, staging)
    try:
        layer = output.open(staging.written)
    except EngineError as error:
        raise EngineError(
            f"{place.name} was written, but another program has changed it since."
        ) from error
    if place.path is not None:
        layer.loadDefaultMetadata()  # QGIS itself finds those of databases only
        details = context.layersToLoadOnCompletion()
        if written in details:
            details[staging.written] = details.pop(written)
            context.setLayersToLoadOnCompletion(details)
    return Written(staging.written, layer, renamed)


@dataclass
class _Output:
    """A table on its way to its place, and the ways to find out whether it has arrived there.

    ``trouble`` is what GDAL reported while nobody looked at its answers.
    """

    table: Table
    place: Destination
    context: QgsProcessingContext
    trouble: str = ""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the first failure that GDAL reports within the bodies."""
        from osgeo import gdal

        def keep(severity: int, _: int, message: str) -> None:
            if severity >= gdal.CE_Failure:
                self.trouble = self.trouble or message

        gdal.PushErrorHandler(keep)
        try:
            yield
        finally:
            gdal.PopErrorHandler()

    def failure(self, what: str, reason: str = "", advice: str = "") -> EngineError:
        """Return an error that says why, as far as the system and GDAL know it."""
        # without the folder of what is not complete yet
        reason = re.sub(rf"{STAGING}|\(OGR error: \)", "", reason or self.trouble)
        reason = reason_of(reason)
        if self.place.path is not None:
            folder = self.place.path.parent.absolute()
            if disk_is_full(folder, reason):
                return EngineError(f"{what}: the disk of {folder} is full.")
        return EngineError(f"{what}{f' ({reason})' if reason else ''}.{advice}")

    def open(self, written: str) -> QgsVectorLayer:
        """Return the layer that was written; raises :class:`EngineError` if it cannot be read."""
        layer = self.context.temporaryLayerStore().mapLayer(written)
        if not isinstance(layer, QgsVectorLayer):
            # the full source: without the layer's name a style is stored for nobody
            source = written
            path = Path(written)
            if path.suffix.lower() in DATABASES and "|" not in written:
                source = f"{written}|layername={first_table(path) or path.stem}"
            with self.watched():
                layer = QgsVectorLayer(source, self.table.title, "ogr")
        if not layer.isValid():
            advice = " If its format cannot hold this table, choose another, such as .gpkg."
            raise self.failure(
                f"{self.place.name} could not be written: QGIS cannot read it again",
                advice="" if ".gpkg" in written.lower() else advice,
            )
        return layer

    def check(self, layer: QgsVectorLayer, fields: QgsFields) -> tuple[int, list[str]]:
        """Return the position of the first column, and a sentence for each changed name.

        Raises :class:`EngineError` where columns or rows are missing.
        """
        columns, rows, text = len(self.table.columns), self.table.rows, self.place.text
        first = layer.fields().count() - columns
        if first < 0:
            raise EngineError(
                f"{text} has {layer.fields().count()} of {columns} columns; "
                "the format cannot hold them."
            )
        if layer.featureCount() != rows:
            found = f"{layer.featureCount()} of {rows} rows were written to {text}"
            if self.trouble:
                raise self.failure(found)
            raise EngineError(f"{found}; the format cannot hold them.")
        stored = [field.name() for field in layer.fields()][first:]
        if any(field.name() in stored[at + 1 :] for at, field in enumerate(fields)):
            raise EngineError(f"{text} has other columns; the format cannot hold the table's.")
        return first, [
            f"The column “{asked.name()}” is stored as “{got}”: the format cannot hold its name."
            for asked, got in zip(fields, stored)
            if asked.name() != got
        ]

    def check_stored(self, written: str) -> None:
        """Fail if what was stored with the rows is missing: nothing else reports a full disk."""
        layer = self.open(written)
        layer.loadDefaultMetadata()
        title = layer.metadata().title()
        if layer.featureCount() != self.table.rows or title != self.table.title:
            raise self.failure(
                f"{self.place.name} could not be written whole, with its style and origin"
            )


def _released(work: Callable[[Staging], str], staging: Staging) -> str:
    """Call ``work``; layers and sinks of its frames, which hold a file or table, end with it."""
    try:
        return work(staging)
    except Explained as error:
        failure = error.with_traceback(None)
    raise failure


def _sink(target: Target, form: tuple[Any, ...], place: Destination) -> tuple[Any, str]:
    """Return a sink for fields, geometry type and reference system, and its destination."""
    try:
        sink, written = target.algorithm.parameterAsSink(
            target.parameters, target.name, target.context, *form
        )
    except QgsProcessingException as error:
        reason = str(error).partition(": ")[2]  # after the name that it is written under
        raise EngineError(f"{place.text} cannot be written as a layer ({reason}).") from None
    if sink is None:
        raise EngineError(f"{place.text} cannot be written as a layer.")
    return sink, written


@contextlib.contextmanager
def _spoiled(destination: str) -> Iterator[None]:
    """Empty a database that is not wanted any more: closing it fails within this, at once.

    Else its spatial index is made first, which takes many seconds for a million rows. Newer GDAL
    makes the index while rows come, in a thread that must not lose the file.
    """
    from osgeo import gdal

    path = Path(destination)
    old = int(gdal.VersionInfo("VERSION_NUM")) < 3_07_00_00
    if old and path.suffix.lower() in (".gpkg", ".sqlite"):
        # where the system does not allow it, closing only takes its time
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        yield
    finally:
        gdal.PopErrorHandler()


def _write_rows(
    sink: QgsFeatureSink,
    table: Table,
    fields: QgsFields,
    progress: Callable[[float], None],
    output: _Output,
) -> None:
    feature = QgsFeature(fields)
    written = 0
    # looked up once: these are called for every row
    set_attributes, set_geometry, add = feature.setAttributes, feature.setGeometry, sink.addFeature
    insert = QgsFeatureSink.Flag.FastInsert
    for block in table.blocks():
        # one feature used again, and lists of a small block: the fastest way through a sink
        rows = _rows(table.columns, block.values)
        for geometry, row in zip(_geometries(block), rows):
            if geometry is not None:
                set_geometry(geometry)
            set_attributes(row)
            if not add(feature, insert):
                _refused(sink, written, output)
            written += 1
        progress(written / max(table.rows, 1))
    if not sink.flushBuffer():
        _refused(sink, written, output)


def _geometries(block: Block) -> Iterable[QgsGeometry | None]:
    """Return the geometry of each row, None for ever where rows have none."""
    if block.xy is not None:
        from_xy, point, xy = QgsGeometry.fromPointXY, QgsPointXY, block.xy
        if np.isinf(xy).any():  # nowhere, as NaN, and not at the end of the map
            xy = np.where(np.isinf(xy).any(axis=1, keepdims=True), np.nan, xy)
        return (from_xy(point(x, y)) for x, y in xy.tolist())
    return repeat(None) if block.wkb is None else map(_of_wkb, block.wkb)


def _of_wkb(wkb: bytes) -> QgsGeometry:
    geometry = QgsGeometry()
    if wkb:
        geometry.fromWkb(wkb)
    return geometry


def _rows(columns: Sequence[Column], arrays: Sequence[Array]) -> Iterator[list[Any]]:
    """Yield arrays of columns as rows; NaN, which formats take in different ways, as None (NULL).

    All floats go through one matrix: an array of a few rows costs as much as one of thousands.
    """
    floats = [
        i for i, a in enumerate(arrays) if a.dtype.kind == "f" and columns[i].type != DATETIME
    ]
    cells: Array = np.empty((len(arrays[0]), len(floats)))
    for j, i in enumerate(floats):
        cells[:, j] = arrays[i]
    if (missing := np.isnan(cells)).any():
        cells = cells.astype(object)
        cells[missing] = None
    if len(floats) < len(arrays):
        numbers = cells
        cells = np.empty((len(arrays[0]), len(arrays)), dtype=object)
        cells[:, floats] = numbers
        for i in set(range(len(arrays))).difference(floats):
            cells[:, i] = _cells(columns[i], arrays[i])
    for start in range(0, len(cells), FEW_LISTS):
        yield from cells[start : start + FEW_LISTS].tolist()


def _cells(column: Column, values: Array) -> list[Any]:
    if column.type != DATETIME:
        return list(values.tolist())
    return [None if time is None else QDateTime(time) for time in values.tolist()]


def _refused(sink: QgsFeatureSink, written: int, output: _Output) -> None:
    what = f"The output could not be written beyond row {written}"
    raise output.failure(what, sink.lastError())


def _driver(path: Path) -> str:
    return str(QgsVectorFileWriter.driverForExtension(path.suffix))


def _staged_target(target: Target, staging: Staging) -> Target:
    """Return the target with the place of the staging as its value."""
    if staging.sink is None:
        return target
    value = target.parameters[target.name]
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        staged = QgsProcessingOutputLayerDefinition(value)
    else:
        staged = QgsProcessingOutputLayerDefinition()
    staged.sink = QgsProperty.fromValue(staging.sink)
    if staging.layer_options:
        options = {**staged.createOptions, "layerOptions": list(staging.layer_options)}
        staged.createOptions = options
    return replace(target, parameters={**target.parameters, target.name: staged})
