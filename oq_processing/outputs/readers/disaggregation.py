"""Disaggregation: which magnitudes, distances, places and sources a site's hazard comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...engine.errors import InvalidChoice
from ..core import wkb
from ..core.choices import Choices, nearest_475
from ..core.columns import IML, IMT, MEMBER
from ..core.kinds import kind_label, kind_words, realization
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.output_type import CELL, OutputType
from ..core.quantities import imt_order, imt_unit
from ..core.source import Source
from ..core.table import Column, ColumnType, Geometry, Style, Table, blocks_of, common_unit
from ..core.wording import listed, poe_text, within
from ..sites.collection import site_columns
from .disaggregation_bins import (
    DIMENSIONS,
    Bins,
    by_of,
    chosen_bins,
    condition_of,
    of_kinds,
    read_members,
    type_of,
)
from .disaggregation_facts import facts_of, fixed_text, kind_text, title

CONTRIBUTION_BREAKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Class limits of contributions, the same on every map of a disaggregation."""

CONTRIBUTION_RAMP = "RdPu"

MAX_NOTES = 12  # sets that the log tells of; the layer's metadata has all


def read_disaggregation(source: Source, choices: Choices) -> Table:
    """Return one disaggregation: one row per site, IMT, level and bin.

    From the CSV export, in its six digits: ``GET /v1/calc/result/ID?export_type=csv``. Beside the
    probability of exceedance p of a bin stands its contribution, -ln(1-p) / Σ -ln(1-p), the share
    of the bin in the rate of exceedance. MEMBER is what it is by (``Mag_Dist``: all sites), that
    and a site (``Mag_Dist-0``) or a file; empty is Mag_Dist. TAG_FILTER chooses bins:
    ``trt=Active*``.

    Those by longitude and latitude become cells, of one IMT, probability and tectonic region (or
    magnitude), so that no two are at the same place: IMT and PoE as on other maps where they were
    not chosen, one site where the cells of sites overlap. Where several tectonic regions remain the
    table has no geometry. Raises :class:`InvalidChoice` for what is not there.
    """
    every, read = read_members(source, choices.member)
    chosen = chosen_bins(of_kinds([*read.values()], choices.kind), choices)
    notes: list[Note] = []
    first = chosen[0]
    others = [by for by in dict.fromkeys(by_of(f.member) for f in every) if by != first.by]
    if others and not choices.member.strip():
        notes.append(
            Info(
                f"Disaggregation by {first.words} ({first.by}); other kinds by MEMBER: "
                f"{listed(others)}."
            )
        )
    cells = first.is_map and choices.geometry != Geometry.NONE
    if cells:
        chosen, cells = _one_map(chosen, choices, notes)
    elif choices.geometry in (CELL, Geometry.POLYGON):
        raise InvalidChoice(
            f"Disaggregation by {first.words} has no cells; kinds with Lon_Lat have "
            "(MEMBER), or use GEOMETRY=none."
        )
    facts = facts_of(every, read, chosen)
    notes += [Info(fact.sentence) for fact in facts[:MAX_NOTES]]
    if len(facts) > MAX_NOTES:
        more = len(facts) - MAX_NOTES
        notes.append(Info(f"… and so on for {more} more, in the layer's metadata."))
    provenance = source.provenance(choices, [b.file.member for b in chosen], chosen[0].file.about)
    provenance["disaggregations"] = [fact.values for fact in facts]
    if condition := condition_of(source, chosen):
        provenance["site_condition"] = condition
    columns, arrays = columns_of(chosen)
    rings = _rings(chosen) if cells else None
    drawn = next(c for c in columns if c.quantity == "contribution")
    return Table(
        title=_table_title(source, chosen),
        columns=tuple(columns),
        rows=len(arrays[0]),
        blocks=partial(blocks_of, arrays, None, None if rings is None else partial(_wkb, rings)),
        geometry=Geometry.POLYGON if cells else Geometry.NONE,
        style=_style(drawn) if cells else None,
        style_of=_style if cells else None,
        notes=tuple(notes),
        provenance=provenance,
    )


