"""The rounds of a comparison: both sides one after the other, each a fresh process, by the program of every suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from noxlib.errors import NoxlibError
from noxlib.perf import sampling
from noxlib.perf.compare import common
from noxlib.places.host import Host
from noxlib.plan import Plan
from noxlib.records import result as results
from noxlib.records.outcome import judge
from noxlib.records.terminal import seconds
from noxlib.sessions import planning
from noxlib.sessions.context import say

#: The arguments of pytest-benchmark; a quarter of a second for each benchmark, since the rounds are what repeats it.
_BENCHMARKS = ("--benchmark-only", "--benchmark-max-time=0.25", "--benchmark-min-rounds=3", "--benchmark-warmup=off")
#: Commands are timed by a file of ours that pytest collects, so that no setting of the project's has a part in it.
_COMMANDS = ("-c", "/dev/null", "--rootdir", "/", "-p", "no:cacheprovider")

Samples = dict[str, list[dict[str, float]]]  #: side -> for each round: benchmark -> seconds


class RoundFailed(NoxlibError):
    """A round's benchmarks failed, so there is nothing to compare."""

    outcome = "failed"


def arguments(commands: bool) -> tuple[str, ...]:
    """Pytest's own arguments for timed commands, or for pytest-benchmark."""
    return _COMMANDS if commands else _BENCHMARKS


def measure(
    hosts: Mapping[str, Host],
    plans: Mapping[str, Plan],
    rounds: int,
    commands: tuple[tuple[str, ...], ...],
    folder: Path,
) -> Samples:
    """All rounds.

    Args:
        hosts: ``base`` and ``head``, entered.
        plans: Of the same.
        rounds: How often each is measured.
        commands: Timed instead of benchmarks, where there are any.
        folder: The run's; logs go to its ``logs/``.

    Raises:
        RoundFailed: benchmarks failed on one side.
        UsageError: no benchmark was measured on both.
        EngineError: a host failed.
    """
    samples: Samples = {side: [] for side in sampling.SIDES}
    for number, order in enumerate(sampling.orders(rounds), 1):
        for side in order:
            one = _Round(hosts[side], plans[side], side, number, folder)
            samples[side].append(one.sample(commands))
        if number == 1:
            common(samples["base"], samples["head"])  # else all the other rounds would be for nothing
        told = ", ".join(f"{side} {seconds(sum(samples[side][-1].values()))}" for side in order)
        say(f"round {number} of {rounds}: {told}")
    return samples


class _Round:
    """One side once."""

    def __init__(self, host: Host, plan: Plan, side: str, number: int, folder: Path) -> None:
        self.host = host
        self.plan = plan
        self.side = side
        self.number = number
        self.name = f"round-{number:02}"
        self.scratch = folder / side  #: what the host's scratch is here
        self.log = folder / "logs" / f"{self.name}-{side}.log"

    def sample(self, commands: tuple[tuple[str, ...], ...]) -> dict[str, float]:
        self._put("task.json", msgspec.json.encode(self._task(commands)))
        if commands:
            self._put("commands.json", json.dumps(commands).encode())
        # Memory layout and hash order move times by some percent: each round has its own, the same for both sides
        # (Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong!, 2009).
        seeded = {**self.plan.environment, "PYTHONHASHSEED": str(self.number)}
        command = planning.command(self.host, msgspec.structs.replace(self.plan, environment=seeded), self.log)
        exit_ = self.host.run(msgspec.structs.replace(command, echo=False))
        self.host.get(self.name, self.scratch / self.name)
        folder = self.scratch / self.name
        verdict = judge(exit_, results.read_result(folder), results.read_progress(folder))
        if verdict.outcome not in ("passed", "no-tests"):
            raise self._failed(verdict.cause, verdict.message, folder)
        return sampling.read(folder)

    def _task(self, commands: tuple[tuple[str, ...], ...]) -> object:
        task = self.plan.task
        if commands:
            words, paths = (*task.arguments, f"{self.host.inside}/noxlib_inside/commands.py"), ()
            return msgspec.structs.replace(task, result=self.name, arguments=words, paths=paths)
        words = (*task.arguments, f"--benchmark-json={self.host.scratch}/{self.name}/{sampling.FILE}")
        return msgspec.structs.replace(task, result=self.name, arguments=words)

    def _put(self, name: str, data: bytes) -> None:
        path = self.scratch / name
        path.write_bytes(data)
        self.host.put(path, name)

    def _failed(self, cause: str | None, message: str | None, folder: Path) -> RoundFailed:
        failures = results.read_progress(folder).failures
        told = f"{failures[0].id}: {failures[0].message}" if failures else message or cause or "no result"
        todo = f"see {self.log}"
        if cause == "usage":
            todo = f"is pytest-benchmark among the project's test dependencies? {todo}"
        return RoundFailed(f"round {self.number} failed on the {self.side}: {' '.join(told.split())[:300]}", todo)
