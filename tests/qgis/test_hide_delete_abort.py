"""Hide changes nothing on the server, Delete only what was confirmed, Abort tells the true end."""

from __future__ import annotations

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, json_answer
from helpers import wait_until
from qgis.core import QgsSettings
from relay import Relay
from steering import Recorder, When, call, failing
from steering_rows import list_rows, row

from oq_processing import settings
from oq_processing.engine import watch

pytestmark = pytest.mark.usefixtures("registry")

HIDE = "openquake:hidecalculation"
DELETE = "openquake:deletecalculation"
ABORT = "openquake:abortcalculation"
LIST = "openquake:listcalculations"
LATIN = "hazard/LatinSamplingClassicalPSHA"


@pytest.fixture
def fake(registry, monkeypatch):
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.01)
    monkeypatch.setattr(watch, "ABORT_AGAIN", 0.01)
    with FakeEngine() as engine:
        for i in (1, 2, 3):
            engine.calculations[i] = FakeCalculation(i, "complete", description=f"Test {i}")
        list_rows(engine, [row(i) for i in (1, 2, 3)])
        yield engine


@pytest.fixture
def line(server):
    """A line to the real server that takes down the requests."""
    with Relay(server.url) as relay:
        yield relay


def listed(url: str, **parameters) -> dict[int, bool]:
    """Which calculations are listed, and whether as hidden."""
    done = call(LIST, **{"SERVER": url, "OUTPUT": "TEMPORARY_OUTPUT", **parameters})
    return {r["id"]: r["hidden"] for r in done.rows()}


# --- hide


def test_hidden_is_left_out_of_the_list_and_comes_back(fake):
    done = call(HIDE, SERVER=fake.url, CALCULATION_ID=2)
    assert done.results == {"CALCULATION_ID": 2}
    assert done.feedback.has("Calculation 2 (Test 2) is hidden; it stays on the server")
    assert listed(fake.url) == {3: False, 1: False}
    assert listed(fake.url, INCLUDE_HIDDEN=True) == {3: False, 2: True, 1: False}
    done = call(HIDE, SERVER=fake.url, CALCULATION_ID=2, HIDE="no")
    assert done.feedback.has("Calculation 2 (Test 2) is shown again")
    assert listed(fake.url) == {3: False, 2: False, 1: False}
    assert {r.method for r in fake.requests} == {"GET"}


def test_the_newest_that_is_not_hidden_is_the_latest(fake):
    call(HIDE, SERVER=fake.url, CALCULATION_ID=3)
    done = call(LIST, SERVER=fake.url, LIMIT=1, OUTPUT="TEMPORARY_OUTPUT")
    assert (done.results["LATEST_ID"], done.results["COUNT"]) == (2, 1)


def test_hiding_twice_and_showing_what_is_not_hidden_are_no_errors(fake):
    for hide in (True, True, False, False):
        call(HIDE, SERVER=fake.url, CALCULATION_ID=1, HIDE=hide)
    assert not settings.hidden(fake.url).known


def test_each_server_has_its_own_hidden_ones(fake):
    with FakeEngine(prefix="/oq/eng") as other:
        other.calculations[1] = FakeCalculation(1, "complete", description="Test 1")
        list_rows(other, [row(1)])
        other.answers["GET /oq/eng/v1/calc/list"] = other.answers.pop("GET /v1/calc/list")
        call(HIDE, SERVER=fake.url, CALCULATION_ID=1)
        call(HIDE, SERVER=fake.url, CALCULATION_ID=3)
        assert listed(other.url) == {1: False}
        call(HIDE, SERVER=other.url + "/", CALCULATION_ID=1)
        call(HIDE, SERVER=fake.url, CALCULATION_ID=1, HIDE=False)
        assert listed(other.url) == {}
        assert listed(fake.url) == {2: False, 1: False}


def test_the_list_is_kept_in_the_profile(fake):
    for i in (1, 2):
        call(HIDE, SERVER=fake.url, CALCULATION_ID=i)
    settings = QgsSettings()
    hidden = [k for k in settings.allKeys() if k.startswith("openquake/hidden/")]
    keys = [k for k in hidden if str(fake.port) in k]
    assert [k.rpartition("/")[2] for k in keys] == ["1", "2"]


def test_what_cannot_be_stored_is_not_called_hidden(fake, monkeypatch):
    monkeypatch.setattr(settings.QSettings, "status", lambda self: self.Status.AccessError)
    message = failing(HIDE, SERVER=fake.url, CALCULATION_ID=1)
    assert message.startswith("The QGIS profile cannot be written (")
    assert not settings.hidden(fake.url).known


