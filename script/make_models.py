#!/usr/bin/env -S QT_HASH_SEED=0 QT_QPA_PLATFORM=offscreen /usr/bin/python3
"""Write oq_processing/models/*.model3, or into the folder given. Needs QGIS 3.22.

Newer versions write other files.

The hash seed is part of it: without, the order of attributes in the files changes at each run.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), "/usr/share/qgis/python/plugins"]

from qgis.core import (  # noqa: E402
    Qgis,
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSource,
)
from qgis.PyQt.QtCore import QPointF, QSizeF  # noqa: E402

RUN = "openquake:runcalculation"
RISK = "openquake:runriskonhazard"
LOAD = "openquake:loadoutputaslayer"
SUM = "openquake:sumbyzone"
RASTERIZE = "gdal:rasterize"

BOX = QSizeF(220, 34)
INPUT_X, STEP_X, RESULT_X = 140.0, 520.0, 900.0
ROW = 70.0
NO_DATA = -9999

Source = QgsProcessingModelChildParameterSource


def given(name: str) -> QgsProcessingModelChildParameterSource:
    """What the user gave for a parameter of the model."""
    return Source.fromModelParameter(name)


def result(child: str, output: str) -> QgsProcessingModelChildParameterSource:
    """What an earlier step gives."""
    return Source.fromChildOutput(child, output)


class Builder:
    """A model and its layout: what is asked on the left, then the steps, then the results."""

    def __init__(self, title: str, text: str) -> None:
        self.registry = QgsApplication.processingRegistry()
        self.model = QgsProcessingModelAlgorithm(title, "Models")
        self.help: dict[str, str] = {"ALG_DESC": text}
        self.inputs: list[str] = []
        self.bottom = 60.0

    def ask(
        self,
        name: str,
        like: tuple[str, str] | QgsProcessingParameterDefinition,
        title: str = "",
        text: str = "",
        needed: bool | None = None,
        advanced: bool | None = None,
        default: object = None,
    ) -> None:
        """Add a parameter: one of an algorithm's, or one of its own."""
        if isinstance(like, tuple):
            algorithm, of = like
            parameter = self.registry.algorithmById(algorithm).parameterDefinition(of).clone()
        else:
            parameter = like
        parameter.setName(name)
        if title:
            parameter.setDescription(title)
        if text:
            parameter.setHelp(text)
        if default is not None:
            parameter.setDefaultValue(default)
        for flag, wanted in (
            (
                QgsProcessingParameterDefinition.Flag.FlagOptional,
                None if needed is None else not needed,
            ),
            (QgsProcessingParameterDefinition.Flag.FlagAdvanced, advanced),
        ):
            if wanted is True:
                parameter.setFlags(parameter.flags() | flag)
            elif wanted is False:
                parameter.setFlags(parameter.flags() & ~flag)
        self.help[name] = parameter.help()
        box = QgsProcessingModelParameter(name)
        box.setDescription(parameter.description())
        box.setPosition(QPointF(INPUT_X, 60.0 + ROW * len(self.inputs)))
        box.setSize(BOX)
        self.model.addModelParameter(parameter, box)
        self.inputs.append(name)

    def step(
        self,
        child: str,
        algorithm: str,
        title: str,
        results: dict[str, str] | None = None,
        **sources: object,
    ) -> None:
        """Add a step; ``results`` are titles of those of its outputs that the model gives."""
        added = QgsProcessingModelChildAlgorithm(algorithm)
        assert added.algorithm() is not None, algorithm
        added.setChildId(child)
        added.setDescription(title)
        definition = added.algorithm()
        values = {
            # a model takes no defaults of its steps
            p.name(): p.defaultValue()
            for p in definition.parameterDefinitions()
            if not p.isDestination()
            and not p.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional
            and p.defaultValue() is not None
        }
        for name, value in {**values, **sources}.items():
            assert definition.parameterDefinition(name) is not None, name
            added.addParameterSources(
                name, [value if isinstance(value, Source) else Source.fromStaticValue(value)]
            )
        added.setPosition(QPointF(STEP_X, self.bottom))
        added.setSize(BOX)
        outputs = {}
        for i, (name, shown) in enumerate((results or {}).items()):
            output = QgsProcessingModelOutput(name, shown)
            output.setChildId(child)
            output.setChildOutputName(name)
            output.setPosition(QPointF(RESULT_X, self.bottom + ROW * i))
            output.setSize(BOX)
            outputs[name] = output
            if not definition.parameterDefinition(name):
                continue
            self.help[f"{child}:{name}"] = shown
        added.setModelOutputs(outputs)
        self.model.addChildAlgorithm(added)
        # the lists of a step's connections unfold below it
        self.bottom += max(ROW * (len(outputs) + 1), 160.0)

    def server(self) -> None:
        """Ask where and as whom, the last of the parameters."""
        for name in ("SERVER", "AUTHCFG"):
            self.ask(name, (LOAD, name))

    def write(self, folder: Path, name: str) -> None:
        """Check the model and write it."""
        self.model.setParameterOrder(self.inputs)
        self.model.setHelpContent(self.help)
        good, problems = self.model.validate()
        assert good, problems
        path = folder / f"{name}.model3"
        assert self.model.toFile(str(path)), path


