"""The job archive: what is found, what is refused, and what the server will unpack."""

import os
import socket
import stat
import unicodedata
import zipfile
from pathlib import Path

import pytest

from oq_processing.engine.errors import Cancelled, InvalidJob
from oq_processing.engine.job import archive as archive_module
from oq_processing.engine.job import ini as ini_module
from oq_processing.engine.job import package as job_module
from oq_processing.engine.job.origins import ZipMember
from oq_processing.engine.job.package import parse_parameters, prepare, write_archive

SMLT = """<?xml version="1.0" encoding="utf-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.5">
  <logicTree logicTreeID="lt">
    <logicTreeBranchSet uncertaintyType="{kind}" branchSetID="bs">
      <logicTreeBranch branchID="b">
        <uncertaintyModel>{models}</uncertaintyModel>
        <uncertaintyWeight>1</uncertaintyWeight>
      </logicTreeBranch>
    </logicTreeBranchSet>
  </logicTree>
</nrml>
"""
GSIM = """<?xml version="1.0" encoding="utf-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.4">
  <logicTree logicTreeID="lt">
    <logicTreeBranchingLevel branchingLevelID="bl">
      <logicTreeBranchSet uncertaintyType="gmpeModel" branchSetID="bs">
        <logicTreeBranch branchID="b">
          <uncertaintyModel{attributes}>{toml}</uncertaintyModel>
          <uncertaintyWeight>1</uncertaintyWeight>
        </logicTreeBranch>
      </logicTreeBranchSet>
    </logicTreeBranchingLevel>
  </logicTree>
</nrml>
"""
EXPOSURE = """<?xml version="1.0" encoding="utf-8"?>
<nrml xmlns="http://openquake.org/xmlns/nrml/0.5">
  <exposureModel id="ex" category="buildings" taxonomySource="GEM">
    <assets>{assets}</assets>
  </exposureModel>
</nrml>
"""
NRML = '<nrml xmlns="http://openquake.org/xmlns/nrml/0.5"><sourceModel/></nrml>'


def files(folder):
    """Every file below a folder, by its POSIX name."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def put(folder, name, content=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def make_ini(folder, *lines, name="job.ini"):
    text = "\n".join(["[general]", "calculation_mode = scenario", *lines]) + "\n"
    return put(folder, name, text)


def make_zip(path, contents, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def names(package):
    return [member.name for member in package.members]


def only(job, *args, **kwargs):
    [package] = prepare(job, *args, **kwargs)
    return package


def archived(package, tmp_path):
    """Write the archive and return its members' contents."""
    target = tmp_path / "written archive.zip"
    write_archive(package, target)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name) for name in archive.namelist()}
    target.unlink()
    return contents


def refusal(job, *args, **kwargs):
    with pytest.raises(InvalidJob) as caught:
        prepare(job, *args, **kwargs)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "project" / "job"
    path.mkdir(parents=True)
    return path


# ---- overrides


def test_parameters_are_split_at_semicolons_and_newlines():
    text = "description = a b=c ; Truncation_Level=2\r\nposes=\n;"
    assert parse_parameters(text) == {
        "description": "a b=c",
        "truncation_level": "2",
        "poses": "",
    }
    assert parse_parameters(" \n") == {}


def test_all_unreadable_parameters_are_named_at_once():
    with pytest.raises(InvalidJob) as caught:
        parse_parameters("nonsense; a b=2; x=1; X=2; =3")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("The parameters cannot be read")
    assert lines[1:] == [
        "'nonsense' is not name=value",
        "'a b=2' is not name=value",
        "x is given twice",
        "'=3' is not name=value",
    ]


def test_an_override_replaces_the_value_where_it_stands_and_nothing_else(folder, tmp_path):
    original = (
        "\ufeff# first\r\n[general]\r\nDescription : old\r\n   and more\r\n; note\r\n"
        "calculation_mode=scenario\r\n\r\n[x]\r\nimt = {\r\n  'PGA': 1,\r\n"
        "  'SA': 2}\r\nempty =\r\nunknown_key = ü % kept  \r\n# end"
    )
    put(folder, "job.ini", original)
    package = only(
        folder / "job.ini",
        parameters={"DESCRIPTION": "new = text", "imt": "PGA", "empty": "full", "added": "3"},
    )
    assert archived(package, tmp_path)["job.ini"].decode() == (
        "\ufeff# first\r\n[general]\r\nDescription : new = text\r\n; note\r\n"
        "calculation_mode=scenario\r\n\r\n[x]\r\nimt = PGA\r\n"
        "empty =full\r\nunknown_key = ü % kept  \r\n# end\r\nadded = 3\r\n"
    )
    assert package.description == "new = text"
    assert package.calculation_mode == "scenario"
    assert package.overrides == {
        "description": "new = text",
        "imt": "PGA",
        "empty": "full",
        "added": "3",
    }
    assert (folder / "job.ini").read_bytes().decode() == original


def test_without_overrides_the_ini_is_sent_byte_for_byte(folder, tmp_path):
    data = b"\xef\xbb\xbf[a]\r\ncalculation_mode = scenario\n\n#x\r\n[b]\nk : v  \r\n"
    put(folder, "job.ini", data)
    assert archived(only(folder / "job.ini"), tmp_path) == {"job.ini": data}


def test_an_overridden_file_is_collected_instead(folder):
    make_ini(folder, "site_model_file = gone.csv")
    put(folder, "sub/sites.csv", "lon,lat")
    package = only(folder / "job.ini", parameters={"site_model_file": "sub/sites.csv"})
    assert names(package) == ["job.ini", "sub/sites.csv"]
    assert "sites.csv, which does not exist" in refusal(
        folder / "job.ini", parameters={"site_model_file": "sites.csv"}
    )


def test_a_value_of_several_lines_is_read_back_the_same(folder, tmp_path):
    make_ini(folder, "[x]", "  gsim = X")
    value = "[GMPETable]\n  gmpe_table = 'a.hdf5'"
    put(folder, "a.hdf5", b"1")
    package = only(folder / "job.ini", parameters={"gsim": value})
    assert names(package) == ["job.ini", "a.hdf5"]
    assert (
        b"  gsim = [GMPETable]\n    gmpe_table = 'a.hdf5'\n"
        in (archived(package, tmp_path)["job.ini"])
    )


def test_a_value_that_would_not_survive_is_refused(folder):
    make_ini(folder)
    assert "cannot be set" in refusal(folder / "job.ini", parameters={"a": "x\n# y"})


def test_the_default_section_is_merged_and_a_sections_own_value_wins(folder, tmp_path):
    put(folder, "job.ini", "[DEFAULT]\ndescription = d\nx = 1\n[s]\ndescription = s\n")
    package = only(folder / "job.ini", parameters={"description": "n", "x": "2"})
    assert archived(package, tmp_path)["job.ini"] == (
        b"[DEFAULT]\ndescription = d\nx = 2\n[s]\ndescription = n\n"
    )
    assert package.description == "n"
    put(folder, "job.ini", "[s]\ndescription = s\n[DEFAULT]\ndescription = d\n")
    package = only(folder / "job.ini", parameters={"description": "n"})
    assert archived(package, tmp_path)["job.ini"] == (
        b"[s]\ndescription = n\n[DEFAULT]\ndescription = d\n"
    )


def test_indented_parameters_are_told_from_continued_ones(folder, tmp_path):
    put(folder, "job.ini", "[s]\n  a = 1\n    more\n  b = 2\n c = 3\n")
    package = only(folder / "job.ini", parameters={"a": "x", "b": "y", "c": "z"})
    assert archived(package, tmp_path)["job.ini"] == b"[s]\n  a = x\n  b = y\n c = z\n"