def test_hiding_does_nothing_to_a_real_calculation(line, client, area_source, tmp_path):
    before = (client.calculation(area_source), client.outputs(area_source))
    log = [str(r) for r in client.whole_log(area_source)]
    call(HIDE, SERVER=line.url, CALCULATION_ID=area_source)
    hidden = listed(line.url)
    shown = listed(line.url, INCLUDE_HIDDEN=True)
    assert area_source not in hidden
    assert shown[area_source] is True
    assert line.requests
    assert {request.split()[0] for request in line.requests} == {"GET"}
    assert (client.calculation(area_source), client.outputs(area_source)) == before
    assert [str(r) for r in client.whole_log(area_source)] == log
    assert client.datastore(area_source, tmp_path / "calc.hdf5").size > 1e6
    call(HIDE, SERVER=line.url, CALCULATION_ID=area_source, HIDE=False)
    assert listed(line.url)[area_source] is False


# --- delete


def test_only_its_id_confirms(fake):
    for confirm in (None, "", "1", "yes", "22", "2.5", "-2"):
        message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM=confirm)
        assert message == "Calculation 2 is not deleted: CONFIRM must be its id, “2”."
    assert fake.requests == []


def test_deleting_says_what_is_gone_and_forgets_that_it_was_hidden(fake):
    fake.calculations[2].outputs = [{"id": 1, "type": "hmaps", "outtypes": ["csv"]}]
    fake.answers["POST /v1/calc/2/remove"] = [json_answer({"success": "2"})]
    call(HIDE, SERVER=fake.url, CALCULATION_ID=2)
    done = call(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM=" 2 ")
    assert done.results == {"CALCULATION_ID": 2}
    assert done.feedback.texts("info")[-1] == (
        "Deleted calculation 2 (Test 2): its entry, log, 1 outputs and datastore"
    )
    assert [r.path for r in fake.requests if r.method == "POST"] == ["/v1/calc/2/remove"]
    assert not settings.hidden(fake.url).known


@pytest.mark.parametrize("status", ["created", "submitted", "executing"])
def test_a_running_one_is_refused(fake, status):
    fake.calculations[2].status = status
    message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM="2")
    assert message == f"Calculation 2 is {status} and is not deleted; abort it first."
    assert {r.method for r in fake.requests} == {"GET"}


def test_those_that_build_on_it_are_named(fake):
    """Also beyond the first page of the list."""
    rows = [row(i) for i in range(1, 2501)]
    rows[6]["parent_id"] = rows[2400]["parent_id"] = 2
    list_rows(fake, rows)
    message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM="2")
    assert message == ("Calculation 2 is not deleted: based on it are 2401, 7; delete those first.")
    assert {r.method for r in fake.requests} == {"GET"}


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"error": "there are calculations dependent from it: [46]"}, 403),
        json_answer({"error": "there are calculations dependent from it: [46]"}),
    ],
)
def test_what_the_engine_refuses_is_told_with_its_reason(fake, answer):
    """It knows of calculations that this user does not see."""
    fake.answers["POST /v1/calc/2/remove"] = [answer]
    message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM="2")
    assert "there are calculations dependent from it: [46]" in message


def test_a_broken_line_at_the_deletion_is_no_second_try(fake):
    fake.answers["POST /v1/calc/2/remove"] = [Answer(0, drop="reset")]
    message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=2, CONFIRM="2")
    assert f"The connection to {fake.url} broke" in message
    assert fake.count("POST", "/v1/calc/2/remove") == 1


def test_an_unknown_one(fake):
    message = failing(DELETE, SERVER=fake.url, CALCULATION_ID=9, CONFIRM="9")
    assert message.startswith("Calculation 9 does not exist on ")


def test_a_real_calculation_is_gone_and_no_other(server, client, calculations, area_source, line):
    number = calculations.submit(LATIN)
    call("openquake:waitforcalculation", SERVER=server.url, CALCULATION_ID=number)
    size = client.calculation(number).size_mb
    outputs = len(client.outputs(number))
    assert list(client.whole_log(number))
    others = {c.id for c in client.all_calculations()} - {number}
    done = call(DELETE, SERVER=line.url, CALCULATION_ID=number, CONFIRM=str(number))
    assert done.feedback.texts("info")[-1] == (
        f"Deleted calculation {number} (Classical PSHA with 4 sources and Latin Hypercube "
        f"Sampling): its entry, log, {outputs} outputs and datastore, {size:.1f} MB"
    )
    assert {c.id for c in client.all_calculations()} == others
    assert client.outputs(number) == []
    assert list(client.whole_log(number)) == []
    message = failing(
        "openquake:listoutputs", SERVER=server.url, CALCULATION_ID=number, OUTPUT="memory:"
    )
    assert message.startswith(f"Calculation {number} does not exist on ")
    assert [r for r in line.requests if r.startswith("POST")] == [f"POST /v1/calc/{number}/remove"]
    assert client.calculation(area_source).succeeded
    assert list(client.whole_log(area_source))


