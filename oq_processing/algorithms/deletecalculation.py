"""Delete Calculation Permanently: the engine's remove, behind a confirmation."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import QgsProcessingOutputNumber

from .. import settings
from ..engine.client import EngineClient
from ..engine.errors import EngineError
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    InvalidParameter,
    id_parameter,
    read_id,
    read_text,
    server_parameters,
    text_parameter,
)
from .common.reporter import Reporter

CONFIRM = "CONFIRM"


@dataclass(frozen=True)
class DeleteRequest:
    """Which calculation; the confirmation has been checked."""

    calculation_id: int


class DeleteCalculation(OpenQuakeAlgorithm):
    """Delete a calculation with its outputs, log and data from the server."""

    ID = "deletecalculation"
    NAME = "Delete Calculation Permanently"
    TAGS = ("remove", "erase")
    HELP = (
        "Deletes a calculation from the server for good: its entry, outputs, log and datastore. "
        "This cannot be undone. To only keep it out of the list, use Hide Calculation.\n\n"
        "A running calculation is refused: abort it first. So is one that others are based on: "
        "delete those first."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        confirm = text_parameter(
            CONFIRM,
            tr("Confirm by its id"),
            tr("Type the id of the calculation once more; anything else deletes nothing."),
        )
        self.addParameter(confirm)
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))

    def validate(self, parameters, context) -> DeleteRequest:
        calculation_id = read_id(self, parameters, CALCULATION_ID, context)
        if read_text(self, parameters, CONFIRM, context) != str(calculation_id):
            raise InvalidParameter(
                f"Calculation {calculation_id} is not deleted: {CONFIRM} must be its id, "
                f"“{calculation_id}”."
            )
        return DeleteRequest(calculation_id)

    def execute(
        self, request: DeleteRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        number = request.calculation_id
        calculation = client.calculation(number)
        if not calculation.is_final:
            raise EngineError(
                f"Calculation {number} is {calculation.status} and is not deleted; abort it first."
            )
        children = [c.id for c in client.all_calculations() if c.parent_id == number]
        if children:
            raise EngineError(
                f"Calculation {number} is not deleted: based on it are "
                f"{', '.join(map(str, children))}; delete those first."
            )
        outputs = client.outputs(number)
        client.remove(number)
        settings.set_hidden(client.url, number, hide=False)
        size = "" if calculation.size_mb is None else f", {calculation.size_mb:.1f} MB"
        report.info(
            f"Deleted calculation {number} ({calculation.description}): its entry, log, "
            f"{len(outputs)} outputs and datastore{size}"
        )
        return {CALCULATION_ID: number}
