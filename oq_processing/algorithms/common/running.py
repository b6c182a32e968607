"""The steps that running algorithms share: submit, follow, abort on cancel, tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qgis.core import QgsProcessing

from ... import settings
from ...engine.calculation import SUCCEEDED, WAITING_TO_START, Calculation, LogRecord
from ...engine.client import EngineClient
from ...engine.errors import (
    CalculationFailed,
    Cancelled,
    EngineError,
    ServerFault,
    SubmissionRefused,
    SubmissionUnknown,
    Unreachable,
)
from ...engine.files import SUFFIX, part_of, resolved
from ...engine.wait import Wait
from ...engine.watch import Identity, abort, check_succeeded, follow, refusal
from .guard import internal_error
from .parameters import CALCULATION_ID, SERVER, InvalidParameter, read_path, read_text
from .reporter import Reporter, SecondInterrupt, serve_events

if TYPE_CHECKING:
    from ...engine.job import package as job

PACK = 0.03  # share of a run that packing and uploading take in the progress
UPLOAD = 0.05
LOOK_WITHIN = 10.0  # seconds for looking whether a submission that broke off has started
NO_DESCRIPTION = "no description"  # what the engine calls a calculation without one
UNKNOWN = "submitted, state unknown:"


@dataclass
class Known:
    """The calculation that errors have to name, 0 for none yet, and what they say of it."""

    calculation_id: int = 0
    state: str = UNKNOWN


@contextmanager
def naming(calculation_id: int = 0, state: str = UNKNOWN) -> Iterator[Known]:
    """Name the calculation in the sentence that anything that breaks in the block ends with.

    The block enters the id when it has submitted one.
    """
    known = Known(calculation_id, state)
    try:
        yield known
    except (CalculationFailed, Cancelled, SubmissionUnknown):
        raise  # they name it
    except Exception as error:
        begin = f"Calculation {known.calculation_id}"
        expected = isinstance(error, EngineError)
        reason = str(error) if expected else internal_error("the plugin", error)
        named = known.state != UNKNOWN and reason.startswith(begin)
        if named or not known.calculation_id:
            raise
        raise EngineError(f"{begin} {known.state} {reason}") from error


class LogFile:
    """The whole log in a file, which appears under its name only when it is complete.

    A log that broke off stays beside it as ``kept``, with ``.part`` at the end of its name.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._target = self._part = path or Path()
        self.problem = ""
        self._file: IO[str] | None = None
        self._seen: dict[int, int] = {}
        self._whole = False

    @property
    def kept(self) -> Path:
        """Where a log stays that broke off."""
        return self._target.with_name(self._target.name + SUFFIX)

    def __enter__(self) -> LogFile:
        if self.path is not None:
            if self.path.is_dir():
                raise EngineError(f"The log file {self.path} cannot be written (it is a folder).")
            try:
                self._target = resolved(self.path)
                # several runs may be given the same file
                self._part = part_of(self._target)
                # what cannot be encoded must not end a run
                self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise EngineError(
                    f"The log file {self.path} cannot be written ({error.strerror})."
                ) from error
        return self

    def __exit__(self, *_) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or self._problem(error)
        whole = self._whole and not self.problem
        try:
            if whole or self._seen:
                self._part.replace(self._target if whole else self.kept)
            else:
                self._part.unlink(missing_ok=True)
        except OSError as error:
            self.problem = self.problem or self._problem(error)

    def write(self, calculation_id: int, records: Sequence[LogRecord]) -> None:
        """Append records; a full disk is kept in ``problem`` and does not stop the calculation."""
        if self._file is None:
            return
        self._whole = False
        self._seen[calculation_id] = self._seen.get(calculation_id, 0) + len(records)
        if self.problem:
            return
        try:
            self._file.writelines(f"{record}\n" for record in records)
        except OSError as error:
            self.problem = self._problem(error)

    def _problem(self, error: OSError) -> str:
        return f"the log file {self.path} could not be written ({error.strerror})"

    def finish(self, client: EngineClient, calculation_id: int) -> None:
        """Append what the calculation has logged since; the log is whole then."""
        if self._file is None:
            return
        while records := client.log(calculation_id, self._seen.get(calculation_id, 0)):
            self.write(calculation_id, records)
        self.whole()

    def check(self) -> None:
        """Raise :class:`EngineError` where the log is not in the file."""
        if self.problem:
            raise EngineError(f"{self.problem}.")

    def whole(self) -> None:
        """Say that nothing is missing, so that the file may appear under its name."""
        self._whole = True


