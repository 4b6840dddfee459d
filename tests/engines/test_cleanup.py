"""Published testgrounds that are old go, by plan and apply, on a real registry; nothing that is kept is ever lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

import pytest

from .checks import git
from .conftest import Ended, Nox
from .registries import PASSWORD, USER, DebianServer, OtherServer, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Adopt = Callable[..., Nox]

pytestmark = pytest.mark.registry

NAME = "owner/letters-testground"
OLD, COMMIT = 400.0, "0123456789abcdef0123456789abcdef01234567"


class World:
    """A project and its repository."""

    def __init__(self, nox: Nox, server: RegistryServer) -> None:
        self.nox = nox
        self.server = server
        self.registry = server.repository(NAME)
        self.plan_file = nox.folder / ".noxlib" / "cleanup.json"

    def __call__(self, *words: str, session: str = "testground_cleanup", **variables: str) -> Ended:
        own = {"NOXLIB_REGISTRY_USER": USER, "NOXLIB_REGISTRY_PASSWORD": PASSWORD, "NOXLIB_RETENTION_KEEP_LAST": "0"}
        where = {"NOXLIB_IMAGE": f"{self.server.host}/{NAME}", **self.server.variables}
        return self.nox("-s", session, "--", *words, **{**own, **where, **variables})

    def put(self, *tags: str, days: float | None) -> str:
        return self.server.put_image(NAME, tags, days=days)

    def plan(self) -> dict[str, dict[str, Any]]:
        """Digest -> what the plan says."""
        ended = self()
        assert ended.code == 0, ended.output
        return {version["digest"]: version for version in json.loads(self.plan_file.read_text())["versions"]}

    def apply(self) -> Ended:
        return self("--apply", ".noxlib/cleanup.json", "--yes")

    def tags(self) -> set[str]:
        return set(self.registry.tags())


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RegistryServer]:
    kind: type[RegistryServer] = getattr(request, "param", RegistryServer)
    server = kind(tmp_path / "registry").start()
    yield server
    server.kill()


on_both = pytest.mark.parametrize(
    "server", [RegistryServer, DebianServer], ids=["distribution 3", "Debian's 2.8"], indirect=True
)


@pytest.fixture
def world(adopt: Adopt, server: RegistryServer) -> World:
    nox = adopt("flat")
    git(nox.folder, "init", "-q")  # without a remote: what it does not know is on no branch
    return World(nox, server)


def test_exactly_the_plan_is_deleted_and_a_second_time_nothing(world: World) -> None:
    kept = {
        world.put("py3.10-v1.0.0", days=OLD),
        world.put("py3.10-latest", days=OLD),
        world.put("py3.10-main", days=89),
        world.put("py3.10-feat-a", days=29),
        world.put(f"py3.10-{COMMIT}", "py3.10-fp-0123456789abcdef", days=29),
        world.put("py3.10-pr-7", days=6),
        world.put("buildcache-py3.10", days=OLD),
        world.put("somebody-elses", days=OLD),
        world.put("py3.11-unknown-age", days=None),
    }
    gone = {
        world.put("py3.9-main", days=91),
        world.put("py3.9-feat-a", days=31),
        world.put(f"py3.9-{COMMIT}", days=31),
        world.put("py3.9-pr-7", days=8),
        world.put("py3.9-fp-0123456789abcdef", days=2),
    }
    before = world.tags()
    plan = world.plan()
    assert {digest for digest, version in plan.items() if version["action"] == "delete"} == gone
    assert world.tags() == before
    rehearsed = world("--dry-run", "--apply", ".noxlib/cleanup.json")
    assert (rehearsed.code, "5 of 5 in the plan would be deleted" in rehearsed.output) == (0, True), rehearsed.output
    assert world.tags() == before
    ended = world.apply()
    assert ended.code == 0, ended.output
    assert "5 deleted, 0 failed, of 5" in ended.output
    assert all(world.registry.digest(digest) == digest for digest in kept)
    assert not any(world.registry.digest(digest) for digest in gone)
    again = world.apply()
    assert (again.code, "0 deleted, 0 failed, of 5" in again.output) == (0, True), again.output
    assert all(world.registry.digest(digest) == digest for digest in kept)


def test_what_was_published_for_a_commit_is_kept_where_nobody_can_say_that_it_is_on_no_branch(world: World) -> None:
    unseen = world.put(f"py3.10-{COMMIT}", "py3.10-feat-a", days=OLD)
    git(world.nox.folder, "remote", "add", "origin", str(world.nox.folder / "nowhere"))
    plan = world.plan()
    assert (plan[unseen]["action"], COMMIT[:12] in plan[unseen]["reason"]) == ("keep", True)
    git(world.nox.folder, "remote", "remove", "origin")
    assert world.plan()[unseen]["action"] == "delete"


def test_an_image_goes_only_when_every_tag_on_it_has_expired(world: World) -> None:
    held = world.put("py3.10-pr-1", "py3.10-feat-b", "py3.10-v2.0", days=OLD)
    free = world.put("py3.10-pr-2", "py3.10-feat-c", days=OLD)
    plan = world.plan()
    assert plan[held]["action"] == "keep"
    assert "py3.10-v2.0" in plan[held]["reason"]
    assert plan[free]["action"] == "delete"
    world.apply()
    assert world.tags() == {"py3.10-pr-1", "py3.10-feat-b", "py3.10-v2.0"}


def test_what_belongs_to_a_kept_index_is_kept(world: World) -> None:
    children = [world.put(f"py3.10-pr-{number}", days=OLD) for number in (1, 2)]
    orphan = world.put("py3.10-pr-3", days=OLD)
    world.server.put_index(NAME, ["py3.10-v3.0"], children)
    plan = world.plan()
    assert [plan[child]["action"] for child in children] == ["keep", "keep"]
    assert plan[orphan]["action"] == "delete"
    assert world.apply().code == 0
    assert all(world.registry.digest(child) for child in children)


@on_both
def test_an_index_that_has_expired_goes_with_its_expired_parts(world: World) -> None:
    child = world.put("py3.10-pr-1", days=OLD)
    index = world.server.put_index(NAME, ["py3.10-feat-x"], [child])
    assert world.plan()[index]["action"] == "delete"
    assert world.apply().code == 0
    assert world.tags() == set()
    assert world.plan() == {}  # of such a repository one of them lists no tags, the other one null


def test_nothing_is_deleted_while_one_manifest_cannot_be_read(world: World) -> None:
    old = world.put("py3.10-pr-1", days=OLD)
    broken = world.put("py3.10-v1.0", days=OLD)
    world.server.damage(NAME, broken)
    plan = world.plan()
    assert {version["action"] for version in plan.values()} == {"keep"}
    assert "cannot be read" in plan[old]["reason"]


def test_a_tag_that_moved_since_the_plan_is_left_alone(world: World) -> None:
    old = world.put("py3.10-feat-a", days=OLD)
    assert world.plan()[old]["action"] == "delete"
    new = world.put("py3.10-feat-a", days=1)
    ended = world.apply()
    assert (ended.code, "0 deleted" in ended.output) == (0, True), ended.output
    assert world.registry.digest("py3.10-feat-a") == new


def test_an_image_that_got_a_tag_since_the_plan_is_left_alone(world: World) -> None:
    old = world.put("py3.10-feat-a", days=OLD)
    world.plan()
    manifest = world.registry.manifest(old)
    assert manifest is not None
    world.registry.put("py3.10-pr-9", manifest)
    ended = world.apply()
    assert "its tags are others than in the plan" in ended.output
    assert world.registry.digest(old) == old


def test_a_plan_edited_by_hand_deletes_nothing_that_the_rules_keep(world: World) -> None:
    release = world.put("py3.10-v1.0", days=OLD)
    world.plan()
    world.plan_file.write_text(world.plan_file.read_text().replace('"keep"', '"delete"'))
    ended = world.apply()
    assert "0 deleted, 0 failed, of 1" in ended.output
    assert world.registry.digest(release) == release


@pytest.mark.parametrize(
    "text", ["", "[]", '{"image": 1}', "\0", '{"versions": [{"digest": "../x"}]}', "[" * 20000], ids=range(6)
)
def test_a_plan_that_is_none_is_refused(world: World, text: str) -> None:
    world.put("py3.10-pr-1", days=OLD)
    world.plan()
    world.plan_file.write_text(text)
    ended = world.apply()
    assert (ended.code, "cannot be read" in ended.output, "Traceback" in ended.output) == (1, True, False)
    assert world.tags() == {"py3.10-pr-1"}


def test_a_plan_of_another_repository_is_refused(world: World) -> None:
    world.put("py3.10-pr-1", days=OLD)
    world.plan()
    ended = world("--apply", ".noxlib/cleanup.json", "--yes", NOXLIB_IMAGE=f"{world.server.host}/owner/other")
    assert (ended.code, "is about" in ended.output) == (1, True)
    assert world.tags() == {"py3.10-pr-1"}


def test_a_registry_that_deletes_nothing_says_so(adopt: Adopt, tmp_path: Path) -> None:
    server = RegistryServer(tmp_path / "registry", deletes=False).start()
    try:
        world = World(adopt("flat"), server)
        world.put("py3.10-pr-1", days=OLD)
        world.put("py3.10-pr-2", days=OLD)
        world.plan()
        ended = world.apply()
    finally:
        server.kill()
    assert (ended.code, "storage.delete.enabled" in ended.output) == (1, True), ended.output
    assert "0 deleted, 2 failed, of 2" in ended.output


def test_a_registry_where_a_tag_outlives_its_digest_is_cleaned_as_well(adopt: Adopt, tmp_path: Path) -> None:
    server = OtherServer(tmp_path / "registry").start()
    try:
        world = World(adopt("flat"), server)
        world.put("py3.10-pr-1", "py3.10-feat-a", days=OLD)
        kept = world.put("py3.10-v1.0", days=OLD)
        world.plan()
        ended = world.apply()
        assert (ended.code, "1 deleted, 0 failed" in ended.output) == (0, True), ended.output
        assert world.tags() == {"py3.10-v1.0"}
        assert world.registry.digest("py3.10-v1.0") == kept
    finally:
        server.kill()


@on_both
def test_two_hundred_and_fifty_tags_come_in_pages(world: World) -> None:
    digest = world.put("py3.10-v0.0.0", days=OLD)
    manifest = world.registry.manifest(digest)
    assert manifest is not None
    wanted = {f"py3.10-v0.0.{number}" for number in range(250)}
    for tag in wanted - {"py3.10-v0.0.0"}:
        world.registry.put(tag, manifest)
    assert world.tags() == wanted
    assert set(world.plan()[digest]["tags"]) == wanted


def test_a_dry_run_writes_no_plan(world: World) -> None:
    world.put("py3.10-pr-1", days=OLD)
    ended = world("--dry-run")
    assert (ended.code, "1 of 1 versions would go" in ended.output) == (0, True), ended.output
    assert not world.plan_file.exists()


def test_a_repository_that_is_not_there_yet_has_an_empty_plan(world: World) -> None:
    assert world.plan() == {}


def test_the_newest_of_each_python_and_class_stay(world: World) -> None:
    newest, old = world.put("py3.10-main", days=OLD), world.put("py3.10-master", days=OLD + 1)
    other = world.put("py3.9-main", days=OLD)
    ended = world(NOXLIB_RETENTION_KEEP_LAST="1")
    assert ended.code == 0, ended.output
    rows = {row["digest"]: row["action"] for row in json.loads(world.plan_file.read_text())["versions"]}
    assert rows == {newest: "keep", other: "keep", old: "delete"}


def test_a_large_share_goes_with_yes_only(world: World) -> None:
    world.put("py3.10-pr-1", days=OLD)
    world.plan()
    ended = world("--apply", ".noxlib/cleanup.json")
    assert (ended.code, "deletes 1 of 1 versions" in ended.output) == (1, True), ended.output
    assert world.tags() == {"py3.10-pr-1"}


def test_the_parts_of_an_index_that_no_tag_names_stay_and_go_with_it(world: World) -> None:
    parts = [world.server.put_image(NAME, [], days=OLD, mark=mark) for mark in ("amd64", "arm64", "old")]
    kept = world.server.put_index(NAME, ["py3.10-v1.0"], parts[:2])
    gone = world.server.put_index(NAME, ["py3.10-pr-1"], parts[1:])
    plan = world.plan()
    assert {digest: row["action"] for digest, row in plan.items()} == {
        **dict.fromkeys((kept, *parts[:2]), "keep"),
        gone: "delete",
        parts[2]: "delete",
    }
    ended = world.apply()
    assert (ended.code, "2 deleted, 0 failed" in ended.output) == (0, True), ended.output
    assert [world.registry.digest(part) is not None for part in parts] == [True, True, False]
    assert "3 versions are kept, and all of their tags and parts are there" in ended.output


def test_an_index_with_a_missing_part_is_listed_as_broken_and_stays_so(world: World) -> None:
    parts = [world.server.put_image(NAME, [], days=OLD, mark=mark) for mark in ("amd64", "arm64")]
    index = world.server.put_index(NAME, ["py3.10-v1.0"], parts)
    assert world.registry.delete(parts[1])
    assert world.plan()[index]["missing"] == [parts[1]]
    assert "BROKEN, 1 of its parts are missing" in world("--dry-run").output
    assert world.apply().code == 0


def test_a_signature_stays_and_goes_with_its_image(world: World) -> None:
    images = {tag: world.put(tag, days=OLD) for tag in ("py3.10-v1.0", "py3.10-pr-1")}
    signatures = {tag: world.put(f"sha256-{digest[7:]}.sig", days=None) for tag, digest in images.items()}
    plan = world.plan()
    assert plan[signatures["py3.10-v1.0"]]["action"] == "keep"
    assert plan[signatures["py3.10-pr-1"]]["action"] == "delete"
    assert "2 deleted, 0 failed" in world.apply().output
    assert world.tags() == {"py3.10-v1.0", f"sha256-{images['py3.10-v1.0'][7:]}.sig"}


def test_a_restore_says_that_this_registry_gives_nothing_back(world: World) -> None:
    world.put("py3.10-pr-1", days=OLD)
    world.plan()
    world.apply()
    ended = world("--restore", ".noxlib/cleanup.json")
    assert (ended.code, "gives back nothing" in ended.output, "Traceback" in ended.output) == (1, True, False)


def test_two_hundred_versions_are_listed_and_cleaned_exactly(world: World) -> None:
    put = world.server.put_image
    parts = {age: [put(NAME, [], days=age, mark=f"{age} {part}") for part in range(10)] for age in (1, OLD)}
    indexes = {
        age: {
            world.server.put_index(NAME, [f"py3.10-{word}-{number}"], parts[age][2 * number : 2 * number + 2])
            for number in range(5)
        }
        for word, age in (("young", 1), ("old", OLD))
    }
    young = {put(NAME, [f"py3.10-feat-{number}"], days=number / 10) for number in range(85)}
    old = {put(NAME, [f"py3.9-feat-{number}"], days=31 + number) for number in range(85)}
    listed = world(session="testground_list")
    assert "180 tags of 180 images" in listed.output, listed.output
    plan = world.plan()
    assert len(plan) == 200
    gone = {*old, *indexes[OLD], *parts[OLD]}
    assert {digest for digest, row in plan.items() if row["action"] == "delete"} == gone
    for deleted in (100, 0):
        ended = world.apply()
        assert (ended.code, f"{deleted} deleted, 0 failed, of 100" in ended.output) == (0, True), ended.output
        assert "100 versions are kept, and all of their tags and parts are there" in ended.output
        assert {world.registry.digest(tag) for tag in world.tags()} == young | indexes[1]
        assert not any(map(world.registry.digest, gone))
        assert all(map(world.registry.digest, parts[1]))


def test_a_registry_that_is_gone_is_two_lines_and_the_plan_can_be_carried_out_later(world: World) -> None:
    world.put("py3.10-pr-1", days=OLD)
    world.plan()
    world.server.kill()
    ended = world.apply()
    assert (ended.code, "does not answer" in ended.output, "Traceback" in ended.output) == (1, True, False), (
        ended.output
    )
    world.server.start()
    assert "1 deleted, 0 failed, of 1" in world.apply().output
