"""Parameters that several algorithms share, and the only ways to read them.

A model of QGIS 3.22 calls no checks for its children and gives empty optional values as 0 or "";
``qgis_process`` gives text; dialogs give numbers. The readers here take all of that and return None
for what was not given. No algorithm reads a parameter in another way.
"""

from __future__ import annotations

import errno
import math
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCsException,
    QgsExpression,
    QgsProcessingParameterAuthConfig,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProperty,
)

from ...engine.errors import EngineError
from ...layers.destination import Destination, destination

SERVER = "SERVER"
AUTHCFG = "AUTHCFG"
CALCULATION_ID = "CALCULATION_ID"

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_SHOWN = 100  # characters of a value that a message has


class InvalidParameter(EngineError):
    """A parameter's value cannot be used; the message names it."""


def advanced(parameter):
    """Return the parameter marked as advanced."""
    flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    parameter.setFlags(parameter.flags() | flag)
    return parameter


def with_help(parameter, text: str):
    """Return the parameter with its help text."""
    parameter.setHelp(text)
    return parameter


def text_parameter(name: str, description: str, text: str, default=None, multi_line=False):
    """Return an optional text parameter."""
    parameter = QgsProcessingParameterString(
        name, description, defaultValue=default, multiLine=multi_line, optional=True
    )
    return with_help(parameter, text)


def id_parameter(name: str, description: str, text: str, optional: bool = False):
    """Return a parameter for a calculation's id; no default and no minimum, see :func:`read_id`."""
    parameter = QgsProcessingParameterNumber(
        name, description, QgsProcessingParameterNumber.Type.Integer, optional=optional
    )
    return with_help(parameter, text)


def server_parameters(tr) -> list:
    """Return SERVER and AUTHCFG, which every algorithm has that talks to a server."""
    return [
        advanced(
            text_parameter(
                SERVER,
                tr("Server"),
                tr(
                    "Address of the OpenQuake engine's server, with its path prefix if it has one. "
                    "Empty: the environment variable OPENQUAKE_SERVER, else "
                    "http://127.0.0.1:8800."
                ),
            )
        ),
        advanced(
            with_help(
                QgsProcessingParameterAuthConfig(AUTHCFG, tr("Authentication"), optional=True),
                tr(
                    "Authentication configuration (method Basic) with the user name and password "
                    "for this server. Not needed for servers that ask for no login."
                ),
            )
        ),
    ]


def _plain(algorithm, parameters: dict, name: str, context):
    """Return a parameter's value with its default and, where it is data-defined, evaluated."""
    value = parameters.get(name)
    if value is None:
        definition = algorithm.parameterDefinition(name)
        value = definition.defaultValue() if definition is not None else None
    if isinstance(value, QgsProperty):
        expression = QgsExpression(value.asExpression())
        # evaluated on its own: of a QgsProperty, an error and NULL look the same
        expression.evaluate(context.expressionContext())
        if expression.hasParserError() or expression.hasEvalError():
            raise InvalidParameter(f"{name} cannot be evaluated ({value.asExpression()}).")
        value, _ = value.value(context.expressionContext(), None)
    if value is None or str(value) in ("", "NULL"):
        return None
    return value


def read_text(algorithm, parameters: dict, name: str, context) -> str:
    """Return a text without spaces around it, "" if there is none."""
    value = _plain(algorithm, parameters, name, context)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def read_number(algorithm, parameters: dict, name: str, context) -> float | None:
    """Return a number, None if none was given."""
    value = _plain(algorithm, parameters, name, context)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidParameter(f"{name} must be a number, not “{value}”.")
    return number


def read_integer(algorithm, parameters: dict, name: str, context) -> int | None:
    """Return a whole number, None if none was given."""
    number = read_number(algorithm, parameters, name, context)
    if number is not None and not number.is_integer():
        raise InvalidParameter(f"{name} must be a whole number, not {number}.")
    return None if number is None else int(number)


def read_id(algorithm, parameters: dict, name: str, context) -> int:
    """Return a calculation's id; 0 is what a dialog shows when nothing was chosen."""
    number = read_integer(algorithm, parameters, name, context)
    if number is None or number < 1:
        got = "" if number is None else f", not {number}"
        raise InvalidParameter(f"Choose a calculation: {name} must be its id, 1 or more{got}.")
    return number


def read_optional_id(algorithm, parameters: dict, name: str, context) -> int | None:
    """Return a calculation's id, None if none was given; 0 is an error, not "none"."""
    if _plain(algorithm, parameters, name, context) is None:
        return None
    return read_id(algorithm, parameters, name, context)


