"""Detection on the shapes that real projects have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.config.detect import load_project
from noxlib.config.project import BuildSystem, Project
from noxlib.errors import ConfigError

LEGACY = BuildSystem(("setuptools>=40.8.0",), "setuptools.build_meta:__legacy__")

ATTRS = """
    [build-system]
    requires = ["hatchling", "hatch-vcs"]
    build-backend = "hatchling.build"
    [project]
    name = "Attrs.Like"
    requires-python = ">=3.8"
    dynamic = ["version"]
    dependencies = []
    [dependency-groups]
    tests = ["hypothesis", {include-group = "pytest-only"}]
    pytest-only = ["pytest"]
    dev = [{include-group = "tests"}]
    docs = ["furo"]
    [tool.coverage.run]
    branch = true
    [tool.pytest.ini_options]
    testpaths = "tests"
"""
POETRY = """
    [build-system]
    requires = ["poetry-core>=1.0"]
    build-backend = "poetry.core.masonry.api"
    [tool.poetry]
    name = "poetic"
    [tool.poetry.dependencies]
    python = "^3.10"
    requests = "^2.31"
    lz4 = {version = "^4", optional = true}
    brotli = {version = "^1", optional = true}
    [tool.poetry.extras]
    fast = ["lz4"]
    test = ["brotli"]
    [tool.poetry.group.test]
    include-groups = ["base"]
    [tool.poetry.group.test.dependencies]
    pytest = ">=8,<9"
    numpy = [{version = "^1.24", python = "<3.12"}, {version = "^2", python = ">=3.12"}]
    sibling = {path = "../sibling", develop = true}
    self = {path = "."}
    [tool.poetry.group.base.dependencies]
    six = "*"
    [tool.poetry.dev-dependencies]
    black = "*"
"""
PDM = """
    [build-system]
    requires = ["pdm-backend"]
    build-backend = "pdm.backend"
    [project]
    name = "pdm-like"
    version = "1"
    requires-python = ">=3.11"
    [tool.pdm.dev-dependencies]
    test = ["pytest", "-e file:///${PROJECT_ROOT}/sub#egg=sub"]
    lint = ["ruff"]
"""
FLIT = """
    [build-system]
    requires = ["flit_core >=3.2,<4"]
    build-backend = "flit_core.buildapi"
    [project]
    name = "flit-like"
    dynamic = ["version", "description"]
    [project.optional-dependencies]
    Testing = ["pytest"]
    doc = ["sphinx"]
"""
SETUP_PY = """
    import os
    from setuptools import setup
    requires = open("requirements.txt").read().splitlines()
    extras = {"test": ["mock"], "docs": []}
    extras["all"] = extras["test"]
    setup(name="Old_Style", python_requires=">=3.6, <3.12", install_requires=requires, extras_require=extras)
