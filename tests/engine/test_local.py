"""An engine on this computer: ours alone, found, started, and stopped to the last process."""

import json
import os
import shutil
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from helpers import SLOW_ENGINE, end_all, killed_starter, processes_of, program, wait_until

from oq_processing.engine import installation, launch, local
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import Cancelled, LocalEngineError, Unreachable
from oq_processing.engine.wait import Wait

pytestmark = pytest.mark.slow


@pytest.fixture
def script(tmp_path):
    """Make a program that stands for ``oq``."""

    def write(code):
        return program(tmp_path / "oq", code)

    return write


def test_a_second_engine_is_on_its_own(server, client, area_source, tmp_path):
    executable = Path(__file__).parents[2] / ".engine" / "bin" / "oq"
    folder = tmp_path / "é second"
    with launch.running(executable, folder) as second:
        assert second.version == "3.26.2"
        assert second.url.startswith("http://127.0.0.1:")
        assert second.url != server.url
        there = EngineClient(second.url)
        assert there.calculations() == []
        assert [c.id for c in client.calculations(limit=1000)][-1] == 1
        databases = [Path(e.folder) / "db.sqlite3" for e in (server, second)]
        jobs = [sqlite3.connect(d).execute("SELECT count(*) FROM job") for d in databases]
        assert [row.fetchone()[0] > 0 for row in jobs] == [True, False]
        assert '"GET /v1/engine_version HTTP/1.1" 200' in second.log.read_text()
        # a calculation is under way when the engine is stopped
        idle = processes_of(folder)
        assert second.process.pid in idle
        ini = executable.parents[1] / "demos" / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
        assert there.submit_on_server(str(ini)) == 1
        wait_until(lambda: len(processes_of(folder)) > len(idle))
        assert there.calculation(1).is_running
    assert second.process.poll() is not None
    assert processes_of(folder) == []
    with pytest.raises(Unreachable, match="connection refused"):
        there.engine_version()
    assert client.engine_version() == "3.26.2"
    assert client.calculation(area_source).status == "complete"
    launch.stop(second)  # nothing happens


def test_the_engine_is_found(tmp_path, monkeypatch, script):
    path = script("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OPENQUAKE_OQ", raising=False)
    assert installation.find_executable() == path
    assert installation.find_executable(path) == path
    other = tmp_path / "other" / "oq"
    other.parent.mkdir()
    shutil.copy(path, other)
    monkeypatch.setenv("OPENQUAKE_OQ", str(other))
    assert installation.find_executable() == other
    assert installation.find_executable(str(path)) == path, "what is given wins"


def test_no_engine_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OPENQUAKE_OQ", raising=False)
    monkeypatch.setattr(installation, "usual_places", lambda: [tmp_path / "nothing" / "oq"])
    with pytest.raises(LocalEngineError) as error:
        installation.find_executable()
    assert str(error.value) == (
        "No OpenQuake engine is installed here: there is no command “oq” on the PATH, "
        "nor at the usual places."
    )
    with pytest.raises(LocalEngineError) as error:
        installation.find_executable("/nowhere/oq")
    assert str(error.value) == "No OpenQuake engine: /nowhere/oq is no program."
    (tmp_path / "plain").write_text("no program")
    monkeypatch.setenv("OPENQUAKE_OQ", str(tmp_path / "plain"))
    with pytest.raises(LocalEngineError) as error:
        installation.find_executable()
    assert str(error.value) == (
        "No OpenQuake engine: the environment variable OPENQUAKE_OQ names "
        f"{tmp_path / 'plain'} is no program."
    )


def test_ports():
    ports = {launch.free_port() for _ in range(50)}
    assert not ports & set(range(1905, 1931))
    with socket.create_server(("127.0.0.1", ports.pop())):
        pass


def test_a_program_that_cannot_be_started(tmp_path):
    with pytest.raises(LocalEngineError) as error:
        launch.start(tmp_path / "oq", tmp_path / "folder")
    assert str(error.value) == (f"{tmp_path / 'oq'} cannot be started: No such file or directory.")


