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
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from ..errors import InvalidJob
from .collect import Collected, Given, collect, is_private
from .ini import Ini, PathChange, parse_parameters, read_ini
from .references import is_absolute
from .sources import (
    ZIP_ERRORS,
    Bounded,
    DiskTree,
    Found,
    Opened,
    Source,
    Tree,
    UnusableError,
    ZipMember,
    ZipTree,
    canonical,
    folded,
    found_on_disk,
    leads_out,
    open_source,
    read_zip,
    readable,
)

__all__ = [
    "JobPackage",
    "Member",
    "Source",
    "ZipMember",
    "parse_parameters",
    "prepare",
    "write_archive",
]

_INI_LIMIT = 16 << 20
_CHUNK = 1 << 20
#: From here on a member is written with ZIP64 headers, in bytes.
_LARGE = 1 << 30
#: The engine's own examples export to it, and it tells nothing about the user.
_COMMON_EXPORT_DIR = "/tmp"  # nosec B108 # a value to compare with


@dataclass(frozen=True)
class Member:
    """A file in the archive.

    ``name`` is its path there (POSIX, NFC), ``size`` is in bytes before compression, ``source`` a
    file on disk, the bytes themselves (a rewritten copy) or a member of the user's zip.
    """

    name: str
    size: int
    source: Source


@dataclass(frozen=True)
class JobPackage:
    """One job, ready to be written and sent.

    ``ini`` is the name of the only .ini in the archive; its basename is posted as ``job_ini``.
    ``archive`` is the user's own zip if that can be sent as it is, else None. ``warnings`` are
    sentences for the log. ``hazard_calculation_id`` is the one the .ini sets, to be posted because
    the engine overrides the .ini's with what is posted.
    """

    ini: str
    members: tuple[Member, ...]
    warnings: tuple[str, ...]
    description: str
    calculation_mode: str
    hazard_calculation_id: int | None
    overrides: dict[str, str]
    archive: Path | None = None

    @property
    def size(self) -> int:
        """Total bytes before compression."""
        return sum(member.size for member in self.members)


@dataclass(frozen=True)
class _Job:
    """Where the job's files are: ``base`` are those that are sent whether referred to or not."""

    title: str
    tree: Tree
    inis: tuple[str, ...]
    base: Mapping[str, Found]
    base_root: str
    warnings: tuple[str, ...] = ()
    #: links in the folder; one is followed only if the .ini names it
    links: tuple[str, ...] = ()


def prepare(
    job: Path,
    job_ini: str = "",
    extra_files: Sequence[Path] = (),
    parameters: Mapping[str, str] | None = None,
) -> list[JobPackage]:
    """Find the files of a job and lay them out for the archive; nothing is written.

    ``job`` is an .ini, a .zip or a folder. ``job_ini`` chooses the .ini by name; two, separated by
    a comma, give two packages in that order (hazard, then risk). ``extra_files`` are placed beside
    the .ini and may be what it refers to. ``parameters`` override those of each .ini.

    Raises ``InvalidJob`` that names all problems of the job at once.
    """
    job = Path(os.path.abspath(job))  # noqa: PTH100 - lexical, as the engine does
    overrides = {key.strip().lower(): value for key, value in (parameters or {}).items()}
    if not job.exists():
        raise InvalidJob(f"The job file {job} does not exist.")
    if job.is_dir():
        files = _in_folder(job)
    elif job.suffix.lower() == ".ini":
        files = _beside_ini(job)
    elif job.suffix.lower() == ".zip":
        files = _in_zip(job)
    else:
        raise InvalidJob(f"{job.name} is no job: choose an .ini file, a .zip or a folder.")
    places = _chosen(files, job, job_ini)
    packages = []
    refusals = []
    for place in places:
        try:
            packages.append(_package(files, job, place, extra_files, overrides))
        except InvalidJob as exc:
            refusals.append(str(exc))
    if refusals:
        raise InvalidJob("\n".join(dict.fromkeys(refusals)))
    return packages


