"""The plugin: adds the provider to Processing, takes it away again."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import OpenQuakeProvider


class OpenQuakePlugin:
    """What QGIS loads; ``iface`` is None in ``qgis_process``."""

    def __init__(self, iface) -> None:
        self.iface = iface
        self._provider: OpenQuakeProvider | None = None

    def initProcessing(self) -> None:
        """Add the provider; the only call in ``qgis_process``."""
        self._provider = OpenQuakeProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider in the desktop."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the provider away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
