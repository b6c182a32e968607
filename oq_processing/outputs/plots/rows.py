"""Tables read whole, and what figures of risk choose of them: kinds, loss types, one unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from ...engine.errors import InvalidChoice
from ..assets.units import loss_unit
from ..core.choices import Choices, match_names
from ..core.kinds import choose_kinds, realizations_of
from ..core.notes import Info, Note
from ..core.source import Source
from ..core.table import ColumnType, Table
from ..core.wording import capital, listed, loss_words
from .plot import Axis


@dataclass(frozen=True)
class Rows:
    """A table read whole: its columns and rows."""

    table: Table
    rows: Sequence[Sequence[Any]]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.table.columns]

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield each row by the names of its columns."""
        names = self.names
        return (dict(zip(names, row)) for row in self.rows)

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

    def of_kinds(
        self, text: str, about: Callable[[str], str], several: bool = False
    ) -> tuple[Rows, list[str]]:
        """Return the rows of the chosen statistics or realizations (KIND), and these.

        ``several``: where none was chosen, all realizations; ``about`` says what each is.
        """
        if "stat" in self.names:
            kinds = choose_kinds(text, self.distinct("stat"))
            return self.where("stat", kinds), kinds
        if "rlz_id" in self.names:
            there = [f"rlz-{number}" for number in self.distinct("rlz_id")]
            kinds = choose_kinds(text or ("rlzs" if several else ""), there, about)
            return self.where("rlz_id", realizations_of(kinds)), kinds
        return self, choose_kinds(text, ["rlz-0"])

    def tags(self) -> list[str]:
        """Return the tags that all rows have in common."""
        known = ("loss_type", "stat", "rlz_id", "return_period", "member")
        tags = [c for c in self.table.columns if not c.quantity and c.type == ColumnType.TEXT]
        values = [self.distinct(c.name) for c in tags if c.name not in known]
        return [str(found[0]) for found in values if len(found) == 1]


def read_whole(table: Table) -> Rows:
    """Return a table with all its rows."""
    return Rows(table, [*rows_of(table)])


def rows_of(table: Table) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table."""
    for block in table.blocks():
        yield from zip(*(values.tolist() for values in block.values))


def chosen_loss_types(there: Sequence[str], choices: Choices) -> tuple[list[str], list[Note]]:
    """Return the chosen loss types, and what the log says about the others.

    Nothing chosen is structural, else the first.
    """
    chosen = match_names(choices.loss_type, there, "LOSS_TYPE", "loss type")
    if choices.loss_type.strip():
        return chosen, []
    first = "structural" if "structural" in chosen else chosen[0]
    others = [name for name in chosen if name != first]
    note = Info(f"Plotted: {first}; others by LOSS_TYPE: {listed(others)}.")
    return [first], [note] if others else []


def loss_axis(source: Source, loss_types: Sequence[str], log: bool = False) -> Axis:
    """Return the axis of losses of these types. Raises :class:`InvalidChoice` for several units."""
    units = {name: loss_unit(source, name) for name in loss_types}
    if len(set(units.values())) > 1:
        raise InvalidChoice(
            "Losses of different units do not go on one axis: "
            f"{', '.join(f'{name} [{unit}]' for name, unit in units.items())}; choose by LOSS_TYPE."
        )
    what = f"{loss_words(loss_types[0])} loss" if len(loss_types) == 1 else "loss"
    return Axis(capital(what), next(iter(units.values()), ""), log)