def write_archive(
    package: JobPackage,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the archive of a package: deflated, streamed, with ZIP64 where sizes need it.

    ``progress`` is called with the bytes read so far and their total; what it raises ends the
    writing. The file appears under its name only when complete. The same files give the same bytes.
    Raises ``InvalidJob`` if a file vanished or cannot be read any more, ``OSError`` if the target
    cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        if package.archive is not None:
            _copy_archive(package.archive, part, progress)
        else:
            _write_members(package, part, progress)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# where the files are


def _beside_ini(ini: Path) -> _Job:
    folder = ini.parent
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
    except OSError:
        names = [ini.name]
    inis = sorted(name for name in {*names, ini.name} if name.lower().endswith(".ini"))
    return _Job(
        ini.name,
        DiskTree(),
        tuple(posixpath.join(folder.as_posix(), name) for name in inis),
        {},
        "",
    )


def _in_folder(folder: Path) -> _Job:
    if is_private(folder.as_posix()):
        raise InvalidJob(
            f"{folder} is a whole disk or holds home folders: everything in it would be sent. "
            "Choose the folder of the job, or its .ini."
        )
    base: dict[str, Found] = {}
    problems: list[str] = []
    links: list[str] = []

    def unlisted(exc: OSError) -> None:
        problems.append(f"{exc.filename} cannot be read ({exc.strerror})")

    for parent, folders, names in os.walk(folder, onerror=unlisted):
        kept = []
        for name in sorted(folders):
            path = Path(parent, name)
            if path.is_symlink():
                links.append(path.relative_to(folder).as_posix())
            elif not _is_hidden(path):
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            path = Path(parent, name)
            if _is_hidden(path):
                continue
            if path.is_symlink():
                links.append(path.relative_to(folder).as_posix())
                continue
            try:
                found = found_on_disk(path.as_posix())
            except UnusableError as exc:
                problems.append(f"{path.relative_to(folder).as_posix()} {exc}")
            else:
                base[found.place] = found
    if problems:
        raise _invalid(folder.name, problems)
    inis = tuple(place for place in base if place.lower().endswith(".ini"))
    root = folder.as_posix()
    return _Job(folder.name, DiskTree(root), inis, base, root, links=tuple(links))


def _is_hidden(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__MACOSX":
        return True
    try:
        attributes = getattr(os.lstat(path), "st_file_attributes", 0)
    except OSError:  # gone since it was listed, which its reader finds out too
        return False
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2))


def _in_zip(path: Path) -> _Job:
    tree = read_zip(path)
    warnings = []
    links = [name for name in tree.dropped if "__MACOSX" not in name.split("/")]
    if links:
        warnings.append(f"Links in the zip are left out: {_listed(links)}.")
    if tree.renamed:
        warnings.append(
            "Names in the zip were written in a way a server may misread; they are sent as "
            f"{_listed(tree.renamed)}."
        )
    inis = tuple(place for place in tree.files if place.lower().endswith(".ini"))
    return _Job(path.name, tree, inis, tree.files, "/", tuple(warnings))


def _chosen(files: _Job, job: Path, job_ini: str) -> list[str]:
    """Return the places of the .ini files to run, one or two."""
    root = files.base_root or job.parent.as_posix()
    names = {place: place[len(root) :].lstrip("/") for place in files.inis}
    there = _listed(sorted(names.values()))
    if not job_ini.strip():
        if job.suffix.lower() == ".ini" and not files.base_root:
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
    places = []
    problems = []
    for name in wanted:
        same = _matching(name, names)
        if len(same) == 1:
            places += same
        elif same:
            problems.append(
                f"{name} is the name of several files: {_listed(sorted(names[p] for p in same))}"
            )
        else:
            problems.append(
                f"there is no {name} in {files.title}; "
                + (f"there is {there}" if names else "there is no .ini file at all")
            )
    if problems:
        raise _invalid(files.title, problems)
    return places


def _matching(name: str, names: Mapping[str, str]) -> list[str]:
    """Find an .ini by its path, else by its last part; exactly, else in any letter case."""
    if Path(name).is_absolute() and Path(name).as_posix() in names:
        return [Path(name).as_posix()]
    wanted = canonical(name)
    wanted = wanted[2:] if wanted.startswith("./") else wanted
    for form in (canonical, folded):
        whole = [place for place, other in names.items() if form(other) == form(wanted)]
        last = [
            place
            for place, other in names.items()
            if form(posixpath.basename(other)) == form(wanted)
        ]
        if whole or last:
            return whole or last
    return []


# one package


def _package(
    files: _Job,
    job: Path,
    place: str,
    extra_files: Sequence[Path],
    overrides: Mapping[str, str],
) -> JobPackage:
    shown = posixpath.basename(place)
    original = read_ini(_ini_bytes(files, place), shown)
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
    extras = _extras(extra_files, posixpath.dirname(place), problems)
    base = {at: found for at, found in files.base.items() if not at.lower().endswith(".ini")}
    collected = collect(Given(files.tree, ini, place, base, files.base_root, extras))
    problems += collected.problems
    problems += _clashes(files, extras, collected.referenced)
    if problems or collected.ini is None:
        raise _invalid(shown, problems)
    ini = collected.ini
    warnings += collected.warnings
    left = [
        name
        for name in files.links
        if posixpath.join(files.base_root, name) not in collected.referenced
    ]
    if left:
        warnings.append(f"Links are not followed, left out: {_listed(left)}.")
    warnings += _followed(collected, posixpath.dirname(place))
    warnings += _left_paths(ini, job)
    data = ini.data
    untouched = data == original.data
    members = [Member(collected.ini_name, len(data), data)]
    if untouched and isinstance(files.tree, ZipTree):
        members = [Member(collected.ini_name, len(data), files.tree.files[place].source)]
    members += [
        Member(item.name, item.size, item.source)
        for item in sorted(collected.files.values(), key=lambda item: item.name)
        if item.name != collected.ini_name
    ]
    return JobPackage(
        ini=collected.ini_name,
        members=tuple(members),
        warnings=tuple(dict.fromkeys(warnings)),
        description=ini.values.get("description", ""),
        calculation_mode=ini.values.get("calculation_mode", ""),
        hazard_calculation_id=hazard_calculation_id,
        overrides=dict(overrides),
        archive=_as_it_is(files, untouched, collected, extras),
    )


