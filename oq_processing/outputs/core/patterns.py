"""TAXONOMY and TAG_FILTER: which values are meant, in one grammar for all outputs.

``*`` stands for any text, every other character for itself. Letter case does not matter, but a
pattern that some value has in its own letter case means only such values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...engine.errors import InvalidChoice
from .choices import split_list
from .lazy import Array, np

Filter = dict[str, "tuple[str, ...]"]
"""Patterns of values by tag (in lower case); what is meant has one of each tag's."""

_EXAMPLE = "NAME_1=Bagmati, Gandaki; taxonomy=RM*"
_REMEMBERED = 100_000  # values whose match is kept


def read_filter(taxonomy: str, tag_filter: str) -> list[Filter]:
    """Return what TAXONOMY and TAG_FILTER ask for; all of it must be met.

    TAXONOMY lists values of the tag ``taxonomy``: ``RM*, W``. TAG_FILTER is
    ``NAME_1=Bagmati, Gandaki; TAXONOMY=RM*``: tags between semicolons, the values of each between
    commas outside parentheses; a comma in a value is a ``*``. Raises :class:`InvalidChoice` for
    what cannot be read so.
    """
    found: list[Filter] = []
    if taxonomy.strip():
        found.append({"taxonomy": _patterns("TAXONOMY", taxonomy, "RM*, W")})
    if tag_filter.strip():
        tags: Filter = {}
        for part in re.findall(r"(?:[^;()]|\([^()]*\))+", tag_filter):
            if not part.strip():
                continue
            name, equals, values = part.partition("=")
            if not equals or not name.strip():
                raise InvalidChoice(
                    f"“{part.strip()}” is no tag with its values; write {_EXAMPLE} (TAG_FILTER)."
                )
            key = name.strip().lower()
            tags[key] = tags.get(key, ()) + _patterns("TAG_FILTER", values, _EXAMPLE)
        if not tags:
            raise InvalidChoice(f"“{tag_filter.strip()}” names no tag; write {_EXAMPLE}.")
        found.append(tags)
    return found


def _patterns(parameter: str, text: str, example: str) -> tuple[str, ...]:
    patterns = tuple(split_list(text))
    if not patterns:
        raise InvalidChoice(f"“{text.strip()}” names no value; write {example} ({parameter}).")
    return patterns


class Matcher:
    """Finds the values that patterns mean, while values come in parts.

    :meth:`look` at all of them first: only then is it known which patterns have values in their own
    letter case.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._exact = [_regular(p, re.DOTALL) for p in patterns]
        self._any_case = [_regular(p, re.DOTALL | re.IGNORECASE) for p in patterns]
        self._in_own_case: set[int] = set()
        self._in_any_case: set[int] = set()
        # what values match: positions of patterns in their own case, and in any
        self._matches: dict[tuple[frozenset[int], frozenset[int]], int] = {}
        self._codes: dict[Any, int] = {}

    def look(self, values: Iterable[Any]) -> Array:
        """Return a number for each value, to be given to :meth:`meant`; None is an empty text."""
        if len(self._codes) > _REMEMBERED:
            self._codes.clear()
        cells = list(values)
        for value in set(cells).difference(self._codes):
            text = "" if value is None else str(value)
            own = frozenset(i for i, p in enumerate(self._exact) if p.fullmatch(text))
            both = frozenset(i for i, p in enumerate(self._any_case) if p.fullmatch(text))
            self._in_own_case |= own
            self._in_any_case |= both
            self._codes[value] = self._matches.setdefault((own, both), len(self._matches))
        return np.array([self._codes[value] for value in cells], np.int32)

    def meant(self, codes: Array) -> Array:
        """Return which of the values that were looked at are meant, as booleans."""
        loose = self._in_any_case - self._in_own_case
        found = np.array([bool(own or both & loose) for own, both in self._matches], bool)
        return found[codes] if len(found) else np.zeros(len(codes), bool)

    @property
    def unmatched(self) -> list[str]:
        """The patterns that no value matches."""
        return [p for i, p in enumerate(self.patterns) if i not in self._in_any_case]

    @property
    def seen(self) -> list[str]:
        """The values that were looked at last (as many as are remembered), sorted."""
        return sorted(str(value) for value in self._codes if value is not None)


def matching(patterns: Sequence[str], values: Sequence[str]) -> tuple[Array, list[str]]:
    """Return which values patterns mean, as booleans, and the patterns that none matches."""
    matcher = Matcher(patterns)
    codes = matcher.look(values)
    return matcher.meant(codes), matcher.unmatched


def _regular(pattern: str, flags: int) -> re.Pattern[str]:
    # each part where it first comes, and nowhere else: any other place would only cost time
    first, *parts = map(re.escape, pattern.split("*"))
    last = f".*{parts.pop()}" if parts else ""
    middle = (f"(?=(?P<g{i}>.*?{part}))(?P=g{i})" for i, part in enumerate(parts) if part)
    return re.compile(f"{first}{''.join(middle)}{last}", flags)
