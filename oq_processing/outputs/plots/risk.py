"""Figures of risk: loss exceedance curves, damage distributions, loss curves of an asset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput
from .. import catalogue
from ..assets.damage_states import NO_DAMAGE, STATE_COLORS, of_rank
from ..assets.units import Units
from ..assets.words import when
from ..core.choices import Choices, listed, match_kinds, match_names
from ..core.csv_export import CsvFile, csv_files
from ..core.quantities import kind_label, loss_words, years
from ..core.source import Source
from ..core.table import REAL, TEXT, Column, Table, small_table
from ..readers.aggregate_columns import split_name
from .plot import BARS, Axis, Place, Plot, PlotType, Series, subtitle

MOSTLY = 0.9
"""Share of the undamaged above which their bar is left out: no other could be seen beside it."""

MAX_SERIES = 40  # curves by tag in one figure


@dataclass(frozen=True)
class _Rows:
    """A table read whole: its columns and rows."""

    table: Table
    names: list[str]
    rows: list[list[Any]]

    def distinct(self, name: str) -> list[Any]:
        """Return the values of a column in their order, [] if it has none."""
        if name not in self.names:
            return []
        i = self.names.index(name)
        return list(dict.fromkeys(row[i] for row in self.rows))

    def where(self, name: str, values: Sequence[Any]) -> _Rows:
        """Return the rows that have one of the values; all if there is no such column."""
        if name not in self.names:
            return self
        i = self.names.index(name)
        return replace(self, rows=[row for row in self.rows if row[i] in values])


def _whole(table: Table) -> _Rows:
    names = [column.name for column in table.columns]
    rows = [
        list(row)
        for block in table.blocks()
        for row in zip(*(values.tolist() for values in block.values))
    ]
    return _Rows(table, names, rows)


# --- loss exceedance


def loss_exceedance(source: Source, choices: Choices, _: Place) -> Plot:
    """Return curves of loss by return period, as the engine has computed them (aggcurves).

    One loss type (structural, else the first), unless several were chosen that have one unit. With
    several realizations comes the engine's own mean, where it has one (``aggcurves-stats``).
    """
    read = _whole(catalogue.read(source, replace(choices, kind="", loss_type="")))
    found, kinds = _kinds(read, choices)
    found, notes = _loss_types(found, choices)
    values = _curve_columns(found.table, found.distinct("loss_type"), source)
    series = _curves(found, values)
    single = sum(kind.startswith("rlz-") for kind in kinds)
    mean = _mean_of(source, choices, found.distinct("loss_type")) if single > 1 else None
    if mean is not None:
        series += _curves(mean, _curve_columns(mean.table, mean.distinct("loss_type"), source))
    if len(series) > MAX_SERIES and not single:
        raise InvalidChoice(
            f"This would be {len(series)} curves; choose fewer by TAG_FILTER, KIND or LOSS_TYPE."
        )
    one_type = [loss_words(t) for t in found.distinct("loss_type")]
    what = f"{one_type[0]} loss" if len(one_type) == 1 else "loss"
    tags = _tags_text(found)
    drawn = {s.kind for s in series}
    kind = f", {kind_label(drawn.pop()).lower()}" if len(drawn) == 1 else ""
    # which exceedance it is stands in the legend where there are several
    types = {split_name(column.name).ep for column in values}
    ep = f" ({types.pop().upper()})" if len(types) == 1 else ""
    title = f"Loss exceedance{ep}, {' and '.join(one_type)}{tags}{kind}"
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis("Return period", "years", log=True),
        y=Axis(f"{what[:1].upper()}{what[1:]}", values[0].unit),
        table=_table_of(title, [found, *([mean] if mean else [])], values),
        series=tuple(series),
        notes=tuple(notes),
    )


def _kinds(read: _Rows, choices: Choices) -> tuple[_Rows, list[str]]:
    """Return the rows of the chosen statistics or realizations, and their names."""
    if "stat" in read.names:
        kinds = match_kinds(choices.kind, read.distinct("stat"), [])
        return read.where("stat", kinds), kinds
    if "rlz_id" in read.names:
        # all of them where none was chosen: thin, beside the engine's mean
        numbers = sorted(int(n) for n in read.distinct("rlz_id"))
        kinds = match_kinds(choices.kind or "rlzs", [], numbers)
        return read.where("rlz_id", [int(kind[4:]) for kind in kinds]), kinds
    return read, match_kinds(choices.kind, [], [0])


def _loss_types(read: _Rows, choices: Choices) -> tuple[_Rows, list[str]]:
    there = read.distinct("loss_type")
    if not there:
        return read, []
    chosen = match_names(choices.loss_type, there, "LOSS_TYPE", "loss type")
    notes: list[str] = []
    if not choices.loss_type.strip():
        first, notes = _usual(chosen)
        chosen = [first]
    return read.where("loss_type", chosen), notes


def _curve_columns(table: Table, loss_types: Sequence[str], source: Source) -> list[Column]:
    """Return the columns of losses (no ratios), with the unit they have in common."""
    found = [c for c in table.columns if c.quantity == "loss curve"]
    if not found:
        raise InvalidOutput(f"{table.title} has no losses by return period.")
    units = Units(source)
    of = {name: units.of(name) for name in loss_types}
    if len(set(of.values())) > 1:
        raise InvalidChoice(
            "Losses of different units do not go on one axis: "
            f"{', '.join(f'{name} [{unit}]' for name, unit in of.items())}; choose by LOSS_TYPE."
        )
    unit = next(iter(of.values()), found[0].unit)
    return [replace(column, unit=unit) for column in found]


def _curves(read: _Rows, values: Sequence[Column]) -> list[Series]:
    """Return a curve for each statistic or realization, loss type, tag and type of exceedance."""
    keys = [
        c.name
        for c in read.table.columns
        if c.name
        not in ("return_period", *(v.name for v in read.table.columns if v.quantity in _VALUES))
    ]
    varying = [name for name in keys if len(read.distinct(name)) > 1]
    at = {name: i for i, name in enumerate(read.names)}
    curves: dict[tuple[Any, ...], list[list[Any]]] = {}
    for row in read.rows:
        curves.setdefault(tuple(row[at[name]] for name in keys), []).append(row)
    found = []
    for key, rows in curves.items():
        rows.sort(key=lambda row: row[at["return_period"]])
        of = dict(zip(keys, key))
        kind = str(of.get("stat") or (f"rlz-{of['rlz_id']}" if "rlz_id" in of else "mean"))
        words = [
            loss_words(of[name]) if name == "loss_type" else str(of[name])
            for name in varying
            if name not in ("stat", "rlz_id")
        ]
        for column in values:
            group = ", ".join([*words, *_told_apart(column, values)])
            found.append(
                Series(
                    tuple(float(row[at["return_period"]]) for row in rows),
                    tuple(float(row[at[column.name]]) for row in rows),
                    kind,
                    group,
                )
            )
    return found


_VALUES = ("loss curve", "loss ratio")


def _told_apart(column: Column, values: Sequence[Column]) -> list[str]:
    """Return what tells a column of losses from the others: OEP, amplified."""
    name, others = split_name(column.name), [split_name(other.name) for other in values]
    words = [name.ep.upper()] if len({other.ep for other in others}) > 1 else []
    if len({other.base for other in others}) > 1:
        words.append("amplified" if name.amplified else "not amplified")
    return words


def _mean_of(source: Source, choices: Choices, loss_types: Sequence[str]) -> _Rows | None:
    """Return the engine's own mean curves beside single realizations; None if it has none."""
    name = f"{source.output.type}-stats"
    for output in source.client.outputs(source.calculation.id):
        if output.type == name:
            stats = Source(source.client, source.calculation, output, source.folder)
            read = _whole(catalogue.read(stats, replace(choices, kind="", loss_type="")))
            mean = read.where("loss_type", loss_types).where("stat", ["mean"])
            return mean if mean.rows and "stat" in mean.names else None
    return None


