"""Which PostgreSQL of a stack is meant, and how it is made to begin with data that were saved."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from noxlib.engines.imageinfo import ImageInfo
from noxlib.places import box, stack_postgres
from noxlib.places.stack import Stack
from noxlib.places.stack_postgres import Postgres

DATABASE: dict[str, Any] = {"image": "postgres:15"}
IMAGE = ImageInfo("sha256:1", (), (), {}, {}, 0, "linux/amd64", entrypoint=("entry.sh",), command=("postgres",))


def stack(services: dict[str, Any], url: str = "") -> Stack:
    return Stack("f", "runner", services, box.Attachment(environment={"DATABASE_URL": url}))


@pytest.mark.parametrize(
    ("services", "url", "expected"),
    [
        ({"db": DATABASE, "cache": {"image": "redis:7"}}, "", Postgres("db")),
        (
            {"db": DATABASE, "other": DATABASE},
            "postgresql+asyncpg://u:p@other:5432/shop?x=1",
            Postgres("other", "shop"),
        ),
        ({"db": DATABASE, "other": DATABASE}, "postgresql://elsewhere/shop", None),
        ({"db": DATABASE}, "postgresql://u:p[s@db/shop", Postgres("db")),
        ({"db": {"image": "ghcr.io/me/postgis:15@sha256:1"}}, "postgresql://elsewhere/shop", Postgres("db")),
        ({"exporter": {"image": "postgres_exporter"}, "built": {"build": {}}}, "", None),
    ],
)
def test_the_postgresql_is_the_one_of_database_url_or_the_only_one(
    services: dict[str, Any], url: str, expected: Postgres | None
) -> None:
    assert stack_postgres.find(stack(services, url)) == expected


@pytest.mark.parametrize(
    ("service", "entrypoint", "command"),
    [
        ({}, ["entry.sh"], ["postgres"]),
        ({"command": ["-c", "fsync=off"]}, ["entry.sh"], ["-c", "fsync=off"]),
        ({"entrypoint": ["mine"]}, ["mine"], []),
        ({"entrypoint": ["mine"], "command": ["x"]}, ["mine"], ["x"]),
    ],
)
def test_a_service_runs_what_it_would_have_run(service: Any, entrypoint: list[str], command: list[str]) -> None:
    found = stack_postgres.laid_down(service, IMAGE, Path("/kept/data.tar"))
    assert found["entrypoint"][:4] == ["/bin/sh", "-c", stack_postgres.LAY_DOWN, "noxlib"]
    assert found["entrypoint"][4:] == entrypoint
    assert found["command"] == command
    (bind,) = found["volumes"]
    assert (bind["source"], bind["read_only"]) == ("/kept/data.tar", True)


@pytest.mark.parametrize("there", [False, True])
def test_saved_data_are_laid_down_where_there_are_none(tmp_path: Path, there: bool) -> None:
    saved, data = tmp_path / "saved.tar", tmp_path / "has space" / "data"
    (tmp_path / "noxlib-data").mkdir()
    (tmp_path / "noxlib-data" / "PG_VERSION").write_text("15\n")
    with tarfile.open(saved, "w") as tar:
        tar.add(tmp_path / "noxlib-data", "noxlib-data")
    if there:
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("own\n")
    script = stack_postgres.LAY_DOWN.replace(stack_postgres.SAVED, str(saved))
    done = subprocess.run(
        ["/bin/sh", "-c", script, "noxlib", "echo", "two  words"],
        env={"PGDATA": str(data), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "two  words\n"
    assert (data / "PG_VERSION").read_text() == ("own\n" if there else "15\n")
    assert data.stat().st_mode & 0o777 == 0o700


def test_mounted_paths_and_the_last_line() -> None:
    volumes = [{"type": "bind", "source": "/a/../init"}, {"type": "volume", "source": "data"}, {"type": "tmpfs"}]
    assert list(stack_postgres.binds({"volumes": volumes})) == ["/init"]
    assert stack_postgres.last_line(b"one\ntwo \n\n") == "two"
    assert stack_postgres.last_line(b"") == "it printed nothing"
