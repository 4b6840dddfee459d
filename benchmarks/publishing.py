"""Four unchanged testgrounds published for a new commit, in turns with crane doing the same; no layer may move."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figures import Result, figure
from benchmarks.projects import Project, project
from benchmarks.sampling import Failed, in_turns, nox, ran, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 1.0
PYTHONS = ("3.9", "3.10", "3.11", "3.12")
USER, PASSWORD = "noxlib", "only-for-tests-7Qv2"
HTPASSWD = "noxlib:$2y$05$G9NKVH.IVzKvCn83pu1ZEukdz5XOmbO95OU57Hzf1J5h/oIB7qP.e\n"  # bcrypt of the password above
_TOOLS = Path(__file__).resolve().parents[1] / "scripts" / "testbed" / "go-tools"
_UPLOAD = "/blobs/uploads/"


class Server(NamedTuple):
    """A registry of the benchmark's own, with a user; and what a client must be told to log in there."""

    host: str
    log: Path
    environment: dict[str, str]

    def uploads(self) -> int:
        """How many requests have sent, or begun to send, a blob."""
        return sum(_UPLOAD in line for line in self.log.read_text().splitlines() if '"response completed' in line)


def run(rounds: int) -> list[Result]:
    """Measure; every round is a commit of its own, whose content the registry has."""
    with project("bench_warm") as ours, _registry() as server:
        image = f"{server.host}/bench/publishing"
        environment = {**server.environment, "NOXLIB_IMAGE": image, **_event(ours)}
        for _ in range(2):  # the first one builds and sends
            ran(nox("-s", "testground_publish"), ours.root, environment)
        before = server.uploads()
        tags = [found.split("-fp-")[0] for found in _tags(ours, environment) if "-fp-" in found]
        if len(tags) != len(PYTHONS):
            raise Failed(f"{len(tags)} testgrounds are published, not {len(PYTHONS)}")
        calls = {"noxlib": lambda: _publish(ours, environment), "crane": lambda: _by_hand(ours, image, environment)}
        try:
            values = in_turns(calls, rounds)
        finally:
            _forget(image)
        if server.uploads() != before:
            raise Failed("unchanged content was sent again")
    return [
        Result(
            name="publish",
            target="four unchanged testgrounds published for a new commit, no layer sent",
            limit=LIMIT,
            unit="s",
            measured=figure(values["noxlib"]),
            details={name: figure(seconds) for name, seconds in values.items()},
        )
    ]


def _forget(image: str) -> None:
    """Take the names away that the engine has of a registry that is gone."""
    listed = subprocess.check_output(
        ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image), text=True
    )
    names = [name for name in listed.split() if "<none>" not in name]
    subprocess.run(("docker", "image", "rm", *names), check=False, stdout=subprocess.DEVNULL)


def _publish(ours: Project, environment: dict[str, str]) -> float:
    _commit(ours)
    return timed(nox("-s", "testground_publish"), ours.root, {**environment, **_event(ours)})


def _by_hand(ours: Project, image: str, environment: dict[str, str]) -> float:
    """The content is known by its tag; the commit's and the branch's are given, and one of them is read back."""
    _commit(ours)
    commit = _event(ours)["GITHUB_SHA"]
    crane = _tool("crane")
    known = {found.split("-")[0]: found for found in _tags(ours, environment) if "-fp-" in found}
    start = time.perf_counter()
    for python, content in known.items():
        for tag in (f"{python}-{commit}", f"{python}-main"):
            timed((crane, "tag", f"{image}:{content}", tag), ours.root, environment)
        timed((crane, "digest", f"{image}:{python}-{commit}"), ours.root, environment)
    return time.perf_counter() - start


def _commit(ours: Project) -> None:
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    subprocess.run(("git", *identity, "commit", "-q", "--allow-empty", "-m", "Another"), cwd=ours.root, check=True)


def _event(ours: Project) -> dict[str, str]:
    """A push to the main branch, as GitHub Actions tells of one."""
    head = subprocess.check_output(("git", "rev-parse", "HEAD"), cwd=ours.root, text=True).strip()
    event = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": ""}
    return {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": "", "GITHUB_SHA": head, **event}


def _tags(ours: Project, environment: dict[str, str]) -> list[str]:
    return ran((_tool("crane"), "ls", environment["NOXLIB_IMAGE"]), ours.root, environment)[1].split()


def _tool(name: str) -> str:
    """The path of a tool, built where it is not there yet."""
    subprocess.run((str(_TOOLS), name), check=True, stdout=subprocess.DEVNULL)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(cache / "noxlib" / "testbed" / "bin" / name)


@contextlib.contextmanager
def _registry() -> Iterator[Server]:
    """A distribution 3 on a free port, until the end; its user stands in a docker configuration of its own."""
    with tempfile.TemporaryDirectory(prefix="noxlib-bench-") as name, socket.socket() as free:
        folder = Path(name)
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        server = Server(host, folder / "log", {"DOCKER_CONFIG": name})
        told = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": told}}}))
        (folder / "htpasswd").write_text(HTPASSWD)
        (folder / "registry.json").write_text(json.dumps(_configuration(folder, host)))
        with server.log.open("wb") as log:
            process = subprocess.Popen([_tool("registry"), "serve", folder / "registry.json"], stdout=log, stderr=log)
        try:
            _await(host)
            yield server
        finally:
            process.kill()
            process.wait()


def _configuration(folder: Path, host: str) -> dict[str, object]:
    return {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "auth": {"htpasswd": {"realm": "bench", "path": str(folder / "htpasswd")}},
        "http": {"addr": host},
    }


def _await(host: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=1)
        except urllib.error.HTTPError:
            return  # it asks who we are
        except OSError:
            time.sleep(0.02)
    raise Failed(f"the registry at {host} does not answer")
