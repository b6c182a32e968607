"""The Processing provider ``openquake``: its algorithms."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms.loadoutputaslayer import LoadOutputAsLayer
from .algorithms.runcalculation import RunCalculation

ALGORITHMS = (
    RunCalculation,
    LoadOutputAsLayer,
)


class OpenQuakeProvider(QgsProcessingProvider):
    """Everything the toolbox shows under OpenQuake."""

    def id(self) -> str:
        return "openquake"

    def name(self) -> str:
        return "OpenQuake"

    def longName(self) -> str:
        return "OpenQuake Engine"

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(Path(__file__).parent / "icons" / "openquake.svg")

    def versionInfo(self) -> str:
        for line in (Path(__file__).parent / "metadata.txt").read_text("utf-8").splitlines():
            if line.startswith("version="):
                return line.partition("=")[2].strip()
        return ""

    def defaultVectorFileExtension(self, hasGeometry=True) -> str:
        return "gpkg"

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
