"""The API as Python: what a real engine answers, and each fault as one sentence."""

import json
import logging
import threading
import time
import traceback
import zipfile

import pytest
import requests
from fake_engine import (
    NEGATIVE_CHUNK,
    Answer,
    FakeCalculation,
    FakeEngine,
    html_answer,
    json_answer,
)

from oq_processing.engine import client as client_module
from oq_processing.engine import server as server_module
from oq_processing.engine.abilities import version_note
from oq_processing.engine.address import normalize_url
from oq_processing.engine.calculation import Calculation, LogRecord, Output, parse_time
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import (
    Cancelled,
    EngineError,
    Explained,
    Interrupted,
    InvalidConnection,
    InvalidOutput,
    NotAllowed,
    NotAnEngine,
    NotFound,
    ProxyLoginRequired,
    ServerFault,
    SubmissionRefused,
    SubmissionUnknown,
    Unreachable,
)
from oq_processing.engine.http.transport import Network, Transport
from oq_processing.engine.server import Credentials
from oq_processing.engine.wait import Wait

ALICE = Credentials("alice", "pw-alice-123")
STATUS = "GET /v1/calc/1/status"
RUN = "POST /v1/calc/run"


@pytest.fixture
def fake():
    with FakeEngine() as engine:
        engine.calculations[1] = FakeCalculation(1, "complete")
        yield engine


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "job.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("job.ini", "[general]\n" + "# padding\n" * 50_000)
    return path


def message(kind, call, *args, **named):
    """Return the sentence of the error that the call ends with, which is exactly of this kind."""
    with pytest.raises(Explained) as error:
        call(*args, **named)
    assert type(error.value) is kind, error.value
    return str(error.value)


# --- addresses


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:8800", "http://127.0.0.1:8800"),
        ("  http://127.0.0.1:8800/ \n", "http://127.0.0.1:8800"),
        ("localhost:8800", "http://localhost:8800"),
        ("localhost", "http://localhost"),
        ("engine.example.org:80/oq", "http://engine.example.org:80/oq"),
        ("https://Engine.Example.org", "https://engine.example.org"),
        ("HTTPS://e.org/oq/eng//", "https://e.org/oq/eng"),
        ("https://e.org/oq/?next=/x#top", "https://e.org/oq"),
        ("http://[::1]:8800/", "http://[::1]:8800"),
        ("[::1]:8800", "http://[::1]:8800"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("http://10.0.0.1:0080", "http://10.0.0.1:80"),
    ],
)
def test_addresses(given, meant):
    assert normalize_url(given) == meant
    assert normalize_url(meant) == meant


@pytest.mark.parametrize(
    "given",
    [
        *("", "   ", "http://", "http:///path", "://x", "/v1/calc", "http://:8800", "?"),
        *("ftp://e.org", "file:///etc/passwd", "javascript://x", "postgres://db"),
        *("http://e.org:port", "http://e.org:99999", "http://e.org:-1", "http://[::1", "[::1]x"),
        *("two words", "http://e.org:80 80", "http://e\norg", "http://e.org\\@evil.org"),
    ],
)
def test_no_addresses(given):
    text = message(InvalidConnection, normalize_url, given)
    assert text.endswith("is not the address of a server; give http(s)://host[:port].")


