import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core.table import (
    BLOCK_VALUES,
    REAL,
    TEXT,
    Block,
    Column,
    ColumnType,
    Geometry,
    Style,
    Table,
    blocks_of,
    common_unit,
    find_column,
    point_array,
    refuse_many,
    rows_per_block,
    small_table,
)


@pytest.mark.parametrize(
    ("columns", "rows"), [(0, 50_000), (1, 50_000), (16, 3125), (50_000, 1), (70_000, 1)]
)
def test_rows_per_block(columns, rows):
    assert rows_per_block(columns) == rows


def test_title_and_meaning():
    column = Column("PGA-0.1", label="Mean PGA", unit="g", kind="mean", imt="PGA", poe=0.1)
    assert column.title == "Mean PGA [g]"
    assert column.meaning() == {
        "name": "PGA-0.1",
        "type": "real",
        "additive": False,
        "label": "Mean PGA",
        "unit": "g",
        "kind": "mean",
        "imt": "PGA",
        "poe": 0.1,
    }
    assert Column("x", TEXT).title == "x"
    assert Column("p", poe=0.0).meaning()["poe"] == 0.0


def test_blocks_cover_all_rows_in_order():
    rows = BLOCK_VALUES + 7
    a, b = np.arange(rows), np.arange(rows) * 0.5
    xy = point_array(a, b)
    asked = []

    def wkb(start, stop):
        asked.append((start, stop))
        return [bytes([i % 256]) for i in range(start, stop)]

    blocks = list(blocks_of([a, b], xy, wkb))
    assert asked == [(0, 25_000), (25_000, 50_000), (50_000, 50_007)]
    assert [block.rows for block in blocks] == [25_000, 25_000, 7]
    assert np.concatenate([block.values[1] for block in blocks]).tolist() == b.tolist()
    assert np.concatenate([block.xy for block in blocks]).tolist() == xy.tolist()
    assert [w for block in blocks for w in block.wkb][-1] == bytes([(rows - 1) % 256])


def test_no_rows_no_blocks():
    assert list(blocks_of([np.empty(0)])) == []


def test_points_are_doubles():
    xy = point_array(np.array([1, 2]), np.array([0.5, 0.25], "f4"))
    assert xy.dtype == np.float64
    assert xy.tolist() == [[1.0, 0.5], [2.0, 0.25]]


def test_column_by_name():
    table = Table("t", (Column("a"), Column("b", TEXT)), 0, lambda: iter(()))
    assert table.column("b").type == TEXT
    with pytest.raises(KeyError):
        table.column("c")


# --- which column draws a table

COLUMNS = (Column("PGA", unit="g"), Column("PGV", unit="cm/s"), Column("name", TEXT))


def drawn(own, wanted, **about):
    table = Table("all", COLUMNS, 0, lambda: iter(()), style=own, **about)
    return table.drawn_by(wanted)


def test_a_table_draws_itself_where_nothing_is_wanted():
    own = Style("PGA", "standard", (1.0,))
    assert drawn(own, "").style is own
    assert drawn(own, " pga ").style is own
    assert drawn(None, "").style is None
    assert drawn(None, "pgv").style == Style("PGV")


@pytest.mark.parametrize(
    ("own", "wanted", "style"),
    [
        # what is drawn on top stays, unless it was the column itself: then the wanted number
        (Style("PGA", ramp="Reds"), "PGV", Style("PGV", ramp="Reds")),
        (Style("PGA", order_by="PGA"), "PGV", Style("PGV", order_by="PGV")),
        (Style("PGA", order_by="PGA"), "name", Style("name", order_by="PGA")),
        (Style("name", order_by="PGA"), "PGV", Style("PGV", order_by="PGA")),
    ],
)
def test_another_column_has_the_ramp_and_the_order_of_the_first(own, wanted, style):
    assert drawn(own, wanted).style == style
    assert drawn(own, wanted).title == "all"


def test_a_column_that_the_table_knows_has_its_own_style_and_title():
    known = {"PGV": Style("PGV", "pretty", ramp="Blues")}
    table = drawn(
        Style("PGA", order_by="PGA"),
        "pgv",
        style_of=lambda column: known.get(column.name),
        title_of=lambda column: f"Map of {column.name}",
    )
    assert table.style == Style("PGV", "pretty", ramp="Blues", order_by="PGV")
    assert table.title == "Map of PGV"


def test_a_column_that_is_not_there_cannot_draw():
    with pytest.raises(InvalidChoice) as error:
        drawn(Style("PGA"), "PGD")
    assert str(error.value) == "There is no field “PGD” to style; there are: PGA, PGV, name."
    assert find_column(COLUMNS, "PGD") is None
    assert find_column(COLUMNS, " Name") is COLUMNS[2]


# --- columns and blocks


def test_the_unit_of_all():
    assert common_unit(COLUMNS[:1] * 2) == "g"
    assert common_unit(COLUMNS) == ""
    assert common_unit([]) == ""


@pytest.mark.parametrize(
    ("long_format", "hint"), [(None, "by IMT."), (False, "by IMT, or use LONG_FORMAT.")]
)
def test_more_fields_than_a_layer_takes(long_format, hint):
    refuse_many(500, "5 × 100", "IMT", long_format)
    with pytest.raises(InvalidChoice) as error:
        refuse_many(501, "3 × 167", "IMT", long_format)
    assert str(error.value) == (
        f"This would make 501 fields (3 × 167); a layer takes 500. Choose fewer {hint}"
    )
    refuse_many(501, "3 × 167", "IMT", long_format=True)


def test_blocks_are_changed_while_they_stream():
    table = small_table("x", [Column("a")], [(1.0,), (2.0,)])
    seen = []

    def double(block: Block) -> Block:
        seen.append(block.rows)
        return Block((block.values[0] * 2, block.values[0]))

    changed = table.map_blocks(double, [Column("b"), Column("a")])
    assert ([c.name for c in changed.columns], changed.rows, seen) == (["b", "a"], 2, [])
    for _ in range(2):  # blocks can be read again
        [block] = changed.blocks()
        assert [values.tolist() for values in block.values] == [[2.0, 4.0], [1.0, 2.0]]
    assert table.map_blocks(double).columns == table.columns


def test_more_facts_leave_the_first_table_alone():
    table = small_table("x", [Column("a")], [])
    assert table.with_provenance(events=[1]).provenance == {"events": [1]}
    assert table.provenance == {}


def test_types_and_geometries_are_words():
    assert (f"{ColumnType.REAL}", str(Geometry.POINT), Geometry.LINE) == ("real", "point", "line")
    assert ColumnType("text") is TEXT
    assert Column("a").type is REAL
