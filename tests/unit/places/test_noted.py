"""Containers of our own are written down before they exist, and gone afterwards, whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from noxlib.engines.endpoint import Endpoint
from noxlib.errors import EngineError
from noxlib.ledger import Ledger
from noxlib.owner import identity
from noxlib.places import box, noted

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.engines.docker import Docker


class Engine:
    """Notes what it is asked, and what the ledger knew at that moment."""

    endpoint = Endpoint("unix:///x", "test")

    def __init__(self, ledger: Ledger, *, full: bool = False) -> None:
        self.ledger = ledger
        self.full = full
        self.bodies: dict[str, Any] = {}

    def create(self, name: str, body: dict[str, Any]) -> str:
        assert [entry.name for entry in self.ledger.entries()] == [name]
        if self.full:
            raise EngineError("the disk is full", "free space")
        self.bodies[name] = body
        return name

    def remove(self, name: str) -> bool:
        return self.bodies.pop(name, None) is not None


def test_a_container_is_noted_labelled_and_gone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    engine = Engine(ledger)
    with noted.untouched(cast("Docker", engine), ledger, "look", "image") as name:
        labels = engine.bodies[name]["Labels"]
        assert name.startswith("noxlib-look-")
        assert labels[f"{box.LABEL}pid"] == str(identity().pid)
    assert engine.bodies == {}
    assert ledger.entries() == ()


def test_the_bodys_own_labels_win(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    engine = Engine(ledger)
    body = {"Labels": {f"{box.LABEL}run": "r1"}}
    with noted.container(cast("Docker", engine), ledger, "holder", body) as name:
        assert engine.bodies[name]["Labels"][f"{box.LABEL}run"] == "r1"


def test_nothing_is_left_of_one_that_could_not_be_made_or_used(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with (
        pytest.raises(EngineError, match="full"),
        noted.untouched(cast("Docker", Engine(ledger, full=True)), ledger, "look", "image"),
    ):
        pass
    engine = Engine(ledger)
    with pytest.raises(KeyboardInterrupt), noted.untouched(cast("Docker", engine), ledger, "look", "image"):
        raise KeyboardInterrupt
    assert (ledger.entries(), engine.bodies) == ((), {})
