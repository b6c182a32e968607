"""The catch-all of the algorithms: whatever goes wrong leaves them as a sentence.

An exception of Python that leaves a method which QGIS calls ends the program at once where QGIS
expects none (``initAlgorithm``, ``canExecute``, ``checkParameterValues`` in ``qgis_process``), and
shows a traceback elsewhere.
"""

from __future__ import annotations

import functools
import re
import sys
import traceback
from typing import Any, Callable

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsProcessingException

from ...engine.errors import Explained

LOG_TAG = "OpenQuake"
_LONGEST = 300  # characters of an exception that the sentence has
# what a terminal would obey, and what is no character (names of files in another encoding)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Guarded:
    """Mixin, before a class of QGIS's: no exception but a sentence leaves what QGIS calls.

    The methods below are wrapped in every subclass that defines them.
    """

    _broken = ""
    """Why the algorithm has no parameters, "" if it has them."""

    def __init_subclass__(cls, **others) -> None:
        super().__init_subclass__(**others)
        for name, answer in _ANSWERS.items():
            if name in vars(cls):
                setattr(cls, name, _guarded(vars(cls)[name], answer))

    def canExecute(self) -> tuple[bool, str]:
        """Tell whether the algorithm can run, and why not."""
        of_qgis: Any = super()  # the class of QGIS that stands behind in the subclass
        return (False, self._broken) if self._broken else of_qgis.canExecute()


def internal_error(title: str, error: Exception) -> str:
    """Return the sentence for an error that nobody has foreseen; its traceback goes to the log."""
    frames = traceback.format_exception(type(error), error, error.__traceback__)
    versions = f"QGIS {Qgis.QGIS_VERSION}, Python {sys.version.split()[0]}"
    report = printable(f"{title}, {versions}\n{''.join(frames)}")
    QgsMessageLog.logMessage(report, LOG_TAG, Qgis.MessageLevel.Critical)
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
    return _UNPRINTABLE.sub("\ufffd", text)


def _sentence(algorithm, error: Exception) -> str:
    if isinstance(error, (Explained, QgsProcessingException)):
        return printable(str(error))
    return internal_error(algorithm.displayName(), error)


def _guarded(method: Callable, answer: Callable | None) -> Callable:
    @functools.wraps(method)
    def call(self, *arguments, **named):
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            sentence = _sentence(self, error)
        if answer is not None:
            return answer(self, sentence)
        # QGIS never lets go of the exception it catches: layers that it leads to would stay open,
        # and be closed when there is no QGIS any more, which crashes
        del self, arguments, named
        raise QgsProcessingException(sentence)

    return call


def _refuse(_, sentence: str) -> tuple[bool, str]:
    return False, sentence


def _disable(algorithm, sentence: str) -> None:
    algorithm._broken = sentence


_ANSWERS = {
    "initAlgorithm": _disable,
    "canExecute": _refuse,
    "checkParameterValues": _refuse,
    "prepareAlgorithm": None,
    "processAlgorithm": None,
    "postProcessAlgorithm": None,
}
"""What an algorithm does in place of letting an exception out; None: it raises QGIS's own."""
