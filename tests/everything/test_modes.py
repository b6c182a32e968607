"""One real engine in its modes: with logins, read-only, under a prefix, open; two minutes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingException
from steering import Recorder, When, call, failing, store_login

from oq_processing.engine import launch
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import NotAllowed, NotFound
from oq_processing.engine.server import Credentials
from oq_processing.outputs.assets.assets import read_assets
from oq_processing.outputs.catalogue import find_output
from oq_processing.outputs.core.source import Source
from oq_processing.outputs.readers.damage import _number_of_events

# made by script/setup_everything
ENGINE = Path(__file__).parents[2] / ".engines" / "restricted"
RUN = "openquake:runcalculation"
LIST = "openquake:listcalculations"
LOAD = "openquake:loadoutputaslayer"
LOG = "openquake:getlog"
ABORT = "openquake:abortcalculation"
DELETE = "openquake:deletecalculation"
TABLE = {"OUTPUT": "TEMPORARY_OUTPUT"}

USERS = {"alice": 2, "bob": 2, "carol": 1, "dave": 0, "chief": 2}
"""Each user's level; alice, carol and dave are a group, the chief is a superuser."""

_MAKE_USERS = """
from django.contrib.auth.models import Group, User
group, _ = Group.objects.get_or_create(name="team")
for name, level in {users}.items():
    make = User.objects.create_superuser if name == "chief" else User.objects.create_user
    user = make(name, name + "@example.org", "pw-" + name)
    user.profile.level = level
    user.profile.save()
    if name in ("alice", "carol", "dave"):
        user.groups.add(group)
"""


class Host:
    """One engine, its database and its calculations, started anew in the mode that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._settings: dict[str, str] | None = None
        self._engine: launch.LocalEngine | None = None

    def __call__(self, mode: str, prefix: str = "") -> str:
        """Return the address of the server in that mode."""
        settings = {
            "APPLICATION_MODE": mode,
            "WEBUI_PATHPREFIX": prefix,
            "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
        }
        if settings != self._settings:
            self.stop()
            # the engine reads it from the folder that it is started in
            text = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
            (self.folder / "local_settings.py").write_text(text)
            self._engine = self._start(prefix)
            self._settings = settings
        return self._engine.url + prefix

    def _start(self, prefix: str) -> launch.LocalEngine:
        # one that wants a login, or is elsewhere, answers as the start does not expect
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(launch.EngineClient, "engine_version", _answers(prefix))
            return launch.start(ENGINE / "bin" / "oq", self.folder)

    def stop(self) -> None:
        if self._engine is not None:
            launch.stop(self._engine)
            self._engine = None

    def manage(self, *words: str) -> None:
        """Run the engine's own administration."""
        environment = {**os.environ, "OQ_CONFIG_FILE": str(self.folder / "openquake.cfg")}
        subprocess.run(
            [ENGINE / "bin" / "python", "-m", "openquake.server.manage", *words],
            cwd=self.folder,
            env=environment,
            check=True,
            capture_output=True,
        )

    def sql(self, text: str) -> list[tuple]:
        """Look at, or change, the engine's database."""
        with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=30)) as db:
            rows = db.execute(text).fetchall()
            db.commit()
            return rows

    def logins(self) -> int:
        """How many logins the server has seen."""
        return self._engine.log.read_text().count('"POST /accounts/ajax_login/')


def _answers(prefix: str):
    real = EngineClient.engine_version

    def version(client: EngineClient) -> str:
        try:
            return real(EngineClient(client.url + prefix, client.transport))
        except NotAllowed:
            return "one that wants a login"

    return version


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("modes"))
    try:
        host("RESTRICTED")
        host.manage("migrate")
        host.manage("shell", "-c", _MAKE_USERS.format(users=USERS))
        yield host
    finally:
        host.stop()


@pytest.fixture
def restricted(host) -> str:
    return host("RESTRICTED")


@pytest.fixture(scope="module")
def logins(registry) -> Iterator[dict[str, str]]:
    """Each user's authentication configuration; mallory has the wrong password."""
    found = {
        name: store_login("alice" if name == "mallory" else name, f"pw-{name}", name=name)
        for name in (*USERS, "mallory")
    }
    yield found
    for number in found.values():
        QgsApplication.authManager().removeAuthenticationConfig(number)


@pytest.fixture
def as_user(restricted, logins):
    """A function: what a user says in every algorithm."""

    def say(name: str, **more) -> dict:
        return {"SERVER": restricted, "AUTHCFG": logins[name], **more}

    return say


def client_of(url: str, name: str) -> EngineClient:
    return EngineClient(url, credentials=Credentials(name, f"pw-{name}"))


