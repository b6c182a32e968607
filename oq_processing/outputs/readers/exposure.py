"""The exposure: assets with their values, occupants and tags, and the currencies of the values."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...engine.errors import InvalidChoice, InvalidOutput, NotAllowed, NotFound, ServerFault
from ..assets import selection
from ..core.choices import Choices
from ..core.lazy import Array
from ..core.output_type import OutputType
from ..core.quantities import PEOPLE
from ..core.source import Source
from ..core.table import (
    LINE,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    point_array,
    rows_per_block,
)
from ..core.wording import listed, loss_words

TAGS_OF_ENDS = ("start_node", "end_node")
"""The tags of an edge of a network that name the nodes it joins."""

EXPOSURE_RAMP = "YlGnBu"
"""The ramp of losses: values at risk are compared with what is lost of them."""


@dataclass(frozen=True)
class Assets:
    """The assets of a calculation, in the order of all its outputs that have one row for each.

    ``array`` has the fields ``id`` (bytes), ``lon``, ``lat`` (degrees), those of the exposure, and
    each tag as an index into its values in ``tags``. Large arrays are mapped from a file.
    """

    array: Array
    tags: dict[str, Array]

    @property
    def rows(self) -> int:
        """Number of assets."""
        return len(self.array)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are no tags."""
        return tuple(name for name in self.array.dtype.names or () if name not in self.tags)

    def cells(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Return the values of a field or tag; ids and tags as text."""
        import numpy as np

        values = self.array[name][start:stop]
        if name in self.tags:
            # aggregate_by = site_id: the tag counts from 1, the site from 0
            return self.tags[name][values + (name == "site_id")]
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8", "replace").astype(object)
        return values

    def xy(self, start: int = 0, stop: int | None = None) -> Array:
        """Return coordinates of shape (rows, 2) in degrees."""
        return point_array(self.array["lon"][start:stop], self.array["lat"][start:stop])


def read_assets(source: Source, what: str = "assets") -> Assets:
    """Return the assets of the calculation (``GET /v1/calc/N/extract/assets``), in full precision.

    ``what`` may be another extract of the same form (``asset_risk``). Raises
    :class:`InvalidOutput` where the server does not tell them.
    """
    import numpy as np

    try:
        npz = source.npz(what)
        array, about = npz.array("array"), npz.json()
    except NotAllowed as error:
        raise NotAllowed(
            f"Calculation {source.calculation.id} does not tell its assets to this user; "
            f"{source.output.name} cannot be located. The server's administrator can raise "
            "the user's level."
        ) from error
    except (NotFound, ServerFault) as error:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not tell its assets; "
            f"{source.output.name} cannot be located."
        ) from error
    names = array.dtype.names or ()
    if "asset_id" in names:
        array = array.view(
            [("id" if d[0] == "asset_id" else d[0], *d[1:]) for d in array.dtype.descr]
        )
        names = array.dtype.names or ()
    if missing := [name for name in ("id", "lon", "lat") if name not in names]:
        raise InvalidOutput(f"The assets of the engine's answer have no {', '.join(missing)}.")
    tags = {}
    for tag in about.get("tagnames") or ():
        # each asset's id is a tag of its own where it is aggregated by
        if tag in names and tag != "id" and isinstance(about.get(tag), list):
            tags[tag] = np.empty(len(about[tag]), dtype=object)
            tags[tag][:] = [str(value) for value in about[tag]]
            indices = array[tag] + (tag == "site_id")
            if len(array) and int(indices.max()) >= len(tags[tag]):
                raise InvalidOutput(f"The tags {tag} of the engine's answer are not whole.")
    return Assets(array, tags)


def about_columns(assets: Assets, asset_id: str = "asset_id") -> list[tuple[Column, str]]:
    """Return the columns that say which asset a row is of, each with its field of the assets."""
    return [
        (Column(asset_id, TEXT, "Asset"), "id"),
        *((tag_column(tag), tag) for tag in sorted(assets.tags)),
        (Column("lon", REAL, "Longitude", "°"), "lon"),
        (Column("lat", REAL, "Latitude", "°"), "lat"),
    ]


def tag_column(tag: str) -> Column:
    """Return the column of a tag."""
    return Column(tag, TEXT, "Taxonomy" if tag == "taxonomy" else tag)


def asset_blocks(
    assets: Assets, fields: Sequence[str], values: Sequence[Array], points: bool
) -> Iterator[Block]:
    """Yield fields of the assets with ``values``, one array of as many rows for each column."""
    size = rows_per_block(len(fields) + len(values))
    for start in range(0, assets.rows, size):
        stop = min(start + size, assets.rows)
        yield Block(
            (*(assets.cells(f, start, stop) for f in fields), *(v[start:stop] for v in values)),
            assets.xy(start, stop) if points else None,
        )


def read_exposure(source: Source, choices: Choices) -> Table:
    """Return the exposure: one row per asset with its values, occupants and tags.

    Values are totals of the asset (not of one building) in the unit of their cost type, which
    stands in the exported xml; single precision, as in the datastore. Raises
    :class:`InvalidChoice` for tags and values that are not there.
    """
    if choices.geometry != LINE:
        check_point_or_table(source, choices)
    assets = read_assets(source)
    if choices.geometry == LINE:
        return edges(source, choices, assets)
    units = cost_units(source)
    pairs = about_columns(assets, "id")
    place = len(pairs) - 2
    # the order of the file: what is known of the asset, then its tags
    pairs = [pairs[0], *pairs[place:], *_value_pairs(assets, units), *pairs[1:place]]
    columns = tuple(column for column, _ in pairs)
    styled = _styled(columns, choices.style_field)
    geometry = NONE if choices.geometry == NONE else POINT
    provenance = source.provenance(choices)
    provenance["calculation_assets"] = assets.rows
    table = Table(
        title=f"Exposure: {styled.title}" if styled else "Exposure",
        columns=columns,
        rows=assets.rows,
        blocks=partial(asset_blocks, assets, [f for _, f in pairs], (), geometry == POINT),
        geometry=geometry,
        style=Style(styled.name, "logarithmic", (), EXPOSURE_RAMP) if styled else None,
        notes=() if assets.rows else (empty_note(source),),
        provenance=provenance,
    )
    return with_lines(source, choices, assets, selection.chosen_assets(table, choices))


def with_lines(source: Source, choices: Choices, assets: Assets, table: Table) -> Table:
    """Return the table with all edges of the network as lines apart, where they are asked for."""
    if not choices.lines or not is_network(assets):
        return table
    every = replace(choices, taxonomy="", tag_filter="", aggregate_by_site=False)
    return replace(table, lines=edges(source, every, assets))


def _value_pairs(assets: Assets, units: dict[str, str]) -> list[tuple[Column, str]]:
    """Return the columns of values and occupants, each with its field of the assets."""
    pairs = [
        (value_column(name, units), name)
        for name in assets.names
        if name not in ("id", "lon", "lat", "ordinal", "site_id")
    ]
    if is_network(assets):  # what is counted are no buildings
        pairs = [(replace(c, unit="") if c.loss_type == "number" else c, n) for c, n in pairs]
    return pairs


def is_network(assets: Assets) -> bool:
    """Tell whether the assets are nodes and edges."""
    return {*TAGS_OF_ENDS, "type"} <= assets.tags.keys()


def edges(source: Source, choices: Choices, assets: Assets) -> Table:
    """Return the edges of a network as lines from node to node, with all that is known of them.

    An edge of which a node is missing keeps its row without a line; the notes name it. TAXONOMY
    and TAG_FILTER choose among the edges. Raises :class:`InvalidChoice` where there is no network.
    """
    import numpy as np

    if choices.aggregate_by_site:
        raise InvalidChoice("Lines cannot be summed by site; leave AGGREGATE_BY_SITE out.")
    if not is_network(assets):
        raise InvalidChoice(
            f"The assets of {source.output.name} are no network (type, start_node, end_node); "
            "there are no lines."
        )
    kinds = np.array([str(value).lower() for value in assets.cells("type").tolist()])
    ids = assets.cells("id").tolist()
    nodes = {ids[i]: i for i in np.flatnonzero(kinds == "node").tolist()}
    rows = np.flatnonzero(kinds == "edge")
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
        notes.append(
            f"{len(broken)} of {len(rows)} edges have no line, because a node of theirs is "
            f"missing: {listed(names)}."
        )
    units = cost_units(source)
    pairs = about_columns(assets, "id")
    pairs += _value_pairs(assets, units)
    provenance = source.provenance(choices)
    table = Table(
        title="Edges of the network",
        columns=tuple(column for column, _ in pairs),
        rows=len(rows),
        blocks=partial(_edge_blocks, picked, [f for _, f in pairs], assets.xy(), ends),
        geometry=LINE,
        style=Style("taxonomy"),
        notes=tuple(notes),
        provenance=provenance,
    )
    return selection.chosen_assets(table, choices)


def _edge_blocks(
    picked: Assets, fields: Sequence[str], xy: Array, ends: Sequence[Array]
) -> Iterator[Block]:
    size = rows_per_block(len(fields))
    for start in range(0, picked.rows, size):
        stop = min(start + size, picked.rows)
        lines = []
        for first, last in zip(ends[0][start:stop].tolist(), ends[1][start:stop].tolist()):
            whole = first >= 0 and last >= 0
            lines.append(line_wkb(*xy[first].tolist(), *xy[last].tolist()) if whole else b"")
        yield Block(tuple(picked.cells(f, start, stop) for f in fields), wkb=lines)


def line_wkb(*coordinates: float) -> bytes:
    """Return a line as WKB from longitude, latitude of each point."""
    return struct.pack(f"<BII{len(coordinates)}d", 1, 2, len(coordinates) // 2, *coordinates)


def empty_note(source: Source) -> str:
    """Return the sentence for an output without rows."""
    return f"{source.output.name} of calculation {source.calculation.id} is empty."


def check_point_or_table(source: Source, choices: Choices) -> None:
    """Refuse geometries that assets do not have, and the long format."""
    if choices.geometry not in ("auto", POINT, NONE):
        raise InvalidChoice(
            f"{source.output.name} can be loaded with GEOMETRY auto, point or none."
        )
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} cannot be loaded in LONG_FORMAT.")


def value_column(name: str, units: dict[str, str]) -> Column:
    """Return the column of a field of the exposure; ``units`` are those of its cost types."""
    if name.startswith("value-"):
        loss_type = name[len("value-") :]
        words = loss_words(loss_type).capitalize()
        counted = loss_type in PEOPLE or loss_type in ("number", "area")
        return Column(
            name,
            REAL,
            words if counted else f"{words} value",
            loss_unit(loss_type, units),
            additive=True,
            quantity="exposure",
            loss_type=loss_type,
        )
    if name.startswith("occupants_"):
        label = f"Occupants, {name[len('occupants_') :].replace('avg', 'average')}"
        return Column(name, REAL, label, "people", additive=True, quantity="occupants")
    if name == "retrofitted":
        unit = units.get("structural", "")
        return Column(name, REAL, "Retrofitting cost", unit, additive=True, quantity="exposure")
    return Column(name, REAL, {"ideductible": "Insurance deductible"}.get(name, name))


def _styled(columns: Sequence[Column], wanted: str) -> Column | None:
    numbers = [c for c in columns if c.quantity]
    for column in numbers:
        if wanted and column.name.lower() == wanted.lower():
            return column
    for name in ("value-structural", "value-number"):
        for column in numbers:
            if column.name == name:
                return column
    return next(iter(numbers), None)


def loss_unit(loss_type: str, units: dict[str, str]) -> str:
    """Return the unit of a loss type, or of a sum of some; "" if unknown or not the same.

    ``units`` are those of the cost types of the exposure.
    """
    found = set()
    for part in re.sub(r"_ins$", "", loss_type).split("+"):
        known = "people" if part in PEOPLE else "buildings" if part == "number" else ""
        found.add(known or units.get(part, ""))
    return found.pop() if len(found) == 1 else ""


def cost_units(source: Source) -> dict[str, str]:
    """Return the unit of each cost type of the exposure, {} where the server does not tell.

    They stand in the output ``exposure`` only, of this calculation or of the one it is based on.
    """
    for owner in (source.calculation.id, source.parent_id):
        if owner is None:
            continue
        with suppress(NotFound, ServerFault):
            for output in source.client.outputs(owner):
                if output.type == "exposure" and "zip" in output.formats:
                    target = source.folder / f"exposure-{output.id}.zip"
                    source.client.export(output, "zip", target)
                    return _units_in(target)
    return {}


def _units_in(path: Path) -> dict[str, str]:
    found = {}
    with suppress(zipfile.BadZipFile, OSError, UnicodeDecodeError), zipfile.ZipFile(path) as zipped:
        for name in zipped.namelist():
            if not name.endswith(".xml"):
                continue
            with zipped.open(name) as file:
                # only the head: cost types come before the assets
                text = file.read(1_000_000).decode("utf-8")
            for tag in re.findall(r"<costType\b[^>]*>", text):
                attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
                found[attributes.get("name", "")] = attributes.get("unit", "")
    return found


OUTPUTS = {
    "exposure": OutputType(
        read=read_exposure,
        geometries=(POINT, LINE),
        choices=selection.CHOICES,
        about="Values, occupants and tags of each asset.",
    )
}
