"""Start Local Engine: an engine of the user's own on this computer, which goes on after QGIS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.server import start_own
from .common.values import InvalidParameter, Values

EXECUTABLE = "EXECUTABLE"
PORT = "PORT"


@dataclass(frozen=True)
class StartRequest:
    """The command ``oq``, None to look for it, and the port, None for a free one."""

    executable: Path | None
    port: int | None


class StartLocalEngine(BaseAlgorithm[StartRequest]):
    """Start the user's own engine on this computer, unless it runs already."""

    ID = "startlocalengine"
    NAME = tr_noop("Start Local Engine")
    GROUP = "engine"
    TALKS = False
    TAGS = ("server", "webui", "local", "install")
    HELP = tr_noop(
        "Starts an OpenQuake engine on this computer, with a database and data of its own, which "
        "other users cannot read; other engines are not touched. It goes on when QGIS ends, "
        "until Stop Local Engine. If it runs or is starting already, no second one is started.\n\n"
        "It answers this computer only, but every user of it, without a password: they can run, "
        "abort and delete calculations, and read through it the files that you can read. On a "
        "computer that you share, stop it when you do not need it.\n\n"
        "While it runs, algorithms with an empty Server use it, unless the environment variable "
        "OPENQUAKE_SERVER or a default connection says otherwise."
    )

    def inputs(self) -> Parameters:
        return [
            p.file(
                EXECUTABLE,
                tr("Command oq"),
                tr(
                    "Empty: the one of the options, else the one on the PATH, else one at the "
                    "places where the engine's installers put it."
                ),
                tr("All files (*)"),
                advanced=True,
            ),
            p.number(
                PORT,
                tr("Port"),
                tr("Empty: that of the last start if it is free, else a free one."),
                advanced=True,
            ),
        ]

    def results(self) -> Outputs:
        return p.outputs(p.SERVER, p.VERSION)

    def validate(self, values: Values) -> StartRequest:
        # a model of 3.22 gives 0 for a number that was left empty
        port = values.whole(PORT) or None
        if port is not None and not 1024 <= port <= 65535:
            raise InvalidParameter(f"{PORT} must be between 1024 and 65535, not {port}.")
        return StartRequest(values.path(EXECUTABLE), port)

    def execute(self, run: Run[StartRequest]) -> Results:
        record = start_own(run.report, run.request.executable, run.request.port)
        run.report.progress(100)
        return {p.SERVER: record.url, p.VERSION: record.version}
