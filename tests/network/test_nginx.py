"""The engine behind nginx: TLS with an authority of its own, a prefix, redirects and limits."""

from __future__ import annotations

import re

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtNetwork import QSslCertificate
from steering import call, failing

from .conftest import PREFIX

LIST = "openquake:listcalculations"
LOAD = "openquake:loadoutputaslayer"
RUN = "openquake:runcalculation"
OUTPUT = {"OUTPUT": "TEMPORARY_OUTPUT"}


def test_a_map_by_tls_and_a_prefix(nginx, saved, area_source, server):
    """The same values as without nginx, each request under the prefix."""
    name = saved("Behind nginx", nginx.tls + PREFIX, ca_file=nginx.authority)
    chosen = {"CALCULATION_ID": area_source, "OUTPUT_TYPE": "hmaps", "IMT": "PGA", **OUTPUT}
    before = len(nginx.requests())
    behind = call(LOAD, SERVER=name, **chosen)
    asked = nginx.requests()[before:]
    assert asked[0] == f"GET {PREFIX}/v1/engine_version HTTP/1.1"
    assert all(line.split()[1].startswith(PREFIX + "/v1/") for line in asked)
    direct = call(LOAD, SERVER=server.url, **chosen)
    assert behind.rows() == direct.rows()
    assert len(behind.rows()) == 624


@pytest.mark.parametrize("place", [PREFIX, "/unbuffered"])
def test_a_run_by_tls(nginx, saved, place, demos, client):
    name = saved("Behind nginx", nginx.tls + place, ca_file=nginx.authority)
    done = call(RUN, SERVER=name, JOB=str(demos / "hazard/ScenarioCase1/job.ini"))
    assert done.results["STATUS"] == "complete"
    assert done.results["SERVER"] == nginx.tls + place
    assert client.calculation(done.results["CALCULATION_ID"]).mode == "scenario"
    assert done.feedback.percents[-1] == 100


def test_an_authority_that_nobody_trusts(nginx):
    message = failing(LIST, SERVER=nginx.tls + PREFIX, **OUTPUT)
    assert re.fullmatch(
        rf"The certificate of {nginx.tls} is not trusted \(.*unable to get local issuer.*\); "
        r"add its certificate authority to the trusted ones: in the saved connection \(CA file\), "
        r"or in QGIS's Options, Authentication, Manage Certificates\.",
        message,
    )


def test_a_certificate_of_another_name(nginx, saved):
    url = nginx.tls.replace("127.0.0.1", "localhost") + PREFIX
    name = saved("By another name", url, ca_file=nginx.authority)
    message = failing(LIST, SERVER=name, **OUTPUT)
    assert re.match(
        r"The certificate of https://localhost:\d+ is not trusted \("
        # urllib3 before its version 2 compares the names, then Python
        r"(hostname 'localhost' doesn't match|.*certificate is not valid for 'localhost')",
        message,
    )


def test_the_authority_is_trusted_for_its_connection_only(nginx, saved):
    saved("Behind nginx", nginx.tls + PREFIX, ca_file=nginx.authority)
    assert "is not trusted" in failing(LIST, SERVER=nginx.tls + "/unbuffered", **OUTPUT)


def test_an_authority_in_the_trust_of_qgis(nginx):
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("master-of-the-tests", True)
    [authority] = QSslCertificate.fromPath(nginx.authority)
    assert manager.storeCertAuthority(authority)
    try:
        assert manager.rebuildCaCertsCache()
        assert manager.rebuildTrustedCaCertsCache()
        done = call(LIST, SERVER=nginx.tls + PREFIX, LIMIT=1, **OUTPUT)
        assert done.results["COUNT"] == 1
    finally:
        manager.removeCertAuthority(authority)
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()
    assert "is not trusted" in failing(LIST, SERVER=nginx.tls + PREFIX, **OUTPUT)


def test_a_redirect_is_told_and_not_followed(nginx, saved):
    before = len(nginx.requests())
    assert failing(LIST, SERVER=nginx.plain + PREFIX, **OUTPUT) == (
        f"{nginx.plain}{PREFIX} redirects to {nginx.tls}{PREFIX}/v1/engine_version; "
        "give that server's address instead."
    )
    assert nginx.requests()[before:] == [f"GET {PREFIX}/v1/engine_version HTTP/1.1"]


def test_an_upload_that_is_too_large(nginx, saved, demos, client):
    name = saved("Small", nginx.tls + "/small", ca_file=nginx.authority)
    before = [c.id for c in client.calculations()]
    assert failing(RUN, SERVER=name, JOB=str(demos / "hazard/ScenarioCase1/job.ini")) == (
        f"{nginx.tls}/small does not accept an upload of this size (HTTP 413); "
        "its administrator can raise the limit."
    )
    assert [c.id for c in client.calculations()] == before


def test_an_engine_that_is_slow_behind_it(nginx, saved, demos):
    name = saved("Silent", nginx.tls + "/silent", ca_file=nginx.authority)
    assert failing(LIST, SERVER=name, **OUTPUT) == (
        f"{nginx.tls}/silent answered HTTP 504: 504 Gateway Time-out"
    )
    name = saved("Slow", nginx.tls + "/slow", ca_file=nginx.authority)
    message = failing(RUN, SERVER=name, JOB=str(demos / "hazard/ScenarioCase1/job.ini"))
    assert message.startswith(
        f"Calculation submitted, state unknown: {nginx.tls}/slow answered HTTP 504 to the upload: "
        "it may have started"
    )
    posts = [line for line in nginx.requests() if line.startswith("POST /slow/")]
    assert len(posts) == 1, "what may have started is never started again"
