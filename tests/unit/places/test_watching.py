"""vmtest as it is watched: a guest that is faster than the looks at it is met all the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest

from noxlib.engines.qemu import Files
from noxlib.places import watching
from noxlib.places.host import Command
from noxlib.places.share import Share

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from noxlib.engines.qmp import Qmp


class Process:
    """vmtest, which has ended."""

    def __init__(self, share: Path, *, came: bool) -> None:
        self.share = share
        self.came = came

    def poll(self) -> int:
        if self.came:
            (self.share / "machine").touch()
        return 0


def watched(folder: Path, *, came: bool) -> watching.Watched:
    """A run whose process has ended before the first look; ``came``: its guest was there meanwhile."""
    made = watching.Watched(Share(folder), Files(folder, folder), Command(("true",)))
    made._process = cast("subprocess.Popen[bytes]", Process(folder, came=came))
    return made


def test_a_guest_that_came_and_went_between_two_looks_was_there(tmp_path: Path) -> None:
    watched(tmp_path, came=True).await_guest(time.monotonic() - 1)
    (tmp_path / "machine").unlink()
    with pytest.raises(watching.NotUp, match="vmtest said nothing"):
        watched(tmp_path, came=False).await_guest(time.monotonic() - 1)


def test_qemu_is_heard_though_the_guest_was_there_before_the_first_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = cast("Qmp", object())
    monkeypatch.setattr(watching, "Qmp", lambda *_: monitor)
    (tmp_path / "qmp").touch()
    (tmp_path / "machine").touch()
    found = watched(tmp_path, came=True)
    found.await_guest(time.monotonic() + 1)
    assert found._monitor is monitor
