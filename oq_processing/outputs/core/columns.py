"""Columns that mean the same in every output."""

from __future__ import annotations

from .table import Column, ColumnType

MEMBER = "member"
"""Name of the column that says which file of an output a row comes from."""

MEMBER_COLUMN = Column(MEMBER, ColumnType.TEXT, "Member")
KIND = Column("kind", ColumnType.TEXT, "Statistic or realization")
IMT = Column("imt", ColumnType.TEXT, "Intensity measure type")
IML = Column("iml", label="Intensity measure level")
EVENT = Column("event_id", ColumnType.INTEGER, "Event")
RUPTURE = Column("rup_id", ColumnType.INTEGER, "Rupture")
SOURCE = Column("source_id", ColumnType.TEXT, "Source")

USUAL = {
    column.name: column
    for column in (
        Column("lon", label="Longitude", unit="°"),
        Column("lat", label="Latitude", unit="°"),
        Column("depth", label="Depth", unit="km"),
        Column("site_id", ColumnType.INTEGER, "Site"),
        Column("sids", ColumnType.INTEGER, "Site"),
        Column("custom_site_id", ColumnType.TEXT, "Site (custom id)"),
        Column("asset_id", ColumnType.TEXT, "Asset"),
        Column("taxonomy", ColumnType.TEXT, "Taxonomy"),
        Column("loss_type", ColumnType.TEXT, "Loss type"),
        EVENT,
        RUPTURE,
        Column("rlz_id", ColumnType.INTEGER, "Realization"),
        SOURCE,
        Column("grp_id", ColumnType.INTEGER, "Group of sources"),
        Column("branch_path", ColumnType.TEXT, "Branch path"),
        Column("weight", label="Weight"),
        Column("year", ColumnType.INTEGER, "Year"),
        Column("ses_id", ColumnType.INTEGER, "Stochastic event set"),
        Column("stat", ColumnType.TEXT, "Statistic"),
        IMT,
        IML,
        Column("poe", label="Probability of exceedance"),
        Column("return_period", label="Return period", unit="years"),
        Column("mag", label="Magnitude"),
    )
}
"""Columns of the engine's exports, by their names."""
