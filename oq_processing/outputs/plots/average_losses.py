"""Average losses by tag or by source, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...engine.errors import InvalidChoice
from .. import catalogue
from ..assets.damage_states import damage_states
from ..assets.units import loss_unit
from ..core.choices import Choices
from ..core.csv_export import csv_files
from ..core.kinds import kind_words, summable
from ..core.notes import Info, Note
from ..core.quantities import holds_time
from ..core.source import Source
from ..core.table import Column, ColumnType, small_table
from ..core.wording import listed, loss_words
from ..readers.aggregate_rows import suffix
from .damage import damage_distribution
from .plot import RANKED, Axis, Place, Plot, PlotType, Series, subtitle
from .rows import Rows, chosen_loss_types, loss_axis, read_whole

MOST = 25
"""Bars at most; the smaller ones are one, their sum."""

TOTAL = "All assets"
_VALUES = ("average loss", "source loss")
_KEYS = ("loss_type", "stat", "rlz_id", "member")


def average_losses(source: Source, choices: Choices, _: Place) -> Plot:
    """Return the average loss of each tag or source, largest first.

    From ``aggrisk``, ``aggrisk-stats``, ``avg_losses_by`` or ``src_loss_table``: one loss type
    (structural, else the first), one statistic or realization. MEMBER is the tag, empty: the first.
    """
    member = choices.member
    if not member and source.output.type != "src_loss_table":
        members = [suffix(source, file) for file in csv_files(source)]
        # by one tag rather than by several
        member = min(filter(None, members), key=lambda name: name.count("-"), default="")
    table = catalogue.read(source, replace(choices, kind="", loss_type="", member=member))
    whole = read_whole(table)
    read, kinds = whole.of_kinds(choices.kind, source.branch)
    if len(kinds) > 1:
        raise InvalidChoice(
            f"A figure shows one statistic or realization; choose one by KIND: {listed(kinds)}."
        )
    values, loss_type, notes = _of_one_type(source, read, choices)
    read = read.where("loss_type", [loss_type])
    tags = [c for c in table.columns if c.type == ColumnType.TEXT and c.name not in _KEYS]
    names = [", ".join(str(cells[c.name]) for c in tags) or TOTAL for cells in read.cells()]
    losses = [float(cells[values.name]) for cells in read.cells()]
    ranked = sorted(zip(names, losses), key=lambda pair: -pair[1])
    unit = loss_axis(source, [loss_type]).unit or values.unit
    total = sum(losses)
    columns = [*(tags or [Column("tag", ColumnType.TEXT, "Tag")]), replace(values, unit=unit)]
    shares = summable(kinds[0])
    columns += [Column("share", label="Share of the sum", unit="%")] if shares else []
    rows = [
        (
            *([cells[c.name] for c in tags] or [TOTAL]),
            loss,
            # quantiles must not be summed
            *([100 * loss / total if total else 0] if shares else []),
        )
        for cells, loss in sorted(zip(read.cells(), losses), key=lambda pair: -pair[1])
    ]
    words = [c.label or c.name for c in tags]
    by = " and ".join(word if word.isupper() else word.lower() for word in words)
    plain = kinds[0] == "mean" or (kinds == ["rlz-0"] and len(whole.distinct("rlz_id")) < 2)
    kind = "" if plain else f", {kind_words(kinds[0], source.branch(kinds[0]))}"
    label = values.label.partition(",")[0] if tags else values.label
    title = f"{_words(label, loss_type)}{f', by {by}' if by else ''}{kind}"
    shown, left = _shown(ranked, kinds[0])
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis(
            " and ".join(c.label or c.name for c in tags), categories=tuple(n for n, _ in shown)
        ),
        y=Axis(values.label, unit),
        table=small_table(title, columns, rows),
        form=RANKED,
        series=(
            Series(
                tuple(map(float, range(len(shown)))), tuple(loss for _, loss in shown), kinds[0]
            ),
        ),
        notes=(*table.notes, *notes, *left),
    )


def _of_one_type(source: Source, read: Rows, choices: Choices) -> tuple[Column, str, list[Note]]:
    """Return the column of losses, their type, and what the log says of the others."""
    columns = [c for c in read.table.columns if c.quantity in _VALUES]
    if not columns:
        raise InvalidChoice(f"{read.table.title} has no average losses.")
    there = [str(name) for name in read.distinct("loss_type")]
    wide = {} if there else {c.loss_type: c for c in columns}
    chosen, notes = chosen_loss_types(there or [*wide], choices)
    if len(chosen) > 1:
        raise InvalidChoice(f"A figure shows one loss type; choose one of: {listed(chosen)}.")
    # of sources the last is per year, where there is one
    timed = holds_time(loss_unit(source, chosen[0]))  # it has no value per year
    usual = columns[-1 if columns[0].quantity == "source loss" and not timed else 0]
    return wide.get(chosen[0], usual), chosen[0], notes


def _words(label: str, loss_type: str) -> str:
    """Return the title: a label that all loss types share gets the one that is shown."""
    words = loss_words(loss_type)
    return label if words.lower() in label.lower() or not words else f"{label}, {words}"


def _shown(
    ranked: Sequence[tuple[str, float]], kind: str
) -> tuple[list[tuple[str, float]], list[Note]]:
    """Return the bars that are drawn, and a sentence on what is left out."""
    if len(ranked) <= MOST:
        return [*ranked], []
    shown, others = [*ranked[: MOST - 1]], ranked[MOST - 1 :]
    if summable(kind):
        return [*shown, (f"{len(others)} others, sum", sum(loss for _, loss in others))], []
    return shown, [Info(f"Not drawn: {len(others)} with smaller losses; DATA has all.")]


def losses_or_damage(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the figure of an aggregate risk: damage where there are damage states, else losses."""
    states = len(damage_states(source)) > 1
    return (damage_distribution if states else average_losses)(source, choices, place)


_CHOICES = ("KIND", "LOSS_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER")

PLOTS = {
    **dict.fromkeys(("aggrisk", "aggrisk-stats"), PlotType(losses_or_damage, _CHOICES)),
    "avg_losses_by": PlotType(average_losses, ("LOSS_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER")),
    "src_loss_table": PlotType(average_losses, ("LOSS_TYPE",)),
}
