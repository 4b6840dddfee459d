"""A machine that was given a testground needs none of the images that it was built on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noxlib.config.detect import load_project
from noxlib.engines.docker import Docker
from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import BuildError
from noxlib.testground import bases, image, recipe
from noxlib.testground.locked import Lock

BASE = "base:1"


class Engine:
    """Images by reference, as far as these functions ask."""

    platform = native = "linux/amd64"

    def __init__(self) -> None:
        self.known: dict[str, ImageInfo] = {}

    def image(self, reference: str) -> ImageInfo | None:
        return self.known.get(reference)

    def images(self, labels: dict[str, str]) -> list[dict[str, Any]]:
        def bears(info: ImageInfo) -> bool:
            return all(info.labels.get(name) == value or not value for name, value in labels.items())

        return [{"Labels": info.labels} for info in self.known.values() if bears(info)]

    def add(self, reference: str, number: str, **labels: str) -> ImageInfo:
        told = {f"io.noxlib.{name}": value for name, value in labels.items()}
        self.known[reference] = ImageInfo(f"sha256:{number}", (), (f"{reference}@sha256:d{number}",), told, {}, 1, "")
        return self.known[reference]


class Asked:
    """One project's question for its testground."""

    def __init__(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
        (folder / "Dockerfile.test").write_text(f"ARG PYTHON_VERSION\nFROM {BASE}\n")
        self.engine = Engine()
        self.docker = cast("Docker", self.engine)
        self.project = load_project(folder)
        self.lock = cast("Lock", SimpleNamespace(digest="", key="k", source="dockerfile"))

    def fingerprint(self) -> str:
        return image.wanted(self.project, "3.10", self.lock, self.docker)

    def testground(self) -> image.Testground:
        return image.find_or_build(self.project, "3.10", self.lock, self.docker, build=False)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def loaded(asked: Asked, number: str) -> str:
    """The fingerprint of a testground that another machine built on a base of its own, which is not here."""
    base = asked.engine.add(BASE, number)
    mark = asked.fingerprint()
    del asked.engine.known[BASE]
    label = bases.label({BASE: base})
    asked.engine.add(f"a-testground:py3.10-fp-{mark[:16]}", f"0{number}", fingerprint=mark, bases=label, python="3.10")
    return mark


def test_a_testground_that_was_loaded_is_found_without_its_base(asked: Asked) -> None:
    mark = loaded(asked, "1")
    found = asked.testground()
    assert (found.fingerprint, found.id, found.base_digest) == (mark, "sha256:01", "sha256:d1")


def test_among_several_the_one_that_this_checkout_declares_is_found(asked: Asked) -> None:
    loaded(asked, "1")
    (asked.project.root / "Dockerfile.test").write_text(f"ARG PYTHON_VERSION\nFROM {BASE}\nENV A=1\n")
    mark = loaded(asked, "2")
    assert asked.testground().fingerprint == mark


@pytest.mark.parametrize("change", ["ENV A=1", "FROM other:1"])
def test_a_checkout_that_declares_something_else_is_not_given_it(asked: Asked, change: str) -> None:
    loaded(asked, "1")
    with (asked.project.root / "Dockerfile.test").open("a") as file:
        file.write(f"{change}\n")
    with pytest.raises(BuildError, match="the base image base:1 is not here"):
        asked.testground()


def test_a_base_that_is_here_counts_before_anything_that_labels_tell(asked: Asked) -> None:
    mark = loaded(asked, "1")
    asked.engine.add(BASE, "2")
    assert asked.fingerprint() != mark


@pytest.mark.parametrize("label", ["", "[]", "{", '{"base:1": 3}', '{"base:1": {"id": 3}}'])
def test_a_label_of_somebody_elses_is_none(asked: Asked, label: str) -> None:
    asked.engine.add("x", "1", fingerprint="f", bases=label, python="3.10")
    assert list(bases.told("3.10", asked.docker)) == []


def test_bases_are_pulled_once_more_where_a_registry_knows_them(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[str] = []
    monkeypatch.setattr(bases, "_pull", lambda source, _: pulled.append(source))
    planned = recipe.of(asked.project, "3.10", asked.lock)
    bases.renew(planned, asked.project, asked.docker)
    assert pulled == []  # it is not here: whoever asks for it pulls it
    asked.engine.known[BASE] = ImageInfo("sha256:1", (), (), {}, {}, 1, "")
    bases.renew(planned, asked.project, asked.docker)
    assert pulled == []  # it was made on this machine
    asked.engine.add(BASE, "2")
    bases.renew(planned, asked.project, asked.docker)
    assert pulled == [BASE]
