"""The stack that stays up: one for each checkout and session, one run's at a time, made anew where it differs."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from noxlib.ledger import Ledger, reap
from noxlib.places import box, kept
from noxlib.places.kept import Kept
from noxlib.places.stack import Stack

SESSION = "compose_integration-3.10"


def stack(**services: Any) -> Stack:
    return Stack("f", "runner", services, box.Attachment(environment={"URL": "http://web:80", "TOKEN": "a'b"}))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state")


def test_checkouts_and_sessions_have_stacks_of_their_own(tmp_path: Path) -> None:
    places = [(tmp_path / name, session) for name in ("a", "b") for session in (SESSION, "compose_integration-3.11")]
    names = [kept.project_name(root, session) for root, session in places]
    assert len(set(names)) == 4
    assert names == [kept.project_name(root, session) for root, session in places]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for name in names)


def test_one_run_has_it_at_a_time(ledger: Ledger, tmp_path: Path) -> None:
    first, second = (Kept(ledger, tmp_path, SESSION, 8) for _ in range(2))
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_what_a_dead_run_left_is_removed_unless_a_run_has_the_stack_and_by_one_at_a_time(
    ledger: Ledger, tmp_path: Path
) -> None:
    one = Kept(ledger, tmp_path, SESSION, 8)
    assert one.take()
    with kept.removal(ledger, one.project) as ours:
        assert not ours
    one.release()
    second: list[bool] = []

    def remove() -> None:
        with kept.removal(ledger, one.project) as ours:
            second.append(ours)

    with kept.removal(ledger, one.project) as ours:
        assert ours
        assert not one.take()
        other = threading.Thread(target=remove)
        other.start()
        other.join(0.3)
        assert second == []
    other.join()
    assert second == [True]
    with kept.removal(ledger, "a-runs-alone") as ours:
        assert ours


def test_it_is_known_until_its_time_has_come_and_then_removed_by_the_next_start(ledger: Ledger, tmp_path: Path) -> None:
    one = Kept(ledger, tmp_path, SESSION, 8)
    assert kept.everything(ledger) == ()
    one.note({"endpoint": "e"}, {"a": "1"})
    one.note({"endpoint": "e"}, {"a": "2"})
    (entry,) = kept.everything(ledger)
    assert one.entry == entry
    assert json.loads(entry.details["configuration"]) == {"a": "2"}
    assert entry.expires is not None
    assert 7.9 * 3600 < entry.expires - time.time() <= 8 * 3600
    assert f"{SESSION} in {tmp_path}, until " in kept.told(entry)
    assert reap(ledger, {"compose": lambda _: True}) == ()
    Kept(ledger, tmp_path, SESSION, -1).note({}, {})
    assert [reaped.outcome for reaped in reap(ledger, {"compose": lambda _: True})] == ["removed"]
    assert one.entry is None


def test_what_stays_up_for_days_is_told_with_the_day_of_its_end(ledger: Ledger, tmp_path: Path) -> None:
    Kept(ledger, tmp_path, SESSION, 100).note({}, {})
    (entry,) = kept.everything(ledger)
    assert time.strftime("until %Y-%m-%d %H:%M or", time.localtime(entry.expires)) in kept.told(entry)


def test_what_only_this_process_keeps_is_no_longer_known_once_it_is_forgotten(ledger: Ledger, tmp_path: Path) -> None:
    one = Kept(ledger, tmp_path, SESSION, 8, detached=False)
    one.note({}, {})
    assert one.entry is not None
    assert not one.entry.detached
    one.forget()
    assert ledger.entries() == ()


def test_a_difference_is_told_by_its_path_and_no_value_is_kept() -> None:
    before = kept.configuration(stack(db={"environment": {"PASSWORD": "hunter22"}, "ports": [1]}), {"db": "sha256:1"})
    now = kept.configuration(stack(db={"environment": {"PASSWORD": "other"}, "ports": [1]}), {"db": "sha256:2"})
    assert kept.differences(before, now) == ("image.db", "services.db.environment.PASSWORD")
    assert kept.differences(before, before) == ()
    assert kept.differences(before, {}) == tuple(sorted(before))
    assert "hunter22" not in json.dumps(before)


def test_a_shell_gets_the_runners_variables_with_the_ports_of_this_machine(ledger: Ledger, tmp_path: Path) -> None:
    one = Kept(ledger, tmp_path, SESSION, 8)
    lines = list(one.told(stack(web={}, inner={}), {"web": {80: ("127.0.0.1", 4080)}, "inner": {}}))
    assert lines[:2] == ["web is up at 127.0.0.1:4080 (its port 80)", "inner is up at no port of this machine"]
    assert "-- --down" in lines[-1]
    assert one.file.stat().st_mode & 0o777 == 0o600
    assert one.file.read_text().splitlines() == [
        "NOXLIB_SERVICE_WEB_HOST=127.0.0.1",
        "NOXLIB_SERVICE_WEB_PORT=4080",
        "NOXLIB_SERVICE_WEB_PORT_80=4080",
        "TOKEN='a'\"'\"'b'",
        "URL=http://127.0.0.1:4080",
    ]
