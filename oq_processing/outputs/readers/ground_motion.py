"""Ground motion fields: the shaking of an event at each site, and its average over a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from ...engine.errors import InvalidChoice, InvalidOutput, NotAllowed, NotFound, ServerFault
from ..assets.selection import largest_on_top
from ..core.choices import Choices, listed, match_names, split_list
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.output_type import OutputType
from ..core.palettes import ground_motion_style
from ..core.quantities import imt_order, imt_unit
from ..core.source import Source
from ..core.table import (
    INTEGER,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Table,
    point_array,
    rows_per_block,
)
from ..sites.collection import Sites, sites_of
from ..sites.site_table import (
    LongFormat,
    of_first_imt,
    one_unit,
    refuse_many,
    site_table,
    wanted_column,
)
from . import general

if TYPE_CHECKING:
    from ..core.table import Array

ALL_EVENTS = "gmf-data"
"""The file of the export that holds the fields of all events."""

MANY_EVENTS = 20  # the engine reads all its fields anew for each event that is asked for
TRIES = 20  # events of which the largest that shook a site is looked for

_SECONDARY = {"LiqProb", "LiqOccur", "LsProb", "DispProb", "Disp", "LSE"}
_REFUSED = (NotFound, ServerFault, NotAllowed)


@dataclass(frozen=True)
class Event:
    """An event, the rupture and realization it is of; magnitude where it was asked for."""

    id: int
    rupture: int
    realization: int
    magnitude: float | None = None

    @property
    def label(self) -> str:
        """What tells it from others: *event 57 (magnitude 6.05, rupture 80, realization 3)*."""
        size = "" if self.magnitude is None else f"magnitude {self.magnitude:.4g}, "
        return f"event {self.id} ({size}rupture {self.rupture}, realization {self.realization})"


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
        found = [imt for imt in self.imts if "_" not in imt and imt not in _SECONDARY]
        return found or list(self.imts)

    def shaken(self) -> Array:
        """Tell of each site whether it has values."""
        import numpy as np

        if self.given:
            return np.ones(len(self.values), bool)
        shaken: Array = np.any([self.values[imt] != 0 for imt in self.primary], axis=0)
        return shaken


@dataclass(frozen=True)
class _FieldColumn:
    """One IMT of a field, at the sites ``rows`` (None: all); looked up when a slice is asked for.

    So the fields of several events need not be in memory.
    """

    field: Field
    imt: str
    rows: Array | None

    def __len__(self) -> int:
        return len(self.field.values if self.rows is None else self.rows)

    def __getitem__(self, key: Any) -> Array:
        import numpy as np

        part = self.field.values[key if self.rows is None else self.rows[key]]
        shaken = replace(self.field, values=part).shaken()
        cells: Array = np.where(shaken, part[self.imt], np.float32(np.nan))
        return cells


def read_ground_motion(source: Source, choices: Choices) -> Table:
    """Return the field of an event: one row per site, one column per IMT.

    Nothing chosen: for a scenario the average of its fields, else the field of the event of the
    largest magnitude. The events of a rupture (RUPTURE_ID) are columns side by side. Values in the
    unit of the IMT, single precision, NaN where the event has none.
    ``GET /v1/calc/N/extract/gmf_data?event_id=`` and ``…/events``. Raises :class:`InvalidChoice`
    for what is not there.
    """
    if choices.member:
        return _read_member(source, choices)
    events = _events(source)
    notes: list[str] = []
    if choices.event_id or choices.rupture_id:
        fields = [_field(source, event) for event in _chosen(choices, events)]
    elif not source.event_based:
        try:
            return _average(source, choices, len(events))
        except InvalidOutput as error:
            fields = [_field(source, _event(events[0]))]
            notes.append(f"{error} Loaded: {fields[0].event.label}.")
    else:
        fields = [_largest(source, events, notes)]
    return _table(source, choices, fields, notes)


def read_average(source: Source, choices: Choices) -> Table:
    """Return the average field of a scenario: one row per site, one column per IMT.

    ``GET /v1/calc/N/extract/avg_gmf?imt=``, else the CSV export. Raises :class:`InvalidChoice` for
    calculations that are no scenarios: an average over unlike earthquakes means nothing.
    """
    if choices.member:
        _refuse_beside_member(choices)
        return general.read(source, choices)
    if source.event_based:
        raise InvalidChoice(
            f"Calculation {source.calculation.id} is no scenario: the average of ground motion "
            "over different earthquakes has no meaning. Load gmf_data with EVENT_ID, or this file "
            "as it is with MEMBER=avg_gmf."
        )
    return _average(source, choices, len(_events(source)))


# --- events


def _events(source: Source) -> Array:
    """Return the events (id, rup_id, rlz_id, …), sorted by id; never none."""
    try:
        array = source.npz("events").array("array")
    except (NotFound, ServerFault, InvalidOutput) as error:
        raise InvalidOutput(
            f"The engine does not tell the events of calculation {source.calculation.id}; "
            f"load all of them by MEMBER={ALL_EVENTS}."
        ) from error
    if not len(array):
        raise InvalidOutput(f"Calculation {source.calculation.id} has no events.")
    return array


def _event(row: Any, magnitude: float | None = None) -> Event:
    return Event(int(row["id"]), int(row["rup_id"]), int(row["rlz_id"]), magnitude)


def _chosen(choices: Choices, events: Array) -> list[Event]:
    """Return the events of EVENT_ID or RUPTURE_ID; raises :class:`InvalidChoice`."""
    import numpy as np

    if choices.event_id and choices.rupture_id:
        raise InvalidChoice("Choose by EVENT_ID or by RUPTURE_ID, not by both.")
    name, key = ("EVENT_ID", "id") if choices.event_id else ("RUPTURE_ID", "rup_id")
    text = choices.event_id or choices.rupture_id
    what, a_what = ("event", "an event") if choices.event_id else ("rupture", "a rupture")
    wanted = []
    for part in split_list(text) or [text]:
        if not part.isascii() or not part.isdigit():
            raise InvalidChoice(f"“{part}” is no id; {name} is the whole number of {a_what}.")
        number = int(part)
        found = np.flatnonzero(events[key] == number) if number < 2**63 else ()
        if not len(found):
            raise InvalidChoice(
                f"There is no {what} “{part}”; {name} may be: "
                f"{_ids(np.unique(events[key]).tolist())}."
            )
        wanted += [int(i) for i in found if int(i) not in wanted]
    if len(wanted) > MANY_EVENTS:
        raise InvalidChoice(
            f"These are {len(wanted)} events, up to {MANY_EVENTS} can be loaded side by side; "
            f"choose some of them by EVENT_ID: {_ids(events['id'][wanted].tolist())}; or load all "
            f"events of the calculation by MEMBER={ALL_EVENTS}."
        )
    return [_event(events[i]) for i in wanted]


def _ids(ids: Sequence[int]) -> str:
    if len(ids) > 3 and ids[-1] - ids[0] == len(ids) - 1:
        return f"{ids[0]} to {ids[-1]}"
    return listed([str(i) for i in ids])


def _largest(source: Source, events: Array, notes: list[str]) -> Field:
    """Return the field of the event of the largest magnitude that shook a site."""
    first = None
    for event in islice(_by_magnitude(source, events), TRIES):
        field = _field(source, event)
        if field.shaken().any():
            about = "the event of the largest magnitude"
            if event.magnitude is None:
                about = "the first with ground motion; the engine does not tell magnitudes"
            elif first is not None:
                about += " with ground motion at a site"
            notes.append(f"Loaded: {event.label}, {about}. Choose another by EVENT_ID.")
            return field
        first = first or field
    if first is None:
        raise InvalidOutput(f"Calculation {source.calculation.id} has no events with ruptures.")
    notes.append(
        f"Loaded: {first.event.label}. Neither it nor the next of the largest magnitudes gave "
        "ground motion at a site; choose another event by EVENT_ID."
    )
    return first


def _by_magnitude(source: Source, events: Array) -> Iterator[Event]:
    """Yield events from the largest magnitude down, by id where it is the same.

    ``GET /v1/calc/N/extract/rupture_info?boundaries=no&min_mag=`` from the largest magnitude of
    ``…/event_based_mfd`` down: that of all ruptures takes a millisecond for each of them.
    """
    import numpy as np

    yielded: set[int] = set()
    for limit in _magnitudes(source):
        try:
            if limit is None:
                npz = source.npz("rupture_info", boundaries="no")
            else:
                npz = source.npz("rupture_info", boundaries="no", min_mag=f"{limit:.2f}")
            ruptures = npz.array("array")[["rup_id", "mag"]]
        except (NotFound, ServerFault, InvalidOutput):
            continue
        order = np.argsort(ruptures["rup_id"])
        ids = ruptures["rup_id"][order]
        nearest = np.minimum(np.searchsorted(ids, events["rup_id"]), len(ids) - 1)
        found = np.flatnonzero(ids[nearest] == events["rup_id"])
        magnitudes = ruptures["mag"][order][nearest[found]]
        for i in np.lexsort((events["id"][found], -magnitudes)):
            row = events[found[i]]
            if int(row["id"]) not in yielded:
                yielded.add(int(row["id"]))
                # the shortest number that is this one in single precision
                yield _event(row, float(str(magnitudes[i])))
    if not yielded:
        # ground motion from a file has no ruptures
        yield from (_event(row) for row in events)


def _magnitudes(source: Source) -> list[float | None]:
    """Return lower limits of magnitude, falling, each with ruptures above it; None is no limit."""
    try:
        bins = source.npz("event_based_mfd").array("mag").tolist()
    except (NotFound, ServerFault, NotAllowed, InvalidOutput):
        return [None]
    # the engine rounds them to one decimal
    return [*(b - 0.06 for b in sorted(bins, reverse=True)[:5]), None]


# --- fields of events


def _field(source: Source, event: Event) -> Field:
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
    return Field(event, values, imts, given=source.calculation.mode == "multi_risk")


def _table(
    source: Source, choices: Choices, fields: Sequence[Field], notes: Sequence[str]
) -> Table:
    imts = match_names(choices.imt, fields[0].imts, "IMT", "intensity measure type")
    several = len(fields) > 1
    refuse_many(
        choices,
        len(fields) * len(imts),
        f"{len(fields)} events × {len(imts)} IMTs",
        "EVENT_ID or IMT",
    )
    sites, rows = _sites_of(source, fields[0].values)
    columns: list[Column] = []
    cells: dict[str, _FieldColumn] = {}
    for field in fields:
        event = field.event
        for imt in imts:
            name = f"event-{event.id}-{imt}" if several else imt
            columns.append(_column(name, imt, f"{_words(imt)} of event {event.id}", event))
            cells[name] = _FieldColumn(field, imt, rows)
    primary = [c for c in columns if cells[c.name].imt in fields[0].primary]
    styled = wanted_column(columns, choices.style_field) or of_first_imt(primary or columns)[0]
    shown = f"events {listed([str(field.event.id) for field in fields])}"
    long = LongFormat(
        f"Ground motion of {shown if several else fields[0].event.label}",
        (Column("event_id", INTEGER, "Event"), Column("imt", TEXT, "IMT")),
        lambda column: (cells[column.name].field.event.id, cells[column.name].imt),
        Column("value", REAL, "Ground motion", one_unit(columns), quantity="ground motion"),
    )
    drawn = cells[styled.name]
    unit = f" [{styled.unit}]" if styled.unit else ""
    title = f"{_words(drawn.imt)}{unit} of {drawn.field.event.label}"
    found = [*notes, *_about_fields(source, fields, len(sites.lon), rows)]
    arrays = cast("list[Array]", list(cells.values()))
    table = site_table(source, choices, columns, arrays, styled, title, long, sites, found)
    table.provenance["events"] = [vars(field.event) for field in fields]
    return table


def _sites_of(source: Source, values: Array) -> tuple[Sites, Array | None]:
    """Return the sites of a field, and their rows in it where these are not all in order.

    A field has a row for each site id. Where the calculation kept some of its sites only, the
    engine puts the coordinates of those beside the first rows: they are looked up by site id.
    """
    import numpy as np

    try:
        kept = source.npz("sitecol").array("array")
    except _REFUSED:
        kept = None
    if kept is not None and len(kept) == len(values):
        ids = kept["sids"].astype(np.int64)
        if not np.array_equal(ids, np.arange(len(ids))):
            inside = kept[ids < len(values)]
            return sites_of(inside, inside["sids"]), inside["sids"].astype(np.int64)
        return replace(sites_of(values, ids), vs30=sites_of(kept, ids).vs30), None
    return sites_of(values, np.arange(len(values))), None


def _about_fields(
    source: Source, fields: Sequence[Field], count: int, rows: Array | None
) -> Iterator[str]:
    """Yield what is not there, and what a 0 means."""
    zeros = False
    for field in fields:
        values = field.values if rows is None else field.values[rows]
        shaken = replace(field, values=values).shaken()
        if (number := int(shaken.sum())) < count:
            yield f"Event {field.event.id} has ground motion at {number} of {count} sites."
        low = not field.given and any((values[imt][shaken] == 0).any() for imt in field.primary)
        zeros = zeros or low
    if zeros:
        yield f"0 is ground motion below the minimum intensity{_minimum(source)}."


def _minimum(source: Source) -> str:
    given = source.oqparam.get("minimum_intensity")
    if not isinstance(given, dict) or not given:
        return ""
    return f" ({', '.join(f'{imt} {value:g}' for imt, value in given.items())})"


def _column(name: str, imt: str, label: str, event: Event | None = None) -> Column:
    short = _short(imt)
    return Column(
        name=name,
        type=REAL,
        label=label,
        unit="0/1" if short == "LiqOccur" and event else imt_unit(short),
        quantity="ground motion",
        kind=f"rlz-{event.realization}" if event else "",
        imt=short,
    )


def _short(imt: str) -> str:
    """Return what a secondary peril gives, without the model that gives it: ``LiqProb``."""
    model, _, short = imt.rpartition("_")
    return short if model and short in _SECONDARY else imt


def _words(imt: str) -> str:
    short = _short(imt)
    return imt if short == imt else f"{short} by {imt[: -len(short) - 1]}"


# --- the average of a scenario


def _average(source: Source, choices: Choices, count: int) -> Table:
    """Return the average over the ``count`` fields of a scenario."""
    names, site, arrays = _average_arrays(source)
    imts = match_names(choices.imt, names, "IMT", "intensity measure type")
    geometric = not {"gmfs", "multi_peril"} & set(source.oqparam.get("inputs") or ())
    over = f"over {count} fields" if count > 1 else "over 1 field"
    kind = "Geometric mean" if geometric else "Mean"
    columns = [replace(_column(i, i, f"{kind} {_words(i)} {over}"), kind="mean") for i in imts]
    styled = wanted_column(columns, choices.style_field) or of_first_imt(columns)[0]
    long = LongFormat(
        f"{kind} ground motion {over}, calculation {source.calculation.id}",
        (Column("imt", TEXT, "IMT"),),
        lambda column: (column.name,),
        Column("value", REAL, f"{kind} {over}", one_unit(columns), quantity="ground motion"),
    )
    notes = []
    if geometric and any(_short(imt) != imt for imt in imts):
        notes.append("In the geometric mean of a secondary peril the engine takes 1E-10 for 0.")
    if geometric and (minimum := _minimum(source)):
        notes.append(f"Lower ground motion counts as the minimum intensity{minimum}.")
    unit = f" [{styled.unit}]" if styled.unit else ""
    title = f"{kind} {_words(styled.name)}{unit} {over}"
    wanted = [arrays[imt] for imt in imts]
    return site_table(source, choices, columns, wanted, styled, title, long, site, notes)


def _average_arrays(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    """Return IMTs, sites and values by IMT; raises :class:`InvalidOutput` where there are none."""
    try:
        return _extracted_average(source)
    except (*_REFUSED, InvalidOutput):
        pass
    with_average = [o for o in source.client.outputs(source.calculation.id) if o.type == "avg_gmf"]
    if with_average:
        try:
            return _exported_average(replace(source, output=with_average[0]))
        except _REFUSED:
            pass
    raise InvalidOutput(
        f"The engine does not give the average ground motion of calculation "
        f"{source.calculation.id}; load gmf_data with EVENT_ID."
    )


def _extracted_average(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    import numpy as np

    parameters = source.oqparam
    imts = sorted(
        parameters.get("hazard_imtls") or parameters.get("risk_imtls") or (), key=imt_order
    )
    if parameters.get("secondary_perils"):
        # only a field tells the names of what is derived
        field = _field(source, _event(_events(source)[0]))
        imts = [*(i for i in imts if i in field.imts), *(i for i in field.imts if i not in imts)]
    if not imts:
        raise InvalidOutput("The calculation does not tell its intensity measure types.")
    kept = source.npz("sitecol").array("array")
    found = {}
    for imt in imts:
        npz = source.npz("avg_gmf", imt=imt)
        found[imt] = (_positions(npz, kept), npz.array(imt))
    # the engine leaves out sites without ground motion, for each IMT by itself
    at = np.unique(np.concatenate([positions for positions, _ in found.values()]))
    arrays = {}
    for imt, (positions, values) in found.items():
        arrays[imt] = np.zeros(len(at), np.float32)
        arrays[imt][np.searchsorted(at, positions)] = values
    return imts, sites_of(kept[at], kept["sids"][at]), arrays


def _positions(npz: Any, kept: Array) -> Array:
    """Return which of the calculation's sites the rows of an average are of."""
    import numpy as np

    lon, lat = npz.array("lon"), npz.array("lat")
    if len(lon) == len(kept):
        positions = np.arange(len(kept))
    elif "site_id" in npz:
        order = np.argsort(kept["sids"])
        positions = order[_lookup(kept["sids"][order], npz.array("site_id"))]
    else:
        # custom ids may be the same for neighbours: the order tells them apart, it is that of sites
        given = list(zip(npz.array("custom_site_id").tolist(), lon.tolist(), lat.tolist()))
        custom = np.char.decode(kept["custom_site_id"]).tolist()
        sites = enumerate(zip(custom, kept["lon"].tolist(), kept["lat"].tolist()))
        positions = np.array(
            [next((i for i, site in sites if site == row), -1) for row in given], np.int64
        )
    same = np.array_equal(kept["lon"][positions], lon) and np.array_equal(
        kept["lat"][positions], lat
    )
    if not same or (len(positions) and positions.min() < 0):
        raise InvalidOutput("The average ground motion is of other sites than the calculation's.")
    return positions


