"""Steps on engines of their own, each in turns with the same by hand: the bare tools, in the fewest calls."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import sampling
from benchmarks.figures import Result, figure, ratios
from benchmarks.projects import Project, project
from benchmarks.sampling import Failed, in_turns, nox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LIMIT = 1.15
PYTHON = "3.10"
SETTINGS = 'pythons = ["3.10"]\n' + "".join(
    f'\n[{suite}]\nselect = ""\n' for suite in ("compose_integration", "sanity", "vmtest")
)
TEST = """\
import time


def test_work():
    print(f"first test at {{time.time()}}", flush=True)
    time.sleep({seconds})
"""
PYTEST = "/opt/testground/bin/python -m pytest -q -s -p no:cacheprovider"  #: by hand, in each place
_FIRST = re.compile(r"first test at (\d+\.\d+)")
# By hand in a file system of a testground that is no container's: $R is its folder, the code comes as a tar.
CHROOT = f"""\
mount -t tmpfs code $R/workspace; tar -x -C $R/workspace
mount -t proc proc $R/proc; mount --rbind /dev $R/dev
chroot $R env -i HOME=/tmp PYTHONPATH=/workspace/src sh -c 'cd /workspace && exec {PYTEST}'
"""


class Seen(NamedTuple):
    """Seconds from the start to the first test's begin, and to the end."""

    first: float
    total: float


@contextlib.contextmanager
def long_project(tests: int = 1, seconds: float = 5.0) -> Iterator[Project]:
    """A project whose tests take so many seconds each, and tell when the first one begins."""
    with project("bench_steps") as ours:
        (ours.root / "tests" / "test_one.py").unlink()
        for number in range(tests):
            ours.file(f"tests/test_{number}.py", TEST.format(seconds=seconds))
        ours.file("noxlib.toml", SETTINGS)
        yield ours


def seen(began: float, output: str) -> Seen:
    """What a run that has ended just now says. Clocks are this machine's, or set from it. Raises Failed."""
    total = time.time() - began
    found = [float(text) for text in _FIRST.findall(output)]
    if not found:
        raise Failed(f"no test told that it began:\n{output[-2000:]}")
    return Seen(min(found) - began, total)


def called(argv: tuple[str, ...], folder: Path, environment: Mapping[str, str] | None = None) -> Seen:
    """A command that runs the tests and shows their output."""
    began = time.time()
    _, output = sampling.ran(argv, folder, environment)
    return seen(began, output)


def session(ours: Project, *words: str, environment: Mapping[str, str] | None = None) -> Seen:
    """A session of noxlib that runs the tests."""
    return called(tuple(nox("-s", *words)), ours.root, environment)


def compare(name: str, target: str, ours: Callable[[], Seen], bare: Callable[[], Seen], rounds: int) -> Result:
    """The whole of a step by the whole of the same by hand."""
    firsts: dict[str, list[float]] = {}

    def timed(key: str, call: Callable[[], Seen]) -> Callable[[], float]:
        def once() -> float:
            found = call()
            firsts.setdefault(f"{key} to the first test", []).append(found.first)
            return found.total

        return once

    values = in_turns({"noxlib": timed("noxlib", ours), "by hand": timed("by hand", bare)}, rounds)
    details = {**values, **{key: found[1:] for key, found in firsts.items()}}  # the first round warms up
    return Result(
        name=name,
        target=target,
        limit=LIMIT,
        unit="x",
        measured=figure(ratios(values["noxlib"], values["by hand"])),
        details={key: figure(found) for key, found in details.items()},
    )