# --- abort


def test_a_real_calculation_is_aborted_while_it_is_created(server, client, calculations):
    number = calculations.submit("hazard/AreaSourceClassicalPSHA")
    assert client.calculation(number).status == "created"
    done = call(ABORT, SERVER=server.url, CALCULATION_ID=number)
    assert done.results == {"CALCULATION_ID": number, "STATUS": "aborted", "SERVER": server.url}
    assert client.calculation(number).status in ("failed", "aborted")
    # the engine writes it a moment after the status
    assert wait_until(lambda: client.traceback(number))[-1].startswith("MasterKilled")


def test_a_real_calculation_is_aborted_while_it_executes(server, client, calculations):
    number = calculations.submit("hazard/AreaSourceClassicalPSHA")
    # in its first moment it may not heed the signal, and be complete before anybody looks
    wait_until(lambda: any("classical" in r.message for r in client.log(number)), 120)
    done = call(ABORT, SERVER=server.url, CALCULATION_ID=number)
    assert done.results["STATUS"] == "aborted"
    assert not client.calculation(number).is_running
    assert done.feedback.texts("info")[-1] == f"Calculation {number} aborted"
    message = failing(ABORT, SERVER=server.url, CALCULATION_ID=number)
    assert message.startswith(f"Calculation {number} has ended already (")


def running(fake, **changed) -> FakeCalculation:
    fake.calculations[4] = FakeCalculation(4, "executing", **changed)
    return fake.calculations[4]


@pytest.mark.parametrize("status", ["complete", "failed", "aborted", "shared"])
def test_one_that_has_ended_is_an_error_and_no_request_to_abort(fake, status):
    running(fake).status = status
    message = failing(ABORT, SERVER=fake.url, CALCULATION_ID=4)
    assert message == (f"Calculation 4 has ended already ({status}); there is nothing to abort.")
    assert {r.method for r in fake.requests} == {"GET"}


def test_one_that_ends_before_the_abort_is_not_called_aborted(fake):
    def aborting(calculation):
        calculation.status = "complete"
        return "Job 4 is not running"

    running(fake, aborting=aborting)
    message = failing(ABORT, SERVER=fake.url, CALCULATION_ID=4)
    assert message == "Calculation 4 had ended as complete before it was aborted."


def test_one_that_completes_although_the_abort_was_accepted(fake):
    def aborting(calculation):
        calculation.status = "complete"
        return ""

    running(fake, aborting=aborting)
    assert failing(ABORT, SERVER=fake.url, CALCULATION_ID=4) == (
        "Calculation 4 had ended as complete before it was aborted."
    )


def test_one_that_the_engine_does_not_abort(fake, monkeypatch):
    monkeypatch.setattr(watch, "ABORT_WITHIN", 0.3)
    running(fake, aborting=lambda calculation: "not yours")
    message = failing(ABORT, SERVER=fake.url, CALCULATION_ID=4)
    assert message == (
        "Calculation 4 goes on: within 0 s the engine refuses to abort it (not yours)."
    )


def test_cancel_of_an_abort_says_what_is_not_known(fake):
    running(fake, aborting=lambda calculation: "")
    feedback = Recorder()
    when = When(lambda: fake.count("POST", "/v1/calc/4/abort"), feedback.cancel)
    message = failing(ABORT, feedback, SERVER=fake.url, CALCULATION_ID=4)
    assert when.at
    assert message == "Cancelled by the user; calculation 4 may go on or be ending."
    assert fake.count("POST", "/v1/calc/4/abort") == 1


@pytest.mark.parametrize("algorithm", [HIDE, DELETE, ABORT])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (None, "Choose a calculation: CALCULATION_ID must be its id, 1 or more."),
        (0, "Choose a calculation: CALCULATION_ID must be its id, 1 or more, not 0."),
        ("abc", "CALCULATION_ID must be a number, not “abc”."),
        (1.5, "CALCULATION_ID must be a whole number, not 1.5."),
    ],
)
def test_an_id_that_is_none(fake, algorithm, number, words):
    given = {"SERVER": fake.url, "CALCULATION_ID": number, "CONFIRM": str(number)}
    assert failing(algorithm, **given) == words
    assert fake.requests == []
