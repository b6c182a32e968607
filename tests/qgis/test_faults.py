"""What goes wrong between us and the engine, as the user of an algorithm sees it.

The table of all faults, and which test shows each: docs/faults.md.
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from fake_engine import (
    NEGATIVE_CHUNK,
    Answer,
    FakeCalculation,
    FakeEngine,
    html_answer,
    json_answer,
)
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsSettings,
)
from qgis.PyQt import sip
from qgis.PyQt.QtWidgets import QTextEdit
from steering import Recorder, When, call, failing, spin

from oq_processing import settings
from oq_processing.algorithms.common import log_file, running
from oq_processing.algorithms.common.reporter import Reporter
from oq_processing.engine import server as server_module
from oq_processing.engine import watch
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import EngineError

RUN = "openquake:runcalculation"
WAIT = "openquake:waitforcalculation"
LOG = "openquake:getlog"
LIST = "openquake:listcalculations"
ABORT = "openquake:abortcalculation"
POST = "POST /v1/calc/run"
STATUS = "GET /v1/calc/1/status"
REACTION = 2.0


@pytest.fixture
def fake(registry, monkeypatch):
    for name in ("STATUS_EVERY", "STATUS_AT_MOST", "ABORT_AGAIN"):
        monkeypatch.setattr(watch, name, 0.02)
    monkeypatch.setattr(watch, "LOG_EVERY", 0.0)
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def job(tmp_path):
    ini = tmp_path / "job.ini"
    ini.write_text("[general]\ndescription = A test\ncalculation_mode = classical\n")
    return str(ini)


def starts(fake, **changed) -> None:
    """Let a submission start calculation 1."""

    def started(request):
        fake.calculations[1] = FakeCalculation(1, **changed)
        return json_answer({"job_id": 1})

    fake.answers[POST] = started


@pytest.mark.parametrize("hazard_id", [None, 5])
def test_dropped_sites_are_warned_of_where_the_job_has_its_own(fake, tmp_path, hazard_id):
    """A job on a hazard calculation has the sites of that."""
    ini = tmp_path / "job.ini"
    grid = "region = 0 0, 1 0, 1 1\nregion_grid_spacing = 10\n"
    ini.write_text(f"[general]\ncalculation_mode = classical_risk\nsites = 1 2\n{grid}")
    fake.calculations[5] = FakeCalculation(5, "complete")
    starts(fake, status="executing")
    given = {} if hazard_id is None else {"HAZARD_CALCULATION_ID": hazard_id}
    feedback = Recorder()
    call(RUN, feedback, SERVER=fake.url, JOB=str(ini), WAIT=False, **given)
    said = [text for text in feedback.warnings if "ignores region_grid_spacing" in text]
    assert len(said) == (hazard_id is None)


def test_what_was_changed_belongs_to_the_calculation_also_where_nobody_waits(fake, job):
    starts(fake, status="executing", owner="alice", description="A test")
    given = {"JOB": job, "PARAMETERS": "truncation_level=3", "WAIT": False}
    call(RUN, Recorder(), SERVER=fake.url, **given)
    one = EngineClient(fake.url).calculation(1)
    assert settings.overrides_of(fake.url, one) == {"truncation_level": "3"}
    assert settings.overrides_of(fake.url, replace(one, owner="bob")) == {}


def completes(calculation, looks: int = 3) -> None:
    """Let it be complete after some looks at its status."""
    seen = []

    def polled(calculation):
        seen.append(1)
        calculation.write(f"look {len(seen)}")
        calculation.status = "executing" if len(seen) < looks else "complete"

    calculation.polled = polled


def notes(feedback: Recorder) -> list[str]:
    """What was said of the connection."""
    return [text for text in feedback.texts("warning") if text[:2] != "[2"]


# --- the start request


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, drop="end"),
        Answer(0, drop="reset"),
        Answer(0, drop="reset", read=200),
        Answer(502),
        html_answer(503, "Service Unavailable"),
        Answer(504),
        Answer(200, b'{"job_id": '),
        Answer(200, b'{"job_id": 1', announced=500, drop="end"),
        NEGATIVE_CHUNK,
        html_answer(200, "Welcome to the hotel's network"),
        Answer(200),
    ],
)
def test_a_start_that_may_have_worked_is_never_repeated(fake, job, answer):
    def started(request):
        fake.calculations[1] = FakeCalculation(1, "created", description="A test")
        return answer

    # a fault in the upload itself is only known from a list
    fake.answers[POST] = [answer] if answer.read >= 0 else started
    message = failing(RUN, SERVER=fake.url, JOB=job)
    assert message.startswith("Calculation submitted, state unknown: ")
    if answer.read < 0:
        assert message.endswith(
            "It may be calculation 1 (created), which is new. Nothing was repeated."
        )
    assert fake.count("POST", "/v1/calc/run") == 1
    assert fake.count("POST", "/v1/calc/1/abort") == 0


def test_a_start_that_nobody_answers_in_time(fake, job, monkeypatch):
    monkeypatch.setattr(server_module, "EXPORT_TIMEOUT", 0.3)
    fake.answers[POST] = [Answer(until=threading.Event())]
    message = failing(RUN, SERVER=fake.url, JOB=job)
    assert message.startswith("Calculation submitted, state unknown: ")
    assert "sent nothing for" in message
    assert fake.count("POST", "/v1/calc/run") == 1


# --- while it is followed


FAULTS = {
    "502": Answer(502),
    "503": html_answer(503, "Service Unavailable", 80_000),
    "dropped": Answer(0, drop="end"),
    "reset": Answer(0, drop="reset"),
    "cut JSON": Answer(200, b'{"id": 1, "stat'),
    "negative chunk": NEGATIVE_CHUNK,
    "cut in the middle": Answer(200, b'{"id": 1', announced=99, drop="end"),
    "hotel": html_answer(200, "Welcome to the hotel's network"),
    "500 page": html_answer(500, "OperationalError at /v1/calc/1/status", 80_000),
}


@pytest.mark.parametrize("path", [STATUS, "GET /v1/calc/1/log/1:10001"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_burst_of_faults_is_told_once_and_nothing_is_lost(fake, job, tmp_path, fault, path):
    starts(fake, status="created")
    usual = fake.answers[POST]

    def started(request):
        answer = usual(request)
        completes(fake.calculations[1])
        return answer

    fake.answers[POST] = started
    burst = [FAULTS[fault]] * 5
    # the first look is good: what was never an engine is not asked again
    looks = []

    def answer(request):
        looks.append(1)
        return burst.pop() if len(looks) > (path == STATUS) and burst else None

    fake.answers[path] = answer
    log = tmp_path / "log.txt"
    feedback = Recorder()
    done = call(RUN, feedback, SERVER=fake.url, JOB=job, LOG=str(log))
    assert done.results["STATUS"] == "complete"
    assert burst == []
    told = notes(feedback)
    assert len(told) == 2
    assert told[0].endswith("Trying again for 300 s.")
    assert told[1] == "The server answers again."
    lines = [line.rpartition("] ")[2] for line in log.read_text().splitlines()]
    assert lines == [message for _, _, _, message in fake.calculations[1].log]
    assert [line.rpartition("] ")[2] for line in feedback.log_lines()] == lines
    assert fake.count("POST", "/v1/calc/run") == 1


def test_a_slow_answer_freezes_nothing_and_is_waited_for(fake):
    """An answer that takes 30 s is no fault; the window stays alive and Cancel works."""
    fake.calculations[1] = FakeCalculation(1, "executing")
    event = threading.Event()
    looks = []

    def answer(request):
        looks.append(1)
        return Answer(200, b"", until=event) if len(looks) == 2 else None

    fake.answers[STATUS] = answer
    ticks = []
    feedback = Recorder()
    served = When(
        lambda: fake.asked.is_set() and ticks.append(1) is None and len(ticks) > 20, feedback.cancel
    )
    message = failing(WAIT, feedback, SERVER=fake.url, CALCULATION_ID=1)
    assert time.monotonic() - served.at < REACTION
    assert message == "Cancelled by the user; calculation 1 goes on."
    assert not event.is_set()


def test_an_answer_that_is_too_slow_is_asked_for_again(fake, monkeypatch):
    monkeypatch.setattr(server_module, "API_TIMEOUT", 0.3)
    fake.calculations[1] = FakeCalculation(1, "executing")
    completes(fake.calculations[1], 4)
    looks = []

    def answer(request):
        looks.append(1)
        return Answer(until=threading.Event()) if len(looks) == 3 else None

    fake.answers[STATUS] = answer
    done = call(WAIT, SERVER=fake.url, CALCULATION_ID=1)
    assert done.results["STATUS"] == "complete"
    told = notes(done.feedback)
    assert told[0].startswith(f"{fake.url} sent nothing for 0 s.")
    assert told[1:] == ["The server answers again."]


def test_a_server_that_is_gone_for_good_is_given_up(fake, job, monkeypatch):
    monkeypatch.setattr(watch, "GIVE_UP_AFTER", 0.5)
    starts(fake, status="executing")
    feedback = Recorder()
    when = When(lambda: feedback.has(": Executing"), fake.stop)
    message = failing(RUN, feedback, SERVER=fake.url, JOB=job)
    assert when.at
    assert message.startswith("Calculation 1 submitted, state unknown: Calculation 1: the server ")
    assert "Come back to it with its id, 1." in message


def test_workers_that_never_answer_are_told_and_can_be_aborted(fake, job, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_AFTER", 0.2)

    def aborting(calculation):
        calculation.status = "failed"
        calculation.traceback = ["MasterKilled: The openquake master process was killed manually"]
        return ""

    starts(fake, status="executing", aborting=aborting)
    feedback = Recorder()
    silent = "The calculation is executing but has written no log line yet"
    when = When(lambda: feedback.has(silent), feedback.cancel)
    message = failing(RUN, feedback, SERVER=fake.url, JOB=job)
    assert when.at
    assert message == "Calculation 1 aborted: cancelled by the user."
    assert len(notes(feedback)) == 1
    assert fake.count("POST", "/v1/calc/1/abort") == 1


class Worker:
    """An algorithm in a thread of its own, as the toolbox runs it."""

    def __init__(self, registry, algorithm: str, **parameters) -> None:
        self.feedback = Recorder()
        self.ended: tuple[bool, dict] | None = None
        self._context = QgsProcessingContext()
        self.task = QgsProcessingAlgRunnerTask(
            registry.algorithmById(algorithm), parameters, self._context, self.feedback
        )
        self.task.executed.connect(self._end)
        QgsApplication.taskManager().addTask(self.task)

    def _end(self, ok: bool, results: dict) -> None:
        self.ended = (ok, results)


def test_two_clients_of_one_calculation_do_not_disturb_each_other(fake, registry, tmp_path):
    fake.calculations[1] = FakeCalculation(1, "executing")
    fake.calculations[1].write("one")
    log = tmp_path / "log.txt"
    first = Worker(registry, WAIT, SERVER=fake.url, CALCULATION_ID=1)
    second = Worker(registry, LOG, SERVER=fake.url, CALCULATION_ID=1, FOLLOW=True, OUTPUT=str(log))
    spin(lambda: first.feedback.has("] one") and second.feedback.has("] one"))
    first.task.cancel()
    spin(lambda: first.ended)
    assert first.ended[0] is False
    assert "Cancelled by the user; calculation 1 goes on." in first.feedback.texts("error")
    fake.calculations[1].write("two")
    fake.calculations[1].status = "complete"
    spin(lambda: second.ended)
    assert second.ended == (True, {"OUTPUT": str(log), "LINES": 2, "STATUS": "complete"})
    assert {r.method for r in fake.requests} == {"GET"}


def test_one_client_aborts_what_another_follows(fake, registry):
    """The other one is told that it was aborted, not that it failed."""

    def aborting(calculation):
        calculation.status = "failed"
        calculation.traceback = ["MasterKilled: The openquake master process was killed manually"]
        return ""

    fake.calculations[1] = FakeCalculation(1, "executing", aborting=aborting)
    follower = Worker(registry, WAIT, SERVER=fake.url, CALCULATION_ID=1)
    spin(lambda: follower.feedback.has(": Executing"))
    assert call("openquake:abortcalculation", SERVER=fake.url, CALCULATION_ID=1)
    spin(lambda: follower.ended)
    assert follower.ended[0] is False
    [error] = follower.feedback.texts("error")
    assert error.startswith("Calculation 1 aborted: MasterKilled")


# --- whatever breaks, a run ends with the id of what it has submitted


def breaking(error: Exception, when=lambda *_: True):
    """A function that does nothing until ``when`` is true of its arguments; then it raises."""

    def broken(*arguments, **_):
        if when(*arguments):
            raise error

    return broken


def says(words: str):
    return lambda reporter, text, *_: words in text


BROKEN = {
    "the log that is read": (EngineClient, "log", None),
    "the log that is written": (log_file.LogFile, "write", None),
    "the end of the log file": (log_file.LogFile, "__exit__", None),
    "what is shown of the log": (Reporter, "records", None),
    "the progress": (Reporter, "progress", lambda reporter, percent: percent > 5),
    "the phase": (Reporter, "phase", says("Calculation 1")),
    "the id that is shown": (Reporter, "info", says("submitted to")),
    "what is kept of an earlier one": (settings, "forget", None),
    "the reason of a failure": (running, "check_succeeded", None),
}


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError()], ids=repr)
@pytest.mark.parametrize("about", BROKEN)
def test_whatever_breaks_after_the_start_ends_with_the_id(
    fake, job, tmp_path, monkeypatch, about, error
):
    starts(fake, status="complete")
    place, name, when = BROKEN[about]
    monkeypatch.setattr(place, name, breaking(error, when or (lambda *_: True)))
    message = failing(RUN, SERVER=fake.url, JOB=job, LOG=str(tmp_path / "log.txt"))
    what = traceback.format_exception_only(type(error), error)[-1].strip()
    beginning = f"Calculation 1 submitted, state unknown: Internal error in the plugin: {what}. "
    assert message.startswith(f"{beginning}The traceback is in the Log Messages panel")
    assert fake.count("POST", "/v1/calc/run") == 1
    assert fake.count("POST", "/v1/calc/1/abort") == 0


def test_a_new_calculation_takes_over_nothing_of_an_earlier_one_of_its_id(fake, job):
    """The database was replaced, and nobody knows what the earlier one was."""
    name = quote(fake.url, safe="")
    QgsSettings().setValue(f"openquake/hidden/{name}", "1 7")
    QgsSettings().setValue(f"openquake/parameters/{name}/1", '{"truncation_level": "1"}')
    starts(fake, status="complete")
    call(RUN, SERVER=fake.url, JOB=job)
    assert set(settings.hidden(fake.url).known) == {7}
    assert settings.overrides_of(fake.url, EngineClient(fake.url).calculation(1)) == {}


def test_a_run_whose_changes_cannot_be_stored_goes_on_and_says_so(fake, job, monkeypatch):
    def refuse(changes):
        raise EngineError("The QGIS profile cannot be written.")

    monkeypatch.setattr(settings, "store", refuse)
    starts(fake, status="complete")
    done = call(RUN, SERVER=fake.url, JOB=job, PARAMETERS="truncation_level=2")
    assert done.results["STATUS"] == "complete"
    words = "Layers of calculation 1 will not show the changed parameters: The QGIS profile cannot"
    assert done.feedback.has(words)


def test_what_broke_is_kept_for_who_looks_for_its_cause(registry):
    logged = []
    messages = QgsApplication.messageLog()
    messages.messageReceived.connect(lambda text, tag, level: logged.append((tag, text)))
    with pytest.raises(EngineError), running.naming() as known:
        known.calculation_id = 1
        raise ValueError("odd")
    [(tag, text)] = logged
    assert tag == "OpenQuake"
    assert 'raise ValueError("odd")' in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(403), "wants a login"),
        (Answer(404), "Calculation 1 does not exist on "),
        (html_answer(200, "Welcome"), "something that is not JSON"),
        (json_answer({"id": 2, "status": "complete"}), "answered about calculation 2"),
    ],
)
def test_a_first_look_that_shows_nothing_ends_with_the_id(fake, job, answer, words):
    starts(fake)
    fake.answers[STATUS] = [answer]
    message = failing(RUN, SERVER=fake.url, JOB=job)
    assert message.startswith("Calculation 1 submitted, state unknown: ")
    assert words in message


@pytest.mark.parametrize("algorithm", [WAIT, LOG])
def test_whatever_breaks_while_another_is_followed_names_it(fake, tmp_path, monkeypatch, algorithm):
    fake.calculations[1] = FakeCalculation(1, "executing")
    fake.calculations[1].write("a line")
    monkeypatch.setattr(Reporter, "records", breaking(ValueError("odd")))
    given = {"FOLLOW": True, "OUTPUT": str(tmp_path / "log.txt")} if algorithm == LOG else {}
    message = failing(algorithm, SERVER=fake.url, CALCULATION_ID=1, **given)
    beginning = "Calculation 1 could not be followed: Internal error in the plugin: ValueError: odd"
    assert message.startswith(beginning)


def test_what_breaks_between_two_jobs_ends_with_the_id_of_the_first(fake, tmp_path):
    for name in ("job_hazard.ini", "job_risk.ini"):
        text = "[general]\ndescription = A test\ncalculation_mode = classical\n"
        (tmp_path / name).write_text(text)
    starts(fake, status="complete")
    fake.answers["GET /v1/calc/list"] = [json_answer([]), Answer(503)]
    message = failing(
        RUN, SERVER=fake.url, JOB=str(tmp_path), JOB_INI="job_hazard.ini,job_risk.ini"
    )
    assert message == (
        "Calculation 1 complete, but the job on top of it was not run: "
        f"{fake.url} answered HTTP 503: no reason given"
    )
    assert fake.count("POST", "/v1/calc/run") == 1


def test_a_log_line_that_cannot_be_encoded_does_not_end_a_run(fake, job, tmp_path):
    starts(fake, status="executing")
    usual = fake.answers[POST]

    def started(request):
        answer = usual(request)
        fake.calculations[1].write("half of a character: \ud83d")
        completes(fake.calculations[1])
        return answer

    fake.answers[POST] = started
    log = tmp_path / "log.txt"
    call(RUN, SERVER=fake.url, JOB=job, LOG=str(log))
    assert log.read_text().splitlines()[0].endswith("half of a character: \\ud83d")


# --- another calculation under the id


@pytest.mark.parametrize("algorithm", [RUN, WAIT, LOG])
@pytest.mark.parametrize("cancelled", [False, True])
def test_another_calculation_under_the_id_is_neither_reported_nor_aborted(
    fake, job, tmp_path, algorithm, cancelled
):
    """The database of the server was replaced under a run."""
    killing = {"aborting": killed}
    starts(fake, status="executing", **killing)
    fake.calculations[1] = FakeCalculation(1, "executing", **killing)
    feedback = Recorder()

    def replaced() -> None:
        if cancelled:  # before there is another look
            feedback.cancel()
        fake.calculations[1] = FakeCalculation(1, "complete", owner="bob", description="His")
        fake.calculations[1].status = "executing" if cancelled else "complete"
        fake.calculations[1].aborting = killed

    when = When(lambda: fake.count("GET", "/v1/calc/1/status") > 2, replaced)
    given = {
        RUN: {"JOB": job},
        WAIT: {"CALCULATION_ID": 1},
        LOG: {"CALCULATION_ID": 1, "FOLLOW": True, "OUTPUT": str(tmp_path / "log.txt")},
    }[algorithm]
    message = failing(algorithm, feedback, SERVER=fake.url, **given)
    assert when.at
    another = f"Calculation 1 of {fake.url} is another one now (His): the database of the server"
    if not cancelled:
        beginning = "Calculation 1 submitted, state unknown: " if algorithm == RUN else ""
        assert message.startswith(beginning + another)
    elif algorithm == RUN:
        assert message.startswith(another)
    else:
        assert message == "Cancelled by the user; calculation 1 goes on."
    assert fake.count("POST", "/v1/calc/1/abort") == 0


# --- cancelled in the queue of a server that starts what it has marked as aborted


def marked(calculation) -> str:
    calculation.status, calculation.stop_time = "aborted", "None"
    return ""


@pytest.mark.parametrize("algorithm", [RUN, ABORT])
@pytest.mark.parametrize("end", ["starts", "its turn passes", "its turn does not come"])
def test_a_cancel_in_the_queue_tells_the_truth(fake, job, monkeypatch, algorithm, end):
    monkeypatch.setattr(watch, "STARTS_WITHIN", 0.3)
    monkeypatch.setattr(watch, "ABORT_WITHIN", 1.0 if end == "its turn does not come" else 60.0)
    fake.calculations[1] = FakeCalculation(1, "executing")
    queued = FakeCalculation(2, "submitted", aborting=marked)

    def started(request):
        fake.calculations[2] = queued
        return json_answer({"job_id": 2})

    fake.answers[POST] = started
    fake.calculations[2] = queued
    feedback = Recorder()
    waiting = "Calculation 2 is aborted, but was queued and may still start when calculation 1 ends"

    def first_ends() -> None:
        if end == "its turn does not come":
            return
        fake.calculations[1].status = "complete"
        if end == "starts":
            queued.status, queued.aborting = "executing", killed

    looks = lambda: fake.count("GET", "/v1/calc/2/status") > 2  # noqa: E731
    cancel = When(lambda: algorithm == RUN and looks(), feedback.cancel)
    ends = When(lambda: feedback.has(waiting), first_ends)
    given = {"JOB": job} if algorithm == RUN else {"CALCULATION_ID": 2}
    begin = time.monotonic()
    if algorithm == ABORT and end != "its turn does not come":
        done = call(ABORT, feedback, SERVER=fake.url, **given)
        assert done.results["STATUS"] == "aborted"
    else:
        message = failing(algorithm, feedback, SERVER=fake.url, **given)
        expected = {
            "starts": "Calculation 2 aborted: cancelled by the user.",
            "its turn passes": "Calculation 2 aborted: cancelled by the user.",
            "its turn does not come": f"{waiting}; run Abort Calculation again.",
        }
        assert message == expected[end]
    assert ends.at
    assert time.monotonic() - begin > (1.0 if end == "its turn does not come" else 0.0)
    assert bool(cancel.at) == (algorithm == RUN)
    aborts = fake.count("POST", "/v1/calc/2/abort")
    assert (queued.status, aborts) == (("failed", 2) if end == "starts" else ("aborted", 1))
    assert fake.calculations[1].status in ("complete", "executing")
    assert fake.count("POST", "/v1/calc/1/abort") == 0


def test_one_that_is_only_marked_as_aborted_can_be_aborted_again(fake, monkeypatch):
    """As the advice says; one that has ended cannot (test_hide_delete_abort.py)."""
    monkeypatch.setattr(watch, "STARTS_WITHIN", 0.1)
    fake.calculations[1] = FakeCalculation(1, "aborted", stop_time="None")
    done = call(ABORT, SERVER=fake.url, CALCULATION_ID=1)
    assert done.results["STATUS"] == "aborted"
    assert fake.count("POST", "/v1/calc/1/abort") == 0


# --- algorithms that ask once


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(502), "answered HTTP 502"),
        (
            html_answer(500, "OSError at /v1/calc/list", 80_000),
            "HTTP 500: OSError at /v1/calc/list",
        ),
        (html_answer(200, "Welcome"), "answered something that is not JSON (“Welcome”)"),
        (Answer(200, b'[{"id": 1,'), "answered something that is not JSON"),
        (json_answer([{"no": "id"}]), "answered in a form that is not the engine's"),
        (Answer(200, b"[", announced=99, drop="end"), "broke after 1 of 99 bytes"),
        (Answer(0, drop="reset"), "The connection to "),
    ],
)
def test_a_fault_of_a_single_answer_is_one_sentence(fake, tmp_path, answer, words):
    fake.answers["GET /v1/calc/list"] = [answer]
    target = tmp_path / "list.gpkg"
    target.write_text("yesterday's")
    message = failing(LIST, SERVER=fake.url, OUTPUT=str(target))
    assert words in message
    assert "\n" not in message
    assert len(message) < 400
    assert target.read_text() == "yesterday's"


# --- cancelled, in a dialog and in a model


class Dialog:
    """The algorithm's dialog as the toolbox opens it."""

    def __init__(self, registry, algorithm: str, **parameters) -> None:
        from processing.gui.AlgorithmDialog import AlgorithmDialog

        self.dialog = AlgorithmDialog(registry.algorithmById(algorithm).create())
        self.dialog.setParameters(parameters)
        self.dialog.show()

    def run(self) -> None:
        self.dialog.runButton().click()

    def cancel(self) -> str:
        """Press Cancel; return all that was said when the run has ended."""
        begin = time.monotonic()
        self.dialog.cancelButton().click()
        spin(lambda: self.dialog.runButton().isEnabled())
        assert time.monotonic() - begin < REACTION
        return self.said()

    def said(self) -> str:
        return "".join(edit.toPlainText() for edit in self.dialog.findChildren(QTextEdit))


