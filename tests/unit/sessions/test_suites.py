"""From configuration and arguments to the suites of the integration tests and of the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from noxlib.config.models import Config
from noxlib.errors import UsageError
from noxlib.sessions import script, suites
from noxlib.sessions.arguments import Arguments, python_of


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither CI nor a cluster."""
    for name in ("CI", "GITHUB_ACTIONS", "SLURM_JOB_ID", "NOXLIB_ENV"):
        monkeypatch.delenv(name, raising=False)


def asked(*rest: str, **values: Any) -> Arguments:
    return Arguments({"level": None, "env_config": None, "dry_run": False, **values}, rest)


def config(**tables: Any) -> Config:
    return msgspec.convert(tables, Config)


@pytest.mark.parametrize(
    ("table", "folder", "select", "paths"),
    [
        ({}, True, "not slow and not network", ("tests/integration",)),
        ({}, False, "(integration) and (not slow and not network)", ()),
        ({"paths": ["checks"]}, True, "not slow and not network", ("checks",)),
        ({"paths": ["checks"]}, False, "not slow and not network", ("checks",)),
        ({"select": "database"}, True, "(database) and (not slow and not network)", ("tests/integration",)),
        ({"select": ""}, False, "not slow and not network", ()),
        ({"levels": {"basic": {"select": ""}}}, False, "integration", ()),
    ],
)
def test_which_tests_are_integration_tests(
    table: dict[str, Any], folder: bool, select: str, paths: tuple[str, ...], tmp_path: Path
) -> None:
    if folder:
        (tmp_path / "tests" / "integration").mkdir(parents=True)
    found = suites.integration(tmp_path, config(integration=table), asked())
    assert (found.select, found.config.paths) == (select, paths)


def test_the_level_and_the_profile_reach_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = asked(level="extended", env_config="cloud-hpc")
    found = suites.integration(tmp_path, config(integration={"env": {"A": "1"}}), arguments)
    assert (found.args, found.limits.timeout, found.config.env) == (("--maxfail=3",), 2700.0, {"A": "1"})
    assert {key: found.profile[key] for key in ("name", "level", "test_timeout", "concurrent")} == {
        "name": "cloud_hpc",
        "level": "extended",
        "test_timeout": 300.0,
        "concurrent": 1,
    }
    assert "environments" not in found.profile
    assert capsys.readouterr().out == "noxlib: environment cloud_hpc: asked for by --env-config\n"


def test_an_environment_asked_for_after_a_path_is_said_by_pytest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suites.integration(tmp_path, config(), asked("tests/test_it.py", "--env-config=ci"))
    assert capsys.readouterr().out == ""


def test_a_dry_run_prints_its_plan_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suites.integration(tmp_path, Config(), asked(dry_run=True))
    assert capsys.readouterr().out == ""


def test_environments_of_the_projects_own_go_along(tmp_path: Path) -> None:
    own = config(environments={"site-b": {"inherits": "ci", "concurrent": 3}})
    assert suites.integration(tmp_path, own, asked()).profile["environments"]["site_b"]["concurrent"] == 3


def test_the_unit_tests_have_no_profile() -> None:
    assert suites.unit(Config(), asked()).profile == {}


@pytest.mark.parametrize("words", [("--ssh-password=hunter22",), ("-x", "--noxlib-ssh-password", "hunter22", "tests")])
def test_a_password_among_the_arguments_is_refused_and_not_repeated(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        suites.integration(tmp_path, Config(), asked(*words))
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("words", [("--ssh-password=env:SSH_SECRET",), ("--ssh-password", "file:/run/secret")])
def test_a_reference_to_a_password_is_passed_on(words: tuple[str, ...], tmp_path: Path) -> None:
    assert suites.integration(tmp_path, Config(), asked(*words)).name == "integration"


def test_a_script_is_a_suite_whose_arguments_are_the_configured_ones(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    found = script.suite(tmp_path, config(script={"path": "run", "args": ["-v"], "timeout": 60}), asked())
    assert (found.name, found.script, found.config.args, found.limits.timeout) == ("script", "run", ("-v",), 60.0)
    assert found.profile["name"] == "local"


@pytest.mark.parametrize(
    ("mode", "message"),
    [(None, "script: there is no test.sh"), (0o644, "script: test.sh is not executable")],
)
def test_a_script_that_cannot_run_is_an_error_before_anything_starts(
    mode: int | None, message: str, tmp_path: Path
) -> None:
    if mode is not None:
        (tmp_path / "test.sh").touch(mode)
    with pytest.raises(UsageError) as caught:
        script.suite(tmp_path, Config(), asked())
    assert caught.value.what == message


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [(("3.9", "3.12", "3.10"), "3.12"), (("3.14t", "3.13", "pypy3.11"), "3.13"), (("3.14t",), "3.14t")],
)
def test_a_step_without_a_python_in_its_name_takes_the_newest(pythons: tuple[str, ...], expected: str) -> None:
    assert python_of("script", pythons, None) == expected


@pytest.mark.parametrize("word", ["--postgres-url", "--noxlib-redis-url", "--s3-secret=hunter22", "--ssh-password"])
def test_a_secret_among_the_arguments_is_refused_and_its_place_is_not(word: str) -> None:
    with pytest.raises(UsageError, match="takes no secret, but where it is to be found"):
        suites._refuse_secrets((word, "postgresql://u:hunter22@h/d"))
    suites._refuse_secrets((word.partition("=")[0], "env:HERE"))
