"""What a layer says of itself: title, where it comes from, what its fields mean."""

from __future__ import annotations

import json
import re
from typing import Any

from qgis.core import QgsLayerMetadata, QgsVectorLayer

from ..outputs.core.table import Table

KEY = "openquake"
"""Heading of the JSON block in the layer's abstract (and of the layer's custom property)."""


def harmless(text: str) -> str:
    """Return a text of a server in which no HTML tag begins.

    QGIS shows names, titles and all other metadata of layers as HTML.
    """
    return re.sub("<(?=[A-Za-z/!?])", "‹", text)


def describe(layer: QgsVectorLayer, table: Table, first: int) -> None:
    """Set aliases and metadata; ``first`` is the position of the table's first column.

    The metadata's abstract ends in a JSON block: ``provenance`` (server, calculation, choices, …)
    and ``columns`` (name, unit, kind, IMT, PoE, additive, …).
    """
    for i, column in enumerate(table.columns):
        layer.setFieldAlias(first + i, harmless(column.title))
    layer.setName(table.title)
    about = dict(table.provenance, **({"cell_size": table.cell_size} if table.cell_size else {}))
    block = {
        "provenance": about,
        "columns": [column.meaning() for column in table.columns],
    }
    metadata = QgsLayerMetadata(layer.metadata())
    metadata.setTitle(table.title)
    metadata.setType("dataset")
    # a GeoPackage wants it to be another one for each of its tables
    table_name = layer.source().partition("layername=")[2] or layer.id()
    metadata.setIdentifier(
        harmless(
            f"{about.get('server', '')}/v1/calc/{about.get('calculation_id', '')}"
            f"/{about.get('output_type', '')}/{table_name}"
        )
    )
    text = json.dumps(block, indent=1, ensure_ascii=False, default=str).replace("<", "\\u003c")
    metadata.setAbstract(f"{harmless(about.get('description', ''))}\n\n{KEY}:\n{text}")
    metadata.setHistory([harmless(_history(about))])
    layer.setMetadata(metadata)
    layer.setCustomProperty(f"{KEY}/about", text)


def read(layer: QgsVectorLayer) -> dict[str, Any]:
    """Return the JSON block of a layer that :func:`describe` described; {} for any other."""
    _, found, text = layer.metadata().abstract().partition(f"{KEY}:\n")
    try:
        return json.loads(text) if found else {}
    except ValueError:
        return {}


def _history(about: dict[str, Any]) -> str:
    if "calculation_id" not in about:
        return str(about.get("output_name", ""))
    engine = f"OpenQuake Engine {about.get('engine_version', '')}".strip()
    return (
        f"{about.get('output_name', '')} of calculation {about.get('calculation_id', '')} "
        f"({about.get('description', '')}) on {about.get('server', '')}, {engine}"
    )


def store(layer: QgsVectorLayer) -> str:
    """Store the metadata where QGIS finds it again; return what went wrong, "" for nothing."""
    if layer.providerType() == "memory":
        return ""
    message, good = layer.saveDefaultMetadata()
    return "" if good else message
