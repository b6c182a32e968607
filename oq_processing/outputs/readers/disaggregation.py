"""Disaggregation: which magnitudes, distances, places and sources a site's hazard comes from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..assets.selection import read_filter
from ..core.choices import (
    Choices,
    listed,
    match_kinds,
    match_names,
    match_poes,
    nearest_475,
    poe_text,
)
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.output_type import OutputType
from ..core.quantities import imt_order, imt_unit, kind_label, percent, return_period, years
from ..core.source import Source
from ..core.table import INTEGER, NONE, POLYGON, REAL, TEXT, Column, Style, Table, blocks_of
from ..sites.collection import polygons_wkb, read_own_sites, site_condition
from .general import MEMBER

if TYPE_CHECKING:
    from ..core.table import Array

CONTRIBUTION_BREAKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Class limits of contributions, the same on every map of a disaggregation."""

CONTRIBUTION_RAMP = "RdPu"

USUAL = "Mag_Dist"
"""The kind that is taken where none was chosen."""

MAX_NOTES = 12  # sets that the log tells of; the layer's metadata has all

DIMENSIONS = {
    "mag": ("Magnitude", ""),
    "dist": ("Distance", "km"),
    "lon": ("Longitude of the bin", "°"),
    "lat": ("Latitude of the bin", "°"),
    "eps": ("ε", ""),
    "trt": ("Tectonic region type", ""),
}
"""Label and unit of what a disaggregation is by; values are the middles of the bins."""

_WORDS = {"mag": "magnitude", "dist": "distance", "eps": "ε", "trt": "tectonic region type"}


@dataclass(frozen=True)
class Bins:
    """A disaggregation of one kind at one site: a file of the export, arrays of equal length.

    ``middles`` are the middles of the bins by dimension (``mag``, ``dist``, …; text for ``trt``),
    ``poes`` the probability of exceedance that each bin gives, and ``contributions`` its share of
    the rate of exceedance, both by statistic or realization (``mean``, ``rlz-1``).
    ``iml`` is in the unit of the IMT; ``group`` tells which rows are one disaggregation.
    """

    file: CsvFile
    kind: str
    site_id: int
    site: str
    imt: Array
    iml: Array
    poe: Array
    group: Array
    middles: dict[str, Array]
    poes: dict[str, Array]
    contributions: dict[str, Array]

    @property
    def lon(self) -> float:
        """Longitude of the site, in degrees."""
        return float(self.file.about["lon"])

    @property
    def lat(self) -> float:
        """Latitude of the site, in degrees."""
        return float(self.file.about["lat"])

    @property
    def time(self) -> float | None:
        """Years that the probabilities refer to; None if unknown."""
        value = self.file.about.get("investigation_time")
        return float(value) if value else None

    @property
    def is_map(self) -> bool:
        """Whether the bins are cells around the site, and nothing else but by TRT or magnitude."""
        return {"lon", "lat"} <= set(self.middles)

    def edges(self, dimension: str) -> list[float]:
        """Return the limits of the bins of a dimension; raises :class:`InvalidOutput`."""
        edges = self.file.about.get(f"{dimension}_bin_edges")
        if not isinstance(edges, list) or len(edges) < 2:
            raise InvalidOutput(f"{self.file.member} does not tell the limits of its bins.")
        return [float(edge) for edge in edges]

    def places(self, dimension: str) -> Array:
        """Return which bin of :meth:`edges` each row is."""
        import numpy as np

        edges = np.array(self.edges(dimension))
        middles = (edges[1:] + edges[:-1]) / 2
        values = self.middles[dimension]
        found: Array = np.abs(values[:, np.newaxis] - middles).argmin(axis=1)
        if np.any(np.abs(values - middles[found]) > np.diff(edges)[found] / 4):
            raise InvalidOutput(f"{self.file.member}: its bins are not those of its first line.")
        return found

    def taken(self, rows: Array) -> Bins:
        """Return some of the rows; contributions stay shares of the whole."""
        return replace(
            self,
            imt=self.imt[rows],
            iml=self.iml[rows],
            poe=self.poe[rows],
            group=self.group[rows],
            middles={name: values[rows] for name, values in self.middles.items()},
            poes={name: values[rows] for name, values in self.poes.items()},
            contributions={name: values[rows] for name, values in self.contributions.items()},
        )

    def groups(self) -> Iterator[Bins]:
        """Yield the disaggregations of one IMT and level each, in the order of the file."""
        for number in dict.fromkeys(self.group.tolist()):
            yield self.taken(self.group == number)