@pytest.mark.parametrize(
    ("original", "sent"),
    [
        (
            "[s]\na = 1\nregion = 1 2,\n  3 4,\n# of it\n  5 6\nb = 2\n",
            "[s]\na = 1\n\n\n\n\nb = 2\n",
        ),
        ("\ufeff[s]\r\nREGION : 1 2\r\n[t]\r\nb=2", "\ufeff[s]\r\n\r\n[t]\r\nb=2"),
        ("[s]\n  a = 1\n  region = 1\n    2\n b = 2\n", "[s]\n  a = 1\n\n\n b = 2\n"),
        ("[DEFAULT]\nregion = 1\n[s]\nregion =\nb = 2\n", "[DEFAULT]\n\n[s]\n\nb = 2\n"),
        ("[s]\nb = 2\nregion = 1", "[s]\nb = 2\n"),
        ("[s]\nregion =\n\n# region = 1\nb = 2\n", "[s]\n\n\n# region = 1\nb = 2\n"),
    ],
)
def test_a_parameter_without_a_value_is_removed_and_nothing_else(folder, tmp_path, original, sent):
    job = put(folder, "job.ini", original)
    package = only(job, parameters=parse_parameters("Region="))
    assert archived(package, tmp_path)["job.ini"].decode() == sent
    assert package.overrides == {"region": ""}
    assert package.warnings == ()
    assert job.read_bytes().decode() == original


def test_files_and_hazard_of_what_is_removed_are_not_used(folder):
    job = make_ini(folder, "site_model_file = gone.csv", "hazard_calculation_id = 7")
    package = only(job, parameters={"site_model_file": "", "hazard_calculation_id": ""})
    assert names(package) == ["job.ini"]
    assert package.hazard_calculation_id is None


def test_what_no_ini_sets_is_not_removed_and_that_is_said(folder):
    make_ini(folder, "region = 1 2", name="job_hazard.ini")
    make_ini(folder, name="job_risk.ini")
    parameters = {"regoin": "", "region": ""}
    first, second = prepare(folder, "job_hazard.ini,job_risk.ini", parameters=parameters)
    assert (first.overrides, second.overrides) == ({"region": ""}, {})
    assert first.notes == ("Not removed: regoin, which no .ini of this run sets.",)
    assert second.notes == ()


GRID = ["region = 0 0, 0 1, 1 1", "region_grid_spacing = 10"]
SOIL = "site_model_file = soil.csv"
USED = "job.ini sets {0} and {1}: the engine, 3.20 to 3.26, uses {0} and ignores {1}. To use {1}, "


@pytest.mark.parametrize(
    ("lines", "warnings", "notes"),
    [
        (GRID, [], []),
        (["sites_csv = sites.csv"], [], []),
        ([SOIL, "exposure_file = expo.xml"], [], []),
        (
            [*GRID, "sites_csv = sites.csv"],
            [
                USED.format("region_grid_spacing", "sites_csv")
                + "remove region, region_grid_spacing "
                "(PARAMETERS: region=; region_grid_spacing=)."
            ],
            [],
        ),
        (
            ["sites = 1 2", *GRID],
            [USED.format("sites", "region_grid_spacing") + "remove sites (PARAMETERS: sites=)."],
            [],
        ),
        (
            ["sites = 1 2", "sites_csv = sites.csv"],
            [USED.format("sites", "sites_csv") + "remove sites (PARAMETERS: sites=)."],
            [],
        ),
        (
            [*GRID, SOIL, "exposure_file = expo.xml"],
            [],
            [
                "job.ini: the sites are those of region_grid_spacing; each gets the soil of the "
                "nearest point of site_model_file.",
                "job.ini: the sites are those of region_grid_spacing; the nearest of them is used "
                "for each asset of exposure_file.",
            ],
        ),
    ],
    ids=["grid", "list", "soil", "grid and list", "sites and grid", "sites and list", "all"],
)
def test_several_sources_of_sites(folder, lines, warnings, notes):
    for name in ("sites.csv", "soil.csv"):
        put(folder, name, "lon,lat\n1,2\n")
    put(folder, "expo.xml", "<nrml><exposureModel><assets>a.csv</assets></exposureModel></nrml>")
    put(folder, "a.csv", "id,lon,lat\n")
    package = only(make_ini(folder, *lines))
    assert (list(package.sites_dropped), list(package.sites_associated)) == (warnings, notes)
    removed = dict.fromkeys(["sites", "region", "region_grid_spacing"], "")
    assert only(make_ini(folder, *lines), parameters=removed).sites_dropped == ()


# ---- the .ini itself


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = 1\n", "line 1 stands before any [section]"),
        (b"", "calculation_mode"),
        (b"[a]\nx = 1\nnonsense\n", "line 3 is not name = value"),
        (b"[a]\nx = \xe9\n", "not UTF-8 text (line 2)"),
        ("[a]\nx = 1\n".encode("utf-16"), "not UTF-8 text (line 1)"),
        (b"[a]\nx = 1\nX = 2\n", "line 3: x is set twice in [a]"),
        (b"[a]\nx = 1\n[a]\ny = 2\n", "line 3: the section [a] stands there twice"),
        (b"[a]\nx = 1\n[b]\nx = 2\n[c]\nx=1", "x: [a], [b], [c]"),
    ],
)
def test_an_ini_the_engine_would_refuse(folder, data, message):
    if not data:
        put(folder, "job.ini", data)
        assert only(folder / "job.ini").calculation_mode == ""
        return
    put(folder, "job.ini", data)
    text = refusal(folder / "job.ini")
    assert text.startswith("job.ini")
    assert message in text


@pytest.mark.parametrize(("value", "expected"), [("12", 12), ("", None), (" 7 ", 7)])
def test_the_hazard_calculation_of_the_ini_is_told(folder, value, expected):
    make_ini(folder, f"hazard_calculation_id = {value}")
    assert only(folder / "job.ini").hazard_calculation_id == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("job_haz.ini", "is a file, which cannot be sent"),
        ("calc_1.hdf5", "is a file, which cannot be sent"),
        ("last", "is not the id of a calculation"),
        ("-1", "is not the id of a calculation"),
        ("0", "is not the id of a calculation"),
    ],
)
def test_a_hazard_calculation_that_cannot_be_sent(folder, value, message):
    make_ini(folder, f"hazard_calculation_id = {value}")
    text = refusal(folder / "job.ini")
    assert f"job.ini, line 3: hazard_calculation_id = {value} {message}" in text
    assert (
        only(folder / "job.ini", parameters={"hazard_calculation_id": "5"}).hazard_calculation_id
        == 5
    )


# ---- references of the .ini


def test_lists_single_paths_dictionaries_and_unknown_stems(folder):
    make_ini(
        folder,
        "exposure_csv = a.csv",
        "  b.csv c.csv",
        "rupture_model_file = with a blank.csv",
        "consequence_file = {'taxonomy': ['d.csv', 'e.csv'], 'x': 'f.csv'}",
        "brand_new_file: g.bin",
        "some_hdf5 = h.hdf5",
        "active shallow crust = i.hdf5",
        "description = no.hdf5",
        "empty_file =",
        "a_file = ${mosaic}/x/ssmLT.xml",
        "b_file = https://x.org/y.xml",
        "# old_file = gone.xml",
    )
    wanted = ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "f.csv", "g.bin", "h.hdf5", "i.hdf5"]
    for name in [*wanted, "with a blank.csv", "unused.csv"]:
        put(folder, name, name)
    package = only(folder / "job.ini")
    assert names(package) == ["job.ini", *wanted, "with a blank.csv"]
    assert package.size == sum(member.size for member in package.members)
    assert package.size == (folder / "job.ini").stat().st_size + 47 + 16
    assert package.warnings == ()
    assert package.archive is None


def test_shakemap_shapefile_and_geometry_bring_their_sidecars(folder):
    make_ini(
        folder,
        "shakemap_uri = {'kind': 'shapefile', 'fname': 'file://shp/map.shp',",
        "  'grid_url': 'http://x.org/grid.xml', 'uncertainty_url': 'u.xml', 'id': 'x.csv'}",
        "geometry_file = zones.shp",
    )
    for name in ["map.shp", "map.shx", "map.dbf", "map.prj", "map.cpg", "map.txt", "other.shp"]:
        put(folder, f"shp/{name}", "x")
    put(folder, "u.xml", NRML)
    put(folder, "zones.shp")
    put(folder, "zones.dbf")
    assert names(only(folder / "job.ini")) == [
        "job.ini",
        "shp/map.cpg",
        "shp/map.dbf",
        "shp/map.prj",
        "shp/map.shp",
        "shp/map.shx",
        "u.xml",
        "zones.dbf",
        "zones.shp",
    ]


