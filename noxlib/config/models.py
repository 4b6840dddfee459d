"""``[tool.noxlib]`` as frozen structs: every key, its type and its default. Unknown keys are refused."""

from __future__ import annotations

from typing import Literal, Optional

import msgspec


class SuiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.unit]`` and its like: what one suite runs, and within which limits."""

    paths: tuple[str, ...] = ()  #: test paths; default: pytest's ``testpaths`` or ``tests/``
    select: Optional[str] = None  #: pytest marker expression; default: the suite's own
    args: tuple[str, ...] = ()  #: more arguments for pytest
    env: dict[str, str] = {}  #: environment variables
    timeout: float = 3600.0  #: seconds for the whole suite
    network: bool = True  #: False: no network in the place
    memory: Optional[str] = None  #: memory limit: ``"512m"``, ``"2g"``
    cpus: Optional[float] = None  #: CPU limit: ``1.5``
    shm_size: Optional[str] = None  #: size of /dev/shm: ``"256m"``
    devices: tuple[str, ...] = ()  #: devices handed to the container: ``"/dev/fuse"``
    coverage: Optional[bool] = None  #: measure coverage; default: where the project configures coverage


class LevelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.integration.levels.NAME]``: a level of ours where it differs, or one of the project's own."""

    select: Optional[str] = None  #: pytest marker expression; a level of the project's own needs one
    args: Optional[tuple[str, ...]] = None  #: arguments for pytest instead of the level's own
    timeout: Optional[float] = None  #: seconds for the whole suite
    test_timeout: Optional[float] = None  #: seconds for each phase of a test, before the profile multiplies them


class IntegrationConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.integration]``: a suite with levels."""

    level: str = "basic"  #: the level that is run where none is asked for
    levels: dict[str, LevelConfig] = {}  #: values of each level


class ScriptConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.script]``: the project's own executable; ``args`` are its arguments."""

    path: str = "test.sh"  #: the executable
    python: Optional[str] = None  #: the Python whose testground it runs in; default: the newest configured


class EnvironmentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.environments.NAME]``: a profile of ours where it differs, or one of the project's own."""

    inherits: Optional[str] = None  #: the profile whose values hold where none is given here; default: ``local``
    timeout_multiplier: Optional[float] = None  #: what timeouts of tests are multiplied by
    concurrent: Optional[int] = None  #: operations at once
    network_simulation: Optional[bool] = None  #: whether networks are simulated
    large_files: Optional[bool] = None  #: whether tests marked ``large_files`` run
    backends: Optional[tuple[str, ...]] = None  #: storage backends; tests marked with another are skipped
    memory_mb: Optional[int] = None  #: budget of memory for a test
    disk_mb: Optional[int] = None  #: budget of disk for a test


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib]``. None, or an empty tuple of Pythons: detect it (``nox -s doctor`` shows what was found)."""

    pythons: tuple[str, ...] = ()  #: as uv names them: ``3.12``, ``3.14t``, ``pypy3.11``
    image: Optional[str] = None  #: image name without tag; default ``<project>-testground``
    extras: Optional[tuple[str, ...]] = None  #: the project's extras that the tests need
    groups: Optional[tuple[str, ...]] = None  #: dependency groups that the tests need
    requirements: Optional[tuple[str, ...]] = None  #: requirements files
    packages: tuple[str, ...] = ()  #: more requirement strings
    constraints: tuple[str, ...] = ()  #: constraints files
    exclude_newer: Optional[str] = None  #: ignore what was uploaded after this date (RFC 3339 or YYYY-MM-DD)
    apt: tuple[str, ...] = ()  #: Debian packages for the testground
    place: Literal["auto", "container", "venv"] = "auto"  #: where suites run
    fallback: bool = False  #: allow, under CI, to take the venv where no engine is at hand
    import_names: Optional[tuple[str, ...]] = None  #: top-level packages that the guard checks
    mirrors: dict[str, str] = {}  #: registry prefix -> its replacement, for base images
    write_back: tuple[str, ...] = ()  #: globs of files that tests may write into the checkout
    unit: SuiteConfig = SuiteConfig()  #: the unit tests
    integration: IntegrationConfig = IntegrationConfig()  #: the tests that need services
    script: ScriptConfig = ScriptConfig()  #: the project's own executable as a suite
    environments: dict[str, EnvironmentConfig] = {}  #: environment profiles
