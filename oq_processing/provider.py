"""The Processing provider ``openquake``: its algorithms."""

from __future__ import annotations

from pathlib import Path

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms.abortcalculation import AbortCalculation
from .algorithms.calculationparameters import CalculationParameters
from .algorithms.calculationreport import CalculationReport
from .algorithms.common.shipped_model import ShippedModel, shipped_models
from .algorithms.deletecalculation import DeleteCalculation
from .algorithms.downloadoutput import DownloadOutput
from .algorithms.getlog import GetLog
from .algorithms.hidecalculation import HideCalculation
from .algorithms.joinbytag import JoinByTag
from .algorithms.listcalculations import ListCalculations
from .algorithms.listoutputs import ListOutputs
from .algorithms.loadoutputaslayer import LoadOutputAsLayer
from .algorithms.plotoutput import PlotOutput
from .algorithms.runcalculation import RunCalculation
from .algorithms.runriskonhazard import RunRiskOnHazard
from .algorithms.startlocalengine import StartLocalEngine
from .algorithms.stoplocalengine import StopLocalEngine
from .algorithms.stylelayer import StyleLayer
from .algorithms.sumbyzone import SumByZone
from .algorithms.waitforcalculation import WaitForCalculation
from .diagnostics import LOG_TAG

ALGORITHMS = (
    AbortCalculation,
    CalculationParameters,
    CalculationReport,
    DeleteCalculation,
    DownloadOutput,
    GetLog,
    HideCalculation,
    JoinByTag,
    ListCalculations,
    ListOutputs,
    LoadOutputAsLayer,
    PlotOutput,
    RunCalculation,
    RunRiskOnHazard,
    StartLocalEngine,
    StopLocalEngine,
    StyleLayer,
    SumByZone,
    WaitForCalculation,
)


class OpenQuakeProvider(QgsProcessingProvider):
    """Everything the toolbox shows under OpenQuake."""

    def __init__(self) -> None:
        super().__init__()
        QgsApplication.processingRegistry().providerAdded.connect(self._complete_models)

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

    def defaultVectorFileExtension(self, hasGeometry: bool = True) -> str:
        return "gpkg"

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
        models, broken = shipped_models()
        for model in models:
            self.addAlgorithm(model)
        for path in broken:
            QgsMessageLog.logMessage(
                f"The model {path.name} cannot be read.", LOG_TAG, Qgis.MessageLevel.Warning
            )

    def _complete_models(self, _: str) -> None:
        """Load again while a model lacks a step: its provider, or this one, was not there yet."""
        models = [a for a in self.algorithms() if isinstance(a, ShippedModel)]
        if not all(model.complete for model in models):
            self.refreshAlgorithms()
