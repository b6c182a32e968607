"""Benefit-cost ratios, loss maps, loss curves and multi-peril risk of assets.

Values come in full precision beside the assets of the extract; loss curves, of which there is no
extract, in the six digits of their CSV export.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from typing import Callable

from ...engine.errors import InvalidChoice, InvalidOutput
from ..assets.selection import CHOICES, chosen_assets, largest_on_top
from ..core.choices import Choices, any_poes, match_names, match_poes, nearest_475
from ..core.csv_export import CsvFile, csv_files, to_array
from ..core.kinds import choose_kinds, kind_label
from ..core.lazy import Array
from ..core.npz import Npz
from ..core.output_type import OutputType
from ..core.quantities import ANNUAL_RUN, return_period
from ..core.source import Source
from ..core.table import (
    INTEGER,
    MAX_COLUMNS,
    NONE,
    POINT,
    REAL,
    TEXT,
    Block,
    Column,
    Style,
    Table,
    rows_per_block,
)
from ..core.wording import listed, loss_words, years
from .exposure import (
    EXPOSURE_RAMP,
    Assets,
    about_columns,
    asset_blocks,
    check_point_or_table,
    cost_units,
    empty_note,
    loss_unit,
    read_assets,
    value_column,
)

BCR, ORIGINAL, RETROFITTED = "bcr", "annual_loss_orig", "annual_loss_retro"
COST = "retrofitted"
LOSS_RATIO = "loss_ratio"
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
    check_point_or_table(source, choices)
    npz = source.npz(source.output.type)
    values, about = npz.array("array"), npz.json()
    names = [*(about.get("stat") or ()), *(f"rlz-{int(r)}" for r in about.get("rlz") or ())]
    if values.shape != (len(values), len(names)) or values.dtype.names is None:
        raise InvalidOutput(f"{source.output.name} of the engine has an unknown form.")
    kinds = _kinds(choices.kind, names)
    assets = read_assets(source)
    _check_ids(source, assets, [str(asset) for asset in about.get("assets") or ()])
    currency = cost_units(source).get("structural", "")
    columns, arrays = [], []
    for kind in kinds:
        for name in values.dtype.names:
            column = _bcr_column(name, source.risk_time, currency)
            columns.append(_of_kind(column, kind, kinds, names))
            arrays.append(values[name][:, names.index(kind)])
    notes = []
    if (time := source.risk_time) and time != 1:
        notes.append(
            f"The engine calls these losses annual, but they are of {years(time)} years, and the "
            f"benefit-cost ratios are computed from them; {ANNUAL_RUN}."
        )
    table = _asset_table(source, choices, assets, columns, arrays, _styled_bcr, notes)
    factor = _present_value(source)
    if not choices.aggregate_by_site or factor is None or COST not in assets.names:
        summable = factor is not None and COST in assets.names
        return largest_on_top(chosen_assets(table, choices), "assets", summable)
    kept = [i for i, c in enumerate(columns) if c.quantity != BCR]
    cost = Column(COST, REAL, "Retrofitting cost", currency, additive=True, quantity="exposure")
    parts = _asset_table(
        source,
        choices,
        assets,
        [*(columns[i] for i in kept), cost],
        [*(arrays[i] for i in kept), assets.array[COST]],
        _first,
        notes,
    )
    ratios = [c for c in columns if c.quantity == BCR]
    return _with_ratios(table, chosen_assets(parts, choices), ratios, factor)


def _bcr_column(name: str, time: float | None, currency: str) -> Column:
    if name == BCR:
        return Column(BCR, REAL, "Benefit-cost ratio of retrofitting", quantity=BCR)
    state = {ORIGINAL: "as built", RETROFITTED: "retrofitted"}.get(name, name)
    when = "" if time is None else f" in {years(time)} years"
    label = "Average annual structural loss" if time == 1 else f"Average structural loss{when}"
    return Column(
        name,
        REAL,
        f"{label}, {state}",
        currency,
        additive=True,
        quantity="average loss",
        loss_type="structural",
    )


def _styled_bcr(columns: Sequence[Column]) -> Column:
    return next(c for c in columns if c.quantity == BCR)


def _first(columns: Sequence[Column]) -> Column:
    return columns[0]


def _present_value(source: Source) -> float | None:
    """Return what one unit of loss avoided in each year of the building's life is worth today."""
    rate = source.oqparam.get("interest_rate")
    life = source.oqparam.get("asset_life_expectancy")
    if not rate or not life:
        return None
    return (1 - math.exp(-float(rate) * float(life))) / float(rate)


