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

from noxlib import __version__
from noxlib.config import scaffold

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIONS = Path(__file__).resolve().parent.parent / "actions"
PYTHONS = ("3.10", "3.11")
DEADLINE = 1800.0
ROOT = Path(__file__).resolve().parents[2]
_ALL = "test_a_push_to_main_is_built_published_tested_reported_and_cleaned_up"
_CLUSTER = "test_the_nightly_workflow_runs_the_extended_lane_and_a_suite_on_a_simulated_cluster"
#: Each job of our workflows that a test has act execute -> that test, which says how the job ends.
EXECUTED = {
    "test/noxlib": "test_a_failing_test_makes_the_whole_workflow_red_and_leaves_its_record",
    "lifecycle/plan": _ALL,
    "lifecycle/check": _ALL,
    "lifecycle/python": _ALL,
    "lifecycle/report": _ALL,
    "lifecycle/all-green": _ALL,
    "python/testground": _ALL,
    "python/suite": _ALL,
    "cleanup/plan": _ALL,
    "cleanup/apply": _ALL,
    "nightly/lanes": _CLUSTER,
    "nightly/cluster": _CLUSTER,
    "nightly/refresh": _CLUSTER,
    "nightly/all-green": _CLUSTER,
    "research-environment/integration": "test_a_research_environment_is_chosen_by_hand",
}
_USED = re.compile(r"uses: ([\w.-]+/([\w.-]+))(?:/[\w./-]+)?(@[0-9a-f]{40})")


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
        self.caches = root / "caches"
        self.secrets: dict[str, str] = {}  #: no step has one that its workflow does not hand to it
        shutil.copytree(project, self.root)
        for folder in (self.artifacts, self.state, self.caches):
            folder.mkdir()
        self._write()
        self.git("init", "-q", "-b", "main")
        self.commit("Start")

    def _write(self) -> None:
        settings = self.root / "pyproject.toml"
        settings.write_text(settings.read_text().replace('name = "letters"', f'name = "{self.name}"'))
        self.file("noxfile.py", "import noxlib\n\nnoxlib.register()\n")
        self.settings(f"pythons = {list(PYTHONS)}")
        self.file(".gitignore", ".noxlib/\n__pycache__/\n*.zst\n")
        self.file("scripts/nox", f'#!/bin/sh\nexec {sys.executable} -m nox --no-color "$@"\n').chmod(0o755)
        shutil.copytree(ROOT / ".github" / "workflows", self.root / ".github" / "workflows")

    def file(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def settings(self, text: str) -> None:
        """noxlib.toml. The base images are of a name that only a machine which builds has (see ``_with_bases``)."""
        self.file(
            "noxlib.toml", f'{text}\nmirrors = {{ "docker.io/library/python" = "{self.name}-testground-base" }}\n'
        )

    def _with_bases(self) -> None:
        for python in PYTHONS:
            own = f"{self.name}-testground-base:{python}-slim"
            subprocess.run(("docker", "tag", f"python:{python}-slim", own), check=True, capture_output=True)

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
        self._with_bases()
        file = self.root.parent / "event.json"
        file.write_text(json.dumps(payload))
        path = self.root / ".github" / "workflows" / f"{workflow}.yml"
        argv = [tool("act"), event, "-W", str(path), "-e", str(file), "--rm", "--json", "--concurrent-jobs", "1"]
        argv += [word for system in ("latest", "24.04") for word in ("-P", f"ubuntu-{system}=-self-hosted")]
        argv += [word for one in self._variables() for word in ("--env", one)]
        argv += [word for name in self.secrets for word in ("--secret", name)]  # by name: their values lie in ours
        argv += ["--local-repository", f"noxlib/noxlib@v{__version__}={ROOT}"]
        for action, name, commit in self._used():
            argv += ["--local-repository", f"{action}{commit}={ACTIONS / name}"] if name != "checkout" else []
        done = subprocess.run(
            (*argv, *words), cwd=self.root, env=self._environment(), capture_output=True, timeout=DEADLINE, check=False
        )
        output = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        return Acted(done.returncode, _jobs(output), output)

    def _used(self) -> set[tuple[str, str, str]]:
        """The actions of all workflows: owner and name, name, commit."""
        files = (self.root / ".github" / "workflows").glob("*.yml")
        return {found for file in files for found in _USED.findall(file.read_text())}

    def adopt(self, workflow: str) -> str:
        """The workflow as a project gets it, which calls ours, with nox as we run it; the name of its file."""
        text = scaffold.workflow(workflow)
        nox = "      nox: ./scripts/nox\n"
        with_nox = re.sub(r"(?m)^    with:\n", rf"\g<0>{nox}", text)
        self.file(
            f".github/workflows/adopted-{workflow}.yml", with_nox if nox in with_nox else f"{text}    with:\n{nox}"
        )
        return f"adopted-{workflow}"

    def with_own_archives(self) -> None:
        """One Python, and nothing that is published: no permission for packages is needed."""
        self.settings('pythons = ["3.10"]')
        file = self.root / ".github" / "workflows" / "test.yml"
        text = file.read_text().replace("      publish: true\n", "")
        file.write_text("".join(line for line in text.splitlines(True) if "packages: write" not in line))
        self.commit("Archives alone")

    def with_secrets(self, *names: str) -> None:
        """The project's own `test` hands these on; what they are is taken from ``secrets``."""
        file = self.root / ".github" / "workflows" / f"{self.adopt('test')}.yml"
        lines = ["    secrets:\n", *(f"      {name}: ${{{{ secrets.{name} }}}}\n" for name in names)]
        file.write_text(file.read_text() + "".join(lines))

    def artifacts_anew(self) -> None:
        """Another run of a workflow has artifacts of its own; caches stay."""
        shutil.rmtree(self.artifacts)
        self.artifacts.mkdir()

    def _variables(self) -> tuple[str, ...]:
        return (
            f"STAND_IN_ARTIFACTS={self.artifacts}",
            f"STAND_IN_STATE={self.state}",
            f"STAND_IN_CACHES={self.caches}",
            f"STAND_IN_NAME={self.name}",
        )

    def forget(self, image: str = "") -> None:
        """Remove the images of a name, default the project's own and the names of its bases, from the engine."""
        own = (f"{self.name}-testground", f"{self.name}-testground-base")
        listed = ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        found = [
            line
            for name in ((image,) if image else own)
            for line in subprocess.run((*listed, name), capture_output=True, text=True, check=True).stdout.split()
        ]
        if found:
            subprocess.run(("docker", "image", "rm", *found), check=True, capture_output=True)

    def _environment(self) -> dict[str, str]:
        """Ours, without what says that this is CI: act says so itself. Its caches are the test's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOXLIB_", "GITHUB_"))}
        return {**kept, "XDG_CACHE_HOME": str(self.root.parent / "cache"), **self.secrets}


def _events(output: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in output.splitlines() if line.startswith("{"))


def _jobs(output: str) -> dict[str, str]:
    """``success`` or ``failure`` of each job that ran, as ``plan``, ``3.10/testground``, ``3.10/unit-3.10``."""
    found: dict[str, str] = {}
    for event in _events(output):
        if "jobResult" in event:
            called = re.findall(r"(?<=/)(3\.[0-9]+)(?:-[0-9]+)?/", f"/{event['job']}")
            own = event["matrix"].get("session") or event["jobID"]
            found["/".join((*called, own))] = event["jobResult"]
    return found


def printed(acted: Acted) -> str:
    """What the commands of the jobs printed."""
    return "".join(event["msg"] for event in _events(acted.output) if event.get("raw_output"))


def outputs(acted: Acted, name: str) -> Any:
    """The value that a job set as an output of that name."""
    for event in _events(acted.output):
        if event.get("command") == "set-output" and event.get("name") == name:
            return json.loads(event["arg"])
    raise AssertionError(f"no output {name} in:\n{acted.output}")


def summaries(acted: Acted) -> str:
    """What the jobs wrote as their summaries."""
    return "".join(event["content"] for event in _events(acted.output) if event.get("command") == "summary")
