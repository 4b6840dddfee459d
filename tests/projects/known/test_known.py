"""What a project may use under an environment without a line of its own."""

import json
import pathlib
import time

import pytest


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.integration
@pytest.mark.performance
@pytest.mark.vmtest
@pytest.mark.mpi
@pytest.mark.large_files(1)
@pytest.mark.backend("file")
@pytest.mark.timeout(5)
def test_every_marker_is_registered():
    pass


def test_ssh(noxlib_ssh):
    pathlib.Path("ssh.json").write_text(json.dumps(noxlib_ssh))


@pytest.mark.parametrize("number", range(6))
def test_place(noxlib_concurrency, worker_id, number):
    with noxlib_concurrency:
        begin = time.monotonic()
        time.sleep(0.2)
        span = json.dumps([worker_id, begin, time.monotonic()])
    pathlib.Path(f"span-{number}.json").write_text(span)
