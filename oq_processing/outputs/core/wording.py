"""How quantities and lists are put into words, in labels, titles and sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .quantities import imt_unit, return_period

LISTED = 40
"""Names in a sentence at most."""


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them, the first forty of many."""
    more = f", … ({len(names)} in all)" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def capital(text: str) -> str:
    """Return a text that begins with a capital; the rest stays."""
    text = text.strip()
    return text[:1].upper() + text[1:]


def with_unit(text: str, unit: str) -> str:
    """Return a quantity with its unit, if it has one: ``Mean PGA [g]``."""
    return f"{text} [{unit}]" if unit else text


def years(period: float) -> str:
    """Return a number of years as people write it: ``475``."""
    return f"{period:.0f}" if period >= 10 else f"{period:.3g}"


def duration(time: float) -> str:
    """Return a time in years as people write it: ``50 years``, ``1 year``."""
    text = years(time)
    return f"{text} year{'' if text == '1' else 's'}"


def within(time: float | None) -> str:
    """Return the time that something refers to, as it ends a label: `` in 50 years``, or ""."""
    return f" in {duration(time)}" if time else ""


def percent(poe: float) -> str:
    """Return a probability as people write it: ``10%``."""
    return f"{round(poe * 100, 4):g}%"


def chance(poe: float, time: float | None) -> str:
    """Return a probability of exceedance with its time: ``10% in 50 years``."""
    return percent(poe) + within(time)


def poe_text(poe: float, time: float | None) -> str:
    """Return a PoE in the ways it may be chosen: ``0.1 (10%, 475y)``."""
    period = f", {years(return_period(poe, time))}y" if time else ""
    return f"{poe:g} ({percent(poe)}{period})"


def level_text(level: float, imt: str) -> str:
    """Return a level of an intensity measure type as people write it: ``0.1 g``, ``6`` of MMI."""
    unit = imt_unit(imt)
    return f"{level:.4g} {unit}" if unit not in ("", "intensity", "probability") else f"{level:.4g}"


def loss_words(loss_type: str) -> str:
    """Return a loss type as people write it: ``structural_ins`` is *insured structural*."""
    insured, base = loss_type.endswith("_ins"), re.sub(r"_ins$", "", loss_type)
    return ("insured " if insured else "") + base.replace("_", " ").replace("+", " + ")
