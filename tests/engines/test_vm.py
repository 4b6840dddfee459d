"""Virtual machines on real QEMU and real vmtest: the session, saved RAM, and what happens when a machine does not."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import msgspec
import pytest

from noxlib.engines import accelerator, golden, qemu, savedram
from noxlib.engines.docker import Docker
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger, state_folder
from noxlib.places import machines
from noxlib.places.host import Command
from noxlib.places.vm import VM
from noxlib.places.vmtest import Vmtest
from noxlib.records import store
from noxlib.testground import disk
from tests.engines.checks import processes_naming
from tests.engines.conftest import Nox, settled, wait_until
from tests.engines.hosts import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.places.host import Host
    from noxlib.places.machines import Wanted

pytestmark = [pytest.mark.docker, pytest.mark.vm]
RUNGS = ["qemu", "vmtest"]
RUN = f"test-vm-{secrets.token_hex(4)}"  #: of this process of pytest-xdist alone
WAITS = """
import time, pytest

@pytest.mark.vmtest
def test_waits():
    print("waiting now", flush=True)
    time.sleep(3000)
"""


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    docker = Docker.connect()
    image = docker.image(IMAGE)
    assert image is not None
    made = golden.find_or_make(machines.say)
    drive = disk.find_or_make(docker, image.id, "python", machines.say)
    docker.close()
    return machines.Wanted(made, drive, qemu.Shape(accelerator.choose(made, machines.say).accelerator, cpus=1))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[qemu.Files]:
    ledger = Ledger(tmp_path / "state")
    with machines.folder(ledger, RUN) as made:
        yield made
    assert list((tmp_path / "state" / "vms").iterdir()) == []
    assert ledger.entries() == ()


def host(wanted: Wanted, rung: str, tmp_path: Path, state: Path | None = None) -> Host:
    checkout = tmp_path / "checkout"
    checkout.mkdir(exist_ok=True)
    place = VM if rung == "qemu" else Vmtest
    ledger = Ledger(state or tmp_path / "state")
    found = place(wanted, run_id=RUN, checkout=checkout, run_folder=tmp_path / "run", python="python", ledger=ledger)
    assert isinstance(found, (VM, Vmtest))
    return found


def of_run(name: str) -> list[str]:
    """The processes of a run's machines."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{qemu.MARK}={name}-".encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found


def left(name: str) -> list[str]:
    """What is there of a run's machines after its end: processes, and their files."""
    return settled(lambda: of_run(name)) + [str(path) for path in overlays(name)]


def overlays(name: str) -> list[Path]:
    return list((state_folder() / "vms").glob(f"{name}-*"))


def waiting(nox: Nox, rung: str) -> subprocess.Popen[str]:
    """nox in the middle of a test on a machine, and the name of its run."""
    (nox.folder / "tests" / "test_waits.py").write_text(WAITS)
    process = nox.start("-s", "vmtest-3.10", "--", "--rung", rung, "--", "-s", "tests/test_waits.py")
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting now" in line:
            return process
    raise AssertionError("the test did not begin")


@pytest.mark.parametrize("rung", RUNGS)
def test_tests_that_only_root_on_a_machine_can_pass_do(adopt: Callable[..., Nox], rung: str) -> None:
    nox = adopt("root_only")
    ended = nox("-s", "vmtest-3.10", "--", "--rung", rung)
    assert ended.code == 0, ended.output
    record = nox.record
    assert record.outcome == "passed"
    assert (record.counts.passed, record.counts.deselected) == (5, 1)
    assert record.place is not None
    assert record.place.name == {"qemu": "vm", "vmtest": "vmtest"}[rung]
    assert (record.testground.digest or "").startswith("sha256:")
    assert record.machine is not None
    assert record.machine.accelerator in {"kvm", "tcg"}
    assert record.machine.image == golden.key()
    assert record.machine.kernel.startswith("6.")
    assert record.machine.system.startswith("Debian")
    assert (record.machine.ready or 0) > 0
    assert left(record.run) == []


@pytest.mark.parametrize("rung", RUNGS)
def test_a_machine_that_is_killed_in_the_middle_is_lost_and_not_tried_again(
    adopt: Callable[..., Nox], rung: str
) -> None:
    nox = adopt("root_only")
    with waiting(nox, rung) as process:
        name = store.runs(nox.folder)[0].path.name
        for pid in of_run(name):
            with contextlib.suppress(OSError):  # another of them has ended meanwhile
                if Path(f"/proc/{pid}/comm").read_text().startswith("qemu"):
                    os.kill(int(pid), signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "ended in the middle of the run" in output
    assert "Traceback" not in output
    assert (nox.record.outcome, nox.record.cause, nox.record.attempts) == ("error", "lost", 1)
    assert left(name) == []


@pytest.mark.parametrize("rung", RUNGS)
def test_ctrl_c_ends_the_tests_and_the_machine(adopt: Callable[..., Nox], rung: str) -> None:
    nox = adopt("root_only")
    with waiting(nox, rung) as process:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=300)
    name = store.runs(nox.folder)[0].path.name
    assert process.returncode != 0
    assert nox.record.outcome == "cancelled"
    assert "test_waits" in nox.events()  # the result came back
    assert left(name) == []


@pytest.mark.parametrize("rung", RUNGS)
def test_a_killed_session_leaves_no_machine_and_the_next_removes_its_disks(
    adopt: Callable[..., Nox], own_ledger: Path, rung: str
) -> None:
    nox = adopt("root_only")
    with waiting(nox, rung) as process:
        name = store.runs(nox.folder)[0].path.name
        assert of_run(name) != []
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: of_run(name) == [], "the end of the machine")
    assert overlays(name) != []
    ended = nox("-s", "reap")
    assert "removed the vm " in ended.output
    assert overlays(name) == []


