import csv
import importlib
import io
import pkgutil
import traceback
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import zipped

from oq_processing.engine.errors import Cancelled, InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue, readers
from oq_processing.outputs.catalogue import read
from oq_processing.outputs.core import npz, wkt
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, LINE, NONE, POINT, POLYGON, REAL, TEXT, Style

COMMENT = (
    "#,,\"generated_by='OpenQuake engine 3.26.2', start_date='2026-11-23T19:51:01', "
    "checksum=42, kind='mean', investigation_time=50.0\"\r\n"
)


def types(table):
    return {c.name: c.type for c in table.columns}


@pytest.mark.parametrize("comment", [COMMENT, ""])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_plain_table(fake_source, rows_of, comment, end, mark):
    text = (
        mark + comment + "rlz_id,branch_path,weight\r\n0,A~B,2.5e-01\r\n1,B~A,7.5E-01\r\n"
    ).replace("\r\n", end)
    table = read(fake_source(text.encode()), Choices())
    assert types(table) == {"rlz_id": INTEGER, "branch_path": TEXT, "weight": REAL}
    assert rows_of(table) == [(0, "A~B", 0.25), (1, "B~A", 0.75)]
    assert (table.rows, table.geometry, table.style) == (2, NONE, None)
    assert table.title == "Values, calculation 5"
    assert table.notes == ()


def test_provenance(fake_source):
    table = read(fake_source(COMMENT.encode() + b"a\r\n1\r\n"), Choices(member="values"))
    assert table.provenance == {
        "server": "http://fake",
        "calculation_id": 5,
        "description": "a job",
        "calculation_mode": "classical",
        "output_type": "values",
        "output_name": "Values",
        "choices": {"MEMBER": "values"},
        "engine_version": "3.26.2",
        "members": ["values"],
        "checksum": 42,
        "investigation_time": 50.0,
        "start_date": "2026-11-23T19:51:01",
    }


@pytest.mark.parametrize(
    "comment",
    [
        "__import__('os').abort()",
        ")+(",
        "checksum=1) + f(a=2",
        "checksum={[]: 1}",
        "checksum=",
        "(" * 500,
    ],
)
def test_a_comment_that_is_no_python_is_only_a_comment(fake_source, rows_of, comment):
    table = read(fake_source(f'#,"{comment}"\r\na\r\n1\r\n'.encode()), Choices())
    assert rows_of(table) == [(1,)]
    assert "checksum" not in table.provenance


def test_quoted_cells_and_other_scripts(fake_source, rows_of):
    data = 'name,note\r\n"a, b","say ""é""\r\nsecond line"\r\nКатманду,東京\r\n'
    table = read(fake_source(data.encode()), Choices())
    assert rows_of(table) == [("a, b", 'say "é"\r\nsecond line'), ("Катманду", "東京")]


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", "0"], INTEGER, [1, -2, 0]),
        (["00123", "7"], TEXT, ["00123", "7"]),
        (["1", "2.5"], REAL, [1.0, 2.5]),
        (["1.5E-03", "nan", "inf", "-inf"], REAL, [0.0015, None, float("inf"), float("-inf")]),
        (["9223372036854775807", "-9223372036854775808"], INTEGER, [2**63 - 1, -(2**63)]),
        (["9007199254740993"], INTEGER, [2**53 + 1]),
        (["9223372036854775809"], TEXT, ["9223372036854775809"]),
        (["18446744073709551616", "0.5"], REAL, [2.0**64, 0.5]),
        (["1", ""], INTEGER, [1, None]),
        (["1.5", ""], REAL, [1.5, None]),
        (["a", ""], TEXT, ["a", None]),
        (["", ""], INTEGER, [None, None]),
        (["1_000"], TEXT, ["1_000"]),
        (["Infinity"], TEXT, ["Infinity"]),
        (["NAN", "1.5E+00", "-INF"], REAL, [None, 1.5, float("-inf")]),
        (["NaN"], TEXT, ["NaN"]),
        (["١٢"], TEXT, ["١٢"]),
        (["1e5x"], TEXT, ["1e5x"]),
        (["."], TEXT, ["."]),
    ],
)
def test_types(fake_source, rows_of, cells, kind, values):
    data = "x,n\r\n" + "".join(f"{cell},0\r\n" for cell in cells)
    table = read(fake_source(data.encode()), Choices())
    assert types(table)["x"] == kind
    assert [row[0] for row in rows_of(table)] == values


