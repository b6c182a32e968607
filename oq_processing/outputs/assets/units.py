"""Units of losses: people, buildings, and the currencies of the exposure's cost types."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...engine.errors import NotFound, ServerFault
from ..core.quantities import PEOPLE
from ..core.source import Source


@dataclass
class Units:
    """Units of losses by loss type; the exposure is asked once, and only for money."""

    source: Source

    @cached_property
    def _costs(self) -> dict[str, str]:
        return _cost_units(self.source)

    def of(self, loss_type: str) -> str:
        """Return the unit of a loss type, or of a sum of some; "" if unknown or not the same."""
        return _common(self._of_part(part) for part in re.sub(r"_ins$", "", loss_type).split("+"))

    def of_all(self, loss_types: Sequence[str]) -> str:
        """Return the unit that losses of all these types have in common, "" if none."""
        return _common(map(self.of, loss_types))

    def _of_part(self, part: str) -> str:
        if of_people(part):
            return "people"
        if part == "number":
            return "buildings"
        return self._costs.get(part, "") if part else ""


def of_people(loss_type: str) -> bool:
    """Tell whether a loss type counts people, at some time of the day or on average."""
    return re.sub(r"_(day|night|transit|avg)$", "", loss_type) in PEOPLE


def _common(units: Iterable[str]) -> str:
    found = set(units)
    return found.pop() if len(found) == 1 else ""


def _cost_units(source: Source) -> dict[str, str]:
    """Return the unit of each cost type of the exposure, {} where the server does not tell.

    They stand in the output ``exposure`` only, of this calculation or of the one it is based on.
    """
    for owner in (source.calculation.id, source.parent_id):
        if owner is None:
            continue
        with suppress(NotFound, ServerFault):
            for output in source.client.outputs(owner):
                if output.type == "exposure" and "zip" in output.formats:
                    target = source.folder / f"exposure-{output.id}.zip"
                    source.client.export(output, "zip", target)
                    return _units_in(target)
    return {}


def _units_in(path: Path) -> dict[str, str]:
    found = {}
    with suppress(zipfile.BadZipFile, OSError, UnicodeDecodeError), zipfile.ZipFile(path) as zipped:
        for name in zipped.namelist():
            if not name.endswith(".xml"):
                continue
            with zipped.open(name) as file:
                # only the head: cost types come before the assets
                text = file.read(1_000_000).decode("utf-8")
            for tag in re.findall(r"<costType\b[^>]*>", text):
                attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
                found[attributes.get("name", "")] = attributes.get("unit", "")
    return found
