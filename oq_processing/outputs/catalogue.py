"""From an output type to its reader: what the family modules export, else the general way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial

from ..engine.calculation import Output
from ..engine.errors import InvalidChoice, InvalidOutput
from .core.choices import Choices
from .core.csv_export import csv_format
from .core.output_type import OutputType
from .core.registry import registered
from .core.source import Source
from .core.table import Block, Table

logger = logging.getLogger(__name__)

_PLAIN = "biufUO"
"""Kinds of numpy's types that a column may have: a number, a text, or one object for each row."""

UNLISTED = {"ruptures": ("Earthquake Ruptures", "events")}
"""Types that the engine has beside another one without listing them: their title, and that one.

Scenarios have events, so they have ruptures.
"""


@lru_cache(maxsize=1)
def special_types() -> dict[str, OutputType]:
    """Return the output types that a reader of their own reads."""
    return registered(f"{__package__}.readers", "OUTPUTS")


def output_type(name: str) -> OutputType:
    """Return how an output type is read: by its own reader, else the general way."""
    from .readers import general

    return special_types().get(name, general.ANY)


def read(source: Source, choices: Choices) -> Table:
    """Return the output as a table, drawn by the column that the user wants.

    Raises :class:`InvalidChoice` for a choice that the output does not have; :class:`InvalidOutput`
    for an output of another form than the engine gives it, also while its blocks are read.
    """
    known = output_type(source.output.type)
    if source.output.type not in special_types():
        csv_format(source)  # what cannot be loaded at all is said first
    known.check(choices, source.output.name)
    logger.debug("%s of calculation %d", source.output.type, source.calculation.id)
    with _understood(source):
        table = known.read(source, choices).drawn_by(choices.style_field)
    lines = table.lines and replace(table.lines, blocks=partial(_blocks, source, table.lines))
    return replace(table, blocks=partial(_blocks, source, table), lines=lines)


def _blocks(source: Source, table: Table) -> Iterator[Block]:
    with _understood(source):
        for block in table.blocks():
            for column, values in zip(table.columns, block.values):
                if values.ndim != 1 or values.dtype.kind not in _PLAIN:
                    raise TypeError(f"{column.name} has values of {values.dtype}{values.shape[1:]}")
            yield block


@contextmanager
def _understood(source: Source) -> Iterator[None]:
    """Say in one sentence that an answer has not what its reader looks for."""
    try:
        yield
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        StopIteration,
    ) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InvalidOutput(
            f"{source.output.name} of calculation {source.calculation.id} has a form that is not "
            f"known here ({reason}); Download Output gets it as it is."
        ) from error


def find_output(outputs: Sequence[Output], wanted: str, calculation_id: int) -> Output:
    """Return the output of that type, title or id.

    ``avg_losses`` is ``avg_losses-stats``, or ``avg_losses-rlzs`` where there are no statistics.
    Raises :class:`InvalidChoice`, naming those the calculation has.
    """
    text = wanted.strip()
    for output in outputs:
        if text in (output.type, str(output.id)) or text.lower() == output.name.lower():
            return output
    for output in sorted(outputs, key=lambda o: not o.type.endswith("-stats")):
        if output.type in (f"{text}-stats", f"{text}-rlzs"):
            return output
    if text.lower() in UNLISTED:
        name, beside = UNLISTED[text.lower()]
        for output in outputs:
            if output.type == beside:
                return Output(output.id, text.lower(), name, ())
    has = ", ".join(f"{o.type} ({o.name})" for o in outputs)
    if not has:
        raise InvalidChoice(f"Calculation {calculation_id} has no outputs.")
    if not text:
        raise InvalidChoice(f"Choose an output of calculation {calculation_id}: {has}.")
    raise InvalidChoice(f"Calculation {calculation_id} has no output “{wanted}”; it has: {has}.")
