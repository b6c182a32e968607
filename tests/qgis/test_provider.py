"""The scripting API: ids and names that scripts and models rely on never change."""

import re

import pytest
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingModelAlgorithm,
    QgsProcessingParameterDefinition,
)

PARAMETERS = {
    "runcalculation": {
        "JOB",
        "JOB_INI",
        "EXTRA_FILES",
        "HAZARD_CALCULATION_ID",
        "PARAMETERS",
        "JOB_ON_SERVER",
        "WAIT",
        "FAIL_ON_FAILED",
        "LOG",
        "SERVER",
        "AUTHCFG",
    },
    "loadoutputaslayer": {
        "CALCULATION_ID",
        "OUTPUT_TYPE",
        "KIND",
        "IMT",
        "POE",
        "MEMBER",
        "LONG_FORMAT",
        "GEOMETRY",
        "STYLE_FIELD",
        "CLASSIFICATION",
        "CLASSES",
        "CLASS_BREAKS",
        "COLOR_RAMP",
        "INVERT_RAMP",
        "OUTPUT",
        "SERVER",
        "AUTHCFG",
    },
}
OUTPUTS = {
    "runcalculation": {"CALCULATION_ID", "STATUS", "LOG", "SERVER"},
    "loadoutputaslayer": {"OUTPUT", "COUNT", "STYLED_FIELD"},
}
GROUPS = {"calculations": "Calculations", "outputs": "Outputs", "engine": "Engine"}


@pytest.fixture
def provider(registry):
    return registry.providerById("openquake")


@pytest.fixture
def algorithms(provider):
    # the models have tests of their own
    found = [a for a in provider.algorithms() if not isinstance(a, QgsProcessingModelAlgorithm)]
    assert len(found) >= 2
    return found


def test_provider(provider):
    assert (provider.id(), provider.name(), provider.longName()) == (
        "openquake",
        "OpenQuake",
        "OpenQuake Engine",
    )
    assert not provider.icon().isNull()
    assert provider.defaultVectorFileExtension() == "gpkg"
    assert re.fullmatch(r"\d+\.\d+\.\d+", provider.versionInfo())


@pytest.mark.parametrize("name", PARAMETERS)
def test_names_never_change(registry, name):
    algorithm = registry.algorithmById(f"openquake:{name}")
    # what later output types add may come, what there is stays
    assert PARAMETERS[name] <= {d.name() for d in algorithm.parameterDefinitions()}
    assert OUTPUTS[name] <= {d.name() for d in algorithm.outputDefinitions()}


def test_groups(registry, algorithms):
    for algorithm in algorithms:
        if not algorithm.id().startswith("openquake:") or algorithm.groupId() not in GROUPS:
            raise AssertionError((algorithm.id(), algorithm.groupId()))
        assert algorithm.group() == GROUPS[algorithm.groupId()]
    group = {name: registry.algorithmById(f"openquake:{name}").groupId() for name in PARAMETERS}
    assert group == {"runcalculation": "calculations", "loadoutputaslayer": "outputs"}


def test_display_names(registry):
    assert registry.algorithmById("openquake:runcalculation").displayName() == "Run Calculation"
    load = registry.algorithmById("openquake:loadoutputaslayer")
    assert load.displayName() == "Load Output as Layer"


def test_every_algorithm_explains_itself(algorithms):
    for algorithm in algorithms:
        assert re.fullmatch(r"[a-z]+", algorithm.name())
        assert len(algorithm.shortHelpString()) > 40, algorithm.id()
        assert algorithm.helpUrl().startswith("https://")
        assert {"openquake", "earthquake", "hazard", "risk"} <= set(algorithm.tags())
        assert not algorithm.icon().isNull()
        for definition in algorithm.parameterDefinitions():
            assert re.fullmatch(r"[A-Z][A-Z_]*", definition.name()), definition.name()
            sink = definition.type() in ("sink", "fileDestination", "folderDestination")
            assert definition.description()
            assert sink or definition.help(), (algorithm.id(), definition.name())
        for definition in algorithm.outputDefinitions():
            assert re.fullmatch(r"[A-Z][A-Z_]*", definition.name()), definition.name()


def test_servers_can_be_chosen_wherever_one_is_talked_to(algorithms):
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    optional = QgsProcessingParameterDefinition.Flag.FlagOptional
    for algorithm in algorithms:
        for name in {"SERVER", "AUTHCFG"} & {d.name() for d in algorithm.parameterDefinitions()}:
            flags = algorithm.parameterDefinition(name).flags()
            assert flags & advanced
            assert flags & optional
    for name in PARAMETERS:
        found = next(a for a in algorithms if a.name() == name)
        assert found.parameterDefinition("SERVER").defaultValue() is None


def test_instances_are_new_and_flags_plain(algorithms):
    plain = QgsProcessingAlgorithm.Flag
    for algorithm in algorithms:
        first, second = algorithm.create(), algorithm.create()
        assert first is not second
        assert type(first) is type(algorithm)
        assert first.createInstance() is not first
        assert algorithm.flags() & plain.FlagCanCancel
        if algorithm.name() in PARAMETERS:
            assert not algorithm.flags() & plain.FlagNoThreading
        assert not algorithm.flags() & plain.FlagHideFromToolbox


def test_calculations_have_no_default(registry):
    definition = registry.algorithmById("openquake:loadoutputaslayer").parameterDefinition(
        "CALCULATION_ID"
    )
    assert definition.defaultValue() is None
    assert definition.minimum() < 0


def test_words_of_the_enums(registry):
    load = registry.algorithmById("openquake:loadoutputaslayer")
    classification = load.parameterDefinition("CLASSIFICATION")
    assert classification.usesStaticStrings()
    assert classification.options() == [
        "standard",
        "logarithmic",
        "equal-interval",
        "quantile",
        "jenks",
        "pretty",
    ]
    geometry = load.parameterDefinition("GEOMETRY")
    assert geometry.usesStaticStrings()
    assert geometry.options() == ["auto", "point", "polygon", "line", "cell", "none"]
    assert geometry.defaultValue() == "auto"
