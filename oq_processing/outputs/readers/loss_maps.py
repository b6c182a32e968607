"""Loss maps of assets, in full precision beside the assets of the extract."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...engine.errors import InvalidChoice, InvalidOutput
from ..assets.asset_table import asset_table, check_ids, matched_kinds, of_kind
from ..assets.assets import check_point_or_table, read_assets
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import Units
from ..core.choices import Choices, match_names, match_poes, nearest_475
from ..core.npz import Npz
from ..core.output_type import OutputType
from ..core.quantities import loss_words, return_period, years
from ..core.source import Source
from ..core.table import MAX_COLUMNS, REAL, Column, Table


def read_loss_maps(source: Source, choices: Choices) -> Table:
    """Return loss maps: one row per asset, one column per loss type and probability of exceedance.

    The npz export gives single precision, in the unit of the exposure's cost type. A probability
    refers to the risk investigation time, and so does the return period that labels tell.
    """
    check_point_or_table(source, choices)
    npz = Npz(source.export("npz").path)
    members = {_kind_of(name): name for name in npz.names if name != "extra"}
    if not members:
        raise InvalidOutput(f"{source.output.name} of the engine is empty.")
    kinds = matched_kinds(choices.kind, list(members))
    arrays = {kind: npz.array(members[kind]) for kind in kinds}
    dtype = arrays[kinds[0]].dtype
    fields = {name: dtype[name].names or () for name in dtype.names or ()}
    fields = {name: texts for name, texts in fields.items() if texts}
    loss_types = match_names(choices.loss_type, list(fields), "LOSS_TYPE", "loss type")
    texts = {float(text[len("poe-") :]): text for texts in fields.values() for text in texts}
    time = source.risk_time
    poes = match_poes(choices.poe, list(texts), time)
    count = len(kinds) * len(loss_types) * len(poes)
    if count > MAX_COLUMNS:
        raise InvalidChoice(
            f"This would make {count} fields ({len(kinds)} statistics or realizations × "
            f"{len(loss_types)} loss types × {len(poes)} PoEs); a layer takes {MAX_COLUMNS}. "
            "Choose fewer by KIND, LOSS_TYPE or POE."
        )
    assets = read_assets(source)
    units = Units(source)
    columns, values = [], []
    for kind, array in arrays.items():
        check_ids(source, assets, array["id"])
        for loss_type in loss_types:
            for poe in poes:
                name = f"{loss_type}~{texts[poe]}"
                column = map_column(name, loss_type, poe, time, units)
                columns.append(of_kind(column, kind, kinds, list(members)))
                values.append(array[loss_type][texts[poe]])
    usual = usual_map(columns, time)
    return chosen_assets(asset_table(source, choices, assets, columns, values, usual), choices)


def map_column(name: str, loss_type: str, poe: float, time: float | None, units: Units) -> Column:
    """Return the column of the loss with a probability of exceedance in ``time`` years."""
    words = loss_words(loss_type).capitalize()
    when = f"{years(return_period(poe, time))}-year return period" if time else f"PoE {poe:g}"
    return Column(
        name,
        REAL,
        f"{words} loss, {when}",
        units.of(loss_type),
        quantity="loss map",
        poe=poe,
        loss_type=loss_type,
    )


def usual_map(columns: Sequence[Column], time: float | None) -> Column:
    """Return what is drawn unasked: structural losses nearest to 475 years."""
    found = [c for c in columns if c.kind == columns[0].kind]
    found = [c for c in found if c.loss_type == "structural"] or found
    poes = [c.poe or 0.0 for c in found]
    return found[poes.index(nearest_475(poes, time))]


def _kind_of(member: str) -> str:
    return f"rlz-{int(member[4:])}" if re.fullmatch(r"rlz-\d+", member) else member


OUTPUTS = dict.fromkeys(
    ("loss_maps-stats", "loss_maps-rlzs"),
    OutputType(
        read=read_loss_maps,
        geometry="point",
        choices=("KIND", "LOSS_TYPE", "POE", *CHOICES),
        about="Loss of each asset with a given probability of exceedance.",
    ),
)
