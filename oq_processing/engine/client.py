"""The engine's HTTP API as Python: one method per endpoint, dataclasses out, one exception tree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar
from urllib.parse import urlsplit, urlunsplit

from .calculation import Calculation, LogRecord, Output
from .errors import (
    Cancelled,
    EngineError,
    Interrupted,
    InvalidOutput,
    NotAllowed,
    NotAnEngine,
    NotFound,
    ServerFault,
    SubmissionRefused,
    SubmissionUnknown,
    Unreachable,
)
from .http.transport import Body, Transport, Upload

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8800"
API_TIMEOUT = 60.0  # seconds without a byte from the server
EXPORT_TIMEOUT = 900.0  # exports are computed while we wait: 30 s for 40,000 ruptures
MAX_ANSWER = 64 * 1024**2  # bytes of an answer that is read into memory
LIST_PAGE = 1_000
LOG_PAGE = 10_000  # records of a log fetched in one request
DOWNLOAD_TRIES = 3  # of a download whose connection breaks in the middle
DOWNLOAD_AGAIN = 1.0  # seconds between two of them

TESTED = ((3, 16), (3, 26))
"""First and last version of the engine that the tests run."""

Progress = Callable[[int, int], None]
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


@dataclass(frozen=True)
class Abilities:
    """What a server is and lets us do; ``user`` is "" where it wants no login."""

    version: str
    user: str
    may_run: bool
    may_run_on_server: bool
    may_abort: bool
    may_delete: bool

    def __str__(self) -> str:
        can = {
            "run calculations": self.may_run,
            "run a job.ini on its own disk": self.may_run_on_server,
            "abort": self.may_abort,
            "delete": self.may_delete,
        }
        mode = "read-only" if not any(can.values()) else "open to all"
        who = f"you are “{self.user}”" if self.user else f"no login is wanted, {mode}"
        may = (
            ", ".join(word for word, allowed in can.items() if allowed) or "look and download only"
        )
        return f"OpenQuake Engine {self.version}; {who}; you may: {may}."


def version_note(version: str) -> str:
    """Return a word about an engine that is older or newer than those of the tests, else ""."""
    series = tuple(int(number) for number in version.split(".")[:2] if number.isdigit())
    if TESTED[0] <= series <= TESTED[1]:
        return ""
    first, last = (".".join(map(str, one)) for one in TESTED)
    age = "older" if series < TESTED[0] else "newer"
    return f"{age} than the versions this plugin is tested with, {first} to {last}"


def normalize_url(text: str) -> str:
    """Return the base address of a server: scheme, host, port, path prefix, no trailing slash.

    ``localhost:8800`` means ``http://localhost:8800``. Raises :class:`NotAnEngine` for what is no
    address, and for one with a user name or password in it: those belong in an authentication
    configuration.
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
        raise NotAnEngine(f"“{shown}” is not the address of a server; give http(s)://host[:port].")
    if "@" in url:  # anywhere: a password may hold a slash or a question mark
        host = re.split("[:/?#]", url.rpartition("@")[2])[0]
        raise NotAnEngine(
            f"The address of {host} holds a user name or password; "
            "store them in an authentication configuration and give its id as AUTHCFG."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


class EngineClient:
    """The engine at ``url`` (path prefix allowed).

    Every method may raise :class:`Unreachable`, :class:`NotAllowed`, :class:`NotAnEngine`,
    :class:`ServerFault`, and :class:`Cancelled` when the transport's wait says so.
    """

    def __init__(
        self,
        url: str,
        transport: Transport | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.url = normalize_url(url)
        self.transport = transport or Transport()
        self._credentials = credentials
        self._logged_in = False
        self._login_wanted = False

    def engine_version(self) -> str:
        """Return the engine's version; says whether this is an engine at all.

        ``GET /v1/engine_version``.
        """
        try:
            text = self._get("engine_version").text().strip()
        except NotFound as error:
            raise NotAnEngine(self._wrong_address()) from error
        if not re.fullmatch(r"\d+\.\d+[\w.+-]*", text):
            raise NotAnEngine(
                f"{self.url} answers, but not as an OpenQuake engine; check the address."
            )
        return text

    def calculation(self, calculation_id: int) -> Calculation:
        """Return the calculation, or raise :class:`NotFound`. ``GET /v1/calc/N/status``."""
        try:
            row = self._json(self._get(f"calc/{calculation_id}/status"), dict)
        except NotFound as error:
            raise NotFound(
                f"Calculation {calculation_id} does not exist on {self.url} or is not yours to see."
            ) from error
        calculation = self._parse(lambda: Calculation.from_json(row))
        if calculation.id != calculation_id:
            raise NotAnEngine(
                f"{self.url} answered about calculation {calculation.id} when it was asked for "
                f"{calculation_id}."
            )
        return calculation

    def has_stopped(self, calculation_id: int) -> bool:
        """Tell whether the process of a calculation has recorded its end. ``GET /v1/calc/N``.

        The server marks a calculation as aborted before its process has ended.
        """
        try:
            row = self._json(self._get(f"calc/{calculation_id}"), dict)
        except (NotFound, NotAllowed):
            return False
        return row.get("stop_time") not in (None, "", "None")  # a text also where there is none

    def calculations(self, limit: int = 100, offset: int = 0, **filters: str) -> list[Calculation]:
        """Return a page of the calculations, newest first. ``GET /v1/calc/list``."""
        query = {"limit": str(limit), "offset": str(offset), **filters}
        rows = self._json(self._get("calc/list", query), list)
        return self._parse(lambda: [Calculation.from_json(row) for row in rows])

    def all_calculations(self, **filters: str) -> Iterator[Calculation]:
        """Yield all calculations that the user may see, newest first, page by page."""
        offset = 0
        seen: set[int] = set()
        while page := self.calculations(LIST_PAGE, offset, **filters):
            # calculations that start meanwhile push others onto the next page once more
            yield from (c for c in page if c.id not in seen)
            seen.update(c.id for c in page)
            offset += len(page)
            if len(page) < LIST_PAGE:
                return

    def remove(self, calculation_id: int) -> None:
        """Delete the calculation, its outputs, log and data. ``POST /v1/calc/N/remove``.

        Raises :class:`NotAllowed` with the engine's reason, as for calculations others build on,
        or where the server's mode leaves this out.
        """
        try:
            body = self._request("POST", f"calc/{calculation_id}/remove")
        except NotFound as error:
            self.calculation(calculation_id)  # raises where it is the calculation that is not there
            raise NotAllowed(
                f"{self.url} does not delete calculations (it is read-only)."
            ) from error
        if reason := self._json(body, dict).get("error"):
            raise NotAllowed(f"Calculation {calculation_id} was not deleted: {reason}")

    def outputs(self, calculation_id: int) -> list[Output]:
        """Return what the calculation produced, [] for nothing. ``GET /v1/calc/N/results``."""
        try:
            rows = self._json(self._get(f"calc/{calculation_id}/results"), list)
        except NotFound:  # the engine's way to say "none", whatever the reason
            return []
        return self._parse(lambda: [Output.from_json(row) for row in rows])

    def log(self, calculation_id: int, start: int = 0, count: int = LOG_PAGE) -> list[LogRecord]:
        """Return at most ``count`` log records from number ``start`` on, [] past the end.

        ``GET /v1/calc/N/log/A:B``; the log only grows, so ``start`` = records seen so far never
        loses or repeats one.
        """
        page = f"calc/{calculation_id}/log/{start}:{start + count}"
        rows = self._json(self._get(page), list)
        return self._parse(lambda: [LogRecord(*(str(cell) for cell in row[:4])) for row in rows])

    def whole_log(self, calculation_id: int) -> Iterator[LogRecord]:
        """Yield all log records written so far."""
        seen = 0
        while records := self.log(calculation_id, seen):
            yield from records
            seen += len(records)
            if len(records) < LOG_PAGE:
                return

    def traceback(self, calculation_id: int) -> list[str]:
        """Return the lines of the last error, [] if there is none. ``GET /v1/calc/N/traceback``."""
        lines = self._json(self._get(f"calc/{calculation_id}/traceback"), list)
        return [str(line) for line in lines]

    def submit(
        self,
        archive: Path,
        ini: str,
        hazard_calculation_id: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Upload an archive and start its calculation; return the id.

        ``POST /v1/calc/run``. The request is sent once and never repeated. Raises
        :class:`SubmissionRefused` with the engine's reason, :class:`SubmissionUnknown` when the
        connection broke after the upload began.
        """
        return self._start("calc/run", archive, ini, hazard_calculation_id, progress)

    def submit_on_server(self, ini: str, hazard_calculation_id: int | None = None) -> int:
        """Start the calculation of a job.ini on the server's own disk; return the id.

        ``POST /v1/calc/run_ini``. Raises as :meth:`submit`.
        """
        return self._start("calc/run_ini", None, ini, hazard_calculation_id, None)

    @property
    def sees_all(self) -> bool:
        """Whether the calculations of other users are listed too, as far as is known."""
        return not self._login_wanted

    def abilities(self) -> Abilities:
        """Return what this server lets this user do; nothing is changed.

        Endpoints that take a POST answer a GET with 405, and with 404 where the server's mode
        leaves them out. Raises :class:`NotAllowed` where a login is wanted and none is given.
        """
        version = self.engine_version()

        def takes(path: str) -> bool:
            try:
                self._get(path)
            except NotFound:
                return False
            except ServerFault as error:
                return error.http_status == 405
            return True

        return Abilities(
            version=version,
            user=self._credentials.user if self._credentials and self._login_wanted else "",
            may_run=takes("calc/run"),
            may_run_on_server=takes("calc/run_ini"),
            may_abort=takes("calc/0/abort"),
            may_delete=takes("calc/0/remove"),
        )

    def abort(self, calculation_id: int) -> str:
        """Ask the engine to abort; return "" if it accepted, else its reason for refusing.

        ``POST /v1/calc/N/abort``, which answers 200 also when it refuses. Raises
        :class:`NotAllowed` where the server's mode leaves this out.
        """
        try:
            body = self._request("POST", f"calc/{calculation_id}/abort")
        except NotFound as error:  # not for unknown calculations
            raise NotAllowed(
                f"{self.url} does not abort calculations (it is read-only)."
            ) from error
        answer = self._json(body, dict)
        return str(answer.get("error") or "")

    def export(
        self, output: Output, fmt: str, target: Path, progress: Progress | None = None
    ) -> Download:
        """Fetch an output in one of its formats into the file ``target``.

        ``GET /v1/calc/result/ID?export_type=FORMAT``. ``target`` exists only when it is whole.
        """
        if fmt not in output.formats:
            offered = ", ".join(output.formats) or "none"
            raise InvalidOutput(
                f"Output {output.id} ({output.name}) has no format “{fmt}”; it has: {offered}."
            )
        return self._download(f"calc/result/{output.id}", {"export_type": fmt}, target, progress)

    def extract(
        self,
        calculation_id: int,
        what: str,
        target: Path,
        query: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Download:
        """Fetch part of the datastore as npz into the file ``target``.

        ``GET /v1/calc/N/extract/WHAT``.
        """
        path = f"calc/{calculation_id}/extract/{what}"
        return self._download(path, dict(query or {}), target, progress)

    def datastore(
        self, calculation_id: int, target: Path, progress: Progress | None = None
    ) -> Download:
        """Fetch the whole datastore (HDF5) into the file ``target``.

        ``GET /v1/calc/N/datastore``.
        """
        return self._download(f"calc/{calculation_id}/datastore", {}, target, progress)

    def job_archive(
        self, calculation_id: int, target: Path, progress: Progress | None = None
    ) -> Download:
        """Fetch the job's input files as a zip into ``target``. ``GET /v1/calc/N/job_zip``.

        Raises :class:`InvalidOutput` where the server has none: engines before 3.24, and modes
        other than event based and scenario risk.
        """
        try:
            return self._download(f"calc/{calculation_id}/job_zip", {}, target, progress)
        except (NotFound, ServerFault) as error:
            raise InvalidOutput(
                f"The server does not give out the input files of calculation {calculation_id}."
            ) from error

    # --- how requests are made and answers judged

    @property
    def _timeout(self) -> float:
        """Seconds without a byte of an answer that is not computed first."""
        return self.transport.network.answer or API_TIMEOUT

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Body:
        return self._request("GET", path, query=query)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        data: Any = None,
    ) -> Body:
        def send() -> Body:
            return self.transport.fetch(
                method,
                f"{self.url}/v1/{path}",
                query=query,
                data=data,
                timeout=self._timeout,
                limit=MAX_ANSWER,
            )

        return self._judged(send, path)

    def _download(
        self, path: str, query: Mapping[str, str], target: Path, progress: Progress | None
    ) -> Download:
        def send() -> Body:
            return self.transport.fetch(
                "GET",
                f"{self.url}/v1/{path}",
                query=query,
                timeout=max(EXPORT_TIMEOUT, self.transport.network.answer or 0.0),
                limit=MAX_ANSWER,
                target=target,
                progress=progress,
            )

        for left in reversed(range(DOWNLOAD_TRIES)):
            try:
                body = self._judged(send, path)
                break
            except Interrupted as error:  # from scratch: the engine may compute it anew
                if not left:
                    raise Unreachable(
                        f"{str(error).rstrip('.')}, {DOWNLOAD_TRIES} times in a row."
                    ) from error
                self.transport.wait.pause(DOWNLOAD_AGAIN)
        if body.status != 200:  # only then there is a file
            raise ServerFault(
                f"{self.url} answered HTTP {body.status} in place of the file ({path}).",
                body.status,
            )
        name = Path(body.filename.replace("\\", "/")).name
        return Download(target, target.name if name in ("", "..") else name, body.size)

    def _judged(self, send: Callable[[], Body], path: str) -> Body:
        self._log_in_first()
        body = send()
        if self._credentials and self._wants_login(body):
            self._log_in(self._credentials)
            body = send()
        self._raise_for(body, path)
        return body

    def _raise_for(self, body: Body, path: str) -> None:
        status = body.status
        if status < 300:
            return
        if self._wants_login(body):
            if self._credentials:
                raise NotAllowed(
                    f"{self.url} knows you as “{self._credentials.user}” but does not permit this "
                    f"({path})."
                )
            raise NotAllowed(
                f"{self.url} wants a login; give an authentication configuration (AUTHCFG)."
            )
        if status < 400:
            raise self._redirected(body)
        if status == 401:
            raise NotAllowed(
                f"Not the engine at {self.url} but something before it (a proxy, a web server) "
                "wants a login (HTTP 401); check the proxy settings."
            )
        if status == 403:
            raise NotAllowed(f"{self.url} refuses: {body.error()}")
        if status == 404:
            raise NotFound(f"{self.url} has no {path.split('?', maxsplit=1)[0]}.")
        if status == 407:
            raise Unreachable("The proxy wants a login; check the proxy settings.")
        if status == 413:
            raise ServerFault(
                f"{self.url} does not accept an upload of this size (HTTP 413); "
                "its administrator can raise the limit.",
                413,
            )
        reason = body.error() or body.title() or "no reason given"
        raise ServerFault(f"{self.url} answered HTTP {status}: {reason}", status)

    def _redirected(self, body: Body) -> NotAnEngine:
        return NotAnEngine(
            f"{self.url} redirects to {body.location}; give that server's address instead."
        )

    def _wrong_address(self) -> str:
        parts = urlsplit(self.url)
        message = f"{self.url} is not the address of an OpenQuake engine (it answers 404)"
        if parts.path:
            root = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
            try:
                EngineClient(root, self.transport).engine_version()
            except Cancelled:
                raise
            except EngineError:
                pass
            else:
                return f"{message}; there is one at {root}."
        return f"{message}; an engine behind a path prefix needs it in the address."

    def _json(self, body: Body, kind: type) -> Any:
        try:
            value = json.loads(body.text())
        except (ValueError, RecursionError) as error:
            raise NotAnEngine(
                f"{self.url} answered something that is not JSON "
                f"(“{body.title() or body.first_line()}”); is it an OpenQuake engine?"
            ) from error
        if not isinstance(value, kind):
            raise NotAnEngine(f"{self.url} answered JSON of an unknown kind.")
        return value

    def _parse(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise NotAnEngine(
                f"{self.url} answered in a form that is not the engine's ({error!r})."
            ) from error

    # --- the one request that is never repeated

    def _start(
        self,
        path: str,
        archive: Path | None,
        ini: str,
        hazard_calculation_id: int | None,
        progress: Progress | None,
    ) -> int:
        self._check_login()
        fields = {"job_ini": ini}
        if hazard_calculation_id is not None:
            fields["hazard_job_id"] = str(hazard_calculation_id)
        upload = Upload(archive, fields)
        try:
            body = self.transport.fetch(
                "POST",
                f"{self.url}/v1/{path}",
                data=upload,
                headers=upload.headers,
                timeout=max(EXPORT_TIMEOUT, self.transport.network.answer or 0.0),
                limit=MAX_ANSWER,
                progress=progress,
            )
        except Cancelled as error:
            if upload.sent == 0:
                raise
            if upload.sent < len(upload):  # an archive without its end is none
                raise Cancelled(
                    "Cancelled by the user during the upload; nothing was submitted, though the "
                    "engine may list it as a failed calculation."
                ) from error
            raise SubmissionUnknown("Cancelled by the user after the whole job was sent") from error
        except Unreachable as error:
            if upload.sent == 0:
                raise
            raise SubmissionUnknown(
                f"The connection to {self.url} broke after the upload began ({error})"
            ) from error
        except Exception as error:  # an answer that was too long to be read, or anything of ours
            if upload.sent == 0:
                raise
            what = str(error) if isinstance(error, EngineError) else f"unexpected error {error!r}"
            raise SubmissionUnknown(
                f"The upload to {self.url} broke off ({what.rstrip('.')})"
            ) from error
        if body.status == 404:
            if archive is None and self.abilities().may_run:
                raise SubmissionRefused(
                    f"{self.url} does not run a job on its own disk (its engine is too old); "
                    "send the files with JOB."
                )
            raise SubmissionRefused(f"{self.url} does not accept calculations (it is read-only).")
        if body.status == 500 and (reason := body.error()):
            raise SubmissionRefused(reason, body.job_id())
        if body.status in (502, 503, 504):
            raise SubmissionUnknown(
                f"{self.url} answered HTTP {body.status} to the upload: it may have started"
            )
        self._raise_for(body, path)
        job_id = body.job_id()
        if job_id is None:
            raise SubmissionUnknown(f"{self.url} took the upload but answered without an id")
        return job_id

    # --- login

    def _wants_login(self, body: Body) -> bool:
        """Tell whether the answer means that we are not logged in, or have no permission.

        The engine says neither which of the two, nor anything but 403; under a path prefix of its
        own it sends those who are not logged in to its page for that instead.
        """
        if body.status == 302:
            there, here = urlsplit(body.location), urlsplit(self.url)
            same = there.hostname in (None, here.hostname)
            return same and there.path.endswith("/accounts/login/")
        return body.status == 403 and not body.error()

    def _log_in_first(self) -> None:
        if not self._logged_in:
            self._check_login()

    def _check_login(self) -> None:
        """Log in where the server does not know us, or not any more."""
        if self._credentials:
            body = self.transport.fetch(
                "GET", f"{self.url}/v1/engine_version", timeout=self._timeout, limit=MAX_ANSWER
            )
            if self._wants_login(body):
                self._log_in(self._credentials)
            self._logged_in = True

    def _log_in(self, credentials: Credentials) -> None:
        """``POST /accounts/ajax_login/``; the session's cookie answers from then on."""
        self._login_wanted = True
        # no dictionary: a traceback that shows variables would show it
        form = Upload(None, {"username": credentials.user, "password": credentials.password})
        body = self.transport.fetch(
            "POST",
            f"{self.url}/accounts/ajax_login/",
            data=form,
            headers=form.headers,
            timeout=self._timeout,
            limit=MAX_ANSWER,
        )
        if body.status == 404:
            raise NotAnEngine(
                f"{self.url} wants a login, but not as an OpenQuake engine does; check the address."
            )
        if body.status == 302:  # to the page for a login too: it is another engine's address then
            raise self._redirected(body)
        if body.status != 403:
            self._raise_for(body, "accounts/ajax_login/")
        else:
            raise NotAllowed(
                f"{self.url} does not accept the user “{credentials.user}” "
                "of the authentication configuration, or the password."
            )
        self._logged_in = True
