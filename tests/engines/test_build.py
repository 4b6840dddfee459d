"""Testgrounds built by a real engine. The index is the one that this machine uses."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from noxlib.config.detect import load_project
from noxlib.engines import builder, builders
from noxlib.engines.docker import Docker
from noxlib.engines.index import ca_bundle
from noxlib.errors import BuildError, ConfigError, EngineError
from noxlib.testground import image, lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.testground.image import Testground

pytestmark = pytest.mark.docker

PYTHON = "3.10"
SECRET = "geheim-4711"
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1.0"
[tool.noxlib]
packages = ["iniconfig"]
"""
OWN = """ARG PYTHON_VERSION=3.12
FROM python:${PYTHON_VERSION}-slim AS test
RUN --mount=type=secret,id=ca,mode=0444 \\
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \\
    python -m pip install --quiet --retries 10 --root-user-action=ignore pytest
WORKDIR /workspace
FROM test AS runtime
RUN false
"""


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker.connect()


@pytest.fixture(scope="module", autouse=True)  # no longer: the variable is of the whole process
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOXLIB_CACHE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A tiny src project in a folder with a space and a letter that is not ASCII; its images go afterwards."""
    name = f"noxlibtest{uuid.uuid4().hex[:8]}"
    root = tmp_path / "a projéct"
    write(root, "pyproject.toml", PYPROJECT.format(name=name))
    write(root, "src/tiny/__init__.py", "VALUE = 1\n")
    write(root, "tests/test_tiny.py", "import tiny\n\ndef test_value():\n    assert tiny.VALUE == 1\n")
    yield root
    listed = cli("image", "ls", "--quiet", "--filter", f"reference={name}-testground").split()
    if listed:
        cli("image", "rm", "--force", *dict.fromkeys(listed))


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")


def cli(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [builders.command(), *arguments], cwd=cwd, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def made(root: Path, docker: Docker, *, build: bool = True) -> Testground:
    found = load_project(root)
    locked = lock.find_or_make(found, PYTHON, docker.platform)
    return image.find_or_build(found, PYTHON, locked, docker, build=build)


def test_a_testground_is_built_once_and_found_without_the_builder(
    project: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError, match="not built"):
        made(project, docker, build=False)
    built = made(project, docker)
    monkeypatch.setattr(builder, "_client", lambda endpoint: pytest.fail(f"the builder at {endpoint} was asked"))
    write(project, "src/tiny/__init__.py", "VALUE = 2\n")
    assert made(project, docker, build=False) == built
    write(project, "pyproject.toml", (project / "pyproject.toml").read_text().replace("iniconfig", "sortedcontainers"))
    with pytest.raises(BuildError, match="not built"):
        made(project, docker, build=False)


def test_it_holds_the_locked_world_and_works_without_noxlib(project: Path, docker: Docker) -> None:
    built = made(project, docker)
    name, _, tag = built.reference.partition(":")
    assert tag == f"py{PYTHON}-fp-{built.fingerprint[:16]}"
    mount = f"type=bind,source={project},target=/workspace"
    said = cli("run", "--rm", "--mount", mount, f"{name}:py{PYTHON}-local", "bash", "-c", "cd /workspace && pytest -q")
    assert "1 passed" in said
    listed = "import importlib.metadata as m; print(sorted(d.metadata['Name'].lower() for d in m.distributions()))"
    names = cli("run", "--rm", built.reference, built.interpreter, "-c", listed)
    assert "coverage" in names
    assert "pytest" in names
    assert "hatchling" not in names
    assert "hatchling" in cli(
        "run", "--rm", image.ensure_builder(load_project(project), built, docker), "/opt/build/bin/python", "-c", listed
    )


def test_its_labels_say_what_it_is(project: Path, docker: Docker) -> None:
    built = made(project, docker)
    info = docker.image(built.reference)
    assert info
    assert info.id == built.id
    assert info.labels["io.noxlib.fingerprint"] == built.fingerprint
    assert info.labels["io.noxlib.python"] == PYTHON
    assert info.labels["io.noxlib.lock"] == built.lock.key
    assert info.labels["org.opencontainers.image.base.name"] == f"python:{PYTHON}-slim"
    assert info.labels["org.opencontainers.image.base.digest"] == built.base_digest
    assert info.environment["LANG"] == "C.UTF-8"


def test_no_secret_is_in_layers_or_history(
    project: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine unused.example.org login u password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("UV_INDEX_UNUSED_PASSWORD", SECRET)
    monkeypatch.setenv("UV_INSECURE_HOST", f"{SECRET}.example.org")
    built = made(project, docker)
    reference = image.ensure_builder(load_project(project), built, docker)
    assert SECRET not in cli("history", "--no-trunc", reference)
    archive = tmp_path / "image.tar"
    cli("image", "save", "--output", str(archive), reference, built.reference)
    assert SECRET.encode() not in archive.read_bytes()
    bundle = ca_bundle(os.environ)
    if bundle:
        assert Path(bundle).read_bytes()[-400:] not in archive.read_bytes()
    for log in (tmp_path_of_state() / "builds").glob("*.log"):
        assert SECRET not in log.read_text("utf-8")


def tmp_path_of_state() -> Path:
    return Path(os.environ["NOXLIB_CACHE_DIR"])


def test_the_secrets_reach_the_build(
    project: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine unused.example.org login u password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("UV_INDEX_UNUSED_PASSWORD", "it's $HOME")
    check = """ARG PYTHON_VERSION
