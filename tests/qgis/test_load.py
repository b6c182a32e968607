"""Load Output as Layer through the registry, against the real engine."""

import pytest
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsVectorLayer,
    QgsWkbTypes,
)
from steering import model_result

from oq_processing.layers import metadata

TITLE = "475-year mean PGA [g] (10% in 50 years)"
STANDARD = [0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50]


def cells(layer) -> dict[str, list]:
    names = [field.name() for field in layer.fields()]
    rows = [feature.attributes() for feature in layer.getFeatures()]
    return dict(zip(names, zip(*rows)))


def same_as_csv(layer, member, names=None) -> None:
    """Assert that values, coordinates and rows are those of the CSV, cell by cell."""
    header, rows = member
    got = cells(layer)
    assert layer.featureCount() == len(rows)
    order = sorted(range(len(rows)), key=lambda i: got["site_id"][i])
    for name in names or header:
        i = header.index(name)
        form = "{:.5f}" if name in ("lon", "lat") else "{:.6E}"
        stored = next(n for n in (name, name[:10]) if n in got)
        assert [form.format(got[stored][k]) for k in order] == [row[i] for row in rows]
    points = [feature.geometry().asPoint() for feature in layer.getFeatures()]
    assert [(p.x(), p.y()) for p in points] == list(zip(got["lon"], got["lat"]))
    assert layer.crs().authid() == "EPSG:4326"


def check_style(layer, attribute='"PGA-0.1"') -> None:
    renderer = layer.renderer()
    assert renderer.type() == "graduatedSymbol"
    assert renderer.classAttribute() == attribute
    assert [r.upperValue() for r in renderer.ranges()][:-1] == STANDARD
    assert [r.lowerValue() for r in renderer.ranges()][1:] == STANDARD
    light = [r.symbol().color().lightness() for r in renderer.ranges()]
    assert light == sorted(light, reverse=True)
    assert light[0] - light[-1] > 100


FORMATS = {"gpkg": "fid", "geojson": "", "fgb": "", "shp": ""}


@pytest.mark.parametrize("suffix", FORMATS)
def test_file(area, exported, opened, area_source, tmp_path, suffix, feedback):
    target = tmp_path / f"map.{suffix}"
    results = area(IMT="", OUTPUT=str(target))
    assert results == {
        "OUTPUT": str(target),
        "COUNT": 624,
        "STYLED_FIELD": "PGA-0.1",
    }
    layer = opened(target)
    member = exported(area_source)[f"output-{_output_id(exported, area_source)}-hazard_map-mean"]
    names = ["lon", "lat", "PGA-0.1", "PGA-0.02"] if suffix == "shp" else None
    same_as_csv(layer, member, names)
    check_style(layer)
    assert layer.metadata().title() == TITLE
    fields = layer.fields()
    assert fields[fields.indexOf("PGA-0.1")].alias() == "Mean PGA, 10% in 50 years [g]"
    assert fields[fields.indexOf("lon")].alias() == "Longitude [°]"
    assert not [p.name for p in tmp_path.iterdir() if "part" in p.name]
    assert feedback.percents == sorted(feedback.percents)
    assert feedback.percents[-1] == 100
    if suffix != "shp":
        assert feedback.warnings == []


def _output_id(exported, calculation_id) -> int:
    [name] = exported(calculation_id)
    return int(name.split("-")[1])


def test_names_that_a_shapefile_cuts_are_told(
    area, opened, tmp_path, feedback, exported, area_source
):
    target = tmp_path / "map.shp"
    area(IMT="", OUTPUT=str(target))
    assert (
        "The column “SA(0.025)-0.02” is stored as “SA(0.025_1”: the format cannot hold its name."
        in (feedback.warnings)
    )
    layer = opened(target)
    [(header, rows)] = exported(area_source).values()
    i = header.index("SA(0.025)-0.02")
    values = [f"{v:.6E}" for v in cells(layer)["SA(0.025_1"]]
    assert values == [row[i] for row in rows]
    index = layer.fields().indexOf("SA(0.025_1")
    assert layer.attributeAlias(index) == "Mean SA(0.025), 2% in 50 years [g]"


