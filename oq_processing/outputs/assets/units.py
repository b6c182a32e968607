"""Units of losses: people, what assets count, and the currencies of the exposure's cost types."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...engine.errors import NotFound, ServerFault
from ..core.quantities import PEOPLE
from ..core.source import Source


def loss_unit(source: Source, loss_type: str) -> str:
    """Return the unit of a loss type, or of a sum of some; "" if unknown or not the same.

    The exposure is fetched once, and only for money.
    """
    parts = re.sub(r"_ins$", "", loss_type).split("+")
    return _common(_unit_of(source, part) for part in parts)


def loss_unit_of_all(source: Source, loss_types: Sequence[str]) -> str:
    """Return the unit that losses of all these types have in common, "" if none."""
    return _common(loss_unit(source, loss_type) for loss_type in loss_types)


def of_people(loss_type: str) -> bool:
    """Return whether a loss type counts people, at some time of the day or on average."""
    return re.sub(r"_(day|night|transit|avg)$", "", loss_type) in PEOPLE


def counted(source: Source) -> str:
    """Return what the exposure counts: ``buildings``, ``components`` of a network, else ``assets``.

    The engine keeps no category: the exposure that it exports is of buildings, whatever it is of.
    """
    if not source.oqparam:
        return "assets"
    network = source.oqparam.get("infrastructure_connectivity_analysis")
    return "components" if network else "buildings"


def _unit_of(source: Source, loss_type: str) -> str:
    if of_people(loss_type):
        return "people"
    if loss_type == "number":
        return counted(source)
    if not loss_type:
        return ""
    return source.once("cost_units", lambda: _cost_units(source)).get(loss_type, "")


def _common(units: Iterable[str]) -> str:
    found = set(units)
    return found.pop() if len(found) == 1 else ""


def _cost_units(source: Source) -> dict[str, str]:
    """Return the unit of each cost type of the exposure, {} where the server does not report it.

    They stand in the output ``exposure`` only, of this calculation or of the one it is based on.
    """
    for owner in source.owners:
        with suppress(NotFound, ServerFault):
            for output in source.outputs(owner):
                if output.type == "exposure" and "zip" in output.formats:
                    exposure = replace(source, output=output, progress=None)
                    return _units_in(exposure.export("zip").path)
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
            for tag in re.findall(r"<costType\b[^<>]*>", text):
                attributes = dict(re.findall(r'\b(\w+)="([^"]*)"', tag))
                found[attributes.get("name", "")] = attributes.get("unit", "")
    return found
