"""What a pull leaves in an engine, with an engine of names alone; the real one: tests/engines/test_publish.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional, cast

import pytest

from noxlib.config.detect import load_project
from noxlib.engines import images
from noxlib.testground.pulled import Puller
from noxlib.testground.remote import Found

IMAGE, DIGEST = "here:5000/demo", "sha256:" + "1" * 64
NAMES = frozenset((f"{IMAGE}:py3.10-main", "demo-testground:py3.10-local", f"{IMAGE}@{DIGEST}", "another:name"))


class World:
    """An engine with one image, and a registry that has it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = set(NAMES)
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
        found = SimpleNamespace(id="sha256:2", tags=tuple(self.names - {*digests}), digests=digests)
        return found if reference in self.names else None


def test_a_fresh_copy_bears_the_names_that_the_old_one_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOXLIB_IMAGE", raising=False)
    world = World(tmp_path, monkeypatch)
    assert world.puller._pulled(Found(DIGEST, "py3.10-main"), fresh=True).id == "sha256:2"
    assert world.names == NAMES
