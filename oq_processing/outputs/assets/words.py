"""What losses and damage are called, with the time that they are for."""

from __future__ import annotations

from ..core.quantities import loss_words, years
from ..core.source import Source


def when(source: Source) -> str:
    """Return the time that losses and damage are for, as it ends a title: `` in 50 years``."""
    time = source.risk_time
    if time:
        return f" in {years(time)} year{'' if time == 1 else 's'}"
    return " given the event" if source.calculation.mode.startswith("scenario") else ""


def average_loss(source: Source, loss_type: str, time: str = "") -> str:
    """Return what an average loss is called, with its time; "" is the loss of several types.

    ``time`` is another than that of the calculation: `` per year``.
    """
    what = f"{loss_words(loss_type)} loss".strip()
    if source.risk_time == 1 and not time:
        return f"Average annual {what}"
    return f"{'Average' if source.risk_time else 'Mean'} {what}{time or when(source)}"


def of_and_time(loss_type: str, peril: str, time: str) -> str:
    """Return what stands behind a quantity: ``, structural, landslide, in 50 years``."""
    of = "".join(f", {word}" for word in (loss_words(loss_type), peril) if word)
    return f"{of},{time}" if of and time else of + time
