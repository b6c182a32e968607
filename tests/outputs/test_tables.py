"""Tables with the meaning of their columns: as the engine 3.26 writes them."""

from __future__ import annotations

import pytest
from helpers import zipped

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, NONE, POINT, REAL, TEXT
from oq_processing.outputs.readers.hazard_tables import OUTPUTS

COMMENT = "#,,\"generated_by='OpenQuake engine 3.26.2', checksum=42, {}\"\r\n"
AT_ORIGIN = COMMENT.format("site_id=0, lon=0.5, lat=-0.25")


@pytest.fixture
def table_of(fake_source):
    """A function that reads files as an output of that type; one is no zip."""

    def read(kind: str, choices: Choices | None = None, **members: str):
        [(name, text)] = list(members.items())[:1]
        files = {f"{name}_3.csv": text for name, text in members.items()}
        data = text.encode() if len(members) == 1 else zipped(files)
        filename = f"output-7-{name}_3.csv" if len(members) == 1 else "output-7-all_3.zip"
        return catalogue.read(fake_source(data, filename, type=kind), choices or Choices())

    return read


def columns(table) -> list[tuple[str, str]]:
    return [(c.name, c.type) for c in table.columns]


def titles(table) -> list[str]:
    return [c.title for c in table.columns]


def test_events(table_of, rows_of):
    text = "event_id,rup_id,rlz_id,year,ses_id\r\n4294967297,22548578997,0,2044,1\r\n"
    table = table_of("events", events=COMMENT.format("a=1") + text)
    assert {kind for _, kind in columns(table)} == {INTEGER}
    assert rows_of(table) == [(4294967297, 22548578997, 0, 2044, 1)]
    assert titles(table)[:3] == ["Event", "Rupture", "Realization"]
    # of no events the columns are the same
    empty = table_of("events", events="event_id,rup_id,rlz_id,year,ses_id\r\n")
    assert columns(empty) == columns(table)


def test_frequencies_of_events(table_of, rows_of):
    table = table_of("event_based_mfd", event_based_mfd="mag,freq\r\n5.8000000e+00,8.0e-01\r\n")
    assert titles(table) == ["Magnitude", "Annual frequency of events [1/year]"]
    assert rows_of(table) == [(5.8, 0.8)]


def test_sites(table_of, rows_of):
    text = (
        "sids,lon,lat,depth,vs30,vs30measured,z1pt0,custom_site_id\r\n"
        "0,81.5,30.25,0.00000,7.60000E+02,0,1.00000E+02,0042\r\n"
    )
    table = table_of("site_model", site_model=text)
    assert table.geometry == POINT
    assert dict(columns(table))["custom_site_id"] == TEXT
    assert rows_of(table) == [(0, 81.5, 30.25, 0.0, 760.0, 0, 100.0, "0042")]
    assert table.column("vs30").title == "Shear wave velocity of the upper 30 m [m/s]"
    assert (table.style.field, table.style.breaks) == ("vs30", (180.0, 360.0, 760.0, 1500.0))
    assert len(table.style.colors) == len(table.style.labels) == 5
    # without soil: nothing is measured there
    assert table_of("site_model", site_model="sids,lon,lat,depth\r\n0,1,2,3\r\n").style is None


def test_soil_of_slopes_has_units(table_of):
    header = "sids,lon,lat,slope,cohesion_mid,dry_density,saturation,crit_accel,Fs"
    table = table_of("site_model", site_model=f"{header}\r\n0,1,2,0.1,20000,1500,0.1,0.25,1.5\r\n")
    assert titles(table)[3:] == [
        "Slope [m/m]",
        "Cohesion [Pa]",
        "Dry density [kg/m³]",
        "Saturation [fraction]",
        "Critical acceleration [g]",
        "Factor of safety",
    ]


def test_rates_by_source_know_their_site(table_of, rows_of):
    header = "source_id,imt,iml,afoe\r\n"
    about = COMMENT.format("lon={}, lat=-0.5, vs30=600.0")
    members = {
        "mean_rates_by_src-0": about.format(0.5) + header + "12,PGA,5.0E-03,4.0E-01\r\n",
        "mean_rates_by_src-7": about.format(1.5) + header + "b;0,SA(0.1),1.0E-01,0\r\n",
    }
    table = table_of("mean_rates_by_src", **members)
    assert columns(table) == [
        ("member", TEXT),
        ("site_id", INTEGER),
        ("lon", REAL),
        ("lat", REAL),
        ("vs30", REAL),
        ("source_id", TEXT),
        ("imt", TEXT),
        ("iml", REAL),
        ("afoe", REAL),
    ]
    assert rows_of(table) == [
        ("mean_rates_by_src-0", 0, 0.5, -0.5, 600.0, "12", "PGA", 0.005, 0.4),
        ("mean_rates_by_src-7", 7, 1.5, -0.5, 600.0, "b;0", "SA(0.1)", 0.1, 0.0),
    ]
    assert table.column("afoe").title == "Annual frequency of exceedance [1/year]"
    assert (table.geometry, table.style) == (NONE, None)
    points = table_of("mean_rates_by_src", Choices(geometry="point"), **members)
    assert points.geometry == POINT
    assert [b.xy.tolist() for b in points.blocks()] == [[[0.5, -0.5]], [[1.5, -0.5]]]
    [one] = rows_of(table_of("mean_rates_by_src", Choices(member="mean_rates_by_src-7"), **members))
    assert one == (7, 1.5, -0.5, 600.0, "b;0", "SA(0.1)", 0.1, 0.0)


