"""The plugin on an engine in its distributed mode: workers at two addresses; some minutes.

For the plugin nothing changes. What the cluster consists of: tests/cluster.py.
"""

from __future__ import annotations

import shutil
import time

import cluster
import numpy as np
import pytest
from cluster import HERE, THERE
from helpers import wait_until
from steering import Recorder, When, call, failing
from truth import assert_true

RUN = "openquake:runcalculation"
DEMO = "hazard/AreaSourceClassicalPSHA"
MINUTES = "area_source_discretization=1"  # of work, for what is not meant to end
WORK = "area_source_discretization=2"  # so much that its distribution matters
BOTH = {HERE: 1, THERE: 1}


@pytest.fixture(scope="module")
def head(registry, engine_python, tmp_path_factory):
    """The cluster; its pools belong to the single tests."""
    with cluster.running(engine_python, tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def job(demos):
    return demos / DEMO / "job.ini"


def hazard(head, calculation_id: int) -> np.ndarray:
    """The values of all hazard maps, as a layer has them."""
    done = call(
        "openquake:loadoutputaslayer",
        SERVER=head.url,
        CALCULATION_ID=calculation_id,
        OUTPUT_TYPE="hmaps",
        OUTPUT="TEMPORARY_OUTPUT",
    )
    return np.array([list(row.values()) for row in done.rows()], float)


def seconds(feedback: Recorder) -> float:
    """How long the engine has calculated, by the times in its log."""
    first, *_, last = (np.datetime64(line[1:].split()[0]) for line in feedback.log_lines())
    return (last - first) / np.timedelta64(1, "s")


def test_one_worker_and_two(head, job, capsys):
    """The same job, the same layer; log and progress come, both pools work.

    The times are printed: how much two are faster depends on what else the computer does.
    """
    took, maps = {}, {}
    for workers in ({HERE: 1}, BOTH):
        with head.pools(workers) as pools:
            feedback = Recorder()
            done = call(RUN, feedback, SERVER=head.url, JOB=str(job), PARAMETERS=WORK)
            wait_until(lambda pools=pools: all(pool.ended() for pool in pools))
        number = len(workers)
        assert done.results["STATUS"] == "complete"
        assert feedback.has(f"Using {number} zmq workers")
        stages = [text for text in feedback.texts("phase") if "classical" in text.lower()]
        assert len(stages) > 2
        assert feedback.percents == sorted(feedback.percents)
        assert len({p for p in feedback.percents if 20 < p < 90}) >= 2
        used = [pool.cpu for pool in pools]
        assert min(used) > 0.25 * max(used)  # nobody was idle
        maps[number] = hazard(head, done.results["CALCULATION_ID"])
        took[number] = seconds(feedback), sum(used)
    assert len(maps[1]) == 624
    np.testing.assert_allclose(maps[2], maps[1], rtol=1e-5)
    assert_true(head.client, done.results["CALCULATION_ID"])
    with capsys.disabled():
        for number, (wall, cpu) in took.items():
            print(
                f"\n{number} worker(s): {wall:.0f} s, of a processor each {cpu / wall / number:.0%}"
            )


def test_jobs_that_live_beside_the_cluster(head, demos):
    """Hazard, and risk on it, from the head's own disk; nothing is uploaded."""
    folder = head.folder / "models"
    shutil.copytree(demos / "risk" / "ClassicalBCR", folder)
    hazard_id = None
    for ini, mode in (("job_hazard.ini", "classical"), ("job_risk.ini", "classical_bcr")):
        with head.pools(BOTH):
            done = call(
                RUN,
                SERVER=head.url,
                JOB_ON_SERVER=str(folder / ini),
                HAZARD_CALCULATION_ID=hazard_id,
            )
        assert done.results["STATUS"] == "complete"
        assert done.feedback.has("Using 2 zmq workers")
        assert done.feedback.has(str(folder / ini))  # the engine's log: read where it is
        made = head.client.calculation(done.results["CALCULATION_ID"])
        assert (made.mode, made.parent_id) == (mode, hazard_id)
        hazard_id = made.id
    assert_true(head.client, made.id)


def at_work(feedback: Recorder) -> bool:
    """Whether both workers have got tasks of the longest stage."""
    return any(" classical tasks" in line for line in feedback.log_lines())


def test_cancel_stops_the_workers(head, job):
    with head.pools(BOTH) as pools:
        feedback = Recorder()
        when = When(lambda: at_work(feedback), feedback.cancel)
        message = failing(RUN, feedback, SERVER=head.url, JOB=str(job), PARAMETERS=MINUTES)
        ended = time.monotonic()
        newest = head.client.calculations(limit=1)[0]
        assert message == f"Calculation {newest.id} aborted: cancelled by the user."
        assert when.at
        assert ended - when.at < 10
        assert newest.status in ("aborted", "failed")
        wait_until(lambda: all(pool.ended() for pool in pools), 10)


def test_abort_stops_the_workers(head, job):
    with head.pools(BOTH) as pools:
        begun = call(RUN, SERVER=head.url, JOB=str(job), PARAMETERS=MINUTES, WAIT=False)
        number = begun.results["CALCULATION_ID"]
        wait_until(
            lambda: any(" classical tasks" in str(r) for r in head.client.whole_log(number)), 120
        )
        assert not any(pool.ended() for pool in pools)
        done = call("openquake:abortcalculation", SERVER=head.url, CALCULATION_ID=number)
        assert done.results["STATUS"] == "aborted"
        wait_until(lambda: all(pool.ended() for pool in pools), 10)


def test_workers_behind_a_firewall(head, job):
    """The engine waits without a word; so we say what may be the matter, and Cancel works."""
    with head.pools({HERE: 1}) as pools, head.silent(THERE):
        head.workers_at(BOTH)
        feedback = Recorder()
        note = (
            "The calculation is executing but has written no log line yet; "
            "its workers may be out of reach."
        )
        when = When(lambda: feedback.has(note), feedback.cancel)
        message = failing(RUN, feedback, SERVER=head.url, JOB=str(job))
        newest = head.client.calculations(limit=1)[0]
        assert message == f"Calculation {newest.id} aborted: cancelled by the user."
        assert time.monotonic() - when.at < 10
        assert feedback.texts("warning") == [note]
        assert feedback.log_lines() == []
        wait_until(lambda: all(pool.ended() for pool in pools), 30)


def test_workers_that_nobody_can_start(head, job):
    """The engine tries by ssh, and gives up after two minutes with an empty list."""
    head.workers_at({THERE: 1})
    message = failing(RUN, SERVER=head.url, JOB=str(job))
    newest = head.client.calculations(limit=1)[0]
    assert message == (
        f"Calculation {newest.id} failed: TimeoutError: [] (the cluster's workers did not start, "
        "or not all: see host_cores in the server's openquake.cfg). "
        "The whole log: algorithm Get Log (openquake:getlog)."
    )
    asked = head.ssh_log.read_text().splitlines()[-1].split()
    assert asked[2].endswith(f"@{THERE}")
    assert asked[-2:] == ["openquake.baselib.workerpool", "1"]
