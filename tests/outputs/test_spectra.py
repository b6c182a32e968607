import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import POLYGON, REAL
from oq_processing.outputs.readers.spectra import poe_names, read_site_spectra

# limits of the classes that make maps comparable, in g
LIMITS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50)

PARAMETERS = {
    "hazard_imtls": {
        "PGV": [1],
        "SA(1.0)": [0.25, 900.0],
        "PGA": [0.25, 900.0],
        "SA(0.05)": [0.25, 900.0],
        "Sa_avg2(0.2)": [1],
        "MMI": [1],
    },
    "poes": [0.02, 0.1],
    "investigation_time": 50.0,
    "max": True,
}
IMTS = ("PGA", "SA(0.05)", "SA(1.0)")
KINDS = ("mean", "max", "rlz-0")


def made_up(kind: str, imt: str, sites: int = 2) -> np.ndarray:
    """Values that tell where they come from: shape (sites, PoEs)."""
    start = 100 * KINDS.index(kind) + 10 * IMTS.index(imt)
    return np.float32(start) + np.arange(sites * 2, dtype="f4").reshape(sites, 2) / 8


@pytest.fixture
def spectra(hazard_source, sites):
    """A source of spectra, of two statistics and the only realization, on two sites."""

    def make(parameters=PARAMETERS, count=2, sitecol=None):
        values = {(kind, imt): made_up(kind, imt, count) for kind in KINDS for imt in IMTS}
        sitecol = sites(np.arange(count), np.zeros(count)) if sitecol is None else sitecol
        source = hazard_source(parameters, values, {5: sitecol})
        vars(source)["output"] = type(source.output)(
            id=7, type="uhs", name="Uniform Hazard Spectra", formats=("csv", "npz")
        )
        extracts = source.client.extracts
        for (_, what, *query), members in list(extracts.items()):
            if what == "hmaps":
                for i in range(count):
                    one = {name: array[i : i + 1] for name, array in members.items()}
                    extracts[(5, what, *query, ("site_id", str(i)))] = one
        return source

    return make


def columns(table, rows_of) -> dict:
    return dict(zip((c.name for c in table.columns), zip(*rows_of(table))))


# --- against the engine's own CSV


def test_spectra_equal_the_csv(client, source_of, exported, area_source, rows_of, tmp_path):
    [(member, (header, rows))] = exported(client, area_source, "uhs", tmp_path).items()
    assert (member, len(rows), len(header)) == ("hazard_uhs-mean", 624, 18)
    table = catalogue.read(source_of(area_source, "uhs"), Choices())
    got = columns(table, rows_of)
    assert [c.name for c in table.columns] == ["site_id", *header]
    for name, cells in zip(header, zip(*rows)):
        form = "{:.5f}" if name in ("lon", "lat") else "{:.6E}"
        assert [form.format(value) for value in got[name]] == list(cells)
    xy = np.concatenate([block.xy for block in table.blocks()])
    assert xy.tolist() == [list(pair) for pair in zip(got["lon"], got["lat"])]
    assert len(set(got["0.020000~SA(0.2)"])) > 300
    assert table.title == "475-year mean PGA [g] (10% in 50 years)"


def test_one_site_of_a_real_grid(source_of, area_source, rows_of):
    source = source_of(area_source, "uhs")
    got = columns(catalogue.read(source, Choices()), rows_of)
    found = read_site_spectra(source, ["mean", "rlz-0"], [0.02], 417)
    assert list(found) == [("mean", 0.02), ("rlz-0", 0.02)]
    for periods, values in found.values():
        assert periods.tolist() == [0, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2]
        imts = ["PGA", *(f"SA({period})" for period in periods[1:])]
        assert values.tolist() == [got[f"0.020000~{imt}"][417] for imt in imts]


# --- against values made up


def test_kinds_poes_and_periods_are_not_mixed_up(spectra, rows_of):
    table = catalogue.read(spectra(), Choices(kind="all"))
    got = columns(table, rows_of)
    poes = ("0.020000", "0.100000")
    names = [f"{kind}-{poe}~{imt}" for kind in KINDS[:2] for poe in poes for imt in IMTS]
    assert list(got)[3:] == names
    for kind in KINDS[:2]:
        for imt in IMTS:
            for i, poe in enumerate(poes):
                assert list(got[f"{kind}-{poe}~{imt}"]) == made_up(kind, imt)[:, i].tolist()
    assert table.column("max-0.100000~SA(1.0)").meaning() == {
        "name": "max-0.100000~SA(1.0)",
        "type": REAL,
        "additive": False,
        "label": "Maximum SA(1.0), 10% in 50 years",
        "unit": "g",
        "quantity": "uniform hazard spectrum",
        "kind": "max",
        "imt": "SA(1.0)",
        "poe": 0.1,
        "lowest": 0.25,
        "highest": 900.0,
    }


