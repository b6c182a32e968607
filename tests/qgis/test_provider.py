"""The scripting API: ids and names that scripts and models rely on never change."""

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

SERVED = "SERVER AUTHCFG"
RUN = f"JOB_INI EXTRA_FILES PARAMETERS JOB_ON_SERVER WAIT FAIL_ON_FAILED LOG {SERVED}"
STYLE = "STYLE_FIELD CLASSIFICATION CLASSES CLASS_BREAKS COLOR_RAMP INVERT_RAMP"
CHOICES = (
    "KIND IMT POE LOSS_TYPE EVENT_ID RUPTURE_ID RETURN_PERIOD EP_TYPE MIN_MAGNITUDE TAXONOMY "
    "TAG_FILTER MEMBER"
)
RAN = "CALCULATION_ID STATUS LOG SERVER"

ALGORITHMS = {
    "runcalculation": (
        ("calculations", "Run Calculation"),
        f"JOB HAZARD_CALCULATION_ID {RUN}",
        RAN,
    ),
    "runriskonhazard": (
        ("calculations", "Run Risk on Hazard"),
        f"HAZARD_CALCULATION_ID JOB {RUN}",
        f"{RAN} HAZARD_CALCULATION_ID",
    ),
    "waitforcalculation": (
        ("calculations", "Wait for Calculation"),
        f"CALCULATION_ID MAX_WAIT FAIL_ON_FAILED LOG {SERVED}",
        RAN,
    ),
    "listcalculations": (
        ("calculations", "List Calculations"),
        f"STATUS MODE DESCRIPTION OWNER LIMIT INCLUDE_HIDDEN OUTPUT {SERVED}",
        "OUTPUT COUNT LATEST_ID",
    ),
    "getlog": (
        ("calculations", "Get Log"),
        f"CALCULATION_ID LEVEL FOLLOW OUTPUT {SERVED}",
        "OUTPUT LINES STATUS",
    ),
    "hidecalculation": (
        ("calculations", "Hide Calculation"),
        f"CALCULATION_ID HIDE {SERVED}",
        "CALCULATION_ID",
    ),
    "abortcalculation": (
        ("calculations", "Abort Calculation"),
        f"CALCULATION_ID {SERVED}",
        "CALCULATION_ID STATUS",
    ),
    "deletecalculation": (
        ("calculations", "Delete Calculation Permanently"),
        f"CALCULATION_ID CONFIRM {SERVED}",
        "CALCULATION_ID",
    ),
    "calculationparameters": (
        ("calculations", "Show Parameters"),
        f"CALCULATION_ID OUTPUT {SERVED}",
        "OUTPUT",
    ),
    "calculationreport": (
        ("outputs", "Show Full Report"),
        f"CALCULATION_ID OUTPUT {SERVED}",
        "OUTPUT",
    ),
    "listoutputs": (
        ("outputs", "List Outputs"),
        f"CALCULATION_ID OUTPUT {SERVED}",
        "OUTPUT COUNT",
    ),
    "downloadoutput": (
        ("outputs", "Download Output"),
        f"CALCULATION_ID OUTPUT_TYPE FORMAT FOLDER {SERVED}",
        "OUTPUT FOLDER",
    ),
    "loadoutputaslayer": (
        ("outputs", "Load Output as Layer"),
        f"CALCULATION_ID OUTPUT_TYPE {CHOICES} AGGREGATE_BY_SITE LONG_FORMAT GEOMETRY {STYLE} "
        f"OUTPUT OUTPUT_LINES {SERVED}",
        "OUTPUT OUTPUT_LINES COUNT STYLED_FIELD",
    ),
    "plotoutput": (
        ("outputs", "Plot Output"),
        f"CALCULATION_ID OUTPUT_TYPE {CHOICES} SITE SITE_ID ASSET_ID OUTPUT DATA {SERVED}",
        "OUTPUT DATA",
    ),
    "stylelayer": (("outputs", "Style Layer"), f"INPUT {STYLE}", "OUTPUT STYLED_FIELD"),
    "joinbytag": (
        ("outputs", "Join by Tag"),
        "CALCULATION_ID OUTPUT_TYPE ZONES ZONE_FIELD TAG KIND LOSS_TYPE RETURN_PERIOD EP_TYPE "
        f"TAG_FILTER {STYLE} OUTPUT {SERVED}",
        "OUTPUT COUNT STYLED_FIELD",
    ),
    "sumbyzone": (
        ("outputs", "Sum by Zone"),
        f"INPUT ZONES FIELDS {STYLE} OUTPUT",
        "OUTPUT IN_NO_ZONE IN_SEVERAL STYLED_FIELD",
    ),
    "startlocalengine": (
        ("engine", "Start Local Engine"),
        "EXECUTABLE PORT",
        "SERVER VERSION",
    ),
    "stoplocalengine": (("engine", "Stop Local Engine"), "ABORT_RUNNING", "SERVER VERSION"),
}
"""Group and display name, parameters, outputs."""

GROUPS = {"calculations": "Calculations", "outputs": "Outputs", "engine": "Engine"}


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


def test_none_is_missing(algorithms):
    assert {a.name() for a in algorithms} == set(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_names_never_change(registry, name):
    algorithm = registry.algorithmById(f"openquake:{name}")
    (group, shown), parameters, outputs = ALGORITHMS[name]
    assert (algorithm.groupId(), algorithm.displayName()) == (group, shown)
    assert algorithm.group() == GROUPS[group]
    # what is added later may come, what there is stays
    assert set(parameters.split()) <= {d.name() for d in algorithm.parameterDefinitions()}
    assert set(outputs.split()) <= {d.name() for d in algorithm.outputDefinitions()}


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
