"""The plugin: adds the provider to Processing, takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsApplication, QgsMessageLog

from .diagnostics import LOG_TAG
from .engine import local
from .provider import OpenQuakeProvider

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from .gui.options import OptionsFactory


class OpenQuakePlugin:
    """What QGIS loads; ``iface`` is None in ``qgis_process``."""

    def __init__(self, iface: QgisInterface | None) -> None:
        self.iface = iface
        self._provider: OpenQuakeProvider | None = None
        self._options: OptionsFactory | None = None

    def initProcessing(self) -> None:
        """Add the provider; the only call in ``qgis_process``."""
        self._provider = OpenQuakeProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider and the options page in the desktop."""
        from .gui.options import OptionsFactory

        self.initProcessing()
        if self.iface is not None:
            self._options = OptionsFactory()
            self.iface.registerOptionsWidgetFactory(self._options)

    def unload(self) -> None:
        """Remove what was added; a local engine goes on, which is reported."""
        if self._options is not None and self.iface is not None:
            self.iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
        if self.iface is not None and (engine := local.recorded()) is not None:
            text = (
                f"The local engine at {engine.url} keeps running. To stop it, run "
                f"“{local.stop_command(engine)}”, or enable the plugin and run Stop Local Engine."
            )
            QgsMessageLog.logMessage(text, LOG_TAG, Qgis.MessageLevel.Info)
            # until the user closes it
            self.iface.messageBar().pushMessage(LOG_TAG, text, Qgis.MessageLevel.Info, 0)
