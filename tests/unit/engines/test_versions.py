"""A version is looked at once more before it is deleted, against a registry in memory that counts what it is asked."""

from __future__ import annotations

from typing import Optional

from noxlib.engines.registry import PAGE, Registry
from noxlib.engines.versions import RegistryStore, Stored


class Kept(Registry):
    """Digests by tag."""

    def __init__(self, tags: dict[str, str]) -> None:
        super().__init__("127.0.0.1:9/owner/demo", None)
        self.kept = tags
        self.pages = 0

    def digest(self, reference: str) -> Optional[str]:
        return reference if reference in self.kept.values() else self.kept.get(reference)

    def tags(self) -> tuple[str, ...]:
        self.pages += 1 + len(self.kept) // PAGE
        return tuple(self.kept)

    def delete(self, reference: str) -> bool:
        self.kept = {tag: digest for tag, digest in self.kept.items() if digest != reference}
        return True


def test_a_tag_that_was_given_or_moved_since_the_list_is_seen() -> None:
    registry = Kept({"a": "one", "b": "one", "c": "other"})
    store = RegistryStore(registry)
    (first, _) = store.listed()
    assert store.now(first) == Stored("one", ("a", "b"))
    registry.kept["b"] = "other"
    registry.kept["new"] = "one"
    assert store.now(first) == Stored("one", ("a", "new"))
    registry.delete("one")
    assert store.now(first) is None


def test_what_somebody_else_deletes_while_it_is_looked_at_is_gone_and_has_not_moved() -> None:
    class Racing(Kept):
        def tags(self) -> tuple[str, ...]:
            listed = super().tags()
            if self.pages > 1:  # the second list, between the look at the digest and that at its tags
                self.delete("one")
            return listed

    registry = Racing({"a": "one", "b": "other"})
    store = RegistryStore(registry)
    (first, _) = store.listed()
    assert store.now(first) is None


def test_deleting_many_of_many_asks_for_a_page_of_tags_each_and_not_for_all() -> None:
    registry = Kept({f"tag-{number}": f"digest-{number}" for number in range(10 * PAGE)})
    store = RegistryStore(registry)
    listed = store.listed()
    registry.pages = 0
    for stored in listed[: 5 * PAGE]:
        assert store.now(stored) == stored
        store.delete(stored)
    assert 0 < registry.pages <= 6 * PAGE
    registry.kept["new"] = "digest-999"
    tags = [seen.tags for seen in (store.now(listed[999]) for _ in range(10)) if seen is not None]
    assert tags[-1] == ("tag-999", "new")  # at the next list at the latest
