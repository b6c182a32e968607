"""Values of assets by statistic or realization, in files of an export or arrays of an extract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices, match_kinds, match_names
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.quantities import kind_label
from ..core.source import Source
from ..core.table import (
    MAX_COLUMNS,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Table,
    point_array,
    rows_per_block,
)
from .assets import empty_note
from .damage_states import damage_states, loss_style
from .selection import left_out_note
from .units import Units

if TYPE_CHECKING:
    from ..core.table import Array

MODAL = "modal-ds-"
"""How columns of modal damage states begin; they hold texts."""


@dataclass(frozen=True)
class Member:
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


Members = dict[str, Callable[[], Member]]
"""By statistic or realization, as the engine names them; each is read only if it was chosen."""


@dataclass(frozen=True)
class Part:
    """What is taken from a member: the positions of its values, and the columns they become."""

    member: Member
    positions: tuple[int, ...]
    columns: tuple[Column, ...]


def array_members(source: Source, what: str, prefix: str, factor: float | None = None) -> Members:
    """Return the members of an extract of assets with their tags, {} where there is none.

    ``GET /v1/calc/N/extract/what``: a composite array by statistic or realization, of the fields
    ``id``, tags, ``lon``, ``lat`` and values, which ``factor`` multiplies.
    """
    try:
        npz = source.npz(what)
    except (NotFound, ServerFault):
        return {}

    def member(name: str) -> Member:
        array = npz.array(name)
        fields = array.dtype.names or ()
        header = tuple("asset_id" if field == "id" else field for field in fields)
        blocks = partial(_array_blocks, array, factor)
        return Member(f"{prefix}-{name}", header, len(array), blocks, {}, True)

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


def csv_members(source: Source) -> Members:
    """Return the files of the CSV export."""

    def member(file: CsvFile) -> Member:
        scan(file)
        for name, kind, wanted in zip(file.header, file.types, _types(file.header)):
            if file.rows and kind == TEXT and wanted == REAL:
                raise InvalidOutput(f"{file.member}: the column {name} does not hold numbers.")
        return Member(file.member, file.header, file.rows, partial(_csv_blocks, file), file.about)

    return {
        _kind(file.member.partition("-")[2]): partial(member, file) for file in csv_files(source)
    }


def _csv_blocks(file: CsvFile, positions: Sequence[int], size: int) -> Iterator[list[Array]]:
    import numpy as np

    types = _types(file.header)
    rows = file.read()
    while chunk := list(islice(rows, size)):
        cells = list(zip(*chunk))
        yield [to_array(np, types[position], cells[position]) for position in positions]


def _types(header: Sequence[str]) -> list[str]:
    """Return the types of the columns: ids, tags and modal damage states are text."""
    place = header.index("lon") if "lon" in header else len(header)
    return [TEXT if i < place or name.startswith(MODAL) else REAL for i, name in enumerate(header)]


def chosen_parts(
    source: Source,
    choices: Choices,
    members: Members,
    describe: Callable[[Source, str], Column],
    without: str = "",
) -> list[Part]:
    """Return what was chosen of the members, described, ``without`` one damage state."""
    statistics = [kind for kind in members if not kind.startswith("rlz-")]
    statistics.sort(key=lambda kind: kind != "mean")  # what is usual comes first, and is drawn
    realizations = sorted(int(kind[4:]) for kind in members if kind.startswith("rlz-"))
    kinds = match_kinds(choices.kind, statistics, realizations)
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
                additive=column.additive and summable,
            )
            for position, column in described.items()
            if column.loss_type in chosen
        }
        parts.append(Part(member, tuple(columns), tuple(columns.values())))
    return parts


def _different(member: Member, first: Member) -> InvalidOutput:
    return InvalidOutput(f"{member.name} and {first.name} are not of the same assets.")


def table_of(source: Source, choices: Choices, parts: Sequence[Part]) -> Table:
    """Return the table of all assets: what is known of each, and the values of all parts."""
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


def _blocks(parts: Sequence[Part], shared: int, points: bool) -> Iterator[Block]:
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
class Derived:
    """A column computed from those of the names ``of``."""

    column: Column
    of: tuple[str, ...]
    compute: Callable[..., Array]


def with_derived(table: Table, derived: Sequence[Derived]) -> Table:
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


def _kind(text: str) -> str:
    """Return the statistic or realization of a member: ``rlz-000`` is ``rlz-0``."""
    return f"rlz-{int(text[4:])}" if re.fullmatch(r"rlz-\d+", text) else text


def _with_units(source: Source, columns: dict[int, Column]) -> dict[int, Column]:
    """Return the columns, with the currency of the exposure where they hold money."""
    units = Units(source)
    return {
        i: replace(c, unit=units.of(c.loss_type))
        if not c.unit and c.quantity in ("average loss", "losses")
        else c
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
