"""How old things are, read from a repository in memory; on real registries: tests/engines/test_cleanup.py."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Optional

import pytest

from noxlib.engines.registry import IMAGES, Manifest, Registry, sha256
from noxlib.engines.versions import RegistryStore
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
    """What BuildKit writes as the configuration of a layer cache: a time for each layer, none for all."""
    layers = [{"blob": "sha256:0", "annotations": {"createdAt": f"{day}T00:00:00.123456789Z"}} for day in days]
    return {"layers": [*layers, {"blob": "sha256:1"}], "records": [{"digest": "sha256:2", "layers": [{"layer": 0}]}]}


@pytest.mark.parametrize(
    ("configuration", "day"),
    [
        ({"created": "2026-03-01T00:00:00Z"}, "2026-03-01"),
        (cache("2026-01-02", "2026-02-03", "2025-12-31"), "2026-02-03"),
        (cache("0001-01-01", "2026-01-02"), "2026-01-02"),
        (cache("0001-01-01"), None),
        (cache(), None),
        ({"layers": "none", "created": 7}, None),
        ({"layers": [None, {"annotations": []}, {"annotations": {"createdAt": []}}]}, None),
        ({"created": "1970-01-01T00:00:00Z"}, None),
    ],
)
def test_an_image_is_as_old_as_it_says_and_a_layer_cache_as_its_youngest_layer(
    configuration: dict[str, Any], day: Optional[str]
) -> None:
    registry = Kept()
    registry.add(configuration, "buildcache-py3.10")
    (version,) = survey(RegistryStore(registry), lambda _: {})
    assert version.used == (seconds(day) if day else None)
