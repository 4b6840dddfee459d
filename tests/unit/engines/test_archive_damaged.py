"""Archives that are none, are damaged or are cut off, and what an engine saved only half."""

from __future__ import annotations

import struct
from hashlib import sha256

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import frames
from noxlib.engines.archiveformat import TRAILER, trailer
from noxlib.errors import CacheError, EngineError

from .archives import PLAIN, WHOLE, by_digest, manifest, opened, packed, saved_by_docker, tar_of, verified


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


def test_a_frame_that_unpacks_to_more_than_it_says_is_never_unpacked() -> None:
    data = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    with pytest.raises(ValueError, match="another size"):
        frames.unpack(frames.Frame(len(data), 512, sha256(data).hexdigest()), data)
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(ValueError, match="another size"):
        frames.unpack(frames.Frame(len(stream), 512, sha256(stream).hexdigest()), stream)
    with pytest.raises(CacheError, match="no size, or too large a one"):
        verified(data + trailer(0, len(data), sha256(data).digest()))


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
