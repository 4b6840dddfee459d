"""``--fault`` in words: known ones become the values of ``inside/faults.py``, others are refused with the nearest."""

from __future__ import annotations

from typing import Any

import pytest

from noxlib.errors import UsageError
from noxlib.inside import faults
from noxlib.places import service_faults

SERVICES = ("redis-test", "postgres-test")


def values(words: str) -> tuple[str, dict[str, Any]]:
    (fault,) = service_faults.parse([f"redis-test:{words}"], SERVICES)
    assert faults.schedule(fault.profile, **fault.values).turns
    return fault.profile, fault.values


def test_the_profiles_are_those_that_the_proxies_know() -> None:
    assert tuple(faults.PROFILES) == service_faults.PROFILES


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("latency=200ms,jitter=20ms", {"latency": 0.2, "jitter": 0.02}),
        ("latency=2s", {"latency": 2.0}),
        ("bandwidth=1mbit", {"bandwidth": 125_000.0}),
        ("loss=1%,drop=0.5", {"loss": 0.01, "drop": 0.5}),
        ("slow-close=500ms", {"slow_close": 0.5}),
        ("cut", {"cut_at": 0}),
        ("cut=64kb", {"cut_at": 64_000}),
        ("timeout", {"latency": service_faults.NEVER}),
        ("down", {}),
        ("", {}),
    ],
)
def test_words_become_faults(words: str, found: dict[str, Any]) -> None:
    profile, given = values(words)
    assert given == pytest.approx(found)
    assert profile == ("down" if words == "down" else "good")


def test_a_profile_may_be_changed_and_the_last_word_on_a_service_holds() -> None:
    assert values("wan,latency=1s") == ("wan", {"latency": 1.0})
    found = service_faults.parse(["redis-test:wan", "postgres-test", "redis-test:latency=1s"], SERVICES)
    assert [(one.service, one.profile, one.asked) for one in found] == [
        ("redis-test", "good", "latency=1s"),
        ("postgres-test", "good", "none"),
    ]


def test_the_profiles_are_those_of_the_proxy() -> None:
    assert set(service_faults.PROFILES) == set(faults.PROFILES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis:latency=1s", "no service 'redis'"),
        ("redis-test:latncy=1s", "no fault 'latncy'"),
        ("redis-test:latency=fast", "'fast' is no value for latency"),
        ("redis-test:latency=-1s", "'-1s' is no value for latency"),
        ("redis-test:latency=1mbit", "'1mbit' is no value for latency"),
        ("redis-test:latency", "'' is no value for latency"),
        ("redis-test:loss=200%", "more than all of it"),
        ("redis-test:timeout=5s", "it takes no value"),
        ("redis-test:bandwidth=0kbit", "nothing ever comes at '0kbit'"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        service_faults.parse([text], SERVICES)


def test_the_nearest_is_named() -> None:
    with pytest.raises(UsageError, match=r"did you mean latency\?"):
        service_faults.parse(["redis-test:latncy=1s"], SERVICES)
    with pytest.raises(UsageError, match=r"did you mean redis-test\?"):
        service_faults.parse(["redis:wan"], SERVICES)
