"""Class limits of a graduated style, by numpy on the values at hand."""

from __future__ import annotations

import math

DEFAULT_CLASSES = 7
JENKS_BINS = 512

CLASSIFICATIONS = (
    "standard",
    "logarithmic",
    "equal-interval",
    "quantile",
    "jenks",
    "pretty",
)


def class_limits(values, classification: str, classes: int | None, breaks=()):
    """Return (lower, upper, label) of each class, rising.

    ``classification`` is one of ``CLASSIFICATIONS``, or ``breaks`` for limits given by the user;
    ``standard`` and ``breaks`` use ``breaks`` and open classes at both ends. Values that are NaN or
    infinite count for nothing; a single value makes a single class; none makes none.
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if classification in ("standard", "breaks"):
        return _open_classes(list(breaks), low, high)
    if low == high:
        return [(low, high, number(low))]
    count = classes or DEFAULT_CLASSES
    limits = {
        "logarithmic": _logarithmic,
        "equal-interval": _equal_interval,
        "quantile": _quantile,
        "jenks": _jenks,
        "pretty": _pretty,
    }[classification](np, values, count)
    limits = sorted(set(limits))
    # the ends are the values' own, so that no value falls out by rounding
    limits[0], limits[-1] = min(limits[0], low), max(limits[-1], high)
    return [(a, b, f"{number(a, b - a)} – {number(b, b - a)}") for a, b in zip(limits, limits[1:])]


def number(value: float, step: float | None = None) -> str:
    """Return a number for a legend: enough digits to tell neighbours apart, no more."""
    if value == 0:
        return "0"
    if step is None:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(abs(step)))) if step else 2
    if abs(value) >= 1e6 or digits > 6:
        return f"{value:.3g}"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _open_classes(breaks, low: float, high: float):
    """Return the classes of fixed limits, all of them, so that maps compare; the outer are open."""
    edges = [-math.inf, *breaks, math.inf]
    found = []
    for a, b in zip(edges, edges[1:]):
        lower = min(low, b) if a == -math.inf else a
        upper = max(high, a) if b == math.inf else b
        if a == -math.inf:
            label = f"< {number(b)}"
            lower = min(lower, 0.0) if low >= 0 else lower
        elif b == math.inf:
            label = f"> {number(a)}"
        else:
            label = f"{number(a)} – {number(b)}"
        found.append((lower, upper, label))
    return found


def _logarithmic(np, values, count):
    positive = values[values > 0]
    if not len(positive):
        return _equal_interval(np, values, count)
    low, high = math.log10(positive.min()), math.log10(positive.max())
    if high - low < 0.5:
        return _equal_interval(np, values, count)
    limits = [float(10**e) for e in np.linspace(low, high, count + 1)]
    return [0.0, *limits] if values.min() <= 0 else limits


def _equal_interval(np, values, count):
    return np.linspace(values.min(), values.max(), count + 1).tolist()


def _quantile(np, values, count):
    return np.quantile(values, np.linspace(0, 1, count + 1)).tolist()


def _pretty(np, values, count):
    low, high = float(values.min()), float(values.max())
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _jenks(np, values, count):
    """Fisher-Jenks natural breaks on a histogram: exact for its bins, and fast for any length.

    Dynamic programming over the bins; the limits are bin edges.
    Fisher (1958), On Grouping for Maximum Homogeneity, JASA 53.
    """
    weights, edges = np.histogram(values, bins=JENKS_BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    filled = weights > 0
    w, x, upper = weights[filled].astype(float), centers[filled], edges[1:][filled]
    if len(x) <= count:
        return [float(values.min()), *upper.tolist()]
    sum_w = np.concatenate([[0], np.cumsum(w)])
    sum_x = np.concatenate([[0], np.cumsum(w * x)])
    sum_xx = np.concatenate([[0], np.cumsum(w * x * x)])

    def cost(start, end):
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
