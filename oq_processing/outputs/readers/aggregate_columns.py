"""What the columns of totals mean: one entry of ``TOTALS`` for each type of output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from ..assets.damage_states import damage_column, damage_states
from ..assets.units import loss_unit, loss_unit_of_all, of_people
from ..assets.words import ALL_PERILS, average_loss, expected, several_perils, when
from ..core.quantities import PEOPLE
from ..core.source import Source
from ..core.table import Column, ColumnType
from ..core.wording import capital, duration, loss_words

EP_TYPES = {
    "ep": "exceedance probability (EP)",
    "aep": "aggregate exceedance probability (AEP)",
    "oep": "occurrence exceedance probability (OEP)",
}
"""What the engine calls the types of exceedance probability, and what they mean."""


@dataclass(frozen=True)
class Values:
    """A column of values in a CSV, and what all its rows are of.

    ``loss_types`` are those of the rows, [] where they have none; ``period`` is the return period
    in years that all of them have, None where they have several or none.
    """

    source: Source
    name: str
    loss_types: Sequence[str]
    period: float | None = None

    @property
    def loss_type(self) -> str:
        """The loss type of all rows, "" where they have several or none."""
        return self.loss_types[0] if len(self.loss_types) == 1 else ""

    @property
    def perils(self) -> str:
        """What damage is of where the calculation has several perils, else ""."""
        return ALL_PERILS if several_perils(self.source) else ""

    @property
    def state(self) -> str:
        """The damage state (``dmg_2`` or its name), "" if the column holds something else.

        States are counted from no damage, in the order of the limit states.
        """
        states = damage_states(self.source)
        if match := re.fullmatch(r"dmg_(\d+)", self.name):
            number = int(match[1])
            return states[number] if number < len(states) else self.name
        return self.name if self.name in states and len(states) > 1 else ""


@dataclass(frozen=True)
class Name:
    """What the name of a column says: ``pla_loss_oep_ratio`` is ``pla_loss``, ``oep``, a ratio.

    ``loss_value`` and ``loss`` are ``loss``, ``ep``.
    """

    base: str
    ep: str = "ep"
    ratio: bool = False

    @property
    def amplified(self) -> bool:
        """Whether it is of losses after the event's surge of prices (post-loss amplification)."""
        return self.base.startswith("pla_")

    @property
    def what(self) -> str:
        """The quantity, amplified or not."""
        return self.base.removeprefix("pla_")

    @property
    def words(self) -> str:
        """The quantity as people write it."""
        return "loss" if self.what in ("loss", "losses") else self.what.replace("_", " ")


def split_name(name: str) -> Name:
    """Return what the name of a column of losses says."""
    match = re.fullmatch(r"(.+?)(?:_(aep|oep))?(?:_(value|ratio))?", name)
    if match is None:
        return Name(name)
    return Name(match[1], match[2] or "ep", match[3] == "ratio")


def _column(
    values: Values,
    label: str,
    quantity: str,
    unit: str = "",
    additive: bool = False,
    loss_type: str | None = None,
) -> Column:
    """Return a column of values; its loss type is that of the rows where it has none itself."""
    of = values.loss_type if loss_type is None else loss_type
    real = ColumnType.REAL
    return Column(values.name, real, capital(label), unit, additive, quantity, loss_type=of)


def _state(values: Values, time: str, what: str = "Expected number") -> Column:
    of = values.name, values.state, values.loss_type, values.perils
    return damage_column(values.source, *of, time=time, what=what)


def _value(values: Values, name: Name, label: str, quantity: str, additive: bool = False) -> Column:
    """Return the column of a loss or consequence, or of its ratio to what is exposed."""
    label += ", amplified" if name.amplified else ""
    if name.ratio:
        return _column(values, f"{label}, share of the exposure", "loss ratio", "fraction")
    unit = loss_unit_of_all(values.source, values.loss_types) if name.words == "loss" else ""
    return _column(values, label, quantity, "people" if name.what in PEOPLE else unit, additive)


