"""What we keep in the user's QGIS profile, per server: what is hidden, what a run has changed."""

from __future__ import annotations

import json
from urllib.parse import quote

from qgis.core import QgsSettings

_HIDDEN = "openquake/hidden/"
_OVERRIDES = "openquake/parameters/"


def hidden_ids(server: str) -> set[int]:
    """Return the ids of the calculations that the user has hidden at this server."""
    value = QgsSettings().value(_HIDDEN + quote(server, safe=""), "") or ""
    return {int(word) for word in str(value).split() if word.isdigit()}


def set_hidden(server: str, calculation_id: int, hide: bool) -> None:
    """Hide a calculation, or show it again."""
    ids = hidden_ids(server)
    ids = ids | {calculation_id} if hide else ids - {calculation_id}
    settings = QgsSettings()
    # one text: a list of one is read back as something else
    settings.setValue(_HIDDEN + quote(server, safe=""), " ".join(map(str, sorted(ids))))
    settings.sync()


def remember_overrides(server: str, calculation_id: int, overrides: dict[str, str]) -> None:
    """Remember which parameters of its job.ini a run has changed; the engine does not tell."""
    if overrides:
        key = f"{_OVERRIDES}{quote(server, safe='')}/{calculation_id}"
        QgsSettings().setValue(key, json.dumps(overrides))


def overrides_of(server: str, calculation_id: int) -> dict[str, str]:
    """Return the parameters that a run from this profile has changed, {} for none known."""
    key = f"{_OVERRIDES}{quote(server, safe='')}/{calculation_id}"
    try:
        return dict(json.loads(QgsSettings().value(key, "") or "{}"))
    except ValueError:
        return {}
