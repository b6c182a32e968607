"""Average losses and damage of assets, with their time, unit and damage states."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable

from ..engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from . import general
from .choices import Choices, match_kinds, match_names
from .general import CsvFile, csv_files, scan, to_array
from .output_type import OutputType
from .quantities import kind_label, years
from .source import Source
from .table import (
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    point_array,
    rows_per_block,
)

LOSS_RAMP = "YlGnBu"
"""Not the ramp of ground motion: a map of losses must not be taken for one of shaking."""

NO_DAMAGE = "no_damage"
STATE_COLORS = ("#a8bda0", "#ffe14d", "#f28e1c", "#d7191c", "#6a0f4f")
"""From no damage to complete damage, by rank."""

STATE_RAMPS = ("Greys", "YlOrBr", "Oranges", "Reds", "Purples")
"""Ramps for the number of assets in a state, by rank: their hues are those of STATE_COLORS."""

_PEOPLE = {"occupants", "residents", "injured", "affectedpop", "fatalities", "homeless"}
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
class _Part:
    """What is taken from one file: the positions of its values, and the columns they become."""

    file: CsvFile
    positions: tuple[int, ...]
    columns: tuple[Column, ...]


def read_losses(source: Source, choices: Choices) -> Table:
    """Return average losses: one row per asset, one column per statistic and loss type.

    Values in the unit of the exposure's cost type, over the time that the column's label says, in
    the five digits of the CSV export. Raises :class:`InvalidChoice` for what is not there.
    """
    return _read(source, choices, _loss_column)


def read_damage(source: Source, choices: Choices) -> Table:
    """Return the expected number of buildings in each damage state: one row per asset.

    Consequences come along where the calculation has them. Event-based damage is read the general
    way: its export holds consequences only. Raises :class:`InvalidChoice` for what is not there.
    """
    if source.calculation.mode == "event_based_damage":
        return general.read(source, choices)
    return _read(source, choices, _damage_column)


def _read(source: Source, choices: Choices, describe: Callable[[Source, str], Column]) -> Table:
    if choices.geometry not in ("auto", POINT, NONE):
        raise InvalidChoice(
            f"{source.output.name} can be loaded with GEOMETRY auto, point or none."
        )
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} cannot be loaded in LONG_FORMAT.")
    by_kind = {_kind(file): file for file in csv_files(source)}
    statistics = [kind for kind in by_kind if not kind.startswith("rlz-")]
    statistics.sort(key=lambda kind: kind != "mean")  # what is usual comes first, and is drawn
    realizations = sorted(int(kind[4:]) for kind in by_kind if kind.startswith("rlz-"))
    kinds = match_kinds(choices.kind, statistics, realizations)
    files = [by_kind[kind] for kind in kinds]
    first = files[0]
    for file in files:
        scan(file)
        if not {"lon", "lat"} <= set(file.header):
            raise InvalidOutput(f"{file.member} has no coordinates: {', '.join(file.header)}.")
        if (file.rows, file.header) != (first.rows, first.header):
            raise _different(file, first)
    shared = first.header.index("lat") + 1
    described = [describe(source, name) for name in first.header[shared:]]
    loss_types = list(dict.fromkeys(c.loss_type for c in described))
    chosen = match_names(choices.loss_type, loss_types, "LOSS_TYPE", "loss type")
    described = _with_units(source, described)
    parts = []
    for kind, file in zip(kinds, files):
        summable = kind == "mean" or kind.startswith("rlz-")
        suffix = "" if kind == "mean" or len(by_kind) == 1 else f", {kind_label(kind).lower()}"
        columns = {
            shared + i: replace(
                column,
                name=f"{kind}-{column.name}" if len(kinds) > 1 else column.name,
                label=column.label + suffix,
                kind=kind,
                additive=summable and column.type == REAL,
            )
            for i, column in enumerate(described)
            if column.loss_type in chosen
        }
        parts.append(_Part(file, tuple(columns), tuple(columns.values())))
    return _table(source, choices, parts, shared)


def _different(file: CsvFile, first: CsvFile) -> InvalidOutput:
    return InvalidOutput(f"{file.member} and {first.member} are not of the same assets.")


def _table(source: Source, choices: Choices, parts: Sequence[_Part], shared: int) -> Table:
    first = parts[0].file
    about = tuple(
        Column(name, TEXT, *_ABOUT.get(name, (name, "")))
        if name not in ("lon", "lat")
        else Column(name, REAL, *_ABOUT[name])
        for name in first.header[:shared]
    )
    columns = (*about, *(c for part in parts for c in part.columns))
    styled = _styled([c for part in parts for c in part.columns], choices.style_field, source)
    geometry = NONE if choices.geometry == NONE else POINT
    provenance = source.provenance(choices)
    provenance["members"] = [part.file.member for part in parts]
    if time := _time(source):
        provenance["risk_investigation_time"] = time
    for key in ("checksum", "start_date"):
        if key in first.about:
            provenance[key] = first.about[key]
    notes = []
    if not first.rows:
        notes.append(f"{source.output.name} of calculation {source.calculation.id} is empty.")
    return Table(
        title=styled.title,
        columns=columns,
        rows=first.rows,
        blocks=partial(_blocks, parts, about, geometry == POINT),
        geometry=geometry,
        style=_style(styled, source),
        notes=tuple(notes),
        provenance=provenance,
    )


_ABOUT = {
    "asset_id": ("Asset", ""),
    "taxonomy": ("Taxonomy", ""),
    "lon": ("Longitude", "°"),
    "lat": ("Latitude", "°"),
}


def _blocks(parts: Sequence[_Part], about: Sequence[Column], points: bool) -> Iterator[Block]:
    """Yield the rows of several files side by side, checked to be of the same assets."""
    import numpy as np

    size = rows_per_block(len(about) + sum(len(part.columns) for part in parts))
    readers = [part.file.read() for part in parts]
    while chunk := list(islice(readers[0], size)):
        same = [row[: len(about)] for row in chunk]
        cells = list(zip(*same))
        values = [to_array(np, c.type, column) for c, column in zip(about, cells)]
        for i, part in enumerate(parts):
            rows = chunk if i == 0 else list(islice(readers[i], size))
            if [row[: len(about)] for row in rows] != same:
                raise _different(part.file, parts[0].file)
            for position, column in zip(part.positions, part.columns):
                values.append(to_array(np, column.type, tuple(row[position] for row in rows)))
        xy = point_array(values[len(about) - 2], values[len(about) - 1]) if points else None
        yield Block(tuple(values), xy)


def _kind(file: CsvFile) -> str:
    """Return the statistic or realization of a file: ``avg_losses-rlz-000`` is ``rlz-0``."""
    kind = file.member.partition("-")[2]
    return f"rlz-{int(kind[4:])}" if re.fullmatch(r"rlz-\d+", kind) else kind


def _time(source: Source) -> float | None:
    """Return the years that losses and damage refer to; None where there are none."""
    value = source.oqparam.get("risk_investigation_time") or source.investigation_time
    return float(value) if value else None


def _when(source: Source) -> str:
    time = _time(source)
    if time:
        return f" in {years(time)} year{'' if time == 1 else 's'}"
    return " given the event" if source.calculation.mode.startswith("scenario") else ""


def _words(loss_type: str) -> str:
    """Return a loss type as people write it: ``structural_ins`` is *insured structural*."""
    insured, base = loss_type.endswith("_ins"), re.sub(r"_ins$", "", loss_type)
    return ("insured " if insured else "") + base.replace("_", " ").replace("+", " + ")


def _loss_column(source: Source, name: str) -> Column:
    time = _time(source)
    if time == 1:
        label = f"Average annual {_words(name)} loss"
    else:
        label = f"{'Average' if time else 'Mean'} {_words(name)} loss{_when(source)}"
    base = re.sub(r"_ins$", "", name)
    unit = "people" if base in _PEOPLE else "buildings" if base == "number" else ""
    return Column(name, REAL, label, unit, quantity="average loss", loss_type=name)


def _damage_column(source: Source, name: str) -> Column:
    if name.startswith(_MODAL):
        peril, _, loss_type = name[len(_MODAL) :].rpartition("~")
        label = f"Most probable damage state, {_words(loss_type)}{_peril(peril)}"
        return Column(name, TEXT, label, quantity="modal damage state", loss_type=loss_type)
    peril, loss_type, state = _split(source, name)
    when = _when(source)
    where = f", {_words(loss_type)}{_peril(peril)}{',' if when else ''}{when}"
    if state in _states(source):
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
        "people" if state in _PEOPLE else "",
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


def _states(source: Source) -> list[str]:
    return [NO_DAMAGE, *(source.oqparam.get("limit_states") or ())]


def _with_units(source: Source, columns: Sequence[Column]) -> list[Column]:
    """Return the columns, with the currency of the exposure where they hold money."""
    monetary = [c for c in columns if not c.unit and c.quantity in ("average loss", "losses")]
    known = _cost_units(source) if monetary else {}
    found = []
    for column in columns:
        if column in monetary:
            # a sum of different currencies has no unit
            types = re.sub(r"_ins$", "", column.loss_type).split("+")
            units = {known.get(part, "") for part in types}
            found.append(replace(column, unit=units.pop() if len(units) == 1 else ""))
        else:
            found.append(column)
    return found


def _cost_units(source: Source) -> dict[str, str]:
    """Return the unit of each cost type of the exposure, {} where the server does not tell.

    They stand in the output ``exposure`` only, of this calculation or of the one it is based on.
    """
    for owner in (source.calculation.id, source.parent_id):
        if owner is None:
            continue
        with suppress(NotFound, ServerFault):
            for output in source.client.outputs(owner):
                if output.type == "exposure" and "zip" in output.formats:
                    target = source.folder / f"exposure-{output.id}.zip"
                    source.client.export(output, "zip", target)
                    return _units_in(target)
    return {}


def _units_in(path: Path) -> dict[str, str]:
    found = {}
    with suppress(zipfile.BadZipFile, OSError, UnicodeDecodeError), zipfile.ZipFile(path) as zipped:
        for name in zipped.namelist():
            if not name.endswith(".xml"):
                continue
            with zipped.open(name) as file:
                # only the head: cost types come before the assets
                text = file.read(1_000_000).decode("utf-8")
            for tag in re.findall(r"<costType\b[^>]*>", text):
                attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
                found[attributes.get("name", "")] = attributes.get("unit", "")
    return found


def _styled(columns: Sequence[Column], wanted: str, source: Source) -> Column:
    for column in columns:
        if wanted and column.name.lower() == wanted.lower():
            return column
    loss_types = [c.loss_type for c in columns]
    loss_type = "structural" if "structural" in loss_types else loss_types[0]
    of_type = [c for c in columns if c.loss_type == loss_type]
    ranks = {state: i for i, state in enumerate(_states(source))}
    states = [c for c in of_type if c.damage_state in ranks]
    if states:
        last = max(ranks[c.damage_state] for c in states)
        return next(c for c in states if ranks[c.damage_state] == last)
    return of_type[0]


def _style(column: Column, source: Source) -> Style:
    if column.type == TEXT:
        states = _states(source)
        colors = (_of_rank(STATE_COLORS, i, len(states)) for i in range(len(states)))
        return Style(
            column.name,
            categories=tuple((s, s.replace("_", " "), c) for s, c in zip(states, colors)),
        )
    ramp = LOSS_RAMP
    if column.damage_state:
        states = _states(source)
        ramp = _of_rank(STATE_RAMPS, states.index(column.damage_state), len(states))
    return Style(column.name, "logarithmic", (), ramp)


def _of_rank(values: Sequence[str], rank: int, count: int) -> str:
    """Return the value for a rank of ``count``: the first for none, the last for the last."""
    if rank == 0 or count < 2:
        return values[0]
    last = len(values) - 1
    # of two limit states the last is complete; of six the middle ones share a colour
    return values[last - round((count - 1 - rank) * (last - 1) / max(count - 2, last - 1))]


_LOSS_CHOICES = ("KIND", "LOSS_TYPE", "MEMBER")

OUTPUTS = {
    **dict.fromkeys(
        ("avg_losses-stats", "avg_losses-rlzs"),
        OutputType(
            read=read_losses,
            geometry="point",
            choices=_LOSS_CHOICES,
            about="Average loss of each asset, by loss type.",
        ),
    ),
    **dict.fromkeys(
        ("damages-stats", "damages-rlzs"),
        OutputType(
            read=read_damage,
            geometry="point",
            choices=_LOSS_CHOICES,
            about="Expected number of buildings in each damage state, by asset.",
        ),
    ),
}
