"""Load Output as Layer: any output of a calculation as a styled layer that knows its origin."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
)

from .. import settings
from ..engine.calculation import SUCCEEDED
from ..engine.client import EngineClient
from ..engine.errors import InvalidChoice
from ..layers import metadata, sink, style
from ..layers.column_values import ColumnValues
from ..outputs import catalogue
from ..outputs.core.choices import Choices
from ..outputs.core.source import Source
from ..outputs.core.table import Style, Table
from .common.base import OpenQuakeAlgorithm, tr
from .common.choice_parameters import choice_parameters, read_choices
from .common.guard import internal_error
from .common.parameters import (
    CALCULATION_ID,
    advanced,
    id_parameter,
    read_flag,
    read_id,
    read_text,
    read_word,
    server_parameters,
    text_parameter,
    with_help,
)
from .common.reporter import Reporter
from .common.style_parameters import read_style, style_parameters

OUTPUT_TYPE = "OUTPUT_TYPE"
OUTPUT = "OUTPUT"
OUTPUT_LINES = "OUTPUT_LINES"
AGGREGATE_BY_SITE = "AGGREGATE_BY_SITE"
COUNT = "COUNT"
STYLED_FIELD = "STYLED_FIELD"
CELL_WIDTH = "CELL_WIDTH"
CELL_HEIGHT = "CELL_HEIGHT"
GEOMETRIES = ("auto", "point", "polygon", "line", "cell", "none")

_postprocessors: dict[str, QgsProcessingLayerPostProcessorInterface] = {}


@dataclass(frozen=True)
class LoadRequest:
    """What a load needs, read and checked."""

    calculation_id: int
    output_type: str
    choices: Choices
    style: style.StyleChoices


@dataclass(frozen=True)
class _Writing:
    """A table on its way to the sink ``name``, between two points of the progress."""

    name: str
    table: Table
    style: Style | None
    choices: style.StyleChoices
    report: Reporter
    begin: float
    end: float


class LoadOutputAsLayer(OpenQuakeAlgorithm):
    """Load an output of a calculation as a layer."""

    ID = "loadoutputaslayer"
    NAME = "Load Output as Layer"
    GROUP = "outputs"
    TAGS = ("map", "hazard map", "layer", "style", "import")
    HELP = (
        "Loads any output of a calculation as a layer with the style of a field: hazard as points "
        "or cells with comparable classes, ground motion of an event, ruptures, losses and damage "
        "of assets or summed by site, disaggregation, networks, and tables of what has no place. "
        "An output of an unknown type is loaded by its CSV export.\n\n"
        "All choices are optional. A choice that the output does not have is an error that names "
        "those it has, so an impossible one is a way to see them.\n\n"
        "Style, field titles with units and the origin of the values are stored with the layer."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of a finished calculation."))
        )
        self.addParameter(
            text_parameter(
                OUTPUT_TYPE,
                tr("Output"),
                tr("Type of the output (hmaps, hcurves, …), its title, or its id."),
                default="hmaps",
            )
        )
        for parameter in choice_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterBoolean(
                        AGGREGATE_BY_SITE, tr("Sum assets at the same place"), False, optional=True
                    ),
                    tr("One row per place, with the sums of what may be summed."),
                )
            )
        )
        self.addParameter(
            advanced(
                with_help(
                    QgsProcessingParameterBoolean("LONG_FORMAT", tr("Long format"), False),
                    tr("One row per site and value, instead of one field per value."),
                )
            )
        )
        geometry = QgsProcessingParameterEnum(
            "GEOMETRY",
            tr("Geometry"),
            list(GEOMETRIES),
            defaultValue="auto",
            usesStaticStrings=True,
        )
        self.addParameter(
            advanced(
                with_help(geometry, tr("cell: sites of a regular grid as the cells around them."))
            )
        )
        for parameter in (*style_parameters(tr), *server_parameters(tr)):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(
                OUTPUT, tr("Layer"), QgsProcessing.SourceType.TypeVector
            )
        )
        lines = QgsProcessingParameterFeatureSink(
            OUTPUT_LINES,
            tr("Lines"),
            QgsProcessing.SourceType.TypeVectorLine,
            optional=True,
            createByDefault=False,
        )
        self.addParameter(
            advanced(
                with_help(lines, tr("Ruptures: a layer of its own for vertical faults, as lines."))
            )
        )
        self.addOutput(QgsProcessingOutputNumber(COUNT, tr("Number of rows")))
        self.addOutput(QgsProcessingOutputString(STYLED_FIELD, tr("Styled field")))
        self.addOutput(QgsProcessingOutputNumber(CELL_WIDTH, tr("Width of the narrowest cell")))
        self.addOutput(QgsProcessingOutputNumber(CELL_HEIGHT, tr("Height of a cell")))

    def validate(self, parameters, context) -> LoadRequest:
        chosen = read_style(self, parameters, context)
        return LoadRequest(
            calculation_id=read_id(self, parameters, CALCULATION_ID, context),
            output_type=read_text(self, parameters, OUTPUT_TYPE, context),
            choices=read_choices(
                self,
                parameters,
                context,
                geometry=read_word(self, parameters, "GEOMETRY", context, GEOMETRIES) or "auto",
                aggregate_by_site=read_flag(self, parameters, AGGREGATE_BY_SITE, context),
                long_format=read_flag(self, parameters, "LONG_FORMAT", context),
                lines=bool(parameters.get(OUTPUT_LINES)),
                style_field=chosen.field,
            ),
            style=chosen,
        )

    def execute(
        self, request: LoadRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request.calculation_id)
        outputs = client.outputs(calculation.id)
        if not outputs and calculation.status not in SUCCEEDED:
            raise InvalidChoice(
                f"Calculation {calculation.id} is {calculation.status} and has no outputs."
            )
        output = catalogue.find_output(outputs, request.output_type, calculation.id)
        report.info(f"{output.name} of calculation {calculation.id}: {calculation.description}")
        report.phase(f"Fetching {output.name}")
        with tempfile.TemporaryDirectory(prefix="openquake-") as folder:
            source = Source(client, calculation, output, Path(folder), report.span(2, 50))
            table = catalogue.read(source, request.choices)
            if request.choices.lines and table.lines is None:
                raise InvalidChoice(f"{output.name} has no lines; leave OUTPUT_LINES empty.")
            changed = settings.overrides_of(client.url, calculation.id)
            parts = [(OUTPUT, table)] + ([(OUTPUT_LINES, table.lines)] if table.lines else [])
            # before the first file is touched: a field to style that is not there
            styles = [style.merged(part, request.style) for _, part in parts]
            results = {COUNT: table.rows, STYLED_FIELD: styles[0].field if styles[0] else ""}
            for i, (name, part) in enumerate(parts):
                if changed:
                    part.provenance["overridden_parameters"] = changed
                begin, end = 50 + 50 * i / len(parts), 50 + 50 * (i + 1) / len(parts)
                write = _Writing(name, part, styles[i], request.style, report, begin, end)
                results[name] = self._write(write, parameters, context)
        # only cells have a size: a raster of anything else must not be made of a number of ours
        if table.cell_size:
            results[CELL_WIDTH], results[CELL_HEIGHT] = table.cell_size
        return results

    def _write(self, write: _Writing, parameters: dict, context) -> str:
        """Write a table to its sink and return the layer's id or source."""
        table, report, wanted = write.table, write.report, write.style
        for note in table.notes:
            report.warn(note)
        if condition := table.provenance.get("site_condition"):
            report.info(f"Site condition: {condition}.")
        report.progress(write.begin)
        report.phase(f"Writing {table.rows} rows")
        values = ColumnValues(table, wanted.field if wanted else "")

        def finish(layer, first: int) -> None:
            if table.shared:
                table.provenance["places"] = values.places
            metadata.describe(layer, table, first)
            if wanted is not None:
                column = table.column(wanted.field)
                style.apply(layer, first, table, column, wanted, values.array(), write.choices)
            for problem in (style.store(layer), metadata.store(layer)):
                if problem:
                    report.warn(problem)

        def progress(share: float) -> None:
            report.wait.check()
            report.progress(write.begin + (write.end - write.begin) * share)

        written = sink.write(self, parameters, write.name, context, values.table, finish, progress)
        for sentence in written.renamed:
            report.warn(sentence)
        if table.shared and values.places < values.located:
            report.warn(table.shared.format(rows=values.located, places=values.places))
        self._style_on_load(written, table.title, context)
        report.info(f"{table.title}: {table.rows} rows")
        return written.destination

    def _style_on_load(self, written: sink.Written, title: str, context) -> None:
        """Let QGIS set the title, and the style where the file cannot carry it, when it loads."""
        if not context.willLoadLayerOnCompletion(written.destination):
            return
        details = context.layerToLoadOnCompletionDetails(written.destination)
        details.name = title
        # QGIS keeps no reference: held here until it is called
        processor = _Styler(written)
        _postprocessors[written.destination] = processor
        details.setPostProcessor(processor)


class _Styler(QgsProcessingLayerPostProcessorInterface):
    """Gives the loaded layer what the written one has."""

    def __init__(self, written: sink.Written) -> None:
        super().__init__()
        self._destination = written.destination
        self._layer = written.layer.clone()

    def postProcessLayer(self, layer, context, feedback) -> None:
        try:
            self._style(layer)
        except Exception as error:  # the layer is good, and newer QGIS calls this from C++
            feedback.reportError(internal_error(f"the style of {layer.name()}", error))
        finally:
            _postprocessors.pop(self._destination, None)

    def _style(self, layer) -> None:
        if self._layer.renderer() is not None and layer.renderer() is not None:
            layer.setRenderer(self._layer.renderer().clone())
        for i in range(min(layer.fields().count(), self._layer.fields().count())):
            layer.setFieldAlias(i, self._layer.attributeAlias(i))
        layer.setMetadata(self._layer.metadata())
        layer.setName(self._layer.name())
        layer.triggerRepaint()
