"""What a family module says of an output type that it reads in a way of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from ...engine.errors import InvalidChoice
from .choices import Choices
from .source import Source
from .table import Geometry, Table

CELL = "cell"
"""Beside the words of :class:`Geometry`: polygons that are the cells of a grid."""


@dataclass(frozen=True)
class OutputType:
    """How to read an output type, what it becomes, which choices it honours.

    ``geometries`` are the words of GEOMETRY that it may have, the usual one first; ``auto`` and
    ``none`` may always be chosen, and ``polygon`` for cells. ``apart`` are those of layers beside
    it; ``long_format``: whether LONG_FORMAT makes rows of its columns.
    """

    read: Callable[[Source, Choices], Table]
    geometries: tuple[str, ...]
    choices: tuple[str, ...]
    about: str
    long_format: bool = False
    apart: tuple[Geometry, ...] = ()

    @property
    def becomes(self) -> str:
        """What layers it becomes: ``point, cell``; ``table`` is one without geometry."""
        words = (*self.geometries, *self.apart)
        return ", ".join("table" if word == Geometry.NONE else word for word in words)

    def check(self, choices: Choices, title: str) -> None:
        """Raise :class:`InvalidChoice` for what an output called ``title`` does not have."""
        choices.refuse_others(self.choices, title)
        words = [word for word in self.geometries if word != Geometry.NONE]
        also = [Geometry.POLYGON] if CELL in words else []
        if choices.geometry not in ("auto", *words, *also, Geometry.NONE):
            raise InvalidChoice(other_geometry(title, words))
        if choices.long_format and not self.long_format:
            raise InvalidChoice(f"{title} cannot be loaded in LONG_FORMAT.")


def other_geometry(title: str, words: Iterable[str]) -> str:
    """Return the sentence for a GEOMETRY that is not one of ``words``."""
    return f"{title} can be loaded with GEOMETRY {', '.join(['auto', *words])} or none."
