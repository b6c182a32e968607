import json
from pathlib import Path

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput, ServerFault
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import POINT, POLYGON, REAL
from oq_processing.outputs.plots import plot as plots
from oq_processing.outputs.readers.hazard_curves import (
    level_names,
    read_site_curves,
)

LEVELS = {"MMI": [5.0, 7.0], "SA(0.2)": [0.01, 0.2, 3.0], "PGA": [0.005, 0.12, 0.5]}
# limits of the classes that make maps comparable, in probabilities
LIMITS = (0.01, 0.05, 0.10, 0.20, 0.30, 0.50, 0.70, 0.90)

PARAMETERS = {
    "hazard_imtls": LEVELS,
    "investigation_time": 50.0,
    "quantiles": [0.5],
    "std": True,
    "individual_rlzs": True,
}
KINDS = ("mean", "std", "quantile-0.5", "rlz-0", "rlz-1")


def made_up(kind: str, imt: str, sites: int = 2) -> np.ndarray:
    """PoEs that tell where they come from: shape (sites, levels)."""
    start = KINDS.index(kind) / 8 + list(LEVELS).index(imt) / 32
    count = len(LEVELS[imt])
    steps = np.arange(sites * count, dtype="f4").reshape(sites, count)
    return np.float32(start) + steps / 1024


@pytest.fixture
def curves(hazard_source, sites):
    """A source of curves with statistics and two realizations; extracts may be of one site."""

    def make(parameters=PARAMETERS, count=2, sitecol=None, mode="classical"):
        sitecol = sites(np.arange(count), np.zeros(count)) if sitecol is None else sitecol
        source = hazard_source(parameters, {}, {5: sitecol}, 2)
        vars(source)["output"] = type(source.output)(
            id=7, type="hcurves", name="Hazard Curves", formats=("csv", "npz")
        )
        vars(source)["calculation"] = type(source.calculation)(5, "a job", mode, "complete")
        extracts = source.client.extracts
        rlzs = np.zeros(2, [("rlz_id", "<u4"), ("branch_path", "S5"), ("weight", "<f4")])
        rlzs["rlz_id"], rlzs["branch_path"], rlzs["weight"] = [0, 1], [b"A~b1", b"A~b2"], [0.9, 0.1]
        extracts[5, "realizations"] = {"array": rlzs}
        for kind in KINDS:
            member = f"rlz-00{kind[4:]}" if kind.startswith("rlz-") else kind
            for imt in LEVELS:
                array = made_up(kind, imt, count)[:, np.newaxis, :]
                extracts[5, "hcurves", ("imt", imt), ("kind", kind)] = {member: array}
                for i in range(count):
                    key = (5, "hcurves", ("imt", imt), ("kind", kind), ("site_id", str(i)))
                    extracts[key] = {member: array[i : i + 1]}
        return source

    return make


def columns(table, rows_of) -> dict:
    return dict(zip((c.name for c in table.columns), zip(*rows_of(table))))


def same_as_csv(got: dict, members: dict, kind: str, member: str, many: bool) -> int:
    """Assert that fields are the columns of the CSV files of a kind; return how many."""
    count = 0
    for name, (header, rows) in members.items():
        if name.startswith(f"{member}-") and "rlz" not in name[len(member) :]:
            imt = name[len(member) + 1 :]
            for column, cells in zip(header, zip(*rows)):
                if column in ("lon", "lat"):
                    # the file has single precision
                    assert np.float32(got[column]).tolist() == np.array(cells, dtype="f4").tolist()
                elif column == "depth":
                    assert set(cells) == {"0.00000"}
                    assert "depth" not in got
                else:
                    field = f"{imt}-{column[4:]}"
                    field = f"{kind}-{field}" if many else field
                    assert [f"{v:.6E}" for v in got[field]] == list(cells)
                    count += 1
    return count


# --- against the engine's own CSV


def test_all_imts_equal_the_csv(client, source_of, exported, area_source, rows_of, tmp_path):
    members = exported(client, area_source, "hcurves", tmp_path)
    table = catalogue.read(source_of(area_source, "hcurves"), Choices())
    got = columns(table, rows_of)
    assert (len(members), table.rows, len(table.columns)) == (8, 624, 3 + 8 * 45)
    assert same_as_csv(got, members, "mean", "hazard_curve-mean", many=False) == 8 * 45
    xy = np.concatenate([block.xy for block in table.blocks()])
    assert xy.tolist() == [list(pair) for pair in zip(got["lon"], got["lat"])]
    # a curve falls from level to level, and sites differ
    curve = [got[c.name] for c in table.columns if c.imt == "PGA"]
    assert curve[0][300] > curve[20][300] > curve[25][300] > 0
    assert len(set(curve[20])) > 300


