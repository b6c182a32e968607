"""The archive of a job: what it holds, and how it is written."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..errors import InvalidJob
from .origins import ZIP_ERRORS, Opened, Origin, open_origin

_CHUNK = 1 << 20
#: From here on a member is written with ZIP64 headers, in bytes.
_LARGE = 1 << 30


@dataclass(frozen=True)
class Member:
    """A file in the archive: its path there (POSIX, NFC), its size in bytes before compression."""

    name: str
    size: int
    origin: Origin


@dataclass(frozen=True)
class JobPackage:
    """One job, ready to be written and sent.

    ``ini`` is the name of the only .ini in the archive; its basename is posted as ``job_ini``.
    ``archive`` is the user's own zip if that can be sent unchanged, else None. ``warnings`` and
    ``notes`` are sentences for the log, the latter for information. ``overrides`` are the
    parameters that differ from the user's .ini, "" for those that are removed.
    ``hazard_calculation_id`` is the one the .ini sets, to be posted because the engine overrides
    the .ini's with what is posted. ``sites_dropped`` are warnings and ``sites_associated`` notes on
    the sites that the .ini names, for a job that is not based on a hazard calculation.
    """

    ini: str
    members: tuple[Member, ...]
    warnings: tuple[str, ...]
    description: str
    calculation_mode: str
    hazard_calculation_id: int | None
    overrides: dict[str, str]
    archive: Path | None = None
    notes: tuple[str, ...] = ()
    sites_dropped: tuple[str, ...] = ()
    sites_associated: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Total bytes before compression."""
        return sum(member.size for member in self.members)


def write_archive(
    package: JobPackage,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the archive of a package: deflated, streamed, with ZIP64 where sizes need it.

    ``progress`` is called with the bytes read so far and their total; what it raises ends the
    writing. The file appears under its name only when complete. The same files give the same bytes.
    Raises ``InvalidJob`` if a file vanished, cannot be read any more or has another size than when
    the job was checked, ``OSError`` if the target cannot be written.
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


def _copy_archive(source: Path, part: Path, progress: Callable[[int, int], None] | None) -> None:
    done = 0
    try:
        stream = source.open("rb")
    except OSError as exc:
        raise InvalidJob(f"{source} cannot be read any more: {exc.strerror or exc}.") from exc
    with stream, part.open("wb") as out:
        total = os.fstat(stream.fileno()).st_size
        while chunk := stream.read(_CHUNK):
            out.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
        _check_size(source, total, done)


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
    shown = member.origin if isinstance(member.origin, Path) else member.name
    read = 0
    try:
        with open_origin(member.origin, opened) as stream:
            while read <= member.size and (chunk := stream.read(_CHUNK)):
                read += len(chunk)
                yield chunk
    except (OSError, *ZIP_ERRORS) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise InvalidJob(f"{shown} cannot be read any more: {reason}.") from exc
    _check_size(shown, member.size, read)


def _check_size(shown: Path | str, listed: int, read: int) -> None:
    """Refuse a file that another program writes to: nobody knows what of it was sent."""
    if read != listed:
        raise InvalidJob(
            f"{shown} has changed since the job was checked (from {listed:,} to {read:,} bytes). "
            "Run again when no other program writes to it."
        )
