"""A stack is read from what compose prints: which services are started, what the tests' container gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import PlaceError, UsageError
from noxlib.places import box, companions, stack
from noxlib.places.stack import Stack

FILE = "docker-compose.test.yml"
RUNNER: dict[str, Any] = {"image": "python"}


def read(services: dict[str, Any], profile: str | None = None, **parts: Any) -> Stack:
    return stack.read({"services": {"test-runner": RUNNER, **services}, **parts}, FILE, "test-runner", profile)


def test_the_runner_is_not_among_the_services_that_are_started() -> None:
    assert list(read({"db": {}, "cache": {}}).services) == ["db", "cache"]


def test_a_profiles_services_are_started_where_it_is_asked_for() -> None:
    services = {"db": {}, "mock": {"profiles": ["integration"]}, "slow": {"profiles": ["slow", "other"]}}
    assert list(read(services).services) == ["db", "mock"]
    assert list(read(services, "slow").services) == ["db", "slow"]
    assert list(read({"db": {}, "slow": {"profiles": ["slow"]}}).services) == ["db"]


def test_a_service_with_no_replicas_is_not_started_and_no_mock_peer() -> None:
    mock = {"image": "mockserver/mockserver:5.15.0", "expose": ["1080"]}
    found = read(
        {"db": {"deploy": {"replicas": 1}}, "one": {**mock, "scale": 0}, "two": {**mock, "deploy": {"replicas": 0}}}
    )
    assert list(found.services) == ["db"]
    with pytest.raises(UsageError, match="there is no mock peer 'one'"):
        companions.wanted(found, "report", (), ["one=http://real:9000"])
    with pytest.raises(PlaceError, match="no service beside test-runner"):
        read({"one": {"scale": 0}})


def test_a_profile_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"has no profile 'x'; it has a, b"):
        read({"one": {"profiles": ["b", "a"]}, "db": {}}, "x")
    with pytest.raises(UsageError, match="it has none"):
        read({"db": {}}, "x")


def test_a_file_without_the_runner_or_without_services_is_refused() -> None:
    with pytest.raises(PlaceError, match="has no service 'tests'; it has db"):
        stack.read({"services": {"db": {}}}, FILE, "tests", None)
    with pytest.raises(PlaceError, match="no service beside test-runner"):
        read({"slow": {"profiles": ["slow"]}})


def test_a_file_without_a_runner_gets_one_on_the_networks_of_its_services() -> None:
    services = {"db": {"networks": {"back": None}}, "cache": {"networks": {"default": {"aliases": ["c"]}}}}
    networks = {"back": {"name": "x_back"}, "default": {"name": "x_default"}}
    found = stack.read({"services": services, "networks": networks}, FILE, stack.DEFAULT_RUNNER, None)
    assert list(found.services) == ["db", "cache"]
    assert found.attachment.networks == {"x_back": ("test-runner",), "x_default": ("test-runner",)}
    with pytest.raises(PlaceError, match="no service beside test-runner"):
        stack.read({}, FILE, stack.DEFAULT_RUNNER, None)


def test_a_file_that_is_mounted_and_does_not_exist_is_refused(tmp_path: Path) -> None:
    def mounts(name: str) -> dict[str, Any]:
        return {"db": {"volumes": [{"type": "bind", "source": str(tmp_path / name), "target": "/x"}]}}

    (tmp_path / "there.sql").write_text("")
    assert read(mounts("there.sql")).services
    assert read(mounts("a_folder")).services  # an engine makes those
    with pytest.raises(PlaceError, match=r"db mounts .*absent\.sql, which does not exist"):
        read(mounts("absent.sql"))


def test_the_tests_container_takes_the_runners_part() -> None:
    runner = {
        "image": "python",
        "command": ["pytest"],
        "environment": {"PRICE": "5$$", "NUMBER": 1, "EMPTY": None, "PATH": "/x", "HOME": "/y"},
        "networks": {"inner": {"aliases": ["me"]}, "default": None},
        "volumes": [
            {"type": "volume", "source": "shared", "target": "/shared", "read_only": True},
            {"type": "volume", "target": "/anonymous"},
            {"type": "bind", "source": "/code", "target": "/code"},
        ],
        "extra_hosts": ["elsewhere=192.0.2.7"],
        "cap_add": ["SYS_PTRACE"],
    }
    networks = {"inner": {"name": "p_inner"}, "default": {"name": "p_default"}}
    found = read({"db": {}, "test-runner": runner}, networks=networks, volumes={"shared": {"name": "p_shared"}})
    assert found.attachment == box.Attachment(
        networks={"p_inner": ("test-runner", "me"), "p_default": ("test-runner",)},
        environment={"PRICE": "5$", "NUMBER": "1"},
        mounts=({"Type": "volume", "Source": "p_shared", "Target": "/shared", "ReadOnly": True},),
        host={"ExtraHosts": ["elsewhere:192.0.2.7"], "CapAdd": ["SYS_PTRACE"]},
    )


def test_a_runner_on_another_services_network_is_refused() -> None:
    with pytest.raises(PlaceError, match="shares another one's network"):
        read({"db": {}, "test-runner": {"network_mode": "service:db"}})


def test_the_values_of_secrets_of_every_service_are_known() -> None:
    services: dict[str, Any] = {"db": {"environment": {"DB_PASSWORD": "hunter22", "DB_NAME": "public"}}}
    runner = {"environment": {"URL": "postgresql://me:horse-battery@db/x"}}
    assert set(read({**services, "test-runner": runner}).secrets) == {"hunter22", "horse-battery"}
    services["db"]["profiles"] = ["other"]  # of one that is up already, its log is shown as well
    assert "hunter22" in read({**services, "cache": {}, "test-runner": runner}).secrets


def test_services_whose_end_another_one_waits_for_are_known() -> None:
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}, "db": {"condition": "x"}}}
    assert read({"db": {}, "migrate": {}, "test-runner": waits}).awaited == ("migrate",)


def test_the_override_labels_all_that_is_made_and_nothing_that_is_not_ours() -> None:
    found = read(
        {"db": {}},
        networks={"default": {"name": "p_default"}, "theirs": {"external": True}},
        volumes={"data": None, "theirs": {"external": True}},
    )
    labelled = {"labels": {"a": "b"}}
    assert found.override({"a": "b"}) == {
        "services": {"db": labelled},
        "networks": {"default": labelled},
        "volumes": {"data": labelled},
    }


def test_the_ports_of_a_service_are_those_in_its_container() -> None:
    published = [{"target": 8000, "published": "8001", "protocol": "tcp"}, {"target": 53, "protocol": "udp"}]
    assert stack.ports({"ports": published, "expose": ["9000", "9001/tcp", "53/udp", "8000", "1-2"]}) == (
        8000,
        9000,
        9001,
    )


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_value_comes_to_the_tests_as_it_was_meant(variables: dict[str, str]) -> None:
    printed = {name: value.replace("$", "$$") for name, value in variables.items() if name not in stack.OWN}
    found = read({"db": {}, "test-runner": {"environment": printed}})
    assert found.attachment.environment == {name: variables[name] for name in printed}
