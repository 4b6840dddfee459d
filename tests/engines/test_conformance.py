"""What every host promises, tried on each kind: the same calls, the same answers."""

from __future__ import annotations

import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from noxlib import ledger
from noxlib.errors import PlaceError
from noxlib.places import unanswered
from noxlib.places.host import Command, Exit, Host
from noxlib.places.leftovers import Removers
from noxlib.plan import Limits
from tests.engines.hosts import World, leftovers

ROOT = Path(__file__).parent.parent.parent
KINDS = [
    *(pytest.param(kind, marks=pytest.mark.docker) for kind in ("container", "bound", "remote")),
    pytest.param("compose", marks=(pytest.mark.docker, pytest.mark.compose)),
    pytest.param("ssh", marks=(pytest.mark.docker, pytest.mark.ssh)),
    *(pytest.param(kind, marks=(pytest.mark.docker, pytest.mark.vm)) for kind in ("vm", "vmtest")),
    pytest.param("apptainer", marks=(pytest.mark.docker, pytest.mark.slurm)),
    "venv",
]


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "ssh":
        request.getfixturevalue("ssh_host")
    if request.param == "apptainer":
        cluster = request.getfixturevalue("cluster")
        request.getfixturevalue("monkeypatch").setenv("NOXLIB_TESTBED_SLURM", str(cluster.state))
    return World(tmp_path, request.param, f"conformance-{secrets.token_hex(4)}").create()


def run(host: Host, code: str, log: Path, **options: Any) -> Exit:
    return host.run(Command((host.python, "-c", code), log=log, echo=False, **options))


def say(world: World, host: Host, code: str, **options: Any) -> str:
    """What Python code prints on a host."""
    log = world.root / f"log-{secrets.token_hex(4)}"
    ended = run(host, code, log, **options)
    assert ended == Exit(0), log.read_text()
    return log.read_text(encoding="utf-8")


def test_files_go_in_and_come_out(world: World) -> None:
    source = world.root / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "ä.txt").write_text("in")
    with world.host() as host:
        host.put(source / "deep" / "ä.txt", "one.txt")
        host.put(source, "folder")
        code = (
            f"import os, pathlib, shutil; root = pathlib.Path({host.scratch!r}); "
            "(root / 'result').mkdir(); (root / 'result' / 'ö').write_text((root / 'one.txt').read_text() + 'out'); "
            "shutil.copytree(root / 'folder', root / 'result' / 'again')"
        )
        say(world, host, code)
        host.get("result", world.root / "back")
        host.get("absent", world.root / "absent")
    assert (world.root / "back" / "ö").read_text() == "inout"
    assert (world.root / "back" / "again" / "deep" / "ä.txt").read_text() == "in"
    assert not (world.root / "absent").exists()


def test_the_program_that_runs_beside_the_tests_is_there(world: World) -> None:
    with world.host() as host:
        listed = say(world, host, f"import os; print(os.listdir({host.inside!r} + '/noxlib_inside'))")
    assert "run.py" in listed


@pytest.mark.parametrize("code", [0, 1, 3, 125, 127, 255])
def test_an_exit_code_is_the_commands_own(world: World, code: int) -> None:
    with world.host() as host:
        assert run(host, f"import sys; sys.exit({code})", world.root / "log") == Exit(code)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_told(world: World, number: int) -> None:
    with world.host() as host:
        ended = run(host, f"import os; os.kill(os.getpid(), {int(number)})", world.root / "log")
    assert ended == Exit(128 + number, "signal")


def run_into_deadline(world: World, code: str, *, listens: bool) -> tuple[Exit, str]:
    """A command that says ``up`` and is at work at its deadline: it gets more time where it was not up by then.

    One that ``listens`` has 5 s to end: where a busy machine gave it none of them it is killed, and tries again.
    """
    for factor in (1, 5, 25):
        log = world.root / f"log-{factor}"
        with world.host() as host:
            ended = run(host, code, log, limits=Limits(timeout=factor * (3 + 3 * world.slowness)))
        if "up\n" in log.read_text() and not (listens and ended == Exit(137, "timeout")):
            break
    return ended, log.read_text()


