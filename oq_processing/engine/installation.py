"""Where an engine is installed on this computer, and where the user's own keeps its data."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

from .errors import LocalEngineError


def find_executable(given: str | os.PathLike[str] = "") -> Path:
    """Return the engine's command ``oq``.

    The one given, else ``OPENQUAKE_OQ``, else the one on the PATH, else one at the places where the
    engine's installers put it. Raises :class:`LocalEngineError` if there is none.
    """
    for source, candidate in (
        ("", os.fspath(given)),
        ("the environment variable OPENQUAKE_OQ names ", os.environ.get("OPENQUAKE_OQ", "")),
    ):
        if candidate:
            found = shutil.which(os.path.expanduser(candidate))  # noqa: PTH111 - may be a bare name
            if not found:
                raise LocalEngineError(f"No OpenQuake engine: {source}{candidate} is no program.")
            return Path(found)
    for place in (shutil.which("oq"), *usual_places()):
        if place and os.access(place, os.X_OK):
            return Path(place)
    raise LocalEngineError(
        "No OpenQuake engine is installed here: there is no command “oq” on the PATH, nor at the "
        "usual places."
    )


def usual_places() -> list[Path]:
    """Return where the engine's installers for this system, and ours, put ``oq``."""
    own = []
    with contextlib.suppress(LocalEngineError):
        own.append(user_folder() / "venv")
    with contextlib.suppress(LocalEngineError):
        own.append(_home() / "openquake")
    if sys.platform == "win32":
        programs = Path(os.environ.get("ProgramFiles", "C:/Program Files"))  # noqa: SIM112
        return [
            *(folder / "Scripts" / "oq.exe" for folder in own),
            programs / "OpenQuake Engine" / "python3" / "Scripts" / "oq.exe",
        ]
    return [
        *(folder / "bin" / "oq" for folder in own),
        Path("/opt/openquake/venv/bin/oq"),
        Path("/opt/openquake/bin/oq"),
    ]


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # in a container
        raise LocalEngineError(
            "No home folder is known for this user, so there is no place for an engine: set the "
            "environment variable HOME."
        ) from error


def user_folder() -> Path:
    """Return where the user's own engine keeps its database, data and log.

    Raises :class:`LocalEngineError` for a user without a home.
    """
    if sys.platform == "darwin":
        base = _home() / "Library" / "Application Support"
    elif given := os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME"):
        base = Path(given)
    else:
        base = _home() / ("AppData/Local" if sys.platform == "win32" else ".local/share")
    return base / "openquake-qgis"
