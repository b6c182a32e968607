"""List Calculations: the whole list, filtered, dated and coloured, with few requests."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from fake_engine import FakeCalculation, FakeEngine
from qgis.core import (
    QgsConditionalStyle,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
)
from qgis.PyQt.QtCore import QDateTime
from steering import Recorder, call, failing
from steering_rows import list_rows, row

LIST = "openquake:listcalculations"
ROWS = [
    row(1, description="Hazard of Zürich", owner="bob", start_time="2026-11-23, 23:59:59 UTC"),
    row(2, calculation_mode="classical_risk", parent_id=1, tags=["swiss", "final"]),
    row(3, status="failed", size_mb=None, start_time=None),
    row(4, status="executing", is_running=True, description="hazard of Basel", size_mb=None),
    row(5, status="aborted", owner="bobby"),
    row(6, status="shared", owner="b%"),
]


@pytest.fixture
def fake(registry):
    with FakeEngine() as engine:
        list_rows(engine, ROWS)
        yield engine


def ids(done) -> list[int]:
    return [r["id"] for r in done.rows()]


def listed(fake, **parameters):
    return call(LIST, **{"SERVER": fake.url, "OUTPUT": "TEMPORARY_OUTPUT", **parameters})


def test_each_calculation_is_a_row_newest_first(fake):
    done = listed(fake)
    assert done.results["COUNT"] == 6
    assert done.results["LATEST_ID"] == 6
    assert done.results["SERVER"] == fake.url
    assert type(done.results["LATEST_ID"]) is int
    rows = done.rows()
    assert [r["id"] for r in rows] == [6, 5, 4, 3, 2, 1]
    moment = rows[4].pop("start_time")
    assert moment.toString("yyyy-MM-dd hh:mm:ss") == "2026-11-23 17:37:53"
    assert rows[4] == {
        "id": 2,
        "description": "Test 2",
        "mode": "classical_risk",
        "status": "complete",
        "owner": "alice",
        "size_mb": 2.5,
        "parent_id": 1,
        "tags": "swiss, final",
        "hidden": False,
    }
    assert (rows[3]["start_time"], rows[3]["size_mb"], rows[3]["parent_id"]) == (None, None, None)
    aliases = [f.alias() for f in done.layer().fields()]
    assert aliases[5:8] == ["Start (UTC)", "Size [MB]", "Based on calculation"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"STATUS": "complete"}, [2, 1]),
        ({"STATUS": "Failed, executing"}, [4, 3]),
        ({"STATUS": "created"}, []),
        ({"MODE": "classical_risk"}, [2]),
        ({"MODE": "Classical"}, [6, 5, 4, 3, 1]),
        ({"DESCRIPTION": "HAZARD OF Z"}, [1]),
        ({"DESCRIPTION": "hazard"}, [4, 1]),
        ({"OWNER": "bob"}, [1]),
        ({"OWNER": "b%"}, [6]),
        ({"LIMIT": 2}, [6, 5]),
        ({"LIMIT": "0"}, [6, 5, 4, 3, 2, 1]),
        ({"LIMIT": 1, "STATUS": "complete"}, [2]),
        ({"OWNER": "bob", "STATUS": "complete", "DESCRIPTION": "zürich"}, [1]),
        ({"STATUS": "", "MODE": None, "DESCRIPTION": "", "OWNER": ""}, [6, 5, 4, 3, 2, 1]),
    ],
)
def test_filters(fake, parameters, expected):
    done = listed(fake, **parameters)
    assert ids(done) == expected
    assert done.results["COUNT"] == len(expected)
    assert done.results.get("LATEST_ID") == (expected[0] if expected else None)


def test_what_the_server_can_filter_it_filters(fake):
    listed(fake, MODE="classical_risk", OWNER="alice", STATUS="complete", DESCRIPTION="test")
    [request] = [r for r in fake.requests if r.path == "/v1/calc/list"]
    assert request.query["calculation_mode"] == "classical_risk"
    assert request.query["user_name_like"] == "alice"


def test_five_thousand_in_a_few_requests(fake, tmp_path, opened):
    list_rows(fake, [row(i, parent_id=i - 1 or None) for i in range(1, 5001)])
    begin = time.monotonic()
    done = listed(fake, OUTPUT=str(tmp_path / "list.gpkg"))
    assert time.monotonic() - begin < 10
    assert (done.results["COUNT"], done.results["LATEST_ID"]) == (5000, 5000)
    assert len(fake.requests) <= 8
    layer = opened(tmp_path / "list.gpkg", "list")
    assert [f["id"] for f in layer.getFeatures()] == list(range(5000, 0, -1))


def test_those_that_start_meanwhile_make_no_row_twice(fake):
    rows = [row(i) for i in range(1, 1501)]
    list_rows(fake, rows)
    usual = fake.answers["GET /v1/calc/list"]

    def answer(request):
        page = usual(request)
        rows.append(row(len(rows) + 1))
        return page

    fake.answers["GET /v1/calc/list"] = answer
    assert ids(listed(fake)) == list(range(1500, 0, -1))


def test_an_engine_that_tells_less(fake):
    """3.16 has neither start, parent nor tags."""
    old = {k: v for k, v in row(7).items() if k not in ("start_time", "relevant", "tags")}
    list_rows(fake, [old])
    [only] = listed(fake).rows()
    assert (only["id"], only["start_time"], only["tags"]) == (7, None, "")


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "UTC"])
def test_the_start_is_the_same_in_every_time_zone(fake, tmp_path, opened, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        listed(fake, OUTPUT=str(tmp_path / "list.gpkg"))
        layer = opened(tmp_path / "list.gpkg", "list")
        [first] = [f for f in layer.getFeatures() if f["id"] == 1]
        moment = first["start_time"]
        assert isinstance(moment, QDateTime)
        assert moment.toString("yyyy-MM-dd hh:mm:ss") == "2026-11-23 23:59:59"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("suffix", ["gpkg", "csv", "xlsx"])
def test_the_status_is_seen_at_a_glance_when_the_file_is_opened_again(
    fake, tmp_path, opened, suffix
):
    path = tmp_path / f"list.{suffix}"
    listed(fake, OUTPUT=str(path))
    layer = opened(path, "list" if suffix == "gpkg" else "")
    layer.loadDefaultStyle()
    assert layer.featureCount() == 6
    styles = layer.conditionalStyles().rowStyles()
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    colors = {}
    for feature in layer.getFeatures():
        context.setFeature(feature)
        [found] = QgsConditionalStyle.matchingConditionalStyles(styles, None, context)
        assert found.name() == feature["status"]
        colors[feature["status"]] = found.backgroundColor().name()
    assert colors == {
        "complete": "#c8e6c9",
        "shared": "#c8e6c9",
        "executing": "#bbdefb",
        "failed": "#ffcdd2",
        "aborted": "#e0e0e0",
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"STATUS": "done"}, "There is no status “done”; there are: complete, shared, executing"),
        ({"LIMIT": -1}, "LIMIT must be 0 (all) or more, not -1."),
        ({"LIMIT": "many"}, "LIMIT"),
        ({"LIMIT": 1.5}, "LIMIT must be a whole number"),
        ({"INCLUDE_HIDDEN": "maybe"}, "INCLUDE_HIDDEN must be true or false, not “maybe”."),
        ({"OUTPUT": "/nowhere/at/all/list.gpkg"}, "/nowhere/at/all"),
    ],
)
def test_bad_input(fake, parameters, words):
    assert words in failing(LIST, **{"SERVER": fake.url, "OUTPUT": "memory:", **parameters})


def step(child: str, algorithm: str, **sources) -> QgsProcessingModelChildAlgorithm:
    added = QgsProcessingModelChildAlgorithm(algorithm)
    added.setChildId(child)
    for name, given in sources.items():
        fixed = not isinstance(given, QgsProcessingModelChildParameterSource)
        source = QgsProcessingModelChildParameterSource.fromStaticValue(given) if fixed else given
        added.addParameterSources(name, [source])
    return added


def chain(fake, folder, description: str, algorithm: str, name: str, **parameters):
    """A model: list, then something with the newest."""
    model = QgsProcessingModelAlgorithm("newest", "tests")
    listing = {"SERVER": fake.url, "DESCRIPTION": description, "OUTPUT": str(folder / "l.gpkg")}
    model.addChildAlgorithm(step("list", LIST, LIMIT=0, INCLUDE_HIDDEN=False, **listing))
    source = QgsProcessingModelChildParameterSource.fromChildOutput("list", "LATEST_ID")
    server = QgsProcessingModelChildParameterSource.fromChildOutput("list", "SERVER")
    model.addChildAlgorithm(
        step("next", algorithm, **{name: source, "SERVER": server}, **parameters)
    )
    return model


def test_a_model_goes_on_with_the_newest(fake, tmp_path):
    fake.calculations[4] = FakeCalculation(4, "complete", description="hazard of Basel")
    fake.calculations[4].write("one")
    log = tmp_path / "log.txt"
    model = chain(
        fake,
        tmp_path,
        "hazard",
        "openquake:getlog",
        "CALCULATION_ID",
        LEVEL="debug",
        FOLLOW=False,
        OUTPUT=str(log),
    )
    feedback = Recorder()
    _, ok = model.run({}, QgsProcessingContext(), feedback, {}, False)
    assert ok, feedback.texts("error")
    assert log.read_text().endswith("] one\n")
    assert fake.count("GET", "/v1/calc/4/log/0:10000") == 1


@pytest.mark.parametrize(
    ("algorithm", "name", "parameters"),
    [
        ("hidecalculation", "CALCULATION_ID", {"HIDE": True}),
        ("abortcalculation", "CALCULATION_ID", {}),
        ("deletecalculation", "CALCULATION_ID", {"CONFIRM": "0"}),
        ("waitforcalculation", "CALCULATION_ID", {"FAIL_ON_FAILED": True}),
        ("listoutputs", "CALCULATION_ID", {"OUTPUT": "memory:"}),
        ("loadoutputaslayer", "CALCULATION_ID", {"OUTPUT_TYPE": "hmaps", "OUTPUT": "memory:"}),
        ("runriskonhazard", "HAZARD_CALCULATION_ID", {"JOB": "job.ini", "WAIT": True}),
    ],
)
def test_a_model_does_not_go_on_with_nothing(fake, tmp_path, algorithm, name, parameters):
    """3.22 hands on what is missing as nothing: no step takes that for a calculation 0."""
    algorithm = f"openquake:{algorithm}"
    model = chain(fake, tmp_path, "no such", algorithm, name, **parameters)
    feedback = Recorder()
    with pytest.raises(QgsProcessingException):
        model.run({}, QgsProcessingContext(), feedback, {}, False)
    assert any("Choose a calculation" in text for text in feedback.texts("error"))
    assert {r.path for r in fake.requests} == {"/v1/engine_version", "/v1/calc/list"}


def test_the_list_of_a_real_engine(registry, server, client, area_source):
    done = call(LIST, SERVER=server.url, OUTPUT="TEMPORARY_OUTPUT")
    known = {c.id: c for c in client.all_calculations()}
    rows = done.rows()
    assert [r["id"] for r in rows] == sorted(known, reverse=True)
    [area] = [r for r in rows if r["id"] == area_source]
    assert area["description"] == "Classical PSHA Area Source demo for Null Island"
    assert (area["mode"], area["status"]) == ("classical", "complete")
    assert area["size_mb"] == pytest.approx(known[area_source].size_mb)
    started = datetime.fromisoformat(area["start_time"].toString("yyyy-MM-ddThh:mm:ss"))
    assert started.replace(tzinfo=timezone.utc) == known[area_source].start_time
