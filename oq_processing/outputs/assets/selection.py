"""Which assets of a table are taken, by their tags, and what may be summed at each place.

Every reader of assets makes its table of all of them and hands it to :func:`chosen_assets`, with
:data:`CHOICES` among the choices of its ``OutputType``; what is derived from sums (fractions,
losses per year) is added afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...engine.errors import InvalidChoice
from ..core.choices import Choices, listed, split_list
from ..core.source import Source
from ..core.table import POINT, TEXT, Block, Column, Table
from .sums import by_site, not_summed

if TYPE_CHECKING:
    from ..core.table import Array

CHOICES = ("TAXONOMY", "TAG_FILTER", "AGGREGATE_BY_SITE")
"""The choices that :func:`chosen_assets` honours."""

_LOG_RECORDS = 100  # at the beginning of a log, where the exposure is read
_REMEMBERED = 100_000  # values of a tag whose match is kept

Filter = dict[str, "tuple[str, ...]"]
"""Patterns of values by tag; an asset is taken where each tag matches one of its patterns."""


def chosen_assets(table: Table, choices: Choices) -> Table:
    """Return the assets chosen by TAXONOMY and TAG_FILTER, summed by AGGREGATE_BY_SITE.

    ``table`` has one row (or several) for each asset. Its tags are the text columns without a
    ``quantity``, the id of the asset among them; AGGREGATE_BY_SITE needs the columns ``lon`` and
    ``lat``. The table itself is returned where nothing was chosen. Raises :class:`InvalidChoice`
    for a tag or value that is not there, naming those that are, and for sums of what must not be
    summed. Blocks stream; the rows are counted by a pass over the table.
    """
    wanted = read_filter(choices.taxonomy, choices.tag_filter)
    if wanted:
        table = of_tags(table, wanted)
    if choices.aggregate_by_site:
        return by_site(table)
    return largest_on_top(table, "assets", not not_summed(table))


def largest_on_top(table: Table, rows: str = "rows", summable: bool = False) -> Table:
    """Return a table of which the largest drawn value is on top where points share a place.

    ``rows`` is what the log calls them; ``summable`` whether AGGREGATE_BY_SITE makes one of them.
    """
    if table.geometry != POINT or table.style is None:
        return table
    shared = f"{{rows:,}} {rows} at {{places:,}} places: the largest of each is drawn on top."
    if summable:
        shared += " “Sum assets at the same place” (AGGREGATE_BY_SITE) makes one row of each place."
    order = table.style.order_by or table.style.field
    return replace(table, style=replace(table.style, order_by=order), shared=shared)


def read_filter(taxonomy: str, tag_filter: str) -> list[Filter]:
    """Return what TAXONOMY and TAG_FILTER ask for; an asset must meet all of it.

    TAXONOMY lists values of the tag ``taxonomy``: ``RM*, W``. TAG_FILTER is
    ``NAME_1=Bagmati, Gandaki; TAXONOMY=RM*``: tags between semicolons, the values of each between
    commas outside parentheses. ``*`` stands for any text, also for a comma in a value. Raises
    :class:`InvalidChoice` for what cannot be read so.
    """
    found: list[Filter] = []
    if taxonomy.strip():
        found.append({"taxonomy": _patterns("TAXONOMY", taxonomy, "RM*, W")})
    if tag_filter.strip():
        tags: Filter = {}
        example = "NAME_1=Bagmati, Gandaki; taxonomy=RM*"
        for part in re.findall(r"(?:[^;()]|\([^()]*\))+", tag_filter):
            if not part.strip():
                continue
            name, equals, values = part.partition("=")
            if not equals or not name.strip():
                raise InvalidChoice(
                    f"“{part.strip()}” is no tag with its values; write {example} (TAG_FILTER)."
                )
            key = name.strip().lower()
            tags[key] = tags.get(key, ()) + _patterns("TAG_FILTER", values, example)
        if not tags:
            raise InvalidChoice(f"“{tag_filter.strip()}” names no tag; write {example}.")
        found.append(tags)
    return found


def _patterns(parameter: str, text: str, example: str) -> tuple[str, ...]:
    patterns = tuple(split_list(text))
    if not patterns:
        raise InvalidChoice(f"“{text.strip()}” names no value; write {example} ({parameter}).")
    return patterns


class _Tag:
    """One tag that is asked for: the position of its column, and what was seen of it."""

    def __init__(self, column: Column, position: int, patterns: Sequence[str]) -> None:
        self.column = column
        self.position = position
        self.patterns = {p: _regular(p) for p in patterns}
        self.unmatched = set(patterns)
        self._known: dict[Any, bool] = {}

    def matches(self, values: Array) -> list[bool]:
        """Tell which values are asked for."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        cells = values.tolist()
        for value in set(cells).difference(self._known):
            text = "" if value is None else str(value)
            hits = [p for p, pattern in self.patterns.items() if pattern.fullmatch(text)]
            self.unmatched.difference_update(hits)
            self._known[value] = bool(hits)
        return [self._known[value] for value in cells]

    @property
    def values(self) -> list[str]:
        """The values that were seen, sorted."""
        return sorted(str(value) for value in self._known if value is not None)


