import os

import ingester
import pytest


def test_a_name_of_a_variable():
    assert ingester.__doc__


@pytest.mark.integration
def test_the_environment_is_that_of_the_runner():
    assert (os.environ["TESTING"], os.environ["LOG_FORMAT"]) == ("true", "text")


@pytest.mark.integration
def test_an_upload_is_stored_indexed_and_cached():
    number = ingester.upload("a.txt")
    cursor = ingester.database().cursor()
    cursor.execute("SELECT name FROM files WHERE id = %s", (number,))
    assert cursor.fetchall() == (["a.txt"],)
    assert ingester.cache().get(number) == b"a.txt"


@pytest.mark.integration
def test_the_database_is_postgresql_15():
    cursor = ingester.database().cursor()
    cursor.execute("SHOW server_version")
    assert cursor.fetchall()[0][0].startswith("15.")


@pytest.mark.integration
def test_the_cache_is_redis_7():
    assert ingester.cache().info("server")["redis_version"].startswith("7.")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("method", "peer", "path", "status"),
    [
        ("POST", "ADMIN_URL", "/api/auth/token", 200),
        ("GET", "ADMIN_URL", "/api/storage-elements", 200),
        ("POST", "STORAGE_URL", "/api/v1/files/upload", 201),
        ("DELETE", "STORAGE_URL", "/api/v1/files/1", 204),
        ("GET", "STORAGE_URL", "/api/v1/health/live", 200),
    ],
)
def test_a_peer_answers(method, peer, path, status):
    assert ingester.ask(method, os.environ[peer] + path)[0] == status
