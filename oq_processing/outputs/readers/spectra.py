"""Uniform hazard spectra: ground motion by period, all with the same probability of exceedance."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...engine.errors import InvalidChoice, InvalidOutput
from ..core.choices import Choices, match_names
from ..core.columns import IMT, KIND
from ..core.kinds import name_of_kind
from ..core.lazy import Array, np
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import Column, Table, refuse_many
from ..sites.hazard import Hazard, fetch, read_hazard
from ..sites.motion import motion_column, motion_table, of_several
from ..sites.site_table import GEOMETRIES, LongFormat, title_of_all

PERIOD = Column("period", label="Period", unit="s")


def read_spectra(source: Source, choices: Choices) -> Table:
    """Return uniform hazard spectra: one row per site, one column per kind, PoE and period.

    Values in g, single precision as in the datastore; PGA has the period 0. A spectrum is the
    hazard maps of one PoE: ``GET /v1/calc/N/extract/hmaps?kind=&imt=`` gives arrays of shape
    (sites, 1, PoEs); only what was chosen is fetched. Raises :class:`InvalidChoice` for what the
    calculation does not have.
    """
    hazard = read_hazard(source)
    poes = hazard.chosen_poes(source, choices)
    kinds = hazard.kinds(choices)
    periods = spectral_periods(source, hazard)
    imts = sorted(_chosen_imts(choices, hazard, periods), key=lambda imt: periods[imt])
    count = len(kinds) * len(imts) * len(poes)
    what = f"{len(kinds)} statistics or realizations × {len(poes)} PoEs × {len(imts)} periods"
    refuse_many(count, what, "KIND, IMT or POE", choices.long_format)
    found = fetch(source, "hmaps", kinds, dict.fromkeys(imts, len(hazard.poes)))
    columns, arrays = [], []
    for kind in kinds:
        for poe, text in zip(poes, poe_names(poes)):
            for imt in imts:
                name = name_of_kind(f"{text}~{imt}", kind, kinds)
                quantity = "uniform hazard spectrum"
                columns.append(motion_column(hazard, name, quantity, kind, imt, poe))
                arrays.append(found[kind, imt][:, hazard.poes.index(poe)])
    rows = LongFormat(
        title_of_all(source),
        (KIND, hazard.poe_column, IMT, PERIOD),
        lambda column: (column.kind, column.poe, column.imt, periods[column.imt]),
        of_several(columns, "Spectral acceleration"),
    )
    return motion_table(source, choices, hazard, columns, arrays, rows)


def read_site_spectra(
    source: Source, kinds: Sequence[str], poes: Sequence[float], site_index: int
) -> dict[tuple[str, float], tuple[Array, Array]]:
    """Return the spectra of one site by kind and PoE: periods and values, each of shape (periods,).

    Periods in s, rising, PGA at 0; values in g. ``site_index`` is the position in the sites of the
    calculation, from 0: only that site is fetched (``hmaps?kind=&imt=&site_id=``). Kinds and PoEs
    as :class:`Hazard` has them. Raises :class:`InvalidOutput` and :class:`InvalidChoice` as
    :func:`fetch` does.
    """
    hazard = read_hazard(source)
    periods = spectral_periods(source, hazard)
    found = fetch(source, "hmaps", kinds, dict.fromkeys(periods, len(hazard.poes)), site_index)
    return {
        (kind, poe): (
            np.array(list(periods.values())),
            np.array([found[kind, imt][0, hazard.poes.index(poe)] for imt in periods]),
        )
        for kind in kinds
        for poe in poes
    }


def spectral_periods(source: Source, hazard: Hazard) -> dict[str, float]:
    """Return the period in s of each IMT of the spectra, rising; PGA is at 0.

    PGV, IA, MMI and the like are no spectral accelerations. Raises :class:`InvalidOutput` where
    there are none.
    """
    found = {}
    for imt in hazard.levels:
        if imt == "PGA":
            found[imt] = 0.0
        elif match := re.fullmatch(r"SA\(([0-9.eE+-]+)\)", imt):
            found[imt] = float(match[1])
    if not found:
        raise InvalidOutput(
            f"Calculation {source.calculation.id} has no PGA and SA; there are no spectra."
        )
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _chosen_imts(choices: Choices, hazard: Hazard, periods: dict[str, float]) -> list[str]:
    others = [imt for imt in hazard.imts(choices) if imt not in periods]
    if choices.imt and others:
        raise InvalidChoice(
            f"{', '.join(others)} cannot be in a spectrum; IMT may be: {', '.join(periods)}."
        )
    return match_names(choices.imt, list(periods), "IMT", "intensity measure type")


def poe_names(poes: Sequence[float]) -> list[str]:
    """Return the PoEs as the engine's CSV has them: ``0.100000``; in full where these collide."""
    names = [f"{poe:.6f}" for poe in poes]
    return names if len(set(names)) == len(names) else [repr(poe) for poe in poes]


OUTPUTS = {
    "uhs": OutputType(
        read=read_spectra,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("KIND", "IMT", "POE"),
        about="Ground motion of each period with the same probability of exceedance, at each site.",
    )
}
