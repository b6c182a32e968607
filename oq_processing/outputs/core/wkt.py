"""Geometry written as text (WKT): points, lines, polygons and several of them, made WKB.

The grammar is that of OGC 06-103r4, 7.2; curves and collections are not read.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from .table import Geometry

_HEAD = re.compile(r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)\s*(?:ZM|Z|M)?\s*(?=[(E])", re.I)
_LEAF = re.compile(r"\(([^()]*)\)")
_SEVERAL = re.compile(r"\(x(?:,x)*\)")
_FORMS = {
    "POINT": re.compile("x"),
    "LINESTRING": re.compile("x"),
    "POLYGON": _SEVERAL,
    "MULTIPOINT": re.compile(rf"x|{_SEVERAL.pattern}"),
    "MULTILINESTRING": _SEVERAL,
    "MULTIPOLYGON": re.compile(rf"\({_SEVERAL.pattern}(?:,{_SEVERAL.pattern})*\)"),
}
_FAMILIES = {
    "POINT": Geometry.POINT,
    "LINESTRING": Geometry.LINE,
    "POLYGON": Geometry.POLYGON,
}
_CODES = {Geometry.POINT: 1, Geometry.LINE: 2, Geometry.POLYGON: 3}
_MULTI = 3  # more in the code of a multi form
_DIMENSIONS = (2, 3, 4)


@dataclass(frozen=True)
class Text:
    """A geometry as text, taken apart: its WKT type, and the text of each of its coordinate lists.

    ``form`` has an x for each of them: ``((x,x),(x))`` are two polygons, the first with a hole.
    """

    type: str
    form: str
    leaves: list[str]


def is_wkt(text: str) -> bool:
    """Return whether a text begins as a geometry does."""
    return _HEAD.match(text) is not None


def take_apart(text: str) -> Text:
    """Return the type of a geometry and its coordinate lists, none where it is EMPTY.

    Raises ``ValueError`` for what is not a geometry, or has parentheses that do not fit its type.
    """
    head = _HEAD.match(text)
    if head is None:
        raise ValueError("not a point, line or polygon")
    type_ = f"{head[1] or ''}{head[2]}".upper()
    body = text[head.end() :].strip()
    if body[:6].upper() == "EMPTY":
        return Text(type_, "", [])
    form = "".join(_LEAF.sub("x", body).split())
    if not _FORMS[type_].fullmatch(form):
        raise ValueError("parentheses that do not fit")
    return Text(type_, form, _LEAF.findall(body))


def numbers(leaf: str) -> list[float]:
    """Return the numbers of a coordinate list, one after the other; may raise ``ValueError``."""
    return list(map(float, leaf.replace(",", " ").split()))


@dataclass(frozen=True)
class Shape:
    """A geometry: its family, and the WKB of each of its parts.

    ``multi``: it was written as several; ``flat``: no Z or M has been left out.
    """

    family: Geometry
    parts: tuple[bytes, ...]
    multi: bool
    flat: bool

    def wkb(self, multi: bool) -> bytes:
        """Return it as WKB, as several parts if ``multi``; b"" for one that is empty."""
        if not self.parts:
            return b""
        if not multi:
            return self.parts[0]
        head = struct.pack("<BII", 1, _CODES[self.family] + _MULTI, len(self.parts))
        return head + b"".join(self.parts)


def read(text: str) -> Shape:
    """Return a geometry in two dimensions. Raises ``ValueError`` for what is not one."""
    found = take_apart(text)
    single = found.type.removeprefix("MULTI")
    lists = [_xy(leaf) for leaf in found.leaves]
    if single == "POINT":
        if found.form != "x" and any(len(xy) != 2 for xy, _ in lists):
            raise ValueError("a point in several places")
        pairs = [xy[i : i + 2] for xy, _ in lists for i in range(0, len(xy), 2)]
        parts = [struct.pack("<BI2d", 1, 1, *pair) for pair in pairs]
        if found.type == "POINT" and len(parts) > 1:
            raise ValueError("a point in several places")
    elif single == "LINESTRING":
        parts = [_line(xy) for xy, _ in lists]
    else:
        rings = iter(_ring(xy) for xy, _ in lists)
        groups = _SEVERAL.findall(found.form)
        parts = [_polygon([next(rings) for _ in range(group.count("x"))]) for group in groups]
    flat = all(is_flat for _, is_flat in lists)
    return Shape(_FAMILIES[single], tuple(parts), found.type != single, flat)


def _xy(leaf: str) -> tuple[list[float], bool]:
    """Return x, y, x, y, … and whether there was no more."""
    sizes = {len(vertex.split()) for vertex in leaf.split(",")}
    size = sizes.pop()
    if sizes or size not in _DIMENSIONS:
        raise ValueError("coordinates that do not come in pairs")
    found = numbers(leaf)
    if size > 2:
        found = [number for i in range(0, len(found), size) for number in found[i : i + 2]]
    if not all(map(math.isfinite, found)):
        raise ValueError("coordinates that are not finite")
    return found, size == 2


def _line(xy: Sequence[float]) -> bytes:
    if len(xy) < 4:
        raise ValueError("a line of one point")
    return struct.pack(f"<BII{len(xy)}d", 1, 2, len(xy) // 2, *xy)


def _ring(xy: list[float]) -> bytes:
    if xy[:2] != xy[-2:]:
        xy = [*xy, *xy[:2]]
    if len(xy) < 8:
        raise ValueError("a ring of less than three points")
    return struct.pack(f"<I{len(xy)}d", len(xy) // 2, *xy)


def _polygon(rings: Sequence[bytes]) -> bytes:
    return struct.pack("<BII", 1, 3, len(rings)) + b"".join(rings)


@dataclass
class Shapes:
    """What the cells of a column are, looked at one after the other."""

    families: set[Geometry] = field(default_factory=set)
    multi: bool = False
    flat: bool = True
    empty: int = 0
    """Cells that are empty, or hold a geometry that is."""

    def add(self, cell: str) -> bool:
        """Look at a cell; False if it is neither a geometry nor empty."""
        if not cell:
            self.empty += 1
            return True
        if not is_wkt(cell):
            return False
        try:
            shape = read(cell)
        except ValueError:
            return False
        self.families.add(shape.family)
        self.multi |= shape.multi
        self.flat &= shape.flat
        self.empty += not shape.parts
        return True


def merged(parts: Sequence[Shapes]) -> Shapes:
    """Return what a column is, by what its parts are."""
    return Shapes(
        set().union(*(part.families for part in parts)),
        any(part.multi for part in parts),
        all(part.flat for part in parts),
        sum(part.empty for part in parts),
    )
