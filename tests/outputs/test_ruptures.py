"""Ruptures: outlines as polygons or lines, what is drawn of them, answers that are broken."""

from __future__ import annotations

import gzip
import math
import struct

import numpy as np
import pytest

from oq_processing.engine.calculation import Output
from oq_processing.engine.errors import InvalidChoice, InvalidOutput, ServerFault
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import LINE, NONE, POINT, POLYGON
from oq_processing.outputs.readers import rupture_outlines, ruptures

RUPTURE = [
    ("rup_id", "<i8"),
    ("source_id", "S75"),
    ("multiplicity", "<u4"),
    ("mag", "<f4"),
    ("centroid_lon", "<f4"),
    ("centroid_lat", "<f4"),
    ("centroid_depth", "<f4"),
    ("trt", "S50"),
    ("strike", "<f4"),
    ("dip", "<f4"),
    ("rake", "<f4"),
]
NAMES = [name for name, _ in RUPTURE]
METRES = 111_195.0
DIPPING = "POLYGON((10.0 40.0, 10.5 40.0, 10.5 40.2, 10.0 40.2, 10.0 40.0))"
VERTICAL = "LINESTRING(10.0 0.0, 10.0 0.1)"


def rupture(number, mag=6.05, lon=10.0, lat=40.0, trt="Volcanic", strike=0.0):
    return (number, "é1", 3, mag, lon, lat, 11.5, trt.encode(), strike, 90.0, -45.0)


def packed(*outlines: str) -> np.ndarray:
    return np.array(gzip.compress("\n".join(outlines).encode()))


@pytest.fixture
def rupture_source(fake_source):
    """A function that makes a source of ruptures, with outlines or without."""

    def make(rows, outlines=(), minimum=None, members=None):
        source = fake_source(type="ruptures", name="Earthquake Ruptures")
        rows = [(r[0], r[1].encode(), *r[2:]) for r in rows]
        array = np.array(rows, RUPTURE)
        query = [] if minimum is None else [("min_mag", minimum)]
        for boundaries in ("yes", "no"):
            given = members
            if members is None:
                given = {"array": array, "boundaries": packed(*outlines)}
            key = (5, "rupture_info", ("boundaries", boundaries), *query)
            source.client.extracts[key] = given
        return source

    return make


@pytest.fixture
def shapes_of(rupture_source):
    """A function that reads outlines into coordinates: of the layer, and of that of the lines."""

    def shapes(*outlines: str, lines=False, **about):
        source = rupture_source([rupture(i, **about) for i in range(len(outlines))], outlines)
        table = catalogue.read(source, Choices(lines=lines))
        shapes.table = table
        found = [coordinates(wkb) for block in table.blocks() for wkb in block.wkb]
        if not lines:
            return found
        return found, [coordinates(wkb) for block in table.lines.blocks() for wkb in block.wkb]

    return shapes


def coordinates(wkb: bytes) -> np.ndarray:
    """Return the points of a WKB polygon of one ring, or of a line."""
    order, kind = struct.unpack_from("<BI", wkb)
    assert order == 1
    head = 13 if kind == 3 else 9
    if kind == 3:
        assert struct.unpack_from("<I", wkb, 5) == (1,)
    else:
        assert kind == 2
    [count] = struct.unpack_from("<I", wkb, head - 4)
    assert len(wkb) == head + 16 * count
    return np.frombuffer(wkb, "<f8", offset=head).reshape(count, 2)


def read(source, **choices):
    return catalogue.read(source, Choices(**choices))


def width(ring: np.ndarray) -> float:
    """Return the width of a thin ring in metres: its area by half the length around it."""
    xy = (ring - ring[0]) * METRES
    xy[:, 0] *= math.cos(math.radians(ring[0, 1]))
    x, y = xy.T
    area = abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    return 2 * area / np.hypot(*np.diff(xy, axis=0).T).sum()


