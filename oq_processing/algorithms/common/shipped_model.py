"""The models that come with the plugin, as algorithms of its provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingModelAlgorithm,
    QgsProcessingOutputDefinition,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
)

from ...i18n import tr, tr_noop
from .base import help_url
from .guard import Guarded
from .values import Values

FOLDER = Path(__file__).parents[2] / "models"
GROUP = tr_noop("Models")


class ShippedModel(Guarded, QgsProcessingModelAlgorithm):
    """A model of a file: its id is the file's name, its title the name in the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        # whether all steps were there when the file was read: else what they bring is missing
        self.complete = False

    def load(self) -> bool:
        """Read the file; False if it holds no model."""
        if not self.fromFile(str(self._path)):
            return False
        self.setSourceFilePath(str(self._path))
        # asked later QGIS would find the steps, but not add the parameters they bring
        self.complete, _ = self.canExecute()
        return True

    def createInstance(self) -> QgsProcessingAlgorithm:
        copy = type(self)(self._path)
        copy.loadVariant(self.toVariant())
        copy.setProvider(self.provider())
        copy.setSourceFilePath(self.sourceFilePath())
        return copy

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        # QGIS itself declares the layers only: numbers and texts could feed no further step
        declared = {output.name() for output in self.outputDefinitions()}
        for child_id, child in self.childAlgorithms().items():
            step = child.algorithm()
            if step is None:
                continue
            for output in child.modelOutputs().values():
                name = f"{child_id}:{output.name()}"
                source = step.outputDefinition(output.childOutputName())
                copy = _copy(source, name, output.description())
                if copy is not None and name not in declared:
                    self.addOutput(copy)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        # its steps would only refuse them when their turn comes
        Values(self, parameters, context).check_sinks()
        return super().checkParameterValues(parameters, context)

    def name(self) -> str:
        return self._path.stem

    def displayName(self) -> str:
        return tr(super().displayName())

    def groupId(self) -> str:
        return GROUP.lower()

    def group(self) -> str:
        return tr(GROUP)

    def tags(self) -> list[str]:
        return ["openquake", "earthquake", "seismic", "hazard", "risk", "model"]

    def helpUrl(self) -> str:
        return help_url(self.name())


def _copy(source: object, name: str, title: str) -> QgsProcessingOutputDefinition | None:
    for output_type in (QgsProcessingOutputNumber, QgsProcessingOutputString):
        if isinstance(source, output_type):
            return output_type(name, title)
    return None


def shipped_models() -> tuple[list[ShippedModel], list[Path]]:
    """Return the models of the plugin's folder, and the files that hold none."""
    models, broken = [], []
    for path in sorted(FOLDER.glob("*.model3")):
        model = ShippedModel(path)
        if model.load():
            models.append(model)
        else:
            broken.append(path)
    return models, broken
