"""A warm ``unit-X`` in a container, against ``docker run`` of pytest in the same image over the same workspace."""

from __future__ import annotations

from benchmarks.figures import Result, differences, figure
from benchmarks.projects import project, text
from benchmarks.sampling import empty_session, in_turns, timed

LIMIT = 0.25
PYTHON = "3.10"


def run(rounds: int) -> list[Result]:
    """Measure with image, lock and prepared files unchanged."""
    with project("bench_warm") as ours:
        ours.warm_up(PYTHON, "container")
        image = text(ours.latest("record.json"), "testground", "image")
        bare = ("docker", "run", "--rm", "-v", f"{ours.root}:/workspace", image, "pytest")
        calls = {
            "noxlib": lambda: ours.unit(PYTHON, "container"),
            "bare": lambda: timed(bare, ours.root),
            "empty nox session": empty_session,
        }
        values = in_turns(calls, rounds)
    return [
        Result(
            name="container",
            target=f"warm unit-{PYTHON} in a container - docker run --rm IMAGE pytest",
            limit=LIMIT,
            unit="s",
            measured=figure(differences(values["noxlib"], values["bare"])),
            details={name: figure(seconds) for name, seconds in values.items()},
        )
    ]
