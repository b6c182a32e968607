"""What is exported of each asset, of the exposure and of networks."""

from __future__ import annotations

from collections.abc import Iterator

from truth import Case, Expected, general_case, read_export


def by_kind(case: Case) -> Iterator[Expected]:
    """Each member is a statistic or realization; every column by its own name."""
    for member, table in case.export.items():
        kind = member.partition("-")[2]
        columns = {name: table.column(name) for name in table.header}
        xy = None
        if "lon" in columns:
            xy = list(zip(columns["lon"], columns["lat"]))
        yield Expected({"KIND": kind}, columns, xy)


def whole(case: Case) -> Iterator[Expected]:
    """One member, every column by its own name, points."""
    [table] = case.export.values()
    columns = {name: table.column(name) for name in table.header}
    yield Expected({}, columns, list(zip(columns["lon"], columns["lat"])))


def nodes(case: Case) -> Iterator[Expected]:
    """Nodes are where the damage of the same assets is, as far as they have some."""
    [table] = case.export.values()
    [damage] = [
        output
        for output in case.client.outputs(case.calculation.id)
        if output.type == "damages-rlzs"
    ]
    [assets, *_] = read_export(case.client, damage, "csv", case.source.folder).values()
    place = {
        asset: (lon, lat)
        for asset, lon, lat in zip(*map(assets.column, ("asset_id", "lon", "lat")))
    }
    columns = {name: table.column(name) for name in table.header}
    yield Expected({}, columns, [place.get(node) for node in columns["id"]])


CASES = {
    **dict.fromkeys(
        (
            "bcr-rlzs",
            "bcr-stats",
            "loss_curves-rlzs",
            "loss_curves-stats",
            "loss_maps-rlzs",
            "loss_maps-stats",
        ),
        by_kind,
    ),
    "asset_risk": whole,
    "exposure": whole,
    **dict.fromkeys(("infra-node_el", "infra-taz_cl", "infra-dem_cl"), nodes),
    **dict.fromkeys(
        (
            "infra-avg_loss",
            "infra-event_ccl",
            "infra-event_efl",
            "infra-event_pcl",
            "infra-event_wcl",
        ),
        general_case,
    ),
}
