"""A password is nowhere but in QGIS's encrypted database: with the real qgis_process."""

from __future__ import annotations

import base64
import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, json_answer
from helpers import wait_until

PASSWORD = "s3cret-of-alice é/&=%"
WRONG = "wr0ng-passw0rd"
MASTER = "m4ster-of-the-tests"
PATIENCE = 60  # seconds, where a run may not wait for anybody

_STORE = """
import sys
from qgis.core import QgsApplication, QgsAuthMethodConfig
QgsApplication.setOrganizationName(QgsApplication.QGIS_ORGANIZATION_NAME)
QgsApplication.setApplicationName(QgsApplication.QGIS_APPLICATION_NAME)
app = QgsApplication([], False)
app.initQgis()
from oq_processing import connections
manager = QgsApplication.authManager()
master, password, wrong, url = sys.stdin.read().split("\\n")
assert manager.setMasterPassword(master, True)
ids = []
for method, secret in (("Basic", password), ("Basic", wrong), ("EsriToken", password)):
    config = QgsAuthMethodConfig()
    config.setName("alice")
    config.setMethod(method)
    config.setConfig("username", "alice")
    config.setConfig("password", secret)
    config.setConfig("token", secret)
    stored, config = manager.storeAuthenticationConfig(config)
    assert stored
    ids.append(config.id())
connections.save_connection(connections.SavedConnection("Cluster", url, ids[0]))
print("ids", *ids)
app.exitQgis()
"""


def traces(secret: str, user: str = "alice") -> list[bytes]:
    """The forms in which a secret may be written; no quoting changes its plain beginning."""
    packed = [base64.b64encode(text.encode()) for text in (secret, f"{user}:{secret}")]
    plain = secret.partition(" ")[0]
    return [*packed, plain.encode(), plain.encode("utf-16-le")]


@dataclass
class Finished:
    """How a run ended."""

    code: int
    out: str
    err: str


