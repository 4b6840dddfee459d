"""``--record SERVICE=URL``: which real peer a mock peer passes all on to, and the file with what they said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from noxlib import atomic
from noxlib.errors import UsageError
from noxlib.places import mock_schema, mocks, recorded_secrets
from noxlib.secret import mask

if TYPE_CHECKING:
    from noxlib.places.stack import Stack

FOLDER = "mocks"  #: of the result, in which the tests' process leaves what was recorded
_BYTES = 16 << 20
_PORTS = {"http": 80, "https": 443}


class Peer(msgspec.Struct, frozen=True):
    """A real peer, as MockServer has an address."""

    host: str
    port: int
    scheme: str  #: ``HTTP`` or ``HTTPS``


def parse(texts: Iterable[str], servers: Collection[str]) -> dict[str, Peer]:
    """The real peer of each service that is to record.

    Args:
        texts: ``mock-admin=https://admin.example.org``.
        servers: The mock peers that there are.

    Raises:
        UsageError: there is no such mock peer, or it is no such URL.
    """
    found = {}
    for text in texts:
        service, _, url = text.partition("=")
        if service not in servers:
            near = get_close_matches(service, servers, 1, 0)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"--record {text}: there is no mock peer {service!r}{meant}",
                f"there are {', '.join(sorted(servers))}" if near else "the stack has no MockServer",
            )
        found[service] = _peer(text, url)
    return found


def _peer(text: str, url: str) -> Peer:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:  # its port is no number, or it has half a bracket
        parts, port = urlsplit(""), 0
    if parts.scheme not in _PORTS or not parts.hostname or not port or parts.path.strip("/") or parts.query:
        raise UsageError(f"--record {text}: that is no address of a peer", "give one as mock-admin=https://HOST[:PORT]")
    return Peer(parts.hostname, port, parts.scheme.upper())


def keep(result: Path, services: Iterable[str], stack: Stack, root: Path, secrets: Collection[str]) -> tuple[str, ...]:
    """Write what was recorded beside the expectations that there are; a line of what was done for each service.

    A file that is there already stays as it is: what was recorded goes beside it.

    Args:
        result: The run's result folder, which tests may have written.
        services: Those that recorded.
        stack: The services.
        root: The project's folder.
        secrets: Values that are masked, in the run's folder too.
    """
    return tuple(_keep(result / FOLDER / f"{name}.json", name, stack, root, secrets) for name in services)


def _keep(recorded: Path, service: str, stack: Stack, root: Path, secrets: Collection[str]) -> str:
    way = (recorded, *tuple(recorded.parents)[:2])  # tests may have put a link in the place of each
    if any(one.is_symlink() for one in way) or not recorded.is_file() or recorded.stat().st_size > _BYTES:
        return f"nothing was recorded of {service}"
    raw = recorded.read_text(encoding="utf-8", errors="replace")
    try:
        expectations = _expectations(raw, secrets)
    except ValueError as error:
        _replace(recorded, mask(raw, secrets))
        return f"what was recorded of {service} is no list of expectations: {mask(str(error), secrets)}"
    if not expectations:  # an earlier recording counts more than none
        return f"nothing was recorded of {service}"
    text = json.dumps(expectations, indent=2) + "\n"
    _replace(recorded, text)
    named = mocks.files(stack.services[service])
    own = named[0] if named else root / "tests" / "mocks" / f"{service}.json"
    target = own.with_name(f"{own.stem}.recorded.json") if own.exists() else own
    again = ", in place of an earlier one" if target.exists() else ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(target, text.encode(), mode=0o644)
    except OSError as error:
        return f"what was recorded of {service} cannot be written to {target.name}: {error.strerror}; see {recorded}"
    stays = f"; {own.name} stays as it is" if target != own else ""
    return f"recorded {len(expectations)} expectations of {service} to {target.name}{again}{stays}"


def _expectations(raw: str, secrets: Collection[str]) -> list[Any]:
    """What a text says, secrets masked. Raises ValueError with why it is nothing that MockServer would take."""
    found = atomic.from_json(raw.encode(), list)
    problem = next(mock_schema.problems(found), None)
    if problem is not None:
        raise ValueError(problem[1])
    try:
        return [recorded_secrets.masked(one, secrets) for one in found]
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _replace(recorded: Path, text: str) -> None:
    """The run's folder keeps what was recorded without secrets too; a full disk hinders nothing else."""
    with contextlib.suppress(OSError):
        atomic.write(recorded, text.encode(), mode=0o644)
