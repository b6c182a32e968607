import math

import numpy as np
import pytest
from helpers import zipped

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.table import INTEGER, NONE, POLYGON, REAL, TEXT

ABOUT = (
    "generated_by='OpenQuake engine 3.26.2', checksum=2839110008, investigation_time=50.0, "
    "mag_bin_edges=[5.0, 6.0, 7.0], dist_bin_edges=[0.0, 10.0, 20.0], "
    "lon_bin_edges={lon_edges}, lat_bin_edges={lat_edges}, eps_bin_edges=[-3.0, 0.0, 3.0], "
    "tectonic_region_types=['Active Shallow Crust', 'Volcanic'], lon={lon}, lat={lat}"
)
TRTS = ("Active Shallow Crust", "Volcanic")
# imt, iml, poe: two levels of PGA and one of SA(0.1)
LEVELS = (("PGA", 0.2, 0.1), ("PGA", 0.3, 0.02), ("SA(0.1)", 0.4, 0.1))


def csv_of(header, rows, lon=10.0, lat=45.0, width=0.5) -> str:
    """A file as the engine writes it: comment, header, six digits, CRLF."""
    edges = [[middle + i * width for i in (-1, 0, 1)] for middle in (lon, lat)]
    about = ABOUT.format(lon_edges=edges[0], lat_edges=edges[1], lon=lon, lat=lat)
    lines = [f'#{"," * (len(header) - 1)}"{about}"', ",".join(header)]
    for row in rows:
        lines.append(",".join(c if isinstance(c, str) else f"{c:.5E}" for c in row))
    return "\r\n".join(lines) + "\r\n"


def rows_by(bins, poes, levels=LEVELS):
    """Rows of all levels; the values of a level are ``poes`` times its number."""
    return [
        (*level, *(b if isinstance(b, tuple) else (b,)), *((p * (i + 1),) if p is not None else ()))
        for i, level in enumerate(levels)
        for b, p in zip(bins, poes)
    ]


MAG = rows_by((5.5, 6.5), (0.02, 0.06))
MAG_DIST = rows_by([(m, d) for m in (5.5, 6.5) for d in (5.0, 15.0)], (0.0, 0.02, 0.01, 0.05))
EPS = rows_by(
    [(m, d, e) for m in (5.5, 6.5) for d in (5.0, 15.0) for e in (-1.5, 1.5)],
    (0.0, 0.0, 0.01, 0.01, 0.0, 0.01, 0.02, 0.03),
)
LON_LAT = [(x, y) for x in (-0.25, 0.25) for y in (-0.25, 0.25)]


def lon_lat(lon, lat, poes=(0.0, 0.02, 0.01, 0.05), trts=()):
    cells = [(lon + x, lat + y) for x, y in LON_LAT]
    if not trts:
        return csv_of(("imt", "iml", "poe", "lon", "lat", "mean"), rows_by(cells, poes), lon, lat)
    bins = [(trt, *cell) for trt in trts for cell in cells]
    values = [p * (0.1 if trt == TRTS[1] else 1) for trt in trts for p in poes]
    header = ("imt", "iml", "poe", "trt", "lon", "lat", "mean")
    return csv_of(header, rows_by(bins, values), lon, lat)


def site_files(number, lon, lat):
    head = ("imt", "iml", "poe")
    return {
        f"Mag-mean-{number}_5.csv": csv_of((*head, "mag", "mean"), MAG, lon, lat),
        f"Mag_Dist-mean-{number}_5.csv": csv_of((*head, "mag", "dist", "mean"), MAG_DIST, lon, lat),
        f"Mag_Dist_Eps-mean-{number}_5.csv": csv_of(
            (*head, "mag", "dist", "eps", "mean"), EPS, lon, lat
        ),
        f"Lon_Lat-mean-{number}_5.csv": lon_lat(lon, lat),
        f"TRT_Lon_Lat-mean-{number}_5.csv": lon_lat(lon, lat, trts=TRTS),
    }


@pytest.fixture
def source(fake_source, sites):
    """Sites 0 and 10, the second with cells that touch none of the first."""

    def make(files=None, custom=None):
        files = files or {**site_files(0, 10.0, 45.0), **site_files(10, 20.0, 46.0)}
        made = fake_source(
            zipped(files), "output-7-disagg-stats-csv.zip", type="disagg-stats", name="Disagg"
        )
        if custom:
            made.client.extracts[5, "sitecol"] = {"array": sites([10, 20], [45, 46], None, custom)}
        return made

    return make