def test_style_of_a_field_that_a_shapefile_renames(area, opened, tmp_path):
    target = tmp_path / "map.shp"
    area(IMT="", OUTPUT=str(target), STYLE_FIELD="SA(0.025)-0.02")
    check_style(opened(target), '"SA(0.025_1"')


def test_memory_layer(area, exported, area_source):
    results = area(IMT="")
    layer = results["OUTPUT"]
    assert layer.providerType() == "memory"
    [member] = exported(area_source).values()
    same_as_csv(layer, member)
    check_style(layer)
    assert layer.name() == layer.metadata().title() == TITLE
    assert (
        layer.attributeAlias(layer.fields().indexOf("PGA-0.02")) == "Mean PGA, 2% in 50 years [g]"
    )


def test_field_types(area, tmp_path, opened):
    area(OUTPUT=str(tmp_path / "map.gpkg"))
    fields = opened(tmp_path / "map.gpkg").fields()
    assert [(f.name(), f.typeName()) for f in fields] == [
        ("fid", "Integer64"),
        ("site_id", "Integer64"),
        ("lon", "Real"),
        ("lat", "Real"),
        ("PGA-0.1", "Real"),
        ("PGA-0.02", "Real"),
    ]


def test_table_added_to_a_geopackage(area, opened, exported, area_source, tmp_path):
    target = tmp_path / "maps.gpkg"
    area(OUTPUT=str(target), IMT="SA(0.2)")
    first = cells(opened(target, "maps"))
    results = area(OUTPUT=f"ogr:dbname='{target}' table=\"second\" (geom)", IMT="PGA")
    assert results["OUTPUT"] == f"{target}|layername=second"
    again = opened(target, "maps")
    assert cells(again) == first
    check_style(again, '"SA(0.2)-0.1"')
    assert again.metadata().title() == "475-year mean SA(0.2) [g] (10% in 50 years)"
    second = opened(target, "second")
    [member] = exported(area_source).values()
    same_as_csv(second, member, ["lon", "lat", "PGA-0.1", "PGA-0.02"])
    check_style(second)
    assert second.metadata().title() == TITLE
    assert again.metadata().identifier() != second.metadata().identifier()


