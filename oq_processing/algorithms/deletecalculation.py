"""Delete Calculation Permanently: the engine's remove, behind a confirmation."""

from __future__ import annotations

from .. import settings
from ..engine.errors import EngineError
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.values import InvalidParameter, Values

CONFIRM = "CONFIRM"


class DeleteCalculation(BaseAlgorithm[int]):
    """Delete a calculation with its outputs, log and data from the server."""

    ID = "deletecalculation"
    NAME = tr_noop("Delete Calculation Permanently")
    TAGS = ("remove", "erase")
    HELP = tr_noop(
        "Deletes a calculation from the server for good: its entry, outputs, log and datastore. "
        "This cannot be undone. To only keep it out of the list, use Hide Calculation.\n\n"
        "A running calculation is refused: abort it first. So is one that others are based on: "
        "delete those first."
    )
    CALCULATION = ANY_CALCULATION

    def inputs(self) -> Parameters:
        about = tr("Type the id of the calculation once more; anything else deletes nothing.")
        return [p.text(CONFIRM, tr("Confirm by its id"), about)]

    def results(self) -> Outputs:
        return p.outputs(p.CALCULATION_ID)

    def validate(self, values: Values) -> int:
        number = values.id()
        if values.text(CONFIRM) != str(number):
            raise InvalidParameter(
                f"Calculation {number} is not deleted: {CONFIRM} must be its id, “{number}”."
            )
        return number

    def execute(self, run: Run[int]) -> Results:
        number, client = run.request, run.client
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
        try:
            settings.forget(client.url, number)
        except EngineError as error:  # the deletion is what matters
            run.report.warn(str(error))
        size = "" if calculation.size_mb is None else f", {calculation.size_mb:.1f} MB"
        run.report.info(
            f"Deleted calculation {number} ({calculation.description}): its entry, log, "
            f"{len(outputs)} outputs and datastore{size}"
        )
        return {p.CALCULATION_ID: number}
