"""Average losses of assets, with their time and unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..assets import members as m
from ..assets.selection import CHOICES, chosen_assets
from ..assets.words import average_loss
from ..core.choices import Choices
from ..core.kinds import realizations_of
from ..core.notes import Warn
from ..core.output_type import OutputType
from ..core.quantities import ANNUAL_RUN, holds_time
from ..core.source import Source
from ..core.table import Column, Geometry, Table
from ..core.wording import duration, years


def read_losses(source: Source, choices: Choices) -> Table:
    """Return average losses: one row per asset, one column per statistic and loss type.

    Values in the unit of the exposure's cost type, over the time that the column's label says;
    event-based ones also divided by the years where these are not one. In single precision from the
    extract ``losses_by_asset`` where that holds what the export does: statistics that were stored,
    or the only realization, without sums of loss types and insured losses. Else in the five digits
    of the CSV export. Raises :class:`InvalidChoice` for what is not there.
    """
    members = _loss_arrays(source) or m.csv_members(source, "the extract lacks some of it")
    parts = m.chosen_parts(source, choices, members, _loss_column)
    table = chosen_assets(m.table_of(source, choices, parts), choices)
    return _per_year(source, choices, table, parts)


def _loss_arrays(source: Source) -> m.Members:
    """Return the members of ``losses_by_asset``, {} where it is not what the export holds."""
    parameters = source.oqparam
    insured = "insurance" in (parameters.get("inputs") or {})
    if not parameters or insured or parameters.get("total_losses"):
        return {}
    rlzs = source.output.type.endswith("-rlzs")
    if rlzs and any(output.type == "avg_losses-stats" for output in source.outputs()):
        return {}  # the extract has the statistics only
    members = m.array_members(source, "losses_by_asset", "avg_losses")
    return members if realizations_of(members) == ([0] if rlzs else []) else {}


def _per_year(source: Source, choices: Choices, table: Table, parts: Sequence[m.Part]) -> Table:
    """Add the losses divided by the years of the events, where these are not one.

    That is exact for sums over events only. The average of classical_risk is the expected largest
    loss in the time (``risklib/scientific.average_loss`` integrates the PoE over the loss): it
    saturates, so that a 50th of that of 50 years may be less than half of that of a year.
    """
    time = source.risk_time
    if not time or time == 1:
        return table
    if not source.event_based:
        if not source.calculation.mode.startswith("classical"):
            return table
        note = Warn(
            f"The average loss over {duration(time)} is not {years(time)} times that of one year; "
            f"{ANNUAL_RUN}."
        )
        return replace(table, notes=(*table.notes, note))
    found: list[m.Derived] = []
    for part in parts:
        for name, column in part.values():
            if not holds_time(column.unit):
                annual = part.like(column, _loss_column(source, name, " per year"), choices)
                annual = replace(
                    annual,
                    name=f"{column.name}-per-year",
                    label=f"{annual.label}, derived: divided by {years(time)}",
                    unit=column.unit,
                )
                found.append((annual, (column.name,), lambda values: values / time))
    return m.with_derived(table, found)


def _loss_column(source: Source, name: str, time: str = "") -> Column:
    label = average_loss(source, name, time)
    return Column(name, label=label, additive=True, quantity="average loss", loss_type=name)


OUTPUTS = dict.fromkeys(
    ("avg_losses-stats", "avg_losses-rlzs"),
    OutputType(
        read=read_losses,
        geometries=(Geometry.POINT,),
        choices=("KIND", "LOSS_TYPE", *CHOICES),
        about="Average loss of each asset, by loss type.",
    ),
)
