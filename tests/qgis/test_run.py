"""Run Calculation as QGIS runs it: on the main thread, in workers, in models; cut off, cancelled.

The engine is real; what stands between is a line that the tests can cut.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from helpers import wait_until
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QEventLoop, QTimer
from relay import Relay
from steering import Recorder

from oq_processing import settings
from oq_processing.algorithms.common import log_file
from oq_processing.algorithms.common.log_file import LogFile
from oq_processing.engine import watch
from oq_processing.engine.calculation import LogRecord

RUN = "openquake:runcalculation"
LOAD = "openquake:loadoutputaslayer"
POST = "POST /v1/calc/run"
LATIN = "hazard/LatinSamplingClassicalPSHA"
REACTION = 2.0  # seconds within which a cancelled run says that it stops


class Ticks:
    """The longest time in which the main thread's event loop stood still."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self.longest = 0.0
        self.count = 0

    def __enter__(self) -> Ticks:
        self._last = time.monotonic()
        self._timer.start(50)
        return self

    def __exit__(self, *_) -> None:
        self._tick()
        self._timer.stop()

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self.count += 1


def spin(until, seconds: float = 240.0) -> None:
    """Run the main thread's event loop until it is so."""
    loop = QEventLoop()
    timer = QTimer()
    end = time.monotonic() + seconds
    timer.timeout.connect(lambda: (until() or time.monotonic() > end) and loop.quit())
    timer.start(20)
    loop.exec_()
    timer.stop()
    assert until(), "it did not happen in time"


class Trigger:
    """Does something once, from a timer of the main thread, as soon as a condition holds."""

    def __init__(self, condition, action) -> None:
        self._condition = condition
        self._action = action
        self.at = 0.0
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(20)

    def _look(self) -> None:
        if not self.at and self._condition():
            self._timer.stop()
            self.at = time.monotonic()
            self._action()


class Runner:
    """Runs algorithms on the main thread, or in a worker as the desktop's dialogs do."""

    def __init__(self, registry, url: str) -> None:
        self.registry = registry
        self.url = url

    def __call__(self, feedback=None, algorithm: str = RUN, **parameters):
        """Run on the main thread; what the algorithm raises is raised."""
        feedback = feedback or Recorder()
        parameters.setdefault("SERVER", self.url)
        found = self.registry.algorithmById(algorithm)
        context = QgsProcessingContext()
        fits, reason = found.checkParameterValues(parameters, context)
        assert fits, reason
        results, ok = found.run(parameters, context, feedback, {}, False)
        assert ok, feedback.texts("error")
        return results, feedback

    def failing(self, feedback=None, **parameters):
        """Run on the main thread; return the message it fails with."""
        feedback = feedback or Recorder()
        with pytest.raises(QgsProcessingException) as caught:
            self(feedback, **parameters)
        return str(caught.value), feedback

    def task(self, **parameters) -> Task:
        """Start in a worker thread."""
        parameters.setdefault("SERVER", self.url)
        return Task(self.registry.algorithmById(RUN), parameters)


class Task:
    """A run in a worker thread."""

    def __init__(self, algorithm, parameters) -> None:
        self.feedback = Recorder()
        self.ended: tuple[bool, dict] | None = None
        self._context = QgsProcessingContext()
        self._task = QgsProcessingAlgRunnerTask(algorithm, parameters, self._context, self.feedback)
        self._task.executed.connect(self._end)
        QgsApplication.taskManager().addTask(self._task)

    def _end(self, ok: bool, results: dict) -> None:
        self.ended = (ok, results)

    def cancel(self) -> None:
        self._task.cancel()

    def results(self) -> dict:
        """Wait for the end on a running event loop; return what came out."""
        spin(lambda: self.ended)
        ok, results = self.ended
        assert ok, self.feedback.texts("error")
        return results


@pytest.fixture(scope="module")
def run(registry, server) -> Runner:
    return Runner(registry, server.url)


