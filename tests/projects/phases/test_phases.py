"""Tests that hang in one phase, beside some that do not.

Their clock, ``time.hours``, goes on when they say so: how fast they get to where they hang is then no matter.
"""

import os
import signal
import threading
import time

import pytest

LONG = 600


def an_hour_passes():
    """By the clock that deadlines go by; then their signal comes."""
    time.hours += 1
    signal.setitimer(signal.ITIMER_REAL, 0.05)


def hang():
    an_hour_passes()
    time.sleep(LONG)


@pytest.fixture
def hangs_before():
    hang()


@pytest.fixture
def hangs_after():
    yield
    hang()


@pytest.fixture
def said():
    yield
    print("torn down")


@pytest.mark.timeout(30)
def test_quick():
    pass


def test_hangs_in_setup(hangs_before):
    pass


def test_hangs_in_call(said):
    hang()


def test_hangs_in_teardown(hangs_after):
    pass


def test_waits_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    an_hour_passes()
    lock.acquire()


def test_swallows_what_ends_it():
    for _ in range(2):
        try:
            hang()
        except BaseException:
            pass
    raise RuntimeError("went on twice")


@pytest.mark.timeout(30_000)
def test_has_more_time():
    if hasattr(time, "hours"):
        an_hour_passes()
    time.sleep(1.2)


@pytest.fixture
def own_alarm():
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    yield
    signal.signal(signal.SIGALRM, before)


rang = []


def test_has_an_alarm_of_its_own(own_alarm):
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    an_hour_passes()
    while not rang:
        time.sleep(0.01)
    assert rang == [True]


@pytest.mark.timeout(30)
def test_a_forked_child_dies_of_its_own_alarm():
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(LONG)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGALRM
