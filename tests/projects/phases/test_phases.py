"""Tests that hang in one phase, beside some that do not."""

import threading
import time

import pytest

LONG = 60


@pytest.fixture
def hangs_before():
    time.sleep(LONG)


@pytest.fixture
def hangs_after():
    yield
    time.sleep(LONG)


@pytest.fixture
def said():
    yield
    print("torn down")


def test_quick():
    pass


def test_hangs_in_setup(hangs_before):
    pass


def test_hangs_in_call(said):
    time.sleep(LONG)


def test_hangs_in_teardown(hangs_after):
    pass


def test_waits_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def test_swallows_what_ends_it():
    for _ in range(2):
        try:
            time.sleep(LONG)
        except BaseException:
            pass
    raise RuntimeError("went on twice")


@pytest.mark.timeout(20)
def test_has_more_time():
    time.sleep(0.6)
