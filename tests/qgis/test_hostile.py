"""What a server may send in place of an output: one sentence and no file, or a true layer.

The table of all threats, and which test shows each: docs/security.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine, html_answer
from helpers import zipped
from qgis.core import QgsVectorLayer
from steering import call, failing, plain

from oq_processing.layers import metadata

LOAD = "openquake:loadoutputaslayer"
REPORT = "openquake:calculationreport"
EXPORT = "GET /v1/calc/result/7"


@pytest.fixture
def fake(registry):
    with FakeEngine() as engine:
        outputs = [
            {"id": 7, "type": "new", "name": "New", "outtypes": ["csv"]},
            {"id": 8, "type": "hmaps", "name": "Hazard Maps", "outtypes": ["csv", "npz"]},
            {"id": 9, "type": "fullreport", "name": "Full Report", "outtypes": ["rst"]},
        ]
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=outputs)
        yield engine


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (html_answer(500, "KeyError at /v1/calc/result/7", 80_000), "HTTP 500: KeyError at /v1/"),
        (Answer(404), "has no calc/result/7."),
        (Answer(200, b"PK\x03\x04 and no more"), "The export of New is not a whole zip file"),
        (Answer(200, zipped({"a.csv": "x\r\n1\r\n"})[:-9]), "New is not a whole zip file"),
        (Answer(200, zipped({"a.txt": "x"})), "The export of New holds no table (CSV file)."),
        (Answer(200, b"x,y\r\n1,2\r\n1"), "the file is not whole."),
        (Answer(200, b"x\r\n" + b"1" * 17 * 2**20), "cannot be read (a row of more than 16 MB)"),
        (Answer(200, b"x\r\n\xff\xfe\r\n"), "cannot be read ('utf-8' codec can't decode"),
        (Answer(302, headers={"Location": "http://evil.org/x"}), "redirects to http://evil.org/x"),
        (
            Answer(200, b",".join(b"c%d" % i for i in range(2000)) + b"\r\n"),
            "New has 2000 columns; a layer takes 500.",
        ),
    ],
)
def test_an_export_that_is_none_is_one_sentence_and_no_file(fake, tmp_path, answer, words):
    fake.answers[EXPORT] = [answer]
    target = tmp_path / "layer.gpkg"
    target.write_text("yesterday's")
    message = failing(
        LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="new", OUTPUT=str(target)
    )
    assert words in message
    assert "\n" not in message
    assert len(message) < 400
    assert target.read_text() == "yesterday's"
    assert [path.name for path in tmp_path.iterdir()] == ["layer.gpkg"]


@pytest.mark.parametrize("body", [b"", b"Not found", b"PK\x05\x06" + bytes(18)])
def test_an_extract_that_is_none_is_one_sentence(fake, tmp_path, body):
    for what in ("oqparam", "sitecol", "hmaps"):
        fake.answers[f"GET /v1/calc/1/extract/{what}"] = [Answer(200, body)]
    target = tmp_path / "layer.gpkg"
    message = failing(
        LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="hmaps", OUTPUT=str(target)
    )
    assert message.startswith("The engine's answer ")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"\r\n", b"a,b\r\n"])
def test_an_output_with_nothing_in_it_is_an_empty_table(fake, tmp_path, body):
    fake.answers[EXPORT] = [Answer(200, body)]
    target = tmp_path / "layer.gpkg"
    done = call(LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="new", OUTPUT=str(target))
    assert done.results["COUNT"] == 0
    assert "New of calculation 1 is empty." in done.feedback.texts("warning")


HEADER = ["fid", "a", "A", "a", "ogc_fid", "地震", "a b;\"c'", "x" * 300, "lon", "lat", "geom"]
ROW = ["7", "1", "2", "3", "4", "Катманду", "é", "5", "85.5", "27.5", "g"]


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson", "fgb", "csv"])
def test_names_that_a_format_cannot_hold(fake, tmp_path, suffix):
    """Twice the same, the format's own, other scripts, too long: no value is lost."""
    header = ",".join('"' + name.replace('"', '""') + '"' for name in HEADER)
    fake.answers[EXPORT] = [Answer(200, f"{header}\r\n{','.join(ROW)}\r\n".encode())]
    target = tmp_path / f"layer.{suffix}"
    done = call(LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="new", OUTPUT=str(target))
    layer = QgsVectorLayer(str(target), "", "ogr")
    [feature] = layer.getFeatures()
    values = [str(plain(value)).removesuffix(".0") for value in feature.attributes()]
    assert [value for value in ROW if value not in values] == []
    if suffix in ("gpkg", "shp"):
        assert "fid" in " ".join(done.feedback.texts("warning"))