@pytest.mark.parametrize(
    "given",
    [
        "http://alice:s3cret@e.org:8800/x",
        "alice:s3cret@e.org",
        "https://s3cret@e.org",
        "https://:s3cret@e.org",
        "ftp://alice:s3cret@e.org",
        "http://alice:s3cret@e.org:port",
        "http://alice:s3cret@",
        "http://alice:s3@cret@e.org",
        "http://alice:s3cret/@e.org",
        "http://alice:s3cret#@e.org",
        "http://alice:s3cret?@e.org",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(given):
    text = message(InvalidConnection, normalize_url, given)
    assert "s3" not in text
    assert "cret" not in text


def test_an_address_with_a_user_says_where_to_put_it():
    assert message(InvalidConnection, normalize_url, "http://alice:s3cret@e.org:8800") == (
        "The address of e.org holds a user name or password; "
        "store them in an authentication configuration and give its id as AUTHCFG."
    )


# --- a real engine: the same as the raw JSON


@pytest.fixture
def raw(server):
    def get(path, kind=None):
        answer = requests.get(f"{server.url}/v1/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    return get


def test_version(client, server):
    assert client.engine_version() == "3.26.2"
    assert server.version == "3.26.2"


def test_calculation(client, area_source, raw):
    row = raw(f"calc/{area_source}/status")
    calculation = client.calculation(area_source)
    assert calculation == Calculation(
        id=area_source,
        description="Classical PSHA Area Source demo for Null Island",
        mode="classical",
        status="complete",
        owner=row["owner"],
        is_running=False,
        start_time=parse_time(row["start_time"]),
        size_mb=row["size_mb"],
        parent_id=None,
        tags="",
    )
    assert calculation.start_time.strftime("%Y-%m-%d, %H:%M:%S UTC") == row["start_time"]
    assert row["id"] == area_source
    assert calculation.size_mb > 1


def test_calculations(client, area_source, raw):
    ids = [row["id"] for row in raw("calc/list")]
    assert [c.id for c in client.calculations()] == ids
    assert area_source in ids
    assert [c.id for c in client.calculations(limit=1)] == ids[:1]
    assert [c.id for c in client.calculations(limit=100, offset=1)] == ids[1:]
    assert client.calculations(calculation_mode="ebrisk") == []


def test_outputs(client, area_source, raw):
    rows = raw(f"calc/{area_source}/results")
    outputs = client.outputs(area_source)
    assert {o.type for o in outputs} == {"fullreport", "hcurves", "hmaps", "uhs"}
    assert [(o.id, o.type, o.name, list(o.formats)) for o in outputs] == [
        (r["id"], r["type"], r["name"], r["outtypes"]) for r in rows
    ]
    assert [o.size_mb for o in outputs] == [
        None if r["size_mb"] is None or r["size_mb"] < 0 else r["size_mb"] for r in rows
    ]


def test_log(client, area_source, raw):
    rows = raw(f"calc/{area_source}/log/0:")
    assert len(rows) > 40
    records = list(client.whole_log(area_source))
    assert [[r.time, r.level, r.process, r.message] for r in records] == rows
    assert client.log(area_source) == records
    assert client.log(area_source, 3, 5) == records[3:8]
    assert client.log(area_source, len(rows)) == []
    assert client.log(area_source, len(rows) - 2) == records[-2:]
    assert client.traceback(area_source) == []
    multi_line = [r.message for r in records if "\n" in r.message]
    assert multi_line, "the engine lists its outputs in one message"


def test_export_and_extract(client, server, area_source, tmp_path):
    [hmaps] = [o for o in client.outputs(area_source) if o.type == "hmaps"]
    told = []
    download = client.export(
        hmaps, "csv", tmp_path / "x.csv", lambda done, all_: told.append((done, all_))
    )
    plain = requests.get(
        f"{server.url}/v1/calc/result/{hmaps.id}", {"export_type": "csv"}, timeout=60
    )
    assert download.path.read_bytes() == plain.content
    assert (download.path, download.size) == (tmp_path / "x.csv", len(plain.content))
    assert download.name == f"output-{hmaps.id}-hazard_map-mean_{area_source}.csv"
    assert told[-1] == (len(plain.content), len(plain.content))
    part = client.extract(area_source, "hmaps", tmp_path / "h.npz", {"kind": "mean"})
    with zipfile.ZipFile(part.path) as members:
        assert "mean.npy" in members.namelist()
    text = message(InvalidOutput, client.export, hmaps, "xml", tmp_path / "x.xml")
    assert text == f"Output {hmaps.id} (Hazard Maps) has no format “xml”; it has: csv, npz."
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.npz", "x.csv"]


def test_extract_of_what_is_not_there(client, area_source, tmp_path):
    text = message(ServerFault, client.extract, area_source, "nope", tmp_path / "x")
    assert "answered HTTP 500: KeyError" in text
    assert "No 'nope' found" in text
    assert "\n" not in text
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_unknown(client, server, tmp_path):
    sentence = f"Calculation 999999 does not exist on {server.url} or is not yours to see."
    assert message(NotFound, client.calculation, 999999) == sentence
    assert client.outputs(999999) == []
    assert client.log(999999) == []
    assert client.traceback(999999) == []
    assert client.abort(999999) == "Unknown job 999999"
    assert "calc/999999/extract/oqparam" in message(
        NotFound, client.extract, 999999, "oqparam", tmp_path / "x"
    )


def test_abort_of_what_has_ended(client, area_source):
    assert client.abort(area_source) == f"Job {area_source} is not running"
    assert client.calculation(area_source).status == "complete"


def test_a_wrong_prefix_names_the_right_root(server):
    wrong = EngineClient(server.url + "/engine/")
    assert message(NotAnEngine, wrong.engine_version) == (
        f"{server.url}/engine is not the address of an OpenQuake engine (it answers 404); "
        f"there is one at {server.url}."
    )


def test_a_refused_job(client, tmp_path):
    broken = tmp_path / "job.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(SubmissionRefused, match=r"^File is not a zip file$") as error:
        client.submit(broken, "job.ini")
    row = client.calculation(error.value.calculation_id)
    assert (row.status, row.mode) == ("failed", "custom")
    with pytest.raises(SubmissionRefused, match=r"No such file|not found|File not found"):
        client.submit_on_server("/nowhere/job.ini")


# --- what rows may look like


def test_rows_of_older_engines():
    row = {"id": "7", "status": "shared", "owner": None, "user_name": "root@vm", "tags": ["a", "b"]}
    calculation = Calculation.from_json(row)
    assert calculation == Calculation(7, "", "", "shared", owner="root@vm", tags="a, b")
    assert (calculation.is_final, calculation.succeeded) == (True, True)
    assert calculation.start_time is None


@pytest.mark.parametrize(
    ("status", "final", "succeeded"),
    [
        ("created", False, False),
        ("submitted", False, False),
        ("executing", False, False),
        ("complete", True, True),
        ("shared", True, True),
        ("failed", True, False),
        ("aborted", True, False),
        ("deleted", True, False),
    ],
)
def test_statuses(status, final, succeeded):
    calculation = Calculation(1, "", "", status)
    assert (calculation.is_final, calculation.succeeded) == (final, succeeded)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-23, 17:37:53 UTC", "2026-11-23T17:37:53+00:00"),
        ("2026-11-23T17:37:53.5", "2026-11-23T17:37:53.500000+00:00"),
        ("2026-11-23T17:37:53", "2026-11-23T17:37:53+00:00"),
        ("None", None),
        (None, None),
    ],
)
def test_times(text, iso):
    read = parse_time(text)
    assert (read and read.isoformat()) == iso


def test_sizes_of_outputs():
    row = {"id": 3, "type": "hcurves", "outtypes": ["csv", "npz"]}
    assert Output.from_json(row) == Output(3, "hcurves", "hcurves", ("csv", "npz"))
    assert Output.from_json({**row, "size_mb": -1}).size_mb is None
    assert Output.from_json({**row, "size_mb": 0}).size_mb == 0.0
    assert Output.from_json({**row, "size_mb": 2.5}).size_mb == 2.5


# --- answers that are none


def test_something_that_is_no_engine(fake):
    client = EngineClient(fake.url)
    fake.answers["*"] = [html_answer(200, "Apache2 Debian Default Page: It works")]
    assert message(NotAnEngine, client.engine_version) == (
        f"{fake.url} answers, but not as an OpenQuake engine; check the address."
    )
    fake.answers["*"] = [html_answer(200, "Apache2 Debian Default Page: It works")]
    assert message(NotAnEngine, client.calculations) == (
        f"{fake.url} answered something that is not JSON "
        "(“Apache2 Debian Default Page: It works”); is it an OpenQuake engine?"
    )
    fake.answers["*"] = [html_answer(404, "404 Not Found")]
    assert message(NotAnEngine, client.engine_version) == (
        f"{fake.url} is not the address of an OpenQuake engine (it answers 404); "
        "an engine behind a path prefix needs it in the address."
    )


@pytest.mark.parametrize("answer", [b"", b"3", b"OK", b"3.26.2 <b>", b"v3.26", b"3.26.2\nx"])
def test_versions_that_are_none(fake, answer):
    fake.answers["*"] = [Answer(body=answer)]
    assert "but not as an OpenQuake engine" in message(
        NotAnEngine, EngineClient(fake.url).engine_version
    )


@pytest.mark.parametrize("version", [b"3.26.2", b"3.16.7\n", b"3.27.0-gitabc123", b"3.25"])
def test_versions(fake, version):
    fake.answers["*"] = [Answer(body=version)]
    assert EngineClient(fake.url).engine_version() == version.decode().strip()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_answer({"id": 1}), "in a form that is not the engine's (KeyError('status'))"),
        (json_answer({"id": "x", "status": "y"}), "in a form that is not the engine's (ValueError"),
        (json_answer([]), "JSON of an unknown kind"),
        (json_answer("text"), "JSON of an unknown kind"),
        (Answer(body=b'{"id": 1, "sta'), 'something that is not JSON (“{"id": 1, "sta”)'),
        (Answer(body=b"[" * 100_000), "something that is not JSON"),
        (Answer(body=b'{"id": Infinity, "status": "x"}'), "in a form that is not the engine's"),
        (Answer(body=b'{"id": NaN, "status": "x"}'), "in a form that is not the engine's"),
        (Answer(body=b'{"id": 1' + b"0" * 5000 + b', "status": ""}'), "something that is not JSON"),
        (Answer(body=b"\x00\xff\xfe"), "something that is not JSON"),
        (Answer(body=b""), "something that is not JSON (“”)"),
        (json_answer({"id": 1, "status": "x", "size_mb": {}}), "in a form that is not"),
    ],
)
def test_answers_in_another_form(fake, answer, words):
    fake.answers[STATUS] = [answer]
    text = message(NotAnEngine, EngineClient(fake.url).calculation, 1)
    assert text.startswith(f"{fake.url} answered ")
    assert words in text
    assert len(text) < 500


