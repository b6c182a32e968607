"""What the engine tells of a calculation, its outputs and its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

QUEUED = frozenset({"created", "submitted"})
SUCCEEDED = frozenset({"complete", "shared"})
"""``shared`` is a complete calculation that its owner shows to others."""
ENDED_BADLY = frozenset({"failed", "aborted", "deleted"})
WAITING_TO_START = "Calculation waiting to start"
"""What the engine calls a calculation whose job it is still reading."""
FINAL = SUCCEEDED | ENDED_BADLY


@dataclass(frozen=True)
class Calculation:
    """A row of ``GET /v1/calc/list``, or the whole of ``GET /v1/calc/N/status``.

    ``start_time`` is in UTC; ``size_mb`` is None as long as the engine has not measured it.
    """

    id: int
    description: str
    mode: str
    status: str
    owner: str = ""
    is_running: bool = False
    start_time: datetime | None = None
    size_mb: float | None = None
    parent_id: int | None = None
    tags: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the status cannot change any more."""
        return self.status in FINAL

    @property
    def succeeded(self) -> bool:
        """Whether the calculation ended well, so that its outputs can be read."""
        return self.status in SUCCEEDED

    def is_replaced_by(self, later: Calculation) -> bool:
        """Whether what has this id ``later`` is another calculation.

        A server gives its ids anew when its database is replaced. ``start_time`` is fixed from the
        moment the calculation executes; before, it is the time of the submission. What is empty is
        not known.
        """
        # engines before 3.26 report user@host
        mine = (self.owner.partition("@")[0], self.description, self.mode)
        theirs = (later.owner.partition("@")[0], later.description, later.mode)
        if self.description != WAITING_TO_START and any(
            known and known != found for known, found in zip(mine, theirs)
        ):
            return True
        # an aborted one may never have begun
        if self.status not in {"executing", "failed", *SUCCEEDED}:
            return False
        return later.status in QUEUED or self.start_time not in (None, later.start_time)

    def identity(self) -> dict[str, str]:
        """Return by what it is known again, as :meth:`from_json` reads it."""
        return {
            "description": self.description,
            "calculation_mode": self.mode,
            "owner": self.owner,
            "status": self.status,
            "start_time": (
                self.start_time.replace(tzinfo=None).isoformat() if self.start_time else ""
            ),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Calculation:
        """Read a row as the engine sends it; older engines leave out some of the fields."""
        size = row.get("size_mb")
        parent = row.get("parent_id")
        tags = row.get("tags") or ""
        return cls(
            id=int(row["id"]),
            description=str(row.get("description") or ""),
            mode=str(row.get("calculation_mode") or ""),
            status=str(row["status"]),
            owner=str(row.get("owner") or row.get("user_name") or ""),
            is_running=bool(row.get("is_running")),
            start_time=parse_time(row.get("start_time")),
            size_mb=None if size is None else float(size),
            parent_id=None if parent is None else int(parent),
            tags=", ".join(map(str, tags)) if isinstance(tags, list) else str(tags),
        )


def parse_time(text: object) -> datetime | None:
    """Read a time of the engine (``2026-11-23, 17:37:53 UTC`` or ISO); None if there is none."""
    for form in ("%Y-%m-%d, %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S"):
        try:
            return datetime.strptime(str(text), form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    return None


@dataclass(frozen=True)
class Output:
    """A row of ``GET /v1/calc/N/results``.

    ``type`` is the engine's key (``hmaps``), ``name`` its title (*Hazard Maps*), ``formats`` the
    export formats it offers; ``size_mb`` is None for outputs that are computed on demand.
    """

    id: int
    type: str
    name: str
    formats: tuple[str, ...]
    size_mb: float | None = None

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Output:
        """Read a row as the engine sends it."""
        size = row.get("size_mb")
        return cls(
            id=int(row["id"]),
            type=str(row["type"]),
            name=str(row.get("name") or row["type"]),
            formats=tuple(str(f) for f in row.get("outtypes") or ()),
            size_mb=None if size is None or float(size) < 0 else float(size),
        )


@dataclass(frozen=True)
class LogRecord:
    """A record of ``GET /v1/calc/N/log/A:B``; ``message`` may have several lines."""

    time: str
    level: str
    process: str
    message: str

    def __str__(self) -> str:
        return f"[{self.time} {self.level} {self.process}] {self.message}"
