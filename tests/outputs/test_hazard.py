from dataclasses import replace

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.notes import Warn
from oq_processing.outputs.core.table import INTEGER, POINT, POLYGON, TEXT, Column
from oq_processing.outputs.readers.hazard_maps import read_map_statistics
from oq_processing.outputs.sites.motion import map_title

# limits of the classes that make maps comparable, in g
LIMITS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50)

PARAMETERS = {
    "hazard_imtls": {"PGV": [0.5, 900.0], "SA(0.2)": [0.25, 1000.0], "PGA": [0.1, 800.0]},
    "poes": [0.02, 0.1],
    "investigation_time": 50.0,
    "quantiles": [0.15, 0.5],
    "max": True,
}
IMTS = ("PGA", "SA(0.2)", "PGV")
KINDS = ("mean", "quantile-0.15", "quantile-0.5", "max", "rlz-0", "rlz-1")


def as_csv(value: float) -> str:
    """A value as the engine writes it: 7 significant digits."""
    return f"{value:.6E}"


def columns(table, rows_of) -> dict:
    return dict(zip((c.name for c in table.columns), zip(*rows_of(table))))


def same_as_csv(table, rows_of, header, rows, prefix=""):
    """Assert that a table's values, coordinates and order of rows are those of a CSV file."""
    got = columns(table, rows_of)
    assert table.rows == len(rows)
    for name, cells in zip(header, zip(*rows)):
        if name in ("lon", "lat"):
            assert [f"{value:.5f}" for value in got[name]] == list(cells)
        else:
            assert [as_csv(value) for value in got[prefix + name]] == list(cells)
    assert sum(name.startswith(prefix) and "-0." in name for name in got) >= len(header) - 2
    xy = np.concatenate([block.xy for block in table.blocks()])
    assert xy.tolist() == [list(pair) for pair in zip(got["lon"], got["lat"])]


def made_up(kind: str, imt: str, sites: int) -> np.ndarray:
    """Values that tell where they come from: kind, IMT, site, PoE."""
    start = 100 * KINDS.index(kind) + 10 * IMTS.index(imt)
    return np.float32(start) + np.arange(sites * 2, dtype="f4").reshape(sites, 2) / 8


@pytest.fixture
def maps(hazard_source, sites):
    """A source with statistics and two realizations on two sites."""

    def make(parameters=PARAMETERS, count=2, realizations=2, sitecol=None):
        values = {(kind, imt): made_up(kind, imt, count) for kind in KINDS for imt in IMTS}
        sitecol = sites(np.arange(count), np.zeros(count)) if sitecol is None else sitecol
        return hazard_source(parameters, values, {5: sitecol}, realizations)

    return make


# --- against the engine's own CSV


def test_mean_equals_the_csv(client, source_of, exported, area_source, rows_of, tmp_path):
    [(member, (header, rows))] = exported(client, area_source, "hmaps", tmp_path).items()
    table = catalogue.read(source_of(area_source), Choices())
    assert (member, len(rows), len(header)) == ("hazard_map-mean", 624, 18)
    same_as_csv(table, rows_of, header, rows)
    assert [c.name for c in table.columns] == ["site_id", *header]
    assert columns(table, rows_of)["site_id"] == tuple(range(624))


@pytest.mark.parametrize("kind", ["rlz-0", "all"])
def test_the_only_realization_is_the_mean(
    client, source_of, exported, area_source, rows_of, tmp_path, kind
):
    [(header, rows)] = exported(client, area_source, "hmaps", tmp_path).values()
    same_as_csv(catalogue.read(source_of(area_source), Choices(kind=kind)), rows_of, header, rows)


def test_chosen_columns_equal_the_csv(client, source_of, exported, area_source, rows_of, tmp_path):
    [(header, rows)] = exported(client, area_source, "hmaps", tmp_path).values()
    table = catalogue.read(source_of(area_source), Choices(imt="sa(1.0), PGA", poe="2475y"))
    assert [c.name for c in table.columns][3:] == ["SA(1.0)-0.02", "PGA-0.02"]
    got = columns(table, rows_of)
    for name in ("SA(1.0)-0.02", "PGA-0.02"):
        i = header.index(name)
        assert [as_csv(value) for value in got[name]] == [row[i] for row in rows]