def test_told_of_a_real_curve(source_of, area_source):
    table = catalogue.read(source_of(area_source, "hcurves"), Choices(imt="PGA,SA(1.0)"))
    column = table.column("PGA-0.1031988")
    level = column.meaning().pop("level")
    assert level == pytest.approx(0.1031988, abs=5e-8)
    assert table.style.field == "PGA-0.1031988"
    assert table.title == "Mean probability of exceeding PGA 0.1032 g in 50 years"
    assert column.title == "Mean probability of exceeding PGA 0.1032 g in 50 years [probability]"


def test_statistics_and_realizations_equal_the_csv(
    client, source_of, exported, logic_tree, rows_of, tmp_path
):
    members = exported(client, logic_tree, "hcurves", tmp_path)
    assert len(members) == 328
    source = source_of(logic_tree, "hcurves")
    # more than twenty are fetched together
    chosen = ["mean", "quantile-0.05", "quantile-0.95", *(f"rlz-{i}" for i in range(300, 322))]
    with pytest.raises(InvalidChoice, match=r"KIND or IMT, or use LONG_FORMAT\.$"):
        catalogue.read(source, Choices(kind=", ".join([*chosen, "rlzs"])))
    table = catalogue.read(source, Choices(kind=", ".join(chosen), long_format=True))
    got = columns(table, rows_of)
    names = {
        "mean": "hazard_curve-mean-PGA",
        "quantile-0.05": "quantile_curve-0.05-PGA",
        "quantile-0.95": "quantile_curve-0.95-PGA",
        **{f"rlz-{i}": f"hazard_curve-rlz-{i:03d}-PGA" for i in range(300, 322)},
    }
    seen = {}
    for kind, imt, iml, poe in zip(got["kind"], got["imt"], got["iml"], got["poe"]):
        seen.setdefault((kind, imt), []).append((f"poe-{iml:.7f}", f"{poe:.6E}"))
    assert list(seen) == [(kind, "PGA") for kind in names]
    for kind, member in names.items():
        header, [row] = members[member]
        first = header.index("depth") + 1
        assert seen[kind, "PGA"] == list(zip(header[first:], row[first:]))
    assert len({tuple(curve) for curve in seen.values()}) > 20


def test_one_site_of_a_real_grid(source_of, area_source, rows_of):
    source = source_of(area_source, "hcurves")
    got = columns(catalogue.read(source, Choices(imt="PGA,SA(0.2)")), rows_of)
    found = read_site_curves(source, ["mean", "rlz-0"], ["SA(0.2)", "PGA"], 417)
    assert len(found) == 4
    for kind in ("mean", "rlz-0"):
        for imt in ("SA(0.2)", "PGA"):
            levels, poes = found[kind, imt]
            assert (levels.shape, poes.shape) == ((45,), (45,))
            fields = [f"{imt}-{level:.7f}" for level in levels]
            assert poes.tolist() == [got[field][417] for field in fields]
    assert max(p.stat().st_size for p in Path(source.folder).glob("*-*.npz")) > 1000


# --- against values made up


def test_kinds_imts_and_levels_are_not_mixed_up(curves, rows_of):
    table = catalogue.read(curves(), Choices(kind="all,rlzs"))
    got = columns(table, rows_of)
    order = ("PGA", "SA(0.2)", "MMI")
    names = [
        f"{k}-{name}" for k in KINDS for imt in order for name in level_names(imt, LEVELS[imt])
    ]
    assert list(got)[3:] == names
    assert names[:8] == [
        "mean-PGA-0.0050000",
        "mean-PGA-0.1200000",
        "mean-PGA-0.5000000",
        "mean-SA(0.2)-0.0100000",
        "mean-SA(0.2)-0.2000000",
        "mean-SA(0.2)-3.0000000",
        "mean-MMI-5.00000e+00",
        "mean-MMI-7.00000e+00",
    ]
    for kind in KINDS:
        for imt in order:
            for i, name in enumerate(level_names(imt, LEVELS[imt])):
                assert list(got[f"{kind}-{name}"]) == made_up(kind, imt)[:, i].tolist()


