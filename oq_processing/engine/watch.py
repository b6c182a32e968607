"""Follow a calculation: its status, log and progress, until it ends; abort it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

from .calculation import ENDED_BADLY, QUEUED, Calculation, LogRecord
from .client import LIST_PAGE, LOG_PAGE, EngineClient
from .errors import (
    AbortNotConfirmed,
    CalculationFailed,
    Cancelled,
    ContactLost,
    EngineError,
    NotAnEngine,
    NotFound,
    ServerFault,
    SubmissionRefused,
    Unreachable,
)
from .progress import Progress

STATUS_EVERY = 1.0  # seconds between two looks at the status, for the first PATIENT_AFTER seconds
STATUS_AT_MOST = 5.0  # what it grows to
PATIENT_AFTER = 600.0
LOG_EVERY = 2.0
GIVE_UP_AFTER = 300.0  # seconds without an answer before we stop following
ABORT_WITHIN = 120.0  # seconds in which an abort must be confirmed
ABORT_AGAIN = 0.5  # seconds between two tries of an abort that the engine does not accept yet
# seconds with nothing ahead in the queue, into which a calculation looks every 15
STARTS_WITHIN = 20.0
ENDS_WITHIN = 20.0  # seconds in which the process of an aborted calculation records its end
# seconds since it was last seen queued: the engine ignores the signal while it starts its workers,
# and takes no second one
HEEDS_AFTER = 1.5
SILENT_AFTER = 60.0  # seconds of "executing" without any log line that are worth a note
# of a cluster: the engine lists the workers that did come within two minutes, and says no more
_WORKERS_MISSING = re.compile(r"TimeoutError: \[.*\]$")


@dataclass(frozen=True)
class Update:
    """What is new since the last one; ``note`` is our sentence about the connection."""

    calculation: Calculation
    records: tuple[LogRecord, ...] = ()
    percent: float = 0.0
    text: str = ""
    note: str = ""


@dataclass
class Identity:
    """What was last seen of a calculation; under its id there may be another one later."""

    last: Calculation | None = None

    def look(self, client: EngineClient, calculation_id: int) -> Calculation:
        """Return the calculation; raise :class:`NotFound` where its id is another one's now."""
        calculation = client.calculation(calculation_id)
        if self.last is not None and self.last.is_replaced_by(calculation):
            raise NotFound(
                f"Calculation {calculation_id} of {client.url} is another one now "
                f"({calculation.description}): the database of the server was replaced. "
                "What has become of the one before is not known."
            )
        self.last = calculation
        return calculation


def follow(
    client: EngineClient,
    calculation_id: int,
    give_up_after: float | None = None,
    identity: Identity | None = None,
) -> Iterator[Update]:
    """Yield updates until the calculation has ended; the last one carries the final status.

    Every log record comes once, in order; the rest of a long log comes in several updates with the
    final status. A server that does not answer is asked again for
    ``give_up_after`` seconds (default ``GIVE_UP_AFTER``); then :class:`ContactLost` says how to
    come back. Cancelling raises :class:`Cancelled`; the calculation goes on. ``identity`` is kept
    up to date; :class:`NotFound` where the id has become that of another calculation.
    """
    identity = identity or Identity()
    patience = GIVE_UP_AFTER if give_up_after is None else give_up_after
    wait = client.transport.wait
    start = time.monotonic()
    last_answer = start
    last_log = -LOG_EVERY
    executing_since: float | None = None
    seen = 0
    records: list[LogRecord] = []
    before: list[LogRecord] = []
    lost = silence_told = False
    progress: Progress | None = None
    calculation: Calculation | None = None
    while True:
        try:
            calculation = identity.look(client, calculation_id)
            now = time.monotonic()
            records = []
            waits = calculation.status in QUEUED  # it has no log yet
            if calculation.is_final or (not waits and now - last_log >= LOG_EVERY):
                last_log = now
                records = client.log(calculation_id, seen)
        except (Unreachable, ServerFault, NotAnEngine) as error:
            if calculation is None and isinstance(error, NotAnEngine):
                raise
            # an engine that we know and that answers nonsense has its proxy speak for it
            silent = time.monotonic() - last_answer
            if silent > patience:
                raise ContactLost(
                    f"Calculation {calculation_id}: the server has not answered for "
                    f"{silent:.0f} s, so we stop watching; the calculation may go on there. "
                    f"Come back to it with its id, {calculation_id}. ({error})"
                ) from error
            if not lost and calculation is not None:
                yield Update(
                    calculation,
                    percent=progress.percent if progress else 0.0,
                    text=progress.text if progress else "",
                    note=f"{str(error).rstrip('.')}. Trying again for {patience:.0f} s.",
                )
            lost = True
            wait.pause(min(STATUS_AT_MOST, max(STATUS_EVERY, silent / 4)))
            continue
        last_answer = time.monotonic()
        note = "The server answers again." if lost else ""
        lost = False
        seen += len(records)
        if progress is None:
            progress = Progress(calculation.mode)
        for record in records:
            progress.message(record.message)
        progress.status(calculation.status)  # after what led to it
        if calculation.status == "executing":
            executing_since = executing_since or now
            if not seen and not silence_told and now - executing_since > SILENT_AFTER:
                silence_told = True
                note = (
                    "The calculation is executing but has written no log line yet; "
                    "its workers may be out of reach."
                )
        yield Update(calculation, tuple(records), progress.percent, progress.text, note)
        if calculation.is_final:
            if len(records) < LOG_PAGE or records == before:  # it would answer the same for ever
                return
            before = records
            continue  # page by page: the log may be larger than the memory
        elapsed = now - start
        wait.pause(min(STATUS_AT_MOST, STATUS_EVERY * max(1.0, elapsed / PATIENT_AFTER)))


