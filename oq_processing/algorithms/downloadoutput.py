"""Download Output: a file of the engine's own, unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsProcessingOutputFile, QgsProcessingParameterFolderDestination

from ..engine.client import EngineClient
from ..engine.errors import EngineError, InvalidChoice
from ..engine.files import PREFIX, part_of
from ..engine.server import Download, OnProgress
from ..i18n import tr, tr_noop
from ..outputs.catalogue import find_output
from .common import parameters as p
from .common.base import ANY_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.values import Values

FOLDER = "FOLDER"
FORMAT = "FORMAT"
# names that Windows keeps for devices, whatever comes after the dot
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d) *(\.|$)", re.I)
MAX_NAME = 150  # bytes; file systems take 255, and a number may be added


@dataclass(frozen=True)
class DownloadRequest:
    """Which output, in which format (empty: its first), and where to."""

    calculation_id: int
    output_type: str
    fmt: str
    folder: Path


class DownloadOutput(BaseAlgorithm[DownloadRequest]):
    """Download an output of a calculation in one of its formats."""

    ID = "downloadoutput"
    NAME = tr_noop("Download Output")
    GROUP = "outputs"
    TAGS = ("export", "csv", "npz", "datastore", "hdf5", "save")
    HELP = tr_noop(
        "Downloads an output of a calculation in one of the formats that the engine offers, or its "
        "whole datastore (Output: datastore), its input files (input), or its report "
        "(fullreport).\n\n"
        "Nothing is overwritten: if the folder has a file of that name, a free name is chosen and "
        "returned. A download that breaks off leaves no file."
    )
    CALCULATION = ANY_CALCULATION

    def inputs(self) -> Parameters:
        return [
            p.text(
                p.OUTPUT_TYPE,
                tr("Output"),
                tr("Type of the output (hmaps, …), its id, or datastore, input, fullreport."),
            ),
            p.text(FORMAT, tr("Format"), tr("csv, npz, …; empty: the first that is offered.")),
        ]

    def targets(self) -> Parameters:
        folder = QgsProcessingParameterFolderDestination(FOLDER, tr("Folder"))
        return [p.described(folder, tr("Where to put the file; made if it does not exist."))]

    def results(self) -> Outputs:
        return [QgsProcessingOutputFile(p.OUTPUT, tr("File"))]

    def validate(self, values: Values) -> DownloadRequest:
        folder = values.file(FOLDER, "Give the folder to download to: FOLDER=downloads.")
        return DownloadRequest(
            values.id(), values.text(p.OUTPUT_TYPE), values.text(FORMAT).lower(), folder
        )

    def execute(self, run: Run[DownloadRequest]) -> Results:
        request, report = run.request, run.report
        number = request.calculation_id
        run.client.calculation(number)
        fetch = _choose(run.client, request)
        try:
            request.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"{request.folder} cannot be made ({error.strerror}).") from error
        target = part_of(request.folder / f"{PREFIX}{number}")
        report.phase(f"Downloading {request.output_type} of calculation {number}")
        try:
            download = fetch(target, report.span(0, 99))
            given = download.name if download.name != target.name else ""
            name = safe_name(given or f"calculation-{number}-{request.output_type}")
            path = _keep(target, request.folder, name)
        finally:
            target.unlink(missing_ok=True)
        report.info(f"{path}: {download.size:,} bytes")
        return {p.OUTPUT: str(path), FOLDER: str(request.folder)}


def _choose(
    client: EngineClient, request: DownloadRequest
) -> Callable[[Path, OnProgress], Download]:
    """Return what fetches the wanted output; raise if there is none, before anything is made."""
    number = request.calculation_id
    output_type = request.output_type.lower()
    if output_type == "datastore":
        return lambda target, progress: client.datastore(number, target, progress)
    outputs = client.outputs(number)
    if output_type == "input" and not any(o.type == "input" for o in outputs):
        return lambda target, progress: client.job_archive(number, target, progress)
    output = find_output(outputs, request.output_type, number)
    fmt = request.fmt or next(iter(output.formats), "")
    if fmt not in output.formats:
        raise InvalidChoice(
            f"{output.name} of calculation {number} has no format “{fmt}”; "
            f"it has: {', '.join(output.formats) or 'none'}."
        )
    return lambda target, progress: client.export(output, fmt, target, progress)


def _keep(source: Path, folder: Path, name: str) -> Path:
    """Give the file its name, or a free one like it; never overwrite."""
    stem, dot, suffix = name.partition(".")
    number = 1
    while True:
        path = folder / (name if number == 1 else f"{stem}-{number}{dot}{suffix}")
        try:
            # takes the name and fails if somebody has it: no gap between the two
            path.open("xb").close()
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise EngineError(f"{path} cannot be written ({error.strerror}).") from error
        try:
            source.replace(path)
        except OSError as error:
            path.unlink()
            raise EngineError(f"{path} cannot be written ({error.strerror}).") from error
        return path


def safe_name(name: str) -> str:
    """Return a file name that stays in its folder, on every system."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "_", name).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if len(name.encode()) > MAX_NAME:
        room = MAX_NAME - len(suffix.encode()) - 1
        if not dot or room < 1:
            stem, dot, suffix, room = name, "", "", MAX_NAME
        name = stem.encode()[:room].decode(errors="ignore").strip(" .") + dot + suffix
    return f"_{name}" if not name or _DEVICES.match(name) else name
