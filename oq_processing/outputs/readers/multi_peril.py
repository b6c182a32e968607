"""Risk of assets from several perils, in full precision beside their exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..assets.asset_table import asset_table
from ..assets.assets import check_point_or_table, read_assets, value_column
from ..assets.damage_states import damage_column, damage_label
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import Units
from ..core.choices import Choices
from ..core.output_type import OutputType
from ..core.quantities import loss_words
from ..core.source import Source
from ..core.table import INTEGER, REAL, Column, Table


def read_asset_risk(source: Source, choices: Choices) -> Table:
    """Return the exposure with the risk of several perils: one row per asset.

    ``GET /v1/calc/N/extract/asset_risk``, single precision. Numbers of buildings in each damage
    state, losses, and what is exposed to each peril; perils are never added to each other.
    """
    check_point_or_table(source, choices)
    assets = read_assets(source, "asset_risk")
    units = Units(source)
    names = [name for name in assets.names if name not in ("id", "lon", "lat")]
    perils = list(dict.fromkeys(n.split("-", 2)[2] for n in names if n.startswith("loss-")))
    columns = [_column(name, names, perils, units) for name in names]
    arrays = [assets.array[name] for name in names]
    table = asset_table(source, choices, assets, columns, arrays, _usual(columns))
    return chosen_assets(table, choices)


def _column(name: str, names: Sequence[str], perils: Sequence[str], units: Units) -> Column:
    if name in ("site_id", "ordinal"):
        return Column(name, INTEGER, "Site")
    of_peril = next((p for p in perils if name.endswith(f"-{p}")), None)
    if of_peril is None:
        return value_column(name, units)
    rest = name[: -len(of_peril) - 1]
    if rest in names or f"value-{rest}" in names:
        base = value_column(rest if rest in names else f"value-{rest}", units)
        return replace(base, name=name, label=f"{base.label}, exposed to {of_peril}")
    what, _, loss_type = rest.rpartition("-")
    if what == "loss":
        label = f"{loss_words(loss_type).capitalize()} loss, {of_peril}"
        unit = units.of(loss_type)
        return Column(name, REAL, label, unit, True, quantity="loss", loss_type=loss_type)
    label = damage_label("Expected number", what, loss_type, of_peril)
    return damage_column(name, what, loss_type, label)


def _usual(columns: Sequence[Column]) -> Column:
    """Return what is drawn unasked: a loss, else damage, else what is exposed."""
    order = ("loss", "damage", "exposure")
    return min(
        columns, key=lambda c: order.index(c.quantity) if c.quantity in order else len(order)
    )


OUTPUTS = {
    "asset_risk": OutputType(
        read=read_asset_risk,
        geometry="point",
        choices=CHOICES,
        about="Exposure of each asset with its risk from each of several perils.",
    )
}