def test_only_what_was_chosen_is_fetched(curves):
    source = curves()
    catalogue.read(source, Choices(kind="std", imt="MMI"))
    assert [key[2:] for key in source.client.asked if key[1] == "hcurves"] == [
        (("imt", "MMI"), ("kind", "std"))
    ]


def test_one_site(curves):
    source = curves()
    found = read_site_curves(source, ["rlz-1", "mean"], ["SA(0.2)"], 1)
    assert list(found) == [("rlz-1", "SA(0.2)"), ("mean", "SA(0.2)")]
    for kind in ("rlz-1", "mean"):
        levels, poes = found[kind, "SA(0.2)"]
        assert levels.tolist() == LEVELS["SA(0.2)"]
        assert poes.tolist() == made_up(kind, "SA(0.2)")[1].tolist()
    assert [dict(key[2:])["site_id"] for key in source.client.asked if key[1] == "hcurves"] == [
        "1",
        "1",
    ]


def test_what_columns_mean(curves):
    table = catalogue.read(curves(), Choices(kind="all,rlz-1"))
    assert table.column("mean-PGA-0.1200000").meaning() == {
        "name": "mean-PGA-0.1200000",
        "type": REAL,
        "additive": False,
        "label": "Mean probability of exceeding PGA 0.12 g in 50 years",
        "unit": "probability",
        "quantity": "hazard curve",
        "kind": "mean",
        "imt": "PGA",
        "level": 0.12,
    }
    labels = {c.kind: c.label for c in table.columns if c.name.endswith("MMI-7.00000e+00")}
    assert labels == {
        "mean": "Mean probability of exceeding MMI 7 in 50 years",
        "std": "Standard deviation of the probability of exceeding MMI 7 in 50 years",
        "quantile-0.5": "Median probability of exceeding MMI 7 in 50 years",
        "rlz-1": "Probability of exceeding MMI 7 in 50 years, realization 1 (A~b2, weight 0.1)",
    }
    assert table.notes == ("Realization 1 (A~b2, weight 0.1).",)


def test_curves_below_the_minimum_intensity_are_lower_limits(curves):
    low = {**PARAMETERS, "minimum_intensity": {"default": 0.15, "MMI": 5}}
    note = (
        "Below the minimum intensity of the ground motion fields, curves and what is read from "
        "them are lower limits: PGA 0.15 g, SA(0.2) 0.15 g."
    )
    source = curves(low, mode="event_based")
    assert catalogue.read(source, Choices()).notes == (note,)
    assert plots.read(source, Choices(imt="PGA"), plots.Place(site_id="1")).notes == (
        note.replace(", SA(0.2) 0.15 g", ""),
    )
    assert catalogue.read(source, Choices(imt="MMI")).notes == ()
    assert catalogue.read(curves(low), Choices()).notes == ()  # no fields: the curves are whole


def test_many_realizations_are_not_all_told(hazard_source, curves):
    source = curves()
    rlzs = np.zeros(12, [("rlz_id", "<u4"), ("branch_path", "S5"), ("weight", "<f4")])
    rlzs["rlz_id"], rlzs["branch_path"], rlzs["weight"] = np.arange(12), b"A~b1", 1 / 12
    source.client.extracts[5, "realizations"] = {"array": rlzs}
    for i in range(12):
        key = (5, "hcurves", ("imt", "PGA"), ("kind", f"rlz-{i}"))
        source.client.extracts[key] = {f"rlz-{i:03d}": np.zeros((2, 1, 3), "f4")}
    [note] = catalogue.read(source, Choices(kind="rlzs", imt="PGA")).notes
    assert note.count("(A~b1, weight 0.08333)") == 10
    assert note.endswith("Realization 9 (A~b1, weight 0.08333); and 2 more realizations.")


@pytest.mark.parametrize(
    ("choices", "field", "title"),
    [
        ({}, "PGA-0.1200000", "Mean probability of exceeding PGA 0.12 g in 50 years"),
        (
            {"imt": "SA(0.2)"},
            "SA(0.2)-0.2000000",
            "Mean probability of exceeding SA(0.2) 0.2 g in 50 years",
        ),
        (
            {"imt": "MMI", "kind": "std"},
            "MMI-7.00000e+00",
            "Standard deviation of the probability of exceeding MMI 7 in 50 years",
        ),
        (
            {"kind": "rlz-1", "style_field": "pga-0.5000000"},
            "PGA-0.5000000",
            "Probability of exceeding PGA 0.5 g in 50 years, realization 1",
        ),
    ],
)
def test_what_is_drawn(curves, choices, field, title):
    table = catalogue.read(curves(), Choices(**choices))
    style = table.style
    assert (style.field, table.title) == (field, title)
    assert (style.classification, style.breaks) == ("standard", LIMITS)
    assert table.geometry == POINT


