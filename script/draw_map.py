"""Draw a layer of the plugin as a map for print: draw_map.py LAYER.gpkg PICTURE.png.

Style, title and provenance are those stored with the layer; nothing is decided here but the page.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsFillSymbol,
    QgsLayoutExporter,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemMapGrid,
    QgsLayoutItemScaleBar,
    QgsLayoutMeasurement,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendStyle,
    QgsLineSymbol,
    QgsPrintLayout,
    QgsProject,
    QgsRectangle,
    QgsSingleSymbolRenderer,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor, QFont

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from oq_processing.layers import metadata  # noqa: E402 - from this checkout
from oq_processing.layers.style import styled_field  # noqa: E402

WIDTH, HEIGHT, MARGIN = 230.0, 180.0, 8.0  # millimetres
MAP_BOX = (16.0, 20.0, 138.0, 142.0)  # x, y, width, height of the map's frame
SIDE = 168.0  # left edge of the column beside the map
LOCATOR = WIDTH - SIDE - MARGIN  # its width and height
DPI = 150
SEA, LAND, COAST = "#eaf2f6", "#f7f5ef", "#7d8a90"
INK, GREY = QColor("#222222"), QColor("#666666")


def draw(source: str, picture: str) -> None:
    """Draw the only layer in ``source`` to the file ``picture``."""
    project = QgsProject.instance()
    crs = QgsCoordinateReferenceSystem("EPSG:4326")
    project.setCrs(crs)
    project.setEllipsoid("EPSG:7030")  # for the scale bar
    layer = QgsVectorLayer(source, Path(source).stem, "ogr")
    if not layer.isValid():
        raise SystemExit(f"{source} is no layer.")
    layer.loadDefaultStyle()
    project.addMapLayer(layer)
    coast = world()
    if coast is not None:
        project.addMapLayer(coast)
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(WIDTH, HEIGHT))
    title(layout, layer.metadata().title() or layer.name())
    page = main_map(layout, layer, coast)
    legend(layout, layer, page)
    if coast is not None:
        locator(layout, coast, page)
    scale_bar(layout, page)
    provenance(layout, layer)
    if not QgsLayoutExporter(layout).renderPageToImage(0, dpi=DPI).save(picture):
        raise SystemExit(f"{picture} could not be written.")


def world() -> QgsVectorLayer | None:
    """Return the countries of the world map that QGIS ships, None if this one does not."""
    path = Path(QgsApplication.pkgDataPath()) / "resources" / "data" / "world_map.gpkg"
    # GDAL remarks on a date in this file
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    layer = QgsVectorLayer(f"{path}|layername=countries", "Coast", "ogr")
    gdal.PopErrorHandler()
    if not layer.isValid():
        return None
    fill = {"color": LAND, "outline_color": COAST, "outline_width": "0.2"}
    layer.setRenderer(QgsSingleSymbolRenderer(QgsFillSymbol.createSimple(fill)))
    return layer


def place(item, x: float, y: float, width: float, height: float) -> None:
    """Put an item on its page, in millimetres."""
    item.attemptMove(QgsLayoutPoint(x, y))
    item.attemptResize(QgsLayoutSize(width, height))


def show(item: QgsLayoutItemMap, extent: QgsRectangle, *box: float) -> None:
    """Put a map on its page and make it show an extent, whatever the shapes of the two."""
    place(item, *box)
    item.setExtent(extent)  # a new map has no extent to zoom from; this changes its shape
    place(item, *box)
    item.zoomToExtent(extent)


def text_format(size: float, color: QColor = INK, bold: bool = False) -> QgsTextFormat:
    """Return how a text looks; the family is whatever sans-serif this computer has."""
    font = QFont("DejaVu Sans")
    font.setStyleHint(QFont.StyleHint.SansSerif)
    font.setBold(bold)
    result = QgsTextFormat()
    result.setFont(font)
    result.setSize(size)
    result.setColor(color)
    return result


def set_text(item, looks: QgsTextFormat) -> None:
    """Give a label, or a level of a legend, its looks."""
    if hasattr(item, "setTextFormat"):
        item.setTextFormat(looks)
        return
    # QGIS 3.22
    font = looks.font()
    font.setPointSizeF(looks.size())
    item.setFont(font)
    if hasattr(item, "setFontColor"):
        item.setFontColor(looks.color())


def label(layout: QgsPrintLayout, text: str, looks: QgsTextFormat, *box: float) -> None:
    """Write a text into a box."""
    item = QgsLayoutItemLabel(layout)
    item.setText(text)
    set_text(item, looks)
    item.setHAlign(Qt.AlignmentFlag.AlignLeft)
    item.setVAlign(Qt.AlignmentFlag.AlignTop)
    layout.addLayoutItem(item)
    place(item, *box)


def title(layout: QgsPrintLayout, text: str) -> None:
    """Write the layer's title over the map."""
    size = 15 if len(text) < 65 else 10
    label(layout, text, text_format(size, bold=True), MAP_BOX[0], 7, WIDTH - MAP_BOX[0], 10)


def main_map(layout: QgsPrintLayout, layer: QgsVectorLayer, coast) -> QgsLayoutItemMap:
    """Draw the layer with a graticule."""
    item = QgsLayoutItemMap(layout)
    layout.addLayoutItem(item)
    item.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    item.setLayers([layer] if coast is None else [layer, coast])
    item.setKeepLayerSet(True)
    extent = layer.extent()
    extent.scale(1.08)
    show(item, extent, *MAP_BOX)
    item.setBackgroundColor(QColor(SEA))
    graticule(item)
    item.setFrameEnabled(True)
    item.setFrameStrokeColor(INK)
    item.setFrameStrokeWidth(QgsLayoutMeasurement(0.3))
    return item


