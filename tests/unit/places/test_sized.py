"""A workspace of a limited size: what the engine does not remove stays written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from noxlib.engines.docker import Docker
from noxlib.errors import EngineError
from noxlib.ledger import Ledger
from noxlib.places.sized import Sized
from noxlib.places.volume import Volume


class Engine:
    """An engine that makes all, and removes what it is let."""

    endpoint = "unix:///nowhere"

    def __init__(self, *, removes: bool) -> None:
        self.removes = removes

    def create(self, *_: Any) -> None:
        pass

    create_volume = start = create

    def execute(self, *_: Any) -> tuple[int, bytes]:
        return 0, b""

    def volumes(self, _: Any) -> tuple[dict[str, str], ...]:
        return ({"Name": "box", "Mountpoint": "/there"},)

    def remove(self, _: str) -> None:
        if not self.removes:
            raise EngineError("the engine is busy", "")

    remove_volume = remove


def made(folder: Path, engine: Engine) -> Sized:
    checkout = folder / "checkout"
    checkout.mkdir()
    docker = cast("Docker", engine)
    volume = Volume(docker, "image", Ledger(folder), "box", owner=(1, 1), labels={}, checkout=checkout)
    sized = Sized(volume, 1 << 20)
    sized.create()
    return sized


def test_what_is_removed_is_struck_out(tmp_path: Path) -> None:
    made(tmp_path, Engine(removes=True)).close()
    assert Ledger(tmp_path).entries() == ()


def test_what_the_engine_does_not_remove_stays_in_the_ledger(tmp_path: Path) -> None:
    sized = made(tmp_path, Engine(removes=False))
    with pytest.raises(EngineError, match="busy"):
        sized.close()
    assert sorted(entry.kind for entry in Ledger(tmp_path).entries()) == ["container", "volume"]
