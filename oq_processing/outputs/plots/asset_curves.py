"""Figures of the loss curves of an asset."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.errors import InvalidChoice, InvalidOutput
from ..core.choices import Choices, match_kinds
from ..core.csv_export import CsvFile, csv_files
from ..core.quantities import loss_words, years
from ..core.source import Source
from ..core.table import REAL, TEXT, Column, small_table
from .plot import Axis, Place, Plot, PlotType, Series, subtitle
from .rows import chosen_loss_types, loss_axis


def asset_loss_curves(source: Source, choices: Choices, place: Place) -> Plot:
    """Return loss curves of an asset: probability of exceedance by loss (loss_curves-*).

    One loss type (structural, else the first), unless several of one unit were chosen.
    """
    asset = place.asset_id
    if not asset:
        raise InvalidChoice(f"{source.output.name} are of single assets; choose one by ASSET_ID.")
    by_kind = {_kind_of(file): file for file in csv_files(source)}
    statistics = sorted(
        (kind for kind in by_kind if not kind.startswith("rlz-")), key=lambda k: k != "mean"
    )
    numbers = sorted(int(kind[4:]) for kind in by_kind if kind.startswith("rlz-"))
    kinds = match_kinds(choices.kind, statistics, numbers)
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
    time = source.risk_time
    within = f" in {years(time)} year{'' if time == 1 else 's'}" if time else ""
    types = " and ".join(map(loss_words, loss_types))
    title = f"Loss curve{'s' if len(series) > 1 else ''}, {types}, asset {asset}"
    columns = [
        Column("asset_id", TEXT, "Asset"),
        Column("kind", TEXT, "Statistic or realization"),
        Column("loss_type", TEXT, "Loss type"),
        Column("loss_value", REAL, "Loss", losses.unit, quantity="loss curve"),
        Column("loss_ratio", REAL, "Loss ratio", "fraction", quantity="loss ratio"),
        Column("poe", REAL, f"Probability of exceedance{within}"),
    ]
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=losses,
        y=Axis(f"Probability of exceedance{within}", log=True),
        table=small_table(title, columns, [(asset, *row) for row in rows]),
        series=tuple(series),
        notes=tuple(notes),
    )


def _kind_of(file: CsvFile) -> str:
    """Return the statistic or realization of a file: ``loss_curves-rlz-000`` is ``rlz-0``."""
    kind = file.member.partition("-")[2]
    return f"rlz-{int(kind[4:])}" if kind.startswith("rlz-") else kind or "mean"


def _rows_of(file: CsvFile, asset_id: str) -> Iterator[tuple[str, float, float, float]]:
    """Yield loss type, loss, ratio and probability of an asset's rows."""
    wanted = ("asset_id", "loss_type", "loss_value", "loss_ratio", "poe")
    at: list[int] = []
    for row in file.read():
        if not at:
            if not set(wanted) <= set(file.header):
                raise InvalidOutput(f"{file.member} has no loss curves: {', '.join(file.header)}.")
            at = [file.header.index(name) for name in wanted]
        if row[at[0]] == asset_id:
            yield row[at[1]], float(row[at[2]]), float(row[at[3]]), float(row[at[4]])


PLOTS = dict.fromkeys(
    ("loss_curves-stats", "loss_curves-rlzs"),
    PlotType(asset_loss_curves, ("KIND", "LOSS_TYPE", "ASSET_ID")),
)