def _risk(values: Values) -> Column:
    if values.state:
        return _state(values, when(values.source))
    name = split_name(values.name)
    if name.what == "loss":
        label = average_loss(values.source, values.loss_type)
        return _value(values, name, label, "average loss", additive=True)
    label = expected(values.source, name.what, values.loss_type, values.perils)
    return _value(values, name, label, name.what, additive=True)


def _at_period(values: Values, what: str, ep: str) -> str:
    """Return what is called with its return period, or with the one of each row."""
    period = "" if values.period is None else f"{values.period:g}-year "
    return f"{what} at the {period}return period, {EP_TYPES[ep]}"


def _curve(values: Values) -> Column:
    name = split_name(values.name)
    label = _at_period(values, f"{loss_words(values.loss_type)} {name.words}", name.ep)
    return _value(values, name, label, "loss curve")


def _event(values: Values) -> Column:
    if values.state:
        return _state(values, " in the event", "Number")
    name = Name(values.name)
    label = f"{loss_words(values.loss_type)} {name.words} in the event"
    return _value(values, name, label, "event loss")


def years_of_events(source: Source) -> float | None:
    """Return the years that the events of a realization are of, None if unknown."""
    sets = float(source.oqparam.get("ses_per_logic_tree_path") or 1)
    return source.investigation_time and source.investigation_time * sets


def _source_loss(values: Values) -> Column:
    label = f"{loss_words(values.loss_type)} loss, sum over all events"
    if time := years_of_events(values.source):
        label += f" of {duration(time)}"
    label += ", mean of the realizations"
    unit = loss_unit_of_all(values.source, values.loss_types)
    return _column(values, label, "source loss", unit)


def _average(values: Values) -> Column:
    source, name = values.source, values.name
    unit = loss_unit(source, name)
    return _column(values, average_loss(source, name), "average loss", unit, True, name)


def _exposure(values: Values) -> Column:
    name, unit = values.name, loss_unit(values.source, values.name)
    if name == "number":
        return _column(values, f"Number of {unit}", "exposure", unit, True, "")
    what = loss_words(name)
    label = what if unit == "people" or name == "area" else f"Value, {what}"
    return _column(values, label, "exposure", unit, True, name)


def _of_perils(values: Values) -> Column:
    """Describe a column of all perils; those without a loss type have the engine's own name."""
    name = values.name
    what, _, loss_type = name.partition("-")
    words = loss_words(loss_type)
    if not loss_type:
        return _column(
            values, loss_words(name), "risk", "people" if of_people(name) else "", loss_type=name
        )
    if what == "loss":
        unit = loss_unit(values.source, loss_type)
        return _column(values, f"{words} loss", "loss", unit, loss_type=loss_type)
    if what in damage_states(values.source):
        return damage_column(values.source, name, what, loss_type)
    return _column(values, f"{what.replace('_', ' ')}, {words}", what, loss_type=loss_type)


def _reinsured(values: Values, name: Name, label: str, average: bool = False) -> Column:
    """Return the column of what was ceded or kept, which ``label`` says as {}."""
    parameters = values.source.oqparam
    loss_types = parameters.get("reinsurance_file") or [parameters.get("total_losses") or ""]
    unit = loss_unit_of_all(values.source, [str(loss_type) for loss_type in loss_types])
    what = name.what if name.what in ("claim", "retention") else f"cession to {name.what}"
    if name.what.startswith(("overspill_", "over_")):
        what = f"overspill of {name.what.partition('_')[2]}"
    label = label.format(what) + (", amplified" if name.amplified else "")
    return _column(values, label, "reinsurance", unit, average, "")


def _reinsurance_average(values: Values) -> Column:
    annual = values.source.risk_time == 1
    label = "Average annual {}" if annual else f"Average {{}}{when(values.source)}"
    return _reinsured(values, Name(values.name), label, average=True)


def _reinsurance_event(values: Values) -> Column:
    return _reinsured(values, Name(values.name), "{} in the event")


def _reinsurance_curve(values: Values) -> Column:
    name = split_name(values.name)
    return _reinsured(values, name, _at_period(values, "{}", name.ep))


# --- distinguish files and rows


