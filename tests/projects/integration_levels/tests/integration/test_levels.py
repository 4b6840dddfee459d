"""One test of each kind that a level or an environment tells apart."""

import os
import time

import pytest


def test_plain():
    assert os.environ["NOXLIB_ENV"] in ("local", "ci", "hpc_cluster", "cloud_hpc", "laptop")


def test_sees_the_environment(noxlib_environment, pytestconfig):
    assert os.environ["NOXLIB_ENV"] == noxlib_environment["name"] == pytestconfig.getoption("--env-config")
    assert float(os.environ["NOXLIB_TIMEOUT_MULTIPLIER"]) == noxlib_environment["timeout_multiplier"]
    assert int(os.environ["NOXLIB_CONCURRENT_LIMIT"]) == noxlib_environment["concurrent"]


@pytest.mark.slow
def test_slow():
    time.sleep(0.01)


@pytest.mark.performance
def test_performance():
    assert sum(range(100)) == 4950


@pytest.mark.network
def test_network():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        socket.create_connection(server.getsockname()).close()


@pytest.mark.large_files(100)
def test_large_files():
    pass


@pytest.mark.backend("file")
def test_file():
    pass


@pytest.mark.backend("mock_ssh")
def test_mock_ssh():
    pass


@pytest.mark.backend("s3")
def test_s3():
    pass


def test_concurrency(noxlib_concurrency, noxlib_environment):
    with noxlib_concurrency:
        assert noxlib_concurrency.count == noxlib_environment["concurrent"]
