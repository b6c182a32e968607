"""The options page: what is entered is what is stored, and nothing before it is applied."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication
from steering import store_login

from oq_processing import connections, settings
from oq_processing.connections import SavedConnection
from oq_processing.gui import options
from oq_processing.gui.options import ConnectionDialog, OptionsFactory, OptionsPage


@pytest.fixture
def page(registry):
    yield OptionsFactory().createWidget(None)
    for connection in connections.saved_connections():
        connections.remove_connection(connection.name)
    settings.set_engine_executable("")
    settings.set_starts_local_engine(False)


def rows(page) -> list[list[str]]:
    table = page.table
    return [[table.item(i, k).text() for k in range(3)] for i in range(table.rowCount())]


def press(page, name: str, row: int | None = None) -> None:
    if row is not None:
        page.table.selectRow(row)
    page.buttons[name].click()


def test_from_page_to_settings_and_back(page):
    page.put(SavedConnection("Lab", "http://lab.org:8800"))
    page.put(SavedConnection("Cluster", "https://cluster.org/oq", "abc1234", "", 5, 90))
    assert rows(page) == [
        ["Cluster", "https://cluster.org/oq", "missing (abc1234)"],
        ["Lab", "http://lab.org:8800", ""],
    ]
    press(page, "default", 1)
    assert rows(page)[1][0] == "Lab (default)"
    page.executable.setFilePath("/opt/oq")
    page.starts.setChecked(True)
    assert connections.saved_connections() == [], "nothing is stored before it is applied"
    assert not settings.starts_local_engine()
    page.apply()
    assert [c.name for c in connections.saved_connections()] == ["Cluster", "Lab"]
    assert connections.saved_connections()[0].answer_timeout == 90
    assert connections.default_connection() == "Lab"
    assert (settings.engine_executable(), settings.starts_local_engine()) == ("/opt/oq", True)

    again = OptionsPage()
    assert rows(again) == [
        ["Cluster", "https://cluster.org/oq", "missing (abc1234)"],
        ["Lab (default)", "http://lab.org:8800", ""],
    ]
    assert again.executable.filePath() == "/opt/oq"
    assert again.starts.isChecked()
    # another name keeps the rest, and the default
    again.put(SavedConnection("Laboratory", "http://lab.org:8800"), "Lab")
    press(again, "remove", 0)
    again.apply()
    assert [c.name for c in connections.saved_connections()] == ["Laboratory"]
    assert connections.default_connection() == "Laboratory"
    press(again, "default", 0)
    again.apply()
    assert connections.default_connection() == ""


def test_test_says_what_one_may_do(page, server, monkeypatch):
    press(page, "test")
    assert page.status.text() == "Select a connection first."
    page.put(SavedConnection("Here", server.url))
    press(page, "test", 0)
    assert page.status.text() == (
        "OpenQuake Engine 3.26.2; no login is wanted, open to all; "
        "you may: run calculations, run a job.ini on its own disk, abort, delete."
    )
    assert page.isEnabled()
    page.put(SavedConnection("Here", "http://127.0.0.1:9"))
    press(page, "test", 0)
    assert page.status.text().startswith("No server answers at http://127.0.0.1:9 (connection")


def entered(page, **values) -> tuple[bool, str]:
    dialog = ConnectionDialog(SavedConnection("", "http://"), ["Lab"], page)
    dialog.name.setText(values.get("name", "New"))
    dialog.url.setText(values.get("url", "new.org:8800/"))
    dialog.ca_file.setFilePath(values.get("ca_file", ""))
    dialog.accept()
    return dialog.result() == options.QDialog.DialogCode.Accepted, dialog.problem.text()


def test_the_dialog_takes_nothing_that_cannot_be_used(page, tmp_path):
    assert entered(page) == (True, "")
    assert entered(page, name="lab") == (False, "There is a connection of this name.")
    assert entered(page, name=" ") == (False, "A connection needs a name, which is no address.")
    good, problem = entered(page, url="ftp://x")
    assert (good, "is not the address of a server" in problem) == (False, True)
    good, problem = entered(page, url="http://me:secret@x")
    assert not good
    assert problem.startswith("The address of x holds a user name or password")
    assert "secret" not in problem
    good, problem = entered(page, ca_file=str(tmp_path / "gone.pem"))
    assert (good, "cannot be read: No such file" in problem) == (False, True)


def test_the_dialog_gives_back_what_it_got(page):
    given = SavedConnection("Lab", "http://lab.org", "", "", 4, 80)
    dialog = ConnectionDialog(given, [], page)
    assert dialog.connection() == given
    assert dialog.answer_timeout.text() == "80 s"
    dialog.answer_timeout.setValue(0)
    assert dialog.answer_timeout.text() == "as usual"


def test_a_login_is_shown_by_its_name(page):
    number = store_login("alice", "pw", name="alice at the lab")
    page.put(SavedConnection("Lab", "http://lab.org", number))
    assert rows(page) == [["Lab", "http://lab.org", f"alice at the lab ({number})"]]
    QgsApplication.authManager().removeAuthenticationConfig(number)


def test_the_command_that_installs_an_engine_is_there():
    assert options.INSTALLER.is_file()


def test_what_cannot_be_stored_is_said(page, monkeypatch):
    said = []
    monkeypatch.setattr(options.QMessageBox, "critical", lambda *about: said.append(about[2]))
    monkeypatch.setattr(settings.QSettings, "status", lambda self: self.Status.AccessError)
    page.put(SavedConnection("Lab", "http://lab.org:8800"))
    page.apply()
    [message] = said
    assert message.startswith("The QGIS profile cannot be written (")
    assert connections.saved_connections() == []