def test_unknown_measures_draw_the_middle_level(curves):
    parameters = {**PARAMETERS, "hazard_imtls": {"EAS(1.0)": [1.0, 2.0, 3.0]}}
    source = curves(parameters)
    key = (5, "hcurves", ("imt", "EAS(1.0)"), ("kind", "mean"))
    source.client.extracts[key] = {"mean": np.ones((2, 1, 3), "f4")}
    table = catalogue.read(source, Choices())
    assert table.style.field == "EAS(1.0)-2.00000e+00"
    assert table.title == "Mean probability of exceeding EAS(1.0) 2 in 50 years"


def test_names_are_unique():
    assert level_names("PGA", [1e-8, 2e-8]) == ["PGA-1e-08", "PGA-2e-08"]
    assert level_names("SA(0.1)", [0.0057376, 1.0]) == ["SA(0.1)-0.0057376", "SA(0.1)-1.0000000"]
    assert level_names("IA", [0.25]) == ["IA-2.50000e-01"]


def test_long_format(curves, rows_of):
    table = catalogue.read(curves(), Choices(kind="mean,rlz-0", long_format=True))
    assert table.rows == 2 * 2 * 8
    assert table.title == "Hazard curves of calculation 5"
    assert [c.name for c in table.columns][3:] == ["kind", "imt", "iml", "poe"]
    assert table.column("iml").unit == ""  # g and an intensity
    assert table.column("poe").title == "Probability of exceedance in 50 years [probability]"
    expected = [
        (site, float(site), 0.0, kind, imt, level, poe)
        for site in (0, 1)
        for kind in ("mean", "rlz-0")
        for imt in ("PGA", "SA(0.2)", "MMI")
        for level, poe in zip(LEVELS[imt], made_up(kind, imt)[site].tolist())
    ]
    assert rows_of(table) == expected
    assert (table.style.field, table.style.breaks) == ("poe", LIMITS)
    only = catalogue.read(curves(), Choices(imt="PGA", long_format=True))
    assert only.column("iml").title == "Intensity measure level [g]"


def test_long_format_of_many_blocks(curves, rows_of):
    table = catalogue.read(curves(count=5000), Choices(imt="PGA", long_format=True))
    blocks = list(table.blocks())
    assert max(block.rows for block in blocks) * 7 <= 50_000
    got = rows_of(table)
    assert len(got) == table.rows == 15_000
    assert [row[0] for row in got] == [i // 3 for i in range(15_000)]
    assert [row[-1] for row in got] == made_up("mean", "PGA", 5000).ravel().tolist()
    xy = np.concatenate([block.xy for block in blocks])
    assert xy[:, 0].tolist() == [row[1] for row in got]


def test_cells(curves, sites):
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(4) * 0.5, np.arange(3) * 0.5))
    source = curves(count=12, sitecol=sites(lon, lat))
    table = catalogue.read(source, Choices(imt="PGA", geometry="cell"))
    assert table.geometry == POLYGON
    [block] = table.blocks()
    rings = np.array([np.frombuffer(w[13:], "<f8").reshape(5, 2) for w in block.wkb])
    assert rings[:, :4].mean(axis=1).tolist() == np.column_stack([lon, lat]).tolist()
    long = catalogue.read(source, Choices(imt="PGA", geometry="cell", long_format=True))
    [block] = long.blocks()
    assert [bytes(w) for w in block.wkb][::3] == [bytes(w) for b in table.blocks() for w in b.wkb]


def test_sites_on_both_sides_of_the_antimeridian(curves, sites, rows_of):
    source = curves(sitecol=sites([179.9, -179.9], [0.0, 0.0]))
    table = catalogue.read(source, Choices(imt="PGA"))
    [note] = table.notes
    assert "give the project a CRS that is centred there, such as EPSG:3832" in note
    assert [block.xy.tolist() for block in table.blocks()] == [[[179.9, 0.0], [-179.9, 0.0]]]
    assert catalogue.read(source, Choices(imt="PGA", geometry="none")).notes == ()


