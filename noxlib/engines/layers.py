"""A layer cache in a registry: what a build takes from there, and what it leaves there for the next one.

It helps or it does not: one that is absent, refuses or breaks off never fails a build (``ignore-error``).
https://docs.docker.com/build/cache/backends/registry/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import builders, registryauth
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.docker import Docker

_WRITTEN = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
_STORE = "io.containerd.snapshotter.v1"


class Layers(msgspec.Struct, frozen=True):
    """Where the layers lie: ``name:buildcache-py3.10``."""

    reference: str
    write: bool = False


def options(layers: Optional[Layers], docker: Docker, builder: str = builders.OWN) -> dict[str, Any]:
    """What buildx is told of it; that nothing can be written is said. Each builder but the engine's own can write."""
    if layers is None:
        return {}
    found = {"cache_from": f"type=registry,ref={layers.reference}"}
    if not layers.write or not _may_write(layers):
        return found
    if builder != builders.OWN or writes(docker):
        found["cache_to"] = f"type=registry,ref={layers.reference},{_WRITTEN}"
    else:
        print("noxlib: no layer cache is written: for that the engine needs its containerd image store", flush=True)
    return found


def writes(docker: Docker) -> bool:
    """Whether the engine's own builder can write one: with the containerd image store, the default since Docker 29."""
    status = docker.info().get("DriverStatus") or ()
    return ["driver-type", _STORE] in [list(pair) for pair in status]


def _may_write(layers: Layers) -> bool:
    """Without a login only a registry of this machine may let us; asking any other costs time at each build."""
    host = registryauth.split(layers.reference)[0]
    return registryauth.LOOPBACK.fullmatch(host) is not None or _credentials(layers) is not None


def _credentials(layers: Layers) -> Optional[Credentials]:
    with contextlib.suppress(EngineError):  # a helper of docker's that fails: then nobody is logged in
        return registryauth.find(registryauth.split(layers.reference)[0], os.environ)
    return None


@contextlib.contextmanager
def configured(layers: Optional[Layers]) -> Iterator[Optional[Path]]:
    """A folder of configuration for the docker command, with our credentials for that registry; None: docker's own.

    The builder asks the command for credentials, which knows those of ``docker login`` and no variable of ours.
    """
    credentials = _credentials(layers) if layers else None
    if layers is None or credentials is None or credentials.identity:  # which docker's own store has
        yield None
        return
    host = registryauth.split(layers.reference)[0]
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    word = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    with temporary.folder() as folder:
        atomic.write(folder / "config.json", json.dumps(_with(_read(home), host, word, home)).encode())
        if os.environ.get(builders.VARIABLE) and (home / "buildx").is_dir():  # by which buildx knows that builder
            (folder / "buildx").symlink_to(home / "buildx")
        yield folder


def _read(home: Path) -> dict[str, Any]:
    try:
        found = json.loads((home / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _with(config: dict[str, Any], host: str, word: str, home: Path) -> dict[str, Any]:
    """The user's own configuration with one login more, which is in this file whatever helper keeps the others."""
    kept = {name: value for name, value in config.items() if name != "currentContext"}  # the endpoint is known
    auths, helpers = kept.get("auths") or {}, kept.get("credHelpers") or {}
    plugins = [*(kept.get("cliPluginsExtraDirs") or ()), str(home / "cli-plugins")]
    return {
        **kept,
        "auths": {**auths, host: {"auth": word}},
        "credHelpers": {**helpers, host: ""},
        "cliPluginsExtraDirs": plugins,
    }
