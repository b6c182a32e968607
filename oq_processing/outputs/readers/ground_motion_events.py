"""Events of a calculation: which there are, which are chosen, which are the largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...engine.errors import InvalidChoice, InvalidOutput, NotAllowed, NotFound, ServerFault
from ..core.choices import Choices, split_list
from ..core.lazy import Array, np
from ..core.source import Source
from ..core.wording import listed

ALL_EVENTS = "gmf-data"
"""The file of the export that holds the fields of all events."""

MANY_EVENTS = 20  # the engine reads all its fields anew for each event that is asked for


@dataclass(frozen=True)
class Event:
    """An event, the rupture and realization it is of; magnitude where it was asked for.

    ``branch`` is what is known of the realization: ground motion model or branch path, and weight.
    """

    id: int
    rupture: int
    realization: int
    magnitude: float | None = None
    branch: str = ""

    @property
    def label(self) -> str:
        """What tells it from others: *event 57 (magnitude 6.05, rupture 80, realization 3)*."""
        size = "" if self.magnitude is None else f"magnitude {self.magnitude:.4g}, "
        of = f"realization {self.realization}{self.branch and f': {self.branch}'}"
        return f"event {self.id} ({size}rupture {self.rupture}, {of})"


def events_of(source: Source) -> Array:
    """Return the events (id, rup_id, rlz_id, …), sorted by id; never none."""
    try:
        array = source.npz("events").array("array")
    except (NotFound, ServerFault, InvalidOutput) as error:
        raise InvalidOutput(
            f"The engine does not tell the events of calculation {source.calculation.id}; "
            f"load all of them by MEMBER={ALL_EVENTS}."
        ) from error
    if not len(array):
        raise InvalidOutput(f"Calculation {source.calculation.id} has no events.")
    return array


def event_weights(source: Source, events: Array) -> Array:
    """Return the weight of each event, that of its realization; their sum is 1.

    ``GET /v1/calc/N/extract/realizations``; equal weights where the engine does not report any.
    """
    weights = np.ones(len(events))
    with suppress(NotFound, ServerFault, NotAllowed, InvalidOutput):
        realizations = source.npz("realizations").array("array")
        by_number = np.zeros(int(realizations["rlz_id"].max()) + 1)
        by_number[realizations["rlz_id"]] = realizations["weight"]
        if len(by_number) > int(events["rlz_id"].max()):
            weights = by_number[events["rlz_id"]]
    found: Array = weights / weights.sum()
    return found


def event_of(row: Any, magnitude: float | None = None) -> Event:
    """Return an event of the array of events."""
    return Event(int(row["id"]), int(row["rup_id"]), int(row["rlz_id"]), magnitude)


def chosen_events(choices: Choices, events: Array) -> list[Event]:
    """Return the events of EVENT_ID or RUPTURE_ID; raises :class:`InvalidChoice`."""
    if choices.event_id and choices.rupture_id:
        raise InvalidChoice("Choose by EVENT_ID or by RUPTURE_ID, not by both.")
    name, key = ("EVENT_ID", "id") if choices.event_id else ("RUPTURE_ID", "rup_id")
    text = choices.event_id or choices.rupture_id
    what, a_what = ("event", "an event") if choices.event_id else ("rupture", "a rupture")
    wanted = []
    for part in split_list(text) or [text]:
        if not part.isascii() or not part.isdigit():
            raise InvalidChoice(f"“{part}” is no id; {name} is the whole number of {a_what}.")
        number = int(part)
        found = np.flatnonzero(events[key] == number) if number < 2**63 else ()
        if not len(found):
            raise InvalidChoice(
                f"There is no {what} “{part}”; {name} may be: "
                f"{_ids(np.unique(events[key]).tolist())}."
            )
        wanted += [int(i) for i in found if int(i) not in wanted]
    if len(wanted) > MANY_EVENTS:
        raise InvalidChoice(
            f"These are {len(wanted)} events, up to {MANY_EVENTS} can be loaded side by side; "
            f"choose some of them by EVENT_ID: {_ids(events['id'][wanted].tolist())}; or load all "
            f"events of the calculation by MEMBER={ALL_EVENTS}."
        )
    return [event_of(events[i]) for i in wanted]


def _ids(ids: Sequence[int]) -> str:
    if len(ids) > 3 and ids[-1] - ids[0] == len(ids) - 1:
        return f"{ids[0]} to {ids[-1]}"
    return listed([str(i) for i in ids])


def by_magnitude(source: Source, events: Array) -> Iterator[Event]:
    """Yield events from the largest magnitude down, by id where it is the same.

    ``GET /v1/calc/N/extract/rupture_info?boundaries=no&min_mag=`` from the largest magnitude of
    ``…/event_based_mfd`` down: that of all ruptures takes a millisecond for each of them.
    """
    yielded: set[int] = set()
    for limit in _magnitudes(source):
        try:
            if limit is None:
                npz = source.npz("rupture_info", boundaries="no")
            else:
                npz = source.npz("rupture_info", boundaries="no", min_mag=f"{limit:.2f}")
            ruptures = npz.array("array")[["rup_id", "mag"]]
        except (NotFound, ServerFault, InvalidOutput):
            continue
        order = np.argsort(ruptures["rup_id"])
        ids = ruptures["rup_id"][order]
        nearest = np.minimum(np.searchsorted(ids, events["rup_id"]), len(ids) - 1)
        found = np.flatnonzero(ids[nearest] == events["rup_id"])
        magnitudes = ruptures["mag"][order][nearest[found]]
        for i in np.lexsort((events["id"][found], -magnitudes)):
            row = events[found[i]]
            if int(row["id"]) not in yielded:
                yielded.add(int(row["id"]))
                # the shortest number that is this one in single precision
                yield event_of(row, float(str(magnitudes[i])))
    if not yielded:
        # ground motion from a file has no ruptures
        yield from (event_of(row) for row in events)


def _magnitudes(source: Source) -> list[float | None]:
    """Return lower limits of magnitude, falling, each with ruptures above it; None is no limit."""
    try:
        bins = source.npz("event_based_mfd").array("mag").tolist()
    except (NotFound, ServerFault, NotAllowed, InvalidOutput):
        return [None]
    # the engine rounds them to one decimal
    return [*(b - 0.06 for b in sorted(bins, reverse=True)[:5]), None]
