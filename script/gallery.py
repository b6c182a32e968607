"""Draw a picture of each family of outputs, from the engine's own demos to PNG files.

Each is made by Load Output as Layer and the page of script/draw_map.py, or by Plot Output. The
demos are calculated with an engine of its own, or taken from a server that has calculated them:
the newest calculation of a demo's description counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import draw_map
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
)

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from oq_processing.engine import launch  # noqa: E402 - from this checkout
from oq_processing.engine.client import EngineClient  # noqa: E402
from oq_processing.engine.job import ini  # noqa: E402 - from this checkout
from oq_processing.provider import OpenQuakeProvider  # noqa: E402

ENGINE = CHECKOUT / ".engine"
DEMOS = ENGINE / "demos"
COLORS = 256  # of a picture: maps have few
WIDTH = 900  # pixels


@dataclass(frozen=True)
class Picture:
    """A picture: its name, the demo's job files, the output, and the parameters that draw it.

    ``jobs`` are run one on the other; the picture is of the last.
    """

    name: str
    demo: str
    output: str
    parameters: dict[str, object] = field(default_factory=dict)
    jobs: tuple[str, ...] = ("job.ini",)
    algorithm: str = "loadoutputaslayer"


TWO = ("job_hazard.ini", "job_risk.ini")
PLOT = "plotoutput"

PICTURES = (
    Picture("hazard_map", "hazard/AreaSourceClassicalPSHA", "hmaps", {"GEOMETRY": "cell"}),
    Picture("hazard_points", "hazard/AreaSourceClassicalPSHA", "hmaps"),
    Picture(
        "hazard_curves",
        "hazard/LogicTreeCase1ClassicalPSHA",
        "hcurves",
        {"KIND": "all", "IMT": "PGA"},
        algorithm=PLOT,
    ),
    Picture(
        "spectrum", "hazard/AreaSourceClassicalPSHA", "uhs", {"SITE_ID": "312"}, algorithm=PLOT
    ),
    Picture("ground_motion", "hazard/ScenarioCase1", "avg_gmf"),
    Picture(
        "liquefaction",
        "hazard/ScenarioLiquefaction",
        "avg_gmf",
        {"STYLE_FIELD": "TodorovicSilva2022NonParametric_LiqProb"},
    ),
    Picture("ruptures", "hazard/EventBasedPSHA", "ruptures"),
    Picture("losses", "risk/EventBasedRisk", "avg_losses-stats"),
    Picture("damage", "risk/ScenarioDamage", "damages-stats", jobs=TWO),
    Picture("damage_states", "risk/ScenarioDamage", "damages-stats", jobs=TWO, algorithm=PLOT),
    Picture("benefit_cost", "risk/ClassicalBCR", "bcr-rlzs", jobs=TWO),
    Picture("loss_curves", "risk/EventBasedRisk", "aggcurves-stats", algorithm=PLOT),
    Picture(
        "disaggregation",
        "hazard/Disaggregation",
        "disagg-stats",
        {"MEMBER": "Lon_Lat", "GEOMETRY": "cell"},
    ),
    Picture(
        "disaggregation_bars",
        "hazard/Disaggregation",
        "disagg-stats",
        {"SITE_ID": "0"},
        algorithm=PLOT,
    ),
    Picture(
        "magnitude_distance_epsilon",
        "hazard/Disaggregation",
        "disagg-stats",
        {"SITE_ID": "0", "MEMBER": "Mag_Dist_Eps"},
        algorithm=PLOT,
    ),
    Picture(
        "hazard_curve_event_based",
        "hazard/EventBasedPSHA",
        "hcurves",
        {"IMT": "PGA"},
        algorithm=PLOT,
    ),
    Picture("magnitudes", "hazard/EventBasedPSHA", "event_based_mfd", algorithm=PLOT),
    Picture("loss_distribution", "risk/ScenarioRisk", "risk_by_event", algorithm=PLOT),
    Picture(
        "average_losses",
        "risk/EventBasedRisk",
        "aggrisk-stats",
        jobs=("job_eb.ini",),
        algorithm=PLOT,
    ),
    Picture(
        "reinsurance",
        "risk/Reinsurance",
        "reinsurance-aggcurves",
        {"KIND": "rlz-0"},
        algorithm=PLOT,
    ),
    Picture(
        "road_network", "risk/InfrastructureRiskRoadNetwork", "infra-node_el", {"GEOMETRY": "line"}
    ),
)


class Feedback(QgsProcessingFeedback):
    """Prints warnings only."""

    def pushWarning(self, warning: str) -> None:  # noqa: N802
        print(f"  {warning}")


class Gallery:
    """Calculations of one server, and the pictures drawn from them."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._provider = OpenQuakeProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)
        self._calculations: dict[tuple[str, ...], int] = {}

    def run(self, algorithm: str, **parameters: object) -> dict[str, object]:
        """Run an algorithm of the plugin; raises what it raises."""
        given = {"SERVER": self._server, **parameters}
        feedback = Feedback(False)
        results, _ = self._provider.algorithm(algorithm).run(
            given, QgsProcessingContext(), feedback, {}, False
        )
        return results

    def find(self) -> None:
        """Take from the server what it has calculated already, by the description of the job."""
        known = {}
        for calculation in EngineClient(self._server).calculations(limit=1000):
            if calculation.succeeded:
                newest = max(known.get(calculation.description, 0), calculation.id)
                known[calculation.description] = newest
        for picture in PICTURES:
            path = DEMOS / picture.demo / picture.jobs[-1]
            description = ini.read_ini(path.read_bytes(), path.name).values.get("description")
            if description in known:
                self._calculations[(picture.demo, picture.jobs[-1])] = known[description]

    def calculation(self, picture: Picture) -> int:
        """Return the calculation of a picture, calculated if there is none yet."""
        last = 0
        for job in picture.jobs:
            key = (picture.demo, job)
            if (picture.demo, picture.jobs[-1]) in self._calculations:
                return self._calculations[(picture.demo, picture.jobs[-1])]
            if key not in self._calculations:
                on = {"HAZARD_CALCULATION_ID": last} if last else {}
                name = "runriskonhazard" if last else "runcalculation"
                result = self.run(name, JOB=str(DEMOS / picture.demo / job), **on)
                self._calculations[key] = int(result["CALCULATION_ID"])
            last = self._calculations[key]
        return last

    def draw(self, picture: Picture) -> Path:
        """Draw a picture and return its file."""
        target = self._folder / f"{picture.name}.png"
        chosen = {
            "CALCULATION_ID": self.calculation(picture),
            "OUTPUT_TYPE": picture.output,
            **picture.parameters,
        }
        if picture.algorithm == PLOT:
            self.run(PLOT, **chosen, OUTPUT=str(target))
        else:
            with tempfile.TemporaryDirectory(prefix="openquake-gallery-") as folder:
                layer = str(Path(folder) / f"{picture.name}.gpkg")
                self.run(picture.algorithm, **chosen, OUTPUT=layer)
                draw_map.draw(layer, str(target))
                QgsProject.instance().clear()
        shrink(target)
        return target


