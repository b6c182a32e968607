"""Get Log: the whole log of a calculation in a text file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics import printable
from ..engine.calculation import ENDED_BADLY, Calculation, LogRecord
from ..engine.errors import Cancelled, EngineError
from ..engine.watch import Identity, bad_end, follow
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.log_file import LogFile
from .common.run import Results, Run
from .common.running import naming
from .common.values import Values

LEVEL = "LEVEL"
FOLLOW = "FOLLOW"
LINES = "LINES"
LEVELS = ("debug", "info", "warning", "error", "critical")
TAIL = 50  # records of a finished log that are shown; the file has them all


@dataclass(frozen=True)
class LogRequest:
    """Which log, from which level on, and where to."""

    calculation_id: int
    level: str
    follow: bool
    output: Path

    def chosen(self, records: Iterable[LogRecord]) -> list[LogRecord]:
        """Return the records that are wanted: a level that is not known here is never lost."""
        unwanted = LEVELS[: LEVELS.index(self.level)]
        return [r for r in records if r.level.lower() not in unwanted]


class GetLog(BaseAlgorithm[LogRequest]):
    """Store the log of a calculation."""

    ID = "getlog"
    NAME = tr_noop("Get Log")
    TAGS = ("traceback", "error", "follow", "tail")
    HELP = tr_noop(
        "Stores the log of a calculation in a text file and shows its end. If the calculation has "
        "failed, the reason is the last thing said.\n\n"
        "With Follow, the log of a running calculation is shown as it grows, until it ends; Cancel "
        "only stops watching."
    )
    CALCULATION = ANY_CALCULATION

    def inputs(self) -> Parameters:
        return [
            p.word(
                LEVEL,
                tr("Lowest level"),
                tr("Records below this level are left out."),
                LEVELS,
                default="debug",
            ),
            p.flag(
                FOLLOW,
                tr("Follow until it ends"),
                tr("Off: what has been logged up to now."),
                False,
            ),
        ]

    def targets(self) -> Parameters:
        return [p.target(p.OUTPUT, tr("Log file"), tr("Text files (*.txt *.log)"))]

    def results(self) -> Outputs:
        return [p.number_output(LINES, tr("Number of log records")), *p.outputs(p.STATUS)]

    def validate(self, values: Values) -> LogRequest:
        output = values.file(p.OUTPUT, "Give a file for the log: OUTPUT=log.txt.")
        level = values.word(LEVEL, LEVELS) or "debug"
        return LogRequest(values.id(), level, values.flag(FOLLOW), output)

    def execute(self, run: Run[LogRequest]) -> Results:
        request, number = run.request, run.request.calculation_id
        calculation = run.client.calculation(number)
        run.report.info(f"Calculation {number}: {calculation.description} ({calculation.status})")
        with LogFile(request.output) as log:
            if request.follow and not calculation.is_final:
                calculation, count = _follow(run, calculation, log)
            else:
                count = _fetch(run, log)
            log.whole()
        if log.problem:
            raise EngineError(f"Calculation {number}: {log.problem}.")
        if calculation.status in ENDED_BADLY:
            word, reason = bad_end(run.client, calculation)
            run.report.warn(f"Calculation {number} {word}: {reason}.")
        return {
            p.OUTPUT: str(request.output),
            LINES: count,
            p.STATUS: printable(calculation.status),
        }


def _follow(
    run: Run[LogRequest], calculation: Calculation, log: LogFile
) -> tuple[Calculation, int]:
    """Store the log as it grows; return the calculation as it has ended, and how many records."""
    number, count = calculation.id, 0
    try:
        with naming(number, "could not be followed:"):
            for update in follow(run.client, number, identity=Identity(calculation)):
                records = run.request.chosen(update.records)
                log.write(number, records)
                count += len(records)
                run.report.records(records, f"the whole log is in {run.request.output}.")
                if update.note:
                    run.report.warn(update.note)
                run.report.progress(update.percent)
                calculation = update.calculation
    except Cancelled:
        raise Cancelled(f"Cancelled by the user; calculation {number} goes on.") from None
    return calculation, count


def _fetch(run: Run[LogRequest], log: LogFile) -> int:
    """Store what has been logged, and show its end; return how many records."""
    tail: deque[LogRecord] = deque(maxlen=TAIL)
    count = 0
    for record in run.client.whole_log(run.request.calculation_id):
        for wanted in run.request.chosen([record]):
            log.write(run.request.calculation_id, (wanted,))
            tail.append(wanted)
            count += 1
    if count > TAIL:
        run.report.info(f"The last {TAIL} of {count} records; all are in {run.request.output}")
    run.report.records(tail, "")
    return count
