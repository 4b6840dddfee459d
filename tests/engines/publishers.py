"""A project that publishes: under git, with a repository of its own, and with the events that CI would give it."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Callable

from .checks import git
from .conftest import Nox
from .registries import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .between import Between
    from .conftest import Ended
    from .registries import RegistryServer


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
        login = {"NOXLIB_REGISTRY_USER": USER, "NOXLIB_REGISTRY_PASSWORD": PASSWORD}
        return {"NOXLIB_IMAGE": self.image, **login, **self.server.variables}

    def beside(self, folder: Path) -> Publisher:
        """Another checkout of the same commit, as another job would have it."""
        other = copy.copy(self)
        shutil.copytree(self.nox.folder, folder)
        other.nox = Nox(folder, self.nox.environment)
        return other

    def through(self, between: Between) -> Publisher:
        """The same repository, by way of a proxy. What the registry has of it is not sent again."""
        other = copy.copy(self)
        other.image = f"{between.host}/{self.registry.name}"
        return other

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

    def start(self, python: str = "3.10", **more: str) -> subprocess.Popen[str]:
        """Begin to publish a push to main."""
        variables = {**self.variables, **self.event("refs/heads/main", **more)}
        return self.nox.start("-s", f"testground_publish-{python}", **variables)

    def result(self, name: str = "published.json", python: str = "3.10") -> dict[str, Any]:
        text = (self.nox.folder / ".noxlib" / name).read_text()
        found: dict[str, Any] = json.loads(text)["testgrounds"][python]
        return found

    def listing(self, *words: str, **variables: str) -> Any:
        """What a session that prints JSON has printed."""
        ended = self(*words, "--", "--json", **variables)
        return json.loads("\n".join(line for line in ended.output.splitlines() if not line.startswith("nox >")))

    def forget(self) -> None:
        """Remove this repository's images from the engine."""
        listed = ["docker", "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}", self.image]
        lines = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        names = {line.rpartition("@")[0] for line in lines} | {
            f"{self.image}@{line.rpartition('@')[2]}" for line in lines
        }
        names = {name for name in names if "<none>" not in name and not name.endswith("@")}
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
