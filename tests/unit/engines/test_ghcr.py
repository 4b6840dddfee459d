"""GitHub's registry by its REST API, against a server that keeps the documented contract (tests/ghcr_server.py)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from noxlib.engines import github
from noxlib.engines.ghcr import Ghcr
from noxlib.engines.github import GitHub
from noxlib.engines.registry import Registry
from noxlib.engines.registryauth import Credentials
from noxlib.engines.versions import Stored
from noxlib.errors import ConfigError, EngineError
from tests import ghcr_server
from tests.ghcr_server import DAY, Token, Version

TOKEN = "ghs_of-a-job"


class World:
    """The server, a client of it, and what the client said."""

    def __init__(self, server: ghcr_server.Ghcr) -> None:
        self.server = server
        self.said: list[str] = []

    def store(self, token: str = TOKEN) -> Ghcr:
        credentials = Credentials("", token)
        api = GitHub(self.server.url, credentials, self.said.append, self.server.sleep)
        return Ghcr(Registry(self.server.image, credentials), api)

    def requests(self, method: str) -> list[str]:
        return [path for asked, path in self.server.asked if asked == method and path.startswith("/api")]


@pytest.fixture
def world() -> Iterator[World]:
    with ghcr_server.Ghcr() as server:
        yield World(server)


def stored(version: Version) -> Stored:
    return Stored(version.digest, tuple(version.tags), str(version.id))


def test_versions_come_in_pages_with_and_without_tags(world: World) -> None:
    for number in range(250):
        world.server.put(*([f"py3.10-pr-{number}"] if number % 2 else []), days=number)
    found = world.store().listed()
    assert {one.digest for one in found} == {version.digest for version in world.server.versions}
    assert sum(bool(one.tags) for one in found) == 125
    assert len([path for path in world.requests("GET") if path.endswith("/versions")]) == 3
    oldest = next(one for one in found if one.tags == ("py3.10-pr-249",))
    assert oldest.used == int(world.server.versions[249].made)


@pytest.mark.parametrize(
    ("kind", "login", "public", "path"),
    [
        ("Organization", None, True, "/api/orgs/owner/"),
        ("Organization", "someone", False, "/api/orgs/owner/"),
        ("User", None, True, "/api/users/owner/"),
        ("User", "Owner", True, "/api/user/"),
        ("User", "Owner", False, "/api/user/"),
    ],
)
def test_organisations_and_users_have_endpoints_of_their_own(kind: str, login: str, public: bool, path: str) -> None:
    with ghcr_server.Ghcr(package="demo/nested", kind=kind) as server:
        server.public, server.tokens[TOKEN] = public, Token(login)
        version = server.put("py3.10-main")
        server.put("py3.10-x")
        store = World(server).store()
        assert {one.tags for one in store.listed()} == {("py3.10-main",), ("py3.10-x",)}
        store.delete(stored(version))
        assert version.deleted is not None
        assert all(asked.startswith(path) for asked in World(server).requests("DELETE"))


def test_a_package_that_this_token_may_not_see_is_no_empty_one() -> None:
    with ghcr_server.Ghcr(kind="User") as server:
        server.put("py3.10-main")
        server.public = False
        with pytest.raises(EngineError, match="shows this token no versions") as told:
            World(server).store().listed()
    assert told.value.cause == "credentials"


def test_a_package_that_is_not_there_yet_is_empty(world: World) -> None:
    assert world.store().listed() == ()


def test_a_list_that_lacks_a_tag_is_not_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.server.put("py3.10-main")
    world.server.put("py3.10-x")
    active = world.server.active
    monkeypatch.setattr(world.server, "_page", lambda *_: (200, [world.server._described(active()[0])], ""))
    with pytest.raises(EngineError, match=r"lacks py3\.10-main"):
        world.store().listed()


def test_a_version_is_looked_at_by_its_id(world: World) -> None:
    version = world.server.put("py3.10-main")
    assert world.store().now(stored(version)) == world.store().listed()[0]
    assert world.store().now(Stored(version.digest, (), "7")) is None


def test_what_is_gone_already_is_deleted(world: World) -> None:
    version = world.server.put("py3.10-main")
    version.deleted = world.server.clock()
    world.store().delete(stored(version))


def test_a_version_with_more_than_5000_downloads_stays_for_good(world: World) -> None:
    version = world.server.put("py3.10-main")
    world.server.put("py3.10-x")
    version.downloads = 5001
    with pytest.raises(EngineError, match="5000 downloads") as told:
        world.store().delete(stored(version))
    assert told.value.cause == "refused"
    version.downloads = 5000
    world.store().delete(stored(version))
    assert version.deleted is not None


@pytest.mark.parametrize("others", [0, 2])
def test_the_last_tagged_version_stays_for_good(world: World, others: int) -> None:
    version = world.server.put("py3.10-main")
    for _ in range(others):
        world.server.put()
    with pytest.raises(EngineError, match="You cannot delete the last") as told:
        world.store().delete(stored(version))
    assert told.value.cause == "refused"


@pytest.mark.parametrize(
    ("token", "what"),
    [
        (Token(admin=False), "delete a version"),
        (Token("someone", frozenset({"read:packages"})), "delete a version"),
        (Token("someone", frozenset({"write:packages"})), "read a version"),
    ],
)
def test_a_token_that_may_not_says_what_it_lacks(world: World, token: Token, what: str) -> None:
    version = world.server.put("py3.10-main")
    world.server.put("py3.10-x")
    world.server.tokens[TOKEN] = token
    store = world.store()
    act = store.delete if what == "delete a version" else store.now
    with pytest.raises(EngineError, match=f"does not let this token {what}") as told:
        act(stored(version))
    assert (told.value.cause, "delete:packages" in told.value.todo) == ("credentials", True)


def test_a_wrong_token_is_refused_and_stands_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = world.store("ghp_0123456789abcdef")
    with pytest.raises(EngineError, match="Bad credentials") as told:
        store.listed()
    everything = (str(told.value), caplog.text, repr(world.said), repr(store), repr(vars(store._api)), repr(store._api))
    assert not any("0123456789" in text for text in everything)
    assert not any("0123456789" in path for _, path in world.server.asked)


@pytest.mark.parametrize("code", [403, 429])
@pytest.mark.parametrize("says_when", [True, False])
def test_a_secondary_limit_is_waited_for_and_never_asked_into(world: World, code: int, says_when: bool) -> None:
    world.server.points, world.server.secondary_code, world.server.says_when = 30, code, says_when
    versions = [world.server.put(f"py3.10-pr-{number}") for number in range(20)]
    store = world.store()
    for version in versions[:-1]:
        store.delete(stored(version))
    assert sum(version.deleted is not None for version in versions) == 19
    assert world.server.too_early == []
    assert "limit of requests is reached; waiting 60 s" in world.said[0]


def test_deletions_are_a_second_apart_so_that_no_limit_is_met(world: World) -> None:
    versions = [world.server.put(f"py3.10-pr-{number}") for number in range(400)]
    store, start = world.store(), world.server.clock()
    for version in versions[:-1]:
        store.delete(stored(version))
    assert world.server.clock() - start >= 390
    assert world.said == []


def test_a_primary_limit_is_waited_for_where_it_is_short(world: World) -> None:
    world.server.put("py3.10-main")
    world.server.primary = 1
    assert len(world.store().listed()) == 1
    assert (len(world.said), world.server.too_early) == (1, [])


def test_a_limit_that_lasts_too_long_is_told_with_the_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "LONGEST", 30.0)
    world.server.primary = 0
    with pytest.raises(EngineError, match="limit of requests is reached") as told:
        world.store().listed()
    assert told.value.cause == "rate-limit"
    assert "UTC; what is done stays done" in told.value.todo
    assert len(world.server.asked) == 1


def test_a_limit_without_an_end_is_given_up(world: World) -> None:
    world.server.points = 0
    with pytest.raises(EngineError, match="limit of requests") as told:
        world.store().listed()
    assert told.value.cause == "rate-limit"


def test_an_api_that_fails_for_a_while_is_asked_again(world: World) -> None:
    world.server.put("py3.10-main")
    world.server.broken = [502, 503, 500]
    assert len(world.store().listed()) == 1


def test_an_api_that_keeps_failing_is_told(world: World) -> None:
    world.server.broken = [502] * 20
    with pytest.raises(EngineError, match=r"API fails \(502\)"):
        world.store().listed()


def test_an_api_that_is_not_there_is_told() -> None:
    with ghcr_server.Ghcr() as server:
        store = World(server).store()
    with pytest.raises(EngineError, match="does not answer"):
        store.listed()


@pytest.mark.parametrize("gives_tags", [True, False])
def test_what_was_deleted_comes_back_with_its_tags(world: World, gives_tags: bool) -> None:
    world.server.restores_tags = gives_tags
    version, _ = world.server.put("py3.10-pr-1", "py3.10-pr-2"), world.server.put("py3.10-main")
    store, wanted = world.store(), stored(version)
    store.delete(wanted)
    assert [one.key for one in store.deleted()] == [wanted.key]
    store.restore(wanted)
    assert set(version.tags) == {"py3.10-pr-1", "py3.10-pr-2"}
    assert store.deleted() == ()


def test_a_tag_that_stands_for_another_version_by_now_is_left_to_it(world: World) -> None:
    version, _ = world.server.put("py3.10-main", "py3.10-x"), world.server.put("py3.10-v1")
    store, wanted = world.store(), stored(version)
    store.delete(wanted)
    newer = world.server.put("py3.10-main")
    store.restore(wanted)
    assert (version.tags, newer.tags) == (["py3.10-x"], ["py3.10-main"])


def test_after_30_days_nothing_comes_back(world: World) -> None:
    version, _ = world.server.put("py3.10-pr-1"), world.server.put("py3.10-main")
    store, wanted = world.store(), stored(version)
    store.delete(wanted)
    world.server.sleep(30 * DAY + 60)
    assert store.deleted() == ()
    with pytest.raises(EngineError, match="restore a version"):
        store.restore(wanted)


def test_pull_requests_are_closed_only_where_it_is_said(world: World) -> None:
    world.server.pulls = {1: "closed", 2: "open"}
    api = GitHub(world.server.url, Credentials("", TOKEN), world.said.append, world.server.sleep)
    assert api.closed_pulls("owner/demo", [1, 2, 3, 1]) == {1}
    assert len(world.requests("GET")) == 3


@pytest.mark.parametrize(
    "url", ["http://api.example.org", "file:///etc/passwd", "https://", "api.github.com", "https://[::"]
)
def test_a_token_goes_to_no_url_that_is_not_https(url: str) -> None:
    with pytest.raises(ConfigError, match="no https URL"):
        github.base({"GITHUB_API_URL": url})


def test_the_api_is_githubs_own_or_the_one_of_the_run() -> None:
    assert github.base({}) == "https://api.github.com"
    assert github.base({"GITHUB_API_URL": "https://git.example.org/api/v3/"}) == "https://git.example.org/api/v3"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"name": "../x"},
        {"metadata": {}},
        {"metadata": {"container": {"tags": ["a b"]}}},
        {"created_at": 7},
    ],
)
def test_a_version_that_is_described_in_another_way_is_refused(
    world: World, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = world.server._described(world.server.put("py3.10-main"))
    monkeypatch.setattr(world.server, "_page", lambda *_: (200, [{**good, **change}], ""))
    with pytest.raises(EngineError, match="in a way that is not known"):
        world.store().listed()
