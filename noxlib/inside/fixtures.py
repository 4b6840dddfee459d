"""Fixtures of a session that has an environment profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from . import isolation, once, options, slots, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from . import data_files
    from . import network as network_


@pytest.fixture(scope="session")
def noxlib_environment(pytestconfig: pytest.Config) -> dict[str, Any]:
    """The environment profile: ``name``, ``timeout_multiplier``, ``concurrent``, ``backends`` and so on."""
    environment: Any = pytestconfig.pluginmanager.get_plugin("noxlib-environment")
    return dict(environment.profile)


@pytest.fixture(scope="session")
def noxlib_concurrency(noxlib_environment: dict[str, Any]) -> slots.Slots:
    """``with noxlib_concurrency:`` holds one of the profile's places for an operation, among all processes of the run.

    (Where there is no run, ``pytest -p``, among all processes of the user on this machine.)
    """
    task = tasks.current()
    return slots.Slots(task["result"] if task else None, int(noxlib_environment["concurrent"]))


@pytest.fixture(scope="session")
def noxlib_ssh(pytestconfig: pytest.Config) -> dict[str, Any]:
    """``host``, ``port``, ``user``, ``key`` and ``password`` of ``--ssh-…``; skips where no host was given."""
    host = options.value(pytestconfig, "ssh-host")
    if not host:
        pytest.skip("no --ssh-host was given")
    password = options.value(pytestconfig, "ssh-password")
    return {
        "host": host,
        "port": options.value(pytestconfig, "ssh-port") or 22,
        "user": options.value(pytestconfig, "ssh-user"),
        "key": options.value(pytestconfig, "ssh-key"),
        "password": options.secret(password) if password else None,
    }


@pytest.fixture
def isolated_workspace(tmp_path: Path, noxlib_environment: dict[str, Any]) -> Iterator[isolation.Workspace]:
    """Folders of the test's own for cache, configuration, data, state and temporary files; see ``isolation.py``."""
    path = tmp_path / "workspace"
    path.mkdir()
    with isolation.isolated(path, noxlib_environment.get("folders") or {}) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def once_per_run(pytestconfig: pytest.Config) -> once.Once:
    """Values that one worker of pytest-xdist makes for all of them; see ``once.py``."""
    shared: Any = pytestconfig.pluginmanager.get_plugin("noxlib-once")
    values: once.Once = shared.values
    return values


@pytest.fixture(scope="session")
def noxlib_proxies() -> Iterator[network_.ProxyProcess]:
    """The process in which the proxies of ``network`` run."""
    from . import network as network_  # noqa: PLC0415 - few tests need one

    process = network_.ProxyProcess()
    process.begin()  # here, so that it is this fixture's and not left behind by the first test that uses it
    yield process
    process.close()


@pytest.fixture
def network(noxlib_proxies: network_.ProxyProcess, noxlib_environment: dict[str, Any]) -> Iterator[network_.Network]:
    """``network.proxy(host, port, "wan")``: a proxy before an address, with the faults of a bad network."""
    from . import network as network_  # noqa: PLC0415

    found = network_.Network(noxlib_proxies, noxlib_environment)
    try:
        with found.names():
            yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def test_data() -> Iterator[data_files.TestData]:
    """``test_data.archive(mb=10, files=100)`` and its like: data made once for all workers, the same for a seed."""
    from . import data_files  # noqa: PLC0415 - few tests need it

    found = data_files.TestData()
    yield found
    found.cache.close()
