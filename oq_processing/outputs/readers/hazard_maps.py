"""Hazard at sites: what curves, maps and spectra share, and hazard maps.

All of them are arrays of a statistic or realization, an IMT, and as many values per site, which the
server gives apart from the coordinates of the sites.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices, match_kinds, match_names, match_poes, nearest_475
from ..core.output_type import OutputType
from ..core.quantities import (
    imt_order,
    imt_unit,
    kind_label,
    level_text,
    percent,
    return_period,
    years,
)
from ..core.source import Source
from ..core.table import REAL, TEXT, Column, Table, beyond_curves
from ..sites.site_table import (
    LongFormat,
    of_first_imt,
    one_unit,
    refuse_many,
    site_table,
    title_of_all,
    wanted_column,
)

if TYPE_CHECKING:
    from ..core.table import Array

MANY_REALIZATIONS = 20  # more of them are fetched together, with those that were not chosen
SHOWN_REALIZATIONS = 10  # of which the log tells path and weight
SHOWN_MAPS = 8  # with sites beyond the curves, which the log counts


@dataclass(frozen=True)
class Hazard:
    """What a calculation has of hazard: there to be chosen from.

    ``levels``: the intensities of the curves by IMT (PGA first, then SA by period); ``poes`` those
    of maps and spectra; ``time``: years that probabilities refer to, None if unknown;
    ``realizations``: what the server kept of them, with branch path and weight as text.
    """

    levels: dict[str, tuple[float, ...]]
    poes: tuple[float, ...]
    time: float | None
    statistics: tuple[str, ...]
    realizations: dict[int, str]

    def kinds(self, choices: Choices) -> list[str]:
        """Return the chosen statistics and realizations; raises :class:`InvalidChoice`."""
        return match_kinds(choices.kind, self.statistics, list(self.realizations))

    def imts(self, choices: Choices) -> list[str]:
        """Return the chosen IMTs; raises :class:`InvalidChoice`."""
        return match_names(choices.imt, list(self.levels), "IMT", "intensity measure type")

    def label(self, kind: str) -> str:
        """Return a kind as people write it: ``Realization 3 (b1~b2, weight 0.25)``."""
        about = self.realizations.get(int(kind[4:])) if kind.startswith("rlz-") else None
        return f"{kind_label(kind)} ({about})" if about else kind_label(kind)

    def ends(self, imt: str) -> tuple[float | None, float | None]:
        """Return the lowest and the highest level of the curves of an IMT, None if unknown."""
        low, high = min(self.levels[imt], default=0.0), max(self.levels[imt], default=0.0)
        return (low if low > 0 else None), (high if high > 0 else None)

    def within(self) -> str:
        """Return the time that probabilities refer to: `` in 50 years``, "" if unknown."""
        return f" in {duration(self.time)}" if self.time else ""


def duration(time: float) -> str:
    """Return a time as people write it: ``50 years``."""
    return f"{years(time)} year{'' if time == 1 else 's'}"


def read_hazard(source: Source) -> Hazard:
    """Return what the calculation has of hazard, by its parameters and logic tree.

    ``GET /v1/calc/N/extract/oqparam`` and ``…/realizations``. Raises :class:`InvalidOutput` where
    no intensity measure types are told.
    """
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
    )


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{numbers} are not all finite")
    return numbers


def _realizations(source: Source) -> dict[int, str]:
    """Return the realizations that the server kept, with branch path and weight as text."""
    try:
        array = source.npz("realizations").array("array")
    except (NotFound, ServerFault):
        return {}
    # event based calculations do not keep the only one either
    only = len(array) == 1 and not source.event_based
    if not only and not source.oqparam.get("individual_rlzs"):
        return {}
    names = array.dtype.names or ()
    found = {}
    for row in array:
        about = [row["branch_path"].decode("utf-8", "replace")] if "branch_path" in names else []
        about += [f"weight {row['weight']:.4g}"] if "weight" in names else []
        found[int(row["rlz_id"])] = ", ".join(about)
    return found


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
    single = [kind for kind in kinds if kind.startswith("rlz-")]
    together = len(single) > MANY_REALIZATIONS
    found = {}
    for imt, count in values.items():
        query = {"imt": imt}
        if site_index is not None:
            query["site_id"] = str(site_index)
        npz = None
        for kind in kinds:
            member = f"rlz-{int(kind[4:]):03d}" if kind in single else kind
            if kind not in single or not together:
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


def _extract(source: Source, what: str, kind: str, query: dict[str, str]) -> Any:
    try:
        return source.npz(what, None, kind=kind, **query)
    except ServerFault as error:
        if kind.startswith("rlz") and f"{what}-rlzs" in str(error):
            raise InvalidChoice(
                f"Calculation {source.calculation.id} kept no single realizations "
                f"({source.output.name}); choose a statistic by KIND."
            ) from error
        raise


def realization_notes(hazard: Hazard, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return branch path and weight of the first realizations among the columns, for the log."""
    kinds = [k for k in dict.fromkeys(c.kind for c in columns) if k.startswith("rlz-")]
    if not any(hazard.realizations.get(int(kind[4:])) for kind in kinds):
        return ()
    shown = "; ".join(hazard.label(kind) for kind in kinds[:SHOWN_REALIZATIONS])
    more = len(kinds) - SHOWN_REALIZATIONS
    return (shown + (f"; and {more} more realizations." if more > 0 else "."),)


