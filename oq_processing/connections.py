"""The QGIS side of a connection: which server, whose credentials, which proxy and authorities."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.parse import quote, unquote

from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtNetwork import QNetworkProxy

from . import settings
from .engine import local
from .engine.address import DEFAULT_URL, normalize_url
from .engine.errors import EngineError, InvalidConnection, NotAllowed
from .engine.http.transport import Network
from .engine.server import Credentials

SERVER_VARIABLE = "OPENQUAKE_SERVER"
AUTHCFG_VARIABLE = "OPENQUAKE_AUTHCFG"

_SAVED = "openquake/connections"
_DEFAULT = "openquake/default"


@dataclass(frozen=True)
class SavedConnection:
    """A server that the user has given a name.

    ``authcfg`` is the id of an authentication configuration, never a password; ``ca_file`` a file
    of certificate authorities (PEM) that are trusted for this server beside the usual ones;
    ``connect_timeout`` and ``answer_timeout`` are seconds, 0 for what is usual.
    """

    name: str
    url: str
    authcfg: str = ""
    ca_file: str = ""
    connect_timeout: float = 0.0
    answer_timeout: float = 0.0


@dataclass(frozen=True)
class Connection:
    """A resolved server: its address, why this one, who logs in there and how it is reached.

    ``starting``: it is the user's own engine, which had not answered yet when it was recorded.
    ``may_start_own``: nothing was said, and the options allow to start an engine of the user's own,
    or it is starting already.
    """

    url: str
    reason: str
    credentials: Credentials | None = None
    network: Network = field(default_factory=Network)
    starting: bool = False
    may_start_own: bool = False


def saved_connections() -> list[SavedConnection]:
    """Return the saved connections of this profile, by name."""
    profile = QgsSettings()
    profile.beginGroup(_SAVED)
    keys = profile.childKeys()
    profile.endGroup()
    found = []
    known = {f.name for f in fields(SavedConnection)} - {"name"}
    for key in keys:
        try:
            about = json.loads(profile.value(f"{_SAVED}/{key}", "") or "{}")
            about = {name: value for name, value in about.items() if name in known}
            found.append(SavedConnection(unquote(key), **about))
        except (ValueError, TypeError, AttributeError):
            continue  # written by somebody else
    return sorted(found, key=lambda c: c.name.lower())


def save_connection(connection: SavedConnection) -> None:
    """Save a connection under its name; replaces the one of that name.

    Raises :class:`InvalidConnection` for an address that is not one, or that has a password in it;
    :class:`EngineError` if the profile cannot be written.
    """
    about = asdict(connection)
    about["url"] = normalize_url(connection.url)
    name = check_name(about.pop("name"))
    settings.store({f"{_SAVED}/{quote(name, safe='')}": json.dumps(about)})


def check_name(name: str) -> str:
    """Return a connection's name without spaces around it; raise for none, or an address."""
    name = name.strip()
    if not name or "://" in name:
        raise InvalidConnection("A connection needs a name, which is no address.")
    return name


def remove_connection(name: str) -> None:
    """Forget a saved connection; its authentication configuration stays."""
    settings.store({f"{_SAVED}/{quote(name, safe='')}": None})
    if default_connection() == name:
        set_default_connection("")


def default_connection() -> str:
    """Return the name of the connection that is used where nothing else is said, "" for none."""
    return str(QgsSettings().value(_DEFAULT, "") or "")


def set_default_connection(name: str) -> None:
    """Make a saved connection the default, "" for none."""
    settings.store({_DEFAULT: name})


def resolve(server: str, authcfg: str) -> Connection:
    """Return the server to talk to, and the credentials that belong to it.

    ``SERVER`` (name or address) > environment ``OPENQUAKE_SERVER`` > the saved default connection >
    an engine that *Start Local Engine* has started and that lives > ``http://127.0.0.1:8800``. Also
    one that is starting still: a run must not go to another server for being some seconds early.
    Credentials: ``AUTHCFG`` > the saved connection's own > ``OPENQUAKE_AUTHCFG``, but only where
    the server came from the environment too: they never go to a server they were not meant for.
    To be called on the main thread: asking the authentication database from a worker can hang.
    Raises :class:`InvalidConnection` for what is not an address, :class:`NotAllowed` for a
    configuration that cannot be used.
    """
    from_environment = os.environ.get(SERVER_VARIABLE, "").strip()
    default = default_connection()
    saved, from_variable, starting, may_start_own = None, "", False, False
    if server.strip():
        url, saved = _find(server.strip(), "SERVER")
        reason = "parameter SERVER"
    elif from_environment:
        url, saved = _find(from_environment, SERVER_VARIABLE)
        reason = f"environment variable {SERVER_VARIABLE}"
        from_variable = os.environ.get(AUTHCFG_VARIABLE, "").strip()
    elif default:
        url, saved = _find(default, "The default connection")
        reason = "default connection"
    elif (running := local.recorded()) is not None:
        url, reason = running.url, "local engine"
        starting = may_start_own = running.is_starting
    else:
        url, reason = normalize_url(DEFAULT_URL), "default"
        may_start_own = settings.starts_local_engine()
    if saved is not None:
        reason += f", saved connection “{saved.name}”"
    authcfg = authcfg.strip() or (saved.authcfg if saved else "") or from_variable
    credentials = _credentials(authcfg) if authcfg else None
    return Connection(url, reason, credentials, _network(url, saved), starting, may_start_own)


