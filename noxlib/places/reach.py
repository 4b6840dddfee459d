"""How far an engine reaches: does it see this machine's files, can it mount an overlay of them? Tried, not guessed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.errors import EngineError
from noxlib.owner import identity
from noxlib.places import box, noted
from noxlib.places.overlay import Overlay, remove_scratch

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Ledger

SECONDS = 20.0


class Reach(msgspec.Struct, frozen=True):
    """What an engine can do with this machine's files."""

    bind: bool  #: it sees them
    overlay: bool  #: it can mount an overlay of them
    uid: int  #: the user in a container whose files are the caller's here (a rootless engine: root)
    gid: int
    reason: str = ""  #: why not


def of(docker: Docker, image: str, ledger: Ledger, labels: dict[str, str]) -> Reach:
    """How far this engine reaches, tried once a boot by a container or two, then remembered.

    Raises:
        EngineError: The engine fails.
    """
    with contextlib.suppress(OSError, msgspec.DecodeError):  # not tried yet, or by another version
        return msgspec.json.decode(_memory(docker, ledger).read_bytes(), type=Reach)
    found = _try(docker, image, ledger, labels)
    if not found.overlay:
        print(f"noxlib: {docker.endpoint} cannot mount the checkout ({found.reason}); it is copied instead", flush=True)
    remember(docker, ledger, found)
    return found


def remember(docker: Docker, ledger: Ledger, found: Reach) -> None:
    """Note what was found; it holds until the machine is booted again. Raises OSError."""
    ledger.remember(_memory(docker, ledger), msgspec.json.encode(found))


def _memory(docker: Docker, ledger: Ledger) -> Path:
    state = ledger.folder.parent
    text = "\0".join((docker.endpoint.url, identity().boot, str(os.getuid()), str(state)))
    return state / "engines" / f"{hashlib.sha256(os.fsencode(text)).hexdigest()[:24]}.json"


def _try(docker: Docker, image: str, ledger: Ledger, labels: dict[str, str]) -> Reach:
    options = docker.info().get("SecurityOptions") or ()
    rootless = any("rootless" in str(option) for option in options)
    uid, gid = (0, 0) if rootless else (os.getuid(), os.getgid())
    folder = ledger.folder.parent / "scratch" / f"probe-{secrets.token_hex(4)}"
    entry = ledger.add("scratch", str(folder), details={"endpoint": str(docker.endpoint), "image": image})
    lower = folder / "lower"
    lower.mkdir(parents=True)
    probe = _Probe(docker, image, ledger, labels, user=f"{uid}:{gid}", lower=lower)
    overlay = Overlay(lower, None, folder)
    overlay.create()
    try:
        bind = probe.sees(box.Bind(str(lower), "/probe", read_only=False).mount())
        sees = bind is None and probe.sees(overlay.mount("/probe", labels))
        return Reach(bind is None, sees is None, uid, gid, bind or sees or "")
    finally:
        remove_scratch(folder)
        ledger.strike(entry)


class _Probe:
    """A container that must see a file of ours and write one that is ours."""

    def __init__(  # one probe, one table
        self, docker: Docker, image: str, ledger: Ledger, labels: dict[str, str], *, user: str, lower: Path
    ) -> None:
        self._docker = docker
        self._ledger = ledger
        self._token = secrets.token_hex(8)
        (lower / "token").write_text(self._token, encoding="ascii")
        script = f'test "$(cat /probe/token)" = {self._token} && : > /probe/{self._token}'
        self._body: dict[str, Any] = {
            "Image": image,
            "Entrypoint": ["/bin/sh", "-c", script],
            "User": user,
            "Labels": labels,
        }

    def sees(self, mount: dict[str, Any]) -> Optional[str]:
        """None, or why the container does not."""
        body = {**self._body, "HostConfig": {"Mounts": [mount], "NetworkMode": "none"}}
        try:
            with noted.container(self._docker, self._ledger, "probe", body) as container:
                self._docker.start(container)
                self._docker.wait(container, SECONDS)
                code = self._docker.state(container).code
        except EngineError as error:
            if error.cause == "lost":
                raise
            return error.what
        return None if code == 0 else "a container does not see this machine's files, or may not write them"
