"""Which lanes an event asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.config.lanes import LABEL, MARK, Occasion, lanes, occasion

BASIC = ("basic",)
EXTENDED = ("basic", "extended")


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (Occasion(), BASIC),
        (Occasion("push", "main"), BASIC),
        (Occasion("push", "develop"), BASIC),
        (Occasion("push", "trunk", "trunk"), BASIC),
        (Occasion("push", "feature"), ()),
        (Occasion("push", ""), ()),
        (Occasion("push", "main", message=f"Mend it {MARK}"), EXTENDED),
        (Occasion("push", "feature", message=MARK), ()),
        (Occasion("pull_request", "main"), BASIC),
        (Occasion("pull_request", "develop"), ()),
        (Occasion("pull_request", "main", labels=("bug", LABEL)), EXTENDED),
        (Occasion("pull_request", "main", message=f"{MARK}\n"), EXTENDED),
        (Occasion("workflow_dispatch", "feature"), BASIC),
        (Occasion("workflow_dispatch", "feature", extended=True), EXTENDED),
        (Occasion("schedule", cron="0 2 * * *"), EXTENDED),
        (Occasion("schedule", cron="0 6 * * 1"), ("cloud",)),
        (Occasion("schedule", cron="nonsense"), EXTENDED),
        (Occasion("merge_group"), BASIC),
    ],
)
def test_the_event_decides_about_the_lanes(given_: Occasion, expected: tuple[str, ...]) -> None:
    assert lanes(given_) == expected


def test_a_push_is_told_by_its_ref_and_its_heads_message() -> None:
    environ = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    payload = {"head_commit": {"message": f"a {MARK}"}, "repository": {"default_branch": "trunk"}}
    assert occasion(environ, payload) == Occasion("push", "main", "trunk", message=f"a {MARK}")


@pytest.mark.parametrize("tag", ["v1.2.3", "main", "feature"])
def test_a_tag_that_a_workflow_is_started_for_is_tested(tag: str) -> None:
    found = occasion({"GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}"}, {})
    assert (found.branch, found.tag, lanes(found)) == ("", tag, BASIC)


def test_a_run_by_hand_on_a_tag_is_no_push_of_one() -> None:
    assert occasion({"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/tags/v1"}, {}).tag == ""


def test_a_pull_request_is_for_its_base_whoever_may_have_named_its_own_branch() -> None:
    environ = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/3/merge", "GITHUB_BASE_REF": "main"}
    payload = {"pull_request": {"labels": [{"name": LABEL}, {"name": 3}, "x"], "head": {"sha": "ab", "ref": "main"}}}
    found = occasion(environ, payload)
    assert (found.branch, found.commit, found.labels) == ("main", "ab", (LABEL, "", ""))


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("true", True), (False, False), ("", False), (None, False)]
)
def test_an_input_is_a_truth_or_the_text_of_one(value: object, expected: bool) -> None:
    assert occasion({"GITHUB_EVENT_NAME": "workflow_dispatch"}, {"inputs": {"extended": value}}).extended is expected


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["pull_request", "labels", "head_commit", "message", "inputs", "x"]), inner)
    ),
    max_leaves=10,
)


@given(json, st.sampled_from(["push", "pull_request", "schedule", "workflow_dispatch", ""]))
def test_no_payload_is_an_error(payload: Any, name: str) -> None:
    assert set(lanes(occasion({"GITHUB_EVENT_NAME": name}, payload))) <= {"basic", "extended", "cloud"}
