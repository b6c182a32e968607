"""HTTP that can be cancelled, is bounded, and never takes half of a file for the whole."""

import contextlib
import gzip
import logging
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
import requests
import urllib3.connection
from fake_engine import NEGATIVE_CHUNK, Answer, FakeEngine, html_answer
from helpers import wait_until

from oq_processing.engine.address import is_loopback
from oq_processing.engine.errors import Cancelled, EngineError, ServerFault, Unreachable
from oq_processing.engine.http import exchange as exchange_module
from oq_processing.engine.http.exchange import Answer as Answered
from oq_processing.engine.http.exchange import Request
from oq_processing.engine.http.explain import without_login
from oq_processing.engine.http.multipart import Upload
from oq_processing.engine.http.transport import Network, Transport
from oq_processing.engine.wait import Wait

LIMIT = 1024 * 1024
TIME_WAIT = "06"  # in the kernel's list of connections


@pytest.fixture
def fake():
    with FakeEngine() as engine:
        yield engine


def get(fake, path="/v1/engine_version", transport=None, **how):
    how = {"timeout": 10, "limit": LIMIT, **how}
    return (transport or Transport()).fetch(Request("GET", fake.url + path, **how))


def answer_with(fake, *answers):
    fake.answers["*"] = list(answers)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- answers


def test_an_answer(fake):
    answer_with(fake, Answer(418, b"short and stout", {"X-Kind": "pot"}))
    body = get(fake, "/pot", query={"a": "1 &2", "b": "é"})
    assert (body.status, body.content, body.size) == (418, b"short and stout", 15)
    assert body.headers["X-Kind"] == "pot"
    [request] = fake.requests
    assert (request.method, request.path) == ("GET", "/pot")
    assert request.query == {"a": "1 &2", "b": "é"}
    assert request.headers["User-Agent"] == "oq_processing"
    assert request.headers["Connection"] == "close"


def test_limit_of_an_answer_that_is_read_into_memory(fake):
    answer_with(fake, Answer(body=b"x" * LIMIT), Answer(body=b"x" * (LIMIT + 1)))
    assert get(fake).size == LIMIT
    with pytest.raises(ServerFault, match=r"answered more than 1 MB where a short answer") as error:
        get(fake, query={"secret": "1"})
    assert fake.url in str(error.value)
    assert "secret" not in str(error.value)


def test_an_endless_answer_is_broken_off(fake):
    def endless():
        while True:
            yield b"x" * 65536

    answer_with(fake, Answer(body=endless(), announced=None))
    with pytest.raises(ServerFault, match="answered more than 1 MB"):
        get(fake)
    assert fake.hung_up.wait(5), "the server still sends"


def for_ever(first, then):
    yield first
    while True:
        yield then


