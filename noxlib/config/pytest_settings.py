"""What pytest and coverage are configured to do, read the way they read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from noxlib.config.files import Sources, read_ini, read_toml
from noxlib.config.found import Found


def pytest_settings(sources: Sources) -> tuple[dict[str, Any], str]:
    """The options of pytest and the file that holds them: the first that counts, as pytest itself looks."""
    return next(_settings(sources), ({}, ""))


def _settings(sources: Sources) -> Iterator[tuple[dict[str, Any], str]]:
    for name in ("pytest.toml", ".pytest.toml"):  # pytest 9
        if (sources.root / name).is_file():
            table = read_toml(sources.root / name).get("pytest", {})
            yield table if isinstance(table, dict) else {}, name
    for name in ("pytest.ini", ".pytest.ini"):  # counts even without a section
        if (sources.root / name).is_file():
            yield dict(read_ini(sources.root / name).get("pytest", {})), name
    tool = sources.table("tool")
    if "pytest" in tool:
        native = sources.table("tool", "pytest")
        old = sources.table("tool", "pytest", "ini_options")
        yield (old, "pyproject.toml: tool.pytest.ini_options") if old else (native, "pyproject.toml: tool.pytest")
    for ini, section, name in ((sources.tox_ini, "pytest", "tox.ini"), (sources.setup_cfg, "tool:pytest", "setup.cfg")):
        if section in ini:
            yield dict(ini[section]), f"{name}: {section}"


def _words(settings: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list, or words in a string, as pytest takes both."""
    value = settings.get(key, ())
    return tuple(value.split()) if isinstance(value, str) else tuple(map(str, value if isinstance(value, list) else ()))


def find_test_paths(sources: Sources) -> tuple[Found, Found]:
    """The paths that are given to pytest, none where its own ``testpaths`` decide; and what will be collected."""
    settings, origin = pytest_settings(sources)
    own = _words(settings, "testpaths")
    if own:
        return Found((), origin), Found(own, f"{origin}: testpaths")
    for name in ("tests", "test"):
        if (sources.root / name).is_dir():
            found = Found((name,), "name of the folder")
            return found, found
    return Found((), "default"), Found((".",), "default")


def find_coverage(sources: Sources) -> Found:
    """One origin for each sign that the project measures coverage."""
    origins = []
    if sources.table("tool", "coverage"):
        origins.append("pyproject.toml: tool.coverage")
    origins += [name for name in (".coveragerc", ".coveragerc.toml") if (sources.root / name).is_file()]
    for name, ini in (("setup.cfg", sources.setup_cfg), ("tox.ini", sources.tox_ini)):
        if "coverage:run" in ini:
            origins.append(f"{name}: coverage:run")
    settings, origin = pytest_settings(sources)
    if any(word == "--cov" or word.startswith("--cov=") for word in _words(settings, "addopts")):
        origins.append(f"{origin}: addopts")
    return Found(tuple(origins), ", ".join(origins) or "default")
