"""Hazard at sites: what a calculation has of it, and its arrays by statistic, IMT and value.

The server gives the arrays of curves, maps and spectra apart from the coordinates of the sites.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput, ServerFault
from ..core.choices import Choices, match_names, match_poes
from ..core.kinds import choose_kinds, kind_label, realization, realizations_of
from ..core.lazy import Array
from ..core.notes import Note, Warn
from ..core.npz import Npz
from ..core.quantities import imt_order
from ..core.source import Source
from ..core.table import Column
from ..core.wording import level_text, within

MANY_REALIZATIONS = 20  # more of them are fetched together, with those that were not chosen


@dataclass(frozen=True)
class Hazard:
    """What a calculation has of hazard: there to be chosen from.

    ``levels``: the intensities of the curves by IMT (PGA first, then SA by period); ``poes`` those
    of maps and spectra; ``time``: years that probabilities refer to, None if unknown;
    ``realizations``: what the server kept of them, with branch path and weight as text;
    ``minimum``: intensities by IMT below which there are no ground motion fields that the curves
    are counted from.
    """

    levels: dict[str, tuple[float, ...]]
    poes: tuple[float, ...]
    time: float | None
    statistics: tuple[str, ...]
    realizations: dict[int, str]
    minimum: Mapping[str, float] = field(default_factory=dict)

    def kinds(self, choices: Choices) -> list[str]:
        """Return the chosen statistics and realizations; raises :class:`InvalidChoice`."""
        return choose_kinds(
            choices.kind,
            [*self.statistics, *(f"rlz-{number}" for number in self.realizations)],
            self.about,
        )

    def imts(self, choices: Choices) -> list[str]:
        """Return the chosen IMTs; raises :class:`InvalidChoice`."""
        return match_names(choices.imt, list(self.levels), "IMT", "intensity measure type")

    def chosen_poes(self, source: Source, choices: Choices) -> list[float]:
        """Return the chosen PoEs; raises :class:`InvalidOutput` where there are none."""
        if not self.poes:
            raise InvalidOutput(
                f"Calculation {source.calculation.id} does not tell the probabilities of "
                f"exceedance (poes) of its {source.output.name}."
            )
        return match_poes(choices.poe, self.poes, self.time)

    def label(self, kind: str) -> str:
        """Return a kind as people write it: ``Realization 3 (b1~b2, weight 0.25)``."""
        return kind_label(kind, self.about(kind))

    def about(self, kind: str) -> str:
        """Return branch path and weight of a realization, "" of a statistic or if unknown."""
        number = realization(kind)
        return "" if number is None else self.realizations.get(number, "")

    def ends(self, imt: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest level of the curves of an IMT, None if unknown."""
        low, high = min(self.levels[imt], default=0.0), max(self.levels[imt], default=0.0)
        return (low if low > 0 else None), (high if high > 0 else None)

    @property
    def poe_column(self) -> Column:
        """The column of a probability: *Probability of exceedance in 50 years*."""
        return Column("poe", label=f"Probability of exceedance{within(self.time)}")


def read_hazard(source: Source) -> Hazard:
    """Return what the calculation has of hazard, by its parameters and logic tree.

    ``GET /v1/calc/N/extract/oqparam`` and ``…/realizations``. Raises :class:`InvalidOutput` where
    no intensity measure types are told.
    """
    return source.once("hazard", lambda: _hazard(source))


def _hazard(source: Source) -> Hazard:
    parameters = source.oqparam
    by_imt = parameters.get("hazard_imtls") or parameters.get("risk_imtls") or {}
    if not by_imt:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not tell the intensity measure types "
            f"of its {source.output.name}."
        )
    # with amplification all curves have the levels of the soil
    soil = parameters.get("soil_intensities")
    statistics = ["mean"] if parameters.get("mean", True) else []
    statistics += ["std"] if parameters.get("std") else []
    statistics += [f"quantile-{q}" for q in parameters.get("quantiles") or ()]
    statistics += ["max"] if parameters.get("max") else []
    return Hazard(
        {imt: _numbers(soil or by_imt[imt]) for imt in sorted(by_imt, key=imt_order)},
        _numbers(parameters.get("poes") or ()),
        source.investigation_time,
        tuple(statistics),
        _realizations(source),
        _minimum(source, by_imt),
    )


