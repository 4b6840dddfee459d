"""Two platforms for real: built here, arm64 under emulation, joined, pulled, and the tests run in both."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import msgspec
import pytest

from noxlib.engines import builder, builders, images
from noxlib.engines.docker import Docker
from noxlib.engines.registryauth import Credentials
from noxlib.testground import index, names, remote
from noxlib.testground.index import Part

from .checks import told
from .conftest import Nox, wait_until
from .publishers import Publisher, publishing
from .registries import CACHE, PASSWORD, TESTBED, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator


Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.nightly, pytest.mark.arm64, pytest.mark.registry, pytest.mark.docker]

ARM64 = "noxlib-python:3.11-slim-arm64"  # of scripts/testbed/arm64
IMAGE = "noxlib-buildkit:testbed"  # of scripts/testbed/buildkit


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


class BuildKit:
    """A builder of buildx that is not the engine's own: a daemon with its own folder and socket (driver remote)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/socket"
        self.variables = {"DOCKER_CONFIG": str(folder / "docker"), "BUILDX_BUILDER": folder.name}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        own = [f"--addr={self.url}", f"--root={self.folder}/root", f"--otel-socket-path={self.folder}/otel"]
        alone = ["--containerd-worker=false", "--oci-worker-net=host"]
        with (self.folder / "log").open("wb") as log:
            argv = [str(CACHE / "bin" / "buildkitd"), *own, *alone]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        control = [str(CACHE / "bin" / "buildctl"), f"--addr={self.url}", "debug", "workers"]
        wait_until(lambda: subprocess.run(control, capture_output=True, check=False).returncode == 0, "buildkitd")
        self.buildx("create", "--driver=remote", f"--name={self.folder.name}", self.url)

    def buildx(self, *words: str) -> str:
        argv = [builders.command(), "buildx", *words]
        variables = {**os.environ, **self.variables}
        return subprocess.run(argv, env=variables, check=True, capture_output=True, text=True).stdout

    def built(self) -> str:
        """What is kept of the steps that it ran."""
        return self.buildx("du", "--verbose", f"--builder={self.folder.name}")

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Contained(BuildKit):
    """The same in a container that buildx starts (driver docker-container), as docker/setup-buildx-action has it."""

    def start(self) -> None:
        options = [f"--driver-opt=image={IMAGE}", "--driver-opt=network=host"]
        self.buildx("create", "--driver=docker-container", f"--name={self.folder.name}", *options)

    def close(self) -> None:
        self.buildx("rm", "--force", self.folder.name)
        super().close()


@pytest.fixture(params=[BuildKit, Contained])
def buildkit(request: pytest.FixtureRequest) -> Iterator[BuildKit]:
    subprocess.run([TESTBED / "buildkit"], check=True)
    found: BuildKit = request.param(Path(tempfile.mkdtemp(prefix="nbk-")))  # a socket's path is short
    try:
        found.start()
        yield found
    finally:
        found.close()


def push(publisher: Publisher, buildkit: BuildKit) -> dict[str, str]:
    """The variables of a push to the default branch, where another builder than the engine's own is named."""
    payload = buildkit.folder / "event.json"
    payload.write_text(json.dumps({"repository": {"default_branch": "main"}}))
    return {**publisher.event("refs/heads/main", GITHUB_EVENT_PATH=str(payload)), **buildkit.variables}


@pytest.mark.buildkit
def test_another_builder_builds_both_platforms_which_are_one_index(publisher: Publisher, buildkit: BuildKit) -> None:
    both = [word for name in ("amd64", "arm64") for word in ("--platform", name)]
    ended = publisher("testground_publish-3.11", "--", *both, **push(publisher, buildkit))
    assert ended.code == 0, ended.output
    published, registry = publisher.result(python="3.11"), publisher.registry
    whole = registry.manifest("py3.11-main")
    assert whole is not None
    parts = {
        f"{part['platform']['os']}/{part['platform']['architecture']}": part for part in whole.content()["manifests"]
    }
    assert {name: part["digest"] for name, part in parts.items()} == published["platforms"]
    assert set(parts) == {"linux/amd64", "linux/arm64"}
    for platform, digest in published["platforms"].items():
        part = registry.manifest(digest)
        assert part is not None
        image = str(remote.configuration_digest(part))
        configuration = registry.configuration(image)
        assert f"{configuration['os']}/{configuration['architecture']}" == platform
        assert Docker.connect().image(image) is not None  # it is in the engine as well
    assert "/opt/testground" in buildkit.built()
    assert {"buildcache-py3.11", "buildcache-py3.11-arm64"} <= {*registry.tags()}  # which this engine could not write
    ran = publisher("unit-3.11", "--", "--no-build")
    assert ran.code == 0, ran.output


OWN = """ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim AS test
RUN --mount=type=secret,id=ca if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \\
    python -m pip install --quiet --retries 10 --root-user-action=ignore pytest && echo of-its-own >/made
"""


@pytest.mark.buildkit
def test_another_builder_builds_a_dockerfile_of_the_projects_own(publisher: Publisher, buildkit: BuildKit) -> None:
    (publisher.nox.folder / "Dockerfile.test").write_text(OWN)
    publisher.commit("A Dockerfile")
    ended = publisher("testground_build-3.11", **push(publisher, buildkit))
    assert ended.code == 0, ended.output
    assert "of-its-own" in buildkit.built()
    (reference,) = re.findall(r"building the testground of Python 3\.11: (\S+)", ended.output)
    assert builder.run(reference, ["cat", "/made"], Docker.connect()) == "of-its-own\n"
    (publisher.nox.folder / "Dockerfile.test").write_text(f"{OWN}# another one\n")
    absent = publisher("testground_build-3.11", BUILDX_BUILDER=buildkit.folder.name)  # without its DOCKER_CONFIG
    assert told(absent) == 2
    assert f"BUILDX_BUILDER is '{buildkit.folder.name}', which cannot build" in absent.output