ENDLESS = {
    "1xx": lambda: Answer(0, for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)),
    "trailers": lambda: Answer(
        200, for_ever(b"0\r\n", b"X: y\r\n" * 100), {"Transfer-Encoding": "chunked"}, None
    ),
    "empty blocks": lambda: Answer(
        200, for_ever(gzip.compress(b"x"), gzip.compress(b"")), {"Content-Encoding": "gzip"}, None
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("target", [None, "x.csv"])
def test_an_answer_that_comes_and_never_ends(fake, tmp_path, monkeypatch, what, target):
    monkeypatch.setattr(exchange_module, "ENDLESS", 0.3)
    answer_with(fake, ENDLESS[what]())
    with pytest.raises(Unreachable, match=r"has not ended its answer within 1 s\.$"):
        get(fake, timeout=0.5, target=target and tmp_path / target)
    wait_until(lambda: "openquake-http" not in {t.name for t in threading.enumerate()}, 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["abc", "-5", "1e3"])
def test_a_length_that_is_none(fake, length):
    answer_with(fake, Answer(body=b"12345", headers={"Content-Length": length}, announced=None))
    assert get(fake).content == b"12345"


def test_errors_go_to_no_file(fake, tmp_path):
    answer_with(fake, html_answer(500, "KeyError at /v1/calc", 80_000))
    body = get(fake, target=tmp_path / "out.csv")
    assert body.status == 500
    assert body.title() == "KeyError at /v1/calc"
    assert 80_000 < body.size == len(body.content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=output-3-hazard_map-mean_1.csv", "output-3-hazard_map-mean_1.csv"),
        ('attachment; filename="a b.zip"; size=3', "a b.zip"),
        ("attachment", ""),
    ],
)
def test_the_name_a_server_gives(header, name):
    assert Answered(200, {"Content-Disposition": header}).filename == name
    assert Answered(200).filename == ""


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b'{"error": "Job 3 is not running"}', "application/json", "Job 3 is not running"),
        (b'{"traceback": ["Traceback:", "  x", "ValueError: bad\\n"]}', "", "ValueError: bad"),
        (b'["Traceback:", "File is not a zip file\\n", ""]', "text/html", "File is not a zip file"),
        (b'{"traceback": ["a\\nb\\nlast line\\n\\n"]}', "", "last line"),
        (b'"just text"', "", "just text"),
        (b"\nKeyError: 'x'\nTraceback\n", "text/plain; charset=utf-8", "KeyError: 'x'"),
        (b"KeyError: 'x'", "text/html", ""),
        (b'{"traceback": ["half', "application/json", ""),
        (b'{"error": null}', "application/json", ""),
        (b"[" * 100_000, "application/json", ""),
        (b"\xff\xfe", "text/plain", "\ufffd\ufffd"),
        (b"", "text/plain", ""),
    ],
)
def test_the_reason_an_engine_gives(content, kind, reason):
    assert Answered(500, {"Content-Type": kind}, content).error() == reason


def test_titles_of_pages():
    assert Answered(200, content=b"<TITLE>\n It\n works </TITLE>").title() == "It works"
    assert Answered(200, content=b"<title>" + b"x" * 500 + b"</title>").title() == "x" * 200
    assert Answered(200, content=b"no page").title() == ""


# --- downloads


def test_a_download(fake, tmp_path):
    content = os.urandom(3 * 1024 * 1024 + 7)
    answer_with(fake, Answer(body=content))
    told = []
    body = get(
        fake, target=tmp_path / "a.npz", progress=lambda done, all_: told.append((done, all_))
    )
    assert (tmp_path / "a.npz").read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert (body.size, body.content) == (len(content), b"")
    assert told[-1] == (len(content), len(content))


def test_progress_comes_while_the_download_goes_on(fake, tmp_path):
    rest = threading.Event()
    answer_with(fake, Answer(body=[b"x" * LIMIT, rest, b"y" * 9], announced=LIMIT + 9))
    told = []

    def progress(done, total):
        told.append((done, total, threading.current_thread()))
        rest.set()

    get(fake, target=tmp_path / "a", progress=progress)
    assert told[0] == (LIMIT, LIMIT + 9, threading.current_thread())
    assert told[-1][:2] == (LIMIT + 9, LIMIT + 9)


