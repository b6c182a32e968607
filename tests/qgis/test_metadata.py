"""What a layer says of itself, also when it is found in two years."""

import json

import pytest
from qgis.core import QgsVectorLayer

from oq_processing.layers import metadata

TITLE = "475-year mean PGA [g] (10% in 50 years)"


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp", ""])
def test_origin_and_meaning(area, opened, client, area_source, tmp_path, suffix):
    target = str(tmp_path / f"map.{suffix}") if suffix else "TEMPORARY_OUTPUT"
    layer = area(OUTPUT=target, POE="475y", KIND="MEAN")["OUTPUT"]
    if suffix:
        layer = opened(target)
    calculation = client.calculation(area_source)
    log = "\n".join(record.message for record in client.log(area_source, 0, 50))
    checksum = int(log.partition("Checksum of the inputs: ")[2].split()[0])
    about = metadata.read(layer)
    assert about["provenance"] == {
        "server": client.url,
        "calculation_id": area_source,
        "description": calculation.description,
        "calculation_mode": "classical",
        "output_type": "hmaps",
        "output_name": "Hazard Maps",
        "choices": {"KIND": "MEAN", "IMT": "PGA", "POE": "475y"},
        "investigation_time": 50.0,
        "engine_version": client.engine_version(),
        "checksum": checksum,
        "calculation_sites": 624,
        "site_condition": "vs30 600 m/s (reference)",
    }
    assert [c["name"] for c in about["columns"]] == ["site_id", "lon", "lat", "PGA-0.1"]
    assert about["columns"][-1] == {
        "name": "PGA-0.1",
        "type": "real",
        "additive": False,
        "label": "Mean PGA, 10% in 50 years",
        "unit": "g",
        "quantity": "hazard map",
        "kind": "mean",
        "imt": "PGA",
        "poe": 0.1,
        "lowest": pytest.approx(0.005),
        "highest": pytest.approx(2.13),
    }
    about = layer.metadata()
    assert about.title() == TITLE
    assert about.type() == "dataset"
    assert about.abstract().startswith(f"{calculation.description}\n\nopenquake:\n{{")
    [history] = about.history()
    assert history == (
        f"Hazard Maps of calculation {area_source} ({calculation.description}) on {client.url}, "
        f"OpenQuake Engine {client.engine_version()}"
    )
    assert about.identifier().startswith(f"{client.url}/v1/calc/{area_source}/hmaps/")


def test_custom_property(area):
    layer = area()["OUTPUT"]
    block = json.loads(layer.customProperty("openquake/about"))
    assert block == metadata.read(layer)


@pytest.mark.parametrize("abstract", ["", "another's", "openquake:\n{broken"])
def test_other_layers_say_nothing(abstract):
    layer = QgsVectorLayer("Point", "t", "memory")
    about = layer.metadata()
    about.setAbstract(abstract)
    layer.setMetadata(about)
    assert metadata.read(layer) == {}


def test_general_output(run, logic_tree, opened, tmp_path):
    target = tmp_path / "realizations.gpkg"
    run(CALCULATION_ID=logic_tree, OUTPUT_TYPE="realizations", OUTPUT=str(target))
    layer = opened(target)
    about = metadata.read(layer)
    assert about["provenance"]["members"] == ["realizations"]
    assert [(c["name"], c["type"]) for c in about["columns"]] == [
        ("rlz_id", "integer"),
        ("branch_path", "text"),
        ("weight", "real"),
    ]
    assert layer.metadata().title() == f"Realizations, calculation {logic_tree}"
