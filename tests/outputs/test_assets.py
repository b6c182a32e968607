"""Assets by their tags and summed at their places, on small tables of ours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.assets import sums
from oq_processing.outputs.assets.selection import chosen_assets, read_filter
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import (
    INTEGER,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
)

COLUMNS = (
    Column("asset_id", TEXT, "Asset"),
    Column("NAME_1", TEXT),
    Column("taxonomy", TEXT, "Taxonomy"),
    Column("lon", REAL, "Longitude", "°"),
    Column("lat", REAL, "Latitude", "°"),
    Column("structural", REAL, "Loss", "EUR", True, "average loss", "mean", loss_type="structural"),
    Column("number", INTEGER, "Number", "buildings", True, "exposure"),
)
ROWS = [
    ("007", "Bagmati", "RM/H:1", 85.5, 27.5, 1.5, 1),
    ("a2", "Gandaki", "RM/H:2", 84.0, 28.0, 2.0, 2),
    ("a3", "Bagmati", "W", 85.5, 27.5, 4.25, 4),
    ("a4", "Bagmati", "RM(x, y)", 85.5, 27.0, 8.0, 8),
    ("a5", None, "rm/H:1", 84.0, 28.0, 16.0, 16),
    ("a6", "Koshi; East, upper", "W", 84.0, 28.0, 32.0, 32),
]
TITLE = "Assets"


def table_of(columns=COLUMNS, rows=ROWS, geometry=POINT, step=2, **about) -> Table:
    """A table whose blocks have ``step`` rows."""

    def blocks():
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            values = []
            for column, cells in zip(columns, zip(*part)):
                kinds = {REAL: np.float32, INTEGER: np.int64}
                values.append(np.array(cells, dtype=kinds.get(column.type, object)))
            names = [c.name for c in columns]
            xy = None
            if geometry == POINT:
                xy = np.array([(r[names.index("lon")], r[names.index("lat")]) for r in part])
            wkb = [r[0].encode() for r in part] if geometry == "line" else None
            yield Block(tuple(values), xy, wkb)

    style, title_of = Style("structural"), "Drawn: {0.title}".format
    about = {"title_of": title_of, **about}
    return Table(TITLE, tuple(columns), len(rows), blocks, geometry, style, **about)


def ids(table) -> list[str]:
    return [str(i) for block in table.blocks() for i in block.values[0]]


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        ({"taxonomy": "W"}, ["a3", "a6"]),
        ({"taxonomy": " W , RM/* "}, ["007", "a2", "a3", "a6"]),
        # what is there in its own letter case is meant, else any; a dot is a dot
        ({"taxonomy": "rm*"}, ["a5"]),
        ({"taxonomy": "Rm/h:1"}, ["007", "a5"]),
        ({"taxonomy": "w, rm/H:2"}, ["a2", "a3", "a6"]),
        ({"tag_filter": "NAME_1=bagmati"}, ["007", "a3", "a4"]),
        ({"taxonomy": "*H:1"}, ["007", "a5"]),
        ({"taxonomy": "RM(x, y)"}, ["a4"]),
        ({"taxonomy": "*"}, ["007", "a2", "a3", "a4", "a5", "a6"]),
        ({"tag_filter": "NAME_1=Bagmati"}, ["007", "a3", "a4"]),
        ({"tag_filter": " name_1 = Bagmati, Gandaki ; TAXONOMY=RM*;"}, ["007", "a2", "a4"]),
        # the same tag twice is one list
        ({"tag_filter": "NAME_1=Gandaki; NAME_1=Bagmati"}, ["007", "a2", "a3", "a4"]),
        ({"tag_filter": "NAME_1=Koshi* upper"}, ["a6"]),
        ({"tag_filter": "asset_id=007,a6"}, ["007", "a6"]),
        # both parameters must be met
        ({"tag_filter": "taxonomy=RM*,W", "taxonomy": "*W"}, ["a3", "a6"]),
        ({"taxonomy": " ", "tag_filter": ""}, ["007", "a2", "a3", "a4", "a5", "a6"]),
    ],
)
def test_assets_are_chosen_by_their_tags(choices, chosen):
    table = chosen_assets(table_of(), Choices(**choices))
    assert ids(table) == chosen
    assert table.rows == len(chosen)
    # a table may be read twice
    assert ids(table) == chosen


def test_what_was_chosen_keeps_its_values_and_place(rows_of):
    table = chosen_assets(table_of(notes=("first",)), Choices(taxonomy="*:2, W"))
    assert rows_of(table) == [ROWS[1], ROWS[2], ROWS[5]]
    places = [block.xy.tolist() for block in table.blocks()]
    assert places == [[[84.0, 28.0]], [[85.5, 27.5]], [[84.0, 28.0]]]
    assert table.notes == ("first", "3 of 6 rows chosen by taxonomy=*:2, W.")
    assert (table.title, table.columns, table.style.field) == (TITLE, COLUMNS, "structural")
    lines = chosen_assets(table_of(geometry="line"), Choices(taxonomy="W, *H:2"))
    assert [block.wkb for block in lines.blocks()] == [[b"a2"], [b"a3"], [b"a6"]]
    assert ids(chosen_assets(table_of(), Choices())) == ids(table_of())


@pytest.mark.parametrize(
    ("columns", "geometry", "sums"),
    [
        (COLUMNS, POINT, True),
        # what must not be summed is only drawn large on top
        ((*COLUMNS[:5], replace(COLUMNS[5], additive=False), COLUMNS[6]), POINT, False),
        (COLUMNS, NONE, None),
        (COLUMNS, "line", None),
    ],
)
def test_the_largest_of_a_place_is_on_top(columns, geometry, sums):
    table = chosen_assets(table_of(columns, geometry=geometry), Choices())
    assert table.style.order_by == ("" if sums is None else "structural")
    words = table.shared.format(rows=1234567, places=3)
    assert words.startswith("1,234,567 assets at 3 places: " if sums is not None else "")
    assert ("AGGREGATE_BY_SITE" in words) == bool(sums)
    summed = Choices(aggregate_by_site=True)
    if sums:
        assert chosen_assets(table_of(columns), summed).shared == ""


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"tag_filter": "NAME_2=x"}, "no tag “name_2”; there are: asset_id, NAME_1, taxonomy."),
        (
            {"taxonomy": "W, Wod"},
            "No asset has taxonomy “Wod”; there are: RM(x, y), RM/H:1, RM/H:2",
        ),
        ({"taxonomy": "RM/H:"}, "No asset has taxonomy “RM/H:”"),
        ({"tag_filter": "NAME_1=W; taxonomy=W"}, "No asset has NAME_1 “W”; there are: Bagmati, Ga"),
        (
            {"tag_filter": "NAME_1=Gandaki", "taxonomy": "W"},
            "No asset matches all of taxonomy=W; NAME_1=Gandaki; drop one of the conditions.",
        ),
        ({"tag_filter": "Bagmati"}, "“Bagmati” is no tag with its values; write NAME_1="),
        ({"tag_filter": "=Bagmati"}, "“=Bagmati” is no tag with its values"),
        ({"tag_filter": "NAME_1="}, "names no value; write NAME_1=Bagmati"),
        ({"tag_filter": ";"}, "“;” names no tag"),
        ({"taxonomy": ","}, "“,” names no value; write RM*, W (TAXONOMY)."),
    ],
)
def test_what_is_not_there_is_named(choices, words):
    with pytest.raises(InvalidChoice) as error:
        chosen_assets(table_of(), Choices(**choices))
    assert words in str(error.value)


def test_no_assets_to_choose_from():
    table = chosen_assets(table_of(rows=[]), Choices(taxonomy="W"))
    assert (table.rows, list(table.blocks()), table.notes) == (0, [], ())
    with pytest.raises(InvalidChoice, match="no tag “name_2”"):
        chosen_assets(table_of(rows=[]), Choices(tag_filter="NAME_2=W"))


def test_damage_states_are_no_tags():
    columns = (*COLUMNS[:5], Column("modal-ds", TEXT, quantity="modal damage state"))
    with pytest.raises(InvalidChoice, match="there are: asset_id, NAME_1, taxonomy"):
        chosen_assets(table_of(columns, []), Choices(tag_filter="modal-ds=slight"))


def test_a_filter_is_read():
    assert read_filter("", "") == []
    assert read_filter("a*, b", "T = c(1,2), d; U=e=f") == [
        {"taxonomy": ("a*", "b")},
        {"t": ("c(1,2)", "d"), "u": ("e=f",)},
    ]


# --- sums


def test_assets_are_summed_at_their_places(rows_of):
    table = chosen_assets(table_of(notes=("first",)), Choices(aggregate_by_site=True))
    # no tag is the same at every place but NAME_1 at the first two
    assert [c.name for c in table.columns] == ["lon", "lat", "structural", "number", "assets"]
    assert rows_of(table) == [
        (85.5, 27.5, 5.75, 5.0, 2),
        (84.0, 28.0, 50.0, 50.0, 3),
        (85.5, 27.0, 8.0, 8.0, 1),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[85.5, 27.5], [84.0, 28.0], [85.5, 27.0]]
    assert (table.rows, table.geometry) == (3, POINT)
    assert table.title == "Drawn: Loss, by site [EUR]"
    assert table.notes == ("first", "6 assets summed at 3 places.")
    assert [c.additive for c in table.columns] == [False, False, True, True, True]
    summed = table.column("structural")
    assert (summed.title, summed.kind) == ("Loss, sum by site [EUR]", "mean")
    assert table.column("assets").title == "Number of assets"


@pytest.mark.parametrize("step", [1, 4, 100])
def test_a_tag_stays_where_it_is_that_of_all_assets_of_each_place(rows_of, step):
    rows = [(*r[:1], "Bagmati" if r[3] == 85.5 else None, *r[2:]) for r in ROWS]
    table = chosen_assets(table_of(rows=rows, step=step), Choices(aggregate_by_site=True))
    assert [c.name for c in table.columns][:3] == ["NAME_1", "lon", "lat"]
    assert [row[0] for row in rows_of(table)] == ["Bagmati", None, "Bagmati"]
    # one asset at each place: its taxonomy is known, its id is no tag
    table = chosen_assets(table_of(rows=rows[1:4], step=step), Choices(aggregate_by_site=True))
    assert [c.name for c in table.columns][:4] == ["NAME_1", "taxonomy", "lon", "lat"]
    assert [row[1] for row in rows_of(table)] == ["RM/H:2", "W", "RM(x, y)"]


def test_what_is_filtered_is_summed(rows_of):
    choices = Choices(taxonomy="W, RM/H:1", aggregate_by_site=True)
    assert [row[-3:] for row in rows_of(chosen_assets(table_of(), choices))] == [
        (5.75, 5.0, 2),
        (32.0, 32.0, 1),
    ]


def test_a_sum_with_an_unknown_value_is_unknown(rows_of):
    rows = [r if r[0] != "a3" else (*r[:5], float("nan"), r[6]) for r in ROWS]
    table = chosen_assets(table_of(rows=rows), Choices(aggregate_by_site=True))
    assert [row[-3:-1] for row in rows_of(table)] == [(None, 5.0), (50.0, 50.0), (8.0, 8.0)]


def test_sums_in_a_file_are_the_same(rows_of, monkeypatch):
    choices = Choices(aggregate_by_site=True)
    expected = rows_of(chosen_assets(table_of(), choices))
    monkeypatch.setattr(sums, "_IN_MEMORY", 0)
    assert rows_of(chosen_assets(table_of(), choices)) == expected


def test_many_places(rows_of):
    numbers = np.arange(30_000)
    lon, lat = numbers % 100 / 10, numbers // 100 % 50 / 10
    columns = (COLUMNS[3], COLUMNS[4], COLUMNS[5])

    def blocks():
        for start in range(0, 30_000, 7_000):
            part = slice(start, start + 7_000)
            yield Block((lon[part], lat[part], numbers[part].astype(np.float64)))

    table = Table(TITLE, columns, 30_000, blocks, NONE, Style("structural"))
    table = chosen_assets(table, Choices(aggregate_by_site=True))
    rows = rows_of(table)
    # each place has six assets, 5,000 apart
    assert rows[:2] == [(0.0, 0.0, 75_000.0, 6), (0.1, 0.0, 75_006.0, 6)]
    assert rows[-1] == (9.9, 4.9, 75_000.0 + 6 * 4_999, 6)
    assert (table.rows, len(rows)) == (5_000, 5_000)
    assert all(block.xy is None for block in table.blocks())


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            replace(COLUMNS[5], kind="quantile-0.15", additive=False),
            "the quantile 0.15 of a total is not the sum .* Choose KIND=mean, or load aggrisk",
        ),
        (
            Column("bcr", REAL, "Benefit/cost ratio", quantity="bcr"),
            r"“bcr” \(Benefit/cost ratio\) must not be summed; only mean .* Totals are in aggrisk",
        ),
    ],
)
def test_what_must_not_be_summed_is_refused(column, words):
    table = table_of((*COLUMNS[:5], column))
    with pytest.raises(InvalidChoice, match=words):
        chosen_assets(table, Choices(aggregate_by_site=True))


def test_nothing_to_sum():
    with pytest.raises(InvalidChoice, match="has nothing that may be summed"):
        chosen_assets(table_of(COLUMNS[:5]), Choices(aggregate_by_site=True))
    with pytest.raises(InvalidChoice, match="has no coordinates"):
        chosen_assets(table_of(COLUMNS[:3], geometry=NONE), Choices(aggregate_by_site=True))
    empty = chosen_assets(table_of(rows=[]), Choices(aggregate_by_site=True))
    assert (empty.rows, list(empty.blocks())) == (0, [])