def test_only_what_was_chosen_is_fetched(spectra, rows_of):
    source = spectra()
    table = catalogue.read(source, Choices(kind="max", imt="sa(1.0)", poe="2475y"))
    assert [key[2:] for key in source.client.asked if key[1] == "hmaps"] == [
        (("imt", "SA(1.0)"), ("kind", "max"))
    ]
    assert columns(table, rows_of)["0.020000~SA(1.0)"] == tuple(
        made_up("max", "SA(1.0)")[:, 0].tolist()
    )
    assert len(table.columns) == 4


@pytest.mark.parametrize(
    ("choices", "field", "title"),
    [
        ({}, "0.100000~PGA", "475-year mean PGA [g] (10% in 50 years)"),
        ({"poe": "2%"}, "0.020000~PGA", "2475-year mean PGA [g] (2% in 50 years)"),
        ({"imt": "SA(1.0)"}, "0.100000~SA(1.0)", "475-year mean SA(1.0) [g] (10% in 50 years)"),
        (
            {"kind": "max", "style_field": "0.020000~sa(0.05)"},
            "0.020000~SA(0.05)",
            "2475-year maximum SA(0.05) [g] (2% in 50 years)",
        ),
    ],
)
def test_what_is_drawn(spectra, choices, field, title):
    table = catalogue.read(spectra(), Choices(**choices))
    assert (table.style.field, table.title) == (field, title)
    assert (table.style.classification, table.style.breaks) == ("standard", LIMITS)


def test_long_format(spectra, rows_of):
    table = catalogue.read(spectra(), Choices(kind="all", long_format=True))
    assert [c.name for c in table.columns][3:] == ["kind", "poe", "imt", "period", "value"]
    assert table.title == "Uniform hazard spectra of calculation 5"
    assert (table.column("value").unit, table.column("period").unit) == ("g", "s")
    assert rows_of(table) == [
        (site, float(site), 0.0, kind, poe, imt, period, made_up(kind, imt)[site, i].item())
        for site in (0, 1)
        for kind in ("mean", "max")
        for i, poe in enumerate((0.02, 0.1))
        for imt, period in zip(IMTS, (0.0, 0.05, 1.0))
    ]


def test_cells(spectra, sites, rows_of):
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(4) * 0.5, np.arange(3) * 0.5))
    table = catalogue.read(spectra(count=12, sitecol=sites(lon, lat)), Choices(geometry="cell"))
    assert table.geometry == POLYGON
    [block] = table.blocks()
    rings = np.array([np.frombuffer(w[13:], "<f8").reshape(5, 2) for w in block.wkb])
    assert rings[:, :4].mean(axis=1).tolist() == np.column_stack([lon, lat]).tolist()


def test_one_site(spectra):
    source = spectra()
    found = read_site_spectra(source, ["max"], [0.1, 0.02], 1)
    assert list(found) == [("max", 0.1), ("max", 0.02)]
    for i, poe in ((1, 0.1), (0, 0.02)):
        periods, values = found["max", poe]
        assert periods.tolist() == [0.0, 0.05, 1.0]
        assert values.tolist() == [made_up("max", imt)[1, i].item() for imt in IMTS]
    asked = [dict(key[2:]) for key in source.client.asked if key[1] == "hmaps"]
    assert [query["site_id"] for query in asked] == ["1"] * 3


def test_names_of_probabilities():
    assert poe_names([0.1, 0.02]) == ["0.100000", "0.020000"]
    assert poe_names([1e-7, 2e-7]) == ["1e-07", "2e-07"]


@pytest.mark.parametrize(
    ("imt", "words"),
    [
        ("PGV", "PGV cannot be in a spectrum; IMT may be: PGA, SA(0.05), SA(1.0)."),
        ("PGA, MMI, Sa_avg2(0.2)", "MMI, Sa_avg2(0.2) cannot be in a spectrum"),
        ("SA(0.3)", "There is no intensity measure type “SA(0.3)”"),
    ],
)
def test_what_is_in_no_spectrum(spectra, imt, words):
    with pytest.raises(InvalidChoice) as error:
        catalogue.read(spectra(), Choices(imt=imt))
    assert words in str(error.value)


def test_no_spectral_accelerations(spectra):
    with pytest.raises(InvalidOutput, match="has no PGA and SA; there are no spectra"):
        catalogue.read(spectra({**PARAMETERS, "hazard_imtls": {"PGV": [1]}}), Choices())


def test_no_probabilities(spectra):
    with pytest.raises(InvalidOutput, match=r"does not tell the probabilities .* \(poes\)"):
        catalogue.read(spectra({**PARAMETERS, "poes": None}), Choices())
