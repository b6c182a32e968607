"""The wall: imports run downwards only, and what is pure Python stays so."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "oq_processing"
ENGINE = {"engine"}
ALLOWED = {
    "engine": ENGINE,
    "outputs": ENGINE | {"outputs"},
    "compat": {"compat"},
    "diagnostics": ENGINE | {"diagnostics"},
    "i18n": {"i18n"},
    "layers": ENGINE | {"outputs", "layers", "compat", "diagnostics"},
    "drawing": ENGINE | {"outputs", "drawing"},
    "connections": ENGINE | {"connections", "settings"},
    "install_engine": ENGINE,
    "settings": ENGINE | {"settings"},
    "algorithms": ENGINE
    | {"outputs", "layers", "drawing", "connections", "settings", "compat", "diagnostics"}
    | {"i18n", "algorithms"},
}
ALLOWED["provider"] = {*ALLOWED, "provider"}
TOP = {*ALLOWED, "plugin", "gui"}
ALLOWED["gui"] = TOP - {"plugin"}
ALLOWED["plugin"] = TOP
ALLOWED["__init__"] = {"plugin"}
ROOMS = {
    "core": {"core"},
    "report": {"report"},
    "sites": {"core", "sites"},
    "assets": {"core", "assets"},
    "readers": {"core", "sites", "assets", "readers"},
    "catalogue": {"core", "readers", "catalogue"},
    "plots": {"core", "sites", "assets", "readers", "catalogue", "plots"},
}
"""The rooms of ``outputs``, and from which each may import."""
PURE = {"engine", "outputs"}
LIBRARIES = {"numpy", "requests", "urllib3"}


def imported(tree, module):
    """Yield the full name of whatever a module imports, at its head or anywhere inside."""
    package = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield ".".join([*base, alias.name])
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            dynamic = function in ("__import__", "import_module", "importlib.import_module")
            # a name that is put together at run time is a name inside the own package
            if dynamic and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def faults(package):
    """Return the imports that go upwards or outside, as sentences."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = ["oq_processing", *path.relative_to(package).with_suffix("").parts]
        layer = parts[1]
        for name in imported(ast.parse(path.read_text(encoding="utf-8")), ".".join(parts)):
            root, _, rest = name.partition(".")
            where = "/".join(parts[1:])
            if root == "oq_processing":
                target = rest.split(".")[0]
                if target not in ALLOWED[layer]:
                    found.append(f"{where} imports {target or 'the whole package'}")
                elif layer == target == "outputs" and parts[2] in ROOMS:
                    room = rest.split(".")[1]
                    if room not in ROOMS[parts[2]]:
                        found.append(f"{where} imports outputs/{room}")
            elif layer in PURE and root not in LIBRARIES | sys.stdlib_module_names:
                found.append(f"{where} imports {root}")
    return found


def test_imports_run_downwards():
    assert faults(PACKAGE) == []


