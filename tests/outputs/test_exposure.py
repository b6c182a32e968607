"""The exposure: values, units, tags and networks, on assets of ours; values against the CSV."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import LINE, NONE, POINT, REAL, TEXT

FIELDS = {
    "id": ["00123", "é2", "a3"],
    "ordinal": [0, 1, 2],
    "lon": [80.5, 80.5, 81.25],
    "lat": [29.125, 29.125, 28.75],
    "site_id": [0, 0, 1],
    "value-number": [2, 3, 5],
    "value-structural": [100, 200, 400],
    "value-contents": [10, 20, 40],
    "value-area": [1, 2, 3],
    "occupants_night": [7, 8, 9],
    "ideductible": [0, 0, 0],
    "retrofitted": [50, 60, 70],
}
TAGS = {"taxonomy": ["RM", "W", "W"], "NAME_1": ["Bagmati", "?", "Gandaki, north"]}


@pytest.fixture
def exposure(asset_source):
    """A function that reads three assets at two places."""

    def read(choices=None, fields=FIELDS, tags=TAGS, **about):
        source = asset_source("exposure", fields, tags, **about)
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_the_exposure(exposure, rows_of):
    table = exposure()
    about = {c.name: (c.type, c.title, c.additive) for c in table.columns}
    assert about == {
        "id": (TEXT, "Asset", False),
        "lon": (REAL, "Longitude [°]", False),
        "lat": (REAL, "Latitude [°]", False),
        "value-number": (REAL, "Number [buildings]", True),
        "value-structural": (REAL, "Structural value [EUR]", True),
        "value-contents": (REAL, "Contents value [USD]", True),
        "value-area": (REAL, "Area", True),
        "occupants_night": (REAL, "Occupants, night [people]", True),
        "ideductible": (REAL, "Insurance deductible", False),
        "retrofitted": (REAL, "Retrofitting cost [EUR]", True),
        "NAME_1": (TEXT, "NAME_1", False),
        "taxonomy": (TEXT, "Taxonomy", False),
    }
    assert list(about) == [c.name for c in table.columns]
    assert rows_of(table) == [
        ("00123", 80.5, 29.125, 2, 100, 10, 1, 7, 0, 50, "Bagmati", "RM"),
        ("é2", 80.5, 29.125, 3, 200, 20, 2, 8, 0, 60, "?", "W"),
        ("a3", 81.25, 28.75, 5, 400, 40, 3, 9, 0, 70, "Gandaki, north", "W"),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[80.5, 29.125], [80.5, 29.125], [81.25, 28.75]]
    assert (table.rows, table.geometry) == (3, POINT)
    assert table.title == "Exposure: Structural value [EUR]"
    assert (table.style.field, table.style.classification) == ("value-structural", "logarithmic")


def test_places_of_assets_have_the_digits_of_the_engine(exposure, rows_of):
    fields = {**FIELDS, "lon": [80.08882, 80.08882, 81.25], "lat": [29.12345, 29.12345, 28.75]}
    table = exposure(fields=fields)
    assert rows_of(table)[0][1:3] == (80.08882, 29.12345)
    [block] = table.blocks()
    assert block.xy[0].tolist() == [80.08882, 29.12345]


def test_units_that_nobody_tells_are_not_guessed(exposure):
    table = exposure(exposure=None)
    assert table.column("value-structural").unit == ""
    assert table.column("occupants_night").unit == "people"


def test_the_exposure_without_values_of_buildings(exposure):
    fields = {name: FIELDS[name] for name in ("id", "lon", "lat", "value-number")}
    assert exposure(fields=fields).style.field == "value-number"
    bare = {name: FIELDS[name] for name in ("id", "lon", "lat")}
    assert exposure(fields=bare).style is None


def test_the_field_that_is_drawn_may_be_chosen(exposure):
    table = exposure(Choices(style_field="Occupants_night"))
    assert table.style.field == "occupants_night"
    assert table.title == "Exposure: Occupants, night [people]"


def test_assets_by_tag_and_summed_by_site(exposure, rows_of):
    assert [row[0] for row in rows_of(exposure(Choices(taxonomy="W")))] == ["é2", "a3"]
    table = exposure(Choices(aggregate_by_site=True))
    assert (table.rows, table.title) == (2, "Exposure: Structural value, by site [EUR]")
    position = [c.name for c in table.columns].index("value-structural")
    assert [row[position] for row in rows_of(table)] == [300.0, 400.0]
    with pytest.raises(InvalidChoice, match="there are: RM, W"):
        exposure(Choices(taxonomy="CR"))


def test_without_geometry(exposure):
    table = exposure(Choices(geometry="none"))
    assert table.geometry == NONE
    assert next(table.blocks()).xy is None
    with pytest.raises(
        InvalidChoice, match=r"Risk can be loaded with GEOMETRY auto, point, line or none\."
    ):
        exposure(Choices(geometry="polygon"))
    with pytest.raises(InvalidChoice, match="LONG_FORMAT"):
        exposure(Choices(long_format=True))


def test_no_assets(exposure):
    table = exposure(fields={name: [] for name in FIELDS}, tags={"taxonomy": []})
    assert (table.rows, list(table.blocks())) == (0, [])
    assert table.notes == ("Risk of calculation 5 is empty.",)


def test_assets_that_cannot_be_read(exposure, asset_source):
    with pytest.raises(InvalidOutput, match="does not report the assets of calculation 5"):
        exposure(what="nothing")
    with pytest.raises(InvalidOutput, match="have no lat"):
        exposure(fields={"id": ["a"], "lon": [1]}, tags={})
    source = asset_source("exposure", FIELDS, TAGS)
    source.client.extracts[5, "assets"]["array"]["taxonomy"] = 9
    with pytest.raises(InvalidOutput, match="tags taxonomy"):
        catalogue.read(source, Choices())


def test_the_tag_site_id_counts_from_one_the_field_from_zero(asset_source, rows_of):
    source = asset_source("exposure", FIELDS, {"taxonomy": TAGS["taxonomy"]})
    about = {"taxonomy": ["?", "RM", "W"], "site_id": ["?", 0, 1]}
    about["tagnames"] = ["taxonomy", "site_id"]
    source.client.extracts[5, "assets"]["json"] = np.array(json.dumps(about).encode())
    table = catalogue.read(source, Choices())
    assert table.columns[-2].name == "site_id"
    assert [row[-2] for row in rows_of(table)] == ["0", "0", "1"]


# --- networks

NETWORK = {
    "id": ["E1", "A", "B", "E2", "E3", "E4"],
    "lon": [0.5, 0, 1, 5, 6, 7],
    "lat": [10, 10, 11, 20, 30, 40],
    "value-number": [1, 1, 1, 1, 1, 1],
}
NETWORK_TAGS = {
    "taxonomy": ["road", "station", "station", "bridge", "road", "road"],
    "type": ["Edge", "node", "node", "edge", "edge", "edge"],
    "start_node": ["A", "NA", "NA", "B", "A", "C"],
    "end_node": ["B", "NA", "NA", "A", "E1", "A"],
}


def line(*coordinates: float) -> bytes:
    return struct.pack("<BII4d", 1, 2, 2, *coordinates)


def test_edges_of_a_network_are_lines(exposure, rows_of):
    table = exposure(Choices(geometry="line"), NETWORK, NETWORK_TAGS)
    assert (table.rows, table.geometry, table.title) == (4, LINE, "Edges of the network")
    names = ["id", "end_node", "start_node", "taxonomy", "type", "lon", "lat", "value-number"]
    assert [c.name for c in table.columns] == names
    assert table.column("value-number").unit == "components"
    assert rows_of(table) == [
        ("E1", "B", "A", "road", "Edge", 0.5, 10, 1),
        ("E2", "A", "B", "bridge", "edge", 5, 20, 1),
        ("E3", "E1", "A", "road", "edge", 6, 30, 1),
        ("E4", "A", "C", "road", "edge", 7, 40, 1),
    ]
    [block] = table.blocks()
    # an edge is no node, even if it is named as one
    assert list(block.wkb) == [line(0, 10, 1, 11), line(1, 11, 0, 10), b"", b""]
    assert table.notes == (
        "2 of 4 edges have no line, because one of their nodes is missing: E3 (A, E1), E4 (C, A).",
    )
    assert table.style.field == "taxonomy"


def test_edges_by_tag(exposure):
    table = exposure(Choices(geometry="line", taxonomy="bridge"), NETWORK, NETWORK_TAGS)
    [block] = table.blocks()
    assert list(block.wkb) == [line(1, 11, 0, 10)]
    with pytest.raises(InvalidChoice, match="Lines cannot be summed"):
        exposure(Choices(geometry="line", aggregate_by_site=True), NETWORK, NETWORK_TAGS)


def test_edges_in_a_layer_of_their_own(exposure):
    table = exposure(Choices(lines=True, taxonomy="station"), NETWORK, NETWORK_TAGS)
    assert (table.rows, table.geometry) == (2, POINT)
    assert (table.lines.rows, table.lines.geometry) == (4, LINE)
    assert exposure(Choices(), NETWORK, NETWORK_TAGS).lines is None


def test_what_is_no_network_has_no_lines(exposure):
    with pytest.raises(InvalidChoice, match="are not a network"):
        exposure(Choices(geometry="line"))
    assert exposure(Choices(lines=True)).lines is None
