"""Sums of assets at the same place: what may be summed, and how it is in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...engine.errors import InvalidChoice
from ..core.kinds import kind_words
from ..core.lazy import Array, np
from ..core.notes import Info
from ..core.table import Column, ColumnType, Geometry, Table, blocks_of, point_array

ASSETS = "assets"
"""Name of the column that says how many assets a sum is of."""

_ASSET_IDS = ("asset_id", "id")
_IN_MEMORY = 256 * 1024**2  # bytes; larger sums are kept in a file


def by_site(table: Table) -> Table:
    """Return one row for each place (lon, lat of the assets themselves) with the sums of all there.

    Columns are what all assets of each place have in common (tags, never their ids), lon, lat, the
    sums of the additive columns and the number of assets. A sum with an empty value is empty: what
    is not known cannot be summed. Raises :class:`InvalidChoice` for a table with values that must
    not be summed, or without coordinates.
    """
    if reason := not_summed(table):
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
    lon, lat = sites.real, sites.imag
    known = {**common, place[0]: lon, place[1]: lat}
    kept = sorted(known)
    columns = [table.columns[i] for i in kept]
    columns += [sum_by_site(table.columns[i]) for i in summed]
    columns.append(Column(ASSETS, ColumnType.INTEGER, "Number of assets", additive=True))
    xy = None if table.geometry == Geometry.NONE else point_array(lon, lat)
    note = Info(f"{int(counts.sum()):,} assets summed at {len(sites):,} places.")
    summary = replace(
        table,
        title=f"{table.title}, by site",
        columns=tuple(columns),
        rows=len(sites),
        blocks=partial(blocks_of, [*(known[i] for i in kept), *sums, counts], xy),
        notes=(*table.notes, note),
    )
    return titled_by_site(summary, table.columns)


def titled_by_site(table: Table, parts: Sequence[Column]) -> Table:
    """Return a table of sums with its title made from what the columns summed are called."""
    titles = table.title_of
    if table.style is None or titles is None:
        return table
    named = {c.name: replace(c, label=f"{c.label or c.name}, by site") for c in parts}

    def title_of(column: Column) -> str:
        return titles(named.get(column.name, column))

    return replace(table, title=title_of(table.column(table.style.field)), title_of=title_of)


def sum_by_site(column: Column) -> Column:
    """Return the column of the sums of a column."""
    label = f"{column.label or column.name}, sum by site"
    return replace(column, type=ColumnType.REAL, label=label)


def not_summed(table: Table) -> str:
    """Return why the rows of a place must not be summed, "" where they may."""
    if not {"lon", "lat"} <= {c.name for c in table.columns}:
        return f"{table.title} has no coordinates and cannot be summed (AGGREGATE_BY_SITE)."
    for column in table.columns:
        if column.quantity and not column.additive:
            return why_not_summed(column)
    if not any(column.additive for column in table.columns):
        return f"{table.title} has nothing that may be summed (AGGREGATE_BY_SITE)."
    return ""


def why_not_summed(column: Column) -> str:
    """Return why a column must not be summed, and where to find the sum."""
    what = f"“{column.name}” ({column.label or column.name}) must not be summed"
    if column.quantity == "average loss" and column.kind:
        return (
            f"{what}: the {kind_words(column.kind)} of a total is not the sum of those of "
            "its assets. Choose KIND=mean, or load aggrisk-stats or aggcurves-stats, which hold it "
            "for the total."
        )
    return (
        f"{what}; only mean or single-realization losses, numbers of assets, values of the "
        "exposure and consequences may. Totals are in aggrisk-stats and aggcurves-stats."
    )


def _sites(table: Table, place: tuple[int, int]) -> tuple[Array, Array]:
    """Return the places in the order of their first assets, as lon + i lat, and that of each row.

    Places are the same where both coordinates are equal as the engine gives them.
    """
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
    if shape[0] * shape[1] * 8 <= _IN_MEMORY:
        return np.zeros(shape)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=shape)


class _Common:
    """A column as long as all rows of a site have the same value in it."""

    def __init__(self, sites: int) -> None:
        self._codes = np.full(sites, -1, dtype=np.int32)
        self._code_of: dict[Any, int] = {}

    def holds(self, owners: Array, cells: list[Any]) -> bool:
        """Take some rows; return False once two values of a site differ."""
        codes = np.array([self._code_of.setdefault(c, len(self._code_of)) for c in cells])
        fresh = self._codes[owners] < 0
        self._codes[owners[fresh]] = codes[fresh]
        return bool((self._codes[owners] == codes).all())

    def values(self) -> Array:
        """Return the value of each site."""
        known = np.empty(len(self._code_of), dtype=object)
        known[:] = list(self._code_of)
        return known[self._codes] if len(known) else np.empty(0, dtype=object)
