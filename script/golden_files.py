"""Write the files of a release that every later version must read: tests/golden/VERSION."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import described
import promise
from make_models import LOAD, Builder, given, result
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessing,
    QgsProcessingParameterFeatureSource,
    QgsProject,
    QgsSettings,
    QgsVectorLayer,
)
from replay import Replay
from steering import call

from oq_processing import connections, settings
from oq_processing.connections import SavedConnection
from oq_processing.engine.calculation import Calculation

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
CLUSTER, LAB = "https://oq.example.org/engine", "http://lab.example.org:8800"
LOCAL = "http://127.0.0.1:8800"


def write(server: Replay, version: str) -> Path:
    """Write the folder of a version; raise where it exists: it is never written again."""
    target = GOLDEN / version
    if target.exists():
        raise FileExistsError(f"{target} is kept as it was written; a new version gets its own.")
    if not 32200 <= Qgis.QGIS_VERSION_INT < 32300:
        raise RuntimeError(
            f"Newer QGIS writes other models than 3.22: this is {Qgis.QGIS_VERSION}."
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        layers = _layers(server, folder)
        count = _project(folder, layers)
        _settings(folder / "QGIS3.ini")
        _models(folder)
        expected = {
            "layers": {
                name: {
                    "file": file,
                    "table": table,
                    **described.layer(described.opened(folder / file, table)),
                }
                for name, (file, table) in layers.items()
            },
            "project": count,
            "settings": described.settings([LOCAL, LAB, CLUSTER]),
            "models": {p.stem: described.model(p) for p in sorted(folder.glob("*.model3"))},
        }
        (folder / "expected.json").write_text(promise.text(expected), "utf-8")
        for path in folder.iterdir():
            named = described.places(path.read_bytes())
            assert not named, (path.name, named)
        shutil.copytree(folder, target)
    return target


def _layers(server: Replay, folder: Path) -> dict[str, tuple[str, str]]:
    """Write a layer of each family; return file and table of each."""
    known = promise.examples(server, folder)
    (folder / "losses.gpkg").unlink()  # made for an example
    # most in one file, as GeoPackages of one table are large
    found = {}

    def add(name: str, example: str, suffix: str = "", **more: object) -> QgsVectorLayer:
        algorithm, parameters, output = known[example]
        file = f"{name}{suffix}" if suffix else "layers.gpkg"
        destination = str(folder / file)
        if not suffix:
            destination = f"ogr:dbname='{destination}' table=\"{name}\" (geom)"
        call(algorithm, **{**parameters, **more, output: destination})
        found[name] = (file, name if file.endswith(".gpkg") else "")
        return described.opened(folder / file, found[name][1])

    few = {"CLASSIFICATION": "quantile", "CLASSES": 3}
    add("hazard_cells", "hmaps", ".gpkg", GEOMETRY="cell")
    add("hazard_points", "hmaps", ".fgb", CLASS_BREAKS="0.05 0.1", COLOR_RAMP="Blues")
    add("hazard_curves", "hcurves", IMT="PGA", **few)
    add("spectra", "uhs", POE="475y", **few)
    add("ground_motion", "gmf_data", **few)
    add("ruptures", "ruptures")
    add("disaggregation", "disagg-stats", **few)
    losses = add("losses", "avg_losses-rlzs", CLASSES=4, INVERT_RAMP=True)
    add("by_zone", "sumbyzone", INPUT=losses)
    add("damage", "damages-stats", **few)
    add("bcr", "bcr-stats", ".shp")
    add("network", "infra-node_el", **few)
    add("totals", "aggrisk-stats")
    assert not server.unknown, server.unknown
    return found


def _project(folder: Path, layers: dict[str, tuple[str, str]]) -> int:
    """Save a project of some of the layers, without the name of who saves it; return how many."""
    QgsSettings().setValue("core/projects/anonymize_saved_projects", True)
    project = QgsProject()
    names = ("hazard_cells", "losses", "bcr", "totals")
    for name in names:
        file, table = layers[name]
        layer = described.opened(folder / file, table)
        layer.setName(layer.metadata().title())
        project.addMapLayer(layer)
    about = project.metadata()
    about.setAuthor("")
    project.setMetadata(about)
    assert project.write(str(folder / "project.qgz"))
    project.clear()
    return len(names)


def _calculation(number: int) -> Calculation:
    start = datetime(2026, 11, 23, 17, 37, 53, tzinfo=timezone.utc)
    return Calculation(number, "Golden", "classical", "complete", "alice", start_time=start)


def _settings(target: Path) -> None:
    """Save connections and what else the profile keeps; write our part of its settings."""
    connections.save_connection(SavedConnection("Küche/1", LAB))
    connections.save_connection(
        SavedConnection("Cluster", CLUSTER, "abc1234", "/etc/ssl/oq.pem", 3.0, 120.0)
    )
    connections.set_default_connection("Küche/1")
    settings.set_engine_executable("/opt/openquake/bin/oq")
    settings.set_starts_local_engine(True)
    for server, number in ((CLUSTER, 7), (CLUSTER, 3), (LOCAL, 1)):
        settings.set_hidden(server, _calculation(number), True)
    changed = {"description": "Größe = 7; 100%", "truncation_level": "2"}
    settings.remember_overrides(CLUSTER, _calculation(3), changed)
    settings.remember_overrides(LOCAL, _calculation(2), {"poes": "0.1 0.02"})
    QgsSettings().sync()
    text = Path(QgsSettings().fileName()).read_text("utf-8")
    _, _, ours = text.partition("[openquake]\n")
    target.write_text("[openquake]\n" + ours.partition("\n[")[0].rstrip() + "\n", "utf-8")


def _models(folder: Path) -> None:
    """Write a chain of ours, and a model with each algorithm and a value for each parameter."""
    b = Builder("Losses of a user", "Loads, styles and sums.")
    zones = QgsProcessingParameterFeatureSource(
        "ZONES", "Zones", [QgsProcessing.SourceType.TypeVectorPolygon]
    )
    b.ask("CALCULATION_ID", (LOAD, "CALCULATION_ID"))
    b.ask("ZONES", zones.clone())
    b.ask("SERVER", (LOAD, "SERVER"))
    b.step(
        "list",
        "openquake:listoutputs",
        "List",
        {"COUNT": "Outputs"},
        CALCULATION_ID=given("CALCULATION_ID"),
        SERVER=given("SERVER"),
    )
    b.step(
        "load",
        LOAD,
        "Load",
        {"COUNT": "Assets"},
        CALCULATION_ID=result("list", "CALCULATION_ID"),
        OUTPUT_TYPE="avg_losses-rlzs",
        KIND="rlz-0",
        CLASSIFICATION="quantile",
        CLASSES=5,
        SERVER=result("list", "SERVER"),
    )
    b.step(
        "style",
        "openquake:stylelayer",
        "Style",
        INPUT=result("load", "OUTPUT"),
        STYLE_FIELD=result("load", "STYLED_FIELD"),
        CLASS_BREAKS="1 10 100",
        COLOR_RAMP="Reds",
    )
    b.step(
        "sum",
        "openquake:sumbyzone",
        "Sum",
        {"OUTPUT": "Losses by zone", "IN_NO_ZONE": "Outside"},
        INPUT=result("style", "OUTPUT"),
        ZONES=given("ZONES"),
    )
    b.write(folder, "losses")
    b = Builder("Every step", "Each algorithm, with a value for each of its parameters.")
    b.ask("ZONES", zones.clone())
    for algorithm in QgsApplication.processingRegistry().providerById("openquake").algorithms():
        values = {
            d.name(): _value(d) for d in algorithm.parameterDefinitions() if not d.isDestination()
        }
        b.step(algorithm.name(), algorithm.id(), algorithm.displayName(), **values)
    b.write(folder, "every_step")


def _value(definition) -> object:
    if definition.type() == "source" or definition.type() == "vector":
        return given("ZONES")
    if definition.defaultValue() not in (None, ""):
        return definition.defaultValue()
    if definition.type() == "enum":
        return definition.options()[-1]
    values = {
        "number": 7,
        "boolean": True,
        "file": "job.ini",
        "multilayer": ["a.xml", "b.csv"],
        "point": "10.5,45.25 [EPSG:4326]",
        "authcfg": "abc1234",
        "field": "NAME_1",
    }
    return values.get(definition.type(), definition.name().lower())
