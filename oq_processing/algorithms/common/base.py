"""What all algorithms have in common: identity, one validation, one way to fail, the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingAlgorithm,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon

from ...connections import Connection, resolve
from ...engine.abilities import version_note
from ...engine.client import EngineClient
from ...engine.errors import Unreachable
from ...engine.http.transport import Transport
from .guard import Guarded
from .own_engine import start_own
from .parameters import AUTHCFG, SERVER, check_sinks, read_text
from .reporter import Reporter

HELP_PAGES = Path(__file__).absolute().parents[2] / "help"

ICON = str(Path(__file__).parents[2] / "icons" / "openquake.svg")

GROUPS = {"calculations": "Calculations", "outputs": "Outputs", "engine": "Engine"}


def tr(text: str) -> str:
    """Return a text in the user's language."""
    return QCoreApplication.translate("OpenQuake", text)


def help_url(name: str) -> str:
    """Return the address of an algorithm's page, or else of the first page, on this computer.

    Without an address QGIS opens its own manual in the web, which has no page about a plugin.
    """
    page = HELP_PAGES / f"{name}.html"
    return (page if page.is_file() else HELP_PAGES / "index.html").as_uri()


class BaseAlgorithm(Guarded, QgsProcessingAlgorithm):
    """Base of all algorithms: who they are, and the one validation.

    Subclasses set ``ID``, ``NAME``, ``GROUP``, ``TAGS`` and ``HELP``, declare parameters in
    ``initAlgorithm``, and implement :meth:`validate`.
    """

    ID = ""
    NAME = ""
    GROUP = "calculations"
    TAGS: tuple[str, ...] = ()
    HELP = ""

    def __init__(self) -> None:
        super().__init__()
        self._request: Any = None

    def createInstance(self):
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

    def validate(self, parameters: dict, context):
        """Return what :meth:`execute` needs, read and checked; no request is made here.

        Called by the dialog's check and again by ``prepareAlgorithm``, because models call no
        checks for their children. Raises :class:`EngineError`, as all methods may do: QGIS gets its
        sentence (:class:`Guarded`).
        """
        raise NotImplementedError

    def checkParameterValues(self, parameters, context):
        check_sinks(self, parameters, context)
        self.validate(parameters, context)
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(self, parameters, context, feedback) -> bool:
        check_sinks(self, parameters, context)
        self._request = self.validate(parameters, context)
        return True


class OpenQuakeAlgorithm(BaseAlgorithm):
    """Base of the algorithms that talk to a server; subclasses implement :meth:`execute` too."""

    STARTS_ENGINE = False
    """Whether it may start the user's own engine, where the options allow it and none answers."""

    def __init__(self) -> None:
        super().__init__()
        self._connection: Connection | None = None

    def execute(self, request, client: EngineClient, report: Reporter, parameters, context) -> dict:
        """Do the work and return the outputs. Raises :class:`EngineError`."""
        raise NotImplementedError

    def prepareAlgorithm(self, parameters, context, feedback) -> bool:
        super().prepareAlgorithm(parameters, context, feedback)
        self._connection = resolve(
            read_text(self, parameters, SERVER, context),
            read_text(self, parameters, AUTHCFG, context),
        )
        return True

    def processAlgorithm(self, parameters, context, feedback) -> dict:
        report = Reporter(feedback)
        connection = self._connection
        transport = Transport(report.wait, connection.network)
        client = EngineClient(connection.url, transport, connection.credentials)
        try:
            report.info(f"Server: {connection.url} ({connection.reason})")
            try:
                version = client.engine_version()
            except Unreachable as error:
                if not (self.STARTS_ENGINE and connection.may_start_own):
                    if connection.starting:
                        raise Unreachable(
                            f"Your local engine at {connection.url} is still starting. Try again "
                            "in some seconds, or run Start Local Engine, which waits for it."
                        ) from error
                    raise
                if not connection.starting:
                    report.warn(f"{error} The engine of this user is started, as the options say.")
                client = EngineClient(start_own(report).url, transport)
                version = client.engine_version()
            note = version_note(version)
            report.info(
                f"OpenQuake Engine {version}{note and f' ({note})'}, QGIS {Qgis.QGIS_VERSION}"
            )
            # a cancel too is an error: else the exit code is 0, and a model goes on with an id of 0
            return self.execute(self._request, client, report, parameters, context)
        finally:
            transport.close()
