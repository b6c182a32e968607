"""Risk of assets from several perils, in full precision beside their exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..assets.asset_table import asset_table
from ..assets.assets import read_assets, value_column
from ..assets.damage_states import damage_column
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import loss_unit
from ..core.choices import Choices
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import Column, ColumnType, Geometry, Table
from ..core.wording import loss_words


def read_asset_risk(source: Source, choices: Choices) -> Table:
    """Return the exposure with the risk of several perils: one row per asset.

    ``GET /v1/calc/N/extract/asset_risk``, single precision. Numbers of buildings in each damage
    state, losses, and what is exposed to each peril; perils are never added to each other.
    """
    assets = read_assets(source, "asset_risk")
    names = [name for name in assets.names if name not in ("id", "lon", "lat")]
    perils = list(dict.fromkeys(n.split("-", 2)[2] for n in names if n.startswith("loss-")))
    columns = [_column(source, name, names, perils) for name in names]
    arrays = [assets.array[name] for name in names]
    table = asset_table(source, choices, assets, columns, arrays, _usual(columns))
    return chosen_assets(table, choices)


def _column(source: Source, name: str, names: Sequence[str], perils: Sequence[str]) -> Column:
    if name in ("site_id", "ordinal"):
        return Column(name, ColumnType.INTEGER, "Site")
    of_peril = next((p for p in perils if name.endswith(f"-{p}")), None)
    if of_peril is None:
        return value_column(source, name)
    rest = name[: -len(of_peril) - 1]
    if rest in names or f"value-{rest}" in names:
        base = value_column(source, rest if rest in names else f"value-{rest}")
        return replace(base, name=name, label=f"{base.label}, exposed to {of_peril}")
    what, _, loss_type = rest.rpartition("-")
    if what == "loss":
        return Column(
            name,
            label=f"{loss_words(loss_type).capitalize()} loss, {of_peril}",
            unit=loss_unit(source, loss_type),
            additive=True,
            quantity="loss",
            loss_type=loss_type,
            peril=of_peril,
        )
    return damage_column(source, name, what, loss_type, of_peril)


def _usual(columns: Sequence[Column]) -> Column:
    """Return what is drawn by default: a loss, else damage, else what is exposed."""
    order = ("loss", "damage", "exposure")
    return min(
        columns, key=lambda c: order.index(c.quantity) if c.quantity in order else len(order)
    )


OUTPUTS = {
    "asset_risk": OutputType(
        read=read_asset_risk,
        geometries=(Geometry.POINT,),
        choices=CHOICES,
        about="Exposure of each asset with its risk from each of several perils.",
    )
}
