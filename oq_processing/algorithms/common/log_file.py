"""The log of a calculation as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ...engine.calculation import LogRecord
from ...engine.client import EngineClient
from ...engine.errors import EngineError
from ...engine.files import SUFFIX, part_of, resolved


class LogFile:
    """The whole log in a file, which appears under its name only when it is complete.

    A log that broke off stays beside it as ``kept``, with ``.part`` at the end of its name.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._target = self._part = path or Path()
        self.problem = ""
        self._file: IO[str] | None = None
        self._seen: dict[int, int] = {}
        self._whole = False

    @property
    def kept(self) -> Path:
        """Where a log stays that broke off."""
        return self._target.with_name(self._target.name + SUFFIX)

    def __enter__(self) -> LogFile:
        if self.path is not None:
            if self.path.is_dir():
                raise EngineError(f"The log file {self.path} cannot be written (it is a folder).")
            try:
                self._target = resolved(self.path)
                # several runs may be given the same file
                self._part = part_of(self._target)
                # what cannot be encoded must not end a run
                self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise EngineError(
                    f"The log file {self.path} cannot be written ({error.strerror})."
                ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or self._problem(error)
        whole = self._whole and not self.problem
        try:
            if whole or self._seen:
                self._part.replace(self._target if whole else self.kept)
            else:
                self._part.unlink(missing_ok=True)
        except OSError as error:
            self.problem = self.problem or self._problem(error)

    def write(self, calculation_id: int, records: Sequence[LogRecord]) -> None:
        """Append records; a full disk is kept in ``problem`` and does not stop the calculation."""
        if self._file is None:
            return
        self._whole = False
        self._seen[calculation_id] = self._seen.get(calculation_id, 0) + len(records)
        if self.problem:
            return
        try:
            self._file.writelines(f"{record}\n" for record in records)
        except OSError as error:
            self.problem = self._problem(error)

    def _problem(self, error: OSError) -> str:
        return f"the log file {self.path} could not be written ({error.strerror})"

    def finish(self, client: EngineClient, calculation_id: int) -> None:
        """Append what the calculation has logged since; the log is whole then."""
        if self._file is None:
            return
        while records := client.log(calculation_id, self._seen.get(calculation_id, 0)):
            self.write(calculation_id, records)
        self.whole()

    def check(self) -> None:
        """Raise :class:`EngineError` where the log is not in the file."""
        if self.problem:
            raise EngineError(f"{self.problem}.")

    def whole(self) -> None:
        """Say that nothing is missing, so that the file may appear under its name."""
        self._whole = True
