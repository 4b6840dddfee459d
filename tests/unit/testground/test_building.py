"""Where another builder than the engine's own gets a base image from, and when it is not taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Optional, cast

import pytest

from noxlib.engines import builders
from noxlib.engines.imageinfo import image_info
from noxlib.testground import building

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.testground.recipe import Order

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def info(*digests: str) -> ImageInfo:
    return image_info({"Id": DIGEST, "RepoDigests": list(digests)})


@pytest.mark.parametrize(
    ("source", "digests", "found"),
    [
        ("python:3.10-slim", (f"python@{DIGEST}",), f"python@{DIGEST}"),
        ("docker.io/library/python:3.10-slim", (f"python@{DIGEST}",), f"python@{DIGEST}"),
        ("here:5000/python", (f"python@{OTHER}", f"here:5000/python@{DIGEST}"), f"here:5000/python@{DIGEST}"),
        (f"ghcr.io/o/a@{DIGEST}", (f"ghcr.io/o/a@{DIGEST}",), f"ghcr.io/o/a@{DIGEST}"),
        ("python:3.10-slim", (f"mirror.example.org/python@{DIGEST}",), None),
        ("python:3.10-slim", (), None),
    ],
)  # fmt: skip
def test_a_base_is_named_by_the_digest_that_its_own_registry_has(
    source: str, digests: tuple[str, ...], found: Optional[str]
) -> None:
    assert building.by_digest(source, info(*digests)) == found


def order(*, own: bool = False, again: bool = False, **bases: ImageInfo) -> Order:
    config = SimpleNamespace(mirrors={"docker.io/library/mirrored": "mirror.example.org/mirrored"})
    return cast(
        "Order",
        SimpleNamespace(
            bases=bases, project=SimpleNamespace(config=config), recipe=SimpleNamespace(own=own), again=again
        ),
    )


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    monkeypatch.setattr(builders, "chosen", lambda _: "far")
    return cast("Docker", None)


def test_another_builder_takes_each_base_by_its_digest_under_the_name_of_the_dockerfile(docker: Docker) -> None:
    digest = f"mirror.example.org/mirrored@{DIGEST}"
    bases: dict[str, Any] = {"mirrored": info(digest), "python": info(f"python@{OTHER}")}
    of_python = f"python@{OTHER}"
    assert building._elsewhere(order(**bases), docker) == (
        "far",
        {"mirror.example.org/mirrored": digest, "python": of_python},
    )
    assert building._elsewhere(order(own=True, **bases), docker) == ("far", {"mirrored": digest, "python": of_python})


def test_a_base_that_no_registry_has_is_built_on_by_the_engines_own_builder_which_is_told(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert building._elsewhere(order(python=info(f"python@{OTHER}"), made=info()), docker) is None
    assert "made is in this engine alone, so its own builder is taken, and not far" in capsys.readouterr().out


def test_what_is_compared_with_the_published_is_built_by_the_engines_own(docker: Docker) -> None:
    assert building._elsewhere(order(again=True, python=info(f"python@{OTHER}")), docker) is None