def test_a_list_that_never_ends(fake, monkeypatch):
    rows = [FakeCalculation(i).row() for i in range(client_module.LIST_PAGE, 0, -1)]
    fake.answers["GET /v1/calc/list"] = lambda request: json_answer(rows)
    found = EngineClient(fake.url).all_calculations()
    assert [c.id for c in found] == [row["id"] for row in rows]
    assert len(fake.requests) == 2
    fake.answers["GET /v1/calc/list"] = lambda request: json_answer(
        [{**row, "id": row["id"] + 1000 * len(fake.requests)} for row in rows]
    )
    monkeypatch.setattr(client_module, "MOST_CALCULATIONS", 1500)
    with pytest.raises(NotAnEngine, match=r"lists more than 1,500 calculations\.$"):
        list(EngineClient(fake.url).all_calculations())


def test_a_log_that_never_ends(fake):
    records = [["t", "INFO", "main", "x"]] * client_module.LOG_PAGE
    fake.answers["*"] = lambda request: json_answer(records)
    with pytest.raises(NotAnEngine, match="sends the same part of the log again and again"):
        list(EngineClient(fake.url).whole_log(1))
    assert len(fake.requests) == 2


def test_lists_in_another_form(fake):
    client = EngineClient(fake.url)
    fake.answers["GET /v1/calc/list"] = [json_answer({}), json_answer([3]), json_answer([None])]
    assert "unknown kind" in message(NotAnEngine, client.calculations)
    assert "not the engine's" in message(NotAnEngine, client.calculations)
    assert "not the engine's" in message(NotAnEngine, client.calculations)
    fake.answers["GET /v1/calc/1/log/0:10000"] = [json_answer([["time", "INFO"]]), json_answer([7])]
    assert "not the engine's" in message(NotAnEngine, client.log, 1)
    assert "not the engine's" in message(NotAnEngine, client.log, 1)
    fake.answers["GET /v1/calc/1/results"] = [json_answer([{"id": 1}])]
    assert "KeyError('type')" in message(NotAnEngine, client.outputs, 1)


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (
            html_answer(500, "KeyError at /v1/calc/1/status", 80_000),
            ServerFault,
            "{url} answered HTTP 500: KeyError at /v1/calc/1/status",
        ),
        (Answer(502), ServerFault, "{url} answered HTTP 502: no reason given"),
        (
            html_answer(503, "503 Service Unavailable"),
            ServerFault,
            "{url} answered HTTP 503: 503 Service Unavailable",
        ),
        (
            Answer(500, b"KeyError: 'x' in /v1\nTraceback\n", {"Content-Type": "text/plain"}),
            ServerFault,
            "{url} answered HTTP 500: KeyError: 'x' in /v1",
        ),
        (
            json_answer({"traceback": ["Traceback", "ValueError: bad"]}, 500),
            ServerFault,
            "{url} answered HTTP 500: ValueError: bad",
        ),
        (
            Answer(413),
            ServerFault,
            "{url} does not accept an upload of this size (HTTP 413); "
            "its administrator can raise the limit.",
        ),
        (Answer(407), ProxyLoginRequired, "The proxy wants a login; check the proxy settings."),
        (
            Answer(302, headers={"Location": "https://sso.example.org/"}),
            NotAnEngine,
            "{url} redirects to https://sso.example.org/; give that server's address instead.",
        ),
        (
            Answer(301),
            NotAnEngine,
            "{url} redirects to another address; give that server's address instead.",
        ),
        (
            Answer(403),
            NotAllowed,
            "{url} wants a login; give an authentication configuration (AUTHCFG).",
        ),
        (
            Answer(401),
            NotAllowed,
            "Not the engine at {url} but something before it (a proxy, a web server) wants a login "
            "(HTTP 401); check the proxy settings.",
        ),
        (
            json_answer({"error": "User bob has no permission"}, 403),
            NotAllowed,
            "{url} refuses: User bob has no permission",
        ),
        (Answer(0, drop="reset"), Unreachable, "The connection to {url} broke ("),
        (NEGATIVE_CHUNK, Interrupted, "The connection to {url} broke ("),
    ],
)
def test_each_fault_is_one_sentence(fake, answer, kind, sentence):
    fake.answers["GET /v1/calc/list"] = [answer]
    text = message(kind, EngineClient(fake.url).calculations)
    assert text.startswith(sentence.format(url=fake.url))
    assert len(text) < len(sentence.format(url=fake.url)) + 60