def _with_ratios(table: Table, sums: Table, ratios: Sequence[Column], factor: float) -> Table:
    """Return summed losses and costs with the ratio of each kind, as the engine computes it."""
    names = [c.name for c in sums.columns]
    cost = names.index(COST)
    pairs = []
    for column in ratios:
        prefix = column.name[: -len(BCR)]
        pairs.append((names.index(prefix + ORIGINAL), names.index(prefix + RETROFITTED)))

    def blocks() -> Iterator[Block]:
        import numpy as np

        for block in sums.blocks():
            found = []
            for original, retrofitted in pairs:
                saved = block.values[original] - block.values[retrofitted]
                with np.errstate(divide="ignore", invalid="ignore"):
                    found.append(saved * factor / block.values[cost])
            yield replace(block, values=(*block.values, *found))

    derived = [replace(c, label=f"{c.label}, of the sums by site") for c in ratios]
    return replace(
        sums,
        title=f"{table.title}, by site",
        columns=(*sums.columns, *derived),
        blocks=blocks,
        style=table.style,
    )


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
    kinds = _kinds(choices.kind, list(members))
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
    units = cost_units(source)
    columns, values = [], []
    for kind, array in arrays.items():
        _check_ids(source, assets, array["id"])
        for loss_type in loss_types:
            for poe in poes:
                name = f"{loss_type}~{texts[poe]}"
                column = _map_column(name, loss_type, poe, time, units)
                columns.append(_of_kind(column, kind, kinds, list(members)))
                values.append(array[loss_type][texts[poe]])
    styled = partial(_styled_map, time=time)
    return chosen_assets(_asset_table(source, choices, assets, columns, values, styled), choices)


def _map_column(
    name: str, loss_type: str, poe: float, time: float | None, units: dict[str, str]
) -> Column:
    words = loss_words(loss_type).capitalize()
    when = f"{years(return_period(poe, time))}-year return period" if time else f"PoE {poe:g}"
    return Column(
        name,
        REAL,
        f"{words} loss, {when}",
        loss_unit(loss_type, units),
        quantity="loss map",
        poe=poe,
        loss_type=loss_type,
    )


def _styled_map(columns: Sequence[Column], time: float | None) -> Column:
    found = [c for c in columns if c.kind == columns[0].kind]
    found = [c for c in found if c.loss_type == "structural"] or found
    poes = [c.poe or 0.0 for c in found]
    return found[poes.index(nearest_475(poes, time))]


@dataclass(frozen=True)
class _Curves:
    """The curves that were chosen: files by kind, loss types, assets (None are all)."""

    files: dict[str, CsvFile]
    loss_types: frozenset[str]
    assets: frozenset[str] | None

    def rows(self, file: CsvFile) -> Iterator[list[str]]:
        """Yield the chosen rows of a file."""
        for row in file.read():
            if row[1] in self.loss_types and (self.assets is None or row[0] in self.assets):
                yield row


def read_loss_curves(source: Source, choices: Choices) -> Table:
    """Return loss curves as a table; where POE is given, the loss at that probability as a map.

    Between the points of a curve the loss is interpolated as the engine does for its loss maps.
    Values in the six digits of the CSV export. TAG_FILTER chooses single assets as well:
    ``asset_id=a1``.
    """
    check_point_or_table(source, choices)
    as_map = bool(choices.poe.strip())
    if choices.geometry == POINT and not as_map:
        raise InvalidChoice("Loss curves are a table; give POE for a map of the losses.")
    if choices.aggregate_by_site:
        raise InvalidChoice(
            "Loss curves of assets must not be summed; aggcurves and aggcurves-stats hold those of "
            "the total."
        )
    computed = [float(p) for p in source.oqparam.get("conditional_loss_poes") or ()]
    poes = any_poes(choices.poe, computed, source.risk_time)
    by_kind = {file.kind: file for file in csv_files(source)}
    files = {kind: by_kind[kind] for kind in _kinds(choices.kind, list(by_kind))}
    if as_map:
        return _loss_at_poes(source, choices, poes, files, list(by_kind))
    return _curve_table(source, choices, files)


