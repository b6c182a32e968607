"""Hazard curves, maps and uniform spectra: every statistic and realization of the CSV export."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from truth import Case, CsvTable, Expected

SITE = ("custom_site_id", "lon", "lat", "depth")
FIELDS = 480  # of values at a time; a layer takes 500 in all

Values = dict[str, list[str]]


def hazard_curves(case: Case) -> Iterator[Expected]:
    """A file per kind and IMT, with columns ``poe-LEVEL``: fields ``[KIND-]IMT-LEVEL``."""
    by_imt: dict[str, dict[str, Values]] = {}
    for member, table in case.export.items():
        imt = str(table.about["imt"])
        match = re.fullmatch(rf"(hazard|quantile)_curve-(.+)-{re.escape(imt)}", member)
        levels = [name for name in table.header if name not in SITE]
        found = {f"{imt}-{name[len('poe-') :]}": table.column(name) for name in levels}
        by_imt.setdefault(imt, {})[_kind(match[1], match[2])] = found
    while by_imt:  # as many IMTs at a time as a layer has fields for
        part: list[str] = []
        by_kind: dict[str, Values] = {}
        for imt, kinds in by_imt.items():
            [fields] = {len(values) for values in kinds.values()}
            if part and len(next(iter(by_kind.values()))) + fields > FIELDS:
                break
            part.append(imt)
            for kind, values in kinds.items():
                by_kind.setdefault(kind, {}).update(values)
        for imt in part:
            del by_imt[imt]
        yield from _many(case, by_kind, IMT=", ".join(part))


def hazard_maps(case: Case) -> Iterator[Expected]:
    """A file per kind, with columns ``IMT-POE``: fields ``[KIND-]IMT-POE``."""
    yield from _many(case, _by_kind(case, "map"))


def uniform_spectra(case: Case) -> Iterator[Expected]:
    """A file per kind, with columns ``POE~IMT``: fields ``[KIND-]POE~IMT``."""
    yield from _many(case, _by_kind(case, "uhs"))


def map_statistics(case: Case) -> Iterator[Expected]:
    """A file per statistic and return period, with columns ``IMT``: fields ``[KIND-]IMT-POE``."""
    time = float(case.source.oqparam["investigation_time"])
    # whole years, as the engine writes them
    poes = {round(-time / math.log(1 - p)): p for p in map(float, case.source.oqparam["poes"])}
    by_kind: dict[str, Values] = {}
    for member, table in case.export.items():
        match = re.fullmatch(r"(hazard|quantile)_map-(.+)-(\d+)y", member)
        poe = poes[int(match[3])]
        found = {f"{n}-{poe}": table.column(n) for n in table.header if n not in SITE}
        by_kind.setdefault(_kind(match[1], match[2]), {}).update(found)
    yield from _many(case, by_kind)


def _kind(prefix: str, name: str) -> str:
    """``quantile_curve-0.15`` is ``quantile-0.15``; ``hazard_curve-rlz-003`` is ``rlz-3``."""
    return f"quantile-{name}" if prefix == "quantile" else re.sub(r"rlz-0*(\d)", r"rlz-\1", name)


def _by_kind(case: Case, what: str) -> dict[str, Values]:
    found = {}
    for member, table in case.export.items():
        match = re.fullmatch(rf"(hazard|quantile)_{what}-(.+)", member)
        values = {n: table.column(n) for n in table.header if n not in SITE}
        found[_kind(match[1], match[2])] = values
    return found


def _many(case: Case, by_kind: dict[str, Values], **choices: str) -> Iterator[Expected]:
    """Load as many kinds at a time as a layer has fields for."""
    first, *others = case.export.values()
    sites = _sites(first)
    for member, table in case.export.items():
        if table in others and _sites(table) == sites:
            for name in SITE:
                case.leave_out("the same as in the first file", member, name)
    if "depth" in sites and all(float(cell) == 0 for cell in sites["depth"]):
        case.leave_out("where all depths are 0 there is no such field", column="depth")
        del sites["depth"]
    xy = list(zip(sites["lon"], sites["lat"]))
    kinds = list(by_kind)
    size = max(1, FIELDS // max(map(len, by_kind.values())))
    for start in range(0, len(kinds), size):
        part = kinds[start : start + size]
        values = {
            f"{kind}-{name}" if len(part) > 1 else name: cells
            for kind in part
            for name, cells in by_kind[kind].items()
        }
        yield Expected({"KIND": ", ".join(part), **choices}, {**sites, **values}, xy)


def _sites(table: CsvTable) -> Values:
    return {name: table.column(name) for name in SITE if name in table.header}


CASES = {
    "hcurves": hazard_curves,
    "hmaps": hazard_maps,
    "hmaps-stats": map_statistics,
    "uhs": uniform_spectra,
}
