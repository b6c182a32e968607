import struct

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs.core import wkb
from oq_processing.outputs.core.table import point_array
from oq_processing.outputs.plots.plot import Place, find_site
from oq_processing.outputs.sites.collection import (
    geohash,
    read_own_sites,
    read_sites,
    site_condition,
)
from oq_processing.outputs.sites.grid import cell_polygons, crosses_antimeridian, grid_spacing


def km_grid(lon0, lat0, columns, rows, spacing=0.09):
    """Sites equally far in km, as the engine makes its grids."""
    lat = lat0 + spacing * np.arange(rows)
    width = spacing / np.cos(np.radians(lat))
    lon = lon0 + width[:, np.newaxis] * np.arange(columns)
    return lon.round(5).ravel(), np.repeat(lat, columns).round(5)


def test_read_sites(hazard_source, sites):
    array = sites([10.0, 11.0], [1.0, 2.0], custom=[b"00123", b"caf\xc3\xa9"])
    found = read_sites(hazard_source({}, {}, {5: array}), 2)
    assert found.site_id.tolist() == [0, 1]
    assert found.lon.tolist() == [10.0, 11.0]
    assert found.lat.tolist() == [1.0, 2.0]
    assert found.custom_id.tolist() == ["00123", "café"]
    assert found.depth is None
    assert [c.name for c, _ in found.columns()] == ["site_id", "custom_site_id", "lon", "lat"]


PLACES = {
    (0.5, -0.5): "kpbm5kup",
    (85.32401, 27.71723): "tuutttg0",
    (-180.0, 90.0): "bpbpbpbp",
    (0.0, 0.0): "7zzzzzzz",
}
"""Geohashes of ``hazardlib/geo/utils.geohash``."""


@pytest.mark.parametrize(("place", "text"), PLACES.items())
def test_geohashes_are_those_of_the_engine(place, text):
    assert geohash(*place) == text


def test_ids_that_the_engine_has_made_are_not_those_of_the_user(hazard_source, sites):
    lon, lat = zip(*PLACES)
    array = sites(lon, lat, custom=[text.encode() for text in PLACES.values()])
    found = read_sites(hazard_source({}, {}, {5: array}), len(PLACES))
    assert [c.title for c, _ in found.columns()][:2] == ["Site", "Site (geohash)"]
    assert find_site(found, Place(site_id="0"), None).text == "site 0 (0.5, -0.5)"
    assert find_site(found, Place(site_id="7zzzzzzz"), None).site_id == 3
    with pytest.raises(InvalidChoice, match="numbers go from 0 to 3"):
        find_site(found, Place(site_id="x"), None)
    array["custom_site_id"][1] = b"Kathmand"
    found = read_sites(hazard_source({}, {}, {5: array}), len(PLACES))
    assert found.columns()[1][0].title == "Site (custom id)"


def test_coordinates_have_the_digits_of_the_engine(hazard_source, sites):
    array = sites([80.08882, 10.1], [1.0, 2.0])
    types = {"sids": "<u4", "lon": "<f4", "lat": "<f4", "depth": "<f8"}
    array = array.astype([*types.items()])
    found = read_sites(hazard_source({}, {}, {5: array}), 2)
    assert found.lon.tolist() == [80.08882, 10.1]


def test_places_of_ruptures_keep_their_digits():
    """The engine exports them in seven."""
    place = np.float32([0.03959396]), np.float32([0.1100678])
    assert point_array(*place) == pytest.approx(np.array([[0.03959396, 0.1100678]]), rel=1e-7)


def test_depth_is_a_column_where_there_is_one(hazard_source, sites):
    array = sites([10.0, 11.0], [1.0, 2.0], depth=[0.0, -1.5])
    found = read_sites(hazard_source({}, {}, {5: array}), 2)
    assert found.depth.tolist() == [0.0, -1.5]
    assert [c.title for c, _ in found.columns()] == [
        "Site",
        "Longitude [°]",
        "Latitude [°]",
        "Depth [km]",
    ]


