"""What tells an engine of the images in a tar: an OCI image layout, and docker's own ``manifest.json``. Pure.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from noxlib.engines.archiveformat import BLOBS, Descriptor, Image
from noxlib.engines.registryauth import split

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def layer_media(first: bytes) -> str:
    """The media type of a layer that begins with these bytes; engines save them as they keep them."""
    packed = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
    return _LAYER + next((suffix for magic, suffix in packed.items() if first.startswith(magic)), "")


def describe(images: Mapping[str, Image]) -> dict[str, bytes]:
    """The members that describe images, by the name that each is to get; ``manifest.json`` is the last one."""
    manifests = {reference: _json(_manifest(image)) for reference, image in images.items()}
    blobs = {BLOBS + hashlib.sha256(data).hexdigest(): data for data in manifests.values()}
    entries = [_entry(reference, data) for reference, data in manifests.items()]
    return {
        **dict(sorted(blobs.items())),
        "index.json": _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "manifest.json": _json([_of_docker(reference, image) for reference, image in images.items()]),
    }


def _manifest(image: Image) -> dict[str, Any]:
    layers = [_descriptor(layer) for layer in image.layers]
    return {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(image.config), "layers": layers}


def _descriptor(blob: Descriptor) -> dict[str, Any]:
    return {"mediaType": blob.media, "digest": blob.digest, "size": blob.size}


def _entry(reference: str, manifest: bytes) -> dict[str, Any]:
    image, _, tag = reference.rpartition(":")
    names = {"io.containerd.image.name": f"{'/'.join(split(image))}:{tag}", "org.opencontainers.image.ref.name": tag}
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    return {"mediaType": _MANIFEST, "digest": digest, "size": len(manifest), "annotations": names}


def _of_docker(reference: str, image: Image) -> dict[str, Any]:
    layers = [layer.name for layer in image.layers]
    return {"Config": image.config.name, "RepoTags": [reference], "Layers": layers}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
