"""Plot Output: curves, spectra and bars of an output as a picture, and the numbers as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import QgsProcessingParameterPoint

from ..engine.errors import EngineError
from ..engine.files import replacing
from ..i18n import tr, tr_noop
from ..outputs.core.choices import Choices
from ..outputs.core.source import Source
from .common import parameters as p
from .common.base import FINISHED_CALCULATION, BaseAlgorithm, Parameters
from .common.choice_parameters import choice_parameters, read_choices
from .common.run import Results, Run, opened_output, overridden
from .common.values import InvalidParameter, Values

if TYPE_CHECKING:
    from ..outputs.plots.plot import Place, Plot

SITE = "SITE"
SITE_ID = "SITE_ID"
ASSET_ID = "ASSET_ID"
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

    @property
    def fmt(self) -> str:
        """The format of the picture."""
        return self.output.suffix.lower().lstrip(".")


class PlotOutput(BaseAlgorithm[PlotRequest]):
    """Plot an output of a calculation."""

    ID = "plotoutput"
    NAME = tr_noop("Plot Output")
    GROUP = "outputs"
    TAGS = (
        "figure",
        "chart",
        "hazard curve",
        "uniform hazard spectrum",
        "disaggregation",
        "conditional spectrum",
        "magnitude-frequency distribution",
        "loss exceedance",
        "average annual loss",
        "reinsurance",
        "damage distribution",
    )
    HELP = tr_noop(
        "Draws an output as a PNG or SVG picture. Of a site: hazard curves (hcurves), also by "
        "source (mean_rates_by_src, mean_disagg_by_src), uniform hazard and conditional spectra "
        "(uhs, cs-stats) and disaggregations (disagg-stats, disagg-rlzs; MEMBER=Mag_Dist_Eps for "
        "magnitude, distance and ε). Of events: their magnitude-frequency distribution "
        "(event_based_mfd).\n\n"
        "Of risk: loss exceedance curves (aggcurves-stats, aggcurves), reinsurance by return "
        "period (reinsurance-aggcurves), average losses by tag or source (aggrisk-stats, "
        "avg_losses_by, src_loss_table), the distribution of a scenario's loss (risk_by_event), "
        "damage distributions (damages-stats, aggrisk, …) of an asset or of all, and loss curves "
        "of an asset (loss_curves-stats).\n\n"
        "The numbers are the engine's own, and DATA holds them as a table. With several "
        "realizations the engine's mean is drawn too, thick. An impossible choice is an error that "
        "names the possible ones.\n\n"
        "Needs the Python package matplotlib."
    )
    CALCULATION = FINISHED_CALCULATION

    def inputs(self) -> Parameters:
        site = QgsProcessingParameterPoint(SITE, tr("Site (nearest to this point)"), "", True)
        return [
            p.text(
                p.OUTPUT_TYPE,
                tr("Output"),
                tr("Type of the output (hcurves, uhs, aggcurves-stats, …), its title, or its id."),
                default="hcurves",
            ),
            p.described(
                site, tr("For outputs by site: the nearest is taken, at most one grid step away.")
            ),
            p.text(
                SITE_ID,
                tr("Site (id)"),
                tr("For outputs by site, instead of a point: custom id, else number of a site."),
            ),
            p.text(
                ASSET_ID,
                tr("Asset"),
                tr("For outputs by asset: its id. Empty: the sum of all, where there is one."),
            ),
            *choice_parameters(),
        ]

    def targets(self) -> Parameters:
        about = tr("What is drawn, as a table.")
        return [
            p.target(p.OUTPUT, tr("Picture"), tr("PNG (*.png);;SVG (*.svg)")),
            p.sink(DATA, tr("Numbers"), p.SourceType.TypeVector, about, optional=True),
        ]

    def validate(self, values: Values) -> PlotRequest:
        from ..outputs.plots.plot import Place  # not before it is needed

        output = values.file(p.OUTPUT, "Give a file for the picture: OUTPUT=plot.png.")
        if output.suffix.lower().lstrip(".") not in FORMATS:
            raise InvalidParameter(f"OUTPUT must end in .png or .svg: {output.name} does not.")
        return PlotRequest(
            calculation_id=values.id(),
            output_type=values.text(p.OUTPUT_TYPE),
            choices=read_choices(values),
            place=Place(values.point(SITE), values.text(SITE_ID), values.text(ASSET_ID)),
            output=output,
        )

    def execute(self, run: Run[PlotRequest]) -> Results:
        from ..drawing import figure
        from ..outputs.plots import plot as plots

        request, report = run.request, run.report
        figure.require()
        if not request.output.parent.is_dir():
            raise EngineError(f"The folder {request.output.parent} does not exist.")
        with opened_output(run, request.calculation_id, request.output_type) as source:
            plot = plots.read(source, request.choices, request.place, source.outputs())
            provenance = _provenance(request, source, plot)
        if plot.condition:
            report.info(f"Site condition: {plot.condition}.")
        report.notes(plot.notes)
        report.progress(50)
        report.phase(f"Drawing {plot.title}")
        report.check()
        results: Results = {p.OUTPUT: str(request.output)}
        try:
            with replacing(request.output) as part:
                about = json.dumps(provenance, ensure_ascii=False, default=str)
                figure.draw(plot, part, request.fmt, about)
                if run.values.given(DATA):
                    table = replace(plot.table, provenance=provenance)
                    results[DATA] = run.write_table(DATA, table)
        except OSError as error:
            raise EngineError(
                f"{request.output} cannot be written ({error.strerror or error})."
            ) from error
        report.info(f"{plot.title}: {request.output}")
        return results


def _provenance(request: PlotRequest, source: Source, plot: Plot) -> dict[str, Any]:
    found = source.provenance(request.choices)
    place = request.place
    words = {
        SITE: f"{place.point[0]}, {place.point[1]}" if place.point else "",
        SITE_ID: place.site_id,
        ASSET_ID: place.asset_id,
    }
    found["choices"].update({name: word for name, word in words.items() if word})
    found.update(overridden(source))
    if plot.condition:
        found["site_condition"] = plot.condition
    return found
