"""The outlines of ruptures, which the engine gives as a line of text (WKT) each, as WKB.

A vertical fault has no area seen from above: its trace becomes a line, or a very thin polygon.
"""

from __future__ import annotations

import gzip
import io
import math
import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ...engine.errors import InvalidOutput
from ..core import wkb, wkt
from ..core.lazy import Array, np
from ..core.npz import Npz
from ..core.source import Source

HALF_WIDTH = 10.0  # metres to either side of the trace of a vertical fault
NO_WIDTH = 5.0  # metres; outlines are told to a metre, so narrower ones are vertical faults
MAX_LINE = 16 * 1024**2  # bytes of an outline; a real one has some thousand
LINES_AT_ONCE = 5_000
METRES = 111_195.0  # of a degree of latitude


@dataclass(frozen=True)
class Outlines:
    """Geometries as WKB in a file, in the order of the engine's answer.

    ``ends``: where each ends in the file (rows + 1 numbers, the first is 0); ``vertical``: which of
    them are traces of vertical faults.
    """

    path: Path
    ends: Array
    vertical: Array

    def open(self) -> Any:
        """Return the file's bytes, mapped."""
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def read(self, data: Any, rows: Array) -> list[bytes]:
        """Return the WKB of these rows."""
        starts, stops = self.ends[rows].tolist(), self.ends[rows + 1].tolist()
        return [data[start:stop] for start, stop in zip(starts, stops)]


def read_outlines(source: Source, npz: Npz, ruptures: Array, lines: bool) -> Outlines:
    """Write the outlines of ruptures to a file; vertical faults as ``lines`` or thin polygons.

    Raises :class:`InvalidOutput` where they are not what they should be.
    """
    # not bytes(): numpy strips trailing NULs
    text = _lines_of(npz.array("boundaries").tobytes())
    path = source.folder / f"outlines-{source.output.id}.wkb"
    vertical = np.zeros(len(ruptures), bool)
    lengths = np.zeros(len(ruptures) + 1, np.int64)
    row = 0
    with path.open("wb") as file:
        while chunk := list(islice(text, LINES_AT_ONCE)):
            stop = row + len(chunk)
            if stop > len(ruptures):
                raise _not_whole(source)
            shapes, is_line = _geometries(chunk, ruptures[row:stop], lines)
            file.writelines(shapes)
            lengths[row + 1 : stop + 1] = [len(shape) for shape in shapes]
            vertical[row:stop] = is_line
            row = stop
    if row != len(ruptures):
        raise _not_whole(source)
    return Outlines(path, np.cumsum(lengths), vertical)


def _not_whole(source: Source) -> InvalidOutput:
    return InvalidOutput(
        f"The engine's outlines of the ruptures of calculation {source.calculation.id} are not as "
        "many as the ruptures; use GEOMETRY=point."
    )


def _lines_of(packed: bytes) -> Iterator[bytes]:
    try:
        with io.BufferedReader(gzip.GzipFile(fileobj=io.BytesIO(packed))) as file:
            while line := file.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise InvalidOutput("An outline in the engine's answer is not believable.")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidOutput(
            f"The outlines in the engine's answer cannot be unpacked ({error}); "
            "try again, or use GEOMETRY=point."
        ) from error


