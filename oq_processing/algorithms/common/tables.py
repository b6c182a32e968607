"""Write a table of ours (no output of the engine) to a sink, titled and with readable headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from qgis.core import QgsProcessingContext, QgsVectorLayer

from ...engine.client import EngineClient
from ...layers import metadata, sink, style
from ...outputs.core.table import Table
from .reporter import Reporter


def write_table(
    algorithm,
    parameters: dict,
    name: str,
    context: QgsProcessingContext,
    report: Reporter,
    client: EngineClient,
    table: Table,
    draw: Callable[[QgsVectorLayer, int], None] | None = None,
) -> str:
    """Write the table to the sink ``name`` and return the layer's id or source.

    ``draw`` may style the layer; it gets the position of the table's first column.
    """
    table = replace(table, provenance={"server": client.url, **table.provenance})

    def finish(layer: QgsVectorLayer, first: int) -> None:
        metadata.describe(layer, table, first)
        if draw is not None:
            draw(layer, first)
        for problem in (style.store(layer), metadata.store(layer)):
            if problem:
                report.warn(problem)

    def progress(share: float) -> None:
        report.wait.check()
        report.progress(50 + 50 * share)

    written = sink.write(algorithm, parameters, name, context, table, finish, progress)
    for sentence in written.renamed:
        report.warn(sentence)
    if context.willLoadLayerOnCompletion(written.destination):
        context.layerToLoadOnCompletionDetails(written.destination).name = table.title
    return written.destination
