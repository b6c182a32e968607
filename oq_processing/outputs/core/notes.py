"""What the log says of an output, at two levels; nothing is a note without one."""

from __future__ import annotations

from typing import Union


class Info(str):
    """What was loaded, which default was chosen, what was found: plain text in the log."""

    __slots__ = ()


class Warn(str):
    """What a user should act on, or could misread a value by: a warning in the log."""

    __slots__ = ()


Note = Union[Info, Warn]
