"""OpenQuake for QGIS Processing: the OpenQuake Engine as a Processing provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from .plugin import OpenQuakePlugin


def classFactory(iface: QgisInterface | None) -> OpenQuakePlugin:  # noqa: N802 - the name QGIS calls
    """Return the plugin; ``iface`` is None in ``qgis_process``."""
    from .plugin import OpenQuakePlugin

    return OpenQuakePlugin(iface)