@pytest.fixture
def line(server):
    """A line to the server, for this test to cut."""
    with Relay(server.url) as relay:
        yield relay


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def changed_copy(source: Path, target: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Copy a folder and change one of its files; return that file."""
    shutil.copytree(source, target)
    file = target / name
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def latin(demos) -> Path:
    """A small job: one site, 12 realizations, mean hazard curves."""
    return demos / LATIN / "job.ini"


@pytest.fixture(scope="module")
def pair(demos, tmp_path_factory) -> Path:
    """A folder with a hazard job and a risk job for one asset at its site."""
    folder = tmp_path_factory.mktemp("pair") / "job"
    shutil.copytree(demos / LATIN, folder)
    (folder / "job.ini").rename(folder / "job_hazard.ini")
    (folder / "job_risk.ini").write_text(RISK_INI)
    (folder / "exposure.xml").write_text(EXPOSURE)
    (folder / "vulnerability.xml").write_text(VULNERABILITY)
    return folder


RISK_INI = """\
[general]
description = Losses of one building
calculation_mode = classical_risk
exposure_file = exposure.xml
structural_vulnerability_file = vulnerability.xml
risk_investigation_time = 1
"""

EXPOSURE = """\
<?xml version="1.0" encoding="UTF-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.5">
  <exposureModel id="one" category="buildings" taxonomySource="none">
    <description>One building</description>
    <conversions>
      <costTypes><costType name="structural" type="aggregated" unit="EUR"/></costTypes>
    </conversions>
    <assets>
      <asset id="a1" number="1" taxonomy="CR">
        <location lon="0" lat="0"/>
        <costs><cost type="structural" value="1000"/></costs>
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
def broken(pair, tmp_path_factory) -> Path:
    """The pair with a hazard job that the engine accepts and fails to run."""
    folder = tmp_path_factory.mktemp("broken") / "job"
    changed_copy(pair, folder, "source_model.xml", ("hypoDepthDist", "hypoDeepDist"))
    return folder


def extracted(client, calculation_id: int, what: str, folder: Path, **query: str):
    """Return the members of an extract, read from the server itself."""
    file = folder / f"{calculation_id}-{time.monotonic_ns()}.npz"
    client.extract(calculation_id, what, file, query)
    return np.load(io.BytesIO(file.read_bytes()))


def oqparam(client, calculation_id: int, folder: Path) -> dict:
    return json.loads(extracted(client, calculation_id, "oqparam", folder)["json"].tobytes())


def engine_log(client, calculation_id: int) -> list[str]:
    return [str(record) for record in client.whole_log(calculation_id)]


def newest_id(client) -> int:
    rows = client.calculations(limit=1)
    return rows[0].id if rows else 0


# --- runs that end well


@pytest.fixture(scope="module")
def hazard(run, latin):
    """A run with changed parameters, on the main thread, from beginning to end."""
    with pytest.MonkeyPatch.context() as patch, Ticks() as ticks:
        # often enough to see a calculation of a second on its way
        patch.setattr(watch, "STATUS_EVERY", 0.1)
        patch.setattr(watch, "LOG_EVERY", 0.1)
        results, feedback = run(
            JOB=str(latin),
            PARAMETERS="description=Test of Zürich; truncation_level=2\nhazard_maps=true",
        )
    return results, feedback, ticks


def test_a_run_gives_the_id_as_a_number_and_the_status(hazard, server, client):
    results, _, _ = hazard
    calculation_id = results["CALCULATION_ID"]
    assert type(calculation_id) is int
    assert results == {
        "CALCULATION_ID": calculation_id,
        "STATUS": "complete",
        "SERVER": server.url,
    }
    assert client.calculation(calculation_id).status == "complete"


def test_the_changed_parameters_are_remembered_of_this_calculation(hazard, server, client):
    results, _, _ = hazard
    calculation = client.calculation(results["CALCULATION_ID"])
    assert settings.overrides_of(server.url, calculation) == {
        "description": "Test of Zürich",
        "truncation_level": "2",
        "hazard_maps": "true",
    }
    later = calculation.start_time + timedelta(seconds=1)
    assert settings.overrides_of(server.url, replace(calculation, start_time=later)) == {}


def test_a_run_shows_the_engines_log_each_line_once_and_in_order(hazard, client):
    results, feedback, _ = hazard
    lines = engine_log(client, results["CALCULATION_ID"])
    assert len(lines) > 40
    assert feedback.log_lines() == lines


def test_levels_of_the_log_are_kept(hazard):
    _, feedback, _ = hazard
    kinds = {kind for _, kind, text in feedback.said if " WARNING " in text and text[:2] == "[2"}
    assert kinds == {"warning"}
    assert not feedback.texts("error")


def test_progress_only_grows_and_ends_at_100(hazard):
    _, feedback, _ = hazard
    assert feedback.percents == sorted(set(feedback.percents))
    assert feedback.percents[-1] == 100.0
    assert len(feedback.percents) > 5
    before_the_end = feedback.percents[-2]
    assert before_the_end < 100.0


def test_phases_are_told_in_order(hazard):
    results, feedback, _ = hazard
    title = f"Calculation {results['CALCULATION_ID']}: "
    phases = feedback.texts("phase")
    assert phases[:4] == [
        "Reading the job",
        "Packing the job",
        "Uploading the job",
        f"{title}Queued",
    ]
    assert len(phases) > 5
    assert phases[-1] == f"{title}Complete"
    assert all(phase.startswith(title) for phase in phases[3:])


def test_the_first_line_names_the_server_and_why(hazard, server):
    _, feedback, _ = hazard
    assert feedback.texts()[0] == f"Server: {server.url} (parameter SERVER)"


def test_changed_parameters_reach_the_engine_and_are_said(hazard, client, tmp_path):
    results, feedback, _ = hazard
    calculation_id = results["CALCULATION_ID"]
    used = oqparam(client, calculation_id, tmp_path)
    assert used["description"] == "Test of Zürich"
    assert used["truncation_level"] == 2.0
    assert client.calculation(calculation_id).description == "Test of Zürich"
    assert [text for text in feedback.texts("info") if text.startswith("Changed: ")] == [
        "Changed: description = Test of Zürich",
        "Changed: truncation_level = 2",
        "Changed: hazard_maps = true",
    ]


def test_events_are_served_all_the_time_on_the_main_thread(hazard):
    _, _, ticks = hazard
    assert ticks.longest < 0.5


CUT_FOR = 3  # attempts to reach the server that meet the cut line


@pytest.fixture(scope="module")
def workers(run, latin, server, tmp_path_factory):
    """Two runs of the hazard job in worker threads: from a zip, and from a folder by a bad line."""
    folder = tmp_path_factory.mktemp("workers") / "job"
    changed_copy(
        latin.parent,
        folder,
        "job.ini",
        ("truncation_level = 3", "truncation_level = 2\nhazard_maps = true"),
    )
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as target:
        for file in folder.iterdir():
            target.write(file, f"inside/{file.name}")
    with Ticks() as ticks, Relay(server.url) as line:
        by_zip = run.task(JOB=str(archive))
        by_folder = run.task(JOB=str(folder), SERVER=line.url)
        spin(by_folder.feedback.is_executing)
        line.cut()
        spin(lambda: line.refused >= CUT_FOR)
        line.restore()
        return {
            "zip": (by_zip.results(), by_zip.feedback),
            "folder": (by_folder.results(), by_folder.feedback),
            "ticks": ticks,
        }


def test_the_main_thread_is_free_while_workers_run(workers):
    ticks = workers["ticks"]
    assert ticks.longest < 0.2
    assert ticks.count > 50


@pytest.mark.parametrize("way", ["zip", "folder"])
def test_a_zip_and_a_folder_give_what_the_ini_gives(way, workers, hazard, client, tmp_path):
    results, _ = workers[way]
    assert results["STATUS"] == "complete"
    ids = [results["CALCULATION_ID"], hazard[0]["CALCULATION_ID"]]
    assert ids[0] != ids[1]
    one, other = ([output.type for output in client.outputs(i)] for i in ids)
    assert one == other == ["fullreport", "hcurves", "hmaps", "hmaps-stats", "realizations"]
    curves = [extracted(client, i, "hcurves", tmp_path, kind="mean")["mean"] for i in ids]
    assert curves[0].shape == (1, 1, 20)
    assert curves[0].max() > 0.01
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-6)


