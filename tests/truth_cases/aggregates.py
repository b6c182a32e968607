"""Totals of risk: every file of the export, by MEMBER, and all of one kind where nothing is chosen.

The rows and columns of a layer are those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from truth import Case, CsvTable, Expected

KINDS = ("stat", "rlz_id")


def by_member(case: Case) -> Iterator[Expected]:
    """Every file, whole."""
    for member, table in case.export.items():
        yield Expected({"MEMBER": member}, _columns(table, range(len(table.rows))))


def by_choice(case: Case) -> Iterator[Expected]:
    """Every file, whole, and the first and last of what may be chosen of it."""
    yield from by_member(case)
    for member, table in case.export.items():
        for parameter, names in (
            ("LOSS_TYPE", ("loss_type",)),
            ("KIND", KINDS),
            ("RETURN_PERIOD", ("return_period",)),
        ):
            for name in names:
                if name not in table.header or not table.rows:
                    continue
                cells = table.column(name)
                for text in dict.fromkeys((cells[0], cells[-1])):
                    rows = [i for i, cell in enumerate(cells) if cell == text]
                    chosen = f"rlz-{text}" if name == "rlz_id" else str(text)
                    yield Expected({"MEMBER": member, parameter: chosen}, _columns(table, rows))


def by_source(case: Case) -> Iterator[Expected]:
    """A file for each loss type; all of them one after another, with their loss type."""
    yield from by_member(case)
    whole: dict[str, list[str]] = {"loss_type": []}
    for member, table in case.export.items():
        whole["loss_type"] += [member[len("src_loss_") :]] * len(table.rows)
        for name in table.header:
            whole.setdefault(name, []).extend(table.column(name))
    yield Expected({}, whole)


def _columns(table: CsvTable, rows) -> dict[str, list[str]]:
    found = {}
    for name in table.header:
        cells = table.column(name)
        found[name] = [cells[i] for i in rows]
    return found


CASES = {
    **dict.fromkeys(("aggrisk", "aggrisk-stats", "aggcurves", "aggcurves-stats"), by_choice),
    **dict.fromkeys(
        ("avg_losses_by", "agg_risk", "risk_by_event", "aggexp_tags", "mmi_tags"), by_member
    ),
    **dict.fromkeys(
        (
            "reinsurance-avg_policy",
            "reinsurance-avg_portfolio",
            "reinsurance-risk_by_event",
            "reinsurance-aggcurves",
        ),
        by_member,
    ),
    "src_loss_table": by_source,
}
