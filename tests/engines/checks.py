"""What a session must leave behind: two lines to the user, and nothing in the engine or among the processes."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from pathlib import Path

from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.places.environments import READY
from noxlib.records import store

from .conftest import Ended, Nox, settled


def told(ended: Ended) -> int:
    """The lines that nox ends with when a session fails: one of what happened, one of what to do. No traceback."""
    assert ended.code == 1, ended.output
    assert "Traceback" not in ended.output, ended.output
    lines = ended.output.rstrip().splitlines()
    (start,) = [at for at, line in enumerate(lines) if line.startswith("nox > Session ") and " aborted: " in line]
    return len(lines) - start


def left_in_engine(nox: Nox) -> list[str]:
    """Containers and volumes of the runs of a project's folder."""
    docker = Docker.connect()
    runs = [run.name for run in store.runs(nox.folder)]
    found = [*docker.containers({"io.noxlib.run": ""}), *docker.volumes({"io.noxlib.run": ""})]
    return [str(thing) for thing in found if (thing.get("Labels") or {}).get("io.noxlib.run") in runs]


def began(nox: Nox, test: str) -> bool:
    """Whether a test of that name has begun in any run of the project."""
    reports = (nox.folder / ".noxlib" / "runs").glob("*/result/report.jsonl")
    return any(f'::{test}"' in read(report) for report in reports)


def read(file: Path) -> str:
    """What a file holds that is being written: as much as is there, and nothing where it has just gone."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def left_of_state(state: Path) -> list[str]:
    """What a dead run would leave in a state folder of its own: ledger entries, half-made things, scratch folders."""
    entries = [f"{entry.kind} {entry.name}" for entry in Ledger(state).entries()]
    patterns = ("scratch/*", "*/building/*", "locks/.making-*", "ledger/damaged/*")
    unfinished = [path for path in state.glob("environments/*") if not (path / READY).exists()]
    # A walk, unlike a glob, passes over what goes away meanwhile.
    every = (f"{at}/{name}" for at, folders, files in os.walk(state) for name in (*folders, *files))
    half = [path for path in every if "/.tmp-" in path]
    return [*entries, *half, *map(str, unfinished), *(str(path) for one in patterns for path in state.glob(one))]


def processes_of(state: Path) -> list[str]:
    """Command lines of processes that were started with this state folder, and stay."""
    return settled(lambda: _processes("environ", f"NOXLIB_CACHE_DIR={state}") + processes_naming(str(state)))


def processes_naming(text: str) -> list[str]:
    """Command lines of living processes that hold a text."""
    return _processes("cmdline", text)


def _processes(file: str, text: str) -> list[str]:
    found = []
    others = (path for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != str(os.getpid()))
    for other in others:
        try:
            holds = text.encode() in (other / file).read_bytes()
            words = (other / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if holds:
            found.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def rename(nox: Nox) -> str:
    """Give a project a name that no other test has, so that its images are its own; the name."""
    name = f"noxlibtest{uuid.uuid4().hex[:8]}"
    file = nox.folder / "pyproject.toml"
    file.write_text(re.sub(r'(?m)^name = ".*"', f'name = "{name}"', file.read_text()))
    return name


def remove_images(name: str) -> None:
    """Remove the testgrounds of a project."""
    listed = ["docker", "image", "ls", "--quiet", "--filter", f"reference={name}-testground"]
    images = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    if images:
        subprocess.run(["docker", "image", "rm", "--force", *dict.fromkeys(images)], check=True, capture_output=True)


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a checkout, what runs write into it by design left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".noxlib", ".pytest_cache"} & set(path.relative_to(folder).parts)
    }


def git(folder: Path, *words: str) -> str:
    """Git in a folder, whoever calls."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit_all(folder: Path, branch: str = "main") -> None:
    """Make a folder a repository with one commit."""
    git(folder, "init", "-q", "-b", branch)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
