"""What a user's word for a testground means, as tags in the registry."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import ConfigError, PlaceError
from noxlib.testground import names, remote

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with two commits."""
    monkeypatch.delenv("NOXLIB_IMAGE", raising=False)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-qm", "1"),
        ("commit", "-qm", "2", "--allow-empty"),
    ):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return load_project(tmp_path)


def commit(project: Project, word: str) -> str:
    done = subprocess.run(["git", "rev-parse", word], cwd=project.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_checked_out_commit_is_meant_where_nothing_is_said(project: Project) -> None:
    head = commit(project, "HEAD")
    assert remote.identifiers("", project) == remote.identifiers("HEAD", project) == (head,)
    assert remote.identifiers("HEAD~1", project)[0] == commit(project, "HEAD~1")


def test_an_abbreviated_commit_is_whole_in_its_tag_and_may_be_a_branch(project: Project) -> None:
    head = commit(project, "HEAD")
    assert remote.identifiers(head[:9], project)[:2] == (head, head[:9])  # and a few ids read as a version, too


@pytest.mark.parametrize("word", ["v1.1.0", "latest", "pr-12", "a" * 40, DIGEST])
def test_what_is_plain_is_taken_as_it_is(project: Project, word: str) -> None:
    assert remote.identifiers(word, project) == (word,)


def test_a_whole_tag_is_meant_first_and_may_be_a_branch_after_all(project: Project) -> None:
    assert remote.words("py3.10-v1.2.0", "3.10", project)[0] == "v1.2.0"
    first, *others = remote.words("py3.10-support", "3.10", project)
    assert (first, others) == ("support", list(remote.identifiers("py3.10-support", project)))
    assert remote.words("py3.11-main", "3.10", project) == remote.identifiers("py3.11-main", project)


def test_a_branch_is_asked_for_as_it_was_published(project: Project) -> None:
    assert remote.identifiers("feat/a", project) == (names.branch("feat/a"),)
    assert remote.identifiers("1.1.0", project) == ("1.1.0", "v1.1.0")


@given(st.text() | st.sampled_from(["--all", "-x~1", "../..", "HEAD@{1}^", "0" * 7, "$(touch x)"]))
def test_every_word_becomes_tags_and_nothing_else(project: Project, word: str) -> None:
    for identifier in remote.identifiers(word, project):
        assert names.TAG.fullmatch(names.tag("3.10", identifier))


def test_a_project_without_a_registry_is_told_how_to_name_one(project: Project) -> None:
    with pytest.raises(ConfigError, match="no registry is known"):
        remote.image_of(project)
    named = msgspec.structs.replace(project.config, image="registry.example.org/o/demo")
    assert remote.image_of(msgspec.structs.replace(project, config=named)) == "registry.example.org/o/demo"


@pytest.mark.parametrize("body", [b"{}", b'{"config": 3}', b'{"config": {"digest": "../x"}}'])
def test_a_manifest_without_a_configuration_has_no_id(body: bytes) -> None:
    assert remote.configuration_digest(Manifest("", body, DIGEST)) is None


class Empty:
    """A registry without a tag."""

    image = "here:5000/demo"

    def digest(self, _reference: str) -> None:
        return None


@pytest.mark.parametrize(
    ("word", "todo"),
    [
        ("sha256:82e20cc478f2", "a digest has 64 hex digits"),
        (DIGEST, "name a branch, a release or a commit"),
        ("py3.11-main", "nox -s testground_pull-3.11 -- py3.11-main"),
        ("nope" * 2000, "name a branch"),
    ],
)
def test_a_word_that_is_nearly_right_is_told_what_is(project: Project, word: str, todo: str) -> None:
    with pytest.raises(PlaceError) as caught:
        remote.find(cast("Registry", Empty()), "3.10", word, project)
    assert todo in caught.value.todo
    assert len(str(caught.value)) < 1000
