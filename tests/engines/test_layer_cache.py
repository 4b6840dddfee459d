"""A layer cache in a real registry, written by an engine with the containerd image store, and read by the usual one."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from noxlib.engines import builder, layers
from noxlib.engines.docker import Docker
from noxlib.engines.layers import Layers
from noxlib.engines.versions import RegistryStore
from noxlib.errors import EngineError
from noxlib.testground.survey import survey

from .conftest import wait_until
from .registries import PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.registry import Registry

pytestmark = [pytest.mark.docker, pytest.mark.registry]

FILE = "FROM scratch AS builder\nCOPY a /a\nFROM scratch\nCOPY --from=builder /a /b\n"


@pytest.fixture(scope="module")
def writer() -> Iterator[Docker]:
    """A dockerd whose own builder can write a cache.

    It has a bridge of its own: with --bridge=none it deletes docker0, which is the other engine's.
    """
    bridge, number = f"nlc{secrets.token_hex(4)}", 1 + secrets.randbelow(250)
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", f"172.31.{number}.1/24", "dev", bridge], check=True)
    folder = Path(tempfile.mkdtemp(prefix="nlc-"))  # a socket's path is short
    (folder / "daemon.json").write_text(json.dumps({"features": {"containerd-snapshotter": True}}))
    url = f"unix://{folder}/docker.sock"
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid"]
    alone = [f"--bridge={bridge}", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    own = [f"--containerd-namespace={bridge}", f"--containerd-plugins-namespace={bridge}-plugins"]
    with (folder / "log").open("wb") as log:
        argv = ["dockerd", f"--config-file={folder}/daemon.json", f"--host={url}", *places, *alone, *own]
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        try:
            Docker.connect({"DOCKER_HOST": url}).close()
        except EngineError:
            return False
        return True

    try:
        wait_until(answers, "the dockerd with the containerd image store")
        yield Docker.connect({"DOCKER_HOST": url})
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(120)
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["ip", "link", "delete", bridge], check=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path_factory.mktemp("layers") / "registry").start()
    yield server
    server.kill()


@pytest.fixture
def wanted(tmp_path: Path, registry: RegistryServer) -> builder.Build:
    """A build of content that nobody has built before, with a cache that is written."""
    (tmp_path / "a").write_text(secrets.token_hex())
    (tmp_path / "Dockerfile").write_text(FILE)
    name = f"{registry.host}/layers-{secrets.token_hex(4)}"
    return builder.Build(
        context=tmp_path,
        dockerfile=tmp_path / "Dockerfile",
        tags=(f"{name}:built",),
        log=tmp_path / "log",
        layers=Layers(f"{name}:buildcache-py3.10", write=True),
    )


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", USER)
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", PASSWORD)


def repository(registry: RegistryServer, wanted: builder.Build) -> Registry:
    return registry.repository(wanted.tags[0].partition("/")[2].partition(":")[0])


def tags(registry: RegistryServer, wanted: builder.Build) -> list[str]:
    return list(repository(registry, wanted).tags())


@pytest.mark.usefixtures("logged_in")
def test_what_one_engine_built_another_need_not(
    writer: Docker, registry: RegistryServer, wanted: builder.Build
) -> None:
    builder.build(wanted, writer)
    assert tags(registry, wanted) == ["buildcache-py3.10"]
    (cache,) = survey(RegistryStore(repository(registry, wanted)), lambda _: {})
    assert cache.used is not None  # by which retention knows when it has had its time
    reader = Docker.connect()
    read = msgspec.structs.replace(wanted, log=wanted.log.with_suffix(".read"), layers=Layers(wanted.layers.reference))  # type: ignore[union-attr]
    try:
        builder.build(read, reader)
    finally:
        subprocess.run(("docker", "image", "rm", wanted.tags[0]), check=False, capture_output=True)
    said = read.log.read_text()
    assert said.count("CACHED") == 2, said  # the stage before the last as well: all layers are there
    for secret in (PASSWORD, USER + ":"):
        assert secret not in wanted.log.read_text() + said


def test_a_registry_that_refuses_fails_no_build(
    writer: Docker, registry: RegistryServer, wanted: builder.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", USER)
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "wrong")
    builder.build(wanted, writer)
    assert writer.image(wanted.tags[0]) is not None
    assert tags(registry, wanted) == []
    assert "401" in wanted.log.read_text()


@pytest.mark.usefixtures("logged_in")
def test_a_registry_that_is_not_there_fails_no_build(writer: Docker, wanted: builder.Build) -> None:
    builder.build(msgspec.structs.replace(wanted, layers=Layers("127.0.0.1:9/a:buildcache-py3.10", write=True)), writer)
    assert writer.image(wanted.tags[0]) is not None


@pytest.mark.usefixtures("logged_in")
def test_an_engine_that_cannot_write_one_builds_all_the_same_and_says_so(
    wanted: builder.Build, registry: RegistryServer, capsys: pytest.CaptureFixture[str]
) -> None:
    docker = Docker.connect()
    try:
        builder.build(wanted, docker)
    finally:
        subprocess.run(("docker", "image", "rm", wanted.tags[0]), check=False, capture_output=True)
    assert bool(tags(registry, wanted)) is layers.writes(docker)
    assert ("no layer cache is written" in capsys.readouterr().out) is not layers.writes(docker)
