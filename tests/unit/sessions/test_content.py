"""What is built and what is sent when content is published, against an engine and a registry in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from noxlib.engines.registry import IMAGES, Manifest, sha256
from noxlib.sessions import container_ground, content
from noxlib.sessions.context import Context
from noxlib.testground import bases, image, lock, publish, recipe

FINGERPRINT = "0123456789abcdef" * 4
THERE = Manifest(IMAGES[0], b"{}", sha256(b"{}"))
BUILT: Any = SimpleNamespace(python="3.10", fingerprint=FINGERPRINT, reference="demo:py3.10-fp-0123456789abcdef")


class World:
    """One Python's content: what the registry and the engine have of it, and what was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.published: Optional[Manifest] = None
        self.here: Any = None
        self.done: list[str] = []
        self.dockerfile: Optional[str] = None
        monkeypatch.setattr(container_ground, "lock_of", self._lock)
        monkeypatch.setattr(lock, "find_or_make", self._lock_anew)
        monkeypatch.setattr(recipe, "of", lambda *_: None)
        monkeypatch.setattr(bases, "renew", lambda *_: self.done.append("bases anew"))
        monkeypatch.setattr(image, "find", lambda *_, **__: (FINGERPRINT, self.here))
        monkeypatch.setattr(image, "find_or_build", self._build)
        monkeypatch.setattr(publish, "upload", self._upload)

    def publish(self, *, rebuild: bool = False) -> content.Content:
        context = Context("testground_publish-3.10", "testground_publish", "Publish.", "3.10", Path(), ())
        registry: Any = SimpleNamespace(manifest={"py3.10-fp-0123456789abcdef": self.published}.get)
        anything: Any = SimpleNamespace(platform="linux/amd64", dockerfile=self.dockerfile)
        return content.publish_once(context, anything, registry, anything, None, rebuild=rebuild)

    def _lock(self, *_: object) -> None:
        self.done.append("lock")

    def _lock_anew(self, *_: object, upgrade: bool) -> None:
        assert upgrade
        self.done.append("lock anew")

    def _build(self, *_: object) -> Any:
        self.done.append("build")
        return BUILT

    def _upload(self, *_: object) -> tuple[Manifest, bool]:
        self.done.append("upload")
        return THERE, True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_content_that_is_published_is_not_built_anew_on_a_fresh_machine(world: World) -> None:
    world.published = THERE
    assert world.publish() == content.Content(THERE, None, sent=False)
    assert world.done == ["lock"]


def test_content_that_is_published_and_here_is_told_so_that_one_of_them_can_go(world: World) -> None:
    world.published, world.here = THERE, BUILT
    assert world.publish() == content.Content(THERE, BUILT, sent=False)
    assert world.done == ["lock"]


def test_content_that_nobody_published_is_built_and_sent(world: World) -> None:
    assert world.publish() == content.Content(THERE, BUILT, sent=True)
    assert world.done == ["lock", "build", "upload"]


def test_content_that_was_built_before_is_sent_as_it_is(world: World) -> None:
    world.here = BUILT
    assert world.publish() == content.Content(THERE, BUILT, sent=True)
    assert world.done == ["lock", "upload"]


def test_a_rebuild_is_locked_as_of_now_on_the_base_images_of_now(world: World) -> None:
    world.publish(rebuild=True)
    assert world.done == ["lock anew", "bases anew", "build", "upload"]


def test_a_rebuild_of_a_dockerfile_of_the_projects_own_has_no_lock_to_renew(world: World) -> None:
    world.dockerfile = "Dockerfile.test"
    world.publish(rebuild=True)
    assert world.done == ["lock", "bases anew", "build", "upload"]
