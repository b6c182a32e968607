"""What a server is, and what it lets a user do."""

from __future__ import annotations

from dataclasses import dataclass

TESTED = ((3, 16), (3, 26))
"""First and last version of the engine that the tests run."""


@dataclass(frozen=True)
class Abilities:
    """What a server is and lets us do; ``user`` is "" where it requires no login."""

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
    """Return a note about an engine that is older or newer than those of the tests, else ""."""
    series = tuple(int(number) for number in version.split(".")[:2] if number.isdigit())
    if TESTED[0] <= series <= TESTED[1]:
        return ""
    first, last = (".".join(map(str, one)) for one in TESTED)
    age = "older" if series < TESTED[0] else "newer"
    return f"{age} than the versions this plugin is tested with, {first} to {last}"
