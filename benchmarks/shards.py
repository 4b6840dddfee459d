"""10,000 recorded durations cut into 2 to 64 shards: when the last one ends, beside round robin and pytest-split."""

from __future__ import annotations

import gzip
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figures import Figure, Result, figure
from benchmarks.sampling import await_quiet, ran, say
from noxlib.engines import uv
from noxlib.inside import makespan, shards
from noxlib.inside.makespan import Case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TESTS = 10_000
COUNTS = (2, 4, 8, 16, 32, 64)
RATIO, SECONDS = 1.03, 0.5
ROUNDS = 5
OURS = "noxlib"
#: What pytest-split makes of the same tests, in an environment of its own; its algorithms ask a test for its id alone.
PEER = """
import json, sys
from types import SimpleNamespace
from pytest_split.algorithms import Algorithms
durations = json.load(open(sys.argv[1]))
items = [SimpleNamespace(nodeid=test) for test in durations]
for name in ("least_duration", "duration_based_chunks"):
    for count in json.loads(sys.argv[2]):
        groups = Algorithms[name].value(count, items, durations)
        found = {item.nodeid: shard for shard, group in enumerate(groups) for item in group.selected}
        print(json.dumps([f"pytest-split {name}", count, list(found.values()), list(found)]))
"""


class Suite(NamedTuple):
    """Tests with what each costs by itself, and the groups that share a set-up; seconds."""

    cases: list[Case]
    own: dict[str, float]
    setups: dict[str, float]

    def recorded(self) -> dict[str, tuple[float, float]]:
        """As the history has it: the first test of a group has paid its set-up."""
        paid: set[str] = set()
        found = {}
        for case in self.cases:
            first = [group for group in case.shared if group in self.setups and group not in paid]
            paid.update(first)
            found[case.id] = (sum(self.setups[group] for group in first), self.own[case.id])
        return found

    def ends(self, shard_of: Mapping[str, int], count: int) -> float:
        """When the last shard ends: each pays the set-up of every group that it has tests of."""
        loads = [0.0] * count
        paid: dict[int, set[str]] = defaultdict(set)
        for case in self.cases:
            shard = shard_of[case.id]
            new = {group for group in case.shared if group in self.setups} - paid[shard]
            paid[shard] |= new
            loads[shard] += self.own[case.id] + sum(self.setups[group] for group in new)
        return max(loads)

    def bound(self, count: int) -> float:
        """No cut ends earlier: every set-up once, all shared out equally; or the longest test with its set-up."""
        longest = max(
            self.own[case.id] + sum(self.setups.get(group, 0.0) for group in case.shared) for case in self.cases
        )
        return max((sum(self.own.values()) + sum(self.setups.values())) / count, longest)


def suite(seed: int, *, fixtures: bool) -> Suite:
    """Most tests take some 50 ms, a few take minutes; with ``fixtures`` every seventh file has one of some seconds."""
    draw = random.Random(seed)
    found = Suite([], {}, {})
    for file in range(TESTS):
        group = f"module {file}"
        if fixtures and draw.random() < 1 / 7:
            found.setups[group] = draw.lognormvariate(1, 1)
        for number in range(max(1, round(draw.lognormvariate(3, 1)))):
            if len(found.cases) == TESTS:
                return found
            case = Case(f"tests/test_{file:05}.py::test_{number:04}", (group,) if group in found.setups else ())
            found.cases.append(case)
            found.own[case.id] = draw.lognormvariate(-3, 1.8)
    return found


def run(rounds: int) -> list[Result]:
    """Measure; each round is another suite. How the others do is told as a table."""
    ratios: dict[tuple[str, int], list[float]] = defaultdict(list)
    seconds: list[float] = []
    for seed in range(min(rounds, ROUNDS)):
        for fixtures in (False, True):
            one = suite(seed, fixtures=fixtures)
            await_quiet()
            seconds.append(_round(one, ratios))
    say(_table(ratios))
    worst = [max(ratios[OURS, count][at] for count in COUNTS) for at in range(len(seconds))]
    details = {f"{count}": figure(ratios[OURS, count]) for count in COUNTS}
    what = f"{TESTS:,} durations"
    return [
        Result(
            "shards",
            f"{what} over 2 to 64 shards: end of the last by the least",
            RATIO,
            "x",
            figure(worst),
            details,
            "x",
        ),
        Result("shards planned", f"{what} read and cut, the slowest of these", SECONDS, "s", figure(seconds), {}),
    ]


def _round(one: Suite, ratios: dict[tuple[str, int], list[float]]) -> float:
    """Cut one suite by all; seconds of our slowest cut."""
    with tempfile.TemporaryDirectory(prefix="noxlib-bench-") as name:
        folder = Path(name)
        file = folder / "durations.json.gz"
        file.write_bytes(gzip.compress(json.dumps(one.recorded()).encode()))
        slowest = 0.0
        for count in COUNTS:
            start = time.perf_counter()
            found = makespan.assign(one.cases, shards.read(str(file)), count)
            slowest = max(slowest, time.perf_counter() - start)
            _take(one, ratios, OURS, count, {case.id: shard for case, shard in zip(one.cases, found)})
            turns = {case.id: at % count for at, case in enumerate(one.cases)}
            _take(one, ratios, "round robin", count, turns)
        for peer, count, numbers, tests in _peers(one, folder):
            _take(one, ratios, peer, count, dict(zip(tests, numbers)))
    return slowest


def _take(
    one: Suite, ratios: dict[tuple[str, int], list[float]], who: str, count: int, shard_of: Mapping[str, int]
) -> None:
    ratios[who, count].append(one.ends(shard_of, count) / one.bound(count))


def _peers(one: Suite, folder: Path) -> Sequence[tuple[str, int, list[int], list[str]]]:
    file = folder / "durations.json"
    file.write_text(json.dumps({test: sum(cost) for test, cost in one.recorded().items()}), encoding="utf-8")
    tool = (uv.binary(), "run", "--quiet", "--no-project", "--python", sys.executable, "--with", "pytest-split")
    _, output = ran([*tool, "python", "-c", PEER, str(file), json.dumps(COUNTS)], folder)
    return [json.loads(line) for line in output.splitlines() if line.startswith("[")]


def _table(ratios: Mapping[tuple[str, int], list[float]]) -> str:
    """The largest ratio of each, for each number of shards."""
    names = list(dict.fromkeys(name for name, _ in ratios))
    rows = [("end of the last shard by the least", *map(str, COUNTS))]
    rows += [(name, *(_cell(figure(ratios[name, count])) for count in COUNTS)) for name in names]
    return "\n".join(f"{row[0]:36}" + "".join(f"{cell:>14}" for cell in row[1:]) for row in rows)


def _cell(found: Figure) -> str:
    return f"{found.low:.3f}-{found.high:.3f}"
