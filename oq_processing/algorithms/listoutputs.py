"""List Outputs: what a calculation has produced, as a table."""

from __future__ import annotations

from ..engine.calculation import SUCCEEDED, Calculation, Output
from ..i18n import tr, tr_noop
from ..outputs import catalogue
from ..outputs.core.source import of_many_events
from ..outputs.core.table import INTEGER, REAL, TEXT, Column, small_table
from .common import parameters as p
from .common.base import FINISHED_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.values import Values

COLUMNS = (
    Column("id", INTEGER, "Output"),
    Column("type", TEXT, "Type"),
    Column("name", TEXT, "Name"),
    Column("formats", TEXT, "Formats"),
    Column("size_mb", REAL, "Size", "MB"),
    Column("loadable_as", TEXT, "Loadable as"),
)


class ListOutputs(BaseAlgorithm[int]):
    """List the outputs of a calculation."""

    ID = "listoutputs"
    NAME = tr_noop("List Outputs")
    GROUP = "outputs"
    TAGS = ("results", "table")
    HELP = tr_noop(
        "Lists what a calculation has produced: id, type, name, the formats it can be downloaded "
        "in, its size where the engine knows it, and what Load Output as Layer makes of it."
    )
    CALCULATION = FINISHED_CALCULATION

    def targets(self) -> Parameters:
        return [p.sink(p.OUTPUT, tr("Outputs"), p.SourceType.TypeVector)]

    def results(self) -> Outputs:
        count = p.number_output("COUNT", tr("Number of outputs"))
        return [count, *p.outputs(p.CALCULATION_ID, p.SERVER)]

    def validate(self, values: Values) -> int:
        return values.id()

    def execute(self, run: Run[int]) -> Results:
        number, client = run.request, run.client
        calculation = client.calculation(number)
        outputs = client.outputs(number)
        if not outputs and calculation.status not in SUCCEEDED:
            run.report.warn(f"Calculation {number} is {calculation.status} and has no outputs.")
        rows = [
            (o.id, o.type, o.name, ", ".join(o.formats), o.size_mb, _as(o, calculation))
            for o in outputs
        ]
        table = small_table(f"Outputs of calculation {number}", COLUMNS, rows)
        return {
            p.OUTPUT: run.write_table(p.OUTPUT, table),
            "COUNT": len(outputs),
            p.CALCULATION_ID: number,
            p.SERVER: client.url,
        }


def _as(output: Output, calculation: Calculation) -> str:
    """Return what Load Output as Layer makes of an output, "" for nothing."""
    if output.type == "avg_gmf" and of_many_events(calculation):
        return "point (MEMBER=avg_gmf)"  # over different earthquakes it is not a ground motion
    known = output.type in catalogue.special_types() or {"csv", "zip"} & set(output.formats)
    return catalogue.output_type(output.type).becomes if known else ""
