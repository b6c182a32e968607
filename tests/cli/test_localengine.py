"""Start Local Engine by qgis_process, which is killed while the engine starts."""

from __future__ import annotations

import dataclasses
import signal

import pytest
from helpers import SLOW_ENGINE, end_all, has_begun, processes_of, program, wait_until

from oq_processing.engine import local

START = "openquake:startlocalengine"


@pytest.fixture
def user(qgis_process, tmp_path):
    """A qgis_process of a user who has no engine, the folder for it, and what stands for ``oq``."""
    environment = {**qgis_process.environment, "XDG_DATA_HOME": str(tmp_path)}
    folder = tmp_path / "openquake-qgis"
    oq = program(tmp_path / "oq", SLOW_ENGINE)
    yield dataclasses.replace(qgis_process, environment=environment), folder, oq
    end_all(folder)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_that_is_killed_leaves_no_orphan_and_no_double(user, sign):
    qgis_process, folder, oq = user
    with qgis_process.start(START, EXECUTABLE=oq) as process:
        wait_until(lambda: has_begun(folder), 60)
        process.send_signal(sign)
        process.communicate(timeout=10)
    assert process.returncode == -sign
    [engine] = processes_of(folder)
    if sign == signal.SIGKILL:  # the next start waits for it
        again = qgis_process.start(START, EXECUTABLE=oq)
        assert any("is starting at" in line for line in again.stdout)
        (folder / "ready").touch()
        out, err = again.communicate(timeout=60)
        assert (again.returncode, err) == (0, "")
        assert f"SERVER:\t{local.recorded(folder).url}" in out
        assert processes_of(folder) == [engine]
        return
    done = qgis_process("openquake:stoplocalengine")
    assert done.code == 0, done.err
    assert processes_of(folder) == []
