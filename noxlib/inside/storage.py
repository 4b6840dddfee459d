"""The backends of the fixture ``storage``, by their names: started once a session, a folder of its own for each test.

What they need beside the standard library is imported with the backend that needs it.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
from typing import TYPE_CHECKING, Any

import pytest

from . import options, storage_owner
from .network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .network import Proxy
    from .storage_files import Storage

#: Name -> its module here and its class.
BACKENDS = {
    "file": ("storage", "Files"),
    "mock_ssh": ("storage_sftp", "MockSsh"),
    "ssh": ("storage_sftp", "Ssh"),
    "s3": ("storage_s3", "S3"),
    "mock_tape": ("storage", "MockTape"),
}


class Refused(Exception):
    """A backend cannot be used: what happened, and what to do."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what}\n  {todo}")


class Given:
    """What a backend is started with.

    Args:
        request: Of the fixture that starts it.
        environment: The environment profile.
        folder: An empty folder of this session.
        network: Whose proxies lead to the backend; None where the environment has no network simulation.
    """

    def __init__(
        self, request: pytest.FixtureRequest, environment: Mapping[str, Any], folder: Path, network: Network | None
    ) -> None:
        self.request, self.environment, self.folder, self.network = request, environment, folder, network

    def option(self, name: str) -> Any:
        """The value of one of the plugin's options."""
        return options.value(self.request.config, name)

    def secret(self, name: str) -> str | None:
        """What the reference of such an option leads to. Raises Refused."""
        reference = self.option(name)
        try:
            return options.secret(reference) if reference else None
        except (LookupError, OSError) as error:
            raise Refused(f"--{name} {reference} leads nowhere: {error}", f"correct --{name}") from None

    def skip(self, why: str) -> None:
        """Skip what needs the backend, by a value of the environment."""
        profile = self.environment
        pytest.skip(f"environment {profile['name']} has backends = {', '.join(profile['backends'])}; {why}")


class Backend:
    """One backend. ``start`` makes ``filesystem``, of fsspec, and ``folder``, below which the tests' folders lie."""

    name = ""
    by_network = False
    appends = True
    broken: tuple[type[BaseException], ...] = (OSError,)
    proxy: Proxy | None = None
    filesystem: Any
    folder: str
    options: Mapping[str, Any]

    def __init__(self, given: Given) -> None:
        self.given, self.environment = given, given.environment
        self.options = {}
        self.tests = 0

    def start(self) -> None:
        """Be ready for tests. Raises Refused where that cannot be."""
        raise NotImplementedError

    def begin(self) -> None:
        """Before each test, and before what it made is removed: the connection holds, or is a new one."""

    def reconnect(self) -> Any:
        """The file system by a new connection, after what became of the old one."""
        return self.filesystem

    def cut_from(self) -> int:
        """The byte of a connection's answers from which a cut counts."""
        return 0

    def url(self, path: str) -> str:
        """A path as ``fsspec.open`` takes it."""
        return path

    def close(self) -> None:
        """Leave nothing behind. It may not have been started."""

    @contextlib.contextmanager
    def storage(self) -> Iterator[Storage]:
        """What one test gets, in a folder of its own."""
        from .storage_files import Storage  # noqa: PLC0415 - needs fsspec

        self.begin()
        self.tests += 1
        folder = str(self.tests)
        self.filesystem.makedirs(f"{self.folder}/{folder}", exist_ok=True)
        found = Storage(self, folder)
        try:
            yield found
        finally:
            found.restore()
            self.begin()
            with contextlib.suppress(FileNotFoundError):  # the test removed it
                self.filesystem.rm(found.path, recursive=True)


class Files(Backend):
    """A folder of this machine."""

    name = "file"

    def start(self) -> None:
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        self.filesystem = LocalFileSystem(skip_instance_cache=True)
        self.folder = str(self.given.folder)


class MockTape(Backend):
    """A folder of this machine of which a model says what is on tape: a library of its own for each test."""

    name = "mock_tape"

    def start(self) -> None:
        self.folder = str(self.given.folder)
        self.begin()

    def begin(self) -> None:
        from .storage_tape_files import TapeFileSystem  # noqa: PLC0415

        self.filesystem = TapeFileSystem(f"{self.folder}/{self.tests + 1}")


@contextlib.contextmanager
def running(request: pytest.FixtureRequest, environment: Mapping[str, Any], folder: Path) -> Iterator[Backend]:
    """The backend that the fixture's parameter names, while it runs; the test fails in two lines where it cannot.

    Args:
        request: Of the fixture; without a parameter it is the environment's first backend.
        environment: The environment profile.
        folder: An empty folder of this session.
    """
    refused = ""
    with contextlib.ExitStack() as stack:
        try:
            kind = find(getattr(request, "param", None) or environment["backends"][0])
            network = None
            if kind.by_network and environment["network_simulation"]:
                network = Network(request.getfixturevalue("noxlib_proxies"), environment)
                stack.callback(network.close)
                stack.enter_context(network.names())
            backend = kind(Given(request, environment, folder, network))
            stack.callback(backend.close)
            backend.start()
        except Refused as error:
            refused = str(error)
        if refused:
            pytest.fail(refused, pytrace=False)  # here, where no other error is being handled
        yield backend


def find(name: str) -> type[Backend]:
    """The class of a backend. Raises Refused for an unknown name, with the nearest, and where a driver is missing."""
    if name not in BACKENDS:
        near = difflib.get_close_matches(name.replace("-", "_"), BACKENDS, 1, 0)[0]
        what = f"there is no storage backend {name!r}; did you mean {near}?"
        raise Refused(what, f"the backends are {', '.join(BACKENDS)}")
    module, kind = BACKENDS[name]
    try:
        importlib.import_module("fsspec.asyn").get_loop()  # its thread is nobody's but the session's
        found: type[Backend] = getattr(importlib.import_module(f".{module}", __package__), kind)
    except ImportError as error:
        what = f"the storage backend {name} cannot be used: {error.name} is not installed here"
        raise Refused(what, 'add "storage" to fixtures of [tool.noxlib], or install noxlib[storage]') from None
    return found


def claim(filesystem: Any, base: str) -> str:
    """A folder for this session in storage that others use too, after what dead ones left there is gone; its path."""
    base = f"{base}/{storage_owner.BASE}"
    storage_owner.sweep(filesystem, base)
    return f"{base}/{storage_owner.name()}"
