"""What the user chose as a job: where its files are, and which of its .ini files are run."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import InvalidJob
from .origins import UnusableError, same
from .paths import canonical, folded, is_private, listed, readable
from .trees import DiskTree, Found, Tree, ZipTree, found_on_disk, read_zip


@dataclass(frozen=True)
class JobFiles:
    """Where the files of a job are.

    ``others`` are those that are sent whether referred to or not, of the folder ``root`` ("/" of a
    zip, "" if there are none); ``links`` lie in that folder and are followed only if the .ini names
    them.
    """

    title: str
    tree: Tree
    inis: tuple[str, ...] = ()
    root: str = ""
    others: Mapping[str, Found] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def in_zip(self) -> bool:
        """Whether no file of this computer can be part of the job."""
        return isinstance(self.tree, ZipTree)


def open_job(job: Path) -> JobFiles:
    """Find the files of an .ini, a .zip or a folder; raises ``InvalidJob``."""
    if not job.exists():
        raise InvalidJob(f"The job file {job} does not exist.")
    if job.is_dir():
        return _in_folder(job)
    if job.suffix.lower() == ".ini":
        return _beside_ini(job)
    if job.suffix.lower() == ".zip":
        return _in_zip(job)
    raise InvalidJob(f"{job.name} is no job: choose an .ini file, a .zip or a folder.")


def choose_inis(files: JobFiles, job: Path, job_ini: str) -> list[str]:
    """Return the locations of the .ini files to run, one or two; raises ``InvalidJob``."""
    root = files.root or job.parent.as_posix()
    names = {location: location[len(root) :].lstrip("/") for location in files.inis}
    there = listed(sorted(names.values()))
    if not job_ini.strip():
        if job.suffix.lower() == ".ini" and not files.root:
            return [job.as_posix()]
        if not names:
            raise InvalidJob(f"There is no .ini file in {files.title}.")
        if len(names) > 1:
            raise InvalidJob(
                f"{files.title} holds several .ini files: {there}. "
                "Name the one to run (JOB_INI), or two "
                "with a comma between them: the hazard's and then the risk's."
            )
        return list(names)
    wanted = [part.strip() for part in job_ini.split(",") if part.strip()]
    if any(folded(job_ini.strip()) == folded(name) for name in names.values()):
        wanted = [job_ini.strip()]
    if len(wanted) > 2:
        raise InvalidJob(f"At most two .ini files can be run in one go, not {len(wanted)}.")
    chosen, problems = [], []
    for name in wanted:
        same = _matching(name, names)
        if len(same) == 1:
            chosen += same
        elif same:
            several = listed(sorted(names[location] for location in same))
            problems.append(f"{name} is the name of several files: {several}")
        else:
            others = f"there is {there}" if names else "there is no .ini file at all"
            problems.append(f"there is no {name} in {files.title}; {others}")
    if problems:
        raise refused(files.title, problems)
    return chosen


def find_extras(extra_files: Iterable[Path], folder: str, problems: list[str]) -> dict[str, Found]:
    """Return extra files by the locations they take beside the .ini; add what is wrong."""
    extras: dict[str, Found] = {}
    for extra in extra_files:
        path = Path(os.path.abspath(extra))  # noqa: PTH100 - links keep their own name
        if path.suffix.lower() == ".ini":
            problems.append(
                f"{extra}: an .ini cannot be an extra file, for an archive holds exactly one"
            )
            continue
        if not os.path.lexists(path):
            problems.append(f"the extra file {extra} does not exist")
            continue
        try:
            found = found_on_disk(path.as_posix())
        except UnusableError as exc:
            problems.append(f"the extra file {extra} {exc}")
            continue
        location = posixpath.join(folder, canonical(path.name))
        other = extras.get(location)
        if other is not None and not same(other.origin, found.origin):
            problems.append(f"two extra files are called {path.name}: {other.location} and {path}")
        extras[location] = replace(found, location=location)
    return extras


def clashes(files: JobFiles, extras: Mapping[str, Found], referenced: set[str]) -> Iterator[str]:
    """Name extra files that would replace another file that is sent."""
    for location, extra in extras.items():
        if not files.root and location not in referenced:
            continue
        with suppress(UnusableError):
            there = files.tree.find(location)
            if (
                there is not None
                and there.location == location
                and not same(there.origin, extra.origin)
            ):
                shown = extra.origin if isinstance(extra.origin, Path) else location
                yield (
                    f"the extra file {shown} has the name of another file beside "
                    f"the .ini: {posixpath.basename(location)}"
                )


def refused(title: str, problems: Iterable[str]) -> InvalidJob:
    """Return the error that names all problems at once."""
    lines = [readable(problem) for problem in dict.fromkeys(problems)]
    if len(lines) == 1:
        return InvalidJob(f"{title} cannot be sent: {lines[0]}.")
    return InvalidJob(
        f"{title} cannot be sent, {len(lines)} things are wrong:\n" + "\n".join(lines)
    )


def _beside_ini(ini: Path) -> JobFiles:
    folder = ini.parent
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
    except OSError:
        names = []
    inis = sorted(name for name in {*names, ini.name} if name.lower().endswith(".ini"))
    return JobFiles(
        ini.name, DiskTree(), tuple(posixpath.join(folder.as_posix(), name) for name in inis)
    )


def _in_folder(folder: Path) -> JobFiles:
    if is_private(folder.as_posix()):
        raise InvalidJob(
            f"{folder} is a whole disk or holds home folders: everything in it would be sent. "
            "Choose the folder of the job, or its .ini."
        )
    files: dict[str, Found] = {}
    problems: list[str] = []
    links: list[Path] = []

    def unlisted(exc: OSError) -> None:
        problems.append(f"{exc.filename} cannot be read ({exc.strerror})")

    for parent, folders, names in os.walk(folder, onerror=unlisted):
        paths = [Path(parent, name) for name in sorted(folders)]
        links += [path for path in paths if path.is_symlink()]
        folders[:] = [p.name for p in paths if not p.is_symlink() and not _is_hidden(p)]
        for path in (Path(parent, name) for name in sorted(names)):
            if _is_hidden(path):
                continue
            if path.is_symlink():
                links.append(path)
                continue
            try:
                files[path.as_posix()] = found_on_disk(path.as_posix())
            except UnusableError as exc:
                problems.append(f"{path.relative_to(folder).as_posix()} {exc}")
    if problems:
        raise refused(folder.name, problems)
    root = folder.as_posix()
    left = tuple(path.relative_to(folder).as_posix() for path in links)
    return _with_all(JobFiles(folder.name, DiskTree(root), root=root, links=left), files)


def _is_hidden(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__MACOSX":
        return True
    try:
        attributes = getattr(os.lstat(path), "st_file_attributes", 0)
    except OSError:  # gone since it was listed, which its reader finds out too
        return False
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2))


def _in_zip(path: Path) -> JobFiles:
    tree = read_zip(path)
    warnings = []
    links = [name for name in tree.dropped if "__MACOSX" not in name.split("/")]
    if links:
        warnings.append(f"Links in the zip are left out: {listed(links)}.")
    if tree.renamed:
        warnings.append(
            "Names in the zip were written in a way a server may misread; they are sent as "
            f"{listed(tree.renamed)}."
        )
    return _with_all(JobFiles(path.name, tree, root="/", warnings=tuple(warnings)), tree.files)


def _with_all(job: JobFiles, files: Mapping[str, Found]) -> JobFiles:
    """Return a job that consists of all these files."""
    inis = tuple(location for location in files if location.lower().endswith(".ini"))
    others = {location: found for location, found in files.items() if location not in inis}
    return replace(job, inis=inis, others=others)


def _matching(name: str, names: Mapping[str, str]) -> list[str]:
    """Find an .ini by its path, else by its last part; exactly, else in any letter case."""
    if Path(name).is_absolute() and Path(name).as_posix() in names:
        return [Path(name).as_posix()]
    wanted = canonical(name)
    wanted = wanted[2:] if wanted.startswith("./") else wanted
    for form in (canonical, folded):
        whole = [at for at, other in names.items() if form(other) == form(wanted)]
        last = [
            at for at, other in names.items() if form(posixpath.basename(other)) == form(wanted)
        ]
        if whole or last:
            return whole or last
    return []
