"""What we keep in the user's QGIS profile: what is hidden, what a run has changed, options."""

from __future__ import annotations

import json
from urllib.parse import quote

from qgis.core import QgsSettings

_HIDDEN = "openquake/hidden/"
_OVERRIDES = "openquake/parameters/"
_EXECUTABLE = "openquake/executable"
_START = "openquake/start_local_engine"


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


def engine_executable() -> str:
    """Return the engine's command ``oq`` that the user has chosen in the options, "" for none."""
    return str(QgsSettings().value(_EXECUTABLE, "") or "")


def set_engine_executable(path: str) -> None:
    """Choose the engine's command ``oq``, "" for the one that is found."""
    QgsSettings().setValue(_EXECUTABLE, path)


def starts_local_engine() -> bool:
    """Return whether a run that finds no server may start the user's own engine; off by default."""
    return str(QgsSettings().value(_START, "")).lower() == "true"


def set_starts_local_engine(start: bool) -> None:
    """Let a run that finds no server start the user's own engine, or not."""
    QgsSettings().setValue(_START, "true" if start else "false")
