"""Geometry as text: what is read, byte by byte, and what is not."""

import struct

import pytest

from oq_processing.outputs.core import wkt
from oq_processing.outputs.core.table import LINE, POINT, POLYGON


def point(x, y):
    return struct.pack("<BI2d", 1, 1, x, y)


def line(*xy):
    return struct.pack(f"<BII{len(xy)}d", 1, 2, len(xy) // 2, *xy)


def ring(*xy):
    return struct.pack(f"<I{len(xy)}d", len(xy) // 2, *xy)


def polygon(*rings):
    return struct.pack("<BII", 1, 3, len(rings)) + b"".join(rings)


def several(code, *parts):
    return struct.pack("<BII", 1, code, len(parts)) + b"".join(parts)


SQUARE = "(0 0, 4 0, 4 4, 0 4, 0 0)"
HOLE = "(1 1,2 1,2 2,1 1)"
OUTER = ring(0, 0, 4, 0, 4, 4, 0, 4, 0, 0)
INNER = ring(1, 1, 2, 1, 2, 2, 1, 1)


@pytest.mark.parametrize(
    ("text", "family", "parts"),
    [
        ("POINT (1.5 -2e1)", POINT, [point(1.5, -20)]),
        ("point(1 2)", POINT, [point(1, 2)]),
        (" LineString (1 2,  3 4\n, 5 6) ", LINE, [line(1, 2, 3, 4, 5, 6)]),
        (f"POLYGON ({SQUARE})", POLYGON, [polygon(OUTER)]),
        (f"POLYGON({SQUARE} , {HOLE})", POLYGON, [polygon(OUTER, INNER)]),
        ("POLYGON((0 0, 4 0, 4 4, 0 4))", POLYGON, [polygon(OUTER)]),  # not closed
        ("MULTIPOINT (1 2, 3 4)", POINT, [point(1, 2), point(3, 4)]),
        ("MULTIPOINT ((1 2), (3 4))", POINT, [point(1, 2), point(3, 4)]),
        ("MULTILINESTRING((1 2,3 4),(5 6,7 8))", LINE, [line(1, 2, 3, 4), line(5, 6, 7, 8)]),
        (
            f"MULTIPOLYGON (({SQUARE},{HOLE}),({HOLE}))",
            POLYGON,
            [polygon(OUTER, INNER), polygon(INNER)],
        ),
        ("POLYGON EMPTY", POLYGON, []),
        ("MULTIPOINT EMPTY", POINT, []),
    ],
)
def test_what_is_read(text, family, parts):
    assert wkt.is_wkt(text)
    shape = wkt.read(text)
    multi = "MULTI" in text
    assert shape == wkt.Shape(family, tuple(parts), multi, flat=True)
    code = {POINT: 4, LINE: 5, POLYGON: 6}[family]
    assert shape.wkb(multi=True) == (several(code, *parts) if parts else b"")
    assert shape.wkb(multi=False) == (parts[0] if parts else b"")


@pytest.mark.parametrize(
    "text", ["POINT Z (1 2 3)", "POINTM(1 2 3)", "POINT ZM (1 2 3 4)", "POINT(1 2 3)"]
)
def test_heights_and_measures_are_left_out(text):
    assert wkt.read(text) == wkt.Shape(POINT, (point(1, 2),), multi=False, flat=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "POINTLESS",
        "EMPTY",
        "POINT",
        "POINT 1 2",
        "POINT (1 2",
        "POINT (1 2))",
        "POINT (1)",
        "POINT (1 2 3 4 5)",
        "POINT (1 2, 3 4)",
        "POINT (1 x)",
        "POINT (nan 1)",
        "POINT (1 inf)",
        "POINT ()",
        "POINT ((1 2))",
        "LINESTRING (1 2)",
        "LINESTRING (1 2, 3 4 5, 6)",  # as many numbers as pairs would have
        "LINESTRING (1 2, 3 4, )",
        "POLYGON (0 0, 4 0, 4 4, 0 0)",
        "POLYGON ((0 0, 4 0))",
        f"POLYGON ({SQUARE}{HOLE})",
        f"POLYGON ({SQUARE}),",
        f"MULTIPOLYGON ({SQUARE})",
        "MULTIPOINT ((1 2), 3 4)",
        "MULTIPOINT ((1 2, 3 4))",
        "GEOMETRYCOLLECTION (POINT (1 2))",
        "CIRCULARSTRING (0 0, 1 1, 2 0)",
        "SRID=4326;POINT (1 2)",
        "(" * 100_000,
        "POLYGON " + "(" * 100_000,
    ],
)
def test_what_is_not(text):
    with pytest.raises(ValueError, match=r"^.*$"):
        wkt.read(text)
    assert not wkt.Shapes().add(text) or text == ""


def test_a_column_is_looked_at_cell_by_cell():
    first, second = wkt.Shapes(), wkt.Shapes()
    for cell in ("POINT(1 2)", "", "POINT EMPTY"):
        assert first.add(cell)
    assert second.add("MULTIPOINT Z (1 2 3)")
    assert not second.add("42")
    assert first == wkt.Shapes({POINT}, multi=False, flat=True, empty=2)
    assert wkt.merged([first, second]) == wkt.Shapes({POINT}, multi=True, flat=False, empty=2)
