"""Load Output as Layer: any output of a calculation as a styled layer that knows its origin."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.errors import InvalidChoice
from ..i18n import tr, tr_noop
from ..layers import style
from ..layers.publish import publish
from ..outputs import catalogue
from ..outputs.core.choices import Choices
from ..outputs.core.source import Source
from ..outputs.core.table import Table
from .common import parameters as p
from .common.base import FINISHED_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.choice_parameters import choice_parameters, read_choices
from .common.run import Results, Run, opened_output, overridden
from .common.style_parameters import read_style, style_parameters
from .common.values import Values

OUTPUT_LINES = "OUTPUT_LINES"
AGGREGATE_BY_SITE = "AGGREGATE_BY_SITE"
LONG_FORMAT = "LONG_FORMAT"
GEOMETRY = "GEOMETRY"
COUNT = "COUNT"
CELL_WIDTH = "CELL_WIDTH"
CELL_HEIGHT = "CELL_HEIGHT"
GEOMETRIES = ("auto", "point", "polygon", "line", "cell", "none")


@dataclass(frozen=True)
class LoadRequest:
    """What a load needs, read and checked."""

    calculation_id: int
    output_type: str
    choices: Choices
    style: style.StyleChoices


class LoadOutputAsLayer(BaseAlgorithm[LoadRequest]):
    """Load an output of a calculation as a layer."""

    ID = "loadoutputaslayer"
    NAME = tr_noop("Load Output as Layer")
    GROUP = "outputs"
    TAGS = ("map", "hazard map", "layer", "style", "import")
    HELP = tr_noop(
        "Loads any output of a calculation as a layer with the style of a field: hazard as points "
        "or cells with comparable classes, ground motion of an event, ruptures, losses and damage "
        "of assets or summed by site, disaggregation, networks, and tables of what has no place. "
        "An output of an unknown type is loaded by its CSV export.\n\n"
        "All choices are optional. A choice that the output does not have is an error that names "
        "those it has, so an impossible one is a way to see them.\n\n"
        "Style, field titles with units and the origin of the values are stored with the layer."
    )
    CALCULATION = FINISHED_CALCULATION

    def inputs(self) -> Parameters:
        return [
            p.text(
                p.OUTPUT_TYPE,
                tr("Output"),
                tr("Type of the output (hmaps, hcurves, …), its title, or its id."),
                default="hmaps",
            ),
            *choice_parameters(),
            p.flag(
                AGGREGATE_BY_SITE,
                tr("Sum assets at the same place"),
                tr("One row per place, with the sums of what may be summed."),
                False,
                optional=True,
                advanced=True,
            ),
            p.flag(
                LONG_FORMAT,
                tr("Long format"),
                tr("One row per site and value, instead of one field per value."),
                False,
                advanced=True,
            ),
            p.word(
                GEOMETRY,
                tr("Geometry"),
                tr("cell: sites of a regular grid as the cells around them."),
                GEOMETRIES,
                default="auto",
                advanced=True,
            ),
            *style_parameters(),
        ]

    def targets(self) -> Parameters:
        lines = p.sink(OUTPUT_LINES, tr("Lines"), p.SourceType.TypeVectorLine, optional=True)
        about = tr("Ruptures: a layer of its own for vertical faults, as lines.")
        return [
            p.sink(p.OUTPUT, tr("Layer"), p.SourceType.TypeVector),
            p.described(lines, about, advanced=True),
        ]

    def results(self) -> Outputs:
        return [
            p.number_output(COUNT, tr("Number of rows")),
            *p.outputs(p.STYLED_FIELD),
            p.number_output(CELL_WIDTH, tr("Width of the narrowest cell")),
            p.number_output(CELL_HEIGHT, tr("Height of a cell")),
        ]

    def validate(self, values: Values) -> LoadRequest:
        chosen = read_style(values)
        return LoadRequest(
            calculation_id=values.id(),
            output_type=values.text(p.OUTPUT_TYPE),
            choices=read_choices(
                values,
                geometry=values.word(GEOMETRY, GEOMETRIES) or "auto",
                aggregate_by_site=values.flag(AGGREGATE_BY_SITE),
                long_format=values.flag(LONG_FORMAT),
                lines=values.given(OUTPUT_LINES),
                style_field=chosen.field,
            ),
            style=chosen,
        )

    def execute(self, run: Run[LoadRequest]) -> Results:
        request = run.request
        with opened_output(run, request.calculation_id, request.output_type) as source:
            table = _traced(catalogue.read(source, request.choices), source)
            parts = [(p.OUTPUT, table)]
            if table.lines is not None:
                parts.append((OUTPUT_LINES, _traced(table.lines, source)))
            elif request.choices.lines:
                raise InvalidChoice(f"{source.output.name} has no lines; leave OUTPUT_LINES empty.")
            # before the first file is touched: a field to style that is not there
            drawings = [style.merged(part, request.style) for _, part in parts]
            results = {COUNT: table.rows, p.STYLED_FIELD: style.field_of(drawings[0])}
            share = 50 / len(parts)
            for i, ((name, part), drawing) in enumerate(zip(parts, drawings)):
                span = (50 + share * i, 50 + share * (i + 1))
                results[name] = _write(run, name, part, drawing, span)
        # only cells have a size: a raster of anything else must not get an invented size
        if table.cell_size:
            results[CELL_WIDTH], results[CELL_HEIGHT] = table.cell_size
        return results


def _traced(table: Table, source: Source) -> Table:
    """Return the table with what this profile knows of its origin and the engine does not."""
    return table.with_provenance(**overridden(source))


def _write(
    run: Run[LoadRequest],
    name: str,
    table: Table,
    drawing: style.Drawing | None,
    span: tuple[float, float],
) -> str:
    """Write a table to its sink and say what it is; return the layer's id or source."""
    report = run.report
    report.notes(table.notes)
    if condition := table.provenance.get("site_condition"):
        report.info(f"Site condition: {condition}.")
    report.progress(span[0])
    report.phase(f"Writing {table.rows} rows")
    destination = publish(run.values.target(name), table, report, span, drawing)
    report.info(f"{table.title}: {table.rows} rows")
    return destination
