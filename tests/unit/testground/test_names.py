"""Names of images and tags: valid for OCI whatever they are made from, and never two for one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxlib.config.models import Config
from noxlib.errors import ConfigError
from noxlib.testground import names

hostile = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="./:@-_ ;$()`'\"\n\0aZ9é", max_size=300),
    st.sampled_from(["", ".", "-", "--rm", "$(touch x)", "a" * 300, "feat/a", "feat-a", "../../etc", "\udcff"]),
)


@given(hostile)
def test_a_tag_follows_the_grammar_of_oci_whatever_the_name(name: str) -> None:
    assert names.TAG.fullmatch(names.tag("3.10", name))


@given(hostile, hostile)
@example("feat/a", "feat-a-d54ad782")  # the second is what sanitising makes of the first
def test_two_names_never_share_a_tag(one: str, other: str) -> None:
    assert (names.tag("3.10", one) == names.tag("3.10", other)) == (one == other)
    assert (names.tag("3.10", names.branch(one)) == names.tag("3.10", names.branch(other))) == (one == other)


def test_a_name_that_is_valid_stays_as_it_is() -> None:
    assert names.tag("3.10", "v1.2_rc-3") == "py3.10-v1.2_rc-3"


def test_feat_slash_a_and_feat_dash_a_are_two_tags() -> None:
    assert names.tag("3.10", "feat/a") != names.tag("3.10", "feat-a") == "py3.10-feat-a"


def test_what_sanitising_makes_of_a_branch_is_an_identifier_that_stays_as_it_is() -> None:
    assert names.branch("feat/a") == "feat-a-d54ad782"
    assert names.tag("3.10", names.branch("feat/a")) == "py3.10-feat-a-d54ad782"


def test_names_of_300_characters_that_differ_at_their_end_differ_as_tags() -> None:
    assert names.tag("3.10", "x" * 299 + "a") != names.tag("3.10", "x" * 299 + "b")


def test_the_fingerprint_tag_holds_16_digits() -> None:
    assert names.fingerprint_tag("pypy3.11", "0123456789abcdef" * 4) == "pypypy3.11-fp-0123456789abcdef"


@given(hostile)
def test_a_local_name_follows_the_grammar_of_repositories(project: str) -> None:
    assert names.REPOSITORY.fullmatch(names.local_name(project))


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Some-Owner/demo.git",
        "https://github.com/Some-Owner/demo",
        "git@github.com:Some-Owner/demo.git",
        "ssh://git@github.com/Some-Owner/demo.git",
        "https://user:token@github.com/Some-Owner/demo/",
    ],
)
def test_the_published_name_is_lower_case_below_the_owner(url: str) -> None:
    assert names.image_name("Demo", url, Config()) == "ghcr.io/some-owner/demo-testground"


def test_without_an_owner_the_name_is_the_local_one() -> None:
    assert names.image_name("demo", "https://example.org/x/demo.git", Config()) == "demo-testground"


def test_a_configured_image_is_taken_as_it_is() -> None:
    assert names.image_name("demo", None, Config(image="localhost:5000/a/b")) == "localhost:5000/a/b"


@pytest.mark.parametrize("image", ["Upper/Case", "a b", "a:tag", "a@sha256:0", "-x", "https://ghcr.io/a", "a//b", ""])
def test_a_configured_image_that_is_no_name_is_refused(image: str) -> None:
    with pytest.raises(ConfigError, match="image"):
        names.image_name("demo", None, Config(image=image))
