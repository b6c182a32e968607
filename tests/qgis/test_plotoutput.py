"""Plot Output: pictures that are really there, with the engine's numbers, and nothing half done."""

import json
import re
import sys
from html import unescape

import pytest
from helpers import plot_of
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsPointXY,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelParameter,
    QgsProcessingParameterPoint,
    QgsReferencedPointXY,
)
from qgis.PyQt.QtGui import QColor, QImage

from oq_processing.drawing import figure
from oq_processing.engine.errors import EngineError
from oq_processing.layers import metadata
from oq_processing.outputs.plots.plot import BARS, GRID, STACKS, Axis, Plot, Series

PLOT = "openquake:plotoutput"


@pytest.fixture
def plot(run, area_source, tmp_path):
    """A function that plots hazard curves of the grid to ``plot.svg`` unless told otherwise."""

    def plot(**parameters) -> dict:
        defaults = {
            "CALCULATION_ID": area_source,
            "OUTPUT_TYPE": "hcurves",
            "OUTPUT": str(tmp_path / "plot.svg"),
        }
        return run(PLOT, **{**defaults, **parameters})

    return plot


def texts(path) -> list[str]:
    """The texts of an SVG picture."""
    svg = path.read_text("utf-8")
    assert svg.rstrip().endswith("</svg>")
    found = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.S)
    return [unescape(re.sub(r"<[^>]*>", "", text)).replace("\u00a0", " ") for text in found]


def ink(image: QImage, left=0.0, top=0.0, right=1.0, bottom=1.0) -> int:
    """How many pixels of a part of the picture are dark."""
    width, height = image.width(), image.height()
    return sum(
        QColor(image.pixel(x, y)).lightness() < 100
        for x in range(int(left * width), int(right * width))
        for y in range(int(top * height), int(bottom * height))
    )


def rows(layer) -> list[dict]:
    return [
        dict(zip((f.name() for f in layer.fields()), r.attributes())) for r in layer.getFeatures()
    ]


def test_svg_and_numbers(plot, exported, opened, area_source, tmp_path, feedback):
    data = tmp_path / "numbers.gpkg"
    results = plot(SITE_ID="417", DATA=str(data))
    assert results == {"OUTPUT": str(tmp_path / "plot.svg"), "DATA": str(data)}
    written = texts(tmp_path / "plot.svg")
    header, lines = next(
        member for name, member in exported(area_source, "hcurves").items() if name.endswith("-PGA")
    )
    cells = dict(zip(header, lines[417]))
    assert f"Mean hazard curve of PGA, site 417 ({float(cells['lon']):g}, " in "\n".join(written)
    assert f"Calculation {area_source}: Classical PSHA Area Source demo for Null Island" in written
    assert "PGA [g]" in written
    assert "Probability of exceedance in 50 years" in written
    layer = opened(data)
    got = rows(layer)
    poes = [(f"poe-{row['iml']:.7f}", f"{row['poe']:.6E}") for row in got]
    assert poes == [(n, c) for n, c in cells.items() if n.startswith("poe-")]
    assert {(row["site_id"], row["kind"], row["imt"]) for row in got} == {(417, "mean", "PGA")}
    assert layer.attributeAlias(layer.fields().indexOf("iml")) == "Intensity measure level [g]"
    assert f'"calculation_id": {area_source}' in layer.metadata().abstract()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["numbers.gpkg", "plot.svg"]
    assert any(text.startswith("Plotted: PGA; others by IMT") for text in feedback.infos)
    assert feedback.percents == sorted(feedback.percents)


def test_a_plot_knows_the_parameters_that_its_run_has_changed(
    plot, area_source, overridden, opened, tmp_path
):
    changed = overridden(area_source)
    plot(SITE_ID="417", OUTPUT=str(tmp_path / "plot.png"), DATA=str(tmp_path / "numbers.gpkg"))
    about = json.loads(QImage(str(tmp_path / "plot.png")).text("Description"))
    assert about["overridden_parameters"] == changed
    provenance = metadata.read(opened(tmp_path / "numbers.gpkg"))["provenance"]
    assert provenance["overridden_parameters"] == changed


def test_png(plot, area_source, tmp_path):
    target = tmp_path / "plot.PNG"
    results = plot(OUTPUT_TYPE="uhs", SITE_ID="300", POE="10%", OUTPUT=str(target))
    assert results == {"OUTPUT": str(target)}
    image = QImage(str(target))
    assert (image.width(), image.height()) == (1520, 1000)
    # a thick line inside, the title above it, and paper around
    assert ink(image, 0.1, 0.15, 0.98, 0.88) > 2000
    assert ink(image, 0.0, 0.0, 1.0, 0.05) > 500
    assert ink(image, 0.99, 0.0, 1.0, 1.0) == 0
    about = json.loads(image.text("Description"))
    assert (about["calculation_id"], about["output_type"]) == (area_source, "uhs")
    assert about["choices"] == {"POE": "10%", "SITE_ID": "300"}
    assert image.text("Title").startswith("475-year mean uniform hazard spectrum (10% in 50 years)")


