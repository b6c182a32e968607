"""From what the user chose as a job (an .ini, a zip or a folder) to the archive that is uploaded.

``prepare`` finds everything, checks it and says what is wrong without writing anything;
``write_archive`` then streams the files into a zip. The server unpacks the archive, takes the .ini
whose name ends with the posted ``job_ini``, and resolves all paths relative to the files that name
them.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import InvalidJob
from .archive import JobPackage, Member, write_archive
from .follow import follow
from .ini import Ini, parse_parameters, read_ini
from .inputs import JobFiles, choose_inis, clashes, find_extras, open_job, refused
from .layout import Layout, lay_out
from .origins import ZIP_ERRORS, Bounded, UnusableError, open_origin
from .paths import is_absolute, listed
from .references import IniReference
from .site_sources import compare_sites
from .trees import ZipTree, leads_out

__all__ = ["JobPackage", "parse_parameters", "prepare", "write_archive"]

_INI_LIMIT = 16 << 20
#: The engine's own examples export to it, and it says nothing about the user.
_COMMON_EXPORT_DIR = "/tmp"  # nosec B108 # a value to compare with


def prepare(
    job: Path,
    job_ini: str = "",
    extra_files: Sequence[Path] = (),
    parameters: Mapping[str, str] | None = None,
) -> list[JobPackage]:
    """Find the files of a job and lay them out for the archive; nothing is written.

    ``job`` is an .ini, a .zip or a folder. ``job_ini`` chooses the .ini by name; two, separated by
    a comma, give two packages in that order (hazard, then risk). ``extra_files`` are placed beside
    the .ini and may be what it refers to. ``parameters`` override those of each .ini; an empty
    value removes a parameter.

    Raises ``InvalidJob`` that names all problems of the job at once.
    """
    job = Path(os.path.abspath(job))  # noqa: PTH100 - lexical, as the engine does
    overrides = {key.strip().lower(): value for key, value in (parameters or {}).items()}
    files = open_job(job)
    packages = []
    refusals = []
    for location in choose_inis(files, job, job_ini):
        try:
            packages.append(_package(files, job, location, extra_files, overrides))
        except InvalidJob as exc:
            refusals.append(str(exc))
    if refusals:
        raise InvalidJob("\n".join(dict.fromkeys(refusals)))
    changed = {key for package in packages for key in package.overrides}
    idle = tuple(
        f"Not removed: {key}, which no .ini of this run sets."
        for key in overrides
        if key not in changed
    )
    return [replace(packages[0], notes=(*packages[0].notes, *idle)), *packages[1:]]


def _package(
    files: JobFiles,
    job: Path,
    location: str,
    extra_files: Sequence[Path],
    overrides: Mapping[str, str],
) -> JobPackage:
    name, folder = posixpath.basename(location), posixpath.dirname(location)
    original = read_ini(_ini_bytes(files, location), name)
    overrides = {k: v for k, v in overrides.items() if v.strip() or k in original.values}
    ini = original.with_values(overrides)
    problems: list[str] = []
    warnings = list(files.warnings)
    hazard_calculation_id = None
    try:
        hazard_calculation_id = _hazard_calculation_id(ini)
    except InvalidJob as exc:
        problems.append(str(exc))
    if "export_dir" not in overrides:
        ini = _without_export_dir(ini, warnings)
    extras = find_extras(extra_files, folder, problems)
    references = follow(files, ini, location, extras)
    layout = lay_out(references, files, extras)
    problems += references.problems + layout.problems
    problems += clashes(files, extras, references.inside)
    if problems:
        raise refused(name, problems)
    ini = layout.ini
    warnings += references.warnings + layout.warnings
    left = [at for at in files.links if posixpath.join(files.root, at) not in references.inside]
    if left:
        warnings.append(f"Links are not followed, left out: {listed(left)}.")
    members = sorted(layout.members.values(), key=lambda member: member.name)
    warnings += _followed(members, folder)
    warnings += _left_paths(ini, job)
    dropped, associated = compare_sites(ini)
    data = ini.data
    untouched = data == original.data
    own = (
        files.tree.files[location].origin if untouched and isinstance(files.tree, ZipTree) else data
    )
    return JobPackage(
        ini=layout.ini_name,
        members=(
            Member(layout.ini_name, len(data), own),
            *(member for member in members if member.name != layout.ini_name),
        ),
        warnings=tuple(dict.fromkeys(warnings)),
        description=ini.values.get("description", ""),
        calculation_mode=ini.values.get("calculation_mode", ""),
        hazard_calculation_id=hazard_calculation_id,
        overrides=overrides,
        archive=_unchanged(files, layout) if untouched and not extras else None,
        sites_dropped=tuple(dropped),
        sites_associated=tuple(associated),
    )


def _unchanged(files: JobFiles, layout: Layout) -> Path | None:
    """Return the user's zip if repacking it would change nothing the engine sees."""
    tree = files.tree
    if not isinstance(tree, ZipTree) or layout.changed or len(files.inis) > 1:
        return None
    return None if tree.dropped or tree.renamed else tree.archive


