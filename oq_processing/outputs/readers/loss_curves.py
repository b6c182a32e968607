"""Loss curves of assets, in the six digits of their CSV export: there is no extract of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

from ...engine.errors import InvalidChoice, InvalidOutput
from ..assets.asset_table import asset_table, other_assets
from ..assets.assets import about_columns, asset_blocks, empty_note, read_assets, risk_provenance
from ..assets.selection import CHOICES, chosen_assets
from ..assets.units import loss_unit_of_all
from ..core.choices import Choices, any_poes, match_names
from ..core.columns import KIND, USUAL
from ..core.csv_export import CsvFile, csv_files, peek
from ..core.kinds import choose_kinds, kind_words, of_kind
from ..core.lazy import Array, np
from ..core.notes import Info, Note, Warn
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import Block, Column, Geometry, Table, rows_per_block
from ..core.wording import listed, within
from .loss_maps import map_column, usual_map


def read_loss_curves(source: Source, choices: Choices) -> Table:
    """Return loss curves as a table; where POE is given, the loss at that probability as a map.

    Between the points of a curve the loss is interpolated as the engine does for its loss maps.
    Values in the six digits of the CSV export. TAG_FILTER chooses single assets as well:
    ``asset_id=a1``.
    """
    as_map = bool(choices.poe.strip())
    if choices.geometry == Geometry.POINT and not as_map:
        raise InvalidChoice("Loss curves are a table; give POE for a map of the losses.")
    if choices.aggregate_by_site:
        raise InvalidChoice(
            "Loss curves of assets must not be summed; aggcurves and aggcurves-stats hold those of "
            "the total."
        )
    computed = [float(p) for p in source.oqparam.get("conditional_loss_poes") or ()]
    poes = any_poes(choices.poe, computed, source.risk_time)
    by_kind = {file.kind: file for file in csv_files(source)}
    files = {kind: by_kind[kind] for kind in choose_kinds(choices.kind, by_kind, source.branch)}
    if as_map:
        return _loss_at_poes(source, choices, poes, files, list(by_kind))
    return _curve_table(source, choices, files)


def _curve_table(source: Source, choices: Choices, files: dict[str, CsvFile]) -> Table:
    ids, notes = _chosen_ids(source, choices)
    counts: Counter[str] = Counter()
    header: tuple[str, ...] = ()
    for file in files.values():
        for row in curve_rows(file):
            counts[row[1]] += ids is None or row[0] in ids
        header = header or file.header
        if file.header != header:
            raise InvalidOutput(f"{file.member} has other columns than the rest.")
    loss_types = match_names(choices.loss_type, list(counts), "LOSS_TYPE", "loss type")
    rows = sum(counts[loss_type] for loss_type in loss_types)
    unit, time = loss_unit_of_all(source, loss_types), within(source.risk_time)
    columns = [_curve_column(name, unit, time) for name in header]
    if len(files) > 1:
        columns.insert(0, KIND)
    else:
        columns = [replace(c, kind=next(iter(files))) if c.quantity else c for c in columns]
    what = " and ".join(kind_words(kind, source.branch(kind)) for kind in files)
    return Table(
        title=f"Loss curves of assets, {what}{time and f', losses{time}'}",
        columns=tuple(columns),
        rows=rows,
        blocks=partial(_curve_blocks, files, set(loss_types), ids, columns),
        notes=notes if rows else (*notes, empty_note(source)),
        provenance=risk_provenance(source, choices, [file.member for file in files.values()]),
    )


def _curve_column(name: str, unit: str, time: str) -> Column:
    plain = Column(name, quantity="loss curve")
    known = {
        "asset_id": USUAL["asset_id"],
        "loss_type": USUAL["loss_type"],
        "loss_value": replace(plain, label="Loss", unit=unit),
        "loss_ratio": replace(plain, label="Loss ratio", unit="fraction"),
        "poe": replace(plain, label=f"Probability of exceedance{time}"),
        "return_period": replace(USUAL["return_period"], quantity="loss curve"),
    }
    return known.get(name, Column(name, label=name.replace("_", " ").capitalize()))


def _chosen_ids(source: Source, choices: Choices) -> tuple[frozenset[str] | None, tuple[Note, ...]]:
    """Return the assets that TAXONOMY and TAG_FILTER choose (None where they are empty)."""
    if not choices.taxonomy.strip() and not choices.tag_filter.strip():
        return None, ()
    assets = read_assets(source)
    about = about_columns(assets)
    blocks = partial(asset_blocks, assets, about)
    table = Table(source.output.name, tuple(about.values()), assets.rows, blocks)
    found = chosen_assets(table, choices)
    ids = frozenset(asset for block in found.blocks() for asset in block.values[0].tolist())
    return ids, (Info(f"{len(ids):,} of {assets.rows:,} assets chosen."),)


def curve_rows(file: CsvFile) -> Iterator[list[str]]:
    """Return the rows of a file of curves: asset, loss type, loss, and what else it has."""
    peek(file)
    if file.header[:3] != ("asset_id", "loss_type", "loss_value"):
        raise InvalidOutput(f"{file.member} has no loss curves: {listed(file.header)}.")
    return file.read()


def _curve_blocks(
    files: dict[str, CsvFile],
    loss_types: set[str],
    ids: frozenset[str] | None,
    columns: Sequence[Column],
) -> Iterator[Block]:
    several = len(files) > 1
    size = rows_per_block(len(columns))
    types = [column.type for column in columns[several:]]
    for kind, file in files.items():
        rows = (r for r in file.read() if r[1] in loss_types and (ids is None or r[0] in ids))
        for arrays in file.blocks(range(len(types)), types, size, rows):
            before = [np.full(len(arrays[0]), kind, dtype=object)] if several else []
            yield Block((*before, *arrays))


def _loss_at_poes(
    source: Source,
    choices: Choices,
    poes: Sequence[float],
    files: dict[str, CsvFile],
    names: Sequence[str],
) -> Table:
    """Return the loss at some PoEs: one row per asset, interpolated on its curve."""
    assets = read_assets(source)
    number = {asset: i for i, asset in enumerate(assets.cells("id").tolist())}
    found: dict[tuple[str, str, float], Array] = {}
    count = beyond = 0
    for kind, file in files.items():
        for (asset, loss_type), rows in groupby(curve_rows(file), key=lambda row: (row[0], row[1])):
            if asset not in number:
                raise other_assets(source)
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
    columns, arrays = [], []
    for (kind, loss_type, poe), values in found.items():
        if loss_type in chosen:
            column = map_column(source, f"{loss_type}~poe-{poe:g}", loss_type, poe)
            columns.append(of_kind(column, kind, list(files), names, source))
            arrays.append(values)
    if not columns:
        raise InvalidOutput(empty_note(source))
    text = "Losses are interpolated on the curves of the assets, as the engine does for its maps."
    notes: list[Note] = [Info(text)]
    if beyond:
        notes.append(
            Warn(
                f"{beyond:,} of {count:,} losses are beyond the end of the curve: there they are "
                "the last of it."
            )
        )
    usual = usual_map(columns, source.risk_time)
    table = asset_table(source, choices, assets, columns, arrays, usual, notes=notes)
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


OUTPUTS = dict.fromkeys(
    ("loss_curves-stats", "loss_curves-rlzs"),
    OutputType(
        read=read_loss_curves,
        geometries=(Geometry.NONE, Geometry.POINT),
        choices=("KIND", "LOSS_TYPE", "POE", *CHOICES),
        about="Loss curve of each asset; with POE, a map of the loss at that probability.",
    ),
)
