"""Show Parameters: what the engine has read from the job, as a table."""

from __future__ import annotations

import json

from ..engine.errors import InvalidOutput, NotFound, ServerFault
from ..engine.files import temporary_folder
from ..i18n import tr, tr_noop
from ..outputs.core.npz import Npz
from ..outputs.core.table import TEXT, Column, small_table
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Parameters
from .common.run import Results, Run
from .common.values import Values

COLUMNS = (Column("name", TEXT, "Parameter"), Column("value", TEXT, "Value"))


class CalculationParameters(BaseAlgorithm[int]):
    """Show the parameters of a calculation."""

    ID = "calculationparameters"
    NAME = tr_noop("Show Parameters")
    TAGS = ("job.ini", "oqparam", "settings")
    HELP = tr_noop(
        "Shows the parameters of a calculation as the engine has read them from its job, as a "
        "table of names and values."
    )
    CALCULATION = ANY_CALCULATION

    def targets(self) -> Parameters:
        return [p.sink(p.OUTPUT, tr("Parameters"), p.SourceType.TypeVector)]

    def validate(self, values: Values) -> int:
        return values.id()

    def execute(self, run: Run[int]) -> Results:
        number = run.request
        calculation = run.client.calculation(number)
        with temporary_folder() as folder:
            target = folder / "oqparam.npz"
            try:
                run.client.extract(number, "oqparam", target)
            except (NotFound, ServerFault) as error:
                raise InvalidOutput(
                    f"Calculation {number} ({calculation.status}) has no parameters to show: "
                    f"{error}"
                ) from error
            values = Npz(target).json()
        rows = [(name, _text(value)) for name, value in sorted(values.items())]
        table = small_table(f"Parameters of calculation {number}", COLUMNS, rows)
        return {p.OUTPUT: run.write_table(p.OUTPUT, table)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
