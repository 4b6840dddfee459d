"""A stack that stays up at another engine: it is found there, and none is forgotten while it is up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from noxlib.engines import compose
from noxlib.engines.docker import Docker
from noxlib.engines.endpoint import Endpoint
from noxlib.errors import EngineError
from noxlib.ledger import Ledger
from noxlib.places import kept, kept_elsewhere
from noxlib.places.kept import Kept

if TYPE_CHECKING:
    from noxlib.ledger import Entry

HERE, THERE = "unix:///here", "unix:///there"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state")


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was removed, by its engine and name."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(Docker, "connect_to", engine)
    monkeypatch.setattr(compose, "remove", lambda docker, project: found.append((docker.endpoint.url, project)))
    return found


def engine(url: str) -> Any:
    return SimpleNamespace(endpoint=Endpoint(url, "a test"))


def noted(ledger: Ledger, root: Path, url: str) -> Entry:
    Kept(ledger, root, "session", 8).note({"endpoint": url}, {})
    (entry,) = kept.everything(ledger)
    return entry


def test_it_is_looked_for_at_the_engine_that_has_it(ledger: Ledger, tmp_path: Path, removed: Any) -> None:
    here = engine(HERE)
    assert removed == []
    assert kept_elsewhere.engine_of(None, lambda: here) is here
    found = kept_elsewhere.engine_of(noted(ledger, tmp_path, THERE), lambda: pytest.fail("another engine was asked"))
    assert found.endpoint.url == THERE


def test_it_goes_where_it_is_before_it_is_made_anew_at_another_engine(
    ledger: Ledger, tmp_path: Path, removed: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    entry = noted(ledger, tmp_path, THERE)
    assert not kept_elsewhere.remove(ledger, entry, engine(THERE))
    assert removed == []
    assert kept_elsewhere.remove(ledger, entry, engine(HERE))
    assert removed == [(THERE, entry.name)]
    assert f"are at {THERE}, and are removed there" in capsys.readouterr().out


def test_where_that_engine_does_not_answer_a_later_start_removes_it(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(_: str) -> None:
        raise EngineError("no container engine answers", "start it")

    monkeypatch.setattr(Docker, "connect_to", silent)
    entry = noted(ledger, tmp_path, THERE)
    with pytest.raises(EngineError) as told:
        kept_elsewhere.engine_of(entry, lambda: engine(HERE))
    assert told.value.todo == "start it: the services that stay up are there"
    assert kept_elsewhere.remove(ledger, entry, engine(HERE))
    Kept(ledger, tmp_path, "session", 8).forget()  # as the run does that starts its own
    (left,) = ledger.orphans()
    assert (left.kind, left.name, left.details["endpoint"]) == (entry.kind, entry.name, THERE)
    assert "are left for `nox -s reap`: no container engine answers" in capsys.readouterr().out
