"""Totals of risk: of the exposure, its tags, events, sources and reinsurance, as tidy tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...engine.errors import InvalidChoice
from ..assets.assets import empty_note, risk_provenance, tag_column
from ..assets.selection import of_tags
from ..core.choices import Choices, match_names, split_list
from ..core.columns import MEMBER, MEMBER_COLUMN, USUAL
from ..core.csv_export import CsvFile, csv_files, scan
from ..core.kinds import choose_kinds, of_kind, ordered_kinds
from ..core.lazy import Array, np
from ..core.output_type import OutputType
from ..core.patterns import read_filter
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, Geometry, Table, rows_per_block
from ..core.wording import listed
from .aggregate_columns import EP_TYPES, TOTALS, Values, split_name, totals_of

TOTAL = "total"
"""The word for the member that is not divided by tags."""

_KEYS = {
    **{name: USUAL[name] for name in ("rlz_id", "event_id", "rup_id")},
    # with a quantity: texts without one are tags
    "loss_type": replace(USUAL["loss_type"], quantity="loss type"),
    "stat": replace(USUAL["stat"], quantity="statistic"),
    "return_period": replace(USUAL["return_period"], type=ColumnType.INTEGER),
    "year": replace(USUAL["year"], label="Year of the event"),
    "mmi": Column("mmi", ColumnType.INTEGER, "Macroseismic intensity", "intensity", quantity="MMI"),
    "peril": Column("peril", ColumnType.TEXT, "Peril"),
    "policy_id": Column("policy_id", ColumnType.TEXT, "Policy"),
    "source": Column("source", ColumnType.TEXT, "Source"),
}


@dataclass(frozen=True)
class Taken:
    """What is taken of a file: the columns of its values, and the rows that were chosen.

    ``tags`` are the columns that the file is divided by; ``kept`` holds the texts of the rows that
    are taken by position of the column; ``loss_types``, ``kinds`` (``mean``, ``rlz-3``) and
    ``periods`` (years) are those chosen, [] where the file does not have them.
    """

    file: CsvFile
    tags: tuple[str, ...]
    loss_types: list[str]
    kinds: list[str]
    periods: list[float]
    values: tuple[int, ...]
    kept: dict[int, frozenset[str]]
    rows: int

    def read(self) -> Iterator[list[str]]:
        """Yield the rows that are taken."""
        for row in self.file.read():
            if all(row[i] in texts for i, texts in self.kept.items()):
                yield row


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
    describe = totals_of(source).describe
    columns = [_key_or_tag(first, name) for name in first.file.header]
    positions = [
        i
        for i in range(len(columns))
        if i in first.values or i not in value_positions(first.file, first.tags)
    ]
    loss_types = list(dict.fromkeys(lt for t in taken for lt in t.loss_types))
    kinds = list(dict.fromkeys(kind for t in taken for kind in t.kinds))
    for i in first.values:
        if (
            first.file.rows and first.file.types[i] == ColumnType.TEXT
        ):  # of an engine that is newer than this
            columns[i] = Column(first.file.header[i], ColumnType.TEXT, first.file.header[i])
            continue
        column = describe(Values(source, first.file.header[i], loss_types))
        columns[i] = _of_kinds(column, first, kinds, loss_types)
    shown = [columns[i] for i in positions]
    before = _before(source, taken)
    if before:
        shown = [_KEYS.get(before, MEMBER_COLUMN), *shown]
    rows = sum(t.rows for t in taken)
    notes = [] if rows else [empty_note(source)]
    if others:
        names = ", ".join(member_word(source, f) for f in others)
        notes.append(
            f"Loaded: {member_word(source, first.file)}. There are also: {names} (MEMBER)."
        )
    by = f", by {' and '.join(first.tags)}" if first.tags else ""
    table = Table(
        title=f"{source.output.name}{by}, calculation {source.calculation.id}",
        columns=tuple(shown),
        rows=rows,
        blocks=partial(_blocks, source, taken, tuple(shown), positions, bool(before)),
        notes=tuple(notes),
        provenance=provenance_of(source, choices, [t.file for t in taken]),
    )
    wanted = read_filter(choices.taxonomy, choices.tag_filter)
    return of_tags(table, wanted) if wanted else table


def provenance_of(source: Source, choices: Choices, files: Sequence[CsvFile]) -> dict[str, object]:
    """Return where the values come from, with what the first line of the first file says."""
    return risk_provenance(source, choices, [file.member for file in files], files[0].about)


def _blocks(
    source: Source,
    taken: Sequence[Taken],
    columns: Sequence[Column],
    positions: Sequence[int],
    with_member: bool,
) -> Iterator[Block]:
    types = [column.type for column in columns[with_member:]]
    size = rows_per_block(len(columns))
    for part in taken:
        for arrays in part.file.blocks(positions, types, size, part.read()):
            before: list[Array] = []
            if with_member:
                before = [np.full(len(arrays[0]), member_word(source, part.file), dtype=object)]
            yield Block((*before, *arrays))


def _before(source: Source, taken: Sequence[Taken]) -> str:
    """Return the name of the column that says which file a row is of, "" where none is needed."""
    if totals_of(source).by_loss_type:
        return "loss_type"
    return MEMBER if len(taken) > 1 else ""


# --- members and tags


def suffix(source: Source, file: CsvFile) -> str:
    """Return what tells a file from the others of its output: ``NAME_1``, "" for the total."""
    for prefix in (f"{source.output.type}-", totals_of(source).prefix):
        if prefix and file.member.startswith(prefix):
            return file.member[len(prefix) :]
    return ""


def member_word(source: Source, file: CsvFile) -> str:
    """Return what MEMBER calls a file."""
    return suffix(source, file) or TOTAL


def tags_of(source: Source, file: CsvFile) -> tuple[str, ...]:
    """Return the columns of a file that hold tags; its header must have been read."""
    return totals_of(source).tags(source, suffix(source, file), file.header)


def choose_member(
    source: Source, files: Sequence[CsvFile], choices: Choices
) -> tuple[list[CsvFile], list[CsvFile]]:
    """Return the files to load, of the same columns, and the others there are; all are scanned.

    MEMBER is ``total``, the tags (``NAME_1``, ``taxonomy-NAME_1``) or the file's own name. Nothing
    chosen is the total, else all files that are like the first.
    """
    for file in files:
        scan(file)
    # those by tags hold the same losses again, divided
    files = sorted(files, key=lambda file: bool(suffix(source, file)))
    names = [member_word(source, file) for file in files]
    if choices.member:
        text = re.sub(r"\s*,\s*", "-", choices.member.strip()).lower()
        for file, name in zip(files, names):
            if text in (name.lower(), file.member.lower()):
                return [file], []
        raise InvalidChoice(
            f"There is no member “{choices.member}”; MEMBER may be: {listed(names)}."
        )
    if totals_of(source).by_loss_type:
        wanted = match_names(choices.loss_type, names, "LOSS_TYPE", "loss type")
        return [file for file, name in zip(files, names) if name in wanted], []
    chosen = [f for f in files if f.header == files[0].header]
    return chosen, [f for f in files if f not in chosen]


# --- what is chosen of a file


def take(source: Source, file: CsvFile, choices: Choices, default_kind: bool = False) -> Taken:
    """Return what is chosen of a scanned file.

    Nothing chosen is everything, but for the kind where ``default_kind`` asks for one: the mean, or
    what :func:`choose_kinds` takes instead. Raises :class:`InvalidChoice`.
    """
    tags = tags_of(source, file)
    header = file.header
    position = {name: i for i, name in enumerate(header) if name not in tags}
    keys: list[str] = [n for n in ("loss_type", "stat", "rlz_id", "return_period") if n in position]
    counts = Counter(tuple(row[position[n]] for n in keys) for row in file.read())
    texts = {n: list(dict.fromkeys(key[i] for key in counts)) for i, n in enumerate(keys)}
    wanted: dict[str, list[str]] = {}
    values = value_positions(file, tags)
    loss_types = texts.get("loss_type", [])
    totals = totals_of(source)
    wide = {i: totals.wide(header[i]) for i in values}
    if totals.by_loss_type:
        loss_types = [suffix(source, file)]
    elif "loss_type" not in position:
        loss_types = list(dict.fromkeys(name for name in wide.values() if name))
    if file.rows and loss_types and choices.loss_type:
        loss_types = match_names(choices.loss_type, loss_types, "LOSS_TYPE", "loss type")
        if "loss_type" in position:
            wanted["loss_type"] = loss_types
        else:
            values = tuple(i for i in values if wide[i] in ("", *loss_types))
    kinds, rows_of_kind = _kinds(source, texts, choices.kind, bool(file.rows), default_kind)
    wanted.update(rows_of_kind)
    periods = {text: float(text) for text in texts.get("return_period", [])}
    chosen_periods = match_periods(choices.return_period, list(periods.values()))
    if choices.return_period and periods:
        wanted["return_period"] = [t for t, p in periods.items() if p in chosen_periods]
    values = _of_ep_type(file, values, choices.ep_type)
    kept = {position[name]: frozenset(texts) for name, texts in wanted.items()}
    rows = sum(
        count
        for key, count in counts.items()
        if all(key[keys.index(name)] in allowed for name, allowed in wanted.items())
    )
    return Taken(file, tags, loss_types, kinds, chosen_periods, values, kept, rows)


def _kinds(
    source: Source, texts: dict[str, list[str]], wanted: str, rows: bool, default: bool
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the chosen kinds, and the texts of the column that tells them (none: all)."""
    if not rows:
        return [], {}
    if "stat" in texts:
        statistics = ordered_kinds(texts["stat"])
        if not wanted and not default:
            return statistics, {}
        found = choose_kinds(wanted, statistics)
        return found, {"stat": found}
    if "rlz_id" in texts:
        known = {f"rlz-{int(text)}": text for text in texts["rlz_id"]}
        if not wanted and not default:
            return list(known), {}
        try:
            found = choose_kinds(wanted, known)
        except InvalidChoice as error:
            stats = f"{source.output.type}-stats"
            hint = f" Statistics are in {stats}." if stats in OUTPUTS else ""
            raise InvalidChoice(f"{error}{hint}") from error
        return found, {"rlz_id": [known[kind] for kind in found]}
    # one realization has no column for it
    only = totals_of(source).kind
    found = choose_kinds(wanted, [only or "mean"])
    return found if only else [], {}


