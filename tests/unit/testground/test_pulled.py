"""What a pull leaves in an engine, with an engine of names alone; the real one: tests/engines/test_publish.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional, cast

import pytest

from noxlib.config.detect import load_project
from noxlib.engines import images
from noxlib.testground.pulled import Puller, known
from noxlib.testground.remote import Found

IMAGE, DIGEST = "here:5000/demo", "sha256:" + "1" * 64
NAMES = frozenset((f"{IMAGE}:py3.10-main", "demo-testground:py3.10-local", f"{IMAGE}@{DIGEST}", "another:name"))


class World:
    """An engine with one image, and a registry that has it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = set(NAMES)
        self.platform = self.native = "linux/amd64"
        monkeypatch.setattr(images, "untag", lambda name, _: self.names.remove(name))
        monkeypatch.setattr(images, "tag", lambda _, name, __: self.names.add(name))
        monkeypatch.setattr(images, "pull", self.pull)
        (folder / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
        registry: Any = SimpleNamespace(image=IMAGE)
        self.puller = Puller(load_project(folder), cast("Any", self), registry, None, lambda _: None)

    def pull(self, reference: str, *_: object) -> None:
        assert self.names == {"another:name"}, "it is pulled anew only where no name of ours holds it"
        self.names.add(reference)

    def image(self, reference: str) -> Optional[SimpleNamespace]:
        digests = tuple(name for name in self.names if "@" in name)
        found = SimpleNamespace(
            id="sha256:2", tags=tuple(self.names - {*digests}), digests=digests, platform="linux/amd64"
        )
        return found if reference in self.names else None


def test_a_fresh_copy_bears_the_names_that_the_old_one_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOXLIB_IMAGE", raising=False)
    world = World(tmp_path, monkeypatch)
    assert world.puller._pulled(Found(DIGEST, "py3.10-main"), fresh=True).id == "sha256:2"
    assert world.names == NAMES


@pytest.mark.parametrize(
    ("word", "names", "reference"),
    [
        ("v1.2.3", (f"{IMAGE}@{DIGEST}",), f"{IMAGE}@{DIGEST}"),
        ("main", (f"{IMAGE}@{DIGEST}",), None),  # it moves
        ("v1.2.3", (), None),  # made here
        ("v1.2.3", (f"{IMAGE}@{DIGEST}", f"{IMAGE}@sha256:{'2' * 64}"), None),  # which of them was released?
    ],
)
def test_a_release_that_is_here_is_known_whatever_was_pulled_after_it(
    word: str, names: tuple[str, ...], reference: Optional[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_IMAGE", IMAGE)
    world = World(tmp_path, monkeypatch)
    world.names = {f"{IMAGE}:py3.10-{word}", *names}
    found = known(load_project(tmp_path), "3.10", word, cast("Any", world))
    assert (found[0].reference if found else None) == reference
    assert found is None or found[0].tags == ("py3.10-v1.2.3",)


def test_a_release_of_a_project_that_publishes_nowhere_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOXLIB_IMAGE", raising=False)
    world = World(tmp_path, monkeypatch)
    assert known(load_project(tmp_path), "3.10", "v1.2.3", cast("Any", world)) is None
