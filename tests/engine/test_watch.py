"""Following a calculation: nothing lost, nothing twice, patient but not for ever; aborting it."""

import threading
import zipfile
from types import SimpleNamespace

import pytest
from fake_engine import (
    NEGATIVE_CHUNK,
    Answer,
    FakeCalculation,
    FakeEngine,
    html_answer,
    json_answer,
)

from oq_processing.engine import watch
from oq_processing.engine.calculation import Calculation
from oq_processing.engine.client import LOG_PAGE, EngineClient
from oq_processing.engine.errors import (
    AbortNotConfirmed,
    CalculationFailed,
    Cancelled,
    ContactLost,
    NotAnEngine,
    NotFound,
    SubmissionRefused,
)
from oq_processing.engine.http.transport import Transport
from oq_processing.engine.server import Credentials
from oq_processing.engine.wait import Wait
from oq_processing.engine.watch import abort, check_succeeded, failure_reason, follow, refusal

STATUS = "GET /v1/calc/1/status"


class Clock(Wait):
    """Time that passes in pauses only, and at once."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.now = 1000.0
        monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: self.now))

    def pause(self, seconds):
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def fake():
    with FakeEngine() as engine:
        engine.calculations[1] = FakeCalculation(1, "created")
        yield engine


@pytest.fixture
def faked(fake, clock):
    return EngineClient(fake.url, Transport(clock))


def script(calculation, *steps):
    """Let each look at the status take one step: a status, or a callable; the last one stays."""
    steps = list(steps)

    def polled(calculation):
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if callable(step):
            step(calculation)
        else:
            calculation.status = step

    calculation.polled = polled


def messages(updates):
    return [record.message for update in updates for record in update.records]


# --- following


def test_every_record_once_and_in_order(fake, faked):
    written = []

    def write(status, *lines):
        def step(calculation):
            calculation.status = status
            for line in lines:
                calculation.write(line)
                written.append(line)

        return step

    script(
        fake.calculations[1],
        "created",
        write("executing", "one"),
        write("executing"),
        write("executing", "two", "three\nof three\n  lines", "two"),
        write("executing", "classical  50% [4 submitted, 0 queued]"),
        write("complete", "the end", "two"),
    )
    updates = list(follow(faked, 1))
    assert messages(updates) == written
    assert len(written) == 7
    statuses = [u.calculation.status for u in updates]
    assert statuses == ["created"] + ["executing"] * 4 + ["complete"]
    assert [u.percent for u in updates] == sorted(u.percent for u in updates)
    assert (updates[0].text, updates[-1].text) == ("Queued", "Complete")
    assert (updates[0].percent, updates[-1].percent) == (0.0, 100.0)
    assert [u.note for u in updates] == [""] * 6


def test_a_calculation_that_has_ended_already(fake, faked):
    fake.calculations[1].status = "failed"
    fake.calculations[1].write("why", "CRITICAL")
    [update] = follow(faked, 1)
    assert update.calculation.status == "failed"
    assert (messages([update]), update.percent) == (["why"], 0.0)
    assert len(fake.requests) == 2


def test_a_log_that_is_answered_again_and_again_ends(fake, faked):
    fake.calculations[1].status = "complete"
    records = [["t", "INFO", "main", "x"]] * LOG_PAGE
    fake.answers["*"] = lambda request: json_answer(records) if "/log/" in request.path else None
    updates = list(follow(faked, 1))
    assert [len(u.records) for u in updates] == [LOG_PAGE, LOG_PAGE]


@pytest.mark.parametrize("extra", [-1, 0, 1, LOG_PAGE, LOG_PAGE + 7])
def test_a_log_longer_than_a_page(fake, faked, extra):
    number = LOG_PAGE + extra
    for i in range(number):
        fake.calculations[1].write(f"closest vs30 site {i}")
    fake.calculations[1].status = "complete"
    updates = list(follow(faked, 1))
    assert messages(updates) == [f"closest vs30 site {i}" for i in range(number)]
    assert [r.message for r in faked.whole_log(1)] == messages(updates)


def test_a_long_log_while_it_executes(fake, faked):
    for i in range(2 * LOG_PAGE + 5):
        fake.calculations[1].write(str(i))
    script(fake.calculations[1], *["executing"] * 4, "complete")
    updates = list(follow(faked, 1))
    assert [len(u.records) for u in updates] == [LOG_PAGE, 0, LOG_PAGE, 0, 5]
    assert messages(updates) == [str(i) for i in range(2 * LOG_PAGE + 5)]


def test_a_page_that_fails_comes_again(fake, faked):
    for i in range(LOG_PAGE + 5):
        fake.calculations[1].write(str(i))
    fake.calculations[1].status = "complete"
    second = f"GET /v1/calc/1/log/{LOG_PAGE}:{2 * LOG_PAGE}"
    fake.answers[second] = [Answer(502), Answer(0, drop="reset")]
    updates = list(follow(faked, 1))
    assert messages(updates) == [str(i) for i in range(LOG_PAGE + 5)]
    assert updates[-1].note == "The server answers again."


@pytest.mark.parametrize(
    "fault",
    [
        Answer(502),
        Answer(503),
        html_answer(500, "OperationalError at /v1", 80_000),
        Answer(0, drop="end"),
        Answer(body=b'{"id"', announced=99),
        Answer(body=b'{"id"'),
        NEGATIVE_CHUNK,
        html_answer(200, "Maintenance"),
    ],
)
def test_a_server_that_is_away_for_a_while(fake, faked, fault):
    fake.calculations[1].write("one")
    script(fake.calculations[1], "executing", "executing", "complete")
    looks = []

    def answer(request):
        looks.append(request)
        return fault if 2 <= len(looks) <= 6 else None

    fake.answers[STATUS] = answer
    updates = list(follow(faked, 1))
    assert len(looks) == 8
    assert messages(updates) == ["one"]
    notes = [u.note for u in updates if u.note]
    assert len(notes) == 2, "once when it goes, once when it comes back"
    assert notes[0].endswith(". Trying again for 300 s.")
    assert fake.url in notes[0]
    assert notes[1] == "The server answers again."
    assert updates[-1].calculation.status == "complete"


def test_a_server_that_refuses_connections_for_a_while(fake, faked):
    fake.calculations[1].status = "executing"
    updates = follow(faked, 1)
    assert next(updates).note == ""
    fake.stop()
    lost = next(updates)
    assert lost.note.startswith(f"No server answers at {fake.url} (connection refused)")
    assert lost.calculation.status == "executing"
    fake.start()
    fake.calculations[1].status = "complete"
    fake.calculations[1].write("while you were away")
    back = list(updates)
    assert [u.note for u in back] == ["The server answers again."]
    assert messages(back) == ["while you were away"]


def test_a_server_that_is_away_for_good(fake, faked, clock):
    fake.calculations[1].status = "executing"
    updates = follow(faked, 1, give_up_after=30)
    next(updates)
    fake.stop()
    begin = clock.now
    assert "Trying again for 30 s." in next(updates).note
    with pytest.raises(ContactLost) as error:
        list(updates)
    assert 30 < clock.now - begin < 30 + 2 * watch.STATUS_AT_MOST
    text = str(error.value)
    assert text.startswith("Calculation 1: the server has not answered for 3")
    assert "Come back to it with its id, 1." in text
    assert "connection refused" in text


def test_patience_begins_anew_with_each_answer(fake, faked, clock):
    looks = []

    def answer(request):
        looks.append(clock.now)
        if len(looks) == 40:
            fake.calculations[1].status = "complete"
        return None if len(looks) % 4 == 0 else Answer(503)

    fake.answers[STATUS] = answer
    updates = list(follow(faked, 1, give_up_after=8))
    assert updates[-1].calculation.status == "complete"
    assert looks[-1] - looks[0] > 8


def test_what_was_never_an_engine_is_not_asked_again(fake, faked):
    fake.answers[STATUS] = [html_answer(200, "It works")]
    with pytest.raises(NotAnEngine):
        list(follow(faked, 1))
    assert len(fake.requests) == 1


def test_a_calculation_that_is_deleted_meanwhile(fake, faked):
    fake.calculations[1].status = "executing"
    updates = follow(faked, 1)
    next(updates)
    del fake.calculations[1]
    with pytest.raises(NotFound, match="Calculation 1 does not exist"):
        next(updates)


def test_silence_is_told_once(fake, faked):
    looks = []

    def polled(calculation):
        looks.append(1)
        calculation.status = "executing" if len(looks) < 200 else "complete"

    fake.calculations[1].polled = polled
    updates = list(follow(faked, 1))
    [(when, note)] = [(i, u.note) for i, u in enumerate(updates) if u.note]
    assert note.startswith("The calculation is executing but has written no log line yet")
    assert when == 61, "one second each, after more than 60"


def test_cancel_stops_following_and_nothing_else(fake):
    fake.calculations[1].status = "executing"
    wish = threading.Event()
    client = EngineClient(fake.url, Transport(Wait(wish.is_set)))
    updates = follow(client, 1)
    next(updates)
    wish.set()
    with pytest.raises(Cancelled):
        next(updates)
    assert fake.calculations[1].status == "executing"
    assert {r.method for r in fake.requests} == {"GET"}


@pytest.mark.parametrize(("minutes", "rate"), [(1, 1.5), (10, 1.5), (30, 1.15), (120, 0.6)])
def test_rate_of_requests(clock, minutes, rate):
    """At most 1.5 a second, fewer when it takes long; the end is told within one interval."""
    begin, made, asked, logged = clock.now, [], [], []
    end = begin + minutes * 60

    class Client:
        transport = SimpleNamespace(wait=clock)

        def calculation(self, number):
            made.append(clock.now)
            asked.append(clock.now)
            return Calculation(
                number, "", "classical", "executing" if clock.now < end else "complete"
            )

        def log(self, number, start):
            made.append(clock.now)
            logged.append(clock.now)
            return []

    list(follow(Client(), 1))
    assert len(made) <= rate * minutes * 60 + 3
    for window in range(int(begin), int(end) - 10, 10):
        assert sum(window <= t < window + 10 for t in made) <= 15
    gaps = [round(b - a, 6) for a, b in zip(asked, asked[1:])]
    assert gaps == sorted(gaps)
    assert gaps[0] == 1.0
    assert gaps[-1] == pytest.approx(min(5.0, max(1.0, minutes / 10)), rel=0.01)
    assert asked[-1] - end <= gaps[-1]
    assert logged[-1] == asked[-1], "the log is read once more after the end"
    assert min(b - a for a, b in zip(logged[:-1], logged[1:-1])) >= 2.0


# --- how it ended


def test_reason_from_the_traceback(fake, faked):
    fake.calculations[1].traceback = ["Traceback:", "  File x, line 3", "ValueError: bad", " ", ""]
    fake.calculations[1].write("another", "CRITICAL")
    assert failure_reason(faked, 1) == "ValueError: bad"


@pytest.mark.parametrize("found", ["[]", "[('10.0.0.1', 0, 4), ('10.0.0.2', 0, 0)]"])
def test_reason_of_a_cluster_without_its_workers(fake, faked, found):
    fake.calculations[1].traceback = ["raise z.TimeoutError(status)", f"TimeoutError: {found}"]
    assert failure_reason(faked, 1) == (
        f"TimeoutError: {found} (the cluster's workers did not start, or not all: "
        "see host_cores in the server's openquake.cfg)"
    )


def test_another_timeout_is_told_as_it_is(fake, faked):
    fake.calculations[1].traceback = ["TimeoutError: While sending [1] to tcp://10.0.0.1:1909"]
    assert failure_reason(faked, 1) == "TimeoutError: While sending [1] to tcp://10.0.0.1:1909"


def test_reason_from_a_traceback_in_one_piece(fake, faked):
    fake.calculations[1].traceback = ["Traceback:\n  File x\nLogicTreeError: No such file\n\n"]
    assert failure_reason(faked, 1) == "LogicTreeError: No such file"


@pytest.mark.parametrize("level", ["ERROR", "CRITICAL"])
def test_reason_from_the_last_bad_line_of_the_log(fake, faked, level):
    calculation = fake.calculations[1]
    calculation.write("first", "CRITICAL")
    calculation.write("Traceback:\n  File x\nKeyError: 'y'\n", level)
    calculation.write("a warning", "WARNING")
    assert failure_reason(faked, 1) == "KeyError: 'y'"


def test_no_reason(fake, faked):
    fake.calculations[1].write("Nothing wrong so far")
    assert failure_reason(faked, 1) == (
        "the engine gives no reason (a server that restarts marks running calculations as failed)"
    )


@pytest.mark.parametrize(
    ("status", "traceback", "word", "sentence"),
    [
        ("failed", ["ValueError: bad."], "failed", "Calculation 1 failed: ValueError: bad. The"),
        ("aborted", ["x"], "aborted", "Calculation 1 aborted: x. The whole log"),
        (
            "failed",
            ["MasterKilled: The openquake master process was killed manually"],
            "aborted",
            "Calculation 1 aborted: MasterKilled: The openquake master process was killed manually."
            " The whole log: algorithm Get Log (openquake:getlog).",
        ),
        (
            "failed",
            ["MasterKilled: A worker was killed: pid=3, wait_status=9"],
            "failed",
            "Calculation 1 failed: MasterKilled: A worker was killed: pid=3, wait_status=9. The",
        ),
        ("deleted", [], "failed", "Calculation 1 failed: the engine gives no reason"),
    ],
)
def test_a_calculation_that_ended_badly(faked, fake, status, traceback, word, sentence):
    fake.calculations[1].traceback = traceback
    with pytest.raises(CalculationFailed) as error:
        check_succeeded(faked, Calculation(1, "", "", status))
    assert str(error.value).startswith(sentence)
    assert (error.value.calculation_id, error.value.status) == (1, word)


@pytest.mark.parametrize("status", ["complete", "shared"])
def test_a_calculation_that_ended_well(faked, fake, status):
    check_succeeded(faked, Calculation(1, "", "", status))
    assert fake.requests == []


def test_a_failure_whose_reason_cannot_be_read_is_a_failure(faked, fake):
    fake.stop()
    with pytest.raises(CalculationFailed) as error:
        check_succeeded(faked, Calculation(1, "", "", "failed"))
    assert str(error.value).startswith(
        "Calculation 1 failed: the reason cannot be read now: No server answers at"
    )
    assert error.value.status == "failed"


def test_refusals():
    assert refusal(SubmissionRefused("bad zip")) == "The engine refused the job: bad zip"
    assert refusal(SubmissionRefused("bad zip", 7)) == (
        "Calculation 7 failed: the engine refused the job: bad zip "
        "(it stays in the server's list as failed)."
    )


# --- abort


def test_abort_is_asked_for_again_until_the_engine_agrees(fake, faked):
    calculation = fake.calculations[1]
    script(calculation, "created", "created", *["executing"] * 3, lambda c: None)
    told = ["Job 1 is not running", "Job 1 is not running", ""]

    def aborting(calculation):
        answer = told.pop(0)
        if not answer:
            calculation.status = "aborted"
            calculation.traceback = ["MasterKilled: The openquake master process was killed"]
            script(calculation, "executing", "failed")
        return answer

    calculation.aborting = aborting
    assert abort(faked, 1) == "aborted"
    assert told == []
    assert fake.count("POST", "/v1/calc/1/abort") == 3, "an accepted abort is not repeated"
    created = [r.method for r in fake.requests][:2]
    assert created == ["GET", "GET"], "it cannot be aborted while it is being created"


def test_abort_of_one_that_is_queued(fake, faked):
    fake.calculations[1].status = "submitted"

    def aborting(calculation):
        calculation.status = "aborted"
        return ""

    fake.calculations[1].aborting = aborting
    assert abort(faked, 1) == "aborted"


def marked(calculation) -> str:
    """Accept an abort as a server does of which the processes ignore SIGINT."""
    if calculation.status == "aborted":
        return f"Job {calculation.id} is not running"
    calculation.status, calculation.stop_time = "aborted", "None"
    return ""


def killed(calculation) -> str:
    calculation.status = "failed"
    calculation.traceback = ["MasterKilled: The openquake master process was killed manually"]
    return ""


@pytest.mark.parametrize(
    ("end", "second", "reported"),
    [("failed", 3, "aborted"), ("complete", 8, "complete"), ("aborted", 20, "aborted")],
)
def test_one_that_executes_is_aborted_when_its_process_has_ended(
    fake, faked, clock, end, second, reported
):
    """In its first moment a process does not heed the signal, though the engine says aborted."""
    executing = fake.calculations[1] = FakeCalculation(1, "executing", aborting=marked)

    def ends(calculation):
        calculation.status = end

    executing.polled = at(clock, second, ends)
    begin = clock.now
    assert abort(faked, 1) == reported
    assert second <= clock.now - begin <= second + 2
    assert fake.count("POST", "/v1/calc/1/abort") == 1


@pytest.fixture
def queued(fake):
    """Calculation 2, which waits for calculation 1 on a server that ignores SIGINT."""
    fake.calculations[1].status = "executing"
    fake.calculations[2] = FakeCalculation(2, "submitted", aborting=marked)
    fake.calculations[3] = FakeCalculation(3, "submitted")  # behind it
    return fake.calculations[2]


def at(clock, second, action):
    """Do something at the first look at a calculation after so many seconds."""
    due = [clock.now + second]

    def polled(calculation):
        if due and clock.now >= due[0]:
            due.clear()
            action(calculation)

    return polled


WAITING = "Calculation 2 is aborted, but was queued and may still start"


def test_a_queued_one_that_starts_in_spite_of_its_abort_is_aborted_again(fake, queued, clock):
    said = []

    def ends(calculation):
        fake.calculations[1].status = "complete"
        calculation.polled = at(clock, 15, starts)

    def starts(calculation):
        calculation.status, calculation.aborting = "executing", killed

    queued.polled = at(clock, 30, ends)
    begin = clock.now
    assert abort(EngineClient(fake.url, Transport(clock)), 2, say=said.append) == "aborted"
    assert queued.status == "failed"
    assert 45 <= clock.now - begin < 50
    assert said == [
        f"{WAITING} when calculation 1 ends; waiting at most 120 s to see whether it does",
        f"{WAITING}; waiting 20 s to see whether it does",
        "Calculation 2 has started nevertheless; aborting it again",
    ]
    assert fake.count("POST", "/v1/calc/2/abort") == 2


def test_a_queued_one_that_does_not_start_is_aborted_when_its_turn_has_passed(
    fake, faked, queued, clock
):
    def ends(calculation):
        fake.calculations[1].status = "complete"

    queued.polled = at(clock, 30, ends)
    begin = clock.now
    assert abort(faked, 2) == "aborted"
    assert 50 < clock.now - begin < 53
    assert fake.count("POST", "/v1/calc/2/abort") == 1


def test_a_queued_one_whose_turn_does_not_come_may_still_start(fake, faked, queued, clock):
    fake.calculations[0] = FakeCalculation(0, "executing")
    begin = clock.now
    with pytest.raises(AbortNotConfirmed) as error:
        abort(faked, 2)
    assert str(error.value) == f"{WAITING} when calculations 0, 1 end; run Abort Calculation again."
    assert 120 < clock.now - begin <= 121
    # what that advice does
    fake.calculations[0].status = fake.calculations[1].status = "complete"
    queued.polled = at(clock, 10, lambda c: script(c, "executing", lambda c: None))
    queued.aborting = killed
    assert abort(faked, 2) == "aborted"
    assert queued.status == "failed"


def test_one_that_starts_between_two_looks_is_aborted_again(fake, faked, queued):
    def aborting(calculation):
        calculation.status, calculation.aborting = "executing", killed
        return ""

    queued.aborting = aborting
    assert abort(faked, 2) == "aborted"
    assert (queued.status, fake.count("POST", "/v1/calc/2/abort")) == ("failed", 2)


def test_one_that_has_a_log_has_started_and_is_not_called_aborted(fake, faked, queued):
    fake.calculations[1].status = "complete"
    queued.write("it began before it heeded the signal")
    with pytest.raises(AbortNotConfirmed, match="may still start; run Abort Calculation again"):
        abort(faked, 2)


def test_where_others_are_not_listed_it_is_not_known_whether_their_turn_has_passed(clock):
    with FakeEngine(users={"alice": "pw"}) as fake:
        fake.calculations[2] = FakeCalculation(2, "submitted", aborting=marked)
        client = EngineClient(fake.url, Transport(clock), Credentials("alice", "pw"))
        with pytest.raises(AbortNotConfirmed, match="may still start; run Abort Calculation again"):
            abort(client, 2)


def test_one_that_begins_to_execute_is_aborted_when_it_has_started_its_workers(
    fake, faked, clock, monkeypatch
):
    """While it starts them the engine ignores the signal, and it takes no second one."""
    monkeypatch.setattr(watch, "HEEDS_AFTER", 1.5)
    begins = []

    def executes(calculation):
        calculation.status = "executing"
        begins.append(clock.now)

    def aborting(calculation):
        begins.append(clock.now)
        return killed(calculation)

    created = fake.calculations[1] = FakeCalculation(1, "created", aborting=aborting)
    created.polled = at(clock, 3, executes)
    assert abort(faked, 1) == "aborted"
    began, asked = begins
    assert 1.0 <= asked - began <= 1.5


def test_a_queued_one_whose_process_has_ended_is_aborted_at_once(fake, faked, queued, clock):
    def aborting(calculation):
        calculation.status = "aborted"
        return ""

    queued.aborting = aborting
    begin = clock.now
    assert abort(faked, 2) == "aborted"
    assert clock.now - begin == 1.0


# --- an id that is another calculation's now


OTHERS = {
    "of another user": {"owner": "bob"},
    "of another description": {"description": "Another"},
    "of another mode": {"mode": "scenario"},
    "of another time": {"start_time": "2026-11-24, 08:00:00 UTC"},
    "that is queued": {"status": "submitted"},
}


@pytest.mark.parametrize("about", OTHERS)
def test_another_calculation_under_the_id_is_not_taken_for_it(fake, faked, about):
    identity = watch.Identity()
    fake.calculations[1].status = "executing"
    updates = follow(faked, 1, identity=identity)
    next(updates)
    changed = {"status": "executing", **OTHERS[about]}
    fake.calculations[1] = FakeCalculation(1, aborting=killed, **changed)
    with pytest.raises(NotFound) as error:
        list(updates)
    assert str(error.value).startswith(f"Calculation 1 of {fake.url} is another one now (")
    with pytest.raises(NotFound):
        abort(faked, 1, identity)
    assert fake.count("POST", "/v1/calc/1/abort") == 0


def test_what_the_engine_changes_of_a_calculation_is_no_other_one(fake, faked):
    def reads(calculation):
        calculation.mode, calculation.description = "scenario", "A test"

    def executes(calculation):
        calculation.status, calculation.start_time = "executing", "2026-11-24, 08:00:00 UTC"

    one = fake.calculations[1]
    one.mode, one.description = "custom", "Calculation waiting to start"
    script(one, "created", reads, "submitted", executes, "executing", "complete")
    assert [u.calculation.status for u in follow(faked, 1)][-1] == "complete"


def test_an_answer_about_another_id_is_waited_out(fake, faked):
    wrong = json_answer(FakeCalculation(7, "complete").row())
    script(fake.calculations[1], "executing", "executing", "complete")
    usual = []

    def answer(request):
        usual.append(1)
        return wrong if len(usual) == 2 else None

    fake.answers[STATUS] = answer
    updates = list(follow(faked, 1))
    assert [u.note for u in updates if u.note] == [
        f"{fake.url} answered about calculation 7 when it was asked for 1. Trying again for 300 s.",
        "The server answers again.",
    ]
    assert updates[-1].calculation.id == 1


@pytest.mark.parametrize(
    ("status", "traceback", "told"),
    [
        ("complete", [], "complete"),
        ("shared", [], "shared"),
        ("failed", ["ValueError: bad"], "failed"),
        ("failed", ["MasterKilled: The openquake master process was killed manually"], "aborted"),
        ("failed", ["MasterKilled: A worker was killed: pid=3, wait_status=9"], "failed"),
        ("aborted", [], "aborted"),
    ],
)
def test_it_ends_before_the_abort(fake, faked, status, traceback, told):
    fake.calculations[1].traceback = traceback
    script(fake.calculations[1], "created", status)
    assert abort(faked, 1) == told
    assert fake.count("POST", "/v1/calc/1/abort") == 0


def test_it_completes_although_the_abort_was_accepted(fake, faked):
    fake.calculations[1].aborting = lambda calculation: ""
    script(fake.calculations[1], "executing", "executing", "complete")
    assert abort(faked, 1) == "complete"


def test_abort_survives_a_server_that_is_away_for_a_while(fake, faked):
    calculation = fake.calculations[1]
    calculation.status = "executing"

    def aborting(calculation):
        calculation.status = "failed"
        return ""

    calculation.aborting = aborting
    fake.answers[STATUS] = [Answer(503), Answer(0, drop="reset")]
    assert abort(faked, 1) == "aborted"


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("created", "", "the engine refuses to abort it."),
        ("executing", "Job 1 is not running", "refuses to abort it (Job 1 is not running)."),
        ("executing", "", "the engine accepted the abort but has not ended it."),
    ],
)
def test_an_abort_that_is_never_confirmed(fake, faked, clock, monkeypatch, status, reason, words):
    monkeypatch.setattr(watch, "ABORT_WITHIN", 7.0)
    fake.calculations[1].status = status
    fake.calculations[1].aborting = lambda calculation: reason
    begin = clock.now
    with pytest.raises(AbortNotConfirmed) as error:
        abort(faked, 1)
    assert str(error.value).startswith("Calculation 1 goes on: within 7 s the engine ")
    assert str(error.value).endswith(words)
    assert 7 < clock.now - begin <= 8


def test_the_second_ctrl_c_ends_an_abort(fake):
    fake.calculations[1].status = "created"
    client = EngineClient(fake.url, Transport(Wait(lambda: len(fake.requests) > 2)))
    with pytest.raises(Cancelled):
        abort(client, 1)


# --- the real engine


def test_following_a_real_calculation_gives_its_whole_log(server, calculations, monkeypatch):
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.1)  # it executes for less than a second
    real = EngineClient(server.url)
    number = calculations.submit("hazard/ScenarioCase1")
    updates = list(follow(real, number))
    assert updates[-1].calculation.status == "complete"
    records = [record for update in updates for record in update.records]
    assert records == list(real.whole_log(number))
    assert len(records) > 20
    assert len(updates) > 3
    percents = [u.percent for u in updates]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0
    assert {u.note for u in updates} == {""}


def test_abort_of_a_real_calculation(server, demos):
    real = EngineClient(server.url)
    number = real.submit_on_server(str(demos / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"))
    status = abort(real, number)
    assert status == "aborted", (real.traceback(number), *map(str, real.whole_log(number)))
    calculation = real.calculation(number)
    assert calculation.status in ("failed", "aborted")
    assert calculation.description == "Classical PSHA Area Source demo for Null Island"
    assert real.outputs(number) == []
    assert abort(real, number) == "aborted", "the engine remembers, so that we need not"
    # without a traceback where it was killed before it could write one
    with pytest.raises(CalculationFailed, match=f"^Calculation {number} aborted"):
        check_succeeded(real, calculation)


def test_a_real_calculation_that_fails(server, demos, tmp_path):
    real = EngineClient(server.url)
    archive = tmp_path / "job.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in (demos / "hazard" / "AreaSourceClassicalPSHA").iterdir():
            if path.suffix in (".xml", ".ini") and path.name != "source_model.xml":
                zipped.write(path, path.name)
    number = real.submit(archive, "job.ini")
    *_, last = follow(real, number)
    assert last.calculation.status == "failed"
    with pytest.raises(CalculationFailed) as error:
        check_succeeded(real, last.calculation)
    assert str(error.value).startswith(f"Calculation {number} failed: ")
    assert "source_model.xml" in str(error.value)
    assert error.value.status == "failed"
    assert failure_reason(real, number) in str(error.value)
