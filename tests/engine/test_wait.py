"""The one wait: whoever waits stays alive, and is out within two slices when the user cancels."""

import subprocess
import sys
import threading
import time

import pytest

from oq_processing.engine import wait as wait_module
from oq_processing.engine.errors import Cancelled
from oq_processing.engine.wait import SLICE, Wait


class Slow:
    """Work that ends when it is abandoned, or released."""

    def __init__(self):
        self.begun = threading.Event()
        self.release = threading.Event()
        self.ended = threading.Event()
        self.thread = None

    def __call__(self):
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.release.wait(10)
        self.ended.set()
        return "done"


def test_result_comes_back_from_another_thread():
    seen = []

    def work():
        seen.append(threading.current_thread())
        return 42

    assert Wait().call(work) == 42
    assert seen[0] is not threading.current_thread()
    assert seen[0].daemon


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), KeyboardInterrupt()])
def test_exception_comes_back_as_it_is(error):
    def work():
        raise error

    with pytest.raises(type(error)) as caught:
        Wait().call(work)
    assert caught.value is error


def test_cancel_before_the_work_begins_does_not_begin_it():
    begun = []
    with pytest.raises(Cancelled, match=r"^Cancelled by the user\.$"):
        Wait(lambda: True).call(lambda: begun.append(1))
    assert begun == []


def test_cancel_abandons_within_two_slices():
    work, abandoned = Slow(), []
    wished = []

    def cancelled():
        if work.begun.is_set():
            wished.append(time.monotonic())
        return bool(wished)

    def abandon():
        abandoned.append(time.monotonic())
        work.release.set()

    with pytest.raises(Cancelled):
        Wait(cancelled).call(work, abandon)
    assert len(abandoned) == 1
    assert abandoned[0] - wished[0] < 2 * SLICE
    assert time.monotonic() - abandoned[0] < SLICE, "waited although the work had ended"
    assert work.ended.is_set(), "an abandoned call cleans up before the caller goes on"


def test_work_that_cannot_be_abandoned_is_left_behind(monkeypatch):
    monkeypatch.setattr(wait_module, "SETTLE", 0.05)
    work = Slow()
    with pytest.raises(Cancelled):
        Wait(work.begun.is_set).call(work)
    assert not work.ended.is_set()
    work.release.set()
    work.thread.join(10)


def test_poll_and_idle_are_called_on_the_waiting_thread():
    work, polled, idled = Slow(), [], []

    def poll():
        polled.append(threading.current_thread())
        if len(polled) == 3:
            work.release.set()

    wait = Wait(idle=lambda: idled.append(threading.current_thread()))
    assert wait.call(work, poll=poll) == "done"
    assert set(polled) == set(idled) == {threading.current_thread()}
    assert len(polled) >= 4, "once in each slice, and once when the work has ended"


def test_an_error_of_the_owner_abandons_the_work():
    work = Slow()

    def idle():
        if work.begun.is_set():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Wait(idle=idle).call(work, work.release.set)
    assert work.ended.is_set()


def test_pause_lasts_as_long_as_it_is_told():
    idled = []
    begin = time.monotonic()
    Wait(idle=lambda: idled.append(1)).pause(2.5 * SLICE)
    assert 2.5 * SLICE <= time.monotonic() - begin < 4.5 * SLICE
    assert len(idled) == 4, "at once, and after each slice"


def test_cancel_ends_a_pause_within_two_slices():
    asked = []

    def cancelled():
        asked.append(time.monotonic())
        return len(asked) > 1

    begin = time.monotonic()
    with pytest.raises(Cancelled):
        Wait(cancelled).pause(60)
    assert time.monotonic() - begin < 2 * SLICE


def test_no_thread_keeps_the_process_alive():
    code = (
        "import threading\n"
        "from oq_processing.engine import wait\n"
        "wait.SETTLE = 0.01\n"
        "begun = threading.Event()\n"
        "def work():\n"
        "    begun.set()\n"
        "    threading.Event().wait()\n"
        "try:\n"
        "    wait.Wait(begun.is_set).call(work)\n"
        "except wait.Cancelled:\n"
        "    print('cancelled', threading.active_count())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert ran.stdout == "cancelled 2\n"
