"""Start and Stop Local Engine: one engine of the user's own, found by who comes later."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from helpers import SLOW_ENGINE, end_all, killed_starter, processes_of, program, wait_until
from steering import Recorder, When, call, failing

from oq_processing import connections, settings
from oq_processing.algorithms.common.server import INSTALLER
from oq_processing.engine import installation, launch, local
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import EngineError, LocalEngineError

pytestmark = pytest.mark.slow

START = "openquake:startlocalengine"
STOP = "openquake:stoplocalengine"


@pytest.fixture
def oq(demos):
    return demos.parent / "bin" / "oq"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has no engine."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("OPENQUAKE_OQ", raising=False)
    yield tmp_path / "openquake-qgis"
    end_all(tmp_path / "openquake-qgis")


def test_from_start_to_stop(registry, home, oq, server, client, demos, monkeypatch):
    monkeypatch.setenv("OPENQUAKE_OQ", str(oq))
    assert connections.resolve("", "").reason == "default"
    started = call(START)
    url = started.results["SERVER"]
    assert started.results == {"SERVER": url, "VERSION": "3.26.2"}
    assert started.feedback.has(f"OpenQuake Engine 3.26.2 is started at {url}")
    assert started.feedback.has("Other users of this computer can reach it without a password: ")
    assert home.stat().st_mode & 0o777 == 0o700
    # its own database: what others have calculated is not in it
    own = EngineClient(url)
    assert own.calculations() == []
    assert (home / "db.sqlite3").is_file()

    # who comes later finds it, as a program of its own would
    found = connections.resolve("", "")
    assert (found.url, found.reason) == (url, "local engine")
    again = call(START)
    assert again.results == started.results
    assert again.feedback.has(f"runs already at {url}")
    port = int(url.rpartition(":")[2])
    assert failing(START, PORT=port + 1 if port < 65535 else port - 1).startswith(
        f"The engine of this user runs already at {url}; stop it first"
    )

    # what runs there is not lost by the way
    job = str(demos / "hazard/AreaSourceClassicalPSHA/job.ini")
    submitted = call(
        "openquake:runcalculation", JOB=job, WAIT=False, PARAMETERS="area_source_discretization=1"
    )
    assert submitted.results["SERVER"] == url
    assert failing(STOP) == (
        f"Calculation 1 still run at {url}; wait for the end, or set ABORT_RUNNING to lose them."
    )
    assert own.engine_version() == "3.26.2"
    assert call(STOP, ABORT_RUNNING=True).results == started.results
    assert local.recorded() is None
    assert connections.resolve("", "").reason == "default"
    assert failing(
        "openquake:listoutputs", CALCULATION_ID=1, SERVER=url, OUTPUT="memory:"
    ).startswith(f"No server answers at {url} (connection refused)")
    # nobody else's
    assert client.engine_version() == "3.26.2"
    assert failing(STOP) == (
        "No engine runs that Start Local Engine has started; others are not touched."
    )
    assert server.process.poll() is None


def test_an_engine_is_started_for_a_run_where_the_options_say_so(
    registry, home, oq, demos, monkeypatch
):
    free = launch.free_port()
    monkeypatch.setattr(connections, "DEFAULT_URL", f"http://127.0.0.1:{free}")
    monkeypatch.setenv("OPENQUAKE_OQ", str(oq))
    job = {"JOB": str(demos / "hazard/LatinSamplingClassicalPSHA/job.ini"), "WAIT": False}
    nobody = f"No server answers at http://127.0.0.1:{free} (connection refused)"
    assert failing("openquake:runcalculation", **job).startswith(nobody)
    assert local.recorded() is None, "off by default"
    settings.set_starts_local_engine(True)
    try:
        assert failing("openquake:getlog", CALCULATION_ID=1, OUTPUT=str(home)).startswith(nobody)
        assert failing("openquake:runcalculation", **job, SERVER=f"127.0.0.1:{free}").startswith(
            nobody
        ), "not instead of a server that was asked for"
        assert local.recorded() is None
        done = call("openquake:runcalculation", **job)
    finally:
        settings.set_starts_local_engine(False)
    assert done.results["SERVER"] == local.recorded().url
    assert [t for t in done.feedback.texts("warning") if t.startswith(nobody)]
    assert EngineClient(done.results["SERVER"]).calculation(1).mode == "classical"


def test_two_start_at_once_and_one_after_a_crash(home, oq):
    """Neither a second engine nor a second claim on the first one's database."""
    results: list[object] = []

    def start() -> None:
        try:
            results.append(local.start_own(oq))
        except LocalEngineError as error:
            results.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    [refused] = [r for r in results if isinstance(r, str)]
    assert refused == (
        "Another program is starting or stopping the engine of this user; try again."
    )
    [(record, was_there)] = [r for r in results if isinstance(r, tuple)]
    assert not was_there
    assert local.recorded() == record
    os.killpg(record.pid, signal.SIGKILL)
    os.waitpid(record.pid, 0)
    assert local.recorded() is None

    # a starter that is killed itself leaves the engine to the next one
    assert killed_starter(oq, home) == -signal.SIGKILL
    starting = local.recorded()
    assert starting.is_starting
    second, was_there = local.start_own(oq)
    assert was_there
    assert (second.pid, second.version) == (starting.pid, "3.26.2")
    assert second.pid != record.pid
    assert EngineClient(second.url).engine_version() == "3.26.2"
    assert {os.getpgid(pid) for pid in processes_of(home)} == {second.pid}


