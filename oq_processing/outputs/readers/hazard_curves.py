"""Hazard curves: the probability that levels of ground motion are exceeded, at each site."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...engine.errors import InvalidOutput
from ..core.choices import Choices
from ..core.columns import IML, IMT, KIND
from ..core.kinds import kind_label, name_of_kind, realization, realization_notes
from ..core.lazy import Array, np
from ..core.output_type import OutputType
from ..core.quantities import imt_unit
from ..core.source import Source
from ..core.table import Column, Table, common_unit, refuse_many
from ..core.wording import capital, level_text, within
from ..sites.hazard import Hazard, fetch, limit_notes, read_hazard
from ..sites.site_table import GEOMETRIES, LongFormat, of_first_imt, site_table, title_of_all

SHOWN_LEVELS = {"g": 0.1, "cm/s": 10.0, "intensity": 6.0}
"""The level of which the probability is drawn by default: damage begins there."""


def read_hazard_curves(source: Source, choices: Choices) -> Table:
    """Return hazard curves: one row per site, one column per kind, IMT and level of intensity.

    Values are probabilities of exceedance in the investigation time, single precision as in the
    datastore, 0 to 1 (a standard deviation too). ``GET /v1/calc/N/extract/hcurves?kind=&imt=``
    gives arrays of shape (sites, 1, levels); only what was chosen is fetched. Raises
    :class:`InvalidChoice` for what the calculation does not have.
    """
    hazard = read_hazard(source)
    kinds, imts = hazard.kinds(choices), hazard.imts(choices)
    counts = {imt: len(hazard.levels[imt]) for imt in imts}
    if not all(counts.values()):
        raise InvalidOutput(
            f"Calculation {source.calculation.id} does not tell the levels of its curves."
        )
    count = sum(counts.values())
    what = f"{len(kinds)} statistics or realizations × {count} levels of {len(imts)} IMTs"
    refuse_many(len(kinds) * count, what, "KIND or IMT", choices.long_format)
    found = fetch(source, "hcurves", kinds, counts)
    columns, arrays = [], []
    for kind in kinds:
        for imt in imts:
            names = level_names(imt, hazard.levels[imt])
            for i, level in enumerate(hazard.levels[imt]):
                column = Column(
                    name=name_of_kind(names[i], kind, kinds),
                    label=_exceeding(hazard, hazard.label(kind), kind, imt, level),
                    unit="probability",
                    quantity="hazard curve",
                    kind=kind,
                    imt=imt,
                    level=level,
                )
                columns.append(column)
                arrays.append(found[kind, imt][:, i])
    units = [Column(imt, unit=imt_unit(imt)) for imt in imts]
    iml = replace(IML, unit=common_unit(units))
    rows = LongFormat(
        title_of_all(source),
        (KIND, IMT, iml),
        lambda column: (column.kind, column.imt, column.level),
        replace(hazard.poe_column, unit="probability", quantity="hazard curve"),
    )

    def title_of(column: Column) -> str:
        label, level = kind_label(column.kind), column.level or 0.0
        return _exceeding(hazard, label, column.kind, column.imt, level)

    return site_table(
        source,
        choices,
        columns,
        arrays,
        _usual(columns),
        title_of,
        rows,
        notes=(
            *realization_notes((c.kind for c in columns), hazard.about),
            *limit_notes(hazard, imts),
        ),
    )


def read_site_curves(
    source: Source, kinds: Sequence[str], imts: Sequence[str], site_index: int
) -> dict[tuple[str, str], tuple[Array, Array]]:
    """Return the curves of one site by kind and IMT: levels and PoEs, each of shape (levels,).

    Levels in the unit of the IMT, PoEs in the investigation time; both as the engine has them.
    ``site_index`` is the position in the sites of the calculation, from 0: only that site is
    fetched (``hcurves?kind=&imt=&site_id=``). Kinds and IMTs as :class:`Hazard` names them. Raises
    :class:`InvalidOutput` and :class:`InvalidChoice` as :func:`fetch` does.
    """
    hazard = read_hazard(source)
    counts = {imt: len(hazard.levels[imt]) for imt in imts}
    found = fetch(source, "hcurves", kinds, counts, site_index)
    return {
        (kind, imt): (np.array(hazard.levels[imt]), poes[0]) for (kind, imt), poes in found.items()
    }


def level_names(imt: str, levels: Sequence[float]) -> list[str]:
    """Return a name for each level, as near to the engine's CSV as unique names can be.

    ``PGA-0.0050000`` for accelerations and velocities, ``MMI-6.00000e+00`` for others.
    """
    fixed = imt.startswith(("PGA", "PGV", "SA"))
    names = [f"{level:.7f}" if fixed else f"{level:.5e}" for level in levels]
    if len(set(names)) < len(names):
        names = [repr(level) for level in levels]
    return [f"{imt}-{name}" for name in names]


def _exceeding(hazard: Hazard, label: str, kind: str, imt: str, level: float) -> str:
    """Return what a probability is: *Mean probability of exceeding PGA 0.1 g in 50 years*.

    ``label`` is what the statistic or realization (``kind``) is called.
    """
    what = f"probability of exceeding {imt} {level_text(level, imt)}{within(hazard.time)}"
    if realization(kind) is not None:
        return f"{capital(what)}, {label[0].lower()}{label[1:]}"
    return f"{label} of the {what}" if kind == "std" else f"{label} {what}"


def _usual(columns: Sequence[Column]) -> Column:
    of_imt = of_first_imt(columns)
    shown = SHOWN_LEVELS.get(imt_unit(of_imt[0].imt))
    if shown is None:
        return of_imt[len(of_imt) // 2]
    return min(of_imt, key=lambda c: abs(math.log((c.level or 1e-99) / shown)))


OUTPUTS = {
    "hcurves": OutputType(
        read=read_hazard_curves,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("KIND", "IMT"),
        about="Probability of exceeding each level of ground motion, at each site.",
    )
}