def _one_map(chosen: list[Bins], choices: Choices, notes: list[Note]) -> tuple[list[Bins], bool]:
    """Return what can be drawn without one cell over another, and whether anything can.

    ``notes`` gets what was left out for it.
    """
    if several := _several_layers(chosen[0], chosen):
        if choices.geometry != "auto":
            raise InvalidChoice(several)
        notes.append(Warn(f"{several} Loaded without geometry."))
        return chosen, False
    for part in (_of_one_imt, _of_one_poe, _without_overlap):
        chosen, note = part(chosen)
        notes += [Info(note)] if note else []
    return chosen, True


def _several_layers(first: Bins, chosen: Sequence[Bins]) -> str:
    """Return what is to be chosen where cells of several bins of a third dimension remain."""
    for name in first.middles:
        values = sorted({v for bins in chosen for v in bins.middles[name].tolist()})
        if name not in ("lon", "lat") and len(values) > 1:
            shown = [v if name == "trt" else f"{v:g}" for v in values]
            return (
                f"Cells of several {DIMENSIONS[name][0].lower()}s lie upon each other; to draw one "
                f"choose it by TAG_FILTER, for example {name}={shown[0]}. There are: "
                f"{listed(shown)}."
            )
    return ""


def _of_one_imt(chosen: list[Bins]) -> tuple[list[Bins], str]:
    imts = sorted({v for bins in chosen for v in bins.imt.tolist()}, key=imt_order)
    if len(imts) == 1:
        return chosen, ""
    parts = [bins.taken(bins.imt == imts[0]) for bins in chosen]
    note = f"Drawn: {imts[0]}; others by IMT: {listed(imts[1:])}."
    return [bins for bins in parts if len(bins.imt)], note


def _of_one_poe(chosen: list[Bins]) -> tuple[list[Bins], str]:
    groups = [list(bins.groups()) for bins in chosen]
    if all(len(of_site) == 1 for of_site in groups):
        return chosen, ""
    time = chosen[0].time
    every = [group for of_site in groups for group in of_site]
    poes = sorted({float(group.poe[0]) for group in every})
    poe = nearest_475(poes, time)
    others = [poe_text(p, time) for p in poes if p != poe]
    note = f"Drawn: PoE {poe_text(poe, time)}; others by POE: {listed(others)}."
    return [group for group in every if group.poe[0] == poe], note


def _without_overlap(chosen: list[Bins]) -> tuple[list[Bins], str]:
    boxes = [(b.edges("lon"), b.edges("lat")) for b in chosen]
    if not any(_overlap(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]):
        return chosen, ""
    others = [bins.file.member for bins in chosen[1:]]
    note = f"Drawn: {chosen[0].file.member}; other sites by MEMBER: {listed(others)}."
    return chosen[:1], note


def _overlap(a: tuple[list[float], list[float]], b: tuple[list[float], list[float]]) -> bool:
    return all(min(first[-1], second[-1]) > max(first[0], second[0]) for first, second in zip(a, b))


def _rings(chosen: Sequence[Bins]) -> Array:
    """Return the corners of each row's cell, shape (rows, 5, 2), in degrees."""
    rings = []
    for bins in chosen:
        lon, lat = np.array(bins.edges("lon")), np.array(bins.edges("lat"))
        x, y = bins.places("lon"), bins.places("lat")
        # across the antimeridian the engine counts on beyond 180
        middle = (lon[x] + lon[x + 1]) / 2
        shift = np.where(middle > 180, -360.0, np.where(middle < -180, 360.0, 0.0))
        west, east, south, north = lon[x] + shift, lon[x + 1] + shift, lat[y], lat[y + 1]
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        rings.append(np.stack([np.stack(corner, axis=1) for corner in corners], axis=1))
    return np.concatenate(rings)


def _wkb(rings: Array, start: int, stop: int) -> Sequence[bytes]:
    return wkb.polygons(rings[start:stop])


def columns_of(chosen: Sequence[Bins]) -> tuple[list[Column], list[Array]]:
    """Return the columns and arrays of several sites one below the other."""
    found = [*_about(chosen), *_values(chosen)]
    return [column for column, _ in found], [array for _, array in found]


