"""What the key of a lock is made of: declarations of dependencies, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxlib.config.models import Config
from noxlib.testground import lockinputs
from noxlib.testground.lock import checkout_reader
from tests.unit.testground.by_hand import PYPROJECT, make_project

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.config.project import Project


def key(project: Project, python: str = "3.10", platform: str = "linux/amd64", since: str | None = None) -> str:
    return lockinputs.lock_key(project, python, platform, since, checkout_reader(project.root))


@pytest.mark.parametrize(
    "edit",
    [
        PYPROJECT + "\n# a comment\n",
        PYPROJECT + "\n[tool.ruff]\nline-length = 99\n",
        PYPROJECT + "\n[tool.noxlib.unit]\ntimeout = 3\n",
        PYPROJECT.replace('version = "1.0"', 'version = "2.0"'),
    ],
)
def test_what_declares_no_dependency_leaves_the_key(tmp_path: Path, edit: str) -> None:
    before = key(make_project(tmp_path))
    assert key(make_project(tmp_path, {"pyproject.toml": edit})) == before


@pytest.mark.parametrize(
    "edit",
    [
        PYPROJECT.replace('"attrs"', '"attrs>=23"'),
        PYPROJECT.replace('["pytest"]', '["pytest", "click"]'),
        PYPROJECT.replace('["hatchling"]', '["hatchling>=1.20"]'),
        PYPROJECT + '\n[tool.uv]\nindex-url = "https://example.org/simple"\n',
        PYPROJECT + '\n[dependency-groups]\ntest = ["attrs"]\n',
        PYPROJECT + '\n[tool.poetry.group.test.dependencies]\nclick = "*"\n',
        PYPROJECT.replace('version = "1.0"', 'version = "1.0"\nrequires-python = ">=3.9"'),
    ],
)
def test_what_declares_a_dependency_changes_the_key(tmp_path: Path, edit: str) -> None:
    before = key(make_project(tmp_path))
    assert key(make_project(tmp_path, {"pyproject.toml": edit})) != before


def test_python_platform_date_and_choice_are_part_of_the_key(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    keys = [
        key(project),
        key(project, python="3.11"),
        key(project, platform="host"),
        key(project, since="2026-01-01"),
        key(make_project(tmp_path, extras=())),
        key(make_project(tmp_path, config=Config(packages=("click",)))),
        key(make_project(tmp_path, config=Config(fixtures=("redis",)))),
        key(make_project(tmp_path, group_requirements=("click",))),
    ]
    assert len(set(keys)) == len(keys)


def test_a_nested_requirements_file_counts(tmp_path: Path) -> None:
    files = {
        "requirements/test.txt": "-r ../base.txt\n-c pins.txt\n",
        "base.txt": "attrs\n",
        "requirements/pins.txt": "a==1\n",
    }
    project = make_project(tmp_path, files, requirements=("requirements/test.txt",))
    declaring = lockinputs.declaring_files(project, checkout_reader(project.root))
    assert declaring == ("base.txt", "pyproject.toml", "requirements/pins.txt", "requirements/test.txt")
    before = key(project)
    (project.root / "requirements" / "pins.txt").write_text("a==2\n")
    assert key(project) != before


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    project = make_project(tmp_path, {"a.txt": "-r b.txt\n", "b.txt": "-r a.txt\n"}, requirements=("a.txt",))
    assert {"a.txt", "b.txt"} <= set(lockinputs.declaring_files(project, checkout_reader(project.root)))


@pytest.mark.parametrize("line", ["-r https://example.org/x.txt", "-r /etc/passwd", "-r ../../outside.txt"])
def test_what_lies_outside_the_checkout_is_not_read(tmp_path: Path, line: str) -> None:
    project = make_project(tmp_path, {"a.txt": line + "\n"}, requirements=("a.txt",))
    assert lockinputs.declaring_files(project, checkout_reader(project.root)) == ("a.txt", "pyproject.toml")


SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
[project]
name = "demo"
dynamic = ["version", "dependencies"]
[tool.setuptools.dynamic]
dependencies = { file = ["deps.txt"] }
"""


def test_files_that_a_dynamic_build_reads_count(tmp_path: Path) -> None:
    files = {"pyproject.toml": SETUPTOOLS, "deps.txt": "attrs\n", "setup.py": "open('more.in')\n", "more.in": "a\n"}
    project = make_project(tmp_path, files)
    assert lockinputs.is_dynamic(project)
    assert {"deps.txt", "setup.py", "more.in"} <= set(
        lockinputs.declaring_files(project, checkout_reader(project.root))
    )


def test_a_dynamic_version_alone_needs_no_build(tmp_path: Path) -> None:
    text = PYPROJECT.replace('version = "1.0"', 'dynamic = ["version"]')
    assert not lockinputs.is_dynamic(make_project(tmp_path, {"pyproject.toml": text}))


def test_of_setup_cfg_only_metadata_and_options_count() -> None:
    read = {"setup.cfg": b"[options]\ninstall_requires = attrs\n[flake8]\nmax-line-length = 80\n"}
    other = {"setup.cfg": b"[options]\ninstall_requires = attrs\n[flake8]\nmax-line-length = 99\n"}
    changed = {"setup.cfg": b"[options]\ninstall_requires = click\n"}
    digests = [lockinputs.declared(("setup.cfg",), source.get) for source in (read, other, changed)]
    assert digests[0] == digests[1] != digests[2]


def test_a_file_that_is_no_toml_or_utf_8_is_still_compared() -> None:
    one, other = ({"pyproject.toml": text} for text in (b"\xff", b"[[["))
    assert lockinputs.declared(("pyproject.toml",), one.get) != lockinputs.declared(("pyproject.toml",), other.get)


def test_the_content_of_an_own_lock_counts(tmp_path: Path) -> None:
    own = {"lock_kind": "uv.lock", "lock_files": {"3.10": "uv.lock"}}
    before = key(make_project(tmp_path, {"uv.lock": "a"}, **own))
    assert key(make_project(tmp_path, {"uv.lock": "b"}, **own)) != before
