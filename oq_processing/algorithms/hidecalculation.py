"""Hide Calculation: out of sight in our lists, untouched on the server."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import QgsProcessingOutputNumber, QgsProcessingParameterBoolean

from .. import settings
from ..engine.client import EngineClient
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    id_parameter,
    read_flag,
    read_id,
    server_parameters,
    with_help,
)
from .common.reporter import Reporter

HIDE = "HIDE"


@dataclass(frozen=True)
class HideRequest:
    """Which calculation, and whether to hide it or to show it again."""

    calculation_id: int
    hide: bool


class HideCalculation(OpenQuakeAlgorithm):
    """Leave a calculation out of the list; nothing on the server changes."""

    ID = "hidecalculation"
    NAME = "Hide Calculation"
    TAGS = ("list", "remove", "show")
    HELP = (
        "Leaves a calculation out of List Calculations, on this computer and for this user. "
        "Nothing is deleted and nothing on the server changes: its outputs, log and data stay "
        "where they are and can be used as before.\n\n"
        "Switch Hide off to show it again."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterBoolean(HIDE, tr("Hide"), True),
                tr("Off: show the calculation again."),
            )
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))

    def validate(self, parameters, context) -> HideRequest:
        return HideRequest(
            read_id(self, parameters, CALCULATION_ID, context),
            read_flag(self, parameters, HIDE, context),
        )

    def execute(
        self, request: HideRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request.calculation_id)
        settings.set_hidden(client.url, calculation.id, request.hide)
        word = "hidden; it stays on the server" if request.hide else "shown again"
        report.info(f"Calculation {calculation.id} ({calculation.description}) is {word}")
        return {CALCULATION_ID: calculation.id}
