"""Our workflows, and those that a project gets: checked by the tools of the field, and run by act."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxlib.config import scaffold
from noxlib.engines import archive
from noxlib.records import store
from tests.engines.acting import PYTHONS, Repository, outputs, summaries, tool
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
    scaffold.write_workflows(tmp_path)
    file = tmp_path / ".github" / "workflows" / "test.yml"
    file.write_text(file.read_text().replace("run: uvx nox -s coverage", found))
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


@pytest.mark.parametrize(
    ("workflow", "event", "payload", "lanes"),
    [
        ("test", "push", {**MAIN, "head_commit": {"message": "Mend it"}}, ["basic"]),
        ("test", "push", {**MAIN, "head_commit": {"message": "[extended-tests] Mend"}}, ["basic", "extended"]),
        ("test", "pull_request", PULL, ["basic"]),
        ("test", "workflow_dispatch", {**MAIN, "inputs": {"extended": "true"}}, ["basic", "extended"]),
        ("nightly", "schedule", {**MAIN, "schedule": "0 2 * * *"}, ["basic", "extended"]),
    ],
)
def test_an_event_has_the_jobs_of_its_lanes(
    repository: Repository, workflow: str, event: str, payload: dict[str, Any], lanes: list[str]
) -> None:
    repository.file("tests/integration/test_service.py", "def test_one(): pass\n")
    repository.commit("Integration")
    acted = repository.act(workflow, event, payload, "-j", "plan")
    assert acted.jobs == {"plan": "success"}, acted.output
    assert outputs(acted, "lanes") == lanes
    assert outputs(acted, "pythons") == list(PYTHONS)
    suites = {(entry["step"], entry["lane"]) for entry in outputs(acted, "suites")["include"]}
    assert ("unit", "basic") in suites
    assert {lane for _, lane in suites} <= set(lanes)


def test_the_message_of_a_pull_requests_head_counts_not_that_of_the_merge(repository: Repository) -> None:
    head = repository.commit("Try it [extended-tests]")
    repository.commit("Merge it")
    payload = {**PULL, "pull_request": {"base": {"ref": "main"}, "head": {"ref": "topic", "sha": head}}}
    assert outputs(repository.act("test", "pull_request", payload, "-j", "plan"), "lanes") == ["basic", "extended"]


def test_a_pull_request_starts_no_publication(repository: Repository) -> None:
    assert repository.act("publish", "pull_request", PULL).jobs == {}


@pytest.mark.docker
def test_the_test_workflow_builds_loads_tests_and_reports(repository: Repository) -> None:
    acted = repository.act("test", "push", {**MAIN, "head_commit": {"message": "Mend it"}})
    assert acted.code == 0, acted.output
    jobs = [
        f"{kind} {name}" for python in PYTHONS for kind, name in (("testground", python), ("suite", f"unit-{python}"))
    ]
    assert acted.jobs == dict.fromkeys(["plan", "check lint", *jobs, "report", "all-green"], "success")
    assert (repository.artifacts / "coverage" / "html" / "index.html").exists()
    for python in PYTHONS:
        file = repository.artifacts / f"testground-{python}" / "testgrounds.tar.zst"
        with file.open("rb") as stream:
            (image,) = archive.verify(stream, str(file)).images
        (run,) = (repository.artifacts / f"runs-unit-{python}-basic").iterdir()
        record = store.read_record(run)
        assert record.outcome == "passed"
        assert record.testground is not None
        assert (record.python, record.testground.digest) == (image.python, image.id) == (python, image.id)
    assert "| unit-3.11 | ✅ passed | 5 |" in summaries(acted)


@pytest.mark.docker
def test_a_failing_test_makes_the_whole_workflow_red_and_is_reported(repository: Repository) -> None:
    repository.file("tests/test_red.py", "def test_red():\n    assert 1 == 2\n")
    repository.file("noxlib.toml", 'pythons = ["3.10"]\n')
    repository.commit("Break it")
    acted = repository.act("test", "push", MAIN)
    assert acted.code != 0
    assert acted.jobs["all-green"] == "failure"
    assert acted.jobs["report"] == "success"
    assert "assert 1 == 2" in summaries(acted)


@pytest.fixture
def registry(repository: Repository, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that the repository's workflows publish to."""
    server = RegistryServer(tmp_path / "registry").start()
    repository.file("noxlib.toml", f'pythons = ["3.10"]\nimage = "{server.host}/{repository.name}"\n')
    repository.commit("A registry")
    repository.variables = {"NOXLIB_REGISTRY_USER": USER, "NOXLIB_REGISTRY_PASSWORD": PASSWORD}
    yield server
    server.kill()
    repository.forget(f"{server.host}/{repository.name}")


