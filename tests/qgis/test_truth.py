"""The comparison of layers with the engine's CSV export, and quick calculations held against it.

All demos: tests/everything/test_truth.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import truth
from truth import Case, Expected, assert_true, check_calculation, general_case, read_csv, same

from oq_processing.engine.calculation import Calculation, Output

COMMENT = "#,,\"generated_by='OpenQuake engine 3.26.2', kind='mean', lon=0.5, bins=[1, 2]\"\r\n"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (0.05351642, "5.351642E-02"),
        (0.0535164155, "5.351642E-02"),
        (0.0535164245, "5.351642E-02"),
        (-1.83, "-1.83000E+00"),
        (12345.6, "1.23456E+04"),
        (474.56, "474.6"),
        (475.0, "475"),
        (475, "475"),
        (9007199254740993, "9007199254740993"),
        (float("inf"), "inf"),
        (0.0, "0.00000E+00"),
        (1e-40, "0.00000E+00"),
        (3, "3.00000E+00"),
        (None, ""),
        (None, "NAN"),
        (None, "nan"),
        ("00123", "00123"),
        ("", ""),
    ],
)
def test_a_value_is_what_the_csv_says(value, cell):
    assert same(value, cell)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (0.0535164150 - 5e-9, "5.351642E-02"),
        (0.0535164250 + 5e-9, "5.351642E-02"),
        (12345.7, "1.23456E+04"),
        (474.6501, "474.6"),
        (474.9, "475"),
        (476, "475"),
        (9007199254740992, "9007199254740993"),
        (1.0, "inf"),
        (6e-6, "0.00000E+00"),
        (None, "0"),
        (0.0, ""),
        (0.0, "nan"),
        (123, "00123x"),
        ("123", "00123"),
        ("1.0", "1"),
        (True, "1"),
    ],
)
def test_a_value_is_not_what_the_csv_says(value, cell):
    assert not same(value, cell)


def test_a_file_of_the_engine_is_read():
    table = read_csv(COMMENT + 'a,b,c\r\n1,"x, y",\r\n\r\n2,é,3\r\n')
    assert table.about["lon"] == 0.5
    assert table.about["bins"] == [1, 2]
    assert table.header == ["a", "b", "c"]
    assert table.rows == [["1", "x, y", ""], ["2", "é", "3"]]
    assert read_csv("EL\r\n1\r\n\r\n").column("EL") == ["1", ""]
    assert read_csv("a,b\r\n1,2\r\n").about == {}


@pytest.fixture
def case():
    """Two files of an output."""
    export = {
        "curve-mean": read_csv("lon,lat,x\r\n1,2,3\r\n1,2,3\r\n"),
        "curve-max": read_csv("lon,lat,x\r\n1,2,3\r\n"),
    }
    output = Output(7, "curves", "Curves", ("csv",))
    return Case(None, Calculation(5, "", "classical", "complete"), output, export, None)


def seen(case: Case, expected: list[Expected]) -> list[str]:
    cells = [cell for e in expected for cells in e.columns.values() for cell in cells]
    return case.unseen({id(cell) for cell in cells})


def test_cells_that_nobody_looked_at_are_named(case):
    expected = list(general_case(case))
    assert [e.parameters for e in expected] == [{"MEMBER": "curve-mean"}, {"MEMBER": "curve-max"}]
    assert expected[0].xy == [("1", "2"), ("1", "2")]
    assert seen(case, expected) == []
    assert seen(case, expected[:1]) == [
        f"curve-max: 1 of 1 cells of {name} were compared with nothing, the first {first!r}"
        for name, first in zip(("lon", "lat", "x"), "123")
    ]
    # equal cells are not the same cells
    first = {name: cells[:1] for name, cells in expected[0].columns.items()}
    assert [s[:22] for s in seen(case, [replace(expected[0], columns=first), expected[1]])] == [
        "curve-mean: 1 of 2 cel"
    ] * 3


def test_what_is_left_out_has_a_reason(case):
    expected = list(general_case(case))
    case.leave_out("too long", "*-max", "l?[nt]")
    assert [s.partition(" were")[0] for s in seen(case, expected[:1])] == [
        "curve-max: 1 of 1 cells of x"
    ]
    case.leave_out("shown otherwise", column="x", rows=lambda row: row["x"] == "3")
    assert seen(case, expected[:1]) == []
    with pytest.raises(AssertionError):
        case.leave_out("")


class Falsified:
    """The general case, with an export that says something else than the engine does."""

    def __init__(self, column: str, row: int, cell: str) -> None:
        self.column, self.row, self.cell = column, row, cell

    def __call__(self, case: Case):
        for expected in general_case(case):
            expected.columns[self.column][self.row] = self.cell
            yield expected


@pytest.fixture
def curves(registry, client, logic_tree, monkeypatch):
    """A function that compares the realizations in the way of a case."""

    def check(case):
        monkeypatch.setattr(truth, "cases", lambda: {"realizations": case})
        [verdict] = check_calculation(client, logic_tree, ["realizations"])
        return verdict

    return check


def test_one_wrong_value_is_found(curves):
    verdict = curves(general_case)
    assert verdict.problems == ()
    rows = verdict.cells // 3
    assert verdict.layers == 1
    assert rows > 3
    problems = curves(Falsified("weight", 3, "9.9999999e-02")).problems
    assert problems[0].startswith("[MEMBER=realizations] row 3: weight is 0.0")
    assert problems[0].endswith(", not '9.9999999e-02'")
    # and the cell that was there is compared with nothing
    assert len(problems) == 2
    assert f"1 of {rows} cells of weight were compared with nothing" in problems[1]


def test_what_else_may_be_wrong_is_said(curves):
    rows = []

    def ways(case):
        [whole] = general_case(case)
        short = {name: cells[1:] for name, cells in whole.columns.items()}
        yield whole
        yield Expected({}, short)
        rows.append(len(short["weight"]) + 1)
        yield Expected({}, whole.columns, [("0", "0")] * rows[0])
        yield Expected({}, {"gsim": whole.columns["weight"]})
        yield Expected({"MEMBER": "curves"}, whole.columns)
        yield Expected({}, {**whole.columns, "rlz_id": ["0"]})
        raise ValueError("no more")

    problems = curves(ways).problems
    assert problems[:3] == (
        f"[as it is] {rows[0]} rows, not {rows[0] - 1}",
        "[as it is] the geometry is NoGeometry",
        "[as it is] no field gsim; there are rlz_id, branch_path, weight",
    )
    assert "There is no member “curves”" in problems[3]
    assert problems[4] == f"[as it is] the case is wrong: its columns have [1, {rows[0]}] rows"
    assert problems[5].startswith("the case breaks at test_truth.py:")
    assert len(problems) == 6


def test_hazard_on_a_grid(registry, client, area_source):
    assert_true(client, area_source)


def test_hazard_with_a_logic_tree(registry, client, logic_tree):
    assert_true(client, logic_tree)


@pytest.mark.parametrize("qa", ["classical_risk/case_4", "scenario_damage/case_4"])
def test_risk_on_hazard(registry, client, calculations, engine_python, qa):
    [cases] = engine_python.parent.parent.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    folder = str(cases / qa)
    assert_true(client, calculations(folder, "job_risk.ini", calculations(folder, "job_haz.ini")))
