"""How much the ground motion of a scenario varies: the standard deviation of its logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...engine.errors import InvalidOutput
from ..core.csv_export import CsvFile, csv_files, peek
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.source import Source
from ..core.table import Column, ColumnType
from ..sites.collection import Sites
from .ground_motion_events import ALL_EVENTS, event_weights, events_of
from .ground_motion_fields import REFUSED

MOST_ROWS = 1_000_000
"""Events x sites of which the fields are fetched; more would take minutes."""

BLOCK = 50_000  # rows

LEAST = 1e-10  # what the engine takes for 0 where there is no minimum intensity

SAME = 1e-3
"""Relative: means of the rounded fields of the export differ by less from the engine's own."""


@dataclass(frozen=True)
class Deviations:
    """Standard deviations by IMT, one for each site, NaN where it has no field; else ``notes``."""

    by_imt: dict[str, Array]
    notes: tuple[Note, ...] = ()


def deviations(source: Source, means: dict[str, Array], sites: Sites) -> Deviations:
    """Return the standard deviation of the natural logarithm of a scenario's ground motion.

    Over all its fields, each with the weight of its realization; less than the minimum intensity
    counts as that, as in the engine's geometric ``means``, which are checked. From the CSV export
    of ``gmf_data``. The engine has them in its datastore (``avg_gmf[1]``) and exports them nowhere.
    Means are shown without them where the engine refuses that.
    """
    try:
        return _deviations(source, means, sites)
    except (*REFUSED, InvalidOutput) as error:
        return Deviations({}, (Warn(f"Without standard deviations: {error}"),))


def _deviations(source: Source, means: dict[str, Array], sites: Sites) -> Deviations:
    listed = [output for output in source.outputs() if output.type == "gmf_data"]
    if not listed:
        return Deviations({})
    events = events_of(source)
    count = len(events) * len(sites.lon)
    if count > MOST_ROWS:
        return Deviations(
            {},
            (
                Info(
                    f"Without standard deviations: {count:,} values of all fields are more than "
                    f"{MOST_ROWS:,}. Download gmf_data to calculate them."
                ),
            ),
        )
    files = {file.member: file for file in csv_files(replace(source, output=listed[0]))}
    file = files.get(ALL_EVENTS)
    if file is None:
        return Deviations({})
    peek(file)
    ids = _ids(file, sites)
    imts = [imt for imt in means if f"gmv_{imt}" in file.header]
    if ids is None or not imts:
        return Deviations({})
    mean, std = _momenta(source, file, ids, events, imts)
    for imt, own in zip(imts, (means[imt] for imt in imts)):
        known = own > 0
        if not np.allclose(np.exp(mean[imt])[known], own[known], rtol=SAME):
            return Deviations(
                {},
                (
                    Warn(
                        f"Without standard deviations: gmf_data has another mean of {imt} than "
                        "avg_gmf."
                    ),
                ),
            )
    return Deviations({imt: np.where(means[imt] > 0, std[imt], np.nan) for imt in imts})


def column_of(imt: str, count: int) -> Column:
    """Return the column of standard deviations: ``PGA-std``, of ln, without a unit."""
    over = f"{count} field{'' if count == 1 else 's'}"
    return Column(
        f"{imt}-std",
        label=f"Standard deviation (σ) of ln {imt} over {over}",
        quantity="standard deviation",
        kind="std",
        imt=imt,
    )


def _ids(file: CsvFile, sites: Sites) -> tuple[str, dict[str, int]] | None:
    """Return the column of the sites, and the position of each; None where the file has neither."""
    custom = "custom_site_id" in file.header
    if custom and sites.custom_id is None:
        return None
    key = "custom_site_id" if custom else "site_id"
    values: Sequence[object] = (sites.custom_id if custom else sites.site_id).tolist()  # type: ignore[union-attr]
    found = {str(value): i for i, value in enumerate(values)}
    return (key, found) if key in file.header and len(found) == len(values) else None


def _momenta(
    source: Source,
    file: CsvFile,
    ids: tuple[str, dict[str, int]],
    events: Array,
    imts: Sequence[str],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return mean and standard deviation of ln by IMT."""
    key, position = ids
    order = np.argsort(events["id"])
    numbers, weights = events["id"][order], event_weights(source, events)[order]
    given = source.oqparam.get("minimum_intensity") or {}
    least = {imt: float(given.get(imt, given.get("default")) or LEAST) for imt in imts}
    size = len(position)
    known = np.zeros(size)
    sums = {imt: np.zeros((2, size)) for imt in imts}
    columns = [file.header.index(name) for name in ("event_id", key, *(f"gmv_{i}" for i in imts))]
    types = [ColumnType.INTEGER, ColumnType.TEXT, *[ColumnType.REAL] * len(imts)]
    for event, site, *values in file.blocks(columns, types, BLOCK):
        at = np.array([position.get(name, -1) for name in site.tolist()])
        kept = at >= 0
        at, weight = at[kept], weights[np.searchsorted(numbers, event[kept])]
        known += np.bincount(at, weight, size)
        for imt, motion in zip(imts, values):
            logs = np.log(np.maximum(motion[kept], least[imt]))
            for power in (1, 2):
                sums[imt][power - 1] += np.bincount(at, weight * logs**power, size)
    mean, std = {}, {}
    for imt in imts:
        # events that did not shake a site have no row
        lowest = np.log(least[imt])
        first, second = (sums[imt][i] + (1 - known) * lowest ** (i + 1) for i in (0, 1))
        mean[imt], std[imt] = first, np.sqrt(np.maximum(second - first**2, 0))
    return mean, std