def test_statistics_and_realizations_equal_the_csv(
    client, source_of, exported, logic_tree, rows_of, tmp_path
):
    members = exported(client, logic_tree, "hmaps", tmp_path)
    assert len(members) == 328
    table = catalogue.read(source_of(logic_tree), Choices(kind="all, rlz-0..240", poe="10%"))
    got = columns(table, rows_of)
    names = {
        "mean": "hazard_map-mean",
        "quantile-0.05": "quantile_map-0.05",
        "quantile-0.5": "quantile_map-0.5",
        "quantile-0.95": "quantile_map-0.95",
        **{f"rlz-{i}": f"hazard_map-rlz-{i:03d}" for i in range(241)},
    }
    assert [c.kind for c in table.columns[3:]] == list(names)
    for kind, member in names.items():
        header, rows = members[member]
        i = header.index("PGA-0.1")
        assert [as_csv(v) for v in got[f"{kind}-PGA-0.1"]] == [row[i] for row in rows]
        assert [[f"{v:.5f}"] for v in (*got["lon"], *got["lat"])] == [
            [row[j]] for row in rows for j in (0, 1)
        ]
    # the values differ, or nothing would be shown by their equality
    assert len({got[f"{kind}-PGA-0.1"] for kind in names}) > 100


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("", "hazard_map-mean"),
        ("median", "quantile_map-0.5"),
        ("quantile-0.95", "quantile_map-0.95"),
        ("rlz-323", "hazard_map-rlz-323"),
        ("rlz-007", "hazard_map-rlz-007"),
    ],
)
def test_one_kind_equals_the_csv(
    client, source_of, exported, logic_tree, rows_of, tmp_path, kind, member
):
    header, rows = exported(client, logic_tree, "hmaps", tmp_path)[member]
    table = catalogue.read(source_of(logic_tree), Choices(kind=kind))
    same_as_csv(table, rows_of, header, rows)


def test_long_format_has_the_same_values(source_of, area_source, rows_of):
    source = source_of(area_source)
    choices = {"imt": "PGA,SA(2.0)"}
    wide = columns(catalogue.read(source, Choices(**choices)), rows_of)
    table = catalogue.read(source, Choices(**choices, long_format=True))
    assert table.rows == 624 * 4
    assert table.column("value").unit == "g"
    seen = {}
    for site, lon, lat, kind, imt, poe, value in rows_of(table):
        assert kind == "mean"
        assert (lon, lat) == (wide["lon"][site], wide["lat"][site])
        seen.setdefault(f"{imt}-{poe}", []).append(value)
    assert seen == {
        name: list(wide[name]) for name in ("PGA-0.1", "PGA-0.02", "SA(2.0)-0.1", "SA(2.0)-0.02")
    }


def test_what_is_told_of_a_real_map(source_of, client, area_source):
    table = catalogue.read(source_of(area_source), Choices(poe="10%"))
    assert table.title == "475-year mean PGA [g] (10% in 50 years)"
    assert table.column("PGA-0.1").title == "Mean PGA, 10% in 50 years [g]"
    assert table.style.field == "PGA-0.1"
    checksum = table.provenance.pop("checksum")
    assert checksum > 0
    assert table.provenance == {
        "server": client.url,
        "calculation_id": area_source,
        "description": "Classical PSHA Area Source demo for Null Island",
        "calculation_mode": "classical",
        "output_type": "hmaps",
        "output_name": "Hazard Maps",
        "choices": {"POE": "10%"},
        "investigation_time": 50.0,
        "engine_version": client.engine_version(),
        "calculation_sites": 624,
        "site_condition": "vs30 600 m/s (reference)",
    }


