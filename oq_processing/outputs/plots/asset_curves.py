"""Figures of the loss curves of an asset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...engine.errors import InvalidChoice, InvalidOutput
from ..core.choices import Choices
from ..core.columns import KIND, USUAL
from ..core.csv_export import CsvFile, csv_files
from ..core.kinds import choose_kinds, kind_words
from ..core.source import Source
from ..core.table import Column, small_table
from ..core.wording import listed, loss_words, within
from ..readers.loss_curves import curve_rows
from .plot import Axis, Place, Plot, PlotType, Series, subtitle
from .rows import chosen_loss_types, loss_axis


def asset_loss_curves(source: Source, choices: Choices, place: Place) -> Plot:
    """Return loss curves of an asset: probability of exceedance by loss (loss_curves-*).

    One loss type (structural, else the first), unless several of one unit were chosen.
    """
    asset = place.asset_id
    if not asset:
        raise InvalidChoice(f"{source.output.name} are of single assets; choose one by ASSET_ID.")
    by_kind = {file.kind or "mean": file for file in csv_files(source)}
    kinds = choose_kinds(choices.kind, by_kind, source.branch)
    rows = [(kind, *row) for kind in kinds for row in _rows_of(by_kind[kind], asset)]
    if not rows:
        raise InvalidChoice(f"There is no asset “{asset}” (ASSET_ID) in {source.output.name}.")
    loss_types, notes = chosen_loss_types(list(dict.fromkeys(row[1] for row in rows)), choices)
    losses = loss_axis(source, loss_types, log=True)
    rows = [row for row in rows if row[1] in loss_types]
    series = []
    for kind in kinds:
        for name in loss_types:
            of = [row for row in rows if row[:2] == (kind, name)]
            group = loss_words(name) if len(loss_types) > 1 else ""
            series.append(Series(tuple(r[2] for r in of), tuple(r[4] for r in of), kind, group))
    probability = f"Probability of exceedance{within(source.risk_time)}"
    types = " and ".join(map(loss_words, loss_types))
    one = [kind_words(kind, source.branch(kind)) for kind in kinds if len(kinds) == 1]
    curves = f"Loss curve{'s' if len(series) > 1 else ''}"
    title = ", ".join([curves, types, f"asset {asset}", *one])
    columns = [
        USUAL["asset_id"],
        KIND,
        USUAL["loss_type"],
        Column("loss_value", label="Loss", unit=losses.unit, quantity="loss curve"),
        Column("loss_ratio", label="Loss ratio", unit="fraction", quantity="loss ratio"),
        replace(USUAL["poe"], label=probability),
    ]
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=losses,
        y=Axis(probability, log=True),
        table=small_table(title, columns, [(asset, *row) for row in rows]),
        series=tuple(series),
        notes=tuple(notes),
    )


def _rows_of(file: CsvFile, asset_id: str) -> Iterator[tuple[str, float, float, float]]:
    """Yield loss type, loss, ratio and probability of an asset's rows."""
    rows = curve_rows(file)
    if not {"loss_ratio", "poe"} <= set(file.header):
        raise InvalidOutput(f"{file.member} has no loss curves: {listed(file.header)}.")
    at = [file.header.index(name) for name in ("loss_value", "loss_ratio", "poe")]
    for row in rows:
        if row[0] == asset_id:
            loss, ratio, poe = (float(row[i]) for i in at)
            yield row[1], loss, ratio, poe


PLOTS = dict.fromkeys(
    ("loss_curves-stats", "loss_curves-rlzs"),
    PlotType(asset_loss_curves, ("KIND", "LOSS_TYPE", "ASSET_ID")),
)
