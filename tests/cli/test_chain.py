"""The chain of README, as it is printed there: a user's shell runs it from hazard to layer."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from osgeo import ogr

ROOT = Path(__file__).parents[2]

RISK = """\
[general]
description = Losses of two buildings
calculation_mode = classical_risk
exposure_file = exposure.xml
structural_vulnerability_file = vulnerability.xml
risk_investigation_time = 1
"""
EXPOSURE = """\
<?xml version="1.0" encoding="UTF-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.5">
  <exposureModel id="two" category="buildings" taxonomySource="none">
    <description>Two buildings</description>
    <conversions>
      <costTypes><costType name="structural" type="aggregated" unit="EUR"/></costTypes>
    </conversions>
    <assets>
      <asset id="a1" number="1" taxonomy="CR">
        <location lon="0" lat="0"/><costs><cost type="structural" value="1000"/></costs>
      </asset>
      <asset id="a2" number="1" taxonomy="CR">
        <location lon="0" lat="0"/><costs><cost type="structural" value="3000"/></costs>
      </asset>
    </assets>
  </exposureModel>
</nrml>
"""
VULNERABILITY = """\
<?xml version="1.0" encoding="UTF-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.5">
  <vulnerabilityModel id="v" assetCategory="buildings" lossCategory="structural">
    <description></description>
    <vulnerabilityFunction id="CR" dist="LN">
      <imls imt="PGA">0.005 0.05 0.5 2</imls>
      <meanLRs>0.01 0.3 0.9 1</meanLRs>
      <covLRs>0.2 0.3 0.3 0.3</covLRs>
    </vulnerabilityFunction>
  </vulnerabilityModel>
</nrml>
"""


@pytest.fixture(scope="module")
def commands() -> str:
    """What README prints under its heading."""
    section = (ROOT / "README.md").read_text().partition("### A chain\n")[2]
    section = re.split(r"\n##+ ", section)[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.S)
    return block


@pytest.fixture
def shell(qgis_process, tmp_path):
    """A function that runs commands in a folder where qgis_process is on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qgis_process").symlink_to(qgis_process.command("")[0])
    folder = tmp_path / "work"
    folder.mkdir()

    def run(commands: str) -> subprocess.CompletedProcess[str]:
        environment = qgis_process.environment
        return subprocess.run(
            ["sh", "-c", commands],
            check=False,
            cwd=folder,
            env={**environment, "PATH": f"{programs}:{environment['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    run.folder = folder
    return run


def test_the_chain_of_the_readme(commands, shell, demos, client):
    before = {c.id for c in client.calculations()}
    shutil.copytree(demos / "hazard/LatinSamplingClassicalPSHA", shell.folder, dirs_exist_ok=True)
    (shell.folder / "job.ini").rename(shell.folder / "job_hazard.ini")
    (shell.folder / "job_risk.ini").write_text(RISK)
    (shell.folder / "exposure.xml").write_text(EXPOSURE)
    (shell.folder / "vulnerability.xml").write_text(VULNERABILITY)
    done = shell(commands)
    assert done.returncode == 0, done.stderr
    risk, hazard = (c for c in client.calculations() if c.id not in before)
    assert (hazard.mode, risk.mode) == ("classical", "classical_risk")
    assert (hazard.status, risk.status, risk.parent_id) == ("complete", "complete", hazard.id)
    data = ogr.Open(str(shell.folder / "losses.gpkg"))
    layer = data.GetLayerByName("losses")
    assert layer.GetFeatureCount() == 2
    names = [
        layer.GetLayerDefn().GetFieldDefn(i).GetName()
        for i in range(layer.GetLayerDefn().GetFieldCount())
    ]
    [loss] = [name for name in names if "structural" in name]
    one, three = sorted(feature.GetField(loss) for feature in layer)
    assert one > 0
    assert three / one == pytest.approx(3, rel=1e-4)


def test_the_chain_stops_where_a_step_fails(commands, shell, client):
    """There are no files: nothing is submitted, and the shell is told."""
    before = {c.id for c in client.calculations()}
    done = shell(commands)
    assert done.returncode == 1
    assert "job_hazard.ini does not exist" in done.stderr
    assert "runriskonhazard" not in done.stderr
    assert {c.id for c in client.calculations()} == before
    assert list(shell.folder.iterdir()) == []