def _curve_table(source: Source, choices: Choices, files: dict[str, CsvFile]) -> Table:
    ids, notes = _chosen_ids(source, choices)
    counts: Counter[str] = Counter()
    for file in files.values():
        counts.update(_count(file, ids))
    header = next(iter(files.values())).header
    for file in files.values():
        if file.header != header:
            raise InvalidOutput(f"{file.member} has other columns than the rest.")
    loss_types = match_names(choices.loss_type, list(counts), "LOSS_TYPE", "loss type")
    rows = sum(counts[loss_type] for loss_type in loss_types)
    units = {loss_unit(t, known) for known in [cost_units(source)] for t in loss_types}
    unit = units.pop() if len(units) == 1 else ""
    time = source.risk_time
    columns = [_curve_column(name, unit, time) for name in header]
    several = len(files) > 1
    if several:
        columns.insert(0, Column("kind", TEXT, "Statistic or realization"))
    else:
        columns = [replace(c, kind=next(iter(files))) if c.quantity else c for c in columns]
    what = " and ".join(kind_label(kind).lower() for kind in files)
    when = f", losses in {years(time)} year{'' if time == 1 else 's'}" if time else ""
    provenance = source.provenance(choices)
    provenance["members"] = [file.member for file in files.values()]
    if time:
        provenance["risk_investigation_time"] = time
    curves = _Curves(files, frozenset(loss_types), ids)
    return Table(
        title=f"Loss curves of assets, {what}{when}",
        columns=tuple(columns),
        rows=rows,
        blocks=partial(_curve_blocks, curves, columns, several),
        notes=notes if rows else (*notes, empty_note(source)),
        provenance=provenance,
    )


def _curve_column(name: str, unit: str, time: float | None) -> Column:
    when = f" in {years(time)} year{'' if time == 1 else 's'}" if time else ""
    known = {
        "asset_id": Column(name, TEXT, "Asset"),
        "loss_type": Column(name, TEXT, "Loss type"),
        "loss_value": Column(name, REAL, "Loss", unit, quantity="loss curve"),
        LOSS_RATIO: Column(name, REAL, "Loss ratio", "fraction", quantity="loss curve"),
        "poe": Column(name, REAL, f"Probability of exceedance{when}", quantity="loss curve"),
        "return_period": Column(name, REAL, "Return period", "years", quantity="loss curve"),
    }
    return known.get(name, Column(name, REAL, name.replace("_", " ").capitalize()))


def _chosen_ids(source: Source, choices: Choices) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """Return the assets that TAXONOMY and TAG_FILTER choose (None where they are empty)."""
    if not choices.taxonomy.strip() and not choices.tag_filter.strip():
        return None, ()
    assets = read_assets(source)
    pairs = about_columns(assets)
    table = Table(
        title=source.output.name,
        columns=tuple(column for column, _ in pairs),
        rows=assets.rows,
        blocks=partial(asset_blocks, assets, [field for _, field in pairs], (), False),
    )
    found = chosen_assets(table, choices)
    ids = frozenset(asset for block in found.blocks() for asset in block.values[0].tolist())
    return ids, (f"{len(ids):,} of {assets.rows:,} assets chosen.",)


def _count(file: CsvFile, ids: frozenset[str] | None) -> Counter[str]:
    """Return how many rows of each loss type are of the assets; 0 for those that have none."""
    counts: Counter[str] = Counter()
    for row in _rows(file):
        counts[row[1]] += ids is None or row[0] in ids
    return counts


def _rows(file: CsvFile) -> Iterator[list[str]]:
    """Yield the rows of a file of curves, the first time with a look at its columns."""
    for row in file.read():
        if file.header[:3] != ("asset_id", "loss_type", "loss_value"):
            break
        yield row
    if file.header[:3] != ("asset_id", "loss_type", "loss_value"):
        raise InvalidOutput(f"{file.member} has no loss curves: {listed(file.header)}.")


def _curve_blocks(curves: _Curves, columns: Sequence[Column], several: bool) -> Iterator[Block]:

    size = rows_per_block(len(columns))
    for kind, file in curves.files.items():
        rows = curves.rows(file)
        while chunk := list(islice(rows, size)):
            cells = list(zip(*chunk))
            if several:
                cells.insert(0, (kind,) * len(chunk))
            yield Block(tuple(to_array(c.type, column) for c, column in zip(columns, cells)))


