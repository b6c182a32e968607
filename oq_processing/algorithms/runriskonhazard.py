"""Run Risk on Hazard: a calculation on top of a finished one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import Outputs, Parameters
from .common.run import Results, Run
from .common.running import check_hazard
from .common.values import InvalidParameter, Values
from .runcalculation import HAZARD_CALCULATION_ID, RunCalculation, RunRequest

if TYPE_CHECKING:
    from ..engine.job.package import JobPackage

ACCEPTS = {
    "classical": ("preclassical", "classical"),
    "classical_risk": ("classical",),
    "classical_damage": ("classical",),
    "classical_bcr": ("classical",),
    "disaggregation": ("classical", "disaggregation"),
    "event_based": ("event_based", "event_based_risk"),
    "event_based_risk": ("scenario", "event_based", "event_based_risk"),
    "event_based_damage": ("scenario", "event_based", "event_based_damage"),
    "scenario_risk": ("scenario", "event_based", "event_based_risk"),
    "scenario_damage": ("scenario", "event_based", "event_based_damage"),
}
"""Modes that the engine's calculators accept to build on (``accept_precalc`` of 3.26)."""


class RunRiskOnHazard(RunCalculation):
    """Submit a job that builds on a finished calculation, and follow it."""

    ID = "runriskonhazard"
    NAME = tr_noop("Run Risk on Hazard")
    TAGS = ("loss", "damage", "vulnerability", "fragility", "submit", "engine")
    HELP = tr_noop(
        "Submits a job that builds on a finished calculation, usually risk on top of hazard, and "
        "follows it: status, progress and log lines are shown as they come.\n\n"
        "The calculation to build on must exist and be complete. Whether the two fit is for the "
        "engine to say: a pair that looks wrong gives a warning here and the engine's reason "
        "there.\n\n"
        "Cancel aborts the calculation that this run started, never the one it builds on."
    )

    def inputs(self) -> Parameters:
        return [self._hazard(optional=False), *self._job(), *self._options()]

    def results(self) -> Outputs:
        below = p.number_output(HAZARD_CALCULATION_ID, tr("Calculation it builds on"))
        return [*super().results(), below]

    def validate(self, values: Values) -> RunRequest:
        hazard_id = values.id(HAZARD_CALCULATION_ID)
        request = super().validate(values)
        if "," in request.job_ini:
            raise InvalidParameter(
                "Exactly one .ini is run on top of a calculation: JOB_INI must be one name."
            )
        return replace(request, hazard_calculation_id=hazard_id)

    def execute(self, run: Run[RunRequest]) -> Results:
        hazard_id = run.values.id(HAZARD_CALCULATION_ID)
        check_hazard(run.client, hazard_id)
        return {**super().execute(run), HAZARD_CALCULATION_ID: hazard_id}

    def check_package(
        self, package: JobPackage, run: Run[RunRequest], hazard_id: int | None
    ) -> None:
        if hazard_id is None:
            return
        below = run.client.calculation(hazard_id).mode
        accepted = ACCEPTS.get(package.calculation_mode)
        if accepted and below not in accepted and below != package.calculation_mode:
            run.report.warn(
                f"A {package.calculation_mode} calculation usually builds on "
                f"{' or '.join(accepted)}; calculation {hazard_id} is {below}. "
                "The engine decides."
            )
