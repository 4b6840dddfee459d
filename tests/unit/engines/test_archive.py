from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from noxlib import atomic
from noxlib.engines import archive, archivewriter, frames
from noxlib.engines.archive import Archive
from noxlib.engines.archiveformat import (
    BLOCK,
    CONTENTS,
    TRAILER,
    Contents,
    Image,
    Member,
    folders,
    header,
    member_of,
    trailer,
)
from noxlib.engines.saved import Saved
from noxlib.errors import CacheError, EngineError
from noxlib.testground import archiving

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
    return archive.verify(io.BytesIO(data), "x.tar.zst")


def members_of(data: bytes) -> dict[str, bytes]:
    """What an ordinary reader of zstd and tar makes of it, which knows nothing of our index."""
    unpacking = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
    with tarfile.open(fileobj=io.BytesIO(data) if data is PLAIN else unpacking, mode="r|") as tar:
        found = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
    assert (found.pop("blobs"), found.pop("blobs/sha256")) == (b"", b"")  # Apptainer makes no folder by itself
    return found


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


def regions(whole: bytes) -> dict[str, tuple[int, int]]:
    """The parts that an archive has, each as its first byte and the one behind it."""
    contents = opened(whole).contents
    offset, length = TRAILER.unpack(whole[-TRAILER.size :])[2:4]
    head = contents.head[0].length
    first, second = (frame.length for frame in contents.members[0].frames)
    return {
        "the folders": (0, head),
        "a header": (head, head + first),
        "a blob": (head + first, head + first + second),
        "what describes the rest": (offset, offset + length),
        "the trailer": (offset + length, len(whole)),
        "anything": (0, len(whole)),
    }


@pytest.mark.parametrize("region", regions(WHOLE))
@pytest.mark.parametrize("whole", [WHOLE, PLAIN], ids=["zstd", "tar"])
@given(st.data())
def test_no_byte_can_be_changed_and_no_end_cut_off(whole: bytes, region: str, data: st.DataObject) -> None:
    start, end = regions(whole)[region]
    at = data.draw(st.integers(start, end - 1))
    changed = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :]
    for damaged in (changed, whole[:at], whole[:at] + whole[at + 1 :], whole + whole[at:]):
        with pytest.raises(CacheError, match="nothing of it was loaded"):
            verified(damaged)


@given(st.binary(max_size=400))
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    for other in (data, data + WHOLE[-TRAILER.size :], WHOLE[: -TRAILER.size] + data):
        with pytest.raises(CacheError):
            verified(other)


def test_what_docker_saved_itself_is_no_archive_of_ours() -> None:
    with pytest.raises(CacheError, match="no archive of this nox -s testground_export"):
        verified(zstandard.ZstdCompressor().compress(saved_by_docker()))


def rewritten(change: Callable[[dict[str, Any]], None], content: dict[str, bytes] | None = None) -> bytes:
    """The archive as somebody would change it who can compute every checksum again."""
    offset = TRAILER.unpack(WHOLE[-TRAILER.size :])[2]
    told = json.loads(atomic.to_json(opened(WHOLE).contents))
    first, first_bytes = frames.pack(folders([*(member["name"] for member in told["members"]), *(content or {})]))
    body = first_bytes + WHOLE[told["head"][0][0] : offset]
    told["head"] = [json.loads(atomic.to_json(first))]
    for name, data in (content or {}).items():
        (head, head_bytes), (frame, frame_bytes) = frames.pack(header(name, len(data))), frames.pack(padded(data))
        body += head_bytes + frame_bytes
        parts = json.loads(atomic.to_json([head, frame]))
        told["members"].append({"name": name, "size": len(data), "sha256": sha256(data).hexdigest(), "frames": parts})
    change(told)
    _, tail = frames.pack(member_of(CONTENTS, json.dumps(told).encode()) + bytes(2 * BLOCK))
    return body + tail + trailer(len(body), len(tail), sha256(tail).digest())


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def nothing(told: dict[str, Any]) -> None:
    pass


def test_a_change_with_new_checksums_is_not_refused_by_itself() -> None:
    verified(rewritten(nothing, {"noxlib/wheels/a.whl": b"more"}))  # or the tests below would prove nothing


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "noxlib/../../evil",
        "noxlib/wheels/../evil",
        "noxlib/wheels/.hidden",
        "noxlib/wheels/a/b/c/d",
        "blobs/sha256/../../../evil",
        "index.json",
        "noxlib/wheels/a\n",
        "noxlib/wheels/",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(CacheError, match="is no name of a file in it"):
        verified(rewritten(nothing, {name: b"evil"}))


def test_a_link_or_another_name_in_the_tar_than_is_told_is_refused() -> None:
    for kind, name in ((tarfile.SYMTYPE, "noxlib/wheels/a"), (tarfile.REGTYPE, "../../a")):
        link = tarfile.TarInfo(name)
        link.type, link.linkname, link.size = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else "", 0
        frame, data = frames.pack(link.tobuf(tarfile.PAX_FORMAT))

        def change(told: dict[str, Any], frame: frames.Frame = frame) -> None:
            parts = json.loads(atomic.to_json([frame]))
            entry = {"name": "noxlib/wheels/a", "size": 0, "sha256": sha256(b"").hexdigest(), "frames": parts}
            told["members"].append(entry)

        whole = rewritten(change)
        offset = TRAILER.unpack(whole[-TRAILER.size :])[2]
        tail = whole[offset : -TRAILER.size]
        found = opened(whole[:offset] + data + tail + trailer(offset + len(data), len(tail), sha256(tail).digest()))
        with pytest.raises(CacheError, match="folders are not those of its files"):
            found.check(found.contents.members)
        with pytest.raises(ValueError, match="something else than it says"):
            found._checked((found.members["noxlib/wheels/a"], 0, frame, data))


