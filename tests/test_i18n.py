"""The seam for translations: what dialogs show stands in the source as literals, marked once."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "oq_processing"
MARKS = {"tr", "tr_noop"}
SHOWN = {
    "NAME",
    "HELP",
    "CALCULATION",
    "GROUP",
    "GROUPS",
    "ANY_CALCULATION",
    "FINISHED_CALCULATION",
}
"""Texts of classes and modules, which are translated when they are shown; some are only keys."""
WIDGETS = {
    "QLabel",
    "QPushButton",
    "QGroupBox",
    "QCheckBox",
    "addRow",
    "setWindowTitle",
    "setToolTip",
}


def name_of(node) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def is_text(node) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def is_marked(node) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) in MARKS


def faults(source: str) -> list[str]:
    """Return what a tool that reads the source could not translate, as text of the source."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name, arguments = name_of(node.func), node.args
            if name in MARKS and not (len(arguments) == 1 and is_text(arguments[0])):
                found.append(ast.unparse(node))
            of_parameter = name_of(getattr(node.func, "value", None)) == "p" or name.startswith(
                "QgsProcessingParam"
            )
            if of_parameter and any(map(is_text, arguments[1:3])):
                found.append(ast.unparse(node))
            if name in WIDGETS and any(map(is_text, arguments)):
                found.append(ast.unparse(node))
            if name in ("translate", "trUtf8"):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Assign) and name_of(node.targets[0]) in SHOWN - {"GROUP"}:
            values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            if not all(is_marked(v) or name_of(v) in SHOWN for v in values):
                found.append(ast.unparse(node))
    return found


DEFINED = {
    "i18n.py": ["QCoreApplication.translate(CONTEXT, text)"],
    "algorithms/common/base.py": [
        "tr(self.NAME)",
        "tr(GROUPS[self.GROUP])",
        "tr(self.HELP)",
        "tr(self.CALCULATION)",
    ],
    "algorithms/common/shipped_model.py": ["tr(super().displayName())", "tr(GROUP)"],
}
"""Where a text is shown that was marked elsewhere."""


def test_all_texts_are_marked_literals():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if left := faults(path.read_text(encoding="utf-8")):
            found[path.relative_to(PACKAGE).as_posix()] = left
    assert found == DEFINED


@pytest.mark.parametrize(
    "line",
    [
        'tr(f"Add {name}")',
        'tr("Output" + name)',
        "tr_noop(HELP)",
        'p.text(KIND, "Statistic", tr("Empty: the mean."))',
        'QgsProcessingParameterPoint(SITE, "Site")',
        'QLabel("Name")',
        'QCoreApplication.translate("OpenQuake", "Name")',
        'NAME = "Run Calculation"',
        'GROUPS = {"engine": "Engine"}',
    ],
)
def test_a_text_that_is_not_marked_is_found(line):
    assert faults(line)
    assert not faults('NAME = tr_noop("Run")\nCALCULATION = ANY_CALCULATION\np.text(A, tr("B"))')


def test_marked_texts_come_back_translated(monkeypatch):
    from oq_processing import i18n

    assert i18n.tr_noop("Run Calculation") == "Run Calculation"
    monkeypatch.setattr(i18n.QCoreApplication, "translate", lambda *said: "/".join(said))
    assert i18n.tr("Run Calculation") == "OpenQuake/Run Calculation"
