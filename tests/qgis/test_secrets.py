"""Passwords in the desktop: not in the history, the settings, the log, or what a layer tells."""

from __future__ import annotations

import re

import pytest
from fake_engine import FakeCalculation, FakeEngine
from qgis.core import Qgis, QgsApplication
from qgis.PyQt import sip
from qgis.PyQt.QtWidgets import QTextEdit
from steering import call, failing, spin, store_login

PASSWORD = "s3cret-of-the-history"
LIST = "openquake:listcalculations"


@pytest.fixture
def login(registry):
    """The id of a configuration with alice's password."""
    number = store_login("alice", PASSWORD)
    yield number
    QgsApplication.authManager().removeAuthenticationConfig(number)


@pytest.fixture
def messages(registry):
    """What goes to QGIS's log."""
    said = []
    signal = QgsApplication.messageLog().messageReceived[str, str, Qgis.MessageLevel]

    def note(text, tag, level) -> None:
        said.append(text)

    signal.connect(note)
    yield said
    signal.disconnect(note)


def test_history_and_log_of_a_dialog(
    registry, window, profile, login, messages, tmp_path, monkeypatch
):
    """The history keeps the command, to be run again: with the configuration's id."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    monkeypatch.setenv("OPENQUAKE_DEBUG", "1")  # the most that is ever logged
    with FakeEngine(users={"alice": PASSWORD}) as fake:
        fake.calculations[1] = FakeCalculation(1, "complete")
        dialog = AlgorithmDialog(registry.algorithmById(LIST).create())
        target = tmp_path / "list.gpkg"
        given = {"SERVER": fake.url, "AUTHCFG": login, "OUTPUT": str(target)}
        dialog.setParameters(given)
        dialog.show()
        dialog.runButton().click()
        spin(lambda: target.exists() and dialog.runButton().isEnabled())
        said = "".join(edit.toPlainText() for edit in dialog.findChildren(QTextEdit))
        dialog.close()
        sip.delete(dialog)
        assert re.search(r"LATEST_ID'?: 1\b", said)
        assert PASSWORD not in said
        fake.users["alice"] = "another"
        fake.expire_sessions()
        assert "does not accept the user “alice”" in failing(LIST, **given)
    texts = [path.read_bytes() for path in [*profile.rglob("*"), target] if path.is_file()]
    command = f"'AUTHCFG':'{login}'".encode()
    assert any(command in text for text in texts), "the history has the command"
    assert not [text for text in texts if PASSWORD.encode() in text]
    QgsApplication.messageLog().logMessage("the end", "tests")
    assert messages[-1] == "the end"
    assert PASSWORD not in "".join(messages)


def test_a_login_that_others_can_read_is_warned_of_once(login):
    with FakeEngine(users={"alice": PASSWORD}) as fake:
        outside = fake.url.replace("127.0.0.1", "0.0.0.0")  # which leads to it as well
        for url, authcfg, times in ((outside, login, 1), (fake.url, login, 0)):
            done = call(LIST, SERVER=url, AUTHCFG=authcfg, OUTPUT="TEMPORARY_OUTPUT")
            warned = [t for t in done.feedback.texts("warning") if "is not encrypted" in t]
            assert warned == times * [
                f"The connection to {url} is not encrypted: user name, password and data can be "
                "read on the way. Use an address that begins with https:// if the server has one."
            ]
        fake.users = None
        done = call(LIST, SERVER=outside, OUTPUT="TEMPORARY_OUTPUT")
        assert not done.feedback.has("is not encrypted")