def test_a_blob_that_is_not_what_its_name_says_is_refused_though_all_checksums_are_told() -> None:
    name = f"blobs/sha256/{sha256(b'what it should be').hexdigest()}"
    with pytest.raises(CacheError, match="is no name of a file in it"):
        verified(rewritten(nothing, {name: b"something else"}))

    def lie(told: dict[str, Any]) -> None:
        told["members"][-1]["sha256"] = name.rpartition("/")[2]

    found = opened(rewritten(lie, {name: b"something else"}))
    with pytest.raises(CacheError, match="is not what its checksum says"):
        list(found.content(found.members[name]))  # and nothing of its last piece has been given


def bomb(told: dict[str, Any]) -> None:
    member = told["members"][0]
    length, _, digest = member["frames"][1]
    member["frames"] += [[length, frames.SIZE, digest]] * 1000
    member["size"] += frames.SIZE * 1000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda told: told["members"].pop(), "parts are not where they were"),
        (lambda told: told["members"].reverse(), ""),
        (lambda told: told["members"].append(told["members"][0]), "twice"),
        (lambda told: told["members"][0].update(size=1), "size"),
        (lambda told: told["members"][0].update(size=-512), "size"),
        (lambda told: told["members"][0]["frames"][1].__setitem__(1, 1 << 40), "size"),
        (lambda told: told["members"][0]["frames"][1].__setitem__(0, -1), "size"),
        (lambda told: told["images"][0].update(fingerprint="../x"), "no image of ours"),
        (lambda told: told["images"][0].update(python="3.10-x/../.."), "no image of ours"),
        (lambda told: told["images"][0]["config"].update(digest="sha256:../../x"), "no image of ours"),
        (lambda told: told.update(members="x"), "Expected"),
        (bomb, "GB of"),
    ],
)
def test_a_description_that_cannot_be_true_is_refused(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    with pytest.raises(CacheError, match=f"nothing of it was loaded: .*{reason}"):
        verified(rewritten(change))


def test_a_frame_that_unpacks_to_more_than_it_says_is_never_unpacked() -> None:
    data = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    with pytest.raises(ValueError, match="another size"):
        frames.unpack(frames.Frame(len(data), 512, sha256(data).hexdigest()), data)
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(ValueError, match="another size"):
        frames.unpack(frames.Frame(len(stream), 512, sha256(stream).hexdigest()), stream)
    with pytest.raises(CacheError, match="no size, or too large a one"):
        verified(data + trailer(0, len(data), sha256(data).digest()))


def test_a_file_is_handed_over_as_it_is_only_if_it_says_what_we_would_say() -> None:
    found = opened(WHOLE)
    images = dict(zip(REFERENCES.values(), found.contents.images))
    ours = archiving.as_it_is(found, images)
    assert ours is not None
    assert (ours.tell(), ours.read()) == (0, WHOLE)
    assert archiving.as_it_is(found, {"python:3.10-slim": images.popitem()[1], **images}) is None
    assert archiving.as_it_is(found, {"other:latest": found.contents.images[0]}) is None
    for evil in (rewritten(nothing), rewritten(nothing, {"noxlib/wheels/a": b"more"})):  # with no manifest.json at all
        other = opened(evil)
        assert archiving.as_it_is(other, dict(zip(REFERENCES.values(), other.contents.images))) is None


def test_a_trailer_that_points_elsewhere_is_refused() -> None:
    for offset, length in ((1 << 60, 10), (0, 1 << 31), (len(WHOLE), 0)):
        with pytest.raises(CacheError):
            verified(WHOLE[: -TRAILER.size] + trailer(offset, length, b"0" * 32))
    with pytest.raises(struct.error):
        trailer(-1, 0, b"")


def test_an_engine_that_stops_in_the_middle_or_saves_something_else_is_told() -> None:
    whole = saved_by_docker()
    names = by_digest()
    for tar, reason in (
        (whole[:5000], "no whole tar"),
        (b"", "no whole tar"),
        (tar_of({"manifest.json": b"{"}), "no whole tar"),
        (tar_of({"manifest.json": b"[]"}), "saved no image"),
        (tar_of({"manifest.json": manifest(names)}), "lacks blobs/sha256"),
        (tar_of({"manifest.json": b'[{"Config": "c", "RepoTags": null, "Layers": []}]'}), "did not save demo"),
    ):
        with pytest.raises(EngineError, match=reason):
            packed(tar)


def test_the_checksums_of_a_member_are_those_of_its_own_frames() -> None:
    member = opened(WHOLE).contents.members[0]
    assert isinstance(member, Member)
    assert all(frames.sound(frame) for frame in member.frames)
    assert Path(member.name).name == member.sha256
