"""Image indexes of several platforms: how they are made, read, and one part is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines.registry import DIGEST, IMAGES, INDEXES, Manifest, Registry, sha256
from noxlib.errors import PlaceError
from noxlib.testground import index
from noxlib.testground.fingerprint import fingerprint, recipe
from noxlib.testground.index import Part
from noxlib.testground.platforms import PLATFORMS

LABEL = st.sampled_from(
    ["io.noxlib.python", "io.noxlib.recipe", "org.opencontainers.image.revision", "io.noxlib.fingerprint", "theirs"]
)


def part(platform: str, labels: dict[str, str] | None = None, media_type: str = IMAGES[0]) -> Part:
    body = json.dumps([platform, labels]).encode()
    return Part(platform, Manifest(media_type, body, sha256(body)), labels or {})


@pytest.mark.parametrize(
    ("there", "told", "todo"),
    [
        (PLATFORMS[1:], f"but for {PLATFORMS[1]}", "--platform"),
        (("unknown/unknown",), "nor for any other platform", "publish it again"),
        ((), "nor for any other platform", "publish it again"),
    ],
)
def test_what_is_there_for_no_platform_is_not_offered_for_another(there: tuple[str, ...], told: str, todo: str) -> None:
    error = index.lacking(Registry("here:5000/demo", None), sha256(b""), PLATFORMS[0], there)
    assert told in error.what
    assert todo in error.todo


@given(st.dictionaries(LABEL, st.text()), st.dictionaries(LABEL, st.text()), st.booleans())
def test_an_index_is_made_of_its_parts_alone_in_whatever_order(
    first: dict[str, str], second: dict[str, str], docker: bool
) -> None:
    found = [part(PLATFORMS[0], first), part(PLATFORMS[1], second, IMAGES[docker])]
    whole = index.join(found)
    assert whole == index.join(found[::-1]) == index.join([*found, found[0]])
    assert whole.digest == sha256(whole.body)
    assert whole.is_index
    assert index.parts(whole) == {one.platform: one.digest for one in found}
    content = whole.content()
    assert [entry["size"] for entry in content["manifests"]] == [len(one.manifest.body) for one in found]
    assert [entry["mediaType"] for entry in content["manifests"]] == [one.manifest.media_type for one in found]
    told = content["annotations"]
    assert all(first[name] == second[name] == value for name, value in told.items())
    assert not {"io.noxlib.fingerprint", "theirs"} & told.keys()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["platform", "digest", "os"]), inner),
    max_leaves=9,
)


@given(_JSON)
def test_whatever_a_registry_calls_an_index_has_parts_with_digests_or_none(manifests: Any) -> None:
    body = json.dumps({"manifests": manifests}).encode()
    assert all(DIGEST.fullmatch(digest) for digest in index.parts(Manifest(INDEXES[0], body, "")).values())


def test_the_first_of_two_parts_of_a_platform_counts() -> None:
    entries = [
        {"digest": f"sha256:{number * 64}", "platform": {"os": "linux", "architecture": "arm64"}} for number in "12"
    ]
    assert index.parts(Manifest(INDEXES[1], json.dumps({"manifests": entries}).encode(), "")) == {
        "linux/arm64": entries[0]["digest"]
    }


@given(st.lists(st.builds(part, st.sampled_from([*PLATFORMS, "linux/s390x", ""])), max_size=4))
def test_parts_are_taken_only_where_there_is_one_for_each_of_two_platforms(found: list[Part]) -> None:
    if {one.platform for one in found} == set(PLATFORMS):
        index.check(found)
        return
    with pytest.raises(PlaceError) as caught:
        index.check(found)
    assert caught.value.todo


def test_an_image_that_tells_no_recipe_is_not_told_apart_by_it() -> None:
    known, other = {index.RECIPE: "a" * 64}, {index.RECIPE: "b" * 64}
    index.check([part(PLATFORMS[0], known), part(PLATFORMS[1], known)])
    index.check([part(PLATFORMS[0], known), part(PLATFORMS[1])])
    index.check([part(PLATFORMS[0]), part(PLATFORMS[1], known)])
    with pytest.raises(PlaceError, match="of another recipe"):
        index.check([part(PLATFORMS[0], known), part(PLATFORMS[1], other)])


def test_a_fingerprint_is_of_one_platform_and_a_recipe_of_all() -> None:
    same: dict[str, Any] = {"dockerfile": "FROM a", "python": "3.10", "target": "test"}
    copied = [("setup.py", "0o644", "0" * 64)]
    marks = {
        fingerprint(**same, files=copied, lock_digest="", base_ids={"a": platform}, platform=platform)
        for platform in PLATFORMS
    }
    assert len(marks) == len(PLATFORMS)
    mark = recipe(**same, files=copied)
    assert mark == recipe(**same, files=[*copied, (".git/config", "0o644", "1" * 64)])  # every clone has its own
    assert mark != recipe(**same, files=[*copied, ("b", "0o644", "1" * 64)])
    assert mark != recipe(**{**same, "python": "3.11"}, files=copied)
