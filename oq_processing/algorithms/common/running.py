"""The steps that running algorithms share: submit, follow, abort on cancel, report the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import settings
from ...diagnostics import internal_error
from ...engine.calculation import SUCCEEDED, WAITING_TO_START, Calculation
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
from ...engine.wait import Wait
from ...engine.watch import Identity, abort, check_succeeded, follow, refusal
from .log_file import LogFile
from .parameters import CALCULATION_ID, LOG, SERVER, STATUS
from .reporter import Reporter, SecondInterrupt, serve_events
from .run import Results, Run
from .values import InvalidParameter

if TYPE_CHECKING:
    from ...engine.job.package import JobPackage
    from ..runcalculation import RunRequest

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


def submit_package(
    run: Run[Any],
    known: Known,
    package: JobPackage,
    hazard_id: int | None,
    folder: Path,
    span: tuple[float, float],
) -> None:
    """Pack and upload one job between two points of the progress; enter its calculation."""
    client, report = run.client, run.report
    for warning in package.warnings:
        report.warn(warning)
    for note in package.notes:
        report.info(note)
    files = ", ".join(member.name for member in package.members)
    report.info(f"Job {package.ini}: {len(package.members)} files ({files})")
    if hazard_id is None and package.hazard_calculation_id is not None:
        hazard_id = package.hazard_calculation_id
        report.info(f"Based on calculation {hazard_id}, as the .ini says")
    for name, value in package.overrides.items():
        report.info(f"Changed: {name} = {value}" if value else f"Removed: {name}")
    if hazard_id is not None:
        check_hazard(client, hazard_id)
    else:  # else the sites are those of the hazard calculation
        for warning in package.sites_dropped:
            report.warn(warning)
        for note in package.sites_associated:
            report.info(note)
    begin, end = span
    packed = begin + (end - begin) * PACK / UPLOAD
    # a zip that needs no change goes up unchanged
    archive = package.archive or _pack(report, package, folder, begin, packed)
    report.phase("Uploading the job")

    def upload() -> int:
        ini = package.ini.rpartition("/")[2]
        return client.submit(archive, ini, hazard_id, report.span(packed, end))

    _submitted(run, known, upload, package.description or NO_DESCRIPTION)
    _remember(run, Calculation(known.calculation_id, "", "", "created"), package.overrides)
    if package.overrides:
        with suppress(EngineError):  # what it is known by, also where nobody waits for its end
            _remember(run, client.calculation(known.calculation_id), package.overrides)


def _remember(run: Run[Any], calculation: Calculation, overrides: dict[str, str]) -> None:
    """Remember what a run has changed in the job; the run goes on where that cannot be stored."""
    try:
        if overrides:
            settings.remember_overrides(run.client.url, calculation, overrides)
    except EngineError as error:
        run.report.warn(
            f"Layers of calculation {calculation.id} will not show the changed parameters: {error}"
        )


def _pack(report: Reporter, package: JobPackage, folder: Path, begin: float, end: float) -> Path:
    from ...engine.job import package as job

    report.phase("Packing the job")
    packed = report.span(begin, end)

    def packing(done: int, total: int) -> None:
        report.check()
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


def start_on_server(run: Run[Any], known: Known, job: str, hazard_id: int | None) -> None:
    """Start a job that is on the server's disk; enter its calculation."""
    if hazard_id is not None:
        check_hazard(run.client, hazard_id)
    run.report.phase("Submitting the job")
    _submitted(run, known, lambda: run.client.submit_on_server(job, hazard_id), None)


def _submitted(
    run: Run[Any], known: Known, submit: Callable[[], int], description: str | None
) -> None:
    """Submit once and enter the id, or raise with all that is known of what may have started."""
    client, report = run.client, run.report
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
    try:
        settings.forget(client.url, known.calculation_id)
    except EngineError as error:
        report.warn(f"What is kept for an earlier calculation of this id stays: {error}")
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
    run: Run[RunRequest], calculation_id: int, log: LogFile, begin: float, end: float
) -> str:
    """Follow a calculation that this run started and return its final status.

    Returns ``submitted`` at once where the user does not want to wait. Cancel aborts it.
    """
    if not run.request.wait:
        run.report.info(f"Calculation {calculation_id} goes on; its id brings you back to it.")
        return "submitted"
    identity = Identity()
    try:
        status = watch(run.client, run.report, calculation_id, log, begin, end, identity)
    except Cancelled:
        raise Cancelled(_abort(run.client, run.report, calculation_id, log, identity)) from None
    finally:
        if identity.last is not None:  # by which it is known again
            _remember(run, identity.last, settings.overrides_of(run.client.url, identity.last))
    return status


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
    client: EngineClient, report: Reporter, calculation_id: int, log: LogFile, identity: Identity
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
) -> Results:
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
    results: Results = {CALCULATION_ID: calculation_id, STATUS: word, SERVER: client.url}
    if log.path is not None:
        results[LOG] = str(log.path)
    return results
