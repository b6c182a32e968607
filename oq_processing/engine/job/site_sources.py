"""Where the engine takes the sites of a job from, if the .ini names several sources.

Read in ``commonlib.readinput.get_mesh_exp`` of the engine 3.20.1, 3.23.5 and 3.26.2: ``sites``,
else a grid, else ``sites_csv`` or the site model, else the exposure. The others are associated with
those sites, without an error. 3.16.7 prefers ``sites_csv`` to a grid.
"""

from __future__ import annotations

from collections.abc import Sequence

from .ini import Ini
from .paths import listed

CHECKED = "the engine, 3.20 to 3.26,"
_GRID = "region_grid_spacing"
_LISTS = ("sites_csv", "sites_file")
_ASSOCIATED = {
    "site_model_file": "each gets the soil of the nearest point of",
    "site_model_csv": "each gets the soil of the nearest point of",
    "exposure_file": "the nearest of them is used for each asset of",
    "exposure_csv": "the nearest of them is used for each asset of",
}


def _before(key: str, given: Sequence[str], ini: Ini) -> list[str]:
    """Return the parameters of the .ini that the engine prefers to ``key``."""
    used = (
        name
        for before in given[: given.index(key)]
        for name in (("region", _GRID) if before == _GRID else (before,))
    )
    return [name for name in used if name in ini.values]


def compare_sites(ini: Ini) -> tuple[list[str], list[str]]:
    """Return warnings where sites that the .ini gives are dropped, and notes on what is associated.

    A job without ``sites``, a grid or a list of sites is unambiguous, and has neither. All this is
    of no account where a job is based on a hazard calculation: its sites are those of that.
    """
    given = [key for key in ("sites", _GRID, *_LISTS) if ini.values.get(key, "").strip()]
    if not given:
        return [], []
    used, *dropped = given
    warnings = [
        f"{ini.name} sets {used} and {key}: {CHECKED} uses {used} and ignores {key}. "
        f"To use {key}, remove {listed(_before(key, given, ini))} (PARAMETERS: "
        f"{'; '.join(f'{name}=' for name in _before(key, given, ini))})."
        for key in dropped
    ]
    notes = [
        f"{ini.name}: the sites are those of {used}; {what} {key}."
        for key, what in _ASSOCIATED.items()
        if ini.values.get(key, "").strip()
    ]
    return warnings, notes