def _tags_text(read: _Rows) -> str:
    """Return the tags that all curves have in common: ``, Central``."""
    known = ("loss_type", "stat", "rlz_id", "return_period", "member")
    tags = [c for c in read.table.columns if not c.quantity and c.type == TEXT]
    values = [read.distinct(c.name) for c in tags if c.name not in known]
    return "".join(f", {found[0]}" for found in values if len(found) == 1)


def _table_of(title: str, parts: Sequence[_Rows], values: Sequence[Column]) -> Table:
    """Return the rows of a figure; the engine's mean beside realizations has its own ``stat``."""
    columns: list[Column] = []
    for part in parts:
        for column in part.table.columns:
            if column.name not in [c.name for c in columns]:
                columns.append(column)
    units = {column.name: column for column in values}
    rows = []
    for part in parts:
        for row in part.rows:
            cells = dict(zip(part.names, row))
            rows.append([cells.get(column.name) for column in columns])
    return small_table(title, [units.get(c.name, c) for c in columns], rows)


# --- damage


def damage_distribution(source: Source, choices: Choices, place: Place) -> Plot:
    """Return the number of buildings in each damage state: of an asset, or of all together.

    From ``damages-*`` (ASSET_ID, or the sum of the assets that were chosen) or ``aggrisk*`` (the
    engine's own totals). One loss type and one statistic or realization; perils side by side.
    Where nearly all are without damage, their bar is left out and told in the subtitle.
    """
    totals = source.output.type.startswith("aggrisk")
    # of totals all statistics or realizations are rows, of which one is taken here
    table = catalogue.read(source, replace(choices, kind="" if totals else choices.kind))
    columns = [c for c in table.columns if c.damage_state and c.quantity == "damage"]
    if not columns:
        raise InvalidChoice(
            f"{source.output.name} of calculation {source.calculation.id} has no numbers of "
            "buildings by damage state."
        )
    if totals:
        read, kinds = _kind_of_totals(_whole(table), choices)
    else:
        read = _of_asset(table, place.asset_id) if place.asset_id else _summed(table)
        kinds = list(dict.fromkeys(c.kind for c in columns))
    if len(kinds) > 1:
        raise InvalidChoice(
            f"A figure shows one statistic or realization; choose one by KIND: {listed(kinds)}."
        )
    there = read.distinct("loss_type") or list(dict.fromkeys(c.loss_type for c in columns))
    loss_type, notes = _one_loss_type([str(name) for name in there], choices)
    columns = [c for c in columns if c.loss_type in ("", loss_type)]
    read = read.where("loss_type", [loss_type])
    if len(read.rows) != 1:
        tags = [
            c.name
            for c in read.table.columns
            if c.type == TEXT and len(read.distinct(c.name)) > 1 and c.name != "loss_type"
        ]
        raise InvalidChoice(
            f"These are {len(read.rows)} rows; choose one by TAG_FILTER ({', '.join(tags)})."
        )
    row = dict(zip(read.names, read.rows[0]))
    # perils are never added
    numbers: dict[str, dict[str, float]] = {}
    for c in columns:
        peril = c.name.replace(f"{c.loss_type}-{c.damage_state}", "").strip("-")
        peril = "" if totals else peril
        numbers.setdefault(peril, {})[c.damage_state] = float(row[c.name])
    states = list(dict.fromkeys(c.damage_state for c in columns))
    left_out = _undamaged(numbers)
    shown = [state for state in states if not left_out or state != NO_DAMAGE]
    words = [loss_words(loss_type), _whose(read, choices, place)]
    if kinds[0] != "mean":
        words.append(kind_label(kinds[0]).lower())
    title = f"Damage distribution, {', '.join(words)}"
    label = f"Expected number of buildings{when(source)}"
    data = [
        (loss_type, peril or None, state, number)
        for peril, by_state in numbers.items()
        for state, number in by_state.items()
    ]
    ranks = [NO_DAMAGE, *(source.oqparam.get("limit_states") or ())]
    colors = [of_rank(STATE_COLORS, ranks.index(state), len(ranks)) for state in shown]
    return Plot(
        title=title,
        subtitle="\n".join([*left_out, subtitle(source)]),
        x=Axis("Damage state", categories=tuple(state.replace("_", " ") for state in shown)),
        y=Axis(label),
        table=small_table(
            title,
            [
                Column("loss_type", TEXT, "Loss type"),
                Column("peril", TEXT, "Peril"),
                Column("damage_state", TEXT, "Damage state"),
                Column("number", REAL, label, "buildings", quantity="damage", kind=kinds[0]),
            ],
            data,
        ),
        form=BARS,
        series=tuple(
            Series(
                tuple(map(float, range(len(shown)))),
                tuple(by_state.get(state, 0.0) for state in shown),
                kinds[0],
                peril,
                tuple(colors) if len(numbers) == 1 else (),
            )
            for peril, by_state in numbers.items()
        ),
        notes=(*notes, *left_out),
    )


