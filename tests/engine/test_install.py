"""The command that installs an engine for one user: what it refuses, and what it leaves.

An installation: tests/everything/test_install.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import oq_processing

INSTALLER = Path(oq_processing.__file__).with_name("install_engine.py")
STARTED = "openquake-installation-started"


@pytest.fixture
def install(tmp_path):
    """A function that runs the command where pip finds no package at all."""

    def install(*words: object) -> tuple[int, str]:
        nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        done = subprocess.run(
            [sys.executable, INSTALLER, *map(str, words)],
            env={**kept, **nowhere, "HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr.strip()

    return install


@pytest.mark.parametrize("name", ["pyvenv.cfg", "notes.txt"])
def test_a_folder_with_something_in_it_is_left_alone(install, tmp_path, name):
    file = tmp_path / "mine" / name
    file.parent.mkdir()
    file.write_text("mine")
    message = f"{file.parent} has something in it already; choose another folder."
    assert install(file.parent) == (1, message)
    assert [p.name for p in file.parent.iterdir()] == [name]
    assert install(file) == (1, f"{file} has something in it already; choose another folder.")
    assert file.read_text() == "mine"


def test_a_folder_of_nobody(install):
    assert install("~nosuchuser/engine") == (1, "Could not determine home directory.")


@pytest.mark.slow
def test_what_could_not_be_installed_leaves_nothing(install, tmp_path):
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / STARTED).touch()  # of an installation that was broken off
    (folder / "half").touch()
    code, message = install(folder)
    assert code == 1
    assert message.endswith(
        "pip could not install the engine, see above; is the network reachable?"
    )
    assert not folder.exists()


def test_an_engine_that_is_there_is_left_as_it_is(install, tmp_path):
    (tmp_path / "complete").touch()
    assert install(tmp_path) == (0, "")
    assert [p.name for p in tmp_path.iterdir()] == ["complete"]
