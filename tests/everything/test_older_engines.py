"""Older versions of the engine: run, follow, list, log, a hazard map; a minute each."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_engine import Answer, FakeEngine
from helpers import wait_until
from steering import Recorder, call, failing

from oq_processing.engine import launch
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import EngineError

# made by script/setup_everything
ENGINES = Path(__file__).parents[2] / ".engines"
WITH_DBSERVER = ("3.16.7", "3.20.1")
"""Versions whose web server wants another one for the database."""

TABLE = {"OUTPUT": "TEMPORARY_OUTPUT"}

_CONFIGURATION = """\
[dbserver]
host = localhost
listen = 127.0.0.1
port = {port}
file = {folder}/db.sqlite3

[directory]
custom_tmp = {folder}/tmp
"""


@dataclass(frozen=True)
class Older:
    """An engine of an older version that runs."""

    version: str
    url: str


def _start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    foreign = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OQ_") and k not in foreign}
    own = {"OQ_CONFIG_FILE": str(folder / "openquake.cfg"), "OQ_DATADIR": str(folder / "data")}
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            words,
            cwd=folder,
            env={**kept, **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
    process.wait(20)


def _answers(url: str) -> str:
    try:
        return EngineClient(url).engine_version()
    except EngineError:
        return ""


@pytest.fixture(scope="module", params=["3.16.7", "3.20.1", "3.23.5"])
def engine(request, tmp_path_factory) -> Iterator[Older]:
    version = request.param
    programs = ENGINES / version / "bin"
    folder = tmp_path_factory.mktemp(version)
    if version not in WITH_DBSERVER:
        with launch.running(programs / "oq", folder) as started:
            yield Older(started.version, started.url)
        return
    for name in ("tmp", "data"):
        (folder / name).mkdir()
    text = _CONFIGURATION.format(folder=folder, port=launch.free_port())
    (folder / "openquake.cfg").write_text(text)
    serve = "from openquake.server import dbserver; dbserver.run_server(None, 'INFO', True)"
    port = launch.free_port()
    url = f"http://127.0.0.1:{port}"
    processes = [_start([programs / "python", "-c", serve], folder)]
    try:
        wait_until((folder / "db.sqlite3").exists, 60)
        web = [programs / "oq", "webui", "start", f"127.0.0.1:{port}", "--skip-browser"]
        processes.append(_start(web, folder))
        yield Older(wait_until(lambda: _answers(url), 120), url)
    finally:
        for process in reversed(processes):
            _end(process)


@dataclass(frozen=True)
class Ran:
    """A calculation of the engine's demo with an area source, by our own algorithm."""

    id: int
    feedback: Recorder
    log: Path


@pytest.fixture(scope="module")
def ran(engine, registry, demos, tmp_path_factory) -> Ran:
    feedback = Recorder()
    log = tmp_path_factory.mktemp("log") / "log.txt"
    job = demos / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
    results = call(
        "openquake:runcalculation", feedback, SERVER=engine.url, JOB=str(job), LOG=str(log)
    ).results
    assert results["STATUS"] == "complete"
    return Ran(results["CALCULATION_ID"], feedback, log)


def test_it_is_followed(engine, ran):
    assert engine.version in ("3.16.7", "3.20.1", "3.23.5")
    assert any(
        text.startswith(f"OpenQuake Engine {engine.version}, QGIS ")
        for text in ran.feedback.texts("info")
    ), "nothing is said against this version"
    percents = ran.feedback.percents
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [p for p in percents if 10 < p < 95], "the stages are known"
    assert len(ran.feedback.log_lines()) > 20


def test_log_and_list(engine, ran, tmp_path):
    done = call(
        "openquake:getlog",
        SERVER=engine.url,
        CALCULATION_ID=ran.id,
        OUTPUT=str(tmp_path / "log.txt"),
    )
    assert (tmp_path / "log.txt").read_text() == ran.log.read_text()
    assert done.results["LINES"] > 40
    [row] = call("openquake:listcalculations", SERVER=engine.url, **TABLE).rows()
    assert (row["id"], row["mode"], row["status"]) == (ran.id, "classical", "complete")
    assert row["description"].startswith("Classical PSHA")
    about = {"SERVER": engine.url, "CALCULATION_ID": ran.id, **TABLE}
    outputs = call("openquake:listoutputs", **about).rows()
    assert {"hcurves", "hmaps", "uhs"} < {row["type"] for row in outputs}


