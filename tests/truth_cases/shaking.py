"""Ground motion fields and ruptures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from truth import Case, CsvTable, Expected, general_case


def ground_motion(case: Case) -> Iterator[Expected]:
    """Every file as it is, and the fields of some events beside the sites of the sitemesh."""
    yield from _files(case)
    all_events, mesh = case.export["gmf-data"], case.export["sitemesh"]
    for event in _some_events(all_events):
        columns = {name: mesh.column(name) for name in mesh.header}
        columns.update(_field(all_events, mesh, event))
        yield Expected({"EVENT_ID": event}, columns, _places(mesh))


def _files(case: Case) -> Iterator[Expected]:
    for expected in general_case(case):
        if expected.parameters["MEMBER"] != "gmf-data":
            yield expected
            continue
        # its sites are located by the sitemesh
        table, mesh = case.export["gmf-data"], case.export["sitemesh"]
        key = mesh.header[0]
        place = {row[0]: row[1:3] for row in mesh.rows}
        if len(place) == len(mesh.rows):
            lon, lat = zip(*(place[site] for site in table.column(key)))
            columns = {**expected.columns, "lon": lon, "lat": lat}
            yield Expected(expected.parameters, columns)
        else:
            yield expected


def _some_events(table: CsvTable) -> list[str]:
    """Return the first event, the last, those of the most and of the fewest sites."""
    sites = Counter(table.column("event_id"))
    if not sites:
        return []
    ids = list(sites)
    return list(dict.fromkeys([ids[0], max(ids, key=sites.get), min(ids, key=sites.get), ids[-1]]))


def _field(table: CsvTable, mesh: CsvTable, event: str) -> dict[str, list[str]]:
    """Return the cells of an event by field name, one for each site; "" where there is no row."""
    key = mesh.header[0]
    ours, theirs = table.header.index("event_id"), table.header.index(key)
    values = [i for i in range(len(table.header)) if i not in (ours, theirs)]
    rows = iter([row for row in table.rows if row[ours] == event])
    row = next(rows, None)
    found: list[list[str]] = []
    for site in mesh.column(key):  # both are in the order of the sites
        if row is not None and row[theirs] == site:
            found.append([row[i] for i in values])
            row = next(rows, None)
        else:
            found.append([""] * len(values))
    assert row is None
    names = [table.header[i] for i in values]
    return {
        name[len("gmv_") :] if name.startswith("gmv_") else name: list(cells)
        for name, cells in zip(names, zip(*found))
    }


def average(case: Case) -> Iterator[Expected]:
    """The average of a scenario; of other calculations the file as it is."""
    if not case.calculation.mode.startswith("scenario"):
        yield from general_case(case)
        return
    [table] = case.export.values()
    yield Expected({}, {name: table.column(name) for name in table.header}, _places(table))


def ruptures(case: Case) -> Iterator[Expected]:
    """Every rupture as a polygon, and as its centroid."""
    [table] = case.export.values()
    columns = {name: table.column(name) for name in table.header}
    yield Expected({}, columns)
    xy = list(zip(table.column("centroid_lon"), table.column("centroid_lat")))
    yield Expected({"GEOMETRY": "point"}, {"rup_id": table.column("rup_id")}, xy)


def _places(table: CsvTable) -> list[tuple[str, str]]:
    return list(zip(table.column("lon"), table.column("lat")))


CASES = {"gmf_data": ground_motion, "avg_gmf": average, "ruptures": ruptures}