@pytest.mark.parametrize("name", ["map", "map.other"])
def test_a_name_without_a_known_suffix_is_a_geopackage(area, opened, tmp_path, name):
    results = area(OUTPUT=str(tmp_path / name))
    assert results["OUTPUT"] == str(tmp_path / f"{name}.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == [f"{name}.gpkg"]
    check_style(opened(tmp_path / f"{name}.gpkg"))


@pytest.mark.parametrize("suffix", ["xlsx", "ods", "csv"])
def test_tables_for_spreadsheets(area, exported, area_source, opened, tmp_path, suffix):
    target = tmp_path / f"map.{suffix}"
    assert area(OUTPUT=str(target), GEOMETRY="none")["COUNT"] == 624
    [(header, rows)] = exported(area_source).values()
    layer = opened(target)
    got = [float(v) for v in cells(layer)["PGA-0.1"]]
    assert [f"{v:.6E}" for v in got] == [row[header.index("PGA-0.1")] for row in rows]
    assert layer.wkbType() == QgsWkbTypes.Type.NoGeometry


def test_relative_path(area, tmp_path, monkeypatch, opened):
    monkeypatch.chdir(tmp_path)
    area(OUTPUT="map.gpkg")
    assert opened(tmp_path / "map.gpkg").featureCount() == 624


def test_an_existing_file_is_replaced_whole(area, opened, tmp_path):
    target = tmp_path / "map.gpkg"
    area(OUTPUT=str(target), IMT="SA(0.2)")
    area(OUTPUT=str(target), IMT="PGA")
    layer = opened(target)
    assert [f.name() for f in layer.fields()][4:] == ["PGA-0.1", "PGA-0.02"]
    assert len(layer.dataProvider().subLayers()) == 1
    check_style(layer)


def test_cells(area, opened, tmp_path):
    target = tmp_path / "map.gpkg"
    results = area(OUTPUT=str(target), GEOMETRY="cell")
    layer = opened(target)
    boxes = [feature.geometry().boundingBox() for feature in layer.getFeatures()]
    widths = [box.width() for box in boxes]
    assert max(widths) > 1.0001 * min(widths)  # in degrees: to the north they grow
    assert results["CELL_WIDTH"] == pytest.approx(min(widths), rel=1e-9)
    heights = {round(box.height(), 9) for box in boxes}
    assert heights == {round(results["CELL_HEIGHT"], 9)}
    assert layer.wkbType() == QgsWkbTypes.Type.Polygon
    assert layer.featureCount() == 624
    for feature in layer.getFeatures():
        box = feature.geometry().boundingBox()
        assert box.center().x() == pytest.approx(feature["lon"], abs=1e-9)
        assert box.center().y() == pytest.approx(feature["lat"], abs=1e-9)
        assert feature.geometry().isGeosValid()
    check_style(layer)


def test_only_cells_have_a_size(area):
    assert not {"CELL_WIDTH", "CELL_HEIGHT"} & set(area())


def test_a_layer_knows_the_parameters_that_its_run_has_changed(area, area_source, overridden):
    assert "overridden_parameters" not in metadata.read(area()["OUTPUT"])["provenance"]
    changed = overridden(area_source)
    provenance = metadata.read(area()["OUTPUT"])["provenance"]
    assert provenance["overridden_parameters"] == changed


def test_no_geometry(area):
    layer = area(GEOMETRY="none")["OUTPUT"]
    assert layer.wkbType() == QgsWkbTypes.Type.NoGeometry
    assert layer.featureCount() == 624
    assert layer.attributeAlias(3) == "Mean PGA, 10% in 50 years [g]"


def test_realizations_by_name(run, exported, logic_tree):
    layer = run(
        CALCULATION_ID=logic_tree,
        OUTPUT_TYPE="Hazard Maps",
        KIND="rlz-007, median",
        POE="475y",
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    members = exported(logic_tree)
    got = cells(layer)
    assert f"{got['rlz-7-PGA-0.1'][0]:.6E}" == members["hazard_map-rlz-007"][1][0][2]
    assert f"{got['quantile-0.5-PGA-0.1'][0]:.6E}" == members["quantile_map-0.5"][1][0][2]
    assert layer.featureCount() == 1


def test_general_way(run, exported, logic_tree, feedback):
    results = run(CALCULATION_ID=logic_tree, OUTPUT_TYPE="realizations", OUTPUT="TEMPORARY_OUTPUT")
    layer = results["OUTPUT"]
    [(_, rows)] = exported(logic_tree, "realizations").values()
    assert (results["COUNT"], results["STYLED_FIELD"]) == (324, "")
    got = [[str(f["rlz_id"]), f["branch_path"], f"{f['weight']:.7e}"] for f in layer.getFeatures()]
    assert got == rows
    assert layer.wkbType() == QgsWkbTypes.Type.NoGeometry


def test_map_statistics(run, exported, logic_tree):
    chosen = {"CALCULATION_ID": logic_tree, "OUTPUT_TYPE": "hmaps-stats"}
    layer = run(**chosen, KIND="median", POE="2475y", OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"]
    header, rows = exported(logic_tree, "hmaps-stats")["quantile_map-0.5-2475y"]
    assert header == ["lon", "lat", "PGA"]
    assert [f.name() for f in layer.fields()] == ["site_id", "lon", "lat", "PGA-0.02"]
    [feature] = layer.getFeatures()
    assert [f"{feature['PGA-0.02']:.6E}"] == [rows[0][2]]
    with pytest.raises(
        QgsProcessingException, match=r"cannot be chosen by MEMBER; there are: KIND"
    ):
        run(**chosen, MEMBER="hazard_map-mean-475y", OUTPUT="TEMPORARY_OUTPUT")


def test_log(area, feedback, server, client, area_source):
    area()
    assert feedback.infos[0] == f"Server: {server.url} (parameter SERVER)"
    assert client.engine_version() in feedback.infos[1]
    assert (
        f"Hazard Maps of calculation {area_source}: Classical PSHA Area Source demo for Null Island"
        in (feedback.infos)
    )
    assert f"{TITLE}: 624 rows" in feedback.infos
    assert feedback.phases == ["Fetching Hazard Maps", "Writing 624 rows"]
    assert feedback.errors == []


def test_choices_made_in_other_types_than_text(area):
    assert [f.name() for f in area(POE=0.1)["OUTPUT"].fields()][3:] == ["PGA-0.1"]


# --- bad input

LISTED = "fullreport (Full Report), hcurves (Hazard Curves), hmaps (Hazard Maps), uhs"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"CALCULATION_ID": 0},
            "Choose a calculation: CALCULATION_ID must be its id, 1 or more, not 0",
        ),
        ({"CALCULATION_ID": -3}, "CALCULATION_ID must be its id, 1 or more, not -3"),
        ({"CALCULATION_ID": 1.5}, "CALCULATION_ID must be a whole number, not 1.5"),
        ({"CALCULATION_ID": "one"}, "CALCULATION_ID must be a number, not “one”"),
        (
            {"CALCULATION_ID": None},
            "Choose a calculation: CALCULATION_ID must be its id, 1 or more.",
        ),
        ({"CALCULATION_ID": ""}, "Choose a calculation: CALCULATION_ID must be its id, 1 or more."),
        ({"CALCULATION_ID": 999999}, "Calculation 999999 does not exist on "),
        ({"OUTPUT_TYPE": "losses"}, f"has no output “losses”; it has: {LISTED}"),
        ({"OUTPUT_TYPE": ""}, "Choose an output of calculation"),
        ({"OUTPUT_TYPE": "fullreport", "IMT": ""}, "Full Report is no table (formats: rst)"),
        ({"IMT": "PGV"}, "There is no intensity measure type “PGV”; IMT may be: PGA, SA(0.025), "),
        ({"POE": "0.3"}, "POE may be: 0.1 (10%, 475y), 0.02 (2%, 2475y)."),
        ({"POE": "often"}, "“often” is no probability of exceedance; write 0.1, 10% or 475y"),
        (
            {"KIND": "max"},
            "There is no statistic or realization “max”; KIND may be: mean, rlz-0 (A~A, weight 1).",
        ),
        (
            {"GEOMETRY": "blob"},
            "GEOMETRY may be auto, point, polygon, line, cell, none; not “blob”",
        ),
        ({"GEOMETRY": "line"}, "can be loaded with GEOMETRY auto, point, cell or none"),
        (
            {"CLASSIFICATION": "nice"},
            "CLASSIFICATION may be standard, logarithmic, equal-interval, quantile, jenks, pretty",
        ),
        ({"CLASSES": 1}, "CLASSES must be between 2 and 50, not 1"),
        ({"CLASSES": 51}, "CLASSES must be between 2 and 50, not 51"),
        ({"CLASS_BREAKS": "low high"}, "CLASS_BREAKS must be numbers like “0.05 0.1 0.2”"),
        ({"CLASS_BREAKS": "0.1 nan"}, "CLASS_BREAKS must be finite numbers"),
        ({"CLASS_BREAKS": "0.2 0.1"}, "CLASS_BREAKS must rise from one to the next"),
        ({"CLASS_BREAKS": "0.1 0.1"}, "CLASS_BREAKS must rise from one to the next"),
        ({"COLOR_RAMP": "Rainbow7"}, "There is no colour ramp “Rainbow7”; there are: "),
        (
            {"STYLE_FIELD": "PGA"},
            "There is no field “PGA” to style; there are: site_id, lon, lat, PGA-0.1",
        ),
        ({"LONG_FORMAT": "maybe"}, "LONG_FORMAT must be true or false, not “maybe”"),
        ({"INVERT_RAMP": "maybe"}, "INVERT_RAMP must be true or false, not “maybe”"),
        ({"SERVER": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"SERVER": "ftp://127.0.0.1"}, "is not the address of a server"),
    ],
)
def test_bad_input(area, feedback, parameters, words, tmp_path):
    target = tmp_path / "map.gpkg"
    target.write_bytes(b"yesterday's map")
    with pytest.raises(QgsProcessingException) as error:
        area(OUTPUT=str(target), **parameters)
    # what prepareAlgorithm raises is told by the feedback only
    assert words in str(error.value) + "".join(feedback.errors)
    assert target.read_bytes() == b"yesterday's map"
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]


