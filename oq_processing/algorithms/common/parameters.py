"""The parameters and outputs of the algorithms, in one form: name, label, help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from qgis.core import (
    Qgis,
    QgsProcessing,
    QgsProcessingOutputDefinition,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterAuthConfig,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from ...i18n import tr

SERVER = "SERVER"
AUTHCFG = "AUTHCFG"
CALCULATION_ID = "CALCULATION_ID"
OUTPUT_TYPE = "OUTPUT_TYPE"
STATUS = "STATUS"
STYLED_FIELD = "STYLED_FIELD"
VERSION = "VERSION"
FAIL_ON_FAILED = "FAIL_ON_FAILED"
LOG = "LOG"
OUTPUT = "OUTPUT"

SourceType = QgsProcessing.SourceType
P = TypeVar("P", bound=QgsProcessingParameterDefinition)


def described(parameter: P, about: str, advanced: bool = False) -> P:
    """Return the parameter with its help, and in the advanced part of the dialog if so."""
    parameter.setHelp(about)
    if advanced:
        flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
        parameter.setFlags(parameter.flags() | flag)
    return parameter


def text(
    name: str,
    label: str,
    about: str,
    default: str | None = None,
    multi_line: bool = False,
    advanced: bool = False,
) -> QgsProcessingParameterString:
    """Return an optional text."""
    parameter = QgsProcessingParameterString(
        name, label, defaultValue=default, multiLine=multi_line, optional=True
    )
    return described(parameter, about, advanced)


def number(
    name: str,
    label: str,
    about: str,
    default: float | None = None,
    whole: bool = True,
    optional: bool = True,
    advanced: bool = False,
) -> QgsProcessingParameterNumber:
    """Return a number, without limits: the dialog would fill in the lowest."""
    types = QgsProcessingParameterNumber.Type
    type_ = types.Integer if whole else types.Double
    parameter = QgsProcessingParameterNumber(name, label, type_, default, optional)
    return described(parameter, about, advanced)


def flag(
    name: str, label: str, about: str, default: bool, optional: bool = False, advanced: bool = False
) -> QgsProcessingParameterBoolean:
    """Return a boolean."""
    parameter = QgsProcessingParameterBoolean(name, label, default, optional)
    return described(parameter, about, advanced)


def word(
    name: str,
    label: str,
    about: str,
    words: Sequence[str],
    default: str | None = None,
    advanced: bool = False,
) -> QgsProcessingParameterEnum:
    """Return one of several words of the API; optional without a default."""
    parameter = QgsProcessingParameterEnum(
        name,
        label,
        list(words),
        defaultValue=default,
        optional=default is None,
        usesStaticStrings=True,
    )
    return described(parameter, about, advanced)


def file(
    name: str, label: str, about: str, files: str, advanced: bool = False
) -> QgsProcessingParameterFile:
    """Return an optional file, or a folder that is typed; ``files`` is the filter of the dialog."""
    behavior = QgsProcessingParameterFile.Behavior.File
    parameter = QgsProcessingParameterFile(name, label, behavior, optional=True, fileFilter=files)
    return described(parameter, about, advanced)


def target(
    name: str, label: str, files: str, about: str = "", optional: bool = False
) -> QgsProcessingParameterFileDestination:
    """Return a file to write; an optional one is advanced and not made by default."""
    parameter = QgsProcessingParameterFileDestination(
        name, label, files, None, optional, createByDefault=not optional
    )
    return described(parameter, about, optional)


def source(
    name: str, label: str, about: str, source_type: Qgis.ProcessingSourceType
) -> QgsProcessingParameterFeatureSource:
    """Return a layer to read."""
    return described(QgsProcessingParameterFeatureSource(name, label, [source_type]), about)


def sink(
    name: str,
    label: str,
    source_type: Qgis.ProcessingSourceType,
    about: str = "",
    optional: bool = False,
) -> QgsProcessingParameterFeatureSink:
    """Return a layer to write; an optional one is not made by default."""
    parameter = QgsProcessingParameterFeatureSink(
        name, label, source_type, None, optional, createByDefault=not optional
    )
    return described(parameter, about)


def server() -> list[QgsProcessingParameterDefinition]:
    """Return SERVER and AUTHCFG."""
    login = QgsProcessingParameterAuthConfig(AUTHCFG, tr("Authentication"), optional=True)
    return [
        text(
            SERVER,
            tr("Server"),
            tr(
                "Name of a saved connection, or address of an OpenQuake engine's server, with its "
                "path prefix if it has one. Empty: the environment variable OPENQUAKE_SERVER, else "
                "the default connection, else the local engine that Start Local Engine has "
                "started, else http://127.0.0.1:8800."
            ),
            advanced=True,
        ),
        described(
            login,
            tr(
                "Authentication configuration (method Basic) with the user name and password "
                "for this server. Not needed for servers that ask for no login."
            ),
            advanced=True,
        ),
    ]


def fail_on_failed() -> QgsProcessingParameterBoolean:
    """Return whether a failed calculation is an error."""
    label = tr("Fail if the calculation fails")
    about = tr("Off: end well and return STATUS=failed instead.")
    return flag(FAIL_ON_FAILED, label, about, True, advanced=True)


def log_file() -> QgsProcessingParameterFileDestination:
    """Return where the log of a calculation is stored."""
    about = tr("Where to store the whole log.")
    return target(LOG, tr("Log file"), tr("Text files (*.txt *.log)"), about, optional=True)


def number_output(name: str, label: str) -> QgsProcessingOutputNumber:
    """Return an output that is a number."""
    return QgsProcessingOutputNumber(name, label)


def text_output(name: str, label: str) -> QgsProcessingOutputString:
    """Return an output that is a text."""
    return QgsProcessingOutputString(name, label)


def outputs(*names: str) -> list[QgsProcessingOutputDefinition]:
    """Return outputs that several algorithms have: an id of a calculation, texts."""
    labels: dict[str, Any] = {
        STATUS: tr("Status"),
        SERVER: tr("Server"),
        STYLED_FIELD: tr("Styled field"),
        VERSION: tr("Version of the engine"),
    }
    return [
        number_output(name, tr("Calculation"))
        if name == CALCULATION_ID
        else text_output(name, labels[name])
        for name in names
    ]