@pytest.mark.docker
@pytest.mark.registry
def test_a_push_to_main_publishes_and_the_cleanup_deletes_what_its_plan_says(
    repository: Repository, registry: RegistryServer
) -> None:
    published = repository.act("publish", "push", MAIN)
    assert published.jobs == {"publish": "success"}, published.output
    tags = registry.repository(repository.name).tags()
    assert {f"py3.10-{repository.git('rev-parse', 'HEAD')}", "py3.10-main"} <= set(tags)
    for tag, days in (("py3.10-pr-6", 40), ("py3.10-pr-7", 30)):
        registry.put_image(repository.name, [tag], days=days)
    cleaned = repository.act("cleanup", "workflow_dispatch", {**MAIN, "inputs": {"apply": "true"}})
    assert cleaned.jobs == {"plan": "success", "apply": "success"}, cleaned.output
    assert (repository.artifacts / "cleanup" / "cleanup.json").is_file()
    # The newest of each kind stays, whatever its age: the floor of keep_last.
    assert set(registry.repository(repository.name).tags()) == {*tags, "py3.10-pr-7"}


@pytest.mark.docker
@pytest.mark.registry
def test_a_cleanup_by_hand_deletes_nothing_unless_it_is_told_to(
    repository: Repository, registry: RegistryServer
) -> None:
    registry.put_image(repository.name, ["py3.10-pr-7"], days=30)
    cleaned = repository.act("cleanup", "workflow_dispatch", {**MAIN, "inputs": {"apply": "false"}})
    assert cleaned.jobs == {"plan": "success"}, cleaned.output
    assert list(registry.repository(repository.name).tags()) == ["py3.10-pr-7"]


@pytest.mark.docker
@pytest.mark.slurm
def test_the_nightly_workflow_runs_a_suite_on_a_simulated_cluster(repository: Repository) -> None:
    repository.file("noxlib.toml", 'pythons = ["3.10"]\n')
    repository.commit("One Python")
    acted = repository.act("nightly", "schedule", {**MAIN, "schedule": "0 2 * * *"}, "-j", "cluster")
    assert acted.jobs == {"cluster": "success"}, acted.output
    (run,) = (repository.artifacts / "runs-cluster").iterdir()
    record = store.read_record(run)
    assert record.place is not None
    assert (record.place.name, record.outcome) == ("slurm", "passed")


@pytest.mark.docker
def test_a_research_environment_is_chosen_by_hand(repository: Repository) -> None:
    repository.file("noxlib.toml", 'pythons = ["3.10"]\n')
    repository.file("tests/integration/test_service.py", "def test_one() -> None:\n    pass\n")
    repository.commit("Integration")
    inputs = {"environment": "hpc-cluster", "level": "basic"}
    acted = repository.act("research-environment", "workflow_dispatch", {**MAIN, "inputs": inputs})
    assert acted.jobs == {"integration": "success"}, acted.output
    (run,) = (repository.artifacts / "runs-hpc-cluster").iterdir()
    profile = store.read_record(run).profile
    assert profile is not None
    assert profile.name == "hpc_cluster"