def match_periods(text: str, periods: Sequence[float]) -> list[float]:
    """Return the chosen return periods in years (``475``, ``475y``), all if nothing was chosen.

    Raises :class:`InvalidChoice` for those that were not computed, naming those that were.
    """
    parts = split_list(text)
    if not parts or not periods:
        return list(periods)
    found = []
    for part in parts:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(?:y|yr|yrs|years?)?", part, re.I)
        nearest = min(periods, key=lambda p: abs(p - float(match[1]))) if match else None
        # the engine writes six digits
        if match is None or nearest is None or abs(nearest - float(match[1])) > 1e-5 * nearest:
            raise InvalidChoice(
                f"There are no losses of a return period “{part}” and none are interpolated; "
                f"RETURN_PERIOD may be: {listed([f'{p:g}' for p in sorted(periods)])}."
            )
        found.append(nearest)
    return list(dict.fromkeys(found))


def _of_ep_type(file: CsvFile, values: tuple[int, ...], wanted: str) -> tuple[int, ...]:
    if not wanted or "return_period" not in file.header:
        return values
    types = {i: split_name(file.header[i]).ep for i in values}
    names = [ep for ep in EP_TYPES if ep in types.values()]
    chosen = match_names(wanted, names, "EP_TYPE", "exceedance probability type")
    return tuple(i for i in values if types[i] in chosen)


