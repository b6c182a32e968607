"""Statistics and realizations, called kinds: ``mean``, ``quantile-0.15``, ``rlz-3``.

Functions here take and return names in that form; :func:`parse_kind` makes it of any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Callable

from ...engine.errors import InvalidChoice
from .choices import parts_of
from .notes import Info, Note
from .source import COLLECTED, Source
from .table import Column
from .wording import capital, listed

LISTED_REALIZATIONS = 10
"""Realizations that an error or the log lists one by one at most."""


ON_CURVES = ("loss map", "loss curve")
"""Quantities of which the mean is not the mean of values, but a value on the mean curve."""


def parse_kind(text: str) -> str:
    """Return the name of a kind: ``rlz-007`` is ``rlz-7``, ``median`` is ``quantile-0.5``."""
    text = text.strip().lower()
    if text == "median":
        return "quantile-0.5"
    if match := re.fullmatch(r"rlz-?(\d{1,999})", text):
        return f"rlz-{int(match[1])}"
    if match := re.fullmatch(r"quantile-(\d*\.?\d+)", text):
        return f"quantile-{float(match[1])}"  # as the engine writes it
    return text


def realization(kind: str) -> int | None:
    """Return the number of a realization; None for a statistic."""
    return int(kind[4:]) if kind.startswith("rlz-") else None


def realizations_of(kinds: Iterable[str]) -> list[int]:
    """Return the numbers of the realizations among kinds, in their order."""
    return [number for kind in kinds if (number := realization(kind)) is not None]


def ordered_kinds(kinds: Iterable[str]) -> list[str]:
    """Return the mean first, then the other statistics in their order, then realizations."""
    return sorted(kinds, key=lambda kind: (kind != "mean", *realizations_of([kind])))


def choose_kinds(
    text: str, there: Iterable[str], about: Callable[[str], str] = lambda _: ""
) -> list[str]:
    """Return the chosen ones of the kinds that are ``there``, by what KIND says.

    ``all`` are all statistics (all realizations where there are none), ``rlzs`` all
    realizations, ``rlz-0..9`` a range; single ones in any form that :func:`parse_kind` reads.
    Nothing chosen is the mean, else the median, else the only realization. Raises
    :class:`InvalidChoice`, naming those there are, with what ``about`` returns of each.
    """
    known = {parse_kind(kind): kind for kind in ordered_kinds(there)}
    numbers = realizations_of(known)
    statistics = [kind for kind in known.values() if realization(kind) is None]
    if not parts_of(text):
        only = [f"rlz-{number}" for number in numbers if len(numbers) == 1]
        for usual in ("mean", "quantile-0.5", *only):
            if usual in known:
                return [known[usual]]
        shown = listed([*statistics, *_shown(numbers, about)])
        raise InvalidChoice(f"Choose a statistic or realization (KIND): {shown}.")
    try:
        return _chosen(text, known, statistics, numbers)
    except InvalidChoice as error:
        shown = listed([*statistics, *_shown(numbers, about)])
        raise InvalidChoice(f"{error}; KIND may be: {shown}.") from error


def _chosen(
    text: str, known: Mapping[str, str], statistics: Sequence[str], numbers: Sequence[int]
) -> list[str]:
    found: list[str] = []
    for part in parts_of(text):
        wanted = part.lower()
        if wanted == "all":
            found += statistics or [f"rlz-{number}" for number in numbers]
        elif wanted == "rlzs":
            found += [f"rlz-{number}" for number in numbers]
            if not numbers:
                raise InvalidChoice("This calculation kept no single realizations")
        elif match := re.fullmatch(r"rlz-?(\d{1,999})\.\.(?:rlz-?)?(\d{1,999})", wanted):
            first, last = int(match[1]), int(match[2])
            chosen = [number for number in numbers if first <= number <= last]
            if len(chosen) != last - first + 1 or not chosen:
                raise InvalidChoice(f"There are no realizations “{part}”")
            found += [f"rlz-{number}" for number in chosen]
        elif parse_kind(part) in known:
            found.append(known[parse_kind(part)])
        else:
            raise InvalidChoice(f"There is no statistic or realization “{part}”")
    return list(dict.fromkeys(found))


def _shown(numbers: Sequence[int], about: Callable[[str], str]) -> list[str]:
    names = [f"rlz-{number}" for number in numbers]
    if len(names) <= LISTED_REALIZATIONS and any(map(about, names)):
        return [f"{name} ({about(name)})" for name in names]
    if len(numbers) > 3 and list(numbers) == list(range(len(numbers))):
        return [f"rlz-0..{len(numbers) - 1}"]
    return names


def kind_label(kind: str, about: str = "") -> str:
    """Return a kind as people write it: ``Mean``, ``Realization 3 (b1~b2, weight 0.25)``.

    ``about`` is what stands in the brackets, or COLLECTED.
    """
    if about == COLLECTED:
        return capital(about)
    if kind.startswith("quantile-"):
        value = kind.partition("-")[2]
        label = "Median" if float(value) == 0.5 else f"Quantile {value}"
    elif (number := realization(kind)) is not None:
        label = f"Realization {number}"
    else:
        label = {"std": "Standard deviation", "max": "Maximum", "mean": "Mean"}.get(kind, kind)
    return f"{label} ({about})" if about else label


def kind_words(kind: str, about: str = "") -> str:
    """Return a kind as it stands within a sentence: ``mean``, ``realization 3 (b1~b2)``."""
    label = kind_label(kind, about)
    return label[:1].lower() + label[1:]


def realization_notes(kinds: Iterable[str], about: Callable[[str], str]) -> tuple[Note, ...]:
    """Return branch and weight of the first realizations among kinds, for the log."""
    found = [kind for kind in dict.fromkeys(kinds) if realization(kind) is not None]
    if not any(map(about, found)):
        return ()
    shown = "; ".join(kind_label(kind, about(kind)) for kind in found[:LISTED_REALIZATIONS])
    more = len(found) - LISTED_REALIZATIONS
    return (Info(shown + (f"; and {more} more realizations." if more > 0 else ".")),)


def summable(kind: str) -> bool:
    """Return whether a kind of a total is the sum of those of its parts."""
    return kind == "mean" or realization(kind) is not None


def name_of_kind(name: str, kind: str, chosen: Sequence[str]) -> str:
    """Return the name of a column, with its kind where several were chosen."""
    return f"{kind}-{name}" if len(chosen) > 1 else name


def of_kind(
    column: Column, kind: str, chosen: Sequence[str], there: Sequence[str], source: Source
) -> Column:
    """Return a column for one of the kinds that were ``chosen`` of those that are ``there``.

    Its label says which, but for the only realization (unless all are collected in it) and for the
    mean, which says so only where it is a value on the mean curve. What is additive stays so only
    where it may be summed.
    """
    plain = len(there) == 1 and not source.collected
    if kind == "mean":
        plain = column.quantity not in ON_CURVES
    return replace(
        column,
        name=name_of_kind(column.name, kind, chosen),
        label=column.label + ("" if plain else f", {kind_words(kind, source.branch(kind))}"),
        kind=kind,
        additive=column.additive and summable(kind),
    )
