"""What a family module says of an output type that it reads in a way of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from .choices import Choices
from .source import Source
from .table import Table


@dataclass(frozen=True)
class OutputType:
    """How to read an output type, what it becomes, which choices it honours."""

    read: Callable[[Source, Choices], Table]
    geometry: str
    choices: tuple[str, ...]
    about: str
