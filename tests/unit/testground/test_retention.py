"""What a clean-up keeps and deletes: pure rules over what is published."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Optional

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.config.models import RetentionConfig
from noxlib.errors import UsageError
from noxlib.testground import retention, retention_plan, retention_rules
from noxlib.testground.retention import Version
from noxlib.testground.retention_plan import Plan
from noxlib.testground.retention_rules import DAY, Rules

NOW = 1_800_000_000.0
#: 500, fewer under ``portable``, more under ``explore``, which is the nightly one.
EXAMPLES = 5 * settings().max_examples if settings().derandomize else 10_000
COMMIT = "c" * 40
FOREVER = math.inf
#: Tag, days for which it is kept. Written down again by hand: what the rules say in words.
LIVES: dict[str, float] = {
    "py3.10-v1.2.3": FOREVER,
    "py3.10-latest": FOREVER,
    "py3.10-main": 90,
    "py3.9-main": 90,
    "py3.10-feat-a": 30,
    "py3.10-vm-support": 30,
    f"py3.10-{COMMIT}": 30,
    "py3.10-pr-12": 7,
    "py3.10-fp-0123456789abcdef": 1,
    "py3.10-local": 1,
    "buildcache-py3.10": FOREVER,
    "py3.10-buildcache": FOREVER,
    "v1.0": FOREVER,
    "py3.10": FOREVER,
}
#: The same for the floor: Python and class.
GROUPS: dict[str, str] = {
    "py3.10-v1.2.3": "3.10 release",
    "py3.10-latest": "3.10 release",
    "py3.10-main": "3.10 main",
    "py3.9-main": "3.9 main",
    "py3.10-feat-a": "3.10 branch",
    "py3.10-vm-support": "3.10 branch",
    f"py3.10-{COMMIT}": "3.10 sha",
    "py3.10-pr-12": "3.10 pr",
}
NO_FLOOR = Rules(keep_last=0)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def version(
    letter: str, *tags: str, days: Optional[float] = 400, children: str = "", subject: str = "", missing: str = ""
) -> Version:
    return Version(
        digest(letter),
        tags,
        None if days is None else NOW - days * DAY,
        children=tuple(map(digest, children)),
        subject=digest(subject) if subject else "",
        missing=tuple(map(digest, missing)),
    )


def actions(*versions: Version, rules: Rules = NO_FLOOR, a_tag_stays: bool = False) -> dict[str, str]:
    decided = retention.decide(versions, rules, NOW, a_tag_stays=a_tag_stays)
    return {decision.digest[7]: decision.action for decision in decided}


@pytest.mark.parametrize(("tag", "days"), LIVES.items())
def test_a_tag_is_kept_for_so_many_days(tag: str, days: float) -> None:
    assert actions(version("d", tag, days=min(days, 10_000) - 0.01)) == {"d": "keep"}
    assert actions(version("d", tag, days=min(days, 10_000) + 0.01)) == {"d": "keep" if days > 10_000 else "delete"}


def test_what_does_not_say_its_age_is_kept() -> None:
    assert actions(version("d", "py3.10-pr-1", days=None)) == {"d": "keep"}


def test_what_was_made_in_the_future_is_kept_and_is_nobodys_newest() -> None:
    tomorrow, today = version("d", "py3.10-main", days=-3), version("e", "py3.10-main", days=100)
    assert actions(tomorrow, today, rules=Rules(keep_last=1)) == {"d": "keep", "e": "keep"}


def test_a_fingerprint_holds_nothing_alive() -> None:
    assert actions(version("d", "py3.10-pr-12", "py3.10-fp-0123456789abcdef", days=7.5)) == {"d": "delete"}


def test_a_closed_pull_request_goes_at_once_with_its_fingerprint() -> None:
    young = version("d", "py3.10-pr-12", "py3.10-fp-0123456789abcdef", days=0.1)
    assert actions(young) == {"d": "keep"}
    assert actions(young, rules=Rules(closed=frozenset({12}))) == {"d": "delete"}
    assert actions(young, rules=Rules(closed=frozenset({1, 121}))) == {"d": "keep"}


def test_a_closed_pull_request_does_not_take_another_tag_with_it() -> None:
    both = version("d", "py3.10-pr-12", "py3.10-feat-a", days=10)
    assert actions(both, rules=Rules(keep_last=0, closed=frozenset({12}))) == {"d": "keep"}


def test_the_newest_of_each_python_and_class_stay() -> None:
    old = [version(letter, "py3.10-main", days=100 + number) for number, letter in enumerate("abc")]
    other = version("d", "py3.9-main", days=900)
    assert actions(*old, other, rules=Rules(keep_last=2)) == {"a": "keep", "b": "keep", "c": "delete", "d": "keep"}


def test_parents_go_before_their_children_and_both_before_what_is_attached() -> None:
    parent, child = version("f", "py3.10-pr-2", children="a"), version("a", "py3.10-pr-1")
    signature = version("0", subject="a")
    order = [decision.digest for decision in retention.decide([child, signature, parent], NO_FLOOR, NOW)]
    assert order == [digest("f"), digest("a"), digest("0")]


def test_indexes_in_indexes_hold_their_parts_and_a_circle_ends() -> None:
    top = version("a", "py3.10-v1", children="b")
    middle = version("b", "py3.10-pr-1", children="ca")
    assert actions(top, middle, version("c", "py3.10-pr-2"), version("d", "py3.10-pr-3")) == {
        "a": "keep",
        "b": "keep",
        "c": "keep",
        "d": "delete",
    }


@pytest.mark.parametrize("days", [400, None])
def test_a_part_without_a_tag_goes_with_its_index_and_stays_with_it(days: Optional[float]) -> None:
    part = version("b", days=days)
    assert actions(version("a", "py3.10-pr-1", children="b"), part) == {"a": "delete", "b": "delete"}
    assert actions(version("a", "py3.10-v1", children="b"), part) == {"a": "keep", "b": "keep"}
    assert (
        actions(version("a", "py3.10-pr-1", children="b"), version("c", "py3.10-v1", children="b"), part)["b"] == "keep"
    )


def test_what_has_no_tag_and_is_part_of_nothing_goes_after_a_day() -> None:
    assert actions(version("a", days=0.9)) == {"a": "keep"}
    assert actions(version("a", days=1.1)) == {"a": "delete"}
    assert actions(version("a", days=None)) == {"a": "keep"}


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_a_signature_stays_and_goes_with_its_image(suffix: str) -> None:
    by_tag = version("b", f"sha256-{'a' * 64}{suffix}", days=None)
    by_subject = version("c", days=None, subject="a")
    assert actions(version("a", "py3.10-v1"), by_tag, by_subject) == dict.fromkeys("abc", "keep")
    assert actions(version("a", "py3.10-pr-1"), by_tag, by_subject) == dict.fromkeys("abc", "delete")


def test_an_attestation_of_a_part_of_a_kept_index_stays() -> None:
    index, part = version("a", "py3.10-v1", children="b"), version("b")
    assert actions(index, part, version("c", subject="b"), version("d", subject="c")) == dict.fromkeys("abcd", "keep")


def test_a_tag_that_only_looks_like_a_signatures_is_nobodys_business() -> None:
    assert actions(version("b", "sha256-abc.sig")) == {"b": "keep"}


def test_a_registry_that_gives_up_no_last_tag_keeps_the_newest() -> None:
    old, newer = version("a", "py3.10-pr-1", days=90), version("b", "py3.10-pr-2", days=80)
    assert actions(old, newer, version("c"), a_tag_stays=True) == {"a": "delete", "b": "keep", "c": "delete"}
    assert actions(old, newer, version("d", "py3.10-v1"), a_tag_stays=True) == {
        "a": "delete",
        "b": "delete",
        "d": "keep",
    }


def test_a_broken_index_is_told_and_stays_what_it_is() -> None:
    (decision,) = retention.decide([version("a", "py3.10-v1", children="b", missing="b")], NO_FLOOR, NOW)
    assert (decision.action, decision.missing) == ("keep", (digest("b"),))


letters = st.sampled_from("abcdefgh")
some_versions = st.builds(
    lambda letter, days, children, subject, tags, readable: msgspec.structs.replace(
        version(letter, *tags, days=days, children="".join(children), subject=subject), readable=readable
    ),
    letters,
    st.none() | st.floats(-5, 500),
    st.lists(letters, max_size=2),
    st.just("") | st.just("") | letters,
    st.lists(st.sampled_from(sorted(LIVES)), max_size=3, unique=True),
    st.sampled_from([True] * 19 + [False]),
)
registries = st.lists(some_versions, max_size=8, unique_by=lambda found: found.digest)


@settings(max_examples=EXAMPLES)
@given(registries, st.integers(0, 2), st.booleans(), st.booleans())
def test_decisions_are_those_of_a_simpler_model(
    registry: list[Version], keep_last: int, closed: bool, a_tag_stays: bool
) -> None:
    rules = Rules(keep_last=keep_last, closed=frozenset({12} if closed else ()))
    decided = retention.decide(registry, rules, NOW, a_tag_stays=a_tag_stays)
    gone = {decision.digest for decision in decided if decision.action == "delete"}
    assert gone == expected(registry, keep_last, closed, a_tag_stays)
    assert sorted(decision.digest for decision in decided) == sorted(found.digest for found in registry)
    assert all(decision.reason for decision in decided)


def expected(registry: list[Version], keep_last: int, closed: bool, a_tag_stays: bool) -> set[str]:
    """What goes: all, less what is young, less the floor, less what those hold, until nothing changes."""
    if not all(found.readable for found in registry):
        return set()
    kept = {found.digest for found in registry if is_young(found, registry, closed)}
    if keep_last:
        kept |= {found.digest for found in registry if is_floor(found, registry, keep_last, closed)}
    tagged = [found for found in registry if found.tags]
    if a_tag_stays and tagged and not kept & {found.digest for found in tagged}:
        kept.add(max(tagged, key=lambda found: (found.used or 0, found.digest)).digest)
    while True:
        held = {child for found in registry if found.digest in kept for child in found.children}
        held |= {found.digest for found in registry if found.subject in kept}
        if held <= kept:
            return {found.digest for found in registry} - kept
        kept |= held


def is_young(found: Version, registry: list[Version], closed: bool) -> bool:
    """By its own age and tags."""
    is_part = any(found.digest in other.children or found.subject == other.digest for other in registry)
    own = [tag for tag in found.tags if LIVES[tag] != 1]
    if (is_part and not own) or found.used is None:
        return not is_part or bool(own)
    days = (NOW - found.used) / DAY
    if not own:
        return days <= 1
    return any(days <= (-1 if closed and tag == "py3.10-pr-12" else LIVES[tag]) or LIVES[tag] == FOREVER for tag in own)


def is_floor(found: Version, registry: list[Version], keep_last: int, closed: bool) -> bool:
    """One of the newest of a Python and class."""
    groups = {tag: group for tag, group in GROUPS.items() if not (closed and tag == "py3.10-pr-12")}
    for group in {groups[tag] for tag in found.tags if tag in groups}:
        rivals = [
            other
            for other in registry
            if other.used is not None and other.used <= NOW and any(groups.get(tag) == group for tag in other.tags)
        ]
        if found in sorted(rivals, key=lambda other: (-(other.used or 0), other.digest))[:keep_last]:
            return True
    return False


def test_the_rules_are_those_of_the_configuration() -> None:
    assert retention_rules.of_config(RetentionConfig()) == Rules()
    assert retention_rules.of_config(RetentionConfig(main="1 week", keep_last=3)) == Rules(main=7.0, keep_last=3)


@pytest.mark.parametrize(
    ("tag", "number"),
    [
        ("py3.10-pr-12", 12),
        ("py3.10-pr-012", None),
        ("pr-12", None),
        ("py3.10-pr-" + "9" * 30, None),
        ("py3.10-x", None),
    ],
)
def test_a_tag_names_a_pull_request(tag: str, number: Optional[int]) -> None:
    assert retention_rules.number(tag) == number


def a_plan() -> Plan:
    decided = retention.decide([version("a", "py3.10-pr-1"), version("b", "py3.10-v1")], Rules(), NOW)
    return Plan("ghcr.io/o/n", "2026-01-01T00:00:00Z", Rules(closed=frozenset({1})), decided)


def test_a_plan_is_json_with_a_line_a_version_and_reads_as_it_was_written(tmp_path: Path) -> None:
    path, plan = tmp_path / "plan.json", a_plan()
    retention_plan.write(path, plan)
    text = path.read_text()
    assert [version["digest"][7] for version in json.loads(text)["versions"]] == ["a", "b"]
    assert [line.count('"digest"') for line in text.splitlines()] == [0, 1, 1, 0]
    assert retention_plan.read(path, "ghcr.io/o/n", "cleanup") == plan


def test_a_plan_without_versions_is_json_too(tmp_path: Path) -> None:
    retention_plan.write(tmp_path / "p", Plan("i", "t", Rules(), ()))
    assert json.loads((tmp_path / "p").read_text())["versions"] == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"image": 1}', "\0", '{"versions": [{"digest": "x"}]}', "[" * 100_000, "\ud800"],
    ids=range(8),
)
def test_what_is_no_plan_is_refused_in_two_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(UsageError, match="cannot be read"):
        retention_plan.read(path, "ghcr.io/o/n", "cleanup")


def test_a_plan_that_names_a_version_twice_is_refused(tmp_path: Path) -> None:
    plan = a_plan()
    retention_plan.write(tmp_path / "p", Plan(plan.image, plan.made, plan.rules, plan.versions * 2))
    with pytest.raises(UsageError, match="twice"):
        retention_plan.read(tmp_path / "p", plan.image, "cleanup")


def test_a_plan_of_another_repository_is_refused(tmp_path: Path) -> None:
    retention_plan.write(tmp_path / "p", a_plan())
    with pytest.raises(UsageError, match=r"is about ghcr\.io/o/n"):
        retention_plan.read(tmp_path / "p", "ghcr.io/o/other", "cleanup")
