"""What the documents for maintainers name is there: files, folders, functions, classes."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "oq_processing"
DOCUMENTS = ("CONTRIBUTING.md", "docs/architecture.md", "docs/compatibility.md")
OF_OTHERS = {
    *("numpy", "requests", "urllib3", "matplotlib", "qgis", "qgis_process", "qgis.PyQt"),
    *("Qgis.MessageLevel.Warning", "getproxies", "killpg"),
    *("fcntl.flock", "msvcrt.locking", "GetProcessTimes", "taskkill", "SO_REUSEADDR", "sudo"),
}


@lru_cache(maxsize=1)
def definitions():
    """Return names by the file or class that defines them, and by the whole package."""
    found = {"": set()}
    for path in PACKAGE.rglob("*.py"):
        found[""].add(path.stem)
        names = found.setdefault(path.stem, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
            if isinstance(node, ast.ClassDef):
                members = found.setdefault(node.name, set())
                members.update(n.name for n in node.body if isinstance(n, ast.FunctionDef))
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names.update(t.id for t in targets if isinstance(t, ast.Name))
        found[""] |= names
    return found


def missing(text):
    """Yield what a document names and nobody can find."""
    found = definitions()
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    for span in re.findall(r"`([^`\s]+)[^`\n]*`", prose):
        if span in OF_OTHERS or span.startswith(("-", "/")):
            continue
        if re.fullmatch(r"[\w.*-]*(/[\w.*-]*)+|[\w-]+\.(py|md|txt)", span):
            path = span.rstrip("/")
            if not ((CHECKOUT / path).exists() or any(PACKAGE.rglob(path))):
                yield span
        elif re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", span):
            where, _, name = span.rpartition(".")
            if name not in found.get(where, ()):
                yield span
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (CHECKOUT / target).exists() and not (CHECKOUT / "docs" / target).exists():
            yield target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_documents_name_is_there(document):
    assert list(missing((CHECKOUT / document).read_text(encoding="utf-8"))) == []


def test_a_wrong_name_is_found():
    text = (
        "`catalogue.read`, `Wait`, `engine/wait.py`; `catalogue.write`, `Await`, `engine/await.py`"
    )
    assert list(missing(text + " [a](docs/no.md)")) == [
        *("catalogue.write", "Await", "engine/await.py", "docs/no.md")
    ]
