"""Runs killed at random moments, cold and warm, in both places: the next start leaves nothing of them."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

import pytest

from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.records import store

from .checks import left_of_state, processes_of, remove_images, rename, tree
from .conftest import Nox, killed_within

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.docker]

SEED = 20261121
SLOW = """
import pathlib, subprocess, sys, time

def test_writes_and_leaves_a_child_behind():
    nowhere = subprocess.DEVNULL
    child = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(child, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    pathlib.Path("snapshots").mkdir(exist_ok=True)
    for number in range(8):
        pathlib.Path("snapshots", f"{number}.txt").write_text(f"{time.time()}" * 1000)
        time.sleep(0.05)
"""


class Kind(NamedTuple):
    """What is killed: a run in a place, with nothing made yet or with everything at hand."""

    place: str
    cold: bool


COLD = (Kind("container", cold=True), Kind("venv", cold=True))
WARM = (Kind("container", cold=False), Kind("venv", cold=False))
TURNS = (*COLD, *WARM, *WARM)  # a cold one takes several times as long


class Victim:
    """A project of a name of its own, with state and temporary folders of its own."""

    def __init__(self, nox: Nox, state: Path, temporary: Path) -> None:
        self.nox = nox
        self.state = state
        self.temporary = temporary
        nox.environment["TMPDIR"] = str(temporary)
        temporary.mkdir()
        self.name = rename(nox)
        (nox.folder / "tests" / "test_slow.py").write_text(SLOW)
        self.tree = tree(nox.folder)

    def start(self, kind: Kind) -> subprocess.Popen[str]:
        if kind.cold:
            self.forget()
        return self.nox.start("-s", "unit-3.10", "--", "--place", kind.place)

    def forget(self) -> None:
        """Nothing is made yet: no lock, image, environment, workspace."""
        for path in self.state.iterdir() if self.state.exists() else ():
            if path.name != "ledger":
                shutil.rmtree(path)
        remove_images(self.name)

    def seconds(self, kind: Kind) -> float:
        """How long a run takes that nobody kills."""
        start = time.monotonic()
        process = self.start(kind)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return time.monotonic() - start

    def left(self) -> list[str]:
        """What there is that should not be."""
        docker = Docker.connect()
        mine = {"io.noxlib.project": self.name}
        now = {name: text for name, text in tree(self.nox.folder).items() if not name.startswith("snapshots/")}
        unfinished = [run.name for run in store.runs(self.nox.folder) if not (run.path / "record.json").exists()]
        return [
            *left_of_state(self.state),
            *(str(path) for path in self.temporary.iterdir()),
            *(str(found["Names"]) for found in docker.containers(mine)),
            *(str(found["Name"]) for found in docker.volumes(mine)),
            *processes_of(self.state),
            *(f"{name} in the checkout" for name in {*now, *self.tree} if now.get(name) != self.tree.get(name)),
            *(f"{name} without a record" for name in unfinished),
        ]


@pytest.fixture
def victim(adopt: Adopt, own_state: Path, tmp_path: Path) -> Iterator[Victim]:
    nox = adopt("src_layout", 'write_back = ["snapshots/**"]')
    one = Victim(nox, own_state, tmp_path / "tmp")
    yield one
    remove_images(one.name)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_killed_run_leaves_nothing_after_the_next_start(victim: Victim, kills: int) -> None:
    chance = random.Random(SEED)
    spans = {kind: victim.seconds(kind) for kind in (*COLD, *WARM)}
    wrong: list[str] = []
    caught = 0
    for number in range(kills):
        turn, at = divmod(number, len(TURNS))
        kind = TURNS[at]
        share = (turn + chance.random()) / -(-kills // len(TURNS))  # from start to end, whatever chance says
        for _ in range(6):
            spans[kind] = killed_within(partial(victim.start, kind), spans[kind], share)
            found = bool(Ledger(victim.state).orphans())
            ended = victim.nox("-s", "reap")
            left = victim.left()
            if ended.code or left:
                what = f"{kind} killed at {share:.2f} of {spans[kind]:.2f} s"
                wrong.append(f"{number}: {what} left {left}\n{ended.output}")
            if found or share < 1 / 3:
                break
            spans[kind] *= 1.5  # the machine is busier now: once more, later
        caught += found
    assert not wrong, "\n".join(wrong)
    assert caught > kills // 3  # else the moments were no moments at which anything was there
    for kind in WARM:
        victim.seconds(kind)
    assert victim.left() == []
