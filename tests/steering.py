"""What the tests of the steering algorithms inside QGIS share: to run one and keep what it says.

::

    done = call("openquake:listcalculations", SERVER=fake.url, OUTPUT="TEMPORARY_OUTPUT")
    done.results["COUNT"], done.rows(), done.feedback.texts("warning")
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsAuthMethodConfig,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import NULL, QEventLoop, Qt, QTimer


class Recorder(QgsProcessingFeedback):
    """Keeps all that an algorithm says, in order, with the time it was said."""

    def __init__(self) -> None:
        super().__init__(False)
        self.said: list[tuple[float, str, str]] = []
        self.percents: list[float] = []
        # direct: in the order of things, whatever thread they happen on
        self.progressChanged.connect(self.percents.append, Qt.ConnectionType.DirectConnection)

    def _keep(self, kind: str, text: str) -> None:
        self.said.append((time.monotonic(), kind, text))

    def setProgressText(self, text):  # noqa: N802
        self._keep("phase", text)

    def pushInfo(self, info):  # noqa: N802
        self._keep("info", info)

    def pushWarning(self, warning):  # noqa: N802
        self._keep("warning", warning)

    def pushConsoleInfo(self, info):  # noqa: N802
        self._keep("console", info)

    def pushDebugInfo(self, info):  # noqa: N802
        self._keep("debug", info)

    def reportError(self, error, fatalError=False):  # noqa: N802, N803
        self._keep("error", error)

    def texts(self, *kinds: str) -> list[str]:
        return [text for _, kind, text in self.said if not kinds or kind in kinds]

    @property
    def infos(self) -> list[str]:
        return self.texts("info")

    @property
    def warnings(self) -> list[str]:
        return self.texts("warning")

    @property
    def errors(self) -> list[str]:
        return self.texts("error")

    @property
    def phases(self) -> list[str]:
        return self.texts("phase")

    def has(self, words: str) -> bool:
        return any(words in text for text in self.texts())

    def when(self, words: str) -> float:
        return next(moment for moment, _, text in self.said if words in text)

    def log_lines(self) -> list[str]:
        """The lines of the engine's log that were shown."""
        return [text for text in self.texts("console", "warning", "error") if text[:2] == "[2"]

    def is_executing(self) -> bool:
        """Whether the calculation has left the queue; a stage may be shown at once."""
        phases = self.phases
        return bool(phases) and "Calculation" in phases[-1] and "Queued" not in phases[-1]

    def calculation_id(self) -> int:
        """The last calculation that was submitted."""
        said = [text for text in self.infos if " submitted to " in text]
        return int(said[-1].split()[1])


@dataclass
class Done:
    """What came of a run that ended well."""

    results: dict
    feedback: Recorder
    context: QgsProcessingContext

    def layer(self, name: str = "OUTPUT") -> QgsVectorLayer:
        return QgsProcessingUtils.mapLayerFromString(self.results[name], self.context)

    def rows(self) -> list[dict]:
        """The table's rows, without the key that a GeoPackage adds."""
        names = [f.name() for f in self.layer().fields() if f.name() != "fid"]
        return [{n: plain(f[n]) for n in names} for f in self.layer().getFeatures()]


def plain(value):
    return None if value == NULL else value


def call(
    algorithm: str,
    feedback: Recorder | None = None,
    context: QgsProcessingContext | None = None,
    **parameters,
) -> Done:
    """Run on this thread, as scripts and qgis_process do; raise what the algorithm raises."""
    feedback = feedback or Recorder()
    context = context or QgsProcessingContext()
    found = QgsApplication.processingRegistry().algorithmById(algorithm)
    fits, reason = found.checkParameterValues(parameters, context)
    if not fits:
        raise QgsProcessingException(reason)
    results, ok = found.run(parameters, context, feedback, {}, False)
    assert ok, feedback.texts("error")
    # a model offers what is declared, and nothing else
    assert set(results) <= {output.name() for output in found.outputDefinitions()}
    return Done(results, feedback, context)


def failing(algorithm: str, feedback: Recorder | None = None, **parameters) -> str:
    """Run what cannot work; return the sentence."""
    try:
        call(algorithm, feedback, **parameters)
    except QgsProcessingException as error:
        # what pytest.raises keeps leads to layers, which must not be closed after QGIS has ended
        return str(error)
    pytest.fail(f"{algorithm} did not fail")


class When:
    """Does something once, from a timer of the main thread, as soon as a condition holds."""

    def __init__(self, condition, action) -> None:
        self.at = 0.0
        self._condition = condition
        self._action = action
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(10)

    def _look(self) -> None:
        if not self.at and self._condition():
            self._timer.stop()
            self.at = time.monotonic()
            self._action()


def spin(until, seconds: float = 60.0) -> None:
    """Run the main thread's event loop until it is so."""
    loop = QEventLoop()
    timer = QTimer()
    end = time.monotonic() + seconds
    timer.timeout.connect(lambda: (until() or time.monotonic() > end) and loop.quit())
    timer.start(20)
    loop.exec_()
    timer.stop()
    assert until(), "it did not happen in time"


def model_result(child: str, title: str) -> str:
    """Return the name of a result of a model that is made here, not read from a file."""
    return f"{child}:{title}" if Qgis.QGIS_VERSION_INT < 34000 else title.lower()


def store_login(user: str, password: str, method: str = "Basic", name: str = "") -> str:
    """Store a user in QGIS's authentication database; return the configuration's id."""
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("master-of-the-tests", True)
    config = QgsAuthMethodConfig(method)
    config.setName(name or user)
    config.setConfig("username", user)
    config.setConfig("password", password)
    stored, config = manager.storeAuthenticationConfig(config)
    assert stored
    return config.id()
