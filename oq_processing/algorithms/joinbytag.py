"""Join by Tag: totals that the engine has made by region, on the user's polygons of the regions."""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from qgis.core import (
    QgsGeometry,
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
)

from .. import settings
from ..compat import is_null
from ..engine.client import EngineClient
from ..engine.errors import InvalidChoice
from ..layers import style
from ..outputs import catalogue
from ..outputs.core.choices import Choices
from ..outputs.core.source import Source
from ..outputs.core.table import POLYGON, Table
from ..outputs.readers.by_tag import BY_TAG, TagTable, read_by_tag
from .common.base import OpenQuakeAlgorithm, tr
from .common.choice_parameters import choice_parameters, read_choices
from .common.parameters import (
    CALCULATION_ID,
    InvalidParameter,
    id_parameter,
    read_id,
    read_text,
    server_parameters,
    text_parameter,
    with_help,
)
from .common.reporter import Reporter
from .common.style_parameters import read_style, style_parameters
from .common.zones import (
    POLYGONS_WANTED,
    ZONES,
    Zone,
    ZoneLayer,
    own_columns,
    read_layer,
    read_zones,
    write_zones,
)

OUTPUT_TYPE = "OUTPUT_TYPE"
ZONE_FIELD = "ZONE_FIELD"
TAG = "TAG"
OUTPUT = "OUTPUT"
COUNT = "COUNT"
STYLED_FIELD = "STYLED_FIELD"

USUAL = "aggrisk-stats"
CHOICES = ("KIND", "LOSS_TYPE", "RETURN_PERIOD", "EP_TYPE", "TAG_FILTER")
NAMES_SHOWN = 200  # names listed in one line of the log; the layer knows all

_EMPTY = "(empty)"


@dataclass(frozen=True)
class JoinRequest:
    """What is joined with what, and how it is drawn."""

    calculation_id: int
    output_type: str
    tag: str
    zone_field: str
    choices: Choices
    style: style.StyleChoices


@dataclass(frozen=True)
class Matched:
    """Which value of the tag each zone has (None for none), and what was found on the way."""

    tags: list[str | None]
    without_value: list[str]
    without_zone: list[str]
    ambiguous: list[str]
    repeated: list[str]


class JoinByTag(OpenQuakeAlgorithm):
    """Join totals by tag to polygons."""

    ID = "joinbytag"
    NAME = "Join by Tag"
    GROUP = "outputs"
    TAGS = ("losses", "damage", "aggregate", "region", "admin", "choropleth", "polygon", "map")
    HELP = (
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

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            id_parameter(CALCULATION_ID, tr("Calculation"), tr("Id of a finished calculation."))
        )
        self.addParameter(
            text_parameter(
                OUTPUT_TYPE,
                tr("Output"),
                tr("Type of an output that is divided by tags: {}.").format(", ".join(BY_TAG)),
                default=USUAL,
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSource(
                    ZONES, tr("Zones"), [QgsProcessing.SourceType.TypeVectorPolygon]
                ),
                tr("Polygons of the regions, in any coordinate system."),
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterField(ZONE_FIELD, tr("Field with the tag"), None, ZONES),
                tr("The field of the zones that holds the values of the tag."),
            )
        )
        self.addParameter(
            text_parameter(
                TAG,
                tr("Tag"),
                tr("The tag of the exposure, for example NAME_1. Empty: the only one there is."),
            )
        )
        for parameter in choice_parameters(tr, CHOICES):
            self.addParameter(parameter)
        for parameter in (*style_parameters(tr), *server_parameters(tr)):
            self.addParameter(parameter)
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSink(
                    OUTPUT, tr("Values by zone"), QgsProcessing.SourceType.TypeVectorPolygon
                ),
                tr("The polygons with the values of their tag."),
            )
        )
        self.addOutput(QgsProcessingOutputNumber(COUNT, tr("Zones with a value")))
        self.addOutput(QgsProcessingOutputString(STYLED_FIELD, tr("Styled field")))

    def validate(self, parameters, context) -> JoinRequest:
        chosen = read_style(self, parameters, context)
        zones = read_layer(self, parameters, ZONES, context, POLYGONS_WANTED)
        names = [field.name() for field in zones.fields()]
        wanted = read_text(self, parameters, ZONE_FIELD, context)
        field = next((n for n in names if n == wanted), None)
        field = field or next((n for n in names if n.lower() == wanted.lower()), None)
        if field is None:
            problem = f"{ZONES} has no field “{wanted}”" if wanted else "Choose a field"
            raise InvalidParameter(f"{problem}; {ZONE_FIELD} may be: {', '.join(names)}.")
        return JoinRequest(
            calculation_id=read_id(self, parameters, CALCULATION_ID, context),
            output_type=read_text(self, parameters, OUTPUT_TYPE, context) or USUAL,
            tag=read_text(self, parameters, TAG, context),
            zone_field=field,
            choices=read_choices(self, parameters, context, style_field=chosen.field),
            style=chosen,
        )

    def execute(
        self, request: JoinRequest, client: EngineClient, report: Reporter, parameters, context
    ) -> dict:
        calculation = client.calculation(request.calculation_id)
        outputs = client.outputs(calculation.id)
        wanted, types = request.output_type, [output.type for output in outputs]
        single = wanted.removesuffix("-stats")
        if wanted not in types and single in types:
            report.info(
                f"There is no {wanted}: one realization has no statistics. {single} is joined."
            )
            wanted = single
        output = catalogue.find_output(outputs, wanted, calculation.id)
        report.info(f"{output.name} of calculation {calculation.id}: {calculation.description}")
        report.phase(f"Fetching {output.name}")
        with tempfile.TemporaryDirectory(prefix="openquake-") as folder:
            source = Source(client, calculation, output, Path(folder), report.span(2, 50))
            values = read_by_tag(source, request.choices, request.tag)
        # opened here and not before: models of newer QGIS work on another thread
        layer = read_layer(self, parameters, ZONES, context, POLYGONS_WANTED)
        zones = read_zones(layer)
        report.phase(f"Joining {len(values.values)} values of {values.tag} to {len(zones)} zones")
        position = layer.fields().indexOf(request.zone_field)
        matched = match([zone.attributes[position] for zone in zones], list(values.values))
        if zones and values.values and not any(tag is not None for tag in matched.tags):
            raise InvalidChoice(
                f"No zone has a value of {values.tag}: {request.zone_field} is "
                f"{_some(matched.without_value)}, {values.tag} is {_some(matched.without_zone)}. "
                "Choose another field (ZONE_FIELD) or tag (TAG)."
            )
        _tell(report, values, matched, len(zones))
        _tell_geometries(report, [zone.geometry for zone in zones])
        table = _table(values, matched, zones, layer, request.zone_field)
        if changed := settings.overrides_of(client.url, calculation.id):
            table.provenance["overridden_parameters"] = changed
        drawn = style.merged(table, request.style)
        written = ZoneLayer(table, drawn, request.style, layer)
        return {
            OUTPUT: write_zones(self, parameters, OUTPUT, context, report, written),
            COUNT: sum(tag is not None for tag in matched.tags),
            STYLED_FIELD: drawn.field,
        }


