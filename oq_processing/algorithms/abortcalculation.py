"""Abort Calculation: end a running calculation, and say how it really ended."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..engine.client import EngineClient
from ..engine.errors import Cancelled, EngineError
from ..engine.watch import Identity, abort, is_only_marked
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import CALCULATION_ID, SERVER, id_parameter, read_id, server_parameters
from .common.reporter import Reporter


class AbortCalculation(OpenQuakeAlgorithm):
    """Abort a calculation that is queued or running."""

    ID = "abortcalculation"
    NAME = "Abort Calculation"
    TAGS = ("stop", "kill", "cancel")
    HELP = (
        "Aborts a calculation that is queued or running, and waits until the engine has ended it. "
        "The engine refuses while a calculation is being created, which takes some seconds: it is "
        "asked again. Some servers start a queued calculation although it was aborted: where that "
        "is possible, its turn is awaited, 2 minutes at most.\n\n"
        "STATUS is aborted, or what the calculation had ended as before. Nothing is deleted."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))
        self.addOutput(QgsProcessingOutputString("STATUS", tr("Status")))
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))

    def validate(self, parameters, context) -> int:
        return read_id(self, parameters, CALCULATION_ID, context)

    def execute(
        self, request: int, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request)
        if calculation.is_final and not is_only_marked(client, calculation):
            raise EngineError(
                f"Calculation {request} has ended already ({calculation.status}); "
                "there is nothing to abort."
            )
        report.phase(f"Aborting calculation {request}")
        try:
            status = abort(client, request, Identity(calculation), report.info)
        except Cancelled:
            raise Cancelled(
                f"Cancelled by the user; calculation {request} may go on or be ending."
            ) from None
        if status != "aborted":
            raise EngineError(f"Calculation {request} had ended as {status} before it was aborted.")
        report.info(f"Calculation {request} aborted")
        return {CALCULATION_ID: request, "STATUS": status, SERVER: client.url}
