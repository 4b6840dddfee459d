"""As most people run it: not root, with the engine's socket open to a group, from an installed noxlib."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from noxlib.engines.endpoint import resolve_endpoint

from .conftest import NOXFILE, PROJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as a person already"),
]

PERSON = 4711  #: a uid that no account has: some clusters and images know their users so
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder of the person's own, with an environment that holds noxlib and nox."""
    folder = Path(tempfile.mkdtemp(prefix="noxlib-person-"))
    try:
        environment = folder / "environment"
        subprocess.run([find_uv_bin(), "venv", "-q", "--python", "/usr/bin/python3", environment], check=True)
        python = environment / "bin" / "python"
        # uv keeps what it built of a folder while its pyproject.toml is the same
        fresh = ("--refresh-package", "noxlib")
        own = {**os.environ, "UV_HTTP_RETRIES": "10"}  # an index may not answer at once
        install = ("pip", "install", "-q", *fresh, "--python", python, REPOSITORY)
        subprocess.run([find_uv_bin(), *install], env=own, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def run(home: Path, project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run nox as the person, with the group of the engine's socket and a bare environment."""
    socket = resolve_endpoint({}, home).url.partition("unix://")[2]
    kept = {name: os.environ[name] for name in ("SSL_CERT_FILE", "PIP_CERT", "UV_DEFAULT_INDEX") if name in os.environ}
    return subprocess.run(
        [home / "environment" / "bin" / "nox", *words],
        cwd=project,
        env={"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", **kept},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=PERSON,
        group=PERSON,
        extra_groups=[Path(socket).stat().st_gid],
    )


def adopt(home: Path, name: str) -> Path:
    project = home / name
    shutil.copytree(PROJECTS / "writes_into_tree", project)
    (project / "noxfile.py").write_text(NOXFILE)
    for path in (home, project, *project.rglob("*")):
        os.chown(path, PERSON, PERSON)
    return project


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_person_leaves_nothing_of_roots(home: Path, place: str) -> None:
    project = adopt(home, place)
    python = "3.10" if place == "container" else "3.11"  # in the venv the machine's own
    for _ in range(2):
        ended = run(home, project, "-s", f"unit-{python}", "--", "--place", place)
        assert ended.returncode == 0, ended.stdout
    own = [path for folder in (project, home / ".cache") for path in folder.rglob("*")]
    assert {path.lstat().st_uid for path in own} == {PERSON}
    assert (project / "snapshots" / "new.txt").is_file()
    assert not list((home / ".cache" / "noxlib" / "scratch").glob("*"))


def test_a_read_only_checkout_runs_and_keeps_its_record_elsewhere(home: Path) -> None:
    project = adopt(home, "read-only")
    for path in (*project.rglob("*"), project):
        path.chmod(path.stat().st_mode & ~0o222)
    ended = run(home, project, "-s", "unit-3.10")
    assert ended.returncode == 0, ended.stdout
    assert not (project / ".noxlib").exists()
    assert list((home / ".cache" / "noxlib" / "runs").glob("*/*/record.json"))
