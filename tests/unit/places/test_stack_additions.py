"""What services get beside their file: checks that are asked often until the first success, ports of this machine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from noxlib.places import box, stack_override
from noxlib.places.stack import Stack
from noxlib.places.stack_additions import Wanted, added, seconds

CHECK = {"test": ["CMD", "true"]}
DATABASE: dict[str, Any] = {"image": "postgres:15"}


def additions(service: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    found = added(Stack("f", "runner", {"one": service}, box.ALONE), Wanted(**wanted))
    assert found.services["one"].keys() >= service.keys()
    return found.additions["one"]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"interval": "5s", "retries": 10}, {"start_interval": "250ms", "start_period": "50s"}),
        ({}, {"start_interval": "250ms", "start_period": "90s"}),
        ({"interval": "1m0s", "start_period": "10m"}, {"start_interval": "250ms", "start_period": "600s"}),
        ({"interval": "5s", "start_interval": "500ms"}, {"start_interval": "250ms", "start_period": "15s"}),
        ({"interval": "5s", "start_interval": "100ms"}, {}),
        ({"interval": "200ms"}, {}),
    ],
)
def test_a_service_is_asked_often_until_it_is_ready(check: dict[str, Any], expected: dict[str, str]) -> None:
    assert additions({"healthcheck": {**CHECK, **check}}).get("healthcheck", {}) == expected


def test_an_engine_that_does_not_know_it_is_not_told() -> None:
    assert additions({"healthcheck": CHECK}, often=False) == {}
    assert "start_interval" not in additions(DATABASE, often=False)["healthcheck"]


def test_a_known_image_is_asked_as_it_can_be_unless_it_says_how_itself() -> None:
    found = additions(DATABASE)["healthcheck"]
    assert "pg_isready" in found["test"][1]
    assert found["start_interval"] == "250ms"
    for service in (
        {**DATABASE, "healthcheck": {"disable": True}},
        {"image": "postgres_exporter"},
        {"image": "me/app"},
        {"image": "redis:7", "command": ["redis-server", "--port", "6380"], "expose": ["6380"]},
    ):
        assert additions(service) == {}
    assert additions(DATABASE, asked=frozenset({"one"})) == {}


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"test": ["CMD", "sh", "-c", "true a"]}, {"test": ["CMD-SHELL", "sh -c 'true a'"], "start_period": "90s"}),
        (
            {"test": ["CMD-SHELL", "true a"], "interval": "1s", "start_interval": "1s", "start_period": "1m"},
            {"test": ["CMD-SHELL", "true a"], "interval": "1s", "start_period": "60s"},
        ),
    ],
)
def test_podman_gets_checks_in_words_that_it_does_not_split(check: dict[str, Any], expected: dict[str, Any]) -> None:
    assert additions({"healthcheck": check}, asks=False)["healthcheck"].value == expected


def test_podman_gets_the_checks_of_known_images_too() -> None:
    found = additions(DATABASE, asks=False)["healthcheck"].value
    assert "pg_isready" in found["test"][1]
    assert "start_interval" not in found


def test_each_port_is_published_only_where_it_is_wanted_and_at_the_loopback() -> None:
    assert "ports" not in additions(DATABASE)
    end = {"target": 5432, "protocol": "tcp", "host_ip": "127.0.0.1"}
    assert additions(DATABASE, publish=True)["ports"] == [end]
    assert additions(DATABASE, publish=True, fixed=True)["ports"] == [{**end, "published": "5433"}]
    for service in ({"ports": [{"target": 1}]}, {"expose": ["1"], "network_mode": "host"}, {"image": "me/app"}):
        assert additions(service, publish=True) == {}


def test_fixed_ports_take_the_place_of_free_ones_and_of_no_others() -> None:
    ports = [{"target": 6379, "host_ip": "127.0.0.1"}, {"target": 8000, "published": "9000"}]
    found = added(Stack("f", "runner", {"one": {"ports": ports}}, box.ALONE), Wanted(fixed=True))
    expected = [{**ports[0], "published": "6380"}, ports[1]]
    assert found.services["one"]["ports"] == expected
    text = stack_override.dumped(found.override({}))
    assert "ports: !override" in text
    assert yaml.safe_load(text.replace("!override", ""))["services"]["one"]["ports"] == expected


def test_a_service_of_our_own_is_defined_by_the_override() -> None:
    sidecar = {"image": "me/app", "command": ["proxy"]}
    found = added(Stack("f", "runner", {"one": sidecar}, box.ALONE, additions={"one": sidecar}), Wanted())
    assert found.override({"a": "b"})["services"] == {"one": {**sidecar, "labels": {"a": "b"}}}


@pytest.mark.parametrize(
    ("text", "number"), [("1m30s", 90), ("500ms", 0.5), ("1h0m5s", 3605), ("0s", 0), ("1.5s", 1.5)]
)
def test_durations_are_read_as_compose_writes_them(text: str, number: float) -> None:
    assert seconds(text) == number