@pytest.mark.parametrize("way", ["zip", "folder"])
def test_the_log_is_whole_in_a_worker_and_after_a_cut_line(way, workers, client):
    results, feedback = workers[way]
    assert feedback.log_lines() == engine_log(client, results["CALCULATION_ID"])
    assert feedback.percents == sorted(set(feedback.percents))
    assert feedback.percents[-1] == 100.0


def test_a_cut_line_is_told_once_and_so_is_its_return(workers):
    _, feedback = workers["folder"]
    notes = [text for text in feedback.texts("warning") if text[:2] != "[2"]
    assert len(notes) == 2
    assert notes[0].endswith("Trying again for 300 s.")
    assert notes[1] == "The server answers again."
    _, undisturbed = workers["zip"]
    assert not [text for text in undisturbed.texts("warning") if text[:2] != "[2"]


# --- one calculation on top of another


def test_two_ini_run_one_on_top_of_the_other(run, pair, client, tmp_path):
    log = tmp_path / "log.txt"
    results, feedback = run(JOB=str(pair), JOB_INI="job_hazard.ini,job_risk.ini", LOG=str(log))
    submitted = [text for text in feedback.texts("info") if " submitted to " in text]
    hazard_id, risk_id = (int(text.split()[1]) for text in submitted)
    assert results["CALCULATION_ID"] == risk_id
    assert results["STATUS"] == "complete"
    assert results["LOG"] == str(log)
    first, second = client.calculation(hazard_id), client.calculation(risk_id)
    assert (first.mode, first.status, first.parent_id) == ("classical", "complete", None)
    assert (second.mode, second.status, second.parent_id) == (
        "classical_risk",
        "complete",
        hazard_id,
    )
    assert second.description == "Losses of one building"
    lines = engine_log(client, hazard_id) + engine_log(client, risk_id)
    assert feedback.log_lines() == lines
    assert log.read_text("utf-8") == "".join(f"{line}\n" for line in lines)
    assert feedback.percents == sorted(set(feedback.percents))
    assert 50.0 in feedback.percents
    assert feedback.percents[-1] == 100.0


