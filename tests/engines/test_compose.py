"""``compose_integration``: real services, up until they are ready, the tests among them, down; whatever goes wrong."""

from __future__ import annotations

import gc
import json
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker
from noxlib.records import store

from .checks import began, left_in_engine, left_of_state, processes_of, told
from .conftest import Nox, kill_group, wait_until
from .test_container import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.records.record import Record

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


@pytest.fixture(autouse=True)
def _connections_closed() -> Iterator[None]:
    yield
    gc.collect()


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
    assert all(one.ready is not None and 0 < one.ready < 120 for one in record.services)
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
    write(services, {"cache": ASKED, "more": {**ASKED, "profiles": ["more"]}})
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


def test_a_service_of_which_none_is_wanted_is_not_waited_for(services: Nox) -> None:
    write(services, {"cache": ASKED, "none": {**ASKED, "deploy": {"replicas": 0}}})
    assert services("-s", STEP, "--", "-k", "environment").code == 0
    assert [one.name for one in services.record.services] == ["cache"]


def test_what_dead_runs_left_is_found_by_its_labels_as_well(services: Nox, own_state: Path) -> None:
    process = start(services, "testing")
    kill_group(process)
    process.communicate(timeout=60)
    shutil.rmtree(own_state / "ledger")
    assert left(services) != []
    assert services("-s", "reap").code == 0
    assert left(services) == []


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "exits 1": (
        {**CACHE, "bad": {"image": "redis:7", "command": ["sh", "-c", "echo first >&2; echo no disk >&2; exit 1"]}},
        "the service bad ended with 1 before the services were ready",
    ),
    "exits 0": (
        {**CACHE, "bad": {"image": "redis:7", "command": ["true"]}},
        "the service bad ended with 0 before the services were ready",
    ),
    "loops": (
        {**CACHE, "bad": {"image": "redis:7", "restart": "always", "command": ["sh", "-c", "exit 3"]}},
        "the service bad ends again and again, last with 3",
    ),
    "eats memory": (
        {"bad": {"image": "redis:7", "mem_limit": "16m", "command": ["tail", "/dev/zero"]}},
        "the service bad was killed for lack of memory before the services were ready",
    ),
    "no image": ({"bad": {"image": "localhost:1/absent:1"}}, "the services could not be started"),
    "unhealthy": (
        {"bad": {"image": "redis:7", "healthcheck": {"test": ["CMD", "false"], "interval": "300ms", "retries": 2}}},
        "the service bad is unhealthy before the services were ready",
    ),
    "unknown command": ({"bad": {"image": "redis:7", "command": ["no-such-program"]}}, "no-such-program"),
    "mounts nothing": (
        {"bad": {**ASKED, "volumes": ["./absent.json:/x.json"]}},
        "absent.json, which does not exist",
    ),
    "no service": ({}, "has no service beside test-runner"),
    "a cycle": ({"a": {**ASKED, "depends_on": ["b"]}, "b": {**ASKED, "depends_on": ["a"]}}, "cycle"),
    "an unknown key": ({"bad": {"image": "redis:7", "imagine": 1}}, "imagine"),
    "a variable": ({"bad": {"image": "redis:${ABSENT_VERSION:?is not set}"}}, "ABSENT_VERSION"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_in_the_services_is_two_lines_and_leaves_nothing(services: Nox, name: str) -> None:
    stack, text = BROKEN[name]
    write(services, stack)
    start = time.monotonic()
    ended = services("-s", STEP)
    assert time.monotonic() - start < 90
    assert told(ended) == 2, ended.output
    assert text in ended.output
    assert (services.record.outcome, services.record.attempts) == ("error", 1)
    assert left(services) == []


def test_the_last_lines_of_a_service_that_failed_are_shown_and_its_log_is_kept(services: Nox) -> None:
    write(services, BROKEN["exits 1"][0])
    ended = services("-s", STEP)
    assert "  bad | first\n  bad | no disk\n" in ended.output
    assert (folder(services) / "logs" / "bad.log").read_text() == "first\nno disk\n"


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


def refused(nox: Nox, *words: str, **variables: str) -> str:
    ended = nox("-s", STEP, *words, **variables)
    assert told(ended) == 2, ended.output
    return ended.output


def test_what_cannot_be_had_is_two_lines(services: Nox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "a port of this machine that the services want is taken" in refused(services, REDIS_TEST_PORT=port)
    assert services.record.cause == "port"
    assert left(services) == []
    assert "has no service 'x'; it has mock-admin" in refused(services, NOXLIB_COMPOSE_INTEGRATION_RUNNER="x")
    assert "has no profile 'x'; it has integration" in refused(services, "--", "--profile", "x")
    assert "there is no x.yml" in refused(services, NOXLIB_COMPOSE_INTEGRATION_FILE="x.yml")
    assert "no container engine answers" in refused(services, DOCKER_HOST="unix:///run/nothing.sock")
    bare = shutil.which("nox") or "nox"
    assert "no docker command with compose is on PATH" in refused(services, PATH=str(Path(bare).parent))
    (services.folder / "docker-compose.test.yml").write_text("services: [")
    assert "docker-compose.test.yml: " in refused(services)


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("starting", signal.SIGTERM),
        ("building", signal.SIGINT),
        ("waiting", signal.SIGINT),
        ("testing", signal.SIGINT),
        ("testing", signal.SIGTERM),
    ],
)
def test_a_signal_in_any_phase_leaves_nothing(services: Nox, own_state: Path, phase: str, number: int) -> None:
    process = start(services, phase)
    kill_group(process, number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Traceback" not in output, output
    assert services.record.outcome == "cancelled"
    assert left(services) == []
    assert left_of_state(own_state) == []
    assert processes_of(own_state) == []


def test_a_signal_while_all_is_taken_down_leaves_nothing_for_the_next_start(services: Nox, own_state: Path) -> None:
    write(services, CACHE)
    process = services.start("-s", STEP, "--", "-k", "environment")
    wait_until(lambda: any(services.folder.glob(".noxlib/runs/*/result/junit.xml")), "the end of the tests")
    kill_group(process, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert "Traceback" not in output, output
    assert services("-s", "reap").code == 0
    assert left(services) == []
    assert left_of_state(own_state) == []


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
    runs = nox.folder / ".noxlib" / "runs"

    def said(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in runs.glob("*/logs/compose.log"))

    come = {
        "starting": lambda: said(b"\n"),
        "building": lambda: said(b"begun"),
        "waiting": lambda: said(b"Started"),
        "testing": lambda: began(nox, "test_hangs"),
    }
    wait_until(come[phase], phase, 300)
    return process


@pytest.mark.parametrize("moments", [3, pytest.param(10, marks=pytest.mark.nightly)])
def test_whenever_a_run_is_killed_the_next_start_leaves_nothing_of_it(
    services: Nox, own_state: Path, moments: int
) -> None:
    chance = random.Random(moments)
    begin = time.monotonic()
    assert services("-s", STEP).code == 0
    span = time.monotonic() - begin
    wrong = []
    for number in range(moments):
        process = services.start("-s", STEP)
        time.sleep(span * (number + chance.random()) / moments)
        kill_group(process)
        process.communicate(timeout=60)
        ended = services("-s", "reap")
        found = [*left(services), *left_of_state(own_state), *processes_of(own_state)]
        if ended.code or found:
            wrong.append(f"{number}: {found}\n{ended.output}")
    assert not wrong, "\n".join(wrong)


def test_an_engine_that_stops_in_the_middle_is_told_and_the_services_go_when_it_is_back(
    services: Nox, own_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("e")  # a socket's path is short
    socket_ = Docker.connect().endpoint.url.partition("://")[2]
    relay = Relay(place, socket_)
    services.environment["DOCKER_HOST"] = f"unix://{relay.path}"
    process = start(services, "testing")
    relay.cut()
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert f"the engine at unix://{relay.path} stopped" in output
    record: Record = services.record
    assert (record.outcome, record.cause) == ("error", "lost")
    assert left(services) != []
    back = Relay(place, socket_)
    ended = services("-s", "reap")
    assert ended.code == 0, ended.output
    assert left(services) == []
    assert left_of_state(own_state) == []
    back.cut()
