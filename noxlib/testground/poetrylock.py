"""poetry.lock, pdm.lock and pinned requirements: their versions and hashes, and the selection for one Python."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from noxlib import temporary
from noxlib.errors import LockError
from noxlib.testground import pylock, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.config.project import Project
    from noxlib.testground.resolve import Target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

_SHA256 = re.compile(r"""sha256 = "([0-9a-f]{64})\"""")


class Pin(msgspec.Struct, frozen=True):
    """A package of the lock that holds for this Python. ``reference`` is a URL for what comes from a repository."""

    version: str
    hashes: frozenset[str]
    reference: str = ""


def select(project: Project, target: Target, file: str) -> str:
    """A pylock.toml of what this Python needs, every version and hash from the lock. Raises LockError."""
    renew = f"run: {file.partition('.')[0]} lock"
    try:
        lock = tomllib.loads((project.root / file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LockError(f"{file} cannot be read: {error}", renew) from error
    pins = _pins(lock, target)
    with temporary.folder() as aside:
        constraints = aside / "pins.txt"
        constraints.write_text("".join(f"{line}\n" for line in _constraints(pins)), "utf-8")
        # The lock's own dates hold: it may be newer than the last commit that changed a declaration.
        undated = msgspec.structs.replace(target, exclude_newer=None, derived=False)
        try:
            text = resolve.dependencies(project, undated, constraints=(str(constraints),), tools=())
        except LockError as error:
            if error.cause == "unreachable":
                raise
            raise LockError(f"{file} does not fit pyproject.toml: {error.what}", renew) from error
    return _within(text, pins, file, renew)


def _constraints(pins: Mapping[str, list[Pin]]) -> Iterator[str]:
    """One version a package; where several hold for this Python uv chooses and the result is checked."""
    for name, candidates in pins.items():
        if len(candidates) == 1:
            pin = candidates[0]
            yield f"{name} @ {pin.reference}" if pin.reference else f"{name}=={pin.version}"


def _pins(lock: Mapping[str, Any], target: Target) -> dict[str, list[Pin]]:
    env = pylock.environment(target.python, target.platform)
    old_files = lock.get("metadata", {}).get("files", {})  # poetry < 1.3 keeps the hashes apart
    pins: dict[str, dict[str, Pin]] = {}
    for entry in lock.get("package", ()):
        if _holds(entry, env):
            files = entry.get("files") or old_files.get(entry["name"]) or ()
            hashes = frozenset(str(file.get("hash", "")).removeprefix("sha256:") for file in files)
            pin = Pin(entry["version"], hashes, _reference(entry))
            pins.setdefault(canonicalize_name(entry["name"]), {})[entry["version"]] = pin
    return {name: list(versions.values()) for name, versions in pins.items()}


def _holds(entry: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    """Whether an entry is for this Python: ``python-versions`` and ``markers`` of poetry, pdm's twins of them."""
    python = entry.get("python-versions") or entry.get("requires_python") or "*"
    try:
        fits = python == "*" or SpecifierSet(python).contains(env["python_full_version"])
    except InvalidSpecifier:
        fits = True  # poetry's own syntax (^3.8); uv decides
    markers = entry.get("markers") or entry.get("marker")
    stated = markers.values() if isinstance(markers, dict) else [markers]
    return fits and any(pylock.applies(marker, env) for marker in stated)


def _reference(entry: Mapping[str, Any]) -> str:
    source = entry.get("source", {})
    if source.get("type") == "git":
        return f"git+{source['url']}@{source.get('resolved_reference') or source.get('reference')}"
    if source.get("type") == "url":
        return str(source["url"])
    return f"git+{entry['git']}@{entry['revision']}" if "git" in entry else ""


def _within(text: str, pins: Mapping[str, list[Pin]], file: str, renew: str) -> str:
    """The resolution, every package of which is in the lock, and of each only the files whose hash is there."""
    for entry in pylock.packages(text, "the resolution"):
        pin = next(
            (pin for pin in pins.get(canonicalize_name(entry["name"]), ()) if pin.version == entry.get("version")), None
        )
        candidates = pins.get(canonicalize_name(entry["name"]))
        if not candidates or (entry.get("version") and pin is None):
            raise LockError(
                f"{file} is out of date: it has no {entry['name']} {entry.get('version', '')}".rstrip(), renew
            )
        if pin and pin.hashes and not (_hashes(entry) & pin.hashes):
            raise LockError(f"{file} and the index disagree on the files of {entry['name']} {pin.version}", renew)
    known = frozenset(value for candidates in pins.values() for pin in candidates for value in pin.hashes)
    return "\n".join(_only_known(text.splitlines(), known)) + "\n"


def _hashes(entry: Mapping[str, Any]) -> set[str]:
    files = [*entry.get("wheels", ()), *([entry["sdist"]] if "sdist" in entry else [])]
    return {file.get("hashes", {}).get("sha256", "") for file in files}


def _only_known(lines: list[str], known: frozenset[str]) -> Iterator[str]:
    """The lines without files that the lock does not know: uv writes a file a line, or the only wheel in brackets."""
    for line in lines:
        found = _SHA256.search(line)
        if not found or found.group(1) in known or not known:
            yield line


def pinned(text: str, target: Target) -> dict[str, Mapping[str, Any]]:
    """Name -> entry with its version, of the ``name==version`` lines of requirements files."""
    env = pylock.environment(target.python, target.platform)
    found: dict[str, Mapping[str, Any]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        bare = re.split(r"\s--|\s#|^#", line.strip(), maxsplit=1)[0].strip()
        try:
            requirement = Requirement(bare)
        except InvalidRequirement:
            continue  # an option, an include, an empty line
        versions = [clause.version for clause in requirement.specifier if clause.operator == "=="]
        if versions and (not requirement.marker or requirement.marker.evaluate(dict(env))):
            name = canonicalize_name(requirement.name)
            found[name] = {"name": name, "version": versions[0]}
    return found
