"""The exposure: assets with their values, occupants and tags."""

from __future__ import annotations

from functools import partial

from ..assets.asset_table import as_points, drawn_by_default, value_style
from ..assets.assets import about_columns, asset_blocks, empty_note, read_assets
from ..assets.network import edges, value_columns, with_lines
from ..assets.selection import CHOICES, chosen_assets
from ..core.choices import Choices
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import Geometry, Table


def read_exposure(source: Source, choices: Choices) -> Table:
    """Return the exposure: one row per asset with its values, occupants and tags.

    Values are totals of the asset (not of one building) in the unit of their cost type, which
    stands in the exported xml; single precision, as in the datastore. Raises
    :class:`InvalidChoice` for tags and values that are not there.
    """
    assets = read_assets(source)
    if choices.geometry == Geometry.LINE:
        return edges(source, choices, assets)
    about = about_columns(assets, "id")
    # the order of the file: what is known of the asset, then its tags
    first = {name: about[name] for name in ("id", "lon", "lat")}
    about = {**first, **value_columns(source, assets), **about}
    table = Table(
        title="Exposure",
        columns=tuple(about.values()),
        rows=assets.rows,
        blocks=partial(asset_blocks, assets, about),
        notes=() if assets.rows else (empty_note(source),),
        provenance={**source.provenance(choices), "calculation_assets": assets.rows},
    )
    table = as_points(table, choices)
    if values := [c for c in table.columns if c.quantity]:
        order = ("value-structural", "value-number")
        usual = min(values, key=lambda c: order.index(c.name) if c.name in order else len(order))
        table = drawn_by_default(
            table, usual, values, value_style, lambda column: f"Exposure: {column.title}"
        )
    return with_lines(source, choices, assets, chosen_assets(table, choices))


OUTPUTS = {
    "exposure": OutputType(
        read=read_exposure,
        geometries=(Geometry.POINT, Geometry.LINE),
        choices=CHOICES,
        about="Values, occupants and tags of each asset.",
    )
}