def test_what_passes_carries_its_status(fake):
    fake.answers["GET /v1/calc/list"] = [Answer(502), Answer(413)]
    client = EngineClient(fake.url)
    for status in (502, 413):
        with pytest.raises(ServerFault) as error:
            client.calculations()
        assert error.value.http_status == status


def test_a_server_that_comes_back(fake):
    client = EngineClient(fake.url)
    fake.stop()
    assert message(Unreachable, client.engine_version).startswith(
        f"No server answers at {fake.url} (connection refused)"
    )
    fake.start()
    assert client.engine_version() == "3.26.2"


def test_a_prefix(archive):
    with FakeEngine(prefix="/oq/eng", users={"alice": ALICE.password}) as fake:
        client = EngineClient(fake.url + "/", credentials=ALICE)
        assert client.engine_version() == "3.26.2"
        assert client.submit(archive, "job.ini") == 1
        assert client.calculation(1).id == 1
        assert {r.path.startswith("/oq/eng/") for r in fake.requests} == {True}
        assert fake.count("POST", "/accounts/ajax_login/") == 1
        root = EngineClient(fake.url.removesuffix("/oq/eng"))
        assert "an engine behind a path prefix needs it" in message(
            NotAnEngine, root.engine_version
        )


def test_cancel_while_looking_for_the_right_prefix_is_no_wrong_address(fake):
    asked = []
    fake.answers["*"] = lambda request: (
        asked.append(1) or Answer(404, until=None if len(asked) == 1 else threading.Event())
    )
    client = EngineClient(fake.url + "/wrong", Transport(Wait(fake.asked.is_set)))
    assert message(Cancelled, client.engine_version) == "Cancelled by the user."


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=output-3-maps.csv", "output-3-maps.csv"),
        ("attachment; filename=../../etc/passwd", "passwd"),
        ("attachment; filename=C:\\Windows\\x.csv", "x.csv"),
        ("attachment; filename=/", "mine.csv"),
        ("attachment; filename=..", "mine.csv"),
        ("attachment; filename=.", "mine.csv"),
        ("", "mine.csv"),
    ],
)
def test_the_name_of_a_download_is_never_a_path(fake, tmp_path, header, name):
    fake.answers["*"] = [Answer(body=b"a,b", headers={"Content-Disposition": header})]
    output = Output(3, "hmaps", "Hazard Maps", ("csv",))
    download = EngineClient(fake.url).export(output, "csv", tmp_path / "mine.csv")
    assert (download.name, download.size) == (name, 3)
    assert (tmp_path / "mine.csv").read_bytes() == b"a,b"
    [request] = fake.requests
    assert (request.path, request.query) == ("/v1/calc/result/3", {"export_type": "csv"})


@pytest.fixture
def csv_output(fake, monkeypatch):
    """Ask for an output that the fake engine answers with what the test scripts."""
    monkeypatch.setattr(server_module, "DOWNLOAD_AGAIN", 0.0)
    client = EngineClient(fake.url)

    def fetch(target, *answers):
        fake.answers["GET /v1/calc/result/3"] = list(answers)
        return client.export(Output(3, "hmaps", "Hazard Maps", ("csv",)), "csv", target)

    return fetch


def test_a_download_that_breaks_begins_again(fake, csv_output, tmp_path):
    broken = Answer(body=b"lon,lat", announced=10)
    reset = Answer(body=b"lon", announced=10, drop="reset")
    download = csv_output(tmp_path / "a.csv", broken, reset, Answer(body=b"lon,lat\r\n1"))
    assert (download.size, download.path.read_bytes()) == (10, b"lon,lat\r\n1")
    assert len(fake.requests) == 3


