"""Totals by tag, one row for each value of a tag: what maps of regions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...engine.errors import InvalidChoice
from ..assets.damage_states import loss_style
from ..core.choices import Choices
from ..core.csv_export import CsvFile, csv_files, scan
from ..core.notes import Info, Note
from ..core.patterns import matching, read_filter
from ..core.source import Source
from ..core.table import Column, Style, find_column, refuse_many
from ..core.wording import listed, with_unit
from .aggregate_columns import Values, split_name, totals_of
from .aggregate_rows import Taken, suffix, tags_of, take
from .aggregates import provenance_of, with_kind

BY_TAG = (
    "aggrisk",
    "aggrisk-stats",
    "aggcurves",
    "aggcurves-stats",
    "avg_losses_by",
    "aggexp_tags",
)
"""The output types that are divided by tags."""

USUAL_PERIOD = 475  # years; the computed one nearest to it is drawn


@dataclass(frozen=True)
class TagTable:
    """Values of each tag: ``values`` has a list, one number per column (NaN or None for empty)."""

    tag: str
    columns: tuple[Column, ...]
    values: dict[str, list[float | None]]
    style: Style
    title: str
    notes: tuple[Note, ...]
    provenance: dict[str, object]


@dataclass(frozen=True)
class _Key:
    """What a column holds: a statistic or realization, loss type, return period and CSV column."""

    kind: str
    loss_type: str
    period: float | None
    position: int
    column: Column


def read_by_tag(source: Source, choices: Choices, tag: str) -> TagTable:
    """Return the values of each tag, with loss types (and kinds, return periods) as columns.

    ``tag`` may be empty where there is one only. Where the calculation divides by further tags,
    values are summed over them if they may be; TAG_FILTER chooses one of them. Raises
    :class:`InvalidChoice` for what is not there and what must not be summed.
    """
    if source.output.type not in BY_TAG:
        raise InvalidChoice(
            f"{source.output.name} is not divided by tags; OUTPUT_TYPE may be: {', '.join(BY_TAG)}."
        )
    file, name = _file_of(source, csv_files(source), tag)
    taken = take(source, file, choices, default_kind=True)
    keys, notes = _keys(source, taken), []
    rows = _rows(taken, choices)
    position = taken.file.header.index
    several = [t for t in taken.tags if t != name and len({r[position(t)] for r in rows}) > 1]
    if several:
        keys = _summable(taken, keys, several)
        notes.append(Info(f"Summed over {' and '.join(several)}; TAG_FILTER chooses of them."))
    columns = tuple(key.column for key in keys)
    styled = find_column(columns, choices.style_field) or _usual(keys)
    return TagTable(
        name,
        columns,
        _pivot(taken, rows, keys, name),
        loss_style(styled, source),
        with_unit(f"{styled.label} by {name}", styled.unit),
        tuple(notes),
        {**provenance_of(source, choices, [file]), "tag": name},
    )


def _file_of(source: Source, files: Sequence[CsvFile], wanted: str) -> tuple[CsvFile, str]:
    """Return the file that is divided by a tag (and by as few others as there are), and the tag."""
    found: list[tuple[CsvFile, tuple[str, ...]]] = []
    for file in files:
        # the total needs no look
        if suffix(source, file):
            scan(file)
            found.append((file, tags_of(source, file)))
    names = list(dict.fromkeys(tag for _, tags in found for tag in tags))
    if not names:
        raise InvalidChoice(
            f"{source.output.name} of calculation {source.calculation.id} is not divided by tags; "
            "set aggregate_by = NAME_1 (or another tag of the exposure) in its job.ini."
        )
    if not wanted.strip() and len(names) > 1:
        raise InvalidChoice(f"Choose a tag (TAG): {listed(names)}.")
    text = wanted.strip().lower() or names[0].lower()
    name = next((n for n in names if n.lower() == text), None)
    if name is None:
        raise InvalidChoice(f"There is no tag “{wanted}”; TAG may be: {listed(names)}.")
    return min(((f, t) for f, t in found if name in t), key=lambda pair: len(pair[1]))[0], name


def _keys(source: Source, taken: Taken) -> list[_Key]:
    """Return what the columns hold: by kind, loss type, return period, in the file's order."""
    header = taken.file.header
    wide = "loss_type" not in header
    kinds = taken.kinds or [""]
    periods: Sequence[float | None] = sorted(taken.periods) or [None]
    loss_types = [""] if wide else taken.loss_types
    what = (
        f"{len(kinds)} statistics or realizations × {len(taken.loss_types)} loss types × "
        f"{len(periods)} return periods"
    )
    count = len(kinds) * len(loss_types) * len(periods) * len(taken.values)
    refuse_many(count, what, "KIND, LOSS_TYPE or RETURN_PERIOD")
    return [
        _Key(kind, of, period, i, _column(source, taken, kind, of, period, i))
        for kind in kinds
        for loss_type in loss_types
        for period in periods
        for i in taken.values
        for of in [header[i] if wide else loss_type]
    ]


