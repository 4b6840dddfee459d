"""Our workflows, and those that a project gets: checked by the tools of the field, and run by act."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxlib.config import scaffold
from noxlib.engines.archive import Archive
from noxlib.records import store
from tests.engines.acting import PYTHONS, Repository, outputs, printed, summaries, tool
from tests.engines.conftest import PROJECTS
from tests.engines.registries import PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.workflows

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["ours", "a project's"])
def workflows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / ".github" / "workflows"
    if request.param == "ours":
        shutil.copytree(ROOT / ".github" / "workflows", folder)
    else:
        scaffold.write_workflows(tmp_path)
    subprocess.run(("git", "init", "-q"), cwd=tmp_path, check=True)
    return tmp_path


def test_actionlint_finds_nothing(workflows: Path) -> None:
    argv = (tool("actionlint"), "-no-color", "-shellcheck", tool("shellcheck"))
    done = subprocess.run(argv, cwd=workflows, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_shellcheck_finds_nothing_in_our_scripts() -> None:
    found = [
        path for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.read_bytes()[:20].find(b"sh\n") > 0
    ]
    assert len(found) > 5
    # `A && B || die`, where B is a question, is what SC2015 warns of
    argv = (tool("shellcheck"), "--exclude=SC2015", *map(str, found), str(ROOT / ".ci" / "run"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_zizmor_finds_nothing(workflows: Path) -> None:
    argv = (tool("zizmor"), "--offline", "--no-config", "--no-progress", "--format=json", ".")
    done = subprocess.run(argv, cwd=workflows, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("found", ["run: echo ${{ github.head_ref }}", "uses: actions/checkout@v7"])
def test_the_checks_would_find_something(tmp_path: Path, found: str) -> None:
    file = tmp_path / ".github" / "workflows" / "lifecycle.yml"
    file.parent.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / file.name).read_text()
    file.write_text(text.replace("run: $NOX -s coverage", found))
    done = subprocess.run(
        (tool("zizmor"), "--offline", "--no-config", "."), cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    made = Repository(tmp_path, PROJECTS / "src_layout")
    yield made
    made.forget()


MAIN = {"ref": "refs/heads/main", "repository": {"default_branch": "main"}}
PULL = {"number": 3, "pull_request": {"base": {"ref": "main"}, "head": {"ref": "main", "sha": ""}}}


def test_an_event_without_a_lane_has_nothing_to_do_and_is_green(repository: Repository) -> None:
    acted = repository.act("test", "push", {**MAIN, "ref": "refs/heads/feature"})
    assert acted.jobs == {"plan": "success", "all-green": "success"}, acted.output
    assert outputs(acted, "lanes") == []


@pytest.fixture
def registry(repository: Repository, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that the repository's workflows publish to."""
    server = RegistryServer(tmp_path / "registry").start()
    repository.settings(f'pythons = {list(PYTHONS)}\nimage = "{server.host}/{repository.name}"')
    repository.with_secrets("NOXLIB_REGISTRY_USER", "NOXLIB_REGISTRY_PASSWORD")
    repository.commit("A registry")
    repository.secrets = {"NOXLIB_REGISTRY_USER": USER, "NOXLIB_REGISTRY_PASSWORD": PASSWORD}
    yield server
    server.kill()
    repository.forget(f"{server.host}/{repository.name}")


@pytest.mark.docker
@pytest.mark.registry
def test_a_push_to_main_is_built_published_tested_reported_and_cleaned_up(
    repository: Repository, registry: RegistryServer
) -> None:
    acted = repository.act("adopted-test", "push", {**MAIN, "head_commit": {"message": "Mend it"}})
    assert acted.code == 0, acted.output
    jobs = [f"{python}/{name}" for python in PYTHONS for name in ("testground", f"unit-{python}")]
    assert acted.jobs == dict.fromkeys(["plan", "lint", *jobs, "report", "all-green"], "success")
    assert (repository.artifacts / "coverage" / "html" / "index.html").exists()
    tags = set(registry.repository(repository.name).tags())
    for python in PYTHONS:
        assert {f"py{python}-{repository.git('rev-parse', 'HEAD')}", f"py{python}-main"} <= tags
        assert _tested(repository, python) == _published(registry, repository, python)
    assert "| unit-3.11 | ✅ passed | 5 |" in summaries(acted)
    history = _histories(repository)
    assert len(history) == 1

    repository.artifacts_anew()
    repository.forget(f"{registry.host}/{repository.name}")  # what the suites loaded: their machines are gone
    _damage(repository, next(tag for tag in tags if tag.startswith("py3.11-fp-")))
    repository.file("broken.py", "def\n")
    repository.commit("Break a check, and nothing that the testground is made of")
    pulled = repository.act("adopted-test", "pull_request", PULL)
    assert pulled.jobs == {**acted.jobs, "lint": "failure", "all-green": "failure"}, pulled.output
    assert re.findall(r"building the testground of Python (\S+):", printed(pulled)) == ["3.11"], printed(pulled)
    assert printed(pulled).count("nothing is pushed: ") == len(PYTHONS)
    assert set(registry.repository(repository.name).tags()) == tags
    assert history == _histories(repository)  # a pull request reads it, and leaves it as it was

    for tag, days in (("py3.10-pr-6", 40), ("py3.10-pr-7", 30)):
        registry.put_image(repository.name, [tag], days=days)
    cleaned = repository.act("cleanup", "workflow_dispatch", {**MAIN, "inputs": {"apply": "true"}})
    assert cleaned.jobs == {"plan": "success", "apply": "success"}, cleaned.output
    assert (repository.artifacts / "cleanup" / "cleanup.json").is_file()
    # The newest of each kind stays, whatever its age: the floor of keep_last.
    assert set(registry.repository(repository.name).tags()) == {*tags, "py3.10-pr-7"}


