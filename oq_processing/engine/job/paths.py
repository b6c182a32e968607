"""Paths as text, with ``/`` on every platform."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath


def canonical(path: str) -> str:
    """Return a path as it stands in an archive: with ``/`` and in Unicode NFC."""
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def folded(path: str) -> str:
    """Return what two names have in common that differ in letter case or Unicode form only."""
    return canonical(path).casefold()


def readable(name: str) -> str:
    """Return a text with names of files that may not be UTF-8 as one that can be written."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Return names as a list for the user."""
    more = len(names) - limit
    return readable(", ".join(names[:limit])) + (f" and {more} more" if more > 0 else "")


def is_absolute(path: str) -> bool:
    """Return whether a path starts at a root, on any platform."""
    return path.startswith(("/", "\\")) or bool(PureWindowsPath(path).drive)


def is_private(folder: str) -> bool:
    """Return whether a folder is the root of a disk, a home folder, or above one."""
    path = Path(folder or "/")
    if path.parent == path or re.match(r"[A-Za-z]:/?$", folder):
        return True
    try:
        home = Path.home()
    except RuntimeError:
        return False
    homes = {home, Path(os.path.realpath(home))}
    return any(path == home or path in home.parents for home in homes)


def common(folders: Iterable[str]) -> str:
    """Return the folder that holds all of these, "" if they lie on different disks."""
    parts = [folder.rstrip("/").split("/") for folder in folders]
    shared = []
    for column in zip(*parts):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return "/".join(shared) or ("/" if shared else "")


def highest(folder: str, path: str) -> str | None:
    """Return the highest folder on the way of a relative path, None if it goes above the root."""
    steps = folder.rstrip("/").split("/")
    top = len(steps)
    for part in path.split("/")[:-1]:
        if part == "..":
            if len(steps) == 1:
                return None
            steps.pop()
            top = min(top, len(steps))
        elif part not in ("", "."):
            steps.append(part)
    return "/".join(posixpath.normpath(folder).rstrip("/").split("/")[:top]) or "/"


def below(root: str, path: str) -> str:
    """Return a path as it is seen from a folder above it."""
    return path[len(root) :].lstrip("/") if path.startswith(root) else path.lstrip("/")
