"""Write a table through a QGIS sink: fast, checked, never over a good file before it is whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsDataSourceUri,
    QgsFeature,
    QgsFeatureSink,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingOutputLayerDefinition,
    QgsProperty,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDateTime

from ..engine.errors import EngineError
from ..outputs.table import DATETIME, LINE, POINT, POLYGON, Column, Table
from .fields import fields_of

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
    algorithm,
    parameters: dict,
    name: str,
    context: QgsProcessingContext,
    table: Table,
    finish: Callable[[QgsVectorLayer, int], None],
    progress: Callable[[float], None],
    wkb_type: QgsWkbTypes.Type | None = None,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> Written:
    """Write the table to the sink parameter ``name`` and return the layer.

    Geometry is that of the table, in EPSG:4326, unless ``wkb_type`` and ``crs`` say otherwise.

    ``finish`` gets the layer and the position of the table's first column before a file takes its
    place, to store style and metadata with it. ``progress`` gets 0..1 and may raise to break off.
    A file appears under its name only when it is whole; one that was there before stays until then.
    Raises :class:`EngineError` when something could not be written; nothing is left behind then.
    """
    fields, renamed = fields_of(table)
    if wkb_type is None:
        wkb_type = _WKB_TYPES.get(table.geometry, QgsWkbTypes.Type.NoGeometry)
        wkb_type = QgsWkbTypes.multiType(wkb_type) if table.multi else wkb_type
    if crs is None:
        has_geometry = wkb_type != QgsWkbTypes.Type.NoGeometry
        crs = QgsCoordinateReferenceSystem("EPSG:4326" if has_geometry else "")

    def fill(given: dict, staged: bool) -> str:
        sink, destination = algorithm.parameterAsSink(given, name, context, fields, wkb_type, crs)
        if sink is None:
            raise EngineError(f"{_shown(given[name], context)} cannot be written as a layer.")
        failure = None
        try:
            _write_rows(sink, table, fields, progress)
        except EngineError as error:
            # the frames of a traceback would hold the sink, and it the file
            failure = error.with_traceback(None)
        if failure is not None:
            with _spoiled(destination) if staged else contextlib.nullcontext():
                del sink
            raise failure
        # only deleting it flushes the rest to the file
        del sink
        return destination

    with _staged(parameters, name, context) as (given, move):
        destination = fill(given, move is not _stay)
        layer = _open(destination, context, table)
        first = layer.fields().count() - len(table.columns)
        if first < 0:
            raise EngineError(
                f"{_shown(parameters[name], context)} has {layer.fields().count()} of "
                f"{len(table.columns)} columns; the format cannot hold them."
            )
        if layer.featureCount() != table.rows:
            raise EngineError(
                f"{layer.featureCount()} of {table.rows} rows were written to "
                f"{_shown(parameters[name], context)}; the format cannot hold them."
            )
        stored = [field.name() for field in layer.fields()][first:]
        renamed += [
            f"The column “{asked.name()}” is stored as “{got}”: the format cannot hold its name."
            for asked, got in zip(fields, stored)
            if asked.name() != got
        ]
        finish(layer, first)
        if move is not _stay:
            # its connection ends before the file gets another name
            del layer
            _check_stored(destination, context, table)
            destination = move(destination)
            layer = _open(destination, context, table)
            layer.loadDefaultMetadata()  # QGIS itself finds those of databases only
    return Written(destination, layer, renamed)


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


def _check_stored(destination: str, context: QgsProcessingContext, table: Table) -> None:
    """Fail if the file does not hold what was stored with it: on a full disk none else says so."""
    layer = _open(destination, context, table)
    layer.loadDefaultMetadata()
    if layer.featureCount() != table.rows or layer.metadata().title() != table.title:
        raise EngineError(
            f"{Path(destination).name} could not be written whole, with its style and origin; "
            "is the disk full?"
        )


def _write_rows(sink, table: Table, fields, progress: Callable[[float], None]) -> None:
    feature = QgsFeature(fields)
    written = 0
    # looked up once: these are called for every row
    set_attributes, set_geometry = feature.setAttributes, feature.setGeometry
    from_xy, point, add = QgsGeometry.fromPointXY, QgsPointXY, sink.addFeature
    insert = QgsFeatureSink.Flag.FastInsert
    for block in table.blocks():
        # one feature used again, and lists of a small block: the fastest way through a sink
        rows = _rows(table.columns, block.values)
        if block.xy is not None:
            for (x, y), row in zip(block.xy.tolist(), rows):
                set_geometry(from_xy(point(x, y)))
                set_attributes(row)
                if not add(feature, insert):
                    _refused(sink, written)
                written += 1
        elif block.wkb is not None:
            for wkb, row in zip(block.wkb, rows):
                geometry = QgsGeometry()
                if wkb:
                    geometry.fromWkb(wkb)
                set_geometry(geometry)
                set_attributes(row)
                if not add(feature, insert):
                    _refused(sink, written)
                written += 1
        else:
            for row in rows:
                set_attributes(row)
                if not add(feature, insert):
                    _refused(sink, written)
                written += 1
        progress(written / max(table.rows, 1))
    if not sink.flushBuffer():
        _refused(sink, written)


def _rows(columns: Sequence[Column], arrays) -> Iterator[list]:
    """Yield arrays of columns as rows; NaN, which formats take in different ways, as None (NULL).

    All floats go through one matrix: an array of a few rows costs as much as one of thousands.
    """
    import numpy as np

    floats = [
        i for i, a in enumerate(arrays) if a.dtype.kind == "f" and columns[i].type != DATETIME
    ]
    cells = np.empty((len(arrays[0]), len(floats)))
    for j, i in enumerate(floats):
        cells[:, j] = arrays[i]
    if (missing := np.isnan(cells)).any():
        cells = np.where(missing, None, cells.astype(object))
    if len(floats) < len(arrays):
        numbers = cells
        cells = np.empty((len(arrays[0]), len(arrays)), dtype=object)
        cells[:, floats] = numbers
        for i in set(range(len(arrays))).difference(floats):
            values = arrays[i].tolist()
            if columns[i].type == DATETIME:
                values = [None if time is None else QDateTime(time) for time in values]
            cells[:, i] = values
    for start in range(0, len(cells), FEW_LISTS):
        yield from cells[start : start + FEW_LISTS].tolist()


def _refused(sink, written: int) -> None:
    reason = sink.lastError()
    raise EngineError(
        f"The output could not be written beyond row {written}"
        f"{f' ({reason})' if reason else ''}; is the disk full?"
    )


def _open(destination: str, context: QgsProcessingContext, table: Table) -> QgsVectorLayer:
    layer = context.temporaryLayerStore().mapLayer(destination)
    if layer is None:
        # the full source: without the layer's name a style is stored for nobody
        source = destination
        path = Path(destination)
        if path.suffix.lower() == ".gpkg" and "|" not in destination:
            source = f"{destination}|layername={_only_table(path)}"
        layer = QgsVectorLayer(source, table.title, "ogr")
    if not layer.isValid():
        raise EngineError(f"{Path(destination).name} could not be written; is the disk full?")
    return layer


def _only_table(path: Path) -> str:
    tables = _tables(path)
    return tables[0] if tables else path.stem


def _shown(value, context: QgsProcessingContext) -> str:
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink
    if isinstance(value, QgsProperty):
        value = value.valueAsString(context.expressionContext(), "")[0]
    return str(value)


@contextlib.contextmanager
def _staged(
    parameters: dict, name: str, context: QgsProcessingContext
) -> Iterator[tuple[dict, Callable[[str], str]]]:
    """Give parameters that write beside the wanted file, and the function that moves it there."""
    wanted = _shown(parameters.get(name), context)
    if wanted.startswith("ogr:"):
        with _new_table(QgsDataSourceUri(wanted[len("ogr:") :])):
            yield parameters, _stay
        return
    # as QGIS itself tells a provider from a file; C: is no provider
    if re.match(r".{3,}?:", wanted) or wanted == "TEMPORARY_OUTPUT" or name not in parameters:
        yield parameters, _stay
        return
    if not QgsVectorFileWriter.driverForExtension(Path(wanted).suffix):
        wanted += ".gpkg"  # QGIS does so too
    target = Path(wanted)
    if not target.parent.is_dir():
        raise EngineError(f"The folder {target.parent} does not exist.")
    # without the file's own suffix: GDAL takes any path with .xlsx in it for an archive
    folder = target.with_name(f".{target.name.replace('.', '_')}.part")
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
    except OSError as error:
        raise EngineError(f"{target.parent} cannot be written ({error.strerror}).") from error
    staged = str(folder / target.name)

    def move(destination: str) -> str:
        details = context.layersToLoadOnCompletion()
        try:
            for suffix in ("-wal", "-shm"):
                # SQLite would play an older file's journal into the new one
                target.with_name(target.name + suffix).unlink(missing_ok=True)
            for file in sorted(folder.iterdir()):
                file.replace(target.with_name(file.name))
        except OSError as error:
            raise EngineError(f"{target} cannot be replaced ({error.strerror}).") from error
        if destination in details:
            details[str(target)] = details.pop(destination)
            context.setLayersToLoadOnCompletion(details)
        return str(target)

    try:
        yield {**parameters, name: _with_destination(parameters[name], staged)}, move
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _new_table(uri: QgsDataSourceUri) -> Iterator[None]:
    """Take a table that could not be written whole out of its database again."""
    path = Path(uri.database())
    there = path.exists()
    tables = _tables(path) if there else []
    try:
        yield
    except EngineError:
        if not there:
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        elif uri.table() not in tables:
            dataset = _dataset(path, update=True)
            for i in range(dataset.GetLayerCount() if dataset is not None else 0):
                if dataset.GetLayer(i).GetName() == uri.table():
                    dataset.DeleteLayer(i)
                    break
        raise


def _tables(path: Path) -> list[str]:
    dataset = _dataset(path)
    if dataset is None:
        return []
    return [dataset.GetLayer(i).GetName() for i in range(dataset.GetLayerCount())]


def _dataset(path: Path, update: bool = False):
    """Return an open database, None for what is none."""
    from osgeo import ogr  # 25 ms, which a start of QGIS need not take

    try:
        return ogr.Open(str(path), int(update))
    except RuntimeError:  # newer QGIS has GDAL raise it
        return None


def _stay(destination: str) -> str:
    return destination


def _with_destination(value, path: str):
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        staged = QgsProcessingOutputLayerDefinition(value)
        staged.sink = QgsProperty.fromValue(path)
        return staged
    return path
