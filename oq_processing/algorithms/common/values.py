"""The only way to read the values of a run.

A model of QGIS 3.22 calls no checks for its children and gives empty optional values as 0 or "";
``qgis_process`` gives text; dialogs give numbers. The readers here take all of that and return None
for what was not given.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCsException,
    QgsExpression,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterFeatureSink,
    QgsProperty,
)

from ...engine.errors import EngineError
from ...layers.destination import Destination, Target
from .parameters import CALCULATION_ID, LOG

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_SHOWN = 100  # characters of a value that a message has


class InvalidParameter(EngineError):
    """A parameter's value cannot be used; the message names it."""


@dataclass(frozen=True)
class Values:
    """The values of an algorithm's parameters; readers raise :class:`InvalidParameter`."""

    algorithm: QgsProcessingAlgorithm
    parameters: dict[str, Any]
    context: QgsProcessingContext

    def _default(self, name: str) -> Any:
        definition = self.algorithm.parameterDefinition(name)
        return definition.defaultValue() if definition is not None else None

    def _plain(self, name: str) -> Any:
        """Return a value with its default and, where it is data-defined, evaluated."""
        value = self.parameters.get(name)
        if value is None:
            value = self._default(name)
        if isinstance(value, QgsProperty):
            expression = QgsExpression(value.asExpression())
            # evaluated on its own: of a QgsProperty, an error and NULL look the same
            expression.evaluate(self.context.expressionContext())
            if expression.hasParserError() or expression.hasEvalError():
                raise InvalidParameter(f"{name} cannot be evaluated ({value.asExpression()}).")
            value, _ = value.value(self.context.expressionContext(), None)
        if value is None or str(value) in ("", "NULL"):
            return None
        return value

    def given(self, name: str) -> bool:
        """Return whether a layer or file to write was given."""
        return bool(self.parameters.get(name))

    def text(self, name: str) -> str:
        """Return a text without spaces around it, "" if there is none."""
        value = self._plain(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None else str(value).strip()

    def number(self, name: str) -> float | None:
        """Return a number, None if none was given."""
        value = self._plain(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise InvalidParameter(f"{name} must be a number, not “{value}”.")
        return number

    def whole(self, name: str) -> int | None:
        """Return a whole number, None if none was given."""
        number = self.number(name)
        if number is not None and not number.is_integer():
            raise InvalidParameter(f"{name} must be a whole number, not {number}.")
        return None if number is None else int(number)

    def id(self, name: str = CALCULATION_ID) -> int:
        """Return a calculation's id; 0 is what a dialog shows when nothing was chosen."""
        number = self.whole(name)
        if number is None or number < 1:
            got = "" if number is None else f", not {number}"
            raise InvalidParameter(f"Choose a calculation: {name} must be its id, 1 or more{got}.")
        return number

    def optional_id(self, name: str) -> int | None:
        """Return a calculation's id, None if none was given; 0 is an error, not "none"."""
        return None if self._plain(name) is None else self.id(name)

    def flag(self, name: str) -> bool:
        """Return a boolean; QGIS itself reads "no" and "off" as true."""
        value = self._plain(name)
        if value is None:  # an empty text is no answer: the default counts
            value = bool(self._default(name))
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise InvalidParameter(f"{name} must be true or false, not “{value}”.")

    def word(self, name: str, words: Sequence[str]) -> str:
        """Return one of the words of an enum with static strings; "" if none was given."""
        text = self.text(name).lower()
        if text and text not in words:
            raise InvalidParameter(f"{name} may be {', '.join(words)}; not “{text}”.")
        return text

    def point(self, name: str) -> tuple[float, float] | None:
        """Return a point as longitude and latitude in degrees of EPSG:4326, None if none was given.

        A point without a reference system is in EPSG:4326. QGIS reads what was left empty, and a
        text that is not a point, as (0, 0).
        """
        value = self._plain(name)
        if value is None or (hasattr(value, "isEmpty") and value.isEmpty()):
            return None
        definition = self.algorithm.parameterDefinition(name)
        if definition is None or not definition.checkValueIsAcceptable(value, self.context):
            raise InvalidParameter(
                f"{name} must be a point like “85.3,27.7 [EPSG:4326]”: “{value}”."
            )
        wgs84 = QgsCoordinateReferenceSystem("EPSG:4326")
        try:
            point = self.algorithm.parameterAsPoint({name: value}, name, self.context, wgs84)
        except QgsCsException as error:
            raise InvalidParameter(f"{name} cannot be brought to EPSG:4326 ({error}).") from error
        if not (math.isfinite(point.x()) and math.isfinite(point.y()) and abs(point.y()) <= 90):
            raise InvalidParameter(f"{name} is no place on earth in EPSG:4326: “{value}”.")
        return point.x(), point.y()

    def path(self, name: str) -> Path | None:
        """Return a path on this computer, None if none was given; ``~`` is the user's home."""
        text = self.text(name)
        return _path(name, text) if text else None

    def paths(self, name: str) -> list[Path]:
        """Return several paths: a list, or text with ``;`` between them."""
        value = self._plain(name)
        if value is None:
            return []
        parts = value if isinstance(value, (list, tuple)) else str(value).split(";")
        return [_path(name, str(part).strip()) for part in parts if str(part).strip()]

    def file(self, name: str, missing: str) -> Path:
        """Return the file or folder to write to; ``missing`` is the sentence where there is none.

        QGIS names temporary ones itself.
        """
        given = self.algorithm.parameterAsFileOutput(self.parameters, name, self.context)
        path = Values(self.algorithm, {name: given}, self.context).path(name) if given else None
        if path is None:
            raise InvalidParameter(missing)
        return path

    def log(self) -> Path | None:
        """Return where the log is to go, None for nowhere; QGIS names temporary files itself."""
        if self.text(LOG) == QgsProcessing.TEMPORARY_OUTPUT:
            return Path(self.algorithm.parameterAsFileOutput(self.parameters, LOG, self.context))
        return self.path(LOG)

    def target(self, name: str) -> Target:
        """Return where a layer is to be written."""
        return Target(self.algorithm, self.parameters, name, self.context)

    def check_sinks(self) -> None:
        """Refuse what no layer can be written to, and two layers at the same place.

        Raises :class:`EngineError`, before anything is fetched or touched.
        """
        taken: list[Destination] = []
        for definition in self.algorithm.parameterDefinitions():
            if not isinstance(definition, QgsProcessingParameterFeatureSink):
                continue
            name = definition.name()
            place = self.target(name).destination()
            if place.path is None:
                self._refuse_dead_layer(place.text, name)
                continue
            _path(name, str(place.path))
            if any(map(place.overwrites, taken)):
                raise InvalidParameter(
                    f"{definition.description()} ({name}) would overwrite another layer of the "
                    f"same run: “{place.text}”. Choose another file or table."
                )
            taken.append(place)

    def _refuse_dead_layer(self, text: str, name: str) -> None:
        """Refuse a layer in memory where it dies with the process and success would be a lie.

        Between the steps of a model it lives as long as it is needed.
        """
        in_memory = text.startswith("memory:")
        temporary = in_memory or text == QgsProcessing.TEMPORARY_OUTPUT
        if QgsApplication.platform() != "qgis_process" or not temporary:
            return
        if not (in_memory and self.context.expressionContext().hasVariable("model_name")):
            raise InvalidParameter(
                f"A temporary layer is gone when qgis_process ends; give a file: {name}=file.gpkg."
            )


def _path(name: str, text: str) -> Path:
    """Return a text as a path; raise :class:`InvalidParameter` for what cannot be one.

    Whether something exists there is not looked at.
    """
    shown = f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text
    try:
        text.encode()  # names that are not UTF-8 do not survive QGIS
        path = Path(text).expanduser()
        path.lstat()
    except RuntimeError as error:  # of the user that is named, or of this one
        raise InvalidParameter(f"{name}: no home folder is known for “{shown}”.") from error
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.EINVAL) in (errno.ENAMETOOLONG, errno.EINVAL):
            reason = getattr(error, "strerror", None) or error
            raise InvalidParameter(f"{name} cannot be a path ({reason}): “{shown}”.") from error
    return path
