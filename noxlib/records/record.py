"""The record of a run: what happened, as data on disk, the same for every place."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal, Optional

import msgspec

from noxlib.places.host import Machine, Service
from noxlib.plan import Outcome
from noxlib.records.notices import Notices

VERSION = 2


class Counts(msgspec.Struct, frozen=True):
    """Tests by their outcome; subtests are counted apart (pytest 9 reports each as a test of its own)."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    deselected: int = 0
    subtests_passed: int = 0
    subtests_failed: int = 0
    subtests_skipped: int = 0


class Failure(msgspec.Struct, frozen=True):
    """A test that failed: its id, the phase (collect, setup, call, teardown) and the message's last line."""

    id: str
    phase: str
    message: str = ""


class PlaceSection(msgspec.Struct, frozen=True):
    name: str
    reason: str
    fallback: bool = False


class TestgroundSection(msgspec.Struct, frozen=True):
    __test__ = False  # the name begins with Test, pytest need not look
    image: Optional[str] = None
    digest: Optional[str] = None  #: the image's id, ``sha256:…``; for a venv None
    base_digest: Optional[str] = None
    fingerprint: Optional[str] = None
    lock: Optional[str] = None  #: key of the lock
    lock_source: Optional[str] = None
    prepared: Optional[str] = None
    platform: Optional[str] = None  #: of the image, ``linux/amd64``; the place's reason says where it is emulated


class SourceSection(msgspec.Struct, frozen=True):
    commit: Optional[str] = None  #: of the head, not of a merge commit
    branch: Optional[str] = None
    dirty: Optional[bool] = None


class InterpreterSection(msgspec.Struct, frozen=True):
    version: str = ""
    implementation: str = ""
    platform: str = ""


class ProfileSection(msgspec.Struct, frozen=True):
    """The environment profile that the tests ran under, and why it was taken."""

    name: str
    reason: str = ""
    level: str = ""
    timeout_multiplier: float = 1.0
    concurrent: int = 0
    skipped: dict[str, int] = {}  #: reason -> tests that the profile skipped


class Leak(msgspec.Struct, frozen=True):
    """What a test left behind, under ``--leaks``: ``the process sleep``, ``the listening port 8080``."""

    test: str
    what: str


class Unmatched(msgspec.Struct, frozen=True):
    """A request that no expectation of a mock peer met; ``test`` is empty where workers shared the mock peer."""

    test: str
    service: str
    request: str  #: ``GET /api/files``


class NeverCalled(msgspec.Struct, frozen=True):
    """An expectation that no request met."""

    service: str
    expectation: str  #: its method and path
    file: str = ""


class Lost(msgspec.Struct, frozen=True):
    """A mock peer that stopped answering, and when."""

    service: str
    why: str


class MocksSection(msgspec.Struct, frozen=True):
    """What the mock peers of a stack met."""

    unmatched: tuple[Unmatched, ...] = ()
    never_called: tuple[NeverCalled, ...] = ()
    lost: tuple[Lost, ...] = ()


class FaultSection(msgspec.Struct, frozen=True):
    """A service behind a proxy: the faults in the user's words, and what went through; bytes are its clients' own."""

    service: str
    faults: str
    connections: int = 0
    dropped: int = 0
    sent: int = 0
    received: int = 0
    open: int = 0


class TaskSection(msgspec.Struct, frozen=True):
    """One task of a scheduler: its id there, where it ran, how it ended."""

    index: int
    id: str = ""
    node: str = ""
    state: str = ""  #: the scheduler's own word
    outcome: Optional[Outcome] = None
    cause: Optional[str] = None
    exit_code: Optional[int] = None
    counts: Counts = Counts()
    seconds: Optional[float] = None
    restarts: int = 0


class BenchmarkSection(msgspec.Struct, frozen=True):
    """One benchmark on two sides: seconds, medians over the rounds; ``ratio`` is head / base, with its interval."""

    name: str
    base: float
    head: float
    ratio: float
    low: float
    high: float
    verdict: Literal["slower", "faster", "same", "inconclusive"]


class PerformanceSection(msgspec.Struct, frozen=True):
    """A comparison of speed. ``base`` and ``head`` are commits, or ``working tree``; ``threshold`` is in percent."""

    base: str
    head: str
    rounds: int
    threshold: float
    confidence: float
    benchmarks: tuple[BenchmarkSection, ...] = ()
    only_base: tuple[str, ...] = ()  #: benchmarks that the head does not have
    only_head: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True):
    """Times are ISO 8601 in UTC; ``timings`` are seconds by phase."""

    run: str  #: name of the run's folder
    session: str
    suite: str
    python: str
    project: str
    outcome: Outcome
    cause: Optional[str] = None  #: out-of-memory, crashed, killed, lost, guard, usage, collection, …
    message: Optional[str] = None
    exit_code: Optional[int] = None
    started: str = ""
    ended: str = ""
    place: Optional[PlaceSection] = None
    testground: TestgroundSection = TestgroundSection()
    source: SourceSection = SourceSection()
    interpreter: InterpreterSection = InterpreterSection()
    counts: Counts = Counts()
    failures: tuple[Failure, ...] = ()
    select: str = ""
    seeds: dict[str, str] = {}
    argv: tuple[str, ...] = ()
    timings: dict[str, float] = {}
    imports: dict[str, Optional[str]] = {}  #: file of each package under test, as the tests imported it
    profile: Optional[ProfileSection] = None
    leaks: tuple[Leak, ...] = ()
    notices: Notices = Notices()
    machine: Optional[Machine] = None
    services: tuple[Service, ...] = ()
    mocks: Optional[MocksSection] = None
    faults: tuple[FaultSection, ...] = ()
    tasks: tuple[TaskSection, ...] = ()  #: of a scheduler
    performance: Optional[PerformanceSection] = None
    written_back: tuple[str, ...] = ()  #: files that the tests wrote and that were carried back to the checkout
    attempts: int = 1
    noxlib: str = ""
    version: int = VERSION


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