def read_disaggregation(source: Source, choices: Choices) -> Table:
    """Return one kind of disaggregation: one row per site, IMT, level and bin.

    From the CSV export, in its six digits: ``GET /v1/calc/result/ID?export_type=csv``. Beside the
    probability of exceedance p of a bin stands its contribution, -ln(1-p) / Σ -ln(1-p), the share
    of the bin in the rate of exceedance. MEMBER is a kind (``Mag_Dist``: all sites), a kind and
    site (``Mag_Dist-0``) or a file; empty is Mag_Dist. TAG_FILTER chooses bins: ``trt=Active*``.

    Kinds by longitude and latitude become cells, of one IMT, probability and tectonic region (or
    magnitude), so that no two are at the same place: IMT and PoE as on other maps where they were
    not chosen, one site where the cells of sites overlap. Where several tectonic regions remain the
    table has no geometry. Raises :class:`InvalidChoice` for what is not there.
    """
    if choices.geometry not in ("auto", "cell", POLYGON, NONE):
        raise InvalidChoice(
            f"{source.output.name}: GEOMETRY may be auto, cell (kinds with Lon_Lat) or none."
        )
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} has one row for each bin already.")
    every = member_files(source)
    files = chosen_members(every, choices.member)
    custom, vs30 = about_sites(source)
    read = {file.member: read_bins(file, custom) for file in files}
    chosen = chosen_bins(of_kinds([*read.values()], choices.kind), choices)
    notes: list[str] = []
    if not choices.member.strip():
        kinds = dict.fromkeys(kind_of(file.member) for file in every)
        if len(kinds) > 1:
            notes.append(
                f"Disaggregation by {by(chosen[0])} ({chosen[0].kind}); other kinds by MEMBER: "
                f"{listed([k for k in kinds if k != chosen[0].kind])}."
            )
    cells = chosen[0].is_map and choices.geometry != NONE
    if cells:
        chosen, cells = _one_map(chosen, choices, notes)
    elif choices.geometry in ("cell", POLYGON):
        raise InvalidChoice(
            f"Disaggregation by {by(chosen[0])} has no cells; kinds with Lon_Lat have "
            "(MEMBER), or use GEOMETRY=none."
        )
    facts = facts_of(every, read, chosen)
    notes += [fact["sentence"] for fact in facts[:MAX_NOTES]]
    if len(facts) > MAX_NOTES:
        notes.append(f"… and so on for {len(facts) - MAX_NOTES} more, in the layer's metadata.")
    provenance = source.provenance(choices)
    provenance["members"] = [bins.file.member for bins in chosen]
    for key in ("checksum", "start_date", "investigation_time"):
        if key in files[0].about:
            provenance[key] = files[0].about[key]
    provenance["disaggregations"] = [
        {key: value for key, value in fact.items() if key != "sentence"} for fact in facts
    ]
    if condition := condition_of(source, chosen, vs30):
        provenance["site_condition"] = condition
    columns, arrays = columns_of(chosen)
    rows = len(arrays[0])
    wkb = partial(_wkb, _rings(chosen)) if cells else None
    styled = next(c for c in columns if c.quantity == "contribution")
    wanted = choices.style_field.lower()
    styled = next((c for c in columns if c.name.lower() == wanted), styled)
    return Table(
        title=_table_title(source, chosen),
        columns=tuple(columns),
        rows=rows,
        blocks=partial(blocks_of, arrays, None, wkb),
        geometry=POLYGON if cells else NONE,
        style=_style(styled) if cells else None,
        notes=tuple(notes),
        provenance=provenance,
    )


