"""What each value of the configuration may be, beyond its type: one table of pure checks; ValueError says why not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Callable

import msgspec

from noxlib.config import values
from noxlib.config.environment import tables
from noxlib.config.expressions import check_expression
from noxlib.config.models import Config, SuiteConfig

#: Raises ValueError(expected) or ValueError(expected, nearest valid value).
Check = Callable[[Any], Any]


class Problem(msgspec.Struct, frozen=True):
    """A value that its key may not hold."""

    key: tuple[str, ...]
    expected: str
    found: Any
    nearest: str = ""


def problems(config: Config, root: Path) -> Iterator[Problem]:
    """Every value that is wrong, in the order of the keys. ``root`` is the repository's folder."""
    yield from _problems(config, (), _project_checks(root))
    checks = _suite_checks(root)
    for name, struct in tables().items():
        if issubclass(struct, SuiteConfig):
            yield from _problems(getattr(config, name), (name,), checks)
    for name, level in config.integration.levels.items():
        yield from _problems(level, ("integration", "levels", name), LEVEL_CHECKS)
    for name, environment in config.environments.items():
        yield from _problems(environment, ("environments", name), ENVIRONMENT_CHECKS)
    for name, quarantine in config.quarantine.items():
        yield from _problems(quarantine, ("quarantine", name), values.QUARANTINE_CHECKS)
    yield from _problems(config.compose_integration, ("compose_integration",), COMPOSE_CHECKS)
    yield from _problems(config.retention, ("retention",), RETENTION_CHECKS)
    yield from _problems(config.script, ("script",), {"path": partial(check_inside, root), "python": check_python})


def _project_checks(root: Path) -> dict[str, Check]:
    file = partial(check_file, root)
    return {
        "pythons": check_python,
        "image": check_image,
        "extras": values.check_name,
        "groups": values.check_name,
        "requirements": file,
        "packages": check_requirement,
        "constraints": file,
        "exclude_newer": values.check_day,
        "apt": check_apt,
        "import_names": check_import_name,
        "mirrors": check_prefix,
        "write_back": partial(check_inside, root),
    }


def _suite_checks(root: Path) -> dict[str, Check]:
    return {
        "paths": partial(check_test_path, root),
        "select": check_expression,
        "args": check_text,
        "env": check_variable,
        "timeout": values.check_positive,
        "memory": values.check_memory,
        "cpus": values.check_positive,
        "shm_size": values.parse_size,
        "disk": values.parse_size,
        "devices": check_device,
    }


def _problems(struct: Any, prefix: tuple[str, ...], checks: Mapping[str, Check]) -> Iterator[Problem]:
    for key, check in checks.items():
        for item in _items(getattr(struct, key)):
            try:
                check(item)
            except ValueError as error:
                yield Problem((*prefix, key), str(error.args[0]), item, *map(str, error.args[1:]))
    for item in _repeated(getattr(struct, "pythons", ())):
        yield Problem((*prefix, "pythons"), "each Python once", item)


def _items(value: Any) -> tuple[Any, ...]:
    """A tuple's items, a table's pairs, a single value as a tuple of one."""
    if value is None:
        return ()
    if isinstance(value, dict):
        return tuple(value.items())
    return value if isinstance(value, tuple) else (value,)


def _repeated(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item for number, item in enumerate(items) if item in items[:number])


def check_python(text: str) -> None:
    """See ``values.check_python``; the nearest name is that of the version that was meant."""
    try:
        values.check_python(text)
    except ValueError as error:
        guess = values.guess_python(text) or nearest(text, values.python_names())
        raise ValueError(error.args[0], guess) from None


def check_image(text: str) -> None:
    """See ``values.check_image``; the nearest name is the same one cleaned."""
    try:
        values.check_image(text)
    except ValueError as error:
        raise ValueError(error.args[0], _clean_image(text)) from None


def _clean_image(text: str) -> str:
    """Text as an image name: ``ghcr.io/Owner/My Name:tag`` is ghcr.io/owner/my-name; empty where nothing is left."""
    host = (re.match(r"[a-z0-9.-]+:[0-9]{1,5}/", text.lower()) or [""])[0]  # its colon is no tag's
    untagged = re.sub(r"[:@][^/]*$", "", text.lower()[len(host) :])[:100]
    parts = (re.sub(r"[^a-z0-9._]+|[._-]{2,}", "-", part) for part in untagged.split("/"))
    name = "/".join(filter(None, (re.sub(r"[._-]{2,}", "-", part).strip("._-") for part in parts)))
    return host + name if name else ""


