"""Uniform hazard spectra: ground motion by period, all with the same probability of exceedance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...engine.errors import InvalidChoice, InvalidOutput
from ..core.choices import Choices, match_names
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import REAL, TEXT, Column, Table
from ..sites.site_table import LongFormat, refuse_many, site_table, title_of_all
from .hazard_maps import (
    Hazard,
    chosen_poes,
    end_notes,
    fetch,
    map_title,
    motion_column,
    named,
    of_several,
    read_hazard,
    realization_notes,
    styled_motion,
)

if TYPE_CHECKING:
    from ..core.table import Array


def read_spectra(source: Source, choices: Choices) -> Table:
    """Return uniform hazard spectra: one row per site, one column per kind, PoE and period.

    Values in g, single precision as in the datastore; PGA has the period 0. A spectrum is the
    hazard maps of one PoE: ``GET /v1/calc/N/extract/hmaps?kind=&imt=`` gives arrays of shape
    (sites, 1, PoEs); only what was chosen is fetched. Raises :class:`InvalidChoice` for what the
    calculation does not have.
    """
    hazard = read_hazard(source)
    poes = chosen_poes(source, choices, hazard)
    kinds = hazard.kinds(choices)
    periods = spectral_periods(source, hazard)
    imts = sorted(_chosen_imts(choices, hazard, periods), key=lambda imt: periods[imt])
    refuse_many(
        choices,
        len(kinds) * len(imts) * len(poes),
        f"{len(kinds)} statistics or realizations × {len(poes)} PoEs × {len(imts)} periods",
        "KIND, IMT or POE",
    )
    found = fetch(source, "hmaps", kinds, dict.fromkeys(imts, len(hazard.poes)))
    columns, arrays = [], []
    for kind in kinds:
        for poe, text in zip(poes, poe_names(poes)):
            for imt in imts:
                name = named(kinds, kind, f"{text}~{imt}")
                quantity = "uniform hazard spectrum"
                columns.append(motion_column(hazard, name, quantity, kind, imt, poe))
                arrays.append(found[kind, imt][:, hazard.poes.index(poe)])
    styled = styled_motion(columns, choices.style_field, hazard.time)
    rows = LongFormat(
        title_of_all(source),
        (
            Column("kind", TEXT, "Statistic or realization"),
            Column("poe", REAL, f"Probability of exceedance{hazard.within()}"),
            Column("imt", TEXT, "Intensity measure type"),
            Column("period", REAL, "Period", "s"),
        ),
        lambda column: (column.kind, column.poe, column.imt, periods[column.imt]),
        of_several(columns, "Spectral acceleration"),
    )
    title = map_title(styled, hazard.time)
    notes = (*realization_notes(hazard, columns), *end_notes(columns, arrays))
    return site_table(source, choices, columns, arrays, styled, title, rows, notes=notes)


def read_site_spectra(
    source: Source, kinds: Sequence[str], poes: Sequence[float], site_index: int
) -> dict[tuple[str, float], tuple[Array, Array]]:
    """Return the spectra of one site by kind and PoE: periods and values, each of shape (periods,).

    Periods in s, rising, PGA at 0; values in g. ``site_index`` is the position in the sites of the
    calculation, from 0: only that site is fetched (``hmaps?kind=&imt=&site_id=``). Kinds and PoEs
    as :class:`Hazard` has them. Raises :class:`InvalidOutput` and :class:`InvalidChoice` as
    :func:`fetch` does.
    """
    import numpy as np

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
        geometry="point, cell",
        choices=("KIND", "IMT", "POE"),
        about="Ground motion of each period with the same probability of exceedance, at each site.",
    )
}