def member_files(source: Source) -> list[CsvFile]:
    """Return the files of the export in the order of kind and site; nothing is read yet."""
    files = csv_files(source)
    files.sort(key=lambda file: (kind_of(file.member), _site_id(file.member), file.member))
    return files


def kind_of(member: str) -> str:
    """Return what a file is by: ``Mag_Dist`` of ``Mag_Dist-mean-0``."""
    return member.partition("-")[0]


def _site_id(member: str) -> int:
    number = member.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def chosen_members(files: Sequence[CsvFile], wanted: str) -> list[CsvFile]:
    """Return the files of the chosen kind, or kind and site; raises :class:`InvalidChoice`."""
    text = wanted.strip().lower()
    kinds = list(dict.fromkeys(kind_of(file.member) for file in files))
    if not text:
        text = (USUAL if USUAL in kinds else kinds[0]).lower()
    kind, _, site = text.partition("-")
    found = [
        file
        for file in files
        if file.member.lower() == text
        or (
            kind_of(file.member).lower() == kind
            and (not site or site == str(_site_id(file.member)))
        )
    ]
    if not found:
        of_kind = [file.member for file in files if kind_of(file.member).lower() == kind]
        raise InvalidChoice(
            f"There is no member “{wanted.strip()}”; MEMBER may be: {listed(of_kind or kinds)}."
        )
    return found


def read_bins(file: CsvFile, custom: Mapping[int, str]) -> Bins:
    """Read a file of the export; ``custom`` are the custom ids of the sites by number.

    Raises :class:`InvalidOutput` for a file of another make.
    """
    import numpy as np

    scan(file)
    dimensions = [name for name in file.header[3:] if name in DIMENSIONS]
    values = list(file.header[3 + len(dimensions) :])
    whole = file.header[:3] == ("imt", "iml", "poe") and dimensions and values
    if not whole or not {"lon", "lat"} <= set(file.about):
        raise InvalidOutput(f"{file.member} is no disaggregation: {', '.join(file.header)}.")
    cells = list(zip(*file.read()))
    if not cells:
        raise InvalidOutput(f"{file.member} is empty.")
    of = dict(zip(file.header, cells))
    numbers: dict[tuple[str, str], int] = {}
    group = np.array([numbers.setdefault(pair, len(numbers)) for pair in zip(of["imt"], of["poe"])])
    poes = {_value_name(name): to_array(np, REAL, of[name]) for name in values}
    site_id = _site_id(file.member)
    return Bins(
        file=file,
        kind=kind_of(file.member),
        site_id=site_id,
        site=custom.get(site_id, ""),
        imt=to_array(np, TEXT, of["imt"]),
        iml=to_array(np, REAL, of["iml"]),
        poe=to_array(np, REAL, of["poe"]),
        group=group,
        middles={
            name: to_array(np, TEXT if name == "trt" else REAL, of[name]) for name in dimensions
        },
        poes=poes,
        contributions={name: contributions(p, group) for name, p in poes.items()},
    )


