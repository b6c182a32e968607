"""Hazard maps: ground motion with a given probability of exceedance, at each site."""

from __future__ import annotations

from dataclasses import replace

from ..core.choices import Choices
from ..core.columns import IMT, KIND
from ..core.csv_export import csv_files, peek
from ..core.kinds import name_of_kind
from ..core.output_type import OutputType
from ..core.source import Source
from ..core.table import Table, refuse_many
from ..sites.hazard import Hazard, fetch, read_hazard
from ..sites.motion import motion_column, motion_table, of_several
from ..sites.site_table import GEOMETRIES, LongFormat, title_of_all
from .ground_motion_fields import return_unit


def read_hazard_maps(source: Source, choices: Choices) -> Table:
    """Return hazard maps: one row per site, one column per statistic or realization, IMT and PoE.

    Values in the unit of the IMT (PGA and SA in g), single precision, as in the datastore.
    ``GET /v1/calc/N/extract/hmaps?kind=&imt=`` gives arrays of shape (sites, 1, PoEs); only what
    was chosen is fetched. Raises :class:`InvalidChoice` for what the calculation does not have.
    """
    return _maps(source, choices, read_hazard(source))


def read_map_statistics(source: Source, choices: Choices) -> Table:
    """Return the hazard maps of statistics, as :func:`read_hazard_maps` does.

    The type ``hmaps-stats`` is these maps without realizations, where there are several of them.
    """
    return _maps(source, choices, replace(read_hazard(source), realizations={}))


def _with_secondary_perils(source: Source, hazard: Hazard) -> Hazard:
    """Return the hazard with the measures of secondary perils, of which there are maps too.

    The engine names them in the header of the CSV export and nowhere else.
    """
    if not source.event_based or not source.oqparam.get("secondary_perils"):
        return hazard
    maps = [output for output in source.outputs() if output.type == "hmaps"]
    if not maps:
        return hazard
    file = csv_files(replace(source, output=maps[0]), "it names the secondary perils")[0]
    peek(file)
    ends = tuple(f"-{poe}" for poe in hazard.poes)
    found = [name.removesuffix(end) for name in file.header for end in ends if name.endswith(end)]
    return replace(
        hazard, levels={**hazard.levels, **{imt: () for imt in found if imt not in hazard.levels}}
    )


def _maps(source: Source, choices: Choices, hazard: Hazard) -> Table:
    hazard = _with_secondary_perils(source, hazard)
    poes = hazard.chosen_poes(source, choices)
    kinds, imts = hazard.kinds(choices), hazard.imts(choices)
    count = len(kinds) * len(imts) * len(poes)
    what = f"{len(kinds)} statistics or realizations × {len(imts)} IMTs × {len(poes)} PoEs"
    refuse_many(count, what, "KIND, IMT or POE", choices.long_format)
    found = fetch(source, "hmaps", kinds, dict.fromkeys(imts, len(hazard.poes)))
    columns, arrays = [], []
    for kind in kinds:
        for imt in imts:
            for poe in poes:
                name = name_of_kind(f"{imt}-{poe}", kind, kinds)
                column = motion_column(hazard, name, "hazard map", kind, imt, poe)
                columns.append(replace(column, unit=return_unit(source, imt) or column.unit))
                arrays.append(found[kind, imt][:, hazard.poes.index(poe)])
    rows = LongFormat(
        title_of_all(source),
        (KIND, IMT, hazard.poe_column),
        lambda column: (column.kind, column.imt, column.poe),
        of_several(columns, "Value"),
    )
    return motion_table(source, choices, hazard, columns, arrays, rows)


OUTPUTS = {
    "hmaps": OutputType(
        read=read_hazard_maps,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("KIND", "IMT", "POE"),
        about="Ground motion with a given probability of exceedance, at each site.",
    ),
    "hmaps-stats": OutputType(
        read=read_map_statistics,
        geometries=GEOMETRIES,
        long_format=True,
        choices=("KIND", "IMT", "POE"),
        about="Mean, quantiles and other statistics of the hazard maps, at each site.",
    ),
}
