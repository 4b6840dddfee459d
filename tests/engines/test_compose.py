"""``compose_integration``: real services, up until they are ready, the tests among them, down."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker
from noxlib.records import store

from .checks import began, left_in_engine, left_of_state
from .conftest import Nox, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.compose]

ROOT = Path(__file__).parents[2]
STEP = "compose_integration-3.10"
ASKED: dict[str, Any] = {
    "image": "redis:7",
    "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "start_period": "60s", "start_interval": "200ms"},
}
CACHE = {"cache": ASKED}
SECRET = "correct-horse-battery"  # what must be seen nowhere
SHOWS = f"""
import os, pytest

@pytest.mark.integration
def test_shows():
    print(os.environ["API_TOKEN"])
    assert os.environ["API_TOKEN"] == "{SECRET[::-1]}"[::-1] + "?"
"""
HANGS = """
import pytest, time

@pytest.mark.integration
def test_hangs():
    time.sleep(600)
"""


def write(nox: Nox, services: dict[str, Any], **parts: Any) -> None:
    """The project's compose file: these services, and a runner unless there is one among them."""
    runner = {"image": "python:3.10-slim", "environment": {"TESTING": "true", "LOG_FORMAT": "text"}}
    stack = {"services": {"test-runner": runner, **services}, **parts}
    (nox.folder / "docker-compose.test.yml").write_text(json.dumps(stack))


def left(nox: Nox) -> list[str]:
    """All that compose has of the runs of a project: containers, networks, volumes, images."""
    docker = Docker.connect()
    projects = {path.stem for run in store.runs(nox.folder) for path in run.path.glob("noxlib-compose*.yml")}
    found = [*docker.containers({PROJECT: ""}), *docker.networks({PROJECT: ""}), *docker.volumes({PROJECT: ""})]
    found += docker.images({PROJECT: ""})
    docker.close()
    return [str(thing) for thing in found if thing["Labels"][PROJECT] in projects] + left_in_engine(nox)


def folder(nox: Nox) -> Path:
    """The newest run's folder."""
    return store.runs(nox.folder)[0].path


@pytest.fixture
def services(adopt: Callable[..., Nox], own_state: Path) -> Nox:
    """The project that needs services, with our own compose file and mock peers."""
    nox = adopt("services")
    assert nox.environment["NOXLIB_CACHE_DIR"] == str(own_state)
    shutil.copy(ROOT / "docker-compose.test.yml", nox.folder)
    shutil.copytree(ROOT / "tests" / "mocks", nox.folder / "tests" / "mocks")
    return nox


def test_the_tests_meet_the_real_services_in_the_testground_of_the_unit_tests(services: Nox, own_state: Path) -> None:
    ended = services("-s", STEP)
    assert ended.code == 0, ended.output
    record = services.record
    assert (record.outcome, record.counts.passed, record.suite) == ("passed", 9, "compose_integration")
    assert record.place is not None
    assert record.place.name == "compose"
    assert {(one.name, one.image) for one in record.services} == {
        ("postgres-test", "postgres:15"),
        ("redis-test", "redis:7"),
        ("mock-admin", "mockserver/mockserver:5.15.0"),
        ("mock-storage", "mockserver/mockserver:5.15.0"),
    }
    assert all(one.ready is not None and one.ready > 0 for one in record.services)
    logs = folder(services) / "logs"
    assert "database system is ready to accept connections" in (logs / "postgres-test.log").read_text()
    assert "Ready to accept connections" in (logs / "redis-test.log").read_text()
    assert left(services) == []
    assert left_of_state(own_state) == []
    assert services("-s", "unit-3.10").code == 0
    assert services.record.testground == record.testground


def test_our_own_stack_passes_by_our_own_session(environment: dict[str, str]) -> None:
    nox = Nox(ROOT, environment)
    ended = nox("-s", STEP)
    assert ended.code == 0, ended.output
    record = next(store.read_record(run.path) for run in store.runs(ROOT) if run.session == STEP)
    assert (record.outcome, record.counts.passed, len(record.services)) == ("passed", 9, 4)


