"""What we keep in the user's QGIS profile: what is hidden, what a run has changed, options.

Each entry has a key of its own: QGIS reads the file of the profile before it writes to it, so that
of several programs none undoes the changes of another. What is kept for a calculation is kept by
the server's address and its id, with what the server reported of it: a server whose database was
replaced gives its ids anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QSettings

from .engine import local
from .engine.calculation import Calculation
from .engine.errors import EngineError

_HIDDEN = "openquake/hidden/"
_OVERRIDES = "openquake/parameters/"
_EXECUTABLE = "openquake/executable"
_START = "openquake/start_local_engine"
_OWN = "local engine"  # its port may change


@dataclass(frozen=True)
class Hidden:
    """The calculations that the user hides at a server, by id, as they were when hidden.

    None for one that an earlier version has hidden, of which only the id is known.
    """

    known: Mapping[int, Calculation | None]

    def __contains__(self, calculation: Calculation) -> bool:
        return _is_of(self.known.get(calculation.id, _MISSING), calculation)


_MISSING = Calculation(0, "", "", "")


def _is_of(known: Calculation | None, calculation: Calculation) -> bool:
    """Return whether what is kept under a calculation's id is kept for it."""
    return known is None or (known.id == calculation.id and not known.is_replaced_by(calculation))


def hidden(server: str) -> Hidden:
    """Return what the user has hidden at this server."""
    known: dict[int, Calculation | None] = {}
    settings = QgsSettings()
    for name in reversed(_names(server)):
        # earlier versions: one text, "3 7"
        words = str(settings.value(_HIDDEN + name, "") or "").split()
        known.update((int(word), None) for word in words if word.isdecimal())
        settings.beginGroup(_HIDDEN + name)
        keys = settings.childKeys()
        settings.endGroup()
        for calculation_id in (int(key) for key in keys if key.isdecimal()):
            text = settings.value(f"{_HIDDEN}{name}/{calculation_id}", "")
            known.pop(calculation_id, None)
            if text:  # else it is shown, whatever is said elsewhere
                known[calculation_id] = _read(calculation_id, _parsed(text))
    return Hidden(known)


def set_hidden(server: str, calculation: Calculation, hide: bool) -> None:
    """Hide a calculation, or show it again; raise :class:`EngineError` if that cannot be stored."""
    if hide:
        key = f"{_HIDDEN}{_names(server)[0]}/{calculation.id}"
        store({key: json.dumps(calculation.identity())})
    else:
        store(_shown(server, calculation.id))


def _shown(server: str, calculation_id: int) -> dict[str, str | None]:
    """Return the changes by which a calculation is no longer hidden."""
    settings = QgsSettings()
    keys = {name: f"{_HIDDEN}{name}/{calculation_id}" for name in _names(server)}
    changes: dict[str, str | None] = {k: None for k in keys.values() if settings.contains(k)}
    texts = [str(settings.value(_HIDDEN + name, "") or "") for name in keys]
    if str(calculation_id) in " ".join(texts).split():  # which no other program must undo
        changes[next(iter(keys.values()))] = ""
    return changes


def remember_overrides(server: str, calculation: Calculation, overrides: dict[str, str]) -> None:
    """Remember which parameters of its job.ini a run has changed; the engine does not report them.

    Raises :class:`EngineError` if that cannot be stored.
    """
    key = f"{_OVERRIDES}{_names(server)[0]}/{calculation.id}"
    about = {"parameters": overrides, "calculation": calculation.identity()}
    store({key: json.dumps(about)})


def overrides_of(server: str, calculation: Calculation) -> dict[str, str]:
    """Return the parameters that a run from this profile has changed, {} for none known."""
    for name in _names(server):
        about = _parsed(QgsSettings().value(f"{_OVERRIDES}{name}/{calculation.id}", ""))
        if "parameters" not in about or not isinstance(about["parameters"], dict):
            about = {"parameters": about}  # of earlier versions
        known = _read(calculation.id, about.get("calculation"))
        if about["parameters"] and _is_of(known, calculation):
            return dict(about["parameters"])
    return {}


def forget(server: str, calculation_id: int) -> None:
    """Forget what is kept under the id of a calculation that is new, or that is gone.

    Raises :class:`EngineError` if that cannot be stored.
    """
    keys = (f"{_OVERRIDES}{name}/{calculation_id}" for name in _names(server))
    changed = {key: None for key in keys if QgsSettings().contains(key)}
    store({**_shown(server, calculation_id), **changed})


def _names(server: str) -> list[str]:
    """Return the names under which entries of a server stand; new ones get the first."""
    name = quote(server, safe="")
    own = local.recorded()
    return [_OWN, name] if own is not None and own.url == server else [name]


def _parsed(text: object) -> dict[str, Any]:
    """Return the JSON object that is in a text; {} for anything else."""
    try:
        found = json.loads(str(text or "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(calculation_id: int, about: object) -> Calculation | None:
    """Return what was known of a calculation when it was entered; None for no more than its id."""
    if not isinstance(about, dict) or "status" not in about:
        return None
    return Calculation.from_json({**about, "id": calculation_id, "size_mb": None})


def store(changes: Mapping[str, str | None]) -> None:
    """Store values in the profile, or remove those that are None.

    Raises :class:`EngineError` if the profile's file cannot be written; nothing is changed then.
    """
    if not changes:
        return
    settings = QgsSettings()
    before = {key: settings.value(key) for key in changes}
    _put(settings, changes)
    # of QgsSettings nobody learns how it went; both write the same changes to the same file
    file = QSettings(settings.fileName(), QSettings.Format.IniFormat)
    file.sync()
    if file.status() != QSettings.Status.NoError:
        _put(settings, before)
        raise EngineError(
            f"The QGIS profile cannot be written ({settings.fileName()}), so this was not stored. "
            "Check the permissions of that file and its folder, and the free space."
        )


def _put(settings: QgsSettings, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        if value is None:
            settings.remove(key)
        else:
            settings.setValue(key, value)
    settings.sync()


def engine_executable() -> str:
    """Return the engine's command ``oq`` that the user has chosen in the options, "" for none."""
    return str(QgsSettings().value(_EXECUTABLE, "") or "")


def set_engine_executable(path: str) -> None:
    """Choose the engine's command ``oq``, "" for the one that is found."""
    store({_EXECUTABLE: path})


def starts_local_engine() -> bool:
    """Return whether a run that finds no server may start the user's own engine; off by default."""
    return str(QgsSettings().value(_START, "")).lower() == "true"


def set_starts_local_engine(start: bool) -> None:
    """Let a run that finds no server start the user's own engine, or not."""
    store({_START: "true" if start else "false"})
