"""Show Full Report: a well-formed page with everything the engine's report says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_engine import Answer, FakeCalculation, FakeEngine
from steering import call, failing

from oq_processing.outputs.catalogue import find_output
from oq_processing.outputs.report import to_html

REPORT = "openquake:calculationreport"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.headings: list[tuple[str, str]] = []
        self.paragraphs: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag in ("h1", "h2"):
            self.headings.append((tag, ""))
        elif tag == "p":
            self.paragraphs.append("")
        elif tag == "br":
            self.paragraphs[-1] += "\n"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif inside in ("h1", "h2"):
            self.headings[-1] = (inside, self.headings[-1][1] + data)
        elif inside == "p":
            self.paragraphs[-1] += data


def tables_of(rst: str) -> list[list[list[str]]]:
    """The grid tables of a report, read in another way: split at the bars."""
    tables = []
    inside = False
    for line in rst.splitlines():
        if line.startswith("+-"):
            if not inside:
                tables.append([])
            inside = True
        elif line.startswith("| "):
            tables[-1].append([cell.strip() for cell in re.split(r" \| ", f" {line[1:-1]} ")])
        else:
            inside = False
    return tables


def test_the_report_of_a_real_calculation(registry, server, client, area_source, tmp_path):
    target = tmp_path / "report.html"
    done = call(REPORT, SERVER=server.url, CALCULATION_ID=area_source, OUTPUT=str(target))
    assert done.results == {"OUTPUT": str(target)}
    assert list(tmp_path.iterdir()) == [target]
    output = find_output(client.outputs(area_source), "fullreport", area_source)
    client.export(output, "rst", tmp_path / "report.rst")
    rst = (tmp_path / "report.rst").read_text()
    page = Page(target.read_text("utf-8"))
    expected = tables_of(rst)
    assert len(expected) > 5
    assert page.tables == expected
    lines = rst.splitlines()
    assert page.headings[0] == ("h1", "Classical PSHA Area Source demo for Null Island")
    underlined = [a for a, b in zip(lines, lines[1:]) if a and set(b) in ({"="}, {"-"})]
    assert [text for _, text in page.headings] == underlined
    assert any("num_sites = 624" in text for text in page.paragraphs)


def test_cells_with_marks_umlauts_and_bars():
    rst = """\
Losses of <b>नेपाल</b> & more
=========================

+---------+--------+
| a | b   | c      |
+=========+========+
| x<y & z | é "q"  |
+---------+--------+
| two     |        |
| lines   | 1      |
+---------+--------+
Text right after it
and more
"""
    page = Page(to_html(rst))
    assert page.headings == [("h1", "Losses of <b>नेपाल</b> & more")]
    assert page.tables == [[["a | b", "c"], ["x<y & z", 'é "q"'], ["two lines", "1"]]]
    assert page.paragraphs == ["Text right after it\nand more"]


@pytest.mark.parametrize("title", ["x", "ab", "A title", "==="])
def test_a_title_of_any_length(title):
    page = Page(to_html(f"{title}\n{'=' * len(title)}\n\ntext\n"))
    assert page.headings == [("h1", title)]
    assert page.paragraphs == ["text"]


@pytest.mark.parametrize("text", ["", "\n\n", "only a line", "+---+", "+---+\n| a |", "| a |"])
def test_reports_that_are_cut_off_are_still_pages(text):
    Page(to_html(text))


@pytest.fixture
def fake(registry):
    with FakeEngine() as engine:
        row = {"id": 9, "type": "fullreport", "name": "Full Report", "outtypes": ["rst"]}
        engine.calculations[1] = FakeCalculation(1, "complete", outputs=[row])
        engine.answers["GET /v1/calc/result/9"] = lambda _: Answer(200, b"Title\n=====\n")
        yield engine


def test_a_report_replaces_an_older_one(fake, tmp_path):
    target = tmp_path / "report.html"
    target.write_text("older")
    call(REPORT, SERVER=fake.url, CALCULATION_ID=1, OUTPUT=str(target))
    assert "<h1>Title</h1>" in target.read_text()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"CALCULATION_ID": 0}, "Choose a calculation"),
        ({"CALCULATION_ID": 99}, "Calculation 99 does not exist"),
        ({"OUTPUT": ""}, "Give a file for the report: OUTPUT=report.html."),
        (
            {"OUTPUT": "/nowhere/at/all/report.html"},
            "/nowhere/at/all/report.html cannot be written",
        ),
    ],
)
def test_bad_input(fake, tmp_path, parameters, words):
    target = tmp_path / "report.html"
    given = {"SERVER": fake.url, "CALCULATION_ID": 1, "OUTPUT": str(target), **parameters}
    assert words in failing(REPORT, **given)
    assert not Path(target).exists()


def test_one_without_a_report(fake, tmp_path):
    fake.calculations[1].outputs = []
    target = tmp_path / "report.html"
    message = failing(REPORT, SERVER=fake.url, CALCULATION_ID=1, OUTPUT=str(target))
    assert message == "Calculation 1 has no outputs."
    assert list(tmp_path.iterdir()) == []
