"""Abort Calculation: end a running calculation, and say how it really ended."""

from __future__ import annotations

from ..engine.errors import Cancelled, EngineError
from ..engine.watch import Identity, abort, is_only_marked
from ..i18n import tr_noop
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs
from .common.run import Results, Run
from .common.values import Values


class AbortCalculation(BaseAlgorithm[int]):
    """Abort a calculation that is queued or running."""

    ID = "abortcalculation"
    NAME = tr_noop("Abort Calculation")
    TAGS = ("stop", "kill", "cancel")
    HELP = tr_noop(
        "Aborts a calculation that is queued or running, and waits until the engine has ended it. "
        "The engine refuses while a calculation is being created, which takes some seconds: it is "
        "asked again. Some servers start a queued calculation although it was aborted: where that "
        "is possible, its turn is awaited, 2 minutes at most.\n\n"
        "STATUS is aborted, or what the calculation had ended as before. Nothing is deleted."
    )
    CALCULATION = ANY_CALCULATION

    def results(self) -> Outputs:
        return p.outputs(p.CALCULATION_ID, p.STATUS, p.SERVER)

    def validate(self, values: Values) -> int:
        return values.id()

    def execute(self, run: Run[int]) -> Results:
        number, client, report = run.request, run.client, run.report
        calculation = client.calculation(number)
        if calculation.is_final and not is_only_marked(client, calculation):
            raise EngineError(
                f"Calculation {number} has ended already ({calculation.status}); "
                "there is nothing to abort."
            )
        report.phase(f"Aborting calculation {number}")
        try:
            status = abort(client, number, Identity(calculation), report.info)
        except Cancelled:
            raise Cancelled(
                f"Cancelled by the user; calculation {number} may go on or be ending."
            ) from None
        if status != "aborted":
            raise EngineError(f"Calculation {number} had ended as {status} before it was aborted.")
        report.info(f"Calculation {number} aborted")
        return {p.CALCULATION_ID: number, p.STATUS: status, p.SERVER: client.url}
