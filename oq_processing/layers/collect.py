"""Keep the styled column while a table streams by: class limits need its values, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..outputs.table import INTEGER, REAL, Block, Table


class ColumnValues:
    """``table`` is the same table, whose ``field`` is remembered as its blocks pass."""

    def __init__(self, table: Table, field: str) -> None:
        names = [c.name for c in table.columns]
        number = field and table.column(field).type in (INTEGER, REAL)
        self._index = names.index(field) if number else None
        self._parts: list = []
        self.table = table if self._index is None else replace(table, blocks=self._blocks)
        self._source = table

    def _blocks(self) -> Iterator[Block]:
        self._parts.clear()
        for block in self._source.blocks():
            self._parts.append(block.values[self._index])
            yield block

    def array(self):
        """Return the values that have passed."""
        import numpy as np

        # as floats: whole numbers with gaps among them come as objects
        values = np.empty(sum(map(len, self._parts)))
        start = 0
        for part in self._parts:
            values[start : start + len(part)] = part
            start += len(part)
        self._parts = [values]  # not twice in memory
        return values
