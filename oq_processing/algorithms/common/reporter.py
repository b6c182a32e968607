"""What the user sees while an algorithm works: phases, one progress, log lines, and the wait."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Callable

from qgis.core import QgsApplication, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread

from ...diagnostics import printable
from ...engine.calculation import LogRecord
from ...engine.wait import Wait
from ...outputs.core.notes import Note, Warn

MAX_LINES = 2000  # log lines forwarded in one run; a failing job may write thousands
MAX_LINE = 2000  # characters of a record that are shown


class Reporter:
    """Feedback of Processing, with progress that never falls and a cap on the log."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self.feedback = feedback
        self.wait = Wait(feedback.isCanceled, serve_events)
        self._percent = -1.0
        self._text = ""
        self._lines = 0

    def check(self) -> None:
        """Raise :class:`Cancelled` when the user wants us to stop."""
        self.wait.check()

    def phase(self, text: str) -> None:
        """Show what is done now."""
        if text and text != self._text:
            self._text = text
            self.feedback.setProgressText(printable(text))
            flush_output()

    def progress(self, percent: float) -> None:
        """Show the progress, 0..100."""
        if percent > self._percent:
            self._percent = percent
            self.feedback.setProgress(percent)

    def span(self, begin: float, end: float) -> Callable[[int, int], None]:
        """Return a callback for bytes (done, all) that moves the progress from begin to end."""

        def report(done: int, total: int) -> None:
            if total:
                self.progress(begin + (end - begin) * min(done / total, 1.0))

        return report

    def info(self, text: str) -> None:
        """Show a line."""
        self.feedback.pushInfo(printable(text))
        flush_output()

    def warn(self, text: str) -> None:
        """Show a line that the user should act on."""
        self.feedback.pushWarning(printable(text))

    def notes(self, notes: Iterable[Note]) -> None:
        """Show what an output says of itself, each note at its level."""
        for note in notes:
            (self.warn if isinstance(note, Warn) else self.info)(note)

    def records(self, records: Iterable[LogRecord], rest: str) -> None:
        """Show log records of the engine; beyond the cap only ``rest``, where the others are."""
        for record in records:
            self._lines += 1
            if self._lines == MAX_LINES + 1:
                self.warn(f"More than {MAX_LINES} log lines; {rest}")
            if self._lines > MAX_LINES:
                continue
            line = printable(str(record))
            if len(line) > MAX_LINE:  # the end of a traceback is what it is about
                line = f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"
            if record.level in ("ERROR", "CRITICAL"):
                self.feedback.reportError(line)
            elif record.level == "WARNING":
                self.feedback.pushWarning(line)
            else:
                self.feedback.pushConsoleInfo(line)
        flush_output()


def serve_events() -> None:
    """Process Qt events, if this is the main thread.

    ``qgis_process``, and models in 3.22, run algorithms there: without it neither Ctrl-C nor the
    Cancel button would reach them, and the window would freeze.
    """
    application = QCoreApplication.instance()
    if application is not None and QThread.currentThread() == application.thread():
        application.processEvents()


def flush_output() -> None:
    """Flush the C stdout buffer of ``qgis_process``.

    It keeps lines back for minutes where the output is not a terminal.
    """
    if QgsApplication.platform() != "qgis_process":
        return
    import ctypes

    with suppress(OSError, TypeError, AttributeError):  # Windows has no C library by that name
        ctypes.CDLL(None).fflush(None)


class SecondInterrupt:
    """Notices Ctrl-C in ``qgis_process`` after a first one has cancelled the run."""

    def __init__(self) -> None:
        self.pressed = False
        self._previous: Callable[[int, FrameType | None], object] | int | None = None

    def __enter__(self) -> SecondInterrupt:
        # signals can only be caught on the main thread, which is where qgis_process works
        with suppress(ValueError):
            self._previous = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            with suppress(ValueError):
                signal.signal(signal.SIGINT, self._previous)

    def _press(self, *_: object) -> None:
        self.pressed = True
