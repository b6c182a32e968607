"""The rows and columns of totals that are read: which file, and what is chosen of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...engine.errors import InvalidChoice
from ..core.choices import Choices, match_names, split_list
from ..core.columns import USUAL
from ..core.csv_export import CsvFile, scan
from ..core.kinds import choose_kinds, ordered_kinds
from ..core.source import Source
from ..core.table import Column, ColumnType
from ..core.wording import listed
from .aggregate_columns import EP_TYPES, TOTALS, split_name, totals_of

TOTAL = "total"
"""The word for the member that is not divided by tags."""

KEYS = {
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


def suffix(source: Source, file: CsvFile) -> str:
    """Return what a file is of, among those of its output: ``NAME_1``, "" for the total."""
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


@dataclass(frozen=True)
class _Keys:
    """The columns that say what a row is of: where they are, and how many rows of each there are.

    ``counts`` are by the texts of the columns ``names``.
    """

    names: Sequence[str]
    position: dict[str, int]
    counts: Counter[tuple[str, ...]]

    def texts(self, name: str) -> list[str]:
        """Return the different texts of a column, [] if there is no such column."""
        if name not in self.names:
            return []
        i = self.names.index(name)
        return list(dict.fromkeys(key[i] for key in self.counts))

    def rows(self, wanted: Mapping[str, Sequence[str]]) -> int:
        """Return how many rows have one of the wanted texts in each column."""
        at = {self.names.index(name): texts for name, texts in wanted.items()}
        return sum(
            count
            for key, count in self.counts.items()
            if all(key[i] in texts for i, texts in at.items())
        )


def _keys_of(file: CsvFile, tags: Sequence[str]) -> _Keys:
    position = {name: i for i, name in enumerate(file.header) if name not in tags}
    names = [n for n in ("loss_type", "stat", "rlz_id", "return_period") if n in position]
    counts = Counter(tuple(row[position[n]] for n in names) for row in file.read())
    return _Keys(names, position, counts)


def take(source: Source, file: CsvFile, choices: Choices, default_kind: bool = False) -> Taken:
    """Return what is chosen of a scanned file.

    Nothing chosen is everything, but for the kind where ``default_kind`` asks for one: the mean, or
    what :func:`choose_kinds` takes instead. Raises :class:`InvalidChoice`.
    """
    tags = tags_of(source, file)
    keys = _keys_of(file, tags)
    loss_types, values, wanted = _loss_types(source, file, keys, choices.loss_type)
    kinds, rows_of_kind = _kinds(source, keys, choices.kind, default_kind)
    wanted.update(rows_of_kind)
    periods = {text: float(text) for text in keys.texts("return_period")}
    chosen = match_periods(choices.return_period, list(periods.values()))
    if choices.return_period and periods:
        wanted["return_period"] = [text for text, period in periods.items() if period in chosen]
    values = _of_ep_type(file, values, choices.ep_type)
    kept = {keys.position[name]: frozenset(texts) for name, texts in wanted.items()}
    return Taken(file, tags, loss_types, kinds, chosen, values, kept, keys.rows(wanted))


def _loss_types(
    source: Source, file: CsvFile, keys: _Keys, text: str
) -> tuple[list[str], tuple[int, ...], dict[str, list[str]]]:
    """Return the chosen loss types, the columns of values, and the texts of rows (none: all).

    Loss types are in a column of their own, each has a column of values, or a file.
    """
    totals = totals_of(source)
    values = value_positions(file, tags_of(source, file))
    wide = {i: totals.wide(file.header[i]) for i in values}
    if totals.by_loss_type:
        found = [suffix(source, file)]
    elif "loss_type" in keys.names:
        found = keys.texts("loss_type")
    else:
        found = list(dict.fromkeys(name for name in wide.values() if name))
    if not (file.rows and found and text):
        return found, values, {}
    found = match_names(text, found, "LOSS_TYPE", "loss type")
    if "loss_type" in keys.names:
        return found, values, {"loss_type": found}
    return found, tuple(i for i in values if wide[i] in ("", *found)), {}


def _kinds(
    source: Source, keys: _Keys, wanted: str, default: bool
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the chosen kinds, and the texts of the rows that are of them (none: all)."""
    if not keys.counts:
        return [], {}
    every = not wanted and not default
    if "stat" in keys.names:
        statistics = ordered_kinds(keys.texts("stat"))
        if every:
            return statistics, {}
        found = choose_kinds(wanted, statistics)
        return found, {"stat": found}
    if "rlz_id" in keys.names:
        known = {f"rlz-{int(text)}": text for text in keys.texts("rlz_id")}
        if every:
            return list(known), {}
        try:
            found = choose_kinds(wanted, known, source.branch)
        except InvalidChoice as error:
            stats = f"{source.output.type}-stats"
            hint = f" Statistics are in {stats}." if stats in TOTALS else ""
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
    return tuple(i for i, name in enumerate(file.header) if name not in (*tags, *KEYS))
