"""The stack of one checkout, session and Python that stays up between runs, and is one run's at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, Optional

from noxlib import atomic, locks
from noxlib.ledger import Entry, Ledger
from noxlib.places import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from noxlib.places.addresses import Addresses
    from noxlib.places.stack import Stack

KIND = "compose"  #: in the ledger, as of every stack
DAY = 24 * 3600  #: seconds


class Kept:
    """What the ledger knows of the stack that is up, and the right to use it.

    Args:
        ledger: Where it is written down, detached and with the time at which it goes.
        root: The checkout.
        session: Name of the session, which has its Python in it.
        hours: How long it stays after its last use.
        detached: It outlives this process.
    """

    def __init__(self, ledger: Ledger, root: Path, session: str, hours: float, *, detached: bool = True) -> None:
        self.project = project_name(root, session)
        self.file = root / ".noxlib" / "compose" / f"{session}.env"  #: the variables for a shell
        self._ledger = ledger
        self._about = {"checkout": str(root), "session": session}
        self._seconds = hours * 3600
        self._detached = detached
        self._held = contextlib.ExitStack()

    @property
    def entry(self) -> Optional[Entry]:
        """The entry of the stack that is up."""
        return next(reversed(self._entries()), None)

    def take(self) -> bool:
        """The right to use it, until ``release``; False where another run has it."""
        with contextlib.ExitStack() as held:
            if not held.enter_context(locks.if_free(lock(self._ledger, self.project))):
                return False
            self._held = held.pop_all()
            return True

    def release(self) -> None:
        self._held.close()

    def note(self, details: Mapping[str, str], configuration: Mapping[str, str]) -> None:
        """Write down, in the place of what was, that it stays up, and until when."""
        about = {**self._about, **details, "configuration": json.dumps(configuration)}
        expires = time.time() + self._seconds
        former = self._entries()
        self._ledger.add(KIND, self.project, details=about, detached=self._detached, expires=expires)
        for entry in former:
            self._ledger.strike(entry)

    def forget(self) -> None:
        """It is gone, or a run's own from now on."""
        self.file.unlink(missing_ok=True)
        for entry in self._entries():
            self._ledger.strike(entry)

    def told(self, stack: Stack, reached: Addresses) -> Iterator[str]:
        """Write the variables for a shell; lines of how each service is reached, until when, and how all go."""
        variables = {**addresses.rewritten(stack.attachment.environment, reached), **addresses.variables(reached)}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(self.file, addresses.dotenv(variables).encode(), mode=0o600)
        for name in stack.services:
            at = [f"{host}:{there} (its port {port})" for port, (host, there) in reached.get(name, {}).items()]
            yield f"{name} is up at {', '.join(at) or 'no port of this machine'}"
        session = self._about["session"]
        yield f"from a shell: set -a; . .noxlib/compose/{self.file.name}"
        if stack.attachment.networks:
            yield f"from a container: docker run --network {next(iter(stack.attachment.networks))} …"
        if self._detached:
            yield f"they stay up until {_clock(time.time() + self._seconds)}, or `nox -s {session} -- --down`"

    def _entries(self) -> tuple[Entry, ...]:
        return tuple(one for one in everything(self._ledger) if one.name == self.project)


def lock(ledger: Ledger, project: str) -> Path:
    """What the run holds that uses a stack which stays up."""
    return ledger.folder.parent / "locks" / f"{project}.lock"


@contextlib.contextmanager
def removal(ledger: Ledger, project: str) -> Iterator[bool]:
    """The right to remove what a dead run left of a project; False where a run has made the stack its own since.

    One removes at a time: a stack that stays up has one name in each run, and who starts it next must not meet another
    who is still about to remove it.
    """
    own = lock(ledger, project)
    with locks.wait_for(ledger.folder.parent / "locks" / "compose-removal.lock", "removes services of a dead run"):
        if own.exists():
            with locks.if_free(own) as free:
                yield free
        else:
            yield True


def everything(ledger: Ledger) -> tuple[Entry, ...]:
    """The entries of all stacks that stay up, oldest first."""
    return tuple(one for one in ledger.entries() if one.kind == KIND and "configuration" in one.details)


def told(entry: Entry) -> str:
    """One line of a stack that stays up: whose, until when, how it goes."""
    about = entry.details
    return f"the services of {about['session']} in {about['checkout']}, until {_clock(entry.expires)} or `-- --down`"


def _clock(moment: Optional[float]) -> str:
    """A time of today or this night; of a later one with its day."""
    found = time.localtime(moment)
    return time.strftime("%H:%M" if (moment or 0) - time.time() < DAY else "%Y-%m-%d %H:%M", found)


def project_name(root: Path, session: str) -> str:
    """A name for compose that belongs to a checkout and a session: it takes ``[a-z0-9][a-z0-9_-]*``."""
    checkout = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"noxlib-{re.sub(r'[^a-z0-9_-]+', '-', session.lower())}-{checkout}"


def configuration(stack: Stack, images: Mapping[str, str]) -> dict[str, str]:
    """What a stack is made of: the path of each value -> a digest of it, which tells nothing of a secret.

    Args:
        stack: The services, with what they get beside their file.
        images: The engine's id of each service's image, where it has it.
    """
    parts = {"services": stack.services, "networks": stack.networks, "volumes": stack.volumes, "image": images}
    parts["faults"] = stack.sidecars
    return {path: hashlib.sha256(value.encode()).hexdigest()[:12] for path, value in _leaves("", parts)}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The paths of the values that are not the same."""
    return tuple(sorted(path for path in {*before, *now} if before.get(path) != now.get(path)))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, json.dumps(value, sort_keys=True, default=str)
