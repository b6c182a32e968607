"""How quantities are drawn: classes and colours that make maps of them comparable."""

from __future__ import annotations

from .table import Column, Style

STANDARD_G = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.20, 0.35, 0.55, 0.90, 1.50)
"""Class limits in g that make maps of acceleration comparable with each other."""

GROUND_MOTION_COLORS = (
    "#fffbe6",
    "#ffeeb4",
    "#ffe180",
    "#ffbf5a",
    "#fd9935",
    "#f47130",
    "#e9402c",
    "#d32c3e",
    "#ba1e50",
    "#9e0f5f",
    "#6e0c5c",
    "#3b0a58",
)
"""From low (light) to high, one for each standard class; neighbours differ by 20 in CIELAB."""

GROUND_MOTION_RAMP = "YlOrRd"
"""The ramp of QGIS that is nearest to GROUND_MOTION_COLORS."""

LOSS_RAMP = "YlGnBu"
"""Not the ramp of ground motion: a map of losses must not be taken for one of shaking."""

STANDARD_PROBABILITY = (0.01, 0.05, 0.10, 0.20, 0.30, 0.50, 0.70, 0.90)
"""Class limits of probabilities, the same whatever the values."""

PROBABILITY_RAMP = "BuPu"

MMI_BREAKS = (1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5)
MMI_LABELS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
MMI_COLORS = (
    "#ffffff",
    "#bfccff",
    "#a0e6ff",
    "#80ffff",
    "#7aff93",
    "#ffff00",
    "#ffc800",
    "#ff9100",
    "#ff0000",
    "#c80000",
)
"""The colours that ShakeMap of the USGS gives to whole intensities; X is for X and above."""

JMA_BREAKS = (0.5, 1.5, 2.5, 3.5, 4.5, 5.0, 5.5, 6.0, 6.5)
JMA_LABELS = ("0", "1", "2", "3", "4", "5-", "5+", "6-", "6+", "7")
JMA_COLORS = (
    "#ffffff",
    "#f2f2ff",
    "#00aaff",
    "#0041ff",
    "#fae696",
    "#ffe600",
    "#ff9900",
    "#ff2800",
    "#a50021",
    "#b40068",
)
"""Classes and colours of the Japan Meteorological Agency's own maps."""

_PROBABILITIES = ("LiqProb", "LsProb", "DispProb", "LiqOccur")


def ground_motion_style(column: Column) -> Style:
    """Return how a column of ground motion is drawn, by its IMT and unit.

    Accelerations in g, intensities (MMI, JMA) and probabilities (and shares) have fixed classes;
    others have round ones.
    """
    # secondary perils come as Model_LiqProb
    if column.unit == "probability" or column.imt.endswith(_PROBABILITIES):
        # of exceeding an intensity, say
        return Style(column.name, "standard", STANDARD_PROBABILITY, PROBABILITY_RAMP)
    if column.imt == "MMI":
        return Style(
            column.name, "standard", MMI_BREAKS, "Turbo", colors=MMI_COLORS, labels=MMI_LABELS
        )
    if column.imt == "JMA":
        return Style(
            column.name, "standard", JMA_BREAKS, "Turbo", colors=JMA_COLORS, labels=JMA_LABELS
        )
    if column.unit == "g":
        return Style(
            column.name, "standard", STANDARD_G, GROUND_MOTION_RAMP, colors=GROUND_MOTION_COLORS
        )
    return Style(column.name, "pretty", (), GROUND_MOTION_RAMP, colors=GROUND_MOTION_COLORS)
