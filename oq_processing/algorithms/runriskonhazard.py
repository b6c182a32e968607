"""Run Risk on Hazard: a calculation on top of a finished one."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import QgsProcessingOutputNumber

from ..engine.client import EngineClient
from .common.base import tr
from .common.parameters import InvalidParameter, read_id
from .common.reporter import Reporter
from .common.running import check_hazard
from .runcalculation import HAZARD_CALCULATION_ID, RunCalculation, RunRequest

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
    NAME = "Run Risk on Hazard"
    STARTS_ENGINE = True
    TAGS = ("loss", "damage", "vulnerability", "fragility", "submit", "engine")
    HELP = (
        "Submits a job that builds on a finished calculation, usually risk on top of hazard, and "
        "follows it: status, progress and log lines are shown as they come.\n\n"
        "The calculation to build on must exist and be complete. Whether the two fit is for the "
        "engine to say: a pair that looks wrong gives a warning here and the engine's reason "
        "there.\n\n"
        "Cancel aborts the calculation that this run started, never the one it builds on."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self._add_hazard(optional=False)
        self._add_job()
        self._add_options()
        self.addOutput(
            QgsProcessingOutputNumber(HAZARD_CALCULATION_ID, tr("Calculation it builds on"))
        )

    def validate(self, parameters, context) -> RunRequest:
        hazard_id = read_id(self, parameters, HAZARD_CALCULATION_ID, context)
        request = super().validate(parameters, context)
        if "," in request.job_ini:
            raise InvalidParameter(
                "Exactly one .ini is run on top of a calculation: JOB_INI must be one name."
            )
        return replace(request, hazard_calculation_id=hazard_id)

    def execute(
        self, request: RunRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        check_hazard(client, request.hazard_calculation_id)
        results = super().execute(request, client, report, parameters, context)
        return {**results, HAZARD_CALCULATION_ID: request.hazard_calculation_id}

    def check_package(self, package, client: EngineClient, report: Reporter, hazard_id) -> None:
        if hazard_id is None:
            return
        below = client.calculation(hazard_id).mode
        accepted = ACCEPTS.get(package.calculation_mode)
        if accepted and below not in accepted and below != package.calculation_mode:
            report.warn(
                f"A {package.calculation_mode} calculation usually builds on "
                f"{' or '.join(accepted)}; calculation {hazard_id} is {below}. "
                "The engine decides."
            )