def contributions(poes: Array, group: Array) -> Array:
    """Return the share of each bin in the rate of exceedance of its disaggregation.

    -ln(1-p) / Σ -ln(1-p), the sum over the rows of the same ``group``; NaN where the sum is 0 or
    infinite.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        rates = -np.log1p(-poes)
        sums = np.bincount(group, weights=rates)[group]
        shares: Array = np.where(np.isfinite(sums) & (sums > 0), rates / sums, np.nan)
    return shares


def about_sites(source: Source) -> tuple[dict[int, str], dict[int, float]]:
    """Return custom id and vs30 [m/s] of the sites by number; {} for what they do not have."""
    try:
        sites = read_own_sites(source)
    except (NotFound, ServerFault, InvalidOutput):
        return {}, {}
    numbers = sites.site_id.tolist()
    custom = {} if sites.custom_id is None else dict(zip(numbers, sites.custom_id.tolist()))
    vs30 = {} if sites.vs30 is None else dict(zip(numbers, sites.vs30.tolist()))
    return custom, vs30


def condition_of(source: Source, every: Sequence[Bins], vs30: Mapping[int, float]) -> str:
    """Return the soil that disaggregations are for, "" if unknown."""
    import numpy as np

    numbers = {bins.site_id for bins in every}
    return site_condition(source, np.array([vs30[i] for i in numbers if i in vs30]))


def _value_name(name: str) -> str:
    """Return a column of values as KIND has it: ``rlz1`` is ``rlz-1``."""
    match = re.fullmatch(r"rlz-?(\d+)", name)
    return f"rlz-{int(match[1])}" if match else name


def of_kinds(all_bins: Sequence[Bins], wanted: str) -> list[Bins]:
    """Return the bins with the chosen statistics or realizations only."""
    names = list(dict.fromkeys(name for bins in all_bins for name in bins.poes))
    statistics = [name for name in names if not name.startswith("rlz-")]
    realizations = sorted(int(name[4:]) for name in names if name.startswith("rlz-"))
    kinds = match_kinds(wanted, statistics, realizations)
    return [
        replace(
            bins,
            poes={k: bins.poes[k] for k in kinds if k in bins.poes},
            contributions={k: bins.contributions[k] for k in kinds if k in bins.poes},
        )
        for bins in all_bins
        if any(k in bins.poes for k in kinds)
    ]


def chosen_bins(every: Sequence[Bins], choices: Choices) -> list[Bins]:
    """Return the rows of the chosen IMTs, probabilities and bins; sites without any are left out.

    Choices are matched with what all sites have together: levels that were given have another
    probability at each. Raises :class:`InvalidChoice` for what none has.
    """
    import numpy as np

    imts = sorted({imt for bins in every for imt in bins.imt.tolist()}, key=imt_order)
    imts = match_names(choices.imt, imts, "IMT", "intensity measure type")
    poes = sorted({poe for bins in every for poe in bins.poe.tolist()})
    poes = match_poes(choices.poe, poes, every[0].time)
    masks = [np.isin(bins.imt, imts) & np.isin(bins.poe, poes) for bins in every]
    for tags in read_filter("", choices.tag_filter):
        for name, patterns in tags.items():
            if name not in every[0].middles:
                raise InvalidChoice(
                    f"Disaggregation by {by(every[0])} has no “{name}” to choose by TAG_FILTER; "
                    f"there are: {', '.join(every[0].middles)}."
                )
            values = [bins.middles[name] for bins in every]
            ends = np.cumsum([len(v) for v in values])[:-1]
            found = np.split(_matching(name, np.concatenate(values), patterns), ends)
            masks = [mask & of_site for mask, of_site in zip(masks, found)]
    chosen = [bins.taken(mask) for bins, mask in zip(every, masks) if mask.any()]
    if not chosen:
        raise InvalidChoice("No bin has all that was chosen; choose less by POE or TAG_FILTER.")
    return chosen


def _matching(name: str, values: Array, patterns: Sequence[str]) -> Array:
    """Tell which bins match one of the patterns; each must match one."""
    import numpy as np

    found = np.zeros(len(values), dtype=bool)
    for pattern in patterns:
        if name == "trt":
            match = np.array([fnmatchcase(v.lower(), pattern.lower()) for v in values.tolist()])
        else:
            try:
                match = np.isclose(values, float(pattern), rtol=1e-5, atol=1e-9)
            except ValueError as error:
                raise InvalidChoice(
                    f"“{pattern}” is no number; write {name}={values[0]:g} (TAG_FILTER)."
                ) from error
        if not match.any():
            there = dict.fromkeys(v if name == "trt" else f"{v:g}" for v in values.tolist())
            raise InvalidChoice(f"There is no bin {name}={pattern}; there are: {listed([*there])}.")
        found |= match
    return found


def _one_map(chosen: list[Bins], choices: Choices, notes: list[str]) -> tuple[list[Bins], bool]:
    """Return what can be drawn without one cell over another, and whether anything can.

    ``notes`` gets what was left out for it.
    """
    third = [name for name in chosen[0].middles if name not in ("lon", "lat")]
    for name in third:
        values = sorted({v for bins in chosen for v in bins.middles[name].tolist()})
        if len(values) > 1:
            shown = [v if name == "trt" else f"{v:g}" for v in values]
            sentence = (
                f"Cells of several {DIMENSIONS[name][0].lower()}s lie upon each other; to draw one "
                f"choose it by TAG_FILTER, for example {name}={shown[0]}. There are: "
                f"{listed(shown)}."
            )
            if choices.geometry != "auto":
                raise InvalidChoice(sentence)
            notes.append(f"{sentence} Loaded without geometry.")
            return chosen, False
    imts = sorted({v for bins in chosen for v in bins.imt.tolist()}, key=imt_order)
    if len(imts) > 1:
        notes.append(f"Drawn: {imts[0]}; others by IMT: {listed(imts[1:])}.")
        chosen = [bins.taken(bins.imt == imts[0]) for bins in chosen]
        chosen = [bins for bins in chosen if len(bins.imt)]
    groups = [list(bins.groups()) for bins in chosen]
    if any(len(of_site) > 1 for of_site in groups):
        time = chosen[0].time
        poes = sorted({float(group.poe[0]) for of_site in groups for group in of_site})
        poe = nearest_475(poes, time)
        others = [poe_text(p, time) for p in poes if p != poe]
        notes.append(f"Drawn: PoE {poe_text(poe, time)}; others by POE: {listed(others)}.")
        chosen = [g for of_site in groups for g in of_site if g.poe[0] == poe]
    boxes = [(b.edges("lon"), b.edges("lat")) for b in chosen]
    if any(_overlap(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]):
        others = [bins.file.member for bins in chosen[1:]]
        notes.append(f"Drawn: {chosen[0].file.member}; other sites by MEMBER: {listed(others)}.")
        chosen = chosen[:1]
    return chosen, True


def _overlap(a: tuple[list[float], list[float]], b: tuple[list[float], list[float]]) -> bool:
    return all(min(first[-1], second[-1]) > max(first[0], second[0]) for first, second in zip(a, b))


def _rings(chosen: Sequence[Bins]) -> Array:
    """Return the corners of each row's cell, shape (rows, 5, 2), in degrees."""
    import numpy as np

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
    return polygons_wkb(rings[start:stop])


