"""Losses and damage: labels, units, choices and colours on files of ours; values against CSVs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from oq_processing.engine.calculation import Output
from oq_processing.engine.client import Download
from oq_processing.engine.errors import InvalidChoice, InvalidOutput
from oq_processing.outputs import catalogue
from oq_processing.outputs.choices import Choices
from oq_processing.outputs.table import NONE, POINT, REAL, TEXT

HEADER = "asset_id,NAME_1,taxonomy,lon,lat"
ROWS = ["00123,Bagmati,RM,80.50000,29.10000", "a2,?,W,81.25000,28.75000"]
EXPOSURE = (
    '<costTypes><costType name="structural" type="aggregated" unit="EUR"/>'
    '<costType unit="USD" name="contents" type="per_asset"/></costTypes>'
)
LOSSES = "contents,occupants,structural"


def csv_file(columns: str, *values: str) -> str:
    lines = [f"{HEADER},{columns}", *(f"{a},{b}" for a, b in zip(ROWS, values))]
    comment = "#,,\"generated_by='OpenQuake engine 3.26.2', checksum=42, start_date='2026-11-23'\""
    return "".join(f"{line}\r\n" for line in [comment, *lines])


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def risk_source(fake_source, monkeypatch):
    """A source of losses or damage: its members, the parameters, and the exposure's cost types."""

    def make(kind: str, files: dict[str, str], parameters=None, exposure=EXPOSURE, parent=None):
        [(name, text), *more] = files.items()
        data = zipped(files) if more else text.encode()
        source = fake_source(data, f"output-7-{name}", type=kind, name="Risk")
        client = source.client
        parameters = {"calculation_mode": "scenario_risk", **(parameters or {})}
        if parent:
            parameters["hazard_calculation_id"] = parent
        member = np.array(json.dumps(parameters).encode())
        client.extracts[5, "oqparam"] = {"json": member}
        object.__setattr__(source.calculation, "mode", parameters["calculation_mode"])
        exposure_output = Output(9, "exposure", "Exposure", ("zip",))
        owner = parent or 5
        has = [exposure_output] if exposure else []
        client.outputs = lambda number: has if number == owner else []
        plain = client.export

        def export(output, fmt, target: Path, progress=None):
            if output is exposure_output:
                client.asked.append("exposure")
                target.write_bytes(zipped({"assetcol_1.csv": "id", "exposure_1.xml": exposure}))
                return Download(target, "exposure.zip", 1)
            return plain(output, fmt, target, progress)

        client.export = export
        return source

    return make


@pytest.fixture
def losses(risk_source):
    """A function that reads average losses: means, 15% quantiles, maxima and a realization."""

    def read(choices=None, kind="avg_losses-stats", files=None, **about):
        files = files or {
            "avg_losses-mean_5.csv": csv_file(LOSSES, "1.5,2,3.25E+02", "0.0,1,0.00000E+00"),
            "avg_losses-quantile-0.15_5.csv": csv_file(LOSSES, "1,2,3", "4,5,6"),
            "avg_losses-max_5.csv": csv_file(LOSSES, "9,8,7", "6,5,4"),
        }
        source = risk_source(kind, files, **about)
        read.source = source
        return catalogue.read(source, choices or Choices())

    return read


def titles(table) -> dict[str, str]:
    return {c.name: c.title for c in table.columns if c.quantity}


def test_a_table_of_losses(losses, rows_of):
    table = losses()
    names = ["asset_id", "NAME_1", "taxonomy", "lon", "lat", "contents", "occupants", "structural"]
    assert [c.name for c in table.columns] == names
    assert [c.type for c in table.columns] == [TEXT, TEXT, TEXT, *[REAL] * 5]
    assert rows_of(table) == [
        ("00123", "Bagmati", "RM", 80.5, 29.1, 1.5, 2.0, 325.0),
        ("a2", "?", "W", 81.25, 28.75, 0.0, 1.0, 0.0),
    ]
    [block] = table.blocks()
    assert block.xy.tolist() == [[80.5, 29.1], [81.25, 28.75]]
    assert (table.rows, table.geometry) == (2, POINT)
    assert table.title == "Mean structural loss given the event [EUR]"
    assert (table.style.field, table.style.classification) == ("structural", "logarithmic")
    assert table.provenance["members"] == ["avg_losses-mean"]
    assert table.provenance["checksum"] == 42


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ({"calculation_mode": "scenario_risk"}, "Mean structural loss given the event [EUR]"),
        (
            {"calculation_mode": "classical_risk", "investigation_time": 50},
            "Average structural loss in 50 years [EUR]",
        ),
        (
            {"calculation_mode": "classical_risk", "investigation_time": 1},
            "Average annual structural loss [EUR]",
        ),
        (
            # 10,000 years of events, losses of one
            {
                "calculation_mode": "event_based_risk",
                "investigation_time": 10000,
                "risk_investigation_time": 1,
            },
            "Average annual structural loss [EUR]",
        ),
        # ground motion from a file: neither a time nor an event
        ({"calculation_mode": "event_based_risk"}, "Mean structural loss [EUR]"),
    ],
)
def test_losses_say_their_time(losses, parameters, label):
    table = losses(parameters=parameters)
    assert titles(table)["structural"] == label
    assert table.title == label


