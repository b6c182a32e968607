"""Read the engine's npz files: safely, in bounded memory, past their traps."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any

from ...engine.errors import InvalidOutput
from ...engine.job.origins import ZIP_ERRORS
from .lazy import Array, np

IN_MEMORY = 8 * 1024**2  # bytes; larger members are unpacked to disk and mapped
MAX_HEADER = 10**7  # the member "all" of hcurves has a header of 22 kB, numpy's limit is 10 kB
MAX_RATIO = 1100  # deflate cannot do better: a member that claims more is no honest file
MAX_JSON = 64 * 1024**2  # bytes of the member "json"
_UNREADABLE = (*ZIP_ERRORS, OSError, SyntaxError, TokenError, TypeError, MemoryError)


class Npz:
    """The members of an npz file; object arrays are refused, never unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.names = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
        except (*ZIP_ERRORS, OSError) as error:
            raise InvalidOutput(
                "The engine's answer is not a whole npz file; try again."
            ) from error

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def array(self, name: str) -> Array:
        """Return a member; large ones stay on disk. Raises :class:`InvalidOutput`."""
        if name not in self.names:
            raise InvalidOutput(f"The engine's answer has no “{name}”; it has: {self.names}.")
        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(name + ".npy")
                check_size(f"“{name}” in the engine's answer", [info], self.path.parent)
                if info.file_size <= IN_MEMORY:
                    with archive.open(info) as file:
                        return _read(file)
                # never the member's own name: it could lead out of the folder
                unpacked = self.path.with_name(f"{self.path.name}-{self.names.index(name)}.npy")
                if not unpacked.exists():
                    with archive.open(info) as file, unpacked.open("wb") as copy:
                        while chunk := file.read(1024**2):
                            copy.write(chunk)
            return _map(unpacked)
        except InvalidOutput:
            raise
        except _UNREADABLE as error:
            raise InvalidOutput(
                f"“{name}” in the engine's answer cannot be read ({error})."
            ) from error

    def json(self) -> dict[str, Any]:
        """Return the member ``json`` as a dictionary."""
        import json

        array = self.array("json")
        if array.nbytes > MAX_JSON:
            raise InvalidOutput("The engine's answer holds JSON of an unknown kind.")
        try:
            # not bytes(): numpy strips trailing NULs
            value = json.loads(array.tobytes())
        except (ValueError, RecursionError) as error:
            raise InvalidOutput("The engine's answer holds no valid JSON.") from error
        if not isinstance(value, dict):
            raise InvalidOutput("The engine's answer holds JSON of an unknown kind.")
        return value


def check_size(what: str, entries: list[zipfile.ZipInfo], folder: Path) -> None:
    """Raise :class:`InvalidOutput` for files that claim what they cannot be, or fit on no disk."""
    for entry in entries:
        if entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise InvalidOutput(f"{what} is not believable.")
    size, free = sum(e.file_size for e in entries), shutil.disk_usage(folder).free
    if size > free:
        raise InvalidOutput(
            f"{what} takes {size / 1e9:,.1f} GB when unpacked, and there are {free / 1e9:,.1f} GB "
            f"left in {folder.parent}."
        )


def _map(path: Path) -> Array:
    load: Any = np.load
    try:
        return load(path, mmap_mode="r", allow_pickle=False, max_header_size=MAX_HEADER)
    except TypeError:  # numpy before 1.24 knows no limit
        return load(path, mmap_mode="r", allow_pickle=False)


def _read(file: Any) -> Array:
    read: Any = np.lib.format.read_array
    try:
        return read(file, allow_pickle=False, max_header_size=MAX_HEADER)
    except TypeError:  # numpy before 1.24 knows no limit
        return read(file, allow_pickle=False)
