"""Ground motion fields: the shaking of an event at each site, and its average over a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import cast

from ...engine.errors import InvalidChoice, InvalidOutput
from ..core.choices import Choices, match_names
from ..core.columns import EVENT, IMT
from ..core.lazy import Array
from ..core.notes import Info, Note, Warn
from ..core.output_type import OutputType
from ..core.quantities import words_of
from ..core.source import Source
from ..core.table import Column, Table, refuse_many
from ..core.wording import listed, with_unit
from ..sites.site_table import GEOMETRIES, LongFormat, of_first_imt, site_table
from .ground_motion_average import average
from .ground_motion_events import by_magnitude, chosen_events, event_of, events_of
from .ground_motion_export import read_member
from .ground_motion_fields import (
    Field,
    FieldColumn,
    about_fields,
    motion_of,
    read_field,
    sites_of_field,
    value_of,
)

TRIES = 20  # events of which the largest that shook a site is looked for


def read_ground_motion(source: Source, choices: Choices) -> Table:
    """Return the field of an event: one row per site, one column per IMT.

    Nothing chosen: for a scenario the average of its fields, else the field of the event of the
    largest magnitude. The events of a rupture (RUPTURE_ID) are columns side by side. Values in the
    unit of the IMT, single precision, NaN where the event has none.
    ``GET /v1/calc/N/extract/gmf_data?event_id=`` and ``…/events``. Raises :class:`InvalidChoice`
    for what is not there.
    """
    if choices.member:
        return read_member(source, choices)
    events = events_of(source)
    notes: list[Note] = []
    if choices.event_id or choices.rupture_id:
        fields = [read_field(source, event) for event in chosen_events(choices, events)]
    elif not source.event_based:
        try:
            return average(source, choices, len(events))
        except InvalidOutput as error:
            fields = [read_field(source, event_of(events[0]))]
            notes.append(Warn(f"{error} Loaded: {fields[0].event.label}."))
    else:
        fields = [_largest(source, events, notes)]
    return _table(source, choices, fields, notes)


def read_average(source: Source, choices: Choices) -> Table:
    """Return the average field of a scenario: one row per site, one column per IMT.

    ``GET /v1/calc/N/extract/avg_gmf?imt=``, else the CSV export. Raises :class:`InvalidChoice` for
    calculations that are no scenarios: an average over unlike earthquakes means nothing.
    """
    if choices.member:
        return read_member(source, choices)
    if source.event_based:
        raise InvalidChoice(
            f"Calculation {source.calculation.id} is no scenario: the average of ground motion "
            "over different earthquakes has no meaning. Load gmf_data with EVENT_ID, or this file "
            "as it is with MEMBER=avg_gmf."
        )
    return average(source, choices, len(events_of(source)))


def _largest(source: Source, events: Array, notes: list[Note]) -> Field:
    """Return the field of the event of the largest magnitude that shook a site."""
    first = None
    for event in islice(by_magnitude(source, events), TRIES):
        field = read_field(source, event)
        if field.shaken().any():
            about = "the event of the largest magnitude"
            if event.magnitude is None:
                about = "the first with ground motion; the engine does not tell magnitudes"
            elif first is not None:
                about += " with ground motion at a site"
            notes.append(Info(f"Loaded: {field.event.label}, {about}. Choose another by EVENT_ID."))
            return field
        first = first or field
    if first is None:
        raise InvalidOutput(f"Calculation {source.calculation.id} has no events with ruptures.")
    notes.append(
        Warn(
            f"Loaded: {first.event.label}. Neither it nor the next of the largest magnitudes gave "
            "ground motion at a site; choose another event by EVENT_ID."
        )
    )
    return first


def _table(
    source: Source, choices: Choices, fields: Sequence[Field], notes: Sequence[Note]
) -> Table:
    imts = match_names(choices.imt, fields[0].imts, "IMT", "intensity measure type")
    several = len(fields) > 1
    what = f"{len(fields)} events × {len(imts)} IMTs"
    refuse_many(len(fields) * len(imts), what, "EVENT_ID or IMT", choices.long_format)
    sites, rows = sites_of_field(source, fields[0].values)
    columns: list[Column] = []
    cells: dict[str, FieldColumn] = {}
    for field in fields:
        event = field.event
        for imt in imts:
            name = f"event-{event.id}-{imt}" if several else imt
            columns.append(
                motion_of(source, name, imt, f"{words_of(imt)} of event {event.id}", event)
            )
            cells[name] = FieldColumn(field, imt, rows)
    primary = [c for c in columns if cells[c.name].imt in fields[0].primary]
    styled = of_first_imt(primary or columns)[0]
    shown = f"events {listed([str(field.event.id) for field in fields])}"
    long = LongFormat(
        f"Ground motion of {shown if several else fields[0].event.label}",
        (EVENT, IMT),
        lambda column: (cells[column.name].field.event.id, cells[column.name].imt),
        value_of(columns, "Ground motion"),
    )

    def title_of(column: Column) -> str:
        drawn = cells[column.name]
        return f"{with_unit(words_of(drawn.imt), column.unit)} of {drawn.field.event.label}"

    found = [*notes, *about_fields(source, fields, len(sites.lon), rows)]
    arrays = cast("list[Array]", list(cells.values()))
    table = site_table(source, choices, columns, arrays, styled, title_of, long, sites, found)
    return table.with_provenance(events=[vars(field.event) for field in fields])


OUTPUTS = {
    "gmf_data": OutputType(
        read=read_ground_motion,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("IMT", "EVENT_ID", "RUPTURE_ID", "MEMBER"),
        about="Ground motion of an event at each site; of a scenario the average over its events.",
    ),
    "avg_gmf": OutputType(
        read=read_average,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("IMT", "MEMBER"),
        about="Geometric mean and standard deviation of ln of a scenario's ground motion, by site.",
    ),
}
