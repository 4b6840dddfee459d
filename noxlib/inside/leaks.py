"""What a test leaves behind: processes, listening ports, threads, changed variables, files outside of its folders.

``--leaks=report`` names the tests that do, ``--leaks=fail`` fails their teardown. What a fixture of a wider scope makes
is its own, and stays.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from .registered import began

if TYPE_CHECKING:
    from collections.abc import Iterator

PROPERTY = "noxlib-leak"  #: in the test's ``user_properties``, and so in its JUnit
LISTEN = "0A"  #: of /proc/net/tcp: the kernel's include/net/tcp_states.h
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
VARIABLE = "variable"
OWN = ("PYTEST_CURRENT_TEST",)
MARK = "NOXLIB_LEAKS"  #: variable by which children are known whose parent has ended


class Leaks:
    """The plugin, in each process that runs tests.

    Args:
        config: pytest's.
        fail: A test that leaves something behind fails.
    """

    def __init__(self, config: pytest.Config, *, fail: bool) -> None:
        self.fail = fail
        self.found: dict[str, list[str]] = {}  # test -> what it left
        self.own = tuple(os.path.realpath(path) for path in (str(config.rootpath), tempfile.gettempdir()))
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
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.found:
            terminalreporter.section("left behind")
        for test, left in self.found.items():
            terminalreporter.write_line(f"{test}: {'; '.join(left)}")


def changed(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """What to call each thing that is new, and each variable that is gone."""
    yield from (told for key, told in after.items() if key not in before)
    yield from (told for key, told in before.items() if key.startswith(VARIABLE) and key not in after)


def look() -> dict[str, str]:
    """All that is there now and might be left: a name for each that holds as long as it lives, and what to call it."""
    threads = {f"thread {one.ident}": f"the thread {one.name}" for one in threading.enumerate()}
    return {**threads, **variables(), **processes(), **ports()}


def variables() -> dict[str, str]:
    """The environment. A variable is told by its name alone: the value may be a secret."""
    known = ((name, value) for name, value in os.environ.items() if name not in OWN)
    return {f"{VARIABLE} {name}={value}": f"the variable {name}" for name, value in known}


def processes() -> dict[str, str]:
    """The children of this process, and theirs, that have not ended."""
    parents = dict(_parents())
    found = {}
    for pid, (_, command) in parents.items():
        if _below(pid, parents) or _marked(pid):
            found[f"process {pid} {began(pid)}"] = f"the process {command}"
    return found


def _below(pid: int, parents: dict[int, tuple[int, str]]) -> bool:
    own = os.getpid()
    while pid in parents and pid != own:
        pid = parents[pid][0]
        if pid == own:
            return True
    return False


def _marked(pid: int) -> bool:
    """Whether a process descends from this one, by the environment that it was started with."""
    if pid == os.getpid():
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return f"{MARK}={os.environ.get(MARK)}".encode() in stream.read().split(b"\0")
    except OSError:  # it ended, or is somebody else's
        return False


def _parents() -> Iterator[tuple[int, tuple[int, str]]]:
    """Process, its parent and its command, as proc(5) has them; zombies are left out."""
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc/self") else ()):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:
                head, _, tail = stream.read().rpartition(")")
        except OSError:  # it ended
            continue
        state, parent = tail.split()[:2]
        if state != "Z":
            yield int(name), (int(parent), head.partition("(")[2])


def ports() -> dict[str, str]:
    """The TCP ports at which this process listens."""
    own = _sockets()
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(table):
            columns = line.split()
            if columns[3] == LISTEN and columns[9] in own:
                found[f"port {columns[9]}"] = f"the listening port {int(columns[1].rpartition(':')[2], 16)}"
    return found


def _lines(table: str) -> list[str]:
    try:
        with open(table, encoding="ascii") as stream:
            return stream.readlines()[1:]
    except OSError:
        return []


def _sockets() -> set[str]:
    """The inodes of this process' sockets."""
    found = set()
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the one that listed the folder
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
