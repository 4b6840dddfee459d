"""What the tests' process is told of the services beside it, and where the tests reach those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import PlaceError, UsageError
from noxlib.places import companions, recordings
from noxlib.places.box import Attachment
from noxlib.places.companions import Companions
from noxlib.places.host import Command
from noxlib.places.stack import Stack

CACHE = {"image": "redis:7", "networks": {"default": {"aliases": ["store"]}, "other": None}}
MOCK = {"image": "mockserver/mockserver:5.15.0", "environment": {"MOCKSERVER_SERVER_PORT": "8000"}, "expose": ["8000"]}
STACK = Stack("file", "runner", {"cache": CACHE, "mock": MOCK, "silent": {"image": "busybox"}}, Attachment())


def about(number: str, *ports: str, published: int = 0) -> dict[str, Any]:
    bound = {port: [{"HostIp": "127.0.0.1", "HostPort": str(published)}] for port in ports if published}
    return {
        "Id": number * 64,
        "Config": {"ExposedPorts": {port: {} for port in ports}},
        "NetworkSettings": {"Ports": bound},
    }


class Services:
    """A stack that is up."""

    stack = STACK

    def __init__(self, published: int = 0) -> None:
        self.compose = self
        self.published = published

    def containers(self) -> dict[str, dict[str, Any]]:
        return {
            "cache": about("a", "6379/tcp", "6379/udp", published=self.published),
            "mock": about("b", "1080/tcp", "8000/tcp", published=self.published),
            "silent": about("c"),
        }

    def addresses(self) -> dict[str, dict[int, tuple[str, int]]]:
        return {"cache": {6379: ("127.0.0.1", self.published)}, "mock": {8000: ("127.0.0.1", self.published)}}


def told(folder: Path, services: Services, *, network: bool, faults: tuple[str, ...] = ()) -> tuple[Any, Command]:
    """What stands in the file, and the tests' command."""
    wanted = companions.wanted(STACK, "fail", faults, ["mock=http://real:9000"])
    beside = Companions(wanted, folder, folder, network=network, channel=False)
    with beside.beside(services, Command(("python",))) as command:  # type: ignore[arg-type]
        return json.loads((folder / companions.FILE).read_text()), command


def test_on_the_services_network_names_lead_to_proxies_that_know_another_one(tmp_path: Path) -> None:
    found, command = told(tmp_path, Services(), network=True, faults=("cache:wan,latency=1s",))
    assert found["faults"]["cache"] == {
        "ends": {"6379": ["a" * 12, 6379]},
        "address": "127.0.1.1",
        "faults": ["wan", {"latency": 1.0}],
        "asked": "wan,latency=1s",
    }
    assert command.hosts == ("cache:127.0.1.1", "store:127.0.1.1")
    assert found["mocks"]["mock"] == {
        "at": ["b" * 12, 8000],
        "files": [],
        "record": {"host": "real", "port": 9000, "scheme": "HTTP"},
    }
    assert (found["policy"], found["channel"]) == ("fail", None)
    assert found["services"] == {"cache": [["a" * 12, 6379]], "mock": [["b" * 12, 8000]], "silent": []}


def test_on_this_machine_the_tests_are_given_the_proxies_addresses(tmp_path: Path) -> None:
    services = Services(published=40000)
    found, command = told(tmp_path, services, network=False, faults=("cache",))
    assert found["faults"]["cache"]["ends"] == {"6379": ["127.0.0.1", 40000]}
    assert command.hosts == ()
    wanted = companions.wanted(STACK, "report", ("cache",), ())
    beside = Companions(wanted, tmp_path, tmp_path, network=False, channel=False)
    at = beside.at(services)  # type: ignore[arg-type]
    assert at["mock"] == {8000: ("127.0.0.1", 40000)}
    host, port = at["cache"][6379]
    assert (host.split(".")[0], port) == ("127", 6379)
    assert host != "127.0.0.1"


def test_a_service_without_a_port_has_nothing_to_put_a_proxy_before(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="no port of silent is known"):
        told(tmp_path, Services(), network=True, faults=("silent:down",))


def test_a_link_that_a_migration_laid_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / companions.FILE).symlink_to(tmp_path / "mine")
    assert told(tmp_path, Services(), network=True)[0]["policy"] == "fail"
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_a_stopped_run_has_recorded_is_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "result" / recordings.FOLDER / "mock.json"
    file.parent.mkdir(parents=True)
    file.write_text('[{"httpRequest": {"path": "/a"}, "httpResponse": {"body": "hush-hush-hush"}}]')
    beside = Companions(
        companions.wanted(STACK, "report", (), ["mock=http://real"]), tmp_path, tmp_path, network=True, channel=False
    )
    command = Command(("python",), secrets=("hush-hush-hush",))
    with pytest.raises(KeyboardInterrupt), beside.beside(Services(), command):  # type: ignore[arg-type]
        raise KeyboardInterrupt
    for kept in (file, tmp_path / "tests" / "mocks" / "mock.json"):
        assert json.loads(kept.read_text())[0]["httpResponse"] == {"body": "***"}


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="no service"):
        companions.wanted(STACK, "report", ("cash:down",), ())
    with pytest.raises(UsageError, match="no mock peer"):
        companions.wanted(STACK, "report", (), ("cache=http://a",))