def _ini_bytes(files: JobFiles, location: str) -> bytes:
    shown = posixpath.basename(location)
    try:
        found = files.tree.find(location)
        if found is None:
            raise InvalidJob(f"{shown} does not exist.")
        with open_origin(found.origin) as stream:
            return Bounded(stream, _INI_LIMIT).read()
    except UnusableError as exc:
        raise InvalidJob(f"{shown} cannot be sent: it {exc}.") from exc
    except (OSError, *ZIP_ERRORS) as exc:
        raise InvalidJob(f"{shown} cannot be read: {exc}.") from exc


def _hazard_calculation_id(ini: Ini) -> int | None:
    value = ini.values.get("hazard_calculation_id", "").strip()
    if not value:
        return None
    line = ini.line_of("hazard_calculation_id")
    where = f"{ini.name}, line {line}: hazard_calculation_id = {value}"
    if value.endswith((".ini", ".hdf5")):
        raise InvalidJob(
            f"{where} is a file, which cannot be sent: run that calculation first and give its id"
        )
    if not re.fullmatch(r"\+?[0-9]{1,18}", value) or not int(value):
        raise InvalidJob(f"{where} is not the id of a calculation")
    return int(value)


def _without_export_dir(ini: Ini, warnings: list[str]) -> Ini:
    value = ini.values.get("export_dir", "").strip()
    if not is_absolute(value) or value.rstrip("/") == _COMMON_EXPORT_DIR:
        return ini
    warnings.append(
        f"In the copy of {ini.name} that is sent, export_dir is '.' instead of {value}, which is "
        "a folder of this computer; set it as a parameter if the server has it."
    )
    pieces = ini.entries["export_dir"].pieces
    old = ini.text[pieces[0][0] : pieces[0][1]]
    return ini.with_paths([(IniReference("export_dir", old, "whole"), ".")])


def _followed(members: Sequence[Member], folder: str) -> Iterator[str]:
    """Warn of files that the .ini names in its folder and that are, by links, elsewhere."""
    for member in members:
        origin = member.origin
        if isinstance(origin, Path) and leads_out(origin.as_posix(), folder):
            yield f"{member.name} is a link; what is sent is {origin.resolve()}."


def _left_paths(ini: Ini, job: Path) -> list[str]:
    """Warn of lines, comments among them, that name a folder of this computer."""
    folders = {job.parent}
    with suppress(RuntimeError):
        folders.add(Path.home())
    telling = {
        form
        for folder in folders
        if folder.parent != folder and folder != Path(_COMMON_EXPORT_DIR)
        for form in (str(folder), folder.as_posix(), str(folder).replace("\\", "\\\\"))
    }
    return [
        f"{ini.name}, line {number}, names a folder of this computer and is sent as it stands."
        for number, line in enumerate(ini.text.splitlines(), start=1)
        if any(form in line for form in telling)
    ]