def test_a_zipped_shapefile_brings_nothing(folder):
    make_ini(folder, "shakemap_uri = {'kind': 'shapefile', 'fname': 'map.zip'}")
    put(folder, "map.zip")
    put(folder, "map.dbf")
    assert names(only(folder / "job.ini")) == ["job.ini", "map.zip"]


def test_a_dictionary_that_is_none_is_named(folder):
    make_ini(folder, "consequence_file = {'taxonomy': x.csv}", "reinsurance_file = {'a': 5}")
    text = refusal(folder / "job.ini")
    assert "consequence_file is not a dictionary" in text
    assert "reinsurance_file holds 5, which is not the name of a file" in text


@pytest.mark.parametrize(
    "value", ["{[]: 'a.xml'}", "{{}: 'a.xml'}", "{'structural': 'a.xml', {1}: 'b.xml'}"]
)
def test_a_dictionary_that_python_cannot_make(folder, value):
    make_ini(folder, f"structural_vulnerability_file = {value}")
    assert refusal(folder / "job.ini") == (
        "job.ini cannot be sent: job.ini: structural_vulnerability_file is not a dictionary like "
        "{'structural': 'file.xml'}."
    )


def test_a_path_of_ten_thousand_folders(folder):
    make_ini(folder, f"exposure_file = {'a/' * 10_000}b.xml")
    assert refusal(folder / "job.ini").endswith("a/a/b.xml, which does not exist.")


def test_all_missing_files_are_named_at_once(folder):
    make_ini(
        folder,
        "source_model_logic_tree_file = ssmLT.xml",
        "site_model_file = s1.csv s2.csv",
        "exposure_file = exposure.xml",
        "consequence_file = {'taxonomy': 'cons.csv'}",
    )
    put(folder, "ssmLT.xml", SMLT.format(kind="sourceModel", models="\n  a.xml\n  b.xml\n"))
    put(folder, "exposure.xml", EXPOSURE.format(assets="assets 1.csv"))
    put(folder, "s1.csv")
    lines = refusal(folder / "job.ini").splitlines()
    assert lines[0] == "job.ini cannot be sent, 6 things are wrong:"
    assert sorted(lines[1:]) == [
        "exposure.xml, line 4, names 1.csv, which does not exist",
        "exposure.xml, line 4, names assets, which does not exist",
        "job.ini, line 4: site_model_file names s2.csv, which does not exist",
        "job.ini, line 6: consequence_file names cons.csv, which does not exist",
        "ssmLT.xml, line 7, names a.xml, which does not exist",
        "ssmLT.xml, line 8, names b.xml, which does not exist",
    ]


def test_one_problem_is_one_sentence(folder):
    make_ini(folder, "exposure_file = e.xml")
    assert refusal(folder / "job.ini") == (
        "job.ini cannot be sent: job.ini, line 3: exposure_file names e.xml, which does not exist."
    )


def test_a_name_with_blanks_where_the_engine_takes_a_list(folder):
    make_ini(folder, "exposure_file = my exposure.xml")
    put(folder, "my exposure.xml", EXPOSURE.format(assets=""))
    assert refusal(folder / "job.ini").splitlines()[1:] == [
        "job.ini, line 3: exposure_file names my, which does not exist",
        "job.ini, line 3: exposure_file: the engine takes no blanks in this name (my exposure.xml)",
        "job.ini, line 3: exposure_file names exposure.xml, which does not exist",
    ]


