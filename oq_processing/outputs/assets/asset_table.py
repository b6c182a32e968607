"""Tables of values beside the assets of the extract: one array for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Callable

from ...engine.errors import InvalidOutput
from ..core.choices import Choices, match_kinds
from ..core.palettes import LOSS_RAMP
from ..core.quantities import kind_label
from ..core.source import Source
from ..core.table import NONE, POINT, Column, Style, Table
from .assets import Assets, about_columns, asset_blocks, empty_note

if TYPE_CHECKING:
    from ..core.table import Array


def value_style(column: Column) -> Style:
    """Return how losses and values are drawn."""
    return Style(column.name, "logarithmic", (), LOSS_RAMP)


def asset_table(
    source: Source,
    choices: Choices,
    assets: Assets,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    usual: Column,
    style: Callable[[Column], Style] = value_style,
    notes: Sequence[str] = (),
) -> Table:
    """Return a table of what is known of the assets, and ``columns`` beside it.

    The column ``usual`` is drawn unless another was chosen.
    """
    pairs = about_columns(assets)
    geometry = NONE if choices.geometry == NONE else POINT
    wanted = choices.style_field.strip().lower()
    drawn = next((c for c in columns if wanted == c.name.lower()), usual)
    provenance = source.provenance(choices)
    if source.risk_time:
        provenance["risk_investigation_time"] = source.risk_time
    return Table(
        title=drawn.title,
        columns=(*(column for column, _ in pairs), *columns),
        rows=assets.rows,
        blocks=partial(
            asset_blocks, assets, [field for _, field in pairs], arrays, geometry == POINT
        ),
        geometry=geometry,
        style=style(drawn),
        notes=tuple(notes) if assets.rows else (*notes, empty_note(source)),
        provenance=provenance,
    )


def matched_kinds(text: str, names: Sequence[str]) -> list[str]:
    """Return the chosen ones of statistics and realizations; the mean comes first."""
    statistics = [name for name in names if not name.startswith("rlz-")]
    statistics.sort(key=lambda name: name != "mean")
    realizations = sorted(int(name[4:]) for name in names if name.startswith("rlz-"))
    return match_kinds(text, statistics, realizations)


def of_kind(column: Column, kind: str, chosen: Sequence[str], there_are: Sequence[str]) -> Column:
    """Return a column for one of several statistics and realizations."""
    suffix = "" if kind == "mean" or len(there_are) == 1 else f", {kind_label(kind).lower()}"
    return replace(
        column,
        name=f"{kind}-{column.name}" if len(chosen) > 1 else column.name,
        label=column.label + suffix,
        kind=kind,
        additive=column.additive and (kind == "mean" or kind.startswith("rlz-")),
    )


def check_ids(source: Source, assets: Assets, ids: Array | Sequence[str]) -> None:
    """Refuse values of other assets than those that are at hand."""
    import numpy as np

    theirs = np.char.encode(ids, "utf-8") if isinstance(ids, list) and ids else np.asarray(ids)
    if len(theirs) != assets.rows or not (theirs == assets.array["id"]).all():
        raise other_assets(source)


def other_assets(source: Source) -> InvalidOutput:
    """Return the error for values that are not of the assets of the calculation."""
    return InvalidOutput(
        f"{source.output.name} and the assets of calculation {source.calculation.id} are not of "
        "the same assets; they cannot be located."
    )
