"""Wait for Calculation: come back to a running calculation, from any session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
)

from ..engine.client import EngineClient
from ..engine.errors import Cancelled, EngineError
from ..engine.wait import Wait
from ..engine.watch import Identity
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    SERVER,
    InvalidParameter,
    advanced,
    id_parameter,
    read_flag,
    read_id,
    read_number,
    server_parameters,
    with_help,
)
from .common.reporter import Reporter
from .common.running import LogFile, naming, outcome, read_log, watch

MAX_WAIT = "MAX_WAIT"
FAIL_ON_FAILED = "FAIL_ON_FAILED"
LOG = "LOG"


@dataclass(frozen=True)
class WaitRequest:
    """What a wait needs; ``max_wait`` in minutes, None for as long as it takes."""

    calculation_id: int
    max_wait: float | None
    fail_on_failed: bool
    log: Path | None


class WaitForCalculation(OpenQuakeAlgorithm):
    """Follow a calculation that is running until it ends."""

    ID = "waitforcalculation"
    NAME = "Wait for Calculation"
    TAGS = ("follow", "attach", "progress", "log")
    HELP = (
        "Follows a calculation until it has ended, whoever started it: status, progress and log "
        "lines are shown as they come.\n\n"
        "Cancel only stops watching; the calculation goes on."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterNumber(
                    MAX_WAIT,
                    tr("Wait at most (minutes)"),
                    QgsProcessingParameterNumber.Type.Double,
                    optional=True,
                ),
                tr(
                    "After this time the algorithm fails; the calculation goes on. Empty: no limit."
                ),
            )
        )
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterBoolean(
                        FAIL_ON_FAILED, tr("Fail if the calculation fails"), True
                    ),
                    tr("Off: end well and return STATUS=failed instead."),
                )
            )
        )
        log = QgsProcessingParameterFileDestination(
            LOG, tr("Log file"), "Text files (*.txt *.log)", optional=True, createByDefault=False
        )
        self.addParameter(advanced(with_help(log, tr("Where to store the whole log."))))
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))
        self.addOutput(QgsProcessingOutputString("STATUS", tr("Status")))
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))

    def validate(self, parameters, context) -> WaitRequest:
        # a model of 3.22 gives 0 for a number that was left empty
        max_wait = read_number(self, parameters, MAX_WAIT, context) or None
        if max_wait is not None and max_wait < 0:
            raise InvalidParameter(f"{MAX_WAIT} must be a number of minutes, not {max_wait:g}.")
        return WaitRequest(
            calculation_id=read_id(self, parameters, CALCULATION_ID, context),
            max_wait=max_wait,
            fail_on_failed=read_flag(self, parameters, FAIL_ON_FAILED, context),
            log=read_log(self, parameters, LOG, context),
        )

    def execute(
        self, request: WaitRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request.calculation_id)
        report.info(f"Calculation {calculation.id}: {calculation.description}")
        until = None if request.max_wait is None else time.monotonic() + request.max_wait * 60
        user = report.wait
        # a server that answers late, or not at all, must not make the wait longer
        client.transport.wait = Wait(
            lambda: user.cancelled() or (until is not None and time.monotonic() > until), user.idle
        )
        with naming(calculation.id, "could not be followed:") as known:
            with LogFile(request.log) as log:
                try:
                    identity = Identity(calculation)
                    status = watch(client, report, calculation.id, log, identity=identity)
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
            results = outcome(client, known, status, request.fail_on_failed, log)
        if request.log is not None:
            results[LOG] = str(request.log)
        return results