def _regular(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def of_tags(table: Table, wanted: Sequence[Filter]) -> Table:
    """Return the rows of a table whose tags match every filter, counted by a pass over it.

    Raises :class:`InvalidChoice` for a tag the table does not have, for a value that no row has,
    and where no row has all that is asked for.
    """
    tags = _tags(table, wanted)
    masks = list(_masks(table, tags))
    rows = sum(int(mask.sum()) for mask in masks)
    said = "; ".join(f"{tag.column.name}={', '.join(tag.patterns)}" for tag in tags)
    if table.rows:
        for tag in tags:
            for pattern in tag.patterns:
                if pattern in tag.unmatched:
                    raise InvalidChoice(
                        f"No asset has {tag.column.name} “{pattern}”; there are: "
                        f"{listed(tag.values)}."
                    )
        if not rows:
            raise InvalidChoice(f"No asset has all of {said}; leave one of them out.")
    note = f"{rows:,} of {table.rows:,} rows chosen by {said}."
    return replace(
        table,
        rows=rows,
        blocks=partial(_filtered, table, masks),
        notes=(*table.notes, *([note] if table.rows else [])),
    )


def _tags(table: Table, wanted: Sequence[Filter]) -> list[_Tag]:
    known = {
        c.name.lower(): (c, i)
        for i, c in enumerate(table.columns)
        if c.type == TEXT and not c.quantity
    }
    found = []
    for tags in wanted:
        for name, patterns in tags.items():
            if name not in known:
                raise InvalidChoice(
                    f"The assets have no tag “{name}”; there are: "
                    f"{listed([c.name for c, _ in known.values()]) or 'none'}."
                )
            found.append(_Tag(*known[name], patterns))
    return found


def _masks(table: Table, tags: Sequence[_Tag]) -> Iterator[Array]:
    import numpy as np

    for block in table.blocks():
        mask = np.ones(block.rows, dtype=bool)
        for tag in tags:
            mask &= tag.matches(block.values[tag.position])
        yield mask


def _filtered(table: Table, masks: Sequence[Array]) -> Iterator[Block]:
    for block, mask in zip(table.blocks(), masks):
        if mask.all():
            yield block
        elif mask.any():
            yield Block(
                tuple(values[mask] for values in block.values),
                None if block.xy is None else block.xy[mask],
                None
                if block.wkb is None
                else [wkb for wkb, keep in zip(block.wkb, mask.tolist()) if keep],
            )


def left_out_note(source: Source, rows: int) -> str:
    """Return a sentence where the exposure has other assets than those that are loaded, else "".

    The engine's log says how many it read, in that of this calculation or of the one it is based
    on; nothing else does.
    """
    for owner in (source.calculation.id, source.parent_id):
        if owner is None:
            continue
        records = source.client.log(owner, 0, _LOG_RECORDS)
        read = [m for r in records if (m := re.match(r"Read ([\d_]+) assets\b", r.message))]
        if read:
            there = sum(int(m[1]) for m in read)
            return (
                f"{rows:,} of the {there:,} assets of the exposure: no others are in the results."
                if there != rows
                else ""
            )
    return ""