def test_the_inis_hazard_id_is_posted_and_a_full_disk_costs_only_the_log(
    run, pair, hazard, client, tmp_path, monkeypatch
):
    hazard_id = hazard[0]["CALCULATION_ID"]
    folder = tmp_path / "job"
    ini = changed_copy(
        pair,
        folder,
        "job_risk.ini",
        ("[general]", f"[general]\nhazard_calculation_id = {hazard_id}"),
    )
    log = tmp_path / "log.txt"
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(log_file, "part_of", lambda _: tmp_path / "full")
    message, feedback = run.failing(JOB=str(ini), LOG=str(log))
    calculation_id = feedback.calculation_id()
    assert message == (
        f"Calculation {calculation_id} complete, but the log file {log} "
        "could not be written (No space left on device)."
    )
    assert not log.exists()
    calculation = client.calculation(calculation_id)
    assert (calculation.status, calculation.parent_id) == ("complete", hazard_id)
    assert f"Based on calculation {hazard_id}, as the .ini says" in feedback.texts("info")
    assert feedback.log_lines() == engine_log(client, calculation_id)


# --- calculations that fail


@pytest.fixture(scope="module")
def failures(run, broken, client, tmp_path_factory):
    """A hazard job that fails: followed by a risk job, and alone with FAIL_ON_FAILED off."""
    log = tmp_path_factory.mktemp("failures") / "log.txt"
    newest = newest_id(client)
    alone = run.task(
        JOB=str(broken / "job_hazard.ini"), FAIL_ON_FAILED=False, LOG="TEMPORARY_OUTPUT"
    )
    message, feedback = run.failing(
        JOB=str(broken), JOB_INI="job_hazard.ini,job_risk.ini", LOG=str(log)
    )
    results = alone.results()
    made = [c.id for c in client.calculations(limit=10) if c.id > newest]
    return message, feedback, log, results, alone.feedback, made