def test_at_the_deadline_the_command_may_still_write_its_result(world: World) -> None:
    code = (
        "import os, signal, sys, time\n"
        "def end(*_):\n    os.write(1, b'ending\\n'); sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, end); os.write(1, b'up\\n'); time.sleep(1000)"
    )
    assert run_into_deadline(world, code, listens=True) == (Exit(9, "timeout"), "up\nending\n")


def test_after_the_deadline_a_command_that_does_not_listen_is_killed(world: World) -> None:
    ignores = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"import signal, time; {ignores}; print('up', flush=True); time.sleep(1000)"
    assert run_into_deadline(world, code, listens=False) == (Exit(137, "timeout"), "up\n")


def test_output_keeps_its_order_and_its_bytes(world: World) -> None:
    code = "import os\nfor n in range(300): os.write(1 + n % 2, b'%d\\n' % n)\nos.write(2, 'ö ☃'.encode() + b'\\xff')"
    with world.host() as host:
        run(host, code, world.root / "log")
    expected = "".join(f"{number}\n" for number in range(300)).encode() + "ö ☃".encode() + b"\xff"
    assert (world.root / "log").read_bytes() == expected


def test_output_is_shown_as_it_comes(world: World, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with world.host() as host:
        host.run(Command((host.python, "-c", "print('seen ö')"), {"PYTHONUTF8": "1"}))
    assert "seen ö\n".encode() in capfdbinary.readouterr().out


def test_a_progress_dot_is_seen_before_its_line_ends(world: World) -> None:
    with child(world, "import time; print('.', end='', flush=True); time.sleep(1000)") as process:
        await_output(world, process)
        process.terminate()
        process.communicate(timeout=300)
    assert (world.root / "log").read_bytes() == b"."


def test_an_argument_is_an_argument(world: World) -> None:
    hostile = "$(touch /tmp/pwned) `id` ; 'ö' \" \\ \n *"
    with world.host() as host:
        log = world.root / "log"
        host.run(Command((host.python, "-c", "import sys; print(ascii(sys.argv[1]))", hostile), log=log, echo=False))
    assert log.read_text() == ascii(hostile) + "\n"


def test_the_environment_is_declared_and_not_the_callers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "VIRTUAL_ENV", "PYTHONPATH", "NOX_CURRENT_SESSION", "CI", "MY_SECRET"):
        monkeypatch.setenv(name, "leaked")
    code = (
        "import getpass, json, os, pathlib, pwd, sys; pathlib.Path.home().joinpath('f').write_text('x'); "
        "print(json.dumps([dict(os.environ), getpass.getuser(), os.getuid(), os.listdir(pathlib.Path.home()), "
        "sys.stdin.read(), pwd.getpwuid(os.getuid()).pw_name]))"
    )
    with world.host() as host:
        for _ in range(2):
            log = say(world, host, code, environment={"OWN": "ö=1 2", "LANG": "C.UTF-8"})
            environment, user, uid, home, stdin, account = json.loads(log)
    assert "leaked" not in environment.values()
    assert (environment["OWN"], environment["LANG"], environment["PYTHONDONTWRITEBYTECODE"]) == (
        "ö=1 2",
        "C.UTF-8",
        "1",
    )
    assert environment["USER"] == environment["LOGNAME"] == user == account
    assert (uid, stdin) == (world.uid, "")
    assert home == ["f"]


def test_the_workspace_is_the_checkout_as_it_is_now(world: World) -> None:
    (world.checkout / "new ö.txt").write_text("now")
    code = "import os; print(open('given.txt').read(), open('new ö.txt').read(), os.getcwd())"
    with world.host() as host:
        assert say(world, host, code, environment={"PYTHONUTF8": "1"}) == f"given now {host.workspace}\n"


