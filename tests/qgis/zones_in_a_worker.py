"""A program of its own: Sum by Zone as dialogs run it, on zones that are not valid; then it ends.

``python zones_in_a_worker.py FOLDER``: 5 runs in a worker thread with QGIS's own check of
geometries at "stop", its default, and one run that fails after its file has been opened.
"""

import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QEventLoop

sys.path.insert(0, str(Path(__file__).parents[2]))

ZONES = (
    "POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))",
    "POLYGON EMPTY",
    "POLYGON((0 0, 1 1, 0 0, 0 0))",
    "POLYGON((20 0, 22 0, 22 2, 20 2, 20 0))",
)
POINTS = ("POINT(1 5)", "POINT(21 1)")

# a dialog keeps them: a context that ends in a later run takes Python's hold of that run's layer
KEPT = []


def layer_of(kind: str, shapes) -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{kind}?crs=EPSG:4326&field=cost:double", "layer", "memory")
    features = []
    for wkt in shapes:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([2.0])
        feature.setGeometry(QgsGeometry.fromWkt(wkt))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    return layer


def run(output: str) -> tuple[bool, str]:
    """Run once in a worker; return whether it ended well, and what was said."""
    algorithm = QgsApplication.processingRegistry().algorithmById("openquake:sumbyzone").create()
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryAbortOnInvalid)
    parameters = {
        "INPUT": layer_of("Point", POINTS),
        "ZONES": layer_of("Polygon", ZONES),
        "FIELDS": "cost",
        "OUTPUT": output,
    }
    KEPT.append((algorithm, context, feedback))
    task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
    loop, ends = QEventLoop(), []
    task.executed.connect(lambda good, _: (ends.append(good), loop.quit()))
    QgsApplication.taskManager().addTask(task)
    loop.exec_()
    return ends[0], feedback.textLog()


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    from oq_processing.provider import OpenQuakeProvider

    provider = OpenQuakeProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    for _ in range(5):
        good, said = run("memory:")
        print(good)
    print(said)
    os.chdir(sys.argv[1])
    # a name that QGIS cannot open again
    print(run(".gpkg")[0])
    application.exitQgis()


main()