def read_log(algorithm, parameters: dict, name: str, context) -> Path | None:
    """Return where the log is to go, None for nowhere; QGIS names temporary files itself."""
    if read_text(algorithm, parameters, name, context) == QgsProcessing.TEMPORARY_OUTPUT:
        return Path(algorithm.parameterAsFileOutput(parameters, name, context))
    return read_path(algorithm, parameters, name, context)


def submit_package(
    client: EngineClient,
    report: Reporter,
    package: job.JobPackage,
    hazard_id: int | None,
    folder: Path,
    begin: float,
    end: float,
    known: Known,
) -> None:
    """Pack and upload one job between two points of the progress; enter its calculation."""
    for warning in package.warnings:
        report.warn(warning)
    files = ", ".join(member.name for member in package.members)
    report.info(f"Job {package.ini}: {len(package.members)} files ({files})")
    if hazard_id is None and package.hazard_calculation_id is not None:
        hazard_id = package.hazard_calculation_id
        report.info(f"Based on calculation {hazard_id}, as the .ini says")
    for name, value in package.overrides.items():
        report.info(f"Changed: {name} = {value}")
    if hazard_id is not None:
        check_hazard(client, hazard_id)
    packed = begin + (end - begin) * PACK / UPLOAD
    # a zip that needs no change goes up as it is
    archive = package.archive or _pack(report, package, folder, begin, packed)
    report.phase("Uploading the job")

    def upload() -> int:
        ini = package.ini.rpartition("/")[2]
        return client.submit(archive, ini, hazard_id, report.span(packed, end))

    _submitted(client, report, upload, package.description or NO_DESCRIPTION, known)
    settings.remember_overrides(client.url, known.calculation_id, package.overrides)


def _pack(
    report: Reporter, package: job.JobPackage, folder: Path, begin: float, end: float
) -> Path:
    from ...engine.job import package as job

    report.phase("Packing the job")
    packed = report.span(begin, end)

    def packing(done: int, total: int) -> None:
        report.wait.check()
        packed(done, total)

    archive = folder / "job.zip"
    try:
        job.write_archive(package, archive, packing)
    except OSError as error:
        raise EngineError(f"The job cannot be packed in {folder} ({error.strerror}).") from error
    return archive


def check_hazard(client: EngineClient, calculation_id: int) -> Calculation:
    """Return the calculation to build on; it must exist and have ended well."""
    calculation = client.calculation(calculation_id)
    if not calculation.is_final:
        raise InvalidParameter(
            f"Calculation {calculation_id} is {calculation.status}; wait until it is complete."
        )
    if not calculation.succeeded:
        raise InvalidParameter(
            f"Calculation {calculation_id} is {calculation.status}; nothing can be based on it."
        )
    return calculation


def start_on_server(client: EngineClient, report: Reporter, request, known: Known) -> None:
    """Start a job that is on the server's disk; enter its calculation."""
    if request.hazard_calculation_id is not None:
        check_hazard(client, request.hazard_calculation_id)
    report.phase("Submitting the job")
    _submitted(
        client,
        report,
        lambda: client.submit_on_server(request.job_on_server, request.hazard_calculation_id),
        None,
        known,
    )


def _submitted(
    client: EngineClient,
    report: Reporter,
    submit: Callable[[], int],
    description: str | None,
    known: Known,
) -> None:
    """Submit once and enter the id, or raise with all that is known of what may have started."""
    newest = client.calculations(limit=1)
    try:
        known.calculation_id = submit()
    except SubmissionRefused as error:
        raise _refused(error) from error
    except SubmissionUnknown as error:
        what = str(error).rstrip(".")
        try:
            report.info(f"{what}; looking whether the calculation has started")
            found = _look(client, description, newest[0].id if newest else 0)
        except Exception:  # the submission is what must be reported
            found = "Look for it in the server's list before you try again."
        raise SubmissionUnknown(f"Calculation submitted, state unknown: {what}. {found}") from error
    known.state = UNKNOWN
    report.info(f"Calculation {known.calculation_id} submitted to {client.url}")


