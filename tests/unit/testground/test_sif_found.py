"""Which attached Apptainer image is a testground's own, whatever kind of engine names that."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noxlib.engines import blobs, referrers
from noxlib.engines.referrers import Part
from noxlib.engines.registry import IMAGES, Manifest, sha256
from noxlib.testground import attachments, names, remote, sif_found

FINGERPRINT = "0123456789abcdef" * 4
CONFIGURATION = sha256(b"a configuration")
BODY = json.dumps({"config": {"digest": CONFIGURATION}}).encode()
PUBLISHED = Manifest(IMAGES[0], BODY, sha256(BODY))
PART = Part(attachments.SIF, sha256(b"SIF"), 3, {})


@pytest.fixture(autouse=True)
def attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that has the content with an Apptainer image, which is nowhere else."""
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    tags = {names.fingerprint_tag("3.10", FINGERPRINT): PUBLISHED}
    monkeypatch.setattr(remote, "image_of", lambda _: "owner/demo")
    monkeypatch.setattr(remote, "open_registry", lambda _: SimpleNamespace(image="owner/demo", manifest=tags.get))
    monkeypatch.setattr(referrers, "of", lambda _, digest, kind: (kind,) if digest == PUBLISHED.digest else ())
    monkeypatch.setattr(referrers, "parts", lambda *_: (PART,))
    monkeypatch.setattr(blobs, "stream", lambda *_: iter((b"SIF",)))


@pytest.mark.parametrize(
    ("own", "is_found"),
    [(CONFIGURATION, True), (PUBLISHED.digest, True), (sha256(b"another build of the same content"), False)],
    ids=["by its configuration", "by its manifest, as in containerd's store", "another one"],
)
def test_what_is_attached_to_the_very_image_is_found(own: str, *, is_found: bool) -> None:
    testground: Any = SimpleNamespace(python="3.10", fingerprint=FINGERPRINT, id=own)
    found = sif_found.find(SimpleNamespace(), testground)  # type: ignore[arg-type]
    assert (b"".join(found.pieces) if found else None) == (b"SIF" if is_found else None)