def value_positions(file: CsvFile, tags: Sequence[str]) -> tuple[int, ...]:
    """Return where a file has values: what is neither a key nor a tag."""
    return tuple(i for i, name in enumerate(file.header) if name not in (*tags, *_KEYS))


def _key_or_tag(taken: Taken, name: str) -> Column:
    if name in taken.tags:
        return tag_column(name)
    column = _KEYS.get(name, Column(name))
    if column.type == ColumnType.INTEGER and taken.file.rows:
        found = taken.file.types[taken.file.header.index(name)]
        return replace(column, type=found)  # reinsurance has periods like 1.00000E+01
    return column


def _of_kinds(
    column: Column, taken: Taken, kinds: Sequence[str], loss_types: Sequence[str]
) -> Column:
    """Return a column of values with the kind it is of; rows of several kinds have none."""
    if len(kinds) != 1:
        return replace(column, additive=False)
    one_type = bool(column.loss_type or not loss_types)
    return with_kind(replace(column, additive=column.additive and one_type), taken, kinds[0])


def with_kind(column: Column, taken: Taken, kind: str) -> Column:
    """Return the column of a statistic or realization, which its label says if the file does."""
    said = {"stat", "rlz_id"} & set(taken.file.header)
    return of_kind(column, kind, [kind], [] if said else [kind])


OUTPUTS = {
    kind: OutputType(
        read=read_aggregates,
        geometries=(Geometry.NONE,),
        choices=(
            *totals.choices.split(),
            "MEMBER",
            *(("TAXONOMY", "TAG_FILTER") if totals.filters else ()),
        ),
        about=totals.about,
    )
    for kind, totals in TOTALS.items()
}
