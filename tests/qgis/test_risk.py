"""Run Risk on Hazard: on what is there and ended well; the engine decides what fits."""

from __future__ import annotations

import email.parser
import email.policy
import io
import shutil
import zipfile

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, json_answer
from steering import Recorder, call, failing

from oq_processing.engine import watch

RISK = "openquake:runriskonhazard"
RUN = "openquake:runcalculation"
POST = "POST /v1/calc/run"
BCR = "risk/ClassicalBCR"


@pytest.fixture
def fake(registry, monkeypatch):
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.01)
    with FakeEngine() as engine:
        engine.calculations[5] = FakeCalculation(5, "complete", "classical")

        def started(request):
            engine.calculations[6] = FakeCalculation(6, "complete", "classical_risk")
            return json_answer({"job_id": 6})

        engine.answers[POST] = started
        yield engine


@pytest.fixture
def job(tmp_path):
    """A folder with two jobs, and a file that the risk job names."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "job_hazard.ini").write_text("[general]\ncalculation_mode = classical\n")
    (folder / "job_risk.ini").write_text(
        "[general]\ndescription = Losses\ncalculation_mode = classical_risk\n"
        "hazard_calculation_id = 3\nstructural_vulnerability_file = v.xml\n"
    )
    (folder / "v.xml").write_text("<nrml/>")
    return folder


def posted(fake) -> tuple[dict[str, str], list[str]]:
    """The fields of the form that came, and the names in its archive."""
    [request] = [r for r in fake.requests if r.method == "POST"]
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    kind = request.headers["Content-Type"].encode()
    form = parser.parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + request.body)
    [archive] = [p for p in form.iter_parts() if p.get_filename()]
    with zipfile.ZipFile(io.BytesIO(archive.get_payload(decode=True))) as members:
        return request.fields, sorted(members.namelist())


@pytest.mark.parametrize("way", ["ini", "folder", "zip"])
def test_one_ini_goes_up_and_is_named(fake, job, tmp_path, way):
    """The engine matches job_ini as the end of a name, and takes the first of several."""
    given = {"ini": job / "job_risk.ini", "folder": job, "zip": tmp_path / "job.zip"}[way]
    if way == "zip":
        shutil.make_archive(str(given.with_suffix("")), "zip", job)
    parameters = {} if way == "ini" else {"JOB_INI": "job_risk.ini"}
    done = call(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(given), **parameters)
    fields, names = posted(fake)
    assert fields == {"job_ini": "job_risk.ini", "hazard_job_id": "5"}
    assert names == ["job_risk.ini", "v.xml"]
    assert done.results == {
        "CALCULATION_ID": 6,
        "STATUS": "complete",
        "SERVER": fake.url,
        "HAZARD_CALCULATION_ID": 5,
    }


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("created", "Calculation 5 is created; wait until it is complete."),
        ("executing", "Calculation 5 is executing; wait until it is complete."),
        ("failed", "Calculation 5 is failed; nothing can be based on it."),
        ("aborted", "Calculation 5 is aborted; nothing can be based on it."),
        (None, "Calculation 5 does not exist on "),
    ],
)
def test_the_hazard_is_looked_at_first(fake, job, status, words):
    """Before the job, which lacks a file here."""
    (job / "v.xml").unlink()
    if status is None:
        del fake.calculations[5]
    else:
        fake.calculations[5].status = status
    message = failing(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(job / "job_risk.ini"))
    assert message.startswith(words)
    assert {r.method for r in fake.requests} == {"GET"}


def test_a_shared_hazard_is_complete(fake, job):
    fake.calculations[5].status = "shared"
    done = call(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(job / "job_risk.ini"))
    assert done.results["STATUS"] == "complete"


@pytest.mark.parametrize("mode", ["scenario", "event_based"])
def test_a_doubtful_pair_is_a_warning_and_the_engines_to_refuse(fake, job, mode):
    fake.calculations[5].mode = mode
    reason = (
        "InvalidCalculationID: In order to run a calculation of kind 'classical_risk', you need "
        f"to provide a calculation of kind ['classical'], but you provided a '{mode}' instead"
    )

    def started(request):
        fake.calculations[6] = FakeCalculation(6, "failed", traceback=["Traceback", reason])
        return json_answer({"job_id": 6})

    fake.answers[POST] = started
    feedback = Recorder()
    message = failing(
        RISK, feedback, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(job / "job_risk.ini")
    )
    assert feedback.texts("warning") == [
        "A classical_risk calculation usually builds on classical; "
        f"calculation 5 is {mode}. The engine decides."
    ]
    assert message.startswith(f"Calculation 6 failed: {reason}. ")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("classical", "classical_risk"),
        ("classical", "classical_damage"),
        ("classical", "classical_bcr"),
        ("classical", "disaggregation"),
        ("preclassical", "classical"),
        ("scenario", "scenario_damage"),
        ("event_based", "event_based_risk"),
        ("event_based_risk", "event_based_risk"),
        ("classical_risk", "classical_risk"),
        ("classical", "something_new"),
    ],
)
def test_usual_pairs_and_unknown_modes_are_no_warning(fake, job, below, above):
    fake.calculations[5].mode = below
    ini = job / "job_risk.ini"
    ini.write_text(ini.read_text().replace("classical_risk", above))
    done = call(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(ini))
    assert done.feedback.texts("warning") == []


def test_a_refusal_at_once_is_told_with_its_reason(fake, job):
    body = {"traceback": ["Traceback", "File not found: calc_5.hdf5"], "job_id": 6}
    fake.answers[POST] = [json_answer(body, 500)]
    message = failing(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB=str(job / "job_risk.ini"))
    assert message == (
        "Calculation 6 failed: the engine refused the job: File not found: calc_5.hdf5 "
        "(it stays in the server's list as failed)."
    )


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"HAZARD_CALCULATION_ID": None}, "HAZARD_CALCULATION_ID must be its id, 1 or more."),
        ({"HAZARD_CALCULATION_ID": 0}, "HAZARD_CALCULATION_ID must be its id, 1 or more, not 0."),
        ({"HAZARD_CALCULATION_ID": "abc"}, "HAZARD_CALCULATION_ID must be a number"),
        ({"JOB_INI": "job_hazard.ini,job_risk.ini"}, "Exactly one .ini is run on top"),
        ({"JOB": None}, "Choose a job"),
        ({"JOB": "nowhere/job.ini"}, "does not exist"),
        ({"JOB_INI": "nope.ini"}, "nope.ini"),
    ],
)
def test_bad_input(fake, job, parameters, words):
    given = {"SERVER": fake.url, "HAZARD_CALCULATION_ID": 5, "JOB": str(job), **parameters}
    assert words in failing(RISK, **given)
    assert fake.count("POST", "/v1/calc/run") == 0


def test_a_job_on_the_server_builds_on_it_too(fake):
    def started(request):
        fake.calculations[6] = FakeCalculation(6, "complete", "classical_risk")
        return json_answer({"job_id": 6})

    fake.answers["POST /v1/calc/run_ini"] = started
    call(RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB_ON_SERVER="/models/job_risk.ini")
    [request] = [r for r in fake.requests if r.method == "POST"]
    assert request.fields == {"job_ini": "/models/job_risk.ini", "hazard_job_id": "5"}
    fake.answers["POST /v1/calc/run_ini"] = [Answer(404)]
    message = failing(
        RISK, SERVER=fake.url, HAZARD_CALCULATION_ID=5, JOB_ON_SERVER="/models/job_risk.ini"
    )
    assert message.startswith("The engine refused the job: ")


# --- a real engine; the other demo pairs: tests/everything/test_pairs.py


@pytest.fixture(scope="module")
def bcr(registry, server, demos):
    """The hazard of a pair."""
    done = call(RUN, SERVER=server.url, JOB=str(demos / BCR / "job_hazard.ini"))
    return done.results["CALCULATION_ID"]


def test_a_demo_pair(registry, server, client, demos, bcr):
    done = call(
        RISK,
        SERVER=server.url,
        HAZARD_CALCULATION_ID=bcr,
        JOB=str(demos / BCR / "job_risk.ini"),
    )
    calculation = client.calculation(done.results["CALCULATION_ID"])
    assert (calculation.mode, calculation.status) == ("classical_bcr", "complete")
    assert calculation.parent_id == done.results["HAZARD_CALCULATION_ID"] == bcr
    assert "bcr-rlzs" in {o.type for o in client.outputs(calculation.id)}
    assert not [t for t in done.feedback.texts("warning") if "usually" in t]


def test_disaggregation_on_classical(registry, server, client, demos):
    job = str(demos / "hazard/Disaggregation/job.ini")
    small = "sites=0.5 -0.5\narea_source_discretization=30\nwidth_of_mfd_bin=0.5"
    hazard = call(
        RUN, SERVER=server.url, JOB=job, PARAMETERS=f"{small}\ncalculation_mode=classical"
    )
    number = hazard.results["CALCULATION_ID"]
    done = call(RISK, SERVER=server.url, HAZARD_CALCULATION_ID=number, JOB=job, PARAMETERS=small)
    calculation = client.calculation(done.results["CALCULATION_ID"])
    assert (calculation.mode, calculation.parent_id) == ("disaggregation", number)
    assert any(o.type.startswith("disagg") for o in client.outputs(calculation.id))


def test_a_real_engine_refuses_the_wrong_pair(registry, server, client, demos, area_source):
    feedback = Recorder()
    message = failing(
        RISK,
        feedback,
        SERVER=server.url,
        HAZARD_CALCULATION_ID=area_source,
        JOB=str(demos / "risk/ScenarioDamage/job_risk.ini"),
    )
    [warning] = [t for t in feedback.texts("warning") if "usually" in t]
    assert warning.startswith("A scenario_damage calculation usually builds on scenario or ")
    assert "InvalidCalculationID" in message
    assert "but you provided a 'classical' instead" in message