def test_tests_may_write_and_delete_anything_and_the_checkout_stays(world: World) -> None:
    before = {path: path.read_text() for path in world.checkout.rglob("*") if path.is_file()}
    code = (
        "import os, shutil; open('given.txt', 'a').write('more'); shutil.rmtree('golden'); os.mkdir('made'); "
        "open('made/f', 'w').write('x'); os.chmod('made', 0)"
    )
    with world.host() as host:
        say(world, host, code)
    assert {path: path.read_text() for path in world.checkout.rglob("*") if path.is_file()} == before
    with world.host() as host:
        assert say(world, host, "import os; print(sorted(os.listdir('.')))") == "['given.txt', 'golden']\n"


def test_what_is_meant_to_come_back_comes_back(world: World, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "for name in ('.pytest_cache/v/last', '.hypothesis/x', 'golden/ö', 'other', '.git/hooks/evil', 'gone/f'):\n"
        "    os.makedirs(os.path.dirname(name) or '.', exist_ok=True); open(name, 'w').write(name)\n"
        "os.symlink('/etc/passwd', 'golden/link'); os.symlink('ö', 'golden/inner'); os.remove('golden/old')\n"
        "os.remove('given.txt')"
    )
    with world.host() as host:
        say(world, host, code, environment={"PYTHONUTF8": "1"})
        carried = host.write_back(("golden/**", ".git/**"), world.checkout)
    assert sorted(carried) == [".hypothesis/x", ".pytest_cache/v/last", "golden/inner", "golden/old", "golden/ö"]
    found = sorted(str(path.relative_to(world.checkout)) for path in world.checkout.rglob("*") if not path.is_dir())
    assert found == [".hypothesis/x", ".pytest_cache/v/last", "given.txt", "golden/inner", "golden/ö"]
    assert {path.stat().st_uid for path in world.checkout.rglob("*")} == {os.getuid()}


def test_prepared_files_are_laid_over_the_checkout(world: World) -> None:
    site, tree = world.root / "site", world.root / "tree"
    (site / "bin").mkdir(parents=True)
    (site / "bin" / "script").write_text("#!/bin/sh\necho script\n")
    (site / "bin" / "script").chmod(0o755)
    (tree / "pkg").mkdir(parents=True)
    (tree / "pkg" / "_version.py").write_text("version = 1\n")
    code = "import subprocess; print(open('pkg/_version.py').read(), subprocess.check_output(['script']))"
    with world.host(prepared_site=site, prepared_tree=tree) as host:
        assert say(world, host, code) == "version = 1\n b'script\\n'\n"
        say(world, host, "open('pkg/_version.py', 'w').write('changed')")
    assert (tree / "pkg" / "_version.py").read_text() == "version = 1\n"


def test_two_at_once_do_not_meet(world: World) -> None:
    code = (
        "import os, time; open('mine', 'x').close(); time.sleep(1); "
        "print(sorted(os.listdir('.')), len(os.listdir(os.environ['HOME'])))"
    )
    logs: list[str] = []

    def one() -> None:
        with world.host() as host:
            logs.append(say(world, host, code))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logs == ["['given.txt', 'golden', 'mine'] 0\n"] * 2
    assert leftovers(world) == []


def test_nothing_of_a_command_outlives_it(world: World) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])"
    )
    with world.host() as host:
        assert run(host, code, world.root / "log") == Exit(0)  # the children sleep on; nobody waits for them
    assert leftovers(world) == []


def test_an_exception_leaves_nothing(world: World) -> None:
    def fail() -> None:
        with world.host() as host:
            run(host, "open('f', 'w').close()", world.root / "log")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert leftovers(world) == []


