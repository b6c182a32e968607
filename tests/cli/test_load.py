"""Load Output as Layer by qgis_process: exit codes, sentences, and no good file lost."""

from __future__ import annotations

import resource

import pytest
from osgeo import ogr

LOAD = "openquake:loadoutputaslayer"

CASES = {
    "id 0": ({"CALCULATION_ID": 0}, "CALCULATION_ID must be its id, 1 or more, not 0"),
    "id negative": ({"CALCULATION_ID": -3}, "CALCULATION_ID must be its id, 1 or more, not -3"),
    "id text": ({"CALCULATION_ID": "abc"}, "CALCULATION_ID must be a number, not “abc”"),
    "id unknown": ({"CALCULATION_ID": 99999}, "Calculation 99999 does not exist"),
    "no such output": (
        {"OUTPUT_TYPE": "avg_losses-stats"},
        "has no output “avg_losses-stats”; it has: fullreport (Full Report), hcurves (Hazard "
        "Curves), hmaps (Hazard Maps), uhs (Uniform Hazard Spectra)",
    ),
    "no such IMT": (
        {"IMT": "PGV"},
        "There is no intensity measure type “PGV”; IMT may be: PGA, SA(0.025), SA(0.05), ",
    ),
    "no such PoE": (
        {"POE": "0.05"},
        "There is no probability of exceedance “0.05”; POE may be: 0.1 (10%, 475y), "
        "0.02 (2%, 2475y)",
    ),
    "no such realization": ({"KIND": "rlz-7"}, "KIND may be: mean, rlz-0 (A~A, weight 1)"),
    "no such folder": ({"OUTPUT": "no/folder/map.gpkg"}, "folder"),
    "gone with the process": ({"OUTPUT": "TEMPORARY_OUTPUT"}, "give a file: OUTPUT="),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_an_exit_code(case, qgis_process, area_source, tmp_path):
    parameters, words = CASES[case]
    good = tmp_path / "map.gpkg"
    good.write_bytes(b"yesterday's map")
    done = qgis_process(LOAD, **{"CALCULATION_ID": area_source, "OUTPUT": good, **parameters})
    assert done.code == 1
    assert words in done.err
    assert "Traceback" not in done.err
    assert good.read_bytes() == b"yesterday's map"
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]


def test_runs_at_once_with_one_output_end_well_and_leave_one_whole_file(
    qgis_process, area_source, tmp_path
):
    fields = {"PGA": "PGA-0.1", "SA(0.2)": "SA(0.2)-0.1", "SA(0.5)": "SA(0.5)-0.1"}
    given = {"CALCULATION_ID": area_source, "OUTPUT": tmp_path / "map.gpkg"}
    runs = [qgis_process.start(LOAD, IMT=imt, **given) for imt in fields]
    for run in runs:
        with run:
            _, err = run.communicate(timeout=120)
        assert (run.returncode, "Traceback" in err) == (0, False), err
    dataset = ogr.Open(str(tmp_path / "map.gpkg"))
    [layer] = [table for table in dataset if table.GetName() == "map"]
    assert layer.GetFeatureCount() == 624
    names = {column.GetName() for column in layer.schema}
    assert len(names & set(fields.values())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]


@pytest.mark.parametrize(
    ("limit", "words"),
    [(64, "could not be written"), (200, "could not be written whole, with its style and origin")],
)
def test_a_file_that_cannot_grow_is_an_error_and_loses_nothing(
    limit, words, qgis_process, area_source, tmp_path
):
    """Files above ``limit`` kB find no room: within the rows, or within style and origin."""
    good = tmp_path / "map.gpkg"
    good.write_bytes(b"yesterday's map")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # inherited by qgis_process; this process writes nothing meanwhile
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit * 1024, before[1]))
    try:
        process = qgis_process.start(LOAD, CALCULATION_ID=area_source, OUTPUT=good)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"map.gpkg {words}" in err
    assert "full" not in err.partition("map.gpkg could not be written")[2].partition("\n")[0]
    assert good.read_bytes() == b"yesterday's map"
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]
