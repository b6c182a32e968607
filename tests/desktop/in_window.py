"""Runs inside the QGIS window that test_package.py opens: installs, uses and removes the zip."""

import json
import os
import traceback
from pathlib import Path

import processing
import pyplugin_installer
import qgis.utils
from qgis.core import QgsApplication, QgsProject, QgsSettings
from qgis.PyQt.QtCore import QEventLoop, QTimer
from qgis.utils import iface

NAME = "oq_processing"
ENABLED = f"PythonPlugins/{NAME}"
PLUGINS = Path(QgsApplication.qgisSettingsDirPath()) / "python" / "plugins"
job = json.loads(Path(os.environ["PACKAGE_TEST"]).read_text())
seen: dict = {"errors": []}


def wait_until(condition):
    """Let the window live until the condition is true, for half a minute at most."""
    loop = QEventLoop()
    look, end = QTimer(), QTimer()
    look.timeout.connect(lambda: condition() and loop.quit())
    end.timeout.connect(loop.quit)
    look.start(50)
    end.start(30_000)
    loop.exec()
    return condition()


def run(algorithm, parameters):
    """Run an algorithm as a user does, in its dialog."""
    dialog = processing.createAlgorithmDialog(algorithm, parameters)
    dialog.show()
    dialog.runButton().click()
    wait_until(dialog.wasExecuted)
    results = dialog.results()
    dialog.close()
    return {k: v for k, v in results.items() if isinstance(v, (int, float, str))}


def note(step):
    """Note what there is after a step, and the messages that it has left in the window."""
    provider = QgsApplication.processingRegistry().providerById("openquake")
    known = QgsSettings().contains(ENABLED)
    bar = iface.messageBar()
    seen[step] = {
        "algorithms": len(provider.algorithms()) if provider else None,
        "version": provider.versionInfo() if provider else None,
        "enabled": QgsSettings().value(ENABLED, None, bool) if known else None,
        "files": (PLUGINS / NAME).exists(),
        "messages": [item.text() for item in bar.items() if item.title() == "OpenQuake"],
    }
    bar.clearWidgets()


def enable(on):
    """Do what the box in the plugin manager does."""
    if on:
        qgis.utils.loadPlugin(NAME)
        qgis.utils.startPlugin(NAME)
    else:
        qgis.utils.unloadPlugin(NAME)
    QgsSettings().setValue(ENABLED, on)


def steps():
    installer = pyplugin_installer.instance()
    note("before")
    installer.installFromZipFile(job["zip"])
    note("installed")
    seen["algorithm"] = run("openquake:listcalculations", job["algorithm"])
    seen["model"] = run("openquake:hazardraster", job["model"])
    enable(False)
    note("disabled")
    enable(True)
    note("enabled")
    Path(job["record"] + ".later").rename(job["record"])  # a local engine runs from here on
    enable(False)
    note("disabled with an engine")
    enable(True)
    note("enabled with an engine")
    installer.installFromZipFile(job["zip"])
    note("installed again")
    installer.uninstallPlugin(NAME, quiet=True)
    note("uninstalled")
    installer.installFromZipFile(job["zip"])  # the window is closed with plugin and engine
    note("installed anew")


def go():
    try:
        steps()
    except BaseException:
        seen["errors"].append(traceback.format_exc())
    Path(job["seen"]).write_text(json.dumps(seen))
    QgsProject.instance().clear()
    QTimer.singleShot(0, iface.actionExit().trigger)


def show_exception(kind, value, trace, message, *_args, **_kwargs):
    seen["errors"].append("".join(traceback.format_exception(kind, value, trace)))


qgis.utils.showException = show_exception
QTimer.singleShot(0, go)
