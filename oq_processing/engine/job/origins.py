"""Where the bytes of a file come from: a file on disk, a member of a zip, a rewritten copy."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Union

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


@dataclass(frozen=True)
class ZipMember:
    """A file inside a zip: on disk, or itself inside a zip."""

    archive: Path | ZipMember
    name: str


#: The bytes themselves are a rewritten copy.
Origin = Union[Path, bytes, ZipMember]


def same(one: Origin, other: Origin) -> bool:
    """Return whether two files are one."""
    if isinstance(one, Path) and isinstance(other, Path):
        with suppress(OSError):
            return one.samefile(other)
    return one == other


class UnusableError(Exception):
    """There is something at a location, but it cannot be sent; ``str()`` continues "it …"."""


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
def open_origin(origin: Origin, opened: Opened | None = None) -> Iterator[IO[bytes]]:
    """Open a file for reading; ``opened`` spares opening the same zip again.

    Raises ``OSError`` or one of ``ZIP_ERRORS``.
    """
    with ExitStack() as stack:
        if isinstance(origin, bytes):
            yield stack.enter_context(io.BytesIO(origin))
        elif isinstance(origin, Path):
            yield stack.enter_context(origin.open("rb"))
        else:
            inside = origin.archive
            if isinstance(inside, Path):
                archive = (
                    opened.archive(inside)
                    if opened
                    else stack.enter_context(zipfile.ZipFile(inside))
                )
            else:
                outer = stack.enter_context(open_origin(inside, opened))
                archive = stack.enter_context(zipfile.ZipFile(outer))
            yield stack.enter_context(archive.open(origin.name))


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