def test_amplified_curves_have_the_levels_of_the_soil(curves):
    source = curves({**PARAMETERS, "soil_intensities": [0.1, 0.2]})
    for imt in LEVELS:
        key = (5, "hcurves", ("imt", imt), ("kind", "mean"))
        source.client.extracts[key] = {"mean": np.ones((2, 1, 2), "f4")}
    names = [c.name for c in catalogue.read(source, Choices(imt="PGA")).columns][3:]
    assert names == ["PGA-0.1000000", "PGA-0.2000000"]


# --- what there is not


def test_no_levels(curves):
    with pytest.raises(InvalidOutput, match="does not tell the intensity measure types"):
        catalogue.read(curves({"investigation_time": 50.0}), Choices())
    with pytest.raises(InvalidOutput, match="does not tell the levels"):
        catalogue.read(curves({"hazard_imtls": {"PGA": []}}), Choices())


def test_answer_with_nothing_inside(curves):
    source = curves({**PARAMETERS, "max": True})
    source.client.extracts[5, "hcurves", ("imt", "PGA"), ("kind", "max")] = {"kind": np.array([])}
    with pytest.raises(InvalidOutput) as error:
        catalogue.read(source, Choices(kind="max", imt="PGA"))
    assert str(error.value) == (
        "Calculation 5 has no “max” of PGA in its Hazard Curves; the server answered with nothing."
    )


def test_other_levels_than_the_parameters_tell(curves):
    source = curves({**PARAMETERS, "hazard_imtls": {"PGA": [0.1, 0.2]}})
    with pytest.raises(InvalidOutput, match=r"the shape \(2, 1, 3\), not \(sites, 1, 2\)\.$"):
        catalogue.read(source, Choices())


def test_kinds_of_different_sites(curves):
    source = curves()
    key = (5, "hcurves", ("imt", "PGA"), ("kind", "std"))
    source.client.extracts[key] = {"std": np.ones((1, 1, 3), "f4")}
    with pytest.raises(InvalidOutput, match="different numbers of sites"):
        catalogue.read(source, Choices(kind="mean,std", imt="PGA"))


@pytest.mark.parametrize(
    ("mode", "individual", "words"),
    [
        ("classical", False, "KIND may be: mean, std, quantile-0.5."),
        ("event_based", False, "KIND may be: mean, std, quantile-0.5."),
    ],
)
def test_realizations_that_were_not_kept(curves, mode, individual, words):
    source = curves({**PARAMETERS, "individual_rlzs": individual}, mode=mode)
    with pytest.raises(InvalidChoice) as error:
        catalogue.read(source, Choices(kind="rlz-0"))
    assert words in str(error.value)


def test_the_only_realization(curves):
    def kept(mode):
        source = curves({**PARAMETERS, "individual_rlzs": False}, mode=mode)
        only = source.client.extracts[5, "realizations"]["array"][:1]
        source.client.extracts[5, "realizations"] = {"array": only}
        table = catalogue.read(source, Choices(kind="rlz-0", imt="PGA"))
        return table.columns[3].name

    assert kept("classical") == "PGA-0.0050000"
    # event based calculations keep none unless told to
    with pytest.raises(InvalidChoice, match="There is no statistic or realization “rlz-0”"):
        kept("event_based")


def test_realizations_that_the_server_does_not_find(curves):
    source = curves()
    extract = source.client.extract

    def without(calculation_id, what, target, query=None, progress=None):
        if (query or {}).get("kind", "").startswith("rlz"):
            raise ServerFault("KeyError: object 'hcurves-rlzs' doesn't exist")
        return extract(calculation_id, what, target, query, progress)

    source.client.extract = without
    with pytest.raises(InvalidChoice, match="kept no single realizations"):
        catalogue.read(source, Choices(kind="rlz-0", imt="PGA"))


def test_no_sites(curves):
    source = curves()
    del source.client.extracts[5, "sitecol"]
    with pytest.raises(InvalidOutput, match="no sites; they cannot be located"):
        catalogue.read(source, Choices(imt="PGA"))


def test_no_logic_tree(curves):
    source = curves()
    del source.client.extracts[5, "realizations"]
    assert catalogue.read(source, Choices(imt="PGA")).rows == 2


def test_parameters_are_those_of_the_source(curves):
    source = curves()
    assert json.loads(source.client.extracts[5, "oqparam"]["json"].item()) == PARAMETERS
    with pytest.raises(InvalidChoice, match="Hazard Curves cannot be chosen by POE"):
        catalogue.read(source, Choices(poe="0.1"))
