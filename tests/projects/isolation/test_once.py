"""A value that is made once for all workers: each test notes that it was made, used, taken down."""

import os
import time

import pytest


def note(text):
    with open(os.path.join(os.environ["NOTES"], "once"), "a") as stream:
        stream.write(f"{text}\n")


def make():
    note("made")
    time.sleep(0.2)
    return {"port": 1, "by": os.getpid()}


@pytest.fixture(scope="session")
def database(once_per_run):
    with once_per_run("a database/1", make, lambda value: note(f"taken down {value['port']}")) as value:
        yield value


@pytest.fixture(scope="session")
def other(once_per_run):
    with once_per_run("other", lambda: note("other made"), lambda _: note("other taken down")) as value:
        yield value


@pytest.mark.parametrize("number", range(8))
def test_uses_it(number, request):
    for name in ("database", "other") if number % 2 else ("other", "database"):
        request.getfixturevalue(name)
    note("used")
    time.sleep(0.05)


def test_uses_nothing():
    time.sleep(0.3)