def match(cells: Sequence, tags: Sequence[str]) -> Matched:
    """Find the tag of each zone by the value of its field.

    Equal but for spaces around them comes first; then case does not count either, unless several
    tags are then alike: a zone that could be any of them has none.
    """
    exact = {_text(tag): tag for tag in tags}
    folded = defaultdict(list)
    for tag in tags:
        folded[_text(tag).casefold()].append(tag)
    found: list[str | None] = []
    without, ambiguous = [], []
    for cell in cells:
        text = _text(cell)
        alike = folded.get(text.casefold(), [])
        tag = exact.get(text) or (alike[0] if len(alike) == 1 else None)
        found.append(tag)
        if tag is None:
            without.append(text or _EMPTY)
            if len(alike) > 1:
                ambiguous.append(text)
    zones = Counter(found)
    without_zone = [tag for tag in tags if tag not in zones]
    repeated = [tag for tag in tags if zones[tag] > 1]
    return Matched(found, without, without_zone, ambiguous, repeated)


def _text(value) -> str:
    """Return a value as text to compare: 3 and 3.0 are “3”."""
    if is_null(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value)).strip()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:3])
    return shown + (", …" if len(names) > 3 else "")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown + (f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else "")


def _tell(report: Reporter, values: TagTable, matched: Matched, zones: int) -> None:
    for note in values.notes:
        report.warn(note)
    joined = zones - len(matched.without_value)
    report.info(f"{joined} of {zones} zones have a value of {values.tag}.")
    if matched.ambiguous:
        names = _listed(matched.ambiguous)
        report.warn(f"Several values of {values.tag} differ by case only; left empty: {names}.")
    if matched.without_value:
        names = _listed(matched.without_value)
        report.warn(f"{len(matched.without_value)} of {zones} zones have no value: {names}.")
    if matched.without_zone:
        count, names = len(matched.without_zone), _listed(matched.without_zone)
        report.warn(
            f"{count} of {len(values.values)} values of {values.tag} have no zone: {names}."
        )
    if matched.repeated:
        report.warn(
            f"Several zones have the same {values.tag}; each has its whole value, which must not "
            f"be added up: {_listed(matched.repeated)}."
        )


def _tell_geometries(report: Reporter, geometries: list[QgsGeometry]) -> None:
    empty = sum(geometry.isEmpty() for geometry in geometries)
    invalid = sum(not geometry.isEmpty() and not geometry.isGeosValid() for geometry in geometries)
    if invalid:
        report.warn(
            f"{invalid} of {len(geometries)} zones have an invalid geometry, kept unchanged."
        )
    if empty:
        report.warn(f"{empty} of {len(geometries)} zones have no geometry and are not drawn.")


def _table(values: TagTable, matched: Matched, zones: list[Zone], layer, zone_field: str) -> Table:
    """Return the zones with their attributes and the values of their tags."""
    import numpy as np

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
