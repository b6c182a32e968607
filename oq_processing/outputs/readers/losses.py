"""Average losses and damage of assets, with their time, unit and damage states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Callable

from ...engine.errors import InvalidChoice, InvalidOutput, NotAllowed, NotFound, ServerFault
from ..assets.selection import CHOICES, chosen_assets, left_out_note
from ..core.choices import Choices, match_names
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.kinds import choose_kinds, kind_label
from ..core.lazy import Array
from ..core.output_type import OutputType
from ..core.palettes import LOSS_RAMP
from ..core.quantities import ANNUAL_RUN, PEOPLE, holds_time
from ..core.source import Source
from ..core.table import (
    MAX_COLUMNS,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    ColumnType,
    Style,
    Table,
    point_array,
    rows_per_block,
)
from ..core.wording import loss_words, years
from .exposure import check_point_or_table, cost_units, empty_note, loss_unit

NO_DAMAGE = "no_damage"
STATE_COLORS = ("#a8bda0", "#ffe14d", "#f28e1c", "#d7191c", "#6a0f4f")
"""From no damage to complete damage, by rank."""

STATE_RAMPS = ("Greys", "YlOrBr", "Oranges", "Reds", "Purples")
"""Ramps for the number of assets in a state, by rank: their hues are those of STATE_COLORS."""

_LOSS_TYPES = (
    "structural",
    "nonstructural",
    "contents",
    "business_interruption",
    "occupants",
    "residents",
    "affectedpop",
    "injured",
    "embodied_carbon",
    "number",
    "area",
)
_MODAL = "modal-ds-"


@dataclass(frozen=True)
class _Member:
    """The values of one statistic or realization: a CSV file, or an array of an extract.

    ``blocks(positions, rows)`` yields the arrays of those columns of ``header``, so many rows at a
    time. Members of one ``extract`` are of the same assets; those of CSV files are compared.
    """

    name: str
    header: tuple[str, ...]
    rows: int
    blocks: Callable[[Sequence[int], int], Iterator[list[Array]]]
    about: dict[str, Any]
    extract: bool = False

    @property
    def shared(self) -> int:
        """Number of columns that say which asset it is, up to its coordinates."""
        if not {"lon", "lat"} <= set(self.header):
            raise InvalidOutput(f"{self.name} has no coordinates: {', '.join(self.header)}.")
        return self.header.index("lat") + 1


_Members = dict[str, Callable[[], _Member]]
"""By statistic or realization, as the engine names them; each is read only if it was chosen."""


@dataclass(frozen=True)
class _Part:
    """What is taken from a member: the positions of its values, and the columns they become."""

    member: _Member
    positions: tuple[int, ...]
    columns: tuple[Column, ...]


def read_losses(source: Source, choices: Choices) -> Table:
    """Return average losses: one row per asset, one column per statistic and loss type.

    Values in the unit of the exposure's cost type, over the time that the column's label says;
    event-based ones also divided by the years where these are not one. In single precision from the
    extract ``losses_by_asset`` where that holds what the export does: statistics that were stored,
    or the only realization, without sums of loss types and insured losses. Else in the five digits
    of the CSV export. Raises :class:`InvalidChoice` for what is not there.
    """
    check_point_or_table(source, choices)
    members = _loss_arrays(source) or _csv_members(source)
    parts = _parts(source, choices, members, _loss_column)
    return _per_year(chosen_assets(_table(source, choices, parts), choices), source)


def read_damage(source: Source, choices: Choices) -> Table:
    """Return the expected number of buildings in each damage state: one row per asset.

    Consequences come along where the calculation has them; the fraction of the last damage state
    is derived. In single precision from the extract of the same name, modal damage states from the
    CSV export.

    Event-based damage is in the extract as the average of an event. It becomes that of the risk
    investigation time by the factor that the engine exports the consequences with, number of events
    x time ratio / number of realizations (``calculators/export/risk.py``); the number without
    damage has no such meaning and is left out. Raises :class:`InvalidChoice` for what is not there.
    """
    check_point_or_table(source, choices)
    if source.calculation.mode == "event_based_damage":
        return chosen_assets(_event_based_damage(source, choices), choices)
    modal = source.oqparam.get("modal_damage_state")
    members = ({} if modal else _damage_arrays(source)) or _csv_members(source)
    table = _table(source, choices, _parts(source, choices, members, _damage_column))
    return _fractions(chosen_assets(table, choices), source)


def _event_based_damage(source: Source, choices: Choices) -> Table:
    factor = _event_factor(source)
    members = _damage_arrays(source, factor)
    if not members:
        raise InvalidOutput(
            f"The server does not give the damage states of {source.output.name}; download the "
            "output instead."
        )
    parts = _parts(source, choices, members, _damage_column, without=NO_DAMAGE)
    table = _table(source, choices, parts)
    table.provenance["scaled_by"] = factor
    note = (
        "Scaled as the engine exports consequences, by the mean number of events of a "
        "realization; aggrisk counts the events of each realization, so its totals differ."
    )
    return replace(table, notes=(*table.notes, note))


def _loss_arrays(source: Source) -> _Members:
    """Return the members of ``losses_by_asset``, {} where it is not what the export holds."""
    parameters = source.oqparam
    insured = "insurance" in (parameters.get("inputs") or {})
    if not parameters or insured or parameters.get("total_losses"):
        return {}
    rlzs = source.output.type.endswith("-rlzs")
    if rlzs and any(
        output.type == "avg_losses-stats" for output in source.client.outputs(source.calculation.id)
    ):
        return {}  # the extract has the statistics only
    members = _arrays(source, "losses_by_asset", "avg_losses")
    single = [kind for kind in members if kind.startswith("rlz-")]
    return members if single == (["rlz-0"] if rlzs else []) else {}


def _damage_arrays(source: Source, factor: float | None = None) -> _Members:
    prefix = "damages" if source.calculation.mode == "classical_damage" else "avg_damages"
    return _arrays(source, source.output.type, prefix, factor)


def _arrays(source: Source, what: str, prefix: str, factor: float | None = None) -> _Members:
    """Return the members of an extract of assets with their tags, {} where there is none.

    ``GET /v1/calc/N/extract/what``: a composite array by statistic or realization, of the fields
    ``id``, tags, ``lon``, ``lat`` and values, which ``factor`` multiplies.
    """
    try:
        npz = source.npz(what)
    except (NotFound, ServerFault):
        return {}

    def member(name: str) -> _Member:
        array = npz.array(name)
        fields = array.dtype.names or ()
        header = tuple("asset_id" if field == "id" else field for field in fields)
        blocks = partial(_array_blocks, array, factor)
        return _Member(f"{prefix}-{name}", header, len(array), blocks, {}, True)

    return {_kind(name): partial(member, name) for name in npz.names if name != "extra"}


def _array_blocks(
    array: Array, factor: float | None, positions: Sequence[int], size: int
) -> Iterator[list[Array]]:
    import numpy as np

    names = array.dtype.names or ()
    for start in range(0, len(array), size):
        rows = array[start : start + size]
        found = []
        for position in positions:
            values = rows[names[position]]
            if values.dtype.kind == "S":
                values = np.char.decode(values, "utf-8", "replace").astype(object)
                values[values == ""] = None
            elif names[position] in ("lon", "lat"):
                # the engine rounds them so, in single precision
                values = np.round(values.astype(np.float64), 5)
            elif factor is not None:
                values = values * np.float32(factor)
            found.append(values)
        yield found


def _csv_members(source: Source) -> _Members:
    """Return the files of the CSV export."""

    def member(file: CsvFile) -> _Member:
        scan(file)
        for name, kind, wanted in zip(file.header, file.types, _types(file.header)):
            if file.rows and kind == TEXT and wanted == REAL:
                raise InvalidOutput(f"{file.member}: the column {name} does not hold numbers.")
        return _Member(file.member, file.header, file.rows, partial(_csv_blocks, file), file.about)

    return {
        _kind(file.member.partition("-")[2]): partial(member, file) for file in csv_files(source)
    }


def _csv_blocks(file: CsvFile, positions: Sequence[int], size: int) -> Iterator[list[Array]]:

    types = _types(file.header)
    rows = file.read()
    while chunk := list(islice(rows, size)):
        cells = list(zip(*chunk))
        yield [to_array(types[position], cells[position]) for position in positions]


def _types(header: Sequence[str]) -> list[ColumnType]:
    """Return the types of the columns: ids, tags and modal damage states are text."""
    place = header.index("lon") if "lon" in header else len(header)
    return [TEXT if i < place or name.startswith(_MODAL) else REAL for i, name in enumerate(header)]


def _parts(
    source: Source,
    choices: Choices,
    members: _Members,
    describe: Callable[[Source, str], Column],
    without: str = "",
) -> list[_Part]:
    """Return what was chosen of the members, described, ``without`` one damage state."""
    kinds = choose_kinds(choices.kind, list(members))
    read = [members[kind]() for kind in kinds]
    first = read[0]
    for member in read:
        if (member.rows, member.header) != (first.rows, first.header):
            raise _different(member, first)
    described = {
        first.shared + i: describe(source, name)
        for i, name in enumerate(first.header[first.shared :])
    }
    if without:
        described = {i: c for i, c in described.items() if c.damage_state != without}
    loss_types = list(dict.fromkeys(c.loss_type for c in described.values()))
    chosen = match_names(choices.loss_type, loss_types, "LOSS_TYPE", "loss type")
    described = _with_units(source, described)
    parts = []
    for kind, member in zip(kinds, read):
        summable = kind == "mean" or kind.startswith("rlz-")
        suffix = "" if kind == "mean" or len(members) == 1 else f", {kind_label(kind).lower()}"
        columns = {
            position: replace(
                column,
                name=f"{kind}-{column.name}" if len(kinds) > 1 else column.name,
                label=column.label + suffix,
                kind=kind,
                additive=summable and column.type == REAL,
            )
            for position, column in described.items()
            if column.loss_type in chosen
        }
        parts.append(_Part(member, tuple(columns), tuple(columns.values())))
    return parts


def _different(member: _Member, first: _Member) -> InvalidOutput:
    return InvalidOutput(f"{member.name} and {first.name} are not of the same assets.")


def _table(source: Source, choices: Choices, parts: Sequence[_Part]) -> Table:
    first = parts[0].member
    about = tuple(
        Column(name, kind, *_ABOUT.get(name, (name, "")))
        for name, kind in zip(first.header[: first.shared], _types(first.header))
    )
    values = [c for part in parts for c in part.columns]
    columns = (*about, *values)
    if len(columns) > MAX_COLUMNS:
        raise InvalidChoice(
            f"{source.output.name} has {len(columns)} fields so chosen, a layer at most "
            f"{MAX_COLUMNS}; choose by KIND or LOSS_TYPE."
        )
    if not values:
        raise InvalidChoice(f"{source.output.name} of {first.name} has no values.")
    styled = _styled(values, choices.style_field, source)
    geometry = NONE if choices.geometry == NONE else POINT
    provenance = source.provenance(choices)
    provenance["members"] = [part.member.name for part in parts]
    if time := source.risk_time:
        provenance["risk_investigation_time"] = time
    for key in ("checksum", "start_date"):
        if key in first.about:
            provenance[key] = first.about[key]
    notes = []
    if not first.rows:
        notes.append(empty_note(source))
    elif note := left_out_note(source, first.rows):
        notes.append(note)
    return Table(
        title=styled.title,
        columns=columns,
        rows=first.rows,
        blocks=partial(_blocks, parts, len(about), geometry == POINT),
        geometry=geometry,
        style=loss_style(styled, source),
        notes=tuple(notes),
        provenance=provenance,
    )


_ABOUT = {
    "asset_id": ("Asset", ""),
    "taxonomy": ("Taxonomy", ""),
    "lon": ("Longitude", "°"),
    "lat": ("Latitude", "°"),
}


def _blocks(parts: Sequence[_Part], shared: int, points: bool) -> Iterator[Block]:
    """Yield the rows of several members side by side, checked to be of the same assets."""
    first = parts[0].member
    size = rows_per_block(shared + sum(len(part.columns) for part in parts))
    about = tuple(range(shared))
    streams = [
        part.member.blocks(
            part.positions if i and part.member.extract else (*about, *part.positions), size
        )
        for i, part in enumerate(parts)
    ]
    place = first.header.index("lon"), first.header.index("lat")
    for arrays in zip(*streams):
        values = list(arrays[0])
        for part, found in zip(parts[1:], arrays[1:]):
            if part.member.extract:
                values += found
                continue
            if any(a.tolist() != b.tolist() for a, b in zip(values[:shared], found[:shared])):
                raise _different(part.member, first)
            values += found[shared:]
        xy = point_array(values[place[0]], values[place[1]]) if points else None
        yield Block(tuple(values), xy)


@dataclass(frozen=True)
class _Derived:
    """A column computed from those of the names ``of``."""

    column: Column
    of: tuple[str, ...]
    compute: Callable[..., Array]


def _per_year(table: Table, source: Source) -> Table:
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
        note = (
            f"The average loss over {years(time)} years is not {years(time)} times that of one "
            f"year; {ANNUAL_RUN}."
        )
        return replace(table, notes=(*table.notes, note))
    found = []
    for column in table.columns:
        if column.quantity == "average loss" and not holds_time(column.unit):
            label = column.label.replace(when(source), " per year")
            label = f"{label}, derived: divided by {years(time)}"
            column_per_year = replace(column, name=f"{column.name}-per-year", label=label)
            found.append(_Derived(column_per_year, (column.name,), lambda values: values / time))
    return _with_derived(table, found)


def _fractions(table: Table, source: Source) -> Table:
    """Add the fraction of the last damage state: its number divided by that of all states."""
    states = damage_states(source)
    groups: dict[str, dict[str, Column]] = {}
    for column in table.columns:
        if column.quantity == "damage":
            # of each statistic, peril and loss type: perils are never added
            prefix = column.name[: -len(column.damage_state)]
            groups.setdefault(prefix, {})[column.damage_state] = column
    found = []
    for group in groups.values():
        if set(group) == set(states):
            last = group[states[-1]]
            label = last.label.replace("Expected number", "Fraction", 1)
            fraction = replace(
                last,
                name=f"{last.name}-fraction",
                label=f"{label}, derived: of all states",
                unit="",
                additive=False,
                quantity="damage fraction",
            )
            names = (last.name, *(c.name for c in group.values()))
            found.append(_Derived(fraction, names, _share))
    return _with_derived(table, found)


def _share(number: Array, *states: Array) -> Array:
    """Return the number divided by that of all states, NaN where there is none."""
    import numpy as np

    whole = np.sum(states, axis=0, dtype=np.float64)
    found: Array = np.divide(number, whole, where=whole > 0, out=np.full(len(whole), np.nan))
    return found


def _with_derived(table: Table, derived: Sequence[_Derived]) -> Table:
    """Add columns to a table, unless there would be too many."""
    names = [c.name for c in table.columns]
    if len(names) + len(derived) > MAX_COLUMNS or any(d.column.name in names for d in derived):
        return table

    def blocks() -> Iterator[Block]:
        for block in table.blocks():
            by_name = dict(zip(names, block.values))
            more = tuple(d.compute(*(by_name[name] for name in d.of)) for d in derived)
            yield replace(block, values=block.values + more)

    return replace(table, columns=(*table.columns, *(d.column for d in derived)), blocks=blocks)


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
            f"Calculation {source.calculation.id} does not tell the years and the number of its "
            "events; its damage cannot be said per time."
        )
    effective = hazard_time * float(parameters.get("ses_per_logic_tree_path") or 1)
    return events * source.risk_time / effective / realizations


def _number_of_events(source: Source) -> int:
    try:
        return int(source.npz("num_events").array("num_events"))
    except NotAllowed:  # to simple users a server with logins gives the events themselves
        return len(source.npz("events").array("array"))


def _kind(text: str) -> str:
    """Return the statistic or realization of a member: ``rlz-000`` is ``rlz-0``."""
    return f"rlz-{int(text[4:])}" if re.fullmatch(r"rlz-\d+", text) else text


def when(source: Source) -> str:
    """Return the time that losses and damage are for, as it ends a title: `` in 50 years``."""
    time = source.risk_time
    if time:
        return f" in {years(time)} year{'' if time == 1 else 's'}"
    return " given the event" if source.calculation.mode.startswith("scenario") else ""


def _loss_column(source: Source, name: str) -> Column:
    time = source.risk_time
    if time == 1:
        label = f"Average annual {loss_words(name)} loss"
    else:
        label = f"{'Average' if time else 'Mean'} {loss_words(name)} loss{when(source)}"
    base = re.sub(r"_ins$", "", name)
    unit = "people" if base in PEOPLE else "buildings" if base == "number" else ""
    return Column(name, REAL, label, unit, quantity="average loss", loss_type=name)


def _damage_column(source: Source, name: str) -> Column:
    if name.startswith(_MODAL):
        peril, _, loss_type = name[len(_MODAL) :].rpartition("~")
        label = f"Most probable damage state, {loss_words(loss_type)}{_peril(peril)}"
        return Column(name, TEXT, label, quantity="modal damage state", loss_type=loss_type)
    peril, loss_type, state = _split(source, name)
    time = when(source)
    where = f", {loss_words(loss_type)}{_peril(peril)}{',' if time else ''}{time}"
    if state in damage_states(source):
        what = "without damage" if state == NO_DAMAGE else f"in state {state}"
        return Column(
            name,
            REAL,
            f"Expected number {what}{where}",
            "buildings",
            quantity="damage",
            loss_type=loss_type,
            damage_state=state,
        )
    return Column(
        name,
        REAL,
        f"Expected {state.replace('_', ' ')}{where}",
        "people" if state in PEOPLE else "",
        quantity=state,
        loss_type=loss_type,
    )


def _peril(peril: str) -> str:
    return f", {peril}" if peril else ""


def _split(source: Source, name: str) -> tuple[str, str, str]:
    """Return peril, loss type and damage state or consequence of ``[peril-]loss_type-state``."""
    known = {*_LOSS_TYPES, *(source.oqparam.get("all_cost_types") or ())}
    # the states may hold hyphens themselves: whole words are compared, never split
    alternatives = "|".join(re.escape(t) for t in sorted(known, key=len, reverse=True))
    if match := re.fullmatch(rf"(?:(.+?)-)??({alternatives})-(.+)", name):
        return match[1] or "", match[2], match[3]
    loss_type, _, state = name.partition("-")
    return "", loss_type, state


def damage_states(source: Source) -> list[str]:
    """Return the damage states from none to the worst, of the parameter ``limit_states``."""
    return [NO_DAMAGE, *(source.oqparam.get("limit_states") or ())]


def _with_units(source: Source, columns: dict[int, Column]) -> dict[int, Column]:
    """Return the columns, with the currency of the exposure where they hold money."""
    monetary = [
        c for c in columns.values() if not c.unit and c.quantity in ("average loss", "losses")
    ]
    # the exposure is fetched only for money
    known = cost_units(source) if monetary else {}
    return {
        i: replace(c, unit=loss_unit(c.loss_type, known)) if c in monetary else c
        for i, c in columns.items()
    }


def _styled(columns: Sequence[Column], wanted: str, source: Source) -> Column:
    for column in columns:
        if wanted and column.name.lower() == wanted.lower():
            return column
    loss_types = [c.loss_type for c in columns]
    loss_type = "structural" if "structural" in loss_types else loss_types[0]
    of_type = [c for c in columns if c.loss_type == loss_type]
    ranks = {state: i for i, state in enumerate(damage_states(source))}
    states = [c for c in of_type if c.damage_state in ranks]
    if states:
        last = max(ranks[c.damage_state] for c in states)
        return next(c for c in states if ranks[c.damage_state] == last)
    return of_type[0]


def loss_style(column: Column, source: Source) -> Style:
    """Return how losses and damage are drawn: damage in the colours of its state."""
    if column.type == TEXT:
        states = damage_states(source)
        colors = (of_rank(STATE_COLORS, i, len(states)) for i in range(len(states)))
        return Style(
            column.name,
            categories=tuple((s, s.replace("_", " "), c) for s, c in zip(states, colors)),
        )
    ramp = LOSS_RAMP
    if column.damage_state:
        states = damage_states(source)
        ramp = of_rank(STATE_RAMPS, states.index(column.damage_state), len(states))
    return Style(column.name, "logarithmic", (), ramp)


def of_rank(values: Sequence[str], rank: int, count: int) -> str:
    """Return the value for a rank of ``count``: the first for none, the last for the last."""
    if rank == 0 or count < 2:
        return values[0]
    last = len(values) - 1
    # of two limit states the last is complete; of six the middle ones share a colour
    return values[last - round((count - 1 - rank) * (last - 1) / max(count - 2, last - 1))]


_LOSS_CHOICES = ("KIND", "LOSS_TYPE", *CHOICES)

OUTPUTS = {
    **dict.fromkeys(
        ("avg_losses-stats", "avg_losses-rlzs"),
        OutputType(
            read=read_losses,
            geometries=(POINT,),
            choices=_LOSS_CHOICES,
            about="Average loss of each asset, by loss type.",
        ),
    ),
    **dict.fromkeys(
        ("damages-stats", "damages-rlzs"),
        OutputType(
            read=read_damage,
            geometries=(POINT,),
            choices=_LOSS_CHOICES,
            about="Expected number of buildings in each damage state, by asset.",
        ),
    ),
}
