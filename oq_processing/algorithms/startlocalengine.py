"""Start Local Engine: an engine of the user's own on this computer, which goes on after QGIS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
)

from .common.base import BaseAlgorithm, tr
from .common.own_engine import start_own
from .common.parameters import (
    SERVER,
    InvalidParameter,
    advanced,
    read_integer,
    read_path,
    with_help,
)
from .common.reporter import Reporter

EXECUTABLE = "EXECUTABLE"
PORT = "PORT"
VERSION = "VERSION"


@dataclass(frozen=True)
class StartRequest:
    """The command ``oq``, None to look for it, and the port, None for a free one."""

    executable: Path | None
    port: int | None


class StartLocalEngine(BaseAlgorithm):
    """Start the user's own engine on this computer, unless it runs already."""

    ID = "startlocalengine"
    NAME = "Start Local Engine"
    GROUP = "engine"
    TAGS = ("server", "webui", "local", "install")
    HELP = (
        "Starts an OpenQuake engine on this computer, for this user and this computer only, with a "
        "database and data of its own; other engines are not touched. It goes on when QGIS ends, "
        "until Stop Local Engine. If it runs or is starting already, no second one is started.\n\n"
        "While it runs, algorithms with an empty Server use it, unless the environment variable "
        "OPENQUAKE_SERVER or a default connection says otherwise."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterFile(
                        EXECUTABLE,
                        tr("Command oq"),
                        optional=True,
                        fileFilter=tr("All files (*)"),
                    ),
                    tr(
                        "Empty: the one of the options, else the one on the PATH, else one at the "
                        "places where the engine's installers put it."
                    ),
                )
            )
        )
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterNumber(
                        PORT, tr("Port"), QgsProcessingParameterNumber.Type.Integer, optional=True
                    ),
                    tr("Empty: that of the last start if it is free, else a free one."),
                )
            )
        )
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))
        self.addOutput(QgsProcessingOutputString(VERSION, tr("Version of the engine")))

    def validate(self, parameters, context) -> StartRequest:
        # a model of 3.22 gives 0 for a number that was left empty
        port = read_integer(self, parameters, PORT, context) or None
        if port is not None and not 1024 <= port <= 65535:
            raise InvalidParameter(f"{PORT} must be between 1024 and 65535, not {port}.")
        return StartRequest(read_path(self, parameters, EXECUTABLE, context), port)

    def processAlgorithm(self, parameters, context, feedback) -> dict:
        report = Reporter(feedback)
        record = start_own(report, self._request.executable, self._request.port)
        report.progress(100)
        return {SERVER: record.url, VERSION: record.version}