def test_a_failed_calculation_fails_with_the_engines_reason(failures, client):
    message, feedback, *_ = failures
    calculation_id = feedback.calculation_id()
    reason = client.traceback(calculation_id)[-1].strip()
    assert "hypoDe" in reason
    assert message == (
        f"Calculation {calculation_id} failed: {reason.rstrip('.')}. "
        "The whole log: algorithm Get Log (openquake:getlog)."
    )
    assert feedback.percents[-1] < 100.0


def test_the_log_is_complete_also_when_the_calculation_failed(failures, client):
    _, feedback, log, *_ = failures
    lines = engine_log(client, feedback.calculation_id())
    assert log.read_text("utf-8") == "".join(f"{line}\n" for line in lines)
    assert [path.name for path in log.parent.iterdir()] == ["log.txt"]
    [error] = [line for line in lines if " ERROR " in line.split("]")[0]]
    assert len(error) > 2000
    # a long traceback is shown without its middle: its end is the reason
    shown = [line if line != error else f"{error[:1000]} … {error[-1000:]}" for line in lines]
    assert feedback.log_lines() == shown
    assert feedback.texts("error") == [f"{error[:1000]} … {error[-1000:]}"]


def test_a_failed_hazard_stops_before_the_risk(failures):
    _, feedback, _, _, other, made = failures
    assert sorted(made) == sorted([feedback.calculation_id(), other.calculation_id()])


def test_a_failed_calculation_is_a_result_where_the_user_wants_it(failures, client):
    _, _, _, results, feedback, _ = failures
    assert results["STATUS"] == "failed"
    assert results["CALCULATION_ID"] == feedback.calculation_id()
    assert client.calculation(results["CALCULATION_ID"]).status == "failed"
    lines = engine_log(client, results["CALCULATION_ID"])
    assert Path(results["LOG"]).read_text("utf-8") == "".join(f"{line}\n" for line in lines)
    assert Path(results["LOG"]).is_absolute()


def test_a_log_of_which_something_may_be_missing_does_not_get_its_name(hazard, client, tmp_path):
    path = tmp_path / "log.txt"
    first_id = hazard[0]["CALCULATION_ID"]
    with LogFile(path) as log:
        log.finish(client, first_id)
        log.write(first_id + 1, [LogRecord("now", "INFO", "main", "the second has begun")])
    assert not path.exists()
    lines = [*engine_log(client, first_id), "[now INFO main] the second has begun"]
    assert log.kept.read_text("utf-8") == "".join(f"{line}\n" for line in lines)


def test_a_log_that_is_a_folder_is_refused_before_anything_is_sent(run, latin, line, tmp_path):
    message, _ = run.failing(JOB=str(latin), LOG=str(tmp_path), SERVER=line.url)
    assert message == f"The log file {tmp_path} cannot be written (it is a folder)."
    assert line.count(POST) == 0
    assert list(tmp_path.parent.glob("*.part")) == []


# --- models


def static(value):
    return QgsProcessingModelChildParameterSource.fromStaticValue(value)


