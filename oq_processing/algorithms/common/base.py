"""What all algorithms have in common: identity, one validation, one way to run and to fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputDefinition,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtGui import QIcon

from ... import diagnostics
from ...connections import Connection, resolve
from ...engine.errors import Explained
from ...i18n import tr, tr_noop
from . import parameters as p
from .guard import Guarded
from .reporter import Reporter
from .run import Results, Run
from .server import connected
from .values import Values

HELP_PAGES = Path(__file__).absolute().parents[2] / "help"

ICON = str(Path(__file__).parents[2] / "icons" / "openquake.svg")

GROUPS = {
    "calculations": tr_noop("Calculations"),
    "outputs": tr_noop("Outputs"),
    "engine": tr_noop("Engine"),
}
ANY_CALCULATION = tr_noop("Id of the calculation.")
FINISHED_CALCULATION = tr_noop("Id of a finished calculation.")

R = TypeVar("R")
Parameters = list[QgsProcessingParameterDefinition]
Outputs = list[QgsProcessingOutputDefinition]


def help_url(name: str) -> str:
    """Return the address of an algorithm's page, or else of the first page, on this computer.

    Without an address QGIS opens its own manual in the web, which has no page about a plugin.
    """
    page = HELP_PAGES / f"{name}.html"
    return (page if page.is_file() else HELP_PAGES / "index.html").as_uri()


class BaseAlgorithm(Guarded, QgsProcessingAlgorithm, Generic[R]):
    """Base of all algorithms, which ``execute`` what ``validate`` has made: a request of type R.

    Subclasses set the class attributes, declare what they have in ``inputs``, ``targets`` and
    ``results``, and implement ``validate`` and ``execute``. All may raise :class:`EngineError`,
    whose sentence QGIS gets (:class:`Guarded`).
    """

    ID: ClassVar[str] = ""
    NAME: ClassVar[str] = ""
    GROUP: ClassVar[str] = "calculations"
    TAGS: ClassVar[tuple[str, ...]] = ()
    HELP: ClassVar[str] = ""
    CALCULATION: ClassVar[str] = ""
    """Help of CALCULATION_ID, the first parameter; "" for algorithms without it."""
    TALKS: ClassVar[bool] = True
    """Whether it talks to a server, and has SERVER and AUTHCFG."""
    STARTS_ENGINE: ClassVar[bool] = False
    """Whether it may start the user's own engine, where the options allow it and none answers."""
    OPENS_LAYERS: ClassVar[bool] = False
    """Whether the request holds layers: models of newer QGIS run it on another thread, where these
    have to be opened."""

    def __init__(self) -> None:
        super().__init__()
        self._request: Any = None
        self._connection: Connection | None = None

    def createInstance(self) -> QgsProcessingAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.ID

    def displayName(self) -> str:
        return tr(self.NAME)

    def groupId(self) -> str:
        return self.GROUP

    def group(self) -> str:
        return tr(GROUPS[self.GROUP])

    def tags(self) -> list[str]:
        return ["openquake", "earthquake", "seismic", "hazard", "risk", *self.TAGS]

    def shortHelpString(self) -> str:
        return tr(self.HELP)

    def helpUrl(self) -> str:
        return help_url(self.ID)

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return ICON

    def inputs(self) -> Parameters:
        """Return the parameters between CALCULATION_ID and SERVER."""
        return []

    def targets(self) -> Parameters:
        """Return the layers and files to write."""
        return []

    def results(self) -> Outputs:
        """Return the outputs beside those of ``targets``."""
        return []

    def validate(self, values: Values) -> R:
        """Return the request, read and checked; nothing is asked of a server here.

        Called by the dialog's check and again before the run, because models call no checks for
        their children.
        """
        raise NotImplementedError

    def execute(self, run: Run[R]) -> Results:
        """Do the work and return the outputs."""
        raise NotImplementedError

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        parameters = [*self.inputs(), *(p.server() if self.TALKS else ()), *self.targets()]
        if self.CALCULATION:
            about = tr(self.CALCULATION)
            first = p.number(p.CALCULATION_ID, tr("Calculation"), about, optional=False)
            parameters.insert(0, first)
        for parameter in parameters:
            self.addParameter(parameter)
        for output in self.results():
            self.addOutput(output)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        self._validated(Values(self, parameters, context))
        return super().checkParameterValues(parameters, context)

    def _validated(self, values: Values) -> R:
        values.check_sinks()
        return self.validate(values)

    def prepareAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> bool:
        values = Values(self, parameters, context)
        if not self.OPENS_LAYERS:
            self._request = self._validated(values)
        if self.TALKS:
            self._connection = resolve(values.text(p.SERVER), values.text(p.AUTHCFG))
        return True

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Results:
        # a cancel too is an error: else the exit code is 0, and a model goes on with an id of 0
        try:
            with diagnostics.routed(feedback):
                return self._process(Values(self, parameters, context), Reporter(feedback))
        except Explained as error:
            diagnostics.log_cause(error, feedback)
            raise

    def _process(self, values: Values, report: Reporter) -> Results:
        request = self._validated(values) if self.OPENS_LAYERS else self._request
        if self._connection is None:
            return self.execute(Run(request, values, report))
        with connected(self._connection, report, self.STARTS_ENGINE) as client:
            return self.execute(Run(request, values, report, client))
