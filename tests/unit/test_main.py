"""``python -m noxlib``: each command, its exit code and its two lines of error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from noxlib.__main__ import EXIT_CODES, main


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_record(root: Path, run: str, text: str) -> None:
    folder = root / ".noxlib" / "runs" / run
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(text)


@pytest.mark.parametrize(("outcome", "code"), EXIT_CODES.items())
def test_an_outcome_has_its_exit_code(
    outcome: str, code: int, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(project, "r", json.dumps({"outcome": outcome}))
    assert main(["outcome", "r"]) == code
    assert capsys.readouterr().out == f"{outcome}\n"


def test_the_exit_codes_are_those_that_are_documented() -> None:
    assert EXIT_CODES == {"passed": 0, "failed": 1, "error": 2, "no-tests": 5, "timeout": 124, "cancelled": 130}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"outcome": 3}', '{"outcome": "fine"}', "\0", "[" * 100_000])
def test_a_damaged_record_is_two_lines_and_exit_code_2(
    text: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(project, "r", text)
    assert main(["outcome", "r"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("run", ["absent", "", "..", "../x", "/etc", "a\0b"])
def test_a_run_that_is_not_there_is_two_lines_and_exit_code_2(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outcome", run]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("arguments", [[], ["inti"], ["init", "--devcontaner"], ["outcome"], ["schema", "x"]])
def test_a_wrong_command_line_is_two_lines_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("command", [[], ["init"], ["schema"], ["outcome"]])
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m noxlib" in capsys.readouterr().out


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "pythons" in json.loads(capsys.readouterr().out)["properties"]


def test_init_says_of_each_file_what_became_of_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [" written  noxfile.py", " written  noxlib.toml"]
    assert main(["init", "--devcontainer"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        " written  .devcontainer/Dockerfile",
        " written  .devcontainer/devcontainer.json",
        "    kept  noxfile.py",
        "    kept  noxlib.toml",
    ]


def test_init_writes_workflows_only_where_asked_to(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert not (project / ".github").exists()
    assert main(["init", "--github"]) == 0
    assert " written  .github/workflows/test.yml" in capsys.readouterr().out.splitlines()


def test_init_below_the_root_writes_into_the_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    assert main(["init"]) == 0
    assert (project / "noxfile.py").exists()


def test_init_in_a_project_with_a_broken_pyproject_is_two_lines(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").write_text("[")
    assert main(["init"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (project / "noxfile.py").exists()


def test_the_module_runs_and_a_closed_pipe_is_no_traceback(project: Path) -> None:
    command = f'"{sys.executable}" -m noxlib schema | true'
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""


def test_init_writes_a_compose_file_only_where_asked_to_and_never_over_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    file = project / "docker-compose.test.yml"
    assert not file.exists()
    assert main(["init", "--compose"]) == 0
    assert " written  docker-compose.test.yml" in capsys.readouterr().out.splitlines()
    file.write_text("services: {}\n")
    assert main(["init", "--compose"]) == 0
    assert file.read_text() == "services: {}\n"
