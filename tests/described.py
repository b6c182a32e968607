"""What the code of today reads from files of users: layers, settings, models.

``script/make_golden.py files`` writes it down beside the files of a release, in ``expected.json``;
tests/qgis/test_old_files.py compares what later code reads.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import asdict
from pathlib import Path

from qgis.core import QgsProcessingModelAlgorithm, QgsVectorLayer, QgsWkbTypes
from qgis.PyQt.QtCore import NULL, QDateTime, Qt

from oq_processing import connections
from oq_processing import settings as profile
from oq_processing.engine.calculation import Calculation
from oq_processing.layers import metadata
from oq_processing.layers.style import styled_field


def opened(path: Path, table: str = "") -> QgsVectorLayer:
    """Open a layer as a user does."""
    layer = QgsVectorLayer(f"{path}|layername={table}" if table else str(path), "opened", "ogr")
    layer.loadDefaultMetadata()
    return layer


def layer(found: QgsVectorLayer) -> dict:
    """Return what a layer is, how it is drawn and what is known of it."""
    assert found.isValid(), found.source()
    names = [field.name() for field in found.fields()]
    first = next(found.getFeatures())
    return {
        "title": found.metadata().title(),
        "geometry": QgsWkbTypes.displayString(found.wkbType()),
        "crs": found.crs().authid(),
        "rows": found.featureCount(),
        "fields": {n: found.attributeDisplayName(i) for i, n in enumerate(names)},
        "first": [_plain(first[name]) for name in names],
        "styled": styled_field(found),
        "classes": classes(found),
        "about": metadata.read(found),
    }


def classes(found: QgsVectorLayer) -> list[list]:
    """Return values, label and colour of each class that a layer is drawn by."""
    renderer = found.renderer()
    kind = renderer.type() if renderer else ""
    if kind == "graduatedSymbol":
        return [
            [f"{r.lowerValue():.6g}", f"{r.upperValue():.6g}", r.label(), r.symbol().color().name()]
            for r in renderer.ranges()
        ]
    if kind == "categorizedSymbol":
        return [
            [_plain(c.value()), c.label(), c.symbol().color().name()] for c in renderer.categories()
        ]
    return []


def _plain(value):
    if isinstance(value, QDateTime):
        return value.toString(Qt.DateFormat.ISODate)
    return None if value is None or value == NULL else value


def settings(servers: list[str]) -> dict:
    """Return what the profile keeps; ``servers`` are those with calculations of the user's."""
    return {
        "connections": [asdict(connection) for connection in connections.saved_connections()],
        "default": connections.default_connection(),
        "executable": profile.engine_executable(),
        "starts_local_engine": profile.starts_local_engine(),
        "hidden": {server: sorted(profile.hidden(server).known) for server in servers},
        "overrides": {
            server: {str(i): changed for i in range(1, 10) if (changed := _overrides(server, i))}
            for server in servers
        },
    }


def _overrides(server: str, calculation_id: int) -> dict:
    return profile.overrides_of(server, Calculation(calculation_id, "", "", "complete"))


def model(path: Path) -> dict:
    """Return what a model asks, and its steps with what each gets."""
    found = QgsProcessingModelAlgorithm()
    assert found.fromFile(str(path)), path
    return {
        "name": found.name(),
        "parameters": [definition.name() for definition in found.parameterDefinitions()],
        "steps": {n: _step(step) for n, step in sorted(found.childAlgorithms().items())},
    }


def _step(step) -> dict:
    values = {
        name: [source(value) for value in sources]
        for name, sources in sorted(step.parameterSources().items())
    }
    return {"algorithm": step.algorithmId(), "values": values}


def source(found) -> dict:
    """Return where a step gets a value from."""
    if found.outputChildId():
        return {"step": found.outputChildId(), "output": found.outputName()}
    if found.parameterName():
        return {"parameter": found.parameterName()}
    return {"value": found.staticValue()}


_CHECKOUT = re.escape(str(Path(__file__).parents[1])).encode()
_PLACE = re.compile(rb"(?:/home|/root|/tmp|[A-Z]:[\\/]+Users)[\\/]+\w+|" + _CHECKOUT)


def places(data: bytes) -> set[str]:
    """Return folders of a computer that a file's content names, also inside archives."""
    found = {place.decode() for place in _PLACE.findall(data)}
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                found |= places(archive.read(name))
    return found
