from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import archive
from noxlib.engines.archive import Contents, Image
from noxlib.errors import CacheError

CONTENTS = Contents("demo", (Image("3.10", "demo-testground:py3.10-fp-0", "sha256:" + "0" * 64, "0" * 64),))
BLOB = b"a blob" * 5000
NAME = f"blobs/sha256/{sha256(BLOB).hexdigest()}"


def saved(time: int = 1, owner: int = 1000) -> bytes:
    """A tar as an engine gives it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in ((NAME, BLOB), ("index.json", b"{}"), ("ü" * 120, b"long name")):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(data), time, owner
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../other/layer.tar"
        tar.addfile(link)
    return out.getvalue()


def chunks(data: bytes, size: int = 700) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def packed(path: Path, data: bytes | None = None) -> bytes:
    archive.pack(chunks(saved() if data is None else data), CONTENTS, path)
    return path.read_bytes()


def verified(data: bytes) -> Contents:
    return archive.verify(io.BytesIO(data), "x.tar.zst")


def test_what_was_packed_is_verified_and_told(tmp_path: Path) -> None:
    found = verified(packed(tmp_path / "x"))
    assert found.images == CONTENTS.images
    assert found.members[NAME] == sha256(BLOB).hexdigest()
    assert set(found.members) == {NAME, "index.json", "ü" * 120, "layer.tar"}


def test_the_file_is_left_at_its_beginning(tmp_path: Path) -> None:
    file = io.BytesIO(packed(tmp_path / "x"))
    archive.verify(file, "x")
    assert file.tell() == 0


def test_times_and_owners_make_no_other_file(tmp_path: Path) -> None:
    assert packed(tmp_path / "x", saved(1, 1)) == packed(tmp_path / "y", saved(2, 2))


def outcome(data: bytes) -> Contents | str:
    try:
        return verified(data)
    except CacheError:
        return "refused"


@given(st.data())
def test_no_byte_can_be_changed_and_no_end_cut_off(data: st.DataObject) -> None:
    whole = WHOLE
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :]
    for damaged in (changed, whole[:at]):
        found = outcome(damaged)
        # or else it is a bit that zstd gives no meaning: what is unpacked is the same
        assert found == "refused" or (found == verified(whole) and damaged is changed)


def rewritten(change: dict[str, bytes | None]) -> bytes:
    """The archive with members replaced or left out, as somebody would who can compress it again."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(WHOLE))) as source:
        members = {member.name: source.extractfile(member) for member in source if member.isreg()}
        data = {name: content.read() for name, content in members.items() if content is not None}
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in {**data, **change}.items():
            if content is not None:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return zstandard.ZstdCompressor().compress(out.getvalue())


def test_a_blob_that_is_not_what_its_name_says_is_refused_though_its_checksum_is_told() -> None:
    told = json.loads(json.dumps({"project": "demo", "images": [], "members": {NAME: sha256(b"other").hexdigest()}}))
    data = rewritten({NAME: b"other", "index.json": None, "ü" * 120: None, archive.CONTENTS: json.dumps(told).encode()})
    with pytest.raises(CacheError, match="is not what it was"):
        verified(data)


@pytest.mark.parametrize(
    "change", [{"index.json": b"[]"}, {"index.json": None}, {"more": b""}, {archive.CONTENTS: b"{"}]
)
def test_members_that_are_changed_missing_or_new_are_refused(change: dict[str, bytes | None]) -> None:
    with pytest.raises(CacheError):
        verified(rewritten(change))


def test_what_docker_saved_itself_is_no_archive_of_ours() -> None:
    with pytest.raises(CacheError, match="ends before its"):
        verified(zstandard.ZstdCompressor().compress(saved()))


def test_an_engine_that_stops_in_the_middle_is_told(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no whole tar"):
        packed(tmp_path / "x", saved()[:5000])


def _whole() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return packed(Path(folder) / "x")


WHOLE = _whole()