def _tags_in_name(_: Source, suffix: str, header: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns whose names, joined, are what the name of the file ends with.

    Tags may hold hyphens: a run of columns is compared with the name, nothing is split.
    """
    ends = range(len(header) + 1)
    runs = (header[i:j] for i in ends for j in ends[i + 1 :])
    return next((run for run in runs if "-".join(run) == suffix), ())


def _tags_asked(source: Source, _: str, header: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of ``aggregate_by``, and those of the areas that the engine has added."""
    asked = {tag for tags in source.oqparam.get("aggregate_by") or () for tag in tags}
    return tuple(n for n in header if n in asked or re.fullmatch(r"(ID|NAME)(_\d+)?", n))


@dataclass(frozen=True)
class Totals:
    """A type of totals: what its columns of values mean, and what distinguishes files and rows.

    ``choices`` are those of the values; ``tags`` finds the columns of tags by source, end of the
    file's name and header; ``wide`` returns the loss type of a column where each has its own, ""
    where rows have it; ``kind`` is the statistic or realization where no column says it, "" where
    there is none; ``prefix`` is how names of files begin that do not begin with the type;
    ``by_loss_type``: each file holds a loss type, which its name ends with; ``filters``: rows are
    chosen by TAXONOMY and TAG_FILTER.
    """

    describe: Callable[[Values], Column]
    choices: str
    about: str
    tags: Callable[[Source, str, tuple[str, ...]], tuple[str, ...]] = _tags_in_name
    wide: Callable[[str], str] = lambda _: ""
    kind: str = ""
    prefix: str = ""
    by_loss_type: bool = False
    filters: bool = False


_RISK = Totals(
    _risk,
    "KIND LOSS_TYPE",
    "Average losses or damage of all assets, and by tag.",
    kind="rlz-0",
    filters=True,
)
_CURVES = Totals(
    _curve,
    "KIND LOSS_TYPE RETURN_PERIOD EP_TYPE",
    "Losses of all assets by return period, and by tag.",
    kind="rlz-0",
    filters=True,
)

TOTALS = {
    "aggrisk": _RISK,
    "aggcurves": _CURVES,
    "avg_losses_by": Totals(
        _average,
        "LOSS_TYPE",
        "Mean losses by tag.",
        wide=lambda name: name,
        kind="mean",
        prefix="avg_losses_by_-",
        filters=True,
    ),
    "agg_risk": Totals(
        _of_perils,
        "LOSS_TYPE",
        "Losses and damage of all assets by peril.",
        wide=lambda name: name.partition("-")[2] or name,
    ),
    "risk_by_event": Totals(_event, "LOSS_TYPE", "Losses or damage of all assets in each event."),
    "src_loss_table": Totals(
        _source_loss,
        "LOSS_TYPE",
        "Losses by source.",
        tags=lambda *_: (),
        prefix="src_loss_",
        by_loss_type=True,
    ),
    "reinsurance-avg_policy": Totals(
        _reinsurance_average, "KIND", "Average retention, claim and treaties of each policy."
    ),
    "reinsurance-avg_portfolio": Totals(
        _reinsurance_average, "KIND", "Average retention, claim and treaties."
    ),
    "reinsurance-risk_by_event": Totals(
        _reinsurance_event, "", "Retention, claim and treaties in each event."
    ),
    "reinsurance-aggcurves": Totals(
        _reinsurance_curve,
        "KIND RETURN_PERIOD EP_TYPE",
        "Retention, claim and treaties by return period.",
    ),
    "aggexp_tags": Totals(
        _exposure,
        "LOSS_TYPE",
        "Values of the exposure by tag.",
        wide=lambda name: name,
        prefix="aggexp-",
        filters=True,
    ),
    "mmi_tags": Totals(
        _exposure,
        "LOSS_TYPE",
        "Values of the exposure by tag and macroseismic intensity.",
        tags=_tags_asked,
        wide=lambda name: name,
        filters=True,
    ),
    "aggrisk-stats": _RISK,
    "aggcurves-stats": _CURVES,
}
"""By type of output."""


def totals_of(source: Source) -> Totals:
    """Return what is particular to the output."""
    return TOTALS[source.output.type]
