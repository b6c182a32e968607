"""Publish a table as a layer: written, described, drawn, stored, and named where QGIS loads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Protocol

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsVectorLayer,
)

from ..diagnostics import internal_error
from ..outputs.core.table import Table
from . import metadata, renderer, sink, style
from .column_values import ColumnValues
from .destination import Target

Draw = Callable[[QgsVectorLayer, int], None]
"""Draws a layer in a way of its own; gets the position of the table's first column."""

_postprocessors: dict[str, QgsProcessingLayerPostProcessorInterface] = {}


class Report(Protocol):
    """What follows the work: ``check`` raises where the user wants it to stop."""

    def check(self) -> None: ...  # noqa: D102
    def progress(self, percent: float) -> None: ...  # noqa: D102
    def warn(self, text: str) -> None: ...  # noqa: D102


def publish(
    target: Target,
    table: Table,
    report: Report,
    span: tuple[float, float],
    drawing: style.Drawing | None = None,
    draw: Draw | None = None,
    wkb_type: Qgis.WkbType | None = None,
    crs: QgsCoordinateReferenceSystem | None = None,
) -> str:
    """Write a table to a sink and return the layer's id or source.

    Progress goes over ``span``, in percent. ``drawing`` is how it is drawn, None for not at all;
    the rest is as for :func:`sink.write`, which says what is raised.
    """
    table = replace(table, title=metadata.harmless(table.title))
    values = ColumnValues(table, drawing.column.name if drawing else "")
    begin, end = span

    def finish(layer: QgsVectorLayer, first: int) -> None:
        about = table
        if table.shared:
            about = table.with_provenance(places=values.places)
        metadata.describe(layer, about, first)
        if drawing is not None:
            renderer.apply(layer, first, table.columns, drawing, values.array())
        if draw is not None:
            draw(layer, first)
        for problem in (style.store(layer), metadata.store(layer)):
            if problem:
                report.warn(problem)

    def progress(share: float) -> None:
        report.check()
        report.progress(begin + (end - begin) * share)

    written = sink.write(target, values.table, finish, progress, wkb_type, crs)
    for sentence in written.renamed:
        report.warn(sentence)
    if table.shared and values.places < values.located:
        report.warn(table.shared.format(rows=values.located, places=values.places))
    if drawing is not None or draw is not None:
        _style_on_load(written, target.context)
    return written.destination


def _style_on_load(written: sink.Written, context: QgsProcessingContext) -> None:
    """Let QGIS set the title, and the style where the file cannot carry it, when it loads."""
    if not context.willLoadLayerOnCompletion(written.destination):
        return
    details = context.layerToLoadOnCompletionDetails(written.destination)
    details.name = written.layer.name()
    # QGIS keeps no reference: held here until it is called
    processor = Styler(written)
    _postprocessors[written.destination] = processor
    details.setPostProcessor(processor)


class Styler(QgsProcessingLayerPostProcessorInterface):
    """Gives the loaded layer what the written one has."""

    def __init__(self, written: sink.Written) -> None:
        super().__init__()
        self._destination = written.destination
        self._layer = written.layer.clone()

    def postProcessLayer(  # noqa: D102, N802 # of QGIS
        self,
        layer: QgsMapLayer,
        context: QgsProcessingContext,  # noqa: ARG002
        feedback: QgsProcessingFeedback,
    ) -> None:
        try:
            if isinstance(layer, QgsVectorLayer):
                self._style(layer)
        except Exception as error:  # the layer is good, and newer QGIS calls this from C++
            feedback.reportError(internal_error(f"the style of {layer.name()}", error))
        finally:
            _postprocessors.pop(self._destination, None)

    def _style(self, layer: QgsVectorLayer) -> None:
        drawn = self._layer.renderer()
        if drawn is not None and layer.renderer() is not None:
            layer.setRenderer(drawn.clone())
        for i in range(min(layer.fields().count(), self._layer.fields().count())):
            layer.setFieldAlias(i, self._layer.attributeAlias(i))
        layer.setMetadata(self._layer.metadata())
        layer.setName(self._layer.name())
        layer.triggerRepaint()
