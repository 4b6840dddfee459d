"""What a test leaves behind: processes, listening ports, threads, changed variables, files outside of its folders.

``--leaks=report`` names the tests that do, ``--leaks=fail`` fails their teardown. What a fixture of a wider scope makes
is its own, and stays.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from . import data_cache, layers
from .registered import began

if TYPE_CHECKING:
    from collections.abc import Iterator

PROPERTY = "noxlib-leak"  #: in the test's ``user_properties``, and so in its JUnit
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
VARIABLE = "variable"
OWN = ("PYTEST_CURRENT_TEST",)
SESSION = ""  #: the test of what no single one is known to have left
OUR_THREADS = "noxlib-"  #: how the names of threads begin that belong to fixtures of wider scopes
MARK = "NOXLIB_LEAKS"  #: variable by which children are known whose parent has ended
KERNEL = ("0", "2")  #: the parents of the kernel's own threads
LOOKS = 10  #: at an environment that is empty, a millisecond apart
strangers: set[str] = set()  #: processes that were here and are none of ours: they are not looked at again


class Leaks:
    """The plugin, in each process that runs tests.

    Args:
        config: pytest's.
        fail: A test that leaves something behind fails.
    """

    def __init__(self, config: pytest.Config, *, fail: bool) -> None:
        self.fail = fail
        self.found: dict[str, list[str]] = {}  # test -> what it left
        folders = (str(config.rootpath), tempfile.gettempdir(), data_cache.default())
        self.own = tuple(os.path.realpath(path) for path in folders)
        self.layers = None if hasattr(config, "workerinput") else layers.Layers(config.rootpath, self.own[1:])
        self.opened: set[str] = set()
        self.before: dict[str, str] = {}
        os.environ[MARK] = f"{os.getpid()}-{began(os.getpid())}"
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook (PEP 578): the files that Python opens to write."""
        if event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & WRITES:
            self.opened.add(arguments[0])

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        self.opened.clear()
        self.before = look()
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What a fixture of a wider scope makes is there for other tests too."""
        before = look() if fixturedef.scope != "function" else None
        yield
        if before is not None:
            now = look()
            made = {key: told for key, told in now.items() if key not in before}
            self.before = {**{key: told for key, told in self.before.items() if key in now}, **made}
            self.opened.clear()

    @pytest.hookimpl(trylast=True)  # after the fixtures' own; pluggy warns of a wrapper that raises
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        left = sorted({*changed(self.before, look()), *self.files()})
        item.user_properties.extend((PROPERTY, what) for what in left)
        if left and self.fail:
            pytest.fail(f"it leaves behind: {'; '.join(left)}", pytrace=False)

    def files(self) -> Iterator[str]:
        """The files that were opened to write and are still there, outside of the workspace and of temp folders."""
        for name in tuple(self.opened):
            path = os.path.realpath(name)
            if os.path.isfile(path) and not any(path.startswith(own + os.sep) for own in self.own):
                yield f"the file {path}"

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        left = [what for name, what in report.user_properties if name == PROPERTY]
        if report.when == "teardown" and left:
            self.found[report.nodeid] = left

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        told = {what for left in self.found.values() for what in left}
        files = [f"the file {path}" for path in self.layers.left()] if self.layers else []
        self.found[SESSION] = [what for what in files if what not in told]

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        found = {test or "the session": left for test, left in self.found.items() if left}
        if found:
            terminalreporter.section("left behind")
        for test, left in found.items():
            terminalreporter.write_line(f"{test}: {'; '.join(left)}")


def changed(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """What to call each thing that is new, and each variable that is gone."""
    yield from (told for key, told in after.items() if key not in before)
    yield from (told for key, told in before.items() if key.startswith(VARIABLE) and key not in after)


def look() -> dict[str, str]:
    """All that is there now and might be left: a name for each that holds as long as it lives, and what to call it."""
    others = (one for one in threading.enumerate() if not one.name.startswith(OUR_THREADS))
    threads = {f"thread {one.ident}": f"the thread {one.name}" for one in others}
    return {**threads, **variables(), **processes(), **ports()}


def variables() -> dict[str, str]:
    """The environment. A variable is told by its name alone: the value may be a secret."""
    known = ((name, value) for name, value in os.environ.items() if name not in OWN)
    return {f"{VARIABLE} {name}={value}": f"the variable {name}" for name, value in known}


def processes() -> dict[str, str]:
    """The processes that descend from this one, by their parents or by their environment, and have not ended."""
    running = set(filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc/self") else ()))
    for pid in strangers - running:
        strangers.discard(pid)
    found = {}
    for pid in running - strangers:
        status = _status(pid)
        if status.state not in ("", "Z"):
            if not _ours(pid, status.parent):
                strangers.add(pid)
            elif int(pid) != os.getpid():
                found[f"process {pid} {status.began}"] = f"the process {status.command}"
    return found


def _ours(pid: str, parent: str) -> bool:
    own = str(os.getpid())
    while parent not in ("0", "1", "", own, *strangers):
        parent = _status(parent).parent
    return own in (pid, parent) or f"{MARK}={os.environ.get(MARK)}".encode() in _environment(pid, parent)


def _environment(pid: str, parent: str) -> list[bytes]:
    """What a process was started with; [] for one that has ended or is somebody else's.

    In the middle of execve(2) a process has none for a moment; what the kernel itself started never has one.
    """
    for _ in range(1 if parent in KERNEL else LOOKS):
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                found = stream.read()
        except OSError:
            return []
        if found:
            return found.split(b"\0")
        time.sleep(0.001)
    return []


class Status(NamedTuple):
    """What proc(5) has of a process, read at once: it may end at any moment. Empty for one that has ended."""

    state: str = ""
    parent: str = ""
    command: str = ""
    began: str = ""


def _status(pid: str) -> Status:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            head, _, tail = stream.read().rpartition(")")
    except OSError:
        return Status()
    fields = tail.split()
    return Status(fields[0], fields[1], head.partition("(")[2], fields[19])


def ports() -> dict[str, str]:
    """The TCP ports at which this process listens. The kernel's own table of them takes 40 ms to read."""
    found = {}
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(OSError):  # the one that listed the folder; a socket of another kind
            name = os.readlink(f"/proc/self/fd/{number}")
            port = _listens(int(number)) if name.startswith("socket:") else None
            if port is not None:
                found[f"port {name}"] = f"the listening port {port}"
    return found


def _listens(descriptor: int) -> int | None:
    """The port at which a socket listens; None for any other. Raises OSError."""
    with socket.socket(fileno=os.dup(descriptor)) as one:
        internet = one.family in (socket.AF_INET, socket.AF_INET6)
        listening = internet and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return int(one.getsockname()[1]) if listening else None
