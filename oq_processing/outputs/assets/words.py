"""What losses and damage are called, with what they are of and the time that they are for."""

from __future__ import annotations

from ..core.source import Source
from ..core.wording import loss_words, within


def when(source: Source) -> str:
    """Return the time that losses and damage are for, as it ends a title: `` in 50 years``."""
    scenario = source.calculation.mode.startswith("scenario")
    return within(source.risk_time) or (" given the event" if scenario else "")


def average_loss(source: Source, loss_type: str, time: str = "") -> str:
    """Return what an average loss is called, with its time; "" is the loss of several types.

    ``time`` is another than that of the calculation: `` per year``.
    """
    what = f"{loss_words(loss_type)} loss".strip()
    if source.risk_time == 1 and not time:
        return f"Average annual {what}"
    return f"{'Average' if source.risk_time else 'Mean'} {what}{time or when(source)}"


SHAKING, ALL_PERILS = "ground shaking", "all perils combined"


def several_perils(source: Source) -> bool:
    """Return whether damage is of several perils, by the fragility functions of each in the job.

    Of the engine's columns those without a peril are of ground shaking alone, totals of all perils
    combined (``calculators/event_based_damage.py``).
    """
    inputs = source.oqparam.get("inputs") or {}
    perils = {
        key.rpartition("_")[0] if isinstance(files, dict) else "groundshaking"
        for key, files in inputs.items()
        if key == "fragility" or key.endswith("_fragility")
    }
    return len(perils) > 1


def of_what(loss_type: str, peril: str = "") -> str:
    """Return what stands behind a quantity: `` (structural, landslide)``, "" for nothing."""
    words = ", ".join(word for word in (loss_words(loss_type), peril) if word)
    return f" ({words})" if words else ""


def expected(source: Source, consequence: str, loss_type: str, peril: str = "") -> str:
    """Return what a consequence of damage is called: ``Expected losses (structural) in 1 year``."""
    return f"Expected {consequence.replace('_', ' ')}{of_what(loss_type, peril)}{when(source)}"