def test_a_reference_to_a_folder_a_dead_link_or_a_socket(folder, tmp_path, monkeypatch):
    make_ini(folder, "a_file = sub", "b_file = dead", "c_file = sock", "d_file = locked")
    (folder / "sub").mkdir()
    (folder / "dead").symlink_to("nowhere")
    put(folder, "locked")
    monkeypatch.chdir(folder)  # a socket's path is limited to some 100 characters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        opened = Path.open

        def open_unless_locked(self, *args, **kwargs):
            if self.name == "locked":
                raise PermissionError(13, "Permission denied")
            return opened(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", open_unless_locked)
        text = refusal(folder / "job.ini")
    assert "a_file names sub, which is a folder, not a file" in text
    assert "b_file names dead, which is a link to nothing" in text
    assert "c_file names sock, which is not a regular file" in text
    assert "d_file names locked, which cannot be read (Permission denied)" in text


def test_a_linked_file_is_sent_with_its_content(folder, tmp_path):
    put(tmp_path, "elsewhere.csv", "content")
    make_ini(folder, "site_model_file = sites.csv")
    (folder / "sites.csv").symlink_to(tmp_path / "elsewhere.csv")
    package = only(folder / "job.ini")
    assert archived(package, tmp_path)["sites.csv"] == b"content"
    assert package.warnings == (
        f"sites.csv is a link; what is sent is {tmp_path / 'elsewhere.csv'}.",
    )


# ---- references inside XML


@pytest.mark.parametrize("kind", ["sourceModel", "extendModel"])
def test_source_models_with_their_hdf5_beside(folder, kind):
    make_ini(folder, "source_model_logic_tree_file = lt/ssmLT.xml")
    put(folder, "lt/ssmLT.xml", SMLT.format(kind=kind, models="m/a.xml ../b.xml m/a.xml"))
    put(folder, "lt/m/a.xml", NRML)
    put(folder, "lt/m/a.hdf5", "x")
    put(folder, "b.xml", NRML)
    assert names(only(folder / "job.ini")) == [
        "job.ini",
        "b.xml",
        "lt/m/a.hdf5",
        "lt/m/a.xml",
        "lt/ssmLT.xml",
    ]


def test_other_uncertainties_name_no_files(folder):
    make_ini(folder, "source_model_logic_tree_file = ssmLT.xml")
    put(folder, "ssmLT.xml", SMLT.format(kind="maxMagGRAbsolute", models="6.5"))
    assert names(only(folder / "job.ini")) == ["job.ini", "ssmLT.xml"]


def test_gsim_tables_of_toml_attributes_and_inline_tables(folder):
    toml = """
      [ModifiableGMPE]
      # gmpe_table = "commented.hdf5"
      gmpe.X = {gmpe_table = 'in line.hdf5', volc_arc_file="v.geojson", n=1}
      "quoted_file" = "q.csv"
      not_a_path = 'x.csv'
      missing_table = "nga_east.hdf5"
    """
    make_ini(folder, "gsim_logic_tree_file = lt/gmmLT.xml")
    put(folder, "lt/gmmLT.xml", GSIM.format(attributes=' gmpe_table="../t.hdf5"', toml=toml))
    for name in ("lt/in line.hdf5", "lt/v.geojson", "lt/q.csv", "t.hdf5", "lt/commented.hdf5"):
        put(folder, name, "x")
    package = only(folder / "job.ini")
    assert names(package) == [
        "job.ini",
        "lt/gmmLT.xml",
        "lt/in line.hdf5",
        "lt/q.csv",
        "lt/v.geojson",
        "t.hdf5",
    ]
    [warning] = package.warnings
    assert warning.startswith("lt/gmmLT.xml, line 13, names nga_east.hdf5, which is not there")


def test_a_gsim_in_the_ini_with_a_table(folder):
    make_ini(folder, "gsim = [GMPETable]", '  gmpe_table = "./t.hdf5"')
    put(folder, "t.hdf5", "x")
    assert names(only(folder / "job.ini")) == ["job.ini", "t.hdf5"]


def test_several_exposures_each_up_to_its_first_asset(folder):
    make_ini(folder, "exposure_file = a.xml sub/b.xml c.hdf5")
    put(folder, "a.xml", EXPOSURE.format(assets="\n one.csv\n two.csv "))
    # what follows the first asset is not read: it may be gigabytes
    cut = EXPOSURE.format(assets='<asset id="1"/><asset id="2"').partition("</assets>")[0]
    put(folder, "sub/b.xml", cut)
    put(folder, "c.hdf5", "x")
    put(folder, "one.csv")
    put(folder, "two.csv")
    assert names(only(folder / "job.ini")) == [
        "job.ini",
        "a.xml",
        "c.hdf5",
        "one.csv",
        "sub/b.xml",
        "two.csv",
    ]


def test_reinsurance_brings_its_policies(folder):
    make_ini(folder, "reinsurance_file = {'structural': 'r/re.xml'}")
    put(
        folder,
        "r/re.xml",
        "<nrml><reinsuranceModel><policies> my policies.csv </policies></reinsuranceModel></nrml>",
    )
    put(folder, "r/my policies.csv")
    assert names(only(folder / "job.ini")) == ["job.ini", "r/my policies.csv", "r/re.xml"]


def test_damaged_xml_is_named_with_its_line(folder):
    make_ini(
        folder, "source_model_logic_tree_file = ssmLT.xml", "structural_fragility_file = f.xml"
    )
    put(folder, "ssmLT.xml", SMLT.format(kind="sourceModel", models="m.xml"))
    put(folder, "m.xml", "<nrml>\n<sourceModel>\n")
    put(folder, "f.xml", "<nrml>\n\n<a></b></nrml>")
    text = refusal(folder / "job.ini")
    assert "m.xml, line 3: the XML is damaged or cut off (no element found)" in text
    assert "f.xml, line 3: the XML is damaged or cut off (mismatched tag)" in text


def test_an_absolute_path_in_xml_is_an_error_with_its_line(folder):
    make_ini(folder, "exposure_file = exposure.xml", "gsim_logic_tree_file = g.xml")
    csv = put(folder, "a.csv")
    put(folder, "exposure.xml", EXPOSURE.format(assets=f"\n{csv.as_posix()}"))
    put(folder, "g.xml", GSIM.format(attributes=r' gmpe_table="C:\t.hdf5"', toml="X"))
    text = refusal(folder / "job.ini")
    assert f"exposure.xml, line 5, names {csv.as_posix()}: an absolute path" in text
    assert r"g.xml, line 7, names C:\t.hdf5: an absolute path" in text


# ---- zipped inputs


def test_a_zipped_exposure_and_a_zipped_logic_tree(folder):
    make_ini(
        folder,
        "site_model_file = from_lt.csv",
        "exposure_file = in/exp1.zip",
        "source_model_logic_tree_file = lt.zip",
    )
    make_zip(
        put(folder, "in/exp1.zip"),
        {"exposure.xml": EXPOSURE.format(assets="a.csv b.csv"), "a.csv": "x"},
    )
    put(folder, "in/b.csv")
    make_zip(
        folder / "lt.zip",
        {
            "lt.xml": SMLT.format(kind="sourceModel", models="m.xml"),
            "m.xml": NRML,
            "from_lt.csv": "x",
        },
    )
    assert names(only(folder / "job.ini")) == ["job.ini", "in/b.csv", "in/exp1.zip", "lt.zip"]


def test_what_is_wrong_inside_a_zipped_input(folder):
    make_ini(folder, "exposure_file = a.zip b.zip c.zip d.zip e.zip")
    make_zip(folder / "a.zip", {"exposure.xml": EXPOSURE.format(assets="gone.csv")})
    make_zip(folder / "b.zip", {"sub/exposure.xml": "x"})
    put(folder, "c.zip", "no zip")
    make_zip(folder / "d.zip", {"exposure.xml": "<nrml>"})
    lines = refusal(folder / "job.ini").splitlines()[1:]
    assert lines[0] == "a.xml, line 4, names gone.csv, which does not exist"
    assert lines[1].endswith("names b.zip, which holds neither exposure.xml nor b.xml")
    assert "names c.zip, which is not a zip, or it is damaged" in lines[2]
    assert lines[3].startswith("d.xml, line 1: the XML is damaged")
    assert lines[4].endswith("exposure_file names e.zip, which does not exist")


def test_an_already_unzipped_input_is_taken_as_the_engine_takes_it(folder):
    make_ini(folder, "exposure_file = e.zip")
    put(folder, "e.xml", EXPOSURE.format(assets="a.csv"))
    put(folder, "a.csv")
    assert names(only(folder / "job.ini")) == ["job.ini", "a.csv", "e.xml"]


def test_a_namesake_in_other_letter_case_does_not_stand_for_the_zip(folder):
    make_ini(folder, "exposure_file = e.zip f.zip")
    for name in ("e.zip", "f.zip"):
        make_zip(folder / name, {"exposure.xml": EXPOSURE.format(assets="")})
    put(folder, "E.xml", "not an exposure")
    put(folder, "F.xml/x")
    assert names(only(folder / "job.ini")) == ["job.ini", "e.zip", "f.zip"]


# ---- layout


def test_the_root_is_the_folder_all_references_have_in_common(folder, tmp_path):
    make_ini(folder, "exposure_file = ../exposure/e.xml", "a_file = x/a.csv")
    put(folder, "x/a.csv")
    put(folder, "../exposure/e.xml", EXPOSURE.format(assets="csv/a.csv"))
    put(folder, "../exposure/csv/a.csv", "1")
    package = only(folder / "job.ini")
    assert package.ini == "job/job.ini"
    assert names(package) == [
        "job/job.ini",
        "exposure/csv/a.csv",
        "exposure/e.xml",
        "job/x/a.csv",
    ]
    contents = archived(package, tmp_path)
    assert contents["job/job.ini"] == (folder / "job.ini").read_bytes()


def test_a_job_that_names_its_own_folder_from_within(folder):
    put(folder, "a.csv")
    for reference in ("../job/a.csv", "./../job/a.csv", "x/../../job/a.csv"):
        make_ini(folder, f"a_file = {reference}")
        assert names(only(folder / "job.ini")) == ["job/job.ini", "job/a.csv"]
    make_ini(folder, "a_file = x/../a.csv")
    assert names(only(folder / "job.ini")) == ["job.ini", "a.csv"]


def test_a_relative_job_path(folder, monkeypatch):
    make_ini(folder, "a_file = ../a.csv")
    put(folder, "../a.csv")
    monkeypatch.chdir(folder)
    assert names(only(Path("job.ini"))) == ["job/job.ini", "a.csv"]


def test_absolute_references_go_to_external_and_are_rewritten(folder, tmp_path):
    data = tmp_path / "data"
    for name in ("e1.csv", "lt/ssmLT.xml", "lt/m/a.xml", "more/e1.csv", "reqv.hdf5", "s 1.csv"):
        put(data, name, NRML)
    put(data, "lt/ssmLT.xml", SMLT.format(kind="sourceModel", models="m/a.xml"))
    make_ini(
        folder,
        f"exposure_csv = {data}/e1.csv in.csv",
        f"    {data}/more/e1.csv",
        f"source_model_logic_tree_file = {data}/lt/ssmLT.xml",
        f"reqv_file = {{'a': '{data}/reqv.hdf5',",
        "# a comment in the value",
        "   'b': 'in.csv'}",
        f"one_file={data}/s 1.csv",
        f"shakemap_uri = {{'kind': 'file_npy', 'fname': 'file://{data}/reqv.hdf5'}}",
    )
    put(folder, "in.csv")
    package = only(folder / "job.ini")
    contents = archived(package, tmp_path)
    assert contents.pop("job.ini").decode().splitlines()[2:] == [
        "exposure_csv = external/e1.csv in.csv",
        "    external/2/e1.csv",
        "source_model_logic_tree_file = external/ssmLT.xml",
        "reqv_file = {'a': 'external/reqv.hdf5',",
        "# a comment in the value",
        "   'b': 'in.csv'}",
        "one_file=external/s 1.csv",
        "shakemap_uri = {'kind': 'file_npy', 'fname': 'external/reqv.hdf5'}",
    ]
    assert sorted(contents) == [
        "external/2/e1.csv",
        "external/e1.csv",
        "external/m/a.xml",
        "external/reqv.hdf5",
        "external/s 1.csv",
        "external/ssmLT.xml",
        "in.csv",
    ]
    assert f"one_file names external/s 1.csv instead of {data}/s 1.csv" in "".join(package.warnings)


def test_external_files_keep_their_places_to_each_other(folder, tmp_path):
    put(tmp_path, "data/m/lt.xml", SMLT.format(kind="sourceModel", models="../m/a.xml ../b.xml"))
    put(tmp_path, "data/m/a.xml", NRML)
    put(tmp_path, "data/b.xml", NRML)
    put(tmp_path, "own/g.xml", GSIM.format(attributes=' x_table="../own/t.hdf5"', toml="X"))
    put(tmp_path, "own/t.hdf5")
    make_ini(
        folder,
        f"source_model_logic_tree_file = {tmp_path}/data/m/lt.xml",
        f"gsim_logic_tree_file = {tmp_path}/own/g.xml",
    )
    assert names(only(folder / "job.ini")) == [
        "job.ini",
        "external/b.xml",
        "external/m/a.xml",
        "external/m/lt.xml",
        "external/own/g.xml",
        "external/own/t.hdf5",
    ]


def test_an_external_zip_that_is_unzipped_already(folder, tmp_path):
    put(tmp_path, "data/it's.xml", EXPOSURE.format(assets=""))
    put(tmp_path, "it's.csv")
    make_ini(
        folder,
        f"exposure_file = {tmp_path}/data/it's.zip",
        f"a_file = {{'x': '{tmp_path}/it\\'s.csv'}}",
    )
    package = only(folder / "job.ini")
    assert names(package) == ["job.ini", "external/it's.csv", "external/it's.xml"]
    assert archived(package, tmp_path)["job.ini"].decode().splitlines()[2:] == [
        "exposure_file = external/it's.zip",
        """a_file = {'x': "external/it's.csv"}""",
    ]


def test_external_files_too_far_apart_are_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    put(tmp_path, "one/e.xml", EXPOSURE.format(assets="../two/a.csv"))
    put(tmp_path, "two/a.csv")
    make_ini(folder, f"exposure_file = {tmp_path}/one/e.xml")
    assert (
        f"one/e.xml refers to files so far apart that the archive would hold your folders from "
        f"{tmp_path}" in refusal(folder / "job.ini")
    )


def test_external_files_are_rewritten_from_an_ini_below_the_root(folder, tmp_path):
    put(tmp_path, "data/e.csv")
    put(folder, "../sites.csv")
    make_ini(folder, "site_model_file = ../sites.csv", f"exposure_csv = {tmp_path}/data/e.csv")
    package = only(folder / "job.ini")
    assert names(package) == ["job/job.ini", "external/e.csv", "sites.csv"]
    assert b"exposure_csv = ../external/e.csv\n" in archived(package, tmp_path)["job/job.ini"]


def test_an_absolute_path_of_another_computer_is_missing(folder):
    make_ini(folder, r"exposure_csv = C:\data\e.csv", "a_file = /nowhere/a.csv")
    text = refusal(folder / "job.ini")
    assert r"names C:\data\e.csv, which does not exist on this computer" in text
    assert "names /nowhere/a.csv, which does not exist on this computer" in text


def test_no_path_of_this_computer_leaves_it(folder, tmp_path):
    put(folder, "a.csv")
    make_ini(folder, f"export_dir = {folder}/out", f"a_file = {folder}/a.csv")
    package = only(folder / "job.ini")
    text = archived(package, tmp_path)["job.ini"].decode()
    assert str(tmp_path) not in text
    assert "export_dir = .\n" in text
    assert any("export_dir is '.'" in warning for warning in package.warnings)
    package = only(folder / "job.ini", parameters={"export_dir": "/srv/out"})
    assert "export_dir = /srv/out\n" in archived(package, tmp_path)["job.ini"].decode()


def test_lines_that_name_a_folder_of_this_computer_are_told(folder):
    make_ini(folder, f"postproc_args = {{'x': '{folder}/y'}}", "export_dir = /tmp", f"# {folder}")
    assert only(folder / "job.ini").warnings == (
        "job.ini, line 3, names a folder of this computer and is sent as it stands.",
        "job.ini, line 5, names a folder of this computer and is sent as it stands.",
    )


def test_the_home_folder_never_becomes_the_root(folder, tmp_path, monkeypatch):
    home = tmp_path
    monkeypatch.setattr(Path, "home", lambda: home)
    put(home, "shared/e.csv", "1")
    put(home, "shared/lt/g.xml", GSIM.format(attributes="", toml="X"))
    make_ini(
        folder,
        "exposure_csv = ../../shared/e.csv",
        "gsim_logic_tree_file = ../../shared/lt/g.xml",
    )
    package = only(folder / "job.ini")
    assert names(package) == ["job.ini", "external/e.csv", "external/g.xml"]
    text = archived(package, tmp_path)["job.ini"].decode()
    assert "exposure_csv = external/e.csv\n" in text
    # an XML is not rewritten, so files it names so far away are refused
    put(folder, "e.xml", EXPOSURE.format(assets="../../shared/e.csv"))
    make_ini(folder, "exposure_file = e.xml")
    assert f"your folders from {home} on" in refusal(folder / "job.ini")


def test_a_job_lying_in_the_home_folder_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    make_ini(tmp_path, "a_file = a.csv", "b_file = data/b.csv")
    for name in ("a.csv", "data/b.csv", "private.txt"):
        put(tmp_path, name)
    assert names(only(tmp_path / "job.ini")) == ["job.ini", "a.csv", "data/b.csv"]
    assert "everything in it would be sent" in refusal(tmp_path)
    assert "everything in it would be sent" in refusal(tmp_path.parent)


# ---- platforms


def test_wrong_letter_case_is_sent_under_the_name_the_job_uses(folder):
    make_ini(folder, "exposure_file = Data/Exposure.XML")
    put(folder, "data/exposure.xml", EXPOSURE.format(assets="assets.csv"))
    put(folder, "data/ASSETS.csv")
    package = only(folder / "job.ini")
    assert names(package) == ["job.ini", "Data/Exposure.XML", "Data/assets.csv"]
    assert len(package.warnings) == 2
    assert "names Data/Exposure.XML, but the file is called exposure.xml" in package.warnings[0]


def test_names_that_differ_in_case_only_are_ambiguous(folder):
    make_ini(folder, "a_file = A.csv")
    put(folder, "a.csv")
    put(folder, "a.CSV")
    assert "exists several times with other letter case: a.CSV, a.csv" in refusal(
        folder / "job.ini"
    )


def test_backslashes_are_written_as_slashes_in_the_copies(folder, tmp_path):
    make_ini(
        folder,
        r"exposure_file = data\e.xml",
        r"b_file = .\data\b 1.csv",
        r"c_file = {'x': 'data\\c.csv'}",
        r"gsim_logic_tree_file = data\g.xml",
    )
    put(folder, "data/e.xml", EXPOSURE.format(assets=r"csv\a.csv a.csv"))
    toml = "X]\ngmpe_table = \"csv\\\\t.hdf5\"\nother_table = 'csv\\s.hdf5'\n"
    put(folder, "data/g.xml", GSIM.format(attributes="", toml=toml))
    for name in ("csv/a.csv", "a.csv", "b 1.csv", "c.csv", "csv/t.hdf5", "csv/s.hdf5"):
        put(folder, f"data/{name}", "1")
    contents = archived(only(folder / "job.ini"), tmp_path)
    assert contents["job.ini"].decode().splitlines()[2:] == [
        "exposure_file = data/e.xml",
        "b_file = ./data/b 1.csv",
        "c_file = {'x': 'data/c.csv'}",
        "gsim_logic_tree_file = data/g.xml",
    ]
    assert contents["data/e.xml"].decode() == EXPOSURE.format(assets="csv/a.csv a.csv")
    assert b"gmpe_table = \"csv/t.hdf5\"\nother_table = 'csv/s.hdf5'" in contents["data/g.xml"]
    assert len(contents) == 9


def test_decomposed_names_are_composed_in_the_archive(folder, tmp_path):
    composed, decomposed = "é.csv", unicodedata.normalize("NFD", "é.csv")
    assert composed != decomposed
    make_ini(folder, f"a_file = {decomposed}", f"b_file = sub/{composed}")
    put(folder, decomposed, "1")
    put(folder, f"sub/{decomposed}", "2")
    package = only(folder / "job.ini")
    contents = archived(package, tmp_path)
    assert f"a_file = {composed}\n" in contents["job.ini"].decode()
    assert contents[composed] == b"1"
    assert contents[f"sub/{composed}"] == b"2"


def test_two_names_that_become_one_are_refused(folder):
    make_ini(folder)
    put(folder, "é.csv", "1")
    put(folder, unicodedata.normalize("NFD", "é.csv"), "2")
    assert "two different files would be called é.csv in the archive" in refusal(folder)
    make_ini(folder, f"a_file = {unicodedata.normalize('NFD', 'É.csv')}")
    assert "exists several times" in refusal(folder / "job.ini")


def test_the_exact_name_wins_over_another_unicode_form(folder, tmp_path):
    put(folder, unicodedata.normalize("NFD", "é.csv"), "1")
    put(folder, "É.csv", "2")
    make_ini(folder, "a_file = é.csv")
    assert archived(only(folder / "job.ini"), tmp_path)["é.csv"] == b"1"


def test_a_backslash_name_at_the_end_of_another(folder, tmp_path):
    make_ini(folder, "exposure_file = e.xml")
    put(folder, "e.xml", EXPOSURE.format(assets=r"c\a.csv b/c\a.csv"))
    put(folder, "c/a.csv", "1")
    put(folder, "b/c/a.csv", "2")
    written = archived(only(folder / "job.ini"), tmp_path)
    assert written["e.xml"].decode() == EXPOSURE.format(assets="c/a.csv b/c/a.csv")


def test_an_upper_case_suffix(folder):
    make_ini(folder, "a_file = a.csv", name="JOB.INI")
    put(folder, "a.csv")
    package = only(folder / "JOB.INI")
    assert package.ini == "JOB.ini"
    assert names(package) == ["JOB.ini", "a.csv"]


# ---- which .ini


def test_a_job_that_is_not_there_or_is_none(tmp_path):
    assert refusal(tmp_path / "x.ini") == f"The job file {tmp_path}/x.ini does not exist."
    put(tmp_path, "job.txt")
    assert "choose an .ini file, a .zip or a folder" in refusal(tmp_path / "job.txt")


def test_hazard_and_risk_in_order_each_with_its_own_files(folder, tmp_path):
    make_ini(folder, "description = H", "a_file = a.csv", name="job_hazard.ini")
    make_ini(folder, "description = R", "b_file = b.csv", name="job_risk.ini")
    put(folder, "a.csv")
    put(folder, "b.csv")
    for job in (folder / "job_hazard.ini", folder / "job_risk.ini"):
        hazard, risk = prepare(job, "job_hazard.ini, job_risk.ini")
        assert names(hazard) == ["job_hazard.ini", "a.csv"]
        assert names(risk) == ["job_risk.ini", "b.csv"]
    assert [p.description for p in prepare(folder, "job_risk.ini,job_hazard.ini")] == ["R", "H"]
    everything = {path.name: path.read_text() for path in folder.iterdir()}
    job = make_zip(tmp_path / "job.zip", everything)
    hazard, risk = prepare(job, "job_hazard.ini,job_risk.ini")
    assert names(hazard) == ["job_hazard.ini", "a.csv", "b.csv"]
    assert names(risk) == ["job_risk.ini", "a.csv", "b.csv"]
    assert hazard.archive is None
    assert set(archived(risk, tmp_path)) == {"job_risk.ini", "a.csv", "b.csv"}
    assert "At most two" in refusal(folder, "a.ini,b.ini,c.ini")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_no_ini_several_and_the_wrong_name(folder, tmp_path, kind):
    def job():
        if kind == "folder":
            return folder
        contents = {name: (folder / name).read_bytes() for name in files(folder)}
        return make_zip(tmp_path / "job.zip", contents)

    put(folder, "a.csv")
    assert "There is no .ini file in" in refusal(job())
    assert "there is no .ini file at all" in refusal(job(), "job.ini")
    make_ini(folder, name="x/job.ini")
    make_ini(folder, name="y/job.INI")
    make_ini(folder, name="a_job.ini")
    assert "holds several .ini files: a_job.ini, x/job.ini, y/job.INI." in refusal(job())
    text = refusal(job(), "risk.ini,nope.ini")
    assert "there is no risk.ini in" in text
    assert "there is no nope.ini in" in text
    assert "there is a_job.ini, x/job.ini, y/job.INI" in text
    assert only(job(), "job.ini").ini == "x/job.ini"  # exactly so named; not a_job.ini
    assert only(job(), "y/job.INI").ini == "y/job.ini"
    assert names(only(job(), "A_JOB.INI")) == ["a_job.ini", "a.csv"]
    make_ini(folder, name="z/job.ini")
    assert "is the name of several files: x/job.ini, z/job.ini" in refusal(job(), "job.ini")


def test_problems_of_both_jobs_are_told_together(folder):
    make_ini(folder, "a_file = a.csv", name="h.ini")
    make_ini(folder, "b_file = b.csv", name="r.ini")
    text = refusal(folder, "h.ini,r.ini")
    assert "names a.csv" in text
    assert "names b.csv" in text


# ---- folders


def test_a_folder_gives_every_file_but_hidden_ones_and_links(folder, tmp_path):
    make_ini(folder, "a_file = linked.csv", "b_file = ../above.csv")
    put(tmp_path, "secret.txt")
    put(folder, "../above.csv", "1")
    for name in (".git/config", ".hidden", "__MACOSX/._job.ini", "sub/data.csv", "readme.txt"):
        put(folder, name)
    put(folder, "real.csv", "22")
    (folder / "linked.csv").symlink_to("real.csv")
    (folder / "secret").symlink_to(tmp_path / "secret.txt")
    (folder / "all").symlink_to(tmp_path)
    package = only(folder)
    assert names(package) == [
        "job/job.ini",
        "above.csv",
        "job/linked.csv",
        "job/readme.txt",
        "job/real.csv",
        "job/sub/data.csv",
    ]
    [warning] = package.warnings
    assert warning == "Links are not followed, left out: all, secret."


def test_a_link_out_of_a_folder_is_not_followed_and_said(folder, tmp_path):
    """Whoever made the folder must not get at what else the user may read."""
    put(tmp_path, "secret.txt", "secret")
    put(folder, "data/real.csv")
    (folder / "sites.csv").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to("../..")
    (folder / "near.csv").symlink_to("data/real.csv")
    make_ini(folder, "a_file = sites.csv", "b_file = up/secret.txt", "c_file = near.csv")
    text = refusal(folder)
    reason = (
        "which is a link that leads out of the folder, so it is not followed: "
        "put the file itself there, or choose the .ini as the job"
    )
    assert f"a_file names sites.csv, {reason}" in text
    assert f"b_file names up/secret.txt, {reason}" in text
    assert "near.csv" not in text
    # the folder itself may be reached by one
    make_ini(folder, "c_file = near.csv")
    (tmp_path / "alias").symlink_to(folder)
    package = only(tmp_path / "alias")
    assert names(package) == ["job.ini", "data/real.csv", "near.csv"]
    assert package.warnings == ("Links are not followed, left out: up, sites.csv.",)


def test_names_that_are_not_utf_8(folder, tmp_path):
    make_ini(folder)
    for name in (b"bad\xff.csv", b"other\xfe.ini", b"sub\xfd/a.csv"):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    text = refusal(folder)
    assert text.encode()
    assert text.startswith("job cannot be sent, 3 things are wrong:\n")
    for name in (r"bad\udcff.csv", r"other\udcfe.ini", r"sub\udcfd/a.csv"):
        assert f"\n{name} has a name that is not UTF-8: rename it" in text
    # beside an .ini they do not matter
    assert names(only(folder / "job.ini")) == ["job.ini"]
    text = refusal(folder / "job.ini", "nope.ini")
    assert r"there is job.ini, other\udcfe.ini" in text


def test_a_folder_whose_files_come_and_go():
    """It lists files that are not there when they are looked at."""
    text = refusal(Path("/proc/self"))
    assert text.startswith("self cannot be sent")
    assert "cannot be read (No such file or directory)" in text


def test_a_folder_is_the_root_of_its_archive(folder):
    make_ini(folder, "a_file = a.csv", name="sub/job.ini")
    put(folder, "sub/a.csv")
    assert names(only(folder)) == ["sub/job.ini", "sub/a.csv"]


# ---- zips


def complete():
    return {"in/job.ini": "[a]\ncalculation_mode = scenario\na_file = ../a.csv\n", "a.csv": "1"}


def test_a_good_zip_is_sent_as_it_is(tmp_path):
    job = make_zip(tmp_path / "Job.ZIP", complete())
    package = only(job)
    assert package.archive == job
    assert package.ini == "in/job.ini"
    assert names(package) == ["in/job.ini", "a.csv"]
    assert package.members[1].origin == ZipMember(job, "a.csv")
    assert package.members[1].size == 1
    target = tmp_path / "copy.zip"
    calls = []
    write_archive(package, target, lambda done, total: calls.append((done, total)))
    assert target.read_bytes() == job.read_bytes()
    assert calls == [(job.stat().st_size, job.stat().st_size)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"other.ini": "[a]\n"}, {"in/job.ini", "a.csv"}),
        ({"__MACOSX/in/._job.ini": "x"}, {"in/job.ini", "a.csv"}),
        ({"b\\c.csv": "x"}, {"in/job.ini", "a.csv", "b/c.csv"}),
        ({unicodedata.normalize("NFD", "é.csv"): "x"}, {"in/job.ini", "a.csv", "é.csv"}),
    ],
)
def test_a_zip_is_repacked_if_it_must_be(tmp_path, change, expected):
    job = make_zip(tmp_path / "job.zip", {**complete(), **change})
    package = only(job, "job.ini")
    assert package.archive is None
    contents = archived(package, tmp_path)
    assert set(contents) == expected
    assert contents["in/job.ini"] == complete()["in/job.ini"].encode()
    assert contents["a.csv"] == b"1"


