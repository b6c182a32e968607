"""What modules register: readers their ``OUTPUTS``, plots their ``PLOTS``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def registered(package: str, name: str) -> dict[str, Any]:
    """Return what the modules of a package have under ``name``, by output type."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        found.update(getattr(importlib.import_module(f"{package}.{module.name}"), name, {}))
    return found
