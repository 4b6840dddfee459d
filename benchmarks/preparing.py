"""The project's own build: a run whose prepared files have a new key, against a warm run of the same project."""

from __future__ import annotations

import itertools

from benchmarks.figures import Result, differences, figure
from benchmarks.projects import Project, project
from benchmarks.sampling import in_turns

LIMITS = {"pure": 1.0, "extension": 2.0}
WORDS = {"pure": "a pure project", "extension": "a small C extension"}
PYTHON = "3.10"


def run(rounds: int) -> list[Result]:
    """Measure both kinds; each round has another version in pyproject.toml, hence another key."""
    return [_one(kind, limit, rounds) for kind, limit in LIMITS.items()]


def _one(kind: str, limit: float, rounds: int) -> Result:
    with project(f"bench_{kind}", extension=kind == "extension") as ours:
        ours.warm_up(PYTHON, "container")
        versions = itertools.count(1)
        calls = {
            "prepared anew": lambda: _renewed(ours, next(versions)),
            "warm": lambda: ours.unit(PYTHON, "container"),
        }
        values = in_turns(calls, max(3, rounds // 2))
    return Result(
        name=f"prepare {kind}",
        target=f"prepare {WORDS[kind]}, once per key",
        limit=limit,
        unit="s",
        measured=figure(differences(values["prepared anew"], values["warm"])),
        details={name: figure(seconds) for name, seconds in values.items()},
    )


def _renewed(ours: Project, number: int) -> float:
    ours.write(version=f"1.{number}")
    return ours.unit(PYTHON, "container")
