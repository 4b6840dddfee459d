"""The supervisor of a command on a machine that is entered from afar: how it ends, and that nothing outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

INSIDE = Path(__file__).parents[3] / "noxlib" / "inside"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
GENTLE = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); print('up', flush=True); "
    "time.sleep(600)"
)


#: Runs the supervisor with a clock that stands still, but for an hour once a file is there.
WITH_A_CLOCK = """
import os, runpy, sys, time
later = sys.argv.pop(1)
time.monotonic = lambda: 3600.0 * os.path.exists(later)
if sys.argv.pop(1) == "slowly":  # the start returns only when it is later: the command was quicker
    import subprocess
    class Slow(subprocess.Popen):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            while not os.path.exists(later):
                time.sleep(0.01)
    subprocess.Popen = Slow
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Supervised:
    """A supervisor that was started, its standard input ours."""

    def __init__(self, folder: Path, argv: tuple[str, ...], start: str = "at once", **order: Any) -> None:
        self.later = folder / "later"
        (folder / "noxlib_inside").symlink_to(INSIDE)
        self.order = folder / "order.json"
        self.exit = folder / "exit.json"
        given = {"argv": argv, "environment": {"PATH": os.environ["PATH"], "OWN": "ö"}, "exit": str(self.exit), **order}
        self.order.write_text(json.dumps(given))
        self.process = subprocess.Popen(
            (
                *(sys.executable, "-I", "-S", "-B", "-c", WITH_A_CLOCK, str(self.later), start),
                *(str(folder / "noxlib_inside" / "supervise.py"), str(self.order)),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def say(self, words: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words)
        self.process.stdin.flush()

    def an_hour_later(self) -> None:
        """As soon as the command has said something: how fast it begins is then no matter."""
        assert self.line() == "up\n"
        self.later.touch()
        self.process.send_signal(signal.SIGCHLD)  # for it to look at its clock

    def end(self) -> tuple[str, dict[str, Any]]:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        with self.process:  # which closes the input, once the output has ended
            out = self.process.stdout.read()
        found: dict[str, Any] = json.loads(self.exit.read_text())
        assert self.process.returncode == found["code"]
        return out.decode(), found


def code(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def ended(code_: int, cause: str = "exit") -> dict[str, Any]:
    return {"code": code_, "cause": cause, "oom": False}


@pytest.mark.parametrize("number", [0, 3, 127, 255])
def test_an_exit_code_is_the_commands_own(tmp_path: Path, number: int) -> None:
    assert Supervised(tmp_path, code(f"import sys; sys.exit({number})")).end()[1] == ended(number)


def test_a_signal_is_told(tmp_path: Path) -> None:
    text = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert Supervised(tmp_path, code(text)).end()[1] == ended(128 + signal.SIGSEGV, "signal")


def test_the_order_is_gone_before_the_command_runs_and_its_environment_is_whole(tmp_path: Path) -> None:
    text = f"import os; print(os.path.exists({str(tmp_path / 'order.json')!r}), os.environ['OWN'], len(os.environ))"
    out, found = Supervised(tmp_path, (sys.executable, "-X", "utf8", "-c", text), cwd=str(tmp_path)).end()
    assert (out.split()[:2], found) == (["False", "ö"], ended(0))
    assert int(out.split()[2]) <= 4  # PATH, OWN and what a locale or a coverage tool adds


def test_stdout_and_stderr_keep_their_order_and_there_is_no_input(tmp_path: Path) -> None:
    text = "import os, sys\nfor n in range(50): os.write(1 + n % 2, b'%d ' % n)\nprint(sys.stdin.read() == '')"
    out, _ = Supervised(tmp_path, code(text), watch=True).end()
    assert out == " ".join(map(str, range(50))) + " True\n"


def test_a_missing_program_is_127_and_a_file_that_is_none_126(tmp_path: Path) -> None:
    out, found = Supervised(tmp_path, ("no-such-program",)).end()
    assert (out, found) == ("noxlib: cannot run no-such-program: No such file or directory\n", ended(127))
    (tmp_path / "second").mkdir()
    assert Supervised(tmp_path / "second", (str(tmp_path),)).end()[1] == ended(126)


def test_an_end_that_cannot_be_written_is_one_line_and_a_code_of_its_own(tmp_path: Path) -> None:
    one = Supervised(tmp_path, code("print('ran')"))
    one.exit.mkdir()  # a file cannot take its place
    with one.process as process:
        assert process.stdout is not None
        lines = process.stdout.read().decode().splitlines()
    assert lines == ["ran", "noxlib: the command ended with 0, which cannot be written: Is a directory"]
    assert process.returncode == 71


def test_at_the_deadline_the_command_may_end_by_itself(tmp_path: Path) -> None:
    one = Supervised(tmp_path, code(GENTLE), timeout=600, grace=60.0)
    one.an_hour_later()
    assert one.end()[1] == ended(9, "timeout")


@pytest.mark.parametrize("start", ["at once", "slowly"])
def test_after_the_grace_it_is_killed(tmp_path: Path, start: str) -> None:
    one = Supervised(tmp_path, code(STUBBORN), start, timeout=600, grace=0.0)
    one.an_hour_later()
    assert one.end()[1] == ended(137, "timeout")


def test_a_caller_may_ask_for_the_end(tmp_path: Path) -> None:
    one = Supervised(tmp_path, code(GENTLE), watch=True)
    assert one.line() == "up\n"
    one.say(b"sto")
    one.say(b"p 5\n")
    assert one.end()[1] == ended(9, "cancelled")


def test_a_scheduler_may_as_well(tmp_path: Path) -> None:
    one = Supervised(tmp_path, code(GENTLE))
    assert one.line() == "up\n"
    one.process.terminate()
    assert one.end()[1] == ended(9, "cancelled")


def test_when_the_caller_is_gone_so_is_the_command(tmp_path: Path) -> None:
    one = Supervised(tmp_path, code(STUBBORN), watch=True)
    assert one.line() == "up\n"
    assert one.process.stdin is not None
    one.process.stdin.close()
    assert one.end()[1] == ended(137, "lost")


def test_an_input_that_is_not_watched_may_end(tmp_path: Path) -> None:
    text = (
        "import os, time; print('up', flush=True)\n"
        f"while not os.path.exists({str(tmp_path / 'closed')!r}): time.sleep(0.01)\n"
        "print('on')"
    )
    one = Supervised(tmp_path, code(text))
    assert one.line() == "up\n"
    assert one.process.stdin is not None
    one.process.stdin.close()
    (tmp_path / "closed").touch()
    assert one.end() == ("on\n", ended(0))


@pytest.mark.parametrize("end", ["pass", "import os; os.kill(os.getpid(), 9)"])
def test_nothing_that_it_started_outlives_it(tmp_path: Path, end: str) -> None:
    text = (
        "import subprocess, sys\n"
        "for new in (True, False):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=new)\n"
        f"    print(child.pid, flush=True)\n{end}"
    )
    out, _ = Supervised(tmp_path, code(text)).end()
    pids = [int(word) for word in out.split()]
    assert len(pids) == 2
    if sys.platform == "linux":
        deadline = time.monotonic() + 600
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_where_a_test_ends_its_process_a_new_one_goes_on_with_the_rest(tmp_path: Path) -> None:
    shutil.copytree(INSIDE.parents[1] / "tests" / "projects" / "outcomes_crash", tmp_path / "workspace")
    task = tmp_path / "task.json"
    known = {"python": f"3.{sys.version_info[1]}", "workspace": str(tmp_path / "workspace"), "result": "result"}
    task.write_text(json.dumps({**known, "arguments": ["-p", "no:cacheprovider"], "timeout": 300}))
    command = (sys.executable, str(tmp_path / "noxlib_inside" / "run.py"), str(task))
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    out, found = Supervised(tmp_path, command, task=str(task), timeout=400, environment=variables).end()
    assert found == ended(1), out
    assert out.count("ended by SIGKILL while test_crash.py::test_crashes ran; the rest goes on in a new one") == 1, out
    result = json.loads((tmp_path / "result" / "result.json").read_text())
    counts = {name: count for name, count in result["counts"].items() if count}
    assert (counts, result["cause"]) == ({"passed": 2, "failed": 1}, "killed")


def test_one_who_asks_for_the_end_ends_the_rest_too(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "report.jsonl").write_text('{"event": "start", "id": "test_a"}\n')
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"python": "3.10", "workspace": "/", "result": "result", "timeout": 300}))
    one = Supervised(tmp_path, code(GENTLE), task=str(task), timeout=400)
    assert one.line() == "up\n"
    one.process.terminate()
    assert one.end() == ("", ended(9, "cancelled"))


def test_an_order_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    argv = (sys.executable, str(INSIDE / "supervise.py"), str(tmp_path / "absent"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "needs the path of an order" in done.stderr
    assert "Traceback" not in done.stderr
