"""Which assets of a table are taken, by their tags, and what may be summed at each place.

Every reader of assets makes its table of all of them and hands it to :func:`chosen_assets`, with
:data:`CHOICES` among the choices of its ``OutputType``; what is derived from sums (fractions,
losses per year) is added afterwards.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...engine.errors import InvalidChoice
from ..core.choices import Choices
from ..core.kinds import kind_label
from ..core.lazy import Array
from ..core.patterns import Filter, read_filter
from ..core.source import Source
from ..core.table import (
    INTEGER,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Table,
    point_array,
    rows_per_block,
)
from ..core.wording import listed

CHOICES = ("TAXONOMY", "TAG_FILTER", "AGGREGATE_BY_SITE")
"""The choices that :func:`chosen_assets` honours."""

ASSETS = "assets"
"""Name of the column that says how many assets a sum is of."""

_ASSET_IDS = ("asset_id", "id")
_IN_MEMORY = 256 * 1024**2  # bytes; larger sums are kept in a file
_LOG_RECORDS = 100  # at the beginning of a log, where the exposure is read
_REMEMBERED = 100_000  # values of a tag whose match is kept


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
    return largest_on_top(table, "assets", not _not_summed(table))


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


def by_site(table: Table) -> Table:
    """Return one row for each place (lon, lat of the assets themselves) with the sums of all there.

    Columns are what all assets of each place have in common (tags, never their ids), lon, lat, the
    sums of the additive columns and the number of assets. A sum with an empty value is empty: what
    is not known cannot be summed. Raises :class:`InvalidChoice` for a table with values that must
    not be summed, or without coordinates.
    """
    if reason := _not_summed(table):
        raise InvalidChoice(reason)
    names = [c.name for c in table.columns]
    summed = [i for i, c in enumerate(table.columns) if c.additive]
    place = names.index("lon"), names.index("lat")
    sites, owners = _sites(table, place)
    shared = [
        i
        for i, c in enumerate(table.columns)
        if i not in (*summed, *place) and c.name not in _ASSET_IDS
    ]
    sums, counts, common = _sums(table, owners, len(sites), summed, shared)
    columns = [table.columns[i] for i in sorted((*common, *place))]
    columns += [_sum_of(table.columns[i]) for i in summed]
    columns.append(Column(ASSETS, INTEGER, "Number of assets", additive=True))

    def blocks() -> Iterator[Block]:
        size = rows_per_block(len(columns))
        for start in range(0, len(sites), size):
            part = slice(start, start + size)
            lon, lat = sites[part].real, sites[part].imag
            values: list[Array] = []
            for i in sorted((*common, *place)):
                values.append(lon if i == place[0] else lat if i == place[1] else common[i][part])
            values += [total[part] for total in sums]
            values.append(counts[part])
            yield Block(tuple(values), point_array(lon, lat) if table.geometry != "none" else None)

    head, unit = re.fullmatch(r"(.*?)( \[[^\]]*\])?", table.title, re.DOTALL).groups()  # type: ignore[union-attr]
    note = f"{int(counts.sum()):,} assets summed at {len(sites):,} places."
    return replace(
        table,
        title=f"{head}, by site{unit or ''}",
        columns=tuple(columns),
        rows=len(sites),
        blocks=blocks,
        notes=(*table.notes, note),
    )


def _not_summed(table: Table) -> str:
    """Return why the rows of a place must not be summed, "" where they may."""
    if not {"lon", "lat"} <= {c.name for c in table.columns}:
        return f"{table.title} has no coordinates and cannot be summed (AGGREGATE_BY_SITE)."
    for column in table.columns:
        if column.quantity and not column.additive:
            return why_not_summed(column)
    if not any(column.additive for column in table.columns):
        return f"{table.title} has nothing that may be summed (AGGREGATE_BY_SITE)."
    return ""


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


def why_not_summed(column: Column) -> str:
    """Return why a column must not be summed, and where the sum is to be had."""
    what = f"“{column.name}” ({column.label or column.name}) must not be summed"
    if column.quantity == "average loss" and column.kind:
        return (
            f"{what}: the {kind_label(column.kind).lower()} of a total is not the sum of those of "
            "its assets. Choose KIND=mean, or load aggrisk-stats or aggcurves-stats, which hold it "
            "for the total."
        )
    return (
        f"{what}; only mean or single-realization losses, numbers of buildings, values of the "
        "exposure and consequences may. Totals are in aggrisk-stats and aggcurves-stats."
    )


def _sum_of(column: Column) -> Column:
    return replace(column, type=REAL, label=f"{column.label or column.name}, sum by site")


def _sites(table: Table, place: tuple[int, int]) -> tuple[Array, Array]:
    """Return the places in the order of their first assets, as lon + i lat, and that of each row.

    Places are the same where both coordinates are equal as the engine gives them.
    """
    import numpy as np

    parts = []
    for block in table.blocks():
        lon, lat = (np.asarray(block.values[i], dtype=np.float64) for i in place)
        parts.append(lon + 1j * lat)
    points = np.concatenate(parts or [np.empty(0, dtype=np.complex128)])
    _, first, inverse = np.unique(points, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return points[first[order]], rank[inverse.reshape(-1)]


def _sums(
    table: Table, owners: Array, sites: int, summed: Sequence[int], shared: Sequence[int]
) -> tuple[Array, Array, dict[int, Array]]:
    """Return the sums by column and site, the number of rows, and what all rows of a site share."""
    import numpy as np

    sums = _zeros((len(summed), sites))
    counts = np.bincount(owners, minlength=sites)
    common = {i: _Common(sites) for i in shared}
    start = 0
    for block in table.blocks():
        there, local = np.unique(owners[start : start + block.rows], return_inverse=True)
        local = local.reshape(-1)
        for total, i in zip(sums, summed):
            values = np.asarray(block.values[i], dtype=np.float64)  # None becomes NaN
            total[there] += np.bincount(local, weights=values, minlength=len(there))
        for i, column in list(common.items()):
            if not column.holds(owners[start : start + block.rows], block.values[i].tolist()):
                del common[i]
        start += block.rows
    return sums, counts, {i: column.values() for i, column in common.items()}


def _zeros(shape: tuple[int, int]) -> Array:
    import numpy as np

    if shape[0] * shape[1] * 8 <= _IN_MEMORY:
        return np.zeros(shape)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=shape)


class _Common:
    """A column as long as all rows of a site have the same value in it."""

    def __init__(self, sites: int) -> None:
        import numpy as np

        self._codes = np.full(sites, -1, dtype=np.int32)
        self._code_of: dict[Any, int] = {}

    def holds(self, owners: Array, cells: list[Any]) -> bool:
        """Take some rows; return False once two values of a site differ."""
        import numpy as np

        codes = np.array([self._code_of.setdefault(c, len(self._code_of)) for c in cells])
        fresh = self._codes[owners] < 0
        self._codes[owners[fresh]] = codes[fresh]
        return bool((self._codes[owners] == codes).all())

    def values(self) -> Array:
        """Return the value of each site."""
        import numpy as np

        known = np.empty(len(self._code_of), dtype=object)
        known[:] = list(self._code_of)
        found: Array = known[self._codes] if len(known) else np.empty(0, dtype=object)
        return found
