"""Write a table of a GeoPackage under a name of its own, and then exchange it for the old one."""

from __future__ import annotations

import calendar
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape  # nosec B406 # writes XML, reads none

from ..engine.errors import EngineError
from ..engine.files import ABANDONED, alone_in, replacing

JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database that is written, and applies to any file of its name."""

_WAIT = 60_000  # milliseconds for other programs that write to the same database
_UNFINISHED = re.compile(r"openquake_unfinished_(\d{8}T\d{6})_[0-9a-f]{16}")
_TIME = "%Y%m%dT%H%M%S"


@contextmanager
def replacing_table(path: Path, table: str, style: str) -> Iterator[str]:
    """Yield the name of a new table; it takes the place of ``table`` when the body ends well.

    Whatever the format, GDAL and QGIS store about it then gets its real name, all in one
    transaction; other styles than ``style`` stay with the table, but not as its default. Otherwise
    the new table is removed and ``table`` stays. Other runs may write to the same database.
    Raises :class:`EngineError`.
    """
    made = _made(path)
    with alone_in(path.parent), _opened(path) as database:
        if database.has(table) and table.lower() not in map(str.lower, database.tables()):
            raise EngineError(f"“{table}” of {path} is not a layer. Choose another table.")
        for name in filter(_is_abandoned, database.tables()):
            database.remove(name)
    part = f"openquake_unfinished_{time.strftime(_TIME, time.gmtime())}_{secrets.token_hex(8)}"
    try:
        yield part
        with _opened(path) as database:
            database.index(part)
        # opened by one run after the other: GDAL looks for the tables only once
        with alone_in(path.parent), _opened(path) as database:
            database.exchange(part, table, style)
    except BaseException:
        # where other programs keep the database locked, a later run removes the table
        with suppress(EngineError), alone_in(path.parent), _opened(path) as database:
            database.remove(part)
            if made:
                database.remove_if_empty(path)
        raise


def _made(path: Path) -> bool:
    """Make an empty GeoPackage if none exists; return whether this run has made it.

    QGIS itself would make it in place, and destroy what another run has just begun.
    """
    try:
        with alone_in(path.parent), _reporting(path) as gdal:
            if path.exists():
                return False
            with replacing(path) as part:
                # a name without .gpkg is only a warning
                if not gdal.GetDriverByName("GPKG").Create(str(part), 0, 0, 0, gdal.GDT_Unknown):
                    raise RuntimeError(gdal.GetLastErrorMsg())
    except OSError as error:
        raise EngineError(f"The GeoPackage {path} cannot be written ({error.strerror}).") from error
    return True


def first_table(path: Path) -> str:
    """Return the name of the first layer of a file, "" if there is none."""
    with suppress(EngineError), _opened(path, update=False) as database:
        return next(iter(database.tables()), "")
    return ""


def _is_abandoned(table: str) -> bool:
    found = _UNFINISHED.fullmatch(table)
    if not found:
        return False
    try:
        begun = calendar.timegm(time.strptime(found[1], _TIME))
    except ValueError:
        return False
    return time.time() - begun > ABANDONED


@contextmanager
def _reporting(path: Path) -> Iterator[Any]:
    """Import GDAL; what it and SQLite refuse within the body becomes an EngineError."""
    from osgeo import gdal  # 25 ms, which a start of QGIS need not spend

    gdal.PushErrorHandler("CPLQuietErrorHandler")
    gdal.ErrorReset()
    try:
        yield gdal
    except RuntimeError as error:
        reason = reason_of(str(error))
        raise EngineError(
            f"The GeoPackage {path} cannot be written{f' ({reason})' if reason else ''}."
        ) from None
    finally:
        gdal.PopErrorHandler()


@contextmanager
def _opened(path: Path, update: bool = True) -> Iterator[_Database]:
    """Open a database, and close it in the end."""
    with _reporting(path) as gdal:
        database = _Database()
        try:
            if update:
                flags = gdal.OF_VECTOR | gdal.OF_UPDATE | gdal.OF_VERBOSE_ERROR
                database.dataset = gdal.OpenEx(str(path), flags, allowed_drivers=["GPKG"])
            else:
                database.dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR)
            if database.dataset is None:  # newer QGIS has GDAL raise
                raise RuntimeError(gdal.GetLastErrorMsg())
            if update:
                database.query(f"PRAGMA busy_timeout = {_WAIT}")
            yield database
        finally:
            database.dataset = None  # closes it, whoever still has the object


class _Database:
    """An open dataset of GDAL, which closes it when nothing refers to it any more."""

    def __init__(self) -> None:
        self.dataset: Any = None

    def query(self, statement: str, **texts: str) -> list[Any]:
        """Run a statement, in which ``:name`` is a text; return the first column of its answer.

        Raises RuntimeError.
        """
        from osgeo import gdal

        gdal.ErrorReset()
        answer = self.dataset.ExecuteSQL(re.sub(r":(\w+)", lambda m: _text(texts[m[1]]), statement))
        if gdal.GetLastErrorType() >= gdal.CE_Failure:
            raise RuntimeError(gdal.GetLastErrorMsg())
        if answer is None:
            return []
        rows = [row.GetField(0) for row in answer]
        self.dataset.ReleaseResultSet(answer)
        return rows

    def tables(self) -> list[str]:
        """Return the names of the layers."""
        return [self.dataset.GetLayer(i).GetName() for i in range(self.dataset.GetLayerCount())]

    def has(self, table: str) -> bool:
        """Return whether there is a table, view or index of that name."""
        statement = "SELECT 1 FROM sqlite_master WHERE lower(name) = lower(:table)"
        return bool(self.query(statement, table=table))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        _succeeded(self.dataset.StartTransaction())
        try:
            # waits for other writers, which a transaction that begins by reading does not
            self.query("UPDATE gpkg_contents SET table_name = table_name WHERE 0")
            yield
            _succeeded(self.dataset.CommitTransaction())
        except BaseException:
            with suppress(RuntimeError):
                self.dataset.RollbackTransaction()
            raise

    def remove(self, table: str) -> None:
        """Delete a table and what is stored about it."""
        with self.transaction():
            self._drop(table)

    def _drop(self, table: str) -> None:
        """Do the same within a transaction; nothing happens where there is no such table."""
        for i, name in enumerate(self.tables()):
            if name.lower() == table.lower():
                _succeeded(self.dataset.DeleteLayer(i))
                break
        if self.has("layer_styles"):  # of QGIS; not every GDAL deletes them
            statement = "DELETE FROM layer_styles WHERE lower(f_table_name) = lower(:table)"
            self.query(statement, table=table)

    def index(self, table: str) -> None:
        """Make the spatial index, which is left out while rows are written."""
        column = self.dataset.GetLayerByName(table).GetGeometryColumn()
        if column:
            self.query("SELECT CreateSpatialIndex(:table, :column)", table=table, column=column)

    def exchange(self, part: str, table: str, style: str) -> None:
        """Rename the table ``part`` to ``table``, in place of one that has this name."""
        names = {"new": part, "old": table}
        # for a moment the views of the old table have none
        self.query("PRAGMA legacy_alter_table = ON")
        with self.transaction():
            styled = self.has("layer_styles")
            if styled:
                self.query(
                    "UPDATE layer_styles SET f_table_name = :new, useAsDefault = 0 "
                    "WHERE lower(f_table_name) = lower(:old) AND styleName <> :style",
                    **names,
                    style=style,
                )
            self._drop(table)
            self.query(f"ALTER TABLE {_name(part)} RENAME TO {_name(table)}")
            if styled:
                self.query(
                    "UPDATE layer_styles SET f_table_name = :old WHERE f_table_name = :new", **names
                )
            # in the texts too; the name is in none of them by chance
            self.query(
                "UPDATE OR IGNORE gpkg_contents SET identifier = replace(identifier, :new, :old) "
                "WHERE table_name = :old",
                **names,
            )
            if self.has("gpkg_metadata_reference"):
                self.query(
                    "UPDATE gpkg_metadata SET metadata = replace(metadata, :new, :xml) WHERE id IN "
                    "(SELECT md_file_id FROM gpkg_metadata_reference WHERE table_name = :old)",
                    **names,
                    xml=escape(table),
                )

    def remove_if_empty(self, path: Path) -> None:
        """Delete the database unless another run has put a table there meanwhile."""
        with suppress(FileNotFoundError), self.transaction():
            if self.query("SELECT 1 FROM gpkg_contents WHERE table_name <> 'layer_styles'"):
                return
            # Windows deletes no open file: an empty GeoPackage stays there
            with suppress(PermissionError):
                for suffix in ("", *JOURNALS):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
            raise FileNotFoundError(path)  # nothing is left to be committed


def _succeeded(code: int) -> None:
    """Raise what GDAL up to 3.7 only returns."""
    from osgeo import gdal

    if code:
        raise RuntimeError(gdal.GetLastErrorMsg())


def reason_of(message: str) -> str:
    """Return a message of GDAL without the whole statement before what SQLite says about it."""
    return re.sub(r"sqlite3_\w+\(.*\) failed: ", "", message, flags=re.S).strip().rstrip(".")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
