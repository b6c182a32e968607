"""The average over the ground motion fields of a scenario."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ...engine.errors import InvalidOutput
from ..core.choices import Choices, match_names
from ..core.columns import IMT
from ..core.csv_export import csv_files, scan, to_array
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.npz import Npz
from ..core.quantities import imt_order, short_imt, words_of
from ..core.source import Source
from ..core.table import Column, ColumnType, Table
from ..core.wording import with_unit
from ..sites.collection import Sites, sites_of
from ..sites.site_table import LongFormat, of_first_imt, site_table
from .ground_motion_deviation import column_of, deviations
from .ground_motion_events import event_of, events_of
from .ground_motion_fields import (
    REFUSED,
    minimum_text,
    motion_of,
    read_field,
    value_of,
)


def average(source: Source, choices: Choices, count: int) -> Table:
    """Return the average over the ``count`` fields of a scenario."""
    names, site, arrays = _average_arrays(source)
    imts = match_names(choices.imt, names, "IMT", "intensity measure type")
    geometric = not {"gmfs", "multi_peril"} & set(source.oqparam.get("inputs") or ())
    over = f"over {count} fields" if count > 1 else "over 1 field"
    kind = "Geometric mean" if geometric else "Mean"
    columns = [
        replace(motion_of(source, i, i, f"{kind} {words_of(i)} {over}"), kind="mean") for i in imts
    ]
    styled = of_first_imt(columns)[0]
    long = LongFormat(
        f"{kind} ground motion {over}, calculation {source.calculation.id}",
        (IMT,),
        lambda column: (column.name,),
        value_of(columns, f"{kind} {over}"),
    )
    notes: list[Note] = []
    if geometric and any(short_imt(imt) != imt for imt in imts):
        text = "In the geometric mean of a secondary peril the engine takes 1E-10 for 0."
        notes.append(Warn(text))
    if geometric and (minimum := minimum_text(source)):
        notes.append(Info(f"Lower ground motion counts as the minimum intensity{minimum}."))

    wanted = [arrays[imt] for imt in imts]
    # not where a mean is not geometric; rows of LONG_FORMAT have one value
    if geometric and not choices.long_format:
        found = deviations(source, {i: arrays[i] for i in imts if short_imt(i) == i}, site)
        notes += found.notes
        columns += [column_of(imt, count) for imt in found.by_imt]
        wanted += found.by_imt.values()

    def title_of(column: Column) -> str:
        if column.kind == "std":
            return column.label
        return f"{with_unit(f'{kind} {words_of(column.name)}', column.unit)} {over}"

    return site_table(source, choices, columns, wanted, styled, title_of, long, site, notes)


def _average_arrays(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    """Return IMTs, sites and values by IMT; raises :class:`InvalidOutput` where there are none."""
    with suppress(*REFUSED, InvalidOutput):
        return _extracted_average(source)
    listed = [output for output in source.outputs() if output.type == "avg_gmf"]
    with suppress(*REFUSED):
        for output in listed:
            return _exported_average(replace(source, output=output))
    raise InvalidOutput(
        f"The engine does not give the average ground motion of calculation "
        f"{source.calculation.id}; load gmf_data with EVENT_ID."
    )


def _extracted_average(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    parameters = source.oqparam
    imts = sorted(
        parameters.get("hazard_imtls") or parameters.get("risk_imtls") or (), key=imt_order
    )
    if parameters.get("secondary_perils"):
        # only a field tells the names of what is derived
        field = read_field(source, event_of(events_of(source)[0]))
        imts = [*(i for i in imts if i in field.imts), *(i for i in field.imts if i not in imts)]
    if not imts:
        raise InvalidOutput("The calculation does not tell its intensity measure types.")
    kept = source.npz("sitecol").array("array")
    found = {}
    for imt in imts:
        npz = source.npz("avg_gmf", imt=imt)
        found[imt] = (_positions(npz, kept), npz.array(imt))
    # the engine leaves out sites without ground motion, for each IMT by itself
    at = np.unique(np.concatenate([positions for positions, _ in found.values()]))
    arrays = {}
    for imt, (positions, values) in found.items():
        arrays[imt] = np.zeros(len(at), np.float32)
        arrays[imt][np.searchsorted(at, positions)] = values
    return imts, sites_of(kept[at], kept["sids"][at]), arrays


def _positions(npz: Npz, kept: Array) -> Array:
    """Return which of the calculation's sites the rows of an average are of."""
    lon, lat = npz.array("lon"), npz.array("lat")
    if len(lon) == len(kept):
        positions = np.arange(len(kept))
    elif "site_id" in npz:
        order = np.argsort(kept["sids"])
        positions = order[_lookup(kept["sids"][order], npz.array("site_id"))]
    else:
        # custom ids may be the same for neighbours: the order tells them apart, it is that of sites
        given = list(zip(npz.array("custom_site_id").tolist(), lon.tolist(), lat.tolist()))
        custom = np.char.decode(kept["custom_site_id"]).tolist()
        sites = enumerate(zip(custom, kept["lon"].tolist(), kept["lat"].tolist()))
        positions = np.array(
            [next((i for i, site in sites if site == row), -1) for row in given], np.int64
        )
    same = np.array_equal(kept["lon"][positions], lon) and np.array_equal(
        kept["lat"][positions], lat
    )
    if not same or (len(positions) and positions.min() < 0):
        raise InvalidOutput("The average ground motion is of other sites than the calculation's.")
    return positions


def _lookup(ids: Array, wanted: Array) -> Array:
    return np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)


def _exported_average(source: Source) -> tuple[list[str], Sites, dict[str, Array]]:
    [file] = csv_files(source, "the extract has no average")
    scan(file)
    if not {"lon", "lat"} <= set(file.header) or not file.rows:
        raise InvalidOutput(f"{source.output.name} has no sites.")
    cells = dict(zip(file.header, zip(*file.read())))
    imts = list(file.header[file.header.index("lat") + 1 :])
    numbers = {name: to_array(ColumnType.REAL, cells[name]) for name in ("lon", "lat", *imts)}
    custom = np.array(cells["custom_site_id"]) if "custom_site_id" in cells else None
    ids = np.array(
        [int(i) for i in cells["site_id"]] if "site_id" in cells else range(file.rows), np.int64
    )
    return imts, Sites(ids, numbers.pop("lon"), numbers.pop("lat"), None, custom), numbers