def test_the_calculation_is_missing(run, area_source):
    with pytest.raises(QgsProcessingException, match="Choose a calculation"):
        run(OUTPUT_TYPE="hmaps", OUTPUT="TEMPORARY_OUTPUT")


@pytest.mark.parametrize(
    ("value", "rows"),
    [("no", 624), ("off", 624), (False, 624), (None, 624), ("yes", 1248), ("1", 1248)],
)
def test_flags_as_people_write_them(area, value, rows):
    assert area(LONG_FORMAT=value)["COUNT"] == rows


def test_a_check_says_the_same_without_running(registry, context, server):
    algorithm = registry.algorithmById("openquake:loadoutputaslayer")
    good, message = algorithm.checkParameterValues(
        {"SERVER": server.url, "CALCULATION_ID": 0, "OUTPUT": "TEMPORARY_OUTPUT"}, context
    )
    assert (good, "Choose a calculation" in message) == (False, True)
    good, message = algorithm.checkParameterValues(
        {"SERVER": server.url, "CALCULATION_ID": 1, "OUTPUT": "TEMPORARY_OUTPUT"}, context
    )
    assert (good, message) == (True, "")


# --- loaded into a project


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", ""])
def test_layer_in_a_project(registry, feedback, server, area_source, project, tmp_path, suffix):
    context = QgsProcessingContext()
    context.setProject(project)
    sink = f"{tmp_path}/map.{suffix}" if suffix else "TEMPORARY_OUTPUT"
    parameters = {
        "SERVER": server.url,
        "CALCULATION_ID": area_source,
        "OUTPUT_TYPE": "hmaps",
        "IMT": "PGA",
        "OUTPUT": QgsProcessingOutputLayerDefinition(sink, project),
    }
    algorithm = registry.createAlgorithmById("openquake:loadoutputaslayer")
    results, good = algorithm.run(parameters, context, feedback)
    assert good, feedback.errors
    destination = results["OUTPUT"]
    details = context.layersToLoadOnCompletion()
    assert list(details) == [destination]
    assert details[destination].name == TITLE
    if suffix:
        assert destination == sink
    layer = context.takeResultLayer(destination)
    if layer is None:
        layer = QgsVectorLayer(destination, "as QGIS names it", "ogr")
        layer.renderer().setClassAttribute("lost")
    project.addMapLayer(layer)
    # QGIS keeps it until its own code calls it, and so must we
    processor = details[destination].postProcessor()
    processor.postProcessLayer(layer, context, feedback)
    assert layer.name() == layer.metadata().title() == TITLE
    check_style(layer)
    assert metadata.read(layer)["provenance"]["calculation_id"] == area_source


