"""Networks: nodes with what they lose, their edges as lines; on assets of ours and a real demo."""

from __future__ import annotations

import csv
import struct

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, LINE, NONE, POINT, REAL, TEXT

FIELDS = {
    "id": ["E1", "B", "A"],
    "lon": [0.5, 1, 0],
    "lat": [10.5, 11, 10],
    "value-number": [1, 1, 1],
}
TAGS = {
    "taxonomy": ["road", "TAZ", "connection"],
    "type": ["edge", "node", "node"],
    "start_node": ["A", "NA", "NA"],
    "end_node": ["B", "NA", "NA"],
}
NODES = "#,,\"generated_by='x'\"\r\nid,PCL_node,WCL_node\r\nA,2.5E-01,1E-01\r\nB,5E-01,nan\r\n"


@pytest.fixture
def infra(asset_source):
    """A function that reads an output of a network of two nodes and an edge."""

    def read(kind="infra-taz_cl", choices=None, text=NODES, fields=FIELDS, mode="scenario_damage"):
        exports = {"csv": (f"output-7-{kind}_5.csv", text.encode())}
        source = asset_source(kind, fields, TAGS, {"calculation_mode": mode}, exports)
        return catalogue.read(source, choices or Choices())

    return read


def test_nodes_are_points(infra, rows_of):
    table = infra()
    names = ["id", "taxonomy", "type", "lon", "lat", "PCL_node", "WCL_node"]
    assert [c.name for c in table.columns] == names
    assert [c.type for c in table.columns] == [TEXT] * 3 + [REAL] * 4
    assert rows_of(table) == [
        ("A", "connection", "node", 0, 10, 0.25, 0.1),
        ("B", "TAZ", "node", 1, 11, 0.5, None),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[0, 10], [1, 11]]
    assert (table.rows, table.geometry, table.lines) == (2, POINT, None)
    assert [c.title for c in table.columns[5:]] == [
        "Mean partial connectivity loss given the event",
        "Mean weighted connectivity loss given the event",
    ]
    assert not any(c.additive for c in table.columns)
    assert table.title == "Mean partial connectivity loss given the event"
    assert (table.style.field, table.style.classification) == ("PCL_node", "standard")
    assert table.notes == ()


def test_the_mean_of_many_years_is_annual(infra):
    table = infra("infra-node_el", text="id,EL\r\nA,1\r\n", mode="event_based_damage")
    assert table.column("EL").label == "Average annual efficiency loss"


def test_nodes_by_tag_and_field(infra, rows_of):
    table = infra(choices=Choices(taxonomy="TAZ", style_field="wcl_node"))
    assert [row[0] for row in rows_of(table)] == ["B"]
    assert table.style.field == "WCL_node"
    assert infra(choices=Choices(geometry="none")).geometry == NONE


def test_a_node_that_is_no_asset_keeps_its_row(infra, rows_of):
    table = infra("infra-node_el", text="id,EL\r\nA,1\r\nZZ,5E-01\r\n")
    assert rows_of(table) == [
        ("A", "connection", "node", 0, 10, 1),
        ("ZZ", None, None, None, None, 0.5),
    ]
    [block] = table.blocks()
    assert block.xy[0].tolist() == [0, 10]
    assert np.isnan(block.xy[1]).all()
    assert table.notes == ("1 of 2 nodes have no place, they are not assets: ZZ.",)


def test_edges_are_lines_apart_or_instead(infra):
    apart = infra(choices=Choices(lines=True, taxonomy="TAZ"))
    assert (apart.rows, apart.geometry) == (1, POINT)
    for table in (apart.lines, infra(choices=Choices(geometry="line"))):
        assert (table.rows, table.geometry) == (1, LINE)
        [block] = table.blocks()
        assert list(block.wkb) == [struct.pack("<BII4d", 1, 2, 2, 0, 10, 1, 11)]
        assert table.style.field == "taxonomy"


def test_what_nodes_refuse(infra):
    for choices, words in (
        (Choices(geometry="cell"), "auto, point, line or none"),
        (Choices(long_format=True), "LONG_FORMAT"),
        (Choices(kind="mean"), "cannot be chosen by KIND"),
    ):
        with pytest.raises(InvalidChoice, match=words):
            infra(choices=choices)
    with pytest.raises(InvalidOutput, match="has no nodes: node, EL"):
        infra("infra-node_el", text="node,EL\r\nA,1\r\n")


def test_no_nodes(infra):
    table = infra("infra-node_el", text="id,EL\r\n")
    assert (table.rows, list(table.blocks())) == (0, [])
    assert table.notes == ("Risk of calculation 5 is empty.",)


def test_what_the_network_loses_is_a_table(infra, rows_of):
    table = infra("infra-event_ccl", text="event_id,CCL\r\n0,1\r\n7,2.5E-01\r\n")
    assert [(c.name, c.type, c.title) for c in table.columns] == [
        ("event_id", INTEGER, "Event"),
        ("CCL", REAL, "Complete connectivity loss"),
    ]
    assert rows_of(table) == [(0, 1.0), (7, 0.25)]
    assert table.geometry == NONE
    table = infra("infra-avg_loss", text="efl,new\r\n0.5,0.25\r\n")
    assert [c.label for c in table.columns] == ["Mean efficiency loss given the event", "new"]


# --- the real engine


def test_a_road_network_of_the_engine(calculations, demos, source_of, rows_of):
    demo = "risk/InfrastructureRiskRoadNetwork"
    number = calculations(demo)
    table = catalogue.read(source_of(number, "infra-node_el"), Choices(lines=True))
    files = {}
    for part in ("nodes", "edges"):
        text = (demos / demo / f"exposure_demo_{part}.csv").read_text("utf-8-sig")
        files[part] = {row["id"]: row for row in csv.DictReader(text.splitlines())}
    place = {i: (float(row["lon"]), float(row["lat"])) for i, row in files["nodes"].items()}
    assert table.rows == len(place) == 29
    for block in table.blocks():
        for node, xy in zip(block.values[0].tolist(), block.xy.tolist()):
            assert xy == pytest.approx(place[node], abs=1e-5)
    lines = table.lines
    assert lines.rows == len(files["edges"]) == 38
    assert lines.notes == ()
    names = [c.name for c in lines.columns]
    wkb = [w for block in lines.blocks() for w in block.wkb]
    for row, geometry in zip(rows_of(lines), wkb):
        found = dict(zip(names, row))
        wanted = files["edges"][found["id"]]
        for tag in ("taxonomy", "start_node", "end_node", "weight", "purpose", "type"):
            assert found[tag] == wanted[tag]
        start, end = place[wanted["start_node"]], place[wanted["end_node"]]
        assert struct.unpack("<BII4d", geometry)[3:] == pytest.approx((*start, *end), abs=1e-5)
