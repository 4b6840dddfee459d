"""Workflows run by act on this machine, over stand-ins of the actions that need GitHub."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from noxlib.config import scaffold

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIONS = Path(__file__).resolve().parent.parent / "actions"
PYTHONS = ("3.10", "3.11")
DEADLINE = 600.0
_USED = re.compile(r"uses: ([\w./-]+/([\w.-]+)@[0-9a-f]{40})")


def tool(name: str) -> str:
    """A program that scripts/testbed/workflows installs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(cache / "noxlib" / "testbed" / "bin" / name)


class Acted(msgspec.Struct, frozen=True):
    """How act ended: code, how each job ended by its name, and all that was printed."""

    code: int
    jobs: dict[str, str]
    output: str


class Repository:
    """A small repository with our workflows."""

    def __init__(self, root: Path, project: Path) -> None:
        self.name = f"acted-{secrets.token_hex(3)}"  #: of the project: nobody else's images are taken away
        self.root = root / "repository"
        self.artifacts = root / "artifacts"
        self.state = root / "state"
        self.variables: dict[str, str] = {}  #: of every step
        shutil.copytree(project, self.root)
        for folder in (self.artifacts, self.state):
            folder.mkdir()
        self._write()
        self.git("init", "-q", "-b", "main")
        self.commit("Start")

    def _write(self) -> None:
        settings = self.root / "pyproject.toml"
        settings.write_text(settings.read_text().replace('name = "letters"', f'name = "{self.name}"'))
        self.file("noxfile.py", "import noxlib\n\nnoxlib.register()\n")
        self.file("noxlib.toml", f"pythons = {list(PYTHONS)}\n")
        self.file(".gitignore", ".noxlib/\n__pycache__/\n*.zst\n")
        self.file("scripts/nox", f'#!/bin/sh\nexec {sys.executable} -m nox --no-color "$@"\n').chmod(0o755)
        for name in scaffold.WORKFLOWS:
            self.file(f".github/workflows/{name}.yml", scaffold.workflow(name, "./scripts/nox"))

    def file(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=you", "-c", "user.email=you@localhost")
        argv = ("git", *identity, *words)
        return subprocess.run(argv, cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def act(self, workflow: str, event: str, payload: dict[str, Any], *words: str) -> Acted:
        """Run a workflow's jobs one after the other, each as on a machine of its own."""
        file = self.root.parent / "event.json"
        file.write_text(json.dumps(payload))
        path = self.root / ".github" / "workflows" / f"{workflow}.yml"
        argv = [tool("act"), event, "-W", str(path), "-e", str(file), "--rm", "--json", "--concurrent-jobs", "1"]
        argv += [word for system in ("latest", "24.04") for word in ("-P", f"ubuntu-{system}=-self-hosted")]
        argv += [word for one in self._variables() for word in ("--env", one)]
        for action, name in set(_USED.findall(path.read_text())):
            argv += ["--local-repository", f"{action}={ACTIONS / name}"] if name != "checkout" else []
        done = subprocess.run(
            (*argv, *words), cwd=self.root, env=self._environment(), capture_output=True, timeout=DEADLINE, check=False
        )
        output = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        return Acted(done.returncode, _jobs(output), output)

    def _variables(self) -> tuple[str, ...]:
        return (
            *(f"{name}={value}" for name, value in self.variables.items()),
            f"STAND_IN_ARTIFACTS={self.artifacts}",
            f"STAND_IN_STATE={self.state}",
            f"STAND_IN_IMAGE={self.name}-testground",
        )

    def forget(self, image: str = "") -> None:
        """Remove the images of a name, default the project's own, from the engine."""
        listed = ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image or f"{self.name}-testground")
        found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        if found:
            subprocess.run(("docker", "image", "rm", *found), check=True, capture_output=True)

    def _environment(self) -> dict[str, str]:
        """Ours, without what says that this is CI: act says so itself. Its caches are the test's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOXLIB_", "GITHUB_"))}
        return {**kept, "XDG_CACHE_HOME": str(self.root.parent / "cache")}


def _events(output: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in output.splitlines() if line.startswith("{"))


def _jobs(output: str) -> dict[str, str]:
    """``success`` or ``failure`` of each job that ran, as ``plan``, ``testground 3.10``, ``suite unit-3.10``."""
    found: dict[str, str] = {}
    for event in _events(output):
        if "jobResult" in event:
            matrix = event["matrix"]
            name = f"{event['jobID']} {matrix.get('session') or matrix.get('python') or ''}".strip()
            found[name] = event["jobResult"]
    return found


def outputs(acted: Acted, name: str) -> Any:
    """The value that a job set as an output of that name."""
    for event in _events(acted.output):
        if event.get("command") == "set-output" and event.get("name") == name:
            return json.loads(event["arg"])
    raise AssertionError(f"no output {name} in:\n{acted.output}")


def summaries(acted: Acted) -> str:
    """What the jobs wrote as their summaries."""
    return "".join(event["content"] for event in _events(acted.output) if event.get("command") == "summary")
