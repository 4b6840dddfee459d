"""The end of a stack of services: it is removed whatever becomes of its logs, and they go where they belong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import box, readiness
from noxlib.places.services import Services
from noxlib.places.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator


class Engine:
    """An engine that cannot read the log of one of its containers."""

    endpoint = "unix:///nowhere"
    kind = "docker"

    def containers(self) -> dict[str, dict[str, Any]]:
        state = {"Status": "exited", "ExitCode": 3}
        return {name: {"Id": name, "State": state} for name in ("mute", "db")}

    def logs(self, container: str, _: Any = None) -> Iterator[bytes]:
        if container == "mute":
            raise EngineError("configured logging driver does not support reading", "")
        return iter((b"it is hunter22\n",))


@pytest.fixture
def services(tmp_path: Path) -> Any:
    made = Services(
        Engine(),  # type: ignore[arg-type]
        Stack("f", "runner", {"mute": {}, "db": {}}, box.ALONE, secrets=("hunter22",)),
        files=(),
        project="project",
        run_id="run",
        labels={},
        folder=tmp_path / "run",
        ledger=Ledger(tmp_path / "ledger"),
        probe=lambda _: contextlib.nullcontext(frozenset),
    )
    removed: list[str] = []
    made.compose = SimpleNamespace(  # type: ignore[assignment]
        project="project", containers=Engine().containers, down=lambda: removed.append("project"), removed=removed
    )
    made.logs.mkdir(parents=True)
    return made


RUNNING = {"Status": "running"}
EXITED = {"Status": "exited", "ExitCode": 0}


def entered(services: Any, state: dict[str, Any], *, fresh: bool, filled: bool = True) -> list[str]:
    """What is done to services that are up already, in that state, when they are entered."""
    done: list[str] = []
    services.docker = SimpleNamespace(image=lambda _: None, endpoint=Engine.endpoint)
    configuration = json.dumps(services._configuration())
    entry = SimpleNamespace(details={"configuration": configuration, "endpoint": Engine.endpoint})
    services._kept = SimpleNamespace(entry=entry, forget=lambda: None, release=lambda: None)
    services.compose.containers = lambda: {name: {"Id": name, "State": state} for name in ("mute", "db")}
    services._start = lambda *, empty: done.append("empty" if empty else "start")
    services._preparations = (lambda _: done.append("fill"),) if filled else ()
    services._fresh = fresh
    services.__enter__()
    return done


def test_what_is_up_is_emptied_and_filled_for_a_run_and_by_hand_left_as_it_is(services: Any, capsys: Any) -> None:
    assert entered(services, RUNNING, fresh=True) == ["empty", "fill"]
    assert entered(services, RUNNING, fresh=False) == []
    assert "mute, db of f are up already" in capsys.readouterr().out


def test_by_hand_what_was_stopped_is_filled_again_or_where_nothing_fills_it_started(services: Any) -> None:
    assert entered(services, EXITED, fresh=False) == ["empty", "fill"]
    assert entered(services, EXITED, fresh=False, filled=False) == ["start"]


def test_a_log_that_cannot_be_read_hinders_neither_the_others_nor_the_removal(services: Any, capsys: Any) -> None:
    services.__exit__()
    assert (services.logs / "db.log").read_text() == "it is ***\n"
    assert services.compose.removed == ["project"]
    assert "no log of mute: configured logging driver" in capsys.readouterr().out


def test_a_log_is_not_written_where_tests_have_laid_a_link(services: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine\n")
    (services.logs / "db.log").symlink_to(tmp_path / "mine")
    services.__exit__()
    assert (tmp_path / "mine").read_text() == "mine\n"
    assert services.compose.removed == ["project"]


def test_no_log_is_written_to_a_folder_that_tests_have_put_in_the_place_of_ours(services: Any, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    services.logs.rmdir()
    services.logs.symlink_to(tmp_path / "theirs")
    services.__exit__()
    assert list((tmp_path / "theirs").iterdir()) == []
    assert services.compose.removed == ["project"]


def test_why_a_service_failed_is_told_where_it_has_no_log(services: Any, tmp_path: Path, capsys: Any) -> None:
    services.compose.docker = Engine()
    waiting = readiness.Waiting(services.compose, services.stack, frozenset, tmp_path / "compose.log")
    with pytest.raises(PlaceError, match="the service mute ended with 3"):
        waiting.follow(SimpleNamespace(poll=lambda: None))  # type: ignore[arg-type]
    assert "mute | no log of it: configured logging driver" in capsys.readouterr().out
