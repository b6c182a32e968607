"""The files a job is made of, wherever they lie: on disk, in a zip, in a zip inside that.

A file is looked up by a *place*: an absolute path with ``/``. On disk it is the file's own path; in
a zip the zip's root is ``/``.
"""

from __future__ import annotations

import io
import lzma
import os
import posixpath
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, Union

from ..errors import InvalidJob

#: What reading a damaged or unsupported zip may raise.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    KeyError,
)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


@dataclass(frozen=True)
class ZipMember:
    """A file inside a zip: on disk, or itself inside a zip."""

    archive: Path | ZipMember
    name: str


#: Where the bytes of a file come from.
Source = Union[Path, bytes, ZipMember]


@dataclass(frozen=True)
class Found:
    """A file that exists: its place as it truly is (letter case), its size in bytes, its source."""

    place: str
    size: int
    source: Source


class UnusableError(Exception):
    """There is something at a place, but it cannot be sent; ``str()`` continues "it …"."""


class Tree(Protocol):
    """A set of files."""

    def find(self, place: str) -> Found | None:
        """Return the file at a place, also if only letter case or Unicode form differ."""


def canonical(path: str) -> str:
    """Return a path as it stands in an archive: with ``/`` and in Unicode NFC."""
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def folded(path: str) -> str:
    """Return what two names have in common that differ in letter case or Unicode form only."""
    return canonical(path).casefold()


def readable(name: str) -> str:
    """Return a text with names of files that may not be UTF-8 as one that can be written."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True)
class DiskTree:
    """The files of this computer; no link in the folder ``fence``, if any, may lead out of it."""

    fence: str = ""

    def find(self, place: str) -> Found | None:
        """Return the file at ``place``; links are followed.

        Raises ``UnusableError`` if it is no readable file, if several differ in case only, or if it
        is a link out of the fence.
        """
        true = self._true(place)
        if true is None:
            return None
        if self.fence and leads_out(true, self.fence):
            raise UnusableError(
                "is a link that leads out of the folder, so it is not followed: "
                "put the file itself there, or choose the .ini as the job"
            )
        return found_on_disk(true)

    def _true(self, place: str) -> str | None:
        true, missing = place, []
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


def leads_out(place: str, folder: str) -> bool:
    """Tell whether a file that seems to be in ``folder`` is in truth, by links, elsewhere."""
    if Path(folder) not in Path(place).parents:
        return False
    return Path(folder).resolve() not in Path(place).resolve().parents


def found_on_disk(place: str) -> Found:
    """Return the file at ``place``; raises ``UnusableError`` if it is no readable regular file."""
    path = Path(place)
    if readable(place) != place:
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
    return Found(place, status.st_size, path)


@dataclass
class ZipTree:
    """The files in a zip, by place; what lies in ``dropped`` is not part of the job."""

    archive: Path
    files: dict[str, Found]
    dropped: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_fold: dict[str, list[str]] = {}
        for place in self.files:
            self._by_fold.setdefault(folded(place), []).append(place)

    def find(self, place: str) -> Found | None:
        """Return the member at ``place``.

        Raises ``UnusableError`` if several differ in case only.
        """
        if place in self.files:
            return self.files[place]
        names = self._by_fold.get(folded(place), [])
        true = _only([name.lstrip("/") for name in names], "/")
        return None if true is None else self.files[true]


def read_zip(path: Path) -> ZipTree:
    """List the files of a zip.

    Raises ``InvalidJob`` if it is no zip, is empty, is encrypted, holds paths that lead out of it,
    or is compressed in a way that Python, and so the engine, cannot read.
    """
    try:
        size = path.stat().st_size
        if not size:
            raise InvalidJob(f"{path.name} is empty (0 bytes): it is not a zip.")
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except OSError as exc:
        raise InvalidJob(f"{path.name} cannot be read: {exc.strerror or exc}.") from exc
    except ZIP_ERRORS as exc:
        raise InvalidJob(f"{path.name} is not a zip, or it is damaged: {exc}.") from exc
    problems = []
    tree = ZipTree(path, {})
    for info in infos:
        name = member_name(info)
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
    return ZipTree(path, tree.files, tree.dropped, tree.renamed)


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


def member_name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member as it was meant: macOS writes UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return canonical(name)


def _leads_out(name: str) -> bool:
    return name.startswith("/") or bool(re.match(r"[A-Za-z]:", name)) or ".." in name.split("/")


def members_beside(source: Source, place: str) -> dict[str, Found]:
    """List the files of a zipped input by the places they take when unpacked beside the zip.

    Raises ``UnusableError`` if it is not a readable zip.
    """
    folder = posixpath.dirname(place)
    if isinstance(source, bytes):
        raise TypeError("a zipped input is never rewritten")
    try:
        with open_source(source) as stream, zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except ZIP_ERRORS as exc:
        raise UnusableError(f"is not a zip, or it is damaged: {exc}") from exc
    files = {}
    for info in infos:
        name = member_name(info)
        if not name.endswith("/") and not _leads_out(name):
            at = posixpath.join(folder, posixpath.normpath(name))
            files[at] = Found(at, info.file_size, ZipMember(source, info.filename))
    return files


class Opened(ExitStack):
    """Zips kept open while their members are read one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._archives: dict[Path, zipfile.ZipFile] = {}

    def archive(self, path: Path) -> zipfile.ZipFile:
        """Return the zip at ``path``, open."""
        if path not in self._archives:
            self._archives[path] = self.enter_context(zipfile.ZipFile(path))
        return self._archives[path]


@contextmanager
def open_source(source: Source, opened: Opened | None = None) -> Iterator[IO[bytes]]:
    """Open a file for reading; ``opened`` spares opening the same zip again.

    Raises ``OSError`` or one of ``ZIP_ERRORS``.
    """
    with ExitStack() as stack:
        if isinstance(source, bytes):
            yield stack.enter_context(io.BytesIO(source))
        elif isinstance(source, Path):
            yield stack.enter_context(source.open("rb"))
        else:
            inside = source.archive
            if isinstance(inside, Path):
                archive = (
                    opened.archive(inside)
                    if opened
                    else stack.enter_context(zipfile.ZipFile(inside))
                )
            else:
                outer = stack.enter_context(open_source(inside, opened))
                archive = stack.enter_context(zipfile.ZipFile(outer))
            yield stack.enter_context(archive.open(source.name))


class Bounded:
    """A stream that refuses to give more than ``limit`` bytes, whatever its zip announces."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes; raises ``UnusableError`` beyond the limit."""
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise UnusableError("is too large to be what the job uses it for")
        return data
