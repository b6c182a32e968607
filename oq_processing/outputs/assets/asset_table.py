"""Tables of values beside the assets of the extract: one array for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Callable

from ...engine.errors import InvalidOutput
from ..core.choices import Choices
from ..core.lazy import Array, np
from ..core.notes import Note
from ..core.palettes import LOSS_RAMP
from ..core.source import Source
from ..core.table import Column, Geometry, Style, Table
from .assets import Assets, about_columns, asset_blocks, empty_note, risk_provenance


def value_style(column: Column) -> Style:
    """Return how losses and values are drawn."""
    return Style(column.name, "logarithmic", (), LOSS_RAMP)


def as_points(table: Table, choices: Choices) -> Table:
    """Return a table, whose blocks have coordinates, as points unless GEOMETRY says none."""
    if choices.geometry == Geometry.NONE:
        return table.map_blocks(lambda block: replace(block, xy=None))
    return replace(table, geometry=Geometry.POINT)


def drawn_by_default(
    table: Table,
    usual: Column,
    drawn: Sequence[Column],
    style: Callable[[Column], Style],
    title_of: Callable[[Column], str] = lambda column: column.title,
) -> Table:
    """Return a table that is drawn, and called, by the column ``usual``.

    ``style`` is how each of the columns ``drawn`` is drawn where the user chooses it instead.
    """
    names = {column.name for column in drawn}
    return replace(
        table,
        title=title_of(usual),
        style=style(usual),
        style_of=lambda column: style(column) if column.name in names else None,
        title_of=title_of,
    )


def asset_table(
    source: Source,
    choices: Choices,
    assets: Assets,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    usual: Column,
    style: Callable[[Column], Style] = value_style,
    notes: Sequence[Note] = (),
) -> Table:
    """Return a table of what is known of the assets, and ``columns`` beside it.

    The column ``usual`` is drawn unless the user chooses another.
    """
    about = about_columns(assets)
    table = Table(
        title="",
        columns=(*about.values(), *columns),
        rows=assets.rows,
        blocks=partial(asset_blocks, assets, about, arrays),
        notes=tuple(notes) if assets.rows else (*notes, empty_note(source)),
        provenance=risk_provenance(source, choices),
    )
    return drawn_by_default(as_points(table, choices), usual, columns, style)


def check_ids(source: Source, assets: Assets, ids: Array | Sequence[str]) -> None:
    """Refuse values of other assets than those that are at hand."""
    theirs = np.char.encode(ids, "utf-8") if isinstance(ids, list) and ids else np.asarray(ids)
    if len(theirs) != assets.rows or not (theirs == assets.array["id"]).all():
        raise other_assets(source)


def other_assets(source: Source) -> InvalidOutput:
    """Return the error for values that are not of the assets of the calculation."""
    return InvalidOutput(
        f"{source.output.name} and the assets of calculation {source.calculation.id} are not of "
        "the same assets; they cannot be located."
    )
