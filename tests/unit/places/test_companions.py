"""What the tests' process is told of the services beside it, and where the tests reach those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import UsageError
from noxlib.places import companions, recordings, service_sidecars
from noxlib.places.box import Attachment
from noxlib.places.companions import Companions
from noxlib.places.host import Command
from noxlib.places.stack import Stack

CACHE = {"image": "redis:7", "networks": {"default": {"aliases": ["store"]}, "other": None}}
MOCK = {"image": "mockserver/mockserver:5.15.0", "environment": {"MOCKSERVER_SERVER_PORT": "8000"}, "expose": ["8000"]}
STACK = service_sidecars.added(
    Stack("file", "runner", {"cache": CACHE, "mock": MOCK, "silent": {"image": "busybox"}}, Attachment()),
    {"cache": None},
    "python",
    publish=True,
)
SETTINGS = 'NOXLIB_FAULTS={"ends": {"6379": ["cache", 6379]}, "control": 47100}'


def about(number: str, *ports: str, published: int = 0) -> dict[str, Any]:
    bound = {port: [{"HostIp": "127.0.0.1", "HostPort": str(published)}] for port in ports if published}
    return {
        "Id": number * 64,
        "Config": {"ExposedPorts": {port: {} for port in ports}, "Env": [SETTINGS, "NOXLIB_FAULTS_TOKEN=secret"]},
        "NetworkSettings": {"Ports": bound, "Networks": {"default": {"IPAddress": f"10.0.0.{ord(number)}"}}},
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
            "noxlib-faults-cache": about("d", "6379/tcp", "47100/tcp", published=self.published + 1),
        }


def told(folder: Path, services: Services, *, network: bool, faults: tuple[str, ...] = ()) -> tuple[Any, Command]:
    """What stands in the file, and the tests' command."""
    wanted = companions.wanted(STACK, "fail", faults, ["mock=http://real:9000"])
    beside = Companions(wanted, folder, folder, network=network, channel=False)
    with beside.beside(services, Command(("python",))) as command:  # type: ignore[arg-type]
        return json.loads((folder / companions.FILE).read_text()), command


def test_on_the_services_network_names_lead_to_what_stands_before_them(tmp_path: Path) -> None:
    found, command = told(tmp_path, Services(), network=True, faults=("cache:wan,latency=1s",))
    assert found["faults"]["cache"] == {
        "control": ["10.0.0.100", 47100],
        "token": "secret",
        "ports": [6379],
        "faults": ["wan", {"latency": 1.0}],
        "asked": "wan,latency=1s",
    }
    assert command.hosts == ("cache:10.0.0.100", "store:10.0.0.100")
    assert (tmp_path / companions.FILE).stat().st_mode & 0o777 == 0o600
    assert found["mocks"]["mock"] == {
        "at": ["b" * 12, 8000],
        "files": [],
        "record": {"host": "real", "port": 9000, "scheme": "HTTP"},
    }
    assert (found["policy"], found["channel"]) == ("fail", None)
    assert found["services"] == {"cache": [["a" * 12, 6379]], "mock": [["b" * 12, 8000]], "silent": []}


def test_on_this_machine_it_is_commanded_by_a_port_and_the_service_is_known_without_it(tmp_path: Path) -> None:
    found, command = told(tmp_path, Services(published=40000), network=False, faults=("cache",))
    assert found["faults"]["cache"]["control"] == ["127.0.0.1", 40001]
    assert found["services"]["cache"] == [["127.0.0.1", 40000]]
    assert command.hosts == ()


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
