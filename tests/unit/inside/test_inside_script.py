"""A script as a suite, by ``run.py``: exit code, test points, JUnit, what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Callable

import pytest

from noxlib.inside import junit, result, script, tap
from noxlib.records.result import CAUSES

StartRun = Callable[..., Any]  # see conftest.py


@pytest.mark.parametrize(
    ("mode", "code", "outcome", "counts", "message"),
    [
        ("passes", 0, "passed", {"passed": 1}, None),
        ("fails", 5, "failed", {"failed": 1}, "test.sh ended with exit code 5: measured nothing"),
        (
            "tap",
            1,
            "failed",
            {"failed": 1, "subtests_passed": 1, "subtests_failed": 1, "subtests_skipped": 1},
            "test.sh ended with exit code 1: 1 of 3 test points failed",
        ),
        (
            "forgets",
            1,
            "failed",
            {"failed": 1, "subtests_passed": 1, "subtests_failed": 1},
            "1 of 2 test points failed",
        ),
        (
            "lines",
            1,
            "failed",
            {"failed": 1, "subtests_passed": 1, "subtests_failed": 1, "subtests_skipped": 1},
            "1 of 3 test points failed",
        ),
        ("leaves", 0, "passed", {"passed": 1}, None),
        ("dies", 137, "failed", {"failed": 1}, "test.sh was ended by SIGKILL: it said nothing"),
    ],
)
def test_the_exit_code_decides_and_then_the_test_points(
    mode: str, code: int, outcome: str, counts: dict[str, int], message: str | None, run: StartRun
) -> None:
    done = run("integration_levels", script="test.sh", environment={"MODE": mode})
    assert (done.code, done.counts, done.result["message"]) == (code, counts, message), done.output
    assert result.outcome(done.result) == outcome
    assert done.result["cause"] in (None, *CAUSES)
    suite = ET.parse(done.folder / "result/junit.xml").getroot()[0]
    assert int(suite.attrib["tests"]) == 1 + sum(count for name, count in counts.items() if "subtests" in name)
    assert int(suite.attrib["failures"]) == sum(count for name, count in counts.items() if "failed" in name)
    assert [line["event"] for line in done.lines][:2] == ["collected", "start"]


def test_arguments_reach_the_script_as_they_are(run: StartRun) -> None:
    words = ["one", "two  words", "$(touch x)", "ü"]
    done = run("integration_levels", *words, script="test.sh", environment={"MODE": "arguments"})
    assert done.output.splitlines()[-4:] == [f"<{word}>" for word in words]


def test_it_sees_the_environment_profile(run: StartRun) -> None:
    profile = {"name": "ci", "timeout_multiplier": 2.0, "concurrent": 4}
    done = run("integration_levels", script="test.sh", environment={"MODE": "environment"}, profile=profile)
    assert {"NOXLIB_ENV=ci", "NOXLIB_CONCURRENT_LIMIT=4"} <= set(done.output.splitlines())
    assert done.result["profile"]["name"] == "ci"


def test_a_script_that_hangs_is_a_timeout(run: StartRun, later: dict[str, str]) -> None:
    done = run("integration_levels", script="test.sh", environment={"MODE": "hangs", **later}, timeout=300)
    assert (done.code, done.result["cause"]) == (result.TIMEOUT, "timeout")
    assert done.result["message"] == "not done after 300 s; running: test.sh"


def test_sigterm_ends_the_script_too(start: StartRun) -> None:
    begun = start("integration_levels", script="test.sh", environment={"MODE": "hangs"})
    report = begun.folder / "result/report.jsonl"
    while begun.process.poll() is None and not (report.exists() and '"start"' in report.read_text()):
        time.sleep(0.05)
    begun.process.send_signal(signal.SIGTERM)
    done = begun.finish()
    assert (done.code, done.result["cause"]) == (2, "interrupted")


@pytest.mark.parametrize("task", [{"script": "absent.sh"}, {"script": "tests"}, {"script": "pyproject.toml"}])
def test_a_script_that_cannot_be_started_is_one_line(task: dict[str, Any], run: StartRun) -> None:
    done = run("integration_levels", **task)
    assert (done.code, done.result["cause"], result.outcome(done.result)) == (4, "usage", "error")
    assert f"{task['script']} cannot be started: " in done.result["message"]
    assert "see its first line, #!, and its mode" in done.result["message"]
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ok", (1, "", "passed")),
        ("ok 3 - text", (3, "text", "passed")),
        ("not ok 4 text # TODO later", (4, "text", "xfailed")),
        ("ok 5 text # todo", (5, "text", "xpassed")),
        ("ok 6 - a \\# b # SKIP: none", (6, "a \\# b", "skipped")),
        ("not ok 7", (7, "", "failed")),
    ],
)
def test_test_points_are_read(line: str, expected: tuple[int, str, str]) -> None:
    point = tap.Stream().line(line)
    assert point is not None
    assert (point.number, point.text, point.outcome) == expected


@pytest.mark.parametrize("line", ["OK", "okay", "  ok 1 - a subtest", "# ok", "not okay", "notok 1", ""])
def test_other_lines_are_no_test_points(line: str) -> None:
    assert tap.Stream().line(line) is None


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["1..2", "ok 1", "ok 2"], None),
        (["ok 1", "1..1"], None),
        (["1..3", "ok 1"], "3 test points were planned and 1 came"),
        (["1..3"], "3 test points were planned and 0 came"),
        (["1..3", "ok 1", "Bail out! no disk"], "bailed out: no disk"),
        (["ok 1", "not ok 2", "Bail out! no disk"], "bailed out: no disk"),
        (["1..0 # SKIP no root"], None),
        (["1..2", "ok 2", "ok 1"], None),
        (["1..2", "ok 1", "ok 1"], "test point 1 came twice"),
        (["1..2", "ok 1", "ok 7"], "test point 7 came unplanned"),
        (["1..1", "ok 1", "1..2", "ok 2"], "2 plans came, and there is one to a run"),
        (["ok 1", "ok 1"], None),
    ],
)
def test_a_plan_that_was_not_kept_is_a_problem(lines: list[str], problem: str | None) -> None:
    stream = tap.Stream()
    for line in lines:
        stream.line(line)
    assert stream.problem() == problem


def test_lines_are_whole_whatever_the_chunks() -> None:
    chunks = iter([b"on", b"e\r\ntw", b"o\n", b"\xff\n", b"x" * 10_000, b"\nlast"])
    found = list(script.lines(chunks))
    assert (found[:3], found[3], found[4]) == (["one", "two", "\ufffd"], "x" * script.LINE, "last")


def test_junit_holds_any_output(tmp_path: Path) -> None:
    output = "\x00\x1b[31m ü </system-out> ]]> \ud800"
    junit.write(str(tmp_path / "junit.xml"), "s", [junit.Case("a\x07", "failed", 0.5, "m\x01", output)])
    case = ET.parse(tmp_path / "junit.xml").getroot()[0][0]
    assert case.attrib["name"] == "a#x07"
    assert case.findtext("system-out") == "#x00#x1B[31m ü </system-out> ]]> #xD800"


@pytest.mark.parametrize("plan", [False, True])
def test_plain_lines_count_where_there_is_no_plan(plan: bool) -> None:
    stream = tap.Stream()
    for line in ("PASS: a", "XFAIL: b", "XPASS: c", " PASS: indented", "PASS:", "ok", *(["1..1"] if plan else [])):
        stream.line(line)
    names = [(point.name, point.outcome) for point in stream.told]
    assert names == ([("1", "passed")] if plan else [("1 - a", "passed"), ("2 - b", "xfailed"), ("3 - c", "xpassed")])


def as_root(folder: Path, monkeypatch: pytest.MonkeyPatch, refuses: str = "") -> script.Script:
    """A script that needs root, for a user who is not, beside a ``sudo`` that notes how it is called."""
    program = folder / "bin" / "sudo"
    program.parent.mkdir()
    lines = [
        "#!/bin/sh",
        f"printf '%s\\n' \"$*\" >>{folder}/calls",
        f"echo '{refuses}' >&2; exit 1" if refuses else "[ \"$*\" = '-n true' ] && exit 0",
        'if [ "$2" = sh ]; then shift; exec "$@"; fi',
        'while [ "$1" != -- ]; do shift; done',
        'shift; exec "$@"',
    ]
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    (folder / "test.sh").write_text("#!/bin/sh\necho as asked\n")
    (folder / "test.sh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.chdir(folder)
    task = {"workspace": str(folder), "result": str(folder), "script": "test.sh", "root": True, "arguments": ["a b"]}
    return script.Script(task)


def test_a_script_that_needs_root_gets_it_by_sudo_without_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one = as_root(tmp_path, monkeypatch)
    assert one.run() == 0, capfd.readouterr().out
    assert (tmp_path / "calls").read_text().splitlines() == ["-n true", f"-n -E -- {tmp_path}/test.sh a b"]
    assert one.report.counts()["passed"] == 1


def test_without_the_right_one_line_says_so_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one = as_root(tmp_path, monkeypatch, refuses="sudo: a password is required")
    assert (one.run(), one.cause) == (4, "usage")
    message = "test.sh needs root, which `sudo -n` does not give: sudo: a password is required"
    assert (one.message, capfd.readouterr().out) == (message, f"noxlib: {message}\n")
    assert (tmp_path / "calls").read_text() == "-n true\n"


def test_where_there_is_no_sudo_that_is_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = as_root(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (one.run(), one.message) == (
        4,
        "test.sh needs root, which `sudo -n` does not give: sudo: No such file or directory",
    )


def test_root_itself_needs_no_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = as_root(tmp_path, monkeypatch)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert script.Script(one.task).sudo == ()


def test_what_runs_as_root_is_ended_by_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = as_root(tmp_path, monkeypatch)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        script.stop(process, one.sudo, alone=True)
    assert process.returncode == -signal.SIGTERM
    assert (tmp_path / "calls").read_text().splitlines()[0] == f"-n sh -c kill -15 -{process.pid}"
