"""The exposure: assets with their values, occupants and tags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..assets.assets import (
    about_columns,
    asset_blocks,
    check_point_or_table,
    empty_note,
    read_assets,
)
from ..assets.network import edges, value_pairs, with_lines
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import Units
from ..core.choices import Choices
from ..core.output_type import OutputType
from ..core.palettes import LOSS_RAMP
from ..core.source import Source
from ..core.table import LINE, NONE, POINT, Column, Style, Table


def read_exposure(source: Source, choices: Choices) -> Table:
    """Return the exposure: one row per asset with its values, occupants and tags.

    Values are totals of the asset (not of one building) in the unit of their cost type, which
    stands in the exported xml; single precision, as in the datastore. Raises
    :class:`InvalidChoice` for tags and values that are not there.
    """
    if choices.geometry != LINE:
        check_point_or_table(source, choices)
    assets = read_assets(source)
    if choices.geometry == LINE:
        return edges(source, choices, assets)
    pairs = about_columns(assets, "id")
    place = len(pairs) - 2
    # the order of the file: what is known of the asset, then its tags
    pairs = [pairs[0], *pairs[place:], *value_pairs(assets, Units(source)), *pairs[1:place]]
    columns = tuple(column for column, _ in pairs)
    styled = _styled(columns, choices.style_field)
    geometry = NONE if choices.geometry == NONE else POINT
    provenance = source.provenance(choices)
    provenance["calculation_assets"] = assets.rows
    table = Table(
        title=f"Exposure: {styled.title}" if styled else "Exposure",
        columns=columns,
        rows=assets.rows,
        blocks=partial(asset_blocks, assets, [f for _, f in pairs], (), geometry == POINT),
        geometry=geometry,
        style=Style(styled.name, "logarithmic", (), LOSS_RAMP) if styled else None,
        notes=() if assets.rows else (empty_note(source),),
        provenance=provenance,
    )
    return with_lines(source, choices, assets, chosen_assets(table, choices))


def _styled(columns: Sequence[Column], wanted: str) -> Column | None:
    numbers = [c for c in columns if c.quantity]
    for column in numbers:
        if wanted and column.name.lower() == wanted.lower():
            return column
    for name in ("value-structural", "value-number"):
        for column in numbers:
            if column.name == name:
                return column
    return next(iter(numbers), None)


OUTPUTS = {
    "exposure": OutputType(
        read=read_exposure,
        geometry="point, line",
        choices=CHOICES,
        about="Values, occupants and tags of each asset.",
    )
}
