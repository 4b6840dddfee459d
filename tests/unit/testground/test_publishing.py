"""The tags that an event publishes under; what is no branch or version of ours gives none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.config.event import Event
from noxlib.testground import names, publishing

COMMIT = "a" * 40


def push(branch: str) -> Event:
    return Event("push", "push", branch=branch, commit=COMMIT)


def tag(text: str) -> Event:
    return Event("tag", "push", tag=text, commit=COMMIT)


def test_a_branch_gives_its_commit_and_itself() -> None:
    assert publishing.tags(push("main")).identifiers == (COMMIT, "main")


@pytest.mark.parametrize(
    ("text", "identifier"), [("v1.2.3", "v1.2.3"), ("1.2.3", "v1.2.3"), ("v1.2.3-rc.1", "v1.2.3-rc.1")]
)
def test_a_version_gives_its_commit_and_the_release(text: str, identifier: str) -> None:
    planned = publishing.tags(tag(text))
    assert (planned.identifiers, planned.release) == ((COMMIT, identifier), identifier)


@pytest.mark.parametrize("text", ["nightly", "v", "vacation", "release/1.2", "latest", "pr-3"])
def test_a_tag_that_is_no_version_gives_its_commit_alone(text: str) -> None:
    planned = publishing.tags(tag(text))
    assert (planned.identifiers, planned.release) == ((COMMIT,), None)


@pytest.mark.parametrize(
    "event",
    [
        Event("pull_request", "pull_request", branch="main", number=1, commit=COMMIT),
        Event("pull_request", "pull_request", branch="main", commit=COMMIT, fork=True),
        Event("other", "workflow_run", branch="main", commit=COMMIT),
        Event("push", "push", branch="main"),
        Event(),
    ],
)
def test_anything_else_gives_nothing(event: Event) -> None:
    assert publishing.tags(event).identifiers == ()


@given(
    st.text(min_size=1)
    | st.sampled_from(["latest", "local", "pr-1", "v1", "fp-00", COMMIT, "buildcache", "branch-x", "main", "master"])
)
def test_no_branch_reads_as_anything_but_a_branch(branch: str) -> None:
    identifier = publishing.tags(push(branch)).identifiers[1]
    read = names.read(names.tag("3.10", identifier))
    assert read.kind == ("main" if branch in ("main", "master") else "branch")
    assert read.identifier == identifier or len(identifier) > 100


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_branches_never_share_a_tag(one: str, other: str) -> None:
    tags = {names.tag("3.10", publishing.tags(push(branch)).identifiers[1]) for branch in (one, other)}
    assert len(tags) == len({one, other})


def test_a_branch_cannot_take_the_name_that_another_was_given() -> None:
    assert names.branch(names.branch("v9.9")) != names.branch("v9.9")


RELEASES = ["v0.9", "v1.0.0", "v1.9.0", "v1.10.0", "v2.0.0-rc.1", "v2.0.0.dev1"]


@given(st.randoms())
def test_only_the_highest_stable_release_is_latest(order: random.Random) -> None:
    shuffled = [f"py3.10-{release}" for release in RELEASES]
    order.shuffle(shuffled)
    latest = [release for release in RELEASES if publishing.is_latest(release, shuffled, "3.10")]
    assert latest == ["v1.10.0"]


def test_releases_of_other_pythons_and_other_tags_do_not_count_for_latest() -> None:
    published = ("py3.11-v3.0", "py3.10-main", "v4.0", "py3.10-latest", "py3.10-v2.0-of-a-name-that-is-no-version")
    assert publishing.is_latest("v1.0", published, "3.10")


def test_a_rebuild_of_a_release_is_higher_than_it() -> None:
    assert publishing.is_latest("v1.2.3-r2", ["py3.10-v1.2.3"], "3.10")
    assert not publishing.is_latest("v1.2.3", ["py3.10-v1.2.3-r2"], "3.10")


def test_tags_that_do_not_move() -> None:
    fixed = {"py3.10-v1.0", f"py3.10-{COMMIT}", "py3.10-fp-00"}
    assert {
        tag for tag in (*fixed, "py3.10-main", "py3.10-latest") if names.read(tag).kind in publishing.IMMUTABLE
    } == fixed


@pytest.mark.parametrize(("text", "identifier"), [("v1.2.3-r2", "v1.2.3-r2"), ("1.2.3-r10", "v1.2.3-r10")])
def test_a_rebuild_of_a_release_leaves_its_commit_alone(text: str, identifier: str) -> None:
    planned = publishing.tags(tag(text))
    assert (planned.identifiers, planned.release, planned.rebuild) == ((identifier,), identifier, True)


@pytest.mark.parametrize("text", ["v1.2.3-rc1", "v1.2.3.post2", "v1.2.3-r"])
def test_what_only_looks_like_a_rebuild_is_a_release_of_its_commit(text: str) -> None:
    planned = publishing.tags(tag(text))
    assert (planned.identifiers[0], planned.rebuild) == (COMMIT, False)


def test_an_event_without_a_commit_is_told_as_that() -> None:
    assert "names no commit" in publishing.tags(Event("other", "push")).reason
    assert "names no commit" not in publishing.tags(Event("other", "merge_group", commit=COMMIT)).reason
