"""HTTP in both major versions of urllib3, whose internals ``engine/http/sockets.py`` relies on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_all_of_http_with_the_other_version():
    other = 1 if urllib3.__version__.startswith("2.") else 2
    folder = ROOT / ".venv" / f"urllib3-{other}"
    code = (
        "import pytest, sys, urllib3\n"
        f"assert urllib3.__version__.startswith('{other}.'), urllib3\n"
        "sys.exit(pytest.main(sys.argv[1:]))\n"
    )
    tests = ["-q", "-p", "no:pytest_qgis", str(Path(__file__).with_name("test_transport.py"))]
    ran = subprocess.run(
        [sys.executable, "-c", code, *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout
