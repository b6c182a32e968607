"""What a user may choose of an output, and how the words for it are matched.

Every choice is text, so that a model can feed it; empty means "not chosen".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...engine.errors import InvalidChoice
from .quantities import return_period
from .wording import listed, poe_text

SAME_POE = 0.005  # relative; jobs given by return periods have PoEs like 0.0999999
SAME_PERIOD = 0.015  # relative; "475y" means 10% in 50 years, 474.6 years


@dataclass(frozen=True)
class Choices:
    """The choices of Load Output as Layer that select values.

    ``lines`` tells that lines have a layer of their own (OUTPUT_LINES).
    """

    kind: str = ""
    imt: str = ""
    poe: str = ""
    loss_type: str = ""
    event_id: str = ""
    rupture_id: str = ""
    return_period: str = ""
    ep_type: str = ""
    min_magnitude: str = ""
    taxonomy: str = ""
    tag_filter: str = ""
    member: str = ""
    aggregate_by_site: bool = False
    geometry: str = "auto"
    long_format: bool = False
    lines: bool = False
    style_field: str = ""

    def made(self) -> dict[str, str]:
        """Return the choices that were made, by their parameter names."""
        values = {name: getattr(self, name.lower()) for name in SELECTING}
        values["AGGREGATE_BY_SITE"] = "true" if self.aggregate_by_site else ""
        values["GEOMETRY"] = "" if self.geometry == "auto" else self.geometry
        values["LONG_FORMAT"] = "true" if self.long_format else ""
        return {name: value for name, value in values.items() if value}

    def refuse_others(self, honoured: Sequence[str], title: str) -> None:
        """Raise :class:`InvalidChoice` for a choice that an output called ``title`` cannot honour.

        ``honoured`` are names of parameters; GEOMETRY and LONG_FORMAT are not looked at.
        """
        takes = [name for name in (*SELECTING, "AGGREGATE_BY_SITE") if name in honoured]
        for name in self.made():
            if name not in (*takes, "GEOMETRY", "LONG_FORMAT"):
                raise InvalidChoice(
                    f"{title} cannot be chosen by {name}; "
                    + (f"there are: {', '.join(takes)}." if takes else "leave it empty.")
                )


SELECTING = (
    "KIND",
    "IMT",
    "POE",
    "LOSS_TYPE",
    "EVENT_ID",
    "RUPTURE_ID",
    "RETURN_PERIOD",
    "EP_TYPE",
    "MIN_MAGNITUDE",
    "TAXONOMY",
    "TAG_FILTER",
    "MEMBER",
)
"""The parameters that select by a text; each is a field of :class:`Choices` in lower case."""


def split_list(text: str) -> list[str]:
    """Split at commas and semicolons outside parentheses: ``PGA, SDi(0.1, 2)`` are two."""
    parts = re.findall(r"(?:[^,;()]|\([^()]*\))+", text)
    return [part.strip() for part in parts if part.strip()]


def parts_of(text: str) -> list[str]:
    """Return what was listed, [] for nothing but separators; never nothing for something."""
    return split_list(text) or [part for part in [text.strip(" ,;\t\n")] if part]


def match_names(text: str, names: Sequence[str], parameter: str, what: str) -> list[str]:
    """Return the chosen ones of ``names``, all if nothing was chosen; spaces and case do not count.

    Raises :class:`InvalidChoice`, naming those there are.
    """
    if not parts_of(text):
        return list(names)
    known = {re.sub(r"\s", "", name).lower(): name for name in names}
    found = []
    for part in parts_of(text):
        name = known.get(re.sub(r"\s", "", part).lower())
        if name is None:
            raise InvalidChoice(
                f"There is no {what} “{part}”; {parameter} may be: {listed(names)}."
            )
        found.append(name)
    return list(dict.fromkeys(found))


def match_poes(text: str, poes: Sequence[float], time: float | None) -> list[float]:
    """Return the chosen probabilities of exceedance, all if nothing was chosen.

    ``0.1``, ``10%`` and ``475y`` (a return period, with ``time`` = investigation time in years) are
    the same; matched with a tolerance. Raises :class:`InvalidChoice`, naming those there are.
    """
    if not parts_of(text):
        return list(poes)
    found = []
    for part in parts_of(text):
        nearest, _ = _read_poe(part, poes, time)
        if nearest is None:
            raise InvalidChoice(
                f"There is no probability of exceedance “{part}”; POE may be: "
                f"{listed([poe_text(p, time) for p in poes])}."
            )
        found.append(nearest)
    return list(dict.fromkeys(found))


def any_poes(text: str, poes: Sequence[float], time: float | None) -> list[float]:
    """Return the chosen probabilities of exceedance, written as for :func:`match_poes`.

    Those near one of ``poes`` are that one; any other may be chosen as well. Raises
    :class:`InvalidChoice` for what is none.
    """
    found = []
    for part in parts_of(text):
        nearest, wanted = _read_poe(part, poes, time)
        if not 0 < wanted < 1:
            raise InvalidChoice(f"“{part}” is no probability between 0 and 1 (POE).")
        found.append(wanted if nearest is None else nearest)
    return list(dict.fromkeys(found))


def _read_poe(part: str, poes: Sequence[float], time: float | None) -> tuple[float | None, float]:
    """Return the one of ``poes`` that is meant, None if there is none, and what was written."""
    match = re.fullmatch(r"([0-9.]+(?:e-?[0-9]+)?)\s*(%|y|yr|years?)?", part, re.I)
    number = _number(match[1]) if match else None
    if match is None or number is None:
        raise InvalidChoice(
            f"“{part}” is no probability of exceedance; write 0.1, 10% or 475y (POE)."
        )
    unit = (match[2] or "").lower()
    if unit.startswith("y"):
        if time is None:
            raise InvalidChoice("This calculation has no investigation time; give POE as 0.1.")
        wanted = -math.expm1(-time / number) if number else 1.0
        distance = {p: _distance(return_period(p, time), number) for p in poes}
        tolerance = SAME_PERIOD
    else:
        wanted = number / 100 if unit == "%" else number
        distance = {p: _distance(p, wanted) for p in poes}
        tolerance = SAME_POE
    # the nearest, not the first that is near: 2475 and 2500 years may both be there
    nearest = min(distance, key=lambda p: distance[p], default=None)
    if nearest is None or distance[nearest] > tolerance:
        return None, wanted
    return nearest, wanted


def nearest_475(poes: Sequence[float], time: float | None) -> float:
    """Return the PoE whose return period is nearest to 475 years (10% in 50 years)."""
    if not time:
        return min(poes, key=lambda p: abs(p - 0.1))
    return min(poes, key=lambda p: abs(math.log(max(return_period(p, time), 1e-9) / 475)))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _distance(value: float, wanted: float) -> float:
    return abs(value / wanted - 1) if wanted and math.isfinite(value) else math.inf