def _lookup(ids: Array, wanted: Array) -> Array:
    import numpy as np

    found: Array = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return found


def _exported_average(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    import numpy as np

    [file] = csv_files(source)
    scan(file)
    if not {"lon", "lat"} <= set(file.header) or not file.rows:
        raise InvalidOutput(f"{source.output.name} has no sites.")
    cells = dict(zip(file.header, zip(*file.read())))
    imts = list(file.header[file.header.index("lat") + 1 :])
    numbers = {name: to_array(np, REAL, cells[name]) for name in ("lon", "lat", *imts)}
    custom = np.array(cells["custom_site_id"]) if "custom_site_id" in cells else None
    ids = np.array(
        [int(i) for i in cells["site_id"]] if "site_id" in cells else range(file.rows), np.int64
    )
    return imts, Sites(ids, numbers.pop("lon"), numbers.pop("lat"), None, custom), numbers


# --- the files of the export


def _read_member(source: Source, choices: Choices) -> Table:
    _refuse_beside_member(choices)
    if choices.member.strip().lower() != ALL_EVENTS:
        return general.read(source, choices)
    if choices.geometry not in ("auto", POINT, NONE) or choices.long_format:
        raise InvalidChoice(
            f"{ALL_EVENTS} has a row per event and site; it can be loaded with GEOMETRY auto "
            "(none), point or none, and without LONG_FORMAT."
        )
    files = {file.member: file for file in csv_files(source)}
    if ALL_EVENTS not in files or "sitemesh" not in files:
        raise InvalidOutput(
            f"The export of {source.output.name} has no {ALL_EVENTS} with its sitemesh; it has: "
            f"{', '.join(files)}."
        )
    file = files[ALL_EVENTS]
    scan(file)
    key = "custom_site_id" if "custom_site_id" in file.header else "site_id"
    if key not in file.header:
        raise InvalidOutput(f"{ALL_EVENTS} does not tell sites: {', '.join(file.header)}.")
    places, doubtful = _places(files["sitemesh"], key)
    notes = []
    if doubtful:
        notes.append(
            f"{doubtful} site ids stand for several places; their rows have no coordinates."
        )
        if choices.geometry == POINT:
            raise InvalidChoice(f"{notes[0]} Use GEOMETRY=none.")
    columns = [Column("event_id", INTEGER, "Event"), _site_column(key)]
    columns += [Column("lon", REAL, "Longitude", "°"), Column("lat", REAL, "Latitude", "°")]
    values = [i for i, name in enumerate(file.header) if name not in ("event_id", key)]
    for i in values:
        name = file.header[i]
        imt = name[len("gmv_") :] if name.startswith("gmv_") else name
        columns.append(_column(name, imt, _words(imt)))
    positions = (file.header.index("event_id"), file.header.index(key), *values)
    provenance = source.provenance(choices)
    provenance["members"] = [ALL_EVENTS, "sitemesh"]
    points = choices.geometry == POINT
    table = Table(
        title=f"Ground motion of all events of calculation {source.calculation.id}",
        columns=tuple(columns),
        rows=file.rows,
        blocks=partial(_all_events, file, columns, positions, places, points),
        geometry=POINT if points else NONE,
        style=ground_motion_style(columns[4]) if points else None,
        notes=tuple(notes),
        provenance=provenance,
    )
    return largest_on_top(table)


def _refuse_beside_member(choices: Choices) -> None:
    if choices.imt or choices.event_id or choices.rupture_id:
        raise InvalidChoice("MEMBER loads a whole file; leave IMT, EVENT_ID and RUPTURE_ID empty.")


def _site_column(key: str) -> Column:
    if key == "site_id":
        return Column("site_id", INTEGER, "Site")
    return Column(key, TEXT, "Site (custom id)")


def _places(mesh: CsvFile, key: str) -> tuple[dict[str, tuple[float, float]], int]:
    """Return longitude and latitude by site id, and how many ids stand for several places."""
    found: dict[str, tuple[float, float]] = {}
    doubtful = set()
    rows = mesh.read()
    for row in rows:
        cells = dict(zip(mesh.header, row))
        place = (float(cells["lon"]), float(cells["lat"]))
        if found.setdefault(cells[key], place) != place:
            doubtful.add(cells[key])
    for site in doubtful:
        del found[site]
    return found, len(doubtful)


def _all_events(
    file: CsvFile,
    columns: Sequence[Column],
    positions: Sequence[int],
    places: dict[str, tuple[float, float]],
    points: bool,
) -> Iterator[Block]:
    import numpy as np

    nowhere = (np.nan, np.nan)
    size = rows_per_block(len(columns))
    rows = file.read()
    while chunk := list(islice(rows, size)):
        cells = list(zip(*chunk))
        event, site, *others = (cells[i] for i in positions)
        xy = np.array([places.get(s, nowhere) for s in site])
        arrays = [to_array(np, INTEGER, event), to_array(np, columns[1].type, site)]
        arrays += [xy[:, 0], xy[:, 1]]
        arrays += [to_array(np, c.type, column) for c, column in zip(columns[4:], others)]
        yield Block(tuple(arrays), point_array(xy[:, 0], xy[:, 1]) if points else None)


OUTPUTS = {
    "gmf_data": OutputType(
        read=read_ground_motion,
        geometry="point, cell",
        choices=("IMT", "EVENT_ID", "RUPTURE_ID", "MEMBER"),
        about="Ground motion of an event at each site; of a scenario the average over its events.",
    ),
    "avg_gmf": OutputType(
        read=read_average,
        geometry="point, cell",
        choices=("IMT", "MEMBER"),
        about="Geometric mean of the ground motion of a scenario's events, at each site.",
    ),
}
