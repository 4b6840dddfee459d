"""What is asked for by hand: one thing at a time, and what it lacks is told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from noxlib.engines import compose
from noxlib.engines.docker import Docker
from noxlib.errors import UsageError
from noxlib.ledger import Ledger
from noxlib.places.kept import Kept
from noxlib.sessions import compose_hand, compose_integration, compose_stack
from noxlib.sessions.context import Context


def context(root: Path, *words: str) -> Context:
    return Context("compose_integration-3.10", "compose_integration", "Run.", "3.10", root, words)


def test_two_things_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--up and --down at once"):
        compose_integration.run(context(tmp_path, "--up", "--down"))


def test_what_is_up_goes_from_the_engine_that_has_it_though_none_answers_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\nversion = '1'\nrequires-python = '>=3.10'\n")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    there = SimpleNamespace(containers=lambda _: [{}, {}])
    monkeypatch.setattr(Docker, "connect_to", {"unix:///there": there}.get)
    removed: list[object] = []
    monkeypatch.setattr(compose, "remove", lambda *found: removed.append(found))
    kept = Kept(Ledger(), tmp_path, "compose_integration-3.10", 8)
    kept.note({"endpoint": "unix:///there"}, {})
    compose_integration.run(context(tmp_path, "--down"))
    assert removed == [(there, kept.project)]
    assert kept.entry is None
    assert "2 services removed" in capsys.readouterr().out


def test_what_another_run_has_up_keeps_its_files_where_it_is_to_be_brought_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\nversion = '1'\nrequires-python = '>=3.10'\n")
    (tmp_path / "docker-compose.test.yml").write_text("services: {}\n")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    engine = SimpleNamespace(kind="docker", version="26.1.5", endpoint="unix:///there")
    monkeypatch.setattr(compose_stack, "engine", lambda: engine)
    override = tmp_path / ".noxlib" / "compose" / "compose_integration-3.10" / "override.yml"
    override.parent.mkdir(parents=True)
    override.touch()
    other = Kept(Ledger(), tmp_path, "compose_integration-3.10", 8)
    assert other.take()
    with pytest.raises(UsageError, match="another run has the services that stay up"):
        compose_integration.run(context(tmp_path, "--up"))
    other.release()
    assert override.exists()
    assert "logs of what was started" not in capsys.readouterr().out


def test_logs_are_those_of_services_that_there_are() -> None:
    compose_hand.check_names("s", ("--follow", "db", "cache"), {"db": {}, "cache": {}})
    with pytest.raises(UsageError, match=r"there is no service 'cach'; did you mean cache\?") as raised:
        compose_hand.check_names("s", ("db", "cach"), {"db": {}, "cache": {}})
    assert raised.value.todo == "there are cache, db"


def test_to_watch_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(UsageError, match="watchfiles") as raised:
        next(compose_hand.changes(tmp_path, ()))
    assert "noxlib[watch]" in raised.value.todo


@pytest.mark.parametrize("words", [("--watch",), ("--watch", "--record", "mock-admin")])
def test_what_cannot_be_watched_takes_nothing_down(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\nversion = '1'\nrequires-python = '>=3.10'\n")
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    gone: list[object] = []
    monkeypatch.setattr(compose_hand, "down", lambda *found: gone.append(found))
    with pytest.raises(UsageError, match="--watch"):
        compose_integration.run(context(tmp_path, *words))
    assert gone == []