@pytest.fixture(scope="module")
def hazard(host, logins, demos) -> int:
    """Alice's calculation of a hazard map; her session ends while it runs."""
    feedback = Recorder()
    before = host.logins()
    when = When(
        lambda: feedback.has("Checksum of the inputs"),
        lambda: host.sql("DELETE FROM django_session"),
    )
    done = call(
        RUN,
        feedback,
        SERVER=host("RESTRICTED"),
        AUTHCFG=logins["alice"],
        JOB=str(demos / "hazard/AreaSourceClassicalPSHA/job.ini"),
    )
    assert when.at, "the session has ended"
    assert host.logins() - before == 2, "logged in, and once more"
    assert done.results["STATUS"] == "complete"
    assert feedback.percents[-1] == 100
    return done.results["CALCULATION_ID"]


@pytest.fixture(scope="module")
def risk(host, logins, engine_python) -> int:
    """Alice's calculation of risk with 19 types of outputs."""
    [cases] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    job = cases / "event_based_risk" / "case_master" / "job.ini"
    done = call(RUN, SERVER=host("RESTRICTED"), AUTHCFG=logins["alice"], JOB=str(job))
    return done.results["CALCULATION_ID"]


def hmaps(calculation_id: int) -> dict:
    return {"CALCULATION_ID": calculation_id, "OUTPUT_TYPE": "hmaps", "IMT": "PGA", **TABLE}


# --- with logins


def test_alice_runs_follows_and_loads(as_user, hazard, tmp_path):
    done = call(LOAD, **as_user("alice", **hmaps(hazard)))
    assert len(done.rows()) == 624
    assert {"PGA-0.1", "PGA-0.02"} & set(done.rows()[0])
    [row] = call(LIST, **as_user("alice", **TABLE)).rows()[-1:]
    assert (row["id"], row["owner"], row["status"]) == (hazard, "alice", "complete")


def test_what_the_others_see_of_it(as_user, restricted, hazard, tmp_path):
    def seen(name: str) -> set[int]:
        return {row["id"] for row in call(LIST, **as_user(name, **TABLE)).rows()}

    assert hazard in seen("alice") & seen("carol") & seen("dave") & seen("chief")
    assert hazard not in seen("bob")
    told = f"Calculation {hazard} does not exist on {restricted} or is not yours to see."
    for algorithm, more in {
        LOAD: hmaps(hazard),
        "openquake:listoutputs": {"CALCULATION_ID": hazard, **TABLE},
        ABORT: {"CALCULATION_ID": hazard},
        DELETE: {"CALCULATION_ID": hazard, "CONFIRM": str(hazard)},
        LOG: {"CALCULATION_ID": hazard, "OUTPUT": str(tmp_path / "log.txt")},
    }.items():
        assert failing(algorithm, **as_user("bob", **more)) == told, algorithm
    bob = client_of(restricted, "bob")
    sentence = f"{restricted} knows you as “bob” but does not permit this (calc/{hazard}/{{}})."
    for call_it, path in (
        (lambda: bob.outputs(hazard), "results"),
        (lambda: bob.extract(hazard, "oqparam", tmp_path / "x.npz"), "extract/oqparam"),
        (lambda: bob.datastore(hazard, tmp_path / "x.hdf5"), "datastore"),
    ):
        with pytest.raises(NotAllowed) as error:
            call_it()
        assert str(error.value) == sentence.format(path)
    assert not list(tmp_path.iterdir())
    # the engine shows the log of anything to anybody who is logged in
    assert bob.log(hazard) == client_of(restricted, "alice").log(hazard) != []


def test_only_the_owner_deletes(as_user, restricted, hazard):
    sentence = f"{restricted} refuses: Cannot delete calculation {hazard}: it belongs to alice and "
    for name in ("bob", "carol"):
        with pytest.raises(NotAllowed) as error:
            client_of(restricted, name).remove(hazard)
        assert str(error.value) == f"{sentence}you are {name}"
    # not even a superuser
    message = failing(DELETE, **as_user("chief", CALCULATION_ID=hazard, CONFIRM=str(hazard)))
    assert message == f"{sentence}you are chief"
    assert client_of(restricted, "alice").calculation(hazard).status == "complete"


def test_others_do_not_abort_what_runs(as_user, restricted, demos):
    slow = {"PARAMETERS": "area_source_discretization=1", "WAIT": False}
    job = str(demos / "hazard/AreaSourceClassicalPSHA/job.ini")
    number = call(RUN, **as_user("alice", JOB=job, **slow)).results["CALCULATION_ID"]
    alice, bob = client_of(restricted, "alice"), client_of(restricted, "bob")
    while alice.calculation(number).status in ("created", "submitted"):
        alice.transport.wait.pause(0.5)
    with pytest.raises(NotAllowed) as error:
        bob.abort(number)
    assert str(error.value) == (
        f"{restricted} refuses: User bob has no permission to abort job {number}"
    )
    assert alice.calculation(number).status == "executing"
    done = call(ABORT, **as_user("alice", CALCULATION_ID=number))
    assert done.results["STATUS"] == "aborted"
    call(DELETE, **as_user("alice", CALCULATION_ID=number, CONFIRM=str(number)))
    with pytest.raises(NotFound):
        alice.calculation(number)


