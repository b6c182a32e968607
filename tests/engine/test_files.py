"""Replacing files: the new one as a whole, or the old one."""

import os
import shutil

import pytest

from oq_processing.engine.files import disk_is_full, part_of, replacing, resolved


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
