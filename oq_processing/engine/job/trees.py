"""The files a job is made of, wherever they lie: on disk or in a zip.

A file is looked up by its *location*: an absolute path with ``/``. On disk it is the file's own
path; in a zip the zip's root is ``/``.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ..errors import InvalidJob
from .origins import ZIP_ERRORS, Origin, UnusableError, ZipMember, open_origin
from .paths import canonical, folded, readable

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


@dataclass(frozen=True)
class Found:
    """A file that exists: where it truly is (letter case), its size in bytes, its origin."""

    location: str
    size: int
    origin: Origin


class Tree(Protocol):
    """A set of files."""

    def find(self, location: str) -> Found | None:
        """Return the file at a location, also if only letter case or Unicode form differ."""


@dataclass(frozen=True)
class DiskTree:
    """The files of this computer; no link in the folder ``fence``, if any, may lead out of it."""

    fence: str = ""

    def find(self, location: str) -> Found | None:
        """Return the file at ``location``; links are followed.

        Raises ``UnusableError`` if it is not a readable file, if several differ in case only, or if
        it is a link out of the fence.
        """
        true = self._true(location)
        if true is None:
            return None
        if self.fence and leads_out(true, self.fence):
            raise UnusableError(
                "is a link that leads out of the folder, so it is not followed: "
                "put the file itself there, or choose the .ini as the job"
            )
        return found_on_disk(true)

    def _true(self, location: str) -> str | None:
        true, missing = location, []
        while not os.path.lexists(true):
            true, name = posixpath.split(true)
            if not name:
                return None
            missing.append(name)
        for name in reversed(missing):
            found = _alike(name, true)
            if found is None:
                return None
            true = found
        return true


def _alike(name: str, folder: str) -> str | None:
    """Return the file of a folder that is called so but for letter case and Unicode form."""
    try:
        names = [path.name for path in Path(folder).iterdir()]
    except OSError:
        return None
    same = [other for other in names if folded(other) == folded(name)]
    exact = [other for other in same if canonical(other) == canonical(name)]
    return _only(exact or same, folder)


def _only(names: list[str], folder: str) -> str | None:
    if len(names) > 1:
        raise UnusableError(
            f"exists several times with other letter case: {', '.join(sorted(names))}"
        )
    return posixpath.join(folder, names[0]) if names else None


def leads_out(location: str, folder: str) -> bool:
    """Return whether a file that seems to be in ``folder`` is in truth, by links, elsewhere."""
    if Path(folder) not in Path(location).parents:
        return False
    return Path(folder).resolve() not in Path(location).resolve().parents


def found_on_disk(location: str) -> Found:
    """Return the file at ``location``.

    Raises ``UnusableError`` unless it is a readable regular file.
    """
    path = Path(location)
    if readable(location) != location:
        raise UnusableError("has a name that is not UTF-8: rename it")
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnusableError("is a folder, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise UnusableError("is not a regular file")
        with path.open("rb"):
            pass
    except OSError as exc:
        if path.is_symlink() and not path.exists():
            raise UnusableError("is a link to nothing") from exc
        raise UnusableError(f"cannot be read ({exc.strerror or exc})") from exc
    return Found(location, status.st_size, path)


@dataclass
class ZipTree:
    """The files in a zip, by location; what lies in ``dropped`` is not part of the job."""

    archive: Path
    files: dict[str, Found] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    @cached_property
    def _by_fold(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for location in self.files:
            names.setdefault(folded(location), []).append(location)
        return names

    def find(self, location: str) -> Found | None:
        """Return the member at ``location``.

        Raises ``UnusableError`` if several differ in case only.
        """
        if location in self.files:
            return self.files[location]
        names = self._by_fold.get(folded(location), [])
        true = _only([name.lstrip("/") for name in names], "/")
        return None if true is None else self.files[true]


def read_zip(path: Path) -> ZipTree:
    """List the files of a zip.

    Raises ``InvalidJob`` if it is not a zip, is empty, is encrypted, holds paths that lead out of
    it, or is compressed in a way that Python, and so the engine, cannot read.
    """
    try:
        if not path.stat().st_size:
            raise InvalidJob(f"{path.name} is empty (0 bytes): it is not a zip.")
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except OSError as exc:
        raise InvalidJob(f"{path.name} cannot be read: {exc.strerror or exc}.") from exc
    except ZIP_ERRORS as exc:
        raise InvalidJob(f"{path.name} is not a zip, or it is damaged: {exc}.") from exc
    problems = []
    tree = ZipTree(path)
    for info in infos:
        name = _member_name(info)
        if _leads_out(name):
            problems.append(f"{info.filename} leads out of the zip")
        elif info.flag_bits & _ENCRYPTED:
            problems.append(f"{info.filename} is encrypted")
        elif info.compress_type not in _METHODS:
            problems.append(
                f"{info.filename} is compressed with method {info.compress_type}, "
                "which the engine cannot read"
            )
        elif not name.endswith("/"):
            _add_member(tree, info, name)
    if problems:
        raise InvalidJob(f"{path.name} cannot be sent.\n" + "\n".join(problems))
    if not infos:
        raise InvalidJob(f"{path.name} is an empty zip: there is no .ini in it.")
    return tree


def _add_member(tree: ZipTree, info: zipfile.ZipInfo, name: str) -> None:
    name = posixpath.normpath(name)
    if "__MACOSX" in name.split("/") or stat.S_ISLNK(info.external_attr >> 16):
        tree.dropped.append(name)
        return
    if name != posixpath.normpath(info.filename):
        tree.renamed.append(name)
    # the last of several members of one name wins, as in the engine
    tree.files["/" + name] = Found(
        "/" + name, info.file_size, ZipMember(tree.archive, info.filename)
    )


def _member_name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member as it was meant; macOS writes UTF-8 and does not mark it."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return canonical(name)


def _leads_out(name: str) -> bool:
    return name.startswith("/") or bool(re.match(r"[A-Za-z]:", name)) or ".." in name.split("/")


def members_beside(origin: Origin, location: str) -> dict[str, Found]:
    """Return the files of a zipped input by their locations once it is unpacked beside the zip.

    Raises ``UnusableError`` if it is not a readable zip.
    """
    folder = posixpath.dirname(location)
    if isinstance(origin, bytes):
        raise TypeError("a zipped input is never rewritten")
    try:
        with open_origin(origin) as stream, zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except ZIP_ERRORS as exc:
        raise UnusableError(f"is not a zip, or it is damaged: {exc}") from exc
    files = {}
    for info in infos:
        name = _member_name(info)
        if not name.endswith("/") and not _leads_out(name):
            at = posixpath.join(folder, posixpath.normpath(name))
            files[at] = Found(at, info.file_size, ZipMember(origin, info.filename))
    return files
