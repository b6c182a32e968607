"""qgis_process as a user calls it: a program of its own, with a profile of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIM = ROOT / "script" / "qgis_process"


@dataclass
class Finished:
    """How a run of qgis_process ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> dict:
        return json.loads(self.out)["results"]


@dataclass
class QgisProcess:
    """Runs algorithms; parameters are given as keyword arguments."""

    environment: dict[str, str]
    folder: Path

    def command(self, algorithm: str, *, as_json: bool = False, **parameters: object) -> list[str]:
        values = [f"{name}={value}" for name, value in parameters.items()]
        options = ["--json"] if as_json else []
        return [str(SHIM), *options, "run", algorithm, "--", *values]

    def start(self, algorithm: str, **parameters: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(algorithm, **parameters),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # what Python ignores stays ignored: a file that grows beyond a limit fails, and no more
            restore_signals=False,
        )

    def __call__(self, algorithm: str, **parameters: object) -> Finished:
        with self.start(algorithm, **parameters) as process:
            out, err = process.communicate(timeout=300)
        return Finished(process.returncode, out, err)


@pytest.fixture(scope="session")
def qgis_process(server, tmp_path_factory) -> QgisProcess:
    environment = {
        **os.environ,
        "OPENQUAKE_SERVER": server.url,
        "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path_factory.mktemp("profile") / "qgis"),
    }
    return QgisProcess(environment, tmp_path_factory.mktemp("cli"))
