"""Stop Local Engine: the one that Start Local Engine has started, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine import local
from ..engine.client import EngineClient
from ..engine.errors import EngineError, LocalEngineError, Unreachable
from ..engine.http.transport import Transport
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.reporter import Reporter
from .common.run import Results, Run
from .common.values import Values

ABORT_RUNNING = "ABORT_RUNNING"


@dataclass(frozen=True)
class StopRequest:
    """Whether to stop the engine while calculations run, which are lost then."""

    abort_running: bool


class StopLocalEngine(BaseAlgorithm[StopRequest]):
    """Stop the user's own engine on this computer."""

    ID = "stoplocalengine"
    NAME = tr_noop("Stop Local Engine")
    GROUP = "engine"
    TALKS = False
    TAGS = ("server", "webui", "local")
    HELP = tr_noop(
        "Stops the engine that Start Local Engine has started, also while it is starting, and no "
        "other. Finished calculations stay in its database and are there when it is started "
        "again.\n\n"
        "While calculations run it is not stopped, unless Abort Running Calculations is on."
    )

    def inputs(self) -> Parameters:
        return [
            p.flag(
                ABORT_RUNNING,
                tr("Abort running calculations"),
                tr("On: calculations that still run are lost."),
                False,
                optional=True,
            )
        ]

    def results(self) -> Outputs:
        return p.outputs(p.SERVER, p.VERSION)

    def validate(self, values: Values) -> StopRequest:
        return StopRequest(values.flag(ABORT_RUNNING))

    def execute(self, run: Run[StopRequest]) -> Results:
        running = local.recorded()
        if running is None:
            raise LocalEngineError(
                "No engine runs that Start Local Engine has started; others are not touched."
            )
        if not run.request.abort_running:
            _refuse_while_calculating(running, run.report)
        run.report.phase(f"Stopping the engine at {running.url}")
        local.stop_own()
        which = "that was starting" if running.is_starting else running.version
        run.report.info(f"OpenQuake Engine {which} at {running.url} is stopped")
        run.report.progress(100)
        return {p.SERVER: running.url, p.VERSION: running.version}


def _refuse_while_calculating(running: local.Record, report: Reporter) -> None:
    transport = Transport(report.wait)
    try:
        client = EngineClient(running.url, transport)
        busy = [str(c.id) for c in client.calculations(limit=1000, is_running="true")]
    except EngineError as error:
        if running.is_starting and isinstance(error, Unreachable):
            return  # it has answered nobody yet
        raise LocalEngineError(
            f"Could not check for running calculations ({str(error).rstrip('.')}). "
            f"Set {ABORT_RUNNING} to stop the engine anyway."
        ) from error
    finally:
        transport.close()
    if busy:
        raise LocalEngineError(
            f"Calculation{'s' if len(busy) > 1 else ''} {', '.join(busy)} still run at "
            f"{running.url}; wait for the end, or set {ABORT_RUNNING} to lose them."
        )
