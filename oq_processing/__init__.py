"""OpenQuake for QGIS Processing: the OpenQuake Engine as a Processing provider."""

from __future__ import annotations


def classFactory(iface):  # noqa: N802 - the name QGIS calls
    """Return the plugin; ``iface`` is None in ``qgis_process``."""
    from .plugin import OpenQuakePlugin

    return OpenQuakePlugin(iface)
