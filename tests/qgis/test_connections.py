"""Which server, whose credentials, which proxy and authorities: resolved as documented."""

from __future__ import annotations

import subprocess

import pytest
from qgis.core import QgsApplication, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtNetwork import QNetworkProxy
from steering import store_login

from oq_processing import connections
from oq_processing.connections import SavedConnection, resolve
from oq_processing.engine import local
from oq_processing.engine.errors import EngineError, InvalidConnection, NotAllowed

CLUSTER = "https://cluster.example.org/engine"
LAB = "http://lab.example.org:8800"


@pytest.fixture(autouse=True)
def clean(registry, monkeypatch):
    """No saved connection, no variables, no engine of the user's own."""
    for name in (connections.SERVER_VARIABLE, connections.AUTHCFG_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local, "recorded", lambda: None)
    yield
    for connection in connections.saved_connections():
        connections.remove_connection(connection.name)
    connections.set_default_connection("")


@pytest.fixture(scope="module")
def login(registry):
    """A function that stores a user in the authentication database and returns its id."""
    made = []

    def store(user: str, method: str = "Basic") -> str:
        made.append(store_login(user, f"pw-{user}", method))
        return made[-1]

    yield store
    for number in made:
        QgsApplication.authManager().removeAuthenticationConfig(number)


def user_of(connection) -> str | None:
    return connection.credentials and connection.credentials.user


def test_the_order_of_servers(monkeypatch):
    assert (resolve("", "").url, resolve("", "").reason) == ("http://127.0.0.1:8800", "default")
    own = local.Record(1, "mark", 4711, "http://127.0.0.1:4711", "3.26.2")
    monkeypatch.setattr(local, "recorded", lambda: own)
    assert (resolve("", "").url, resolve("", "").reason) == (own.url, "local engine")
    connections.save_connection(SavedConnection("Lab", LAB + "/"))
    assert resolve("", "").url == own.url, "saved is not yet default"
    connections.set_default_connection("Lab")
    assert (resolve("", "").url, resolve("", "").reason) == (
        LAB,
        "default connection, saved connection “Lab”",
    )
    monkeypatch.setenv(connections.SERVER_VARIABLE, "http://env.example.org")
    found = resolve("", "")
    assert (found.url, found.reason) == (
        "http://env.example.org",
        "environment variable OPENQUAKE_SERVER",
    )
    found = resolve(" Lab ", "")
    assert (found.url, found.reason) == (LAB, "parameter SERVER, saved connection “Lab”")
    assert resolve("other:8801/x/", "").url == "http://other:8801/x"
    connections.remove_connection("Lab")
    assert connections.default_connection() == ""


def test_credentials_go_nowhere_else(login, monkeypatch):
    alice, bob, carol = login("alice"), login("bob"), login("carol")
    connections.save_connection(SavedConnection("Cluster", CLUSTER, alice))
    connections.save_connection(SavedConnection("Lab", LAB))
    connections.set_default_connection("Cluster")
    assert user_of(resolve("", "")) == "alice"
    assert user_of(resolve("Cluster", "")) == "alice"
    assert user_of(resolve(CLUSTER + "/", "")) == "alice", "the same server, by its address"
    assert user_of(resolve("Cluster", bob)) == "bob"
    for other in ("Lab", LAB, "https://cluster.example.org", "http://cluster.example.org/engine"):
        assert user_of(resolve(other, "")) is None, other
    monkeypatch.setenv(connections.AUTHCFG_VARIABLE, carol)
    assert user_of(resolve("Lab", "")) is None, "the variable is not meant for it"
    assert user_of(resolve("", "")) == "alice"
    monkeypatch.setenv(connections.SERVER_VARIABLE, LAB)
    assert user_of(resolve("", "")) == "carol"
    assert user_of(resolve("", bob)) == "bob"
    monkeypatch.setenv(connections.SERVER_VARIABLE, "Cluster")
    assert user_of(resolve("", "")) == "alice", "the connection's own before the variable's"
    # two users of one server: an address does not tell which
    connections.save_connection(SavedConnection("Cluster as bob", CLUSTER, bob))
    assert user_of(resolve(CLUSTER, "")) is None
    assert user_of(resolve("Cluster as bob", "")) == "bob"


def test_no_password_is_written_anywhere(login, profile):
    connections.save_connection(SavedConnection("Cluster", CLUSTER, login("dora")))
    QgsSettings().sync()
    assert "dora" in repr(resolve("Cluster", "").credentials.user)
    assert "pw-dora" not in repr(resolve("Cluster", ""))
    texts = [p.read_bytes() for p in profile.rglob("*") if p.is_file()]
    assert any(b"cluster.example.org" in text for text in texts)
    assert not [text for text in texts if b"pw-dora" in text]
    with pytest.raises(
        InvalidConnection, match=r"^The address of lab.org holds a user name or password"
    ):
        connections.save_connection(SavedConnection("Lab", "http://me:pw-dora@lab.org"))
    assert [c.name for c in connections.saved_connections()] == ["Cluster"]


