"""A project that publishes: under git, with a repository of its own, and with the events that CI would give it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any, Callable

from .checks import git
from .registries import PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Ended, Nox


class Publisher:
    """A project under git, its repository, and CI events as it would get them."""

    def __init__(self, nox: Nox, server: RegistryServer, name: str) -> None:
        self.nox = nox
        self.server = server
        self.image = f"{server.host}/{name}"
        self.registry = server.repository(name)
        (nox.folder / ".gitignore").write_text(".noxlib/\n__pycache__/\n")
        git(nox.folder, "init", "-q", "-b", "main")
        self.commit("first")

    @property
    def head(self) -> str:
        return git(self.nox.folder, "rev-parse", "HEAD").strip()

    @property
    def variables(self) -> dict[str, str]:
        return {"NOXLIB_IMAGE": self.image, "NOXLIB_REGISTRY_USER": USER, "NOXLIB_REGISTRY_PASSWORD": PASSWORD}

    def commit(self, message: str) -> str:
        git(self.nox.folder, "add", "-A")
        git(self.nox.folder, "commit", "-q", "--allow-empty", "-m", message)
        return self.head

    def __call__(self, *words: str, **variables: str) -> Ended:
        return self.nox("-s", *words, **{**self.variables, **variables})

    def event(self, ref: str, name: str = "push", **more: str) -> dict[str, str]:
        given = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_EVENT_NAME": name, "GITHUB_REF": ref}
        return {**given, "GITHUB_SHA": self.head, "GITHUB_EVENT_PATH": "", **more}

    def publish(self, ref: str = "refs/heads/main", **more: str) -> Ended:
        return self("testground_publish-3.10", **self.event(ref, **more))

    def result(self, name: str = "published.json") -> dict[str, Any]:
        text = (self.nox.folder / ".noxlib" / name).read_text()
        found: dict[str, Any] = json.loads(text)["testgrounds"]["3.10"]
        return found

    def forget(self) -> None:
        """Remove this repository's images from the engine."""
        listed = ["docker", "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}", self.image]
        lines = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        names = {line.rpartition("@")[0] for line in lines} | {
            f"{self.image}@{line.rpartition('@')[2]}" for line in lines
        }
        names = {name for name in names if "<none>" not in name}
        if names:
            subprocess.run(["docker", "image", "rm", "--force", *names], check=True, capture_output=True)


@contextlib.contextmanager
def publishing(
    adopt: Callable[..., Nox], server: RegistryServer, environment: dict[str, str], test: str
) -> Iterator[Publisher]:
    """A publisher for one test, whose images leave the engine with it."""
    for name in [name for name in environment if name.startswith("GITHUB_")]:  # of the CI that runs these tests
        del environment[name]
    own = "".join(letter if letter.isalnum() else "-" for letter in test.lower())[:60].strip("-")
    publisher = Publisher(adopt("src_layout"), server, f"tests/{own}")
    yield publisher
    publisher.forget()