@pytest.fixture
def dialog(registry, window):
    opened = []

    def open_dialog(algorithm: str, **parameters) -> Dialog:
        opened.append(Dialog(registry, algorithm, **parameters))
        return opened[-1]

    yield open_dialog
    for one in opened:
        one.dialog.close()
        # else Python's garbage collector does it, in whichever thread that runs
        sip.delete(one.dialog)


def killed(calculation) -> str:
    calculation.status = "failed"
    calculation.traceback = ["MasterKilled: The openquake master process was killed manually"]
    return ""


def test_a_dialog_is_cancelled_while_the_job_goes_up(fake, job, dialog):
    fake.answers[POST] = [Answer(until=threading.Event())]
    opened = dialog(RUN, JOB=job, SERVER=fake.url)
    opened.run()
    spin(lambda: fake.count("POST", "/v1/calc/run"))
    assert "Calculation submitted, state unknown: Cancelled by the user" in opened.cancel()
    assert fake.count("POST", "/v1/calc/run") == 1


@pytest.mark.parametrize("status", ["submitted", "executing"])
def test_a_dialog_is_cancelled_while_it_runs(fake, job, dialog, status):
    starts(fake, status=status, aborting=killed)
    opened = dialog(RUN, JOB=job, SERVER=fake.url)
    opened.run()
    spin(lambda: fake.count("GET", "/v1/calc/1/status") > 2)
    assert "Calculation 1 aborted: cancelled by the user." in opened.cancel()
    assert fake.count("POST", "/v1/calc/1/abort") == 1


