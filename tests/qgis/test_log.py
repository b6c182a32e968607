"""Get Log: the whole log in a file, its end on the screen, the reason of a failure last."""

from __future__ import annotations

import tracemalloc

import pytest
from fake_engine import FakeCalculation, FakeEngine
from steering import Recorder, When, call, failing

from oq_processing.engine import watch

LOG = "openquake:getlog"
MANY = 100_000
MEMORY = 30e6  # bytes; the records of all lines would take twice as much


@pytest.fixture
def fake(registry):
    with FakeEngine() as engine:
        engine.calculations[1] = FakeCalculation(1, "complete")
        yield engine


@pytest.fixture
def quick(monkeypatch):
    """Looks at the server in quick succession."""
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.01)
    monkeypatch.setattr(watch, "STATUS_AT_MOST", 0.01)
    monkeypatch.setattr(watch, "LOG_EVERY", 0.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "log.txt"


def lines(fake, *levels: str) -> list[str]:
    """The log of calculation 1 as it should be in the file; of these levels, if any are given."""
    return [
        f"[{time} {level} {process}] {message}"
        for time, level, process, message in fake.calculations[1].log
        if not levels or level in levels
    ]


def stored(target) -> str:
    return target.read_bytes().decode().replace("\r\n", "\n")


def fetched(fake, target, feedback=None, **parameters):
    return call(
        LOG,
        feedback,
        **{"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT": str(target), **parameters},
    )


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def test_the_whole_log_is_in_the_file_and_on_the_screen(fake, target):
    for level in LEVELS:
        fake.calculations[1].write(f"è {level}\nand a second line", level)
    done = fetched(fake, target)
    assert done.results == {"OUTPUT": str(target), "LINES": 5, "STATUS": "complete"}
    assert stored(target) == "".join(f"{line}\n" for line in lines(fake))
    assert done.feedback.log_lines() == lines(fake)
    assert done.feedback.texts("warning") == lines(fake, "WARNING")
    assert done.feedback.texts("error") == lines(fake, "ERROR", "CRITICAL")


@pytest.mark.parametrize("number", range(5))
def test_records_below_the_level_are_left_out(fake, target, number):
    for level in (*LEVELS, "INFO"):
        fake.calculations[1].write("text", level)
    done = fetched(fake, target, LEVEL=LEVELS[number].lower())
    expected = lines(fake, *LEVELS[number:])
    assert stored(target).splitlines() == expected
    assert done.results["LINES"] == len(expected)
    assert done.feedback.log_lines() == expected


def test_a_level_that_nobody_knows_is_never_lost(fake, target):
    fake.calculations[1].write("odd", "NOTICE")
    assert fetched(fake, target, LEVEL="critical").results["LINES"] == 1


def test_of_a_long_log_the_end_is_shown_and_where_the_rest_is(fake, target):
    for i in range(130):
        fake.calculations[1].write(f"line {i}")
    done = fetched(fake, target)
    assert done.feedback.log_lines() == lines(fake)[-50:]
    assert f"The last 50 of 130 records; all are in {target}" in done.feedback.texts("info")
    assert stored(target).splitlines() == lines(fake)


def test_two_runs_with_one_file_do_not_disturb_each_other(fake, target):
    """One begins and ends while the other has the file open."""
    for i in range(130):
        fake.calculations[1].write(f"line {i}")
    feedback, inner = Recorder(), []

    def within(text):
        if text.startswith("The last 50") and not inner:
            inner.append(fetched(fake, target).results["LINES"])

    feedback.pushInfo = within
    assert fetched(fake, target, feedback).results["LINES"] == 130
    assert inner == [130]
    assert stored(target).splitlines() == lines(fake)
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_log_is_an_empty_file(fake, target):
    assert fetched(fake, target).results["LINES"] == 0
    assert stored(target) == ""


@pytest.mark.slow
@pytest.mark.parametrize("follow", [False, True])
def test_a_hundred_thousand_lines_in_bounded_memory(fake, target, quick, follow):
    calculation = fake.calculations[1]
    text = "closest vs30 site " + 200 * "x"
    for i in range(MANY):
        calculation.write(f"{text} {i}")
    looks = ["executing", "executing", "complete"] if follow else ["complete"]

    def polled(calculation):
        calculation.status = looks.pop(0) if len(looks) > 1 else looks[0]

    calculation.polled = polled
    tracemalloc.start()
    try:
        done = fetched(fake, target, FOLLOW=follow)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.results == {"OUTPUT": str(target), "LINES": MANY, "STATUS": "complete"}
    assert peak < MEMORY
    with target.open() as file:
        numbers = [int(line.rpartition(" ")[2]) for line in file]
    assert numbers == list(range(MANY))
    shown = done.feedback.log_lines()
    if follow:
        assert len(shown) == 2000
        note = f"More than 2000 log lines; the whole log is in {target}."
        assert note in done.feedback.texts("warning")
    else:
        assert len(shown) == 50
        assert shown[-1].endswith(f" {MANY - 1}")


def test_following_shows_each_line_once_and_in_order_until_the_end(fake, target, quick):
    calculation = fake.calculations[1]
    calculation.status = "executing"
    steps = iter(
        [
            [],
            ["one"],
            ["two", "three\n  of three\n\nlines", "two"],
            [],
            ["classical  50% [4 submitted, 0 queued]"],
        ]
    )

    def polled(calculation):
        for line in next(steps, []):
            calculation.write(line)
        if len(calculation.log) >= 5:
            calculation.status = "complete"
            calculation.write("the last")
            calculation.polled = lambda calculation: None

    calculation.polled = polled
    done = fetched(fake, target, FOLLOW="yes")
    assert done.results["STATUS"] == "complete"
    assert done.results["LINES"] == 6
    assert done.feedback.log_lines() == lines(fake)
    assert stored(target) == "".join(f"{line}\n" for line in lines(fake))
    assert done.feedback.percents == sorted(done.feedback.percents)
    assert done.feedback.percents[-1] == 100.0


def test_following_one_that_has_ended_is_its_whole_log(fake, target):
    fake.calculations[1].write("all")
    assert fetched(fake, target, FOLLOW=True).results["LINES"] == 1


def test_without_following_a_running_one_gives_what_there_is(fake, target):
    fake.calculations[1].status = "executing"
    fake.calculations[1].write("so far")
    done = fetched(fake, target)
    assert done.results["STATUS"] == "executing"
    assert stored(target).splitlines() == lines(fake)


def test_cancel_while_following_stops_only_us_and_keeps_what_has_come(fake, target, quick):
    fake.calculations[1].status = "executing"
    fake.calculations[1].write("so far")
    feedback = Recorder()
    when = When(lambda: feedback.has("so far"), feedback.cancel)
    message = failing(
        LOG, feedback, SERVER=fake.url, CALCULATION_ID=1, FOLLOW=True, OUTPUT=str(target)
    )
    assert when.at
    assert message == "Cancelled by the user; calculation 1 goes on."
    assert {r.method for r in fake.requests} == {"GET"}
    assert not target.exists()
    assert target.with_name("log.txt.part").read_text().splitlines() == lines(fake)


@pytest.mark.parametrize(
    ("status", "traceback", "critical", "last"),
    [
        (
            "failed",
            ["Traceback (most recent call last):", "  File x", "ValueError: bad depth", ""],
            "",
            "Calculation 1 failed: ValueError: bad depth.",
        ),
        (
            "failed",
            [],
            "Traceback:\n  File y\nCould not convert abc3",
            "Calculation 1 failed: Could not convert abc3.",
        ),
        (
            "failed",
            ["MasterKilled: The openquake master process was killed manually"],
            "",
            "Calculation 1 aborted: "
            "MasterKilled: The openquake master process was killed manually.",
        ),
        (
            "failed",
            [],
            "",
            "Calculation 1 failed: the engine gives no reason "
            "(a server that restarts marks running calculations as failed).",
        ),
    ],
)
@pytest.mark.parametrize("follow", [False, True])
def test_the_reason_of_a_failure_is_the_last_thing_said(
    fake, target, quick, status, traceback, critical, last, follow
):
    calculation = fake.calculations[1]
    calculation.write("begin")
    if critical:
        calculation.write(critical, "CRITICAL")
    calculation.traceback = traceback
    calculation.status = "executing" if follow else status
    looks = []

    def polled(calculation):
        looks.append(1)
        calculation.status = status if len(looks) > 2 or not follow else "executing"

    calculation.polled = polled
    done = fetched(fake, target, FOLLOW=follow)
    assert done.results["STATUS"] == status
    assert done.feedback.texts()[-1] == last
    assert stored(target) == "".join(f"{line}\n" for line in lines(fake))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"CALCULATION_ID": 0}, "Choose a calculation: CALCULATION_ID must be its id"),
        ({"CALCULATION_ID": 99}, "Calculation 99 does not exist on"),
        ({"LEVEL": "loud"}, "LEVEL may be debug, info, warning, error, critical; not “loud”."),
        ({"FOLLOW": "maybe"}, "FOLLOW must be true or false"),
        ({"OUTPUT": ""}, "Give a file for the log: OUTPUT=log.txt."),
        ({"OUTPUT": "/nowhere/at/all/log.txt"}, "The log file /nowhere/at/all/log.txt cannot be"),
        ({"OUTPUT": "/dev"}, "/dev cannot be written (it is a folder)"),
    ],
)
def test_bad_input(fake, target, parameters, words):
    given = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT": str(target), **parameters}
    assert words in failing(LOG, **given)
    assert not target.exists()


def test_the_log_of_a_real_calculation(registry, server, client, area_source, target):
    done = call(LOG, SERVER=server.url, CALCULATION_ID=area_source, OUTPUT=str(target))
    records = [str(record) for record in client.whole_log(area_source)]
    assert any("\n" in record for record in records)
    assert stored(target) == "".join(f"{record}\n" for record in records)
    assert done.results["LINES"] == len(records) > 50
    assert done.feedback.log_lines() == records[-50:]
