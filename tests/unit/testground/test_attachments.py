"""A lock goes to a registry and comes back; whoever could write there may have changed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from noxlib import atomic
from noxlib.engines import blobs, referrers
from noxlib.engines.referrers import TITLE, Part
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import EngineError
from noxlib.testground import attachments, lock, provenance
from noxlib.testground.inventory import Inventory, Package
from noxlib.testground.locked import Contents, Lock, digest
from noxlib.testground.sbom import Described
from tests.oci_server import Oci, serving, sha256

KEY = "ab" * 32
BODY = b'{"schemaVersion": 2, "config": {}}'
IMAGE = Manifest(referrers.IMAGE, BODY, sha256(BODY))
FILES = {"pylock.toml": "lock-version = '1.0'\n", "reqs/more.txt": "a==1\n", "pylock.build.toml": "build = 1\n"}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(referrers, "_PAUSE", 0.0)
    with serving(Oci(referrers=True)) as world:
        yield Registry(f"{world.host}/owner/demo", None, attempts=1)


@pytest.fixture
def made(tmp_path: Path) -> Lock:
    folder = tmp_path / "made"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Lock(
        KEY, folder, ("pylock.toml", "reqs/more.txt"), ("pylock.build.toml",), "resolved", digest(folder, tuple(FILES))
    )


def labels(locked: Lock) -> dict[str, str]:
    created = "2024-05-06T07:08:09Z"
    return {
        "io.noxlib.lock": locked.key,
        "io.noxlib.lock-digest": locked.digest,
        "org.opencontainers.image.created": created,
    }


def test_a_lock_comes_back_as_it_was_and_takes_the_place_of_another(registry: Registry, made: Lock) -> None:
    first = attachments.attach_lock(registry, IMAGE, made, labels(made))
    assert attachments.attach_lock(registry, IMAGE, made, labels(made)) == first
    found = attachments.find_lock(registry, IMAGE.digest, labels(made))
    assert found is not None
    assert msgspec.structs.replace(found, folder=made.folder) == made
    assert {name: (found.folder / name).read_text() for name in FILES} == FILES
    assert lock.by_key(KEY) == found
    (found.folder / "pylock.toml").write_text("what was resolved here")
    other = Contents(("pylock.toml",), (), "resolved", "0" * 64)
    atomic.write(found.folder / "lock.json", atomic.to_json(other))
    again = attachments.find_lock(registry, IMAGE.digest, labels(made))
    assert again == found
    assert (found.folder / "pylock.toml").read_text() == FILES["pylock.toml"]


def test_what_is_here_already_is_not_asked_for(registry: Registry, made: Lock) -> None:
    lock.install(made.folder, Contents(made.files, made.build_files, made.source, made.digest), KEY)
    nobody = Registry("127.0.0.1:9/owner/demo", None, attempts=1)
    assert attachments.find_lock(nobody, IMAGE.digest, labels(made)) is not None


def test_without_a_lock_there_is_none(registry: Registry, made: Lock) -> None:
    assert attachments.find_lock(registry, IMAGE.digest, labels(made)) is None
    assert attachments.find_sbom(registry, IMAGE.digest) is None


@pytest.mark.parametrize(
    "change", [{"io.noxlib.lock": "cd" * 32}, {"io.noxlib.lock-digest": "0" * 64}, {"io.noxlib.lock": "../x"}]
)
def test_a_lock_of_another_image_is_refused_in_two_lines(
    registry: Registry, made: Lock, change: dict[str, str]
) -> None:
    attachments.attach_lock(registry, IMAGE, made, labels(made))
    with pytest.raises(EngineError, match="is not the one that it was built from") as caught:
        attachments.find_lock(registry, IMAGE.digest, {**labels(made), **change})
    assert len(str(caught.value).splitlines()) == 2
    assert lock.by_key("cd" * 32) is None
    said: list[str] = []
    assert provenance.take_lock(registry, IMAGE.digest, {**labels(made), **change}, said.append) is None
    assert ["its lock is not taken" in line for line in said] == [True]


def attach(registry: Registry, files: dict[str, bytes]) -> None:
    parts = [Part("text/plain", blobs.send(registry, data), len(data), {TITLE: name}) for name, data in files.items()]
    referrers.attach(registry, IMAGE, attachments.LOCK, parts, {"io.noxlib.lock": KEY})


def described(*names: str, checksum: str = "0" * 64) -> bytes:
    return atomic.to_json(Contents(names, (), "resolved", checksum))


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"lock.json": b"{"},
        {"lock.json": b'{"files": 3}'},
        {"lock.json": described("pylock.toml")},
        {"lock.json": described("../escaped"), "../escaped": b"x"},
        {"lock.json": described("/tmp/escaped"), "/tmp/escaped": b"x"},
        {"lock.json": described("a/../../escaped"), "a/../../escaped": b"x"},
        {"lock.json": described("lock.json")},
        {"lock.json": described("a\0b"), "a\0b": b"x"},
        {"lock.json": described("pylock.toml"), "pylock.toml": b"changed"},
    ],
)
def test_a_damaged_or_hostile_lock_is_refused_and_nothing_of_it_stays(
    registry: Registry, tmp_path: Path, files: dict[str, bytes]
) -> None:
    attach(registry, files)
    with pytest.raises(EngineError) as caught:
        attachments.find_lock(registry, IMAGE.digest, {"io.noxlib.lock": KEY})
    assert caught.value.cause == "damaged"
    assert lock.by_key(KEY) is None
    assert not list(tmp_path.rglob("escaped"))


def test_an_sbom_comes_back_as_the_inventory_that_it_was_made_of(registry: Registry) -> None:
    inventory = Inventory((Package("pypi", "iniconfig", "2.0.0"),), "3.10.14", "debian 12", 12)
    made = attachments.attach_sbom(registry, IMAGE, inventory, Described("demo", "3.10", IMAGE.digest), {})
    assert attachments.attach_sbom(registry, IMAGE, inventory, Described("demo", "3.10", IMAGE.digest), {}) == made
    assert attachments.find_sbom(registry, IMAGE.digest) == inventory
    assert attachments.types(registry, IMAGE.digest) == {attachments.SBOM}


def test_an_sbom_without_a_document_is_told_as_damaged(registry: Registry) -> None:
    referrers.attach(registry, IMAGE, attachments.SBOM, [])
    with pytest.raises(EngineError, match=r"SBOM attached to .* is damaged"):
        attachments.find_sbom(registry, IMAGE.digest)


def test_an_apptainer_image_is_attached_with_the_type_that_apptainer_knows(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "demo.sif"
    file.write_bytes(b"SIF_MAGIC")
    made = attachments.attach_sif(registry, IMAGE, file, "demo.sif", {})
    (part,) = referrers.parts(registry, made, IMAGE.digest)
    assert (made.artifact_type, part.media_type, part.title) == (attachments.SIF, attachments.SIF, "demo.sif")
