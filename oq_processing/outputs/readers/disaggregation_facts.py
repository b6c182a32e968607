"""Disaggregations put into words: what they are by, at which level, what dominates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.csv_export import CsvFile
from ..core.kinds import kind_words
from ..core.lazy import Array, np
from ..core.quantities import imt_unit, return_period
from ..core.wording import duration, percent, within
from .disaggregation_bins import Bins, by_of, read_bins, site_id_of


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
    return f"{text} ({shown}{within(bins.time)}, {duration(return_period(poe, bins.time))})"


def title(bins: Bins) -> str:
    """Return the title of one disaggregation: what it is by, IMT, level, probability and site."""
    return f"Disaggregation by {bins.words}: {level_text(bins)}, {site_text(bins)}"


def fixed_text(bins: Bins, names: Sequence[str]) -> str:
    """Return the value of each dimension that has one only: ``, Active Shallow Crust, M 6.5``."""
    text = ""
    for name in names:
        values = set(bins.middles[name].tolist())
        if len(values) == 1:
            value = values.pop()
            text += f", {_bin_text({name: value if name == 'trt' else f'{value:g}'})}"
    return text


def kind_text(kind: str) -> str:
    """Return a statistic or realization as titles end with it, "" for the mean."""
    return "" if kind == "mean" else f", {kind_words(kind)}"


@dataclass(frozen=True)
class Fact:
    """What dominates a disaggregation: ``values`` for the metadata, and in words.

    ``about`` is which disaggregation, ``finding`` its means and its mode (the modal bin).
    """

    values: dict[str, Any]
    about: str
    finding: str

    @property
    def sentence(self) -> str:
        """The fact as a sentence for the log."""
        return f"{self.about}: {self.finding}."


def facts_of(
    files: Sequence[CsvFile], read: Mapping[str, Bins], chosen: Sequence[Bins]
) -> list[Fact]:
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
    """Return another disaggregation at the same site for each dimension ``bins`` are not by."""
    found: dict[str, Bins] = {}
    of_site = [file for file in files if site_id_of(file.member) == bins.site_id]
    for dimension in ("mag", "dist", "eps"):
        if dimension in bins.middles:
            continue
        named = [f for f in of_site if dimension in by_of(f.member).lower().split("_")]
        if named:
            # the fewer dimensions, the fewer rows
            found[dimension] = read_bins(min(named, key=lambda f: f.member.count("_")), {})
    return found


def _fact(group: Bins, others: dict[str, Bins], kind: str) -> Fact:
    means = _means(group, others, kind)
    shares = group.contributions[kind]
    values: dict[str, Any] = {
        "member": group.file.member,
        "site_id": group.site_id,
        "imt": str(group.imt[0]),
        "iml": float(group.iml[0]),
        "poe": float(group.poe[0]),
        "kind": kind,
        "mean": means,
    }
    about = f"{level_text(group)}, {site_text(group)}{kind_text(kind)}"
    if not np.isfinite(shares).any():
        return Fact(values, about, "no bin contributes")
    top = int(np.nanargmax(shares))
    mode = {name: middles[top : top + 1].tolist()[0] for name, middles in group.middles.items()}
    values["mode"], values["mode_contribution"] = mode, float(shares[top])
    shown = _bin_text({name: f"{value:.3g}" for name, value in means.items()})
    bin_ = _bin_text({n: v if n == "trt" else f"{float(f'{v:.5g}'):g}" for n, v in mode.items()})
    largest = f"largest contribution {percent(round(float(shares[top]), 3))} from {bin_}"
    return Fact(values, about, f"mean {shown}; {largest}" if shown else largest)


def _means(group: Bins, others: dict[str, Bins], kind: str) -> dict[str, float]:
    """Return the mean of each dimension that has one, weighted by the contributions."""
    means: dict[str, float] = {}
    for dimension in ("mag", "dist", "eps"):
        of = group if dimension in group.middles else others.get(dimension)
        if of is not None and of is not group:
            of = of.taken((of.imt == group.imt[0]) & _same(of.poe, float(group.poe[0])))
        if of is not None and dimension in of.middles and kind in of.contributions:
            shares = of.contributions[kind]
            if len(shares) and np.isfinite(shares).all():
                means[dimension] = float((shares * of.middles[dimension]).sum())
    return means


def _same(values: Array, value: float) -> Array:
    return np.isclose(values, value, rtol=1e-9, atol=0, equal_nan=True)


_SYMBOLS = {
    "mag": "M {}",
    "dist": "Rrup {} km",
    "eps": "ε {}",
    "lon": "longitude {}",
    "lat": "latitude {}",
}


def _bin_text(values: dict[str, str]) -> str:
    return ", ".join(_SYMBOLS.get(name, "{}").format(value) for name, value in values.items())