@pytest.mark.parametrize("drop", ["end", "reset"])
@pytest.mark.parametrize("sent", [0, 1_500_000])
def test_a_dropped_download_leaves_nothing(fake, tmp_path, drop, sent):
    answer_with(fake, Answer(body=b"x" * sent, announced=3_000_000, drop=drop))
    with pytest.raises(Unreachable, match=r"The connection to http:.*\d broke"):
        get(fake, target=tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_dropped_download_leaves_an_older_file_as_it_was(fake, tmp_path):
    (tmp_path / "a.csv").write_text("yesterday's")
    answer_with(fake, Answer(body=b"x" * 10, announced=11))
    with pytest.raises(Unreachable, match=r"broke after 10 of 11 bytes\.$"):
        get(fake, target=tmp_path / "a.csv")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["yesterday's"]


def test_too_few_bytes_of_a_short_answer(fake):
    answer_with(fake, Answer(body=b"3.2", announced=6000))
    with pytest.raises(Unreachable, match=r"broke after 3 of 6,000 bytes\.$"):
        get(fake)


def test_compressed_on_the_way(fake, tmp_path):
    text = b"lon,lat\r\n" * 50_000
    packed = gzip.compress(text)
    headers = {"Content-Encoding": "gzip"}
    answer_with(
        fake,
        Answer(body=packed, headers=headers),
        Answer(body=packed[:-300], headers=headers, announced=len(packed)),
    )
    told = []
    body = get(
        fake, target=tmp_path / "a.csv", progress=lambda done, all_: told.append((done, all_))
    )
    assert (tmp_path / "a.csv").read_bytes() == text
    assert body.size == len(text)
    assert told[-1] == (len(text), 0), "how much there will be is not known"
    with pytest.raises(Unreachable, match=r"The connection to http:.*\d broke"):
        get(fake, target=tmp_path / "b.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


# --- servers that mean harm


@pytest.mark.slow
def test_a_small_answer_that_becomes_huge(fake):
    """A third of a megabyte that would become 300 is not unpacked beyond the limit."""
    bomb = gzip.compress(bytes(300 * 2**20))
    assert len(bomb) < 2 * 2**20
    answer_with(fake, Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    tracemalloc.start()
    with pytest.raises(ServerFault, match="answered more than 1 MB"):
        get(fake)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 150 * 2**20


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "x" * 1000])
def test_an_answer_packed_in_another_way_is_not_unpacked(fake, encoding):
    answer_with(fake, Answer(body=b"x", headers={"Content-Encoding": encoding}))
    with pytest.raises(ServerFault) as error:
        get(fake)
    assert str(error.value) == f"{fake.url} answered in the encoding {encoding[:50]}."


def test_a_redirect_with_an_endless_page_is_not_read(fake):
    def endless():
        while True:
            yield b"x" * 65536

    location = {"Location": "http://other.example.org/"}
    answer_with(fake, Answer(302, body=endless(), headers=location, announced=None))
    with pytest.raises(ServerFault, match="answered more than 1 MB"):
        get(fake)
    assert fake.hung_up.wait(5), "the server still sends"


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "again", "words"),
    [
        (HEAD, b"X-%d: y\r\n", "got more than 100 headers"),
        (HEAD + b"X: ", b"y" * 4096, "got more than 65536 bytes when reading header line"),
        (b"HTTP/1.1 ", b"2" * 4096, "got more than 65536 bytes when reading status line"),
        (CHUNKED, b"0" * 4096, "got more than 65536 bytes when reading chunk size"),
        (CHUNKED + b"1;", b"x" * 4096, "got more than 65536 bytes when reading chunk size"),
    ],
)
def test_lines_that_never_end(begin, again, words):
    """Of an answer's head, or between the pieces of its body."""
    sent = []

    def talk():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(begin)
            with contextlib.suppress(OSError):
                for i in range(25_000):  # 100 MB, which is no end for whoever reads all
                    connection.sendall(again % i if b"%d" in again else again)
                    sent.append(len(again))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unreachable) as error:
            Transport().fetch(Request("GET", url, 5, LIMIT))
        thread.join(10)
    assert str(error.value) == f"The connection to {url} broke ({words})."
    assert sum(sent) < 20 * 2**20, "it was read on"


def test_a_folder_that_cannot_be_written(fake, tmp_path):
    target = tmp_path / "none" / "a.csv"
    with pytest.raises(EngineError) as error:
        get(fake, target=target)
    assert str(error.value) == f"Cannot write {target}.part: No such file or directory."
    assert type(error.value) is EngineError


def test_a_full_disk(fake, tmp_path):
    answer_with(fake, Answer(body=b"x" * 100_000))
    target = tmp_path / "full"
    (tmp_path / "full.part").symlink_to("/dev/full")
    with pytest.raises(EngineError, match=r"^Cannot write .*full\.part: No space left on device"):
        get(fake, target=target)
    assert list(tmp_path.iterdir()) == []