def test_a_folder_that_cannot_be_written(tmp_path, script):
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalEngineError, match=r"cannot be written: Not a directory\.$"):
        launch.start(script(""), tmp_path / "file" / "folder")


def test_an_engine_that_ends_at_once(tmp_path, script):
    oq = script("import sys\nprint('one\\ntwo\\n\\nthree\\nno license for this')\nsys.exit(7)")
    with pytest.raises(LocalEngineError) as error:
        launch.start(oq, tmp_path / "folder")
    assert str(error.value) == (
        "The engine ended at once (exit code 7): two / three / no license for this"
    )
    assert processes_of(tmp_path / "folder") == []


def test_an_engine_that_ends_without_a_word(tmp_path, script):
    with pytest.raises(LocalEngineError) as error:
        launch.start(script(""), tmp_path / "folder")
    assert str(error.value) == "The engine ended at once (exit code 0): it printed nothing"


FAMILY = (
    "import subprocess, sys, time\n"
    "child = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);'\n"
    "child += 'print(\"child\", flush=True); time.sleep(600)'\n"
    "subprocess.Popen([sys.executable, '-c', child])\n"
    "print('Starting', *sys.argv[1:], flush=True)\n"
    "time.sleep(600)\n"
)
"""An engine that never listens, with a child that does not listen to SIGTERM either."""


def test_an_engine_that_never_answers(tmp_path, script, monkeypatch):
    monkeypatch.setattr(launch, "START_WITHIN", 1.0)
    with pytest.raises(LocalEngineError) as error:
        launch.start(script(FAMILY), tmp_path / "folder", port=(port := launch.free_port()))
    text = str(error.value)
    assert text.startswith("The engine does not answer within 1 s: ")
    assert f"Starting webui start 127.0.0.1:{port} --skip-browser" in text
    assert processes_of(tmp_path / "folder") == []


def test_an_engine_that_takes_the_request_and_never_answers(tmp_path, script, monkeypatch):
    monkeypatch.setattr(launch, "START_WITHIN", 1.5)
    oq = script(
        "import socket, sys, time\n"
        "host, port = sys.argv[3].split(':')\n"
        "server = socket.create_server((host, int(port)))\n"
        "time.sleep(600)\n"
    )
    begin = time.monotonic()
    with pytest.raises(LocalEngineError, match="does not answer within 2 s: it printed nothing"):
        launch.start(oq, tmp_path / "folder")
    assert time.monotonic() - begin < 5
    assert processes_of(tmp_path / "folder") == []


def test_cancel_while_it_starts(tmp_path, script):
    folder = tmp_path / "folder"
    log = folder / "server.log"
    wish = threading.Event()

    def idle():
        if log.exists() and "child" in log.read_text():
            wish.set()

    begin = time.monotonic()
    with pytest.raises(Cancelled, match=r"^Cancelled by the user\.$"):
        launch.start(script(FAMILY), folder, wait=Wait(wish.is_set, idle))
    assert time.monotonic() - begin < 5
    assert processes_of(folder) == []


def test_a_port_in_use_is_not_taken_for_the_engine(tmp_path, script):
    with FakeEngine() as other:
        with pytest.raises(LocalEngineError) as error:
            launch.start(script(FAMILY), tmp_path / "folder", port=other.port)
        assert other.requests == []
    assert str(error.value) == (f"Port {other.port} is used by another program; give another one.")
    assert processes_of(tmp_path / "folder") == []


