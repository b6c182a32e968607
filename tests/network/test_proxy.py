"""QGIS's proxy settings, with a real proxy that wants a login."""

from __future__ import annotations

import pytest
from qgis.core import QgsNetworkAccessManager, QgsSettings
from steering import call, failing

from .conftest import OUTSIDE, PREFIX

LIST = "openquake:listcalculations"
OUTPUT = {"OUTPUT": "TEMPORARY_OUTPUT", "LIMIT": 1}
KEYS = ("Enabled", "Type", "Host", "Port", "User", "Password", "ExcludedUrls")


@pytest.fixture
def use_proxy(registry):
    """A function that sets the proxy in QGIS's settings, as its options dialog does."""
    settings = QgsSettings()

    def use(**values) -> None:
        for name, value in {"Enabled": True, "Type": "HttpProxy", **values}.items():
            settings.setValue(f"proxy/proxy{name}", value)
        QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()

    yield use
    for name in KEYS:
        settings.remove(f"proxy/proxy{name}")
    QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()


def outside(url: str) -> str:
    """The same server under a name that is not this computer's."""
    return url.replace("127.0.0.1", OUTSIDE)


def test_a_server_behind_the_proxy(nginx, proxy, saved, use_proxy, area_source):
    login = {"User": proxy.user, "Password": proxy.password}
    use_proxy(Host="127.0.0.1", Port=proxy.port, **login)
    before = len(proxy.served())
    plain = call(LIST, SERVER=outside(nginx.plain) + "/open", **OUTPUT)
    assert plain.results["COUNT"] == 1
    through = proxy.served()[before:]
    assert [line.split()[0] for line in through] == ["GET", "GET"]
    assert through[0].split()[1] == outside(nginx.plain) + "/open/v1/engine_version"

    name = saved("Behind all", outside(nginx.tls) + PREFIX, ca_file=nginx.authority)
    before = len(proxy.served())
    tls = call(LIST, SERVER=name, **OUTPUT)
    assert tls.rows() == plain.rows()
    through = proxy.served()[before:]
    assert {line.split()[0] for line in through} == {"CONNECT"}, "TLS goes through unread"

    use_proxy(Host="127.0.0.1", Port=proxy.port, **login, ExcludedUrls=[outside(nginx.plain)])
    before = len(proxy.served())
    assert call(LIST, SERVER=outside(nginx.plain) + "/open", **OUTPUT).rows() == plain.rows()
    assert call(LIST, SERVER=nginx.plain + "/open", **OUTPUT).rows() == plain.rows()
    assert proxy.served()[before:] == [], "excluded, and this computer's own"


def test_a_proxy_that_does_not_know_us(nginx, proxy, saved, use_proxy):
    use_proxy(Host="127.0.0.1", Port=proxy.port, User="carol", Password="wrong")
    server = outside(nginx.plain) + "/open"
    login = "The proxy wants a login; check the proxy settings."
    assert failing(LIST, SERVER=server, **OUTPUT) in (
        login,
        # tinyproxy 1.11.1 answers as a web server does
        f"Not the engine at {server} but something before it (a proxy, a web server) wants a login "
        "(HTTP 401); check the proxy settings.",
    )
    name = saved("Behind all", outside(nginx.tls) + PREFIX, ca_file=nginx.authority)
    assert failing(LIST, SERVER=name, **OUTPUT) == login


def test_a_proxy_that_is_not_there(nginx, use_proxy):
    use_proxy(Host="127.0.0.1", Port=9, User="carol", Password="pw-secret")
    server = outside(nginx.plain)
    message = failing(LIST, SERVER=server + "/open", **OUTPUT)
    assert message == (
        f"The proxy between here and {server} does not answer; check the proxy settings."
    )
