"""Disaggregation: all sites of each kind, a file by its name, the cells of one probability."""

from __future__ import annotations

from collections.abc import Iterator

from truth import Case, CsvTable, Expected


def disaggregation(case: Case) -> Iterator[Expected]:
    """Rows and columns are those of the file; cells are the rows of one IMT and probability."""
    kind = {"KIND": "rlzs"} if case.output.type == "disagg-rlzs" else {}
    by_kind: dict[str, list[str]] = {}
    for member in case.export:
        by_kind.setdefault(member.partition("-")[0], []).append(member)
    for name, members in by_kind.items():
        members.sort(key=lambda member: int(member.rpartition("-")[2]))
        whole: dict[str, list[str]] = {}
        for member in members:
            for column in case.export[member].header:
                whole.setdefault(column, []).extend(case.export[member].column(column))
        alike = len({tuple(case.export[member].header) for member in members}) == 1
        if alike:
            yield Expected({"MEMBER": name, "GEOMETRY": "none", **kind}, whole)
        for member in members[-1:] if alike else members:
            table = case.export[member]
            yield Expected({"MEMBER": member, "GEOMETRY": "none", **kind}, _rows(table, {}))
            if name == "Lon_Lat":
                imt, poe = table.column("imt")[-1], table.column("poe")[-1]
                choices = {"MEMBER": member, "IMT": imt, "POE": poe, "GEOMETRY": "cell"}
                yield Expected({**choices, **kind}, _rows(table, {"imt": imt, "poe": poe}))


def _rows(table: CsvTable, wanted: dict[str, str]) -> dict[str, list[str]]:
    at = {name: table.header.index(name) for name in wanted}
    rows = [row for row in table.rows if all(row[at[n]] == v for n, v in wanted.items())]
    return {name: [row[i] for row in rows] for i, name in enumerate(table.header)}


CASES = dict.fromkeys(("disagg-stats", "disagg-rlzs"), disaggregation)