def child(world: World, code: str) -> subprocess.Popen[bytes]:
    """A process that runs code in a host, once that has begun to print."""
    argv = (sys.executable, "-m", "tests.engines.hosts", str(world.root), world.kind, world.run_id, code)
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def await_output(world: World, process: subprocess.Popen[bytes], wanted: bytes = b"") -> None:
    """Wait until it has printed that, or anything."""
    log = world.root / "log"
    while not (log.exists() and (shown := log.read_bytes()) and wanted in shown):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_fifty_megabytes_of_output_cost_little_memory(world: World) -> None:
    with child(world, "import os\nfor _ in range(800): os.write(1, b'x' * 65535 + b'\\n')") as process:
        out, err = process.communicate(timeout=600)
    assert (world.root / "log").stat().st_size == 800 * 65536, err
    code, kilobytes = out.split()[-2:]
    assert code == b"0"
    assert int(kilobytes) < 120 * 1024


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_command_end_and_leaves_nothing(world: World, number: int) -> None:
    code = (
        "import os, signal, sys, time\n"  # what prints cannot print once more in its own signal handler
        "def end(*_):\n    os.write(1, b'result\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); os.write(1, b'up\\n'); time.sleep(1000)"
    )
    with child(world, code) as process:
        await_output(world, process)
        process.send_signal(number)
        process.communicate(timeout=300)
    assert process.returncode != 0
    assert (world.root / "log").read_text() == "up\nresult\n"
    assert leftovers(world) == []


def test_a_second_ctrl_c_does_not_wait(world: World) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'told\\n')); os.write(1, b'up\\n'); time.sleep(1000)"
    )
    with child(world, code) as process:
        await_output(world, process)
        process.send_signal(signal.SIGINT)
        await_output(world, process, b"told\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)  # the first one alone would wait for longer
    assert leftovers(world) == []


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_live_one_is_not_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unanswered, "REAP_SECONDS", 120.0)  # a machine that is busy is none that is gone
    other = World(world.root, world.kind, f"{world.run_id}-live")
    with other.host() as host, child(world, "import time; print('up', flush=True); time.sleep(1000)") as process:
        await_output(world, process)
        process.kill()
        process.communicate()
        reaped = ledger.reap(world.ledger, Removers(world.ledger).by_kind())
        assert {done.outcome for done in reaped} == {"removed"}
        assert say(other, host, "print(open('given.txt').read())") == "given\n"
    assert leftovers(world) == []


def test_a_missing_program_is_an_exit_code_or_two_lines(world: World) -> None:
    from noxlib.errors import EngineError

    with world.host() as host:
        try:
            ended = host.run(Command(("no-such-program",), log=world.root / "log", echo=False))
        except EngineError as error:
            assert "no-such-program" in error.what  # noqa: PT017 - one of two right answers
        else:
            assert ended == Exit(127)
    assert leftovers(world) == []


def test_a_terminal_is_a_terminal_and_gives_the_exit_code(world: World) -> None:
    if world.kind == "vmtest":  # the one place that has none says so
        with world.host() as host, pytest.raises(PlaceError, match="no terminal"):
            host.run(Command(("true",), terminal=True))
        return
    code = (
        "import sys; name = input('name? '); print('hello', name, sys.stdin.isatty(), sys.stdout.isatty()); sys.exit(5)"
    )
    argv = (sys.executable, "-m", "tests.engines.hosts", str(world.root), world.kind, world.run_id, code)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, argv)
    shown = read_until(terminal, b"name? ")
    os.write(terminal, b"ann\n")
    shown += read_until(terminal, None)
    assert b"hello ann True True" in shown
    assert shown.split()[-2] == b"5"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert leftovers(world) == []


def read_until(terminal: int, wanted: bytes | None) -> bytes:
    """What a terminal shows until a text, or its end."""
    shown = b""
    while wanted is None or wanted not in shown:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux tells the end of a terminal so
            break
        if not chunk:
            break
        shown += chunk
    return shown
