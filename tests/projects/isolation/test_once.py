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
def database(once_per_run, request):
    with once_per_run("a database/1", make, lambda value: note(f"taken down {value['port']}")) as value:
        wait_for_the_others(request.config)
        yield value


@pytest.fixture(scope="session")
def other(once_per_run, request):
    with once_per_run("other", lambda: note("other made"), lambda _: note("other taken down")) as value:
        yield value


def wait_for_the_others(config):
    """Until each worker has it: one that came when all others have given it back would have to make it anew."""
    worker = getattr(config, "workerinput", {"workerid": "alone", "workercount": 1})
    folder = os.path.join(os.environ["NOTES"], "workers")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, worker["workerid"]), "w"):
        pass
    while len(os.listdir(folder)) < worker["workercount"]:
        time.sleep(0.01)


@pytest.mark.parametrize("number", range(8))
def test_uses_it(number, request):
    for name in ("database", "other") if number % 2 else ("other", "database"):
        request.getfixturevalue(name)
    note("used")
    time.sleep(0.05)


def test_uses_nothing():
    time.sleep(0.3)