def test_every_layer_is_known():
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    with_code = {name for name in there if (PACKAGE / f"{name}.py").exists()} | {
        path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*/*.py")
    }
    assert with_code <= set(ALLOWED)
    rooms = {path.stem for path in (PACKAGE / "outputs").iterdir() if path.stem[0] != "_"}
    assert rooms == set(ROOMS)
    assert with_code > PURE


VERSION = {"QGIS_VERSION_INT", "qVersion", "QT_VERSION_STR", "QMetaType", "QVariant", "NULL"}
"""Names by which code asks for the version, or that mean something else in another one."""


def test_what_differs_by_version_stands_in_one_module():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")}
            if names & VERSION:
                found.add(str(path.relative_to(PACKAGE)))
    assert found == {"compat.py"}


@pytest.mark.parametrize(
    ("path", "line", "fault"),
    [
        ("engine/a.py", "from ..outputs import table", "engine/a imports outputs"),
        ("engine/a.py", "from .. import layers", "engine/a imports layers"),
        ("engine/a.py", "from ..connections import resolve", "engine/a imports connections"),
        (
            "engine/a.py",
            "import oq_processing.algorithms.common.base",
            "engine/a imports algorithms",
        ),
        ("engine/a.py", "import oq_processing", "engine/a imports the whole package"),
        ("engine/a.py", "def f():\n    import qgis.core", "engine/a imports qgis"),
        ("engine/a.py", "from osgeo import ogr", "engine/a imports osgeo"),
        ("engine/a.py", "import PyQt5", "engine/a imports PyQt5"),
        ("engine/a.py", "import pandas as pd, json", "engine/a imports pandas"),
        (
            "engine/a.py",
            "import importlib\nimportlib.import_module('qgis')",
            "engine/a imports qgis",
        ),
        ("outputs/deep/a.py", "from ...layers import sink", "outputs/deep/a imports layers"),
        ("outputs/__init__.py", "from ..layers import sink", "outputs/__init__ imports layers"),
        (
            "outputs/sites/a.py",
            "from ..readers import general",
            "outputs/sites/a imports outputs/readers",
        ),
        (
            "outputs/readers/a.py",
            "from .. import catalogue",
            "outputs/readers/a imports outputs/catalogue",
        ),
        ("outputs/a.py", "if 1:\n    from qgis.core import Qgis", "outputs/a imports qgis"),
        ("layers/a.py", "from ..algorithms.base import x", "layers/a imports algorithms"),
        ("layers/a.py", "from ..connections import x", "layers/a imports connections"),
        ("compat.py", "from .layers import sink", "compat imports layers"),
        ("connections.py", "from .layers import sink", "connections imports layers"),
        ("connections.py", "from .outputs.table import Table", "connections imports outputs"),
        ("algorithms/a.py", "from ..provider import P", "algorithms/a imports provider"),
        ("algorithms/a.py", "from ..gui import options", "algorithms/a imports gui"),
        ("provider.py", "from .plugin import P", "provider imports plugin"),
        ("provider.py", "from .gui.options import P", "provider imports gui"),
        ("gui/a.py", "from ..plugin import P", "gui/a imports plugin"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, path, line, fault):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(f'"""A module."""\n\n{line}\n')
    assert faults(tmp_path) == [fault]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/a.py", "import json, numpy, requests\nimport urllib3.util\nfrom .errors import X"),
        ("outputs/a.py", "from ..engine.client import EngineClient\nfrom . import table"),
        ("outputs/__init__.py", "from .table import Table"),
        ("layers/a.py", "from qgis.core import Qgis\nfrom ..outputs import table"),
        ("connections.py", "from .engine.client import X\nfrom qgis.core import Qgis"),
        ("algorithms/a.py", "from .. import connections\nfrom ..layers import sink"),
        ("plugin.py", "from .provider import P\nfrom .gui import options"),
        ("__init__.py", "def f():\n    from .plugin import P"),
    ],
)
def test_what_is_allowed(tmp_path, path, line):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(line)
    assert faults(tmp_path) == []


def pure_modules():
    return [
        ".".join(["oq_processing", *path.relative_to(PACKAGE).with_suffix("").parts])
        for layer in sorted(PURE)
        for path in sorted((PACKAGE / layer).rglob("*.py"))
    ]


def test_the_pure_layers_need_no_qgis_and_import_nothing_slow():
    code = (
        "import importlib, sys\n"
        "for name in ('qgis', 'osgeo', 'PyQt5', 'PyQt6', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        f"for name in {pure_modules()!r}:\n"
        "    importlib.import_module(name.removesuffix('.__init__'))\n"
        "    slow = {'numpy', 'requests', 'urllib3'} & set(sys.modules)\n"
        "    assert not slow, f'{name} imports {slow}'\n"
        "print('imported', len([m for m in sys.modules if m.startswith('oq_processing.')]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"imported {len(pure_modules())}\n"
    assert len(pure_modules()) > 15