@pytest.mark.parametrize(
    "sessions",
    [
        pytest.param((STEP, "compose_integration-3.11"), id="two Pythons"),
        pytest.param(("compose_integration",), id="all Pythons", marks=pytest.mark.nightly),
    ],
)
def test_pythons_checkouts_and_a_stack_of_the_developers_own_do_not_meet(
    services: Nox, sessions: tuple[str, ...]
) -> None:
    write(services, CACHE)
    plain = ["docker", "compose", "-f", str(services.folder / "docker-compose.test.yml")]
    subprocess.run([*plain, "up", "--detach", "--wait", "cache"], check=True, capture_output=True)
    try:
        other = Nox(services.folder.with_name("other"), services.environment)
        shutil.copytree(services.folder, other.folder)
        beside = other.start("-s", STEP, "--", "-k", "environment")
        ended = services("-j", "2", "-s", *sessions, "--", "-k", "environment")
        output, _ = beside.communicate(timeout=600)
        up = subprocess.run([*plain, "ps", "--quiet", "cache"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*plain, "down", "-v"], check=True, capture_output=True)
    assert (ended.code, beside.returncode) == (0, 0), ended.output + output
    assert len(up.split()) == 1
    records = [store.read_record(run.path) for run in store.runs(services.folder)]
    assert [record.counts.passed for record in records] == [1] * len({record.python for record in records})
    assert len(records) >= 2
    assert left(services) == left(other) == []


def test_a_profile_that_is_not_asked_for_is_not_started(services: Nox) -> None:
    """Nor waited for, and neither is a service of which none is wanted."""
    none = {**ASKED, "deploy": {"replicas": 0}}
    write(services, {"cache": ASKED, "none": none, "more": {**ASKED, "profiles": ["more"]}})
    assert services("-s", STEP, "--", "-k", "environment").code == 0
    assert [one.name for one in services.record.services] == ["cache"]
    ended = services("-s", STEP, "--", "--profile", "more", "-k", "environment")
    assert sorted(one.name for one in services.record.services) == ["cache", "more"], ended.output


def test_a_dry_run_checks_the_file_and_starts_nothing(services: Nox) -> None:
    ended = services("-s", STEP, "--", "--dry-run")
    assert ended.code == 0, ended.output
    plan = json.loads(ended.output[ended.output.index("{") : ended.output.rindex("}") + 1])
    assert (plan["place"], plan["task"]["select"]) == ("compose", "integration")
    assert "test_password" not in ended.output
    assert list(store.runs(services.folder)) == []


def test_secrets_of_the_compose_file_are_in_no_record_and_no_log(services: Nox) -> None:
    (services.folder / "tests" / "test_shows.py").write_text(SHOWS)
    (services.folder / ".env").write_text(f"TOKEN={SECRET}\n")
    prints = {"command": ["sh", "-c", "echo $$API_TOKEN; exec redis-server"], "environment": {"API_TOKEN": "${TOKEN}"}}
    runner = {"image": "python:3.10-slim", "environment": {"API_TOKEN": "${TOKEN}"}}
    write(services, {"cache": {**ASKED, **prints}, "test-runner": runner})
    ended = services("-s", STEP, "--", "tests/test_shows.py")
    assert services.record.counts.failed == 1, ended.output
    texts = {path: path.read_text(errors="replace") for path in folder(services).rglob("*") if path.is_file()}
    assert "***" in texts[folder(services) / "logs" / "cache.log"]
    assert "***" in texts[folder(services) / "junit.xml"]
    assert [path.name for path, text in texts.items() if SECRET in text] == []
    assert SECRET not in ended.output


