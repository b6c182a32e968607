"""Get Log: the whole log of a calculation in a text file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
)

from ..engine.calculation import ENDED_BADLY, LogRecord
from ..engine.client import EngineClient
from ..engine.errors import Cancelled, EngineError
from ..engine.watch import Identity, bad_end, follow
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    InvalidParameter,
    id_parameter,
    read_flag,
    read_id,
    read_target,
    read_word,
    server_parameters,
    with_help,
)
from .common.reporter import Reporter
from .common.running import LogFile, naming

OUTPUT = "OUTPUT"
LEVELS = ("debug", "info", "warning", "error", "critical")
TAIL = 50  # records of a finished log that are shown; the file has them all


@dataclass(frozen=True)
class LogRequest:
    """Which log, from which level on, and where to."""

    calculation_id: int
    level: str
    follow: bool
    output: Path


class GetLog(OpenQuakeAlgorithm):
    """Store the log of a calculation."""

    ID = "getlog"
    NAME = "Get Log"
    TAGS = ("traceback", "error", "follow", "tail")
    HELP = (
        "Stores the log of a calculation in a text file and shows its end. If the calculation has "
        "failed, the reason is the last thing said.\n\n"
        "With Follow, the log of a running calculation is shown as it grows, until it ends; Cancel "
        "only stops watching."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        level = QgsProcessingParameterEnum(
            "LEVEL", tr("Lowest level"), list(LEVELS), defaultValue="debug", usesStaticStrings=True
        )
        self.addParameter(with_help(level, tr("Records below this level are left out.")))
        self.addParameter(
            with_help(
                QgsProcessingParameterBoolean("FOLLOW", tr("Follow until it ends"), False),
                tr("Off: what has been logged up to now."),
            )
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFileDestination(
                OUTPUT, tr("Log file"), "Text files (*.txt *.log)"
            )
        )
        self.addOutput(QgsProcessingOutputNumber("LINES", tr("Number of log records")))
        self.addOutput(QgsProcessingOutputString("STATUS", tr("Status")))

    def validate(self, parameters, context) -> LogRequest:
        output = read_target(self, parameters, OUTPUT, context)
        if output is None:
            raise InvalidParameter("Give a file for the log: OUTPUT=log.txt.")
        return LogRequest(
            read_id(self, parameters, CALCULATION_ID, context),
            read_word(self, parameters, "LEVEL", context, LEVELS) or "debug",
            read_flag(self, parameters, "FOLLOW", context),
            output,
        )

    def execute(
        self, request: LogRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        number = request.calculation_id
        calculation = client.calculation(number)
        report.info(f"Calculation {number}: {calculation.description} ({calculation.status})")
        # by what is left out: a level that we do not know is never lost
        unwanted = set(LEVELS[: LEVELS.index(request.level)])
        count = 0

        def chosen(records: Iterable[LogRecord]) -> list[LogRecord]:
            return [r for r in records if r.level.lower() not in unwanted]

        with LogFile(request.output) as log:
            if request.follow and not calculation.is_final:
                rest = f"the whole log is in {request.output}."
                identity = Identity(calculation)
                try:
                    with naming(number, "could not be followed:"):
                        for update in follow(client, number, identity=identity):
                            records = chosen(update.records)
                            log.write(number, records)
                            count += len(records)
                            report.records(records, rest)
                            if update.note:
                                report.warn(update.note)
                            report.progress(update.percent)
                            calculation = update.calculation
                except Cancelled:
                    raise Cancelled(
                        f"Cancelled by the user; calculation {number} goes on."
                    ) from None
            else:
                tail: deque[LogRecord] = deque(maxlen=TAIL)
                for record in client.whole_log(number):
                    if record.level.lower() not in unwanted:
                        log.write(number, (record,))
                        tail.append(record)
                        count += 1
                if count > TAIL:
                    report.info(f"The last {TAIL} of {count} records; all are in {request.output}")
                report.records(tail, "")
            log.whole()
        if log.problem:
            raise EngineError(f"Calculation {number}: {log.problem}.")
        if calculation.status in ENDED_BADLY:
            word, reason = bad_end(client, calculation)
            report.warn(f"Calculation {number} {word}: {reason}.")
        return {OUTPUT: str(request.output), "LINES": count, "STATUS": calculation.status}
