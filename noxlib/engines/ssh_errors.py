"""What ssh says when it fails, in two lines for the user."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from noxlib.engines.process import last_line
from noxlib.errors import EngineError, PlaceError

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.engines.ssh_target import Target
    from noxlib.errors import NoxlibError


def explained(target: Target, said: str, known_hosts: Path) -> NoxlibError:
    """Why there is no connection: PlaceError where asking again changes nothing, else EngineError."""
    low = said.lower()
    if "could not resolve" in low:
        return PlaceError(
            f"there is no host {target.host}", "see how it is written, or give it an address in ~/.ssh/config"
        )
    if "host identification has changed" in low or "host key verification failed" in low:
        return _host_key(target, low, known_hosts)
    if "permission denied" in low or "too many authentication failures" in low:
        return PlaceError(
            f"{target} accepts none of your keys",
            "add your public key to its ~/.ssh/authorized_keys, or name a key: IdentityFile in ~/.ssh/config",
        )
    if "refused" in low:
        return EngineError(f"no SSH server listens at {target}", "start sshd there, or name its port: user@host:2222")
    if any(text in low for text in ("timed out", "no route", "unreachable", "timeout")):
        return EngineError(f"{target} does not answer", "see that the machine runs and that its address is right")
    return EngineError(
        f"ssh to {target} failed: {last_line(said)}", f"run it by hand to see why: {target.command} true"
    )


def _host_key(target: Target, low: str, known_hosts: Path) -> PlaceError:
    """The host's own key is another one, or a new one where the user's configuration takes none."""
    if "host key is known for" in low:
        return PlaceError(
            f"the host key of {target} is not known, and your ssh configuration accepts none that is new",
            f"connect once by hand and compare the key: {target.command}",
        )
    name = f"[{target.host}]:{target.port}" if target.port else target.host
    return PlaceError(
        f"the host key of {target} is not the one that is known",
        f"if it was really installed anew: ssh-keygen -R '{name}' -f '{known_hosts}' (or ~/.ssh/known_hosts)",
    )


def failed(target: Target, command: str, code: int, said: str) -> EngineError:
    """A command there ended with another code than 0."""
    if "No space left on device" in said:
        return full(target)
    name = command.partition(" ")[0]
    by_hand = f"run it by hand to see why: {target.command} {shlex.quote(' '.join(command.split())[:200])}"
    return EngineError(f"{name} on {target} ended with {code}: {last_line(said)}", by_hand)


def full(target: Target) -> EngineError:
    """No room is left there."""
    todo = f"free space there: {target.command} df -h; old testgrounds lie in /var/lib/noxlib/testgrounds"
    return EngineError(f"the disk of {target} is full", todo, cause="disk-full")


def lost(target: Target, said: str = "") -> PlaceError:
    """The connection broke while something ran there: no EngineError, since tests may have begun."""
    reason = f": {last_line(said)}" if said.strip() else ""
    return PlaceError(
        f"the connection to {target} was lost{reason}",
        "see whether the machine still runs, then run the session again",
        cause="lost",
    )