def named(kinds: Sequence[str], kind: str, name: str) -> str:
    """Return the name of a column, with its kind where there are several."""
    return f"{kind}-{name}" if len(kinds) > 1 else name


# --- hazard maps


def read_hazard_maps(source: Source, choices: Choices) -> Table:
    """Return hazard maps: one row per site, one column per statistic or realization, IMT and PoE.

    Values in the unit of the IMT (PGA and SA in g), single precision, as in the datastore.
    ``GET /v1/calc/N/extract/hmaps?kind=&imt=`` gives arrays of shape (sites, 1, PoEs); only what
    was chosen is fetched. Raises :class:`InvalidChoice` for what the calculation does not have.
    """
    return _maps(source, choices, read_hazard(source))


def read_map_statistics(source: Source, choices: Choices) -> Table:
    """Return the hazard maps of statistics, as :func:`read_hazard_maps` does.

    The type ``hmaps-stats`` is these maps without realizations, where there are several of them.
    """
    hazard = read_hazard(source)
    return _maps(source, choices, replace(hazard, realizations={}))


def chosen_poes(source: Source, choices: Choices, hazard: Hazard) -> list[float]:
    """Return the chosen PoEs; raises :class:`InvalidOutput` where the calculation tells none."""
    if not hazard.poes:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not tell the probabilities of exceedance "
            f"(poes) of its {source.output.name}."
        )
    return match_poes(choices.poe, hazard.poes, hazard.time)


def _maps(source: Source, choices: Choices, hazard: Hazard) -> Table:
    poes = chosen_poes(source, choices, hazard)
    kinds, imts = hazard.kinds(choices), hazard.imts(choices)
    refuse_many(
        choices,
        len(kinds) * len(imts) * len(poes),
        f"{len(kinds)} statistics or realizations × {len(imts)} IMTs × {len(poes)} PoEs",
        "KIND, IMT or POE",
    )
    found = fetch(source, "hmaps", kinds, dict.fromkeys(imts, len(hazard.poes)))
    columns, arrays = [], []
    for kind in kinds:
        for imt in imts:
            for poe in poes:
                name = named(kinds, kind, f"{imt}-{poe}")
                columns.append(motion_column(hazard, name, "hazard map", kind, imt, poe))
                arrays.append(found[kind, imt][:, hazard.poes.index(poe)])
    styled = styled_motion(columns, choices.style_field, hazard.time)
    rows = LongFormat(
        title_of_all(source),
        (
            Column("kind", TEXT, "Statistic or realization"),
            Column("imt", TEXT, "Intensity measure type"),
            Column("poe", REAL, f"Probability of exceedance{hazard.within()}"),
        ),
        lambda column: (column.kind, column.imt, column.poe),
        of_several(columns, "Value"),
    )
    title = map_title(styled, hazard.time)
    notes = (*realization_notes(hazard, columns), *end_notes(columns, arrays))
    return site_table(source, choices, columns, arrays, styled, title, rows, notes=notes)


