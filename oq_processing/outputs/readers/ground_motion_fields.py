"""The field of an event: its values, its sites, and what its columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine.errors import InvalidOutput, NotAllowed, NotFound, ServerFault
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.quantities import SECONDARY, imt_unit, short_imt
from ..core.source import Source
from ..core.table import Column, common_unit
from ..sites.collection import Sites, sites_of
from .ground_motion_events import Event

REFUSED = (NotFound, ServerFault, NotAllowed)


@dataclass(frozen=True)
class Field:
    """The values of an event, an array with a row per site id and a member per IMT.

    A site where every primary IMT is 0 has no row in the CSV export: there is no value. A 0 of a
    secondary peril elsewhere is one, and so is each where all sites were ``given`` to the engine,
    as the footprints of a volcano are.
    """

    event: Event
    values: Array
    imts: tuple[str, ...]
    given: bool = False

    @property
    def primary(self) -> list[str]:
        """The IMTs that the ground motion models give, without those derived from them."""
        # as the engine tells them apart: LiqProb is named by its model, Model_LiqProb
        found = [imt for imt in self.imts if "_" not in imt and imt not in SECONDARY]
        return found or list(self.imts)

    def shaken(self) -> Array:
        """Return which sites have values, as booleans."""
        if self.given:
            return np.ones(len(self.values), bool)
        return np.any([self.values[imt] != 0 for imt in self.primary], axis=0)


@dataclass(frozen=True)
class FieldColumn:
    """One IMT of a field, at the sites ``rows`` (None: all); looked up when a slice is asked for.

    So the fields of several events need not be in memory.
    """

    field: Field
    imt: str
    rows: Array | None

    def __len__(self) -> int:
        return len(self.field.values if self.rows is None else self.rows)

    def __getitem__(self, key: Any) -> Array:
        part = self.field.values[key if self.rows is None else self.rows[key]]
        shaken = replace(self.field, values=part).shaken()
        return np.where(shaken, part[self.imt], np.float32(np.nan))


def read_field(source: Source, event: Event) -> Field:
    """Return the field of an event; raises :class:`InvalidOutput` where there is none."""
    npz = source.npz("gmf_data", event_id=str(event.id))
    members = [name for name in npz.names if name.startswith("rlz-")]
    values = npz.array(members[0]) if members else None
    names = None if values is None else values.dtype.names
    if values is None or not names or "lat" not in names:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} has no ground motion: no site is shaken more "
            "than its minimum intensity."
        )
    site = ("custom_site_id", "lon", "lat", "depth")
    imts = tuple(name for name in names if name not in site)
    event = replace(event, branch=source.realizations.get(event.realization, ""))
    return Field(event, values, imts, given=source.calculation.mode == "multi_risk")


def sites_of_field(source: Source, values: Array) -> tuple[Sites, Array | None]:
    """Return the sites of a field, and their rows in it where these are not all in order.

    A field has a row for each site id. Where the calculation kept some of its sites only, the
    engine puts the coordinates of those beside the first rows: they are looked up by site id.
    """
    try:
        kept = source.npz("sitecol").array("array")
    except REFUSED:
        kept = None
    if kept is not None and len(kept) == len(values):
        ids = kept["sids"].astype(np.int64)
        if not np.array_equal(ids, np.arange(len(ids))):
            inside = kept[ids < len(values)]
            return sites_of(inside, inside["sids"]), inside["sids"].astype(np.int64)
        return replace(sites_of(values, ids), vs30=sites_of(kept, ids).vs30), None
    return sites_of(values, np.arange(len(values))), None


def about_fields(
    source: Source, fields: Sequence[Field], count: int, rows: Array | None
) -> Iterator[Note]:
    """Yield what is not there, and what a 0 means."""
    zeros = False
    for field in fields:
        values = field.values if rows is None else field.values[rows]
        shaken = replace(field, values=values).shaken()
        if (number := int(shaken.sum())) < count:
            yield Info(f"Event {field.event.id} has ground motion at {number} of {count} sites.")
        low = not field.given and any((values[imt][shaken] == 0).any() for imt in field.primary)
        zeros = zeros or low
    if zeros:
        yield Warn(f"0 is ground motion below the minimum intensity{minimum_text(source)}.")


def minimum_text(source: Source) -> str:
    """Return the minimum intensity of each IMT in brackets, "" where none is given."""
    given = source.oqparam.get("minimum_intensity")
    if not isinstance(given, dict) or not given:
        return ""
    return f" ({', '.join(f'{imt} {value:g}' for imt, value in given.items())})"


def motion_of(
    source: Source, name: str, imt: str, label: str, event: Event | None = None
) -> Column:
    """Return a column of the ground motion of one IMT, of an event or over several."""
    short = short_imt(imt)
    return Column(
        name=name,
        label=label,
        unit="0/1" if short == "LiqOccur" and event else return_unit(source, imt) or imt_unit(imt),
        quantity="ground motion",
        kind=f"rlz-{event.realization}" if event else "",
        imt=short,
    )


def return_unit(source: Source, imt: str) -> str:
    """Return the unit that the job gives the model of a secondary peril, "" where it gives none."""
    models = source.oqparam.get("secondary_perils") or ()
    given = dict(zip(models, source.oqparam.get("sec_peril_params") or ()))
    return str(given.get(imt.rpartition("_")[0], {}).get("return_unit", ""))


def value_of(columns: Sequence[Column], label: str) -> Column:
    """Return the column of a long table that holds the values of several of ground motion."""
    return Column("value", label=label, unit=common_unit(columns), quantity="ground motion")
