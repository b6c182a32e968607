"""List Outputs: what a calculation has produced, as a table."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFeatureSink,
)

from ..engine.calculation import SUCCEEDED, Output
from ..engine.client import EngineClient
from ..outputs import catalogue
from ..outputs.core.table import INTEGER, REAL, TEXT, Column, small_table
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import CALCULATION_ID, SERVER, id_parameter, read_id, server_parameters
from .common.reporter import Reporter
from .common.tables import write_table

OUTPUT = "OUTPUT"
COLUMNS = (
    Column("id", INTEGER, "Output"),
    Column("type", TEXT, "Type"),
    Column("name", TEXT, "Name"),
    Column("formats", TEXT, "Formats"),
    Column("size_mb", REAL, "Size", "MB"),
    Column("loadable_as", TEXT, "Loadable as"),
)


class ListOutputs(OpenQuakeAlgorithm):
    """List the outputs of a calculation."""

    ID = "listoutputs"
    NAME = "List Outputs"
    GROUP = "outputs"
    TAGS = ("results", "table")
    HELP = (
        "Lists what a calculation has produced: id, type, name, the formats it can be downloaded "
        "in, its size where the engine knows it, and what Load Output as Layer makes of it."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of a finished calculation."))
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(
                OUTPUT, tr("Outputs"), QgsProcessing.SourceType.TypeVector
            )
        )
        self.addOutput(QgsProcessingOutputNumber("COUNT", tr("Number of outputs")))
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))

    def validate(self, parameters, context) -> int:
        return read_id(self, parameters, CALCULATION_ID, context)

    def execute(
        self, request: int, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request)
        outputs = client.outputs(request)
        if not outputs and calculation.status not in SUCCEEDED:
            report.warn(f"Calculation {request} is {calculation.status} and has no outputs.")
        rows = [(o.id, o.type, o.name, ", ".join(o.formats), o.size_mb, _as(o)) for o in outputs]
        table = small_table(f"Outputs of calculation {request}", COLUMNS, rows)
        return {
            OUTPUT: write_table(self, parameters, OUTPUT, context, report, client, table),
            "COUNT": len(outputs),
            CALCULATION_ID: request,
            SERVER: client.url,
        }


def _as(output: Output) -> str:
    """Say what Load Output as Layer makes of an output."""
    known = output.type in catalogue.special_types() or {"csv", "zip"} & set(output.formats)
    return catalogue.output_type(output.type).becomes if known else ""
