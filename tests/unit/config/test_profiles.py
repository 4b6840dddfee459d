"""Environment profiles and levels: which holds, what it holds, what is refused."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from noxlib.config import levels, profiles
from noxlib.config.levels import Level
from noxlib.config.models import Config, EnvironmentConfig, IntegrationConfig
from noxlib.errors import ConfigError, NoxlibError, UsageError


def config(**tables: Any) -> Config:
    return msgspec.convert(tables, Config)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("local", (1.0, 8, False, True, ("file",), 512, 1024)),
        ("ci", (2.0, 4, True, False, ("file", "mock_ssh"), 256, 512)),
        ("hpc_cluster", (5.0, 2, True, True, ("file", "ssh", "mock_tape"), 128, 256)),
        ("cloud_hpc", (5.0, 1, True, False, ("file", "s3"), 256, 512)),
    ],
)
def test_the_profiles_that_there_are_without_configuration(name: str, values: tuple[Any, ...]) -> None:
    assert msgspec.structs.astuple(profiles.choose(Config(), name, {}))[:7] == values


@pytest.mark.parametrize(
    ("asked", "environ", "name", "reason"),
    [
        (None, {}, "local", "no CI and no Slurm allocation was detected"),
        (None, {"CI": "true"}, "ci", "detected: CI is set"),
        (None, {"CI": "false"}, "local", "no CI and no Slurm allocation was detected"),
        (None, {"JENKINS_URL": "http://ci"}, "ci", "detected: JENKINS_URL is set"),
        (None, {"CI": "1", "SLURM_JOB_ID": "12"}, "hpc_cluster", "detected: SLURM_JOB_ID is set"),
        (None, {"CI": "1", "NOXLIB_ENV": "cloud-hpc"}, "cloud_hpc", "asked for by NOXLIB_ENV"),
        (None, {"NOXLIB_ENV": ""}, "local", "no CI and no Slurm allocation was detected"),
        ("hpc-cluster", {"NOXLIB_ENV": "ci"}, "hpc_cluster", "asked for by --env-config"),
    ],
)
def test_the_profile_and_the_reason_for_it(asked: str | None, environ: dict[str, str], name: str, reason: str) -> None:
    found = profiles.choose(Config(), asked, environ)
    assert (found.name, found.reason) == (name, reason)


@pytest.mark.parametrize(
    ("asked", "environ", "near"),
    [
        ("locl", {}, "local"),
        ("hpc", {}, "hpc_cluster"),
        ("", {}, "local"),
        (None, {"NOXLIB_ENV": "Local"}, "local"),
        (None, {"NOXLIB_ENV": "clouds"}, "cloud_hpc"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(asked: str | None, environ: dict[str, str], near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {near}\\?"):
        profiles.choose(Config(), asked, environ)


def test_a_variable_of_the_projects_own_stands_for_ours() -> None:
    config = Config(env_aliases={"TELLUS_TEST_CONFIG": "NOXLIB_ENV"})
    found = profiles.choose(config, None, {"TELLUS_TEST_CONFIG": "hpc-cluster", "CI": "1"})
    assert (found.name, found.reason) == ("hpc_cluster", "asked for by TELLUS_TEST_CONFIG")
    assert found.aliases == config.env_aliases
    ours = {"TELLUS_TEST_CONFIG": "ci", "NOXLIB_ENV": "local"}
    assert profiles.choose(config, None, ours).reason == "asked for by NOXLIB_ENV"
    with pytest.raises(ConfigError, match=r"env_aliases\.MINE: 'NOXLIB_ENVS' is no variable that tests see"):
        profiles.choose(Config(env_aliases={"MINE": "NOXLIB_ENVS"}), None, {})
    with pytest.raises(ConfigError, match=r"workspace\.home: there is no such folder"):
        profiles.choose(Config(workspace={"home": ("HOME",)}), None, {})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"env_aliases": {"A B=": "NOXLIB_ENV"}}, "env_aliases: 'A B=' can be no variable"),
        ({"env_aliases": {"": "NOXLIB_ENV"}}, "env_aliases: '' can be no variable"),
        ({"env_aliases": {"NOXLIB_ENV": "NOXLIB_HPC_NODES"}}, "env_aliases: 'NOXLIB_ENV' can be no variable"),
        ({"workspace": {"cache": ("A=B",)}}, "workspace.cache: 'A=B' can be no variable"),
        ({"environments": {"": EnvironmentConfig()}}, "environments.'': this is no name"),
        ({"environments": {"a b": EnvironmentConfig()}}, "environments.'a b': this is no name"),
    ],
)
def test_a_name_that_the_system_would_refuse_is_refused_first(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        profiles.choose(Config(**table), None, {})


def test_a_profile_of_ours_is_changed_where_the_project_says_so() -> None:
    found = profiles.choose(config(environments={"hpc-cluster": {"concurrent": 3}}), "hpc_cluster", {})
    expected = msgspec.structs.replace(profiles.defaults()["hpc_cluster"], concurrent=3, reason=found.reason)
    assert found == expected


def test_a_profile_of_the_projects_own_inherits_through_others() -> None:
    tables = {
        "institute": {"inherits": "site-b", "backends": ["file"]},
        "site_b": {"inherits": "hpc-cluster", "timeout_multiplier": 8, "large_files": False},
        "laptop": {"memory_mb": 99},
    }
    found = profiles.configured(config(environments=tables))
    assert (found["institute"].timeout_multiplier, found["institute"].backends) == (8.0, ("file",))
    assert (found["institute"].concurrent, found["institute"].large_files) == (2, False)
    assert found["institute"].name == "institute"
    assert found["laptop"] == msgspec.structs.replace(profiles.defaults()["local"], name="laptop", memory_mb=99)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"a": {"inherits": "b"}, "b": {"inherits": "a"}}, "it inherits from itself: a → b → a"),
        ({"a": {"inherits": "a"}}, "it inherits from itself: a → a"),
        ({"ci": {"inherits": "hpc_cluster"}, "hpc_cluster": {"inherits": "ci"}}, "it inherits from itself"),
        ({"a": {"inherits": "locl"}}, "there is no environment 'locl'; did you mean local?"),
        ({"a-b": {}, "a_b": {}}, "this environment stands there twice"),
    ],
)
def test_what_cannot_be_inherited_is_an_error(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        profiles.choose(config(environments=tables), "local", {})
    assert message in caught.value.what


def test_a_profile_of_ours_that_names_itself_is_itself() -> None:
    found = profiles.configured(config(environments={"ci": {"inherits": "ci", "disk_mb": 1}}))
    assert found["ci"] == msgspec.structs.replace(profiles.defaults()["ci"], disk_mb=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("basic", Level("not slow and not network", ("--maxfail=5", "--tb=short"), 900.0, 30.0)),
        ("extended", Level("slow or performance", ("--maxfail=3",), 2700.0, 300.0, 5)),
        ("network", Level("network", (), 1200.0, 30.0)),
    ],
)
def test_the_levels_that_there_are_without_configuration(name: str, expected: Level) -> None:
    assert levels.choose(IntegrationConfig(), name) == (name, expected)


def test_no_level_takes_longer_than_the_suite_may_unless_it_says_so() -> None:
    own = msgspec.convert({"timeout": 600, "levels": {"extended": {"timeout": 5000, "args": []}}}, IntegrationConfig)
    assert levels.choose(own, "basic")[1].timeout == 600.0
    assert levels.choose(own, "extended")[1] == Level("slow or performance", (), 5000.0, 300.0, 5)


def test_a_project_adds_a_level_and_makes_it_the_usual_one() -> None:
    own = msgspec.convert({"level": "smoke", "levels": {"smoke": {"select": "smoke"}}}, IntegrationConfig)
    assert levels.choose(own, None) == ("smoke", Level("smoke", (), 3600.0, 30.0))


@pytest.mark.parametrize(
    ("table", "asked", "kind", "message"),
    [
        ({}, "basics", UsageError, "there is no level 'basics' of integration tests; did you mean basic?"),
        ({}, "", UsageError, "there is no level '' of integration tests; did you mean network?"),
        ({"level": "extendet"}, None, ConfigError, "there is no level 'extendet'"),
        ({"levels": {"smoke": {}}}, "smoke", ConfigError, "the level 'smoke' of integration tests selects nothing"),
    ],
)
def test_a_level_that_there_is_not_is_an_error(
    table: dict[str, Any], asked: str | None, kind: type[NoxlibError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        levels.choose(msgspec.convert(table, IntegrationConfig), asked)
    assert message in caught.value.what