def motion_column(
    hazard: Hazard, name: str, quantity: str, kind: str, imt: str, poe: float
) -> Column:
    """Return a column of ground motion with a given probability of exceedance."""
    lowest, highest = hazard.ends(imt)
    return Column(
        name=name,
        type=REAL,
        label=f"{hazard.label(kind)} {imt}, {percent(poe)}{hazard.within()}",
        unit=imt_unit(imt),
        quantity=quantity,
        kind=kind,
        imt=imt,
        poe=poe,
        lowest=lowest,
        highest=highest,
    )


def of_several(columns: Sequence[Column], label: str) -> Column:
    """Return the column of a long table that holds the values of several of ground motion."""
    found = Column("value", REAL, label, one_unit(columns), quantity=columns[0].quantity)
    if len({(c.lowest, c.highest) for c in columns}) == 1:
        return replace(found, lowest=columns[0].lowest, highest=columns[0].highest)
    ends = {(c.imt, c.lowest, c.highest) for c in columns if c.lowest and c.highest}
    return replace(found, ends=tuple(sorted(ends)))


def end_notes(columns: Sequence[Column], arrays: Sequence[Array]) -> tuple[str, ...]:
    """Return a sentence for each column with sites where ground motion is beyond the curves."""
    found = []
    for column, values in zip(columns, arrays):
        below, above = (int(sites.sum()) for sites in beyond_curves(values, column))
        parts = [
            f"{end_text(column, end)} at {count:,} of {len(values):,} sites"
            for end, count in ((1, above), (-1, below))
            if count
        ]
        if parts:
            found.append(f"{column.label}: {'; '.join(parts)}.")
    more = len(found) - SHOWN_MAPS
    return (*found[:SHOWN_MAPS], *([f"… and so on for {more} more maps."] if more > 0 else []))


def end_text(column: Column, end: int) -> str:
    """Return what is known of ground motion beyond its curve: below it (-1), or above it (1)."""
    if end > 0:
        level = level_text(column.highest or 0.0, column.imt)
        return f"at least the highest level of the curves ({level})"
    return f"below the lowest level of the curves ({level_text(column.lowest or 0.0, column.imt)})"


def styled_motion(columns: Sequence[Column], wanted: str, time: float | None) -> Column:
    """Return the column to be drawn: what was wanted, else PGA at the PoE nearest 475 years."""
    if column := wanted_column(columns, wanted):
        return column
    of_imt = of_first_imt(columns)
    poes = [c.poe or 0.0 for c in of_imt]
    return of_imt[poes.index(nearest_475(poes, time))]


def map_title(column: Column, time: float | None) -> str:
    """Return the title of a hazard map: *475-year mean PGA [g] (10% in 50 years)*."""
    kind = kind_label(column.kind).lower()
    unit = f" [{column.unit}]" if column.unit else ""
    poe = column.poe or 0.0
    if time is None:
        return f"{kind.capitalize()} {column.imt}{unit} ({percent(poe)})"
    period = years(return_period(poe, time))
    return f"{period}-year {kind} {column.imt}{unit} ({percent(poe)} in {duration(time)})"


OUTPUTS = {
    "hmaps": OutputType(
        read=read_hazard_maps,
        geometry="point, cell",
        choices=("KIND", "IMT", "POE"),
        about="Ground motion with a given probability of exceedance, at each site.",
    ),
    "hmaps-stats": OutputType(
        read=read_map_statistics,
        geometry="point, cell",
        choices=("KIND", "IMT", "POE"),
        about="Mean, quantiles and other statistics of the hazard maps, at each site.",
    ),
}
