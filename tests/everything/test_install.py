"""One command installs an engine for a user who has none, and the plugin finds it; 5 minutes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from steering import call

import oq_processing
from oq_processing.engine import installation
from oq_processing.engine.client import EngineClient

PLUGIN = Path(oq_processing.__file__).parent


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, and no engine on the PATH."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("XDG_DATA_HOME", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    return home


def test_from_nothing_to_a_calculation(registry, home, demos):
    installed = home / "profile" / "plugins" / "oq_processing"
    shutil.copytree(PLUGIN, installed, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["python3", installed / "install_engine.py"]
    first = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)
    assert first.returncode == 0, first.stdout + first.stderr
    oq = home / ".local" / "share" / "openquake-qgis" / "venv" / "bin" / "oq"
    assert f"Installed: {oq};" in first.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=True, cwd=home)
    assert again.stdout == f"The engine is there: {oq}\n"
    assert installation.find_executable() == oq
    started = call("openquake:startlocalengine").results
    try:
        assert started["VERSION"] == EngineClient(started["SERVER"]).engine_version() == "3.26.2"
        job = demos / "hazard" / "ScenarioCase1" / "job.ini"
        done = call("openquake:runcalculation", JOB=str(job)).results
        assert (done["SERVER"], done["STATUS"]) == (started["SERVER"], "complete")
    finally:
        call("openquake:stoplocalengine")
