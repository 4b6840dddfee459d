"""Mock peers beside the tests: requests that no expectation met, expectations that nothing met, and the fixture.

Without pytest-xdist each MockServer is asked after each test, so that what nobody expected is told with its test. The
workers of pytest-xdist share the MockServers: there it is asked once, at the end, and told without a test.
"""

from __future__ import annotations

import collections
import difflib
from typing import TYPE_CHECKING, Any

import pytest

from .mock_server import Gone, MockServer, Request, label

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY_TEST = ""  #: the test of a request, where workers share the MockServer
PARTS = ("keyword", "deselect", "lf", "stepwise")  #: options of pytest that leave tests out
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)  #: how a session ends that ran all of its tests
FIRST = 1000  #: priority of what a test expects: before all that the files say


class Peers:
    """The plugin, in the process that the user sees.

    Args:
        servers: The MockServers by the service's name.
        files: The files with each one's expectations, for messages.
        fail: A request that nobody expected fails its test; where workers share the peers, the session.
    """

    def __init__(self, servers: dict[str, MockServer], files: dict[str, list[str]], *, fail: bool) -> None:
        self.servers, self.files, self.fail = servers, files, fail
        self.shared = False  # by workers of pytest-xdist
        self.part = False  # of the tests alone is run: it calls a part of what is expected
        self.initial: dict[str, list[dict[str, Any]]] = {}
        self.called: set[tuple[str, str]] = set()
        self.unmatched: list[dict[str, str]] = []
        self.lost: dict[str, str] = {}  # service -> why
        self.test = ANY_TEST  # that runs now

    @pytest.hookimpl
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        config = session.config
        self.shared = config.pluginmanager.hasplugin("dsession")
        paths = getattr(getattr(config, "args_source", None), "name", "") == "ARGS"
        marked = any(word.startswith("-m") for word in config.invocation_params.args)  # its own option holds ours too
        self.part = paths or marked or any(config.getoption(option, None) for option in PARTS)
        for name, server in self.servers.items():
            with self.noting(name):
                self.initial[name] = server.expectations()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.settle()  # where another's teardown failed, that of the test before did not come to ours
        self.test = item.nodeid

    @pytest.hookimpl(trylast=True)  # after the fixtures' own
    def pytest_runtest_teardown(self) -> None:
        found = self.settle()
        if found and self.fail:
            pytest.fail(f"no expectation met: {'; '.join(found)}", pytrace=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        stopped = session.shouldfail or session.shouldstop or session.exitstatus not in ENDED
        self.part = self.part or bool(stopped)
        found = self.look(ANY_TEST) if self.shared else self.settle()
        for server in self.servers.values():
            server.close()
        if found and self.fail and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def settle(self) -> list[str]:
        """What nobody expected of the test that runs, once."""
        test, self.test = self.test, ANY_TEST
        return self.look(test) if test and not self.shared else []

    def look(self, test: str) -> list[str]:
        """Take in what the MockServers were asked since they were asked last; what none of them expected."""
        found = []
        for name, server in self.servers.items():
            if name not in self.initial:  # it did not answer when the session began
                continue
            with self.noting(name, test):
                found += [f"{name}: {request}" for request in self.unexpected(server)]
        self.unmatched += [dict(zip(("service", "request"), one.split(": ", 1)), test=test) for one in found]
        return found

    def unexpected(self, server: MockServer) -> list[str]:
        """The requests that met no expectation; then the log is cleared, and limited expectations are whole again."""
        asked = server.requests()
        if not asked:
            return []
        answered = server.answered()
        self.called |= {(server.name, expectation) for expectation, _ in answered}
        server.forget()
        limited = [one for one in self.initial.get(server.name, ()) if not one.get("times", {}).get("unlimited", True)]
        if limited and not self.shared:
            server.add(limited)
        left = collections.Counter(map(str, asked)) - collections.Counter(str(request) for _, request in answered)
        return list(left.elements())

    def noting(self, name: str, test: str = "") -> Noting:
        return Noting(self.lost, name, test)

    def never_called(self) -> list[dict[str, str]]:
        """The initial expectations that no request met, of those MockServers that answered to the end.

        None where a part of the tests was run.
        """
        if self.part:
            return []
        return [
            {"service": name, "expectation": label(one), "file": ", ".join(self.files.get(name, ()))}
            for name, expectations in self.initial.items()
            for one in expectations
            if name not in self.lost and (name, one["id"]) not in self.called
        ]

    def result(self) -> dict[str, Any]:
        """For result.json."""
        lost = [{"service": name, "why": why} for name, why in self.lost.items()]
        return {"unmatched": self.unmatched, "never_called": self.never_called(), "lost": lost}

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        lines = list(told(self.result()))
        if lines:
            terminalreporter.section("mock peers")
        for line in lines:
            terminalreporter.write_line(line)


class Noting:
    """In its block a MockServer that does not answer, or not as one does, is noted, once, instead of raised."""

    def __init__(self, lost: dict[str, str], name: str, test: str) -> None:
        self.lost, self.name, self.test = lost, name, test

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        lost = isinstance(error, (Gone, ValueError))
        if lost:
            after = f", after {self.test}" if self.test else ""
            self.lost.setdefault(self.name, f"{error}{after}")
        return lost


def told(result: dict[str, Any]) -> Iterable[str]:
    """A line for each finding."""
    for one in result["unmatched"]:
        yield f"{one['test'] or 'in one of the tests'}: {one['service']} expects no {one['request']}"
    for one in result["never_called"]:
        yield f"never called: {one['expectation']} of {one['service']} ({one['file'] or 'no file'})"
    for one in result["lost"]:
        yield one["why"]


class Peer:
    """A mock peer in a test. What the test expects of it comes before what the files say, and goes with the test."""

    def __init__(self, server: MockServer) -> None:
        self.server = server
        self.added: list[str] = []

    def expect(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        json: Any = None,
        text: str | None = None,
        headers: dict[str, str] | None = None,
        times: int | None = None,
    ) -> Peer:
        """Answer a request from now on.

        Args:
            method: ``GET`` and so on.
            path: A path, or a regular expression for the whole of it.
            status: The answer's.
            json: The answer's body.
            text: The answer's body, if it is no JSON.
            headers: The answer's.
            times: How often; then what the files say holds again. Default: until the test ends.
        """
        answer: dict[str, Any] = {"statusCode": status}
        if json is not None or text is not None:
            answer["body"] = {"type": "STRING", "string": text} if json is None else json
        if headers:
            answer["headers"] = {name: [value] for name, value in headers.items()}
        made = {"httpRequest": {"method": method, "path": path}, "httpResponse": answer, "priority": FIRST}
        if times is not None:
            made["times"] = {"remainingTimes": times, "unlimited": False}
        self.added += [one["id"] for one in self.server.add([made])]
        return self

    def requests(self, path: str | None = None, method: str | None = None) -> list[Request]:
        """What it was asked in this test, in order; only a method's, or those of a path (a regular expression)."""
        wanted = {"method": method, "path": path}
        return self.server.requests({key: value for key, value in wanted.items() if value} or None)

    def verify(self, path: str, *, method: str | None = None, times: int | None = None) -> list[Request]:
        """Raises AssertionError unless it was asked for a path, so often where ``times`` says it."""
        found = self.requests(path, method)
        if (not found) if times is None else len(found) != times:
            wanted = "at least once" if times is None else f"{times} times"
            asked = ", ".join(map(str, self.requests())) or "nothing"
            what = f"{method} {path}" if method else path
            raise AssertionError(f"{self.server.name}: {what} {wanted}, found {len(found)} times; it was asked {asked}")
        return found

    def reset(self) -> None:
        """Take back what this test added, and forget the requests."""
        while self.added:
            self.server.remove(self.added.pop())
        self.server.forget()


class PeersOfTest:
    """What the fixture ``mock_peer`` gives."""

    def __init__(self, servers: dict[str, MockServer]) -> None:
        self.servers = servers
        self.peers: dict[str, Peer] = {}

    def __call__(self, name: str) -> Peer:
        """The mock peer of a service. Raises LookupError with the nearest name for one that there is not."""
        if name not in self.servers:
            near = difflib.get_close_matches(name, self.servers, 1, 0)
            raise LookupError(f"there is no mock peer {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return self.peers.setdefault(name, Peer(self.servers[name]))

    def close(self) -> None:
        """Take back what the test added. Raises Gone where a peer does not answer any more."""
        for peer in self.peers.values():
            while peer.added:
                peer.server.remove(peer.added.pop())
            peer.server.close()
