"""The fields of all events, by the files of the export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from ...engine.errors import InvalidChoice, InvalidOutput
from ..assets.selection import largest_on_top
from ..core.choices import Choices
from ..core.columns import EVENT
from ..core.csv_export import CsvFile, csv_files, scan
from ..core.lazy import np
from ..core.notes import Warn
from ..core.output_type import OutputType
from ..core.palettes import ground_motion_style
from ..core.quantities import words_of
from ..core.source import Source
from ..core.table import Block, Column, ColumnType, Geometry, Table, rows_per_block
from ..sites.collection import GEOHASH, are_geohashes, site_columns
from . import general
from .ground_motion_events import ALL_EVENTS
from .ground_motion_fields import motion_of


def read_member(source: Source, choices: Choices) -> Table:
    """Return the chosen file of the export: the fields of all events with their sites, or another.

    Raises :class:`InvalidChoice` for what it does not have, :class:`InvalidOutput` where it is not
    as the engine makes it.
    """
    if choices.imt or choices.event_id or choices.rupture_id:
        raise InvalidChoice("MEMBER loads a whole file; leave IMT, EVENT_ID and RUPTURE_ID empty.")
    all_events = choices.member.strip().lower() == ALL_EVENTS and source.output.type != "avg_gmf"
    known = _ALL_EVENTS if all_events else general.ANY
    known.check(choices, ALL_EVENTS if all_events else source.output.name)
    return known.read(source, choices)


def _read_all_events(source: Source, choices: Choices) -> Table:
    """Return the fields of all events: one row per event and site."""
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
            Warn(f"{doubtful} site ids stand for several places; their rows have no coordinates.")
        )
        if choices.geometry == Geometry.POINT:
            raise InvalidChoice(f"{notes[0]} Use GEOMETRY=none.")
    about = [c for c in site_columns(True) if c.name in (key, "lon", "lat")]
    if key != "site_id" and are_geohashes(islice(places.items(), 100)):
        about[0] = GEOHASH
    columns = [EVENT, *about]
    values = [i for i, name in enumerate(file.header) if name not in ("event_id", key)]
    for i in values:
        name = file.header[i]
        imt = name[len("gmv_") :] if name.startswith("gmv_") else name
        columns.append(motion_of(source, name, imt, words_of(imt)))
    positions = (file.header.index("event_id"), file.header.index(key), *values)
    points = choices.geometry == Geometry.POINT
    table = Table(
        title=f"Ground motion of all events of calculation {source.calculation.id}",
        columns=tuple(columns),
        rows=file.rows,
        blocks=partial(_all_events, file, columns, positions, places, points),
        geometry=Geometry.POINT if points else Geometry.NONE,
        style=ground_motion_style(columns[4]) if points else None,
        notes=tuple(notes),
        provenance=source.provenance(choices, [ALL_EVENTS, "sitemesh"]),
    )
    return largest_on_top(table)


def _places(mesh: CsvFile, key: str) -> tuple[dict[str, tuple[float, float]], int]:
    """Return longitude and latitude by site id, and how many ids stand for several places."""
    found: dict[str, tuple[float, float]] = {}
    doubtful = set()
    for row in mesh.read():
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
    event, site, *others = positions
    types = [c.type for c in (*columns[:2], *columns[4:])]
    nowhere = (np.nan, np.nan)
    # the site again, as the text that its place is looked up by
    wanted = file.blocks(
        [site, event, site, *others], [ColumnType.TEXT, *types], rows_per_block(len(columns))
    )
    for sites, *arrays in wanted:
        xy = np.array([places.get(s, nowhere) for s in sites])
        yield Block((*arrays[:2], xy[:, 0], xy[:, 1], *arrays[2:]), xy if points else None)


_ALL_EVENTS = OutputType(
    read=_read_all_events,
    geometries=(Geometry.NONE, Geometry.POINT),
    choices=("MEMBER",),
    about="The ground motion of all events at each site.",
)