def test_cells_of_the_real_grid(source_of, area_source, rows_of):
    table = catalogue.read(source_of(area_source), Choices(imt="PGA", geometry="cell"))
    assert table.geometry == POLYGON
    wkb = [w for block in table.blocks() for w in block.wkb]
    rings = np.array([np.frombuffer(w[13:], "<f8").reshape(5, 2) for w in wkb])
    got = columns(table, rows_of)
    centers = np.column_stack([got["lon"], got["lat"]])
    assert rings[:, :4].mean(axis=1) == pytest.approx(centers, abs=1e-9)
    # 10 km on a sphere of 6371 km are 0.08993 degrees; sites are rounded to 5 digits
    step = np.degrees(10 / 6371)
    size = rings[:, 2] - rings[:, 0]
    assert size[:, 1] == pytest.approx(np.full(624, step), abs=1.1e-5)
    assert size[:, 0] == pytest.approx(step / np.cos(np.radians(centers[:, 1])), abs=1.1e-5)
    assert (rings[:, 0] == rings[:, 4]).all()


def test_one_site_is_no_grid(source_of, logic_tree):
    with pytest.raises(InvalidChoice, match="no regular grid"):
        catalogue.read(source_of(logic_tree), Choices(geometry="cell"))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"imt": "PGV"}, "IMT may be: PGA, SA(0.025), SA(0.05), SA(0.1), SA(0.2), SA(0.5)"),
        ({"poe": "5%"}, "POE may be: 0.1 (10%, 475y), 0.02 (2%, 2475y)."),
        ({"kind": "max"}, "KIND may be: mean, rlz-0 (A~A, weight 1)."),
        (
            {"geometry": "line"},
            "Hazard Maps can be loaded with GEOMETRY auto, point, cell or none.",
        ),
    ],
)
def test_what_there_is_not(source_of, area_source, choices, words):
    with pytest.raises(InvalidChoice) as error:
        catalogue.read(source_of(area_source), Choices(**choices))
    assert words in str(error.value)


def test_more_fields_than_a_layer_takes(source_of, logic_tree):
    with pytest.raises(InvalidChoice) as error:
        catalogue.read(source_of(logic_tree), Choices(kind="rlzs"))
    assert str(error.value) == (
        "This would make 648 fields (324 statistics or realizations × 1 IMTs × 2 PoEs); "
        "a layer takes 500. Choose fewer by KIND, IMT or POE, or use LONG_FORMAT."
    )
    assert catalogue.read(source_of(logic_tree), Choices(kind="rlzs", long_format=True)).rows == 648


# --- against values made up


def test_kinds_imts_and_poes_are_not_mixed_up(maps, rows_of):
    table = catalogue.read(maps(), Choices(kind="all"))
    names = [c.name for c in table.columns][3:]
    assert names == [
        f"{kind}-{imt}-{poe}" for kind in KINDS[:4] for imt in IMTS for poe in ("0.02", "0.1")
    ]
    got = columns(table, rows_of)
    for kind in KINDS[:4]:
        for imt in IMTS:
            for p, poe in enumerate(("0.02", "0.1")):
                expected = made_up(kind, imt, 2)[:, p].tolist()
                assert list(got[f"{kind}-{imt}-{poe}"]) == expected
    assert table.column("max-PGV-0.1").meaning() == {
        "name": "max-PGV-0.1",
        "type": "real",
        "additive": False,
        "label": "Maximum PGV, 10% in 50 years",
        "unit": "cm/s",
        "quantity": "hazard map",
        "kind": "max",
        "imt": "PGV",
        "poe": 0.1,
        "lowest": 0.5,
        "highest": 900.0,
    }


# the level itself is in single precision on the layer, and a hair off in the job
LEVELS = {"PGA": [0.01, 1.0000000000000004], "SA(0.2)": [0.01, 1.0000000000000004], "PGV": [2, 50]}
VALUES = {
    "PGA": [[0.0, 0.01], [1.0, 0.5], [1.0, 0.99997]],
    "SA(0.2)": [[0.02, 0.02], [0.3, 0.3], [0.9, 0.9]],
    "PGV": [[0.0, 0.0], [2.0, 1.0], [50.0, 49.0]],
}


