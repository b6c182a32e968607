"""Join by Tag: totals that the engine has made by region, on the user's polygons of the regions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from qgis.core import QgsGeometry, QgsProcessingParameterField

from ..engine.errors import InvalidChoice
from ..i18n import tr, tr_noop
from ..layers import style
from ..outputs.core.choices import Choices
from ..outputs.core.lazy import np
from ..outputs.core.table import POLYGON, Table
from ..outputs.readers.by_tag import BY_TAG, TagTable, read_by_tag
from .common import parameters as p
from .common.base import FINISHED_CALCULATION, BaseAlgorithm, Outputs, Parameters
from .common.choice_parameters import choice_parameters, read_choices
from .common.matching import Matched, listed, match, some
from .common.reporter import Reporter
from .common.run import Results, Run, opened_output, overridden
from .common.style_parameters import read_style, style_parameters
from .common.values import InvalidParameter, Values
from .common.zones import ZONES, Zone, own_columns, read_layer, read_zones, write_zones

if TYPE_CHECKING:
    from qgis.core import QgsProcessingFeatureSource

ZONE_FIELD = "ZONE_FIELD"
TAG = "TAG"
COUNT = "COUNT"

USUAL = "aggrisk-stats"
CHOICES = ("KIND", "LOSS_TYPE", "RETURN_PERIOD", "EP_TYPE", "TAG_FILTER")


@dataclass(frozen=True)
class JoinRequest:
    """What is joined with what, and how it is drawn."""

    calculation_id: int
    output_type: str
    tag: str
    zone_field: str
    choices: Choices
    style: style.StyleChoices


class JoinByTag(BaseAlgorithm[JoinRequest]):
    """Join totals by tag to polygons."""

    ID = "joinbytag"
    NAME = tr_noop("Join by Tag")
    GROUP = "outputs"
    TAGS = ("losses", "damage", "aggregate", "region", "admin", "choropleth", "polygon", "map")
    HELP = tr_noop(
        "Draws losses or damage by region: takes the totals that the engine made for each value "
        "of a tag (aggregate_by = NAME_1 in the job.ini) and joins them to your polygons by name. "
        "This is the right way for quantiles and loss curves, which must not be added up; Sum by "
        "Zone adds up the assets inside the polygons, for means only.\n\n"
        "The polygons keep their fields and coordinate system and get one field for each loss type "
        "(and statistic, return period, damage state). Names are compared as text; spaces around "
        "them and upper or lower case do not count. Polygons without a value stay empty, and they "
        "and the tags without a polygon are listed in the log.\n\n"
        "Where the engine has divided by further tags, values are added up over them if they may "
        "be; Tags (TAG_FILTER) chooses some."
    )
    CALCULATION = FINISHED_CALCULATION

    def inputs(self) -> Parameters:
        field = QgsProcessingParameterField(ZONE_FIELD, tr("Field with the tag"), None, ZONES)
        return [
            p.text(
                p.OUTPUT_TYPE,
                tr("Output"),
                tr("Type of an output that is divided by tags: {}.").format(", ".join(BY_TAG)),
                default=USUAL,
            ),
            p.source(
                ZONES,
                tr("Zones"),
                tr("Polygons of the regions, in any coordinate system."),
                p.SourceType.TypeVectorPolygon,
            ),
            p.described(field, tr("The field of the zones that holds the values of the tag.")),
            p.text(
                TAG,
                tr("Tag"),
                tr("The tag of the exposure, for example NAME_1. Empty: the only one there is."),
            ),
            *choice_parameters(CHOICES),
            *style_parameters(),
        ]

    def targets(self) -> Parameters:
        about = tr("The polygons with the values of their tag.")
        return [p.sink(p.OUTPUT, tr("Values by zone"), p.SourceType.TypeVectorPolygon, about)]

    def results(self) -> Outputs:
        return [p.number_output(COUNT, tr("Zones with a value")), *p.outputs(p.STYLED_FIELD)]

    def validate(self, values: Values) -> JoinRequest:
        chosen = read_style(values)
        zones = read_layer(values, ZONES, "polygon")
        names = [field.name() for field in zones.fields()]
        wanted = values.text(ZONE_FIELD)
        field = next((n for n in names if n == wanted), None)
        field = field or next((n for n in names if n.lower() == wanted.lower()), None)
        if field is None:
            problem = f"{ZONES} has no field “{wanted}”" if wanted else "Choose a field"
            raise InvalidParameter(f"{problem}; {ZONE_FIELD} may be: {', '.join(names)}.")
        return JoinRequest(
            calculation_id=values.id(),
            output_type=values.text(p.OUTPUT_TYPE) or USUAL,
            tag=values.text(TAG),
            zone_field=field,
            choices=read_choices(values, style_field=chosen.field),
            style=chosen,
        )

    def execute(self, run: Run[JoinRequest]) -> Results:
        request, report = run.request, run.report
        wanted = request.output_type
        single = wanted.removesuffix("-stats")
        with opened_output(run, request.calculation_id, wanted, single) as source:
            values = read_by_tag(source, request.choices, request.tag)
        # opened here and not before: models of newer QGIS work on another thread
        layer = read_layer(run.values, ZONES, "polygon")
        zones = read_zones(layer)
        report.phase(f"Joining {len(values.values)} values of {values.tag} to {len(zones)} zones")
        position = layer.fields().indexOf(request.zone_field)
        matched = match([zone.attributes[position] for zone in zones], list(values.values))
        joined = sum(tag is not None for tag in matched.tags)
        if zones and values.values and not joined:
            raise InvalidChoice(
                f"No zone has a value of {values.tag}: {request.zone_field} is "
                f"{some(matched.without_value)}, {values.tag} is {some(matched.without_zone)}. "
                "Choose another field (ZONE_FIELD) or tag (TAG)."
            )
        _report(report, values, matched, len(zones))
        _report_geometries(report, [zone.geometry for zone in zones])
        table = _table(values, matched, zones, layer, request.zone_field)
        table = table.with_provenance(**overridden(source))
        drawing = style.merged(table, request.style)
        return {
            p.OUTPUT: write_zones(run, table, drawing, layer),
            COUNT: joined,
            p.STYLED_FIELD: style.field_of(drawing),
        }


def _report(report: Reporter, values: TagTable, matched: Matched, zones: int) -> None:
    report.notes(values.notes)
    joined = zones - len(matched.without_value)
    report.info(f"{joined} of {zones} zones have a value of {values.tag}.")
    if matched.ambiguous:
        names = listed(matched.ambiguous)
        report.warn(f"Several values of {values.tag} differ by case only; left empty: {names}.")
    if matched.without_value:
        names = listed(matched.without_value)
        report.warn(f"{len(matched.without_value)} of {zones} zones have no value: {names}.")
    if matched.without_zone:
        count, names = len(matched.without_zone), listed(matched.without_zone)
        report.warn(
            f"{count} of {len(values.values)} values of {values.tag} have no zone: {names}."
        )
    if matched.repeated:
        report.warn(
            f"Several zones have the same {values.tag}; each has its whole value, which must not "
            f"be added up: {listed(matched.repeated)}."
        )


def _report_geometries(report: Reporter, geometries: list[QgsGeometry]) -> None:
    empty = sum(geometry.isEmpty() for geometry in geometries)
    invalid = sum(not geometry.isEmpty() and not geometry.isGeosValid() for geometry in geometries)
    if invalid:
        report.warn(
            f"{invalid} of {len(geometries)} zones have an invalid geometry, kept unchanged."
        )
    if empty:
        report.warn(f"{empty} of {len(geometries)} zones have no geometry and are not drawn.")


def _table(
    values: TagTable,
    matched: Matched,
    zones: list[Zone],
    layer: QgsProcessingFeatureSource,
    zone_field: str,
) -> Table:
    """Return the zones with their attributes and the values of their tags."""
    own = own_columns(layer)
    columns = own.beside(values.columns)
    nothing = [None] * len(columns)
    rows = [nothing if tag is None else values.values[tag] for tag in matched.tags]
    arrays = np.array(rows, dtype=float).reshape(len(zones), len(columns)).T
    styled = [c.name for c in values.columns].index(values.style.field)
    return Table(
        title=values.title,
        columns=(*own.columns, *columns),
        rows=len(zones),
        blocks=partial(own.blocks, zones, list(arrays)),
        geometry=POLYGON,
        style=replace(values.style, field=columns[styled].name),
        provenance={
            **values.provenance,
            "joined_to_zones": layer.sourceName(),
            "zone_field": zone_field,
            "zones_without_value": len(matched.without_value),
            "tags_without_zone": matched.without_zone,
        },
    )
