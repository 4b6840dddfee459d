"""Which requirements files there are, by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.config.requirements import find_requirement_files


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("requirements.txt", "main"),
        ("requirements-test.txt", "test"),
        ("requirements_tests.txt", "test"),
        ("test-requirements.txt", "test"),
        ("requirements/test.in", "test"),
        ("requirements/testing-extra.txt", "test"),
        ("requirements/tests310.txt", "test"),
        ("tests/requirements.txt", "test"),
        ("tests/requirements-dev.txt", "test"),
        ("requirements-dev.txt", "dev"),
        ("dev_requirements.txt", "dev"),
        ("requirements/dev.txt", "dev"),
        ("requirements-docs.txt", ""),
        ("requirements-lint.txt", ""),
        ("requirements-test-minimal.txt", ""),
        ("requirements-gpu.txt", ""),
        ("requirements.md", ""),
        ("tests/data/requirements.txt", ""),
    ],
)
def test_a_file_is_classed_by_the_words_of_its_name(name: str, kind: str, make_project: Any) -> None:
    found = find_requirement_files(make_project(files={name: ""}))
    expected = {key: (name,) if key == kind else () for key in ("main", "test", "dev")}
    assert found._asdict() == expected


def test_of_a_compiled_pair_the_compiled_file_counts(make_project: Any) -> None:
    root = make_project(
        files={"requirements/tests.in": "", "requirements/tests.txt": "", "requirements/test-extra.in": ""}
    )
    assert find_requirement_files(root).test == ("requirements/tests.txt", "requirements/test-extra.in")


def test_a_file_for_one_python_is_left_out_where_there_is_one_for_all(make_project: Any) -> None:
    root = make_project(files={"requirements/tests.txt": "", "requirements/tests37.txt": ""})
    assert find_requirement_files(root).test == ("requirements/tests.txt",)


def test_a_link_that_leaves_the_repository_is_not_taken(make_project: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").touch()
    root = make_project(files={"app.py": ""})
    (root / "requirements.txt").symlink_to(tmp_path / "secret.txt")
    assert find_requirement_files(root).main == ()
