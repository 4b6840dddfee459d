"""A record in one line, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from noxlib.plan import ASKED
from noxlib.secret import MASK

if TYPE_CHECKING:
    from noxlib.records.record import Counts, Record
    from noxlib.records.store import RunFolder

_MESSAGE = 300  # characters
#: How options of noxlib's plugin begin by which a test reaches what it needs.
_OF_THE_PLUGIN = ("--ssh-", "--s3-", "--postgres-url", "--redis-url", "--backend", "--timeout-multiplier", "--noxlib-")
_EVERYWHERE = ("container", "venv")  # the places that every step can be told to take


def summary_line(record: Record, folder: RunFolder) -> str:
    """``unit-3.10 passed: 123 passed, 4 skipped in 3.2 s (container, py3.10-…; .noxlib/runs/…)``."""
    head = f"{record.session} {record.outcome}"
    if record.cause and record.cause != record.outcome:
        head += f" ({record.cause})"
    told = f"{counted(record.counts)}{_noticed(record)}"
    parts = [f"{head}: {told} in {_seconds(record):.1f} s ({_place(record)}; {folder.shown})"]
    if record.message and record.outcome != "passed":
        parts.append(" ".join(record.message.split())[:_MESSAGE])
    return ": ".join(parts)


def _noticed(record: Record) -> str:
    """``, of which 1 flaky, 2 quarantined``."""
    noticed = record.notices
    quarantined = len({one.test for one in noticed.quarantined})
    numbers = [(len(noticed.flaky), "flaky"), (quarantined, "quarantined")]
    told = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return f", of which {told}" if told else ""


def counted(counts: Counts) -> str:
    """``123 passed, 4 skipped``: what is not zero; subtests last."""
    tests = [
        (counts.failed, "failed"),
        (counts.passed, "passed"),
        (counts.skipped, "skipped"),
        (counts.deselected, "deselected"),
        (counts.xfailed, "xfailed"),
        (counts.xpassed, "xpassed"),
        (counts.errors, "error" if counts.errors == 1 else "errors"),
        (counts.subtests_passed, "subtests passed"),
        (counts.subtests_failed, "subtests failed"),
        (counts.subtests_skipped, "subtests skipped"),
    ]
    return ", ".join(f"{number} {word}" for number, word in tests if number) or "no tests"


def advice(record: Record) -> tuple[str, ...]:
    """Lines that say what to do next: at least one for a run that did not pass."""
    lines = [_rerun(record), _selection(record), _shell(record)]
    return tuple(line for line in lines if line) if record.outcome != "passed" else ()


def _rerun(record: Record) -> str | None:
    """The command that reruns the first test that failed, in the same environment."""
    test = next((failure.id for failure in record.failures if failure.id and MASK not in failure.id), None)
    if test is None:
        return None
    if record.suite == "script":
        own = [*_place_option(record), *_profile_options(record)]
        return f"run it again: {' '.join((_nox(record.session), *_with_dashes(own)))}"
    # After a second "--" everything is pytest's, also an id that looks like an option of ours.
    words = [
        "--",
        *_place_option(record),
        *_host_options(record),
        *_profile_options(record),
        *_plugin_options(record.argv),
        *(["--"] if test.startswith("-") else []),
        test,
    ]
    return f"run it again: {_nox(record.session)} {' '.join(shlex.quote(word) for word in words)}"


def _selection(record: Record) -> str | None:
    if record.outcome != "no-tests":
        return None
    if record.suite == "script":
        return "no test was run, which is never a success: the script itself says that it has none (1..0)"
    chosen = f"; the selection was {record.select!r}" if record.select else ""
    places = f"your own -k and -m, then paths and select in [tool.noxlib.{record.suite}]"
    return f"no test was run, which is never a success{chosen}: see {places}"


def _shell(record: Record) -> str | None:
    session = f"testground_shell-{record.python}" if record.python else "testground_shell"
    return " ".join((f"a shell in the same environment: {_nox(session)}", *_with_dashes(_place_option(record))))


def _with_dashes(options: list[str]) -> list[str]:
    return ["--", *options] if options else []


def _place_option(record: Record) -> list[str]:
    """What makes a place that was asked for this one time the place of the next command as well."""
    place = record.place
    asked = place is not None and place.name in _EVERYWHERE and place.reason.startswith(ASKED)
    return ["--place", place.name] if place is not None and asked else []


def _host_options(record: Record) -> list[str]:
    """The machine that was named, and the Python, which such a session's name does not have."""
    place, machine = record.place, record.machine
    if place is None or machine is None or place.name != "ssh" or not place.reason.startswith(ASKED):
        return []
    return ["--host", machine.name, "--python", record.python]


def _profile_options(record: Record) -> list[str]:
    """Level and environment, which decide whether a test is selected, and how long it may take."""
    profile = record.profile
    if profile is None:
        return []
    level = ["--level", profile.level] if profile.level else []
    return [*level, *(["--env-config", profile.name] if profile.reason.startswith(ASKED) else [])]


def _plugin_options(argv: tuple[str, ...]) -> list[str]:
    """What was said to our plugin about servers and limits; never a secret, which it takes by reference alone."""
    found: list[str] = []
    for word, following in zip(argv, (*argv[1:], "")):
        if word.startswith(_OF_THE_PLUGIN) and MASK not in word + following:
            found += [word] if "=" in word else [word, following]
    return found


def _nox(session: str) -> str:
    return f"nox -s {shlex.quote(session)}"


def _seconds(record: Record) -> float:
    return record.timings.get("run", sum(seconds for name, seconds in record.timings.items() if "inside" not in name))


def _place(record: Record) -> str:
    if record.place is None:
        return "no place"
    name = f"{record.place.name}, a fallback" if record.place.fallback else record.place.name
    image = record.testground.image
    return f"{name}, {image.rpartition(':')[2]}" if image and ":" in image else name
