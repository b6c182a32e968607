"""What the parsers promise of any input: properties, and texts that look like real ones.

``tests/test_fuzz.py`` tries a few of each, always the same; ``tests/everything/test_fuzz.py`` many
that nobody has seen.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Callable

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from oq_processing.engine.address import normalize_url
from oq_processing.engine.calculation import Calculation, LogRecord, Output
from oq_processing.engine.client import EngineClient
from oq_processing.engine.errors import (
    InvalidChoice,
    InvalidConnection,
    InvalidJob,
    InvalidOutput,
    NotAnEngine,
)
from oq_processing.engine.http.exchange import Answer
from oq_processing.engine.http.explain import without_login
from oq_processing.engine.job.ini import Ini, parse_parameters, read_ini
from oq_processing.engine.job.references import (
    BrokenXmlError,
    IniReference,
    Role,
    ini_references,
    xml_references,
)
from oq_processing.engine.progress import STAGES, Progress
from oq_processing.outputs.core import csv_export, wkt
from oq_processing.outputs.core.choices import any_poes, match_names, match_poes, parts_of
from oq_processing.outputs.core.csv_export import CsvFile, peek, scan
from oq_processing.outputs.core.kinds import choose_kinds, parse_kind
from oq_processing.outputs.core.npz import Npz
from oq_processing.outputs.core.patterns import matching, read_filter

# --- texts

# of all of Unicode hypothesis makes tables first, which takes seconds
LETTERS = "aZ09 _-.,;:=%#'\"\\()[]{}<>/*\n\r\t\0\x1b\x85\xa0éßIİı٣²ℂ地\u2028\ufeff\uffff😀"
HALF = "\ud800"
"""Of a character: JSON may have it, and names of files that are not UTF-8."""
ANYTHING = st.text(LETTERS + HALF, max_size=8)


def text_of(words: str, separators: str = "") -> st.SearchStrategy[str]:
    """Texts of the words between ``¦``: with a separator, put together, with anything between."""
    word = st.sampled_from(words.split("¦"))
    words_only = st.lists(word, max_size=8)
    separated = st.tuples(words_only, st.sampled_from(separators.split("¦"))).map(
        lambda pair: pair[1].join(pair[0])
    )
    return separated | st.lists(word | ANYTHING, max_size=20).map("".join)


def bytes_of(words: str, separators: str = "") -> st.SearchStrategy[bytes]:
    """The same as bytes, of which some are not UTF-8."""
    text = text_of(words, separators).map(lambda text: text.encode("utf-8", "surrogatepass"))
    return text | st.tuples(text, st.binary(max_size=4), text).map(b"".join)


LINES = bytes_of(
    "[a]¦description = x¦exposure_file = a.xml¦a_file = {[]: 'b'}¦a_file = {'s': 'a.xml'}¦  more¦"
    "\tmore: é¦# no¦;¦gsim : x¦a_csv=a.csv b.csv¦[b¦=¦%(x)s¦\ufeff¦\0¦x = 'y'¦description=",
    "\n¦\r\n¦\r¦ ",
)
GOOD_LINES = [
    "description = x",
    "exposure_file = a.xml",
    "a_file = {[]: 'b'}",
    "a_csv=a.csv b.csv",
    "  more",
    "\tmore: é",
    "# no",
    "b_file = {'s': 'a.xml', 'n': ['b', 'c']}",
    "gsim : [G]\n  a_table = 'b'",
    "[b]",
    " x = 1",
    "\xa0y:",
    "",
]
INI = (
    LINES
    | LINES.map(lambda data: b"[general]\n" + data)
    | st.tuples(
        st.sampled_from(("\n", "\r\n", "\r")), st.lists(st.sampled_from(GOOD_LINES), unique=True)
    ).map(lambda pair: pair[0].join(["[general]", *pair[1]]).encode())
)
NAMES = ("description", "truncation_level", "exposure_file", "x")
PARAMETERS = st.dictionaries(st.sampled_from(NAMES), st.text(LETTERS, max_size=12))
TREE = (
    '<logicTreeBranchSet uncertaintyType="sourceModel"><uncertaintyModel>{}</uncertaintyModel>'
    "</logicTreeBranchSet>"
)
XML = bytes_of(
    "<nrml>¦</nrml>¦<uncertaintyModel>¦a.xml¦</uncertaintyModel>¦&amp;¦&x;¦<assets>¦<![CDATA[¦\n¦"
    '<!DOCTYPE a [<!ENTITY x "y">]>¦<asset id="a"/>¦<¦x_file=¦\0¦' + TREE.format("\na.xml\nb.xml"),
    "\n¦ ¦",
).flatmap(lambda data: st.sampled_from((data, b"<nrml>" + data + b"</nrml>"))) | st.lists(
    st.sampled_from(("a.xml", " ", "\n", "é.xml", "&amp;", "<!-- x -->"))
).map(lambda words: f"<nrml>{TREE.format(''.join(words))}</nrml>".encode())
MESSAGE = text_of(
    "classical  50% [16 submitted, 3 queued]¦preclassical 10% [1 submitted, 0 queued]¦Sent ¦12¦"
    "classical 9% [1 submitted, 1 queued]¦event_based  99% [1 submitted, 1 queued]¦٣%¦ ¦tasks¦"
    "Sent 16 preclassical tasks, 1.2 MB¦new_stage 33% [1 submitted, 1 queued]¦"
    + f"classical {'9' * 400}% [1 submitted, 1 queued]"
) | st.sampled_from(
    [
        f"{stage} {percent}% [2 submitted, 0 queued]"
        for stage in ("preclassical", "classical", "event_based", "new")
        for percent in (0, 7, 50, 100, 500)
    ]
)
CELLS = (
    '1¦-0¦1e5¦1e999¦nan¦inf¦00123¦999999999999999999999999¦1_000¦٣¦POINT(1 2)¦a"b¦"a,b"¦"a\n"'
    "¦¦é¦#¦'¦\0"
)
CSV = bytes_of('lon¦lat¦asset_id¦rlz¦"#","a={[]:1}"¦\r\n¦,¦' + CELLS, ",¦\n¦") | st.lists(
    st.lists(st.sampled_from(CELLS.split("¦")), min_size=2, max_size=2), max_size=6
).map(lambda rows: "\r\n".join(["a,b", *map(",".join, rows)]).encode())
COMMENT = text_of("a=1¦b='mean'¦c={[]:1}¦d=(1,¦)+(¦e={'x': [1]}¦f=g()¦**h¦1¦\0", ", ¦ ¦")
CHOICE = text_of(
    "mean¦rlz-0¦rlz¦rlz-0..1¦..¦all¦rlzs¦quantile-¦0.5¦median¦PGA¦SA(0.2)¦SDi(0.1, 2)¦(¦)¦10%¦475y¦"
    "0¦1e-400¦0.02¦NAME_1=¦taxonomy=a¦RM*¦*¦\\¦[a-z]¦(a+)+$¦-¦rlz-" + "9" * 5000,
    ",¦;¦ ",
)
ADDRESS = text_of(
    "http://¦https://¦ftp://¦localhost¦127.0.0.1¦[::1]¦[¦]¦:8800¦:¦/¦@¦user:secret¦?¦#¦\\¦a.b¦ü.de¦"
    "：80¦%¦..¦\0¦ℂ¦/p/¦A.B",
    "¦/",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(LETTERS, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("id", "status", "type", "name", "outtypes", "size_mb", "parent_id", "tags")
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@st.composite
def npz_files(draw: Any) -> bytes:
    """Files that are an npz, or were one."""
    members = draw(
        st.dictionaries(
            st.sampled_from(("a.npy", "json.npy", "../b.npy", "c.txt")),
            st.one_of(st.binary(max_size=60), NPY),
            max_size=3,
        )
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", draw(st.sampled_from((0, 8)))) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    whole = bytearray(buffer.getvalue())
    for _ in range(draw(st.integers(0, 3))):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return bytes(whole[: draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])


def npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(value), allow_pickle=True)
    return buffer.getvalue()


HEADER = text_of(
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }¦{'descr': ¦'|O'¦'shape': (¦}¦f(¦'¦"
    "-1¦[('a', '<f8')]¦None¦\n¦" + "9" * 30,
    ", ¦",
)
NPY = st.one_of(
    st.lists(st.floats(), max_size=4).map(npy),
    st.lists(st.none(), min_size=1, max_size=2).map(lambda values: npy(np.array(values, object))),
    JSON.map(lambda value: npy(np.bytes_(json.dumps(value).encode()))),
    HEADER.map(
        lambda text: (
            b"\x93NUMPY\x01\x00"
            + len(text.encode("latin-1", "replace")).to_bytes(2, "little")
            + text.encode("latin-1", "replace")
        )
    ),
)

# --- properties


def ini(data: bytes) -> None:
    """An .ini is refused, or read: and written unchanged it is the same file."""
    try:
        read = read_ini(data, "job.ini")
    except InvalidJob:
        return
    assert read.data == data
    assert read.with_values({}).data == data
    references = [r for r in ini_references(read.values) if isinstance(r, IniReference)]
    assert read.with_paths([(r, r.path) for r in references]).values == read.values
    for key in read.values:
        assert 1 <= read.line_of(key) <= data.count(b"\n") + data.count(b"\r") + 1


def overrides(data: bytes, parameters: dict[str, str]) -> None:
    """What is set is read back, and no other parameter changes."""
    try:
        before = read_ini(data, "job.ini")
        after = before.with_values(parameters)
    except InvalidJob:
        return
    again: Ini = read_ini(after.data, "job.ini")
    assert again.values == after.values
    for key, value in again.values.items():
        if key in parameters:
            lines = [line.strip() for line in value.splitlines()]
            assert lines == [line.strip() for line in parameters[key].strip().splitlines()]
        else:
            assert value == before.values[key]


def parameters(text: str) -> None:
    """Overrides are refused, or name parameters in lower case."""
    try:
        found = parse_parameters(text)
    except InvalidJob:
        return
    assert all(name == name.strip().lower() and name for name in found)
    assert len(found) == sum(bool(part.strip()) for part in re.split(r"[;\r\n]", text))
    assert parse_parameters("\n".join(f"{n}={v}" for n, v in found.items())) == found


def references(data: bytes, role: Role) -> None:
    """An XML file is broken, or its references stand in lines that it has."""
    try:
        found = xml_references(io.BytesIO(data), role)
    except BrokenXmlError as error:
        assert error.line >= 1
        return
    assert all(1 <= r.line <= data.count(b"\n") + 1 and r.path for r in found)


def progress(mode: str, messages: list[tuple[bool, str]]) -> None:
    """Progress is between 0 and 100 and never falls."""
    watched = Progress(mode)
    before = 0.0
    for is_status, text in messages:
        (watched.status if is_status else watched.message)(text)
        assert before <= watched.percent <= 100
        before = watched.percent
    watched.status("complete")
    assert watched.percent == 100


def npz(folder: Path, data: bytes) -> None:
    """An npz is refused, or its arrays are read; none holds objects, and nothing is written."""
    (folder / "a.npz").write_bytes(data)
    try:
        found = Npz(folder / "a.npz")
    except InvalidOutput:
        return
    for name in found.names:
        try:
            assert not found.array(name).dtype.hasobject
        except InvalidOutput:
            continue
    with contextlib.suppress(InvalidOutput):
        assert isinstance(found.json(), dict)
    assert [path.name for path in folder.iterdir()] == ["a.npz"]


def csv(folder: Path, data: bytes) -> None:
    """A CSV file is refused, or each of its cells is in an array of its column's type."""
    path = folder / "a.csv"
    path.write_bytes(data)
    file = CsvFile("a", partial(csv_export._open_file, path, lambda: None))
    try:
        peek(file)
        scan(file)
    except InvalidOutput:
        return
    positions = range(len(file.header))
    blocks = list(file.blocks(positions, file.types, 7))
    assert sum(len(block[0]) for block in blocks if block) == (file.rows if file.header else 0)
    for cells, row in zip(file.read(), (r for b in blocks for r in zip(*b))):
        for cell, value, type_ in zip(cells, row, file.types):
            if type_ == csv_export.ColumnType.TEXT:
                assert (value or "") == cell
            elif type_ == csv_export.ColumnType.INTEGER:
                assert ("" if value is None else str(value)) == cell.replace(
                    "-0", "0"
                ) or cell == ""
            else:
                np.testing.assert_equal(float(value), float(cell or "nan"))
    assert isinstance(file.about, dict)


