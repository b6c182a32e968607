"""What every algorithm has, also one that is added; ids and names: test_promise.py."""

import re
from pathlib import Path

import pytest
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingModelAlgorithm,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtCore import QUrl

import oq_processing


@pytest.fixture
def provider(registry):
    return registry.providerById("openquake")


@pytest.fixture
def algorithms(provider):
    # the models have tests of their own
    return [a for a in provider.algorithms() if not isinstance(a, QgsProcessingModelAlgorithm)]


def test_provider(provider):
    assert (provider.id(), provider.name(), provider.longName()) == (
        "openquake",
        "OpenQuake",
        "OpenQuake Engine",
    )
    assert not provider.icon().isNull()
    assert provider.defaultVectorFileExtension() == "gpkg"
    assert re.fullmatch(r"\d+\.\d+\.\d+", provider.versionInfo())


def test_every_algorithm_explains_itself(algorithms):
    for algorithm in algorithms:
        assert re.fullmatch(r"[a-z]+", algorithm.name())
        assert len(algorithm.shortHelpString()) > 40, algorithm.id()
        assert {"openquake", "earthquake", "hazard", "risk"} <= set(algorithm.tags())
        assert not algorithm.icon().isNull()
        for definition in algorithm.parameterDefinitions():
            assert re.fullmatch(r"[A-Z][A-Z_]*", definition.name()), definition.name()
            sink = definition.type() in ("sink", "fileDestination", "folderDestination")
            assert definition.description()
            assert sink or definition.help(), (algorithm.id(), definition.name())
        for definition in algorithm.outputDefinitions():
            assert re.fullmatch(r"[A-Z][A-Z_]*", definition.name()), definition.name()


def test_help_opens_a_page_on_this_computer(provider):
    """Of models too; without an address QGIS would look for one in its own manual, in the web."""
    for algorithm in provider.algorithms():
        url = QUrl(algorithm.helpUrl())
        assert url.isLocalFile(), algorithm.id()
        page = Path(url.toLocalFile())
        assert page.parent == Path(oq_processing.__file__).parent / "help"
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_servers_can_be_chosen_wherever_one_is_talked_to(algorithms):
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    optional = QgsProcessingParameterDefinition.Flag.FlagOptional
    for algorithm in algorithms:
        for name in {"SERVER", "AUTHCFG"} & {d.name() for d in algorithm.parameterDefinitions()}:
            flags = algorithm.parameterDefinition(name).flags()
            assert flags & advanced
            assert flags & optional
            assert algorithm.parameterDefinition(name).defaultValue() is None


def test_instances_are_new_and_flags_plain(algorithms):
    plain = QgsProcessingAlgorithm.Flag
    for algorithm in algorithms:
        first, second = algorithm.create(), algorithm.create()
        assert first is not second
        assert type(first) is type(algorithm)
        assert first.createInstance() is not first
        assert algorithm.flags() & plain.FlagCanCancel
        # what works on the user's own layer must do so where that layer lives
        in_place = algorithm.name() == "stylelayer"
        assert bool(algorithm.flags() & plain.FlagNoThreading) is in_place
        assert not algorithm.flags() & plain.FlagHideFromToolbox
