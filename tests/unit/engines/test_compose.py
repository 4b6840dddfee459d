"""What compose and the engine say and leave: told in two lines, waited for, removed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from noxlib.engines import compose, process
from noxlib.engines.compose import complaint, refusal, remove, unfinished
from noxlib.errors import PlaceError

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


@pytest.mark.parametrize(
    ("said", "what", "cause"),
    [
        ("x\nError: Bind for 127.0.0.1:1 failed: port is already allocated\n", "a port of this machine", "port"),
        ("Error: listen tcp4 127.0.0.1:1: bind: address already in use", "a port of this machine", "port"),
        ("Error: Bind for 127.0.0.1:40000 failed: all ports are allocated", "no port of this machine is free", "port"),
        ("Error: write /x: no space left on device", "the engine's disk is full", "disk-full"),
        ("dd: writing: No space left on device\nfailed to solve", "the engine's disk is full", "disk-full"),
        ('Conflict. The container name "/a" is already in use by container "b"', "a fixed container_name", "compose"),
        (" a Pulling \n a Error no such host\nError: x", "the image of a cannot be pulled: no such host", "compose"),
        (" Container a-1  Error\nError: x", "the services could not be started: Error: x", "compose"),
        ("pulling\nno such image", "the services could not be started: no such image", "compose"),
        ("", "compose said nothing", "compose"),
    ],
)
def test_what_compose_says_becomes_two_lines(said: str, what: str, cause: str, tmp_path: Path) -> None:
    log = tmp_path / "compose.log"
    log.write_text(said)
    error = refusal(log)
    assert what in error.what
    assert (error.cause, bool(error.todo)) == (cause, True)


def test_what_compose_says_of_its_files_is_one_line_without_its_warnings() -> None:
    warning = 'time="2026-11-22T01:30:45Z" level=warning msg="The \\"A\\" variable is not set."\n'
    assert complaint(f"{warning}Circular reference:\n  a in f\n  extends a in f\n") == (
        "Circular reference: a in f extends a in f"
    )
    assert complaint(warning) == "compose said nothing"


def test_every_file_that_may_have_the_mistake_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "command", lambda: "docker")
    monkeypatch.setattr(process, "run", lambda *_, **__: process.Completed(1, "", "yaml: line 1: no node\n"))
    docker = cast("Docker", SimpleNamespace(command_environment=dict))
    for names, told in ((("a.yml",), "a.yml"), (("a.yml", "a.override.yml"), "a.yml with a.override.yml")):
        with pytest.raises(PlaceError) as caught:
            compose.Compose(docker, [tmp_path / name for name in names], "p").config()
        assert caught.value.what == f"{told}: yaml: line 1: no node"


def test_a_log_is_named_so_that_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "runs" / "compose.log"
    log.parent.mkdir()
    log.write_text("no such image\n")
    assert refusal(log).todo == f"see {log}"
    monkeypatch.chdir(tmp_path)
    assert refusal(log).todo == "see runs/compose.log"


def test_what_was_asked_for_and_not_confirmed_is_known_from_what_compose_said() -> None:
    log = """ Network p_default  Creating
 Volume "p_data"  Creating
 Network p_default  Created
 Container p-db-1  Creating
 Container p-db-1  Created
 Container p-db-1  Starting
 Container p-cache-1  Creating
Step 1/2 : FROM Creating
"""
    assert unfinished(log) == {"p_data", "p-cache-1"}


class Late:
    """An engine that makes a network only after it was asked twice what there is."""

    def __init__(self) -> None:
        self.asked = 0
        self.removed: list[str] = []

    def networks(self, _: object) -> tuple[dict[str, str], ...]:
        self.asked += 1
        there = self.asked > 2 and not self.removed
        return ({"Id": "n", "Name": "p_default"},) if there else ()

    def nothing(self, _: object) -> tuple[()]:
        return ()

    containers = volumes = images = nothing

    def remove_network(self, name: str) -> None:
        self.removed.append(name)


def test_what_an_engine_makes_late_is_waited_for_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "LATE_SECONDS", 600.0)  # for a machine that is busy
    engine = Late()
    remove(cast("Docker", engine), "p", {"p_default"})
    assert engine.removed == ["n"]