def test_a_project_without_such_tests_is_told_so(adopt: Callable[..., Nox]) -> None:
    nox = adopt("root_only")
    settings = nox.folder / "pyproject.toml"
    own = 'select = "vmtest and absent"\nsaved_ram = false\nmemory = "384m"'
    settings.write_text(settings.read_text().replace("cpus = 1", own))
    ended = nox("-s", "vmtest-3.10")
    assert ended.code == 1, ended.output
    assert nox.record.outcome == "no-tests"


def test_a_terminal_is_refused_where_vmtest_gives_none(adopt: Callable[..., Nox]) -> None:
    ended = adopt("root_only")("-s", "vmtest-3.10", "--", "--rung", "vmtest", "--pdb")
    assert ended.code == 1
    assert "terminal" in ended.output
    assert "Traceback" not in ended.output


def test_the_plan_names_the_place(adopt: Callable[..., Nox]) -> None:
    ended = adopt("root_only")("-s", "vmtest-3.10", "--", "--rung", "vmtest", "--dry-run")
    assert ended.code == 0
    assert '"place": "vmtest"' in ended.output


def test_golden_image_says_what_is_there(adopt: Callable[..., Nox], wanted: Wanted) -> None:
    ended = adopt("root_only")("-s", "golden_image")
    assert ended.code == 0
    assert f"{golden.key()}: Debian bookworm, kernel 6.1" in ended.output


def test_a_golden_image_whose_making_is_killed_leaves_nothing(adopt: Callable[..., Nox], own_state: Path) -> None:
    nox = adopt("root_only")
    process = nox.start("-s", "golden_image")
    building = own_state / "machines" / "building"
    wait_until(lambda: makers(own_state) and list(building.glob("*/root-*/root/usr")), "the root file system")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: makers(own_state) == [], "the end of mmdebstrap")
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert list(building.iterdir()) == []


def makers(state: Path) -> list[str]:
    """The processes that make a golden image below a state folder."""
    return processes_naming(str(state))


def test_a_machine_that_never_boots_is_given_up_at_the_deadline(wanted: Wanted, files: qemu.Files) -> None:
    machines.overlays(wanted, files, None)
    words = [*qemu.argv(wanted.made, wanted.shape, files), "-S"]  # its CPUs stand still
    with qemu.Machine(words, files, files.folder.name) as machine:
        with machine.qmp() as connection:
            port = connection.port()
        with pytest.raises(EngineError, match="did not boot within 2 s"):
            machine.await_ssh(port, 2)
        assert machine.alive
    assert settled(lambda: of_run(RUN)) == []


def test_a_kernel_that_finds_no_disk_ends_and_says_why(wanted: Wanted, files: qemu.Files) -> None:
    machines.overlays(wanted, files, None)
    files.root.unlink()
    golden.tool(("qemu-img", "create", "-q", "-f", "qcow2", str(files.root), "1G"))
    words = qemu.argv(wanted.made, wanted.shape, files)
    with qemu.Machine(words, files, files.folder.name) as machine:
        with machine.qmp() as connection:
            port = connection.port()
        with pytest.raises(EngineError, match="ended before the machine was up") as caught:
            machine.await_ssh(port, 600)
    assert "no root file system" in caught.value.todo


@pytest.mark.parametrize("rung", RUNGS)
def test_damaged_saved_ram_is_said_and_the_machine_boots_cold(
    wanted: Wanted, tmp_path: Path, rung: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = savedram.find_or_make(wanted.made, msgspec.structs.replace(wanted.shape, rung=rung), machines.say)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "state").write_bytes(whole.state.read_bytes()[:1_000_000])
    (damaged / "root.qcow2").symlink_to(whole.root)
    monkeypatch.setattr(machines, "saved", lambda _: msgspec.structs.replace(whole, folder=damaged))
    monkeypatch.setattr(qemu, "RESUME_SECONDS", 8.0)
    with host(wanted, rung, tmp_path) as entered:
        ended = entered.run(Command(("true",), echo=False))
    assert ended.code == 0
    assert "does not go on from saved RAM" in capfd.readouterr().out


def test_machines_that_go_on_from_the_same_ram_do_not_share_their_random_numbers(
    wanted: Wanted, tmp_path: Path
) -> None:
    seen = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        log = folder / "log"
        with host(wanted, "qemu", folder) as entered:
            entered.run(Command(("python", "-c", "import os; print(os.urandom(16).hex())"), echo=False, log=log))
        seen.append(log.read_text())
    assert len(set(seen)) == 2


def test_a_machine_that_went_on_from_saved_ram_knows_the_time(wanted: Wanted, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with host(wanted, "vmtest", tmp_path) as entered:
        before = time.time()
        entered.run(Command(("python", "-c", "import time; print(time.time())"), echo=False, log=log))
    assert before - 60 < float(log.read_text()) < time.time() + 60


@pytest.mark.parametrize("rung", RUNGS)
def test_a_full_disk_under_the_machine_is_said(
    wanted: Wanted, tmp_path: Path, rung: str, disk: Callable[[str, int], Path]
) -> None:
    small = disk("small", 48 * 1024)
    code = "import os\nwith open('large', 'wb') as f:\n    f.write(bytes(60_000_000)); os.fsync(f.fileno())"
    with pytest.raises(PlaceError, match="is full") as caught, host(wanted, rung, tmp_path, small) as entered:
        entered.run(Command(("python", "-c", code), echo=False))
    assert caught.value.cause == "disk-full"
    # Refused while any process has a file there open to write, be it removed.
    subprocess.run(("mount", "-o", "remount,ro", small), check=True)


def test_without_qemu_two_lines_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="not on PATH") as caught:
        qemu.version()
    assert "apt-get install" in caught.value.todo
