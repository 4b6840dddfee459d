"""Fixtures of a session that has an environment profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from . import isolation, once, options, slots, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from . import bad_network as bad_network_
    from . import data_files, databases, mock_peers, postgres, redis_databases, service_control
    from . import network as network_
    from . import storage as storage_
    from .storage_files import Storage


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
    asked = options.value(pytestconfig, "ssh-password")
    try:
        password = options.secret(asked) if asked else None
    except (LookupError, OSError) as error:
        what = f"--ssh-password {asked} leads nowhere: {error}\n  correct --ssh-password"
        raise pytest.fail.Exception(what, pytrace=False) from None
    return {
        "host": host,
        "port": options.value(pytestconfig, "ssh-port") or 22,
        "user": options.value(pytestconfig, "ssh-user"),
        "key": options.value(pytestconfig, "ssh-key"),
        "password": password,
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


@pytest.fixture(scope="session")
def noxlib_postgres(pytestconfig: pytest.Config) -> Iterator[postgres.Postgres]:
    """The server and the sealed copy that the databases of ``postgres_database`` are cloned from."""
    from . import databases, postgres  # noqa: PLC0415

    with databases.failing():
        server = postgres.Postgres(databases.address(pytestconfig, "postgres-url", "DATABASE_URL"))
        try:
            server.begin()
            yield server
        finally:
            server.end()


@pytest.fixture
def postgres_database(noxlib_postgres: postgres.Postgres) -> Iterator[databases.Database]:
    """``postgres_database.url``: a database of this test's own, a clone of the one that DATABASE_URL names."""
    from . import databases  # noqa: PLC0415

    with databases.failing():
        database = noxlib_postgres.new()
        yield database
        noxlib_postgres.drop(database)


@pytest.fixture(scope="session")
def noxlib_redis(pytestconfig: pytest.Config) -> Iterator[redis_databases.Redis]:
    """The server, with the logical database that belongs to this worker."""
    from . import databases, redis_databases  # noqa: PLC0415

    with databases.failing():
        server = redis_databases.Redis(databases.address(pytestconfig, "redis-url", "REDIS_URL"))
        try:
            server.begin()
            yield server
        finally:
            server.end()


@pytest.fixture
def redis_database(noxlib_redis: redis_databases.Redis) -> Iterator[databases.Database]:
    """``redis_database.url``: a logical database of Redis that is empty, and no other worker's."""
    from . import databases  # noqa: PLC0415

    with databases.failing():
        noxlib_redis.empty()
        yield noxlib_redis.database()
        noxlib_redis.empty()


@pytest.fixture
def mock_peer() -> Iterator[mock_peers.PeersOfTest]:
    """``mock_peer("mock-admin").expect("GET", "/items", json=[])``: a mock peer; what it expects goes with the test."""
    from . import mock_peers, stack  # noqa: PLC0415

    found = mock_peers.PeersOfTest(stack.mock_servers(stack.needed()))
    yield found
    found.close()


@pytest.fixture
def bad_network() -> Iterator[bad_network_.BadNetwork]:
    """``bad_network("redis-test").use(latency=0.2)``: faults of a service's network, for this test."""
    from . import bad_network as bad_network_  # noqa: PLC0415
    from . import stack  # noqa: PLC0415

    told = stack.needed()
    found = bad_network_.BadNetwork(told["faults"], told["services"])
    yield found
    found.close()


@pytest.fixture
def services() -> Iterator[service_control.Services]:
    """``services.kill("redis-test")``: also ``pause``, ``resume``, ``restart``; after the test all run again."""
    from . import service_control, stack  # noqa: PLC0415

    known = stack.needed()
    if not known["channel"]:
        pytest.skip("tests and services are on different machines: they cannot be killed or paused from here")
    found = service_control.Services(known["services"], stack.folder(), known["channel"])
    yield found
    found.restore()


@pytest.fixture(scope="session")
def noxlib_storage(
    request: pytest.FixtureRequest, noxlib_environment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[storage_.Backend]:
    """A backend of ``storage``: each that the environment has, one after the other."""
    from . import storage as storage_  # noqa: PLC0415 - few tests need it

    with storage_.running(request, noxlib_environment, tmp_path_factory.mktemp("storage")) as backend:
        yield backend


@pytest.fixture
def storage(noxlib_storage: storage_.Backend) -> Iterator[Storage]:
    """A file system of fsspec in a folder of the test's own, once for each backend of the environment."""
    with noxlib_storage.storage() as found:
        yield found
