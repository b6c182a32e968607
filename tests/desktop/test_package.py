"""The package as a user gets it: made anew, checked, installed, used, switched off and removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from osgeo import gdal

from oq_processing.engine import local
from oq_processing.engine import process as process_module

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
MODELS = 5
PLACES = ("PATH", "LANG", "XDG_RUNTIME_DIR", "SSL_CERT_FILE")
VERSION = "0.1.0"


def git(*words: object, cwd: Path = ROOT) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test"]
    command = ["git", *identity, *map(str, words)]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory) -> list[Path]:
    """Two checkouts of what is there now, committed or not; the second has no links."""
    folder = tmp_path_factory.mktemp("checkouts")
    commit = git("stash", "create").strip() or "HEAD"
    commit = git("rev-parse", commit).strip()
    for name, options in (("one", []), ("two", ["-c", "core.symlinks=false"])):
        git("clone", "--quiet", "--shared", "--no-checkout", *options, ROOT, folder / name)
        git("checkout", "--quiet", commit, cwd=folder / name)
        (folder / name / ".venv").symlink_to(ROOT / ".venv")
    return [folder / "one", folder / "two"]


@pytest.fixture(scope="module")
def packages(checkouts) -> list[Path]:
    """The zip of each checkout, made in other parts of the world."""
    found = []
    for checkout, zone in zip(checkouts, ("Asia/Kathmandu", "America/Lima")):
        ran = subprocess.run(
            [checkout / "script" / "package"],
            env={**os.environ, "TZ": zone},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.endswith(f"package: dist/oq_processing-{VERSION}.zip\n")
        found.append(checkout / "dist" / f"oq_processing-{VERSION}.zip")
    return found


def files(folder: Path) -> dict[str, bytes]:
    paths = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert not [p for p in paths if p.is_symlink()]
    return {str(p.relative_to(folder.parent)): p.read_bytes() for p in paths}


def test_the_same_commit_gives_the_same_package(packages):
    one, two = packages
    assert one.read_bytes() == two.read_bytes()


def test_the_package_is_the_folder_of_a_checkout_without_links(checkouts, packages):
    """So a source archive and a Windows checkout hold a whole plugin too."""
    checkout = checkouts[1]
    assert (checkout / "metadata.txt").read_text() == "oq_processing/metadata.txt"
    with zipfile.ZipFile(packages[0]) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
        packed = {name: archive.read(name) for name in names}
    assert packed == files(checkout / "oq_processing")
    assert names == sorted(names)
    wanted = {"LICENSE", "metadata.txt", "icons/openquake.svg", "help/index.html", "engine.txt"}
    assert wanted <= {name.partition("/")[2] for name in names}
    assert len([name for name in names if name.endswith(".model3")]) == MODELS


def test_faults_of_a_package_are_named(tmp_path):
    path = tmp_path / "bad.zip"
    link, program = zipfile.ZipInfo("oq_processing/link"), zipfile.ZipInfo("oq_processing/run.py")
    link.external_attr, program.external_attr = 0o120777 << 16, 0o100755 << 16
    secret = 'token = "' + "AKIA" + 'QWERTYUIOPASDFGH"\n'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "oq_processing/metadata.txt",
            "[general]\nname=x\nversion=1\nauthor=a/b\nicon=x.svg\nhomepage=here\n",
        )
        for name in ("oq_processing/.hidden", "oq_processing/a.pyc", "other/b.txt"):
            archive.writestr(name, "")
        archive.writestr(link, "../LICENSE")
        archive.writestr(program, secret)
    ran = subprocess.run(
        [sys.executable, ROOT / "script" / "check_package.py", path, "--publish"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert [line.removeprefix("check_package: ") for line in lines[:19]] == [
        "oq_processing/.hidden is hidden.",
        "oq_processing/a.pyc is compiled or a program.",
        "other/b.txt is outside oq_processing.",
        "oq_processing/link is a link.",
        "oq_processing/run.py is executable.",
        "__init__.py is missing.",
        "LICENSE is missing.",
        "metadata.txt has no description.",
        "metadata.txt has no about.",
        "metadata.txt has no license.",
        "metadata.txt has no tags.",
        "metadata.txt has no category.",
        "metadata.txt has no qgisMinimumVersion.",
        "metadata.txt has no qgisMaximumVersion.",
        "metadata.txt has no hasProcessingProvider.",
        "The icon x.svg is missing.",
        "The author has a slash.",
        "metadata.txt: homepage is not an address.",
        "detect-secrets: ERROR: Potential secrets about to be committed to git repo!",
    ]
    assert "Location:    oq_processing/run.py:1" in ran.stderr
    assert lines[-1].endswith(
        "set these in oq_processing/metadata.txt: repository, tracker, email."
    )


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A user who has a QGIS without any plugin."""
    kept = {name: os.environ[name] for name in PLACES if name in os.environ}
    settings = tmp_path / "profile" / "profiles" / "default" / "QGIS"
    settings.mkdir(parents=True)
    for version in (3, 4):
        (settings / f"QGIS{version}.ini").write_text("[PythonPlugins]\nprocessing=true\n")
    (tmp_path / "home").mkdir()
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path / "profile"),
    }


