"""How old things are, read from a repository in memory; on real registries: tests/engines/test_cleanup.py."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Optional

import msgspec
import pytest

from noxlib.engines.registry import IMAGES, Manifest, Registry, sha256
from noxlib.engines.versions import RegistryStore, Stored
from noxlib.testground import retention
from noxlib.testground.retention_rules import DAY, Rules
from noxlib.testground.survey import survey


class Kept(Registry):
    """Manifests by tag, configurations by digest."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:9/owner/demo", None)
        self.kept: dict[str, Manifest] = {}
        self.blobs: dict[str, dict[str, Any]] = {}

    def add(self, configuration: dict[str, Any], *tags: str) -> None:
        digest = sha256(json.dumps(configuration).encode())
        self.blobs[digest] = configuration
        body = json.dumps({"config": {"digest": digest}, "layers": []}).encode()
        self.kept.update(dict.fromkeys(tags, Manifest(IMAGES[0], body, sha256(body))))

    def tags(self) -> tuple[str, ...]:
        return tuple(self.kept)

    def manifest(self, reference: str) -> Optional[Manifest]:
        known = {**self.kept, **{one.digest: one for one in self.kept.values()}}
        return known.get(reference)

    def digest(self, reference: str) -> Optional[str]:
        found = self.manifest(reference)
        return found.digest if found else None

    def configuration(self, digest: str) -> dict[str, Any]:
        return self.blobs[digest]


def seconds(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp()


def cache(*days: str) -> dict[str, Any]:
    """What BuildKit writes as the configuration of a layer cache: a time for each step with a layer, none for all."""
    steps = [
        {"layers": [{"layer": 0, "createdAt": f"{day}T00:00:00.123456789Z"}], "digest": "sha256:0"} for day in days
    ]
    return {"layers": [{"blob": "sha256:1", "parent": -1}], "records": [{"digest": "sha256:2"}, *steps]}


@pytest.mark.parametrize(
    ("configuration", "day"),
    [
        ({"created": "2026-03-01T00:00:00Z"}, "2026-03-01"),
        (cache("2026-01-02", "2026-02-03", "2025-12-31"), "2026-02-03"),
        (cache("0001-01-01", "2026-01-02"), "2026-01-02"),
        (cache("0001-01-01"), None),
        (cache(), None),
        ({"records": "none", "created": 7}, None),
        ({"records": [None, {"layers": {}}, {"layers": [1, {"createdAt": []}]}]}, None),
        ({"created": "1970-01-01T00:00:00Z"}, None),
    ],
)
def test_an_image_is_as_old_as_it_says_and_a_layer_cache_as_its_youngest_step(
    configuration: dict[str, Any], day: Optional[str]
) -> None:
    registry = Kept()
    registry.add(configuration, "buildcache-py3.10")
    (version,) = survey(RegistryStore(registry), lambda _: {})
    assert version.used == (seconds(day) if day else None)


COMMIT, OTHER = "c" * 40, "d" * 40
NOW = seconds("2026-03-10")


@pytest.mark.parametrize(
    ("times", "knows_all", "action", "asked"),
    [
        ({}, False, "keep", 1),  # it may have been published yesterday
        ({}, True, "delete", 1),  # on no branch any more
        ({OTHER: int(seconds("2026-01-01"))}, False, "keep", 1),
        ({COMMIT: int(seconds("2026-03-08")), OTHER: int(seconds("2026-01-01"))}, False, "keep", 0),
        ({COMMIT: int(seconds("2026-01-02")), OTHER: int(seconds("2026-01-01"))}, False, "delete", 0),
    ],
)
def test_content_that_was_published_again_for_a_commit_that_is_not_known_here_is_kept(
    times: dict[str, int], *, knows_all: bool, action: str, asked: int
) -> None:
    registry = Kept()
    registry.add({"created": "2026-01-01T00:00:00Z"}, f"py3.10-{OTHER}", f"py3.10-{COMMIT}", "py3.10-feat-a")
    questions = iter([knows_all])
    versions = survey(RegistryStore(registry), lambda _: times, lambda: next(questions))
    (decision,) = retention.decide(versions, Rules(keep_last=0), NOW)
    assert (decision.action, len(list(questions))) == (action, 1 - asked)
    if asked and action == "keep":
        assert f"published for {COMMIT[:12]}" in decision.reason


def test_where_the_store_says_when_it_was_published_nobody_has_to_know_the_commit() -> None:
    class Dated(RegistryStore):
        def listed(self) -> tuple[Stored, ...]:
            return tuple(msgspec.structs.replace(one, used=NOW - 40 * DAY) for one in super().listed())

    registry = Kept()
    registry.add({}, f"py3.10-{COMMIT}")
    versions = survey(Dated(registry), lambda _: {}, lambda: pytest.fail("git was asked"))
    (decision,) = retention.decide(versions, Rules(keep_last=0), NOW)
    assert decision.action == "delete"