@pytest.mark.parametrize(
    ("parameters", "vs30", "condition"),
    [
        ({"reference_vs30_value": 760.0}, [760.0, 760.0], "vs30 760 m/s (reference)"),
        # the site model counts, whatever the reference
        (
            {"reference_vs30_value": 760.0, "inputs": {"site_model": ["s.csv"]}},
            [670.0, 760.0],
            "vs30 670 to 760 m/s (site model)",
        ),
        ({"inputs": {"site_model": ["s.csv"]}}, [800.5, 800.5], "vs30 800.5 m/s (site model)"),
        ({"inputs": {"site_model": ["s.csv"]}}, None, "site model"),
        # ground motion models without vs30: what the job says
        ({"reference_vs30_value": 600.0}, None, "vs30 600 m/s (reference)"),
        # sites that are not the reference
        ({"reference_vs30_value": 760.0}, [300.0, 300.0], "vs30 300 m/s"),
        ({}, [300.0, 760.0], "vs30 300 to 760 m/s"),
        # nothing is made up
        ({}, None, ""),
        ({"reference_vs30_value": float("nan")}, None, ""),
        ({}, [float("nan"), -999.0], ""),
        (
            {"reference_vs30_value": 760.0, "inputs": {"amplification": "a.csv"}},
            [760.0],
            "amplification functions of the job, from vs30 760 m/s (reference)",
        ),
        ({"inputs": {"amplification": "a.csv"}}, None, "amplification functions of the job"),
        # of ground motion from a file or a ShakeMap the job's soil says nothing
        ({"reference_vs30_value": 760.0, "inputs": {"gmfs": ["g.csv"]}}, [760.0], ""),
        ({"reference_vs30_value": 760.0, "inputs": {"hazard_curves": "h.csv"}}, [760.0], ""),
        ({"reference_vs30_value": 760.0, "shakemap_id": "us1"}, [760.0], ""),
    ],
)
def test_the_soil_of_the_sites(hazard_source, parameters, vs30, condition):
    array = None if vs30 is None else np.array(vs30, "f4")
    assert site_condition(hazard_source(parameters, {}, {}), array) == condition


def test_sites_know_their_soil(hazard_source):
    array = np.array([(0, 1.0, 2.0, 450.0)], [(n, "f8") for n in ("sids", "lon", "lat", "vs30")])
    assert read_sites(hazard_source({}, {}, {5: array}), 1).vs30.tolist() == [450.0]


def test_sites_of_the_parent(hazard_source, sites):
    own, parent = sites([1.0], [1.0]), sites([7.0, 8.0, 9.0], [1.0, 2.0, 3.0])
    source = hazard_source({"hazard_calculation_id": 3}, {}, {5: own, 3: parent})
    assert read_sites(source, 3).lon.tolist() == [7.0, 8.0, 9.0]
    assert read_sites(source, 1).lon.tolist() == [1.0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"hazard_calculation_id": 3}, "has 2 rows of Hazard Maps but 1 and 3 sites"),
        ({}, "has 2 rows of Hazard Maps but 1 sites"),
        ({"hazard_calculation_id": 99}, "has 2 rows of Hazard Maps but 1 sites"),
    ],
)
def test_values_never_land_on_other_sites(hazard_source, sites, parameters, words):
    own, parent = sites([1.0], [1.0]), sites([7.0, 8.0, 9.0], [1.0, 2.0, 3.0])
    source = hazard_source(parameters, {}, {5: own, 3: parent})
    with pytest.raises(InvalidOutput) as error:
        read_sites(source, 2)
    assert words in str(error.value)


def test_no_sites_at_all(hazard_source):
    with pytest.raises(InvalidOutput, match="but no sites; they cannot be located"):
        read_sites(hazard_source({}, {}, {}), 2)


def test_grid_in_degrees():
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(10, 20) * 0.5, np.arange(4) * 0.25 + 60))
    widths, height = grid_spacing(lon, lat)
    assert set(widths.tolist()) == {0.5}
    assert height == 0.25
    cells = cell_polygons(lon, lat)
    assert cells.shape == (40, 5, 2)
    assert cells[0].tolist() == [
        [4.75, 59.875],
        [5.25, 59.875],
        [5.25, 60.125],
        [4.75, 60.125],
        [4.75, 59.875],
    ]


@pytest.mark.parametrize("lat0", [-42, 0, 35, 60])
def test_cells_of_a_grid_in_km_touch_and_do_not_overlap(lat0):
    lon, lat = km_grid(10, lat0, 20, 100)
    cells = cell_polygons(lon, lat).reshape(100, 20, 5, 2)
    # right edge of one and left edge of the next, in degrees; sites are rounded to 5 digits
    assert np.abs(cells[:, :-1, 1, 0] - cells[:, 1:, 0, 0]).max() < 2e-5
    assert np.abs(cells[:-1, :, 2, 1] - cells[1:, :, 0, 1]).max() < 2e-5


def test_order_and_holes_do_not_matter():
    lon, lat = km_grid(10, 45, 20, 20)
    keep = np.random.default_rng(1).permutation(400)[:300]
    widths, height = grid_spacing(lon[keep], lat[keep])
    assert widths == pytest.approx(0.09 / np.cos(np.radians(lat[keep])), abs=2e-5)
    assert height == pytest.approx(0.09, abs=1e-5)


def test_grid_over_the_antimeridian():
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(175, 186), np.arange(5)))
    lon = np.where(lon > 180, lon - 360, lon)
    widths, height = grid_spacing(lon, lat)
    assert (set(widths.tolist()), height) == ({1.0}, 1.0)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        ([0.5], [1.0]),
        ([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]),
        ([1.0, 1.0, 1.0], [0.0, 1.0, 2.0]),
        ([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]),
        ([0.0, 0.4, 1.7, 2.0, 0.0, 0.9, 1.1, 2.0], [0.0] * 4 + [1.0] * 4),
    ],
)
def test_no_grid(lon, lat):
    with pytest.raises(InvalidChoice, match=r"no regular grid; use GEOMETRY=point"):
        cell_polygons(np.array(lon), np.array(lat))


