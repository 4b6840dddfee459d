"""docker compose at one engine's endpoint. What happened is told by exit codes and by the engine's own states."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from noxlib.engines import background, client, offline, process, strays
from noxlib.engines.images import untag
from noxlib.errors import PlaceError
from noxlib.secret import known_secrets, mask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from noxlib.engines.docker import Docker

PROJECT = "com.docker.compose.project"  #: label of all that compose makes for a project
SERVICE = "com.docker.compose.service"
MARK = "NOXLIB_RUN"  #: in the environment of the compose commands that we start, so that they are found again
CONFIG_SECONDS = 60.0  #: for compose to read its files
LATE_SECONDS = 10.0  #: in which an engine makes what it was asked for, however busy
CALM_SECONDS = 2.0  #: the same, where a compose command that still ran was killed
PAUSE = 0.1  #: seconds between two looks for it
_UNPULLED = re.compile(r"^ (?:Image )?(\S+) +Error +(\S.*)$", re.MULTILINE)  # a service, and what its registry says
_SILENT = "compose said nothing"
_TAKEN = (
    "a port of this machine that the services want is taken",
    'free it, or name none in the compose file nor by ports = "fixed": then a free one is taken',
    "port",
)
#: What an engine says, in small letters -> what that means, what to do, and its cause; the first one counts.
_REFUSALS = (
    (
        "no space left on device",
        "the engine's disk is full",
        "free space: `docker system df`, `docker image prune`",
        "disk-full",
    ),
    (  # of a range of ports: one of the compose file, or that of this machine
        "all ports are allocated",
        "no port of this machine is free for the services",
        "end what holds them (`docker ps` shows ports), or widen the range: its own, or net.ipv4.ip_local_port_range",
        "port",
    ),
    ("port is already allocated", *_TAKEN),
    ("address already in use", *_TAKEN),
    (
        "is already in use by container",
        "a fixed container_name is taken",
        "leave container_name out of the compose file",
        "compose",
    ),
)
_INSTALL = "install docker's compose plugin (Debian: docker-compose, Docker's own packages: docker-compose-plugin)"


class Compose:
    """One project of compose.

    Args:
        docker: The engine.
        files: The compose files; the first one's folder is what their paths are relative to.
        project: Name of the project, unique on the engine.
    """

    def __init__(self, docker: Docker, files: Sequence[Path], project: str) -> None:
        self.docker = docker
        self.project = project
        self._files = tuple(files)
        self._unfinished: frozenset[str] = frozenset()

    def config(self) -> dict[str, Any]:
        """The files as compose understands them, services of every profile among them.

        Raises:
            PlaceError: compose refuses them.
        """
        done = process.run(
            self.argv("config", "--format", "json"), env=self.docker.command_environment(), timeout=CONFIG_SECONDS
        )
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        said = complaint(mask(done.stderr, known_secrets(os.environ)))
        files = "".join(f" -f {shlex.quote(shown(file))}" for file in self._files)
        raise PlaceError(
            f"{' with '.join(file.name for file in self._files)}: {said}",
            f"correct it; `docker compose{files} config` shows the same",
            cause="compose",
        )

    def argv(self, *words: str, colours: bool = False) -> tuple[str, ...]:
        """The command for some words, with services of every profile; without files, of what is up."""
        ansi = "always" if colours else "never"
        files = (word for file in self._files for word in ("-f", str(file)))
        return (command(), "compose", "--ansi", ansi, "-p", self.project, *files, "--profile", "*", *words)

    @contextlib.contextmanager
    def up(
        self,
        services: Sequence[str],
        log: Path,
        *,
        build: bool,
        start: bool = True,
        variables: Mapping[str, str] = MappingProxyType({}),
        secrets: Sequence[str] = (),
    ) -> Iterator[background.Background]:
        """Start services in the background; what compose prints goes to ``log``. Leaving the block stops it.

        Args:
            services: Their names.
            log: Gets what compose prints.
            build: Build those that are built.
            start: Else their containers are made only.
            variables: For values that the files leave to compose's environment.
            secrets: Do not go to the log.
        """
        may_build = build and not offline.wanted()
        words = [
            "up",
            "--detach" if start else "--no-start",
            "--quiet-pull",
            "--build" if may_build else "--no-build",
            *services,
        ]
        words[1:1] = ["--pull", "never"] if offline.wanted() else []
        environment = {**self.docker.command_environment(), **variables, MARK: self.project}
        try:
            # python-on-whales waits for its command and cannot be told to stop; and its import takes 0.2 s.
            with background.started(self.argv(*words), env=environment, log=log, secrets=secrets) as running:
                yield running
        finally:
            if log.exists():
                self._unfinished = unfinished(log.read_text(encoding="utf-8", errors="replace"))

    def down(self) -> None:
        """Remove all that belongs to the project at once, its volumes and the images built for it too.

        Raises:
            EngineError: the engine fails.
        """
        remove(self.docker, self.project, self._unfinished)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each service's container, by the service's name."""
        found = self.docker.containers({PROJECT: self.project})
        inspected = ((item["Labels"].get(SERVICE, ""), self.docker.inspect(item["Id"])) for item in found)
        return {service: about for service, about in inspected if about is not None}


