"""The QGIS side of a connection: which server, and whose credentials."""

from __future__ import annotations

import os
from dataclasses import dataclass

from qgis.core import QgsApplication, QgsAuthMethodConfig

from .engine.client import DEFAULT_URL, Credentials, normalize_url
from .engine.errors import NotAllowed

SERVER_VARIABLE = "OPENQUAKE_SERVER"
AUTHCFG_VARIABLE = "OPENQUAKE_AUTHCFG"


@dataclass(frozen=True)
class Connection:
    """A resolved server: its address, why this one, and who logs in there."""

    url: str
    reason: str
    credentials: Credentials | None = None


def resolve(server: str, authcfg: str) -> Connection:
    """Return the server to talk to, and the credentials that belong to it.

    ``SERVER`` > environment ``OPENQUAKE_SERVER`` > ``http://127.0.0.1:8800``; ``AUTHCFG`` >
    ``OPENQUAKE_AUTHCFG``, but only where the server came from the environment too: credentials
    never go to a server they were not meant for. To be called on the main thread: asking the
    authentication database from a worker can hang. Raises :class:`NotAnEngine` for what is no
    address, :class:`NotAllowed` for a configuration that cannot be used.
    """
    from_environment = os.environ.get(SERVER_VARIABLE, "").strip()
    if server.strip():
        url, reason = normalize_url(server), "parameter SERVER"
    elif from_environment:
        url, reason = normalize_url(from_environment), f"environment variable {SERVER_VARIABLE}"
        authcfg = authcfg or os.environ.get(AUTHCFG_VARIABLE, "")
    else:
        url, reason = normalize_url(DEFAULT_URL), "default"
    return Connection(url, reason, _credentials(authcfg.strip()) if authcfg.strip() else None)


def _credentials(authcfg: str) -> Credentials:
    manager = QgsApplication.authManager()
    if authcfg not in manager.configIds():
        raise NotAllowed(f"There is no authentication configuration “{authcfg}” in this profile.")
    config = QgsAuthMethodConfig()
    known, config = manager.loadAuthenticationConfig(authcfg, config, True)
    if not known:
        raise NotAllowed(
            f"The authentication configuration “{authcfg}” cannot be read; "
            "is the authentication database unlocked (master password)?"
        )
    if config.method() != "Basic":
        raise NotAllowed(
            f"The authentication configuration “{authcfg}” is of the method {config.method()}; "
            "the engine needs Basic (user name and password)."
        )
    return Credentials(config.config("username"), config.config("password"))
