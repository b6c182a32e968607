"""What scripts, models and layers of users rely on, written down: ``golden/promise.json``.

Two parts: ``algorithms`` (ids, parameters with type, flags, default and options, results) and
``fields`` (names and types of the fields of one output of each family). ``script/make_golden.py``
writes the file; tests/qgis/test_promise.py compares it exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from replay import Replay
from steering import call

from oq_processing.layers import metadata

GOLDEN = Path(__file__).parent / "golden" / "promise.json"
ON_PURPOSE = """\
Users' scripts and models rely on this. An addition that is meant: script/make_golden writes
tests/golden/promise.json anew; read what has changed there, and name it in CHANGELOG.md."""
UNKNOWN = """\
The recorded answers of the engine lack what is asked now: {}
script/make_golden answers records anew."""
FAILED = "failed: "
WIDTH = 100  # of a line in the file

_FLAGS = {
    word: getattr(QgsProcessingParameterDefinition.Flag, f"Flag{word.title()}")
    for word in ("optional", "advanced", "hidden")
}
_SOURCES = {
    word: getattr(QgsProcessing.SourceType, f"Type{word}")
    for word in (
        *("VectorAnyGeometry", "VectorPoint", "VectorLine", "VectorPolygon"),
        *("Vector", "Raster", "File", "MapLayer"),
    )
}


# --- algorithms


def algorithms() -> dict:
    """Return what each algorithm and model of the provider promises, by id."""
    provider = QgsApplication.processingRegistry().providerById("openquake")
    return {a.id(): algorithm(a) for a in sorted(provider.algorithms(), key=lambda a: a.id())}


def algorithm(found) -> dict:
    """Return what an algorithm promises."""
    return {
        "group": found.groupId(),
        "parameters": {d.name(): _parameter(d) for d in found.parameterDefinitions()},
        "outputs": {d.name(): d.type() for d in found.outputDefinitions()},
    }


def _parameter(definition) -> dict:
    flags = [word for word, flag in _FLAGS.items() if definition.flags() & flag]
    found = {"type": definition.type(), "flags": " ".join(flags)}
    # QGIS 3.44 reads an empty text of a model's file as none; both mean "nothing"
    found["default"] = None if definition.defaultValue() == "" else definition.defaultValue()
    if isinstance(definition, QgsProcessingParameterNumber):
        integer = definition.dataType() == QgsProcessingParameterNumber.Type.Integer
        found["number"] = "integer" if integer else "real"
        # QGIS has limits also where we set none
        found.update({n: v for n, v in _limits(definition) if abs(v) < 2**31 - 1})
    if isinstance(definition, QgsProcessingParameterFile):
        is_file = definition.behavior() == QgsProcessingParameterFile.Behavior.File
        found["behavior"] = "file" if is_file else "folder"
    for name in ("options", "allowMultiple", "usesStaticStrings", "createByDefault"):
        if hasattr(definition, name):
            found[name] = getattr(definition, name)()
    if hasattr(definition, "parentLayerParameterName"):
        found["of"] = definition.parentLayerParameterName()
    if hasattr(definition, "dataTypes"):
        found["data"] = [_source(kind) for kind in definition.dataTypes()]
    elif definition.type() == "sink":
        found["data"] = [_source(definition.dataType())]
    elif definition.type() == "multilayer":
        found["data"] = [_source(definition.layerType())]
    elif definition.type() == "fileDestination":
        found["extension"] = definition.defaultFileExtension()
    return found


def _limits(definition) -> list[tuple[str, float]]:
    return [("minimum", definition.minimum()), ("maximum", definition.maximum())]


def _source(kind) -> str:
    return next(word for word, value in _SOURCES.items() if value == kind)


# --- fields

LOADED = {
    "grid": "hcurves hmaps uhs",
    "by source": "mean_rates_by_src",
    "conditional spectrum": "cs-stats",
    "median spectrum": "median_spectra median_spectrum_disagg",
    "disaggregation": "disagg-rlzs disagg-stats realizations site_model",
    "event based": "aggcurves aggcurves-stats aggrisk aggrisk-stats avg_losses-rlzs "
    "avg_losses-stats event_based_mfd events exposure gmf_data hmaps-stats risk_by_event ruptures "
    "src_loss_table",
    "reinsurance": "avg_losses_by reinsurance-aggcurves reinsurance-avg_policy "
    "reinsurance-avg_portfolio reinsurance-risk_by_event",
    "damage by tag": "damages-rlzs",
    "scenario damage": "avg_gmf damages-stats",
    "classical risk": "loss_curves-rlzs loss_curves-stats loss_maps-stats",
    "benefit and cost": "bcr-rlzs bcr-stats",
    "supply": "infra-avg_loss infra-dem_cl infra-event_ccl infra-event_efl infra-event_pcl "
    "infra-event_wcl infra-node_el",
    "roads": "infra-taz_cl",
    "volcano": "agg_risk asset_risk",
}
"""Output types by the case that has them."""

VARIANTS = {
    "aggrisk MEMBER": ("damage by tag", {"OUTPUT_TYPE": "aggrisk", "MEMBER": "county-taxonomy"}),
    "avg_losses-rlzs AGGREGATE_BY_SITE": (
        "event based",
        {"OUTPUT_TYPE": "avg_losses-rlzs", "AGGREGATE_BY_SITE": True, "KIND": "rlz-0"},
    ),
    "disagg-stats MEMBER": ("disaggregation", {"OUTPUT_TYPE": "disagg-stats", "MEMBER": "Mag"}),
    "gmf_data EVENT_ID": ("event based", {"OUTPUT_TYPE": "gmf_data", "EVENT_ID": "1"}),
    "hcurves LONG_FORMAT": (
        "by source",
        {"OUTPUT_TYPE": "hcurves", "LONG_FORMAT": True, "IMT": "PGA", "KIND": "all"},
    ),
    "hmaps KIND": ("by source", {"OUTPUT_TYPE": "hmaps", "KIND": "all,rlz-1", "IMT": "PGA"}),
    "hmaps LONG_FORMAT": ("by source", {"OUTPUT_TYPE": "hmaps", "LONG_FORMAT": True}),
    "ruptures GEOMETRY": ("event based", {"OUTPUT_TYPE": "ruptures", "GEOMETRY": "point"}),
}
"""Choices that name fields in a way of their own."""

Example = tuple[str, dict, str]
"""An algorithm, its parameters, and the sink that is looked at."""


def examples(server: Replay, folder: Path) -> dict[str, Example]:
    """Return an example of each family of outputs, and of each algorithm that makes a table.

    ``folder`` is for files that examples read and write.
    """
    load = "openquake:loadoutputaslayer"
    found: dict[str, Example] = {}
    for case, types in LOADED.items():
        for kind in types.split():
            found[kind] = (load, _of(server, case, OUTPUT_TYPE=kind), "OUTPUT")
            if kind.endswith("-rlzs"):
                found[kind][1]["KIND"] = "rlz-0"
    found["bcr-stats"][1]["KIND"] = "all"
    for name, (case, parameters) in VARIANTS.items():
        found[name] = (load, _of(server, case, **parameters), "OUTPUT")
    for name in ("listcalculations", "listoutputs", "calculationparameters"):
        found[name] = (f"openquake:{name}", _of(server, "grid"), "OUTPUT")
    plot = _of(server, "grid", OUTPUT_TYPE="hcurves", IMT="PGA", SITE_ID="0")
    plot.update(OUTPUT=f"{folder}/plot.png", DATA="TEMPORARY_OUTPUT")
    found["plotoutput"] = ("openquake:plotoutput", plot, "DATA")
    zones = zone_layer(
        {"Solano": QgsRectangle(-180, -90, 0, 90), "Marin": QgsRectangle(0, 0, 9, 9)}
    )
    about = {"ZONES": zones, "ZONE_FIELD": "NAME", "TAG": "county", "OUTPUT_TYPE": "aggrisk"}
    found["joinbytag"] = ("openquake:joinbytag", _of(server, "damage by tag", **about), "OUTPUT")
    losses = f"{folder}/losses.gpkg"
    call(load, **{**found["avg_losses-rlzs"][1], "OUTPUT": losses})
    about = {"INPUT": losses, "ZONES": zones, "OUTPUT": "TEMPORARY_OUTPUT"}
    found["sumbyzone"] = ("openquake:sumbyzone", about, "OUTPUT")
    return found


def _of(server: Replay, case: str, **parameters: object) -> dict:
    about = {"SERVER": server.url, "CALCULATION_ID": server.cases[case]}
    return {**about, "OUTPUT": "TEMPORARY_OUTPUT", **parameters}


def fields(server: Replay, folder: Path) -> dict:
    """Return geometry, names and types of the fields of each example, in order."""
    found = {}
    for name, (id_, parameters, output) in sorted(examples(server, folder).items()):
        try:
            done = call(id_, **parameters)
        except QgsProcessingException as error:
            found[name] = f"{FAILED}{error}"
            continue
        layer = done.layer(output)
        types = [column["type"] for column in metadata.read(layer)["columns"]]
        names = [field.name() for field in layer.fields()][-len(types) :]
        geometry = QgsWkbTypes.displayString(layer.wkbType())
        found[name] = {"geometry": geometry, "fields": dict(zip(names, types))}
    return found


def zone_layer(boxes: dict[str, QgsRectangle]) -> QgsVectorLayer:
    """Return rectangles with a name."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=NAME:string", "zones", "memory")
    features = []
    for name, box in boxes.items():
        feature = QgsFeature(layer.fields())
        feature.setAttributes([name])
        feature.setGeometry(QgsGeometry.fromRect(box))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


