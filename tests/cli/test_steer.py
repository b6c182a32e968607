"""The steering algorithms by qgis_process: results, exit codes of every failure, signals."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, json_answer
from helpers import wait_until
from steering_rows import list_rows, row

KILLED = ["MasterKilled: The openquake master process was killed manually"]
ONE_ID = (
    "waitforcalculation",
    "getlog",
    "hidecalculation",
    "abortcalculation",
    "deletecalculation",
    "calculationparameters",
    "listoutputs",
    "downloadoutput",
    "loadoutputaslayer",
    "calculationreport",
)


@pytest.fixture
def fake():
    with FakeEngine() as engine:
        rows = [{"id": 7, "type": "hmaps", "name": "Hazard Maps", "outtypes": ["csv"]}]
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=rows)
        engine.calculations[2] = FakeCalculation(2, "executing")
        engine.calculations[2].write("a line")
        rows = [row(1), row(2, status="executing")]
        list_rows(engine, [{**shown, "description": "A test"} for shown in rows])
        yield engine


@pytest.fixture
def job(tmp_path):
    ini = tmp_path / "job.ini"
    ini.write_text("[general]\ndescription = A test\ncalculation_mode = classical\n")
    return ini


@pytest.fixture
def steer(qgis_process, fake, tmp_path):
    """A function that runs an algorithm against the fake, with what it needs besides."""

    def begin(name: str, **parameters):
        needs = {
            "getlog": {"OUTPUT": tmp_path / "log.txt"},
            "calculationparameters": {"OUTPUT": tmp_path / "p.gpkg"},
            "listoutputs": {"OUTPUT": tmp_path / "o.gpkg"},
            "listcalculations": {"OUTPUT": tmp_path / "l.gpkg"},
            "downloadoutput": {"OUTPUT_TYPE": "hmaps", "FOLDER": tmp_path / "d"},
            "loadoutputaslayer": {"OUTPUT_TYPE": "hmaps", "OUTPUT": tmp_path / "m.gpkg"},
            "calculationreport": {"OUTPUT": tmp_path / "r.html"},
            "deletecalculation": {"CONFIRM": parameters.get("CALCULATION_ID")},
        }.get(name, {})
        given = {"SERVER": fake.url, **needs, **parameters}
        process = qgis_process.start(f"openquake:{name}", **given)

        def end() -> Finished:
            with process:
                out, err = process.communicate(timeout=120)
            return Finished(process.returncode, out, err)

        return end

    def run(name: str, **parameters) -> Finished:
        return begin(name, **parameters)()

    run.begin = begin
    return run


@dataclass
class Finished:
    code: int
    out: str
    err: str


def refused(done, *words: str) -> None:
    """It ended with 1, a sentence, and no results."""
    assert done.code == 1
    for word in words:
        assert word in done.err
    assert "Traceback (most recent" not in done.err
    assert "Results" not in done.out


@pytest.mark.parametrize("name", ONE_ID)
def test_ids_that_are_none(name, steer, tmp_path):
    words = {0: "not 0", "abc": "must be a number, not “abc”", 99: "Calculation 99 does not exist"}
    # at once: each process takes seconds to begin
    ends = {number: steer.begin(name, CALCULATION_ID=number) for number in words}
    for number, end in ends.items():
        refused(end(), words[number])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


BAD = {
    "listcalculations": [
        ({"STATUS": "done"}, "There is no status “done”"),
        ({"LIMIT": "-1"}, "LIMIT must be 0 (all) or more"),
        ({"INCLUDE_HIDDEN": "perhaps"}, "INCLUDE_HIDDEN must be true or false"),
        ({"OUTPUT": "TEMPORARY_OUTPUT"}, "give a file: OUTPUT=file.gpkg"),
        ({"OUTPUT": "no/such/folder/l.gpkg"}, "no/such/folder"),
        ({"SERVER": "http://127.0.0.1:9"}, "connection refused"),
        ({"AUTHCFG": "abcdefg"}, "There is no authentication configuration"),
    ],
    "listoutputs": [
        ({"CALCULATION_ID": 1, "OUTPUT": "memory:"}, "give a file"),
    ],
    "getlog": [
        ({"CALCULATION_ID": 1, "LEVEL": "loud"}, "LEVEL may be debug, info"),
        ({"CALCULATION_ID": 1, "OUTPUT": "no/such/log.txt"}, "log.txt cannot be written"),
    ],
    "waitforcalculation": [
        ({"CALCULATION_ID": 1, "MAX_WAIT": "-2"}, "MAX_WAIT must be"),
        ({"CALCULATION_ID": 2, "MAX_WAIT": "0.02"}, "has not ended within"),
    ],
    "hidecalculation": [
        ({"CALCULATION_ID": 1, "HIDE": "perhaps"}, "HIDE must be true or false"),
    ],
    "abortcalculation": [
        ({"CALCULATION_ID": 1}, "has ended already (complete)"),
    ],
    "deletecalculation": [
        ({"CALCULATION_ID": 1, "CONFIRM": "yes"}, "CONFIRM must be its id"),
        ({"CALCULATION_ID": 2}, "Calculation 2 is executing"),
    ],
    "downloadoutput": [
        ({"CALCULATION_ID": 1, "OUTPUT_TYPE": "uhs"}, "has no output “uhs”"),
        ({"CALCULATION_ID": 1, "OUTPUT_TYPE": ""}, "Choose an output"),
        ({"CALCULATION_ID": 1, "FORMAT": "xml"}, "has no format “xml”"),
        ({"CALCULATION_ID": 1, "FOLDER": "/dev/null/d"}, "cannot be made"),
    ],
    "calculationreport": [
        ({"CALCULATION_ID": 1}, "has no output “fullreport”"),
    ],
    "calculationparameters": [
        ({"CALCULATION_ID": 1}, "has no parameters to show"),
    ],
    "stylelayer": [
        ({"INPUT": "nowhere.gpkg"}, "INPUT is no vector layer"),
    ],
    "runriskonhazard": [
        ({"HAZARD_CALCULATION_ID": 0, "JOB": "job.ini"}, "not 0"),
        ({"HAZARD_CALCULATION_ID": 1, "JOB": "no.ini"}, "does not exist"),
        ({"HAZARD_CALCULATION_ID": 99, "JOB": "JOB"}, "Calculation 99 does not"),
        ({"HAZARD_CALCULATION_ID": 2, "JOB": "JOB"}, "wait until it is"),
        ({"HAZARD_CALCULATION_ID": 1}, "Choose a job"),
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_sentence_and_an_exit_code(name, steer, fake, job):
    for begin in range(0, len(BAD[name]), 4):
        ends = []
        for parameters, words in BAD[name][begin : begin + 4]:
            given = {k: job if v == "JOB" else v for k, v in parameters.items()}
            ends.append((steer.begin(name, **given), words))
        for end, words in ends:
            refused(end(), words)
    assert {r.method for r in fake.requests} <= {"GET"}


def test_what_works_exits_with_0_and_its_results(qgis_process, fake, tmp_path):
    done = qgis_process(
        "openquake:listcalculations", as_json=True, SERVER=fake.url, OUTPUT=tmp_path / "l.gpkg"
    )
    assert done.code == 0, done.err
    assert done.results == {
        "COUNT": 2,
        "LATEST_ID": 2,
        "OUTPUT": str(tmp_path / "l.gpkg"),
        "SERVER": fake.url,
    }


def test_what_is_hidden_here_is_hidden_in_the_next_process(steer, qgis_process, fake, tmp_path):
    assert steer("hidecalculation", CALCULATION_ID=2).code == 0
    done = qgis_process(
        "openquake:listcalculations", as_json=True, SERVER=fake.url, OUTPUT=tmp_path / "l.gpkg"
    )
    assert (done.results["COUNT"], done.results["LATEST_ID"]) == (1, 1)
    assert steer("hidecalculation", CALCULATION_ID=2, HIDE="false").code == 0
    assert {r.method for r in fake.requests} == {"GET"}


def test_a_failed_calculation_exits_with_1_or_as_the_user_wants(steer, fake):
    fake.calculations[1].status = "failed"
    fake.calculations[1].traceback = ["Traceback", "ValueError: bad depth"]
    refused(steer("waitforcalculation", CALCULATION_ID=1), "Calculation 1 failed: ValueError")
    done = steer("waitforcalculation", CALCULATION_ID=1, FAIL_ON_FAILED="false")
    assert done.code == 0
    assert "STATUS:\tfailed" in done.out


def test_the_log_of_a_failure_ends_with_the_reason(steer, fake):
    fake.calculations[1].status = "failed"
    fake.calculations[1].write("could not convert abc3", "CRITICAL")
    done = steer("getlog", CALCULATION_ID=1)
    assert done.code == 0
    said = done.out.partition("Results")[0].strip("\n-").splitlines()
    assert "Calculation 1 failed: could not convert abc3." in said[-1]


# --- signals


def started(qgis_process, name: str, **parameters):
    return qgis_process.start(f"openquake:{name}", **parameters)


def killed(calculation) -> str:
    calculation.status = "failed"
    calculation.traceback = KILLED
    return ""


PHASES = ("upload", "submitted", "executing", "wait", "follow", "download")


def phase(name: str, fake, job, tmp_path):
    """What to run, when it has come to the phase, and the sentence that Ctrl-C ends it with."""
    held = threading.Event()
    if name == "upload":
        fake.answers["POST /v1/calc/run"] = [Answer(until=held)]
        sentence = "Calculation submitted, state unknown: Cancelled by the user"
        return ("runcalculation", {"JOB": job}), fake.asked.is_set, sentence
    if name in ("submitted", "executing"):

        def run(request):
            fake.calculations[3] = FakeCalculation(3, name, aborting=killed)
            return json_answer({"job_id": 3})

        fake.answers["POST /v1/calc/run"] = run
        sentence = "Calculation 3 aborted: cancelled by the user."
        return (
            ("runcalculation", {"JOB": job}),
            lambda: fake.count("GET", "/v1/calc/3/status") > 1,
            sentence,
        )
    if name == "download":
        parts = [b"x" * 2**20, held]
        fake.answers["GET /v1/calc/1/datastore"] = [Answer(200, parts, announced=2**22)]
        parameters = {"CALCULATION_ID": 1, "OUTPUT_TYPE": "datastore", "FOLDER": tmp_path / "d"}
        return ("downloadoutput", parameters), fake.asked.is_set, "Cancelled by the user."
    sentence = "Cancelled by the user; calculation 2 goes on."
    algorithm, parameters = "waitforcalculation", {"CALCULATION_ID": 2}
    if name == "follow":
        algorithm = "getlog"
        parameters.update(FOLLOW="true", OUTPUT=tmp_path / "log.txt")
    looks = 2 if name == "wait" else 3
    return (
        (algorithm, parameters),
        lambda: fake.count("GET", "/v1/calc/2/status") > looks,
        sentence,
    )


@pytest.mark.parametrize("name", PHASES)
def test_ctrl_c_in_each_phase(name, qgis_process, fake, job, tmp_path):
    (algorithm, parameters), there, sentence = phase(name, fake, job, tmp_path)
    process = started(qgis_process, algorithm, SERVER=fake.url, **parameters)
    wait_until(there, 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert sentence in err
    aborts = [r.path for r in fake.requests if r.path.endswith("/abort")]
    assert aborts == (["/v1/calc/3/abort"] if name in ("submitted", "executing") else [])
    assert fake.count("POST", "/v1/calc/run") <= 1
    if name == "download":
        assert list((tmp_path / "d").iterdir()) == []


def test_a_second_ctrl_c_ends_the_wait_for_the_queue(qgis_process, fake, job):
    """Also where the server may start what it has marked as aborted."""

    def marked(calculation) -> str:
        calculation.status, calculation.stop_time = "aborted", "None"
        return ""

    def run(request):
        fake.calculations[3] = FakeCalculation(3, "submitted", aborting=marked)
        return json_answer({"job_id": 3})

    fake.answers = {"POST /v1/calc/run": run}
    with started(qgis_process, "runcalculation", SERVER=fake.url, JOB=job) as process:
        wait_until(lambda: fake.count("GET", "/v1/calc/3/status") > 1, 60)
        process.send_signal(signal.SIGINT)
        waiting = "may still start when calculation 2 ends; waiting at most 120 s"
        assert any(waiting in line for line in process.stdout)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert time.monotonic() - begin < 2
    assert process.returncode == 1
    assert "Calculation 3 was left while being aborted; it may go on." in err


@pytest.mark.parametrize("name", PHASES)
def test_sigterm_in_each_phase_ends_us_and_nothing_else(name, qgis_process, fake, job, tmp_path):
    (algorithm, parameters), there, _ = phase(name, fake, job, tmp_path)
    process = started(qgis_process, algorithm, SERVER=fake.url, **parameters)
    wait_until(there, 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGTERM
    assert [r.path for r in fake.requests if r.path.endswith("/abort")] == []
    assert fake.count("POST", "/v1/calc/run") <= 1
    # nothing under its own name that is not whole
    left = [p.name for p in tmp_path.rglob("*") if p.is_file() and p != job]
    assert all(p.endswith(".part") for p in left)


# --- many at once


def test_a_shell_loop_goes_on_after_a_row_that_fails(qgis_process, fake, tmp_path):
    """As README says: the exit code tells which."""
    fake.calculations[1].write("x")
    tool = qgis_process.command("openquake:getlog")[0]
    script = (
        f"for id in 1 99 2; do '{tool}' run openquake:getlog -- SERVER={fake.url} "
        'CALCULATION_ID=$id OUTPUT="$FOLDER/$id.txt" >/dev/null 2>&1; echo "$id $?"; done'
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env={**qgis_process.environment, "FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == ["1 0", "99 1", "2 0"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.txt", "2.txt"]