@pytest.fixture
def read(source, rows_of):
    """A function that reads a table and returns it with its columns."""

    def read(files=None, custom=None, **choices):
        table = catalogue.read(source(files, custom), Choices(**choices))
        return table, dict(zip((c.name for c in table.columns), zip(*rows_of(table))))

    return read


def shares(*poes):
    rates = [-math.log(1 - p) for p in poes]
    return [rate / sum(rates) for rate in rates]


def test_contribution_beside_poe(read):
    table, got = read(member="Mag-0")
    assert list(got) == [
        "member", "site_id", "site_lon", "site_lat", "imt", "iml", "poe", "mag", "mean",
        "contribution",
    ]  # fmt: skip
    assert got["imt"] == ("PGA", "PGA", "PGA", "PGA", "SA(0.1)", "SA(0.1)")
    assert got["iml"] == (0.2, 0.2, 0.3, 0.3, 0.4, 0.4)
    assert got["poe"] == (0.1, 0.1, 0.02, 0.02, 0.1, 0.1)
    assert got["mag"] == (5.5, 6.5) * 3
    assert got["mean"] == pytest.approx((0.02, 0.06, 0.04, 0.12, 0.06, 0.18))
    # of each level by itself: SA(0.1) has the PoE of the first level of PGA
    wanted = [*shares(0.02, 0.06), *shares(0.04, 0.12), *shares(0.06, 0.18)]
    assert got["contribution"] == pytest.approx(wanted, rel=1e-9)
    assert set(got["member"]) == {"Mag-mean-0"}
    assert set(got["site_id"]) == {0}
    assert (set(got["site_lon"]), set(got["site_lat"])) == ({10.0}, {45.0})
    assert table.geometry == NONE
    assert table.style is None


def test_sites_are_appended_by_number(read):
    table, got = read(member="Mag")
    assert table.rows == 12
    assert got["site_id"] == (0,) * 6 + (10,) * 6
    assert got["site_lon"] == (10.0,) * 6 + (20.0,) * 6
    assert got["contribution"][:6] == got["contribution"][6:]


def test_magnitude_and_distance_unless_another_kind_is_chosen(read):
    table, got = read()
    assert table.rows == 24
    assert got["dist"][:4] == (5.0, 15.0, 5.0, 15.0)
    assert table.title == "Disaggregation by magnitude and distance, calculation 5"
    assert table.notes[0] == (
        "Disaggregation by magnitude and distance (Mag_Dist); other kinds by MEMBER: Lon_Lat, "
        "Mag, Mag_Dist_Eps, TRT_Lon_Lat."
    )


@pytest.mark.parametrize("member", ["Mag_Dist-mean-10", "mag_dist-10", " Mag_Dist-mean-10 "])
def test_a_member_is_a_file_or_a_kind_and_site(read, member):
    _, got = read(member=member)
    assert set(got["member"]) == {"Mag_Dist-mean-10"}


def test_imt_and_poe_choose_rows_and_leave_contributions(read):
    _, whole = read(member="Mag-0")
    table, got = read(member="Mag-0", imt="pga", poe="2475y")
    assert got["contribution"] == whole["contribution"][2:4]
    assert got["poe"] == (0.02, 0.02)
    assert table.title == (
        "Disaggregation by magnitude: PGA 0.3 g (2% in 50 years, 2475 years), site 0 (10, 45)"
    )


def test_given_levels_have_another_probability_at_each_site(read):
    head = ("imt", "iml", "poe", "mag", "mean")
    files = {
        f"Mag-mean-{i}_5.csv": csv_of(head, [("PGA", 0.1, poe, 5.5, poe)])
        for i, poe in enumerate((0.1, 0.03))
    }
    assert read(files)[1]["poe"] == (0.1, 0.03)
    assert read(files, poe="3%")[1]["site_id"] == (1,)


def test_bins_are_chosen_by_tag_filter(read):
    _, whole = read(member="Mag_Dist-0")
    _, got = read(member="Mag_Dist-0", tag_filter="mag=6.5; dist=15")
    assert got["mag"] == (6.5,) * 3
    assert got["contribution"] == whole["contribution"][3::4]


