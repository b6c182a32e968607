"""What went wrong with a request, as one sentence for the user and as a trace for the log."""

from __future__ import annotations

import http.client
import re
import traceback
from urllib.parse import urlsplit

from ..address import origin
from ..errors import EngineError, Interrupted, ProxyLoginRequired, Unreachable

_CERTIFICATE = {
    "has expired|not yet valid": (
        "ask its administrator to renew it, and check the date and time of this computer."
    ),
    "mismatch|doesn't match|not valid for": (
        "use the name for which it was issued in the address of the server."
    ),
    "CERTIFICATE_VERIFY_FAILED": (
        "add its certificate authority to the trusted ones: in the saved connection (CA file), "
        "or in QGIS's Options, Authentication, Manage Certificates."
    ),
}
"""What to do about a certificate, by a pattern of OpenSSL's or urllib3's reason; the first fits."""


def explained(url: str, error: Exception, timeout: tuple[float, float], begun: bool) -> EngineError:
    """Return the error to raise for whatever a request to ``url`` ended with.

    ``timeout`` are the seconds for a connection and without a byte; ``begun`` says whether a good
    answer had begun to come.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return EngineError(f"Cannot write {error.filename}: {error.strerror}.")
    if _is_proxy_login(error):
        return ProxyLoginRequired("The proxy wants a login; check the proxy settings.")
    error_type = Interrupted if begun and not _fell_silent(error) else Unreachable
    return error_type(_sentence(url, error, timeout))


def trace(error: Exception) -> str:
    """Return the traceback of an error that no line or server is expected to cause, else "".

    No address in it has a user name or password.
    """
    import requests

    expected = (requests.exceptions.RequestException, http.client.HTTPException, OSError)
    if isinstance(error, expected):
        return ""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return without_login("".join(lines))


def forget_secrets(error: BaseException | None) -> None:
    """Keep what went wrong, but no address of a proxy with its login.

    It is among the variables of requests, and in the text where it cannot be parsed.
    """
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error.args = tuple(without_login(a) if isinstance(a, str) else a for a in error.args)
        error = error.__cause__ or error.__context__


def without_login(text: str) -> str:
    """Return a text without user names and passwords in the addresses of a proxy."""
    return "\n".join(map(_line_without_login, text.split("\n")))


def _line_without_login(line: str) -> str:
    # no pattern: one would look for the end again at each of a million slashes
    begin, end = line.find("//"), line.rfind("@")
    return f"{line[:begin]}//…{line[end:]}" if 0 <= begin < end else line


def _is_proxy_login(error: Exception) -> bool:
    import requests

    is_proxy = isinstance(error, requests.exceptions.ProxyError)
    return is_proxy and bool(re.search(r"Tunnel connection failed: 40[17]", str(error)))


def _sentence(url: str, error: Exception, timeout: tuple[float, float]) -> str:
    import requests

    server = origin(url)
    text = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"The proxy between here and {server} does not answer; check the proxy settings."
    if isinstance(error, requests.exceptions.SSLError):
        if "WRONG_VERSION" in text or "UNKNOWN_PROTOCOL" in text:
            return f"{server} does not speak TLS; its address probably begins with http://."
        return _tls_sentence(server, _words(_innermost(error)))
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"{server} does not answer within {timeout[0]:.0f} s; check the address."
    if _fell_silent(error):
        return f"{server} sent nothing for {timeout[1]:.0f} s."
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return f"There is no computer named {urlsplit(url).hostname}; check the address."
    if "refused" in text:
        return (
            f"No server answers at {server} (connection refused); "
            "start an OpenQuake engine there or give another address as SERVER."
        )
    inner = _innermost(error)
    # http.client's own has bytes, and knows nothing of the whole
    if isinstance(inner, http.client.IncompleteRead) and isinstance(inner.partial, int):
        whole = inner.partial + (inner.expected or 0)
        return f"The connection to {server} broke after {inner.partial:,} of {whole:,} bytes."
    return f"The connection to {server} broke ({_words(inner)})."


def _tls_sentence(server: str, reason: str) -> str:
    for pattern, advice in _CERTIFICATE.items():
        if re.search(pattern, reason):
            return f"The certificate of {server} is not trusted ({reason}); {advice}"
    # alerts and refusals of OpenSSL have no common form
    return (
        f"No secure connection to {server} could be made ({reason}); if the server supports "
        "nothing newer than TLS 1.1, its administrator must enable TLS 1.2 or 1.3."
    )


def _fell_silent(error: Exception) -> bool:
    import requests

    return isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error)


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost reason: what requests and urllib3 wrap around it says nothing."""
    while True:
        inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            inner = reason
        if inner is None:
            return error
        error = inner


def _words(error: BaseException) -> str:
    return str(error.args[-1] if error.args else error).strip(" .'\"()") or type(error).__name__
