"""The style parameters, shared by the algorithms that draw."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterDefinition

from ...i18n import tr
from ...layers import style
from . import parameters as p
from .values import Values

STYLE_FIELD = "STYLE_FIELD"
CLASSIFICATION = "CLASSIFICATION"
CLASSES = "CLASSES"
CLASS_BREAKS = "CLASS_BREAKS"
COLOR_RAMP = "COLOR_RAMP"
INVERT_RAMP = "INVERT_RAMP"


def style_parameters() -> list[QgsProcessingParameterDefinition]:
    """Return the parameters that say how a layer is drawn; all optional."""
    return [
        p.text(
            STYLE_FIELD,
            tr("Field to style"),
            tr("Empty: PGA at the probability nearest to 475 years, or what is usual."),
            advanced=True,
        ),
        p.word(
            CLASSIFICATION,
            tr("Classification"),
            tr(
                "standard: the fixed classes that make maps comparable, where there are such. "
                "Empty: standard, else what suits the output."
            ),
            style.CLASSIFICATIONS,
            advanced=True,
        ),
        p.number(
            CLASSES,
            tr("Number of classes"),
            tr("For all but standard, and where no class limits are given."),
            advanced=True,
        ),
        p.text(
            CLASS_BREAKS,
            tr("Class limits"),
            tr("Limits between the classes, for example 0.05 0.1 0.2. The outer are open."),
            advanced=True,
        ),
        p.text(
            COLOR_RAMP,
            tr("Colour ramp"),
            tr("Name of a colour ramp of QGIS: YlOrRd, Viridis, …"),
            advanced=True,
        ),
        p.flag(
            INVERT_RAMP,
            tr("Invert the ramp"),
            tr("Draw high values in the ramp's first colour."),
            False,
            advanced=True,
        ),
    ]


def read_style(values: Values) -> style.StyleChoices:
    """Return the style parameters, checked."""
    chosen = style.StyleChoices(
        field=values.text(STYLE_FIELD),
        classification=values.word(CLASSIFICATION, style.CLASSIFICATIONS),
        # a model of 3.22 gives 0 for a number that was left empty
        classes=values.whole(CLASSES) or None,
        breaks=style.parse_breaks(values.text(CLASS_BREAKS)),
        ramp=values.text(COLOR_RAMP),
        invert=values.flag(INVERT_RAMP),
    )
    style.validate(chosen)
    return chosen
