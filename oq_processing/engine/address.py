"""Addresses of servers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from .errors import InvalidConnection

DEFAULT_URL = "http://127.0.0.1:8800"


def normalize_url(text: str) -> str:
    """Return the base address of a server: scheme, host, port, path prefix, no trailing slash.

    ``localhost:8800`` means ``http://localhost:8800``. Raises :class:`InvalidConnection` for what
    is not an address, and for one with a user name or password in it: those belong in an
    authentication configuration.
    """
    url = text.strip()
    if "://" not in url:
        url = "http://" + url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\\]", url):
        shown = text.rpartition("@")[2]
        raise InvalidConnection(
            f"“{shown}” is not the address of a server; give http(s)://host[:port]."
        )
    if "@" in url:  # anywhere: a password may hold a slash or a question mark
        host = re.split("[:/?#]", url.rpartition("@")[2])[0]
        raise InvalidConnection(
            f"The address of {host} holds a user name or password; "
            "store them in an authentication configuration and give its id as AUTHCFG."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_readable(url: str) -> bool:
    """Return whether others on the network can read what goes to the address and comes back."""
    return url.startswith("http://") and not is_loopback(url)


def is_loopback(url: str) -> bool:
    """Return whether the address is this computer's own, which no proxy can reach for us."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d+){3}", host))
