"""The magnitude-frequency distribution of the events of a calculation."""

from __future__ import annotations

from dataclasses import replace

from ...engine.errors import InvalidOutput
from .. import catalogue
from ..core.choices import Choices
from ..core.columns import USUAL
from ..core.source import Source
from ..core.table import Column, small_table
from .plot import STEPS, Axis, Place, Plot, PlotType, Series, subtitle
from .rows import read_whole

WIDTH = 0.1
"""Width of a bin: the engine rounds magnitudes to one decimal."""

FREQUENCY = Column("frequency", label="Annual frequency of events", unit="1/year")


def magnitude_frequency(source: Source, choices: Choices, _: Place) -> Plot:
    """Return the annual frequency of events by magnitude: of each bin, and of it and all above.

    From ``event_based_mfd``, the mean over realizations; bins are 0.1 wide, as the engine makes
    them, and include those without events.
    """
    read = read_whole(catalogue.read(source, choices))
    of = {round(float(row["mag"]) / WIDTH): float(row["freq"]) for row in read.cells()}
    if not of:
        raise InvalidOutput(f"Calculation {source.calculation.id} has no events.")
    numbers = range(min(of), max(of) + 1)
    frequencies = [of.get(number, 0.0) for number in numbers]
    above = [sum(frequencies[i:]) for i in range(len(frequencies))]
    edges = tuple(round((number - 0.5) * WIDTH, 2) for number in [*numbers, numbers[-1] + 1])
    middles = [round(number * WIDTH, 1) for number in numbers]
    lower = Column("mag_lower", label="Lower end of the magnitude bin")
    columns = [
        USUAL["mag"],
        lower,
        FREQUENCY,
        replace(FREQUENCY, name="cumulative", label="Annual frequency of this magnitude or above"),
    ]
    rows = [*zip(middles, edges, frequencies, above)]
    places = tuple(map(float, range(len(middles))))
    title = "Magnitude-frequency distribution of the events"
    return Plot(
        title=title,
        subtitle=subtitle(source),
        x=Axis("Magnitude"),
        y=Axis(FREQUENCY.label, FREQUENCY.unit, log=True),
        table=small_table(title, columns, rows),
        form=STEPS,
        series=(
            Series(places, tuple(frequencies), group=f"in each bin of {WIDTH} (incremental)"),
            Series(places, tuple(above), group="of this magnitude or above (cumulative)"),
        ),
        x_edges=edges,
        periods=lambda period: 1 / period,
    )


PLOTS = {"event_based_mfd": PlotType(magnitude_frequency, ())}
