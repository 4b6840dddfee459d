"""Whether what is tested is what is deployed: the stages of one Dockerfile compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from noxlib.testground import dockerfile

TEST = ("test", "tests", "testing")
RUNTIME = ("runtime", "production", "prod", "release", "final")
_LOCK = re.compile(
    r"(?:^|/)(?:uv\.lock|poetry\.lock|pdm\.lock|Pipfile\.lock|pylock[\w.-]*\.toml|"
    r"(?:requirements|constraints)[\w.*-]*\.(?:txt|lock)|requirements/[^/]+)$"
)
_FROM_SCRATCH = re.compile(r"^\s*FROM\s+scratch\b", re.IGNORECASE | re.MULTILINE)
_PIN = re.compile(r"(?<![\w.-])([A-Za-z0-9][\w.-]*)(?:\[[\w,. -]*\])?==([\w.!+*]+)")


class Stage(msgspec.Struct, frozen=True):
    """A stage with all that it is made of: the stages that it builds on, and those that it copies from."""

    name: str
    base: str  #: the image below it that is no stage; empty for scratch
    locks: frozenset[str] = frozenset()  #: files of the context that pin dependencies
    pins: frozenset[tuple[str, str]] = frozenset()  #: name and version of what a command pins itself
    whole_tree: bool = False  #: all of the context is copied, any lock among it


def differences(text: str, arguments: Mapping[str, str]) -> tuple[str, ...]:
    """In what the stages of the tests and of the deployment differ though they should not; none where one is missing.

    Args:
        text: The Dockerfile.
        arguments: Build arguments.
    """
    stages = read(text, arguments)
    test = next((stages[name] for name in TEST if name in stages), None)
    runtime = next((stages[name] for name in RUNTIME if name in stages), None)
    return tuple(_differences(test, runtime)) if test and runtime else ()


def _differences(test: Stage, runtime: Stage) -> Iterator[str]:
    if test.base != runtime.base:
        yield f"{runtime.name} is based on {runtime.base or 'scratch'}, {test.name} on {test.base or 'scratch'}"
    only = sorted(runtime.locks - test.locks)
    if only and not test.whole_tree:
        yield f"{runtime.name} has its dependencies from {', '.join(only)}, {test.name} has not"
    tested = dict(sorted(test.pins))
    for name, version in sorted(runtime.pins - test.pins):
        if name in tested:
            yield f"{runtime.name} installs {name} {version}, {test.name} {tested[name]}"


def read(text: str, arguments: Mapping[str, str]) -> dict[str, Stage]:
    """The named stages of a Dockerfile, by their names in lower case."""
    found: dict[str, Stage] = {}
    for part in _parts(text):
        one = dockerfile.read(part, arguments)  # it takes an earlier stage for an image
        below = tuple(found.get(image.lower(), Stage(image, image)) for image in one.images)
        name = one.stages[0] if one.stages else ""
        found[name] = Stage(
            name,
            below[0].base if below and not _FROM_SCRATCH.search(part) else "",
            frozenset(filter(_LOCK.search, one.sources)).union(*(stage.locks for stage in below)),
            _pins(part).union(*(stage.pins for stage in below)),
            dockerfile.WHOLE_TREE in one.sources or any(stage.whole_tree for stage in below),
        )
    found.pop("", None)
    return found


def _parts(text: str) -> Iterator[str]:
    """The text of each stage, with the arguments that stand before the first."""
    lines = text.splitlines(keepends=True)
    begins = [one.line - 1 for one in dockerfile.instructions(text) if one.keyword == "FROM"]
    head = "".join(lines[: begins[0]]) if begins else ""
    for begin, end in zip(begins, (*begins[1:], len(lines))):
        yield head + "".join(lines[begin:end])


def _pins(part: str) -> frozenset[tuple[str, str]]:
    commands = (one.rest for one in dockerfile.instructions(part) if one.keyword == "RUN")
    return frozenset((name.lower(), version) for command in commands for name, version in _PIN.findall(command))