def graticule(item: QgsLayoutItemMap) -> None:
    """Lines of longitude and latitude at round degrees, four to eight across the map."""
    span = max(item.extent().width(), item.extent().height())
    steps = (30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
    step = next((s for s in steps if span / s >= 4), 0.005)
    grid = item.grid()
    grid.setEnabled(True)
    grid.setIntervalX(step)
    grid.setIntervalY(step)
    grid.setLineSymbol(
        QgsLineSymbol.createSimple({"color": "40,40,40,90", "width": "0.12", "line_style": "dash"})
    )
    grid.setAnnotationEnabled(True)
    grid.setAnnotationFormat(QgsLayoutItemMapGrid.AnnotationFormat.DecimalWithSuffix)
    grid.setAnnotationPrecision(0 if step >= 1 else 1 if step >= 0.1 else 2)
    grid.setAnnotationTextFormat(text_format(8))
    side = QgsLayoutItemMapGrid.BorderSide
    hidden = QgsLayoutItemMapGrid.DisplayMode.HideAll
    grid.setAnnotationDisplay(hidden, side.Right)
    grid.setAnnotationDisplay(hidden, side.Top)
    grid.setAnnotationDirection(QgsLayoutItemMapGrid.AnnotationDirection.Vertical, side.Left)


def legend(layout: QgsPrintLayout, layer: QgsVectorLayer, page: QgsLayoutItemMap) -> None:
    """List the classes of the layer under the title of the field they are of."""
    item = QgsLayoutItemLegend(layout)
    layout.addLayoutItem(item)
    item.setLinkedMap(page)
    item.setAutoUpdateModel(False)
    tree = item.model().rootGroup()
    tree.removeAllChildren()
    node = tree.addLayer(layer)
    index = layer.fields().indexOf(styled_field(layer))
    if index >= 0:
        lines = textwrap.wrap(layer.attributeDisplayName(index), 30)
        node.setCustomProperty("legend/title-label", "|".join(lines))
        item.setWrapString("|")
    item.model().refreshLayerLegend(node)
    for level, looks in (
        (QgsLegendStyle.Style.Subgroup, text_format(8.5, bold=True)),
        (QgsLegendStyle.Style.SymbolLabel, text_format(8.5)),
    ):
        style = item.style(level)
        set_text(style, looks)
        style.setMargin(QgsLegendStyle.Side.Bottom, 1.0)
        item.setStyle(level, style)
    style = item.style(QgsLegendStyle.Style.Symbol)
    style.setMargin(QgsLegendStyle.Side.Top, 1.0)
    item.setStyle(QgsLegendStyle.Style.Symbol, style)
    item.setSymbolWidth(8)
    item.setSymbolHeight(4)
    item.setBoxSpace(0)
    place(item, SIDE, MAP_BOX[1] - 4, WIDTH - SIDE - MARGIN, 80)
    item.adjustBoxSize()


def locator(layout: QgsPrintLayout, coast: QgsVectorLayer, page: QgsLayoutItemMap) -> None:
    """Draw where on Earth the map is."""
    item = QgsLayoutItemMap(layout)
    layout.addLayoutItem(item)
    item.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    item.setLayers([coast])
    item.setKeepLayerSet(True)
    shown = page.extent()
    around = max(40.0, 4 * shown.width())
    center = shown.center()
    extent = QgsRectangle.fromCenterAndSize(center, around, around)
    show(item, extent, SIDE, MAP_BOX[1] + MAP_BOX[3] - LOCATOR, LOCATOR, LOCATOR)
    item.setBackgroundColor(QColor(SEA))
    item.setFrameEnabled(True)
    item.setFrameStrokeColor(GREY)
    item.setFrameStrokeWidth(QgsLayoutMeasurement(0.2))
    item.overview().setLinkedMap(page)
    item.overview().setFrameSymbol(
        QgsFillSymbol.createSimple(
            {"color": "200,50,30,60", "outline_color": "#c8321e", "outline_width": "0.5"}
        )
    )


def scale_bar(layout: QgsPrintLayout, page: QgsLayoutItemMap) -> None:
    """Draw a scale in kilometres between legend and locator."""
    item = QgsLayoutItemScaleBar(layout)
    layout.addLayoutItem(item)
    item.setStyle("Line Ticks Up")
    item.setLinkedMap(page)
    item.applyDefaultSize(QgsUnitTypes.DistanceUnit.DistanceKilometers)
    item.setTextFormat(text_format(8))
    item.setNumberOfSegmentsLeft(0)
    item.setBoxContentSpace(0)
    item.attemptMove(QgsLayoutPoint(SIDE, MAP_BOX[1] + MAP_BOX[3] - LOCATOR - 13))


def provenance(layout: QgsPrintLayout, layer: QgsVectorLayer) -> None:
    """Say in small print which calculation the map comes from."""
    about = metadata.read(layer).get("provenance", {})
    parts = (
        str(about.get("description", "")),
        f"calculation {about.get('calculation_id', '?')} ({about.get('calculation_mode', '')})",
        f"OpenQuake Engine {about.get('engine_version', '')}",
        f"QGIS {Qgis.QGIS_VERSION.partition('-')[0]}",
        str(about.get("site_condition", "")),
        f"checksum {about['checksum']}" if "checksum" in about else "",
    )
    text = " · ".join(part for part in parts if part)
    label(layout, text, text_format(7.5, GREY), MAP_BOX[0], HEIGHT - 9, WIDTH - MAP_BOX[0], 6)


def main() -> None:
    """Draw without a window and leave nothing behind."""
    application = QgsApplication([], True)
    application.initQgis()
    try:
        draw(*sys.argv[1:3])
    finally:
        QgsProject.instance().clear()
    application.exitQgis()


if __name__ == "__main__":
    main()
