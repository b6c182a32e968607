"""The engine's HTTP API as Python: one method per endpoint, dataclasses out, one exception tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .abilities import Abilities
from .calculation import Calculation, LogRecord, Output
from .errors import (
    Cancelled,
    EngineError,
    Explained,
    InvalidOutput,
    NotAllowed,
    NotAnEngine,
    NotFound,
    ServerFault,
    SubmissionRefused,
    SubmissionUnknown,
    Unreachable,
)
from .http.multipart import Upload
from .http.transport import Transport
from .server import Credentials, Download, OnProgress, Server

LIST_PAGE = 1_000
LOG_PAGE = 10_000  # records of a log fetched in one request
MOST_CALCULATIONS = 2_000_000  # of a list


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
        self.transport = transport or Transport()
        self._server = Server(url, self.transport, credentials)
        self.url = self._server.url

    def engine_version(self) -> str:
        """Return the engine's version; says whether this is an engine at all.

        ``GET /v1/engine_version``.
        """
        try:
            text = self._server.ask("GET", "engine_version").text().strip()
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
            row = self._server.get(f"calc/{calculation_id}/status", dict)
        except NotFound as error:
            raise NotFound(
                f"Calculation {calculation_id} does not exist on {self.url} or is not yours to see."
            ) from error
        calculation = self._server.parse(lambda: Calculation.from_json(row))
        if calculation.id != calculation_id:
            raise NotAnEngine(
                f"{self.url} answered about calculation {calculation.id} when it was asked for "
                f"{calculation_id}."
            )
        return calculation

    def has_stopped(self, calculation_id: int) -> bool:
        """Return whether the process of a calculation has recorded its end. ``GET /v1/calc/N``.

        The server marks a calculation as aborted before its process has ended.
        """
        try:
            row = self._server.get(f"calc/{calculation_id}", dict)
        except (NotFound, NotAllowed):
            return False
        return row.get("stop_time") not in (None, "", "None")  # a text also where there is none

    def calculations(self, limit: int = 100, offset: int = 0, **filters: str) -> list[Calculation]:
        """Return a page of the calculations, newest first. ``GET /v1/calc/list``."""
        query = {"limit": str(limit), "offset": str(offset), **filters}
        rows = self._server.get("calc/list", list, query)
        return self._server.parse(lambda: [Calculation.from_json(row) for row in rows])

    def all_calculations(self, **filters: str) -> Iterator[Calculation]:
        """Yield all calculations that the user may see, newest first, page by page."""
        offset = 0
        seen: set[int] = set()
        while page := self.calculations(LIST_PAGE, offset, **filters):
            # calculations that start meanwhile push others onto the next page again
            new = [c for c in page if c.id not in seen]
            yield from new
            seen.update(c.id for c in new)
            offset += len(page)
            if len(page) < LIST_PAGE or not new:  # it would answer the same page for ever
                return
            if len(seen) > MOST_CALCULATIONS:
                raise NotAnEngine(f"{self.url} lists more than {MOST_CALCULATIONS:,} calculations.")

    def remove(self, calculation_id: int) -> None:
        """Delete the calculation, its outputs, log and data. ``POST /v1/calc/N/remove``.

        Raises :class:`NotAllowed` with the engine's reason, as for calculations others build on,
        or where the server's mode leaves this out.
        """
        try:
            answer = self._server.ask("POST", f"calc/{calculation_id}/remove")
        except NotFound as error:
            self.calculation(calculation_id)  # raises where it is the calculation that is not there
            raise NotAllowed(
                f"{self.url} does not delete calculations (it is read-only)."
            ) from error
        if reason := self._server.read_json(answer, dict).get("error"):
            raise NotAllowed(f"Calculation {calculation_id} was not deleted: {reason}")

    def outputs(self, calculation_id: int) -> list[Output]:
        """Return what the calculation produced, [] for nothing. ``GET /v1/calc/N/results``."""
        try:
            rows = self._server.get(f"calc/{calculation_id}/results", list)
        except NotFound:  # the engine's way to say "none", whatever the reason
            return []
        return self._server.parse(lambda: [Output.from_json(row) for row in rows])

    def log(self, calculation_id: int, start: int = 0, count: int = LOG_PAGE) -> list[LogRecord]:
        """Return at most ``count`` log records from number ``start`` on, [] past the end.

        ``GET /v1/calc/N/log/A:B``; the log only grows, so ``start`` = records seen so far never
        loses or repeats one.
        """
        page = f"calc/{calculation_id}/log/{start}:{start + count}"
        rows = self._server.get(page, list)
        return self._server.parse(
            lambda: [LogRecord(*(str(cell) for cell in row[:4])) for row in rows]
        )

    def whole_log(self, calculation_id: int) -> Iterator[LogRecord]:
        """Yield all log records written so far."""
        seen = 0
        before: list[LogRecord] = []
        while records := self.log(calculation_id, seen):
            if records == before:
                raise NotAnEngine(f"{self.url} sends the same part of the log again and again.")
            yield from records
            before = records
            seen += len(records)
            if len(records) < LOG_PAGE:
                return

    def traceback(self, calculation_id: int) -> list[str]:
        """Return the lines of the last error, [] if there is none. ``GET /v1/calc/N/traceback``."""
        lines = self._server.get(f"calc/{calculation_id}/traceback", list)
        return [str(line) for line in lines]

    def submit(
        self,
        archive: Path,
        ini: str,
        hazard_calculation_id: int | None = None,
        progress: OnProgress | None = None,
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
        return not self._server.requires_login

    def abilities(self) -> Abilities:
        """Return what this server lets this user do; nothing is changed.

        Endpoints that take a POST answer a GET with 405, and with 404 where the server's mode
        leaves them out. Raises :class:`NotAllowed` where a login is wanted and none is given.
        """
        version = self.engine_version()

        def takes(path: str) -> bool:
            try:
                self._server.ask("GET", path)
            except NotFound:
                return False
            except ServerFault as error:
                return error.http_status == 405
            return True

        return Abilities(
            version=version,
            user=self._server.user,
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
            answer = self._server.ask("POST", f"calc/{calculation_id}/abort")
        except NotFound as error:  # not for unknown calculations
            raise NotAllowed(
                f"{self.url} does not abort calculations (it is read-only)."
            ) from error
        return str(self._server.read_json(answer, dict).get("error") or "")

    def export(
        self, output: Output, fmt: str, target: Path, progress: OnProgress | None = None
    ) -> Download:
        """Fetch an output in one of its formats into the file ``target``.

        ``GET /v1/calc/result/ID?export_type=FORMAT``. ``target`` exists only when it is whole.
        """
        if fmt not in output.formats:
            offered = ", ".join(output.formats) or "none"
            raise InvalidOutput(
                f"Output {output.id} ({output.name}) has no format “{fmt}”; it has: {offered}."
            )
        return self._server.download(
            f"calc/result/{output.id}", {"export_type": fmt}, target, progress
        )

    def extract(
        self,
        calculation_id: int,
        what: str,
        target: Path,
        query: Mapping[str, str] | None = None,
        progress: OnProgress | None = None,
    ) -> Download:
        """Fetch part of the datastore as npz into the file ``target``.

        ``GET /v1/calc/N/extract/WHAT``.
        """
        path = f"calc/{calculation_id}/extract/{what}"
        return self._server.download(path, dict(query or {}), target, progress)

    def datastore(
        self, calculation_id: int, target: Path, progress: OnProgress | None = None
    ) -> Download:
        """Fetch the whole datastore (HDF5) into the file ``target``.

        ``GET /v1/calc/N/datastore``.
        """
        return self._server.download(f"calc/{calculation_id}/datastore", {}, target, progress)

    def job_archive(
        self, calculation_id: int, target: Path, progress: OnProgress | None = None
    ) -> Download:
        """Fetch the job's input files as a zip into ``target``. ``GET /v1/calc/N/job_zip``.

        Raises :class:`InvalidOutput` where the server has none: engines before 3.24, and modes
        other than event based and scenario risk.
        """
        try:
            return self._server.download(f"calc/{calculation_id}/job_zip", {}, target, progress)
        except (NotFound, ServerFault) as error:
            raise InvalidOutput(
                f"The server does not give out the input files of calculation {calculation_id}."
            ) from error

    def _start(
        self,
        path: str,
        archive: Path | None,
        ini: str,
        hazard_calculation_id: int | None,
        progress: OnProgress | None,
    ) -> int:
        self._server.check_login()
        fields = {"job_ini": ini}
        if hazard_calculation_id is not None:
            fields["hazard_job_id"] = str(hazard_calculation_id)
        upload = Upload(archive, fields)
        try:
            answer = self._server.post_once(path, upload, progress)
        except Exception as error:
            if upload.sent == 0:
                raise
            raise self._broken_off(upload, error) from error
        if answer.status == 404:
            if archive is None and self.abilities().may_run:
                raise SubmissionRefused(
                    f"{self.url} does not run a job on its own disk (its engine is too old); "
                    "send the files with JOB."
                )
            raise SubmissionRefused(f"{self.url} does not accept calculations (it is read-only).")
        if answer.status == 500 and (reason := answer.error()):
            raise SubmissionRefused(reason, answer.job_id())
        if answer.status in (502, 503, 504):
            raise SubmissionUnknown(
                f"{self.url} answered HTTP {answer.status} to the upload: it may have started"
            )
        self._server.raise_for(answer, path)
        job_id = answer.job_id()
        if job_id is None:
            raise SubmissionUnknown(f"{self.url} took the upload but answered without an id")
        return job_id

    def _broken_off(self, upload: Upload, error: Exception) -> Explained:
        """Return what it means that an upload ended with this error after it had begun."""
        if isinstance(error, Cancelled):
            if upload.sent < len(upload):  # an archive without its end cannot be read
                return Cancelled(
                    "Cancelled by the user during the upload; nothing was submitted, though the "
                    "engine may list it as a failed calculation."
                )
            return SubmissionUnknown("Cancelled by the user after the whole job was sent")
        if isinstance(error, Unreachable):
            return SubmissionUnknown(
                f"The connection to {self.url} broke after the upload began ({error})"
            )
        what = str(error)
        if not isinstance(error, EngineError):  # a fault of our own
            what = f"unexpected error {error!r}"
        return SubmissionUnknown(f"The upload to {self.url} broke off ({what.rstrip('.')})")

    def _wrong_address(self) -> str:
        parts = urlsplit(self.url)
        message = f"{self.url} is not the address of an OpenQuake engine (it answers 404)"
        if parts.path:
            root = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
            try:
                EngineClient(root, self.transport).engine_version()
            except EngineError:
                pass
            else:
                return f"{message}; there is one at {root}."
        return f"{message}; an engine behind a path prefix needs it in the address."
