"""Cancel of a calculation that waits in the queue of a real engine; two minutes."""

from __future__ import annotations

import shutil
import time

import pytest
from steering import Recorder, When, failing

from oq_processing.engine import launch
from oq_processing.engine.client import EngineClient
from oq_processing.engine.watch import abort, follow


@pytest.mark.parametrize("signals", ["ignored", "heeded"])
def test_a_cancelled_one_does_not_run_whatever_the_server_does_with_signals(
    registry, tmp_path, demos, signals
):
    """A server that a script has started in its background ignores SIGINT, and so do its queued."""
    oq = tmp_path / "oq"
    trap = "trap '' INT\n" if signals == "ignored" else ""
    oq.write_text(f'#!/bin/sh\n{trap}exec "{demos.parent}/bin/oq" "$@"\n')
    oq.chmod(0o755)
    shutil.copytree(demos / "hazard/AreaSourceClassicalPSHA", tmp_path / "long")
    job = tmp_path / "long" / "job.ini"
    text = job.read_text()
    longer = text.replace("area_source_discretization = 10.0", "area_source_discretization = 1")
    assert longer != text
    job.write_text(longer)  # minutes of work
    with launch.running(oq, tmp_path / "engine") as engine:
        client = EngineClient(engine.url)
        first = client.submit_on_server(str(job))
        for update in follow(client, first):
            if update.records:  # it executes
                break
        feedback = Recorder()
        second = first + 1

        def is_queued() -> bool:
            newest = client.calculations(limit=1)[0]
            return (newest.id, newest.status) == (second, "submitted")

        cancelled = When(is_queued, feedback.cancel)
        waits = f"may still start when calculation {first} ends; waiting at most 120 s"
        ended = When(lambda: feedback.has(waits), lambda: client.abort(first))
        message = failing(
            "openquake:runcalculation",
            feedback,
            SERVER=engine.url,
            JOB=str(demos / "hazard/LatinSamplingClassicalPSHA/job.ini"),
        )
        took = time.monotonic() - cancelled.at
        assert message == f"Calculation {second} aborted: cancelled by the user."
        if signals == "ignored":
            assert ended.at
            assert feedback.has(f"Calculation {second} has started nevertheless")
            assert client.traceback(second)[-1].startswith("MasterKilled")
        else:
            assert took < 10
            assert not ended.at
            assert client.has_stopped(second)
            assert abort(client, first) == "aborted"
        assert client.calculation(second).status in ("aborted", "failed")
        assert not client.calculation(second).is_running
        assert client.outputs(second) == []
