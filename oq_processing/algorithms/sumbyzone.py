"""Sum by Zone: what may be added up of a point layer, summed on the user's polygons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeatureRequest,
    QgsFeatureSource,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingException,
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
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import NULL, QDate, QDateTime, Qt, QTime, QVariant

from ..engine.errors import EngineError, InvalidChoice
from ..layers import metadata, sink, style
from ..layers.collect import ColumnValues
from ..outputs.choices import split_list
from ..outputs.losses import LOSS_RAMP
from ..outputs.quantities import kind_label
from ..outputs.table import (
    BOOLEAN,
    INTEGER,
    POLYGON,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    rows_per_block,
)
from .base import BaseAlgorithm, tr
from .parameters import InvalidParameter, refuse_dead_layer, with_help
from .reporter import Reporter
from .styling import read_style, style_parameters

INPUT = "INPUT"
ZONES = "ZONES"
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


@dataclass(frozen=True)
class Zone:
    """A polygon of the user with its attributes."""

    geometry: QgsGeometry
    attributes: list


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
        refuse_dead_layer(parameters.get(OUTPUT), context)
        sources = []
        for name, what in ((INPUT, "point"), (ZONES, "polygon")):
            source = self.parameterAsSource(parameters, name, context)
            if source is None:
                raise InvalidParameter(f"{name} is no {what} layer: {parameters.get(name)}.")
            sources.append(source)
        points, zones = sources
        for source, name, kind, what in (
            (points, INPUT, QgsWkbTypes.GeometryType.PointGeometry, "points"),
            (zones, ZONES, QgsWkbTypes.GeometryType.PolygonGeometry, "polygons"),
        ):
            if QgsWkbTypes.geometryType(source.wkbType()) != kind:
                raise InvalidParameter(f"{name} must hold {what}; {source.sourceName()} does not.")
            if not source.sourceCrs().isValid():
                raise InvalidParameter(f"{name} has no coordinate system: {source.sourceName()}.")
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
        report = Reporter(feedback)
        try:
            request = self.validate(parameters, context)
            return self._sum(request, report, parameters, context)
        except QgsCsException as error:
            raise QgsProcessingException(f"The points cannot be transformed: {error}.") from error
        except EngineError as error:
            raise QgsProcessingException(str(error)) from error

    def _sum(self, request: SumRequest, report: Reporter, parameters, context) -> dict:
        import numpy as np

        zones = [
            Zone(QgsGeometry(f.geometry()), f.attributes()) for f in request.zones.getFeatures()
        ]
        report.phase(f"Summing on {len(zones)} zones")
        owners, values, several = _locate(request, zones, report, context)
        outside = int(np.count_nonzero(owners < 0))
        bins = np.where(owners < 0, len(zones), owners)
        counts = np.bincount(bins, minlength=len(zones) + 1)
        sums = [
            np.bincount(bins, weights=np.nan_to_num(v), minlength=len(zones) + 1) for v in values
        ]
        _tell(report, request, values, sums, outside, several)
        table = _table(request, zones, sums, counts)
        wanted = style.merged(table, request.style)
        collected = ColumnValues(table, wanted.field)

        def finish(layer, first: int) -> None:
            metadata.describe(layer, table, first)
            column = table.column(wanted.field)
            style.apply(layer, first, table, column, wanted, collected.array(), request.style)
            for problem in (style.store(layer), metadata.store(layer)):
                if problem:
                    report.warn(problem)

        def progress(share: float) -> None:
            report.wait.check()
            report.progress(80 + 20 * share)

        written = sink.write(
            self,
            parameters,
            OUTPUT,
            context,
            collected.table,
            finish,
            progress,
            QgsWkbTypes.multiType(QgsWkbTypes.flatType(request.zones.wkbType())),
            request.zones.sourceCrs(),
        )
        for sentence in written.renamed:
            report.warn(sentence)
        if context.willLoadLayerOnCompletion(written.destination):
            context.layerToLoadOnCompletionDetails(written.destination).name = table.title
        return {
            OUTPUT: written.destination,
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
    if value is None or value == NULL:
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
        if geometry.isMultipart() and geometry.constGet().numGeometries() > 1:
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
    index, engines, invalid = QgsSpatialIndex(), {}, 0
    for i, zone in enumerate(zones):
        geometry = zone.geometry
        if geometry.isEmpty():
            continue
        if not geometry.isGeosValid():
            geometry, invalid = geometry.makeValid(), invalid + 1
        engine = QgsGeometry.createGeometryEngine(geometry.constGet())
        engine.prepareGeometry()
        # the engine does not own its geometry
        engines[i] = (engine, geometry)
        index.addFeature(i, geometry.boundingBox())
    if invalid:
        report.warn(f"{invalid} of {len(zones)} zones have an invalid geometry; repaired to sum.")
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
    return float("nan") if value is None or value == NULL else float(value)


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
    columns, readers = [], []
    for i, field in enumerate(request.zones.fields()):
        if field.name().lower() == "fid":  # the row number of a GeoPackage: the output has its own
            continue
        kind, convert = _type_of(field)
        columns.append(Column(field.name(), kind, field.alias() or field.name()))
        readers.append((i, convert))
    own = len(columns)
    for name in request.fields:
        about = {k: v for k, v in known.get(name, {}).items() if k not in ("name", "type")}
        label = f"{about.pop('label', name)}, sum"
        about["additive"] = True
        columns.append(Column(name, REAL, label, **about))
    columns.append(Column(POINTS, INTEGER, "Number of points", additive=True))
    names = [c.name for c in columns[own:]]
    # a zone's own field of the same name stays; ours gets a number
    taken = {c.name for c in columns[:own]}
    for i, name in enumerate(names):
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        if unique != name:
            columns[own + i] = replace(columns[own + i], name=unique)
    drawn = request.about.get("drawn", "")
    styled = columns[own + (request.fields.index(drawn) if drawn in request.fields else 0)]
    values = [*sums, counts]
    unit = f" [{styled.unit}]" if styled.unit else ""
    title = f"{styled.label.rpartition(', sum')[0]} by zone{unit}"
    return Table(
        title=title,
        columns=tuple(columns),
        rows=len(zones),
        blocks=partial(_blocks, zones, readers, values, len(columns)),
        geometry=POLYGON,
        style=Style(styled.name, "logarithmic", (), LOSS_RAMP),
        provenance={
            "output_name": request.points.sourceName(),
            **request.about.get("provenance", {}),
            "summed_by_zone": request.zones.sourceName(),
        },
    )


def _blocks(zones: list[Zone], readers, values, width: int) -> Iterator[Block]:
    import numpy as np

    size = rows_per_block(width)
    for start in range(0, len(zones), size):
        part = zones[start : start + size]
        arrays = []
        for position, convert in readers:
            array = np.empty(len(part), dtype=object)
            array[:] = [_converted(zone.attributes[position], convert) for zone in part]
            arrays.append(array)
        arrays += [v[start : start + len(part)] for v in values]
        yield Block(tuple(arrays), wkb=[_multi(zone.geometry) for zone in part])


def _converted(value, convert):
    return None if value is None or value == NULL else convert(value)


def _multi(geometry: QgsGeometry) -> bytes:
    if geometry.isNull():
        return QgsGeometry.fromWkt("MultiPolygon EMPTY").asWkb().data()
    copy = QgsGeometry(geometry)
    copy.get().dropZValue()
    copy.get().dropMValue()
    copy.convertToMultiType()
    return copy.asWkb().data()


def _type_of(field):
    """Return the column type of a zone's field, and how its values become such."""
    if field.type() == QVariant.Bool:
        return BOOLEAN, bool
    if field.type() in (QVariant.Int, QVariant.UInt, QVariant.LongLong, QVariant.ULongLong):
        return INTEGER, int
    return (REAL, float) if field.isNumeric() else (TEXT, _text)


def _text(value) -> str:
    if isinstance(value, (QDate, QDateTime, QTime)):
        return value.toString(Qt.DateFormat.ISODate)
    return str(value)