def test_overrides_and_extra_files_in_a_zip(tmp_path):
    job = make_zip(tmp_path / "job.zip", {"in/job.ini": "[a]\nx_file = e.csv\n", "a.csv": "1"})
    assert "names e.csv, which does not exist" in refusal(job)
    extra = put(tmp_path, "e.csv", "extra")
    package = only(job, extra_files=[extra], parameters={"description": "d"})
    assert archived(package, tmp_path) == {
        "in/job.ini": b"[a]\nx_file = e.csv\ndescription = d\n",
        "a.csv": b"1",
        "in/e.csv": b"extra",
    }


def test_an_extra_file_that_nothing_names_is_added_to_a_zip(tmp_path):
    job = make_zip(tmp_path / "job.zip", complete())
    package = only(job, extra_files=[put(tmp_path, "e.csv", "extra")])
    assert archived(package, tmp_path)["in/e.csv"] == b"extra"


def test_wrong_case_alone_repacks_a_zip(tmp_path):
    job = make_zip(tmp_path / "job.zip", {"job.ini": "[a]\na_file = A.csv\n", "a.csv": "1"})
    assert archived(only(job), tmp_path) == {"job.ini": b"[a]\na_file = A.csv\n", "A.csv": b"1"}


def test_wrong_case_and_backslashes_in_a_zip(tmp_path):
    contents = {
        "job.ini": "[a]\nexposure_file = Data\\E.xml\nb_file = kept.csv\nc_file = KEPT.csv\n",
        "data/e.xml": EXPOSURE.format(assets="A.csv"),
        "data/a.csv": "1",
        "kept.csv": "2",
    }
    package = only(make_zip(tmp_path / "job.zip", contents))
    assert package.archive is None
    written = archived(package, tmp_path)
    assert set(written) == {"job.ini", "Data/E.xml", "Data/A.csv", "kept.csv", "KEPT.csv"}
    assert b"exposure_file = Data/E.xml\n" in written["job.ini"]