def test_a_dialog_is_cancelled_in_a_download(fake, dialog, tmp_path):
    fake.calculations[1] = FakeCalculation(1, "complete")
    fake.answers["GET /v1/calc/1/datastore"] = [
        Answer(200, [b"x" * 2**20, threading.Event()], announced=2**22)
    ]
    opened = dialog(
        "openquake:downloadoutput",
        SERVER=fake.url,
        CALCULATION_ID=1,
        OUTPUT_TYPE="datastore",
        FOLDER=str(tmp_path / "new"),
    )
    opened.run()
    spin(fake.asked.is_set)
    assert "Cancelled by the user." in opened.cancel()
    assert list((tmp_path / "new").iterdir()) == []


def chain(fake, job: str, target: str) -> QgsProcessingModelAlgorithm:
    """A model: run, then hide what was run, which must not happen to what was cancelled."""
    model = QgsProcessingModelAlgorithm("chain", "tests")
    first = QgsProcessingModelChildAlgorithm(RUN)
    first.setChildId("run")
    fixed = {"JOB": job, "SERVER": fake.url, "WAIT": True, "FAIL_ON_FAILED": True}
    for name, value in fixed.items():
        source = QgsProcessingModelChildParameterSource.fromStaticValue(value)
        first.addParameterSources(name, [source])
    model.addChildAlgorithm(first)
    second = QgsProcessingModelChildAlgorithm(LOG)
    second.setChildId("log")
    for name in ("CALCULATION_ID", "SERVER"):
        source = QgsProcessingModelChildParameterSource.fromChildOutput("run", name)
        second.addParameterSources(name, [source])
    for name, value in {"OUTPUT": target, "LEVEL": "debug", "FOLLOW": False}.items():
        source = QgsProcessingModelChildParameterSource.fromStaticValue(value)
        second.addParameterSources(name, [source])
    model.addChildAlgorithm(second)
    return model


