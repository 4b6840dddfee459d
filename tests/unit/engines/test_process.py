"""The process runner: output as it comes, deadlines, signals, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from noxlib.engines import process, strays
from noxlib.errors import EngineError

PYTHON = sys.executable


def python(script: str) -> tuple[str, ...]:
    return (PYTHON, "-c", script)


def is_gone(pid: int) -> bool:
    """Whether no such process runs any more (one that nobody waited for counts as gone)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> bool:
    for _ in range(30_000):
        if is_gone(pid):
            return True
        time.sleep(0.02)
    return False


def an_hour_later_once(monkeypatch: pytest.MonkeyPatch, log: Path, said: str) -> None:
    """Move the runner's clock on as soon as the program has said something: how fast it begins is then no matter."""

    def monotonic() -> float:
        later = log.exists() and said in log.read_text()
        return time.monotonic() + (3600 if later else 0)

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=monotonic))


def test_a_short_tool_gives_its_output_and_its_code() -> None:
    done = process.run(
        python("import sys; print('ö'); print('e', file=sys.stderr); sys.exit(3)"), env={"PYTHONUTF8": "1"}
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "ö\n", "e\n")


def test_standard_input_is_what_was_given_and_never_ours() -> None:
    assert process.run(python("import sys; print(sys.stdin.read())"), input="hello").stdout == "hello\n"
    assert process.run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_an_argument_is_never_seen_by_a_shell(tmp_path: Path) -> None:
    hostile = f"$(touch {tmp_path}/pwned); `id` && echo"
    assert process.run(("printf", "%s", hostile)).stdout == hostile
    assert list(tmp_path.iterdir()) == []


def test_a_checked_tool_that_fails_tells_its_last_line() -> None:
    with pytest.raises(EngineError, match="ended with 4: the reason") as caught:
        process.run(python("import sys; sys.exit(print('the reason', file=sys.stderr) or 4)"), check=True)
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_program_is_told_in_two_lines() -> None:
    for call in (process.run, process.stream):
        with pytest.raises(EngineError, match="'no-such-program' is not on PATH") as caught:
            call(("no-such-program",))
        assert len(str(caught.value).splitlines()) == 2


def test_a_program_that_may_not_be_run_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    with pytest.raises(EngineError, match="cannot start"):
        process.stream((str(tmp_path / "plain"),))


def test_a_tool_that_hangs_is_stopped() -> None:
    with pytest.raises(EngineError, match=r"gave no answer within 0\.2 s"):
        process.run(("sleep", "600"), timeout=0.2)


def test_stdout_and_stderr_keep_their_order(tmp_path: Path) -> None:
    script = "import os\nfor n in range(200): os.write(1 + n % 2, b'%d\\n' % n)"
    assert process.stream(python(script), log=tmp_path / "log", echo=False) == process.Ended(0)
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(200)]


def test_output_is_shown_and_logged_alike(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    process.stream(python("import os; os.write(1, b'\\xff\\x00 raw')"), log=tmp_path / "a" / "log")
    assert (tmp_path / "a" / "log").read_bytes() == b"\xff\x00 raw"
    assert b"\xff\x00 raw" in capfdbinary.readouterr().out


def test_a_line_without_its_end_is_seen_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen = tmp_path / "seen"
    script = f"import os, time; os.write(1, b'.')\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.01)"
    thread = threading.Thread(
        target=process.stream, args=(python(script),), kwargs={"log": log, "echo": False, "timeout": 600}
    )
    thread.start()
    while not (log.exists() and log.read_bytes() == b"."):
        assert thread.is_alive()  # the program has not ended: the dot came through before
        time.sleep(0.01)
    seen.touch()
    thread.join()


def test_a_secret_is_masked_in_output_and_log(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    script = "import os, time; os.write(1, b'it is hunter'); time.sleep(0.3); os.write(1, b'22 and done\\n')"
    process.stream(python(script), log=tmp_path / "log", secrets=("hunter22",))
    assert (tmp_path / "log").read_bytes() == b"it is *** and done\n"
    assert capfdbinary.readouterr().out == b"it is *** and done\n"


def test_exit_codes_and_signals_are_told_apart() -> None:
    assert process.stream(python("import sys; sys.exit(137)"), echo=False) == process.Ended(137, "exit")
    assert process.stream(python("import os; os.kill(os.getpid(), 9)"), echo=False) == process.Ended(137, "signal")


def test_a_program_that_ends_in_time_after_closing_its_output_keeps_its_code() -> None:
    script = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)"
    assert process.stream(python(script), echo=False, timeout=600) == process.Ended(5)


def test_at_the_deadline_the_program_is_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 600.0)
    an_hour_later_once(monkeypatch, tmp_path / "log", "up")
    script = (
        "import os, signal, time; signal.signal(15, lambda *_: os._exit(os.write(1, b'bye\\n') + 3)); "
        "os.write(1, b'up\\n'); time.sleep(600)"  # print() cannot be interrupted by another one
    )
    ended = process.stream(python(script), log=tmp_path / "log", echo=False, timeout=600)
    assert ended == process.Ended(7, "timeout")
    assert (tmp_path / "log").read_text() == "up\nbye\n"


