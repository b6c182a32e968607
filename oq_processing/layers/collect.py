"""Keep the styled column while a table streams by: class limits need its values, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..outputs.table import REAL, Block, Table


class ColumnValues:
    """``table`` is the same table, whose ``field`` is remembered as its blocks pass."""

    def __init__(self, table: Table, field: str) -> None:
        names = [c.name for c in table.columns]
        self._index = names.index(field) if field and table.column(field).type == REAL else None
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

        return np.concatenate(self._parts) if self._parts else np.empty(0)
