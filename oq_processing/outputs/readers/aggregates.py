"""Totals of risk: of the exposure, its tags, events, sources and reinsurance, as tidy tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from ...engine.errors import InvalidChoice
from ..assets.assets import empty_note, tag_column
from ..assets.damage_states import NO_DAMAGE, damage_states
from ..assets.selection import of_tags, read_filter
from ..assets.units import Units
from ..assets.words import when
from ..core.choices import Choices, listed, match_kinds, match_names, split_list
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.output_type import OutputType
from ..core.quantities import PEOPLE, kind_label, loss_words, years
from ..core.source import Source
from ..core.table import INTEGER, NONE, REAL, TEXT, Block, Column, Table, rows_per_block
from .general import MEMBER

TOTAL = "total"
"""The word for the member that is not divided by tags."""

RISK, CURVES = ("aggrisk", "aggrisk-stats"), ("aggcurves", "aggcurves-stats")
EP_TYPES = {
    "ep": "exceedance (EP)",
    "aep": "aggregate exceedance in a year (AEP)",
    "oep": "largest occurrence in a year (OEP)",
}
"""What the engine calls the types of exceedance probability, and what they mean."""

_KEYS = {
    "loss_type": Column("loss_type", TEXT, "Loss type", quantity="loss type"),
    "stat": Column("stat", TEXT, "Statistic", quantity="statistic"),
    "rlz_id": Column("rlz_id", INTEGER, "Realization"),
    "return_period": Column("return_period", INTEGER, "Return period", "years"),
    "event_id": Column("event_id", INTEGER, "Event"),
    "rup_id": Column("rup_id", INTEGER, "Rupture"),
    "year": Column("year", INTEGER, "Year of the event"),
    "mmi": Column("mmi", INTEGER, "Macroseismic intensity", "intensity", quantity="MMI"),
    "peril": Column("peril", TEXT, "Peril"),
    "policy_id": Column("policy_id", TEXT, "Policy"),
    "source": Column("source", TEXT, "Source"),
}
_PREFIXES = {"avg_losses_by": "avg_losses_by_-", "src_loss_table": "src_loss_"}
_FACTS = ("checksum", "start_date", "investigation_time", "risk_investigation_time")


@dataclass(frozen=True)
class Taken:
    """What is taken of a file: the columns of its values, and the rows that were chosen.

    ``tags`` are the columns that the file is divided by; ``kept`` holds the texts of the rows that
    are taken by position of the column; ``loss_types``, ``kinds`` (``mean``, ``rlz-3``) and
    ``periods`` (years) are those chosen, [] where the file does not tell them.
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
    if choices.geometry not in ("auto", NONE):
        raise InvalidChoice(f"{source.output.name} has no geometry; GEOMETRY may be auto or none.")
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} is one row per value already (LONG_FORMAT).")
    files = csv_files(source)
    chosen, others = choose_member(source, files, choices)
    taken = [take(source, file, choices) for file in chosen]
    first = taken[0]
    units = Units(source)
    columns = [_key_or_tag(first, name) for name in first.file.header]
    positions = [
        i
        for i in range(len(columns))
        if i in first.values or i not in value_positions(first.file, first.tags)
    ]
    loss_types = list(dict.fromkeys(lt for t in taken for lt in t.loss_types))
    kinds = list(dict.fromkeys(kind for t in taken for kind in t.kinds))
    for i in first.values:
        if first.file.rows and first.file.types[i] == TEXT:  # of an engine that is newer than this
            columns[i] = Column(first.file.header[i], TEXT, first.file.header[i])
            continue
        column = describe(source, units, first.file.header[i], loss_types)
        columns[i] = _of_kind(column, first, kinds, loss_types)
    shown = [columns[i] for i in positions]
    before = _before(source, taken)
    if before:
        shown = [_KEYS.get(before, Column(before, TEXT, "Member")), *shown]
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
    """Return where the values come from, with what the engine says in its files."""
    found = source.provenance(choices)
    found["members"] = [file.member for file in files]
    if time := source.risk_time:
        found["risk_investigation_time"] = time
    for key in _FACTS:
        if files[0].about.get(key) is not None:
            found[key] = files[0].about[key]
    return found


