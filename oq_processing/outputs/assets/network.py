"""Networks of roads and pipes among the assets: their edges as lines from node to node.

``type`` of an asset is node or edge; ``start_node`` and ``end_node`` of an edge are ids of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ...engine.errors import InvalidChoice
from ..core import wkb
from ..core.choices import Choices
from ..core.lazy import Array, np
from ..core.notes import Warn
from ..core.source import Source
from ..core.table import Block, Column, Geometry, Style, Table, rows_per_block
from ..core.wording import listed
from .assets import Assets, about_columns, value_column
from .selection import chosen_assets

TAGS_OF_ENDS = ("start_node", "end_node")
"""The tags of an edge of a network that name the nodes it joins."""


def with_lines(source: Source, choices: Choices, assets: Assets, table: Table) -> Table:
    """Return the table with all edges of the network as lines apart, where they are asked for."""
    if not choices.lines or not is_network(assets):
        return table
    every = replace(choices, taxonomy="", tag_filter="", aggregate_by_site=False)
    return replace(table, lines=edges(source, every, assets))


def value_columns(source: Source, assets: Assets) -> dict[str, Column]:
    """Return the columns of values and occupants, by their fields of the assets."""
    about = ("id", "lon", "lat", "ordinal", "site_id")
    found = {name: value_column(source, name) for name in assets.names if name not in about}
    if is_network(assets) and "value-number" in found:
        found["value-number"] = replace(found["value-number"], unit="components")
    return found


def is_network(assets: Assets) -> bool:
    """Return whether the assets are nodes and edges."""
    return {*TAGS_OF_ENDS, "type"} <= assets.tags.keys()


def edges(source: Source, choices: Choices, assets: Assets) -> Table:
    """Return the edges of a network as lines from node to node, with all that is known of them.

    An edge of which a node is missing keeps its row without a line; the notes name it. TAXONOMY
    and TAG_FILTER choose among the edges. Raises :class:`InvalidChoice` where there is no network.
    """
    if choices.aggregate_by_site:
        raise InvalidChoice("Lines cannot be summed by site; leave AGGREGATE_BY_SITE out.")
    if not is_network(assets):
        raise InvalidChoice(
            f"The assets of {source.output.name} are not a network (type, start_node, "
            "end_node); there are no lines."
        )
    types = np.array([str(value).lower() for value in assets.cells("type").tolist()])
    ids = assets.cells("id").tolist()
    nodes = {ids[i]: i for i in np.flatnonzero(types == "node").tolist()}
    rows = np.flatnonzero(types == "edge")
    picked = Assets(assets.array[rows], assets.tags)
    ends = [
        np.array([nodes.get(node, -1) for node in picked.cells(tag).tolist()], dtype=np.int64)
        for tag in TAGS_OF_ENDS
    ]
    broken = np.flatnonzero((ends[0] < 0) | (ends[1] < 0)).tolist()
    notes = []
    if broken:
        names = [
            f"{ids[rows[i]]} ({', '.join(str(picked.cells(t, i, i + 1)[0]) for t in TAGS_OF_ENDS)})"
            for i in broken
        ]
        text = f"{len(broken)} of {len(rows)} edges have no line, because one of their nodes is"
        notes.append(Warn(f"{text} missing: {listed(names)}."))
    about = {**about_columns(assets, "id"), **value_columns(source, assets)}
    table = Table(
        title="Edges of the network",
        columns=tuple(about.values()),
        rows=len(rows),
        blocks=partial(_edge_blocks, picked, [*about], assets.xy(), ends),
        geometry=Geometry.LINE,
        style=Style("taxonomy"),
        notes=tuple(notes),
        provenance=source.provenance(choices),
    )
    return chosen_assets(table, choices)


def _edge_blocks(
    picked: Assets, fields: Sequence[str], xy: Array, ends: Sequence[Array]
) -> Iterator[Block]:
    size = rows_per_block(len(fields))
    for start in range(0, picked.rows, size):
        stop = min(start + size, picked.rows)
        first, last = (end[start:stop] for end in ends)
        whole = (first >= 0) & (last >= 0)
        lines = wkb.lines(np.stack([xy[first], xy[last]], axis=1))
        lines = [line if drawn else b"" for line, drawn in zip(lines, whole.tolist())]
        yield Block(tuple(picked.cells(f, start, stop) for f in fields), wkb=lines)