def test_a_report_without_end_is_no_page(fake, tmp_path, monkeypatch):
    from oq_processing.algorithms import calculationreport

    monkeypatch.setattr(calculationreport, "MAX_ANSWER", 10)
    fake.answers["GET /v1/calc/result/9"] = [Answer(200, b"x" * 11)]
    target = tmp_path / "report.html"
    assert "too long to be one" in failing(
        REPORT, SERVER=fake.url, CALCULATION_ID=1, OUTPUT=str(target)
    )
    assert not target.exists()


def test_a_report_runs_nothing(fake, tmp_path):
    text = b"<script>alert(1)</script>\n=========================\n\n<img src=x onerror=y>\n"
    fake.answers["GET /v1/calc/result/9"] = [Answer(200, text)]
    target = tmp_path / "report.html"
    call(REPORT, SERVER=fake.url, CALCULATION_ID=1, OUTPUT=str(target))
    page = target.read_text()
    assert "&lt;script&gt;" in page
    assert not re.search(r"<(script|img)", page)


def test_the_table_of_threats_names_tests_that_there_are():
    root = Path(__file__).parents[2]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (root / "docs" / "security.md").read_text())
    assert len(named) > 50
    for file, test in set(named):
        assert f"\ndef {test}(" in (root / "tests" / file).read_text(), (file, test)


TAG = '<img src="http://evil.org/x">'
ESCAPE = "\x1b]52;c;bad\x07\x9b2J"


def test_words_of_a_server_are_no_html_in_a_layer(fake, tmp_path):
    calculation = fake.calculations[1]
    calculation.description = f"{TAG} a < b & c"
    calculation.outputs[0]["name"] = f"New {TAG}"
    fake.answers[EXPORT] = [Answer(200, b'"<script>alert(1)</script>",value\r\n1,2\r\n')]
    target = tmp_path / "layer.gpkg"
    done = call(LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="new", OUTPUT=str(target))
    layer = QgsVectorLayer(f"{target}|layername=layer", "", "ogr")
    layer.loadDefaultMetadata()
    layer.setName(layer.metadata().title())
    page = layer.htmlMetadata()
    assert "<img" not in page
    assert "<script" not in page
    assert "‹img src" in page
    assert layer.metadata().abstract().startswith('‹img src="http://evil.org/x"> a < b & c\n')
    about = metadata.read(layer)
    assert about["provenance"]["description"] == f"{TAG} a < b & c"
    assert about["columns"][0]["name"] == "<script>alert(1)</script>"
    [feature] = layer.getFeatures()
    assert feature.attributes()[1:] == [1, 2]
    assert (
        "The column “<script>alert(1)</script>” is stored as “‹script>alert(1)‹/script>”."
        in done.feedback.texts("warning")
    )


def test_a_server_controls_no_terminal(fake, tmp_path):
    calculation = fake.calculations[1]
    calculation.outputs[0]["name"] = f"New {ESCAPE}"
    for level in ("INFO", "WARNING", "ERROR"):
        calculation.write(f"{level}\r\n{ESCAPE}\tend", level)
    log = tmp_path / "log.txt"
    done = call("openquake:getlog", SERVER=fake.url, CALCULATION_ID=1, OUTPUT=str(log))
    call(
        "openquake:listoutputs", done.feedback, SERVER=fake.url, CALCULATION_ID=1, OUTPUT="memory:"
    )
    fake.answers[EXPORT] = [Answer(200, b"")]
    target = tmp_path / "layer.gpkg"
    call(
        LOAD,
        done.feedback,
        SERVER=fake.url,
        CALCULATION_ID=1,
        OUTPUT_TYPE="new",
        OUTPUT=str(target),
    )
    shown = "".join(done.feedback.texts())
    assert "INFO\n\ufffd]52;c;bad\ufffd\ufffd2J\tend" in shown
    assert f"New {ESCAPE} of calculation 1 is empty." not in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    fake.answers[EXPORT] = [html_answer(500, ESCAPE)]
    message = failing(LOAD, SERVER=fake.url, CALCULATION_ID=1, OUTPUT_TYPE="new", OUTPUT="a.gpkg")
    assert message.endswith("answered HTTP 500: \ufffd]52;c;bad\ufffd\ufffd2J")
