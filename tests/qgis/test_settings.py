"""What the profile keeps: true with several writers, new ports, reused ids and old entries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from qgis.core import QgsSettings

from oq_processing import settings
from oq_processing.engine import local
from oq_processing.engine.calculation import Calculation
from oq_processing.engine.errors import EngineError

URL = "http://profile.example.org:8800"
QUOTED = "http%3A%2F%2Fprofile.example.org%3A8800"
START = datetime(2026, 11, 23, 17, 37, 53, tzinfo=timezone.utc)
ONE = Calculation(1, "Test", "classical", "complete", "alice", start_time=START)
LATER = replace(ONE, start_time=START.replace(hour=18))
CHANGED = {"truncation_level": "1", "region": ""}

_WRITER = """
import sys
from qgis.PyQt.QtCore import QCoreApplication, QSettings
from oq_processing import settings
from oq_processing.engine.calculation import Calculation

_, file, url, first = sys.argv
settings.QgsSettings = lambda: QSettings(file, QSettings.Format.IniFormat)
for i in range(int(first), int(first) + 25):
    settings.set_hidden(url, Calculation(i, "Test", "classical", "complete"), True)
"""


@pytest.fixture(autouse=True)
def profile(registry):
    """The profile's settings without those of the plugin, before and after."""
    QgsSettings().remove("openquake")
    yield QgsSettings()
    QgsSettings().remove("openquake")


@contextmanager
def read_only_profile():
    """A profile that nobody can write, root neither."""
    QgsSettings().sync()
    file = Path(QgsSettings().fileName())
    aside = file.rename(file.with_name("aside"))
    file.mkdir()
    try:
        yield file
    finally:
        file.rmdir()
        aside.rename(file)


def test_what_several_programs_hide_at_once_is_all_kept(tmp_path):
    file = str(tmp_path / "profile.ini")
    root = str(Path(settings.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, file, URL, str(first)], env=environment)
        for first in (1, 26, 51)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    profile = settings.QSettings(file, settings.QSettings.Format.IniFormat)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings, "QgsSettings", lambda: profile)
        assert sorted(settings.hidden(URL).known) == list(range(1, 76))


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, owner="bob"),
        replace(ONE, description="Another"),
        replace(ONE, mode="scenario"),
        replace(ONE, status="created", start_time=LATER.start_time),
        LATER,
    ],
    ids=["owner", "description", "mode", "queued", "start"],
)
def test_another_calculation_under_the_id_is_neither_hidden_nor_changed(other):
    settings.set_hidden(URL, ONE, True)
    settings.remember_overrides(URL, ONE, CHANGED)
    assert ONE in settings.hidden(URL)
    assert replace(ONE, status="shared", size_mb=2.0) in settings.hidden(URL)
    assert replace(ONE, owner="alice@host") in settings.hidden(URL), "a newer engine, or an older"
    assert settings.overrides_of(URL, ONE) == CHANGED
    assert other not in settings.hidden(URL)
    assert settings.overrides_of(URL, other) == {}


def test_one_that_was_hidden_in_the_queue_stays_hidden_when_it_has_begun():
    """Its time of start is that of its submission until then."""
    settings.set_hidden(URL, replace(ONE, status="submitted"), True)
    assert LATER in settings.hidden(URL)


def test_entries_of_earlier_versions_are_read_and_can_be_changed(profile):
    profile.setValue(f"openquake/hidden/{QUOTED}", "3 1 7")
    profile.setValue(f"openquake/parameters/{QUOTED}/1", json.dumps({"parameters": "x = 1"}))
    assert ONE in settings.hidden(URL)
    assert settings.overrides_of(URL, ONE) == {"parameters": "x = 1"}
    settings.set_hidden(URL, ONE, False)
    assert sorted(settings.hidden(URL).known) == [3, 7]
    settings.set_hidden(URL, ONE, True)
    assert sorted(settings.hidden(URL).known) == [1, 3, 7]
    settings.forget(URL, 1)
    settings.forget(URL, 2)
    assert sorted(settings.hidden(URL).known) == [3, 7]
    assert settings.overrides_of(URL, ONE) == {}
    assert profile.value(f"openquake/hidden/{QUOTED}") == "3 1 7"


def test_the_local_engine_keeps_what_is_its_own_at_another_port(monkeypatch):
    def at(port: int) -> str:
        record = local.Record(1, "mark", port, f"http://127.0.0.1:{port}", "3.26.2")
        monkeypatch.setattr(local, "recorded", lambda: record)
        return record.url

    old = "http://127.0.0.1:4001"  # of a version that knew it by its address
    QgsSettings().setValue("openquake/hidden/http%3A%2F%2F127.0.0.1%3A4001", "1 2")
    first = at(4001)
    assert first == old
    three = replace(ONE, id=3)
    settings.set_hidden(first, three, True)
    settings.set_hidden(first, replace(ONE, id=2), False)
    settings.remember_overrides(first, three, CHANGED)
    assert sorted(settings.hidden(first).known) == [1, 3]
    second = at(4002)
    assert sorted(settings.hidden(second).known) == [3]
    assert settings.overrides_of(second, three) == CHANGED
    # another engine that answers at its old port
    assert sorted(settings.hidden(first).known) == [1, 2]
    assert settings.overrides_of(first, three) == {}


def test_what_cannot_be_stored_is_an_error_and_is_not_stored_later():
    with read_only_profile() as file, pytest.raises(EngineError) as caught:
        settings.set_hidden(URL, ONE, True)
    assert str(caught.value) == (
        f"The QGIS profile cannot be written ({file}), so this was not stored. "
        "Check the permissions of that file and its folder, and the free space."
    )
    QgsSettings().sync()
    assert ONE not in settings.hidden(URL)


@pytest.mark.parametrize(
    ("stored", "ids"),
    [("", set()), ("7", {7}), ("7 x 8", {7, 8}), ("7,8", set()), ("²", set()), (None, set())],
)
def test_a_list_that_somebody_edited_is_no_error(profile, stored, ids):
    profile.setValue(f"openquake/hidden/{QUOTED}", stored)
    assert set(settings.hidden(URL).known) == ids


@pytest.mark.parametrize("stored", ["nonsense", "[1]", "{}", '{"status": 1, "start_time": []}'])
def test_an_entry_that_somebody_edited_is_that_of_its_id(profile, stored):
    profile.setValue(f"openquake/hidden/{QUOTED}/1", stored)
    assert ONE in settings.hidden(URL)
    profile.setValue(f"openquake/parameters/{QUOTED}/1", stored)
    assert isinstance(settings.overrides_of(URL, ONE), dict)
