"""Ruptures: the surfaces that break, seen from above, with magnitude and tectonic region.

The engine gives the outline of each as a line of text (WKT). A vertical fault has no area seen from
above: its trace is drawn as a very thin polygon, or goes to a layer of lines.
"""

from __future__ import annotations

import gzip
import io
import math
import mmap
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.errors import InvalidChoice, InvalidOutput, NotFound, ServerFault
from ..core import wkt
from ..core.choices import Choices
from ..core.npz import Npz
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import (
    INTEGER,
    LINE,
    NONE,
    POINT,
    POLYGON,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    point_array,
    rows_per_block,
)

if TYPE_CHECKING:
    from ..core.table import Array

MANY_RUPTURES = 100_000  # the engine takes a millisecond for the outline of each
HALF_WIDTH = 10.0  # metres to either side of the trace of a vertical fault
NO_WIDTH = 5.0  # metres; outlines are told to a metre, so narrower ones are vertical faults
MAX_LINE = 16 * 1024**2  # bytes of an outline; a real one has some thousand
LINES_AT_ONCE = 5_000
METRES = 111_195.0  # of a degree of latitude

REGION_COLORS = {
    "Active Shallow Crust": "#e31a1c",
    "Stable Continental Crust": "#1f78b4",
    "Stable Shallow Crust": "#1f78b4",
    "Cratonic": "#6baed6",
    "Subduction Interface": "#33a02c",
    "Subduction IntraSlab": "#6a3d9a",
    "Subduction Inslab": "#6a3d9a",
    "Volcanic": "#ff7f00",
    "Vrancea": "#b15928",
    "Deep": "#b15928",
    "Deep Seismicity": "#b15928",
    "Induced": "#e7298a",
    "Geothermal": "#e6ab02",
    "*": "#636363",
}
"""The colour of a tectonic region, the same in every layer."""

OTHER_COLORS = ("#66c2a5", "#a6761d", "#8da0cb", "#e78ac3", "#a6d854", "#1b9e77", "#7570b3")
MAGNITUDE_RAMP = "Plasma"

_COLUMNS = (
    Column("rup_id", INTEGER, "Rupture"),
    Column("source_id", TEXT, "Source"),
    Column("multiplicity", INTEGER, "Number of occurrences", quantity="number of occurrences"),
    Column("mag", REAL, "Magnitude", quantity="magnitude"),
    Column("centroid_lon", REAL, "Longitude of the middle", "°"),
    Column("centroid_lat", REAL, "Latitude of the middle", "°"),
    Column("centroid_depth", REAL, "Depth of the middle", "km", quantity="depth"),
    Column("trt", TEXT, "Tectonic region"),
    Column("strike", REAL, "Strike", "°", quantity="angle"),
    Column("dip", REAL, "Dip", "°", quantity="angle"),
    Column("rake", REAL, "Rake", "°", quantity="angle"),
)
_MODEL = Column("model", TEXT, "Model")


def read_ruptures(source: Source, choices: Choices) -> Table:
    """Return ruptures: one row each, in the order and with the columns of the CSV export.

    Polygons in EPSG:4326, those of vertical faults 20 m wide, or in ``Table.lines`` as lines if
    these have a layer of their own; centroids (GEOMETRY=point) or no geometry.
    ``GET /v1/calc/N/extract/rupture_info?boundaries=&min_mag=``, also of scenarios. Raises
    :class:`InvalidChoice` for what is not there and for outlines of more than 100,000 ruptures.
    """
    if choices.geometry not in ("auto", POLYGON, POINT, NONE):
        raise InvalidChoice(
            f"{source.output.name} can be loaded with GEOMETRY auto, polygon, point or none."
        )
    if choices.long_format:
        raise InvalidChoice(f"{source.output.name} cannot be loaded in LONG_FORMAT.")
    outlined = choices.geometry in ("auto", POLYGON)
    minimum = _magnitude(choices.min_magnitude)
    if outlined and minimum is None:
        _refuse_many(source)
    npz = _fetch(source, outlined, minimum)
    ruptures = npz.array("array")
    names = ruptures.dtype.names or ()
    columns = [c for c in (*_COLUMNS, _MODEL) if c.name in names]
    if len(columns) < len(_COLUMNS):
        raise InvalidOutput(
            f"The engine tells {', '.join(names) or 'nothing'} of its ruptures; expected: "
            f"{', '.join(c.name for c in _COLUMNS)}."
        )
    if outlined:
        outlines = _outlines(source, npz, ruptures, choices.lines)
        return _outlined_table(source, choices, ruptures, columns, outlines)
    table = _table(source, choices, ruptures, columns)
    points = choices.geometry == POINT
    rows = _order(ruptures)
    return replace(
        table,
        rows=len(rows),
        blocks=partial(_blocks, ruptures, columns, rows, points, None),
        geometry=POINT if points else NONE,
    )