def chain(folder: Path, job: Path, url: str, overrides: str) -> QgsProcessingModelAlgorithm:
    """A model of two steps: run a job, load its hazard maps into a file."""
    model = QgsProcessingModelAlgorithm("chain", "tests")
    first = QgsProcessingModelChildAlgorithm(RUN)
    first.setChildId("run")
    for name, value in (
        ("JOB", str(job)),
        ("SERVER", url),
        ("PARAMETERS", overrides),
        ("WAIT", True),
        ("FAIL_ON_FAILED", True),
    ):
        first.addParameterSources(name, [static(value)])
    outputs = {}
    for name in ("CALCULATION_ID", "STATUS"):
        output = QgsProcessingModelOutput(name)
        output.setChildId("run")
        output.setChildOutputName(name)
        outputs[name] = output
    first.setModelOutputs(outputs)
    model.addChildAlgorithm(first)
    second = QgsProcessingModelChildAlgorithm(LOAD)
    second.setChildId("load")
    for name in ("CALCULATION_ID", "SERVER"):
        source = QgsProcessingModelChildParameterSource.fromChildOutput("run", name)
        second.addParameterSources(name, [source])
    second.addParameterSources("OUTPUT_TYPE", [static("hmaps")])
    second.addParameterSources("OUTPUT", [static(str(folder / "map.gpkg"))])
    model.addChildAlgorithm(second)
    return model


def run_model(model, feedback):
    return model.run({}, QgsProcessingContext(), feedback, {}, False)


def test_a_model_feeds_the_run_to_the_next_step(registry, latin, line, client, tmp_path):
    model = chain(tmp_path, latin, line.url, "hazard_maps=true")
    feedback = Recorder()
    results, ok = run_model(model, feedback)
    assert ok, feedback.texts("error")
    calculation_id = newest_id(client)
    assert client.calculation(calculation_id).status == "complete"
    # newer QGIS gives back only what the model names as its result
    assert results.get("run:CALCULATION_ID", calculation_id) == calculation_id
    assert results.get("run:STATUS", "complete") == "complete"
    layer = QgsVectorLayer(str(tmp_path / "map.gpkg"), "map", "ogr")
    assert layer.isValid()
    [feature] = layer.getFeatures()
    assert (feature["lon"], feature["lat"]) == (0.0, 0.0)
    value = extracted(client, calculation_id, "hmaps", tmp_path, kind="mean")["mean"].item()
    assert value > 0.01
    assert feature["PGA-0.002"] == pytest.approx(value, rel=1e-6)
    assert line.count(f"GET /v1/calc/{calculation_id}/results") > 0


def test_a_model_stops_where_the_run_fails(registry, latin, line, client, tmp_path):
    model = chain(tmp_path, latin, line.url, "truncation_level=abc")
    feedback = Recorder()
    with pytest.raises(QgsProcessingException) as failure:
        run_model(model, feedback)
    words = f"Calculation {newest_id(client)} failed: the engine refused the job: "
    # newer QGIS has a step's reason in the exception only
    assert words in "\n".join([*feedback.texts("error"), str(failure.value)])
    assert line.count(POST) == 1
    assert not [r for r in line.requests if "/results" in r or "/calc/0/" in r]
    assert not (tmp_path / "map.gpkg").exists()


# --- cancelled


def test_cancelled_while_packing(run, latin, client, tmp_path, temporary):
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(200 * 1024**2)
    newest = newest_id(client)
    feedback = Recorder()
    begun = []
    # packing has begun when the archive is there
    trigger = Trigger(
        lambda: feedback.has("Packing") and begun.append(list(temporary.glob("*/files/*"))) is None,
        feedback.cancel,
    )
    message, _ = run.failing(feedback, JOB=str(latin), EXTRA_FILES=[str(large)])
    assert time.monotonic() - trigger.at < REACTION
    assert message == "Cancelled by the user."
    assert [path.name for path in begun[-1]] == ["job.zip.part"]
    assert not feedback.has("Uploading")
    assert list(temporary.iterdir()) == []
    assert newest_id(client) == newest


