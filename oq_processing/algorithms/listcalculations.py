"""List Calculations: what is on the server, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from qgis.core import QgsConditionalStyle, QgsVectorLayer
from qgis.PyQt.QtGui import QColor

from .. import settings
from ..engine.calculation import Calculation
from ..engine.client import EngineClient
from ..i18n import tr, tr_noop
from ..outputs.core.table import BOOLEAN, DATETIME, INTEGER, REAL, TEXT, Column, small_table
from .common import parameters as p
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.values import InvalidParameter, Values

COLUMNS = (
    Column("id", INTEGER, "Calculation"),
    Column("description", TEXT, "Description"),
    Column("mode", TEXT, "Calculation mode"),
    Column("status", TEXT, "Status"),
    Column("owner", TEXT, "Owner"),
    Column("start_time", DATETIME, "Start (UTC)"),
    Column("size_mb", REAL, "Size", "MB"),
    Column("parent_id", INTEGER, "Based on calculation"),
    Column("tags", TEXT, "Tags"),
    Column("hidden", BOOLEAN, "Hidden"),
)
STATUS_COLORS = {
    "complete": "#c8e6c9",
    "shared": "#c8e6c9",
    "executing": "#bbdefb",
    "submitted": "#fff9c4",
    "created": "#fff9c4",
    "aborted": "#e0e0e0",
    "failed": "#ffcdd2",
}


@dataclass(frozen=True)
class ListRequest:
    """Which calculations are wanted; empty texts and a limit of 0 mean all."""

    status: tuple[str, ...]
    mode: str
    description: str
    owner: str
    limit: int
    include_hidden: bool

    def wants(self, calculation: Calculation, hidden: settings.Hidden) -> bool:
        """Return whether a calculation is wanted; ``hidden`` has those that the user hides."""
        return (
            (not self.status or calculation.status in self.status)
            and (not self.mode or calculation.mode == self.mode)
            and (not self.owner or calculation.owner == self.owner)
            and self.description in calculation.description.lower()
            and (self.include_hidden or calculation not in hidden)
        )


class ListCalculations(BaseAlgorithm[ListRequest]):
    """List the calculations on the server."""

    ID = "listcalculations"
    NAME = tr_noop("List Calculations")
    TAGS = ("jobs", "status", "history", "table")
    HELP = tr_noop(
        "Lists the calculations on the server, newest first: id, description, mode, status, owner, "
        "start, size, the calculation it is based on, tags.\n\n"
        "LATEST_ID is the newest of those found, for the next step of a model; it is left out when "
        "none was found. Hidden calculations (Hide Calculation) are left out unless asked for."
    )

    def inputs(self) -> Parameters:
        return [
            p.text(
                p.STATUS,
                tr("Status"),
                tr("complete, failed, executing, created, …; several with commas."),
            ),
            p.text("MODE", tr("Calculation mode"), tr("classical, event_based_risk, …")),
            p.text(
                "DESCRIPTION", tr("Description contains"), tr("Upper and lower case are the same.")
            ),
            p.text("OWNER", tr("Owner"), tr("Name of the user who started it.")),
            p.number(
                "LIMIT",
                tr("Maximum number"),
                tr("Number of calculations; 0 for all."),
                default=0,
                optional=False,
            ),
            p.flag(
                "INCLUDE_HIDDEN",
                tr("Include hidden"),
                tr("List also what was hidden with Hide Calculation."),
                False,
            ),
        ]

    def targets(self) -> Parameters:
        return [p.sink(p.OUTPUT, tr("Calculations"), p.SourceType.TypeVector)]

    def results(self) -> Outputs:
        return [
            p.number_output("COUNT", tr("Number of calculations")),
            p.number_output("LATEST_ID", tr("Newest calculation")),
            *p.outputs(p.SERVER),
        ]

    def validate(self, values: Values) -> ListRequest:
        limit = values.whole("LIMIT")
        if limit is not None and limit < 0:
            raise InvalidParameter(f"LIMIT must be 0 (all) or more, not {limit}.")
        words = values.text(p.STATUS).lower().split(",")
        status = tuple(word.strip() for word in words if word.strip())
        unknown = [s for s in status if s not in STATUS_COLORS]
        if unknown:
            raise InvalidParameter(
                f"There is no status “{unknown[0]}”; there are: {', '.join(STATUS_COLORS)}."
            )
        return ListRequest(
            status,
            values.text("MODE").lower(),
            values.text("DESCRIPTION").lower(),
            values.text("OWNER"),
            limit or 0,
            values.flag("INCLUDE_HIDDEN"),
        )

    def execute(self, run: Run[ListRequest]) -> Results:
        client, request = run.client, run.request
        run.report.phase("Fetching the list")
        hidden = settings.hidden(client.url)
        wanted = (c for c in _listed(client, request) if request.wants(c, hidden))
        found = list(islice(wanted, request.limit or None))
        rows = [
            (
                c.id,
                c.description,
                c.mode,
                c.status,
                c.owner,
                c.start_time,
                c.size_mb,
                c.parent_id,
                c.tags,
                c in hidden,
            )
            for c in found
        ]
        table = small_table(f"Calculations on {client.url}", COLUMNS, rows)
        output = run.write_table(p.OUTPUT, table, _colour)
        run.report.info(f"{len(found)} calculations")
        results = {p.OUTPUT: output, "COUNT": len(found), p.SERVER: client.url}
        if found:
            results["LATEST_ID"] = found[0].id
        return results


def _listed(client: EngineClient, request: ListRequest) -> Iterator[Calculation]:
    """Yield what the server lists; it knows mode and owner only, and owners roughly."""
    filters = {"calculation_mode": request.mode, "user_name_like": request.owner}
    yield from client.all_calculations(**{k: v for k, v in filters.items() if v})


def _colour(layer: QgsVectorLayer, first: int) -> None:
    """Colour the rows of the attribute table by status."""
    field = layer.fields()[first + 3].name()
    styles = []
    for status, color in STATUS_COLORS.items():
        row = QgsConditionalStyle(f"\"{field}\" = '{status}'")
        row.setName(status)
        row.setBackgroundColor(QColor(color))
        styles.append(row)
    layer.conditionalStyles().setRowStyles(styles)