def test_a_download_that_breaks_each_time(fake, csv_output, tmp_path):
    text = message(
        Unreachable, csv_output, tmp_path / "a.csv", *[Answer(body=b"lon", announced=10)] * 9
    )
    assert text == (f"The connection to {fake.url} broke after 3 of 10 bytes, 3 times in a row.")
    assert len(fake.requests) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(502), ServerFault),
        (Answer(0, drop="reset"), Unreachable),
        (Answer(404), NotFound),
        (Answer(201), ServerFault),
        (Answer(204), ServerFault),
        (Answer(206, b"lon"), ServerFault),
        (Answer(500, b"KeyError", {"Content-Type": "text/plain"}, announced=99), Unreachable),
    ],
)
def test_other_faults_of_a_download_are_told_at_once(fake, csv_output, tmp_path, answer, kind):
    message(kind, csv_output, tmp_path / "a.csv", answer)
    assert len(fake.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_always_breaks_in_its_own_way(fake, csv_output, tmp_path):
    """It begins again like any other."""
    text = message(Unreachable, csv_output, tmp_path / "a.csv", *[NEGATIVE_CHUNK] * 3)
    assert text.endswith(", 3 times in a row.")
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_on_our_side_of_an_upload_is_not_known_either(fake, archive):
    def progress(done, total):
        raise RuntimeError("a window that is closed")

    fake.answers[RUN] = [Answer(until=threading.Event())]
    text = message(
        SubmissionUnknown, EngineClient(fake.url).submit, archive, "job.ini", None, progress
    )
    assert "unexpected error RuntimeError('a window that is closed')" in text


def test_a_silent_download_is_not_asked_for_again(fake, csv_output, tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "EXPORT_TIMEOUT", 0.2)
    silent = Answer(body=[b"lon", threading.Event()], announced=10)
    assert "sent nothing" in message(Unreachable, csv_output, tmp_path / "a.csv", silent)
    assert len(fake.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_abort_that_is_refused_or_not(fake):
    client = EngineClient(fake.url)
    refusals = ["Job 1 is not running", ""]
    fake.calculations[1].aborting = lambda calculation: refusals.pop(0)
    assert client.abort(1) == "Job 1 is not running"
    assert client.abort(1) == ""
    fake.answers["POST /v1/calc/1/abort"] = [
        json_answer({"error": "User bob has no permission to abort job 1"}, 403)
    ]
    assert message(NotAllowed, client.abort, 1) == (
        f"{fake.url} refuses: User bob has no permission to abort job 1"
    )


# --- an engine of the year 2023


@pytest.mark.parametrize(
    ("version", "note"),
    [
        ("3.16.0", ""),
        ("3.26.2", ""),
        ("3.26.0-gitabc", ""),
        ("3.15.4", "older than the versions this plugin is tested with, 3.16 to 3.26"),
        ("3.27.0-gitabc", "newer than the versions this plugin is tested with, 3.16 to 3.26"),
        ("9.99.0", "newer than the versions this plugin is tested with, 3.16 to 3.26"),
    ],
)
def test_another_version_is_worth_a_note(version, note):
    assert version_note(version) == note


def test_a_read_only_server(fake, archive):
    fake.answers = {
        f"POST /v1/calc/{path}": [Answer(404, headers={"Content-Type": "text/html"})]
        for path in ("run", "1/abort", "1/remove", "2/remove")
    }
    client = EngineClient(fake.url)
    sentence = f"{fake.url} does not {{}} calculations (it is read-only)."
    assert message(NotAllowed, client.abort, 1) == sentence.format("abort")
    assert message(NotAllowed, client.remove, 1) == sentence.format("delete")
    assert "Calculation 2 does not exist" in message(NotFound, client.remove, 2)
    assert message(SubmissionRefused, client.submit, archive, "job.ini") == (
        f"{fake.url} does not accept calculations (it is read-only)."
    )
    fake.answers["POST /v1/calc/run_ini"] = [Answer(404), Answer(404)]
    assert "does not accept" in message(SubmissionRefused, client.submit_on_server, "/x/job.ini")
    fake.answers["GET /v1/calc/run"] = [Answer(405)]
    assert message(SubmissionRefused, client.submit_on_server, "/x/job.ini") == (
        f"{fake.url} does not run a job on its own disk (its engine is too old); "
        "send the files with JOB."
    )
    assert [c.status for c in client.calculations()] == ["complete"]
    assert str(client.abilities()) == (
        "OpenQuake Engine 3.26.2; no login is wanted, read-only; you may: look and download only."
    )


def test_an_old_engine(archive):
    with FakeEngine(old=True) as fake:
        client = EngineClient(fake.url)
        assert client.submit(archive, "job.ini") == 1
        fake.calculations[1].outputs = [
            {"id": 4, "name": "Hazard Maps", "type": "hmaps", "outtypes": ["csv", "xml", "npz"]}
        ]
        assert client.outputs(1) == [Output(4, "hmaps", "Hazard Maps", ("csv", "xml", "npz"))]
        fake.answers[RUN] = [
            json_answer(["Traceback:\n", "  line\n", "File is not a zip file\n"], 500)
        ]
        with pytest.raises(SubmissionRefused, match=r"^File is not a zip file$") as error:
            client.submit(archive, "job.ini")
        assert error.value.calculation_id is None


# --- the request that starts a calculation


def test_a_submission(fake, archive):
    client, told = EngineClient(fake.url), []
    progress = lambda done, total: told.append((done, total))  # noqa: E731
    assert client.submit(archive, "job.ini", 1, progress) == 2
    assert client.submit(archive, "job.ini") == 3
    assert client.submit_on_server("/srv/jöb.ini", 2) == 4
    run, again, there = fake.requests
    assert run.fields == {"job_ini": "job.ini", "hazard_job_id": "1"}
    assert again.fields == {"job_ini": "job.ini"}
    assert there.fields == {"job_ini": "/srv/jöb.ini", "hazard_job_id": "2"}
    assert there.path == "/v1/calc/run_ini"
    assert archive.read_bytes() in run.body
    assert told[-1] == (run.size, run.size)


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (Answer(0, drop="end"), SubmissionUnknown, "broke after the upload began"),
        (Answer(0, drop="reset"), SubmissionUnknown, "broke after the upload began"),
        (Answer(0, drop="reset", read=100), SubmissionUnknown, "broke after the upload began"),
        (Answer(body=b"{", announced=99), SubmissionUnknown, "broke after the upload began"),
        (NEGATIVE_CHUNK, SubmissionUnknown, "broke after the upload began"),
        (Answer(502), SubmissionUnknown, "answered HTTP 502 to the upload"),
        (Answer(503), SubmissionUnknown, "answered HTTP 503 to the upload"),
        (html_answer(504, "Gateway Time-out"), SubmissionUnknown, "answered HTTP 504"),
        (Answer(200), SubmissionUnknown, "took the upload but answered without an id"),
        (html_answer(200, "It works"), SubmissionUnknown, "answered without an id"),
        (json_answer({"job_id": None}), SubmissionUnknown, "answered without an id"),
        (json_answer({"job_id": "7"}), SubmissionUnknown, "answered without an id"),
        (json_answer({"job_id": True}), SubmissionUnknown, "answered without an id"),
        (json_answer([]), SubmissionUnknown, "answered without an id"),
        (Answer(body=b"x" * 70_000_000), SubmissionUnknown, "answered more than 64 MB"),
        (Answer(404), SubmissionRefused, "does not accept calculations (it is read-only)"),
        (Answer(413), ServerFault, "HTTP 413"),
        (Answer(302, headers={"Location": "https://x/"}), NotAnEngine, "redirects to https://x/"),
        (Answer(307, headers={"Location": "https://x/"}), NotAnEngine, "redirects to https://x/"),
        (Answer(403), NotAllowed, "wants a login"),
        (Answer(407), ProxyLoginRequired, "The proxy wants a login"),
        (html_answer(500, "OSError at /v1/calc/run", 80_000), ServerFault, "OSError at /v1"),
        (json_answer({"traceback": ["x", "No such file: a.xml"]}, 500), SubmissionRefused, "No su"),
    ],
)
def test_the_run_is_posted_once_whatever_happens(fake, archive, answer, kind, sentence):
    fake.answers[RUN] = [answer]
    text = message(kind, EngineClient(fake.url).submit, archive, "job.ini")
    assert sentence in text
    assert [f"{r.method} {r.path}" for r in fake.requests] == [RUN]
    assert fake.connections == 1