def shrink(path: Path) -> None:
    """Make a picture as small as a page needs: narrower, and of few colours."""
    from PIL import Image

    with Image.open(path) as full:
        image = full.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.LANCZOS)
    # the nearest of the colours that come often: without k-means large areas change theirs
    looks = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1, "dither": Image.Dither.NONE}
    image.quantize(COLORS, **looks).save(path, optimize=True)


def main() -> int:
    """Draw the chosen pictures; return how many could not be drawn."""
    parser = argparse.ArgumentParser(prog="script/gallery", description=__doc__)
    parser.add_argument("pictures", nargs="*", help=", ".join(p.name for p in PICTURES))
    parser.add_argument("--server", help="take calculations of the demos from this server")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "demo-output" / "gallery")
    arguments = parser.parse_args()
    chosen = [p for p in PICTURES if not arguments.pictures or p.name in arguments.pictures]
    if unknown := set(arguments.pictures) - {p.name for p in PICTURES}:
        parser.error(f"no picture {', '.join(sorted(unknown))}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    application = QgsApplication([], True)
    application.initQgis()
    failed = 0
    with ExitStack() as stack:
        server = arguments.server
        if not server:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="openquake-gallery-"))
            engine = stack.enter_context(launch.running(ENGINE / "bin" / "oq", Path(folder)))
            server = engine.url
        gallery = Gallery(server, arguments.folder)
        if arguments.server:
            gallery.find()
        for picture in chosen:
            try:
                path = gallery.draw(picture)
            except QgsProcessingException as error:
                failed += 1
                print(f"{picture.name}: {error}", flush=True)
            else:
                print(f"{path} ({path.stat().st_size // 1000} kB)", flush=True)
    return failed


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # QGIS may crash while Python takes it apart; everything is said
    os._exit(1 if code else 0)
