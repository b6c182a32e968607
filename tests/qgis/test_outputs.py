"""List Outputs, Download Output, Show Parameters: all the server has, nothing overwritten."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import urllib.request
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, html_answer
from steering import Recorder, When, call, failing

from oq_processing.algorithms.downloadoutput import safe_name
from oq_processing.engine import server as server_module

OUTPUTS = "openquake:listoutputs"
DOWNLOAD = "openquake:downloadoutput"
PARAMETERS = "openquake:calculationparameters"
EXPORT = "GET /v1/calc/result/7"
ROWS = [
    {"id": 7, "type": "hmaps", "name": "Hazard Maps", "outtypes": ["csv", "npz"], "size_mb": -1.0},
    {"id": 8, "type": "new", "name": "Something New", "outtypes": ["xyz"], "size_mb": 1.5},
    {"id": 9, "type": "fullreport", "name": "Full Report", "outtypes": ["rst"], "size_mb": None},
]


@pytest.fixture
def fake(registry, monkeypatch):
    monkeypatch.setattr(server_module, "DOWNLOAD_AGAIN", 0.0)
    with FakeEngine() as engine:
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=ROWS)
        yield engine


def file_answer(name: str, body: bytes = b"content") -> Answer:
    return Answer(200, body, {"Content-Disposition": f"attachment; filename={name}"})


def fetched(fake, folder, **parameters):
    given = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT_TYPE": "hmaps", "FOLDER": str(folder)}
    return call(DOWNLOAD, **{**given, **parameters})


# --- list outputs


def test_outputs_with_formats_size_and_what_they_become(fake):
    done = call(OUTPUTS, SERVER=fake.url, CALCULATION_ID=1, OUTPUT="TEMPORARY_OUTPUT")
    assert done.results["COUNT"] == 3
    assert done.results["CALCULATION_ID"] == 1
    assert done.results["SERVER"] == fake.url
    assert done.rows() == [
        {
            "id": 7,
            "type": "hmaps",
            "name": "Hazard Maps",
            "formats": "csv, npz",
            "size_mb": None,
            "loadable_as": "point, cell",
        },
        {
            "id": 8,
            "type": "new",
            "name": "Something New",
            "formats": "xyz",
            "size_mb": 1.5,
            "loadable_as": "",
        },
        {
            "id": 9,
            "type": "fullreport",
            "name": "Full Report",
            "formats": "rst",
            "size_mb": None,
            "loadable_as": "",
        },
    ]


def test_the_average_over_different_earthquakes_is_loaded_as_a_file_only(fake):
    calculation = fake.calculations[1]
    calculation.outputs = [{**calculation.outputs[0], "type": "avg_gmf"}]
    found = {}
    for calculation.mode in ("event_based", "scenario"):
        done = call(OUTPUTS, SERVER=fake.url, CALCULATION_ID=1, OUTPUT="TEMPORARY_OUTPUT")
        found[calculation.mode] = done.rows()[0]["loadable_as"]
    assert found == {"event_based": "point (MEMBER=avg_gmf)", "scenario": "point, cell"}


def test_no_outputs_of_one_that_failed(fake):
    fake.calculations[1].status = "failed"
    fake.calculations[1].outputs = []
    done = call(OUTPUTS, SERVER=fake.url, CALCULATION_ID=1, OUTPUT="TEMPORARY_OUTPUT")
    assert done.results["COUNT"] == 0
    assert done.feedback.texts("warning") == ["Calculation 1 is failed and has no outputs."]


def test_the_outputs_of_a_real_calculation(registry, server, client, area_source, tmp_path, opened):
    target = tmp_path / "outputs.gpkg"
    done = call(OUTPUTS, SERVER=server.url, CALCULATION_ID=area_source, OUTPUT=str(target))
    rows = [(f["id"], f["type"], f["name"]) for f in opened(target, "outputs").getFeatures()]
    assert rows == [(o.id, o.type, o.name) for o in client.outputs(area_source)]
    assert len(rows) == done.results["COUNT"] >= 4


@pytest.mark.parametrize("algorithm", [OUTPUTS, DOWNLOAD, PARAMETERS])
@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "Choose a calculation"), ("x", "must be a number"), (99, "Calculation 99 does not exist")],
)
def test_an_id_that_is_none(fake, tmp_path, algorithm, number, words):
    given = {"SERVER": fake.url, "CALCULATION_ID": number, "FOLDER": str(tmp_path / "new")}
    given["OUTPUT"] = "TEMPORARY_OUTPUT"
    assert words in failing(algorithm, **given, OUTPUT_TYPE="hmaps")
    assert not (tmp_path / "new").exists()


# --- download output


def test_a_download_gets_the_servers_name_in_the_folder(fake, tmp_path):
    fake.answers[EXPORT] = [file_answer("output-7-hmaps_1.csv", b"a,b\n")]
    done = fetched(fake, tmp_path / "a" / "new")
    target = tmp_path / "a" / "new" / "output-7-hmaps_1.csv"
    assert done.results == {"OUTPUT": str(target), "FOLDER": str(target.parent)}
    assert target.read_bytes() == b"a,b\n"
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    assert fake.requests[-1].query == {"export_type": "csv"}
    assert done.feedback.has(f"{target}: 4 bytes")


@pytest.mark.parametrize(("fmt", "asked"), [("npz", "npz"), ("NPZ", "npz"), ("", "csv")])
def test_the_format_is_the_chosen_or_the_first(fake, tmp_path, fmt, asked):
    fake.answers[EXPORT] = [file_answer("x")]
    fetched(fake, tmp_path, FORMAT=fmt)
    assert fake.requests[-1].query == {"export_type": asked}


@pytest.mark.parametrize("kind", ["hmaps", "7", 7, "hazard maps"])
def test_an_output_is_named_by_type_id_or_title(fake, tmp_path, kind):
    fake.answers[EXPORT] = [file_answer("x")]
    fetched(fake, tmp_path, OUTPUT_TYPE=kind)
    assert fake.count("GET", "/v1/calc/result/7") == 1


def test_nothing_is_ever_overwritten(fake, tmp_path):
    names = []
    for i in range(3):
        fake.answers[EXPORT] = [file_answer("maps.csv.gz", b"%d" % i)]
        names.append(fetched(fake, tmp_path).results["OUTPUT"])
    assert [name.rpartition("/")[2] for name in names] == [
        "maps.csv.gz",
        "maps-2.csv.gz",
        "maps-3.csv.gz",
    ]
    assert [Path(name).read_bytes() for name in names] == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("maps.csv", "maps.csv"),
        ("../x", "x"),
        ("..\\..\\x.csv", "x.csv"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("C:x.csv", "C_x.csv"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("...hidden ", "hidden"),
        ("a/b/", "_"),
        ("CON", "_CON"),
        ("con.csv", "_con.csv"),
        ("aux .txt", "_aux .txt"),
        ("LPT1.csv.gz", "_LPT1.csv.gz"),
        ("conto.csv", "conto.csv"),
        ('a"b<c>d|e?f*g\x07\x7f.csv', "a_b_c_d_e_f_g__.csv"),
        ("é" * 200 + ".csv", "é" * 73 + ".csv"),
        ("x" * 200, "x" * 150),
        ("a." + "b" * 200, "a." + "b" * 148),
    ],
)
def test_a_name_that_stays_in_its_folder_on_every_system(given, safe):
    assert safe_name(given) == safe
    assert len(safe.encode()) <= 151


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../outside.csv", "outside.csv"),
        ("/tmp/outside.csv", "outside.csv"),
        ("..\\\\outside.csv", "outside.csv"),
        ("C:outside.csv", "C_outside.csv"),
        ("con.csv", "_con.csv"),
    ],
)
def test_no_name_of_a_server_leaves_the_folder(fake, tmp_path, name, kept):
    folder = tmp_path / "a" / "b"
    fake.answers[EXPORT] = [file_answer(f'"{name}"')]
    target = fetched(fake, folder).results["OUTPUT"]
    assert target == str(folder / kept)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [folder / kept]


@pytest.mark.parametrize("headers", [{}, {"Content-Disposition": 'attachment; filename=""'}])
def test_a_file_without_a_name_gets_one_in_the_folder(fake, tmp_path, headers):
    fake.answers[EXPORT] = [Answer(200, b"x", headers)]
    target = tmp_path / "calculation-1-hmaps"
    assert fetched(fake, tmp_path).results["OUTPUT"] == str(target)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [target]


@pytest.mark.parametrize("breaks", [1, 2])
@pytest.mark.parametrize("drop", ["end", "reset"])
def test_a_download_that_breaks_in_the_middle_begins_anew(fake, tmp_path, drop, breaks):
    body = bytes(range(256)) * 8192
    half = Answer(200, body[: len(body) // 2], announced=len(body), drop=drop)
    fake.answers[EXPORT] = [*[half] * breaks, file_answer("x.csv", body)]
    target = tmp_path / "x.csv"
    fetched(fake, tmp_path)
    assert target.read_bytes() == body
    assert list(tmp_path.iterdir()) == [target]
    assert fake.count("GET", "/v1/calc/result/7") == breaks + 1


def test_a_download_that_always_breaks_is_an_error_and_no_file(fake, tmp_path):
    half = Answer(200, b"half", announced=10, drop="end")
    fake.answers[EXPORT] = [half] * 5
    message = failing(
        DOWNLOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="hmaps", FOLDER=str(tmp_path)
    )
    assert message.endswith("broke after 4 of 10 bytes, 3 times in a row.")
    assert fake.count("GET", "/v1/calc/result/7") == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (html_answer(500, "OSError at /v1/calc/result/7", 80_000), "answered HTTP 500: OSError at"),
        (Answer(404), "has no calc/result/7"),
        (Answer(403), "wants a login"),
        (html_answer(502, "Bad Gateway"), "answered HTTP 502: Bad Gateway"),
        (Answer(0, drop="reset"), "broke"),
        (Answer(204), "answered HTTP 204 in place of the file (calc/result/7)"),
    ],
)
def test_what_is_refused_is_not_asked_again(fake, tmp_path, answer, words):
    fake.answers[EXPORT] = [answer, file_answer("x")]
    message = failing(
        DOWNLOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="hmaps", FOLDER=str(tmp_path)
    )
    assert words in message
    assert fake.count("GET", "/v1/calc/result/7") == 1
    assert list(tmp_path.iterdir()) == []


def test_cancel_in_a_download_leaves_nothing(fake, tmp_path):
    body = b"x" * 2**20
    fake.answers[EXPORT] = [Answer(200, [body, threading.Event()], announced=2 * len(body))]
    feedback = Recorder()
    when = When(lambda: list(tmp_path.glob("*.part")), feedback.cancel)
    message = failing(
        DOWNLOAD,
        feedback,
        SERVER=fake.url,
        CALCULATION_ID=1,
        OUTPUT_TYPE="hmaps",
        FOLDER=str(tmp_path),
    )
    assert when.at
    assert message == "Cancelled by the user."
    assert list(tmp_path.iterdir()) == []
    assert fake.count("GET", "/v1/calc/result/7") == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"OUTPUT_TYPE": ""}, "Choose an output of calculation 1: hmaps (Hazard Maps), new ("),
        ({"OUTPUT_TYPE": "uhs"}, "Calculation 1 has no output “uhs”; it has: hmaps"),
        ({"FORMAT": "xml"}, "Hazard Maps of calculation 1 has no format “xml”; it has: csv, npz."),
        ({"FOLDER": ""}, "Give the folder to download to: FOLDER=downloads."),
        ({"FOLDER": "/dev/null/x"}, "/dev/null/x cannot be made"),
        ({"OUTPUT_TYPE": "input"}, "does not give out the input files of calculation 1."),
    ],
)
def test_bad_input(fake, tmp_path, parameters, words):
    given = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT_TYPE": "hmaps"}
    given["FOLDER"] = str(tmp_path / "new")
    assert words in failing(DOWNLOAD, **{**given, **parameters})
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_datastore_while_it_is_computed(fake, tmp_path):
    fake.calculations[1].status = "executing"
    fake.calculations[1].outputs = []
    fake.answers["GET /v1/calc/1/datastore"] = [file_answer("calc_1.hdf5", b"\x89HDF")]
    done = fetched(fake, tmp_path, OUTPUT_TYPE="Datastore")
    assert done.results["OUTPUT"] == str(tmp_path / "calc_1.hdf5")


def raw(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_downloads_of_a_real_calculation(registry, server, client, area_source, tmp_path):
    """Byte for byte what the server gives out."""
    outputs = {o.type: o for o in client.outputs(area_source)}

    def get(**parameters) -> bytes:
        done = call(
            DOWNLOAD,
            SERVER=server.url,
            CALCULATION_ID=area_source,
            FOLDER=str(tmp_path),
            **parameters,
        )
        return Path(done.results["OUTPUT"]).read_bytes()

    report = get(OUTPUT_TYPE="fullreport")
    assert report == raw(f"{server.url}/v1/calc/result/{outputs['fullreport'].id}?export_type=rst")
    store = get(OUTPUT_TYPE="datastore")
    there = raw(f"{server.url}/v1/calc/{area_source}/datastore")
    assert hashlib.sha256(store).digest() == hashlib.sha256(there).digest()
    assert store[:4] == b"\x89HDF"
    maps = get(OUTPUT_TYPE="hmaps", FORMAT="npz")
    assert np.load(io.BytesIO(maps)).files
    assert get(OUTPUT_TYPE="hmaps", FORMAT="csv")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert f"calc_{area_source}.hdf5" in names
    assert len(names) == 4


@pytest.mark.parametrize("listed", [False, True])
def test_the_inputs_come_from_where_the_engine_has_them(fake, tmp_path, listed):
    """As an output of their own, or as the archive that some modes give."""
    if listed:
        fake.calculations[1].outputs = [
            {"id": 5, "type": "input", "name": "Input Files", "outtypes": ["zip"]}
        ]
    path = "/v1/calc/result/5" if listed else "/v1/calc/1/job_zip"
    fake.answers[f"GET {path}"] = [file_answer("inputs.zip", b"PK")]
    done = fetched(fake, tmp_path, OUTPUT_TYPE="input")
    assert done.results["OUTPUT"] == str(tmp_path / "inputs.zip")
    assert fake.count("GET", path) == 1


def test_a_real_calculation_whose_inputs_the_engine_does_not_give(
    registry, server, area_source, tmp_path
):
    message = failing(
        DOWNLOAD,
        SERVER=server.url,
        CALCULATION_ID=area_source,
        OUTPUT_TYPE="input",
        FOLDER=str(tmp_path),
    )
    assert message == (
        f"The server does not give out the input files of calculation {area_source}."
    )


# --- show parameters


def test_the_parameters_are_those_of_the_job(
    registry, server, demos, area_source, tmp_path, opened
):
    target = tmp_path / "p.gpkg"
    call(PARAMETERS, SERVER=server.url, CALCULATION_ID=area_source, OUTPUT=str(target))
    shown = {f["name"]: f["value"] for f in opened(target, "p").getFeatures()}
    job = ConfigParser(interpolation=None)
    job.read(demos / "hazard/AreaSourceClassicalPSHA/job.ini")
    ini = {k: v for section in job.sections() for k, v in job[section].items()}
    assert shown["description"] == ini["description"]
    assert shown["calculation_mode"] == "classical"
    assert float(shown["truncation_level"]) == float(ini["truncation_level"])
    assert json.loads(shown["poes"]) == [float(p) for p in ini["poes"].split()]
    assert float(shown["investigation_time"]) == float(ini["investigation_time"])
    served = json.loads(
        np.load(io.BytesIO(raw(f"{server.url}/v1/calc/{area_source}/extract/oqparam")))[
            "json"
        ].tobytes()
    )
    assert shown.keys() == served.keys()
    for name, value in served.items():
        got = shown[name]
        assert got == value or json.loads(got) == value


def test_one_that_never_began_has_no_parameters(fake):
    fake.calculations[1].status = "failed"
    message = failing(PARAMETERS, SERVER=fake.url, CALCULATION_ID=1, OUTPUT="TEMPORARY_OUTPUT")
    assert message.startswith("Calculation 1 (failed) has no parameters to show: ")
