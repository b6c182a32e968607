"""An error that nobody has foreseen, by qgis_process: a sentence that says where the rest is."""

from __future__ import annotations

FAULT = """
from oq_processing.algorithms.startlocalengine import StartLocalEngine


def fail(*_):
    raise KeyError("planted")


class Plugin:
    def initProcessing(self):
        StartLocalEngine.validate = fail


def classFactory(iface):
    return Plugin()
"""
ABOUT = """[general]
name=A fault
description=A fault
version=1
qgisMinimumVersion=3.22
author=tests
email=tests@example.org
hasProcessingProvider=yes
"""


def test_an_error_that_nobody_has_foreseen(qgis_process, tmp_path):
    plugin = tmp_path / "plugins" / "zz_fault"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(FAULT)
    (plugin / "metadata.txt").write_text(ABOUT)
    settings = tmp_path / "profiles" / "default" / "QGIS"
    settings.mkdir(parents=True)
    for version in (3, 4):
        text = "[PythonPlugins]\noq_processing=true\nzz_fault=true\n"
        (settings / f"QGIS{version}.ini").write_text(text)
    places = {"QGIS_CUSTOM_CONFIG_PATH": str(tmp_path), "QGIS_PLUGINPATH": str(plugin.parent)}
    run = type(qgis_process)({**qgis_process.environment, **places}, tmp_path)
    done = run("openquake:startlocalengine")
    assert done.code == 1
    said = done.err.splitlines()
    assert said[-1].strip() == (
        "Internal error in Start Local Engine: KeyError: 'planted'. The traceback is above this "
        "line; to save it, add 2> error.txt to the command."
    )
    begin = said.index("Traceback (most recent call last):")
    assert said[begin - 1].startswith("Start Local Engine, QGIS 3.")
    assert '    raise KeyError("planted")' in said[begin:]
