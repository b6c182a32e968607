"""Stop Local Engine: the one that Start Local Engine has started, and no other."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
)

from ..engine import local
from ..engine.client import EngineClient
from ..engine.errors import EngineError, LocalEngineError, Unreachable
from ..engine.http.transport import Transport
from .common.base import BaseAlgorithm, tr
from .common.parameters import SERVER, read_flag, with_help
from .common.reporter import Reporter

ABORT_RUNNING = "ABORT_RUNNING"
VERSION = "VERSION"


class StopLocalEngine(BaseAlgorithm):
    """Stop the user's own engine on this computer."""

    ID = "stoplocalengine"
    NAME = "Stop Local Engine"
    GROUP = "engine"
    TAGS = ("server", "webui", "local")
    HELP = (
        "Stops the engine that Start Local Engine has started, also while it is starting, and no "
        "other. Finished calculations stay in its database and are there when it is started "
        "again.\n\n"
        "While calculations run it is not stopped, unless Abort Running Calculations is on."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            with_help(
                QgsProcessingParameterBoolean(
                    ABORT_RUNNING, tr("Abort running calculations"), False, optional=True
                ),
                tr("On: calculations that still run are lost."),
            )
        )
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))
        self.addOutput(QgsProcessingOutputString(VERSION, tr("Version of the engine")))

    def validate(self, parameters, context) -> bool:
        return read_flag(self, parameters, ABORT_RUNNING, context)

    def processAlgorithm(self, parameters, context, feedback) -> dict:
        report = Reporter(feedback)
        running = local.recorded()
        if running is None:
            raise LocalEngineError(
                "No engine runs that Start Local Engine has started; others are not touched."
            )
        if not self._request:
            _refuse_while_calculating(running, report)
        report.phase(f"Stopping the engine at {running.url}")
        local.stop_own()
        which = "that was starting" if running.is_starting else running.version
        report.info(f"OpenQuake Engine {which} at {running.url} is stopped")
        report.progress(100)
        return {SERVER: running.url, VERSION: running.version}


def _refuse_while_calculating(running: local.Record, report: Reporter) -> None:
    transport = Transport(report.wait)
    try:
        client = EngineClient(running.url, transport)
        busy = [str(c.id) for c in client.calculations(limit=1000, is_running="true")]
    except EngineError as error:
        if running.is_starting and isinstance(error, Unreachable):
            return  # it has answered nobody yet
        raise LocalEngineError(
            f"It cannot be told whether calculations run ({error}) "
            f"Set {ABORT_RUNNING} to stop the engine all the same."
        ) from error
    finally:
        transport.close()
    if busy:
        raise LocalEngineError(
            f"Calculation{'s' if len(busy) > 1 else ''} {', '.join(busy)} still run at "
            f"{running.url}; wait for the end, or set {ABORT_RUNNING} to lose them."
        )
