"""Where a sink writes to: a file, a table of a GeoPackage, or memory; the rest is refused."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsDataSourceUri,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingOutputLayerDefinition,
    QgsProperty,
    QgsVectorFileWriter,
)

from ..engine.errors import EngineError

_SUPPORTED = (
    "Choose a file ({0}=map.gpkg), a table of a GeoPackage "
    "({0}=ogr:dbname='maps.gpkg' table=\"map\" (geom)) or a temporary layer."
)
# tables that the format itself, QGIS or SQLite keeps: no layer may take their place
_RESERVED = re.compile(r"(gpkg|sqlite|rtree)_|layer_styles$", re.I)


@dataclass(frozen=True)
class Destination:
    """A file, a table of the GeoPackage ``path``, or memory where there is no ``path``.

    ``text`` is what the user gave.
    """

    text: str
    path: Path | None = None
    table: str = ""

    @property
    def name(self) -> str:
        """What it is called in messages: the file, or the table and its file."""
        if self.path is None:
            return self.text
        return f"{self.table} of {self.path.name}" if self.table else self.path.name

    def overwrites(self, other: Destination) -> bool:
        """Return whether a layer here would replace one that has just been written to ``other``."""
        if self.path is None or other.path is None or self.path.absolute() != other.path.absolute():
            return False
        return self.table.lower() in ("", (other.table or other.path.stem).lower())


@dataclass(frozen=True)
class Target:
    """The sink parameter ``name`` of an algorithm, in one of its runs."""

    algorithm: QgsProcessingAlgorithm
    parameters: dict[str, Any]
    name: str
    context: QgsProcessingContext

    def destination(self) -> Destination:
        """Return where its value leads; touches nothing.

        Raises :class:`EngineError` for what no layer can be written to, without repeating an
        address of a database, which may hold a password.
        """
        value = self.parameters.get(self.name)
        if isinstance(value, QgsProcessingOutputLayerDefinition):
            value = value.sink
        if isinstance(value, QgsProperty):
            value = value.valueAsString(self.context.expressionContext(), "")[0]
        text = "" if value is None else str(value)
        if text in ("", "TEMPORARY_OUTPUT") or text.startswith("memory:"):
            return Destination(text)
        definition = self.algorithm.parameterDefinition(self.name)
        title = definition.description() if definition is not None else self.name
        return _on_disk(text, f"{title} ({self.name})", _SUPPORTED.format(self.name))


def _on_disk(text: str, label: str, supported: str) -> Destination:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise EngineError(f"{label} has a line break or another control character. Remove it.")
    if text.startswith("ogr:"):
        return _table(text, label, supported)
    # as QGIS itself recognizes a database; C: is a drive
    if found := re.match(r"(.{3,}?):", text):
        if re.fullmatch(r"\w+", found[1]):
            raise EngineError(f"{label} cannot be in a database of type “{found[1]}”. {supported}")
        raise EngineError(
            f"{label} has a colon, and QGIS takes what is before it for the type of a database: "
            f"“{text}”. Choose a path without a colon."
        )
    if "|" in text:
        raise EngineError(
            f"{label} has a “|”, which QGIS allows in no file name: “{text}”. {supported}"
        )
    if text.endswith(("/", os.sep)):
        raise EngineError(f"{label} is a folder: “{text}”. Add the name of a file.")
    if not QgsVectorFileWriter.driverForExtension(Path(text).suffix):
        text += ".gpkg"  # QGIS does so too
    return Destination(text, Path(text))


def _table(text: str, label: str, supported: str) -> Destination:
    uri = QgsDataSourceUri(text[len("ogr:") :])
    path, table = Path(uri.database()), uri.table()
    if not uri.database() or not table.strip():
        missing = "table" if uri.database() else "GeoPackage"
        raise EngineError(f"{label} does not name its {missing}: “{text}”. {supported}")
    if path.suffix.lower() != ".gpkg":
        raise EngineError(
            f"{label} cannot be a table of {path.name}, which is not a GeoPackage. {supported}"
        )
    if _RESERVED.match(table):
        raise EngineError(
            f"{label} cannot be the table “{table}”, which the format keeps for itself. "
            "Choose another name."
        )
    return Destination(text, path, table)