def test_many_realizations_have_one_name(plot, logic_tree, tmp_path):
    plot(CALCULATION_ID=logic_tree, KIND="all, rlzs")
    written = texts(tmp_path / "plot.svg")
    assert [t for t in written if "ealization" in t] == ["324 realizations"]
    assert [t for t in written if t.startswith(("Mean", "Median", "Quantile"))] == [
        "Mean",
        "Quantile 0.05",
        "Median",
        "Quantile 0.95",
    ]
    svg = (tmp_path / "plot.svg").read_text("utf-8")
    widths = re.findall(r"stroke-width: ([\d.]+)", svg)
    assert widths.count("0.5") >= 324  # thin
    assert "2.4" in widths  # the engine's own mean


def test_twenty_lines_have_a_name_each(plot, logic_tree, tmp_path):
    plot(CALCULATION_ID=logic_tree, KIND="rlz-0..18")
    names = [t for t in texts(tmp_path / "plot.svg") if re.match(r"Mean$|Realization \d+ \(", t)]
    assert [name.partition(" (")[0] for name in names] == [
        "Mean",
        *(f"Realization {i}" for i in range(19)),
    ]


@pytest.mark.parametrize(
    "site",
    [
        "-0.0108,-0.0193",
        "-0.0108,-0.0193 [EPSG:4326]",
        "-1202.2,-2148.5 [EPSG:3857]",
        QgsPointXY(-0.0108, -0.0193),
        QgsReferencedPointXY(
            QgsPointXY(-1202.2, -2148.5), QgsCoordinateReferenceSystem("EPSG:3857")
        ),
    ],
)
def test_the_nearest_site_in_any_reference_system(plot, feedback, site):
    plot(SITE=site)
    [said] = [text for text in feedback.infos if text.startswith("The nearest")]
    assert said.startswith("The nearest to SITE is site 286 (-0.01079, -0.01933), 0.0")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "has 624 sites; choose one by SITE (a point) or SITE_ID"),
        ({"SITE": QgsPointXY()}, "has 624 sites"),
        ({"SITE": ""}, "has 624 sites"),
        ({"SITE": "8,8"}, "more than one step of the sites (10 km)"),
        ({"SITE": "8;8"}, "SITE must be a point like"),
        ({"SITE_ID": "624"}, "There is no site “624” (SITE_ID); numbers go from 0 to 623"),
        ({"SITE": "0,0", "SITE_ID": "3"}, "Give SITE or SITE_ID, not both"),
        ({"SITE_ID": "3", "IMT": "PGV"}, "IMT may be: PGA, SA(0.025)"),
        ({"SITE_ID": "3", "EVENT_ID": "3"}, "cannot be chosen by EVENT_ID"),
        ({"ASSET_ID": "3"}, "is not by asset; leave ASSET_ID empty"),
        ({"OUTPUT_TYPE": "hmaps"}, "cannot be plotted; this calculation has: hcurves, uhs"),
        ({"OUTPUT_TYPE": "events"}, "has no output “events”"),
        ({"OUTPUT": "plot.pdf"}, "OUTPUT must end in .png or .svg"),
        ({"OUTPUT": "/no/such/folder/plot.png"}, "The folder /no/such/folder does not exist"),
    ],
)
def test_one_sentence_says_what_is_wrong(plot, parameters, words):
    with pytest.raises(QgsProcessingException) as caught:
        plot(**parameters)
    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    "parameters", [{"SITE": "8,8"}, {"SITE_ID": "3", "DATA": "/no/such/x.gpkg"}]
)
def test_yesterdays_picture_survives(plot, tmp_path, parameters):
    target = tmp_path / "plot.svg"
    target.write_text("yesterday")
    with pytest.raises(QgsProcessingException):
        plot(**parameters)
    assert [p.name for p in tmp_path.iterdir()] == ["plot.svg"]
    assert target.read_text() == "yesterday"


