"""Small things that several tests use."""

from __future__ import annotations

import time


def wait_until(condition, seconds: float = 30.0):
    """Return the first true answer of ``condition``; fail when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return answer