def columns_of(chosen: Sequence[Bins]) -> tuple[list[Column], list[Array]]:
    """Return the columns and arrays of several sites one below the other."""
    import numpy as np

    def each(values: Sequence[Any]) -> Array:
        return np.repeat(np.array(values, dtype=object), [len(bins.imt) for bins in chosen])

    def joined(arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays)

    first = chosen[0]
    units = {imt_unit(imt) for bins in chosen for imt in set(bins.imt.tolist())}
    unit = units.pop() if len(units) == 1 else ""  # of PGA and PGV there is none for all
    found = [
        (Column(MEMBER, TEXT, "Kind and site"), each([bins.file.member for bins in chosen])),
        (Column("site_id", INTEGER, "Site"), each([bins.site_id for bins in chosen])),
    ]
    if any(bins.site for bins in chosen):
        column = Column("custom_site_id", TEXT, "Site (custom id)")
        found.append((column, each([bins.site or None for bins in chosen])))
    found += [
        (
            Column("site_lon", REAL, "Longitude of the site", "°"),
            each([bins.lon for bins in chosen]).astype(float),
        ),
        (
            Column("site_lat", REAL, "Latitude of the site", "°"),
            each([bins.lat for bins in chosen]).astype(float),
        ),
        (Column("imt", TEXT, "Intensity measure type"), joined([b.imt for b in chosen])),
        (Column("iml", REAL, "Intensity measure level", unit), joined([b.iml for b in chosen])),
        (
            Column("poe", REAL, f"Probability of exceeding the level{_in_years(first.time)}"),
            joined([b.poe for b in chosen]),
        ),
    ]
    for name in first.middles:
        column = Column(name, TEXT if name == "trt" else REAL, *DIMENSIONS[name])
        found.append((column, joined([bins.middles[name] for bins in chosen])))
    # sites may have been disaggregated for different realizations
    kinds = list(dict.fromkeys(kind for bins in chosen for kind in bins.poes))
    for what, by_kind in (("poe", "poes"), ("contribution", "contributions")):
        for kind in kinds:
            missing = [np.full(len(bins.imt), np.nan) for bins in chosen]
            arrays = [getattr(b, by_kind).get(kind, nan) for b, nan in zip(chosen, missing)]
            found.append((_value_column(what, kind, first, len(kinds) > 1), joined(arrays)))
    return [column for column, _ in found], [array for _, array in found]