def test_units_come_from_the_exposure(losses):
    table = losses()
    units = {c.name: c.unit for c in table.columns if c.quantity}
    assert units == {"contents": "USD", "occupants": "people", "structural": "EUR"}


def test_units_come_from_the_exposure_of_the_hazard(losses):
    assert titles(losses(parent=3))["contents"] == "Mean contents loss given the event [USD]"


def test_a_unit_that_nobody_tells_is_not_guessed(losses):
    table = losses(exposure=None)
    units = {c.name: c.unit for c in table.columns if c.quantity}
    assert units == {"contents": "", "occupants": "people", "structural": ""}


def test_units_of_sums_and_insured_losses(losses):
    columns = "structural+contents,structural+occupants,structural_ins,area,number"
    exposure = EXPOSURE.replace("USD", "EUR").replace(
        "</costTypes>", '<costType name="area" type="aggregated" unit="SQM"/></costTypes>'
    )
    files = {"avg_losses-mean_5.csv": csv_file(columns, "1,2,3,4,5", "1,2,3,4,5")}
    assert titles(losses(files=files, exposure=exposure)) == {
        "structural+contents": "Mean structural + contents loss given the event [EUR]",
        "structural+occupants": "Mean structural + occupants loss given the event",
        "structural_ins": "Mean insured structural loss given the event [EUR]",
        "area": "Mean area loss given the event [SQM]",
        "number": "Mean number loss given the event [buildings]",
    }


def test_the_exposure_is_fetched_only_for_money(losses):
    files = {"avg_losses-mean_5.csv": csv_file("occupants", "1", "2")}
    losses(files=files)
    assert "exposure" not in losses.source.client.asked


@pytest.mark.parametrize(
    ("kind", "member", "summable", "label"),
    [
        ("", "avg_losses-mean", True, "Mean structural loss given the event [EUR]"),
        (
            "quantile-0.15",
            "avg_losses-quantile-0.15",
            False,
            "Mean structural loss given the event, quantile 0.15 [EUR]",
        ),
        ("max", "avg_losses-max", False, "Mean structural loss given the event, maximum [EUR]"),
    ],
)
def test_only_means_may_be_added_up(losses, kind, member, summable, label):
    table = losses(Choices(kind=kind))
    assert table.provenance["members"] == [member]
    assert table.column("structural").additive is summable
    assert titles(table)["structural"] == label
    assert not any(table.column(name).additive for name in ("asset_id", "lon", "lat"))


def test_single_realizations(losses, rows_of):
    files = {
        f"avg_losses-rlz-{r:03d}_5.csv": csv_file("structural", f"{r}.5", f"{r}.25") for r in (0, 1)
    }
    with pytest.raises(InvalidChoice, match=r"Choose .* \(KIND\): rlz-0, rlz-1"):
        losses(kind="avg_losses-rlzs", files=files)
    table = losses(Choices(kind="rlz-1"), kind="avg_losses-rlzs", files=files)
    assert [row[-1] for row in rows_of(table)] == [1.5, 1.25]
    assert table.column("structural").additive
    assert table.column("structural").kind == "rlz-1"
    only = losses(kind="avg_losses-rlzs", files={"avg_losses-rlz-000_5.csv": files.popitem()[1]})
    assert titles(only)["structural"] == "Mean structural loss given the event [EUR]"


def test_all_statistics_side_by_side(losses, rows_of):
    table = losses(Choices(kind="all", loss_type="structural"))
    names = [c.name for c in table.columns][5:]
    assert names == ["mean-structural", "max-structural", "quantile-0.15-structural"]
    assert rows_of(table)[1][5:] == (0.0, 4.0, 6.0)
    assert [table.column(n).additive for n in names] == [True, False, False]
    assert table.style.field == "mean-structural"
    assert table.provenance["choices"] == {"KIND": "all", "LOSS_TYPE": "structural"}


