"""The assets of a calculation: where they are, their tags and values, and the columns of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine.errors import InvalidOutput, NotAllowed, NotFound, ServerFault
from ..core.choices import Choices
from ..core.columns import USUAL
from ..core.lazy import Array, np
from ..core.notes import Note, Warn
from ..core.quantities import PEOPLE
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, degrees, point_array, rows_per_block
from ..core.wording import loss_words
from .units import loss_unit


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
        """The fields that are not tags."""
        return tuple(name for name in self.array.dtype.names or () if name not in self.tags)

    def cells(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Return the values of a field or tag; ids and tags as text."""
        values = self.array[name][start:stop]
        if name in self.tags:
            # aggregate_by = site_id: the tag counts from 1, the site from 0
            return self.tags[name][values + (name == "site_id")]
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8", "replace").astype(object)
        return degrees(values) if name in ("lon", "lat") else values

    def xy(self, start: int = 0, stop: int | None = None) -> Array:
        """Return coordinates of shape (rows, 2) in degrees."""
        return point_array(
            degrees(self.array["lon"][start:stop]), degrees(self.array["lat"][start:stop])
        )


def read_assets(source: Source, what: str = "assets") -> Assets:
    """Return the assets of the calculation (``GET /v1/calc/N/extract/assets``), in full precision.

    ``what`` may be another extract of the same form (``asset_risk``). Raises
    :class:`InvalidOutput` where the server does not report them.
    """
    try:
        npz = source.npz(what)
        array, about = npz.array("array"), npz.json()
    except NotAllowed as error:
        raise NotAllowed(
            f"You are not allowed to read the assets of calculation {source.calculation.id}; "
            f"{source.output.name} cannot be located. The server's administrator can raise "
            "your level."
        ) from error
    except (NotFound, ServerFault) as error:
        raise InvalidOutput(
            f"The server does not report the assets of calculation {source.calculation.id}; "
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


def about_columns(assets: Assets, asset_id: str = "asset_id") -> dict[str, Column]:
    """Return the columns that say which asset a row is of, by their fields of the assets."""
    return {
        "id": replace(USUAL["asset_id"], name=asset_id),
        **{tag: tag_column(tag) for tag in sorted(assets.tags)},
        "lon": USUAL["lon"],
        "lat": USUAL["lat"],
    }


def tag_column(tag: str) -> Column:
    """Return the column of a tag."""
    return USUAL["taxonomy"] if tag == "taxonomy" else Column(tag, ColumnType.TEXT, tag)


def asset_blocks(
    assets: Assets, fields: Iterable[str], values: Sequence[Array] = ()
) -> Iterator[Block]:
    """Yield fields of the assets with ``values``, one array of as many rows for each column."""
    names = [*fields]
    size = rows_per_block(len(names) + len(values))
    for start in range(0, assets.rows, size):
        stop = min(start + size, assets.rows)
        about = (assets.cells(name, start, stop) for name in names)
        yield Block((*about, *(v[start:stop] for v in values)), assets.xy(start, stop))


def value_column(source: Source, name: str) -> Column:
    """Return the column of a field of the exposure."""
    if name.startswith("value-"):
        loss_type = name[len("value-") :]
        words = loss_words(loss_type).capitalize()
        counted = loss_type in PEOPLE or loss_type in ("number", "area")
        return Column(
            name,
            label=words if counted else f"{words} value",
            unit=loss_unit(source, loss_type),
            additive=True,
            quantity="exposure",
            loss_type=loss_type,
        )
    if name.startswith("occupants_"):
        label = f"Occupants, {name[len('occupants_') :].replace('avg', 'average')}"
        return Column(name, label=label, unit="people", additive=True, quantity="occupants")
    if name == COST:
        return retrofitting_cost(source)
    return Column(name, label={"ideductible": "Insurance deductible"}.get(name, name))


COST = "retrofitted"
"""Name of the field that holds what retrofitting costs."""


def retrofitting_cost(source: Source) -> Column:
    """Return the column of what retrofitting each asset costs."""
    unit = loss_unit(source, "structural")
    label = "Retrofitting cost"
    return Column(COST, label=label, unit=unit, additive=True, quantity="exposure")


def risk_provenance(
    source: Source,
    choices: Choices,
    members: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the provenance of values of risk, with the time that they are for.

    ``members`` and ``about`` are those of :meth:`Source.provenance`.
    """
    time = {"risk_investigation_time": source.risk_time} if source.risk_time else {}
    return {**time, **source.provenance(choices, members, about)}


def empty_note(source: Source) -> Note:
    """Return the note on an output without rows."""
    return Warn(f"{source.output.name} of calculation {source.calculation.id} is empty.")
