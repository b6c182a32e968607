"""Wait for Calculation: come back to a running calculation, from any session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import Cancelled, EngineError
from ..engine.wait import Wait
from ..engine.watch import Identity
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.log_file import LogFile
from .common.run import Results, Run
from .common.running import naming, outcome, watch
from .common.values import InvalidParameter, Values

MAX_WAIT = "MAX_WAIT"


@dataclass(frozen=True)
class WaitRequest:
    """What a wait needs; ``max_wait`` in minutes, None for as long as it takes."""

    calculation_id: int
    max_wait: float | None
    fail_on_failed: bool
    log: Path | None


class WaitForCalculation(BaseAlgorithm[WaitRequest]):
    """Follow a calculation that is running until it ends."""

    ID = "waitforcalculation"
    NAME = tr_noop("Wait for Calculation")
    TAGS = ("follow", "attach", "progress", "log")
    HELP = tr_noop(
        "Follows a calculation until it has ended, whoever started it: status, progress and log "
        "lines are shown as they come.\n\n"
        "Cancel only stops watching; the calculation goes on."
    )
    CALCULATION = ANY_CALCULATION

    def inputs(self) -> Parameters:
        return [
            p.number(
                MAX_WAIT,
                tr("Wait at most (minutes)"),
                tr(
                    "After this time the algorithm fails; the calculation goes on. Empty: no limit."
                ),
                whole=False,
            ),
            p.fail_on_failed(),
            p.log_file(),
        ]

    def results(self) -> Outputs:
        return p.outputs(p.CALCULATION_ID, p.STATUS, p.SERVER)

    def validate(self, values: Values) -> WaitRequest:
        # a model of 3.22 gives 0 for a number that was left empty
        max_wait = values.number(MAX_WAIT) or None
        if max_wait is not None and max_wait < 0:
            raise InvalidParameter(f"{MAX_WAIT} must be a number of minutes, not {max_wait:g}.")
        return WaitRequest(
            calculation_id=values.id(),
            max_wait=max_wait,
            fail_on_failed=values.flag(p.FAIL_ON_FAILED),
            log=values.log(),
        )

    def execute(self, run: Run[WaitRequest]) -> Results:
        request, client = run.request, run.client
        calculation = client.calculation(request.calculation_id)
        run.report.info(f"Calculation {calculation.id}: {calculation.description}")
        until = None if request.max_wait is None else time.monotonic() + request.max_wait * 60
        user = run.report.wait
        # a server that answers late, or not at all, must not make the wait longer
        client.transport.wait = Wait(
            lambda: user.cancelled() or (until is not None and time.monotonic() > until), user.idle
        )
        with naming(calculation.id, "could not be followed:") as known:
            with LogFile(request.log) as log:
                try:
                    identity = Identity(calculation)
                    status = watch(client, run.report, calculation.id, log, identity=identity)
                except Cancelled:
                    if user.cancelled():
                        raise Cancelled(
                            f"Cancelled by the user; calculation {calculation.id} goes on."
                        ) from None
                    raise EngineError(
                        f"Calculation {calculation.id} has not ended within {request.max_wait:g} "
                        "minutes; it goes on, and can be waited for again."
                    ) from None
            client.transport.wait = user
            return outcome(client, known, status, request.fail_on_failed, log)