def _loss_at_poes(
    source: Source,
    choices: Choices,
    poes: Sequence[float],
    files: dict[str, CsvFile],
    names: Sequence[str],
) -> Table:
    """Return the loss at some PoEs: one row per asset, interpolated on its curve."""
    import numpy as np

    time = source.risk_time
    assets = read_assets(source)
    number = {asset: i for i, asset in enumerate(assets.cells("id").tolist())}
    found: dict[tuple[str, str, float], Array] = {}
    count = beyond = 0
    for kind, file in files.items():
        for (asset, loss_type), rows in groupby(_rows(file), key=lambda row: (row[0], row[1])):
            if asset not in number:
                raise _other_assets(source)
            if "poe" not in file.header:
                raise InvalidChoice(f"The curves of {file.member} have no PoE; leave POE empty.")
            position = file.header.index("poe")
            curve = [(float(row[position]), float(row[2])) for row in rows]
            for poe in poes:
                values = found.get((kind, loss_type, poe))
                if values is None:
                    values = found[kind, loss_type, poe] = np.full(assets.rows, np.nan)
                loss, inside = loss_at(curve, poe)
                values[number[asset]] = loss
                count += 1
                beyond += not inside
    known = list(dict.fromkeys(loss_type for _, loss_type, _ in found))
    chosen = match_names(choices.loss_type, known, "LOSS_TYPE", "loss type")
    units = cost_units(source)
    columns, arrays = [], []
    for (kind, loss_type, poe), values in found.items():
        if loss_type in chosen:
            column = _map_column(f"{loss_type}~poe-{poe:g}", loss_type, poe, time, units)
            columns.append(_of_kind(column, kind, list(files), names))
            arrays.append(values)
    if not columns:
        raise InvalidOutput(empty_note(source))
    notes = [
        "Losses are interpolated on the curves of the assets, as the engine does for its maps."
    ]
    if beyond:
        notes.append(
            f"{beyond:,} of {count:,} losses are beyond the end of the curve: there they are the "
            "last of it."
        )
    table = _asset_table(
        source, choices, assets, columns, arrays, partial(_styled_map, time=time), notes
    )
    return chosen_assets(table, choices)


def loss_at(curve: Sequence[tuple[float, float]], poe: float) -> tuple[float, bool]:
    """Return the loss at a probability of exceedance, and whether the curve reaches so far.

    ``curve`` are probabilities, not rising, with losses, not falling; points of NaN (the engine
    fills short curves with them) are left out. The rule is that of the engine's loss maps: linear
    between points, of equal probabilities the largest loss, 0 above the largest probability, the
    last loss below the smallest.
    """
    points = [(p, loss) for p, loss in curve if not (math.isnan(p) or math.isnan(loss))]
    if not points:
        return math.nan, True
    if poe > points[0][0]:
        return 0.0, True
    if poe < points[-1][0]:
        return points[-1][1], False
    last = max(i for i, (p, _) in enumerate(points) if p >= poe)
    p1, loss1 = points[last]
    if p1 == poe:
        return loss1, True
    p2, loss2 = points[last + 1]
    return loss1 + (loss2 - loss1) * (poe - p1) / (p2 - p1), True


def read_asset_risk(source: Source, choices: Choices) -> Table:
    """Return the exposure with the risk of several perils: one row per asset.

    ``GET /v1/calc/N/extract/asset_risk``, single precision. Numbers of buildings in each damage
    state, losses, and what is exposed to each peril; perils are never added to each other.
    """
    check_point_or_table(source, choices)
    assets = read_assets(source, "asset_risk")
    units = cost_units(source)
    names = [name for name in assets.names if name not in ("id", "lon", "lat")]
    perils = list(dict.fromkeys(n.split("-", 2)[2] for n in names if n.startswith("loss-")))
    columns = [_risk_column(name, names, perils, units) for name in names]
    arrays = [assets.array[name] for name in names]
    table = _asset_table(source, choices, assets, columns, arrays, _styled_risk)
    return chosen_assets(table, choices)


