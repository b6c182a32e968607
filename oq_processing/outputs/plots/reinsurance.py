"""Reinsurance: what is claimed, kept and ceded, by return period."""

from __future__ import annotations

from dataclasses import replace

from ...engine.errors import InvalidChoice, InvalidOutput
from .. import catalogue
from ..core.choices import Choices
from ..core.columns import KIND, USUAL
from ..core.kinds import kind_words
from ..core.notes import Info, Note
from ..core.source import Source
from ..core.table import Column, ColumnType, small_table
from ..core.wording import listed
from ..readers.aggregate_columns import EP_TYPES, split_name
from .plot import Axis, Place, Plot, PlotType, Series, subtitle
from .rows import read_whole

MOST = 10
"""Curves in one figure."""

OVERSPILL = "Overspill"
_WORDS = {"claim": "Gross claim", "retention": "Retention"}


def reinsurance_curves(source: Source, choices: Choices, _: Place) -> Plot:
    """Return the gross claim, the retention and each treaty's cession by return period.

    From ``reinsurance-aggcurves``, as the engine has computed them: each is a curve of its own, and
    they do not add up. One type of exceedance probability (EP, else the first).
    """
    whole = read_whole(catalogue.read(source, replace(choices, kind="")))
    read, kinds = whole.of_kinds(choices.kind, source.branch)
    if len(kinds) > 1:
        raise InvalidChoice(
            f"A figure shows one statistic or realization; choose one by KIND: {listed(kinds)}."
        )
    there = [c for c in read.table.columns if c.quantity == "reinsurance"]
    if not there:
        raise InvalidOutput(f"{read.table.title} has no curves of reinsurance.")
    types = list(dict.fromkeys(split_name(c.name).ep for c in there))
    ep, notes = types[0], list[Note]()
    if len(types) > 1:
        others = [name.upper() for name in types[1:]]
        notes.append(Info(f"Plotted: {ep.upper()}; others by EP_TYPE: {listed(others)}."))
    values = [c for c in there if split_name(c.name).ep == ep and not split_name(c.name).ratio]
    values.sort(key=lambda c: [*_WORDS, name_of(c)].index(name_of(c)))
    cells = sorted(read.cells(), key=lambda row: float(row["return_period"]))
    periods = tuple(float(row["return_period"]) for row in cells)
    series = [
        Series(periods, tuple(float(row[c.name]) for row in cells), kinds[0], words_of(c))
        for c in values
    ]
    rows = [(s.kind, x, s.group, y) for s in series for x, y in zip(s.x, s.y)]
    shown = [s for s in series if any(s.y)] or series[:1]
    shown = sorted(sorted(shown, key=_largest)[:MOST], key=series.index)
    if left := [s.group for s in series if s not in shown]:
        notes.append(Info(f"Not drawn, but in DATA: {listed(left)}."))
    several = len(whole.distinct("rlz_id")) > 1
    kind = [kind_words(kinds[0], source.branch(kinds[0]))] if several else []
    title = ", ".join([f"Reinsurance by return period ({ep.upper()})", *kind])
    columns = [
        KIND,
        USUAL["return_period"],
        Column("part", ColumnType.TEXT, "Part of the loss"),
        Column("value", label=f"Amount, {EP_TYPES[ep]}", unit=values[0].unit),
    ]
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis("Return period", "years", log=True),
        y=Axis("Amount", values[0].unit),
        table=small_table(title, columns, rows),
        series=tuple(shown),
        notes=tuple(notes),
    )


def _largest(series: Series) -> tuple[bool, bool, float]:
    """Return a key that sorts claim and retention first, then cessions, the largest of them."""
    first, over = series.group in _WORDS.values(), series.group.startswith(OVERSPILL)
    return not first, over, -max(series.y)


def name_of(column: Column) -> str:
    """Return which part of the loss a column holds: ``claim``, ``retention``, a treaty."""
    return split_name(column.name).what


def words_of(column: Column) -> str:
    """Return the part of the loss as the legend has it."""
    name = name_of(column)
    if name.startswith(("overspill_", "over_")):
        return f"{OVERSPILL} of {name.partition('_')[2]}"
    return _WORDS.get(name, f"Cession to {name}")


PLOTS = {
    "reinsurance-aggcurves": PlotType(
        reinsurance_curves, ("KIND", "RETURN_PERIOD", "EP_TYPE", "MEMBER")
    )
}
