"""Projects in folders of their own, and nox run in them as a user would."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import msgspec
import pytest

from noxlib.ledger import state_folder
from noxlib.records import store
from noxlib.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.engines.clusters import Cluster
    from tests.engines.publishers import Publisher
    from tests.engines.registries import RegistryServer
    from tests.engines.ssh_host import Machine

PROJECTS = Path(__file__).resolve().parent.parent / "projects"
NOXFILE = "import noxlib\n\nnoxlib.register()\n"
DEADLINE = 800.0
#: What takes longest begins first: the end of a run does not wait for one test alone.
FIRST = ("test_own_suite.py", "test_real_projects.py", "test_equal_records.py", "test_kill.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first; all else stays in its order."""
    places = {name: at for at, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST)))


class Ended(msgspec.Struct, frozen=True):
    """How a call of nox ended: code, and all that it printed."""

    code: int
    output: str


class Nox:
    """nox in one project's folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**environment}
        self.deadline = DEADLINE

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "nox", "--no-color", *words]

    def __call__(self, *words: str, **variables: str) -> Ended:
        """Run nox with these words and further environment variables; stdout and stderr in order."""
        done = subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.deadline,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start nox in a process group of its own."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def record(self) -> Record:
        """The newest run's record."""
        return store.read_record(store.runs(self.folder)[0].path)

    def events(self) -> str:
        """The newest run's report, as text."""
        return (store.runs(self.folder)[0].path / "report.jsonl").read_text()


def kill_group(process: subprocess.Popen[Any], number: int = signal.SIGKILL) -> None:
    """Signal a started nox and all that it started, but what the engine runs."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def killed_within(start: Callable[[], subprocess.Popen[str]], span: float, share: float) -> float:
    """Kill a run at a share of its length, of so many seconds; the length, as it is known then.

    One that has ended before, because the machine is less busy now, says how long it takes, and another is started
    that has a little less.
    """
    for attempt in range(10):
        process, began = start(), time.monotonic()
        try:
            process.communicate(timeout=span * share * 0.9**attempt)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.communicate(timeout=300)
            return span
        span = time.monotonic() - began
    raise AssertionError(f"it always ended before {share:.2f} of the seconds that it took before")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 600.0) -> None:
    """Wait for a condition; fails by name when it does not come, be the machine as busy as it may."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.05)


def settled(look: Callable[[], list[str]], seconds: float = 60.0) -> list[str]:
    """What a look at processes still finds when those that were killed have had time to be gone."""
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without what configures noxlib or says that this is CI: each test says so itself."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("NOXLIB_") or key == "NOXLIB_CACHE_DIR"
    }
    kept.pop("CI", None)
    return kept


@pytest.fixture
def adopt(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Nox]:
    """Copy a project of ours, give it the two-line noxfile and more configuration; nox in its folder."""

    def adopted(name: str, configuration: str = "", folder: str = "project") -> Nox:
        target = tmp_path / folder
        shutil.copytree(PROJECTS / name, target)
        (target / "noxfile.py").write_text(NOXFILE)
        if configuration:
            (target / "noxlib.toml").write_text(configuration)
        return Nox(target, environment)

    return adopted


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Path:
    """A state folder of this test's own, for tests that count what is left in it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(folder))
    environment["NOXLIB_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def machines() -> Path:
    """Where golden images, disks and saved RAM lie that all tests share."""
    folder = state_folder() / "machines"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def own_ledger(machines: Path, own_state: Path) -> Path:
    """A state folder of this test's own, but for the machines: what it leaves waits for its own reap."""
    own_state.mkdir()
    (own_state / "machines").symlink_to(machines)
    return own_state


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """A file system in memory of so many KiB at a folder below ``tmp_path``; mounting needs root."""
    mounted: list[Path] = []

    def mount(name: str, size: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "noxlib-test", folder], check=True)
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="session")
def ssh_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with sshd that ``NOXLIB_SSH_CONFIG`` knows as ``ALIAS``, one for all tests of a worker."""
    from tests.engines import ssh_host

    for machine in ssh_host.running(tmp_path_factory.mktemp("ssh")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NOXLIB_SSH_CONFIG", str(machine.config))
            yield machine


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry, one for all tests of a worker; each has a repository of its own there."""
    from tests.engines.registries import RegistryServer

    server = RegistryServer(tmp_path_factory.mktemp("registry") / "own").start()
    yield server
    server.kill()


@pytest.fixture
def publisher(
    adopt: Callable[..., Nox],
    registry_server: RegistryServer,
    environment: dict[str, str],
    request: pytest.FixtureRequest,
) -> Iterator[Publisher]:
    """A project that publishes there."""
    from tests.engines.publishers import publishing

    with publishing(adopt, registry_server, environment, request.node.name) as publisher:
        yield publisher


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A simulated Slurm cluster of this test process' own."""
    from noxlib.engines.docker import Docker
    from noxlib.engines.slurm_cluster import Simulation
    from tests.engines.clusters import Cluster

    state = tmp_path_factory.mktemp("slurm")
    simulation = Simulation(Docker.connect(), state)
    simulation.build()
    simulation.up()
    yield Cluster(simulation, state)
    simulation.down()
