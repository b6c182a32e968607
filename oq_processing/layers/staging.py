"""Write a layer beside its destination, which it takes over when it is whole."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..engine import files
from ..engine.errors import EngineError
from .destination import Destination
from .geopackage import JOURNALS, replacing_table
from .style import STYLE_NAME

UNFINISHED, REPLACED = "unfinished", "replaced"
"""Folders of a staging folder: for new files, and for old ones until the new are in place."""

STAGING = re.escape(files.PREFIX) + r"\w+" + re.escape(files.SUFFIX) + rf"[\\/]{UNFINISHED}[\\/]"
"""Pattern of the part of a path that a layer has only while it is written."""

DATABASES = (".gpkg", ".sqlite")
_OF_QGIS = (".qml", ".qmd")  # style and metadata of a file that cannot hold them
# what belongs to a data set beside the file that it is opened by
_PARTS = {
    ".shp": (
        *(".shx", ".dbf", ".prj", ".qpj", ".cpg", ".qix", ".sbn", ".sbx", ".idm", ".ind"),
        ".shp.xml",
        *_OF_QGIS,
    ),
    ".tab": (".dat", ".map", ".id", ".ind", *_OF_QGIS),
    ".csv": (".csvt", *_OF_QGIS),
    ".gml": (".xsd", ".gfs", *_OF_QGIS),
    ".gpkg": (),
}
# what a picture or another data set of the same name may have too
_SHARED = {".prj", ".qpj", ".cpg", *_OF_QGIS}


@dataclass
class Staging:
    """Where to write: a value for the sink, with options of GDAL; None for the user's own.

    Whoever writes sets ``written`` to the destination that QGIS returns; in the end it is the
    destination of the whole layer.
    """

    sink: str | None = None
    layer_options: tuple[str, ...] = ()
    written: str = ""


@contextlib.contextmanager
def staged(destination: Destination) -> Iterator[Staging]:
    """Yield a place for a layer, which takes over its destination when the body ends well.

    Otherwise what existed stays, and nothing is left behind. Raises :class:`EngineError`.
    """
    if destination.path is None:
        yield Staging()
        return
    if not destination.path.parent.is_dir():
        raise EngineError(f"The folder {destination.path.parent} does not exist.")
    try:
        target = files.resolved(destination.path)
        if target.is_dir():  # also a geodatabase: nobody knows what else is in it
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
    except OSError as error:
        raise EngineError(f"{destination.path} cannot be replaced ({error.strerror}).") from error
    if destination.table:
        with _staged_table(target, destination.table) as staging:
            yield staging
        staging.written = f"{destination.path}|layername={destination.table}"
    else:
        with _staged_files(target) as staging:
            yield staging


def existing(written: str) -> str:
    """Return the path of an existing file: GDAL writes .shp even where .SHP was asked for."""
    path = Path(written)
    if not path.exists() and path.parent.is_dir():
        for other in path.parent.iterdir():
            if other.name.lower() == path.name.lower():
                return str(other)
    return written


@contextlib.contextmanager
def _staged_table(path: Path, table: str) -> Iterator[Staging]:
    with replacing_table(path, table, STYLE_NAME) as part:
        sink = f"ogr:dbname='{_quoted(str(path))}' table=\"{part}\" (geom)"
        # the index is made in the end: for what is cancelled it would take as long as the rows
        yield Staging(sink, ("SPATIAL_INDEX=NO",))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


@contextlib.contextmanager
def _staged_files(target: Path) -> Iterator[Staging]:
    try:
        _refuse_lone_parts(target)
        _remove_abandoned(target.parent)
        # without the file's own suffix: GDAL takes any path with .xlsx in it for an archive
        folder = Path(tempfile.mkdtemp(files.SUFFIX, files.PREFIX, target.parent))
        (folder / UNFINISHED).mkdir()
    except OSError as error:
        raise EngineError(f"{target.parent} cannot be written ({error.strerror}).") from error
    staging = Staging(str(folder / UNFINISHED / target.name))
    try:
        yield staging
        # QGIS adds the suffix of a format that has another one
        target = target.with_name(Path(staging.written).name)
        _take_over(folder, target)
        staging.written = str(target)
    finally:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # stays where old files could not be put back


def _take_over(folder: Path, target: Path) -> None:
    """Move the new files to their places, all or none."""
    kept = folder / REPLACED
    try:
        with files.alone_in(target.parent):
            places = {target.with_name(path.name): path for path in (folder / UNFINISHED).iterdir()}
            old = _parts(target).union(path for path in places if path.exists())
            beside = {*old, *places} - {target}
            at_once = all(path.suffix.lower() in _OF_QGIS for path in beside)
            if at_once:  # there is no moment without the file, only one without its style
                old.discard(target)
            kept.mkdir()
            moves = [(path, kept / path.name) for path in sorted(old)]
            moves += [(places[path], path) for path in sorted(places) if path != target]
            _move([*moves, (places[target], target)], at_once)
        shutil.rmtree(kept, ignore_errors=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            kept.rmdir()
        there = f" Its former files are in {kept}." if kept.exists() else ""
        raise EngineError(f"{target} cannot be replaced ({error.strerror}).{there}") from error


def _move(moves: list[tuple[Path, Path]], replace_last: bool) -> None:
    """Move files in turn; if one cannot be moved, move the others back and raise OSError."""
    done = []
    try:
        for source, place in moves[:-1]:
            source.rename(place)  # on Windows it fails where another run has been faster
            done.append((source, place))
        source, place = moves[-1]
        if replace_last:
            source.replace(place)
        else:
            source.rename(place)
    except OSError:
        for source, place in reversed(done):
            place.rename(source)
        raise


def _beside(target: Path) -> dict[Path, str]:
    """Return existing files whose names begin like that of ``target``, and how they go on."""
    stem = target.stem
    return {
        path: path.name[len(stem) :].lower()
        for path in target.parent.iterdir()
        if path.name.startswith(stem)
    }


def _parts(target: Path) -> set[Path]:
    """Return the existing files of the data set ``target``.

    What may belong to another data set of the same name is left out.
    """
    beside, suffix = _beside(target), target.suffix.lower()
    found = set()
    if suffix in DATABASES:  # SQLite would apply them to the new file
        found = {path for path, rest in beside.items() if rest in [suffix + j for j in JOURNALS]}
    if suffix not in beside.values():
        return found
    parts = {suffix, *_PARTS.get(suffix, _OF_QGIS)}
    if any(re.fullmatch(r"\.[^.]+", rest) and rest not in parts for rest in beside.values()):
        parts -= _SHARED
    return found.union(path for path, rest in beside.items() if rest in parts)


def _refuse_lone_parts(target: Path) -> None:
    """Refuse a target that would make other data a part of itself, or overwrite it as such."""
    beside, suffix = _beside(target), target.suffix.lower()
    parts = set(_PARTS.get(suffix, ())).difference(_OF_QGIS)
    lone = [path.name for path, rest in beside.items() if rest in parts]
    if lone and suffix not in beside.values():
        raise EngineError(
            f"{target.parent} has {', '.join(sorted(lone))} without {target.name} and it would "
            "become a part of this one. Choose another name."
        )


def _remove_abandoned(parent: Path) -> None:
    """Remove folders of runs that were killed, if they hold nothing but unfinished files."""
    for folder in parent.glob(f"{files.PREFIX}*{files.SUFFIX}"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or [path.name for path in folder.iterdir()] != [UNFINISHED]:
                continue
            newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            if time.time() - newest > files.ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