def test_a_hazard_map(engine, ran, tmp_path):
    about = {"SERVER": engine.url, "CALCULATION_ID": ran.id, "OUTPUT_TYPE": "hmaps"}
    done = call("openquake:loadoutputaslayer", **about, **TABLE)
    csv_file = call(
        "openquake:downloadoutput", **about, FORMAT="csv", FOLDER=str(tmp_path)
    ).results["OUTPUT"]
    _, header, *lines = csv.reader(io.StringIO(Path(csv_file).read_text()))
    expected = [dict(zip(header, map(float, line))) for line in lines]
    rows = done.rows()
    assert len(rows) == len(expected) == 624
    fields = [name for name in header if name not in ("lon", "lat")]
    assert len(fields) == 16
    for row, line in zip(rows, expected):
        assert (round(row["lon"], 5), round(row["lat"], 5)) == (line["lon"], line["lat"])
        # the CSV has six digits
        assert {name: row[name] for name in fields} == pytest.approx(
            {name: line[name] for name in fields}, rel=1e-5
        )
    assert done.results["STYLED_FIELD"] == "PGA-0.1"


def test_a_job_that_is_refused(engine, ran, tmp_path):
    """The versions tell it in different forms."""
    message = failing(
        "openquake:runcalculation",
        SERVER=engine.url,
        JOB=str(_broken(tmp_path)),
    )
    assert "truncation_level=abc3" in message
    assert message.startswith(("Calculation ", "The engine refused the job: "))


def test_abort_and_delete(engine, ran, demos):
    job = demos / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
    number = call(
        "openquake:runcalculation",
        SERVER=engine.url,
        JOB=str(job),
        PARAMETERS="area_source_discretization=1",
        WAIT=False,
    ).results["CALCULATION_ID"]
    about = {"SERVER": engine.url, "CALCULATION_ID": number}
    done = call("openquake:abortcalculation", **about)
    assert done.results["STATUS"] == "aborted"
    call("openquake:deletecalculation", CONFIRM=str(number), **about)
    assert failing("openquake:getlog", **about, OUTPUT="TEMPORARY_OUTPUT") == (
        f"Calculation {number} does not exist on {engine.url} or is not yours to see."
    )


def test_abilities(engine, demos):
    assert str(EngineClient(engine.url).abilities()) == (
        f"OpenQuake Engine {engine.version}; no login is wanted, open to all; "
        "you may: run calculations, abort, delete."
    )
    job = str(demos / "hazard/ScenarioCase1/job.ini")
    assert failing("openquake:runcalculation", SERVER=engine.url, JOB_ON_SERVER=job) == (
        f"The engine refused the job: {engine.url} does not run a job on its own disk "
        "(its engine is too old); send the files with JOB."
    )


def test_a_version_that_is_not_known_yet(registry):
    with FakeEngine() as fake:
        fake.answers["GET /v1/engine_version"] = lambda request: Answer(200, b"9.99.0")
        done = call("openquake:listcalculations", SERVER=fake.url, **TABLE)
        assert done.results["COUNT"] == 0
        [told] = [text for text in done.feedback.texts("info") if "9.99.0" in text]
        assert told.startswith(
            "OpenQuake Engine 9.99.0 (newer than the versions this plugin is tested with, "
            "3.16 to 3.26), QGIS "
        )
        assert EngineClient(fake.url).abilities().version == "9.99.0"


def _broken(folder: Path) -> Path:
    path = folder / "job.ini"
    path.write_text(
        "[general]\ncalculation_mode = scenario\ndescription = x\ntruncation_level = abc3\n"
    )
    return path
