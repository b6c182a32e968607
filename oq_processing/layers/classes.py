"""Class limits of a graduated style, by numpy on the values at hand.

QGIS's own classification methods would do another pass over the layer, take 100 times as long for
Jenks, and know neither open classes nor the ends of curves.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..outputs.core.lazy import Array, np
from ..outputs.core.table import AT_END

Limits = list[tuple[float, float, str]]
"""Lower limit, upper limit and label of each class, rising."""

DEFAULT_CLASSES = 7
JENKS_BINS = 512
_EXTREME = 100  # decades: squares have a place up to 154
SERIES = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Round numbers of a decade, from many to one: the limits of logarithmic classes."""


def class_limits(
    values: Array,
    classification: str,
    classes: int | None,
    breaks: Sequence[float] = (),
    center: float | None = None,
) -> Limits:
    """Return the classes of an array of numbers.

    ``classification`` is one of ``style.CLASSIFICATIONS``, or ``breaks`` for limits of the user;
    ``standard`` and ``breaks`` use ``breaks`` and open classes at both ends. Around ``center``, if
    there is one, the others make as many classes below as above, which it divides. Values that are
    NaN or infinite count for nothing; a single value makes a single class; none makes none.
    """
    values = np.asarray(values, dtype=float)
    if not (finite := np.isfinite(values)).all():  # else no second copy of a large array
        values = values[finite]
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if classification == "standard" and not len(breaks):
        classification = "quantile"
    if classification in ("standard", "breaks"):
        return _open_classes(list(breaks), low, high)
    if low == high:
        return [(low, high, number(low))]
    count = classes or DEFAULT_CLASSES
    if classification == "logarithmic" and center is None and low >= 0:
        return _logarithmic(values, count)
    method = {"equal-interval": _equal_interval, "jenks": _jenks, "pretty": _pretty}.get(
        classification, _quantile
    )
    # of extreme numbers the differences, squares and decades have no place among the numbers there
    # are: their decades are taken away and given back
    decades = math.floor(math.log10(max(abs(low), abs(high), abs(center or 0))))
    if abs(decades) > _EXTREME:
        values = _shifted(values, -decades)
        center = None if center is None else _shifted(center, -decades)
    else:
        decades = 0
    if center is None:
        limits = method(values, count)
    else:
        limits = _around(values, classification, count, center)
    if decades:
        limits = [_back(limit, decades) for limit in limits]
    return _classes(limits, low, high)


def _shifted(values: Any, decades: int) -> Any:
    half = decades // 2  # 10**324 is not a number
    return values * 10.0**half * 10.0 ** (decades - half)


def _back(limit: float, decades: int) -> float:
    """Return a round limit with its decades: as round as before, and never infinite."""
    return _finite(float(Decimal(repr(float(limit))).scaleb(decades)))


def _finite(limit: float) -> float:
    return math.copysign(min(abs(limit), sys.float_info.max), limit)


def _classes(limits: Sequence[float], low: float, high: float) -> Limits:
    """Return the classes between limits, the outer ones wide enough for all values."""
    limits = sorted(set(limits))
    if len(limits) < 2:  # nearer to each other than the limits are round
        limits = [low, high]
    below = low < limits[0] and not math.isclose(low, limits[0])
    above = high > limits[-1] and not math.isclose(high, limits[-1])
    # the ends are the values' own, so that no value falls out by rounding
    limits[0], limits[-1] = min(limits[0], low), max(limits[-1], high)
    labels = _labels(limits)
    texts = [f"{a} – {b}" for a, b in zip(labels, labels[1:])]
    if len(texts) > 1 and below:
        texts[0] = f"< {labels[1]}"
    if len(texts) > 1 and above:
        texts[-1] = f"> {labels[-2]}"
    return list(zip(limits, limits[1:], texts))


