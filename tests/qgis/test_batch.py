"""Many at once: the batch dialog's own loop, and scripts; one row's failure spoils no other."""

from __future__ import annotations

import io
import zipfile

import pytest
from fake_engine import FakeCalculation, FakeEngine, json_answer
from qgis.PyQt import sip
from qgis.PyQt.QtWidgets import QTextEdit
from steering import call, failing, spin

from oq_processing.engine import watch

RUN = "openquake:runcalculation"
POST = "POST /v1/calc/run"
VALUES = ("2", "abc", "3")


@pytest.fixture
def fake(registry, monkeypatch):
    """An engine that refuses the value abc, as the real one does, and writes down the others."""
    monkeypatch.setattr(watch, "STATUS_EVERY", 0.01)
    with FakeEngine() as engine:

        def started(request):
            number = len(engine.calculations) + 1
            engine.calculations[number] = FakeCalculation(number, "complete")
            # the archive holds one small file, which is too short to be compressed
            if b"abc" in unpacked(request.body):
                engine.calculations[number].status = "failed"
                body = {"traceback": ["could not convert string to float: 'abc'"], "job_id": number}
                return json_answer(body, 500)
            return json_answer({"job_id": number})

        engine.answers[POST] = started
        yield engine


def unpacked(form: bytes) -> bytes:
    begin = form.index(b"PK\x03\x04")
    with zipfile.ZipFile(io.BytesIO(form[begin:])) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


@pytest.fixture
def rows(fake, tmp_path):
    """The rows of a sensitivity study: the same job with other parameters, a log for each."""
    job = tmp_path / "job.ini"
    job.write_text("[general]\ndescription = Study\ncalculation_mode = classical\n")
    return [
        {
            "JOB": str(job),
            "SERVER": fake.url,
            "PARAMETERS": f"truncation_level={value}",
            "LOG": str(tmp_path / f"{value}.log"),
        }
        for value in VALUES
    ]


def check(fake, rows, tmp_path) -> None:
    """All rows were sent, once and in order, each with its own value."""
    bodies = [unpacked(r.body) for r in fake.requests if r.method == "POST"]
    sent = [body.decode().partition("truncation_level = ")[2].split()[0] for body in bodies]
    assert sent == list(VALUES)
    assert sorted(p.name for p in tmp_path.glob("*.log")) == ["2.log", "3.log"]
    assert not list(tmp_path.glob("*.part"))


def test_the_batch_dialog_goes_on_after_a_row_that_fails(
    fake, rows, registry, window, tmp_path, monkeypatch
):
    import processing.gui.BatchAlgorithmDialog

    module = processing.gui.BatchAlgorithmDialog

    class Quiet:
        """The progress in QGIS's own window, which is not there."""

        def __init__(self, title):
            pass

        def setProgress(self, percent):  # noqa: N802
            pass

    # newer QGIS has it in C++
    monkeypatch.setattr(module, "QgsScopedProxyProgressTask", Quiet, raising=False)
    dialog = module.BatchAlgorithmDialog(registry.algorithmById(RUN).create())
    panel = dialog.mainWidget()
    panel.batchRowCount = lambda: len(rows)
    panel.parametersForRow = lambda row, **_: (rows[row], True)
    summaries = []
    dialog.createSummaryTable = lambda good, bad: summaries.append((good, bad))
    dialog.runAlgorithm()
    spin(lambda: summaries)  # newer QGIS runs the rows in the background
    said = "".join(edit.toPlainText() for edit in dialog.findChildren(QTextEdit))
    dialog.close()
    sip.delete(dialog)
    check(fake, rows, tmp_path)
    [(good, bad)] = summaries
    assert [g["results"]["CALCULATION_ID"] for g in good] == [1, 3]
    assert [g["results"]["STATUS"] for g in good] == ["complete", "complete"]
    [failed] = bad
    assert failed["parameters"]["PARAMETERS"] == "truncation_level=abc"
    reason = "the engine refused the job: could not convert string to float: 'abc'"
    assert any(reason in error for error in failed["errors"])
    assert reason in said
    assert "1 executions failed" in said


def test_a_script_goes_on_after_a_row_that_fails(fake, rows, tmp_path):
    done = [
        failing(RUN, **row) if "abc" in row["PARAMETERS"] else call(RUN, **row).results
        for row in rows
    ]
    check(fake, rows, tmp_path)
    assert (done[0]["CALCULATION_ID"], done[2]["CALCULATION_ID"]) == (1, 3)
    assert "Calculation 2 failed: the engine refused the job" in done[1]


def test_what_a_row_chose_does_not_stay_for_the_next(fake, rows):
    """Rows share the algorithm: its optional values begin anew each time."""
    algorithm = rows[0]
    first = call(RUN, **{**algorithm, "HAZARD_CALCULATION_ID": None}).results["CALCULATION_ID"]
    call(RUN, **{**rows[2], "HAZARD_CALCULATION_ID": first})
    call(RUN, **rows[0])
    posts = [r.fields.get("hazard_job_id") for r in fake.requests if r.method == "POST"]
    assert posts == [None, str(first), None]
