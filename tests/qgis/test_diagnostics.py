"""Where log records and tracebacks go: the message log, and the debug lines of a run."""

import logging
import re
import threading

import pytest
from qgis.core import Qgis, QgsApplication, QgsProcessingException
from steering import Recorder

from oq_processing import diagnostics
from oq_processing.algorithms.common.reporter import Reporter
from oq_processing.diagnostics import MAX_RECORDS, internal_error, routed
from oq_processing.outputs.core.notes import Info, Warn
from oq_processing.outputs.core.source import Source

ENGINE = logging.getLogger("oq_processing.engine.client")
LEVEL = Qgis.MessageLevel


@pytest.fixture
def panel():
    """What the Log Messages panel shows in our tab: level and text."""
    found = []

    def receive(text, tab, level):
        if tab == "OpenQuake":
            found.append((level, text))

    signal = QgsApplication.messageLog().messageReceived
    signal.connect(receive)
    yield found
    signal.disconnect(receive)


@pytest.fixture(autouse=True)
def no_debug(monkeypatch):
    monkeypatch.delenv(diagnostics.DEBUG_VARIABLE, raising=False)


def log_all() -> None:
    ENGINE.debug("GET %s: 200, %d ms", "/v1/calc/1", 12)
    ENGINE.info("by the CSV export")
    ENGINE.warning("odd answer\nTraceback of two lines")
    logging.getLogger("oq_processing").error("without a layer")


def test_records_of_a_run(registry, panel):
    feedback = Recorder()
    log_all()
    with routed(feedback):
        log_all()
    log_all()
    assert panel == [
        (LEVEL.Info, "engine.client: GET /v1/calc/1: 200, 12 ms"),
        (LEVEL.Info, "engine.client: by the CSV export"),
        (LEVEL.Warning, "engine.client: odd answer\nTraceback of two lines"),
        (LEVEL.Critical, "without a layer"),
    ]
    # a traceback is for the panel
    assert feedback.texts() == feedback.texts("debug")
    assert feedback.texts() == [
        "engine.client: by the CSV export",
        "engine.client: odd answer",
        "without a layer",
    ]


def test_all_records_whole_where_the_environment_says_so(registry, panel, monkeypatch):
    monkeypatch.setenv("OPENQUAKE_DEBUG", "1")
    feedback = Recorder()
    with routed(feedback):
        log_all()
    assert feedback.texts("debug") == [text for _, text in panel]
    assert len(panel) == 4


def test_each_run_gets_its_own_records(registry, panel):
    outer, inner, other = Recorder(), Recorder(), Recorder()

    def elsewhere() -> None:
        ENGINE.info("of no run")
        with routed(other):
            ENGINE.info("of another thread")

    with routed(outer):
        ENGINE.info("before")
        with routed(inner):
            ENGINE.info("within")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        ENGINE.info("after")
    assert outer.texts("debug") == ["engine.client: before", "engine.client: after"]
    assert inner.texts("debug") == ["engine.client: within"]
    assert other.texts("debug") == ["engine.client: of another thread"]
    assert not [text for _, text in panel if "of no run" in text]
    handlers = logging.getLogger("oq_processing").handlers
    assert [h for h in handlers if type(h).__module__ == diagnostics.__name__] == []


def test_a_run_that_fails_is_routed_no_more(registry, panel):
    with pytest.raises(KeyError), routed(Recorder()):
        raise KeyError("x")
    log_all()
    assert panel == []


def test_a_long_run_does_not_fill_the_panel(registry, panel):
    with routed():
        for number in range(MAX_RECORDS + 5):
            ENGINE.debug("%d", number)
    assert len(panel) == MAX_RECORDS
    assert panel[-1][1].endswith(f"{MAX_RECORDS - 1}\n(further records of this run are left out)")


def test_no_login_and_no_escape_is_logged(registry, panel):
    with routed():
        ENGINE.debug("proxy http://me:pw-dora@proxy.org:3128 said \x1b[2J\udc00")
    assert panel == [
        (LEVEL.Info, "engine.client: proxy http://…@proxy.org:3128 said \ufffd[2J\ufffd")
    ]


def test_an_internal_error_within_a_run_goes_to_the_panel_only(registry, panel):
    feedback = Recorder()
    with routed(feedback):
        sentence = internal_error("Style Layer", KeyError("x"))
    assert feedback.texts() == []
    [(level, text)] = panel
    assert level == LEVEL.Critical
    assert text.startswith("Style Layer, QGIS 3")
    assert text.endswith("KeyError: 'x'\n")
    assert sentence.startswith("Internal error in Style Layer: KeyError: 'x'. The traceback is in ")


@pytest.mark.parametrize("debug", ["", "1"])
def test_what_a_reader_does_not_understand(area, feedback, panel, monkeypatch, debug):
    """The user reads one sentence that says what to do; the traceback is in the panel."""

    def other_form(*_, **__):
        raise KeyError("mean")

    monkeypatch.setenv("OPENQUAKE_DEBUG", debug)
    monkeypatch.setattr(Source, "npz", other_form)
    with pytest.raises(QgsProcessingException) as failure:
        area()
    sentence = str(failure.value)
    assert "has a form that is not known here (KeyError: 'mean')" in sentence
    assert "Download Output" in sentence
    assert "\n" not in sentence
    [trace] = [text for _, text in panel if "Traceback (most recent call last):" in text]
    assert "other_form" in trace
    assert "KeyError: 'mean'" in trace
    assert any("Traceback" in text for text in feedback.texts("debug")) == bool(debug)
    assert not any("Traceback" in text for text in feedback.texts("info", "warning", "error"))


def test_a_run_logs_its_requests_and_what_it_reads(area, area_source, panel):
    area(IMT="PGA")
    texts = [text for _, text in panel]
    begin = f"engine.http.transport: GET /v1/calc/{area_source}"
    request = re.escape(begin + "/extract/hmaps?kind=mean&imt=PGA") + r": 200, [\d,]+ bytes, \d+ ms"
    assert len([text for text in texts if re.fullmatch(request, text)]) == 1
    assert f"outputs.core.source: calculation {area_source}: extract hmaps " in "\n".join(texts)


def test_handlers_of_others_get_nothing(registry, panel):
    """Another plugin may print what it gets, or disable the loggers that are there."""
    found = []
    handler = logging.Handler()
    handler.emit = found.append
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with routed():
            log_all()
    finally:
        root.removeHandler(handler)
    assert found == []
    assert len(panel) == 4


def test_an_internal_error_is_shown_where_loggers_are_disabled(registry, panel, monkeypatch):
    monkeypatch.setattr(logging.getLogger("oq_processing"), "disabled", True)
    internal_error("Style Layer", KeyError("x"))
    assert "KeyError: 'x'" in panel[0][1]


def test_what_an_output_says_is_shown_at_two_levels():
    feedback = Recorder()
    Reporter(feedback).notes([Info("Loaded: event 2."), Warn("2 rows have no place.")])
    assert feedback.texts() == ["Loaded: event 2.", "2 rows have no place."]
    assert (feedback.infos, feedback.warnings) == (["Loaded: event 2."], ["2 rows have no place."])