@pytest.mark.parametrize("how", ["submit", "submit_on_server"])
def test_nothing_was_submitted_where_nobody_answers(fake, archive, how):
    fake.stop()
    client = EngineClient(fake.url)
    first = archive if how == "submit" else "/srv/job.ini"
    args = (first, "job.ini") if how == "submit" else (first,)
    assert "connection refused" in message(Unreachable, getattr(client, how), *args)


def test_a_run_on_the_server_is_posted_once(fake):
    fake.answers["POST /v1/calc/run_ini"] = [Answer(0, drop="reset")]
    text = message(SubmissionUnknown, EngineClient(fake.url).submit_on_server, "/srv/job.ini")
    assert text.startswith(f"The connection to {fake.url} broke after the upload began (")
    assert len(fake.requests) == fake.connections == 1


def test_a_refused_job_tells_its_failed_row(fake, archive):
    fake.answers[RUN] = [json_answer({"traceback": ["T:", "bad value\n"], "job_id": 21}, 500)]
    with pytest.raises(SubmissionRefused, match=r"^bad value$") as error:
        EngineClient(fake.url).submit(archive, "job.ini")
    assert error.value.calculation_id == 21


def test_cancel_after_the_upload_may_have_started_it(fake, archive):
    fake.answers[RUN] = [Answer(until=threading.Event())]
    client = EngineClient(fake.url, Transport(Wait(fake.asked.is_set)))
    begin = time.monotonic()
    assert message(SubmissionUnknown, client.submit, archive, "job.ini") == (
        "Cancelled by the user after the whole job was sent"
    )
    assert time.monotonic() - begin < 1
    assert fake.hung_up.wait(5)
    assert fake.count("POST", "/v1/calc/run") == 1


def test_cancel_in_the_upload_starts_nothing(fake, archive):
    with archive.open("ab") as file:
        file.truncate(100 * 1024**2)
    stuck = threading.Event()
    fake.answers[RUN] = [Answer(read=100_000, until=stuck)]
    client = EngineClient(fake.url, Transport(Wait(fake.asked.is_set)))
    text = message(Cancelled, client.submit, archive, "job.ini")
    stuck.set()
    assert text.startswith("Cancelled by the user during the upload; nothing was submitted")
    assert fake.calculations.keys() == {1}


def test_cancel_before_the_upload_sends_nothing(fake, archive):
    client = EngineClient(fake.url, Transport(Wait(lambda: True)))
    assert message(Cancelled, client.submit, archive, "job.ini") == "Cancelled by the user."
    assert fake.requests == []


# --- login


