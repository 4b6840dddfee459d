"""Stacks of services that an engine would start and never have ready are refused before they are started."""

from __future__ import annotations

from typing import Any

import pytest

from noxlib.errors import PlaceError
from noxlib.places import box, foreign
from noxlib.places.stack import Stack

ASKED = {"image": "redis", "healthcheck": {"test": ["CMD", "redis-cli", "ping"]}}
MOUNTS = {"image": "postgres", "volumes": [{"type": "bind", "source": "/co/init.sql", "target": "/init.sql"}]}
VOLUME = {"image": "postgres", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]}


def refuse(kind: str, service: dict[str, Any], *, sees_files: bool) -> None:
    stack = Stack("compose.yml", "test-runner", {"plain": {"image": "x"}, "db": service}, box.ALONE)
    foreign.refuse(stack, kind, "tcp://build-7:2376", sees_files=sees_files)


def test_podman_is_refused_where_a_service_is_asked_for_its_health() -> None:
    with pytest.raises(PlaceError, match=r"podman does not ask db of compose\.yml for health") as caught:
        refuse("podman", ASKED, sees_files=True)
    assert "DOCKER_HOST" in caught.value.todo
    refuse("podman", {**ASKED, "healthcheck": {"disable": True}}, sees_files=True)
    refuse("docker", ASKED, sees_files=False)


def test_files_of_this_machine_are_no_services_of_an_engine_elsewhere() -> None:
    with pytest.raises(PlaceError, match=r"db of compose\.yml mounts files .* tcp://build-7:2376 does not see") as told:
        refuse("docker", MOUNTS, sees_files=False)
    assert "configs:" in told.value.todo
    refuse("docker", MOUNTS, sees_files=True)
    refuse("docker", VOLUME, sees_files=False)
