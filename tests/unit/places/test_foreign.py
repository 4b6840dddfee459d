"""Stacks of services that an engine would start without their files are refused before they are started."""

from __future__ import annotations

from typing import Any

import pytest

from noxlib.errors import PlaceError
from noxlib.places import box, foreign
from noxlib.places.stack import Stack

MOUNTS = {"image": "postgres", "volumes": [{"type": "bind", "source": "/co/init.sql", "target": "/init.sql"}]}
VOLUME = {"image": "postgres", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]}


def refuse(service: dict[str, Any], *, sees_files: bool) -> None:
    stack = Stack("compose.yml", "test-runner", {"plain": {"image": "x"}, "db": service}, box.ALONE)
    foreign.refuse(stack, "tcp://build-7:2376", sees_files=sees_files)


def test_files_of_this_machine_are_no_services_of_an_engine_elsewhere() -> None:
    with pytest.raises(PlaceError, match=r"db of compose\.yml mounts files .* tcp://build-7:2376 does not see") as told:
        refuse(MOUNTS, sees_files=False)
    assert "configs:" in told.value.todo
    refuse(MOUNTS, sees_files=True)
    refuse(VOLUME, sees_files=False)