# --- the file


def text(promise: dict) -> str:
    """Return the file's text: what fits into a line is in one, so that a change is a line."""
    return _text(promise, "") + "\n"


def _text(value, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    fits = len(indent + line) <= WIDTH and "{" not in line[1:]
    if fits or not value or not isinstance(value, (dict, list)):
        return line
    more = indent + " "
    if isinstance(value, list):
        inner, ends = [json.dumps(item, ensure_ascii=False) for item in value], "[]"
    else:
        inner, ends = [f"{json.dumps(k)}: {_text(v, more)}" for k, v in value.items()], "{}"
    return f"{ends[0]}\n{more}" + f",\n{more}".join(inner) + f"\n{indent}{ends[1]}"


def differences(golden, found, where: str = "") -> list[str]:
    """Return a sentence for each entry that is not as promised."""
    if not (isinstance(golden, dict) and isinstance(found, dict)):
        # as text, in which 1 is not true
        same = json.dumps(golden) == json.dumps(found)
        return [] if same else [f"{where}: {golden!r} has become {found!r}"]
    place = f"{where} › " if where else ""
    gone = [f"{place}{name} is missing" for name in golden if name not in found]
    new = [f"{place}{name} is new" for name in found if name not in golden]
    both = [name for name in golden if name in found]
    inner = [line for n in both for line in differences(golden[n], found[n], f"{place}{n}")]
    if not (gone or new or list(golden) == list(found)):
        inner.append(f"{where}: the order {', '.join(golden)} has become {', '.join(found)}")
    return [*gone, *new, *inner]