def _histories(repository: Repository) -> list[tuple[str, int]]:
    """What later runs know of the tests."""
    return [(path.name, path.stat().st_mtime_ns) for path in repository.caches.glob("history-*")]


def _damage(repository: Repository, tag: str) -> None:
    """Of what the cache keeps for one testground the archive is cut short."""
    (entry,) = repository.caches.glob(f"testground-{tag.rpartition('-')[2]}*")
    name, folder = "testgrounds.tar.zst", repository.root.parent / "damaged"
    with tarfile.open(entry) as cached:
        cached.extractall(folder)
    os.truncate(folder / name, (folder / name).stat().st_size // 2)
    with tarfile.open(entry, "w") as cached:
        cached.add(folder, ".")


def _tested(repository: Repository, python: str) -> str:
    """The id of the image in which the unit tests of a Python ran; it is that of the archive."""
    file = repository.artifacts / f"testground-{python}-amd64" / "testgrounds.tar.zst"
    with file.open("rb") as stream:
        found = Archive(stream, str(file))
        found.check(found.contents.members)
    (image,) = found.contents.images
    (run,) = (repository.artifacts / f"runs-unit-{python}-basic-amd64").iterdir()
    record = store.read_record(run)
    assert record.outcome == "passed"
    assert record.testground is not None
    assert (record.python, record.testground.digest) == (image.python, image.id) == (python, image.id)
    return image.id


def _published(registry: RegistryServer, repository: Repository, python: str) -> str:
    """The id of the image that the branch's tag names in the registry."""
    manifest = registry.repository(repository.name).manifest(f"py{python}-main")
    assert manifest is not None
    return str(manifest.content()["config"]["digest"])


@pytest.mark.docker
def test_a_failing_test_makes_the_whole_workflow_red_and_leaves_its_record(repository: Repository) -> None:
    repository.file("tests/test_red.py", "def test_red():\n    assert 1 == 2\n")
    repository.with_own_archives()
    acted = repository.act("test", "push", MAIN)
    assert acted.code != 0
    assert acted.jobs["3.10/unit-3.10"] == "failure"
    assert "all-green" not in acted.jobs  # act ends where a called workflow failed; GitHub would go on, to a red one
    (run,) = (repository.artifacts / "runs-unit-3.10-basic-amd64").iterdir()
    assert store.read_record(run).outcome == "failed"


@pytest.mark.docker
@pytest.mark.registry
def test_a_cleanup_by_hand_deletes_nothing_unless_it_is_told_to(
    repository: Repository, registry: RegistryServer
) -> None:
    registry.put_image(repository.name, ["py3.10-pr-7"], days=30)
    cleaned = repository.act(repository.adopt("cleanup"), "workflow_dispatch", {**MAIN, "inputs": {"apply": "false"}})
    assert cleaned.jobs == {"plan": "success"}, cleaned.output
    assert list(registry.repository(repository.name).tags()) == ["py3.10-pr-7"]


@pytest.mark.docker
@pytest.mark.slurm
def test_the_nightly_workflow_runs_the_extended_lane_and_a_suite_on_a_simulated_cluster(repository: Repository) -> None:
    repository.settings('pythons = ["3.10"]')
    repository.commit("One Python")
    acted = repository.act(repository.adopt("nightly"), "schedule", {**MAIN, "schedule": "0 2 * * *"})
    jobs = ["plan", "lint", "3.10/testground", "3.10/unit-3.10", "report", "cluster", "refresh", "all-green"]
    assert acted.jobs == dict.fromkeys(jobs, "success"), acted.output
    assert "Python 3.10" in (repository.artifacts / "refresh" / "refresh.md").read_text()
    (run,) = (repository.artifacts / "runs-cluster").iterdir()
    record = store.read_record(run)
    assert record.place is not None
    assert (record.place.name, record.outcome) == ("slurm", "passed")


@pytest.mark.docker
def test_a_research_environment_is_chosen_by_hand(repository: Repository) -> None:
    repository.settings('pythons = ["3.10"]')
    repository.file("tests/integration/test_service.py", "def test_one() -> None:\n    pass\n")
    repository.commit("Integration")
    inputs = {"environment": "hpc-cluster", "level": "basic"}
    acted = repository.act(repository.adopt("research-environment"), "workflow_dispatch", {**MAIN, "inputs": inputs})
    assert acted.jobs == {"integration": "success"}, acted.output
    (run,) = (repository.artifacts / "runs-hpc-cluster").iterdir()
    profile = store.read_record(run).profile
    assert profile is not None
    assert profile.name == "hpc_cluster"
