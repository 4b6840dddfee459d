"""``BUILDX_BUILDER``: what buildx says of it decides who builds. A real one: tests/engines/test_multiarch_built.py."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, cast

import pytest

from noxlib.engines import builders
from noxlib.engines.docker import Docker
from noxlib.errors import EngineError

Buildx = Callable[[str], Path]

INSPECTED = "Name:   {0}\nDriver: {1}\n\nNodes:\nName:     {0}0\nStatus:   running\n"


def engine(kind: str = "docker") -> Docker:
    return cast("Docker", SimpleNamespace(kind=kind, command_environment=lambda: dict(os.environ)))


@pytest.fixture
def buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buildx:
    """A docker command whose buildx answers as it is told; the path of a file with what it was asked."""

    def made(answer: str) -> Path:
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\n[ "$2" = version ] && exit\necho "$@" >>"$0.asked"\n{answer}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return Path(f"{program}.asked")

    monkeypatch.setenv("BUILDX_BUILDER", "far")
    return made


def inspected(driver: str) -> str:
    return f"cat <<'END'\n{INSPECTED.format('far', driver)}END"


@pytest.mark.parametrize(
    ("driver", "chosen"),
    [("remote", "far"), ("docker-container", "far"), ("kubernetes", "far"), ("docker", "default")],
)
def test_a_builder_that_is_no_engines_own_builds(driver: str, chosen: str, buildx: Buildx) -> None:
    asked = buildx(inspected(driver))
    assert builders.chosen(engine()) == chosen
    assert asked.read_text() == "buildx inspect --bootstrap far\n"


@pytest.mark.parametrize("name", [None, "", "default"])
def test_without_a_name_nobody_is_asked(name: Any, buildx: Buildx, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = buildx("exit 1")
    if name is None:
        monkeypatch.delenv("BUILDX_BUILDER")
    else:
        monkeypatch.setenv("BUILDX_BUILDER", name)
    assert builders.chosen(engine()) == "default"
    assert not asked.exists()


def test_podman_builds_by_itself(buildx: Buildx) -> None:
    buildx("exit 1")
    assert builders.chosen(engine("podman")) == "default"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo 'ERROR: no builder \"far\" found' >&2; exit 1", 'no builder "far" found'),
        ("exit 1", "buildx says nothing of it"),
        ("echo nonsense", "nonsense"),
    ],
)
def test_a_builder_that_is_not_there_is_two_lines(answer: str, said: str, buildx: Buildx) -> None:
    buildx(answer)
    with pytest.raises(EngineError) as told:
        builders.chosen(engine())
    assert f"BUILDX_BUILDER is 'far', which cannot build: {said}" in told.value.what.replace("ERROR: ", "")
    assert "docker buildx ls" in told.value.todo
