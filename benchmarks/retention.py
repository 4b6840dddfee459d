"""A retention plan of large registries: each size in a process of its own, from the versions to the written file."""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Result, figure
from benchmarks.sampling import await_quiet, ran, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.testground.retention import Version

SECONDS, MEGABYTES = 3.0, 300.0
GROWTH = 2.0  #: of the time a version, from the smallest size to the largest: more would not be linear
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
TAGS = 10
ROUNDS = 3
NOW = 1_800_000_000.0
DAY = 86400.0


def run(rounds: int) -> list[Result]:
    """Measure; the growth is told as a table."""
    times: dict[int, list[float]] = {size: [] for size in SIZES}
    memory: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(min(rounds, ROUNDS)):
        for size in SIZES:
            await_quiet()
            seconds, megabytes = _measured(size)
            times[size].append(seconds)
            memory[size].append(megabytes)
    found = {size: figure(times[size]) for size in SIZES}
    say(_table(found, {size: figure(memory[size]) for size in SIZES}))
    largest = SIZES[-1]
    growth = [one / largest / (other / SIZES[0]) for one, other in zip(times[largest], times[SIZES[0]])]
    what = f"{largest:,} versions with {TAGS} tags each"
    details = {f"{size:,}": found[size] for size in SIZES}
    return [
        Result("retention", f"retention plan of {what}", SECONDS, "s", found[largest], details),
        Result("retention memory", "the same, peak memory", MEGABYTES, "MB", figure(memory[largest]), {}),
        Result("retention growth", f"time a version, of {largest:,} by {SIZES[0]:,}", GROWTH, "x", figure(growth), {}),
    ]


def _measured(size: int) -> tuple[float, float]:
    """Seconds and megabytes of one plan, as its process tells them."""
    _, output = ran([sys.executable, "-m", "benchmarks.retention", str(size)], Path(__file__).resolve().parents[1])
    told = json.loads(output.splitlines()[-1])
    return float(told["seconds"]), float(told["megabytes"])


def _table(times: dict[int, Figure], memory: dict[int, Figure]) -> str:
    rows = [f"  {'versions':>9}  {'tags':>9}  {'seconds':>8}  {'us a version':>12}  {'peak MB':>8}"]
    for size, found in times.items():
        rate = found.median / size * 1e6
        rows.append(
            f"  {size:>9,}  {size * TAGS:>9,}  {found.median:>8.3f}  {rate:>12.1f}  {memory[size].median:>8.0f}"
        )
    return "\n".join(rows)


def _versions(size: int) -> Iterator[Version]:
    """Commits, branches, pull requests and releases of four Pythons over four hundred days; some are indexes."""
    from noxlib.testground.retention import Version  # noqa: PLC0415 - in the measured process alone

    chance = random.Random(1)
    for number in range(size):
        python = f"py3.{9 + number % 4}"
        tags = [f"{python}-{chance.getrandbits(160):040x}" for _ in range(TAGS - 4)]
        tags += [f"{python}-feature-{number}", f"{python}-pr-{number}", f"{python}-fp-{chance.getrandbits(64):016x}"]
        tags += [f"{python}-v1.{number}.0" if number % 50 == 0 else f"{python}-fix-{number}"]
        children = (f"sha256:{number - 1:064x}", f"sha256:{number - 2:064x}") if number % 10 == 9 else ()  # noqa: PLR2004
        used = NOW - chance.random() * 400 * DAY
        yield Version(f"sha256:{number:064x}", tuple(tags), used, 60_000_000, children)


def _main(size: int) -> None:
    """Decide and write; what that took, as a line of JSON. Making the versions up is not counted."""
    from noxlib.testground import retention, retention_plan  # noqa: PLC0415
    from noxlib.testground.retention_rules import Rules  # noqa: PLC0415

    versions = list(_versions(size))
    rules = Rules()
    start = time.perf_counter()
    decided = retention.decide(versions, rules, NOW)
    with tempfile.TemporaryDirectory() as folder:
        plan = retention_plan.Plan("ghcr.io/owner/demo", "2027-01-15T08:00:00Z", rules, decided)
        retention_plan.write(Path(folder, "plan.json"), plan)
        seconds = time.perf_counter() - start
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    say(json.dumps({"seconds": seconds, "megabytes": int(peak[1]) * 1024 / 1e6 if peak else 0.0}))


if __name__ == "__main__":
    _main(int(sys.argv[1]))
