"""One timer for the deadlines of all phases: set anew only where it would come too late, or is not ours."""

from __future__ import annotations

import contextlib
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from noxlib.inside import deadline, phases

if TYPE_CHECKING:
    from collections.abc import Iterator


class Calls(list[float]):
    """Seconds of each call of setitimer, which is carried out, but comes in a year only: a busy machine may be slow."""

    def __call__(self, which: int, seconds: float, interval: float = 0.0) -> Any:
        self.append(round(seconds))
        return SET(which, YEAR if seconds else 0.0, interval)


SET = signal.setitimer
YEAR = 365 * 24 * 3600.0
NOW = 1000.0  #: by the plugin's clock, which stands still: a busy machine takes nothing of any phase's time


@pytest.fixture(autouse=True)
def _nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the phases that these tests begin and never end would have their own process ended, a minute later."""
    monkeypatch.setattr(deadline, "watch_phases", lambda: None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    known = Calls()
    before = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    monkeypatch.setattr(phases.signal, "setitimer", known)  # type: ignore[attr-defined]
    monkeypatch.setattr(phases, "monotonic", lambda: NOW)
    yield known
    SET(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def made(base: float | None = 30.0) -> phases.Phases:
    config = SimpleNamespace(pluginmanager=SimpleNamespace(hasplugin=lambda _: False))
    found = phases.Phases(config, 30.0, 2.0, "ci")
    found.base = base
    return found


def run(plugin: phases.Phases, *names: str) -> list[bool]:
    """Let phases pass."""
    armed = []
    for name in names:
        armed.append(plugin.arm(name))
        plugin.disarm(armed[-1])
    return armed


def test_phases_with_the_same_deadline_set_the_timer_once(calls: Calls) -> None:
    assert run(made(), *("setup", "call", "teardown") * 3) == [True] * 9
    assert calls == [60]


def test_a_shorter_deadline_sets_it_anew_and_a_longer_one_does_not(calls: Calls) -> None:
    plugin = made()
    run(plugin, "setup")
    plugin.base = 20.0
    run(plugin, "setup")
    plugin.base = 30.0
    run(plugin, "setup")
    assert calls == [60, 40]
    plugin.arm("call")
    plugin.expire(signal.SIGALRM, None)  # the timer of the shorter one: this phase has time left
    assert calls == [60, 40, 60]


def test_after_a_test_with_a_timer_of_its_own_ours_is_set_again(calls: Calls) -> None:
    plugin = made()
    run(plugin, "setup", "call")
    signal.alarm(0)  # what a test does
    run(plugin, "teardown", "setup", "call")
    assert calls == [60, 60]


def test_a_handler_of_somebody_elses_is_kept_and_hears_nothing_of_ours(calls: Calls) -> None:
    plugin = made()
    run(plugin, "setup")
    signal.signal(signal.SIGALRM, lambda *_: None)
    assert run(plugin, "call", "teardown") == [False, False]
    assert calls == [60, 0]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_between_two_phases_fails_nothing_and_one_that_is_due_does(calls: Calls) -> None:
    plugin = made()
    run(plugin, "setup")
    plugin.expire(signal.SIGALRM, None)
    assert plugin.arm("call")
    plugin.end = NOW
    with pytest.raises(pytest.fail.Exception, match=r"not done after 60 s of call \(30 s times 2 of environment ci\)"):
        plugin.expire(signal.SIGALRM, None)
    assert calls[-1] == 60  # and again, should that be swallowed


@pytest.mark.parametrize("swallows", [True, False])
def test_a_phase_that_swallows_its_deadline_fails_at_its_end(swallows: bool, calls: Calls) -> None:
    plugin = made()
    phase: Any = plugin.pytest_runtest_call()
    next(phase)
    if swallows:
        plugin.end = NOW
        with contextlib.suppress(BaseException):
            plugin.expire(signal.SIGALRM, None)
    outcome: Any = pluggy.Result(None, None)
    with contextlib.suppress(StopIteration):
        phase.send(outcome)
    assert ("not done after 60 s of call" in str(outcome.exception)) is swallows
    assert calls


def test_without_a_deadline_no_timer_is_set(calls: Calls) -> None:
    assert run(made(None), "setup", "call", "teardown") == [False] * 3
    assert calls == []


def marked(*words: Any, **named: Any) -> Any:
    """A test with the marker ``timeout``."""
    return SimpleNamespace(get_closest_marker=lambda _: pytest.mark.timeout(*words, **named).mark)


@pytest.mark.parametrize("item", [marked(5), marked(seconds=5), marked(timeout=5.0), marked("5")])
def test_a_marker_says_other_seconds(item: Any) -> None:
    assert made().base_of(item) == 5.0
    assert made().base_of(marked(0)) is None
    assert made().base_of(marked(wait=5)) == 30.0


@pytest.mark.parametrize("item", [marked(), marked("soon"), marked(None)])
def test_a_marker_that_makes_no_sense_is_refused(item: Any) -> None:
    with pytest.raises(ValueError, match="takes seconds"):
        made().base_of(item)
