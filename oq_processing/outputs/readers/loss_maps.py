"""Loss maps of assets, in full precision beside the assets of the extract."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.errors import InvalidOutput
from ..assets.asset_table import asset_table, check_ids
from ..assets.assets import read_assets
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import loss_unit
from ..core.choices import Choices, match_names, match_poes, nearest_475
from ..core.kinds import choose_kinds, of_kind, parse_kind
from ..core.npz import Npz
from ..core.output_type import OutputType
from ..core.quantities import return_period
from ..core.source import Source
from ..core.table import Column, Geometry, Table, refuse_many
from ..core.wording import loss_words, years


def read_loss_maps(source: Source, choices: Choices) -> Table:
    """Return loss maps: one row per asset, one column per loss type and probability of exceedance.

    The npz export gives single precision, in the unit of the exposure's cost type. A probability
    refers to the risk investigation time, and so does the return period in the labels.
    """
    npz = Npz(source.export("npz").path)
    members = {parse_kind(name): name for name in npz.names if name != "extra"}
    if not members:
        raise InvalidOutput(f"{source.output.name} of the engine is empty.")
    kinds = choose_kinds(choices.kind, members, source.branch)
    arrays = {kind: npz.array(members[kind]) for kind in kinds}
    dtype = arrays[kinds[0]].dtype
    fields = {name: dtype[name].names or () for name in dtype.names or ()}
    fields = {name: texts for name, texts in fields.items() if texts}
    loss_types = match_names(choices.loss_type, list(fields), "LOSS_TYPE", "loss type")
    texts = {float(text[len("poe-") :]): text for texts in fields.values() for text in texts}
    time = source.risk_time
    poes = match_poes(choices.poe, list(texts), time)
    what = (
        f"{len(kinds)} statistics or realizations × {len(loss_types)} loss types × {len(poes)} PoEs"
    )
    refuse_many(len(kinds) * len(loss_types) * len(poes), what, "KIND, LOSS_TYPE or POE")
    assets = read_assets(source)
    columns, values = [], []
    for kind, array in arrays.items():
        check_ids(source, assets, array["id"])
        for loss_type in loss_types:
            for poe in poes:
                name = f"{loss_type}~{texts[poe]}"
                column = map_column(source, name, loss_type, poe)
                columns.append(of_kind(column, kind, kinds, list(members), source))
                values.append(array[loss_type][texts[poe]])
    usual = usual_map(columns, time)
    return chosen_assets(asset_table(source, choices, assets, columns, values, usual), choices)


def map_column(source: Source, name: str, loss_type: str, poe: float) -> Column:
    """Return the column of the loss with a probability of exceedance in the time of the risk."""
    time = source.risk_time
    period = f" at the {years(return_period(poe, time))}-year return period" if time else ""
    return Column(
        name,
        label=f"{loss_words(loss_type).capitalize()} loss{period or f', PoE {poe:g}'}",
        unit=loss_unit(source, loss_type),
        quantity="loss map",
        poe=poe,
        loss_type=loss_type,
    )


def usual_map(columns: Sequence[Column], time: float | None) -> Column:
    """Return what is drawn by default: structural losses nearest to 475 years."""
    found = [c for c in columns if c.kind == columns[0].kind]
    found = [c for c in found if c.loss_type == "structural"] or found
    poes = [c.poe or 0.0 for c in found]
    return found[poes.index(nearest_475(poes, time))]


OUTPUTS = dict.fromkeys(
    ("loss_maps-stats", "loss_maps-rlzs"),
    OutputType(
        read=read_loss_maps,
        geometries=(Geometry.POINT,),
        choices=("KIND", "LOSS_TYPE", "POE", *CHOICES),
        about="Loss of each asset with a given probability of exceedance.",
    ),
)
