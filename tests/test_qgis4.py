"""What script/check finds of QGIS 4 and Qt 6, which cannot be installed here."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = """\
from typing import Any
from qgis.core import Qgis, QgsField, QgsFields, QgsProcessing, QgsVectorLayer, QgsWkbTypes
from qgis.PyQt.QtCore import QDate, QDateTime, QRegExp, Qt, QVariant
from qgis.PyQt.QtGui import QFontMetrics
from qgis.PyQt.QtWidgets import QAction, QDialog, QMessageBox


def gone(dialog: QDialog, unknown: Any, metrics: QFontMetrics, layer: QgsVectorLayer) -> None:
    Qt.AlignLeft, QMessageBox.Yes
    QVariant.Int, QVariant.Type
    dialog.exec_()
    dialog.setWindowModality(2)
    metrics.width("x")
    layer.setLayerName("x")
    QDateTime(QDate(2020, 1, 1))
    unknown.exec_()


def there(dialog: QDialog, fields: QgsFields) -> Any:
    Qt.AlignmentFlag.AlignLeft, Qgis.QGIS_VERSION, QgsProcessing.SourceType.TypeVector
    QgsWkbTypes.GeometryType.PolygonGeometry
    return dialog.exec(), [field.name() for field in fields]
"""
FOUND = {
    (3, 'Module "qgis.PyQt.QtCore" has no attribute "QRegExp"'),
    (5, 'Module "qgis.PyQt.QtWidgets" has no attribute "QAction"'),
    (9, '"type[Qt]" has no attribute "AlignLeft"'),
    (9, '"type[QMessageBox]" has no attribute "Yes"'),
    (10, '"type[QVariant]" has no attribute "Int"'),
    (10, '"type[QVariant]" has no attribute "Type"'),
    (11, '"QDialog" has no attribute "exec_"; maybe "exec"?'),
    (12, 'Argument 1 to "setWindowModality" of "QWidget" has incompatible type "int"'),
    (13, '"QFontMetrics" has no attribute "width"'),
    (14, '"QgsVectorLayer" has no attribute "setLayerName"'),
    (15, 'No overload variant of "QDateTime" matches argument type "QDate"'),
}


def tool(*command):
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    return ran.stdout


def test_what_qgis_4_does_not_have_is_found(tmp_path):
    """The names that it has, under new names or old ones, are not."""
    file = tmp_path / "planted.py"
    file.write_text(CODE)
    said = tool("mypy", "--config-file", ROOT / "pyproject.toml", file)
    found = re.findall(r"planted\.py:(\d+): error: (.*?)(?:; expected.*)?  \[", said)
    assert {(int(line), text) for line, text in found} == FOUND
    # mypy knows nothing of line 16, where the type is not given
    said = tool("flake8", "--isolated", "--select=QGS107,QGS4", file)
    assert "planted.py:16:5: QGS107" in said
    assert "planted.py:3:1: QGS406" in said


def test_qt_is_imported_through_qgis_only(tmp_path):
    file = tmp_path / "planted.py"
    file.write_text("from PyQt5.QtCore import Qt\nimport PyQt6.QtGui\n")
    said = tool("ruff", "check", "--config", ROOT / "pyproject.toml", "--select=TID251", file)
    assert said.count("it from qgis.PyQt") == 2