def test_a_macos_zip_without_the_utf8_flag(tmp_path):
    job = make_zip(tmp_path / "job.zip", {"job.ini": "[a]\nx_file = é.csv\n", "é.csv": "1"})
    raw = bytearray(job.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.find(signature)
        while start >= 0:
            raw[start + at + 1] &= ~0x08
            start = raw.find(signature, start + 4)
    job.write_bytes(raw)
    package = only(job)
    assert package.archive is None
    assert archived(package, tmp_path)["é.csv"] == b"1"


def test_zips_in_a_zip_are_followed(tmp_path):
    inner = make_zip(
        tmp_path / "e.zip", {"exposure.xml": EXPOSURE.format(assets="a.csv b.csv"), "a.csv": "1"}
    )
    contents = {"job.ini": "[a]\nexposure_file = e.zip\n", "e.zip": inner.read_bytes()}
    job = make_zip(tmp_path / "job.zip", contents)
    assert refusal(job).endswith("e.xml, line 4, names b.csv, which does not exist.")
    package = only(make_zip(tmp_path / "job.zip", {**contents, "b.csv": "2"}))
    assert package.archive == job


def test_a_zip_is_never_completed_from_the_disk(tmp_path):
    secret = put(tmp_path, "secret.csv")
    for reference in (secret.as_posix(), "../secret.csv", "x/../../secret.csv"):
        job = make_zip(tmp_path / "job.zip", {"job.ini": f"[a]\na_file = {reference}\n"})
        text = refusal(job)
        assert "does not exist on the server" in text or "leads out of the zip" in text
    contents = {
        "job.ini": "[a]\nexposure_file = e.xml\n",
        "e.xml": EXPOSURE.format(assets="../secret.csv"),
    }
    job = make_zip(tmp_path / "job.zip", contents)
    assert "e.xml, line 4, names ../secret.csv, which leads out of the zip" in refusal(job)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "..\\x"])
