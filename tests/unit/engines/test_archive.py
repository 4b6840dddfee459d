"""What is packed into an archive comes out of it, for our reader and for any other."""

from __future__ import annotations

import io
import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import archivewriter, frames
from noxlib.engines.archiveformat import BLOCK, CONTENTS, TRAILER, Contents, Member

from .archives import (
    LAYERS,
    OWN,
    PLAIN,
    REFERENCES,
    WHOLE,
    by_digest,
    manifest,
    members_of,
    opened,
    packed,
    saved_by_an_old_docker,
    saved_by_docker,
    saved_by_podman,
    tar_of,
    verified,
)


def test_what_was_packed_is_verified_and_told() -> None:
    found = verified(WHOLE)
    assert [(image.python, image.reference, len(image.layers)) for image in found.images] == [
        (python, REFERENCES[python], 2) for python in OWN
    ]
    assert {member.name for member in found.members} == set(by_digest().values())  # and what nothing names is left out
    assert (found.zstd, found.level) == (frames.library(), frames.LEVEL)


@pytest.mark.parametrize("whole", [WHOLE, PLAIN], ids=["zstd", "tar"])
def test_an_ordinary_reader_finds_an_image_layout_and_what_docker_wants(whole: bytes) -> None:
    found = members_of(whole)
    index = json.loads(found["index.json"])
    for entry, python in zip(index["manifests"], OWN):
        told = found[f"blobs/{entry['digest'].replace(':', '/')}"]
        assert (sha256(told).hexdigest(), len(told)) == (entry["digest"][7:], entry["size"])
        assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/library/{REFERENCES[python]}"
        layers = [found[f"blobs/{layer['digest'].replace(':', '/')}"] for layer in json.loads(told)["layers"]]
        assert layers == [*OWN[python]]
    assert json.loads(found["manifest.json"])[1]["RepoTags"] == [REFERENCES["3.11"]]
    assert list(found)[-1] == CONTENTS


@pytest.mark.parametrize("tar", [saved_by_docker(2), saved_by_podman(), saved_by_an_old_docker()])
def test_the_same_images_give_the_same_bytes_whoever_saved_them(tar: bytes) -> None:
    assert packed(tar) == WHOLE


def test_images_that_are_saved_one_by_one_are_the_same_and_what_they_share_is_read_once() -> None:
    tars: list[bytes] = []
    for entry in json.loads(manifest(by_digest())):
        names = {name: data for data, name in by_digest().items() if name in (entry["Config"], *entry["Layers"])}
        again = {
            name: b"not read" if any(name.encode() in tar for tar in tars) else data for name, data in names.items()
        }
        tars.append(
            tar_of({**again, "index.json": entry["Config"].encode(), "manifest.json": json.dumps([entry]).encode()}, 1)
        )
    assert b"not read" in tars[1]
    assert packed(*tars) == WHOLE


def test_the_bytes_do_not_depend_on_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert packed(saved_by_docker()) == WHOLE


@given(st.binary(max_size=3000))
def test_content_of_any_size_comes_out_as_it_went_in(data: bytes) -> None:
    with tempfile.TemporaryFile() as aside, pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "SIZE", 1024)
        from noxlib.engines import saved

        piece = saved.pack(io.BytesIO(data), len(data), aside)
        out = io.BytesIO()
        archivewriter.write(out, Contents("demo", ()), {f"noxlib/wheels/{piece.sha256}": piece}, aside)
        found = opened(out.getvalue())
        (member,) = found.contents.members
        found.check([member])
        content = b"".join(found.content(member))
        assert content == data + bytes(-len(data) % BLOCK)
        assert len(member.frames) == 1 + -(-len(content) // 1024)


def test_of_one_python_nothing_else_is_read() -> None:
    found = opened(WHOLE)
    image = found.contents.images[1]
    mine = [found.members[blob.name] for blob in (image.config, *image.layers)]
    found.check(mine)
    assert b"".join(found.content(mine[2]))[: len(LAYERS[2])] == LAYERS[2]
    other = sum(frame.length for frame in found.members[by_digest()[LAYERS[1]]].frames)
    config = sum(frame.length for frame in found.members[found.contents.images[0].config.name].frames)
    own = sum(frame.length for member in mine for frame in member.frames) + found.contents.head[0].length
    ends = TRAILER.size + TRAILER.unpack(WHOLE[-TRAILER.size :])[3]
    assert found.taken == own + ends
    assert found.taken == found.size - other - config


def test_the_checksums_of_a_member_are_those_of_its_own_frames() -> None:
    member = opened(WHOLE).contents.members[0]
    assert isinstance(member, Member)
    assert all(frames.sound(frame) for frame in member.frames)
    assert Path(member.name).name == member.sha256
