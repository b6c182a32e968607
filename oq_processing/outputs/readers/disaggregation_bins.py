"""The files of a disaggregation: its bins, their probabilities and their contributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core.choices import Choices, match_names, match_poes
from ..core.csv_export import CsvFile, csv_files, scan, to_array
from ..core.kinds import choose_kinds, parse_kind
from ..core.lazy import Array, np
from ..core.patterns import matching, read_filter
from ..core.quantities import imt_order
from ..core.source import Source
from ..core.table import ColumnType
from ..core.wording import listed
from ..sites.collection import read_own_sites, site_condition

USUAL = "Mag_Dist"
"""What is disaggregated by where nothing was chosen."""

DIMENSIONS = {
    "mag": ("Magnitude", ""),
    "dist": ("Rupture distance", "km"),
    "lon": ("Longitude of the bin", "°"),
    "lat": ("Latitude of the bin", "°"),
    "eps": ("ε", ""),
    "trt": ("Tectonic region type", ""),
}
"""Label and unit of what a disaggregation is by; values are the middles of the bins."""

_WORDS = {"mag": "magnitude", "dist": "distance", "eps": "ε", "trt": "tectonic region type"}


@dataclass(frozen=True)
class Bins:
    """A disaggregation at one site: a file of the export, arrays of equal length.

    ``by`` is what the file is by, as the engine names it (``Mag_Dist``). ``middles`` are those of
    the bins by dimension (``mag``, ``dist``, …; text for ``trt``), ``poes`` the probability of
    exceedance that each bin gives, and ``contributions`` its share of the rate of exceedance, both
    by statistic or realization (``mean``, ``rlz-1``). ``iml`` is in the unit of the IMT; ``group``
    says which rows are one disaggregation. ``site`` is the custom id, "" if it has none; ``vs30``
    is in m/s, NaN if unknown.
    """

    file: CsvFile
    by: str
    site_id: int
    site: str
    vs30: float
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
    def words(self) -> str:
        """What the disaggregation is by: ``magnitude, distance and ε``."""
        words = [_WORDS[name] for name in self.middles if name in _WORDS]
        words += ["location"] if self.is_map else []
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

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
        edges = np.array(self.edges(dimension))
        middles = (edges[1:] + edges[:-1]) / 2
        values = self.middles[dimension]
        found = np.abs(values[:, np.newaxis] - middles).argmin(axis=1)
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


def read_members(source: Source, wanted: str) -> tuple[list[CsvFile], dict[str, Bins]]:
    """Return all files of the export, and those that were chosen (MEMBER), read, by member.

    In the order of what they are by and of their sites. Raises :class:`InvalidChoice` for a member
    that is not there, :class:`InvalidOutput` for a file of another make.
    """
    files = csv_files(source)
    files.sort(key=lambda file: (by_of(file.member), site_id_of(file.member), file.member))
    sites = _sites(source)
    return files, {file.member: read_bins(file, sites) for file in _chosen(files, wanted)}


def by_of(member: str) -> str:
    """Return what a file is by: ``Mag_Dist`` of ``Mag_Dist-mean-0``."""
    return member.partition("-")[0]


def site_id_of(member: str) -> int:
    """Return the number of the site of a file, -1 if it names none."""
    number = member.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _chosen(files: Sequence[CsvFile], wanted: str) -> list[CsvFile]:
    """Return the files that ``wanted`` means: what they are by, that and a site, or a file."""
    text = wanted.strip().lower()
    every = list(dict.fromkeys(by_of(file.member) for file in files))
    if not text:
        text = (USUAL if USUAL in every else every[0]).lower()
    by, _, site = text.partition("-")
    same = [file for file in files if by_of(file.member).lower() == by]
    found = [file for file in same if not site or site == str(site_id_of(file.member))]
    found = found or [file for file in same if file.member.lower() == text]
    if not found:
        there = [file.member for file in same] or every
        raise InvalidChoice(
            f"There is no member “{wanted.strip()}”; MEMBER may be: {listed(there)}."
        )
    return found


def read_bins(file: CsvFile, sites: Mapping[int, tuple[str, float]]) -> Bins:
    """Read a file of the export; ``sites`` are custom id and vs30 by the number of the site.

    Raises :class:`InvalidOutput` for a file of another make.
    """
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
    poes = {parse_kind(name): to_array(ColumnType.REAL, of[name]) for name in values}
    site_id = site_id_of(file.member)
    custom_id, vs30 = sites.get(site_id, ("", math.nan))
    return Bins(
        file=file,
        by=by_of(file.member),
        site_id=site_id,
        site=custom_id,
        vs30=vs30,
        imt=to_array(ColumnType.TEXT, of["imt"]),
        iml=to_array(ColumnType.REAL, of["iml"]),
        poe=to_array(ColumnType.REAL, of["poe"]),
        group=group,
        middles={name: to_array(type_of(name), of[name]) for name in dimensions},
        poes=poes,
        contributions={name: contributions(p, group) for name, p in poes.items()},
    )


def type_of(dimension: str) -> ColumnType:
    """Return the type of the middles of a dimension: tectonic regions have names."""
    return ColumnType.TEXT if dimension == "trt" else ColumnType.REAL


def contributions(poes: Array, group: Array) -> Array:
    """Return the share of each bin in the rate of exceedance of its disaggregation.

    -ln(1-p) / Σ -ln(1-p), the sum over the rows of the same ``group``; NaN where the sum is 0 or
    infinite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = -np.log1p(-poes)
        sums = np.bincount(group, weights=rates)[group]
        return np.where(np.isfinite(sums) & (sums > 0), rates / sums, np.nan)


