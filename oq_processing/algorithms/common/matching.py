"""Which value of a tag belongs to which zone, by name."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ...compat import is_null

NAMES_SHOWN = 200  # names listed in one line of the log; the layer knows all

_EMPTY = "(empty)"


@dataclass(frozen=True)
class Matched:
    """Which value of the tag each zone has (None for none), and what was found on the way."""

    tags: list[str | None]
    without_value: list[str]
    without_zone: list[str]
    ambiguous: list[str]
    repeated: list[str]


def match(cells: Sequence[object], tags: Sequence[str]) -> Matched:
    """Find the tag of each zone by the value of its field.

    Equal but for spaces around them comes first; then case does not count either, unless several
    tags are then alike: a zone that could be any of them has none.
    """
    exact = {_text(tag): tag for tag in tags}
    folded = defaultdict(list)
    for tag in tags:
        folded[_text(tag).casefold()].append(tag)
    found: list[str | None] = []
    without: list[str] = []
    ambiguous: list[str] = []
    for cell in cells:
        text = _text(cell)
        alike = folded.get(text.casefold(), [])
        wanted = exact.get(text) or (alike[0] if len(alike) == 1 else None)
        found.append(wanted)
        if wanted is None:
            without.append(text or _EMPTY)
            if len(alike) > 1:
                ambiguous.append(text)
    zones = Counter(found)
    without_zone = [tag for tag in tags if tag not in zones]
    repeated = [tag for tag in tags if zones[tag] > 1]
    return Matched(found, without, without_zone, ambiguous, repeated)


def _text(value: object) -> str:
    """Return a value as text to compare: 3 and 3.0 are “3”."""
    if is_null(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value)).strip()


def some(names: Sequence[str]) -> str:
    """Return the first of several names."""
    shown = ", ".join(f"“{name}”" for name in names[:3])
    return shown + (", …" if len(names) > 3 else "")


def listed(names: Sequence[str]) -> str:
    """Return names for a line of the log, with their number where they are too many."""
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown + (f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else "")
