"""Archives of a small project's two testgrounds, made of what docker and podman save."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from hashlib import sha256

import zstandard

from noxlib.engines import archivewriter, frames
from noxlib.engines.archive import Archive
from noxlib.engines.archiveformat import Contents, Image
from noxlib.engines.saved import Saved

LAYERS = (b"the base" * 9000, b"of one Python" * 3000, b"of another" * 2500)
REFERENCES = {"3.10": "demo-testground:py3.10-fp-0", "3.11": "demo-testground:py3.11-fp-1"}
OWN = {"3.10": LAYERS[:2], "3.11": (LAYERS[0], LAYERS[2])}
CONFIGS = {python: json.dumps({"config": {"Labels": {"python": python}}}).encode() for python in OWN}


def tar_of(members: dict[str, bytes], time: int = 1, links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(data), time, time
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return out.getvalue()


def manifest(names: dict[bytes, str], prefix: str = "") -> bytes:
    return json.dumps(
        [
            {"Config": names[CONFIGS[p]], "RepoTags": [prefix + REFERENCES[p]], "Layers": [names[b] for b in OWN[p]]}
            for p in OWN
        ]
    ).encode()


def by_digest() -> dict[bytes, str]:
    return {data: f"blobs/sha256/{sha256(data).hexdigest()}" for data in (*LAYERS, *CONFIGS.values())}


def saved_by_docker(time: int = 1) -> bytes:
    names = by_digest()
    extra = {"index.json": b"{}", "blobs/sha256/" + "0" * 64: b"of an older form"}
    files = {name: data for data, name in sorted(names.items(), key=lambda item: item[1])}
    return tar_of({**files, **extra, "manifest.json": manifest(names)}, time)


def saved_by_podman() -> bytes:
    names = {data: f"{sha256(data).hexdigest()}.{'json' if data[:1] == b'{' else 'tar'}" for data in by_digest()}
    return tar_of(
        {**{name: data for data, name in names.items()}, "manifest.json": manifest(names, "localhost/")},
        links={"0/layer.tar": "../x.tar"},
    )


def saved_by_an_old_docker() -> bytes:
    """A layer that two images share is a link in the second."""
    names = {data: f"{number}/layer.tar" for number, data in enumerate(LAYERS)}
    names.update({data: f"{sha256(data).hexdigest()}.json" for data in CONFIGS.values()})
    files = {name: data for data, name in names.items()}
    listed = json.loads(manifest(names))
    listed[1]["Layers"][0] = "9/layer.tar"
    return tar_of({**files, "manifest.json": json.dumps(listed).encode()}, links={"9/layer.tar": "../0/layer.tar"})


def chunks(data: bytes, size: int = 700) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def packed(*tars: bytes, project: str = "demo", level: int = frames.LEVEL) -> bytes:
    out = io.BytesIO()
    with tempfile.TemporaryFile() as aside:
        found = Saved(map(chunks, tars), aside, level)
        every = tuple(Image(p, REFERENCES[p], "0" * 64, *found.image(REFERENCES[p])) for p in OWN)
        blobs = {blob.name: blob.digest for image in every for blob in (image.config, *image.layers)}
        pieces = {name: found.pieces[digest] for name, digest in blobs.items()}
        archivewriter.write(out, Contents(project, every, level=level), pieces, aside)
    return out.getvalue()


WHOLE = packed(saved_by_docker())
PLAIN = packed(saved_by_docker(), level=0)


def opened(data: bytes) -> Archive:
    return Archive(io.BytesIO(data), "x.tar.zst")


def verified(data: bytes) -> Contents:
    """What it says is in it, each byte checked."""
    found = opened(data)
    found.check(found.contents.members)
    return found.contents


def members_of(data: bytes) -> dict[str, bytes]:
    """What an ordinary reader of zstd and tar makes of it, which knows nothing of our index."""
    unpacking = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
    with tarfile.open(fileobj=io.BytesIO(data) if data is PLAIN else unpacking, mode="r|") as tar:
        found = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
    assert (found.pop("blobs"), found.pop("blobs/sha256")) == (b"", b"")  # Apptainer makes no folder by itself
    return found
