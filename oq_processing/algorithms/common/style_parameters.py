"""The style parameters, shared by the algorithms that draw."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
)

from ...layers import style
from ...layers.classes import CLASSIFICATIONS
from .parameters import (
    advanced,
    read_flag,
    read_integer,
    read_text,
    read_word,
    text_parameter,
    with_help,
)

STYLE_FIELD = "STYLE_FIELD"
CLASSIFICATION = "CLASSIFICATION"
CLASSES = "CLASSES"
CLASS_BREAKS = "CLASS_BREAKS"
COLOR_RAMP = "COLOR_RAMP"
INVERT_RAMP = "INVERT_RAMP"


def style_parameters(tr) -> list:
    """Return the parameters that say how a layer is drawn; all optional."""
    classification = QgsProcessingParameterEnum(
        CLASSIFICATION,
        tr("Classification"),
        list(CLASSIFICATIONS),
        optional=True,
        usesStaticStrings=True,
    )
    classes = QgsProcessingParameterNumber(
        CLASSES, tr("Number of classes"), QgsProcessingParameterNumber.Type.Integer, optional=True
    )
    return [
        advanced(
            text_parameter(
                STYLE_FIELD,
                tr("Field to style"),
                tr("Empty: PGA at the probability nearest to 475 years, or what is usual."),
            )
        ),
        advanced(
            with_help(
                classification,
                tr(
                    "standard: the fixed classes that make maps comparable, where there are such. "
                    "Empty: standard, else what suits the output."
                ),
            )
        ),
        advanced(
            with_help(classes, tr("For all but standard, and where no class limits are given."))
        ),
        advanced(
            text_parameter(
                CLASS_BREAKS,
                tr("Class limits"),
                tr("Limits between the classes, for example 0.05 0.1 0.2. The outer are open."),
            )
        ),
        advanced(
            text_parameter(
                COLOR_RAMP,
                tr("Colour ramp"),
                tr("Name of a colour ramp of QGIS: YlOrRd, Viridis, …"),
            )
        ),
        advanced(
            with_help(
                QgsProcessingParameterBoolean(INVERT_RAMP, tr("Invert the ramp"), False),
                tr("Draw high values in the ramp's first colour."),
            )
        ),
    ]


def read_style(algorithm, parameters: dict, context) -> style.StyleChoices:
    """Return the style parameters, checked."""
    chosen = style.StyleChoices(
        field=read_text(algorithm, parameters, STYLE_FIELD, context),
        classification=read_word(algorithm, parameters, CLASSIFICATION, context, CLASSIFICATIONS),
        # a model of 3.22 gives 0 for a number that was left empty
        classes=read_integer(algorithm, parameters, CLASSES, context) or None,
        breaks=style.parse_breaks(read_text(algorithm, parameters, CLASS_BREAKS, context)),
        ramp=read_text(algorithm, parameters, COLOR_RAMP, context),
        invert=read_flag(algorithm, parameters, INVERT_RAMP, context),
    )
    style.validate(chosen)
    return chosen
