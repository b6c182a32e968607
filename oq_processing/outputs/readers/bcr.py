"""Benefit-cost ratios of retrofitting assets, in full precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...engine.errors import InvalidOutput
from ..assets.asset_table import asset_table, check_ids, drawn_by_default, value_style
from ..assets.assets import COST, read_assets, retrofitting_cost
from ..assets.selection import CHOICES, chosen_assets, largest_on_top
from ..assets.sums import titled_by_site
from ..assets.units import loss_unit
from ..assets.words import average_loss
from ..core.choices import Choices
from ..core.kinds import choose_kinds, of_kind
from ..core.lazy import Array, np
from ..core.notes import Warn
from ..core.output_type import OutputType
from ..core.quantities import ANNUAL_RUN
from ..core.source import Source
from ..core.table import Block, Column, Geometry, Style, Table
from ..core.wording import duration

BCR, ORIGINAL, RETROFITTED = "bcr", "annual_loss_orig", "annual_loss_retro"
# the same on every map; above 1 it pays
BCR_LIMITS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
BCR_LABELS = (
    f"< {BCR_LIMITS[0]:g}",
    *(f"{a:g} – {b:g}" for a, b in zip(BCR_LIMITS, BCR_LIMITS[1:])),
    f"> {BCR_LIMITS[-1]:g}",
)


def read_bcr(source: Source, choices: Choices) -> Table:
    """Return benefit-cost ratios: one row per asset, with the losses as built and retrofitted.

    ``GET /v1/calc/N/extract/bcr-rlzs`` (or ``-stats``) gives an array of shape (assets, kinds),
    single precision. Losses are in the currency of the exposure, over the time that their labels
    say. A ratio is infinite or NaN where retrofitting costs nothing. Summed by site, it is computed
    anew from the sums.
    """
    values, names, ids = _extract(source)
    kinds = choose_kinds(choices.kind, names, source.branch)
    assets = read_assets(source)
    check_ids(source, assets, ids)
    columns, arrays = [], []
    for kind in kinds:
        for name in values.dtype.names or ():
            columns.append(of_kind(_column(source, name), kind, kinds, names, source))
            arrays.append(values[name][:, names.index(kind)])
    notes = []
    if (time := source.risk_time) and time != 1:
        notes.append(
            Warn(
                f"The engine calls these losses annual, but they are of {duration(time)}, and the "
                f"benefit-cost ratios are computed from them; {ANNUAL_RUN}."
            )
        )
    ratios = [c for c in columns if c.quantity == BCR]
    table = asset_table(source, choices, assets, columns, arrays, ratios[0], _style, notes)
    factor = _present_value(source) if COST in assets.names else None
    if not choices.aggregate_by_site or factor is None:
        return largest_on_top(chosen_assets(table, choices), "assets", factor is not None)
    kept = [i for i, c in enumerate(columns) if c.quantity != BCR]
    cost = retrofitting_cost(source)
    losses = [columns[i] for i in kept]
    summed = [*(arrays[i] for i in kept), assets.array[COST]]
    parts = asset_table(source, choices, assets, [*losses, cost], summed, cost, notes=notes)
    return _with_ratios(chosen_assets(parts, choices), losses, ratios, factor)


def _extract(source: Source) -> tuple[Array, list[str], list[str]]:
    """Return values of shape (assets, kinds), the names of the kinds and the ids of the assets."""
    npz = source.npz(source.output.type)
    values, about = npz.array("array"), npz.json()
    names = [*(about.get("stat") or ()), *(f"rlz-{int(r)}" for r in about.get("rlz") or ())]
    if values.shape != (len(values), len(names)) or values.dtype.names is None:
        raise InvalidOutput(f"{source.output.name} of the engine has an unknown form.")
    return values, names, [str(asset) for asset in about.get("assets") or ()]


def _column(source: Source, name: str) -> Column:
    if name == BCR:
        return Column(BCR, label="Benefit-cost ratio of retrofitting", quantity=BCR)
    state = {ORIGINAL: "as built", RETROFITTED: "retrofitted"}.get(name, name)
    return Column(
        name,
        label=f"{average_loss(source, 'structural')}, {state}",
        unit=loss_unit(source, "structural"),
        additive=True,
        quantity="average loss",
        loss_type="structural",
    )


def _style(column: Column) -> Style:
    if column.quantity != BCR:
        return value_style(column)
    return Style(column.name, "standard", BCR_LIMITS, "RdYlGn", center=1.0, labels=BCR_LABELS)


def _present_value(source: Source) -> float | None:
    """Return what one unit of loss avoided in each year of the building's life is worth today."""
    rate = source.oqparam.get("interest_rate")
    life = source.oqparam.get("asset_life_expectancy")
    if not rate or not life:
        return None
    return (1 - math.exp(-float(rate) * float(life))) / float(rate)


def _with_ratios(
    sums: Table, losses: Sequence[Column], ratios: Sequence[Column], factor: float
) -> Table:
    """Return summed losses and costs with the ratio of each kind, as the engine computes it."""
    names = [c.name for c in sums.columns]
    prefixes = [c.name[: -len(BCR)] for c in ratios]
    pairs = [(names.index(p + ORIGINAL), names.index(p + RETROFITTED)) for p in prefixes]
    more = partial(_ratios, pairs=pairs, cost=names.index(COST), factor=factor)
    derived = [replace(c, label=f"{c.label}, of the sums by site") for c in ratios]
    table = sums.map_blocks(more, (*sums.columns, *derived))
    table = drawn_by_default(table, derived[0], [*losses, *derived], _style)
    return titled_by_site(table, [*losses, *ratios])


def _ratios(block: Block, pairs: Sequence[tuple[int, int]], cost: int, factor: float) -> Block:
    found = []
    for original, retrofitted in pairs:
        saved = block.values[original] - block.values[retrofitted]
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(saved * factor / block.values[cost])
    return replace(block, values=(*block.values, *found))


OUTPUTS = dict.fromkeys(
    ("bcr-stats", "bcr-rlzs"),
    OutputType(
        read=read_bcr,
        geometries=(Geometry.POINT,),
        choices=("KIND", *CHOICES),
        about="Benefit-cost ratio of retrofitting each asset, with its losses.",
    ),
)
