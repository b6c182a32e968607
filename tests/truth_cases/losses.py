"""Average losses and damage of assets: every statistic and realization, alone and side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator

from truth import Case, CsvTable, Expected

ALONE = 5
TOGETHER = 20  # realizations in a layer: it has 500 fields at most


def by_asset(case: Case) -> Iterator[Expected]:
    """Yield the first members each by itself, all of them side by side, and one taxonomy.

    The assets of further members are those of the first: the reader compares them itself.
    """
    for number, (member, table) in enumerate(case.export.items()):
        if number < ALONE:
            yield Expected({"KIND": _kind(member)}, _columns(table), _points(table))
        else:
            for name in _about(table):
                case.leave_out("the same assets as those of the first", member, name)
    members = list(case.export)
    for start in range(0, len(members) if len(members) > 1 else 0, TOGETHER):
        part = members[start : start + TOGETHER]
        columns = {
            f"{_kind(member)}-{name}" if len(part) > 1 else name: case.export[member].column(name)
            for member in part
            for name in _values(case.export[member])
        }
        kinds = ", ".join(_kind(member) for member in part)
        yield Expected({"KIND": kinds}, columns, _points(case.export[members[0]]))
    first = case.export[members[0]]
    if "taxonomy" in first.header and first.rows:
        chosen = first.column("taxonomy")[len(first.rows) // 2]
        rows = [i for i, name in enumerate(first.column("taxonomy")) if name == chosen]
        yield Expected(
            {"KIND": _kind(members[0]), "TAXONOMY": str(chosen)},
            {name: [cells[i] for i in rows] for name, cells in _columns(first).items()},
            [_points(first)[i] for i in rows],
        )


def _kind(member: str) -> str:
    """Return what KIND calls a member: ``avg_losses-rlz-000`` is ``rlz-0``."""
    kind = member.partition("-")[2]
    return f"rlz-{int(kind[4:])}" if re.fullmatch(r"rlz-\d+", kind) else kind


def _about(table: CsvTable) -> list[str]:
    return table.header[: table.header.index("lat") + 1]


def _values(table: CsvTable) -> list[str]:
    return table.header[table.header.index("lat") + 1 :]


def _columns(table: CsvTable) -> dict[str, list[str]]:
    return {name: table.column(name) for name in table.header}


def _points(table: CsvTable) -> list[tuple[str, str]]:
    return list(zip(table.column("lon"), table.column("lat")))


CASES = dict.fromkeys(
    ("avg_losses-stats", "avg_losses-rlzs", "damages-stats", "damages-rlzs"), by_asset
)
