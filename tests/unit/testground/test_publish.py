"""Who wins where several publish at once, against a repository in memory in which they meet as the test wants it."""

from __future__ import annotations

import hashlib
import itertools
import threading
from types import SimpleNamespace
from typing import Callable, Optional

import pytest

from noxlib.engines.registry import IMAGES, Manifest, Registry
from noxlib.errors import EngineError
from noxlib.testground import names, publish, publishing

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIRST = names.tag("3.10", COMMIT)
PUSH = publishing.Tags((COMMIT, "main"), "a push")


def image(mark: str) -> Manifest:
    body = mark.encode()
    return Manifest(IMAGES[0], body, f"sha256:{hashlib.sha256(body).hexdigest()}")


def release(identifier: str) -> publishing.Tags:
    return publishing.Tags((COMMIT, identifier), "a release", release=identifier)


class Memory(Registry):
    """Tags and manifests; ``given`` is called after each tag that is given."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:9/owner/demo", None)
        self.kept: dict[str, Manifest] = {}
        self.given: Callable[[str], None] = lambda _: None
        self.count = 0

    def digest(self, reference: str) -> Optional[str]:
        found = self.manifest(reference)
        return found.digest if found else None

    def manifest(self, reference: str) -> Optional[Manifest]:
        known = {**self.kept, **{one.digest: one for one in self.kept.values()}}
        return known.get(reference)

    def put(self, tag: str, manifest: Manifest) -> None:
        self.kept[tag] = manifest
        self.count += 1
        self.given(tag)

    def tags(self) -> tuple[str, ...]:
        return tuple(self.kept)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, none of them for real."""
    seconds: list[float] = []
    clock = itertools.count()
    monkeypatch.setattr(publish, "time", SimpleNamespace(monotonic=lambda: next(clock) / 10, sleep=seconds.append))
    return seconds


def test_what_is_there_is_taken_without_a_wait(waits: list[float]) -> None:
    registry = Memory()
    registry.kept[FIRST] = image("theirs")
    settled, tags = publish.settle(registry, "3.10", PUSH, image("ours"), patience=1.0)
    assert settled == image("theirs")
    assert {registry.digest(tag) for tag in tags} == {settled.digest}
    assert waits == []


def test_a_tag_that_was_absent_is_looked_at_again_after_a_while(waits: list[float]) -> None:
    for patience, waited in ((1.0, 1.0), (0.0, pytest.approx(0.2))):
        publish.settle(Memory(), "3.10", PUSH, image("ours"), patience=patience)
        assert waits.pop() == waited


@pytest.mark.parametrize("planned", [PUSH, release("v1.0")])
def test_two_who_both_found_nothing_agree(monkeypatch: pytest.MonkeyPatch, planned: publishing.Tags) -> None:
    registry = Memory()
    looked, gave = threading.Barrier(2), threading.Barrier(2)
    absent, digest = threading.local(), registry.digest

    def look(reference: str) -> Optional[str]:
        found = digest(reference)
        if reference == FIRST and not getattr(absent, "seen", False):
            absent.seen = True
            looked.wait(600)
        return found

    monkeypatch.setattr(registry, "digest", look)
    waiting = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: gave.wait(600))
    monkeypatch.setattr(publish, "time", waiting)
    settled: list[Manifest] = []

    def one(mark: str) -> None:
        settled.append(publish.settle(registry, "3.10", planned, image(mark))[0])

    threads = [threading.Thread(target=one, args=(mark,)) for mark in ("ours", "theirs")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(settled) == 2
    assert {found.digest for found in settled} == {found.digest for found in registry.kept.values()}
    assert len({found.digest for found in settled}) == 1


def test_a_release_of_another_digest_is_refused_before_anything_is_given() -> None:
    registry = Memory()
    registry.kept["py3.10-v1.0"] = image("theirs")
    with pytest.raises(EngineError) as caught:
        publish.settle(registry, "3.10", release("v1.0"), image("ours"))
    assert image("ours").digest in str(caught.value)
    assert image("theirs").digest in str(caught.value)
    assert registry.count == 0


def test_a_tag_that_does_not_stay_is_told(waits: list[float]) -> None:
    registry = Memory()
    registry.given = registry.kept.__delitem__
    with pytest.raises(EngineError, match="and is not there"):
        publish.settle(registry, "3.10", PUSH, image("ours"))
    assert len(waits) == publish.ROUNDS


def test_a_higher_release_that_comes_at_the_same_moment_is_latest(waits: list[float]) -> None:
    registry, latest = Memory(), "py3.10-latest"

    def higher_meanwhile(tag: str) -> None:
        if tag == latest:  # its own publisher has given latest a moment before us
            registry.given = lambda _: None
            registry.kept["py3.10-v1.10"] = image("higher")

    registry.given = higher_meanwhile
    _, tags = publish.settle(registry, "3.10", release("v1.9"), image("ours"))
    assert registry.kept[latest] == image("higher")
    assert latest not in tags
    assert waits


@pytest.mark.parametrize(("there", "ours"), [("v2.0", "v1.0"), ("v1.0.1", "v1.0.1rc1")])
def test_a_release_that_is_not_the_highest_leaves_latest_alone(there: str, ours: str, waits: list[float]) -> None:
    registry = Memory()
    registry.kept[f"py3.10-{there}"] = registry.kept["py3.10-latest"] = image("theirs")
    _, tags = publish.settle(registry, "3.10", release(ours), image("ours"))
    assert registry.kept["py3.10-latest"] == image("theirs")
    assert tags == (FIRST, f"py3.10-{ours}")
    assert waits
