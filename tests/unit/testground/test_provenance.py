"""What goes beside a published image where not all of it can: the publishing itself has not failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxlib.engines import referrers
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import EngineError
from noxlib.testground import attachments, lock, remote
from noxlib.testground.locked import Contents, digest
from noxlib.testground.provenance import Completing
from tests.oci_server import Oci, serving, sha256

KEY = "ab" * 32
NAME = "pylock.toml"


@pytest.fixture
def oci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Oci]:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    with serving(Oci(referrers=True)) as world:
        yield world


def no_engine() -> Docker:
    raise EngineError("no engine answers", "start one")


def locked(folder: Path, text: str) -> str:
    """Put a lock in the place of its key; the digest of its files."""
    folder.mkdir()
    (folder / NAME).write_text(text)
    checksum = digest(folder, (NAME,))
    lock.install(folder, Contents((NAME,), (), "resolved", checksum), KEY)
    return checksum


def image(oci: Oci, labels: dict[str, str]) -> Manifest:
    config = json.dumps({"config": {"Labels": labels}}).encode()
    oci.blobs[sha256(config)] = config
    body = json.dumps({"schemaVersion": 2, "config": {"digest": sha256(config)}}).encode()
    oci.manifests[sha256(body)] = (referrers.IMAGE, body)
    return Manifest(referrers.IMAGE, body, sha256(body))


def completing(oci: Oci, said: list[str]) -> Completing:
    return Completing("demo", "3.10", Registry(f"{oci.host}/o/demo", None, attempts=1), None, no_engine, said.append)


def test_without_an_engine_the_lock_is_attached_and_the_rest_is_told(oci: Oci, tmp_path: Path) -> None:
    checksum = locked(tmp_path / "made", "x = 1\n")
    published = image(oci, {"io.noxlib.lock": KEY, "io.noxlib.lock-digest": checksum})
    said: list[str] = []
    mine = completing(oci, said)
    mine.complete(published)
    assert attachments.types(mine.registry, published.digest) == {attachments.LOCK}
    assert len(said) == 1
    assert "the next publishing adds it: no engine answers" in said[0]
    assert remote.labels(mine.registry, published)["io.noxlib.lock"] == KEY


def test_a_lock_that_the_image_was_not_built_from_is_not_attached(oci: Oci, tmp_path: Path) -> None:
    locked(tmp_path / "made", "resolved here, later\n")
    published = image(oci, {"io.noxlib.lock": KEY, "io.noxlib.lock-digest": "0" * 64})
    mine = completing(oci, [])
    mine.attach_lock(published)
    assert attachments.types(mine.registry, published.digest) == frozenset()


@pytest.mark.parametrize("code", [401, 403, 500])
def test_a_registry_that_refuses_attachments_is_told_and_fails_only_what_was_asked_for(oci: Oci, code: int) -> None:
    published = image(oci, {})
    oci.refusing = lambda _method, path: code if "referrers" in path else None
    said: list[str] = []
    completing(oci, said).complete(published)
    assert ["not all is attached" in line for line in said] == [True]
    with pytest.raises(EngineError):
        completing(oci, said).complete(published, sif=True)


def test_an_index_has_nothing_of_its_own(oci: Oci) -> None:
    said: list[str] = []
    completing(oci, said).complete(Manifest(referrers.INDEX, b"{}", sha256(b"{}")))
    assert (said, oci.asked) == ([], [])


def test_who_comes_later_takes_the_published_lock_in_the_place_of_the_own_one(oci: Oci, tmp_path: Path) -> None:
    checksum = locked(tmp_path / "first", "published\n")
    published = image(oci, {"io.noxlib.lock": KEY, "io.noxlib.lock-digest": checksum})
    mine = completing(oci, [])
    mine.attach_lock(published)
    locked(tmp_path / "second", "resolved here, later\n")
    mine.complete(published)
    here = lock.by_key(KEY)
    assert here is not None
    assert (here.folder / NAME).read_text() == "published\n"