def test_members_that_lead_out_are_refused(tmp_path, name):
    job = make_zip(tmp_path / "job.zip", {**complete(), name: "x"})
    assert f"{name} leads out of the zip" in refusal(job)


def test_links_in_a_zip_are_left_out(tmp_path):
    job = make_zip(tmp_path / "job.zip", complete())
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(job, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    package = only(job)
    assert "Links in the zip are left out: link.csv." in package.warnings
    assert set(archived(package, tmp_path)) == {"in/job.ini", "a.csv"}


def test_the_last_of_several_members_of_one_name_wins(tmp_path):
    job = make_zip(tmp_path / "job.zip", complete())
    with zipfile.ZipFile(job, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.csv", "second")
    assert names(only(job)) == ["in/job.ini", "a.csv"]
    package = only(job, parameters={"description": "d"})
    assert archived(package, tmp_path)["a.csv"] == b"second"


def test_zips_that_are_none(tmp_path):
    job = tmp_path / "job.zip"
    job.write_bytes(b"")
    assert refusal(job) == "job.zip is empty (0 bytes): it is not a zip."
    job.write_bytes(b"[general]")
    assert "job.zip is not a zip, or it is damaged" in refusal(job)
    make_zip(job, {})
    assert refusal(job) == "job.zip is an empty zip: there is no .ini in it."
    good = make_zip(tmp_path / "good.zip", complete()).read_bytes()
    job.write_bytes(good[:-30])
    assert "job.zip is not a zip, or it is damaged" in refusal(job)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [(8, 1, "in/job.ini is encrypted"), (10, 9, "in/job.ini is compressed with method 9")],
)
def test_members_the_engine_could_not_read(tmp_path, at, value, message):
    job = make_zip(tmp_path / "job.zip", complete())
    raw = bytearray(job.read_bytes())
    raw[raw.find(b"PK\x01\x02") + at] |= value
    raw[raw.find(b"PK\x01\x02") + at] &= value | 1
    job.write_bytes(raw)
    assert message in refusal(job)


def test_damaged_data_in_a_zip(tmp_path):
    stored = {"job.ini": "[a]\nx_file = é.csv\n", "é.csv": "1" * 50}
    job = make_zip(tmp_path / "job.zip", stored)
    raw = job.read_bytes()
    with zipfile.ZipFile(job) as archive:
        info = archive.getinfo("é.csv")
    start = info.header_offset + 30 + len("é.csv".encode())
    job.write_bytes(raw[:start] + b"\xff\xff" + raw[start + 2 :])
    package = only(job, parameters={"description": "d"})
    with pytest.raises(InvalidJob, match=r"é\.csv cannot be read any more"):
        write_archive(package, tmp_path / "out.zip")
    assert files(tmp_path) == ["job.zip"]


def test_reading_text_out_of_a_zip_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(job_module, "_INI_LIMIT", 1000)
    job = make_zip(tmp_path / "job.zip", {"job.ini": "[a]\n#" + "x" * 5000})
    assert "too large to be what the job uses it for" in refusal(job)


# ---- extra files


def test_extra_files_stand_beside_the_ini_and_may_be_what_it_names(folder, tmp_path):
    make_ini(folder, "exposure_file = ../job/e.xml", "s_file = ../s.csv")
    put(folder, "../s.csv")
    extra = put(tmp_path, "else/e.xml", EXPOSURE.format(assets="a.csv"))
    unused = put(tmp_path, "else/unused.txt", "u")
    text = refusal(folder / "job.ini", extra_files=[extra])
    assert text.endswith("e.xml, line 4, names a.csv, which does not exist.")
    put(folder, "a.csv")
    package = only(folder / "job.ini", extra_files=[extra, unused, unused])
    assert names(package) == ["job/job.ini", "job/a.csv", "job/e.xml", "job/unused.txt", "s.csv"]
    assert archived(package, tmp_path)["job/e.xml"] == extra.read_bytes()


def test_an_extra_file_is_found_by_its_name_then_in_any_case(folder, tmp_path):
    make_ini(folder, "a_file = a.csv", "b_file = b.csv")
    put(folder, "A.csv", "not this")
    extras = [put(tmp_path, "a.csv", "this"), put(tmp_path, "B.CSV", "that")]
    contents = archived(only(folder / "job.ini", extra_files=extras), tmp_path)
    assert contents["a.csv"] == b"this"
    assert contents["b.csv"] == b"that"


def test_extra_files_that_clash_are_missing_or_are_inis(folder, tmp_path):
    make_ini(folder, "a_file = a.csv")
    put(folder, "a.csv", "1")
    put(folder, "not_sent.csv", "1")
    clash = put(tmp_path, "else/a.csv", "2")
    other = put(tmp_path, "more/x.csv", "2")
    again = put(tmp_path, "else/x.csv", "2")
    second = make_ini(tmp_path, name="else/second.ini")
    text = refusal(
        folder / "job.ini", extra_files=[clash, other, again, second, tmp_path / "gone", folder]
    )
    assert f"the extra file {clash} has the name of another file beside the .ini: a.csv" in text
    assert f"two extra files are called x.csv: {folder}/x.csv and {again}" in text
    assert "else/second.ini: an .ini cannot be an extra file" in text
    assert f"the extra file {tmp_path}/gone does not exist" in text
    assert f"the extra file {folder} is a folder" in text
    harmless = put(tmp_path, "else/not_sent.csv", "3")
    package = only(folder / "job.ini", extra_files=[harmless, folder / "a.csv"])
    assert names(package) == ["job.ini", "a.csv", "not_sent.csv"]
    assert archived(package, tmp_path)["not_sent.csv"] == b"3"
    assert "has the name of another file" in refusal(folder, extra_files=[harmless])


# ---- writing


def test_an_archive_is_the_same_for_the_same_files(folder, tmp_path):
    make_ini(folder, "a_file = a.csv")
    put(folder, "a.csv", b"x" * 3_000_000)
    package = only(folder / "job.ini")
    calls = []
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    write_archive(package, one, lambda done, total: calls.append((done, total)))
    os.utime(folder / "a.csv", (1, 1))  # before 1980, which a zip cannot say
    write_archive(only(folder / "job.ini"), two)
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 20_000
    assert {total for _, total in calls} == {package.size}
    done = [done for done, _ in calls]
    assert done == sorted(done)
    assert done[-1] == package.size
    assert len(done) == 4
    assert files(tmp_path) == ["one.zip", "project/job/a.csv", "project/job/job.ini", "two.zip"]


def test_cancelling_leaves_no_file_and_keeps_the_old_one(folder, tmp_path):
    make_ini(folder, "a_file = a.csv")
    put(folder, "a.csv", "x")
    zipped = make_zip(tmp_path / "in.zip", complete())
    target = put(tmp_path, "out.zip", "yesterday's")

    def cancel(done, total):
        raise Cancelled("stop")

    for package in (only(folder / "job.ini"), only(zipped)):
        with pytest.raises(Cancelled):
            write_archive(package, target, cancel)
        assert target.read_text() == "yesterday's"
        assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("content", ["x", "x" * 5000], ids=["shrinks", "grows"])
def test_a_file_that_changes_while_it_is_packed_is_refused(folder, tmp_path, content):
    make_ini(folder, "a_file = a.csv")
    changing = put(folder, "a.csv", "x" * 2000)
    package = only(folder / "job.ini")
    changing.write_text(content)
    with pytest.raises(InvalidJob) as caught:
        write_archive(package, tmp_path / "out.zip")
    assert str(caught.value) == (
        f"{changing} has changed since the job was checked (from 2,000 to {len(content):,} bytes). "
        "Run again when no other program writes to it."
    )
    assert list(tmp_path.glob("out*")) == []


def test_a_zip_that_shrinks_while_it_is_copied_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "_CHUNK", 100)
    job = make_zip(tmp_path / "job.zip", {**complete(), "x.bin": os.urandom(300_000)})
    size = job.stat().st_size

    def shrink(done, total):
        os.truncate(job, 100)

    message = rf"job\.zip has changed since .* \(from {size:,} to [\d,]+ bytes\)"
    with pytest.raises(InvalidJob, match=message):
        write_archive(only(job), tmp_path / "out.zip", shrink)