def test_empty_cells_of_one_column(fake_source, rows_of):
    table = read(fake_source(b"x\r\n1\r\n\r\n2\r\n"), Choices())
    assert rows_of(table) == [(1,), (None,), (2,)]


def test_int64_is_kept_as_it_is(fake_source):
    [block] = read(fake_source(b"event,n\r\n9223372036854775807,1\r\n"), Choices()).blocks()
    assert block.values[0].dtype == np.int64
    assert block.values[0].tolist() == [2**63 - 1]


@pytest.mark.parametrize("name", ["asset_id", "custom_site_id", "source_id", "taxonomy", "id"])
def test_ids_are_text_whatever_they_look_like(fake_source, rows_of, name):
    table = read(fake_source(f"{name},x\r\n123,1\r\n124,2\r\n".encode()), Choices())
    assert types(table) == {name: TEXT, "x": INTEGER}
    assert rows_of(table) == [("123", 1), ("124", 2)]


def test_tags_are_text(fake_source, rows_of):
    data = b"asset_id,NAME_1,floors,lon,lat,structural\r\n7,12,3,85.5,27.5,1.0E+03\r\n"
    table = read(fake_source(data), Choices())
    assert types(table) == {
        "asset_id": TEXT,
        "NAME_1": TEXT,
        "floors": TEXT,
        "lon": REAL,
        "lat": REAL,
        "structural": REAL,
    }
    assert rows_of(table) == [("7", "12", "3", 85.5, 27.5, 1000.0)]


@pytest.mark.parametrize(
    ("data", "columns"),
    [(b"", ()), (b"\r\n", ()), (COMMENT.encode(), ()), (b"a,b\r\n", ("a", "b"))],
)
def test_empty_file(fake_source, data, columns):
    table = read(fake_source(data), Choices())
    assert tuple(c.name for c in table.columns) == columns
    assert table.rows == 0
    assert list(table.blocks()) == []
    assert table.notes == ("Values of calculation 5 is empty.",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\r\n1,2\r\n3", "values: a row has 1 cells and the header 2; the file is not whole."),
        (b"a,b\r\n1,2,3\r\n", "values: a row has 3 cells and the header 2"),
        (b'a,b\r\n1,"2', "values cannot be read (unexpected end of data)."),
        (b"a,b\r\n1,\xff\r\n", "values cannot be read ('utf-8' codec"),
    ],
)
def test_damaged_file(fake_source, data, words):
    with pytest.raises(InvalidOutput) as error:
        read(fake_source(data), Choices())
    assert words in str(error.value)


def test_an_empty_line_at_the_end(fake_source, rows_of):
    table = read(fake_source(b"a,b\r\n1,2\r\n\r\n"), Choices())
    assert (table.rows, rows_of(table)) == (1, [(1, 2)])


def test_members_of_one_kind_are_appended(fake_source, rows_of):
    data = zipped(
        {
            "hazard_curve-rlz-001-PGA_3.csv": "lon,lat,poe-0.1\r\n2,1,0.5\r\n",
            "hazard_curve-rlz-000-PGA_3.csv": COMMENT + "lon,lat,poe-0.1\r\n1.5,1,1\r\n2,1,0\r\n",
            "readme.txt": "not a table",
        }
    )
    table = read(fake_source(data, "output-7-values_3.zip"), Choices())
    assert types(table) == {"member": TEXT, "lon": REAL, "lat": REAL, "poe-0.1": REAL}
    assert rows_of(table) == [
        ("hazard_curve-rlz-000-PGA", 1.5, 1, 1.0),
        ("hazard_curve-rlz-000-PGA", 2.0, 1, 0.0),
        ("hazard_curve-rlz-001-PGA", 2.0, 1, 0.5),
    ]
    assert [block.xy.tolist() for block in table.blocks()] == [[[1.5, 1], [2, 1]], [[2, 1]]]
    assert table.notes == ()
    assert table.provenance["members"] == ["hazard_curve-rlz-000-PGA", "hazard_curve-rlz-001-PGA"]


