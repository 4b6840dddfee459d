"""What a registry may do to a push or a pull: two lines each, and nothing half published bears a tag."""

from __future__ import annotations

import contextlib
import io
import random
import subprocess
import tarfile
import threading
import uuid
from typing import TYPE_CHECKING, Optional

import pytest

from noxlib.engines import images
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Registry
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError

from .between import Answer, Between, Cut, Short, nothing
from .conftest import wait_until
from .registries import PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.registry, pytest.mark.docker]

KNOWN = Credentials(USER, PASSWORD)
SIZE = 3_000_000


class Image:
    """An image of one layer that no registry has, and a repository for it behind a proxy."""

    def __init__(self, between: Between, docker: Docker) -> None:
        self.docker = docker
        self.name = f"{between.host}/tests/{uuid.uuid4().hex}"
        self.reference = f"{self.name}:x"
        self.registry = between.repository(self.name.partition("/")[2])
        subprocess.run(["docker", "import", "-", self.reference], input=noise(SIZE), check=True, capture_output=True)

    def push(self) -> None:
        images.push(self.reference, self.docker, KNOWN)

    def forget(self) -> None:
        names = [self.reference, *({f"{self.name}@{digest}"} if (digest := self.registry.digest("x")) else ())]
        subprocess.run(["docker", "image", "rm", "--force", *names], check=False, capture_output=True)


