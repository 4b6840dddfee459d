"""Archives by somebody who can compute every checksum again."""

from __future__ import annotations

import json
import tarfile
from hashlib import sha256
from typing import Any, Callable

import pytest

from noxlib import atomic
from noxlib.engines import frames
from noxlib.engines.archiveformat import BLOCK, CONTENTS, TRAILER, folders, header, member_of, trailer
from noxlib.errors import CacheError
from noxlib.testground import archiving

from .archives import REFERENCES, WHOLE, opened, verified


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
