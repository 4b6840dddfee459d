"""Machines that ssh reaches: a whole run there, what they refuse, and what is left when either side ends by force."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import msgspec
import pytest

from noxlib.engines.docker import Docker
from noxlib.engines.ssh import Connection, Target, greets, parse
from noxlib.engines.ssh_target import configuration
from noxlib.errors import EngineError, NoxlibError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import remote, remote_rootfs, unanswered
from noxlib.places.host import Command, Exit
from noxlib.places.ssh import SSHHost
from noxlib.plan import Limits
from noxlib.testground import rootfs

from .checks import left_of_state, processes_naming, read, told
from .conftest import Nox, kill_group, wait_until
from .hosts import IMAGE, World
from .ssh_host import ALIAS, Machine, listed, on_machine, running

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]
ROOT = Path(__file__).parents[2]
ALL = '[sanity]\nselect = ""\npython = "3.10"\n'
#: A tar that has no more than the first part of what it is to unpack before it is told to go on.
HALF = '#!/bin/sh\n{ head -c 1000000; until [ -e /go-on ]; do sleep 0.1; done; cat; } | exec "$0.whole" "$@"'
COMMANDS = "cat /proc/[0-9]*/cmdline 2>/dev/null || true"
UP_AND_WAIT = "import time; print('up', flush=True); time.sleep(300)"

pytestmark = [pytest.mark.docker, pytest.mark.ssh]


@pytest.fixture
def machine(ssh_host: Machine, environment: dict[str, str]) -> Machine:
    """The worker's machine, known to nox as well."""
    environment["NOXLIB_SSH_CONFIG"] = str(ssh_host.config)
    return ssh_host


@pytest.fixture
def mortal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Machine]:
    """A machine of the test's own, to be killed."""
    (tmp_path / "ssh").mkdir()
    for found in running(tmp_path / "ssh"):
        environment["NOXLIB_SSH_CONFIG"] = str(found.config)
        yield found


@pytest.fixture
def world(machine: Machine, tmp_path: Path) -> World:
    return World(tmp_path, "ssh", f"ssh-{secrets.token_hex(4)}").create()


def run(world: World, host: object, *argv: str, **options: object) -> tuple[Exit, str]:
    log = world.root / f"log-{secrets.token_hex(4)}"
    ended = host.run(Command(argv, log=log, echo=False, **options))  # type: ignore[attr-defined,arg-type]
    return ended, log.read_text()


def connections_of(machine: Machine) -> list[str]:
    """What ssh runs here for a machine: its own configuration is included, by whatever worker the alias is used."""
    lines = [line for line in processes_naming(ALIAS) if line.startswith("ssh -F ")]
    return [line for line in lines if _includes(Path(line.split()[2]), machine.config)]


def _includes(path: Path, own: Path) -> bool:
    try:
        return str(own) in path.read_text()
    except FileNotFoundError:  # it has ended meanwhile
        return False


def test_a_suite_runs_there_and_leaves_a_record_like_any_other(adopt: Adopt, machine: Machine) -> None:
    nox = adopt("src_layout", '[sanity]\nselect = "not integration and not vmtest"\npython = "3.10"\n')
    ended = nox("-s", "sanity", "--", f"root@{ALIAS}")
    assert ended.code == 0, ended.output
    record = nox.record
    assert (record.outcome, record.counts.passed, record.counts.deselected) == ("passed", 5, 1)
    assert record.place is not None
    assert (record.place.name, record.place.reason) == ("ssh", "asked for by --host")
    assert record.machine is not None
    assert record.machine.name == f"root@{ALIAS}"
    assert record.machine.system == "Debian GNU/Linux 12 (bookworm)"
    assert record.machine.kernel == os.uname().release
    assert (record.testground.digest or "").startswith("sha256:")
    assert record.imports["letters"] == "/workspace/src/letters/__init__.py"
    assert on_machine(record.run) == []
    assert connections_of(machine) == []