def comment(text: str) -> None:
    """A comment of the engine is read as literals, or as nothing."""
    assert isinstance(csv_export._comment(text), dict)


def choices(text: str) -> None:
    """A choice is refused, or is some of what is there."""
    kinds = ["mean", "quantile-0.5", "rlz-0", "rlz-1"]
    poes = [0.1, 0.02]
    tried: list[tuple[Callable[[], list[Any]], list[Any] | None]] = [
        (lambda: choose_kinds(text, kinds), kinds),
        (lambda: match_names(text, ["PGA", "SA(0.2)"], "IMT", "IMT"), ["PGA", "SA(0.2)"]),
        (lambda: match_poes(text, poes, 50.0), poes),
        (lambda: match_poes(text, poes, None), poes),
        (lambda: any_poes(text, poes, 50.0), None),
    ]
    for choose, there in tried:
        try:
            found = choose()
        except InvalidChoice:
            continue
        assert len(found) == len(set(found))
        assert found or not parts_of(text)
        assert all(0 < f < 1 for f in found) if there is None else set(found) <= set(there)
    assert parse_kind(parse_kind(text)) == parse_kind(text)


def filters(taxonomy: str, tags: str, values: list[str]) -> None:
    """A filter is refused, or matches some of the values; ``*`` matches all."""
    try:
        asked = read_filter(taxonomy, tags)
    except InvalidChoice:
        return
    for patterns in (p for tag in asked for p in tag.values()):
        meant, unmatched = matching(patterns, values)
        assert len(meant) == len(values)
        assert set(unmatched) <= set(patterns)
        assert matching(["*"], values)[0].all()


