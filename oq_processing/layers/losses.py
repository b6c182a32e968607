"""Values that a format changes in silence: found by reading the most extreme ones again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgis.core import QgsFeatureRequest, QgsVectorLayer

from ..compat import is_null
from ..outputs.core.lazy import Array, np
from ..outputs.core.table import INTEGER, REAL, TEXT, Block, Table

_LOSSY = (".shp", ".tab", ".ods", ".xlsx", ".csv", ".geojson", ".kml", ".gml")
"""Formats that change values, or may do so; all keep the order of rows."""
_PRECISION = 1e-6  # the engine's numbers have 7 digits
_EXTREMES = 3  # smallest and largest numbers of a block that are kept
_NAMED = 8  # columns
_LOOK = 10_000  # rows between two looks at the user's wish to cancel


def changes_values(path: Path) -> bool:
    """Return whether the format of a file may change values."""
    return path.suffix.lower() in _LOSSY


@dataclass
class Losses:
    """Remembers the values of a table that a format is most likely to change, as they pass."""

    table: Table
    _kept: dict[int, dict[int, Any]] = field(default_factory=dict)  # by column and row
    _rows: int = 0

    @property
    def watched(self) -> Table:
        """The table, whose values are looked at while it is written."""
        return self.table.map_blocks(self._look)

    def sentence(
        self, layer: QgsVectorLayer, first: int, name: str, progress: Callable[[float], None]
    ) -> str:
        """Compare with what the layer has from column ``first`` on; "" if that is the same.

        ``progress`` is called between rows, and may raise to break off.
        """
        changes: dict[int, str] = {}
        wanted = {row for kept in self._kept.values() for row in kept}
        request = QgsFeatureRequest().setFlags(QgsFeatureRequest.Flag.NoGeometry)
        by_id = name.lower().endswith(".shp")  # whose ids are the numbers of the rows
        if by_id:
            request.setFilterFids(list(wanted))
        else:
            request.setLimit(max(wanted, default=-1) + 1)
        for number, feature in enumerate(layer.getFeatures(request)):
            row = feature.id() if by_id else number
            if number % _LOOK == 0:
                progress(1.0)
            if row in wanted:
                stored = feature.attributes()[first:]
                for i, kept in self._kept.items():
                    if row in kept and i not in changes:
                        change = _change(kept[row], stored[i])
                        if change:
                            changes[i] = change
        if not changes:
            return ""
        shown = [f"“{self.table.columns[i].name}” ({changes[i]})" for i in sorted(changes)]
        more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
        return (
            f"The format of {name} changes values: {', '.join(shown[:_NAMED])}{more}. "
            "To keep them, choose another one, such as .gpkg."
        )

    def _look(self, block: Block) -> Block:
        for i, (column, values) in enumerate(zip(self.table.columns, block.values)):
            kept = self._kept.setdefault(i, {})
            for at in _extremes(column.type, values):
                kept[self._rows + at] = values[at]
            if len(kept) > 100 * _EXTREMES:  # of many blocks
                self._kept[i] = _fewer(column.type, kept)
        self._rows += len(block.values[0]) if block.values else 0
        return block


def _fewer(type_: Any, kept: dict[int, Any]) -> dict[int, Any]:
    rows = list(kept)
    values = np.array([kept[row] for row in rows], dtype=None if type_ == REAL else object)
    return {rows[at]: kept[rows[at]] for at in _extremes(type_, values)}


def _extremes(type_: Any, values: Array) -> Iterator[int]:
    """Yield the positions of the values that a format is most likely to change."""
    if values.dtype.kind in "US":
        values = values.astype(object)
    if type_ == REAL:
        values = values.astype(float)
        finite = np.isfinite(values)
        yield from _first(np.isnan(values))
        yield from _first(np.isinf(values))
        places = np.flatnonzero(finite & (values != 0))
        sizes = np.abs(values[places])
        if len(places) > 2 * _EXTREMES:
            low = np.argpartition(sizes, _EXTREMES)[:_EXTREMES]
            high = np.argpartition(sizes, -_EXTREMES)[-_EXTREMES:]
            places = places[np.concatenate([low, high])]
        yield from places.tolist()
    elif values.dtype == object:
        there = [value is not None for value in values.tolist()]
        yield from _first(~np.array(there, dtype=bool))
        if type_ in (INTEGER, TEXT) and any(there):
            size = _odd_size if type_ == INTEGER else _bytes
            yield int(np.argmax([size(value) for value in values.tolist()]))
    elif type_ == INTEGER:
        large = np.flatnonzero((values > 2**53) | (values < -(2**53)))
        yield from (int(at) for at in large[:_LOOK] if _odd_size(int(values[at])))


def _first(mask: Array) -> Iterator[int]:
    if mask.any():
        yield int(np.argmax(mask))


def _odd_size(value: int | None) -> int:
    """Return the size of a number that is not one of floating point, else 0."""
    return 0 if value is None or int(float(value)) == value else abs(value)


def _bytes(text: str | None) -> int:
    return len((text or "").encode(errors="replace"))


def _change(value: Any, stored: Any) -> str:
    """Return what became of a value, "" if it is the same."""
    empty = is_null(stored) or stored == ""
    missing = isinstance(value, (float, np.floating)) and math.isnan(value)
    if value is None or value == "" or missing:
        return "" if empty else f"what is empty became {stored}"
    if isinstance(value, str):
        text = "" if empty else str(stored)
        if text.strip() == value.strip():
            return ""
        return f"a text of {len(value):,} characters became one of {len(text):,}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return f"{value} became empty" if empty else ""
    return _change_of_number(value, stored, empty)


def _change_of_number(value: Any, stored: Any, empty: bool) -> str:
    if empty:
        return f"{value} became empty"
    whole = isinstance(value, (int, np.integer))
    try:  # a CSV file has texts
        number = int(stored) if whole else float(stored)
    except (TypeError, ValueError, OverflowError):
        return f"{value} became “{stored}”"
    if whole:
        return "" if number == value else f"{value} became {number}"
    same = math.isclose(value, number, rel_tol=_PRECISION)
    return "" if same else f"{value:.7g} became {number:.7g}"
