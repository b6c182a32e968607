"""Tables read whole, and what figures of risk choose of them: kinds, loss types, one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine.errors import InvalidChoice
from ..assets.units import Units
from ..core.choices import Choices, listed, match_kinds, match_names
from ..core.quantities import loss_words
from ..core.source import Source
from ..core.table import TEXT, Table
from .plot import Axis


@dataclass(frozen=True)
class Rows:
    """A table read whole: its columns and rows."""

    table: Table
    names: list[str]
    rows: list[list[Any]]

    def distinct(self, name: str) -> list[Any]:
        """Return the values of a column in their order, [] if it has none."""
        if name not in self.names:
            return []
        i = self.names.index(name)
        return list(dict.fromkeys(row[i] for row in self.rows))

    def where(self, name: str, values: Sequence[Any]) -> Rows:
        """Return the rows that have one of the values; all if there is no such column."""
        if name not in self.names:
            return self
        i = self.names.index(name)
        return replace(self, rows=[row for row in self.rows if row[i] in values])

    def of_kinds(self, text: str, several: bool = False) -> tuple[Rows, list[str]]:
        """Return the rows of the chosen statistics or realizations (KIND), and these.

        ``several``: where none was chosen, all realizations.
        """
        if "stat" in self.names:
            kinds = match_kinds(text, self.distinct("stat"), [])
            return self.where("stat", kinds), kinds
        if "rlz_id" in self.names:
            numbers = sorted(int(n) for n in self.distinct("rlz_id"))
            kinds = match_kinds(text or ("rlzs" if several else ""), [], numbers)
            return self.where("rlz_id", [int(kind[4:]) for kind in kinds]), kinds
        return self, match_kinds(text, [], [0])

    def tags(self) -> str:
        """Return the tags that all rows have in common: ``, Central``."""
        known = ("loss_type", "stat", "rlz_id", "return_period", "member")
        tags = [c for c in self.table.columns if not c.quantity and c.type == TEXT]
        values = [self.distinct(c.name) for c in tags if c.name not in known]
        return "".join(f", {found[0]}" for found in values if len(found) == 1)


def read_whole(table: Table) -> Rows:
    """Return a table with all its rows."""
    names = [column.name for column in table.columns]
    rows = [
        list(row)
        for block in table.blocks()
        for row in zip(*(values.tolist() for values in block.values))
    ]
    return Rows(table, names, rows)


def chosen_loss_types(there: Sequence[str], choices: Choices) -> tuple[list[str], list[str]]:
    """Return the chosen loss types, and what the log says of the others.

    Nothing chosen is structural, else the first.
    """
    chosen = match_names(choices.loss_type, there, "LOSS_TYPE", "loss type")
    if choices.loss_type.strip():
        return chosen, []
    first = "structural" if "structural" in chosen else chosen[0]
    others = [name for name in chosen if name != first]
    note = f"Plotted: {first}; others by LOSS_TYPE: {listed(others)}."
    return [first], [note] if others else []


def loss_axis(source: Source, loss_types: Sequence[str], log: bool = False) -> Axis:
    """Return the axis of losses of these types. Raises :class:`InvalidChoice` for several units."""
    units = {name: Units(source).of(name) for name in loss_types}
    if len(set(units.values())) > 1:
        raise InvalidChoice(
            "Losses of different units do not go on one axis: "
            f"{', '.join(f'{name} [{unit}]' for name, unit in units.items())}; choose by LOSS_TYPE."
        )
    what = f"{loss_words(loss_types[0])} loss" if len(loss_types) == 1 else "loss"
    return Axis(what[:1].upper() + what[1:], next(iter(units.values()), ""), log)