def check_inside(root: Path, text: str) -> None:
    """A relative path or glob that does not leave the repository, not by a symbolic link either."""
    expected = "a path inside the repository"
    parts = PurePosixPath(text).parts
    foreign = text.startswith(("/", "~", "\\")) or PureWindowsPath(text).drive
    if not text or "\0" in text or foreign or ".." in re.split(r"[/\\]", text):
        raise ValueError(expected)
    if not _leads_inside(root.resolve(), [part for part, glob in zip(parts, _globs(parts)) if not glob]):
        raise ValueError(expected + " (a link leads out of it)")


def _leads_inside(root: Path, parts: list[str]) -> bool:
    """Whether the path, its links followed, is at or below ``root``. A loop of links leads nowhere."""
    try:
        target = root.joinpath(*parts).resolve()
    except (OSError, RuntimeError):  # a loop, until Python 3.12
        return False
    way = (target, *target.parents)
    return root in way and not any(folder.is_symlink() for folder in way)


def _globs(parts: tuple[str, ...]) -> Iterator[bool]:
    """True from the first part on that is a pattern."""
    seen = False
    for part in parts:
        seen = seen or any(mark in part for mark in "*?[")
        yield seen


def check_file(root: Path, text: str) -> None:
    """A file inside the repository that is there; the nearest is a file of the same folder."""
    check_inside(root, text)
    if not (root / text).is_file():
        folder = (root / text).parent
        files = (item.relative_to(root).as_posix() for item in folder.glob("*") if item.is_file())
        raise ValueError("a file that is there", nearest(text, tuple(files), 0.6))


def check_test_path(root: Path, text: str) -> None:
    """A file, a folder or a test's id (``tests/test_a.py::test_b``) inside the repository."""
    path = text.partition("::")[0]
    check_inside(root, path)
    if not (root / path).exists():
        names = (item.relative_to(root).as_posix() for item in (root / path).parent.glob("*"))
        raise ValueError("a file or folder that is there", nearest(path, tuple(names), 0.6))


def check_requirement(text: str) -> None:
    """A requirement string of PEP 508."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 15 ms that few projects need

    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueError('a requirement such as "numpy>=2,<3" (in a variable: JSON)') from None


def check_apt(text: str) -> None:
    """A Debian package, a version behind ``=`` where wanted; it goes into a Dockerfile."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?", text, re.ASCII):
        raise ValueError("the name of a Debian package")


def check_import_name(text: str) -> None:
    """A dotted name that ``import`` takes."""
    if not all(part.isidentifier() for part in text.split(".")):
        raise ValueError("a name that can be imported")


def check_prefix(pair: tuple[str, str]) -> None:
    """A registry's prefix and its replacement; both go into a Dockerfile."""
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", text, re.ASCII) for text in pair):
        raise ValueError('registry prefixes such as "docker.io" = "mirror.example.org/hub"')


def check_variable(pair: tuple[str, str]) -> None:
    """An environment variable's name and value."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", pair[0], re.ASCII) or "\0" in pair[1]:
        raise ValueError("the name of an environment variable (letters, digits, '_')")


def check_device(text: str) -> None:
    """A device as the engine takes it: ``/dev/fuse``, ``/dev/a:/dev/b:rwm``, or a CDI name."""
    if not re.fullmatch(r"[A-Za-z0-9/][\w./:=-]*", text, re.ASCII):
        raise ValueError('a device such as "/dev/fuse"')


def check_text(text: str) -> None:
    """Text that can be an argument of a program."""
    if "\0" in text:
        raise ValueError("text without a NUL character")


LEVEL_CHECKS: dict[str, Check] = {
    "select": check_expression,
    "args": check_text,
    **dict.fromkeys(("timeout", "test_timeout", "new_test_runs"), values.check_positive),
}
COMPOSE_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("file", "runner"), values.check_said),
    "ready_timeout": values.check_positive,
    "keep_hours": values.check_hours,
}
RETENTION_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("release", "main", "branch", "sha", "pr", "cache"), values.parse_age),
    "keep_last": values.check_not_negative,
    "share": values.check_share,
}
ENVIRONMENT_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("timeout_multiplier", "concurrent", "memory_mb", "disk_mb"), values.check_positive),
    "backends": values.check_name,
}


def nearest(name: str, names: tuple[str, ...], cutoff: float = 0.0) -> str:
    """The most similar of the names, empty where none is similar enough."""
    import difflib  # noqa: PLC0415 - only an error needs it

    return next(iter(difflib.get_close_matches(name, names, 1, cutoff)), "")
