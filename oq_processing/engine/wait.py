"""The one wait of the product.

Whatever takes time (an HTTP call, a pause between two polls) goes through a :class:`Wait`: the
work runs on a helper thread, the calling thread looks every ``SLICE`` seconds whether the user
cancelled, and lets its owner do what must be done meanwhile (Qt events, progress of an upload).
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from typing import Callable, TypeVar

from .errors import Cancelled

T = TypeVar("T")

SETTLE = 2.0  # seconds an abandoned call gets to clean up after itself
SLICE = 0.1  # seconds between two looks at the user's wish to cancel


def _nothing() -> None:
    """Do nothing."""


class Wait:
    """Wait for work or for time to pass, without freezing whoever waits.

    ``cancelled`` answers whether the user wants us to stop; ``idle`` is called on the waiting
    thread in every slice. Both must return at once.
    """

    def __init__(
        self,
        cancelled: Callable[[], bool] = lambda: False,
        idle: Callable[[], None] = _nothing,
    ) -> None:
        self.cancelled = cancelled
        self.idle = idle

    def check(self) -> None:
        """Serve the owner once; raise :class:`Cancelled` when the user wants us to stop."""
        self.idle()
        if self.cancelled():
            raise Cancelled("Cancelled by the user.")

    def pause(self, seconds: float) -> None:
        """Let ``seconds`` pass; raise :class:`Cancelled` within a slice of the user's wish."""
        end = time.monotonic() + seconds
        self.check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(SLICE, left))
            self.check()

    def call(
        self,
        work: Callable[[], T],
        abandon: Callable[[], None] = _nothing,
        poll: Callable[[], None] = _nothing,
    ) -> T:
        """Return what ``work`` returns, or raise what it raises; it runs on a helper thread.

        ``poll`` is called on the waiting thread in every slice. On cancel ``abandon`` is called,
        which should make ``work`` end soon, and :class:`Cancelled` is raised after
        at most ``SETTLE`` seconds.
        """
        self.check()
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        # daemon: an abandoned call must not keep the process alive
        threading.Thread(target=run, name="openquake-http", daemon=True).start()
        try:
            while not wait([result], SLICE).done:
                poll()
                self.check()
        except BaseException:
            abandon()
            wait([result], SETTLE)
            raise
        poll()
        return result.result()