def _blocks(
    source: Source,
    taken: Sequence[Taken],
    columns: tuple[Column, ...],
    positions: Sequence[int],
    with_member: bool,
) -> Iterator[Block]:
    import numpy as np

    size = rows_per_block(len(columns))
    for part in taken:
        before = [member_word(source, part.file)] if with_member else []
        rows = part.read()
        while chunk := list(islice(rows, size)):
            cells = zip(*([*before, *(row[i] for i in positions)] for row in chunk))
            yield Block(tuple(to_array(np, c.type, column) for c, column in zip(columns, cells)))


def _before(source: Source, taken: Sequence[Taken]) -> str:
    """Return the name of the column that says which file a row is of, "" where none is needed."""
    if source.output.type == "src_loss_table":
        return "loss_type"  # the files of this output are those of its loss types
    return MEMBER if len(taken) > 1 else ""


# --- members and tags


def suffix(source: Source, file: CsvFile) -> str:
    """Return what tells a file from the others of its output: ``NAME_1``, "" for the total."""
    prefix = _PREFIXES.get(source.output.type, f"{source.output.type}-")
    if file.member.startswith(prefix):
        return file.member[len(prefix) :]
    if source.output.type == "aggexp_tags" and file.member.startswith("aggexp-"):
        return file.member[len("aggexp-") :]
    return ""


def member_word(source: Source, file: CsvFile) -> str:
    """Return what MEMBER calls a file."""
    return suffix(source, file) or TOTAL


def tags_of(source: Source, file: CsvFile) -> tuple[str, ...]:
    """Return the columns of a file that hold tags; its header must have been read."""
    header = file.header
    if source.output.type == "mmi_tags":
        asked = [tag for tags in source.oqparam.get("aggregate_by") or () for tag in tags]
        return tuple(n for n in header if n in asked or re.fullmatch(r"(ID|NAME)(_\d+)?", n))
    wanted = suffix(source, file)
    if source.output.type == "src_loss_table" or not wanted:
        return ()
    # tags may hold hyphens: a run of columns is compared with the file's name, nothing is split
    for i in range(len(header)):
        for j in range(i + 1, len(header) + 1):
            if "-".join(header[i:j]) == wanted:
                return tuple(header[i:j])
    return ()


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
    if source.output.type == "src_loss_table":
        # each file holds one loss type
        wanted = match_names(choices.loss_type, names, "LOSS_TYPE", "loss type")
        return [file for file, name in zip(files, names) if name in wanted], []
    chosen = [f for f in files if f.header == files[0].header]
    return chosen, [f for f in files if f not in chosen]


# --- what is chosen of a file


