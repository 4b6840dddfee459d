"""The fixture ``storage`` by its real drivers: sshd in a container, versitygw, and what needs no server of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import noxlib
from noxlib.config.fixtures import REQUIREMENTS
from noxlib.engines import interpreters, uv
from tests.engines import s3_server
from tests.engines.conftest import PROJECTS, kill_group, wait_until
from tests.engines.registries import CACHE
from tests.engines.s3_server import S3Server
from tests.engines.ssh_host import Machine

pytestmark = [pytest.mark.storage, pytest.mark.ssh]

BACKENDS = ("file", "mock_ssh", "ssh", "s3", "mock_tape")
HANGS = "import time\n\ndef test_hangs(storage):\n    storage.pipe_file('a', b'1')\n    time.sleep(600)\n"
FAILS = "def test_fails(storage):\n    options = storage.options\n    storage.cat_file('absent')\n"
HALTED = """
import os, signal, threading

def halt(*_):
    raise RuntimeError("halted")

def test_halted(storage):
    signal.signal(signal.SIGUSR1, halt)
    storage.fail("slow", latency=600)
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    storage.cat_file("absent")

def test_next(storage):
    storage.pipe_file("a", b"1")
"""
ONE = "def test_one(storage):\n    storage.pipe_file('a', b'1')\n"


class Ended(NamedTuple):
    code: int
    output: str
    counts: dict[str, int]


class Project:
    """pytest with the plugin in a copy of the project, by an interpreter that has the drivers."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder
        shutil.copytree(PROJECTS / "storage", folder)

    def argv(self, *words: str) -> list[str]:
        plugin = ("-p", "inside.plugin", "-p", "no:cacheprovider", "--junitxml=junit.xml", "--env-config=cloud_hpc")
        return [str(self.python), "-m", "pytest", *plugin, *words]

    @property
    def environment(self) -> dict[str, str]:
        package = Path(str(noxlib.__file__)).parent
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),  # nobody's known hosts, keys and settings of AWS
            "TMPDIR": str(self.folder.parent),
            "PYTHONPATH": f"{package}:{self.folder}/src",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*words),
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *words: str, **variables: str) -> Ended:
        process = self.start(*words, **variables)
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            kill_group(process)
        return Ended(process.returncode, output, self.counts())

    def counts(self) -> dict[str, int]:
        suite = ET.parse(self.folder / "junit.xml").getroot()[0]
        return {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}

    def test(self, text: str) -> str:
        """The path of a test of this test's own."""
        path = self.folder / "tests" / "integration" / "test_own.py"
        path.write_text(text)
        return str(path)


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the drivers, from the package index."""
    return installed(tmp_path_factory.mktemp("drivers"), sys.executable)


def installed(folder: Path, interpreter: str) -> Path:
    """The same for that interpreter."""
    uv.create_environment(folder / "venv", interpreter)
    uv.install_requirements(folder / "venv", ["pytest", *REQUIREMENTS["storage"]], folder)
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from s3_server.running(tmp_path_factory.mktemp("s3"))


@pytest.fixture
def project(drivers: Path, tmp_path: Path) -> Project:
    return Project(drivers, tmp_path / "project")


def ssh_options(machine: Machine) -> list[str]:
    return [f"--ssh-host={machine.address}", "--ssh-user=root", f"--ssh-key={machine.key}"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_conforms_and_fails_as_it_is_told(
    project: Project, backend: str, s3: S3Server, request: pytest.FixtureRequest
) -> None:
    words = [f"--backend={backend}", "--leaks=fail", "-rs"]
    if backend == "ssh":
        words += ssh_options(request.getfixturevalue("ssh_host"))
    if backend == "s3":
        words += s3.options
    ended = project(*words)
    assert ended.code == 0, ended.output
    other = 0 if backend == "mock_tape" else 9  # tests of tapes
    assert ended.counts == {"tests": 47, "failures": 0, "errors": 0, "skipped": other + 2 * (backend == "s3")}
    if backend == "s3":
        assert "s3 has no appending of its own" in ended.output
        assert [path.name for path in s3.bucket.glob("*/*")] == []
        assert s3_server.SECRET not in ended.output + (project.folder / "junit.xml").read_text()


@pytest.mark.parametrize("python", ["3.9", "3.12"])  # each has drivers of its own, those of 3.9 are the last for it
def test_an_upload_to_s3_that_is_cut_ends_by_itself(python: str, s3: S3Server, tmp_path: Path) -> None:
    project = Project(installed(tmp_path, str(interpreters.find(python, tmp_path))), tmp_path / "project")
    ended = project("--backend=s3", *s3.options, "-k", "a_write_is_cut")
    assert ended.counts == {"tests": 1, "failures": 0, "errors": 0, "skipped": 0}, ended.output


def test_versitygw_is_started_where_no_server_was_given_and_else_the_test_says_so(project: Project) -> None:
    own = project.test(ONE)
    ended = project("--backend=s3", own, PATH=f"{CACHE / 'bin'}:{os.environ['PATH']}")
    assert (ended.code, ended.counts["skipped"]) == (0, 0), ended.output
    ended = project("--backend=s3", "-rs", own, PATH="/nowhere")
    assert ended.counts == {"tests": 1, "failures": 0, "errors": 0, "skipped": 1}
    words = "environment cloud_hpc has backends = s3; no --s3-bucket was given, and there is no program versitygw"
    assert words in ended.output
    wait_until(lambda: left(project, "versitygw") == [], "the end of versitygw")


def test_ssh_without_a_host_is_skipped_by_the_value_that_did_it(project: Project) -> None:
    ended = project("--backend=ssh", "-rs", project.test(ONE))
    assert ended.counts["skipped"] == 1
    assert "environment cloud_hpc has backends = ssh; no --ssh-host was given" in ended.output


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("--s3-secret=file:wrong", "The request signature we calculated does not match"),
        ("--s3-bucket=absent", "the bucket absent of http://127.0.0.1"),
        ("--s3-endpoint=http://127.0.0.1:9", "the bucket results of http://127.0.0.1:9 cannot be used"),
        ("--s3-secret=env:NOT_SET", "--s3-secret env:NOT_SET leads nowhere: the variable NOT_SET is not set here"),
    ],
)
def test_a_server_that_refuses_is_told_in_two_lines(project: Project, s3: S3Server, changed: str, told: str) -> None:
    (project.folder / "wrong").write_text("hunter22-hunter22")
    ended = project("--backend=s3", *s3.options, changed, "--showlocals", project.test(ONE))
    assert (ended.code, ended.counts["errors"]) == (1, 1), ended.output
    assert told in ended.output
    assert "Traceback" not in ended.output
    assert "hunter22" not in ended.output


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("--ssh-key={0}/another", "port 22, lets user root not in"),
        ("--ssh-user=nobody", "port 22, lets user nobody not in"),
        ("--ssh-port=9", "port 9, cannot be used by SFTP"),
    ],
)
def test_a_host_that_refuses_is_told_in_two_lines(project: Project, ssh_host: Machine, changed: str, told: str) -> None:
    another = project.folder / "another"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", another), check=True)
    words = [*ssh_options(ssh_host), changed.format(project.folder)]
    ended = project("--backend=ssh", *words, project.test(ONE))
    assert (ended.code, ended.counts["errors"]) == (1, 1), ended.output
    assert f"{ssh_host.address}, {told}" in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("backend", ["s3", "mock_ssh"])
def test_a_secret_is_not_shown_where_a_test_fails(project: Project, s3: S3Server, backend: str) -> None:
    ended = project(f"--backend={backend}", *s3.options, "--showlocals", project.test(FAILS))
    assert ended.counts["failures"] == 1
    assert "'***'" in ended.output
    assert s3_server.SECRET not in ended.output


def test_a_test_that_is_ended_in_the_middle_of_an_exchange_breaks_no_other(project: Project, s3: S3Server) -> None:
    words = ["--backend=mock_ssh", "--backend=s3", *s3.options]
    ended = project(*words, project.test(HALTED))
    assert ended.counts == {"tests": 4, "failures": 2, "errors": 0, "skipped": 0}, ended.output
    assert len(re.findall(r"^E +RuntimeError: halted", ended.output, re.MULTILINE)) >= 2


def test_after_sigkill_the_next_start_removes_what_is_left_on_a_host(project: Project, ssh_host: Machine) -> None:
    words = ["--backend=ssh", *ssh_options(ssh_host)]
    folders = "ls -A ~/noxlib-storage 2>/dev/null || true"
    killed(project, words, lambda: ssh_host.shell("cat ~/noxlib-storage/*/1/a 2>/dev/null || true"))
    assert len(ssh_host.shell(folders).split()) == 1
    assert project(*words, project.test(ONE)).code == 0
    assert ssh_host.shell(folders) == ""


def test_after_sigkill_the_next_start_removes_what_is_left_in_a_bucket(project: Project, s3: S3Server) -> None:
    words = ["--backend=s3", *s3.options]
    killed(project, words, lambda: stored(s3.bucket))
    assert project(*words, project.test(ONE)).code == 0
    assert not stored(s3.bucket)


def test_after_sigkill_the_next_start_ends_the_server_that_was_started(project: Project) -> None:
    path = f"{CACHE / 'bin'}:{os.environ['PATH']}"
    killed(project, ["--backend=s3"], lambda: stored(project.folder.parent), PATH=path)
    assert len(left(project, "versitygw")) == 1
    assert project("--backend=file", project.test(ONE)).code == 0
    wait_until(lambda: left(project, "versitygw") == [], "the end of versitygw")


def killed(project: Project, words: list[str], began: object, **variables: str) -> None:
    """A session that is killed in the middle of a test."""
    assert callable(began)
    process = project.start(*words, project.test(HANGS), **variables)
    try:
        wait_until(began, "the test's start")
    finally:
        process.kill()
        process.communicate(timeout=300)


def stored(folder: Path) -> bool:
    """Whether the first test of a session has stored its file. The walk, unlike a glob, passes over what goes away."""
    return any("a" in files and Path(place).name == "1" for place, _, files in os.walk(folder))


def left(project: Project, program: str) -> list[str]:
    """Processes of a program that work below this test's folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = file.read_text(errors="replace").split("\0")  # anybody's
            if program in command[0] and any(word.startswith(f"{project.folder.parent}/") for word in command):
                found.append(" ".join(command))
    return found


@pytest.mark.nightly
def test_the_backends_conform_by_the_oldest_drivers_that_are_allowed(
    s3: S3Server, ssh_host: Machine, tmp_path: Path
) -> None:
    uv.create_environment(tmp_path / "venv", sys.executable)
    oldest = [requirement.replace(">=", "==") for requirement in REQUIREMENTS["storage"]]
    uv.install_requirements(tmp_path / "venv", ["pytest", *[f"{one}.*" for one in oldest]], tmp_path)
    project = Project(tmp_path / "venv" / "bin" / "python", tmp_path / "project")
    words = [f"--backend={backend}" for backend in BACKENDS]
    ended = project(*words, *ssh_options(ssh_host), *s3.options)
    assert ended.code == 0, ended.output
