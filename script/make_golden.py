"""Make what tests/golden holds; its README says when.

promise: promise.json, which scripts and models rely on (the default)
answers: the engine's answers that the fields in it are read from, then promise.json
files: the files of this version, which every later one must read
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import requests
from qgis.core import QgsApplication

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), "/usr/share/qgis/python/plugins"]

import golden_files  # noqa: E402
import promise  # noqa: E402
from fake_engine import Request  # noqa: E402
from replay import Recorded, Replay, name_of  # noqa: E402

from oq_processing.engine import launch  # noqa: E402
from oq_processing.engine.client import EngineClient  # noqa: E402
from oq_processing.engine.job import package as job  # noqa: E402
from oq_processing.engine.watch import check_succeeded, follow  # noqa: E402
from oq_processing.provider import OpenQuakeProvider  # noqa: E402

ENGINE = ROOT / ".engine"
TESTS = "lib/python3*/site-packages/openquake/qa_tests_data"

LEVELS = [0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6]

# calculations of seconds, each of which has outputs that no other has: a job.ini of the engine's
# own demos and tests, and what is changed in it
JOBS = {
    "grid": (
        "demos/hazard/AreaSourceClassicalPSHA/job.ini",
        {
            "region_grid_spacing": "60",
            "intensity_measure_types_and_levels": str(dict.fromkeys(("PGA", "SA(0.2)"), LEVELS)),
        },
    ),
    "by source": (f"{TESTS}/classical/case_05/job.ini", {}),
    "conditional spectrum": (f"{TESTS}/conditional_spectrum/case_1/job.ini", {}),
    "median spectrum": (
        f"{TESTS}/postproc/case_median_spectrum/job1.ini",
        {"area_source_discretization": "50"},
    ),
    "disaggregation": (f"{TESTS}/disagg/case_2/job.ini", {"disagg_outputs": "Mag Lon_Lat"}),
    "event based": (f"{TESTS}/event_based_risk/case_master/job.ini", {}),
    "reinsurance": (f"{TESTS}/event_based_risk/reinsurance_1/job.ini", {}),
    "damage by tag": (f"{TESTS}/event_based_damage/case_11/job.ini", {}),
    "scenario damage": (f"{TESTS}/scenario_damage/case_9/job.ini", {}),
    "classical risk": (f"{TESTS}/classical_risk/case_master/job.ini", {}),
    "benefit and cost": (f"{TESTS}/classical_bcr/case_2/job.ini", {}),
    "supply": (f"{TESTS}/infrastructure_risk/five_nodes_demsup_directed/job.ini", {}),
    "roads": (f"{TESTS}/infrastructure_risk/directed/job.ini", {}),
    "volcano": (f"{TESTS}/multi_risk/case_1/job.ini", {}),
}


class Recorder(Replay):
    """Asks a real engine, and keeps its answers without what they say of this computer."""

    def __init__(self, engine: launch.LocalEngine) -> None:
        super().__init__()
        self._engine = engine

    def find(self, request: Request) -> Recorded:
        name = name_of(request)
        if name not in self.recorded:
            url = self._engine.url + request.path
            got = requests.get(url, params=request.query, timeout=600)
            self.recorded[name] = Recorded(
                got.status_code,
                got.headers.get("Content-Type", ""),
                got.headers.get("Content-Disposition", ""),
                self._harmless(request.path, got.content),
            )
        return self.recorded[name]

    def _harmless(self, path: str, body: bytes) -> bytes:
        """Leave out user, address, folders, and what the log says beside version and checksum."""
        if path.endswith(("/status", "/list", "/results")):
            rows = json.loads(body)
            for row in rows if isinstance(rows, list) else [rows]:
                row.update({key: "analyst" for key in ("owner",) if key in row}, url="")
            return json.dumps(rows).encode()
        if "/log/" in path:
            kept = ("Using engine version", "Checksum of the inputs")
            return json.dumps([r for r in json.loads(body) if r[3].startswith(kept)]).encode()
        if path.endswith("/oqparam"):
            text = np.load(io.BytesIO(body))["json"].tobytes()
            buffer = io.BytesIO()
            text = text.replace(str(self._engine.folder).encode(), b"/engine")
            np.savez_compressed(buffer, json=np.array(text))
            return buffer.getvalue()
        return body


def record() -> None:
    """Calculate all jobs with an engine of their own, and record what the examples ask of it."""
    with (
        tempfile.TemporaryDirectory() as name,
        launch.running(ENGINE / "bin" / "oq", Path(name)) as engine,
        Recorder(engine) as recorder,
    ):
        client, folder = EngineClient(engine.url), Path(name)
        for case, (path, parameters) in JOBS.items():
            print(case, flush=True)
            [ini] = ENGINE.glob(path)
            [package] = job.prepare(ini, parameters=parameters)
            job.write_archive(package, folder / "job.zip")
            number = client.submit(folder / "job.zip", package.ini.rpartition("/")[2])
            *_, last = follow(client, number)
            check_succeeded(client, last.calculation)
            recorder.cases[case] = number
        promise.fields(recorder, folder)
        recorder.save()


def write_promise() -> None:
    """Write what is promised now."""
    with Replay().load() as server, tempfile.TemporaryDirectory() as folder:
        fields = promise.fields(server, Path(folder))
    if server.unknown:
        sys.exit(promise.UNKNOWN.format(", ".join(server.unknown)))
    if bad := [f"{n}: {t}" for n, t in fields.items() if str(t).startswith(promise.FAILED)]:
        sys.exit("\n".join(bad))
    text = promise.text({"algorithms": promise.algorithms(), "fields": fields})
    promise.GOLDEN.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="script/make_golden",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = ("promise", "answers", "files")
    parser.add_argument("what", nargs="?", default="promise", choices=choices)
    what = parser.parse_args().what
    application = QgsApplication([], False)
    application.initQgis()
    from processing.core.Processing import Processing

    Processing.initialize()
    registry = QgsApplication.processingRegistry()
    if registry.providerById("openquake") is None:
        registry.addProvider(OpenQuakeProvider())
    if what == "files":
        with Replay(8800).load() as server:
            print(golden_files.write(server, registry.providerById("openquake").versionInfo()))
    else:
        if what == "answers":
            record()
        write_promise()
    application.exitQgis()


if __name__ == "__main__":
    main()
