"""What a point layer knows of its fields, and which of them may be added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingUtils,
    QgsVectorLayer,
)

from ...compat import is_null
from ...engine.errors import InvalidChoice
from ...layers import metadata
from ...outputs.core.choices import split_list
from ...outputs.core.kinds import kind_words


@dataclass(frozen=True)
class About:
    """What a layer says of itself: meaning of its columns by field name, and the drawn one."""

    provenance: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    drawn: str = ""


def about(value: Any, context: QgsProcessingContext) -> About:
    """Return what the layer of a parameter knows of itself; nothing for layers of others."""
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source.staticValue()
    layer = value
    if not isinstance(value, QgsVectorLayer):
        layer = QgsProcessingUtils.mapLayerFromString(str(value), context)
    if not isinstance(layer, QgsVectorLayer):
        return About()
    block = metadata.read(layer)
    if not block:
        layer = layer.clone()
        layer.loadDefaultMetadata()  # QGIS itself finds those of databases only
        block = metadata.read(layer)
    if not block:
        return About()
    names = [field.name() for field in layer.fields()]
    columns = block.get("columns", [])
    first = len(names) - len(columns)
    if first in (0, 1):
        # by position: formats shorten names
        by_name = dict(zip(names[first:], columns))
    else:
        by_name = {column["name"]: column for column in columns}
    renderer = layer.renderer()
    drawn = renderer.legendClassificationAttribute().strip('"') if renderer else ""
    return About(block.get("provenance", {}), by_name, drawn)


def names_of(value: Any) -> list[str]:
    """Return the names given: a list, or text with ; or , between them."""
    if is_null(value):
        return []
    if isinstance(value, (list, tuple)):
        return [str(name) for name in value if str(name).strip()]
    text = str(value)
    return [n.strip() for n in text.split(";") if n.strip()] if ";" in text else split_list(text)


def summed_fields(
    wanted: list[str], points: QgsProcessingFeatureSource, known: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Return the fields to sum. Raises :class:`InvalidChoice` for those that must not be."""
    numeric = [field.name() for field in points.fields() if field.isNumeric()]
    additive = [name for name in numeric if known.get(name, {}).get("additive")]
    if not wanted:
        return additive or _refuse_all(points, known, numeric)
    by_case = {name.lower(): name for name in numeric}
    found = []
    for text in wanted:
        name = by_case.get(text.strip().lower())
        if name is None:
            shown = ", ".join(additive or numeric)
            raise InvalidChoice(f"There is no number “{text}” to sum; FIELDS may be: {shown}.")
        if name in known and not known[name].get("additive"):
            raise InvalidChoice(_why_not(name, known[name]))
        found.append(name)
    return list(dict.fromkeys(found))


def _refuse_all(
    points: QgsProcessingFeatureSource, known: Mapping[str, dict[str, Any]], numeric: list[str]
) -> list[str]:
    layer = points.sourceName()
    if not known:
        raise InvalidChoice(
            f"{layer} does not say which of its fields may be added up: choose them "
            f"(FIELDS): {', '.join(numeric) or 'it has no numbers'}."
        )
    reasons = (_why_not(name, column) for name, column in known.items() if column.get("quantity"))
    raise InvalidChoice(f"{layer} has nothing that may be added up. {next(reasons, '')}".strip())


def _why_not(name: str, column: Mapping[str, Any]) -> str:
    """Return why a column must not be summed, and what to use instead."""
    kind = column.get("kind", "")
    if column.get("quantity") == "average loss" and kind:
        return (
            f"“{name}” must not be added up: it is a statistic ({kind_words(kind)}) of "
            "each asset, and that of the total is not the sum of them. Load the mean (KIND=mean), "
            "or the output aggrisk-stats or aggcurves-stats, which hold it for the total."
        )
    if column.get("imt"):
        return f"“{name}” must not be added up: it is ground motion at each site."
    what = column.get("label") or name
    return (
        f"“{name}” ({what}) must not be added up; only mean or single-realization losses, numbers "
        "of buildings and consequences may. Totals of losses are in aggrisk-stats and "
        "aggcurves-stats."
    )