def test_a_program_that_ignores_the_request_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    log = tmp_path / "log"
    an_hour_later_once(monkeypatch, log, "up")
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    assert process.stream(python(script), log=log, echo=False, timeout=600) == process.Ended(137, "timeout")


def test_a_child_that_keeps_the_output_open_does_not_keep_us_waiting(tmp_path: Path) -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '3600']).pid, flush=True)"
    assert process.stream(python(script), log=tmp_path / "log", echo=False) == process.Ended(0)
    assert wait_until_gone(int((tmp_path / "log").read_text()))


def test_fifty_megabytes_cost_little_memory(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from noxlib.engines import process\n"
        "big = (sys.executable, '-c', \"import os\\nfor _ in range(800): os.write(1, b'x' * 65535 + b'\\\\n')\")\n"
        f"process.stream(big, log=Path({str(tmp_path / 'log')!r}), echo=False)\n"
        # not ru_maxrss, which a child inherits from the process that started it
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    kilobytes = int(process.run(python(script), check=True).stdout)
    assert (tmp_path / "log").stat().st_size == 800 * 65536
    assert kilobytes < 80 * 1024


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_program_write_its_result_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    inner = (
        "import os, signal, subprocess, time; "
        "signal.signal(15, lambda *_: os._exit(os.write(1, b'result written\\n'))); "  # print() cannot be interrupted
        "print(os.getpid(), subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    script = (
        "import signal, sys; from pathlib import Path\n"
        "from noxlib.engines import process; from noxlib.errors import Cancelled\n"
        "def cancel(*_): raise Cancelled('cancelled', 'run it again')\n"
        "signal.signal(15, cancel)\n"
        "process.STOP_SECONDS = 600.0\n"  # for a machine that is busy
        f"process.stream((sys.executable, '-c', {inner!r}), log=Path({str(tmp_path / 'log')!r}), echo=False)"
    )
    with subprocess.Popen(python(script), stderr=subprocess.DEVNULL) as child:
        log = tmp_path / "log"
        while not (log.exists() and log.read_text().endswith("\n")):
            time.sleep(0.02)
        os.kill(child.pid, number)
        assert child.wait() != 0
    first, *rest = log.read_text().splitlines()
    assert set(rest) == {"result written"}  # twice where a slow machine sees TERM and the group's end apart
    assert all(wait_until_gone(int(pid)) for pid in first.split())


def test_processes_that_left_their_group_are_found_by_their_mark() -> None:
    mark = f"test-{uuid.uuid4()}"
    with subprocess.Popen(("sleep", "600"), env={**os.environ, "NOXLIB_RUN": mark}, start_new_session=True) as child:
        for _ in range(30_000):  # in the middle of exec it has no environment for a moment
            if strays.kill_marked("NOXLIB_RUN", mark):
                break
            time.sleep(0.02)
        assert child.wait() == -signal.SIGKILL
    assert strays.kill_marked("NOXLIB_RUN", mark) == 0
