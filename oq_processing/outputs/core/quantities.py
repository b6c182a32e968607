"""What the field measures: intensity measure types, their units, return periods."""

from __future__ import annotations

import math
import re

_UNITS = {
    "PGA": "g",
    "SA": "g",
    "AvgSA": "g",
    "PGV": "cm/s",
    "FIV3": "cm/s",
    "PGD": "cm",
    "SDi": "cm",
    "IA": "m/s",
    "CAV": "g·s",
    "MMI": "intensity",
    "JMA": "intensity",
    "LiqProb": "probability",
    "LsProb": "probability",
    "DispProb": "probability",
    **dict.fromkeys(("Disp", "PGDMax", "PGDGeomMean", "LSD"), "m"),
    "LSE": "% of area",
    "ASH": "mm",
}

SECONDARY = {"ASH", "LAVA", "LAHAR", "PYRO", "Disp", "DispProb", "LiqProb", "LiqOccur", "LSE"}
SECONDARY |= {"PGDMax", "PGDGeomMean", "LsProb"}
"""Measures of secondary perils, as the engine knows them (``hazardlib/imt.sec_imts``)."""

PEOPLE = {"occupants", "residents", "injured", "affectedpop", "fatalities", "homeless"}
"""Loss types and consequences that count people."""


ANNUAL_RUN = (
    "for annual losses run the risk calculation again with PARAMETERS=risk_investigation_time=1"
)
"""What to do where a calculation has losses of a longer time that are not a sum over years."""


def imt_unit(imt: str) -> str:
    """Return the unit of an intensity measure type; "" if unknown, never a guess."""
    name = short_imt(imt).split("(", maxsplit=1)[0].strip()
    if name.startswith("Sa_avg"):
        return "g"
    if name.startswith("RSD"):
        return "s"
    return _UNITS.get(name, "")


def short_imt(imt: str) -> str:
    """Return what a secondary peril gives, without the model that gives it: ``LiqProb``."""
    model, _, short = imt.rpartition("_")
    return short if model and short in SECONDARY else imt


def words_of(imt: str) -> str:
    """Return an IMT as people write it: *LiqProb by Model*."""
    short = short_imt(imt)
    return imt if short == imt else f"{short} by {imt[: -len(short) - 1]}"


def imt_order(imt: str) -> tuple[int, str, float]:
    """Return a key that sorts PGA first, then SA by period, then the others by name."""
    name = imt.split("(", maxsplit=1)[0]
    first = re.search(r"\(([\d.]+)", imt)
    rank = {"PGA": 0, "SA": 1}.get(name, 2)
    return rank, name, float(first[1]) if first else 0.0


def return_period(poe: float, time: float) -> float:
    """Return the return period in years of a probability of exceedance in ``time`` years.

    -T / ln(1 - PoE), for occurrences that follow a Poisson process; infinite for 0, 0 for 1.
    """
    if poe <= 0:
        return math.inf
    if poe >= 1:
        return 0.0
    return -time / math.log1p(-poe)


def holds_time(unit: str) -> bool:
    """Return whether a unit is already by time, as USD/month is."""
    return bool(
        re.search(r"(/|\bper\b) *(hour|day|week|month|quarter|year|yr|annum|[hdya]\b)", unit)
    )