def test_the_script_runs_noxlibs_own_sanity_tests_there(machine: Machine, environment: dict[str, str]) -> None:
    argv = (str(ROOT / "scripts" / "run-sanity-tests"), f"root@{ALIAS}", "--python", "3.10")
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=800, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sanity passed: 5 passed in" in done.stdout


def test_options_may_follow_the_host_and_the_rest_is_pytests(adopt: Adopt, machine: Machine) -> None:
    nox = adopt("src_layout", ALL)
    ended = nox("-s", "sanity", "--", ALIAS, "--coverage", "-k", "needs_a_service")
    assert told(ended) == 3
    assert f"nox -s sanity -- --host {ALIAS} --python 3.10 tests/test_count.py::test_needs_a_service" in ended.output
    assert list((nox.folder / ".noxlib/runs").glob("*/coverage/.coverage*"))


def test_a_dry_run_asks_no_machine(adopt: Adopt) -> None:
    nox = adopt("flat", ALL)
    ended = nox("-s", "sanity", "--", "--dry-run", "root@192.0.2.1")
    assert ended.code == 0, ended.output
    assert '"target": "root@192.0.2.1"' in ended.output


def test_where_no_test_is_selected_it_is_no_success(adopt: Adopt, machine: Machine) -> None:
    nox = adopt("flat", '[sanity]\npython = "3.10"\n')
    ended = nox("-s", "sanity", "--", ALIAS)
    assert ended.code == 1
    assert nox.record.outcome == "no-tests"
    assert "paths and select in [tool.noxlib.sanity]" in ended.output


@pytest.mark.parametrize(
    ("host", "what", "todo"),
    [
        ("", "no host is named", "nox -s sanity -- root@host"),
        ("root@no-such-host.invalid", "there is no host no-such-host.invalid", "~/.ssh/config"),
        ("root@127.0.0.1:1", "no SSH server listens at root@127.0.0.1:1", "user@host:2222"),
        ("-oProxyCommand=touch x", "", ""),
        ("root@a;id", "'root@a;id' is no host", "write user@host"),
    ],
)
def test_what_is_no_host_is_answered_before_anything_is_built(
    adopt: Adopt, machine: Machine, host: str, what: str, todo: str
) -> None:
    nox = adopt("flat", ALL)
    ended = nox("-s", "sanity", "--", *([host] if host else []))
    assert told(ended) == 2
    assert what in ended.output
    assert todo in ended.output
    assert "locking" not in ended.output


def test_the_configuration_names_a_machine_as_well(adopt: Adopt, machine: Machine) -> None:
    nox = adopt("flat", f'{ALL}host = "{ALIAS}"\n')
    ended = nox("-s", "sanity")
    assert ended.code == 0, ended.output
    assert nox.record.place is not None
    assert nox.record.place.reason == f"configured: sanity.host = '{ALIAS}'"


def test_a_wrong_key_is_told(machine: Machine, tmp_path: Path) -> None:
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")), check=True)
    target = Target(machine.address, "root", identity=str(tmp_path / "other"))
    with pytest.raises(PlaceError, match="accepts none of your keys") as caught:
        Connection(target, known_hosts=tmp_path / "known").open()
    assert "authorized_keys" in caught.value.todo


def test_a_new_host_is_remembered_and_a_changed_one_refused(machine: Machine, tmp_path: Path) -> None:
    target = Target(machine.address, "root", identity=str(machine.key))
    known = tmp_path / "known hosts %h"
    config = tmp_path / "empty"
    config.write_text("")
    with Connection(target, known_hosts=known, config=config) as connection:
        assert connection.run(("id", "-un")).stdout == "root\n"
    lines = known.read_text().splitlines()
    assert lines
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")), check=True)
    key = (tmp_path / "other.pub").read_text().split()[:2]
    known.write_text(f"{machine.address} {' '.join(key)}\n")
    with pytest.raises(PlaceError, match="is not the one that is known") as caught:
        Connection(target, known_hosts=known, config=config).open()
    assert f"ssh-keygen -R '{machine.address}'" in caught.value.todo


