"""Show Full Report: the engine's report of a calculation as a readable page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qgis.core import QgsProcessingParameterFileDestination

from ..engine.client import EngineClient
from ..engine.errors import EngineError, InvalidOutput
from ..engine.files import replacing
from ..engine.server import MAX_ANSWER
from ..outputs.catalogue import find_output
from ..outputs.report import to_html
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    InvalidParameter,
    id_parameter,
    read_id,
    read_target,
    server_parameters,
)
from .common.reporter import Reporter

OUTPUT = "OUTPUT"


class CalculationReport(OpenQuakeAlgorithm):
    """Show the full report of a calculation."""

    ID = "calculationreport"
    NAME = "Show Full Report"
    GROUP = "outputs"
    TAGS = ("html", "rst", "summary")
    HELP = (
        "Shows the engine's full report of a calculation as a page: inputs, realizations, times, "
        "data transferred, slowest sources and operations."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of a finished calculation."))
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFileDestination(OUTPUT, tr("Report"), "HTML files (*.html)")
        )

    def validate(self, parameters, context) -> tuple[int, Path]:
        output = read_target(self, parameters, OUTPUT, context)
        if output is None:
            raise InvalidParameter("Give a file for the report: OUTPUT=report.html.")
        return read_id(self, parameters, CALCULATION_ID, context), output

    def execute(
        self,
        request: tuple[int, Path],
        client: EngineClient,
        report: Reporter,
        parameters,
        context,
    ) -> dict:
        number, target = request
        client.calculation(number)
        output = find_output(client.outputs(number), "fullreport", number)
        with tempfile.TemporaryDirectory(prefix="openquake-") as folder:
            source = Path(folder) / "report.rst"
            if client.export(output, "rst", source).size > MAX_ANSWER:
                raise InvalidOutput("The report is too long to be one; Download Output gets it.")
            page = to_html(source.read_text(encoding="utf-8", errors="replace"))
        try:
            with replacing(target) as part:
                part.write_text(page, encoding="utf-8")
        except OSError as error:
            raise EngineError(f"{target} cannot be written ({error.strerror}).") from error
        return {OUTPUT: str(target)}