def _minimum(source: Source, imts: Iterable[str]) -> dict[str, float]:
    given = source.oqparam.get("minimum_intensity")
    if not source.event_based or not isinstance(given, dict):
        return {}
    limits = {imt: float(given.get(imt) or given.get("default") or 0) for imt in imts}
    return {imt: limit for imt, limit in limits.items() if limit > 0}


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{numbers} are not all finite")
    return numbers


def _realizations(source: Source) -> dict[int, str]:
    """Return the realizations that the server kept, with branch path and weight as text."""
    every = source.realizations
    # event based calculations do not keep the only one either
    only = len(every) == 1 and not source.event_based
    return every if only or source.oqparam.get("individual_rlzs") else {}


def fetch(
    source: Source,
    what: str,
    kinds: Sequence[str],
    values: dict[str, int],
    site_index: int | None = None,
) -> dict[tuple[str, str], Array]:
    """Return the chosen arrays by kind and IMT, shape (sites, values), single precision.

    ``GET /v1/calc/N/extract/WHAT?kind=&imt=[&site_id=]``, ``what`` being ``hcurves`` or ``hmaps``;
    ``values``: IMT → how many values a site has; ``site_index``: the row of a single site. Raises
    :class:`InvalidChoice` for realizations that were not kept, :class:`InvalidOutput` where the
    answer does not hold what was asked for.
    """
    together = len(realizations_of(kinds)) > MANY_REALIZATIONS
    found = {}
    for imt, count in values.items():
        query = {"imt": imt}
        if site_index is not None:
            query["site_id"] = str(site_index)
        npz = None
        for kind in kinds:
            number = realization(kind)
            member = kind if number is None else f"rlz-{number:03d}"
            if number is None or not together:
                npz = _extract(source, what, kind, query)
            elif npz is None or member not in npz:
                npz = _extract(source, what, "rlzs", query)
            if member not in npz:
                # an unknown kind is answered with 200 and nothing inside
                raise InvalidOutput(
                    f"Calculation {source.calculation.id} has no “{kind}” of {imt} in its "
                    f"{source.output.name}; the server answered with nothing."
                )
            array = npz.array(member)
            if array.ndim != 3 or array.shape[1:] != (1, count):
                raise InvalidOutput(
                    f"“{kind}” of {imt} in {source.output.name} of calculation "
                    f"{source.calculation.id} has the shape {array.shape}, not (sites, 1, {count})."
                )
            found[kind, imt] = array[:, 0]
    lengths = {len(array) for array in found.values()}
    if len(lengths) > 1:
        raise InvalidOutput(
            f"{source.output.name} of calculation {source.calculation.id} are of different numbers "
            f"of sites: {', '.join(map(str, sorted(lengths)))}."
        )
    return found


def _extract(source: Source, what: str, kind: str, query: dict[str, str]) -> Npz:
    try:
        return source.npz(what, None, kind=kind, **query)
    except ServerFault as error:
        if kind.startswith("rlz") and f"{what}-rlzs" in str(error):
            raise InvalidChoice(
                f"Calculation {source.calculation.id} kept no single realizations "
                f"({source.output.name}); choose a statistic by KIND."
            ) from error
        raise


def limit_notes(hazard: Hazard, imts: Iterable[str]) -> tuple[Note, ...]:
    """Return a note on curves with levels below the minimum intensity, where they are plateaus."""
    low = {i: hazard.minimum.get(i, 0.0) for i in imts}
    cut = [
        f"{i} {level_text(v, i)}" for i, v in low.items() if min(hazard.levels[i], default=v) < v
    ]
    text = (
        "Below the minimum intensity of the ground motion fields, curves and what is read from "
        "them are lower limits"
    )
    return (Warn(f"{text}: {', '.join(cut)}."),) if cut else ()
