"""What the tests inside QGIS share: a profile of their own, and a way to run algorithms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers import read_export
from qgis.core import (
    QgsProcessingContext,
    QgsProject,
    QgsSettings,
    QgsVectorLayer,
)
from steering import Recorder
from writer import Writer

from oq_processing import settings
from oq_processing.engine.calculation import Calculation
from oq_processing.layers import metadata, sink, style
from oq_processing.layers.destination import Target

LOAD = "openquake:loadoutputaslayer"


@pytest.fixture(scope="session", autouse=True)
def profile(tmp_path_factory, qgis_app) -> Path:
    """The folder of QGIS' settings: never the caller's, nor the checkout."""
    folder = Path(os.environ["QGIS_CUSTOM_CONFIG_PATH"])
    assert folder.is_absolute()
    # a style database would be made in the working directory
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield folder
    os.chdir(before)


@pytest.fixture
def feedback() -> Recorder:
    return Recorder()


@pytest.fixture
def context(registry) -> QgsProcessingContext:
    return QgsProcessingContext()


@pytest.fixture
def run(registry, server, feedback, context):
    """A function that runs an algorithm and returns its results; SERVER is the real engine."""
    import processing

    def run(algorithm: str = LOAD, **parameters) -> dict:
        parameters = {"SERVER": server.url, **parameters}
        return processing.run(algorithm, parameters, feedback=feedback, context=context)

    return run


@pytest.fixture
def overridden(server):
    """A function that remembers a changed parameter of a calculation until the test ends."""
    before = set(QgsSettings().allKeys())

    def remember(calculation_id: int) -> dict[str, str]:
        changed = {"truncation_level": "2"}
        calculation = Calculation(calculation_id, "", "", "created")
        settings.remember_overrides(server.url, calculation, changed)
        return changed

    yield remember
    for key in set(QgsSettings().allKeys()) - before:
        QgsSettings().remove(key)


@pytest.fixture
def area(run, area_source):
    """A function that loads the hazard maps of the grid; in memory unless OUTPUT says otherwise."""

    def load(**parameters) -> dict:
        defaults = {
            "CALCULATION_ID": area_source,
            "OUTPUT_TYPE": "hmaps",
            "IMT": "PGA",
            "OUTPUT": "TEMPORARY_OUTPUT",
        }
        return run(LOAD, **{**defaults, **parameters})

    return load


@pytest.fixture
def project() -> Iterator[QgsProject]:
    project = QgsProject()
    yield project
    project.clear()


@pytest.fixture(scope="session")
def exported(client, tmp_path_factory):
    """A function that reads an output's CSV export: member → (header, rows of text)."""
    folder = tmp_path_factory.mktemp("exports")

    @cache
    def read(calculation_id: int, kind: str = "hmaps"):
        return read_export(client, calculation_id, kind, folder)

    return read


@pytest.fixture
def write(context):
    """A function that writes a table through an algorithm that has nothing but a sink."""
    algorithm = Writer.create(Writer())

    def write(table, output, finish=lambda *_: None, progress=lambda _: None):
        def describe(layer, first):
            metadata.describe(layer, table, first)
            assert (style.store(layer), metadata.store(layer)) == ("", "")
            finish(layer, first)

        target = Target(algorithm, {"OUTPUT": output}, "OUTPUT", context)
        return sink.write(target, table, describe, progress)

    return write


@pytest.fixture
def opened():
    """A function that opens a file anew, as a user does."""

    def open_file(path, table: str = "") -> QgsVectorLayer:
        source = f"{path}|layername={table}" if table else str(path)
        layer = QgsVectorLayer(source, "opened", "ogr")
        assert layer.isValid()
        layer.loadDefaultMetadata()
        return layer

    return open_file


@pytest.fixture
def window(qgis_iface):
    """The parts of QGIS's main window that dialogs of Processing ask for."""
    from qgis.gui import QgsBrowserGuiModel, QgsLayerTreeView

    model, tree = QgsBrowserGuiModel(), QgsLayerTreeView()
    qgis_iface.browserModel = lambda: model
    qgis_iface.layerTreeView = lambda: tree
    return qgis_iface