def _value_column(what: str, kind: str, bins: Bins, many: bool) -> Column:
    own_name = f"rlz{kind[4:]}" if kind.startswith("rlz-") else kind
    if what == "poe":
        label = f"{kind_label(kind)} probability of exceedance of the bin{_in_years(bins.time)}"
        return Column(own_name, REAL, label, quantity="disaggregation", kind=kind)
    name = f"{own_name}-contribution" if many else "contribution"
    label = f"Contribution, {kind_label(kind).lower()}" if many else "Contribution"
    return Column(name, REAL, label, quantity="contribution", kind=kind)


def _in_years(time: float | None) -> str:
    return f" in {years(time)} year{'' if time == 1 else 's'}" if time else ""


def _style(column: Column) -> Style:
    if column.quantity == "contribution":
        return Style(column.name, "standard", CONTRIBUTION_BREAKS, CONTRIBUTION_RAMP)
    return Style(column.name, "logarithmic", (), CONTRIBUTION_RAMP)


def by(bins: Bins) -> str:
    """Return what a disaggregation is by: ``magnitude, distance and ε``."""
    words = [_WORDS[name] for name in bins.middles if name in _WORDS]
    words += ["location"] if bins.is_map else []
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def site_text(bins: Bins) -> str:
    """Return a site as people write it: ``site Kathmandu (85.3, 27.7)``."""
    return f"site {bins.site or bins.site_id} ({bins.lon:g}, {bins.lat:g})"


def level_text(bins: Bins) -> str:
    """Return IMT, level, probability and return period of one disaggregation.

    ``PGA 0.222 g (10% in 50 years, 475 years)``; without the years where they are not known.
    """
    imt, poe = str(bins.imt[0]), float(bins.poe[0])
    text = f"{imt} {bins.iml[0]:.3g} {imt_unit(imt)}".rstrip()
    if not math.isfinite(poe):
        return text
    # of a level that was given the probability is any number
    shown = percent(float(f"{poe:.3g}"))
    if not bins.time:
        return f"{text} ({shown})"
    period = years(return_period(poe, bins.time))
    return f"{text} ({shown}{_in_years(bins.time)}, {period} years)"


def title(bins: Bins) -> str:
    """Return the title of one disaggregation: kind, IMT, level, probability and site."""
    return f"Disaggregation by {by(bins)}: {level_text(bins)}, {site_text(bins)}"


def fixed_text(bins: Bins, names: Sequence[str]) -> str:
    """Return the value of each dimension that has one only: ``, Active Shallow Crust, M 6.5``."""
    text = ""
    for name in names:
        values = set(bins.middles[name].tolist())
        if len(values) == 1:
            value = values.pop()
            text += f", {_bin_text({name: value if name == 'trt' else f'{value:g}'})}"
    return text


def _kind_text(kind: str) -> str:
    return "" if kind == "mean" else f", {kind_label(kind).lower()}"


def _table_title(source: Source, chosen: Sequence[Bins]) -> str:
    one = chosen[0]
    if len(chosen) > 1 or len(set(one.group.tolist())) > 1:
        return f"Disaggregation by {by(one)}, calculation {source.calculation.id}"
    text = title(one)
    if one.is_map:
        text += fixed_text(one, [name for name in one.middles if name not in ("lon", "lat")])
    return text + (_kind_text(next(iter(one.poes))) if len(one.poes) == 1 else "")