def failure_reason(client: EngineClient, calculation_id: int) -> str:
    """Return why a calculation failed: the last line of its traceback, else of its log."""
    reason = _last_line("\n".join(client.traceback(calculation_id)))
    if _WORKERS_MISSING.match(reason):
        return (
            f"{reason} (the cluster's workers did not start, or not all: "
            "see host_cores in the server's openquake.cfg)"
        )
    if reason:
        return reason
    last = ""
    for record in client.whole_log(calculation_id):
        if record.level in ("ERROR", "CRITICAL"):
            last = record.message
    return _last_line(last) or (
        "the engine gives no reason (a server that restarts marks running calculations as failed)"
    )


def bad_end(client: EngineClient, calculation: Calculation) -> tuple[str, str]:
    """Return "failed" or "aborted", and why, of a calculation that ended badly."""
    try:
        reason = failure_reason(client, calculation.id)
    except Cancelled:
        raise Cancelled(
            f"Calculation {calculation.id} {calculation.status}; "
            "cancelled by the user before the reason was read."
        ) from None
    except EngineError as error:
        reason = f"the reason cannot be read now: {error}"
    aborted = calculation.status == "aborted" or _was_aborted(reason)
    return "aborted" if aborted else "failed", reason.rstrip(".")


def check_succeeded(client: EngineClient, calculation: Calculation) -> None:
    """Raise :class:`CalculationFailed` with the engine's reason unless it ended well."""
    if calculation.status not in ENDED_BADLY:
        return
    word, reason = bad_end(client, calculation)
    raise CalculationFailed(
        f"Calculation {calculation.id} {word}: {reason}. "
        "The whole log: algorithm Get Log (openquake:getlog).",
        calculation.id,
        word,
    )


def refusal(error: SubmissionRefused) -> str:
    """Return the sentence for a submission that the engine refused."""
    if error.calculation_id is None:
        return f"The engine refused the job: {error}"
    return (
        f"Calculation {error.calculation_id} failed: the engine refused the job: {error} "
        "(it stays in the server's list as failed)."
    )


def _unheard(text: str) -> None:
    """Say nothing."""


