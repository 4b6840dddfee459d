"""The channel from the tests to their services: its words alone, for the stack's services alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from noxlib.errors import EngineError
from noxlib.inside.service_control import Services as Asking
from noxlib.places import service_channel
from noxlib.places.service_channel import Channel


class Engine:
    """An engine with one container, as far as the channel asks it."""

    endpoint = "unix:///nowhere"

    def __init__(self, failure: Optional[str] = None) -> None:
        self.state = {"Status": "running", "Running": True, "Paused": False, "ExitCode": 0}
        self.done: list[str] = []
        self.failure = failure

    def kill(self, _: str) -> None:
        if self.failure:
            raise EngineError(self.failure, "")
        self.done.append("kill")
        self.state |= {"Status": "exited", "Running": False, "ExitCode": 137}

    def pause(self, _: str) -> None:
        self.done.append("pause")
        self.state["Paused"] = True

    def resume(self, _: str) -> None:
        self.done.append("resume")
        self.state["Paused"] = False

    def start(self, _: str) -> None:
        self.done.append("start")
        self.state |= {"Status": "running", "Running": True, "ExitCode": 0}

    def wait(self, _: str, __: float) -> bool:
        return not self.state["Running"]

    def close(self) -> None:
        pass


class Project:
    """A compose project with the service ``cache``."""

    def __init__(self, engine: Engine, *_: object) -> None:
        self.engine = engine
        self.project = "project"

    def containers(self) -> dict[str, dict[str, Any]]:
        return {"cache": {"Id": "1", "State": self.engine.state}}


class Stack:
    """The stack of that project."""

    services = ("absent", "cache", "gone")


class Services:
    """The services as the channel is given them."""

    def __init__(self, engine: Engine) -> None:
        self.docker = engine
        self.compose = Project(engine)
        self.stack = Stack()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()
    monkeypatch.setattr(service_channel, "Docker", lambda _: found)
    return found


def test_services_are_killed_paused_and_all_right_again_after_the_test(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)  # longer than a socket's path may be
    folder.mkdir()
    with Channel(Services(engine), folder):  # type: ignore[arg-type]
        asking = Asking({}, str(folder), service_channel.NAME)
        asking.pause("cache")
        assert engine.state["Paused"]
        asking.resume("cache")
        asking.kill("cache")
        assert not engine.state["Running"]
        asking.pause("cache")
        asking.restore()
        assert engine.state == {"Status": "running", "Running": True, "Paused": False, "ExitCode": 0}
        asking.restart("cache")
    assert engine.done == ["pause", "resume", "kill", "pause", "resume", "start", "kill", "start"]
    assert list(folder.iterdir()) == []


def test_one_that_cannot_be_restored_hinders_no_other(engine: Engine, tmp_path: Path) -> None:
    with Channel(Services(engine), tmp_path):  # type: ignore[arg-type]
        asking = Asking({}, str(tmp_path), service_channel.NAME)
        asking.pause("cache")
        for service in ("absent", "gone"):
            with pytest.raises(OSError, match="no container"):
                asking.pause(service)
        with pytest.raises(OSError, match="absent has no container"):
            asking.restore()
    assert (engine.done, asking.touched) == (["pause", "resume"], set())


def test_what_there_is_not_is_refused(engine: Engine, tmp_path: Path) -> None:
    with Channel(Services(engine), tmp_path) as channel:  # type: ignore[arg-type]
        asking = Asking({}, str(tmp_path), service_channel.NAME)
        with pytest.raises(LookupError, match=r"no service 'cach'; did you mean cache\?"):
            asking.kill("cach")
        with pytest.raises(OSError, match="gone has no container"):
            asking.kill("gone")
        assert "not to 'remove'" in channel.answer(b'{"do": "remove", "service": "cache"}')["error"]
        for line in (b"", b"no JSON", b"[]", b"[" * 4096, b'{"do": "kill"}'):
            assert channel.answer(line) == {"error": "it is no request"}
    assert engine.done == []


def test_what_tests_put_in_the_sockets_place_ends_no_run(engine: Engine, tmp_path: Path) -> None:
    with Channel(Services(engine), tmp_path):  # type: ignore[arg-type]
        (tmp_path / service_channel.NAME).unlink()
        (tmp_path / service_channel.NAME).mkdir()


def test_what_the_engine_refuses_is_told(engine: Engine, tmp_path: Path) -> None:
    engine.failure = "the engine stopped"
    with (
        Channel(Services(engine), tmp_path),  # type: ignore[arg-type]
        pytest.raises(OSError, match="cache: the engine stopped"),
    ):
        Asking({}, str(tmp_path), service_channel.NAME).kill("cache")


def test_a_service_at_a_free_port_of_this_machine_is_not_started_anew(engine: Engine, tmp_path: Path) -> None:
    with Channel(Services(engine), tmp_path, restarts=False):  # type: ignore[arg-type]
        asking = Asking({}, str(tmp_path), service_channel.NAME)
        asking.pause("cache")
        asking.resume("cache")
        with pytest.raises(OSError, match="another port"):
            asking.restart("cache")
    assert engine.done == ["pause", "resume"]