WHERE = {"SERVER": given("SERVER"), "AUTHCFG": given("AUTHCFG")}
STATUS = {"CALCULATION_ID": "Calculation", "STATUS": "Status"}


def ask_job(b: Builder) -> None:
    """Ask for a job, as Run Calculation does."""
    b.ask("JOB", (RUN, "JOB"), needed=True)
    b.ask("JOB_INI", (RUN, "JOB_INI"))
    b.ask("PARAMETERS", (RUN, "PARAMETERS"))


def run_job(b: Builder, title: str) -> None:
    """Run the job that was asked for."""
    b.step(
        "run",
        RUN,
        title,
        STATUS,
        JOB=given("JOB"),
        JOB_INI=given("JOB_INI"),
        PARAMETERS=given("PARAMETERS"),
        **WHERE,
    )


def hazard_map_from_job() -> Builder:
    b = Builder(
        "Hazard Map from a Job",
        "Runs a hazard job and loads its hazard maps: ground motion with a given probability of "
        "exceedance at each site, in classes that make maps comparable.\n\n"
        "If the calculation fails, so does this, with the engine's reason in the log.",
    )
    ask_job(b)
    for name in ("KIND", "IMT", "POE"):
        b.ask(name, (LOAD, name))
    b.server()
    run_job(b, "Run the hazard job")
    b.step(
        "load",
        LOAD,
        "Load the hazard maps",
        {"OUTPUT": "Hazard map"},
        CALCULATION_ID=result("run", "CALCULATION_ID"),
        OUTPUT_TYPE="hmaps",
        KIND=given("KIND"),
        IMT=given("IMT"),
        POE=given("POE"),
        **WHERE,
    )
    return b


def hazard_raster() -> Builder:
    b = Builder(
        "Hazard Raster",
        "Makes a raster of a hazard map whose sites are a regular grid. Each pixel is as large as "
        "a cell of the grid (the narrowest, where cells are equally wide in km) and has the value "
        f"of the site whose cell it lies in; what is outside the grid is {NO_DATA} (no data).",
    )
    b.ask("CALCULATION_ID", (LOAD, "CALCULATION_ID"))
    b.ask("KIND", (LOAD, "KIND"), text="mean, quantile-0.15, max, rlz-3, …; one. Empty: the mean.")
    b.ask("IMT", (LOAD, "IMT"), text="PGA, SA(0.2), …; one. Empty: PGA.")
    b.ask(
        "POE",
        (LOAD, "POE"),
        text="0.1, 10% or 475y (return period); one. Empty: that nearest to 475 years.",
    )
    b.server()
    b.step(
        "load",
        LOAD,
        "Load the grid's cells",
        {"STYLED_FIELD": "Field of the raster"},
        CALCULATION_ID=given("CALCULATION_ID"),
        OUTPUT_TYPE="hmaps",
        KIND=given("KIND"),
        IMT=given("IMT"),
        POE=given("POE"),
        GEOMETRY="cell",
        **WHERE,
    )
    b.step(
        "rasterize",
        RASTERIZE,
        "Make a raster of the cells",
        {"OUTPUT": "Hazard raster"},
        INPUT=result("load", "OUTPUT"),
        FIELD=result("load", "STYLED_FIELD"),
        UNITS=1,  # of the coordinate system
        EXTENT=result("load", "OUTPUT"),  # without, half a cell is added on each side
        WIDTH=result("load", "CELL_WIDTH"),
        HEIGHT=result("load", "CELL_HEIGHT"),
        NODATA=NO_DATA,
        INIT=NO_DATA,
        DATA_TYPE=5,  # as precise as the engine: 32 bits
    )
    return b


def losses_from_jobs() -> Builder:
    b = Builder(
        "Losses from a Hazard and a Risk Job",
        "Runs a hazard job, then a risk job on top of it, and loads the average losses of the "
        "assets.\n\n"
        "If a calculation fails, so does this, with the engine's reason in the log; the risk job "
        "is not sent if the hazard fails.",
    )
    b.ask("HAZARD_JOB", (RUN, "JOB"), "Hazard job", needed=True)
    b.ask("RISK_JOB", (RUN, "JOB"), "Risk job", needed=True)
    for name, title in (
        ("HAZARD_JOB_INI", "Which .ini (hazard)"),
        ("RISK_JOB_INI", "Which .ini (risk)"),
    ):
        b.ask(
            name,
            (RUN, "JOB_INI"),
            title,
            "Name of the .ini file if the archive or folder holds several.",
            advanced=True,
        )
    for name in ("KIND", "LOSS_TYPE"):
        b.ask(name, (LOAD, name))
    b.server()
    b.step(
        "hazard",
        RUN,
        "Run the hazard job",
        {"CALCULATION_ID": "Hazard calculation"},
        JOB=given("HAZARD_JOB"),
        JOB_INI=given("HAZARD_JOB_INI"),
        **WHERE,
    )
    b.step(
        "risk",
        RISK,
        "Run the risk job on top of it",
        {"CALCULATION_ID": "Risk calculation", "STATUS": "Status"},
        HAZARD_CALCULATION_ID=result("hazard", "CALCULATION_ID"),
        JOB=given("RISK_JOB"),
        JOB_INI=given("RISK_JOB_INI"),
        **WHERE,
    )
    b.step(
        "load",
        LOAD,
        "Load the losses",
        {"OUTPUT": "Losses"},
        CALCULATION_ID=result("risk", "CALCULATION_ID"),
        OUTPUT_TYPE="avg_losses",
        KIND=given("KIND"),
        LOSS_TYPE=given("LOSS_TYPE"),
        **WHERE,
    )
    return b


