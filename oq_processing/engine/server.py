"""One server of an engine: logs in where that is required, asks, and judges the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, TypeVar
from urllib.parse import urlsplit

from .address import normalize_url
from .errors import (
    Interrupted,
    NotAllowed,
    NotAnEngine,
    NotFound,
    ProxyLoginRequired,
    ServerFault,
    Unreachable,
)
from .http.exchange import Answer, Request
from .http.multipart import Upload
from .http.transport import Transport

T = TypeVar("T")

API_TIMEOUT = 60.0  # seconds without a byte from the server
EXPORT_TIMEOUT = 900.0  # exports are computed while we wait: 30 s for 40,000 ruptures
MAX_ANSWER = 64 * 1024**2  # bytes of an answer that is read into memory
DOWNLOAD_TRIES = 3  # of a download whose connection breaks in the middle
DOWNLOAD_AGAIN = 1.0  # seconds between two of them

OnProgress = Callable[[int, int], None]
"""Called with bytes done and bytes in all (0 = unknown)."""


@dataclass(frozen=True)
class Credentials:
    """Who logs in at the server; never shown, not even in a traceback."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True)
class Download:
    """A file fetched from the engine; ``name`` is the one the server gave, without any folder."""

    path: Path
    name: str
    size: int


class Server:
    """The server at ``url`` (path prefix allowed); paths of requests begin after ``/v1/``."""

    def __init__(self, url: str, transport: Transport, credentials: Credentials | None) -> None:
        self.url = normalize_url(url)
        self.transport = transport
        self._credentials = credentials
        self._logged_in = False
        self.requires_login = False
        """Whether it has refused a request for want of a login."""

    @property
    def user(self) -> str:
        """Who is logged in, "" for nobody."""
        return self._credentials.user if self._credentials and self.requires_login else ""

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a request, which is good."""
        return self._judged(
            Request(method, f"{self.url}/v1/{path}", self._timeout, MAX_ANSWER, query), path
        )

    def get(self, path: str, expected: type[T], query: Mapping[str, str] | None = None) -> T:
        """Return the JSON that a GET answers; it is of this type."""
        return self.read_json(self.ask("GET", path, query), expected)

    def download(
        self, path: str, query: Mapping[str, str], target: Path, progress: OnProgress | None
    ) -> Download:
        """Fetch a file; one whose connection breaks in the middle is fetched again."""
        request = Request(
            "GET",
            f"{self.url}/v1/{path}",
            self._patient_timeout,
            MAX_ANSWER,
            query,
            target=target,
            progress=progress,
        )
        for left in reversed(range(DOWNLOAD_TRIES)):
            try:
                answer = self._judged(request, path)
                break
            except Interrupted as error:  # from scratch: the engine may compute it anew
                if not left:
                    raise Unreachable(
                        f"{str(error).rstrip('.')}, {DOWNLOAD_TRIES} times in a row."
                    ) from error
                self.transport.wait.pause(DOWNLOAD_AGAIN)
        if answer.status != 200:  # only then there is a file
            raise ServerFault(
                f"{self.url} answered HTTP {answer.status} in place of the file ({path}).",
                answer.status,
            )
        name = Path(answer.filename.replace("\\", "/")).name
        return Download(target, target.name if name in ("", "..") else name, answer.size)

    def post_once(self, path: str, form: Upload, progress: OnProgress | None) -> Answer:
        """Post a form and return the answer, good or not; it is never sent a second time."""
        return self.transport.fetch(
            Request(
                "POST",
                f"{self.url}/v1/{path}",
                self._patient_timeout,
                MAX_ANSWER,
                form=form,
                progress=progress,
            )
        )

    def read_json(self, answer: Answer, expected: type[T]) -> T:
        """Return the JSON of an answer, of this type."""
        try:
            value = json.loads(answer.text())
        except (ValueError, RecursionError) as error:
            raise NotAnEngine(
                f"{self.url} answered something that is not JSON "
                f"(“{answer.title() or answer.first_line()}”); is it an OpenQuake engine?"
            ) from error
        if not isinstance(value, expected):
            raise NotAnEngine(f"{self.url} answered JSON of an unknown kind.")
        return value

    def parse(self, read: Callable[[], T]) -> T:
        """Return what ``read`` makes of an answer; raise where it does not find its way."""
        try:
            return read()
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise NotAnEngine(
                f"{self.url} answered in a form that is not the engine's ({error!r})."
            ) from error

    def raise_for(self, answer: Answer, path: str) -> None:
        """Raise what an answer means, unless it is good."""
        status = answer.status
        if status < 300:
            return
        if self._wants_login(answer):
            if self._credentials:
                raise NotAllowed(
                    f"{self.url} knows you as “{self._credentials.user}” but does not permit this "
                    f"({path})."
                )
            raise NotAllowed(
                f"{self.url} wants a login; give an authentication configuration (AUTHCFG)."
            )
        if status < 400:
            raise self._redirected(answer)
        if status == 401:
            raise NotAllowed(
                f"Not the engine at {self.url} but something before it (a proxy, a web server) "
                "wants a login (HTTP 401); check the proxy settings."
            )
        if status == 403:
            raise NotAllowed(f"{self.url} refuses: {answer.error()}")
        if status == 404:
            raise NotFound(f"{self.url} has no {path}.")
        if status == 407:
            raise ProxyLoginRequired("The proxy wants a login; check the proxy settings.")
        if status == 413:
            raise ServerFault(
                f"{self.url} does not accept an upload of this size (HTTP 413); "
                "its administrator can raise the limit.",
                413,
            )
        reason = answer.error() or answer.title() or "no reason given"
        raise ServerFault(f"{self.url} answered HTTP {status}: {reason}", status)

    @property
    def _timeout(self) -> float:
        """Seconds without a byte of an answer that is not computed first."""
        return self.transport.network.answer or API_TIMEOUT

    @property
    def _patient_timeout(self) -> float:
        """Seconds without a byte of one that is."""
        return max(EXPORT_TIMEOUT, self.transport.network.answer or 0.0)

    def _judged(self, request: Request, path: str) -> Answer:
        if not self._logged_in:
            self.check_login()
        answer = self.transport.fetch(request)
        if self._credentials and self._wants_login(answer):
            self._log_in(self._credentials)
            answer = self.transport.fetch(request)
        self.raise_for(answer, path)
        return answer

    def _redirected(self, answer: Answer) -> NotAnEngine:
        return NotAnEngine(
            f"{self.url} redirects to {answer.location}; give that server's address instead."
        )

    # --- login

    def _wants_login(self, answer: Answer) -> bool:
        """Return whether the answer means that we are not logged in, or have no permission.

        The engine says neither which of the two, nor anything but 403; under a path prefix of its
        own it sends those who are not logged in to its page for that instead.
        """
        if answer.status == 302:
            there, here = urlsplit(answer.location), urlsplit(self.url)
            same = there.hostname in (None, here.hostname)
            return same and there.path.endswith("/accounts/login/")
        return answer.status == 403 and not answer.error()

    def check_login(self) -> None:
        """Log in where the server does not know us, or not any more."""
        if self._credentials:
            url = f"{self.url}/v1/engine_version"
            answer = self.transport.fetch(Request("GET", url, self._timeout, MAX_ANSWER))
            if self._wants_login(answer):
                self._log_in(self._credentials)
            self._logged_in = True

    def _log_in(self, credentials: Credentials) -> None:
        """``POST /accounts/ajax_login/``; the session's cookie answers from then on."""
        self.requires_login = True
        # no dictionary: a traceback that shows variables would show it
        form = Upload(None, {"username": credentials.user, "password": credentials.password})
        url = f"{self.url}/accounts/ajax_login/"
        answer = self.transport.fetch(Request("POST", url, self._timeout, MAX_ANSWER, form=form))
        if answer.status == 404:
            raise NotAnEngine(
                f"{self.url} wants a login, but not as an OpenQuake engine does; check the address."
            )
        if answer.status == 302:  # to the page for a login too: it is another engine's address then
            raise self._redirected(answer)
        if answer.status != 403:
            self.raise_for(answer, "accounts/ajax_login/")
        else:
            raise NotAllowed(
                f"{self.url} does not accept the user “{credentials.user}” "
                "of the authentication configuration, or the password."
            )
        self._logged_in = True
