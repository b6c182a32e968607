"""How a layer is to be drawn: the style of its table with the user's choices laid over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from qgis.core import QgsColorRamp, QgsExpression, QgsStyle, QgsVectorLayer

from .. import compat
from ..engine.errors import InvalidChoice
from ..outputs.core.table import Column, Style, Table

CLASSIFICATIONS = ("standard", "logarithmic", "equal-interval", "quantile", "jenks", "pretty")
STYLE_NAME = "OpenQuake"  # a GeoPackage holds 30 characters


@dataclass(frozen=True)
class StyleChoices:
    """The style parameters; empty means what the output wants."""

    field: str = ""
    classification: str = ""
    classes: int | None = None
    breaks: tuple[float, ...] = ()
    ramp: str = ""
    invert: bool = False


@dataclass(frozen=True)
class Drawing:
    """What is drawn and how: all that a renderer is made from.

    ``classes`` is the number of classes, None for the usual one; ``classified``: the user has
    chosen a classification or ``own_breaks``, the limits between the classes.
    """

    column: Column
    style: Style
    classes: int | None = None
    classified: bool = False
    own_breaks: bool = False


def merged(table: Table, choices: StyleChoices) -> Drawing | None:
    """Return how a table is drawn; None for one that is not.

    :meth:`Table.drawn_by` decides the column; its classes and colours are decided here and nowhere
    else. Raises :class:`InvalidChoice` for a field that the table does not have.
    """
    table = table.drawn_by(choices.field)
    own = table.style
    if own is None:
        return None
    column = table.column(own.field)
    classification = choices.classification or own.classification
    breaks = choices.breaks or own.breaks
    if classification == "standard" and not breaks:
        classification = "quantile"
    style = replace(
        own,
        classification=classification,
        breaks=breaks,
        ramp=choices.ramp or own.ramp,
        invert=choices.invert != own.invert,
        colors=() if choices.ramp else own.colors,
        labels=own.labels if classification == "standard" and not choices.breaks else (),
    )
    own_breaks = bool(choices.breaks)
    classified = own_breaks or bool(choices.classification)
    return Drawing(column, style, choices.classes, classified, own_breaks)


def field_of(drawing: Drawing | None) -> str:
    """Return the name of the field that is drawn, "" for none."""
    return drawing.column.name if drawing else ""


def validate(choices: StyleChoices) -> None:
    """Raise :class:`InvalidChoice` for words and numbers that no layer could be styled with."""
    if choices.classification and choices.classification not in CLASSIFICATIONS:
        raise InvalidChoice(
            f"There is no classification “{choices.classification}”; "
            f"there are: {', '.join(CLASSIFICATIONS)}."
        )
    if choices.classes is not None and not 2 <= choices.classes <= 50:
        raise InvalidChoice(f"CLASSES must be between 2 and 50, not {choices.classes}.")
    if choices.ramp:
        ramp_of(choices.ramp, invert=False)


def parse_breaks(text: str) -> tuple[float, ...]:
    """Read class limits: ``0.05 0.1 0.2``, separated by spaces, commas or semicolons."""
    words = text.replace(",", " ").replace(";", " ").split()
    try:
        breaks = tuple(float(word) for word in words)
    except ValueError as error:
        raise InvalidChoice(
            f"CLASS_BREAKS must be numbers like “0.05 0.1 0.2”, not “{text}”."
        ) from error
    if not all(map(math.isfinite, breaks)):
        raise InvalidChoice(f"CLASS_BREAKS must be finite numbers, not “{text}”.")
    if len(set(breaks)) < len(breaks) or list(breaks) != sorted(breaks):
        raise InvalidChoice("CLASS_BREAKS must rise from one to the next.")
    return breaks


def ramp_of(name: str, invert: bool) -> QgsColorRamp:
    """Return a colour ramp of QGIS; raises :class:`InvalidChoice` for a name it does not know."""
    styles = QgsStyle.defaultStyle()
    known = {n.lower(): n for n in styles.colorRampNames()}
    ramp: QgsColorRamp | None = styles.colorRamp(known.get(name.lower(), ""))
    if ramp is None:
        raise InvalidChoice(
            f"There is no colour ramp “{name}”; there are: {', '.join(known.values())}."
        )
    if invert:
        ramp.invert()
    return ramp


def styled_field(layer: QgsVectorLayer) -> str:
    """Return the name of the field that a layer is drawn by, "" if there is none."""
    renderer = layer.renderer()
    expression = renderer.legendClassificationAttribute() if renderer else ""
    if layer.fields().indexOf(expression) >= 0:  # a name may look like an expression
        return expression
    # the first that stands there: an expression of the styles here begins with it
    names = sorted(QgsExpression(expression).referencedColumns(), key=expression.find)
    return names[0] if len(names) == 1 or "map_get(" in expression else ""


def store(layer: QgsVectorLayer) -> str:
    """Store the layer's style where QGIS finds it when the layer is loaded again.

    In a GeoPackage as its default style, beside other files as .qml. Returns what went wrong,
    "" for nothing.
    """
    if layer.providerType() == "memory":
        return ""
    if ".gpkg" in layer.source().lower():
        # QGIS asks in a window whether to overwrite a style of that name, also where none can show
        count, ids, names, *_ = layer.listStylesInDatabase()
        for number, name in list(zip(ids, names))[: max(count, 0)]:
            if name == STYLE_NAME:
                layer.deleteStyleFromDatabase(number)
        return compat.save_style_in_database(layer, STYLE_NAME)
    return compat.save_style_in_file(layer)
