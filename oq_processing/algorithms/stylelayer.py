"""Style Layer: draw a layer of ours, or any other, by one of its fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterVectorLayer,
    QgsVectorLayer,
)

from .. import compat
from ..engine.errors import EngineError, InvalidChoice
from ..layers import metadata, style
from ..outputs.core.palettes import ground_motion_style
from ..outputs.core.table import INTEGER, REAL, TEXT, Column, ColumnType, Style, Table
from .common.base import BaseAlgorithm, tr
from .common.parameters import InvalidParameter, with_help
from .common.style_parameters import read_style, style_parameters

INPUT = "INPUT"
OUTPUT = "OUTPUT"
STYLED_FIELD = "STYLED_FIELD"


@dataclass(frozen=True)
class StyleRequest:
    """The layer and how it is to be drawn."""

    layer: QgsVectorLayer
    choices: style.StyleChoices


class StyleLayer(BaseAlgorithm):
    """Give a layer a style and store it with the layer."""

    ID = "stylelayer"
    NAME = "Style Layer"
    GROUP = "outputs"
    TAGS = ("colour", "color", "classes", "renderer", "legend")
    HELP = (
        "Draws a layer by one of its fields, with the classes and colours of the field, and stores "
        "the style with the layer: in a GeoPackage as its default style, beside other files as "
        ".qml.\n\n"
        "Layers of Load Output as Layer know which field is usual and what it means; of other "
        "layers, give the field."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            with_help(
                QgsProcessingParameterVectorLayer(
                    INPUT, tr("Layer"), [QgsProcessing.SourceType.TypeVector]
                ),
                tr("The layer to draw; its values stay as they are."),
            )
        )
        for parameter in style_parameters(tr):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputVectorLayer(OUTPUT, tr("Styled layer")))
        self.addOutput(QgsProcessingOutputString(STYLED_FIELD, tr("Styled field")))

    def validate(self, parameters, context) -> StyleRequest:
        layer = self.parameterAsVectorLayer(parameters, INPUT, context)
        if layer is None or not layer.isValid():
            raise InvalidParameter(f"{INPUT} is no vector layer: {parameters.get(INPUT)}.")
        if not layer.isSpatial():
            raise InvalidParameter(f"{layer.name()} has no geometry and cannot be drawn.")
        return StyleRequest(layer, read_style(self, parameters, context))

    def flags(self):
        # the layer lives on the main thread, as for QGIS's own algorithms that change layers
        return super().flags() | QgsProcessingAlgorithm.Flag.FlagNoThreading

    def processAlgorithm(self, parameters, context, feedback) -> dict:
        request: StyleRequest = self._request
        layer = request.layer
        project = context.project()
        lives = project is not None and layer.id() in project.mapLayers()
        if not lives and layer.providerType() != "memory":
            # opened for us without what is stored with it: titles of fields would be lost
            layer.loadDefaultStyle()
            layer.loadDefaultMetadata()
        table, first = _as_table(layer, request.choices)
        wanted = style.merged(table, request.choices)
        column = table.column(wanted.field)
        values = _values(layer, first + table.columns.index(column), column)
        style.apply(layer, first, table, column, wanted, values, request.choices)
        if problem := style.store(layer):
            raise EngineError(f"The style of {layer.name()} was not stored: {problem}")
        layer.triggerRepaint()
        # an id is of use as long as the layer lives, which one opened for us does not
        here = lives or layer.providerType() == "memory"
        return {OUTPUT: layer.id() if here else layer.source(), STYLED_FIELD: wanted.field}


def _as_table(layer: QgsVectorLayer, choices: style.StyleChoices) -> tuple[Table, int]:
    """Return the layer's columns as a table without rows, and the position of the first."""
    first = 1 if layer.fields().count() and layer.fields()[0].name() == "fid" else 0
    fields = list(layer.fields())[first:]
    about = metadata.read(layer)
    described = about.get("columns", [])
    if len(described) != len(fields):  # else by position: some formats cut the names
        by_name = {c["name"]: c for c in described}
        described = [by_name.get(field.name(), {}) for field in fields]
    columns = []
    for field, meaning in zip(fields, described):
        plain = {k: v for k, v in meaning.items() if k not in ("name", "type")}
        columns.append(
            Column(field.name(), ColumnType(meaning.get("type") or _type(field)), **plain)
        )
    own = style.styled_field(layer)
    names = [c.name for c in columns]
    if not choices.field and own not in names:
        raise InvalidChoice(
            f"Say which field of {layer.name()} to draw (STYLE_FIELD): {', '.join(names)}."
        )
    wanted = (choices.field or own).strip().lower()
    column = next((c for c in columns if c.name.lower() == wanted), None)
    known = column is not None and column.imt
    usual = ground_motion_style(column) if known else Style(column.name if column else own)
    # what is drawn on what lies under it, as Load Output as Layer does
    crowded = "places" in about.get("provenance", {})
    if crowded and column is not None and column.type in (INTEGER, REAL):
        usual = replace(usual, order_by=column.name)
    return Table(layer.name(), tuple(columns), 0, lambda: iter(()), style=usual), first


def _type(field) -> str:
    if not field.isNumeric():
        return TEXT
    return INTEGER if field.type() in compat.INTEGERS else REAL


def _values(layer: QgsVectorLayer, index: int, column: Column):
    import numpy as np

    if column.type not in (INTEGER, REAL):
        return np.empty(0)
    found = [feature.attribute(index) for feature in layer.getFeatures()]
    return np.array([v if isinstance(v, (int, float)) else np.nan for v in found], dtype=float)
