"""Totals of risk: of the exposure, its tags, events, sources and reinsurance, as tidy tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..assets.assets import empty_note, risk_provenance, tag_column
from ..assets.members import Derived, with_derived
from ..assets.selection import of_tags
from ..assets.units import loss_unit, loss_unit_of_all
from ..core.choices import Choices
from ..core.columns import MEMBER, MEMBER_COLUMN
from ..core.csv_export import CsvFile, csv_files
from ..core.kinds import of_kind, realization_notes
from ..core.lazy import Array, np
from ..core.notes import Info, Note
from ..core.output_type import OutputType
from ..core.patterns import read_filter
from ..core.quantities import holds_time
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, Geometry, Table, rows_per_block
from ..core.wording import loss_words, years
from .aggregate_columns import TOTALS, Values, totals_of, years_of_events
from .aggregate_rows import KEYS, Taken, choose_member, member_word, take, value_positions


def read_aggregates(source: Source, choices: Choices) -> Table:
    """Return a table of totals: the rows and columns of the engine's CSV, those that were chosen.

    Rows of every loss type, statistic, realization and return period are there unless they are
    chosen. Ids and years are integers, tags text. Return periods are the engine's own and never
    interpolated. Raises :class:`InvalidChoice` for what is not there, naming what is.
    """
    files = csv_files(source)
    chosen, others = choose_member(source, files, choices)
    taken = [take(source, file, choices) for file in chosen]
    first = taken[0]
    columns = _columns(source, taken)
    before = _before(source, taken)
    shown = [*([KEYS.get(before, MEMBER_COLUMN)] if before else []), *columns.values()]
    rows = sum(t.rows for t in taken)
    notes: list[Note] = [] if rows else [empty_note(source)]
    if others:
        names = ", ".join(member_word(source, f) for f in others)
        loaded = member_word(source, first.file)
        notes.append(Info(f"Loaded “{loaded}”. Other tables (set MEMBER): {names}."))
    kinds = [kind for t in taken for kind in t.kinds]
    if "rlz_id" in first.file.header:
        notes += realization_notes(kinds, source.branch)
    by = f", by {' and '.join(first.tags)}" if first.tags else ""
    table = Table(
        title=f"{source.output.name}{by}, calculation {source.calculation.id}",
        columns=tuple(shown),
        rows=rows,
        blocks=partial(_blocks, source, taken, columns, bool(before)),
        notes=tuple(notes),
        provenance=provenance_of(source, choices, [t.file for t in taken]),
    )
    table = _per_year(source, table, taken)
    wanted = read_filter(choices.taxonomy, choices.tag_filter)
    return of_tags(table, wanted) if wanted else table


def _per_year(source: Source, table: Table, taken: Sequence[Taken]) -> Table:
    """Return losses by source also divided by the years of the events: their part in the AAL.

    Those of a unit that holds a time (USD/month) have none.
    """
    time = years_of_events(source) or 1.0
    loss_types = [loss_type for t in taken for loss_type in t.loss_types]
    timed = [name for name in loss_types if holds_time(loss_unit(source, name))]
    found: list[Derived] = []

    def annual(names: Array, values: Array) -> Array:
        return np.where(np.isin(names.astype(str), timed), np.nan, values / time)

    for column in table.columns if time != 1 and len(timed) < len(loss_types) else ():
        if column.quantity == "source loss":
            what = " ".join(["Average annual", *loss_words(column.loss_type).split(), "loss"])
            label = f"{what}, derived: divided by {years(time)}"
            unit = loss_unit_of_all(source, [name for name in loss_types if name not in timed])
            per_year = replace(column, name=f"{column.name}-per-year", label=label, unit=unit)
            found.append((per_year, ("loss_type", column.name), annual))
    return with_derived(table, found)


def _columns(source: Source, taken: Sequence[Taken]) -> dict[int, Column]:
    """Return the columns that are shown of each file, by their positions in it."""
    first = taken[0]
    loss_types = list(dict.fromkeys(lt for t in taken for lt in t.loss_types))
    kinds = list(dict.fromkeys(kind for t in taken for kind in t.kinds))
    left_out = {*value_positions(first.file, first.tags)} - {*first.values}
    found = {}
    for i, name in enumerate(first.file.header):
        if i in left_out:
            continue
        if i not in first.values:
            found[i] = _key_or_tag(first, name)
        elif first.file.rows and first.file.types[i] == ColumnType.TEXT:
            found[i] = Column(name, ColumnType.TEXT, name)  # of an engine that is newer than this
        else:
            column = totals_of(source).describe(Values(source, name, loss_types))
            found[i] = _of_kinds(source, column, first, kinds, loss_types)
    return found


def provenance_of(source: Source, choices: Choices, files: Sequence[CsvFile]) -> dict[str, object]:
    """Return where the values come from, with what the first line of the first file says."""
    return risk_provenance(source, choices, [file.member for file in files], files[0].about)


def _blocks(
    source: Source, taken: Sequence[Taken], columns: dict[int, Column], with_member: bool
) -> Iterator[Block]:
    types = [column.type for column in columns.values()]
    size = rows_per_block(len(columns) + with_member)
    for part in taken:
        for arrays in part.file.blocks([*columns], types, size, part.read()):
            before: list[Array] = []
            if with_member:
                before = [np.full(len(arrays[0]), member_word(source, part.file), dtype=object)]
            yield Block((*before, *arrays))


def _before(source: Source, taken: Sequence[Taken]) -> str:
    """Return the name of the column that says which file a row is of, "" where none is needed."""
    if totals_of(source).by_loss_type:
        return "loss_type"
    return MEMBER if len(taken) > 1 else ""


def _key_or_tag(taken: Taken, name: str) -> Column:
    if name in taken.tags:
        return tag_column(name)
    column = KEYS.get(name, Column(name))
    if column.type == ColumnType.INTEGER and taken.file.rows:
        found = taken.file.types[taken.file.header.index(name)]
        return replace(column, type=found)  # reinsurance has periods like 1.00000E+01
    return column


def _of_kinds(
    source: Source, column: Column, taken: Taken, kinds: Sequence[str], loss_types: Sequence[str]
) -> Column:
    """Return a column of values with the kind it is of; rows of several kinds have none."""
    if len(kinds) != 1:
        return replace(column, additive=False)
    one_type = bool(column.loss_type or not loss_types)
    return with_kind(
        source, replace(column, additive=column.additive and one_type), taken, kinds[0]
    )


def with_kind(source: Source, column: Column, taken: Taken, kind: str) -> Column:
    """Return the column of a statistic or realization, which its label says if the file does."""
    said = {"stat", "rlz_id"} & set(taken.file.header)
    return of_kind(column, kind, [kind], [] if said else [kind], source)


OUTPUTS = {
    name: OutputType(
        read=read_aggregates,
        geometries=(Geometry.NONE,),
        choices=(
            *totals.choices.split(),
            "MEMBER",
            *(("TAXONOMY", "TAG_FILTER") if totals.filters else ()),
        ),
        about=totals.about,
    )
    for name, totals in TOTALS.items()
}
