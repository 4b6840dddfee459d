import os
import subprocess
import sys

import pytest

import letters


def test_counts():
    assert letters.count("abba") == {"a": 2, "b": 2}


@pytest.mark.parametrize("text", ["", "x"])
def test_short(text):
    assert len(letters.count(text)) == len(text)


def test_as_a_program():
    source = os.path.dirname(os.path.dirname(letters.__file__))
    environment = dict(os.environ, PYTHONPATH=source)
    output = subprocess.check_output([sys.executable, "-m", "letters", "aa"], env=environment)
    assert output.strip() == b"{'a': 2}"


@pytest.mark.slow
def test_slow():
    assert letters.count("a" * 1000) == {"a": 1000}


@pytest.mark.integration
def test_needs_a_service():
    raise AssertionError("never selected")