def test_statistics_of_other_assets_are_not_put_side_by_side(losses):
    other = csv_file("structural", "1", "2").replace("a2,", "a3,")
    files = {
        "avg_losses-mean_5.csv": csv_file("structural", "1", "2"),
        "avg_losses-max_5.csv": other,
    }
    table = losses(Choices(kind="mean,max"), files=files)
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        list(table.blocks())
    files["avg_losses-max_5.csv"] = csv_file("structural", "1")
    with pytest.raises(InvalidOutput, match="not of the same assets"):
        losses(Choices(kind="mean,max"), files=files)


def test_loss_types(losses):
    table = losses(Choices(loss_type="contents, Occupants"))
    assert list(titles(table)) == ["contents", "occupants"]
    assert table.style.field == "contents"
    with pytest.raises(InvalidChoice, match="LOSS_TYPE may be: contents, occupants, structural"):
        losses(Choices(loss_type="nonstructural"))


def test_the_field_that_is_drawn_may_be_chosen(losses):
    table = losses(Choices(style_field="Contents"))
    assert (table.style.field, table.style.classification) == ("contents", "logarithmic")
    assert table.title == "Mean contents loss given the event [USD]"


def test_without_geometry(losses):
    table = losses(Choices(geometry="none"))
    assert table.geometry == NONE
    assert next(table.blocks()).xy is None
    for choices in (Choices(geometry="polygon"), Choices(long_format=True)):
        with pytest.raises(InvalidChoice, match="Risk can"):
            losses(choices)


def test_no_assets(losses):
    table = losses(files={"avg_losses-mean_5.csv": csv_file("structural")})
    assert table.rows == 0
    assert table.notes == ("Risk of calculation 5 is empty.",)
    assert list(table.blocks()) == []


# --- damage

STATES = ("slight", "moderate", "extensive", "complete")
DAMAGE = "contents-no_damage,contents-complete," + ",".join(
    f"structural-{s}" for s in ("no_damage", *STATES, "losses", "fatalities")
)
PARAMETERS = {"calculation_mode": "scenario_damage", "limit_states": list(STATES)}


@pytest.fixture
def damage(risk_source):
    """A function that reads damage of one realization."""

    def read(columns=DAMAGE, values=None, choices=None, **parameters):
        values = values or ",".join(str(i) for i in range(len(columns.split(","))))
        files = {"avg_damages-rlz-000_5.csv": csv_file(columns, values, values)}
        source = risk_source("damages-rlzs", files, {**PARAMETERS, **parameters})
        return catalogue.read(source, choices or Choices())

    return read


def test_a_table_of_damage(damage, rows_of):
    table = damage()
    assert rows_of(table)[0][5:] == tuple(float(i) for i in range(9))
    assert titles(table) == {
        "contents-no_damage": "Expected number without damage, contents, given the event "
        "[buildings]",
        "contents-complete": "Expected number in state complete, contents, given the event "
        "[buildings]",
        "structural-no_damage": "Expected number without damage, structural, given the event "
        "[buildings]",
        **{
            f"structural-{s}": f"Expected number in state {s}, structural, given the event "
            "[buildings]"
            for s in STATES
        },
        "structural-losses": "Expected losses, structural, given the event [EUR]",
        "structural-fatalities": "Expected fatalities, structural, given the event [people]",
    }
    states = [c.damage_state for c in table.columns if c.loss_type == "structural"]
    assert states == ["no_damage", *STATES, "", ""]
    assert all(c.additive for c in table.columns if c.quantity)
    assert table.style.field == "structural-complete"
    assert table.style.classification == "logarithmic"


def test_the_last_limit_state_is_that_of_the_list_not_of_the_alphabet(damage):
    table = damage("structural-no_damage,structural-z,structural-a", limit_states=["z", "a"])
    assert table.style.field == "structural-a"


def test_states_with_hyphens_and_several_perils(damage):
    columns = "earthquake-structural-no_damage,earthquake-structural-near-collapse"
    table = damage(f"{columns},landslide-structural-near-collapse", limit_states=["near-collapse"])
    column = table.column("landslide-structural-near-collapse")
    assert (column.loss_type, column.damage_state) == ("structural", "near-collapse")
    assert column.label == (
        "Expected number in state near-collapse, structural, landslide, given the event"
    )
    assert table.style.field == "earthquake-structural-near-collapse"


def test_damage_says_its_time(damage):
    table = damage(calculation_mode="classical_damage", investigation_time=50)
    assert table.column("structural-slight").label == (
        "Expected number in state slight, structural, in 50 years"
    )
    table = damage(
        calculation_mode="classical_damage", investigation_time=50, risk_investigation_time=1
    )
    assert table.title == "Expected number in state complete, structural, in 1 year [buildings]"