def test_a_picture_that_breaks_off_is_none(plot, tmp_path, monkeypatch):
    target = tmp_path / "plot.svg"
    target.write_text("yesterday")

    def full(_, path, *__):
        path.write_text("<svg")
        raise EngineError("The disk is full.")

    monkeypatch.setattr(figure, "draw", full)
    with pytest.raises(QgsProcessingException, match="The disk is full"):
        plot(SITE_ID="3")
    assert target.read_text() == "yesterday"
    assert [p.name for p in tmp_path.iterdir()] == ["plot.svg"]
    monkeypatch.undo()
    plot(SITE_ID="3")
    assert target.read_text("utf-8").startswith("<?xml")


class NoMatplotlib:
    """An import hook: the package is not there."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named '{name}'")


def test_without_matplotlib(plot, tmp_path, monkeypatch, feedback):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoMatplotlib(), *sys.meta_path])
    with pytest.raises(QgsProcessingException) as caught:
        plot(SITE_ID="3")
    assert "Plot Output needs the Python package matplotlib" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    # before anything is fetched
    assert not feedback.phases


def test_pyplot_is_never_used(plot, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plot(SITE_ID="3", OUTPUT=str(tmp_path / "plot.png"))
    plot(SITE_ID="3")


def test_numbers_in_memory_are_refused_where_they_would_be_lost(plot, monkeypatch):
    monkeypatch.setattr(QgsApplication, "platform", lambda: "qgis_process")
    with pytest.raises(QgsProcessingException, match="temporary layer is gone"):
        plot(SITE_ID="3", DATA="TEMPORARY_OUTPUT")


def test_numbers_in_memory(plot):
    assert plot(SITE_ID="3", DATA="TEMPORARY_OUTPUT")["DATA"].featureCount() == 45


def test_a_model_may_leave_the_point_empty(
    registry, server, area_source, tmp_path, context, feedback
):
    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("plot", "tests")
    child = QgsProcessingModelChildAlgorithm(PLOT)
    child.setChildId("plot")
    target = str(tmp_path / "model.svg")
    for name, value in {
        "SERVER": server.url,
        "CALCULATION_ID": area_source,
        "OUTPUT_TYPE": "hcurves",
        "OUTPUT": target,
    }.items():
        child.addParameterSources(name, [source.fromStaticValue(value)])
    child.addParameterSources("SITE", [source.fromModelParameter("point")])
    child.addParameterSources("SITE_ID", [source.fromStaticValue("5")])
    point = QgsProcessingParameterPoint("point", "point", None, True)
    model.addModelParameter(point, QgsProcessingModelParameter("point"))
    model.addChildAlgorithm(child)
    # (0, 0) is within the grid: it would be taken for what the user wants, and refused with SITE_ID
    _, good = model.run({}, context, feedback, {}, False)
    assert good
    assert any("site 5 (" in text for text in texts(tmp_path / "model.svg"))


# --- drawing


def drawn(tmp_path, plot: Plot) -> str:
    figure.draw(plot, tmp_path / "x.svg", "svg")
    return (tmp_path / "x.svg").read_text("utf-8")


def lines(svg: str) -> list[str]:
    """The colours of the lines inside the axes, those of the grid left out."""
    colors = re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="fill: none; stroke: (\S+);', svg)
    return [color for color in colors if color not in ("#d0d0d0", "#ececec")]


def points(svg: str) -> int:
    """The number of points of the thickest line."""
    [path] = re.findall(r'<path d="([^"]*)"[^>]*stroke-width: 2\.4', svg.replace("\n", " "))
    return len(re.findall(r"[ML]", path))


def test_zeros_are_dropped_on_logarithmic_axes_only(tmp_path):
    series = (Series((0.0, 1.0, 2.0, 3.0), (1.0, 0.5, 0.25, 0.0)),)
    svg = drawn(tmp_path, plot_of(series=series))
    assert points(svg) == 4
    svg = drawn(tmp_path, plot_of(series=series, y=Axis("P", log=True)))
    assert points(svg) == 3
    svg = drawn(tmp_path, plot_of(series=series, x=Axis("L", log=True), y=Axis("P", log=True)))
    assert points(svg) == 2


def test_no_line_goes_through_what_is_only_known_to_be_more_or_less(tmp_path):
    y = (1.0, 0.5, 0.25, 0.5, 1.0)
    ends = (0, 0, -1, 0, 1)
    plain = drawn(tmp_path, plot_of(series=(Series((0.0, 1.0, 2.0, 3.0, 4.0), y),)))
    assert points(plain) == 5
    assert not {"at least: the highest level of the curves"} & set(texts(tmp_path / "x.svg"))
    svg = drawn(tmp_path, plot_of(series=(Series((0.0, 1.0, 2.0, 3.0, 4.0), y, ends=ends),)))
    # two points that are joined, and one alone
    pattern = r'<path d="([^"]*)" clip-path[^>]*stroke-width: 2\.4'
    [path] = re.findall(pattern, svg.replace("\n", " "))
    assert re.sub("[^ML]", "", path) in ("MLM", "ML")
    legend = {"below the lowest level of the curves", "at least: the highest level of the curves"}
    assert legend <= set(texts(tmp_path / "x.svg"))


def test_nothing_but_zeros_can_be_drawn(tmp_path):
    series = (Series((1.0, 2.0), (0.0, 0.0)), Series((1.0,), (float("nan"),), "rlz-1"))
    svg = drawn(tmp_path, plot_of(series=series, x=Axis("L"), y=Axis("P")))
    assert points(svg) == 2  # at 0; what is not known is not drawn
    assert lines(svg) == ["#000000"]
    svg = drawn(tmp_path, plot_of(series=series, x=Axis("L", log=True), y=Axis("P", log=True)))
    assert lines(svg) == []
    assert {"Title", "L", "P"} <= set(texts(tmp_path / "x.svg"))
    assert lines(drawn(tmp_path, plot_of())) == []
    assert {"Title", "Length [m]", "Width [m]"} <= set(texts(tmp_path / "x.svg"))


def test_large_values_are_in_millions(tmp_path):
    svg = drawn(tmp_path, plot_of(series=(Series((1.0, 2.0), (0.0, 3e9)),), y=Axis("Loss", "EUR")))
    assert "Loss [billion EUR]" in svg
    svg = drawn(tmp_path, plot_of(series=(Series((1.0, 2.0), (0.0, 3e6)),), y=Axis("Loss")))
    assert "Loss [million]" in svg
    svg = drawn(tmp_path, plot_of(series=(Series((1.0, 2.0), (0.0, 3e5)),), y=Axis("Loss", "EUR")))
    assert "Loss [EUR]" in svg


def test_texts_are_no_formulas(tmp_path):
    svg = drawn(tmp_path, plot_of(title="Loss of $x_1$", subtitle="100 % नेपाल <&>"))
    assert "Loss of $x_1$" in svg
    assert "नेपाल &lt;&amp;&gt;" in svg


def test_bars_in_the_colours_of_the_states(tmp_path):
    states = Axis("Damage state", categories=("slight", "complete"))
    bars = (Series((0.0, 1.0), (3.0, 1234.0), colors=("#ffe14d", "#6a0f4f")),)
    svg = drawn(tmp_path, plot_of(BARS, x=states, series=bars))
    for text in ("slight", "complete", "1,234", "Damage state", "Width [m]", "#ffe14d", "#6a0f4f"):
        assert text in svg


def test_bars_without_known_values(tmp_path):
    bars = (Series((0.0, 1.0), (float("nan"), 3.14)),)
    svg = drawn(tmp_path, plot_of(BARS, x_edges=(0.0, 1.0, 2.0), series=bars))
    assert svg.count("fill: #a6569b") == 2
    written = texts(tmp_path / "x.svg")
    assert "Length [m]" in written
    assert written.count("3.14") == 1  # above its bar; the other has no number
    assert "nan" not in svg.lower()


def test_stacked_bars_reach_their_sum(tmp_path):
    stacks = tuple(Series((0.0, 1.0), (30.0, 20.0), group=name) for name in ("A", "B"))
    svg = drawn(tmp_path, plot_of(STACKS, x_edges=(5.0, 6.0, 7.0), series=stacks, legend="Region"))
    assert {"A", "B", "Region"} <= set(texts(tmp_path / "x.svg"))
    # axis labels go to 60 = 30 + 30
    assert "60" in texts(tmp_path / "x.svg")
    assert svg.count("#0072b2") >= 2


def test_a_grid_with_the_site(tmp_path):
    svg = drawn(
        tmp_path,
        plot_of(
            GRID,
            x_edges=(0.0, 1.0, 2.0),
            y_edges=(0.0, 1.0),
            values=((0.0, 25.0),),
            value_label="Contribution [%]",
            mark=(1.0, 0.5),
        ),
    )
    assert {"Contribution [%]", "Length [m]", "Width [m]"} <= set(texts(tmp_path / "x.svg"))
    assert svg.count("<path") > 10


def test_the_same_picture_each_time(tmp_path):
    plot = plot_of(series=(Series((1.0, 2.0), (3.0, 4.0)),))
    assert drawn(tmp_path, plot) == drawn(tmp_path, plot)


def test_a_picture_that_cannot_be_written(tmp_path):
    with pytest.raises(EngineError, match=r"x\.svg cannot be written \(No such file"):
        figure.draw(plot_of(), tmp_path / "no" / "x.svg", "svg")
