"""What ``init`` writes: once, valid, and never over a file that is there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxlib import __version__
from noxlib.config.detect import load_project
from noxlib.config.devcontainer import user_of, write_devcontainer
from noxlib.config.files import read_toml
from noxlib.config.load import load_config
from noxlib.config.models import Config
from noxlib.config.pythons import newest
from noxlib.config.scaffold import (
    WORKFLOWS,
    own_settings,
    template,
    workflow,
    write_new,
    write_noxfile,
    write_settings,
    write_workflows,
)
from noxlib.errors import ConfigError, UsageError


def uncommented(text: str) -> str:
    return "".join(line[2:] if line.startswith("# ") else line[1:] for line in text.splitlines(keepends=True))


def test_the_noxfile_is_two_lines_of_substance_with_a_script_header(tmp_path: Path) -> None:
    assert write_noxfile(tmp_path) == ("noxfile.py", "written")
    text = (tmp_path / "noxfile.py").read_text()
    assert [type(node).__name__ for node in ast.parse(text).body] == ["Expr", "Import", "Expr"]
    header = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", text)
    assert header
    assert '# dependencies = ["nox", "noxlib"]' in header["content"]


def test_a_file_that_is_there_is_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text("mine")
    assert write_noxfile(tmp_path) == ("noxfile.py", "kept")
    assert (tmp_path / "noxfile.py").read_text() == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").symlink_to(tmp_path / "elsewhere.py")
    assert write_noxfile(tmp_path).what == "kept"
    assert not (tmp_path / "elsewhere.py").exists()


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write_new(tmp_path, "file/inner/x", "")


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_settings_are_added_once_and_change_nothing(end: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b'[project]\nname = "a"'.replace(b"\n", b"\r\n" if "\r" in end else b"\n") + end.encode())
    before = read_toml(path)
    assert write_settings(tmp_path) == ("pyproject.toml", "extended")
    once = path.read_bytes()
    assert write_settings(tmp_path) == ("pyproject.toml", "kept")
    assert path.read_bytes() == once
    assert read_toml(path) == before
    assert (once.count(b"\r\n") == once.count(b"\n")) == ("\r" in end)
    assert load_config(tmp_path, {}) == Config()


def test_a_table_that_is_there_is_kept(make_project: Any) -> None:
    assert write_settings(make_project("[tool.noxlib]\n")).what == "kept"


def test_an_invalid_pyproject_is_not_made_longer(make_project: Any) -> None:
    root = make_project("[project\n")
    with pytest.raises(ConfigError):
        write_settings(root)
    assert (root / "pyproject.toml").read_text() == "[project\n"


def test_without_a_pyproject_there_is_a_noxlib_toml(tmp_path: Path) -> None:
    assert write_settings(tmp_path) == ("noxlib.toml", "written")
    assert write_settings(tmp_path) == ("noxlib.toml", "kept")


def test_what_is_commented_out_is_valid_configuration(make_project: Any) -> None:
    files = {"requirements-test.txt": ""}
    root = make_project(uncommented(template("settings.toml")), files)
    in_pyproject = load_config(root, {})
    (root / "pyproject.toml").unlink()
    (root / "noxlib.toml").write_text(uncommented(own_settings()).replace("every key", "# every key", 1))
    assert load_config(root, {}) == in_pyproject != Config()


DOCKERFILE = "FROM python:3.12 AS builder\nUSER build\nFROM builder AS test\nUSER {}\nFROM test as runtime\nUSER x\n"


def test_the_devcontainer_is_on_the_stage_test_of_the_projects_dockerfile(make_project: Any) -> None:
    root = make_project('[project]\nname = "a"\n', {"Dockerfile.test": DOCKERFILE.format("me")})
    assert [written.path for written in write_devcontainer(load_project(root, {}))] == [
        ".devcontainer/devcontainer.json"
    ]
    content = json.loads((root / ".devcontainer" / "devcontainer.json").read_text())
    assert content["build"] == {
        "dockerfile": "../Dockerfile.test",
        "context": "..",
        "target": "test",
        "args": {"PYTHON_VERSION": "3.12"},
    }
    assert (content["remoteUser"], content["updateRemoteUserUID"]) == ("me", True)
    assert content["workspaceFolder"] == "/workspace"


def test_without_a_user_in_the_dockerfile_the_caller_s_numbers_are_taken(make_project: Any) -> None:
    root = make_project('[project]\nname = "a"\n', {"Dockerfile.test": "FROM x\n"})
    write_devcontainer(load_project(root, {}))
    content = json.loads((root / ".devcontainer" / "devcontainer.json").read_text())
    assert re.fullmatch(r"\$\{localEnv:UID:\d+\}:\$\{localEnv:GID:\d+\}", content["runArgs"][1])
    assert "target" not in content["build"]


@pytest.mark.parametrize(("user", "expected"), [("me", "me"), ("root", None), ("1000", None), ("${USER}", None)])
def test_the_user_is_that_of_the_stage_test(user: str, expected: object) -> None:
    assert user_of(DOCKERFILE.format(user)) == expected


def test_without_a_dockerfile_one_is_written_beside_the_devcontainer(make_project: Any) -> None:
    files = {
        "requirements-test.txt": "-r more/base.txt\n-c ../out.txt\n",
        "more/base.txt": "-r ../requirements-test.txt\n",
    }
    text = '[project]\nname = "a"\n[dependency-groups]\ntest = []\n[tool.noxlib]\napt = ["libpq5"]\n'
    root = make_project(text, files)
    write_devcontainer(load_project(root, {}))
    dockerfile = (root / ".devcontainer" / "Dockerfile").read_text()
    copies = re.findall(r"(?m)^COPY (.*)$", dockerfile)
    assert [json.loads(copy)[0] for copy in copies] == ["pyproject.toml", "requirements-test.txt", "more/base.txt"]
    install = json.loads(re.findall(r"(?m)^RUN (\[.*)$", dockerfile)[0])
    assert install[4:] == ["pytest", "-r", "pyproject.toml", "--group", "test", "-r", "requirements-test.txt"]
    assert "apt-get install -y --no-install-recommends libpq5" in dockerfile
    assert "@" not in dockerfile
    assert not (root / "Dockerfile.test").exists()


def test_the_file_name_of_a_requirement_cannot_add_a_line_to_the_dockerfile(make_project: Any) -> None:
    root = make_project(files={"requirements-test-x\nRUN id.txt": ""})
    write_devcontainer(load_project(root, {}))
    assert "RUN id" not in (root / ".devcontainer" / "Dockerfile").read_text().splitlines()


def test_the_devcontainer_takes_the_newest_plain_python() -> None:
    assert [newest(pythons) for pythons in (("3.9", "3.12", "3.14t"), ("pypy3.11",))] == ["3.12", "pypy3.11"]


def test_the_workflows_are_written_where_there_are_none(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "test.yml").write_text("name: mine\n")
    written = dict(write_workflows(tmp_path))
    assert set(written.values()) == {"written"}
    assert (folder / "test.yml").read_text() == "name: mine\n"
    assert (folder / "noxlib-test.yml").read_text() == workflow("test").replace("\nname: test", "\nname: noxlib test")
    again = dict(write_workflows(tmp_path))
    assert (again.keys(), set(again.values())) == (written.keys(), {"kept"})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_calls_that_of_the_installed_release_and_does_nothing_else(name: str) -> None:
    called = re.findall(
        r"^    uses: noxlib/noxlib/\.github/workflows/([\w-]+)\.yml@(\S+)", workflow(name), re.MULTILINE
    )
    assert called == [("lifecycle" if name == "test" else name, f"v{__version__}")]
    assert "run:" not in workflow(name)
