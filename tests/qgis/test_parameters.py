"""Reading parameters, whatever QGIS, a model or the command line makes of them."""

from pathlib import Path

import pytest
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterString,
    QgsProperty,
)
from qgis.PyQt.QtCore import NULL

from oq_processing.algorithms.common import parameters as p
from oq_processing.algorithms.common.style_parameters import read_style, style_parameters
from oq_processing.algorithms.common.values import InvalidParameter, Values
from oq_processing.layers.style import StyleChoices


class Bare(QgsProcessingAlgorithm):
    """An algorithm with one parameter of each kind."""

    def name(self):
        return "bare"

    def displayName(self):  # noqa: N802
        return "bare"

    def createInstance(self):  # noqa: N802
        return Bare()

    def initAlgorithm(self, configuration=None):  # noqa: N802
        self.addParameter(p.number("ID", "id", "", optional=False))
        self.addParameter(p.text("TEXT", "text", "", default="hmaps"))
        self.addParameter(QgsProcessingParameterString("S", "s", optional=True))
        self.addParameter(QgsProcessingParameterBoolean("OFF", "off", False))
        self.addParameter(QgsProcessingParameterBoolean("ON", "on", True))
        for parameter in style_parameters():
            self.addParameter(parameter)


@pytest.fixture
def read(context):
    algorithm = Bare.create(Bare())

    def read(reader, value, name="S", *rest):
        return getattr(Values(algorithm, {name: value}, context), reader)(name, *rest)

    return read


EXPRESSION = QgsProperty.fromExpression
NOTHING = [None, "", NULL, "NULL", EXPRESSION("NULL"), EXPRESSION("''")]


@pytest.mark.parametrize("value", NOTHING)
def test_nothing_given(read, value):
    assert read("text", value) == ""
    assert read("number", value) is None
    assert read("whole", value) is None
    assert read("optional_id", value) is None
    assert read("path", value) is None
    assert read("paths", value) == []
    assert read("word", value, "S", ("a",)) == ""
    assert read("flag", value, "OFF") is False
    assert read("flag", value, "ON") is True
    with pytest.raises(InvalidParameter, match=r"S must be its id, 1 or more\.$"):
        read("id", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" PGA ", "PGA"),
        (0.1, "0.1"),
        (3, "3"),
        (3.0, "3"),
        (0, "0"),
        ("0", "0"),
        (EXPRESSION("'SA(' || 0.1 || ')'"), "SA(0.1)"),
        (QgsProperty.fromValue(0.5), "0.5"),
        ("é, 東", "é, 東"),
    ],
)
def test_text(read, value, text):
    assert read("text", value) == text


def test_default(read, context):
    algorithm = Bare.create(Bare())
    assert Values(algorithm, {}, context).text("TEXT") == "hmaps"
    assert read("text", None, "TEXT") == "hmaps"
    assert read("text", "", "TEXT") == ""


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        ("0", 0),
        (0.0, 0),
        (2.5, 2.5),
        ("2.5", 2.5),
        (" -1e3 ", -1000),
        (EXPRESSION("1+1"), 2),
    ],
)
def test_number(read, value, number):
    assert read("number", value) == number


@pytest.mark.parametrize("value", ["one", "nan", "inf", float("nan"), float("inf"), [1], True])
def test_no_number(read, value):
    with pytest.raises(InvalidParameter, match="S must be a number, not"):
        read("number", value)


def test_whole_numbers(read):
    for value in (3, 3.0, "3", "3.0"):
        got = read("whole", value)
        assert (got, type(got)) == (3, int)
    with pytest.raises(InvalidParameter, match=r"S must be a whole number, not 3\.5"):
        read("whole", 3.5)


def test_ids(read):
    for reader in ("id", "optional_id"):
        for value in (7, 7.0, "7", EXPRESSION("7")):
            assert read(reader, value) == 7
        for value in (0, "0", 0.0, -1):
            with pytest.raises(InvalidParameter, match="Choose a calculation: S must be its id"):
                read(reader, value)


@pytest.mark.parametrize("name", ["ON", "OFF"])
def test_flags(read, name):
    for value in (True, "true", "TRUE", " yes ", "on", "1", 1, 1.0, EXPRESSION("true")):
        assert read("flag", value, name) is True
    for value in (False, "false", "No", "off", "0", 0, 0.0, EXPRESSION("false")):
        assert read("flag", value, name) is False
    for value in ("maybe", 2, 0.5, "ja", [True]):
        with pytest.raises(InvalidParameter, match=f"{name} must be true or false, not"):
            read("flag", value, name)


def test_an_expression_that_cannot_be_evaluated(read):
    for reader in ("text", "number", "flag"):
        with pytest.raises(InvalidParameter, match=r"S cannot be evaluated \(1 \+\)"):
            read(reader, EXPRESSION("1 +"))


def test_paths(read):
    assert read("path", " /a b/c.ini ") == Path("/a b/c.ini")
    assert read("path", "~/job.ini") == Path.home() / "job.ini"
    several = [Path("/a.csv"), Path("/b c.csv")]
    for value in ("/a.csv; /b c.csv;", ["/a.csv", "/b c.csv", ""], ("/a.csv", "/b c.csv")):
        assert read("paths", value) == several
    assert read("paths", [""]) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("~nosuchuser/job.ini", "S: no home folder is known for “~nosuchuser/job.ini”."),
        ("x" * 5000, f"S cannot be a path (File name too long): “{'x' * 100}…”."),
        (1e300, "S cannot be a path (File name too long): “10000000000000000525"),
        ("a\0b", "S cannot be a path ("),
        ("a\udcff", "S cannot be a path ('utf-8' codec can't encode character"),
    ],
)
def test_what_cannot_be_a_path(read, value, words):
    with pytest.raises(InvalidParameter) as caught:
        read("path", value)
    assert str(caught.value).startswith(words)
    for given in (f"/a.csv;{value}", ["/a.csv", value]) if isinstance(value, str) else ():
        with pytest.raises(InvalidParameter) as caught:
            read("paths", given)
        assert str(caught.value).startswith(words)


def test_a_home_that_nobody_knows(read, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as without an entry in passwd
    with pytest.raises(InvalidParameter, match=r"^S: no home folder is known for “~/job\.ini”\.$"):
        read("path", "~/job.ini")


def test_words(read):
    words = ("auto", "point")
    assert read("word", "Point", "S", words) == "point"
    for value in ("blob", 1, "poin"):
        with pytest.raises(InvalidParameter, match="S may be auto, point; not"):
            read("word", value, "S", words)


@pytest.mark.parametrize(
    ("parameters", "chosen"),
    [
        ({}, StyleChoices()),
        ({"CLASSES": 0, "CLASSIFICATION": "", "CLASS_BREAKS": ""}, StyleChoices()),  # of a model
        (
            {
                "STYLE_FIELD": "PGA-0.1",
                "CLASSIFICATION": "JENKS",
                "CLASSES": "5",
                "CLASS_BREAKS": "0.1 0.2",
                "COLOR_RAMP": "viridis",
                "INVERT_RAMP": "yes",
            },
            StyleChoices("PGA-0.1", "jenks", 5, (0.1, 0.2), "viridis", True),
        ),
    ],
)
def test_style(context, parameters, chosen):
    assert read_style(Values(Bare.create(Bare()), parameters, context)) == chosen