def test_the_environment_of_the_engine(tmp_path, script, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/qgis")
    monkeypatch.setenv("VIRTUAL_ENV", "/of/qgis")
    monkeypatch.setenv("OQ_DATABASE", "another:1908")
    monkeypatch.setenv("OQ_CONFIG_FILE", "/another/openquake.cfg")
    monkeypatch.setenv("HARMLESS", "kept")
    folder = tmp_path / "folder"
    oq = script(
        "import json, os\nprint(json.dumps([dict(os.environ), os.getcwd(), os.getpgrp()]))\n"
    )
    with pytest.raises(LocalEngineError):
        launch.start(oq, folder)
    environment, cwd, group = json.loads((folder / "server.log").read_text())
    assert {k: v for k, v in environment.items() if k.startswith("OQ_")} == {
        "OQ_CONFIG_FILE": str(folder / "openquake.cfg"),
        "OQ_DATADIR": str(folder / "data"),
    }
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"} & set(environment)
    assert environment["HARMLESS"] == "kept"
    assert (cwd, group != os.getpgrp()) == (str(folder), True)
    assert (folder / "openquake.cfg").read_text() == (
        f"[dbserver]\nfile = {folder}/db.sqlite3\n\n[directory]\ncustom_tmp = {folder}/tmp\n"
    )
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["data", "tmp"]


def test_a_user_without_a_home(monkeypatch):
    """Neither HOME nor an entry in passwd, as in containers."""
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert local.recorded() is None
    assert Path("/opt/openquake/bin/oq") in installation.usual_places()
    for function in (installation.user_folder, local.stop_own, lambda: local.start_own(Path("oq"))):
        with pytest.raises(LocalEngineError, match=r"^No home folder is known .* set the .* HOME"):
            function()


def test_a_user_without_a_home_who_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert installation.user_folder() == tmp_path / "openquake-qgis"
    assert installation.usual_places()[0] == tmp_path / "openquake-qgis" / "venv" / "bin" / "oq"


def test_a_process_that_has_no_number(tmp_path):
    record = '{"pid": Infinity, "mark": "a", "port": 1, "url": "http://a", "version": "3"}'
    (tmp_path / local.STATE).write_text(record)
    assert local.recorded(tmp_path) is None


def test_a_folder_that_no_configuration_can_name(tmp_path, script):
    with pytest.raises(LocalEngineError, match=r"a line break in its name: '.*/a\\nb'\.$"):
        launch.start(script(""), tmp_path / "a\nb")
    assert not (tmp_path / "a\nb").exists()


# --- the user's own engine, whose starter may be killed


@pytest.fixture
def own(tmp_path):
    """The folder of the user's own engine."""
    folder = tmp_path / "own"
    yield folder
    end_all(folder)


def begun(folder):
    """What the engines of the folder have seen when they began: their pid, and the record."""
    lines = (folder / "server.log").read_text().splitlines()
    return [line.split(maxsplit=2)[1:] for line in lines if line.startswith("begins")]


def test_it_is_recorded_before_it_does_anything(own, script):
    own.mkdir()
    (own / "ready").touch()
    record, was_there = local.start_own(script(SLOW_ENGINE), folder=own)
    [(pid, seen)] = begun(own)
    assert (record.pid, was_there, record.version) == (int(pid), False, "3.26.2")
    assert json.loads(seen) == {
        "pid": record.pid,
        "mark": record.mark,
        "port": record.port,
        "url": record.url,
        "version": "",
    }
    assert local.recorded(own) == record
    assert [p.name for p in own.glob("*.part")] == []


def test_the_next_start_adopts_one_whose_starter_was_killed(own, script):
    oq = script(SLOW_ENGINE)
    assert killed_starter(oq, own) == -9
    found = local.recorded(own)
    assert found.is_starting
    wait_until(lambda: processes_of(own) == [found.pid])
    (own / "ready").touch()
    record, was_there = local.start_own(oq, folder=own)
    assert (record.pid, record.url, record.version) == (found.pid, found.url, "3.26.2")
    assert was_there
    assert local.recorded(own) == record
    assert len(begun(own)) == 1, "a second one on the same database"


def test_one_whose_starter_was_killed_can_be_stopped(own, script):
    killed_starter(script(FAMILY), own)
    wait_until(lambda: "child" in (own / "server.log").read_text())
    assert len(processes_of(own)) == 2
    assert local.stop_own(own).is_starting
    assert processes_of(own) == []
    assert local.recorded(own) is None


def test_a_starter_that_is_killed_before_it_has_recorded_leaves_nothing(own, script):
    kill = "local._write = lambda *_: os.kill(os.getpid(), 9)"
    assert killed_starter(script(SLOW_ENGINE), own, kill) == -9
    wait_until(lambda: processes_of(own) == [])
    assert local.recorded(own) is None
    assert begun(own) == []


@pytest.mark.parametrize("way", ["cancelled", "never answers"])
def test_one_that_is_not_adopted_is_ended(own, script, monkeypatch, way):
    oq = script(SLOW_ENGINE)
    killed_starter(oq, own)
    monkeypatch.setattr(launch, "START_WITHIN", 0.5)
    wait = Wait(lambda: way == "cancelled" and len(begun(own)) == 1)
    with pytest.raises(Cancelled if way == "cancelled" else LocalEngineError):
        local.start_own(oq, wait=wait, folder=own)
    assert processes_of(own) == []
    assert local.recorded(own) is None


def test_one_that_ends_while_it_is_adopted_makes_room_for_another(own, script):
    killed_starter(script(SLOW_ENGINE), own)
    first = local.recorded(own)

    def idle():
        if processes_of(own) == [first.pid] and begun(own):
            os.killpg(first.pid, 9)
            (own / "ready").touch()

    record, was_there = local.start_own(script(SLOW_ENGINE), wait=Wait(idle=idle), folder=own)
    assert (was_there, record.version, record.pid != first.pid) == (False, "3.26.2", True)
    assert processes_of(own) == [record.pid]


@pytest.fixture
def begins(own, script):
    """A start in another thread, and what it returned."""
    results = []
    oq = script(SLOW_ENGINE)
    starter = threading.Thread(target=lambda: results.append(local.start_own(oq, folder=own)))
    starter.start()
    wait_until(lambda: local.recorded(own))
    yield results
    (own / "ready").touch()
    starter.join()


def test_one_whose_starter_lives_is_waited_for(own, begins):
    assert local.recorded(own).is_starting
    looks = []

    def idle():
        looks.append(1)
        if len(looks) == 5:
            (own / "ready").touch()

    record = local.adopt_own(Wait(idle=idle), own)
    assert record.version == "3.26.2"
    wait_until(lambda: begins == [(record, False)])


def test_cancel_of_that_leaves_it_to_its_starter(own, begins):
    with pytest.raises(Cancelled):
        local.adopt_own(Wait(lambda: True), own)
    assert local.recorded(own).is_starting
    assert begins == []


def test_cancel_while_it_starts_leaves_none_to_adopt(own, script):
    wait = Wait(lambda: (own / "server.log").exists() and len(begun(own)) == 1)
    with pytest.raises(Cancelled):
        local.start_own(script(SLOW_ENGINE), wait=wait, folder=own)
    assert processes_of(own) == []
    assert local.recorded(own) is None
    assert local.adopt_own(folder=own) is None


def test_one_that_cannot_be_recorded_is_not_started(own, script):
    (own / local.STATE).mkdir(parents=True)
    with pytest.raises(LocalEngineError, match=r"engine\.json cannot be written: "):
        local.start_own(script(SLOW_ENGINE), folder=own)
    assert processes_of(own) == []
    assert begun(own) == []


def test_other_users_cannot_read_its_folder(own, script):
    own.mkdir(mode=0o755)  # by an earlier version
    (own / "ready").touch()
    local.start_own(script(SLOW_ENGINE), folder=own)
    assert own.stat().st_mode & 0o777 == 0o700
    local.stop_own(own)


def test_it_keeps_its_port_while_that_is_free(own, script):
    own.mkdir()
    (own / "ready").touch()
    oq = script(SLOW_ENGINE)
    urls = []
    for _ in range(2):
        urls.append(local.start_own(oq, folder=own)[0].url)
        local.stop_own(own)
    assert urls[0] == urls[1]
    with socket.create_server(("127.0.0.1", int(urls[0].rpartition(":")[2]))):
        other = local.start_own(oq, folder=own)[0]
    assert other.url != urls[0]
    assert EngineClient(other.url).engine_version() == "3.26.2"
