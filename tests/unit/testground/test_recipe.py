"""What a testground is built from, and what its fingerprint counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxlib.config.models import Config
from noxlib.config.project import BuildSystem, Project
from noxlib.errors import ConfigError
from noxlib.testground import recipe, template
from noxlib.testground.fingerprint import fingerprint
from noxlib.testground.locked import Lock
from tests.unit.testground.by_hand import PYPROJECT, make_project

if TYPE_CHECKING:
    from pathlib import Path


def lock(tmp_path: Path, **changes: object) -> Lock:
    known = Lock("key", tmp_path, ("pylock.toml",), ("pylock.build.toml",), "resolved", "digest")
    return Lock(**{**{name: getattr(known, name) for name in known.__struct_fields__}, **changes})


def own(tmp_path: Path, text: str, files: dict[str, str] | None = None) -> Project:
    return make_project(tmp_path, {"Dockerfile.test": text, **(files or {})}, dockerfile="Dockerfile.test")


def mark(planned: recipe.Recipe, base: str = "sha256:1") -> str:
    return fingerprint(
        dockerfile=planned.text,
        files=planned.files,
        lock_digest=planned.lock_digest,
        base_ids=dict.fromkeys(planned.images, base),
        python="3.10",
        platform="linux/amd64",
        target=planned.target,
    )


WHOLE = "ARG PYTHON_VERSION\nFROM python:$PYTHON_VERSION AS test\nCOPY . /x\n"
PART = "ARG PYTHON_VERSION\nFROM python:$PYTHON_VERSION\nCOPY req.txt /x\n"


def test_where_the_whole_tree_is_copied_every_file_counts(tmp_path: Path) -> None:
    before = mark(recipe.of(own(tmp_path, WHOLE), "3.10", lock(tmp_path)))
    after = mark(recipe.of(own(tmp_path, WHOLE, {"src/new.py": ""}), "3.10", lock(tmp_path)))
    assert before != after


def test_where_one_file_is_copied_only_that_counts(tmp_path: Path) -> None:
    before = mark(recipe.of(own(tmp_path, PART, {"req.txt": "a"}), "3.10", lock(tmp_path)))
    assert mark(recipe.of(own(tmp_path, PART, {"src/new.py": ""}), "3.10", lock(tmp_path))) == before
    assert mark(recipe.of(own(tmp_path, PART, {"req.txt": "b"}), "3.10", lock(tmp_path))) != before


def test_dockerignore_takes_files_out_and_the_one_named_after_the_dockerfile_wins(tmp_path: Path) -> None:
    files = {".dockerignore": "*\n", "Dockerfile.test.dockerignore": "src\n", "src/a": "", "b": ""}
    planned = recipe.of(own(tmp_path, WHOLE, files), "3.10", lock(tmp_path))
    paths = [path for path, _, _ in planned.files]
    assert "b" in paths
    assert "src/a" not in paths


def test_the_stage_test_is_built_where_there_is_one(tmp_path: Path) -> None:
    assert recipe.of(own(tmp_path, WHOLE), "3.10", lock(tmp_path)).target == "test"
    assert recipe.of(own(tmp_path, PART), "3.10", lock(tmp_path)).target == ""


def test_base_lock_and_python_count(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    planned = recipe.of(project, "3.10", lock(tmp_path))
    marks = {
        mark(planned),
        mark(planned, base="sha256:2"),
        mark(recipe.of(project, "3.10", lock(tmp_path, digest="other"))),
        mark(recipe.of(project, "3.11", lock(tmp_path))),
        mark(recipe.of(make_project(tmp_path, config=Config(apt=("git",))), "3.10", lock(tmp_path))),
    }
    assert len(marks) == 5


def test_a_dockerfile_without_the_build_argument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PYTHON_VERSION"):
        recipe.of(own(tmp_path, "FROM python:3.12\n"), "3.10", lock(tmp_path))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("python:3.10-slim", "mirror.example.org/library/python:3.10-slim"),
        ("owner/image:1", "mirror.example.org/owner/image:1"),
        ("docker.io/library/python:3", "mirror.example.org/library/python:3"),
        ("ghcr.io/a/b:1", "cache.example.org/gh/a/b:1"),
        ("ghcr.iox/a/b:1", "ghcr.iox/a/b:1"),
        ("localhost:5000/a", "localhost:5000/a"),
    ],
)
def test_mirrors_rewrite_the_prefix(reference: str, expected: str) -> None:
    mirrors = {"docker.io/": "mirror.example.org", "ghcr.io": "cache.example.org/gh/"}
    assert recipe.mirrored(reference, mirrors) == expected


def test_the_longest_prefix_wins() -> None:
    assert recipe.mirrored("ghcr.io/a/b", {"ghcr.io": "one", "ghcr.io/a": "two"}) == "two/b"


def test_the_context_of_the_template_holds_no_file_of_the_project(tmp_path: Path) -> None:
    project = make_project(tmp_path, {"src/secret.py": "x"})
    folder = tmp_path / "lock"
    folder.mkdir()
    for name in ("pylock.toml", "pylock.build.toml"):
        (folder / name).write_text("")
    made = lock(folder)
    with recipe.staged(project, recipe.of(project, "3.10", made), made) as (context, _):
        found = sorted(path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file())
    assert found == ["Dockerfile.noxlib", "locks/pylock.build.toml", "locks/pylock.toml"]


# -- the template ------------------------------------------------------------------------------------------------------


def test_a_pure_project_gets_no_compiler(tmp_path: Path) -> None:
    assert template.toolchain(make_project(tmp_path), lock(tmp_path)) == ()


@pytest.mark.parametrize(
    ("requires", "setup", "expected"),
    [
        (("meson-python",), "", "gcc"),
        (("scikit_build_core>=0.5",), "", "g++"),
        (("maturin>=1,<2",), "", "cargo"),
        (("setuptools", "setuptools_scm[toml]>=8"), "", "git"),
        (("hatch-vcs",), "", "git"),
        (("setuptools",), "setup(ext_modules=[Extension('a', ['a.c'])])", "gcc"),
        (("setuptools", "Cython"), "", "gcc"),
    ],
)
def test_a_build_that_compiles_or_asks_git_gets_what_it_needs(
    tmp_path: Path, requires: tuple[str, ...], setup: str, expected: str
) -> None:
    project = make_project(tmp_path, {"setup.py": setup}, build=BuildSystem(requires, "x"))
    assert expected in template.toolchain(project, lock(tmp_path))


def test_a_dependency_without_a_wheel_brings_the_compiler(tmp_path: Path) -> None:
    assert "gcc" in template.toolchain(make_project(tmp_path), lock(tmp_path, from_source=("a",)))
    assert "git" in template.toolchain(make_project(tmp_path), lock(tmp_path, needs_git=True))


@pytest.mark.parametrize("name", ["$(id)", "a;b", "--force-yes", "A", "a b", "a\nb", ""])
def test_an_apt_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="apt"):
        template.render(make_project(tmp_path, config=Config(apt=(name,))), "3.10", lock(tmp_path), "base")


def test_apt_packages_have_a_layer_of_their_own(tmp_path: Path) -> None:
    text = template.render(
        make_project(tmp_path, config=Config(apt=("libpq-dev", "git=1:2"))), "3.10", lock(tmp_path), "base"
    )
    assert "install -y -qq --no-install-recommends libpq-dev git=1:2 &&" in text


@pytest.mark.parametrize(
    ("python", "base"),
    [("3.10", "python:3.10-slim"), ("pypy3.11", "pypy:3.11-slim"), ("3.14t", "debian:bookworm-slim")],
)
def test_the_base_of_a_python(tmp_path: Path, python: str, base: str) -> None:
    planned = recipe.of(make_project(tmp_path), python, lock(tmp_path))
    assert planned.base == base
    assert f"FROM {base} AS runtime" in planned.text
    assert "@{" not in planned.text


def test_the_template_has_the_three_stages_and_no_syntax_line(tmp_path: Path) -> None:
    text = template.render(make_project(tmp_path), "3.10", lock(tmp_path), "base")
    stages = [line.split()[-1] for line in text.splitlines() if line.startswith("FROM")]
    assert sorted(stages) == ["builder", "runtime", "test"]
    assert "syntax=" not in text
    assert PYPROJECT not in text
