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
    disk: Optional[str] = None  #: limit of what is written to the disk: ``"2g"``
    devices: tuple[str, ...] = ()  #: devices handed to the container: ``"/dev/fuse"``
    coverage: Optional[bool] = None  #: measure coverage; default: where the project configures coverage


class LevelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.integration.levels.NAME]``: a level of ours where it differs, or one of the project's own."""

    select: Optional[str] = None  #: pytest marker expression; a level of the project's own needs one
    args: Optional[tuple[str, ...]] = None  #: arguments for pytest instead of the level's own
    timeout: Optional[float] = None  #: seconds for the whole suite
    test_timeout: Optional[float] = None  #: seconds for each phase of a test, before the profile multiplies them
    new_test_runs: Optional[int] = None  #: how often a test runs that the history does not know as stable


class IntegrationConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.integration]``: a suite with levels."""

    level: str = "basic"  #: the level that is run where none is asked for
    levels: dict[str, LevelConfig] = {}  #: values of each level


class ScriptConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.script]``: the project's own executable; ``args`` are its arguments."""

    path: str = "test.sh"  #: the executable
    python: Optional[str] = None  #: the Python whose testground it runs in; default: the newest configured
    root: bool = False  #: it needs root: by ``sudo -n`` where the user is another one


class ComposeConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.compose_integration]``: a suite with the services of a compose file."""

    file: str = "docker-compose.test.yml"  #: the compose file
    runner: str = "test-runner"  #: the service whose part the tests' own container takes, where there is one
    migrate: Optional[str] = None  #: command that is run in the testground once the services are ready
    seed: tuple[str, ...] = ()  #: then: SQL files for PostgreSQL, or commands
    migrations: tuple[str, ...] = ("alembic.ini", "**/alembic/**", "**/migrations/**")  #: globs that decide the data
    ports: Literal["free", "fixed"] = "free"  #: what the file leaves open: free ports, or each service's own and one
    mocks: Literal["report", "fail"] = "report"  #: what comes of a request that no mock peer expects
    faults: tuple[str, ...] = ()  #: proxies between the tests and services, as ``--fault`` has them
    ready_timeout: float = 600.0  #: seconds in which the services get ready, what is pulled and built not counted
    keep_hours: float = 8.0  #: hours after which services that ``--keep`` left up are removed
    reset: dict[str, tuple[str, ...]] = {}  #: service -> command that empties it between runs; none: nothing is done


class HpcConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.hpc]``: the Slurm cluster that suites are submitted to."""

    host: Optional[str] = None  #: login node, ``user@host``; ``here``: this machine; ``simulation``: that of our own
    folder: str = ".noxlib"  #: our folder in the shared home, or an absolute path that all nodes see
    partition: Optional[str] = None  #: default: the cluster's own
    account: Optional[str] = None  #: default: the user's own
    time: Optional[str] = None  #: limit of a task as sbatch takes it; default: the suite's timeout and a little more
    shards: int = 1  #: tasks of the array
    sbatch: tuple[str, ...] = ()  #: more words for sbatch


class SanityConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.sanity]``: a suite on a machine that ssh reaches."""

    host: Optional[str] = None  #: the machine where none is named: ``root@host``, ``host:port``
    python: Optional[str] = None  #: the Python whose testground is taken; default: the newest configured


class VmtestConfig(SuiteConfig, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.vmtest]``: a suite in a virtual machine, whose own ``memory`` and ``cpus`` are."""

    timeout: float = 7200.0  #: seconds for the whole suite; without KVM a machine is some twelve times slower
    rung: Literal["qemu", "vmtest"] = "qemu"  #: what drives the machine: QEMU and SSH, or the program vmtest
    saved_ram: bool = True  #: go on from the saved RAM of a machine that was booted once


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.retention]``: how long published testgrounds are kept."""

    release: str = "forever"  #: age until which releases and ``latest`` are kept: ``"90 days"``, ``"forever"``
    main: str = "90 days"  #: age until which the tag of main or master is kept
    branch: str = "30 days"  #: age until which other branches are kept
    sha: str = "30 days"  #: age until which commits are kept
    pr: str = "7 days"  #: age until which ``pr-N`` is kept, while its pull request is open or nobody tells
    cache: str = "forever"  #: age until which layer caches (``buildcache…``) are kept
    keep_last: int = 1  #: newest versions of each Python and class that are kept, whatever their age
    share: float = 0.5  #: share of all versions above which ``--apply`` deletes with ``--yes`` only
    backend: Literal["auto", "registry", "ghcr"] = "auto"  #: who deletes: the registry itself, or GitHub's REST API
    token: Optional[str] = None  #: token for GitHub's API, by reference: ``env:NAME``; default: the registry's


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


class QuarantineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib.quarantine."TEST"]``: a test, by id or glob, whose failures fail nothing for a while."""

    owner: str = ""  #: who sees to it
    reason: str = ""  #: why it is in quarantine
    expires: str = ""  #: the last day on which it is: ``"2027-01-31"``


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tool.noxlib]``. None, or an empty tuple of Pythons: detect it (``nox -s doctor`` shows what was found)."""

    pythons: tuple[str, ...] = ()  #: as uv names them: ``3.12``, ``3.14t``, ``pypy3.11``
    image: Optional[str] = None  #: image name without tag; default ``<project>-testground``
    extras: Optional[tuple[str, ...]] = None  #: the project's extras that the tests need
    groups: Optional[tuple[str, ...]] = None  #: dependency groups that the tests need
    requirements: Optional[tuple[str, ...]] = None  #: requirements files
    packages: tuple[str, ...] = ()  #: more requirement strings
    fixtures: tuple[Literal["postgres", "redis", "storage", "data"], ...] = ()  #: fixtures whose drivers are needed
    constraints: tuple[str, ...] = ()  #: constraints files
    exclude_newer: Optional[str] = None  #: ignore what was uploaded after this date (RFC 3339 or YYYY-MM-DD)
    apt: tuple[str, ...] = ()  #: Debian packages for the testground
    place: Literal["auto", "container", "venv"] = "auto"  #: where suites run
    fallback: bool = False  #: allow, under CI, to take the venv where no engine is at hand
    import_names: Optional[tuple[str, ...]] = None  #: top-level packages that the guard checks
    mirrors: dict[str, str] = {}  #: registry prefix -> its replacement, for base images
    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = ()  #: what CI builds and tests; default its own
    write_back: tuple[str, ...] = ()  #: globs of files that tests may write into the checkout
    unit: SuiteConfig = SuiteConfig()  #: the unit tests
    integration: IntegrationConfig = IntegrationConfig()  #: the tests that need services
    compose_integration: ComposeConfig = ComposeConfig()  #: the tests that need the services of a compose file
    sanity: SanityConfig = SanityConfig()  #: the tests of a machine that ssh reaches
    script: ScriptConfig = ScriptConfig()  #: the project's own executable as a suite
    hpc: HpcConfig = HpcConfig()  #: the Slurm cluster
    vmtest: VmtestConfig = VmtestConfig()  #: the tests that need a machine of their own
    perf: SuiteConfig = SuiteConfig()  #: the benchmarks that perf_compare runs
    retention: RetentionConfig = RetentionConfig()  #: how long published testgrounds are kept
    environments: dict[str, EnvironmentConfig] = {}  #: environment profiles
    workspace: dict[str, tuple[str, ...]] = {}  #: folder of an isolated workspace -> the project's variables for it
    quarantine: dict[str, QuarantineConfig] = {}  #: tests whose failures fail nothing for a while
    env_aliases: dict[str, str] = {}  #: a variable of the project's own -> the one of ours that it stands for