def _sites(source: Source) -> dict[int, tuple[str, float]]:
    """Return custom id and vs30 of the sites by number; {} where they are not reported."""
    try:
        sites = read_own_sites(source)
    except (NotFound, ServerFault, InvalidOutput):
        return {}
    count = len(sites.site_id)
    custom = [""] * count if sites.custom_id is None else sites.custom_id.tolist()
    vs30 = [math.nan] * count if sites.vs30 is None else sites.vs30.tolist()
    return dict(zip(sites.site_id.tolist(), zip(custom, vs30)))


def condition_of(source: Source, every: Sequence[Bins]) -> str:
    """Return the soil that disaggregations are for, "" if unknown."""
    known = {bins.site_id: bins.vs30 for bins in every if not math.isnan(bins.vs30)}
    return site_condition(source, np.array(list(known.values())))


def of_kinds(all_bins: Sequence[Bins], wanted: str) -> list[Bins]:
    """Return the bins with the chosen statistics or realizations only."""
    names = list(dict.fromkeys(name for bins in all_bins for name in bins.poes))
    kinds = choose_kinds(wanted, names)
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
    imts = sorted({imt for bins in every for imt in bins.imt.tolist()}, key=imt_order)
    imts = match_names(choices.imt, imts, "IMT", "intensity measure type")
    poes = sorted({poe for bins in every for poe in bins.poe.tolist()})
    poes = match_poes(choices.poe, poes, every[0].time)
    masks = [np.isin(bins.imt, imts) & np.isin(bins.poe, poes) for bins in every]
    for tags in read_filter("", choices.tag_filter):
        for name, patterns in tags.items():
            if name not in every[0].middles:
                raise InvalidChoice(
                    f"Disaggregation by {every[0].words} has no “{name}” to choose by TAG_FILTER; "
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
    if name == "trt":
        found, unmatched = matching(patterns, values.tolist())
    else:
        numbers = [_number(p, name, values) for p in patterns]
        close = [np.isclose(values, number, rtol=1e-5, atol=1e-9) for number in numbers]
        found = np.any(close, axis=0)
        unmatched = [p for p, bins in zip(patterns, close) if not bins.any()]
    if unmatched:
        there = dict.fromkeys(v if name == "trt" else f"{v:g}" for v in values.tolist())
        raise InvalidChoice(
            f"There is no bin {name}={unmatched[0]}; there are: {listed([*there])}."
        )
    return found


def _number(text: str, name: str, values: Array) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidChoice(
            f"“{text}” is no number; write {name}={values[0]:g} (TAG_FILTER)."
        ) from error
