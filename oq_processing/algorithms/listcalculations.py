"""List Calculations: what is on the server, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qgis.core import (
    QgsConditionalStyle,
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from .. import settings
from ..engine.calculation import Calculation
from ..engine.client import EngineClient
from ..outputs.core.table import BOOLEAN, DATETIME, INTEGER, REAL, TEXT, Column, small_table
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    SERVER,
    InvalidParameter,
    read_flag,
    read_integer,
    read_text,
    server_parameters,
    text_parameter,
    with_help,
)
from .common.reporter import Reporter
from .common.tables import write_table

OUTPUT = "OUTPUT"
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


class ListCalculations(OpenQuakeAlgorithm):
    """List the calculations on the server."""

    ID = "listcalculations"
    NAME = "List Calculations"
    TAGS = ("jobs", "status", "history", "table")
    HELP = (
        "Lists the calculations on the server, newest first: id, description, mode, status, owner, "
        "start, size, the calculation it is based on, tags.\n\n"
        "LATEST_ID is the newest of those found, for the next step of a model; it is left out when "
        "none was found. Hidden calculations (Hide Calculation) are left out unless asked for."
    )

    def initAlgorithm(self, configuration=None) -> None:
        for name, title, text in (
            (
                "STATUS",
                tr("Status"),
                tr("complete, failed, executing, created, …; several with commas."),
            ),
            ("MODE", tr("Calculation mode"), tr("classical, event_based_risk, …")),
            ("DESCRIPTION", tr("Description contains"), tr("Upper and lower case are the same.")),
            ("OWNER", tr("Owner"), tr("Name of the user who started it.")),
        ):
            self.addParameter(text_parameter(name, title, text))
        self.addParameter(
            with_help(
                QgsProcessingParameterNumber(
                    "LIMIT",
                    tr("At most"),
                    QgsProcessingParameterNumber.Type.Integer,
                    defaultValue=0,
                ),
                tr("Number of calculations; 0 for all."),
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterBoolean("INCLUDE_HIDDEN", tr("Hidden ones too"), False),
                tr("List also what was hidden with Hide Calculation."),
            )
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(
                OUTPUT, tr("Calculations"), QgsProcessing.SourceType.TypeVector
            )
        )
        self.addOutput(QgsProcessingOutputNumber("COUNT", tr("Number of calculations")))
        self.addOutput(QgsProcessingOutputNumber("LATEST_ID", tr("Newest calculation")))
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))

    def validate(self, parameters, context) -> ListRequest:
        def text(name: str) -> str:
            return read_text(self, parameters, name, context)

        limit = read_integer(self, parameters, "LIMIT", context)
        if limit is not None and limit < 0:
            raise InvalidParameter(f"LIMIT must be 0 (all) or more, not {limit}.")
        status = tuple(s.strip().lower() for s in text("STATUS").split(",") if s.strip())
        unknown = [s for s in status if s not in STATUS_COLORS]
        if unknown:
            raise InvalidParameter(
                f"There is no status “{unknown[0]}”; there are: {', '.join(STATUS_COLORS)}."
            )
        return ListRequest(
            status,
            text("MODE").lower(),
            text("DESCRIPTION").lower(),
            text("OWNER"),
            limit or 0,
            read_flag(self, parameters, "INCLUDE_HIDDEN", context),
        )

    def execute(
        self, request: ListRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        report.phase("Fetching the list")
        hidden = settings.hidden_ids(client.url)
        found: list[Calculation] = []
        for calculation in _matching(client, request, hidden):
            found.append(calculation)
            if len(found) == request.limit:
                break
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
                c.id in hidden,
            )
            for c in found
        ]
        table = small_table(f"Calculations on {client.url}", COLUMNS, rows)
        output = write_table(self, parameters, OUTPUT, context, report, client, table, _colour)
        report.info(f"{len(found)} calculations")
        results = {OUTPUT: output, "COUNT": len(found), SERVER: client.url}
        if found:
            results["LATEST_ID"] = found[0].id
        return results


def _matching(
    client: EngineClient, request: ListRequest, hidden: set[int]
) -> Iterator[Calculation]:
    """Yield what is wanted; the server knows mode and owner, the rest is compared here."""
    filters = {}
    if request.mode:
        filters["calculation_mode"] = request.mode
    if request.owner:
        filters["user_name_like"] = request.owner
    for calculation in client.all_calculations(**filters):
        if request.status and calculation.status not in request.status:
            continue
        if request.mode and calculation.mode != request.mode:
            continue
        if request.owner and calculation.owner != request.owner:
            continue
        if request.description not in calculation.description.lower():
            continue
        if calculation.id in hidden and not request.include_hidden:
            continue
        yield calculation


def _colour(layer: QgsVectorLayer, first: int) -> None:
    """Colour the rows by status, so that the attribute table tells it at a glance."""
    field = layer.fields()[first + 3].name()
    styles = []
    for status, color in STATUS_COLORS.items():
        row = QgsConditionalStyle(f"\"{field}\" = '{status}'")
        row.setName(status)
        row.setBackgroundColor(QColor(color))
        styles.append(row)
    layer.conditionalStyles().setRowStyles(styles)