# --- uploads


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_the_form_of_an_upload(fake, tmp_path):
    (tmp_path / "secret name.zip").write_bytes(b"PK-content")
    upload = Upload(tmp_path / "secret name.zip", {"job_ini": "jöb.ini", "hazard_job_id": "7"})
    answer_with(fake, Answer())
    Transport().fetch(Request("POST", fake.url, 9, LIMIT, form=upload))
    [request] = fake.requests
    assert request.size == len(upload) == upload.sent
    assert request.fields == {"job_ini": "jöb.ini", "hazard_job_id": "7"}
    assert b'name="archive"; filename="job.zip"' in request.body
    assert b"\r\n\r\nPK-content\r\n--" in request.body
    assert b"secret name" not in request.body
    assert request.headers["Content-Length"] == str(len(upload))


def test_a_form_without_archive(fake):
    upload = Upload(None, {"job_ini": "/srv/job.ini"})
    answer_with(fake, Answer())
    Transport().fetch(Request("POST", fake.url, 9, LIMIT, form=upload))
    assert fake.requests[0].fields == {"job_ini": "/srv/job.ini"}


def test_a_large_upload_is_streamed(fake, tmp_path):
    size = 200 * 1024**2
    upload = Upload(sparse(tmp_path / "job.zip", size), {"job_ini": "job.ini"})
    told = []
    get(fake)  # whatever is imported at the first request
    answer_with(fake, Answer())
    tracemalloc.start()
    try:
        # the server drops what it reads beyond 1 MB, in blocks of 1 MB
        Transport().fetch(
            Request(
                "POST",
                fake.url,
                30,
                LIMIT,
                form=upload,
                progress=lambda done, total: told.append((done, total)),
            )
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fake.requests[-1].size == len(upload) > size
    assert peak < 10 * 1024**2
    assert told[-1] == (len(upload), len(upload))
    done = [d for d, _ in told]
    assert done == sorted(done)
    assert {total for _, total in told} == {len(upload)}


# --- what goes wrong, in one sentence each


def test_nobody_there():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable) as error:
        Transport().fetch(Request("GET", url, 5, LIMIT))
    assert str(error.value) == (
        f"No server answers at {url} (connection refused); "
        "start an OpenQuake engine there or give another address as SERVER."
    )


def test_no_such_computer():
    with pytest.raises(Unreachable) as error:
        Transport().fetch(Request("GET", "http://no-such-host.invalid/x", 5, LIMIT))
    assert str(error.value) == (
        "There is no computer named no-such-host.invalid; check the address."
    )


def test_a_server_that_never_answers(fake):
    answer_with(fake, Answer(until=threading.Event()))
    with pytest.raises(Unreachable) as error:
        get(fake, timeout=0.3)
    assert str(error.value) == f"{fake.url} sent nothing for 0 s."


def test_a_server_that_stops_in_the_middle(fake, tmp_path):
    answer_with(fake, Answer(body=[b"abc", threading.Event()], announced=9))
    with pytest.raises(Unreachable, match="sent nothing for 0 s"):
        get(fake, timeout=0.3, target=tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("drop", ["end", "reset"])
def test_a_server_that_hangs_up(fake, drop):
    answer_with(fake, Answer(0, drop=drop))
    with pytest.raises(Unreachable, match=rf"^The connection to {fake.url} broke \(.+\)\.$"):
        get(fake)


def test_something_that_speaks_no_http():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def chatter():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")

        thread = threading.Thread(target=chatter)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unreachable, match=rf"^The connection to {url} broke \(.*SSH-2\.0"):
            Transport().fetch(Request("GET", url, 5, LIMIT))
        thread.join(5)


