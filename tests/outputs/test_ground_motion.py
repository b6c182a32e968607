"""Ground motion fields: which event, which site, what is not there; values against CSVs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from helpers import GSIMS, zipped

from oq_processing.engine.calculation import Output
from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.notes import Info, Warn
from oq_processing.outputs.core.table import NONE, POINT, POLYGON
from oq_processing.outputs.readers import ground_motion_deviation

EVENT = [("id", "<u4"), ("rup_id", "<i8"), ("rlz_id", "<u2"), ("year", "<u4"), ("ses_id", "<u4")]
EVENTS = [(0, 8, 0, 1, 1), (1, 8, 3, 1, 1), (2, 9, 1, 7, 1)]
LIQUEFACTION = "Model_LiqProb"
PLACES = [(10.0, 40.0), (10.5, 40.0), (11.0, 40.5)]


def field_of(*rows, imts=("PGA", "SA(0.3)"), custom=None, places=PLACES):
    """Return the extract of an event: a row of values per site."""
    site = [("lon", "<f8"), ("lat", "<f8")]
    if custom:
        site.insert(0, ("custom_site_id", "S8"))
    array = np.zeros(len(rows), [*site, *((imt, "<f4") for imt in imts)])
    for i, row in enumerate(rows):
        array["lon"][i], array["lat"][i] = places[i]
        if custom:
            array["custom_site_id"][i] = custom[i]
        for imt, value in zip(imts, row):
            array[imt][i] = value
    return array


@pytest.fixture
def motion(fake_source, sites):
    """A function that makes a source of fields by event id, with events and parameters."""

    def make(
        fields,
        mode="event_based",
        events=EVENTS,
        kept=None,
        kind="gmf_data",
        imts=("PGA",),
        **parameters,
    ):
        source = fake_source(type=kind, name="Ground Motion Fields", formats=("csv", "hdf5"))
        object.__setattr__(source.calculation, "mode", mode)
        extracts = source.client.extracts
        parameters["hazard_imtls"] = {imt: [0] for imt in imts}
        extracts[5, "oqparam"] = {"json": np.array(json.dumps(parameters).encode())}
        extracts[5, "events"] = {"array": np.array(events, EVENT)}
        realizations = {event[0]: event[2] for event in events}
        for number, array in fields.items():
            member = f"rlz-{realizations[number]:03d}"
            extracts[5, "gmf_data", ("event_id", str(number))] = {member: array}
        if kept is None:
            kept = sites(*zip(*PLACES))
        extracts[5, "sitecol"] = {"array": kept}
        source.client.outputs = lambda number: []
        return source

    return make


@pytest.fixture
def magnitudes():
    """A function that gives a source ruptures with magnitudes, told by the engine from the top."""

    def give(source, ruptures: dict[int, float]):
        top = max(ruptures.values())
        extracts = source.client.extracts
        mfd = sorted({round(m, 1) for m in ruptures.values()})
        extracts[5, "event_based_mfd"] = {"mag": np.array(mfd), "freq": np.ones(len(mfd))}
        for limit in (*mfd, None):
            query = [] if limit is None else [("min_mag", f"{limit - 0.06:.2f}")]
            rows = [i for i in ruptures.items() if limit is None or i[1] >= limit - 0.06]
            array = np.array(rows, [("rup_id", "<i8"), ("mag", "<f4")])
            key = (5, "rupture_info", ("boundaries", "no"), *query)
            extracts[key] = {"array": array}
        return top

    return give


def read(source, **choices):
    return catalogue.read(source, Choices(**choices))


def test_the_field_of_an_event(motion, rows_of):
    source = motion({1: field_of((0.1, 0.2), (0, 0), (0, 0.5))})
    table = read(source, event_id="1")
    assert [c.name for c in table.columns] == ["site_id", "lon", "lat", "PGA", "SA(0.3)"]
    # no row in the CSV where both are 0; where one is not, the other 0 is below the minimum
    assert rows_of(table) == [
        (0, 10.0, 40.0, pytest.approx(0.1), pytest.approx(0.2)),
        (1, 10.5, 40.0, None, None),
        (2, 11.0, 40.5, 0.0, 0.5),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [list(place) for place in PLACES]
    assert table.geometry == POINT
    assert table.title == "PGA [g] of event 1 (rupture 8, realization 3)"
    pga = table.column("PGA")
    assert (pga.kind, pga.imt, pga.unit, pga.additive) == ("rlz-3", "PGA", "g", False)
    assert pga.title == "PGA of event 1 [g]"
    assert (table.style.field, table.style.classification) == ("PGA", "standard")
    assert table.provenance["events"][0]["rupture"] == 8
    assert table.notes == (
        "Event 1 has ground motion at 2 of 3 sites.",
        "0 is ground motion below the minimum intensity.",
    )


def test_the_minimum_intensity_is_told(motion):
    parameters = {"minimum_intensity": {"PGA": 0.05}}
    source = motion({0: field_of((0, 1), (1, 1), (1, 1))}, **parameters)
    assert read(source, event_id="0").notes == (
        "0 is ground motion below the minimum intensity (PGA 0.05).",
    )
    source = motion({0: field_of((1, 1), (1, 1), (1, 1))}, **parameters)
    assert read(source, event_id="0").notes == ()


def test_deformation_has_the_unit_of_the_job(motion):
    imts = ("PGA", "Model_Disp", "HazusDeformation_PGDMax", "Model_LSE")
    parameters = {
        "secondary_perils": ["Model", "HazusDeformation"],
        "sec_peril_params": [{}, {"return_unit": "cm"}],
    }
    source = motion({1: field_of((1, 2, 3, 4), *[(0, 0, 0, 0)] * 2, imts=imts)}, **parameters)
    assert [c.title for c in read(source, event_id="1").columns[3:]] == [
        "PGA of event 1 [g]",
        "Disp by Model of event 1 [m]",
        "PGDMax by HazusDeformation of event 1 [cm]",
        "LSE by Model of event 1 [% of area]",
    ]
    source.oqparam.clear()
    assert read(source, event_id="1").columns[5].unit == "m"


def test_zero_of_a_secondary_peril(motion, rows_of):
    imts = ("PGV", "Model_LiqOccur", LIQUEFACTION)
    source = motion({0: field_of((3, 0, 0), (0, 0, 0), (0, 1, 0.2), imts=imts)})
    table = read(source, event_id="0")
    nothing = (None, None, None)
    # only PGV tells whether there is a row; the 0 of liquefaction is one
    assert [row[3:] for row in rows_of(table)] == [(3.0, 0.0, 0.0), nothing, nothing]
    assert [c.unit for c in table.columns[3:]] == ["cm/s", "0/1", "probability"]
    assert [c.imt for c in table.columns[3:]] == ["PGV", "LiqOccur", "LiqProb"]
    assert table.column(LIQUEFACTION).title == "LiqProb by Model of event 0 [probability]"
    assert table.style.field == "PGV"


def test_zero_of_a_footprint(motion, rows_of):
    """The engine was given every site of it, and exports them all."""
    imts = ("Volcanic_ASH", "Volcanic_LAVA")
    fields = {0: field_of((3, 0), (0, 0), (0, 1), imts=imts)}
    table = read(motion(fields, "multi_risk"), event_id="0")
    assert [row[3:] for row in rows_of(table)] == [(3, 0), (0, 0), (0, 1)]
    assert table.notes == ()


def test_columns_are_chosen_and_styled(motion):
    source = motion({0: field_of((1, 2), (1, 2), (1, 2))})
    table = read(source, event_id="0", imt="SA(0.3)")
    assert [c.name for c in table.columns[3:]] == ["SA(0.3)"]
    assert table.title == "SA(0.3) [g] of event 0 (rupture 8, realization 0)"
    assert read(source, event_id="0", style_field="sa(0.3)").style.field == "SA(0.3)"
    with pytest.raises(InvalidChoice, match=r"There is no .* “PGV”; IMT may be: PGA, SA\(0.3\)"):
        read(source, event_id="0", imt="PGV")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"event_id": "7"}, "There is no event “7”; EVENT_ID may be: 0, 1, 2."),
        ({"event_id": "x"}, "“x” is no id; EVENT_ID is the whole number of an event."),
        ({"event_id": "-1"}, "“-1” is no id; EVENT_ID is the whole number of an event."),
        ({"rupture_id": "5"}, "There is no rupture “5”; RUPTURE_ID may be: 8, 9."),
        ({"rupture_id": "9" * 30}, f"There is no rupture “{'9' * 30}”; RUPTURE_ID may be: 8, 9."),
        ({"event_id": "1", "rupture_id": "8"}, "Choose by EVENT_ID or by RUPTURE_ID, not by both."),
    ],
)
def test_events_that_are_not_there(motion, choice, message):
    with pytest.raises(InvalidChoice) as error:
        read(motion({}), **choice)
    assert str(error.value) == message


def test_the_events_of_a_rupture_are_columns(motion, rows_of):
    source = motion({0: field_of((1, 2), (0, 0), (5, 6)), 1: field_of((7, 8), (9, 10), (0, 0))})
    table = read(source, rupture_id="8", imt="PGA")
    assert [c.name for c in table.columns[3:]] == ["event-0-PGA", "event-1-PGA"]
    assert [c.kind for c in table.columns[3:]] == ["rlz-0", "rlz-3"]
    assert [row[3:] for row in rows_of(table)] == [(1.0, 7.0), (None, 9.0), (5.0, None)]
    assert table.title == "PGA [g] of event 0 (rupture 8, realization 0)"
    # that of the other event, if it is drawn
    table = read(source, rupture_id="8", style_field="event-1-PGA")
    assert table.title == "PGA [g] of event 1 (rupture 8, realization 3)"


def test_long_format(motion, rows_of):
    source = motion({0: field_of((1, 2), (0, 0), (5, 6)), 2: field_of((7, 8), (9, 10), (0, 0))})
    table = read(source, event_id="2, 0", long_format=True)
    assert [c.name for c in table.columns[3:]] == ["event_id", "imt", "value"]
    rows = [row[0:1] + row[3:] for row in rows_of(table)]
    assert rows[:5] == [
        (0, 2, "PGA", 7.0),
        (0, 2, "SA(0.3)", 8.0),
        (0, 0, "PGA", 1.0),
        (0, 0, "SA(0.3)", 2.0),
        (1, 2, "PGA", 9.0),
    ]
    assert table.rows == len(rows) == 12
    assert table.title == "Ground motion of events 2, 0"


def test_too_many_events(motion, monkeypatch):
    events = [(i, 4, 0, 1, 1) for i in range(30)]
    with pytest.raises(InvalidChoice, match=r"^These are 30 events, up to 20 .* EVENT_ID: 0 to 29"):
        read(motion({}, events=events), rupture_id="4")


def test_the_largest_event(motion, magnitudes, rows_of):
    source = motion({2: field_of((1, 2), (3, 4), (5, 6))})
    magnitudes(source, {8: 6.25, 9: 7.15})
    table = read(source)
    assert table.title == "PGA [g] of event 2 (magnitude 7.15, rupture 9, realization 1)"
    assert rows_of(table)[2][3:] == (5.0, 6.0)
    assert table.notes == (
        "Loaded: event 2 (magnitude 7.15, rupture 9, realization 1), the event of the largest "
        "magnitude. Choose another by EVENT_ID.",
    )
    assert isinstance(table.notes[0], Info)
    asked = [key for key in source.client.asked if key[1] == "rupture_info"]
    # not the magnitudes of all ruptures: that takes minutes
    assert asked == [(5, "rupture_info", ("boundaries", "no"), ("min_mag", "7.14"))]


def test_the_event_of_a_scenario_says_its_ground_motion_model(motion):
    source = motion({2: field_of((1, 2), (3, 4), (5, 6))}, "scenario")
    source.client.extracts[5, "realizations"] = {"array": GSIMS}
    about = "realization 1: ChiouYoungs2014, region = JPN, weight 0.25"
    table = read(source, event_id="2")
    assert table.title == f"PGA [g] of event 2 (rupture 9, {about})"
    assert table.provenance["events"][0]["branch"] == about.partition(": ")[2]


def test_the_largest_event_that_shook_a_site(motion, magnitudes):
    nothing = field_of((0, 0), (0, 0), (0, 0))
    source = motion({2: nothing, 0: nothing, 1: field_of((0, 0), (1, 1), (0, 0))})
    magnitudes(source, {8: 6.25, 9: 7.15})
    table = read(source)
    assert table.title == "PGA [g] of event 1 (magnitude 6.25, rupture 8, realization 3)"
    assert "the event of the largest magnitude with ground motion at a site." in table.notes[0]
    source = motion(dict.fromkeys((0, 1, 2), nothing))
    magnitudes(source, {8: 6.25, 9: 7.15})
    table = read(source)
    assert table.title.startswith("PGA [g] of event 2 (magnitude 7.15")
    assert "Neither it nor the next" in table.notes[0]
    assert isinstance(table.notes[0], Warn)


def test_events_without_magnitudes(motion):
    source = motion({0: field_of((0, 0), (0, 0), (0, 0)), 1: field_of((1, 1), (1, 1), (1, 1))})
    table = read(source)
    assert table.title == "PGA [g] of event 1 (rupture 8, realization 3)"
    assert "the first with ground motion; the engine does not tell magnitudes" in table.notes[0]


def test_sites_are_joined_by_id(motion, sites, rows_of):
    kept = sites((20.0, 30.0, 40.0), (1.0, 2.0, 3.0), custom=("007", "b", "c"))
    kept["sids"] = 0, 2, 5
    # a row per site id, with the places of the first sites kept beside: so the engine gives it
    source = motion({0: field_of((1, 1), (0, 0), (5, 5), custom=("007", "b", "c"))}, kept=kept)
    table = read(source, event_id="0", imt="PGA")
    assert rows_of(table) == [(0, "007", 20.0, 1.0, 1.0), (2, "b", 30.0, 2.0, 5.0)]
    assert [b.xy.tolist() for b in table.blocks()] == [[[20.0, 1.0], [30.0, 2.0]]]


def test_custom_ids_are_text_and_fewer_sites_were_kept(motion, sites, rows_of):
    kept = sites((11.0,), (40.5,))
    kept["sids"] = 2
    source = motion({0: field_of((1, 1), (0, 0), (5, 5), custom=("007", "1", "2"))}, kept=kept)
    table = read(source, event_id="0", imt="PGA")
    assert rows_of(table) == [
        (0, "007", 10.0, 40.0, 1.0),
        (1, "1", 10.5, 40.0, None),
        (2, "2", 11.0, 40.5, 5.0),
    ]


def test_cells_and_tables(motion, sites):
    places = [(10.0, 40.0), (10.5, 40.0), (10.0, 40.5), (10.5, 40.5)]
    field = field_of(*[(1, 1)] * 4, places=places)
    source = motion({0: field}, kept=sites(*zip(*places)))
    table = read(source, event_id="0", geometry="cell")
    assert table.geometry == POLYGON
    assert table.cell_size == (0.5, 0.5)
    assert read(source, event_id="0", geometry="none").geometry == NONE
    assert read(source, event_id="0").cell_size is None
    with pytest.raises(
        InvalidChoice, match="can be loaded with GEOMETRY auto, point, cell or none"
    ):
        read(source, event_id="0", geometry="line")


def test_the_size_of_cells_is_that_of_the_narrowest(motion, sites):
    """A raster made of it has a pixel for each cell, and none has two cells."""
    rows = [0.0, 30.0, 60.0]
    places = [(10 + i / math.cos(math.radians(lat)), lat) for lat in rows for i in range(3)]
    source = motion({0: field_of(*[(1, 1)] * 9, places=places)}, kept=sites(*zip(*places)))
    table = read(source, event_id="0", geometry="cell")
    assert table.cell_size == pytest.approx((1.0, 30.0))
    [block] = table.blocks()
    rings = np.array([np.frombuffer(shape, "<f8", offset=13).reshape(5, 2) for shape in block.wkb])
    assert np.ptp(rings[:, :, 0], axis=1).max() == pytest.approx(2.0)


def test_a_calculation_without_ground_motion(motion):
    source = motion({})
    source.client.extracts[5, "gmf_data", ("event_id", "0")] = {"rlz-000": np.array([])}
    with pytest.raises(InvalidOutput, match="has no ground motion"):
        read(source, event_id="0")
    source = motion({}, events=[])
    with pytest.raises(InvalidOutput, match="Calculation 5 has no events"):
        read(source)


# --- the average of a scenario


@pytest.fixture
def scenario(motion):
    """A function that makes a scenario with averages: IMT → (rows of sites, values)."""

    def make(averages, kind="gmf_data", ids=None, **about):
        source = motion({0: field_of((1, 1), (1, 1), (1, 1))}, "scenario", kind=kind, **about)
        kept = source.client.extracts[5, "sitecol"]["array"]
        for imt, (at, values) in averages.items():
            rows = np.array(at)
            which = {"site_id": kept["sids"][rows]}
            if ids == "custom_site_id":
                which = {ids: np.char.decode(kept[ids])[rows]}
            place = {name: kept[name][rows] for name in ("lon", "lat")}
            value = {imt: np.array(values, "f4")}
            key = (5, "avg_gmf", ("imt", imt))
            source.client.extracts[key] = {**which, **place, **value}
        return source

    return make


@pytest.mark.parametrize("kind", ["gmf_data", "avg_gmf"])
def test_the_average_of_a_scenario(scenario, rows_of, kind):
    source = scenario({"PGA": ([0, 1, 2], [0.1, 0.2, 0.3])}, kind)
    table = read(source)
    assert rows_of(table) == [
        (0, 10.0, 40.0, pytest.approx(0.1)),
        (1, 10.5, 40.0, pytest.approx(0.2)),
        (2, 11.0, 40.5, pytest.approx(0.3)),
    ]
    assert table.title == "Geometric mean PGA [g] over 3 fields"
    pga = table.column("PGA")
    assert (pga.kind, pga.title) == ("mean", "Geometric mean PGA over 3 fields [g]")
    assert table.notes == ()


def test_an_average_of_several_imts_that_are_not_of_the_same_sites(scenario, rows_of):
    # the engine leaves out what is 0, for each IMT by itself
    averages = {"PGA": ([1, 2], [0.5, 0.25]), "PGV": ([0, 2], [3, 4])}
    table = read(scenario(averages, imts=("PGA", "PGV")))
    assert [(row[0], *row[3:]) for row in rows_of(table)] == [
        (0, 0.0, 3.0),
        (1, 0.5, 0.0),
        (2, 0.25, 4.0),
    ]


def test_an_average_by_custom_ids_that_two_sites_share(scenario, sites, rows_of):
    kept = sites((10.0, 10.5, 11.0), (40.0, 40.0, 40.5), custom=("a", "00", "a"))
    source = scenario({"PGA": ([1, 2], [0.5, 0.25])}, ids="custom_site_id", kept=kept)
    assert [row[:2] + row[4:] for row in rows_of(read(source))] == [
        (1, "00", 0.5),
        (2, "a", 0.25),
    ]


def test_an_average_of_other_sites_is_refused(scenario):
    source = scenario({"PGA": ([0, 1, 2], [1, 1, 1])}, "avg_gmf")
    source.client.extracts[5, "avg_gmf", ("imt", "PGA")]["lon"] = np.array([1.0, 2.0, 3.0])
    with pytest.raises(InvalidOutput, match="does not give the average ground motion"):
        read(source)


def test_imported_fields_have_a_plain_mean(scenario):
    source = scenario({"PGA": ([0, 1, 2], [1, 1, 1])}, inputs={"gmfs": ["gmfs.csv"]})
    assert read(source).title == "Mean PGA [g] over 3 fields"


@pytest.fixture
def spread(scenario, sites):
    """A function that makes a scenario with the fields of its events, as the engine exports them.

    Of four events, two for each realization of weight 0.75 and 0.25; the last shakes one site only.
    """

    def make(averages, **about):
        events = [(0, 8, 0, 1, 1), (1, 8, 0, 1, 1), (2, 8, 1, 1, 1), (3, 8, 1, 1, 1)]
        kept = sites(*zip(*PLACES), custom=("007", "b", "c"))
        source = scenario(averages, ids="custom_site_id", events=events, kept=kept, **about)
        weights = np.array([(0, 0.75), (1, 0.25)], [("rlz_id", "<u4"), ("weight", "<f4")])
        source.client.extracts[5, "realizations"] = {"array": weights}
        rows = ["0,0.1,007", "1,0.4,007", "2,0.2,007", "3,0.8,007"]
        rows += ["0,0.2,b", "1,0.2,b", "2,0.05,b"]
        text = "\r\n".join(["event_id,gmv_PGA,custom_site_id", *rows, ""])
        data = zipped({"gmf-data_5.csv": text, "sitemesh_5.csv": "custom_site_id,lon,lat\r\n"})
        source.client.exports[8, "csv"] = ("output-8-gmf_data.zip", data)
        source.client.outputs = lambda number: [Output(8, "gmf_data", "Fields", ("csv",))]
        return source

    return make


SHARES = np.array([0.375, 0.375, 0.125, 0.125])
LOGS = {"007": np.log([0.1, 0.4, 0.2, 0.8]), "b": np.log([0.2, 0.2, 0.1, 0.1])}
MEANS = [float(np.exp(SHARES @ logs)) for logs in LOGS.values()]


def test_the_standard_deviation_of_a_scenario(spread, rows_of):
    source = spread({"PGA": ([0, 1], MEANS)}, minimum_intensity={"default": 0.1})
    table = read(source)
    assert [c.name for c in table.columns[-2:]] == ["PGA", "PGA-std"]
    wanted = [math.sqrt(SHARES @ (v - SHARES @ v) ** 2) for v in LOGS.values()]
    # below the minimum intensity, and without a row, is the minimum
    assert [row[-1] for row in rows_of(table)] == pytest.approx(wanted)
    column = table.column("PGA-std")
    assert column.title == "Standard deviation (σ) of ln PGA over 4 fields"
    assert (column.kind, column.unit, column.additive) == ("std", "", False)
    assert table.style.field == "PGA"
    drawn = read(source, style_field="PGA-std")
    assert (drawn.title, drawn.style.classification) == (column.title, "pretty")


def test_no_standard_deviation_of_another_mean(spread):
    table = read(spread({"PGA": ([0, 1], [0.2, 0.2])}, minimum_intensity={"default": 0.1}))
    assert [c.name for c in table.columns][-1] == "PGA"
    assert "gmf_data has another mean of PGA than avg_gmf" in " ".join(table.notes)


def test_no_standard_deviation_of_many_fields(spread, monkeypatch):
    monkeypatch.setattr(ground_motion_deviation, "MOST_ROWS", 7)
    source = spread({"PGA": ([0, 1], MEANS)}, minimum_intensity={"default": 0.1})
    table = read(source)
    assert [c.name for c in table.columns][-1] == "PGA"
    assert "Without standard deviations: 8 values" in " ".join(table.notes)
    assert ("gmf_data", "csv") not in source.client.asked


def test_a_mean_without_the_fields_that_it_is_of(spread, rows_of):
    source = spread({"PGA": ([0, 1], MEANS)})
    source.client.exports[8, "csv"] = ("output-8-gmf_data.zip", b"PK\x03\x04 broken")
    table = read(source)
    assert [row[-1] for row in rows_of(table)] == pytest.approx(MEANS)
    assert "Without standard deviations: " in " ".join(table.notes)


def test_rows_of_a_scenario_have_means_only(spread, rows_of):
    source = spread({"PGA": ([0, 1], MEANS)}, minimum_intensity={"default": 0.1})
    assert len(rows_of(read(source, long_format=True))) == 2


def test_secondary_perils_of_an_average_are_named_by_a_field(motion, rows_of):
    fields = {0: field_of((1, 1), (1, 1), (1, 1), imts=("PGA", LIQUEFACTION))}
    source = motion(fields, "scenario", secondary_perils=["Model"])
    place = {"lon": np.array([p[0] for p in PLACES]), "lat": np.array([p[1] for p in PLACES])}
    for imt in ("PGA", LIQUEFACTION):
        values = np.array([1, 2, 1e-10], "f4")
        source.client.extracts[5, "avg_gmf", ("imt", imt)] = {
            "site_id": np.arange(3),
            **place,
            imt: values,
        }
    table = read(source)
    assert [c.name for c in table.columns[3:]] == ["PGA", LIQUEFACTION]
    assert "1E-10 for 0" in table.notes[0]
    assert read(source, imt="PGA").notes == ()


def test_an_average_by_its_export_where_the_extract_is_refused(motion, rows_of):
    source = motion({}, "scenario")
    text = '#,,,"checksum=1"\r\ncustom_site_id,lon,lat,PGA\r\n007,1.0,2.0,5.0E-01\r\n'
    source.client.exported, source.client.name = text.encode(), "output-8-avg_gmf_5.csv"
    source.client.outputs = lambda number: [Output(8, "avg_gmf", "Average", ("csv",))]
    table = read(source)
    assert rows_of(table) == [(0, "007", 1.0, 2.0, 0.5)]
    assert table.title == "Geometric mean PGA [g] over 3 fields"


def test_a_scenario_without_an_average_gives_its_first_event(motion):
    source = motion({0: field_of((1, 2), (3, 4), (5, 6))}, "scenario")
    table = read(source)
    assert table.title == "PGA [g] of event 0 (rupture 8, realization 0)"
    assert table.notes == (
        "The engine does not give the average ground motion of calculation 5; load gmf_data with "
        "EVENT_ID. Loaded: event 0 (rupture 8, realization 0).",
    )
    source = motion({}, "scenario", kind="avg_gmf")
    with pytest.raises(InvalidOutput, match="load gmf_data with EVENT_ID"):
        read(source)


@pytest.mark.parametrize("mode", ["event_based", "event_based_risk", "ebrisk"])
def test_an_average_over_unlike_events_is_refused(motion, mode):
    with pytest.raises(InvalidChoice, match=r"is no scenario.*gmf_data with EVENT_ID"):
        read(motion({}, mode, kind="avg_gmf"))


# --- the files of the export

MESH = "custom_site_id,lon,lat\r\n007,10.00000,40.00000\r\nb,10.50000,40.00000\r\n"
ALL = "event_id,gmv_PGA,custom_site_id\r\n1,5.0E-01,b\r\n2,0.00000E+00,007\r\n2,2.5E-01,b\r\n"


def test_all_events_as_a_table(motion, rows_of):
    source = motion({})
    source.client.exported = zipped({"gmf-data_5.csv": ALL, "sitemesh_5.csv": MESH})
    table = read(source, member="GMF-data")
    names = ["event_id", "custom_site_id", "lon", "lat", "gmv_PGA"]
    assert [c.name for c in table.columns] == names
    assert (table.column("gmv_PGA").imt, table.column("gmv_PGA").unit) == ("PGA", "g")
    assert rows_of(table) == [
        (1, "b", 10.5, 40.0, 0.5),
        (2, "007", 10.0, 40.0, 0.0),
        (2, "b", 10.5, 40.0, 0.25),
    ]
    assert (table.rows, table.geometry, table.style) == (3, NONE, None)
    table = read(source, member="gmf-data", geometry="point")
    assert [b.xy.tolist() for b in table.blocks()] == [[[10.5, 40], [10, 40], [10.5, 40]]]
    assert read(source, member="sitemesh").geometry == POINT
    with pytest.raises(InvalidChoice, match="MEMBER may be: gmf-data, sitemesh"):
        read(source, member="nope")
    with pytest.raises(InvalidChoice, match="leave IMT, EVENT_ID and RUPTURE_ID empty"):
        read(source, member="gmf-data", event_id="1")


def test_ids_that_the_engine_has_made_are_geohashes(motion):
    mesh = "custom_site_id,lon,lat\r\nkpbm5kup,0.50000,-0.50000\r\n"
    fields = "event_id,gmv_PGA,custom_site_id\r\n1,5.0E-01,kpbm5kup\r\n"
    titles = []
    for text in (mesh, mesh.replace("-0.5", "0.5")):
        source = motion({})
        source.client.exported = zipped({"gmf-data_5.csv": fields, "sitemesh_5.csv": text})
        titles.append(read(source, member="gmf-data").columns[1].title)
    assert titles == ["Site (geohash)", "Site (custom id)"]


def test_ids_that_stand_for_several_places_have_none(motion, rows_of):
    source = motion({})
    mesh = MESH + "b,11.00000,41.00000\r\n"
    source.client.exported = zipped({"gmf-data_5.csv": ALL, "sitemesh_5.csv": mesh})
    table = read(source, member="gmf-data")
    assert [row[2:4] for row in rows_of(table)] == [(None, None), (10.0, 40.0), (None, None)]
    assert table.notes[0].startswith("1 site ids stand for several places")
    with pytest.raises(InvalidChoice, match="Use GEOMETRY=none"):
        read(source, member="gmf-data", geometry="point")


# --- against the engine


def test_fields_are_those_of_the_export(
    calculations, source_of, exported, client, rows_of, tmp_path
):
    number = calculations("hazard/ScenarioCase1")
    files = exported(client, number, "gmf_data", tmp_path)
    header, rows = files["gmf-data"]
    assert header == ["event_id", "gmv_PGA", "gmv_SA(0.1)", "custom_site_id"]
    place = {row[0]: (float(row[1]), float(row[2])) for row in files["sitemesh"][1]}
    for event in ("0", "7"):
        wanted = [(r[3], *place[r[3]], float(r[1]), float(r[2])) for r in rows if r[0] == event]
        assert len(wanted) == 168
        table = read(source_of(number, "gmf_data"), event_id=event)
        got = [row[1:] for row in rows_of(table)]
        for mine, theirs in zip(got, wanted):
            assert mine[0] == theirs[0]
            assert mine[1:3] == pytest.approx(theirs[1:3], abs=1e-5)
            assert mine[3:] == pytest.approx(theirs[3:], rel=1e-5)
        assert len(got) == 168
    [(header, rows)] = exported(client, number, "avg_gmf", tmp_path).values()
    table = read(source_of(number, "gmf_data"))
    assert [*header, "PGA-std", "SA(0.1)-std"] == [c.name for c in table.columns[1:]]
    assert table.title == "Geometric mean PGA [g] over 10 fields"
    for mine, theirs in zip(rows_of(table), rows):
        assert mine[1] == theirs[0]
        assert mine[2:-2] == pytest.approx([float(cell) for cell in theirs[1:]], rel=1e-5, abs=1e-5)
    assert table.rows == len(rows)


def test_the_largest_event_of_a_catalogue(
    calculations, source_of, exported, client, rows_of, tmp_path
):
    number = calculations("hazard/EventBasedPSHA")
    [(_, ruptures)] = exported(client, number, "ruptures", tmp_path).values()
    magnitude = {row[0]: float(row[3]) for row in ruptures}
    [(_, events)] = exported(client, number, "events", tmp_path).values()
    shaken = {
        r[0]: float(r[1]) for r in exported(client, number, "gmf_data", tmp_path)["gmf-data"][1]
    }
    largest = max(magnitude.values())
    table = read(source_of(number, "gmf_data"))
    [event] = table.provenance["events"]
    [(_, rupture, realization, *_)] = [r for r in events if r[0] == str(event["id"])]
    assert magnitude[rupture] == largest == event["magnitude"]
    assert event["realization"] == int(realization)
    assert table.column("PGA").kind == f"rlz-{realization}"
    assert rows_of(table)[0][-1] == pytest.approx(shaken[str(event["id"])], rel=1e-5)
    # an event that is not in the file has no value
    other = next(r[0] for r in events if r[0] not in shaken)
    assert rows_of(read(source_of(number, "gmf_data"), event_id=other))[0][-1] is None
