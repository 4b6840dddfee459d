"""A sidecar before each service with faults: what compose is told of it, and where the others find it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from noxlib.engines.imageinfo import image_info
from noxlib.errors import PlaceError
from noxlib.places import box, files, kept, service_sidecars, sidecar_addresses, stack_override
from noxlib.places.stack import Stack
from noxlib.places.stack_lint import Reset

PORTS = [
    {"target": 6379, "published": "6380", "protocol": "tcp", "host_ip": "127.0.0.1"},
    {"target": 53, "published": "53", "protocol": "udp"},
]
CACHE = {"image": "redis:7", "networks": {"back": {"aliases": ["store"]}, "other": None}, "ports": PORTS}
APP = {"image": "me/app", "networks": {"default": None, "back": None}, "links": ["cache:memory"], "expose": ["8000"]}
FAR = {"image": "me/far", "networks": {"default": None}}
INSIDE = {"image": "me/inside", "network_mode": "service:app"}
SERVICES: dict[str, Any] = {"cache": CACHE, "app": APP, "far": FAR, "inside": INSIDE, "silent": {"image": "busybox"}}
NETWORKS = {name: {"name": f"project_{name}"} for name in ("default", "back", "other")}
STACK = Stack("file", "runner", SERVICES, box.Attachment(networks={"project_back": ("runner",)}), networks=NETWORKS)
SETTINGS = 'NOXLIB_FAULTS={"ends": {"6379": ["cache", 6379]}, "control": 47100}'
EXPOSES = image_info({"Id": "sha256:1", "Config": {"ExposedPorts": {"6379/tcp": {}, "8080/tcp": {}, "53/udp": {}}}})


def with_faults(*names: str, publish: bool = False) -> Stack:
    return service_sidecars.added(STACK, dict.fromkeys(names), "python:3.10-slim", publish=publish)


def about(**networks: str) -> dict[str, Any]:
    """What the engine says of a sidecar."""
    return {
        "Config": {"Env": ["PATH=/bin", SETTINGS, "NOXLIB_FAULTS_TOKEN=a=b"]},
        "NetworkSettings": {
            "Networks": {f"project_{name}": {"IPAddress": address} for name, address in networks.items()},
            "Ports": {"6379/tcp": [{"HostIp": "", "HostPort": "6380"}], "47100/tcp": [{"HostIp": "", "HostPort": "7"}]},
        },
    }


CONTAINERS = {
    "noxlib-faults-cache": about(back="10.0.0.2", other="10.1.0.2"),
    "noxlib-faults-app": about(back="10.0.0.3", default="10.2.0.3"),
    "cache": {"NetworkSettings": {"Ports": {"6379/tcp": [{"HostIp": "", "HostPort": "9"}]}}},
    "far": {"NetworkSettings": {"Ports": None}},
}


def test_a_sidecar_has_the_services_networks_and_its_ports_of_this_machine() -> None:
    found = with_faults("cache", publish=True)
    sidecar = found.sidecars["cache"]
    assert sidecar["networks"] == {"back": None, "other": None}
    assert sidecar["ports"] == [PORTS[0], {"target": 47100, "protocol": "tcp", "host_ip": "127.0.0.1"}]
    free = [{"target": 6379, "protocol": "tcp", "host_ip": "127.0.0.1"}, PORTS[1]]
    assert found.services["cache"]["ports"] == free
    assert found.additions == {"cache": {"ports": Reset(free)}}
    assert with_faults("cache").sidecars["cache"]["ports"] == [PORTS[0]]


def test_its_proxies_are_before_all_ports_that_are_known() -> None:
    found = service_sidecars.added(STACK, {"cache": EXPOSES}, "python", publish=False)
    settings = json.loads(found.sidecars["cache"]["environment"]["NOXLIB_FAULTS"])
    assert settings["ends"] == {"6379": ["cache", 6379], "8080": ["cache", 8080]}


def test_the_override_has_what_a_sidecar_runs_and_tells_the_others_where_it_is() -> None:
    found = with_faults("cache")
    table = service_sidecars.override(found, {"a": "b"}, {"app": ["cache:10.0.0.2"]})
    text = stack_override.dumped(table)
    read = yaml.safe_load(text.replace("!override", "").replace("$$", "$"))
    assert read["services"]["app"] == {"labels": {"a": "b"}, "extra_hosts": ["cache:10.0.0.2"]}
    sidecar = read["services"]["noxlib-faults-cache"]
    assert sidecar["environment"]["NOXLIB_FAULTS_TOKEN"] is None  # it stands in no file
    for one in sidecar["configs"]:
        module = Path(one["target"])
        assert str(module.parent) == f"{box.LIB}/noxlib_inside"
        source = files.INSIDE / module.name
        assert read["configs"][one["source"]]["content"] == source.read_text(encoding="utf-8")
    plain = service_sidecars.override(STACK, {}, {})
    assert plain == STACK.override({})


def test_what_a_sidecar_runs_imports_nothing_that_it_lacks() -> None:
    modules = {path.stem: path.read_text(encoding="utf-8") for path in files.INSIDE.glob("*.py")}
    for module in service_sidecars.MODULES:
        for other in modules.keys() - set(service_sidecars.MODULES):
            assert f"from .{other} " not in modules[module]
            assert f"from . import {other}" not in modules[module]


def test_each_that_may_speak_to_it_has_its_names_with_its_address_there() -> None:
    found = sidecar_addresses.hosts(with_faults("cache", "app"), CONTAINERS)
    assert found == {
        "cache": ["app:10.0.0.3"],
        "app": ["cache:10.0.0.2", "store:10.0.0.2", "memory:10.0.0.2"],
        "far": ["app:10.2.0.3"],
    }


def test_the_tests_have_them_too_where_they_share_a_network() -> None:
    assert sidecar_addresses.tests_hosts(with_faults("cache"), CONTAINERS) == ("cache:10.0.0.2", "store:10.0.0.2")
    apart = {**CONTAINERS, "noxlib-faults-cache": about(other="10.1.0.2")}
    with pytest.raises(PlaceError, match="no network in common with runner"):
        sidecar_addresses.tests_hosts(with_faults("cache"), apart)


def test_from_this_machine_it_is_reached_in_the_services_place() -> None:
    found = sidecar_addresses.reached(with_faults("cache"), CONTAINERS)
    assert found["cache"] == {6379: ("127.0.0.1", 6380)}
    assert "noxlib-faults-cache" not in found
    assert sidecar_addresses.told(CONTAINERS["noxlib-faults-cache"]) == sidecar_addresses.Told((6379,), 47100, "a=b")


def test_what_nothing_can_be_put_before_is_told_before_the_start() -> None:
    with pytest.raises(PlaceError, match="inside has network_mode: service:app, and so no name of its own"):
        with_faults("inside")


class Compose:
    """Compose that makes containers whose images say where they listen, and starts sidecars."""

    def __init__(self, *ports: str) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.docker = SimpleNamespace(kind="docker", logs=lambda _: iter((b"rea", b"dy\n")))
        made = {"Id": "a", "Config": {"ExposedPorts": {port: {} for port in ports}}}
        running = {"Id": "b", "State": {"Status": "running"}, **about(default="10.0.0.9")}
        self.found = {"silent": made, "noxlib-faults-silent": running}

    @contextlib.contextmanager
    def up(self, services: Any, _: Path, **how: Any) -> Any:
        self.asked.append((tuple(services), how.get("start", True), how.get("variables")))
        yield SimpleNamespace(poll=lambda: 0)

    def containers(self) -> dict[str, Any]:
        return self.found


def test_ports_that_only_an_image_tells_are_known_once_it_is_there(tmp_path: Path) -> None:
    compose, file = Compose("8000/tcp"), tmp_path / "override.yml"
    service_sidecars.lay(compose, with_faults("silent"), {}, file, tmp_path / "log", build=True)  # type: ignore[arg-type]
    made, started = compose.asked
    assert made[:2] == (("silent",), False)
    assert started == (("noxlib-faults-silent",), True, {"NOXLIB_FAULTS_TOKEN": "a=b"})  # that it has already
    sidecar = yaml.safe_load(file.read_text().replace("$$", "$"))["services"]["noxlib-faults-silent"]
    assert json.loads(sidecar["environment"]["NOXLIB_FAULTS"])["ends"] == {"8000": ["silent", 8000]}


def test_a_service_without_a_port_has_nothing_to_put_a_proxy_before(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="no port of silent is known"):
        service_sidecars.lay(Compose(), with_faults("silent"), {}, tmp_path / "o", tmp_path / "log", build=True)  # type: ignore[arg-type]


def test_a_stack_that_stays_up_differs_by_who_has_faults_and_not_by_which() -> None:
    plain, one, other = (kept.configuration(stack, {}) for stack in (STACK, with_faults("cache"), with_faults("app")))
    assert kept.differences(one, kept.configuration(with_faults("cache"), {})) == ()
    assert any("faults.cache" in path for path in kept.differences(plain, one))
    assert kept.differences(one, other)
