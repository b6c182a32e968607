"""Make FOLDER/qgis, type stubs of QGIS 4, from what pip has put into FOLDER: PyQt6 and qgis-stubs.

mypy checks the whole plugin against these stubs: QGIS 3 comes without any, and QGIS 4 cannot be
installed from a package registry. qgis-stubs 0.5 are made from QGIS 4.2, but import PyQt5, lack the
old names that QGIS 4 adds at run time, and mark every pointer as optional.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SIP = """
class simplewrapper: ...
class wrapper(simplewrapper): ...
class voidptr: ...
class array: ...
"""
QT = """
from PyQt6.QtCore import *
from PyQt6.QtCore import pyqtProperty as pyqtProperty, pyqtSignal as pyqtSignal
NULL: None
"""
CORE = """
from qgis._core import *
class QgsCsException(Exception): ...
class QgsProcessingException(Exception): ...
"""
# iterable by __getitem__ and __len__, which mypy does not accept
ITERATOR = "    def __iter__(self) -> typing.Iterator[QgsField]: ..."

THERE = {
    *("authManager", "clone", "conditionalStyles", "constGet", "createGeometryEngine"),
    *("createSimple", "get", "messageBar"),
    *("defaultStyle", "horizontalHeader", "instance", "lineEdit", "processingRegistry"),
    *("temporaryLayerStore", "verticalHeader"),
}
"""Functions that never return None (``get`` and ``constGet`` for a geometry that is not null)."""
CALLED = {"createWidget", "postProcessLayer", "prepareAlgorithm", "processAlgorithm"}
"""Functions of plugins, which QGIS never calls with None."""


def chain(node: ast.AST) -> list[str]:
    """Return the names of ``a.b.c``, [] for anything else."""
    return ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else []


def additions(module: str) -> Iterator[tuple[str, str]]:
    """Yield the names that a module of QGIS adds at run time: class (or class.enum), line."""
    for node in ast.parse(module).body:
        if not isinstance(node, ast.Assign):
            continue
        old, new = chain(node.targets[0]), chain(node.value)
        if len(old) == len(new) == 3:  # QgsProcessing.SourceType.TypeVector = Qgis.….Vector
            enum = ".".join(new[:2])
            yield enum, f"        {old[2]} = ...  # type: {enum}"
        elif len(old) == 2 and not old[1].startswith("__"):  # Qgis.QGIS_VERSION = Qgis.version()
            yield old[0], f"    {old[1]}: typing.Any"


def without_none(line: str) -> str:
    """Return a line of a stub without the None that is never there."""
    function = re.match(r"\s+def (\w+)\(", line)
    name = function[1] if function else ""
    head, arrow, result = line.replace("dict[typing.Optional[str]", "dict[str").rpartition(" -> ")
    result = result.replace("typing.Optional[str]", "str")
    if name in THERE:
        result = re.sub(r"typing\.Optional\[(.+)\](?=: \.\.\.)|\|None", r"\1", result)
    if name in CALLED:
        head = re.sub(r"typing\.Optional\[(.+?)\]", r"\1", head)
    return head + arrow + result


def completed(stub: str, module: str) -> str:
    """Return a stub with the names that the module adds."""
    more = defaultdict(list, {"QgsFields": [ITERATOR]})
    for where, line in additions(module):
        more[where].append(line)
    lines = stub.splitlines()
    classes = {}
    for outer in ast.parse(stub).body:
        if isinstance(outer, ast.ClassDef):
            classes[outer.name] = outer.end_lineno
            for inner in outer.body:
                if isinstance(inner, ast.ClassDef):
                    classes[f"{outer.name}.{inner.name}"] = inner.end_lineno
    for where in sorted(more.keys() & classes.keys(), key=lambda w: -classes[w]):
        lines[classes[where] : classes[where]] = more[where]
    return "\n".join(map(without_none, lines)).replace("PyQt5", "PyQt6")


def main(folder: Path) -> None:
    """Make the stubs, and remove what is not needed for them."""
    source, target = folder / "qgis-stubs", folder / "qgis"
    for name, head in (("core", CORE), ("gui", "from qgis._gui import *")):
        (target / name).mkdir(parents=True)
        stub = (source / f"_{name}.pyi").read_text("utf-8")
        module = (source / name / "__init__.py").read_text("utf-8")
        (target / f"_{name}.pyi").write_text(completed(stub, module), "utf-8")
        (target / name / "__init__.pyi").write_text(head, "utf-8")
    (target / "PyQt").mkdir()
    for path in (target, target / "PyQt"):
        (path / "__init__.pyi").touch()
    for path in (folder / "PyQt6").glob("Qt*.pyi"):
        text = QT if path.stem == "QtCore" else f"from PyQt6.{path.stem} import *"
        (target / "PyQt" / path.name).write_text(text, "utf-8")
    for path in (folder / "PyQt6").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".pyi":
            path.unlink()
        else:
            lines = path.read_text("utf-8").splitlines()
            path.write_text("\n".join(map(without_none, lines)), "utf-8")
    (folder / "PyQt6" / "__init__.pyi").touch()
    (folder / "PyQt6" / "sip.pyi").write_text(SIP, "utf-8")
    shutil.rmtree(source)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
