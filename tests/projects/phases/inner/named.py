"""Tests with a configuration of their own beside them; collected where named."""


def test_fails():
    raise AssertionError("as it should")