def test_the_runner_gives_the_tests_its_network_names_variables_and_volumes(services: Nox) -> None:
    (services.folder / "tests" / "test_given.py").write_text(
        "import os, pathlib, pytest, socket\n\n@pytest.mark.integration\ndef test_given():\n"
        "    assert os.environ['PRICE'] == '5$ each' and 'EMPTY' not in os.environ\n"
        "    assert socket.gethostbyname('elsewhere') == '192.0.2.7'\n"
        "    assert socket.gethostbyname('me') == socket.gethostbyname('test-runner')\n"
        "    assert pathlib.Path('/shared/made').read_text() == 'by a service\\n'\n"
        "    assert pathlib.Path('/usr/local/bin/built').exists() is False\n"
    )
    (services.folder / "Dockerfile").write_text("FROM redis:7\nRUN touch /usr/local/bin/built\n")
    volumes = ["shared:/shared"]
    once = {"image": "redis:7", "command": ["sh", "-c", "echo by a service > /shared/made"], "volumes": volumes}
    runner = {
        "image": "python:3.10-slim",
        "environment": {"PRICE": "5$$ each", "EMPTY": None, "PATH": "/nowhere"},
        "extra_hosts": ["elsewhere:192.0.2.7"],
        "networks": {"inner": {"aliases": ["me"]}},
        "volumes": volumes,
        "depends_on": {"once": {"condition": "service_completed_successfully"}},
    }
    built = {**ASKED, "image": None, "build": ".", "networks": ["inner"]}
    built["healthcheck"] = {**ASKED["healthcheck"], "test": ["CMD", "test", "-f", "/usr/local/bin/built"]}
    del built["image"]
    write(
        services,
        {"once": once, "built": built, "test-runner": runner},
        networks={"inner": {"internal": True}},
        volumes={"shared": {}},
    )
    ended = services("-s", STEP, "--", "tests/test_given.py")
    assert ended.code == 0, ended.output
    assert sorted(one.name for one in services.record.services) == ["built", "once"]
    assert left(services) == []


def test_a_service_without_a_health_check_is_waited_for_at_its_port(services: Nox) -> None:
    late = {"image": "redis:7", "command": ["sh", "-c", "sleep 3; exec redis-server --protected-mode no"]}
    write(services, {"late": {**late, "expose": ["6379"]}})
    code = "import pytest, redis\n\n@pytest.mark.integration\ndef test_late():\n    redis.Redis('late').ping()\n"
    (services.folder / "tests" / "test_late.py").write_text(code)
    ended = services("-s", STEP, "--", "tests/test_late.py")
    assert ended.code == 0, ended.output
    (late_one,) = services.record.services
    assert late_one.ready is not None
    assert late_one.ready >= 3


STACKS: dict[str, dict[str, Any]] = {
    "building": {"slow": {**ASKED, "image": None, "build": "."}},
    "waiting": {"never": {**ASKED, "healthcheck": {"test": ["CMD", "false"], "start_period": "600s"}}},
    "testing": {"cache": ASKED},
}


def start(nox: Nox, phase: str) -> subprocess.Popen[str]:
    """A run that has come to a phase: its services are starting or built or waited for, or a test hangs."""
    (nox.folder / "tests" / "test_hangs.py").write_text(HANGS)
    (nox.folder / "Dockerfile").write_text("FROM redis:7\nRUN echo begun && sleep 600\n")
    if phase in STACKS and not (phase == "testing" and (nox.folder / ".noxlib" / "compose").exists()):
        stack = {name: {key: value for key, value in one.items() if value} for name, one in STACKS[phase].items()}
        write(nox, stack)
    process = nox.start("-s", STEP, "--", "tests/test_hangs.py")

    def said(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in nox.folder.glob(".noxlib/runs/*/logs/compose.log"))

    come = {
        "starting": lambda: said(b"\n"),
        "building": lambda: said(b"begun"),
        "waiting": lambda: said(b"Started"),
        "testing": lambda: began(nox, "test_hangs"),
    }
    wait_until(come[phase], phase)
    return process
