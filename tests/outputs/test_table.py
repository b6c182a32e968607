import numpy as np
import pytest

from oq_processing.outputs.core.table import (
    BLOCK_VALUES,
    TEXT,
    Column,
    Table,
    blocks_of,
    point_array,
    rows_per_block,
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