@pytest.fixture
def ends(hazard_source, sites):
    """A source of maps that reach the ends of their curves."""

    def make(**parameters):
        given = {**PARAMETERS, "hazard_imtls": LEVELS, **parameters}
        values = {(kind, imt): VALUES[imt] for kind in KINDS[:4] for imt in IMTS}
        return hazard_source(given, values, {5: sites(np.arange(3), np.zeros(3))})

    return make


def test_sites_at_the_ends_of_curves_are_counted(ends):
    assert catalogue.read(ends(), Choices()).notes == (
        "Mean PGA, 2% in 50 years: at least the highest level of the curves (1 g) at 2 of 3 sites; "
        "below the lowest level of the curves (0.01 g) at 1 of 3 sites.",
        "Mean PGV, 2% in 50 years: at least the highest level of the curves (50 cm/s) at 1 of 3 "
        "sites; below the lowest level of the curves (2 cm/s) at 1 of 3 sites.",
        "Mean PGV, 10% in 50 years: below the lowest level of the curves (2 cm/s) at 2 of 3 sites.",
    )
    every = catalogue.read(ends(), Choices(kind="all")).notes
    assert len(every) == 9
    assert all(isinstance(note, Warn) for note in every)
    assert every[-1] == "… and so on for 4 more maps."
    assert catalogue.read(ends(), Choices(imt="SA(0.2)")).notes == ()


def test_maps_below_the_minimum_intensity_are_lower_limits(ends):
    source = ends(minimum_intensity={"PGA": 0.3, "SA(0.2)": 0.01})
    vars(source)["calculation"] = type(source.calculation)(5, "a job", "event_based", "complete")
    [note] = catalogue.read(source, Choices(imt="PGA,SA(0.2)")).notes[1:]
    assert note == (
        "Below the minimum intensity of the ground motion fields, curves and what is read from "
        "them are lower limits: PGA 0.3 g."
    )


def test_amplified_curves_have_other_ends(ends):
    soil = ends(soil_intensities=[0.02, 0.5])
    table = catalogue.read(soil, Choices(imt="PGA", poe="10%"))
    column = table.column("PGA-0.1")
    assert (column.lowest, column.highest) == (0.02, 0.5)
    assert table.notes == (
        "Mean PGA, 10% in 50 years: at least the highest level of the curves (0.5 g) at 2 of 3 "
        "sites; below the lowest level of the curves (0.02 g) at 1 of 3 sites.",
    )


def test_long_tables_know_the_ends_of_curves(ends):
    long = Choices(long_format=True, imt="PGA, SA(0.2)")
    column = catalogue.read(ends(), long).column("value")
    assert (column.lowest, column.highest, column.ends) == (0.01, 1.0000000000000004, ())
    column = catalogue.read(ends(), Choices(long_format=True)).column("value")
    assert (column.lowest, column.highest) == (None, None)
    assert column.meaning()["ends"] == (
        ("PGA", 0.01, 1.0000000000000004),
        ("PGV", 2.0, 50.0),
        ("SA(0.2)", 0.01, 1.0000000000000004),
    )


def test_levels_that_nobody_tells_are_no_ends(ends):
    parameters = {"hazard_imtls": {"PGA": [0], "PGV": [], "SA(0.2)": [0, 1]}}
    table = catalogue.read(ends(**parameters), Choices())
    ends_of = {c.imt: (c.lowest, c.highest) for c in table.columns if c.imt}
    assert ends_of == {"PGA": (None, None), "PGV": (None, None), "SA(0.2)": (None, 1.0)}
    assert table.notes == ()


def test_only_what_was_chosen_is_fetched(maps):
    source = maps()
    catalogue.read(source, Choices(kind="max", imt="PGA"))
    assert [key[2:] for key in source.client.asked if key[1] == "hmaps"] == [
        (("imt", "PGA"), ("kind", "max"))
    ]


