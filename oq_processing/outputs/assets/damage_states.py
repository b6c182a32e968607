"""Damage states: their order and colours, and what numbers of assets in them are called."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.palettes import LOSS_RAMP
from ..core.source import Source
from ..core.table import Column, ColumnType, Style
from .units import counted
from .words import of_what

NO_DAMAGE = "no_damage"

STATE_COLORS = ("#a8bda0", "#ffe14d", "#f28e1c", "#d7191c", "#6a0f4f")
"""From no damage to complete damage, by rank."""

STATE_RAMPS = ("Greys", "YlOrBr", "Oranges", "Reds", "Purples")
"""Ramps for the number of assets in a state, by rank: their hues are those of STATE_COLORS."""


def damage_states(source: Source) -> list[str]:
    """Return the damage states from none to the worst, of the parameter ``limit_states``."""
    return [NO_DAMAGE, *(source.oqparam.get("limit_states") or ())]


def damage_column(
    source: Source,
    name: str,
    state: str,
    loss_type: str,
    peril: str = "",
    time: str = "",
    what: str = "Expected number",
) -> Column:
    """Return the column of the number of buildings (components) in a state, or of another ``what``.

    ``time`` is what its label ends with: `` in 50 years``.
    """
    damage = "without damage" if state == NO_DAMAGE else f"in damage state {state}"
    return Column(
        name,
        label=f"{what} of {counted(source)} {damage}{of_what(loss_type, peril)}{time}",
        unit=counted(source),
        additive=True,
        quantity="damage",
        loss_type=loss_type,
        damage_state=state,
        peril=peril,
    )


def loss_style(column: Column, source: Source) -> Style:
    """Return how losses and damage are drawn: damage in the colours of its state."""
    states = damage_states(source)
    if column.type == ColumnType.TEXT:
        colors = (of_rank(STATE_COLORS, i, len(states)) for i in range(len(states)))
        return Style(
            column.name,
            categories=tuple((s, s.replace("_", " "), c) for s, c in zip(states, colors)),
        )
    ramp = LOSS_RAMP
    if column.damage_state:
        ramp = of_rank(STATE_RAMPS, states.index(column.damage_state), len(states))
    return Style(column.name, "logarithmic", (), ramp)


def of_rank(values: Sequence[str], rank: int, count: int) -> str:
    """Return the value for a rank of ``count``: the first for none, the last for the last."""
    if rank == 0 or count < 2:
        return values[0]
    last = len(values) - 1
    # of two limit states the last is complete; of six the middle ones share a colour
    return values[last - round((count - 1 - rank) * (last - 1) / max(count - 2, last - 1))]
