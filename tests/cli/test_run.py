"""Run Calculation by qgis_process: results, exit codes, signals, bad input."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers import wait_until

RUN = "openquake:runcalculation"
LOAD = "openquake:loadoutputaslayer"
AREA_SOURCE = "hazard/AreaSourceClassicalPSHA"


def lines_of(process) -> list[str]:
    """Collect a process's output while it runs."""
    lines: list[str] = []

    def read() -> None:
        for line in process.stdout:
            lines.append(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def submitted_id(lines: list[str]) -> int:
    """Wait until the run says which calculation it has started."""

    def found() -> int | None:
        for line in list(lines):
            _, _, rest = line.partition("Calculation ")
            if " submitted to " in rest:
                return int(rest.split()[0])
        return None

    return wait_until(found, 60)


def test_a_run_shows_log_and_progress_and_gives_its_results(qgis_process, demos, client, tmp_path):
    log = tmp_path / "whole.log"
    done = qgis_process(RUN, JOB=demos / "hazard/LatinSamplingClassicalPSHA/job.ini", LOG=log)
    assert done.code == 0, done.err
    results = dict(
        line.split(":\t", 1) for line in done.out.split("Results")[1].splitlines() if ":\t" in line
    )
    calculation_id = int(results["CALCULATION_ID"])
    assert results["STATUS"] == "complete"
    assert results["SERVER"] == client.url
    assert client.calculation(calculation_id).status == "complete"
    assert "100 - done." in done.out
    records = list(client.whole_log(calculation_id))
    assert log.read_text() == "".join(f"{record}\n" for record in records)
    for record in records:
        assert str(record) in done.out


def test_json_gives_numbers_as_numbers(qgis_process, area_source, tmp_path):
    done = qgis_process(
        LOAD, as_json=True, CALCULATION_ID=area_source, OUTPUT=tmp_path / "map.gpkg"
    )
    assert done.code == 0, done.err
    assert done.results == {
        "COUNT": 624,
        "OUTPUT": str(tmp_path / "map.gpkg"),
        "STYLED_FIELD": "PGA-0.1",
    }


def test_without_waiting_the_id_comes_at_once_and_the_calculation_goes_on(
    qgis_process, demos, client
):
    done = qgis_process(RUN, as_json=True, JOB=demos / AREA_SOURCE / "job.ini", WAIT="no")
    assert done.code == 0, done.err
    assert done.results["STATUS"] == "submitted"
    calculation = client.calculation(done.results["CALCULATION_ID"])
    assert calculation.status in ("created", "submitted", "executing")
    assert calculation.description == "Classical PSHA Area Source demo for Null Island"


def test_ctrl_c_aborts_the_calculation_and_fails(qgis_process, demos, client, tmp_path):
    process = qgis_process.start(
        RUN, JOB=demos / AREA_SOURCE / "job.ini", LOG=tmp_path / "whole.log"
    )
    lines = lines_of(process)
    calculation_id = submitted_id(lines)
    process.send_signal(signal.SIGINT)
    assert process.wait(150) == 1
    assert f"Calculation {calculation_id} aborted: cancelled by the user." in process.stderr.read()
    assert client.calculation(calculation_id).status in ("failed", "aborted")
    records = list(client.whole_log(calculation_id))
    assert (tmp_path / "whole.log").read_text() == "".join(f"{record}\n" for record in records)


def test_a_second_ctrl_c_leaves_at_once_with_the_id(qgis_process, demos, client):
    process = qgis_process.start(RUN, JOB=demos / AREA_SOURCE / "job.ini")
    lines = lines_of(process)
    calculation_id = submitted_id(lines)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: any("aborting calculation" in line for line in lines), 5)
    # the engine refuses to abort what it is still creating, so the first Ctrl-C is at work now
    assert client.calculation(calculation_id).status == "created"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 1
    assert f"Calculation {calculation_id} was left while being aborted" in process.stderr.read()
    abort_for_good(client, calculation_id)


def test_sigterm_ends_us_and_not_the_calculation(qgis_process, demos, client):
    process = qgis_process.start(RUN, JOB=demos / AREA_SOURCE / "job.ini")
    calculation_id = submitted_id(lines_of(process))
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == -signal.SIGTERM
    assert client.calculation(calculation_id).is_running
    abort_for_good(client, calculation_id)


def abort_for_good(client, calculation_id: int) -> None:
    from oq_processing.engine.watch import abort

    assert abort(client, calculation_id) == "aborted"


def test_a_path_that_begins_with_another_python_does_not_matter(
    qgis_process, area_source, tmp_path, engine_python
):
    hostile = tmp_path / "bin"
    hostile.mkdir()
    (hostile / "python3").symlink_to(engine_python.resolve())
    environment = qgis_process.environment
    qgis_process.environment = {
        **environment,
        "PATH": f"{hostile}:{environment['PATH']}",
        "PYTHONHOME": str(tmp_path),
    }
    try:
        done = qgis_process(LOAD, CALCULATION_ID=area_source, OUTPUT=tmp_path / "map.gpkg")
    finally:
        qgis_process.environment = environment
    assert done.code == 0, done.err
    assert "COUNT:\t624" in done.out


