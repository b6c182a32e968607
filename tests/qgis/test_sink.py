"""Writing through sinks: what is whole appears, what is not leaves no trace."""

import re
import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest
from qgis.core import (
    QgsGeometry,
    QgsProcessingException,
    QgsProperty,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import NULL
from writer import table_of

from oq_processing.engine.errors import EngineError
from oq_processing.layers import sink
from oq_processing.layers.fields import fields_of
from oq_processing.outputs.core.table import (
    INTEGER,
    LINE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Table,
    blocks_of,
)


def rows_of(layer, names):
    return [[feature[name] for name in names] for feature in layer.getFeatures()]


# --- failures of the algorithm leave the file of yesterday


def good_files(folder):
    (folder / "map.gpkg").write_bytes(b"yesterday's map")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_cancelled_while_writing(area, feedback, tmp_path):
    before = good_files(tmp_path)
    feedback.progressChanged.connect(lambda percent: percent > 50 and feedback.cancel())
    with pytest.raises(QgsProcessingException, match="Cancelled by the user"):
        area(IMT="", KIND="mean, rlz-0", LONG_FORMAT=True, OUTPUT=str(tmp_path / "map.gpkg"))
    assert 50 < feedback.percents[-1] < 100
    assert files(tmp_path) == before


def test_a_sink_that_refuses_rows(area, tmp_path, monkeypatch):
    before = good_files(tmp_path)
    written = []

    def full(self, feature, *_):
        written.append(feature)
        return len(written) < 100

    monkeypatch.setattr(sink, "_write_rows", _with_sink(sink._write_rows, full))
    with pytest.raises(QgsProcessingException, match=r"beyond row 99\.$"):
        area(OUTPUT=str(tmp_path / "map.gpkg"))
    assert len(written) == 100
    assert files(tmp_path) == before


def _with_sink(write_rows, add):
    """Return a writer whose sink asks ``add`` first."""

    class Refusing:
        def __init__(self, real):
            self._real = real

        def addFeature(self, feature, flags):  # noqa: N802
            return add(self, feature) and self._real.addFeature(feature, flags)

        def __getattr__(self, name):
            return getattr(self._real, name)

    return lambda real, *rest: write_rows(Refusing(real), *rest)


def large() -> Table:
    values = np.arange(20_000) / 7
    return Table(
        "t",
        (Column("a"), Column("b")),
        len(values),
        lambda: blocks_of([values, values], np.zeros((len(values), 2))),
        POINT,
    )


@pytest.fixture
def no_large_files():
    """The system refuses what a file would hold beyond 300 kB, as where no space is left."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("map.gpkg", "disk I/O error"),
        ("map.geojson", "could not be written"),
        ("map.shp", "File too large"),
        ("map.csv", "could not be written beyond row"),
    ],
)
def test_a_file_that_cannot_grow(write, tmp_path, no_large_files, name, reason):
    before = good_files(tmp_path)
    with pytest.raises(EngineError) as caught:
        write(large(), str(tmp_path / name))
    assert reason in str(caught.value)
    assert not re.search("full|openquake-|sqlite3_|OGR error: [)]", str(caught.value))
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["map.gpkg", "map.csv"])
def test_a_full_disk(write, tmp_path, no_large_files, monkeypatch, name):
    before = good_files(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EngineError, match=f": the disk of {tmp_path} is full.$"):
        write(large(), str(tmp_path / name))
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        (
            "map.kml",
            table_of(v=["a", "b\x01c", "d"]),
            r"map.kml could not be written: QGIS cannot read it again \(.*\). If its format",
        ),
        (
            "map.shp",
            table_of(geometry="", v=[1, 2, 3]),
            r"map.shp cannot be a shapefile: the table has no geometry. Choose another format",
        ),
        (
            "map.ods",
            Table("t", (Column("a"),), 0, lambda: iter(())),
            r"map.ods could not be written: QGIS cannot read it again. If its format",
        ),
    ],
)
def test_what_a_format_cannot_hold(write, tmp_path, name, table, words):
    before = good_files(tmp_path)
    with pytest.raises(EngineError, match=words):
        write(table, str(tmp_path / name))
    assert files(tmp_path) == before


def test_a_table_without_geometry_in_sqlite(write, tmp_path):
    written = write(table_of(geometry="", v=[1, 2, 3]), str(tmp_path / "map.sqlite"))
    assert rows_of(written.layer, ["v"]) == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("name", "stored"), [("map.json", "map.json.geojson"), ("MAP.SHP", "MAP.shp")]
)
def test_a_suffix_that_a_format_changes(write, tmp_path, name, stored):
    written = write(table_of(v=[1, 2, 3]), str(tmp_path / name))
    assert written.destination == str(tmp_path / stored)
    assert rows_of(written.layer, ["v"]) == [[1], [2], [3]]


def test_the_reader_fails_half_way(write, tmp_path):
    before = good_files(tmp_path)

    def blocks():
        yield Block((np.arange(2), np.arange(2)), np.zeros((2, 2)))
        raise EngineError("the file is not whole")

    table = Table("t", (Column("a", INTEGER), Column("b", INTEGER)), 4, blocks, POINT)
    with pytest.raises(EngineError, match="the file is not whole"):
        write(table, str(tmp_path / "map.gpkg"))
    assert files(tmp_path) == before


def test_fewer_rows_than_promised(write, tmp_path):
    before = good_files(tmp_path)
    table = Table("t", (Column("a", INTEGER),), 5, lambda: blocks_of([np.arange(3)]))
    with pytest.raises(EngineError, match=r"3 of 5 rows were written to .*map\.gpkg"):
        write(table, str(tmp_path / "map.gpkg"))
    assert files(tmp_path) == before


def test_the_style_fails(write, tmp_path):
    before = good_files(tmp_path)

    def finish(*_):
        raise EngineError("no such ramp")

    with pytest.raises(EngineError, match="no such ramp"):
        write(table_of(), str(tmp_path / "map.gpkg"), finish)
    assert files(tmp_path) == before


# --- where to


def test_a_folder_that_does_not_exist(write, tmp_path):
    with pytest.raises(EngineError) as error:
        write(table_of(), str(tmp_path / "no" / "map.gpkg"))
    assert str(error.value) == f"The folder {tmp_path / 'no'} does not exist."


def test_a_folder_that_cannot_be_written(write):
    # for root too
    with pytest.raises(EngineError, match=r"^/proc cannot be written \("):
        write(table_of(), "/proc/map.gpkg")


def test_a_file_that_cannot_be_replaced(write, tmp_path):
    (tmp_path / "map.gpkg").mkdir()
    with pytest.raises(EngineError, match=r"map\.gpkg cannot be replaced \(it is a folder\)"):
        write(table_of(), str(tmp_path / "map.gpkg"))
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]


def test_data_defined_destination(write, tmp_path):
    path = tmp_path / "map.gpkg"
    written = write(table_of(), QgsProperty.fromExpression(f"'{tmp_path}/' || 'map.gpkg'"))
    assert written.destination == str(path)
    assert QgsVectorLayer(str(path), "", "ogr").featureCount() == 3


# --- what is written


def test_names_that_formats_use_themselves(write, tmp_path):
    columns = {"fid": [7, 8, 9], "geom": ["a", "b", "c"], "Value": [1.5, 2, 3], "VALUE": [4, 5, 6]}
    written = write(table_of(**columns), str(tmp_path / "map.gpkg"))
    layer = QgsVectorLayer(written.destination, "", "ogr")
    names = ["fid_2", "geom_2", "Value", "VALUE_2"]
    assert [f.name() for f in layer.fields()] == ["fid", *names]
    assert rows_of(layer, names) == [list(row) for row in zip(*columns.values())]
    assert written.renamed == [
        "The column “fid” is stored as “fid_2”.",
        "The column “geom” is stored as “geom_2”.",
        "The column “VALUE” is stored as “VALUE_2”.",
    ]


def test_renamed_columns_never_meet_others():
    table = Table("t", tuple(map(Column, ["a", "a_2", "A", "a"])), 0, lambda: iter(()))
    fields, renamed = fields_of(table)
    assert [f.name() for f in fields] == ["a", "a_2", "A_3", "a_4"]
    assert len(renamed) == 2


@pytest.mark.parametrize("output", ["TEMPORARY_OUTPUT", "map.gpkg", "map.geojson", "map.shp"])
def test_what_is_missing_is_null_in_every_format(write, tmp_path, output):
    columns = {
        "real": np.array([1.5, np.nan, -0.25]),
        "text": np.array(['é, "x"', None, "00123"], dtype=object),
        "whole": np.array([7, None, -3], dtype=object),
    }
    about = (Column("real", REAL), Column("text", TEXT), Column("whole", INTEGER))
    table = Table("t", about, 3, lambda: blocks_of(list(columns.values()), np.zeros((3, 2))), POINT)
    output = output if output == "TEMPORARY_OUTPUT" else str(tmp_path / output)
    layer = write(table, output).layer
    got = rows_of(layer, columns)
    assert got[0] == [1.5, 'é, "x"', 7]
    assert got[1] == [NULL, NULL, NULL]
    assert got[2] == [-0.25, "00123", -3]


def test_large_ids(write, tmp_path):
    ids = [2**53 + 1, 2**63 - 1, -(2**63)]
    for output in (str(tmp_path / "map.gpkg"), "TEMPORARY_OUTPUT"):
        assert rows_of(write(table_of(event=ids), output).layer, ["event"]) == [[i] for i in ids]


def test_an_empty_table(write, tmp_path):
    table = Table("t", (Column("a"), Column("b", TEXT)), 0, lambda: iter(()), POINT)
    layer = write(table, str(tmp_path / "map.gpkg")).layer
    assert layer.featureCount() == 0
    assert [f.name() for f in layer.fields()] == ["fid", "a", "b"]


def test_progress_and_blocks(write, tmp_path):
    shares = []
    values = np.arange(120_000)
    table = Table("t", (Column("a", INTEGER),), 120_000, lambda: blocks_of([values]))
    layer = write(table, str(tmp_path / "t.gpkg"), progress=shares.append).layer
    assert shares == [50_000 / 120_000, 100_000 / 120_000, 1.0]
    assert [f["a"] for f in layer.getFeatures()] == list(range(120_000))


def test_finish_sees_the_first_column(write, tmp_path):
    seen = []
    for output in (str(tmp_path / "a.gpkg"), str(tmp_path / "a.geojson"), "TEMPORARY_OUTPUT"):
        write(table_of(), output, lambda layer, first: seen.append(layer.fields()[first].name()))
    assert seen == ["lon"] * 3


@pytest.mark.parametrize("name", ["lines.gpkg", "lines.shp", "TEMPORARY_OUTPUT"])
def test_a_row_without_geometry_is_kept(write, tmp_path, name):
    line = QgsGeometry.fromWkt("LineString (1 2, 3 4)").asWkb().data()
    table = Table(
        "edges",
        (Column("id", TEXT),),
        2,
        lambda: iter([Block((np.array(["a", "b"], dtype=object),), wkb=[line, b""])]),
        LINE,
    )
    output = name if name == "TEMPORARY_OUTPUT" else str(tmp_path / name)
    layer = write(table, output).layer
    whole, missing = layer.getFeatures()
    assert [whole["id"], missing["id"]] == ["a", "b"]
    assert whole.geometry().length() == pytest.approx(8**0.5)
    assert missing.geometry().isEmpty()


def test_points_at_infinity_are_nowhere(write, tmp_path):
    table = table_of(v=[1.0, 2.0, 3.0])
    xy = np.array([(0.0, 0.0), (np.inf, 1.0), (2.0, -np.inf)])
    table = replace(table, blocks=lambda: blocks_of([np.array([1.0, 2.0, 3.0])], xy))
    layer = write(table, str(tmp_path / "x.gpkg")).layer
    assert [f.geometry().isEmpty() for f in layer.getFeatures()] == [False, True, True]
    assert layer.extent().xMaximum() == 0


LOSSES = {
    "large": np.array([1.0, 1e30, -3e23]),
    "small": np.array([1e-17, 0.0, 0.25]),
    "id": np.array([1, 2**53 + 1, -5]),
    "text": np.array(["short", "x" * 300, None], dtype=object),
    "missing": np.array([np.nan, 1.5, 2.5]),
    "infinite": np.array([1.5, np.inf, 2.5]),
    "fine": np.array([0.1 + 0.2, 1e-7, 123456.789]),
    "number": np.array([1, -7, 2**40]),
    "single": np.array([np.nan, 1.5, 2.5], "f4"),
    "fixed": np.array(["x" * 300, "b", "c"]),
}


@pytest.mark.parametrize(
    ("suffix", "changes"),
    [
        (
            "shp",
            "“large” (1e+30 became 1e+23), “small” (1e-17 became 0), "
            "“id” (9007199254740993 became 9007199254740992), "
            "“text” (a text of 300 characters became one of 254), "
            "“fixed” (a text of 300 characters became one of 254)",
        ),
        (
            "tab",
            "“id” (9007199254740993 became 9007199254740992), "
            "“text” (a text of 300 characters became one of 254), "
            "“missing” (what is empty became 0.0), “single” (what is empty became 0.0), "
            "“fixed” (a text of 300 characters became one of 254)",
        ),
        ("ods", "“small” (1e-17 became 0)"),
        ("geojson", "“infinite” (inf became empty)"),
        ("kml", "“id” (9007199254740993 became 9007199254740992)"),
        ("csv", ""),
        ("xlsx", ""),
        ("gml", ""),
        ("gpkg", ""),
    ],
)
def test_values_that_a_format_changes_are_reported(write, tmp_path, suffix, changes):
    columns = [Column("large"), Column("small"), Column("id", INTEGER), Column("text", TEXT)]
    columns += [Column("missing"), Column("infinite"), Column("fine"), Column("number", INTEGER)]
    columns += [Column("single"), Column("fixed", TEXT)]
    arrays = list(LOSSES.values())
    xy = np.zeros((3, 2))
    table = Table("t", tuple(columns), 3, lambda: blocks_of(arrays, xy), POINT)
    written = write(table, str(tmp_path / f"x.{suffix}"))
    sentence = (
        f"The format of x.{suffix} changes values: {changes}. "
        "To keep them, choose another one, such as .gpkg."
    )
    assert [s for s in written.renamed if "changes values" in s] == [sentence] * bool(changes)


def test_a_changed_value_is_found_among_many_blocks(write, tmp_path):
    rows, block = 20_000, 25
    values = np.arange(1.0, rows + 1)
    values[12_345] = 1e-18
    texts = np.array(["a"] * rows, dtype=object)
    texts[1_234] = "é" * 128

    def blocks():
        for i in range(0, rows, block):
            yield Block((values[i : i + block], texts[i : i + block]), np.zeros((block, 2)))

    columns = (Column("v"), Column("t", TEXT))
    [sentence] = write(Table("t", columns, rows, blocks, POINT), str(tmp_path / "x.shp")).renamed
    assert "“v” (1e-18 became 0), “t” (a text of 128 characters became one of 127)" in sentence
