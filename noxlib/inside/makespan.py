"""Which shard runs which test, so that the last of them ends as early as may be.

Longest processing time first: the next longest goes to the shard that has least to do. The last one ends then at most
4/3 - 1/(3 N) times as late as it must (R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM Journal on
Applied Mathematics 17, 1969). Tests that share an expensive fixture are one block, which pays for it once; a block is
cut only where this ends the run earlier by a tenth at least of what is paid again.

Whole microseconds and sorted ids: every shard computes the same, in whatever order it collected.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SECOND = 1_000_000  # microseconds
EXPENSIVE = SECOND // 10  #: a set-up shorter than that keeps no tests together
NEAR = 1.01  # times an equal share: no cut of a block can gain much then
TRIES = 30  #: cuts that are tried
WORTH = 10  #: seconds of set-up that are paid again for a run that ends a second earlier


class Cost(NamedTuple):
    """Microseconds of a test as it was recorded: of its set-up, of its call and teardown."""

    setup: int
    rest: int


class Case(NamedTuple):
    """``shared`` names what it has fixtures of in common with others: its package, module, class, the widest first."""

    id: str
    shared: tuple[str, ...] = ()


class Block(NamedTuple):
    """Tests by their numbers that one shard runs together; ``weight`` in microseconds, the shared set-up once."""

    weight: int
    tests: tuple[int, ...]
    group: str = ""


def assign(tests: Sequence[Case], recorded: Mapping[str, Cost], count: int) -> list[int]:
    """The shard of each test, from 0; those of one id, as a file that is named twice gives them, by their order."""
    order = sorted(range(len(tests)), key=lambda at: tests[at].id)
    ordered = [tests[at] for at in order]
    shard_of = [0] * len(tests)
    for shard, blocks in enumerate(_Cutting(ordered, recorded, count).blocks_of):
        for block in blocks:
            for at in block.tests:
                shard_of[order[at]] = shard
    return shard_of


def costs(tests: Sequence[Case], recorded: Mapping[str, Cost]) -> list[Cost]:
    """What each test costs; one without a record the mean of its file, else of all, else a second."""
    files: dict[str, list[int]] = defaultdict(list)
    for test in tests:
        if test.id in recorded:
            files[file_of(test.id)].append(sum(recorded[test.id]))
    everything = [cost for found in files.values() for cost in found]
    return [
        recorded.get(test.id) or Cost(0, _mean(files.get(file_of(test.id)) or everything or [SECOND])) for test in tests
    ]


def file_of(test: str) -> str:
    """The part of an id before the first ``::``."""
    return test.partition("::")[0]


def shared_setup(setups: Iterable[int]) -> int:
    """What the first test of a group pays for all of them: by how much the longest set-up exceeds the shortest."""
    found = list(setups)
    return max(found) - min(found) if found else 0


def spread(blocks: Iterable[Block], count: int) -> list[list[Block]]:
    """The blocks of each shard: the longest first, each to the shard that has least to do; the first of equal ones."""
    shards: list[list[Block]] = [[] for _ in range(count)]
    loads = [(0, shard) for shard in range(count)]
    for block in sorted(blocks, key=lambda block: (-block.weight, block.tests)):
        load, shard = loads[0]
        shards[shard].append(block)
        heapq.heapreplace(loads, (load + block.weight, shard))
    return shards


class _Cutting:
    """Blocks, spread and cut until no further cut helps: ``blocks_of`` each shard."""

    def __init__(self, tests: Sequence[Case], recorded: Mapping[str, Cost], count: int) -> None:
        self.count = count
        self.costs = costs(tests, recorded)
        self.setups: dict[str, int] = {}  # of a group, paid once
        self.groups: dict[str, list[int]] = {}
        alone = self._group(tests)
        self.singles = [Block(sum(self.costs[at]), (at,)) for at in alone]
        self.work = sum(block.weight for block in self.singles) + sum(map(self._weight, self.groups))
        self.blocks_of = self._improved()

    def _group(self, tests: Sequence[Case]) -> list[int]:
        """Find the groups that are expensive; the tests that are in none. The widest counts."""
        members: dict[str, list[int]] = defaultdict(list)
        for at, test in enumerate(tests):
            for name in test.shared:
                members[name].append(at)
        self.setups = {name: shared_setup(self.costs[at].setup for at in found) for name, found in members.items()}
        alone: list[int] = []
        for at, test in enumerate(tests):
            name = next((name for name in test.shared if self.setups[name] >= EXPENSIVE), "")
            (self.groups.setdefault(name, []) if name else alone).append(at)
        return alone

    def _own(self, group: str, at: int) -> int:
        """What a test costs beside the shared set-up, which each that was the first of a run has paid."""
        cost, shared = self.costs[at], self.setups[group]
        return cost.rest + (max(0, cost.setup - shared) if 2 * cost.setup > shared else cost.setup)

    def _weight(self, group: str) -> int:
        return self.setups[group] + sum(self._own(group, at) for at in self.groups[group])

    def _parts(self, group: str) -> int:
        """As many as are needed for none to be longer than an equal share, where cutting can do that."""
        share, weight, setup = self.work // self.count, self._weight(group), self.setups[group]
        if weight <= share or setup >= share:
            return 1
        return min(-((setup - weight) // (share - setup)), self.count, len(self.groups[group]))

    def _cut(self, group: str, parts: int) -> list[Block]:
        """About equal parts, each of neighbours: what shares narrower fixtures stays together for the most part."""
        setup, whole = self.setups[group], self._weight(group) - self.setups[group]
        found: list[list[int]] = [[] for _ in range(parts)]
        weights = [setup] * parts
        done = 0
        for at in self.groups[group]:
            own = self._own(group, at)
            part = min((2 * done + own) * parts // (2 * whole or 1), parts - 1)  # where the middle of the test lies
            found[part].append(at)
            weights[part] += own
            done += own
        return [Block(weight, tuple(part), group) for weight, part in zip(weights, found) if part]

    def _spread(self, parts: Mapping[str, int]) -> list[list[Block]]:
        blocks = [block for group, number in parts.items() for block in self._cut(group, number)]
        return spread([*self.singles, *blocks], self.count)

    def _improved(self) -> list[list[Block]]:
        """Cut what is longer than a share; then the longest block of the shard that ends last, while that helps."""
        whole = dict.fromkeys(self.groups, 1)
        best, parts = self._better(self._spread(whole), whole, {group: self._parts(group) for group in whole})
        given_up: set[str] = set()
        for _ in range(TRIES):
            group = self._longest(best, given_up)
            if not group:
                break
            found, tried = self._better(best, parts, {**parts, group: parts[group] + 1})
            if tried is parts:
                given_up.add(group)
            best, parts = found, tried
        return best

    def _better(
        self, best: list[list[Block]], parts: dict[str, int], tried: dict[str, int]
    ) -> tuple[list[list[Block]], dict[str, int]]:
        """What was best so far, or what is tried, where that is worth it."""
        if tried == parts:
            return best, parts
        found = self._spread(tried)
        again = sum(self.setups[group] * (tried[group] - parts[group]) for group in tried)
        earlier = _end(best) - _end(found)
        return (found, tried) if earlier > 0 and WORTH * earlier >= again else (best, parts)

    def _longest(self, best: list[list[Block]], given_up: set[str]) -> str:
        """The group that is to be cut next; empty where none can be, or nothing can be gained."""
        busiest = max(best, key=_load)
        if _load(busiest) * self.count <= NEAR * self.work:
            return ""
        blocks = [block for block in busiest if len(block.tests) > 1 and block.group not in given_up]
        return max(blocks, key=lambda block: block.weight).group if blocks else ""


def _end(shards: Iterable[Iterable[Block]]) -> int:
    return max(map(_load, shards))


def _load(blocks: Iterable[Block]) -> int:
    return sum(block.weight for block in blocks)


def _mean(numbers: Sequence[int]) -> int:
    return sum(numbers) // len(numbers)
