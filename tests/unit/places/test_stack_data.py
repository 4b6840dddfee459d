"""Filling a stack: in order, told, kept; and what hinders the keeping hinders no test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noxlib.cache import Cache
from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import EngineError, PlaceError
from noxlib.places import box, stack_data, stack_postgres
from noxlib.places.host import Command, Exit
from noxlib.places.stack import Stack
from noxlib.places.stack_data import Data, Step
from noxlib.places.stack_postgres import Postgres
from noxlib.plan import Limits

KEY = "postgres-1"
IMAGE = ImageInfo("sha256:1", (), (), {}, {}, 0, "linux/amd64")
STACK = Stack("f", "runner", {"db": {"image": "postgres:15"}}, box.ALONE, secrets=("hunter22",))
DATABASE, ENDED = Postgres("db"), Exit(0)
STEPS = (Step("migration", "alembic -c 'my ini' upgrade"), Step("seed", "fill"))


class Engine:
    """An engine whose commands in containers end as it is told."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    def execute(self, container: str, argv: Any) -> tuple[int, bytes]:
        return self.code, b"first\nFATAL: hunter22 is refused\n" if self.code else b""

    def get_archive(self, container: str, path: str) -> Any:
        return iter((b"data", b"more"))

    def put_archive(self, container: str, folder: str, tar: Any) -> None:
        assert tar.read()

    def image(self, reference: str) -> ImageInfo:
        return IMAGE


def services(folder: Path, engine: Engine) -> Any:
    (folder / "logs").mkdir(exist_ok=True)
    compose = SimpleNamespace(containers=lambda: {"db": {"Id": "1"}})
    return SimpleNamespace(docker=engine, compose=compose, logs=folder / "logs", stack=STACK)


def data(folder: Path, steps: tuple[Step, ...] = STEPS, postgres: Postgres | None = DATABASE) -> Data:
    return Data(steps, postgres, Cache(folder / "cache"), lambda _: KEY)


def fill(made: Data, folder: Path, engine: Engine | None = None, ended: Exit = ENDED) -> list[Command]:
    commands: list[Command] = []

    def run(command: Command) -> Exit:
        assert command.log is not None
        command.log.write_text("\n".join(map(str, range(20))) + "\n")
        commands.append(command)
        return ended

    made.fill(services(folder, engine or Engine()), run, Limits(timeout=7))
    return commands


def test_the_steps_are_carried_out_in_order_and_their_result_is_kept(tmp_path: Path) -> None:
    made = data(tmp_path)
    commands = fill(made, tmp_path)
    assert [command.argv for command in commands] == [("alembic", "-c", "my ini", "upgrade"), ("fill",)]
    assert [command.log and command.log.name for command in commands] == ["migrate.log", "seed.log"]
    assert all(command.limits.timeout == 7 and not command.echo for command in commands)
    kept = made.cache.get(KEY)
    assert kept is not None
    assert (kept / stack_data.FILE).read_bytes() == b"datamore"


def test_a_stack_begins_with_what_is_kept_and_nothing_is_carried_out(tmp_path: Path, capsys: Any) -> None:
    fill(data(tmp_path), tmp_path)
    again = data(tmp_path)
    found = again.added(STACK, Engine(), "fp")  # type: ignore[arg-type]
    assert found.services == STACK.services
    assert found.additions["db"]["volumes"][0]["source"].endswith("/data.tar")
    assert fill(again, tmp_path) == []
    assert "db has the data of an earlier run, nothing changed since" in capsys.readouterr().out


def test_what_is_damaged_is_made_anew(tmp_path: Path) -> None:
    first = data(tmp_path)
    fill(first, tmp_path)
    kept = first.cache.get(KEY)
    assert kept is not None
    (kept / stack_data.FILE).write_bytes(b"datamorX")
    first.cache.release(KEY)
    again = data(tmp_path)
    assert again.added(STACK, Engine(), "fp") is STACK  # type: ignore[arg-type]
    assert len(fill(again, tmp_path)) == 2


def test_a_failed_command_is_told_by_its_last_lines(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(PlaceError) as caught:
        fill(data(tmp_path), tmp_path, ended=Exit(3))
    assert caught.value.what == "the migration `alembic -c 'my ini' upgrade` ended with 3"
    assert caught.value.cause == "migration"
    assert "logs/migrate.log" in caught.value.todo
    assert [line for line in capsys.readouterr().out.splitlines() if " | " in line] == [
        f"  migration | {number}" for number in range(10, 20)
    ]
    assert data(tmp_path).cache.get(KEY) is None


def test_a_command_that_was_stopped_is_told_by_its_cause(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="ended by timeout"):
        fill(data(tmp_path), tmp_path, ended=Exit(137, "timeout"))


def test_a_sql_file_that_fails_is_told_without_secrets(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.sql").write_text("SELECT 1")
    steps = (Step("seed", "a.sql", tmp_path / "a.sql"),)
    fill(data(tmp_path, steps), tmp_path)
    with pytest.raises(PlaceError, match=r"the seed `a\.sql` ended with 3"):
        fill(data(tmp_path, steps), tmp_path, Engine(3))
    assert "  seed | FATAL: *** is refused" in capsys.readouterr().out
    assert "hunter22" not in (tmp_path / "logs" / "seed.log").read_text()
    with pytest.raises(PlaceError, match="has no PostgreSQL, or several, for a"):
        fill(data(tmp_path, steps, None), tmp_path)


def test_what_cannot_be_kept_hinders_no_test(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(data(tmp_path), tmp_path, Engine(1))
    assert "not kept for the next run: FATAL: *** is refused" in capsys.readouterr().out
    assert data(tmp_path).cache.get(KEY) is None

    def lost(*_: Any) -> None:
        raise EngineError("the engine stopped", "start it", cause="lost")

    monkeypatch.setattr(stack_postgres, "save", lost)
    with pytest.raises(EngineError):
        fill(data(tmp_path), tmp_path)