def test_a_table_of_ruptures(rupture_source, rows_of):
    rows = [rupture(9, 6.05), rupture(4, 7.1, trt="Subduction Interface")]
    table = read(rupture_source(rows, [DIPPING, DIPPING.replace("40.2", "40.4")]))
    assert [c.name for c in table.columns] == NAMES
    # in the order of the CSV, each with its own outline; numbers as short as they are
    assert rows_of(table) == [
        (4, "é1", 3, 7.1, 10.0, 40.0, 11.5, "Subduction Interface", 0.0, 90.0, -45.0),
        (9, "é1", 3, 6.05, 10.0, 40.0, 11.5, "Volcanic", 0.0, 90.0, -45.0),
    ]
    [block] = table.blocks()
    corners = [(10, 40), (10.5, 40), (10.5, 40.2), (10, 40.2), (10, 40)]
    assert coordinates(block.wkb[1]).tolist() == [list(xy) for xy in corners]
    assert coordinates(block.wkb[0])[:, 1].max() == 40.4
    assert (table.rows, table.geometry, table.lines, table.notes) == (2, POLYGON, None, ())
    assert table.title == "Ruptures by tectonic region, magnitude 6.05 to 7.1, calculation 5"
    assert table.column("multiplicity").label == "Number of occurrences"
    assert table.column("centroid_depth").title == "Centroid depth [km]"


def test_large_magnitudes_are_on_top_of_regions_with_their_own_colours(rupture_source):
    regions = ["Volcanic", "Active Shallow Crust", "Moon", "*", "Mars"]
    rows = [rupture(i, trt=trt) for i, trt in enumerate(regions)]
    style = read(rupture_source(rows), geometry="point").style
    assert (style.field, style.order_by) == ("trt", "mag")
    colors = {value: color for value, _, color in style.categories}
    assert list(colors) == sorted(regions)
    assert colors["Volcanic"] == "#ff7f00"
    assert colors["Active Shallow Crust"] == "#e31a1c"
    assert len(set(colors.values())) == 5
    assert {v: label for v, label, _ in style.categories}["*"] == "any tectonic region"
    # another layer, the same colours
    style = read(rupture_source(rows[2:3]), geometry="point").style
    assert style.categories == (("Moon", "Moon", colors["Moon"]),)
    style = read(rupture_source(rows), geometry="point", style_field="mag").style
    assert (style.field, style.order_by, style.categories) == ("mag", "mag", ())


def test_vertical_faults_are_drawn_by_the_same_field(rupture_source):
    source = rupture_source([rupture(1), rupture(2)], [DIPPING, VERTICAL])
    table = read(source, lines=True, style_field="MAG")
    assert table.style == table.lines.style
    assert (table.lines.style.field, table.lines.style.ramp) == ("mag", "Plasma")
    with pytest.raises(InvalidChoice, match="There is no field “size” to style; there are: rup_id"):
        read(source, lines=True, style_field="size")


def test_a_vertical_fault_is_a_thin_polygon(shapes_of):
    dipping, thin = shapes_of(DIPPING, VERTICAL)
    assert len(dipping) == 5
    across = 10 / METRES
    assert np.abs(thin[:, 0] - 10) == pytest.approx([across] * 5, rel=1e-5)
    assert thin[0, 0] != thin[2, 0]
    assert sorted(set(thin[:, 1])) == [0.0, 0.1]
    assert thin[0].tolist() == thin[-1].tolist()
    assert shapes_of.table.notes == ("1 rupture is vertical, drawn as polygons 20 m wide.",)
    assert shapes_of.table.provenance["vertical_faults"] == 1


def test_a_thin_polygon_is_as_wide_far_from_the_equator(shapes_of):
    [east, slanted] = shapes_of(
        "LINESTRING(10.0 60.0, 10.2 60.0)", "LINESTRING(10.0 60.0, 10.2 60.1)"
    )
    assert width(east) == pytest.approx(20, rel=0.01)
    assert width(slanted) == pytest.approx(20, rel=0.01)
    assert east[:, 1].max() - east[:, 1].min() == pytest.approx(20 / METRES)


