"""Replace files as a whole: what existed stays until the new one is complete.

Every file that a user names is written by this one rule, under a name of its own beside its target.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import process

TEMPORARY = "openquake-qgis-"
"""Begin of the names of folders with files that nobody needs after a run."""
ABANDONED = 24 * 3600
"""Seconds after which what a killed run has left is removed by another one."""
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


def make_private(folder: Path) -> None:
    """Make a folder that no other user of this computer can read; raises OSError.

    On Windows the folders of a user's profile are private already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that lasts as long as the ``with``.

    Those of programs that were killed are removed: their lock is free, and more than a day old.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as name:
        folder = Path(name)
        with (folder / "lock").open("ab") as file:
            with suppress(OSError):  # a network drive that knows no locks never removes one
                process.lock(file)
            _remove_abandoned(folder.parent)
            (folder / "files").mkdir()
            yield folder / "files"


def _remove_abandoned(parent: Path) -> None:
    getuid = getattr(os, "getuid", lambda: 0)
    for folder in parent.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            about = folder.lstat()
            # of others there may be a pipe under the name of the lock, at which we would wait
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != getuid():
                continue
            lock = folder / "lock"
            if time.time() - lock.stat().st_mtime > ABANDONED:
                with lock.open("ab") as file:
                    process.lock(file)
                shutil.rmtree(folder)


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
