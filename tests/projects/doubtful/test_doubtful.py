"""Tests that are to be doubted. How often each one ran stands in a file of the current folder."""

from pathlib import Path

import pytest


def count(name):
    path = Path(f"{name}.count")
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    return number


@pytest.fixture(scope="module")
def shared():
    count("shared")
    yield "shared"
    count("shared_teardown")


@pytest.fixture
def own():
    yield count("own")
    count("own_teardown")


def test_steady(shared, own):
    count("steady")


def test_flaky(shared, own):
    assert count("flaky") != 3


def test_fails(shared):
    count("fails")
    raise AssertionError("always")


@pytest.mark.parametrize("word", ["ü", "a"])
def test_words(word, shared):
    count("words")


def test_last(tmp_path):
    count("last")