def test_https_where_only_http_is_spoken(fake):
    with pytest.raises(Unreachable) as error:
        Transport().fetch(Request("GET", f"https://127.0.0.1:{fake.port}/", 5, LIMIT))
    assert str(error.value) == (
        f"https://127.0.0.1:{fake.port} does not speak TLS; "
        "its address probably begins with http://."
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that nobody has signed, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
    )
    return folder


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture
def tls(fake, certificate):
    """The address of the fake engine behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    fake.stop()
    fake.start(context)
    return fake.url.replace("http:", "https:")


def test_a_certificate_that_nobody_trusts(tls, fake):
    with pytest.raises(Unreachable) as error:
        Transport().fetch(Request("GET", tls, 5, LIMIT))
    assert str(error.value).startswith(f"The certificate of {tls} is not trusted (")
    assert "self-signed certificate" in str(error.value)
    assert str(error.value).endswith(
        "; add its certificate authority to the trusted ones: in the saved connection (CA file), "
        "or in QGIS's Options, Authentication, Manage Certificates."
    )
    assert fake.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
@pytest.mark.parametrize(
    ("change", "host", "sentence"),
    [
        (
            "",
            "localhost",
            r"The certificate of {} is not trusted \(.*localhost.*\); "
            r"use the name for which it was issued in the address of the server\.",
        ),
        (
            "expired",
            "127.0.0.1",
            r"The certificate of {} is not trusted \(.*certificate has expired.*\); ask its "
            r"administrator to renew it, and check the date and time of this computer\.",
        ),
        (
            "TLS 1.0",
            "127.0.0.1",
            r"No secure connection to {} could be made \(.+\); if the server supports nothing "
            r"newer than TLS 1\.1, its administrator must enable TLS 1\.2 or 1\.3\.",
        ),
        (
            "no cipher",
            "127.0.0.1",
            r"No secure connection to {} could be made \(.*handshake failure.*\); if .*",
        ),
    ],
)
def test_the_advice_fits_the_reason(fake, certificate, change, host, sentence):
    files = [certificate / "cert.pem", certificate / "key.pem"]
    if change == "expired":
        request, files[0] = certificate / "request.pem", certificate / "expired.pem"
        subject = ("-subj", "/CN=127.0.0.1")
        openssl("req", "-new", "-key", files[1], "-out", request, *subject)
        names = certificate / "names.ext"
        names.write_text("subjectAltName = IP:127.0.0.1\n")
        about = ("-signkey", files[1], "-days", "-1", "-extfile", names, "-out", files[0])
        openssl("x509", "-req", "-in", request, *about)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if change == "TLS 1.0":
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    if change == "no cipher":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("NULL@SECLEVEL=0")
    fake.stop()
    fake.start(context)
    url = fake.url.replace("http:", "https:").replace("127.0.0.1", host)
    with pytest.raises(Unreachable) as error:
        Transport(network=Network(files[0].read_text())).fetch(Request("GET", url, 5, LIMIT))
    assert re.fullmatch(sentence.format(re.escape(url)), str(error.value)), error.value
    assert fake.requests == []


def test_cancel_on_a_connection_kept_from_an_earlier_request(tls, fake, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())  # beside it ours is trusted
    answer_with(fake, Answer(), Answer(until=threading.Event()))
    transport = Transport(network=Network((certificate / "cert.pem").read_text()))
    transport.fetch(Request("GET", tls, 5, LIMIT))
    transport.wait = Wait(fake.asked.is_set)
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        transport.fetch(Request("GET", tls, 30, LIMIT))
    assert time.monotonic() - begin < 1
    assert fake.connections == 1, "the second request was meant to use the first one's connection"
    assert fake.hung_up.wait(5)


# --- cancel


def test_cancel_while_the_answer_is_slow(fake):
    answer_with(fake, Answer(until=threading.Event()))
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        get(fake, transport=Transport(Wait(fake.asked.is_set)), timeout=30)
    assert time.monotonic() - begin < 1
    assert fake.hung_up.wait(5), "the server does not know that we left"


@pytest.mark.parametrize("announced", [10_000_000, None])
def test_cancel_in_a_download_leaves_no_file(fake, tmp_path, announced):
    answer_with(fake, Answer(body=[b"x" * 2_000_000, threading.Event(), b"y"], announced=announced))
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        get(
            fake,
            transport=Transport(Wait(fake.asked.is_set)),
            timeout=30,
            target=tmp_path / "a.csv",
        )
    assert time.monotonic() - begin < 1
    assert fake.hung_up.wait(5)
    assert list(tmp_path.iterdir()) == []


def test_cancel_in_an_upload(fake, tmp_path):
    upload = Upload(sparse(tmp_path / "job.zip", 200 * 1024**2), {})
    stuck = threading.Event()
    # it reads some and then no more, so that the upload stops too
    fake.answers["POST /v1/calc/run"] = [Answer(read=100_000, until=stuck)]
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        Transport(Wait(fake.asked.is_set)).fetch(
            Request("POST", fake.url + "/v1/calc/run", 30, LIMIT, form=upload)
        )
    assert time.monotonic() - begin < 1
    stuck.set()
    assert 0 < upload.sent < len(upload)


def test_cancel_while_connecting_sends_nothing_later(fake, monkeypatch):
    """A connection that comes about after the user has left must not carry the request."""
    connect = urllib3.connection.HTTPConnection.connect
    connecting, go_on = threading.Event(), threading.Event()

    def slow(self):
        connecting.set()
        assert go_on.wait(10)
        connect(self)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", slow)
    monkeypatch.setattr("oq_processing.engine.wait.SETTLE", 0.05)
    transport = Transport(Wait(connecting.is_set))
    with pytest.raises(Cancelled):
        transport.fetch(Request("POST", fake.url + "/v1/calc/run", 9, LIMIT))
    helpers = [t for t in threading.enumerate() if t.name == "openquake-http"]
    go_on.set()
    for thread in helpers:
        thread.join(10)
    assert fake.requests == []
    transport.wait = Wait()
    assert get(fake, transport=transport).status == 200


def test_a_request_after_a_cancelled_one_can_be_cancelled_too(fake, monkeypatch):
    """What is left of the first must not forget the socket of the second."""
    monkeypatch.setattr("oq_processing.engine.wait.SETTLE", 0.0)
    transport = Transport()
    for _ in range(5):
        fake.asked.clear()
        fake.hung_up.clear()
        answer_with(fake, Answer(until=threading.Event()))
        transport.wait = Wait(fake.asked.is_set)
        with pytest.raises(Cancelled):
            get(fake, transport=transport)
        assert fake.hung_up.wait(5)


def test_cancel_behind_a_proxy(fake):
    answer_with(fake, Answer(until=threading.Event()))
    transport = Transport(Wait(fake.asked.is_set), Network(proxy=fake.url))
    with pytest.raises(Cancelled):
        transport.fetch(Request("GET", "http://engine.invalid/x", 30, LIMIT))
    assert fake.hung_up.wait(5)


def test_close_breaks_off_what_is_under_way(fake):
    answer_with(fake, Answer(until=threading.Event()))
    transport = Transport()
    transport.wait = Wait(idle=lambda: fake.asked.is_set() and transport.close())
    with pytest.raises(Unreachable, match="broke"):
        get(fake, transport=transport)
    assert fake.hung_up.wait(5)


# --- what the log gets


@pytest.fixture
def logged(caplog):
    """Return what has been logged, level and text of each; no record has more than its text."""
    caplog.set_level(logging.DEBUG, "oq_processing.engine")

    def read():
        records = [r for r in caplog.records if r.name.startswith("oq_processing.")]
        assert {(r.exc_info, r.stack_info) for r in records} <= {(None, None)}
        return [(r.levelname, r.getMessage()) for r in records]

    return read


def test_every_request_is_logged(fake, logged, tmp_path):
    answer_with(
        fake,
        Answer(body=b"x" * 1234),
        Answer(403, b"no"),
        Answer(0, drop="end"),
        Answer(until=threading.Event()),
    )
    get(fake, "/v1/calc/1/extract/hazard", query={"kind": "a b"}, target=tmp_path / "a")
    get(fake, "/v1/calc/1/status")
    with pytest.raises(Unreachable):
        get(fake)
    with pytest.raises(Cancelled):
        get(fake, transport=Transport(Wait(fake.asked.is_set)))
    assert {level for level, _ in logged()} == {"DEBUG"}
    patterns = [
        r"GET /v1/calc/1/extract/hazard\?kind=a\+b: 200, 1,234 bytes, \d+ ms",
        r"GET /v1/calc/1/status: 403, 2 bytes, \d+ ms",
        rf"GET /v1/engine_version: The connection to {fake.url} broke \(.+\)\., \d+ ms",
        r"GET /v1/engine_version: cancelled, \d+ ms",
    ]
    for (_, text), pattern in zip(logged(), patterns, strict=True):
        assert re.fullmatch(pattern, text)


def test_what_nobody_expects_is_logged_with_its_traceback(fake, logged):
    fake.answers["*"] = [NEGATIVE_CHUNK]
    with pytest.raises(Unreachable):
        get(fake)
    [(_, request), (level, text)] = logged()
    assert request.startswith("GET /v1/engine_version: The connection to ")
    assert level == "WARNING"
    assert text.startswith("GET /v1/engine_version\nTraceback (most recent call last):\n")
    assert "exchange.read(response)" in text
    assert text.rstrip().splitlines()[-1].startswith("ValueError: ")


# --- nothing goes where it should not


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(fake, status):
    with FakeEngine() as other:
        answer_with(fake, Answer(status, headers={"Location": other.url + "/v1/engine_version"}))
        body = get(fake)
        assert (body.status, body.location) == (status, other.url + "/v1/engine_version")
        assert other.requests == []


def test_netrc_is_not_read(fake, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password pw-alice\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(fake)
    assert "Authorization" not in fake.requests[0].headers
    requests.get(fake.url, timeout=5)
    assert "Authorization" in fake.requests[1].headers, "the file would have been read"


def test_no_proxy_stands_before_this_computer(fake, monkeypatch):
    with FakeEngine() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert get(fake).content == b"3.26.2"
        assert proxy.requests == []
        proxy.answers["*"] = [Answer(407)]
        body = Transport().fetch(Request("GET", "http://engine.invalid/x", 5, LIMIT))
        assert body.status == 407
        assert len(proxy.requests) == 1


def test_a_proxy_that_is_not_there(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable) as error:
        Transport().fetch(Request("GET", "http://engine.invalid/x", 5, LIMIT))
    assert str(error.value) == (
        "The proxy between here and http://engine.invalid does not answer; "
        "check the proxy settings."
    )


def test_what_is_this_computer():
    yes = ["http://localhost:8800", "http://127.0.0.1/x", "https://[::1]:8800", "http://127.1.2.3"]
    no = ["http://127.evil.org", "http://localhost.evil.org", "http://10.0.0.1", "http://[::2]", ""]
    assert [u for u in yes + no if is_loopback(u)] == yes


def test_no_connection_is_kept(fake):
    """What we asked to close is closed on our side too, else the next request may meet its end."""

    def ours():
        there = f"0100007F:{fake.port:04X}"
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [row for row in rows if row[2] == there and row[3] != TIME_WAIT]

    transport = Transport()
    get(fake, transport=transport)
    wait_until(lambda: fake.open_connections == 0, 5)
    wait_until(lambda: not ours(), 5)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_separator_in_a_password_lets_it_through(separator):
    text = f"Failed to parse: http://carol:pa{separator}ss@proxy:3128"
    assert without_login(text) == "Failed to parse: http://…@proxy:3128"
