"""One test for each marker, and for each value of an environment."""

import os

import pytest


def test_plain():
    pass


@pytest.mark.slow
def test_slow():
    pass


@pytest.mark.network
def test_network():
    pass


@pytest.mark.timeout(2)
def test_timeout_2():
    pass


@pytest.mark.large_files(100)
def test_large_files():
    pass


@pytest.mark.backend("file")
def test_backend_file():
    pass


@pytest.mark.backend("mock_ssh")
def test_backend_mock_ssh():
    pass


@pytest.mark.backend("ssh")
def test_backend_ssh():
    pass


@pytest.mark.backend("s3")
def test_backend_s3():
    pass


@pytest.mark.backend("mock_tape")
def test_backend_mock_tape():
    pass


@pytest.mark.backend("file")
@pytest.mark.large_files(100)
def test_large_files_on_file():
    pass


def test_160_mb_of_memory():
    assert len(b"x" * (160 << 20))


def test_300_mb_of_disk(tmp_path):
    with (tmp_path / "file").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 300 << 20)
