"""The distribution of the loss of a scenario over its ground motion fields."""

from __future__ import annotations

import math
from dataclasses import replace

from ...engine.errors import InvalidChoice, InvalidOutput
from .. import catalogue
from ..core.choices import Choices
from ..core.lazy import np
from ..core.notes import Info
from ..core.source import Source
from ..core.table import Column, ColumnType, small_table
from ..core.wording import capital, listed, loss_words
from ..readers.ground_motion_events import event_weights, events_of
from .plot import HISTOGRAM, Axis, Place, Plot, PlotType, Series, subtitle
from .rows import chosen_loss_types, loss_axis, read_whole

FEWEST, MOST = 8, 40
"""Bins of a histogram."""


def loss_distribution(source: Source, choices: Choices, _: Place) -> Plot:
    """Return the histogram of a scenario's losses, with mean and standard deviation (σ).

    From ``risk_by_event``; fields without a row have no loss. Each counts by the weight of its
    realization, as in the engine's own mean (``aggrisk``). One loss type (structural, else the
    first). Raises :class:`InvalidChoice` for calculations that are no scenarios.
    """
    if source.event_based:
        raise InvalidChoice(
            f"Calculation {source.calculation.id} is not a scenario: its events are of different "
            "earthquakes. Plot aggcurves or aggcurves-stats instead."
        )
    read = read_whole(catalogue.read(source, replace(choices, loss_type="")))
    column = next((c for c in read.table.columns if c.quantity == "event loss"), None)
    if column is None:
        raise InvalidChoice(f"{read.table.title} has no losses; plot aggrisk or damages-stats.")
    loss_types, notes = chosen_loss_types([str(n) for n in read.distinct("loss_type")], choices)
    if len(loss_types) > 1:
        raise InvalidChoice(f"A figure shows one loss type; choose one of: {listed(loss_types)}.")
    [loss_type] = loss_types
    events = events_of(source)
    weights, ids = event_weights(source, events), events["id"].tolist()
    found = {
        int(cells["event_id"]): float(cells[column.name])
        for cells in read.where("loss_type", [loss_type]).cells()
    }
    if unknown := set(found) - set(ids):
        raise InvalidOutput(f"{read.table.title} has losses of unknown events: {min(unknown)}.")
    losses = np.array([found.get(event, 0.0) for event in ids])
    mean = float(weights @ losses)
    std = math.sqrt(float(weights @ (losses - mean) ** 2))
    edges = np.histogram_bin_edges(losses, min(MOST, max(FEWEST, round(math.sqrt(len(losses))))))
    shares = 100 * np.histogram(losses, edges, weights=weights)[0]
    counts = np.histogram(losses, edges)[0]
    axis = loss_axis(source, loss_types)
    missing = len(ids) - len(found)
    title = f"Distribution of the {loss_words(loss_type)} loss of the scenario"
    numbers = [f"{len(ids):,} ground motion fields", f"mean {_text(mean, axis.unit)}"]
    numbers += [f"σ {_text(std, axis.unit)}" + (f" ({100 * std / mean:.3g}%)" if mean else "")]
    columns = [
        Column("loss_type", ColumnType.TEXT, "Loss type"),
        Column("lower", label=f"{axis.label}, from", unit=axis.unit),
        Column("upper", label=f"{axis.label}, to", unit=axis.unit),
        Column("events", ColumnType.INTEGER, "Ground motion fields"),
        Column("share", label="Probability given the event", unit="%"),
        Column("mean", label="Mean", unit=axis.unit),
        Column("std", label="Standard deviation (σ)", unit=axis.unit),
    ]
    bins = [*zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), shares.tolist())]
    notes += [Info(f"{missing} of {len(ids)} fields have no loss.")] if missing else []
    return Plot(
        title=title,
        subtitle="\n".join([capital("; ".join(numbers)), subtitle(source)]),
        x=axis,
        y=Axis("Probability given the event", "%"),
        table=small_table(title, columns, [(loss_type, *row, mean, std) for row in bins]),
        form=HISTOGRAM,
        series=(Series(tuple(map(float, range(len(bins)))), tuple(shares.tolist())),),
        x_edges=tuple(edges.tolist()),
        marks=tuple(
            (value, name)
            for value, name in ((mean - std, "mean − σ"), (mean, "mean"), (mean + std, "mean + σ"))
            if value > 0
        ),
        notes=(*notes, Info(f"{capital('; '.join(numbers))}.")),
    )


def _text(value: float, unit: str) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{value / size:.4g} {word} {unit}".strip()
    return f"{value:,.4g} {unit}".strip()


PLOTS = {"risk_by_event": PlotType(loss_distribution, ("LOSS_TYPE",))}
