"""Run Calculation: from a job on this computer to a finished calculation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qgis.core import QgsProcessingParameterMultipleLayers, QgsProcessingParameterNumber

from ..engine.calculation import SUCCEEDED
from ..engine.files import temporary_folder
from ..i18n import tr, tr_noop
from .common import parameters as p
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.log_file import LogFile
from .common.run import Results, Run
from .common.running import (
    UPLOAD,
    Known,
    naming,
    outcome,
    start_on_server,
    submit_package,
    watch_own,
)
from .common.values import InvalidParameter, Values

if TYPE_CHECKING:
    from ..engine.job.package import JobPackage

JOB = "JOB"
JOB_INI = "JOB_INI"
EXTRA_FILES = "EXTRA_FILES"
HAZARD_CALCULATION_ID = "HAZARD_CALCULATION_ID"
PARAMETERS = "PARAMETERS"
JOB_ON_SERVER = "JOB_ON_SERVER"
WAIT = "WAIT"


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

    def check(self) -> None:
        """Raise :class:`InvalidParameter` for what does not fit together."""
        if self.job is None and not self.job_on_server:
            raise InvalidParameter(
                "Choose a job: JOB must be a .ini file, a .zip file or a folder."
            )
        if self.job is not None and self.job_on_server:
            raise InvalidParameter("Give either JOB or JOB_ON_SERVER, not both.")
        if self.job_on_server and (self.overrides or self.extra_files):
            raise InvalidParameter(
                "PARAMETERS and EXTRA_FILES cannot change a job that is on the server."
            )
        if self.job is not None and not self.job.exists():
            raise InvalidParameter(f"The job {self.job} does not exist.")
        if not self.wait and "," in self.job_ini:
            raise InvalidParameter(
                "A job of two .ini files needs WAIT=true: the second starts when the first is done."
            )
        if not self.wait and self.log is not None:
            raise InvalidParameter("A LOG needs WAIT=true: it is whole when the calculation ends.")


class RunCalculation(BaseAlgorithm[RunRequest]):
    """Submit a job to the engine and follow it to its end."""

    ID = "runcalculation"
    NAME = tr_noop("Run Calculation")
    STARTS_ENGINE = True
    TAGS: ClassVar[tuple[str, ...]] = ("job", "psha", "submit", "engine")
    HELP = tr_noop(
        "Submits a job to the OpenQuake engine and follows it: status, progress and log lines are "
        "shown as they come.\n\n"
        "A job is a job.ini (the files it refers to are found and sent with it), a zip archive or "
        "a folder that holds one. The server may be this computer or another one.\n\n"
        "Cancel aborts the calculation that this run started. A calculation that fails makes the "
        "algorithm fail with the engine's reason, unless Fail if the calculation fails is off.\n\n"
        "CALCULATION_ID can feed the next step of a model."
    )

    def inputs(self) -> Parameters:
        return [*self._job(), self._hazard(optional=True), *self._options()]

    def _job(self) -> Parameters:
        return [
            p.file(
                JOB,
                tr("Job"),
                tr("A job.ini, a zip archive, or a folder (typed or dropped)."),
                tr("OpenQuake job (*.ini *.zip);;All files (*)"),
            )
        ]

    def _hazard(self, optional: bool) -> QgsProcessingParameterNumber:
        return p.number(
            HAZARD_CALCULATION_ID,
            tr("Hazard calculation"),
            tr(
                "Id of the finished calculation that this one is based on. Empty: what the job.ini "
                "says, if it says a number."
            ),
            optional=optional,
        )

    def _options(self) -> Parameters:
        extra = QgsProcessingParameterMultipleLayers(
            EXTRA_FILES, tr("Extra files"), p.SourceType.TypeFile, optional=True
        )
        return [
            p.text(
                JOB_INI,
                tr("Which .ini"),
                tr(
                    "Name of the .ini file if the archive or folder holds several. Two names, "
                    "job_hazard.ini,job_risk.ini, are run in order, the second on top of the first."
                ),
            ),
            p.text(
                PARAMETERS,
                tr("Parameters to change"),
                tr(
                    "Values that replace those of the job.ini, in the copy that is sent: "
                    "name=value, with ; or line breaks between them; name= removes a parameter. "
                    "Example: description=Test 2; truncation_level=2"
                ),
                multi_line=True,
                advanced=True,
            ),
            p.described(
                extra,
                tr("Files to send beside the job.ini, which it does not refer to."),
                advanced=True,
            ),
            p.text(
                JOB_ON_SERVER,
                tr("Job on the server"),
                tr(
                    "Path of a job.ini on the server's own disk, instead of a job here: for "
                    "models that already live beside the cluster."
                ),
                advanced=True,
            ),
            p.flag(
                WAIT,
                tr("Wait until it has ended"),
                tr("Off: return as soon as the calculation is submitted."),
                True,
            ),
            p.fail_on_failed(),
            p.log_file(),
        ]

    def results(self) -> Outputs:
        return p.outputs(p.CALCULATION_ID, p.STATUS, p.SERVER)

    def validate(self, values: Values) -> RunRequest:
        # not before it is needed: every start of QGIS would pay for it
        from ..engine.job import package as job

        request = RunRequest(
            job=values.path(JOB),
            job_ini=values.text(JOB_INI),
            extra_files=values.paths(EXTRA_FILES),
            hazard_calculation_id=values.optional_id(HAZARD_CALCULATION_ID),
            overrides=job.parse_parameters(values.text(PARAMETERS)),
            job_on_server=values.text(JOB_ON_SERVER),
            wait=values.flag(WAIT),
            fail_on_failed=values.flag(p.FAIL_ON_FAILED),
            log=values.log(),
        )
        request.check()
        return request

    def execute(self, run: Run[RunRequest]) -> Results:
        request = run.request
        with naming() as known:
            with LogFile(request.log) as log:
                if request.job is None:
                    start_on_server(
                        run, known, request.job_on_server, request.hazard_calculation_id
                    )
                    status = watch_own(run, known.calculation_id, log, 5.0, 100.0)
                else:
                    status = self._run_packages(run, known, log, request.job)
            return outcome(run.client, known, status, request.fail_on_failed, log)

    def check_package(
        self, package: JobPackage, run: Run[RunRequest], hazard_id: int | None
    ) -> None:
        """Warn of what looks wrong about a job before it is sent."""

    def _run_packages(self, run: Run[RunRequest], known: Known, log: LogFile, files: Path) -> str:
        from ..engine.job import package as job

        request, status = run.request, ""
        run.report.phase("Reading the job")
        packages = run.report.wait.call(
            lambda: job.prepare(files, request.job_ini, request.extra_files, request.overrides)
        )
        hazard_id = request.hazard_calculation_id
        share = 100.0 / len(packages)
        with temporary_folder() as folder:
            for i, package in enumerate(packages):
                begin, end = share * i, share * (i + 1)
                self.check_package(package, run, hazard_id)
                sent = begin + share * UPLOAD
                submit_package(run, known, package, hazard_id, folder, (begin, sent))
                hazard_id = known.calculation_id
                status = watch_own(run, hazard_id, log, sent, end)
                if package is packages[-1] or status not in SUCCEEDED:
                    break
                known.state = f"{status}, but the job on top of it was not run:"
        return status