def test_who_is_not_let_in(restricted, logins):
    assert failing(LIST, SERVER=restricted, **TABLE) == (
        f"{restricted} wants a login; give an authentication configuration (AUTHCFG)."
    )
    assert failing(LIST, SERVER=restricted, AUTHCFG=logins["mallory"], **TABLE) == (
        f"{restricted} does not accept the user “alice” of the authentication configuration, "
        "or the password."
    )


@pytest.mark.parametrize("how", ["ended", "garbage"])
def test_a_session_that_is_none_any_more(host, restricted, hazard, how, tmp_path):
    alice = client_of(restricted, "alice")
    assert alice.calculation(hazard).status == "complete"
    before = host.logins()
    if how == "ended":
        host.sql("DELETE FROM django_session")
    else:
        alice.transport._open_session().cookies.set("sessionid", "garbage", domain="127.0.0.1")
    alice.extract(hazard, "sitecol", tmp_path / "sitecol.npz")
    assert (tmp_path / "sitecol.npz").stat().st_size > 5000
    assert alice.calculation(hazard).status == "complete"
    assert host.logins() - before == 1


def test_what_each_may_do(restricted):
    for name in USERS:
        assert str(client_of(restricted, name).abilities()) == (
            f"OpenQuake Engine 3.26.2; you are “{name}”; you may: run calculations, "
            "run a job.ini on its own disk, abort, delete."
        )
    with pytest.raises(NotAllowed, match="wants a login; give an authentication configuration"):
        EngineClient(restricted).abilities()


def test_a_simple_user_loads_the_same(as_user, restricted, risk, demos, tmp_path):
    """Carol's level leaves out some extracts; what is needed comes from elsewhere."""

    def rows(name: str, kind: str, number: int = risk) -> list[dict] | str:
        told = as_user(name, CALCULATION_ID=number, OUTPUT_TYPE=kind, **TABLE)
        try:
            return call(LOAD, **told).rows()
        except QgsProcessingException as error:  # an average over earthquakes, no kind chosen, …
            return str(error)

    alice, carol = client_of(restricted, "alice"), client_of(restricted, "carol")
    hers = [o.type for o in carol.outputs(risk)]
    assert {"avg_gmf", "avg_losses-stats", "hmaps", "ruptures", "src_loss_table"} < set(hers)
    assert len(hers) == len(alice.outputs(risk)) - 1
    loaded = 0
    for kind in hers:
        found = rows("carol", kind)
        assert found == rows("alice", kind), kind
        loaded += isinstance(found, list) and len(found) > 0
    assert loaded >= 14
    job = str(demos / "hazard/ScenarioCase1/job.ini")
    own = call(RUN, **as_user("carol", JOB=job)).results["CALCULATION_ID"]
    with pytest.raises(NotAllowed, match=r"does not permit this \(calc/\d+/extract/avg_gmf\)"):
        carol.extract(own, "avg_gmf", tmp_path / "x.npz", {"imt": "PGA"})
    # from the export then, which has fewer digits
    exact = rows("alice", "avg_gmf", own)
    assert len(exact) > 100
    rounded = rows("carol", "avg_gmf", own)
    assert len(rounded) == len(exact)
    for row, other in zip(rounded, exact):
        assert row.pop("custom_site_id") == other.pop("custom_site_id")
        assert row == pytest.approx(other, rel=1e-4)


def test_what_a_simple_user_does_not_get(as_user, restricted, risk, tmp_path):
    def source(name: str) -> Source:
        client = client_of(restricted, name)
        output = find_output(client.outputs(risk), "avg_losses-stats", risk)
        (tmp_path / name).mkdir()
        return Source(client, client.calculation(risk), output, tmp_path / name)

    about = {"CALCULATION_ID": risk, **TABLE}
    message = failing(LOAD, **as_user("carol", OUTPUT_TYPE="exposure", **about))
    assert message.startswith(f"Calculation {risk} has no output “exposure”; it has: aggcurves (")
    about = {"CALCULATION_ID": risk, "FOLDER": str(tmp_path / "downloads"), "OUTPUT_TYPE": "input"}
    assert failing("openquake:downloadoutput", **as_user("carol", **about)) == (
        f"{restricted} knows you as “carol” but does not permit this (calc/{risk}/job_zip)."
    )
    hers, his = source("carol"), source("alice")
    assert len(read_assets(his).array) == 7
    with pytest.raises(NotAllowed) as error:
        read_assets(hers)
    assert str(error.value) == (
        f"You are not allowed to read the assets of calculation {risk}; Average Asset Losses "
        "Statistics cannot be located. The server's administrator can raise your level."
    )
    # she may not ask for their number, but counts them
    assert _number_of_events(hers) == _number_of_events(his) == 72


