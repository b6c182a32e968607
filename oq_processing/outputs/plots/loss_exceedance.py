"""Figures of loss exceedance curves: loss by return period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput
from .. import catalogue
from ..core.choices import Choices
from ..core.kinds import kind_words, realizations_of
from ..core.notes import Info, Note
from ..core.source import Source
from ..core.table import Column, Table, small_table
from ..core.wording import loss_words
from ..readers.aggregate_columns import split_name
from .plot import Axis, Place, Plot, PlotType, Series, subtitle
from .rows import Rows, chosen_loss_types, loss_axis, read_whole

MAX_SERIES = 40  # curves by tag in one figure

_VALUES = ("loss curve", "loss ratio")


def loss_exceedance(source: Source, choices: Choices, _: Place) -> Plot:
    """Return curves of loss by return period, as the engine has computed them (aggcurves).

    One loss type (structural, else the first), unless several were chosen that have one unit. With
    several realizations comes the engine's own mean, where it has one (``aggcurves-stats``).
    """
    read = read_whole(catalogue.read(source, replace(choices, kind="", loss_type="")))
    # of realizations all where none was chosen: thin, beside the engine's mean
    found, kinds = read.of_kinds(choices.kind, source.branch, several=True)
    loss_types, notes = found.distinct("loss_type"), list[Note]()
    if loss_types:
        loss_types, notes = chosen_loss_types(loss_types, choices)
        found = found.where("loss_type", loss_types)
        loss_types = found.distinct("loss_type")
    values = _loss_columns(found.table)
    losses = loss_axis(source, loss_types)
    losses = losses if loss_types else replace(losses, unit=values[0].unit)
    values = [replace(column, unit=losses.unit) for column in values]
    series = _curves(found, values)
    single = len(realizations_of(kinds))
    mean = _mean_of(source, choices, loss_types) if single > 1 else None
    if mean is not None:
        series += _curves(mean, _loss_columns(mean.table))
    if len(series) > MAX_SERIES and not single:
        raise InvalidChoice(
            f"This would be {len(series)} curves; choose fewer by TAG_FILTER, KIND or LOSS_TYPE."
        )
    notes += zero_notes(series)
    drawn = {s.kind for s in series}
    # which exceedance it is stands in the legend where there are several
    types = {split_name(column.name).ep for column in values}
    what = f"Loss exceedance ({types.pop().upper()})" if len(types) == 1 else "Loss exceedance"
    kind = [kind_words(k, source.branch(k)) for k in drawn if len(drawn) == 1]
    title = ", ".join([what, " and ".join(map(loss_words, loss_types)), *found.tags(), *kind])
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis("Return period", "years", log=True),
        y=losses,
        table=_table_of(title, [found, *([mean] if mean else [])], values),
        series=tuple(series),
        notes=tuple(notes),
    )


def zero_notes(series: Sequence[Series]) -> list[Note]:
    """Return a sentence on curves that are mostly 0."""
    every = [y for s in series for y in s.y]
    zeros = every.count(0.0)
    said = Info(f"The loss is 0 at {zeros} of {len(every)} points.")
    return [said] if 2 * zeros > len(every) else []


def _loss_columns(table: Table) -> list[Column]:
    """Return the columns of losses, no ratios."""
    found = [c for c in table.columns if c.quantity == "loss curve"]
    if not found:
        raise InvalidOutput(f"{table.title} has no losses by return period.")
    return found


def _curves(read: Rows, values: Sequence[Column]) -> list[Series]:
    """Return a curve for each statistic or realization, loss type, tag and type of exceedance."""
    columns = read.table.columns
    keys = [c.name for c in columns if c.name != "return_period" and c.quantity not in _VALUES]
    varying = [name for name in keys if len(read.distinct(name)) > 1]
    curves: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for cells in read.cells():
        curves.setdefault(tuple(cells[name] for name in keys), []).append(cells)
    found = []
    for rows in curves.values():
        rows.sort(key=lambda row: row["return_period"])
        of = rows[0]
        kind = str(of.get("stat") or (f"rlz-{of['rlz_id']}" if "rlz_id" in of else "mean"))
        words = [
            loss_words(of[name]) if name == "loss_type" else str(of[name])
            for name in varying
            if name not in ("stat", "rlz_id")
        ]
        for column in values:
            x, y = (
                tuple(float(row[name]) for row in rows) for name in ("return_period", column.name)
            )
            found.append(Series(x, y, kind, ", ".join([*words, *_distinguished(column, values)])))
    return found


def _distinguished(column: Column, values: Sequence[Column]) -> list[str]:
    """Return what distinguishes a column of losses from the others: OEP, amplified."""
    name, others = split_name(column.name), [split_name(other.name) for other in values]
    words = [name.ep.upper()] if len({other.ep for other in others}) > 1 else []
    if len({other.base for other in others}) > 1:
        words.append("amplified" if name.amplified else "not amplified")
    return words


def _mean_of(source: Source, choices: Choices, loss_types: Sequence[str]) -> Rows | None:
    """Return the engine's own mean curves beside single realizations; None if it has none."""
    name = f"{source.output.type}-stats"
    output = next((output for output in source.outputs() if output.type == name), None)
    if output is None:
        return None
    stats = catalogue.read(replace(source, output=output), replace(choices, kind="", loss_type=""))
    mean = read_whole(stats).where("loss_type", loss_types).where("stat", ["mean"])
    return mean if mean.rows and "stat" in mean.names else None


def _table_of(title: str, parts: Sequence[Rows], values: Sequence[Column]) -> Table:
    """Return the rows of a figure; the engine's mean beside realizations has its own ``stat``."""
    columns = {column.name: column for part in parts for column in part.table.columns}
    columns.update((column.name, column) for column in values)
    rows = [[cells.get(name) for name in columns] for part in parts for cells in part.cells()]
    return small_table(title, [*columns.values()], rows)


PLOTS = dict.fromkeys(
    ("aggcurves", "aggcurves-stats"),
    PlotType(
        loss_exceedance,
        ("KIND", "LOSS_TYPE", "RETURN_PERIOD", "EP_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER"),
    ),
)