def _as_it_is(
    files: _Job, untouched: bool, collected: Collected, extras: Mapping[str, Found]
) -> Path | None:
    """Return the user's zip if repacking it would change nothing the engine sees."""
    tree = files.tree
    if not isinstance(tree, ZipTree) or extras or not untouched or collected.changed:
        return None
    if tree.dropped or tree.renamed or len(files.inis) > 1:
        return None
    return tree.archive


def _ini_bytes(files: _Job, place: str) -> bytes:
    shown = posixpath.basename(place)
    try:
        found = files.tree.find(place)
        if found is None:
            raise InvalidJob(f"{shown} does not exist.")
        with open_source(found.source) as stream:
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
    if not re.fullmatch(r"\+?[0-9]+", value) or not int(value):
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
    return ini.with_paths([PathChange("export_dir", "whole", old, ".")])


def _followed(collected: Collected, folder: str) -> Iterator[str]:
    """Warn of files that the .ini names in its folder and that are, by links, elsewhere."""
    for item in sorted(collected.files.values(), key=lambda item: item.name):
        if isinstance(item.source, Path) and leads_out(item.source.as_posix(), folder):
            yield f"{item.name} is a link; what is sent is {item.source.resolve()}."


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


def _extras(extra_files: Sequence[Path], folder: str, problems: list[str]) -> dict[str, Found]:
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
        place = posixpath.join(folder, canonical(path.name))
        other = extras.get(place)
        if other is not None and not _same_file(other, found):
            problems.append(f"two extra files are called {path.name}: {other.place} and {path}")
        extras[place] = replace(found, place=place)
    return extras


def _same_file(one: Found, other: Found) -> bool:
    if isinstance(one.source, Path) and isinstance(other.source, Path):
        return one.source.samefile(other.source)
    return False


def _path_of(found: Found) -> str:
    return str(found.source) if isinstance(found.source, Path) else found.place


def _clashes(files: _Job, extras: Mapping[str, Found], referenced: set[str]) -> Iterator[str]:
    """Name extra files that would take the place of another file that is sent."""
    for place, extra in extras.items():
        if not files.base_root and place not in referenced:
            continue
        with suppress(UnusableError):
            there = files.tree.find(place)
            if there is not None and there.place == place and not _same_file(there, extra):
                yield (
                    f"the extra file {_path_of(extra)} has the name of another file beside "
                    f"the .ini: {posixpath.basename(place)}"
                )


def _invalid(title: str, problems: Sequence[str]) -> InvalidJob:
    problems = [readable(problem) for problem in dict.fromkeys(problems)]
    if len(problems) == 1:
        return InvalidJob(f"{title} cannot be sent: {problems[0]}.")
    return InvalidJob(
        f"{title} cannot be sent, {len(problems)} things are wrong:\n" + "\n".join(problems)
    )


def _listed(names: Sequence[str], limit: int = 20) -> str:
    more = len(names) - limit
    return readable(", ".join(names[:limit])) + (f" and {more} more" if more > 0 else "")


# writing


def _copy_archive(source: Path, part: Path, progress: Callable[[int, int], None] | None) -> None:
    done = 0
    try:
        stream = source.open("rb")
    except OSError as exc:
        raise InvalidJob(f"{source} cannot be read any more: {exc.strerror or exc}.") from exc
    with stream, part.open("wb") as out:
        total = os.fstat(stream.fileno()).st_size
        while True:
            chunk = stream.read(_CHUNK)
            if not chunk:
                break
            out.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)


def _write_members(
    package: JobPackage, part: Path, progress: Callable[[int, int], None] | None
) -> None:
    total = package.size
    done = 0
    with (
        part.open("wb") as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
        Opened() as opened,
    ):
        for member in package.members:
            info = zipfile.ZipInfo(member.name)  # dated 1980: equal files give an equal archive
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = member.size
            with archive.open(info, "w", force_zip64=member.size >= _LARGE) as target:
                for chunk in _chunks(member, opened):
                    target.write(chunk)
                    done += len(chunk)
                    if progress:
                        progress(min(done, total), total)


def _chunks(member: Member, opened: Opened) -> Iterator[bytes]:
    """Read a file piece by piece, every failure to do so being the user's to know."""
    try:
        with open_source(member.source, opened) as stream:
            while True:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    return
                yield chunk
    except (OSError, *ZIP_ERRORS) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise InvalidJob(f"{_origin(member)} cannot be read any more: {reason}.") from exc


def _origin(member: Member) -> str:
    if isinstance(member.source, Path):
        return str(member.source)
    return member.name
