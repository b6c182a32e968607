"""Every output of every demo, and of the engine's own tests that have what no demo has, is true.

What "true" means, and what the comparison looks at: tests/truth.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from truth import assert_true

DEMOS = Path(__file__).parents[2] / ".engine" / "demos"
QA = {
    "multi_risk/case_1:job.ini": "several perils, geometries as text",
    "multi_risk/case_1:job_2.ini": "several perils",
    "conditional_spectrum/case_1:job.ini": "conditional spectra",
    "classical_bcr/case_2:job.ini": "benefit-cost ratios; quantiles without a mean",
    "disagg/case_2:job.ini": "disaggregation",
    "event_based_risk/case_master:job.ini": "quantiles without a mean",
    "event_based_risk/case_7a:job_h.ini:job_r.ini": "quantiles without a mean",
    "postproc/case_median_spectrum:job1.ini": "median spectra",
    "postproc/case_median_spectrum:job2.ini": "median spectra",
    "event_based_risk/case_01:job.ini": "return_periods",
    "event_based_risk/case_01:job_ins.ini": "insured losses",
    "event_based_risk/case_01:job2.ini": "insured losses by policy",
    "event_based_risk/reinsurance_1:job.ini": "reinsurance",
    "event_based_risk/case_05:job.ini": "aggregate_by with semicolons",
    "gmf_ebrisk/case_4:job_haz.ini:job_risk.ini": "collect_rlzs; sampling; aggregate_by site_id",
    "event_based/case_31:job.ini": "custom site ids",
    "scenario_risk/case_9:job.ini": "custom site ids",
    "logictree/case_20:job.ini": "a single site",
    "logictree/case_28:job.ini": "sampling; custom site ids",
    "event_based/case_26:job_liq.ini": "liquefaction",
    "event_based/case_26:job_land.ini": "landslides",
    "scenario_damage/case_11:job.ini": "damage by secondary perils",
    "infrastructure_risk/case_3:job_scenario.ini": "networks",
}
"""Cases of the engine's own tests, and what they have that no demo has."""

JOBS = sorted(
    f"{ini.parent.parent.name}/{ini.parent.name}:{ini.name}" for ini in DEMOS.glob("*/*/job*.ini")
)


@pytest.fixture
def calculated(calculations):
    """A function that calculates a demo, above its hazard where there is a pair."""

    def calculate(job: str) -> int:
        demo, _, ini = job.partition(":")
        hazard = None
        if ini == "job_risk.ini":
            hazard = calculations(demo, "job_hazard.ini")
        return calculations(demo, ini, hazard)

    return calculate


def test_all_demos_are_there():
    assert len(JOBS) == 39
    assert {"hazard/MedianSpectrum:job.ini", "risk/EventBasedRisk:job_eb.ini"} < set(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_a_demo(job, registry, client, calculated):
    assert_true(client, calculated(job))


@pytest.mark.parametrize("qa", QA)
def test_a_case_of_the_engine(qa, registry, client, calculations, engine_python):
    [cases] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    folder, *inis = qa.split(":")
    number = None
    for ini in inis:
        number = calculations(str(cases / folder), ini, number)
    assert_true(client, number)
