"""Two platforms for real: built here, arm64 under emulation, joined, pulled, and the tests run in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import msgspec
import pytest

from noxlib.engines import images
from noxlib.engines.docker import Docker
from noxlib.engines.registryauth import Credentials
from noxlib.testground import index, names
from noxlib.testground.index import Part

from .conftest import Nox
from .publishers import Publisher, publishing
from .registries import PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.nightly, pytest.mark.arm64, pytest.mark.registry, pytest.mark.docker]

ARM64 = "noxlib-python:3.11-slim-arm64"  # of scripts/testbed/arm64
OTHER = ("--platform", "linux/arm64")


def put_base(server: RegistryServer, docker: Docker) -> str:
    """python:3.11-slim of both platforms as one index, the engine's own one known here by that name too."""
    name = f"{server.host}/base/python"
    registry = server.repository("base/python")
    parts = []
    for system, image in (("linux/amd64", "python:3.11-slim"), ("linux/arm64", ARM64)):
        tag = system.replace("/", "-")
        images.tag(image, f"{name}:{tag}", docker)
        images.push(f"{name}:{tag}", docker, Credentials(USER, PASSWORD))
        manifest = registry.manifest(tag)
        assert manifest is not None
        parts.append(Part(system, manifest, {}))
    registry.put("3.11-slim", index.join(parts))
    images.tag("python:3.11-slim", f"{name}:3.11-slim", docker)
    return name


@pytest.fixture
def publisher(adopt: Adopt, tmp_path: Path, environment: dict[str, str]) -> Iterator[Publisher]:
    server, docker = RegistryServer(tmp_path / "registry").start(), Docker.connect()
    base = put_base(server, docker)
    mirrors = f'mirrors = {{ "docker.io/library/python" = "{base}" }}\npythons = ["3.11"]\n'
    with publishing(lambda name: adopt(name, mirrors), server, environment, "two-platforms") as publisher:
        yield publisher
    listed = [tag for found in docker.images({}) for tag in found.get("RepoTags") or () if server.host in tag]
    for name in (*listed, *(tag for tag in listed if tag.startswith("noxlib-base-"))):
        images.untag(name, docker)
    server.kill()


def test_two_platforms_are_published_joined_pulled_and_run(publisher: Publisher) -> None:
    jobs = {name: publish(publisher, name) for name in ("linux/amd64", "linux/arm64")}
    own = [tag for tag in publisher.registry.tags() if not tag.startswith("sha256-")]  # of what is attached
    assert {names.read(tag).kind for tag in own} == {"fingerprint"}  # no tag of the event, none to stage
    joined = publisher("testground_index-3.11", "--", "--expect", "arm64", **publisher.event("refs/heads/main"))
    assert joined.code == 0, joined.output
    published = publisher.result("published.json", "3.11")
    assert published["platforms"] == jobs
    assert {publisher.registry.digest(tag) for tag in published["tags"]} == {published["digest"]}
    assert publisher("testground_index-3.11", **publisher.event("refs/heads/main")).code == 0  # again: the same index
    assert {**publisher.result("published.json", "3.11"), "time": ""} == {**published, "time": ""}
    for platform, of_platform in jobs.items():
        assert_pulled_and_run(publisher, platform, of_platform, published["digest"])
    assert_kept(publisher, {published["digest"], *jobs.values()})


def publish(publisher: Publisher, platform: str) -> str:
    """The digest that a job of one platform has published."""
    event = publisher.event("refs/heads/main")
    ended = publisher("testground_publish-3.11", "--", "--platform", platform, **event)
    assert ended.code == 0, ended.output
    recorded = publisher.nox.folder / ".noxlib" / "platforms" / f"py3.11-{platform.replace('/', '-')}.json"
    found = msgspec.json.decode(recorded.read_bytes())
    assert (found["platform"], found["tags"]) == (platform, [])
    return str(found["digest"])


def assert_pulled_and_run(publisher: Publisher, platform: str, part: str, whole: str) -> None:
    """From the registry alone, by the branch; the tests see that machine, and the record names it."""
    publisher.forget()
    pulled = publisher("testground_pull-3.11", "--", "--platform", platform, "main")
    assert pulled.code == 0, pulled.output
    docker = Docker.connect()
    own = docker.native == platform
    here = docker.image(f"{publisher.image}@{whole if own else part}")
    assert here is not None
    assert here.platform.startswith(platform)
    ran = publisher("unit-3.11", "--", "--platform", platform)
    assert (ran.code, "building the testground" in ran.output) == (0, False), ran.output
    record = publisher.nox.record
    assert (record.testground.digest, record.testground.platform) == (here.id, platform)
    assert record.interpreter.platform == {"linux/amd64": "linux-x86_64", "linux/arm64": "linux-aarch64"}[platform]
    assert record.place is not None
    assert ("emulation" in record.place.reason) is not own


def assert_kept(publisher: Publisher, digests: set[str]) -> None:
    """What a cleanup would keep: the index, and its parts for its sake."""
    assert publisher("testground_cleanup").code == 0
    plan = msgspec.json.decode((publisher.nox.folder / ".noxlib" / "cleanup.json").read_bytes())
    assert digests <= {version["digest"] for version in plan["versions"] if version["action"] == "keep"}


def test_of_several_platforms_at_once_the_index_is_made_right_there(publisher: Publisher) -> None:
    both = [word for name in ("amd64", "arm64") for word in ("--platform", name)]
    ended = publisher("testground_publish-3.11", "--", *both, **publisher.event("refs/tags/v1.0.0"))
    assert ended.code == 0, ended.output
    published = publisher.result("published.json", "3.11")
    assert set(published["platforms"]) == {"linux/amd64", "linux/arm64"}
    assert "py3.11-v1.0.0" in published["tags"]