SEVERAL = {
    "gmf-data_3.csv": "event_id,gmv_PGA\r\n0,0.25\r\n",
    "sub/sigma_epsilon_3.csv": "event_id,sig\r\n0,1\r\n",
    "sitemesh_3.csv": "site_id,lon,lat\r\n0,1,2\r\n",
}


def test_members_of_several_kinds(fake_source, rows_of):
    table = read(fake_source(zipped(SEVERAL)), Choices())
    assert rows_of(table) == [("gmf-data", 0, 0.25)]
    assert table.notes == (
        "This output has tables of several kinds; loaded: gmf-data. "
        "Choose another by MEMBER: sitemesh, sigma_epsilon.",
    )


def test_chosen_member(fake_source, rows_of):
    table = read(fake_source(zipped(SEVERAL)), Choices(member=" SiteMesh "))
    assert rows_of(table) == [(0, 1, 2)]
    assert (table.geometry, table.notes) == (POINT, ())
    assert table.provenance["choices"] == {"MEMBER": " SiteMesh "}


def test_unknown_member_names_those_there_are(fake_source):
    with pytest.raises(InvalidChoice) as error:
        read(fake_source(zipped(SEVERAL)), Choices(member="sites"))
    assert str(error.value) == (
        "There is no member “sites”; MEMBER may be: gmf-data, sitemesh, sigma_epsilon."
    )


def test_zip_without_tables(fake_source):
    with pytest.raises(InvalidChoice, match=r"The export of Values holds no table"):
        read(fake_source(zipped({"a.xml": "<a/>"})), Choices())


def test_damaged_zip(fake_source):
    data = zipped(SEVERAL)
    with pytest.raises(InvalidOutput, match=r"The export of Values is not a whole zip file"):
        read(fake_source(data[:-10]), Choices())
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("a.csv", "x\r\n12345\r\n")
    with pytest.raises(InvalidOutput, match="a cannot be read"):
        read(fake_source(stored.getvalue().replace(b"12345", b"12346", 1)), Choices())


def test_a_zip_that_claims_to_be_huge(fake_source):
    text = "x\r\n" + "1\r\n" * 5000
    data = zipped({"a.csv": text})
    size = len(text).to_bytes(4, "little")
    assert data.count(size) == 2
    with pytest.raises(InvalidOutput, match=r"a\.csv in the export of Values is not believable"):
        read(fake_source(data.replace(size, (2**31).to_bytes(4, "little"))), Choices())


