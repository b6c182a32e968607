"""Damage of assets: the expected number in each state, and its consequences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...engine.errors import InvalidOutput, NotAllowed, NotFound, ServerFault
from ..assets import members as m
from ..assets.damage_states import NO_DAMAGE, damage_column, damage_states
from ..assets.selection import CHOICES, chosen_assets
from ..assets.words import SHAKING, expected, of_what, several_perils, when
from ..core.choices import Choices
from ..core.lazy import Array, np
from ..core.notes import Info
from ..core.output_type import OutputType
from ..core.quantities import PEOPLE
from ..core.source import Source
from ..core.table import Column, ColumnType, Geometry, Table

_LOSS_TYPES = (
    *("structural", "nonstructural", "contents", "business_interruption", "occupants"),
    *("residents", "affectedpop", "injured", "embodied_carbon", "number", "area"),
)


def read_damage(source: Source, choices: Choices) -> Table:
    """Return the expected number of buildings (components) in each damage state: a row per asset.

    Consequences come along where the calculation has them; the fraction of the last damage state
    is derived. In single precision from the extract of the same name, modal damage states from the
    CSV export.

    Event-based damage is in the extract as the average of an event. It becomes that of the risk
    investigation time by the factor that the engine exports the consequences with, number of events
    x time ratio / number of realizations (``calculators/export/risk.py``); the number without
    damage has no such meaning and is left out. Raises :class:`InvalidChoice` for what is not there.
    """
    if source.calculation.mode == "event_based_damage":
        return chosen_assets(_event_based_damage(source, choices), choices)
    modal = source.oqparam.get("modal_damage_state")
    why = "only it holds modal damage states" if modal else "there is no extract"
    members = ({} if modal else _damage_arrays(source)) or m.csv_members(source, why)
    parts = m.chosen_parts(source, choices, members, _damage_column)
    table = chosen_assets(m.table_of(source, choices, parts), choices)
    return _fractions(source, choices, table, parts)


def _event_based_damage(source: Source, choices: Choices) -> Table:
    factor = _event_factor(source)
    members = _damage_arrays(source, factor)
    if not members:
        raise InvalidOutput(
            f"The server does not give the damage states of {source.output.name}; download the "
            "output instead."
        )
    parts = m.chosen_parts(source, choices, members, _damage_column, without=NO_DAMAGE)
    table = m.table_of(source, choices, parts).with_provenance(scaled_by=factor)
    note = Info(
        "Scaled as the engine exports consequences, by the mean number of events of a "
        "realization; aggrisk counts the events of each realization, so its totals differ."
    )
    return replace(table, notes=(*table.notes, note))


def _damage_arrays(source: Source, factor: float | None = None) -> m.Members:
    prefix = "damages" if source.calculation.mode == "classical_damage" else "avg_damages"
    return m.array_members(source, source.output.type, prefix, factor)


def _fractions(source: Source, choices: Choices, table: Table, parts: Sequence[m.Part]) -> Table:
    """Add the fraction of the last damage state: its number divided by that of all states."""
    states = damage_states(source)
    found: list[m.Derived] = []
    for part in parts:
        # of each peril and loss type: perils are never added
        groups: dict[tuple[str, str], dict[str, Column]] = {}
        for _, column in part.values():
            if column.quantity == "damage":
                group = groups.setdefault((column.peril, column.loss_type), {})
                group[column.damage_state] = column
        for group in groups.values():
            if set(group) == set(states):
                last = group[states[-1]]
                names = (last.name, *(c.name for c in group.values()))
                found.append((_fraction(source, choices, part, last), names, _share))
    return m.with_derived(table, found)


def _fraction(source: Source, choices: Choices, part: m.Part, last: Column) -> Column:
    of = last.loss_type, last.peril, when(source)
    plain = damage_column(source, last.name, last.damage_state, *of, what="Fraction")
    found = part.like(last, plain, choices)
    return replace(
        found,
        name=f"{last.name}-fraction",
        label=f"{found.label}, derived: of all states",
        unit="",
        additive=False,
        quantity="damage fraction",
    )


def _share(number: Array, *states: Array) -> Array:
    """Return the number divided by that of all states, NaN where there is none."""
    whole = np.sum(states, axis=0, dtype=np.float64)
    return np.divide(number, whole, where=whole > 0, out=np.full(len(whole), np.nan))


def _event_factor(source: Source) -> float:
    """Return what makes of the average of an event that of the risk investigation time.

    Number of events x time ratio / number of realizations; the time ratio is that of the risk
    investigation time and the effective one of a realization.
    """
    parameters = source.oqparam
    hazard_time = source.investigation_time
    try:
        events = float(_number_of_events(source))
        realizations = len(source.npz("realizations").array("array"))
    except (NotFound, ServerFault, InvalidOutput):
        events, realizations = 0.0, 0
    if not (hazard_time and source.risk_time and events and realizations):
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not report the years and the number of "
            "its events; its damage cannot be expressed per time."
        )
    effective = hazard_time * float(parameters.get("ses_per_logic_tree_path") or 1)
    return events * source.risk_time / effective / realizations


def _number_of_events(source: Source) -> int:
    try:
        return int(source.npz("num_events").array("num_events"))
    except NotAllowed:  # to simple users a server with logins gives the events themselves
        return len(source.npz("events").array("array"))


def _damage_column(source: Source, name: str) -> Column:
    if name.startswith(m.MODAL):
        peril, _, loss_type = name[len(m.MODAL) :].rpartition("~")
        peril = peril or _unnamed(source)
        return Column(
            name,
            ColumnType.TEXT,
            f"Most probable damage state{of_what(loss_type, peril)}",
            quantity="modal damage state",
            loss_type=loss_type,
        )
    peril, loss_type, state = _split(source, name)
    if state in damage_states(source):
        return damage_column(source, name, state, loss_type, peril, when(source))
    return Column(
        name,
        label=expected(source, state, loss_type, peril),
        unit="people" if state in PEOPLE else "",
        additive=True,
        quantity=state,
        loss_type=loss_type,
    )


def _split(source: Source, name: str) -> tuple[str, str, str]:
    """Return peril, loss type and damage state or consequence of ``[peril-]loss_type-state``."""
    known = {*_LOSS_TYPES, *(source.oqparam.get("all_cost_types") or ())}
    # the states may hold hyphens themselves: whole words are compared, never split
    alternatives = "|".join(re.escape(t) for t in sorted(known, key=len, reverse=True))
    if match := re.fullmatch(rf"(?:(.+?)-)??({alternatives})-(.+)", name):
        return match[1] or _unnamed(source), match[2], match[3]
    loss_type, _, state = name.partition("-")
    return _unnamed(source), loss_type, state


def _unnamed(source: Source) -> str:
    """Return the peril of columns that name none."""
    return SHAKING if several_perils(source) else ""


OUTPUTS = dict.fromkeys(
    ("damages-stats", "damages-rlzs"),
    OutputType(
        read=read_damage,
        geometries=(Geometry.POINT,),
        choices=("KIND", "LOSS_TYPE", *CHOICES),
        about="Expected number of buildings (or components) in each damage state, by asset.",
    ),
)