@pytest.mark.parametrize(
    ("state", "ramp"),
    [
        ("no_damage", "Greys"),
        ("slight", "YlOrBr"),
        ("moderate", "Oranges"),
        ("extensive", "Reds"),
        ("complete", "Purples"),
    ],
)
def test_a_state_has_its_colour(damage, state, ramp):
    assert damage(choices=Choices(style_field=f"structural-{state}")).style.ramp == ramp


def test_modal_damage_states_are_categories_by_rank(damage, rows_of):
    table = damage("modal-ds-structural,modal-ds-landslide~contents", "slight,no_damage")
    assert rows_of(table)[0][5:] == ("slight", "no_damage")
    assert [c.type for c in table.columns[5:]] == [TEXT, TEXT]
    assert not any(c.additive for c in table.columns)
    assert titles(table) == {
        "modal-ds-structural": "Most probable damage state, structural",
        "modal-ds-landslide~contents": "Most probable damage state, contents, landslide",
    }
    assert table.style.field == "modal-ds-structural"
    assert [(value, label) for value, label, _ in table.style.categories] == [
        ("no_damage", "no damage"),
        *((s, s) for s in STATES),
    ]
    colors = [color for *_, color in table.style.categories]
    assert len(set(colors)) == 5
    two = damage("modal-ds-structural", "LS1", limit_states=["LS1", "LS2"]).style.categories
    assert (two[0][2], two[-1][2]) == (colors[0], colors[-1])


def test_event_based_damage_is_read_the_general_way(damage):
    table = damage("structural-losses", "7", calculation_mode="event_based_damage")
    assert table.column("structural-losses").label == "structural-losses"
    assert not table.column("structural-losses").additive


def test_the_word_for_losses_finds_them():
    stats = Output(1, "avg_losses-stats", "S", ("csv",))
    rlzs = Output(2, "avg_losses-rlzs", "R", ("csv",))
    assert catalogue.find_output([rlzs, stats], "avg_losses", 5) is stats
    assert catalogue.find_output([rlzs], "avg_losses", 5) is rlzs
    with pytest.raises(InvalidChoice, match="has no output “avg”"):
        catalogue.find_output([rlzs, stats], "avg", 5)


# --- the real engine


@pytest.fixture(scope="session")
def risk_cases(engine_python):
    """The engine's own tests of risk."""
    [found] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    return found


def check_against_csv(table, member, rows_of, form: str) -> None:
    header, rows = member
    assert [c.name for c in table.columns] == header
    assert table.rows == len(rows)
    for got, wanted in zip(rows_of(table), rows):
        for column, value, text in zip(table.columns, got, wanted):
            if column.type == TEXT:
                assert value == text
            elif column.name in ("lon", "lat"):
                assert f"{value:.5f}" == text
            else:
                assert format(value, form) == text


def test_losses_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    case = str(risk_cases / "classical_risk/case_4")
    number = calculations(case, "job_risk.ini", calculations(case, "job_haz.ini"))
    source = source_of(number, "avg_losses")
    table = catalogue.read(source, Choices())
    [(name, member)] = exported(client, number, "avg_losses-stats", tmp_path).items()
    assert name == "avg_losses-mean"
    check_against_csv(table, member, rows_of, ".5E")
    assert table.rows == 6
    assert table.title == "Average structural loss in 50 years [USD]"
    # the same in full precision
    losses = source.npz("losses_by_asset").array("mean")
    assert losses["id"].tolist() == [row[0].encode() for row in rows_of(table)]
    values = [row[-1] for row in rows_of(table)]
    assert values == pytest.approx(losses["structural"].tolist(), rel=1e-5)


def test_damage_of_the_engine(
    calculations, risk_cases, client, source_of, exported, rows_of, tmp_path
):
    case = str(risk_cases / "scenario_damage/case_4")
    number = calculations(case, "job_risk.ini", calculations(case, "job_haz.ini"))
    table = catalogue.read(source_of(number, "damages"), Choices())
    [(name, member)] = exported(client, number, "damages-rlzs", tmp_path).items()
    assert name == "avg_damages-rlz-000"
    check_against_csv(table, member, rows_of, ".6E")
    assert table.title == "Expected number in state LS2, structural, given the event [buildings]"
    # each building is in one state
    assert [sum(row[4:]) for row in rows_of(table)] == [3000.0, 1000.0, 2000.0]
