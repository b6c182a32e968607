"""Measure the plugin against its goals; exits with 1 if one is missed.

A section is a generator of :class:`Measure`, registered by ``@section``; it may ask for the shared
QGIS by calling :func:`qgis`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from oq_processing.algorithms import base  # noqa: E402 - from this checkout
from oq_processing.engine import local  # noqa: E402
from oq_processing.engine.client import EngineClient  # noqa: E402
from oq_processing.provider import OpenQuakeProvider  # noqa: E402

ENGINE = CHECKOUT / ".engine"
JOB = ENGINE / "demos" / "hazard" / "AreaSourceClassicalPSHA" / "job.ini"
MAX_RATE = 1.5  # requests a second while a calculation is followed
MAX_DELAY = 1.2  # seconds: one look at the status, and its answer
LOOK = 0.05  # seconds between two looks of the one who knows when it was complete


@dataclass(frozen=True)
class Measure:
    """A number with its unit, and the highest or lowest value that is good, if there is such."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def good(self) -> bool:
        """Whether the goal, if any, is met."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        text = f"  {self.name:<52}{self.value:>10.3g} {self.unit:<6}"
        goals = [("at most", self.at_most), ("at least", self.at_least)]
        told = ", ".join(f"{word} {limit:g}" for word, limit in goals if limit is not None)
        return f"{text} {told}: {'ok' if self.good else 'MISSED'}" if told else text


SECTIONS: dict[str, Callable[[], Iterator[Measure]]] = {}


def section(measure: Callable[[], Iterator[Measure]]) -> Callable[[], Iterator[Measure]]:
    """Register a section under its function's name."""
    SECTIONS[measure.__name__] = measure
    return measure


@lru_cache(maxsize=1)
def qgis() -> tuple[QgsApplication, OpenQuakeProvider]:
    """Return a running QGIS and our provider, which live as long as they are held."""
    application = QgsApplication([], False)
    application.initQgis()
    provider = OpenQuakeProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    return application, provider


@section
def politeness() -> Iterator[Measure]:
    """Run Calculation on an engine of its own: how often it asks, how soon it knows the end."""
    _, provider = qgis()
    made = []

    class Counted(base.Transport):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            made.append(self)

    class Listener(QgsProcessingFeedback):
        followed: tuple[float, int] = (0.0, 0)

        def pushInfo(self, info: str) -> None:  # noqa: N802
            if " submitted to " in info:
                self.followed = (time.monotonic(), made[0].requests_made)

    base.Transport = Counted
    feedback = Listener(False)
    with tempfile.TemporaryDirectory(prefix="openquake-bench-") as folder:
        executable = local.find_executable(os.environ.get("OPENQUAKE_OQ") or ENGINE / "bin" / "oq")
        with local.running(executable, Path(folder)) as engine:
            client = EngineClient(engine.url)
            complete: list[float] = []
            ended = threading.Event()

            def observe() -> None:
                while not complete and not ended.is_set():
                    if any(c.succeeded for c in client.calculations(limit=1)):
                        complete.append(time.monotonic())
                    time.sleep(LOOK)

            observer = threading.Thread(target=observe, daemon=True)
            observer.start()
            begin = time.monotonic()
            _, ok = provider.algorithm("runcalculation").run(
                {"JOB": str(JOB), "SERVER": engine.url},
                QgsProcessingContext(),
                feedback,
            )
            end = time.monotonic()
            ended.set()
            observer.join()
    if not ok or not complete:
        raise SystemExit("bench: the calculation did not complete")
    requests = made[0].requests_made
    since, before = feedback.followed
    rate = (requests - before) / (end - since)
    yield Measure("length of the run", end - begin, "s")
    yield Measure("requests made", requests, "")
    yield Measure("requests a second while it is followed", rate, "1/s", at_most=MAX_RATE)
    yield Measure("from complete to the end of the run", end - complete[0], "s", at_most=MAX_DELAY)


def main() -> int:
    """Measure the chosen sections."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    missed = 0
    for name in chosen:
        print(f"{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}", flush=True)
        for measure in SECTIONS[name]():
            print(measure, flush=True)
            missed += not measure.good
    return 1 if missed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # QGIS may crash while Python takes it apart; everything is said
    os._exit(code)
