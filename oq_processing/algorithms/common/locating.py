"""In which zone each point of a layer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsGeometryEngine,
    QgsPointXY,
    QgsProcessingFeatureSource,
    QgsRectangle,
    QgsSpatialIndex,
)

from ...compat import is_null
from ...engine.errors import EngineError, InvalidChoice
from ...outputs.core.lazy import Array, np
from .reporter import Reporter
from .zones import Zone

_STEP = 1000  # points between two looks at whether to go on


@dataclass(frozen=True)
class Located:
    """The zone of each point, -1 for none; its values, one array for each field.

    ``several``: how many points are in several zones; each counts in the first of them.
    """

    owners: Array
    values: Array
    several: int


def locate(
    points: QgsProcessingFeatureSource,
    fields: Sequence[str],
    zones: Sequence[Zone],
    transform: QgsCoordinateTransform,
    report: Reporter,
) -> Located:
    """Find the zone of each point; progress goes from 0 to 80 %.

    ``transform`` is from the points to the zones. Raises :class:`EngineError`.
    """
    shapes = _Shapes(transform)
    shapes.add(zones, report)
    positions = [points.fields().indexOf(name) for name in fields]
    owners: list[int] = []
    several = 0
    rows: list[list[float]] = []
    total = max(points.featureCount(), 1)
    wanted = QgsFeatureRequest().setSubsetOfAttributes(positions)
    for i, feature in enumerate(points.getFeatures(wanted)):
        if i % _STEP == 0:
            report.check()
            report.progress(80 * min(i / total, 1))
        attributes = feature.attributes()
        rows.append([_number(attributes[p]) for p in positions])
        owner, shared = shapes.owner(feature)
        owners.append(owner)
        several += shared
    values = np.array(rows, dtype=float).reshape(len(rows), len(positions)).T
    return Located(np.array(owners, dtype=np.int64), values, several)


@dataclass
class _Shapes:
    """The polygons, prepared to look points up in them."""

    transform: QgsCoordinateTransform
    index: QgsSpatialIndex = field(default_factory=QgsSpatialIndex)
    engines: dict[int, tuple[QgsGeometryEngine, QgsGeometry]] = field(default_factory=dict)
    found: dict[tuple[float, float], tuple[int, bool]] = field(default_factory=dict)

    def add(self, zones: Sequence[Zone], report: Reporter) -> None:
        """Add the zones by their number; what is invalid is repaired."""
        invalid = empty = 0
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
            self.engines[i] = (engine, geometry)
            self.index.addFeature(i, geometry.boundingBox())
        if invalid:
            report.warn(
                f"{invalid} of {len(zones)} zones have an invalid geometry; repaired to sum."
            )
        if empty:
            report.warn(f"{empty} of {len(zones)} zones have no geometry; no point can be in them.")

    def owner(self, feature: QgsFeature) -> tuple[int, bool]:
        """Return the zone of a point, -1 for none, and whether there are several."""
        geometry = feature.geometry()
        if geometry.isEmpty():
            return -1, False
        if geometry.isMultipart() and geometry.constGet().partCount() > 1:
            raise InvalidChoice(f"Point {feature.id()} is several points; make them single ones.")
        vertex = geometry.vertexAt(0)
        place = (vertex.x(), vertex.y())
        if place not in self.found:  # many assets share a point
            self.found[place] = self._look_up(*place)
        return self.found[place]

    def _look_up(self, x: float, y: float) -> tuple[int, bool]:
        try:
            point = self.transform.transform(QgsPointXY(x, y))
        except QgsCsException as error:
            raise EngineError(f"The points cannot be transformed: {error}.") from error
        shape = QgsGeometry.fromPointXY(point)
        inside = [
            i
            for i in sorted(self.index.intersects(QgsRectangle(point, point)))
            if self.engines[i][0].intersects(shape.constGet())
        ]
        return (inside[0] if inside else -1), len(inside) > 1


def _number(value: Any) -> float:
    return float("nan") if is_null(value) else float(value)