def test_cancelled_while_uploading(run, latin, line, client, tmp_path, temporary):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(24 * 1024**2))  # more than the sockets on the way take in
    newest = newest_id(client)
    feedback = Recorder()
    line.hold(POST, after=1024**2)
    trigger = Trigger(lambda: POST in line.stalled, feedback.cancel)
    message, _ = run.failing(feedback, JOB=str(latin), EXTRA_FILES=[str(large)], SERVER=line.url)
    assert time.monotonic() - trigger.at < REACTION
    assert message == (
        "Cancelled by the user during the upload; nothing was submitted, though the engine may "
        "list it as a failed calculation."
    )
    assert line.count(POST) == 1
    assert list(temporary.iterdir()) == []
    # what waits in the sockets arrives once the line works again: for the engine, a form without
    # files
    line.release()
    wait_until(lambda: newest_id(client) > newest)
    wait_until(lambda: client.calculations(limit=1)[0].status == "failed")
    assert newest_id(client) == newest + 1


def test_cancelled_when_the_whole_job_is_sent(run, latin, line, client, temporary):
    """The answer is not there yet: what may still start must not be denied."""
    newest = newest_id(client)
    feedback = Recorder()
    line.hold(POST, after=0)  # sent, as far as the sender can tell
    trigger = Trigger(lambda: POST in line.stalled, feedback.cancel)
    message, _ = run.failing(feedback, JOB=str(latin), SERVER=line.url)
    assert time.monotonic() - trigger.at < REACTION
    assert message == (
        "Calculation submitted, state unknown: Cancelled by the user after the whole job was sent. "
        "No such calculation has appeared on the server so far; "
        "look at its list before you try again."
    )
    assert line.count(POST) == 1
    assert list(temporary.iterdir()) == []
    assert newest_id(client) == newest


def test_cancelled_while_created_on_the_main_thread(
    run, latin, client, tmp_path, temporary, monkeypatch
):
    monkeypatch.setattr(watch, "ABORT_AGAIN", 0.1)  # it executes for a second
    log = tmp_path / "log.txt"
    feedback = Recorder()
    trigger = Trigger(lambda: feedback.has(": Queued"), feedback.cancel)
    message, _ = run.failing(feedback, JOB=str(latin), LOG=str(log))
    calculation_id = feedback.calculation_id()
    said = feedback.when(f"Cancelled: aborting calculation {calculation_id}.")
    assert said - trigger.at < REACTION
    assert message == f"Calculation {calculation_id} aborted: cancelled by the user."
    # aborted where the process was killed before it could record its end
    assert client.calculation(calculation_id).status in ("failed", "aborted")
    lines = engine_log(client, calculation_id)
    assert log.read_text("utf-8") == "".join(f"{line}\n" for line in lines)
    assert list(temporary.iterdir()) == []


def test_cancelled_while_executing_in_a_worker(run, demos, client, temporary):
    with Ticks() as ticks:
        task = run.task(JOB=str(demos / "hazard/AreaSourceClassicalPSHA/job.ini"))
        spin(task.feedback.is_executing)
        calculation_id = task.feedback.calculation_id()
        assert client.calculation(calculation_id).status == "executing"
        cancelled = time.monotonic()
        task.cancel()
        spin(lambda: task.ended)
    assert task.ended[0] is False
    said = task.feedback.when(f"Cancelled: aborting calculation {calculation_id}.")
    assert said - cancelled < REACTION
    assert task.feedback.texts("error") == [
        f"Calculation {calculation_id} aborted: cancelled by the user."
    ]
    assert client.calculation(calculation_id).status == "failed"
    assert client.traceback(calculation_id)[-1].startswith("MasterKilled")
    assert ticks.longest < 0.3  # one look at the server from this thread is among it
    assert list(temporary.iterdir()) == []