def test_what_the_columns_mean(read):
    table, _ = read(member="TRT_Lon_Lat-0", custom=[b"", b""], imt="PGA")
    about = {c.name: (c.type, c.title, c.quantity) for c in table.columns}
    assert about["site_id"] == (INTEGER, "Site", "")
    assert about["trt"] == (TEXT, "Tectonic region type", "")
    assert about["iml"] == (REAL, "Intensity measure level [g]", "")
    assert about["poe"][1] == "Probability of exceeding the level in 50 years"
    assert about["lon"][1] == "Longitude of the bin [°]"
    assert about["mean"] == (
        REAL,
        "Mean probability of exceedance of the bin in 50 years",
        "disaggregation",
    )
    assert about["contribution"] == (REAL, "Contribution", "contribution")
    assert not any(c.additive for c in table.columns)


def test_levels_of_different_units_have_none(read):
    files = {
        "Mag-mean-0_5.csv": csv_of(
            ("imt", "iml", "poe", "mag", "mean"),
            [("PGA", 0.1, 0.1, 5.5, 0.1), ("PGV", 9.0, 0.1, 5.5, 0.1)],
        )
    }
    table, _ = read(files)
    assert table.column("iml").unit == ""


def test_mean_and_mode_of_each_disaggregation(read):
    table, _ = read(member="Mag-0", imt="PGA", poe="10%")
    assert table.notes == (
        "PGA 0.2 g (10% in 50 years, 475 years), site 0 (10, 45): mean M 6.25, Rrup 13.8 km, "
        "ε 0.377; largest contribution 75.4% from M 6.5.",
    )
    [fact] = table.provenance["disaggregations"]
    low, high = shares(0.02, 0.06)
    assert fact["mean"]["mag"] == pytest.approx(5.5 * low + 6.5 * high)
    by_dist = shares(0.0, 0.02, 0.01, 0.05)
    # magnitude from the kind itself, distance and ε from others of the same site
    assert fact["mean"]["dist"] == pytest.approx(15 * (by_dist[1] + by_dist[3]) + 5 * by_dist[2])
    by_eps = shares(0.0, 0.0, 0.01, 0.01, 0.0, 0.01, 0.02, 0.03)
    assert fact["mean"]["eps"] == pytest.approx(1.5 * (sum(by_eps[1::2]) - sum(by_eps[::2])))
    assert fact["mode"] == {"mag": 6.5}
    assert fact["mode_contribution"] == pytest.approx(high)
    assert (fact["site_id"], fact["imt"], fact["poe"], fact["kind"]) == (0, "PGA", 0.1, "mean")


def test_the_mode_is_that_of_all_bins(read):
    table, _ = read(member="Mag-0", imt="PGA", poe="10%", tag_filter="mag=5.5")
    assert table.provenance["disaggregations"][0]["mode"] == {"mag": 6.5}


def test_no_exceedance_has_no_contribution(read):
    files = {
        "Mag-0_5.csv": csv_of(
            ("imt", "iml", "poe", "mag", "rlz1", "rlz0"),
            [("PGA", 0.1, 0.1, 5.5, 0.1, 0.0), ("PGA", 0.1, 0.1, 6.5, 0.3, 0.0)],
        )
    }
    table, got = read(files, kind="rlzs")
    assert got["rlz0-contribution"] == (None, None)
    assert got["rlz1-contribution"] == pytest.approx(shares(0.1, 0.3))
    assert got["rlz0"] == (0.0, 0.0)
    assert "realization 0: no bin contributes." in table.notes[0]


def test_a_certain_bin_has_no_finite_rate(read):
    files = {
        "Mag-mean-0_5.csv": csv_of(
            ("imt", "iml", "poe", "mag", "mean"),
            [("PGA", 0.1, 0.1, 5.5, 1.0), ("PGA", 0.1, 0.1, 6.5, 0.3)],
        )
    }
    assert read(files)[1]["contribution"] == (None, None)


REALIZATIONS = {
    "Mag-0_5.csv": csv_of(
        ("imt", "iml", "poe", "mag", "rlz2", "rlz0"),
        [("PGA", 0.1, 0.1, 5.5, 0.1, 0.2), ("PGA", 0.1, 0.1, 6.5, 0.3, 0.1)],
    )
}


def test_realizations_are_asked_for(read):
    with pytest.raises(InvalidChoice, match=r"\(KIND\): rlz-0, rlz-2\."):
        read(REALIZATIONS)
    table, got = read(REALIZATIONS, kind="rlz-002")
    assert got["rlz2"] == pytest.approx((0.1, 0.3))
    assert got["contribution"] == pytest.approx(shares(0.1, 0.3))
    assert "rlz0" not in got
    assert table.title.endswith(", site 0 (10, 45), realization 2")
    assert table.column("rlz2").kind == "rlz-2"