def _magnitude(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        magnitude = float(text)
    except ValueError:
        magnitude = math.nan
    if not math.isfinite(magnitude):
        raise InvalidChoice(f"MIN_MAGNITUDE must be a number like 6.5, not “{text}”.")
    return magnitude


def _refuse_many(source: Source) -> None:
    """Raise :class:`InvalidChoice` where outlines of all ruptures would take too long."""
    import numpy as np

    try:
        # every rupture has an event; the ruptures themselves would have to be computed first
        events = source.npz("events").array("array")
    except (NotFound, ServerFault, InvalidOutput):
        return
    count = len(np.unique(events["rup_id"]))
    if count > MANY_RUPTURES:
        raise InvalidChoice(
            f"Calculation {source.calculation.id} has {count} ruptures; outlines are drawn of up "
            f"to {MANY_RUPTURES}. Choose the larger ones by MIN_MAGNITUDE, or load their "
            "centroids by GEOMETRY=point."
        )


def _fetch(source: Source, outlined: bool, minimum: float | None) -> Npz:
    boundaries = "yes" if outlined else "no"
    nothing = f"Calculation {source.calculation.id} has no ruptures"
    try:
        if minimum is None:
            npz = source.npz("rupture_info", boundaries=boundaries)
        else:
            npz = source.npz("rupture_info", boundaries=boundaries, min_mag=repr(minimum))
    except ServerFault as error:
        if "NotFound" in str(error) or "No 'ruptures'" in str(error):
            raise InvalidOutput(f"{nothing}; its ground motion comes from elsewhere.") from error
        raise
    if "array" not in npz or not len(npz.array("array")):
        # an empty array is left out of the answer
        if minimum is None:
            raise InvalidOutput(f"{nothing}.")
        raise InvalidChoice(
            f"{nothing} of magnitude {minimum:g} or more{_largest(source)}; lower MIN_MAGNITUDE."
        )
    return npz


def _largest(source: Source) -> str:
    try:
        magnitudes = source.npz("event_based_mfd").array("mag")
    except (NotFound, ServerFault, InvalidOutput):
        return ""
    return f" (the largest is about {magnitudes.max():.1f})" if len(magnitudes) else ""


def _order(ruptures: Array) -> Array:
    """Return the rows in the order of the CSV export."""
    import numpy as np

    return np.argsort(ruptures["rup_id"], kind="stable")


# --- tables


def _table(source: Source, choices: Choices, ruptures: Array, columns: Sequence[Column]) -> Table:
    """Return a table of ruptures that has everything but rows and geometry."""
    title = f"Ruptures of calculation {source.calculation.id}"
    minimum = _magnitude(choices.min_magnitude)
    if minimum is not None:
        title += f", magnitude {minimum:g} or more"
    return Table(
        title=title,
        columns=tuple(columns),
        rows=0,
        blocks=lambda: iter(()),
        style=_style(ruptures, choices.style_field),
        provenance=source.provenance(choices),
    )


def _style(ruptures: Array, wanted: str) -> Style:
    import numpy as np

    if wanted.strip().lower() == "mag":
        return Style("mag", "pretty", (), MAGNITUDE_RAMP, order_by="mag")
    colors = {name.lower(): color for name, color in REGION_COLORS.items()}
    found = []
    taken = set()
    for name in sorted(_text(np.unique(ruptures["trt"])).tolist()):
        color = colors.get(name.lower(), "")
        if not color:
            # by its name, so that it is the same in the next layer
            start = zlib.crc32(name.encode())
            wheel = [
                OTHER_COLORS[(start + i) % len(OTHER_COLORS)] for i in range(len(OTHER_COLORS))
            ]
            color = next((c for c in wheel if c not in taken), wheel[0])
        taken.add(color)
        found.append((name, "any tectonic region" if name == "*" else name, color))
    return Style("trt", categories=tuple(found), order_by="mag")


def _outlined_table(
    source: Source,
    choices: Choices,
    ruptures: Array,
    columns: Sequence[Column],
    outlines: Outlines,
) -> Table:
    """Return polygons, and lines beside them where they were asked for."""
    table = _table(source, choices, ruptures, columns)
    rows = _order(ruptures)
    vertical = int(outlines.vertical.sum())
    table.provenance["vertical_faults"] = vertical
    apart = rows[outlines.vertical[rows]] if choices.lines else rows[:0]
    if choices.lines:
        rows = rows[~outlines.vertical[rows]]
    notes = []
    if vertical:
        they = "1 rupture is vertical" if vertical == 1 else f"{vertical} ruptures are vertical"
        notes.append(
            f"{they}: {'it is a line' if vertical == 1 else 'they are lines'} in a layer of "
            "their own."
            if choices.lines
            else f"{they}, drawn as polygons {2 * HALF_WIDTH:.0f} m wide."
        )
    lines = None
    if choices.lines:
        lines = replace(
            table,
            title=f"{table.title}: vertical faults",
            rows=len(apart),
            blocks=partial(_blocks, ruptures, columns, apart, False, outlines),
            geometry=LINE,
            provenance=dict(table.provenance),
        )
    return replace(
        table,
        rows=len(rows),
        blocks=partial(_blocks, ruptures, columns, rows, False, outlines),
        geometry=POLYGON,
        notes=tuple(notes),
        lines=lines,
    )


def _blocks(
    ruptures: Array,
    columns: Sequence[Column],
    rows: Array,
    points: bool,
    outlines: Outlines | None,
) -> Iterator[Block]:
    size = rows_per_block(len(columns))
    with outlines.open() if outlines else io.BytesIO() as wkb:
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            part = ruptures[chosen]
            values = tuple(_values(part[c.name]) for c in columns)
            yield Block(
                values,
                point_array(part["centroid_lon"], part["centroid_lat"]) if points else None,
                outlines.read(wkb, chosen) if outlines else None,
            )


def _values(array: Array) -> Array:
    if array.dtype.kind == "S":
        return _text(array)
    if array.dtype.kind == "f" and array.dtype.itemsize == 4:
        # the shortest number that is this one in single precision: 6.05, not 6.050000190734863
        return array.astype(str).astype(float)
    return array


def _text(array: Array) -> Array:
    import numpy as np

    return np.char.decode(array, "utf-8", "replace")


# --- outlines


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


def _outlines(source: Source, npz: Npz, ruptures: Array, lines: bool) -> Outlines:
    """Write the outlines of ruptures to a file; vertical faults as ``lines`` or thin polygons.

    Raises :class:`InvalidOutput` where they are not what they should be.
    """
    import numpy as np

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
    import numpy as np

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
        for i, wkb in zip(full, _polygons(xy[full])):
            shapes[rows[i]] = wkb
        traces: dict[int, list[tuple[int, Array]]] = {}
        for i in np.flatnonzero(flat):
            trace = xy[i] if not is_ring and size == 2 else _trace(xy[i])
            traces.setdefault(len(trace), []).append((rows[i], trace))
        for group in traces.values():
            which = [i for i, _ in group]
            vertical[which] = True
            paths = _with_length(np.array([t for _, t in group]), ruptures[which]["strike"])
            for i, wkb in zip(which, _linestrings(paths) if lines else _polygons(_ribbons(paths))):
                shapes[i] = wkb
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
    is_ring = outline.kind == "POLYGON"
    if not is_ring and outline.kind != "LINESTRING":
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
    import numpy as np

    apart = lon - middle.astype(float)[:, np.newaxis]
    moved: Array = np.where(apart > 180, lon - 360, np.where(apart < -180, lon + 360, lon))
    return moved


def _metres(xy: Array) -> Array:
    """Return coordinates in metres from the first point of each outline."""
    import numpy as np

    moved: Array = (xy - xy[:, :1]) * METRES
    moved[:, :, 0] *= np.cos(np.radians(xy[:, :1, 1]))
    return moved


def _widths(xy: Array) -> Array:
    """Return how wide rings are: twice the area by the length around, in metres."""
    import numpy as np

    metres = _metres(xy)
    steps = np.diff(metres, axis=1)
    x, y = metres[:, :, 0], metres[:, :, 1]
    twice_area = np.abs((x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1))
    around = np.hypot(steps[:, :, 0], steps[:, :, 1]).sum(axis=1)
    widths: Array = twice_area / np.maximum(around, 1e-9)
    return widths


def _trace(xy: Array) -> Array:
    """Return the points of a flat outline from one end to the other, without those too near."""
    import numpy as np

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
    path: Array = points[kept]
    return path


def _with_length(paths: Array, strike: Array) -> Array:
    """Return paths (rows, points, 2); those of one point get a length of 20 m along the strike."""
    import numpy as np

    if paths.shape[1] > 1:
        return paths
    angle = np.radians(strike.astype(float))
    half = np.stack([np.sin(angle), np.cos(angle)], axis=1)[:, np.newaxis] * HALF_WIDTH / METRES
    half[:, :, 0] /= _cosine(paths)[:, :, 0]
    return np.concatenate([paths - half, paths + half], axis=1)


def _cosine(xy: Array) -> Array:
    import numpy as np

    # next to a pole degrees of longitude have no length to speak of
    shrunk: Array = np.maximum(np.cos(np.radians(xy[:, :, 1:])), 1e-6)
    return shrunk


def _ribbons(paths: Array) -> Array:
    """Return closed rings around paths, HALF_WIDTH to either side."""
    import numpy as np

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


def _polygons(rings: Array) -> list[bytes]:
    head = struct.pack("<BIII", 1, 3, 1, rings.shape[1])
    return [head + ring.tobytes() for ring in rings.astype("<f8")]


def _linestrings(paths: Array) -> list[bytes]:
    head = struct.pack("<BII", 1, 2, paths.shape[1])
    return [head + path.tobytes() for path in paths.astype("<f8")]


OUTPUTS = {
    "ruptures": OutputType(
        read=read_ruptures,
        geometry="polygon, line, point",
        choices=("MIN_MAGNITUDE",),
        about="Surfaces of the ruptures, with magnitude and tectonic region.",
    )
}
