"""Values of assets by statistic or realization, in files of an export or arrays of an extract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Callable

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices, match_names
from ..core.columns import USUAL
from ..core.csv_export import CsvFile, csv_files, scan
from ..core.kinds import choose_kinds, of_kind, parse_kind
from ..core.lazy import Array, np
from ..core.source import Source
from ..core.table import (
    MAX_COLUMNS,
    Block,
    Column,
    ColumnType,
    Table,
    degrees,
    point_array,
    refuse_many,
    rows_per_block,
)
from .asset_table import as_points, drawn_by_default
from .assets import empty_note, risk_provenance, tag_column
from .damage_states import damage_states, loss_style
from .selection import left_out_note
from .sums import sum_by_site
from .units import loss_unit

MODAL = "modal-ds-"
"""How columns of modal damage states begin; they hold texts."""


@dataclass(frozen=True)
class Member:
    """The values of one statistic or realization: a CSV file, or an array of an extract.

    ``blocks(positions, rows)`` yields the arrays of those columns of ``header``, ``rows`` at a
    time. Members of one ``extract`` are of the same assets; those of CSV files are compared.
    """

    name: str
    header: tuple[str, ...]
    rows: int
    blocks: Callable[[Sequence[int], int], Iterator[list[Array]]]
    about: dict[str, Any] = field(default_factory=dict)
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
    """What is taken from a member: the positions of its values, and the columns they become.

    ``kinds`` are the statistics and realizations that the output has.
    """

    source: Source
    member: Member
    positions: tuple[int, ...]
    columns: tuple[Column, ...]
    kinds: tuple[str, ...]

    def values(self) -> Iterator[tuple[str, Column]]:
        """Yield the name that the engine gives each column of values, and the column."""
        for position, column in zip(self.positions, self.columns):
            yield self.member.header[position], column

    def like(self, column: Column, plain: Column, choices: Choices) -> Column:
        """Return what ``plain`` is called where it is of the same kind, and summed, as a column."""
        found = of_kind(plain, column.kind, [column.kind], self.kinds, self.source)
        return sum_by_site(found) if choices.aggregate_by_site else found


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
        return Member(f"{prefix}-{name}", header, len(array), blocks, extract=True)

    return {parse_kind(name): partial(member, name) for name in npz.names if name != "extra"}


def _array_blocks(
    array: Array, factor: float | None, positions: Sequence[int], size: int
) -> Iterator[list[Array]]:
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
                values = degrees(values)
            elif factor is not None:
                values = values * np.float32(factor)
            found.append(values)
        yield found


def csv_members(source: Source, why: str) -> Members:
    """Return the files of the CSV export; ``why`` not an extract, for the log."""

    def member(file: CsvFile) -> Member:
        scan(file)
        types = _types(file.header)
        for name, found, wanted in zip(file.header, file.types, types):
            if file.rows and found == ColumnType.TEXT and wanted == ColumnType.REAL:
                raise InvalidOutput(f"{file.member}: the column {name} does not hold numbers.")

        def blocks(positions: Sequence[int], size: int) -> Iterator[list[Array]]:
            return file.blocks(positions, [types[i] for i in positions], size, even=True)

        return Member(file.member, file.header, file.rows, blocks, file.about)

    return {file.kind: partial(member, file) for file in csv_files(source, why)}


def _types(header: Sequence[str]) -> list[ColumnType]:
    """Return the types of the columns: ids, tags and modal damage states are text."""
    place = header.index("lon") if "lon" in header else len(header)
    return [
        ColumnType.TEXT if i < place or name.startswith(MODAL) else ColumnType.REAL
        for i, name in enumerate(header)
    ]


def chosen_parts(
    source: Source,
    choices: Choices,
    members: Members,
    describe: Callable[[Source, str], Column],
    without: str = "",
) -> list[Part]:
    """Return what was chosen of the members, described, ``without`` one damage state."""
    there = tuple(members)
    kinds = choose_kinds(choices.kind, there, source.branch)
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
    described = {i: c for i, c in described.items() if c.loss_type in chosen}
    count = first.shared + len(kinds) * len(described)
    what = f"{len(kinds)} statistics or realizations × {len(described)} loss types or states"
    refuse_many(count, what, "KIND or LOSS_TYPE")
    if not described:
        raise InvalidChoice(f"{source.output.name} of {first.name} has no values.")
    described = {i: _with_unit(source, c) for i, c in described.items()}
    return [
        Part(
            source,
            member,
            tuple(described),
            tuple(of_kind(c, kind, kinds, there, source) for c in described.values()),
            there,
        )
        for kind, member in zip(kinds, read)
    ]


def _with_unit(source: Source, column: Column) -> Column:
    """Return the column, with the currency of the exposure where it holds money."""
    if column.unit or column.quantity not in ("average loss", "losses"):
        return column
    return replace(column, unit=loss_unit(source, column.loss_type))


def _different(member: Member, first: Member) -> InvalidOutput:
    return InvalidOutput(f"{member.name} and {first.name} are not of the same assets.")


def table_of(source: Source, choices: Choices, parts: Sequence[Part]) -> Table:
    """Return the table of all assets: what is known of each, and the values of all parts."""
    first = parts[0].member
    about = tuple(
        USUAL[name] if name in ("asset_id", "lon", "lat") else tag_column(name)
        for name in first.header[: first.shared]
    )
    values = [c for part in parts for c in part.columns]
    notes = left_out_note(source, first.rows) if first.rows else (empty_note(source),)
    table = Table(
        title="",
        columns=(*about, *values),
        rows=first.rows,
        blocks=partial(_blocks, parts, len(about)),
        notes=notes,
        provenance=risk_provenance(
            source, choices, [part.member.name for part in parts], first.about
        ),
    )
    usual = _usual(values, damage_states(source))
    table = as_points(table, choices)
    return drawn_by_default(table, usual, values, lambda column: loss_style(column, source))


def _blocks(parts: Sequence[Part], shared: int) -> Iterator[Block]:
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
        yield Block(tuple(values), point_array(values[place[0]], values[place[1]]))


Derived = tuple[Column, "tuple[str, ...]", Callable[..., Array]]
"""A column, and the names of those that a function computes it from."""


def with_derived(table: Table, derived: Sequence[Derived]) -> Table:
    """Add columns to a table, unless there would be too many."""
    names = [c.name for c in table.columns]
    columns = [column for column, _, _ in derived]
    if len(names) + len(columns) > MAX_COLUMNS or any(c.name in names for c in columns):
        return table

    def more(block: Block) -> Block:
        by_name = dict(zip(names, block.values))
        found = (compute(*(by_name[name] for name in of)) for _, of, compute in derived)
        return replace(block, values=(*block.values, *found))

    return table.map_blocks(more, (*table.columns, *columns))


def _usual(columns: Sequence[Column], states: Sequence[str]) -> Column:
    """Return what is drawn by default: structural, of damage the worst state."""
    loss_types = [c.loss_type for c in columns]
    loss_type = "structural" if "structural" in loss_types else loss_types[0]
    of_type = [c for c in columns if c.loss_type == loss_type]
    damaged = [c for c in of_type if c.damage_state in states]
    return max(damaged, key=lambda c: states.index(c.damage_state)) if damaged else of_type[0]