def scenario_damage_map() -> Builder:
    b = Builder(
        "Scenario Damage Map",
        "Runs a scenario damage job and loads the expected number of buildings in each damage "
        "state, drawn by the worst one.\n\n"
        "A job in two parts is given as its folder or zip archive, with both names as Which .ini: "
        "job_hazard.ini,job_risk.ini. If a calculation fails, so does this, with the engine's "
        "reason in the log.",
    )
    ask_job(b)
    for name in ("KIND", "LOSS_TYPE"):
        b.ask(name, (LOAD, name))
    b.ask(
        "STYLE_FIELD",
        (LOAD, "STYLE_FIELD"),
        text="For example structural-complete. Empty: the worst damage state.",
    )
    b.server()
    run_job(b, "Run the damage job")
    b.step(
        "load",
        LOAD,
        "Load the damage",
        {"OUTPUT": "Damage map"},
        CALCULATION_ID=result("run", "CALCULATION_ID"),
        OUTPUT_TYPE="damages",
        KIND=given("KIND"),
        LOSS_TYPE=given("LOSS_TYPE"),
        STYLE_FIELD=given("STYLE_FIELD"),
        **WHERE,
    )
    return b


def losses_by_zone() -> Builder:
    b = Builder(
        "Losses by Zone",
        "Loads the losses or damage of a calculation and sums them on the polygons of a layer of "
        "yours.\n\n"
        "Points in no polygon are counted and reported. A point in several counts in the first "
        "one only, and is reported too.",
    )
    b.ask("CALCULATION_ID", (LOAD, "CALCULATION_ID"))
    b.ask(
        "ZONES",
        QgsProcessingParameterFeatureSource(
            "ZONES", "Zones", [QgsProcessing.SourceType.TypeVectorPolygon]
        ),
        text="Polygons to sum on, in any coordinate system.",
    )
    b.ask(
        "OUTPUT_TYPE",
        (LOAD, "OUTPUT_TYPE"),
        text="damages, or the type or id of any output with values to add up. "
        "Empty: the average losses.",
        default="",
    )
    for name in ("KIND", "LOSS_TYPE"):
        b.ask(name, (LOAD, name))
    b.server()
    b.step(
        "load",
        LOAD,
        "Load the values of the assets",
        {"COUNT": "Number of points"},
        CALCULATION_ID=given("CALCULATION_ID"),
        # a script that leaves a parameter of a model away leaves its default away too
        OUTPUT_TYPE=Source.fromExpression(
            "if(coalesce(@OUTPUT_TYPE, '') = '', 'avg_losses', @OUTPUT_TYPE)"
        ),
        KIND=given("KIND"),
        LOSS_TYPE=given("LOSS_TYPE"),
        **WHERE,
    )
    b.step(
        "sum",
        SUM,
        "Sum on the zones",
        {
            "OUTPUT": "Losses by zone",
            "IN_NO_ZONE": "Points in no zone",
            "IN_SEVERAL": "Points in several zones",
        },
        INPUT=result("load", "OUTPUT"),
        ZONES=given("ZONES"),
    )
    return b


MODELS = {
    "hazardmapfromjob": hazard_map_from_job,
    "hazardraster": hazard_raster,
    "lossesbyzone": losses_by_zone,
    "lossesfromjobs": losses_from_jobs,
    "scenariodamagemap": scenario_damage_map,
}


def main() -> None:
    if not 32200 <= Qgis.QGIS_VERSION_INT < 32300:
        sys.exit(f"make_models: needs QGIS 3.22, this is {Qgis.QGIS_VERSION}")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "oq_processing" / "models"
    application = QgsApplication([], False)
    application.initQgis()
    from processing.core.Processing import Processing

    from oq_processing.provider import OpenQuakeProvider

    Processing.initialize()
    registry = QgsApplication.processingRegistry()
    if registry.providerById("openquake") is None:
        registry.addProvider(OpenQuakeProvider())
    for name, build in MODELS.items():
        build().write(folder, name)
        print(f"{folder / name}.model3")
    application.exitQgis()


if __name__ == "__main__":
    main()
