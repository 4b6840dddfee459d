"""Platforms: one name for each, and whether an image is of one."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import UsageError
from noxlib.testground import foreign, names, platforms


@pytest.mark.parametrize(
    "text", ["linux/arm64", "arm64", "aarch64", "linux/arm64/v8", "LINUX/ARM64", " linux/aarch64 ", "arm64/v8"]
)
def test_a_platform_has_one_name_however_it_is_written(text: str) -> None:
    assert platforms.parse(text) == "linux/arm64"


@given(
    st.text() | st.sampled_from(["", "/", "linux", "linux/", "windows/amd64", "arm/v7", "linux/amd64/v1/x", "a" * 999])
)
def test_every_other_word_is_refused_in_two_short_lines(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert platforms.parse(text) in platforms.PLATFORMS
        return
    with pytest.raises(UsageError) as caught:
        platforms.parse(text)
    assert caught.value.todo
    assert "\n" not in caught.value.what
    assert len(caught.value.what) < 400


@pytest.mark.parametrize(
    ("described", "name"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "unknown", "architecture": "unknown"}, "unknown/unknown"),
        ({"os": "linux"}, ""),
        ({"os": ["linux"], "architecture": {}}, ""),
        ({}, ""),
    ],
)
def test_a_description_of_a_registry_may_be_anything(described: dict[str, object], name: str) -> None:
    assert platforms.of_description(described) == name


@pytest.mark.parametrize(("made_for", "fits"), [("linux/arm64", True), ("linux/arm64/v8", True), ("", True)])
def test_an_image_fits_its_platform_in_whatever_variant(made_for: str, fits: bool) -> None:
    info = ImageInfo("sha256:0", (), (), {}, {}, 0, made_for)
    assert platforms.is_of(info, "linux/arm64") is fits
    assert platforms.is_of(info, "linux/amd64") is (made_for == "")
    assert not platforms.is_of(None, "linux/arm64")


@given(st.text(max_size=300), st.sampled_from(platforms.PLATFORMS))
def test_the_name_of_a_base_of_another_platform_is_a_valid_one_of_its_own(reference: str, platform: str) -> None:
    repository, _, tag = platforms.local_name(reference, platform).rpartition(":")
    assert names.REPOSITORY.fullmatch(repository)
    assert names.TAG.fullmatch(tag)
    assert repository not in {
        platforms.local_name(reference, other) for other in platforms.PLATFORMS if other != platform
    }


@given(
    st.from_regex(r"([a-z0-9]+(:[0-9]{2,5})?/)?[a-z0-9]+(/[a-z0-9]+)?", fullmatch=True),
    st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,20}", fullmatch=True),
)
def test_a_reference_is_split_where_it_was_put_together(name: str, tag: str) -> None:
    digest = "sha256:" + "0" * 64
    assert foreign.split(f"{name}:{tag}") == (name, tag)
    assert foreign.split(name) == (name, "latest")
    assert foreign.split(f"{name}:{tag}@{digest}") == (name, digest)


def test_platforms_are_told_without_what_is_none() -> None:
    assert platforms.told(["linux/arm64", "unknown/unknown", "", "linux/amd64"]) == "linux/amd64 and linux/arm64"
    assert platforms.told([]) == "none"
    assert re.fullmatch(r"linux/\w+ and linux/\w+", platforms.told(platforms.PLATFORMS))