@pytest.fixture
def locked(fake):
    fake.users = {"alice": ALICE.password}
    return fake


def test_a_public_server_is_not_told_the_password(fake):
    client = EngineClient(fake.url, credentials=ALICE)
    assert client.calculation(1).status == "complete"
    assert [f"{r.method} {r.path}" for r in fake.requests] == ["GET /v1/engine_version", STATUS]
    assert all(b"pw-alice" not in r.body for r in fake.requests)
    assert all("Authorization" not in r.headers for r in fake.requests)


def test_login_happens_once(locked):
    client = EngineClient(locked.url, credentials=ALICE)
    assert client.calculation(1).status == "complete"
    assert client.engine_version() == "3.26.2"
    assert len(client.calculations()) == 1
    assert [f"{r.method} {r.path}" for r in locked.requests] == [
        "GET /v1/engine_version",
        "POST /accounts/ajax_login/",
        STATUS,
        "GET /v1/engine_version",
        "GET /v1/calc/list",
    ]
    assert locked.requests[1].fields == {"username": "alice", "password": "pw-alice-123"}
    assert "Cookie" not in locked.requests[1].headers
    assert locked.requests[-1].headers["Cookie"] == "sessionid=session1"


def test_login_happens_once_more_after_expiry(locked, tmp_path):
    client = EngineClient(locked.url, credentials=ALICE)
    client.calculation(1)
    locked.expire_sessions()
    assert client.calculation(1).status == "complete"
    assert locked.count("POST", "/accounts/ajax_login/") == 2
    locked.expire_sessions()
    locked.calculations[1].outputs = [{"id": 4, "type": "hmaps", "outtypes": ["csv"]}]
    assert [o.id for o in client.outputs(1)] == [4]
    assert locked.count("POST", "/accounts/ajax_login/") == 3
    assert locked.requests[-1].headers["Cookie"] == "sessionid=session3"


def test_a_download_after_expiry(locked, tmp_path):
    client = EngineClient(locked.url, credentials=ALICE)
    client.calculation(1)
    locked.expire_sessions()
    locked.answers["GET /v1/calc/result/4"] = [Answer(403), Answer(body=b"a,b")]
    output = Output(4, "hmaps", "Hazard Maps", ("csv",))
    assert client.export(output, "csv", tmp_path / "a.csv").size == 3
    assert (tmp_path / "a.csv").read_bytes() == b"a,b"


def test_a_submission_after_expiry_is_still_posted_once(locked, archive):
    client = EngineClient(locked.url, credentials=ALICE)
    client.calculation(1)
    locked.expire_sessions()
    assert client.submit(archive, "job.ini") == 2
    assert locked.count("POST", "/v1/calc/run") == 1
    assert locked.count("POST", "/accounts/ajax_login/") == 2


def test_not_logged_in(locked):
    assert message(NotAllowed, EngineClient(locked.url).engine_version) == (
        f"{locked.url} wants a login; give an authentication configuration (AUTHCFG)."
    )
    assert len(locked.requests) == 1


def test_a_wrong_password(locked):
    client = EngineClient(locked.url, credentials=Credentials("alice", "pw-wrong"))
    text = message(NotAllowed, client.engine_version)
    assert text == (
        f"{locked.url} does not accept the user “alice” "
        "of the authentication configuration, or the password."
    )
    assert locked.count("POST", "/accounts/ajax_login/") == 1


def test_no_permission(locked):
    client = EngineClient(locked.url, credentials=ALICE)
    locked.answers["GET /v1/calc/1/results"] = [Answer(403), Answer(403)]
    assert message(NotAllowed, client.outputs, 1) == (
        f"{locked.url} knows you as “alice” but does not permit this (calc/1/results)."
    )
    assert locked.count("POST", "/accounts/ajax_login/") == 2, "it may have been the session"
    locked.answers["POST /v1/calc/1/abort"] = [json_answer({"error": "not yours"}, 403)]
    assert message(NotAllowed, client.abort, 1) == f"{locked.url} refuses: not yours"
    assert locked.count("POST", "/v1/calc/1/abort") == 1
    assert locked.count("POST", "/accounts/ajax_login/") == 2


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(404), NotAnEngine, "wants a login, but not as an OpenQuake engine does"),
        (Answer(502), ServerFault, "answered HTTP 502"),
        (html_answer(500, "MultiValueDictKeyError"), ServerFault, "MultiValueDictKeyError"),
        (Answer(0, drop="end"), Unreachable, "broke"),
    ],
)
def test_a_login_that_fails_for_another_reason_blames_nobody(locked, answer, kind, words):
    locked.answers["POST /accounts/ajax_login/"] = [answer]
    client = EngineClient(locked.url, credentials=ALICE)
    text = message(kind, client.calculation, 1)
    assert words in text
    assert "password" not in text


