"""Run Calculation: from a job on this computer to a finished calculation."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
)

from ..engine.calculation import SUCCEEDED
from ..engine.client import EngineClient
from .common.base import OpenQuakeAlgorithm, tr
from .common.parameters import (
    CALCULATION_ID,
    SERVER,
    InvalidParameter,
    advanced,
    id_parameter,
    read_flag,
    read_optional_id,
    read_path,
    read_paths,
    read_text,
    server_parameters,
    text_parameter,
    with_help,
)
from .common.reporter import Reporter
from .common.running import (
    UPLOAD,
    Known,
    LogFile,
    naming,
    outcome,
    read_log,
    start_on_server,
    submit_package,
    watch_own,
)

JOB = "JOB"
JOB_INI = "JOB_INI"
EXTRA_FILES = "EXTRA_FILES"
HAZARD_CALCULATION_ID = "HAZARD_CALCULATION_ID"
PARAMETERS = "PARAMETERS"
JOB_ON_SERVER = "JOB_ON_SERVER"
WAIT = "WAIT"
FAIL_ON_FAILED = "FAIL_ON_FAILED"
LOG = "LOG"
STATUS = "STATUS"


@dataclass(frozen=True)
class RunRequest:
    """What a run needs, read and checked."""

    job: Path | None
    job_ini: str
    extra_files: list[Path]
    hazard_calculation_id: int | None
    overrides: dict[str, str] = field(default_factory=dict)
    job_on_server: str = ""
    wait: bool = True
    fail_on_failed: bool = True
    log: Path | None = None


class RunCalculation(OpenQuakeAlgorithm):
    """Submit a job to the engine and follow it to its end."""

    ID = "runcalculation"
    NAME = "Run Calculation"
    STARTS_ENGINE = True
    TAGS = ("job", "psha", "submit", "engine")
    HELP = (
        "Submits a job to the OpenQuake engine and follows it: status, progress and log lines are "
        "shown as they come.\n\n"
        "A job is a job.ini (the files it refers to are found and sent with it), a zip archive or "
        "a folder that holds one. The server may be this computer or another one.\n\n"
        "Cancel aborts the calculation that this run started. A calculation that fails makes the "
        "algorithm fail with the engine's reason, unless Fail if the calculation fails is off.\n\n"
        "CALCULATION_ID can feed the next step of a model."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self._add_job()
        self._add_hazard(optional=True)
        self._add_options()

    def _add_job(self) -> None:
        job_file = QgsProcessingParameterFile(
            JOB,
            tr("Job"),
            QgsProcessingParameterFile.Behavior.File,
            optional=True,
            fileFilter="OpenQuake job (*.ini *.zip);;All files (*)",
        )
        self.addParameter(
            with_help(job_file, tr("A job.ini, a zip archive, or a folder (typed or dropped)."))
        )

    def _add_hazard(self, optional: bool) -> None:
        hazard = id_parameter(
            HAZARD_CALCULATION_ID,
            tr("Hazard calculation"),
            tr(
                "Id of the finished calculation that this one is based on. Empty: what the job.ini "
                "says, if it says a number."
            ),
            optional=optional,
        )
        self.addParameter(hazard)

    def _add_options(self) -> None:
        self.addParameter(
            text_parameter(
                JOB_INI,
                tr("Which .ini"),
                tr(
                    "Name of the .ini file if the archive or folder holds several. Two names, "
                    "job_hazard.ini,job_risk.ini, are run in order, the second on top of the first."
                ),
            )
        )
        self.addParameter(
            advanced(
                text_parameter(
                    PARAMETERS,
                    tr("Parameters to change"),
                    tr(
                        "Values that replace those of the job.ini, in the copy that is sent: "
                        "name=value, with ; or line breaks between them. "
                        "Example: description=Test 2; truncation_level=2"
                    ),
                    multi_line=True,
                )
            )
        )
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterMultipleLayers(
                        EXTRA_FILES,
                        tr("Extra files"),
                        QgsProcessing.SourceType.TypeFile,
                        optional=True,
                    ),
                    tr("Files to send beside the job.ini, which it does not refer to."),
                )
            )
        )
        self.addParameter(
            advanced(
                text_parameter(
                    JOB_ON_SERVER,
                    tr("Job on the server"),
                    tr(
                        "Path of a job.ini on the server's own disk, instead of a job here: for "
                        "models that already live beside the cluster."
                    ),
                )
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterBoolean(WAIT, tr("Wait until it has ended"), True),
                tr("Off: return as soon as the calculation is submitted."),
            )
        )
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterBoolean(
                        FAIL_ON_FAILED, tr("Fail if the calculation fails"), True
                    ),
                    tr("Off: end well and return STATUS=failed instead."),
                )
            )
        )
        log = QgsProcessingParameterFileDestination(
            LOG,
            tr("Log file"),
            "Text files (*.txt *.log)",
            optional=True,
            createByDefault=False,
        )
        self.addParameter(advanced(with_help(log, tr("Where to store the whole log."))))
        for parameter in server_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputNumber(CALCULATION_ID, tr("Calculation")))
        self.addOutput(QgsProcessingOutputString(STATUS, tr("Status")))
        self.addOutput(QgsProcessingOutputString(SERVER, tr("Server")))

    def validate(self, parameters, context) -> RunRequest:
        from ..engine.job import (
            package as job,  # not before it is needed: every start of QGIS would pay for it
        )

        request = RunRequest(
            job=read_path(self, parameters, JOB, context),
            job_ini=read_text(self, parameters, JOB_INI, context),
            extra_files=read_paths(self, parameters, EXTRA_FILES, context),
            hazard_calculation_id=read_optional_id(
                self, parameters, HAZARD_CALCULATION_ID, context
            ),
            overrides=job.parse_parameters(read_text(self, parameters, PARAMETERS, context)),
            job_on_server=read_text(self, parameters, JOB_ON_SERVER, context),
            wait=read_flag(self, parameters, WAIT, context),
            fail_on_failed=read_flag(self, parameters, FAIL_ON_FAILED, context),
            log=read_log(self, parameters, LOG, context),
        )
        if request.job is None and not request.job_on_server:
            raise InvalidParameter(
                "Choose a job: JOB must be a .ini file, a .zip file or a folder."
            )
        if request.job is not None and request.job_on_server:
            raise InvalidParameter("Give either JOB or JOB_ON_SERVER, not both.")
        if request.job_on_server and (request.overrides or request.extra_files):
            raise InvalidParameter(
                "PARAMETERS and EXTRA_FILES cannot change a job that is on the server."
            )
        if request.job is not None and not request.job.exists():
            raise InvalidParameter(f"The job {request.job} does not exist.")
        if not request.wait and "," in request.job_ini:
            raise InvalidParameter(
                "A job of two .ini files needs WAIT=true: the second starts when the first is done."
            )
        if not request.wait and request.log is not None:
            raise InvalidParameter("A LOG needs WAIT=true: it is whole when the calculation ends.")
        return request

    def execute(
        self, request: RunRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        with naming() as known:
            with LogFile(request.log) as log:
                if request.job_on_server:
                    start_on_server(client, report, request, known)
                    status = watch_own(
                        client, report, request, known.calculation_id, log, 5.0, 100.0
                    )
                else:
                    status = self._run_packages(request, client, report, log, known)
            results = outcome(client, known, status, request.fail_on_failed, log)
        if request.log is not None:
            results[LOG] = str(request.log)
        return results

    def check_package(self, package, client: EngineClient, report: Reporter, hazard_id) -> None:
        """Warn of what looks wrong about a job before it is sent."""

    def _run_packages(self, request, client, report, log, known: Known) -> str:
        from ..engine.job import package as job

        report.phase(tr("Reading the job"))
        packages = report.wait.call(
            lambda: job.prepare(
                request.job, request.job_ini, request.extra_files, request.overrides
            )
        )
        hazard_id = request.hazard_calculation_id
        share = 100.0 / len(packages)
        with tempfile.TemporaryDirectory(prefix="openquake-") as folder:
            for i, package in enumerate(packages):
                last = i == len(packages) - 1
                begin, end = share * i, share * (i + 1)
                self.check_package(package, client, report, hazard_id)
                sent = begin + share * UPLOAD
                submit_package(client, report, package, hazard_id, Path(folder), begin, sent, known)
                hazard_id = known.calculation_id
                status = watch_own(client, report, request, hazard_id, log, sent, end)
                if last or status not in SUCCEEDED:
                    break
                known.state = f"{status}, but the job on top of it was not run:"
        return status