def test_sites_may_have_different_realizations(read):
    other = csv_of(("imt", "iml", "poe", "mag", "rlz0", "rlz3"), [("PGA", 0.1, 0.1, 5.5, 0.1, 0.4)])
    _, got = read({**REALIZATIONS, "Mag-1_5.csv": other}, kind="rlzs")
    assert got["site_id"] == (0, 0, 1)
    assert got["rlz0"] == pytest.approx((0.2, 0.1, 0.1))
    assert got["rlz2"][2] is None
    assert got["rlz3"] == (None, None, 0.4)
    assert got["rlz3-contribution"] == (None, None, 1.0)


def test_custom_ids_are_text(read):
    files = {**site_files(0, 10.0, 45.0), **site_files(1, 20.0, 46.0)}
    table, got = read(files, custom=[b"00123", b"x"], member="Mag", imt="PGA", poe="10%")
    assert got["custom_site_id"] == ("00123", "00123", "x", "x")
    assert "site 00123 (10, 45)" in table.notes[0]


# --- cells


def rings_of(table) -> np.ndarray:
    wkb = [w for block in table.blocks() for w in block.wkb]
    return np.array([np.frombuffer(w[13:], "<f8").reshape(5, 2) for w in wkb])


def test_places_are_cells_of_one_level(read):
    table, got = read(member="Lon_Lat")
    assert table.geometry == POLYGON
    # PGA at the probability nearest to 475 years, both sites: their cells are apart
    assert set(got["imt"]) == {"PGA"}
    assert set(got["poe"]) == {0.1}
    assert got["site_id"] == (0,) * 4 + (10,) * 4
    rings = rings_of(table)
    assert rings.shape == (8, 5, 2)
    centers = rings[:, :4].mean(axis=1)
    assert centers.tolist() == [list(pair) for pair in zip(got["lon"], got["lat"])]
    assert (rings[:, 2] - rings[:, 0] == 0.5).all()
    assert table.style.field == "contribution"
    assert table.style.breaks == (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    assert table.notes[:2] == (
        "Drawn: PGA; others by IMT: SA(0.1).",
        "Drawn: PoE 0.1 (10%, 475y); others by POE: 0.02 (2%, 2475y).",
    )


def test_cells_of_a_chosen_level(read):
    table, got = read(member="Lon_Lat-10", imt="PGA", poe="2%")
    assert set(got["poe"]) == {0.02}
    assert rings_of(table)[0].min(axis=0).tolist() == [19.5, 45.5]
    assert table.title == (
        "Disaggregation by location: PGA 0.3 g (2% in 50 years, 2475 years), site 10 (20, 46)"
    )


def test_cells_of_sites_nearby_are_not_drawn_upon_each_other(read):
    files = {**site_files(0, 10.0, 45.0), **site_files(1, 10.3, 45.3)}
    table, got = read(files, member="Lon_Lat", imt="PGA", poe="10%")
    assert set(got["site_id"]) == {0}
    assert "Drawn: Lon_Lat-mean-0; other sites by MEMBER: Lon_Lat-mean-1." in table.notes
    _, got = read(files, member="Lon_Lat-1", imt="PGA", poe="10%")
    assert set(got["site_id"]) == {1}
    # as a table there are all of them
    table, got = read(files, member="Lon_Lat", geometry="none")
    assert (table.geometry, table.rows) == (NONE, 24)


def test_regions_upon_each_other_are_a_table(read):
    table, _ = read(member="TRT_Lon_Lat-0")
    assert (table.geometry, table.style) == (NONE, None)
    assert table.rows == 24
    assert "choose it by TAG_FILTER, for example trt=Active Shallow Crust" in table.notes[0]
    with pytest.raises(InvalidChoice, match="There are: Active Shallow Crust, Volcanic"):
        read(member="TRT_Lon_Lat-0", geometry="cell")


def test_one_region_is_cells(read):
    table, got = read(member="TRT_Lon_Lat-0", tag_filter="trt=volc*", imt="PGA", poe="10%")
    assert table.geometry == POLYGON
    assert got["trt"] == ("Volcanic",) * 4
    whole = shares(0.0, 0.02, 0.01, 0.05, 0.0, 0.002, 0.001, 0.005)
    assert got["contribution"] == pytest.approx(whole[4:])
    assert table.title.endswith("site 0 (10, 45), Volcanic")


@pytest.mark.parametrize(("lon", "west", "east"), [(179.8, 179.3, -179.7), (-179.9, 179.6, -179.4)])
def test_cells_beyond_the_antimeridian(read, lon, west, east):
    """The engine counts the longitudes on beyond 180; no cell goes around the world."""
    edges = [lon + x for x in (-0.5, 0, 0.5)]
    if lon < 0:
        edges = [x % 360 for x in edges]
    middles = [(a + b) / 2 for a, b in zip(edges, edges[1:])]
    rows = [("PGA", 0.2, 0.1, x, y, 0.1) for x in middles for y in (44.75, 45.25)]
    text = csv_of(("imt", "iml", "poe", "lon", "lat", "mean"), rows, lon)
    text = text.replace(str([lon + i * 0.5 for i in (-1, 0, 1)]), str(edges))
    table, _ = read({"Lon_Lat-mean-0_5.csv": text})
    rings = rings_of(table)
    assert np.ptp(rings[:, :, 0], axis=1) == pytest.approx(np.full(4, 0.5))
    assert rings[0, 0, 0] == pytest.approx(west, abs=1e-9)
    assert rings[-1, 1, 0] == pytest.approx(east + (360 if rings[-1, 1, 0] > 180 else 0), abs=1e-9)
    assert (np.abs(rings[:, :4, 0].mean(axis=1)) <= 180).all()


# --- what is not there


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"member": "Foo"}, "MEMBER may be: Lon_Lat, Mag, Mag_Dist, Mag_Dist_Eps, TRT_Lon_Lat."),
        ({"member": "Mag-7"}, "MEMBER may be: Mag-mean-0, Mag-mean-10."),
        ({"imt": "PGV"}, r"IMT may be: PGA, SA\(0.1\)."),
        ({"poe": "5%"}, r"POE may be: 0.02 \(2%, 2475y\), 0.1 \(10%, 475y\)."),
        ({"kind": "max"}, "KIND may be: mean."),
        (
            {"geometry": "point"},
            r"Disagg can be loaded with GEOMETRY auto, cell or none\.",
        ),
        ({"geometry": "cell"}, "by magnitude and distance has no cells"),
        ({"long_format": True}, r"cannot be loaded in LONG_FORMAT\."),
        ({"tag_filter": "trt=x"}, "no “trt” to choose by TAG_FILTER; there are: mag, dist."),
        ({"tag_filter": "mag=7.5"}, "no bin mag=7.5; there are: 5.5, 6.5."),
        ({"tag_filter": "mag=big"}, "“big” is no number; write mag=5.5"),
        ({"member": "Mag", "imt": "SA(0.1)", "poe": "2%"}, "POE may be|No bin has all"),
    ],
)
def test_what_is_not_there(read, choices, words):
    with pytest.raises(InvalidChoice, match=words):
        read(**choices)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\r\n1,2\r\n", "is no disaggregation: a, b"),
        ("imt,iml,poe,mag,mean\r\nPGA,1,1,1,1\r\n", "is no disaggregation"),
        (csv_of(("imt", "iml", "poe", "mag", "mean"), []), "Mag-mean-0 is empty"),
        (
            csv_of(
                ("imt", "iml", "poe", "lon", "lat", "mean"), [("PGA", 1.0, 0.1, 3.0, 45.25, 0.1)]
            ),
            "its bins are not those of its first line",
        ),
        # a bin from 9.5 to 10 degrees: a quarter of its width beside the middle is another make
        (
            csv_of(
                ("imt", "iml", "poe", "lon", "lat", "mean"), [("PGA", 1.0, 0.1, 9.62, 45.25, 0.1)]
            ),
            "its bins are not those of its first line",
        ),
    ],
)
def test_files_of_another_make(read, text, words):
    with pytest.raises(InvalidOutput, match=words):
        read({"Mag-mean-0_5.csv": text})


def test_middles_may_be_rounded(read):
    header, cell = ("imt", "iml", "poe", "lon", "lat", "mean"), ("PGA", 1.0, 0.1, 9.63, 45.25, 0.1)
    table, got = read({"Lon_Lat-mean-0_5.csv": csv_of(header, [cell])}, member="Lon_Lat")
    assert (table.geometry, got["lon"]) == (POLYGON, (9.63,))