def tells(feedback: Recorder, failure, words: str) -> bool:
    """Tell whether the user reads it; newer QGIS has a step's reason in the exception only."""
    return feedback.has(words) or words in str(failure.value)


@pytest.mark.parametrize("status", ["submitted", "executing"])
def test_a_model_is_cancelled_while_it_runs(fake, job, tmp_path, status):
    starts(fake, status=status, aborting=killed)
    target = tmp_path / "log.txt"
    model = chain(fake, job, str(target))
    feedback = Recorder()
    when = When(lambda: fake.count("GET", "/v1/calc/1/status") > 2, feedback.cancel)
    with pytest.raises(QgsProcessingException) as failure:
        model.run({}, QgsProcessingContext(), feedback, {}, False)
    assert time.monotonic() - when.at < REACTION
    assert tells(feedback, failure, "Calculation 1 aborted: cancelled by the user.")
    assert fake.count("POST", "/v1/calc/1/abort") == 1
    assert not target.exists()


def test_a_model_is_cancelled_while_the_job_goes_up(fake, job, tmp_path):
    fake.answers[POST] = [Answer(until=threading.Event())]
    target = tmp_path / "log.txt"
    model = chain(fake, job, str(target))
    feedback = Recorder()
    when = When(lambda: fake.count("POST", "/v1/calc/run"), feedback.cancel)
    with pytest.raises(QgsProcessingException) as failure:
        model.run({}, QgsProcessingContext(), feedback, {}, False)
    assert time.monotonic() - when.at < REACTION
    words = "Calculation submitted, state unknown: Cancelled by the user"
    assert tells(feedback, failure, words)
    assert fake.count("POST", "/v1/calc/run") == 1
    assert not target.exists()


def test_a_server_that_is_started_again_under_a_run(fake, job):
    """It calls what ran before failed, and gives no reason (real: everything/test_restart.py)."""
    starts(fake, status="executing")
    feedback = Recorder()
    stopped = When(lambda: feedback.has(": Executing"), fake.stop)

    def restart() -> None:
        fake.calculations[1].status = "failed"
        fake.start()

    started = When(lambda: feedback.has("Trying again for 300 s."), restart)
    message = failing(RUN, feedback, SERVER=fake.url, JOB=job)
    assert stopped.at < started.at
    assert message == (
        "Calculation 1 failed: the engine gives no reason (a server that restarts marks running "
        "calculations as failed). The whole log: algorithm Get Log (openquake:getlog)."
    )
    assert notes(feedback)[-1] == "The server answers again."
    assert fake.count("POST", "/v1/calc/run") == 1


def test_the_table_of_faults_names_tests_that_there_are():
    root = Path(__file__).parents[2]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (root / "docs" / "faults.md").read_text())
    assert len(named) > 50
    for file, test in set(named):
        assert f"\ndef {test}(" in (root / "tests" / file).read_text(), (file, test)
