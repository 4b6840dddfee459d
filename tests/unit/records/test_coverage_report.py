"""Coverage of several runs becomes one report with the checkout's paths."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from noxlib.errors import RecordError
from noxlib.records import store
from noxlib.records.coverage_report import CoverageResult, combine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.plan import Plan

SOURCE = "import sys\nif len(sys.argv) > 1:\n    print('with')\nelse:\n    print('without')\n"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Coverage leaves SQLite connections to the garbage collector, which Python 3.13 warns of: not in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def workspace(checkout: Path, tmp_path: Path) -> Path:
    """A copy of the checkout elsewhere, as a place has it."""
    for root in (checkout, tmp_path / "place" / "workspace"):
        (root / "src").mkdir(parents=True)
        (root / "src" / "thing.py").write_text(SOURCE)
    return tmp_path / "place" / "workspace"


def measure(
    folder: store.RunFolder, workspace: Path, *arguments: str, branch: bool = False, relative: bool = True
) -> None:
    """Run ``src/thing.py`` under coverage in the workspace and leave the data in the run's folder."""
    place = folder.path / "coverage"
    place.mkdir(exist_ok=True)
    rcfile = workspace.parent / "rc"
    rcfile.write_text(f"[run]\nrelative_files = {relative}\nbranch = {branch}\n")
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={rcfile}", f"--data-file={place / '.coverage.1'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    subprocess.run(
        [*command, "src/thing.py", *arguments], cwd=workspace, env={**environment, "PYTHONPATH": "src"}, check=True
    )


def combined(checkout: Path) -> CoverageResult:
    return combine(checkout, store.runs(checkout), out=checkout / ".noxlib" / "coverage")


def test_runs_of_two_pythons_make_one_report(checkout: Path, workspace: Path) -> None:
    measure(store.new_run(checkout, "unit-3.10"), workspace)
    measure(store.new_run(checkout, "unit-3.11"), workspace, "x")
    before = Path.cwd()
    result = combined(checkout)
    assert (result.percent, result.files, result.below) == (100.0, 1, None)
    assert set(result.text.splitlines()[-1].removeprefix("of ").split(", ")) == {"unit-3.10", "unit-3.11"}
    assert "src/thing.py" in result.text
    assert Path.cwd() == before
    out = checkout / ".noxlib" / "coverage"
    assert (out / "html" / "index.html").is_file()
    assert list(json.loads((out / "coverage.json").read_text())["files"]) == ["src/thing.py"]
    root = ET.parse(out / "coverage.xml").getroot()
    assert [entry.get("filename") for entry in root.iter("class")] in (["src/thing.py"], ["thing.py"])
    assert "100%" in (out / "badge.svg").read_text()
    assert all(list((folder.path / "coverage").iterdir()) for folder in store.runs(checkout))


def test_absolute_paths_of_a_places_workspace_become_the_checkouts(checkout: Path, workspace: Path, plan: Plan) -> None:
    folder = store.new_run(checkout, "unit-3.10")
    task = msgspec.structs.replace(plan.task, workspace=str(workspace))
    store.write_plan(folder, msgspec.structs.replace(plan, task=task))
    measure(folder, workspace, relative=False)
    combined(checkout)
    report = json.loads((checkout / ".noxlib" / "coverage" / "coverage.json").read_text())
    assert list(report["files"]) == ["src/thing.py"]


def test_only_the_newest_run_of_a_session_counts(checkout: Path, workspace: Path) -> None:
    old, new, without = (store.new_run(checkout, "unit-3.10") for _ in range(3))
    measure(old, workspace, "x")
    measure(new, workspace)
    for number, folder in enumerate((old, new, without)):
        os.utime(folder.path / "owner.json", (number, number))
    assert combined(checkout).percent == 75.0
    assert combined(checkout).percent == 75.0  # the data is there still, the report is made anew


def test_branches_and_statements_do_not_mix_and_two_lines_say_which(checkout: Path, workspace: Path) -> None:
    measure(store.new_run(checkout, "unit-3.10"), workspace, branch=True)
    measure(store.new_run(checkout, "unit-3.11"), workspace, branch=False)
    with pytest.raises(RecordError, match=r"unit-3.10 measured branches and unit-3.11 statements") as caught:
        combined(checkout)
    assert len(str(caught.value).splitlines()) == 2


def test_fail_under_of_the_project_is_told(checkout: Path, workspace: Path) -> None:
    measure(store.new_run(checkout, "unit-3.10"), workspace)
    (checkout / ".coveragerc").write_text("[report]\nfail_under = 75\n")
    assert combined(checkout).below is None
    (checkout / ".coveragerc").write_text("[report]\nfail_under = 80.5\n")
    assert combined(checkout).below == 80.5


def test_files_that_the_checkout_does_not_have_are_named_and_left_out(checkout: Path, workspace: Path) -> None:
    (workspace / "src" / "thing.py").write_text("import generated\n" + SOURCE)
    (workspace / "src" / "generated.py").write_text("x = 1\n")
    measure(store.new_run(checkout, "unit-3.10"), workspace)
    result = combined(checkout)
    assert result.files == 1
    assert "1 files are not in the checkout and left out: src/generated.py" in result.text


def test_a_damaged_data_file_is_named_and_the_others_count(checkout: Path, workspace: Path) -> None:
    folder = store.new_run(checkout, "unit-3.10")
    measure(folder, workspace)
    (folder.path / "coverage" / ".coverage.0").write_text("no database")
    result = combined(checkout)
    assert result.percent == 75.0
    assert ".coverage.0" in result.text


def test_without_data_two_lines_say_what_to_run(checkout: Path) -> None:
    store.new_run(checkout, "unit-3.10")
    with pytest.raises(RecordError, match="no run has left coverage data") as caught:
        combined(checkout)
    assert len(str(caught.value).splitlines()) == 2


def test_an_error_in_the_projects_configuration_is_two_lines(checkout: Path, workspace: Path) -> None:
    measure(store.new_run(checkout, "unit-3.10"), workspace)
    (checkout / ".coveragerc").write_text("[report]\nfail_under = many\n")
    with pytest.raises(RecordError, match="many") as caught:
        combined(checkout)
    assert len(str(caught.value).splitlines()) == 2


def test_without_coverage_two_lines_say_how_to_install_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coverage", None)
    with pytest.raises(RecordError, match="not installed"):
        combined(checkout)
