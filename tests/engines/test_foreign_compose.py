"""A compose file that nobody here wrote, from an sdist, unchanged: linted, and run."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines import images as engine_images
from noxlib.engines.docker import Docker
from noxlib.ledger import state_folder
from tests.real import sdists
from tests.real.table import RealProject

if TYPE_CHECKING:
    from tests.engines.conftest import Nox

pytestmark = [pytest.mark.docker, pytest.mark.compose]
LITESTAR = RealProject(
    name="litestar",
    version="2.9.1",
    sha256="7c13bb4dd7b1c77f6c462262cfe401ca6429eab3e4d98f38586b68268bd5ac97",
    back_end="hatchling",
    pythons=("3.12",),
    exclude_newer="2024-06-22",
    tests=0,
    install=(),
)
FILE = "tests/docker-compose.yml"
IMAGES = {"postgres:latest": "postgres:15", "redis:latest": "redis:7"}
TESTS = """
import pg8000.dbapi, pytest, redis

@pytest.mark.integration
def test_both_services_are_ready():
    with pg8000.dbapi.connect(host="postgres", user="postgres", password="super-secret") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 6 * 7")
        assert cursor.fetchone() == [42]
    cache = redis.Redis(host="redis")
    cache.set("answer", 42)
    assert cache.get("answer") == b"42"
"""


@pytest.fixture
def images() -> None:
    """The names that the file uses, where a machine has no such images: no registry answers everywhere."""
    docker = Docker.connect()
    for wanted, ours in IMAGES.items():
        if docker.image(wanted) is None:
            found = docker.image(ours)
            assert found is not None, f"scripts/testbed/service-images makes {ours}"
            engine_images.tag(found.id, wanted, docker)
    docker.close()


def file_of_litestar() -> str:
    with tarfile.open(sdists.fetch(LITESTAR, state_folder() / "sdists")) as archive:
        member = archive.extractfile(f"litestar-2.9.1/{FILE}")
        assert member is not None
        return member.read().decode()


@pytest.mark.usefixtures("images")
def test_the_compose_file_of_litestar_is_linted_and_run_as_it_is(adopt: Callable[..., Nox]) -> None:
    nox = adopt("services", '[compose_integration]\nfile = "docker-compose.yml"\n')
    text = file_of_litestar()
    (nox.folder / "docker-compose.yml").write_text(text)
    (nox.folder / "tests" / "test_ingester.py").write_text(TESTS)
    linted = nox("-s", "compose_lint")
    assert linted.code == 1
    assert "docker-compose.yml:7: " in linted.output
    assert "5423" in linted.output
    assert nox("-s", "compose_lint", "--", "--fix").code == 0
    ended = nox("-s", "compose_integration-3.10")
    assert ended.code == 0, ended.output
    assert nox.record.counts.passed == 1
    assert {service.name for service in nox.record.services} == {"postgres", "redis"}
    assert (nox.folder / "docker-compose.yml").read_text() == text
