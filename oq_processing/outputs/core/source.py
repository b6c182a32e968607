"""Where readers get an output from: the calculation, its parameters, its exports and extracts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Callable

from ...engine.calculation import Calculation, Output
from ...engine.client import EngineClient
from ...engine.errors import NotFound, ServerFault
from ...engine.server import Download
from .choices import Choices
from .npz import Npz

_VERSION = re.compile(r"^Using engine version (\S+)")
_CHECKSUM = re.compile(r"^Checksum of the inputs: (\d+)")


@dataclass
class Source:
    """One output of one calculation; files go to ``folder``, which the caller removes."""

    client: EngineClient
    calculation: Calculation
    output: Output
    folder: Path
    progress: Callable[[int, int], None] | None = None

    @cached_property
    def oqparam(self) -> dict[str, Any]:
        """The calculation's parameters, as the engine read them."""
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
        return self.calculation.mode.startswith(("event_based", "ebrisk"))

    @property
    def parent_id(self) -> int | None:
        """The calculation that this one is based on, if any."""
        value = self.oqparam.get("hazard_calculation_id") or self.calculation.parent_id
        return int(value) if value else None

    def npz(self, what: str, calculation_id: int | None = None, **query: str) -> Npz:
        """Extract part of the datastore, of this calculation unless another is given."""
        target = self._free_path("npz")
        owner = self.calculation.id if calculation_id is None else calculation_id
        self.client.extract(owner, what, target, query, self.progress)
        return Npz(target)

    def check(self) -> None:
        """Raise :class:`Cancelled` when the user wants us to stop; for work that takes long."""
        self.client.transport.wait.check()

    def export(self, fmt: str) -> Download:
        """Fetch the output in one of its formats."""
        return self.client.export(self.output, fmt, self._free_path(fmt), self.progress)

    def _free_path(self, suffix: str) -> Path:
        number = 0
        while (path := self.folder / f"{self.output.id}-{number}.{suffix}").exists():
            number += 1
        return path

    def provenance(self, choices: Choices) -> dict[str, Any]:
        """Return what is needed to trace a layer to its calculation and to make it again."""
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
        for record in self.client.log(self.calculation.id, 0, 50):
            if match := _VERSION.match(record.message):
                found["engine_version"] = match[1]
            elif match := _CHECKSUM.match(record.message):
                found["checksum"] = int(match[1])
        # where the environment variable CI is set, the engine's log does not tell its version
        found.setdefault("engine_version", self.client.engine_version())
        return found