# --- in a model


def model() -> QgsProcessingModelAlgorithm:
    """CALCULATION_ID and IMT → load → a field that is ten times PGA."""
    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("test", "tests")
    number = QgsProcessingParameterNumber("calculation", "calculation")
    model.addModelParameter(number, QgsProcessingModelParameter("calculation"))
    text = QgsProcessingParameterString("imt", "imt", "", optional=True)
    model.addModelParameter(text, QgsProcessingModelParameter("imt"))
    url = QgsProcessingParameterString("server", "server")
    model.addModelParameter(url, QgsProcessingModelParameter("server"))
    load = QgsProcessingModelChildAlgorithm("openquake:loadoutputaslayer")
    load.setChildId("load")
    load.addParameterSources("CALCULATION_ID", [source.fromModelParameter("calculation")])
    load.addParameterSources("IMT", [source.fromModelParameter("imt")])
    load.addParameterSources("SERVER", [source.fromModelParameter("server")])
    for name, value in {
        "OUTPUT_TYPE": "hmaps",
        "GEOMETRY": "auto",
        "LONG_FORMAT": "no",
        "INVERT_RAMP": False,
    }.items():
        load.addParameterSources(name, [source.fromStaticValue(value)])
    model.addChildAlgorithm(load)
    calculate = QgsProcessingModelChildAlgorithm("native:fieldcalculator")
    calculate.setChildId("calculate")
    for name, value in {
        "FIELD_NAME": "tenfold",
        "FIELD_TYPE": 0,
        "FIELD_LENGTH": 0,
        "FIELD_PRECISION": 0,
        "FORMULA": '"PGA-0.1" * 10',
    }.items():
        calculate.addParameterSources(name, [source.fromStaticValue(value)])
    calculate.addParameterSources("INPUT", [source.fromChildOutput("load", "OUTPUT")])
    result = QgsProcessingModelOutput("result", "result")
    result.setChildId("calculate")
    result.setChildOutputName("OUTPUT")
    calculate.setModelOutputs({"result": result})
    model.addChildAlgorithm(calculate)
    count = QgsProcessingModelOutput("rows", "rows")
    count.setChildId("load")
    count.setChildOutputName("COUNT")
    model.childAlgorithm("load").setModelOutputs({"rows": count})
    model.initAlgorithm()
    problems = model.validate()[1]
    assert problems == []
    return model


