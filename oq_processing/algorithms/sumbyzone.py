"""Sum by Zone: what may be added up of a point layer, summed on the user's polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from qgis.core import (
    QgsCoordinateTransform,
    QgsProcessingFeatureSource,
    QgsProcessingParameterField,
)

from ..i18n import tr, tr_noop
from ..layers import style
from ..outputs.core.lazy import Array, np
from ..outputs.core.palettes import LOSS_RAMP
from ..outputs.core.table import INTEGER, POLYGON, REAL, Column, Style, Table
from .common import parameters as p
from .common.additive import About, about, names_of, summed_fields
from .common.base import BaseAlgorithm, Outputs, Parameters
from .common.locating import Located, locate
from .common.reporter import Reporter
from .common.run import Results, Run
from .common.style_parameters import read_style, style_parameters
from .common.values import Values
from .common.zones import ZONES, Zone, own_columns, read_layer, read_zones, write_zones

INPUT = "INPUT"
FIELDS = "FIELDS"
POINTS = "points"
IN_NO_ZONE = "IN_NO_ZONE"
IN_SEVERAL = "IN_SEVERAL"


@dataclass(frozen=True)
class SumRequest:
    """What is summed, where, and how it is drawn."""

    points: QgsProcessingFeatureSource
    zones: QgsProcessingFeatureSource
    about: About
    fields: list[str]
    style: style.StyleChoices


class SumByZone(BaseAlgorithm[SumRequest]):
    """Sum the additive fields of a point layer on polygons."""

    ID = "sumbyzone"
    NAME = tr_noop("Sum by Zone")
    GROUP = "outputs"
    TALKS = False
    OPENS_LAYERS = True
    TAGS = ("losses", "damage", "aggregate", "region", "admin", "join", "polygon")
    HELP = tr_noop(
        "Adds up the values of a point layer (average losses, damage) on the polygons of another "
        "one and draws the result: the polygons with their own fields, the sums and the number of "
        "points.\n\n"
        "Layers of Load Output as Layer know which of their fields may be added up: mean and "
        "single-realization losses, numbers of buildings, consequences. Quantiles, maxima, "
        "probabilities and ground motion may not, and are refused.\n\n"
        "Points in no polygon are counted (IN_NO_ZONE). A point in several polygons, or on the "
        "border between them, counts in the first one only and is counted too (IN_SEVERAL), so "
        "that the sums of all polygons and of what lies outside are the total of the layer."
    )

    def inputs(self) -> Parameters:
        fields = QgsProcessingParameterField(
            FIELDS,
            tr("Fields to sum"),
            None,
            INPUT,
            QgsProcessingParameterField.DataType.Numeric,
            allowMultiple=True,
            optional=True,
        )
        return [
            p.source(
                INPUT,
                tr("Points"),
                tr("Points whose values are added up, for example average losses of assets."),
                p.SourceType.TypeVectorPoint,
            ),
            p.source(
                ZONES,
                tr("Zones"),
                tr("Polygons to sum on, in any coordinate system."),
                p.SourceType.TypeVectorPolygon,
            ),
            p.described(
                fields,
                tr(
                    "Empty: all fields that may be added up, where the layer knows them. "
                    "Several are separated by semicolons."
                ),
            ),
            *style_parameters(),
        ]

    def targets(self) -> Parameters:
        about_ = tr("The polygons with the sums and the number of points in each.")
        return [p.sink(p.OUTPUT, tr("Sums by zone"), p.SourceType.TypeVectorPolygon, about_)]

    def results(self) -> Outputs:
        return [
            p.number_output(IN_NO_ZONE, tr("Points in no zone")),
            p.number_output(IN_SEVERAL, tr("Points in several zones")),
            *p.outputs(p.STYLED_FIELD),
        ]

    def validate(self, values: Values) -> SumRequest:
        points = read_layer(values, INPUT, "point")
        zones = read_layer(values, ZONES, "polygon")
        known = about(values.parameters.get(INPUT), values.context)
        wanted = names_of(values.parameters.get(FIELDS))
        fields = summed_fields(wanted, points, known.columns)
        return SumRequest(points, zones, known, fields, read_style(values))

    def execute(self, run: Run[SumRequest]) -> Results:
        request, report = run.request, run.report
        zones = read_zones(request.zones)
        report.phase(f"Summing on {len(zones)} zones")
        transform = QgsCoordinateTransform(
            request.points.sourceCrs(),
            request.zones.sourceCrs(),
            run.values.context.transformContext(),
        )
        located = locate(request.points, request.fields, zones, transform, report)
        # those outside are counted behind the last zone
        bins = np.where(located.owners < 0, len(zones), located.owners)
        counts = np.bincount(bins, minlength=len(zones) + 1)
        sums = [
            # what is infinite stays so
            np.bincount(bins, weights=np.where(np.isnan(v), 0.0, v), minlength=len(zones) + 1)
            for v in located.values
        ]
        _report(report, request, located, sums, int(counts[-1]))
        table = _table(request, zones, sums, counts)
        drawing = style.merged(table, request.style)
        return {
            p.OUTPUT: write_zones(run, table, drawing, request.zones),
            IN_NO_ZONE: int(counts[-1]),
            IN_SEVERAL: located.several,
            p.STYLED_FIELD: style.field_of(drawing),
        }


def _report(
    report: Reporter, request: SumRequest, located: Located, sums: Sequence[Array], outside: int
) -> None:
    for name, column, summed in zip(request.fields, located.values, sums):
        unit = request.about.columns.get(name, {}).get("unit", "")
        inside, rest = summed[:-1].sum(), summed[-1]
        report.info(
            f"{name}: {inside:,.6g}{' ' + unit if unit else ''} in zones, {rest:,.6g} outside, "
            f"{inside + rest:,.6g} in all"
        )
        if missing := int(np.isnan(column).sum()):
            report.warn(f"{name}: {missing} points have no value and count as 0.")
    if outside:
        report.warn(f"{outside} of {len(located.owners)} points are in no zone.")
    if several := located.several:
        report.warn(f"{several} points are in several zones; each counts in the first of them.")


def _table(request: SumRequest, zones: list[Zone], sums: Sequence[Array], counts: Array) -> Table:
    """Return the zones with their attributes, the sums and the number of points."""
    own, summed, labels = own_columns(request.zones), [], []
    for name in request.fields:
        known = request.about.columns.get(name, {})
        meaning = {k: v for k, v in known.items() if k not in ("name", "type", "label")}
        labels.append(known.get("label", name))
        meaning["additive"] = True
        summed.append(Column(name, REAL, f"{labels[-1]}, sum", **meaning))
    summed.append(Column(POINTS, INTEGER, "Number of points", additive=True))
    columns = own.beside(summed)
    drawn = request.about.drawn
    styled = request.fields.index(drawn) if drawn in request.fields else 0
    unit = columns[styled].unit
    return Table(
        title=f"{labels[styled]} by zone{f' [{unit}]' if unit else ''}",
        columns=(*own.columns, *columns),
        rows=len(zones),
        blocks=partial(own.blocks, zones, [*sums, counts]),
        geometry=POLYGON,
        style=Style(columns[styled].name, "logarithmic", (), LOSS_RAMP),
        provenance={
            "output_name": request.points.sourceName(),
            **request.about.provenance,
            "summed_by_zone": request.zones.sourceName(),
        },
    )
