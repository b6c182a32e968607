"""docs/outputs.md is what its generator makes of the catalogue and of the examples it has seen."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from oq_processing.engine.calculation import Calculation, Output
from oq_processing.outputs import catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("maker", ROOT / "script/make_outputs_doc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_generator_makes(maker):
    text = maker.PAGE.read_text("utf-8")
    assert text == maker.page(json.loads(maker.SEEN.read_text("utf-8")))
    kinds = re.findall(r"^\| `([^`]+)`", text, re.M)
    assert len(kinds) == len(set(kinds)) >= 49
    assert set(catalogue.special_types()) <= set(kinds)


def test_a_row_of_the_page(maker):
    example = {
        "name": "New|Kind",
        "formats": ["csv"],
        "geometry": "point",
        "fields": list("abcdefgh"),
        "default": "Loss [EUR]",
        "style": "pretty, Reds",
    }
    rows = maker.page({"new": example, "other": {"name": "Other", "formats": ["rst"]}}).splitlines()
    [row] = [r for r in rows if r.startswith("| `new`")]
    assert row == (
        "| `new` | New\\|Kind: The CSV export, unchanged. | point, line, polygon, table | "
        "`a`, `b`, `c`, `d`, `e`, `f`, … (8) | MEMBER | Loss [EUR] | pretty, Reds | general |"
    )
    [row] = [r for r in rows if r.startswith("| `other`")]
    assert row.startswith("| `other` | Other | no table (rst): *Download Output* | – | – |")


class Server:
    """Has calculations of which the first is the poorest example."""

    def __init__(self, tables) -> None:
        self.tables = tables

    def calculation(self, number):
        return Calculation(number, "", "classical", "complete")

    def outputs(self, number):
        return [Output(number, "new", "New", ("csv",))]


def test_the_best_example_is_kept(maker, monkeypatch):
    answers = {
        1: {"error": "empty", "name": "x"},
        2: {"geometry": "point", "default": "", "name": "y"},
        3: {"geometry": "point", "default": "PGA [g]", "name": "z"},
        4: {"geometry": "point", "default": "PGV", "name": "later"},
    }
    monkeypatch.setattr(maker, "observe", lambda client, calculation, output: answers[output.id])
    seen = {"new": {"name": "older", "default": "x"}, "gone": {"name": "kept"}}
    maker.collect(Server(answers), [1, 2, 3, 4], seen)
    assert seen == {"new": answers[3], "gone": {"name": "kept"}}
