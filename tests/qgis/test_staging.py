"""Destinations that exist: files and tables are replaced as a whole, and never by accident."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine
from osgeo import ogr
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterFeatureSink,
    QgsVectorLayer,
)
from steering import Recorder, call, failing
from writer import table_of

from oq_processing.engine.errors import EngineError
from oq_processing.layers import staging, style

LOAD = "openquake:loadoutputaslayer"
METADATA = ("gpkg_metadata", "gpkg_metadata_reference")
EXPORT = "GET /v1/calc/result/7"


@pytest.fixture
def fake(registry):
    with FakeEngine() as engine:
        outputs = [{"id": 7, "type": "new", "name": "New", "outtypes": ["csv"]}]
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=outputs)
        yield engine


@pytest.fixture
def load(fake):
    """A function that loads points with the given values of v to an output."""

    def load(output, values=(1, 2, 3), feedback=None, context=None):
        rows = "".join(f"{v},{i},{i}\r\n" for i, v in enumerate(values))
        fake.answers[EXPORT] = [Answer(200, f"v,lon,lat\r\n{rows}".encode())]
        parameters = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT_TYPE": "new"}
        return call(LOAD, feedback, context, **parameters, OUTPUT=output).results["OUTPUT"]

    return load


def in_table(path, table: str) -> str:
    return f"ogr:dbname='{path}' table=\"{table}\" (geom)"


def values_of(source) -> list:
    """The values of v; QGIS itself would keep the file open for a minute."""
    path, _, table = str(source).partition("|layername=")
    dataset = ogr.Open(path)
    layer = dataset.GetLayerByName(table) if table else dataset.GetLayer(0)
    return [int(feature.GetField("v")) for feature in layer]


def files(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def content(path) -> dict[str, list]:
    """All rows of all tables of a database, and how these are defined.

    Without what GDAL writes again whenever it opens a database: times, and metadata of its own.
    """
    connection = sqlite3.connect(path)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    masters = connection.execute("select * from sqlite_master order by name").fetchall()
    found = {"sqlite_master": [row[:3] + row[4:] for row in masters]}
    for kind, name, _, _, sql in masters:
        if kind == "table" and name != "sqlite_sequence" and not sql.startswith("CREATE VIRTUAL"):
            rows = connection.execute(f'select * from "{name}" order by 1').fetchall()
            found[name] = [without_time(row) for row in rows if "GDALMulti" not in str(row)]
    kept = {row[0] for row in found["gpkg_metadata"]}
    references = [row for row in found["gpkg_metadata_reference"] if kept & set(row)]
    connection.close()
    return {**found, "gpkg_metadata_reference": references}


def without_time(row: tuple) -> tuple:
    return tuple(v for v in row if not (isinstance(v, str) and v[:2] == "20" and v[-1] == "Z"))


def about(found: dict, table: str) -> dict[str, list]:
    """All that a database holds about a table."""
    mine = {name: [row for row in rows if table in str(row)] for name, rows in found.items()}
    return {name: rows for name, rows in {**mine, "rows": found[table]}.items() if rows}


def changed(before: dict, after: dict) -> dict[str, str]:
    """What differs between two contents, shortened."""
    return {
        name: f"{set(before.get(name, ())) ^ set(after.get(name, ()))}"[:400]
        for name in {*before, *after}
        if before.get(name) != after.get(name)
    }


def tables(path) -> dict[str, int]:
    """The tables of a GeoPackage and how many rows they have."""
    connection = sqlite3.connect(path)
    names = [name for (name,) in connection.execute("select table_name from gpkg_contents")]
    counts = {n: connection.execute(f'select count(*) from "{n}"').fetchone()[0] for n in names}
    connection.close()
    return counts


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """What the fixture maps has made before."""
    return {}


@pytest.fixture
def maps(load, tmp_path, made) -> Path:
    """A GeoPackage with the tables yesterday and neighbour."""
    path = tmp_path / "maps.gpkg"
    if not made:
        load(in_table(path, "yesterday"))
        load(in_table(path, "neighbour"), (4, 5))
        made[path.name] = path.read_bytes()
    path.write_bytes(made[path.name])
    return path


# --- tables of a GeoPackage


def cancelled(load, output, monkeypatch) -> str:
    feedback = Recorder()
    feedback.setProgressText = lambda text: text.startswith("Writing") and feedback.cancel()
    with pytest.raises(QgsProcessingException) as caught:
        load(output, range(10), feedback)
    return str(caught.value)


def without_style(load, output, monkeypatch) -> str:
    def refuse(layer):
        raise EngineError("The style is refused.")

    monkeypatch.setattr(style, "store", refuse)
    with pytest.raises(QgsProcessingException) as caught:
        load(output, range(10))
    return str(caught.value)


def not_exchanged(load, output, monkeypatch) -> str:
    """Fail in the middle of the exchange, when the old table is deleted already."""
    path = output.split("'")[1]
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create trigger no before update of table_name on gpkg_geometry_columns "
            "begin select raise(abort, 'not today'); end"
        )
    before = content(path)
    with pytest.raises(QgsProcessingException) as caught:
        load(output, range(10))
    assert changed(before, content(path)) == {}
    with sqlite3.connect(path) as connection:
        connection.execute("drop trigger no")
    return str(caught.value)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (cancelled, "Cancelled by the user."),
        (without_style, "The style is refused."),
        (not_exchanged, "cannot be written (not today)."),
    ],
)
def test_a_table_that_fails_leaves_the_old_one_whole(maps, load, monkeypatch, fault, words):
    before = content(maps)
    assert words in fault(load, in_table(maps, "yesterday"), monkeypatch)
    assert changed(before, content(maps)) == {}
    assert [path.name for path in maps.parent.iterdir()] == ["maps.gpkg"]


def killed(write, output) -> None:
    """Write in a process that is killed when all rows are written."""
    child = os.fork()
    if child == 0:
        write(table_of(v=[7, 8, 9]), output, progress=lambda _: os.kill(os.getpid(), 9))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_killed_run_leaves_the_old_table_whole_and_its_own_is_removed_later(
    maps, load, write, monkeypatch
):
    before = content(maps)
    killed(write, in_table(maps, "yesterday"))
    [left] = set(tables(maps)) - {"yesterday", "neighbour", "layer_styles"}
    assert left.startswith("openquake_unfinished_")
    assert values_of(f"{maps}|layername=yesterday") == [1, 2, 3]
    # another run may still be writing it
    load(in_table(maps, "third"), (6,))
    assert left in tables(maps)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    load(in_table(maps, "third"), (6,))
    after = content(maps)
    assert set(tables(maps)) == {"yesterday", "neighbour", "third", "layer_styles"}
    assert "unfinished" not in str(after)
    for table in ("yesterday", "neighbour"):
        assert changed(about(before, table), about(after, table)) == {}


@pytest.mark.parametrize("name", ["yesterday", "YESTERDAY"])
def test_an_old_table_is_there_until_the_new_one_takes_all_its_places(
    maps, load, write, tmp_path, name
):
    with sqlite3.connect(maps) as connection:
        connection.execute("create view seen as select v from yesterday")
        # a style of the user, and the default one
        connection.execute(
            "insert into layer_styles (f_table_name, f_geometry_column, styleName, useAsDefault) "
            "values ('yesterday', 'geom', 'mine', 1)"
        )
    before = content(maps)
    seen = []

    def look(*_):
        seen.extend(
            [values_of(f"{maps}|layername=yesterday"), values_of(f"{maps}|layername=neighbour")]
        )

    table = table_of(v=[7, 8, 9])
    written = write(table, in_table(maps, name), look)
    assert seen == [[1, 2, 3], [4, 5]]
    assert written.destination == f"{maps}|layername={name}"
    assert values_of(written.destination) == [7, 8, 9]
    after = content(maps)
    assert "unfinished" not in str(after)
    assert changed(about(before, "neighbour"), about(after, "neighbour")) == {}
    # what is stored about it is what a new database would hold
    fresh = tmp_path / "fresh.gpkg"
    write(table, in_table(fresh, name))
    expected, got = about(content(fresh), name), about(after, name)
    for kind in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_extensions", "gpkg_ogr_contents"):
        assert (kind, got[kind]) == (kind, expected[kind])
    defined = {row[:2] for row in got["sqlite_master"]}
    assert defined - {("view", "seen")} == {row[:2] for row in expected["sqlite_master"]}
    assert [len(after[kind]) - len(before[kind]) for kind in METADATA] == [0, 0]
    styles = sqlite3.connect(maps).execute(
        "select styleName, useAsDefault from layer_styles where lower(f_table_name) = 'yesterday'"
    )
    assert sorted(styles.fetchall()) == [("OpenQuake", 1), ("mine", 0)]
    assert sqlite3.connect(maps).execute("select v from seen").fetchall() == [(7,), (8,), (9,)]
    layer = QgsVectorLayer(written.destination, "", "ogr")
    layer.loadDefaultMetadata()
    assert layer.metadata().identifier().endswith(f"/{name}")
    dataset = ogr.Open(str(maps))
    found = dataset.GetLayerByName(name)
    found.SetSpatialFilterRect(0.5, 0.5, 1.5, 1.5)
    assert (len(found), found.TestCapability("FastSpatialFilter")) == (1, True)


def test_a_table_with_another_name_in_xml_and_sql(load, tmp_path):
    path, name = tmp_path / "it's.gpkg", "a <b> & 'c'"
    for values in ((1, 2), (3, 4)):
        source = load(in_table(str(path).replace("'", "\\'"), name), values)
        assert source == f"{path}|layername={name}"
        layer = QgsVectorLayer(source, "", "ogr")
        layer.loadDefaultMetadata()
        assert (values_of(source), layer.metadata().title()) == (list(values), "New, calculation 1")
        assert layer.metadata().identifier().endswith(f"/{name}")


def test_a_failed_first_table_leaves_no_database_but_that_of_another_run(
    load, write, monkeypatch, tmp_path
):
    path = tmp_path / "new.gpkg"
    cancelled(load, in_table(path, "first"), monkeypatch)
    assert list(tmp_path.iterdir()) == []

    def fail(*_):
        load(in_table(path, "of another run"))
        raise EngineError("too late")

    with pytest.raises(EngineError, match="too late"):
        write(table_of(), in_table(path, "first"), fail)
    assert tables(path) == {"of another run": 3, "layer_styles": 1}


@pytest.mark.parametrize(
    ("make", "table", "words"),
    [
        (lambda path: path.write_text("no database"), "t", "cannot be written ("),
        (lambda path: None, "gpkg_contents", "which the format keeps for itself"),
        (lambda path: None, "Layer_Styles", "which the format keeps for itself"),
    ],
)
def test_tables_that_cannot_be_replaced(load, fake, tmp_path, make, table, words):
    path = tmp_path / "maps.gpkg"
    make(path)
    before = files(tmp_path)
    with pytest.raises(QgsProcessingException) as caught:
        load(in_table(path, table))
    assert words in str(caught.value)
    assert files(tmp_path) == before


def test_a_view_that_is_not_a_layer_is_not_replaced(maps, load):
    with sqlite3.connect(maps) as connection:
        connection.execute("create table kept (a)")
        connection.execute("create index seen on kept (a)")
    before = content(maps)
    with pytest.raises(QgsProcessingException, match=r"“seen” of .*maps\.gpkg is not a layer\."):
        load(in_table(maps, "seen"))
    assert changed(before, content(maps)) == {}


def test_a_layer_of_a_project_is_found_under_the_name_of_its_table(load, tmp_path, project):
    context = QgsProcessingContext()
    context.setProject(project)
    output = QgsProcessingOutputLayerDefinition(in_table(tmp_path / "m.gpkg", "t"), project)
    source = load(output, context=context)
    details = context.layersToLoadOnCompletion()
    assert list(details) == [source] == [f"{tmp_path}/m.gpkg|layername=t"]
    layer = QgsVectorLayer(source, "", "ogr")
    details[source].postProcessor().postProcessLayer(layer, context, Recorder())
    assert layer.name() == "New, calculation 1"


# --- files


def test_runs_with_one_output_do_not_disturb_each_other(load, tmp_path):
    """A run begins and ends while another one is writing; the last one to end wins."""
    for suffix, output in (
        ("gpkg", str(tmp_path / "map.gpkg")),
        ("shp", str(tmp_path / "map.shp")),
        ("gpkg|layername=t", in_table(tmp_path / "maps.gpkg", "t")),
    ):
        feedback, inner = Recorder(), []

        def within(percent, output=output, inner=inner):
            if percent > 50 and not inner:
                inner.append("begun")
                inner[:] = values_of(load(output, (7, 8)))

        feedback.progressChanged.connect(within)
        source = load(output, (1, 2, 3), feedback)
        assert source.endswith(suffix)
        assert inner == [7, 8]
        assert values_of(source) == [1, 2, 3]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == sorted(
        [".gpkg", ".gpkg", ".shp", ".shx", ".dbf", ".prj", ".cpg", ".qml", ".qmd"]
    )


def at_once(write, output, number=5) -> list[int]:
    """Write with several processes at once; return how each ended: 0, or 3 for a sentence."""
    ready, go = os.pipe()
    children = []
    for i in range(number):
        children.append(os.fork())
        if children[-1] == 0:
            signal.alarm(60)  # one that hangs must end
            os.close(go)
            os.read(ready, 1)  # until the other end is closed
            code = 1
            try:
                write(table_of(v=[i, i, i]), output)
                code = 0
            except EngineError as error:
                code = 3 if str(error).endswith(".") else 1
            finally:
                os._exit(code)
    os.close(go)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(ready)
    return codes


@pytest.mark.parametrize("name", ["map.gpkg", "map.shp", "map.csv"])
def test_five_runs_at_once_leave_a_whole_file_of_one_of_them(write, tmp_path, name):
    path = tmp_path / name
    write(table_of(v=[9, 9, 9]), str(path))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert set(at_once(write, str(path))) <= {0, 3}
    values = values_of(path)
    assert len(values) == 3
    assert len(set(values)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_five_runs_at_once_into_one_new_geopackage(write, tmp_path):
    path = tmp_path / "maps.gpkg"
    codes = at_once(write, in_table(path, "t"))
    assert set(codes) <= {0, 3}
    assert 0 in codes
    assert tables(path) == {"t": 3, "layer_styles": 1}
    assert len(set(values_of(f"{path}|layername=t"))) == 1


@pytest.mark.parametrize("suffix", ["-journal", "-wal"])
def test_a_journal_of_a_killed_program_is_not_played_into_the_new_file(load, tmp_path, suffix):
    path = tmp_path / "map.gpkg"
    load(str(path), range(2000))
    child = os.fork()
    if child == 0:  # it leaves pages of before its transaction, or of after it
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"pragma journal_mode = {'wal' if suffix == '-wal' else 'delete'}")
        connection.execute("pragma cache_size = 1")
        connection.execute("begin")
        connection.execute("create table filler as select * from map")
        connection.execute("update filler set v = v + 1")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name(path.name + suffix).stat().st_size > 10_000
    assert values_of(load(str(path), (7, 8, 9))) == [7, 8, 9]
    content(path)
    assert [p.name for p in tmp_path.iterdir()] == ["map.gpkg"]


def test_only_abandoned_folders_of_our_own_are_removed(load, tmp_path):
    old = time.time() - 25 * 3600
    ours, alive, restorable, of_user, similar = (
        tmp_path / name
        for name in (
            ".openquake-aaaaaaaa.part/unfinished",
            ".openquake-bbbbbbbb.part/unfinished",
            ".openquake-cccccccc.part/replaced",
            ".map_gpkg.part",
            ".openquake-notes.part",
        )
    )
    for folder in (ours, alive, restorable, of_user, similar):
        folder.mkdir(parents=True)
        (folder / "map.gpkg").write_bytes(b"x")
        if folder != alive:
            for path in (folder / "map.gpkg", folder, folder.parent):
                os.utime(path, (old, old))
    os.utime(ours.parent, (old, old))
    load(str(tmp_path / "map.gpkg"))
    assert not ours.parent.exists()
    for folder in (alive, restorable, of_user, similar):
        assert (folder / "map.gpkg").read_bytes() == b"x"


def test_what_a_link_points_to_is_replaced(load, tmp_path):
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "version1.gpkg", tmp_path / "map.gpkg"
    target.write_bytes(b"yesterday's map")
    link.symlink_to(target)
    load(str(link))
    assert link.is_symlink()
    assert values_of(target) == [1, 2, 3]
    assert [p.name for p in target.parent.iterdir()] == ["version1.gpkg"]
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(QgsProcessingException, match=r"map\.gpkg cannot be replaced \(Too many"):
        load(str(link))


# --- data sets of several files


@pytest.mark.parametrize(
    ("name", "stale"),
    [
        ("map.shp", (".qix", ".sbn", ".sbx", ".qpj", ".shp.xml")),
        ("map.csv", (".csvt",)),
        ("map.gml", (".gfs",)),
        ("MAP.SHP", (".QIX",)),
    ],
)
def test_no_part_of_the_old_data_set_stays_beside_the_new_one(load, tmp_path, name, stale):
    path = tmp_path / name
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    load(str(fresh / name))
    expected = {p.name for p in fresh.iterdir()}
    path.write_bytes(b"old")
    others = {f"{path.stem}2{path.suffix}", f"{path.stem}{path.suffix}.bak", "other.qix"}
    for other in (*(f"{path.stem}{suffix}" for suffix in stale), *others):
        (tmp_path / other).write_bytes(b"old")
    load(str(path))
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == expected | others
    assert all((tmp_path / other).read_bytes() == b"old" for other in others)


def test_the_style_of_another_file_of_the_same_name_stays(load, tmp_path, monkeypatch):
    for name in ("map.shp", "map.tif", "map.qml", "map.qix"):
        (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(style, "store", lambda layer: "not stored")
    load(str(tmp_path / "map.shp"))
    assert (tmp_path / "map.qml").read_bytes() == (tmp_path / "map.tif").read_bytes() == b"old"
    assert not (tmp_path / "map.qix").exists()


def test_a_table_beside_which_there_is_no_shapefile_does_not_become_part_of_one(load, tmp_path):
    (tmp_path / "map.dbf").write_bytes(b"a table of the user")
    before = files(tmp_path)
    with pytest.raises(QgsProcessingException, match=r"has map\.dbf without map\.shp"):
        load(str(tmp_path / "map.shp"))
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["map.shp", "map.csv"])
def test_a_data_set_that_cannot_be_replaced_stays_whole(load, tmp_path, monkeypatch, name):
    load(str(tmp_path / name))
    before = files(tmp_path)
    replace, count = os.replace, [0]

    def refuse(source, place):
        # the first new file finds its place, the second does not
        count[0] += staging.UNFINISHED in str(source)
        if count[0] == 2 and staging.UNFINISHED in str(source):
            raise PermissionError(13, "it is open in another program")
        replace(source, place)

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(QgsProcessingException) as caught:
        load(str(tmp_path / name), (7, 8, 9))
    assert str(caught.value) == (
        f"{tmp_path / name} cannot be replaced (it is open in another program)."
    )
    assert files(tmp_path) == before
    monkeypatch.undo()
    load(str(tmp_path / name), (7, 8, 9))
    assert values_of(tmp_path / name) == [7, 8, 9]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


# --- what is refused before anything is fetched

DATABASES = [
    ("postgres://dbname='x' host=h password='secret' table=\"public\".\"t\" (geom)", "“postgres”"),
    ("postgis:dbname='x' table=\"t\" (geom)", "“postgis”"),
    ("spatialite://dbname='x.sqlite' table=\"t\" (geom)", "“spatialite”"),
    ("mssql://server='secret' table=\"t\"", "“mssql”"),
    ("oracle://dbname='secret'", "“oracle”"),
    ("ogr:map.gpkg", "does not name its GeoPackage"),
    ("ogr:dbname='map.gpkg'", "does not name its table"),
    ("ogr:dbname='map.gpkg' table=\"\" (geom)", "does not name its table"),
    ("ogr:dbname='map.sqlite' table=\"t\" (geom)", "map.sqlite, which is not a GeoPackage"),
    ("map.gpkg|layername=t", "has a “|”"),
]
"""Destinations, and the words that say what is wrong with them; all others say what is right."""

NAMES = [
    ("maps/", "is a folder: “maps/”. Add the name of a file."),
    ("a map: of today.gpkg", "“a map: of today.gpkg”. Choose a path without a colon."),
    ("two\nlines.gpkg", "has a line break or another control character. Remove it."),
]


@pytest.mark.parametrize(("output", "words"), DATABASES + NAMES)
def test_what_no_layer_can_be_written_to_is_refused_at_once(fake, tmp_path, output, words):
    parameters = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT_TYPE": "new"}
    message = failing(LOAD, **parameters, OUTPUT=output)
    assert message.startswith("Layer (OUTPUT) ")
    assert words in message
    assert "secret" not in message
    if (output, words) in DATABASES:
        assert message.endswith(
            "Choose a file (OUTPUT=map.gpkg), a table of a GeoPackage (OUTPUT=ogr:dbname="
            "'maps.gpkg' table=\"map\" (geom)) or a temporary layer."
        )
    assert fake.requests == []


def test_every_sink_of_every_algorithm_and_model_is_checked(registry):
    context = QgsProcessingContext()
    checked = []
    for algorithm in registry.providerById("openquake").algorithms():
        for sink in algorithm.parameterDefinitions():
            if isinstance(sink, QgsProcessingParameterFeatureSink):
                checked.append(f"{algorithm.name()} {sink.name()}")
                good, message = algorithm.checkParameterValues({sink.name(): "mssql://x"}, context)
                assert (good, message.partition(" cannot be in a database of type ")[0]) == (
                    False,
                    f"{sink.description()} ({sink.name()})",
                )
    assert len(checked) >= 12
    assert {"loadoutputaslayer OUTPUT_LINES", "plotoutput DATA", "lossesbyzone sum:OUTPUT"} < set(
        checked
    )


def test_a_step_of_a_model_refuses_it_too(fake):
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(LOAD)
    parameters = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT": "mssql://x"}
    feedback = Recorder()
    assert not algorithm.prepare(parameters, QgsProcessingContext(), feedback)
    assert "cannot be in a database of type “mssql”" in feedback.texts("error")[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("map.gpkg", "map.gpkg"),
        ("ogr:dbname='map.gpkg' table=\"t\"", "ogr:dbname='map.gpkg' table=\"T\" (geom)"),
        ("map.gpkg", "ogr:dbname='map.gpkg' table=\"map\" (geom)"),
        ("ogr:dbname='map.gpkg' table=\"t\"", "map.gpkg"),
    ],
)
def test_two_layers_at_one_place_are_refused(fake, first, second):
    parameters = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT": first}
    message = failing(LOAD, **parameters, OUTPUT_LINES=second)
    assert message.startswith("Lines (OUTPUT_LINES) would overwrite another layer of the same run")
    assert fake.requests == []