@pytest.fixture(scope="module")
def no_engine():
    """A web server that is no engine."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><title>It works!</title></html>")

        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_address[1]}"
        other.shutdown()


def zip_of(path, members: dict[str, str]):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def bad(demos, tmp_path, client, no_engine):
    """Parameters of a run that cannot work, and the words that must be said, by case."""
    job = demos / AREA_SOURCE
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    incomplete = tmp_path / "incomplete"
    shutil.copytree(job, incomplete)
    (incomplete / "source_model.xml").unlink()
    (incomplete / "gmpe_logic_tree.xml").unlink()
    wrong_value = tmp_path / "wrong"
    shutil.copytree(job, wrong_value)
    ini = wrong_value / "job.ini"
    ini.write_text(ini.read_text().replace("truncation_level = 3", "truncation_level = abc3"))
    run_time = tmp_path / "run_time"
    shutil.copytree(job, run_time)
    model = run_time / "source_model.xml"
    model.write_text(
        model.read_text()
        .replace("<hypoDepth", "<hypoDeep", 1)
        .replace("</hypoDepth", "</hypoDeep", 1)
    )
    corrupt = tmp_path / "corrupt.zip"
    corrupt.write_bytes(b"PK\x03\x04 and no more")
    empty = zip_of(tmp_path / "empty.zip", {})
    no_ini = zip_of(tmp_path / "no_ini.zip", {"a.xml": "<a/>"})
    two = zip_of(tmp_path / "two.zip", {"a.ini": "[general]\n", "b.ini": "[general]\n"})
    nothing = tmp_path / "nothing.zip"
    nothing.write_bytes(b"")
    return {
        "no server": ({"JOB": job / "job.ini", "SERVER": closed}, [closed, "refused"]),
        "another server": (
            {"JOB": job / "job.ini", "SERVER": no_engine},
            [no_engine, "not as an OpenQuake engine"],
        ),
        "wrong prefix": (
            {"JOB": job / "job.ini", "SERVER": client.url + "/wrong"},
            ["/wrong is not the address", f"there is one at {client.url}"],
        ),
        "no job": ({}, ["Choose a job"]),
        "job missing": ({"JOB": job / "nope.ini"}, ["nope.ini does not exist"]),
        "files missing": (
            {"JOB": incomplete / "job.ini"},
            ["source_model.xml", "gmpe_logic_tree.xml"],
        ),
        "no ini": ({"JOB": no_ini}, ["no_ini.zip", ".ini"]),
        "several ini": ({"JOB": two}, ["a.ini", "b.ini", "JOB_INI"]),
        "corrupt zip": ({"JOB": corrupt}, ["corrupt.zip"]),
        "empty zip": ({"JOB": empty}, ["empty.zip"]),
        "zip of 0 bytes": ({"JOB": nothing}, ["nothing.zip"]),
        "wrong value": (
            {"JOB": ini},
            ["failed: the engine refused the job", "could not convert string to float", "abc3"],
        ),
        "fails at run time": (
            {"JOB": run_time / "job.ini"},
            ["Calculation ", " failed: ", "hypoDe"],
        ),
        "hazard id 0": (
            {"JOB": job / "job.ini", "HAZARD_CALCULATION_ID": 0},
            ["HAZARD_CALCULATION_ID", "not 0"],
        ),
        "hazard id unknown": (
            {"JOB": job / "job.ini", "HAZARD_CALCULATION_ID": 99999},
            ["99999", "does not exist"],
        ),
        "hazard id text": (
            {"JOB": job / "job.ini", "HAZARD_CALCULATION_ID": "abc"},
            ["HAZARD_CALCULATION_ID", "abc"],
        ),
        "no such flag": ({"JOB": job / "job.ini", "WAIT": "maybe"}, ["WAIT", "maybe"]),
        "bad override": ({"JOB": job / "job.ini", "PARAMETERS": "nonsense"}, ["nonsense"]),
        "log in no folder": (
            {"JOB": job / "job.ini", "LOG": tmp_path / "no" / "folder" / "log.txt"},
            ["log.txt cannot be written"],
        ),
        "home of nobody": (
            {"JOB": job / "job.ini", "EXTRA_FILES": "~nosuchuser/a.csv"},
            ["EXTRA_FILES: no home folder is known for “~nosuchuser/a.csv”."],
        ),
        "job too long": ({"JOB": "x" * 5000}, ["JOB cannot be a path (File name too long)"]),
        "password in the address": (
            {"JOB": job / "job.ini", "SERVER": "http://alice:secret@127.0.0.1:8800"},
            ["authentication configuration"],
        ),
    }


CASES = (
    "no server",
    "another server",
    "wrong prefix",
    "no job",
    "job missing",
    "files missing",
    "no ini",
    "several ini",
    "corrupt zip",
    "empty zip",
    "zip of 0 bytes",
    "wrong value",
    "fails at run time",
    "hazard id 0",
    "hazard id unknown",
    "hazard id text",
    "no such flag",
    "bad override",
    "log in no folder",
    "home of nobody",
    "job too long",
    "password in the address",
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_an_exit_code(case, bad, qgis_process, client):
    parameters, words = bad[case]
    before = {c.id for c in client.calculations() if c.is_running}
    done = qgis_process(RUN, **parameters)
    assert done.code == 1
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err.replace("traceback", "")
    after = {c.id for c in client.calculations() if c.is_running}
    assert after <= before
    assert "Results" not in done.out


def test_every_case_is_tried(bad):
    assert set(bad) == set(CASES)
