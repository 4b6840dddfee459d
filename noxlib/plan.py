"""The plan of a run: pure, serialisable data. What ``--dry-run`` prints is the plan that would be carried out."""

from __future__ import annotations

from typing import Any, Literal, Optional

import msgspec

Outcome = Literal["passed", "failed", "no-tests", "error", "timeout", "cancelled"]
ASKED = "asked for by"  #: begins a place's reason where it holds for one call only: an option, a variable


class Limits(msgspec.Struct, frozen=True):
    """What a place enforces. Sizes in bytes, times in seconds; None is no limit."""

    timeout: float = 3600.0
    memory: Optional[int] = None
    cpus: Optional[float] = None
    network: bool = True
    shm_size: Optional[int] = None
    disk: Optional[int] = None
    devices: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, omit_defaults=False):
    """What ``inside/run.py`` is asked to do; written as ``task.json`` beside the result folder.

    Paths are those of the place where the task runs, not of the machine that plans it.
    """

    session: str  #: name of the session, ``unit-3.10``
    suite: str  #: name of the suite, ``unit``
    python: str  #: the interpreter that the session's name promises, as uv names it: ``3.10``, ``3.14t``, ``pypy3.11``
    workspace: str  #: the code under test, ``/workspace`` in a container
    result: str  #: folder for result.json, report.jsonl, junit.xml, .coverage; relative to the task's own file
    select: str = ""  #: marker expression, joined by ``and`` with the project's own ``-m``
    paths: tuple[str, ...] = ()  #: default test paths; unused where ``arguments`` name a path themselves
    arguments: tuple[str, ...] = ()  #: pytest's arguments: the suite's ``args``, then the user's
    import_names: tuple[str, ...] = ()  #: top-level packages whose files must lie below one of ``import_roots``
    import_roots: tuple[str, ...] = ()  #: the workspace, and the folder of the prepared files
    timeout: float = 3600.0  #: of the suite, in seconds; the place's own deadline comes a little later
    coverage: bool = False  #: measure coverage into ``result/.coverage*``
    interactive: bool = False  #: a terminal is attached (--pdb, --trace, breakpoint())
    script: str = ""  #: an executable of the workspace that is run instead of pytest, by ``arguments``
    shard: tuple[int, int] = (0, 1)  #: which part of the selected tests, of how many; the first is 0
    durations: str = ""  #: file of recorded durations, beside the task's own; empty: none
    resume: Optional[dict[str, str]] = None  #: ``cause``, ``message``: how the process before ended
    reruns: dict[str, Any] = {}  #: ``runs`` of a new test, and ``stable``: digests of the others, one after the other
    quarantine: tuple[dict[str, str], ...] = ()  #: test (id or glob), owner, reason, expires
    root: bool = False  #: the script runs as root
    profile: dict[str, Any] = {}  #: the environment profile, as ``noxlib.config.profiles.Profile`` has it; empty: none
    version: int = 1


class Plan(msgspec.Struct, frozen=True):
    """One suite in one place for one Python."""

    session: str
    suite: str
    python: str
    project: str
    place: str
    place_reason: str
    task: Task
    limits: Limits
    image: Optional[str] = None
    fingerprint: Optional[str] = None
    lock: Optional[str] = None
    prepared: Optional[str] = None
    environment: dict[str, str] = {}
    write_back: tuple[str, ...] = ()
    fallback: bool = False
    target: Optional[str] = None  #: which of a place's machines: ``root@host`` of an SSH host, a cluster's login
    version: int = 1