FROM python:${PYTHON_VERSION}-slim
RUN --mount=type=secret,id=index --mount=type=secret,id=netrc,target=/root/.netrc \\
    . /run/secrets/index && test "$UV_INDEX_UNUSED_PASSWORD" = "it's \\$HOME" \\
    && grep -q unused.example.org /root/.netrc && false
"""
    write(project, "Dockerfile.test", check)
    with pytest.raises(BuildError, match=r"Dockerfile.test:3 failed"):
        made(project, docker)
    write(project, "Dockerfile.test", check.replace("&& false", "&& exit 42"))
    with pytest.raises(BuildError, match="exit code: 42"):
        made(project, docker)


def test_an_error_in_a_dockerfile_is_shown_by_its_own_line(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", OWN.replace("WORKDIR", "RUN echo some output; ls /no/such/folder\nWORKDIR"))
    with pytest.raises(BuildError) as caught:
        made(project, docker)
    assert caught.value.what.startswith("Dockerfile.test:6 failed")
    assert ">>> RUN echo some output; ls /no/such/folder" in caught.value.what
    assert "No such file or directory" in caught.value.what
    assert "Traceback" not in str(caught.value)
    write(project, "Dockerfile.test", OWN + "RUNN x\n")
    with pytest.raises(BuildError, match="unknown instruction"):
        made(project, docker)


def test_a_dockerfile_without_the_build_argument_is_refused_before_anything_starts(
    project: Path, docker: Docker
) -> None:
    write(project, "Dockerfile.test", "FROM python:3.10-slim\n")
    with pytest.raises(ConfigError, match="PYTHON_VERSION"):
        made(project, docker)


def test_an_own_dockerfile_works_with_docker_alone_and_gets_coverage_here(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", OWN + "# never reached: the stage test is built\n")
    write(project, "tests/conftest.py", "import sys\nsys.path.insert(0, 'src')\n")
    built = made(project, docker)
    assert built.own_dockerfile
    assert built.interpreter == "/usr/local/bin/python"
    found = docker.image(built.id)
    assert found is not None
    assert found.labels["io.noxlib.foreign"] not in ("", built.id)  # the own image, below the layer that noxlib adds
    assert "Coverage.py" in cli("run", "--rm", built.reference, built.interpreter, "-m", "coverage", "--version")
    assert made(project, docker, build=False) == built
    plain = built.reference + "-plain"
    secrets = ["--secret", f"id=ca,src={bundle}"] if (bundle := ca_bundle(os.environ)) else []
    stage = ["--target", "test", "--build-arg", f"PYTHON_VERSION={PYTHON}"]
    cli("build", "-f", "Dockerfile.test", *stage, *secrets, "-t", plain, ".", cwd=project)
    mount = f"type=bind,source={project},target=/workspace"
    assert "1 passed" in cli("run", "--rm", "--mount", mount, plain, "bash", "-c", "cd /workspace && pytest -q")


def test_an_own_image_without_pytest_or_with_another_python_is_refused(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", f"ARG PYTHON_VERSION\nFROM python:{PYTHON}-slim\n")
    with pytest.raises(BuildError, match="no pytest"):
        made(project, docker)
    write(project, "Dockerfile.test", "ARG PYTHON_VERSION\nFROM python:3.11-slim\n")
    with pytest.raises(BuildError, match=r"has Python 3\.11, not 3\.10"):
        made(project, docker)


def test_a_base_image_that_cannot_be_pulled_is_one_line(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", "ARG PYTHON_VERSION\nFROM 127.0.0.1:9/none:${PYTHON_VERSION}\n")
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/none:3\.10") as caught:
        made(project, docker)
    assert "\n" not in caught.value.what


def test_without_building_no_base_image_is_pulled(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", "ARG PYTHON_VERSION\nFROM 127.0.0.1:9/none:${PYTHON_VERSION}\n")
    with pytest.raises(BuildError) as caught:
        made(project, docker, build=False)
    assert caught.value.cause == "absent"


def test_an_own_dockerfile_needs_no_lock(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", OWN)
    found = load_project(project)
    built = image.find_or_build(found, PYTHON, lock.of_dockerfile(found), docker)
    assert "Coverage.py" in cli("run", "--rm", built.reference, "python", "-m", "coverage", "--version")


def test_a_mirror_takes_the_place_of_a_registry(project: Path, docker: Docker) -> None:
    mirror = f"127.0.0.1:9/mirrored/python:{PYTHON}-slim"
    cli("image", "tag", f"python:{PYTHON}-slim", mirror)
    try:
        text = (project / "pyproject.toml").read_text() + 'mirrors = { "ghcr.io/base" = "127.0.0.1:9/mirrored" }\n'
        write(project, "pyproject.toml", text)
        write(project, "Dockerfile.test", OWN.replace("FROM python:", "FROM ghcr.io/base/python:"))
        assert made(project, docker).own_dockerfile
    finally:
        cli("image", "rm", mirror)


def test_debian_packages_are_installed(project: Path, docker: Docker) -> None:
    write(project, "pyproject.toml", (project / "pyproject.toml").read_text() + 'apt = ["hello"]\n')
    assert "Hello, world!" in cli("run", "--rm", made(project, docker).reference, "hello")


def test_where_the_whole_tree_is_copied_an_edit_makes_another_testground(project: Path, docker: Docker) -> None:
    write(project, "Dockerfile.test", OWN.replace("WORKDIR /workspace", "COPY . /workspace\nWORKDIR /workspace"))
    first = made(project, docker)
    assert made(project, docker, build=False) == first
    write(project, "src/tiny/new.py", "")
    second = made(project, docker)
    assert second.fingerprint != first.fingerprint
    assert "new.py" in cli("run", "--rm", second.reference, "ls", "/workspace/src/tiny")


def test_a_dependency_without_a_wheel_is_built_in_the_builder(project: Path, docker: Docker) -> None:
    write(project, "pyproject.toml", (project / "pyproject.toml").read_text().replace("iniconfig", "docopt==0.6.2"))
    built = made(project, docker)
    assert cli("run", "--rm", built.reference, "python", "-c", "import docopt; print(docopt.__version__)") == "0.6.2\n"
    with pytest.raises(AssertionError, match="gcc"):
        cli("run", "--rm", built.reference, "gcc", "--version")


PROGRAM = """
import sys
from pathlib import Path
from noxlib.config.detect import load_project
from noxlib.engines.docker import Docker
from noxlib.engines.index import ca_bundle
from noxlib.testground import image, lock
project = load_project(Path(sys.argv[1]))
docker = Docker.connect()
image.find_or_build(project, "3.10", lock.find_or_make(project, "3.10", docker.platform), docker)
"""


@contextlib.contextmanager
def building(project: Path, step: str) -> Iterator[subprocess.Popen[str]]:
    """A build that is at a step. One that ended before is begun again: an index may not answer."""
    said = ""
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(project)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                said += line
                if f"] {step}" in line:  # not where a failure shows the lines of the Dockerfile
                    yield process
                    return
    pytest.fail(f"no build came as far as {step!r}:\n{said}")


def test_ctrl_c_leaves_no_builder_behind(project: Path) -> None:
    write(project, "Dockerfile.test", OWN.replace("WORKDIR /workspace", "RUN sleep 600\nWORKDIR /workspace"))
    with building(project, "RUN sleep") as process:
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) != 0
    assert psutil.wait_procs(family, timeout=300)[1] == []