def abort(
    client: EngineClient,
    calculation_id: int,
    identity: Identity | None = None,
    say: Callable[[str], None] = _unheard,
) -> str:
    """Abort a calculation and return its true final status: ``aborted``, or what it ended as.

    The engine refuses while the calculation is being created, so it is asked again until it agrees
    or the calculation has ended; a confirmed abort ends as ``failed`` with *MasterKilled*, which is
    reported as ``aborted``. One that was queued may be marked as aborted and start in spite of that
    (where the server was started with SIGINT ignored, as in the background of a script): unless
    its process has recorded its end, it is watched until nothing has been ahead of it for
    ``STARTS_WITHIN`` seconds, and aborted again where it starts. ``say`` gets what is waited for.

    Raises :class:`AbortNotConfirmed` after ``ABORT_WITHIN`` seconds, and :class:`NotFound` where
    the id has become that of another calculation, which is not aborted.
    """
    wait = client.transport.wait
    identity = identity or Identity()
    end = time.monotonic() + ABORT_WITHIN
    accepted, refusal_text = "", ""  # the status in which the abort was accepted
    accepted_at = 0.0
    heeds_at = 0.0
    queue: _Queue | None = None
    while True:
        try:
            calculation = identity.look(client, calculation_id)
            status = calculation.status
            if status in QUEUED:
                heeds_at = time.monotonic() + HEEDS_AFTER
            marked = is_only_marked(client, calculation)
            if marked and accepted == "executing" and time.monotonic() - accepted_at < ENDS_WITHIN:
                pass  # in its first moment it does not heed the signal, and may become complete
            elif marked and accepted != "executing":
                queue = queue or _Queue(calculation_id, say)
                if queue.is_passed(client):
                    return "aborted"
            elif calculation.is_final:
                killed = bool(accepted) and status in ENDED_BADLY
                if not killed and status == "failed":
                    reason = failure_reason(client, calculation_id)
                    killed = _was_aborted(reason)
                return "aborted" if killed else status
            elif status == "executing" and (queue is not None or accepted in QUEUED):
                say(f"Calculation {calculation_id} has started nevertheless; aborting it again")
                queue, accepted = None, ""
            elif not accepted and _heeds(status, heeds_at):
                refusal_text = client.abort(calculation_id)
                accepted, accepted_at = "" if refusal_text else status, time.monotonic()
        except (Unreachable, ServerFault, NotAnEngine) as error:
            refusal_text = str(error)
        if time.monotonic() > end:
            if queue is not None:
                raise AbortNotConfirmed(queue.warning())
            state = "accepted the abort but has not ended it" if accepted else "refuses to abort it"
            detail = f" ({refusal_text})" if refusal_text else ""
            raise AbortNotConfirmed(
                f"Calculation {calculation_id} goes on: within {ABORT_WITHIN:.0f} s the engine "
                f"{state}{detail}."
            )
        wait.pause(STATUS_EVERY if accepted else ABORT_AGAIN)


def _heeds(status: str, heeds_at: float) -> bool:
    """Return whether the signal of an abort would be heeded by a calculation of that status."""
    return status == "submitted" or (status == "executing" and time.monotonic() >= heeds_at)


def is_only_marked(client: EngineClient, calculation: Calculation) -> bool:
    """Return whether it is called aborted, but may start still: its process has not ended."""
    return calculation.status == "aborted" and not client.has_stopped(calculation.id)


class _Queue:
    """What is ahead of a queued calculation that is only marked as aborted."""

    def __init__(self, calculation_id: int, say: Callable[[str], None]) -> None:
        self._id = calculation_id
        self._say = say
        self._ahead: list[int] | None = None
        self._free_since = 0.0

    def is_passed(self, client: EngineClient) -> bool:
        """Look; return whether its turn has come and gone, so that it does not start any more."""
        running = client.calculations(limit=LIST_PAGE, is_running="true")
        waits_for = ("submitted", "executing")  # the engine's rule
        ahead = sorted(
            c.id for c in running if c.id < self._id and c.is_running and c.status in waits_for
        )
        if ahead != self._ahead:
            self._ahead, self._free_since = ahead, time.monotonic()
            known = not ahead and client.sees_all
            so_long = f"{STARTS_WITHIN:.0f}" if known else f"at most {ABORT_WITHIN:.0f}"
            self._say(f"{self._state()}; waiting {so_long} s to see whether it does")
        return (
            not ahead
            and client.sees_all
            and time.monotonic() - self._free_since > STARTS_WITHIN
            and not client.log(self._id, 0, 1)  # else it has started and ends in a moment
        )

    def warning(self) -> str:
        """Return the sentence for an abort of which the end could not be awaited."""
        return f"{self._state()}; run Abort Calculation again."

    def _state(self) -> str:
        ids = self._ahead or []
        first = f" when calculation{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"
        when = f"{first} end{'' if len(ids) > 1 else 's'}" if ids else ""
        return f"Calculation {self._id} is aborted, but was queued and may still start{when}"


def _was_aborted(reason: str) -> bool:
    # the same exception tells of a worker that was killed, as by a system without memory
    return reason.startswith("MasterKilled") and "killed manually" in reason


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
