"""Tests that put a clock of their own in place of the real one, and deadlines that are none; collected where named."""

import time

import pytest


def broken():
    raise RuntimeError("no clock")


def test_has_a_clock_that_breaks(monkeypatch):
    monkeypatch.setattr(time, "monotonic", broken)


def test_has_a_clock_that_stands(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)


@pytest.mark.timeout(1e300)
def test_has_more_time_than_a_timer_knows():
    pass


@pytest.mark.timeout(float("inf"))
def test_has_all_the_time():
    time.sleep(0)