def test_a_configuration_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOXLIB_SSH_CONFIG", str(tmp_path / "absent"))
    with pytest.raises(PlaceError, match="which is no file"):
        Connection(parse("root@127.0.0.1")).open()


def test_a_long_temporary_folder_is_no_hindrance(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with machine.connection() as connection:
        assert connection.run(("echo", "$HOME", "a  b")).stdout == "$HOME a  b\n"


def test_a_login_that_is_not_roots_is_refused(machine: Machine, world: World) -> None:
    machine.shell(
        "id ann >/dev/null 2>&1 || useradd -m -s /bin/sh ann; mkdir -p ~ann/.ssh; "
        "cp ~/.ssh/authorized_keys ~ann/.ssh/; chown -R ann ~ann/.ssh"
    )
    host = SSHHost(
        Connection(parse(f"ann@{ALIAS}")),
        lambda _: "/",
        run_id=world.run_id,
        checkout=world.checkout,
        run_folder=world.run_folder,
        ledger=world.ledger,
    )
    with pytest.raises(PlaceError, match="is no login of root"), host:
        pass
    assert connections_of(machine) == []


@pytest.mark.parametrize(
    ("options", "what"), [({"platform": "linux/arm64"}, "built for linux/arm64"), ({}, "cannot be entered")]
)
def test_a_machine_that_cannot_take_the_testground_is_told(world: World, options: dict[str, str], what: str) -> None:
    host = SSHHost(
        Connection(parse(ALIAS)),
        lambda _: "/no/such/folder",
        run_id=world.run_id,
        checkout=world.checkout,
        run_folder=world.run_folder,
        ledger=world.ledger,
        **options,  # type: ignore[arg-type]
    )
    with pytest.raises(NoxlibError, match=what), host:
        run(world, host, "true")
    assert on_machine(world.run_id) == []
    assert world.ledger.entries() == ()


def test_what_a_shell_says_by_itself_is_told(mortal: Machine) -> None:
    mortal.shell("sed -i '1i echo welcome' ~/.bashrc")
    with mortal.connection() as connection, pytest.raises(PlaceError, match="prints 'welcome' by itself"):
        remote.look(connection)


def test_a_secret_is_in_no_command_line_and_in_no_file(world: World, machine: Machine) -> None:
    secret = f"s3cret-{secrets.token_hex(8)}"
    code = f"import os; assert 's3cret' in os.environ['TOKEN']; {UP_AND_WAIT.replace('300', '3')}"
    with world.host() as host:
        command = Command(
            (host.python, "-c", code), {"TOKEN": secret}, log=world.root / "log", echo=False, secrets=(secret,)
        )
        thread = threading.Thread(target=host.run, args=(command,))
        thread.start()
        wait_until(lambda: (world.root / "log").exists() and (world.root / "log").read_text(), "the command's output")
        assert processes_naming(secret) == []
        pattern = secret.replace("3", "[3]", 1)  # which the search's own command line does not match
        there = machine.shell(f"cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c {pattern} || true")
        files = machine.shell(f"grep -rl {secret} /var/lib/noxlib/runs || true")
        thread.join()
    assert (int(there), files) == (0, "")


def test_without_a_network_there_is_a_loopback_only(world: World) -> None:
    code = (
        "import socket; a = socket.create_server(('127.0.0.1', 0)); socket.create_connection(a.getsockname()); "
        "print(sorted(name for _, name in socket.if_nameindex()))"
    )
    with world.host() as host:
        ended, text = run(world, host, host.python, "-c", code, limits=Limits(network=False))
        assert ended == Exit(0), text
        assert "eth0" not in text
        assert "eth0" in run(world, host, host.python, "-c", code)[1]


def test_the_size_of_shared_memory_is_kept_and_a_limit_of_memory_is_said_not_to_be(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = Limits(shm_size=4 << 20, memory=1 << 30)
    code = "import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize)"
    with world.host() as host:
        assert run(world, host, host.python, "-c", code, limits=limits) == (Exit(0), f"{4 << 20}\n")
    assert "the place ssh keeps the time limit, network, shm_size, devices only, not memory" in capsys.readouterr().out


def test_each_command_has_a_file_system_of_its_own(world: World) -> None:
    with world.host() as host:
        assert run(world, host, "sh", "-c", "echo x >/etc/own; rm -r /srv; echo y >/workspace/own")[0] == Exit(0)
        assert run(world, host, "sh", "-c", "ls -d /etc/own /srv; cat own")[1].splitlines()[1:] == ["/srv", "y"]
        assert run(world, host, "touch", "/opt/noxlib/lib/x")[0].code == 1


def test_a_command_that_kills_all_it_can_ends_itself_alone(world: World) -> None:
    with world.host() as host:
        assert run(world, host, "sh", "-c", "sh -c 'kill -9 -1'; echo unreachable") == (Exit(137, "signal"), "")
        assert run(world, host, "echo", "on") == (Exit(0), "on\n")


def test_a_server_that_takes_one_session_a_connection_is_good_enough(mortal: Machine, tmp_path: Path) -> None:
    # A second one: of the first, told to read its settings anew, nobody knows when it has.
    mortal.shell("/usr/sbin/sshd -o MaxSessions=1 -o PidFile=none -p 2222")
    with mortal.config.open("a") as stream:
        stream.write("  Port 2222\n")
    wait_until(lambda: greets(mortal.address, 2222), "the greeting of the second server")
    with mortal.connection() as connection:
        for number in range(3):
            assert connection.run(("echo", str(number))).stdout == f"{number}\n"
    assert connections_of(mortal) == []


def test_two_that_send_the_same_testground_at_once_meet_in_one(mortal: Machine, tmp_path: Path) -> None:
    docker = Docker.connect()
    image = docker.image(IMAGE)
    assert image is not None
    folders: list[str] = []

    def one() -> None:
        with mortal.connection() as connection:
            ledger = Ledger(tmp_path)
            folders.append(remote_rootfs.ensure(connection, ledger, image.id, lambda: rootfs.chunks(docker, IMAGE)))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [f"/var/lib/noxlib/testgrounds/{image.id.partition(':')[2]}"] * 2
    with mortal.connection() as connection:
        assert listed(connection, "testgrounds") == (image.id.partition(":")[2],)
    assert Ledger(tmp_path).entries() == ()


def test_a_full_disk_there_is_told_and_half_a_testground_is_none(mortal: Machine, tmp_path: Path) -> None:
    mortal.shell("mkdir /var/lib/noxlib && mount -t tmpfs -o size=20m small /var/lib/noxlib")
    docker = Docker.connect()
    image = docker.image(IMAGE)
    assert image is not None
    with mortal.connection() as connection:
        with pytest.raises(EngineError, match=f"the disk of {ALIAS} is full"):
            remote_rootfs.ensure(connection, Ledger(tmp_path), image.id, lambda: rootfs.chunks(docker, IMAGE))
        assert listed(connection, "testgrounds") == ()
    assert Ledger(tmp_path).entries() == ()


def test_a_disk_there_without_room_for_the_result_is_told(machine: Machine, world: World) -> None:
    fills = (
        "stream = open('/opt/noxlib/run/filler', 'wb', buffering=0)\ntry:\n    while stream.write(bytes(512)): pass\n"
        "except OSError: pass"
    )
    machine.shell("mkdir -p /var/lib/noxlib/runs && mount -t tmpfs -o size=4m small /var/lib/noxlib/runs")
    try:
        with world.host() as host, pytest.raises(EngineError, match=f"the disk of {ALIAS} is full") as caught:
            run(world, host, "python3", "-c", fills)
    finally:
        machine.shell("umount -l /var/lib/noxlib/runs")
    assert caught.value.cause == "disk-full"
    assert world.ledger.entries() == ()


def test_the_ca_bundle_of_this_machine_is_there_under_the_same_variable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.root / "bundle.pem").write_text("a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(world.root / "bundle.pem"))
    with world.host() as host:
        ended, said = run(world, host, "python3", "-c", "import os; print(open(os.environ['SSL_CERT_FILE']).read())")
    assert (ended, said) == (Exit(0), "a certificate\n")


def test_a_machine_that_vanishes_in_the_middle_is_lost_and_the_record_says_so(
    adopt: Adopt, mortal: Machine, own_state: Path
) -> None:
    nox = adopt("hangs", ALL)
    process = nox.start("-s", "sanity", "--", ALIAS, "-k", "test_hangs and not in_c")
    log = nox.folder / ".noxlib/runs"
    wait_until(lambda: any("collected" in read(path) for path in log.glob("*/logs/output.log")), "a test")
    mortal.kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert "was lost" in output
    assert "tried once more" not in output
    assert (nox.record.outcome, nox.record.cause) == ("error", "lost")
    left = [entry for entry in Ledger(own_state).entries() if entry.kind == remote.KIND]
    assert [entry.details["host"] for entry in left] == [ALIAS]
    assert connections_of(mortal) == []


def test_what_a_killed_run_left_there_goes_at_the_next_start_as_soon_as_the_machine_answers(
    adopt: Adopt, mortal: Machine, own_state: Path
) -> None:
    nox = adopt("hangs", ALL)
    process = nox.start("-s", "sanity", "--", ALIAS, "-k", "test_hangs and not in_c")
    log = nox.folder / ".noxlib/runs"
    wait_until(lambda: any("collected" in read(path) for path in log.glob("*/logs/output.log")), "a test")
    kill_group(process)
    process.communicate()
    wait_until(
        lambda: "supervise.py" not in mortal.shell(COMMANDS),
        "the end of the command there",
    )
    wait_until(lambda: connections_of(mortal) == [], "the end of the connection")
    assert mortal.shell("ls /var/lib/noxlib/runs")
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert f"removed the remote-folder {ALIAS}:/var/lib/noxlib/runs/" in ended.output
    assert mortal.shell("ls /var/lib/noxlib/runs") == ""
    assert left_of_state(own_state) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_half_a_testground_is_removed_by_the_next_start_at_the_latest(
    adopt: Adopt, mortal: Machine, own_state: Path, number: signal.Signals
) -> None:
    nox = adopt("flat", ALL)
    mortal.shell(f"tar=$(command -v tar); mv $tar $tar.whole; echo '{HALF}' >$tar; chmod +x $tar")
    process = nox.start("-s", "sanity", "--", ALIAS)
    assert process.stdout is not None
    assert any("sending the testground" in line for line in process.stdout)
    wait_until(lambda: mortal.shell("ls -A /var/lib/noxlib/testgrounds 2>/dev/null || true"), "half a testground")
    kill_group(process, number)
    mortal.shell("touch /go-on")
    process.communicate(timeout=300)
    wait_until(lambda: connections_of(mortal) == [], "the end of the connection")
    wait_until(lambda: "tar.whole" not in mortal.shell(COMMANDS), "the end of what unpacks there")
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert mortal.shell("ls -A /var/lib/noxlib/testgrounds") == ""
    assert left_of_state(own_state) == []


def test_a_machine_that_does_not_answer_is_not_asked_at_each_start(tmp_path: Path, machine: Machine) -> None:
    ledger = Ledger(tmp_path)
    silent = Connection(Target("127.0.0.1", "root", 1))
    entry = remote.note(ledger, silent, f"{remote.BASE}/runs/x")
    with pytest.raises(EngineError, match="no SSH server listens"):
        remote.remove_noted(entry, tmp_path)
    with pytest.raises(EngineError, match=r"did not answer \d+ min ago"):
        remote.remove_noted(entry, tmp_path)
    unanswered.ask_again(tmp_path)
    with pytest.raises(EngineError, match="no SSH server listens"):
        remote.remove_noted(entry, tmp_path)


def test_a_machine_that_is_gone_for_good_is_not_asked_for_ever(
    tmp_path: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = remote.note(Ledger(tmp_path), Connection(Target("127.0.0.1", "root", 1)), f"{remote.BASE}/runs/x")
    old = msgspec.structs.replace(entry, created=entry.created - unanswered.FORGET_SECONDS - 1)
    assert remote.remove_noted(old, tmp_path)
    assert "has not answered for 7 days" in capsys.readouterr().out


@pytest.mark.parametrize(
    "folder", ["/", "/var/lib/noxlib", "/var/lib/noxlib/runs", "/var/lib/noxlib/runs/../../x", "/etc/x"]
)
def test_nothing_is_removed_that_is_not_ours(machine: Machine, folder: str) -> None:
    with machine.connection() as connection, pytest.raises(EngineError, match="is no folder of noxlib's"):
        remote.remove(connection, folder)


def test_ctrl_c_brings_the_result_back_and_leaves_nothing(adopt: Adopt, machine: Machine) -> None:
    nox = adopt("hangs", ALL)
    process = nox.start("-s", "sanity", "--", ALIAS, "-v", "-k", "(test_passes or test_hangs) and not in_c")
    logs = nox.folder / ".noxlib/runs"  # a test has passed once the next begins: its mark comes before its teardown
    wait_until(lambda: any("::test_hangs" in read(path) for path in logs.glob("*/logs/output.log")), "the next test")
    kill_group(process, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert (nox.record.outcome, nox.record.counts.passed) == ("cancelled", 1)
    assert on_machine(nox.record.run) == []
    assert connections_of(machine) == []


def configured(tmp_path: Path, own: str, *options: str) -> dict[str, str]:
    """What ssh itself makes of our configuration with the user's own in it."""
    (tmp_path / "own").write_text(own)
    text = configuration(
        Target("box", identity=str(tmp_path / "a key")),
        control=tmp_path / "c",
        known_hosts=tmp_path / "known %h hosts",
        own=tmp_path / "own",
        seconds=7,
    )
    (tmp_path / "config").write_text(text)
    argv = ("ssh", "-G", "-F", str(tmp_path / "config"), *options, "box")
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def test_the_users_configuration_holds_but_for_what_the_connection_depends_on(tmp_path: Path) -> None:
    own = (
        "Host box\n  HostName 192.0.2.1\n  Port 2222\n  User ann\n  RemoteCommand tmux\n  RequestTTY force\n"
        "  ControlMaster auto\n  ControlPath /elsewhere\n  ForwardAgent yes\n  BatchMode no\n"
    )
    found = configured(tmp_path, own)
    assert (found["hostname"], found["port"], found["user"]) == ("192.0.2.1", "2222", "ann")
    assert (found["batchmode"], found["controlmaster"], found["forwardagent"]) == ("yes", "false", "no")
    assert found["controlpath"] == str(tmp_path / "c")
    assert found.get("remotecommand", "none") == "none"
    assert found["connecttimeout"] == "7"
    assert found["identityfile"] == str(tmp_path / "a key")


def test_a_new_hosts_key_is_accepted_unless_the_user_wants_otherwise(tmp_path: Path) -> None:
    assert configured(tmp_path, "")["stricthostkeychecking"] == "accept-new"
    assert configured(tmp_path, "StrictHostKeyChecking yes\n")["stricthostkeychecking"] == "true"
