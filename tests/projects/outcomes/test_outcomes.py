import unittest

import pytest


@pytest.fixture
def broken_setup():
    raise RuntimeError("no database")


@pytest.fixture
def broken_teardown():
    yield
    raise RuntimeError("database stays")


def test_passes():
    assert True


def test_fails():
    assert [1, 2] == [1, 3], "lists differ\nin many words"


def test_setup_error(broken_setup):
    raise AssertionError("never reached")


def test_teardown_error(broken_teardown):
    assert True


@pytest.mark.skip(reason="by mark")
def test_skipped():
    raise AssertionError("never reached")


def test_skips_itself():
    pytest.skip("inside")


@pytest.mark.xfail(reason="known")
def test_xfails():
    raise AssertionError("known")


@pytest.mark.xfail(reason="known", run=False)
def test_xfails_unrun():
    raise AssertionError("never reached")


@pytest.mark.xfail(reason="known")
def test_xpasses():
    assert True


@pytest.mark.xfail(reason="known", strict=True)
def test_xpasses_strictly():
    assert True


class TestSubtests(unittest.TestCase):
    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                assert number != 1
