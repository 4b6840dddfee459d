"""Whom ssh is to reach, and with which settings: pure text, checked at the edge."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.errors import PlaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")
_TEXT = re.compile(r"(ssh://)?((?P<user>.+)@)?(\[(?P<address>[^\]]+)\]|(?P<host>[^@:\[\]]+))(:(?P<port>[0-9]{1,5}))?/?")
_LAST_PORT = 65535


class Target(msgspec.Struct, frozen=True):
    """A host as ssh is told of it; what is None the user's ssh configuration decides."""

    host: str  #: a name, an address, or a ``Host`` of the ssh configuration
    user: Optional[str] = None
    port: Optional[int] = None
    identity: Optional[str] = None  #: path of a private key, the only one that is offered then

    def __str__(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{name}" if self.user and not self.port else self._with_port(name)

    @classmethod
    def of(cls, details: Mapping[str, str]) -> Target:
        """The target of an entry of the ledger."""
        port = int(details["port"] or 0) or None
        return cls(details["host"], details["user"] or None, port, details["identity"] or None)

    def details(self) -> dict[str, str]:
        """The same for an entry of the ledger."""
        port = str(self.port or "")
        return {"host": self.host, "user": self.user or "", "port": port, "identity": self.identity or ""}

    @property
    def command(self) -> str:
        """How a person reaches it from a shell: ``ssh -p 2222 root@host``, to which a command is added."""
        port = ("-p", str(self.port)) if self.port else ()
        identity = ("-i", self.identity) if self.identity else ()
        return shlex.join(("ssh", *port, *identity, f"{self.user}@{self.host}" if self.user else self.host))

    def _with_port(self, name: str) -> str:
        who = f"{self.user}@" if self.user else ""
        return f"{who}{name}:{self.port}" if self.port else f"{who}{name}"


def parse(text: str) -> Target:
    """``[user@]host[:port]``, ``user@[address]:port`` or ``ssh://…``.

    >>> parse("root@[fe80::1]:2222")
    Target(host='fe80::1', user='root', port=2222, identity=None)

    Raises:
        UsageError: It is none of these, or holds what no host or user is made of.
    """
    found = _TEXT.fullmatch(text)
    host = (found["address"] or found["host"]) if found else ""
    user = found["user"] if found else None
    port = int(found["port"]) if found and found["port"] else None
    legal = (
        _HOST.fullmatch(host) and (user is None or _USER.fullmatch(user)) and (port is None or 0 < port <= _LAST_PORT)
    )
    if not legal:
        raise UsageError(f"{text!r} is no host", "write user@host, host, or user@host:port")
    return Target(host, user, port)


def own_configuration(environ: Mapping[str, str]) -> Optional[Path]:
    """The ssh configuration that ``NOXLIB_SSH_CONFIG`` names; None: ssh's own.

    Raises:
        PlaceError: There is no such file.
    """
    named = environ.get("NOXLIB_SSH_CONFIG")
    path = Path(named).expanduser().absolute() if named else None
    if path is not None and not path.is_file():
        raise PlaceError(f"NOXLIB_SSH_CONFIG names {path}, which is no file", "name a file as ssh_config(5) has it")
    return path


def configuration(target: Target, *, control: Path, known_hosts: Path, own: Optional[Path], seconds: float) -> str:
    """A configuration for ssh(1) in which the first value wins.

    Ours come first where the connection depends on them, then the user's own, then defaults for hosts never seen
    before: their key is accepted once and kept in noxlib's own file.

    Args:
        target: Whom to reach.
        control: Path of the socket that all commands share.
        known_hosts: File that new hosts' keys are added to.
        own: The user's configuration; default: ssh's own.
        seconds: For a connection to come about.
    """
    identity = [f"IdentityFile {_quoted(target.identity)}", "IdentitiesOnly yes"] if target.identity else []
    lines = (
        "BatchMode yes",
        "LogLevel ERROR",
        "ControlMaster no",
        "ControlPersist no",
        f"ControlPath {_quoted(str(control))}",
        f"ConnectTimeout {max(1, round(seconds))}",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 6",
        "ClearAllForwardings yes",
        "ForwardX11 no",
        "ForwardAgent no",
        "PermitLocalCommand no",
        "RemoteCommand none",
        "RequestTTY no",
        "EscapeChar none",
        *identity,
        f"Include {_quoted(str(own), percent=False)}" if own else "Include ~/.ssh/config",
        "Include /etc/ssh/ssh_config",
        "Host *",
        "StrictHostKeyChecking accept-new",
        f"UserKnownHostsFile {_quoted(str(known_hosts))} ~/.ssh/known_hosts",
        "",
    )
    return "\n".join(lines)


def _quoted(path: str, *, percent: bool = True) -> str:
    """A path as ssh_config(5) reads it; a percent sign begins a token in most values.

    Raises:
        PlaceError: It holds what no quoting lets through.
    """
    if any(sign in path for sign in '"\n\r') or "${" in path:
        raise PlaceError(f"ssh cannot be told of the path {path!r}", "use a path without quotes and line breaks")
    return '"{}"'.format(path.replace("%", "%%") if percent else path)
