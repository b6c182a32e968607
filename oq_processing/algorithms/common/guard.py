"""The catch-all of the algorithms: whatever goes wrong leaves them as a sentence.

An exception of Python that leaves a method which QGIS calls ends the program at once where QGIS
expects none (``initAlgorithm``, ``canExecute``, ``checkParameterValues`` in ``qgis_process``), and
shows a traceback elsewhere.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from qgis.core import QgsProcessingException

from ...diagnostics import internal_error, printable
from ...engine.errors import Explained


class Guarded:
    """Mixin, before a class of QGIS's: no exception but a sentence leaves what QGIS calls.

    The methods below are wrapped in every subclass that defines them.
    """

    _broken = ""
    """Why the algorithm has no parameters, "" if it has them."""

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        for name, answer in _ANSWERS.items():
            if name in vars(cls):
                setattr(cls, name, _guarded(vars(cls)[name], answer))

    def canExecute(self) -> tuple[bool, str]:
        """Return whether the algorithm can run, and why not."""
        of_qgis: Any = super()  # the class of QGIS that stands behind in the subclass
        return (False, self._broken) if self._broken else of_qgis.canExecute()


def _sentence(algorithm: Any, error: Exception) -> str:
    if isinstance(error, (Explained, QgsProcessingException)):
        return printable(str(error))
    return internal_error(algorithm.displayName(), error)


def _guarded(method: Callable[..., Any], answer: Callable[..., Any] | None) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
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


def _refuse(_: object, sentence: str) -> tuple[bool, str]:
    return False, sentence


def _disable(algorithm: Any, sentence: str) -> None:
    algorithm._broken = sentence


_ANSWERS: dict[str, Callable[..., Any] | None] = {
    "initAlgorithm": _disable,
    "canExecute": _refuse,
    "checkParameterValues": _refuse,
    "prepareAlgorithm": None,
    "processAlgorithm": None,
    "postProcessAlgorithm": None,
}
"""What an algorithm does in place of letting an exception out; None: it raises QGIS's own."""