def _about(chosen: Sequence[Bins]) -> Iterator[tuple[Column, Array]]:
    """Yield what says which bin a row is: site, level and the middles of the bin."""

    def each(values: Sequence[Any]) -> Array:
        return np.repeat(np.array(values, dtype=object), [len(bins.imt) for bins in chosen])

    def joined(name: str) -> Array:
        return np.concatenate([getattr(bins, name) for bins in chosen])

    site_id, *custom, lon, lat = site_columns(any(bins.site for bins in chosen))
    unit = common_unit([Column(imt, unit=imt_unit(imt)) for imt in set(joined("imt"))])
    yield Column(MEMBER, ColumnType.TEXT, "Kind and site"), each([b.file.member for b in chosen])
    yield site_id, each([bins.site_id for bins in chosen])
    for column in custom:
        yield column, each([bins.site or None for bins in chosen])
    for column in (lon, lat):
        degrees = each([getattr(bins, column.name) for bins in chosen]).astype(float)
        label = f"{column.label} of the site"
        yield replace(column, name=f"site_{column.name}", label=label), degrees
    yield IMT, joined("imt")
    yield replace(IML, unit=unit), joined("iml")
    label = f"Probability of exceeding the level{within(chosen[0].time)}"
    yield Column("poe", label=label), joined("poe")
    for name in chosen[0].middles:
        middles = np.concatenate([bins.middles[name] for bins in chosen])
        yield Column(name, type_of(name), *DIMENSIONS[name]), middles


def _values(chosen: Sequence[Bins]) -> Iterator[tuple[Column, Array]]:
    """Yield the probabilities of the bins, then their contributions, by kind."""
    # sites may have been disaggregated for different realizations
    kinds = list(dict.fromkeys(kind for bins in chosen for kind in bins.poes))
    for what, by_kind in (("poe", "poes"), ("contribution", "contributions")):
        for kind in kinds:
            missing = [np.full(len(bins.imt), np.nan) for bins in chosen]
            arrays = [getattr(b, by_kind).get(kind, nan) for b, nan in zip(chosen, missing)]
            yield _value_column(what, kind, chosen[0], len(kinds) > 1), np.concatenate(arrays)


def _value_column(what: str, kind: str, bins: Bins, many: bool) -> Column:
    number = realization(kind)
    own_name = kind if number is None else f"rlz{number}"
    if what == "poe":
        label = f"{kind_label(kind)} probability of exceedance of the bin{within(bins.time)}"
        return Column(own_name, label=label, quantity="disaggregation", kind=kind)
    name = f"{own_name}-contribution" if many else "contribution"
    label = f"Contribution, {kind_words(kind)}" if many else "Contribution"
    return Column(name, label=label, quantity="contribution", kind=kind)


def _style(column: Column) -> Style:
    if column.quantity == "contribution":
        return Style(column.name, "standard", CONTRIBUTION_BREAKS, CONTRIBUTION_RAMP)
    return Style(column.name, "logarithmic", (), CONTRIBUTION_RAMP)


def _table_title(source: Source, chosen: Sequence[Bins]) -> str:
    one = chosen[0]
    if len(chosen) > 1 or len(set(one.group.tolist())) > 1:
        return f"Disaggregation by {one.words}, calculation {source.calculation.id}"
    text = title(one)
    if one.is_map:
        text += fixed_text(one, [name for name in one.middles if name not in ("lon", "lat")])
    return text + (kind_text(next(iter(one.poes))) if len(one.poes) == 1 else "")


OUTPUTS = dict.fromkeys(
    ("disagg-rlzs", "disagg-stats"),
    OutputType(
        read=read_disaggregation,
        geometries=(Geometry.NONE, CELL),
        choices=("KIND", "IMT", "POE", "TAG_FILTER", "MEMBER"),
        about=(
            "Probability of exceedance of each bin of magnitude, distance, ε, place or tectonic "
            "region, and its contribution to the hazard of the site."
        ),
    ),
)