def take(source: Source, file: CsvFile, choices: Choices, default_kind: bool = False) -> Taken:
    """Return what is chosen of a scanned file.

    Nothing chosen is everything, but for the kind where ``default_kind`` asks for one: the mean, or
    what :func:`match_kinds` takes instead. Raises :class:`InvalidChoice`.
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
    wide = {i: _wide_loss_type(source, header[i]) for i in values}
    if source.output.type == "src_loss_table":
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
        statistics = sorted(texts["stat"], key=lambda kind: kind != "mean")
        if not wanted and not default:
            return statistics, {}
        found = match_kinds(wanted, statistics, [])
        return found, {"stat": found}
    if "rlz_id" in texts:
        known = {f"rlz-{int(text)}": text for text in texts["rlz_id"]}
        if not wanted and not default:
            return list(known), {}
        try:
            found = match_kinds(wanted, [], sorted(int(text) for text in texts["rlz_id"]))
        except InvalidChoice as error:
            stats = f"{source.output.type}-stats"
            hint = f" Statistics are in {stats}." if stats in OUTPUTS else ""
            raise InvalidChoice(f"{error}{hint}") from error
        return found, {"rlz_id": [known[kind] for kind in found]}
    if source.output.type in (*RISK, *CURVES):
        # one realization has no column for it
        return match_kinds(wanted, [], [0]), {}
    if wanted:
        match_kinds(wanted, ["mean"], [])
    return ["mean"] if source.output.type == "avg_losses_by" else [], {}


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
    types = {i: split_name(file.header[i])[1] for i in values}
    names = [ep for ep in EP_TYPES if ep in types.values()]
    chosen = match_names(wanted, names, "EP_TYPE", "exceedance probability type")
    return tuple(i for i in values if types[i] in chosen)


def split_name(name: str) -> tuple[str, str, bool]:
    """Return quantity, type of exceedance probability and whether it is a ratio.

    ``loss_oep_ratio`` is ``loss``, ``oep``, True; ``loss_value`` and ``loss`` are ``loss``, ``ep``.
    """
    match = re.fullmatch(r"(.+?)(?:_(aep|oep))?(?:_(value|ratio))?", name)
    if match is None:
        return name, "ep", False
    return match[1], match[2] or "ep", match[3] == "ratio"


def value_positions(file: CsvFile, tags: Sequence[str]) -> tuple[int, ...]:
    """Return where a file has values: what is neither a key nor a tag."""
    return tuple(i for i, name in enumerate(file.header) if name not in (*tags, *_KEYS))


def _wide_loss_type(source: Source, name: str) -> str:
    """Return the loss type of a column where each has its own, "" where columns have none."""
    if source.output.type in ("avg_losses_by", "aggexp_tags", "mmi_tags"):
        return name
    if source.output.type == "agg_risk":
        return name.partition("-")[2] or name
    return ""


# --- what the columns mean


def _key_or_tag(taken: Taken, name: str) -> Column:
    if name in taken.tags:
        return tag_column(name)
    column = _KEYS.get(name, Column(name))
    if column.type == INTEGER and taken.file.rows:
        found = taken.file.types[taken.file.header.index(name)]
        return replace(column, type=found)  # reinsurance has periods like 1.00000E+01
    return column


def _of_kind(
    column: Column, taken: Taken, kinds: Sequence[str], loss_types: Sequence[str]
) -> Column:
    """Return a column of values with the kind it is of; rows of several kinds have none."""
    if len(kinds) != 1:
        return replace(column, additive=False)
    one_type = bool(column.loss_type or not loss_types)
    additive = summable(column, kinds[0]) and one_type
    return replace(with_kind(column, taken, kinds[0]), additive=additive)


def with_kind(column: Column, taken: Taken, kind: str) -> Column:
    """Return the column labelled with its statistic or realization, where there are others."""
    others = "stat" in taken.file.header or "rlz_id" in taken.file.header
    suffix = f", {kind_label(kind).lower()}" if others and kind != "mean" else ""
    return replace(column, kind=kind, label=column.label + suffix)


def summable(column: Column, kind: str) -> bool:
    """Tell whether values of a column may be added up over tags: means of what is additive."""
    return column.additive and (kind in ("", "mean") or kind.startswith("rlz-"))


def describe(source: Source, units: Units, name: str, loss_types: Sequence[str]) -> Column:
    """Return the column of values called ``name`` in the CSV, which holds those loss types."""
    kind = source.output.type
    loss_type = loss_types[0] if len(loss_types) == 1 else ""
    if kind in RISK:
        return _risk(source, units, name, loss_types, loss_type)
    if kind in CURVES:
        return _curve(units, name, loss_types, loss_type)
    if kind == "risk_by_event":
        return _event(source, units, name, loss_types, loss_type)
    if kind == "src_loss_table":
        time = source.oqparam.get("investigation_time")
        label = f"{_capital(f'{loss_words(loss_type)} loss')}, sum over all events"
        if time:
            total = float(time) * float(source.oqparam.get("ses_per_logic_tree_path") or 1)
            label += f" of {years(total)} years"
        unit = units.of_all(loss_types)
        return Column(name, REAL, label, unit, quantity="source loss", loss_type=loss_type)
    if kind == "avg_losses_by":
        label = _average(source, name)
        unit = units.of(name)
        return Column(name, REAL, label, unit, True, quantity="average loss", loss_type=name)
    if kind in ("aggexp_tags", "mmi_tags"):
        return _exposure(units, name)
    if kind == "agg_risk":
        return _multi_risk(source, units, name)
    return _reinsurance(source, units, name)


def _capital(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]


def _average(source: Source, loss_type: str) -> str:
    """Return what an average loss is called, with its time; of several types if none is given."""
    what = f"{loss_words(loss_type)} loss".strip()
    time = source.risk_time
    if time == 1:
        return f"Average annual {what}"
    return f"{'Average' if time else 'Mean'} {what}{when(source)}"


def state_of(source: Source, name: str) -> str:
    """Return the damage state of a column (``dmg_2`` or its name), "" if it holds something else.

    States are counted from no damage, in the order of the limit states.
    """
    states = damage_states(source)
    if match := re.fullmatch(r"dmg_(\d+)", name):
        number = int(match[1])
        return states[number] if number < len(states) else name
    return name if name in states and len(states) > 1 else ""


def _state(name: str, state: str, loss_type: str, what: str, time: str) -> Column:
    damage = "without damage" if state == NO_DAMAGE else f"in state {state}"
    where = f", {loss_words(loss_type)}" if loss_type else ""
    return Column(
        name,
        REAL,
        f"{what} {damage}{where}{',' if where and time else ''}{time}",
        "buildings",
        additive=True,
        quantity="damage",
        loss_type=loss_type,
        damage_state=state,
    )


def _consequence_unit(units: Units, name: str, loss_types: Sequence[str]) -> str:
    if name in PEOPLE:
        return "people"
    return units.of_all(loss_types) if name in ("loss", "losses") else ""


def _risk(
    source: Source, units: Units, name: str, loss_types: Sequence[str], loss_type: str
) -> Column:
    if state := state_of(source, name):
        return _state(name, state, loss_type, "Expected number", when(source))
    base, _, ratio = split_name(name)
    amplified = base.startswith("pla_")
    base = re.sub(r"^pla_", "", base)
    if base == "loss":
        label, quantity = _average(source, loss_type), "average loss"
    else:
        where = f", {loss_words(loss_type)}{',' if when(source) else ''}" if loss_type else ""
        label, quantity = f"Expected {base.replace('_', ' ')}{where}{when(source)}", base
    label += ", amplified" if amplified else ""
    if ratio:
        label += ", share of the exposure"
        return Column(name, REAL, label, "fraction", quantity="loss ratio", loss_type=loss_type)
    unit = _consequence_unit(units, base, loss_types)
    return Column(name, REAL, label, unit, True, quantity=quantity, loss_type=loss_type)


def _curve(units: Units, name: str, loss_types: Sequence[str], loss_type: str) -> Column:
    base, ep, ratio = split_name(name)
    amplified = base.startswith("pla_")
    base = re.sub(r"^pla_", "", base)
    what = "loss" if base in ("loss", "losses") else base.replace("_", " ")
    label = f"{_capital(f'{loss_words(loss_type)} {what}')} of the return period, {EP_TYPES[ep]}"
    label += ", amplified" if amplified else ""
    if ratio:
        label += ", share of the exposure"
        return Column(name, REAL, label, "fraction", quantity="loss ratio", loss_type=loss_type)
    unit = _consequence_unit(units, base, loss_types)
    return Column(name, REAL, label, unit, quantity="loss curve", loss_type=loss_type)


def _event(
    source: Source, units: Units, name: str, loss_types: Sequence[str], loss_type: str
) -> Column:
    if state := state_of(source, name):
        return _state(name, state, loss_type, "Number", " in the event")
    base = re.sub(r"^pla_", "", name)
    what = "loss" if base in ("loss", "losses") else base.replace("_", " ")
    label = f"{_capital(f'{loss_words(loss_type)} {what}')} in the event"
    label += ", amplified" if base != name else ""
    unit = _consequence_unit(units, base, loss_types)
    return Column(name, REAL, label, unit, quantity="event loss", loss_type=loss_type)


def _exposure(units: Units, name: str) -> Column:
    if name == "number":
        return Column(name, REAL, "Number of buildings", "buildings", True, quantity="exposure")
    what = loss_words(name)
    label = _capital(what) if units.of(name) == "people" or name == "area" else f"Value, {what}"
    return Column(name, REAL, label, units.of(name), True, quantity="exposure", loss_type=name)


def _multi_risk(source: Source, units: Units, name: str) -> Column:
    """Describe a column of all perils; those without a loss type have the engine's own name."""
    what, _, loss_type = name.partition("-")
    if not loss_type:
        unit = "people" if re.sub(r"_(day|night|transit|avg)$", "", name) in PEOPLE else ""
        return Column(name, REAL, _capital(loss_words(name)), unit, quantity="risk", loss_type=name)
    if what == "loss":
        label, unit = f"{loss_words(loss_type)} loss", units.of(loss_type)
        return Column(name, REAL, _capital(label), unit, quantity="loss", loss_type=loss_type)
    if what == NO_DAMAGE or what in damage_states(source):
        return _state(name, what, loss_type, "Expected number", "")
    label = f"{what.replace('_', ' ')}, {loss_words(loss_type)}"
    return Column(name, REAL, _capital(label), quantity=what, loss_type=loss_type)


