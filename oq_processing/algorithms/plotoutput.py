"""Plot Output: curves, spectra and bars of an output as a picture, and the numbers as a table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterPoint,
)

from .. import settings
from ..engine.calculation import SUCCEEDED
from ..engine.client import EngineClient
from ..engine.errors import EngineError, InvalidChoice
from ..engine.files import replacing
from ..outputs import catalogue
from ..outputs.core.choices import Choices
from ..outputs.core.source import Source
from .common.base import OpenQuakeAlgorithm, tr
from .common.choice_parameters import choice_parameters, read_choices
from .common.parameters import (
    CALCULATION_ID,
    InvalidParameter,
    id_parameter,
    read_id,
    read_point,
    read_target,
    read_text,
    server_parameters,
    text_parameter,
    with_help,
)
from .common.reporter import Reporter
from .common.tables import write_table

if TYPE_CHECKING:
    from ..outputs.plots.plot import Place

OUTPUT_TYPE = "OUTPUT_TYPE"
OUTPUT = "OUTPUT"
DATA = "DATA"
FORMATS = ("png", "svg")


@dataclass(frozen=True)
class PlotRequest:
    """What a figure needs, read and checked."""

    calculation_id: int
    output_type: str
    choices: Choices
    place: Place
    output: Path


class PlotOutput(OpenQuakeAlgorithm):
    """Plot an output of a calculation."""

    ID = "plotoutput"
    NAME = "Plot Output"
    GROUP = "outputs"
    TAGS = (
        "figure",
        "chart",
        "hazard curve",
        "uniform hazard spectrum",
        "disaggregation",
        "loss exceedance",
        "damage distribution",
    )
    HELP = (
        "Draws an output as a PNG or SVG picture: hazard curves (hcurves) and uniform hazard "
        "spectra (uhs) of a site, its disaggregation (disagg-stats, disagg-rlzs), loss exceedance "
        "curves (aggcurves-stats, aggcurves), damage distributions (damages-stats, aggrisk, …) of "
        "an asset or of all, and loss curves of an asset (loss_curves-stats).\n\n"
        "The numbers are the engine's own, and DATA holds them as a table. With several "
        "realizations the engine's mean is drawn too, thick. An impossible choice is an error that "
        "names the possible ones.\n\n"
        "Needs the Python package matplotlib."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of a finished calculation."))
        )
        self.addParameter(
            text_parameter(
                OUTPUT_TYPE,
                tr("Output"),
                tr("Type of the output (hcurves, uhs, aggcurves-stats, …), its title, or its id."),
                default="hcurves",
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterPoint("SITE", tr("Site (nearest to this point)"), "", True),
                tr("For outputs by site: the nearest is taken, at most one grid step away."),
            )
        )
        self.addParameter(
            text_parameter(
                "SITE_ID",
                tr("Site (id)"),
                tr("For outputs by site, instead of a point: custom id, else number of a site."),
            )
        )
        self.addParameter(
            text_parameter(
                "ASSET_ID",
                tr("Asset"),
                tr("For outputs by asset: its id. Empty: the sum of all, where there is one."),
            )
        )
        for parameter in (*choice_parameters(tr), *server_parameters(tr)):
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFileDestination(OUTPUT, tr("Picture"), "PNG (*.png);;SVG (*.svg)")
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSink(
                    DATA,
                    tr("Numbers"),
                    QgsProcessing.SourceType.TypeVector,
                    optional=True,
                    createByDefault=False,
                ),
                tr("What is drawn, as a table."),
            )
        )

    def validate(self, parameters, context) -> PlotRequest:
        from ..outputs.plots.plot import Place  # not before it is needed

        output = read_target(self, parameters, OUTPUT, context)
        if output is None:
            raise InvalidParameter("Give a file for the picture: OUTPUT=plot.png.")
        if output.suffix.lower().lstrip(".") not in FORMATS:
            raise InvalidParameter(f"OUTPUT must end in .png or .svg: {output.name} does not.")
        return PlotRequest(
            calculation_id=read_id(self, parameters, CALCULATION_ID, context),
            output_type=read_text(self, parameters, OUTPUT_TYPE, context),
            choices=read_choices(self, parameters, context),
            place=Place(
                read_point(self, parameters, "SITE", context),
                read_text(self, parameters, "SITE_ID", context),
                read_text(self, parameters, "ASSET_ID", context),
            ),
            output=output,
        )

    def execute(
        self, request: PlotRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        from ..drawing import figure
        from ..outputs.plots import plot as plots

        figure.require()
        if not request.output.parent.is_dir():
            raise EngineError(f"The folder {request.output.parent} does not exist.")
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
            plot = plots.read(source, request.choices, request.place, outputs)
            provenance = self._provenance(request, source)
            if plot.condition:
                provenance["site_condition"] = plot.condition
                report.info(f"Site condition: {plot.condition}.")
        for note in plot.notes:
            report.info(note)
        report.progress(50)
        report.phase(f"Drawing {plot.title}")
        report.wait.check()
        results = {}
        try:
            with replacing(request.output) as part:
                figure.draw(
                    plot,
                    part,
                    request.output.suffix.lower().lstrip("."),
                    json.dumps(provenance, ensure_ascii=False, default=str),
                )
                if parameters.get(DATA):
                    table = replace(plot.table, provenance=provenance)
                    results[DATA] = write_table(
                        self, parameters, DATA, context, report, client, table
                    )
        except OSError as error:
            raise EngineError(
                f"{request.output} cannot be written ({error.strerror or error})."
            ) from error
        report.info(f"{plot.title}: {request.output}")
        return {OUTPUT: str(request.output), **results}

    def _provenance(self, request: PlotRequest, source: Source) -> dict:
        found = source.provenance(request.choices)
        place = request.place
        words = {
            "SITE": f"{place.point[0]}, {place.point[1]}" if place.point else "",
            "SITE_ID": place.site_id,
            "ASSET_ID": place.asset_id,
        }
        found["choices"].update({name: word for name, word in words.items() if word})
        if changed := settings.overrides_of(source.client.url, source.calculation.id):
            found["overridden_parameters"] = changed
        return found