def read_flag(algorithm, parameters: dict, name: str, context) -> bool:
    """Return a boolean; QGIS itself reads "no" and "off" as true."""
    value = _plain(algorithm, parameters, name, context)
    if value is None:  # an empty text is no answer: what the parameter says of itself counts
        definition = algorithm.parameterDefinition(name)
        value = bool(definition.defaultValue()) if definition is not None else False
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidParameter(f"{name} must be true or false, not “{value}”.")


def read_point(algorithm, parameters: dict, name: str, context) -> tuple[float, float] | None:
    """Return a point as longitude and latitude in degrees of EPSG:4326, None if none was given.

    A point without a reference system is in EPSG:4326. QGIS reads what was left empty, and a text
    that is no point, as (0, 0).
    """
    value = _plain(algorithm, parameters, name, context)
    if value is None or (hasattr(value, "isEmpty") and value.isEmpty()):
        return None
    definition = algorithm.parameterDefinition(name)
    if not definition.checkValueIsAcceptable(value, context):
        raise InvalidParameter(f"{name} must be a point like “85.3,27.7 [EPSG:4326]”: “{value}”.")
    wgs84 = QgsCoordinateReferenceSystem("EPSG:4326")
    try:
        point = algorithm.parameterAsPoint({name: value}, name, context, wgs84)
    except QgsCsException as error:
        raise InvalidParameter(f"{name} cannot be brought to EPSG:4326 ({error}).") from error
    if not (math.isfinite(point.x()) and math.isfinite(point.y()) and abs(point.y()) <= 90):
        raise InvalidParameter(f"{name} is no place on earth in EPSG:4326: “{value}”.")
    return point.x(), point.y()


def read_path(algorithm, parameters: dict, name: str, context) -> Path | None:
    """Return a path on this computer, None if none was given; ``~`` is the user's home."""
    text = read_text(algorithm, parameters, name, context)
    return _path(name, text) if text else None


def read_target(algorithm, parameters: dict, name: str, context) -> Path | None:
    """Return the file or folder to write to, None for none; QGIS names temporary ones itself."""
    given = algorithm.parameterAsFileOutput(parameters, name, context)
    return read_path(algorithm, {name: given}, name, context) if given else None


def read_paths(algorithm, parameters: dict, name: str, context) -> list[Path]:
    """Return several paths: a list, or text with ``;`` between them."""
    value = _plain(algorithm, parameters, name, context)
    if value is None:
        return []
    parts = value if isinstance(value, (list, tuple)) else str(value).split(";")
    return [_path(name, str(part).strip()) for part in parts if str(part).strip()]


def _path(name: str, text: str) -> Path:
    """Return a text as a path; raise :class:`InvalidParameter` for what can be none.

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


def read_word(algorithm, parameters: dict, name: str, context, words: tuple[str, ...]) -> str:
    """Return one of the words of an enum with static strings; "" if none was given."""
    text = read_text(algorithm, parameters, name, context).lower()
    if text and text not in words:
        raise InvalidParameter(f"{name} may be {', '.join(words)}; not “{text}”.")
    return text


def check_sinks(algorithm, parameters: dict, context) -> None:
    """Refuse what no layer can be written to, and two layers at the same place.

    Raises :class:`EngineError`, before anything is fetched or touched.
    """
    taken: list[Destination] = []
    for definition in algorithm.parameterDefinitions():
        if not isinstance(definition, QgsProcessingParameterFeatureSink):
            continue
        place = destination(parameters.get(definition.name()), definition, context)
        if place.path is None:
            _refuse_dead_layer(place.text, definition.name(), context)
            continue
        _path(definition.name(), str(place.path))
        if any(map(place.overwrites, taken)):
            raise InvalidParameter(
                f"{definition.description()} ({definition.name()}) would overwrite another layer "
                f"of the same run: “{place.text}”. Choose another file or table."
            )
        taken.append(place)


def _refuse_dead_layer(text: str, name: str, context) -> None:
    """Refuse a layer in memory where it dies with the process and success would be a lie.

    Between the steps of a model it lives as long as it is needed.
    """
    in_memory = text.startswith("memory:")
    if QgsApplication.platform() != "qgis_process" or not (in_memory or text == "TEMPORARY_OUTPUT"):
        return
    if not (in_memory and context.expressionContext().hasVariable("model_name")):
        raise InvalidParameter(
            f"A temporary layer is gone when qgis_process ends; give a file: {name}=file.gpkg."
        )
