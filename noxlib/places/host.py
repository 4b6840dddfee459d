"""A Host: something that can be started, given files, told to execute, asked for files, stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Optional, Protocol

import msgspec
from typing_extensions import Self

from noxlib.plan import Limits

Cause = Literal["exit", "signal", "timeout", "out-of-memory", "cancelled", "lost"]


class Command(msgspec.Struct, frozen=True):
    """What a host executes. Paths are the host's own."""

    argv: tuple[str, ...]
    environment: dict[str, str] = {}
    cwd: Optional[str] = None  #: default: the host's workspace
    limits: Limits = Limits()
    log: Optional[Path] = None  #: file on this machine that gets all output, stdout and stderr merged in order
    echo: bool = True  #: show the output on this process' stdout as it comes
    terminal: bool = False  #: attach this process' terminal (pdb, a shell)
    secrets: tuple[str, ...] = ()  #: values that are masked in the output and its log; they go nowhere
    hosts: tuple[str, ...] = ()  #: ``NAME:ADDRESS``, for /etc/hosts of a container


class Exit(msgspec.Struct, frozen=True):
    """How a command ended, by the engine's own state. ``code`` is 128 + N for signal N."""

    code: int
    cause: Cause = "exit"
    oom: bool = False  #: the kernel killed a process for lack of memory, if only a child of the command


class Service(msgspec.Struct, frozen=True):
    """A service that ran beside the tests. ``ready`` is the seconds until it was ready."""

    name: str
    image: str = ""
    ready: Optional[float] = None


class Machine(msgspec.Struct, frozen=True):
    """A machine of its own that the tests ran on. ``ready`` is the seconds until it answered."""

    name: str = ""
    system: str = ""  #: ``Debian GNU/Linux 12 (bookworm)``
    kernel: str = ""
    accelerator: str = ""  #: ``kvm`` or ``tcg`` of a virtual machine
    image: str = ""  #: key of a golden image
    ready: Optional[float] = None


class Facts(msgspec.Struct, frozen=True):
    """What a host alone knows, for the record. Complete once the host has been entered."""

    machine: Optional[Machine] = None
    services: tuple[Service, ...] = ()


class Layout(Protocol):
    """Where on a host things lie that a command names; see ``Host``."""

    @property
    def python(self) -> str: ...
    @property
    def inside(self) -> str: ...
    @property
    def scratch(self) -> str: ...


class Host(Protocol):
    """A context manager: entering starts it, leaving always stops it.

    Attributes:
        name: ``container``, ``venv``, …
        workspace: Where the code under test lies on the host.
        python: Path of the testground's interpreter on the host.
        inside: Folder on the host that holds the package ``noxlib_inside``.
        scratch: Folder on the host that belongs to this run; ``put`` and ``get`` reach it.
        facts: What the host alone knows, for the record.
    """

    name: str
    workspace: str
    python: str
    inside: str
    scratch: str
    facts: Facts

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder of this machine to ``target`` below ``scratch`` on the host."""

    def run(self, command: Command) -> Exit:
        """Execute and wait.

        Raises:
            EngineError: The host itself fails.
            PlaceError: It was lost in the middle, or a terminal is wanted where the host has none.
        """

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder below ``scratch`` on the host to ``target`` here; an absent source is no error."""

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy workspace files that tests wrote and that match a glob to the checkout; the relative paths copied."""