def test_disaggregation_by_source(table_of, rows_of):
    text = "source_id,mag,dist,eps,imt,afoe\r\n1,5.5,10,-1.5,PGA,1.0E-04\r\n"
    about = COMMENT.format("lon=0.5, lat=-0.5, vs30=600.0, iml_disagg={'PGA': 0.1}")
    table = table_of("mean_disagg_by_src", mean_disagg_by_src=about + text)
    assert rows_of(table) == [(0.5, -0.5, 600.0, "1", 5.5, 10.0, -1.5, "PGA", 0.0001)]


def test_conditional_spectra(table_of, rows_of):
    text = "poe,stat,period,mea,std\r\n1.00000E-01,mean,0.00000E+00,2.86997E-01,3.07715E-01\r\n"
    members = {
        "conditional-spectrum-0": AT_ORIGIN + text,
        "conditional-spectrum-1": AT_ORIGIN.replace("site_id=0, lon=0.5", "site_id=1, lon=2")
        + text,
    }
    table = table_of("cs-stats", **members)
    assert [row[1:4] for row in rows_of(table)] == [(0, 0.5, -0.25), (1, 2.0, -0.25)]
    assert rows_of(table)[0][4:] == (0.1, "mean", 0.0, 0.286997, 0.307715)
    assert titles(table)[4:] == [
        "Probability of exceedance",
        "Statistic",
        "Period [s]",
        "Conditional spectrum [g]",
        "Standard deviation of the logarithm",
    ]


def test_median_spectra(table_of, rows_of):
    """The spectra come first; those of single groups of sources are another kind of table."""
    about = COMMENT.format("site_id=0, lon=0.5, lat=-0.25, poe=0.002105")
    members = {
        "median_spectra-0-0": about + "grp_id,kind,period,value\r\n0,mea,0.0E+00,-7.7E-01\r\n",
        "median_spectrum-0-0": about
        + "period,spec,mea,sig,wei\r\n0.0,1.6E-01,-1.8,5.7E-01,1.0\r\n",
    }
    table = table_of("median_spectra", **members)
    [row] = rows_of(table)
    assert row == ("median_spectrum-0-0", 0, 0.5, -0.25, 0.002105, 0.0, 0.16, -1.8, 0.57, 1.0)
    assert table.column("spec").title == "Median spectrum [g]"
    assert table.notes[0].endswith("Choose another by MEMBER: median_spectra-0-0.")
    single = table_of("median_spectra", Choices(member="median_spectra-0-0"), **members)
    assert rows_of(single) == [(0, 0.5, -0.25, 0.002105, 0, "mea", 0.0, -0.77)]


def test_ruptures_of_median_spectra(table_of, rows_of):
    header = "rup_id,mag,rrup,occurrence_rate,mea0,mea10,wei0\r\n"
    members = {
        "median_spectrum_disagg-grp0-PGA": AT_ORIGIN + header + "1,5.05,11.7,1E-3,-2.7,-2,3E-4\r\n",
        "median_spectrum_disagg-grp12-SA(0.1)": AT_ORIGIN + header + "2,6,1,1E-3,-2,-3,0\r\n",
    }
    table = table_of("median_spectrum_disagg", **members)
    assert [row[1:7] for row in rows_of(table)] == [
        (0, "PGA", 0, 0.5, -0.25, 1),
        (12, "SA(0.1)", 0, 0.5, -0.25, 2),
    ]
    assert dict(columns(table))["wei0"] == REAL
    assert table.column("mea10").label == "Mean ln of the level, ground motion model 10"


def test_realizations(table_of, rows_of):
    table = table_of("realizations", realizations="rlz_id,branch_path,weight\r\n0,012,1\r\n")
    assert columns(table) == [("rlz_id", INTEGER), ("branch_path", TEXT), ("weight", REAL)]
    assert rows_of(table) == [(0, "012", 1.0)]


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_cannot_be_chosen_is_refused(table_of, kind):
    with pytest.raises(InvalidChoice, match="cannot be chosen by IMT; there are: MEMBER"):
        table_of(kind, Choices(imt="PGA"), x="a\r\n1\r\n")
