"""Replace files as a whole: what existed stays until the new one is complete.

Every file that a user names is written by this one rule, under a name of its own beside its target.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".part"
"""End of the names of what is not complete yet."""
PREFIX = ".openquake-"
"""Begin of the names of what the user need not see."""

_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "disk is full")
_NO_ROOM = 2**20  # bytes; below this the next block of a database finds no room


def part_of(target: Path) -> Path:
    """Return a name beside ``target`` that no other run has."""
    # file systems allow 255 bytes
    name = target.name.encode(errors="ignore")[:150].decode(errors="ignore")
    return target.with_name(f"{name}.{secrets.token_hex(8)}{SUFFIX}")


def resolved(target: Path) -> Path:
    """Return the file that a link points to, and any other path unchanged.

    Raises OSError for a device or a pipe, which must not be replaced by a file.
    """
    if target.is_symlink():
        with suppress(RuntimeError):  # of Python up to 3.12, where it leads in a circle
            target = target.resolve()
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OSError(errno.EINVAL, "it is not a regular file", str(target))
    return target


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write to; the file takes the place of ``target`` when the body ends well.

    Otherwise the existing file stays and nothing is left behind. Raises OSError.
    """
    target = resolved(target)
    part = part_of(target)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one run at a time exchange several files of a folder.

    The lock is on the folder itself, so that nothing is left behind. Where the system cannot lock a
    folder (Windows, some network drives) a second run fails at the names that the first one took.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def disk_is_full(folder: Path, reason: str) -> bool:
    """Return whether writing to the folder failed with this reason for lack of room."""
    if any(words.lower() in reason.lower() for words in _FULL):
        return True
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM
    except OSError:
        return False
