"""``perf_compare`` on a small project with two commits, the second of which makes one function slower."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.records import store
from noxlib.records.record import PerformanceSection

from .checks import commit_all, git, told
from .conftest import Ended, Nox, kill_group, wait_until

Adopt = Callable[..., Nox]
FAST = ("--rounds", "5", "--python", "3.10")
SHORT = ("--", "--benchmark-max-time=0.05")  # for pytest
SLOWER = """
    for _ in range(4):
        sum(number * number for number in numbers(count))
"""
PAUSE = """
    import time
    time.sleep(2)
"""  # of a whole process the time that passes is compared: far more of it than a busy machine adds

pytestmark = [pytest.mark.docker]


@pytest.fixture
def nox(adopt: Adopt) -> Nox:
    """The project with one commit."""
    found = adopt("benchmarked")
    (found.folder / ".gitignore").write_text("__pycache__\n.pytest_cache\n")
    commit_all(found.folder)
    return found


def make_slower(nox: Nox, how: str = SLOWER) -> None:
    module = nox.folder / "src" / "totals" / "__init__.py"
    text = module.read_text()
    first = '    """The sum of the first squares."""\n'
    module.write_text(text.replace(first, first + how.lstrip("\n")))
    assert module.read_text() != text


def commit(nox: Nox, message: str) -> str:
    git(nox.folder, "add", "-A")
    git(nox.folder, "commit", "-q", "-m", message)
    return git(nox.folder, "rev-parse", "HEAD").strip()


def performance(nox: Nox) -> PerformanceSection:
    found = nox.record.performance
    assert found is not None
    return found


def verdicts(nox: Nox) -> dict[str, str]:
    return {one.name.rpartition("::")[2]: one.verdict for one in performance(nox).benchmarks}


def left(nox: Nox) -> list[str]:
    """Containers, volumes, clones and ledger entries of the comparisons of a project."""
    docker = Docker.connect()
    runs = tuple(run.name for run in store.runs(nox.folder))
    things = [*docker.containers({"io.noxlib.run": ""}), *docker.volumes({"io.noxlib.run": ""})]
    named = [(thing.get("Labels") or {}).get("io.noxlib.run", "") for thing in things]
    return [name for name in named if name.startswith(runs)]


def refused(ended: Ended) -> bool:
    """It ended with two lines: what happened, what to do."""
    return told(ended) == 2


def test_a_slower_commit_is_found(own_state: Path, nox: Nox) -> None:
    base = git(nox.folder, "rev-parse", "HEAD").strip()
    make_slower(nox)
    head = commit(nox, "slower")
    ended = nox("-s", "perf_compare", "--", *FAST, "--threshold", "60", "--json", "out.json", *SHORT)
    assert ended.code == 1, ended.output
    record = nox.record
    assert (record.outcome, record.cause, record.counts.failed) == ("failed", "slower", 1)
    assert verdicts(nox)["test_squares"] == "slower"
    found = performance(nox)
    assert (found.base, found.head, found.rounds) == (base, head, 5)
    assert next(one for one in found.benchmarks if "squares" in one.name).low > 2
    assert (record.source.commit, record.source.dirty) == (head, False)
    assert (record.testground.digest or "").startswith("sha256:")
    assert record.interpreter.version.startswith("3.10.")
    written = json.loads((nox.folder / "out.json").read_text())
    assert len(written["samples"]["base"]) == len(written["samples"]["head"]) == 5
    assert "the testground of the head" in ended.output
    assert left(nox) == []
    assert Ledger(own_state).entries() == ()
    assert list((own_state / "checkouts").iterdir()) == []


def test_the_other_way_round_it_is_faster_and_green(nox: Nox) -> None:
    make_slower(nox)
    commit(nox, "slower")
    ended = nox("-s", "perf_compare", "--", *FAST, "--threshold", "60", "HEAD", "HEAD~1", *SHORT)
    assert ended.code == 0, ended.output
    assert verdicts(nox)["test_squares"] == "faster"
    assert nox.record.outcome == "passed"


def test_the_working_tree_is_compared_with_its_commit(nox: Nox) -> None:
    make_slower(nox)
    ended = nox("-s", "perf_compare", "--", *FAST, "--threshold", "60", *SHORT)
    assert ended.code == 1, ended.output
    assert performance(nox).head == "working tree"
    assert verdicts(nox)["test_squares"] == "slower"


def test_benchmarks_of_one_side_only_are_named(nox: Nox) -> None:
    tests = nox.folder / "tests" / "test_speed.py"
    tests.write_text(tests.read_text() + "\n\ndef test_new(benchmark):\n    benchmark(totals.squares, 10)\n")
    commit(nox, "a new benchmark")
    ended = nox("-s", "perf_compare", "--", *FAST, "--threshold", "100", *SHORT, "-k", "squares or new")
    assert performance(nox).only_head == ("tests/test_speed.py::test_new",), ended.output
    assert "only on the head: tests/test_speed.py::test_new" in ended.output


def test_zero_benchmarks_are_an_error_after_the_first_round(nox: Nox) -> None:
    ended = nox("-s", "perf_compare", "--", *FAST, "HEAD", "HEAD", *SHORT, "-k", "test_small")
    assert refused(ended)
    assert "nothing was compared" in ended.output
    assert "round 1 of 5" not in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "no-benchmarks")


def test_commands_are_compared_where_there_are_no_benchmarks(nox: Nox) -> None:
    make_slower(nox, PAUSE)
    command = "python -c 'import totals; totals.squares(3)'"
    many = ("--rounds", "13", "--python", "3.10")  # three that a busy machine stalls for long say nothing
    ended = nox("-s", "perf_compare", "--", *many, "--threshold", "50", "--command", command)
    assert ended.code == 1, ended.output
    assert [(one.name, one.verdict) for one in performance(nox).benchmarks] == [(command, "slower")]


def test_a_side_that_fails_is_told_with_its_log_and_leaves_a_record(nox: Nox) -> None:
    ended = nox("-s", "perf_compare", "--", *FAST, "--command", "false", "HEAD", "HEAD")
    assert refused(ended)
    assert "round 1 failed on the base" in ended.output
    assert "logs/round-01-base.log" in ended.output
    assert nox.record.outcome == "error"
    assert left(nox) == []


def test_a_project_without_pytest_benchmark_is_told_what_it_lacks(adopt: Adopt) -> None:
    nox = adopt("flat")
    commit_all(nox.folder)
    ended = nox("-s", "perf_compare", "--", *FAST, "HEAD", "HEAD")
    assert refused(ended)
    assert "is pytest-benchmark among the project's test dependencies?" in ended.output


def test_a_dry_run_names_both_commits_and_starts_nothing(nox: Nox) -> None:
    head = git(nox.folder, "rev-parse", "HEAD").strip()
    make_slower(nox)
    ended = nox("-s", "perf_compare", "--", *FAST, "--dry-run")
    found = json.loads(ended.output[ended.output.index("{") : ended.output.rindex("}") + 1])
    assert (found["base"]["commit"], found["head"]["commit"], found["rounds"]) == (head, None, 5)
    assert found["plan"]["task"]["arguments"][0] == "--benchmark-only"
    assert store.runs(nox.folder) == []


@pytest.mark.parametrize(
    "words", [["no-such-branch"], ["--rounds", "2"], ["HEAD", "HEAD", "HEAD"], ["HEAD", "-k", "x"]]
)
def test_what_cannot_be_compared_is_two_lines(nox: Nox, words: list[str]) -> None:
    assert refused(nox("-s", "perf_compare", "--", *words))


def test_without_an_engine_or_a_repository_it_is_two_lines(adopt: Adopt, nox: Nox) -> None:
    ended = nox("-s", "perf_compare", "--", "HEAD", "HEAD", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert refused(ended)
    assert refused(adopt("flat", folder="plain")("-s", "perf_compare"))


def test_ctrl_c_leaves_a_record_and_nothing_else(own_state: Path, nox: Nox) -> None:
    process = nox.start("-s", "perf_compare", "--", *FAST, "--command", "sleep 30", "HEAD", "HEAD")
    try:
        wait_until(lambda: any("sleep 30" in text for text in commands(nox)), "the first round")
        kill_group(process, signal.SIGINT)
        process.communicate(timeout=300)
    finally:
        kill_group(process)
    assert nox.record.outcome == "cancelled"
    assert left(nox) == []
    assert Ledger(own_state).entries() == ()


def test_the_next_start_removes_what_a_killed_comparison_left(own_state: Path, nox: Nox) -> None:
    process = nox.start("-s", "perf_compare", "--", *FAST, "--command", "sleep 30", "HEAD", "HEAD")
    try:
        wait_until(lambda: any("sleep 30" in text for text in commands(nox)), "the first round")
    finally:
        kill_group(process)
        process.communicate()
    assert len(list((own_state / "checkouts").iterdir())) == 2
    assert nox("-s", "reap").code == 0
    assert nox.record.cause == "killed"
    assert left(nox) == []
    assert Ledger(own_state).entries() == ()
    assert list((own_state / "checkouts").iterdir()) == []


def commands(nox: Nox) -> list[str]:
    """The commands of rounds that a container of the project's was started for."""
    docker = Docker.connect()
    runs = tuple(run.name for run in store.runs(nox.folder))
    found = [
        thing
        for thing in docker.containers({"io.noxlib.run": ""})
        if runs and thing["Labels"]["io.noxlib.run"].startswith(runs) and thing["State"] == "running"
    ]
    files = (nox.folder / ".noxlib" / "runs").glob("*/base/commands.json")
    return [" ".join(words) for file in files for words in json.loads(file.read_text())] if found else []