def test_realizations_that_were_not_kept_are_not_offered(maps):
    with pytest.raises(InvalidChoice, match=r"be: mean, quantile-0\.15, quantile-0\.5, max\.$"):
        catalogue.read(maps(), Choices(kind="rlz-0"))
    kept = {**PARAMETERS, "individual_rlzs": True}
    table = catalogue.read(maps(kept), Choices(kind="rlz-0..1", imt="PGA"))
    assert [c.name for c in table.columns][3:] == [
        "rlz-0-PGA-0.02",
        "rlz-0-PGA-0.1",
        "rlz-1-PGA-0.02",
        "rlz-1-PGA-0.1",
    ]


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [({"mean": False}, "quantile-0.5"), ({"mean": 0, "quantiles": []}, None), ({}, "mean")],
)
def test_default_kind(maps, parameters, kind):
    source = maps({**PARAMETERS, **parameters})
    if kind is None:
        with pytest.raises(InvalidChoice, match=r"\(KIND\): max\."):
            catalogue.read(source, Choices())
    else:
        table = catalogue.read(source, Choices())
        assert {c.kind for c in table.columns[3:]} == {kind}


def test_rows_of_another_calculation_are_an_error(maps, sites):
    with pytest.raises(InvalidOutput, match="has 3 rows of Hazard Maps but 2 sites"):
        catalogue.read(maps(count=3, sitecol=sites([0, 1], [0, 0])), Choices())


def test_custom_site_ids_stay_text(maps, sites, rows_of):
    sitecol = sites([0, 1], [0, 0], depth=[0, 2.5], custom=[b"00123", b"7"])
    table = catalogue.read(maps(sitecol=sitecol), Choices(imt="PGA", poe="0.1"))
    assert [(c.name, c.type) for c in table.columns[:2]] == [
        ("site_id", INTEGER),
        ("custom_site_id", TEXT),
    ]
    mean = made_up("mean", "PGA", 2)[:, 1].tolist()
    assert rows_of(table) == [
        (0, "00123", 0.0, 0.0, 0.0, mean[0]),
        (1, "7", 1.0, 0.0, 2.5, mean[1]),
    ]


def test_no_geometry(maps):
    table = catalogue.read(maps(), Choices(geometry="none"))
    assert table.geometry == "none"
    assert [block.xy for block in table.blocks()] == [None]


def test_long_format_of_several_units_has_none(maps):
    table = catalogue.read(maps(), Choices(long_format=True))
    assert table.column("value").unit == ""
    assert (table.geometry, table.title) == (POINT, "Hazard maps of calculation 5")


@pytest.mark.parametrize(
    ("choices", "field", "breaks"),
    [
        ({}, "PGA-0.1", LIMITS),
        ({"imt": "PGV,SA(0.2)"}, "PGV-0.1", ()),
        ({"imt": "SA(0.2)", "poe": "0.02"}, "SA(0.2)-0.02", LIMITS),
        ({"style_field": "pgv-0.02"}, "PGV-0.02", ()),
        ({"kind": "max,mean"}, "max-PGA-0.1", LIMITS),
    ],
)
def test_styled_field(maps, choices, field, breaks):
    style = catalogue.read(maps(), Choices(**choices)).style
    assert (style.field, style.breaks) == (field, breaks)
    assert style.classification == ("standard" if breaks else "pretty")


@pytest.mark.parametrize(
    ("column", "time", "title"),
    [
        (
            Column("x", unit="g", kind="mean", imt="PGA", poe=0.1),
            50.0,
            "475-year mean PGA [g] (10% in 50 years)",
        ),
        (
            Column("x", unit="cm/s", kind="quantile-0.5", imt="PGV", poe=0.0021),
            1.0,
            "476-year median PGV [cm/s] (0.21% in 1 year)",
        ),
        (Column("x", kind="rlz-3", imt="EAS(1.0)", poe=0.5), None, "Realization 3 EAS(1.0) (50%)"),
    ],
)
def test_title(column, time, title):
    assert map_title(column, time) == title


