"""The engine's demo pairs of hazard and risk as they are, by the algorithms; some minutes.

The pair ClassicalBCR, and disaggregation on a classical calculation: tests/qgis/test_risk.py.
"""

from __future__ import annotations

import pytest
from steering import call

PAIRS = {
    "ClassicalRisk": ("classical", "classical_risk", "avg_losses-stats"),
    "ClassicalDamage": ("classical", "classical_damage", "damages-stats"),
    "ScenarioDamage": ("scenario", "scenario_damage", "damages-stats"),
}


@pytest.mark.parametrize("demo", PAIRS)
def test_a_demo_pair(demo, registry, server, client, demos):
    below, above, output = PAIRS[demo]
    folder = demos / "risk" / demo
    hazard = call(
        "openquake:runcalculation", SERVER=server.url, JOB=str(folder / "job_hazard.ini")
    ).results["CALCULATION_ID"]
    assert client.calculation(hazard).mode == below
    done = call(
        "openquake:runriskonhazard",
        SERVER=server.url,
        HAZARD_CALCULATION_ID=hazard,
        JOB=str(folder / "job_risk.ini"),
    )
    risk = client.calculation(done.results["CALCULATION_ID"])
    assert (risk.mode, risk.status, risk.parent_id) == (above, "complete", hazard)
    assert output in {o.type for o in client.outputs(risk.id)}
    assert not [t for t in done.feedback.texts("warning") if "usually" in t]