def test_the_package_in_qgis_process(environment, packages, tmp_path, server, area_source):
    plugins = tmp_path / "profile" / "profiles" / "default" / "python" / "plugins"
    with zipfile.ZipFile(packages[0]) as archive:
        archive.extractall(plugins)
    programs = [Path("/usr/bin/qgis_process.bin"), Path("/usr/bin/qgis_process")]
    program = next(path for path in programs if path.exists())

    def qgis_process(*words: object) -> tuple[int, str]:
        ran = subprocess.run(
            [program, *map(str, words)],
            env={**environment, "QT_QPA_PLATFORM": "offscreen"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    there = f"SERVER={server.url}"
    listing = ("run", "openquake:listcalculations", "--", there, "OUTPUT=list.gpkg")
    code, said = qgis_process(*listing)
    assert code == 1
    assert "not found" in said
    qgis_process("plugins", "enable", "oq_processing")
    code, said = qgis_process(*listing)
    assert code == 0, said
    assert "COUNT:" in said
    code, said = qgis_process(
        *("run", "openquake:hazardraster", "--", there, f"CALCULATION_ID={area_source}"),
        *("IMT=PGA", "POE=10%", "rasterize:OUTPUT=map.tif"),
    )
    assert code == 0, said
    assert gdal.Open(str(tmp_path / "map.tif")).RasterXSize > 10
    qgis_process("plugins", "disable", "oq_processing")
    assert qgis_process(*listing)[0] == 1


@pytest.fixture
def engine(tmp_path):
    """A process that stands for a local engine, and its record, which is not in its place yet."""
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as process:
        folder = tmp_path / "data" / "openquake-qgis"
        folder.mkdir(parents=True)
        mark = process_module.mark(process.pid)
        record = local.Record(process.pid, mark, 4711, "http://127.0.0.1:4711", "3.26.2")
        (folder / f"{local.STATE}.later").write_text(json.dumps(asdict(record)))
        yield process, folder / local.STATE
        process.kill()


def test_the_package_in_the_desktop(environment, packages, engine, tmp_path, server, area_source):
    process, record = engine
    job = {
        "zip": str(packages[0]),
        "record": str(record),
        "seen": str(tmp_path / "seen.json"),
        "algorithm": {"SERVER": server.url, "OUTPUT": "TEMPORARY_OUTPUT"},
        "model": {
            "SERVER": server.url,
            "CALCULATION_ID": area_source,
            "IMT": "PGA",
            "POE": "10%",
            "rasterize:OUTPUT": str(tmp_path / "map.tif"),
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    window = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", "qgis", "--nologo"]
    with subprocess.Popen(
        [*window, "--noversioncheck", "--code", str(Path(__file__).with_name("in_window.py"))],
        env={**environment, "PACKAGE_TEST": str(tmp_path / "job.json")},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as qgis:
        try:
            said, _ = qgis.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            os.killpg(qgis.pid, signal.SIGKILL)
            raise
    assert qgis.returncode == 0, said
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen.pop("errors") == []
    assert seen.pop("algorithm")["COUNT"] > 0
    assert "load:STYLED_FIELD" in seen.pop("model")
    assert gdal.Open(str(tmp_path / "map.tif")).RasterXSize > 10
    command = f"kill -- -{process.pid}"
    goes_on = (
        "The local engine at http://127.0.0.1:4711 keeps running. To stop it, run "
        f"“{command}”, or enable the plugin and run Stop Local Engine."
    )

    def state(on: bool, files: bool = True, messages: tuple[str, ...] = ()) -> dict:
        return {
            "algorithms": seen["installed"]["algorithms"] if on else None,
            "version": VERSION if on else None,
            "enabled": on,
            "files": files,
            "messages": list(messages),
        }

    assert seen["installed"]["algorithms"] > 20
    assert seen == {
        "before": {**state(False, files=False), "enabled": None},
        "installed": state(True),
        "disabled": state(False),
        "enabled": state(True),
        "disabled with an engine": state(False, messages=(goes_on,)),
        "enabled with an engine": state(True),
        "installed again": state(True, messages=(goes_on,)),
        "uninstalled": {**state(False, files=False, messages=(goes_on,)), "enabled": None},
        "installed anew": state(True),
    }
    # it was not stopped, and the command that was named stops it
    assert process.poll() is None
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert process.wait(10) == -signal.SIGTERM