def _risk_column(
    name: str, names: Sequence[str], perils: Sequence[str], units: dict[str, str]
) -> Column:
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
    words = loss_words(loss_type)
    if what == "loss":
        return Column(
            name,
            REAL,
            f"{words.capitalize()} loss, {of_peril}",
            loss_unit(loss_type, units),
            additive=True,
            quantity="loss",
            loss_type=loss_type,
        )
    state = "without damage" if what == "no_damage" else f"in state {what}"
    return Column(
        name,
        REAL,
        f"Expected number {state}, {words}, {of_peril}",
        "buildings",
        additive=True,
        quantity="damage",
        loss_type=loss_type,
        damage_state=what,
    )


def _styled_risk(columns: Sequence[Column]) -> Column:
    for quantity in ("loss", "damage", "exposure"):
        for column in columns:
            if column.quantity == quantity:
                return column
    return columns[0]


def _asset_table(
    source: Source,
    choices: Choices,
    assets: Assets,
    columns: Sequence[Column],
    arrays: Sequence[Array],
    styled: Callable[[Sequence[Column]], Column],
    notes: Sequence[str] = (),
) -> Table:
    """Return a table of what is known of the assets, and ``columns`` beside it."""
    pairs = about_columns(assets)
    geometry = NONE if choices.geometry == NONE else POINT
    wanted = choices.style_field.strip().lower()
    drawn = next((c for c in columns if wanted == c.name.lower()), None) or styled(columns)
    style = Style(drawn.name, "logarithmic", (), EXPOSURE_RAMP)
    if drawn.quantity == BCR:
        style = Style(drawn.name, "standard", BCR_LIMITS, "RdYlGn", center=1.0, labels=BCR_LABELS)
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
        style=style,
        notes=tuple(notes) if assets.rows else (*notes, empty_note(source)),
        provenance=provenance,
    )


def _kind_of(member: str) -> str:
    return f"rlz-{int(member[4:])}" if re.fullmatch(r"rlz-\d+", member) else member


def _kinds(text: str, names: Sequence[str]) -> list[str]:
    """Return the chosen ones of statistics and realizations; the mean comes first."""
    return choose_kinds(text, names)


def _of_kind(column: Column, kind: str, chosen: Sequence[str], there_are: Sequence[str]) -> Column:
    """Return a column for one of several statistics and realizations."""
    suffix = "" if kind == "mean" or len(there_are) == 1 else f", {kind_label(kind).lower()}"
    return replace(
        column,
        name=f"{kind}-{column.name}" if len(chosen) > 1 else column.name,
        label=column.label + suffix,
        kind=kind,
        additive=column.additive and (kind == "mean" or kind.startswith("rlz-")),
    )


def _check_ids(source: Source, assets: Assets, ids: Array | Sequence[str]) -> None:
    """Refuse values of other assets than those that are at hand."""
    import numpy as np

    theirs = np.char.encode(ids, "utf-8") if isinstance(ids, list) and ids else np.asarray(ids)
    if len(theirs) != assets.rows or not (theirs == assets.array["id"]).all():
        raise _other_assets(source)


def _other_assets(source: Source) -> InvalidOutput:
    return InvalidOutput(
        f"{source.output.name} and the assets of calculation {source.calculation.id} are not of "
        "the same assets; they cannot be located."
    )


OUTPUTS = {
    **dict.fromkeys(
        ("bcr-stats", "bcr-rlzs"),
        OutputType(
            read=read_bcr,
            geometries=(POINT,),
            choices=("KIND", *CHOICES),
            about="Benefit-cost ratio of retrofitting each asset, with its losses.",
        ),
    ),
    **dict.fromkeys(
        ("loss_maps-stats", "loss_maps-rlzs"),
        OutputType(
            read=read_loss_maps,
            geometries=(POINT,),
            choices=("KIND", "LOSS_TYPE", "POE", *CHOICES),
            about="Loss of each asset with a given probability of exceedance.",
        ),
    ),
    **dict.fromkeys(
        ("loss_curves-stats", "loss_curves-rlzs"),
        OutputType(
            read=read_loss_curves,
            geometries=(NONE, POINT),
            choices=("KIND", "LOSS_TYPE", "POE", *CHOICES),
            about="Loss curve of each asset; with POE, a map of the loss at that probability.",
        ),
    ),
    "asset_risk": OutputType(
        read=read_asset_risk,
        geometries=(POINT,),
        choices=CHOICES,
        about="Exposure of each asset with its risk from each of several perils.",
    ),
}
