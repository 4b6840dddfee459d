"""The step against GitHub's registry, from plan to restore; against real registries: tests/engines/test_cleanup.py."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxlib.engines import github
from noxlib.errors import EngineError, UsageError
from noxlib.sessions import testground_cleanup
from noxlib.sessions.context import Context
from tests import ghcr_server

TOKEN = "ghs_of-a-job"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class World:
    """A project whose testgrounds are at GitHub's."""

    def __init__(self, server: ghcr_server.Ghcr, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.root = root
        self.file = root / ".noxlib" / "cleanup.json"
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        """What one call of the step said; its error goes on."""
        step = "testground_cleanup"
        testground_cleanup.run(Context(step, step, "Plan.", "", self.root, words))
        return self.said()

    def said(self) -> str:
        said = self._capsys.readouterr()
        assert TOKEN not in said.out + said.err
        return said.out

    def plan(self) -> dict[str, dict[str, Any]]:
        self()
        return {version["digest"]: version for version in json.loads(self.file.read_text())["versions"]}

    def apply(self, *words: str) -> str:
        return self("--apply", ".noxlib/cleanup.json", *words)

    def there(self) -> set[str]:
        return {version.digest for version in self.server.active()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n', encoding="utf-8")
    with ghcr_server.Ghcr() as server:
        own = {"RETENTION_BACKEND": "ghcr", "RETENTION_TOKEN": "env:OWN_TOKEN", "IMAGE": server.image}
        own |= {"CACHE_DIR": str(tmp_path / "cache"), "REGISTRY_USER": "me", "REGISTRY_PASSWORD": TOKEN}
        for name, value in own.items():
            monkeypatch.setenv(f"NOXLIB_{name}", value)
        monkeypatch.setenv("OWN_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/demo")
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)
        monkeypatch.setattr(github, "PACE", 0.0)
        yield World(server, tmp_path, capsys)


def test_the_plan_is_carried_out_and_no_more_and_comes_back(world: World) -> None:
    kept = {
        world.server.put("py3.10-v1.0.0", days=400).digest,
        world.server.put("py3.10-main", days=400).digest,
        world.server.put("buildcache-py3.10", days=400).digest,
        world.server.put("py3.10-feat-b", days=29).digest,
    }
    gone = {
        world.server.put("py3.10-feat-a", "py3.10-fp-0123456789abcdef", days=31).digest,
        world.server.put(days=3).digest,
    }
    plan = world.plan()
    assert {digest for digest, row in plan.items() if row["action"] == "delete"} == gone
    assert all(row["key"] and row["reason"] and row["days"] is not None for row in plan.values())
    assert "2 deleted, 0 failed, of 2" in world.apply()
    assert world.there() == kept
    assert "0 deleted, 0 failed, of 2" in world.apply()
    assert "2 of 2 are there" in world("--restore", ".noxlib/cleanup.json")
    assert world.there() == kept | gone
    assert {tag for version in world.server.active() for tag in version.tags} >= {"py3.10-feat-a", "py3.10-main"}


def test_a_closed_pull_request_goes_at_once(world: World) -> None:
    world.server.put("py3.10-main")
    closed = world.server.put("py3.10-pr-7", "py3.10-fp-0123456789abcdef")
    still = world.server.put("py3.10-pr-8")
    unknown = world.server.put("py3.10-pr-9")
    world.server.pulls = {7: "closed", 8: "open"}
    actions = {digest: row["action"] for digest, row in world.plan().items()}
    assert (actions[closed.digest], actions[still.digest], actions[unknown.digest]) == ("delete", "keep", "keep")
    world.apply()
    assert world.there() == {version.digest for version in world.server.versions} - {closed.digest}


def test_where_nobody_tells_of_pull_requests_age_alone_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.server.put("py3.10-main")
    version = world.server.put("py3.10-pr-7")
    world.server.pulls = {7: "closed"}
    monkeypatch.setattr(world.server, "_pull", lambda _: [])
    said = world()
    assert "age alone counts" in said
    assert f"keep   {version.digest[7:19]}" in said


def test_the_parts_of_an_index_and_what_is_attached_stay_with_it(world: World) -> None:
    part, other = world.server.put(days=90), world.server.put(days=91)
    index = world.server.put("py3.10-v1", days=90, manifests=[part.digest, other.digest])
    sbom = world.server.put(days=90, subject={"digest": part.digest})
    signature = world.server.put(f"sha256-{index.digest[7:]}.sig", days=90)
    old = world.server.put("py3.10-feat-a", days=90, manifests=[other.digest])
    newer = world.server.put("py3.10-feat-b", days=1)
    orphan = world.server.put(days=90, subject={"digest": old.digest})
    world.plan()
    world.apply()
    stay = {part, other, index, sbom, signature, newer}
    assert world.there() == {version.digest for version in stay}
    assert {old.deleted, orphan.deleted} & {None} == set()


def test_an_index_with_a_missing_part_is_listed_as_broken(world: World) -> None:
    world.server.put("py3.10-v1", days=90, manifests=[f"sha256:{'0' * 64}"])
    (row,) = world.plan().values()
    assert row["missing"] == [f"sha256:{'0' * 64}"]
    assert "BROKEN, 1 of its parts are missing" in world("--dry-run")
    assert "are there" in world.apply()


def test_nothing_goes_while_a_manifest_cannot_be_read(world: World) -> None:
    blind, old = world.server.put("py3.10-x", days=90), world.server.put("py3.10-y", days=90)
    world.server.manifests[blind.digest] = (ghcr_server.IMAGE, b"[]")
    plan = world.plan()
    assert {row["action"] for row in plan.values()} == {"keep"}
    assert "cannot be read" in plan[old.digest]["reason"]


def test_what_github_refuses_for_good_is_told_and_its_parts_stay(world: World) -> None:
    part = world.server.put(days=90)
    index = world.server.put("py3.10-feat-a", days=90, manifests=[part.digest])
    index.downloads = 6000
    world.server.put("py3.10-feat-b")
    world.server.put("py3.10-feat-c")
    world.plan()
    said = world.apply()
    assert "0 deleted, 0 failed, of 2 in the plan, 1 refused by the registry for good" in said
    assert world.there() >= {part.digest, index.digest}


def test_the_last_tagged_version_is_not_planned_to_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_RETENTION_KEEP_LAST", "0")
    old, newer = world.server.put("py3.10-feat-a", days=90), world.server.put("py3.10-feat-b", days=80)
    plan = world.plan()
    assert (plan[old.digest]["action"], plan[newer.digest]["action"]) == ("delete", "keep")
    assert "1 deleted, 0 failed, of 1" in world.apply()


def test_a_large_share_goes_with_yes_only(world: World) -> None:
    for number in range(4):
        world.server.put(f"py3.10-feat-{number}", days=90 + number)
    assert "--apply .noxlib/cleanup.json --yes" in world()
    with pytest.raises(UsageError, match="deletes 3 of 4 versions, and without --yes it may be 50% at most"):
        world.apply()
    assert len(world.there()) == 4
    assert "3 deleted, 0 failed, of 3" in world.apply("--yes")


def test_a_plan_edited_by_hand_deletes_nothing_that_the_rules_keep(world: World) -> None:
    for number in range(3):
        world.server.put(f"py3.10-v1.{number}", days=90)
    world.plan()
    world.file.write_text(world.file.read_text().replace('"keep"', '"delete"'))
    assert "0 deleted, 0 failed, of 3" in world.apply("--yes")
    assert len(world.there()) == 3


def test_a_plan_with_another_versions_id_deletes_nothing(world: World) -> None:
    old, release = world.server.put("py3.10-feat-a", days=90), world.server.put("py3.10-v1", days=90)
    world.server.put("py3.10-feat-b", days=1)
    world.plan()
    world.file.write_text(world.file.read_text().replace(str(old.id), str(release.id)))
    assert "0 deleted" in world.apply()
    assert len(world.there()) == 3


def test_a_tag_that_got_a_new_image_since_is_left_alone(world: World) -> None:
    old = world.server.put("py3.10-feat-a", days=90)
    world.server.put("py3.10-feat-b", days=1)
    world.plan()
    world.server.put("py3.10-feat-a")
    said = world.apply()
    assert "0 deleted" in said
    assert old.deleted is None


def test_something_kept_that_vanishes_meanwhile_fails_the_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = world.server.put(days=90)
    world.server.put("py3.10-v1", days=90, manifests=[part.digest])
    old = world.server.put("py3.10-feat-a", days=90)
    world.server.put("py3.10-feat-b", days=1)
    world.plan()
    delete = world.server._delete

    def delete_too_much(version: Any, token: Any) -> Any:
        part.deleted = world.server.clock()
        return delete(version, token)

    monkeypatch.setattr(world.server, "_delete", delete_too_much)
    with pytest.raises(EngineError, match=f"1 that are kept are gone: {part.digest}") as told:
        world.apply()
    assert "--restore PLAN" in told.value.todo
    assert old.deleted is not None


def test_a_token_without_admin_fails_every_row_and_says_what_it_lacks(world: World) -> None:
    for number in range(4):
        world.server.put(f"py3.10-feat-{number}", days=28.5 + number)
    world.plan()
    world.server.tokens[TOKEN] = ghcr_server.Token(admin=False)
    with pytest.raises(EngineError, match="2 of 2 could not be deleted") as told:
        world.apply()
    assert "admin on the package" in told.value.todo
    assert len(world.there()) == 4
    assert "failed" in world.said()


def test_a_restore_after_30_days_says_so(world: World) -> None:
    world.server.put("py3.10-feat-a", days=90)
    world.server.put("py3.10-feat-b", days=1)
    world.plan()
    world.apply()
    world.server.sleep(31 * ghcr_server.DAY)
    with pytest.raises(EngineError, match="1 of 1 could not be restored"):
        world("--restore", ".noxlib/cleanup.json")


def test_a_dry_run_changes_nothing(world: World) -> None:
    world.server.put("py3.10-feat-a", days=90)
    world.server.put("py3.10-feat-b", days=1)
    assert "1 of 2 versions would go" in world("--dry-run")
    assert not world.file.exists()
    world.plan()
    assert "1 of 1 in the plan would be deleted" in world("--dry-run", "--apply", ".noxlib/cleanup.json")
    assert "would be restored" in world("--dry-run", "--restore", ".noxlib/cleanup.json")
    assert {method for method, _ in world.server.asked} <= {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/dev/zero", "/nowhere/plan.json", "x" * 5000])
def test_a_plan_that_is_no_file_is_not_read_and_told_by_its_whole_name(world: World, path: str) -> None:
    with pytest.raises(UsageError) as caught:
        world("--apply", path)
    assert path[:200] in caught.value.what
    assert len(caught.value.what) < 500


def test_apply_and_restore_are_two_things(world: World) -> None:
    with pytest.raises(UsageError, match="two things"):
        world("--apply", "x", "--restore", "x")


def test_a_secret_in_the_place_of_a_reference_is_not_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_RETENTION_TOKEN", TOKEN)
    with pytest.raises(Exception, match="by reference") as told:
        world()
    assert TOKEN not in str(told.value)


def test_the_age_of_an_image_is_that_of_its_youngest_commit(world: World) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(world.root)]
    subprocess.run(["git", "init", "-q", str(world.root)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "now"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    reused = world.server.put(f"py3.10-{commit}", days=90)
    unknown = world.server.put(f"py3.10-{COMMIT}", days=90)
    plan = world.plan()
    assert (plan[reused.digest]["action"], plan[unknown.digest]["action"]) == ("keep", "delete")