def address(text: str) -> None:
    """An address is refused, or is the same when it is read again; no password is repeated."""
    try:
        url = normalize_url(text)
    except InvalidConnection as error:
        assert "secret" not in str(error) or "secret" not in text.rpartition("@")[0]
        return
    assert normalize_url(url) == url
    assert "@" not in url
    assert without_login(url) == url


def answers(value: Any) -> None:
    """What a server answers is a calculation, an output and a log, or is not an engine's."""
    server = EngineClient("http://x")._server
    content = json.dumps(value).encode()
    answer = Answer(500, {}, content)
    assert isinstance(answer.error(), str)
    assert answer.job_id() is None or isinstance(answer.job_id(), int)
    for read in (
        lambda: Calculation.from_json(value),
        lambda: Output.from_json(value),
        lambda: [LogRecord(*(str(cell) for cell in row[:4])) for row in value],
    ):
        try:
            server.parse(read)
        except NotAnEngine:
            continue


def geometry(text: str) -> None:
    """A text is a geometry, or is not."""
    try:
        parts = wkt.read(text).parts
    except ValueError:
        return
    assert wkt.is_wkt(text)
    assert all(len(part) >= 9 for part in parts)


def pages(text: str) -> None:
    """A page of a server has a short title of one line."""
    answer = Answer(500, {"Content-Type": "text/plain"}, text.encode("utf-8", "replace"))
    assert "\n" not in answer.title()
    assert len(answer.title()) <= 200
    assert isinstance(answer.error(), str)


