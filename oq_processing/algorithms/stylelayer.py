"""Style Layer: draw any layer by one of its fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from qgis.core import (
    QgsField,
    QgsProcessingAlgorithm,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterVectorLayer,
    QgsVectorLayer,
)

from .. import compat
from ..engine.errors import EngineError, InvalidChoice
from ..i18n import tr, tr_noop
from ..layers import metadata, renderer, style
from ..outputs.core.lazy import Array, np
from ..outputs.core.palettes import ground_motion_style
from ..outputs.core.table import INTEGER, REAL, TEXT, Column, ColumnType, Style, Table
from .common import parameters as p
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.run import Results, Run
from .common.style_parameters import read_style, style_parameters
from .common.values import InvalidParameter, Values

INPUT = "INPUT"


@dataclass(frozen=True)
class StyleRequest:
    """The layer and how it is to be drawn."""

    layer: QgsVectorLayer
    choices: style.StyleChoices


class StyleLayer(BaseAlgorithm[StyleRequest]):
    """Give a layer a style and store it with the layer."""

    ID = "stylelayer"
    NAME = tr_noop("Style Layer")
    GROUP = "outputs"
    TALKS = False
    TAGS = ("colour", "color", "classes", "renderer", "legend")
    HELP = tr_noop(
        "Draws a layer by one of its fields, with the classes and colours of the field, and stores "
        "the style with the layer: in a GeoPackage as its default style, beside other files as "
        ".qml.\n\n"
        "Layers of Load Output as Layer know which field is usual and what it means; of other "
        "layers, give the field."
    )

    def inputs(self) -> Parameters:
        layer = QgsProcessingParameterVectorLayer(INPUT, tr("Layer"), [p.SourceType.TypeVector])
        return [
            p.described(layer, tr("The layer to draw; its values stay as they are.")),
            *style_parameters(),
        ]

    def results(self) -> Outputs:
        layer = QgsProcessingOutputVectorLayer(p.OUTPUT, tr("Styled layer"))
        return [layer, *p.outputs(p.STYLED_FIELD)]

    def validate(self, values: Values) -> StyleRequest:
        layer = self.parameterAsVectorLayer(values.parameters, INPUT, values.context)
        if layer is None or not layer.isValid():
            raise InvalidParameter(f"{INPUT} is no vector layer: {values.parameters.get(INPUT)}.")
        if not layer.isSpatial():
            raise InvalidParameter(f"{layer.name()} has no geometry and cannot be drawn.")
        return StyleRequest(layer, read_style(values))

    def flags(self) -> Any:
        # the layer lives on the main thread, as for QGIS's own algorithms that change layers
        return super().flags() | QgsProcessingAlgorithm.Flag.FlagNoThreading

    def execute(self, run: Run[StyleRequest]) -> Results:
        layer, choices = run.request.layer, run.request.choices
        project = run.values.context.project()
        lives = project is not None and layer.id() in project.mapLayers()
        # an id is of use as long as the layer lives, which one opened for us does not
        here = lives or layer.providerType() == "memory"
        if not here:
            # opened for us without what is stored with it: titles of fields would be lost
            layer.loadDefaultStyle()
            layer.loadDefaultMetadata()
        table, first = _as_table(layer, choices.field)
        drawing = style.merged(table, choices)
        if drawing is None:
            names = ", ".join(c.name for c in table.columns)
            raise InvalidChoice(
                f"Say which field of {layer.name()} to draw (STYLE_FIELD): {names}."
            )
        index = first + table.columns.index(drawing.column)
        values = _values(layer, index, drawing.column)
        renderer.apply(layer, first, table.columns, drawing, values)
        if problem := style.store(layer):
            raise EngineError(f"The style of {layer.name()} was not stored: {problem}")
        layer.triggerRepaint()
        return {
            p.OUTPUT: layer.id() if here else layer.source(),
            p.STYLED_FIELD: drawing.column.name,
        }


def _as_table(layer: QgsVectorLayer, wanted: str) -> tuple[Table, int]:
    """Return the layer's columns as a table without rows, and the position of the first.

    It has the style of the field that is wanted, "" for the one that is drawn already.
    """
    fields = list(layer.fields())
    first = 1 if fields and fields[0].name() == "fid" else 0
    about = metadata.read(layer)
    columns = _columns(fields[first:], about.get("columns", []))
    name = (wanted or style.styled_field(layer)).strip().lower()
    column = next((c for c in columns if c.name.lower() == name), None)
    # what is drawn on what lies under it, as Load Output as Layer does
    crowded = "places" in about.get("provenance", {})
    usual = None if column is None else _usual_style(column, crowded)
    return Table(layer.name(), columns, 0, lambda: iter(()), style=usual), first


def _columns(fields: list[QgsField], described: list[dict[str, Any]]) -> tuple[Column, ...]:
    """Return fields as columns with the meaning that their layer has stored."""
    if len(described) != len(fields):  # else by position: some formats cut the names
        by_name = {c["name"]: c for c in described}
        described = [by_name.get(field.name(), {}) for field in fields]
    columns = []
    for field, meaning in zip(fields, described):
        plain = {k: v for k, v in meaning.items() if k not in ("name", "type")}
        type_ = next((t for t in ColumnType if t == meaning.get("type")), _type(field))
        columns.append(Column(field.name(), type_, **plain))
    return tuple(columns)


def _usual_style(column: Column, crowded: bool) -> Style:
    usual = ground_motion_style(column) if column.imt else Style(column.name)
    if crowded and column.type in (INTEGER, REAL):
        return replace(usual, order_by=column.name)
    return usual


def _type(field: QgsField) -> ColumnType:
    if not field.isNumeric():
        return TEXT
    return INTEGER if field.type() in compat.INTEGERS else REAL


def _values(layer: QgsVectorLayer, index: int, column: Column) -> Array:
    if column.type not in (INTEGER, REAL):
        return np.empty(0)
    found = [feature.attribute(index) for feature in layer.getFeatures()]
    return np.array([v if isinstance(v, (int, float)) else np.nan for v in found], dtype=float)
