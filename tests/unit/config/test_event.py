"""What CI's variables and payload say of an event; what comes from others, or says nothing, is no push of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.config import event
from noxlib.config.event import Event

COMMIT, HEAD = "a" * 40, "b" * 40
PUSH = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": COMMIT}
PULL = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_SHA": COMMIT, "GITHUB_REPOSITORY": "o/r"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def pull_payload(repository: str = "o/r", number: object = 12, sha: object = HEAD) -> dict[str, Any]:
    return {"number": number, "pull_request": {"head": {"sha": sha, "repo": {"full_name": repository}}}}


def test_outside_ci_there_is_none() -> None:
    assert event.read({}) == event.read({**PUSH, "GITHUB_ACTIONS": "false"}) == Event("none")


@pytest.mark.parametrize("name", ["push", "schedule", "workflow_dispatch"])
def test_what_happens_on_a_branch_is_a_push_of_it(name: str) -> None:
    found = event.of_github({**PUSH, "GITHUB_EVENT_NAME": name, "GITHUB_REF": "refs/heads/feat/a"}, {})
    assert (found.kind, found.branch, found.commit) == ("push", "feat/a", COMMIT)


@pytest.mark.parametrize("name", ["push", "release", "workflow_dispatch"])
def test_what_happens_on_a_tag_is_that_tag(name: str) -> None:
    found = event.of_github({**PUSH, "GITHUB_EVENT_NAME": name, "GITHUB_REF": "refs/tags/v1.2.3"}, {})
    assert (found.kind, found.tag, found.branch) == ("tag", "v1.2.3", None)


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("workflow_run", "refs/heads/main"),  # may stand for a fork's pull request
        ("issue_comment", "refs/heads/main"),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-1"),
        ("push", "refs/pull/1/merge"),
        ("", "refs/heads/main"),
    ],
)
def test_what_others_may_bring_about_is_no_push(name: str, ref: str) -> None:
    assert event.of_github({**PUSH, "GITHUB_EVENT_NAME": name, "GITHUB_REF": ref}, {}).kind == "other"


def test_a_branch_that_was_deleted_is_no_push() -> None:
    assert event.of_github({**PUSH, "GITHUB_REF": "refs/heads/main"}, {"deleted": True}).kind == "other"
    zeros = {**PUSH, "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": "0" * 40}
    assert event.of_github(zeros, {}).kind == "other"


def test_of_a_pull_request_the_heads_commit_counts() -> None:
    found = event.of_github({**PULL, "GITHUB_REF": "refs/pull/12/merge", "GITHUB_HEAD_REF": "feat/a"}, pull_payload())
    assert found == Event("pull_request", "pull_request", "feat/a", None, 12, HEAD, None, fork=False)


@pytest.mark.parametrize("payload", [pull_payload("evil/r"), {}, {"pull_request": {"head": {"repo": None}}}])
def test_a_pull_request_that_does_not_say_that_it_is_ours_is_a_forks(payload: dict[str, Any]) -> None:
    assert event.of_github(PULL, payload).fork


@pytest.mark.parametrize("number", [True, "12", -1, 0, 1.5, None])
def test_a_number_that_is_none_is_taken_from_the_ref_or_left_out(number: object) -> None:
    assert event.of_github(PULL, pull_payload(number=number)).number is None
    assert event.of_github({**PULL, "GITHUB_REF": "refs/pull/7/merge"}, pull_payload(number=number)).number == 7


@given(st.dictionaries(st.text(), anything), st.text(), st.text())
def test_no_payload_and_no_name_makes_it_fail_or_a_commit_of_what_is_none(
    payload: dict[str, Any], ref: str, sha: str
) -> None:
    for base in (PUSH, PULL):
        found = event.of_github({**base, "GITHUB_REF": ref, "GITHUB_SHA": sha}, {**pull_payload(sha=sha), **payload})
        assert found.commit is None or len(found.commit) in (40, 64)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, "\0", '{"repository": {"default_branch": 3}}'], ids=range(6)
)
def test_a_payload_that_is_none_counts_as_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text)
    found = event.read({**PUSH, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": str(path)})
    assert (found.kind, found.default_branch) == ("push", None)


def test_the_payload_names_the_default_branch(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"repository": {"default_branch": "trunk"}}))
    found = event.read({**PUSH, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": str(path)})
    assert found.default_branch == "trunk"


GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_SHA": COMMIT, "CI_DEFAULT_BRANCH": "trunk"}
MERGE = {
    **GITLAB,
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feat/a",
    "CI_MERGE_REQUEST_PROJECT_ID": "3",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "3",
}


@pytest.mark.parametrize("source", ["push", "schedule", "web"])
def test_gitlab_says_branch_and_tag_in_its_own_words(source: str) -> None:
    base = {**GITLAB, "CI_PIPELINE_SOURCE": source}
    assert event.read({**base, "CI_COMMIT_BRANCH": "feat/a"}) == Event(
        "push", source, "feat/a", commit=COMMIT, default_branch="trunk"
    )
    assert event.read({**base, "CI_COMMIT_TAG": "v1.2.3"}) == Event(
        "tag", source, tag="v1.2.3", commit=COMMIT, default_branch="trunk"
    )


@pytest.mark.parametrize("source", ["trigger", "api", "pipeline", "parent_pipeline", "chat", "", "merge_train"])
def test_what_gitlab_lets_others_bring_about_is_no_push(source: str) -> None:
    assert event.read({**GITLAB, "CI_PIPELINE_SOURCE": source, "CI_COMMIT_BRANCH": "main"}).kind == "other"


def test_of_gitlabs_merge_request_the_heads_commit_counts() -> None:
    plain = event.read(MERGE)
    assert (plain.kind, plain.number, plain.branch, plain.commit, plain.fork) == (
        "pull_request",
        12,
        "feat/a",
        COMMIT,
        False,
    )
    assert event.read({**MERGE, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD}).commit == HEAD


@pytest.mark.parametrize("project", ["4", ""])
def test_gitlabs_merge_request_of_another_project_is_a_forks(project: str) -> None:
    assert event.read({**MERGE, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": project}).fork


@pytest.mark.parametrize("number", ["", "0", "-1", "1e3", "\uff11", "9" * 5000])
def test_a_number_of_gitlabs_that_is_none_is_left_out(number: str) -> None:
    assert event.read({**MERGE, "CI_MERGE_REQUEST_IID": number}).number is None


@pytest.mark.parametrize("variable", ["FORGEJO_ACTIONS", "GITEA_ACTIONS"])
def test_forgejo_speaks_as_github_does(variable: str) -> None:
    found = event.read({**PUSH, variable: "true", "GITHUB_REF": "refs/heads/feat/a"})
    assert (found.kind, found.branch, found.commit) == ("push", "feat/a", COMMIT)


def test_forgejos_own_variables_come_before_those_that_it_borrows() -> None:
    own = {"FORGEJO_ACTIONS": "true", "FORGEJO_EVENT_NAME": "push", "FORGEJO_REF": "refs/tags/v1.2.3"}
    found = event.read({**own, "FORGEJO_SHA": HEAD, "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": COMMIT})
    assert (found.kind, found.tag, found.commit) == ("tag", "v1.2.3", HEAD)