def test_a_zip_that_inflates_to_50_gb(fake_source, monkeypatch):
    """Each file is believable, and all together take more than is left on the disk."""
    text = "x\r\n" + "1\r\n" * 5000
    data = zipped({"a.csv": text, "b.csv": text})
    free = 2 * len(text) - 1
    monkeypatch.setattr(npz.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(InvalidOutput, match=r"^The export of Values takes 0\.0 GB when unpacked"):
        read(fake_source(data), Choices())


@pytest.mark.slow
@pytest.mark.parametrize("member", [True, False])
def test_a_line_without_end(fake_source, member):
    """It is not read into memory: 1 MB of a zip may be a line of 1 GB."""
    line = b"x\r\n" + b"1" * (200 * 2**20)
    source = fake_source(zipped({"a.csv": line}) if member else line)
    tracemalloc.start()
    with pytest.raises(InvalidOutput, match=r"cannot be read \(a row of more than 16 MB\)\.$"):
        read(source, Choices())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 150 * 2**20


def test_cancelled_while_a_long_file_is_read(fake_source):
    source = fake_source(b"x,y\r\n" + b"1,2\r\n" * 500_000)
    looks = iter([False, True])
    source.client.transport.wait.cancelled = lambda: next(looks)
    with pytest.raises(Cancelled):
        read(source, Choices())
    assert next(looks, "end") == "end"


def test_digits_without_end(fake_source, rows_of):
    """Python refuses to read more than 4,300 of them as a number."""
    cell = "9" * 5000
    assert rows_of(read(fake_source(f"x,y\r\n{cell},1\r\n".encode()), Choices())) == [(cell, 1)]


def test_members_no_zip_of_the_engine_has(fake_source):
    """Encrypted, packed in another way, or with data that cannot be unpacked."""
    good = zipped({"a.csv": "x\r\n" + "1\r\n" * 100})
    here, there = good.find(b"PK\x03\x04"), good.find(b"PK\x01\x02")
    data = here + 30 + len("a.csv")
    for changes in ({here + 6: 1, there + 8: 1}, {here + 8: 99, there + 10: 99}, {data: 0xFF}):
        bad = bytearray(good)
        for at, value in changes.items():
            bad[at] = value
        with pytest.raises(InvalidOutput, match=r"^a cannot be read"):
            read(fake_source(bytes(bad)), Choices())


def test_what_a_reader_does_not_find_is_one_sentence(hazard_source):
    """An engine that answers hazard maps with other fields than the engine's."""
    parameters = {"hazard_imtls": {"PGA": [0.1]}, "poes": [0.1], "investigation_time": 50}
    odd = np.zeros(2, [("sids", "<u4"), ("longitude", "<f8")])
    source = hazard_source(parameters, {("mean", "PGA"): [[0.1], [0.2]]}, {5: odd})
    with pytest.raises(InvalidOutput) as error:
        list(catalogue.read(source, Choices()).blocks())
    assert str(error.value) == (
        "Hazard Maps of calculation 5 has a form that is not known here "
        "(ValueError: no field of name lon); Download Output gets it as it is."
    )
    # where in which reader is in its cause, which algorithms log
    frames = traceback.extract_tb(error.value.__cause__.__traceback__)
    assert "sites_of" in [frame.name for frame in frames]


def test_the_log_says_which_extract_and_why_a_csv(fake_source, hazard_source, sites, caplog):
    caplog.set_level("DEBUG", "oq_processing.outputs")
    parameters = {"hazard_imtls": {"PGA": [0.1]}, "poes": [0.1], "investigation_time": 50}
    maps = {("mean", "PGA"): [[0.1], [0.2]]}
    catalogue.read(hazard_source(parameters, maps, {5: sites([0, 1], [0, 0])}), Choices())
    said = [record.getMessage() for record in caplog.records]
    assert "calculation 5: extract hmaps {'kind': 'mean', 'imt': 'PGA'}" in said
    assert "calculation 5: extract sitecol " in said
    caplog.clear()
    read(fake_source(b"a\r\n1\r\n"), Choices())
    said = [record.getMessage() for record in caplog.records]
    assert "values: by the CSV export, as no extract is read for it" in said
    assert "calculation 5: values as csv" in said


@pytest.mark.parametrize("header", ["lon,lat", "longitude,latitude", "centroid_lon,centroid_lat"])
def test_points(fake_source, header):
    data = f"rup_id,{header},depth,mag\r\n7,1.5,-2.25,10,6.5\r\n8,179.5,0,5,7\r\n".encode()
    table = read(fake_source(data), Choices())
    [block] = table.blocks()
    assert table.geometry == POINT
    assert block.xy.tolist() == [[1.5, -2.25], [179.5, 0.0]]
    assert table.style == Style("mag", order_by="mag")
    assert table.shared.format(rows=9, places=8).startswith("9 rows at 8 places")
    assert table.column("depth").title == "Depth [km]"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"lon,lat,site_id,year,depth,weight,PGA,n\r\n1,2,3,4,5.5,0.5,0.25,7\r\n", "PGA"),
        # counts are drawn where nothing is measured, ids never
        (b"lon,lat,id_1,rup_id,n\r\n1,2,3,4,5\r\n", "n"),
        (b"lon,lat,site_id\r\n1,2,3\r\n", None),
        (b"lon,lat,name\r\n1,2,a\r\n", None),
    ],
)
def test_what_is_drawn(fake_source, data, field):
    style = field and Style(field, order_by=field)
    assert read(fake_source(data), Choices()).style == style


def test_columns_that_mean_the_same_everywhere(fake_source):
    data = b"event_id,rlz_id,lon,return_period,PGA\r\n1,2,3,475,5\r\n"
    titles = [c.title for c in read(fake_source(data), Choices()).columns]
    assert titles == ["Event", "Realization", "Longitude [°]", "Return period [years]", "PGA"]


def test_coordinates_that_are_no_numbers(fake_source):
    table = read(fake_source(b"lon,lat,a\r\n7E30,east,0.5\r\n"), Choices())
    assert (table.geometry, types(table)["lat"]) == (NONE, TEXT)


