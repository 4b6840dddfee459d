"""Docker, and podman by its docker-compatible socket: containers of a run by the SDK, which needs no docker command."""

from __future__ import annotations

import copy
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines.attached import Attached
from noxlib.engines.connection import connect
from noxlib.engines.endpoint import Endpoint, resolve_endpoint
from noxlib.engines.imageinfo import ImageInfo, image_info
from noxlib.engines.refusals import absent_is_none, in_time, signals_held_back, speaking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager


class State(msgspec.Struct, frozen=True):
    """A container's state, as the engine has it."""

    running: bool
    code: int
    oom: bool  #: the kernel killed a process in it for lack of memory (not always the first one)
    error: str = ""


class Docker:
    """One engine at one endpoint. Every method raises EngineError, in two lines, where the engine fails."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._api, self._version = connect(endpoint)
        self._images: dict[str, ImageInfo] = {}  # by id
        self._platform: Optional[str] = None  # another one than its own

    @classmethod
    def connect(cls, environ: Optional[Mapping[str, str]] = None, home: Optional[Path] = None) -> Docker:
        """The engine that the docker command would take.

        Raises:
            EngineError: None answers within 2 s.
        """
        return cls(resolve_endpoint(os.environ if environ is None else environ, home or Path.home()))

    @classmethod
    def connect_to(cls, url: str) -> Docker:
        """The engine at a known address; the one that ``connect`` finds if that is its address (TLS material and all).

        Raises:
            EngineError: None answers.
        """
        found = resolve_endpoint(os.environ, Path.home())
        return cls(found if found.url == url else Endpoint(url, "the ledger"))

    def close(self) -> None:
        """Close the connections; the end of the process does it as well."""
        self._api.close()

    @property
    def version(self) -> str:
        return str(self._version.get("Version", "?"))

    @property
    def platform(self) -> str:
        """``linux/amd64``: what images are built for and taken; the engine's own, unless another one was asked for."""
        return self._platform or self.native

    @property
    def native(self) -> str:
        """What the engine runs without an emulator."""
        return f"{self._version.get('Os', 'linux')}/{self._version.get('Arch', 'amd64')}"

    def for_platform(self, platform: str) -> Docker:
        """The same engine over the same connection, for images of another platform."""
        other = copy.copy(self)
        other._platform = platform  # noqa: SLF001 - of our own class
        return other

    @property
    def kind(self) -> str:
        """``docker`` or ``podman``."""
        names = [str(component.get("Name", "")) for component in self._version.get("Components") or ()]
        return "podman" if any("podman" in name.lower() for name in names) else "docker"

    def info(self) -> dict[str, Any]:
        """The engine's own description of itself (``docker info``)."""
        with self._speaking("asking for its state"):
            return dict(self._api.info())

    def image(self, reference: str) -> Optional[ImageInfo]:
        """The image of a name, a digest or an id; None where the engine has none.

        An id names the same content for ever: one that was seen is not asked for again.
        """
        if reference in self._images:
            return self._images[reference]
        with self._speaking(f"looking for the image {reference}"):
            found = absent_is_none(lambda: self._api.inspect_image(reference))
        if found is None:
            return None
        info = image_info(found)
        self._images[info.id] = info
        return info

    def images(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
        """The images that bear these labels (``""``: any value), as the engine lists them."""
        with self._speaking("listing images"):
            return tuple(self._api.images(filters={"label": _label_filter(labels)}))

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container from the engine API's own description of one; its id. Never pulls."""
        with self._speaking(f"creating the container {name}"), signals_held_back():
            return str(self._api.create_container_from_config(dict(body), name)["Id"])

    def attach(self, container: str) -> Attached:
        with self._speaking("attaching to the container"):
            return Attached(self._api.attach_socket(container, {"stdout": 1, "stderr": 1, "stream": 1}))

    def start(self, container: str) -> None:
        with self._speaking("starting the container"):
            self._api.start(container)

    def wait(self, container: str, timeout: float) -> bool:
        """Wait until it stands still; False if it still runs after ``timeout`` seconds."""
        with self._speaking("waiting for the container"):
            return in_time(lambda: self._api.wait(container, timeout=max(timeout, 0.001)))

    def state(self, container: str) -> State:
        """Whether a container runs, and how it ended. Raises EngineError."""
        with self._speaking("asking how the container ended"):
            state = self._api.inspect_container(container)["State"]
        return State(
            running=bool(state.get("Running")),
            code=int(state.get("ExitCode", 0)),
            oom=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
        )

    def inspect(self, container: str) -> Optional[dict[str, Any]]:
        """All that the engine knows of a container; None if there is none."""
        with self._speaking("inspecting a container"):
            return absent_is_none(lambda: dict(self._api.inspect_container(container)))

    def kill(self, container: str, number: int = signal.SIGKILL) -> None:
        """Send a signal; a container that runs no longer is fine."""
        with self._speaking("stopping the container"):
            absent_is_none(lambda: self._api.kill(container, number), statuses=(404, 409))

    def pause(self, container: str) -> None:
        """Stop all its processes where they are; one that is paused already is fine."""
        with self._speaking("pausing a container"):
            absent_is_none(lambda: self._api.pause(container), statuses=(409,))

    def resume(self, container: str) -> None:
        """Let a paused container go on."""
        with self._speaking("resuming a container"):
            absent_is_none(lambda: self._api.unpause(container), statuses=(409,))

    def remove(self, container: str) -> bool:
        """Remove a container, running or not, with its anonymous volumes; False if there was none.

        One that somebody else removes at this moment (409) is waited for: its networks and volumes may go then.
        """
        with self._speaking("removing the container"):
            with signals_held_back():
                gone = absent_is_none(lambda: self._api.remove_container(container, True, force=True) or 1, (404, 409))
            if gone is None:
                absent_is_none(lambda: in_time(lambda: self._api.wait(container, timeout=60, condition="removed")))
            return gone is not None

    def containers(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
        """All containers, running or not, that bear these labels (``""``: any value)."""
        with self._speaking("listing containers"):
            return tuple(self._api.containers(all=True, filters={"label": _label_filter(labels)}))

    def execute(self, container: str, argv: Sequence[str]) -> tuple[int, bytes]:
        """Run a command in a running container: its exit code, and what it printed."""
        with self._speaking("running a command in a container"):
            made = self._api.exec_create(container, list(argv))["Id"]
            output = self._api.exec_start(made)
            return int(self._api.exec_inspect(made)["ExitCode"] or 0), bytes(output)

    def check_health(self, container: str) -> None:
        """Have podman carry out a container's healthcheck once: where there is no systemd nobody else does."""
        with self._speaking("asking a service for its health"):
            self._api.get(f"{self._api.base_url}/v4.0.0/libpod/containers/{container}/healthcheck", timeout=60)

    def put_archive(self, container: str, folder: str, tar: Any) -> None:
        """Unpack a tar (bytes or a binary file) into a folder of a container, running or not."""
        with self._speaking("copying files into the container"):
            self._api.put_archive(container, folder, tar)

    def get_archive(self, container: str, path: str) -> Optional[Iterable[bytes]]:
        """The tar of a file or folder of a container, in chunks; None if there is none."""
        with self._speaking("copying files out of the container"):
            found = absent_is_none(lambda: self._api.get_archive(container, path))
        return None if found is None else self._chunks(found[0], "copying files out of the container")

    def _chunks(self, chunks: Iterable[bytes], doing: str) -> Iterator[bytes]:
        with self._speaking(doing):
            yield from chunks

    def create_volume(self, name: str, labels: Mapping[str, str], options: Optional[Mapping[str, str]] = None) -> None:
        with self._speaking(f"creating the volume {name}"), signals_held_back():
            self._api.create_volume(name, labels=dict(labels), driver_opts=dict(options or {}))

    def remove_volume(self, name: str) -> bool:
        """Remove a volume; False if there was none."""
        with self._speaking(f"removing the volume {name}"):
            return absent_is_none(lambda: self._api.remove_volume(name, force=True) or True) is not None

    def volumes(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
        """All volumes that bear these labels (``""``: any value)."""
        with self._speaking("listing volumes"):
            return tuple(self._api.volumes(filters={"label": _label_filter(labels)})["Volumes"] or ())

    def networks(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
        """All networks that bear these labels (``""``: any value)."""
        with self._speaking("listing networks"):
            return tuple(self._api.networks(filters={"label": _label_filter(labels)}))

    def remove_network(self, name: str) -> bool:
        """Remove a network that no container uses; False if there was none."""
        with self._speaking(f"removing the network {name}"):
            return absent_is_none(lambda: self._api.remove_network(name) or True) is not None

    def logs(self, container: str, tail: Optional[int] = None) -> Iterator[bytes]:
        """What a container has printed so far, stdout and stderr; its last ``tail`` lines, default all. In chunks."""
        with self._speaking("reading a container's log"):
            options = {"stream": True, "follow": False, "tail": "all" if tail is None else tail}
            found = absent_is_none(lambda: self._api.logs(container, **options))
        return self._chunks(found or (), "reading a container's log")

    def command_environment(self) -> dict[str, str]:
        """Our environment with this endpoint, for the docker command and its plugins."""
        kept = {key: value for key, value in os.environ.items() if key != "DOCKER_CONTEXT"}
        return {**kept, **self.endpoint.environment()}

    def _speaking(self, doing: str) -> AbstractContextManager[None]:
        return speaking(str(self.endpoint), doing)


def _label_filter(labels: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" if value else key for key, value in labels.items()]