def within(
    classes: Sequence[tuple[Any, ...]], lowest: float | None, highest: float | None
) -> list[tuple[Any, ...]]:
    """Return the classes (lower, upper, label, …) between the ends of curves, cut there.

    None is no end. Labels of numbers say so; others stay.
    """
    # what is as good as the lowest level belongs to the class above it
    bottom, rounded = (-math.inf if lowest is None else lowest * (1 + e) for e in (-AT_END, AT_END))
    top = math.inf if highest is None else highest * (1 - AT_END)
    found = []
    for low, high, label, *rest in classes:
        if high <= bottom or low >= top or low < bottom <= high <= rounded:
            continue
        start = bottom if low <= rounded else low
        cut = label
        if numbers := re.fullmatch(r"(?:(\S+) – |(?:< ))(\S+)|> (\S+)", label):
            first, last = numbers[1] or numbers[3], numbers[2]
            if lowest is not None and start != low:
                first = _like(lowest, last)
            if highest is not None and (high > top or numbers[3]):
                last = _like(highest, first)
            cut = f"{first} – {last}" if first and last else label
        found.append((start, min(high, top), cut, *rest))
    return found


def _like(value: float, other: str | None) -> str:
    """Return a number for a legend with the decimals of another one, if these are enough."""
    text = f"{value:,.{len((other or '').partition('.')[2])}f}"
    enough = math.isclose(float(text.replace(",", "")), value, rel_tol=1e-3)
    return text if enough else number(value)


def number(value: float, step: float | None = None) -> str:
    """Return a number for a legend: enough digits to tell it from one that is ``step`` away."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not step or math.isinf(step):
        digits = 4
    else:
        digits = min(17, max(1, size - math.floor(math.log10(abs(step))) + 2))
    if not -5 < size < 10:
        return f"{value:.{digits}g}"
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _labels(limits: Sequence[float]) -> list[str]:
    """Return each limit as text, with the digits that its nearest neighbour asks for."""
    found = []
    for i, limit in enumerate(limits):
        steps = [
            abs(limit - other) for other in (*limits[max(0, i - 1) : i], *limits[i + 1 : i + 2])
        ]
        found.append(number(limit, min(steps, default=None)))
    return found


def _open_classes(breaks: Sequence[float], low: float, high: float) -> Limits:
    """Return the classes of fixed limits, all of them, so that maps compare; the outer are open."""
    lowest = min(low, breaks[0], 0.0 if low >= 0 else low)
    edges = [lowest, *breaks, max(high, breaks[-1])]
    labels = _aligned(breaks)
    texts = [f"{a} – {b}" for a, b in zip(labels, labels[1:])]
    return list(zip(edges, edges[1:], [f"< {labels[0]}", *texts, f"> {labels[-1]}"]))


def _aligned(breaks: Sequence[float]) -> list[str]:
    """Return limits with as many decimals as the one that needs most: 0.13, 0.20, 1.50."""
    decimals = max(len(f"{b:.10g}".partition(".")[2]) for b in breaks)
    if decimals > 4 or max(map(abs, breaks)) >= 1e6:
        return _labels(breaks)
    return [f"{b:,.{decimals}f}" for b in breaks]


def _logarithmic(values: Array, count: int) -> Limits:
    """Return classes of round limits, as many for each decade; zero is a class of its own.

    What lies so many decades below the maximum that there are no classes left is in the first.
    """
    positive = values[values > 0]
    zero = [(0.0, 0.0, "0")] if len(positive) < len(values) else []
    low, high = float(positive.min()), float(positive.max())
    if low == high:
        return [*zero, (low, high, number(low))]
    if high <= 3 * low:
        with np.errstate(over="ignore"):  # beyond the last, which is set apart
            limits = _equal_interval(positive, count)
    else:
        limits = next(
            (found for s in SERIES if len(found := _round_limits(low, high, s)) <= count + 1),
            _round_limits(low, high, SERIES[-1])[-count - 1 :],
        )
    return [*zero, *_classes(limits, low, high)]


def _round_limits(low: float, high: float, mantissas: Sequence[float]) -> list[float]:
    """Return the round numbers around ``low`` to ``high``, these included."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    # 3 * 10**-1 is 0.30000000000000004
    steps = [_finite(float(f"{m}e{decade}")) for decade in decades for m in mantissas]
    first = max(i for i, step in enumerate(steps) if step <= low)
    last = min(i for i, step in enumerate(steps) if step >= high)
    return steps[first : last + 1]