# --- bad parameters that only QGIS can give


def test_a_log_needs_waiting(registry, latin, server):
    algorithm = registry.algorithmById(RUN)
    fits, reason = algorithm.checkParameterValues(
        {"JOB": str(latin), "WAIT": False, "LOG": "log.txt"}, QgsProcessingContext()
    )
    assert not fits
    assert reason == "A LOG needs WAIT=true: it is whole when the calculation ends."


def test_an_unknown_authentication_is_one_sentence_and_no_request(registry, latin, line):
    feedback = Recorder()
    _, ok = registry.algorithmById(RUN).run(
        {"JOB": str(latin), "SERVER": line.url, "AUTHCFG": "nothere"},
        QgsProcessingContext(),
        feedback,
        {},
        False,
    )
    assert not ok
    assert feedback.texts("error") == [
        "There is no authentication configuration “nothere” in this profile."
    ]
    assert line.requests == []


# --- runs whose calculations go on; they come last because they keep the engine busy


@pytest.mark.parametrize("described", [True, False])
def test_a_line_that_breaks_before_the_answer_is_no_second_try(
    described, run, latin, line, client, tmp_path
):
    job = latin
    if not described:
        words = "description = Classical PSHA with 4 sources and Latin Hypercube Sampling"
        job = changed_copy(latin.parent, tmp_path / "job", "job.ini", (words, ""))
    newest = newest_id(client)
    line.cut_at_answer_to(POST)
    message, feedback = run.failing(JOB=str(job), SERVER=line.url)
    [made] = [c.id for c in client.calculations(limit=5) if c.id > newest]
    assert message.startswith("Calculation submitted, state unknown: The connection to ")
    assert message.endswith(
        f". It may be calculation {made} (created), which is new. Nothing was repeated."
    )
    assert line.count(POST) == 1
    assert not feedback.has(" submitted to ")
    assert not [request for request in line.requests if f"/calc/{made}/" in request]
    assert client.calculation(made).is_running


def test_a_line_that_breaks_under_a_job_on_the_server(run, line, client):
    newest = newest_id(client)
    line.cut_at_answer_to("POST /v1/calc/run_ini")
    message, _ = run.failing(JOB_ON_SERVER="/nowhere/job.ini", SERVER=line.url)
    [made] = [c.id for c in client.calculations(limit=5) if c.id > newest]
    assert message.startswith("Calculation submitted, state unknown: The connection to ")
    assert message.endswith(
        f". It may be calculation {made} (failed), which is new. Nothing was repeated."
    )
    assert line.count("POST /v1/calc/run_ini") == 1


def test_a_line_cut_for_good_leaves_the_calculation_alone(
    run, latin, line, client, tmp_path, monkeypatch
):
    monkeypatch.setattr(watch, "GIVE_UP_AFTER", 2.0)
    log = tmp_path / "log.txt"
    feedback = Recorder()
    trigger = Trigger(lambda: feedback.has(": Queued"), line.cut)
    message, _ = run.failing(feedback, JOB=str(latin), SERVER=line.url, LOG=str(log))
    calculation_id = feedback.calculation_id()
    assert message.startswith(f"Calculation {calculation_id} submitted, state unknown: ")
    assert f"Come back to it with its id, {calculation_id}." in message
    assert client.calculation(calculation_id).is_running
    assert trigger.at
    assert not log.exists()


def test_without_waiting_a_run_ends_when_it_is_submitted(run, pair, hazard, client):
    hazard_id = hazard[0]["CALCULATION_ID"]
    results, feedback = run(
        JOB=str(pair), JOB_INI="job_risk.ini", HAZARD_CALCULATION_ID=hazard_id, WAIT=False
    )
    calculation = client.calculation(results["CALCULATION_ID"])
    assert results["STATUS"] == "submitted"
    assert calculation.is_running
    assert calculation.parent_id == hazard_id
    assert feedback.log_lines() == []
