"""Show Parameters: what the engine has read from the job, as a table."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from qgis.core import QgsProcessing, QgsProcessingParameterFeatureSink

from ..engine.client import EngineClient
from ..engine.errors import InvalidOutput, NotFound, ServerFault
from ..outputs.core.npz import Npz
from ..outputs.core.table import TEXT, Column, small_table
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import CALCULATION_ID, id_parameter, read_id, server_parameters
from .common.reporter import Reporter
from .common.tables import write_table

OUTPUT = "OUTPUT"


class CalculationParameters(OpenQuakeAlgorithm):
    """Show the parameters of a calculation."""

    ID = "calculationparameters"
    NAME = "Show Parameters"
    TAGS = ("job.ini", "oqparam", "settings")
    HELP = (
        "Shows the parameters of a calculation as the engine has read them from its job, as a "
        "table of names and values."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of the calculation."))
        )
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(
                OUTPUT, tr("Parameters"), QgsProcessing.SourceType.TypeVector
            )
        )

    def validate(self, parameters, context) -> int:
        return read_id(self, parameters, CALCULATION_ID, context)

    def execute(
        self, request: int, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request)
        with tempfile.TemporaryDirectory(prefix="openquake-") as folder:
            target = Path(folder) / "oqparam.npz"
            try:
                client.extract(request, "oqparam", target)
            except (NotFound, ServerFault) as error:
                raise InvalidOutput(
                    f"Calculation {request} ({calculation.status}) has no parameters to show: "
                    f"{error}"
                ) from error
            values = Npz(target).json()
        rows = [(name, _text(value)) for name, value in sorted(values.items())]
        columns = (Column("name", TEXT, "Parameter"), Column("value", TEXT, "Value"))
        table = small_table(f"Parameters of calculation {request}", columns, rows)
        return {
            OUTPUT: write_table(self, parameters, OUTPUT, context, report, client, table),
        }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
