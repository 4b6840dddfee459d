"""The environment profile beside the tests: which one holds, the tests that it skips, what tests see of it."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from . import budgets, fixtures, notices, once, options, phases, registered, stack, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

TEST_TIMEOUT = 30.0
DEFAULT = "local"
UNSET = ("", "0", "false")
OF_THE_PROJECT = ("aliases", "folders")  #: names of variables, the same in each of its environments
MARKERS = (
    "slow: takes long; part of the level extended",
    "network: needs a network; part of the level network",
    "integration: needs services, or parts of the system together",
    "performance: measures speed; part of the level extended",
    "vmtest: needs a virtual machine",
    "mpi: runs under MPI",
    "large_files(mb): works on files of that many MB; skipped where the environment has large_files = false",
    "backend(name): needs that storage backend; skipped where it is none of the environment's",
    "timeout(seconds): for each phase of the test, multiplied by the environment",
)


def table() -> dict[str, Any]:
    """``profiles``, and ``detected_by``: pairs of a variable and the profile that it speaks for."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles.json"), encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def detect(environ: Mapping[str, str]) -> tuple[str, str]:
    """The profile that variables speak for, and why: where the plugin is used without a session, which would say it."""
    for variable, name in table()["detected_by"]:
        if environ.get(variable, "").lower() not in UNSET:
            return name, f"detected: {variable} is set"
    return DEFAULT, "no CI and no Slurm allocation was detected"


def find(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A profile by its name, a hyphen as good as an underscore. Raises ValueError with the nearest name."""
    known = {**table()["profiles"], **own}
    wanted = name.strip().replace("-", "_")
    if wanted not in known:
        begins = (other for other in known if other.startswith(wanted))
        near = next(begins, difflib.get_close_matches(wanted, known, 1, 0)[0])
        raise ValueError(f"there is no environment {name!r}; did you mean {near}?")
    return {**known[wanted], "name": wanted}


def choose(given: Mapping[str, Any], config: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    """The profile that holds: by option, by the task, by NOXLIB_ENV, as detected; with what options change of it.

    Raises ValueError for an unknown name.
    """
    profile = dict(given)
    asked, variable = options.value(config, "env-config"), environ.get(tasks.ENVIRONMENT)
    if asked is not None or not given:
        name, reason = detect(environ)
        if asked is not None:
            name, reason = str(asked), "asked for by --env-config"
        elif variable:
            name, reason = variable, f"asked for by {tasks.ENVIRONMENT}"
        projects = {key: given[key] for key in OF_THE_PROJECT if key in given}
        profile = {**given, **find(name, given.get("environments", {})), **projects, "reason": reason}
    changed = {
        "timeout_multiplier": options.value(config, "timeout-multiplier"),
        "concurrent": options.value(config, "max-concurrent"),
        "backends": options.value(config, "backend"),
    }
    return {**profile, **{key: value for key, value in changed.items() if value is not None}}


def refusal(profile: Mapping[str, Any], item: pytest.Item) -> str | None:
    """The value of the profile that keeps a test from running here."""
    only = getattr(item, "callspec", None) and item.callspec.params.get("noxlib_storage")  # type: ignore[attr-defined]
    if item.get_closest_marker("large_files") and not profile["large_files"]:
        return "large_files = false"
    for marker in item.iter_markers("backend"):
        for name in named(marker):
            if name not in profile["backends"] and only in (None, name):
                return f"backends = {', '.join(profile['backends'])}; not {name}"
    return None


def named(marker: pytest.Mark) -> list[str]:
    """The storage backends of a marker ``backend``."""
    return [*marker.args, *(marker.kwargs[key] for key in ("name",) if key in marker.kwargs)]


class Environment:
    """The plugin that holds for every process that runs tests under a profile."""

    def __init__(self, config: Any, profile: dict[str, Any]) -> None:
        self.profile = profile
        self.skipped: Counter[str] = Counter()
        self.prefix = f"environment {profile['name']} has "
        self.base = float(profile.get("test_timeout") or TEST_TIMEOUT)
        self.own_timeout = phases.configured(config)
        os.environ.update(tasks.variables(profile, os.environ))
        for name, key in (("env-config", "name"), ("timeout-multiplier", "timeout_multiplier")):
            setattr(config.option, options.destination(name), profile[key])
        setattr(config.option, options.destination("max-concurrent"), profile["concurrent"])
        config.pluginmanager.register(fixtures, "noxlib-fixtures")
        config.pluginmanager.register(once.Shared(config), "noxlib-once")
        config.pluginmanager.register(budgets.Budgets(profile), "noxlib-budgets")
        notices.gather(config)
        self.leaks = looking(config)
        if stack.active is not None:
            stack.active.watch(config)
        with contextlib.suppress(OSError):  # a full disk, or somebody else's folder of that name
            registered.sweep()
        if not self.own_timeout:
            limits = phases.Phases(config, self.base, float(profile["timeout_multiplier"]), profile["name"])
            config.pluginmanager.register(limits, "noxlib-phases")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        for marker in MARKERS:
            config.addinivalue_line("markers", marker)

    @pytest.hookimpl
    def pytest_report_header(self) -> str:
        profile = self.profile
        level = f", level {profile['level']}" if profile.get("level") else ""
        limit = f"{self.base * profile['timeout_multiplier']:g} s a phase of a test"
        timeout = "timeouts by pytest-timeout" if self.own_timeout else limit
        return f"noxlib: environment {profile['name']}{level}: {timeout}, {profile['concurrent']} at once"

    @pytest.hookimpl
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test of ``storage`` runs once for each of its backends: those that it is marked for, else all there are."""
        if "noxlib_storage" in metafunc.fixturenames:
            marked = [name for marker in metafunc.definition.iter_markers("backend") for name in named(marker)]
            names = list(dict.fromkeys(marked or self.profile["backends"]))
            metafunc.parametrize("noxlib_storage", names, indirect=True, scope="session")

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            value = refusal(self.profile, item)
            if value is not None:
                item.add_marker(pytest.mark.skip(reason=self.prefix + value))

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            head, found, value = str(report.longrepr[2]).partition(self.prefix)
            if found and head in ("", "Skipped: "):
                self.skipped[value] += 1


def looking(config: Any) -> Any:
    """The plugin that looks for what tests leave behind, where somebody asked for it."""
    asked = options.value(config, "leaks")
    if not asked:
        return None
    from . import leaks  # noqa: PLC0415 - its hooks cost something for each test

    plugin = leaks.Leaks(config, fail=asked == "fail")
    config.pluginmanager.register(plugin, "noxlib-leaks")
    return plugin


def hold(config: Any, task: Mapping[str, Any]) -> Environment:
    """Register the plugin of the environment profile. Raises UsageError for one that there is not."""
    options.release(config)
    try:
        environment = Environment(config, choose(task.get("profile") or {}, config, os.environ))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(environment, "noxlib-environment")
    return environment
