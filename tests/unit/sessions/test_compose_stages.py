"""A compose file's builds: the stages of the tests and of the deployment are compared, once for each Dockerfile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.sessions import compose_stages

TEXT = "ARG RELEASE=12\nFROM debian:$RELEASE AS test\nFROM debian:11 AS runtime\n"


def whats(folder: Path, **services: Any) -> list[str]:
    built = {name: {"build": {"context": str(folder), **build}} for name, build in services.items()}
    return [one.what for one in compose_stages.mistakes({"services": {"cache": {"image": "redis:7"}, **built}})]


def test_a_dockerfile_that_two_services_are_built_from_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(TEXT)
    told = "Dockerfile: runtime is based on debian:11, test on debian:12: what is tested is not what is deployed"
    assert whats(tmp_path, runner={"target": "test"}, app={"target": "runtime"}) == [told]


@pytest.mark.parametrize("build", [{"args": {"RELEASE": "11"}}, {"dockerfile": "absent"}, {"args": {"OTHER": None}}])
def test_arguments_count_and_a_file_that_is_not_there_is_composes_to_tell(tmp_path: Path, build: Any) -> None:
    (tmp_path / "Dockerfile").write_text(TEXT)
    assert len(whats(tmp_path, runner=build)) == ("OTHER" in build.get("args", {}))


def test_without_services_there_is_nothing() -> None:
    assert list(compose_stages.mistakes({})) == []