def of_saved(connection: SavedConnection) -> Connection:
    """Return a connection as :func:`resolve` does, saved already or not; raises as it does."""
    url = normalize_url(connection.url)
    credentials = _credentials(connection.authcfg) if connection.authcfg else None
    return Connection(url, connection.name, credentials, _network(url, connection))


def _find(text: str, origin: str) -> tuple[str, SavedConnection | None]:
    """Return address and saved connection of a name or an address."""
    known = saved_connections()
    for connection in known:
        if text == connection.name:
            return connection.url, connection
    try:
        url = normalize_url(text)
    except InvalidConnection as error:
        names = ", ".join(c.name for c in known)
        raise InvalidConnection(
            f"{error}{f' Saved connections: {names}.' if names else ''}"
        ) from error
    # one name alone may be a computer's or a connection's that is gone
    if origin == "The default connection":
        raise InvalidConnection(f"{origin} “{text}” is not saved any more; choose another one.")
    same = [c for c in known if c.url == url]
    # of several there is no telling whose credentials are meant
    return url, same[0] if len(same) == 1 else None


def _credentials(authcfg: str) -> Credentials:
    manager = QgsApplication.authManager()
    if authcfg not in manager.configIds():
        raise NotAllowed(f"There is no authentication configuration “{authcfg}” in this profile.")
    config = QgsAuthMethodConfig()
    known, config = manager.loadAuthenticationConfig(authcfg, config, True)
    if not known:
        raise NotAllowed(
            f"The authentication configuration “{authcfg}” cannot be read: the authentication "
            "database is locked. QGIS asks for its master password, and qgis_process reads it from "
            "the file that QGIS_AUTH_PASSWORD_FILE names."
            if not manager.masterPasswordIsSet()
            else f"The authentication configuration “{authcfg}” cannot be read; store it anew."
        )
    if config.method() != "Basic":
        raise NotAllowed(
            f"The authentication configuration “{authcfg}” is of the method {config.method()}; "
            "the engine needs Basic (user name and password)."
        )
    return Credentials(config.config("username"), config.config("password"))


def _network(url: str, saved: SavedConnection | None) -> Network:
    return Network(
        trusted=trusted_authorities(saved.ca_file if saved else "")
        if url.startswith("https:")
        else "",
        proxy=_proxy(url),
        connect=(saved.connect_timeout if saved else 0) or None,
        answer=(saved.answer_timeout if saved else 0) or None,
    )


def trusted_authorities(ca_file: str = "") -> str:
    """Return what QGIS trusts, and the authorities of the file, as PEM.

    Raises :class:`EngineError` for a file that cannot be used.
    """
    found = QgsApplication.authManager().trustedCaCertsPemText().data().decode("ascii", "ignore")
    if ca_file:
        try:
            text = Path(ca_file).expanduser().read_text(encoding="ascii", errors="ignore")
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise EngineError(f"The CA file {ca_file} cannot be read: {reason}.") from error
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise EngineError(f"The CA file {ca_file} holds no certificate in PEM form.")
        found += "\n" + text
    return found


def _proxy(url: str) -> str | None:
    """Return the proxy that QGIS's settings name for the address; None where they name none.

    Addresses excluded there go without one.
    """
    manager = QgsNetworkAccessManager.instance()
    proxy = manager.fallbackProxy()
    schemes = {
        QNetworkProxy.ProxyType.HttpProxy: "http",
        QNetworkProxy.ProxyType.HttpCachingProxy: "http",
        QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
    }
    if proxy.type() not in schemes or not proxy.hostName():
        return None
    excluded = [*manager.excludeList(), *manager.noProxyList()]
    if any(text.strip() and url.startswith(text.strip()) for text in excluded):
        return ""
    user = quote(proxy.user(), safe="")
    if user:
        user += f":{quote(proxy.password(), safe='')}@"
    host = f"[{proxy.hostName()}]" if ":" in proxy.hostName() else proxy.hostName()
    return f"{schemes[proxy.type()]}://{user}{host}:{proxy.port()}"
