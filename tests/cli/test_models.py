"""The shipped models by qgis_process: ids, results, exit codes; a raster from a grid's cells."""

from __future__ import annotations

import json
import subprocess

from osgeo import gdal, ogr

MODELS = (
    "hazardmapfromjob",
    "hazardraster",
    "lossesbyzone",
    "lossesfromjobs",
    "scenariodamagemap",
)


def test_models_are_listed_with_what_they_ask_for_and_give(qgis_process):
    [shim, *_] = qgis_process.command("")
    listed = subprocess.run(
        [shim, "list"],
        env=qgis_process.environment,
        cwd=qgis_process.folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    for name in MODELS:
        assert f"openquake:{name}\t" in listed
    # its last step belongs to a provider that QGIS loads after this one
    text = subprocess.run(
        [shim, "help", "openquake:hazardraster"],
        env=qgis_process.environment,
        cwd=qgis_process.folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert "rasterize:OUTPUT: Hazard raster" in text
    assert "load:STYLED_FIELD: <outputString>" in text


def test_a_raster(qgis_process, area_source, client, tmp_path):
    """The layer between the two steps is in memory, which is good for as long as it is needed."""
    target = tmp_path / "map.tif"
    done = qgis_process(
        "openquake:hazardraster",
        CALCULATION_ID=area_source,
        IMT="PGA",
        POE="10%",
        **{"rasterize:OUTPUT": target},
    )
    assert done.code == 0, done.err
    assert "load:STYLED_FIELD:\tPGA-0.1" in done.out
    raster = gdal.Open(str(target))
    band = raster.GetRasterBand(1)
    values = band.ReadAsArray()
    known = values[values != band.GetNoDataValue()]
    points = tmp_path / "map.geojson"
    done = qgis_process(
        "openquake:loadoutputaslayer", CALCULATION_ID=area_source, IMT="PGA", OUTPUT=points
    )
    assert done.code == 0, done.err
    features = json.loads(points.read_text())["features"]
    of_sites = [f["properties"]["PGA-0.1"] for f in features]
    assert len(of_sites) == 624
    assert {f"{v:.6g}" for v in known.tolist()} == {f"{v:.6g}" for v in of_sites}


def test_a_hazard_map_from_a_job(qgis_process, demos, client, tmp_path):
    target = tmp_path / "map.gpkg"
    done = qgis_process(
        "openquake:hazardmapfromjob",
        JOB=demos / "hazard/LatinSamplingClassicalPSHA/job.ini",
        PARAMETERS="hazard_maps=true",
        **{"load:OUTPUT": target},
    )
    assert done.code == 0, done.err
    [number] = [line for line in done.out.splitlines() if line.startswith("run:CALCULATION_ID:")]
    assert client.calculation(int(number.split("\t")[1])).status == "complete"
    dataset = ogr.Open(str(target))  # a layer crashes without it
    assert dataset.GetLayer("map").GetFeatureCount() == 1


def test_a_failing_step_stops_the_chain_with_its_reason(qgis_process, tmp_path):
    target = tmp_path / "losses.gpkg"
    done = qgis_process(
        "openquake:lossesfromjobs",
        HAZARD_JOB=tmp_path / "none.ini",
        RISK_JOB=tmp_path / "none.ini",
        **{"load:OUTPUT": target},
    )
    assert done.code == 1
    assert f"The job {tmp_path / 'none.ini'} does not exist." in done.err
    assert "Error encountered while running Run the hazard job" in done.err
    assert "submitted" not in done.out
    assert not target.exists()