def test_a_hazard_calculation_of_too_many_digits(folder):
    make_ini(folder, f"hazard_calculation_id = {'1' * 5000}")
    assert "is not the id of a calculation" in refusal(folder / "job.ini")


def test_a_file_that_vanished_is_named(folder, tmp_path):
    make_ini(folder, "a_file = a.csv")
    gone = put(folder, "a.csv", "x")
    package = only(folder / "job.ini")
    gone.unlink()
    with pytest.raises(InvalidJob) as caught:
        write_archive(package, tmp_path / "out.zip")
    assert str(caught.value).startswith(f"{gone} cannot be read any more: No such file")
    job = make_zip(tmp_path / "in.zip", complete())
    for parameters in ({}, {"description": "d"}):
        package = only(make_zip(job, complete()), parameters=parameters)
        job.unlink()
        with pytest.raises(InvalidJob, match="cannot be read any more"):
            write_archive(package, tmp_path / "out.zip")
    assert files(tmp_path) == ["project/job/job.ini"]


def test_large_members_get_zip64_headers(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "_LARGE", 1)
    make_ini(folder)
    write_archive(only(folder / "job.ini"), tmp_path / "out.zip")
    head = (tmp_path / "out.zip").read_bytes()[:30]
    assert int.from_bytes(head[28:30], "little") == 20  # the ZIP64 extra field
    assert archived(only(folder / "job.ini"), tmp_path)["job.ini"].startswith(b"[general]")


# ---- where values stand


def test_positions_of_values_follow_configparser(engine_python):
    """In every example of the engine, what we would replace is what the parser read."""
    root = engine_python.parent.parent
    [qa] = root.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    count = 0
    for path in [*qa.rglob("*.ini"), *(root / "demos").rglob("*.ini")]:
        if path.name == "aelo_changelog.ini":
            continue
        parsed = ini_module.read_ini(path.read_bytes(), path.name)
        for key, value in parsed.values.items():
            pieces = [parsed.text[start:end] for start, end in parsed.entries[key].pieces]
            lines = [line for line in value.split("\n") if line]
            assert [piece for piece in pieces if piece] == lines, f"{path}: {key}"
            count += 1
    assert count > 9_000
