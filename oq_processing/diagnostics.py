"""Where the log records of the plugin go: the Log Messages panel, and the debug lines of a run.

Modules log to ``logging.getLogger(__name__)``. Within :func:`routed` QGIS shows their records in
the tab OpenQuake. A run shows the first line of those from INFO on too; where the environment
variable OPENQUAKE_DEBUG is set, all records whole.
"""

from __future__ import annotations

import contextvars
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsProcessingFeedback

from .engine.http.explain import without_login

LOG_TAG = "OpenQuake"
DEBUG_VARIABLE = "OPENQUAKE_DEBUG"
MAX_RECORDS = 2000  # shown of one run; a calculation may be followed for days
_LONGEST = 300  # characters of an exception that the sentence has
# what a terminal would obey, and what is no character (names of files in another encoding)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

LOGGER = logging.getLogger(__package__)
LOGGER.setLevel(logging.DEBUG)
LOGGER.addHandler(logging.NullHandler())  # else Python prints warnings that no run routes
LOGGER.propagate = False  # handlers of other plugins would print every request

_current: contextvars.ContextVar[_Route | None] = contextvars.ContextVar("route", default=None)


class _Route(logging.Handler):
    """Brings the records of one run to QGIS: those of its own thread, which alone may report."""

    def __init__(self, feedback: QgsProcessingFeedback | None) -> None:
        super().__init__()
        self._feedback = feedback
        self._whole = bool(os.environ.get(DEBUG_VARIABLE))
        self._count = 0
        self.addFilter(lambda _: _current.get() is self)

    def emit(self, record: logging.LogRecord) -> None:
        self._count += 1
        if self._count > MAX_RECORDS:
            return
        name = record.name.partition(".")[2]
        text = self.format(record)
        text = printable(without_login(f"{name}: {text}" if name else text))
        if self._count == MAX_RECORDS:
            text += "\n(further records of this run are left out)"
        QgsMessageLog.logMessage(text, LOG_TAG, _level(record.levelno))
        if self._feedback is not None and (self._whole or record.levelno >= logging.INFO):
            self._feedback.pushDebugInfo(text if self._whole else text.partition("\n")[0])


def _level(number: int) -> Qgis.MessageLevel:
    if number >= logging.ERROR:
        return Qgis.MessageLevel.Critical
    warning = number >= logging.WARNING
    return Qgis.MessageLevel.Warning if warning else Qgis.MessageLevel.Info


@contextmanager
def routed(feedback: QgsProcessingFeedback | None = None) -> Iterator[None]:
    """Show what the plugin logs on this thread within the body."""
    route = _Route(feedback)
    before = _current.set(route)
    LOGGER.addHandler(route)
    try:
        yield
    finally:
        LOGGER.removeHandler(route)
        _current.reset(before)


def log_cause(error: BaseException, feedback: QgsProcessingFeedback | None = None) -> None:
    """Log the traceback of an error that was raised from another one."""
    if error.__cause__ is not None:
        with routed(feedback):  # whatever the run itself has logged
            LOGGER.debug("%s", _trace(error))


def _trace(error: BaseException) -> str:
    # as text: a record that is kept would keep the layers of the frames open
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def internal_error(title: str, error: Exception) -> str:
    """Return the sentence for an unforeseen error; its traceback goes to the message log."""
    versions = f"QGIS {Qgis.QGIS_VERSION}, Python {sys.version.split()[0]}"
    text = printable(without_login(f"{title}, {versions}\n{_trace(error)}"))
    # not by logging, which another plugin may have disabled
    QgsMessageLog.logMessage(text, LOG_TAG, Qgis.MessageLevel.Critical)
    # the exception's own text may be what fails
    reason = " ".join(traceback.format_exception_only(type(error), error)[-1].split())[:_LONGEST]
    if QgsApplication.platform() == "qgis_process":  # it has no panel, and prints what is critical
        where = "above this line; to save it, add 2> error.txt to the command"
    else:
        where = (
            f"in the Log Messages panel (View › Panels), tab {LOG_TAG}; to save it, copy it from "
            "there"
        )
    return printable(f"Internal error in {title}: {reason}. The traceback is {where}.")


def printable(text: str) -> str:
    """Return a text without control characters, and without halves of characters."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))
