"""Every output of every demo, and of the engine's own tests that have what no demo has, is true.

What "true" means, and what the comparison looks at: tests/truth.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from truth import assert_true

DEMOS = Path(__file__).parents[2] / ".engine" / "demos"
QA = (
    "multi_risk/case_1:job.ini",
    "multi_risk/case_1:job_2.ini",
    "conditional_spectrum/case_1:job.ini",
    "classical_bcr/case_2:job.ini",
    "disagg/case_2:job.ini",
    "event_based_risk/case_master:job.ini",
    "postproc/case_median_spectrum:job1.ini",
    "postproc/case_median_spectrum:job2.ini",
)
"""They have types of outputs that no demo has."""

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
    folder, _, ini = qa.partition(":")
    assert_true(client, calculations(str(cases / folder), ini))