def noise(size: int) -> bytes:
    """A tar that no compression makes smaller."""
    member, data = tarfile.TarInfo("noise"), random.randbytes(size)
    member.size = size
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def between(registry_server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    monkeypatch.setattr(images, "WAITS", (0.0, 0.0))
    with Between(registry_server) as between:
        yield between


@pytest.fixture
def image(between: Between) -> Iterator[Image]:
    docker = Docker.connect()
    image = Image(between, docker)
    yield image
    image.forget()
    docker.close()


def refused(image: Image, registry: RegistryServer) -> EngineError:
    """The failure of a push: two lines, and nothing bears a tag."""
    with pytest.raises(EngineError) as caught:
        image.push()
    assert len(str(caught.value).splitlines()) == 2
    assert PASSWORD not in str(caught.value)
    assert registry.repository(image.registry.name).tags() == ()
    return caught.value


@pytest.mark.parametrize(
    ("code", "tries", "cause"),
    [
        (401, 1, "credentials"),
        (403, 1, "credentials"),
        (404, 1, "registry"),
        (429, 3, "rate-limit"),
        (500, 3, "registry"),
        (503, 3, "registry"),
    ],
)
def test_what_is_refused_at_the_last_step_has_no_tag(
    between: Between, image: Image, registry_server: RegistryServer, code: int, tries: int, cause: str
) -> None:
    asked = []

    def spoil(method: str, path: str) -> Optional[Answer]:
        if method != "PUT" or "/manifests/" not in path:
            return None
        asked.append(path)
        return Answer(code, (("Retry-After", "1"),))

    between.spoil = spoil
    assert refused(image, registry_server).cause == cause
    assert len(asked) == tries
    assert sum(size > SIZE // 2 for _, size in between.blobs()) == 1  # the layer came, and came once


@pytest.mark.parametrize("code", [429, 502])
def test_what_is_refused_for_a_moment_is_published(between: Between, image: Image, code: int) -> None:
    answers = [Answer(code)]
    between.spoil = lambda method, path: (
        answers.pop() if method == "PUT" and "/manifests/" in path and answers else None
    )
    image.push()
    assert (answers, image.registry.tags()) == ([], ("x",))


@pytest.mark.parametrize(("code", "cause"), [(401, "credentials"), (403, "credentials"), (429, "rate-limit")])
def test_a_layer_that_is_refused_is_told_at_once(
    between: Between, image: Image, registry_server: RegistryServer, code: int, cause: str
) -> None:
    between.spoil = lambda _, path: Answer(code) if "/blobs/uploads/" in path else None
    assert refused(image, registry_server).cause == cause


@pytest.mark.nightly
@pytest.mark.parametrize("code", [404, 500])
def test_a_layer_that_fails_is_tried_for_a_minute_by_the_engine_and_no_longer(
    between: Between, image: Image, registry_server: RegistryServer, code: int
) -> None:
    asked = []

    def spoil(_method: str, path: str) -> Optional[Answer]:
        if "/blobs/uploads/" not in path:
            return None
        asked.append(path)
        return Answer(code)

    between.spoil = spoil
    assert refused(image, registry_server).cause == "registry"
    assert len(asked) == 5


def test_a_layer_that_is_cut_in_the_middle_is_sent_all_the_same(between: Between, image: Image) -> None:
    between.spoil = lambda method, path: (
        Cut(SIZE // 2) if method in ("PATCH", "PUT") and "/blobs/uploads/" in path and not between.cut else None
    )
    image.push()
    assert (between.cut, image.registry.tags()) == (1, ("x",))
    image.forget()
    images.pull(f"{image.name}@{image.registry.digest('x')}", image.docker, KNOWN)


def test_a_layer_that_is_cut_in_the_middle_is_pulled_all_the_same(between: Between, image: Image) -> None:
    image.push()
    digest = image.registry.digest("x")
    subprocess.run(["docker", "image", "rm", "--force", image.reference], check=True, capture_output=True)
    between.spoil = lambda method, path: (
        Short(SIZE // 2) if method == "GET" and "/blobs/" in path and not between.cut else None
    )
    images.pull(f"{image.name}@{digest}", image.docker, KNOWN)
    assert between.cut == 1
    found = image.docker.image(f"{image.name}@{digest}")
    assert found is not None
    assert found.size == SIZE


@pytest.mark.parametrize("code", [401, 403, 429])
def test_what_cannot_be_pulled_is_two_lines(between: Between, image: Image, code: int) -> None:
    image.push()
    digest = image.registry.digest("x")
    subprocess.run(["docker", "image", "rm", "--force", image.reference], check=True, capture_output=True)
    between.spoil = lambda method, _: Answer(code) if method in ("GET", "HEAD") else None
    with pytest.raises(EngineError) as caught:
        images.pull(f"{image.name}@{digest}", image.docker, KNOWN)
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.cause == ("rate-limit" if code == 429 else "credentials")


def test_a_connection_that_is_cut_each_time_leaves_no_tag_and_the_next_push_goes_on(
    between: Between, image: Image, registry_server: RegistryServer
) -> None:
    """At the manifest, which an engine sends once."""
    between.spoil = lambda method, path: Cut(1) if method == "PUT" and "/manifests/" in path else None
    assert refused(image, registry_server).cause == "registry"
    between.blobs()
    between.spoil = nothing
    image.push()
    assert between.blobs() == []
    assert image.registry.tags() == ("x",)


def test_a_registry_that_hangs_is_given_up_as_a_whole_and_asked_again_where_there_is_time(between: Between) -> None:
    """A hanging answer uses up what all attempts together have; one that breaks off does not."""
    path, woken = f"{between.host}/tests/{uuid.uuid4().hex}", threading.Event()
    asked = []

    def hang(_method: str, _path: str) -> None:
        asked.append(_path)
        woken.wait(60)

    between.spoil = hang
    with pytest.raises(EngineError, match="no answer in time"):
        Registry(path, KNOWN, patience=0.5).tags()
    wait_until(lambda: asked, "the question")
    assert len(asked) == 1
    woken.set()
    breaks = [Cut(0), Cut(0)]
    between.spoil = lambda method, _: breaks.pop() if method == "POST" and breaks else None
    Registry(path, KNOWN).ask("POST", "blobs/uploads/", body=b"x", write=True)
    assert breaks == []


@pytest.fixture
def small_disk(disk: Callable[[str, int], Path]) -> Path:
    """A file system of 20 MiB."""
    return disk("disk", 20 * 1024)


def test_a_registry_whose_disk_is_full_has_no_tag_and_takes_it_when_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills between the layer and the manifest: what fails before, an engine tries for a minute."""
    monkeypatch.setattr(images, "WAITS", ())
    docker, server = Docker.connect(), RegistryServer(small_disk / "registry").start()
    filler = small_disk / "filler"

    def fill(method: str, path: str) -> None:
        if method == "PUT" and "/manifests/" in path:
            with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
                while True:
                    stream.write(bytes(4096))

    try:
        with Between(server) as between:
            image = Image(between, docker)
            between.spoil = fill
            refused(image, server)
            between.spoil = nothing
            filler.unlink()
            image.push()
            assert image.registry.tags() == ("x",)
            image.forget()
    finally:
        server.kill()
        docker.close()
