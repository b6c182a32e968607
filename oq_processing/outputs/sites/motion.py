"""Ground motion with a given probability of exceedance: columns, titles and notes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..core.choices import Choices, nearest_475
from ..core.kinds import kind_words, realization_notes
from ..core.lazy import Array
from ..core.notes import Note, Warn
from ..core.quantities import imt_unit, return_period, words_of
from ..core.source import Source
from ..core.table import Column, Table, beyond_curves, common_unit
from ..core.wording import capital, chance, level_text, with_unit, years
from .hazard import Hazard, limit_notes
from .site_table import LongFormat, of_first_imt, site_table

SHOWN_MAPS = 8  # with sites beyond the curves, which the log counts


def motion_column(
    hazard: Hazard, name: str, quantity: str, kind: str, imt: str, poe: float
) -> Column:
    """Return a column of ground motion with a given probability of exceedance."""
    lowest, highest = hazard.ends(imt)
    return Column(
        name=name,
        label=f"{hazard.label(kind)} {words_of(imt)}, {chance(poe, hazard.time)}",
        unit=imt_unit(imt),
        quantity=quantity,
        kind=kind,
        imt=imt,
        poe=poe,
        lowest=lowest,
        highest=highest,
    )


def motion_table(
    source: Source,
    choices: Choices,
    hazard: Hazard,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    rows: LongFormat,
) -> Table:
    """Return a table of ground motion at sites, drawn by PGA at the PoE nearest 475 years."""
    of_imt = of_first_imt(columns)
    lowest = hazard.minimum.get
    low = [c.imt for c, values in zip(columns, arrays) if (values < lowest(c.imt, 0.0)).any()]
    poes = [c.poe or 0.0 for c in of_imt]
    return site_table(
        source,
        choices,
        columns,
        arrays,
        of_imt[poes.index(nearest_475(poes, hazard.time))],
        partial(map_title, time=hazard.time),
        rows,
        notes=(
            *realization_notes((c.kind for c in columns), hazard.about),
            *end_notes(columns, arrays),
            *limit_notes(hazard, low),
        ),
    )


def of_several(columns: Sequence[Column], label: str) -> Column:
    """Return the column of a long table that holds the values of several of ground motion."""
    found = Column("value", label=label, unit=common_unit(columns), quantity=columns[0].quantity)
    if len({(c.lowest, c.highest) for c in columns}) == 1:
        return replace(found, lowest=columns[0].lowest, highest=columns[0].highest)
    ends = {(c.imt, c.lowest, c.highest) for c in columns if c.lowest and c.highest}
    return replace(found, ends=tuple(sorted(ends)))


def end_notes(columns: Sequence[Column], arrays: Sequence[Array]) -> tuple[Note, ...]:
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
            found.append(Warn(f"{column.label}: {'; '.join(parts)}."))
    more = len(found) - SHOWN_MAPS
    rest = [Warn(f"… and so on for {more} more maps.")] if more > 0 else []
    return (*found[:SHOWN_MAPS], *rest)


def end_text(column: Column, end: int) -> str:
    """Return what is known of ground motion beyond its curve: below it (-1), or above it (1)."""
    if end > 0:
        level = level_text(column.highest or 0.0, column.imt)
        return f"at least the highest level of the curves ({level})"
    return f"below the lowest level of the curves ({level_text(column.lowest or 0.0, column.imt)})"


def map_title(column: Column, time: float | None) -> str:
    """Return the title of a hazard map: *475-year mean PGA [g] (10% in 50 years)*."""
    poe = column.poe or 0.0
    what = with_unit(f"{kind_words(column.kind)} {column.imt}", column.unit)
    what = capital(what) if time is None else f"{years(return_period(poe, time))}-year {what}"
    return f"{what} ({chance(poe, time)})"
