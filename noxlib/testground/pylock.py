"""Reading a pylock.toml (PEP 751): what is in it for one Python on one platform. Pure."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Optional

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from noxlib.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

GLIBC = 36  #: minor version of Debian 12's C library, the base of every testground that noxlib describes itself
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def packages(text: str, name: str) -> list[dict[str, Any]]:
    """The entries of a pylock.toml. Raises LockError naming the file if it is none."""
    try:
        listed = tomllib.loads(text).get("packages", [])
    except tomllib.TOMLDecodeError as error:
        raise LockError(
            f"{name} is no TOML: {error}", f"mend {name}, or remove it and run: nox -s testground_lock"
        ) from error
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "name" in entry for entry in listed):
        raise LockError(f"{name} is no lock file by PEP 751", f"remove {name} and run: nox -s testground_lock")
    return listed


def machine(platform: str) -> str:
    """``linux/amd64`` -> ``x86_64``."""
    architecture = platform.rpartition("/")[2]
    return _MACHINES.get(architecture, architecture)


def number(python: str) -> str:
    """``pypy3.11`` and ``3.11t`` -> ``3.11``."""
    return re.sub(r"^pypy|t$", "", python)


def environment(python: str, platform: str) -> dict[str, str]:
    """The marker environment of a Python on a platform (PEP 508)."""
    known = {key: str(value) for key, value in default_environment().items()}
    known.update(python_version=number(python), python_full_version=f"{number(python)}.99", extra="")
    if python.startswith("pypy"):
        known.update(implementation_name="pypy", platform_python_implementation="PyPy")
    else:
        known.update(implementation_name="cpython", platform_python_implementation="CPython")
    if platform != "host":
        known.update(sys_platform="linux", platform_system="Linux", os_name="posix", platform_machine=machine(platform))
    return known


def applies(marker: Optional[str], env: Mapping[str, str]) -> bool:
    """Whether a marker holds; one that asks for what we cannot know (extras of another tool) holds too."""
    if not marker:
        return True
    try:
        return Marker(marker).evaluate(dict(env))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, KeyError):
        return True


def chosen(listed: Iterable[Mapping[str, Any]], env: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The entries that are installed, by normalised name."""
    return {canonicalize_name(entry["name"]): entry for entry in listed if applies(entry.get("marker"), env)}


def source_only(entry: Mapping[str, Any], python: str, platform: str) -> bool:
    """Whether it has to be built: no wheel fits."""
    wheels = entry.get("wheels") or ()
    if platform == "host" or number(python) != python:  # no tags are known for them here: any wheel will do
        return not wheels
    supported = _tags(python, platform)
    return not any(_fits(wheel, supported) for wheel in wheels)


def _fits(wheel: Mapping[str, Any], supported: frozenset[Tag]) -> bool:
    file = wheel.get("name") or str(wheel.get("url") or wheel.get("path") or "").rpartition("/")[2]
    try:
        return bool(parse_wheel_filename(file.replace("%2B", "+"))[3] & supported)
    except InvalidWheelFilename:
        return False


def _tags(python: str, platform: str) -> frozenset[Tag]:
    major, minor = (int(part) for part in python.split("."))
    kind = machine(platform)
    platforms = [f"manylinux_2_{glibc}_{kind}" for glibc in range(GLIBC, 4, -1)]
    platforms += [f"{old}_{kind}" for old in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    interpreter = f"cp{major}{minor}"
    both = (cpython_tags((major, minor), platforms=platforms), compatible_tags((major, minor), interpreter, platforms))
    return frozenset(tag for tags in both for tag in tags)


def unmet(wanted: Iterable[str], entries: Mapping[str, Mapping[str, Any]], env: Mapping[str, str]) -> Optional[str]:
    """The first requirement that the lock does not satisfy, or None."""
    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # whoever resolves it will say so; here it only cannot be compared
        if requirement.marker and not requirement.marker.evaluate(dict(env)):
            continue
        entry = entries.get(canonicalize_name(requirement.name))
        version = entry.get("version") if entry else None
        if entry is None or (version and not requirement.specifier.contains(version, prereleases=True)):
            return text
    return None
