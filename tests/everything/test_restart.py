"""A real engine is killed and started again under a run, as by a loss of power; a minute."""

from __future__ import annotations

import os
import signal
import threading

from steering import Recorder, When, failing

from oq_processing.engine import launch


def test_a_real_server_that_is_started_again(registry, tmp_path, demos):
    """It calls what ran before failed, and gives no reason: we say what that means."""
    executable = demos.parent / "bin" / "oq"
    engines = [launch.start(executable, tmp_path / "engine")]
    port = int(engines[0].url.rpartition(":")[2])
    again = threading.Event()

    def restart() -> None:
        # as a computer that loses its power: one that is told to stop aborts what runs
        os.killpg(engines[0].process.pid, signal.SIGKILL)
        engines[0].process.wait()
        engines.append(launch.start(executable, tmp_path / "engine", port))
        again.set()

    try:
        feedback = Recorder()
        when = When(
            lambda: feedback.has("Checksum of the inputs"),
            lambda: threading.Thread(target=restart, daemon=True).start(),
        )
        message = failing(
            "openquake:runcalculation",
            feedback,
            SERVER=engines[0].url,
            JOB=str(demos / "hazard/AreaSourceClassicalPSHA/job.ini"),
            PARAMETERS="area_source_discretization=1",  # minutes of work
        )
        assert when.at
        assert message == (
            "Calculation 1 failed: the engine gives no reason (a server that restarts marks "
            "running calculations as failed). "
            "The whole log: algorithm Get Log (openquake:getlog)."
        )
        told = [text for text in feedback.texts("warning") if text[:2] != "[2"]
        assert told[0].endswith("Trying again for 300 s.")
        assert told[-1] == "The server answers again."
        again.wait(60)
    finally:
        for engine in engines:
            launch.stop(engine)