def _column(
    source: Source, taken: Taken, kind: str, loss_type: str, period: float | None, i: int
) -> Column:
    header = taken.file.header
    loss_types = [loss_type] if loss_type else []
    values = Values(source, header[i], loss_types, period)
    parts = [kind] if len(taken.kinds) > 1 else []
    if "loss_type" in header:
        name = split_name(values.name)
        parts.append(loss_type)
        if values.state or name.base != "loss":
            parts.append(values.state or name.base)
        parts += [name.ep] if len({split_name(header[i]).ep for i in taken.values}) > 1 else []
        parts += ["ratio"] if name.ratio else []
    else:
        parts.append(values.name)
    parts += [] if period is None else [f"{period:g}y"]
    column = totals_of(source).describe(values)
    column = with_kind(source, column, taken, kind) if kind else column
    return replace(column, name="-".join(parts))


def _rows(taken: Taken, choices: Choices) -> list[list[str]]:
    """Return the rows whose tags are chosen."""
    tags = {name: taken.file.header.index(name) for name in taken.tags}
    rows = list(taken.read())
    for tag_filter in read_filter(choices.taxonomy, choices.tag_filter):
        for name, patterns in tag_filter.items():
            known = next((t for t in tags if t.lower() == name), None)
            if known is None:
                raise InvalidChoice(
                    f"There is no tag “{name}” to choose by; there are: {listed(list(tags))}."
                )
            values = sorted({row[tags[known]] for row in rows})
            meant, _ = matching(patterns, values)
            allowed = {value for value, wanted in zip(values, meant.tolist()) if wanted}
            if not allowed:
                raise InvalidChoice(
                    f"Nothing has {known} “{', '.join(patterns)}”; there are: {listed(values)}."
                )
            rows = [row for row in rows if row[tags[known]] in allowed]
    return rows


def _summable(taken: Taken, keys: Sequence[_Key], others: Sequence[str]) -> list[_Key]:
    """Return the columns that may be summed over other tags."""
    found = [key for key in keys if key.column.additive]
    if not found:
        example = next(taken.read())[taken.file.header.index(others[0])]
        raise InvalidChoice(
            f"“{keys[0].column.label}” must not be added up over {' and '.join(others)}: choose "
            f"one of them by TAG_FILTER, for example {others[0]}={example}, or calculate with "
            "another aggregate_by."
        )
    return found


def _pivot(
    taken: Taken, rows: Sequence[list[str]], keys: Sequence[_Key], tag: str
) -> dict[str, list[float | None]]:
    header = taken.file.header
    place = {name: header.index(name) for name in (tag, *_ROW_KEYS) if name in header}
    by_key: dict[tuple[str, str, float | None], list[tuple[int, int]]] = {}
    wide = "loss_type" not in header
    for i, key in enumerate(keys):
        row_key = (key.kind, "" if wide else key.loss_type, key.period)
        by_key.setdefault(row_key, []).append((i, key.position))
    values: dict[str, list[float | None]] = {}
    for row in rows:
        cells = values.setdefault(row[place[tag]], [None] * len(keys))
        row_key = (
            _kind_of(taken, row, place),
            row[place["loss_type"]] if "loss_type" in place else "",
            float(row[place["return_period"]]) if "return_period" in place else None,
        )
        for i, position in by_key.get(row_key, ()):
            # with an unknown part, the sum is unknown
            value, known = float(row[position] or "nan"), cells[i]
            cells[i] = value if known is None else known + value
    return values


_ROW_KEYS = ("loss_type", "stat", "rlz_id", "return_period")


def _kind_of(taken: Taken, row: Sequence[str], place: dict[str, int]) -> str:
    if "stat" in place:
        return row[place["stat"]]
    if "rlz_id" in place:
        return f"rlz-{int(row[place['rlz_id']])}"
    return taken.kinds[0] if taken.kinds else ""


def _usual(keys: Sequence[_Key]) -> Column:
    # structural losses at the return period nearest to the usual one; of damage the last state
    loss_types = [key.column.loss_type for key in keys]
    first = "structural" if "structural" in loss_types else loss_types[0]
    found = [key for key in keys if key.column.loss_type == first]
    found = [key for key in found if key.kind == found[0].kind]
    states = [key.column for key in found if key.column.damage_state]
    if states:
        return states[-1]
    return min(found, key=lambda key: abs((key.period or USUAL_PERIOD) - USUAL_PERIOD)).column
