"""Keep what the style needs while a table streams by: the values of a column, the places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..outputs.core.lazy import Array, np
from ..outputs.core.table import INTEGER, REAL, Block, Table

_BLOCKS = 50  # whose places are kept apart before they are merged


class ColumnValues:
    """``table`` is the same table, whose ``field`` is remembered as its blocks pass.

    So are its places where its points may lie one on another: ``located`` is how many rows have
    one, ``places`` how many different ones these are.
    """

    def __init__(self, table: Table, field: str) -> None:
        names = [c.name for c in table.columns]
        number = field and table.column(field).type in (INTEGER, REAL)
        self._index = names.index(field) if number else None
        self._parts: list[Array] = []
        self._places: list[Array] = []
        self.located = 0
        kept = self._index is not None or table.shared
        self.table = replace(table, blocks=self._blocks) if kept else table
        self._source = table

    def _blocks(self) -> Iterator[Block]:
        self._parts.clear()
        self._places.clear()
        self.located = 0
        for block in self._source.blocks():
            if self._index is not None:
                self._parts.append(block.values[self._index])
            if self._source.shared and block.xy is not None:
                self._keep_places(block.xy)
            yield block

    def _keep_places(self, xy: Array) -> None:
        xy = xy[np.isfinite(xy).all(axis=1)]
        self.located += len(xy)
        self._places.append(np.unique(xy[:, 0] + 1j * xy[:, 1]))
        if len(self._places) > _BLOCKS:  # the same places come again with each event
            self._places = [np.unique(np.concatenate(self._places))]

    @property
    def places(self) -> int:
        """How many different places have passed."""
        return len(np.unique(np.concatenate(self._places))) if self._places else 0

    def array(self) -> Array:
        """Return the values that have passed."""
        # as floats: whole numbers with gaps among them come as objects
        values = np.empty(sum(map(len, self._parts)))
        start = 0
        for part in self._parts:
            values[start : start + len(part)] = part
            start += len(part)
        self._parts = [values]  # not twice in memory
        return values