def unfinished(log: str) -> frozenset[str]:
    """What the engine was asked to make, and compose was ended before it heard that it is made: its log's last word."""
    said = re.findall(r'^ (?:Network|Volume|Container) "?([^"\s]+)"?  (\w+)$', log, re.MULTILINE)
    return frozenset(name for name, word in dict(said).items() if word == "Creating")


def remove(docker: Docker, project: str, expected: Collection[str] = ()) -> None:
    """Remove what a compose project left, found by its label; a command that still works at it is killed first.

    Args:
        docker: The engine.
        project: Name of the project.
        expected: What the engine may still be about to make: it is waited for, a few seconds at most.

    Raises:
        EngineError: the engine fails.
    """
    killed = strays.kill_marked(MARK, project)
    missing = set(expected)
    until = time.monotonic() + (LATE_SECONDS if missing else CALM_SECONDS if killed else 0)
    missing -= _removed(docker, project)
    while (missing or killed) and time.monotonic() < until:
        time.sleep(PAUSE)
        missing -= _removed(docker, project)


def _removed(docker: Docker, project: str) -> set[str]:
    """Remove what there is now; the names of containers, networks and volumes among it."""
    label = {PROJECT: project}
    containers, networks, volumes = docker.containers(label), docker.networks(label), docker.volumes(label)
    remove_containers(docker, containers)
    for network in networks:
        docker.remove_network(network["Id"])
    for volume in volumes:
        docker.remove_volume(volume["Name"])
    for image in docker.images(label):
        for tag in image.get("RepoTags") or ():
            untag(tag, docker)
    named = {name.lstrip("/") for container in containers for name in container["Names"]}
    return named | {one["Name"] for one in (*networks, *volumes)}


def remove_containers(docker: Docker, containers: Sequence[Mapping[str, Any]]) -> None:
    """Remove containers side by side: the engine takes a quarter of a second for each.

    Raises:
        EngineError: the engine fails.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda container: docker.remove(container["Id"]), containers))


def command() -> str:
    """The docker command that has compose. Raises EngineError."""
    return client.command("compose", "no services can be started", _INSTALL)


def shown(file: Path) -> str:
    """A file as it is told: from the folder of the command, where it lies below it."""
    name = os.path.relpath(file)
    return str(file) if name.startswith(os.pardir) else name


def complaint(text: str) -> str:
    """What compose says against its files, a cycle in several lines; its warnings, which stand before, are left out."""
    lines = (line.strip() for line in text.splitlines() if not line.startswith("time="))
    return process.last_line(" ".join(lines), _SILENT)


def refusal(log: Path) -> PlaceError:
    """What compose says where it could not start the services, in two lines.

    Args:
        log: What it printed, its secrets masked.
    """
    output = log.read_text(encoding="utf-8", errors="replace")
    said = process.last_line(output, _SILENT)
    for text, what, todo, cause in _REFUSALS:
        if text in output.lower():
            return PlaceError(f"{what}: {said}", todo, cause=cause)
    unpulled = _UNPULLED.search(output)
    if unpulled:
        return PlaceError(
            f"the image of {unpulled[1]} cannot be pulled: {unpulled[2]}",
            "correct its name, log in to its registry (`docker login`), or build it here under that name",
            cause="compose",
        )
    return PlaceError(f"the services could not be started: {said}", f"see {shown(log)}", cause="compose")