def _refused(error: SubmissionRefused) -> EngineError:
    if error.calculation_id is None:
        return SubmissionRefused(refusal(error))
    return CalculationFailed(refusal(error), error.calculation_id, "failed")


def _look(client: EngineClient, description: str | None, newest: int) -> str:
    """Say which calculation may be the one whose submission broke off; attach to none.

    ``description`` None stands for any.
    """
    end = time.monotonic() + LOOK_WITHIN
    wait = client.transport.wait
    # not until the user cancels: that may be what broke the submission off
    client.transport.wait = Wait(lambda: time.monotonic() > end, serve_events)
    try:
        rows = client.calculations(limit=20)
    finally:
        client.transport.wait = wait
    likely = (description, WAITING_TO_START)
    since = [
        f"{c.id} ({c.status})"
        for c in rows
        if c.id > newest and (description is None or c.description in likely)
    ]
    if since:
        return f"It may be calculation {', '.join(since)}, which is new. Nothing was repeated."
    return (
        "No such calculation has appeared on the server so far; "
        "look at its list before you try again."
    )


def watch_own(
    client: EngineClient,
    report: Reporter,
    request,
    calculation_id: int,
    log: LogFile,
    begin: float,
    end: float,
) -> str:
    """Follow a calculation that this run started and return its final status.

    Returns ``submitted`` at once where the user does not want to wait. Cancel aborts it.
    """
    if not request.wait:
        report.info(f"Calculation {calculation_id} goes on; its id brings you back to it.")
        return "submitted"
    identity = Identity()
    try:
        return watch(client, report, calculation_id, log, begin, end, identity)
    except Cancelled:
        raise Cancelled(_abort(client, report, calculation_id, log, identity)) from None


def watch(
    client: EngineClient,
    report: Reporter,
    calculation_id: int,
    log: LogFile,
    begin: float = 0.0,
    end: float = 100.0,
    identity: Identity | None = None,
) -> str:
    """Follow any calculation and return its final status.

    Shows status, progress and log lines; Cancel raises :class:`Cancelled` and leaves the
    calculation alone.
    """
    rest = f"the whole log: algorithm Get Log, calculation {calculation_id}."
    status = "submitted"
    for update in follow(client, calculation_id, identity=identity):
        log.write(calculation_id, update.records)
        report.records(update.records, rest)
        if update.note:
            report.warn(update.note)
        report.phase(f"Calculation {calculation_id}: {update.text}")
        report.progress(begin + (end - begin) * update.percent / 100)
        status = update.calculation.status
    log.finish(client, calculation_id)
    return status


def _abort(
    client: EngineClient,
    report: Reporter,
    calculation_id: int,
    log: LogFile,
    identity: Identity,
) -> str:
    """Abort what this run started and return the sentence to end with."""
    report.info(
        f"Cancelled: aborting calculation {calculation_id}. "
        "Ctrl-C again leaves at once, and the calculation may go on."
    )
    with SecondInterrupt() as second:
        client.transport.wait = Wait(lambda: second.pressed, serve_events)
        try:
            status = abort(client, calculation_id, identity, report.info)
            with suppress(Unreachable, ServerFault):  # the abort is what matters
                log.finish(client, calculation_id)
        except Cancelled:
            return f"Calculation {calculation_id} was left while being aborted; it may go on."
        except EngineError as error:
            if str(error).startswith(f"Calculation {calculation_id} "):
                return str(error)
            return f"Calculation {calculation_id} could not be aborted: {error}"
    if status == "aborted":
        return f"Calculation {calculation_id} aborted: cancelled by the user."
    return f"Calculation {calculation_id} had ended ({status}) before it could be aborted."


def outcome(
    client: EngineClient, known: Known, status: str, fail_on_failed: bool, log: LogFile
) -> dict[str, object]:
    """Return the outputs of a run, or raise :class:`CalculationFailed` with the engine's reason.

    Raises too where the log is not whole, for :func:`naming` to complete.
    """
    calculation_id = known.calculation_id
    word = "complete" if status in SUCCEEDED else status
    try:
        check_succeeded(client, Calculation(calculation_id, "", "", status))
    except CalculationFailed as error:
        if fail_on_failed:
            raise
        word = error.status
    known.state = f"{word}, but"
    log.check()
    return {CALCULATION_ID: calculation_id, "STATUS": word, SERVER: client.url}
