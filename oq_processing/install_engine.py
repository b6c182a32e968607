"""Install the OpenQuake Engine for this user: ``python3 install_engine.py [FOLDER]``.

Makes an environment of its own, so that neither QGIS's Python nor any other is changed. Any Python
runs it, without QGIS and without what the plugin needs there.
"""

from __future__ import annotations

import shutil
import subprocess  # nosec B404 # never through a shell
import sys
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from oq_processing.engine.errors import LocalEngineError
from oq_processing.engine.installation import user_folder

REQUIREMENTS = Path(__file__).with_name("engine.txt")
PYTHONS = ((3, 11), (3, 14))
"""The first version of Python that works, and the first that does not."""


def install(folder: Path) -> None:
    """Install the engine into ``folder``; a broken installation leaves nothing there."""
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / ("python.exe" if sys.platform == "win32" else "python")
    complete, started = folder / "complete", folder / "openquake-installation-started"
    if started.exists():
        shutil.rmtree(folder)  # ours, and not whole
    if complete.exists():
        print(f"The engine is there: {programs / 'oq'}")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        sys.exit(f"{folder} has something in it already; choose another folder.")
    print(f"Making {folder} with Python {sys.version.split()[0]} (about 1 GB, some minutes)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started.touch()
    except OSError as error:
        sys.exit(f"{folder} cannot be made: {error.strerror}.")
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("This Python has no pip (Debian, Ubuntu: apt-get install python3-venv).")
    # the list is complete, so nothing is resolved: --no-deps keeps out what needs a compiler
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--only-binary", ":all:", "--requirement", REQUIREMENTS]
    if subprocess.call(command) != 0:  # nosec B603 # a fixed command
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("pip could not install the engine, see above; is the network reachable?")
    print("Compiling the engine (1 to 2 minutes, once)")
    check: list[str | Path] = [python, "-c", "import openquake.calculators.export"]
    if subprocess.call(check) != 0:  # nosec B603 # the Python that was just installed
        sys.exit("The engine cannot be imported, see above.")
    started.replace(complete)
    print(f"Installed: {programs / 'oq'}; QGIS: Processing › OpenQuake › Start Local Engine")


if __name__ == "__main__":
    if not PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        sys.exit(
            f"This is Python {sys.version.split()[0]}; the engine needs 3.11, 3.12 or 3.13: "
            "call this file with one of them."
        )
    try:
        folder = Path(sys.argv[1]).expanduser() if len(sys.argv) > 1 else user_folder() / "venv"
    except (LocalEngineError, RuntimeError) as error:
        sys.exit(str(error))
    install(folder)
