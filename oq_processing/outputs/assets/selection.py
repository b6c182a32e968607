"""Which assets of a table are taken, by their tags, and what may be summed at each place.

Every reader of assets makes its table of all of them and hands it to :func:`chosen_assets`, with
:data:`CHOICES` among the choices of its ``OutputType``; what is derived from sums (fractions,
losses per year) is added afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...engine.errors import InvalidChoice
from ..core.choices import Choices
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.patterns import Filter, Matcher, read_filter
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, Geometry, Table
from ..core.wording import listed
from .sums import by_site, not_summed

CHOICES = ("TAXONOMY", "TAG_FILTER", "AGGREGATE_BY_SITE")
"""The choices that :func:`chosen_assets` honours."""


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
    if table.geometry != Geometry.POINT or table.style is None:
        return table
    shared = f"{{rows:,}} {rows} at {{places:,}} places: the largest of each is drawn on top."
    if summable:
        shared += " “Sum assets at the same place” (AGGREGATE_BY_SITE) makes one row of each place."
    order = table.style.order_by or table.style.field
    return replace(table, style=replace(table.style, order_by=order), shared=shared)


@dataclass(frozen=True)
class _Tag:
    """A requested tag: its column, the index of that, and the patterns of the wanted values."""

    column: Column
    position: int
    matcher: Matcher


def of_tags(table: Table, wanted: Sequence[Filter]) -> Table:
    """Return the rows of a table whose tags match every filter, counted by a pass over it.

    Raises :class:`InvalidChoice` for a tag the table does not have, for a value that no row has,
    and where no row has all that is asked for.
    """
    tags = _tags(table, wanted)
    codes = [
        [tag.matcher.look(block.values[tag.position].tolist()) for tag in tags]
        for block in table.blocks()
    ]
    masks = [
        np.logical_and.reduce([tag.matcher.meant(part) for tag, part in zip(tags, parts)])
        for parts in codes
    ]
    rows = sum(int(mask.sum()) for mask in masks)
    said = "; ".join(f"{tag.column.name}={', '.join(tag.matcher.patterns)}" for tag in tags)
    if table.rows:
        for tag in tags:
            for pattern in tag.matcher.unmatched:
                raise InvalidChoice(
                    f"No asset has {tag.column.name} “{pattern}”; there are: "
                    f"{listed(tag.matcher.seen)}."
                )
        if not rows:
            raise InvalidChoice(f"No asset matches all of {said}; drop one of the conditions.")
    note = Info(f"{rows:,} of {table.rows:,} rows chosen by {said}.")
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
        if c.type == ColumnType.TEXT and not c.quantity
    }
    found = []
    for tags in wanted:
        for name, patterns in tags.items():
            if name not in known:
                raise InvalidChoice(
                    f"The assets have no tag “{name}”; there are: "
                    f"{listed([c.name for c, _ in known.values()]) or 'none'}."
                )
            found.append(_Tag(*known[name], Matcher(patterns)))
    return found


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


def left_out_note(source: Source, rows: int) -> tuple[Note, ...]:
    """Return a note where the exposure has other assets than those that are loaded.

    The engine's log says how many it read, in that of this calculation or of the one it is based
    on; nothing else does.
    """
    for owner in source.owners:
        messages = (record.message for record in source.log(owner))
        read = [m for text in messages if (m := re.match(r"Read ([\d_]+) assets\b", text))]
        if read:
            whole = sum(int(m[1]) for m in read)
            text = (
                f"{rows:,} of the {whole:,} assets of the exposure: no others are in the results."
            )
            return (Warn(text),) if whole != rows else ()
    return ()
