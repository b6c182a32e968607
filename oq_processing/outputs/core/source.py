"""Where readers get an output from: the calculation, its parameters, its exports and extracts."""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, TypeVar

from ...engine.calculation import Calculation, LogRecord, Output
from ...engine.client import EngineClient
from ...engine.errors import InvalidOutput, NotAllowed, NotFound, ServerFault
from ...engine.server import Download
from .choices import Choices
from .npz import Npz

T = TypeVar("T")

logger = logging.getLogger(__name__)

COLLECTED = "all realizations (collected)"
"""What the only realization is where the engine has collected all (``collect_rlzs``)."""

_VERSION = re.compile(r"^Using engine version (\S+)")
_CHECKSUM = re.compile(r"^Checksum of the inputs: (\d+)")
_LOG_RECORDS = 100  # the first of a log: version, checksum, what was read
_FACTS = ("checksum", "start_date", "investigation_time", "risk_investigation_time")
"""What the first line of an exported file says of the calculation."""


@dataclass
class Source:
    """One output of one calculation; files go to ``folder``, which the caller removes.

    What was fetched stays: it is not fetched again, nor for another output of the calculation that
    is made by ``dataclasses.replace``.
    """

    client: EngineClient
    calculation: Calculation
    output: Output
    folder: Path
    progress: Callable[[int, int], None] | None = None
    fetched: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: Hashable, fetch: Callable[[], T]) -> T:
        """Return what ``fetch`` has returned when it was first asked for ``key``."""
        if key not in self.fetched:
            self.fetched[key] = fetch()
        found: T = self.fetched[key]
        return found

    @property
    def oqparam(self) -> dict[str, Any]:
        """The calculation's parameters, as the engine read them; {} where it does not say."""
        return self.once("oqparam", self._oqparam)

    def _oqparam(self) -> dict[str, Any]:
        try:
            return self.npz("oqparam").json()
        except (NotFound, ServerFault):
            return {}

    @property
    def investigation_time(self) -> float | None:
        """Years that hazard probabilities refer to; None for scenarios."""
        value = self.oqparam.get("investigation_time")
        return float(value) if value else None

    @property
    def risk_time(self) -> float | None:
        """Years that losses and damage refer to; None where there are none."""
        value = self.oqparam.get("risk_investigation_time") or self.investigation_time
        return float(value) if value else None

    @property
    def event_based(self) -> bool:
        """Whether the calculation is of many events in a time: no scenario, no hazard curves."""
        return of_many_events(self.calculation)

    @property
    def collected(self) -> bool:
        """Whether the engine has put the events of all realizations together: rlz-0 is all."""
        # classical_damage keeps each realization, whatever collect_rlzs says
        mode = self.calculation.mode
        of_risk = mode.endswith(("risk", "damage")) and mode != "classical_damage"
        return of_risk and bool(self.oqparam.get("collect_rlzs"))

    def branch(self, kind: str) -> str:
        """Return branch and weight of a realization of risk, ``rlz-3``; "" if unknown."""
        if not kind.startswith("rlz-"):
            return ""
        return COLLECTED if self.collected else self.realizations.get(int(kind[4:]), "")

    @property
    def realizations(self) -> dict[int, str]:
        """Branch path, or ground motion model, and weight of each realization, as text.

        ``GET /v1/calc/N/extract/realizations``; {} where the server does not report them.
        """
        return self.once("branches", self._realizations)

    def _realizations(self) -> dict[int, str]:
        try:
            array = self.npz("realizations").array("array")
        except (NotFound, ServerFault, NotAllowed, InvalidOutput):
            return {}
        names, found = array.dtype.names or (), {}
        for row in array if "rlz_id" in names else ():
            about = [branch_text(row["branch_path"])] if "branch_path" in names else []
            about += [f"weight {row['weight']:.4g}"] if "weight" in names else []
            found[int(row["rlz_id"])] = ", ".join(about)
        return found

    @property
    def parent_id(self) -> int | None:
        """The calculation that this one is based on, if any."""
        value = self.oqparam.get("hazard_calculation_id") or self.calculation.parent_id
        return int(value) if value else None

    @property
    def owners(self) -> list[int]:
        """The calculation, and the one it is based on, which may hold what it does not."""
        return [self.calculation.id, *([self.parent_id] if self.parent_id else [])]

    def npz(self, what: str, calculation_id: int | None = None, **query: str) -> Npz:
        """Extract part of the datastore, of this calculation unless another is given."""
        owner = self.calculation.id if calculation_id is None else calculation_id

        def fetch() -> Npz:
            logger.debug("calculation %d: extract %s %s", owner, what, query or "")
            target = self._free_path("npz")
            self.client.extract(owner, what, target, query, self.progress)
            return Npz(target)

        return self.once(("extract", owner, what, *sorted(query.items())), fetch)

    def log(self, calculation_id: int) -> Sequence[LogRecord]:
        """Return the first records of the log of a calculation."""
        fetch = self.client.log
        return self.once(("log", calculation_id), lambda: fetch(calculation_id, 0, _LOG_RECORDS))

    def outputs(self, calculation_id: int | None = None) -> Sequence[Output]:
        """Return the outputs of the calculation, unless another is given."""
        owner = self.calculation.id if calculation_id is None else calculation_id
        return self.once(("outputs", owner), lambda: self.client.outputs(owner))

    def check(self) -> None:
        """Raise :class:`Cancelled` when the user wants us to stop; for work that takes long."""
        self.client.transport.wait.check()

    def export(self, fmt: str) -> Download:
        """Fetch the output in one of its formats."""

        def fetch() -> Download:
            logger.debug("calculation %d: %s as %s", self.calculation.id, self.output.type, fmt)
            return self.client.export(self.output, fmt, self._free_path(fmt), self.progress)

        return self.once(("export", self.output.id, fmt), fetch)

    def _free_path(self, suffix: str) -> Path:
        number = 0
        while (path := self.folder / f"{self.output.id}-{number}.{suffix}").exists():
            number += 1
        return path

    def provenance(
        self, choices: Choices, members: Sequence[str] = (), about: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what is needed to trace a layer to its calculation and to make it again.

        ``members`` are the files of the export that its values are from, ``about`` what the first
        line of the first of them says.
        """
        found: dict[str, Any] = {
            "server": self.client.url,
            "calculation_id": self.calculation.id,
            "description": self.calculation.description,
            "calculation_mode": self.calculation.mode,
            "output_type": self.output.type,
            "output_name": self.output.name,
            "choices": choices.made(),
        }
        if self.investigation_time:
            found["investigation_time"] = self.investigation_time
        # both stand in the first lines of the log, and nowhere else for every output
        for record in self.log(self.calculation.id):
            if match := _VERSION.match(record.message):
                found["engine_version"] = match[1]
            elif match := _CHECKSUM.match(record.message):
                found["checksum"] = int(match[1])
        # where the environment variable CI is set, the engine's log does not tell its version
        found.setdefault("engine_version", self.client.engine_version())
        if members:
            found["members"] = list(members)
        facts = about or {}
        found.update({key: facts[key] for key in _FACTS if facts.get(key) is not None})
        return found


def of_many_events(calculation: Calculation) -> bool:
    """Return whether a calculation is of many events in a time."""
    return calculation.mode.startswith(("event_based", "ebrisk"))


def branch_text(path: bytes) -> str:
    """Return a branch path as people write it.

    Scenarios have the ground motion model, as its TOML with doubled quotes and arguments in lines:
    ``[AbrahamsonEtAl2014]``, ``region = "JPN"`` is *AbrahamsonEtAl2014, region = JPN*.
    """
    lines = path.decode("utf-8", "replace").replace('"', "").splitlines()
    return ", ".join(line.strip().strip("[]") for line in lines if line.strip())