def test_style_field_of_choice(fake_source):
    source = fake_source(b"lon,lat,a,b\r\n1,2,0.5,1.5\r\n")
    assert read(source, Choices(style_field="B")).style.field == "b"
    with pytest.raises(InvalidChoice, match="no field “nope” to style; there are: lon, lat, a, b"):
        read(source, Choices(style_field="nope"))


def test_geometry_none(fake_source):
    table = read(fake_source(b"lon,lat,a\r\n1,2,0.5\r\n"), Choices(geometry="none"))
    [block] = table.blocks()
    assert (table.geometry, block.xy, table.style) == (NONE, None, None)
    assert [c.name for c in table.columns] == ["lon", "lat", "a"]


@pytest.mark.parametrize(
    ("data", "geometry", "words"),
    [
        (b"a\r\n1\r\n", "point", "Values has no coordinates; use GEOMETRY=none."),
        (
            b"lon,lat\r\n1,2\r\n",
            "cell",
            "Values can be loaded with GEOMETRY auto, point, line, polygon or none.",
        ),
        (b"lon,lat\r\n1,2\r\n", "line", "Values can be loaded with GEOMETRY auto, point or none."),
    ],
)
def test_impossible_geometry(fake_source, data, geometry, words):
    with pytest.raises(InvalidChoice) as error:
        read(fake_source(data), Choices(geometry=geometry))
    assert str(error.value) == words


SHAPES = {
    "points": ("POINT (1 2)", "POINT Z (3 4 5)"),
    "several points": ("MULTIPOINT (1 2, 5 6)", "POINT (3 4)"),
    "lines": ("LINESTRING (1 2, 3 4)", "LINESTRING (3 4, 5 6)"),
    "polygons": ("POLYGON ((0 0, 1 0, 1 1, 0 0))", "MULTIPOLYGON (((5 5, 6 5, 6 6, 5 5)))"),
}


def shaped(*cells, name="extent", more="intensity", values=("0.5", "1.5", "2.5")) -> bytes:
    rows = "".join(f'"{cell}",{value}\r\n' for cell, value in zip(cells, values))
    return f"{name},{more}\r\n{rows}".encode()


@pytest.mark.parametrize(
    ("name", "geometry", "multi"),
    [
        ("points", POINT, False),
        ("several points", POINT, True),
        ("lines", LINE, False),
        ("polygons", POLYGON, True),
    ],
)
@pytest.mark.parametrize("choice", ["auto", "its own"])
def test_a_column_of_geometries_is_the_geometry(
    fake_source, rows_of, name, geometry, multi, choice
):
    cells = SHAPES[name]
    choices = Choices(geometry="auto" if choice == "auto" else geometry)
    table = read(fake_source(shaped(*cells)), choices)
    style = Style("intensity", order_by="intensity" if geometry == POINT else "")
    assert (table.geometry, table.multi, table.style) == (geometry, multi, style)
    assert rows_of(table) == [(0.5,), (1.5,)]
    assert table.provenance["geometry_column"] == "extent"
    [block] = table.blocks()
    assert (block.xy, block.rows) == (None, 2)
    assert block.wkb == [wkt.read(cell).wkb(multi) for cell in cells]
    assert table.notes == (("Z and M of “extent” are left out.",) if name == "points" else ())


def test_geometry_none_keeps_the_text(fake_source, rows_of):
    table = read(fake_source(shaped(*SHAPES["lines"])), Choices(geometry="none"))
    assert (table.geometry, table.style, table.notes) == (NONE, None, ())
    assert rows_of(table) == list(zip(SHAPES["lines"], (0.5, 1.5)))
    assert "geometry_column" not in table.provenance


def test_a_row_without_geometry(fake_source, rows_of):
    source = fake_source(shaped("", SHAPES["lines"][0], "LINESTRING EMPTY"))
    table = read(source, Choices())
    assert rows_of(table) == [(0.5,), (1.5,), (2.5,)]
    [block] = table.blocks()
    assert block.wkb == [b"", wkt.read(SHAPES["lines"][0]).wkb(multi=False), b""]
    assert table.notes == ("2 of 3 rows have no geometry: “extent” is empty there.",)