def run_model(parameters, context, feedback):
    algorithm = model()
    import processing

    return processing.run(algorithm, parameters, context=context, feedback=feedback)


def test_model(registry, server, area_source, context, feedback, exported):
    results = run_model(
        {
            "calculation": area_source,
            "server": server.url,
            "imt": "",
            model_result("calculate", "result"): "TEMPORARY_OUTPUT",
        },
        context,
        feedback,
    )
    [(header, rows)] = exported(area_source).values()
    i = header.index("PGA-0.1")
    layer = results[model_result("calculate", "result")]
    assert layer.featureCount() == 624
    assert len(layer.fields()) == 3 + 16 + 1
    for feature, row in zip(layer.getFeatures(), rows):
        assert f"{feature['tenfold'] / 10:.6E}" == row[i]
        assert f"{feature.geometry().asPoint().x():.5f}" == row[0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"calculation": 0}, "Choose a calculation: CALCULATION_ID must be its id"),
        ({"calculation": 999999}, "Calculation 999999 does not exist"),
        ({"imt": "PGV"}, "There is no intensity measure type “PGV”"),
    ],
)
def test_a_model_stops_with_the_reason(
    registry, server, area_source, context, feedback, parameters, words
):
    given = {
        "calculation": area_source,
        "server": server.url,
        "imt": "PGA",
        model_result("calculate", "result"): "TEMPORARY_OUTPUT",
    }
    with pytest.raises(QgsProcessingException) as error:
        run_model({**given, **parameters}, context, feedback)
    assert words in str(error.value) + "".join(feedback.errors)