def _around(values: Array, classification: str, count: int, center: float) -> list[float]:
    """Return limits of which ``center`` is the middle one."""
    half = max(1, count // 2)
    if classification in ("quantile", "jenks"):
        method = _jenks if classification == "jenks" else _quantile
        limits = {center}
        for side in (values[values < center], values[values > center]):
            if len(side):
                # with the center among them, so that the classes reach it
                limits.update(method(np.append(side, center), half))
        return list(limits)
    low, high = float(values.min()), float(values.max())
    positive = values[values > 0]
    if classification == "logarithmic" and center > 0 and len(positive):
        ratio = max(high / center, center / float(positive.min()))
        # as round as can be; what is further from the center is in the outer classes
        factor = next((f for f in (1.1, 1.2, 1.5, 2, 3, 5) if f**half >= ratio), 10)
        return [float(f"{center * factor**i:.12g}") for i in range(-half, half + 1)]
    step = max(high - center, center - low) / half
    if classification != "equal-interval":
        step = _round_step(step)
    return [float(f"{center + i * step:.12g}") for i in range(-half, half + 1)]


def _equal_interval(values: Array, count: int) -> list[float]:
    return list(np.linspace(values.min(), values.max(), count + 1).tolist())


def _quantile(values: Array, count: int) -> list[float]:
    return list(np.quantile(values, np.linspace(0, 1, count + 1)).tolist())


def _pretty(values: Array, count: int) -> list[float]:
    low, high = float(values.min()), float(values.max())
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step), math.ceil(high / step)
    # 3 * 0.1 is 0.30000000000000004
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _round_step(raw: float) -> float:
    """Return 1, 2 or 5 times a power of ten that is not below ``raw``."""
    power: float = 10 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)


def _jenks(values: Array, count: int) -> list[float]:
    """Fisher-Jenks natural breaks: exact for few different values, else on a histogram.

    Dynamic programming over the values or bins; fast for any length. Fisher (1958), On Grouping
    for Maximum Homogeneity, JASA 53.
    """
    x, weights = np.unique(values, return_counts=True)
    # limits half way to the next, so that each value is in its own class
    upper = np.append((x[:-1] + x[1:]) / 2, x[-1])
    if len(x) > JENKS_BINS:
        weights, edges = np.histogram(values, bins=JENKS_BINS)
        filled = weights > 0
        x, upper = ((edges[:-1] + edges[1:]) / 2)[filled], edges[1:][filled]
        weights = weights[filled]
    w = weights.astype(float)
    # differences of squares lose their digits far from zero
    x = x - np.average(x, weights=w)
    if len(x) <= count:
        return [float(values.min()), *upper.tolist()]
    sum_w = np.concatenate([[0], np.cumsum(w)])
    sum_x = np.concatenate([[0], np.cumsum(w * x)])
    sum_xx = np.concatenate([[0], np.cumsum(w * x * x)])

    def cost(start: Any, end: Any) -> Any:
        mass = sum_w[end] - sum_w[start]
        total = sum_x[end] - sum_x[start]
        return sum_xx[end] - sum_xx[start] - total * total / mass

    bins = len(x)
    best = np.array([cost(0, e) for e in range(1, bins + 1)])
    cuts = []
    for _ in range(1, count):
        improved = np.full(bins, math.inf)
        cut = np.zeros(bins, dtype=int)
        for end in range(1, bins):
            starts = np.arange(1, end + 1)
            total = best[starts - 1] + cost(starts, end + 1)
            k = int(np.argmin(total))
            improved[end], cut[end] = total[k], starts[k]
        cuts.append(cut)
        best = improved
    limits = [float(upper[-1])]
    end = bins - 1
    for cut in reversed(cuts):
        start = int(cut[end])
        limits.append(float(upper[start - 1]))
        end = start - 1
    return [float(values.min()), *reversed(limits)]
