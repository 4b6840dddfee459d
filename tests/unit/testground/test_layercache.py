"""Who writes the layer cache: the default branch, and nobody else."""

from __future__ import annotations

import pytest

from noxlib.config.event import Event
from noxlib.engines.layers import Layers
from noxlib.testground import layercache, retention_rules

MAIN = Event("push", branch="main", default_branch="main", commit="c" * 40)


@pytest.mark.parametrize(
    ("event", "write"),
    [
        (MAIN, True),
        (Event("push", name="schedule", branch="trunk", default_branch="trunk"), True),
        (Event("push", branch="topic", default_branch="main"), False),
        (Event("push", branch="main", default_branch=None), False),
        (Event("push", branch=None, default_branch=None), False),
        (Event("tag", tag="v1.0", default_branch="main"), False),
        (Event("pull_request", branch="main", default_branch="main", number=3), False),
        (Event("pull_request", branch="main", default_branch="main", number=3, fork=True), False),
        (Event("other", name="merge_group", default_branch="main"), False),
    ],
)
def test_all_read_it_and_a_push_to_the_default_branch_writes_it(event: Event, write: bool) -> None:
    found = layercache.of("ghcr.io/o/a", "3.10", "linux/amd64", event)
    assert found == Layers("ghcr.io/o/a:buildcache-py3.10", write=write)


def test_outside_ci_there_is_none() -> None:
    assert layercache.of("ghcr.io/o/a", "3.10", "linux/amd64", Event()) is None


def test_each_platform_has_its_own_and_retention_knows_them() -> None:
    found = layercache.of("ghcr.io/o/a", "3.10", "linux/arm64", MAIN)
    assert found is not None
    assert found.reference == "ghcr.io/o/a:buildcache-py3.10-arm64"
    assert retention_rules.is_cache("buildcache-py3.10-arm64")
    assert retention_rules.is_cache("buildcache-py3.10")
