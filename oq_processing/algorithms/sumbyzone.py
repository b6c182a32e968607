"""Sum by Zone: what may be added up of a point layer, summed on the user's polygons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeatureRequest,
    QgsFeatureSource,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingUtils,
    QgsRectangle,
    QgsSpatialIndex,
    QgsVectorLayer,
)

from ..compat import is_null
from ..engine.errors import EngineError, InvalidChoice
from ..layers import metadata, style
from ..outputs.core.choices import split_list
from ..outputs.core.kinds import kind_label
from ..outputs.core.palettes import LOSS_RAMP
from ..outputs.core.table import INTEGER, POLYGON, REAL, Column, Style, Table
from .common.base import BaseAlgorithm, tr
from .common.parameters import with_help
from .common.reporter import Reporter
from .common.style_parameters import read_style, style_parameters
from .common.zones import (
    POINTS_WANTED,
    POLYGONS_WANTED,
    ZONES,
    Zone,
    ZoneLayer,
    own_columns,
    read_layer,
    read_zones,
    write_zones,
)

INPUT = "INPUT"
FIELDS = "FIELDS"
OUTPUT = "OUTPUT"
POINTS = "points"
IN_NO_ZONE = "IN_NO_ZONE"
IN_SEVERAL = "IN_SEVERAL"
STYLED_FIELD = "STYLED_FIELD"

_STEP = 1000  # points between two looks at whether to go on


@dataclass(frozen=True)
class SumRequest:
    """What is summed, where, and how it is drawn."""

    points: QgsFeatureSource
    zones: QgsFeatureSource
    about: dict
    fields: list[str]
    style: style.StyleChoices


class SumByZone(BaseAlgorithm):
    """Sum the additive fields of a point layer on polygons."""

    ID = "sumbyzone"
    NAME = "Sum by Zone"
    GROUP = "outputs"
    TAGS = ("losses", "damage", "aggregate", "region", "admin", "join", "polygon")
    HELP = (
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

    def initAlgorithm(self, configuration=None) -> None:
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSource(
                    INPUT, tr("Points"), [QgsProcessing.SourceType.TypeVectorPoint]
                ),
                tr("Points whose values are added up, for example average losses of assets."),
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSource(
                    ZONES, tr("Zones"), [QgsProcessing.SourceType.TypeVectorPolygon]
                ),
                tr("Polygons to sum on, in any coordinate system."),
            )
        )
        self.addParameter(
            with_help(
                QgsProcessingParameterField(
                    FIELDS,
                    tr("Fields to sum"),
                    None,
                    INPUT,
                    QgsProcessingParameterField.DataType.Numeric,
                    allowMultiple=True,
                    optional=True,
                ),
                tr(
                    "Empty: all fields that may be added up, where the layer knows them. "
                    "Several are separated by semicolons."
                ),
            )
        )
        for parameter in style_parameters(tr):
            self.addParameter(parameter)
        self.addParameter(
            with_help(
                QgsProcessingParameterFeatureSink(
                    OUTPUT, tr("Sums by zone"), QgsProcessing.SourceType.TypeVectorPolygon
                ),
                tr("The polygons with the sums and the number of points in each."),
            )
        )
        self.addOutput(QgsProcessingOutputNumber(IN_NO_ZONE, tr("Points in no zone")))
        self.addOutput(QgsProcessingOutputNumber(IN_SEVERAL, tr("Points in several zones")))
        self.addOutput(QgsProcessingOutputString(STYLED_FIELD, tr("Styled field")))

    def validate(self, parameters, context) -> SumRequest:
        points = read_layer(self, parameters, INPUT, context, POINTS_WANTED)
        zones = read_layer(self, parameters, ZONES, context, POLYGONS_WANTED)
        about = _about(parameters.get(INPUT), context)
        return SumRequest(
            points,
            zones,
            about,
            _chosen(_names(parameters.get(FIELDS)), points, about),
            read_style(self, parameters, context),
        )

    def prepareAlgorithm(self, parameters, context, feedback) -> bool:
        # the layers are opened where they are used: models of newer QGIS work on another thread
        return True

    def processAlgorithm(self, parameters, context, feedback) -> dict:
        request = self.validate(parameters, context)
        try:
            return self._sum(request, Reporter(feedback), parameters, context)
        except QgsCsException as error:
            raise EngineError(f"The points cannot be transformed: {error}.") from error

    def _sum(self, request: SumRequest, report: Reporter, parameters, context) -> dict:
        import numpy as np

        zones = read_zones(request.zones)
        report.phase(f"Summing on {len(zones)} zones")
        owners, values, several = _locate(request, zones, report, context)
        outside = int(np.count_nonzero(owners < 0))
        bins = np.where(owners < 0, len(zones), owners)
        counts = np.bincount(bins, minlength=len(zones) + 1)
        sums = [
            # what is infinite stays so
            np.bincount(bins, weights=np.where(np.isnan(v), 0.0, v), minlength=len(zones) + 1)
            for v in values
        ]
        _tell(report, request, values, sums, outside, several)
        table = _table(request, zones, sums, counts)
        wanted = style.merged(table, request.style)
        layer = ZoneLayer(table, wanted, request.style, request.zones)
        written = write_zones(self, parameters, OUTPUT, context, report, layer)
        return {
            OUTPUT: written,
            IN_NO_ZONE: outside,
            IN_SEVERAL: several,
            STYLED_FIELD: wanted.field,
        }


def _about(value, context) -> dict:
    """Return what the point layer knows of itself, by field name; {} for a layer of others."""
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source.staticValue()
    layer = value
    if not isinstance(value, QgsVectorLayer):
        layer = QgsProcessingUtils.mapLayerFromString(str(value), context)
    if not isinstance(layer, QgsVectorLayer):
        return {}
    block = metadata.read(layer)
    if not block:
        layer = layer.clone()
        layer.loadDefaultMetadata()  # QGIS itself finds those of databases only
        block = metadata.read(layer)
    if not block:
        return {}
    names = [field.name() for field in layer.fields()]
    columns = block.get("columns", [])
    first = len(names) - len(columns)
    if first in (0, 1):
        # by position: formats shorten names
        by_name = dict(zip(names[first:], columns))
    else:
        by_name = {column["name"]: column for column in columns}
    renderer = layer.renderer()
    drawn = renderer.legendClassificationAttribute().strip('"') if renderer else ""
    return {"provenance": block.get("provenance", {}), "columns": by_name, "drawn": drawn}


def _names(value) -> list[str]:
    """Return the names given: a list, or text with ; or , between them."""
    if is_null(value):
        return []
    if isinstance(value, (list, tuple)):
        return [str(name) for name in value if str(name).strip()]
    text = str(value)
    return [n.strip() for n in text.split(";") if n.strip()] if ";" in text else split_list(text)


def _chosen(wanted: list[str], points: QgsFeatureSource, about: dict) -> list[str]:
    """Return the fields to sum. Raises :class:`InvalidChoice` for those that must not be."""
    numeric = [field.name() for field in points.fields() if field.isNumeric()]
    known = about.get("columns", {})
    additive = [name for name in numeric if known.get(name, {}).get("additive")]
    if not wanted:
        if additive:
            return additive
        if known:
            raise InvalidChoice(_no_additive(points, known))
        raise InvalidChoice(
            f"{points.sourceName()} does not say which of its fields may be added up: choose them "
            f"(FIELDS): {', '.join(numeric) or 'it has no numbers'}."
        )
    by_case = {name.lower(): name for name in numeric}
    found = []
    for text in wanted:
        name = by_case.get(text.strip().lower())
        if name is None:
            shown = ", ".join(additive or numeric)
            raise InvalidChoice(f"There is no number “{text}” to sum; FIELDS may be: {shown}.")
        if name in known and not known[name].get("additive"):
            raise InvalidChoice(_why_not(name, known[name]))
        found.append(name)
    return list(dict.fromkeys(found))


def _no_additive(points: QgsFeatureSource, known: dict) -> str:
    for name, column in known.items():
        if column.get("quantity"):
            return f"{points.sourceName()} has nothing that may be added up. " + _why_not(
                name, column
            )
    return f"{points.sourceName()} has nothing that may be added up."


def _why_not(name: str, column: dict) -> str:
    """Return why a column must not be summed, and what to use instead."""
    kind = column.get("kind", "")
    if column.get("quantity") == "average loss" and kind:
        return (
            f"“{name}” must not be added up: it is a statistic ({kind_label(kind).lower()}) of "
            "each asset, and that of the total is not the sum of them. Load the mean (KIND=mean), "
            "or the output aggrisk-stats or aggcurves-stats, which hold it for the total."
        )
    if column.get("imt"):
        return f"“{name}” must not be added up: it is ground motion at each site."
    what = column.get("label") or name
    return (
        f"“{name}” ({what}) must not be added up; only mean or single-realization losses, numbers "
        "of buildings and consequences may. Totals of losses are in aggrisk-stats and "
        "aggcurves-stats."
    )


def _locate(request: SumRequest, zones: list[Zone], report: Reporter, context):
    """Return the zone of each point (-1 for none), the values, how many are in several zones."""
    import numpy as np

    index, engines = _index(zones, report)
    transform = QgsCoordinateTransform(
        request.points.sourceCrs(), request.zones.sourceCrs(), context.transformContext()
    )
    positions = [request.points.fields().indexOf(name) for name in request.fields]
    found: dict[tuple[float, float], tuple[int, bool]] = {}
    owners: list[int] = []
    several = 0
    rows: list[list] = []
    total = max(request.points.featureCount(), 1)
    wanted = QgsFeatureRequest().setSubsetOfAttributes(positions)
    for i, feature in enumerate(request.points.getFeatures(wanted)):
        if i % _STEP == 0:
            report.wait.check()
            report.progress(80 * min(i / total, 1))
        geometry = feature.geometry()
        attributes = feature.attributes()
        rows.append([_number(attributes[p]) for p in positions])
        if geometry.isEmpty():
            owners.append(-1)
            continue
        if geometry.isMultipart() and geometry.constGet().partCount() > 1:
            raise InvalidChoice(f"Point {feature.id()} is several points; make them single ones.")
        vertex = geometry.vertexAt(0)
        place = (vertex.x(), vertex.y())
        if place not in found:  # many assets share a point
            found[place] = _zone_of(place, transform, index, engines)
        owner, shared = found[place]
        owners.append(owner)
        several += shared
    values = np.array(rows, dtype=float).reshape(len(rows), len(positions)).T
    return np.array(owners, dtype=np.int64), values, several


def _index(zones: list[Zone], report: Reporter):
    index, engines, invalid, empty = QgsSpatialIndex(), {}, 0, 0
    for i, zone in enumerate(zones):
        geometry = zone.geometry
        if not geometry.isEmpty() and not geometry.isGeosValid():
            geometry, invalid = geometry.makeValid(), invalid + 1
        if geometry.isEmpty():
            empty += 1
            continue
        engine = QgsGeometry.createGeometryEngine(geometry.constGet())
        engine.prepareGeometry()
        # the engine does not own its geometry
        engines[i] = (engine, geometry)
        index.addFeature(i, geometry.boundingBox())
    if invalid:
        report.warn(f"{invalid} of {len(zones)} zones have an invalid geometry; repaired to sum.")
    if empty:
        report.warn(f"{empty} of {len(zones)} zones have no geometry; no point can be in them.")
    return index, engines


def _zone_of(place, transform, index, engines) -> tuple[int, bool]:
    point = transform.transform(*place)
    shape = QgsGeometry.fromPointXY(point)
    inside = [
        i
        for i in sorted(index.intersects(QgsRectangle(point, point)))
        if engines[i][0].intersects(shape.constGet())
    ]
    return (inside[0] if inside else -1), len(inside) > 1


def _number(value) -> float:
    return float("nan") if is_null(value) else float(value)


def _tell(report: Reporter, request: SumRequest, values, sums, outside: int, several: int) -> None:
    import numpy as np

    for name, column, summed in zip(request.fields, values, sums):
        unit = request.about.get("columns", {}).get(name, {}).get("unit", "")
        inside, rest = summed[:-1].sum(), summed[-1]
        report.info(
            f"{name}: {inside:,.6g}{' ' + unit if unit else ''} in zones, {rest:,.6g} outside, "
            f"{inside + rest:,.6g} in all"
        )
        if missing := int(np.isnan(column).sum()):
            report.warn(f"{name}: {missing} points have no value and count as 0.")
    if outside:
        report.warn(f"{outside} of {len(values.T)} points are in no zone.")
    if several:
        report.warn(f"{several} points are in several zones; each counts in the first of them.")


def _table(request: SumRequest, zones: list[Zone], sums, counts) -> Table:
    """Return the zones with their attributes, the sums and the number of points."""
    known = request.about.get("columns", {})
    own, columns = own_columns(request.zones), []
    for name in request.fields:
        about = {k: v for k, v in known.get(name, {}).items() if k not in ("name", "type")}
        label = f"{about.pop('label', name)}, sum"
        about["additive"] = True
        columns.append(Column(name, REAL, label, **about))
    columns.append(Column(POINTS, INTEGER, "Number of points", additive=True))
    columns = own.beside(columns)
    drawn = request.about.get("drawn", "")
    styled = columns[request.fields.index(drawn) if drawn in request.fields else 0]
    unit = f" [{styled.unit}]" if styled.unit else ""
    title = f"{styled.label.rpartition(', sum')[0]} by zone{unit}"
    return Table(
        title=title,
        columns=(*own.columns, *columns),
        rows=len(zones),
        blocks=partial(own.blocks, zones, [*sums, counts]),
        geometry=POLYGON,
        style=Style(styled.name, "logarithmic", (), LOSS_RAMP),
        provenance={
            "output_name": request.points.sourceName(),
            **request.about.get("provenance", {}),
            "summed_by_zone": request.zones.sourceName(),
        },
    )