def test_login_under_a_prefix(archive):
    with FakeEngine(prefix="/oq/eng", users={"alice": ALICE.password}) as fake:
        fake.calculations[1] = FakeCalculation(1, "complete")
        assert message(NotAllowed, EngineClient(fake.url).calculation, 1) == (
            f"{fake.url} wants a login; give an authentication configuration (AUTHCFG)."
        )
        client = EngineClient(fake.url, credentials=ALICE)
        assert client.calculation(1).status == "complete"
        fake.expire_sessions()
        assert client.calculation(1).status == "complete"
        fake.expire_sessions()
        assert client.submit(archive, "job.ini") == 2
        assert fake.count("POST", "/accounts/ajax_login/") == 3
        assert fake.count("POST", "/v1/calc/run") == 1
        elsewhere = {"Location": "http://elsewhere.org/oq/eng/accounts/login/"}
        fake.answers = {f"GET {fake.prefix}/v1/calc/1/status": [Answer(302, headers=elsewhere)]}
        assert "redirects to http://elsewhere.org" in message(NotAnEngine, client.calculation, 1)
        assert fake.count("POST", "/accounts/ajax_login/") == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_and_cookies_stay_with_their_server(locked, archive, status):
    with FakeEngine() as other:
        client = EngineClient(locked.url, credentials=ALICE)
        client.calculation(1)
        there = Answer(status, headers={"Location": other.url + "/accounts/ajax_login/"})
        locked.answers = {STATUS: [there], RUN: [there], "POST /accounts/ajax_login/": [there]}
        assert f"redirects to {other.url}" in message(NotAnEngine, client.calculation, 1)
        assert f"redirects to {other.url}" in message(
            NotAnEngine, client.submit, archive, "job.ini"
        )
        locked.expire_sessions()
        assert f"redirects to {other.url}" in message(NotAnEngine, client.calculations)
        assert other.requests == []
        assert other.connections == 0


def test_passwords_are_never_shown(locked):
    client = EngineClient(locked.url, credentials=Credentials("alice", "pw-s3cret"))
    assert repr(ALICE) == str(ALICE) == f"{ALICE}" == "Credentials(…)"
    with pytest.raises(NotAllowed) as error:
        client.calculation(1)
    chain, seen = error.value, []
    while chain is not None:
        seen.append(str(chain) + repr(chain))
        chain = chain.__cause__ or chain.__context__
    assert "pw-s3cret" not in "".join(seen)
    assert "pw-s3cret" not in repr(vars(client))
    locked.stop()
    with pytest.raises(Unreachable) as broken:
        client.calculation(1)
    assert "pw-s3cret" not in json.dumps([str(broken.value), repr(broken.value.__cause__)])


def variables(error: BaseException) -> str:
    """The traceback with all variables, as some tools show and send it."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(403, b"Invalid login"), NotAllowed),
        (Answer(500), ServerFault),
        (Answer(302, headers={"Location": "http://elsewhere.org"}), NotAnEngine),
        (Answer(0, drop="reset"), Unreachable),
        (Answer(200, b"x", announced=9, drop="end"), Interrupted),
    ],
)
def test_no_traceback_has_a_password_among_its_variables(locked, answer, kind):
    locked.answers["POST /accounts/ajax_login/"] = [answer]
    client = EngineClient(locked.url, credentials=Credentials("alice", "pw-s3cret"))
    with pytest.raises(kind) as error:
        client.calculation(1)
    text = variables(error.value)
    assert "_log_in" in text
    assert "pw-s3cret" not in text
    [login] = [r for r in locked.requests if r.path == "/accounts/ajax_login/"]
    assert login.fields == {"username": "alice", "password": "pw-s3cret"}


def test_no_traceback_has_the_password_of_a_proxy_among_its_variables():
    network = Network(proxy="http://carol:pw-s3cret@127.0.0.1:9")
    client = EngineClient("http://engine.example.org", Transport(network=network))
    with pytest.raises(Unreachable, match="The proxy between here and http") as error:
        client.engine_version()
    text = variables(error.value)
    assert "ProxyError" in text
    assert "pw-s3cret" not in text


@pytest.mark.parametrize(
    "proxy",
    [
        "http://carol:pw-s3cret@127.0.0.1:9",
        "http://carol:pw-s3cret@[bad",
        "http://carol:pw-s3/cret@h:1",
        "http://carol:pw-s3cret@",
        "foo://carol:pw-s3cret@h:1",
    ],
)
def test_no_address_of_a_proxy_is_shown(proxy, caplog):
    """Also where it is not an address, which is what the error is about then."""
    caplog.set_level(logging.DEBUG)
    client = EngineClient("http://engine.example.org", Transport(network=Network(proxy=proxy)))
    with pytest.raises(Unreachable) as error:
        client.engine_version()
    assert "GET /v1/engine_version" in caplog.text
    of_ours = error.value.with_traceback(error.tb.tb_next)  # this test has it in a variable
    for text in (str(error.value), variables(of_ours), caplog.text):
        assert "pw-s3" not in text
        assert "cret@" not in text


@pytest.mark.parametrize("answer", [Answer(200), Answer(403, b"Invalid"), NEGATIVE_CHUNK])
def test_the_log_has_no_password_of_a_login(locked, caplog, answer):
    locked.answers["POST /accounts/ajax_login/"] = [answer]
    caplog.set_level(logging.DEBUG)
    client = EngineClient(locked.url, credentials=Credentials("alice", "pw-s3cret"))
    with pytest.raises(EngineError):
        client.calculation(1)
    assert "POST /accounts/ajax_login/: " in caplog.text
    assert "pw-s3cret" not in caplog.text
    assert "pw-s3cret" not in "".join(str(vars(record)) for record in caplog.records)


def test_an_answer_in_another_form_keeps_its_cause(fake):
    """Algorithms log it: where the answer is read, and what is missing."""
    fake.answers["GET /v1/calc/1/results"] = [json_answer([{"id": 1}])]
    with pytest.raises(NotAnEngine) as error:
        EngineClient(fake.url).outputs(1)
    assert repr(error.value.__cause__) == "KeyError('type')"
    assert error.value.__cause__.__traceback__ is not None


def test_log_records_read_like_the_engine_s_own():
    record = LogRecord("2026-11-23T12:00:00", "INFO", "main", "Two\nlines")
    assert str(record) == "[2026-11-23T12:00:00 INFO main] Two\nlines"