def test_vertical_faults_as_lines_of_their_own(shapes_of):
    polygons, lines = shapes_of(VERTICAL, DIPPING, VERTICAL, lines=True)
    table = shapes_of.table
    assert [len(p) for p in polygons] == [5]
    assert [line.tolist() for line in lines] == [[[10, 0], [10, 0.1]]] * 2
    assert (table.rows, table.geometry) == (1, POLYGON)
    assert (table.lines.rows, table.lines.geometry) == (2, LINE)
    numbers = [b.values[0].tolist() for t in (table, table.lines) for b in t.blocks()]
    assert numbers == [[1], [0, 2]]
    assert table.notes == ("2 ruptures are vertical: they are lines in a layer of their own.",)
    title = "Ruptures by tectonic region, magnitude 6.05, calculation 5: vertical faults"
    assert table.lines.title == title
    assert table.lines.columns == table.columns
    # each layer is given its own origin
    assert table.lines.provenance is not table.provenance
    assert table.lines.style.field == "trt"


def test_all_or_none_may_be_vertical(shapes_of):
    polygons, lines = shapes_of(DIPPING, lines=True)
    assert (len(polygons), len(lines), shapes_of.table.lines.rows) == (1, 0, 0)
    polygons, lines = shapes_of(VERTICAL, lines=True)
    assert (len(polygons), len(lines), shapes_of.table.rows) == (0, 1, 0)


def test_an_outline_there_and_back_is_vertical(shapes_of):
    # a fault with a bend: its top from south to north, its bottom back, a metre beside
    top = [(10.0, 0.0), (10.0, 0.05), (10.05, 0.1)]
    ring = [*top, (10.05001, 0.1), (10.00001, 0.05), (10.0, 0.00001), top[0]]
    text = f"POLYGON(({', '.join(f'{x:.5f} {y:.5f}' for x, y in ring)}))"
    _, [line] = shapes_of(text, lines=True)
    assert len(line) == 3
    ends = sorted(map(tuple, line[[0, -1]]))
    assert ends[0] == pytest.approx((10, 0), abs=2e-5)
    assert ends[1] == pytest.approx((10.05, 0.1), abs=2e-5)
    assert line[1] == pytest.approx((10, 0.05), abs=2e-5)
    [thin] = shapes_of(text)
    assert len(thin) == 7
    assert width(thin) == pytest.approx(20, rel=0.01)


def test_points_that_the_engine_sorted_as_text(shapes_of):
    # "10.0…" stands before "9.9…"
    _, [line] = shapes_of("LINESTRING(10.00000 1.0, 10.10000 1.0, 9.90000 1.0)", lines=True)
    assert line[:, 0].tolist() in ([9.9, 10.0, 10.1], [10.1, 10.0, 9.9])


def test_a_rupture_that_is_a_point_lies_along_its_strike(shapes_of):
    _, [line] = shapes_of("LINESTRING(10.0 60.0)", lines=True, strike=90.0)
    half = 10 / METRES / math.cos(math.radians(60))
    assert line.tolist() == [
        pytest.approx([10 - half, 60.0]),
        pytest.approx([10 + half, 60.0]),
    ]
    [square] = shapes_of("LINESTRING(10.0 60.0)", strike=30.0)
    # twice the area by the length around is half the side of a square
    assert width(square) == pytest.approx(10, rel=0.01)
    assert square.mean(axis=0) == pytest.approx((10, 60), abs=1e-3)


def test_outlines_across_the_antimeridian(shapes_of):
    text = "POLYGON((179.5 0.0, -179.5 0.0, -179.5 0.5, 179.5 0.5, 179.5 0.0))"
    [ring] = shapes_of(text, lon=179.9)
    assert ring[:, 0].tolist() == [179.5, 180.5, 180.5, 179.5, 179.5]
    [ring] = shapes_of(text, lon=-179.9)
    assert ring[:, 0].tolist() == [-180.5, -179.5, -179.5, -180.5, -180.5]
    _, [line] = shapes_of("LINESTRING(-179.9 5.0, 179.9 5.0)", lon=180.0, lines=True)
    assert line[:, 0].tolist() == [pytest.approx(180.1), 179.9]


