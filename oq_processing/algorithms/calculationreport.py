"""Show Full Report: the engine's report of a calculation as a readable page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import EngineError, InvalidOutput
from ..engine.files import replacing, temporary_folder
from ..engine.server import MAX_ANSWER
from ..i18n import tr, tr_noop
from ..outputs.catalogue import find_output
from ..outputs.report import to_html
from .common import parameters as p
from .common.base import FINISHED_CALCULATION, BaseAlgorithm, Parameters
from .common.run import Results, Run
from .common.values import Values


@dataclass(frozen=True)
class ReportRequest:
    """Which calculation's report, and where to."""

    calculation_id: int
    output: Path


class CalculationReport(BaseAlgorithm[ReportRequest]):
    """Show the full report of a calculation."""

    ID = "calculationreport"
    NAME = tr_noop("Show Full Report")
    GROUP = "outputs"
    TAGS = ("html", "rst", "summary")
    HELP = tr_noop(
        "Shows the engine's full report of a calculation as a page: inputs, realizations, times, "
        "data transferred, slowest sources and operations."
    )
    CALCULATION = FINISHED_CALCULATION

    def targets(self) -> Parameters:
        return [p.target(p.OUTPUT, tr("Report"), tr("HTML files (*.html)"))]

    def validate(self, values: Values) -> ReportRequest:
        output = values.file(p.OUTPUT, "Give a file for the report: OUTPUT=report.html.")
        return ReportRequest(values.id(), output)

    def execute(self, run: Run[ReportRequest]) -> Results:
        number, target, client = run.request.calculation_id, run.request.output, run.client
        client.calculation(number)
        output = find_output(client.outputs(number), "fullreport", number)
        with temporary_folder() as folder:
            source = folder / "report.rst"
            if client.export(output, "rst", source).size > MAX_ANSWER:
                raise InvalidOutput("The report is too long to be one; Download Output gets it.")
            page = to_html(source.read_text(encoding="utf-8", errors="replace"))
        try:
            with replacing(target) as part:
                part.write_text(page, encoding="utf-8")
        except OSError as error:
            raise EngineError(f"{target} cannot be written ({error.strerror}).") from error
        return {p.OUTPUT: str(target)}