def test_what_cannot_be_used(login):
    with pytest.raises(NotAllowed, match="no authentication configuration “nothere” in this prof"):
        resolve(LAB, "nothere")
    other = login("eve", "EsriToken")
    with pytest.raises(NotAllowed, match="is of the method EsriToken; the engine needs Basic"):
        resolve(LAB, other)
    connections.save_connection(SavedConnection("Lab", LAB))
    with pytest.raises(
        InvalidConnection, match=r"is not the address of a server; .* Saved .*: Lab\.$"
    ):
        resolve("my lab", "")
    connections.set_default_connection("Gone")
    with pytest.raises(InvalidConnection, match=r"^The default connection “Gone” is not"):
        resolve("", "")
    for name in ("", " ", "http://x"):
        with pytest.raises(InvalidConnection, match=r"^A connection needs a name, which is no"):
            connections.save_connection(SavedConnection(name, LAB))


def test_what_is_saved_comes_back():
    saved = SavedConnection("Küche/1 ü", CLUSTER, "abc1234", "/etc/ca.pem", 3.0, 120.0)
    connections.save_connection(saved)
    assert connections.saved_connections() == [saved]
    QgsSettings().setValue("openquake/connections/broken", "{")
    QgsSettings().setValue("openquake/connections/odd", '{"url": "http://odd", "more": 1}')
    assert [c.name for c in connections.saved_connections()] == ["Küche/1 ü", "odd"]
    QgsSettings().remove("openquake/connections/broken")


def test_timeouts_and_authorities(tmp_path):
    folder = tmp_path
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=our-authority"),
            *("-keyout", folder / "key.pem", "-out", folder / "ca.pem"),
        ],
        check=True,
        capture_output=True,
    )
    ours = (folder / "ca.pem").read_text()
    connections.save_connection(SavedConnection("C", CLUSTER, "", str(folder / "ca.pem"), 3, 120))
    network = resolve("C", "").network
    assert (network.connect, network.answer) == (3, 120)
    assert ours in network.trusted
    # beside, not instead of, what QGIS trusts
    assert bytes(QgsApplication.authManager().trustedCaCertsPemText()).decode() in network.trusted
    assert ours not in resolve("https://elsewhere.org", "").network.trusted
    assert resolve("http://plain.org", "").network.trusted == ""
    connections.save_connection(SavedConnection("C", CLUSTER, "", str(folder / "gone.pem")))
    with pytest.raises(EngineError, match=r"^The CA file .*gone\.pem cannot be read: No such file"):
        resolve("C", "")
    connections.save_connection(SavedConnection("C", CLUSTER, "", "~nosuchuser/ca.pem"))
    with pytest.raises(EngineError, match=r"^The CA file ~nosuchuser/ca\.pem cannot be read: "):
        resolve("C", "")
    (folder / "text.pem").write_text("no certificate")
    connections.save_connection(SavedConnection("C", CLUSTER, "", str(folder / "text.pem")))
    with pytest.raises(EngineError, match=r"text\.pem holds no certificate in PEM form\.$"):
        resolve("C", "")


@pytest.fixture
def proxied():
    """A function that sets QGIS's proxy as its settings do."""
    manager = QgsNetworkAccessManager.instance()
    before = manager.fallbackProxy(), manager.excludeList(), manager.noProxyList()

    def use(kind, host="proxy.org", user="", password="", excluded=(), direct=()) -> None:
        proxy = QNetworkProxy(kind, host, 3128, user, password)
        manager.setFallbackProxyAndExcludes(proxy, list(excluded), list(direct))

    yield use
    manager.setFallbackProxyAndExcludes(*before)


def test_the_proxy_of_qgis(proxied):
    kinds = QNetworkProxy.ProxyType
    assert resolve(LAB, "").network.proxy is None, "the environment's, as everywhere"
    proxied(kinds.HttpProxy)
    assert resolve(LAB, "").network.proxy == "http://proxy.org:3128"
    proxied(kinds.HttpProxy, user="us er", password="p@ss/1")
    assert resolve(LAB, "").network.proxy == "http://us%20er:p%40ss%2F1@proxy.org:3128"
    assert "p%40ss" not in repr(resolve(LAB, ""))
    proxied(kinds.Socks5Proxy, host="::1")
    assert resolve(LAB, "").network.proxy == "socks5h://[::1]:3128"
    proxied(kinds.HttpProxy, excluded=["http://lab.", ""])
    assert resolve(LAB, "").network.proxy == ""
    assert resolve(CLUSTER, "").network.proxy == "http://proxy.org:3128"
    proxied(kinds.HttpProxy, direct=[LAB])
    assert resolve(LAB, "").network.proxy == ""
    proxied(kinds.NoProxy)
    assert resolve(LAB, "").network.proxy is None