@pytest.mark.parametrize(
    ("cells", "notes"),
    [
        (
            ("POINT (1 2)", "LINESTRING (1 2, 3 4)"),
            (
                "“extent” holds lines and points, and a layer has one kind of geometry: it stays "
                "a column of text.",
            ),
        ),
        (("POINT (1 2)", "somewhere"), ()),
        (("POINT (1 2)", "GEOMETRYCOLLECTION (POINT (1 2))"), ()),
        (("", ""), ()),
    ],
)
def test_what_is_not_a_column_of_geometries(fake_source, rows_of, cells, notes):
    table = read(fake_source(shaped(*cells)), Choices())
    assert (table.geometry, table.notes) == (NONE, notes)
    assert [row[0] for row in rows_of(table)] == [cell or None for cell in cells]


def test_a_file_with_nothing_but_geometries(fake_source, rows_of):
    cell = SHAPES["polygons"][0]
    data = zipped({"in/a-geom.csv": f'geom\r\n"{cell}"\r\n', "in/sites.csv": "x\r\n1\r\n"})
    table = read(fake_source(data), Choices(member="a-geom"))
    assert rows_of(table) == [("a-geom",)]
    assert (table.geometry, table.multi, table.style) == (POLYGON, False, None)
    [block] = table.blocks()
    assert block.wkb == [wkt.read(cell).wkb(multi=False)]


def test_geometries_of_several_files(fake_source, rows_of):
    """One of them without any, one with several polygons in a row."""
    a, b = SHAPES["polygons"]
    data = zipped({"a.csv": shaped(a), "b.csv": shaped(""), "c.csv": shaped(b)})
    table = read(fake_source(data), Choices())
    assert rows_of(table) == [("a", 0.5), ("b", 0.5), ("c", 0.5)]
    assert (table.geometry, table.multi) == (POLYGON, True)
    found = [wkb for block in table.blocks() for wkb in block.wkb]
    assert found == [wkt.read(a).wkb(multi=True), b"", wkt.read(b).wkb(multi=True)]
    mixed = zipped({"a.csv": shaped(a), "b.csv": shaped("POINT (1 2)")})
    [note] = read(fake_source(mixed), Choices()).notes
    assert note.startswith("“extent” holds points and polygons, and a layer has one kind")


def test_geometries_beside_coordinates(fake_source, rows_of):
    """The geometry comes first; the point is there for who wants it."""
    cell = SHAPES["polygons"][0]
    source = fake_source(shaped(cell, more="lon,lat,a", values=("7,8,0.5",)))
    table = read(source, Choices())
    assert (table.geometry, rows_of(table)) == (POLYGON, [(7, 8, 0.5)])
    table = read(source, Choices(geometry="point"))
    [block] = table.blocks()
    assert (table.geometry, block.wkb, block.xy.tolist()) == (POINT, None, [[7, 8]])
    assert rows_of(table) == [(cell, 7, 8, 0.5)]
    with pytest.raises(InvalidChoice) as error:
        read(source, Choices(geometry="line"))
    assert str(error.value) == "Values can be loaded with GEOMETRY auto, polygon, point or none."


# --- long cells


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_of_any_length(fake_source, rows_of, quote):
    before = csv.field_size_limit()
    cell = "x" * 10_000_000
    table = read(fake_source(f"a,b\r\n{quote}{cell}{quote},1\r\n".encode()), Choices())
    assert rows_of(table) == [(cell, 1)]
    assert csv.field_size_limit() == before == 131_072


def test_a_cell_of_many_lines_without_end(fake_source):
    data = b'a\r\n"' + b"line\r\n" * 3_000_000
    with pytest.raises(InvalidOutput, match=r"cannot be read \(a row of more than 16 MB\)\.$"):
        read(fake_source(data), Choices())
    assert csv.field_size_limit() == 131_072


def test_long_rows_are_few_in_a_block(fake_source):
    data = b"a,b\r\n" + (b"x" * 3_000_000 + b",1\r\n") * 12
    sizes = [block.rows for block in read(fake_source(data), Choices()).blocks()]
    assert sum(sizes) == 12
    assert max(sizes) <= 6


def test_the_limit_of_others_is_theirs(fake_source):
    """It is one for the whole process: lifted while any reader of ours is open, then as before."""
    data = b"a,b\r\n" + b"x,1\r\n" * 30_000
    first, second = (read(fake_source(data), Choices()).blocks() for _ in range(2))
    next(first)
    next(second)
    assert csv.field_size_limit() == 16 * 2**20
    first.close()
    assert csv.field_size_limit() == 16 * 2**20
    second.close()
    assert csv.field_size_limit() == 131_072
    # somebody sets another meanwhile
    third = read(fake_source(data), Choices()).blocks()
    next(third)
    csv.field_size_limit(200_000)
    third.close()
    assert csv.field_size_limit(131_072) == 200_000