"""


def facts(project: Project) -> dict[str, tuple[str, str]]:
    return {fact.name: (fact.value, fact.origin) for fact in project.facts}


def load(root: Path, **environ: str) -> Project:
    return load_project(root, environ)


def failure(root: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(root, **environ)
    assert len(str(caught.value).splitlines()) == 2
    return str(caught.value)


def test_a_hatchling_project_with_groups_like_attrs(make_project: Any) -> None:
    project = load(make_project(ATTRS, {"tests/test_a.py": ""}))
    assert (project.name, project.pythons) == ("attrs-like", ("3.9", "3.10", "3.11", "3.12"))
    assert (project.groups, project.extras, project.requirements) == (("tests",), (), ())
    assert project.build == BuildSystem(("hatchling", "hatch-vcs"), "hatchling.build")
    assert (project.test_paths, project.coverage, project.is_package) == ((), True, True)
    assert facts(project)["test paths"] == ("tests", "pyproject.toml: tool.pytest.ini_options: testpaths")


def test_a_poetry_project_without_a_project_table(make_project: Any) -> None:
    project = load(make_project(POETRY, {"poetry.lock": "", "test/test_a.py": ""}))
    assert project.pythons == ("3.10", "3.11", "3.12")
    assert (project.groups, project.extras) == ((), ("test",))
    assert project.group_requirements == (
        "requests<3.0,>=2.31",
        "brotli<2,>=1",
        "six",
        "pytest<9,>=8",
        'numpy<2.0,>=1.24; python_version < "3.12"',
        'numpy<3,>=2; python_version >= "3.12"',
    )
    assert (project.lock_kind, project.lock_files["3.11"]) == ("poetry.lock", "poetry.lock")
    assert facts(project)["unread"][0].startswith("sibling comes from the local path '../sibling'")
    assert facts(project)["groups"] == ("test", "pyproject.toml: tool.poetry.group")
    assert project.test_paths == ("test",)


def test_a_pdm_project_with_groups_of_its_own(make_project: Any) -> None:
    project = load(make_project(PDM, {"pdm.lock": ""}))
    assert (project.group_requirements, project.groups) == (("pytest",), ())
    assert (project.pythons, project.lock_kind) == (("3.11", "3.12"), "pdm.lock")
    assert "file:///" in facts(project)["unread"][0]


def test_a_flit_project_with_an_extra_in_capitals(make_project: Any) -> None:
    project = load(make_project(FLIT, {".coveragerc": ""}))
    assert (project.extras, project.coverage) == (("Testing",), True)
    assert project.build is not None
    assert project.build.backend == "flit_core.buildapi"


def test_a_project_of_setup_py_alone(make_project: Any) -> None:
    project = load(make_project(files={"setup.py": SETUP_PY, "requirements.txt": "six", "tests/test_a.py": ""}))
    assert (project.name, project.extras, project.requirements) == ("old-style", ("test",), ())
    assert (project.pythons, project.build) == (("3.9", "3.10", "3.11"), LEGACY)
    assert facts(project)["extras"] == ("test", "setup.py: extras_require")


def test_a_project_of_requirements_alone(make_project: Any) -> None:
    files = {"requirements.txt": "six", "requirements-dev.txt": "ruff", "requirements-test.txt": "pytest", "app.py": ""}
    project = load(make_project(files=files))
    assert (project.build, project.is_package) == (None, False)
    assert project.requirements == ("requirements.txt", "requirements-test.txt")


def test_a_project_of_setup_cfg(make_project: Any) -> None:
    text = """
        [metadata]
        name = cfg-like
        [options]
        python_requires = >=3.12
        [options.extras_require]
        testing =
            pytest
        [tool:pytest]
        testpaths = a b
        addopts = --cov=cfg -q
    """
    project = load(make_project(files={"setup.cfg": "\n".join(line[8:] for line in text.splitlines())}))
    assert (project.name, project.extras, project.pythons) == ("cfg-like", ("testing",), ("3.12",))
    assert (project.build, project.coverage, project.test_paths) == (LEGACY, True, ())


def test_an_empty_folder_is_a_project_too(tmp_path: Path) -> None:
    folder = tmp_path / "Ünï cödé; rm -rf"
    folder.mkdir()
    project = load(folder)
    assert project.name == "n-c-d-rm-rf"
    assert (project.build, project.lock_kind, project.test_paths, project.coverage) == (None, "none", (), False)


def test_dev_counts_only_where_nothing_is_named_test(make_project: Any) -> None:
    text = '[project]\nname = "a"\n[dependency-groups]\ndev = []\n'
    assert load(make_project(text)).groups == ("dev",)
    assert load(make_project(text, {"requirements-test.txt": ""})).groups == ()


def test_dev_requirements_of_a_package_are_a_last_resort(make_project: Any) -> None:
    text = '[project]\nname = "a"\n'
    assert load(make_project(text, {"requirements.txt": ""})).requirements == ("requirements.txt",)
    assert load(make_project(text, {"requirements_dev.txt": ""})).requirements == ("requirements_dev.txt",)
    assert load(make_project(text, {"tests/requirements.txt": ""})).requirements == ("tests/requirements.txt",)


def test_a_group_called_test_is_enough_for_a_package_with_requirements(make_project: Any) -> None:
    text = '[project]\nname = "a"\n[dependency-groups]\ntest = []\n'
    assert load(make_project(text, {"requirements.txt": "", "requirements-docs.txt": ""})).requirements == ()


def test_configuration_wins_and_says_so(make_project: Any) -> None:
    root = make_project(ATTRS + "[tool.noxlib]\ngroups = ['docs']\npythons = ['3.14t']\nextras = []\n")
    project = load(root)
    assert (project.groups, project.pythons) == (("docs",), ("3.14t",))
    assert {facts(project)[name][1] for name in ("groups", "pythons", "extras")} == {"tool.noxlib"}


def test_a_configured_group_may_be_poetrys(make_project: Any) -> None:
    project = load(make_project(POETRY + "[tool.noxlib]\ngroups = ['base']\nextras = ['fast']\n"))
    assert project.group_requirements == ("requests<3.0,>=2.31", "lz4<5,>=4", "six")


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        (
            "groups",
            "tets",
            "expected one of the project's groups (tests, pytest-only, dev, docs), found 'tets'; did you mean 'tests'?",
        ),
        ("extras", "test", "expected one of the project's extras (it has none), found 'test'"),
        ("extras", "docs", "tool.noxlib.extras: 'docs' is one of the project's groups, not of its extras"),
    ],
)
def test_a_configured_name_that_does_not_exist_gets_the_nearest(
    key: str, name: str, message: str, make_project: Any
) -> None:
    assert message in failure(make_project(ATTRS + f"[tool.noxlib]\n{key} = ['{name}']\n"))


def test_extras_that_a_setup_py_computes_are_taken_on_trust(make_project: Any) -> None:
    root = make_project("[tool.noxlib]\nextras = ['any']\n", {"setup.py": "setup(extras_require=compute())"})
    assert load(root).extras == ("any",)


def test_a_setup_py_for_python_2_is_not_read_and_a_fact_says_so(make_project: Any) -> None:
    project = load(make_project(files={"setup.py": "print 'x'"}))
    assert project.build == LEGACY
    assert facts(project)["setup.py"][0].startswith("not read")


@pytest.mark.parametrize(
    ("required", "pythons"),
    [
        (">=3.9.2", ("3.9", "3.10", "3.11", "3.12")),
        (">3.9.0,!=3.11.*", ("3.9", "3.10", "3.12")),
        ("<3.12", ("3.9", "3.10", "3.11")),
        ("==3.10.*", ("3.10",)),
        (">=2.7,!=3.0.*", ("3.9", "3.10", "3.11", "3.12")),
    ],
)
def test_pythons_are_those_of_which_any_patch_release_is_admitted(
    required: str, pythons: tuple[str, ...], make_project: Any
) -> None:
    assert load(make_project(f'[project]\nname = "a"\nrequires-python = "{required}"\n')).pythons == pythons


def test_a_project_for_newer_pythons_only_is_told_what_to_write(make_project: Any) -> None:
    text = failure(make_project('[project]\nname = "a"\nrequires-python = ">=3.13"\n'))
    assert text.startswith("pyproject.toml: project.requires-python: '>=3.13' admits none of Python 3.9-3.12")
    assert 'pythons = ["3.13"]' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project = 3", "pyproject.toml: project: expected a table, found 3"),
        ('[project]\nname = "a;b"', "pyproject.toml: project.name: expected a name"),
        ('[project]\nname = "a"\nrequires-python = "three"', "project.requires-python: expected a version specifier"),
        ('[project]\nname = "a"\nrequires-python = 3.9', "project.requires-python: expected a string, found 3.9"),
        ("[tool.poetry.dependencies]\npython = '^three'", "tool.poetry.dependencies.python: expected a version"),
        ("[tool.poetry.dependencies]\na = '^^1'", "tool.poetry.dependencies.a: expected a version constraint"),
        ("[tool.pdm.dev-dependencies]\ntest = 'x'", "tool.pdm.dev-dependencies.test: expected a list of strings"),
        ("[tool.pdm.dev-dependencies]\ntest = ['a b']", "tool.pdm.dev-dependencies.test: expected a requirement"),
        ("[build-system]\nrequires = 'x'", "build-system.requires: expected a list of strings"),
    ],
)
def test_malformed_metadata_is_one_line_that_names_the_key(text: str, message: str, make_project: Any) -> None:
    assert message in failure(make_project(text + "\n"))


@pytest.mark.parametrize(
    "text",
    [
        "[project]\nname='a'\n[tool.uv]\npackage=false\n",
        "[tool.poetry]\npackage-mode=false\n",
        "[tool.pdm]\ndistribution=false\n",
    ],
)
def test_a_project_that_says_it_is_no_package_is_not_built(text: str, make_project: Any) -> None:
    assert load(make_project(text)).build is None


def test_a_project_table_without_a_back_end_is_built_by_setuptools(make_project: Any) -> None:
    assert load(make_project('[project]\nname = "a"\n')).build == LEGACY


@pytest.mark.parametrize(
    ("files", "kind", "locks"),
    [
        (["uv.lock", "poetry.lock"], "uv.lock", {"3.9": "uv.lock", "pypy3.11": "uv.lock"}),
        (
            ["pylock.py39.toml", "pylock.pypy311.toml"],
            "pylock",
            {"3.9": "pylock.py39.toml", "pypy3.11": "pylock.pypy311.toml"},
        ),
        (["pylock.py39.toml", "pylock.toml"], "pylock", {"3.9": "pylock.py39.toml", "pypy3.11": "pylock.toml"}),
        (["pylock.py39.toml"], "pylock", {"3.9": "pylock.py39.toml"}),
        (["pylock.py310.toml"], "none", {}),
        ([], "none", {}),
    ],
)
def test_the_lock_that_a_project_keeps(files: list[str], kind: str, locks: dict[str, str], make_project: Any) -> None:
    project = load(make_project("[tool.noxlib]\npythons = ['3.9', 'pypy3.11']\n", dict.fromkeys(files, "")))
    assert (project.lock_kind, project.lock_files) == (kind, locks)


HASHED = "--index-url https://x\n# c\nsix==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [(HASHED, "requirements"), (HASHED + "b==1\n", "none"), (HASHED + "-r b.txt\n", "none"), ("# c\n", "none")],
)
def test_a_requirements_file_is_a_lock_where_every_line_has_a_hash(text: str, kind: str, make_project: Any) -> None:
    assert load(make_project(files={"requirements.txt": text})).lock_kind == kind


@pytest.mark.parametrize("name", ["environment.yml", "environment.yaml", "pixi.lock", "pixi.toml", "conda-lock.yml"])
def test_a_conda_world_gets_an_honest_line(name: str, make_project: Any) -> None:
    text = failure(make_project(files={name: ""}))
    assert text.startswith(f"the dependencies stand in {name} only")
    assert "docs/conda.md" in text


def test_conda_beside_pip_or_a_dockerfile_is_only_a_fact(make_project: Any) -> None:
    root = make_project("[project]\nname = 'a'\n[tool.pixi.workspace]\n")
    assert facts(load(root))["conda"] == ("not used", "pyproject.toml: tool.pixi")
    (root / "pyproject.toml").unlink()
    (root / "environment.yml").touch()
    assert failure(root)
    (root / "Dockerfile.test").touch()
    assert load(root).dockerfile == "Dockerfile.test"


@pytest.mark.parametrize(
    ("files", "origin"),
    [
        ({"pytest.ini": "[pytest]\ntestpaths = x\n"}, "pytest.ini: testpaths"),
        ({"pytest.toml": "[pytest]\ntestpaths = ['x']\n"}, "pytest.toml: testpaths"),
        ({"pyproject.toml": "[tool.pytest]\ntestpaths = ['x']\n"}, "pyproject.toml: tool.pytest: testpaths"),
        ({"tox.ini": "[pytest]\ntestpaths = x\n"}, "tox.ini: pytest: testpaths"),
        ({"pytest.ini": "", "tox.ini": "[pytest]\ntestpaths = x\n"}, "name of the folder"),
    ],
)
def test_testpaths_are_read_where_pytest_reads_them(files: dict[str, str], origin: str, make_project: Any) -> None:
    project = load(make_project(files={**files, "tests/test_a.py": ""}))
    assert facts(project)["test paths"][1] == origin
    assert project.test_paths == (("tests",) if origin == "name of the folder" else ())
