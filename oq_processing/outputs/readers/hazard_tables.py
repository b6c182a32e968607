"""Unchanged tables, with the meaning of their columns: events, realizations, sites, spectra."""

from __future__ import annotations

from functools import partial

from ..core.output_type import OutputType
from ..core.table import Column, ColumnType, Geometry, Style
from . import general
from .general import NOTHING, Known

VS30_CLASSES = (180.0, 360.0, 760.0, 1500.0)
"""m/s: limits of the site classes E, D, C, B, A of NEHRP."""

_VS30_LABELS = ("E, below 180", "D, 180 to 360", "C, 360 to 760", "B, 760 to 1500", "A, above 1500")
_VS30_COLORS = ("#d7301f", "#fc8d59", "#fdcc8a", "#a6bddb", "#2b8cbe")

_LOG = "ln of the level"


def _columns(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


_SITE = ("site_id", "lon", "lat")
_SITE_IN_NAME = r"-(?P<site_id>\d+)$"

_EVENTS = Known(_columns(Column("year", ColumnType.INTEGER, "Year of the stochastic event set")))

_MFD = Known(
    _columns(
        Column(
            "freq", label="Annual frequency of events", unit="1/year", quantity="annual frequency"
        )
    )
)

_SITES = Known(
    _columns(
        Column("vs30", label="Shear wave velocity of the upper 30 m", unit="m/s", quantity="vs30"),
        Column("vs30measured", ColumnType.INTEGER, "vs30 was measured", "0/1"),
        Column("z1pt0", label="Depth to a shear wave velocity of 1.0 km/s", unit="m"),
        Column("z2pt5", label="Depth to a shear wave velocity of 2.5 km/s", unit="km"),
        Column("slope", label="Slope", unit="m/m"),
        Column("cohesion_mid", label="Cohesion", unit="Pa"),
        Column("friction_mid", label="Friction angle", unit="°"),
        Column("saturation", label="Saturation", unit="fraction"),
        Column("dry_density", label="Dry density", unit="kg/m³"),
        Column("slab_thickness", label="Thickness of the slope failure", unit="m"),
        Column("crit_accel", label="Critical acceleration", unit="g"),
        Column("yield_acceleration", label="Yield acceleration", unit="g"),
        Column("Fs", label="Factor of safety"),
        Column("precip", label="Mean annual precipitation", unit="mm"),
        Column("gwd", label="Depth to groundwater", unit="m"),
        Column("dr", label="Distance to the nearest river", unit="km"),
        Column("dc", label="Distance to the coast", unit="km"),
        Column("dw", label="Distance to the nearest water body", unit="km"),
        Column("liq_susc_cat", ColumnType.TEXT, "Susceptibility to liquefaction"),
        Column("backarc", ColumnType.INTEGER, "In the backarc", "0/1"),
        Column("siteclass", ColumnType.TEXT, "Site class"),
        Column("ec8", ColumnType.TEXT, "Site class of Eurocode 8"),
        Column("geology", ColumnType.TEXT, "Geology"),
        Column("region", ColumnType.INTEGER, "Region"),
    ),
    style=Style("vs30", "standard", VS30_CLASSES, colors=_VS30_COLORS, labels=_VS30_LABELS),
)

_RATES = Known(
    _columns(
        Column("afoe", label="Annual frequency of exceedance", unit="1/year", quantity="frequency"),
        Column("dist", label="Rupture distance", unit="km"),
        Column("eps", label="Epsilon"),
        Column("vs30", label="Shear wave velocity of the upper 30 m", unit="m/s"),
    ),
    from_member=_SITE_IN_NAME,
    from_comment=(*_SITE, "vs30"),
)

_CONDITIONAL = Known(
    _columns(
        Column("period", label="Period", unit="s"),
        Column("mea", label="Conditional spectrum", unit="g", quantity="conditional spectrum"),
        Column("std", label="Standard deviation of the logarithm"),
    ),
    from_comment=_SITE,
)

_MEDIAN = Known(
    _columns(
        Column("period", label="Period", unit="s"),
        Column("spec", label="Median spectrum", unit="g", quantity="median spectrum"),
        Column("mea", label=f"Mean {_LOG} in g"),
        Column("sig", label=f"Standard deviation of the {_LOG}"),
        Column("wei", label="Sum of the weights of the ruptures"),
        Column("kind", ColumnType.TEXT, "Kind of the value: mea, sig, wei"),
    ),
    from_comment=(*_SITE, "poe"),
    first="median_spectrum",
)

_MEDIAN_RUPTURES = Known(
    _columns(
        Column("rrup", label="Rupture distance", unit="km"),
        Column("occurrence_rate", label="Annual rate of occurrence", unit="1/year"),
        Column("mea*", label=f"Mean {_LOG}, ground motion model *"),
        Column("sig*", label=f"Standard deviation of the {_LOG}, ground motion model *"),
        Column("tau*", label="Between-event standard deviation (τ), ground motion model *"),
        Column("wei*", label="Weight of the rupture, ground motion model *"),
    ),
    from_member=r"-grp-?(?P<grp_id>\d+)-(?P<imt>.+)$",
    from_comment=_SITE,
)


def _of(known: Known, about: str, *geometries: Geometry) -> OutputType:
    read = partial(general.read, known=known)
    return OutputType(read, geometries or (Geometry.NONE,), ("MEMBER",), about)


_POINTS_TOO = Geometry.NONE, Geometry.POINT

OUTPUTS = {
    "realizations": _of(NOTHING, "The branches of the logic tree, with their weights."),
    "events": _of(_EVENTS, "The events, with the rupture and the realization of each."),
    "event_based_mfd": _of(_MFD, "How often events of each magnitude occur."),
    "site_model": _of(_SITES, "The sites, with their soil.", Geometry.POINT, Geometry.NONE),
    "mean_rates_by_src": _of(
        _RATES, "Mean hazard curve of each source at each site.", *_POINTS_TOO
    ),
    "mean_disagg_by_src": _of(
        _RATES, "Frequencies by source, magnitude, distance and epsilon.", *_POINTS_TOO
    ),
    "cs-stats": _of(_CONDITIONAL, "Mean conditional spectrum at each site.", *_POINTS_TOO),
    "median_spectra": _of(_MEDIAN, "Median spectrum at each site for each PoE.", *_POINTS_TOO),
    "median_spectrum_disagg": _of(
        _MEDIAN_RUPTURES, "What each rupture contributes to the median spectrum.", *_POINTS_TOO
    ),
}
