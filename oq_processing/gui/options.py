"""The options page: saved connections and the engine on this computer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qgis.core import QgsApplication
from qgis.gui import (
    QgsAuthConfigSelect,
    QgsFileWidget,
    QgsOptionsPageWidget,
    QgsOptionsWidgetFactory,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .. import connections, settings
from ..algorithms.common.base import ICON
from ..algorithms.common.reporter import serve_events
from ..connections import SavedConnection
from ..diagnostics import routed
from ..engine.address import normalize_url
from ..engine.client import EngineClient
from ..engine.errors import EngineError
from ..engine.http.transport import Transport
from ..engine.wait import Wait
from ..i18n import tr

TITLE = "OpenQuake"
INSTALLER = Path(__file__).resolve().parents[1] / "install_engine.py"


class OptionsFactory(QgsOptionsWidgetFactory):
    """Offers the page to QGIS's options dialog."""

    def __init__(self) -> None:
        super().__init__()
        self.setTitle(TITLE)
        self.setIcon(QIcon(ICON))

    def icon(self) -> QIcon:
        return QIcon(ICON)

    def createWidget(self, parent: QWidget | None = None) -> OptionsPage:
        return OptionsPage(parent)


class OptionsPage(QgsOptionsPageWidget):
    """Saved connections with a default, and the engine on this computer.

    Nothing is stored before :meth:`apply`, as on all pages of the dialog.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._connections = connections.saved_connections()
        self._default = connections.default_connection()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([tr("Name"), tr("Address"), tr("Login")])
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.doubleClicked.connect(lambda _: self.edit())
        self.status = QLabel()
        self.status.setTextFormat(Qt.TextFormat.PlainText)  # it shows words of servers
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.executable = QgsFileWidget()
        self.executable.setFilePath(settings.engine_executable())
        self.executable.lineEdit().setPlaceholderText(tr("found by itself where it is usually"))
        self.starts = QCheckBox(tr("Start it when a run finds no server"))
        self.starts.setChecked(settings.starts_local_engine())
        self._lay_out()
        self._show_connections()

    def helpKey(self) -> str:
        return ""

    def _lay_out(self) -> None:
        self.buttons = {}
        row = QHBoxLayout()
        for name, text, action in (
            ("add", tr("Add…"), self.add),
            ("edit", tr("Edit…"), self.edit),
            ("remove", tr("Remove"), self.remove),
            ("default", tr("Use as Default"), self.make_default),
            ("test", tr("Test"), self.test),
        ):
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(lambda _, do=action: do())
            self.buttons[name] = button
            row.addWidget(button)
        row.addStretch()
        saved = QGroupBox(tr("Saved connections"))
        box = QVBoxLayout(saved)
        box.addWidget(self.table)
        box.addLayout(row)
        box.addWidget(self.status)
        here = QGroupBox(tr("Engine on this computer"))
        form = QFormLayout(here)
        form.addRow(tr("Command oq"), self.executable)
        form.addRow(self.starts)
        hint = QLabel(
            tr(
                "Started and stopped by the algorithms Start Local Engine and Stop Local Engine. "
                "Where none is installed, this installs one: {}"
            ).format(f"python3 {INSTALLER}")
        )
        hint.setWordWrap(True)
        hint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        form.addRow(hint)
        layout = QVBoxLayout(self)
        layout.addWidget(saved)
        layout.addWidget(here)

    def _show_connections(self, select: str = "") -> None:
        self.table.setRowCount(len(self._connections))
        logins = QgsApplication.authManager().availableAuthMethodConfigs()
        for i, connection in enumerate(self._connections):
            default = tr(" (default)") if connection.name == self._default else ""
            login = connection.authcfg
            if login:
                known = logins[login].name() if login in logins else tr("missing")
                login = f"{known} ({login})"
            texts = (connection.name + default, connection.url, login)
            for column, text in enumerate(texts):
                self.table.setItem(i, column, QTableWidgetItem(text))
            if connection.name == select:
                self.table.selectRow(i)

    def selected(self) -> SavedConnection | None:
        """Return the selected connection."""
        row = self.table.currentRow()
        return self._connections[row] if 0 <= row < len(self._connections) else None

    def add(self) -> None:
        """Ask for a new connection."""
        self._ask(SavedConnection("", "http://"))

    def edit(self) -> None:
        """Change the selected connection."""
        if (connection := self.selected()) is not None:
            self._ask(connection)

    def _ask(self, connection: SavedConnection) -> None:
        dialog = ConnectionDialog(connection, [c.name for c in self._connections], self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.put(dialog.connection(), connection.name)

    def put(self, connection: SavedConnection, before: str = "") -> None:
        """Put a connection into the list, in place of the one called ``before``."""
        kept = [c for c in self._connections if c.name not in (before, connection.name)]
        self._connections = sorted([*kept, connection], key=lambda c: c.name.lower())
        if before and before == self._default:
            self._default = connection.name
        self._show_connections(connection.name)

    def remove(self) -> None:
        """Take the selected connection off the list."""
        if (connection := self.selected()) is not None:
            self._connections.remove(connection)
            if self._default == connection.name:
                self._default = ""
            self._show_connections()

    def make_default(self) -> None:
        """Use the selected connection where nothing else is said; pressed again, none."""
        if (connection := self.selected()) is not None:
            self._default = "" if self._default == connection.name else connection.name
            self._show_connections(connection.name)

    def test(self) -> None:
        """Ask the selected server what it is, and what the user may do there."""
        connection = self.selected()
        if connection is None:
            self.status.setText(tr("Select a connection first."))
            return
        self.status.setText(tr("Asking {}…").format(connection.url))
        self.setEnabled(False)
        try:
            self.status.setText(describe(connection))
        finally:
            self.setEnabled(True)

    def apply(self) -> None:
        try:
            self._store()
        except EngineError as error:  # an exception here would end QGIS
            QMessageBox.critical(self, tr("OpenQuake"), str(error))

    def _store(self) -> None:
        wanted = {c.name for c in self._connections}
        for old in connections.saved_connections():
            if old.name not in wanted:
                connections.remove_connection(old.name)
        for connection in self._connections:
            connections.save_connection(connection)
        connections.set_default_connection(self._default)
        settings.set_engine_executable(self.executable.filePath().strip())
        settings.set_starts_local_engine(self.starts.isChecked())


def describe(connection: SavedConnection) -> str:
    """Return what a server says of itself and of the user, or why it cannot be asked."""
    try:
        resolved = connections.of_saved(connection)
        # the window lives on while we wait
        transport = Transport(Wait(idle=serve_events), resolved.network)
        try:
            with routed():
                return str(EngineClient(resolved.url, transport, resolved.credentials).abilities())
        finally:
            transport.close()
    except EngineError as error:
        return str(error)


class ConnectionDialog(QDialog):
    """Asks for the parts of a connection; accepts nothing that could not be used."""

    def __init__(self, connection: SavedConnection, taken: list[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Connection to an OpenQuake Engine"))
        self._before = connection
        self._taken = {name.lower() for name in taken} - {connection.name.lower()}
        self.name = QLineEdit(connection.name)
        self.url = QLineEdit(connection.url)
        self.url.setPlaceholderText("https://host:port/prefix")
        self.authcfg = QgsAuthConfigSelect(self)
        self.authcfg.setConfigId(connection.authcfg)
        self.ca_file = QgsFileWidget()
        self.ca_file.setFilePath(connection.ca_file)
        self.connect_timeout = _seconds(connection.connect_timeout)
        self.answer_timeout = _seconds(connection.answer_timeout)
        self.problem = QLabel()
        self.problem.setTextFormat(Qt.TextFormat.PlainText)  # it shows words of servers
        self.problem.setWordWrap(True)
        self.authcfg.setToolTip(tr("User name and password: a configuration of the method Basic"))
        self.ca_file.lineEdit().setPlaceholderText(
            tr("PEM file, for servers of a private authority")
        )
        form = QFormLayout()
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Address"), self.url)
        form.addRow(tr("Login (Basic)"), self.authcfg)
        form.addRow(tr("CA file"), self.ca_file)
        form.addRow(tr("Longest wait to connect"), self.connect_timeout)
        form.addRow(tr("Longest wait for an answer"), self.answer_timeout)
        kind = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(kind.Ok | kind.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)
        self.resize(560, self.sizeHint().height())

    def connection(self) -> SavedConnection:
        """Return what was entered."""
        return replace(
            self._before,
            name=self.name.text().strip(),
            url=self.url.text().strip(),
            authcfg=self.authcfg.configId(),
            ca_file=self.ca_file.filePath().strip(),
            connect_timeout=self.connect_timeout.value(),
            answer_timeout=self.answer_timeout.value(),
        )

    def accept(self) -> None:
        entered = self.connection()
        try:
            url = normalize_url(entered.url)
            connections.check_name(entered.name)
            connections.trusted_authorities(entered.ca_file)
        except EngineError as error:
            self.problem.setText(str(error))
            return
        if entered.name.lower() in self._taken:
            self.problem.setText(tr("There is a connection of this name."))
            return
        self.url.setText(url)
        super().accept()


def _seconds(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, 86_400)
    box.setDecimals(0)
    box.setSuffix(tr(" s"))
    box.setSpecialValueText(tr("as usual"))
    box.setValue(value)
    return box