@pytest.mark.parametrize(("lon", "lat"), [(np.inf, 0), (-np.inf, 0), (0, np.nan), (0, 90.5)])
def test_sites_that_are_nowhere_have_no_cells(lon, lat):
    lons, lats = (a.ravel() for a in np.meshgrid(np.arange(20.0), np.arange(20.0)))
    lons[7], lats[7] = lon, lat
    with pytest.raises(InvalidChoice, match=r"^Sites without a place on Earth have no cells; use"):
        cell_polygons(lons, lats)


def test_cells_end_at_the_poles():
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(0.0, 50, 5), np.arange(-90.0, 91, 5)))
    cells = cell_polygons(lon, lat)
    assert (cells[..., 1].min(), cells[..., 1].max()) == (-90, 90)
    assert cells[0, 2].tolist() == [2.5, -87.5]
    assert cells[-1, 0].tolist() == [42.5, 87.5]


def test_cells_in_km_are_not_wider_than_the_earth():
    lon, lat = km_grid(10, 81.0, 20, 101)
    lat[-20:] = 90
    cells = cell_polygons(lon, lat)
    assert np.ptp(cells[-1, :, 0]) == 360


def moved(share: float, by: float) -> tuple[np.ndarray, np.ndarray]:
    """A grid of 20 x 20 with ``share`` of the sites moved along their row ``by`` so many steps."""
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(20.0), np.arange(20.0)))
    lon[:: round(1 / share)] += by
    return lon, lat


def test_one_neighbour_of_ten_beside_its_place_is_no_grid():
    # each site that is moved spoils two steps
    with pytest.raises(InvalidChoice, match="no regular grid"):
        grid_spacing(*moved(1 / 20, 0.3))


def test_a_few_sites_beside_their_places_are_a_grid():
    widths, height = grid_spacing(*moved(1 / 80, 0.3))
    assert (set(widths.tolist()), height) == ({1.0}, 1.0)


@pytest.mark.parametrize("rows", [[0.0, 1.0, 2.5, 3.0], [0.0, 1.0, 2.0, 3.3]])
def test_rows_that_are_unevenly_far_are_no_grid(rows):
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(10.0), rows))
    with pytest.raises(InvalidChoice, match="no regular grid"):
        grid_spacing(lon, lat)


def test_scattered_sites_are_no_grid():
    lon, lat = np.random.default_rng(1).random((2, 500)).round(3)
    with pytest.raises(InvalidChoice):
        grid_spacing(lon, lat)


def test_grid_on_both_sides_of_the_antimeridian():
    lon, lat = km_grid(179.0, 0.0, 30, 5)
    east = np.where(lon > 180, lon - 360, lon).round(5)
    assert east.min() < -178 < 179 < east.max()
    order = np.argsort(east, kind="stable")  # as a region of the engine gives them
    cells = cell_polygons(east[order], lat[order])
    assert cells[:, :4].mean(axis=1)[:, 0] == pytest.approx(east[order], abs=1e-9)
    sizes = cells[:, 2] - cells[:, 0]
    assert sizes[:, 0] == pytest.approx(0.09 / np.cos(np.radians(lat[order])), abs=2e-5)
    assert sizes[:, 1] == pytest.approx(np.full(150, 0.09), abs=2e-5)
    # where a cell reaches beyond 180 degrees, its neighbour on the other side begins
    row = cells[lat[order] == 0]
    last, first = row[row[:, 0, 0] > 0][-1], row[0]
    assert last[1, 0] - 360 == pytest.approx(first[0, 0], abs=2e-5)


@pytest.mark.parametrize(
    ("lon", "crosses"),
    [
        ([179.0, -179.0], True),
        ([-170.0, 100.0, 95.0, -60.0], False),
        ([-1.0, 1.0], False),
        ([5.0], False),
        ([], False),
        (list(range(-180, 180)), False),
    ],
)
def test_both_sides_of_the_antimeridian(lon, crosses):
    assert crosses_antimeridian(np.array(lon, dtype=float)) is crosses


def test_sites_of_the_calculation_itself(hazard_source, sites):
    own, parent = sites([1.0, 2.0], [1.0, 1.0]), sites([7.0, 8.0], [1.0, 2.0])
    source = hazard_source({"hazard_calculation_id": 3}, {}, {5: own, 3: parent})
    assert read_own_sites(source).lon.tolist() == [1.0, 2.0]
    assert read_own_sites(source, 3).lon.tolist() == [7.0, 8.0]
    # of the same number, the calculation's own go first
    assert read_sites(source, 2).lon.tolist() == [1.0, 2.0]


def test_polygons_as_wkb():
    ring = [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
    [first, second] = wkb.polygons(np.add([ring, ring], [[[0, 0]], [[5, 0]]]))
    assert first == struct.pack("<BIII8d", 1, 3, 1, 4, 0, 0, 1, 0, 1, 2, 0, 0)
    assert second == struct.pack("<BIII8d", 1, 3, 1, 4, 5, 0, 6, 0, 6, 2, 5, 0)
