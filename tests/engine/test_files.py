"""Replacing files: the new one as a whole, or the old one."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from oq_processing.engine.files import (
    ABANDONED,
    TEMPORARY,
    disk_is_full,
    make_private,
    part_of,
    replacing,
    resolved,
    temporary_folder,
)


def test_a_file_is_replaced_when_all_is_written(tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old")
    with replacing(target) as part:
        assert part.parent == tmp_path
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_file_stays_and_nothing_else(tmp_path, error):
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(error), replacing(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_runs_have_two_names(tmp_path):
    target = tmp_path / "log.txt"
    with replacing(target) as first, replacing(target) as second:
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", [250 * "x", 80 * "地", "\udcff.txt"])
def test_a_name_beside_any_name(tmp_path, name):
    part = part_of(tmp_path / name)
    part.write_text("x")
    assert part.name.endswith(".part")


def test_a_link_is_followed_and_no_device_is_replaced(tmp_path):
    target, link, pipe = tmp_path / "data.txt", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    assert resolved(link) == target
    with replacing(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is not a regular file"), replacing(pipe) as part:
        part.write_text("new")
    assert pipe.is_fifo()
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        resolved(link)


@pytest.mark.parametrize(
    ("reason", "free", "full"),
    [
        ("No space left on device", 10**9, True),
        ("database or disk is full", 10**9, True),
        ("Disk quota exceeded", 10**9, True),
        ("File too large", 10**9, False),
        ("", 10**9, False),
        ("disk I/O error", 4096, True),
    ],
)
def test_a_disk_is_full_only_where_it_is(tmp_path, monkeypatch, reason, free, full):
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert disk_is_full(tmp_path, reason) is full


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The place for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(folder: Path) -> None:
    then = time.time() - 2 * ABANDONED
    os.utime(folder / "lock", (then, then))


def test_a_temporary_folder_is_empty_and_goes_with_its_run(temporary):
    with temporary_folder() as folder:
        assert folder.is_relative_to(temporary)
        assert list(folder.iterdir()) == []
        (folder / "lock").write_text("a file of this name")
    assert list(temporary.iterdir()) == []


def test_the_folders_of_killed_programs_are_removed_and_no_others(temporary):
    killed = temporary / f"{TEMPORARY}killed"
    young = temporary / f"{TEMPORARY}young"
    strange = temporary / f"{TEMPORARY}strange"
    for folder in (killed, young, strange):
        (folder / "files").mkdir(parents=True)
        (folder / "files" / "job.zip").write_bytes(b"1")
    (killed / "lock").touch()
    age(killed)
    (young / "lock").touch()
    (temporary / f"{TEMPORARY}link").symlink_to(killed)
    with temporary_folder() as living:
        age(living.parent)
        (living / "export.csv").touch()
        assert not killed.exists()
        with temporary_folder():
            assert (living / "export.csv").exists()
    assert young.exists()
    assert strange.exists()


def test_a_private_folder_stays_what_it_is_but_closed(tmp_path):
    folder = tmp_path / "data" / "engine"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "db.sqlite3").touch()
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "db.sqlite3").exists()
    make_private(tmp_path / "new" / "engine")
    assert (tmp_path / "new" / "engine").stat().st_mode & 0o777 == 0o700