def _undamaged(numbers: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence on those without damage, where their bar would hide all others."""
    if len(numbers) != 1:
        return []
    [by_state] = numbers.values()
    total, without = sum(by_state.values()), by_state.get(NO_DAMAGE, 0.0)
    if not MOSTLY * total < without < total:
        return []
    share = f"{100 * without / total:.3g}%"
    return [f"Without damage, not drawn: {_count(without)} of {_count(total)} ({share})"]


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:,.4g}"


def _whose(read: _Rows, choices: Choices, place: Place) -> str:
    if place.asset_id:
        return f"asset {place.asset_id}"
    if "asset_id" in read.names:
        chosen = [text.strip() for text in (choices.taxonomy, choices.tag_filter) if text.strip()]
        return f"assets of {'; '.join(chosen)}" if chosen else "all assets"
    return _tags_text(read)[2:] or "all assets"


def _kind_of_totals(read: _Rows, choices: Choices) -> tuple[_Rows, list[str]]:
    if "rlz_id" in read.names:
        numbers = sorted(int(n) for n in read.distinct("rlz_id"))
        kinds = match_kinds(choices.kind, [], numbers)
        return read.where("rlz_id", [int(kind[4:]) for kind in kinds]), kinds
    return _kinds(read, choices)


def _of_asset(table: Table, asset_id: str) -> _Rows:
    names = [c.name for c in table.columns]
    i = names.index("asset_id")
    for block in table.blocks():
        for row in zip(*(values.tolist() for values in block.values)):
            if row[i] == asset_id:
                return _Rows(table, names, [list(row)])
    raise InvalidChoice(f"There is no asset “{asset_id}” (ASSET_ID) in {table.title}.")


def _summed(table: Table) -> _Rows:
    """Return one row: sums of the columns that may be summed, None elsewhere."""
    import numpy as np

    sums: list[Any] = [0.0 if c.additive else None for c in table.columns]
    for block in table.blocks():
        for i, values in enumerate(block.values):
            if sums[i] is not None:
                sums[i] += float(np.asarray(values, dtype=float).sum())
    for column in table.columns:
        if column.quantity == "damage" and not column.additive:
            raise InvalidChoice(
                f"“{column.name}” must not be summed ({kind_label(column.kind).lower()}); choose "
                "an asset by ASSET_ID, or KIND=mean."
            )
    return _Rows(table, [c.name for c in table.columns], [sums])


def _one_loss_type(there: Sequence[str], choices: Choices) -> tuple[str, list[str]]:
    """Return the loss type of the figure, structural unless chosen, and what the log says of it."""
    chosen = match_names(choices.loss_type, there, "LOSS_TYPE", "loss type")
    if len(chosen) > 1 and choices.loss_type.strip():
        raise InvalidChoice(f"A figure shows one loss type; choose one of: {listed(chosen)}.")
    return _usual(chosen)


def _usual(loss_types: Sequence[str]) -> tuple[str, list[str]]:
    """Return structural, else the first, and a note that names the others."""
    first = "structural" if "structural" in loss_types else loss_types[0]
    others = [name for name in loss_types if name != first]
    return first, [f"Plotted: {first}; others by LOSS_TYPE: {listed(others)}."] if others else []


# --- loss curves of an asset


def asset_loss_curves(source: Source, choices: Choices, place: Place) -> Plot:
    """Return loss curves of an asset: probability of exceedance by loss (loss_curves-*).

    One loss type (structural, else the first), unless several of one unit were chosen.
    """
    if not place.asset_id:
        raise InvalidChoice(f"{source.output.name} are of single assets; choose one by ASSET_ID.")
    by_kind = {_kind_of(file): file for file in csv_files(source)}
    statistics = sorted(
        (kind for kind in by_kind if not kind.startswith("rlz-")), key=lambda k: k != "mean"
    )
    numbers = sorted(int(kind[4:]) for kind in by_kind if kind.startswith("rlz-"))
    kinds = match_kinds(choices.kind, statistics, numbers)
    rows = [(kind, *row) for kind in kinds for row in _rows_of(by_kind[kind], place.asset_id)]
    if not rows:
        raise InvalidChoice(
            f"There is no asset “{place.asset_id}” (ASSET_ID) in {source.output.name}."
        )
    there = list(dict.fromkeys(row[1] for row in rows))
    chosen = match_names(choices.loss_type, there, "LOSS_TYPE", "loss type")
    notes: list[str] = []
    if not choices.loss_type.strip():
        first, notes = _usual(chosen)
        chosen = [first]
    units = {name: Units(source).of(name) for name in chosen}
    if len(set(units.values())) > 1:
        raise InvalidChoice(
            "Losses of different units do not go on one axis: "
            f"{', '.join(f'{n} [{u}]' for n, u in units.items())}; choose by LOSS_TYPE."
        )
    unit = next(iter(units.values()))
    rows = [row for row in rows if row[1] in chosen]
    series = []
    for kind in kinds:
        for name in chosen:
            of = [row for row in rows if row[:2] == (kind, name)]
            series.append(
                Series(
                    tuple(row[2] for row in of),
                    tuple(row[4] for row in of),
                    kind,
                    loss_words(name) if len(chosen) > 1 else "",
                )
            )
    time = source.risk_time
    within = f" in {years(time)} year{'' if time == 1 else 's'}" if time else ""
    what = f"{loss_words(chosen[0])} loss" if len(chosen) == 1 else "loss"
    types = " and ".join(loss_words(name) for name in chosen)
    title = f"Loss curve{'s' if len(series) > 1 else ''}, {types}, asset {place.asset_id}"
    columns = [
        Column("asset_id", TEXT, "Asset"),
        Column("kind", TEXT, "Statistic or realization"),
        Column("loss_type", TEXT, "Loss type"),
        Column("loss_value", REAL, "Loss", unit, quantity="loss curve"),
        Column("loss_ratio", REAL, "Loss ratio", "fraction", quantity="loss ratio"),
        Column("poe", REAL, f"Probability of exceedance{within}"),
    ]
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis(f"{what[:1].upper()}{what[1:]}", unit, log=True),
        y=Axis(f"Probability of exceedance{within}", log=True),
        table=small_table(title, columns, [(place.asset_id, *row) for row in rows]),
        series=tuple(series),
        notes=tuple(notes),
    )


def _kind_of(file: CsvFile) -> str:
    """Return the statistic or realization of a file: ``loss_curves-rlz-000`` is ``rlz-0``."""
    kind = file.member.partition("-")[2]
    return f"rlz-{int(kind[4:])}" if kind.startswith("rlz-") else kind or "mean"


def _rows_of(file: CsvFile, asset_id: str) -> Iterator[tuple[str, float, float, float]]:
    """Yield loss type, loss, ratio and probability of an asset's rows."""
    wanted = ("asset_id", "loss_type", "loss_value", "loss_ratio", "poe")
    at: list[int] = []
    for row in file.read():
        if not at:
            if not set(wanted) <= set(file.header):
                raise InvalidOutput(f"{file.member} has no loss curves: {', '.join(file.header)}.")
            at = [file.header.index(name) for name in wanted]
        if row[at[0]] == asset_id:
            yield row[at[1]], float(row[at[2]]), float(row[at[3]]), float(row[at[4]])


_OF_CURVES = ("KIND", "LOSS_TYPE", "RETURN_PERIOD", "EP_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER")

PLOTS = {
    **dict.fromkeys(("aggcurves", "aggcurves-stats"), PlotType(loss_exceedance, _OF_CURVES)),
    **dict.fromkeys(
        ("aggrisk", "aggrisk-stats"),
        PlotType(damage_distribution, ("KIND", "LOSS_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER")),
    ),
    **dict.fromkeys(
        ("damages-stats", "damages-rlzs"),
        PlotType(
            damage_distribution,
            ("KIND", "LOSS_TYPE", "TAXONOMY", "TAG_FILTER", "MEMBER", "ASSET_ID"),
        ),
    ),
    **dict.fromkeys(
        ("loss_curves-stats", "loss_curves-rlzs"),
        PlotType(asset_loss_curves, ("KIND", "LOSS_TYPE", "ASSET_ID")),
    ),
}