def facts_of(
    files: Sequence[CsvFile], read: Mapping[str, Bins], chosen: Sequence[Bins]
) -> list[dict[str, Any]]:
    """Return mean magnitude, distance and ε and the modal bin of each disaggregation.

    ``read`` are whole files by member: the mode is that of all bins, also where few were chosen.
    """
    facts = []
    for bins in chosen:
        whole = {int(group.group[0]): group for group in read[bins.file.member].groups()}
        others = _others(files, bins)
        for group in bins.groups():
            for kind in group.poes:
                facts.append(_fact(whole[int(group.group[0])], others, kind))
    return facts


def _others(files: Sequence[CsvFile], bins: Bins) -> dict[str, Bins]:
    """Return another kind at the same site for each dimension that ``bins`` are not by."""
    found: dict[str, Bins] = {}
    of_site = [file for file in files if _site_id(file.member) == bins.site_id]
    for dimension in ("mag", "dist", "eps"):
        if dimension in bins.middles:
            continue
        named = [f for f in of_site if dimension in kind_of(f.member).lower().split("_")]
        if named:
            # the fewer dimensions, the fewer rows
            found[dimension] = read_bins(min(named, key=lambda f: f.member.count("_")), {})
    return found


def _fact(group: Bins, others: dict[str, Bins], kind: str) -> dict[str, Any]:
    import numpy as np

    means = {}
    for dimension in ("mag", "dist", "eps"):
        of = group if dimension in group.middles else others.get(dimension)
        if of is not None and of is not group:
            same = (of.imt == group.imt[0]) & _same(of.poe, float(group.poe[0]))
            of = of.taken(same)
        if of is not None and dimension in of.middles and kind in of.contributions:
            shares = of.contributions[kind]
            if len(shares) and np.isfinite(shares).all():
                means[dimension] = float((shares * of.middles[dimension]).sum())
    shares = group.contributions[kind]
    fact: dict[str, Any] = {
        "member": group.file.member,
        "site_id": group.site_id,
        "imt": str(group.imt[0]),
        "iml": float(group.iml[0]),
        "poe": float(group.poe[0]),
        "kind": kind,
        "mean": means,
    }
    about = f"{level_text(group)}, {site_text(group)}{_kind_text(kind)}"
    if not np.isfinite(shares).any():
        fact["sentence"] = f"{about}: no bin contributes."
        return fact
    top = int(np.nanargmax(shares))
    fact["mode"] = {
        name: values[top : top + 1].tolist()[0] for name, values in group.middles.items()
    }
    fact["mode_contribution"] = float(shares[top])
    shown = _bin_text({name: f"{value:.3g}" for name, value in means.items()})
    mode = _bin_text(
        {n: v if n == "trt" else f"{float(f'{v:.5g}'):g}" for n, v in fact["mode"].items()}
    )
    fact["sentence"] = (
        f"{about}: {f'mean {shown}; ' if shown else ''}"
        f"largest contribution {percent(round(float(shares[top]), 3))} from {mode}."
    )
    return fact


def _same(values: Array, value: float) -> Array:
    import numpy as np

    found: Array = np.isclose(values, value, rtol=1e-9, atol=0, equal_nan=True)
    return found


_SYMBOLS = {
    "mag": "M {}",
    "dist": "R {} km",
    "eps": "ε {}",
    "lon": "longitude {}",
    "lat": "latitude {}",
}


def _bin_text(values: dict[str, str]) -> str:
    return ", ".join(_SYMBOLS.get(name, "{}").format(value) for name, value in values.items())


OUTPUTS = dict.fromkeys(
    ("disagg-rlzs", "disagg-stats"),
    OutputType(
        read=read_disaggregation,
        geometry="table, cell",
        choices=("KIND", "IMT", "POE", "TAG_FILTER", "MEMBER"),
        about=(
            "Probability of exceedance of each bin of magnitude, distance, ε, place or tectonic "
            "region, and its contribution to the hazard of the site."
        ),
    ),
)
