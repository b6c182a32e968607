"""Wait for Calculation: back to what runs, for as long as one likes; leaving it changes nothing."""

from __future__ import annotations

import threading
import time

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine
from helpers import wait_until
from steering import Recorder, When, call, failing

from oq_processing.engine import watch

WAIT = "openquake:waitforcalculation"
STATUS = "GET /v1/calc/1/status"


@pytest.fixture
def fake(registry, monkeypatch):
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.05)
    monkeypatch.setattr(watch, "LOG_EVERY", 0.0)
    with FakeEngine() as engine:
        engine.calculations[1] = FakeCalculation(1, "executing", description="A test")
        yield engine


def ends_after(calculation, looks: int, status: str) -> None:
    """Let it write a line at each look at its status, and end at the last."""
    seen = []

    def polled(calculation):
        seen.append(1)
        if len(seen) <= looks:
            calculation.write(f"classical  {100 * len(seen) // looks}% [4 submitted, 0 queued]")
        if len(seen) >= looks:
            calculation.status = status

    calculation.polled = polled


def test_it_is_followed_to_its_end(fake, tmp_path):
    ends_after(fake.calculations[1], 4, "complete")
    log = tmp_path / "log.txt"
    done = call(WAIT, SERVER=fake.url, CALCULATION_ID=1, LOG=str(log))
    assert done.results == {
        "CALCULATION_ID": 1,
        "STATUS": "complete",
        "SERVER": fake.url,
        "LOG": str(log),
    }
    assert type(done.results["CALCULATION_ID"]) is int
    said = [line.partition("] ")[2] for line in done.feedback.log_lines()]
    assert said == [f"classical  {n}% [4 submitted, 0 queued]" for n in (25, 50, 75, 100)]
    assert [line.partition("] ")[2] for line in log.read_text().splitlines()] == said
    assert "Calculation 1: A test" in done.feedback.texts("info")
    phases = done.feedback.texts("phase")
    assert phases[-2:] == ["Calculation 1: classical 75%", "Calculation 1: Complete"]
    assert done.feedback.percents == sorted(set(done.feedback.percents))
    assert done.feedback.percents[-1] == 100.0
    assert {r.method for r in fake.requests} == {"GET"}


def test_one_that_has_ended_is_told_at_once(fake):
    fake.calculations[1].status = "shared"
    assert call(WAIT, SERVER=fake.url, CALCULATION_ID=1).results["STATUS"] == "complete"
    assert fake.count("GET", "/v1/calc/1/status") == 2


def test_a_failure_fails_with_the_reason_or_is_a_result(fake, tmp_path):
    calculation = fake.calculations[1]
    calculation.traceback = ["Traceback", "ValueError: bad depth"]
    ends_after(calculation, 2, "failed")
    log = tmp_path / "log.txt"
    assert failing(WAIT, SERVER=fake.url, CALCULATION_ID=1, LOG=str(log)) == (
        "Calculation 1 failed: ValueError: bad depth. "
        "The whole log: algorithm Get Log (openquake:getlog)."
    )
    assert len(log.read_text().splitlines()) == 2
    done = call(WAIT, SERVER=fake.url, CALCULATION_ID=1, FAIL_ON_FAILED="no")
    assert done.results["STATUS"] == "failed"
    calculation.traceback = ["MasterKilled: The openquake master process was killed manually"]
    done = call(WAIT, SERVER=fake.url, CALCULATION_ID=1, FAIL_ON_FAILED=False)
    assert done.results["STATUS"] == "aborted"


def never(fake):
    return {}


def hangs(fake):
    fake.answers[STATUS] = lambda request: Answer(until=threading.Event())


def away(fake):
    fake.answers[STATUS] = lambda request: Answer(502)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [never, hangs, away])
def test_the_longest_wait_ends_in_time_and_leaves_it_running(fake, fault):
    """Also where the server answers late or not at all."""
    looks = []

    def polled(calculation):
        looks.append(1)
        if len(looks) == 2:
            fault(fake)

    fake.calculations[1].polled = polled
    begin = time.monotonic()
    message = failing(WAIT, SERVER=fake.url, CALCULATION_ID=1, MAX_WAIT=0.02)
    assert 1.2 < time.monotonic() - begin < 4
    assert message == (
        "Calculation 1 has not ended within 0.02 minutes; it goes on, and can be waited for again."
    )
    assert len(looks) >= 2
    assert {r.method for r in fake.requests} == {"GET"}
    assert fake.calculations[1].status == "executing"


@pytest.mark.parametrize("nothing", [None, "", 0])
def test_no_longest_wait_is_no_limit(fake, nothing):
    ends_after(fake.calculations[1], 3, "complete")
    done = call(WAIT, SERVER=fake.url, CALCULATION_ID=1, MAX_WAIT=nothing)
    assert done.results["STATUS"] == "complete"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"CALCULATION_ID": 0}, "Choose a calculation: CALCULATION_ID must be its id"),
        ({"CALCULATION_ID": -3}, "1 or more, not -3."),
        ({"CALCULATION_ID": "abc"}, "CALCULATION_ID must be a number, not “abc”."),
        ({"CALCULATION_ID": 99}, "Calculation 99 does not exist on"),
        ({"MAX_WAIT": -1}, "MAX_WAIT must be a number of minutes, not -1."),
        ({"MAX_WAIT": "long"}, "MAX_WAIT must be a number, not “long”."),
        ({"FAIL_ON_FAILED": "maybe"}, "FAIL_ON_FAILED must be true or false, not “maybe”."),
        ({"LOG": "/nowhere/at/all/log.txt"}, "The log file /nowhere/at/all/log.txt cannot be"),
    ],
)
def test_bad_input(fake, parameters, words):
    assert words in failing(WAIT, **{"SERVER": fake.url, "CALCULATION_ID": 1, **parameters})


def test_cancel_only_stops_watching_a_real_calculation(registry, server, client, calculations):
    """And it can be waited for again, which shows all of its log."""
    number = calculations.submit("hazard/LatinSamplingClassicalPSHA")
    feedback = Recorder()
    when = When(lambda: feedback.has(f"Calculation {number}: "), feedback.cancel)
    message = failing(WAIT, feedback, SERVER=server.url, CALCULATION_ID=number)
    assert time.monotonic() - when.at < 2
    assert message == f"Cancelled by the user; calculation {number} goes on."
    assert not feedback.has("abort")
    wait_until(lambda: client.calculation(number).succeeded, 120)
    done = call(WAIT, SERVER=server.url, CALCULATION_ID=number)
    assert done.results["STATUS"] == "complete"
    assert done.feedback.log_lines() == [str(r) for r in client.whole_log(number)]
