"""Figures of damage: the number of buildings (components) in each damage state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...engine.errors import InvalidChoice
from .. import catalogue
from ..assets.damage_states import NO_DAMAGE, STATE_COLORS, damage_states, of_rank
from ..assets.units import counted
from ..assets.words import when
from ..core.choices import Choices
from ..core.columns import USUAL
from ..core.kinds import kind_words
from ..core.lazy import np
from ..core.notes import Info, Note
from ..core.source import Source
from ..core.table import Column, ColumnType, Table, small_table
from ..core.wording import listed, loss_words
from .plot import BARS, Axis, Place, Plot, PlotType, Series, subtitle
from .rows import Rows, chosen_loss_types, read_whole, rows_of

MOSTLY = 0.9
"""Share of the undamaged above which their bar is left out: no other could be seen beside it."""


@dataclass(frozen=True)
class _Damage:
    """Numbers by peril (never added) and state, and what they are of."""

    numbers: dict[str, dict[str, float]]
    kind: str
    loss_type: str
    whose: str
    notes: list[Note]

    @property
    def states(self) -> list[str]:
        """The states of all perils, in their order."""
        return list(dict.fromkeys(s for by_state in self.numbers.values() for s in by_state))

    @property
    def left_out(self) -> list[str]:
        """A sentence on those without damage, where their bar would hide all others."""
        if len(self.numbers) != 1:
            return []
        [by_state] = self.numbers.values()
        total, without = sum(by_state.values()), by_state.get(NO_DAMAGE, 0.0)
        if not MOSTLY * total < without < total:
            return []
        share = f"{100 * without / total:.3g}%"
        return [f"Without damage, not drawn: {_count(without)} of {_count(total)} ({share})"]


def damage_distribution(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the number of buildings (components) in each damage state, of an asset or of all.

    From ``damages-*`` (ASSET_ID, or the sum of the assets that were chosen) or ``aggrisk*`` (the
    engine's own totals). One loss type and one statistic or realization; perils side by side.
    Where nearly all are without damage, their bar is left out and the subtitle says so.
    """
    found = _read(source, choices, place)
    left_out, kind = found.left_out, found.kind
    shown = [state for state in found.states if not left_out or state != NO_DAMAGE]
    # perils side by side stand in the legend
    perils = [peril for peril in found.numbers if peril and len(found.numbers) == 1]
    words = [loss_words(found.loss_type), *perils, found.whose]
    words += [] if kind == "mean" else [kind_words(kind, source.branch(kind))]
    title = f"Damage distribution, {', '.join(words)}"
    label = f"Expected number of {counted(source)}{when(source)}"
    columns = [
        USUAL["loss_type"],
        Column("peril", ColumnType.TEXT, "Peril"),
        Column("damage_state", ColumnType.TEXT, "Damage state"),
        Column("number", label=label, unit=counted(source), quantity="damage", kind=kind),
    ]
    data = [
        (found.loss_type, peril or None, state, number)
        for peril, by_state in found.numbers.items()
        for state, number in by_state.items()
    ]
    ranks = damage_states(source)
    colors = tuple(of_rank(STATE_COLORS, ranks.index(state), len(ranks)) for state in shown)
    places = tuple(map(float, range(len(shown))))
    series = [
        Series(
            places,
            tuple(by_state.get(state, 0.0) for state in shown),
            kind,
            peril,
            colors if len(found.numbers) == 1 else (),
        )
        for peril, by_state in found.numbers.items()
    ]
    return Plot(
        title=title,
        subtitle="\n".join([*left_out, subtitle(source)]),
        x=Axis("Damage state", categories=tuple(state.replace("_", " ") for state in shown)),
        y=Axis(label),
        table=small_table(title, columns, data),
        form=BARS,
        series=tuple(series),
        notes=(*found.notes, *map(Info, left_out)),
    )


def _read(source: Source, choices: Choices, place: Place) -> _Damage:
    """Return what the figure shows, one row of the output."""
    totals = source.output.type.startswith("aggrisk")
    # of totals all statistics or realizations are rows, of which one is taken here
    table = catalogue.read(source, replace(choices, kind="" if totals else choices.kind))
    columns = [c for c in table.columns if c.damage_state and c.quantity == "damage"]
    if not columns:
        raise InvalidChoice(
            f"{source.output.name} of calculation {source.calculation.id} has no numbers "
            "by damage state."
        )
    if totals:
        read, kinds = read_whole(table).of_kinds(choices.kind, source.branch)
    else:
        read = _of_asset(table, place.asset_id) if place.asset_id else _summed(table)
        kinds = list(dict.fromkeys(c.kind for c in columns))
    if len(kinds) > 1:
        raise InvalidChoice(
            f"A figure shows one statistic or realization; choose one by KIND: {listed(kinds)}."
        )
    there = read.distinct("loss_type") or list(dict.fromkeys(c.loss_type for c in columns))
    loss_types, notes = chosen_loss_types([str(name) for name in there], choices)
    if len(loss_types) > 1:
        raise InvalidChoice(f"A figure shows one loss type; choose one of: {listed(loss_types)}.")
    [loss_type] = loss_types
    read = read.where("loss_type", loss_types)
    row = _only_row(read)
    numbers: dict[str, dict[str, float]] = {}
    for c in columns:
        if c.loss_type in ("", loss_type):
            numbers.setdefault(c.peril, {})[c.damage_state] = float(row[c.name])
    return _Damage(numbers, kinds[0], loss_type, _whose(read, choices, place), notes)


def _only_row(read: Rows) -> dict[str, Any]:
    if len(read.rows) != 1:
        texts = [c.name for c in read.table.columns if c.type == ColumnType.TEXT]
        tags = [n for n in texts if n != "loss_type" and len(read.distinct(n)) > 1]
        raise InvalidChoice(
            f"These are {len(read.rows)} rows; choose one by TAG_FILTER ({', '.join(tags)})."
        )
    return next(read.cells())


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:,.4g}"


def _whose(read: Rows, choices: Choices, place: Place) -> str:
    if place.asset_id:
        return f"asset {place.asset_id}"
    if "asset_id" in read.names:
        chosen = [text.strip() for text in (choices.taxonomy, choices.tag_filter) if text.strip()]
        return f"assets of {'; '.join(chosen)}" if chosen else "all assets"
    return ", ".join(read.tags()) or "all assets"


def _of_asset(table: Table, asset_id: str) -> Rows:
    position = [c.name for c in table.columns].index("asset_id")
    for row in rows_of(table):
        if row[position] == asset_id:
            return Rows(table, [row])
    raise InvalidChoice(f"There is no asset “{asset_id}” (ASSET_ID) in {table.title}.")


def _summed(table: Table) -> Rows:
    """Return one row: sums of the columns that may be summed, 0 elsewhere."""
    for column in table.columns:
        if column.quantity == "damage" and not column.additive:
            raise InvalidChoice(
                f"“{column.name}” must not be summed ({kind_words(column.kind)}); choose "
                "an asset by ASSET_ID, or KIND=mean."
            )
    sums = np.zeros(len(table.columns))
    for block in table.blocks():
        for i, (column, values) in enumerate(zip(table.columns, block.values)):
            if column.additive:
                sums[i] += np.asarray(values, dtype=float).sum()
    return Rows(table, [sums.tolist()])


_CHOICES = ("KIND", "LOSS_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER")

PLOTS = {
    **dict.fromkeys(
        ("damages-stats", "damages-rlzs"), PlotType(damage_distribution, (*_CHOICES, "ASSET_ID"))
    ),
}