@pytest.fixture
def starting(home, tmp_path):
    """An engine that is starting while the program that began to start it was killed."""
    oq = program(tmp_path / "oq", SLOW_ENGINE)
    killed_starter(oq, home)
    return local.recorded()


def test_nothing_goes_to_another_server_while_the_local_engine_is_starting(
    registry, home, starting, tmp_path
):
    found = connections.resolve("", "")
    assert (found.url, found.reason, found.starting) == (starting.url, "local engine", True)
    message = failing("openquake:listoutputs", CALCULATION_ID=1, OUTPUT="memory:")
    assert message == (
        f"Your local engine at {starting.url} is still starting. Try again in some seconds, "
        "or run Start Local Engine, which waits for it."
    )
    # a run waits for it, whatever the options say
    ini = tmp_path / "job.ini"
    ini.write_text("[general]\ndescription = A test\ncalculation_mode = classical\n")
    feedback = Recorder()
    waits = f"Waiting for your local engine, which is starting at {starting.url}"
    when = When(lambda: feedback.has(waits), (home / "ready").touch)
    failing("openquake:runcalculation", feedback, JOB=str(ini))
    assert when.at
    assert feedback.has("Uploading the job")
    assert feedback.texts("warning") == []
    assert not connections.resolve("", "").starting
    assert processes_of(home) == [starting.pid]


def test_stop_ends_one_that_is_starting(registry, home, starting):
    stopped = call(STOP)
    assert stopped.results == {"SERVER": starting.url, "VERSION": ""}
    assert stopped.feedback.has(f"OpenQuake Engine that was starting at {starting.url} is stopped")
    assert processes_of(home) == []


def test_stop_asks_one_that_has_come_up_meanwhile(registry, home, starting):
    """Its starter was killed: the record does not say that it may be calculating."""
    (home / "calculations.json").write_text('[{"id": 1, "status": "executing"}]')
    (home / "ready").touch()
    wait_until(lambda: answers(starting.url))
    assert local.recorded().is_starting
    assert failing(STOP).startswith(f"Calculation 1 still run at {starting.url}; ")
    assert processes_of(home) == [starting.pid]
    call(STOP, ABORT_RUNNING=True)
    assert processes_of(home) == []


def answers(url: str) -> bool:
    with contextlib.suppress(EngineError):
        return bool(EngineClient(url).engine_version())
    return False


@pytest.mark.parametrize(
    "about",
    [
        "a later process",
        "no process",
        "no record",
        "not whole",
        "infinite",
        "of another type",
        "too large",
    ],
)
def test_a_stale_record_is_none(home, about, server):
    home.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        pid = other.pid if about == "a later process" else 2**22 + 1
        text = json.dumps(
            {"pid": pid, "mark": "boot 1", "port": 1, "url": server.url, "version": "3.26.2"}
        )
        pids = {"infinite": "Infinity", "of another type": '"1"', "too large": "1" + 30 * "0"}
        text = text.replace(str(pid), pids.get(about, str(pid)))
        if about == "no record":
            text = "[]"
        (home / local.STATE).write_text(text[: 20 if about == "not whole" else None])
        assert local.recorded() is None
        assert connections.resolve("", "").reason == "default"
        assert local.stop_own() is None
        assert other.poll() is None, "a process that is not ours was stopped"
        other.communicate(b"\n")


def test_no_engine_and_how_to_get_one(registry, home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(installation, "usual_places", list)
    message = failing(START)
    assert message == (
        "No OpenQuake engine is installed here: there is no command “oq” on the PATH, nor at the "
        f"usual places. To install one for this user: python3 {INSTALLER}"
    )
    assert INSTALLER.is_file()
    monkeypatch.setattr(settings, "engine_executable", lambda: "/nowhere/oq")
    assert "/nowhere/oq is no program." in failing(START)
    assert "/elsewhere/oq is no program." in failing(START, EXECUTABLE="/elsewhere/oq")


@pytest.mark.parametrize("port", [80, 70000, -1])
def test_ports_that_are_none(registry, port):
    assert failing(START, PORT=port) == f"PORT must be between 1024 and 65535, not {port}."


def test_where_the_installers_put_it(home, monkeypatch, oq):
    monkeypatch.setenv("PATH", "/nowhere")
    place = home / "venv" / "bin" / "oq"
    assert place in installation.usual_places()
    place.parent.mkdir(parents=True)
    place.symlink_to(oq)
    assert installation.find_executable() == place
