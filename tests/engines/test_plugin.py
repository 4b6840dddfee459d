"""The plugin with each pytest that it is for, in environments of their own, and with very many tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from noxlib.engines import uv

REPOSITORY = Path(__file__).parents[2]
MANY = """
import pytest

WORDS = "üñ日本🦊"

@pytest.mark.parametrize("word", [f"{WORDS[number % 5]}-{number}" for number in range(10_000)])
def test_many(word):
    pass
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


def environment(folder: Path, release: str) -> str:
    """The interpreter of a virtual environment that holds this pytest; made once."""
    if not folder.exists():
        uv.create_environment(folder, sys.executable)
        uv.install_requirements(folder, (f"pytest=={release}.*",), folder)
    return str(folder / "bin/python")


def task(folder: Path, python: str, **entries: Any) -> tuple[subprocess.CompletedProcess[str], Path]:
    """``run.py`` on a task of ``folder / "workspace"``, and its result folder."""
    known = {"workspace": str(folder / "workspace"), "result": "result", "timeout": 600}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (folder / "task.json").write_text(json.dumps({**known, "python": version, **entries}))
    (folder / "lib").mkdir()
    (folder / "lib/noxlib_inside").symlink_to(REPOSITORY / "noxlib/inside")
    argv = [python, str(folder / "lib/noxlib_inside/run.py"), str(folder / "task.json")]
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False, timeout=600)
    return done, folder / "result"


def of_pytest(python: str, folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Pytest with the plugin alone, in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOXLIB_", "CI", "PYTEST"))}
    variables = {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    argv = [python, "-m", "pytest", "-p", "noxlib.inside.plugin", "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("release", ["7.0", "7.4", "8.0", "8.4", "9.0"])
def test_each_pytest_skips_limits_and_counts_alike(release: str, environments: Path, tmp_path: Path) -> None:
    python = environment(environments / release, release)
    shutil.copytree(REPOSITORY / "tests/projects/profiles", tmp_path / "profiles")
    junit = tmp_path / "junit.xml"
    done = of_pytest(
        python, tmp_path / "profiles", "--env-config", "hpc-cluster", "--leaks=report", f"--junitxml={junit}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"pytest-{release}" in done.stdout
    assert "noxlib: environment hpc_cluster: 150 s a phase of a test, 2 at once" in done.stdout
    assert "test_160_mb_of_memory: memory" in done.stdout
    suite = next(ET.parse(junit).iter("testsuite"))
    assert (suite.attrib["tests"], suite.attrib["skipped"], suite.attrib["failures"]) == ("13", "2", "0")
    refused = of_pytest(python, tmp_path / "profiles", "--env-config", "hcp")
    assert (refused.returncode, "there is no environment 'hcp'" in refused.stdout + refused.stderr) == (4, True)


@pytest.mark.parametrize("release", ["7.0", "8.4", "9.0"])
def test_new_tests_and_quarantine_are_alike_with_each_pytest(release: str, environments: Path, tmp_path: Path) -> None:
    python = environment(environments / release, release)
    shutil.copytree(REPOSITORY / "tests/projects/doubtful", tmp_path / "workspace")
    held = {"test": "test_doubtful.py::test_fails", "owner": "ada", "reason": "known", "expires": "2999-12-31"}
    done, folder = task(tmp_path, python, quarantine=[held], reruns={"runs": 5, "stable": ""})
    assert done.returncode == 1, done.stdout + done.stderr
    result = json.loads((folder / "result.json").read_text())
    counts = {name: count for name, count in result["counts"].items() if count}
    assert counts == {"passed": 4, "failed": 1, "xfailed": 1}
    assert result["notices"]["flaky"] == [{"test": "test_doubtful.py::test_flaky", "runs": 5, "failed": 1}]
    assert [one["test"] for one in result["notices"]["quarantined"]] == [held["test"]]


@pytest.mark.parametrize(
    "words", [(), pytest.param(("-p", "xdist.plugin", "-n2"), marks=pytest.mark.nightly)], ids=["alone", "xdist"]
)
def test_ten_thousand_ids_of_any_script_each_have_their_line(words: tuple[str, ...], tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "test_many.py").write_text(MANY, encoding="utf-8")
    done, folder = task(tmp_path, sys.executable, arguments=["-q", "-p", "no:cacheprovider", *words])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text("utf-8").splitlines()]
    assert len({line["id"] for line in lines if line["event"] == "end"}) == 10_000
    assert len(list(ET.parse(folder / "junit.xml").iter("testcase"))) == 10_000