@dataclass
class Vault:
    """A profile with alice's password, a server that knows it, and a folder for the runs."""

    fake: FakeEngine
    process: object
    folder: Path
    keys: Path
    right: str
    wrong: str
    other_method: str

    def run(self, algorithm: str, variables=None, **parameters) -> Finished:
        """Run; what the process is called with and what it prints, at most, is looked at too."""
        usual = {"QGIS_AUTH_PASSWORD_FILE": str(self.keys / "master"), "OPENQUAKE_DEBUG": "1"}
        variables = {**usual, **(variables or {})}
        environment = {**self.process.environment, **variables}
        environment = {name: value for name, value in environment.items() if value is not None}
        process = type(self.process)(environment, self.folder)
        called = []

        def ended() -> bool:
            with contextlib.suppress(OSError):
                called.append(Path(f"/proc/{running.pid}/cmdline").read_bytes())
            return running.poll() is not None

        with process.start(f"openquake:{algorithm}", **parameters) as running:
            try:
                wait_until(ended, PATIENCE)
                out, err = running.communicate(timeout=PATIENCE)
            finally:
                running.kill()
        assert any(b"openquake:" in words for words in called)
        self.clean(*called)
        self.clean(out.encode(), err.encode())
        return Finished(running.returncode, out, err)

    def files_are_clean(self) -> None:
        """The profile with its settings and database, and all that was written."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        assert {"qgis-auth.db", "run.log", "layer.gpkg", "list.gpkg"} <= {f.name for f in files}
        self.clean(*(path.read_bytes() for path in files))

    def clean(self, *texts: bytes) -> None:
        for secret in (PASSWORD, WRONG, MASTER):
            for trace in traces(secret):
                assert not any(trace in text for text in texts), trace


@pytest.fixture(scope="module")
def vault(qgis_process, tmp_path_factory) -> Iterator[Vault]:
    """The profile is made by QGIS's own Python, as a user's is by QGIS."""
    folder = tmp_path_factory.mktemp("vault")
    root = Path(__file__).parents[2]
    environment = {
        **qgis_process.environment,
        "QGIS_CUSTOM_CONFIG_PATH": str(folder / "qgis"),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(root),
    }
    del environment["OPENQUAKE_SERVER"]
    # the first call makes the profile, with the plugin in it
    command = [root / "script" / "qgis_process", "--help"]
    subprocess.run(command, env=environment, capture_output=True, check=False)
    outputs = [{"id": 7, "type": "new", "name": "New", "outtypes": ["csv"]}]
    with FakeEngine(users={"alice": PASSWORD}) as fake:
        fake.calculations[1] = FakeCalculation(1, "complete", outputs=outputs)
        made = subprocess.run(
            ["/usr/bin/python3", "-c", _STORE],
            input=f"{MASTER}\n{PASSWORD}\n{WRONG}\n{fake.url}",
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        [line] = [line for line in made.stdout.splitlines() if line.startswith("ids ")]
        # where a user keeps it: out of the profile, readable for him alone
        keys = tmp_path_factory.mktemp("keys")
        (keys / "master").write_text(MASTER + "\n")
        (keys / "wrong").write_text("not the master\n")
        process = type(qgis_process)(environment, folder)
        yield Vault(fake, process, folder, keys, *line.split()[1:])


def result(calculation) -> None:
    calculation.status = "complete"
    calculation.outputs = [{"id": 7, "type": "new", "name": "New", "outtypes": ["csv"]}]


@pytest.fixture
def job(vault) -> Path:
    ini = vault.folder / "job.ini"
    ini.write_text("[general]\ndescription = A test\ncalculation_mode = classical\n")
    return ini


def submits(vault) -> None:
    def started(request):
        if not vault.fake.knows(request):
            return Answer(403)
        vault.fake.calculations[2] = FakeCalculation(2, polled=result)
        return json_answer({"job_id": 2})

    vault.fake.answers["POST /v1/calc/run"] = started


def test_a_run_leaves_no_secret_anywhere(vault, job):
    """By AUTHCFG, by a saved connection, by the variables; a run, a table, a layer, a log."""
    submits(vault)
    url = vault.fake.url
    done = vault.run("runcalculation", JOB=job, SERVER=url, AUTHCFG=vault.right, LOG="run.log")
    assert (done.code, done.err) == (0, ""), done
    assert "CALCULATION_ID:\t2" in done.out

    def export(request):
        data = b"lon,lat,PGA\r\n1,2,0.5\r\n"
        return Answer(200, data) if vault.fake.knows(request) else Answer(403)

    vault.fake.answers["GET /v1/calc/result/7"] = export
    done = vault.run(
        "loadoutputaslayer",
        CALCULATION_ID=1,
        OUTPUT_TYPE="new",
        SERVER="Cluster",
        OUTPUT="layer.gpkg",
    )
    assert (done.code, done.err) == (0, ""), done
    assert f"Server: {url} (parameter SERVER, saved connection “Cluster”)" in done.out
    layer = (vault.folder / "layer.gpkg").read_bytes()
    assert url.encode() in layer, "where it comes from is told"
    both = {"OPENQUAKE_SERVER": url, "OPENQUAKE_AUTHCFG": vault.right}
    done = vault.run("listcalculations", both, OUTPUT="list.gpkg")
    assert (done.code, done.err) == (0, ""), done
    assert "LATEST_ID:\t2" in done.out
    logins = [r for r in vault.fake.requests if r.path == "/accounts/ajax_login/"]
    assert [r.fields for r in logins] == [{"username": "alice", "password": PASSWORD}] * 3
    vault.files_are_clean()


def test_a_refused_login_leaves_no_secret_anywhere(vault, job):
    done = vault.run(
        "runcalculation", JOB=job, SERVER=vault.fake.url, AUTHCFG=vault.wrong, LOG="failed.log"
    )
    assert done.code == 1
    assert one_sentence(done) == (
        f"{vault.fake.url} does not accept the user “alice” of the authentication configuration, "
        "or the password."
    )
    # not even where the line breaks in the middle of the login
    vault.fake.answers["POST /accounts/ajax_login/"] = [Answer(0, drop="reset")]
    done = vault.run("listcalculations", SERVER=vault.fake.url, AUTHCFG=vault.right, OUTPUT="l.csv")
    assert done.code == 1
    assert one_sentence(done).startswith(f"The connection to {vault.fake.url} broke")
    vault.files_are_clean()


def one_sentence(done: Finished) -> str:
    """The error, which qgis_process prints several times."""
    assert "Traceback" not in done.err
    [line] = {
        line.removeprefix("ERROR:").strip()
        for line in done.err.splitlines()
        if line.strip() and not line.startswith("WARNING:")
    }
    return line


LOCKED = (
    "The authentication configuration “{}” cannot be read: the authentication database is locked. "
    "QGIS asks for its master password, and qgis_process reads it from the file that "
    "QGIS_AUTH_PASSWORD_FILE names."
)


@pytest.mark.parametrize("file", ["wrong", "not there", None])
def test_a_locked_database_is_told_and_nobody_waits(vault, file):
    variables = {"QGIS_AUTH_PASSWORD_FILE": file and str(vault.keys / file)}
    asked = len(vault.fake.requests)
    done = vault.run("listcalculations", variables, SERVER="Cluster", OUTPUT="x.gpkg")
    assert done.code == 1
    assert one_sentence(done) == LOCKED.format(vault.right)
    assert len(vault.fake.requests) == asked


def test_configurations_that_cannot_be_used(vault):
    done = vault.run("listcalculations", SERVER="Cluster", AUTHCFG="nothere", OUTPUT="x.gpkg")
    assert (done.code, one_sentence(done)) == (
        1,
        "There is no authentication configuration “nothere” in this profile.",
    )
    done = vault.run(
        "listcalculations", SERVER="Cluster", AUTHCFG=vault.other_method, OUTPUT="x.gpkg"
    )
    assert (done.code, one_sentence(done)) == (
        1,
        f"The authentication configuration “{vault.other_method}” is of the method EsriToken; "
        "the engine needs Basic (user name and password).",
    )
    # the variable is not meant for a server that it does not come with
    done = vault.run(
        "listcalculations",
        {"OPENQUAKE_AUTHCFG": vault.right},
        SERVER=vault.fake.url + "/",
        AUTHCFG="",
        OUTPUT="y.gpkg",
    )
    assert done.code == 0, "the saved connection of this address has alice's"
    with FakeEngine(users={"alice": PASSWORD}) as other:
        done = vault.run(
            "listcalculations",
            {"OPENQUAKE_AUTHCFG": vault.right},
            SERVER=other.url,
            OUTPUT="x.gpkg",
        )
        assert one_sentence(done) == (
            f"{other.url} wants a login; give an authentication configuration (AUTHCFG)."
        )
        assert other.count("POST", "/accounts/ajax_login/") == 0