def test_a_shared_calculation_is_complete(as_user, host, restricted, hazard):
    host.sql(f"UPDATE job SET status = 'shared' WHERE id = {hazard}")
    try:
        assert client_of(restricted, "bob").calculation(hazard).succeeded
        done = call("openquake:waitforcalculation", **as_user("bob", CALCULATION_ID=hazard))
        assert done.results["STATUS"] == "complete"
        assert len(call(LOAD, **as_user("bob", **hmaps(hazard))).rows()) == 624
        rows = call(LIST, **as_user("bob", **TABLE)).rows()
        assert [row["status"] for row in rows if row["id"] == hazard] == ["shared"]
    finally:
        host.sql(f"UPDATE job SET status = 'complete' WHERE id = {hazard}")


# --- without


def test_read_only(host, hazard, demos):
    url = host("READ_ONLY")
    job = str(demos / "hazard/AreaSourceClassicalPSHA/job.ini")
    assert failing(RUN, SERVER=url, JOB=job) == (
        f"The engine refused the job: {url} does not accept calculations (it is read-only)."
    )
    message = failing(DELETE, SERVER=url, CALCULATION_ID=hazard, CONFIRM=str(hazard))
    assert message == f"{url} does not delete calculations (it is read-only)."
    client = EngineClient(url)
    with pytest.raises(NotAllowed) as error:
        client.abort(hazard)
    assert str(error.value) == f"{url} does not abort calculations (it is read-only)."
    assert str(client.abilities()) == (
        "OpenQuake Engine 3.26.2; no login is wanted, read-only; you may: look and download only."
    )
    rows = call(LIST, SERVER=url, **TABLE).rows()
    assert [(row["id"], row["status"]) for row in rows][-1] == (hazard, "complete")
    assert len(call(LOAD, SERVER=url, **hmaps(hazard)).rows()) == 624


def test_an_open_server_is_not_told_the_password(host, logins, hazard):
    url = host("PUBLIC")
    before = host.logins()
    done = call(LOAD, SERVER=url, AUTHCFG=logins["mallory"], **hmaps(hazard))
    assert len(done.rows()) == 624
    assert host.logins() == before
    assert str(client_of(url, "alice").abilities()) == (
        "OpenQuake Engine 3.26.2; no login is wanted, open to all; "
        "you may: run calculations, run a job.ini on its own disk, abort, delete."
    )


def test_under_a_prefix(host, logins, hazard, demos):
    url = host("RESTRICTED", "/oq/eng")
    assert url.endswith("/oq/eng")
    told = {"SERVER": url + "/", "AUTHCFG": logins["alice"]}
    rows = call(LOAD, **told, **hmaps(hazard)).rows()
    assert len(rows) == 624
    done = call(RUN, **told, JOB=str(demos / "hazard/ScenarioCase1/job.ini"))
    assert (done.results["STATUS"], done.results["SERVER"]) == ("complete", url)
    # its session ends, which the engine tells in another way here
    host.sql("DELETE FROM django_session")
    assert call(LIST, **told, **TABLE).rows()[0]["id"] == done.results["CALCULATION_ID"]
    alice = client_of(url, "alice")
    assert alice.calculation(hazard).status == "complete"
    host.sql("DELETE FROM django_session")
    assert alice.calculation(hazard).status == "complete"
    assert failing(LIST, SERVER=url, **TABLE) == (
        f"{url} wants a login; give an authentication configuration (AUTHCFG)."
    )
    # where its API is not, it answers as if it were
    assert failing(LIST, **{**told, "SERVER": url.removesuffix("/oq/eng")}, **TABLE) == (
        f"{url.removesuffix('/oq/eng')} redirects to /oq/eng/accounts/login/; "
        "give that server's address instead."
    )


def test_open_under_a_prefix(host, hazard):
    url = host("PUBLIC", "/oq/eng")
    assert len(call(LOAD, SERVER=url, **hmaps(hazard)).rows()) == 624
    root = url.removesuffix("/oq/eng")
    assert failing(LIST, SERVER=root, **TABLE) == (
        f"{root} is not the address of an OpenQuake engine (it answers 404); "
        "an engine behind a path prefix needs it in the address."
    )