def _geometries(chunk: Sequence[bytes], ruptures: Array, lines: bool) -> tuple[list[bytes], Array]:
    """Return WKB of outlines given as WKT, and which of them are vertical faults."""
    by_size: dict[tuple[bool, int], list[int]] = {}
    numbers: list[list[float]] = []
    for i, line in enumerate(chunk):
        coordinates, is_ring = _coordinates(line)
        numbers.append(coordinates)
        by_size.setdefault((is_ring, len(coordinates) // 2), []).append(i)
    shapes = [b""] * len(chunk)
    vertical = np.zeros(len(chunk), bool)
    # outlines of as many points together: what is done for each alone takes too long
    for (is_ring, size), rows in by_size.items():
        xy = np.array([numbers[i] for i in rows]).reshape(len(rows), size, 2)
        about = ruptures[rows]
        xy[:, :, 0] = _beside(xy[:, :, 0], about["centroid_lon"])
        flat = _widths(xy) < NO_WIDTH if is_ring else np.ones(len(rows), bool)
        full = np.flatnonzero(~flat)
        for i, shape in zip(full, wkb.polygons(xy[full])):
            shapes[rows[i]] = shape
        traces: dict[int, list[tuple[int, Array]]] = {}
        for i in np.flatnonzero(flat):
            trace = xy[i] if not is_ring and size == 2 else _trace(xy[i])
            traces.setdefault(len(trace), []).append((rows[i], trace))
        for group in traces.values():
            which = [i for i, _ in group]
            vertical[which] = True
            paths = _with_length(np.array([t for _, t in group]), ruptures[which]["strike"])
            made = wkb.lines(paths) if lines else wkb.polygons(_ribbons(paths))
            for i, shape in zip(which, made):
                shapes[i] = shape
    return shapes, vertical


def _coordinates(line: bytes) -> tuple[list[float], bool]:
    """Return x, y, x, y, … of a WKT, and whether they are a closed ring."""
    try:
        outline = wkt.take_apart(line.decode("ascii", "replace"))
        [leaf] = outline.leaves
        found = wkt.numbers(leaf)
    except ValueError as error:
        raise InvalidOutput(
            f"An outline in the engine's answer is broken: {line[:40]!r}."
        ) from error
    is_ring = outline.type == "POLYGON"
    if not is_ring and outline.type != "LINESTRING":
        raise InvalidOutput(
            f"An outline in the engine's answer is of an unknown kind: {line[:40]!r}."
        )
    if "nan" in leaf:  # corners that a surface of irregular shape does not have
        pairs = [p for p in zip(found[::2], found[1::2]) if p[0] == p[0] and p[1] == p[1]]
        found = [number for pair in pairs for number in pair]
    if not found or len(found) % 2 or not all(map(math.isfinite, found)):
        raise InvalidOutput(f"An outline in the engine's answer is broken: {line[:40]!r}.")
    if is_ring and found[:2] != found[-2:]:
        found += found[:2]
    return found, is_ring and len(found) >= 8


def _beside(lon: Array, middle: Array) -> Array:
    """Return longitudes next to the middle, beyond 180 degrees across the antimeridian."""
    apart = lon - middle.astype(float)[:, np.newaxis]
    return np.where(apart > 180, lon - 360, np.where(apart < -180, lon + 360, lon))


def _metres(xy: Array) -> Array:
    """Return coordinates in metres from the first point of each outline."""
    moved = (xy - xy[:, :1]) * METRES
    moved[:, :, 0] *= np.cos(np.radians(xy[:, :1, 1]))
    return moved


def _widths(xy: Array) -> Array:
    """Return how wide rings are: twice the area by the length around, in metres."""
    metres = _metres(xy)
    steps = np.diff(metres, axis=1)
    x, y = metres[:, :, 0], metres[:, :, 1]
    twice_area = np.abs((x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1))
    around = np.hypot(steps[:, :, 0], steps[:, :, 1]).sum(axis=1)
    return twice_area / np.maximum(around, 1e-9)


def _trace(xy: Array) -> Array:
    """Return the points of a flat outline from one end to the other, without those too near."""
    points = xy[:-1] if len(xy) > 1 and (xy[0] == xy[-1]).all() else xy
    metres = _metres(points[np.newaxis])[0]
    first = int(np.argmax(np.hypot(*(metres - metres[0]).T)))
    away = np.hypot(*(metres - metres[first]).T)
    last = int(np.argmax(away))
    if len(points) == 3:
        # of a line the engine sorts the points as text
        middle = [i for i in range(3) if i not in (first, last)]
        order = [first, *middle, last]
    else:
        order = [i % len(points) for i in range(first, last + 1 + len(points) * (last < first))]
    kept = [order[0]]
    for i in order[1:]:
        if math.dist(metres[i], metres[kept[-1]]) > 2 * HALF_WIDTH:
            kept.append(i)
    if len(kept) > 1 or (len(order) > 1 and away[last] > 0):
        # the end itself, not a point next to it
        kept = [*(kept[:-1] if len(kept) > 1 else kept), last]
    return points[kept]


def _with_length(paths: Array, strike: Array) -> Array:
    """Return paths (rows, points, 2); those of one point get a length of 20 m along the strike."""
    if paths.shape[1] > 1:
        return paths
    angle = np.radians(strike.astype(float))
    half = np.stack([np.sin(angle), np.cos(angle)], axis=1)[:, np.newaxis] * HALF_WIDTH / METRES
    half[:, :, 0] /= _cosine(paths)[:, :, 0]
    return np.concatenate([paths - half, paths + half], axis=1)


def _cosine(xy: Array) -> Array:
    # next to a pole degrees of longitude have no length to speak of
    return np.maximum(np.cos(np.radians(xy[:, :, 1:])), 1e-6)


def _ribbons(paths: Array) -> Array:
    """Return closed rings around paths, HALF_WIDTH to either side."""
    steps = np.diff(_metres(paths), axis=1)
    lengths = np.maximum(np.hypot(steps[:, :, 0], steps[:, :, 1]), 1e-9)[:, :, np.newaxis]
    across = np.stack([-steps[:, :, 1], steps[:, :, 0]], axis=2) / lengths
    before = np.concatenate([across[:, :1], across], axis=1)
    after = np.concatenate([across, across[:, -1:]], axis=1)
    both = before + after
    # at a bend farther out, so that the sides stay parallel; at a sharp one not without limit
    reach = np.maximum((both**2).sum(axis=2, keepdims=True) / 2, 0.5)
    offset = both / reach * HALF_WIDTH / METRES
    offset[:, :, :1] /= _cosine(paths)
    left, right = paths + offset, (paths - offset)[:, ::-1]
    return np.concatenate([left, right, left[:, :1]], axis=1)