def _reinsurance(source: Source, units: Units, name: str) -> Column:
    loss_types = list(source.oqparam.get("reinsurance_file") or ())
    loss_types = loss_types or [str(source.oqparam.get("total_losses") or "")]
    base, ep, _ = split_name(name) if source.output.type.endswith("curves") else (name, "", False)
    amplified = base.startswith("pla_")
    base = re.sub(r"^pla_", "", base)
    if base.startswith(("overspill_", "over_")):
        what = f"overspill of {base.partition('_')[2]}"
    else:
        what = base if base in ("claim", "retention") else f"cession to {base}"
    time = source.risk_time
    if "-avg" in source.output.type:
        label = f"Average annual {what}" if time == 1 else f"Average {what}{when(source)}"
    elif ep:
        label = f"{_capital(what)} of the return period, {EP_TYPES[ep]}"
    else:
        label = f"{_capital(what)} in the event"
    label += ", amplified" if amplified else ""
    return Column(
        name,
        REAL,
        label,
        units.of_all([lt for lt in loss_types if lt]) if any(loss_types) else "",
        additive="-avg" in source.output.type,
        quantity="reinsurance",
    )


_ABOUT = {
    "aggrisk": ("KIND LOSS_TYPE", "Average losses or damage of all assets, and by tag."),
    "aggcurves": (
        "KIND LOSS_TYPE RETURN_PERIOD EP_TYPE",
        "Losses of all assets by return period, and by tag.",
    ),
    "avg_losses_by": ("LOSS_TYPE", "Mean losses by tag."),
    "agg_risk": ("LOSS_TYPE", "Losses and damage of all assets by peril."),
    "risk_by_event": ("LOSS_TYPE", "Losses or damage of all assets in each event."),
    "src_loss_table": ("LOSS_TYPE", "Losses by source."),
    "reinsurance-avg_policy": ("KIND", "Average retention, claim and treaties of each policy."),
    "reinsurance-avg_portfolio": ("KIND", "Average retention, claim and treaties."),
    "reinsurance-risk_by_event": ("", "Retention, claim and treaties in each event."),
    "reinsurance-aggcurves": (
        "KIND RETURN_PERIOD EP_TYPE",
        "Retention, claim and treaties by return period.",
    ),
    "aggexp_tags": ("LOSS_TYPE", "Values of the exposure by tag."),
    "mmi_tags": ("LOSS_TYPE", "Values of the exposure by tag and macroseismic intensity."),
}
_BY_TAG = (*RISK, *CURVES, "avg_losses_by", "aggexp_tags", "mmi_tags")

OUTPUTS = {
    kind: OutputType(
        read=read_aggregates,
        geometry="table",
        choices=(
            *_ABOUT[kind.replace("-stats", "")][0].split(),
            "MEMBER",
            *(("TAXONOMY", "TAG_FILTER") if kind in _BY_TAG else ()),
        ),
        about=_ABOUT[kind.replace("-stats", "")][1],
    )
    for kind in (*_ABOUT, "aggrisk-stats", "aggcurves-stats")
}
