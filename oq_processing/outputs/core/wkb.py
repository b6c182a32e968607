"""Geometries as WKB, of arrays of coordinates in degrees."""

from __future__ import annotations

import struct

from .lazy import Array


def polygons(rings: Array) -> list[bytes]:
    """Return polygons of one ring each; ``rings`` has shape (rows, corners, 2)."""
    head = struct.pack("<BIII", 1, 3, 1, rings.shape[1])
    return [head + ring.tobytes() for ring in rings.astype("<f8")]


def lines(paths: Array) -> list[bytes]:
    """Return lines; ``paths`` has shape (rows, points, 2)."""
    head = struct.pack("<BII", 1, 2, paths.shape[1])
    return [head + path.tobytes() for path in paths.astype("<f8")]
