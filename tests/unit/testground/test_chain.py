"""What is nearest to a checkout, against a registry of a test's own that counts what it is asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Optional

import msgspec
import pytest

from noxlib.engines.registry import IMAGES, INDEXES, Manifest, Registry, sha256
from noxlib.testground import chain, names
from noxlib.testground.chain import Here

OWN, OTHER = "1" * 64, "2" * 64


class Kept(Registry):
    """A repository in memory: images that are nothing but a fingerprint, by tag."""

    def __init__(self, tags: dict[str, str]) -> None:
        super().__init__("127.0.0.1:9/owner/demo", None)
        self.kept = tags
        self.indexes: dict[str, Manifest] = {}
        self.asked: list[str] = []

    def _body(self, fingerprint: str) -> tuple[bytes, bytes]:
        config = json.dumps({"config": {"Labels": {"io.noxlib.fingerprint": fingerprint}}}).encode()
        return config, json.dumps({"config": {"digest": sha256(config)}}).encode()

    def digest(self, reference: str) -> Optional[str]:
        self.asked.append(reference)
        return sha256(self._body(self.kept[reference])[1]) if reference in self.kept else None

    def manifest(self, reference: str) -> Optional[Manifest]:
        self.asked.append(reference)
        if reference in self.indexes:
            return self.indexes[reference]
        bodies = {name: self._body(fingerprint)[1] for name, fingerprint in self.kept.items()}
        body = bodies.get(reference) or next((body for body in bodies.values() if sha256(body) == reference), None)
        return Manifest(IMAGES[0], body, sha256(body)) if body else None

    def configuration(self, digest: str) -> dict[str, object]:
        bodies = (self._body(fingerprint)[0] for fingerprint in self.kept.values())
        found: dict[str, object] = next(json.loads(body) for body in bodies if sha256(body) == digest)
        return found

    def tags(self) -> tuple[str, ...]:
        return (*self.kept, *self.indexes)


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository of five commits, and these, newest first."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run((*git, "init", "-q", "-b", "feat/a"), cwd=tmp_path, check=True)
    for number in range(5):
        subprocess.run((*git, "commit", "-qm", str(number), "--allow-empty"), cwd=tmp_path, check=True)
    output = subprocess.run(("git", "rev-list", "HEAD"), cwd=tmp_path, check=True, capture_output=True, text=True)
    return tmp_path, output.stdout.split()


def here(history: tuple[Path, list[str]], fingerprint: Optional[str] = OWN) -> Here:
    root, commits = history
    return Here(root, "3.10", fingerprint, "" if fingerprint else "no engine answers", commits[0], "feat/a")


def tag(identifier: str) -> str:
    return names.tag("3.10", identifier)


@pytest.mark.parametrize("first", range(4))
def test_the_nearest_that_is_published_is_found_and_what_was_not_is_told(
    history: tuple[Path, list[str]], first: int
) -> None:
    _, commits = history
    order = [names.fingerprint_tag("3.10", OWN), tag(commits[0]), tag(commits[3]), tag(names.branch("feat/a"))]
    said: list[str] = []
    found = chain.follow(Kept(dict.fromkeys(order[first:], OWN)), here(history), said.append)
    assert found is not None
    assert found.tag == order[first]
    assert len(said) == first + 1
    assert found.digest in said[-1]
    assert all("sha256:" not in line for line in said[:-1])


def test_an_ancestor_counts_with_the_same_fingerprint_only(history: tuple[Path, list[str]]) -> None:
    _, commits = history
    registry = Kept({tag(commits[1]): OTHER, tag(commits[2]): OWN, tag(commits[3]): OWN})
    found = chain.follow(registry, here(history), lambda _: None)
    assert found is not None
    assert found.tag == tag(commits[2])
    assert tag(commits[3]) not in registry.asked


def test_an_ancestor_of_several_platforms_counts_by_the_part_of_ours(history: tuple[Path, list[str]]) -> None:
    _, commits = history
    registry = Kept({"amd64": OTHER, "arm64": OWN})
    ours, theirs = registry.digest("arm64"), registry.digest("amd64")
    platforms = [
        {"digest": digest, "platform": {"os": "linux", "architecture": name}}
        for name, digest in (("amd64", theirs), ("arm64", ours))
    ]
    body = json.dumps({"manifests": platforms}).encode()
    registry.indexes[tag(commits[1])] = Manifest(INDEXES[0], body, sha256(body))
    for platform, expected in (("linux/arm64", tag(commits[1])), ("linux/amd64", None)):
        checkout = msgspec.structs.replace(here(history), platform=platform)
        found = chain.follow(registry, checkout, lambda _: None)
        assert (found.tag if found else None) == expected


def test_nothing_published_is_told_four_times_and_found_nowhere(history: tuple[Path, list[str]]) -> None:
    said: list[str] = []
    assert chain.follow(Kept({}), here(history), said.append) is None
    assert [line.split(":")[1].strip() for line in said] == [
        "this fingerprint",
        "this commit",
        "an ancestor with this fingerprint",
        "this branch",
    ]


def test_without_a_fingerprint_no_ancestor_is_taken_for_the_same(history: tuple[Path, list[str]]) -> None:
    _, commits = history
    said: list[str] = []
    assert chain.follow(Kept({tag(commits[1]): OWN}), here(history, None), said.append) is None
    assert "no engine answers" in said[0]


def test_without_git_there_is_the_fingerprint_alone(tmp_path: Path) -> None:
    registry = Kept({names.fingerprint_tag("3.10", OWN): OWN})
    found = chain.follow(registry, Here(tmp_path, "3.10", OWN), lambda _: None)
    assert found is not None
    assert chain.follow(Kept({"py3.10-main": OWN}), Here(tmp_path, "3.10", OWN), lambda _: None) is None
