"""What the tests need: extras, dependency groups and requirements files, configured or found by their names."""

from __future__ import annotations

from typing import NamedTuple, Optional

from noxlib.config.found import Found
from noxlib.config.models import Config
from noxlib.config.requirements import RequirementFiles
from noxlib.config.values import normalise
from noxlib.errors import ConfigError

CONFIGURED = "tool.noxlib"
TEST = frozenset({"test", "tests", "testing"})
DEV = frozenset({"dev"})


class Available(NamedTuple):
    """What a project declares. ``known`` is False where extras are computed by a setup.py."""

    extras: Found
    groups: Found  #: PEP 735, which uv reads
    foreign: Found  #: poetry's and pdm's own groups
    files: RequirementFiles
    known: bool = True


class Chosen(NamedTuple):
    """What of it the tests get."""

    extras: Found
    groups: Found
    foreign: Found
    requirements: Found


def choose(available: Available, config: Config, *, is_package: bool) -> Chosen:
    """The configured names, and for what is not configured those named test; ``dev`` only where nothing is.

    Raises:
        ConfigError: a configured extra or group does not exist.
    """
    explicit = (config.extras, config.groups, config.requirements)
    names = TEST
    if not _has(available, TEST) and not any(explicit):
        names = DEV
    extras = _extras(available, config.extras, names)
    groups, foreign = _groups(available, config.groups, names)
    found = bool(extras.values or groups.values or foreign.values or any(explicit))
    files = _files(available.files, config.requirements, names, needs_main=not is_package, found=found)
    return Chosen(extras, groups, foreign, files)


def named(names: tuple[str, ...], wanted: frozenset[str]) -> tuple[str, ...]:
    """Those of the names that are wanted, as they are written.

    >>> named(("Tests", "docs"), TEST)
    ('Tests',)
    """
    return tuple(name for name in names if normalise(name) in wanted)


def _has(available: Available, names: frozenset[str]) -> bool:
    every = (*available.extras.values, *available.groups.values, *available.foreign.values)
    return bool(named(every, names) or available.files.test)


def _extras(available: Available, configured: Optional[tuple[str, ...]], names: frozenset[str]) -> Found:
    if configured is None:
        return Found(named(available.extras.values, names), available.extras.origin)
    for name in configured if available.known else ():
        _refuse_unknown("extras", name, available.extras.values, {"groups": available.groups.values})
    return Found(configured, CONFIGURED)


def _groups(available: Available, configured: Optional[tuple[str, ...]], names: frozenset[str]) -> tuple[Found, Found]:
    """The groups that uv reads, and the others; a name in both is uv's."""
    own, others = available.groups.values, available.foreign.values
    if configured is None:
        wanted, origins = (
            (*named(own, names), *named(others, names)),
            (available.groups.origin, available.foreign.origin),
        )
    else:
        wanted, origins = configured, (CONFIGURED, CONFIGURED)
        for name in configured:
            _refuse_unknown("groups", name, (*own, *others), {"extras": available.extras.values})
    keys = {normalise(name) for name in own}
    mine = tuple(dict.fromkeys(name for name in wanted if normalise(name) in keys))
    rest = tuple(dict.fromkeys(name for name in wanted if normalise(name) not in keys))
    return Found(mine, origins[0]), Found(rest, origins[1])


def _files(
    files: RequirementFiles,
    configured: Optional[tuple[str, ...]],
    names: frozenset[str],
    *,
    needs_main: bool,
    found: bool,
) -> Found:
    """A package declares its own dependencies: its requirements.txt counts only where nothing else was found."""
    if configured is not None:
        return Found(configured, CONFIGURED)
    chosen = files.test if names is TEST else files.dev
    if needs_main or not (chosen or found):
        chosen = (*files.main, *chosen)
    return Found(chosen, "name of the file")


def _refuse_unknown(key: str, name: str, known: tuple[str, ...], elsewhere: dict[str, tuple[str, ...]]) -> None:
    wanted = normalise(name)
    if wanted in map(normalise, known):
        return
    for other, names in elsewhere.items():
        if wanted in map(normalise, names):
            raise ConfigError(
                f"tool.noxlib.{key}: {name!r} is one of the project's {other}, not of its {key}",
                f"write {other} = [{name!r}]",
            )
    from noxlib.config.checks import nearest  # noqa: PLC0415 - only an error needs it

    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    raise ConfigError(
        f"tool.noxlib.{key}: expected one of the project's {key} ({', '.join(known) or 'it has none'}), "
        f"found {name!r}{hint}",
        f"correct {key}, or declare {name!r} in the project's own metadata",
    )
