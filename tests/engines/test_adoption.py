"""Adoption from nothing: the built wheel, ``init``, the noxfile's own requirements, an editor's container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import uv

import noxlib
from noxlib.engines.index import ca_bundle
from noxlib.records import store

from .checks import remove_images
from .conftest import PROJECTS

ROOT = Path(__file__).resolve().parents[2]
UID = 12345  #: somebody who is neither root nor known in any image

pytestmark = [pytest.mark.docker]


def run(*argv: object, cwd: Path, env: dict[str, str], code: int = 0) -> str:
    """Run a command; what it printed."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheels") / uuid.uuid4().hex  # uv keeps what it unpacked by the file's path
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True)
    return folder


@pytest.fixture
def bare(environment: dict[str, str], wheels: Path) -> dict[str, str]:
    """The environment of a machine where noxlib is not installed, and comes from the wheel."""
    kept = {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "UV_FIND_LINKS": str(wheels), "PIP_FIND_LINKS": str(wheels), "UV_PYTHON_DOWNLOADS": "never"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that knows nothing of nox."""
    return shutil.copytree(PROJECTS / "src_layout", tmp_path / "project")


def fresh(folder: Path, bare: dict[str, str], *packages: str) -> Path:
    """A new virtual environment with these packages; its interpreter."""
    run(uv.find_uv_bin(), "venv", "-q", "--no-project", "--python", sys.executable, folder, cwd=folder.parent, env=bare)
    python = folder / "bin" / "python"
    run(uv.find_uv_bin(), "pip", "install", "-q", "--python", python, *packages, cwd=folder.parent, env=bare)
    return python


def everything(folder: Path) -> dict[str, Any]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", ["uvx nox", "nox in an environment of its own"])
def test_a_project_is_adopted_with_nothing_installed(
    project: Path, bare: dict[str, str], tmp_path: Path, way: str
) -> None:
    python = fresh(tmp_path / "installed", bare, "noxlib")
    said = run(python, "-m", "noxlib", "init", cwd=project, env=bare)
    assert "written  noxfile.py" in said
    assert "extended  pyproject.toml" in said
    before = everything(project)
    assert "kept  noxfile.py" in run(python, "-m", "noxlib", "init", cwd=project, env=bare)
    assert everything(project) == before

    if way == "uvx nox":
        nox: tuple[object, ...] = (uv.find_uv_bin(), "tool", "run", "--python", sys.executable, "nox")
    else:  # it has no noxlib, but reads what the noxfile asks for
        nox = (fresh(tmp_path / "only-nox", bare, "nox"), "-m", "nox")
    output = run(*nox, "-s", "unit-3.10", cwd=project, env=bare)
    assert "unit-3.10 passed: 5 passed" in output
    record = store.read_record(store.runs(project)[0].path)
    assert (record.outcome, record.noxlib) == ("passed", noxlib.__version__)
    assert record.place
    assert record.place.name == "container"


def test_the_wheel_holds_what_a_project_needs(bare: dict[str, str], tmp_path: Path) -> None:
    python = fresh(tmp_path / "installed", bare, "noxlib")
    schema = json.loads(run(python, "-m", "noxlib", "schema", cwd=tmp_path, env=bare))
    assert "write_back" in json.dumps(schema)
    said = run(python, "-c", "import noxlib; print(noxlib.__file__)", cwd=tmp_path, env=bare)
    installed = Path(said.strip()).parent
    assert ROOT not in installed.parents
    ours = {path.relative_to(ROOT / "noxlib") for path in (ROOT / "noxlib").rglob("*") if path.is_file()}
    kept = {path for path in ours if "__pycache__" not in path.parts}
    assert {path for path in kept if not (installed / path).exists()} == set()
    assert "invalid choice: 'no-such-command'" in run(
        python, "-m", "noxlib", "no-such-command", cwd=tmp_path, env=bare, code=2
    )


def test_an_editors_container_is_built_and_runs_the_tests_as_the_caller(project: Path, bare: dict[str, str]) -> None:
    run(sys.executable, "-m", "noxlib", "init", "--devcontainer", cwd=project, env={**bare, "PYTHONPATH": str(ROOT)})
    folder = project / ".devcontainer"
    description = json.loads((folder / "devcontainer.json").read_text())
    build = description["build"]
    assert description["workspaceFolder"] == "/workspace"
    name = f"noxlibtest{uuid.uuid4().hex[:8]}"
    image = f"{name}-testground:editor"
    version = build["args"]["PYTHON_VERSION"]
    base = _base(f"python:{version}-slim", f"{name}-testground:base", project.parent)
    try:
        docker("build", "-q", "-t", image, "-f", folder / build["dockerfile"], "--target", build["target"],
               "--build-arg", f"PYTHON_VERSION={version}", *base, folder / build["context"])  # fmt: skip
        run("chown", "-R", f"{UID}:{UID}", project, cwd=project, env=bare)
        (project / "tests" / "test_writes.py").write_text("def test_writes():\n    open('made', 'w').close()\n")
        mount = f"type=bind,source={project},target=/workspace"
        said = docker("run", "--rm", "--user", f"{UID}:{UID}", "--mount", mount, image,
                      "pytest", "-q", "-p", "no:cacheprovider", "-m", "not integration")  # fmt: skip
        assert "6 passed" in said
        assert (project / "made").stat().st_uid == UID
    finally:
        remove_images(name)


def docker(*words: object) -> str:
    return run("docker", *words, cwd=ROOT, env=dict(os.environ))


def _base(reference: str, derived: str, folder: Path) -> list[str]:
    """Where this machine trusts a CA of its own: the base image with that, and the words that make a build take it."""
    bundle = ca_bundle(os.environ)
    if bundle is None:
        return []
    context = folder / "base"
    context.mkdir()
    shutil.copyfile(bundle, context / "ca.pem")
    (context / "Dockerfile").write_text(
        f"FROM {reference}\nCOPY --chmod=0444 ca.pem /ca.pem\nENV PIP_CERT=/ca.pem SSL_CERT_FILE=/ca.pem\n"
    )
    docker("build", "-q", "-t", derived, context)
    return ["--build-context", f"{reference}=docker-image://{derived}"]