def test_names_of_fields_are_those_of_the_csv(hazard_source, sites, rows_of):
    parameters = {"hazard_imtls": {"PGA": [1]}, "poes": [0.09999995, 0.1], "mean": True}
    values = {("mean", "PGA"): [[1, 2]]}
    table = catalogue.read(hazard_source(parameters, values, {5: sites([0], [0])}), Choices())
    assert columns(table, rows_of)["PGA-0.09999995"] == (1.0,)
    assert columns(table, rows_of)["PGA-0.1"] == (2.0,)


def test_maps_of_secondary_perils_are_named_by_the_export(hazard_source, sites, rows_of):
    parameters = {"hazard_imtls": {"PGA": [1]}, "poes": [0.01], "secondary_perils": ["Hazus"]}
    values = {("mean", "PGA"): [[1]], ("mean", "Hazus_LiqProb"): [[0.5]]}
    source = hazard_source(parameters, values, {5: sites([0], [0])})
    source = replace(source, calculation=replace(source.calculation, mode="event_based"))
    source.client.has[5] = [source.output]
    source.client.exported = b"custom_site_id,lon,lat,PGA-0.01,Hazus_LiqProb-0.01\na,0,0,1,5E-1\n"
    table = catalogue.read(source, Choices())
    found = columns(table, rows_of)
    assert (found["PGA-0.01"], found["Hazus_LiqProb-0.01"]) == ((1.0,), (0.5,))
    assert table.column("Hazus_LiqProb-0.01").unit == "probability"


def test_statistics_alone(maps, rows_of):
    kept = {**PARAMETERS, "individual_rlzs": True}
    table = read_map_statistics(maps(kept), Choices(kind="all", imt="PGA"))
    assert [c.kind for c in table.columns][3::2] == ["mean", "quantile-0.15", "quantile-0.5", "max"]
    assert columns(table, rows_of)["max-PGA-0.1"] == tuple(made_up("max", "PGA", 2)[:, 1].tolist())
    with pytest.raises(InvalidChoice, match=r"“rlz-0”; KIND may be: mean, quantile-0\.15"):
        read_map_statistics(maps(kept), Choices(kind="rlz-0"))


def test_real_statistics_equal_the_csv(client, source_of, exported, logic_tree, rows_of, tmp_path):
    members = exported(client, logic_tree, "hmaps-stats", tmp_path)
    table = catalogue.read(source_of(logic_tree, "hmaps-stats"), Choices(kind="all"))
    got = columns(table, rows_of)
    assert len(members) == len(table.columns) - 3 == 8
    for kind in ("mean", "quantile-0.05", "quantile-0.5", "quantile-0.95"):
        stem = kind.replace("-", "_map-") if kind != "mean" else "hazard_map-mean"
        for poe, period in (("0.1", 475), ("0.02", 2475)):
            header, rows = members[f"{stem}-{period}y"]
            assert header == ["lon", "lat", "PGA"]
            assert [as_csv(v) for v in got[f"{kind}-PGA-{poe}"]] == [row[2] for row in rows]


def test_parameters_that_tell_nothing(maps):
    with pytest.raises(InvalidOutput, match="Calculation 5 does not tell"):
        catalogue.read(maps({"investigation_time": 50.0}), Choices())


@pytest.mark.parametrize("poes", [[float("nan")], [0.1, float("inf")]])
def test_parameters_that_are_no_numbers(maps, poes):
    with pytest.raises(InvalidOutput, match=r"has a form that is not known here \(ValueError: "):
        catalogue.read(maps({**PARAMETERS, "poes": poes}), Choices())


@pytest.mark.parametrize("dtype", [("<f8", (2,)), "<c16", "<M8[s]"])
def test_sites_that_are_no_numbers(maps, dtype):
    sitecol = np.zeros(2, [("sids", "<u4"), ("lon", dtype), ("lat", "<f8")])
    with pytest.raises(InvalidOutput, match=r"\(TypeError: .* Download Output"):
        list(catalogue.read(maps(sitecol=sitecol), Choices(geometry="none")).blocks())
