"""What dialogs, menus and options show, in the user's language.

Names, help, labels and buttons are translated: they are literals inside :func:`tr` or
:func:`tr_noop`, where tools that read the source find them (tests/test_i18n.py). Messages of the
log, errors and what is stored in layers stay in English, like those of the engine: users search for
them and pass them on.
"""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication

CONTEXT = "OpenQuake"


def tr(text: str) -> str:
    """Return a text in the user's language."""
    return QCoreApplication.translate(CONTEXT, text)


def tr_noop(text: str) -> str:
    """Mark a text of a class or module, which is translated when it is shown."""
    return text
