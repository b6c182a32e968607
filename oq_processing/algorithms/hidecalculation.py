"""Hide Calculation: out of sight in our lists, untouched on the server."""

from __future__ import annotations

from dataclasses import dataclass

from .. import settings
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.values import Values

HIDE = "HIDE"


@dataclass(frozen=True)
class HideRequest:
    """Which calculation, and whether to hide it or to show it again."""

    calculation_id: int
    hide: bool


class HideCalculation(BaseAlgorithm[HideRequest]):
    """Leave a calculation out of the list; nothing on the server changes."""

    ID = "hidecalculation"
    NAME = tr_noop("Hide Calculation")
    TAGS = ("list", "remove", "show")
    HELP = tr_noop(
        "Leaves a calculation out of List Calculations, on this computer and for this user. "
        "Nothing is deleted and nothing on the server changes: its outputs, log and data stay "
        "where they are and can be used as before.\n\n"
        "Switch Hide off to show it again."
    )
    CALCULATION = ANY_CALCULATION

    def inputs(self) -> Parameters:
        return [p.flag(HIDE, tr("Hide"), tr("Off: show the calculation again."), True)]

    def results(self) -> Outputs:
        return p.outputs(p.CALCULATION_ID)

    def validate(self, values: Values) -> HideRequest:
        return HideRequest(values.id(), values.flag(HIDE))

    def execute(self, run: Run[HideRequest]) -> Results:
        calculation = run.client.calculation(run.request.calculation_id)
        settings.set_hidden(run.client.url, calculation, run.request.hide)
        word = "hidden; it stays on the server" if run.request.hide else "shown again"
        run.report.info(f"Calculation {calculation.id} ({calculation.description}) is {word}")
        return {p.CALCULATION_ID: calculation.id}