def test_readers_of_several_threads(fake_source):
    data = f"a,b\r\n{'x' * 200_000},1\r\n".encode() + b"y,2\r\n" * 2_000
    table = read(fake_source(data), Choices())

    def rows(_):
        return sum(block.rows for block in table.blocks())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rows, range(24))) == [2_001] * 24
    assert csv.field_size_limit() == 131_072


def test_no_long_format(fake_source):
    with pytest.raises(InvalidChoice, match=r"^Values cannot be loaded in LONG_FORMAT\.$"):
        read(fake_source(b"lon,lat\r\n1,2\r\n"), Choices(long_format=True))


def test_points_without_coordinates_in_a_row(fake_source):
    [block] = read(fake_source(b"lon,lat,a\r\n1,2,0.5\r\n,,1\r\n"), Choices()).blocks()
    assert block.xy[0].tolist() == [1, 2]
    assert np.isnan(block.xy[1]).all()


def test_duplicate_column_names(fake_source, rows_of):
    table = read(fake_source(b"a,a,A\r\n1,x,2.5\r\n"), Choices())
    assert [(c.name, c.type) for c in table.columns] == [("a", INTEGER), ("a", TEXT), ("A", REAL)]
    assert rows_of(table) == [(1, "x", 2.5)]


def test_a_column_named_member_stays(fake_source, rows_of):
    data = zipped({"a_1.csv": "member,x\r\nm,1\r\n", "b_1.csv": "member,x\r\nn,2\r\n"})
    table = read(fake_source(data), Choices())
    assert rows_of(table) == [("a", "m", 1), ("b", "n", 2)]


def test_blocks_are_bounded(fake_source):
    lines = "".join(f"{i},{i}.5\r\n" for i in range(60_000))
    table = read(fake_source(b"x,y\r\n" + lines.encode()), Choices())
    blocks = list(table.blocks())
    assert [block.rows for block in blocks] == [25_000, 25_000, 10_000]
    assert np.concatenate([b.values[0] for b in blocks]).tolist() == list(range(60_000))


def test_no_table_at_all(fake_source):
    with pytest.raises(InvalidChoice, match=r"Values is no table \(formats: rst\)"):
        read(fake_source(formats=("rst",)), Choices())
    with pytest.raises(InvalidChoice, match=r"Values is no table \(formats: rst\)"):
        read(fake_source(formats=("rst",)), Choices(geometry="cell"))


def test_unknown_types_go_the_general_way(fake_source, rows_of):
    source = fake_source(b"a\r\n1\r\n", type="invented in 2030")
    assert rows_of(catalogue.read(source, Choices())) == [(1,)]


def test_no_type_is_read_by_two_modules():
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(readers.__path__):
        given = getattr(importlib.import_module(f"{readers.__name__}.{module.name}"), "OUTPUTS", {})
        assert {kind: found[kind] for kind in given if kind in found} == {}
        found.update(dict.fromkeys(given, module.name))
    assert len(found) > 40


def test_find_output(fake_source):
    from oq_processing.engine.calculation import Output

    outputs = [Output(7, "hmaps", "Hazard Maps", ("csv",)), Output(9, "uhs", "UHS", ("csv",))]
    for wanted in ("hmaps", " hmaps ", "7", "hazard maps", "Hazard Maps"):
        assert catalogue.find_output(outputs, wanted, 5) is outputs[0]
    with pytest.raises(InvalidChoice) as error:
        catalogue.find_output(outputs, "gmf", 5)
    assert str(error.value) == (
        "Calculation 5 has no output “gmf”; it has: hmaps (Hazard Maps), uhs (UHS)."
    )
    with pytest.raises(InvalidChoice, match=r"Choose an output of calculation 5: hmaps"):
        catalogue.find_output(outputs, " ", 5)
    with pytest.raises(InvalidChoice, match=r"Calculation 5 has no outputs\."):
        catalogue.find_output([], "hmaps", 5)