WKT = text_of(
    "POINT¦MULTI¦POLYGON¦LINESTRING¦(¦)¦,¦1 2¦-2.5e3¦EMPTY¦Z¦nan¦POINT(1 2)¦"
    "MULTIPOINT((1 2),(3 4))¦POLYGON((0 0,1 0,1 1,0 0))¦LINESTRING(0 0, 1 1)",
    "¦ ",
)
PAGE = text_of("<title>¦</title>¦<¦>¦\n¦error¦<TITLE>¦&lt;¦" + "x" * 250, "¦ ")

TARGETS: dict[str, tuple[Callable[..., None], dict[str, st.SearchStrategy[Any]], bool]] = {
    "ini": (ini, {"data": INI}, False),
    "overrides": (overrides, {"data": INI, "parameters": PARAMETERS}, False),
    "parameters": (parameters, {"text": text_of("x=1¦Y = a b¦x=¦=¦;¦\n¦é=2", ";¦\n¦; ")}, False),
    "references": (references, {"data": XML, "role": st.sampled_from(Role)}, False),
    "progress": (
        progress,
        {
            "mode": st.sampled_from((*STAGES, "unknown")),
            "messages": st.lists(
                st.tuples(st.just(False), MESSAGE)
                | st.tuples(st.just(True), st.sampled_from(("created", "executing", "failed")))
            ),
        },
        False,
    ),
    "npz": (npz, {"data": npz_files()}, True),
    "csv": (csv, {"data": CSV}, True),
    "comment": (comment, {"text": COMMENT}, False),
    "choices": (choices, {"text": CHOICE}, False),
    "filters": (
        filters,
        {
            "taxonomy": CHOICE,
            "tags": CHOICE,
            "values": st.lists(st.text(LETTERS + HALF, max_size=12), max_size=5),
        },
        False,
    ),
    "addresses": (address, {"text": ADDRESS}, False),
    "answers": (answers, {"value": JSON}, False),
    "geometries": (geometry, {"text": WKT}, False),
    "pages": (pages, {"text": PAGE}, False),
}
"""By name: a property, what its arguments are, and whether it also gets an empty folder."""


def run(name: str, folder: Path, examples: int, always_the_same: bool) -> None:
    """Try a property on so many examples."""
    set_hypothesis_home_dir(folder / "hypothesis")  # not in the checkout
    check, arguments, needs_folder = TARGETS[name]
    if needs_folder:
        (folder / "files").mkdir()
        check = partial(check, folder / "files")

    @settings(
        max_examples=examples,
        derandomize=always_the_same,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries(arguments))
    def holds(values: dict[str, Any]) -> None:
        check(**values)

    holds()
