"""Testgrounds published to a real registry, pulled by every name, and the tests run in them."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from noxlib.ledger import Ledger
from noxlib.testground import names

from .between import Between, Cut
from .conftest import DEADLINE, Nox, kill_group, wait_until
from .publishers import Publisher, publishing
from .registries import PASSWORD, DebianServer, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.registry, pytest.mark.docker]

UPLOAD = "/blobs/uploads/"


@pytest.fixture(params=[RegistryServer, DebianServer], ids=["distribution 3", "Debian's 2.8 under TLS"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryServer]:
    server: RegistryServer = request.param(tmp_path / "registry").start()
    yield server
    server.kill()


def test_the_life_of_a_testground(kind: RegistryServer, adopt: Adopt, environment: dict[str, str]) -> None:
    with publishing(adopt, kind, environment, "life") as publisher:
        published = published_and_read_back(publisher)
        for word in ("main", publisher.head[:9], published["digest"]):
            publisher.forget()
            pulled = publisher("testground_pull-3.10", "--", word)
            assert pulled.code == 0, pulled.output
            found = publisher.result("pulled.json")
            assert (found["digest"], found["id"]) == (published["digest"], published["id"])
        ran = publisher("unit-3.10")
        assert (ran.code, "building the testground" in ran.output) == (0, False), ran.output
        assert publisher.nox.record.testground.digest == published["id"]
        (row,) = publisher.listing("testground_list")
        assert (row["digest"], row["local"], row["pythons"]) == (published["digest"], True, ["3.10"])
        only_the_plan_goes(publisher, published["digest"])


def published_and_read_back(publisher: Publisher) -> dict[str, Any]:
    output = publisher.nox.folder / ".noxlib-output"
    ended = publisher.publish(GITHUB_OUTPUT=str(output))
    assert ended.code == 0, ended.output
    published = publisher.result()
    assert published["tags"] == [f"py3.10-{publisher.head}", "py3.10-main"]
    assert published["uploaded"] is True
    assert {publisher.registry.digest(tag) for tag in published["tags"]} == {published["digest"]}
    assert f"py310-digest={published['digest']}\n" in output.read_text()
    return published


def only_the_plan_goes(publisher: Publisher, kept: str) -> None:
    server, name = publisher.server, publisher.registry.name
    part = server.put_image(name, [], days=400, mark="part")
    gone = {part, server.put_index(name, ["py3.10-feat-a"], [part]), server.put_image(name, ["py3.10-pr-1"], days=400)}
    before = set(publisher.registry.tags())
    keep_none = {"NOXLIB_RETENTION_KEEP_LAST": "0"}
    assert publisher("testground_cleanup", **keep_none).code == 0
    assert set(publisher.registry.tags()) == before
    apply = ("testground_cleanup", "--", "--apply", ".noxlib/cleanup.json", "--yes")
    for deleted in (3, 0):
        ended = publisher(*apply, **keep_none)
        assert (ended.code, f"{deleted} deleted, 0 failed, of 3 in the plan" in ended.output) == (0, True), ended.output
        assert set(publisher.registry.tags()) == before - {"py3.10-feat-a", "py3.10-pr-1"}
        assert not any(map(publisher.registry.digest, gone))
    fresh = publisher("testground_pull-3.10", "--", "--fresh", "main")
    assert (fresh.code, publisher.result("pulled.json")["digest"]) == (0, kept), fresh.output


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("pull_request", "refs/pull/7/merge"),
        ("pull_request_target", "refs/heads/main"),
        ("workflow_run", "refs/heads/main"),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7-0"),
    ],
)
def test_what_a_fork_asks_for_publishes_nothing_whatever_its_branch_is_called(
    publisher: Publisher, name: str, ref: str
) -> None:
    branch = "v9.9\n::set-output name=x::y\n$(touch made-by-a-branch)`id`"
    repository = {"full_name": "somebody/fork"}
    head = {"ref": branch, "sha": publisher.head, "repo": repository}
    payload = publisher.nox.folder.parent / "payload.json"
    payload.write_text(
        json.dumps({"number": 7, "pull_request": {"head": head}, "workflow_run": {"head_branch": branch}})
    )
    fork = {"GITHUB_HEAD_REF": branch, "GITHUB_REPOSITORY": "o/r", "GITHUB_EVENT_PATH": str(payload)}
    ended = publisher.publish(ref, name=name, **fork)
    assert (ended.code, "nothing is pushed" in ended.output) == (0, True), ended.output
    assert "::set-output" not in ended.output
    assert not list(publisher.nox.folder.rglob("made-by-a-branch"))
    assert publisher.registry.tags() == ()


def test_outside_ci_nothing_is_published_unless_asked_for(publisher: Publisher) -> None:
    ended = publisher("testground_publish-3.10")
    assert (ended.code, "-- --push" in ended.output) == (1, True)
    (publisher.nox.folder / "new.py").write_text("")
    ended = publisher("testground_publish-3.10", "--", "--push")
    assert (ended.code, "uncommitted changes ('new.py')" in ended.output) == (1, True), ended.output
    publisher.commit("second")
    assert publisher("testground_publish-3.10", "--", "--push").code == 0
    assert f"py3.10-{publisher.head}" in publisher.registry.tags()


def test_latest_is_the_highest_stable_release_and_a_release_never_moves(publisher: Publisher) -> None:
    digests = {}
    for number, release in enumerate(("v1.10.0", "v1.9.0", "v2.0.0-rc.1")):
        (publisher.nox.folder / "noxlib.toml").write_text(
            f'packages = ["iniconfig=={("2.0.0", "1.1.1", "1.1.0")[number]}"]\n'
        )
        publisher.commit(release)
        ended = publisher.publish(f"refs/tags/{release}")
        assert ended.code == 0, ended.output
        digests[release] = publisher.result()["digest"]
    assert len(set(digests.values())) == 3
    assert publisher.registry.digest("py3.10-latest") == digests["v1.10.0"]
    moved = publisher.publish("refs/tags/v1.9.0")
    assert moved.code == 1
    assert digests["v1.9.0"] in moved.output
    assert digests["v2.0.0-rc.1"] in moved.output
    assert publisher.registry.digest("py3.10-v1.9.0") == digests["v1.9.0"]


def test_the_first_one_published_for_a_commit_is_the_truth_and_unchanged_content_stays_it(
    publisher: Publisher, registry_server: RegistryServer
) -> None:
    assert publisher.publish().code == 0
    first = publisher.result()
    publisher.forget()
    with Between(registry_server) as between:
        other = publisher.through(between)
        ended = other.publish("refs/heads/other", NOXLIB_PACKAGES="iniconfig")  # would build something else now
        other.forget()
        assert ended.code == 0, ended.output
        assert "building" not in ended.output
        assert publisher.result()["digest"] == first["digest"] == publisher.registry.digest("py3.10-other")
        assert (between.passed != [], [one for one in between.passed if UPLOAD in one.path]) == (True, [])
    publisher.commit("nothing new")  # the next commit, on a machine that has built nothing
    ended = publisher.publish()
    assert (ended.code, "building" in ended.output, "sending" in ended.output) == (0, False, False), ended.output
    assert publisher.registry.digest(f"py3.10-{publisher.head}") == first["digest"]


def test_every_layer_is_sent_once_and_none_for_a_new_tag(publisher: Publisher, registry_server: RegistryServer) -> None:
    """Counted in between: the connection is cut in the middle of a layer, then two Pythons push at once."""
    assert publisher.publish().code == 0
    there = blobs(publisher, "3.10")
    publisher.commit("other packages")
    with Between(registry_server) as between:
        one, other = publisher.through(between), {"NOXLIB_PACKAGES": "iniconfig==1.1.1"}
        between.spoil = lambda method, _: Cut(1_000_000) if method == "PATCH" and not between.cut else None
        ended = one.publish(**other)
        assert (ended.code, between.cut > 0) == (0, True), ended.output
        first = blobs(one, "3.10")
        assert sorted(sent for sent in between.blobs() if sent[0] in first) == sorted(first.items() - there.items())
        one.commit("nothing new")
        ended = one.publish(**other)
        assert (ended.code, "already there" in ended.output) == (0, True), ended.output
        assert between.blobs() == []
        both = [one.start(python) for python in ("3.11", "3.12")]
        outputs = [process.communicate(timeout=DEADLINE)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        second, third = (blobs(one, python) for python in ("3.11", "3.12"))
        new = {**third, **second}.items() - there.items()
        assert len(new) < len(second) + len(third) - 2  # they share some with the first
        assert sorted(sent for sent in between.blobs() if sent[0] in {**second, **third}) == sorted(new)
        one.forget()


def blobs(publisher: Publisher, python: str) -> dict[str, int]:
    """Digest -> bytes of what a published testground is made of."""
    manifest = publisher.registry.manifest(publisher.result(python=python)["digest"])
    assert manifest is not None
    content = manifest.content()
    return {part["digest"]: part["size"] for part in (content["config"], *content["layers"])}


def test_no_branch_gets_the_tag_of_something_else(publisher: Publisher) -> None:
    ended = publisher.publish("refs/heads/$(touch x)/ünï")
    assert ended.code == 0, ended.output
    own = {f"py3.10-{publisher.head}", f"py3.10-fp-{publisher.result()['fingerprint'][:16]}"}
    (tag,) = (tag for tag in publisher.registry.tags() if names.read(tag).python and tag not in own)
    assert names.read(tag).kind == "branch"
    assert publisher("testground_pull-3.10", "--", "--dry-run", publisher.head).code == 0


def test_a_commit_other_than_the_one_checked_out_is_not_published(publisher: Publisher) -> None:
    ended = publisher.publish(GITHUB_SHA="1" * 40)
    assert (ended.code, "is checked out" in ended.output) == (1, True)
    assert publisher.registry.tags() == ()


@pytest.mark.parametrize("step", ["testground_publish-3.10", "testground_pull-3.10"])
def test_wrong_credentials_are_told_in_two_lines_without_them(publisher: Publisher, step: str) -> None:
    wrong = "this-is-not-the-password"
    ended = publisher(step, **{**publisher.event("refs/heads/main"), "NOXLIB_REGISTRY_PASSWORD": wrong})
    assert ended.code == 1
    assert "refuses these credentials" in ended.output
    assert "docker login" in ended.output
    assert "Traceback" not in ended.output
    assert wrong not in ended.output


def test_credentials_of_one_host_are_not_sent_to_another(publisher: Publisher) -> None:
    ended = publisher.publish(NOXLIB_REGISTRY_HOST="registry.example.org")
    assert (ended.code, "a caller without credentials" in ended.output) == (1, True), ended.output


def test_a_registry_that_is_not_there_is_told_in_two_lines(publisher: Publisher) -> None:
    ended = publisher.publish(NOXLIB_IMAGE="127.0.0.1:9/owner/letters-testground")
    assert (ended.code, "does not answer" in ended.output, "Traceback" in ended.output) == (1, True, False), (
        ended.output
    )


def test_the_password_is_in_no_argument_no_file_and_no_output(publisher: Publisher) -> None:
    seen: set[bytes] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        published = publisher.publish()
        publisher.forget()
        pulled = publisher("testground_pull-3.10", "--", "main")
    finally:
        ended.set()
        looking.join()
    assert (published.code, pulled.code) == (0, 0), published.output + pulled.output
    assert any(b"testground_publish-3.10" in line for line in seen)
    assert not [line for line in seen if PASSWORD.encode() in line]
    assert PASSWORD not in published.output + pulled.output
    written = [
        path for path in publisher.nox.folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]
    assert written == []


def uploading(server: RegistryServer) -> bool:
    """Whether any upload is going on. The walk, other than a glob, passes over what ends meanwhile."""
    return any("data" in files and "_uploads" in folder for folder, _, files in os.walk(server.folder / "data"))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path / "registry").start()
    yield server
    server.kill()


def test_a_registry_that_dies_in_the_middle_and_comes_back_gets_all_of_it(
    adopt: Adopt, own_server: RegistryServer
) -> None:
    publisher = Publisher(adopt("src_layout"), own_server, "tests/dies")
    process = publisher.nox.start(
        "-s", "testground_publish-3.10", **{**publisher.variables, **publisher.event("refs/heads/main")}
    )
    try:
        wait_until(lambda: uploading(own_server), "an upload")
        own_server.kill()
        own_server.start()
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, output
        assert publisher.registry.digest("py3.10-main") == publisher.result()["digest"]
        publisher.forget()
        assert publisher("testground_pull-3.10", "--", "main").code == 0
    finally:
        kill_group(process)
        publisher.forget()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_what_was_stopped_while_it_was_sent_is_sent_by_the_next_call(
    adopt: Adopt, own_server: RegistryServer, own_state: Path, number: signal.Signals
) -> None:
    publisher = Publisher(adopt("src_layout"), own_server, "tests/stopped")
    process = publisher.nox.start(
        "-s", "testground_publish-3.10", **{**publisher.variables, **publisher.event("refs/heads/main")}
    )
    try:
        wait_until(lambda: uploading(own_server), "an upload")
        kill_group(process, number)
        output, _ = process.communicate(timeout=300)
        assert "Traceback" not in output
        ended = publisher.publish()
        assert ended.code == 0, ended.output
        assert publisher.registry.digest("py3.10-main") == publisher.result()["digest"]
        assert Ledger(own_state).entries() == ()
    finally:
        kill_group(process)
        publisher.forget()


def test_the_tests_of_today_run_in_the_testground_of_a_release(
    publisher: Publisher, registry_server: RegistryServer
) -> None:
    (publisher.nox.folder / "noxlib.toml").write_text('packages = ["iniconfig==1.1.1"]\n')
    publisher.commit("old")
    assert publisher.publish("refs/tags/v1.1.0").code == 0
    released = publisher.result()
    (publisher.nox.folder / "noxlib.toml").write_text('packages = ["iniconfig==2.0.0"]\n')
    (publisher.nox.folder / "tests" / "test_version.py").write_text(
        "import importlib.metadata\n\n\n"
        'def test_version() -> None:\n    assert importlib.metadata.version("iniconfig") == "1.1.1"\n'
    )
    publisher.forget()
    planned = publisher("unit-3.10", "--", "--testground", "v1.1.0", "--dry-run")
    assert planned.code == 0, planned.output
    ran = publisher("unit-3.10", "--", "--testground", "v1.1.0", "-k", "test_version")
    assert ran.code == 0, ran.output
    record = publisher.nox.record
    assert (record.testground.digest, record.testground.lock_source) == (released["id"], "published")
    assert record.counts.passed == 1
    registry_server.kill()  # what never moves is not asked for twice
    try:
        assert publisher("unit-3.10", "--", "--testground", "v1.1.0", "-k", "test_version").code == 0
    finally:
        registry_server.start()
    absent = publisher("unit-3.10", "--", "--testground", "nope")
    assert (absent.code, "has no py3.10-nope" in absent.output, "once more" in absent.output) == (1, True, False)
    refused = publisher("unit-3.10", "--", "--testground", "v1.1.0", "--place", "venv")
    assert (refused.code, "leave one of them out" in refused.output) == (1, True)