def test_rings_that_are_open_or_miss_corners(shapes_of):
    [ring] = shapes_of("POLYGON((1.0 1.0, 2.0 1.0, 2.0 2.0, 1.0 2.0))")
    assert ring.tolist() == [[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]
    [ring] = shapes_of("POLYGON((1.0 1.0, 2.0 1.0, nan nan, 2.0 2.0, 1.0 1.0))")
    assert ring.tolist() == [[1, 1], [2, 1], [2, 2], [1, 1]]


def test_more_outlines_than_are_read_at_once(shapes_of, monkeypatch):
    monkeypatch.setattr(rupture_outlines, "LINES_AT_ONCE", 2)
    texts = [VERTICAL, DIPPING, DIPPING.replace("40.2", "40.3"), VERTICAL, DIPPING]
    found = shapes_of(*texts)
    tops = [ring[:, 1].max() for ring in found]
    assert tops == [0.1, 40.2, 40.3, 0.1, 40.2]


def test_centroids_and_tables(rupture_source):
    rows = [rupture(1, lon=11.0, lat=1.0), rupture(0, lon=12.0, lat=2.0)]
    source = rupture_source(rows)
    table = read(source, geometry="point")
    assert table.geometry == POINT
    [block] = table.blocks()
    assert block.xy.tolist() == [[12, 2], [11, 1]]
    assert source.client.asked[0] == (5, "rupture_info", ("boundaries", "no"))
    table = read(source, geometry="none")
    assert (table.geometry, table.rows) == (NONE, 2)
    with pytest.raises(InvalidChoice, match="GEOMETRY auto, polygon, point or none"):
        read(source, geometry="cell")
    with pytest.raises(InvalidChoice, match="LONG_FORMAT"):
        read(source, long_format=True)


def test_the_smallest_magnitude(rupture_source):
    source = rupture_source([rupture(1)], [DIPPING], minimum="6.5")
    table = read(source, min_magnitude="6.5")
    title = "Ruptures by tectonic region, magnitude 6.5 or more, calculation 5"
    assert table.title == title
    assert table.rows == 1
    for wrong in ("big", "nan", "6,5"):
        with pytest.raises(InvalidChoice, match="MIN_MAGNITUDE must be a number"):
            read(source, min_magnitude=wrong)


def test_no_rupture_is_so_large(rupture_source):
    # numpy's file leaves out what is empty
    source = rupture_source([], minimum="9.5", members={"boundaries": packed()})
    source.client.extracts[5, "event_based_mfd"] = {"mag": np.array([5.5, 8.2])}
    with pytest.raises(InvalidChoice) as error:
        read(source, min_magnitude="9.5")
    assert str(error.value) == (
        "Calculation 5 has no ruptures of magnitude 9.5 or more (the largest is about 8.2); "
        "lower MIN_MAGNITUDE."
    )


def test_outlines_of_very_many_ruptures_are_refused(rupture_source, monkeypatch):
    source = rupture_source([rupture(1)], [DIPPING])
    events = np.zeros(6, [("id", "<u4"), ("rup_id", "<i8")])
    events["rup_id"] = 1, 1, 2, 3, 3, 3
    source.client.extracts[5, "events"] = {"array": events}
    assert read(source).rows == 1
    source.fetched.clear()
    monkeypatch.setattr(ruptures, "MANY_RUPTURES", 2)
    with pytest.raises(InvalidChoice, match=r"has 3 ruptures.*MIN_MAGNITUDE.*GEOMETRY=point"):
        read(source)
    assert [key[1] for key in source.client.asked[-1:]] == ["events"]
    assert read(source, geometry="point").rows == 1
    source = rupture_source([rupture(1)], [DIPPING], minimum="5.0")
    source.client.extracts[5, "events"] = {"array": events}
    assert read(source, min_magnitude="5").rows == 1


def test_a_calculation_without_ruptures(rupture_source, monkeypatch):
    source = rupture_source([], members={"boundaries": packed()})
    with pytest.raises(InvalidOutput, match="Calculation 5 has no ruptures"):
        read(source)

    def refuse(*_, **__):
        raise ServerFault("http://fake answered HTTP 500: NotFound:  in /v1/calc/5")

    monkeypatch.setattr(source.client, "extract", refuse)
    with pytest.raises(InvalidOutput, match="Calculation 5 has no ruptures; its ground motion"):
        read(source, geometry="none")


@pytest.mark.parametrize(
    ("boundaries", "message"),
    [
        (packed(DIPPING, DIPPING), "not as many as the ruptures"),
        (packed(), "not as many as the ruptures"),
        (np.array(gzip.compress(DIPPING.encode())[:-9]), "cannot be unpacked"),
        (np.array(b"no gzip"), "cannot be unpacked"),
        (packed("POINT(1 2)"), "of an unknown kind"),
        (packed("POLYGON((1 2, 3 x))"), "is broken"),
        (packed("POLYGON((1 2, 3))"), "is broken"),
        (packed("LINESTRING(nan nan)"), "is broken"),
        (packed("LINESTRING(1 inf, 2 2)"), "is broken"),
    ],
)
def test_broken_outlines(rupture_source, boundaries, message):
    source = rupture_source([rupture(1)], [DIPPING])
    array = source.client.extracts[5, "rupture_info", ("boundaries", "yes")]["array"]
    members = {"array": array, "boundaries": boundaries}
    with pytest.raises(InvalidOutput, match=message):
        read(rupture_source([], members=members))


def test_an_outline_that_does_not_end(rupture_source, monkeypatch):
    monkeypatch.setattr(rupture_outlines, "MAX_LINE", 20)
    with pytest.raises(InvalidOutput, match="not believable"):
        read(rupture_source([rupture(1)], [DIPPING]))


def test_outlines_whose_gzip_ends_in_zeros(rupture_source):
    # the last bytes are the length: less than 2^24 ends in a zero byte, which numpy strips
    packed_bytes = gzip.compress(DIPPING.encode())
    assert packed_bytes.endswith(b"\0")
    assert read(rupture_source([rupture(1)], [DIPPING])).rows == 1


def test_columns_that_are_missing_are_named(rupture_source):
    array = np.zeros(1, RUPTURE[:4])
    source = rupture_source([], members={"array": array, "boundaries": packed(DIPPING)})
    with pytest.raises(InvalidOutput, match="tells rup_id, source_id, multiplicity, mag of"):
        read(source)


def test_ruptures_of_a_calculation_that_does_not_list_them():
    events = Output(3, "events", "Events", ("csv",))
    found = catalogue.find_output([events], "ruptures", 5)
    assert (found.type, found.name) == ("ruptures", "Earthquake Ruptures")
    with pytest.raises(InvalidChoice, match="has no output “ruptures”"):
        catalogue.find_output([Output(3, "hmaps", "Maps", ("csv",))], "ruptures", 5)
    listed = Output(4, "ruptures", "Earthquake Ruptures", ("csv",))
    assert catalogue.find_output([events, listed], "ruptures", 5) is listed


# --- against the engine


def test_ruptures_are_those_of_the_export(
    calculations, source_of, exported, client, rows_of, tmp_path
):
    number = calculations("hazard/EventBasedPSHA")
    [(header, rows)] = exported(client, number, "ruptures", tmp_path).values()
    table = read(source_of(number, "ruptures"))
    assert [c.name for c in table.columns] == header
    got = rows_of(table)
    assert len(got) == len(rows) == table.rows
    for mine, theirs in zip(got, rows):
        for value, cell in zip(mine, theirs):
            if isinstance(value, float):
                assert value == pytest.approx(float(cell), rel=1e-6)
            else:
                assert str(value) == cell
    # the middle of each polygon is that of its rupture, so each has its own
    for block in table.blocks():
        lon, lat = block.values[4], block.values[5]
        for wkb, x, y in zip(block.wkb, lon, lat):
            ring = coordinates(wkb)[:-1]
            assert ring.mean(axis=0) == pytest.approx((x, y), abs=0.01)
    vertical = sum(float(row[9]) > 89.99 for row in rows)
    assert table.provenance["vertical_faults"] == vertical > 0


def test_the_rupture_of_a_scenario(calculations, source_of, rows_of):
    # vertical, and yet a polygon to the engine: 85 points there and back
    number = calculations("hazard/ScenarioCase1")
    table = read(source_of(number, "ruptures"), lines=True)
    assert (table.rows, table.lines.rows) == (0, 1)
    [block] = table.lines.blocks()
    line = coordinates(block.wkb[0])
    assert sorted(line[[0, -1], 1]) == pytest.approx([-0.3, 0.29355])
    assert np.all(line[:, 0] == 0)
    assert rows_of(table.lines)[0][:4] == (0, "no-source", 10, 7.0)
