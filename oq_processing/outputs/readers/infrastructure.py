"""Networks of roads and pipes: what becomes of their nodes, and their edges as lines.

The engine exports connectivity by node and by event. Where nodes are, and which edges join them,
stands in the assets of the calculation: ``type`` is node or edge, ``start_node`` and ``end_node``
of an edge are ids of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ...engine.errors import InvalidOutput
from ..assets.asset_table import as_points, drawn_by_default
from ..assets.assets import Assets, about_columns, empty_note, read_assets
from ..assets.network import TAGS_OF_ENDS, edges, with_lines
from ..assets.selection import chosen_assets
from ..core.choices import Choices
from ..core.csv_export import CsvFile, csv_files, scan
from ..core.lazy import Array
from ..core.notes import Note, Warn
from ..core.output_type import OutputType
from ..core.palettes import PROBABILITY_RAMP, STANDARD_PROBABILITY
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, Geometry, Style, Table, rows_per_block
from ..core.wording import listed
from . import general

_MEASURES = {
    **dict.fromkeys(("EL", "efl"), "efficiency loss"),
    **dict.fromkeys(("CCL", "ccl"), "complete connectivity loss"),
    **dict.fromkeys(("PCL", "pcl", "PCL_node"), "partial connectivity loss"),
    **dict.fromkeys(("WCL", "wcl", "WCL_node"), "weighted connectivity loss"),
    "Isolation_node": "isolation",
}


def read_nodes(source: Source, choices: Choices) -> Table:
    """Return what becomes of each node, as points; the edges of the network as lines apart.

    Values are shares (0: no loss, 1: all is lost) in the digits of the CSV export, mean over the
    events. ``GEOMETRY=line`` gives the edges themselves. Nodes that are not assets have no place.
    """
    assets = read_assets(source)
    if choices.geometry == Geometry.LINE:
        return edges(source, choices, assets)
    [file] = csv_files(source)
    scan(file)
    if file.header[:1] != ("id",):
        raise InvalidOutput(f"{file.member} has no nodes: {listed(file.header)}.")
    row_of = {asset: i for i, asset in enumerate(assets.cells("id").tolist())}
    missing = [row[0] for row in file.read() if row[0] not in row_of]
    about = about_columns(assets, "id")
    about = {name: column for name, column in about.items() if name not in TAGS_OF_ENDS}
    columns = [_measure(source, name) for name in file.header[1:]]
    notes: list[Note] = []
    if missing:
        text = f"{len(missing)} of {file.rows} nodes have no place, they are not assets:"
        notes.append(Warn(f"{text} {listed(missing)}."))
    if not file.rows:
        notes.append(empty_note(source))
    table = Table(
        title="",
        columns=(*about.values(), *columns),
        rows=file.rows,
        blocks=partial(_node_blocks, file, assets, [*about], columns, row_of),
        notes=tuple(notes),
        provenance=source.provenance(choices, [file.member], file.about),
    )
    table = drawn_by_default(as_points(table, choices), columns[0], columns, _style)
    return with_lines(source, choices, assets, chosen_assets(table, choices))


def _style(column: Column) -> Style:
    return Style(column.name, "standard", STANDARD_PROBABILITY, PROBABILITY_RAMP)


def _measure(source: Source, name: str) -> Column:
    words = _MEASURES.get(name)
    if words is None:
        return Column(name, label=name)
    mode = source.calculation.mode
    if mode == "event_based_damage":
        label = f"Average annual {words}"
    else:
        label = f"Mean {words}{' given the event' if mode.startswith('scenario') else ''}"
    return Column(name, label=label, quantity="connectivity")


def _node_blocks(
    file: CsvFile,
    assets: Assets,
    fields: Sequence[str],
    columns: Sequence[Column],
    row_of: dict[str, int],
) -> Iterator[Block]:
    import numpy as np

    size = rows_per_block(len(fields) + len(columns))
    types = [ColumnType.TEXT, *(column.type for column in columns)]
    for ids, *measured in file.blocks(range(len(types)), types, size):
        place = np.array([row_of.get(node, -1) for node in ids.tolist()])
        known = place >= 0
        picked = Assets(assets.array[place[known]], assets.tags)
        about: list[Array] = []
        for field in fields[1:]:
            cells = picked.cells(field)
            missing = None if cells.dtype == object else np.nan
            about.append(np.full(len(ids), missing, dtype=cells.dtype))
            about[-1][known] = cells
        xy = np.full((len(ids), 2), np.nan)
        xy[known] = picked.xy()
        yield Block((ids, *about, *measured), xy)


def read_tables(source: Source, choices: Choices) -> Table:
    """Return what is lost of the whole network, by event or as the mean: the CSV as a table."""
    table = general.read(source, choices)
    mean = source.output.type == "infra-avg_loss"
    return replace(table, columns=tuple(_of_network(source, c, mean) for c in table.columns))


def _of_network(source: Source, column: Column, mean: bool) -> Column:
    words = _MEASURES.get(column.name)
    if words is None:
        return column
    if mean:
        return replace(_measure(source, column.name), type=column.type)
    return replace(column, label=words.capitalize(), quantity="connectivity")


OUTPUTS = {
    **dict.fromkeys(
        ("infra-node_el", "infra-taz_cl", "infra-dem_cl"),
        OutputType(
            read=read_nodes,
            geometries=(Geometry.POINT, Geometry.LINE),
            choices=("TAXONOMY", "TAG_FILTER"),
            about="Connectivity or efficiency that nodes of a network lose; its edges as lines.",
        ),
    ),
    **dict.fromkeys(
        ("infra-avg_loss", *(f"infra-event_{name}" for name in ("ccl", "pcl", "wcl", "efl"))),
        OutputType(
            read=read_tables,
            geometries=(Geometry.NONE,),
            choices=("MEMBER",),
            about="Connectivity or efficiency that a whole network loses, by event or as the mean.",
        ),
    ),
}
